"""Marks submissions: asks a worker for the answers, compares them here, and finds the mistakes that explain the wrong.

An answer is a plain value by the time that it is compared, so nothing of a student's runs in this process.
"""

from __future__ import annotations

import json
import os
import platform
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from instructor.problem import Assignment, Outcome, Part, Problem, same
from instructor.running import Session
from instructor.sandbox import HELPFUL, PICTURES, SandboxError, Stock, check_sandbox
from instructor.submissions import Delivery, Submission, UnreadableError, printable, readable

UNKNOWN = "Wrong for at least one hidden case. Work out a small case of this kind by hand, and compare."
PROBING = threading.Lock()  # a probe may set PyTorch's random numbers, which all threads share
NO_ANSWER: Outcome = {"missing": True}
SHOWN_AT_MOST = 300  # characters of a case or an answer that staff see
KINDS = {bool: "True or False", int: "a whole number", float: "a floating-point number", str: "a string"}
KINDS |= {list: "a list", dict: "a dictionary"}


@dataclass(frozen=True)
class Mark:
    """What one part earned, and what there is to say about it; nothing if it is right."""

    problem: str
    part: str
    points: int
    of: int
    comment: str = ""
    error: str = ""  # the class of an error in a hidden case: for staff, it could tell the case
    case: str = ""  # for staff as well: the first hidden case that is wrong, what was expected, and what came
    expected: str = ""
    got: str = ""


@dataclass
class Graded:
    """One submission with its marks and remarks about it as a whole.

    Attributes:
        remarks: for the student.
        for_staff: what a person should look at; the student does not see it.
        texts: what the student wrote to each question that a person marks.
        failure: why the grader itself failed.
        digest: of the file that was graded.
        timeouts: what took too long. As long as ``is_final`` is false, it will be run once more.
        is_another: the notebook is of another assignment.
        delivery: what the learning platform says about the submission.
    """

    student: str
    file: str
    marks: list[Mark] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    for_staff: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    failure: str = ""
    digest: str = ""
    timeouts: list[str] = field(default_factory=list)
    is_final: bool = True
    is_another: bool = False
    delivery: Delivery = field(default_factory=Delivery)

    @property
    def points(self) -> int:
        return sum(mark.points for mark in self.marks)


@dataclass(frozen=True)
class Verdict:
    """What is kept of the outcome of one case, so that an answer can be forgotten as soon as it has come.

    Attributes:
        comment: what is wrong; nothing if it is right.
        fits: the known mistakes that give the same.
        telling: those among them that give a wrong value, not just the same kind of error.
        error: the class of the error.
        case: the arguments, what was expected and what came, cut short; nothing if it is right.
    """

    comment: str = ""
    fits: frozenset[str] = frozenset()
    telling: frozenset[str] = frozenset()
    error: str = ""
    case: tuple[str, str, str] = ("", "", "")


