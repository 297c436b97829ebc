"""An assignment that somebody writes in a notebook: what is refused, and one taken from the notebook to the grades."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nbformat
import pytest
from classroom import ROOT, SEED, hand_in, needs_sandbox

from instructor.__main__ import main
from instructor.assignments import ASSIGNMENTS
from instructor.by_hand import code_of
from instructor.notebooks import solution_notebook, student_notebook
from instructor.own import Written, complaints

EXAMPLE = ROOT / "instructor" / "examples" / "padding.ipynb"


def changed(folder: Path, tag: str, old: str, new: str) -> Path:
    """The example with one cell changed."""
    notebook = nbformat.read(EXAMPLE, as_version=4)
    cell = next(cell for cell in notebook.cells if tag in cell.metadata.get("tags", []))
    assert old in cell.source
    cell.source = cell.source.replace(old, new)
    path = folder / "mine.ipynb"
    nbformat.write(notebook, path)
    return path


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_nothing_is_wrong_with_the_book_s_own(name):
    assert complaints(ASSIGNMENTS[name]) == []


def test_nothing_is_wrong_with_the_example(capsys):
    assert main(["check", str(EXAMPLE)]) == 0
    assert "Nothing is wrong" in capsys.readouterr().out


def test_the_example_runs_from_top_to_bottom_as_it_is():
    namespace: dict = {}
    for cell in nbformat.read(EXAMPLE, as_version=4).cells:
        if cell.cell_type == "code":
            exec(cell.source, namespace)
    assert (
        namespace["padding_macs"](1, 4, 3, 1) == 144 - 100
    )  # 16 positions of 9 taps; 10 of 12 meet the map on an axis


@pytest.mark.parametrize(
    ("tag", "old", "new", "said"),
    [
        (
            "solution",
            "- inside**2)",
            "- inside**2) if padding < 3 else None",
            "the solution has no answer in 'more rows",
        ),
        ("solution", "sum(0", "math.fsum(0", "the solution has no answer in 'one row of zeros'"),
        ("solution", "return channels", "return len(examples) * channels", "the solution has no answer"),
        ("stub", "    ...", "    return channels", ""),  # a stub that answers wrongly is a stub all the same
        ("stub", "padding: int)", "padding: int, extra: int)", "the stub has other arguments"),
        ("stub", "def padding_macs", "def other", "the stub cannot be run, or has no function padding_macs"),
        (
            "mistakes",
            "    return channels * padding_macs(",
            "    return padding_macs(",
            "gives the right answer in every case",
        ),
        ("cases", "random.randint(10, 99), random.randint(8, 30)", "9, 20", "the same for every seed"),
        ("cases", '    "more rows of zeros": (2, [draw(5, 2), draw(7, 3), draw(7, 2)]),\n', "", "two parts or more"),
        (
            "cases",
            "draw(5, 2), draw(7, 3), draw(7, 2)",
            "(3, 9, 3, 0), (random.randint(1, 9), 5, 5, 0)",
            "always says that",
        ),
        ("cases", "[draw(3, 1)", "[(1, 4, 3, 1), draw(3, 1)", "the example (1, 4, 3, 1) is a hidden case as well"),
        ("cases", "random.randint(10, 99)", "__import__('random').randint(10, 99)", "one seed gives different cases"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(tmp_path, tag, old, new, said):
    found = complaints(Written(changed(tmp_path, tag, old, new)))
    assert any(said in each for each in found) if said else not found, found


@pytest.mark.parametrize(
    ("tag", "old", "new", "said"),
    [
        ("introduction", "# What", "What", "begins with '# ' and a title"),
        (
            "solution",
            '    """MACs of a depthwise layer that multiply a zero of the padding."""\n',
            "",
            "with a docstring",
        ),
        ("examples", "examples", "example", "needs examples = "),
        ("cases", "parts = {", "part = {", "needs parts = "),
        ("cases", "(2, [draw(3", "(-2, [draw(3", "needs parts = "),
        ("cases", "draw(3, 1), draw(3, 1)", "draw(3, 1), draw(3)", "the cell 'cases', line 6: TypeError"),
        ("mistakes", "def corners(", "def corners(:", "the cell 'mistakes', line 1: SyntaxError"),
        ("rubric", "1, [", "3, [", "needs rubric = "),
    ],
)
def test_what_is_missing_is_said_with_its_place(tmp_path, capsys, tag, old, new, said):
    path = changed(tmp_path, tag, old, new)
    assert main(["check", str(path)]) == 1
    assert said in capsys.readouterr().err
    assert main(["build", str(path), "--seed", SEED, "--out", str(tmp_path / "out")]) == 1
    assert not (tmp_path / "out").exists()


def test_a_mistake_without_a_sentence_is_refused(tmp_path):
    path = changed(tmp_path, "mistakes", '    """You count only', '    """""" ; """You count only')
    with pytest.raises(OSError, match="the mistake corners has no docstring"):
        complaints(Written(path))


def test_cells_in_the_wrong_place_are_refused(tmp_path):
    notebook = nbformat.read(EXAMPLE, as_version=4)

    def without(tag: str) -> list:
        return [cell for cell in notebook.cells if tag not in cell.metadata.get("tags", [])]

    for cells, said in (
        (without("statement"), "above the first statement"),
        (without("cases"), "no cell with the tag 'cases'"),
        ([*notebook.cells, {**notebook.cells[-1], "id": "again"}], "two cells with the tag 'rubric'"),
        ([], "no cell has the tag 'statement'"),
    ):  # fmt: skip
        path = tmp_path / "mine.ipynb"
        path.write_text(json.dumps({**notebook, "cells": cells}))
        with pytest.raises(OSError, match=said):
            Written(path)("any")


def test_names_that_cannot_be_are_refused(tmp_path, capsys):
    for name, said in (
        ("costs", "one of the book's own has this name"),
        ("My work", "letters a-z"),
        ("none", "No such"),
    ):
        path = tmp_path / f"{name}.ipynb"
        if name != "none":
            path.write_bytes(EXAMPLE.read_bytes())
        assert main(["check", str(path)]) == 1
        assert said in capsys.readouterr().err
    (tmp_path / "broken.ipynb").write_text("{")
    assert main(["check", str(tmp_path / "broken.ipynb")]) == 1
    assert "is no notebook" in capsys.readouterr().err


def test_the_hand_out_has_the_stub_and_no_solution_and_its_numbers_follow_the_seed():
    make = Written(EXAMPLE)
    hand_out = nbformat.writes(student_notebook(make("one")))
    assert "positions = size + 2 * padding - kernel_size + 1  # along one side" in hand_out
    for secret in ("inside", "corners", 'more rows of zeros\\": (', "draw(", "look for"):
        assert secret not in hand_out
    assert student_notebook(make("one")) == student_notebook(make("one")) != student_notebook(make("two"))


@needs_sandbox
def test_the_example_goes_from_the_notebook_to_the_grades(tmp_path):
    make, out = Written(EXAMPLE), tmp_path / "out"
    right = json.loads(json.dumps(solution_notebook(make(SEED))))
    wrong = json.loads(json.dumps(right).replace("- inside**2)", "- inside) # dense"))
    for cell in wrong["cells"]:
        if cell["metadata"].get("instructor", {}).get("problem"):
            cell["source"] = (
                "def padding_macs(channels, size, kernel_size, padding):\n"
                "    positions = size + 2 * padding - kernel_size + 1\n"
                "    return channels * (positions**2 - (size - kernel_size + 1) ** 2) * kernel_size**2\n"
            )
    hand_in(tmp_path / "in", "Ann", right)
    hand_in(tmp_path / "in", "Bo", wrong)
    assert main(["grade", str(EXAMPLE), str(tmp_path / "in"), "--seed", SEED, "--out", str(out)]) == 0
    assert "You count all MACs of each place" in (out / "feedback" / "Bo.html").read_text()
    marks = "".join(f"{code_of(name)},Worth it?,1 2 1,Good.,\n" for name in ("Ann", "Bo"))
    (out / "marks.csv").write_text("code,question,points,comment,text\n" + marks)
    assert main(["return", str(EXAMPLE), str(out)]) == 0
    with (out / "grades.csv").open(newline="", encoding="utf-8-sig") as file:
        assert [row["total (of 8)"] for row in csv.DictReader(file)] == ["8", "4"]
