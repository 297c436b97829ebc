"""MobileNet V1's relatives by their costs: layers as data, what they cost, and what their papers print.

`mobilenet_v2` is an `Architecture` like those of `mobilenet_edu.architecture`, and everything that reads one reads it.
The others are lists of `Part`s, enough to count: MobileNet V3, MnasNet, EfficientNet, ShuffleNet V2, Xception, RepVGG
and ConvNeXt. `networks` sets each beside the cost that its paper prints, and `checkpoints` does so for the released
networks of MobileNet V2. `mobilenet_edu.paper.Figure` works out whether ours equals the printed number.
Accuracies are cited, top-1 on ImageNet in percent. Each network was trained its own way.

This module needs nothing but the standard library.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from mobilenet_edu import checks
from mobilenet_edu.architecture import Architecture, Layer, mobilenet_v1
from mobilenet_edu.cost import (
    Cost,
    Size,
    batch_norm2d_cost,
    conv2d_cost,
    conv_output_size,
    linear_cost,
)
from mobilenet_edu.paper import Figure, _data

__all__ = [
    "TABLE_2",
    "Checkpoint",
    "Network",
    "Part",
    "checkpoints",
    "inverted_residual",
    "mobilenet_v2",
    "networks",
    "round_width",
]

# Table 2 of the paper of MobileNet V2: expansion t, output channels c, number of blocks n, stride s of the first one.
# Before them stands a 3×3 convolution with 32 channels and stride 2, after them a 1×1 convolution with 1280.
TABLE_2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def round_width(channels: float, divisor: int = 8) -> int:
    """The multiple of ``divisor`` nearest to ``channels``, but never less than one and never below 90 % of them.

    MobileNet V2 and the networks after it round so, because processors like such widths; V1 rounds down to any number.

    >>> round_width(32 * 0.75), round_width(24 * 0.35), round_width(18)
    (24, 8, 24)
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def inverted_residual(
    name: str,
    in_channels: int,
    out_channels: int,
    stride: int,
    expansion: int,
    input_size: tuple[int, int],
) -> tuple[Layer, ...]:
    """The layers of MobileNet V2's block: 1×1 that expands, depthwise 3×3 with the stride, 1×1 that projects.

    With ``expansion`` 1 there is nothing to expand, and the first layer is left out. Where stride and width allow it,
    the block adds its input to its output, which costs no MACs.
    """
    wide = in_channels * expansion
    expand = Layer(f"{name}.expand", "pointwise", in_channels, wide, 1, 1, input_size)
    depthwise = Layer(f"{name}.depthwise", "depthwise", wide, wide, 3, stride, input_size)
    project = Layer(f"{name}.project", "pointwise", wide, out_channels, 1, 1, depthwise.output_size)
    return (depthwise, project) if expansion == 1 else (expand, depthwise, project)


def mobilenet_v2(width_multiplier: float = 1.0, resolution: Size = 224, num_classes: int = 1000) -> Architecture:
    """MobileNet V2 (Sandler et al., 2018): Table 2, made thinner or wider by ``width_multiplier``.

    Widths are rounded by `round_width`. The last convolution keeps its 1280 channels in a thin network, as the paper
    says, and grows in a wide one.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: a number below 1, or a ``width_multiplier`` that is not positive and finite.

    >>> mobilenet_v2().cost.macs, mobilenet_v2().cost.params
    (300774272, 3504872)
    """
    checks.positive("num_classes", num_classes)
    checks.multiplier(width_multiplier)
    channels = round_width(32 * width_multiplier)
    stem = Layer("stem", "standard", 3, channels, 3, 2, checks.pair("resolution", resolution))
    size, blocks = stem.output_size, []
    for expansion, full_channels, repeats, first_stride in TABLE_2:
        out_channels = round_width(full_channels * width_multiplier)
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            name = f"blocks.{len(blocks)}"
            blocks.append(inverted_residual(name, channels, out_channels, stride, expansion, size))
            channels, size = out_channels, blocks[-1][-1].output_size
    last = round_width(1280 * max(1.0, width_multiplier))
    blocks.append((Layer(f"blocks.{len(blocks)}", "pointwise", channels, last, 1, 1, size),))
    pooling = Layer("pool", "pooling", last, last, size, 1, size)
    return Architecture(
        stem, tuple(blocks), pooling, Layer("classifier", "classifier", last, num_classes, 1, 1, (1, 1), True)
    )