class Key:
    """What the solution and every known mistake give for the hidden cases of one problem: computed once for a class."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        with PROBING:
            self.expected = self._outcomes(problem.solution)
            self.examples = [problem.outcome(problem.solution, case) for case in problem.examples]

    @cached_property
    def mistakes(self) -> dict[str, dict[str, list[Outcome]]]:
        """Not computed before something is wrong: each student's own numbers need a key of their own."""
        with PROBING:
            return {sentence(mistake): self._outcomes(mistake) for mistake in self.problem.mistakes}

    def _outcomes(self, answer) -> dict[str, list[Outcome]]:
        parts = self.problem.parts
        return {part.name: [self.problem.outcome(answer, case) for case in part.cases] for part in parts}

    def judge(self, part: Part, index: int, got: Outcome) -> Verdict:
        """Compare the outcome of one case with what the solution and the mistakes give."""
        expected = self.expected[part.name][index]
        comment = object_to(part, got, part.cases[index]) if part.objection else compare(expected, got)
        if not comment and not part.objection:
            return Verdict()  # what fits the solution can be looked up when it is needed
        gives = {name: mistaken[part.name][index] for name, mistaken in self.mistakes.items()}
        fits = frozenset(name for name, outcome in gives.items() if alike(outcome, got))
        telling = frozenset(name for name in fits if "value" in gives[name] and not alike(expected, gives[name]))
        error = got.get("error") if type(got.get("error")) is str else ""
        case = (short(part.cases[index]), short_outcome(expected), short_outcome(got)) if comment else ("", "", "")
        return Verdict(comment, fits, telling, printable(error)[:40], case)

    def passes_example(self, index: int, got: Outcome) -> bool:
        return not compare(self.examples[index], got)

    def mark(self, outcomes: dict[str, list[Outcome]]) -> list[Mark]:
        """Marks for each part, all or nothing, from the outcomes of its cases."""
        return self.mark_judged(
            {
                part.name: [self.judge(part, index, got) for index, got in enumerate(outcomes[part.name])]
                for part in self.problem.parts
            }
        )

    def mark_judged(self, verdicts: dict[str, list[Verdict]]) -> list[Mark]:
        return [self._mark_part(part, verdicts) for part in self.problem.parts]

    def _mark_part(self, part: Part, verdicts: dict[str, list[Verdict]]) -> Mark:
        wrong = [verdict for verdict in verdicts[part.name] if verdict.comment]
        if not wrong:
            return Mark(self.problem.title, part.name, part.points, part.points)
        comment = self._mistake(part, verdicts) or wrong[0].comment
        error = next((verdict.error for verdict in wrong if verdict.error), "")
        return Mark(self.problem.title, part.name, 0, part.points, comment, error, *wrong[0].case)

    def _looked_up(self, part: Part, verdicts: list[Verdict]) -> list[Verdict]:
        """Verdicts on one part, those that say nothing with the mistakes that give what the solution gives."""
        found = []
        for index, verdict in enumerate(verdicts):
            if verdict == Verdict() and not part.objection:
                expected = self.expected[part.name][index]
                gives = {name: mistaken[part.name][index] for name, mistaken in self.mistakes.items()}
                verdict = Verdict(fits=frozenset(name for name, outcome in gives.items() if alike(outcome, expected)))
            found.append(verdict)
        return found

    def _mistake(self, part: Part, verdicts: dict[str, list[Verdict]]) -> str | None:
        """The known mistake that gives the same outcomes on this part, and of several the one that fits best elsewhere.

        At least one wrong value must be the same: two errors of one kind say little.
        """
        verdicts = {each.name: self._looked_up(each, verdicts[each.name]) for each in self.problem.parts}
        everywhere = [verdict for several in verdicts.values() for verdict in several]
        found, best = None, 0
        for comment in self.mistakes:
            if not all(comment in verdict.fits for verdict in verdicts[part.name]):
                continue
            fits = sum(comment in verdict.fits for verdict in everywhere)
            if fits > best and any(comment in verdict.telling for verdict in everywhere):
                found, best = comment, fits
        return found


