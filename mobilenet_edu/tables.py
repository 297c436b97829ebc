"""One line that shows a table, so that the code of a chapter is about its subject."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from numbers import Integral, Rational, Real
from typing import Any

from mobilenet_edu.checks import integer

__all__ = ["Table", "show_table"]


class Table:
    """A table that a notebook shows as HTML, and a terminal as text. ``show_table`` makes one."""

    def __init__(self, lines: list[list[str]], right: list[bool], behind: str = "") -> None:
        self.lines = lines  # the first holds the columns' names
        self.right = right  # for each column, whether its cells end at the same place, as numbers should
        self.behind = behind  # the line that a reader opens to see the table, if it is folded

    def __repr__(self) -> str:
        widths = [max(map(len, column)) for column in zip(*self.lines, strict=True)]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(line, widths, self.right, strict=True)
            ).rstrip()
            for line in self.lines
        )

    def _repr_html_(self) -> str:
        styles = [' style="text-align: right;"' if right else "" for right in self.right]

        def row(line: list[str], tag: str) -> str:
            cells = (f"<{tag}{style}>{escape(cell)}</{tag}>" for style, cell in zip(styles, line, strict=True))
            return f"<tr>{''.join(cells)}</tr>\n"

        head, *body = self.lines
        body_rows = "".join(row(line, "td") for line in body)
        table = f"<table>\n<thead>\n{row(head, 'th')}</thead>\n<tbody>\n{body_rows}</tbody>\n</table>"
        return f"<details><summary>{escape(self.behind)}</summary>\n{table}\n</details>" if self.behind else table


def show_table(
    rows: Iterable[Sequence[Any]], columns: Sequence[str], decimals: int | Sequence[int] = 1, behind: str = ""
) -> Table:
    """Show rows of values under the names of their columns.

    Values may be Python's, NumPy's or tensors of one number. Whole numbers get commas, fractions stay exact,
    other numbers get ``decimals`` digits after the point: so many in the table, or in each of its columns. ``True``
    and ``False`` become yes and no, and everything else is shown as ``str`` writes it. A column of numbers is set to
    the right. A long table can wait ``behind`` a line of text that a reader opens.

    >>> show_table([("dense", 4608, 8.0), ("split", 656, 1.125)], ["layer", "weights", "per output"], decimals=2)
    layer  weights  per output
    dense    4,608        8.00
    split      656        1.12

    Raises:
        ValueError: if a row or ``decimals`` has not one value for each column, or a number of digits is negative.
    """
    digits = list(decimals) if isinstance(decimals, Sequence) else [decimals] * len(columns)
    for number in digits:
        integer("decimals", number, smallest=0)
    if len(digits) != len(columns):
        raise ValueError(f"decimals has {len(digits)} numbers for {len(columns)} columns: {decimals}")
    rows = [tuple(map(_plain, row)) for row in rows]
    for row in rows:
        if len(row) != len(columns):
            raise ValueError(f"a row has {len(row)} values for {len(columns)} columns: {row}")
    lines = [list(columns), *([_written(*pair) for pair in zip(row, digits, strict=True)] for row in rows)]
    right = [bool(rows) and all(_is_number(row[place]) for row in rows) for place in range(len(columns))]
    return Table(lines, right, behind)


def _plain(value: Any) -> Any:
    """Python's own number, if ``value`` is one of NumPy's or a tensor of one number."""
    return value.item() if hasattr(value, "item") and not getattr(value, "shape", ()) else value


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _written(value: object, decimals: int) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return f"{int(value):,}"
    if _is_number(value) and not isinstance(value, Rational):
        return f"{round(float(value), decimals) + 0.0:,.{decimals}f}"  # no "-0.0"
    return str(value)
