"""MobileNet V1 as data: Table 1 of the paper, written once, and everything that can be read off it.

The network, its costs, the figures of the book and its tests all come from here. An `Architecture` is a list of
`Layer`s with their shapes at one input resolution, put together in `Block`s. Three architectures are named:
`mobilenet_v1` (Table 1), its dense twin `conv_mobilenet` (Table 4), and `shallow_mobilenet` (Table 5). Those that came
after are written in the same notation, in `mobilenet_edu.successors`.

This module needs nothing but the standard library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

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
    "Block",
    "Layer",
    "chain",
    "conv_mobilenet",
    "dense_block",
    "from_table",
    "mobilenet_v1",
    "separable_block",
    "shallow_mobilenet",
]

Kind: TypeAlias = Literal[
    "standard", "depthwise", "pointwise", "squeeze-excite", "scale", "max-pooling", "pooling", "classifier"
]
Activation: TypeAlias = Literal["relu", "relu6", "hardswish", "silu", "gelu", "sigmoid", "hardsigmoid"]
Norm: TypeAlias = Literal["batch", "layer"]
_KINDS = get_args(Kind)
_CONVOLUTIONS = ("standard", "depthwise", "pointwise")
_AS_IN_V1: Any = "as in V1"

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

    What V1 lacks and later networks have are three more kinds: ``squeeze-excite`` scales each channel by a number that
    two linear layers make of all channels' means; ``scale`` is a learned factor for each channel, with ``bias`` a shift
    too; ``max-pooling`` takes the largest number of each window.

    Attributes:
        name: where the built network keeps it, such as ``blocks.0.depthwise``.
        kind: ``standard``, ``depthwise``, ``pointwise``, ``pooling`` or ``classifier``, or one of those above.
        in_channels, out_channels: the paper's M and N.
        kernel_size: the paper's D_K, one side; for the pooling, the map that it averages.
        stride: 1 or 2.
        input_size: the paper's D_F, as ``(height, width)``.
        bias: whether the layer has a bias. Convolutions are followed by batch norm, so theirs is off by default.
        norm: ``batch``, ``layer`` or ``None``. By default as in V1: batch norm after convolutions, none elsewhere.
        activation: what follows, such as ``relu``, ``relu6``, ``hardswish`` or ``silu``, or ``None``. By default as in
            V1: ReLU after convolutions, nothing elsewhere. In a squeeze-excite, what stands between its two layers.
        padded: whether a convolution is padded by half its kernel.
        squeezed: how many channels a squeeze-excite has between its two layers; 0 for other kinds.
        gate: what a squeeze-excite ends with, ``sigmoid`` or ``hardsigmoid``.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: a number below 1, an unknown kind, norm or activation, or a shape that is not of this kind.
    """

    name: str
    kind: Kind
    in_channels: int
    out_channels: int
    kernel_size: int | tuple[int, int]
    stride: int
    input_size: tuple[int, int]
    bias: bool = False
    norm: Norm | None = _AS_IN_V1
    activation: Activation | None = _AS_IN_V1
    padded: bool = True
    squeezed: int = 0
    gate: Literal["sigmoid", "hardsigmoid"] = "sigmoid"

    def __post_init__(self) -> None:
        checks.one_of("kind", self.kind, _KINDS)
        checks.positive("in_channels", self.in_channels)
        checks.positive("out_channels", self.out_channels)
        check_kernel = checks.pair if self.kind == "pooling" else checks.positive
        check_kernel("kernel_size", self.kernel_size)
        checks.positive("stride", self.stride)
        object.__setattr__(self, "input_size", checks.pair("input_size", self.input_size))
        checks.boolean("bias", self.bias)
        checks.boolean("padded", self.padded)
        as_in_v1 = (
            {"norm": "batch", "activation": "relu"} if self.is_convolution else {"norm": None, "activation": None}
        )
        for name, usual in as_in_v1.items():
            if getattr(self, name) == _AS_IN_V1:
                object.__setattr__(self, name, usual)
        self._check_kind()

    def _check_kind(self) -> None:
        """What this kind of layer cannot have."""
        keeps_channels = self.kind not in ("standard", "pointwise", "classifier")
        if keeps_channels and self.out_channels != self.in_channels:
            raise ValueError(f"out_channels={self.out_channels} must be in_channels={self.in_channels} if {self.kind}")
        if self.kernel_size != 1 and self.kind in ("pointwise", "squeeze-excite", "scale", "classifier"):
            raise ValueError(f"kernel_size={self.kernel_size} must be 1 if {self.kind}")
        if self.stride != 1 and self.kind in ("squeeze-excite", "scale", "pooling", "classifier"):
            raise ValueError(f"stride={self.stride} must be 1 if {self.kind}")
        if self.kind == "classifier" and self.input_size != (1, 1):
            raise ValueError(f"input_size={self.input_size} must be (1, 1) if classifier")
        if self.bias and self.kind in ("pooling", "max-pooling"):
            raise ValueError(f"bias=True must be False if {self.kind}")
        checks.one_of("norm", self.norm, (*get_args(Norm), None) if self.is_convolution else (None,), self.kind)
        activated = self.is_convolution or self.kind == "squeeze-excite"
        checks.one_of("activation", self.activation, (*get_args(Activation), None) if activated else (None,), self.kind)
        checks.one_of("gate", self.gate, ("sigmoid", "hardsigmoid"))
        checks.integer("squeezed", self.squeezed, smallest=0)
        if (self.squeezed > 0) != (self.kind == "squeeze-excite"):
            raise ValueError(f"squeezed={self.squeezed} must be at least 1 if squeeze-excite, 0 if any other kind")

    @property
    def groups(self) -> int:
        """As in ``nn.Conv2d``, every channel its own group in a depthwise layer, one group elsewhere."""
        return self.in_channels if self.kind == "depthwise" else 1

    @property
    def padding(self) -> int:
        """As in ``nn.Conv2d``, half the kernel, so that stride 1 keeps the size; none for pooling and classifier."""
        moves = self.is_convolution or self.kind == "max-pooling"
        return half(self.kernel_size) if self.padded and moves else 0

    @property
    def is_convolution(self) -> bool:
        """Whether the layer is a convolution, so that batch norm and an activation may follow it."""
        return self.kind in _CONVOLUTIONS

    @property
    def output_size(self) -> tuple[int, int]:
        """Size of the map that the layer writes, as ``(height, width)``."""
        return conv_output_size(self.input_size, self.kernel_size, self.stride, self.padding)

    @property
    def weights(self) -> int:
        """Weights alone, as the paper counts parameters; no biases, batch norm and other learned scales."""
        return 0 if self.kind == "scale" else self._product.params

    @property
    def cost(self) -> Cost:
        """Cost of the layer for one image, its bias and its normalisation included. Pooling costs nothing."""
        biases = self.out_channels + self.squeezed if self.bias else 0
        norm = batch_norm2d_cost(self.out_channels) if self.norm else Cost()  # layer norm has as many numbers
        return self._product + norm + Cost(params=biases)

    @property
    def _product(self) -> Cost:
        """What the layer multiplies, bare."""
        if self.kind == "classifier":
            return linear_cost(self.in_channels, self.out_channels, bias=False)
        if self.kind == "squeeze-excite":
            shape = self.in_channels, self.squeezed
            return linear_cost(*shape, bias=False) + linear_cost(*shape[::-1], bias=False)
        if self.kind == "scale":
            return Cost(params=self.out_channels)
        if not self.is_convolution:
            return Cost()
        how = {"stride": self.stride, "padding": self.padding, "groups": self.groups}
        return conv2d_cost(self.in_channels, self.out_channels, self.kernel_size, self.input_size, **how)


