"""The building blocks of MobileNet V1 and of the networks after it as PyTorch modules.

Tensors are (N, C, H, W). Every convolution is padded by half its kernel, so with an odd kernel, as all of the paper's
are, stride 1 keeps the map's size and stride 2 halves it, rounding up.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from mobilenet_edu.architecture import half

__all__ = [
    "ConvBNReLU",
    "DepthwiseConv2d",
    "DepthwiseSeparableConv2d",
    "PointwiseConv2d",
    "Residual",
    "SameConv2d",
    "SqueezeExcite",
    "fold_batch_norm",
]


def DepthwiseConv2d(channels: int, kernel_size: int = 3, stride: int = 1, *, bias: bool = False) -> nn.Conv2d:
    """One filter per channel: ``nn.Conv2d`` with as many groups as channels (the paper's equation (3)).

    Maps (N, ``channels``, H, W) to the same number of channels. The weight has shape
    (``channels``, 1, ``kernel_size``, ``kernel_size``). This is no class of its own: tools that look at the type of a
    module, as counters and exporters do, see the ``nn.Conv2d`` that it is.
    """
    return nn.Conv2d(channels, channels, kernel_size, stride, half(kernel_size), groups=channels, bias=bias)


def PointwiseConv2d(in_channels: int, out_channels: int, *, bias: bool = False) -> nn.Conv2d:
    """A 1×1 convolution: at each pixel, the same matrix maps ``in_channels`` numbers to ``out_channels``.

    The weight has shape (``out_channels``, ``in_channels``, 1, 1).
    """
    return nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=bias)


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding: ⌈size / stride⌉ outputs, the odd pixel at the bottom and right.

    At stride 1 that is PyTorch's padding by half an odd kernel. At stride 2 on a map of even size it is not: nothing is
    added above and on the left, one row and column below and on the right. What is added is zeros.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        *,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, 0, dilation, groups, bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The convolution of ``images`` (N, C, H, W), padded first."""
        sides = []
        each = zip(images.shape[-2:], self.kernel_size, self.stride, self.dilation, strict=True)
        for size, kernel, stride, dilation in each:
            reach = dilation * (kernel - 1) + 1
            total = max((-(-size // stride) - 1) * stride + reach - size, 0)
            sides = [total // 2, total - total // 2, *sides]  # F.pad wants the last dimension first
        return F.conv2d(F.pad(images, sides), self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class ConvBNReLU(nn.Sequential):
    """A convolution, batch norm over its output channels, and an activation (figure 3 of the paper).

    Submodules are named ``conv``, ``norm`` and ``activation``. Shapes are the convolution's. ``norm=nn.Identity`` or
    ``activation=nn.Identity`` leaves one of them out and keeps its name.
    """

    def __init__(
        self,
        conv: nn.Conv2d,
        activation: Callable[[], nn.Module] = nn.ReLU,
        norm: Callable[[int], nn.Module] = nn.BatchNorm2d,
    ) -> None:
        super().__init__(OrderedDict(conv=conv, norm=norm(conv.out_channels), activation=activation()))


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


class SqueezeExcite(nn.Module):
    """Scales each channel by a number that two layers make of the means of all channels (Hu et al., 2017).

    Maps (N, ``channels``, H, W) to the same shape: ``x * gate(expand(activation(reduce(mean of x))))``, where
    ``reduce`` leaves ``squeezed`` channels. The two layers are 1×1 convolutions: on a map of one pixel, linear layers.
    """

    def __init__(
        self,
        channels: int,
        squeezed: int,
        *,
        bias: bool = True,
        activation: Callable[[], nn.Module] = nn.ReLU,
        gate: Callable[[], nn.Module] = nn.Sigmoid,
    ) -> None:
        super().__init__()
        self.reduce = PointwiseConv2d(channels, squeezed, bias=bias)
        self.activation = activation()
        self.expand = PointwiseConv2d(squeezed, channels, bias=bias)
        self.gate = gate()

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """``maps`` of shape (N, channels, H, W), each channel scaled."""
        means = maps.mean((2, 3), keepdim=True)
        return maps * self.gate(self.expand(self.activation(self.reduce(means))))


class Residual(nn.Sequential):
    """Modules one after the other, and what the first one reads is added to what the last one writes."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """A tensor of the shape of ``maps``."""
        return maps + super().forward(maps)


@torch.no_grad()
def fold_batch_norm(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """One convolution, of the same class as ``conv``, that does what ``norm(conv(x))`` does in evaluation mode.

    Batch norm in evaluation is a scale and a shift for each channel, γ / √(σ² + ε) and β - μγ / √(σ² + ε), and a
    convolution followed by a scale is a convolution. The arguments stay as they are.

    Raises:
        TypeError: ``conv`` is neither ``nn.Conv2d`` nor `SameConv2d`, or ``norm`` is not ``nn.BatchNorm2d``. A subclass
            is none of them: it may compute something else.
        ValueError: ``norm`` has another number of channels than ``conv`` writes, or keeps no running statistics; one
            of the two has hooks or a ``forward`` of its own; or the folded weights are too large for their dtype.
    """
    _check_that_they_fold(conv, norm)
    wide = torch.promote_types(conv.weight.dtype, torch.float32)  # half precision would round three times
    scale = (norm.running_var.to(wide) + norm.eps).rsqrt()
    shift = -norm.running_mean * scale
    if norm.affine:
        scale, shift = scale * norm.weight, shift * norm.weight + norm.bias
    folded = copy.deepcopy(conv)  # with its padding, whatever class computes it
    weight = conv.weight * scale.reshape(-1, 1, 1, 1)
    bias = shift if conv.bias is None else shift + conv.bias * scale
    for name, tensor in (("weight", weight), ("bias", bias)):
        narrow = tensor.to(conv.weight.dtype)
        if not narrow.is_meta and not narrow.isfinite().all():
            raise ValueError(f"the folded {name} must be finite, and {narrow.dtype} cannot hold it")
        setattr(folded, name, nn.Parameter(narrow, requires_grad=conv.weight.requires_grad))
    return folded


def _check_that_they_fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    for name, module, kinds in (("conv", conv, (nn.Conv2d, SameConv2d)), ("norm", norm, (nn.BatchNorm2d,))):
        if type(module) not in kinds:
            exactly = " or ".join(kind.__name__ for kind in kinds)
            raise TypeError(f"{name} is of class {type(module).__name__} and must be exactly of {exactly} to be folded")
        if module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module):
            raise ValueError(f"{name} must have neither hooks nor a forward of its own to be folded")
    if norm.num_features != conv.out_channels:
        raise ValueError(f"norm has {norm.num_features} channels and must have {conv.out_channels}, as conv writes")
    if norm.running_mean is None:
        raise ValueError("norm must keep running statistics (track_running_stats=True) to be folded")
