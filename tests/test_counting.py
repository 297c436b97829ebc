"""count_cost against the calculators, against torch's own counter, and as a good guest in somebody's model."""

import csv
import dataclasses
import importlib.util
import io
import random
import re
import subprocess
import sys
from collections import UserDict
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch._higher_order_ops import scan
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from mobilenet_edu.architecture import conv_mobilenet, mobilenet_v1, shallow_mobilenet
from mobilenet_edu.cost import Cost, conv2d_cost, linear_cost, pointwise_conv2d_cost
from mobilenet_edu.counting import count_cost, register_macs, training_macs
from mobilenet_edu.counting.formulas import FORMULAS, tensors
from mobilenet_edu.network import ConvMobileNet, MobileNet, MobileNetV1, ShallowMobileNet

EXPERIMENTS = Path(__file__).parent.parent / "experiments"


@pytest.mark.parametrize("resolution", [224, 192, 160, 128])
@pytest.mark.parametrize("width_multiplier", [1.0, 0.75, 0.5, 0.25])
def test_the_built_network_costs_what_the_data_say(width_multiplier, resolution):
    with torch.device("meta"):
        network = MobileNetV1(1000, width_multiplier)
    assert count_cost(network, (3, resolution, resolution)) == mobilenet_v1(width_multiplier, resolution).cost


@pytest.mark.parametrize(
    ("network", "architecture"),
    [(MobileNetV1, mobilenet_v1), (ConvMobileNet, conv_mobilenet), (ShallowMobileNet, shallow_mobilenet)],
)
def test_so_do_its_dense_twin_and_the_shallow_network(network, architecture):
    with torch.device("meta"):
        assert count_cost(network(bias=True), (3, 224, 224)) == architecture(bias=True).cost
        assert (
            count_cost(network(10, in_channels=1), (1, 97, 65)) == architecture(1.0, (97, 65), 10, in_channels=1).cost
        )


def test_a_real_network_counts_like_one_without_memory():
    assert count_cost(MobileNetV1(10, 0.25), (3, 64, 64)) == mobilenet_v1(0.25, 64, 10).cost


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(8, 4, 3, 3))

    def forward(self, x):
        return F.conv2d(F.conv2d(x, self.weight, padding=1)[:, :4], self.weight)


def test_functional_convolutions_count_each_call_and_their_weight_once():
    first, second = conv2d_cost(4, 8, 3, 9, padding=1), conv2d_cost(4, 8, 3, 9)
    cost = count_cost(Functional(), (4, 9, 9))
    assert cost == Cost(first.params) + Cost(0, *(getattr(first, n) + getattr(second, n) for n in NUMBERS))


NUMBERS = ("macs", "input_elements", "output_elements")


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_convolutions_agree_with_torch(stride, groups):
    conv = nn.ConvTranspose2d(4, 6, 3, stride, groups=groups, bias=False)
    with FlopCounterMode(display=False) as counter:
        conv(torch.zeros(1, 4, 5, 7))
    assert count_cost(conv, (4, 5, 7)).flops == counter.get_total_flops()


def test_shared_parameters_count_once_and_repeated_calls_each_time():
    conv = nn.Conv2d(3, 3, 3, padding=1, bias=False)
    once, thrice = count_cost(conv, (3, 8, 8)), count_cost(nn.Sequential(conv, conv, conv), (3, 8, 8))
    assert (thrice.params, thrice.macs) == (once.params, 3 * once.macs)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_neither_the_type_of_the_numbers_nor_frozen_parameters_change_the_cost(dtype):
    conv = nn.Conv2d(3, 8, 3)
    expected = count_cost(conv, (3, 6, 6))
    assert expected == conv2d_cost(3, 8, 3, 6, bias=True)
    assert count_cost(conv.to(dtype).requires_grad_(False), (3, 6, 6)) == expected


def test_matrix_products_of_every_form_count():
    class Products(nn.Module):
        def forward(self, x):
            a = x[0]  # (2, 3, 4)
            return torch.bmm(a, a.transpose(1, 2)), a[0] @ a[0].T, torch.baddbmm(torch.zeros(2, 3, 3), a, a.mT)

    class Stacked(nn.Module):
        def forward(self, x):
            return Products()(x.reshape(1, 2, 3, 4))

    assert count_cost(Stacked(), (2, 3, 4)).macs == 2 * 9 * 4 + 9 * 4 + 2 * 9 * 4
    assert count_cost(nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), (3, 2, 2)) == linear_cost(12, 5)


def test_elements_are_those_of_factors_that_are_no_parameters():
    class Pointwise(nn.Module):
        def __init__(self):
            super().__init__()
            self.matrix = nn.Parameter(torch.zeros(6, 4))

        def forward(self, x):
            return torch.einsum("nm,bmhw->bnhw", self.matrix, x)

    class Products(nn.Module):
        def forward(self, x):
            return x[0] @ x[0].mT

    assert count_cost(Pointwise(), (4, 5, 7)) == pointwise_conv2d_cost(4, 6, (5, 7))
    assert count_cost(Products(), (4, 5, 7)) == Cost(0, 4 * 5 * 5 * 7, 2 * 4 * 5 * 7, 4 * 5 * 5)


