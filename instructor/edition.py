"""Which edition of the book made a hand-out, and whether this one makes the same of a seed.

``python -m instructor.edition DIR`` says it of every notebook in a folder. Grade with the edition that made them:
another one can draw other numbers from the same seed.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections import Counter
from functools import cache
from pathlib import Path

from instructor.assignments import ASSIGNMENTS
from instructor.submissions import Submission, UnreadableError
from scripts.setup_cells import project

STAMP = re.compile(
    r"\*Made by edition (?P<edition>[\w./-]{1,80}) \([\w.]{1,40}\): `(?P<name>\w+)` (?P<numbers>[0-9a-f]{12})\.\*"
)

MOST_BYTES = 2**20  # the stamp stands in the first cell


@cache
def numbers_of(name: str) -> str:
    """A number that changes when an assignment draws other questions or other cases from a seed."""
    assignment = ASSIGNMENTS[name]("the same text in every edition")
    parts = [assignment.introduction]
    for problem in assignment.problems:
        cases = [part.cases for part in problem.parts]
        parts += [problem.task, problem.answer, repr([cases, problem.examples])]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def stamp(name: str) -> str:
    """The line of a hand-out that says which edition made it."""
    at = project()
    return f"*Made by edition {at['branch']} ({at['version']}): `{name}` {numbers_of(name)}.*"


def said(text: str) -> re.Match[str] | None:
    """The stamp in the text of a hand-out."""
    return STAMP.search(text)


def judge(path: Path) -> tuple[bool, str]:
    """Whether this edition makes the same hand-outs as the one that made the notebook, and a sentence that says so."""
    found = _stamp_of(Submission(path.name, path))
    if not found or found["name"] not in ASSIGNMENTS:
        return False, f"{path.name} does not say which edition made it"
    made = f"{path.name} was made by edition {found['edition']}"
    if found["numbers"] == numbers_of(found["name"]):
        return True, f"{made}, and this one draws the same numbers"
    return False, f"{made}, whose numbers this one does not draw: git checkout {found['edition']}, then grade"


def refuse_others(name: str, submissions: list[Submission]) -> str:
    """Which editions made the hand-outs, in words; a few stamps that somebody changed stop no class.

    Raises:
        OSError: most were made by an edition that draws other numbers.
    """
    stamps = [found for each in submissions if (found := _stamp_of(each)) and found["name"] == name]
    others = [found for found in stamps if found["numbers"] != numbers_of(name)]
    if 2 * len(others) > len(stamps):
        edition, count = Counter(found["edition"] for found in others).most_common(1)[0]
        raise OSError(
            f"{count} of {len(submissions)} hand-outs were made by edition {edition}, whose numbers this one does not "
            f"draw: git checkout {edition}, and grade there. Nothing was graded."
        )
    counted = Counter(found["edition"] for found in stamps)
    return ", ".join(f"{count} of edition {edition}" for edition, count in sorted(counted.items())) or "of no edition"


def _stamp_of(submission: Submission) -> re.Match[str] | None:
    """The stamp of what came back, which can be anything: it is searched as text and not read as a notebook."""
    try:
        with open(submission.open(), "rb") as file:
            return said(file.read(MOST_BYTES).decode("utf-8", "replace"))
    except (OSError, UnreadableError):
        return None


def main(arguments: list[str]) -> int:
    judged = [judge(path) for path in sorted(Path(arguments[0]).rglob("*.ipynb"))]
    print("\n".join(sentence for _, sentence in judged) or f"no notebook is in {arguments[0]}")
    return int(not judged or not all(same for same, _ in judged))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["."]))
