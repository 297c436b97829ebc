"""Exact cost of one layer, in closed form: parameters, multiply-accumulates and the tensors that move.

Everything is an integer. One multiply-accumulate is one MAC (the paper's "mult-add"); a bias, batch norm, ReLU or
pooling is no MAC. Sizes are ``(height, width)`` or one integer for a square. Costs are for one image: with a batch of
B images the MACs and the elements grow B-fold, the parameters do not.

The paper's letters: M = ``in_channels``, N = ``out_channels``, D_K = ``kernel_size``, D_F = the size of the feature
map. The paper assumes stride 1 and padding that keeps the size; with a stride it is the *output* map that counts.

This module needs nothing but the standard library.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from mobilenet_edu import checks
from mobilenet_edu.checks import Size

__all__ = [
    "Cost",
    "batch_norm2d_cost",
    "conv2d_cost",
    "conv_output_size",
    "depthwise_conv2d_cost",
    "depthwise_separable_conv2d_cost",
    "linear_cost",
    "pointwise_conv2d_cost",
    "reduction_ratio",
]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a layer or a network costs, for one image. Costs add up: ``a + b`` and ``sum([a, b, c])``.

    Attributes:
        params: learned numbers.
        macs: multiply-accumulates.
        input_elements: numbers in the tensors that the layers read.
        output_elements: numbers in the tensors that the layers write.

    Raises:
        TypeError, ValueError: a number that is no integer, or is negative.

    >>> conv2d_cost(16, 32, 3, (8, 8), padding=1) + linear_cost(32, 10)
    Cost(params=4938, macs=295232, input_elements=1056, output_elements=2058)
    """

    params: int = 0
    macs: int = 0
    input_elements: int = 0
    output_elements: int = 0

    def __post_init__(self) -> None:
        checks.integer("params", self.params, smallest=0)
        checks.integer("macs", self.macs, smallest=0)
        checks.integer("input_elements", self.input_elements, smallest=0)
        checks.integer("output_elements", self.output_elements, smallest=0)

    @property
    def flops(self) -> int:
        """Floating-point operations. A MAC is one multiplication and one addition, so ``2 * macs``."""
        return 2 * self.macs

    def arithmetic_intensity(self, bytes_per_element: int = 4) -> float:
        """MACs per byte, when inputs, outputs and parameters each cross the memory bus once.

        ``bytes_per_element`` is 4 for float32, 2 for float16 and bfloat16, 1 for int8.
        """
        checks.positive("bytes_per_element", bytes_per_element)
        elements = self.input_elements + self.output_elements + self.params
        if elements == 0:
            raise ValueError(f"arithmetic_intensity needs a cost that moves at least one element, not {self}")
        return self.macs / (bytes_per_element * elements)

    def __add__(self, other: Cost) -> Cost:
        if not isinstance(other, Cost):
            return NotImplemented
        return Cost(
            self.params + other.params,
            self.macs + other.macs,
            self.input_elements + other.input_elements,
            self.output_elements + other.output_elements,
        )

    def __radd__(self, other: object) -> Cost:
        return self if other == 0 else NotImplemented  # sum() starts at 0


def conv_output_size(
    input_size: Size, kernel_size: Size, stride: Size = 1, padding: Size = 0, dilation: Size = 1
) -> Size:
    """Size of the map that a convolution writes, along each side:

    ``floor((input + 2 * padding - dilation * (kernel_size - 1) - 1) / stride) + 1``

    Returns an integer if every argument is one, else a pair ``(height, width)``.

    Raises:
        TypeError: an argument is not an integer or a pair of them.
        ValueError: a size, stride or dilation below 1, a padding below 0, three numbers instead of a pair, or a kernel
            larger than the padded input.

    >>> conv_output_size(224, 3, stride=2, padding=1)
    112
    >>> conv_output_size((7, 9), 3)
    (5, 7)
    """
    given = (input_size, kernel_size, stride, padding, dilation)
    height, width = _output_pair(*given)
    return height if all(isinstance(value, int) for value in given) else (height, width)


