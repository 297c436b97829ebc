"""Write the number of each exercise that a page refers to. ``make fresh`` runs it.

A page refers by name, in a comment that no reader sees: ``exercise 5.4<!-- ch05.separable_block -->``, or with a link,
``[exercise 5.4](#...)<!-- ch05.separable_block -->``. So an exercise can be put before others without a search.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from exercise_cells import exercise_headings, slug
from setup_cells import BookError

from mobilenet_edu.exercises import chapters, exercises_of

BOOK = Path(__file__).parent.parent / "book"
REFERENCE = re.compile(
    r"(?P<before>\[?[Ee]xercise\s+)(?P<number>\d+\.\d+)(?P<after>\]\([^)#]*#)?(?P<anchor>[\w-]*)(?P<close>\))?"
    r"<!-- (?P<chapter>ch\d\d)\.(?P<name>\w+) -->"
)
UNNAMED = re.compile(r"(?<!#)\b[Ee]xercise\s+\d+\.\d+(?:\]\([^)]*\))?(?!<!-- ch|[\d:]|\]\()")


def headings() -> dict[str, str]:
    """The heading of each exercise by its name, such as ``ch05.separable_block``."""
    return {
        f"{exercise.chapter}.{exercise.name}": heading
        for chapter in chapters().values()
        for exercise, heading in zip(exercises_of(chapter), exercise_headings(chapter), strict=True)
    }


def number(name: str) -> str:
    """The number of the exercise of that name, such as ``5.4``."""
    return re.match(r"Exercise (\d+\.\d+): ", _heading(name))[1]


def numbered(text: str) -> str:
    """The text with each reference to an exercise as it should be now."""
    return REFERENCE.sub(_reference, text)


def texts() -> dict[Path, str]:
    """For each page whose references must change, what it must contain."""
    found = {}
    for path in (*sorted(BOOK.glob("*.ipynb")), *sorted(BOOK.glob("*.md"))):
        text = path.read_text(encoding="utf-8")
        if "<!-- ch" not in text:
            continue
        new = numbered(text) if path.suffix == ".md" else _notebook(text)
        if new != text:
            found[path] = new
    return found


def _notebook(text: str) -> str:
    notebook = nbformat.reads(text, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = numbered(cell.source)
    return nbformat.writes(notebook) + "\n"


def _heading(name: str) -> str:
    known = headings()
    if name not in known:
        raise BookError(f"a page refers to the exercise {name}, which does not exist; there are {', '.join(known)}")
    return known[name]


def _reference(match: re.Match[str]) -> str:
    name = f"{match['chapter']}.{match['name']}"
    anchor = slug(_heading(name)) if match["after"] else match["anchor"]
    return f"{match['before']}{number(name)}{match['after'] or ''}{anchor}{match['close'] or ''}<!-- {name} -->"
