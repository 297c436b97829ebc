"""Exercises of chapter 4, what the split saves."""

from __future__ import annotations

from fractions import Fraction
from itertools import count, pairwise
from math import ceil, floor
from random import Random

from mobilenet_edu.cost import conv2d_cost, depthwise_conv2d_cost, depthwise_separable_conv2d_cost
from mobilenet_edu.exercises._engine import Essay, Mistake, exercise


def _random_shape(rng: Random) -> tuple:
    return rng.choice((1, 2, 3, 8, 18, 40, 64, 100, 512, 600)), rng.choice((1, 2, 3, 5)), rng.choice((1, 2, 3, 7))


def _ratio(out_channels: int, height: int, width: int) -> Fraction:
    return Fraction(1, out_channels) + Fraction(1, height * width)


def _ratio_of_costs(out_channels, kernel_height, kernel_width):
    layer = (6, out_channels, (kernel_height, kernel_width), (9, 11))
    return Fraction(depthwise_separable_conv2d_cost(*layer).macs, conv2d_cost(*layer).macs)


@exercise(
    title="The exact fraction",
    goal=2,
    level=1,
    minutes=5,
    task="""The function below returns the cost of a separable layer over that of the standard one, as an exact
`Fraction`, for kernels that need not be square. It is complete. Run it for `(512, 3, 3)` and for `(64, 3, 3)`.
Then replace `Fraction(1, taps)` by `Fraction(1, 9)`:
for which kernels does the check fail?""",
    hints=(
        "What does the depthwise step do once instead of N times? What does the pointwise step do once instead of at "
        "each tap?",
        r"$1/N + 1/(K_h \cdot K_w)$.",
        "`saving_fraction(64, 3, 3)` should give a fraction that you can check by hand: 1/64 + 1/9.",
    ),
    imports="from fractions import Fraction",
    cases=((512, 3, 3), (64, 3, 3), (1, 1, 1), (3, 2, 2)),
    random_case=_random_shape,
    covers={
        "a kernel that is not square": lambda N, K_h, K_w: K_h != K_w,
        "a 1×1 kernel": lambda N, K_h, K_w: K_h * K_w == 1,
        "few output channels": lambda N, K_h, K_w: N < 4,
    },
    alternative=_ratio_of_costs,
    mistakes=(
        Mistake(
            "always about a ninth",
            "You counted 9 taps whatever the kernel. The famous factor belongs to 3×3 kernels; others have more or "
            "fewer.",
            lambda N, K_h, K_w: Fraction(1, N) + Fraction(1, 9),
            misconception="8–9× is universal",
        ),
        Mistake(
            "one side of the kernel",
            "You counted one side of the kernel. It has kernel_height * kernel_width taps.",
            lambda N, K_h, K_w: Fraction(1, N) + Fraction(1, K_h),
        ),
        Mistake(
            "one over each side",
            "You added one over each side of the kernel. The second part is one over the *taps*, height times width.",
            lambda N, K_h, K_w: Fraction(1, N) + Fraction(1, K_h) + Fraction(1, K_w),
        ),
        Mistake(
            "square kernels only",
            "You squared the height. A kernel need not be square: multiply height by width.",
            lambda N, K_h, K_w: Fraction(1, N) + Fraction(1, K_h * K_h),
        ),
        Mistake(
            "forgot the depthwise step",
            "You left out 1/N: the filtering is done once instead of N times, but it is not free.",
            lambda N, K_h, K_w: Fraction(1, K_h * K_w),
        ),
        Mistake(
            "forgot the pointwise step",
            "You left out one over the taps: the channels must still be combined, at one tap instead of at all.",
            lambda N, K_h, K_w: Fraction(1, N),
        ),
        Mistake(
            "product instead of sum",
            "You multiplied the two fractions. The steps come one after the other, so their costs add up.",
            lambda N, K_h, K_w: Fraction(1, N * K_h * K_w),
        ),
        Mistake(
            "one over the sum",
            "You put the sum below the line: 1 / (N + taps). Add the two fractions instead.",
            lambda N, K_h, K_w: Fraction(1, N + K_h * K_w),
        ),
        Mistake(
            "the factor instead of the fraction",
            "This is the saving factor, how many times fewer. The cost of the pair over the standard layer is its "
            "inverse.",
            lambda *case: 1 / _ratio(*case),
        ),
        Mistake(
            "what is saved",
            "This is the share that is saved. The exercise asks for the share that is left.",
            lambda *case: 1 - _ratio(*case),
        ),
        Mistake(
            "a Fraction of a float",
            "You made a Fraction of a float, which was rounded before. Give it two whole numbers, such as "
            "`Fraction(1, taps)`: then nothing is rounded.",
            lambda N, K_h, K_w: Fraction(1 / N + 1 / (K_h * K_w)),
        ),
        Mistake(
            "numerators and denominators added",
            "You added numerators to numerators and denominators to denominators. Fractions are added over a common "
            "denominator: `Fraction(1, a) + Fraction(1, b)` does it.",
            lambda out_channels, height, width: Fraction(2, out_channels + height * width),
        ),
        Mistake(
            "rounded to a small denominator",
            "`limit_denominator` rounds. The exercise asks for the exact fraction: divide whole numbers with "
            "`Fraction(a, b)`.",
            lambda *layer: _ratio(*layer).limit_denominator(100),
        ),
        Mistake(
            "divided with //",
            "You divided with `//`, which gives 0 for 1 over anything larger. `Fraction(1, taps)` keeps the fraction.",
            lambda out_channels, height, width: Fraction(1 // out_channels + 1 // (height * width)),
        ),
        Mistake(
            "one fraction inside of the other",
            "You took one over the sum of N and 1/taps. The two parts are added, each with a denominator of its own: "
            "1/N + 1/taps.",
            lambda out_channels, height, width: 1 / (out_channels + Fraction(1, height * width)),
        ),
    ),
    reasoning="""Divide the two terms of the pair's cost by the standard layer's. Filtering: everything cancels but the
N output channels. Combining: everything cancels but the taps of the kernel. Input channels and map size are gone.
`(512, 3, 3)` gives 521/4608 and `(64, 3, 3)` gives 73/576. With `Fraction(1, 9)` the check fails for every kernel that
does not have nine taps.""",
)
def saving_fraction(out_channels, kernel_height, kernel_width):
    """MACs of the separable layer over those of the standard one."""
    taps = kernel_height * kernel_width
    return Fraction(1, out_channels) + Fraction(1, taps)


def _random_promise(rng: Random) -> tuple:
    if rng.random() < 0.2:  # borders at which floats go wrong
        return rng.choice(((6, 15), (10, 35), (12, 21)))
    taps = rng.choice((1, 3, 4, 6, 7, 9, 25, 49))
    return rng.randint(1, min(taps + 3, 30)), taps


def _least_by_search(factor, taps):
    if factor >= taps:
        return None
    return next(N for N in count(1) if N * taps >= factor * (N + taps))


def _border(factor: int, taps: int) -> Fraction:
    return Fraction(factor * taps, taps - factor)


@exercise(
    title="How many channels a promise needs",
    goal=3,
    level=2,
    minutes=10,
    unit="output channels",
    task="""Somebody promises that splitting a layer makes it at least `factor` times cheaper. `factor` is a whole
number. The layer's kernel has `taps` taps (9 for a 3×3 one). Fill the two gaps: the function returns the smallest
number of output channels for which the promise holds, or `None` if no number of channels is enough.""",
    hints=(
        "Solve the inequality as the text did for a factor of 8 and 9 taps. When is it impossible?",
        r"$N t / (N + t) \ge f \Leftrightarrow N (t - f) \ge f t$, with $t$ taps and factor $f$.",
        "Nothing reaches its ceiling: begin with `if factor >= taps:`. Rounding up is `-(-a // b)`.",
    ),
    stub='''
def channels_needed(factor, taps):
    """Smallest N with a saving factor of at least `factor`, or None."""
    if ...:
        return None
    return -(-(...) // (taps - factor))
''',
    cases=((8, 9), (9, 9), (2, 9), (1, 1), (7, 9), (20, 25), (5, 3), (6, 9), (6, 15), (32, 33), (120, 121)),
    random_case=_random_promise,
    covers={
        "a promise that nothing keeps": lambda factor, taps: factor > taps,
        "exactly the ceiling": lambda factor, taps: factor == taps,
        "a border that is no whole number": lambda factor, taps: factor < taps and factor * taps % (taps - factor) > 0,
        "a border that is a whole number": lambda factor, taps: factor < taps and factor * taps % (taps - factor) == 0,
        "a kernel that is not 3×3": lambda factor, taps: taps != 9,
    },
    alternative=_least_by_search,
    mistakes=(
        Mistake(
            "9 taps whatever the kernel",
            "You solved it for 9 taps. Another kernel has another ceiling, and needs another number of channels.",
            lambda factor, taps: _least_by_search(factor, 9),
            misconception="8–9× is universal",
        ),
        Mistake(
            "the ceiling is reached",
            "You promise the ceiling itself. The factor comes near the number of taps and never reaches it.",
            lambda factor, taps: (
                None if factor > taps else factor * taps if factor == taps else _least_by_search(factor, taps)
            ),
        ),
        Mistake(
            "rounded down",
            "You rounded down. With one channel fewer the promise does not hold: round up.",
            lambda factor, taps: None if factor >= taps else floor(_border(factor, taps)),
        ),
        Mistake(
            "one too many",
            "Your number is one too large where the division comes out even: there the quotient itself is enough.",
            lambda factor, taps: None if factor >= taps else floor(_border(factor, taps)) + 1,
        ),
        Mistake(
            "as many channels as the factor",
            "You looked at 1/N alone. Combining costs as well, one over the taps, so N must be larger.",
            lambda factor, taps: None if factor >= taps else factor,
        ),
        Mistake(
            "any promise can be kept",
            "You never return None. The factor stays below the number of taps, however many channels there are.",
            lambda factor, taps: ceil(Fraction(factor * taps, (taps - factor) or 1)),
        ),
        Mistake(
            "a negative number of channels",
            "Where the factor is larger than the number of taps, your number of channels is negative. There nothing "
            "keeps the promise either: return None.",
            lambda factor, taps: None if factor == taps else ceil(_border(factor, taps)),
        ),
        Mistake(
            "only a larger factor is impossible",
            "Where the factor is the number of taps you divide by 0. Nothing reaches its ceiling: there, too, the "
            "answer is None.",
            lambda factor, taps: None if factor > taps else -(-(factor * taps) // (taps - factor)),
        ),
        Mistake(
            "a float at the border",
            "Your comparison rounds: where the promise is kept exactly, a float may come out a little below it, "
            "and your number is too large. Compare whole numbers.",
            lambda factor, taps: (
                None
                if factor >= taps
                else next(n for n in count(_least_by_search(factor, taps)) if 1 / (1 / n + 1 / taps) >= factor)
            ),
        ),
        Mistake(
            "the factor as the saving of 1/N alone",
            "You multiplied factor by taps and stopped there. Divide by how far the factor is below the taps.",
            lambda factor, taps: None if factor >= taps else factor * taps,
        ),
        Mistake(
            "no number instead of None",
            "Your 0 says that no channels at all keep the promise. Where no number is enough, return None.",
            lambda factor, taps: _least_by_search(factor, taps) or 0,
        ),
    ),
    reasoning="""Start from N t / (N + t) ≥ f, with t taps and the factor f. Multiply by N + t, which is positive, and
collect N: N (t − f) ≥ f t. If f is below t, divide and round up. If not, the left side is zero or negative and the
right side positive: no number of channels helps.""",
)
def channels_needed(factor, taps):
    """Smallest N with a saving factor of at least `factor`, or None."""
    if factor >= taps:
        return None
    return -(-(factor * taps) // (taps - factor))


def _multiplied(out_channels: int, taps: int, multiplier: int) -> tuple[int, int]:
    """MACs of the pair with a depth multiplier, and of the standard layer, for one input channel and one pixel."""
    return multiplier * (taps + out_channels), out_channels * taps


def _random_channels(rng: Random) -> tuple:
    if rng.random() < 0.4:  # a factor that is a whole number, where "fewer" and "not more" differ
        return rng.choice(((2, 2), (6, 3), (18, 9), (72, 9), (14, 35), (420, 21), (20, 5), (100, 25), (1, 9)))
    return rng.randint(1, 300), rng.choice((1, 2, 4, 6, 9, 25))


def _largest_by_search(out_channels, taps):
    multiplier = 0
    while _multiplied(out_channels, taps, multiplier + 1)[0] < out_channels * taps:
        multiplier += 1
    return multiplier


@exercise(
    title="The largest depth multiplier that pays",
    goal=4,
    level=3,
    minutes=10,
    unit="filters per channel",
    task="""Return the largest depth multiplier with which the pair still needs *fewer* MACs than the standard layer,
for a number of output channels and a kernel with `taps` taps. Where not even one filter per channel pays, return 0.""",
    hints=(
        "What happens to the two steps' MACs when each channel gets d filters?",
        r"Both grow: $d \, (1/N + 1/t) < 1$. Stay strictly below the saving factor, without a float.",
        "Write the comparison in whole numbers first: `d * (out_channels + taps) < out_channels * taps`.",
    ),
    cases=(
        *((64, 9), (72, 9), (18, 9), (1, 9), (512, 1), (2, 2), (512, 9), (1, 1), (3, 2)),
        *((14, 35), (420, 21), (98, 98), (4, 5), (4000, 3000)),
    ),
    random_case=_random_channels,
    covers={
        "a tie": lambda N, taps: N > 1 and taps > 1 and N * taps % (N + taps) == 0,
        "nothing pays": lambda N, taps: N * taps <= N + taps,
        "several filters pay": lambda N, taps: N * taps > 2 * (N + taps),
    },
    alternative=_largest_by_search,
    mistakes=(
        Mistake(
            "always 8",
            "You took 8 filters for granted. The saving factor is near 9 only for 3×3 kernels and many channels.",
            lambda N, taps: 8,
            misconception="8–9× is universal",
        ),
        Mistake(
            "a tie counts",
            "You let a tie count. With a saving factor that is a whole number, that many filters cost just as much, "
            "not less.",
            lambda N, taps: N * taps // (N + taps),
        ),
        Mistake(
            "rounded up",
            "Your multiplier is the first that does *not* pay: the saving factor, rounded up. It must stay below.",
            lambda N, taps: ceil(Fraction(N * taps, N + taps)),
        ),
        Mistake(
            "only the filtering grows",
            "You multiplied the filtering alone. The pointwise step reads d maps for each channel, so it grows too.",
            lambda N, taps: max(0, ceil(N * (1 - Fraction(1, taps))) - 1),
        ),
        Mistake(
            "only the combining grows",
            "You multiplied the combining alone. There are d filters for each channel, so the filtering grows too.",
            lambda N, taps: max(0, ceil(taps * (1 - Fraction(1, N))) - 1),
        ),
        Mistake(
            "a float at the border",
            "Your comparison rounds: where that many filters cost exactly as much, a float may come out a little "
            "below, and your number is one too large. Compare whole numbers.",
            lambda N, taps: next(d for d in count() if (d + 1) * (1 / N + 1 / taps) >= 1),
        ),
        Mistake(
            "at least one filter",
            "You gave one filter where even one does not pay. A 1×1 kernel or one output channel saves nothing.",
            lambda N, taps: max(1, _largest_by_search(N, taps)),
        ),
        Mistake(
            "rounded to the nearest",
            "You rounded the saving factor to the nearest whole number. The multiplier must stay below the factor.",
            lambda N, taps: round(Fraction(N * taps, N + taps)),
        ),
        Mistake(
            "each step for itself",
            "You took the smaller of the two numbers, less one, as if each step had the whole layer's MACs to itself. "
            "Their sum must stay below: d / N + d / t < 1.",
            lambda N, taps: min(N, taps) - 1,
        ),
        Mistake(
            "not rounded",
            "You gave the saving factor itself. A layer has a whole number of filters per channel: the largest one "
            "below the factor.",
            lambda out_channels, taps: out_channels * taps / (out_channels + taps),
        ),
        Mistake(
            "one less than rounded down",
            "You took one off everywhere. That is right only at a tie; between whole numbers, the one below the saving "
            "factor still pays.",
            lambda out_channels, taps: out_channels * taps // (out_channels + taps) - 1,
        ),
        Mistake(
            "the smaller number",
            "You took the smaller of the two numbers, as if each step had the whole layer's MACs to itself. Their sum "
            "must stay below: d / N + d / t < 1.",
            lambda out_channels, taps: min(out_channels, taps),
        ),
    ),
    reasoning="""With d filters per channel both steps cost d times as much, so d must be strictly below the saving
factor N t / (N + t). The largest whole number strictly below a fraction a / b is (a - 1) // b; a float could round a
tie the wrong way.""",
)
def largest_multiplier(out_channels, taps):
    """Largest d with d * (1 / N + 1 / taps) < 1."""
    return (out_channels * taps - 1) // (out_channels + taps)


def _random_network(rng: Random) -> tuple:
    channels = [rng.choice((1, 2, 3, 8, 16, 32)) for _ in range(rng.randint(2, 5))]
    layers, size = [], rng.randint(12, 40)
    for M, N in pairwise(channels):
        stride = rng.choice((1, 2))
        layers.append((M, N, rng.choice((1, 3, 5)), size, stride))
        size = -(-size // stride)
    return (layers,)


def _layer_macs(M: int, N: int, K: int, size: int, stride: int) -> tuple[int, int]:
    """MACs of the standard layer and of the pair, from the calculators."""
    how = {"stride": stride, "padding": K // 2}
    return conv2d_cost(M, N, K, size, **how).macs, depthwise_separable_conv2d_cost(M, N, K, size, **how).macs


def _factor(layers, choose=min, size_of=lambda M, N, K, size, stride: (M, N, K, size, stride)) -> Fraction:
    """Saving factor of a network in which ``choose`` picks one of the two costs of each layer."""
    costs = [_layer_macs(*size_of(*layer)) for layer in layers]
    return Fraction(sum(whole for whole, _ in costs), sum(choose(cost) for cost in costs))


def _product(factors) -> Fraction:
    result = Fraction(1)
    for factor in factors:
        result *= factor
    return result


def _of_the_split(layers) -> Fraction:
    costs = [cost for cost in (_layer_macs(*layer) for layer in layers) if cost[1] < cost[0]]
    return Fraction(sum(whole for whole, _ in costs), sum(pair for _, pair in costs)) if costs else Fraction(1)


def _share(layer) -> Fraction:
    whole, pair = _layer_macs(*layer)
    return Fraction(whole, pair)


def _large_pointwise(M: int, N: int, K: int, size: int, stride: int) -> int:
    """MACs of the better choice if the pointwise step ran at the input's size."""
    whole, _ = _layer_macs(M, N, K, size, stride)
    return min(whole, depthwise_conv2d_cost(M, K, size, stride=stride, padding=K // 2).macs + M * N * size**2)


def _stride_in_pointwise(M: int, N: int, K: int, size: int, stride: int) -> int:
    whole, _ = _layer_macs(M, N, K, size, stride)
    late = depthwise_conv2d_cost(M, K, size, padding=K // 2).macs + conv2d_cost(M, N, 1, size, stride=stride).macs
    return min(whole, late)


def _by_sizes(layers, side) -> Fraction:
    """The saving if an output's side were ``side(input_size, kernel_size, stride)``."""
    before = after = 0
    for M, N, K, size, stride in layers:
        positions = side(size, K, stride) ** 2
        whole = K * K * M * N * positions
        before, after = before + whole, after + min(whole, (K * K * M + M * N) * positions)
    return Fraction(before, after)


def _without_the_whole_afterwards(layers) -> Fraction:
    costs = [_layer_macs(*layer) for layer in layers]
    return Fraction(sum(whole for whole, _ in costs), max(1, sum(pair for whole, pair in costs if pair < whole)))


@exercise(
    title="A client asks: how much would our network save?",
    goal=5,
    level=4,
    minutes=15,
    task="""A client has read "8 to 9 times cheaper" and sends a network of standard layers: a list of `(in_channels,
out_channels, kernel_size, input_size, stride)`, odd square kernels with padding `kernel_size // 2`, square maps. In
a pair the depthwise step has the stride. Split a layer only if that saves MACs. How many times fewer MACs does the
whole network then need? Return a `Fraction`: before over after.""",
    hints=(
        "A network's saving is not the average of its layers' savings: an expensive layer weighs more. Which sums do "
        "you need?",
        "Factor = Σ standard MACs / Σ min(standard MACs, pair's MACs), with the size of the output in each.",
        "For each layer begin with `positions = ((input_size - 1) // stride + 1) ** 2`.",
    ),
    imports="from fractions import Fraction",
    cases=(
        ([(3, 32, 3, 224, 2), (32, 64, 3, 112, 1), (64, 1000, 1, 112, 1)],),
        ([(512, 512, 3, 14, 1)],),
        ([(16, 8, 1, 10, 1)],),
        ([(8, 1, 3, 9, 1), (1, 8, 3, 9, 2)],),
    ),
    random_case=_random_network,
    covers={
        "stride 2": lambda layers: any(layer[4] == 2 for layer in layers),
        "an odd map at stride 2": lambda layers: any(layer[4] == 2 and layer[3] % 2 for layer in layers),
        "a layer that should not be split": lambda layers: any(_layer_macs(*x)[1] > _layer_macs(*x)[0] for x in layers),
        "several layers": lambda layers: len(layers) > 1,
    },
    alternative=lambda layers: _factor(layers),
    mistakes=(
        Mistake(
            "the average of the factors",
            "You averaged the layers' factors. Add up the MACs before and after, then divide: large layers count more.",
            lambda layers: sum((_factor([layer]) for layer in layers), Fraction(0)) / len(layers),
        ),
        Mistake(
            "nine times, as read",
            "You used the factor that the client has read. It holds for 3×3 kernels and many output channels only.",
            lambda layers: Fraction(9),
            misconception="8–9× is universal",
        ),
        Mistake(
            "split everything",
            "You split every layer. With a 1×1 kernel or one output channel the pair costs more: leave that one whole.",
            lambda layers: _factor(layers, choose=lambda cost: cost[1]),
        ),
        Mistake(
            "split all but 1×1",
            "You left only the 1×1 layers whole. Compare the two costs of each layer: with one output channel the pair "
            "costs more too.",
            lambda layers: Fraction(
                sum(_layer_macs(*layer)[0] for layer in layers),
                sum(_layer_macs(*layer)[0 if layer[2] == 1 else 1] for layer in layers),
            ),
        ),
        Mistake(
            "input size",
            "You counted the positions of the input. At stride 2 the layer writes only a quarter as many.",
            lambda layers: _factor(layers, size_of=lambda M, N, K, size, stride: (M, N, K, size, 1)),
            misconception="cost from the input's size although the stride is 2",
        ),
        Mistake(
            "maps rounded down",
            "You rounded the maps down. With padding kernel_size // 2 a side of 9 becomes 5 at stride 2: halves are "
            "rounded up.",
            lambda layers: _factor(layers, size_of=lambda M, N, K, size, stride: (M, N, K, size // stride, 1)),
        ),
        Mistake(
            "a Fraction of a float",
            "You made a Fraction of a float, which was rounded before. Give it both sums, `Fraction(before, after)`.",
            lambda layers: Fraction(float(_factor(layers))),
        ),
        Mistake(
            "the product of the factors",
            "You multiplied the layers' factors. Each layer saves its own MACs: add up the MACs before and after, "
            "then divide.",
            lambda layers: _product(_factor([layer]) for layer in layers),
        ),
        Mistake(
            "only the layers that are split",
            "You left the layers that stay whole out of both sums. They cost MACs before and after.",
            lambda layers: _of_the_split(layers),
        ),
        Mistake(
            "the best factor",
            "You took the factor of the layer that saves most. The others save less, and count in the sums.",
            lambda layers: max(_factor([layer]) for layer in layers),
        ),
        Mistake(
            "stride in the pointwise step",
            "Your filters run over the full map. In a pair the stride belongs to the depthwise step.",
            lambda layers: Fraction(
                sum(_layer_macs(*layer)[0] for layer in layers), sum(_stride_in_pointwise(*layer) for layer in layers)
            ),
        ),
        Mistake(
            "after over before",
            "You divided the wrong way round: the client asks for before over after, a number of at least 1.",
            lambda layers: 1 / _factor(layers),
        ),
        Mistake(
            "parameters instead of MACs",
            "You added up weights. A layer on a large map counts more in MACs than in weights.",
            lambda layers: _factor(layers, size_of=lambda M, N, K, size, stride: (M, N, K, 1, 1)),
            misconception="parameters are proportional to compute",
        ),
        Mistake(
            "the sum of the factors",
            "You added the layers' factors. Add up MACs instead, before and after, and divide once at the end.",
            lambda layers: sum((max(Fraction(1), _share(layer)) for layer in layers), Fraction(0)),
        ),
        Mistake(
            "all or nothing",
            "You split either all layers or none. Choose for each layer, whichever of the two costs less.",
            lambda layers: max(Fraction(1), _factor(layers, choose=lambda cost: cost[1])),
        ),
        Mistake(
            "the pointwise step on the input's map",
            "Your pointwise step runs at the input's size. It reads what the depthwise step writes: with a stride "
            "that is a smaller map.",
            lambda layers: Fraction(
                sum(_layer_macs(*layer)[0] for layer in layers), sum(_large_pointwise(*layer) for layer in layers)
            ),
        ),
        Mistake(
            "no padding",
            "You left the padding out. With padding kernel_size // 2 and stride 1 the map keeps its size.",
            lambda layers: _factor(
                layers, size_of=lambda M, N, K, size, stride: (M, N, K, size - 2 * (K // 2), stride)
            ),
        ),
        Mistake(
            "the share that is saved",
            "You returned the share of the MACs that is saved. The exercise asks for a factor: before over after.",
            lambda layers: 1 - 1 / _factor(layers),
        ),
        Mistake(
            "no padding, with a formula",
            "You left out the padding, `kernel_size // 2` on each side: your maps are too small.",
            lambda layers: _by_sizes(layers, lambda size, K, stride: (size - K) // stride + 1),
        ),
        Mistake(
            "the padding on one side",
            "You padded one side only. The padding lies left and right, above and below: count it twice.",
            lambda layers: _by_sizes(layers, lambda size, K, stride: (size + K // 2 - K) // stride + 1),
        ),
        Mistake(
            "whole layers missing afterwards",
            "You counted the layers that stay whole before and not after. They are still there: add their MACs to both "
            "sums.",
            _without_the_whole_afterwards,
        ),
        Mistake(
            "only 3×3 layers split",
            "You split 3×3 layers only. Compare the two costs of each layer: a larger kernel saves more, and one "
            "output channel saves nothing.",
            lambda layers: Fraction(
                sum(_layer_macs(*each)[0] for each in layers), sum(_layer_macs(*each)[each[2] == 3] for each in layers)
            ),
        ),
        Mistake(
            "the shares averaged",
            "You averaged the shares that are left, then turned the mean upside down. Add up the MACs before and "
            "after, then divide: large layers count more.",
            lambda layers: len(layers) / sum(1 / max(Fraction(1), _share(each)) for each in layers),
        ),
    ),
    reasoning="""Add up the MACs of all layers before and after, and divide once at the end. Layers that are not worth
splitting stay as they are, so the result is at least 1. The first layer of an image network reads only three channels
but a large map; it can be split, and whether that is wise is a question of accuracy, not of MACs.""",
)
def network_saving(layers):
    """MACs of the standard network over those of the best split."""
    before, after = 0, 0
    for in_channels, out_channels, kernel_size, input_size, stride in layers:
        positions = ((input_size - 1) // stride + 1) ** 2
        combine = in_channels * out_channels * positions
        standard = kernel_size**2 * combine
        pair = kernel_size**2 * in_channels * positions + combine
        before += standard
        after += min(standard, pair)
    return Fraction(before, after)


ESSAYS = (
    Essay(
        title="One dimension more",
        goal=1,
        minutes=10,
        task="""Videos are filtered with kernels of $D_K \\times D_K \\times D_K$. Derive what a depthwise separable
layer saves there, as a fraction of the standard layer. What is the ceiling at $D_K = 3$? Do the same for sound, with
kernels of $D_K$ samples, and say for which of sound, pictures and videos splitting saves least. Where in your
derivation does the number of dimensions matter?""",
        good_answer=r"""- With $P$ output positions: the standard cost is $D_K^3 \cdot M \cdot N \cdot P$, the pair's
  $D_K^3 \cdot M \cdot P + M \cdot N \cdot P$.
- Divide term by term: $1/N + 1/D_K^3$. The ceiling is the number of taps, 27 at $D_K = 3$.
- For sound: $1/N + 1/D_K$, so always less than 3 times with 3 samples. Sound saves least: the fewer taps a kernel
  has, the less there is to save.
- The number of dimensions matters nowhere: only the number of taps entered. Any number of dimensions, and
  any shape of kernel, gives $1/N + 1/t$.""",
    ),
    Essay(
        title="Mend a sentence",
        goal=3,
        minutes=10,
        task="""A colleague writes in a report: "Because depthwise separable convolutions are 8 to 9 times faster, our
new network needs an eighth of the memory." Find every assumption of the sentence that need not be true. Then write a
sentence that is true and still useful.""",
        good_answer=r"""- The factor counts MACs, not time; time has to be measured.
- 8 to 9 holds for 3×3 kernels and at least 72 output channels; other kernels and narrow layers have other factors.
- A network saves less than its split layers, because some of its layers are not split: 8.56 times for MobileNet V1.
- Memory does not follow: weights shrink by the same fraction as MACs, but the map between the two steps is one more
  tensor to write.
- A true sentence names the unit, the layers and the exception, such as: "Our 3×3 layers, all with at least 72 output
  channels, need between 8 and 9 times fewer multiply-accumulates; we have not yet measured time and memory." """,
    ),
)
