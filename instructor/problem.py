"""What an assignment is made of: problems with named parts, each with points, hidden cases and known mistakes.

Cases, answers and comparisons know plain built-in values only (what JSON can carry), so that an answer can come from
another process, and no object of a student's ever meets ours.
"""

from __future__ import annotations

import ast
import hashlib
import hmac
import inspect
import json
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, TypeAlias

Case: TypeAlias = tuple[Any, ...]  # the arguments of one call
# {"value": ...} or {"error": name of the exception} or {"unreadable": top module of its type} or {"missing": True}
Outcome: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """Points that are earned together or not at all.

    Attributes:
        name: what the part asks for; feedback says it.
        points: given if every case is right.
        cases: hidden calls.
        objection: for a question with many right answers: called with a plain answer and the arguments, it says what
            is wrong, or returns None. Without it an answer must equal the solution's.
    """

    name: str
    points: int
    cases: tuple[Case, ...]
    objection: Callable[..., str | None] | None = None


@dataclass(frozen=True)
class Problem:
    """One question: the answer is a function, written once as `solution`.

    Attributes:
        task: Markdown, a heading first.
        solution: its name, signature and docstring become the stub, its source the solution.
        mistakes: functions like it, each wrong in a way that students are; the docstring is what feedback says.
        parts: what is graded.
        examples: calls that the student sees, with their answers.
        self_check: code for the student instead of examples, where a question has many right answers.
        imports: what stands above the function, in the stub too.
        probe: if the answer cannot be compared as it is (a module): ``probe(answer, *case)`` runs in the worker and
            returns plain values, None for no answer. It is sent and handed out as source, so it imports what it needs.
        start: the stub, if it is more than the solution's first lines and docstring.
    """

    task: str
    solution: Callable[..., Any]
    mistakes: tuple[Callable[..., Any], ...]
    parts: tuple[Part, ...]
    examples: tuple[Case, ...]
    probe: Callable[..., Any] | None = None
    self_check: str = ""
    imports: str = ""
    start: str = ""

    @property
    def name(self) -> str:
        return self.solution.__name__

    @property
    def title(self) -> str:
        return self.task.lstrip("# ").partition("\n")[0]

    @property
    def points(self) -> int:
        return sum(part.points for part in self.parts)

    @property
    def stub(self) -> str:
        """The solution's first lines and docstring, and ``...``."""
        if self.start:
            return self.start
        text = source(self.solution)
        docstring = ast.parse(text).body[0].body[0]
        return self._with_imports("\n".join([*text.splitlines()[: docstring.end_lineno], "    ..."]))

    @property
    def answer(self) -> str:
        """The solution as a cell."""
        return self._with_imports(source(self.solution))

    def _with_imports(self, text: str) -> str:
        return f"{self.imports}\n\n\n{text}" if self.imports else text

    def outcome(self, answer: Callable[..., Any], case: Case) -> Outcome:
        """What ``answer``, which we trust, gives for ``case``: as the worker would report it."""
        arguments = plain(case)
        try:
            return {"value": plain(self.probe(answer, *arguments) if self.probe else answer(*arguments))}
        except Exception as error:
            return {"error": type(error).__name__}


@dataclass(frozen=True)
class ByHand:
    """A question that a person marks.

    Attributes:
        rubric: rows of (what to look for, points).
        levels: for each row what earns all of its points, one less, and so on down to none.
    """

    task: str
    rubric: tuple[tuple[str, int], ...]
    levels: tuple[tuple[str, ...], ...] = ()

    @property
    def title(self) -> str:
        return self.task.lstrip("# ").partition("\n")[0]

    @property
    def points(self) -> int:
        return sum(points for _, points in self.rubric)


@dataclass(frozen=True)
class Talk:
    """What is said rather than typed.

    Attributes:
        prediction: a question that the student answers with a guess, before everything else.
        questions: for five minutes with the student: (question, what a good answer says).
    """

    prediction: str
    questions: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Assignment:
    """Problems for one hand-out, with the numbers of one class."""

    name: str
    title: str
    introduction: str
    problems: tuple[Problem, ...]
    by_hand: tuple[ByHand, ...] = ()
    packages: tuple[str, ...] = ()  # imported before a submission's time begins to count
    talk: Talk | None = None

    @property
    def memory_mib(self) -> int:
        """What a worker may take on top of what its packages take."""
        return 1024

    @property
    def points(self) -> int:
        """What the grader can give; questions marked by hand come on top."""
        return sum(problem.points for problem in self.problems)


def draw(seed: str, *what: str) -> Random:
    """Numbers for ``what``, the same on every machine and in every version of Python that we support."""
    return Random("/".join([seed, *what]))


def until(make: Callable[[], Any], is_good: Callable[[Any], bool]) -> Any:
    """The first of many draws that is good."""
    return next(drawn for drawn in (make() for _ in range(100_000)) if is_good(drawn))


def seed_for(seed: str, student: str) -> str:
    """The seed of one student: nobody can tell it, nor another's, without the class's."""
    return hmac.new(seed.encode(), student.strip().casefold().encode(), hashlib.sha256).hexdigest()


def source(function: Callable[..., Any]) -> str:
    return textwrap.dedent(inspect.getsource(function)).rstrip("\n")


def plain(value: Any) -> Any:
    """``value`` as it looks after a trip through JSON: tuples become lists."""
    return json.loads(json.dumps(value))


def same(expected: Any, got: Any, tolerance: float = 1e-4) -> bool:
    """Equal values of equal types, all the way down; where a float is expected, about equal, and an integer will do."""
    if type(expected) is float:
        margin = 1e-5 + tolerance * abs(expected)  # compared, not subtracted: an integer can be beyond every float
        return type(got) in (int, float) and expected - margin <= got <= expected + margin
    if type(expected) is not type(got):
        return False
    if type(expected) is list:
        return len(expected) == len(got) and all(same(*pair, tolerance) for pair in zip(expected, got, strict=True))
    if type(expected) is dict:
        return expected.keys() == got.keys() and all(same(expected[key], got[key], tolerance) for key in expected)
    return expected == got
