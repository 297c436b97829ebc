"""Writes what comes out of grading: grades.csv, a page for each student, and a summary for the class."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from html import escape
from pathlib import Path
from statistics import median

from instructor import by_hand
from instructor.grading import UNKNOWN, Graded
from instructor.problem import Assignment
from instructor.tables import harmless, read_rows, replace_file, write_table
from instructor.totals import Total, out_of, totals

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ border-bottom: 1px solid #888; padding: .4rem .6rem; text-align: left; vertical-align: top; }}
th:first-child:nth-last-child(3) {{ width: 30%; }}
td:nth-child(2):not(:last-child) {{ white-space: nowrap; width: 4rem; }}
p, li, td, pre {{ overflow-wrap: anywhere; }}
pre {{ font: inherit; white-space: pre-wrap; }}
fieldset {{ border: 1px solid #888; margin: 0 0 2rem; }}
label {{ display: block; margin: .3rem 0; }}
input {{ width: 4rem; }}
input, select, textarea, button {{ font: inherit; min-height: 1.8rem; }}
textarea {{ display: block; width: 100%; height: 4rem; }}
select {{ max-width: 100%; }}
.bar {{ position: sticky; top: 0; background: Canvas; padding: .5rem 0; }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""

WHY_CELLS_FAIL = (
    "When your notebook is graded there is no internet connection, no file can be written and some packages are "
    "missing. A cell that fails costs nothing, unless an answer needs it."
)
ABOUT_COMMENTS = (
    "Where your answers are those of a known mistake, the comment describes it. If it is not what you did, say so: "
    "another mistake can lead to the same numbers."
)


def make_folder(folder: Path) -> None:
    """Make the folder, and try whether a file can be written there: better now than after an hour."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"x")


def write_reports(assignment: Assignment, results: list[Graded], folder: Path) -> None:
    """Write all reports into ``folder``, with the marks by hand that are there."""
    replace_file(folder / "summary.html", summary_page(assignment, results))
    if assignment.by_hand:
        marks = by_hand.read_marks(assignment, folder)
        replace_file(folder / "by_hand.html", by_hand_page(assignment, results, marks))
    write_log(results, folder / "first_failing_cases.csv")
    write_totals(assignment, results, folder)


def write_totals(assignment: Assignment, results: list[Graded], folder: Path) -> list[Total]:
    """Write what depends on the marks by hand and on who is late: the table of grades, and a page for each student.

    What was typed into the table's columns for marks by hand is kept; what ``marks.csv`` says comes before it.
    """
    grades, pages = folder / "grades.csv", folder / "feedback"
    typed = marks_by_hand(grades, hand_columns(assignment))
    typed = {graded.student: row for graded in results if (row := typed.get(str(harmless(graded.student))))}
    found = totals(assignment, results, folder, typed)
    pages.mkdir(parents=True, exist_ok=True)
    for name, graded, total in zip(page_names(results), results, found, strict=True):
        replace_file(pages / name, feedback_page(assignment, graded, total))
    write_grades(assignment, results, found, grades)
    return found


def write_log(results: list[Graded], path: Path) -> None:
    """For staff alone, who are asked why an answer is wrong: the first hidden case that is, and what came of it."""
    rows = [
        [graded.student, mark.problem, mark.part, mark.case, mark.expected, mark.got, mark.comment]
        for graded in results
        for mark in graded.marks
        if mark.comment
    ]
    write_table(path, ["student", "question", "part", "first failing case", "expected", "got", "comment"], rows)


def hand_columns(assignment: Assignment) -> list[str]:
    """The columns for what a person marks."""
    return [f"{question.title} (of {question.points}, by hand)" for question in assignment.by_hand]


