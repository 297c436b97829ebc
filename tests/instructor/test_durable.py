"""Nothing is lost, and nothing depends on the machine: results as they come, time, seeds, what is refused."""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from classroom import ROOT, SEED, code, hand_in, needs_sandbox, solved

from instructor import __main__ as command
from instructor import running, sandbox
from instructor.__main__ import main
from instructor.assignments import ASSIGNMENTS
from instructor.grading import Graded, Grader, Mark, better
from instructor.journal import Journal
from instructor.problem import seed_for
from instructor.reports import harmless
from instructor.sandbox import Allowance, Worker, cannot_be_hidden
from instructor.submissions import find_submissions

ALL, CONV = 32, 8
STUDENTS = ("Ann", "Bo", "Cy", "Di")


def grade(folder, *options: str) -> int:
    paths = [str(folder / "in"), "--out", str(folder / "out")]
    return main(["grade", "costs", *paths, "--seed", SEED, "--no-sandbox", *options])


def rows(folder) -> dict[str, dict[str, str]]:
    with (folder / "out" / "grades.csv").open(newline="", encoding="utf-8-sig") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


@pytest.fixture
def a_class(tmp_path):
    for name in STUDENTS:
        hand_in(tmp_path / "in", name, solved())
    return tmp_path


def interrupted(monkeypatch, error: BaseException, after: int):
    """Grading that breaks off after so many results."""
    whole = Grader.grade_all

    def grade_all(self, submissions):
        yield from itertools.islice(whole(self, submissions), after)
        raise error

    monkeypatch.setattr(Grader, "grade_all", grade_all)


def count_graded(monkeypatch) -> list[str]:
    found: list[str] = []
    whole = Grader._grade

    def counted(self, submission, again=False):
        found.append(submission.student)
        return whole(self, submission, again)

    monkeypatch.setattr(Grader, "_grade", counted)
    return found


# Results as they come ---------------------------------------------------------------------------------------------


def test_after_an_interrupt_the_same_command_goes_on(a_class, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        interrupted(patch, KeyboardInterrupt(), after=2)
        assert grade(a_class) == 130
    assert "the same command goes on" in capsys.readouterr().err
    asked = count_graded(monkeypatch)
    assert grade(a_class) == 0
    assert len(asked) == 2
    assert "2 of 4 were graded before" in capsys.readouterr().out
    assert [row["points"] for row in rows(a_class).values()] == [str(ALL)] * 4


def test_a_full_disk_loses_one_student_at_most(a_class, monkeypatch):
    written = []
    whole = Journal._append

    def full(self, line):
        if len(written) == 3:  # the heading and two students
            with self.path.open("ab") as file:
                file.write(b'{"student": "Cy", "fi')
            raise OSError(28, "No space left on device")
        written.append(line)
        whole(self, line)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "_append", full)
        assert grade(a_class) == 1
    asked = count_graded(monkeypatch)
    assert grade(a_class) == 0
    assert len(asked) == 2
    assert len(rows(a_class)) == 4


def test_a_student_whose_file_has_changed_and_a_late_one_are_graded(a_class, monkeypatch):
    assert grade(a_class) == 0
    hand_in(a_class / "in", "Bo", solved(conv_macs=None))
    hand_in(a_class / "in", "Eve", solved())
    asked = count_graded(monkeypatch)
    assert grade(a_class) == 0
    assert sorted(asked) == ["Bo", "Eve"]
    assert rows(a_class)["Bo"]["points"] == str(ALL - CONV)


def test_one_student_can_be_graded_again_and_an_unknown_one_not(a_class, monkeypatch, capsys):
    assert grade(a_class) == 0
    asked = count_graded(monkeypatch)
    assert grade(a_class, "--only", "Cy") == 0
    assert asked == ["Cy"]
    assert len(rows(a_class)) == 4
    assert grade(a_class, "--only", "Nobody") == 1
    assert "No submission is by Nobody" in capsys.readouterr().err


