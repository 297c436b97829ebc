"""What comes out of grading, whatever students are called and whatever they wrote."""

from __future__ import annotations

import csv
from html import escape
from html.parser import HTMLParser

import pytest
from classroom import SEED

from instructor.assignments import ASSIGNMENTS
from instructor.grading import UNKNOWN, Graded, Mark
from instructor.reports import cell_html, feedback_page, harmless, page_names, summary_page, write_reports

ASSIGNMENT = ASSIGNMENTS["budget"](SEED)


def graded(student: str, *, comment: str = "", remarks: tuple[str, ...] = (), failure: str = "") -> Graded:
    marks = [
        Mark(problem.title, part.name, 0 if comment else part.points, part.points, comment)
        for problem in ASSIGNMENT.problems
        for part in problem.parts
    ]
    return Graded(student, f"{student}.ipynb", marks, list(remarks), failure=failure)


def rows(path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-1", "@sum", " =1", "\t=1", "\r=1", "＝1"])
def test_no_name_is_a_formula_to_a_spreadsheet(name, tmp_path):
    write_reports(ASSIGNMENT, [graded(name, remarks=(name,))], tmp_path)
    row = rows(tmp_path / "grades.csv")[0]
    for column in ("student", "file", "remarks"):
        assert row[column].startswith("'")
    assert harmless("Ann-Marie = x") == "Ann-Marie = x"
    assert harmless(3) == 3


def test_grades_have_points_for_each_part_and_an_empty_column_for_what_a_person_marks(tmp_path):
    write_reports(ASSIGNMENT, [graded("Ann"), graded("Bo", comment="Wrong.")], tmp_path)
    ann, bo = rows(tmp_path / "grades.csv")
    assert int(ann["points"]) == int(ann["of"]) == ASSIGNMENT.points
    assert bo["points"] == "0"
    assert ann["Defend your choice (of 8, by hand)"] == ""
    parts = [f"{problem.title}: {part.name}" for problem in ASSIGNMENT.problems for part in problem.parts]
    assert sum(int(ann[part]) for part in parts) == ASSIGNMENT.points


def test_who_could_not_be_graded_has_no_points_rather_than_none(tmp_path):
    write_reports(ASSIGNMENT, [graded("Ann", failure="OSError: no space")], tmp_path)
    (ann,) = rows(tmp_path / "grades.csv")
    assert ann["points"] == ""
    assert "OSError: no space" in ann["remarks"]
    assert "OSError" not in (tmp_path / "feedback" / "Ann.html").read_text()


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def handle_starttag(self, tag, attributes):
        self.seen.add(tag)
        assert not [name for name, _ in attributes if name.startswith("on")]


def test_nothing_that_a_student_wrote_becomes_markup(tmp_path):
    nasty = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&{title}{body}"
    student = graded(nasty, remarks=(nasty,))
    for page in (feedback_page(ASSIGNMENT, student), summary_page(ASSIGNMENT, [student])):
        tags = Tags()
        tags.feed(page)
        assert not tags.seen & {"script", "img"}
        assert "&lt;script&gt;" in page
        assert "{title}{body}" in page


def test_each_student_has_a_page_of_their_own():
    names = ["Ann", "ann", "Ann/../Bo", "../../etc", "", "王小明", "x" * 300, "x" * 301, "ann_2"]
    pages = page_names([graded(name) for name in names])
    assert len({page.casefold() for page in pages}) == len(names)
    assert all("/" not in page and len(page.encode()) < 255 and not page.startswith(".") for page in pages)
    assert "王小明.html" in pages


def test_the_summary_counts_who_got_a_part_and_which_mistakes_were_made():
    page = summary_page(
        ASSIGNMENT, [graded("Ann"), graded("Bo", comment="Forgot it."), graded("Cy", comment="Forgot it.")]
    )
    assert "<td>1 of 3</td><td>2 × Forgot it.</td>" in page
    assert "3 students" in page


def test_remarks_come_before_the_problems():
    page = feedback_page(ASSIGNMENT, graded("Ann", comment="Wrong.", remarks=("There is no notebook.",)))
    assert page.index("There is no notebook.") < page.index(ASSIGNMENT.problems[0].title)


def test_the_summary_says_whose_wrong_answers_nobody_knows_yet():
    page = summary_page(ASSIGNMENT, [graded("Ann", comment=UNKNOWN), graded("Bo", comment="Forgot it.")])
    end = page.partition("Wrong answers without a name")[2]
    assert "Ann" in end
    assert "Bo" not in end


def test_what_a_person_marks_stands_on_one_page_by_row_and_not_by_name(tmp_path):
    question = ASSIGNMENT.by_hand[0]
    ann, bo, cy = graded("Ann"), graded("Bo"), graded("Cy")
    ann.texts = [question.task.replace("*(your text)*", "I choose <b>0.5</b>.\n\nIt fits.\x1b\ud800")]
    bo.texts = [question.task]
    write_reports(ASSIGNMENT, [ann, bo, cy], tmp_path)
    page = (tmp_path / "by_hand.html").read_text(encoding="utf-8")
    assert all(escape(what) in page for what, _ in question.rubric)
    of_ann, of_bo, of_cy = page.split("<h3>")[1:]
    assert "Row 2" in of_ann
    assert "5 words" in of_ann
    assert "I choose &lt;b&gt;0.5&lt;/b&gt;.\n\nIt fits." in of_ann
    assert question.task[:40] not in page.partition("<h3>")[2]
    assert "Nothing below the question" in of_bo
    assert "Nothing below the question" in of_cy
    assert not any(name in page for name in ("Ann", "Bo<", "Cy"))


def test_without_a_question_for_a_person_there_is_no_such_page(tmp_path):
    write_reports(ASSIGNMENTS["costs"](SEED), [], tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "feedback",
        "first_failing_cases.csv",
        "grades.csv",
        "summary.html",
    ]


def test_the_summary_tells_the_middle_of_the_class():
    page = summary_page(ASSIGNMENT, [graded("Ann"), graded("Bo"), graded("Cy", comment="Wrong.")])
    assert f"The middle one has {ASSIGNMENT.points} of {ASSIGNMENT.points} points." in page
    assert "0 students." in summary_page(ASSIGNMENT, [])


def test_a_feedback_page_names_no_other_student():
    assert "Bo" not in feedback_page(ASSIGNMENT, graded("Ann"))


def test_our_comments_have_code_and_emphasis_and_a_line_each():
    assert cell_html("Use `a<b` *and* 2 * 3 * 4.") == "Use <code>a&lt;b</code> <em>and</em> 2 * 3 * 4."
    assert cell_html(["one", "`two`"]) == "one<br><code>two</code>"
