"""Calculators that draw, inside a page, without a kernel: one layer, the network to scale, the network and a budget.

Each is plain HTML with native inputs, a drawing and a short script (``static/explorers.js``). Python computes the
numbers and the shapes that are shown first, and the table that the network's script reads; a test drives all in a
browser and holds their numbers and shapes against `mobilenet_edu.cost` and `mobilenet_edu.architecture`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from html import escape
from itertools import accumulate
from pathlib import Path
from typing import Any

from mobilenet_edu import checks
from mobilenet_edu.architecture import Architecture, Layer, mobilenet_v1
from mobilenet_edu.cost import (
    Cost,
    conv2d_cost,
    depthwise_conv2d_cost,
    depthwise_separable_conv2d_cost,
    pointwise_conv2d_cost,
    reduction_ratio,
)
from mobilenet_edu.plots import CHANNEL_COLORS, COLORS

__all__ = ["Control", "Explorer", "network", "roofline", "separable_layer", "to_scale", "two_slopes"]

STATIC = Path(__file__).with_name("static")
LAYERS = ("standard", "depthwise", "pointwise", "separable")
KINDS = ("standard", "depthwise", "pointwise", "classifier")
WIDTH_MULTIPLIERS = tuple(round(percent / 100, 2) for percent in range(25, 101, 5))
RESOLUTIONS = tuple(range(96, 289, 32))


@dataclass(frozen=True)
class Control:
    """A number that the reader chooses, with a slider and a box to type in."""

    name: str
    label: str
    value: float
    smallest: float
    largest: float
    step: float = 1
    slider: bool = True

    def __post_init__(self) -> None:
        if type(self.step) is int:
            checks.integer(self.name, self.value, self.smallest)
        steps = (self.value - self.smallest) / self.step
        if not self.smallest <= self.value <= self.largest or abs(steps - round(steps)) > 1e-9:
            raise ValueError(
                f"{self.name}={self.value!r} must be from {self.smallest:g} to {self.largest:g} "
                f"in steps of {self.step:g}"
            )


Shapes = Mapping[str, Mapping[str, float | str]]  # name of a part of the drawing → its attributes


@dataclass(frozen=True)
class Picture:
    """A drawing whose parts move: ``template`` has a place ``{name}`` for the attributes of each part in ``shapes``."""

    height: int
    alt: str
    template: str
    shapes: Shapes

    def svg(self) -> str:
        """The drawing with every part where ``shapes`` puts it."""
        parts = {
            name: f'data-shape="{name}" ' + " ".join(f'{key}="{value}"' for key, value in attributes.items())
            for name, attributes in self.shapes.items()
        }
        drawn = self.template.format_map(parts)
        return f'<svg viewBox="0 0 480 {self.height}" role="img" aria-label="{escape(self.alt)}">{drawn}</svg>'


@dataclass(frozen=True)
class Explorer:
    """What a notebook shows for the functions below; ``print`` shows the first numbers as text."""

    calculator: str
    title: str
    controls: tuple[Control, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]  # a heading, and the name of the result in each column
    results: dict[str, str]
    note: str
    picture: Picture
    table: dict[str, Any] = field(default_factory=dict)  # what the script reads

    def __repr__(self) -> str:
        chosen = ", ".join(f"{control.label} {control.value:g}" for control in self.controls)
        lines = [f"{self.title}: {chosen}."]
        for heading, names in self.rows:
            cells = (
                f"{self.results[name]} {column}" for column, name in zip(self.columns[1:], names, strict=True) if name
            )
            lines.append(f"{heading}: {', '.join(cells)}")
        return "\n".join([*lines, *(self.results[name] for name in ("summary", "layer") if name in self.results)])

    def _repr_html_(self) -> str:
        files = ("explorers.css", "explorers.js")
        style, script = ((STATIC / name).read_text(encoding="utf-8") for name in files)
        said = "".join(
            f'<output data-result="{name}" aria-live="polite">{escape(self.results[name])}</output>\n'
            for name in ("summary", "layer")
            if name in self.results
        )
        return (
            f"<style>{style}</style>\n"
            f'<form class="mobilenet-explorer" data-calculator="{self.calculator}" '
            f"data-table='{json.dumps(self.table, separators=(',', ':'))}'>\n"
            f"<fieldset><legend>{escape(self.title)}</legend>{''.join(map(_inputs, self.controls))}</fieldset>\n"
            f"{self.picture.svg()}\n{said}{self._rows()}<p>{escape(self.note)}</p>\n</form>\n<script>{script}</script>"
        )

    def _rows(self) -> str:
        if not self.rows:
            return ""
        head = "".join(f'<th scope="col">{escape(column)}</th>' for column in self.columns)
        body = "".join(
            f'<tr><th scope="row">{_swatch(heading)}{escape(heading)}</th>{"".join(map(self._cell, names))}</tr>'
            for heading, names in self.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>\n"

    def _cell(self, name: str) -> str:
        return f'<td data-result="{name}">{escape(self.results[name])}</td>' if name else "<td></td>"


def separable_layer(
    in_channels: int = 512, out_channels: int = 512, kernel_size: int = 3, map_size: int = 14
) -> Explorer:
    """A layer under the reader's hands: what a standard convolution costs, and what its separable twin does.

    Stride 1, and padding that keeps the size of the map; no bias and no batch norm.

    Raises:
        TypeError, ValueError: a number that no layer can have, or that the explorer's inputs do not offer.

    >>> print(separable_layer())
    Standard or separable: in_channels (M) 512, out_channels (N) 512, kernel_size (D_K) 3, map size (D_F) 14.
    standard: 462,422,016 MACs, 2,359,296 parameters
    depthwise: 903,168 MACs, 4,608 parameters
    pointwise: 51,380,224 MACs, 262,144 parameters
    separable: 52,283,392 MACs, 266,752 parameters
    separable / standard = 1/512 + 1/9 = 521/4608 = 0.1131: the separable layer needs 8.84 times fewer MACs.
    """
    controls = (
        Control("in_channels", "in_channels (M)", in_channels, 1, 2048),
        Control("out_channels", "out_channels (N)", out_channels, 1, 2048),
        Control("kernel_size", "kernel_size (D_K)", kernel_size, 1, 15, 2),
        Control("map_size", "map size (D_F)", map_size, 1, 224),
    )
    costs = _layer_costs(in_channels, out_channels, kernel_size, map_size)
    results = {f"{name}-macs": f"{cost.macs:,}" for name, cost in costs.items()}
    results |= {f"{name}-params": f"{cost.params:,}" for name, cost in costs.items()}
    ratio = reduction_ratio(out_channels, kernel_size)
    less, factor = ("fewer", 1 / ratio) if ratio <= 1 else ("more", ratio)
    results["summary"] = (
        f"separable / standard = 1/{out_channels} + 1/{kernel_size**2} = {ratio} = {_fixed(ratio, 4)}: "
        f"the separable layer needs {_fixed(factor, 2)} times {less} MACs."
    )
    return Explorer(
        calculator="layer",
        title="Standard or separable",
        controls=controls,
        columns=("layer", "MACs", "parameters"),
        rows=tuple((name, (f"{name}-macs", f"{name}-params")) for name in LAYERS),
        results=results,
        note="Stride 1, padding that keeps the size of the map, no bias, no batch norm.",
        picture=_layer_picture(out_channels, kernel_size, costs),
        table={"curves": {side: _curve(side) for side in range(1, 16, 2)}},
    )


def network(
    width_multiplier: float = 1.0,
    resolution: int = 224,
    num_classes: int = 1000,
    budget_macs: int = 300,
    budget_params: int = 4,
) -> Explorer:
    """MobileNet V1 under the reader's hands, against a budget in millions of MACs and of parameters.

    Parameters include batch norm and the classifier's bias. Activations are the outputs of the convolutions.

    Raises:
        TypeError, ValueError: a number that no network can have, or that the explorer's inputs do not offer.

    >>> print(network(0.5, 160))  # doctest: +ELLIPSIS
    MobileNet V1 against a budget: width multiplier (α) 0.5, resolution 160, classes 1000, ...
    standard: 2,764,800 MACs, 3.61 % of MACs, 464 parameters, 0.03 % of parameters
    ...
    """
    architecture = mobilenet_v1(width_multiplier, resolution, num_classes)
    controls = (
        *_size_controls(width_multiplier, resolution, num_classes),
        Control("budget_macs", "budget (million MACs)", budget_macs, 1, 10_000, slider=False),
        Control("budget_params", "budget (million parameters)", budget_params, 1, 1_000, slider=False),
    )
    total = architecture.cost
    by_kind = architecture.cost_by_kind() | {"all": total}
    results = {}
    for kind in (*KINDS, "all"):
        results[f"{kind}-macs"] = f"{by_kind[kind].macs:,}"
        results[f"{kind}-params"] = f"{by_kind[kind].params:,}"
        results[f"{kind}-macs-share"] = f"{_fixed(Fraction(100 * by_kind[kind].macs, total.macs), 2)} %"
        results[f"{kind}-params-share"] = f"{_fixed(Fraction(100 * by_kind[kind].params, total.params), 2)} %"
    largest, together = _activations(architecture)
    results["summary"] = (
        f"{_against(total.macs, budget_macs, 'MACs')}; {_against(total.params, budget_params, 'parameters')}. "
        f"Activations in float32: {_fixed(Fraction(4 * together, 10**6), 2)} MB for the outputs of all convolutions "
        f"together, {_fixed(Fraction(4 * largest, 10**6), 2)} MB for the largest one."
    )
    return Explorer(
        calculator="network",
        title="MobileNet V1 against a budget",
        controls=controls,
        columns=("layers", "MACs", "of MACs", "parameters", "of parameters"),
        rows=tuple(
            (kind, (f"{kind}-macs", f"{kind}-macs-share", f"{kind}-params", f"{kind}-params-share"))
            for kind in (*KINDS, "all")
        ),
        results=results,
        note="Parameters include batch norm and the classifier's bias. 1 MB is a million bytes.",
        picture=_network_picture(architecture),
        table=_network_table(),
    )


def to_scale(width_multiplier: float = 1.0, resolution: int = 224, num_classes: int = 1000, layer: int = 1) -> Explorer:
    """MobileNet V1 drawn to scale: each map as high as it is, and the wider the more channels it has; and one layer.

    A map has a width of at least three units, so that each can be touched.

    ``layer`` counts from 1, the stem, to 28, the classifier.

    Raises:
        TypeError, ValueError: a number that no network can have, or that the explorer's inputs do not offer.

    >>> print(to_scale(layer=3))
    MobileNet V1 to scale: width multiplier (α) 1, resolution 224, classes 1000, layer 3.
    568,740,352 MACs and 4,231,976 parameters.
    blocks.0.pointwise: pointwise, 1×1, 32 → 64 channels, a map of 112×112. 25,690,112 MACs, 2,176 parameters, \
