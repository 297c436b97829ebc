"""Reads what a learning platform delivers: a zip file or a folder with a whole class in it.

What each platform calls its files is taken from the code that makes or reads them:

- Moodle: a folder ``NAME_NUMBER_assignsubmission_file`` for each student (before 4.1 with ``_`` behind it), or files
  that begin with it. ``mod/assign/classes/downloader.php`` and ``mod/assign/feedback/file/importziplib.php`` of
  https://github.com/moodle/moodle. Only the last attempt is in it.
- Canvas: files ``NAME_NUMBER_ATTACHMENT_FILE``, the name without anything but letters and digits, with ``_LATE`` behind
  it if the submission was late; ``anon_…`` in its place where marking is anonymous. ``lib/content_zipper.rb`` of
  https://github.com/instructure/canvas-lms. Only the last attempt is in it.
- Brightspace: a folder ``NUMBER-NUMBER - NAME - DATE`` for each attempt, and ``index.html``, as programs that read it
  show. What the two numbers are is not documented, and in some classes they are the same for everybody: so a student
  is a name here.
- Gradescope: folders ``submission_NUMBER`` and ``submission_metadata.yml``, which says whose they are and when they
  came: ``GradescopeParser`` in https://github.com/ucbds-infra/otter-grader. One attempt by each student is in it.

Anything else is a plain folder, as ``instructor.submissions`` reads it. In what a platform has made, a file that is no
student's is named and not graded.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from instructor.submissions import (
    ARCHIVE,
    NOTEBOOK,
    NOTEBOOK_AT_MOST,
    Delivery,
    Submission,
    files_in,
    find_submissions,
    natural,
    readable,
    submission_of,
)

MOODLE = re.compile(r"(?P<name>.+?)(?:_(?P<id>\d+))?_assignsubmission_[a-z]+(?:_(?P<file>.*))?")
CANVAS = re.compile(
    r"(?!\d+_)(?:(?P<late_anon>late_)?anon_(?P<anon>[^\W_]+)|(?P<name>\w+?)(?P<late>_late)?_(?P<id>\d+))"
    r"(?:_(?P<attachment>\d+)_(?P<file>.+)|_(?:text|link)\.html)",
    re.IGNORECASE,
)
BRIGHTSPACE = re.compile(r"(?P<number>\d+-\d+) - (?P<name>.+) - (?P<at>[^-]*\b\d{4}\b[^-]*)")
BRIGHTSPACE_TIME = re.compile(r"(\w{3})\w* (\d{1,2}), (\d{4}) (\d{1,2})(\d{2}) ([AP]M)", re.IGNORECASE)
GRADESCOPE = "submission_metadata.yml"
LEFTOVERS = {"index.html", "desktop.ini", "thumbs.db", GRADESCOPE}  # what no student has handed in
FILES_AT_MOST = 20_000
BYTES_AT_MOST = 20 * 2**30
NAME_AT_MOST = 200  # bytes


@dataclass(frozen=True)
class Piece:
    """A folder or a file of one student."""

    delivery: Delivery
    files: tuple[Path, ...]
    key: str  # the same for all pieces of one student


@dataclass(frozen=True)
class Delivered:
    """A class: one submission for each student, and what is nobody's."""

    system: str
    submissions: list[Submission]
    stray: list[str]


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """The folder itself, or a folder with what is in a zip file, which is deleted afterwards.

    Raises:
        OSError: there is no such file, or it is no zip file.
    """
    if path.is_dir():
        entries = [each for each in path.iterdir() if not is_leftover(each)]
        if not (len(entries) == 1 and entries[0].is_file() and is_a_class(entries[0])):
            yield path
            return
        path = entries[0]
    with TemporaryDirectory(prefix="delivered-") as folder:
        unpack(path, Path(folder))
        yield Path(folder)


def is_a_class(path: Path) -> bool:
    """Whether this is an archive as a platform makes it, and not one that a student has made."""
    if not (ARCHIVE.search(path.name) and zipfile.is_zipfile(path)):
        return False
    with zipfile.ZipFile(path) as archive:
        parts = [PurePosixPath(name_in(each)).parts for each in archive.infolist()[:FILES_AT_MOST]]
    tops = {part for each in parts for part in each[:2]}
    return GRADESCOPE in tops or any(
        pattern.fullmatch(top) for pattern in (MOODLE, CANVAS, BRIGHTSPACE) for top in tops
    )


