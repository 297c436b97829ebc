"""Reads an assignment that somebody has written in a notebook, and checks it as the book's own are checked.

What a cell is for stands in its tags. A question begins with its ``statement``, and what follows belongs to it:

==============  ========  ============================================================================================
tag             cell      what is in it
==============  ========  ============================================================================================
introduction    Markdown  once, at the top: ``# Title`` and a few sentences
statement       Markdown  ``## Heading`` and the question
solution        code      one function with a docstring; it stands alone, with its imports above it
stub            code      what the student finds, if it is more than the solution's first lines and docstring
examples        code      ``examples = [(arguments), …]``, which the student sees with their answers
cases           code      ``parts = {"name": (points, [(arguments), …]), …}``, which nobody sees
mistakes        code      a function for each mistake that you know; its docstring is what the student is told
rubric          code      instead of all code, for a person to mark: ``rubric = [("what to look for", points,
                          ["what earns all", …, "none"]), …]``; the texts may be left out, in all rows
==============  ========  ============================================================================================

Cells without such a tag are not read. ``random`` is there in ``examples`` and ``cases``: it follows the class's seed.
So that you can run the notebook yourself, make one in a cell without a tag: ``random = Random(1)``.
The notebook is run as you: take it from nobody whose code you would not run.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat

from instructor.grading import Key, alike, sentence
from instructor.problem import Assignment, ByHand, Part, Problem, draw, plain, same

TAGS = ("introduction", "statement", "solution", "stub", "examples", "cases", "mistakes", "rubric")
SEEDS = ("one seed", "another seed", "a third seed")


@dataclass
class Section:
    """One question: its text, and its code by tag."""

    statement: str
    code: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return self.statement.lstrip("# ").partition("\n")[0]


class Written:
    """An assignment in a notebook: call it with a seed, as you call one of the book's own.

    Raises:
        OSError: the file cannot be read, or something is missing in it; the message says where.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, path.stem
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise OSError(
                f"{path}: the file's name is the assignment's, so it must be of the letters a-z, digits and _."
            )
        try:
            notebook = nbformat.read(path, as_version=4)
        except (ValueError, nbformat.ValidationError) as error:
            raise OSError(f"{path} is no notebook: {error}") from error
        self.introduction, self.sections = "", []
        for cell in notebook.cells:
            self._read(cell)
        if not self.sections:
            raise self._wrong("no cell has the tag 'statement'")
        if not self.introduction.startswith("# "):
            raise self._wrong("no cell with the tag 'introduction' begins with '# ' and a title")

    def _read(self, cell) -> None:
        tags = [tag for tag in cell.metadata.get("tags", []) if tag in TAGS]
        if not tags:
            return
        tag, source = tags[0], cell.source.strip()
        if tag == "introduction":
            self.introduction = source
        elif tag == "statement":
            self.sections.append(Section(source))
        elif not self.sections:
            raise self._wrong(f"a cell with the tag {tag!r} stands above the first statement")
        elif tag in self.sections[-1].code:
            raise self._wrong(f"{self.sections[-1].title!r} has two cells with the tag {tag!r}")
        else:
            self.sections[-1].code[tag] = source

    def _wrong(self, what: str) -> OSError:
        return OSError(f"{self.path.name}: {what}.")

    def __call__(self, seed: str) -> Assignment:
        title, _, introduction = self.introduction.partition("\n")
        made = [self._question(section, seed) for section in self.sections]
        problems = tuple(each for each in made if isinstance(each, Problem))
        by_hand = tuple(each for each in made if isinstance(each, ByHand))
        uses_torch = any(re.search(r"(?m)^\s*(import|from) torch\b", "\n".join(s.code.values())) for s in self.sections)
        packages = ("torch",) if uses_torch else ()
        return Assignment(self.name, title.lstrip("# "), introduction.strip(), problems, by_hand, packages)

    def _question(self, section: Section, seed: str) -> Problem | ByHand:
        if "rubric" in section.code:
            rubric = self._run(section, "rubric", {}, seed).get("rubric")
            if not (isinstance(rubric, list) and rubric and all(map(_is_row, rubric))):
                raise self._wrong(
                    f"{section.title!r} needs rubric = [('what to look for', points, ['what earns all', 'none']), ...]"
                    ", with a text for each number of points, or without any"
                )
            levels = tuple(tuple(row[2]) for row in rubric if len(row) == 3)
            rows = tuple((what, points) for what, points, *_ in rubric)
            return ByHand(f"{section.statement}\n\n*(your text)*", rows, levels if len(levels) == len(rows) else ())
        for tag in ("solution", "examples", "cases"):
            if tag not in section.code:
                raise self._wrong(f"{section.title!r} has no cell with the tag {tag!r}")
        namespace = self._run(section, "solution", {}, seed)
        (solution, imports) = self._one_function(section, namespace)
        mistakes = self._mistakes(section, namespace, seed)
        examples = self._run(section, "examples", namespace, seed).get("examples")
        parts = self._run(section, "cases", namespace, seed).get("parts")
        if not (isinstance(examples, list) and examples and all(isinstance(case, tuple) for case in examples)):
            raise self._wrong(f"{section.title!r} needs examples = [(arguments), ...], each in round brackets")
        return Problem(
            section.statement,
            solution,
            mistakes,
            self._parts(section, parts),
            tuple(examples),
            imports=imports,
            start=section.code.get("stub", ""),
        )

    def _run(self, section: Section, tag: str, namespace: dict[str, Any], seed: str) -> dict[str, Any]:
        """What is defined after a cell was run; its source can be looked up afterwards, as that of a module can."""
        source, name = section.code[tag], f"<{self.path.name}, {section.title}, {tag}>"
        linecache.cache[name] = (len(source), None, [f"{line}\n" for line in source.splitlines()], name)
        new = {**namespace, "random": draw(seed, self.name, section.title, tag), "__name__": name}
        try:
            exec(compile(source, name, "exec"), new)
        except Exception as error:
            line = error.lineno if isinstance(error, SyntaxError) else _line(error, name)
            raise self._wrong(
                f"{section.title!r}, the cell {tag!r}, line {line}: {type(error).__name__}: {error}"
            ) from error
        return new

    def _one_function(self, section: Section, namespace: dict[str, Any]) -> tuple[Callable, str]:
        """The solution, and what stands above it."""
        source = section.code["solution"]
        found = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
        if len(found) != 1 or not ast.get_docstring(found[0]):
            raise self._wrong(f"{section.title!r}: the solution must be one function with a docstring")
        above = "\n".join(source.splitlines()[: found[0].lineno - 1]).strip()
        return namespace[found[0].name], above

    def _mistakes(self, section: Section, namespace: dict[str, Any], seed: str) -> tuple[Callable, ...]:
        if "mistakes" not in section.code:
            return ()
        new = self._run(section, "mistakes", namespace, seed)
        nodes = [node for node in ast.parse(section.code["mistakes"]).body if isinstance(node, ast.FunctionDef)]
        found = [new[node.name] for node in nodes if not node.name.startswith("_")]
        for mistake in found:
            if not mistake.__doc__:
                raise self._wrong(f"{section.title!r}: the mistake {mistake.__name__} has no docstring to tell")
        return tuple(found)

    def _parts(self, section: Section, parts: object) -> tuple[Part, ...]:
        if not (isinstance(parts, dict) and parts and all(map(_is_part, parts.values()))):
            raise self._wrong(f"{section.title!r} needs parts = {{'name': (points, [(arguments), ...]), ...}}")
        return tuple(Part(name, points, tuple(cases)) for name, (points, cases) in parts.items())