def test_products_with_a_vector_count():
    class Products(nn.Module):
        def forward(self, x):
            matrix, vector = x[0, 0], x[0, 0, 0]  # (3, 4), (4)
            return matrix @ vector, vector @ vector, torch.addmv(torch.zeros(3), matrix, vector)

    assert count_cost(Products(), (1, 3, 4)).macs == 12 + 4 + 12


@pytest.mark.parametrize("shape", [(8, 8), (4, 4, 4)], ids=["conv1d", "conv3d"])
def test_convolutions_of_other_dimensions_agree_with_torch(shape):
    conv = {2: nn.Conv1d, 3: nn.Conv3d}[len(shape)](2, 4, 3, stride=2, padding=1, groups=2)
    model = nn.Sequential(nn.Flatten(2), nn.Unflatten(2, shape) if len(shape) == 3 else nn.Identity(), conv)
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 2, 8, 8))
    assert count_cost(model, (2, 8, 8)).flops == counter.get_total_flops() > 0


FREE = [
    nn.Hardswish(),
    nn.Hardsigmoid(),
    nn.SiLU(),
    nn.GELU(),
    nn.PReLU(),
    nn.GLU(1),
    nn.LogSigmoid(),
    nn.Softmax(1),
    nn.GroupNorm(2, 4),
    nn.InstanceNorm2d(4),
    nn.LayerNorm(8),
    nn.LocalResponseNorm(4),
    nn.MaxPool2d(2),
    nn.AdaptiveMaxPool2d(2),
    nn.AvgPool2d(2),
    nn.ReflectionPad2d(1),
    nn.ReplicationPad2d(1),
    nn.CircularPad2d(1),
    nn.Upsample(scale_factor=2),
    nn.PixelShuffle(2),
    nn.PixelUnshuffle(2),
    nn.ChannelShuffle(2),
    nn.Unfold(3),
    nn.Dropout(),
]


@pytest.mark.parametrize("layer", FREE, ids=lambda layer: type(layer).__name__)
def test_what_has_no_multiply_accumulates_costs_none(layer):
    parameters = sum(parameter.numel() for parameter in layer.parameters())
    assert count_cost(layer, (4, 8, 8)) == Cost(params=parameters)


def test_a_model_in_inference_mode_counts_like_any_other():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5))
    expected = count_cost(model, (3, 8, 8))
    assert expected.macs > 0
    with torch.inference_mode():
        assert count_cost(model, (3, 8, 8)) == expected


TORCHSCRIPT = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # deprecated, and in use


def calling(function):
    """A model without parameters that does this."""

    class Calling(nn.Module):
        def forward(self, *args, **kwargs):
            return function(*args, **kwargs)

    return Calling()


REFUSED = {
    "_fft_r2c": torch.fft.fft,
    "linalg_inv_ex": torch.linalg.inv,
    "linalg_solve": lambda x: torch.linalg.solve(x, x),
    "linalg_qr": torch.linalg.qr,
    "grid_sampler_2d": lambda x: F.grid_sample(x, torch.zeros(1, 3, 3, 2), align_corners=False),
    "affine_grid_generator": lambda x: F.affine_grid(x[:, 0, :2, :3], (1, 1, 4, 4), align_corners=False),
    "cdist": lambda x: torch.cdist(x[0], x[0]),
    "NumPy": lambda x: torch.from_numpy(x[0, 0].numpy() @ x[0, 0].numpy()),
    "sparse": lambda x: torch.sparse.mm(torch.eye(4, device=x.device).to_sparse(), x[0, 0]),
}


@pytest.mark.parametrize(("name", "function"), REFUSED.items(), ids=REFUSED)
def test_what_may_hide_products_is_refused_by_name(name, function):
    with pytest.raises(NotImplementedError, match=f"does not know how many MACs .*{name}"):
        count_cost(calling(function), (2, 4, 4))


def test_numpy_is_refused_on_parameters_and_through_numpys_own_functions_too():
    class Numbers(nn.Module):
        def __init__(self, function):
            super().__init__()
            self.weight, self.function = nn.Parameter(torch.ones(3, 3), requires_grad=False), function

        def forward(self, x):
            return x * torch.as_tensor(self.function(self.weight)).sum()

    for function in (lambda weight: weight.numpy() @ weight.numpy(), np.linalg.det, lambda w: np.asarray(w) @ w):
        with pytest.raises(NotImplementedError, match="NumPy"):
            count_cost(Numbers(function), (2, 4, 4))
    assert "numpy" not in vars(torch.Tensor)


@TORCHSCRIPT
def test_a_refusal_inside_torchscript_is_a_sentence_too():
    model = torch.jit.trace(calling(torch.fft.fft), torch.zeros(1, 2, 4, 4))
    with pytest.raises(NotImplementedError, match=r"does not know how many MACs aten\._fft_r2c"):
        count_cost(model, (2, 4, 4))


