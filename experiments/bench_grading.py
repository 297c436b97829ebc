"""How long grading takes and whether its memory stays flat: ``python experiments/bench_grading.py [SUBMISSIONS]``.

Grades copies of the solutions to the assignment on costs, which needs no PyTorch, in the sandbox. Aim: at most half a
second a submission, and no more memory after the last than after the first tenth.
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
from instructor.grading import Grader
from instructor.notebooks import solution_notebook
from instructor.sandbox import check_sandbox
from instructor.submissions import find_submissions


def memory_mib() -> float:
    """What this process holds now, not its peak."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main(count: int) -> None:
    check_sandbox()
    assignment = ASSIGNMENTS["costs"]("bench")
    notebook = nbformat.writes(solution_notebook(assignment))
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            (Path(folder) / f"student {number}.ipynb").write_text(notebook, encoding="utf-8")
        submissions = find_submissions(Path(folder), assignment.name)
        start, early = time.perf_counter(), 0.0
        for number, graded in enumerate(tqdm(Grader(assignment).grade_all(submissions), total=count)):
            assert graded.points == assignment.points
            if number == count // 10:
                early = memory_mib()
        seconds = time.perf_counter() - start
    print(f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}")
    print(f"{count} submissions in {seconds:.1f} s: {seconds / count:.3f} s each")
    print(f"memory {early:.1f} MiB after a tenth, {memory_mib():.1f} MiB at the end")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
