"""MobileNet V1 in PyTorch, built from the data in `mobilenet_edu.architecture`.

The names in the state dict are part of the interface: ``stem``, ``blocks.<i>.depthwise``, ``blocks.<i>.pointwise`` and
``classifier``. Where a layer is a convolution with its batch norm, ``.conv`` and ``.norm`` follow.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from mobilenet_edu.architecture import Architecture, Layer, conv_mobilenet, mobilenet_v1, shallow_mobilenet
from mobilenet_edu.blocks import ConvBNReLU, DepthwiseSeparableConv2d

__all__ = ["ConvMobileNet", "MobileNet", "MobileNetV1", "ShallowMobileNet"]

Activation = Callable[[], nn.Module]


class MobileNet(nn.Module):
    """The network that an `Architecture` describes.

    Maps images (N, in_channels, H, W) to logits (N, num_classes). The architecture's resolution does not bind the
    network: a global average pooling takes any input of at least 1×1 pixels.

    Raises:
        TypeError: ``architecture`` is none.
        ValueError: a block is neither one convolution nor a depthwise and a pointwise one.
    """

    def __init__(self, architecture: Architecture, activation: Activation = nn.ReLU) -> None:
        if not isinstance(architecture, Architecture):
            raise TypeError(f"architecture={architecture!r} must be an Architecture, such as mobilenet_v1()")
        super().__init__()
        self.architecture = architecture
        self.stem = _convolution(architecture.stem, activation)
        self.blocks = nn.Sequential(*(_block(layers, activation) for layers in architecture.blocks))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(architecture.classifier.in_channels, architecture.classifier.out_channels)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of shape (N, num_classes) for images of shape (N, in_channels, H, W)."""
        features = self.blocks(self.stem(images))  # (N, C, ⌈H / 32⌉, ⌈W / 32⌉)
        return self.classifier(self.pool(features).flatten(1))


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


def _block(layers: tuple[Layer, ...], activation: Activation) -> nn.Module:
    if len(layers) == 1:
        return _convolution(layers[0], activation)
    kinds = [layer.kind for layer in layers]
    if kinds != ["depthwise", "pointwise"]:
        raise ValueError(f"a block of {kinds} must be one convolution, or a depthwise and a pointwise one")
    depthwise, pointwise = layers
    return DepthwiseSeparableConv2d(
        depthwise.in_channels,
        pointwise.out_channels,
        depthwise.stride,
        kernel_size=depthwise.kernel_size,
        bias=depthwise.bias,
        activation=activation,
    )


def _convolution(layer: Layer, activation: Activation) -> ConvBNReLU:
    conv = nn.Conv2d(
        layer.in_channels,
        layer.out_channels,
        layer.kernel_size,
        layer.stride,
        layer.padding,
        groups=layer.groups,
        bias=layer.bias,
    )
    return ConvBNReLU(conv, activation)