@dataclass(frozen=True, slots=True)
class Part:
    """One layer of a network that is only counted.

    Attributes:
        kind: ``standard``, ``depthwise``, ``pointwise``, ``squeeze-excite``, ``classifier``, or ``scale`` for learned
            scales and shifts that belong to no convolution.
        weights: without biases and normalisation.
        cost: for one image, biases and normalisation included.
    """

    kind: str
    weights: int
    cost: Cost


class _Walk:
    """Follows the channels and the map's size through a network and notes what each layer costs."""

    def __init__(self, resolution: int) -> None:
        self.channels = 3
        self.size = resolution
        self.parts: list[Part] = []

    def conv(
        self,
        out_channels: int,
        kernel_size: int = 1,
        stride: int = 1,
        *,
        depthwise: bool = False,
        padding: int | None = None,
        bias: bool = False,
        norm: bool = True,
    ) -> None:
        """A convolution, padded by half its kernel unless ``padding`` is given; ``norm`` adds a scale and a shift."""
        kind = "depthwise" if depthwise else "pointwise" if kernel_size == 1 else "standard"
        padding = kernel_size // 2 if padding is None else padding
        groups = self.channels if depthwise else 1
        how = {"stride": stride, "padding": padding, "groups": groups}
        cost = conv2d_cost(self.channels, out_channels, kernel_size, self.size, **how)
        learned = (out_channels if bias else 0) + (batch_norm2d_cost(out_channels).params if norm else 0)
        self.parts.append(Part(kind, cost.params, cost + Cost(params=learned)))
        self.channels = out_channels
        self.size = conv_output_size(self.size, kernel_size, stride, padding)

    def depthwise(self, kernel_size: int, stride: int = 1, *, bias: bool = False, norm: bool = True) -> None:
        self.conv(self.channels, kernel_size, stride, depthwise=True, bias=bias, norm=norm)

    def pool(self, kernel_size: int, stride: int, padding: int) -> None:
        self.size = conv_output_size(self.size, kernel_size, stride, padding)

    def squeeze_excite(self, squeezed: int) -> None:
        """Each channel's mean through two linear layers; their output scales the channels (an element-wise product)."""
        cost = linear_cost(self.channels, squeezed) + linear_cost(squeezed, self.channels)
        self.parts.append(Part("squeeze-excite", 2 * squeezed * self.channels, cost))

    def scale(self, params: int) -> None:
        """Learned scales and shifts of the channels."""
        self.parts.append(Part("scale", 0, Cost(params=params)))

    def linear(self, out_features: int) -> None:
        """A linear layer, after the map has been averaged to one number a channel."""
        cost = linear_cost(self.channels, out_features)
        self.parts.append(Part("classifier", self.channels * out_features, cost))
        self.channels, self.size = out_features, 1

    def bottleneck(self, wide: int, out_channels: int, kernel_size: int, stride: int, squeezed: int) -> None:
        """An inverted residual whose wide map has ``wide`` channels, with a squeeze-excite unless ``squeezed`` is 0."""
        if wide != self.channels:
            self.conv(wide)
        self.depthwise(kernel_size, stride)
        if squeezed:
            self.squeeze_excite(squeezed)
        self.conv(out_channels)


