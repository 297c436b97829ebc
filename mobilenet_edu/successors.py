"""MobileNet V1's relatives: layers as data, what they cost, and what their papers print.

Each is an `Architecture` like those of `mobilenet_edu.architecture`, written from the table of its paper, and
everything that reads one reads it. `mobilenet_edu.network.MobileNet` builds MobileNet V2, V3 and V4, MnasNet-A1,
EfficientNet-B0 and RepVGG-A0. ShuffleNet V2, Xception and ConvNeXt can only be counted: they have branches, or layer
norm.

`networks` sets each beside the cost that its paper prints, and `checkpoints` does so for the released networks of
MobileNet V2. `mobilenet_edu.paper.Figure` works out whether ours equals the printed number. Accuracies are cited, top-1
on ImageNet in percent. Each network was trained its own way.

This module needs nothing but the standard library.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial
from typing import Any

from mobilenet_edu import checks
from mobilenet_edu.architecture import (
    Activation,
    Architecture,
    Block,
    Layer,
    Maker,
    chain,
    mobilenet_v1,
)
from mobilenet_edu.cost import Cost, Size
from mobilenet_edu.paper import Figure, _data

__all__ = [
    "EFFICIENTNET_B0",
    "MNASNET_A1",
    "TABLE_2",
    "V3_LARGE",
    "V3_SMALL",
    "V4_CONV_M",
    "V4_CONV_S",
    "Network",
    "PhoneLatency",
    "V2Checkpoint",
    "bottleneck",
    "checkpoints",
    "convnext_t",
    "convolution",
    "efficientnet_b0",
    "inverted_residual",
    "mnasnet_a1",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    "mobilenet_v4_conv_m",
    "mobilenet_v4_conv_s",
    "networks",
    "phone_latencies",
    "repvgg_a0",
    "round_width",
    "shufflenet_v2",
    "xception",
]


def round_width(channels: float, divisor: int = 8) -> int:
    """The multiple of ``divisor`` nearest to ``channels``, but never less than one and never below 90 % of them.

    MobileNet V2 and the networks after it round so, because processors like such widths; V1 rounds down to any number.

    >>> round_width(32 * 0.75), round_width(24 * 0.35), round_width(18)
    (24, 8, 24)
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def bottleneck(
    name: str,
    in_channels: int,
    wide: int,
    out_channels: int,
    stride: int,
    input_size: tuple[int, int],
    *,
    kernel_size: int = 3,
    first_kernel: int = 0,
    activation: Activation = "relu",
    squeezed: int = 0,
    gate: str = "sigmoid",
    squeeze_activation: Activation | None = None,
) -> Block:
    """MobileNet V4's universal inverted bottleneck: every part of it but the last may be missing.

    A depthwise layer with ``first_kernel``; a 1×1 layer that expands to ``wide`` channels; a depthwise layer with
    ``kernel_size``; a squeeze-excite of ``squeezed`` channels; a 1×1 layer that projects. A number 0, or a ``wide``
    that is ``in_channels``, leaves the part out. ``activation`` follows the expansion and the second depthwise layer,
    nothing the first and the projection. The stride belongs to the last depthwise layer. Where stride and width allow
    it, the block adds its input to its output.
    """
    layers: list[Layer] = []

    def add(part: str, kind: str, *shape: int, **more: Any) -> None:
        size = layers[-1].output_size if layers else input_size
        layers.append(Layer(f"{name}.{part}", kind, *shape, size, **more))

    if first_kernel:
        add(
            "filter", "depthwise", in_channels, in_channels, first_kernel, 1 if kernel_size else stride, activation=None
        )
    if wide != in_channels:
        add("expand", "pointwise", in_channels, wide, 1, 1, activation=activation)
    if kernel_size:
        add("depthwise", "depthwise", wide, wide, kernel_size, stride, activation=activation)
    if squeezed:
        how = {"bias": True, "squeezed": squeezed, "gate": gate, "activation": squeeze_activation or activation}
        add("squeeze", "squeeze-excite", wide, wide, 1, 1, **how)
    add("project", "pointwise", wide, out_channels, 1, 1, activation=None)
    return Block(layers, residual=stride == 1 and in_channels == out_channels)