3.21 MB of output in float32.
    """
    architecture = mobilenet_v1(width_multiplier, resolution, num_classes)
    layers = _drawn_layers(architecture)
    controls = (
        *_size_controls(width_multiplier, resolution, num_classes),
        Control("layer", "layer", layer, 1, len(layers)),
    )
    total = architecture.cost
    return Explorer(
        calculator="to_scale",
        title="MobileNet V1 to scale",
        controls=controls,
        columns=(),
        rows=(),
        results={
            "summary": f"{total.macs:,} MACs and {total.params:,} parameters.",
            "layer": _layer_sentence(layers[layer - 1]),
        },
        note="Parameters include batch norm and the classifier's bias. Touch a layer to choose it.",
        picture=_network_picture(architecture, layer),
        table=_network_table(),
    )


def roofline(peak: float, bandwidth: float, batch_size: int = 1, bytes_per_element: int = 4) -> Explorer:
    """MobileNet V1 (α = 1, 224×224) under the roof of a machine: where its layers can be at best.

    Args:
        peak: MACs per second that the machine can do.
        bandwidth: bytes per second that its memory can feed.
        batch_size: images at once, which share the weights.
        bytes_per_element: 4 for float32, 2 for bfloat16. The roof stays the given one.

    Raises:
        TypeError, ValueError: a number that is not positive, or that the explorer's inputs do not offer.

    >>> print(roofline(peak=100e9, bandwidth=40e9))
    MobileNet V1 under the roof: images at once 1, bytes per number 4.
    Memory sets the roof of 14 of 28 layers, of all 13 depthwise ones. \
