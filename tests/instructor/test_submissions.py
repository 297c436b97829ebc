"""Finding the submissions in what a learning platform exports."""

from __future__ import annotations

import os
import unicodedata

import pytest
from classroom import hand_in

from instructor.submissions import (
    NOTEBOOK_AT_MOST,
    Submission,
    UnreadableError,
    find_submissions,
    natural,
    printable,
)


def found(folder) -> dict[str, str | None]:
    submissions = find_submissions(folder, "costs")
    return {each.student: each.notebook and str(each.notebook.relative_to(folder)) for each in submissions}


def test_a_student_is_a_file_or_a_folder_at_the_top(tmp_path):
    hand_in(tmp_path, "Ann Lee", "{}")
    hand_in(tmp_path / "Bö Çelik_12345_assignsubmission_file", "costs", "{}")
    hand_in(tmp_path / "Cy" / "deep" / "deeper", "my work", "{}")
    hand_in(tmp_path, "=1+1", "{}")
    hand_in(tmp_path, "王小明_costs", "{}")
    assert found(tmp_path) == {
        "=1+1": "=1+1.ipynb",
        "Ann Lee": "Ann Lee.ipynb",
        "Bö Çelik_12345_assignsubmission_file": "Bö Çelik_12345_assignsubmission_file/costs.ipynb",
        "Cy": "Cy/deep/deeper/my work.ipynb",
        "王小明": "王小明_costs.ipynb",
    }


def test_the_last_by_name_counts_and_numbers_are_numbers(tmp_path):
    for name in ("Ann", "Ann (2)", "Ann (10)", "Ann (9)"):
        hand_in(tmp_path, name, "{}")
    for name in ("costs", "costs-2", "costs-10", "costs-9"):
        hand_in(tmp_path / "Bo", name, "{}")
    os.utime(tmp_path / "Ann.ipynb", (2e9, 2e9))  # the time of a file does not matter
    assert found(tmp_path) == {"Ann": "Ann (10).ipynb", "Bo": "Bo/costs-10.ipynb"}
    others = [path.name for path in find_submissions(tmp_path, "costs")[0].others]
    assert others == ["Ann.ipynb", "Ann (2).ipynb", "Ann (9).ipynb"]


def test_students_whose_names_differ_by_a_number_stay_apart(tmp_path):
    for name in ("student1", "student2", "student 12"):
        hand_in(tmp_path, name, "{}")
    assert len(found(tmp_path)) == 3


def test_a_student_without_a_notebook_is_listed(tmp_path):
    (tmp_path / "Ann").mkdir()
    (tmp_path / "Ann" / "report.pdf").write_text("%PDF")
    (tmp_path / "Bo.docx").write_text("PK")
    assert found(tmp_path) == {"Ann": None, "Bo": None}
    submission = find_submissions(tmp_path, "costs")[0]
    assert [path.name for path in submission.others] == ["report.pdf"]
    with pytest.raises(UnreadableError, match="no notebook"):
        submission.read()


def test_an_ending_that_a_browser_added_does_not_matter(tmp_path):
    hand_in(tmp_path, "Ann_costs", "{}").rename(tmp_path / "Ann_costs.ipynb.txt")
    hand_in(tmp_path / "Bo", "costs", "{}").rename(tmp_path / "Bo" / "costs.IPYNB.json")
    hand_in(tmp_path / "Bo", "costs (2)", "{}")
    assert found(tmp_path) == {"Ann": "Ann_costs.ipynb.txt", "Bo": "Bo/costs (2).ipynb"}


def test_a_name_keeps_its_letters_and_nothing_that_is_not_seen():
    assert printable("علی\u200cرضا Bö") == "علی\u200cرضا Bö"
    assert printable("a\nb\x1b[31m\u202ec\ud800") == "a�b�[31m�c�"


def test_what_systems_leave_behind_is_no_student(tmp_path):
    hand_in(tmp_path / "Ann" / ".ipynb_checkpoints", "costs-checkpoint", "{}")
    hand_in(tmp_path / "Ann", "costs", "{}")
    hand_in(tmp_path / "__MACOSX", "._Ann", "{}")
    (tmp_path / ".DS_Store").write_bytes(b"\0")
    assert found(tmp_path) == {"Ann": "Ann/costs.ipynb"}


def test_one_name_in_two_unicode_forms_is_one_student(tmp_path):
    for index, form in enumerate(("NFC", "NFD")):
        hand_in(tmp_path, unicodedata.normalize(form, "Zoë") + (" (1)" if index else ""), "{}")
    assert len(found(tmp_path)) == 1


def test_a_name_that_is_no_text_is_still_a_student(tmp_path):
    path = os.fsencode(tmp_path) + b"/caf\xe9.ipynb"
    try:
        with open(path, "w") as file:
            file.write("{}")
    except OSError:
        pytest.skip("this file system takes no such name")
    (submission,) = find_submissions(tmp_path, "costs")
    assert submission.student == "caf\N{REPLACEMENT CHARACTER}"
    assert submission.read() == "{}"


def test_links_and_pipes_are_not_followed(tmp_path):
    secret = tmp_path / "outside"
    secret.write_text("secret")
    folder = tmp_path / "submissions"
    folder.mkdir()
    (folder / "link.ipynb").symlink_to(secret)
    (folder / "folder").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe.ipynb")
    for submission in find_submissions(folder, "costs"):
        with pytest.raises(UnreadableError):
            submission.read()


def test_a_huge_file_is_not_read(tmp_path):
    path = tmp_path / "Ann.ipynb"
    with path.open("wb") as file:
        file.truncate(NOTEBOOK_AT_MOST + 1)
    with pytest.raises(UnreadableError, match="larger than 100 MB"):
        Submission("Ann", path).read()


def test_names_are_sorted_as_people_do():
    assert sorted(["b10", "b9", "B", "a", "b (2)"], key=natural) == ["a", "B", "b9", "b10", "b (2)"]
