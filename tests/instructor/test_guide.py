"""Appendix E: its tables are current, its plans add up, and its commands are the commands."""

from __future__ import annotations

import re
import shlex
import tomllib

import pytest
from classroom import ROOT

from instructor import guide
from instructor.__main__ import parser
from instructor.assignments import ASSIGNMENTS
from mobilenet_edu.exercises import chapters, exercises_of

PAGE = guide.PAGE.read_text(encoding="utf-8")


def rows(name: str) -> list[list[str]]:
    """The cells of a table on the page, without its header."""
    text = re.search(rf"<!-- table: {name} -->\n(.*?)<!-- end of table -->", PAGE, re.DOTALL)[1]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def minutes(cells: list[str]) -> tuple[int, int]:
    """The sum of all but the last, and what the last says."""
    *parts, total = [int(cell.strip("*")) for cell in cells]
    return sum(parts), total


def test_the_tables_are_current():
    assert guide.current(PAGE) == PAGE, "run make fresh"
    assert [match[1] for match in guide.BLOCK.finditer(PAGE)] == list(guide.TABLES)


@pytest.mark.parametrize(("name", "hours"), [("lecture", 1.5), ("lab", 2)])
def test_the_short_plans_add_up_and_fit(name, hours):
    total, said = minutes([row[0] for row in rows(name)])
    assert total == said == 60 * hours


def test_the_two_weeks_add_up_and_name_every_assignment_and_the_capstone():
    table = rows("two weeks")
    for plan in (table, rows("third week")):
        for column in (1, 4):
            total, said = minutes([row[column] for row in plan])
            assert total == said
    assert len(table) - 1 == 2 * 3  # three meetings a week
    home = " ".join(row[3] for row in table)
    assert all(f"`{name}`" in home for name in [*ASSIGNMENTS, "capstone"])
    handed_out = [re.findall(r"`(\w+)` is handed out", row[2]) for row in table]
    assert [name for names in handed_out for name in names] == list(ASSIGNMENTS)


def test_reading_at_home_takes_what_the_chapters_say():
    known = {row[0]: int(row[2]) for row in rows("chapters")}
    meetings = [*rows("two weeks")[:-1], *rows("third week")[:-1]]
    assert [int(row[0]) for row in meetings] == list(range(1, len(meetings) + 1))
    assert sorted(re.findall(r"chapter (\d+)", " ".join(row[3] for row in meetings)), key=int) == list(known)
    for row in meetings:
        read = sum(known[chapter] for chapter in re.findall(r"chapter (\d+)", row[3]))
        done = sum(each for name, each in guide.MINUTES_AT_HOME.items() if f"`{name}`" in row[3])
        assert read + done == int(row[4])


def test_the_page_begins_with_the_hours_that_its_plans_take():
    for plan, hours in zip(("two weeks", "third week"), rows("hours"), strict=True):
        total = [cell.strip("*") for cell in rows(plan)[-1]]
        assert [60 * float(each) for each in hours[1:]] == [int(total[column]) for column in (1, 4)]


def test_a_meeting_works_on_what_was_read_before_or_opens_what_is_read_afterwards():
    assert "Meetings 2 to 4 work on chapters that were read before; all others open" in PAGE
    read_after = {chapter: meeting for meeting, read in guide.read_after().items() for chapter in read}
    for row in [*rows("two weeks")[:-1], *rows("third week")[:-1]]:
        meeting = int(row[0])
        for chapter in map(int, re.findall(r"[Cc]hapters? (\d+)", row[2])):
            assert (read_after[chapter] < meeting) == (2 <= meeting <= 4), (meeting, chapter)


def test_the_third_week_says_which_of_its_chapters_need_which():
    listed = [row for part in tomllib.loads(guide.CONTENTS.read_text())["parts"] for row in part["chapters"]]
    week = {int(row["file"][:2]): row["needs"] for row in listed if row["meeting"] > len(guide.TWO_WEEKS)}
    needs = {chapter: [each for each in before if each in week] for chapter, before in week.items()}
    assert needs == {8: [], 10: [8], 11: [8], 12: [], 13: [8, 10]}, "mend the sentences of A third week"
    text = " ".join(PAGE.split())
    assert "Chapters 8 and 12 need no other chapter of this week." in text
    assert "Chapters 10 and 11 need chapter 8, and chapter 13 needs chapters 8 and 10." in text
    assert all(each < chapter for chapter, before in week.items() for each in before)


def test_the_capstone_needs_what_was_read_by_its_meeting_and_takes_the_hours_of_the_plan():
    task = (ROOT / "instructor" / "capstone" / "README.md").read_text()
    assert f"about {guide.MINUTES_AT_HOME['capstone'] // 60} hours" in task
    meeting = next(number for number, row in enumerate(guide.TWO_WEEKS, 1) if row[2] == "capstone")
    read = sorted(chapter for when, chapters in guide.read_after().items() if when <= meeting for chapter in chapters)
    assert read == [1, 2, 3, 4, 5, 6, 7, 9]
    assert "Needs chapters 1 to 7 and 9" in task
    assert "after chapters 1 to 7 and 9" in PAGE
    assert "shallow" not in task  # chapter 8 brings that network


def test_every_exercise_is_listed():
    listed = [row[0] for row in rows("exercises")]
    for number, chapter in chapters().items():
        for index, _ in enumerate(exercises_of(chapter), 1):
            assert f"{number}.{index}" in listed


def test_exercises_that_the_plans_name_are_what_the_plans_say():
    titles = {row[0]: row[1] for row in rows("exercises")}
    named = re.findall(r"exercise (\d+\.\d+)", " ".join(row[1] for row in rows("lab")))
    assert [titles[number] for number in named] == ["The block for any kernel", "A client's network"]


def test_a_plan_that_names_no_exercise_is_refused():
    with pytest.raises(ValueError, match="names the exercise 'nothing' of chapter 5"):
        guide.exercise(5, "nothing")


def test_weights_follow_the_hours_and_add_up():
    *tasks, total = rows("weights")
    assert total[2].strip("*") == "100 %"
    assert sum(int(row[2].removesuffix(" %")) for row in tasks) == 100
    hours = {row[0].strip("`"): float(row[1]) for row in tasks}
    assert {name: 60 * each for name, each in hours.items()} == guide.MINUTES_AT_HOME
    share = {row[0].strip("`"): int(row[2].removesuffix(" %")) / 100 for row in tasks}
    assert all(abs(share[name] - hours[name] / sum(hours.values())) < 0.04 for name in hours)


def test_the_commands_on_the_page_are_commands():
    commands = re.findall(r"^python -m instructor (\w.+)$", PAGE, re.MULTILINE)
    parsed = [parser().parse_args(shlex.split(command)) for command in commands]
    assert [options.run.__name__ for options in parsed] == ["build", "grade", *3 * ["give_back"], "check"]
    assert {options.assignment for options in parsed[:-1]} == {"costs"}
    assert (ROOT / parsed[-1].assignment).is_file()
    assert f"have {parsed[1].seconds} seconds" in PAGE