At best 6.11 ms per image, arithmetic alone 5.69 ms.
    """
    for name, value in (("peak", peak), ("bandwidth", bandwidth)):
        checks.positive_number(name, value)
    layers = _drawn_layers(mobilenet_v1())
    controls = (
        Control("batch_size", "images at once", batch_size, 1, 64),
        Control("bytes_per_element", "bytes per number", bytes_per_element, 2, 4, 2),
    )
    intensities = [_intensity(layer, batch_size, bytes_per_element) for layer in layers]
    low = [layer.kind for layer, intensity in zip(layers, intensities, strict=True) if intensity * bandwidth < peak]
    depthwise = low.count("depthwise")
    best = sum(
        layer.cost.macs / min(peak, intensity * bandwidth) for layer, intensity in zip(layers, intensities, strict=True)
    )
    alone = sum(layer.cost.macs for layer in layers) / peak
    return Explorer(
        calculator="roofline",
        title="MobileNet V1 under the roof",
        controls=controls,
        columns=(),
        rows=(),
        results={
            "summary": f"Memory sets the roof of {len(low)} of {len(layers)} layers, of "
            f"{'all 13' if depthwise == 13 else depthwise} depthwise ones. At best {1000 * best:.2f} ms per image, "
            f"arithmetic alone {1000 * alone:.2f} ms."
        },
        note="Each dot is the most that the layer can reach, not what it does reach. The roof is that of float32.",
        picture=_roof_picture(layers, intensities, peak, bandwidth),
        table={
            "layers": [
                [layer.kind, layer.cost.macs, layer.cost.input_elements + layer.cost.output_elements, layer.weights]
                for layer in layers
            ],
            "peak": peak,
            "bandwidth": bandwidth,
        },
    )


def _intensity(layer: Layer, batch_size: int, bytes_per_element: int) -> float:
    """MACs per byte: maps once for each image, weights once for the batch."""
    maps = layer.cost.input_elements + layer.cost.output_elements
    return batch_size * layer.cost.macs / (bytes_per_element * (batch_size * maps + layer.weights))


SLOPES = {  # the two Sobel kernels of chapter 1, row after row
    "x": (-1, 0, 1, -2, 0, 2, -1, 0, 1),
    "y": (-1, -2, -1, 0, 0, 0, 1, 2, 1),
}
NEAREST = 12  # the square of the smaller singular value of these two rows: what every single filter leaves


def two_slopes(filter: Sequence[float] = SLOPES["x"], weights: Sequence[float] = (1, 1)) -> Explorer:
    """A bet: can one filter, times two weights, be both slopes? Nine numbers and two weights to find out.

    The distance is the sum of squared differences between ``weights[n] * filter`` and the two Sobel kernels.

    Args:
        filter: the nine numbers of the filter, row after row, each from -3 to 3 in steps of 0.25.
        weights: the two mixing weights, each from -2 to 2 in steps of 0.25.

    Raises:
        TypeError, ValueError: not nine numbers and two weights, or a number that the explorer's inputs do not offer.

    >>> print(two_slopes())  # doctest: +ELLIPSIS
    One filter for two slopes: f11 -1, f12 0, ...
    Distance 0.00 from the slope in x, 24.00 from the slope in y, 24.00 together. No filter gets below 12.
    """
    if len(filter) != 9 or len(weights) != 2:
        raise ValueError(f"filter={filter!r} must have 9 numbers, and weights={weights!r} must have 2")
    places = [f"f{row}{column}" for row in (1, 2, 3) for column in (1, 2, 3)]
    controls = (
        *(Control(name, name, value, -3, 3, 0.25) for name, value in zip(places, filter, strict=True)),
        *(Control(name, name, value, -2, 2, 0.25) for name, value in zip(("w1", "w2"), weights, strict=True)),
    )
    made = {slope: [weight * tap for tap in filter] for slope, weight in zip(SLOPES, weights, strict=True)}
    off = {slope: sum((a - b) ** 2 for a, b in zip(made[slope], SLOPES[slope], strict=True)) for slope in SLOPES}
    both = sum(off.values())
    reached = (
        f"This is as near as one filter gets: {NEAREST}."
        if both <= NEAREST + 0.05
        else f"No filter gets below {NEAREST}."
    )
    results = {f"{slope}-{place}": _fixed_signed(tap) for slope in SLOPES for place, tap in enumerate(made[slope])}
    results["summary"] = (
        f"Distance {_fixed(off['x'], 2)} from the slope in x, {_fixed(off['y'], 2)} from the slope in y, "
        f"{_fixed(both, 2)} together. {reached}"
    )
    return Explorer(
        calculator="two_slopes",
        title="One filter for two slopes",
        controls=controls,
        columns=(),
        rows=(),
        results=results,
        note="Aim: w1 times the filter is the slope in x, and w2 times the same filter is the slope in y.",
        picture=_slopes_picture(made, results),
        table={"slopes": SLOPES, "nearest": NEAREST, "colours": CHANNEL_COLORS},
    )


def _size_controls(width_multiplier: float, resolution: int, num_classes: int) -> tuple[Control, ...]:
    low, *_, high = WIDTH_MULTIPLIERS
    smallest, *_, largest = RESOLUTIONS
    return (
        Control("width_multiplier", "width multiplier (α)", width_multiplier, low, high, 0.05),
        Control("resolution", "resolution", resolution, smallest, largest, 32),
        Control("num_classes", "classes", num_classes, 1, 100_000, slider=False),
    )


def _layer_costs(in_channels: int, out_channels: int, kernel_size: int, map_size: int) -> dict[str, Cost]:
    padding = kernel_size // 2
    shape = (in_channels, out_channels, kernel_size, map_size)
    return {
        "standard": conv2d_cost(*shape, padding=padding),
        "depthwise": depthwise_conv2d_cost(in_channels, kernel_size, map_size, padding=padding),
        "pointwise": pointwise_conv2d_cost(in_channels, out_channels, map_size),
        "separable": depthwise_separable_conv2d_cost(*shape, padding=padding),
    }


def _activations(architecture: Architecture) -> tuple[int, int]:
    """Elements of the largest output of a convolution, and of all of them together."""
    outputs = [layer.cost.output_elements for layer in architecture.layers if layer.is_convolution]
    return max(outputs), architecture.activation_elements


def _drawn_layers(architecture: Architecture) -> list[Layer]:
    """The layers with weights."""
    return [layer for layer in architecture.layers if layer.kind != "pooling"]


@cache
def _network_table() -> dict[str, Any]:
    """All that the script needs to know: names, kinds and kernels of the layers, the channels that each writes at each
    width, and the side of its map at each resolution. What the classifier writes follows from its classes."""
    layers = _drawn_layers(mobilenet_v1())
    return {
        "names": [layer.name for layer in layers],
        "kinds": [layer.kind for layer in layers],
        "kernels": [layer.kernel_size for layer in layers],
        "channels": {
            round(100 * width): [layer.out_channels for layer in _drawn_layers(mobilenet_v1(width))][:-1]
            for width in WIDTH_MULTIPLIERS
        },
        "sides": {
            resolution: [layer.output_size[0] for layer in _drawn_layers(mobilenet_v1(1.0, resolution))]
            for resolution in RESOLUTIONS
        },
    }


def _layer_sentence(layer: Layer) -> str:
    cost, sides = layer.cost, (layer.kernel_size, layer.output_size[0])
    kernel, size = (f"{side}×{side}" for side in sides)
    memory = _fixed(Fraction(4 * cost.output_elements, 10**6), 2)
    return (
        f"{layer.name}: {layer.kind}, {kernel}, {layer.in_channels} → {layer.out_channels} channels, a map of {size}. "
        f"{cost.macs:,} MACs, {cost.params:,} parameters, {memory} MB of output in float32."
    )


def _fixed_signed(value: float) -> str:
    """Up to three decimals, as many as the number has, with a true minus sign."""
    return f"{value:.4f}".rstrip("0").rstrip(".").replace("-", "−") if value else "0"


# Drawings are 480 wide.
BAR = 440  # the longer of the two bars
AXES = (40, 470, 118, 218)  # left, right, top and bottom of the curve's axes


def _layer_picture(out_channels: int, kernel_size: int, costs: Mapping[str, Cost]) -> Picture:
    """Two bars of MACs, and the curve on which the layer is a dot."""
    standard, depthwise, pointwise = (costs[name].macs for name in LAYERS[:3])
    scale = BAR / max(standard, depthwise + pointwise)
    x, y = _on_curve(out_channels, kernel_size)
    limit = _on_curve(math.inf, kernel_size)[1]
    left, right, top, bottom = AXES
    middle = (top + bottom) // 2
    shapes = {
        "standard": {"x": 20, "width": round(standard * scale, 1)},
        "depthwise": {"x": 20, "width": round(depthwise * scale, 1)},
        "pointwise": {"x": round(20 + depthwise * scale, 1), "width": round(pointwise * scale, 1)},
        "curve": {"d": _curve(kernel_size)},
        "limit": {"y1": limit, "y2": limit},
        "dot": {"cx": x, "cy": y},
    }
    bars = "".join(
        f'<rect {{{name}}} y="{top}" height="16" fill="{COLORS[name]}"/>'
        for name, top in (("standard", 22), ("depthwise", 62), ("pointwise", 62))
    )
    template = (
        f'<text x="20" y="16">standard</text><text x="20" y="56">depthwise + pointwise</text>{bars}'
        f'<text x="{left}" y="{top - 10}">separable layer\'s share of the standard layer\'s MACs</text>'
        f'<path class="axes" d="M{left} {top}V{bottom}H{right}M{left - 3} {middle}h6"/><path class="curve" {{curve}}/>'
        f'<line class="limit" x1="{left}" x2="{right}" {{limit}}/><circle r="7" {{dot}}/>'
        f'<text class="end" x="{left - 6}" y="{top + 5}">2</text><text class="end" x="{left - 6}" y="{bottom}">0</text>'
        f'<text class="end" x="{left - 6}" y="{middle + 5}">1</text>'
        f'<text x="{left}" y="{bottom + 16}">1</text><text class="end" x="{right}" y="{bottom + 16}">2048</text>'
        f'<text class="middle" x="255" y="{bottom + 16}">out_channels (N), doubling</text>'
    )
    alt = (
        "Above, two bars: the MACs of the standard layer, and those of the depthwise and the pointwise step together. "
        "Below, the share of the standard layer's MACs against the number of output channels: it falls towards a "
        "dashed line, one over the kernel's area, and a dot marks this layer."
    )
    return Picture(238, alt, template, shapes)


def _on_curve(out_channels: float, kernel_size: int) -> tuple[float, float]:
    left, right, top, bottom = AXES
    share = 1 / out_channels + 1 / kernel_size**2
    x = left + (right - left) * math.log2(min(out_channels, 2048)) / 11
    return round(x, 1), round(bottom - (bottom - top) * share / 2, 1)


def _curve(kernel_size: int) -> str:
    points = (_on_curve(2 ** (step / 2), kernel_size) for step in range(23))
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)


def _slopes_picture(made: Mapping[str, list[float]], results: Mapping[str, str]) -> Picture:
    """For each slope the kernel that the filter makes, beside the kernel that is wanted; the stronger, the darker."""
    shapes, template = {}, ""
    for row, (slope, wanted) in enumerate(SLOPES.items()):
        top = 26 + row * 150
        template += (
            f'<text x="62" y="{top - 8}">w{row + 1} × filter</text><text x="292" y="{top - 8}">slope in {slope}</text>'
        )
        for place, tap in enumerate(wanted):
            name, x, y = f"{slope}-{place}", 60 + place % 3 * 40, top + place // 3 * 40
            shapes[name] = _shade(made[slope][place])
            look = " ".join(f'{key}="{value}"' for key, value in _shade(tap).items())
            for left, shade in ((x, f"{{{name}}}"), (x + 230, look)):
                template += f'<rect x="{left}" y="{y}" width="40" height="40" stroke="currentColor" {shade}/>'
            template += f'<text class="middle" x="{x + 20}" y="{y + 26}" data-result="{name}">{results[name]}</text>'
            template += f'<text class="middle" x="{x + 250}" y="{y + 26}">{_fixed_signed(tap)}</text>'
    alt = (
        "Two rows of two small kernels. Left, the filter times its weight; right, the kernel that is wanted: above the "
        "slope in x, below the slope in y. Positive numbers have one colour and negative ones another."
    )
    return Picture(300, alt, template, shapes)


def _shade(value: float) -> dict[str, float | str]:
    return {"fill": CHANNEL_COLORS[value < 0], "fill-opacity": round(min(abs(value), 3) / 4, 3)}


def _roof_picture(layers: list[Layer], intensities: list[float], peak: float, bandwidth: float) -> Picture:
    """Both axes double: MACs per byte from 1/8 to 256, GMAC per second from 1/2 to 256."""
    shapes: dict[str, Mapping[str, float | str]] = {}
    template = '<path class="axes" d="M40 20V230H470"/>'
    corners = [(1 / 8, bandwidth / 8), (peak / bandwidth, peak), (256, peak)]
    template += f'<path class="curve" d="M{"L".join("{} {}".format(*_under_roof(*corner)) for corner in corners)}"/>'
    for number, (layer, intensity) in enumerate(zip(layers, intensities, strict=True), start=1):
        x, y = _under_roof(intensity, min(peak, intensity * bandwidth))
        shapes[f"dot-{number}"] = {"cx": x, "cy": y}
        template += f'<circle r="5" style="fill:{COLORS[layer.kind]}" {{dot-{number}}}/>'
    for intensity in (1 / 8, 1, 16, 256):
        name = "1/8" if intensity < 1 else f"{intensity}"
        template += f'<text class="middle" x="{_under_roof(intensity, 1e9)[0]}" y="247">{name}</text>'
    for giga in (1, 16, 256):
        template += f'<text class="end" x="35" y="{_under_roof(1, giga * 1e9)[1] + 5}">{giga}</text>'
    template += '<text class="middle" x="255" y="264">MACs per byte</text><text x="4" y="12">GMAC per second</text>'
    place = 90
    for kind in KINDS:
        template += f'<circle r="5" cx="{place}" cy="207" style="fill:{COLORS[kind]}"/>'
        template += f'<text x="{place + 10}" y="212">{kind}</text>'
        place += 96
    alt = (
        "A roof: to the left it rises with the MACs per byte, to the right it is flat. Each layer of MobileNet V1 is a "
        "dot on it. The depthwise layers are far left, in the slope; more images at once move the classifier and the "
        "last pointwise layers to the right."
    )
    return Picture(270, alt, template, shapes)


def _under_roof(intensity: float, macs_per_second: float) -> tuple[float, float]:
    x = 40 + 430 * math.log2(8 * min(max(intensity, 1 / 8), 256)) / 11
    return round(x, 1), round(230 - 210 * math.log2(2 * macs_per_second / 1e9) / 9, 1)


FLOOR, PIXEL = 236, 0.8  # where the maps stand, and how high a pixel of theirs is


def _network_picture(architecture: Architecture, chosen: int = 0) -> Picture:
    """Each convolution's map, as high as it has pixels and as wide as it has channels, behind the image."""
    layers = _drawn_layers(architecture)[:-1]
    boxes = list(_boxes(layers, architecture.classifier.in_channels))
    image = round(PIXEL * layers[0].input_size[0], 1)
    shapes: dict[str, Mapping[str, float | str]] = {"image": {"y": round(FLOOR - image, 1), "height": image}}
    shapes |= {f"layer-{number}": box for number, box in enumerate(boxes, start=1)}
    for block in range(len(architecture.blocks)):
        first, last = boxes[2 * block + 1], boxes[2 * block + 2]
        shapes[f"block-{block}"] = {"x": round((first["x"] + last["x"] + last["width"]) / 2, 1)}
    if chosen:
        shapes["chosen"] = {key: boxes[chosen - 1][key] for key in ("x", "y", "width", "height")}
    kinds = [*(layer.kind for layer in layers), "classifier"]
    template = '<rect class="image" x="1" width="7" {image}/>' + "".join(
        f'<rect data-layer="{number}" fill="{COLORS[kind]}" {{layer-{number}}}/>'
        for number, kind in enumerate(kinds, start=1)
    )
    template += "".join(
        f'<text class="middle" y="{FLOOR + 15}" {{block-{block}}}>{block}</text>'
        for block in range(len(architecture.blocks))
    )
    template += f'<text x="1" y="{FLOOR + 32}">image, stem, blocks 0 to 12, classifier</text>'
    template += '<rect class="chosen" {chosen}/>' if chosen else ""
    alt = (
        "MobileNet V1 from left to right: the image, then a box for the map that each layer writes, as high as "
        "the map has pixels and as wide as it has channels, with the numbers of the blocks below. Maps get smaller and "
        "wider. Pointwise layers stand beside depthwise ones of the same height."
    )
    return Picture(FLOOR + 40, alt, template, shapes)