def conv2d_cost(
    in_channels: int,
    out_channels: int,
    kernel_size: Size,
    input_size: Size,
    *,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
    bias: bool = False,
) -> Cost:
    """Cost of a standard or grouped convolution: the paper's equation (2), D_K · D_K · M · N · D_F · D_F.

    An output element needs ``kernel_height * kernel_width * in_channels / groups`` MACs, taps that fall on padding
    included, as every library computes them.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: a number that no convolution can have, or ``groups`` that do not divide both channel counts.

    >>> conv2d_cost(512, 512, 3, 14, padding=1).macs
    462422016
    """
    checks.positive("in_channels", in_channels)
    checks.positive("out_channels", out_channels)
    checks.positive("groups", groups)
    for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
        if channels % groups:
            raise ValueError(f"groups={groups} must divide {name}={channels}")
    checks.boolean("bias", bias)
    input_height, input_width = checks.pair("input_size", input_size)
    kernel_height, kernel_width = checks.pair("kernel_size", kernel_size)
    output_height, output_width = _output_pair(input_size, kernel_size, stride, padding, dilation)

    weights = kernel_height * kernel_width * (in_channels // groups) * out_channels
    positions = output_height * output_width
    return Cost(
        params=weights + (out_channels if bias else 0),
        macs=weights * positions,
        input_elements=in_channels * input_height * input_width,
        output_elements=out_channels * positions,
    )


def depthwise_conv2d_cost(
    channels: int,
    kernel_size: Size,
    input_size: Size,
    *,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    bias: bool = False,
) -> Cost:
    """Cost of one filter per channel: the paper's equation (4), D_K · D_K · M · D_F · D_F.

    >>> depthwise_conv2d_cost(512, 3, 14, padding=1).macs
    903168
    """
    checks.positive("channels", channels)
    return conv2d_cost(
        channels,
        channels,
        kernel_size,
        input_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=channels,
        bias=bias,
    )


def pointwise_conv2d_cost(in_channels: int, out_channels: int, input_size: Size, *, bias: bool = False) -> Cost:
    """Cost of a 1×1 convolution, the second term of the paper's equation (5): M · N · D_F · D_F.

    >>> pointwise_conv2d_cost(512, 512, 14).macs
    51380224
    """
    return conv2d_cost(in_channels, out_channels, 1, input_size, bias=bias)


def depthwise_separable_conv2d_cost(
    in_channels: int,
    out_channels: int,
    kernel_size: Size,
    input_size: Size,
    *,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    bias: bool = False,
) -> Cost:
    """Cost of a depthwise convolution followed by a pointwise one: the paper's equation (5).

    The stride belongs to the depthwise step, so the pointwise one works on the smaller map. The map between the two
    counts twice: it is written, then read.

    >>> depthwise_separable_conv2d_cost(512, 512, 3, 14, padding=1).macs
    52283392
    """
    checks.positive("in_channels", in_channels)
    depthwise = depthwise_conv2d_cost(
        in_channels, kernel_size, input_size, stride=stride, padding=padding, dilation=dilation, bias=bias
    )
    between = _output_pair(input_size, kernel_size, stride, padding, dilation)
    return depthwise + pointwise_conv2d_cost(in_channels, out_channels, between, bias=bias)


def linear_cost(in_features: int, out_features: int, *, bias: bool = True) -> Cost:
    """Cost of a fully connected layer, with a bias as in PyTorch unless ``bias=False``.

    >>> linear_cost(1024, 1000)
    Cost(params=1025000, macs=1024000, input_elements=1024, output_elements=1000)
    """
    checks.positive("in_features", in_features)
    checks.positive("out_features", out_features)
    checks.boolean("bias", bias)
    macs = in_features * out_features
    return Cost(macs + (out_features if bias else 0), macs, in_features, out_features)


def batch_norm2d_cost(channels: int) -> Cost:
    """Cost of batch norm: two learned numbers per channel (a scale and a shift). It can be folded into the convolution
    before it (chapter 10), so it counts no MACs and no elements of its own.

    >>> batch_norm2d_cost(32)
    Cost(params=64, macs=0, input_elements=0, output_elements=0)
    """
    checks.positive("channels", channels)
    return Cost(params=2 * channels)


def reduction_ratio(out_channels: int, kernel_size: Size) -> Fraction:
    """MACs of the separable layer over those of the standard one, exactly: 1/N + 1/D_K² (§ 3.1 of the paper).

    It holds for every stride and padding, and for the weights as well.

    >>> reduction_ratio(512, 3)
    Fraction(521, 4608)
    """
    checks.positive("out_channels", out_channels)
    kernel_height, kernel_width = checks.pair("kernel_size", kernel_size)
    return Fraction(1, out_channels) + Fraction(1, kernel_height * kernel_width)


def _output_pair(input_size: Size, kernel_size: Size, stride: Size, padding: Size, dilation: Size) -> tuple[int, int]:
    sides = zip(
        checks.pair("input_size", input_size),
        checks.pair("kernel_size", kernel_size),
        checks.pair("stride", stride),
        checks.pair("padding", padding, smallest=0),
        checks.pair("dilation", dilation),
        strict=True,
    )
    height, width = (_output_side(*side) for side in sides)
    return height, width


def _output_side(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    reach = dilation * (kernel - 1) + 1
    if reach > size + 2 * padding:
        raise ValueError(
            f"kernel_size={kernel} with dilation={dilation} spans {reach} pixels "
            f"and must fit into the padded input of {size + 2 * padding}"
        )
    return (size + 2 * padding - reach) // stride + 1
