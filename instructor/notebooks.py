"""Makes the files of an assignment: the hand-out, the solutions and the marking scheme. Same seed, same bytes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from pprint import pformat

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from instructor import edition
from instructor.assignments import ASSIGNMENTS
from instructor.grading import sentence
from instructor.problem import Assignment, Problem, plain, source
from scripts.setup_cells import project, setup_cell

RULES = """\
**How this works.** Run the first two code cells first. Write each answer into the cell below its question and keep the
function's name. The cell after it checks an example or two, as strictly as the grader; your answer is graded on other
inputs, and for each part of a question you get all of its points or none. Return plain numbers, strings, lists or
dictionaries. Numbers and arrays of NumPy or PyTorch are accepted too. Helper functions and further cells are welcome.
When the notebook is graded, there is no internet connection, and a few seconds must be enough.

**Assistants.** You may ask anybody, an AI assistant included, what an error means or how an idea works. Say below your
answers what you used it for. You must be able to explain and change what you hand in: you will be asked about your own
numbers for five minutes.

**Before you hand in**, restart and run all cells. Hand in the notebook itself, a file whose name ends in `.ipynb` (in
Colab: *File*, *Download*)."""


GUESS = """\
## Before you start: a guess

{}

Do not compute it. Write down what you expect, and why in a few words. It is not graded, but you will be asked how good
it was.