def half(kernel_size: int) -> int:
    """The padding with which an odd kernel keeps the size of the map."""
    return kernel_size // 2


@dataclass(frozen=True, slots=True)
class Block:
    """Layers that an image meets one after the other; a sequence of them.

    Attributes:
        layers: at least one `Layer`.
        residual: whether what the first layer reads is added to what the last one writes. That costs no MACs.

    Raises:
        TypeError: a layer is none, or ``residual`` is no boolean.
        ValueError: there is no layer, or the input of a residual block has another shape than its output.
    """

    layers: tuple[Layer, ...]
    residual: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        checks.boolean("residual", self.residual)
        if not self.layers:
            raise ValueError("layers=() must have at least one layer")
        for layer in self.layers:
            if not isinstance(layer, Layer):
                raise TypeError(f"layers has {layer!r} and must have nothing but instances of Layer")
        read = (self[0].in_channels, *self[0].input_size)
        written = (self[-1].out_channels, *self[-1].output_size)
        if self.residual and read != written:
            raise ValueError(
                f"residual=True needs an input of the output's shape {written}, and {self[0].name} reads {read}"
            )

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, index: Any) -> Any:
        return self.layers[index]


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network as data: a stem, blocks, a pooling, and a classifier, in some networks behind a ``head``.

    A plain sequence of layers stands for the `Block` of them. ``==`` compares every shape.
    `mobilenet_edu.network.MobileNet` builds the network that it describes.
    """

    stem: Layer
    blocks: tuple[Block, ...]
    pooling: Layer
    classifier: Layer
    head: tuple[Layer, ...] = ()  # between pooling and classifier

    def __post_init__(self) -> None:
        blocks = tuple(block if isinstance(block, Block) else Block(block) for block in self.blocks)
        object.__setattr__(self, "blocks", blocks)
        object.__setattr__(self, "head", tuple(self.head))

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Every layer in the order in which an image meets it."""
        inside = (layer for block in self.blocks for layer in block)
        return (self.stem, *inside, self.pooling, *self.head, self.classifier)

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


