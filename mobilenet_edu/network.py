"""MobileNet V1 and the networks after it in PyTorch, built from the data in `mobilenet_edu.architecture`.

The names in the state dict are part of the interface: ``stem``, ``blocks.<i>.depthwise``, ``blocks.<i>.pointwise`` and
``classifier``. Where a layer is a convolution with its batch norm, ``.conv`` and ``.norm`` follow.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch import nn

from mobilenet_edu.architecture import (
    Architecture,
    Block,
    Layer,
    conv_mobilenet,
    mobilenet_v1,
    shallow_mobilenet,
)
from mobilenet_edu.blocks import ConvBNReLU, Residual, SqueezeExcite

__all__ = ["ConvMobileNet", "MobileNet", "MobileNetV1", "ShallowMobileNet"]

Activation = Callable[[], nn.Module]
ACTIVATIONS: dict[str | None, Activation] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "hardswish": nn.Hardswish,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "sigmoid": nn.Sigmoid,
    "hardsigmoid": nn.Hardsigmoid,
    None: nn.Identity,
}


class MobileNet(nn.Module):
    """The network that an `Architecture` describes: every layer becomes the module that its own fields describe, under
    its own name.

    Maps images (N, in_channels, H, W) to logits (N, num_classes). The architecture's resolution does not bind the
    network: a global average pooling takes any input of at least 1×1 pixels.

    ``activation`` stands where the data say ``"relu"``, and nowhere else.

    Raises:
        TypeError: ``architecture`` is none.
        ValueError: it cannot be built: a layer does not read what the one before it writes, as in a network with
            branches, has a name outside its block, or is of a kind or has a norm that is only counted.
    """

    def __init__(self, architecture: Architecture, activation: Activation = nn.ReLU) -> None:
        if not isinstance(architecture, Architecture):
            raise TypeError(f"architecture={architecture!r} must be an Architecture, such as mobilenet_v1()")
        _check(architecture)
        super().__init__()
        self.architecture = architecture
        build = partial(_layer, activations=ACTIVATIONS | {"relu": activation})
        self.stem = build(architecture.stem)
        self.blocks = nn.Sequential(*(_block(block, build) for block in architecture.blocks))
        self.pool = nn.AdaptiveAvgPool2d(1)
        if architecture.head:
            self.head = nn.Sequential(*map(build, architecture.head))
        self.classifier = build(architecture.classifier)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of shape (N, num_classes) for images of shape (N, in_channels, H, W)."""
        features = self.pool(self.blocks(self.stem(images)))  # (N, C, ⌈H / 32⌉, ⌈W / 32⌉), then (N, C, 1, 1)
        if self.architecture.head:
            features = self.head(features)
        return self.classifier(features.flatten(1))


class _Named(MobileNet):
    """A `MobileNet` whose architecture has a name."""

    describe: Callable[..., Architecture]

    def __init__(
        self,
        num_classes: int = 1000,
        width_multiplier: float = 1.0,
        *,
        in_channels: int = 3,
        bias: bool = False,
        activation: Activation = nn.ReLU,
    ) -> None:
        architecture = self.describe(width_multiplier, num_classes=num_classes, in_channels=in_channels, bias=bias)
        super().__init__(architecture, activation)


class MobileNetV1(_Named):
    """MobileNet V1 (Table 1). ``width_multiplier`` is the paper's α; any input size.

    >>> sum(p.numel() for p in MobileNetV1().parameters())
    4231976
    """

    describe = staticmethod(mobilenet_v1)


class ConvMobileNet(_Named):
    """The dense twin: every depthwise separable block is one standard convolution (Table 4)."""

    describe = staticmethod(conv_mobilenet)


class ShallowMobileNet(_Named):
    """MobileNet V1 without its five blocks of 14×14×512 (Table 5)."""

    describe = staticmethod(shallow_mobilenet)


def _block(block: Block, build: Callable[[Layer], nn.Module]) -> nn.Module:
    if block[0].name.count(".") == 1:  # a block of one layer is that layer
        return build(block[0])
    layers = OrderedDict((layer.name.rpartition(".")[2], build(layer)) for layer in block)
    return Residual(layers) if block.residual else nn.Sequential(layers)


def _layer(layer: Layer, activations: dict[str | None, Activation]) -> nn.Module:
    shape = layer.in_channels, layer.out_channels
    activation = activations[layer.activation]
    match layer.kind:
        case "classifier":
            return nn.Linear(*shape, bias=layer.bias)
        case "max-pooling":
            return nn.MaxPool2d(layer.kernel_size, layer.stride, layer.padding)
        case "squeeze-excite":
            how = {"bias": layer.bias, "activation": activation, "gate": activations[layer.gate]}
            return SqueezeExcite(layer.in_channels, layer.squeezed, **how)
    how = {"stride": layer.stride, "padding": layer.padding, "groups": layer.groups, "bias": layer.bias}
    conv = nn.Conv2d(*shape, layer.kernel_size, **how)
    return ConvBNReLU(conv, activation, nn.BatchNorm2d if layer.norm else nn.Identity)


def _check(architecture: Architecture) -> None:
    """Refuse what would be built as another network than the one that is costed."""
    for before, after in pairwise(architecture.layers):
        written, read = (before.out_channels, *before.output_size), (after.in_channels, *after.input_size)
        if written != read:
            raise ValueError(
                f"{after.name!r} must read what {before.name!r} writes, {written}, and reads {read}: "
                "MobileNet builds no branches"
            )
    for layer in architecture.layers:
        if layer.kind == "scale" or layer.norm == "layer":
            raise ValueError(
                f"{layer.name!r} has layer norm or learned scales, which MobileNet counts and cannot build"
            )
    for place, block in enumerate(architecture.blocks):
        _check_block(f"blocks.{place}", block)
    for name, layer, kinds in (
        ("stem", architecture.stem, ("standard", "depthwise", "pointwise")),
        ("pool", architecture.pooling, ("pooling",)),
        ("classifier", architecture.classifier, ("classifier",)),
        *((f"head.{place}", layer, ("pointwise",)) for place, layer in enumerate(architecture.head)),
    ):
        if layer.name != name or layer.kind not in kinds:
            raise ValueError(f"a layer {layer.name!r} of kind {layer.kind!r} must be {name!r}, {' or '.join(kinds)}")
    if architecture.pooling.output_size != (1, 1):
        raise ValueError(f"the pooling must average the whole map, not {architecture.pooling.kernel_size} of it")


def _check_block(name: str, block: Block) -> None:
    names = [layer.name for layer in block]
    for layer in block:
        if layer.kind in ("pooling", "classifier"):
            raise ValueError(f"{name!r} must be built from other layers than a {layer.kind}, which {layer.name!r} is")
    if names == [name] and not block.residual:
        return
    parts = [own.removeprefix(f"{name}.") for own in names]
    usual = all(own.startswith(f"{name}.") and part and "." not in part for own, part in zip(names, parts, strict=True))
    if not usual or len(set(parts)) < len(parts) or any(hasattr(Residual, part) for part in parts):
        raise ValueError(
            f"{name!r} has layers named {names}, which must be {name!r} if it is a single one without residual, "
            f"or different names such as {f'{name}.depthwise'!r}"
        )
