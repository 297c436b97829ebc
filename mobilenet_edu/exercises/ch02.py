"""Exercises of chapter 2, what a convolution costs."""

from __future__ import annotations

from random import Random

from mobilenet_edu.cost import conv2d_cost, conv_output_size
from mobilenet_edu.exercises._engine import Mistake, exercise


def _random_layer(rng: Random) -> tuple:
    groups = rng.choice((1, 1, 2, 4))
    channels = tuple(groups * rng.randint(1, 8) for _ in range(2))
    kernel = tuple(rng.choice((1, 2, 3, 5)) for _ in range(2))
    size = tuple(rng.randint(5, 20) for _ in range(2))
    return *channels, kernel, size, rng.choice((1, 2, 3)), rng.choice((0, 1, 2)), groups


def _reference_macs(in_channels, out_channels, kernel_size, input_size, stride, padding, groups):
    return conv2d_cost(
        in_channels, out_channels, kernel_size, input_size, stride=stride, padding=padding, groups=groups
    ).macs


def _macs_by_counting(in_channels, out_channels, kernel_size, input_size, stride, padding, groups):
    height, width = (size + 2 * padding for size in input_size)
    rows = range(0, height - kernel_size[0] + 1, stride)
    columns = range(0, width - kernel_size[1] + 1, stride)
    channels = in_channels // groups
    return sum(channels * kernel_size[0] * kernel_size[1] for _ in range(out_channels) for _ in rows for _ in columns)


def _with_input_size(in_channels, out_channels, kernel_size, input_size, stride, padding, groups):
    weights = kernel_size[0] * kernel_size[1] * in_channels // groups * out_channels
    return weights * input_size[0] * input_size[1]


@exercise(
    title="The MACs of any convolution",
    goal=1,
    level=3,
    minutes=10,
    unit="MACs",
    task="""Write a function that returns the number of multiply-accumulates of one convolution, for one image. The
kernel and the input are pairs `(height, width)`; the stride, the padding and the groups are single numbers.""",
    hints=(
        "How many multiplications does *one* number of the output need? And how many numbers has the output?",
        "One output number needs kernel height × kernel width × (input channels / groups) multiplications.",
        "Begin with the height of the output: `(input_size[0] + 2 * padding - kernel_size[0]) // stride + 1`.",
    ),
    cases=(
        (1, 1, (3, 3), (4, 4), 1, 0, 1),
        (3, 32, (3, 3), (224, 224), 2, 1, 1),
        (32, 32, (3, 3), (112, 112), 1, 1, 32),
    ),
    random_case=_random_layer,
    covers={
        "groups > 1": lambda *case: case[6] > 1,
        "stride > 1": lambda *case: case[4] > 1,
        "a map that is not square": lambda *case: case[3][0] != case[3][1],
        "a kernel that is not square": lambda *case: case[2][0] != case[2][1],
        "padding": lambda *case: case[5] > 0,
    },
    alternative=_macs_by_counting,
    mistakes=(
        Mistake(
            "FLOPs instead of MACs",
            "You counted FLOPs. One multiply-accumulate is one MAC, although it is two FLOPs.",
            lambda *case: 2 * _reference_macs(*case),
            misconception="1 MAC = 1 FLOP",
        ),
        Mistake(
            "input size",
            "You counted the positions of the input. With a stride, or without padding, the output has fewer.",
            _with_input_size,
            misconception="cost from the input's size although the stride is 2",
        ),
        Mistake(
            "forgot the groups",
            "You forgot the groups. Each filter sees only in_channels / groups channels.",
            lambda *case: case[6] * _reference_macs(*case),
        ),
        Mistake(
            "divided by the groups twice",
            "You divided by the groups twice. All filters together make all of out_channels; only what each filter "
            "sees is divided.",
            lambda *case: _reference_macs(*case) // case[6],
        ),
        Mistake(
            "parameters instead of MACs",
            "These are the weights. Each weight is used once for each position of the output.",
            lambda M, N, K, size, stride, padding, groups: K[0] * K[1] * M // groups * N,
            misconception="parameters are proportional to compute",
        ),
        Mistake(
            "square kernel",
            "Your kernel is square: its height counted twice. Multiply height by width.",
            lambda M, N, K, size, stride, padding, groups: (
                K[0] * K[0] * M // groups * N * _positions(size, K, stride, padding)
            ),
        ),
    ),
    reasoning="""Each output number needs one multiplication for each weight that reaches it: the kernel's area times
the channels of its group. The output has `out_channels` maps, each with one number for each position of the kernel.""",
)
def conv2d_macs(
    in_channels,
    out_channels,
    kernel_size,
    input_size,
    stride,
    padding,
    groups,
):
    """MACs of a convolution for one image; kernel and input are pairs."""
    height = (input_size[0] + 2 * padding - kernel_size[0]) // stride + 1
    width = (input_size[1] + 2 * padding - kernel_size[1]) // stride + 1
    taps = kernel_size[0] * kernel_size[1] * in_channels // groups
    return taps * out_channels * height * width


def _positions(size, kernel, stride, padding):
    height, width = conv_output_size(size, kernel, stride, padding)
    return height * width


ESSAYS = ()
