"""A hand-out says which edition made it, and an edition that draws other numbers says so."""

import time

import classroom  # noqa: F401 (makes the instructor's package importable)
import nbformat
import pytest

from instructor import edition
from instructor.__main__ import main
from instructor.assignments import ASSIGNMENTS
from instructor.notebooks import student_notebook
from instructor.submissions import find_submissions
from scripts.setup_cells import project


@pytest.fixture
def hand_out(tmp_path):
    notebook = student_notebook(ASSIGNMENTS["costs"]("a secret of the class"))
    nbformat.write(notebook, tmp_path / "costs.ipynb")
    return tmp_path / "costs.ipynb"


def test_a_hand_out_says_the_edition_that_made_it(hand_out):
    first = nbformat.read(hand_out, as_version=4).cells[0].source
    found = edition.said(first)
    assert found["edition"] == project()["branch"]
    assert found["name"] == "costs"


def test_the_same_edition_draws_the_same_numbers_whatever_the_seed(hand_out):
    same, sentence = edition.judge(hand_out)
    assert same
    assert "draws the same numbers" in sentence
    assert edition.main([str(hand_out.parent)]) == 0


def test_a_hand_out_of_another_edition_is_told_with_the_command_that_helps(hand_out, monkeypatch, capsys):
    monkeypatch.setattr(edition, "project", lambda: {"branch": "v0.0.9", "version": "0.0.9"})
    old = student_notebook(ASSIGNMENTS["costs"]("a secret of the class"))
    nbformat.write(old, hand_out)
    costs = ASSIGNMENTS["costs"]
    monkeypatch.setitem(ASSIGNMENTS, "costs", lambda seed: costs(f"{seed}, drawn in another way"))
    edition.numbers_of.cache_clear()
    assert edition.main([str(hand_out.parent)]) == 1
    assert "was made by edition v0.0.9, whose numbers this one does not draw: git checkout v0.0.9" in (
        capsys.readouterr().out
    )
    edition.numbers_of.cache_clear()


def test_what_has_no_stamp_or_is_no_notebook_is_said(tmp_path):
    (tmp_path / "a.ipynb").write_text("nothing")
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "b.ipynb")
    assert "does not say which edition" in edition.judge(tmp_path / "a.ipynb")[1]
    assert "does not say which edition" in edition.judge(tmp_path / "b.ipynb")[1]


def submissions(folder, stamps):
    for number, stamp in enumerate(stamps):
        (folder / f"{number}.ipynb").write_text(stamp)
    return find_submissions(folder, "costs")


def other(numbers="0" * 12):
    return f"*Made by edition v0.0.9 (0.0.9): `costs` {numbers}.*"


def test_a_class_with_hand_outs_of_another_edition_is_refused_and_told_where_to_grade(tmp_path):
    with pytest.raises(OSError, match=r"2 of 3 hand-outs were made by edition v0\.0\.9.*git checkout v0\.0\.9"):
        edition.refuse_others("costs", submissions(tmp_path, [other(), other(), edition.stamp("costs")]))


def test_one_changed_stamp_stops_no_class(tmp_path):
    stamps = [other(), edition.stamp("costs"), edition.stamp("costs"), "nothing"]
    found = edition.refuse_others("costs", submissions(tmp_path, stamps))
    assert found == f"2 of edition {project()['branch']}, 1 of edition v0.0.9"


def test_an_old_edition_with_the_same_numbers_is_graded(tmp_path):
    found = edition.refuse_others("costs", submissions(tmp_path, [other(edition.numbers_of("costs"))] * 2))
    assert found == "2 of edition v0.0.9"


def test_the_grader_refuses_before_it_runs_anything(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    submissions(tmp_path / "in", [other()])
    command = ["grade", "costs", str(tmp_path / "in"), "--seed", "a seed for this test", "--no-sandbox"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 1
    assert "Nothing was graded" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_notebook_full_of_half_stamps_is_searched_at_once(tmp_path):
    (tmp_path / "a.ipynb").write_text("*Made by edition a (" * 50_000)
    before = time.process_time()
    assert not edition.judge(tmp_path / "a.ipynb")[0]
    assert time.process_time() - before < 2
