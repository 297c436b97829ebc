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


class UnreadableError(Exception):
    """A submission that cannot even be opened; the message is for its student."""


@dataclass(frozen=True)
class Submission:
    """What one student handed in: the notebook that counts, if there is one, and those that do not."""

    student: str
    notebook: Path | None
    others: tuple[Path, ...] = ()

    def read(self) -> str:
        """The notebook's text.

        Raises:
            UnreadableError: there is none, it is no plain file, or it is too large.
        """
        if self.notebook is None:
            raise UnreadableError("There is no notebook (a file whose name ends in .ipynb) among your files.")
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
            students.setdefault(readable(path.name), []).extend(_notebooks(path))
        else:
            name = readable(path.stem)
            name = re.sub(r"\s*\(\d+\)$", "", name) or name  # a browser's second copy
            name = re.sub(rf"[\s_-]*{assignment}$", "", name, flags=re.IGNORECASE) or name
            is_notebook = path.suffix.lower() == ".ipynb"
            students.setdefault(name, []).extend([path] if is_notebook else [])
    return [
        Submission(student, *(paths[-1:] or [None]), tuple(paths[:-1]))
        for student, found in sorted(students.items(), key=lambda item: natural(item[0]))
        for paths in [sorted(found, key=lambda path: natural(readable(str(path.with_suffix("")))))]
    ]


def _notebooks(folder: Path) -> list[Path]:
    return [
        Path(parent, name)
        for parent, folders, names in os.walk(folder)
        for name in names
        if name.lower().endswith(".ipynb") and not name.startswith(".") and ".ipynb_checkpoints" not in parent
    ]


def natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """A key that sorts ``costs (10)`` behind ``costs (9)``, and ``costs`` before both."""
    pieces = re.findall(r"[0-9]+|[^0-9]+", name.casefold())
    return [(1, int(piece), "") if piece.isdecimal() else (0, 0, piece) for piece in pieces], name


def readable(name: str) -> str:
    """A file's name as text that can be written anywhere, whatever bytes it has on the disk."""
    return unicodedata.normalize("NFC", os.fsencode(name).decode("utf-8", "replace")).strip()
