"""A class of thirty, graded from files to reports, in the sandbox."""

from __future__ import annotations

import csv
import json

import pytest
from classroom import SEED, code, hand_in, needs_sandbox, solved

from instructor.__main__ import main
from instructor.assignments import ASSIGNMENTS
from instructor.problem import plain
from instructor.reports import cell_html

pytestmark = needs_sandbox

CONV = "def conv_macs(in_channels, out_channels, kernel, sizes, stride, groups):\n    from math import prod\n"
OUT = "    out = [(size - side) // stride + 1 for size, side in zip(sizes, kernel)]\n"
BOTTLENECK = "def bottleneck_macs(channels, reduced, size, stride, early):\n    small = -(-size // stride)\n"
TRAINING = "def training_macs(layers, frozen):\n"
PEAK = "def peak_elements(maps, skips):\n"
COUNT = """def name_the_count(layer, batch, printed):
    m, n, k, size, bias = layer
    weights = m * n * k * k
    macs = batch * weights * size**2
"""
FULL = (8, 6, 5, 6, 7)

# student: (answers that differ from the solution, points for each problem, a piece of the comment or remark)
CLASS: dict[str, tuple[dict[str, str | None], tuple[int, ...], str]] = {
    "Ada": ({}, FULL, "Right."),
    "Adam, helper function": (
        {"conv_macs": f"def positions(sizes, kernel, stride):\n{OUT}    return out\n\n"
         f"{CONV}    where = positions(sizes, kernel, stride)\n"
         "    return prod(kernel) * prod(where) * in_channels // groups * out_channels"},
        FULL, "Right.",
    ),
    "Åsa": (
        {"conv_macs": f"{CONV}{OUT}    return kernel[0] * in_channels // groups * out_channels * prod(out)"},
        (2, *FULL[1:]), "along its first axis only",
    ),
    "Bao": (
        {"conv_macs": f"{CONV}    return prod(kernel) * in_channels // groups * out_channels * prod(sizes)"},
        (0, *FULL[1:]), "each element of the input",
    ),
    "Ben": (
        {"conv_macs": f"{CONV}{OUT.replace('// stride', '// 1')}"
         "    return prod(kernel) * in_channels // groups * out_channels * prod(out)"},
        (6, *FULL[1:]), "You leave the stride out.",
    ),
    "Bint": (
        {"conv_macs": f"{CONV}{OUT}    return prod(kernel) * in_channels * out_channels * prod(out)"},
        (6, *FULL[1:]), "You leave the groups out.",
    ),
    "Carl": (
        {"conv_macs": f"{CONV}{OUT}    return 2 * prod(kernel) * in_channels // groups * out_channels * prod(out)"},
        (0, *FULL[1:]), "You return FLOPs.",
    ),
    "Chloé": (
        {"conv_macs": f"{CONV}{OUT}    return prod(kernel) * in_channels / groups * out_channels * prod(out)"},
        (0, *FULL[1:]), "it is a float",
    ),
    "Dag": (
        {"conv_macs": f"{CONV}{OUT}    print(prod(kernel) * in_channels // groups * out_channels * prod(out))"},
        (0, *FULL[1:]), "Your function returns nothing for at least one hidden case. Is a `return` missing?",
    ),
    "Dora": ({"conv_macs": None}, (0, *FULL[1:]), "Not answered"),
    "Eun": ({"conv_macs": f"{CONV}    return prod(kernel) *"}, (0, *FULL[1:]), "SyntaxError"),
    "Eve": ({"conv_macs": f"{CONV}    return kernel / 2"}, (0, *FULL[1:]), "error for at least one hidden case."),
    "Finn": (
        {"bottleneck_macs": f"{BOTTLENECK}    return (2 * channels * reduced + 9 * reduced**2) * size**2"},
        (8, 2, 5, 6, 7), "You leave the stride out.",
    ),
    "Fumi": (
        {"bottleneck_macs": f"{BOTTLENECK}    return channels * reduced * (small if early else size)**2 + "
         "(9 * reduced + reduced * channels) * small**2"},
        (8, 0, 5, 6, 7), "You count the 3×3 layer as depthwise.",
    ),
    "Gil": (
        {"bottleneck_macs": f"{BOTTLENECK}    return channels * reduced * small**2 + "
         "(9 * reduced**2 + reduced * channels) * small**2"},
        (8, 4, 5, 6, 7), "although `early` is false",
    ),
    "Gül": (
        {"bottleneck_macs": f"{BOTTLENECK}    return channels * reduced * size**2 + "
         "(9 * reduced**2 + reduced * channels) * small**2"},
        (8, 4, 5, 6, 7), "although `early` is true",
    ),
    "Hana": ({"training_macs": f"{TRAINING}    return 3 * sum(layers)"}, (8, 6, 0, 6, 7), "three times the"),
    "Hugo": (
        {"training_macs": f"{TRAINING}    return sum(layers) + 2 * sum(layers[frozen:])"},
        (8, 6, 0, 6, 7), "the gradient of the first trained layer's input",
    ),
    "Ida": (
        {"training_macs": f"{TRAINING}    return sum(layers) + sum(layers[frozen:]) + sum(layers[1:])"},
        (8, 6, 2, 6, 7), "back through the frozen layers",
    ),
    "Ivo": (
        {"training_macs": f"{TRAINING}    return sum(layers) + sum(layers[frozen:])"},
        (8, 6, 1, 6, 7), "one backward product",
    ),
    "Jin": ({"peak_elements": f"{PEAK}    return sum(maps)"}, (8, 6, 5, 0, 7), "You add up all maps."),
    "Jo": (
        {"peak_elements": f"{PEAK}    return max(a + b for a, b in zip(maps, maps[1:]))"},
        (8, 6, 5, 2, 7), "You forget the shortcuts.",
    ),
    "Kai": ({"peak_elements": f"{PEAK}    return max(maps)"}, (8, 6, 5, 0, 7), "You take the largest map alone."),
    "Lea": ({"peak_elements": f"{PEAK}    return '1000'"}, (8, 6, 5, 0, 7), "is a string and must be a whole number"),
    "Max": ({"peak_elements": f"{PEAK}    return 1000"}, (8, 6, 5, 0, 7), "Wrong for at least one hidden case."),
    "Mia": (
        {"name_the_count": f"{COUNT}    names = {{weights * size**2: 'MACs', 2 * weights * size**2: 'FLOPs',\n"
         "        weights + n * bias: 'parameters', n * size**2: 'output elements'}\n"
         "    return names.get(printed, 'unknown')"},
        (8, 6, 5, 6, 5), "You count one image.",
    ),
    "Noé": (
        {"name_the_count": f"{COUNT}    names = {{macs: 'MACs', 2 * macs: 'FLOPs',\n"
         "        weights + n * bias: 'parameters'}\n    return names.get(printed, 'output elements')"},
        (8, 6, 5, 6, 6), "You always find a name.",
    ),
    "Omar": (
        {"name_the_count": f"{COUNT}    names = {{macs: 'MACs', 2 * macs: 'FLOPs',\n"
         "        weights: 'parameters', batch * n * size**2: 'output elements'}\n"
         "    return names.get(printed, 'unknown')"},
        (8, 6, 5, 6, 5), "You leave the bias out of the parameters",
    ),
    "=Pia()": (
        {"training_macs": f"{TRAINING}    return 3 * sum(layers)", "peak_elements": f"{PEAK}    return sum(maps)"},
        (8, 6, 0, 0, 7), "You add up all maps.",
    ),
    "<b>Qi</b>": (dict.fromkeys(("conv_macs", "bottleneck_macs", "training_macs", "peak_elements", "name_the_count")),
                  (0, 0, 0, 0, 0), "Not answered"),
}  # fmt: skip


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class")
    for student, (answers, _, _) in CLASS.items():
        name = student.replace("/", "∕")
        hand_in(folder / "in" / name, "costs", solved(**answers))
    assert main(["grade", "costs", str(folder / "in"), "--seed", SEED, "--out", str(folder / "out")]) == 0
    with (folder / "out" / "grades.csv").open(newline="", encoding="utf-8-sig") as file:
        return folder / "out", {row["student"]: row for row in csv.DictReader(file)}