def test_an_operation_of_another_library_is_refused_until_a_formula_tells():
    with torch.library._scoped_library("somebody", "FRAGMENT") as library:
        library.define("squares(Tensor x) -> Tensor")
        library.impl("squares", lambda x: x @ x, "CPU")
        model = calling(lambda x: torch.ops.somebody.squares(x[0, 0]))
        with pytest.raises(NotImplementedError, match=r"somebody\.squares.*register_macs"):
            count_cost(model, (1, 4, 4))

        @register_macs(torch.ops.somebody.squares)
        def of_squares(output, x):
            return output.numel() * x.shape[1]

        assert count_cost(model, (1, 4, 4)) == Cost(0, 64, 16, 16)
        del FORMULAS[torch.ops.somebody.squares]


def test_a_formula_is_for_an_operation_of_the_dispatcher():
    with pytest.raises(TypeError, match=r"operation=.* must be one of torch\.ops"):
        register_macs(torch.cdist)


IN_PLACE_AND_OTHER_FREE_FORMS = {
    "activations": lambda x: F.hardswish(F.mish(F.threshold(x, 0.1, 0, True), True), True),
    "masks": lambda x: x.masked_fill_(x > 0, 1).index_fill_(1, torch.tensor([0]), 2),
    "views": lambda x: x.transpose_(1, 2).unsqueeze_(0).squeeze_(0).swapaxes_(1, 2).view(4, -1),
    "norms": lambda x: (F.normalize(x), x.norm(), torch.std_mean(x), torch.var_mean(x, 1)),
    "interpolation": lambda x: [
        F.interpolate(x, scale_factor=2, mode=m) for m in ("bilinear", "bicubic", "nearest-exact")
    ],
    "order": lambda x: (x.cumsum(1), x.sort(), x.topk(2), x.gather(1, torch.zeros(1, 1, 8, 8).long()), x.kthvalue(1)),
    "places": lambda x: (
        x.tril(),
        x.rot90(),
        torch.linspace(0, 1, 5),
        x.scatter(1, torch.zeros(1, 1, 8, 8).long(), 1.0),
    ),
    "random": lambda x: (torch.rand_like(x), x.bernoulli(), x.uniform_(), torch.randperm(4), F.rrelu(x, training=True)),
    "indices": lambda x: F.embedding(torch.zeros(3).long(), x[0, 0]),
    "rounding": lambda x: (x // 3, x % 2, x.round_(), x.clamp_(0, 1)),
    "pooling": lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2),
    "layouts": lambda x: F.adaptive_avg_pool2d(x.to(memory_format=torch.channels_last), 1).flatten(1),
}


@pytest.mark.parametrize("function", IN_PLACE_AND_OTHER_FREE_FORMS.values(), ids=IN_PLACE_AND_OTHER_FREE_FORMS)
def test_all_other_operations_are_free_by_rule(function):
    assert count_cost(calling(function), (4, 8, 8)) == Cost()


def test_memory_formats_do_not_change_the_cost():
    network = MobileNetV1(10, 0.25).to(memory_format=torch.channels_last)
    assert count_cost(network, (3, 64, 64)) == mobilenet_v1(0.25, 64, 10).cost


def attention(**settings):
    return nn.MultiheadAttention(16, 4, batch_first=True, **settings)


def attention_macs(tokens, width):
    return 4 * tokens * width**2 + 2 * tokens**2 * width


def test_attention_counts_in_every_form():
    module, tokens = attention().eval(), torch.zeros(1, 6, 16)
    expected = attention_macs(6, 16)
    for needs_weights in (False, True):
        for requires_grad in (False, True):  # the fast path asks for none
            module.requires_grad_(requires_grad)
            wrapped = calling(lambda x: module(x, x, x, need_weights=needs_weights))  # noqa: B023
            assert count_cost(wrapped, input_data=tokens).macs == expected
    q = torch.zeros(2, 4, 6, 8)
    kernels = calling(lambda q: F.scaled_dot_product_attention(q, q, q, is_causal=True))
    assert count_cost(kernels, input_data=q).macs == 2 * 2 * 4 * 6 * 6 * 8


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")  # its advice is about speed
def test_flexible_attention_counts_with_every_score_and_mask():
    q, macs = torch.zeros(1, 2, 16, 8), 2 * 2 * 16 * 16 * 8
    mask = create_block_mask(lambda b, h, i, j: i >= j, None, None, 16, 16, device="cpu", BLOCK_SIZE=16)
    for function in (
        lambda q: flex_attention(q, q, q),
        lambda q: flex_attention(q, q, q, score_mod=lambda score, b, h, i, j: score + i - j),
        lambda q: flex_attention(q, q, q, block_mask=mask),
        lambda q: flex_attention(q, q[:, :1], q[:, :1], enable_gqa=True),
    ):
        assert count_cost(calling(function), input_data=q).macs == macs


