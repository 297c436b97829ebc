"""Writes grades and feedback as learning platforms take them back.

Nothing is made up: the platform's own table is filled in, and everything else in it stays as it came.

- Moodle: the *grading worksheet* of the assignment, a table with the columns Identifier, Grade, Maximum grade and
  Feedback comments (``mod/assign/feedback/offline/importgradeslib.php`` and ``mod/assign/gradingtable.php`` of
  https://github.com/moodle/moodle); and a zip file for *Upload multiple feedback files in a zip*, in which each page
  lies in the folder that was downloaded (``mod/assign/feedback/file/importziplib.php``).
- Canvas: the *exported gradebook*, of which the columns up to Section, the one of this assignment, called
  ``TITLE (NUMBER)``, and the row Points Possible are kept (``lib/gradebook_importer.rb`` of
  https://github.com/instructure/canvas-lms); and a zip file for *Re-Upload Submissions*. Canvas recognises a file
  by the two numbers in its name and shows it to the student under the name of the file that was handed in
  (``infer_comment_context_from_filename`` in ``app/models/abstract_assignment.rb``): so feedback is a notebook there.

Brightspace and Gradescope: what they import could not be confirmed, so ``grades.csv`` is what there is.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import nbformat
from nbformat.v4 import new_markdown_cell, new_notebook

from instructor.grading import Graded
from instructor.problem import Assignment
from instructor.reports import feedback_body, feedback_page
from instructor.tables import read_table, replace_file
from instructor.totals import Total, out_of

FOLDER = "return"
NUMBERS = {"id number", "email address", "username", "sis user id", "sis login id", "integration id"}
MOODLE_TIMES = ("%A, %d %B %Y, %I:%M %p", "%A, %d %B %Y, %H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S")


@dataclass
class Returned:
    """What was written, and what somebody has to look at."""

    written: list[Path] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Sheet:
    """A table that a platform has exported.

    Attributes:
        people: for each student in it, the line, and the numbers and names that tell who it is.
        grade: the column of the grade.
        most: the points that the platform gives for the assignment.
    """

    path: Path
    lines: list[list[str]]
    people: list[tuple[int, set[str], str]]
    grade: int
    most: float


def write_returns(
    assignment: Assignment,
    results: list[Graded],
    found: list[Total],
    folder: Path,
    moodle: Path | None = None,
    canvas: Path | None = None,
    column: str = "",
) -> Returned:
    """Write everything that can be written into ``folder``/return."""
    out = folder / FOLDER
    out.mkdir(parents=True, exist_ok=True)
    returned = Returned()
    missing = [graded.student for graded, total in zip(results, found, strict=True) if total.points is None]
    if missing:
        returned.said.append(f"No total yet, so no grade is returned: {', '.join(missing)}")
    if moodle:
        _fill_moodle(assignment, results, found, moodle, out / "moodle_grades.csv", returned)
    if canvas:
        _fill_canvas(assignment, results, found, canvas, column, out / "canvas_grades.csv", returned)
    for system, pages in (("Moodle", moodle_pages), ("Canvas", canvas_pages)):
        files = pages(assignment, results, found)
        if files:
            path = out / f"{system.lower()}_feedback.zip"
            write_archive(path, files)
            returned.written.append(path)
    return returned


# Grades -----------------------------------------------------------------------------------------------------------


def moodle_sheet(path: Path) -> Sheet:
    """A grading worksheet.

    Raises:
        OSError: it is no such worksheet, or in another language than English.
    """
    lines = read_table(path)
    header = [name.strip().casefold() for name in lines[0]] if lines else []
    for name in ("identifier", "grade", "maximum grade"):
        if name not in header:
            raise OSError(
                f"{path} has no column {name.capitalize()!r}: download the grading worksheet of the assignment, with "
                "Moodle set to English."
            )
    people = []
    for index, line in enumerate(lines[1:], 1):
        row = dict(zip(header, line, strict=False))
        number = re.search(r"\d+\s*$", row["identifier"])
        numbers = {f"Moodle {number[0].strip()}"} if number else set()
        people.append((index, numbers | _numbers(row), row.get("full name", "")))
    most = {_number(line[header.index("maximum grade")]) for line in lines[1:]} - {None}
    if len(most) != 1 or 0 in most:
        raise OSError(
            f"{path}: the maximum grade must be one number of points for everybody; a scale is not filled in."
        )
    return Sheet(path, lines, people, header.index("grade"), most.pop())


def canvas_sheet(path: Path, assignment: Assignment, column: str) -> Sheet:
    """An exported gradebook.

    Raises:
        OSError: it is no such table, or it is not clear which column the assignment is.
    """
    lines = read_table(path)
    header = [name.strip() for name in lines[0]] if lines else []
    if "Section" not in header or "ID" not in header[1:3]:
        raise OSError(f"{path} is no gradebook: export it in Canvas, with columns Student, ID and Section.")
    choices = [name for name in header[header.index("Section") + 1 :] if re.search(r" \(\d+\)$", name)]
    wanted = column.casefold() or assignment.name.casefold()
    fits = [name for name in choices if wanted in name.casefold()]
    fits = [name for name in fits if name.rpartition(" (")[0].casefold() == wanted or name == column] or fits
    fits = fits or ([] if column else [name for name in choices if assignment.title.casefold() in name.casefold()])
    if len(fits) != 1:
        raise OSError(f"{path}: say with --column which of these it is: {', '.join(choices) or 'there is none'}")
    grade, number = header.index(fits[0]), header.index("ID")
    most, people = None, []
    for index, line in enumerate(lines[1:], 1):
        if "Points Possible" in line[0]:
            most = _number(line[grade]) if grade < len(line) else None
        elif number < len(line) and line[number].strip():
            row = dict(zip((name.casefold() for name in header), line, strict=False))
            name = line[0] if header[0] == "Student" else f"{line[0]}, {line[1]}"
            people.append((index, {f"Canvas {line[number].strip()}"} | _numbers(row), name))
    if not most:
        raise OSError(f"{path}: the row 'Points Possible' must have points for {fits[0]}.")
    return Sheet(path, lines, people, grade, most)


def _number(text: str) -> float | None:
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return None


def _numbers(row: dict[str, str]) -> set[str]:
    """What tells a student on any platform."""
    return {value.strip().casefold() for name, value in row.items() if name in NUMBERS and value.strip()}


def name_keys(name: str) -> set[str]:
    """A name in the forms that platforms write it: ``Jane Roe``, ``Roe, Jane`` and ``roejane`` are one."""
    words = [re.sub(r"[\W_]", "", word) for word in name.casefold().split()]
    keys = {" ".join(sorted(words)), "".join(words)}
    return (keys if "," in name else keys | {"".join([*words[-1:], *words[:-1]])}) - {""}


def matched(results: list[Graded], sheet: Sheet, system: str) -> dict[int, int]:
    """The line of each result: by the platform's number, by another number, or by a name that only one has."""
    by_number: dict[str, list[int]] = {}
    by_name: dict[str, list[int]] = {}
    for line, numbers, name in sheet.people:
        for number in numbers:
            by_number.setdefault(number, []).append(line)
        for key in name_keys(name):
            by_name.setdefault(key, []).append(line)
    found, taken = {}, set()
    for index, graded in enumerate(results):
        of_student = graded.delivery
        numbers = {f"{of_student.system} {of_student.id}", of_student.id.casefold(), graded.student.casefold()}
        lines = {line for number in numbers - {""} for line in by_number.get(number, [])}
        if not lines and not (of_student.system == system and of_student.id):
            keys = name_keys(of_student.name or graded.student)
            lines = {line for key in keys for line in by_name.get(key, [])}
        if len(lines) == 1 and not lines & taken:
            found[index] = lines.pop()
            taken.add(found[index])
    return found