def inverted_residual(
    name: str,
    in_channels: int,
    out_channels: int,
    stride: int,
    expansion: int,
    input_size: tuple[int, int],
    **more: Any,
) -> Block:
    """MobileNet V2's block: 1×1 that expands, depthwise 3×3 with the stride, 1×1 that projects.

    With ``expansion`` 1 there is nothing to expand, and the first layer is left out. Where stride and width allow it,
    the block adds its input to its output, which costs no MACs. ``more`` is that of `bottleneck`.
    """
    more = {"activation": "relu6"} | more
    return bottleneck(name, in_channels, in_channels * expansion, out_channels, stride, input_size, **more)


def convolution(
    name: str, in_channels: int, out_channels: int, kernel_size: int, stride: int, input_size: Size, **more: Any
) -> Layer:
    """A standard or pointwise convolution; ``more`` is that of `Layer`."""
    kind = "pointwise" if kernel_size == 1 else "standard"
    return Layer(name, kind, in_channels, out_channels, kernel_size, stride, input_size, **more)


def _then(out_channels: int, kernel_size: int = 1, stride: int = 1, **more: Any) -> Maker:
    """A convolution whose input is what stands before it."""
    return lambda name, channels, size: convolution(name, channels, out_channels, kernel_size, stride, size, **more)


def _stem(channels: int, resolution: Size, kernel_size: int = 3, stride: int = 2, **more: Any) -> Layer:
    size = checks.pair("resolution", resolution)
    return convolution("stem", 3, channels, kernel_size, stride, size, **more)


def _strides(repeats: int, first: int) -> tuple[int, ...]:
    return (first, *[1] * (repeats - 1))


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


def mobilenet_v2(
    width_multiplier: float = 1.0, resolution: Size = 224, num_classes: int = 1000, *, kernel_size: int = 3
) -> Architecture:
    """MobileNet V2 (Sandler et al., 2018): Table 2, made thinner or wider by ``width_multiplier``.

    Widths are rounded by `round_width`. The last convolution keeps its 1280 channels in a thin network, as the paper
    says, and grows in a wide one. ``kernel_size`` is that of the depthwise layers.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: a number below 1, or a ``width_multiplier`` that is not positive and finite.

    >>> mobilenet_v2().cost.macs, mobilenet_v2().cost.params
    (300774272, 3504872)
    """
    checks.multiplier(width_multiplier)

    def block(t: int, c: int, s: int) -> Maker:
        width = round_width(c * width_multiplier)
        return lambda name, channels, size: inverted_residual(
            name, channels, width, s, t, size, kernel_size=kernel_size
        )

    stem = _stem(round_width(32 * width_multiplier), resolution, activation="relu6")
    blocks = [block(t, c, stride) for t, c, n, s in TABLE_2 for stride in _strides(n, s)]
    last = round_width(1280 * max(1.0, width_multiplier))
    return chain(stem, [*blocks, _then(last, activation="relu6")], num_classes)


# Tables 1 and 2 of the paper of MobileNet V3, in its last version: kernel, wide channels, output channels,
# squeeze-excite, nonlinearity, stride. Table 2 also marks a squeeze-excite at the last 1×1 convolution. The authors'
# code has none there, and with it the printed parameters would not come out.
V3_LARGE = (
    (3, 16, 16, False, "relu", 1),
    (3, 64, 24, False, "relu", 2),
    (3, 72, 24, False, "relu", 1),
    (5, 72, 40, True, "relu", 2),
    (5, 120, 40, True, "relu", 1),
    (5, 120, 40, True, "relu", 1),
    (3, 240, 80, False, "hardswish", 2),
    (3, 200, 80, False, "hardswish", 1),
    (3, 184, 80, False, "hardswish", 1),
    (3, 184, 80, False, "hardswish", 1),
    (3, 480, 112, True, "hardswish", 1),
    (3, 672, 112, True, "hardswish", 1),
    (5, 672, 160, True, "hardswish", 2),
    (5, 960, 160, True, "hardswish", 1),
    (5, 960, 160, True, "hardswish", 1),
)
V3_SMALL = (
    (3, 16, 16, True, "relu", 2),
    (3, 72, 24, False, "relu", 2),
    (3, 88, 24, False, "relu", 1),
    (5, 96, 40, True, "hardswish", 2),
    (5, 240, 40, True, "hardswish", 1),
    (5, 240, 40, True, "hardswish", 1),
    (5, 120, 48, True, "hardswish", 1),
    (5, 144, 48, True, "hardswish", 1),
    (5, 288, 96, True, "hardswish", 2),
    (5, 576, 96, True, "hardswish", 1),
    (5, 576, 96, True, "hardswish", 1),
)