def _boxes(layers: list[Layer], features: int) -> Iterator[dict[str, float]]:
    """Where each layer's box stands; the classifier's is as wide as the features that it reads, and a pixel high."""
    sizes = [(layer.out_channels, layer.output_size[0]) for layer in layers] + [(features, 1)]
    widths = [round(3 + 0.027 * channels, 2) for channels, _ in sizes]
    lefts = accumulate((width + 1 for width in widths), initial=12)
    for left, width, (_, side) in zip(lefts, widths, sizes, strict=False):
        height = round(max(PIXEL * side, 3), 1)
        yield {"x": round(left, 2), "y": round(FLOOR - height, 1), "width": width, "height": height}


def _against(number: int, budget: int, unit: str) -> str:
    verdict = "within" if number <= budget * 10**6 else "over"
    return f"{number:,} {unit}, {verdict} the budget of {budget:,} million"


def _fixed(number: Fraction | float, digits: int) -> str:
    """Decimal notation, halves rounded up: by whole numbers, so that the script comes to the same digits."""
    scale = 10**digits
    number = Fraction(number)
    scaled = (2 * scale * number.numerator + number.denominator) // (2 * number.denominator)
    return f"{scaled // scale}.{scaled % scale:0{digits}}"


def _inputs(control: Control) -> str:
    bounds = (
        f'value="{control.value:g}" min="{control.smallest:g}" max="{control.largest:g}" step="{control.step:g}" '
        f'autocomplete="off"'
    )
    slider = f'<input type="range" aria-label="{escape(control.label)}, slider" {bounds}>' if control.slider else ""
    return (
        f'<div><label>{escape(control.label)} <input type="number" name="{control.name}" required {bounds}></label>'
        f"{slider}</div>"
    )


def _swatch(kind: str) -> str:
    return f'<span aria-hidden="true" style="background:{COLORS[kind]}"></span>' if kind in COLORS else ""
