"""The building blocks: their shapes, their groups, and what folding and a bias change in them."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrizations, prune

from mobilenet_edu.blocks import (
    ConvBNReLU,
    DepthwiseConv2d,
    DepthwiseSeparableConv2d,
    PointwiseConv2d,
    SameConv2d,
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


@pytest.mark.parametrize("size", [(8, 8), (9, 9), (8, 13), (224, 225)])
@pytest.mark.parametrize(
    "options", [{}, {"stride": 2}, {"stride": (2, 3), "groups": 2}, {"dilation": 2, "bias": False}]
)
def test_a_folded_convolution_keeps_its_class_and_so_its_padding(size, options):
    torch.manual_seed(0)
    conv, norm = SameConv2d(4, 6, 3, **options), well_used(nn.BatchNorm2d(6)).eval()
    images = torch.randn(2, 4, *size)
    folded = fold_batch_norm(conv, norm)
    assert type(folded) is SameConv2d
    torch.testing.assert_close(folded(images), norm(conv(images)), rtol=1e-4, atol=1e-5)


class Scaled(nn.Conv2d):
    """A reader's own convolution, which does more than its class of origin."""

    def forward(self, images):
        return 2 * super().forward(images)


class Rectified(nn.BatchNorm2d):
    """As timm's BatchNormAct2d, a batch norm and an activation in one."""

    def forward(self, images):
        return super().forward(images).relu()


def parametrized():
    return parametrizations.weight_norm(nn.Conv2d(4, 4, 3))


@pytest.mark.parametrize(
    ("conv", "kind"),
    [
        (Scaled(4, 4, 3), "Scaled"),
        (nn.ConvTranspose2d(4, 4, 3), "ConvTranspose2d"),
        (nn.LazyConv2d(4, 3), "LazyConv2d"),
        (parametrized(), "ParametrizedConv2d"),
        (type("Own", (SameConv2d,), {})(4, 4, 3), "Own"),
        (nn.Conv1d(4, 4, 3), "Conv1d"),
        (nn.Conv3d(4, 4, 3), "Conv3d"),
        (nn.Linear(4, 4), "Linear"),
        (nn.Sequential(nn.Conv2d(4, 4, 3)), "Sequential"),
        (None, "NoneType"),
    ],
)
def test_a_convolution_of_another_class_is_refused_by_name(conv, kind):
    with pytest.raises(TypeError, match=f"conv is of class {kind} and must be exactly of Conv2d or SameConv2d"):
        fold_batch_norm(conv, nn.BatchNorm2d(4))


@pytest.mark.parametrize(
    ("norm", "kind"),
    [
        (Rectified(4), "Rectified"),
        (nn.SyncBatchNorm(4), "SyncBatchNorm"),
        (nn.LazyBatchNorm2d(), "LazyBatchNorm2d"),
        (nn.InstanceNorm2d(4, affine=True, track_running_stats=True), "InstanceNorm2d"),
        (nn.BatchNorm1d(4), "BatchNorm1d"),
        (nn.GroupNorm(2, 4), "GroupNorm"),
        (nn.Identity(), "Identity"),
    ],
)
def test_a_norm_of_another_class_is_refused_by_name(norm, kind):
    with pytest.raises(TypeError, match=f"norm is of class {kind} and must be exactly of BatchNorm2d"):
        fold_batch_norm(nn.Conv2d(4, 4, 3), norm)


def pruned(module):
    return prune.l1_unstructured(module, "weight", 0.5)


def with_hook(module):
    module.register_forward_hook(lambda module, args, output: 2 * output)
    return module


def with_hook_before(module):
    module.register_forward_pre_hook(lambda module, args: (2 * args[0],))
    return module


def with_own_forward(module):
    module.forward = torch.zeros_like
    return module


@pytest.mark.parametrize("change", [with_hook, with_hook_before, with_own_forward, pruned])
@pytest.mark.parametrize("which", ["conv", "norm"])
def test_what_computes_more_than_its_class_says_is_refused(change, which):
    pair = {"conv": nn.Conv2d(4, 4, 3), "norm": nn.BatchNorm2d(4)}
    change(pair[which])
    with pytest.raises(ValueError, match=f"{which} must have neither hooks nor a forward of its own"):
        fold_batch_norm(**pair)


def test_a_lazy_pair_that_has_seen_an_image_is_folded():
    pair = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d()).train()
    images = torch.randn(2, 3, 8, 8)
    pair(images)
    torch.testing.assert_close(fold_batch_norm(*pair)(images), pair.eval()(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("dtype", "digits"), [(torch.float16, 2e-3), (torch.bfloat16, 2e-2)])
def test_half_precision_rounds_once_when_it_is_folded(dtype, digits):
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(8, 8, 3), well_used(nn.BatchNorm2d(8)).eval()
    norm.running_var.mul_(1e-4)  # of which epsilon is a tenth
    conv, norm = conv.to(dtype), norm.to(dtype)
    exact = fold_batch_norm(copy.deepcopy(conv).double(), copy.deepcopy(norm).double())
    folded = fold_batch_norm(conv, norm)
    assert folded.weight.dtype == folded.bias.dtype == dtype
    torch.testing.assert_close(folded.weight.double(), exact.weight, rtol=torch.finfo(dtype).eps / 1.9, atol=1e-7)
    images = torch.randn(2, 8, 9, 9, dtype=dtype)
    expected = norm(conv(images)).float()
    assert (folded(images).float() - expected).abs().max() < digits * expected.abs().max()


def test_folded_weights_that_half_precision_cannot_hold_are_refused():
    conv, norm = nn.Conv2d(2, 2, 1).half(), nn.BatchNorm2d(2).half()
    nn.init.constant_(conv.weight, 300)
    norm.running_var.zero_()  # so that the scale is 316
    with pytest.raises(ValueError, match=r"the folded weight must be finite, and torch\.float16 cannot hold it"):
        fold_batch_norm(conv, norm)


def test_a_frozen_convolution_stays_frozen_and_a_layout_is_kept():
    conv = nn.Conv2d(4, 6, 3).requires_grad_(False).to(memory_format=torch.channels_last)
    folded = fold_batch_norm(conv, nn.BatchNorm2d(6))
    assert not folded.weight.requires_grad
    assert not folded.bias.requires_grad
    assert folded.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("option", [{"padding": 1}, {"padding_mode": "reflect"}])
def test_same_padding_takes_no_other_padding_beside_it(option):
    with pytest.raises(TypeError, match=next(iter(option))):
        SameConv2d(3, 3, 3, **option)