# Tables 1 and 2 of the paper of MobileNet V3, in its last version: kernel, wide channels, output channels,
# squeeze-excite, stride. Table 2 also marks a squeeze-excite at the last 1×1 convolution. The authors' code has none
# there, and with it the printed parameters would not come out.
_V3_LARGE = (
    (3, 16, 16, False, 1),
    (3, 64, 24, False, 2),
    (3, 72, 24, False, 1),
    (5, 72, 40, True, 2),
    (5, 120, 40, True, 1),
    (5, 120, 40, True, 1),
    (3, 240, 80, False, 2),
    (3, 200, 80, False, 1),
    (3, 184, 80, False, 1),
    (3, 184, 80, False, 1),
    (3, 480, 112, True, 1),
    (3, 672, 112, True, 1),
    (5, 672, 160, True, 2),
    (5, 960, 160, True, 1),
    (5, 960, 160, True, 1),
)
_V3_SMALL = (
    (3, 16, 16, True, 2),
    (3, 72, 24, False, 2),
    (3, 88, 24, False, 1),
    (5, 96, 40, True, 2),
    (5, 240, 40, True, 1),
    (5, 240, 40, True, 1),
    (5, 120, 48, True, 1),
    (5, 144, 48, True, 1),
    (5, 288, 96, True, 2),
    (5, 576, 96, True, 1),
    (5, 576, 96, True, 1),
)


def _mobilenet_v3(walk: _Walk, rows: Iterable[tuple[int, int, int, bool, int]], wide: int, hidden: int) -> None:
    walk.conv(16, 3, 2)
    for kernel_size, expanded, out_channels, squeeze, stride in rows:
        squeezed = round_width(expanded / 4) if squeeze else 0
        walk.bottleneck(expanded, out_channels, kernel_size, stride, squeezed)
    walk.conv(wide)
    walk.linear(hidden)  # behind the pooling, so on one pixel
    walk.linear(1000)


# Table 1 of the paper of EfficientNet and figure 7 of MnasNet's: expansion, kernel, output channels, number of blocks,
# stride of the first one, squeeze-excite.
_EFFICIENTNET_B0 = (
    (1, 3, 16, 1, 1, True),
    (6, 3, 24, 2, 2, True),
    (6, 5, 40, 2, 2, True),
    (6, 3, 80, 3, 2, True),
    (6, 5, 112, 3, 1, True),
    (6, 5, 192, 4, 2, True),
    (6, 3, 320, 1, 1, True),
)
_MNASNET_A1 = (
    (1, 3, 16, 1, 1, False),
    (6, 3, 24, 2, 2, False),
    (3, 5, 40, 3, 2, True),
    (6, 3, 80, 4, 2, False),
    (6, 3, 112, 2, 1, True),
    (6, 5, 160, 3, 2, True),
    (6, 3, 320, 1, 1, False),
)


def _searched(walk: _Walk, rows: Iterable[tuple[int, int, int, int, int, bool]]) -> None:
    walk.conv(32, 3, 2)
    for expansion, kernel_size, out_channels, repeats, first_stride, squeeze in rows:
        for repeat in range(repeats):
            squeezed = walk.channels // 4 if squeeze else 0  # a quarter of the narrow map, not of the wide one
            stride = first_stride if repeat == 0 else 1
            walk.bottleneck(walk.channels * expansion, out_channels, kernel_size, stride, squeezed)
    walk.conv(1280)
    walk.linear(1000)


def _shufflenet_v2(walk: _Walk) -> None:
    """Table 5 of the paper at 1×. A block works on half of the channels and passes the others on as they are."""
    walk.conv(24, 3, 2)
    walk.pool(3, 2, 1)
    for out_channels, repeats in ((116, 4), (232, 8), (464, 4)):
        half, in_channels, size = out_channels // 2, walk.channels, walk.size
        walk.depthwise(3, 2)  # the first block has stride 2, and both of its branches see all channels
        walk.conv(half)
        walk.channels, walk.size = in_channels, size
        for stride in (2, *[1] * (repeats - 1)):
            walk.conv(half)
            walk.depthwise(3, stride)
            walk.conv(half)
        walk.channels = out_channels
    walk.conv(1024)
    walk.linear(1000)