def unpack(path: Path, folder: Path) -> None:
    """Unpack a class's archive; links and what would leave the folder become plain files in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [each for each in archive.infolist() if not each.is_dir()]
            if len(members) > FILES_AT_MOST or sum(each.file_size for each in members) > BYTES_AT_MOST:
                raise OSError(f"{path} is too large: unpack it, and name the folder.")
            for member in members:
                parts = [
                    shortened(part) for part in PurePosixPath(name_in(member)).parts if part not in ("/", "..", ".")
                ]
                target = folder.joinpath(*parts)
                if not parts or target.exists():
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, target.open("wb") as file:
                    copy(source, file)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise OSError(f"{path} is no folder, and no zip file that can be read: {error}") from error


def copy(source, file) -> None:
    """Copy a file, and of one that is too large only so much that it is seen to be."""
    left = NOTEBOOK_AT_MOST + 1
    while left > 0 and (piece := source.read(min(2**20, left))):
        file.write(piece)
        left -= len(piece)


def name_in(member: zipfile.ZipInfo) -> str:
    """The name of a file in an archive; macOS writes UTF-8 and does not say so."""
    name = member.filename
    if not member.flag_bits & 0x800:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/").replace("\0", "")


def shortened(name: str) -> str:
    """A name that every file system takes: what is cut out is the middle."""
    if len(name.encode("utf-8", "surrogateescape")) <= NAME_AT_MOST:
        return name
    return f"{name[:40]}…{name[-20:]}"


def is_leftover(path: Path) -> bool:
    return path.name.startswith((".", "__MACOSX")) or path.name.casefold() in LEFTOVERS


def find(folder: Path, assignment: str, problems: tuple[str, ...] = ()) -> Delivered:
    """The submissions of a class; of several attempts by one student the last."""
    for place in (folder, *wrapped(folder)):
        entries = sorted(
            (each for each in place.iterdir() if not each.name.startswith(".")), key=lambda path: path.name
        )
        entries = [each for each in entries if each.name != "__MACOSX"]
        for system, reader in READERS.items():
            read = reader(place)
            pieces = [(each, read(each)) for each in entries]
            found = [piece for _, piece in pieces if piece]
            others = [each for each, piece in pieces if not piece]
            if len(found) > sum(not is_leftover(each) for each in others):
                submissions = in_order(found, assignment, problems)
                return Delivered(system, submissions, [readable(each.name) for each in others])
    return plain_folder(folder, assignment, problems)


def plain_folder(folder: Path, assignment: str, problems: tuple[str, ...]) -> Delivered:
    """A folder that somebody made: each entry is a student, except for what systems leave behind."""
    stray = tuple(each.name for each in folder.iterdir() if is_stray(each))
    return Delivered("", find_submissions(folder, assignment, problems, stray), sorted(map(readable, stray)))


def is_stray(path: Path) -> bool:
    """Whether a file at the top is nobody's: what a system leaves there, or a table."""
    return path.is_file() and (path.name.casefold() in LEFTOVERS or path.suffix.casefold() == ".csv")


def wrapped(folder: Path) -> list[Path]:
    """The one folder that everything is in, if there is one."""
    inside = [each for each in folder.iterdir() if not is_leftover(each)]
    return inside if len(inside) == 1 and inside[0].is_dir() and not inside[0].is_symlink() else []


def in_order(pieces: list[Piece], assignment: str, problems: tuple[str, ...]) -> list[Submission]:
    """One submission for each student, in the order of their names."""
    students: dict[str, list[Piece]] = {}
    for piece in pieces:
        students.setdefault(piece.key, []).append(piece)
    found = [_of_one(each, assignment, problems) for each in students.values()]
    return sorted(found, key=lambda submission: natural(submission.student))


def _of_one(pieces: list[Piece], assignment: str, problems: tuple[str, ...]) -> Submission:
    """The student's submission: of several attempts the last that has a notebook."""
    attempts: dict[str, list[Piece]] = {}
    for piece in pieces:
        # Without a time there are no attempts to tell apart: all files together are one.
        attempts.setdefault(piece.delivery.at and f"{piece.delivery.at} {piece.delivery.place}", []).append(piece)
    last = attempts[max(attempts, key=lambda time: (_has_notebook(attempts[time]), natural(time)))]
    delivery = replace(last[0].delivery, is_late=any(piece.delivery.is_late for piece in last))
    student = f"{delivery.name} ({delivery.id})" if delivery.id else delivery.name
    submission = submission_of(student, [file for piece in last for file in piece.files], assignment, problems)
    for piece in last:
        if submission.notebook in piece.files:
            delivery = replace(delivery, place=piece.delivery.place)
    remarks, for_staff = (), ()
    if len(attempts) > 1:
        when = f"of {spelt(delivery.at)}" if delivery.at else f"in {delivery.place}"
        remarks = (f"You handed in {len(attempts)} times. Graded was the last attempt with a notebook, {when}.",)
        if delivery.system == "Brightspace":
            folders = ", ".join(sorted({piece.delivery.place for piece in pieces}))
            for_staff = (f"Taken as attempts of one person, because the name is the same: {folders}.",)
    return replace(submission, delivery=delivery, remarks=remarks, for_staff=for_staff)


