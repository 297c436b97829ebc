"""Makes folders and archives as Moodle, Canvas, Brightspace and Gradescope make them, and the tables they export."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from pathlib import Path

NAMES = ("Ada Lovelace", "Bö Çelik", "Jane Roe", "Jane Roe", "Mary-Ann O'Neil", "王小明", "Noé de la Cruz")


def notebook(text: str | dict) -> str:
    return text if isinstance(text, str) else json.dumps(text)


def archive(path: Path, files: dict[str, str | dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, notebook(content))
    return path


def moodle_files(students: list[tuple[str, int, str | dict]], ending: str = "") -> dict[str, str | dict]:
    """``ending`` is ``"_"`` before Moodle 4.1."""
    return {f"{name}_{number}_assignsubmission_file{ending}/costs.ipynb": content for name, number, content in students}


def sortable(name: str) -> str:
    first, _, last = name.rpartition(" ")
    return f"{last}, {first}" if first else name


def canvas_name(name: str) -> str:
    """``sanitize_user_name`` and ``sanitize_file_name`` of Canvas."""
    return re.sub(r"[^\w]", "", sortable(name).lower())


def canvas_files(students: list[tuple[str, int, str | dict]], late: tuple[int, ...] = ()) -> dict[str, str | dict]:
    return {
        f"{canvas_name(name)}{'_LATE' if number in late else ''}_{number}_{90000 + number}_costs.ipynb": content
        for name, number, content in students
    }


def moodle_worksheet(path: Path, students: list[tuple[str, int]], maximum: str = "100.00", late: int = 0) -> Path:
    """The offline grading worksheet; ``late`` students handed in two days and an hour late, the others in time."""
    header = ["Identifier", "Full name", "Email address", "Status", "Grade", "Maximum Grade", "Grade can be changed"]
    header += ["Last modified (submission)", "Last modified (grade)", "Feedback comments"]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for index, (name, number) in enumerate(students):
            at = "Tuesday, 14 October 2031, 12:59 AM" if index < late else "Saturday, 11 October 2031, 9:05 PM"
            mail = f"s{number}@example.org"
            writer.writerow(
                [f"Participant {number}", name, mail, "Submitted for grading", "", maximum, "Yes", at, "-", ""]
            )
    return path


def canvas_gradebook(path: Path, students: list[tuple[str, int]], points: str = "32") -> Path:
    """The exported gradebook, with a second assignment and columns that are read only."""
    header = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Costs of layers (4711)", "Essay (4712)"]
    header += ["Assignments Current Score", "Final Score"]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerow(["    Points Possible", "", "", "", "", points, "10", "(read only)", "(read only)"])
        for name, number in students:
            writer.writerow([sortable(name), number, f"S{number}", f"s{number}", "Lab 1", "", "7", "70", "70"])
        writer.writerow(["Student, Test", "999999", "", "f00d", "Lab 1", "", "", "", ""])
    return path


def gradescope_files(students: list[tuple[str, int, str | dict]], root: str = "assignment_1_export/") -> dict:
    """As Ruby writes it: symbols, and times that are objects."""
    about, files = ["---"], {}
    for index, (name, number, content) in enumerate(students, 100):
        about += [
            f"submission_{index}:",
            "  :submitters:",
            f"  - :name: {json.dumps(name, ensure_ascii=False)}",
            f"    :sid: '{number}'",
            f"    :email: s{number}@example.org",
            "  :created_at: !ruby/object:ActiveSupport::TimeWithZone"
            if index % 2
            else "  :created_at: 2031-10-11 13:30:05.120000000 -07:00",
            *(["    utc: 2031-10-11 20:30:05.120000000 Z"] if index % 2 else []),
            "  :score: 0.0",
            "  :history: []",
        ]
        files[f"{root}submission_{index}/costs.ipynb"] = content
    return {**files, f"{root}submission_metadata.yml": "\n".join(about) + "\n"}
