"""MobileNet V1 as data: Table 1 of the paper, written once, and everything that can be read off it.

The network, its costs, the figures of the book and its tests all come from here. An `Architecture` is a list of
`Layer`s with their shapes at one input resolution. Three architectures are named: `mobilenet_v1` (Table 1), its dense
twin `conv_mobilenet` (Table 4), and `shallow_mobilenet` (Table 5).

This module needs nothing but the standard library.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from mobilenet_edu import checks
from mobilenet_edu.cost import (
    Cost,
    Size,
    batch_norm2d_cost,
    conv2d_cost,
    conv_output_size,
    linear_cost,
)

__all__ = [
    "STEM",
    "TABLE_1",
    "Architecture",
    "Layer",
    "conv_mobilenet",
    "dense_block",
    "from_table",
    "mobilenet_v1",
    "separable_block",
    "shallow_mobilenet",
]

Kind: TypeAlias = Literal["standard", "depthwise", "pointwise", "pooling", "classifier"]
_KINDS = get_args(Kind)

# Table 1 of the paper, as (output channels, stride): the first convolution, then the thirteen blocks. The table prints
# stride 2 for the last depthwise layer; its own output size, and the released code, need stride 1.
STEM = (32, 2)
TABLE_1 = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
)


@dataclass(frozen=True, slots=True)
class Layer:
    """One row of Table 1: a convolution, the average pooling or the classifier, with its shapes.

    Attributes:
        name: where the built network keeps it, such as ``blocks.0.depthwise``.
        kind: ``standard``, ``depthwise``, ``pointwise``, ``pooling`` or ``classifier``.
        in_channels, out_channels: the paper's M and N.
        kernel_size: the paper's D_K, one side; for the pooling, the map that it averages.
        stride: 1 or 2.
        input_size: the paper's D_F, as ``(height, width)``.
        bias: whether the layer has a bias. Convolutions are followed by batch norm, so theirs is off by default.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: a number below 1, an unknown kind, or a shape that is not of this kind.
    """

    name: str
    kind: Kind
    in_channels: int
    out_channels: int
    kernel_size: int | tuple[int, int]
    stride: int
    input_size: tuple[int, int]
    bias: bool = False

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise ValueError(f"kind={self.kind!r} must be one of {', '.join(_KINDS)}")
        checks.positive("in_channels", self.in_channels)
        checks.positive("out_channels", self.out_channels)
        check_kernel = checks.pair if self.kind == "pooling" else checks.positive
        check_kernel("kernel_size", self.kernel_size)
        checks.positive("stride", self.stride)
        object.__setattr__(self, "input_size", checks.pair("input_size", self.input_size))
        checks.boolean("bias", self.bias)
        if self.kind == "depthwise" and self.out_channels != self.in_channels:
            raise ValueError(f"out_channels={self.out_channels} must be in_channels={self.in_channels} if depthwise")
        if self.kind == "pointwise" and self.kernel_size != 1:
            raise ValueError(f"kernel_size={self.kernel_size} must be 1 if pointwise")

    @property
    def groups(self) -> int:
        """As in ``nn.Conv2d``, every channel its own group in a depthwise layer, one group elsewhere."""
        return self.in_channels if self.kind == "depthwise" else 1

    @property
    def padding(self) -> int:
        """As in ``nn.Conv2d``, half the kernel, so that stride 1 keeps the size; none for pooling and classifier."""
        return self.kernel_size // 2 if self.is_convolution else 0

    @property
    def is_convolution(self) -> bool:
        """Whether the layer is a convolution, and so is followed by batch norm and an activation."""
        return self.kind not in ("pooling", "classifier")

    @property
    def output_size(self) -> tuple[int, int]:
        """Size of the map that the layer writes, as ``(height, width)``."""
        return conv_output_size(self.input_size, self.kernel_size, self.stride, self.padding)

    @property
    def weights(self) -> int:
        """Weights alone, as the paper counts parameters, without bias and batch norm."""
        cost = self.cost
        biases = self.out_channels if self.bias else 0
        return cost.params - biases - (2 * self.out_channels if self.is_convolution else 0)

    @property
    def cost(self) -> Cost:
        """Cost of the layer for one image, its bias and its batch norm included. Pooling costs nothing."""
        if self.kind == "pooling":
            return Cost()
        if self.kind == "classifier":
            return linear_cost(self.in_channels, self.out_channels, bias=self.bias)
        convolution = conv2d_cost(
            self.in_channels,
            self.out_channels,
            self.kernel_size,
            self.input_size,
            stride=self.stride,
            padding=self.padding,
            groups=self.groups,
            bias=self.bias,
        )
        return convolution + batch_norm2d_cost(self.out_channels)


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network as data: a stem, blocks of one or two layers, a pooling and a classifier.

    ``==`` compares every shape. `mobilenet_edu.network.MobileNet` builds the network that it describes.
    """

    stem: Layer
    blocks: tuple[tuple[Layer, ...], ...]
    pooling: Layer
    classifier: Layer

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Every layer in the order in which an image meets it."""
        return (self.stem, *(layer for block in self.blocks for layer in block), self.pooling, self.classifier)

    @property
    def cost(self) -> Cost:
        """Cost of the whole network for one image, batch norm and the classifier's bias included."""
        return sum((layer.cost for layer in self.layers), Cost())

    @property
    def weights(self) -> int:
        """Weights alone, as the paper counts parameters, without bias and batch norm."""
        return sum(layer.weights for layer in self.layers)

    @property
    def activation_elements(self) -> int:
        """Numbers that the convolutions write for one image. Training keeps them, twice, until the backward pass:
        once as batch norm's input and once as ReLU's output.

        >>> mobilenet_v1().activation_elements, conv_mobilenet().activation_elements
        (5042688, 3110912)
        """
        return sum(layer.cost.output_elements for layer in self.layers if layer.is_convolution)

    @property
    def peak_layer(self) -> Layer:
        """The first layer whose input and output together are largest.

        Without gradients a map can go as soon as the next one is written. With batch norm folded and ReLU in place,
        this layer then decides how many numbers must be in memory at once for one image:
        ``peak_layer.cost.input_elements + peak_layer.cost.output_elements``.
        """
        return max(self.layers, key=lambda layer: layer.cost.input_elements + layer.cost.output_elements)

    def cost_by_kind(self) -> dict[Kind, Cost]:
        """The cost of each kind of layer, in the order in which the kinds appear."""
        costs: dict[Kind, Cost] = {}
        for layer in self.layers:
            costs[layer.kind] = costs.get(layer.kind, Cost()) + layer.cost
        return costs


