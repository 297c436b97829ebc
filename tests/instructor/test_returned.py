"""What goes back to the course: totals, marks by hand, late work, and the forms that Moodle and Canvas import."""

from __future__ import annotations

import csv
import io
import json
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
from classroom import SEED
from platforms import canvas_gradebook, canvas_name, moodle_worksheet

from instructor.__main__ import main
from instructor.assignments import ASSIGNMENTS
from instructor.by_hand import code_of, raw, read_marks, text_code
from instructor.grading import Graded, Mark
from instructor.journal import Journal
from instructor.reports import by_hand_page, write_reports
from instructor.returned import moodle_time, name_keys
from instructor.submissions import Delivery
from instructor.totals import days_after, late_rule

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
COSTS, BUDGET = ASSIGNMENTS["costs"](SEED), ASSIGNMENTS["budget"](SEED)
(DEFENCE,) = BUDGET.by_hand
PEOPLE = [("Ada Lovelace", 101), ("Bö Çelik", 102), ("Jane Roe", 103), ("Jane Roe", 104)]


def graded(student: str, delivery: Delivery, assignment=COSTS, lost: int = 0, text: str = "") -> Graded:
    marks = [
        Mark(problem.title, part.name, part.points, part.points)
        for problem in assignment.problems
        for part in problem.parts
    ]
    marks[:lost] = [Mark(each.problem, each.part, 0, each.of, "Wrong.") for each in marks[:lost]]
    return Graded(student, "costs.ipynb", marks, texts=[text] * len(assignment.by_hand), delivery=delivery)


def moodle(name: str, number: int) -> Delivery:
    return Delivery("Moodle", str(number), name, f"{name}_{number}_assignsubmission_file")


def canvas(name: str, number: int, late: bool = False) -> Delivery:
    place = f"{canvas_name(name)}{'_LATE' * late}_{number}_{90000 + number}_costs.ipynb"
    return Delivery("Canvas", str(number), canvas_name(name), place, is_late=late)


def a_class(folder: Path, system, assignment=COSTS) -> list[Graded]:
    """The folder as grading leaves it: each student has lost one part more than the one before."""
    results = [
        graded(f"{name} ({number})", system(name, number), assignment, lost, f"I choose {number}.")
        for lost, (name, number) in enumerate(PEOPLE)
    ]
    keep(folder, results, assignment)
    return results


def keep(folder: Path, results: list[Graded], assignment=COSTS) -> None:
    folder.mkdir(exist_ok=True)
    journal = Journal(folder, assignment.name, SEED)
    journal.read()
    for each in results:
        journal.write(each)
    write_reports(assignment, results, folder)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def give_back(folder: Path, *options: object, name: str = "costs") -> int:
    return main(["return", name, str(folder), *map(str, options)])


# Forms ------------------------------------------------------------------------------------------------------------


