"""Marks submissions: asks a worker for the answers, compares them here, and finds the mistakes that explain the wrong.

An answer is a plain value by the time that it is compared, so nothing of a student's runs in this process.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from os import cpu_count

from instructor.problem import Assignment, Outcome, Part, Problem, same, source
from instructor.sandbox import StoppedError, Worker
from instructor.submissions import Submission, UnreadableError, printable, readable

UNKNOWN = "Wrong for at least one hidden case. Work out a small case of this kind by hand, and compare."
NO_ANSWER: Outcome = {"missing": True}
KINDS = {bool: "True or False", int: "a whole number", float: "a floating-point number", str: "a string"}
KINDS |= {list: "a list", dict: "a dictionary"}
ERRORS = ("ArithmeticError", "AssertionError", "AttributeError", "EOFError", "FileNotFoundError", "ImportError")
ERRORS += ("IndexError", "KeyError", "MemoryError", "ModuleNotFoundError", "NameError", "NotImplementedError")
ERRORS += ("OSError", "OverflowError", "RecursionError", "RuntimeError", "StopIteration", "SystemExit", "TypeError")
ERRORS += ("UnboundLocalError", "ValueError", "ZeroDivisionError")


@dataclass(frozen=True)
class Mark:
    """What one part earned, and what there is to say about it; nothing if it is right."""

    problem: str
    part: str
    points: int
    of: int
    comment: str = ""


@dataclass
class Graded:
    """One submission with its marks and remarks about it as a whole.

    Attributes:
        texts: what the student wrote to each question that a person marks.
        failure: why the grader itself failed.
    """

    student: str
    file: str
    marks: list[Mark] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    failure: str = ""

    @property
    def points(self) -> int:
        return sum(mark.points for mark in self.marks)


class Key:
    """What the solution and every known mistake give for the hidden cases of one problem: computed once for a class."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.expected = self._outcomes(problem.solution)
        self.mistakes = {sentence(mistake): self._outcomes(mistake) for mistake in problem.mistakes}

    def _outcomes(self, answer) -> dict[str, list[Outcome]]:
        parts = self.problem.parts
        return {part.name: [self.problem.outcome(answer, case) for case in part.cases] for part in parts}

    def mark(self, outcomes: dict[str, list[Outcome]]) -> list[Mark]:
        """Marks for each part, all or nothing, from the outcomes of its cases."""
        return [self._mark_part(part, outcomes) for part in self.problem.parts]

    def _mark_part(self, part: Part, outcomes: dict[str, list[Outcome]]) -> Mark:
        got = outcomes[part.name]
        if part.objection:
            comments = [object_to(part, outcome, case) for outcome, case in zip(got, part.cases, strict=True)]
        else:
            comments = [compare(*pair) for pair in zip(self.expected[part.name], got, strict=True)]
        comment = next(filter(None, comments), "")
        if not comment:
            return Mark(self.problem.title, part.name, part.points, part.points)
        return Mark(self.problem.title, part.name, 0, part.points, self._mistake(part, outcomes) or comment)

    def _mistake(self, part: Part, outcomes: dict[str, list[Outcome]]) -> str | None:
        """The known mistake that gives the same outcomes on this part, and of several the one that fits best elsewhere.

        At least one wrong value must be the same: two errors of one kind say little.
        """
        found, best = None, 0
        for comment, mistaken in self.mistakes.items():
            if not all(map(alike, mistaken[part.name], outcomes[part.name])):
                continue
            cases = [
                case
                for name in mistaken
                for case in zip(mistaken[name], self.expected[name], outcomes[name], strict=True)
            ]
            fits = sum(alike(mistake, got) for mistake, _, got in cases)
            if fits > best and any(
                "value" in mistake and alike(mistake, got) and not alike(right, mistake)
                for mistake, right, got in cases
            ):
                found, best = comment, fits
        return found


def sentence(mistake) -> str:
    """What feedback says about a mistake: its docstring, on one line."""
    return " ".join(mistake.__doc__.split())


def alike(expected: Outcome, got: Outcome) -> bool:
    if "value" in expected:
        return "value" in got and same(expected["value"], got["value"])
    return expected.get("error") == got.get("error")


def compare(expected: Outcome, got: Outcome) -> str:
    """What is wrong with one outcome, without telling the hidden case; nothing if it is right."""
    if comment := no_value(got):
        return comment
    right, value = expected["value"], got["value"]
    if same(right, value):
        return ""
    if type(right) is int and type(value) is float and value == right:
        return "The number is right, but it is a float. Counts are whole numbers: use // instead of /."
    if type(right) is not type(value) and not (type(right) is float and type(value) is int):
        return f"The answer is {KINDS[type(value)]} and must be {KINDS[type(right)]}, in at least one hidden case."
    if same(right, value, tolerance=0.01):
        return "Nearly right for at least one hidden case. Is something rounded, at the end or on the way?"
    return UNKNOWN


def object_to(part: Part, got: Outcome, case: tuple) -> str:
    if comment := no_value(got):
        return comment
    return part.objection(got["value"], *case) or ""