Block: TypeAlias = Callable[[str, int, int, int, tuple[int, int], bool], tuple[Layer, ...]]


def separable_block(
    name: str, in_channels: int, out_channels: int, stride: int, input_size: tuple[int, int], bias: bool
) -> tuple[Layer, ...]:
    """A depthwise 3×3 layer that carries the stride, then a pointwise one."""
    depthwise = Layer(f"{name}.depthwise", "depthwise", in_channels, in_channels, 3, stride, input_size, bias)
    between = depthwise.output_size
    return depthwise, Layer(f"{name}.pointwise", "pointwise", in_channels, out_channels, 1, 1, between, bias)


def dense_block(
    name: str, in_channels: int, out_channels: int, stride: int, input_size: tuple[int, int], bias: bool
) -> tuple[Layer, ...]:
    """One standard 3×3 layer with the same input and output as `separable_block`."""
    return (Layer(name, "standard", in_channels, out_channels, 3, stride, input_size, bias),)


def from_table(
    rows: Sequence[tuple[int, int]],
    block: Block,
    width_multiplier: float = 1.0,
    resolution: Size = 224,
    num_classes: int = 1000,
    in_channels: int = 3,
    bias: bool = False,
) -> Architecture:
    """The architecture whose blocks are ``rows`` of (output channels, stride), each made by ``block``.

    Stem, pooling and classifier are those of Table 1. Channels are ``int(channels * width_multiplier)``, rounded down
    as in the released code. ``bias`` is that of the convolutions; the classifier always has one.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: a number below 1, a row that is no pair, or a ``width_multiplier`` that is not positive and finite
            or leaves no channel.
    """
    sequence = (tuple, list)
    if not (isinstance(rows, sequence) and all(isinstance(row, sequence) and len(row) == 2 for row in rows)):
        raise ValueError(f"rows={rows!r} must be a table of pairs (output channels, stride)")
    if not callable(block):
        raise TypeError(f"block={block!r} must be a function such as separable_block")
    checks.positive("num_classes", num_classes)
    checks.positive("in_channels", in_channels)
    checks.boolean("bias", bias)
    stem_channels, stem_stride = STEM
    channels = _thin(stem_channels, width_multiplier)
    stem = Layer("stem", "standard", in_channels, channels, 3, stem_stride, checks.pair("resolution", resolution), bias)

    blocks = []
    size = stem.output_size
    for index, (full_channels, stride) in enumerate(rows):
        checks.positive(f"rows[{index}][0]", full_channels)
        out_channels = _thin(full_channels, width_multiplier)
        blocks.append(block(f"blocks.{index}", channels, out_channels, stride, size, bias))
        channels, size = out_channels, blocks[-1][-1].output_size

    pooling = Layer("pool", "pooling", channels, channels, size, 1, size)
    classifier = Layer("classifier", "classifier", channels, num_classes, 1, 1, (1, 1), bias=True)
    return Architecture(stem, tuple(blocks), pooling, classifier)