def test_moodle_s_worksheet_gets_grades_and_comments_and_keeps_everything_else(tmp_path, capsys):
    results = a_class(tmp_path / "graded", moodle)
    sheet = moodle_worksheet(tmp_path / "sheet.csv", [*PEOPLE, ("Zoë Nil", 199)], maximum="32.00")
    assert give_back(tmp_path / "graded", "--moodle", sheet) == 0
    before, after = rows(sheet), rows(tmp_path / "graded" / "return" / "moodle_grades.csv")
    assert list(after[0]) == list(before[0])
    changed = ("Grade", "Feedback comments")
    for old, new in zip(before, after, strict=True):
        assert {k: v for k, v in old.items() if k not in changed} == {k: v for k, v in new.items() if k not in changed}
    assert [row["Grade"] for row in after] == [*(str(each.points) for each in results), ""]
    assert after[1]["Feedback comments"] == f"{results[1].points} of 32 points. The page feedback.html says for what."
    assert not (tmp_path / "graded" / "return" / "moodle_grades.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    assert "1 in sheet.csv have handed in nothing" in capsys.readouterr().err


def test_moodle_s_feedback_lies_in_the_folders_that_were_downloaded(tmp_path):
    results = a_class(tmp_path / "graded", moodle)
    assert give_back(tmp_path / "graded") == 0
    with zipfile.ZipFile(tmp_path / "graded" / "return" / "moodle_feedback.zip") as archive:
        assert archive.namelist() == [f"{each.delivery.place}/feedback.html" for each in results]
        page = archive.read(archive.namelist()[2]).decode()
    assert "Jane Roe (103)" in page
    assert "(104)" not in page
    for name in archive.namelist():  # what Moodle's importer asks of the folder's name
        _, number, *plugin = name.partition("/")[0].split("_", 4)
        assert number.isdecimal()
        assert plugin == ["assignsubmission", "file"]


def test_canvas_s_gradebook_keeps_who_is_who_and_this_assignment(tmp_path, capsys):
    results = a_class(tmp_path / "graded", canvas)
    book = canvas_gradebook(tmp_path / "book.csv", PEOPLE)
    assert give_back(tmp_path / "graded", "--canvas", book) == 0
    with (tmp_path / "graded" / "return" / "canvas_grades.csv").open(newline="", encoding="utf-8") as file:
        header, points, *people = csv.reader(file)
    assert header == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Costs of layers (4711)"]
    assert (points[0], points[-1]) == ("    Points Possible", "32")
    assert people[0] == ["Lovelace, Ada", "101", "S101", "s101", "Lab 1", str(results[0].points)]
    assert [row[-1] for row in people] == [*(str(each.points) for each in results), ""]  # and the test student
    assert "scaled" not in capsys.readouterr().err


def test_canvas_s_feedback_is_a_notebook_under_the_name_that_was_downloaded(tmp_path):
    results = a_class(tmp_path / "graded", canvas)
    assert give_back(tmp_path / "graded") == 0
    with zipfile.ZipFile(tmp_path / "graded" / "return" / "canvas_feedback.zip") as archive:
        assert archive.namelist() == [each.delivery.place for each in results]
        notebook = json.loads(archive.read(results[1].delivery.place))
    (cell,) = notebook["cells"]
    assert f"{results[1].points} of 32 points" in "".join(cell["source"])


def test_a_platform_that_counts_otherwise_gets_its_own_points_and_says_so(tmp_path, capsys):
    results = a_class(tmp_path / "graded", moodle)
    assert give_back(tmp_path / "graded", "--moodle", moodle_worksheet(tmp_path / "sheet.csv", PEOPLE, "100.00")) == 0
    after = rows(tmp_path / "graded" / "return" / "moodle_grades.csv")
    assert [float(row["Grade"]) for row in after] == [round(each.points * 100 / 32, 2) for each in results]
    assert "Moodle gives 100 points and the assignment has 32: grades are scaled." in capsys.readouterr().err


def test_a_class_from_elsewhere_is_found_by_name_or_number_and_never_by_guessing(tmp_path, capsys):
    students = ("Ada Lovelace", "s102@example.org", "Jane Roe", "Nobody Known")
    keep(tmp_path / "graded", [graded(student, Delivery()) for student in students])
    sheet = moodle_worksheet(tmp_path / "sheet.csv", PEOPLE, "32")
    assert give_back(tmp_path / "graded", "--moodle", sheet) == 0
    after = rows(tmp_path / "graded" / "return" / "moodle_grades.csv")
    assert [row["Grade"] for row in after] == ["32", "32", "", ""]  # two are called Jane Roe
    assert "enter by hand: Jane Roe, Nobody Known" in capsys.readouterr().err


def test_a_number_of_one_platform_means_nothing_on_another(tmp_path):
    keep(tmp_path / "graded", [graded("Ada Lovelace (103)", canvas("Ada Lovelace", 103))])
    assert give_back(tmp_path / "graded", "--moodle", moodle_worksheet(tmp_path / "sheet.csv", PEOPLE, "32")) == 0
    after = rows(tmp_path / "graded" / "return" / "moodle_grades.csv")
    assert [row["Grade"] for row in after] == ["32", "", "", ""]


def test_names_are_the_same_in_all_three_forms():
    assert name_keys("Jane Roe") & name_keys("Roe, Jane")
    assert name_keys("roejane") & name_keys("Roe, Jane")
    assert name_keys("o'neilmaryann") & name_keys("O'Neil, Mary-Ann")
    assert not name_keys("Jane Roe") & name_keys("Jane Rose")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "no column 'Identifier'"),
        ("Identifier,Grade,Maximum grade\nParticipant 1,,Pass\n", "must be one number of points"),
    ],
)
def test_another_table_is_no_worksheet(tmp_path, capsys, text, said):
    a_class(tmp_path / "graded", moodle)
    (tmp_path / "sheet.csv").write_text(text)
    assert give_back(tmp_path / "graded", "--moodle", tmp_path / "sheet.csv") == 1
    assert said in capsys.readouterr().err


