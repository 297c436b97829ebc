"""Which of PyTorch's operations multiply and accumulate, and how often.

Few operations contract: each has a formula here. What may hide products that no formula knows is refused by its name.
All other operations of PyTorch are free, because moving, comparing, normalising, activating, pooling, interpolating and
drawing numbers is no multiply-accumulate.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from math import prod
from typing import Any, NamedTuple, TypeAlias

import torch

__all__ = ["register_macs"]

aten = torch.ops.aten


class Product(NamedTuple):
    """One contraction: its MACs, what it multiplies (tensors, or sizes of what never becomes one), what it writes."""

    macs: int
    factors: tuple[torch.Tensor | int, ...]
    written: int


Formula: TypeAlias = Callable[..., Iterable[Product]]
FORMULAS: dict[Any, Formula] = {}


def register_macs(operation: Any) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Decorate the function that says how many MACs an operation needs that `count_cost` does not know.

    The function is called as ``function(output, *args, **kwargs)``, with what the operation returned and what it was
    given, and returns an int. Its tensors may have shapes without numbers. A later function for the same operation
    takes the place of an earlier one.

    Args:
        operation: of PyTorch's dispatcher, such as ``torch.ops.torchvision.deform_conv2d``, or one overload of it.

    Raises:
        TypeError: ``operation`` is none.

    >>> @register_macs(torch.ops.aten._cdist_forward)
    ... def of_distances(output, left, right, p, mode):
    ...     return output.numel() * left.shape[-1]
    """
    if isinstance(operation, torch._ops.OpOverload):
        operation = operation.overloadpacket
    if not isinstance(operation, torch._ops.OpOverloadPacket):
        raise TypeError(f"operation={operation!r} must be one of torch.ops, such as torch.ops.aten.grid_sampler_2d")

    def register(function: Callable[..., int]) -> Callable[..., int]:
        def formula(output: Any, *args: Any, **kwargs: Any) -> Iterator[Product]:
            factors = tuple(tensors((*args, *kwargs.values())))
            yield Product(function(output, *args, **kwargs), factors, sum(t.numel() for t in tensors([output])))

        FORMULAS[operation] = formula
        rule.cache_clear()
        return function

    return register


def tensors(values: Iterable[Any]) -> list[torch.Tensor]:
    """The tensors among ``values``, those in lists, tuples and dictionaries too."""
    found = []
    for value in values:
        if isinstance(value, torch.Tensor):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found += tensors(value)
        elif isinstance(value, dict):
            found += tensors(value.values())
    return found


def _formula(*names: str) -> Callable[[Formula], Formula]:
    def register(function: Formula) -> Formula:
        for name in names:
            if hasattr(aten, name):  # not every version of PyTorch has all of them
                FORMULAS[getattr(aten, name)] = function
        return function

    return register


@_formula("convolution", "_convolution", "convolution_overrideable")
def _convolution(output: Any, image: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any,
                 transposed: bool, *_: Any) -> Iterator[Product]:  # fmt: skip
    yield Product(_taps(image, weight, output, transposed), (image, weight), output.numel())


def _taps(image: torch.Tensor, weight: torch.Tensor, output: torch.Tensor, transposed: bool) -> int:
    """Each output element needs all in_channels / groups * kernel taps; transposed, each input element reaches all."""
    return prod(weight.shape[1:]) * (image if transposed else output).numel()


@_formula("convolution_backward", "convolution_backward_overrideable")
def _convolution_backward(output: Any, gradient: Any, image: Any, weight: Any, *rest: Any) -> Iterator[Product]:
    macs = _taps(image, weight, gradient, transposed=rest[4])  # after bias sizes, stride, padding and dilation
    if output[0] is not None:  # the image's gradient
        yield Product(macs, (gradient, weight), output[0].numel())
    if output[1] is not None:  # the weight's: as many, with groups too
        yield Product(macs, (gradient, image), output[1].numel())


@_formula("cudnn_convolution", "mkldnn_convolution", "cudnn_convolution_relu", "cudnn_convolution_add_relu")
def _joined_convolution(output: Any, image: Any, weight: Any, *_: Any) -> Iterator[Product]:
    yield Product(_taps(image, weight, output, transposed=False), (image, weight), output.numel())


@_formula("conv_tbc")
def _convolution_over_time(output: Any, image: Any, weight: Any, *_: Any) -> Iterator[Product]:
    yield Product(output.numel() * prod(weight.shape[:2]), (image, weight), output.numel())


@_formula("mm", "mv", "dot", "vdot", "bmm", "_int_mm", "_scaled_mm", "linear", "mkldnn_linear")
def _matrix_product(output: Any, left: Any, right: Any, *_: Any, **__: Any) -> Iterator[Product]:
    """A complex product is three real ones (Gauss), as in PyTorch's complex convolution, which runs three real ones."""
    real = 3 if left.is_complex() else 1
    yield from [Product(output.numel() * left.shape[-1], (left, right), output.numel())] * real


@_formula("addmm", "addmv", "baddbmm", "_addmm_activation", "addmm_", "addmv_", "baddbmm_")
def _matrix_product_plus(output: Any, _: Any, left: Any, right: Any, *__: Any, **___: Any) -> Iterator[Product]:
    return _matrix_product(output, left, right)


@_formula("addbmm", "addbmm_")
def _sum_of_matrix_products(output: Any, _: Any, left: Any, right: Any, **__: Any) -> Iterator[Product]:
    real = 3 if left.is_complex() else 1
    yield from [Product(left.numel() * right.shape[-1], (left, right), output.numel())] * real