def mobilenet_v1(
    width_multiplier: float = 1.0,
    resolution: Size = 224,
    num_classes: int = 1000,
    *,
    in_channels: int = 3,
    bias: bool = False,
) -> Architecture:
    """MobileNet V1: Table 1 of the paper, made thinner by ``width_multiplier`` (α) and fed images of ``resolution``.

    Errors are those of `from_table`.

    >>> mobilenet_v1().cost.macs, mobilenet_v1().weights
    (568740352, 4209088)
    """
    return from_table(TABLE_1, separable_block, width_multiplier, resolution, num_classes, in_channels, bias)


def conv_mobilenet(
    width_multiplier: float = 1.0,
    resolution: Size = 224,
    num_classes: int = 1000,
    *,
    in_channels: int = 3,
    bias: bool = False,
) -> Architecture:
    """The dense twin of `mobilenet_v1`: every block is one standard convolution (Table 4, "Conv MobileNet").

    >>> conv_mobilenet().cost.macs, conv_mobilenet().weights
    (4867293184, 29281120)
    """
    return from_table(TABLE_1, dense_block, width_multiplier, resolution, num_classes, in_channels, bias)


def shallow_mobilenet(
    width_multiplier: float = 1.0,
    resolution: Size = 224,
    num_classes: int = 1000,
    *,
    in_channels: int = 3,
    bias: bool = False,
) -> Architecture:
    """`mobilenet_v1` without its five blocks of 14×14×512 (Table 5, "Shallow MobileNet").

    >>> shallow_mobilenet().cost.macs, shallow_mobilenet().weights
    (307323392, 2875328)
    """
    rows = [row for row in TABLE_1 if row != (512, 1)]
    return from_table(rows, separable_block, width_multiplier, resolution, num_classes, in_channels, bias)


def _thin(channels: int, width_multiplier: float) -> int:
    checks.multiplier(width_multiplier)
    thin = int(channels * width_multiplier)
    if thin < 1:
        raise ValueError(f"width_multiplier={width_multiplier!r} must leave at least 1 of {channels} channels, not 0")
    return thin
