"""Each problem: its solution and other right answers earn everything, each known mistake its own sentence."""

from __future__ import annotations

import ast
import bisect
import itertools
import statistics
import textwrap
from fractions import Fraction
from math import log2

import pytest
import torch
from classroom import SEED
from torch import nn

from instructor.assignments import ASSIGNMENTS
from instructor.grading import Key, alike, compare, sentence
from instructor.problem import Problem, plain, same, source
from mobilenet_edu.architecture import from_table, mobilenet_v1, separable_block
from mobilenet_edu.blocks import ConvBNReLU
from mobilenet_edu.cost import conv2d_cost, conv_output_size
from mobilenet_edu.counting import count_cost

PLAIN_SEEDS = [f"seed {number}" for number in range(4)]
SEEDS = {"costs": PLAIN_SEEDS, "budget": PLAIN_SEEDS[:2], "block": [SEED]}
PROBLEMS = [
    pytest.param(problem, id=f"{problem.name}-{seed}")
    for name, seeds in SEEDS.items()
    for seed in seeds
    for problem in ASSIGNMENTS[name](seed).problems
]


# Every answer a second time, by another road than the solution's.


def conv_macs(in_channels, out_channels, kernel, sizes, stride, groups):
    """One multiplication for each pair of an output and a weight that it uses, counted along each axis."""
    pairs = 1
    for side, size in zip(kernel, sizes, strict=True):
        pairs *= sum(1 for start in range(0, size - side + 1, stride) for _ in range(side))
    return pairs * sum(in_channels // groups for _ in range(out_channels))


def bottleneck_macs(channels, reduced, size, stride, early):
    strides = (stride, 1, 1) if early else (1, stride, 1)
    widths = (channels, reduced, reduced, channels)
    macs = 0
    for kernel, step, (before, after) in zip((1, 3, 1), strides, itertools.pairwise(widths), strict=True):
        macs += conv2d_cost(before, after, kernel, size, stride=step, padding=kernel // 2).macs
        size = conv_output_size(size, kernel, step, kernel // 2)
    return macs


def training_macs(layers, frozen):
    return sum(macs * (1 if index < frozen else 2 if index == frozen else 3) for index, macs in enumerate(layers))


def peak_elements(maps, skips):
    """Runs the network and keeps account of what is in memory."""
    memory, peak = {0}, 0
    for layer in range(len(maps) - 1):
        memory.add(layer + 1)
        peak = max(peak, sum(maps[index] for index in memory))
        done = layer + 1
        memory = {index for index in memory if index == done or any(s == index and e > done for s, e in skips)}
    return peak


def name_the_count(layer, batch, printed):
    in_channels, out_channels, kernel_size, output_size, bias = layer
    one = conv2d_cost(
        in_channels, out_channels, kernel_size, output_size + kernel_size - 1, bias=bias
    )  # without padding, this input gives that output
    numbers = {
        "MACs": batch * one.macs,
        "FLOPs": batch * one.flops,
        "parameters": one.params,
        "output elements": batch * one.output_elements,
    }
    return next((name for name, number in numbers.items() if number == printed), "unknown")


class Block(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride, multiplier):
        super().__init__()
        wide = in_channels * multiplier
        self.add = stride == 1 and in_channels == out_channels
        self.project = nn.Conv2d(wide, out_channels, 1, bias=False)
        self.project_norm = nn.BatchNorm2d(out_channels)
        self.expand = ConvBNReLU(
            nn.Conv2d(in_channels, wide, kernel_size, stride, (kernel_size - 1) // 2, groups=in_channels, bias=False)
        )

    def forward(self, images):
        output = self.project_norm(self.project(self.expand(images)))
        return output + images if self.add else output


def block_cost(in_channels, out_channels, kernel_size, stride, multiplier, size):
    cost = count_cost(Block(in_channels, out_channels, kernel_size, stride, multiplier), (in_channels, size, size))
    return {"macs": cost.macs, "parameters": cost.params}


def largest_kernel(in_channels, out_channels, share):
    def fits(side):
        depthwise = conv2d_cost(in_channels, in_channels, side, 99, padding=side // 2, groups=in_channels).macs
        pointwise = conv2d_cost(in_channels, out_channels, 1, 99).macs
        return Fraction(depthwise, depthwise + pointwise) <= Fraction(share, 100)

    return max((side for side in range(1, 99, 2) if fits(side)), default=0)


def merge(first, second):
    """Reads the matrix off what the two do to the unit vectors, and the bias off what they do to nothing."""
    with torch.no_grad():
        both = nn.Sequential(first, second)
        bias = both(torch.zeros(1, first.in_channels, 1, 1)).flatten()
        columns = both(torch.eye(first.in_channels)[:, :, None, None]) - bias.reshape(1, -1, 1, 1)
        merged = nn.Conv2d(first.in_channels, second.out_channels, 1)
        merged.weight.copy_(columns.transpose(0, 1))
        merged.bias.copy_(bias)
    return merged


def untrained(network, images):
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    gradients = torch.autograd.grad(network(images).sum(), trainable, allow_unused=True)
    trained = sum(p.numel() for p, grad in zip(trainable, gradients, strict=True) if grad is not None)
    return sum(parameter.numel() for parameter in network.parameters()) - trained


def affordable(max_macs, max_params, multipliers, resolutions):
    pairs = [[a, r] for a in multipliers for r in resolutions]
    pairs = [pair for pair in pairs if mobilenet_v1(*pair).cost.macs <= max_macs]
    pairs = [pair for pair in pairs if mobilenet_v1(*pair).cost.params <= max_params]
    return sorted(pairs, key=lambda pair: -mobilenet_v1(*pair).cost.macs)


def pareto(networks):
    kept = [
        n for n in networks if not any(m[1] <= n[1] and m[2] >= n[2] and (m[1] < n[1] or m[2] > n[2]) for m in networks)
    ]
    return [name for name, *_ in sorted(kept, key=lambda network: network[1])]


def points_per_doubling(networks):
    return statistics.linear_regression([log2(macs) for macs, _ in networks], [a for _, a in networks]).slope


def largest_surprise(networks):
    """By the hat matrix, without fitting again: a residual over one minus its leverage."""
    xs = torch.tensor([[1.0, log2(macs)] for macs, _ in networks], dtype=torch.float64)
    ys = torch.tensor([accuracy for _, accuracy in networks], dtype=torch.float64)
    hat = xs @ torch.linalg.pinv(xs)
    return float(((ys - hat @ ys) / (1 - hat.diagonal())).abs().max())


def design(max_macs, max_params):
    """Four equal blocks, as wide as the budgets allow."""

    def rows(width):
        return [[width, 2]] * 4

    def fits(width):
        cost = from_table(rows(width), separable_block, num_classes=100).cost
        return cost.macs <= max_macs and cost.params <= max_params

    return rows(bisect.bisect(range(1, 4097), False, key=lambda width: not fits(width)))


def choose(networks, deadline):
    for name, _, times in sorted(networks, key=lambda network: -network[1]):
        allowed = len(times) // 20
        if sorted(times)[-1 - allowed] <= deadline:
            return name
    return "none"


OTHERS = {
    function.__name__: function
    for function in (
        conv_macs,
        bottleneck_macs,
        training_macs,
        peak_elements,
        name_the_count,
        block_cost,
        largest_kernel,
        merge,
        untrained,
        affordable,
        pareto,
        points_per_doubling,
        largest_surprise,
        design,
        choose,
    )
} | {"make_block": Block}


def outcomes(problem: Problem, answer) -> dict:
    return {part.name: [problem.outcome(answer, case) for case in part.cases] for part in problem.parts}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_solution_and_a_different_right_answer_earn_every_point(problem):
    key = Key(problem)
    for answer in (problem.solution, OTHERS[problem.name]):
        marks = key.mark(outcomes(problem, answer))
        assert [mark.comment for mark in marks] == [""] * len(marks)
        assert sum(mark.points for mark in marks) == problem.points > 0


@pytest.mark.parametrize("problem", PROBLEMS)
def test_each_mistake_loses_its_parts_is_told_its_sentence_and_keeps_the_other_parts(problem):
    key = Key(problem)
    for mistake in problem.mistakes:
        wrong = outcomes(problem, mistake)
        failed = {name for name in wrong if not all(map(alike, key.expected[name], wrong[name]))}
        assert failed, f"{sentence(mistake)} is never wrong"
        for mark in key.mark(wrong):
            if mark.part in failed:
                assert (mark.points, mark.comment) == (0, sentence(mistake))
            else:
                assert (mark.points, mark.comment) == (mark.of, "")


@pytest.mark.parametrize("problem", PROBLEMS)
def test_an_unanswered_stub_earns_nothing_and_is_called_unanswered(problem):
    namespace: dict = {}
    exec(problem.stub, namespace)
    stub = namespace[problem.name]
    assert stub.__doc__ == problem.solution.__doc__
    for outcome, comment in (({"missing": True}, "Not answered: no function"), ({"value": None}, "returns nothing")):
        nothing = {part.name: [outcome] * len(part.cases) for part in problem.parts}
        for mark in Key(problem).mark(nothing):
            assert mark.points == 0
            assert comment in mark.comment


@pytest.mark.parametrize("problem", PROBLEMS)
def test_examples_are_not_among_the_hidden_cases(problem):
    hidden = [plain(case) for part in problem.parts for case in part.cases]
    assert not [example for example in problem.examples if plain(example) in hidden]


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_an_assignment_has_four_to_six_problems_and_its_parts_have_names_of_their_own(name):
    assignment = ASSIGNMENTS[name]("any")
    assert 4 <= len(assignment.problems) + len(assignment.by_hand) <= 7
    assert 4 <= len(assignment.problems) <= 6
    for problem in assignment.problems:
        assert len({part.name for part in problem.parts}) == len(problem.parts) >= 2
    titles = [problem.title for problem in assignment.problems]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_solution_and_probe_stand_alone(problem):
    """They are handed out, or sent to the worker, without the module that they stand in."""
    for function in filter(None, (problem.solution, problem.probe)):
        module = ast.parse(textwrap.dedent(source(function)))
        namespace: dict = {}
        exec(compile(module, "alone", "exec"), namespace)
        alone = namespace[function.__name__]
        case = problem.parts[0].cases[0]
        if function is problem.solution:
            assert problem.outcome(alone, case) == problem.outcome(problem.solution, case)
        else:
            assert alone(problem.solution, *plain(case)) is not None


def test_only_equal_types_are_the_same():
    assert same(3, 3)
    assert not same(3, 3.0)
    assert not same(1, True)
    assert not same([1, 2], [1, 2, 3])
    assert not same({"a": 1}, {"a": 1, "b": 2})
    assert same(0.5, 0.5000001)
    assert same(2.0, 2)
    assert not same(2.0, True)
    assert not same(2.0, float("nan"))
    assert not same(2.0, 10**400)
    assert not same(2.0, "2.0")
    assert not same([2.0], [2.01])
    assert same([2.0], [2.01], tolerance=0.01)


@pytest.mark.parametrize(
    ("expected", "got", "comment"),
    [
        (6, 6.0, "The number is right, but it is a float."),
        (6, 7.5, "is a floating-point number and must be a whole number"),
        (6, "6", "is a string and must be a whole number"),
        ("MACs", ["MACs"], "is a list and must be a string"),
        (4.3217, 4.32, "Is something rounded"),
        (4.3217, 4, "Wrong for at least one hidden case"),
        ([[0.5, 224]], [[0.5, 192]], "Wrong for at least one hidden case"),
    ],
)
def test_a_comment_says_in_which_way_an_answer_is_wrong(expected, got, comment):
    assert comment in compare({"value": expected}, {"value": got})


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_each_row_of_a_rubric_says_what_earns_how_much(name):
    for question in ASSIGNMENTS[name]("any").by_hand:
        assert [len(levels) for levels in question.levels] == [points + 1 for _, points in question.rubric]
