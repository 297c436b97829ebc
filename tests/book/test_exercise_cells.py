"""The exercises in the chapters, and appendix D, are what the package says, and *Run all* leaves them unanswered."""

import ast
import re

import exercise_cells
import nbformat
import pytest
from contents import ROOT
from setup_cells import BookError

PAGES = exercise_cells.pages()
each_page = pytest.mark.parametrize("path", PAGES, ids=[path.stem for path in PAGES])


def exercises_of_page(path):
    chapter = exercise_cells.chapter_module(path)
    return exercise_cells.exercises_of(chapter)


def test_exercises_without_essays_are_told_so(monkeypatch):
    monkeypatch.delattr(exercise_cells.chapter_module(PAGES[0]), "ESSAYS")
    with pytest.raises(BookError, match=r"exercises\.ch01 has no ESSAYS: write two or more"):
        exercise_cells.texts()


def test_every_chapter_has_exercises():
    for path in sorted((ROOT / "book").glob("[0-9][0-9]_*.ipynb")):
        assert path in PAGES, f"{path.name} has no exercises: write mobilenet_edu/exercises/ch{path.name[:2]}.py"


@each_page
def test_each_exercise_answers_in_its_chapter(path):
    notebook = nbformat.read(path, as_version=4)
    outputs = {cell.id: cell.get("outputs") for cell in notebook.cells}
    for exercise in exercises_of_page(path):
        text = "".join(output.text for output in outputs[f"{exercise.name}-check".replace("_", "-")])
        right = "Correct" if exercise.level == 1 else "Not answered yet"
        assert text.startswith(right)


@each_page
def test_a_chapter_imports_what_its_solutions_need(path):
    notebook = nbformat.read(path, as_version=4)
    cells = [
        cell for cell in notebook.cells if cell.cell_type == "code" and "setup" not in cell.metadata.get("tags", ())
    ]
    code = "\n".join(cell.source for cell in cells)
    for exercise in exercises_of_page(path):
        lacks = imported(exercise.imports) - imported(code)
        assert not lacks, (
            f"{path.name}: the solution of {exercise.name} needs {lacks}; import it in a cell of the chapter"
        )


def imported(code):
    """The names that imports in ``code`` bind."""
    nodes = [node for node in ast.walk(ast.parse(code)) if isinstance(node, (ast.Import, ast.ImportFrom))]
    return {alias.asname or alias.name.partition(".")[0] for node in nodes for alias in node.names}


@each_page
def test_each_goal_of_a_chapter_is_tested_and_each_exercise_has_a_goal(path):
    text = nbformat.read(path, as_version=4).cells[0].source
    goals = {int(number) for number in re.findall(r"^(\d)\. ", text, re.MULTILINE)}
    chapter = exercise_cells.chapter_module(path)
    tested = {each.goal for each in (*exercises_of_page(path), *chapter.ESSAYS)}
    assert 3 <= len(goals) <= 5, f"{path.name}: its first cell lists {len(goals)} goals; a chapter has three to five"
    assert tested == goals, (
        f"{path.name} has the goals {goals}, and its exercises and essays test {tested}: "
        "set the goal of each in mobilenet_edu/exercises, or correct the list in the first cell"
    )


@each_page
def test_one_exercise_of_a_chapter_needs_code_that_the_chapter_does_not_show(path):
    notebook = nbformat.read(path, as_version=4)
    shown = [cell.source for cell in notebook.cells if "exercise" not in cell.metadata.get("tags", ())]
    text = squeezed("\n".join(shown))
    unseen = [
        exercise
        for exercise in exercises_of_page(path)
        if exercise.level >= 3 and not any(squeezed(line) in text for line in essential_lines(exercise))
    ]
    assert unseen, (
        f"{path.name} shows the code of every exercise of level 3 and 4: ask for something that it does not show"
    )


def essential_lines(exercise):
    """The returned expressions: what a reader could copy."""
    function = ast.parse(exercise.solution_code).body[-1]
    return [ast.unparse(node.value) for node in ast.walk(function) if isinstance(node, ast.Return)]


def squeezed(text):
    return re.sub(r"\s", "", text)


def test_solutions_stay_out_of_the_chapters():
    for path in PAGES:
        cells = nbformat.read(path, as_version=4).cells
        code = squeezed("\n".join(cell.source for cell in cells if "exercise" in cell.metadata.get("tags", ())))
        for exercise in exercises_of_page(path):
            if exercise.level > 1:
                assert squeezed(exercise.solution_code.partition('"""\n')[2]) not in code, exercise.name


def test_a_worked_example_shows_its_code_in_the_chapter_and_not_again_in_the_appendix():
    appendix = exercise_cells.SOLUTIONS.read_text("utf-8")
    worked = [each for path in PAGES for each in exercises_of_page(path) if each.level == 1]
    assert len(worked) == appendix.count("[The question, with the complete code]") > 0
    for exercise in worked:
        stub, solution = (ast.parse(code).body[-1] for code in (exercise.stub_code, exercise.solution_code))
        assert ast.dump(stub) == ast.dump(solution), exercise.name
        assert f"def {exercise.name}(" not in appendix


def test_every_link_between_question_and_solution_leads_to_a_heading():
    solutions = exercise_cells.SOLUTIONS.read_text("utf-8")
    pages = {path.name: "\n".join(cell.source for cell in nbformat.read(path, 4).cells) for path in PAGES}
    pages[exercise_cells.SOLUTIONS.name] = solutions
    anchors = {
        name: {exercise_cells.slug(heading) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
        for name, text in pages.items()
    }
    links = [link for text in pages.values() for link in re.findall(r"\]\(([\w.]+)#([\w-]+)\)", text)]
    assert len(links) >= 8 * len(PAGES)
    for page, anchor in links:
        if page in anchors:
            assert anchor in anchors[page], anchor


def test_a_heading_gets_the_anchor_that_myst_gives_it():
    from myst_parser.mdit_to_docutils.base import default_slugify

    for heading in ("Exercise 2.1: The MACs of any convolution", "Think and write 7.b: Ten times, it's — α² (or so)?"):
        assert exercise_cells.slug(heading) == default_slugify(heading)


def test_an_unchanged_cell_keeps_its_output_and_the_others_are_left_alone():
    path = PAGES[0]
    notebook = nbformat.read(path, as_version=4)
    chapter = exercise_cells.chapter_module(path)
    before = nbformat.writes(notebook)
    assert nbformat.writes(exercise_cells.filled(notebook, chapter)) == before

    check = next(cell for cell in notebook.cells if cell.id.endswith("-check"))
    question = next(cell for cell in notebook.cells if cell.id.endswith("-question"))
    question.source = "something else"
    check.source = "something_else()"
    again = exercise_cells.filled(notebook, chapter)
    assert next(cell for cell in again.cells if cell.id == check.id).outputs == []
    assert [cell.source for cell in again.cells] == [cell.source for cell in nbformat.reads(before, 4).cells]


def test_a_new_chapter_without_a_place_for_its_exercises_is_told_what_to_add():
    empty = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# New")])
    with pytest.raises(ValueError, match="add a text cell that begins with '## Exercises' and give it the tag"):
        exercise_cells.filled(empty, exercise_cells.chapter_module(PAGES[0]))
