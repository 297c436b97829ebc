"""``python -m instructor``: make the files of an assignment, and grade what comes back. See appendix E of the book."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tqdm.auto import tqdm

from instructor.assignments import ASSIGNMENTS
from instructor.grading import Grader
from instructor.notebooks import write
from instructor.reports import write_reports
from instructor.sandbox import SandboxError, check_sandbox
from instructor.submissions import find_submissions


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    assignment = ASSIGNMENTS[options.assignment](options.seed)
    try:
        return options.run(assignment, options)
    except (OSError, SandboxError) as error:
        print(error, file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m instructor", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for name, run, about in (
        ("build", build, "write the hand-out, the solutions and the marking scheme"),
        ("grade", grade, "grade a folder of submissions (Linux, with bwrap)"),
    ):
        command = commands.add_parser(name, help=about, description=about)
        command.set_defaults(run=run)
        command.add_argument("assignment", choices=ASSIGNMENTS)
        if run is grade:
            command.add_argument(
                "submissions", type=Path, metavar="DIR", help="a folder or a notebook for each student"
            )
            command.add_argument("--seconds", type=float, default=10, help="for all cells, and for each part (10)")
            command.add_argument("--no-sandbox", action="store_true", help="run students' code as you, unprotected")
        command.add_argument("--seed", required=True, help="any text: it chooses the numbers. Keep it secret")
        command.add_argument("--out", required=True, type=Path, help="a folder for what is written")
    return top


def build(assignment, options: argparse.Namespace) -> int:
    hand_out, *kept = write(assignment, options.out)
    print(f"Hand out {hand_out}")
    print("Keep", *kept)
    if len(options.seed) < 12:
        print("This seed is short and can be guessed by trying; appendix E says how to make a long one.")
    return 0


def grade(assignment, options: argparse.Namespace) -> int:
    folder, out = options.submissions.resolve(strict=True), options.out.resolve()
    if out.is_relative_to(folder):
        raise OSError(f"--out {options.out} must not lie among the submissions in {options.submissions}")
    if out.exists() and any(out.iterdir()):
        raise OSError(f"--out {options.out} is not empty, and nothing is overwritten")
    if not options.no_sandbox:
        try:
            check_sandbox()
        except SandboxError as error:
            raise SandboxError(
                f"{error}\nStudents' code is not run unprotected, unless --no-sandbox asks for it."
            ) from error
    submissions = find_submissions(folder, assignment.name)
    grader = Grader(assignment, options.seconds, sandboxed=not options.no_sandbox)
    results = list(tqdm(grader.grade_all(submissions), total=len(submissions), unit="student"))
    write_reports(assignment, results, out)
    failures = [graded for graded in results if graded.failure]
    for graded in failures:
        print(f"Not graded: {graded.student} ({graded.failure})", file=sys.stderr)
    print(f"Graded {len(results) - len(failures)} of {len(results)} students; see {options.out}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
