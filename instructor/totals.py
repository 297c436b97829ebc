"""What a student gets in the end: points of the grader and of a person, less what being late costs.

Three small files beside the grades are read, so that nothing is lost when somebody is graded again: ``marks.csv`` with
the marks by hand, ``late.csv`` with how many days each late student was late (change it for an extension), and
``rule.txt`` with the late rule.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from instructor.by_hand import Marked, code_of, raw, read_marks, text_code
from instructor.grading import Graded
from instructor.problem import Assignment
from instructor.tables import harmless, read_table, write_table

RULE = re.compile(r"(?P<percent>\d+(?:\.\d+)?) ?% (?:a|per) day(?:, (?:at most )?(?P<days>\d+) days?)?", re.IGNORECASE)
RULE_NAME, LATE_NAME = "rule.txt", "late.csv"


@dataclass(frozen=True)
class LateRule:
    """Each day that has begun costs ``percent`` of what was earned; after ``days`` nothing is left."""

    percent: float
    days: int | None = None

    def left(self, days_late: int) -> float:
        """The share of the points that remains."""
        if self.days is not None and days_late > self.days:
            return 0.0
        return max(0.0, 1 - self.percent / 100 * days_late)


def late_rule(text: str) -> LateRule:
    """Read ``10% a day, 3 days``.

    Raises:
        ValueError: it is no such rule.
    """
    match = RULE.fullmatch(text.strip())
    if not match or float(match["percent"]) > 100:
        raise ValueError(f"{text!r} must be like '10% a day, 3 days' or '10% a day'")
    return LateRule(float(match["percent"]), int(match["days"]) if match["days"] else None)


@dataclass(frozen=True)
class Total:
    """The result of one student.

    Attributes:
        marked: for each question that a person marks what was given, or None.
        days_late: days that have begun since it was due.
        left: the share of the points that being late leaves.
        points: what is left of all points; None as long as something is missing.
    """

    marked: tuple[Marked | None, ...]
    days_late: int
    left: float
    points: float | None


def out_of(assignment: Assignment) -> int:
    """All points that there are."""
    return assignment.points + sum(question.points for question in assignment.by_hand)


def totals(
    assignment: Assignment, results: list[Graded], folder: Path, typed: dict[str, list[str]] | None = None
) -> list[Total]:
    """The total of each student; ``typed`` has the points that somebody typed into the table of grades."""
    marks, late, rule = read_marks(assignment, folder), read_late(folder), read_rule(folder)
    found = []
    for graded in results:
        by_typing = (typed or {}).get(graded.student, [""] * len(assignment.by_hand))
        marked = tuple(
            marks.get((code_of(graded.student), question.title)) or typed_mark(text)
            for question, text in zip(assignment.by_hand, by_typing, strict=True)
        )
        days = late.get(str(harmless(graded.student)), 0)
        left = rule.left(days) if rule else 1.0
        is_whole = not graded.failure and all(marked)
        points = graded.points + sum(each.total for each in marked if each)
        found.append(Total(marked, days, left, round(points * left, 2) if is_whole else None))
    return found


def typed_mark(text: str) -> Marked | None:
    try:
        points = float(text.strip().replace(",", "."))
    except ValueError:
        return None
    return Marked((points,)) if math.isfinite(points) else None


def changed_texts(assignment: Assignment, results: list[Graded], folder: Path) -> list[str]:
    """Who handed in another text after the first was marked, and marks that are nobody's here."""
    marks = read_marks(assignment, folder)
    lost = {code for code, _ in marks} - {code_of(graded.student) for graded in results}
    found = [f"marks.csv: {len(lost)} in it are not in this class. Is it another class's?"] if lost else []
    for graded in results:
        for index, question in enumerate(assignment.by_hand):
            marked = marks.get((code_of(graded.student), question.title))
            if marked and marked.text and marked.text != text_code(raw(graded, index)):
                found.append(f"{graded.student}: the text to {question.title!r} has changed since it was marked.")
    return found


# Late -------------------------------------------------------------------------------------------------------------


def days_after(due: datetime, at: str) -> int:
    """Days that have begun between the two; a time without a zone is in the other's."""
    handed_in = datetime.fromisoformat(at)
    if due.tzinfo is None:
        due = due.replace(tzinfo=handed_in.tzinfo)
    if handed_in.tzinfo is None:
        handed_in = handed_in.replace(tzinfo=due.tzinfo)
    return max(0, math.ceil((handed_in - due).total_seconds() / 86400))


def note_late(results: list[Graded], due: datetime | None, times: dict[str, str], folder: Path) -> None:
    """Add to ``late.csv`` who was late; what stands there already, as somebody may have changed it, stays.

    Args:
        times: when students handed in, where the delivery does not say it.
    """
    known = _rows(folder)
    for graded in results:
        at = graded.delivery.at or times.get(graded.student, "")
        days, why = 0, ""
        if due and at:
            days, why = days_after(due, at), f"handed in {at}"
        elif graded.delivery.is_late:
            days, why = 1, f"{graded.delivery.system} says late and not how late: correct the days"
        if days and harmless(graded.student) not in known:
            known[str(harmless(graded.student))] = [graded.student, str(days), why]
    if known:
        write_table(folder / LATE_NAME, ["student", "days", "why"], list(known.values()))


def read_late(folder: Path) -> dict[str, int]:
    """Days late by student, as ``late.csv`` says."""
    found = {}
    for student, row in _rows(folder).items():
        text = row[1].strip() if len(row) > 1 else ""
        if not text.isdecimal():
            raise OSError(f"{folder / LATE_NAME}: {text!r} must be a whole number of days, for {student}.")
        found[student] = int(text)
    return found


def _rows(folder: Path) -> dict[str, list[str]]:
    path = folder / LATE_NAME
    if not path.is_file():
        return {}
    return {row[0]: row for row in read_table(path)[1:]}


def read_rule(folder: Path) -> LateRule | None:
    path = folder / RULE_NAME
    try:
        return late_rule(path.read_text(encoding="utf-8")) if path.is_file() else None
    except ValueError as error:
        raise OSError(f"{path}: {error}") from error
