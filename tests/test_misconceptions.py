"""Wrong and right answers as learners write them: each misconception is met by the exercise that names it, each slip is
told what it is and nothing else, and a right answer in an unusual form is right.
"""

import functools
import itertools
import math
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mobilenet_edu import exercises
from mobilenet_edu.architecture import mobilenet_v1
from mobilenet_edu.exercises import MISCONCEPTIONS, exercises_of
from mobilenet_edu.paper import released

CHAPTERS = exercises.chapters()

# The chapter that owns a misconception: where the reader meets it first.
OWNERS = {
    "nn.Conv2d flips its kernel": 1,
    "1 MAC = 1 FLOP": 2,
    "FLOPs and FLOPS": 2,
    "cost from the input's size although the stride is 2": 2,
    "parameters are proportional to compute": 2,
    "batch size changes the model's MACs": 2,
    "depthwise means separable": 3,
    "any kernel can be factorised": 3,
    "8–9× is universal": 4,
    "the bias before batch norm matters": 5,
    "depthwise dominates the cost": 6,
    "fewer MACs, less memory": 6,
    "cost falls with exactly α²": 7,
    "one timing is a measurement": 9,
}

# What someone writes who believes it.
BELIEVED = {
    "nn.Conv2d flips its kernel": """
def correlate_lists(image, kernel, stride):
    turned = [list(reversed(row)) for row in reversed(kernel)]
    K = len(kernel)
    rows = range(0, len(image) - K + 1, stride)
    columns = range(0, len(image[0]) - K + 1, stride)
    places = range(K)
    return [
        [sum(image[y + i][x + j] * turned[i][j] for i in places for j in places) for x in columns] for y in rows
    ]
""",
    "1 MAC = 1 FLOP": """
def least_milliseconds(macs, gflops):
    return macs / (gflops * 1e9) * 1000
""",
    "FLOPs and FLOPS": """
def least_milliseconds(macs, gflops):
    flops = gflops * 10**9
    flops_per_second = gflops * 10**9
    return 1000 * flops / flops_per_second
""",
    "cost from the input's size although the stride is 2": """
def conv2d_macs(in_channels, out_channels, kernel_size, input_size, stride, padding, groups):
    (kernel_height, kernel_width), (height, width) = kernel_size, input_size
    return kernel_height * kernel_width * in_channels * out_channels * height * width // groups
""",
    "parameters are proportional to compute": """
def heaviest_and_busiest(layers):
    params = [layer[0] * layer[1] * layer[2] ** 2 for layer in layers]
    largest = params.index(max(params))
    return largest, largest
""",
    "batch size changes the model's MACs": """
def data_sheet(weight_shape, output_shape, bias):
    N, M, K_h, K_w = weight_shape
    batch, _, height, width = output_shape
    params = N * M * K_h * K_w
    macs = batch * params * height * width
    if bias:
        params += N
    return params, macs
""",
    "depthwise means separable": """
from torch import nn

def separable_layer(in_channels, out_channels, kernel_size, stride, multiplier):
    return nn.Conv2d(
        in_channels, in_channels * multiplier, kernel_size, stride, kernel_size // 2, groups=in_channels, bias=False
    )
""",
    "any kernel can be factorised": """
def filters_per_channel(kernel):
    return 1
""",
    "8–9× is universal": """
from fractions import Fraction

def network_saving(layers):
    return Fraction(9)
""",
    "the bias before batch norm matters": """
def bias_left(bias, batches, momentum):
    return bias
""",
    "depthwise dominates the cost": """
from mobilenet_edu.architecture import mobilenet_v1

def kinds_by_macs(width_multiplier, resolution):
    costs = mobilenet_v1(width_multiplier, resolution).cost_by_kind()
    others = [kind for kind in costs if kind not in ("pooling", "depthwise")]
    return ["depthwise", *sorted(others, key=lambda kind: -costs[kind].macs)]
""",
    "fewer MACs, less memory": """
def largest_batch(memory, networks):
    name, macs, parameters, kept = min(networks, key=lambda network: network[1])
    return name, max(0, (memory - 12 * parameters) // (4 * kept))
""",
    "one timing is a measurement": """
def typical_time(seconds, warm_up):
    return seconds[warm_up]
""",
    "cost falls with exactly α²": """
def thinned_layer_macs(in_channels, out_channels, map_size, width_multiplier):
    full = 9 * in_channels * map_size**2 + in_channels * out_channels * map_size**2
    return int(width_multiplier**2 * full)
""",
}