def _is_row(row: object) -> bool:
    if not (isinstance(row, tuple) and len(row) in (2, 3) and isinstance(row[0], str) and type(row[1]) is int):
        return False
    return row[1] > 0 and (len(row) == 2 or (isinstance(row[2], list) and len(row[2]) == row[1] + 1))


def _is_part(part: object) -> bool:
    if not (isinstance(part, tuple) and len(part) == 2 and type(part[0]) is int and part[0] > 0):
        return False
    return isinstance(part[1], list) and bool(part[1]) and all(isinstance(case, tuple) for case in part[1])


def _line(error: Exception, name: str) -> int | None:
    trace, found = error.__traceback__, None
    while trace:
        if trace.tb_frame.f_code.co_filename == name:
            found = trace.tb_lineno
        trace = trace.tb_next
    return found


# Checking ---------------------------------------------------------------------------------------------------------


def complaints(make: Callable[[str], Assignment]) -> list[str]:
    """What is wrong with an assignment, in sentences: whether the book's own or somebody else's."""
    found: list[str] = []
    made = [make(seed) for seed in SEEDS]
    titles = [each.title for each in (*made[0].problems, *made[0].by_hand)]
    names = [problem.name for problem in made[0].problems]
    for what, those in (("heading", titles), ("function name", names)):
        found += [
            f"Two questions have the {what} {each!r}." for each in sorted({e for e in those if those.count(e) > 1})
        ]
    for index, problem in enumerate(made[0].problems):
        keys = [Key(each.problems[index]) for each in made]
        found += [f"{problem.title}: {line}" for line in dict.fromkeys(line for key in keys for line in _of(key))]
        found += _constants(keys)
        if all(_cases(key.problem) == _cases(problem) for key in keys):
            found.append(f"{problem.title}: the hidden cases are the same for every seed. Draw them with random.")
        again = make(SEEDS[0]).problems[index]
        if _cases(again) != _cases(problem):
            found.append(f"{problem.title}: one seed gives different cases each time. Draw them with random alone.")
    return found