def _v3_block(rows: tuple, place: int, width_multiplier: float, minimalistic: bool) -> Maker:
    kernel_size, wide, out, squeeze, activation, stride = rows[place]
    expansion = Fraction(wide, rows[place - 1][2] if place else 16)
    if minimalistic:
        kernel_size, squeeze, activation = 3, False, "relu"

    def block(name: str, channels: int, size: tuple[int, int]) -> Block:
        wider, width = round_width(channels * expansion), round_width(out * width_multiplier)
        more = {"squeezed": round_width(wider / 4) if squeeze else 0, "gate": "hardsigmoid"}
        more |= {"kernel_size": kernel_size, "activation": activation, "squeeze_activation": "relu"}
        return bottleneck(name, channels, wider, width, stride, size, **more)

    return block


def _v3(
    rows: tuple, last: int, hidden: int, width_multiplier: float, resolution: Size, classes: int, minimalistic: bool
) -> Architecture:
    checks.multiplier(width_multiplier)
    checks.boolean("minimalistic", minimalistic)
    activation = "relu" if minimalistic else "hardswish"
    stem = _stem(round_width(16 * width_multiplier) if width_multiplier > 1 else 16, resolution, activation=activation)
    blocks = [_v3_block(rows, place, width_multiplier, minimalistic) for place in range(len(rows))]
    head = _then(hidden, bias=True, norm=None, activation=activation)  # behind the pooling, so on one pixel
    last_width = round_width(last * width_multiplier)
    return chain(stem, [*blocks, _then(last_width, activation=activation)], classes, [head])


def mobilenet_v3_large(
    width_multiplier: float = 1.0, resolution: Size = 224, num_classes: int = 1000, *, minimalistic: bool = False
) -> Architecture:
    """MobileNet V3-Large (Howard et al., 2019), Table 1.

    ``minimalistic`` is the authors' variant for processors on which 5×5 filters, squeeze-excite and hard-swish are
    slow: it has none of them. Errors are those of `mobilenet_v2`.

    >>> mobilenet_v3_large().cost.macs, mobilenet_v3_large().cost.params
    (216589760, 5483032)
    """
    return _v3(V3_LARGE, 960, 1280, width_multiplier, resolution, num_classes, minimalistic)


def mobilenet_v3_small(
    width_multiplier: float = 1.0, resolution: Size = 224, num_classes: int = 1000, *, minimalistic: bool = False
) -> Architecture:
    """MobileNet V3-Small (Howard et al., 2019), Table 2; arguments and errors are those of `mobilenet_v3_large`."""
    return _v3(V3_SMALL, 576, 1024, width_multiplier, resolution, num_classes, minimalistic)


# Figure 7 of MnasNet's paper and Table 1 of EfficientNet's: expansion, kernel, output channels, number of blocks,
# stride of the first one, squeeze-excite.
MNASNET_A1 = (
    (1, 3, 16, 1, 1, False),
    (6, 3, 24, 2, 2, False),
    (3, 5, 40, 3, 2, True),
    (6, 3, 80, 4, 2, False),
    (6, 3, 112, 2, 1, True),
    (6, 5, 160, 3, 2, True),
    (6, 3, 320, 1, 1, False),
)
EFFICIENTNET_B0 = (
    (1, 3, 16, 1, 1, True),
    (6, 3, 24, 2, 2, True),
    (6, 5, 40, 2, 2, True),
    (6, 3, 80, 3, 2, True),
    (6, 5, 112, 3, 1, True),
    (6, 5, 192, 4, 2, True),
    (6, 3, 320, 1, 1, True),
)


