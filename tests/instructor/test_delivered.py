"""A class as each platform delivers it: who is who, who is late, which attempt counts, and what is nobody's."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path

import pytest
from classroom import SEED, hand_in, needs_sandbox, solved
from platforms import (
    NAMES,
    archive,
    canvas_files,
    canvas_gradebook,
    gradescope_files,
    moodle_files,
    moodle_worksheet,
)

from instructor.__main__ import main
from instructor.assignments import ASSIGNMENTS
from instructor.delivered import brightspace_time, find, is_a_class, opened, unpack

STUDENTS = [(name, 101 + index, "{}") for index, name in enumerate(NAMES)]
WITH_NUMBERS = sorted(f"{name} ({number})" for name, number, _ in STUDENTS)


def delivered(files: dict, folder: Path):
    with opened(archive(folder / "delivered.zip", files)) as place:
        found = find(place, "costs")
        assert all(each.notebook is None or each.notebook.is_file() for each in found.submissions)
    return found


@pytest.mark.parametrize("ending", ["", "_"])
def test_moodle_has_a_folder_for_each_student_with_a_number(tmp_path, ending):
    found = delivered(moodle_files(STUDENTS, ending), tmp_path)
    assert found.system == "Moodle"
    assert sorted(each.student for each in found.submissions) == WITH_NUMBERS
    (ada,) = [each for each in found.submissions if each.student.startswith("Ada")]
    assert (ada.delivery.id, ada.delivery.place) == ("101", f"Ada Lovelace_101_assignsubmission_file{ending}")


def test_a_name_with_a_line_in_it_is_still_a_student(tmp_path):
    files = {"jane_roe Jane Roe_103_assignsubmission_file/costs.ipynb": "{}"} | moodle_files(STUDENTS[:1])
    found = delivered(files, tmp_path)
    assert [each.student for each in found.submissions] == ["Ada Lovelace (101)", "jane_roe Jane Roe (103)"]


def test_moodle_without_folders_has_files_that_begin_alike(tmp_path):
    files = {f"{name}_{number}_assignsubmission_file_costs.ipynb": "{}" for name, number, _ in STUDENTS}
    files["Ada Lovelace_101_assignsubmission_file_notes.pdf"] = "%PDF"
    found = delivered(files, tmp_path)
    assert sorted(each.student for each in found.submissions) == WITH_NUMBERS
    assert found.submissions[0].delivery.place == "Ada Lovelace_101_assignsubmission_file"
    assert [path.name for path in found.submissions[0].others] == ["Ada Lovelace_101_assignsubmission_file_notes.pdf"]


def test_moodle_s_online_text_belongs_to_the_student_whose_file_it_comes_with(tmp_path):
    files = moodle_files(STUDENTS[:2]) | {"Ada Lovelace_101_assignsubmission_onlinetext/onlinetext.html": "<p>hello"}
    ada, _ = delivered(files, tmp_path).submissions
    assert ada.notebook.name == "costs.ipynb"
    assert ada.delivery.place == "Ada Lovelace_101_assignsubmission_file"


def test_canvas_has_files_with_two_numbers_and_marks_who_is_late(tmp_path):
    found = delivered(canvas_files(STUDENTS, late=(102, 106)), tmp_path)
    assert found.system == "Canvas"
    names = {each.delivery.id: each.student for each in found.submissions}
    assert names["101"] == "lovelaceada (101)"
    assert names["106"] == "王小明 (106)"
    assert {each.delivery.id for each in found.submissions if each.delivery.is_late} == {"102", "106"}
    assert len(found.submissions) == len(NAMES)


def test_canvas_without_names_and_with_numbers_in_file_names(tmp_path):
    files = {
        "anon_x7Ab2_501_costs.ipynb": "{}",
        "LATE_anon_q9Zz1_502_12_34_costs.ipynb": "{}",
        "roejane_103_90103_12_34.ipynb": "{}",
        "roejane_103_90200_costs-1.ipynb": "{}",
        "lovelaceada_101_text.html": "<p>",
    }
    found = {each.delivery.id: each for each in delivered(files, tmp_path).submissions}
    assert set(found) == {"x7Ab2", "q9Zz1", "103", "101"}
    assert found["q9Zz1"].delivery.is_late
    assert found["103"].notebook.name == "roejane_103_90200_costs-1.ipynb"  # the later of two attachments
    assert found["103"].delivery.place == "roejane_103_90200_costs-1.ipynb"
    assert found["101"].notebook is None


def test_brightspace_has_a_folder_for_each_attempt_and_the_last_counts(tmp_path):
    names = (
        "1-2 - Jane Roe - Oct 9, 2031 1022 AM",
        "1-2 - Jane Roe - Oct 10, 2031 925 PM",
        "1-2 - Bo Ek - Oct 9, 2031 905 AM",
    )
    files = {f"Costs of layers/{name}/costs.ipynb": "{}" for name in names}
    files["Costs of layers/index.html"] = "<html>"
    found = delivered(files, tmp_path)
    bo, jane = found.submissions
    assert (found.system, found.stray) == ("Brightspace", ["index.html"])
    assert (bo.student, bo.remarks, jane.student) == ("Bo Ek", (), "Jane Roe")
    assert jane.delivery.at == "2031-10-10T21:25:00"
    assert jane.remarks[0].startswith("You handed in 2 times.")
    assert "10 October 2031, 21:25" in jane.remarks[0]
    assert all(name in jane.for_staff[0] for name in names[:2])


def test_an_attempt_without_a_notebook_does_not_hide_one_with_a_notebook(tmp_path):
    first, second = "1-2 - Jane Roe - Oct 9, 2031 1022 AM", "1-2 - Jane Roe - Oct 10, 2031 925 PM"
    (jane,) = delivered({f"{first}/costs.ipynb": "{}", f"{second}/sorry.pdf": "%PDF"}, tmp_path).submissions
    assert jane.delivery.place == first
    assert "9 October 2031" in jane.remarks[0]


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("Oct 10, 2025 1022 AM", "2025-10-10T10:22:00"),
        ("September 4, 2024 926 PM", "2024-09-04T21:26:00"),
        ("12 oct. 2025 22h10", ""),
        ("Oct 99, 2025 1022 AM", ""),
    ],
)
def test_a_time_of_brightspace(text, time):
    assert brightspace_time(text) == time


def test_gradescope_says_in_a_file_whose_each_folder_is(tmp_path):
    found = delivered(gradescope_files(STUDENTS), tmp_path)
    assert (found.system, found.stray) == ("Gradescope", ["submission_metadata.yml"])
    assert sorted(each.student for each in found.submissions) == WITH_NUMBERS
    assert {each.delivery.at for each in found.submissions} == {
        "2031-10-11T13:30:05-07:00",
        "2031-10-11T20:30:05+00:00",
    }


def test_gradescope_s_groups_have_one_row_with_all_names(tmp_path):
    about = "submission_7:\n  :submitters:\n  - :name: A B\n    :sid: '1'\n  - :name: C D\n    :sid:\n"
    found = delivered({"submission_7/costs.ipynb": "{}", "submission_metadata.yml": about}, tmp_path)
    assert [each.student for each in found.submissions] == ["A B and C D (1)"]


def test_a_damaged_list_of_gradescope_s_is_an_error_that_names_it(tmp_path):
    with pytest.raises(OSError, match=r"submission_metadata.yml cannot be read"):
        delivered({"submission_7/costs.ipynb": "{}", "submission_metadata.yml": "a: [b"}, tmp_path)


@pytest.mark.parametrize("make", [moodle_files, canvas_files, gradescope_files])
def test_stray_files_are_named_and_are_nobody_s(tmp_path, make):
    stray = {"index.html": "<html>", "desktop.ini": "", "Thumbs.db": "", "read me.txt": "", "notes/todo.md": ""}
    root = "assignment_1_export/" if make is gradescope_files else ""
    hidden = {f"{root}.DS_Store": "", f"__MACOSX/{root}._costs": ""}
    found = delivered(make(STUDENTS) | {root + name: text for name, text in stray.items()} | hidden, tmp_path)
    assert len(found.submissions) == len(NAMES)
    assert set(found.stray) - {"submission_metadata.yml"} == {
        "index.html",
        "desktop.ini",
        "Thumbs.db",
        "read me.txt",
        "notes",
    }


def test_a_folder_that_somebody_made_is_read_as_before_but_for_what_systems_leave(tmp_path):
    hand_in(tmp_path, "Ann Lee", "{}")
    hand_in(tmp_path / "Bo", "costs", "{}")
    (tmp_path / "Cy.docx").write_text("PK")
    for name in ("index.html", "desktop.ini", "Grades.csv"):
        (tmp_path / name).write_text("")
    found = find(tmp_path, "costs")
    assert [each.student for each in found.submissions] == ["Ann Lee", "Bo", "Cy"]
    assert (found.system, found.stray) == ("", ["Grades.csv", "desktop.ini", "index.html"])


def test_a_folder_unpacked_by_hand_and_one_with_the_archive_in_it_are_the_same_class(tmp_path):
    path = archive(tmp_path / "in" / "class.zip", moodle_files(STUDENTS))
    unpack(path, tmp_path / "out" / "class")
    for folder in (tmp_path / "in", tmp_path / "out", tmp_path / "out" / "class"):
        with opened(folder) as place:
            assert sorted(each.student for each in find(place, "costs").submissions) == WITH_NUMBERS
    assert not is_a_class(archive(tmp_path / "Ann.zip", {"costs/costs.ipynb": "{}"}))  # what a student made


def test_an_archive_writes_only_where_it_may(tmp_path):
    path = tmp_path / "class.zip"
    long = "x" * 300 + ".ipynb"
    with zipfile.ZipFile(path, "w") as file:
        for name in ("../../outside.ipynb", "/absolute.ipynb", "a\\b.ipynb", f"Ann_1_assignsubmission_file/{long}"):
            file.writestr(name, "{}")
        link = zipfile.ZipInfo("link.ipynb")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "/etc/passwd")
    inside = tmp_path / "a" / "b"
    unpack(path, inside)
    assert not (tmp_path / "outside.ipynb").exists()
    assert {each.name for each in inside.iterdir()} == {
        "outside.ipynb", "absolute.ipynb", "a", "link.ipynb", "Ann_1_assignsubmission_file"
    }  # fmt: skip
    assert not (inside / "link.ipynb").is_symlink()
    (cut,) = (inside / "Ann_1_assignsubmission_file").iterdir()
    assert cut.name.endswith(".ipynb")


def test_names_that_macos_packed_are_read_as_what_they_are(tmp_path):
    path = tmp_path / "class.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x_1_assignsubmission_file/costs.ipynb", "{}")
    raw = path.read_bytes().replace(b"x_1_", b"\xc3\xb6_1")  # the same length, and no word about UTF-8
    path.write_bytes(raw.replace(b"\xc3\xb6_1assign", b"\xc3\xb6_1assign"))
    with zipfile.ZipFile(path) as file:
        assert "ö" not in file.namelist()[0]
    unpack(path, tmp_path / "out")
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["ö_1assignsubmission_file"]


def test_what_is_no_archive_is_refused_with_its_name(tmp_path, capsys):
    (tmp_path / "class.zip").write_text("PK")
    arguments = ["grade", "costs", str(tmp_path / "class.zip"), "--seed", SEED, "--out", str(tmp_path / "out")]
    assert main([*arguments, "--no-sandbox"]) == 1
    assert "class.zip is no folder, and no zip file that can be read" in capsys.readouterr().err


@needs_sandbox
@pytest.mark.parametrize("system", ["Moodle", "Canvas", "Gradescope"])
def test_a_class_goes_from_the_archive_to_the_marks_in_the_course(tmp_path, capsys, system):
    wrong = solved(peak_elements="def peak_elements(maps, skips):\n    return sum(maps)")
    students = [("Ada Lovelace", 101, solved()), ("Jane Roe", 103, wrong), ("Jane Roe", 104, solved())]
    make = {"Moodle": moodle_files, "Canvas": canvas_files, "Gradescope": gradescope_files}[system]
    path, out = archive(tmp_path / "delivered.zip", make(students)), tmp_path / "out"
    assert main(["grade", "costs", str(path), "--seed", SEED, "--out", str(out)]) == 0
    people = [(name, number) for name, number, _ in students]
    sheet, book = tmp_path / "sheet.csv", tmp_path / "book.csv"
    moodle_worksheet(sheet, people, "32")
    canvas_gradebook(book, people)
    assert main(["return", "costs", str(out), "--moodle", str(sheet), "--canvas", str(book)]) == 0
    tables = [(out / "return" / f"{name}_grades.csv").read_text(encoding="utf-8") for name in ("moodle", "canvas")]
    grades = [[row["Grade"] for row in csv.DictReader(io.StringIO(tables[0]))]]
    grades += [[row[-1] for row in csv.reader(io.StringIO(tables[1]))][2:-1]]
    known = {"Moodle": [0], "Canvas": [1], "Gradescope": []}[system]
    for index, found in enumerate(grades):  # elsewhere two people of one name cannot be told apart by the name
        assert found == (["32", "26", "32"] if index in known else ["32", "", ""])
    assert (out / "return" / f"{system.lower()}_feedback.zip").exists() == (system != "Gradescope")


@needs_sandbox
def test_an_archive_is_graded_as_it_was_downloaded(tmp_path, capsys):
    wrong = solved(peak_elements="def peak_elements(maps, skips):\n    return sum(maps)")
    students = [("Ada Lovelace", 101, solved()), ("Jane Roe", 103, wrong)]
    path = archive(tmp_path / "delivered.zip", moodle_files(students) | {"stray.txt": ""})
    arguments = ["grade", "costs", str(path), "--seed", SEED, "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    said = capsys.readouterr()
    assert "Delivered by Moodle: 2 students" in said.out
    assert "Not graded, and no student's: stray.txt" in said.err
    log = (tmp_path / "out" / "first_failing_cases.csv").read_text(encoding="utf-8-sig")
    (line, *_) = [line for line in log.splitlines() if line.startswith("Jane Roe (103),")]
    problem = next(each for each in ASSIGNMENTS["costs"](SEED).problems if each.name == "peak_elements")
    case = next(part for part in problem.parts if part.name in line).cases[0]
    assert json.dumps(list(case)) in line.replace('""', '"')
    assert f",{problem.solution(*case)},{sum(case[0])}," in line
    assert "Ada" not in log
    page = (tmp_path / "out" / "feedback" / "Jane_Roe_103.html").read_text()
    assert json.dumps(list(case)) not in page
    assert main(arguments) == 0
    assert "2 of 2 were graded before." in capsys.readouterr().out
    assert main([*arguments, "--only", "103"]) == 0
    assert "1 of 2 were graded before." in capsys.readouterr().out
    assert main([*arguments, "--only", "Jane Roe"]) == 1  # of several there could be two
    assert "--only takes a name or a number as grades.csv has it" in capsys.readouterr().err
