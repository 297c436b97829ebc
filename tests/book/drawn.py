"""What a chapter's figures are drawn from: its cells run in order, and the variables kept as each figure saw them."""

from __future__ import annotations

import base64
import io
import re
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

BOOK = Path(__file__).parents[2] / "book"
PHONE, POINTS, DOTS = 375, 72, 144  # pixels of a phone, points of an inch, and dots of an inch of a stored picture
READABLE = 9  # pixels


def small_words(figure: Figure, inches: float) -> list[str]:
    """The words of a figure that are less than nine pixels high where a phone shows its width of ``inches``."""
    words = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return [text.get_text() for text in words if text.get_size() / POINTS * PHONE / inches < READABLE]


def width_of(cell: nbformat.NotebookNode) -> float:
    """How wide the picture is that the cell shows, in inches."""
    (picture,) = (output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {}))
    return Image.open(io.BytesIO(base64.b64decode(picture))).width / DOTS


@cache
def figures(chapter: str, without: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
    """The variables at each named figure, and at the ``"end"``, of the chapter that begins with ``chapter``.

    Every figure's words are measured where it is drawn: `small_words`.

    ``without`` names what slow cells define and no figure needs: those cells, which draw nothing and other tests run,
    are left out.
    """
    (path,) = BOOK.glob(f"{chapter}*.ipynb")
    variables: dict[str, Any] = {}
    seen = {}
    left_out = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plt, "show", lambda: None)  # so that the figure stays open to be looked at
        plt.switch_backend("agg")
        for cell in nbformat.read(path, as_version=4).cells:
            if "exercises" in cell.metadata.get("tags", []):
                break
            if cell.cell_type == "code" and "setup" not in cell.metadata.get("tags", []):  # which speaks IPython
                if slow := [name for name in without if re.search(rf"^(def )?{name}\b.*[=:]", cell.source, re.M)]:
                    assert "plt." not in cell.source, f"{path.name}: the cell of {slow} draws, and is looked at here"
                    left_out += slow
                    continue
                exec(cell.source, variables)
                if name := cell.metadata.get("mystnb", {}).get("figure", {}).get("name"):
                    seen[name] = dict(variables)
                    drawn = plt.gcf()
                    drawn.canvas.draw()  # an axis has its numbers when it is drawn
                    assert small_words(drawn, width_of(cell)) == [], f"{name}: too small on a phone"
    plt.close("all")
    assert sorted(left_out) == sorted(without), "each of these names is defined by one cell"
    return seen | {"end": variables}


def contrast(one, other):
    """How far apart two colours such as #767676 are, from 1 to 21, as WCAG counts it."""

    def light(colour):
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)