@pytest.mark.parametrize("misconception", BELIEVED)
def test_who_believes_it_is_told_so(misconception):
    namespace = {}
    exec(BELIEVED[misconception], namespace)
    exercise = next(each for each in every_exercise() if each.name in namespace)
    verdict = exercise.verdict(namespace[exercise.name])
    assert verdict.outcome == "wrong"
    mistake = next(mistake for mistake in exercise.mistakes if mistake.name == verdict.mistake)
    assert mistake.misconception == misconception
    assert mistake.sentence.split() == verdict.text.split()[2 : 2 + len(mistake.sentence.split())]


def test_each_misconception_is_met_in_the_chapter_that_owns_it():
    assert set(OWNERS) == set(MISCONCEPTIONS)
    assert set(BELIEVED) == set(MISCONCEPTIONS)
    for misconception, number in OWNERS.items():
        assert misconception in hunted_in(CHAPTERS[number]), f"{misconception!r} belongs to chapter {number}"


def hunted_in(chapter):
    return {mistake.misconception for exercise in exercises_of(chapter) for mistake in exercise.mistakes}


def every_exercise():
    return [exercise for chapter in CHAPTERS.values() for exercise in exercises_of(chapter)]


def named(name):
    return next(exercise for exercise in every_exercise() if exercise.name == name)


def side(size, kernel, stride, padding):
    return (size + 2 * padding - kernel) // stride + 1


def shrunk(size, kernel, stride, padding):
    return (size + padding - kernel) // stride + 1


def last_largest(values):
    return max(range(len(values)), key=lambda place: (values[place], place))


def by_stage(step):
    """6.2 with the step from one side to the next as a learner fills it in."""

    def trace(rows, resolution):
        sides = []
        for stride in (2, *(stride for _, stride in rows)):
            resolution = step(resolution, stride)
            sides.append(resolution)
        return sides

    return trace


def running(step):
    """5.2 with the line that a learner fills in."""

    def bias_left(bias, batches, momentum):
        mean = 0.0
        for _ in range(batches):
            mean = step(mean, bias, momentum)
        return bias - mean

    return bias_left


def ranks(matrices):
    return torch.linalg.matrix_rank(matrices)


def share(name, macs):
    return 100 * macs[name] / sum(macs.values())


def first_within(*limits):
    """7.5, where the first that fits is taken for the best."""
    for network in released():
        outputs = [layer.cost.output_elements for layer in network.architecture.layers]
        needs = network.architecture.cost.macs, network.architecture.cost.params, max(outputs)
        if all(need <= limit for need, limit in zip(needs, limits, strict=True)):
            return network.width_multiplier, network.resolution
    return None


def fits(memory, width, count):
    """6.6, with ``count`` for what a layer needs."""
    for image_side in range(224, 0, -32):
        if max(count(layer.cost) for layer in mobilenet_v1(width, image_side).layers) <= memory:
            return image_side
    return 0


