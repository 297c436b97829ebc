"""Which edition of the book made a hand-out, and whether this one makes the same of a seed.

``python -m instructor.edition DIR`` says it of every notebook in a folder. Grade with the edition that made them:
another one can draw other numbers from the same seed.
"""

from __future__ import annotations

import hashlib
import re
import sys
from functools import cache
from pathlib import Path

import nbformat

from instructor.assignments import ASSIGNMENTS
from instructor.problem import source
from scripts.setup_cells import project

STAMP = re.compile(r"\*Made by edition (?P<edition>[\w./-]+) \([^)]*\): `(?P<name>\w+)` (?P<numbers>[0-9a-f]{12})\.\*")


@cache
def numbers_of(name: str) -> str:
    """A number that changes when an assignment draws other questions or other cases from a seed."""
    assignment = ASSIGNMENTS[name]("the same text in every edition")
    parts = [assignment.introduction]
    for problem in assignment.problems:
        cases = [part.cases for part in problem.parts]
        parts += [problem.task, source(problem.solution), repr([cases, problem.examples])]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def stamp(name: str) -> str:
    """The line of a hand-out that says which edition made it."""
    at = project()
    return f"*Made by edition {at['branch']} ({at['version']}): `{name}` {numbers_of(name)}.*"


def said(text: str) -> re.Match[str] | None:
    """The stamp in the text of a hand-out."""
    return STAMP.search(text)


def judge(path: Path) -> tuple[bool, str]:
    """Whether this edition makes the same hand-outs as the one that made the notebook, and a sentence that says so."""
    try:
        cells = nbformat.read(path, as_version=4).cells
    except Exception as error:  # what comes back can be anything
        return False, f"{path.name} cannot be read as a notebook ({type(error).__name__})"
    found = said("\n".join(cell.source for cell in cells if cell.cell_type == "markdown"))
    if not found or found["name"] not in ASSIGNMENTS:
        return False, f"{path.name} does not say which edition made it"
    made = f"{path.name} was made by edition {found['edition']}"
    if found["numbers"] == numbers_of(found["name"]):
        return True, f"{made}, and this one draws the same numbers"
    return False, f"{made}, whose numbers this one does not draw: git checkout {found['edition']}, then grade"


def main(arguments: list[str]) -> int:
    judged = [judge(path) for path in sorted(Path(arguments[0]).rglob("*.ipynb"))]
    print("\n".join(sentence for _, sentence in judged) or f"no notebook is in {arguments[0]}")
    return int(not judged or not all(same for same, _ in judged))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["."]))