def test_a_column_that_is_not_clear_has_to_be_named(tmp_path, capsys):
    a_class(tmp_path / "graded", canvas)
    book = canvas_gradebook(tmp_path / "book.csv", PEOPLE)
    book.write_text(book.read_text().replace("Costs of layers", "Homework 1"))
    assert give_back(tmp_path / "graded", "--canvas", book) == 1
    assert "say with --column which of these it is: Homework 1 (4711), Essay (4712)" in capsys.readouterr().err
    assert give_back(tmp_path / "graded", "--canvas", book, "--column", "homework 1") == 0
    book.write_text(book.read_text().replace("Essay", "Homework 1 redo"))
    assert give_back(tmp_path / "graded", "--canvas", book, "--column", "homework") == 1
    assert give_back(tmp_path / "graded", "--canvas", book, "--column", "homework 1") == 0
    assert "Homework 1 (4711)" in (tmp_path / "graded" / "return" / "canvas_grades.csv").read_text()


def test_semicolons_are_read_too(tmp_path):
    a_class(tmp_path / "graded", canvas)
    book = canvas_gradebook(tmp_path / "book.csv", PEOPLE)
    table = list(csv.reader(io.StringIO(book.read_text(encoding="utf-8"))))
    with book.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file, delimiter=";").writerows(table)
    assert give_back(tmp_path / "graded", "--canvas", book) == 0


def test_a_folder_without_grades_is_refused(tmp_path, capsys):
    assert give_back(tmp_path) == 1
    assert "has no results of 'costs'" in capsys.readouterr().err
    a_class(tmp_path / "graded", moodle)
    assert give_back(tmp_path / "graded", name="block") == 1


# Late -------------------------------------------------------------------------------------------------------------


def test_late_rules_in_one_line():
    rule = late_rule("10% a day, 3 days")
    assert [rule.left(days) for days in (0, 1, 3, 4)] == [1, 0.9, 0.7, 0]
    assert late_rule("12.5 % per day").left(9) == 0
    for wrong in ("10", "10% a week", "-5% a day", "120% a day", "10% a day, some days"):
        with pytest.raises(ValueError, match="must be like '10% a day, 3 days'"):
            late_rule(wrong)


@pytest.mark.parametrize(
    ("at", "days"),
    [
        ("2031-10-11T23:59:00", 0),
        ("2031-10-11T23:59:01", 1),
        ("2031-10-12T23:59:00", 1),
        ("2031-10-13T00:30:00+02:00", 2),
    ],
)
def test_a_day_that_has_begun_counts(at, days):
    assert days_after(datetime(2031, 10, 11, 23, 59), at) == days


def test_moodle_writes_times_in_words():
    assert moodle_time("Saturday, 11 October 2031, 9:05 PM") == "2031-10-11T21:05:00"
    assert moodle_time("-") == moodle_time("samedi 11 octobre 2031") == ""