def _constants(keys: list[Key]) -> list[str]:
    """Parts that one answer earns whatever the numbers are."""
    found = []
    for part in keys[0].problem.parts:
        values = [each.get("value") for key in keys for each in key.expected.get(part.name, [])]
        if not part.objection and all(same(values[0], value) for value in values[1:]):
            where = f"{keys[0].problem.title}: every answer in {part.name!r}"
            found.append(f"{where} is {values[0]!r}, so who always says that earns it.")
    return found


def _cases(problem: Problem) -> list:
    return plain([part.cases for part in problem.parts])


def _of(key: Key) -> list[str]:
    """What is wrong with one problem on one seed."""
    problem = key.problem
    if found := _without_answer(problem, key):
        return found
    return [*_solution(problem, key), *_stub(problem, key), *_known_mistakes(problem, key), *_hidden(problem)]


def _outcomes(problem: Problem, answer: Callable) -> dict[str, list]:
    return {part.name: [problem.outcome(answer, case) for case in part.cases] for part in problem.parts}


def _without_answer(problem: Problem, key: Key) -> list[str]:
    """The cases that the solution itself cannot answer, three at most: with them nothing else can be checked."""
    return [
        f"the solution has no answer in {part.name!r}, for {case}: {outcome.get('error', 'None')}."
        for part in problem.parts
        for case, outcome in zip(part.cases, key.expected[part.name], strict=True)
        if outcome.get("value") is None
    ][:3]


def _solution(problem: Problem, key: Key) -> list[str]:
    lost = [mark.part for mark in key.mark(_outcomes(problem, problem.solution)) if mark.points < mark.of]
    found = [f"the solution does not earn {part!r}." for part in lost]
    namespace: dict[str, Any] = {}
    try:
        exec(problem.answer, namespace)
        case = problem.parts[0].cases[0]
        if problem.outcome(namespace[problem.name], case) != key.expected[problem.parts[0].name][0]:
            raise NameError(problem.name)
    except Exception:
        found.append("the solution does not stand alone: put its imports above it, in the same cell.")
    return found


def _stub(problem: Problem, key: Key) -> list[str]:
    namespace: dict[str, Any] = {}
    try:
        exec(problem.stub, namespace)
        stub = namespace[problem.name]
    except Exception as error:
        return [f"the stub cannot be run, or has no function {problem.name}: {type(error).__name__}: {error}."]
    if inspect.signature(stub) != inspect.signature(problem.solution):
        return ["the stub has other arguments than the solution."]
    earned = [mark.part for mark in key.mark(_outcomes(problem, stub)) if mark.points]
    return [f"the stub earns {part!r} as it is." for part in earned]


def _known_mistakes(problem: Problem, key: Key) -> list[str]:
    """Each mistake must lose something, be told its own sentence there, and keep the rest."""
    found = []
    for mistake in problem.mistakes:
        wrong = _outcomes(problem, mistake)
        failed = {name for name in wrong if not all(map(alike, key.expected[name], wrong[name]))}
        if not failed:
            found.append(f"the mistake {mistake.__name__} gives the right answer in every case.")
        for mark in key.mark(wrong):
            if mark.part in failed and mark.comment != sentence(mistake):
                found.append(f"the mistake {mistake.__name__} is told in {mark.part!r}: {mark.comment}")
    return found


def _hidden(problem: Problem) -> list[str]:
    found = []
    if len({part.name for part in problem.parts}) < 2:
        found.append("there must be two parts or more, so that a part of the answer earns a part of the points.")
    hidden = [plain(case) for part in problem.parts for case in part.cases]
    found += [
        f"the example {example} is a hidden case as well." for example in problem.examples if plain(example) in hidden
    ]
    return found
