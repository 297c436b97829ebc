"""The shapes that the common operations of a network return, without running anything.

PyTorch can run every operation on its meta device, which has shapes and no memory; but there many operations are Python
code that takes longer than the arithmetic. A function here takes what the operation takes and returns the same tensors
on the meta device, or `NotImplemented` where it is not sure: then PyTorch's own way is taken, which also knows what to
complain about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import torch

__all__ = ["SHAPES", "ShapeRule", "shape_rule"]

aten = torch.ops.aten
Tensor: TypeAlias = torch.Tensor
SHAPES: dict[Any, Callable[..., Any]] = {}


def empty(shape: Sequence[int], like: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """A shape of the type and, where it has as many dimensions, the memory format of ``like``."""
    form = torch.contiguous_format
    if len(shape) == like.dim() == 4 and not like.is_contiguous():
        form = torch.channels_last if like.is_contiguous(memory_format=torch.channels_last) else form
    return torch.empty(shape, dtype=dtype or like.dtype, device="meta", memory_format=form)


def _shape(*operations: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers for these overloads, as far as this version of PyTorch has them."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        for operation in operations:
            name, _, overload = operation.partition(".")
            packet = getattr(aten, name, None)
            if packet is not None and (overload or "default") in packet.overloads():
                SHAPES[getattr(packet, overload or "default")] = function
        return function

    return register


@_shape("convolution", "_convolution")
def _convolution(image: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any,
                 transposed: bool, output_padding: Any, groups: int, *_: Any) -> Tensor:  # fmt: skip
    per_group, outputs = (weight.shape[0], weight.shape[1]) if transposed else (weight.shape[1], weight.shape[0])
    inputs, outputs = (per_group, outputs * groups) if transposed else (per_group * groups, outputs)
    if image.dim() != weight.dim() or image.shape[1] != inputs or outputs % groups or image.dtype != weight.dtype:
        return NotImplemented
    sizes = []
    for i, (size, kernel) in enumerate(zip(image.shape[2:], weight.shape[2:], strict=True)):
        s, p, d = (each[i % len(each)] for each in (stride, padding, dilation))
        if transposed:
            sizes.append((size - 1) * s - 2 * p + d * (kernel - 1) + output_padding[i % len(output_padding)] + 1)
        else:
            sizes.append((size + 2 * p - d * (kernel - 1) - 1) // s + 1)
    return empty((image.shape[0], outputs, *sizes), image) if min(sizes) > 0 else NotImplemented


@_shape("native_batch_norm")
def _batch_norm(image: Tensor, weight: Any, bias: Any, mean: Any, variance: Any, training: bool, *_: Any) -> Any:
    statistics = (image.shape[1] if training else 0,)
    return empty(image.shape, image), empty(statistics, image), empty(statistics, image)


@_shape("native_layer_norm")
def _layer_norm(x: Tensor, shape: list[int], weight: Any, bias: Any, epsilon: float) -> Any:
    if list(x.shape[x.dim() - len(shape) :]) != list(shape):
        return NotImplemented
    statistics = (*x.shape[: x.dim() - len(shape)], *[1] * len(shape))
    return torch.empty(x.shape, dtype=x.dtype, device="meta"), empty(statistics, x), empty(statistics, x)


@_shape("native_group_norm")
def _group_norm(x: Tensor, weight: Any, bias: Any, n: int, c: int, area: int, groups: int, epsilon: float) -> Any:
    return empty(x.shape, x), empty((n, groups), x), empty((n, groups), x)


@_shape("mm", "bmm")
def _matrix_product(left: Tensor, right: Tensor) -> Tensor:
    same = left.dtype == right.dtype and left.shape[-1] == right.shape[-2] and left.shape[:-2] == right.shape[:-2]
    return empty((*left.shape[:-1], right.shape[-1]), left) if same else NotImplemented


@_shape("addmm", "baddbmm")
def _matrix_product_plus(plus: Tensor, left: Tensor, right: Tensor, **_: Any) -> Tensor:
    product = _matrix_product(left, right)
    if product is NotImplemented or _broadcast(plus.shape, product.shape) != product.shape or plus.dtype != left.dtype:
        return NotImplemented
    return product


def _broadcast(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...] | None:
    """The common shape of two, or None if they have none."""
    if len(one) < len(other):
        one, other = other, one
    shape = list(one)
    for i, size in enumerate(other, len(one) - len(other)):
        if size != shape[i] and size != 1:
            if shape[i] != 1:
                return None
            shape[i] = size
    return tuple(shape)


@_shape("cat")
def _cat(parts: list[Tensor], dim: int = 0) -> Tensor:
    first = parts[0]
    dim = dim % max(first.dim(), 1)
    size = 0
    for part in parts:
        if part.dim() != first.dim() or part.dtype != first.dtype:
            return NotImplemented
        if any(a != b for i, (a, b) in enumerate(zip(part.shape, first.shape, strict=True)) if i != dim):
            return NotImplemented
        size += part.shape[dim]
    return empty((*first.shape[:dim], size, *first.shape[dim + 1 :]), first)


def _pooled(x: Tensor, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> Any:
    sizes = []
    for i, size in enumerate(x.shape[-2:]):
        k, s, p, d = (e[i % len(e)] for e in (kernel, stride or kernel, padding, dilation))
        free = size + 2 * p - d * (k - 1) - 1
        steps = -(-free // s) if ceil_mode else free // s
        if ceil_mode and steps * s >= size + p:  # a window must start inside the map or its left padding
            steps -= 1
        if free < 0 or p > k // 2:
            return NotImplemented
        sizes.append(steps + 1)
    return empty((*x.shape[:-2], *sizes), x)


@_shape("max_pool2d_with_indices")
def _max_pool(
    x: Tensor, kernel: Any, stride: Any = (), padding: Any = (0,), dilation: Any = (1,), ceil_mode: bool = False
) -> Any:
    output = _pooled(x, kernel, stride, padding, dilation, ceil_mode)
    return output if output is NotImplemented else (output, empty(output.shape, output, torch.int64))


@_shape("avg_pool2d")
def _average_pool(
    x: Tensor, kernel: Any, stride: Any = (), padding: Any = (0,), ceil_mode: bool = False, *_: Any
) -> Any:
    return _pooled(x, kernel, stride, padding, (1,), ceil_mode)


@_shape("_adaptive_avg_pool2d")
def _adaptive_pool(x: Tensor, size: Any) -> Tensor:
    return empty((*x.shape[:-2], *size), x)


@_shape("mean.dim", "sum.dim_IntList")
def _reduced(x: Tensor, dims: Any, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    if not x.is_floating_point() or not dims:
        return NotImplemented
    gone = {dim % x.dim() for dim in dims}
    if max(dims) >= x.dim() or min(dims) < -x.dim():
        return NotImplemented
    sizes = [1 if i in gone else size for i, size in enumerate(x.shape) if keepdim or i not in gone]
    return empty(sizes, x, dtype)


@_shape("linalg_vector_norm")
def _vector_norm(x: Tensor, order: Any = 2, dims: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    return _reduced(x, dims, keepdim, dtype=dtype)


@_shape(*("upsample_nearest2d", "upsample_bilinear2d", "upsample_bicubic2d", "_upsample_nearest_exact2d"),
        *("_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa"))  # fmt: skip
def _interpolated(x: Tensor, size: Any, *_: Any, **__: Any) -> Tensor:
    return empty((*x.shape[:2], *size), x) if x.dim() == 4 and min(size) > 0 else NotImplemented


@_shape("_assert_async.msg", "_assert_tensor_metadata", "_assert_scalar", "_assert_async")
def _asserted(*_: Any, **__: Any) -> None:
    return None


@_shape("_fused_sdp_choice")
def _attention_in_steps(*_: Any, **__: Any) -> int:
    return 0  # SDPBackend.MATH: two products and a softmax


@_shape("_softmax", "_log_softmax")
def _softmax(x: Tensor, dim: int, half_to_float: bool) -> Tensor:
    if half_to_float or not -x.dim() <= dim < max(x.dim(), 1):
        return NotImplemented
    return empty(x.shape, x)


@_shape("roll", "flip", "_safe_softmax")
def _moved(x: Tensor, *_: Any) -> Tensor:
    return empty(x.shape, x)


_PREDICATES = {"eq", "ne", "lt", "le", "gt", "ge", "signbit", "frexp"}  # and what begins with is or logical
_ELEMENT_WISE = {
    *("relu", "hardswish", "hardsigmoid", "hardtanh", "leaky_relu", "elu", "celu", "mish", "softplus", "gelu", "silu"),
    *("add", "sub", "mul", "div", "rsub", "threshold", "hardshrink", "softshrink", "fill", "zero"),
}


def _element_wise(*values: Any, **options: Any) -> Tensor:
    """The common shape of all tensors, if they have one floating type."""
    given = [value for value in values if isinstance(value, Tensor)]
    first = given[0]
    if not first.is_floating_point() or "dtype" in options or first.dim() == 0:
        return NotImplemented
    shape = first.shape
    for other in given[1:]:
        if other.dtype != first.dtype:
            return NotImplemented
        if other.shape != shape:
            shape = _broadcast(shape, other.shape)
            if shape is None:
                return NotImplemented
    return empty(shape, max(given, key=lambda tensor: tensor.dim()))


def _in_place(x: Tensor, *others: Any, **_: Any) -> Tensor:
    for other in others:
        if isinstance(other, Tensor) and _broadcast(x.shape, other.shape) != x.shape:
            return NotImplemented
    return x


class ShapeRule(NamedTuple):
    """What a pass on shapes must know of an operation.

    Attributes:
        shape: gives its result, or None where PyTorch's own way is taken.
        positions: of the arguments that it changes, by place or name.
        asks: whether its result depends on more than shapes.
        fills: whether its result has the shape, but not the values, of what it is given.
    """

    shape: Callable[..., Any] | None
    positions: tuple[tuple[int, str], ...]
    asks: bool
    fills: bool

    def written(self, args: tuple, kwargs: dict[str, Any]) -> list[Tensor]:
        """The tensors among the arguments that the operation changes."""
        if not self.positions:
            return []
        values = (args[i] if i < len(args) else kwargs.get(name) for i, name in self.positions)
        return [value for value in values if isinstance(value, Tensor)]


@cache
def shape_rule(operation: Any) -> ShapeRule:
    """The rule for one overload of an operation."""
    name, schema = operation._schema.name.split("::")[-1], operation._schema
    changed = tuple(
        (i, argument.name)
        for i, argument in enumerate(schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    )
    tags = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
    return ShapeRule(
        SHAPES.get(operation) or _shape_by_kind(operation, name),
        changed,
        asks=bool(tags & set(operation.tags)) or name in ("_local_scalar_dense", "equal", "allclose", "is_nonzero"),
        fills=name.startswith("new_") or name.endswith("_like"),
    )


def _shape_by_kind(operation: Any, name: str) -> Callable[..., Any] | None:
    plain = name.rstrip("_")
    schema = operation._schema
    element_wise = torch.Tag.pointwise in operation.tags or plain in _ELEMENT_WISE
    if not element_wise or schema.overload_name.endswith("out") or len(schema.returns) != 1 or operation.is_view:
        return None
    if name.endswith("_") and schema.arguments[0].alias_info is not None:
        return _in_place
    predicate = plain in _PREDICATES or plain.startswith(("is", "logical", "bitwise", "_to_copy", "clone", "copy"))
    return None if predicate or schema.arguments[0].type.kind() == "ListType" else _element_wise
