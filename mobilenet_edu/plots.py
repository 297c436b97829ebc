"""One style for every figure, and the few shapes that several figures share.

A kind of layer keeps its colour in every chapter, and a pattern and a label beside it, so that no figure needs colour
to be understood.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

__all__ = ["COLORS", "HATCHES", "annotate_grid", "use_style"]

# Okabe and Ito's palette, chosen to stay apart under the common forms of colour blindness.
COLORS = {
    "standard": "#0072B2",
    "depthwise": "#D55E00",
    "pointwise": "#009E73",
    "classifier": "#CC79A7",
    "pooling": "#999999",
}
HATCHES = {"standard": "", "depthwise": "//", "pointwise": "..", "classifier": "xx", "pooling": ""}


def use_style() -> None:
    """Give every figure drawn from now on the book's type, sizes and colours."""
    plt.style.use(Path(__file__).with_name("book.mplstyle"))


def annotate_grid(axes: Axes, values: Sequence[Sequence[float]], title: str, cmap: str = "Greys") -> None:
    """Draw a small matrix as a grid of cells with its numbers written in them."""
    values = [[float(value) for value in row] for row in values]
    flat = [value for row in values for value in row]
    low, high = min(flat), max(flat)
    axes.imshow(values, cmap=cmap, vmin=low - 0.1, vmax=low + 2.2 * (high - low or 1))
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            axes.text(x, y, f"{value:g}", ha="center", va="center", color="black")
    axes.set(title=title, xticks=[], yticks=[])
