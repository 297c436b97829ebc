"""Write the lists of chapters from ``contents.toml``: the table of contents, the README's table, the first page's list,
and the first lines of each chapter. ``make fresh`` runs it.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import nbformat
from retarget import colab_address
from setup_cells import BookError, project

ROOT = Path(__file__).parent.parent
BOOK = ROOT / "book"
CONTENTS = ROOT / "contents.toml"
TABLE = re.compile(r"(?<=\n\| --- \| --- \| --- \|\n)(?:\|.*open in Colab.*\|\n)+")
TIME = re.compile(r"(?<=\*\*Time:\*\* about )\d+(?= minutes)")
NEEDS = re.compile(r"\*\*You need:\*\*(.*?)\n\n", re.DOTALL)


def read() -> dict[str, Any]:
    """The parts of the book and its appendices."""
    return tomllib.loads(CONTENTS.read_text(encoding="utf-8"))


def chapters(contents: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """The chapters by their number, which their file's name begins with; BookError for a row that cannot be."""
    found = {int(row["file"][:2]): row for part in contents["parts"] for row in part["chapters"]}
    if list(found) != list(range(1, len(found) + 1)):
        raise BookError(f"contents.toml: the chapters' files are numbered {list(found)}; they must count up from 01")
    for number, row in found.items():
        if late := [need for need in row["needs"] if not 1 <= need < number]:
            raise BookError(f"contents.toml: chapter {number} needs {late}; it can only need chapters before it")
    return found


def toc(contents: dict[str, Any]) -> str:
    """The text of _toc.yml."""
    lines = ["# Made by `make fresh` from contents.toml.", "format: jb-book", "root: book/index", "parts:"]
    for part in contents["parts"]:
        lines += [f"  - caption: {part['caption']}", "    numbered: 1", "    chapters:"]
        lines += [f"      - file: book/{row['file']}" for row in part["chapters"]]
    lines += ["  - caption: Appendices", "    chapters:"]
    for row in contents["appendices"]:
        lines += [f"      - file: book/{row['file']}", f'        title: "{row["file"][0]}. {row["title"]}"']
    return "\n".join([*lines, "      - file: book/references", ""])


def readme_table(contents: dict[str, Any]) -> str:
    """The README's rows: a number, a title and a link for every page that is a notebook."""
    at = project()
    rows = [(number, row) for number, row in chapters(contents).items()]
    rows += [(row["file"][0], row) for row in contents["appendices"] if "minutes" in row]
    return "".join(
        f"| {number} | {row['title']} | [open in Colab]({colab_address(at, row['file'] + '.ipynb')}) |\n"
        for number, row in rows
    )


def first_page_list(contents: dict[str, Any]) -> str:
    """The first page's cell that names the chapters."""
    lines = ["CHAPTERS = {  # number: (title, minutes, the chapters that it needs, lane of the map)"]
    for number, row in chapters(contents).items():
        title = json.dumps(row["title"], ensure_ascii=False)
        lines.append(f"    {number}: ({title}, {row['minutes']}, {row['needs']}, {row['lane']}),")
    return "\n".join([*lines, "}"])


def needed(opening: str) -> list[int]:
    """The chapters that a first cell says one needs, by its links."""
    found = NEEDS.search(opening + "\n\n")
    return [int(number) for number in re.findall(r"\((\d\d)_", found[1])] if found else []


def with_new_rows() -> dict[Path, str]:
    """contents.toml with a row for each chapter that has none: in the last part, read with the last chapter."""
    before = CONTENTS.read_text(encoding="utf-8")
    *_, last = re.finditer(r"^    {file = .*, meeting = (\d+), .*}.*\n", before, re.MULTILINE)
    listed = {row["file"] for row in chapters(read()).values()}
    rows = ""
    for path in sorted(BOOK.glob("[0-9][0-9]_*.ipynb")):
        if path.stem not in listed:
            first = _first(path, ("# A title", "**Time:** about 20 minutes", "**You need:**", "1. a goal"))
            title = json.dumps(re.search(r"^# (.+)", first, re.M)[1], ensure_ascii=False)
            rows += f'    {{file = "{path.stem}", title = {title}, minutes = {TIME.search(first)[0]}, '
            rows += f"needs = {needed(first)}, meeting = {last[1]}, lane = 0}},\n"
    return {CONTENTS: before[: last.end()] + rows + before[last.end() :]} if rows else {}


def texts() -> dict[Path, str]:
    """For each file that lists chapters and must change, what it must contain."""
    contents = read()
    made = {ROOT / "_toc.yml": toc(contents)}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    made[ROOT / "README.md"] = TABLE.sub(lambda _: readme_table(contents), readme)
    index = nbformat.read(BOOK / "index.ipynb", as_version=4)
    (cell,) = (cell for cell in index.cells if cell.source.startswith("CHAPTERS = {"))
    cell.source = first_page_list(contents)
    made[BOOK / "index.ipynb"] = nbformat.writes(index) + "\n"
    for row in [*chapters(contents).values(), *contents["appendices"]]:
        if "minutes" in row:
            path = BOOK / f"{row['file']}.ipynb"
            made[path] = _opened(path, row)
    return {path: text for path, text in made.items() if path.read_text(encoding="utf-8") != text}


def _opened(path: Path, row: dict[str, Any]) -> str:
    """The notebook with the title and the minutes of its row in its first cell."""
    if not path.exists():
        raise BookError(f"contents.toml: book/{path.name} does not exist; write the notebook, or correct its row")
    needs = ("**You need:**", "1. a goal") if "needs" in row else ()
    first = _first(path, ("# A title", "**Time:** about 20 minutes", *needs))
    notebook = nbformat.read(path, as_version=4)
    first = re.sub(r"^# .+", lambda _: f"# {row['title']}", first)
    notebook.cells[0].source = TIME.sub(str(row["minutes"]), first)
    return nbformat.writes(notebook) + "\n"


def _first(path: Path, lines: tuple[str, ...]) -> str:
    """The first cell of the notebook, which has lines such as these; BookError if one is missing."""
    cells = nbformat.read(path, as_version=4).cells
    first = cells[0].source if cells else ""
    patterns = {"# A title": r"^# .+", "**Time:** about 20 minutes": TIME, "1. a goal": r"(?m)^1\. "}
    for line in lines:
        if not re.search(patterns.get(line, re.escape(line)), first):
            raise BookError(f"book/{path.name}: its first cell needs a line such as '{line}'")
    return first
