"""A learner who has run everything goes back, writes a guess or a change, and runs that cell: it gives what it gave."""

from __future__ import annotations

import ast
import contextlib
import io
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import pytest
from contents import NOTEBOOKS

LONG = ("08", "10", "13")  # they train a network, or write it into files


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    """Every cell of code but the first, which only installs."""
    cells = nbformat.read(path, as_version=4).cells
    return [each for each in cells if each.cell_type == "code" and "setup" not in each.metadata.get("tags", [])]


def output(source: str, names: dict[str, Any]) -> str:
    """What a cell shows when it runs among these names: what it prints, and the value of its last line."""
    code = ast.parse(source)
    last = code.body.pop() if code.body and isinstance(code.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        exec(compile(code, "<cell>", "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), "<last line>", "eval"), names)
            print("" if value is None else value)
    plt.close("all")
    return shown.getvalue()


def changed(cells: list[nbformat.NotebookNode]) -> list[str]:
    """Run all cells, then each once more, alone; say which gave something else, and what."""
    names: dict[str, Any] = {"__name__": "__main__"}
    before = [output(cell.source, names) for cell in cells]
    found = []
    for cell, first in zip(cells, before, strict=True):
        if "nbval-ignore-output" in cell.metadata.get("tags", []):  # it measures this machine
            continue
        try:
            second = output(cell.source, dict(names))
        except Exception as error:
            second = repr(error)
        if second != first:
            found.append(f"{cell.id}\n{cell.source}\nfirst: {first}\nagain: {second}")
    return found


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=[pytest.mark.slow] if path.stem.startswith(LONG) else [])
        for path in NOTEBOOKS
    ],
)
def test_every_cell_gives_the_same_when_it_is_run_again_after_all_others(path, monkeypatch):
    plt.switch_backend("agg")
    monkeypatch.setattr(plt, "show", lambda: None)
    again = changed(code_cells(path))
    assert not again, "\n\n".join(again)


@pytest.mark.parametrize(
    "later",
    [
        "image = [[1, 2], [3, 4]]",  # another thing by the same name
        "count.append(5)",  # a thing that later cells change
    ],
)
def test_a_cell_that_later_cells_spoil_is_found(later):
    sources = "image, count = [1, 2], []", "print(sum(image)); len(count)", later
    found = changed([nbformat.v4.new_code_cell(source) for source in sources])
    assert [each.splitlines()[1] for each in found] == [sources[1]]
