"""Reads and writes tables that spreadsheets and learning platforms open."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path


def replace_file(path: Path, text: str) -> None:
    """Write the whole file or, if there is no room, none of it."""
    new = path.with_name(path.name + ".new")
    new.write_text(text, encoding="utf-8", newline="")
    new.replace(path)


def write_table(path: Path, header: list[str], rows: list[list]) -> None:
    """Write a table that a spreadsheet opens as it is, and that holds no formula."""
    file = io.StringIO(newline="")
    csv.writer(file).writerows([[harmless(cell) for cell in row] for row in [header, *rows]])
    replace_file(path, "\ufeff" + file.getvalue())  # the mark without which Excel garbles names


def read_table(path: Path) -> list[list[str]]:
    """All rows of a table, whether commas or semicolons separate its columns: some spreadsheets save it otherwise.

    Raises:
        OSError: it is no text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise OSError(f"{path} is no CSV file in UTF-8: save it as one.") from error
    first = text.partition("\n")[0]
    separator = ";" if first.count(";") > first.count(",") else ","
    return [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if row]


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table, each with the names of its columns; cells that are missing are empty."""
    header, *rows = read_table(path) or [[]]
    return [dict(zip(header, row + [""] * len(header), strict=False)) for row in rows]


def harmless(cell: str | int | float) -> str | int | float:
    """A cell that no spreadsheet takes for a formula, whatever character separates its columns."""
    if not isinstance(cell, str):
        return cell
    begins = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
    is_formula = cell.startswith(begins) or cell.lstrip().startswith(begins)
    cell = re.sub(r"[;|\t\r\n]", ",", cell)
    return "'" + cell if is_formula else cell