def _searched(rows: tuple, activation: Activation, resolution: Size, num_classes: int) -> Architecture:
    def block(expansion: int, kernel_size: int, width: int, stride: int, squeeze: bool) -> Maker:
        def make(name: str, channels: int, size: tuple[int, int]) -> Block:
            squeezed = channels // 4 if squeeze else 0  # a quarter of the narrow map, not of the wide one
            more = {"kernel_size": kernel_size, "activation": activation, "squeezed": squeezed}
            return inverted_residual(name, channels, width, stride, expansion, size, **more)

        return make

    blocks = [block(t, k, c, stride, squeeze) for t, k, c, n, s, squeeze in rows for stride in _strides(n, s)]
    stem = _stem(32, resolution, activation=activation)
    return chain(stem, [*blocks, _then(1280, activation=activation)], num_classes)


def mnasnet_a1(resolution: Size = 224, num_classes: int = 1000) -> Architecture:
    """MnasNet-A1 (Tan et al., 2018), figure 7. Errors are those of `mobilenet_v2`."""
    return _searched(MNASNET_A1, "relu", resolution, num_classes)


def efficientnet_b0(resolution: Size = 224, num_classes: int = 1000) -> Architecture:
    """EfficientNet-B0 (Tan and Le, 2019), Table 1, with SiLU. Errors are those of `mobilenet_v2`."""
    return _searched(EFFICIENTNET_B0, "silu", resolution, num_classes)


# Tables of the appendix of MobileNet V4's paper: kernel of the first depthwise layer (0: none), of the second one,
# expansion, output channels, stride, how often. What they call ExtraDW has both, IB the second, ConvNext the first, FFN
# none. Before the blocks stand convolutions, after them a 1×1 convolution with 960 channels.
V4_CONV_S = (
    (5, 5, 3, 96, 2, 1),
    (0, 3, 2, 96, 1, 4),
    (3, 0, 4, 96, 1, 1),
    (3, 3, 6, 128, 2, 1),
    (5, 5, 4, 128, 1, 1),
    (0, 5, 4, 128, 1, 1),
    (0, 5, 3, 128, 1, 1),
    (0, 3, 4, 128, 1, 2),
)
V4_CONV_M = (
    (3, 5, 4, 80, 2, 1),
    (3, 3, 2, 80, 1, 1),
    (3, 5, 6, 160, 2, 1),
    (3, 3, 4, 160, 1, 2),
    (3, 5, 4, 160, 1, 1),
    (3, 3, 4, 160, 1, 1),
    (3, 0, 4, 160, 1, 1),
    (0, 0, 2, 160, 1, 1),
    (3, 0, 4, 160, 1, 1),
    (5, 5, 6, 256, 2, 1),
    (5, 5, 4, 256, 1, 1),
    (3, 5, 4, 256, 1, 2),
    (0, 0, 4, 256, 1, 1),
    (3, 0, 4, 256, 1, 1),
    (3, 5, 2, 256, 1, 1),
    (5, 5, 4, 256, 1, 1),
    (0, 0, 4, 256, 1, 2),
    (5, 0, 2, 256, 1, 1),
)


def _v4(rows: tuple, first: list[Maker], resolution: Size, num_classes: int) -> Architecture:
    def block(start: int, kernel_size: int, expansion: int, width: int, stride: int) -> Maker:
        kernels = {"first_kernel": start, "kernel_size": kernel_size, "activation": "relu"}
        return lambda name, channels, size: inverted_residual(name, channels, width, stride, expansion, size, **kernels)

    blocks = [block(*row, stride) for *row, s, n in rows for stride in _strides(n, s)]
    return chain(_stem(32, resolution), [*first, *blocks, _then(960)], num_classes, [_then(1280)])


def mobilenet_v4_conv_s(resolution: Size = 224, num_classes: int = 1000) -> Architecture:
    """MobileNetV4-Conv-S (Qin et al., 2024). Errors are those of `mobilenet_v2`.

    >>> mobilenet_v4_conv_s().cost.macs
    186005568
    """
    first = [_then(32, 3, 2), _then(32), _then(96, 3, 2), _then(64)]
    return _v4(V4_CONV_S, first, resolution, num_classes)