# The exercise, what is told, and what was written. None: no catalogue fits, and nothing may be blamed on the learner.
SLIPS = [
    ("output_side", "size divided by stride, rounded down", lambda size, K, S, P: size // S),
    ("output_side", "the first place inside of the division", lambda size, K, S, P: (size + 2 * P - K + 1) // S),
    (
        "layer_shapes",
        "padding on one side",
        lambda i, n, K, S, P: ((n, i[1], K, K), (i[0], n, *(shrunk(x, K, S, P) for x in i[2:]))),
    ),
    ("true_convolution", "turned the output", lambda images, weight: F.conv2d(images.flip(2, 3), weight.flip(2, 3))),
    ("true_convolution", "turned the images", lambda images, weight: F.conv2d(images, weight.flip(2, 3)).flip(2, 3)),
    ("receptive_field", "added the kernels", lambda layers: sum(kernel for kernel, _ in layers)),
    (
        "receptive_field",
        "from the wrong end",
        lambda layers: functools.reduce(lambda f, x: (f - 1) * x[1] + x[0], layers, 1),
    ),
    ("conv2d_params", "a bias for each weight", lambda M, N, K, bias: M * N * math.prod(K) * (1 + bias)),
    ("largest_picture", "input size", lambda M, N, K, S, budget: math.isqrt(budget // (K * K * M * N))),
    (
        "heaviest_and_busiest",
        "the later of two",
        lambda layers: (
            last_largest([M * N * K * K for M, N, K, _ in layers]),
            last_largest([M * N * K * K * size * size for M, N, K, size in layers]),
        ),
    ),
    (
        "filters_per_channel",
        "the least needy channel",
        lambda kernel: max(1, int(ranks(kernel.transpose(0, 1).flatten(2)).min())),
    ),
    (
        "filters_per_channel",
        "a row for each channel",
        lambda kernel: max(1, int(ranks(kernel.transpose(0, 1).flatten(1)))),
    ),
    ("filters_per_channel", "a filter for each output", lambda kernel: len(kernel)),
    ("filters_per_channel", None, lambda kernel: kernel.shape[1]),
    (
        "channels_needed",
        "one too many",
        lambda factor, taps: None if factor >= taps else factor * taps // (taps - factor) + 1,
    ),
    (
        "channels_needed",
        "a negative number of channels",
        lambda factor, taps: None if factor == taps else -(-(factor * taps) // (taps - factor)),
    ),
    (
        "network_saving",
        "split all but 1×1",
        lambda layers: Fraction(
            sum(M * N * K * K * side(x, K, S, K // 2) ** 2 for M, N, K, x, S in layers),
            sum((M * N if K == 1 else M * N + M * K * K) * side(x, K, S, K // 2) ** 2 for M, N, K, x, S in layers),
        ),
    ),
    ("bias_left", "it always matters", running(lambda mean, bias, momentum: (1 - momentum) * mean)),
    ("bias_left", "nothing of the old mean given up", running(lambda mean, bias, momentum: mean + momentum * bias)),
    ("trace", "no padding", by_stage(lambda side, stride: (side - 3) // stride + 1)),
    ("trace", "divided before subtracting", by_stage(lambda side, stride: side - 1 // stride + 1)),
    (
        "kinds_by_macs",
        "by the number of layers",
        lambda width, size: ["depthwise", "pointwise", "standard", "classifier"],
    ),
    (
        "misprints",
        "always two digits, as text",
        lambda printed, macs: [x for x in printed if printed[x] != f"{share(x, macs):.2f}"],
    ),
    ("misprints", "in another order", lambda printed, macs: sorted(named("misprints").reference(printed, macs))),
    (
        "misprints",
        "all of them",
        lambda printed, macs: [x for x in printed if printed[x] != f"{share(x, macs) / 100:.2f}"],
    ),
    ("largest_side", "outputs only", lambda memory, width: fits(memory, width, lambda cost: cost.input_elements)),
    (
        "thinned_layer_macs",
        "α² on everything",
        lambda M, N, size, alpha: int((9 * M + M * N) * alpha * alpha * size * size),
    ),
    ("thinned_layer_macs", "α² on everything", lambda M, N, size, alpha: int(alpha**2 * size**2 * M * (9 + N))),
    ("choose_network", "the first that fits", first_within),
]


@pytest.mark.parametrize(("name", "told", "answer"), SLIPS, ids=[f"{name}-{told}" for name, told, _ in SLIPS])
def test_a_slip_is_told_what_it_is_and_nothing_else(name, told, answer):
    verdict = named(name).verdict(answer)
    assert (verdict.outcome, verdict.mistake) == ("wrong", told), verdict.text


class FieldAsObject:
    """An answer that is an object."""

    def __call__(self, layers):
        return 1 + sum((kernel - 1) * step for (kernel, _), step in zip(layers, self.steps(layers), strict=False))

    @staticmethod
    def steps(layers):
        return itertools.accumulate((stride for _, stride in layers), lambda a, b: a * b, initial=1)


class PairOfWeights(nn.Module):
    """The pair of 3.4, with the weights as parameters and no layer at all."""

    def __init__(self, in_channels, out_channels, kernel_size, stride, multiplier):
        super().__init__()
        self.mix = nn.Parameter(torch.zeros(out_channels, in_channels * multiplier, 1, 1))
        self.filters = nn.Parameter(torch.zeros(in_channels * multiplier, 1, kernel_size, kernel_size))
        self.how = {"stride": stride, "padding": kernel_size // 2, "groups": in_channels}

    def forward(self, images):
        return F.conv2d(F.conv2d(images, self.filters, **self.how), self.mix)


def field_by_recursion(layers):
    if not layers:
        return 1
    (kernel, stride), *rest = layers
    return (field_by_recursion(rest) - 1) * stride + kernel


RIGHT = [
    ("output_side", functools.partial(lambda size, K, S, P, one: (size + 2 * P - K) // S + one, one=1)),
    ("output_side", lambda size, K, S, P: len(range(0, size + 2 * P - K + 1, S))),
    (
        "correlate_lists",
        lambda image, kernel, stride: F.conv2d(
            torch.tensor(image)[None, None], torch.tensor(kernel)[None, None], stride=stride
        )[0, 0].tolist(),
    ),
    (
        "true_convolution",
        lambda images, weight: F.conv_transpose2d(images, weight.transpose(0, 1), padding=weight.shape[-1] - 1),
    ),
    ("receptive_field", FieldAsObject()),
    ("receptive_field", field_by_recursion),
    ("least_milliseconds", lambda macs, gflops: macs / gflops / 500_000),
    (
        "conv2d_macs",
        lambda M, N, K, size, S, P, groups: (
            math.prod(K) * M * (N // groups) * math.prod(map(side, size, K, (S, S), (P, P)))
        ),
    ),
    ("dense_kernel", lambda filters, matrix: torch.einsum("nmj,mjkl->nmkl", matrix, filters)),
    (
        "filters_per_channel",
        lambda kernel: max(1, *(int(ranks(kernel[:, m].flatten(1))) for m in range(kernel.shape[1]))),
    ),
    ("separable_layer", PairOfWeights),
    ("channels_needed", lambda factor, taps: None if factor >= taps else math.ceil(factor * taps / (taps - factor))),
    ("largest_multiplier", lambda N, taps: math.ceil(Fraction(N * taps, N + taps)) - 1),
    ("bias_left", running(lambda mean, bias, momentum: mean + momentum * (bias - mean))),
    ("counterexample", lambda weights: (torch.tensor(weights), -torch.tensor(weights))),
    ("counterexample", lambda weights: ([-3 * w for w in weights], [w / 2 for w in weights])),
    ("trace", by_stage(lambda side, stride: -(-side // stride))),
    (
        "misprints",
        lambda printed, macs: [
            x for x in printed if round(share(x, macs), len(printed[x].partition(".")[2])) != float(printed[x])
        ],
    ),
    (
        "largest_side",
        lambda memory, width: fits(memory, width, lambda cost: cost.input_elements + cost.output_elements),
    ),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT, ids=[f"{i}-{name}" for i, (name, _) in enumerate(RIGHT)])
def test_a_right_answer_in_an_unusual_form_is_right(name, answer):
    verdict = named(name).verdict(answer)
    assert verdict.outcome == "correct", verdict.text


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda weights: (set(weights), set(weights)), "`.tolist()`"),
        (lambda weights: (1, -1), "each patch is a list"),
        (lambda weights: (weights, weights, weights), "this tuple holds 3"),
        (lambda weights: ([*weights, 1], [*weights, 1]), "as many numbers as the filter has: 1"),
        (lambda weights: ([math.nan] * len(weights), weights), "plain, finite numbers"),
        (lambda weights: ([10**400] * len(weights), weights), "plain, finite numbers"),
        (lambda weights: ([2] * len(weights), [3] * len(weights)), "Before ReLU the filter gives 2 and 3"),
    ],
)
def test_patches_that_are_none_and_patches_that_add_up_are_told_apart(answer, says):
    verdict = named("counterexample").verdict(answer)
    assert verdict.outcome == "wrong"
    assert says in " ".join(verdict.text.split())  # however the lines are broken
