"""Numbers in the solutions: computed where they are written, given by the task, or shown by the chapter itself."""

import ast
import re
from pathlib import Path

import pytest
from number_places import BOOK, places, prose_numbers

from mobilenet_edu.exercises import chapters, exercises_of

SOURCES = sorted((Path(__file__).parents[2] / "mobilenet_edu" / "exercises").glob("ch*.py"))


def typed(node: ast.expr) -> str:
    """The parts of a string expression that somebody typed; what an f-string formats is left out."""
    return " ".join(
        part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)
    )


def texts(call: ast.Call) -> dict[str, str]:
    return {keyword.arg: typed(keyword.value) for keyword in call.keywords if keyword.arg}


def given(chapter, call: ast.Call, name: str) -> set[str]:
    """Numbers of the task, its cases and their results."""
    known = texts(call).get("task", "") + texts(call).get("stub", "")
    for exercise in exercises_of(chapter):
        if exercise.name == name:
            results = [exercise.reference(*case) for case in exercise.hand_picked]
            known += repr(exercise.hand_picked) + repr(results)
    numbers = re.findall(r"\d+(?:\.\d+)?", re.sub(r"(?<=\d),(?=\d{3})", "", known))
    return {*numbers, *(number.removesuffix(".0") for number in numbers)}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_every_number_in_a_solution_is_computed_or_given(path):
    chapter = chapters()[int(path.stem[2:])]
    (notebook,) = BOOK.glob(f"{path.stem[2:]}_*.ipynb")
    shown = {place.number for place in places(notebook) if " code " not in place.name}
    unknown = {}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for function in tree.body:
        for decorator in getattr(function, "decorator_list", []):
            if not isinstance(decorator, ast.Call):  # such as functools.cache
                continue
            said = prose_numbers(texts(decorator).get("reasoning", ""))
            strange = set(said) - given(chapter, decorator, function.name) - shown
            if strange:
                unknown[function.name] = strange
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Essay":
            strange = set(prose_numbers(texts(call)["good_answer"])) - given(chapter, call, "") - shown
            if strange:
                unknown[texts(call)["title"]] = strange
    assert not unknown, f"numbers in the reasoning that nothing computes: {unknown}"