def mobilenet_v4_conv_m(resolution: Size = 256, num_classes: int = 1000) -> Architecture:
    """MobileNetV4-Conv-M (Qin et al., 2024). Errors are those of `mobilenet_v2`.

    >>> mobilenet_v4_conv_m().cost.macs
    1080244224
    """
    return _v4(V4_CONV_M, [_fused], resolution, num_classes)


def _fused(name: str, in_channels: int, input_size: tuple[int, int]) -> Block:
    """A "fused" bottleneck, in which one standard convolution expands and filters."""
    expand = convolution(f"{name}.expand", in_channels, 4 * in_channels, 3, 2, input_size)
    project = convolution(f"{name}.project", 4 * in_channels, 48, 1, 1, expand.output_size, activation=None)
    return Block((expand, project))


def repvgg_a0(resolution: Size = 224, num_classes: int = 1000) -> Architecture:
    """RepVGG-A0 (Ding et al., 2021), Table 2, as it runs: every block has become one 3×3 convolution with a bias.

    Errors are those of `mobilenet_v2`.
    """
    plain = {"bias": True, "norm": None}
    rows = ((48, 2), (96, 4), (192, 14), (1280, 1))  # output channels, how often; the first of each has stride 2
    blocks = [_then(width, 3, stride, **plain) for width, repeats in rows for stride in _strides(repeats, 2)]
    return chain(_stem(48, resolution, **plain), blocks, num_classes)


def shufflenet_v2(resolution: Size = 224, num_classes: int = 1000) -> Architecture:
    """ShuffleNet V2 at 1× (Ma et al., 2018), Table 5: to count only, since its blocks branch.

    A block works on half of the channels and passes the others on as they are. The first of a stage has stride 2, and
    both of its branches see all channels.
    """
    stem = _stem(24, resolution)
    pool = Layer("blocks.0", "max-pooling", 24, 24, 3, 2, stem.output_size)
    blocks, channels, size = [Block((pool,))], 24, pool.output_size
    for width, repeats in ((116, 4), (232, 8), (464, 4)):
        for stride in _strides(repeats, 2):
            name, half = f"blocks.{len(blocks)}", width // 2
            read = channels if stride == 2 else half
            left = [Layer(f"{name}.left_depthwise", "depthwise", read, read, 3, 2, size, activation=None)]
            left += [convolution(f"{name}.left_pointwise", read, half, 1, 1, left[0].output_size)]
            first = convolution(f"{name}.expand", read, half, 1, 1, size)
            depthwise = Layer(f"{name}.depthwise", "depthwise", half, half, 3, stride, size, activation=None)
            last = convolution(f"{name}.project", half, half, 1, 1, depthwise.output_size)
            blocks.append(Block((*(left if stride == 2 else ()), first, depthwise, last)))
            channels, size = width, last.output_size
    blocks.append(Block((convolution(f"blocks.{len(blocks)}", channels, 1024, 1, 1, size),)))
    return _finished(stem, blocks, num_classes)


def xception(resolution: Size = 299, num_classes: int = 1000) -> Architecture:
    """Xception (Chollet, 2016), figure 5: to count only, since its blocks branch.

    Batch norm stands behind a pair of layers, not between them, and ReLU before it, which is not told here.
    """
    stem = _stem(32, resolution, padded=False)
    blocks = [Block((convolution("blocks.0", 32, 64, 3, 1, stem.output_size, padded=False),))]
    for widths, halves in (
        *((((width, width), True)) for width in (128, 256, 728)),
        *[((728,) * 3, False)] * 8,
        ((728, 1024), True),
        ((1536, 2048), False),
    ):
        name, before, layers = f"blocks.{len(blocks)}", blocks[-1][-1], []
        channels, size = before.out_channels, before.output_size
        if halves:  # the shortcut
            layers.append(convolution(f"{name}.shortcut", channels, widths[-1], 1, 2, size, activation=None))
        for place, width in enumerate(widths):
            filters = {"norm": None, "activation": None}
            layers.append(Layer(f"{name}.depthwise{place}", "depthwise", channels, channels, 3, 1, size, **filters))
            layers.append(convolution(f"{name}.pointwise{place}", channels, width, 1, 1, size))
            channels = width
        if halves:
            layers.append(Layer(f"{name}.pool", "max-pooling", channels, channels, 3, 2, size))
        blocks.append(Block(layers, residual=widths == (728,) * 3))
    return _finished(stem, blocks, num_classes)


