"""Tie each number in the text to the place that computes it. ``make fresh`` ties the numbers of new sentences.

A number of a sentence stands in an output of its own section, or in the section's code, if it is given there. A passage
that shares two words with it may take a number of another section or of ``registry.py``; so may a page's opening, its
exercises and its last section, which look over the page. The place is kept in ``book/numbers.txt``, without the number
itself: if the text or the output changes alone, ``tests/book/test_numbers.py`` fails. A sentence is known by its words,
so that a new number in an old sentence is never tied to another place by itself.

Short numbers stand on a page by chance, too. So a new sentence is tied by itself only to a place that is surely meant:
a line that speaks of the same. Any other place in reach is proposed, and whoever wrote the sentence says whether it is.

``python scripts/number_places.py --again 06 07``   takes what is proposed on these pages, ties sentences anew that were
                                                    meant to change, and prints each with the line that it now follows
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import nbformat
from bs4 import BeautifulSoup
from registry import computed

BOOK = Path(__file__).parent.parent / "book"
KEPT = BOOK / "numbers.txt"
HEADER = (
    "# Which place each number of the text is tied to. After a merge conflict take either side and run `make fresh`.\n"
)
OVERVIEWS = ("## Before you start", "## Exercises", "## What we saw")  # they speak of the whole page

NUMBER = re.compile(r"(?<![\w.#])\d+(?:,\d{3})*(?:\.\d+)?(?![\w]*\()")
SHOWN = re.compile(r"\d+(?:\.\d+)?")
NOT_PROSE = [
    re.compile(r"<!-- table: .*?<!-- end of table -->", re.DOTALL),  # made by instructor/guide.py, and held current
    re.compile(r"```.*?```", re.DOTALL),  # code blocks
    re.compile(r"`[^`\n]+`"),  # inline code
    re.compile(r"\]\([^)]*\)"),  # the target of a link
    re.compile(r"https?://\S+"),
    re.compile(r"<[^>]+>"),  # tags and their attributes
    re.compile(r"^\*\*Time:\*\*.*$", re.MULTILINE),  # how long a reader may need is an estimate
    re.compile(r"\b(?:arXiv|ISBN|doi):\s?\S+"),
    re.compile(r"\b(?:19|20)\d\d\b(?!,\d)"),  # years
    re.compile(
        r"(?:\b(?:tables?|sections?|chapters?|equations?|figures?|exercises?|appendix|lecture|notebook|version|python"
        r"|CC BY)|§)"
        r"\s*\(?\d+(?:\.\d+)*(?:(?:[,–-]|,? (?:and|or|to)) ?\d+(?:\.\d+)*)*",
        re.IGNORECASE,
    ),
]


class Claim(NamedTuple):
    """A number that a sentence states. ``key`` and ``index`` say which number of which sentence it is."""

    page: str
    section: int
    cell: int
    sentence: str
    passage: str
    key: str
    index: int
    number: str


class Place(NamedTuple):
    """A number that a page computes or gives, and the ``line`` that shows it.

    ``name`` finds it again; ``words`` are those of its row and column.
    """

    section: int
    cell: int
    name: str
    number: str
    words: frozenset[str]
    line: str


def prose(markdown: str) -> str:
    """The Markdown without what is no claim, and its numbers without separators."""
    text = markdown.replace("{,}", "").replace(r"\,", "").replace("\u202f", "").replace("\u00a0", " ")
    for pattern in NOT_PROSE:
        text = pattern.sub(" ", text)
    return text


def prose_numbers(markdown: str) -> list[str]:
    """The numbers that a piece of Markdown states, without thousands separators; counting words (0 to 12) are none."""
    return [number for number in _numbers(prose(markdown)) if not _is_small(number)]


def sentences(markdown: str) -> list[str]:
    """The sentences, items and rows of a piece of Markdown."""
    parts = re.split(r"\n\s*\n|\n(?=\|)|\n\s*(?:[-*]|\d\.) |(?<=[.!?:;])\s+", prose(markdown))
    return [part for part in parts if NUMBER.search(part)]


def pages() -> list[Path]:
    """The pages whose numbers are tied; appendix D is made from the exercises, which have tests of their own."""
    return sorted(path for path in (*BOOK.glob("*.ipynb"), *BOOK.glob("*.md")) if path.name != "D_solutions.md")


def texts_of(path: Path) -> Iterator[tuple[int, int, str]]:
    """The section, the place and the words of every cell that states something."""
    for section, index, cell in _sectioned(path):
        if cell.cell_type == "code":
            figure = cell.metadata.get("mystnb", {})
            yield (
                section,
                index,
                figure.get("image", {}).get("alt", "") + "\n\n" + figure.get("figure", {}).get("caption", ""),
            )
        elif "exercise" not in cell.metadata.get("tags", ()):
            yield section, index, cell.source


def claims(path: Path) -> list[Claim]:
    """Every number of every sentence of a page, small ones included."""
    seen: Counter[str] = Counter()
    found = []
    for section, cell, text in texts_of(path):
        for sentence in sentences(text):
            words = re.sub(r"\s+", " ", NUMBER.sub("#", sentence))
            seen[words] += 1
            key = hashlib.sha256(f"{words}{seen[words]}".encode()).hexdigest()[:10]
            numbers = enumerate(_numbers(sentence))
            found += [Claim(path.stem, section, cell, sentence, text, key, index, number) for index, number in numbers]
    return found


def places(path: Path) -> list[Place]:
    """Every number that the outputs of a page show and that its code gives, and those of the registry."""
    found = [Place(-1, -1, f"registry {key}", _plain(value), _words(key), key) for key, value in computed().items()]
    if path.suffix == ".md":
        return found
    for section, index, cell in _sectioned(path):
        if cell.cell_type == "code":
            for name, number, words, line in [*_shown(cell), *_given(cell)]:
                found.append(Place(section, index, f"{cell.id} {name}", number, words, line))
    return found


def best(claim: Claim, known: list[Place], overviews: set[int], proposed: bool = False) -> Place | None:
    """The place that a new sentence is tied to: surely meant, with the most words in common, then the nearest.

    With ``proposed``, one that is in reach will do.
    """
    words, around = _words(claim.sentence) - {claim.number}, _words(claim.passage)
    fits = [
        place
        for place in known
        if place.number == claim.number and _in_reach(claim, place, around, overviews)
        if proposed or _is_sure(claim, place, words)
    ]

    def rank(place: Place) -> tuple[bool, bool, int, int]:
        here, given = place.section == claim.section, " code " in place.name
        return here, not given, len(place.words & words), -abs(place.cell - claim.cell)

    return max(fits, key=rank, default=None)


def overview_sections(path: Path) -> set[int]:
    """The sections that look over the whole page."""
    found = {0}
    if path.suffix == ".ipynb":
        for section, _, cell in _sectioned(path):
            if cell.cell_type == "markdown" and cell.source.startswith(OVERVIEWS):
                found.add(section)
    return found


def kept() -> dict[tuple[str, str, int], str]:
    """The name of the place of each number that is tied, by page, sentence and index."""
    found = {}
    for line in KEPT.read_text(encoding="utf-8").splitlines() if KEPT.exists() else ():
        if not line.startswith("#"):
            page, key, index, place = line.split("\t")
            found[page, key, int(index)] = place
    return found


def problems(path: Path, tied: dict[tuple[str, str, int], str]) -> list[str]:
    """A sentence for each number of the page that is not what its place shows, and for each that has no place."""
    known, overviews = places(path), overview_sections(path)
    shown = {place.name: place.number for place in known}
    found = []
    for claim in claims(path):
        if problem(claim, shown, tied):
            found.append(problem(claim, shown, tied, best(claim, known, overviews, proposed=True)))
    return found


def texts(again: tuple[str, ...] = ()) -> dict[Path, str]:
    """The kept places with those of new sentences, if there are any.

    On pages that begin with ``again``, what is proposed is taken, and a place that shows another number is left.
    """
    before = kept()
    after = {}
    for path in pages():
        known, overviews = places(path), overview_sections(path)
        shown = {place.name: place.number for place in known}
        asked = path.name.startswith(again or ("?",))
        for claim in claims(path):
            name = (claim.page, claim.key, claim.index)
            if name in before and (not asked or shown.get(before[name]) == claim.number):
                after[name] = before[name]
            elif not _is_small(claim.number) and (place := best(claim, known, overviews, proposed=asked)):
                after[name] = place.name
                if asked:
                    print(f"{path.stem}: {claim.number} in {_short(claim.sentence)} follows {place.line!r}")
    lines = ["\t".join([page, key, str(index), after[page, key, index]]) for page, key, index in sorted(after)]
    text = HEADER + "".join(f"{line}\n" for line in lines)
    return {} if KEPT.exists() and KEPT.read_text(encoding="utf-8") == text else {KEPT: text}


def problem(
    claim: Claim, shown: dict[str, str], tied: dict[tuple[str, str, int], str], proposed: Place | None = None
) -> str | None:
    """What is wrong with a number, and what to do; None if it is what its place shows."""
    where = f"{claim.page}, cell {claim.cell}: {claim.number} in {_short(claim.sentence)}"
    again = f"python scripts/number_places.py --again {claim.page.split('_')[0]}"
    place = tied.get((claim.page, claim.key, claim.index))
    if place is None:
        if _is_small(claim.number):
            return None
        if proposed:
            return f"{where} is tied to nothing. If it is the number of {proposed.line!r}, run {again}"
        return (
            f"{where} is tied to nothing. Run make fresh; if it stays, no output of its section shows the number: "
            "print it there, or compute it in scripts/registry.py under a key that shares two words with the passage"
        )
    if shown.get(place) == claim.number:
        return None
    says = f"now shows {shown[place]}" if place in shown else "is gone"
    return f"{where}: its place ({place}) {says}. Correct the sentence or the code; if both are right, run {again}"


def _in_reach(claim: Claim, place: Place, words: frozenset[str], overviews: set[int]) -> bool:
    if place.section == claim.section:
        return True
    if " code " in place.name:
        return False
    return (claim.section in overviews and place.section >= 0) or len(place.words & words) >= 2


def _is_sure(claim: Claim, place: Place, words: frozenset[str]) -> bool:
    """Whether a place in reach is the one that is meant: a long number, or a line that speaks of the same."""
    is_long = len(claim.number.replace(".", "").lstrip("0")) >= 4
    here = place.section == claim.section
    return len(place.words & words) >= (3 - is_long if not here else 0 if is_long else 2)


def _short(sentence: str) -> str:
    return repr(" ".join(sentence.split()))


def _sectioned(path: Path) -> Iterator[tuple[int, int, nbformat.NotebookNode]]:
    """Each cell of a page with its section, which a heading of the second level begins; text is cut at each heading."""
    if path.suffix == ".md":
        yield 0, 0, nbformat.v4.new_markdown_cell(path.read_text(encoding="utf-8"))
        return
    section = 0
    for index, cell in enumerate(nbformat.read(path, as_version=4).cells):
        if cell.cell_type != "markdown":
            yield section, index, cell
            continue
        for part in re.split(r"^(?=## )", cell.source, flags=re.MULTILINE):
            section += part.startswith("## ")
            yield section, index, nbformat.from_dict({**cell, "source": part})


def _shown(cell: nbformat.NotebookNode) -> Iterator[tuple[str, str, frozenset[str], str]]:
    """Every number that a cell's outputs show: in which line, known by its words, and which number of that line."""
    seen: Counter[str] = Counter()
    for line, headings in _lines(cell):
        letters = re.sub(r"[^a-zα-ω]", "", " ".join(line).lower())
        seen[letters] += 1
        name = f"{hashlib.sha256(letters.encode()).hexdigest()[:6]}.{seen[letters]}"
        index = 0
        for place, part in enumerate(line):
            words = _words(" ".join([*line, *headings[place : place + 1]]))
            for number in SHOWN.findall(_plain(part)):
                yield f"{name}.{index}", number, words - {number}, " ".join(" | ".join(line).split())
                index += 1


