"""The commands themselves: what they write, and what they refuse."""

from __future__ import annotations

import csv
import subprocess
import sys

import pytest
from classroom import ROOT, SEED, hand_in, needs_sandbox, solved

from instructor import sandbox
from instructor.__main__ import main


@pytest.fixture
def without_bwrap(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))


def grade(folder, *options: str) -> int:
    return main(["grade", "costs", str(folder / "in"), "--seed", SEED, "--out", str(folder / "out"), *options])


def test_build_writes_three_files(tmp_path, capsys):
    assert main(["build", "costs", "--seed", SEED, "--out", str(tmp_path / "new")]) == 0
    names = {"costs.ipynb", "costs_solution.ipynb", "costs_marking.md"}
    assert {path.name for path in (tmp_path / "new").iterdir()} == names
    assert f"Hand out {tmp_path / 'new' / 'costs.ipynb'}" in capsys.readouterr().out


def test_a_seed_that_can_be_guessed_is_pointed_out(tmp_path, capsys):
    for seed, guessable in (("2031", True), ("0123456789abcdef01234567", False)):
        assert main(["build", "costs", "--seed", seed, "--out", str(tmp_path / seed)]) == 0
        assert ("can be guessed" in capsys.readouterr().out) == guessable


def test_without_bwrap_nothing_is_run(without_bwrap, tmp_path, capsys):
    hand_in(tmp_path / "in", "Ann", solved(extra=f"open({str(tmp_path / 'ran')!r}, 'w')"))
    assert grade(tmp_path) == 1
    error = capsys.readouterr().err
    assert "bwrap is not installed" in error
    assert "--no-sandbox" in error
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "ran").exists()


def test_a_machine_whose_system_calls_we_do_not_know_has_no_sandbox(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(sandbox.platform, "machine", lambda: "abacus")
    hand_in(tmp_path / "in", "Ann", solved())
    assert grade(tmp_path) == 1
    assert "not of abacus" in capsys.readouterr().err


def test_a_bwrap_that_does_not_work_is_no_sandbox(tmp_path, monkeypatch, capsys):
    (tmp_path / "bwrap").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sandbox.ENVIRONMENT, "PATH", str(tmp_path))
    hand_in(tmp_path / "in", "Ann", solved())
    assert grade(tmp_path) == 1
    assert "did not start" in capsys.readouterr().err


@needs_sandbox
def test_a_machine_without_user_namespaces_is_no_sandbox_and_says_why(tmp_path):
    hand_in(tmp_path / "in", "Ann", solved(extra=f"open({str(tmp_path / 'ran')!r}, 'w')"))
    without = ["bwrap", "--dev-bind", "/", "/", "--unshare-user", "--disable-userns"]
    arguments = ["grade", "costs", str(tmp_path / "in"), "--seed", SEED, "--out", str(tmp_path / "out")]
    run = subprocess.run(
        [*without, sys.executable, "-m", "instructor", *arguments], cwd=ROOT, capture_output=True, text=True
    )
    if "Unknown option --disable-userns" in run.stderr:
        pytest.skip("this bwrap cannot forbid user namespaces")
    assert run.returncode == 1
    assert "lets no program make user namespaces: see appendix E" in run.stderr
    assert not (tmp_path / "ran").exists()


def test_grading_unprotected_has_to_be_asked_for(without_bwrap, tmp_path):
    hand_in(tmp_path / "in", "Ann", solved())
    assert grade(tmp_path, "--no-sandbox") == 0
    with (tmp_path / "out" / "grades.csv").open(newline="", encoding="utf-8-sig") as file:
        (ann,) = csv.DictReader(file)
    assert ann["points"] == ann["of"]


def test_an_endless_answer_ends_without_the_sandbox_too(tmp_path):
    hand_in(tmp_path / "in", "Ann", solved(extra="while True: pass"))
    assert grade(tmp_path, "--no-sandbox", "--seconds", "1") == 0


def test_a_worker_that_does_not_start_fails_that_student_and_is_reported(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sandbox, "plain_command", lambda: (["false"], []))
    hand_in(tmp_path / "in", "Ann", solved())
    assert grade(tmp_path, "--no-sandbox") == 1
    assert "Not graded: Ann" in capsys.readouterr().err
    with (tmp_path / "out" / "grades.csv").open(newline="", encoding="utf-8-sig") as file:
        assert next(csv.DictReader(file))["points"] == ""


def test_nothing_is_overwritten(tmp_path, capsys):
    hand_in(tmp_path / "in", "Ann", solved())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "grades.csv").write_text("marked by hand")
    assert grade(tmp_path, "--no-sandbox") == 1
    assert "not empty" in capsys.readouterr().err
    assert (tmp_path / "out" / "grades.csv").read_text() == "marked by hand"


def test_results_do_not_go_among_the_submissions(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    assert main(["grade", "costs", str(tmp_path / "in"), "--seed", SEED, "--out", str(tmp_path / "in" / "out")]) == 1
    assert "among the submissions" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_an_error_and_an_empty_one_is_not(tmp_path, capsys):
    assert grade(tmp_path, "--no-sandbox") == 1
    assert "No such file" in capsys.readouterr().err
    (tmp_path / "in").mkdir()
    assert grade(tmp_path, "--no-sandbox") == 0


def test_an_unknown_assignment_is_refused_with_the_names_that_exist(capsys):
    with pytest.raises(SystemExit):
        main(["build", "nothing", "--seed", "s", "--out", "x"])
    assert "costs" in capsys.readouterr().err
