"""Makes `instructor`, which is not installed, importable; and makes up submissions."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from instructor.assignments import ASSIGNMENTS  # noqa: E402
from instructor.notebooks import solution_notebook  # noqa: E402
from instructor.sandbox import SandboxError, check_sandbox  # noqa: E402

SEED = "a seed for the tests"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sandbox: needs a bwrap that works; skipped, visibly, where there is none")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, visibly, what needs a sandbox where there is none."""
    sandboxed = [item for item in items if item.get_closest_marker("sandbox")]
    if not sandboxed:
        return
    try:
        check_sandbox()
    except SandboxError as error:
        for item in sandboxed:
            item.add_marker(pytest.mark.skip(reason=str(error)))


def solved(assignment: str = "costs", extra: str = "", **answers: str | None) -> dict:
    """A notebook with every answer right but those given: another source, or None for a deleted cell.

    ``extra`` is a cell before all others.
    """
    notebook = json.loads(json.dumps(solution_notebook(ASSIGNMENTS[assignment](SEED))))
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