def test_a_mask_of_padding_saves_nothing():
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), 1).requires_grad_(False)
    data = {"src": torch.zeros(2, 6, 16), "src_key_padding_mask": torch.tensor([[False] * 6, [False] * 4 + [True] * 2])}
    expected = 2 * (attention_macs(6, 16) + 2 * 6 * 16 * 32)
    assert count_cost(encoder, input_data=data).macs == expected
    assert torch.backends.mha.get_fastpath_enabled()


def test_a_choice_between_two_functions_costs_the_one_that_runs():
    weights = torch.zeros(4, 4), torch.zeros(4, 2)
    model = calling(
        lambda x: torch.cond(x.sum() > 0, lambda x: x @ weights[0], lambda x: x @ weights[1] @ weights[1].T, (x,))
    )
    assert count_cost(model, input_data=torch.zeros(3, 4)).macs == 2 * 3 * 4 * 2
    assert count_cost(model, input_data=torch.ones(3, 4)).macs == 3 * 4 * 4


def test_other_functions_of_functions_are_refused_by_name():
    model = calling(lambda x: scan(lambda state, row: (state + row, row * 2), x[0], x))
    with pytest.raises(NotImplementedError, match="higher-order operator scan"):
        count_cost(model, input_data=torch.zeros(3, 4))


def test_an_encoder_counts_its_attention_on_every_path():
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2)
    expected = 2 * (attention_macs(6, 16) + 2 * 6 * 16 * 32)
    assert count_cost(encoder, input_data=torch.zeros(1, 6, 16)).macs == expected
    assert count_cost(encoder.requires_grad_(False), input_data=torch.zeros(1, 6, 16)).macs == expected


