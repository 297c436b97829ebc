"""The drawings inside the explorers: where each part of them stands, and what it looks like.

``static/explorers.js`` moves the same parts; a browser test holds it against these functions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from itertools import accumulate

from mobilenet_edu.architecture import Architecture, Layer
from mobilenet_edu.cost import Cost
from mobilenet_edu.plots import CHANNEL_COLORS, COLORS

KINDS = ("standard", "depthwise", "pointwise", "classifier")
SLOPES = {  # the two Sobel kernels of chapter 1, row after row
    "x": (-1, 0, 1, -2, 0, 2, -1, 0, 1),
    "y": (-1, -2, -1, 0, 0, 0, 1, 2, 1),
}

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


# Drawings are 480 wide.
BAR = 440  # the longer of the two bars
AXES = (40, 470, 118, 218)  # left, right, top and bottom of the curve's axes


def layer_picture(out_channels: int, kernel_size: int, costs: Mapping[str, Cost]) -> Picture:
    """Two bars of MACs, and the curve on which the layer is a dot."""
    standard, depthwise, pointwise = (costs[name].macs for name in KINDS[:3])
    scale = BAR / max(standard, depthwise + pointwise)
    x, y = _on_curve(out_channels, kernel_size)
    limit = _on_curve(math.inf, kernel_size)[1]
    left, right, top, bottom = AXES
    middle = (top + bottom) // 2
    shapes = {
        "standard": {"x": 20, "width": round(standard * scale, 1)},
        "depthwise": {"x": 20, "width": round(depthwise * scale, 1)},
        "pointwise": {"x": round(20 + depthwise * scale, 1), "width": round(pointwise * scale, 1)},
        "curve": {"d": curve(kernel_size)},
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


def curve(kernel_size: int) -> str:
    points = (_on_curve(2 ** (step / 2), kernel_size) for step in range(23))
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)


def slopes_picture(made: Mapping[str, list[float]], results: Mapping[str, str]) -> Picture:
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
            template += f'<text class="middle" x="{x + 250}" y="{y + 26}">{signed(tap)}</text>'
    alt = (
        "Two rows of two small kernels. Left, the filter times its weight; right, the kernel that is wanted: above the "
        "slope in x, below the slope in y. Positive numbers have one colour and negative ones another."
    )
    return Picture(300, alt, template, shapes)


def _shade(value: float) -> dict[str, float | str]:
    return {"fill": CHANNEL_COLORS[value < 0], "fill-opacity": round(min(abs(value), 3) / 4, 3)}


def roof_picture(layers: list[Layer], intensities: list[float], peak: float, bandwidth: float) -> Picture:
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
    template += '<text class="middle" x="255" y="264">MACs per byte</text><text x="46" y="15">GMAC per second</text>'
    for kind, place in zip(KINDS, (84, 182, 287, 385), strict=True):
        template += f'<circle r="5" cx="{place}" cy="207" style="fill:{COLORS[kind]}"/>'
        template += f'<text x="{place + 10}" y="212">{kind}</text>'
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


def network_picture(architecture: Architecture, chosen: int = 0) -> Picture:
    """Each convolution's map, as high as it has pixels and as wide as it has channels, behind the image."""
    layers = drawn_layers(architecture)[:-1]
    boxes = list(_boxes(layers, architecture.classifier.in_channels))
    image = round(PIXEL * layers[0].input_size[0], 1)
    shapes: dict[str, Mapping[str, float | str]] = {
        "image": {"y": round(FLOOR - image, 1), "height": image},
        "input": {"y": round(FLOOR - image - 4, 1)},
        "answers": {"x": round(boxes[-1]["x"] + boxes[-1]["width"], 1)},
    }
    shapes |= {f"layer-{number}": box for number, box in enumerate(boxes, start=1)}
    for block in range(0, len(architecture.blocks), 2):  # every second one: thin networks have no room for all
        first, last = boxes[2 * block + 1], boxes[2 * block + 2]
        shapes[f"block-{block}"] = {"x": round((first["x"] + last["x"] + last["width"]) / 2, 1)}
    for step, number in enumerate(_first_of_each_size(layers)):
        shapes[f"size-{step}"] = {"x": boxes[number]["x"], "y": round(boxes[number]["y"] - 4, 1)}
    if chosen:
        shapes["chosen"] = {key: boxes[chosen - 1][key] for key in ("x", "y", "width", "height")}
    kinds = [*(layer.kind for layer in layers), "classifier"]
    sizes = sizes_of(architecture)
    template = (
        '<rect class="image" x="1" width="7" {image}/>'
        + _network_legend()
        + "".join(
            f'<rect data-layer="{number}" fill="{COLORS[kind]}" {{layer-{number}}}/>'
            for number, kind in enumerate(kinds, start=1)
        )
    )
    template += "".join(
        f'<text class="middle" y="{FLOOR + 15}" {{block-{block}}}>{block}</text>'
        for block in range(0, len(architecture.blocks), 2)
    )
    for name, said in sizes.items():
        look = {"input": ' x="1"', "answers": f' class="end" y="{FLOOR - 30}"'}.get(name, "")
        template += f'<text data-result="{name}"{look} {{{name}}}>{said}</text>'
    template += f'<text x="1" y="{FLOOR + 32}">Height: side of the map. Width: channels. Below: block.</text>'
    template += '<rect class="chosen" {chosen}/>' if chosen else ""
    alt = (
        "MobileNet V1 from left to right: the image, then a box for the map that each layer writes, as high as the map "
        "and as wide as its channels, the sides above, the blocks' numbers below. Maps get smaller and wider. In each "
        "block a depthwise layer, which filters each channel, stands before a pointwise one, which mixes them."
    )
    return Picture(FLOOR + 40, alt, template, shapes)


