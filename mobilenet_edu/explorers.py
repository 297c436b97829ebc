"""Two small calculators that work inside a page, without a kernel: one layer, and the whole network.

Each is plain HTML with native inputs and a short script (``static/explorers.js``). Python computes the numbers that
are shown first, and the table that the network's script looks its numbers up in; a test drives both in a browser and
holds them against `mobilenet_edu.cost` and `mobilenet_edu.architecture`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from html import escape
from pathlib import Path

from mobilenet_edu import checks
from mobilenet_edu.architecture import Architecture, mobilenet_v1
from mobilenet_edu.cost import (
    Cost,
    conv2d_cost,
    depthwise_conv2d_cost,
    depthwise_separable_conv2d_cost,
    pointwise_conv2d_cost,
    reduction_ratio,
)
from mobilenet_edu.plots import COLORS

__all__ = ["Control", "Explorer", "network", "separable_layer"]

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


@dataclass(frozen=True)
class Explorer:
    """What a notebook shows for `separable_layer` and `network`; ``print`` shows the first numbers as text."""

    calculator: str
    title: str
    controls: tuple[Control, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]  # a heading, and the name of the result in each column
    results: dict[str, str]
    note: str
    table: dict[str, list[int]]

    def __repr__(self) -> str:
        chosen = ", ".join(f"{control.label} {control.value:g}" for control in self.controls)
        lines = [f"{self.title}: {chosen}."]
        for heading, names in self.rows:
            cells = (
                f"{self.results[name]} {column}" for column, name in zip(self.columns[1:], names, strict=True) if name
            )
            lines.append(f"{heading}: {', '.join(cells)}")
        return "\n".join([*lines, self.results["summary"]])

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{escape(column)}</th>' for column in self.columns)
        body = "".join(
            f'<tr><th scope="row">{_swatch(heading)}{escape(heading)}</th>{"".join(map(self._cell, names))}</tr>'
            for heading, names in self.rows
        )
        return (
            f"<style>{(STATIC / 'explorers.css').read_text(encoding='utf-8')}</style>\n"
            f'<form class="mobilenet-explorer" data-calculator="{self.calculator}" '
            f"data-table='{json.dumps(self.table, separators=(',', ':'))}'>\n"
            f"<fieldset><legend>{escape(self.title)}</legend>{''.join(map(_inputs, self.controls))}</fieldset>\n"
            f'<output data-result="summary" aria-live="polite">{escape(self.results["summary"])}</output>\n'
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>\n"
            f"<p>{escape(self.note)}</p>\n</form>\n"
            f"<script>{(STATIC / 'explorers.js').read_text(encoding='utf-8')}</script>"
        )

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
        table={},
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
        Control(
            "width_multiplier",
            "width multiplier (α)",
            width_multiplier,
            WIDTH_MULTIPLIERS[0],
            WIDTH_MULTIPLIERS[-1],
            0.05,
        ),
        Control("resolution", "resolution", resolution, RESOLUTIONS[0], RESOLUTIONS[-1], 32),
        Control("num_classes", "classes", num_classes, 1, 100_000, slider=False),
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
        table=_network_table(),
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
def _network_table() -> dict[str, list[int]]:
    """``percent-resolution`` → MACs and parameters of the three kinds of convolution, features that the classifier
    reads, elements of the largest convolution output and of all. What the classifier costs follows from its classes."""
    table = {}
    for width_multiplier in WIDTH_MULTIPLIERS:
        for resolution in RESOLUTIONS:
            architecture = mobilenet_v1(width_multiplier, resolution)
            costs = [architecture.cost_by_kind()[kind] for kind in KINDS[:3]]
            table[f"{round(100 * width_multiplier)}-{resolution}"] = [
                *(cost.macs for cost in costs),
                *(cost.params for cost in costs),
                architecture.classifier.in_channels,
                *_activations(architecture),
            ]
    return table


def _against(number: int, budget: int, unit: str) -> str:
    verdict = "within" if number <= budget * 10**6 else "over"
    return f"{number:,} {unit}, {verdict} the budget of {budget:,} million"


def _fixed(number: Fraction, digits: int) -> str:
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