def test_marks_that_were_typed_in_are_kept(tmp_path):
    hand_in(tmp_path / "in", "Ann", solved("budget"))
    arguments = ["grade", "budget", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--seed", SEED]
    assert main([*arguments, "--no-sandbox"]) == 0
    path = tmp_path / "out" / "grades.csv"
    title = "Defend your choice (of 8, by hand)"
    table = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    table[0][title] = "7"
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)
    assert main([*arguments, "--no-sandbox", "--only", "Ann"]) == 0
    assert rows(tmp_path)["Ann"][title] == "7"


def test_results_of_another_seed_are_not_mixed(a_class, capsys):
    assert grade(a_class) == 0
    other = ["grade", "costs", str(a_class / "in"), "--out", str(a_class / "out"), "--seed", "quite another seed"]
    assert main([*other, "--no-sandbox"]) == 1
    assert "another assignment or seed" in capsys.readouterr().err
    assert SEED not in (a_class / "out" / "results.jsonl").read_text()


def test_the_output_folder_is_tried_before_anybody_is_graded(a_class, monkeypatch, capsys):
    asked = count_graded(monkeypatch)
    (a_class / "a file").write_text("")
    paths = [str(a_class / "in"), "--out", str(a_class / "a file" / "out")]
    assert main(["grade", "costs", *paths, "--seed", SEED, "--no-sandbox"]) == 1
    assert "Not a directory" in capsys.readouterr().err
    assert asked == []


# Time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon"])
def test_a_limit_that_is_no_positive_number_is_refused(a_class, seconds, capsys):
    with pytest.raises(SystemExit):
        grade(a_class, "--seconds", seconds)
    assert "--seconds" in capsys.readouterr().err


def test_no_more_workers_than_processors(a_class):
    arguments = ["grade", "costs", "in", "--out", "out"]
    parse = command.parser().parse_args
    assert parse(arguments).jobs <= len(os.sched_getaffinity(0))
    assert parse([*arguments, "--jobs", "500"]).jobs == command.processors()
    assert parse([*arguments, "--jobs", "1"]).jobs == 1
    with pytest.raises(SystemExit):
        parse([*arguments, "--jobs", "0"])


def first_problem():
    """An assignment that is graded soon: what is told of it is told of each problem."""
    costs = ASSIGNMENTS["costs"](SEED)
    return dataclasses.replace(costs, problems=costs.problems[:1])


BUSY = "import time\nstart = time.process_time()\nwhile time.process_time() < start + {}: pass"


@needs_sandbox
def test_the_same_points_with_one_worker_and_with_many(tmp_path):
    """Eight on two processors: each takes four times as long, by the clock on the wall."""
    for number in range(8):
        hand_in(tmp_path / "in", f"student {number}", solved(extra=BUSY.format(0.6)))
    assignment = first_problem()
    submissions = find_submissions(tmp_path / "in", "costs")
    for count, jobs in ((1, 1), (8, 8)):
        results = list(Grader(assignment, seconds=1.8, jobs=jobs).grade_all(submissions[:count]))
        assert [(each.points, each.remarks) for each in results] == [(CONV, [])] * count


@needs_sandbox
def test_the_same_points_beside_sixteen_busy_programs(tmp_path):
    for name in STUDENTS[:2]:
        hand_in(tmp_path / "in", name, solved(extra=BUSY.format(0.6)))
    grader, submissions = Grader(first_problem(), seconds=1.8), find_submissions(tmp_path / "in", "costs")
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(16)]
    try:
        results = list(grader.grade_all(submissions))
    finally:
        for program in busy:
            program.kill()
            program.wait()
    assert [(each.points, each.remarks, each.for_staff) for each in results] == [(CONV, [], [])] * 2


