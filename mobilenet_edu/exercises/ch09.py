"""Exercises of chapter 9, measuring time."""

from __future__ import annotations

from fractions import Fraction
from random import Random
from statistics import fmean, median

from mobilenet_edu.cost import conv2d_cost
from mobilenet_edu.exercises._engine import Essay, Mistake, exercise


def _random_calls(rng: Random) -> tuple:
    warm_up, counted = rng.randint(1, 4), rng.randint(3, 9)
    first = rng.choice(((0.05, 0.2), (0.05, 0.2), (0.005, 0.009)))  # a processor that is still cool may begin faster
    slow = [round(rng.uniform(*first), 4) for _ in range(warm_up)]
    steady = [round(rng.uniform(0.01, 0.02), 4) for _ in range(counted)]
    steady[rng.randrange(counted)] = round(rng.uniform(0.05, 0.3), 4)  # an interruption
    return slow + steady, warm_up


def _middle_of_the_sorted(seconds, warm_up):
    ordered = sorted(seconds[warm_up:])
    middle, is_odd = divmod(len(ordered), 2)
    return ordered[middle] if is_odd else (ordered[middle - 1] + ordered[middle]) / 2


def _middle_of_the_row(seconds):
    return (seconds[(len(seconds) - 1) // 2] + seconds[len(seconds) // 2]) / 2


@exercise(
    title="The typical time",
    goal=1,
    level=1,
    minutes=5,
    task="""This function is complete. `seconds` is a list of what each call took, in the order of the calls. The first
`warm_up` of them do not count. Predict first what the mean of the counted calls would be for `[9, 9, 1, 1, 1, 1, 6]`
and `warm_up=2`, and what the median is. Then check the function. Then break it: put `fmean` in the place of `median`
(it is in `statistics` too), check again, and read the answer.""",
    hints=(
        "Which of the calls are typical? Which ones were disturbed?",
        "Sort the counted calls. The median is the middle one, or the mean of the two in the middle.",
        "Nothing is missing. To break it, begin with `from statistics import fmean`.",
    ),
    imports="from statistics import median",
    cases=(
        ([9.0, 9.0, 1.0, 1.0, 1.0, 1.0, 6.0], 2),
        ([5.0, 1.0, 2.0, 3.0, 4.0], 1),
        ([3.0, 1.0, 2.0, 8.0], 1),
        ([1.0, 4.0, 6.0, 7.0], 1),
    ),
    random_case=_random_calls,
    covers={
        "an odd number of calls": lambda seconds, warm_up: (len(seconds) - warm_up) % 2 == 1,
        "an even number of calls": lambda seconds, warm_up: (len(seconds) - warm_up) % 2 == 0,
        "several calls to warm up": lambda seconds, warm_up: warm_up > 1,
        "the first calls are the fastest": lambda seconds, warm_up: max(seconds[:warm_up]) < min(seconds[warm_up:]),
    },
    alternative=_middle_of_the_sorted,
    mistakes=(
        Mistake(
            "one timing",
            "You took one call. Another call of the same function takes another time: one timing is a sample, and "
            "nobody can tell from it how far it may be off.",
            lambda seconds, warm_up: seconds[warm_up],
            misconception="one timing is a measurement",
        ),
        Mistake(
            "the first call",
            "You took the first call of all. It pays for memory and preparation that later calls find done.",
            lambda seconds, warm_up: seconds[0],
            misconception="one timing is a measurement",
        ),
        Mistake(
            "the mean",
            "You took the mean. One call that the system interrupted pulls it up, as far as it likes; the median stays "
            "where most of the calls are.",
            lambda seconds, warm_up: fmean(seconds[warm_up:]),
        ),
        Mistake(
            "a mean over the warm-up's calls too",
            "You added the calls that count and divided by the number of all. And the exercise asks for the median.",
            lambda seconds, warm_up: sum(seconds[warm_up:]) / len(seconds),
        ),
        Mistake(
            "the fastest",
            "You took the fastest call. It says what is possible on a lucky day; the exercise asks what is typical.",
            lambda seconds, warm_up: min(seconds[warm_up:]),
        ),
        Mistake(
            "the upper of two",
            "With an even number of calls, two are in the middle. You took the slower one; the median is their mean.",
            lambda seconds, warm_up: sorted(seconds[warm_up:])[(len(seconds) - warm_up) // 2],
        ),
        Mistake(
            "warm-up counted",
            "You counted the warm-up calls. What they take has reasons that have nothing to do with the function.",
            lambda seconds, warm_up: float(median(seconds)),
        ),
        Mistake(
            "sorted too early",
            "Your answer leaves out the fastest calls instead of the first ones. First cut, then sort.",
            lambda seconds, warm_up: float(median(sorted(seconds)[warm_up:])),
        ),
        Mistake(
            "the slowest call",
            "You took the slowest call. Something else got in its way; it is not typical.",
            lambda seconds, warm_up: max(seconds[warm_up:]),
        ),
        Mistake(
            "lower of the two in the middle",
            "You took the lower of the two calls in the middle. With an even number, the median is their "
            "mean; `torch.median` takes the lower one.",
            lambda seconds, warm_up: sorted(seconds[warm_up:])[(len(seconds) - warm_up - 1) // 2],
        ),
        Mistake(
            "the last call",
            "You took the last call. One call is not a measurement.",
            lambda seconds, warm_up: seconds[-1],
        ),
        Mistake(
            "sorted from the slowest",
            "Your answer leaves out the slowest calls, whether they came first or not. First cut, then sort.",
            lambda seconds, warm_up: float(median(sorted(seconds, reverse=True)[warm_up:])),
        ),
        Mistake(
            "cut at the end",
            "You left out the last calls. The warm-up is at the beginning.",
            lambda seconds, warm_up: float(median(seconds[:-warm_up])),
        ),
        Mistake(
            "warm-up counted, and the lower of two",
            "You counted the warm-up calls, and of two calls in the middle you took the lower one; the median is their "
            "mean.",
            lambda seconds, warm_up: sorted(seconds)[(len(seconds) - 1) // 2],
        ),
        Mistake(
            "between the fastest and the slowest",
            "You took the middle between the fastest and the slowest call. One interrupted call moves it; the median "
            "is the call in the middle.",
            lambda seconds, warm_up: (min(seconds[warm_up:]) + max(seconds[warm_up:])) / 2,
        ),
        Mistake(
            "the two in the middle of the row",
            "You took what stands in the middle of the row. Sort the calls first: the median is in the middle by size.",
            lambda seconds, warm_up: _middle_of_the_row(seconds[warm_up:]),
        ),
        Mistake(
            "the middle of the row",
            "You took the call in the middle of the row. Sort them first: the median is in the middle by size.",
            lambda seconds, warm_up: seconds[warm_up:][(len(seconds) - warm_up) // 2],
        ),
    ),
    reasoning="""In the example 1, 1, 1, 1 and 6 count. Their mean is 2, which no call took, and their median is 1. The
order of the calls matters for one thing only: which of them were the warm-up. So cut first. The median
depends on the order of the times, not on how long the slowest call took.""",
)
def typical_time(seconds, warm_up):
    """Median of the calls that count, in seconds."""
    counted = seconds[warm_up:]
    return float(median(counted))


def _random_layer_at_work(rng: Random) -> tuple:
    seconds = [round(rng.uniform(1e-4, 3e-2), 6) for _ in range(rng.choice((3, 5, 6, 9)))]
    return rng.randint(10**5, 10**9), rng.choice((1, 2, 8, 16, 32)), seconds


@exercise(
    title="How many GFLOPS did it reach",
    goal=2,
    level=2,
    minutes=8,
    unit="GFLOPS",
    task="""A layer needs `macs` MACs for one image. It was called on a batch of `batch_size` images, several times;
`seconds` lists what each call took. Return how many GFLOPS it reached in a typical call: billions of floating-point
operations per second. Fill the gap.""",
    hints=(
        "A rate is work divided by time. How much work is one call?",
        "A MAC is one multiplication and one addition. The batch repeats them for every image.",
        "The gap is the work of one call, a product of three numbers. The given line divides it by the time.",
    ),
    imports="from statistics import median",
    stub='''def achieved_gflops(macs, batch_size, seconds):
    """Billions of floating-point operations per second."""
    flops = ...
    return flops / median(seconds) / 1e9''',
    cases=(
        (10**9, 1, [1.0, 1.0, 1.0]),
        (568_740_352, 16, [0.3, 0.2, 0.4, 0.25]),
        (3_612_672, 1, [0.0004, 0.01, 0.0003]),
    ),
    random_case=_random_layer_at_work,
    covers={
        "a batch": lambda macs, batch_size, seconds: batch_size > 1,
        "a single image": lambda macs, batch_size, seconds: batch_size == 1,
        "an even number of calls": lambda macs, batch_size, seconds: len(seconds) % 2 == 0,
    },
    alternative=lambda macs, batch_size, seconds: (
        batch_size / _middle_of_the_sorted(seconds, 0) * (macs + macs) * 10**-9
    ),
    mistakes=(
        Mistake(
            "GMAC per second",
            "You gave billions of MACs per second. Each MAC is two floating-point operations.",
            lambda macs, batch_size, seconds: macs * batch_size / median(seconds) / 1e9,
            misconception="1 MAC = 1 FLOP",
        ),
        Mistake(
            "MACs as they are",
            "You took `macs` as it is. It counts one image, not the batch, and each MAC is two operations.",
            lambda macs, batch_size, seconds: macs / median(seconds) / 1e9,
            misconception="1 MAC = 1 FLOP",
        ),
        Mistake(
            "GFLOPs, no speed",
            "You counted operations: GFLOPs with a small s, an amount of work. For a speed, divide them by the time.",
            lambda macs, batch_size, seconds: 2 * macs * batch_size / 1e9,
            misconception="FLOPs and FLOPS",
        ),
        Mistake(
            "one image of the batch",
            "Your rate is that of one image's work in the whole batch's time. The batch is more work: count all of it.",
            lambda macs, batch_size, seconds: 2 * macs / median(seconds) / 1e9,
        ),
        Mistake(
            "divided by the batch",
            "You divided by the batch. The time is that of the whole batch; more images are more work, not less.",
            lambda macs, batch_size, seconds: 2 * macs / batch_size / median(seconds) / 1e9,
        ),
        Mistake(
            "the work of all calls",
            "You counted the work of all calls. The median is the time of one, so count the work of one.",
            lambda macs, batch_size, seconds: 2 * macs * batch_size * len(seconds) / median(seconds) / 1e9,
        ),
        Mistake(
            "all calls together",
            "You divided the work of one call by the time of all calls.",
            lambda macs, batch_size, seconds: 2 * macs * batch_size / sum(seconds) / 1e9,
        ),
        Mistake(
            "the fastest call",
            "You divided by the fastest call. A bound asks what is possible; here the question is what is typical.",
            lambda macs, batch_size, seconds: 2 * macs * batch_size / min(seconds) / 1e9,
        ),
        Mistake(
            "the mean time",
            "Your rate is that of the mean time. One slow call then makes the layer look slow; the median does not "
            "move.",
            lambda macs, batch_size, seconds: 2 * macs * batch_size / fmean(seconds) / 1e9,
        ),
        Mistake(
            "the median of the rates",
            "You took the median of the rates. Of an even number of calls it is not the rate at the median time, which "
            "the given line asks for.",
            lambda macs, batch_size, seconds: median(2 * macs * batch_size / each / 1e9 for each in seconds),
        ),
        Mistake(
            "the lower median of the rates",
            "You took one of the rates. Of an even number of calls, the given line takes the median of the times: the "
            "mean of the two in the middle.",
            lambda macs, batch_size, seconds: sorted(2 * macs * batch_size / each / 1e9 for each in seconds)[
                (len(seconds) - 1) // 2
            ],
        ),
        Mistake(
            "the mean of the rates",
            "You took the mean of the rates. One call that was lucky pulls it up; the given line asks for the rate at "
            "the median time.",
            lambda macs, batch_size, seconds: fmean(2 * macs * batch_size / each / 1e9 for each in seconds),
        ),
        Mistake(
            "the call in the middle of the list",
            "You divided by what stands in the middle of the list. The median is in the middle by size.",
            lambda macs, batch_size, seconds: 2 * macs * batch_size / seconds[len(seconds) // 2] / 1e9,
        ),
        Mistake(
            "multiplied by the time",
            "You multiplied by the time. A rate is work divided by time.",
            lambda macs, batch_size, seconds: 2 * macs * batch_size * median(seconds) / 1e9,
        ),
        Mistake(
            "billions of two",
            "You divided by 2³⁰. Billions of operations are counted in tens: 10⁹.",
            lambda macs, batch_size, seconds: 2 * macs * batch_size / median(seconds) / 2**30,
        ),
        Mistake(
            "operations, not billions",
            "You gave operations per second. Giga means billions of them: divide by 10⁹.",
            lambda macs, batch_size, seconds: 2 * macs * batch_size / median(seconds),
        ),
    ),
    reasoning="""Work of one call: 2 operations per MAC, `macs` of them per image, `batch_size` images. Time of one
call: the median. The batch changes the time and the work, and so it stands in both.""",
)
def achieved_gflops(macs, batch_size, seconds):
    """Billions of floating-point operations per second."""
    flops = 2 * macs * batch_size
    return flops / median(seconds) / 1e9


def _random_convolution(rng: Random) -> tuple:
    if rng.random() < 0.5:
        in_channels = out_channels = groups = rng.choice((16, 32, 64, 512, 1024))
    else:
        in_channels, out_channels, groups = rng.choice((16, 32, 64)), rng.choice((24, 64, 128)), 1
    sizes = rng.choice((1, 3, 5)), rng.choice((1, 7, 14, 56))
    return in_channels, out_channels, *sizes, groups, rng.choice((1, 4, 16)), rng.choice((1, 2, 4))


def _moved(M, N, K, size, groups, batch):
    weights = K * K * M * N // groups
    return batch * weights * size**2, batch * M * size**2, batch * N * size**2, weights


def _from_the_calculator(M, N, K, size, groups, batch, bytes_each):
    cost = conv2d_cost(M, N, K, size, padding=K // 2, groups=groups)
    elements = batch * (cost.input_elements + cost.output_elements) + cost.params
    return Fraction(batch * cost.macs, elements * bytes_each)


def _with_weights(weigh):
    def wrong(M, N, K, size, groups, batch, bytes_each):
        weights, pixels = weigh(M, N, K, groups), batch * size**2
        return Fraction(weights * pixels, bytes_each * ((M + N) * pixels + weights))

    return wrong


def _wrong_intensity(count):
    def wrong(M, N, K, size, groups, batch, bytes_each):
        macs, read, written, weights = _moved(M, N, K, size, groups, batch)
        return count(macs, read, written, weights, bytes_each, batch)

    return wrong


@exercise(
    title="MACs for each byte",
    goal=3,
    level=3,
    minutes=12,
    unit="MACs per byte",
    task="""Return the arithmetic intensity of a convolution with stride 1 whose output map is as large as its input
map, `map_size` × `map_size`, as an exact `Fraction`. The batch has `batch_size` images; every number takes
`number_bytes` bytes. Input maps and output maps move between memory and processor once for each image, the weights
once for the whole batch. There is no bias. `groups` is as in `nn.Conv2d`.""",
    hints=(
        "Count the MACs of the batch, and the numbers of three things that move.",
        "Weights: K² · M · N / groups. MACs: weights · pixels · images. Maps: (M + N) · pixels · images.",
        "Begin with `weights = kernel_size**2 * in_channels * out_channels // groups`.",
    ),
    imports="from fractions import Fraction",
    cases=(
        (512, 512, 3, 14, 512, 1, 4),
        (512, 512, 1, 14, 1, 1, 4),
        (32, 32, 3, 112, 32, 16, 1),
        (8, 8, 1, 1, 1, 1, 4),
    ),
    random_case=_random_convolution,
    covers={
        "a depthwise layer": lambda M, N, K, size, groups, batch, each: groups > 1,
        "a layer that combines": lambda M, N, K, size, groups, batch, each: groups == 1 and M != N,
        "a batch": lambda M, N, K, size, groups, batch, each: batch > 1,
        "small numbers": lambda M, N, K, size, groups, batch, each: each < 4,
    },
    alternative=_from_the_calculator,
    mistakes=(
        Mistake(
            "groups forgotten",
            "Your answer is that of a layer without groups. Each filter sees only the channels of its own group: "
            "divide the weights by them, and nothing else.",
            _with_weights(lambda M, N, K, groups: K * K * M * N),
        ),
        Mistake(
            "groups twice",
            "You divided by the groups twice. Each group has M/groups inputs and N/groups outputs, but there are "
            "several groups.",
            _with_weights(lambda M, N, K, groups: K * K * (M // groups) * (N // groups)),
        ),
        Mistake(
            "MACs without the groups",
            "You divided the weights by the groups, but not the MACs. Each weight meets each pixel once, so fewer "
            "weights are fewer MACs.",
            lambda M, N, K, size, groups, batch, each: (
                groups * _from_the_calculator(M, N, K, size, groups, batch, each)
            ),
        ),
        Mistake(
            "a map without padding",
            "Your output map is smaller than the input map. The task says that both have `map_size` rows and columns.",
            lambda M, N, K, size, groups, batch, each: Fraction(
                K * K * M * N // groups * (size - K + 1) ** 2 * batch,
                each * (batch * (M * size**2 + N * (size - K + 1) ** 2) + K * K * M * N // groups),
            ),
        ),
        Mistake(
            "kernel not squared",
            "You counted K weights per filter and channel. A kernel has K rows and K columns.",
            _with_weights(lambda M, N, K, groups: K * M * N // groups),
        ),
        Mistake(
            "MACs of one image",
            "You counted the MACs of one image and the maps of all. Each image of the batch brings its own MACs.",
            _wrong_intensity(
                lambda macs, read, written, weights, each, batch: Fraction(
                    macs // batch, each * (read + written + weights)
                )
            ),
        ),
        Mistake(
            "fetched for each MAC",
            "You fetched an input number anew for each MAC. Several MACs use it, but it crosses the bus once.",
            _wrong_intensity(
                lambda macs, read, written, weights, each, batch: Fraction(macs, each * (macs + written + weights))
            ),
        ),
        Mistake(
            "no weights",
            "You left the weights out. On small maps with many channels they are most of what moves.",
            _wrong_intensity(lambda macs, read, written, weights, each, batch: Fraction(macs, each * (read + written))),
        ),
        Mistake(
            "weights for each image",
            "Your answer is the same for every batch, as if the weights moved anew for each image. They move once for "
            "it: that is what a batch is good for.",
            _wrong_intensity(
                lambda macs, read, written, weights, each, batch: Fraction(
                    macs, each * (read + written + batch * weights)
                )
            ),
        ),
        Mistake(
            "no output",
            "You left out the map that the layer writes. Writing needs the bus as well.",
            _wrong_intensity(lambda macs, read, written, weights, each, batch: Fraction(macs, each * (read + weights))),
        ),
        Mistake(
            "no input",
            "You left out the map that the layer reads. It has to arrive before anything is computed.",
            _wrong_intensity(
                lambda macs, read, written, weights, each, batch: Fraction(macs, each * (written + weights))
            ),
        ),
        Mistake(
            "a Fraction of a quotient",
            "You divided first, and made a `Fraction` of the quotient. It is rounded then: `Fraction(a, b)`, with "
            "whole a and b, is exact.",
            _wrong_intensity(
                lambda macs, read, written, weights, each, batch: Fraction(macs / (each * (read + written + weights)))
            ),
        ),
        Mistake(
            "always four bytes",
            "You took 4 bytes per number. That is float32; here `number_bytes` says it.",
            _wrong_intensity(
                lambda macs, read, written, weights, each, batch: Fraction(macs, 4 * (read + written + weights))
            ),
        ),
        Mistake(
            "MACs for each number",
            "You divided by how many numbers move, not by how many bytes.",
            _wrong_intensity(
                lambda macs, read, written, weights, each, batch: Fraction(macs, read + written + weights)
            ),
        ),
        Mistake(
            "bytes for each MAC",
            "You turned the fraction over: these are bytes for each MAC.",
            _wrong_intensity(
                lambda macs, read, written, weights, each, batch: Fraction(each * (read + written + weights), macs)
            ),
        ),
        Mistake(
            "FLOPs for each byte",
            "You counted two operations per MAC. That is the intensity in FLOPs per byte; the exercise asks for MACs.",
            _wrong_intensity(
                lambda macs, read, written, weights, each, batch: Fraction(2 * macs, each * (read + written + weights))
            ),
            misconception="1 MAC = 1 FLOP",
        ),
    ),
    reasoning="""The MACs and both maps grow with the batch, the weights do not. So a large batch leaves
K² · M · N / groups over (M + N), divided by the bytes of a number: for a depthwise 3×3 layer in float32, 9/8.""",
)
def macs_per_byte(
    in_channels,
    out_channels,
    kernel_size,
    map_size,
    groups,
    batch_size,
    number_bytes,
):
    """Arithmetic intensity of a convolution, as a Fraction."""
    weights = kernel_size**2 * in_channels * out_channels // groups
    pixels = batch_size * map_size**2
    numbers = (in_channels + out_channels) * pixels + weights
    return Fraction(weights * pixels, number_bytes * numbers)


def _random_work(rng: Random) -> tuple:
    macs, peak = rng.randint(10**6, 10**9), rng.randint(5, 200) * 10**9
    if rng.random() < 0.2:
        return macs, macs, peak, peak
    return macs, round(macs / rng.choice((0.25, 0.45, 1.1, 5, 20, 60))), peak, rng.randint(4, 100) * 10**9


@exercise(
    title="What no machine can beat",
    goal=3,
    level=3,
    minutes=10,
    task="""A layer needs `macs` MACs and moves `bytes_moved` bytes. The machine manages at most `peak` MACs per second,
and its memory at most `bandwidth` bytes per second. Arithmetic and memory can work at the same time. Return a tuple:
the least number of seconds that the layer can take, and what sets it, `"arithmetic"` or `"memory"` (`"arithmetic"` if
both take equally long). You need no function of the book. Compare times, not rates.""",
    hints=(
        "How long does the arithmetic take if memory is free? How long does memory take if arithmetic is free?",
        "Two things that happen at the same time are done when the slower one is done.",
        "Begin with `calculating = macs / peak`.",
    ),
    cases=(
        (3_612_672, 3_211_264, 50 * 10**9, 20 * 10**9),
        (51_380_224, 1_851_392, 50 * 10**9, 20 * 10**9),
        (100, 100, 10, 10),
    ),
    random_case=_random_work,
    covers={
        "memory sets it": lambda macs, moved, peak, bandwidth: moved / bandwidth > macs / peak,
        "arithmetic sets it": lambda macs, moved, peak, bandwidth: moved / bandwidth < macs / peak,
        "both need equally long": lambda macs, moved, peak, bandwidth: moved / bandwidth == macs / peak,
    },
    alternative=lambda macs, moved, peak, bandwidth: (
        macs / min(peak, macs / moved * bandwidth),
        "arithmetic" if macs * bandwidth >= peak * moved else "memory",
    ),
    mistakes=(
        Mistake(
            "one after the other",
            "You added the two times. They run at the same time, so the sum is no lower bound.",
            lambda macs, moved, peak, bandwidth: (
                macs / peak + moved / bandwidth,
                "memory" if moved / bandwidth > macs / peak else "arithmetic",
            ),
        ),
        Mistake(
            "the faster one",
            "You took the smaller of the two times. The layer is done when the slower of the two is done.",
            lambda macs, moved, peak, bandwidth: (
                min(macs / peak, moved / bandwidth),
                "memory" if moved / bandwidth < macs / peak else "arithmetic",
            ),
        ),
        Mistake(
            "arithmetic alone",
            "You divided the MACs by the peak. That is chapter 2's bound; it forgets that the numbers must arrive.",
            lambda macs, moved, peak, bandwidth: (macs / peak, "arithmetic"),
        ),
        Mistake(
            "memory alone",
            "You let memory set the time of every layer. A layer with many MACs for each byte waits for arithmetic.",
            lambda macs, moved, peak, bandwidth: (moved / bandwidth, "memory"),
        ),
        Mistake(
            "names exchanged",
            "The seconds are right, the names are exchanged: the one that takes longer sets the time.",
            lambda macs, moved, peak, bandwidth: (
                max(macs / peak, moved / bandwidth),
                "arithmetic" if moved / bandwidth > macs / peak else "memory",
            ),
        ),
        Mistake(
            "the larger number",
            "The seconds are right. The name goes by which of `macs` and `bytes_moved` is larger; it should go by "
            "which takes longer.",
            lambda macs, moved, peak, bandwidth: (
                max(macs / peak, moved / bandwidth),
                "memory" if moved > macs else "arithmetic",
            ),
        ),
        Mistake(
            "half of both",
            "You took the mean of the two times. The layer is done when the slower of the two is done.",
            lambda macs, moved, peak, bandwidth: (
                (macs / peak + moved / bandwidth) / 2,
                "memory" if moved / bandwidth > macs / peak else "arithmetic",
            ),
        ),
        Mistake(
            "a rate",
            "The names are right, but you returned a rate, MACs per second. Divide `macs` by it, and you have seconds.",
            lambda macs, moved, peak, bandwidth: (
                min(peak, bandwidth * macs / moved),
                "memory" if macs / moved < peak / bandwidth else "arithmetic",
            ),
        ),
        Mistake(
            "upside down",
            "You divided the speeds by the work. A time is the work divided by the speed.",
            lambda macs, moved, peak, bandwidth: (
                max(peak / macs, bandwidth / moved),
                "memory" if bandwidth / moved > peak / macs else "arithmetic",
            ),
        ),
        Mistake(
            "whole seconds",
            "You cut the seconds off (`//`). A layer takes a small part of one: divide with `/`.",
            lambda macs, moved, peak, bandwidth: (
                max(macs // peak, moved // bandwidth),
                "memory" if moved // bandwidth > macs // peak else "arithmetic",
            ),
        ),
        Mistake(
            "the tie",
            'Only the name at a tie is wrong: where both need equally long, the task asks for "arithmetic".',
            lambda macs, moved, peak, bandwidth: (
                max(macs / peak, moved / bandwidth),
                "memory" if moved / bandwidth >= macs / peak else "arithmetic",
            ),
        ),
        Mistake(
            "numbers in place of times",
            "You compared the number of MACs with the number of bytes. Compare how long each of them takes.",
            lambda macs, moved, peak, bandwidth: (
                (macs / peak, "arithmetic") if macs >= moved else (moved / bandwidth, "memory")
            ),
        ),
        Mistake(
            "speeds in place of times",
            "The seconds are right, but your word says which of the two speeds is lower. Compare the times.",
            lambda macs, moved, peak, bandwidth: (
                max(macs / peak, moved / bandwidth),
                "memory" if bandwidth < peak else "arithmetic",
            ),
        ),
        Mistake(
            "FLOPs over MACs per second",
            "You doubled the MACs, but the peak is in MACs per second too. Keep one unit on both sides.",
            lambda macs, moved, peak, bandwidth: (
                max(2 * macs / peak, moved / bandwidth),
                "memory" if moved / bandwidth > 2 * macs / peak else "arithmetic",
            ),
            misconception="1 MAC = 1 FLOP",
        ),
    ),
    reasoning="""This is the roofline, read as a time. Divide `macs` by it and you get the rate: the smaller of `peak`
and intensity · `bandwidth`. It is a bound. A real layer may take longer for reasons that the
bound does not contain.""",
)
def least_seconds(macs, bytes_moved, peak, bandwidth):
    """(seconds, "arithmetic" or "memory"): a bound that holds for any code."""
    calculating = macs / peak
    moving = bytes_moved / bandwidth
    if moving > calculating:
        return moving, "memory"
    return calculating, "arithmetic"


KINDS = ("standard", "depthwise", "pointwise", "classifier", "batch norm and ReLU")


def _random_offers(rng: Random) -> tuple:
    milliseconds = {kind: round(rng.uniform(0.3, 4.0), 2) for kind in KINDS}
    milliseconds["pointwise"] = round(rng.uniform(3.0, 14.0), 2)
    macs = dict(zip(KINDS, (10_838_016, 17_560_960 + rng.randint(0, 10**6), 539_000_000, 1_024_000, 0), strict=True))
    offers = {kind: rng.randint(11, 60) / 10 for kind in rng.sample(KINDS, 3)}
    return milliseconds, macs, offers


def _faster(milliseconds, kind, factor):
    total = sum(milliseconds.values())
    return total / (total - milliseconds[kind] * (1 - 1 / factor))


def _sorted_by_milliseconds_saved(milliseconds, macs, offers):
    saved = sorted((milliseconds[kind] - milliseconds[kind] / factor, kind) for kind, factor in offers.items())
    most, kind = saved[-1]
    return kind, 1 / (1 - most / sum(milliseconds.values()))


def _choosing(key, result=lambda milliseconds, macs, offers, kind: _faster(milliseconds, kind, offers[kind])):
    def wrong(milliseconds, macs, offers):
        kind = max(offers, key=lambda kind: key(milliseconds, macs, offers, kind))
        return kind, result(milliseconds, macs, offers, kind)

    return wrong


def _by_saving(milliseconds, macs, offers, kind):
    return _faster(milliseconds, kind, offers[kind])


def _mac_saving(milliseconds, macs, offers, kind):
    return macs[kind] * (1 - 1 / offers[kind])


@exercise(
    title="A client asks: which library to buy?",
    goal=5,
    level=4,
    minutes=15,
    task="""A client can buy one of several libraries. Each speeds up one kind of layer and leaves the rest alone.
`milliseconds` says for each kind how long it takes in the client's network today; `macs` says how many MACs it has;
`offers` says for some kinds how many times faster that kind would become. Return a tuple: the kind whose library makes
the *whole network* fastest, and how many times faster the whole network becomes. No two offers tie.""",
    hints=(
        "A library takes something away from one entry of `milliseconds`. What is the new total?",
        "With factor f, a kind's time t becomes t / f. Speed-up of the whole: old total over new total.",
        "Begin with `total = sum(milliseconds.values())`.",
    ),
    cases=(
        (
            {"standard": 0.5, "depthwise": 4.0, "pointwise": 13.0, "classifier": 0.5, "batch norm and ReLU": 2.0},
            {
                "standard": 10_838_016,
                "depthwise": 17_611_776,
                "pointwise": 539_266_560,
                "classifier": 1_024_000,
                "batch norm and ReLU": 0,
            },
            {"depthwise": 5.0, "pointwise": 1.2},
        ),
    ),
    random_case=_random_offers,
    covers={
        "the best offer is not the largest factor": lambda ms, macs, offers: (
            max(offers, key=offers.get) != max(offers, key=lambda kind: _faster(ms, kind, offers[kind]))
        ),
        "a kind without MACs is the best offer": lambda ms, macs, offers: (
            macs[max(offers, key=lambda kind: _faster(ms, kind, offers[kind]))] == 0
        ),
        "the depthwise offer is not the best": lambda ms, macs, offers: (
            "depthwise" in offers and max(offers, key=lambda kind: _faster(ms, kind, offers[kind])) != "depthwise"
        ),
    },
    alternative=_sorted_by_milliseconds_saved,
    mistakes=(
        Mistake(
            "the largest factor",
            "You took the largest factor. A large factor on a small part saves little: what counts is the time that "
            "disappears.",
            _choosing(lambda ms, macs, offers, kind: offers[kind]),
        ),
        Mistake(
            "the share times the factor",
            "You multiplied a kind's share of the time by its factor. What disappears is 1 − 1/f of the kind's time.",
            _choosing(
                lambda ms, macs, offers, kind: ms[kind] * offers[kind],
                lambda ms, macs, offers, kind: ms[kind] / sum(ms.values()) * offers[kind],
            ),
        ),
        Mistake(
            "the longest part",
            "You took the kind that takes longest. How much of its time the library takes away counts as well.",
            _choosing(lambda ms, macs, offers, kind: ms[kind]),
        ),
        Mistake(
            "shares of MACs",
            "You chose by MACs. They are not time: a kind with few MACs, or none, may take long.",
            _choosing(_mac_saving),
        ),
        Mistake(
            "depthwise first",
            "You take the depthwise library whenever there is one. Depthwise layers are slow for their MACs, but the "
            "others still take more of the time, as a rule.",
            _choosing(lambda ms, macs, offers, kind: (kind == "depthwise", _faster(ms, kind, offers[kind]))),
            misconception="depthwise dominates the cost",
        ),
        Mistake(
            "the factor of the part",
            "The kind is right, but you returned how much faster that kind becomes. The rest of the network takes as "
            "long as before.",
            _choosing(_by_saving, lambda ms, macs, offers, kind: float(offers[kind])),
        ),
        Mistake(
            "as if it were free",
            "The kind is right, but you took all of its time away. A part that is f times faster still takes 1/f of "
            "its time.",
            _choosing(_by_saving, lambda ms, macs, offers, kind: sum(ms.values()) / (sum(ms.values()) - ms[kind])),
        ),
        Mistake(
            "chosen as if it were free",
            "You took all of the kind's time away. A part that is f times faster still takes 1/f of its time.",
            _choosing(
                lambda ms, macs, offers, kind: ms[kind],
                lambda ms, macs, offers, kind: sum(ms.values()) / (sum(ms.values()) - ms[kind]),
            ),
        ),
        Mistake(
            "took away what is left",
            "You took t / f away. That is what the kind still takes; what disappears is t − t / f.",
            _choosing(
                lambda ms, macs, offers, kind: ms[kind] / offers[kind],
                lambda ms, macs, offers, kind: sum(ms.values()) / (sum(ms.values()) - ms[kind] / offers[kind]),
            ),
        ),
        Mistake(
            "the new time on top",
            "You added the kind's new time and left the old one in. Take that off first.",
            _choosing(
                lambda ms, macs, offers, kind: -ms[kind] / offers[kind],
                lambda ms, macs, offers, kind: sum(ms.values()) / (sum(ms.values()) + ms[kind] / offers[kind]),
            ),
        ),
        Mistake(
            "the factor as per cent",
            "You took the factor for the per cent that are saved. A kind that is f times faster takes 1/f of its time.",
            _choosing(
                lambda ms, macs, offers, kind: ms[kind] * offers[kind],
                lambda ms, macs, offers, kind: sum(ms.values()) / (sum(ms.values()) - ms[kind] * offers[kind] / 100),
            ),
        ),
        Mistake(
            "the kind alone",
            "Your new time is that of the one kind. The rest of the network takes as long as before, and belongs to "
            "it.",
            _choosing(
                lambda ms, macs, offers, kind: -ms[kind] / offers[kind],
                lambda ms, macs, offers, kind: sum(ms.values()) / (ms[kind] / offers[kind]),
            ),
        ),
        Mistake(
            "a mean of factors",
            "You took the mean of the factors, each kind weighed by its time. Times add up, factors do not: compute "
            "the new total first.",
            _choosing(
                lambda ms, macs, offers, kind: ms[kind] * (offers[kind] - 1),
                lambda ms, macs, offers, kind: 1 + ms[kind] * (offers[kind] - 1) / sum(ms.values()),
            ),
        ),
        Mistake(
            "per cent saved",
            "The kind is right, but you returned how many per cent of the time it saves. How many times faster: that "
            "is the old total over the new one.",
            _choosing(_by_saving, lambda ms, macs, offers, kind: 100 * (1 - 1 / _faster(ms, kind, offers[kind]))),
        ),
        Mistake(
            "all libraries at once",
            "The kind is right, but your new total has all the libraries. The client buys one.",
            _choosing(
                _by_saving,
                lambda ms, macs, offers, kind: (
                    sum(ms.values()) / sum(time / offers.get(each, 1) for each, time in ms.items())
                ),
            ),
        ),
        Mistake(
            "the first offer",
            "You took the first offer. Compute the network's new time for each, and take the shortest.",
            lambda ms, macs, offers: (next(iter(offers)), _faster(ms, next(iter(offers)), offers[next(iter(offers))])),
        ),
        Mistake(
            "kinds without an offer",
            "The kind is right, but your totals hold only the kinds with an offer. The others take time, too.",
            _choosing(
                _by_saving,
                lambda ms, macs, offers, kind: _faster({each: ms[each] for each in offers}, kind, offers[kind]),
            ),
        ),
        Mistake(
            "milliseconds saved",
            "The kind is right, but you returned the milliseconds that it saves. How many times faster: that is the "
            "old total over the new one.",
            _choosing(_by_saving, lambda ms, macs, offers, kind: ms[kind] - ms[kind] / offers[kind]),
        ),
        Mistake(
            "new over old",
            "The kind is right, but you turned the fraction over: the old time over the new one says how many times "
            "faster.",
            _choosing(_by_saving, lambda ms, macs, offers, kind: 1 / _faster(ms, kind, offers[kind])),
        ),
        Mistake(
            "the new total",
            "The kind is right, but you returned the new total. How many times faster: that is the old total "
            "over the new one.",
            _choosing(
                _by_saving,
                lambda milliseconds, macs, offers, kind: (
                    sum(milliseconds.values()) / _faster(milliseconds, kind, offers[kind])
                ),
            ),
        ),
    ),
    reasoning="""Amdahl's law in one line: only the time that disappears counts. If a kind has the share s of the time
and becomes f times faster, the whole becomes 1 / (1 − s + s/f) times faster, and never more than 1 / (1 − s).""",
)
def best_offer(milliseconds, macs, offers):
    """(kind, how many times faster the whole network becomes)."""
    total = sum(milliseconds.values())
    faster = {}
    for kind, factor in offers.items():
        saved = milliseconds[kind] - milliseconds[kind] / factor
        faster[kind] = total / (total - saved)
    best = max(faster, key=faster.get)
    return best, faster[best]


ESSAYS = (
    Essay(
        title="Memory bound, and that is all",
        goal=4,
        minutes=15,
        task="""A colleague says: "Depthwise layers are slow because they are memory bound. Nothing can be done about
it." Write about eight sentences. Which part of that follows from arithmetic intensity and the roofline? Which
observations of this chapter does it not explain? Name one measurement, not in this chapter, that would tell two of your
explanations apart.""",
        good_answer="""- *What follows.* At 9/8 or 9/20 MACs for each byte, a depthwise layer lies left of the point
  where the two limits meet, on any machine whose peak, divided by its bandwidth, is larger than that. So memory, and
  not arithmetic, sets its *bound*.
- *What does not follow:* that it reaches the bound. The measured layers stay below it. The same layer with the same
  bytes takes another time in another layout. Keeping memory changes the time although the bytes are the same: in a
  batch, page faults disappear with it; one image has none in either case, and the chapter cannot explain why its time
  changes. And the empty call, one weight on one pixel, takes time although it moves next to nothing. So layout, fresh
  pages (in a batch) and the cost of a call are separate causes, and something can be done about each.
- *A measurement that separates:* the same depthwise layer on larger and larger maps (a fixed cost for each call fades,
  a bandwidth does not); or the page faults of a single layer; or a copy of as many bytes as the layer moves, from the
  same place.""",
    ),
    Essay(
        title="A benchmark to believe",
        goal=1,
        minutes=15,
        task="""A web page says: "We timed both networks on a laptop. The dense one took 61.3 ms, MobileNet 22.8 ms.
MobileNet is 2.7 times faster." List what you would have to know before you believe it. Then write the instructions for
a measurement of your own, so exact that a stranger could repeat it, and say how you would report the result.""",
        good_answer="""Missing: processor, library and version, number of threads, batch and image size, layout,
evaluation mode and gradients on or off, how many calls, warm-up, which statistic, spread, which network ran first, what
else the laptop did, mains or battery. Instructions name each of these; they warm up, repeat, let the networks take
turns within a round, in new processes too, and keep every single time. The report gives the median and the quartiles
of each network, their ratio, and names the machine. It says "on this machine", and draws no conclusion from a
difference that is smaller than the spread.""",
    ),
)
