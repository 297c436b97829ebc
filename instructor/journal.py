"""Keeps each result as soon as it is known, one line of JSON per student, so that nothing is graded twice or lost.

The last line about a student counts. A line that was cut short, by a full disk or a crash, is as if it were not there.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path

from instructor.grading import Graded, Mark
from instructor.submissions import Delivery

NAME = "results.jsonl"


class Journal:
    """The results of one class for one assignment, in ``folder``."""

    def __init__(self, folder: Path, assignment: str, seed: str) -> None:
        self.path = folder / NAME
        # Slow to compute, because the file could be read by somebody who would like to guess the seed.
        key = hashlib.scrypt(seed.encode(), salt=assignment.encode(), n=2**14, r=8, p=1, dklen=16).hex()
        self.heading = {"assignment": assignment, "key": key}

    def exists(self) -> bool:
        return self.path.is_file()

    def read(self) -> dict[str, Graded]:
        """Each student's last result.

        Raises:
            OSError: the results are of another assignment or another seed.
        """
        if not self.exists():
            self._append(self.heading)
            return {}
        content = self.path.read_bytes()
        if content and not content.endswith(b"\n"):
            os.truncate(self.path, content.rfind(b"\n") + 1)
        lines = [line for line in content.split(b"\n")[:-1] if line]
        if not lines:
            self._append(self.heading)
            return {}
        if json.loads(lines[0]) != self.heading:
            raise OSError(f"{self.path} has results of another assignment or seed: name a new folder with --out.")
        return results_of(lines)

    def write(self, graded: Graded) -> None:
        self._append(asdict(graded))

    def _append(self, line: dict) -> None:
        with self.path.open("ab") as file:
            file.write(json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def results_of(lines: list[bytes]) -> dict[str, Graded]:
    """Each student's last result; the first line says what the others are about."""
    results = [json.loads(line) for line in lines[1:]]
    for each in results:
        each["marks"] = [Mark(**mark) for mark in each["marks"]]
        each["delivery"] = Delivery(**each.get("delivery", {}))
    return {each["student"]: Graded(**each) for each in results}


def results_in(folder: Path, assignment: str) -> dict[str, Graded]:
    """The results that lie in a folder, by student; no seed is needed to read them.

    Raises:
        OSError: there are none, or they are of another assignment.
    """
    path = folder / NAME
    lines = [line for line in path.read_bytes().split(b"\n")[:-1] if line] if path.is_file() else []
    if not lines or json.loads(lines[0])["assignment"] != assignment:
        raise OSError(f"{folder} has no results of {assignment!r}: grade writes them there.")
    return results_of(lines)