def _network_legend() -> str:
    lines = (
        ("#808080", "image"),
        (COLORS["standard"], "standard: the stem"),
        (COLORS["depthwise"], "depthwise: filters each channel"),
        (COLORS["pointwise"], "pointwise: mixes the channels"),
        (COLORS["classifier"], "classifier"),
    )
    return "".join(
        f'<rect x="200" y="{22 * line + 12}" width="12" height="12" fill="{color}"/>'
        f'<text x="220" y="{22 * line + 23}">{text}</text>'
        for line, (color, text) in enumerate(lines)
    )


def sizes_of(architecture: Architecture) -> dict[str, str]:
    """What is written into the drawing: the image's side, that of the maps of each size, and what comes out."""
    *layers, classifier = drawn_layers(architecture)
    steps = enumerate(_first_of_each_size(layers))
    sides = {f"size-{step}": str(layers[number].output_size[0]) for step, number in steps}
    ends = {"input": str(layers[0].input_size[0]), "answers": f"{classifier.out_channels:,} classes"}
    return ends | sides


def _first_of_each_size(layers: list[Layer]) -> list[int]:
    return [number for number, layer in enumerate(layers) if layer.input_size != layer.output_size]


def _boxes(layers: list[Layer], features: int) -> Iterator[dict[str, float]]:
    """Where each layer's box stands; the classifier's is as wide as the features that it reads, and a pixel high."""
    sizes = [(layer.out_channels, layer.output_size[0]) for layer in layers] + [(features, 1)]
    widths = [round(4 + 0.027 * channels, 2) for channels, _ in sizes]
    lefts = accumulate((width + 1 for width in widths), initial=12)
    for left, width, (_, side) in zip(lefts, widths, sizes, strict=False):
        height = round(max(PIXEL * side, 3), 1)
        yield {"x": round(left, 2), "y": round(FLOOR - height, 1), "width": width, "height": height}


def drawn_layers(architecture: Architecture) -> list[Layer]:
    """The layers with weights."""
    return [layer for layer in architecture.layers if layer.kind != "pooling"]


def signed(value: float) -> str:
    """Up to three decimals, as many as the number has, with a true minus sign."""
    return f"{value:.4f}".rstrip("0").rstrip(".").replace("-", "−") if value else "0"
