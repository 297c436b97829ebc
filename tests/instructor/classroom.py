"""Makes up submissions for the tests beside it, and makes `instructor`, which is not installed, importable."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from instructor.assignments import ASSIGNMENTS
from instructor.notebooks import solution_notebook
from instructor.sandbox import SandboxError, check_sandbox

ROOT = Path(__file__).parents[2]
SEED = "a seed for the tests"


def why_no_sandbox() -> str:
    """Nothing if there is a sandbox."""
    try:
        check_sandbox()
    except SandboxError as error:
        return str(error)
    return ""


needs_sandbox = pytest.mark.skipif(bool(why := why_no_sandbox()), reason=why)


@cache
def _solution(assignment: str) -> str:
    return json.dumps(solution_notebook(ASSIGNMENTS[assignment](SEED)))


def solved(assignment: str = "costs", extra: str = "", **answers: str | None) -> dict:
    """A notebook with every answer right but those given: another source, or None for a deleted cell.

    ``extra`` is a cell before all others.
    """
    notebook = json.loads(_solution(assignment))
    cells = [code(extra)] if extra else []
    for cell in notebook["cells"]:
        problem = cell["metadata"].get("instructor", {}).get("problem")
        if problem in answers:
            if answers[problem] is None:
                continue
            cell["source"] = answers[problem]
        cells.append(cell)
    return {**notebook, "cells": cells}


def code(source: str, **metadata: object) -> dict:
    return {"cell_type": "code", "source": source, "metadata": metadata, "outputs": [], "execution_count": None}


def hand_in(folder: Path, name: str, notebook: dict | str) -> Path:
    path = folder / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(notebook if isinstance(notebook, str) else json.dumps(notebook), encoding="utf-8")
    return path