def write_grades(assignment: Assignment, results: list[Graded], found: list[Total], path: Path) -> None:
    """One row per student: the total, the grader's points, those of a person, and those of each part."""
    parts = [f"{problem.title}: {part.name}" for problem in assignment.problems for part in problem.parts]
    total = f"total (of {out_of(assignment)})"
    header = ["student", "id", total, "points", "of", *hand_columns(assignment), "days late"]
    rows = []
    for graded, each in zip(results, found, strict=True):
        rows.append(
            [
                graded.student,
                graded.delivery.id,
                "" if each.points is None else f"{each.points:g}",
                "" if graded.failure else graded.points,
                assignment.points,
                *("" if marked is None else f"{marked.total:g}" for marked in each.marked),
                each.days_late or "",
                *(mark.points for mark in graded.marks),
                graded.file,
                " / ".join(filter(None, [graded.failure, *graded.remarks])),
                " / ".join(graded.for_staff),
            ]
        )
    write_table(path, [*header, *parts, "file", "remarks", "for staff"], rows)


def marks_by_hand(path: Path, columns: list[str]) -> dict[str, list[str]]:
    """What a person has typed into an earlier table of the same class, by student."""
    if not path.exists():
        return {}
    return {row.get("student", ""): [row.get(column) or "" for column in columns] for row in read_rows(path)}


def warnings(results: list[Graded]) -> list[str]:
    """What the instructor should know before believing the table."""
    found = [
        f"Look at {graded.student}: {remark}"
        for graded in results
        for remark in graded.for_staff
        if "too long" in remark
    ]
    total, other = len(results), sum(graded.is_another for graded in results)
    nothing = sum(graded.points == 0 for graded in results)
    if 2 * other > total:
        found.append(f"{other} of {total} notebooks are of another assignment: is this the right folder?")
    elif total > 2 and 2 * nothing > total:
        found.append(f"{nothing} of {total} students have no points at all: is this the right assignment and seed?")
    return found


def page_names(results: list[Graded]) -> list[str]:
    """A file name for each student's page: readable, safe on every system, and no two alike."""
    names: list[str] = []
    taken: set[str] = set()
    for graded in results:
        plain = re.sub(r"[^\w-]+", "_", graded.student)[:60].strip("_") or "student"
        name, number = plain, 2
        while name.casefold() in taken:
            name, number = f"{plain}_{number}", number + 1
        taken.add(name.casefold())
        names.append(f"{name}.html")
    return names


def feedback_page(assignment: Assignment, graded: Graded, total: Total | None = None) -> str:
    """What one student may see: points, comments and remarks; never a hidden case nor another student."""
    return PAGE.format(title=escape(assignment.title), body=feedback_body(assignment, graded, total))


def feedback_body(assignment: Assignment, graded: Graded, total: Total | None = None) -> str:
    """The content of a feedback page, which a notebook can hold as well."""
    blocks = [f"<p>{escape(graded.student)}, file <code>{escape(graded.file or '(none)')}</code></p>"]
    if graded.failure:
        blocks.append("<p>Your submission could not be graded. Please ask your instructor.</p>")
    else:
        blocks.append(said_points(assignment, graded, total))
    if graded.remarks:
        items = "".join(f"<li>{escape(remark)}</li>" for remark in graded.remarks)
        blocks.append(f"<h2>Remarks</h2>\n<ul>{items}</ul>")
    if any(remark.startswith("Code cell") for remark in graded.remarks):
        blocks.append(f"<p>{WHY_CELLS_FAIL}</p>")
    if any(mark.comment for mark in graded.marks):
        blocks.append(f"<p>{ABOUT_COMMENTS}</p>")
    for problem in assignment.problems:
        marks = [mark for mark in graded.marks if mark.problem == problem.title]
        rows = [[mark.part, f"{mark.points} of {mark.of}", mark.comment or "Right."] for mark in marks]
        blocks.append(f"<h2>{escape(problem.title)}</h2>\n" + table(["part", "points", "comment"], rows))
    marked = total.marked if total else (None,) * len(assignment.by_hand)
    for question, each in zip(assignment.by_hand, marked, strict=True):
        blocks.append(f"<h2>{escape(question.title)}</h2>\n{by_hand.shown(question, each)}")
    return "\n".join(blocks)


