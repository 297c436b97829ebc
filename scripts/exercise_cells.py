"""Write the exercises into the chapters, and their solutions into appendix D, from ``mobilenet_edu.exercises``.

``make fresh`` runs it.
A chapter's exercises replace the cells between the Markdown cell tagged ``exercises`` and the next ``## `` heading.
A new cell has no outputs until the chapter is run.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell
from setup_cells import BookError

from mobilenet_edu.exercises import LEVELS, Essay, Exercise, exercises_of

BOOK = Path(__file__).parent.parent / "book"
SOLUTIONS = BOOK / "D_solutions.md"
HINTS = ("the idea", "the formula", "the first line")
SHOWN = 4  # mistakes below a solution


def chapter_module(path: Path) -> ModuleType | None:
    """The exercises of the notebook at ``path``; None if it has none."""
    name = f"mobilenet_edu.exercises.ch{path.name[:2]}"
    chapter = importlib.import_module(name) if importlib.util.find_spec(name) else None
    if chapter and not hasattr(chapter, "ESSAYS"):
        raise BookError(f"{name} has no ESSAYS: write two or more, as the other chapters have")
    return chapter


def filled(notebook: NotebookNode, chapter: ModuleType) -> NotebookNode:
    """The notebook with its exercise cells written anew; a cell that stays the same keeps its outputs."""
    cells = notebook.cells
    first = 1 + next((i for i, cell in enumerate(cells) if "exercises" in cell.metadata.get("tags", ())), -1)
    if first == 0:
        raise BookError(
            f"{chapter.__name__} has exercises, and the notebook of chapter {_number(chapter)} no place for them: "
            "add a text cell that begins with '## Exercises' and give it the tag 'exercises'"
        )
    last = next((i for i in range(first, len(cells)) if _is_heading(cells[i])), len(cells))
    before = {cell.id: cell for cell in cells[first:last]}
    new = []
    for cell in exercise_cells(chapter):
        old = before.get(cell.id)
        unchanged = old and (old.cell_type, old.source, old.metadata) == (cell.cell_type, cell.source, cell.metadata)
        new.append(old if unchanged else cell)
    notebook.cells = [*cells[:first], *new, *cells[last:]]
    return notebook


def exercise_cells(chapter: ModuleType) -> list[NotebookNode]:
    """A question, an empty answer and its check for each exercise, then the essays."""
    cells = []
    for exercise, heading in zip(exercises_of(chapter), exercise_headings(chapter), strict=True):
        cells.append(_cell(new_markdown_cell, question(exercise, heading), exercise.name, "question"))
        cells.append(_cell(new_code_cell, exercise.stub_code, exercise.name, "answer"))
        check = f"exercises.{exercise.chapter}.{exercise.name}.check({exercise.name})"
        cells.append(_cell(new_code_cell, check, exercise.name, "check"))
    for essay, heading in zip(chapter.ESSAYS, essay_headings(chapter), strict=True):
        cells.append(_cell(new_markdown_cell, essay_question(essay, heading), slug(heading)[:40], "question"))
    return cells


def exercise_headings(chapter: ModuleType) -> list[str]:
    """Such as ``Exercise 2.1: The MACs of any convolution``, the same in the chapter and in the appendix."""
    return [f"Exercise {_number(chapter)}.{i}: {each.title}" for i, each in enumerate(exercises_of(chapter), 1)]


def essay_headings(chapter: ModuleType) -> list[str]:
    """Such as ``Think and write 2.a: Where the FLOPs are``."""
    letters = zip("abcdef", chapter.ESSAYS, strict=False)
    return [f"Think and write {_number(chapter)}.{letter}: {essay.title}" for letter, essay in letters]


def question(exercise: Exercise, heading: str) -> str:
    """The Markdown of an exercise: its task, its hints, and the way to its solution."""
    hints = "\n\n".join(
        f"<details>\n<summary>Hint {i}: {name}</summary>\n\n{hint.strip()}\n\n</details>"
        for i, (name, hint) in enumerate(zip(HINTS, exercise.hints, strict=True), 1)
    )
    level = LEVELS[exercise.level].capitalize()
    run = f"`exercises.{exercise.chapter}.{exercise.name}.solution()`"
    return (
        f"### {heading}\n\n*{level}, about {exercise.minutes} minutes.*\n\n{exercise.task.strip()}\n\n{hints}\n\n"
        f"[Solution]({SOLUTIONS.name}#{slug(heading)}), also printed by {run}."
    )


def essay_question(essay: Essay, heading: str) -> str:
    """The Markdown of an essay, and the way to what a good answer contains."""
    link = f"[What a good answer contains]({SOLUTIONS.name}#{slug(heading)})."
    return f"### {heading}\n\n*On paper, about {essay.minutes} minutes.*\n\n{essay.task.strip()}\n\n{link}"


def solutions(paths: list[Path]) -> str:
    """Appendix D: each exercise worked, its typical mistakes, and what a good essay contains."""
    description = "Every exercise of the book worked, its typical mistakes, and what a good essay contains."
    parts = [
        f'---\nmyst:\n  html_meta:\n    description: "{description}"\n---',
        "# Solutions",
        "Try first: a wrong answer of your own teaches more than a right one that you read. "
        "Each solution lists a few typical mistakes; the checker in the chapter knows more.",
    ]
    for path in paths:
        chapter = chapter_module(path)
        parts.append(f"## Chapter {_number(chapter)}: {_title(path)}")
        for exercise, heading in zip(exercises_of(chapter), exercise_headings(chapter), strict=True):
            is_worked = LEVELS[exercise.level] == "worked example"  # then the chapter shows the code
            asked = "The question, with the complete code" if is_worked else "The question"
            parts += [f"### {heading}", f"[{asked}]({path.name}#{slug(heading)})"]
            parts += [] if is_worked else [f"```python\n{exercise.solution_code}\n```"]
            parts += [exercise.reasoning.strip(), *mistakes(exercise)]
        for essay, heading in zip(chapter.ESSAYS, essay_headings(chapter), strict=True):
            parts += [f"### {heading}", f"[The question]({path.name}#{slug(heading)})", essay.good_answer.strip()]
    return "\n\n".join(parts) + "\n"


def mistakes(exercise: Exercise) -> list[str]:
    """What often goes wrong: the first of the mistakes that the checker knows; all of them would hide the solutions."""
    return ["What often goes wrong:", "\n".join(f"- {mistake.sentence}" for mistake in exercise.mistakes[:SHOWN])]


def slug(heading: str) -> str:
    """The anchor that MyST gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def pages() -> list[Path]:
    """The chapters that have exercises."""
    return [path for path in sorted(BOOK.glob("[0-9][0-9]_*.ipynb")) if chapter_module(path)]


def texts() -> dict[Path, str]:
    """For each chapter that must change, and for appendix D if it must, what it must contain."""
    found = {}
    for path in pages():
        text = path.read_text("utf-8")
        new = nbformat.writes(filled(nbformat.reads(text, as_version=4), chapter_module(path))) + "\n"
        if new != text:
            found[path] = new
    appendix = solutions(pages())
    if not SOLUTIONS.exists() or SOLUTIONS.read_text("utf-8") != appendix:
        found[SOLUTIONS] = appendix
    return found


def _cell(make: type, source: str, name: str, role: str) -> NotebookNode:
    return make(source, id=f"{name}-{role}".replace("_", "-"), metadata={"tags": ["exercise"]})


def _is_heading(cell: NotebookNode) -> bool:
    return cell.cell_type == "markdown" and cell.source.startswith("## ")


def _number(chapter: ModuleType) -> int:
    return int(chapter.__name__[-2:])


def _title(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    return next(cell.source.partition("\n")[0] for cell in cells if cell.source.startswith("# ")).removeprefix("# ")


if __name__ == "__main__":
    for path, text in texts().items():
        print(f"{path.name} written")
        path.write_text(text, "utf-8")
