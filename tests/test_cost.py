"""The calculators against an oracle that only counts, against torch, and against bad input."""

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from mobilenet_edu.cost import (
    Cost,
    batch_norm2d_cost,
    conv2d_cost,
    conv_output_size,
    depthwise_conv2d_cost,
    depthwise_separable_conv2d_cost,
    linear_cost,
    pointwise_conv2d_cost,
    reduction_ratio,
)

# Drawn without a random seed, so that two runs test the same thousands of layers.
thorough = settings(derandomize=True, max_examples=2000, deadline=None)


def positions(size, kernel, stride, padding, dilation):
    """Where a kernel can stand along one side of the padded input, found by trying every pixel."""
    return [
        start for start in range(0, size + 2 * padding, stride) if start + dilation * (kernel - 1) < size + 2 * padding
    ]


def counted(layer):
    """Output size, MACs and parameters of a layer by explicit loops, one increment at a time."""
    sides = [
        positions(*side)
        for side in zip(
            layer["input_size"], layer["kernel"], layer["stride"], layer["padding"], layer["dilation"], strict=True
        )
    ]
    macs = 0
    weights = set()
    for n in range(layer["out_channels"]):
        group = n * layer["groups"] // layer["out_channels"]
        for m in range(layer["in_channels"]):
            if m * layer["groups"] // layer["in_channels"] != group:
                continue
            for i in range(layer["kernel"][0]):
                for j in range(layer["kernel"][1]):
                    weights.add((n, m, i, j))
                    for _y in sides[0]:
                        for _x in sides[1]:
                            macs += 1
    return (len(sides[0]), len(sides[1])), macs, len(weights)


@st.composite
def layers(draw, largest_channels=3, largest_size=7):
    groups = draw(st.integers(1, 3))

    def pair(low, high):
        return draw(st.tuples(st.integers(low, high), st.integers(low, high)))

    kernel, dilation, padding = pair(1, 3), pair(1, 2), pair(0, 2)
    smallest = [max(1, d * (k - 1) + 1 - 2 * p) for k, d, p in zip(kernel, dilation, padding, strict=True)]
    return {
        "in_channels": groups * draw(st.integers(1, largest_channels)),
        "out_channels": groups * draw(st.integers(1, largest_channels)),
        "groups": groups,
        "kernel": kernel,
        "stride": pair(1, 3),
        "padding": padding,
        "dilation": dilation,
        "input_size": tuple(draw(st.integers(low, low + largest_size)) for low in smallest),
    }


def cost_of(layer, bias=False):
    return conv2d_cost(
        layer["in_channels"],
        layer["out_channels"],
        layer["kernel"],
        layer["input_size"],
        stride=layer["stride"],
        padding=layer["padding"],
        dilation=layer["dilation"],
        groups=layer["groups"],
        bias=bias,
    )


@thorough
@given(layers(largest_channels=2, largest_size=4), st.booleans())
def test_costs_are_what_explicit_loops_count(layer, bias):
    output, macs, weights = counted(layer)
    cost = cost_of(layer, bias)
    assert (
        conv_output_size(*(layer[key] for key in ("input_size", "kernel", "stride", "padding", "dilation"))) == output
    )
    assert cost.macs == macs
    assert cost.params == weights + (layer["out_channels"] if bias else 0)
    assert cost.output_elements == layer["out_channels"] * output[0] * output[1]
    assert cost.input_elements == layer["in_channels"] * layer["input_size"][0] * layer["input_size"][1]


@settings(derandomize=True, max_examples=300, deadline=None)
@given(layers(largest_channels=8, largest_size=12), st.booleans())
def test_macs_are_half_of_what_torch_calls_flops(layer, bias):
    conv = torch.nn.Conv2d(
        layer["in_channels"],
        layer["out_channels"],
        layer["kernel"],
        layer["stride"],
        layer["padding"],
        layer["dilation"],
        layer["groups"],
        bias,
        device="meta",
    )
    with FlopCounterMode(display=False) as counter:
        output = conv(torch.empty(1, layer["in_channels"], *layer["input_size"], device="meta"))
    cost = cost_of(layer, bias)
    assert cost.flops == counter.get_total_flops()
    assert cost.output_elements == output.numel()
    assert cost.params == sum(parameter.numel() for parameter in conv.parameters())


