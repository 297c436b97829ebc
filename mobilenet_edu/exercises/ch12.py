"""Exercises of chapter 12, what came next."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import comb
from random import Random

from mobilenet_edu.exercises._engine import Essay, Mistake, exercise
from mobilenet_edu.exercises._later import nn
from mobilenet_edu.exercises.networks import behaviour, macs_of
from mobilenet_edu.successors import inverted_residual, mobilenet_v2, networks, round_width


def _random_narrow(rng: Random) -> tuple:
    return rng.randint(2, 96), rng.randint(2, 96), rng.choice((2, 3, 6)), rng.randint(2, 60)


def _sum_of_layers(in_channels, out_channels, expansion, map_size):
    layers = inverted_residual("block", in_channels, out_channels, 1, expansion, (map_size, map_size))
    return sum(layer.cost.macs for layer in layers)


@exercise(
    title="Three steps",
    goal=1,
    level=1,
    minutes=5,
    unit="MACs",
    task="""This function is finished: the cost of an inverted residual with stride 1 and 3×3 filters. Run it. Then
print the three terms for 16 channels in, 16 out and expansion 6, and for 160 in and out. How many times as much as the
filtering does each of the other two steps cost? Why does the answer change with the width? Then break it: write
`in_channels` for `wide` in `expand` and in `filter_`, check again, and read the answer.""",
    hints=(
        "Which of the three steps sees the narrow map, and which only the wide one?",
        "Per pixel: wide · in, then 9 · wide, then wide · out.",
        "Print `in_channels`, `9` and `out_channels`: wide times each of them is a step's cost per pixel.",
    ),
    cases=((16, 16, 6, 28), (160, 160, 6, 7), (64, 96, 6, 14), (2, 2, 3, 2)),
    random_case=_random_narrow,
    covers={
        "more channels out than in": lambda M, N, t, size: N > M,
        "an expansion that is not 6": lambda M, N, t, size: t != 6,
    },
    alternative=_sum_of_layers,
    mistakes=(
        Mistake(
            "expansion in the projection only",
            "Only your projection has the factor `expansion`. The first step already writes the wide map, so all "
            "three have it.",
            lambda M, N, t, size: size**2 * (M * M + 9 * M + t * M * N),
        ),
        Mistake(
            "filters on the narrow map",
            "Your filters work on the narrow map. Between expansion and projection the map is wide, and each of its "
            "channels has a filter.",
            lambda M, N, t, size: size**2 * (t * M * M + 9 * M + t * M * N),
        ),
        Mistake(
            "projection from the narrow map",
            "Your projection reads the narrow map. It follows the filters, so it reads as many channels as they write.",
            lambda M, N, t, size: size**2 * (t * M * M + 9 * t * M + M * N),
        ),
        Mistake(
            "one side of the map",
            "You multiplied by the map's side. Each step is done at every pixel, and there are side times side.",
            lambda M, N, t, size: size * t * M * (M + 9 + N),
        ),
        Mistake(
            "one step for all pixels",
            "You multiplied the expansion alone by the pixels. All three steps run at every pixel: put parentheses "
            "around their sum.",
            lambda M, N, t, size: size**2 * t * M * M + t * M * (9 + N),
        ),
        Mistake(
            "a product of the steps",
            "You multiplied what the steps cost. One runs after the other: add them up.",
            lambda M, N, t, size: size**2 * t * M * M * 9 * N,
        ),
        Mistake(
            "standard filters on the wide map",
            "Your middle step combines channels. It is depthwise: each of the wide map's channels has one filter.",
            lambda M, N, t, size: size**2 * (t * M * M + 9 * (t * M) ** 2 + t * M * N),
            misconception="depthwise means separable",
        ),
        Mistake(
            "the addition as MACs",
            "You counted the addition of the input. It multiplies nothing, so it is no MAC.",
            lambda M, N, t, size: size**2 * (t * M * (M + 9 + N) + M),
        ),
        Mistake(
            "FLOPs",
            "You counted two operations for each MAC. The exercise counts MACs.",
            lambda M, N, t, size: 2 * size**2 * t * M * (M + 9 + N),
            misconception="1 MAC = 1 FLOP",
        ),
    ),
    reasoning=f"""Each step has the wide map's channels as a factor; what remains is the number of input channels, 9,
and the number of output channels. At 16 channels the three steps cost {6 * 16 * 16:,}, {9 * 6 * 16:,} and
{6 * 16 * 16:,} MACs for each pixel, so each pointwise step costs 16/9 times as much as the filters. At
160 they cost {6 * 160 * 160:,}, {9 * 6 * 160:,} and {6 * 160 * 160:,}, and the factor is 160/9: the pointwise steps
grow with the square of the width, the filters with the width alone.""",
)
def narrow_wide_narrow(in_channels, out_channels, expansion, map_size):
    """MACs of an inverted residual: stride 1, 3×3 filters."""
    wide = expansion * in_channels
    expand = in_channels * wide
    filter_ = 9 * wide
    project = wide * out_channels
    return map_size**2 * (expand + filter_ + project)


def _random_block(rng: Random) -> tuple:
    return (
        rng.randint(2, 96),
        rng.randint(2, 96),
        rng.choice((1, 1, 3, 6)),
        rng.choice((1, 2)),
        rng.randint(5, 60),
    )


def _strided(M, N, t, stride, size):
    layers = inverted_residual("block", M, N, stride, t, (size, size))
    return sum(layer.cost.macs for layer in layers)


def _block_macs(M, N, t, stride, size, *, first=None, before=None, after=None):
    """The cost with one thing changed: is the expansion always there, and which sizes count before and after."""
    small = (size - 1) // stride + 1
    before, after = size if before is None else before, small if after is None else after
    expand = M * t * M if t > 1 or first else 0
    return before**2 * expand + after**2 * t * M * (9 + N)


@exercise(
    title="The stride in the middle",
    goal=1,
    level=2,
    minutes=10,
    unit="MACs",
    task="""Now with a stride. Fill the three gaps: the size of the map that goes out (3×3 filters, padding 1), the
