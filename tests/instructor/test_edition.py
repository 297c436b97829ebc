"""A hand-out says which edition made it, and an edition that draws other numbers says so."""

import classroom  # noqa: F401 (makes the instructor's package importable)
import nbformat
import pytest

from instructor import edition
from instructor.assignments import ASSIGNMENTS
from instructor.notebooks import student_notebook
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
    assert "cannot be read" in edition.judge(tmp_path / "a.ipynb")[1]
    assert "does not say which edition" in edition.judge(tmp_path / "b.ipynb")[1]