def convnext_t(resolution: Size = 224, num_classes: int = 1000) -> Architecture:
    """ConvNeXt-T (Liu et al., 2022): to count only, since MobileNet has neither layer norm nor learned scales.

    Depthwise 7×7, expand four times, project, and a learned scale for each channel of each block.
    """
    plain = {"bias": True, "norm": None}
    patches = {"bias": True, "norm": "layer", "activation": None, "padded": False}
    stem = _stem(96, resolution, 4, 4, **patches)
    blocks: list[Block] = []
    channels, size = 96, stem.output_size
    for width, repeats in ((96, 3), (192, 3), (384, 9), (768, 3)):
        if width != channels:  # layer norm, and a convolution that halves the map
            name = f"blocks.{len(blocks)}"
            norm = Layer(f"{name}.norm", "scale", channels, channels, 1, 1, size, bias=True)
            halves = convolution(f"{name}.halve", channels, width, 2, 2, size, padded=False, activation=None, **plain)
            blocks.append(Block((norm, halves)))
            channels, size = width, halves.output_size
        for _ in range(repeats):
            name, wide = f"blocks.{len(blocks)}", 4 * width
            filters = {"bias": True, "norm": "layer", "activation": None}
            depthwise = Layer(f"{name}.depthwise", "depthwise", width, width, 7, 1, size, **filters)
            expand = convolution(f"{name}.expand", width, wide, 1, 1, size, activation="gelu", **plain)
            project = convolution(f"{name}.project", wide, width, 1, 1, size, activation=None, **plain)
            scale = Layer(f"{name}.scale", "scale", width, width, 1, 1, size)
            blocks.append(Block((depthwise, expand, project, scale), residual=True))
    norm = Layer("head.0", "scale", channels, channels, 1, 1, (1, 1), bias=True)
    return _finished(stem, blocks, num_classes, (norm,))


def _finished(stem: Layer, blocks: list[Block], num_classes: int, head: tuple[Layer, ...] = ()) -> Architecture:
    """With the pooling and the classifier that `chain` would add."""
    last = blocks[-1][-1]
    end = chain(last, (), num_classes)
    return Architecture(stem, tuple(blocks), end.pooling, end.classifier, head)


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
        architecture: the layers.
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
    architecture: Architecture

    @property
    def cost(self) -> Cost:
        """Cost of the whole network for one image, biases and normalisation included."""
        return self.architecture.cost

    def cost_by_kind(self) -> dict[str, Cost]:
        """The cost of each kind of layer, in the order in which the kinds appear."""
        return self.architecture.cost_by_kind()


@cache
def networks() -> tuple[Network, ...]:
    """MobileNet V1 and its relatives, in the order of their papers.

    >>> [(each.name, each.macs.printed, each.macs.verdict) for each in networks()][-1]
    ('MobileNetV4-Conv-M', '1.0', 'equal another way')
    """
    return tuple(_network(row) for row in _rows("successors.csv"))


def _network(row: dict[str, str]) -> Network:
    name, resolution = row["name"], int(row["resolution"])
    architecture = _architecture(name, resolution)
    cost = architecture.cost
    macs = ("MACs", cost.macs), ("FLOPs, two for each MAC", cost.flops)
    params = ("all learned parameters", cost.params), ("bare weights", architecture.weights)
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
        architecture,
    )


def _architecture(name: str, resolution: int) -> Architecture:
    """By its name, behind which a width multiplier may stand."""
    family, _, width_multiplier = name.rpartition(" ")
    if family in _FAMILIES:
        return _FAMILIES[family](float(width_multiplier), resolution)
    if name not in _FAMILIES:
        raise ValueError(f"{name!r} is in successors.csv, but not built: add it to _FAMILIES, or correct the row")
    return _FAMILIES[name](resolution=resolution)


