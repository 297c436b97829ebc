"""Finds the submissions in a folder, as learning platforms export them.

A student is a folder at the top, whatever is nested in it, or a file at the top, named after the student. A browser
adds ``(1)`` to the name of a second copy, so ``Ann.ipynb`` and ``Ann (1).ipynb`` are both Ann's. Of several notebooks
by one student the last by name counts, numbers in names compared as numbers: the same on every machine, which the
time of a file is not.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from dataclasses import dataclass
from pathlib import Path

NOTEBOOK_AT_MOST = 20 * 2**20  # bytes
NOTEBOOK = re.compile(r"\.ipynb(\.txt|\.json)?$", re.IGNORECASE)  # some browsers add what they think it is


class UnreadableError(Exception):
    """A submission that cannot even be opened; the message is for its student."""


@dataclass(frozen=True)
class Submission:
    """What one student handed in: the notebook that counts, if there is one, and the files that do not."""

    student: str
    notebook: Path | None
    others: tuple[Path, ...] = ()

    def read(self) -> str:
        """The notebook's text.

        Raises:
            UnreadableError: there is none, it is no plain file, or it is too large.
        """
        if self.notebook is None:
            raise UnreadableError("There is no notebook among your files: its name would end in .ipynb.")
        try:
            # Not following a link, nor waiting for a pipe
            descriptor = os.open(self.notebook, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise UnreadableError("Your notebook could not be opened.") from error
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UnreadableError("Your notebook is not a plain file.")
            content = file.read(NOTEBOOK_AT_MOST + 1)
        if len(content) > NOTEBOOK_AT_MOST:
            raise UnreadableError(f"Your notebook is larger than {NOTEBOOK_AT_MOST // 2**20} MB. Clear its outputs.")
        return content.decode("utf-8-sig", "replace")


def find_submissions(folder: Path, assignment: str) -> list[Submission]:
    """One submission for each student, in the order of their names."""
    students: dict[str, list[Path]] = {}
    for path in folder.iterdir():
        if path.name.startswith((".", "__MACOSX")):
            continue
        if path.is_dir() and not path.is_symlink():
            students.setdefault(readable(path.name), []).extend(_files(path))
        else:
            name = readable(NOTEBOOK.sub("", path.name) if NOTEBOOK.search(path.name) else path.stem)
            name = re.sub(r"\s*\(\d+\)$", "", name) or name  # a browser's second copy
            name = re.sub(rf"[\s_-]*{assignment}$", "", name, flags=re.IGNORECASE) or name
            students.setdefault(name, []).append(path)
    return [_submission(student, students[student]) for student in sorted(students, key=natural)]


def _submission(student: str, files: list[Path]) -> Submission:
    files = sorted(files, key=lambda path: natural(readable(NOTEBOOK.sub("", str(path)))))
    *others, last = [path for path in files if NOTEBOOK.search(path.name)] or [None]
    return Submission(student, last, tuple(others if last else files))


def _files(folder: Path) -> list[Path]:
    return [
        Path(parent, name)
        for parent, folders, names in os.walk(folder)
        for name in names
        if not name.startswith(".") and ".ipynb_checkpoints" not in parent
    ]


def natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """A key that sorts ``costs (10)`` behind ``costs (9)``, and ``costs`` before both."""
    pieces = re.findall(r"[0-9]+|[^0-9]+", name.casefold())
    return [(1, int(piece), "") if piece.isdecimal() else (0, 0, piece) for piece in pieces], name


def readable(name: str) -> str:
    """A file's name as text that can be written anywhere, whatever bytes it has on the disk."""
    return printable(unicodedata.normalize("NFC", os.fsencode(name).decode("utf-8", "replace"))).strip()


def printable(text: str) -> str:
    """``text`` without what a file cannot hold, a terminal obeys, or a reader does not see (joiners shape letters)."""
    joiners = "\u200c\u200d"
    return "".join(each if each.isprintable() or each in joiners else "\N{REPLACEMENT CHARACTER}" for each in text)