Maker: TypeAlias = Callable[[str, int, tuple[int, int]], "Block | Layer | Sequence[Layer]"]
"""Makes a block, or one layer, from its name and the channels and the size of the map that it reads."""


def chain(stem: Layer, blocks: Sequence[Maker], num_classes: int = 1000, head: Sequence[Maker] = ()) -> Architecture:
    """The architecture in which each block reads what the one before it writes.

    After the blocks come the pooling over the whole map, the layers of ``head`` and a classifier with a bias.

    Raises:
        TypeError, ValueError: ``num_classes`` is no positive integer, or a block cannot be made.
    """
    checks.positive("num_classes", num_classes)
    made: list[Block] = []
    last = stem
    for index, make in enumerate(blocks):
        block = make(f"blocks.{index}", last.out_channels, last.output_size)
        made.append(
            Block((block,)) if isinstance(block, Layer) else block if isinstance(block, Block) else Block(block)
        )
        last = made[-1][-1]
    size, channels = last.output_size, last.out_channels
    pooling = last = Layer("pool", "pooling", channels, channels, size, 1, size)
    after = []
    for index, make in enumerate(head):
        last = make(f"head.{index}", last.out_channels, last.output_size)
        after.append(last)
    classifier = Layer("classifier", "classifier", last.out_channels, num_classes, 1, 1, (1, 1), bias=True)
    return Architecture(stem, tuple(made), pooling, classifier, tuple(after))


BlockMaker: TypeAlias = Callable[[str, int, int, int, tuple[int, int], bool], "Block | tuple[Layer, ...]"]


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
    block: BlockMaker,
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
    checks.positive("in_channels", in_channels)
    checks.boolean("bias", bias)
    stem_channels, stem_stride = STEM
    stem_channels = _thin(stem_channels, width_multiplier)
    size = checks.pair("resolution", resolution)
    stem = Layer("stem", "standard", in_channels, stem_channels, 3, stem_stride, size, bias)
    for index, (channels, _) in enumerate(rows):
        checks.positive(f"rows[{index}][0]", channels)

    def maker(channels: int, stride: int) -> Maker:
        out_channels = _thin(channels, width_multiplier)
        return lambda name, channels, size: block(name, channels, out_channels, stride, size, bias)

    return chain(stem, [maker(*row) for row in rows], num_classes)


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