*(your guess)*"""


def check(function, arguments, expected, look=None):
    """Compare the answer to one example with what it should be, as strictly as the grader does."""
    import json

    name = function.__name__
    call = f"{name}({', '.join(map(repr, arguments))})"
    try:
        got = look(function, *arguments) if look else function(*arguments)
    except Exception as error:
        print(f"{name}: raised {type(error).__name__}: {error}")
        return
    if got is None or got is ...:
        print(f"{name}: not answered yet (or a `return` is missing)")
        return
    try:
        written = json.dumps(got, default=lambda part: part.tolist())  # as NumPy's and PyTorch's can
    except (TypeError, ValueError, AttributeError):
        print(f"{name}: returned {got!r}: convert it to a plain number, string, list or dictionary")
        return
    got = json.loads(written)
    is_near = isinstance(expected, float) and isinstance(got, int | float) and abs(got - expected) < 1e-5
    if is_near or written == json.dumps(expected):
        print(f"{name}: right for this example")
    else:
        print(f"{call} should be {expected!r}, not {got!r}")


def student_notebook(assignment: Assignment) -> nbformat.NotebookNode:
    """The hand-out: tasks, empty functions, examples."""
    return _notebook(assignment, solved=False)


def solution_notebook(assignment: Assignment) -> nbformat.NotebookNode:
    """The hand-out with every function answered."""
    return _notebook(assignment, solved=True)


def _notebook(assignment: Assignment, solved: bool) -> nbformat.NotebookNode:
    folded = {"instructor": {"check": True}, "jupyter": {"source_hidden": True}}  # opened by a click
    title = f"# {assignment.title}" + (" (solutions)" if solved else "")
    cells = [
        new_markdown_cell(
            f"{title}\n\n{assignment.introduction}\n\n{RULES}\n\n{_points_table(assignment)}{_stamp(assignment)}"
        ),
        new_code_cell(setup_cell(None, project()), metadata=folded),
        new_code_cell(source(check), metadata=folded),
    ]
    if assignment.talk:
        cells.append(new_markdown_cell(GUESS.format(assignment.talk.prediction)))
    for problem in assignment.problems:
        parts = "; ".join(f"{part.name} ({part.points})" for part in problem.parts)
        cells.append(new_markdown_cell(f"{problem.task}\n\n*{problem.points} points: {parts}.*"))
        answer = problem.answer if solved else problem.stub
        cells.append(new_code_cell(answer, metadata={"instructor": {"problem": problem.name}}))
        if problem.examples or problem.self_check:
            cells.append(new_code_cell(_examples(problem), metadata={"instructor": {"check": True}}))
    cells += [
        new_markdown_cell(question.task, metadata={"instructor": {"by_hand": question.title}})
        for question in assignment.by_hand
    ]
    for index, cell in enumerate(cells):
        cell.id = hashlib.sha256(f"{index} {cell.source}".encode()).hexdigest()[:8]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})
    nbformat.validate(notebook)
    return notebook


def markdown_of(assignment: Assignment) -> list[str]:
    """The Markdown of the hand-out: what a student has not written."""
    return [cell.source for cell in student_notebook(assignment).cells if cell.cell_type == "markdown"]


def _stamp(assignment: Assignment) -> str:
    return f"\n\n{edition.stamp(assignment.name)}" if assignment.name in ASSIGNMENTS else ""


def _points_table(assignment: Assignment) -> str:
    rows = [f"| {problem.title} | {problem.points} |" for problem in assignment.problems]
    rows += [f"| {question.title} (read by a person) | {question.points} |" for question in assignment.by_hand]
    return "\n".join(["| question | points |", "| --- | --- |", *rows])


def _examples(problem: Problem) -> str:
    lines = [problem.self_check] if problem.self_check else []
    look = ""
    if problem.probe:
        lines += ["# This is how your answer is looked at.", source(problem.probe), "", ""]
        look = f", {problem.probe.__name__}"
    for case in problem.examples:
        expected = problem.outcome(problem.solution, case)["value"]
        given, right = (pformat(value, width=100, compact=True) for value in (plain(case), expected))
        lines.append(f"check({problem.name}, {given}, {right}{look})")
    return "\n".join(lines)


def marking_scheme(assignment: Assignment) -> str:
    """For the marker, in Markdown: every part, its points, and what feedback says about each known mistake."""
    lines = [f"# {assignment.title}: marking scheme", "", f"{assignment.points} points are given by the grader."]
    for problem in assignment.problems:
        lines += ["", f"## {problem.title}", "", f"`{problem.name}`, {problem.points} points", ""]
        lines += ["| part | points | hidden cases |", "| --- | --- | --- |"]
        lines += [f"| {part.name} | {part.points} | {len(part.cases)} |" for part in problem.parts]
        lines += ["", "```python", source(problem.solution), "```"]
        if problem.mistakes:
            lines += ["", "Known mistakes, and what feedback says:", ""]
            lines += [f"- {sentence(mistake)}" for mistake in problem.mistakes]
    for question in assignment.by_hand:
        lines += ["", f"## {question.title}", "", f"Marked by hand, {question.points} points", ""]
        lines += ["| look for | points |", "| --- | --- |"]
        for (what, points), levels in zip(question.rubric, question.levels or [()] * len(question.rubric), strict=True):
            said = "".join(f"<br>{points - lost}: {level}" for lost, level in enumerate(levels))
            lines.append(f"| {what}{said} | {points} |")
    if assignment.talk:
        lines += ["", "## Five minutes with a student", "", *questions(assignment)]
    return "\n".join(lines) + "\n"


def questions(assignment: Assignment) -> list[str]:
    """The questions to ask, in Markdown, each with what a good answer says."""
    asked = [f"The guess: *{assignment.talk.prediction}*", ""]
    return asked + [f"{n}. {question} *{answer}*" for n, (question, answer) in enumerate(assignment.talk.questions, 1)]


def write(assignment: Assignment, folder: Path) -> list[Path]:
    """Write the three files into ``folder`` and return their paths; the first is the only one to hand out.

    Raises:
        FileExistsError: one is there with other content, as from another seed. Nothing is written then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        f"{assignment.name}.ipynb": nbformat.writes(student_notebook(assignment)) + "\n",
        f"{assignment.name}_solution.ipynb": nbformat.writes(solution_notebook(assignment)) + "\n",
        f"{assignment.name}_marking.md": marking_scheme(assignment),
    }
    for name, content in files.items():
        if (folder / name).exists() and (folder / name).read_text(encoding="utf-8") != content:
            raise FileExistsError(f"{folder / name} exists and is different: name a new folder.")
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    return [folder / name for name in files]


def write_variants(make: Callable[[str], Assignment], students: list[str], folder: Path) -> list[Path]:
    """Write a hand-out with numbers of their own for each student; its metadata say whose it is.

    The questions to ask each of them go into one file, which is to keep.
    """
    paths, asked = [], []
    for student in students:
        assignment = make(student)
        notebook = student_notebook(assignment)
        notebook.metadata["instructor"] = {"student": student}
        name = re.sub(r"[^\w.@-]+", "_", student).strip("._") or "student"
        path = folder / "students" / f"{name}_{assignment.name}.ipynb"
        if path in paths:
            raise FileExistsError(f"Two students would get {path}: give each a number of their own.")
        paths.append(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
        if assignment.talk:
            asked += [f"## {student}", "", *questions(assignment), ""]
    if asked:
        name = f"{assignment.name}_questions.md"
        (folder / name).write_text("\n".join([f"# {assignment.title}: questions", "", *asked]), encoding="utf-8")
    return paths
