"""Each misconception, written down as a learner would write it, is met by the exercise that names it."""

import pytest

from mobilenet_edu import exercises
from mobilenet_edu.exercises import MISCONCEPTIONS, exercises_of

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
def filters_a_channel(kernel):
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
    for misconception, number in OWNERS.items():
        if number in CHAPTERS:
            assert misconception in hunted_in(CHAPTERS[number]), f"{misconception!r} belongs to chapter {number}"
            assert misconception in BELIEVED


def hunted_in(chapter):
    return {mistake.misconception for exercise in exercises_of(chapter) for mistake in exercise.mistakes}


def every_exercise():
    return [exercise for chapter in CHAPTERS.values() for exercise in exercises_of(chapter)]
