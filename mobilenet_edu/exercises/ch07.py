"""Exercises of chapter 7, thinner and smaller networks."""

from __future__ import annotations

import bisect
import functools
import math
from random import Random
from statistics import linear_regression

from mobilenet_edu.architecture import mobilenet_v1
from mobilenet_edu.cost import depthwise_separable_conv2d_cost
from mobilenet_edu.exercises._engine import Essay, Mistake, exercise
from mobilenet_edu.paper import Checkpoint, released


def _thin(channels, width_multiplier, rounded=int):
    return rounded(channels * width_multiplier)


def _layer(thin_in, thin_out, map_size):
    return (9 * thin_in + thin_in * thin_out) * map_size**2


def _random_thin_layer(rng: Random) -> tuple:
    channels = (rng.choice((9, 16, 21, 32, 50, 63, 64)) for _ in range(2))
    alphas = (0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)  # exact in binary: however one multiplies, no float is off
    return *channels, rng.randint(3, 28), rng.choice(alphas)


@exercise(
    title="A thinner layer",
    goal=1,
    level=1,
    minutes=5,
    unit="MACs",
    task="""This function is complete. It gives the MACs of one depthwise separable 3×3 layer with stride 1, after a
width multiplier has thinned it. Predict first: by which factor do the two lines `depthwise` and `pointwise` fall at
α = 0.5? Then check it. Then break it: let only the output channels be thinned, check again, and read what the check
says.""",
    hints=(
        "Which channels does each of the two convolutions see, and how many of them are thinned?",
        "Depthwise: 9 · αM · D_F². Pointwise: αM · αN · D_F².",
        "Nothing is missing. To break it, begin with `thin_in = in_channels`.",
    ),
    cases=((512, 512, 14, 0.75), (512, 512, 14, 1.0), (32, 64, 112, 0.5), (50, 30, 7, 0.75)),
    random_case=_random_thin_layer,
    covers={
        "a width that is rounded": lambda M, N, size, alpha: M * alpha != int(M * alpha),
        "α < 1": lambda M, N, size, alpha: alpha < 1,
        "α = 1": lambda M, N, size, alpha: alpha == 1,
        "different widths": lambda M, N, size, alpha: M != N,
    },
    alternative=lambda M, N, size, alpha: (
        depthwise_separable_conv2d_cost(math.floor(M * alpha), math.floor(N * alpha), 3, size, padding=1).macs
    ),
    mistakes=(
        Mistake(
            "α² on everything",
            "You multiplied the whole cost by α². Only the pointwise part falls with α²: the depthwise part has one "
            "factor that is thinned, not two.",
            lambda M, N, size, alpha: int(_layer(M, N, size) * alpha**2),
            misconception="cost falls with exactly α²",
        ),
        Mistake(
            "input not thinned",
            "You thinned the output channels only. The layer before is thinned too, so the input has fewer channels.",
            lambda M, N, size, alpha: _layer(M, _thin(N, alpha), size),
        ),
        Mistake(
            "output not thinned",
            "You thinned the input channels only. A width multiplier thins what each layer writes as well.",
            lambda M, N, size, alpha: _layer(_thin(M, alpha), N, size),
        ),
        Mistake(
            "forgot the depthwise part",
            "These are the pointwise MACs alone. The depthwise filters cost 9 MACs for each number that they write.",
            lambda M, N, size, alpha: _thin(M, alpha) * _thin(N, alpha) * size**2,
        ),
        Mistake(
            "rounded to the nearest width",
            "You rounded a width to the nearest integer. The released code rounds down.",
            lambda M, N, size, alpha: _layer(_thin(M, alpha, round), _thin(N, alpha, round), size),
        ),
        Mistake(
            "rounded up",
            "You rounded a width up. The released code rounds down.",
            lambda M, N, size, alpha: _layer(_thin(M, alpha, math.ceil), _thin(N, alpha, math.ceil), size),
        ),
        Mistake(
            "rounded at the end",
            "You rounded the MACs and not the widths. A layer has a whole number of channels: round those first.",
            lambda M, N, size, alpha: int(_layer(M * alpha, N * alpha, size)),
        ),
        Mistake(
            "nothing thinned",
            "Your layer is as wide as before. The width multiplier thins both numbers of channels.",
            lambda M, N, size, alpha: _layer(M, N, size),
        ),
        Mistake(
            "a smaller map",
            "You shrank the map as well. α thins channels; the size of the maps is the business of ρ.",
            lambda M, N, size, alpha: _layer(_thin(M, alpha), _thin(N, alpha), _thin(size, alpha)),
        ),
        Mistake(
            "the map thinned instead",
            "You made the map smaller and left the channels as they are. α thins channels; ρ shrinks maps.",
            lambda M, N, size, alpha: _layer(M, N, _thin(size, alpha)),
        ),
        Mistake(
            "filters on the output",
            "Your depthwise filters run over the output channels. They come first, and filter what the layer reads.",
            lambda M, N, size, alpha: (9 * _thin(N, alpha) + _thin(M, alpha) * _thin(N, alpha)) * size**2,
        ),
        Mistake(
            "α on everything",
            "You multiplied the whole cost by α. That holds for the depthwise part; the pointwise part is "
            "thinned at both ends, so it falls with α².",
            lambda M, N, size, alpha: int(_layer(M, N, size) * alpha),
        ),
        Mistake(
            "multiples of 8",
            "You rounded the widths to multiples of 8, as MobileNet V2 and timm do. V1 multiplies and cuts off.",
            lambda M, N, size, alpha: _layer(*(max(8, int(width * alpha + 4) // 8 * 8) for width in (M, N)), size),
        ),
        Mistake(
            "dense 3×3 kernels",
            "You counted a standard 3×3 convolution: nine products for each pair of channels. A separable "
            "layer adds the nine and the pairs.",
            lambda M, N, size, alpha: 9 * _thin(M, alpha) * _thin(N, alpha) * size**2,
        ),
        Mistake(
            "α on everything, not rounded",
            "You multiplied the whole cost by α and rounded nothing. That holds for the depthwise part, up to "
            "rounding; the pointwise part is thinned at both ends, so it falls with α².",
            lambda M, N, size, alpha: _layer(M, N, size) * alpha,
        ),
    ),
    reasoning="""Both widths shrink, and each is rounded down. The depthwise part has one width in it and halves at
α = 0.5; the pointwise part has two and falls to a quarter.""",
)
def thinned_layer_macs(in_channels, out_channels, map_size, width_multiplier):
    """MACs of a separable 3×3 layer (stride 1) after thinning."""
    thin_in = int(in_channels * width_multiplier)
    thin_out = int(out_channels * width_multiplier)
    depthwise = 3 * 3 * thin_in * map_size**2
    pointwise = thin_in * thin_out * map_size**2
    return depthwise + pointwise


def _kinds(resolution, num_classes):
    costs = mobilenet_v1(1.0, resolution, num_classes).cost_by_kind()
    return {kind: cost.macs for kind, cost in costs.items()}


def _parts(*quadratic):
    def parts(resolution, num_classes):
        kinds = _kinds(resolution, num_classes)
        first = sum(kinds[kind] for kind in quadratic)
        return first, sum(kinds.values()) - first

    return parts


def _parts_of_parameters(resolution, num_classes):
    kinds = _kinds(resolution, num_classes)
    pointwise = kinds["pointwise"].params
    return pointwise, sum(cost.params for cost in kinds.values()) - pointwise


def _parts_from_two_networks(resolution, num_classes):
    full, half = (mobilenet_v1(alpha, resolution, num_classes).cost.macs for alpha in (1.0, 0.5))
    return 2 * full - 4 * half, 4 * half - full  # full = a + b, half = a / 4 + b / 2


@exercise(
    title="The part that follows the square, and the part that does not",
    goal=2,
    level=2,
    minutes=10,
    unit="MACs",
    task="""As long as no width is rounded, the network costs $a\\,\\alpha^2 + b\\,\\alpha$ MACs. Fill the two gaps:
which kinds of layer make $a$, and which make $b$? The kinds are `standard`, `depthwise`, `pointwise` and
`classifier`.""",
    hints=(
        "A part falls with α² if both its input and its output channels are thinned, and both appear as factors.",
        "First convolution: 9 · 3 · αN. Depthwise: 9 · αM. Pointwise: αM · αN. Classifier: αM · classes.",
        "The first gap needs one kind only: the layer that has both αM and αN in its cost.",
    ),
    imports="from mobilenet_edu.architecture import mobilenet_v1",
    stub='''def two_parts(resolution, num_classes):
    """(a, b), so that the network costs a α² + b α MACs."""
    kinds = mobilenet_v1(1.0, resolution, num_classes).cost_by_kind()
    two_widths_shrink = [...]
    one_width_shrinks = [...]
    return (
        sum(kinds[kind].macs for kind in two_widths_shrink),
        sum(kinds[kind].macs for kind in one_width_shrinks),
    )''',
    cases=((224, 1000), (128, 10), (161, 100)),
    random_case=lambda rng: (rng.randint(32, 288), rng.choice((2, 10, 120, 1000, 2000))),
    covers={
        "another resolution": lambda resolution, classes: resolution != 224,
        "a resolution between multiples of 32": lambda resolution, classes: resolution % 32 > 0,
        "another number of classes": lambda resolution, classes: classes != 1000,
    },
    alternative=_parts_from_two_networks,
    mistakes=(
        Mistake(
            "all of it quadratic",
            "You let the whole cost follow α². Some layers have only one width that is thinned; that is why α² "
            "promises too much.",
            lambda resolution, classes: (sum(_kinds(resolution, classes).values()), 0),
            misconception="cost falls with exactly α²",
        ),
        Mistake(
            "depthwise among the quadratic",
            "You counted the depthwise layers with α². Each of their filters sees one channel, so their cost has one "
            "width as a factor.",
            _parts("pointwise", "depthwise"),
        ),
        Mistake(
            "classifier among the quadratic",
            "You counted the classifier with α². Its outputs are the classes, which no multiplier thins.",
            _parts("pointwise", "classifier"),
        ),
        Mistake(
            "first convolution among the quadratic",
            "You counted the first convolution with α². Its input is the image, and that keeps its three channels.",
            _parts("pointwise", "standard"),
        ),
        Mistake(
            "forgot the classifier",
            "The two parts must add up to the whole network. The classifier is missing.",
            lambda resolution, classes: (
                _kinds(resolution, classes)["pointwise"],
                _kinds(resolution, classes)["standard"] + _kinds(resolution, classes)["depthwise"],
            ),
        ),
        Mistake(
            "forgot the first convolution",
            "The two parts must add up to the whole network. The first convolution is missing: its kind is `standard`.",
            lambda resolution, classes: (
                _kinds(resolution, classes)["pointwise"],
                _kinds(resolution, classes)["depthwise"] + _kinds(resolution, classes)["classifier"],
            ),
        ),
        Mistake(
            "both ends forgotten",
            "The two parts must add up to the whole network. The first convolution and the classifier are missing.",
            lambda resolution, classes: (
                _kinds(resolution, classes)["pointwise"],
                _kinds(resolution, classes)["depthwise"],
            ),
        ),
        Mistake(
            "both ends among the quadratic",
            "You counted the first convolution and the classifier with α². Each has one end that no multiplier thins: "
            "the image's three channels, and the classes.",
            _parts("standard", "pointwise", "classifier"),
        ),
        Mistake(
            "depthwise and pointwise exchanged",
            "You exchanged depthwise and pointwise. A depthwise filter sees one channel; a pointwise one sees all of "
            "them, and there is one for each output channel.",
            _parts("depthwise"),
        ),
        Mistake(
            "the wrong way round",
            "You have the two parts, but the wrong way round: a, the part with α², comes first.",
            lambda resolution, classes: _parts("pointwise")(resolution, classes)[::-1],
        ),
        Mistake(
            "all but the classifier",
            "You counted everything but the classifier with α². A depthwise layer has one thinned width as a "
            "factor, and the first convolution reads the three channels of the image.",
            _parts("pointwise", "standard", "depthwise"),
        ),
        Mistake(
            "parameters",
            "You counted parameters. The two parts are to be MACs: `.macs`.",
            lambda resolution, num_classes: _parts_of_parameters(resolution, num_classes),
        ),
        Mistake(
            "the default classes",
            "Your second part holds a classifier for 1000 classes, whatever `num_classes` is. Hand it to the network.",
            lambda resolution, num_classes: _parts("pointwise")(resolution, 1000),
        ),
        Mistake(
            "shares",
            "You gave shares of the whole. The exercise asks for the two parts themselves, in MACs.",
            lambda resolution, classes: tuple(
                part / sum(_parts("pointwise")(resolution, classes))
                for part in _parts("pointwise")(resolution, classes)
            ),
        ),
    ),
    reasoning="""Only a pointwise layer has two thinned widths as factors. The first convolution reads three colours
whatever α is, a depthwise filter sees one channel, and the classifier writes as many numbers as there are classes.""",
)
def two_parts(resolution, num_classes):
    """(a, b), so that the network costs a α² + b α MACs."""
    kinds = mobilenet_v1(1.0, resolution, num_classes).cost_by_kind()
    two_widths_shrink = ["pointwise"]
    one_width_shrinks = ["standard", "depthwise", "classifier"]
    return (
        sum(kinds[kind].macs for kind in two_widths_shrink),
        sum(kinds[kind].macs for kind in one_width_shrinks),
    )


@functools.cache
def _macs(width_multiplier, resolution):
    return mobilenet_v1(width_multiplier, resolution).cost.macs


def _random_budget(rng: Random) -> tuple:
    width_multiplier = rng.choice((0.25, 0.5, 0.75))
    resolution = rng.randint(1, 24) if rng.random() < 0.9 else 230  # few large ones: a search takes its time
    budget = _macs(width_multiplier, resolution)
    return width_multiplier, budget + rng.choice((-1, 0, 1, rng.randint(0, budget // 3)))


def _grow(fits, step=1):
    def grow(width_multiplier, max_macs):
        resolution = 0
        while fits(_macs(width_multiplier, resolution + step), max_macs):
            resolution += step
        return resolution

    return grow


_within = _grow(lambda macs, budget: macs <= budget)


@exercise(
    title="The largest image for a budget",
    goal=2,
    level=3,
    minutes=12,
    unit="pixels",
    seconds=20,
    task="""Your camera can deliver any square image. Write a function that returns the largest resolution, in whole
pixels, at which MobileNet V1 with this width multiplier (and 1000 classes) costs at most `max_macs`; 0 if no image is
small enough. A formula with ρ² gives the wrong answer, because the sizes of the maps are rounded. So let your code
search.""",
    hints=(
        "The cost never falls when the image grows. So try one size after the other.",
        "The answer is the last resolution with `mobilenet_v1(width_multiplier, resolution).cost.macs <= max_macs`.",
        "Begin with `resolution = 0` and a `while` loop that looks one pixel ahead.",
    ),
    imports="from mobilenet_edu.architecture import mobilenet_v1",
    cases=(
        (0.5, 4_000_000),
        (0.25, _macs(0.25, 32)),
        (0.25, _macs(0.25, 32) - 1),
        (1.0, 1000),
        (0.75, 500_000),
        (0.25, 55_000_000),
        (0.25, 1_900_000_000),
    ),
    random_case=_random_budget,
    covers={
        "a budget that is met exactly": lambda alpha, budget: _macs(alpha, max(_within(alpha, budget), 1)) == budget,
        "a budget between two sizes": lambda alpha, budget: _macs(alpha, max(_within(alpha, budget), 1)) != budget,
        "no multiple of 32": lambda alpha, budget: _within(alpha, budget) % 32 > 0,
        "more than 224": lambda alpha, budget: _macs(alpha, 225) <= budget,
    },
    alternative=lambda alpha, budget: bisect.bisect_right(range(1, 2000), budget, key=lambda side: _macs(alpha, side)),
    mistakes=(
        Mistake(
            "ρ² from 224",
            "You scaled 224 pixels by the square root of the budget's share. ρ² is exact only where every map's size "
            "divides evenly, and the classifier does not shrink at all.",
            lambda alpha, budget: int(224 * math.sqrt(budget / _macs(alpha, 224))),
            misconception="cost falls with exactly α²",
        ),
        Mistake(
            "one too far",
            "Your answer is the first resolution that breaks the budget. Return the one before it.",
            lambda alpha, budget: _within(alpha, budget) + 1,
        ),
        Mistake(
            "strictly below",
            "You excluded a network that meets the budget exactly. At most means `<=`.",
            _grow(lambda macs, budget: macs < budget),
        ),
        Mistake(
            "FLOPs against a budget of MACs",
            "You compared FLOPs with a budget of MACs. A MAC is two FLOPs; compare MACs with MACs.",
            _grow(lambda macs, budget: 2 * macs <= budget),
            misconception="1 MAC = 1 FLOP",
        ),
        Mistake(
            "only multiples of 32",
            "You tried multiples of 32 only. Those are the paper's choices; the network accepts every size.",
            _grow(lambda macs, budget: macs <= budget, step=32),
        ),
        Mistake(
            "no further than 224",
            "You stopped at 224 pixels. That is where the paper starts from; your camera can deliver more.",
            lambda alpha, budget: min(224, _within(alpha, budget)),
        ),
        Mistake(
            "the full width",
            "You took the full width. Hand the width multiplier to the network too.",
            lambda alpha, budget: _within(1.0, budget),
        ),
        Mistake(
            "the paper's four",
            "You tried the paper's four resolutions. The network takes every size.",
            lambda alpha, budget: next((side for side in (224, 192, 160, 128) if _macs(alpha, side) <= budget), 0),
        ),
        Mistake(
            "α² of the full network",
            "You took the full network's MACs times α². Only the pointwise layers fall with α²: hand α to the network.",
            lambda alpha, budget: _grow(lambda macs, budget: macs * alpha**2 <= budget)(1.0, budget),
            misconception="cost falls with exactly α²",
        ),
        Mistake(
            "no classifier",
            "You left the classifier out. Its MACs count, whatever the size of the image.",
            lambda alpha, budget: _within(alpha, budget + mobilenet_v1(alpha, 32).cost_by_kind()["classifier"].macs),
        ),
        Mistake(
            "the smallest",
            "Your answer is the smallest image that fits, not the largest: a search that stops at its first "
            "success must begin at the top.",
            lambda alpha, budget: 1 if _macs(alpha, 1) <= budget else 0,
        ),
        Mistake(
            "the MACs of the largest",
            "These are the MACs of the largest image's network. The exercise asks for its resolution.",
            lambda alpha, budget: _macs(alpha, _within(alpha, budget)) if _within(alpha, budget) else 0,
        ),
        Mistake(
            "one too small",
            "Your answer is one pixel too small. A loop that looks one pixel ahead stops at the last resolution that "
            "fits.",
            lambda alpha, budget: max(0, _within(alpha, budget) - 1),
        ),
    ),
    reasoning="""The cost is a staircase: it stays where a larger image leaves every map as it was, and jumps where a
map gains a row and a column. A search does not mind. (Since the cost never falls,
a bisection finds the same answer in far fewer tries.)""",
)
def largest_resolution(width_multiplier, max_macs):
    """The largest resolution whose network costs at most max_macs."""
    resolution = 0
    while mobilenet_v1(width_multiplier, resolution + 1).cost.macs <= max_macs:
        resolution += 1
    return resolution


def _split(networks, held_out):
    chosen = [(math.log10(macs), accuracy) for name, macs, accuracy in networks if name in held_out]
    others = [(math.log10(macs), accuracy) for name, macs, accuracy in networks if name not in held_out]
    return chosen, others


def _misses(points, line_through):
    slope, intercept = linear_regression(*zip(*line_through, strict=True))
    return [intercept + slope * x - y for x, y in points]


def _mean_miss(networks, held_out):
    misses = _misses(*_split(networks, held_out))
    return sum(misses) / len(misses)


def _mean_size(misses):
    return sum(map(abs, misses)) / len(misses)


def _seeing_all(networks, held_out):
    chosen, others = _split(networks, held_out)
    return _mean_size(_misses(chosen, chosen + others))


def _without_log(networks, held_out):
    chosen, others = ([(10**x, y) for x, y in points] for points in _split(networks, held_out))
    return _mean_size(_misses(chosen, others))


def _by_hand(networks, held_out):
    chosen, others = _split(networks, held_out)
    mean_x, mean_y = (sum(values) / len(others) for values in zip(*others, strict=True))
    slope = sum((x - mean_x) * (y - mean_y) for x, y in others) / sum((x - mean_x) ** 2 for x, _ in others)
    return sum(abs(mean_y + slope * (x - mean_x) - y) for x, y in chosen) / len(chosen)


def _random_networks(rng: Random) -> tuple:
    count = rng.randint(6, 12)
    macs = rng.sample(range(10_000_000, 600_000_000), count)
    networks = [
        (f"network {i}", cost, round(19 * math.log10(cost) - 93 + rng.uniform(-4, 4), 1)) for i, cost in enumerate(macs)
    ]
    return networks, sorted(rng.sample([name for name, *_ in networks], rng.randint(2, count - 3)))


def _all_networks():
    return [(each.name, each.architecture.cost.macs, each.top1_percent) for each in released()]


def _at_160_pixels():
    return [f"{alpha} MobileNet-160" for alpha in (1.0, 0.75, 0.5, 0.25)]


def _thinnest():
    return [f"0.25 MobileNet-{size}" for size in (224, 192, 160, 128)]


def _line(networks, held_out, fit):
    """Mean error of a line whose slope and intercept come from ``fit``."""
    chosen, others = _split(networks, held_out)
    slope, intercept = fit(*zip(*others, strict=True))
    return _mean_size([intercept + slope * x - y for x, y in chosen])


@exercise(
    title="The error on networks that the line has not seen",
    goal=4,
    level=3,
    minutes=15,
    unit="percentage points",
    task="""`networks` is a list of tuples (name, MACs, accuracy in per cent), `held_out` a list of names. Fit the line
accuracy = intercept + slope · log10(MACs) to the networks that are *not* held out. Return the mean absolute error of
its predictions for those that are, in percentage points.""",
    hints=(
        "Make two lists first: what the line may see, and what it is judged by.",
        "A network's error is |intercept + slope · log10(MACs) − accuracy|; take the mean over the held-out ones.",
        "`linear_regression(x, y)` returns slope and intercept. Begin with the list of the networks that it may see.",
    ),
    imports="import math\nfrom statistics import linear_regression",
    cases=(
        ([("a", 10, 40.0), ("b", 100, 50.0), ("c", 1000, 64.0), ("d", 10_000, 68.0), ("e", 100_000, 74.0)], ["c", "e"]),
        (_all_networks(), _at_160_pixels()),
        (_all_networks(), _thinnest()),
    ),
    random_case=_random_networks,
    covers={
        "more seen than held out": lambda networks, held_out: len(networks) > 2 * len(held_out),
        "more held out than seen": lambda networks, held_out: len(networks) < 2 * len(held_out),
    },
    alternative=_by_hand,
    mistakes=(
        Mistake(
            "fitted to all",
            "Your line has seen the networks that it is judged by. Fit it to the others alone.",
            _seeing_all,
        ),
        Mistake(
            "judged by what it has seen",
            "You measured the error on the networks that the line was fitted to. That says how well it fits, not how "
            "well it predicts.",
            lambda networks, held_out: _mean_size(
                _misses(_split(networks, held_out)[1], _split(networks, held_out)[1])
            ),
        ),
        Mistake(
            "fitted to the held-out ones",
            "You fitted the line to the held-out networks, and judged it by the others. It is the other way round.",
            lambda networks, held_out: _mean_size(_misses(*_split(networks, held_out)[::-1])),
        ),
        Mistake(
            "no logarithm",
            "You fitted accuracy against the MACs themselves. The line is against their logarithm.",
            _without_log,
        ),
        Mistake(
            "errors that cancel",
            "You took the mean of signed errors: too high and too low cancel. Take each error's absolute value first.",
            lambda networks, held_out: sum(_misses(*_split(networks, held_out))) / len(held_out),
        ),
        Mistake(
            "the largest error",
            "This is the largest error. The question asks for the mean.",
            lambda networks, held_out: max(map(abs, _misses(*_split(networks, held_out)))),
        ),
        Mistake(
            "squares",
            "You took the mean of the squared errors. The question asks for the mean of their absolute values.",
            lambda networks, held_out: sum(miss**2 for miss in _misses(*_split(networks, held_out))) / len(held_out),
        ),
        Mistake(
            "root of the squares",
            "You took the root of the mean square. The question asks for the mean of the absolute values.",
            lambda networks, held_out: math.sqrt(
                sum(miss**2 for miss in _misses(*_split(networks, held_out))) / len(held_out)
            ),
        ),
        Mistake(
            "slope and intercept exchanged",
            "You exchanged slope and intercept. `linear_regression` returns the slope first.",
            lambda networks, held_out: _line(networks, held_out, lambda x, y: linear_regression(x, y)[::-1]),
        ),
        Mistake(
            "x and y exchanged",
            "You fitted log10(MACs) against accuracy. What is predicted, accuracy, goes second: "
            "`linear_regression(x, y)`.",
            lambda networks, held_out: _line(networks, held_out, lambda x, y: linear_regression(y, x)),
        ),
        Mistake(
            "averaged over all",
            "You averaged over all networks. Judge by the held-out ones alone: the line was fitted to the others.",
            lambda networks, held_out: _mean_size(
                _misses([*_split(networks, held_out)[0], *_split(networks, held_out)[1]], _split(networks, held_out)[1])
            ),
        ),
        Mistake(
            "the size of the mean error",
            "You took the mean first and its absolute value last: too high and too low have cancelled by then.",
            lambda networks, held_out: abs(_mean_miss(networks, held_out)),
        ),
        Mistake(
            "a sum of errors",
            "You added the errors up. Divide by the number of held-out networks.",
            lambda networks, held_out: sum(map(abs, _misses(*_split(networks, held_out)))),
        ),
        Mistake(
            "a share of the accuracy",
            "You gave the error as a share of the true accuracy. Percentage points are a plain difference of two "
            "accuracies.",
            lambda networks, held_out: (
                100
                * _mean_size(
                    [
                        miss / y
                        for miss, (_, y) in zip(
                            _misses(*_split(networks, held_out)), _split(networks, held_out)[0], strict=True
                        )
                    ]
                )
            ),
        ),
        Mistake(
            "no logarithm in the prediction",
            "You fitted the line to log10(MACs) and read it at the MACs themselves. Predict with what you fitted: "
            "`math.log10(macs)`.",
            lambda networks, held_out: _mean_size(
                _misses([(10**x, y) for x, y in _split(networks, held_out)[0]], _split(networks, held_out)[1])
            ),
        ),
        Mistake(
            "the natural logarithm in one place",
            "You used another logarithm in the prediction than in the fit. Either will do, but the same one in both "
            "places.",
            lambda networks, held_out: _mean_size(
                _misses(
                    [(x * math.log(10), y) for x, y in _split(networks, held_out)[0]], _split(networks, held_out)[1]
                )
            ),
        ),
    ),
    reasoning="""The order matters: first set the held-out networks aside, then fit, then judge. With the natural
logarithm the slope is another number, and every prediction is the same.""",
)
def held_out_error(networks, held_out):
    """Mean error, on held-out networks, of a line through the others."""
    seen, unseen = [], []
    for name, macs, accuracy in networks:
        points = unseen if name in held_out else seen
        points.append((math.log10(macs), accuracy))
    slope, intercept = linear_regression(*zip(*seen, strict=True))
    errors = [abs(intercept + slope * x - y) for x, y in unseen]
    return sum(errors) / len(errors)


def _largest_output(network: Checkpoint) -> int:
    return max(layer.cost.output_elements for layer in network.architecture.layers)


_LIMITED = tuple(
    (network, network.architecture.cost.macs, network.architecture.cost.params, _largest_output(network))
    for network in released()
)


def _choose(*limits, key=lambda network: network.top1_percent):
    """The best by ``key`` among the released networks that are within ``limits``; None does not limit."""
    fitting = [
        network
        for network, *needs in _LIMITED
        if all(limit is None or need <= limit for need, limit in zip(needs, limits, strict=True))
    ]
    best = max(fitting, key=key, default=None)
    return best and (best.width_multiplier, best.resolution)


def _binding(index):
    """Whether the limit at ``index`` changes the choice."""
    return lambda *limits: _choose(*limits) != _choose(*(None if i == index else each for i, each in enumerate(limits)))


def _all_outputs(macs, params, elements):
    best = [
        network
        for network, *needs in _LIMITED
        if needs[0] <= macs
        and needs[1] <= params
        and sum(layer.cost.output_elements for layer in network.architecture.layers if layer.is_convolution) <= elements
    ]
    chosen = max(best, key=lambda network: network.top1_percent, default=None)
    return chosen and (chosen.width_multiplier, chosen.resolution)


def _by_bare_weights(macs, params, elements):
    fitting = [
        network
        for network, *needs in _LIMITED
        if needs[0] <= macs and network.architecture.weights <= params and needs[2] <= elements
    ]
    best = max(fitting, key=lambda network: network.top1_percent, default=None)
    return best and (best.width_multiplier, best.resolution)


def _macs_of(network: Checkpoint) -> int:
    return network.architecture.cost.macs


def _complaint(choice, max_macs, max_params, max_elements) -> str | None:
    """What is wrong with a choice: a limit that it breaks, or a better network within the limits."""
    best = _choose(max_macs, max_params, max_elements)
    if choice is None:
        return None if best is None else f"{best} is within the limits"
    for network, *needs in _LIMITED:
        if (network.width_multiplier, network.resolution) == choice:
            limits = (max_macs, max_params, max_elements)
            for need, limit, unit in zip(needs, limits, ("MACs", "parameters", "numbers in one map"), strict=True):
                if need > limit:
                    return f"{network.name} needs {need:,} {unit}, {need - limit:,} too many"
            if choice != best:
                return f"{network.name} is within the limits; so is another one, which is more accurate"
            return None
    return "no released network has this width multiplier and resolution"


def _width(network: Checkpoint) -> tuple:
    return network.width_multiplier, network.resolution


def _random_limits(rng: Random) -> tuple:
    if rng.random() < 0.2:  # exactly what one of them needs
        _, *needs = rng.choice(_LIMITED)
        return tuple(needs)
    return (
        10**6 * rng.choice((12, 45, 115, 155, 330, 600)),
        rng.choice((400_000, 2_600_000, 4_220_000, 4_300_000)),
        rng.choice((70_000, 300_000, 900_000, 900_000, 900_000)),
    )


@exercise(
    title="A client asks: which network for a doorbell?",
    goal=3,
    level=4,
    minutes=20,
    task="""A client builds a doorbell. Its chip manages `max_macs` MACs per picture, its flash memory holds
`max_params` parameters (batch norm and the classifier's bias included), and its working memory has room for
a convolution output of at most `max_elements` numbers. Return the released network that you recommend, as
`(width_multiplier, resolution)`: the most accurate one within all three limits. Return `None` if none fits.
`released()` lists the sixteen, each with `.architecture`, `.width_multiplier`, `.resolution` and `.top1_percent`.""",
    hints=(
        "First throw out every network that breaks a limit. Then take the most accurate of those that are left.",
        "`architecture.cost` has `.macs` and `.params`; the largest output is the maximum of "
        "`layer.cost.output_elements` over `architecture.layers`.",
        "Begin with `best = None` and a loop `for network in released():`.",
    ),
    imports="from mobilenet_edu.paper import released",
    cases=(
        (300_000_000, 5_000_000, 1_000_000),
        (300_000_000, 3_000_000, 1_000_000),
        (140_000_000, 5_000_000, 1_000_000),
        (600_000_000, 5_000_000, 300_000),
        (330_000_000, 5_000_000, 1_000_000),
        (600_000_000, 4_220_000, 1_000_000),
        _LIMITED[0][1:],
        (10_000_000, 5_000_000, 1_000_000),
    ),
    random_case=_random_limits,
    covers={
        "the MACs decide": _binding(0),
        "the parameters decide": _binding(1),
        "the memory decides": _binding(2),
        "nothing fits": lambda *limits: _choose(*limits) is None,
        "the widest that fits is not the best": lambda *limits: _choose(*limits) != _choose(*limits, key=_width),
        "a limit that is met exactly": lambda *limits: any(limits == tuple(needs) for _, *needs in _LIMITED),
    },
    alternative=lambda *limits: next(
        (
            (network.width_multiplier, network.resolution)
            for network, *needs in sorted(_LIMITED, key=lambda row: -row[0].top1_percent)
            if max(need / limit for need, limit in zip(needs, limits, strict=True)) <= 1
        ),
        None,
    ),
    mistakes=(
        Mistake(
            "MACs ignored",
            "Your network breaks the limit on MACs.",
            lambda macs, params, elements: _choose(None, params, elements),
        ),
        Mistake(
            "parameters ignored",
            "Your network breaks the limit on parameters. A smaller image lowers the MACs and leaves them as they are.",
            lambda macs, params, elements: _choose(macs, None, elements),
            misconception="parameters are proportional to compute",
        ),
        Mistake(
            "memory ignored",
            "Your network breaks the limit on working memory. Fewer MACs do not mean smaller maps.",
            lambda macs, params, elements: _choose(macs, params, None),
            misconception="fewer MACs, less memory",
        ),
        Mistake(
            "the dearest that fits",
            "Your answer is the network with the most MACs that fits. More MACs do not always mean more accuracy: two "
            "of the sixteen cost more than another one and are less accurate.",
            lambda *limits: _choose(*limits, key=_macs_of),
        ),
        Mistake(
            "the cheapest that fits",
            "Your answer is the cheapest network that fits. The limits are there to be used: the client wants "
            "accuracy.",
            lambda *limits: _choose(*limits, key=lambda network: -_macs_of(network)),
        ),
        Mistake(
            "all maps at once",
            "You added up all outputs. While the network runs, a map is thrown away once it has been read; the limit "
            "is on the largest one.",
            _all_outputs,
        ),
        Mistake(
            "the first that fits",
            "Your answer is the widest network that fits, which is also the first in the list. A thinner one that sees "
            "larger images may be more accurate: compare `top1_percent`.",
            lambda *limits: _choose(*limits, key=_width),
        ),
        Mistake(
            "the largest images",
            "Your answer is the network with the largest images. A wider one with smaller images may be more accurate.",
            lambda *limits: _choose(*limits, key=lambda network: network.resolution),
        ),
        Mistake(
            "strictly below",
            "You excluded a network that meets a limit exactly. Within means `<=`.",
            lambda *limits: _choose(*(limit - 1 for limit in limits)),
        ),
        Mistake(
            "bare weights",
            "You counted the weights alone. Batch norm and the classifier's bias must fit into the flash memory too: "
            "`cost.params`.",
            _by_bare_weights,
        ),
        Mistake(
            "resolution first",
            "You exchanged the two: the width multiplier comes first.",
            lambda *limits: _choose(*limits) and _choose(*limits)[::-1],
        ),
    ),
    judge=_complaint,
    seconds=20,
    reasoning="""Limits first, accuracy second. Whoever meets one limit need not meet the others: the resolution changes
MACs and maps but no parameter, and the width changes all three.""",
)
def choose_network(max_macs, max_params, max_elements):
    """(width_multiplier, resolution) of the best network within the limits."""
    best = None
    for network in released():
        cost = network.architecture.cost
        costs = [layer.cost for layer in network.architecture.layers]
        largest = max(layer.output_elements for layer in costs)
        if cost.macs > max_macs or cost.params > max_params:
            continue
        if largest > max_elements:
            continue
        if best is None or network.top1_percent > best.top1_percent:
            best = network
    if best is None:
        return None
    return best.width_multiplier, best.resolution


_A, _B = two_parts.reference(224, 1000)
_R = _B / _A
_INSIDE, _OUTSIDE = (held_out_error.reference(_all_networks(), names) for names in (_at_160_pixels(), _thinnest()))

_LARGEST = mobilenet_v1().cost.macs

ESSAYS = (
    Essay(
        title="How far the square is off",
        goal=2,
        minutes=15,
        task=f"""The network costs $a \\alpha^2 + b \\alpha$ MACs; the rule α² predicts $\\alpha^2 (a + b)$. Divide
the cost by the prediction, and write the quotient as a formula in $r = b/a$ and α. What happens as α goes to 0? Below
which α is the cost more than 1.1 times the prediction, if $r = {_R:.3f}$? Then say in one sentence what the same
argument gives for the weights.""",
        good_answer=f"""Divide: $(a \\alpha^2 + b \\alpha) / ((a + b) \\alpha^2) =
(1 + r/\\alpha) / (1 + r)$. This is 1 at α = 1 and grows without bound as α goes to 0: there the cost falls with α
alone. It exceeds {1 + 0.1} where $1 + r/\\alpha > {1 + 0.1} (1 + r)$, that is below
$\\alpha = r / ({0.1} + {1 + 0.1} r)$, which is {_R / (0.1 + 1.1 * _R):.2f}.
For the weights $r$ is larger, because the classifier holds a quarter of them and falls with α: the rule fails
sooner. A good answer names the layers that make $b$.""",
    ),
    Essay(
        title="A line and a promise",
        goal=4,
        minutes=15,
        task="""A colleague fits a line to the sixteen released networks, reads it at ten times the cost of the largest
one, and promises the accuracy that it gives. Write five sentences to the colleague: what the held-out test in this
chapter shows, what it does not show, and what you would measure before promising anything.""",
        good_answer=f"""A good answer tells predicting inside the range that was fitted (the four networks at 160
pixels held out: {_INSIDE:.1f} points off on average) from predicting outside it (the four thinnest held out:
{_OUTSIDE:.1f} points off, every prediction too high). Neither test looks at a network above {_LARGEST / 1e6:.0f}
million MACs, so neither says how far off the line is at ten times that cost. The answer says that the errors are not
random: the points bend away from the line at both ends. It says that accuracy cannot exceed 100 %, which a line does
not know, and that VGG16 lies far below the line. It proposes a measurement: train at least one network of about the
promised cost, and look.""",
    ),
)
