"""How long grading takes and whether its memory stays flat: ``python experiments/bench_grading.py [SUBMISSIONS]``.

Grades copies of the solutions to all assignments in the sandbox. Aims: a tenth of a second a submission to the one on
costs on two idle processors, at most three times as much for the one on a block, which needs PyTorch, 240 submissions
to any in three minutes, and no more memory after the last than after the first tenth.

Then the answers to the one on costs are graded by nbgrader and otter-grader, too, with the same cases and points, each
installed into a folder that is deleted again. They run a notebook without a sandbox, in a kernel of its own.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parent.parent))

from instructor.assignments import ASSIGNMENTS
from instructor.grading import Grader, processors
from instructor.notebooks import markdown_of, solution_notebook
from instructor.problem import Assignment, plain
from instructor.sandbox import check_sandbox
from instructor.submissions import find_submissions
from scripts.setup_cells import project, setup_cell

SEED, FEW = "bench", 8


def memory_mib() -> float:
    """What this process holds now, not its peak."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main(count: int) -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as the command does
    check_sandbox()
    print(f"{platform.machine()}, {processors()} processors, Python {platform.python_version()}")
    load = os.getloadavg()[0]
    seconds = {name: measure(name, count) for name in ASSIGNMENTS}
    print(f"block / costs: {seconds['block'] / seconds['costs']:.1f}, on a machine with a load of {load:.1f} before")
    for requirement, grade in OTHERS.items():
        compare(requirement, grade)


def measure(name: str, count: int) -> float:
    """Seconds a submission, without the time in which the grader itself starts."""
    assignment = ASSIGNMENTS[name](SEED)
    notebook = nbformat.writes(solution_notebook(assignment))
    grader = Grader(assignment, ours=markdown_of(assignment), setup=setup_cell(None, project()))
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            (Path(folder) / f"student {number}.ipynb").write_text(notebook, encoding="utf-8")
        submissions = find_submissions(Path(folder), assignment.name)
        begin, start, early = time.perf_counter(), 0.0, 0.0
        for number, graded in enumerate(tqdm(grader.grade_all(submissions), total=count)):
            assert graded.points == assignment.points
            start = start or time.perf_counter()
            if number == count // 10:
                early = memory_mib()
        end = time.perf_counter()
    each = (end - start) / (count - 1)
    print(f"{name}: {count} submissions in {end - begin:.1f} s, {start - begin:.1f} s to the first, {each:.3f} s each")
    print(f"{name}: memory {early:.1f} MiB after a tenth, {memory_mib():.1f} MiB at the end")
    return each


# Others -----------------------------------------------------------------------------------------------------------


def compare(requirement: str, grade: Callable[[Path, Path, Assignment], list[float]]) -> None:
    """Install one of them and let it grade a few submissions."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        venv.create(folder / "venv", with_pip=True)
        bin_folder = folder / "venv" / "bin"
        install = [str(bin_folder / "pip"), "install", "--quiet", requirement, "ipykernel"]
        if subprocess.run(install, capture_output=True).returncode:
            print(f"{requirement}: could not be installed here, so it is not beside them.")
            return
        assignment = ASSIGNMENTS["costs"](SEED)
        begin = time.perf_counter()
        points = grade(bin_folder, folder, assignment)
        each = (time.perf_counter() - begin) / FEW
        assert points == [assignment.points] * FEW, points
        print(f"{requirement}: {FEW} submissions to costs, {each:.3f} s each")


def run(bin_folder: Path, folder: Path, *command: str) -> None:
    """A command of theirs, whose first word is a program in their folder."""
    path = os.pathsep.join([str(bin_folder), os.environ["PATH"]])
    settings = {**os.environ, "PATH": path, "JUPYTER_PREFER_ENV_PATH": "1", "HOME": str(folder)}
    program, *arguments = command
    subprocess.run([str(bin_folder / program), *arguments], cwd=folder, env=settings, check=True, capture_output=True)


def checks(assignment: Assignment) -> list[tuple[str, int, list[str]]]:
    """Each part's name, its points, and lines of Python that are true if the answer to a case is right."""
    found = []
    for problem in assignment.problems:
        for number, part in enumerate(problem.parts):
            lines = [f"{problem.name}(*{plain(case)!r}) == {problem.solution(*case)!r}" for case in part.cases]
            found.append((f"{problem.name}_{number}", part.points, lines))
    return found


def by_nbgrader(bin_folder: Path, folder: Path, assignment: Assignment) -> list[float]:
    """All that its autograder does for a class, and the points that it gives."""

    def cell(source: str, name: str, **about: object) -> nbformat.NotebookNode:
        about = {"grade_id": name, "schema_version": 3, "locked": False, "task": False, **about}
        return new_code_cell(source, metadata={"nbgrader": about})

    cells = [cell(each.answer, each.name, grade=False, solution=True) for each in assignment.problems]
    for name, points, lines in checks(assignment):
        source = "\n".join(f"assert {line}" for line in lines)
        cells.append(cell(source, name, grade=True, solution=False, points=points, locked=True))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    text = nbformat.writes(new_notebook(cells=cells, metadata={"kernelspec": kernel}))
    students = [f"s{number}" for number in range(FEW)]
    for place in ("source/costs", *(f"submitted/{student}/costs" for student in students)):
        (folder / place).mkdir(parents=True)
        (folder / place / "costs.ipynb").write_text(text, encoding="utf-8")
    run(bin_folder, folder, "nbgrader", "generate_assignment", "costs")
    run(bin_folder, folder, "nbgrader", "autograde", "costs")
    run(bin_folder, folder, "nbgrader", "export")
    header, *rows = [line.split(",") for line in (folder / "grades.csv").read_text().splitlines()]
    return [float(row[header.index("score")]) for row in rows]


def by_otter(bin_folder: Path, folder: Path, assignment: Assignment) -> list[float]:
    """One run after the other without Docker, and the points that it gives."""
    (folder / "tests").mkdir()
    for name, points, lines in checks(assignment):
        cases = [{"code": "\n".join(f">>> {line}\nTrue" for line in lines), "hidden": False, "points": points}]
        test = {
            "name": name,
            "suites": [{"cases": cases, "scored": True, "setup": "", "teardown": "", "type": "doctest"}],
        }
        (folder / "tests" / f"{name}.py").write_text(f"OK_FORMAT = True\n\ntest = {test!r}\n", encoding="utf-8")
    run(bin_folder, folder, "otter", "generate", "--tests-dir", "tests", "--no-environment", "--no-requirements")
    cells = [new_code_cell(each.answer) for each in assignment.problems]
    points = []
    for number in range(FEW):
        (folder / f"s{number}.ipynb").write_text(nbformat.writes(new_notebook(cells=cells)), encoding="utf-8")
        out = folder / f"out{number}"
        out.mkdir()
        command = ["run", "--no-logo", "-a", "autograder.zip", "-o", str(out), f"s{number}.ipynb"]
        run(bin_folder, folder, "otter", *command)
        results = json.loads((out / "results.json").read_text())
        points.append(sum(test.get("score", 0) for test in results["tests"]))
    return points


OTHERS = {"nbgrader==0.9.6": by_nbgrader, "otter-grader==7.0.0": by_otter}


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
