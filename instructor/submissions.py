"""Finds the submissions in a folder, as learning platforms export them.

A student is a folder at the top, whatever is nested in it, or a file at the top, named after the student. A browser
adds ``(1)`` to the name of a second copy, so ``Ann.ipynb`` and ``Ann (1).ipynb`` are both Ann's. Of several notebooks
by one student the one counts that has the cells of this assignment; of several such the one that is named after it,
and then the last by name, numbers in names compared as numbers: the same on every machine, which the time of a file is
not. Without a notebook, an archive that holds one will do.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NOTEBOOK_AT_MOST = 100 * 2**20  # bytes, outputs included; students' pictures make large files
PIECE = 2**20  # bytes read at a time
NOTEBOOK = re.compile(r"\.ipynb(\.txt|\.json)?$", re.IGNORECASE)  # some browsers add what they think it is
ARCHIVE = re.compile(r"\.zip$", re.IGNORECASE)


class UnreadableError(Exception):
    """A submission that cannot even be opened; the message is for its student."""


@dataclass(frozen=True)
class Delivery:
    """What a learning platform says about a submission.

    Attributes:
        system: the platform's name.
        id: the student's number there.
        name: the student's name, as the platform writes it.
        place: the folder or the file's name as it came: what goes back must be called the same.
        at: when it was handed in, as ISO 8601, if the platform says it.
        is_late: the platform marked it as late.
    """

    system: str = ""
    id: str = ""
    name: str = ""
    place: str = ""
    at: str = ""
    is_late: bool = False


@dataclass(frozen=True)
class Submission:
    """What one student handed in: the notebook that counts, if there is one, and the files that do not.

    Attributes:
        remarks: what the student should know about what was handed in.
        for_staff: what a person should look at.
    """

    student: str
    notebook: Path | None
    others: tuple[Path, ...] = ()
    delivery: Delivery = Delivery()
    remarks: tuple[str, ...] = ()
    for_staff: tuple[str, ...] = ()

    def open(self) -> int:
        """A descriptor of the notebook, for reading; who asks for it closes it.

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
        about = os.fstat(descriptor)
        why = "" if stat.S_ISREG(about.st_mode) else "Your notebook is not a plain file."
        if not why and about.st_size > NOTEBOOK_AT_MOST:
            why = f"Your notebook is larger than {NOTEBOOK_AT_MOST // 2**20} MB. Clear its outputs."
        if why:
            os.close(descriptor)
            raise UnreadableError(why)
        return descriptor

    def pieces(self) -> Iterator[bytes]:
        """The notebook's content, a piece at a time, so that it need not be in memory."""
        with os.fdopen(self.open(), "rb") as file:
            while piece := file.read(PIECE):
                yield piece

    def read(self) -> str:
        """The notebook's text."""
        return b"".join(self.pieces()).decode("utf-8-sig", "replace")

    def digest(self) -> str:
        """Tells whether the file is the one that was graded."""
        digest = hashlib.sha256(self.notebook.name.encode("utf-8", "surrogateescape") if self.notebook else b"")
        try:
            for piece in self.pieces():
                digest.update(piece)
        except UnreadableError as error:
            digest.update(str(error).encode())
        return digest.hexdigest()


def find_submissions(
    folder: Path, assignment: str, problems: tuple[str, ...] = (), stray: tuple[str, ...] = ()
) -> list[Submission]:
    """One submission for each student, in the order of their names; ``problems`` tells whose notebook it is.

    What is called as ``stray`` says is nobody's.
    """
    students: dict[str, list[Path]] = {}
    for path in folder.iterdir():
        if path.name.startswith((".", "__MACOSX")) or path.name in stray:
            continue
        if path.is_dir() and not path.is_symlink():
            students.setdefault(readable(path.name), []).extend(files_in(path))
        else:
            name = readable(NOTEBOOK.sub("", path.name) if NOTEBOOK.search(path.name) else path.stem)
            name = re.sub(r"\s*\(\d+\)$", "", name) or name  # a browser's second copy
            name = re.sub(rf"[\s_-]*{assignment}$", "", name, flags=re.IGNORECASE) or name
            students.setdefault(name, []).append(path)
    return [submission_of(name, students[name], assignment, problems) for name in sorted(students, key=natural)]


def submission_of(student: str, files: list[Path], assignment: str, problems: tuple[str, ...]) -> Submission:
    """The student's submission: of all files the notebook that counts."""
    files = sorted(files, key=lambda path: natural(readable(NOTEBOOK.sub("", str(path)))))
    notebooks = [path for path in files if NOTEBOOK.search(path.name)]
    notebooks = notebooks or [path for path in files if ARCHIVE.search(path.name)]
    if len(notebooks) > 1:
        # the last of the best: sorting keeps the order of equals
        notebooks.sort(key=lambda path: (_carries(path, problems), assignment.casefold() in path.name.casefold()))
    counts = notebooks[-1] if notebooks else None
    return Submission(student, counts, tuple(path for path in files if path != counts))


def _carries(path: Path, problems: tuple[str, ...]) -> tuple[int, int]:
    """How many of the problems a notebook has, by what our cells say and by the functions that it defines."""
    if not problems:
        return 0, 0
    any_of = "|".join(map(re.escape, problems)).encode()
    named = re.compile(rb'"problem"\s*:\s*"(' + any_of + rb')"')
    defined = re.compile(rb"\bdef +(" + any_of + rb") *\(")
    found: tuple[set, set] = set(), set()
    tail = b""
    try:
        for piece in Submission("", path).pieces():
            piece = tail + piece
            for pattern, names in zip((named, defined), found, strict=True):
                names.update(pattern.findall(piece))
            tail = piece[-200:]
    except UnreadableError:
        return 0, 0
    return len(found[0]), len(found[1])


def files_in(folder: Path) -> list[Path]:
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