def test_depthwise_is_a_convolution_with_as_many_groups_as_channels():
    assert depthwise_conv2d_cost(8, (3, 5), (9, 11), stride=2, padding=1, dilation=(1, 2), bias=True) == conv2d_cost(
        8, 8, (3, 5), (9, 11), stride=2, padding=1, dilation=(1, 2), groups=8, bias=True
    )


def test_pointwise_is_a_one_by_one_convolution():
    assert pointwise_conv2d_cost(5, 7, (4, 6), bias=True) == conv2d_cost(5, 7, 1, (4, 6), bias=True)


def test_a_separable_layer_is_its_two_steps_and_only_the_first_has_the_stride():
    separable = depthwise_separable_conv2d_cost(6, 10, 3, (11, 8), stride=2, padding=1, dilation=2, bias=True)
    first = depthwise_conv2d_cost(6, 3, (11, 8), stride=2, padding=1, dilation=2, bias=True)
    assert separable == first + pointwise_conv2d_cost(6, 10, (5, 3), bias=True)


@settings(derandomize=True, max_examples=500, deadline=None)
@given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 5), st.integers(5, 20), st.integers(1, 3))
def test_the_saving_is_exactly_one_over_n_plus_one_over_k_squared(M, N, D_K, D_F, stride):
    padding = D_K // 2
    separable = depthwise_separable_conv2d_cost(M, N, D_K, D_F, stride=stride, padding=padding)
    standard = conv2d_cost(M, N, D_K, D_F, stride=stride, padding=padding)
    assert Fraction(separable.macs, standard.macs) == reduction_ratio(N, D_K)
    assert Fraction(separable.params, standard.params) == reduction_ratio(N, D_K)


def test_a_rectangular_kernel_saves_by_its_area():
    assert reduction_ratio(10, (3, 5)) == Fraction(1, 10) + Fraction(1, 15)


def test_linear_and_batch_norm():
    assert linear_cost(1024, 1000) == Cost(1_025_000, 1_024_000, 1024, 1000)
    assert linear_cost(1024, 1000, bias=False).params == 1_024_000
    assert batch_norm2d_cost(32) == Cost(params=64)


def test_costs_add_up():
    a, b = Cost(1, 2, 3, 4), Cost(10, 20, 30, 40)
    assert a + b == sum([a, b]) == sum([a, b], Cost()) == Cost(11, 22, 33, 44)
    assert a.flops == 4
    for add in (lambda: a + 1, lambda: 1 + a, lambda: sum([a, b], 1)):
        with pytest.raises(TypeError):
            add()


def test_arithmetic_intensity_moves_everything_once():
    cost = Cost(params=10, macs=120, input_elements=20, output_elements=30)
    assert cost.arithmetic_intensity() == 120 / (4 * 60)
    assert cost.arithmetic_intensity(bytes_per_element=1) == 2.0
    with pytest.raises(ValueError, match=r"at least one element, not Cost\(params=0, macs=5,"):
        Cost(macs=5).arithmetic_intensity()


def test_depthwise_intensity_without_weights_is_a_constant():
    for channels, size in ((32, 112), (512, 14)):
        for stride, expected in ((1, 9 / 8), (2, 9 / 20)):
            cost = depthwise_conv2d_cost(channels, 3, size, stride=stride, padding=1)
            weightless = Cost(0, cost.macs, cost.input_elements, cost.output_elements)
            assert weightless.arithmetic_intensity() == expected


def test_the_output_size_is_an_integer_only_if_every_argument_is_one():
    assert conv_output_size(7, 3) == 5
    assert conv_output_size((7, 7), 3) == (5, 5)
    assert conv_output_size(7, 3, stride=(1, 1)) == (5, 5)
    assert conv_output_size(7, 3, padding=(1, 0)) == (7, 5)


CALLS = {
    conv_output_size: {"input_size": 8, "kernel_size": 3, "stride": 1, "padding": 0, "dilation": 1},
    conv2d_cost: {
        "in_channels": 4,
        "out_channels": 4,
        "kernel_size": 3,
        "input_size": 8,
        "stride": 1,
        "padding": 0,
        "dilation": 1,
        "groups": 1,
    },
    depthwise_conv2d_cost: {"channels": 4, "kernel_size": 3, "input_size": 8, "stride": 1, "padding": 0, "dilation": 1},
    pointwise_conv2d_cost: {"in_channels": 4, "out_channels": 4, "input_size": 8},
    depthwise_separable_conv2d_cost: {
        "in_channels": 4,
        "out_channels": 4,
        "kernel_size": 3,
        "input_size": 8,
        "stride": 1,
        "padding": 0,
        "dilation": 1,
    },
    linear_cost: {"in_features": 4, "out_features": 4},
    batch_norm2d_cost: {"channels": 4},
    reduction_ratio: {"out_channels": 4, "kernel_size": 3},
    Cost(1, 1, 1, 1).arithmetic_intensity: {"bytes_per_element": 4},
}
ARGUMENTS = [(function, name) for function, arguments in CALLS.items() for name in arguments]
TAKES_A_PAIR = {"kernel_size", "input_size", "stride", "padding", "dilation"}