def no_value(got: Outcome) -> str:
    """Says why there is no answer to compare. Only fixed words: an error's own text could tell a hidden case."""
    if "stopped" in got:
        return f"No answer: {got['stopped']}."
    if "error" in got:
        error = got["error"] if got["error"] in ERRORS else "exception"
        return f"Your function raised an error for at least one hidden case ({error})."
    if "unreadable" in got:
        kind = f"from {got['unreadable']}" if got["unreadable"] in ("numpy", "torch") else "of another kind"
        return (
            f"The answer is an object {kind}. It must be made of plain numbers, strings, lists and dictionaries: "
            "convert it, for instance with `int(...)` or `.tolist()`."
        )
    if "value" not in got:
        return "Not answered: no function with the name that the question gives is filled in."
    if got["value"] is None:
        return "Your function returns nothing for at least one hidden case. Is a `return` missing?"
    return ""


@dataclass(frozen=True)
class Grader:
    """Grades submissions to one assignment.

    Attributes:
        seconds: for the notebook's cells, and for each part.
        sandboxed: False runs students' code as you, with all that you may do.
    """

    assignment: Assignment
    seconds: float = 10
    sandboxed: bool = True

    def grade_all(self, submissions: list[Submission]) -> Iterator[Graded]:
        """Grade side by side, one on each processor; results come in the order of the submissions."""
        keys = [Key(problem) for problem in self.assignment.problems]
        with ThreadPoolExecutor(cpu_count()) as pool:
            yield from pool.map(partial(self._grade, keys), submissions)

    def _grade(self, keys: list[Key], submission: Submission) -> Graded:
        file = readable(submission.notebook.name) if submission.notebook else ""
        graded = Graded(submission.student, file)
        others = [readable(path.name) for path in submission.others[:20]]
        graded.remarks += [f"Another file of yours was not graded: {name}" for name in others]
        outcomes = {(problem.name, part.name): [NO_ANSWER] * len(part.cases) for problem, part in self._parts()}
        try:
            self._collect(submission.read(), graded, outcomes)
        except UnreadableError as error:
            graded.remarks.append(str(error))
        except Exception as error:  # whatever it is, the others must be graded
            graded.failure = f"{type(error).__name__}: {error}"
        for key in keys:
            graded.marks += key.mark({part.name: outcomes[key.problem.name, part.name] for part in key.problem.parts})
        return graded

    def _parts(self) -> list[tuple[Problem, Part]]:
        return [(problem, part) for problem in self.assignment.problems for part in problem.parts]

    def _collect(self, notebook: str, graded: Graded, outcomes: dict[tuple[str, str], list[Outcome]]) -> None:
        """Fill in ``outcomes``, and the remarks and texts of ``graded``.

        A cell or a part that ends the worker is left out from then on, and a new worker goes on with the rest. So it
        costs its own points, and no others.
        """
        waiting = self._parts()
        skip: dict[int, str] = {}
        errors: dict[str, str] = {}
        for _ in range(len(waiting) + 5):  # more workers than that, one notebook does not get
            if not waiting:
                break
            with self._worker() as worker:
                try:
                    loaded = worker.ask(
                        {
                            "notebook": notebook,
                            "problems": [problem.name for problem in self.assignment.problems],
                            "by_hand": [question.title for question in self.assignment.by_hand],
                            "skip": list(skip),
                        },
                        self.seconds,
                    )
                except StoppedError as stopped:
                    cell = worker.running_cell  # what the worker says, so it may be anything
                    if type(cell) is not int or not 0 <= cell < 10**6 or cell in skip:
                        raise UnreadableError("Your notebook could not be read.") from stopped
                    skip[cell] = str(stopped)
                    continue
                if "errors" not in loaded:
                    raise UnreadableError("Your file is empty, or damaged, or not a notebook: does it open in Colab?")
                errors = loaded["errors"] if type(loaded["errors"]) is dict else {}
                texts = loaded.get("texts") if type(loaded.get("texts")) is list else []
                graded.texts = [text for text in texts if type(text) is str]
                while waiting:
                    problem, part = waiting.pop(0)
                    stopped = self._ask_part(worker, problem, part, outcomes[problem.name, part.name])
                    if stopped:
                        break
        for problem, part in waiting:
            outcomes[problem.name, part.name][:] = [{"stopped": "the notebook was stopped too often"}] * len(part.cases)
        failed = {**errors, **{str(index + 1): text for index, text in skip.items()}}
        graded.remarks += [
            f"Code cell {number[:6]} failed: {printable(text)[:300]}"
            for number, text in failed.items()
            if number.isdecimal() and type(text) is str
        ][:20]

    def _ask_part(self, worker: Worker, problem: Problem, part: Part, outcomes: list[Outcome]) -> bool:
        """Fill in the outcomes of one part; True if that was the end of the worker."""
        deadline = time.monotonic() + self.seconds
        for index, case in enumerate(part.cases):
            request = {"problem": problem.name, "arguments": case, "probe": None}
            if problem.probe:
                request |= {"probe": source(problem.probe), "probe_name": problem.probe.__name__}
            try:
                reply = worker.ask(request, deadline - time.monotonic())
                # Nothing else: whoever has taken the worker over knows this case, and a comment must not tell it.
                outcomes[index] = {name: reply[name] for name in ("value", "error", "unreadable") if name in reply}
            except StoppedError as stopped:
                outcomes[index:] = [{"stopped": str(stopped)}] * (len(part.cases) - index)
                return True
        return False

    def _worker(self) -> Worker:
        packages = self.assignment.packages
        return Worker(sandboxed=self.sandboxed, memory_mib=self.assignment.memory_mib, packages=packages)
