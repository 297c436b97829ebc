"""Keeps the tables of appendix E current: ``python -m instructor.guide`` (with ``--check`` it only says what is not).

A table stands between ``<!-- table: NAME -->`` and ``<!-- end of table -->``. Times of chapters come from the chapters,
what is read when from contents.toml, points from the assignments, exercises from the package; the plans' minutes are
here, and their sums are computed. ``make fresh`` runs it.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import nbformat

from instructor.assignments import ASSIGNMENTS
from mobilenet_edu.cost import conv2d_cost
from mobilenet_edu.exercises import chapters as exercise_chapters
from mobilenet_edu.exercises import exercises_of
from mobilenet_edu.exercises.__main__ import HEADERS, rows

CONTENTS = Path(__file__).parent.parent / "contents.toml"
BOOK = Path(__file__).parent.parent / "book"
PAGE = BOOK / "E_teaching.md"
BLOCK = re.compile(r"<!-- table: (.+?) -->\n.*?<!-- end of table -->", re.DOTALL)


def exercise(chapter: int, name: str) -> str:
    """How a plan refers to an exercise, such as ``exercise 5.4``: by its name here, by its number on the page."""
    names = [each.name for each in exercises_of(exercise_chapters()[chapter])]
    if name not in names:
        raise ValueError(f"a plan names the exercise {name!r} of chapter {chapter}, which has {', '.join(names)}")
    return f"exercise {chapter}.{names.index(name) + 1}"


# (minutes, what happens)
LECTURE = (
    (
        10,
        "Everyone writes down a guess: how many multiplications does a layer of 512 filters, 3×3×512 each, need on a "
        "14×14 map with padding 1?",
    ),
    (15, "One convolution by hand on the board, then as loops (chapter 1)"),
    (
        20,
        "Count the loops, find the formula, look at the guesses: it is "
        f"{conv2d_cost(512, 512, 3, 14, padding=1).macs:,} (chapter 2)",
    ),
    (20, "Filter and combine in two steps: depthwise, then pointwise, again by hand (chapter 3)"),
    (15, "The fraction, and the slider: for which layers does the split pay? (chapter 4)"),
    (10, "Guess again: is the network faster by the same factor? The figure that answers it (chapter 9)"),
)
LAB = (
    (10, "Pairs open chapter 5 in Colab and run the set-up cell; one types, the other asks why"),
    (25, "Before you start: the three recall questions; then the sections on batch norm and on the block"),
    (25, f"Build the block for any kernel ({exercise(5, 'separable_block')}); the checker says what is wrong"),
    (15, "All together: which mistakes did the checker name, and how did you find them?"),
    (
        35,
        "Another way to write the block; then the modules of a client's network that never run "
        f"({exercise(5, 'idle_layers')})",
    ),
    (10, "Each pair writes one sentence about what it would check in somebody else's network"),
)
# (minutes in class, what happens, assignment or capstone done at home); what is read at home stands in contents.toml
TWO_WEEKS = (
    (90, "The lecture above", None),
    (90, "Recall, then the exercises of chapter 2 in pairs; `costs` is handed out", None),
    (90, "What can the two layers not do? Chapter 3's dense kernel on the board; chapter 4's claims, checked", "costs"),
    (120, "The lab above; `block` is handed out", "block"),
    (90, "Choose a network for a client: half the class is the client (chapter 7); `budget` is handed out", "budget"),
    (90, "Measure on the laptops in the room, and explain why they differ (chapter 9)", "capstone"),
)
THIRD_WEEK = (
    (
        90,
        "Every pair tries a recipe; one vote, on validation data; then the test set is opened, once (chapter 8)",
        None,
    ),
    (90, "Fold a batch norm and quantise eight numbers by hand; which channel erases the others? (chapter 10)", None),
    (
        90,
        "Read the cost in a paper that a student brings, and find out what was counted (chapter 12); then the "
        "advertisement of a runtime: what would you measure before you believe it? (chapter 13)",
        None,
    ),
)
MINUTES_AT_HOME = {"costs": 150, "block": 180, "budget": 180, "capstone": 480}


def chapters() -> dict[int, dict[str, str]]:
    """Title, minutes and goals of each chapter, as its first cell says them."""
    found = {}
    for path in sorted(BOOK.glob("[01][0-9]_*.ipynb")):
        text = nbformat.read(path, as_version=4).cells[0].source
        found[int(path.name[:2])] = {
            "link": f"[{re.search(r'^# (.+)$', text, re.MULTILINE).group(1)}]({path.name})",
            "minutes": re.search(r"\*\*Time:\*\* about (\d+) minutes", text).group(1),
            "goals": " ".join(f"({n}) {goal}" for n, goal in re.findall(r"^(\d)\. (.+)$", text, re.MULTILINE)),
        }
    return found


def read_after() -> dict[int, list[int]]:
    """The chapters that are read at home after each meeting."""
    parts = tomllib.loads(CONTENTS.read_text(encoding="utf-8"))["parts"]
    plan: dict[int, list[int]] = {}
    for row in (row for part in parts for row in part["chapters"]):
        plan.setdefault(row["meeting"], []).append(int(row["file"][:2]))
    return plan


def table(header: tuple[str, ...], lines: list[tuple]) -> str:
    written = [header, ("---",) * len(header), *lines]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in written)


def plan(steps: tuple[tuple[int, str], ...]) -> str:
    total = sum(minutes for minutes, _ in steps)
    return table(("minutes", "what happens"), [*steps, (f"**{total}**", "**in all**")])


def held(steps: tuple[tuple, ...], first: int = 1) -> list[tuple[int, int, str, str, int]]:
    """For each meeting its number, the minutes in class, what happens, what is done at home, and the minutes there."""
    lines = []
    known, plan = chapters(), read_after()
    for number, (minutes, what, task) in enumerate(steps, first):
        read = plan.get(number, [])
        home = sum(int(known[chapter]["minutes"]) for chapter in read) + MINUTES_AT_HOME.get(task, 0)
        reading = [f"chapter {chapter}" for chapter in read]
        lines.append((number, minutes, what, " and ".join([*reading, *([f"`{task}`"] if task else [])]), home))
    return lines


def in_all(lines: list[tuple[int, int, str, str, int]]) -> tuple[int, int]:
    """The minutes of some meetings, in class and at home."""
    return sum(line[1] for line in lines), sum(line[4] for line in lines)


def meetings(lines: list[tuple[int, int, str, str, int]]) -> str:
    in_class, at_home = in_all(lines)
    total = ("**in all**", f"**{in_class}**", "", "", f"**{at_home}**")
    return table(("meeting", "minutes in class", "what happens", "at home", "minutes at home"), [*lines, total])


def hours() -> str:
    plans = {"two weeks": held(TWO_WEEKS), "a third week": held(THIRD_WEEK, first=len(TWO_WEEKS) + 1)}
    lines = [(name, *(f"{minutes / 60:g}" for minutes in in_all(lines))) for name, lines in plans.items()]
    return table(("plan", "hours in class", "hours at home"), lines)


def assignments() -> str:
    lines = []
    for name, make in ASSIGNMENTS.items():
        assignment = make("appendix E")
        by_hand = sum(question.points for question in assignment.by_hand)
        lines.append((f"`{name}`", assignment.title, len(assignment.problems), assignment.points, by_hand))
    return table(("name", "about", "problems", "points by the grader", "points by hand"), lines)


def weights() -> str:
    """The share of each task in all hours at home that are not reading, in steps of five percent."""
    total = sum(MINUTES_AT_HOME.values())
    shares = {name: 5 * round(20 * minutes / total) for name, minutes in MINUTES_AT_HOME.items()}
    shares["capstone"] += 100 - sum(shares.values())
    lines = [(f"`{name}`", f"{MINUTES_AT_HOME[name] / 60:g}", f"{share} %") for name, share in shares.items()]
    return table(("task", "hours", "weight"), [*lines, ("**in all**", f"**{total / 60:g}**", "**100 %**")])


TABLES = {
    "hours": hours,
    "lecture": lambda: plan(LECTURE),
    "lab": lambda: plan(LAB),
    "two weeks": lambda: meetings(held(TWO_WEEKS)),
    "third week": lambda: meetings(held(THIRD_WEEK, first=len(TWO_WEEKS) + 1)),
    "chapters": lambda: table(
        ("chapter", "title", "minutes", "afterwards a reader can"),
        [(number, each["link"], each["minutes"], each["goals"]) for number, each in chapters().items()],
    ),
    "assignments": assignments,
    "weights": weights,
    "exercises": lambda: table(HEADERS, rows()),
}


def current(page: str) -> str:
    """The page with each table as it should be now."""
    return BLOCK.sub(
        lambda match: f"<!-- table: {match[1]} -->\n\n{TABLES[match[1]]()}\n\n<!-- end of table -->",
        page,
    )


def texts() -> dict[Path, str]:
    """The page as it must be, if it is not."""
    before = PAGE.read_text(encoding="utf-8")
    after = current(before)
    return {PAGE: after} if after != before else {}


if __name__ == "__main__":
    before = PAGE.read_text(encoding="utf-8")
    after = current(before)
    if "--check" in sys.argv:
        sys.exit("appendix E is out of date: run make fresh" if after != before else 0)
    PAGE.write_text(after, encoding="utf-8")