def test_there_are_thirty():
    assert len(CLASS) == 30


@pytest.mark.parametrize("student", CLASS)
def test_the_class_grades_to_the_expected_table(graded, student):
    out, rows = graded
    _, expected, comment = CLASS[student]
    row = rows[("'" if student.startswith("=") else "") + student.replace("/", "∕")]
    points = tuple(
        sum(int(row[f"{problem.title}: {part.name}"]) for part in problem.parts)
        for problem in ASSIGNMENTS["costs"](SEED).problems
    )
    assert points == expected
    assert int(row["points"]) == sum(expected)
    pages = [page.read_text() for page in (out / "feedback").iterdir()]
    name = student.replace("/", "∕").replace("<", "&lt;").replace(">", "&gt;")
    (page,) = [page for page in pages if f"<p>{name}, file" in page]
    assert cell_html(comment) in page


def test_no_page_shows_a_hidden_case_or_its_answer(graded):
    out, _ = graded
    pages = "".join(page.read_text() for page in [*(out / "feedback").iterdir(), out / "summary.html"])
    for problem in ASSIGNMENTS["costs"](SEED).problems:
        for part in problem.parts:
            for case in part.cases:
                assert json.dumps(plain(case))[1:-1] not in pages
                answer = str(problem.outcome(problem.solution, case)["value"])
                assert not (answer.isdecimal() and len(answer) > 4 and answer in pages)


