"""``python -m instructor``: make the files of an assignment, and grade what comes back. See appendix E of the book."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from tqdm.auto import tqdm

from instructor.assignments import ASSIGNMENTS
from instructor.delivered import find, opened
from instructor.edition import refuse_others
from instructor.grading import Graded, Grader, processors
from instructor.journal import Journal, results_in
from instructor.notebooks import markdown_of, write, write_variants
from instructor.own import Written, complaints
from instructor.problem import Assignment, seed_for
from instructor.reports import make_folder, warnings, write_reports, write_totals
from instructor.returned import moodle_times, write_returns
from instructor.sandbox import SandboxError, check_sandbox
from instructor.submissions import Submission
from instructor.tables import harmless, read_rows, replace_file
from instructor.totals import LATE_NAME, RULE_NAME, changed_texts, late_rule, note_late
from scripts.setup_cells import project, setup_cell

SEED = "MOBILENET_EDU_SEED"
WHY_NOT = "Most likely this system, or the container that it is, lets no program make user namespaces: see appendix E."
WHICH = f"{', '.join(ASSIGNMENTS)}, or a notebook in which you have written one"
EXAMPLES = ("a long secret", "the output of the first command", "SECRET")


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        make = maker(options.assignment)
        if options.run in (give_back, check):  # what they do needs no numbers of a class
            return options.run(make, options)
        options.seed = find_seed(options)
        return options.run(make(options.seed), options)
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
        command.add_argument("assignment", type=assignment_name, metavar="ASSIGNMENT", help=WHICH)
        if run is grade:
            command.add_argument(
                "submissions",
                type=Path,
                metavar="DIR",
                help="what Moodle, Canvas, Brightspace or Gradescope deliver, zipped or not, or a folder of your own",
            )
            command.add_argument(
                "--seconds", type=seconds, default=10, help="of processor time, for all cells and for each part (10)"
            )
            command.add_argument("--jobs", type=jobs, default=processors(), help="submissions side by side")
            command.add_argument(
                "--only", action="append", metavar="NAME", help="grade this student again: a name or a number"
            )
            command.add_argument("--no-sandbox", action="store_true", help="run students' code as you, unprotected")
        else:
            command.add_argument(
                "--students", type=Path, metavar="FILE", help="a line for each student, who gets numbers of their own"
            )
        which = command.add_mutually_exclusive_group()
        which.add_argument("--seed-file", type=Path, metavar="FILE", help="any text: it chooses the numbers")
        which.add_argument("--seed", help=f"the text itself, which others on this machine can see; or set {SEED}")
        command.add_argument("--out", required=True, type=Path, help="a folder for what is written")
    about = "check an assignment, such as one that you have written in a notebook"
    command = commands.add_parser("check", help=about, description=about)
    command.set_defaults(run=check)
    command.add_argument("assignment", type=assignment_name, metavar="ASSIGNMENT", help=WHICH)
    about = "add marks by hand, take off what being late costs, and write grades and feedback for Moodle and Canvas"
    command = commands.add_parser("return", help=about, description=about)
    command.set_defaults(run=give_back)
    command.add_argument("assignment", type=assignment_name, metavar="ASSIGNMENT", help=WHICH)
    command.add_argument("graded", type=Path, metavar="DIR", help="the folder that grade has written")
    command.add_argument("--moodle", type=Path, metavar="FILE", help="the assignment's grading worksheet from Moodle")
    command.add_argument("--canvas", type=Path, metavar="FILE", help="the gradebook exported from Canvas")
    command.add_argument("--column", default="", help="the assignment's name in that gradebook, if it has another")
    command.add_argument("--late", type=late_rule_text, metavar="RULE", help="such as '10%% a day, 3 days'")
    command.add_argument("--due", type=due_time, metavar="TIME", help="such as '2031-10-11 23:59'")
    return top


def late_rule_text(text: str) -> str:
    try:
        late_rule(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def due_time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} must be a day and a time such as '2031-10-11 23:59'") from None


def assignment_name(text: str) -> str:
    if text in ASSIGNMENTS or Path(text).suffix == ".ipynb":
        return text
    raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(ASSIGNMENTS)}, and no notebook")


def maker(name: str) -> Callable[[str], Assignment]:
    """The assignment of this name, or in this notebook, as a function of the seed."""
    if name in ASSIGNMENTS:
        return ASSIGNMENTS[name]
    if Path(name).stem in ASSIGNMENTS:
        raise OSError(f"{name}: one of the book's own has this name, so take another.")
    return Written(Path(name))


def seconds(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text} must be a number above 0")
    return value


def jobs(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} must be 1 or more")
    return min(value, processors())  # more workers than processors only wait for each other


def find_seed(options: argparse.Namespace) -> str:
    """The seed from the file, the command or the environment."""
    if options.seed_file:
        seed = options.seed_file.read_text(encoding="utf-8").strip()
    else:
        seed = os.environ.get(SEED, "") if options.seed is None else options.seed
    if not seed:
        raise OSError(f"A seed is missing: write one into a file and name it with --seed-file, or set {SEED}.")
    if seed in EXAMPLES:
        raise OSError(f"The seed {seed!r} is an example that everybody can read: take a secret of your own.")
    return seed


def check(make: Callable[[str], Assignment], options: argparse.Namespace) -> int:
    said = complaints(make)
    print("\n".join(said) or f"Nothing is wrong with {options.assignment}.")
    return 1 if said else 0


def build(assignment: Assignment, options: argparse.Namespace) -> int:
    if options.assignment not in ASSIGNMENTS and (said := complaints(maker(options.assignment))):
        raise OSError("\n".join([*said, "Nothing was written."]))
    hand_out, *kept = write(assignment, options.out)
    print(f"Hand out {hand_out}")
    print("Keep", *kept)
    if options.students:
        names = [line.strip() for line in options.students.read_text(encoding="utf-8-sig").splitlines()]
        paths = write_variants(partial(variant, options), [name for name in names if name], options.out)
        print(f"Or hand out {len(paths)} notebooks, a student's own each, in {options.out / 'students'}")
    if len(options.seed) < 12:
        print("This seed is short and can be guessed by trying; appendix E says how to make a long one.")
    return 0


def variant(options: argparse.Namespace, student: str):
    """The assignment with the numbers of one student."""
    return maker(options.assignment)(seed_for(options.seed, student))


def grade(assignment: Assignment, options: argparse.Namespace) -> int:
    # Read when PyTorch is imported for the key: for such small layers, several threads mostly wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with opened(options.submissions.resolve(strict=True)) as folder:
        return grade_folder(assignment, folder.resolve(), options)


def grade_folder(assignment: Assignment, folder: Path, options: argparse.Namespace) -> int:
    out = options.out.resolve()
    if out.is_relative_to(folder):
        raise OSError(f"--out {options.out} must not lie among the submissions in {options.submissions}")
    journal = Journal(out, assignment.name, options.seed)
    if out.exists() and any(out.iterdir()) and not journal.exists():
        raise OSError(f"--out {options.out} is not empty, and nothing is overwritten")
    hidden = (folder, out)
    if not options.no_sandbox:
        try:
            check_sandbox(hidden)
        except SandboxError as error:
            why = f" {WHY_NOT}" if "did not start" in str(error) else ""
            raise SandboxError(
                f"{error}{why}\nStudents' code is not run unprotected, unless --no-sandbox asks for it."
            ) from error
    delivered = find(folder, assignment.name, tuple(problem.name for problem in assignment.problems))
    submissions = delivered.submissions
    print(f"Delivered by {delivered.system}: {len(submissions)} students" if delivered.system else "A plain folder")
    for name in delivered.stray:
        print(f"Not graded, and no student's: {name}", file=sys.stderr)
    print(f"Hand-outs: {refuse_others(assignment.name, submissions)}")
    make_folder(out)
    known = journal.read()
    waiting = to_grade(submissions, known, options.only)
    if len(waiting) < len(submissions):
        print(f"{len(submissions) - len(waiting)} of {len(submissions)} were graded before.")
    grader = Grader(
        assignment,
        options.seconds,
        sandboxed=not options.no_sandbox,
        jobs=options.jobs,
        hidden=hidden,
        ours=markdown_of(assignment),
        setup=setup_cell(None, project()),
        variant=partial(variant, options),
    )
    try:
        with tqdm(total=len(waiting), unit="student") as bar:
            for graded in grader.grade_all(waiting):
                journal.write(graded)
                known[graded.student] = graded
                bar.update(graded.is_final)
    except KeyboardInterrupt:
        print(f"\nStopped. What is graded is in {options.out}; the same command goes on from there.", file=sys.stderr)
        return 130
    return finish(assignment, [known[each.student] for each in submissions], options)


def give_back(make: Callable[[str], Assignment], options: argparse.Namespace) -> int:
    assignment, folder = make("any"), options.graded
    known = {str(harmless(student)): graded for student, graded in results_in(folder, assignment.name).items()}
    results = [known[row["student"]] for row in read_rows(folder / "grades.csv") if row["student"] in known]
    if options.late:
        replace_file(folder / RULE_NAME, options.late + "\n")
    times = moodle_times(results, options.moodle) if options.moodle else {}
    note_late(results, options.due, times, folder)
    found = write_totals(assignment, results, folder)
    for line in changed_texts(assignment, results, folder):
        print(f"Look at {line}", file=sys.stderr)
    late = sum(total.days_late > 0 for total in found)
    if late:
        rule = (folder / RULE_NAME).read_text(encoding="utf-8").strip() if (folder / RULE_NAME).exists() else ""
        print(f"Late: {late} ({rule or 'no rule: say one with --late'}); see {folder / LATE_NAME}")
    returned = write_returns(assignment, results, found, folder, options.moodle, options.canvas, options.column)
    for path in (folder / "grades.csv", *returned.written):
        print(f"Wrote {path}")
    for line in returned.said:
        print(line, file=sys.stderr)
    return 0


def to_grade(submissions: list[Submission], known: dict[str, Graded], only: list[str] | None) -> list[Submission]:
    """Those without a result, or with another file than that of the result, or those that were asked for."""
    chosen = set()
    for name in only or ():
        students = {each.student for each in submissions if name in (each.student, each.delivery.id)}
        if len(students) != 1:
            raise OSError(f"No submission is by {name}: --only takes a name or a number as grades.csv has it.")
        chosen |= students
    waiting = []
    for each in submissions:
        before = known.get(each.student)
        done = before and before.is_final and not before.failure and before.digest == each.digest()
        if not done or each.student in chosen:
            waiting.append(each)
    return waiting


def finish(assignment: Assignment, results: list[Graded], options: argparse.Namespace) -> int:
    write_reports(assignment, results, options.out)
    failures = [graded for graded in results if graded.failure]
    for graded in failures:
        print(f"Not graded: {graded.student} ({graded.failure})", file=sys.stderr)
    for warning in warnings(results):
        print(warning, file=sys.stderr)
    print(f"Graded {len(results) - len(failures)} of {len(results)} students; see {options.out}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