class Asking(nn.Module):
    """The same model, whose code also asks for a value, so that shapes are not enough."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(x) if float(x.abs().sum()) == 0 else None


class Thrice(nn.Module):
    """Calls a layer of two or three inputs with one."""

    def __init__(self, layer, times=3):
        super().__init__()
        self.layer, self.times = layer, times

    def forward(self, x):
        return self.layer(*[x] * self.times)


KERNELS = {
    "convolution": (nn.Conv2d(4, 6, 3, groups=2), (1, 4, 8, 8)),
    "transposed": (nn.ConvTranspose2d(4, 6, 3, 2, groups=2, output_padding=1), (1, 4, 8, 8)),
    "linear": (nn.Linear(8, 3), (2, 5, 8)),
    "bilinear": (Thrice(nn.Bilinear(8, 8, 3), 2), (5, 8)),
    "batch norm": (nn.BatchNorm2d(4), (2, 4, 3, 3)),
    "kernel": (calling(lambda q: F.scaled_dot_product_attention(q, q, q)), (2, 4, 6, 8)),
    "encoder": (nn.TransformerEncoderLayer(16, 4, 32, batch_first=True).requires_grad_(False), (1, 6, 16)),
    "fast attention": (Thrice(attention().requires_grad_(False)), (1, 6, 16)),
    "LSTM": (nn.LSTM(8, 5, 2, bidirectional=True), (7, 2, 8)),
    "GRU": (nn.GRU(8, 5), (7, 2, 8)),
    "RNN": (nn.RNN(8, 5, batch_first=True), (2, 7, 8)),
    "cell": (nn.LSTMCell(8, 5), (2, 8)),
    "complex": (nn.Linear(8, 3, dtype=torch.complex64), (2, 8)),
}


@pytest.mark.parametrize(("model", "shape"), KERNELS.values(), ids=KERNELS)
def test_shapes_and_a_real_pass_count_the_same_macs(model, shape):
    model.eval()
    data = torch.zeros(shape, dtype=next(model.parameters(), torch.zeros(())).dtype)
    on_shapes, real = count_cost(model, input_data=data), count_cost(Asking(model), input_data=data)
    assert on_shapes.macs == real.macs
    assert on_shapes.macs > 0 or isinstance(model, nn.BatchNorm2d)


def test_recurrent_layers_meet_each_matrix_once_a_step():
    for layer in (nn.LSTM(8, 5, 2, bidirectional=True), nn.GRU(8, 5), nn.RNN(8, 5)):
        matrices = sum(parameter.numel() for parameter in layer.parameters() if parameter.dim() == 2)
        assert count_cost(layer, input_data=torch.zeros(7, 2, 8)).macs == 7 * 2 * matrices


def test_a_complex_product_is_three_real_ones_in_convolutions_and_in_products():
    conv = nn.Conv2d(4, 6, 1, bias=False, dtype=torch.complex64)
    linear = nn.Linear(4, 6, bias=False, dtype=torch.complex64)
    by_conv, by_linear = count_cost(conv, (4, 3, 5)), count_cost(linear, input_data=torch.zeros(15, 4) + 0j)
    assert by_conv == by_linear
    assert by_conv.macs == 3 * 15 * 4 * 6


def test_einsum_and_its_relatives_count():
    x = torch.zeros(2, 3, 4)
    for function in (
        lambda x: torch.einsum("bij,bkj->bik", x, x),
        lambda x: torch.matmul(x, x.mT),
        lambda x: torch.inner(x[0], x[0]).expand(2, 3, 3),
        lambda x: torch.addbmm(torch.zeros(3, 3, device=x.device), x, x.mT),
    ):
        macs = count_cost(calling(function), input_data=x).macs
        assert macs in (2 * 3 * 3 * 4, 3 * 3 * 4)


SMALL = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5)).eval()
IMAGE = torch.zeros(1, 3, 8, 8)


def exported():
    return torch.export.export(SMALL, (IMAGE,)).module()


def compiled():
    model = torch.compile(SMALL, backend="eager")
    model(IMAGE)
    return model


FORMS = {
    "traced": lambda: torch.jit.trace(SMALL, IMAGE),
    "scripted": lambda: torch.jit.script(SMALL),
    "compiled": lambda: torch.compile(SMALL, backend="eager"),
    "compiled and run": compiled,
    "exported": exported,
    "in parallel": lambda: nn.DataParallel(SMALL),
    "fx": lambda: torch.fx.symbolic_trace(SMALL),
    "on meta": lambda: deepcopy(SMALL).to("meta"),
}


@TORCHSCRIPT
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_model_counts_as_what_it_is_in_every_form(form):
    assert count_cost(form(), (3, 8, 8)) == count_cost(SMALL, (3, 8, 8))


@TORCHSCRIPT
@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize(
    "make", [torch.jit.script, lambda model: torch.jit.trace(model, IMAGE)], ids=["script", "trace"]
)
def test_a_frozen_model_counts_its_constants_as_parameters(make, saved):
    frozen = torch.jit.freeze(make(SMALL))
    if saved:
        file = io.BytesIO()
        torch.jit.save(frozen, file)
        frozen = torch.jit.load(io.BytesIO(file.getvalue()))
    folded = count_cost(SMALL, (3, 8, 8)).params - 16  # freezing merges batch norm into the convolution
    assert count_cost(frozen, (3, 8, 8)) == dataclasses.replace(count_cost(SMALL, (3, 8, 8)), params=folded)
    assert count_cost(nn.Sequential(frozen, nn.Linear(5, 2)), (3, 8, 8)).params == folded + 12


@TORCHSCRIPT
def test_running_statistics_of_a_frozen_model_are_no_parameters():
    model = nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3)).eval()
    assert count_cost(torch.jit.freeze(torch.jit.script(model)), (3, 8, 8)).params == 6
    scales = torch.ones(3, 1, 1)
    traced = torch.jit.trace(calling(lambda x: x * scales), IMAGE)
    assert count_cost(traced, (3, 8, 8)).params == 0  # a constant from the beginning


@TORCHSCRIPT
def test_a_script_whose_steps_cannot_be_seen_is_refused():
    optimised = torch.jit.optimize_for_inference(torch.jit.script(SMALL))
    with pytest.raises(NotImplementedError, match=r"mkldnn_convolution.* before torch\.jit\.optimize"):
        count_cost(optimised, (3, 8, 8))


def test_an_exported_program_says_how_it_is_counted():
    with pytest.raises(TypeError, match=r"must be a built nn.Module.* its module\(\)"):
        count_cost(torch.export.export(SMALL, (IMAGE,)), (3, 8, 8))


class Standardised(nn.Conv2d):
    def forward(self, x):
        weight = self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)
        return F.conv2d(x, F.batch_norm(weight[None].flatten(1, 2), None, None, training=True).view_as(weight))


def in_buffer():
    conv = nn.Conv2d(32, 40, 3, bias=False)
    weight = conv.weight.detach()
    del conv.weight
    conv.register_buffer("weight", weight)
    return conv


WEIGHTS = {
    "plain": lambda: nn.Conv2d(32, 40, 3, bias=False),
    "weight norm": lambda: nn.utils.parametrizations.weight_norm(nn.Conv2d(32, 40, 3, bias=False)),
    "standardised": lambda: Standardised(32, 40, 3, bias=False),
    "buffer": in_buffer,
    "frozen": lambda: nn.Conv2d(32, 40, 3, bias=False).requires_grad_(False),
    "small": lambda: nn.Sequential(nn.Conv2d(32, 40, 3, bias=False)),
}


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)
def test_what_is_computed_from_parameters_alone_is_no_input(weights, device):
    model = weights().to(device)
    expected = conv2d_cost(32, 40, 3, 8)
    models = [model, Asking(model)] if device == "cpu" else [model]
    for each in models:
        cost = count_cost(each, (32, 8, 8))
        assert (cost.macs, cost.input_elements, cost.output_elements) == (
            expected.macs,
            expected.input_elements,
            expected.output_elements,
        )


def test_autocast_changes_no_cost_and_remembers_nothing():
    linear = nn.Linear(768, 10)
    with torch.autocast("cpu", torch.bfloat16):
        assert count_cost(linear, (1, 1, 768)) == linear_cost(768, 10)
        assert linear(torch.zeros(1, 768)).device.type == "cpu"


def test_what_is_written_into_zeros_is_an_input():
    def padded(x):
        wide = x.new_zeros(1, 8, 4, 4)
        wide[:, :4] = x
        return F.conv2d(wide, torch.zeros(2, 8, 1, 1, device=x.device))

    def elsewhere(x):
        wide = torch.zeros(1, 8, 4, 4)
        wide[:, :4] = x
        return F.conv2d(wide, torch.zeros(2, 8, 1, 1))

    for function in (padded, elsewhere):
        assert count_cost(calling(function), (4, 4, 4)) == Cost(0, 16 * 8 * 2, 128, 32)


def test_models_with_other_inputs_are_called_with_input_data():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.linear = nn.Embedding(50, 8), nn.Linear(8, 3)

        def forward(self, ids, scale):
            return self.linear(self.embedding(ids)) * scale

    ids, scale = torch.zeros(2, 5, dtype=torch.long), torch.ones(3)
    expected = Cost(50 * 8 + 27, 10 * 24, 80, 30)
    assert count_cost(Two(), input_data=(ids, scale)) == expected
    assert count_cost(Two(), input_data={"ids": ids, "scale": scale}) == expected
    assert count_cost(Two(), input_data=UserDict(ids=ids, scale=scale)) == expected
    assert count_cost(nn.ReLU(), input_data=torch.zeros(3)) == Cost()
    for nothing in ({}, {"input_size": (1, 2, 3), "input_data": ids}):
        with pytest.raises(ValueError, match=r"give input_size=.*, or input_data"):
            count_cost(Two(), **nothing)


def test_tensors_inside_of_inputs_are_inputs():
    class Pair(NamedTuple):
        left: torch.Tensor
        right: torch.Tensor

    pair, expected = Pair(torch.zeros(300, 4), torch.zeros(4, 50)), Cost(0, 300 * 4 * 50, 1400, 15000)
    product = calling(lambda pair: pair[0] @ pair[1])
    for data in (pair, [pair], (tuple(pair),), {"pair": list(pair)}, {"pair": pair}):
        assert count_cost(product, input_data=data) == expected
    packed = pack_padded_sequence(torch.zeros(7, 2, 8), [7, 3])
    assert count_cost(nn.GRU(8, 6), input_data=packed).macs == 10 * (8 + 6) * 18


def test_a_model_that_does_not_fit_fails_with_pytorchs_own_sentence():
    for model in (nn.Conv2d(4, 8, 3), nn.Linear(9, 3), nn.BatchNorm2d(4)):
        with pytest.raises((RuntimeError, ValueError)) as theirs:
            model(IMAGE)
        with pytest.raises(type(theirs.value), match=re.escape(str(theirs.value)[:20])):
            count_cost(model, (3, 8, 8))


@pytest.mark.parametrize("bad", [(3, 8), 8, (3, 8, 8, 8), "388"])
def test_an_input_size_is_three_numbers(bad):
    with pytest.raises(ValueError, match=r"must be \(channels, height, width\)"):
        count_cost(nn.ReLU(), bad)


def test_an_input_size_is_of_positive_integers():
    with pytest.raises(ValueError, match="height=0 must be at least 1"):
        count_cost(nn.ReLU(), (3, 0, 8))
    with pytest.raises(TypeError, match=r"width=8\.0 must be an int"):
        count_cost(nn.ReLU(), (3, 8, 8.0))


@pytest.mark.parametrize("bad", [MobileNetV1, 5, F.relu])
def test_a_model_is_a_built_module(bad):
    with pytest.raises(TypeError, match=r"model=.* must be a built nn.Module, such as MobileNetV1"):
        count_cost(bad, (3, 8, 8))


@pytest.mark.parametrize("lazy", [nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(affine=False)])
def test_lazy_layers_are_refused_before_they_choose_their_shapes(lazy):
    with pytest.raises(ValueError, match="call it once"):
        count_cost(lazy, (3, 8, 8))
    assert "Lazy" in type(lazy).__name__


class Meddling(nn.Module):
    """Changes a buffer, replaces another and draws a random number whenever it runs."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("replaced", torch.zeros(()))
        self.conv = nn.Conv2d(1, 1, 1)

    def forward(self, x):
        self.calls += 1
        self.replaced = self.replaced + 1
        return self.conv(x) + torch.rand(())