def test_who_is_late_loses_what_the_rule_says_and_is_told(tmp_path, capsys):
    results = a_class(tmp_path / "graded", moodle)
    sheet = moodle_worksheet(tmp_path / "sheet.csv", PEOPLE, "32.00", late=2)
    options = ("--moodle", sheet, "--late", "10% a day, 3 days", "--due", "2031-10-11 23:59")
    assert give_back(tmp_path / "graded", *options) == 0
    assert "Late: 2 (10% a day, 3 days)" in capsys.readouterr().out
    table = rows(tmp_path / "graded" / "grades.csv")
    assert [row["days late"] for row in table] == ["3", "3", "", ""]  # two days and an hour
    assert float(table[0]["total (of 32)"]) == round(0.7 * results[0].points, 2)
    assert int(table[0]["points"]) == results[0].points
    page = (tmp_path / "graded" / "feedback" / "Ada_Lovelace_101.html").read_text()
    assert (
        "<strong>22.4 of 32 points</strong>: 32 of 32 from the grader; handed in 3 days late, which leaves 70 %."
        in page
    )


def test_an_extension_is_a_number_in_a_table_and_stays(tmp_path):
    results = [graded(f"Ada ({n})", canvas("Ada", n, late=n == 1), lost=0) for n in (1, 2)]
    keep(tmp_path / "graded", results)
    assert give_back(tmp_path / "graded", "--late", "50% a day") == 0
    late = tmp_path / "graded" / "late.csv"
    assert [row["days"] for row in rows(late)] == ["1"]
    assert "not how late" in late.read_text()
    assert rows(tmp_path / "graded" / "grades.csv")[0]["total (of 32)"] == "16"
    late.write_text(late.read_text().replace(",1,", ",0,"))
    for again in (lambda: write_reports(COSTS, results, tmp_path / "graded"), lambda: give_back(tmp_path / "graded")):
        again()
        assert rows(tmp_path / "graded" / "grades.csv")[0]["total (of 32)"] == "32"


def test_the_rule_is_kept_when_one_is_graded_again(tmp_path):
    results = [graded("Ada (1)", canvas("Ada", 1, late=True))]
    keep(tmp_path / "graded", results)
    give_back(tmp_path / "graded", "--late", "50% a day")
    write_reports(COSTS, results, tmp_path / "graded")
    assert rows(tmp_path / "graded" / "grades.csv")[0]["total (of 32)"] == "16"


# By hand ----------------------------------------------------------------------------------------------------------


