"""A number at the beginning of a line makes a list: of "at N =\\n64. All", the page would show an item "64. All"."""

import re
from pathlib import Path

import nbformat
import pytest

BOOK = Path(__file__).parents[2] / "book"
PAGES = sorted([*BOOK.glob("*.ipynb"), *BOOK.glob("*.md")])
ITEM = re.compile(r"^(\d+)[.)] ", re.MULTILINE)
CODE = re.compile(r"```.*?```|\$\$.*?\$\$", re.DOTALL)


def texts(path):
    if path.suffix == ".md":
        return [path.read_text(encoding="utf-8")]
    cells = nbformat.read(path, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "markdown"]


def accidental(text):
    """The numbers that begin a line and do not go on a list that began with 1."""
    last, found = 0, []
    for number in map(int, ITEM.findall(CODE.sub("", text))):
        if number in (1, last + 1) and (number == 1 or last):
            last = number
        else:
            found.append(number)
    return found


def broken_spans(text):
    """Code spans that a line break turns into the item of a list."""
    without_whole_ones = re.sub(r"`[^`\n]+`", "", CODE.sub("", text))
    return re.findall(r"`[^`\n]+\n[-+*] [^`\n]*`", without_whole_ones)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_no_sentence_turns_into_the_item_of_a_list(path):
    assert [found for text in texts(path) if (found := accidental(text))] == []


@pytest.mark.parametrize("path", [path for path in PAGES if path.suffix == ".ipynb"], ids=lambda path: path.stem)
def test_no_code_breaks_off_into_the_item_of_a_list(path):
    assert [found for text in texts(path) if (found := broken_spans(text))] == []


def test_a_number_that_begins_a_line_is_found():
    assert accidental("12.3 % at N =\n64. All blocks") == [64]
    assert accidental("<summary>Answer</summary>\n\n4. The rule gives") == [4]
    assert accidental("1. One\n2. Two\n\n1. Again\n2. And two") == []
    assert broken_spans("from `0` to `count\n- 1`. Then") == ["`count\n- 1`"]
