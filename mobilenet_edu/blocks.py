"""The building blocks of MobileNet V1 as PyTorch modules.

Tensors are (N, C, H, W). Every convolution is padded by half its kernel, so with an odd kernel, as all of the paper's
are, stride 1 keeps the map's size and stride 2 halves it, rounding up.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import nn

__all__ = ["ConvBNReLU", "DepthwiseConv2d", "DepthwiseSeparableConv2d", "PointwiseConv2d", "fold_batch_norm"]


def DepthwiseConv2d(channels: int, kernel_size: int = 3, stride: int = 1, *, bias: bool = False) -> nn.Conv2d:
    """One filter a channel: ``nn.Conv2d`` with as many groups as channels (the paper's equation (3)).

    Maps (N, ``channels``, H, W) to the same number of channels. The weight has shape
    (``channels``, 1, ``kernel_size``, ``kernel_size``). This is no class of its own: tools that look at the type of a
    module, as counters and exporters do, see the ``nn.Conv2d`` that it is.
    """
    return nn.Conv2d(channels, channels, kernel_size, stride, kernel_size // 2, groups=channels, bias=bias)


def PointwiseConv2d(in_channels: int, out_channels: int, *, bias: bool = False) -> nn.Conv2d:
    """A 1×1 convolution: at each pixel, the same matrix maps ``in_channels`` numbers to ``out_channels``.

    The weight has shape (``out_channels``, ``in_channels``, 1, 1).
    """
    return nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=bias)


class ConvBNReLU(nn.Sequential):
    """A convolution, batch norm over its output channels, and an activation (figure 3 of the paper).

    Submodules are named ``conv``, ``norm`` and ``activation``. Shapes are the convolution's.
    """

    def __init__(self, conv: nn.Conv2d, activation: Callable[[], nn.Module] = nn.ReLU) -> None:
        norm = nn.BatchNorm2d(conv.out_channels)
        super().__init__(OrderedDict(conv=conv, norm=norm, activation=activation()))


class DepthwiseSeparableConv2d(nn.Sequential):
    """A depthwise and a pointwise convolution, each followed by batch norm and an activation (figure 3, right).

    Maps (N, ``in_channels``, H, W) to (N, ``out_channels``, ⌈H / stride⌉, ⌈W / stride⌉). Submodules are named
    ``depthwise`` and ``pointwise``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        *,
        kernel_size: int = 3,
        bias: bool = False,
        activation: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        depthwise = DepthwiseConv2d(in_channels, kernel_size, stride, bias=bias)
        pointwise = PointwiseConv2d(in_channels, out_channels, bias=bias)
        super().__init__(
            OrderedDict(
                depthwise=ConvBNReLU(depthwise, activation),
                pointwise=ConvBNReLU(pointwise, activation),
            )
        )


@torch.no_grad()
def fold_batch_norm(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """One convolution that does what ``norm(conv(x))`` does in evaluation mode.

    Batch norm in evaluation is a scale and a shift for each channel, γ / √(σ² + ε) and β - μγ / √(σ² + ε), and a
    convolution followed by a scale is a convolution. The arguments stay as they are.

    Raises:
        ValueError: ``norm`` has another number of channels than ``conv`` writes, or keeps no running statistics.
    """
    if norm.num_features != conv.out_channels:
        raise ValueError(f"norm has {norm.num_features} channels and must have {conv.out_channels}, as conv writes")
    if norm.running_mean is None:
        raise ValueError("norm must keep running statistics (track_running_stats=True) to be folded")
    scale = (norm.running_var + norm.eps).rsqrt()
    shift = -norm.running_mean * scale
    if norm.affine:
        scale, shift = scale * norm.weight, shift * norm.weight + norm.bias
    folded = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,
        conv.stride,
        conv.padding,
        conv.dilation,
        conv.groups,
        padding_mode=conv.padding_mode,
        device=conv.weight.device,
        dtype=conv.weight.dtype,
    )
    folded.weight.copy_(conv.weight * scale.reshape(-1, 1, 1, 1))
    folded.bias.copy_(shift if conv.bias is None else shift + conv.bias * scale)
    return folded
