"""The building blocks: their shapes, their groups, and what folding and a bias change in them."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mobilenet_edu.blocks import (
    ConvBNReLU,
    DepthwiseConv2d,
    DepthwiseSeparableConv2d,
    PointwiseConv2d,
    fold_batch_norm,
)

derandomized = settings(derandomize=True, max_examples=100, deadline=None)


def well_used(norm):
    """Give batch norm statistics and parameters as training leaves them: none of them 0 or 1."""
    with torch.no_grad():
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        if norm.affine:
            norm.weight.normal_()
            norm.bias.normal_()
    return norm


def test_a_depthwise_convolution_has_one_filter_a_channel():
    conv = DepthwiseConv2d(6, 5, stride=2)
    assert (conv.groups, conv.in_channels, conv.out_channels) == (6, 6, 6)
    assert (conv.weight.shape, conv.stride, conv.padding, conv.bias) == ((6, 1, 5, 5), (2, 2), (2, 2), None)


def test_a_pointwise_convolution_is_one_matrix():
    conv = PointwiseConv2d(6, 10)
    assert (conv.weight.shape, conv.groups, conv.stride, conv.padding, conv.bias) == (
        (10, 6, 1, 1),
        1,
        (1, 1),
        (0, 0),
        None,
    )


def test_a_bias_is_there_when_asked_for():
    assert DepthwiseConv2d(6, bias=True).bias.shape == (6,)
    assert PointwiseConv2d(6, 10, bias=True).bias.shape == (10,)
    block = DepthwiseSeparableConv2d(6, 10, bias=True)
    assert (block.depthwise.conv.bias.shape, block.pointwise.conv.bias.shape) == ((6,), (10,))


@derandomized
@given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 2), st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_a_block_halves_the_map_rounding_up_and_only_where_it_strides(in_channels, out_channels, stride, size):
    block = DepthwiseSeparableConv2d(in_channels, out_channels, stride).eval()
    output = block(torch.zeros(2, in_channels, *size))
    assert output.shape == (2, out_channels, *(math.ceil(side / stride) for side in size))


def test_the_stride_belongs_to_the_depthwise_step():
    block = DepthwiseSeparableConv2d(4, 8, stride=2)
    assert (block.depthwise.conv.stride, block.pointwise.conv.stride) == ((2, 2), (1, 1))


def test_a_block_is_convolution_norm_activation_twice():
    block = DepthwiseSeparableConv2d(4, 8)
    modules = [module for module in block.modules() if not list(module.children())]
    assert [type(module) for module in modules] == 2 * [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    assert [(modules[i].groups, modules[i].kernel_size) for i in (0, 3)] == [(4, (3, 3)), (1, (1, 1))]
    assert [name for name, _ in ConvBNReLU(nn.Conv2d(1, 1, 1)).named_children()] == ["conv", "norm", "activation"]
    assert all(str(modules[i]) == str(nn.BatchNorm2d(channels)) for i, channels in ((1, 4), (4, 8)))


def test_the_kernel_belongs_to_the_depthwise_step():
    block = DepthwiseSeparableConv2d(4, 8, stride=2, kernel_size=5)
    assert (block.depthwise.conv.kernel_size, block.depthwise.conv.padding) == ((5, 5), (2, 2))
    assert block.pointwise.conv.kernel_size == (1, 1)


def test_every_activation_is_the_one_that_was_asked_for_and_an_object_of_its_own():
    block = DepthwiseSeparableConv2d(4, 8, activation=nn.GELU)
    activations = [block.depthwise.activation, block.pointwise.activation]
    assert [type(activation) for activation in activations] == [nn.GELU, nn.GELU]
    assert activations[0] is not activations[1]


def test_a_block_computes_what_its_parts_compute():
    torch.manual_seed(0)
    block = DepthwiseSeparableConv2d(3, 5).eval()
    for step in block:
        well_used(step.norm)
    x = torch.randn(2, 3, 6, 7)
    expected = x
    for step, groups in ((block.depthwise, 3), (block.pointwise, 1)):
        mixed = nn.functional.conv2d(expected, step.conv.weight, padding=step.conv.padding, groups=groups)
        norm = step.norm
        scaled = (mixed - norm.running_mean[:, None, None]) / (norm.running_var[:, None, None] + norm.eps).sqrt()
        expected = (scaled * norm.weight[:, None, None] + norm.bias[:, None, None]).clamp(min=0)
    torch.testing.assert_close(block(x), expected)


def test_a_bias_before_batch_norm_changes_nothing_in_training():
    torch.manual_seed(0)
    with_bias = ConvBNReLU(nn.Conv2d(3, 5, 3, bias=True, dtype=torch.float64)).double().train()
    without = copy.deepcopy(with_bias)
    without.conv.bias = None
    x = torch.randn(4, 3, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(with_bias(x), without(x), rtol=1e-10, atol=1e-10)


def test_its_gradient_is_zero():
    torch.manual_seed(0)
    step = ConvBNReLU(nn.Conv2d(3, 5, 3, bias=True, dtype=torch.float64)).double().train()
    step(torch.randn(4, 3, 8, 8, dtype=torch.float64)).square().sum().backward()
    assert step.conv.bias.grad.abs().max() < 1e-10 < step.conv.weight.grad.abs().max()


def test_in_evaluation_it_changes_nothing_once_the_running_mean_holds_it():
    torch.manual_seed(0)
    with_bias = ConvBNReLU(nn.Conv2d(3, 5, 3, bias=True, dtype=torch.float64)).double().eval()
    well_used(with_bias.norm)
    without = copy.deepcopy(with_bias)
    without.conv.bias = None
    x = torch.randn(4, 3, 8, 8, dtype=torch.float64)
    assert not torch.allclose(with_bias(x), without(x))
    without.norm.running_mean -= with_bias.conv.bias.detach()
    torch.testing.assert_close(with_bias(x), without(x), rtol=1e-10, atol=1e-10)


@derandomized
@given(
    channels=st.tuples(st.integers(1, 2), st.integers(1, 3)),
    groups=st.integers(1, 3),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.integers(1, 2),
    padding=st.sampled_from([0, (1, 2)]),
    dilation=st.integers(1, 2),
    bias=st.booleans(),
    affine=st.booleans(),
    eps=st.sampled_from([1e-5, 1e-3, 0.5]),
    padding_mode=st.sampled_from(["zeros", "replicate"]),
)
def test_a_folded_convolution_does_what_both_did(
    channels, groups, kernel, stride, padding, dilation, bias, affine, eps, padding_mode
):
    torch.manual_seed(0)
    in_channels, out_channels = (groups * number for number in channels)
    conv = nn.Conv2d(
        in_channels, out_channels, kernel, stride, padding, dilation, groups, bias, padding_mode, dtype=torch.float64
    )
    norm = well_used(nn.BatchNorm2d(out_channels, eps=eps, affine=affine, dtype=torch.float64)).eval()
    x = torch.randn(2, in_channels, 8, 9, dtype=torch.float64)
    expected = norm(conv(x))
    torch.testing.assert_close(fold_batch_norm(conv, norm)(x), expected, rtol=1e-10, atol=1e-10)


def test_folding_leaves_its_arguments_as_they_were():
    conv, norm = nn.Conv2d(3, 5, 3), well_used(nn.BatchNorm2d(5))
    before = copy.deepcopy([conv.state_dict(), norm.state_dict()])
    folded = fold_batch_norm(conv, norm)
    for module, state in zip((conv, norm), before, strict=True):
        for name, value in module.state_dict().items():
            assert torch.equal(value, state[name])
    assert folded.weight.data_ptr() != conv.weight.data_ptr()


def test_a_folded_convolution_is_where_the_two_were():
    with torch.device("meta"):
        conv, norm = nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)
    assert fold_batch_norm(conv, norm).weight.is_meta


@pytest.mark.parametrize("channels", [1, 4, 6])
def test_a_norm_of_other_channels_is_refused(channels):
    with pytest.raises(ValueError, match=f"norm has {channels} channels and must have 5, as conv writes"):
        fold_batch_norm(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(channels))


def test_a_norm_without_running_statistics_is_refused():
    with pytest.raises(ValueError, match="must keep running statistics"):
        fold_batch_norm(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5, track_running_stats=False))
