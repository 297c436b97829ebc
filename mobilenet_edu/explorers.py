"""Calculators that draw, inside a page, without a kernel: one layer, the network to scale, the network and a budget.

Each is plain HTML with native inputs, a drawing and a short script (``static/explorers.js``). Python computes the
numbers and the shapes that are shown first, and the table that the network's script reads; a test drives all in a
browser and holds their numbers and shapes against `mobilenet_edu.cost` and `mobilenet_edu.architecture`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from mobilenet_edu import checks
from mobilenet_edu._explorer_pictures import (
    KINDS,
    SLOPES,
    Picture,
    curve,
    drawn_layers,
    layer_picture,
    network_picture,
    roof_picture,
    signed,
    sizes_of,
    slopes_picture,
)
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


@dataclass(frozen=True)
class Explorer:
    """What a notebook shows for the functions below; ``print`` shows the first numbers as text."""

    calculator: str
    title: str
    controls: tuple[Control, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]  # a heading; for each column a result and its share
    results: dict[str, str]
    note: str
    picture: Picture
    table: dict[str, Any] = field(default_factory=dict)  # what the script reads

    def __repr__(self) -> str:
        chosen = ", ".join(f"{control.label} {control.value:g}" for control in self.controls)
        lines = [f"{self.title}: {chosen}."]
        for heading, cells in self.rows:
            said = [
                f"{self.results[name]} {'of ' * place}{column}"
                for column, names in zip(self.columns[1:], cells, strict=True)
                for place, name in enumerate(names)
            ]
            lines.append(f"{heading}: {', '.join(said)}")
        return "\n".join([*lines, *(self.results[name] for name in ("summary", "layer") if name in self.results)])

    def _repr_html_(self) -> str:
        style, script = map(_read, ("explorers.css", "explorers.js"))
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
            f'<tr><th scope="row">{_swatch(heading)}{escape(heading)}</th>{"".join(map(self._cell, cells))}</tr>'
            for heading, cells in self.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>\n"

    def _cell(self, names: tuple[str, ...]) -> str:
        """A result, and its share beside it; where that is too wide, below it."""
        spans = " ".join(f'<span data-result="{name}">{escape(self.results[name])}</span>' for name in names)
        return f"<td>{spans}</td>"


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
        rows=tuple((name, ((f"{name}-macs",), (f"{name}-params",))) for name in LAYERS),
        results=results,
        note="Stride 1, padding that keeps the size of the map, no bias, no batch norm.",
        picture=layer_picture(out_channels, kernel_size, costs),
        table={"curves": {side: curve(side) for side in range(1, 16, 2)}},
    )


def network(
    width_multiplier: float = 1.0,
    resolution: int = 224,
    num_classes: int = 1000,
    budget_macs: int = 300,
    budget_params: int = 4,
) -> Explorer:
    """MobileNet V1 under the reader's hands, against a budget in millions of MACs and of parameters.

    Parameters include batch norm and the classifier's bias. Maps are the outputs of the convolutions.

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
    results = sizes_of(architecture)
    for kind in (*KINDS, "all"):
        results[f"{kind}-macs"] = f"{by_kind[kind].macs:,}"
        results[f"{kind}-params"] = f"{by_kind[kind].params:,}"
        results[f"{kind}-macs-share"] = f"{_fixed(Fraction(100 * by_kind[kind].macs, total.macs), 2)} %"
        results[f"{kind}-params-share"] = f"{_fixed(Fraction(100 * by_kind[kind].params, total.params), 2)} %"
    largest, together = _activations(architecture)
    results["summary"] = (
        f"{_against(total.macs, budget_macs, 'MACs')}; {_against(total.params, budget_params, 'parameters')}. "
        f"Maps in float32: {_fixed(Fraction(4 * together, 10**6), 2)} MB for the outputs of all convolutions "
        f"together, {_fixed(Fraction(4 * largest, 10**6), 2)} MB for the largest one."
    )
    return Explorer(
        calculator="network",
        title="MobileNet V1 against a budget",
        controls=controls,
        columns=("layers", "MACs", "parameters"),
        rows=tuple(
            (kind, tuple((f"{kind}-{unit}", f"{kind}-{unit}-share") for unit in ("macs", "params")))
            for kind in (*KINDS, "all")
        ),
        results=results,
        note="Each number with its share. Parameters include batch norm and the classifier's bias. "
        "1 MB is a million bytes.",
        picture=network_picture(architecture),
        table=_network_table(),
    )


def to_scale(width_multiplier: float = 1.0, resolution: int = 224, num_classes: int = 1000, layer: int = 1) -> Explorer:
    """MobileNet V1 drawn to scale: each map as high as it is, and the wider the more channels it has; and one layer.

    A map has a width of at least four units, so that each can be touched.

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
    layers = drawn_layers(architecture)
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
        results=sizes_of(architecture)
        | {
            "summary": f"{total.macs:,} MACs and {total.params:,} parameters.",
            "layer": _layer_sentence(layers[layer - 1]),
        },
        note="Parameters include batch norm and the classifier's bias. Touch a layer to choose it.",
        picture=network_picture(architecture, layer),
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
    layers = drawn_layers(mobilenet_v1())
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
        picture=roof_picture(layers, intensities, peak, bandwidth),
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
    results = {f"{slope}-{place}": signed(tap) for slope in SLOPES for place, tap in enumerate(made[slope])}
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
        picture=slopes_picture(made, results),
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


@cache
def _network_table() -> dict[str, Any]:
    """All that the script needs to know: names, kinds and kernels of the layers, the channels that each writes at each
    width, and the side of its map at each resolution. What the classifier writes follows from its classes."""
    layers = drawn_layers(mobilenet_v1())
    return {
        "names": [layer.name for layer in layers],
        "kinds": [layer.kind for layer in layers],
        "kernels": [layer.kernel_size for layer in layers],
        "channels": {
            round(100 * width): [layer.out_channels for layer in drawn_layers(mobilenet_v1(width))][:-1]
            for width in WIDTH_MULTIPLIERS
        },
        "sides": {
            resolution: [layer.output_size[0] for layer in drawn_layers(mobilenet_v1(1.0, resolution))]
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


def _against(number: int, budget: int, unit: str) -> str:
    verdict = "within" if number <= budget * 10**6 else "over"
    return f"{number:,} {unit}, {verdict} the budget of {budget:,} million"


def _fixed(number: Fraction | float, digits: int) -> str:
    """Decimal notation, halves rounded up: by whole numbers, so that the script comes to the same digits."""
    scale = 10**digits
    number = Fraction(number)
    scaled = (2 * scale * number.numerator + number.denominator) // (2 * number.denominator)
    return f"{scaled // scale}.{scaled % scale:0{digits}}"


def _read(name: str) -> str:
    """A file that the page needs, without indentation and lines that only comment; a style without needless spaces."""
    text = re.sub(r"^\s*(//.*)?\n?", "", (STATIC / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return re.sub(r"\s*([{};,])\s*|(?<=:) ", r"\1", text) if name.endswith(".css") else text


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
