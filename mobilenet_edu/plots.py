"""One style for every figure, and the few shapes that several figures share.

A kind of layer keeps its colour in every chapter, and a pattern and a label beside it, so that no figure needs colour
to be understood.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from mobilenet_edu.architecture import Architecture

__all__ = [
    "CHANNEL_COLORS",
    "COLORS",
    "FAINT",
    "HATCHES",
    "INK",
    "annotate_grid",
    "draw_digit",
    "draw_network",
    "use_style",
]

# Okabe and Ito's palette, chosen to stay apart under the common forms of colour blindness.
COLORS = {
    "standard": "#0072B2",
    "depthwise": "#D55E00",
    "pointwise": "#009E73",
    "classifier": "#CC79A7",
    "pooling": "#666666",
}
# Text, axes and lines: figures have no paper of their own, and this grey can be read on white and on dark pages.
INK = "#767676"
FAINT = INK + "66"
# One colour per channel, wherever a figure tells channels apart; readable on white and on dark paper.
CHANNEL_COLORS = ("#1B8A8F", "#B4509A")
HATCHES = {"standard": "", "depthwise": "//", "pointwise": "..", "classifier": "xx", "pooling": ""}


_MORE_COLORS = ("#000000", "#56B4E9", "#E69F00")  # for lines that are no kind of layer


def use_style() -> None:
    """Give every figure drawn from now on the book's type, sizes and colours."""
    plt.style.use(Path(__file__).with_name("book.mplstyle"))
    kinds = [color for kind, color in COLORS.items() if kind != "pooling"]  # whose grey is for what is no line
    plt.rcParams["axes.prop_cycle"] = plt.cycler(color=[*kinds, *_MORE_COLORS])


def annotate_grid(axes: Axes, values: Sequence[Sequence[float]], title: str, cmap: str = "Greys") -> None:
    """Draw a small matrix as a grid of cells with its numbers written in them."""
    values = [[float(value) for value in row] for row in values]
    flat = [value for row in values for value in row]
    low, high = min(flat), max(flat)
    axes.imshow(values, cmap=cmap, vmin=low - 0.1, vmax=low + 2.2 * (high - low or 1))
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            axes.text(x, y, f"{value:g}".replace("-", "−"), ha="center", va="center", color="black")
    axes.set(title=title, xticks=[], yticks=[])


def draw_digit(axes: Axes, image: np.ndarray) -> None:
    """Draw a digit whole, each pixel as a square, with an eighth of its side of paper around; -1 is white, 1 is black.

    ``image`` is (H, W). The colour of the paper is that of its first pixel.
    """
    image = np.asarray(image)
    framed = np.pad(image, len(image) // 8, constant_values=image[0, 0])
    axes.imshow(framed, cmap="Greys", vmin=-1, vmax=1, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color=FAINT)  # white paper ends where a white page goes on


def draw_network(axes: Axes, architecture: Architecture) -> None:
    """Draw the map that each convolution writes, to scale: as high as the map, as wide as it has channels."""
    layers = [layer for layer in architecture.layers if layer.is_convolution]
    gap = sum(layer.out_channels for layer in layers) / 400  # so that neighbours stay apart
    left, side = 0.0, None
    for layer in layers:
        height, channels = layer.output_size[0], layer.out_channels
        look = {"facecolor": COLORS[layer.kind], "hatch": HATCHES[layer.kind], "linewidth": 0}
        axes.bar(left, height, channels, align="edge", **look)
        if height != side:
            size = "×".join(map(str, layer.output_size))
            axes.annotate(size, (left, height), (2, 3), textcoords="offset points")
        left, side = left + channels + gap, height
    kinds = dict.fromkeys(layer.kind for layer in layers)
    axes.legend(handles=[Patch(facecolor=COLORS[kind], hatch=HATCHES[kind], label=kind) for kind in kinds])
    axes.set(xlabel="channels, layer after layer", ylabel="height of the map", xlim=(-gap, left))
    axes.set(xticks=[], ylim=(0, 1.15 * layers[0].output_size[0]))