def said_points(assignment: Assignment, graded: Graded, total: Total | None) -> str:
    """The points, and how they come about if there is more to it than what the grader gave."""
    most = out_of(assignment)
    if total is None or total.points is None or not (assignment.by_hand or total.days_late):
        return f"<p><strong>{graded.points} of {assignment.points} points</strong></p>"
    parts = [f"{graded.points} of {assignment.points} from the grader"]
    parts += [f"{each.total:g} from a person" for each in total.marked if each]
    if total.left < 1:
        days = "1 day" if total.days_late == 1 else f"{total.days_late} days"
        parts.append(f"handed in {days} late, which leaves {100 * total.left:g} %")
    return f"<p><strong>{total.points:g} of {most} points</strong>: {escape('; '.join(parts))}.</p>"


def summary_page(assignment: Assignment, results: list[Graded]) -> str:
    """For the instructor: how many got each part, and what went wrong how often."""
    total = len(results)
    scores = Counter(graded.points for graded in results)
    middle = f" The middle one has {median(scores.elements()):g} of {assignment.points} points." if results else ""
    blocks = [
        f"<p>{total} students.{middle}</p>",
        "<h2>Points</h2>\n" + table(["points", "students"], [[points, scores[points]] for points in sorted(scores)]),
    ]
    for problem in assignment.problems:
        rows = []
        for part in problem.parts:
            marks = [
                mark
                for graded in results
                for mark in graded.marks
                if (mark.problem, mark.part) == (problem.title, part.name)
            ]
            right = sum(mark.points == mark.of for mark in marks)
            wrong = Counter(mark.comment for mark in marks if mark.comment)
            rows.append([part.name, f"{right} of {total}", [f"{n} × {why}" for why, n in wrong.most_common()]])
        blocks.append(f"<h2>{escape(problem.title)}</h2>\n" + table(["part", "right", "comments given"], rows))
    said = warnings(results)
    if said:
        blocks.insert(0, "<ul>" + "".join(f"<li>{escape(warning)}</li>" for warning in said) + "</ul>")
    blocks += tables_with_names(results)
    return PAGE.format(title=escape(f"{assignment.title}: summary"), body="\n".join(blocks))


def tables_with_names(results: list[Graded]) -> list[str]:
    """For staff alone: what to look at, the errors in hidden cases, remarks, and wrong answers that nobody knows."""
    look = [[graded.student, graded.for_staff] for graded in results if graded.for_staff]
    errors = [
        [graded.student, [f"{mark.error}: {mark.problem}, {mark.part}" for mark in graded.marks if mark.error]]
        for graded in results
    ]
    remarks = [[graded.student, [*filter(None, [graded.failure, *graded.remarks])]] for graded in results]
    blocks = [
        "<h2>To look at</h2>\n" + table(["student", "what"], look),
        "<h2>Errors in hidden cases</h2>\n" + table(["student", "error"], [row for row in errors if row[1]]),
        "<h2>Remarks</h2>\n" + table(["student", "remarks"], [row for row in remarks if row[1]]),
    ]
    unknown = [
        [graded.student, [f"{mark.problem}: {mark.part}" for mark in graded.marks if mark.comment == UNKNOWN]]
        for graded in results
    ]
    blocks.append(
        "<h2>Wrong answers without a name</h2>\n" + table(["student", "parts"], [row for row in unknown if row[1]])
    )
    return blocks


def by_hand_page(assignment: Assignment, results: list[Graded], marks: dict | None = None) -> str:
    """For the marker: each question with its rubric, then what everybody wrote, by row of the grades, not by name."""
    body = by_hand.body(assignment, results, marks or {})
    title = escape(f"{assignment.title}: to mark by hand")
    return PAGE.format(title=title, body=body).replace("<title>", f"{by_hand.policy()}\n<title>", 1)


def table(header: list[str], rows: list[list[object]]) -> str:
    """An HTML table; a cell that is a list gets a line for each of its elements."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    lines = "".join("<tr>" + "".join(f"<td>{cell_html(cell)}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{lines}</tbody>\n</table>"


def cell_html(cell: object) -> str:
    """Nothing of the text is markup, except that `code` and *emphasis* of our own comments look like it."""
    if isinstance(cell, list):
        return "<br>".join(map(cell_html, cell))
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(str(cell)))
    return re.sub(r"\*(\w[\w ]*)\*", r"<em>\1</em>", text)