@needs_sandbox
def test_a_pause_of_the_grader_costs_nobody_anything(tmp_path):
    for name in STUDENTS[:3]:
        hand_in(tmp_path / "in", name, solved(extra=BUSY.format(0.2)))
    paths = [str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--seed", SEED, "--seconds", "1.2", "--jobs", "1"]
    grader = subprocess.Popen([sys.executable, "-m", "instructor", "grade", "costs", *paths], cwd=ROOT)
    results = tmp_path / "out" / "results.jsonl"
    for lines in (2, 3):  # the heading and so many students: the next one is being graded
        while grader.poll() is None and not (results.exists() and results.read_bytes().count(b"\n") >= lines):
            time.sleep(0.02)
        grader.send_signal(signal.SIGSTOP)
        time.sleep(3)
        grader.send_signal(signal.SIGCONT)
    assert grader.wait() == 0
    assert [(row["points"], row["remarks"]) for row in rows(tmp_path).values()] == [(str(ALL), "")] * 3


def test_what_took_too_long_gets_the_better_of_two_runs():
    first = Graded("Ann", "a", [Mark("p", "x", 2, 2), Mark("p", "y", 0, 2, "slow")], timeouts=["p: y"])
    second = Graded("Ann", "a", [Mark("p", "x", 0, 2, "slow"), Mark("p", "y", 2, 2)], timeouts=["p: x"])
    both = better(first, second)
    assert both.points == 4
    assert both.is_final
    assert "Took too long: p: y; also when it ran alone." in both.for_staff


def test_what_took_too_long_is_listed_for_staff(tmp_path, capsys):
    hand_in(tmp_path / "in", "Ann", solved(conv_macs="def conv_macs(*case):\n    while True: pass"))
    assert grade(tmp_path, "--seconds", "1") == 0
    assert "Look at Ann: Took too long: One count for sound" in capsys.readouterr().err
    assert "Took too long" in (tmp_path / "out" / "summary.html").read_text()


@needs_sandbox
def test_one_submission_that_sleeps_everywhere_does_not_hold_the_class_up(tmp_path, monkeypatch):
    asleep = "import time; time.sleep(10**6)"
    answers = {
        problem.name: f"def {problem.name}(*case):\n    {asleep}" for problem in ASSIGNMENTS["costs"](SEED).problems
    }
    hand_in(tmp_path / "in", "Ann", solved(extra=asleep, **answers))
    lost = []  # seconds that were allowed for each thing that took too long

    class Noted(Allowance):
        def is_spent(self):
            spent = super().is_spent()
            lost.extend([self.seconds] if spent else [])
            return spent

    monkeypatch.setattr(running, "Allowance", Noted)
    results = list(Grader(ASSIGNMENTS["costs"](SEED), seconds=1).grade_all(find_submissions(tmp_path / "in", "costs")))
    assert results[-1].points == 0
    assert lost.count(1) > 1
    assert sum(lost) < 10, lost


# Seeds ------------------------------------------------------------------------------------------------------------


def test_a_seed_comes_from_a_file_or_the_environment(tmp_path, monkeypatch):
    (tmp_path / "seed").write_text(f"{SEED}\n")
    build = ["build", "costs", "--out"]
    assert main([*build, str(tmp_path / "1"), "--seed", SEED]) == 0
    assert main([*build, str(tmp_path / "2"), "--seed-file", str(tmp_path / "seed")]) == 0
    monkeypatch.setenv("MOBILENET_EDU_SEED", SEED)
    assert main([*build, str(tmp_path / "3")]) == 0
    assert len({(tmp_path / name / "costs.ipynb").read_bytes() for name in "123"}) == 1


def test_without_a_seed_and_with_the_example_nothing_is_built(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("MOBILENET_EDU_SEED", raising=False)
    assert main(["build", "costs", "--out", str(tmp_path / "out")]) == 1
    assert "--seed-file" in capsys.readouterr().err
    assert main(["build", "costs", "--out", str(tmp_path / "out"), "--seed", "a long secret"]) == 1
    assert "example" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_each_student_can_have_numbers_of_their_own(tmp_path):
    (tmp_path / "list").write_text("s101\ns102\nÅsa Öberg\n", encoding="utf-8")
    out = ["--out", str(tmp_path / "built"), "--seed", SEED]
    assert main(["build", "costs", "--students", str(tmp_path / "list"), *out]) == 0
    made = sorted((tmp_path / "built" / "students").iterdir())
    assert [path.name for path in made] == ["s101_costs.ipynb", "s102_costs.ipynb", "Åsa_Öberg_costs.ipynb"]
    texts = [path.read_text(encoding="utf-8") for path in made]
    assert len({text.partition('"metadata"')[2] for text in texts}) == 3
    assert not any(SEED in text or seed_for(SEED, "s101") in text for text in texts)
    mine, other = json.loads(texts[0]), json.loads(texts[1])
    for name, notebook in (("s101", mine), ("s102", mine), ("Cy", other)):
        notebook = {**solved(), "metadata": notebook["metadata"]}
        hand_in(tmp_path / "in", f"{name}_costs", notebook)
    assert grade(tmp_path) == 0
    table = rows(tmp_path)
    assert [row["points"] for row in table.values()] == [str(ALL)] * 3
    assert table["s101"]["for staff"] == ""
    assert "made for s101" in table["s102"]["for staff"]
    assert "made for" not in (tmp_path / "out" / "feedback" / "s102.html").read_text()


def test_each_student_is_graded_on_other_cases(tmp_path):
    one, other = (ASSIGNMENTS["costs"](seed_for(SEED, name)) for name in ("s101", "s102"))
    assert all(a.parts != b.parts for a, b in zip(one.problems, other.problems, strict=True))


# Tables -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_no_cell_is_a_formula_whatever_separates_the_columns(separator):
    nasty = ["ValueError: ;=HYPERLINK(A1);=1+1|x", "b67;=1+1;@SUM(A1).ipynb", "a\t=1", "a|=1|+1", "a\n=1", "\r-1"]
    file = io.StringIO(newline="")
    csv.writer(file).writerow(["Ann", *map(harmless, nasty)])
    for row in csv.reader(io.StringIO(file.getvalue(), newline=""), delimiter=separator):
        assert not any(cell.strip().startswith(("=", "+", "-", "@")) for cell in row)


# What a submission may not -----------------------------------------------------------------------------------------


def answers(attack: str, *arguments: object) -> dict:
    """What a function made of ``attack`` replies in the sandbox."""
    body = "\n".join("    " + line for line in attack.splitlines())
    cell = code(f"def attack(*arguments):\n{body}\n    return 'done'")
    with Worker(sandboxed=True) as worker:
        job = {"notebook": json.dumps({"cells": [cell]}), "problems": ["attack"], "by_hand": [], "skip": []}
        worker.ask(job, 60)
        return worker.ask({"problem": "attack", "arguments": arguments, "probe": None}, 60)


REFUSED = {
    "a lock": "import fcntl\nfcntl.flock(open('/usr/bin/env'), fcntl.LOCK_SH)",
    "a lock of another kind": "import fcntl\nfcntl.lockf(open('/usr/bin/env'), fcntl.LOCK_SH)",
    "a socket to the host": "import socket\nsocket.socket(40, socket.SOCK_STREAM)",
    "a socket to the kernel": "import socket\nsocket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "a raw packet": "import socket\nsocket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "news of files": "import ctypes\nif ctypes.CDLL(None).inotify_init1(0) < 0: raise PermissionError",
    "another's namespace": "import ctypes\nif ctypes.CDLL(None, use_errno=True).setns(0, 0) < 0:\n"
    "    if ctypes.get_errno() == 1: raise PermissionError",
}


@needs_sandbox
@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused(name):
    assert answers(REFUSED[name]) in ({"error": "PermissionError"}, {"error": "OSError"})


@needs_sandbox
def test_the_sockets_that_programs_know_can_be_made():
    assert answers("import socket\nfor family in (1, 2, 10): socket.socket(family)\nsocket.socketpair()") == {
        "value": "done"
    }


@needs_sandbox
def test_a_class_below_a_folder_that_is_shown_is_hidden(tmp_path, monkeypatch):
    """As when everything lies in /usr/src/app."""
    tmp_path.chmod(0o755)
    monkeypatch.setattr(sandbox, "SYSTEM", (*sandbox.SYSTEM, str(tmp_path)))
    reads = f"assert open({str(tmp_path / 'app' / 'in' / 'Bo.ipynb')!r}).read()"
    answer = f"def conv_macs(*case):\n    {reads}\n    return 1"
    hand_in(tmp_path / "app" / "in", "Bo", solved())
    hand_in(tmp_path / "app" / "in", "Ann", solved(conv_macs=answer, extra=reads))
    paths = [str(tmp_path / "app" / "in"), "--out", str(tmp_path / "app" / "out"), "--seed", SEED]
    assert main(["grade", "costs", *paths]) == 0
    ann = rows(tmp_path / "app")["Ann"]
    assert "Code cell 1, line 1 failed: FileNotFoundError." in ann["remarks"]


@needs_sandbox
def test_the_probe_reads_beside_the_submissions(tmp_path, monkeypatch):
    """If the folder were not masked, nothing would be graded."""
    hand_in(tmp_path / "in", "Bo", solved())
    tmp_path.chmod(0o755)
    shown = sandbox.place(tmp_path)
    whole = sandbox.sandbox_command

    def careless(program, hidden=()):
        command, paths = whole(program)
        place = command.index("--dev")
        return [*command[:place], *shown, *command[place:]], paths

    monkeypatch.setattr(sandbox, "sandbox_command", careless)
    with pytest.raises(sandbox.SandboxError, match="does not protect"):
        sandbox.check_sandbox((tmp_path / "in",))


def test_a_class_among_the_packages_or_above_the_system_is_refused():
    assert "among the packages" in cannot_be_hidden(sandbox.PACKAGES[0] / "class")
    assert "holds the system" in cannot_be_hidden(sandbox.Path("/"))
    assert cannot_be_hidden(ROOT / "class") == ""


@needs_sandbox
def test_no_words_of_an_error_reach_a_page(tmp_path):
    hand_in(tmp_path / "in", "Ann", solved(extra="1\nraise ValueError('LEAK 5 7')"))
    loud = "def conv_macs(*case):\n    raise [EOFError, KeyError][case[0] % 2](f'LEAK {case}')"
    hand_in(tmp_path / "in", "Bo", solved(conv_macs=loud))
    assert main(["grade", "costs", str(tmp_path / "in"), "--seed", SEED, "--out", str(tmp_path / "out")]) == 0
    written = "".join(path.read_text() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert "LEAK" not in written
    assert "Code cell 1, line 2 failed: ValueError." in rows(tmp_path)["Ann"]["remarks"]
    page = (tmp_path / "out" / "feedback" / "Bo.html").read_text()
    assert "EOFError" not in page
    assert "KeyError" not in page
    assert "Error: One count for sound" in (tmp_path / "out" / "summary.html").read_text()


@needs_sandbox
def test_the_grader_stays_small_whatever_is_handed_in(tmp_path):
    many = {
        problem.name: f"def {problem.name}(*case):\n    return [{{}}] * 260000"
        for problem in ASSIGNMENTS["costs"](SEED).problems
    }
    short = {name: text.replace("260000", "16000") for name, text in many.items()}
    for number, answers in enumerate((many, many, short, short)):
        hand_in(tmp_path / "in", f"{number}", solved(extra=f"x = '{'x' * 20_000_000}'", **answers))
    script = "import re, sys; from instructor.__main__ import main; print(main(sys.argv[1:]));"
    script += "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    paths = [str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--seed", SEED]
    arguments = [sys.executable, "-c", script, "grade", "costs", *paths]
    run = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=True)
    *_, result, kibibytes = run.stdout.split()
    assert result == "0"
    assert int(kibibytes) < 100 * 1024