def short(value: object) -> str:
    """A value as text that fits a cell of a table."""
    text = printable(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= SHOWN_AT_MOST else f"{text[:SHOWN_AT_MOST]} …"


def short_outcome(outcome: Outcome) -> str:
    """What a case gave, for staff: the value, or the reason why there is none."""
    if "value" in outcome:
        return short(outcome["value"])
    if "error" in outcome:
        return f"an error: {printable(str(outcome['error']))[:40]}"
    if "unreadable" in outcome:
        return "an object that is no plain value"
    return str(outcome.get("stopped", "no answer"))


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
        return "Your function raised an error for at least one hidden case. Try it on more inputs of this kind."
    if "unreadable" in got:
        kind = f"from {got['unreadable']}" if got["unreadable"] in ("numpy", "torch") else "of another kind"
        return (
            f"The answer is an object {kind}. It must be made of plain numbers, strings, lists and dictionaries: "
            "convert it, for instance with `int(...)` or `.tolist()`."
        )
    if "too_new" in got:
        return (
            f"Your cell could not be read by Python {platform.python_version()}, which grades: "
            "it seems to be written for a newer one. Write it so that both read it, or ask for a grader that reads it."
        )
    if "value" not in got:
        return "Not answered: no function with the name that the question gives is filled in."
    if got["value"] is None:
        return "Your function returns nothing for at least one hidden case. Is a `return` missing?"
    return ""


@dataclass
class Grader:
    """Grades submissions to one assignment.

    Attributes:
        seconds: of processor time for the notebook's cells, and for each part.
        sandboxed: False runs students' code as you, with all that you may do.
        jobs: how many submissions are graded side by side.
        hidden: folders that no student's code may see.
        ours: the Markdown of the hand-out.
        setup: its set-up cell, which is not run unless the student has changed it.
        variant: the assignment with the numbers of one student.
    """

    assignment: Assignment
    seconds: float = 10
    sandboxed: bool = True
    jobs: int = 0
    hidden: tuple[Path, ...] = ()
    ours: list[str] = field(default_factory=list)
    setup: str = ""
    variant: Callable[[str], Assignment] | None = None
    stopping: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def grade_all(self, submissions: list[Submission]) -> Iterator[Graded]:
        """Yield each result when it is known.

        What took too long is run once more when nothing else runs, and its result is yielded again.
        """
        self.keys = [Key(problem) for problem in self.assignment.problems]
        self.stock, self.pictures = self._stock(), None
        again = []
        pool = ThreadPoolExecutor(self.jobs or processors())
        try:
            futures = {pool.submit(self._grade, submission): submission for submission in submissions}
            for future in as_completed(futures):
                graded = future.result()
                graded.is_final = not graded.timeouts
                if graded.timeouts:
                    again.append((futures[future], graded))
                yield graded
            for submission, first in again:
                yield better(first, self._grade(submission, again=True))
        finally:
            self.stopping.set()
            pool.shutdown(cancel_futures=True)
            for stock in filter(None, (self.stock, self.pictures)):
                stock.close()

    def _stock(self) -> Stock | None:
        """A process that forks workers, if they can enter a sandbox here; without it each starts on its own."""
        stock = None
        try:
            stock = Stock(self.assignment.packages)
            if self.sandboxed:
                check_sandbox(self.hidden, stock)
        except SandboxError:
            if stock:
                stock.close()
            return None
        return stock

    def stock_with_pictures(self) -> Stock:
        """One for the notebooks that import what draws: it is large, and the others are faster without it."""
        with self.lock:
            self.pictures = self.pictures or Stock(self.assignment.packages, (*HELPFUL, *PICTURES))
            return self.pictures

    def _grade(self, submission: Submission, again: bool = False) -> Graded:
        file = readable(submission.notebook.name) if submission.notebook else ""
        graded = Graded(submission.student, file, digest=submission.digest(), delivery=submission.delivery)
        graded.remarks += submission.remarks
        graded.for_staff += submission.for_staff
        others = [readable(path.name) for path in submission.others[:20]]
        graded.remarks += [f"Another file of yours was not graded: {name}" for name in others]
        keys, verdicts = self.keys, {}
        try:
            descriptor = submission.open()
            try:
                with Session(self, descriptor, graded, again) as session:
                    session.look()
                    keys = self._keys_of(session, graded)
                    for key in keys:
                        verdicts[key.problem.name] = session.judge(key)
            finally:
                os.close(descriptor)
        except UnreadableError as error:
            graded.remarks.append(str(error))
        except Exception as error:  # whatever it is, the others must be graded
            graded.failure = f"{type(error).__name__}: {error}"
        for key in keys:
            nothing = {
                part.name: [key.judge(part, index, NO_ANSWER) for index in range(len(part.cases))]
                for part in key.problem.parts
            }
            graded.marks += key.mark_judged(verdicts.get(key.problem.name, nothing))
        return graded

    def _keys_of(self, session: Session, graded: Graded) -> list[Key]:
        """The class's keys, or those of the student whose number the notebook carries."""
        if not self.variant or not session.student:
            return self.keys
        if not is_named(session.student, graded.student):
            graded.for_staff.append(f"This hand-out was made for {printable(session.student)}.")
        return [Key(problem) for problem in self.variant(session.student).problems]


def is_named(student: str, text: str) -> bool:
    """Whether all words of a student's name or number stand in ``text``; a platform may write ``doejane`` there."""
    return all(word in text.casefold() for word in re.findall(r"\w+", student.casefold()))


def better(first: Graded, second: Graded) -> Graded:
    """Of two runs of one submission, of which the first was interrupted, the better result of each part."""
    kept = second if second.points >= first.points and not second.failure else first
    other = first if kept is second else second
    if not other.failure:
        kept.marks = [max(pair, key=lambda mark: mark.points) for pair in zip(kept.marks, other.marks, strict=True)]
    said = "also when it ran alone" if second.timeouts else "but not when it ran alone, which is what counts"
    kept.for_staff += [f"Took too long: {what}; {said}." for what in first.timeouts]
    kept.is_final = True
    return kept


def processors() -> int:
    """How many processors this process may use."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return allowed
    return allowed if quota == "max" else max(1, min(allowed, round(int(quota) / int(period))))