def spelt(time: str) -> str:
    """A time as ISO 8601 writes it, for people."""
    at = datetime.fromisoformat(time)
    return f"{at.day} {at:%B %Y, %H:%M}"


def _has_notebook(pieces: list[Piece]) -> bool:
    return any(NOTEBOOK.search(file.name) or ARCHIVE.search(file.name) for piece in pieces for file in piece.files)


# Platforms --------------------------------------------------------------------------------------------------------


def moodle(folder: Path) -> Callable[[Path], Piece | None]:
    def read(path: Path) -> Piece | None:
        name = readable(path.name)
        match = MOODLE.fullmatch(name)
        if not match or path.is_symlink() or path.is_dir() == bool(match["file"]):
            return None
        files = files_in(path) if path.is_dir() else [path]
        place = name if path.is_dir() else name[: match.start("file") - 1]
        delivery = Delivery("Moodle", match["id"] or "", match["name"].strip(), place)
        return Piece(delivery, tuple(files), f"{delivery.name} {delivery.id}")

    return read


def canvas(folder: Path) -> Callable[[Path], Piece | None]:
    def read(path: Path) -> Piece | None:
        name = readable(path.name)
        match = CANVAS.fullmatch(name)
        if not match or path.is_symlink() or path.is_dir():
            return None
        is_late = bool(match["late"] or match["late_anon"])
        number = match["id"] or match["anon"]
        return Piece(Delivery("Canvas", number, match["name"] or "anon", name, is_late=is_late), (path,), number)

    return read


def brightspace(folder: Path) -> Callable[[Path], Piece | None]:
    def read(path: Path) -> Piece | None:
        name = readable(path.name)
        match = BRIGHTSPACE.fullmatch(name)
        if not match or path.is_symlink() or not path.is_dir():
            return None
        delivery = Delivery("Brightspace", "", match["name"].strip(), name, brightspace_time(match["at"]))
        return Piece(delivery, tuple(files_in(path)), delivery.name)

    return read


def brightspace_time(text: str) -> str:
    """``Oct 10, 2025 1022 AM`` as ISO 8601; nothing if it is written in another way."""
    match = BRIGHTSPACE_TIME.fullmatch(text.strip())
    if not match:
        return ""
    month, day, year, hour, minute, half = match.groups()
    try:
        return datetime.strptime(f"{month} {day} {year} {hour} {minute} {half}", "%b %d %Y %I %M %p").isoformat()
    except ValueError:
        return ""


def gradescope(folder: Path) -> Callable[[Path], Piece | None]:
    known = gradescope_metadata(folder / GRADESCOPE)

    def read(path: Path) -> Piece | None:
        delivery = known.get(path.name)
        if not delivery or path.is_symlink():
            return None
        return Piece(delivery, tuple(files_in(path) if path.is_dir() else [path]), delivery.place)

    return read


def gradescope_metadata(path: Path) -> dict[str, Delivery]:
    """Whose each folder is. The file has Ruby's types in it, so only its text is read, and no object is made."""
    if not path.is_file() or path.is_symlink():
        return {}
    import yaml

    try:
        top = yaml.compose(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise OSError(f"{path.name} cannot be read: {error}") from error
    return {name: gradescope_delivery(name, dict(mapping(about))) for name, about in mapping(top)}


def gradescope_delivery(folder: str, about: dict) -> Delivery:
    people = [dict(mapping(each)) for each in getattr(about.get(":submitters"), "value", [])]
    names, numbers = ([text_of(each.get(key)) for each in people] for key in (":name", ":sid"))
    name = " and ".join(filter(None, names)) or folder
    return Delivery(
        "Gradescope", ", ".join(filter(None, numbers)), readable(name), folder, ruby_time(about.get(":created_at"))
    )


def mapping(node) -> list[tuple[str, object]]:
    """The names and values of a mapping in a YAML file; nothing of what is none."""
    value = getattr(node, "value", None)
    pairs = value if isinstance(value, list) and getattr(node, "id", "") == "mapping" else []
    return [(text_of(name), each) for name, each in pairs]


def text_of(node) -> str:
    value = getattr(node, "value", "")
    return value if isinstance(value, str) else ""


def ruby_time(node) -> str:
    """A time such as ``2031-10-11 13:30:05.120000000 -07:00`` as ISO 8601, to the second."""
    text = text_of(node) or text_of(dict(mapping(node)).get("utc"))
    match = re.match(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.\d+)?\s*(?:(Z)|([+-]\d\d):?(\d\d))?", text)
    if not match:
        return ""
    day, time, _, hours, minutes = match.groups()
    return f"{day}T{time}{hours or '+00'}:{minutes or '00'}"


READERS = {"Gradescope": gradescope, "Moodle": moodle, "Canvas": canvas, "Brightspace": brightspace}