def save_marks(folder: Path, results: list[Graded], points: str, comment: str = "") -> None:
    with (folder / "marks.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(["code", "question", "points", "comment", "text"])
        for each in results:
            writer.writerow([code_of(each.student), DEFENCE.title, points, comment, text_code(raw(each, 0))])


def test_marks_by_hand_go_into_grades_and_feedback_and_stay_when_graded_again(tmp_path, capsys):
    folder = tmp_path / "graded"
    results = a_class(folder, moodle, BUDGET)
    most = " ".join(str(points) for _, points in DEFENCE.rubric)
    save_marks(folder, results[:-1], most, "Well argued; <b>name</b> the machine.")
    assert give_back(folder, name="budget") == 0
    assert "No total yet, so no grade is returned: Jane Roe (104)" in capsys.readouterr().err
    for _ in range(2):
        table = rows(folder / "grades.csv")
        assert [row["total (of 35)"] for row in table[:2]] == [str(each.points + 8) for each in results[:2]]
        assert table[0][f"{DEFENCE.title} (of 8, by hand)"] == "8"
        assert table[-1]["total (of 35)"] == ""
        page = (folder / "feedback" / "Ada_Lovelace_101.html").read_text()
        assert "8 of 8 points, read by a person." in page
        assert "Well argued; &lt;b&gt;name&lt;/b&gt; the machine." in page
        assert f"{DEFENCE.rubric[0][0]}</td><td>2 of 2" in page
        write_reports(BUDGET, results, folder)  # as grading does, whoever is graded again


def test_points_that_were_typed_into_the_table_count_too(tmp_path):
    folder = tmp_path / "graded"
    results = a_class(folder, moodle, BUDGET)
    column = f"{DEFENCE.title} (of 8, by hand)"
    table = rows(folder / "grades.csv")
    for row in table:
        row[column] = "5,5"
    with (folder / "grades.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, list(table[0]), delimiter=";")  # as a spreadsheet saves it elsewhere
        writer.writeheader()
        writer.writerows(table)
    assert give_back(folder, name="budget") == 0
    assert rows(folder / "grades.csv")[0]["total (of 35)"] == f"{results[0].points + 5.5:g}"


def test_a_text_that_changed_after_it_was_marked_is_pointed_out(tmp_path, capsys):
    folder = tmp_path / "graded"
    results = a_class(folder, moodle, BUDGET)
    save_marks(folder, results, "8")
    results[1].texts = ["I choose another one."]
    keep(folder, results, BUDGET)
    assert "changed since it was marked" in (folder / "by_hand.html").read_text()
    assert give_back(folder, name="budget") == 0
    assert "Look at Bö Çelik (102): the text to 'Defend your choice' has changed" in capsys.readouterr().err


def test_marks_of_another_class_are_pointed_out(tmp_path, capsys):
    folder = tmp_path / "graded"
    a_class(folder, moodle, BUDGET)
    save_marks(folder, [graded("Somebody else", Delivery(), BUDGET)], "8")
    assert give_back(folder, name="budget") == 0
    assert "marks.csv: 1 in it are not in this class" in capsys.readouterr().err


@pytest.mark.parametrize("points", ["9", "-1", "2 2 2 1 2", "1 1", "many"])
def test_impossible_points_are_refused_with_the_line(tmp_path, points):
    folder = tmp_path / "graded"
    save_marks_of = a_class(folder, moodle, BUDGET)[:1]
    save_marks(folder, save_marks_of, points)
    with pytest.raises(OSError, match=r"marks.csv, line 2"):
        read_marks(BUDGET, folder)


def test_the_page_runs_our_script_alone():
    student = graded("Ann", Delivery(), BUDGET, text="<script>alert(1)</script><img src=x onerror=alert(1)>")
    page = by_hand_page(BUDGET, [student])
    assert page.count("<script>") == 1
    assert "default-src 'none'" in page
    assert "<img" not in page


@pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
def test_one_marks_from_the_page_and_the_file_that_it_saves_is_read(tmp_path):
    sync_api = pytest.importorskip("playwright.sync_api")
    folder = tmp_path / "graded"
    results = a_class(folder, moodle, BUDGET)

    def mark():
        with sync_api.sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page()
            page.set_default_timeout(300_000)  # milliseconds: a busy machine takes its time
            page.goto((folder / "by_hand.html").as_uri())
            first, second = (page.locator("fieldset").nth(index) for index in (0, 1))
            for field, (_, points) in zip(first.locator("input").all(), DEFENCE.rubric, strict=True):
                field.fill(str(points))
            assert page.locator("#said").inner_text() == "1 of 4 answers marked"
            first.locator("textarea").fill('Say "where", please.')
            first.locator("textarea").press("Tab")
            assert page.locator("#said").inner_text() == "1 of 4 answers marked"
            second.locator("select").select_option(label='Say "where", please.')
            assert second.locator("textarea").input_value() == 'Say "where", please.'
            page.reload()  # what was typed is still there
            assert page.locator("#said").inner_text() == "1 of 4 answers marked"
            with page.expect_download() as download:
                page.locator("#save").click()
            download.value.save_as(folder / "marks.csv")
            second.locator("input").first.fill("99")
            page.locator("#save").click()
            assert page.evaluate("document.querySelector('input:invalid') !== null")
            browser.close()

    with ThreadPoolExecutor(1) as pool:  # other tests' browser may be at work in this thread
        pool.submit(mark).result()
    (found,) = read_marks(BUDGET, folder).items()
    assert found[0] == (code_of(results[0].student), DEFENCE.title)
    assert (found[1].total, found[1].comment) == (8, 'Say "where", please.')