def test_a_student_who_returns_or_raises_the_hidden_case_does_not_get_to_see_it(tmp_path):
    leak = """
def conv_macs(*case):
    return str(case)

def bottleneck_macs(*case):
    raise ValueError(str(case))

def training_macs(*case):
    raise type(str(case), (Exception,), {})

def peak_elements(*case):
    return type("Odd", (), {"__module__": str(case)})()

def name_the_count(*case):
    return [str(case)] * 3
"""
    hand_in(tmp_path / "in", "Ann", {"cells": [code(leak)]})
    assert main(["grade", "costs", str(tmp_path / "in"), "--seed", SEED, "--out", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "feedback" / "Ann.html").read_text() + (tmp_path / "out" / "grades.csv").read_text()
    for problem in ASSIGNMENTS["costs"](SEED).problems:
        for part in problem.parts:
            assert not any(str(tuple(plain(case))) in page or str(case[0]) + ", " in page for case in part.cases)


@pytest.mark.parametrize("name", ["budget", "block"])
def test_the_solutions_of_the_other_assignments_get_full_points_and_the_hand_out_none(name, tmp_path):
    ann = solved(name)
    ann["cells"] += [{"cell_type": "markdown", "source": ["My choice\n", "is 0.5."], "metadata": {}}]
    hand_in(tmp_path / "in", "Ann", ann)
    stubs = {problem.name: problem.stub for problem in ASSIGNMENTS[name](SEED).problems}
    hand_in(tmp_path / "in", "Bo", solved(name, **stubs))
    assert main(["grade", name, str(tmp_path / "in"), "--seed", SEED, "--out", str(tmp_path / "out")]) == 0
    with (tmp_path / "out" / "grades.csv").open(newline="", encoding="utf-8-sig") as file:
        ann, bo = csv.DictReader(file)
    assert int(ann["points"]) == ASSIGNMENTS[name](SEED).points
    assert ann["remarks"] == ""
    assert bo["points"] == "0"
    if ASSIGNMENTS[name](SEED).by_hand:
        assert "My choice\nis 0.5." in (tmp_path / "out" / "by_hand.html").read_text()