def _scaled(points: float, assignment: Assignment, most: float) -> str:
    """Points as the platform counts them."""
    return f"{round(points * most / out_of(assignment), 2):g}"


def _fill(
    assignment: Assignment, results: list[Graded], found: list[Total], sheet: Sheet, system: str, returned: Returned
) -> dict[int, int]:
    """Put the grades into the table, and say who is missing on either side."""
    lines = matched(results, sheet, system)
    for index, line in lines.items():
        row = sheet.lines[line]
        row += [""] * (sheet.grade + 1 - len(row))
        points = found[index].points
        if points is not None:
            row[sheet.grade] = _scaled(points, assignment, sheet.most)
    lost = [graded.student for index, graded in enumerate(results) if index not in lines]
    if lost:
        returned.said.append(f"{system}: not found, or not clear who it is, so enter by hand: {', '.join(lost)}")
    without = len(sheet.people) - len(lines)
    if without:
        returned.said.append(
            f"{system}: {without} in {sheet.path.name} have handed in nothing; their rows are as before."
        )
    if sheet.most != out_of(assignment):
        returned.said.append(
            f"{system} gives {sheet.most:g} points and the assignment has {out_of(assignment)}: grades are scaled."
        )
    return lines


def _fill_moodle(
    assignment: Assignment, results: list[Graded], found: list[Total], path: Path, out: Path, returned: Returned
) -> None:
    sheet = moodle_sheet(path)
    lines = _fill(assignment, results, found, sheet, "Moodle", returned)
    header = [name.strip().casefold() for name in sheet.lines[0]]
    if "feedback comments" in header:
        comment = header.index("feedback comments")
        for index, line in lines.items():
            row, points = sheet.lines[line], found[index].points
            row += [""] * (comment + 1 - len(row))
            if points is not None and not row[comment]:
                row[comment] = f"{points:g} of {out_of(assignment)} points. The page feedback.html says for what."
    _write(sheet.lines, out, returned)