def _xception(walk: _Walk) -> None:
    """Figure 5 of the paper. Batch norm stands behind the pair only, not between."""

    def separable(out_channels: int) -> None:
        walk.depthwise(3, norm=False)
        walk.conv(out_channels)

    def halving(*widths: int) -> None:
        in_channels, size = walk.channels, walk.size
        walk.conv(widths[-1], 1, 2)  # the shortcut
        walk.channels, walk.size = in_channels, size
        for width in widths:
            separable(width)
        walk.pool(3, 2, 1)

    walk.conv(32, 3, 2, padding=0)
    walk.conv(64, 3, padding=0)
    for width in (128, 256, 728):
        halving(width, width)
    for _ in range(3 * 8):
        separable(728)
    halving(728, 1024)
    separable(1536)
    separable(2048)
    walk.linear(1000)


def _repvgg_a0(walk: _Walk) -> None:
    """Table 2 of the paper, as it runs: every block has become one 3×3 convolution with a bias."""
    for out_channels, repeats in ((48, 1), (48, 2), (96, 4), (192, 14), (1280, 1)):
        for repeat in range(repeats):
            walk.conv(out_channels, 3, 2 if repeat == 0 else 1, bias=True, norm=False)
    walk.linear(1000)


def _convnext_t(walk: _Walk) -> None:
    """Depthwise 7×7, expand four times, project; a learned scale for each channel of each block."""
    for stage, (channels, repeats) in enumerate(((96, 3), (192, 3), (384, 9), (768, 3))):
        if stage == 0:
            walk.conv(channels, 4, 4, padding=0, bias=True)
        else:
            walk.scale(2 * walk.channels)  # layer norm before the convolution that halves the map
            walk.conv(channels, 2, 2, padding=0, bias=True, norm=False)
        for _ in range(repeats):
            walk.depthwise(7, bias=True)
            walk.conv(4 * channels, bias=True, norm=False)
            walk.conv(channels, bias=True, norm=False)
            walk.scale(channels)
    walk.scale(2 * walk.channels)
    walk.linear(1000)


@dataclass(frozen=True, slots=True)
class Network:
    """A network, what its paper prints, and what we count.

    Attributes:
        name: as its paper writes it, nearly.
        source: authors and year.
        url: where the paper is.
        where: the tables of the paper that print its numbers.
        resolution: height and width of the image.
        top1_percent: the accuracy that the paper prints.
        macs: the printed cost beside our MACs and FLOPs; its ``quantity`` is the paper's own word for the unit.
        params: the printed parameters beside all that are learned, and beside the bare weights.
        elsewhere: the cost of the same network as another paper or the authors' list of checkpoints prints it, or
            ``None``; its ``where`` names the place.
        parts: the layers.
    """

    name: str
    source: str
    url: str
    where: str
    resolution: int
    top1_percent: str
    macs: Figure
    params: Figure
    elsewhere: Figure | None
    parts: tuple[Part, ...]

    @property
    def cost(self) -> Cost:
        """Cost of the whole network for one image, biases and normalisation included."""
        return _total(self.parts)

    def cost_by_kind(self) -> dict[str, Cost]:
        """The cost of each kind of part, in the order in which the kinds appear."""
        kinds = dict.fromkeys(part.kind for part in self.parts)
        return {kind: _total(part for part in self.parts if part.kind == kind) for kind in kinds}


@cache
def networks() -> tuple[Network, ...]:
    """MobileNet V1 and its relatives, in the order of their papers.

    >>> [(each.name, each.macs.printed, each.macs.verdict) for each in networks()][-1]
    ('ConvNeXt-T', '4.5', 'equal')
    """
    return tuple(_network(row) for row in _rows("successors.csv"))