@pytest.mark.parametrize(("function", "name"), ARGUMENTS, ids=lambda value: getattr(value, "__name__", value))
@pytest.mark.parametrize("bad", [2.0, True, "3", None, float("nan"), np.int64(3)], ids=repr)
def test_what_is_no_integer_is_refused_by_name(function, name, bad):
    with pytest.raises(TypeError, match=rf"^{name}=.* must be an int, not {type(bad).__name__}"):
        function(**CALLS[function] | {name: bad})
    if name in TAKES_A_PAIR:
        with pytest.raises(TypeError, match=rf"^{name}=.* must be an int, not"):
            function(**CALLS[function] | {name: (2, bad)})


@pytest.mark.parametrize(("function", "name"), ARGUMENTS, ids=lambda value: getattr(value, "__name__", value))
def test_what_no_convolution_can_have_is_refused_by_name(function, name):
    for bad in (-1,) if name == "padding" else (0, -1):
        with pytest.raises(ValueError, match=rf"^{name}={bad} must be at least"):
            function(**CALLS[function] | {name: bad})
        if name in TAKES_A_PAIR:
            with pytest.raises(ValueError, match=rf"^{name}={bad} must be at least"):
                function(**CALLS[function] | {name: (2, bad)})
    if name in TAKES_A_PAIR:
        for bad in ((), (3,), (3, 3, 3)):
            with pytest.raises(ValueError, match=rf"^{name}=.* must be an integer or a pair"):
                function(**CALLS[function] | {name: bad})


@pytest.mark.parametrize("name", ["params", "macs", "input_elements", "output_elements"])
def test_a_cost_is_made_of_integers_from_zero(name):
    for bad in (1.0, True, None, np.int64(3)):
        with pytest.raises(TypeError, match=rf"^{name}=.* must be an int, not {type(bad).__name__}"):
            Cost(**{name: bad})
    with pytest.raises(ValueError, match=f"{name}=-1 must be at least 0"):
        Cost(**{name: -1})


def test_numbers_of_any_size_stay_exact():
    huge = 10**30
    assert conv2d_cost(huge, huge, 3, huge, padding=1).macs == 9 * 10**120


TAKES_A_BIAS = [
    conv2d_cost,
    depthwise_conv2d_cost,
    pointwise_conv2d_cost,
    depthwise_separable_conv2d_cost,
    linear_cost,
]


@pytest.mark.parametrize("function", TAKES_A_BIAS)
def test_a_bias_that_is_not_a_bool_is_refused(function):
    for bad in (1, None, "yes"):
        with pytest.raises(TypeError, match=r"bias=.* must be True or False"):
            function(**CALLS[function] | {"bias": bad})


def test_groups_must_divide_both_channel_counts():
    with pytest.raises(ValueError, match="groups=3 must divide in_channels=32"):
        conv2d_cost(32, 33, 3, 8, groups=3)
    with pytest.raises(ValueError, match="groups=3 must divide out_channels=32"):
        conv2d_cost(33, 32, 3, 8, groups=3)
    with pytest.raises(ValueError, match="groups=8 must divide in_channels=4"):
        conv2d_cost(4, 8, 3, 8, groups=8)


def test_a_kernel_larger_than_the_padded_input_is_refused():
    with pytest.raises(ValueError, match="must fit into the padded input of 4"):
        conv_output_size(2, 5, padding=1)
    with pytest.raises(ValueError, match="spans 5 pixels"):
        conv2d_cost(1, 1, 3, (9, 4), dilation=2)


def test_the_calculators_start_without_torch_numpy_or_matplotlib():
    code = (
        "import sys, mobilenet_edu.cost, mobilenet_edu.architecture;"
        "print(sorted({'torch', 'numpy', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