def _lines(cell: nbformat.NotebookNode) -> Iterator[tuple[list[str], list[str]]]:
    """The lines of a cell's outputs, and the rows of its tables with the headings of their columns."""
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        page = BeautifulSoup(data.get("text/html", ""), "html.parser")
        for table in page.find_all("table"):
            rows = [[part.get_text(" ") for part in row.find_all(["td", "th"])] for row in table.find_all("tr")]
            yield from ((row, rows[0]) for row in rows)
            table.decompose()
        other = [output.get("text", ""), data.get("text/markdown", ""), page.get_text(" ")]
        if "text/html" not in data:
            other.append(data.get("text/plain", ""))
        yield from (([line], []) for text in other for line in text.splitlines())


def _given(cell: nbformat.NotebookNode) -> Iterator[tuple[str, str, frozenset[str], str]]:
    """Every number that stands in a cell's code, as what is given."""
    code = cell.source.replace("_", "")
    for index, found in enumerate(re.finditer(r"(?<![\w.#])\d+(?:\.\d+)?", code)):
        line = code[code.rfind("\n", 0, found.start()) + 1 :].partition("\n")[0]
        yield f"code {index}", found.group(), frozenset(), line.strip()


def _numbers(text: str) -> list[str]:
    return [match.group().replace(",", "") for match in NUMBER.finditer(text)]


def _is_small(number: str) -> bool:
    return number.isdigit() and int(number) <= 12


def _plain(text: str) -> str:
    return re.sub(r"(?<=\d),(?=\d{3})", "", text.replace("_", ""))


@cache
def _words(text: str) -> frozenset[str]:
    """The beginnings of the words of a text, and its numbers."""
    words = {word.lower()[:5] for word in re.findall(r"[^\W\d_]{2,}", text)} - {
        "the",
        "of",
        "its",
        "in",
        "to",
        "and",
        "is",
    }
    return frozenset(words | set(SHOWN.findall(_plain(text))))


def main(arguments: list[str]) -> int:
    again = tuple(arguments[1:]) if arguments[:1] == ["--again"] else ()
    for path, text in texts(again).items():
        path.write_text(text, encoding="utf-8")
    found = [problem for path in pages() for problem in problems(path, kept())]
    print("\n".join(found) or "every number is tied to its place")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