expansion's MACs, and those of the other two steps. With expansion 1 there is no first layer.""",
    hints=(
        "Draw the block as three boxes and write the map's size on each of the four arrows.",
        "out = (map_size − 1) // stride + 1. The expansion is paid at `map_size`, the rest at `out`.",
        "The first gap: `out = (map_size - 1) // stride + 1`.",
    ),
    cases=((16, 24, 6, 2, 112), (32, 16, 1, 1, 112), (96, 160, 6, 2, 14), (24, 24, 6, 1, 56), (8, 8, 3, 2, 7)),
    random_case=_random_block,
    covers={
        "stride 2": lambda M, N, t, stride, size: stride == 2,
        "no expansion": lambda M, N, t, stride, size: t == 1,
        "an odd map with stride 2": lambda M, N, t, stride, size: stride == 2 and size % 2 == 1,
    },
    alternative=_strided,
    stub="""def inverted_residual_macs(
    in_channels,
    out_channels,
    expansion,
    stride,
    map_size,
):
    \"\"\"MACs of an inverted residual with 3×3 filters.\"\"\"
    wide = expansion * in_channels
    out = ...
    expand = 0 if expansion == 1 else ...
    rest = ...
    return expand + rest
""",
    mistakes=(
        Mistake(
            "an expansion at t = 1",
            "You paid for an expansion where there is none. With expansion 1 the map is as wide already, and the block "
            "begins with its filters.",
            lambda M, N, t, stride, size: _block_macs(M, N, t, stride, size, first=True),
        ),
        Mistake(
            "the input's size throughout",
            "You used the input's size for all three steps. Behind the stride the map is smaller: filters and "
            "projection are paid at the size that they write.",
            lambda M, N, t, stride, size: _block_macs(M, N, t, stride, size, after=size),
            misconception="cost from the input's size although the stride is 2",
        ),
        Mistake(
            "the output's size throughout",
            "You used the output's size for all three steps. The expansion comes before the stride and is paid at full "
            "size.",
            lambda M, N, t, stride, size: _block_macs(M, N, t, stride, size, before=(size - 1) // stride + 1),
        ),
        Mistake(
            "rounded down",
            "Your output size is rounded down for odd maps. With padding 1, a map of 7 pixels becomes 4 at stride 2.",
            lambda M, N, t, stride, size: _block_macs(M, N, t, stride, size, after=size // stride),
        ),
        Mistake(
            "one side of the map",
            "You multiplied by a side of the maps. Each step is done at every pixel, and there are side times side.",
            lambda M, N, t, stride, size: (
                (M * t * M * size if t > 1 else 0) + ((size - 1) // stride + 1) * t * M * (9 + N)
            ),
        ),
        Mistake(
            "divided by the stride once",
            "You divided the pixels by the stride once. It skips rows *and* columns: compute the side that goes out, "
            "and square it.",
            lambda M, N, t, stride, size: (size**2 * M * t * M if t > 1 else 0) + size**2 // stride * t * M * (9 + N),
        ),
        Mistake(
            "divided the pixels",
            "You divided the pixels by the square of the stride. That is right for even maps; a map of 7 pixels "
            "becomes 4 at stride 2, so compute the side first.",
            lambda M, N, t, stride, size: (
                (size**2 * M * t * M if t > 1 else 0) + size**2 // stride**2 * t * M * (9 + N)
            ),
        ),
        Mistake(
            "nothing at t = 1",
            "At expansion 1 your block costs nothing. Only its first layer is left out: filters and projection stay.",
            lambda M, N, t, stride, size: 0 if t == 1 else _block_macs(M, N, t, stride, size),
        ),
        Mistake(
            "the projection at one pixel",
            "Your projection runs at one pixel. It runs at every pixel that goes out, as the filters do.",
            lambda M, N, t, stride, size: (
                _block_macs(M, N, t, stride, size) - (((size - 1) // stride + 1) ** 2 - 1) * t * M * N
            ),
        ),
        Mistake(
            "all divided by the stride twice",
            "You divided the whole cost by the square of the stride. The expansion runs before the stride, at full "
            "size, and the map that goes out is rounded up.",
            lambda M, N, t, stride, size: _block_macs(M, N, t, 1, size) // stride**2,
        ),
        Mistake(
            "an expansion at stride 1 only",
            "You let the stride decide whether there is an expansion. It is missing only where `expansion` is 1.",
            lambda M, N, t, stride, size: (
                (size**2 * M * t * M if stride == 1 else 0) + ((size - 1) // stride + 1) ** 2 * t * M * (9 + N)
            ),
        ),
        Mistake(
            "the filters at full size",
            "You paid for the filters at every pixel of the input. They carry the stride, so they run only where an "
            "output pixel is.",
            lambda M, N, t, stride, size: (
                _block_macs(M, N, t, stride, size) + 9 * t * M * (size**2 - ((size - 1) // stride + 1) ** 2)
            ),
        ),
        Mistake(
            "the projection at full size",
            "You paid for the projection at every pixel of the input. It comes behind the stride, so it works on the "
            "smaller map.",
            lambda M, N, t, stride, size: (
                _block_macs(M, N, t, stride, size) + t * M * N * (size**2 - ((size - 1) // stride + 1) ** 2)
            ),
        ),
    ),
    reasoning=f"""The stride belongs to the depthwise layer, in the middle. So the expansion runs on the map that
comes in, the projection on the one that goes out, and the filters where an output pixel is. For MobileNet V2's
second block, 16 to 24 channels at 112×112 with stride 2, that is {_strided(16, 24, 6, 2, 112):,} MACs, of which the
expansion takes {16 * 96 * 112**2:,}.""",
)
def inverted_residual_macs(
    in_channels,
    out_channels,
    expansion,
    stride,
    map_size,
):
    """MACs of an inverted residual with 3×3 filters."""
    wide = expansion * in_channels
    out = (map_size - 1) // stride + 1
    expand = 0 if expansion == 1 else map_size**2 * in_channels * wide
    rest = out**2 * wide * (9 + out_channels)
    return expand + rest


def _random_width(rng: Random) -> tuple:
    return rng.choice((16, 16, 24, 32, 96, 104, 160, 320)), rng.choice((0.25, 0.35, 0.35, 0.5, 0.75, 1.4))


def _half_to_even(channels, width_multiplier):
    exact = channels * width_multiplier
    nearest = max(8, round(exact / 8) * 8)
    return nearest + 8 if nearest < 0.9 * exact else nearest


def _next_if(exact, is_lost, of=8):
    """Rounded to a multiple, and the next one where ``is_lost(width, exact)``."""
    nearest = max(of, int(exact + of / 2) // of * of)
    return nearest + of if is_lost(nearest, exact) else nearest


def _one_below(exact):
    nearest = max(8, int(exact + 4) // 8 * 8)
    return nearest - 8 if nearest > 1.1 * exact else nearest


def _a_tenth_of_the_channels(channels, width_multiplier):
    nearest = max(8, int(channels * width_multiplier + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


@exercise(
    title="Widths in multiples of eight",
    goal=3,
    level=3,
    minutes=12,
    unit="channels",
    task="""MobileNet V2 and the networks after it round every width. Take `channels` times `width_multiplier`. Round
to the nearest multiple of 8 (halfway cases go up), and take at least 8. If that has lost more than a tenth
of the exact width, take the next multiple of 8 instead. Return the width.""",
    hints=(
        "Three steps in a row: round, lift to 8 if needed, then look at what was lost.",
        "The nearest multiple of 8 to x is `int(x + 4) // 8 * 8`; lost more than a tenth means below 0.9 · x.",
        "Begin with `exact = channels * width_multiplier`.",
    ),
    cases=(
        (32, 0.35),
        *((43, 0.2), (179, 0.05)),  # the exact width counts: 8.6 has not lost a tenth, 8.95 has
        (24, 0.35),
        (16, 0.25),
        (32, 1.0),
        (24, 0.75),
        (96, 1.4),
        (160, 0.35),
        (320, 1.3),
        (24, 0.5),
        (104, 0.5),
        (8, 0.25),
        (44, 0.8),
        (107, 0.25),
    ),
    random_case=_random_width,
    covers={
        "a width below 8": lambda channels, width_multiplier: channels * width_multiplier < 8,
        "rounding down would lose more than a tenth": lambda channels, width_multiplier: (
            int(channels * width_multiplier + 4) // 8 * 8 < 0.9 * channels * width_multiplier
        ),
        "a wider network": lambda channels, width_multiplier: width_multiplier > 1,
        "in the middle of two multiples": lambda channels, width_multiplier: channels * width_multiplier % 8 == 4,
    },
    alternative=lambda channels, width_multiplier: round_width(channels * width_multiplier),
    mistakes=(
        Mistake(
            "round()",
            "In the middle you went down, or to the even neighbour, as Python's `round` does. Here the middle goes up.",
            _half_to_even,
        ),
        Mistake(
            "V1's rule",
            "You cut off to a whole number, as MobileNet V1 does. Here widths are multiples of 8.",
            lambda channels, width_multiplier: int(channels * width_multiplier),
        ),
        Mistake(
            "always down",
            "Your width is always the next multiple downwards. It is the nearest one that counts.",
            lambda channels, width_multiplier: max(8, int(channels * width_multiplier) // 8 * 8),
        ),
        Mistake(
            "always up",
            "Your width is always the next multiple upwards. Up only if that is nearer, or if rounding down loses too "
            "much.",
            lambda channels, width_multiplier: max(8, -(-int(channels * width_multiplier + 0.999) // 8) * 8),
        ),
        Mistake(
            "a twentieth",
            "You take the next multiple where more than a twentieth is lost. A tenth may be lost: compare with 0.9 "
            "times the exact width.",
            lambda channels, width_multiplier: _next_if(channels * width_multiplier, lambda n, x: n < 0.95 * x),
        ),
        Mistake(
            "a tenth either way",
            "You take the next multiple also where rounding up has *added* more than a tenth. Only a loss counts.",
            lambda channels, width_multiplier: _next_if(channels * width_multiplier, lambda n, x: abs(n - x) > 0.1 * x),
        ),
        Mistake(
            "a channel lost",
            "You take the next multiple where more than one channel is lost. It is a tenth of the exact width that "
            "counts.",
            lambda channels, width_multiplier: _next_if(channels * width_multiplier, lambda n, x: n < x - 1),
        ),
        Mistake(
            "multiples of four",
            "You rounded to multiples of 4. The task asks for 8.",
            lambda channels, width_multiplier: _next_if(channels * width_multiplier, lambda n, x: n < 0.9 * x, of=4),
        ),
        Mistake(
            "whole numbers",
            "You rounded to a whole number. Every width is a multiple of 8.",
            lambda channels, alpha: max(8, round(channels * alpha)),
        ),
        Mistake(
            "rounded before the multiplier",
            "You rounded the channels first and multiplied afterwards. The width after the multiplier is what has to "
            "be a multiple of 8.",
            lambda channels, width_multiplier: int(max(8, (channels + 4) // 8 * 8) * width_multiplier),
        ),
        Mistake(
            "the one below",
            "You go down where rounding up added more than a tenth. The task goes up where rounding down has lost more "
            "than a tenth.",
            lambda channels, width_multiplier: _one_below(channels * width_multiplier),
        ),
        Mistake(
            "a tenth of the channels",
            "You compare with nine tenths of `channels`. What must not be lost is a tenth of the exact width, the one "
            "after the multiplier.",
            _a_tenth_of_the_channels,
        ),
        Mistake(
            "forgot the tenth",
            "Your width is always the nearest multiple. Where that loses more than a tenth, the next one is taken.",
            lambda channels, width_multiplier: max(8, int(channels * width_multiplier + 4) // 8 * 8),
        ),
    ),
    reasoning=f"""The order matters: round, lift, then compare with nine tenths of the *exact* width. At 24 channels
and 0.5 the exact width is 12, in the middle, so it becomes {round_width(12)}. At {32} and 0.35 it is
{32 * 0.35:.1f}: the nearest multiple is 8, which loses more than a tenth, so it becomes {round_width(11.2)}. With this
rule the released networks come out, for example {mobilenet_v2(0.35, 96).cost.macs:,} MACs for the smallest.""",
)
def rounded_width(channels, width_multiplier):
    """The width after the multiplier, a multiple of 8."""
    exact = channels * width_multiplier
    nearest = max(8, int(exact + 4) // 8 * 8)
    if nearest < 0.9 * exact:
        nearest += 8
    return nearest


def _inverted_residual(*case, **changes):
    """The block with one thing changed at a time."""

    class InvertedResidual(nn.Module):
        def __init__(
            self,
            M,
            N,
            t,
            stride,
            *,
            add=None,
            last=False,
            act="ReLU6",
            skip=True,
            groups=True,
            bias=False,
            norm=True,
            **place,
        ):
            super().__init__()
            wide = place.get("wide", t * M)
            first, second = place.get("acts", (act, act))

            def unit(conv, act):
                norms = [nn.BatchNorm2d(conv.out_channels)] if norm else []
                return [conv, *norms, *([getattr(nn, act)()] if act else [])]

            early = place.get("early") and t > 1
            strides = (stride, 1, 1) if early else (1, 1, stride) if place.get("late") else (1, stride, 1)
            steps = [] if t == 1 and skip else unit(nn.Conv2d(M, wide, 1, strides[0], bias=bias), first)
            steps += unit(nn.Conv2d(wide, wide, 3, strides[1], 1, groups=wide if groups else 1, bias=bias), second)
            steps += unit(nn.Conv2d(wide, N, 1, strides[2], bias=bias), act=act if last else "")
            self.steps = nn.Sequential(*steps)
            self.add = (stride == 1 and M == N) if add is None else add(M, N, stride)

        def forward(self, x):
            y = self.steps(x)
            return x + y if self.add else y

    return InvertedResidual(*case, **changes)


def _behaviour_and_cost(network, in_channels, *others):
    """Outputs alone do not show a stride in the projection: every second pixel can be dropped before or after it."""
    seen = behaviour(lambda M, *_: (2, M, 9, 8))(network, in_channels, *others)
    ran = seen["shape of the output"].startswith("(")
    return seen | {"MACs": macs_of(network, (in_channels, 9, 8)) if ran else 0}


def _functional(M, N, t, stride):
    """Another way to write it: layers in one order, applied in another, ReLU6 as a clamp."""
    wide = t * M

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norms = nn.ModuleList([nn.BatchNorm2d(N), nn.BatchNorm2d(wide)])
            self.project = nn.Conv2d(wide, N, 1, bias=False)
            self.filters = nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False)
            if t > 1:
                self.expand = nn.Conv2d(M, wide, 1, bias=False)
                self.norms.append(nn.BatchNorm2d(wide))

        def forward(self, x):
            y = x if t == 1 else self.norms[2](self.expand(x)).clamp(0, 6)
            y = self.norms[1](self.filters(y)).clamp(0, 6)
            y = self.norms[0](self.project(y))
            return y.add(x) if x.shape == y.shape else y

    return Block()


def _random_module(rng: Random) -> tuple:
    M = rng.randint(2, 5)
    return M, rng.choice((M, M, rng.randint(6, 8))), rng.choice((1, 2, 3, 6)), rng.choice((1, 1, 2))


@exercise(
    title="The block as a module",
    goal=1,
    level=3,
    minutes=20,
    task="""Write the inverted residual as a function that returns an `nn.Module`: expand, filter with 3×3 and the
stride, project, each with batch norm, no biases, ReLU6 after the first two. With expansion 1 there is no expansion
layer. Where stride and widths allow it, the input is added. Submodules may have any names: weights, groups, outputs
and MACs are compared.""",
    hints=(
        "Begin with the chapter's `inside`, and ask which argument each of its numbers becomes.",
        "The input is added where `stride == 1 and in_channels == out_channels`. That takes a `forward` of its own.",
        "Begin with a class: `class Block(nn.Module):`, and in its `__init__` a list of layers for `nn.Sequential`.",
    ),
    imports="from torch import nn",
    cases=((3, 3, 6, 1), (3, 5, 6, 1), (4, 4, 2, 2), (4, 4, 1, 1), (2, 6, 1, 2)),
    random_case=_random_module,
    covers={
        "the input is added": lambda M, N, t, stride: stride == 1 and M == N,
        "stride 1 with another width": lambda M, N, t, stride: stride == 1 and M != N,
        "stride 2 with the same width": lambda M, N, t, stride: stride == 2 and M == N,
        "no expansion": lambda M, N, t, stride: t == 1,
    },
    alternative=_functional,
    observe=_behaviour_and_cost,
    seconds=20.0,
    mistakes=(
        Mistake(
            "ReLU6 at the end",
            "An activation follows your projection. The bottleneck is linear: ReLU on a narrow map loses information.",
            lambda *case: _inverted_residual(*case, last=True),
        ),
        Mistake(
            "never added",
            "Your block never adds its input. With stride 1 and as many channels out as in, it must.",
            lambda *case: _inverted_residual(*case, add=lambda M, N, stride: False),
        ),
        Mistake(
            "added whatever the width",
            "Your block adds its input whenever the stride is 1. With another number of channels it does not fit.",
            lambda *case: _inverted_residual(*case, add=lambda M, N, stride: stride == 1),
        ),
        Mistake(
            "added whatever the stride",
            "Your block adds its input whenever the widths are equal. With stride 2 the maps have different sizes.",
            lambda *case: _inverted_residual(*case, add=lambda M, N, stride: M == N),
        ),
        Mistake(
            "an expansion at t = 1",
            "With expansion 1 you still have a first 1×1 layer. MobileNet V2 leaves it out.",
            lambda *case: _inverted_residual(*case, skip=False),
        ),
        Mistake(
            "forgot the groups",
            "Your middle layer is a standard convolution. It is depthwise: as many groups as channels.",
            lambda *case: _inverted_residual(*case, groups=False),
            misconception="depthwise means separable",
        ),
        Mistake(
            "no activation at all",
            "Nothing but batch norm follows your convolutions, so the block is one linear map. ReLU6 follows the first "
            "two.",
            lambda *case: _inverted_residual(*case, act=""),
        ),
        Mistake(
            "no activation behind the filters",
            "No activation follows your filters. ReLU6 follows the first two of the three steps.",
            lambda *case: _inverted_residual(*case, acts=("ReLU6", "")),
        ),
        Mistake(
            "no activation behind the expansion",
            "No activation follows your expansion. ReLU6 follows the first two of the three steps.",
            lambda *case: _inverted_residual(*case, acts=("", "ReLU6")),
        ),
        Mistake(
            "as wide as the output says",
            "Your middle is as wide as `expansion * out_channels`. The block first widens what comes in: "
            "`expansion * in_channels`.",
            lambda *case: _inverted_residual(*case, wide=case[1] * case[2], skip=False),
        ),
        Mistake(
            "as wide as the output says, without a first layer",
            "Your middle is as wide as `expansion * out_channels`. The block first widens what comes in: "
            "`expansion * in_channels`. With expansion 1 both are the input's own width.",
            lambda *case: _inverted_residual(*case, wide=case[1] * case[2]),
        ),
        Mistake(
            "ReLU",
            "Your activations are ReLU. MobileNet V2 uses ReLU6, which also cuts off above 6.",
            lambda *case: _inverted_residual(*case, act="ReLU"),
        ),
        Mistake(
            "biases",
            "Your convolutions have biases. The batch norm behind each of them has one already.",
            lambda *case: _inverted_residual(*case, bias=True),
        ),
        Mistake(
            "stride in the projection",
            "Your stride is in the projection. In evaluation mode the output is right, but the filters run over the "
            "full map, and most of their work is thrown away.",
            lambda *case: _inverted_residual(*case, late=True),
        ),
        Mistake(
            "stride in the expansion",
            "Your stride is in the first layer. The expansion works on the map that comes in; the stride belongs "
            "to the filters.",
            lambda *case: _inverted_residual(*case, early=True),
        ),
        Mistake(
            "no batch norm",
            "Your block has no batch norm. One follows each convolution.",
            lambda *case: _inverted_residual(*case, norm=False),
        ),
    ),
    reasoning="""Three conditions make the block: an expansion only if there is something to expand, an addition only
if both shapes agree, and no activation after the projection. The addition comes last, after batch norm, so the
path around the block is untouched: what a block's ReLU loses, the sum may still carry.""",
)
def inverted_residual_block(
    in_channels,
    out_channels,
    expansion,
    stride,
):
    """Expand, filter, project; the input is added where it fits."""
    wide = expansion * in_channels
    layers = []
    if expansion > 1:
        layers += [
            nn.Conv2d(in_channels, wide, 1, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU6(),
        ]
    layers += [
        nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False),
        nn.BatchNorm2d(wide),
        nn.ReLU6(),
        nn.Conv2d(wide, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
    ]

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(*layers)
            self.fits = stride == 1 and in_channels == out_channels

        def forward(self, x):
            y = self.layers(x)
            return x + y if self.fits else y

    return Block()


def _random_bottleneck(rng: Random) -> tuple:
    narrow = rng.randint(1, 6)
    return narrow, rng.randint(1, 12 // narrow)


def _channel_by_channel(narrow, expansion):
    """The chance of each number of living channels, with one channel more in each round."""
    chances = [Fraction(1)]
    for _ in range(narrow * expansion):
        chances = [(without + with_it) / 2 for without, with_it in zip([*chances, 0], [0, *chances], strict=True)]
    return sum(chances[narrow:])


def _alive(narrow, expansion, first, last=None):
    wide = narrow * expansion
    last = wide if last is None else last
    return Fraction(sum(comb(wide, alive) for alive in range(first, last + 1)), 2**wide)


@exercise(
    title="The chance to survive",
    goal=2,
    level=3,
    minutes=15,
    task="""In the chapter, 1,000 random points passed a ReLU, and we counted how many survived. Here you compute the
chance itself. There are `expansion * narrow` channels. Each is alive with probability one half, whatever the others do.
A point survives if at least `narrow` channels are alive. Return the probability that it survives, as an exact
`Fraction`. It must work for 96 channels too, where nobody can go through all patterns one by one.""",
    hints=(
        "Each channel is alive or not. How many patterns are there, and how many of them have at least `narrow` alive?",
        "The number of patterns with exactly a alive of w is the binomial coefficient, `math.comb(w, a)`.",
        "Begin with `wide = expansion * narrow`; there are `2**wide` patterns.",
    ),
    imports="from fractions import Fraction\nfrom math import comb",
    cases=((1, 1), (2, 1), (2, 2), (4, 3), (3, 2), (16, 6)),
    random_case=_random_bottleneck,
    covers={
        "no expansion": lambda narrow, expansion: expansion == 1 and narrow > 1,
        "expansion 2 or more": lambda narrow, expansion: expansion >= 2 and narrow > 1,
    },
    alternative=_channel_by_channel,
    mistakes=(
        Mistake(
            "all alive",
            "You asked that every channel be alive. At least `narrow` of them are enough: that many equations "
            "determine the point.",
            lambda narrow, expansion: _alive(narrow, expansion, narrow * expansion),
        ),
        Mistake(
            "exactly as many",
            "You asked for exactly `narrow` living channels. More are fine too.",
            lambda narrow, expansion: _alive(narrow, expansion, narrow, narrow),
        ),
        Mistake(
            "one more",
            "You asked for more than `narrow` living channels. As many as `narrow` are enough.",
            lambda narrow, expansion: _alive(narrow, expansion, narrow + 1),
        ),
        Mistake(
            "without the last pattern",
            "You left out the pattern in which every channel is alive. `range` stops before its end.",
            lambda narrow, expansion: _alive(narrow, expansion, narrow, narrow * expansion - 1),
        ),
        Mistake(
            "any alive",
            "You asked for one living channel. One equation does not determine a point with `narrow` coordinates.",
            lambda narrow, expansion: _alive(narrow, expansion, 1),
        ),
        Mistake(
            "at most as many",
            "You asked for at most `narrow` living channels. At least as many must be alive.",
            lambda narrow, expansion: _alive(narrow, expansion, 0, narrow),
        ),
        Mistake(
            "at least half",
            "You asked that half of the channels be alive. It takes `narrow` of them, however many there are.",
            lambda narrow, expansion: _alive(narrow, expansion, (narrow * expansion + 1) // 2),
        ),
        Mistake(
            "the chance to be lost",
            "Your chance is that of being lost. Subtract it from 1.",
            lambda narrow, expansion: _alive(narrow, expansion, 0, narrow - 1),
        ),
        Mistake(
            "a Fraction of a quotient",
            "You divided first, and made a `Fraction` of the quotient. It is rounded then: `Fraction(a, b)`, with "
            "whole a and b, is exact.",
            lambda narrow, expansion: Fraction(float(_alive(narrow, expansion, narrow))),
        ),
        Mistake(
            "numbers instead of patterns",
            "You counted numbers of living channels as if they were equally likely. It is the patterns that are: there "
            "is one with none alive, and many with half of them.",
            lambda narrow, expansion: Fraction(narrow * expansion - narrow + 1, narrow * expansion + 1),
        ),
        Mistake(
            "one of each group",
            "You asked for a living channel in each group of `expansion`. It does not matter which channels are alive, "
            "only how many.",
            lambda narrow, expansion: (1 - Fraction(1, 2**expansion)) ** narrow,
        ),
        Mistake(
            "the square of the channels",
            "You divided by the square of the number of channels. Each channel doubles the patterns: there are 2 to "
            "that power.",
            lambda narrow, t: Fraction(_alive(narrow, t, narrow) * 2 ** (t * narrow), (t * narrow) ** 2),
        ),
        Mistake(
            "alive with one in the expansion",
            "Your channels are alive with probability 1 over the expansion. It is one half, whatever the expansion is.",
            lambda narrow, t: sum(
                comb(t * narrow, alive) * Fraction(1, t) ** alive * (1 - Fraction(1, t)) ** (t * narrow - alive)
                for alive in range(narrow, t * narrow + 1)
            ),
        ),
        Mistake(
            "the mean number",
            "You divided the mean number of living channels by `narrow`. That is no chance: it may be above 1.",
            lambda narrow, expansion: Fraction(expansion * narrow, 2) / narrow,
        ),
    ),
    reasoning=f"""There are $2^w$ equally likely patterns of $w$ channels, and $\\binom{{w}}{{a}}$ of them have $a$
alive. At 16 channels without expansion the chance is 1 in {_alive(16, 1, 16).denominator:,}. At expansion 6 the
chance to be *lost* is below 1 in {int(1 / (1 - _alive(16, 6, 16))) // 10**9 * 10**9:,}. The half is exact for random
directions that are as likely as their opposites; a trained network may have others.""",
)
def chance_to_survive(narrow, expansion):
    """The probability that ReLU leaves enough channels alive."""
    wide = expansion * narrow
    patterns = sum(comb(wide, alive) for alive in range(narrow, wide + 1))
    return Fraction(patterns, 2**wide)


def _data_sheet(rng: Random) -> tuple:
    macs = rng.randint(20 * 10**6, rng.choice((4 * 10**8, 9 * 10**9)))
    unit = rng.choice((10**6, 10**9, 10**9))
    digits = 0 if unit == 10**6 else rng.choice((1, 2)) if macs > 10**9 else 2
    factor = rng.choice((1.0, 1.0, 2.0, 2.0, 1.04, 1.07, 0.93, 1.5))
    return f"{macs * factor / unit:.{digits}f}", unit, macs


def _rounds_to(count, printed, unit):
    digits = len(printed.partition(".")[2])
    return f"{Decimal(count) / unit:.{digits}f}" == printed


def _by_distance(printed, unit, macs):
    step = Fraction(1, 10 ** len(printed.partition(".")[2]))
    for name, count in (("MACs", macs), ("FLOPs", 2 * macs)):
        if abs(Fraction(count, unit) - Fraction(printed)) <= step / 2:
            return name
    return "neither"


def _nearest(printed, unit, macs):
    claimed = float(printed) * unit
    return "MACs" if abs(claimed - macs) < abs(claimed - 2 * macs) else "FLOPs"


def _by_halves(printed, unit, macs):
    rounded = round(macs / unit, _digits(printed))
    if rounded == float(printed):
        return "MACs"
    return "FLOPs" if rounded == round(float(printed) / 2, _digits(printed)) else "neither"


def _cut_off(printed, unit, macs):
    scale = 10 ** len(printed.partition(".")[2])
    for name, count in (("MACs", macs), ("FLOPs", 2 * macs)):
        if count * scale // unit == round(float(printed) * scale):
            return name
    return "neither"


def _within_a_tenth(printed, unit, macs):
    return _within(printed, unit, macs, 0.1)


def _within(printed, unit, macs, share):
    claimed = float(printed) * unit
    for name, count in (("MACs", macs), ("FLOPs", 2 * macs)):
        if abs(claimed - count) < share * count:
            return name
    return "neither"


def _digits(printed: str) -> int:
    return len(printed.partition(".")[2])


def _by_text(write, convert=float, doubled=lambda count: 2 * count):
    """The answer by another way to write a count, in units; ``write`` gets the count and what is printed."""

    def answer(printed, unit, macs):
        in_units = convert(macs / unit)
        if write(in_units, printed) == printed:
            return "MACs"
        twice = convert(2 * macs / unit) if convert is int else doubled(in_units)
        return "FLOPs" if write(twice, printed) == printed else "neither"

    return answer


@exercise(
    title="A client's data sheet",
    goal=4,
    level=4,
    minutes=20,
    task="""A client sends data sheets of networks. Each prints a cost such as `"4.5"`, with a unit of 10⁶ or 10⁹
operations, and calls it "FLOPs", which may mean FLOPs or MACs. You have counted the network's MACs. Round your
count to as many digits after the point as the sheet prints. Return `"MACs"` if that gives the printed text, `"FLOPs"`
if twice your count does, rounded in the same way, and `"neither"` otherwise.""",
    hints=(
        'How many digits stand after the point in "4.5", in "0.39", in "300"?',
        "Divide the count by the unit, write it with as many digits, and compare the two texts.",
        'Begin with `digits = len(printed.partition(".")[2])`.',
    ),
    cases=(
        ("4.5", 10**9, 4_455_531_264),
        ("0.39", 10**9, 385_814_752),
        ("219", 10**6, 216_589_760),
        ("0.60", 10**9, 300_774_272),
        ("602", 10**6, 300_774_272),
        ("300", 10**6, 300_774_272),
        ("8.91", 10**9, 4_455_531_264),
    ),
    random_case=_data_sheet,
    covers={
        "MACs": lambda printed, unit, macs: _by_distance(printed, unit, macs) == "MACs",
        "FLOPs": lambda printed, unit, macs: _by_distance(printed, unit, macs) == "FLOPs",
        "neither": lambda printed, unit, macs: _by_distance(printed, unit, macs) == "neither",
        "no digits after the point": lambda printed, unit, macs: "." not in printed,
    },
    alternative=_by_distance,
    mistakes=(
        Mistake(
            "believed the word",
            'You believed the sheet\'s word. The papers of this chapter that say "FLOPs" print MACs.',
            lambda printed, unit, macs: "FLOPs" if _by_distance(printed, unit, macs) != "neither" else "neither",
            misconception="1 MAC = 1 FLOP",
        ),
        Mistake(
            "whichever is nearer",
            "You always choose one of the two. A number can be neither: a misprint, or another way to count.",
            _nearest,
        ),
        Mistake(
            "within a tenth",
            "You accept what is roughly right. The printed digits say how exact the number claims to be.",
            _within_a_tenth,
        ),
        Mistake(
            "cut off",
            "The digits behind the printed ones are cut off in your answer. The exercise rounds, although some papers "
            "do cut.",
            _cut_off,
        ),
        Mistake(
            "a text without its zeros",
            '`str` leaves out zeros at the end, and writes a rounded whole number with ".0". Write the count with as '
            'many digits as are printed: `f"{...:.{digits}f}"`.',
            _by_text(lambda count, printed: str(round(count, _digits(printed)))),
        ),
        Mistake(
            "more digits than printed",
            "Your count never is the printed text, because it has more digits. Round it to as many digits after the "
            'point as the sheet prints: in "4.5" that is one.',
            _by_text(lambda count, printed: f"{count:.{len(printed.replace('.', ''))}f}"),
        ),
        Mistake(
            "digits before the point",
            "You wrote as many digits after the point as the sheet prints before it. Count those after the point.",
            _by_text(lambda count, printed: f"{count:.{len(printed.partition('.')[0])}f}"),
        ),
        Mistake(
            "significant digits",
            "You rounded to as many significant digits, and that drops zeros at the end. Count those after the point, "
            "and round with `f`.",
            _by_text(lambda count, printed: f"{count:.{len(printed.replace('.', ''))}g}"),
        ),
        Mistake(
            "always one digit",
            "You always wrote one digit after the point. The sheet says how many: count them in what is printed.",
            _by_text(lambda count, printed: f"{count:.1f}"),
        ),
        Mistake(
            "always two digits",
            "You always wrote two digits after the point. The sheet says how many: count them in what is printed.",
            _by_text(lambda count, printed: f"{count:.2f}"),
        ),
        Mistake(
            "whole units",
            "You divided with `//`, which cuts off what stands after the point. Divide with `/` and round.",
            lambda printed, unit, macs: _by_text(lambda count, _: f"{count:.{_digits(printed)}f}", int)(
                printed, unit, macs
            ),
        ),
        Mistake(
            "words exchanged",
            "The two words are exchanged: your count itself is in MACs, twice as much is in FLOPs.",
            lambda printed, unit, macs: {"MACs": "FLOPs", "FLOPs": "MACs"}.get(
                _by_distance(printed, unit, macs), "neither"
            ),
        ),
        Mistake(
            "doubled after rounding",
            "You rounded first and then doubled, so the error was doubled too. Double the count and round that.",
            lambda printed, unit, macs: _by_text(
                lambda count, _: f"{count:.{_digits(printed)}f}",
                doubled=lambda count: 2 * round(count, _digits(printed)),
            )(printed, unit, macs),
        ),
        Mistake(
            "halved before rounding",
            "You halved the printed number and rounded that. Half of a rounded number may round the other way: round "
            "twice your count.",
            _by_halves,
        ),
        Mistake(
            "never neither",
            "You called FLOPs whatever is not your count of MACs. Try twice the count, too: it may be neither.",
            lambda printed, unit, macs: "MACs" if _by_distance(printed, unit, macs) == "MACs" else "FLOPs",
        ),
        Mistake(
            "within a twentieth",
            "You accept what is nearly right. The printed digits say how exact the number claims to be.",
            lambda printed, unit, macs: _within(printed, unit, macs, 0.05),
        ),
        Mistake(
            "half the other way",
            'Your answer never is "FLOPs" where it should be. A FLOP is the smaller thing, two for each MAC: try twice '
            "your count, not half of it, and not your count alone.",
            lambda printed, unit, macs: (
                "MACs"
                if _rounds_to(macs, printed, unit)
                else "FLOPs"
                if _rounds_to(Decimal(macs) / 2, printed, unit)
                else "neither"
            ),
        ),
    ),
    reasoning=f"""The digits that are printed are a claim of exactness, so they decide how far to round. "4.5" billion
for ConvNeXt-T are MACs; "219" million for MobileNet V3-Large are neither; MobileNet V2's "300" is neither by
rounding, because {300_774_272 / 1e6:.3f} rounds to {300_774_272 / 1e6:.0f}, and the paper cut off. "Neither" is a
finding: ask what was counted.""",
)
def what_was_counted(printed, unit, macs):
    """ "MACs", "FLOPs" or "neither"."""
    digits = len(printed.partition(".")[2])
    for name, count in (("MACs", macs), ("FLOPs", 2 * macs)):
        if f"{count / unit:.{digits}f}" == printed:
            return name
    return "neither"


_V3 = next(network for network in networks() if network.name == "MobileNet V3-Large")
_SQUEEZE = _V3.cost_by_kind()["squeeze-excite"]

ESSAYS = (
    Essay(
        title="Account for three hundred million",
        goal=3,
        minutes=15,
        task="""MobileNet V2's paper prints 300 million MACs and 3.4 million parameters. Write to somebody who has
counted 313.6 million and 3.5 million and wants to know what is wrong. Name every choice that moves one of the two
numbers, and by how much.""",
        good_answer=f"""A good answer keeps MACs and parameters apart. *MACs:* 313.6 million come from an expansion
layer in the first block, where the expansion is 1; it would be a 1×1 convolution from 32 to 32 channels at 112×112,
{32 * 32 * 112**2:,} MACs. Without it the count is {mobilenet_v2().cost.macs:,}, and the paper has cut off, not
rounded. *Parameters:* {mobilenet_v2().cost.params:,} with batch norm and the classifier's biases,
{mobilenet_v2().weights:,} without; the paper's 3.4 is the second, cut off. The extra layer would add 32 · 32 weights
and 64 numbers of batch norm, too few to see. Also worth a sentence: the number of classes (one more in the released
networks), and counters that report FLOPs.""",
    ),
    Essay(
        title="A paper of this year",
        goal=5,
        minutes=30,
        task="""Take a paper of the last twelve months that proposes a convolutional network, or any with a table of
layers. Find its cost table. Write half a page: what it counts and in which unit, whether you can reproduce one
number, what it shares with MobileNet V1's block, where its width is, and what its accuracy is compared with.""",
        good_answer=f"""Look for five things. (1) The unit, and how the writer found out: a count of one layer or of
the network, not the paper's word. (2) A number reproduced, or an honest report of what is missing in the table.
(3) The split: is there a layer that filters each channel alone, and one that combines them at each pixel? Attention
also splits so. (4) Where the wide maps are, and what that means for memory. (5) Whether the networks that it is
compared with were trained with the same recipe. A very good answer shows by an example of its own that
parameters say little about MACs. Squeeze-and-excite is one: in MobileNet V3-Large it has {_SQUEEZE.params:,} of
{_V3.cost.params:,} parameters and {_SQUEEZE.macs:,} of {_V3.cost.macs:,} MACs.""",
    ),
)