class Failing(nn.Module):
    def forward(self, x):
        raise RuntimeError("boom")


@pytest.mark.parametrize("failing", [False, True])
def test_the_model_is_left_as_it_was(failing):
    model = nn.Sequential(Meddling(), nn.BatchNorm2d(1), nn.Dropout(), Failing() if failing else nn.ReLU())
    model[1].eval()
    model[0].conv.weight.grad = torch.ones(1, 1, 1, 1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    buffers = dict(model.named_buffers())
    random_state = torch.get_rng_state()
    if failing:
        with pytest.raises(RuntimeError, match="boom"):
            count_cost(model, (1, 4, 4))
    else:
        assert count_cost(model, (1, 4, 4)).macs == 16
    assert all(buffer is buffers[name] for name, buffer in model.named_buffers())
    assert torch.is_grad_enabled()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random_state)
    assert torch.equal(model[0].conv.weight.grad, torch.ones(1, 1, 1, 1))
    assert not any(module._forward_hooks for module in model.modules())


class OneByOne(nn.Module):
    """A grouped convolution as one ordinary convolution a group, which PyTorch's own counter counts right."""

    def __init__(self, grouped):
        super().__init__()
        self.groups, self.settings = grouped.groups, (grouped.stride, grouped.padding, grouped.dilation)
        self.weights = nn.ParameterList(grouped.weight.detach().chunk(grouped.groups))

    def forward(self, x):
        parts = zip(x.chunk(self.groups, 1), self.weights, strict=True)
        return torch.cat([F.conv2d(part, weight, None, *self.settings) for part, weight in parts], 1)


