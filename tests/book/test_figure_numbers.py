"""A figure bears the number of its chapter, or the letter of its appendix."""

from __future__ import annotations

import re

import pytest
from bs4 import BeautifulSoup
from contents import chapters

LETTERED = [name for name in chapters() if re.match(r"book/(\d\d|[A-Z])_", name)]


@pytest.mark.parametrize("name", LETTERED)
def test_figures_are_numbered_within_their_page(site, name):
    page = BeautifulSoup((site / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
    numbers = [number.text.strip() for number in page.select("figure .caption-number")]
    own = name.removeprefix("book/").split("_")[0].lstrip("0")
    assert numbers == [f"Fig. {own}.{place}" for place in range(1, len(numbers) + 1)]