_FAMILIES: dict[str, Callable[..., Architecture]] = {
    "MobileNet V1": mobilenet_v1,
    "MobileNet V2": mobilenet_v2,
    "MobileNet V3-Large": mobilenet_v3_large,
    "MobileNet V3-Small": mobilenet_v3_small,
    "MobileNet V3-Large minimalistic": partial(mobilenet_v3_large, minimalistic=True),
    "MobileNet V3-Small minimalistic": partial(mobilenet_v3_small, minimalistic=True),
    "MobileNetV4-Conv-S": mobilenet_v4_conv_s,
    "MobileNetV4-Conv-M": mobilenet_v4_conv_m,
    "MnasNet-A1": mnasnet_a1,
    "EfficientNet-B0": efficientnet_b0,
    "RepVGG-A0": repvgg_a0,
    "ShuffleNet V2 1×": shufflenet_v2,
    "Xception": xception,
    "ConvNeXt-T": convnext_t,
}


@dataclass(frozen=True, slots=True)
class V2Checkpoint:
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
def checkpoints() -> tuple[V2Checkpoint, ...]:
    """The 22 released networks of MobileNet V2, as ``research/slim/nets/mobilenet/README.md`` of TensorFlow's models
    prints them. They were trained after the paper, so never mix their accuracies with its own.

    >>> checkpoints()[0].name, checkpoints()[0].macs.printed, checkpoints()[0].macs.verdict
    ('1.4 MobileNetV2-224', '582', 'equal')
    """
    return tuple(_checkpoint(row) for row in _rows("mobilenet_v2_checkpoints.csv"))


def _checkpoint(row: dict[str, str]) -> V2Checkpoint:
    width_multiplier, resolution = float(row["width_multiplier"]), int(row["resolution"])
    network = mobilenet_v2(width_multiplier, resolution)
    name = f"{width_multiplier} MobileNetV2-{resolution}"
    macs = (("MACs", network.cost.macs),)
    params = ("bare weights", network.weights), ("all learned parameters", network.cost.params)
    return V2Checkpoint(
        width_multiplier,
        resolution,
        float(row["top1_percent"]),
        Figure(name, "MACs", row["million_macs"], "million", macs),
        Figure(name, "parameters", row["million_params"], "million", params),
    )


@dataclass(frozen=True, slots=True)
class PhoneLatency:
    """A released network, and how many milliseconds an image took on the large core of a phone, as printed.

    Attributes:
        family, width_multiplier, resolution: such as ``V2``, 0.75 and 160.
        numbers: ``float`` or ``8-bit``.
        million_macs, million_params: as printed.
        top1_percent: accuracy on ImageNet.
        milliseconds: by phone, such as ``{"Pixel 1": 73.8}``; only those that are printed.
    """

    family: str
    width_multiplier: float
    resolution: int
    numbers: str
    million_macs: float
    million_params: float
    top1_percent: float
    milliseconds: dict[str, float]

    @property
    def name(self) -> str:
        """As in ``V2 0.75, 160 pixels``; ``8-bit`` behind it where that is so."""
        bits = ", 8-bit" if self.numbers == "8-bit" else ""
        return f"{self.family} {self.width_multiplier}, {self.resolution} pixels{bits}"


@cache
def phone_latencies() -> tuple[PhoneLatency, ...]:
    """What ``research/slim/nets/mobilenet/README.md`` of TensorFlow's models prints for MobileNet V2 and V3.

    >>> max(phone_latencies(), key=lambda each: each.milliseconds["Pixel 1"]).name
    'V2 1.4, 224 pixels'
    """
    return tuple(
        PhoneLatency(
            row["family"],
            float(row["width_multiplier"]),
            int(row["resolution"]),
            row["numbers"],
            float(row["million_macs"]),
            float(row["million_params"]),
            float(row["top1_percent"]),
            {f"Pixel {i}": float(row[f"pixel{i}_ms"]) for i in (1, 2, 3) if row[f"pixel{i}_ms"]},
        )
        for row in _rows("phone_latencies.csv")
    )


def _rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(line for line in _data(name).splitlines() if not line.startswith("#")))