def _fill_canvas(
    assignment: Assignment,
    results: list[Graded],
    found: list[Total],
    path: Path,
    column: str,
    out: Path,
    returned: Returned,
) -> None:
    sheet = canvas_sheet(path, assignment, column)
    _fill(assignment, results, found, sheet, "Canvas", returned)
    section = [name.strip() for name in sheet.lines[0]].index("Section")
    kept = [*range(section + 1), sheet.grade]
    _write([[row[each] if each < len(row) else "" for each in kept] for row in sheet.lines], out, returned)


def _write(lines: list[list[str]], path: Path, returned: Returned) -> None:
    file = io.StringIO(newline="")
    csv.writer(file).writerows(lines)
    replace_file(path, file.getvalue())
    returned.written.append(path)


def moodle_times(results: list[Graded], path: Path) -> dict[str, str]:
    """When students handed in, as the worksheet says it; nothing where it is written in another way."""
    sheet = moodle_sheet(path)
    header = [name.strip().casefold() for name in sheet.lines[0]]
    if "last modified (submission)" not in header:
        return {}
    column = header.index("last modified (submission)")
    times = {}
    for index, line in matched(results, sheet, "Moodle").items():
        if column < len(sheet.lines[line]) and (at := moodle_time(sheet.lines[line][column])):
            times[results[index].student] = at
    return times


def moodle_time(text: str) -> str:
    for form in MOODLE_TIMES:
        try:
            return datetime.strptime(text.strip(), form).isoformat()
        except ValueError:
            continue
    return ""


# Feedback ---------------------------------------------------------------------------------------------------------


def moodle_pages(assignment: Assignment, results: list[Graded], found: list[Total]) -> dict[str, str]:
    """A page in the folder that was downloaded, for each student."""
    return {
        f"{graded.delivery.place}/feedback.html": feedback_page(assignment, graded, total)
        for graded, total in zip(results, found, strict=True)
        if graded.delivery.system == "Moodle"
    }


def canvas_pages(assignment: Assignment, results: list[Graded], found: list[Total]) -> dict[str, str]:
    """A notebook under the name that was downloaded, for each student who handed in a notebook."""
    return {
        graded.delivery.place: feedback_notebook(assignment, graded, total)
        for graded, total in zip(results, found, strict=True)
        if graded.delivery.system == "Canvas" and graded.delivery.place.casefold().endswith(".ipynb")
    }


def feedback_notebook(assignment: Assignment, graded: Graded, total: Total | None) -> str:
    """The feedback page as a notebook with one cell of text."""
    cell = new_markdown_cell(f"# {assignment.title}: feedback\n\n{feedback_body(assignment, graded, total)}")
    cell.id = "feedback"
    return nbformat.writes(new_notebook(cells=[cell]))


def write_archive(path: Path, files: dict[str, str]) -> None:
    """A zip file that is the same whenever it is written."""
    new = path.with_name(path.name + ".new")
    with zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text, zipfile.ZIP_DEFLATED)
    new.replace(path)