@_formula("_trilinear")
def _bilinear(output: Any, left: Any, weight: Any, right: Any, *_: Any) -> Iterator[Product]:
    """The weights times the outer product of the two inputs, which is element-wise."""
    yield Product(output.numel() * left.shape[-1] * right.shape[-1], (left, weight, right), output.numel())


_ATTENTION = (
    *("_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_flash_attention"),
    *("_scaled_dot_product_efficient_attention", "_scaled_dot_product_cudnn_attention"),
    *("_scaled_dot_product_fused_attention_overrideable", "_scaled_dot_product_attention_math_for_mps"),
)


@_formula(*_ATTENTION)
def _attention(output: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> Iterator[Product]:
    return attention_products(query, key, value)


def attention_products(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> Iterator[Product]:
    """Queries times keys, and the scores times the values; a mask, causal or of blocks, saves nothing."""
    scores = prod(query.shape[:-1]) * key.shape[-2]
    yield Product(scores * query.shape[-1], (query, key), scores)
    yield Product(scores * value.shape[-1], (scores, value), prod(query.shape[:-1]) * value.shape[-1])


@_formula(*(f"{name}_backward" for name in _ATTENTION))
def _attention_backward(
    output: Any, gradient: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any
) -> Iterator[Product]:
    """Two gradients for each of the two products; that a kernel computes the scores again is its own affair."""
    scores = prod(query.shape[:-1]) * key.shape[-2]
    for factors in ((gradient, value), (scores, gradient)):
        yield Product(scores * value.shape[-1], factors, scores)
    for factors in ((scores, key), (scores, query)):
        yield Product(scores * query.shape[-1], factors, query.numel())


@_formula("_native_multi_head_attention")
def _multi_head_attention(output: Any, query: Any, key: Any, value: Any, width: int, heads: int, into: Any, _: Any,
                          out_of: Any, *__: Any, **___: Any) -> Iterator[Product]:  # fmt: skip
    for tokens in (query, key, value):
        yield Product(tokens.numel() * width, (tokens, into), tokens.numel())
    scores = heads * prod(query.shape[:-1]) * key.shape[1]
    yield Product(query.numel() * key.shape[1], (query.numel(), key.numel()), scores)
    yield Product(query.numel() * key.shape[1], (scores, value.numel()), query.numel())
    yield Product(query.numel() * width, (query.numel(), out_of), query.numel())


@_formula("_transformer_encoder_layer_fwd")
def _encoder_layer(output: Any, tokens: Any, width: int, heads: int, into: Any, into_bias: Any, out_of: Any,
                   out_of_bias: Any, *rest: Any, **_: Any) -> Iterator[Product]:  # fmt: skip
    yield from _multi_head_attention(output, tokens, tokens, tokens, width, heads, into, into_bias, out_of)
    wider = tokens.numel() // width * rest[7].shape[0]  # gelu, norm first, epsilon and four of layer norm come before
    yield Product(tokens.numel() * rest[7].shape[0], (tokens.numel(), rest[7]), wider)
    yield Product(tokens.numel() * rest[7].shape[0], (wider, rest[9]), tokens.numel())


@_formula("mkldnn_rnn_layer")
def _recurrent_layer(output: Any, steps: Any, of_input: Any, of_state: Any, *_: Any) -> Iterator[Product]:
    return _recurrent(steps, [of_input, of_state])


@_formula("_cudnn_rnn")
def _recurrent_layers(output: Any, steps: Any, weights: Any, *_: Any) -> Iterator[Product]:
    return _recurrent(steps, [weight for weight in weights if weight.dim() == 2])


def _recurrent(steps: torch.Tensor, weights: Iterable[torch.Tensor]) -> Iterator[Product]:
    """Each matrix of a recurrent layer meets one vector a step."""
    vectors = prod(steps.shape[:-1])
    for weight in weights:
        yield Product(vectors * weight.numel(), (vectors * weight.shape[1], weight), vectors * weight.shape[0])


# Words in the names of operations that multiply inside. Most of those above have them too, so that a future relative
# of theirs is refused and not taken for free.
_MAY_MULTIPLY = re.compile(
    r"convolution|conv_|conv[123]d|depthwise|correlat|matmul|(?<!du)mm(?!a|in|y)|matrix|dot|linear|attention|rnn|lstm|gru"
    r"|(?<!un)fft|linalg|solve|cholesky|inverse|(?<!w)eig|svd|det$|lstsq|householder|geqrf|orgqr|ormqr|qr$|(^|_)lu_"
    r"|grid_sampl|affine_grid|cdist|pdist|euclidean_dist|einsum|kron"
)
_DOES_NOT = re.compile(
    r"_?upsample_|_thnn_fused_(lstm|gru)_cell|linalg_vector_norm|linalg__powsum|fft_r?fftfreq|bitwise_invert|_conj"
    r"|_cudnn_rnn_flatten_weight|slice_inverse"
)
_NAMESPACES = ("aten", "prim", "prims", "profiler")  # what PyTorch itself brings; others may hide anything


class Rule(NamedTuple):
    """What an operation is to a counter: it contracts (`formula`), is made of others, may hide products, or is free."""

    formula: Formula | None
    composite: bool
    refused: bool


@cache
def rule(operation: Any) -> Rule:
    """The rule for one overload of an operation."""
    formula = FORMULAS.get(operation.overloadpacket)
    composite = formula is None and torch._C._dispatch_has_kernel_for_dispatch_key(
        operation.name(), "CompositeImplicitAutograd"
    )
    namespace, name = operation.namespace, operation._schema.name.split("::")[-1]
    known = namespace in _NAMESPACES and (_DOES_NOT.match(name) or not _MAY_MULTIPLY.search(name))
    return Rule(formula, composite, refused=formula is None and not composite and not known)