def torch_step(model, image):
    """Half of what FlopCounterMode says about forward and backward."""
    with FlopCounterMode(display=False) as counter:
        model(image).sum().backward()
    return counter.get_total_flops() // 2


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_training_step_of_grouped_layers_agrees_with_one_convolution_a_group(groups):
    model = nn.Sequential(
        nn.Conv2d(4, 8, 3, 2, 1, groups=groups, bias=False),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, groups=2 * groups, bias=False),
        nn.Flatten(),
        nn.Linear(8 * 16, 3),
    )
    apart = nn.Sequential(*(OneByOne(layer) if isinstance(layer, nn.Conv2d) else layer for layer in model))
    assert training_macs(model, (4, 8, 8)) == torch_step(apart, torch.zeros(1, 4, 8, 8))


def test_a_training_step_of_attention_and_transposed_layers_agrees_with_torch():
    conv = nn.Sequential(nn.ConvTranspose2d(3, 4, 3, 2), nn.SiLU(True), nn.ConvTranspose2d(4, 2, 3))
    assert training_macs(conv, (3, 8, 8)) == torch_step(conv, IMAGE)
    layer = nn.Sequential(nn.Flatten(0, 1), nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True))
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        assert training_macs(layer, (3, 8, 8)) == torch_step(layer, IMAGE)


def test_a_step_of_mobilenet_costs_three_passes_less_its_first_layer():
    network, layers = MobileNetV1(10, 0.25), mobilenet_v1(0.25, 64, 10).layers
    before = [parameter.clone() for parameter in network.parameters()]
    forward = count_cost(network, (3, 64, 64)).macs
    assert training_macs(network, (3, 64, 64)) == 3 * forward - layers[0].cost.macs
    assert training_macs(network, (3, 32, 32)) > 0  # ends in maps of one position
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(map(torch.equal, network.parameters(), before))
    assert network.training


def test_a_step_that_reaches_no_parameter_is_refused():
    for end in (lambda x: x.argmax(1), lambda x: x.detach(), lambda x: SimpleNamespace(logits=x)):
        with pytest.raises(ValueError, match="model must return tensors that depend on its parameters"):
            training_macs(nn.Sequential(nn.Conv2d(3, 4, 3), calling(end)), (3, 8, 8))


def test_a_step_costs_the_same_wherever_it_is_counted():
    conv, lstm = nn.Conv2d(3, 4, 3), nn.LSTM(8, 5)
    with torch.inference_mode():
        assert training_macs(conv, (3, 8, 8)) == 2 * count_cost(conv, (3, 8, 8)).macs
    complex_ones = nn.Sequential(*(nn.Conv2d(3, 3, 3, dtype=torch.complex64) for _ in range(2)))
    real_ones = nn.Sequential(*(nn.Conv2d(3, 3, 3) for _ in range(2)))
    assert training_macs(complex_ones, (3, 8, 8)) == 3 * training_macs(real_ones, (3, 8, 8))
    on_shapes, real = (training_macs(nn.Sequential(nn.Flatten(0, 1), each), (3, 7, 8)) for each in (lstm, Asking(lstm)))
    assert on_shapes == real > 2 * 3 * 7 * (8 + 5) * 20


def test_frozen_parameters_cost_no_gradient():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.Conv2d(8, 4, 3, bias=False))
    first, second = (count_cost(model[:1], (3, 8, 8)).macs, count_cost(model[1:], (8, 6, 6)).macs)
    assert training_macs(model, (3, 8, 8)) == 2 * first + 3 * second
    model[0].requires_grad_(False)
    assert training_macs(model, (3, 8, 8)) == first + 2 * second
    model.requires_grad_(False)
    assert training_macs(model, (3, 8, 8)) == first + second


