"""Every number in the text is computed: it stands in an output of the same page, or in the registry.

Exempt are counting words (0 to 12), years, and the numbers of tables, sections, chapters, equations, figures, versions.
Inline code and code blocks show code, not claims. Exercise cells state problems; their answers are checked elsewhere.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from registry import computed

BOOK = Path(__file__).parents[2] / "book"
# Appendix D is made from the exercises, whose numbers test_solution_numbers.py follows to their source.
PAGES = sorted(path for path in (*BOOK.glob("*.ipynb"), *BOOK.glob("*.md")) if path.name != "D_solutions.md")

NUMBER = re.compile(r"(?<![\w.#])\d+(?:,\d{3})*(?:\.\d+)?(?![\w]*\()")
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


def prose_numbers(markdown: str) -> list[str]:
    """The numbers that a piece of Markdown states, without thousands separators."""
    text = markdown.replace("{,}", "").replace(r"\,", "").replace("\u202f", "").replace("\u00a0", " ")
    for pattern in NOT_PROSE:
        text = pattern.sub(" ", text)
    numbers = [match.group().replace(",", "") for match in NUMBER.finditer(text)]
    return [number for number in numbers if not (number.isdigit() and int(number) <= 12)]


def output_numbers(cell: nbformat.NotebookNode) -> set[str]:
    """The numbers that a cell's text outputs show, without thousands separators."""
    texts = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        texts += [
            output.get("text", ""),
            *(data.get(kind, "") for kind in ("text/plain", "text/html", "text/markdown")),
        ]
    text = re.sub(r"<[^>]+>", " ", " ".join(texts)).replace("_", "")
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    return set(re.findall(r"\d+(?:\.\d+)?", text))


def claims(path: Path) -> tuple[list[tuple[int, str]], set[str]]:
    """The numbers that a page states, each with its cell, and those that its outputs show."""
    if path.suffix == ".md":
        return [(0, number) for number in prose_numbers(path.read_text(encoding="utf-8"))], set()
    stated, shown = [], set()
    for index, cell in enumerate(nbformat.read(path, as_version=4).cells):
        if cell.cell_type == "code":
            shown |= output_numbers(cell)
            figure = cell.metadata.get("mystnb", {})
            text = " ".join([figure.get("image", {}).get("alt", ""), figure.get("figure", {}).get("caption", "")])
        elif "exercise" in cell.metadata.get("tags", []):
            continue
        else:
            text = cell.source
        stated += [(index, number) for number in prose_numbers(text)]
    return stated, shown


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_number_in_the_text_is_computed(path):
    stated, shown = claims(path)
    known = shown | {value.replace(",", "") for value in computed().values()}
    unknown = [f"cell {index}: {number}" for index, number in stated if number not in known]
    assert not unknown, f"{path.name} states numbers that nothing computes: {unknown}"


def test_the_search_sees_numbers_in_every_form():
    assert prose_numbers("It costs 568,740,352 MACs, 8.56 times less: $3{,}211$ and 75 %, 14×14×512.") == (
        ["568740352", "8.56", "3211", "75", "14", "14", "512"]
    )


def test_the_search_passes_over_what_is_no_claim():
    assert (
        prose_numbers("Table 14, § 3.2, chapters 08–11, 2017, `stride=32`, [x](https://a.b/1704.04861), twelve, 3×3")
        == []
    )


def test_a_number_that_no_output_shows_is_found(tmp_path):
    notebook = nbformat.v4.new_notebook()
    cell = nbformat.v4.new_code_cell("print(41)", outputs=[nbformat.v4.new_output("stream", text="41\n")])
    notebook.cells = [nbformat.v4.new_markdown_cell("It is 41, not 42."), cell]
    nbformat.write(notebook, tmp_path / "page.ipynb")
    stated, shown = claims(tmp_path / "page.ipynb")
    assert [number for _, number in stated if number not in shown] == ["42"]
