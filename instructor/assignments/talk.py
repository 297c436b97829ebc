"""What a student says rather than types: a guess before the work, and six questions about it afterwards.

The numbers follow the seed, so with a hand-out of one's own they are one's own; the solutions compute the answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import log2
from random import Random

from instructor.assignments.block import block_cost, largest_kernel
from instructor.assignments.budget import affordable, largest_surprise, pareto, points_per_doubling
from instructor.assignments.costs import bottleneck_macs, conv_macs, count, peak_elements, training_macs
from instructor.problem import Assignment, Talk, draw, until
from mobilenet_edu.architecture import mobilenet_v1

MULTIPLIERS, RESOLUTIONS = [0.25, 0.5, 0.75, 1.0], [128, 160, 192, 224]
GUESSED = "What did you guess before you began, what comes out, and where does the difference come from?"


def with_talk(make: Callable[[str], Assignment], talk: Callable[[Random], Talk]) -> Callable[[str], Assignment]:
    """The assignment with its guess and its questions."""

    def made(seed: str) -> Assignment:
        assignment = make(seed)
        return replace(assignment, talk=talk(draw(seed, assignment.name, "talk")))

    return made


def costs(random: Random) -> Talk:
    kernel, channels = random.choice((5, 7)), random.randint(16, 64)
    size = kernel + 2 * random.randint(2, 4)
    plain, strided = (conv_macs(channels, channels, [kernel] * 2, [size] * 2, stride, 1) for stride in (1, 2))
    groups, inputs, outputs = random.choice((2, 4)), 4 * random.randint(2, 5), 4 * random.randint(6, 9)
    with_groups, without = (conv_macs(inputs, outputs, [3, 3], [9, 9], 1, each) for each in (groups, 1))
    reduced, odd = random.randint(8, 40), 2 * random.randint(5, 20) + 1
    early, late = (bottleneck_macs(4 * reduced, reduced, odd, 2, first) for first in (True, False))
    layers = [100 * random.randint(2, 9) for _ in range(4)]
    frozen = training_macs(layers, 2)
    maps = [10 * each for each in random.sample(range(10, 90), 5)]
    chain, shortcut = peak_elements(maps, []), peak_elements(maps, [[0, 4]])
    # Not as many weights and biases as pixels for each output: then no number would tell one from the other
    layer = until(
        lambda: [8 * random.randint(1, 6), random.choice((32, 40, 56, 64)), 3, random.randint(7, 28), True],
        lambda layer: 9 * layer[0] + 1 != layer[3] ** 2,
    )
    counts = count(layer, 1)
    return Talk(
        f"A convolution with {channels} channels in and out, a {kernel}×{kernel} kernel and no padding runs "
        f"over a map of {size}×{size} with stride "
        f"1. It is "
        "given stride 2. By which factor do its MACs fall?",
        (
            (GUESSED, f"By {plain / strided:.2f}: {plain:,} to {strided:,} MACs. The kernel stands in "
             f"{size - kernel + 1}² places, then in {(size - kernel) // 2 + 1}²; for large maps the factor comes close "
             f"to 4."),
            (f"{inputs} to {outputs} channels, 3×3, {groups} groups, a 9×9 map without padding: count on paper, then "
             "without groups.", f"{with_groups:,}, and {without:,} without: an output reads {inputs // groups} "
             f"inputs."),
            (f"A bottleneck with {4 * reduced} channels outside and {reduced} inside, on a {odd}×{odd} map: which "
             "place of the stride costs less, and what does the network lose there?",
             f"The first layer: {early:,} against {late:,} MACs. Three of four positions are dropped before the 3×3 "
             "kernel could see them."),
            (f"Four layers with {layers} MACs forward, the first two frozen: which MACs of a training step are "
             f"left?",
             f"{frozen:,} MACs: {sum(layers)} forward, {sum(layers[2:])} for weights, {sum(layers[3:])} for inputs. "
             f"The "
             "first trained layer hands no gradient on."),
            (f"Maps of {maps} elements: what must be in memory at once, and what with a shortcut from the first to the "
             "last?", f"{chain:,}, and {shortcut:,} with the shortcut, which keeps the first map until it is added."),
            (f"A layer with {layer[0]} inputs, {layer[1]} outputs, 3×3 and a bias on {layer[3]}² outputs: a tool "
             f"prints "
             f"{counts['parameters']:,}. What is it, and how can you tell without a calculator?",
             f"The parameters. It is no multiple of 9 (add its digits), so it is neither MACs nor FLOPs. For each "
             f"output it has {9 * layer[0]} weights and a bias, and an output map has {layer[3] ** 2} elements."),
        ),
    )  # fmt: skip


def block(random: Random) -> Talk:
    channels, outputs, kernel = random.choice((24, 32, 48)), random.choice((64, 96, 128)), random.choice((5, 7))
    size = 2 * random.randint(6, 14) + 1
    one = block_cost(channels, outputs, kernel, 1, 1, size)
    two, wide = block_cost(channels, outputs, kernel, 2, 1, size), block_cost(channels, outputs, kernel, 1, 2, size)
    depthwise = kernel**2 * channels
    share = random.choice((10, 20, 25))
    side, double = largest_kernel(channels, outputs, share), largest_kernel(channels, outputs, 2 * share)
    middle = random.randint(20, 60)
    apart = channels * middle + middle * outputs
    return Talk(
        f"A block has {channels} channels in, {outputs} out and a {kernel}×{kernel} depthwise kernel. Which share of "
        f"its "
        "parameters is in the depthwise filters, batch norms counted?",
        (
            (GUESSED, f"{depthwise / one['parameters']:.0%}: {depthwise:,} of {one['parameters']:,}."),
            ("How are these parameters made up? Add them on paper.",
             f"{depthwise:,} depthwise, {channels * outputs:,} pointwise, {2 * channels + 2 * outputs:,} in the "
             f"norms."),
            (f"The block's depthwise layer is given stride 2, on a map of {size}×{size}. By which factor do the MACs "
             f"fall, "
             "and why not by 4?", f"{one['macs'] / two['macs']:.2f}: {size}² places become {-(-size // 2)}², rounded "
             f"up. "
             "The pointwise layer runs on the small map too."),
            ("Each channel gets two filters instead of one (multiplier 2). What doubles, and what does not?",
             f"Both convolutions, so the MACs: {one['macs']:,} to {wide['macs']:,}. The last norm does not: "
             f"{one['parameters']:,} to {wide['parameters']:,} parameters."),
            (f"How large may the block's kernel be if its depthwise layer is to do {share} % of the MACs, and how "
             f"large at {2 * share} %? Why does the size of the map not matter?",
             f"{side} and {double}. Both layers run on the same positions, and both have the {channels} inputs as a "
             "factor: they cancel."),
            (f"Two 1×1 layers, {channels} to {middle} to {outputs} channels: what are they as one, is that smaller, "
             f"and "
             "what stops you if a ReLU stands between?",
             f"{channels * outputs:,} weights instead of {apart:,}, so "
             f"{'fewer' if channels * outputs < apart else 'more'}. "
             "With a ReLU the two are not linear, so no one matrix does the same."),
        ),
    )  # fmt: skip


def budget(random: Random) -> Talk:
    slope, noise = random.uniform(3, 6), [random.uniform(-1.2, 1.2) for _ in range(5)]
    macs = sorted(random.sample(range(60, 600), 5))
    points = [[each, round(45 + slope * log2(each / 60) + miss, 1)] for each, miss in zip(macs, noise, strict=True)]
    per_doubling, surprise = points_per_doubling(points), largest_surprise(points)
    most = random.choice((120, 180, 260)) * 10**6
    fits = affordable(most, 3_000_000, MULTIPLIERS, RESOLUTIONS)
    larger = fits[0][0], RESOLUTIONS[RESOLUTIONS.index(fits[0][1]) + 1]
    wider = MULTIPLIERS[MULTIPLIERS.index(fits[0][0]) + 1], fits[0][1]
    named = [[f"net {index}", *each] for index, each in enumerate(points, 1)]
    named.append(["net 6", macs[2] + 5, round(points[2][1] - 1, 1)])
    runs = random.choice((40, 60, 80))
    return Talk(
        f"Five networks, as [million MACs, accuracy]: {points}. By how many points does a doubling of the MACs raise "
        f"the "
        "accuracy?",
        (
            (GUESSED, f"By {per_doubling:.1f} points: the slope over the logarithm of base 2."),
            ("Each of the five is predicted by the other four: by how much is the worst missed, and what would you "
             "ask its "
             "author?", f"By {surprise:.1f} points. Whether it was trained and measured like the others."),
            (f"Of the multipliers {MULTIPLIERS} and the resolutions {RESOLUTIONS}, within {most:,} MACs and 3 million "
             "parameters: name the network with the most MACs, and say which budget keeps you from a larger one.",
             f"{fits[0]} of {len(fits)} that fit. The MACs: {mobilenet_v1(*larger).cost.macs:,} with the next larger "
             f"image, {mobilenet_v1(*wider).cost.macs:,} with the next multiplier. The parameters rule out only the "
             "multiplier 1.0."),
            (f"A sixth network has {named[-1][1]} million MACs and {named[-1][2]} %. Is it worth having?",
             f"No: {named[2][0]} is cheaper and better. Worth having are {', '.join(pareto(named))}."),
            (f"You time a network {runs} times. How many runs may miss the deadline if 95 % must meet it, and why not "
             "take the mean?", f"{runs // 20}. A mean can meet a deadline that every tenth run misses."),
            ("Your own design: what did it leave unused of which budget, and what would you do with that?",
             "The check cell prints both shares. Good answers name what the other budget forbids: wide blocks "
             "early cost MACs, wide blocks late cost parameters."),
        ),
    )  # fmt: skip