def test_a_step_on_shapes_and_one_with_numbers_cost_the_same():
    class Curious(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = nn.Sequential(nn.Conv2d(4, 8, 3, groups=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3))

        def forward(self, x):
            return self.model(x) if float(x.sum()) == 0 else None

    model = Curious()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert training_macs(model, (4, 8, 8)) == training_macs(model.model, (4, 8, 8)) > 0
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


class Leaving(nn.Module):
    """Leaves traces wherever a pass can: attributes, containers, parameters, Python's and NumPy's random states."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 4))
        self.cache, self.seen, self.settings = None, [], {"calls": 0}

    def forward(self, x):
        if self.cache is None:
            self.cache = torch.arange(4, device=x.device) * x.mean()
        self.seen.append(x)
        self.settings["calls"] += 1
        with torch.no_grad():
            self.weight.clamp_(max=0.5)
        random.random()
        np.random.rand()
        return (x @ self.weight) + (0 if self.settings["calls"] else float(x.sum()))


@pytest.mark.parametrize("with_numbers", [False, True])
def test_a_pass_leaves_no_trace(with_numbers):
    model = Leaving()
    hook = model.register_forward_hook(lambda *_: None)
    states = random.getstate(), np.random.get_state()[2]
    assert count_cost(Asking(model) if with_numbers else model, (1, 4, 4)).macs == 64
    assert (model.cache, model.seen, model.settings) == (None, [], {"calls": 0})
    assert torch.equal(model.weight, torch.ones(4, 4))
    assert (random.getstate(), np.random.get_state()[2]) == states
    assert list(model._forward_hooks) == [hook.id]
    assert training_macs(nn.Sequential(nn.Linear(4, 4), model), (1, 4, 4)) > 0
    assert model.seen == []


def test_a_model_whose_eval_refuses_or_merges_is_not_asked_to():
    class Merging(nn.Linear):
        def train(self, mode=True):
            raise AssertionError("called")

    assert count_cost(Merging(4, 4), (1, 4, 4)).macs == 64


def test_the_first_count_of_a_process_imports_nothing():
    code = (
        "import sys, torch\n"
        "from mobilenet_edu.counting import count_cost\n"
        "from mobilenet_edu.network import MobileNetV1\n"
        "network, before = MobileNetV1(10, 0.25), set(sys.modules)\n"
        "count_cost(network, (3, 32, 32))\n"
        "assert set(sys.modules) == before, set(sys.modules) - before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_counting_allocates_no_maps_and_computes_no_numbers():
    class Watching(TorchDispatchMode):
        largest = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            for tensor in tensors([result]):
                self.largest = max(self.largest, 0 if tensor.is_meta else tensor.numel())
            return result

    network = MobileNetV1(10, 0.25)
    with Watching() as watching:
        assert count_cost(network, (3, 512, 512)).macs > 0
    assert watching.largest <= 2**18  # the largest weight; maps have 4 million elements


def test_any_module_built_from_an_architecture_is_a_mobilenet():
    assert isinstance(MobileNetV1(), MobileNet)


THIRTY = [
    "botnet26t_256",
    "convit_tiny",
    "convnext_atto",
    "convnextv2_pico",
    "crossvit_9_240",
    "cs3darknet_s",
    "deit_small_patch16_224",
    "densenet121",
    "edgenext_xx_small",
    "efficientformer_l1",
    "efficientnet_b0",
    "efficientvit_b0",
    "fastvit_t8",
    "fbnetc_100",
    "ghostnet_100",
    "halonet26t",
    "hardcorenas_a",
    "levit_128s",
    "lcnet_050",
    "mixer_s32_224",
    "mnasnet_small",
    "mobilenetv3_small_050",
    "mobilenetv4_conv_small",
    "mobilevit_xxs",
    "poolformer_s12",
    "regnety_002",
    "repvgg_a0",
    "resnet50t",
    "tinynet_e",
    "vit_tiny_patch16_224",
]


@pytest.mark.slow
@pytest.mark.parametrize("name", THIRTY)
def test_networks_of_timm_count_as_in_pytorchs_own_counter(name, monkeypatch):
    if importlib.util.find_spec("timm") is None:
        pytest.skip("timm is not installed")
    monkeypatch.syspath_prepend(EXPERIMENTS)
    from compare_counts import compared

    with (EXPERIMENTS / "results" / "compared_counts.csv").open(encoding="utf-8", newline="") as file:
        size = next(int(row["size"]) for row in csv.DictReader(file) if row["network"] == name)
    row = compared("timm", name, size)
    assert (row["says"], row["count_cost"]) == ("equal", row["torch"] + row["attention"])


class HalfStem(nn.Module):
    """Its first layer is in half precision, its last is not."""

    def __init__(self):
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 4, 3).half(), nn.Linear(4, 10)

    def forward(self, images):
        return self.head(self.stem(images).float().mean((2, 3)))


def test_the_image_has_the_type_of_the_layer_that_meets_it():
    assert count_cost(HalfStem(), (3, 6, 6)).macs == 27 * 4 * 16 + 40