def _network(row: dict[str, str]) -> Network:
    name, resolution = row["name"], int(row["resolution"])
    parts = _parts(name, resolution)
    cost, weights = _total(parts), sum(part.weights for part in parts)
    macs = ("MACs", cost.macs), ("FLOPs, two for each MAC", cost.flops)
    params = ("all learned parameters", cost.params), ("bare weights", weights)
    word, elsewhere = row["word"], row["elsewhere"]
    return Network(
        name,
        row["source"],
        f"https://arxiv.org/abs/{row['arxiv']}",
        row["where"],
        resolution,
        row["top1_percent"],
        Figure(name, word, row["printed_cost"], row["cost_unit"], macs if row["printed_cost"] else ()),
        Figure(name, "parameters", row["printed_params"], row["params_unit"], params),
        Figure(elsewhere, name, row["other_cost"], row["other_unit"], macs) if elsewhere else None,
        parts,
    )


def _parts(name: str, resolution: int) -> tuple[Part, ...]:
    architectures = {"MobileNet V1": mobilenet_v1, "MobileNet V2": mobilenet_v2}
    if architecture := architectures.get(name.removesuffix(" 1.4")):
        width_multiplier = 1.4 if name.endswith(" 1.4") else 1.0
        layers = architecture(width_multiplier, resolution).layers
        return tuple(Part(layer.kind, layer.weights, layer.cost) for layer in layers)
    walk = _Walk(resolution)
    _WALKS[name](walk)
    return tuple(walk.parts)


_WALKS: dict[str, Callable[[_Walk], None]] = {
    "Xception": _xception,
    "ShuffleNet V2 1×": _shufflenet_v2,
    "MnasNet-A1": lambda walk: _searched(walk, _MNASNET_A1),
    "MobileNet V3-Large": lambda walk: _mobilenet_v3(walk, _V3_LARGE, 960, 1280),
    "MobileNet V3-Small": lambda walk: _mobilenet_v3(walk, _V3_SMALL, 576, 1024),
    "EfficientNet-B0": lambda walk: _searched(walk, _EFFICIENTNET_B0),
    "RepVGG-A0": _repvgg_a0,
    "ConvNeXt-T": _convnext_t,
}


def _total(parts: Iterable[Part]) -> Cost:
    return sum((part.cost for part in parts), Cost())


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One of the 22 released networks of MobileNet V2: its cost as printed beside ours, its accuracy in percent."""

    width_multiplier: float
    resolution: int
    top1_percent: float
    macs: Figure
    params: Figure

    @property
    def name(self) -> str:
        """As in ``0.75 MobileNetV2-160``."""
        return f"{self.width_multiplier} MobileNetV2-{self.resolution}"

    @property
    def architecture(self) -> Architecture:
        """The network with 1000 classes, from which its cost can be read."""
        return mobilenet_v2(self.width_multiplier, self.resolution)


@cache
def checkpoints() -> tuple[Checkpoint, ...]:
    """The 22 released networks of MobileNet V2, as ``research/slim/nets/mobilenet/README.md`` of TensorFlow's models
    prints them. They were trained after the paper, so never mix their accuracies with its own.

    >>> checkpoints()[0].name, checkpoints()[0].macs.printed, checkpoints()[0].macs.verdict
    ('1.4 MobileNetV2-224', '582', 'equal')
    """
    return tuple(_checkpoint(row) for row in _rows("mobilenet_v2_checkpoints.csv"))


def _checkpoint(row: dict[str, str]) -> Checkpoint:
    width_multiplier, resolution = float(row["width_multiplier"]), int(row["resolution"])
    network = mobilenet_v2(width_multiplier, resolution)
    name = f"{width_multiplier} MobileNetV2-{resolution}"
    macs = (("MACs", network.cost.macs),)
    params = ("bare weights", network.weights), ("all learned parameters", network.cost.params)
    return Checkpoint(
        width_multiplier,
        resolution,
        float(row["top1_percent"]),
        Figure(name, "MACs", row["million_macs"], "million", macs),
        Figure(name, "parameters", row["million_params"], "million", params),
    )


def _rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(line for line in _data(name).splitlines() if not line.startswith("#")))
