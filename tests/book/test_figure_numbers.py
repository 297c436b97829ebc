"""A figure bears the number of its chapter, or the letter of its appendix; and a test looks at what it shows."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from contents import NOTEBOOKS, chapters

LETTERED = [name for name in chapters() if re.match(r"book/(\d\d|[A-Z])_", name)]


@pytest.mark.parametrize("name", LETTERED)
def test_figures_are_numbered_within_their_page(site, name):
    page = BeautifulSoup((site / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
    numbers = [number.text.strip() for number in page.select("figure .caption-number")]
    own = name.removeprefix("book/").split("_")[0].lstrip("0")
    assert numbers == [f"Fig. {own}.{place}" for place in range(1, len(numbers) + 1)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_what_each_figure_shows_is_tested(path):
    """nbval compares no pictures, so a figure that is drawn from other data is found by its own test alone."""
    test = Path(__file__).with_name(
        "test_index.py" if path.stem == "index" else f"test_figures_{path.name[:2]}.py".replace("_.", ".")
    )
    looks_at = test.read_text(encoding="utf-8") if test.exists() else ""
    for number, cell in enumerate(nbformat.read(path, as_version=4).cells):
        if cell.cell_type == "code" and any("image/png" in output.get("data", {}) for output in cell.outputs):
            name = cell.metadata.get("mystnb", {}).get("figure", {}).get("name")
            assert name, f"{path.name}, cell {number}: give the figure a name in its cell's metadata"
            assert name in looks_at, f"{path.name} draws {name}: hold its data in tests/book/{test.name}"
