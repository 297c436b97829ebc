"""How long grading takes and whether its memory stays flat: ``python experiments/bench_grading.py [SUBMISSIONS]``.

Grades copies of the solutions to two assignments in the sandbox: the one on costs, which needs no PyTorch, and the one
on a block, which does. Aims: a tenth of a second a submission to the first on two idle processors, at most three times
as much for the second, and no more memory after the last submission than after the first tenth.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parent.parent))

from instructor.assignments import ASSIGNMENTS
from instructor.grading import Grader, processors
from instructor.notebooks import markdown_of, solution_notebook
from instructor.sandbox import check_sandbox
from instructor.submissions import find_submissions
from scripts.setup_cells import project, setup_cell


def memory_mib() -> float:
    """What this process holds now, not its peak."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main(count: int) -> None:
    check_sandbox()
    print(f"{platform.machine()}, {processors()} processors, Python {platform.python_version()}")
    load = os.getloadavg()[0]
    seconds = {name: measure(name, count) for name in ("costs", "block")}
    print(f"block / costs: {seconds['block'] / seconds['costs']:.1f}, on a machine with a load of {load:.1f} before")


def measure(name: str, count: int) -> float:
    """Seconds a submission, without the time in which the grader itself starts."""
    assignment = ASSIGNMENTS[name]("bench")
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


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
