"""Count a network by running it once, and rebuild what other counters print about it.

`count_cost` watches PyTorch's own dispatch, so that functional calls count too: MACs of convolutions and matrix
products, parameters once. `explain` finds the conventions that lead to a given number: every counter is a sum of a few
`INGREDIENTS`, and `CONVENTIONS` says how often each takes which.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import TorchDispatchMode

from mobilenet_edu.cost import Cost, _integer, _positive

__all__ = ["CONVENTIONS", "INGREDIENTS", "Convention", "count_cost", "explain", "ingredients"]

aten = torch.ops.aten
_Products: TypeAlias = tuple[int, tuple[torch.Tensor, torch.Tensor]]  # MACs, and the two tensors that are multiplied


def count_cost(model: nn.Module, input_size: tuple[int, int, int]) -> Cost:
    """Cost of one pass of one image through ``model``, in evaluation mode.

    A MAC is one multiply-accumulate of a convolution (transposed ones too) or a matrix product; a layer that is called
    twice counts twice. Biases, normalisation, activations, pooling and element-wise products are no MACs. Elements are
    those that the counted operations multiply, parameters apart, and those that they write. Parameters are counted
    once each, also where they are shared. The model is left as it was: mode, gradients, buffers and the random state.

    Args:
        model: any module that maps (1, channels, height, width) to anything.
        input_size: ``(channels, height, width)``, without the batch.

    Raises:
        TypeError, ValueError: ``model`` is no module, or ``input_size`` is not three positive integers.
        NotImplementedError: the model uses an operation that may multiply and that this function does not know.

    >>> count_cost(nn.Conv2d(3, 8, 3, bias=False), (3, 6, 6))
    Cost(params=216, macs=3456, input_elements=108, output_elements=128)
    """
    _check(model, input_size)
    with _MacCounter(model) as counter:
        _run_once(model, input_size)
    return counter.cost + Cost(params=sum(parameter.numel() for parameter in model.parameters()))


def _check(model: nn.Module, input_size: tuple[int, int, int]) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"model={model!r} must be a built nn.Module, such as MobileNetV1()")
    if any(is_lazy(parameter) for parameter in (*model.parameters(), *model.buffers())):
        raise ValueError("model must have all its shapes: call it once, so that its lazy layers see an input")
    if not isinstance(input_size, (tuple, list)) or len(input_size) != 3:
        raise ValueError(f"input_size={input_size!r} must be (channels, height, width)")
    for name, value in zip(("channels", "height", "width"), input_size, strict=True):
        _positive(f"input_size's {name}", value)


def _run_once(model: nn.Module, input_size: tuple[int, int, int]) -> None:
    like = next(model.parameters(), torch.zeros(()))
    image = torch.zeros(1, *input_size, dtype=like.dtype, device=like.device)
    with _left_as_it_was(model), torch.no_grad():
        model(image)


class _MacCounter(TorchDispatchMode):
    """Sees every operation that PyTorch runs and adds up the cost of those that multiply and accumulate."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.cost = Cost()
        self.parameters = {parameter.untyped_storage() for parameter in model.parameters()}

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        operation = func.overloadpacket
        if operation in _COUNTED:
            output = func(*args, **kwargs)
            macs, factors = _COUNTED[operation](output, *args)
            read = sum(factor.numel() for factor in factors if factor.untyped_storage() not in self.parameters)
            self.cost += Cost(0, macs, read, output.numel())
            return output
        if operation in _FREE or func.is_view or torch.Tag.pointwise in func.tags:
            return func(*args, **kwargs)
        with self:  # torch.inference_mode hands over whole functions, which are made of several operations
            output = func.decompose(*args, **kwargs)
        if output is not NotImplemented:
            return output
        raise NotImplementedError(f"count_cost does not know how many MACs {func} needs, so it would count too few")


def _convolution(output: torch.Tensor, image: torch.Tensor, weight: torch.Tensor, *rest: Any) -> _Products:
    transposed = rest[4]  # after bias, stride, padding and dilation
    taps = prod(weight.shape[1:])  # in_channels / groups * kernel, of which each output element needs all;
    positions = image.numel() if transposed else output.numel()  # transposed: each input element reaches all
    return taps * positions, (image, weight)


def _matrix_product(output: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> _Products:
    return output.numel() * left.shape[-1], (left, right)


def _matrix_product_plus(output: torch.Tensor, _: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> _Products:
    return _matrix_product(output, left, right)


_COUNTED = {
    aten.convolution: _convolution,
    aten.mm: _matrix_product,
    aten.mv: _matrix_product,
    aten.dot: _matrix_product,
    aten.bmm: _matrix_product,
    aten.addmm: _matrix_product_plus,
    aten.addmv: _matrix_product_plus,
    aten.baddbmm: _matrix_product_plus,
}

# No multiply-accumulate by the convention above. Views and most element-wise operations are recognised by their tags.
_FREE_NAMES = (
    "native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training cudnn_batch_norm",
    "native_layer_norm native_group_norm",
    "max_pool2d_with_indices adaptive_max_pool2d avg_pool2d _adaptive_avg_pool2d",
    "max_pool3d_with_indices adaptive_max_pool3d avg_pool3d _adaptive_avg_pool3d",
    "hardswish glu log_sigmoid_forward _prelu_kernel _softmax _log_softmax",
    "mean sum amax amin max min argmax argmin all any var std _local_scalar_dense",
    "constant_pad_nd reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d",
    "upsample_nearest1d upsample_nearest2d pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle",
    "cat stack clone copy_ fill_ zero_ _to_copy _unsafe_view unsafe_split index index_select index_put_ topk",
    "im2col col2im repeat flip roll",
    "empty zeros ones full arange eye rand randn empty_like zeros_like ones_like full_like",
    "new_empty new_zeros new_ones new_full rand_like randn_like bernoulli_",
)
_FREE = {getattr(aten, name) for names in _FREE_NAMES for name in names.split()}


@contextmanager
def _left_as_it_was(model: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in model.modules()}
    buffers = [(module, *named) for module in model.modules() for named in module.named_buffers(recurse=False)]
    values = [buffer.clone() for _, _, buffer in buffers]
    gpus = {parameter.device for parameter in model.parameters() if parameter.is_cuda}
    try:
        with torch.random.fork_rng(devices=gpus):
            model.eval()
            yield
    finally:
        for module, training in modes.items():
            module.training = training
        with torch.no_grad():
            for (module, name, buffer), value in zip(buffers, values, strict=True):
                setattr(module, name, buffer.copy_(value))  # it may have been replaced, or changed in place


# What counters add up, of one image. "Elements" are numbers in a tensor.
INGREDIENTS = {
    "macs": "MACs of convolutions and linear layers",
    "linear_macs": "MACs of linear layers",
    "conv_bias_outputs": "outputs of convolutions that have a bias",
    "linear_bias_outputs": "outputs of linear layers that have a bias",
    "norm_parameters": "parameters of batch norm",
    "norm_elements": "elements entering batch norm",
    "plain_norm_elements": "elements entering batch norm without scale and shift",
    "relu_elements": "elements entering ReLU",
    "relu6_elements": "elements entering ReLU6",
    "max_pool_elements": "elements entering max pooling",
    "avg_pool_elements": "elements entering average pooling",
    "avg_pool_outputs": "outputs of average pooling",
    "global_pool_elements": "elements entering adaptive average pooling",
    "global_pool_outputs": "outputs of adaptive average pooling",
    "weights": "weights of convolutions and linear layers",
    "biases": "biases of convolutions and linear layers",
}


@dataclass(frozen=True)
class Convention:
    """One way to count: how often it takes which of the `INGREDIENTS`.

    Attributes:
        name: the counter that prints it, or what it is.
        times: ingredient to factor, multiplied by the size of the batch if ``per_batch``.
        times_batch: ingredients that are multiplied by the size of the batch in any case.
        per_batch: whether the number grows with the batch.
    """

    name: str
    times: Mapping[str, int]
    per_batch: bool = True
    times_batch: Mapping[str, int] = field(default_factory=dict)

    def number(self, of: Mapping[str, int], batch_size: int = 1) -> int:
        """The number that this convention gives for a network with the `ingredients` ``of``."""
        batch = batch_size if self.per_batch else 1
        total = batch * sum(factor * of[name] for name, factor in self.times.items())
        return total + batch_size * sum(factor * of[name] for name, factor in self.times_batch.items())

    @property
    def factors(self) -> Mapping[str, int]:
        """How often it takes which ingredient of a single image."""
        factors = Counter(self.times)
        factors.update(self.times_batch)  # adds; `+` would drop the negative ones
        return factors

    def formula(self, of: Mapping[str, int]) -> str:
        """The convention in words, without the ingredients that a network with ``of`` does not have."""
        parts = [
            INGREDIENTS[name] if factor == 1 else f"{factor} × {INGREDIENTS[name]}"
            for name, factor in self.factors.items()
            if of[name]
        ]
        return " + ".join(parts).replace("+ -1 ×", "-") or "nothing"


_POOLED = dict.fromkeys(("max_pool_elements", "avg_pool_elements", "global_pool_elements"), 1)
_BIASES = {"conv_bias_outputs": 1, "linear_bias_outputs": 1}

# Found by running each counter on single layers; held against the counters themselves by the tests.
CONVENTIONS = (
    Convention("this book, and calflops' MACs", {"macs": 1}),
    Convention("FlopCounterMode of PyTorch", {"macs": 2}),
    Convention("torchinfo", {"macs": 1, **_BIASES, "norm_parameters": 1}),
    Convention("fvcore", {"macs": 1, "norm_elements": 2, "plain_norm_elements": 1, "global_pool_elements": 1}),
    Convention(
        "fvcore in training mode",
        {"macs": 1, "norm_elements": 5, "plain_norm_elements": 4, "global_pool_elements": 1},
    ),
    Convention(
        "thop",
        {
            "macs": 1,
            "norm_elements": 4,
            "plain_norm_elements": 2,
            "avg_pool_outputs": 1,
            "global_pool_elements": 1,
            "global_pool_outputs": 1,
        },
    ),
    Convention("ptflops, aten backend", {"macs": 1, **_BIASES}),
    Convention(
        "ptflops, pytorch backend",  # it divides what modules report by the batch, but not what functions report
        {"macs": 1, **_BIASES, "norm_elements": 2, "plain_norm_elements": 1, "relu_elements": 1, "relu6_elements": 1}
        | _POOLED,
        per_batch=False,
        times_batch={"relu_elements": 1} | _POOLED,
    ),
    Convention(
        "calflops' FLOPs",
        {"macs": 2, "conv_bias_outputs": 1, "norm_elements": 2, "plain_norm_elements": 1, "relu_elements": 1} | _POOLED,
    ),
    Convention("MACs without linear layers", {"macs": 1, "linear_macs": -1}),
    Convention("parameters", {"weights": 1, "biases": 1, "norm_parameters": 1}, per_batch=False),
    Convention("weights, as the paper counts parameters", {"weights": 1}, per_batch=False),
)


def explain(model: nn.Module, input_size: tuple[int, int, int], number: int, batch_size: int = 1) -> list[str]:
    """Every known convention that gives ``number`` for ``model``: its name, and what it adds up.

    An empty list says that none does. Several sentences say that this number cannot tell them apart.

    Args:
        model: built from convolutions, linear layers, batch norm, ReLU, pooling, dropout and flattening.
        input_size: ``(channels, height, width)``, without the batch.
        number: what a counter printed, every digit of it.
        batch_size: the batch that the counter was given.

    Raises:
        TypeError, ValueError: an argument is no integer, or no size.
        NotImplementedError: the model has a layer or calls a function that counters treat in ways not listed here, or
            has a parameter that is not used exactly once.

    >>> explain(nn.Conv2d(3, 8, 3, bias=False), (3, 6, 6), 6912)
    ['FlopCounterMode of PyTorch: 2 × MACs of convolutions and linear layers', \
"calflops' FLOPs: 2 × MACs of convolutions and linear layers"]
    """
    _integer("number", number, smallest=0)
    _positive("batch_size", batch_size)
    of = ingredients(model, input_size)
    return [
        f"{convention.name}: {convention.formula(of)}"
        for convention in CONVENTIONS
        if convention.number(of, batch_size) == number
    ]


def ingredients(model: nn.Module, input_size: tuple[int, int, int]) -> dict[str, int]:
    """How much of each of the `INGREDIENTS` one image meets on its way through ``model``.

    Arguments and errors are those of `explain`.
    """
    _check(model, input_size)
    total = Counter(dict.fromkeys(INGREDIENTS, 0))
    leaves = {name: module for name, module in model.named_modules() if not any(module.children())}
    used: Counter[nn.Parameter] = Counter()
    inside = []

    def enter(module: nn.Module, _: Any) -> None:
        inside.append(module)

    def leave(module: nn.Module, args: tuple, kwargs: dict[str, Any], output: torch.Tensor) -> None:
        total.update(_of_layer(module, *args, *kwargs.values(), output))
        used.update(module.parameters())
        inside.pop()

    for name, module in leaves.items():
        if type(module) not in _UNDERSTOOD:
            raise NotImplementedError(f"explain does not know how counters treat {type(module).__name__} ({name!r})")
    hooks = [leaf.register_forward_pre_hook(enter) for leaf in leaves.values()]
    hooks += [leaf.register_forward_hook(leave, with_kwargs=True) for leaf in leaves.values()]
    try:
        with _OnlyInside(inside):
            _run_once(model, input_size)
    finally:
        for hook in hooks:
            hook.remove()
    for name, parameter in model.named_parameters():
        if used[parameter] != 1:
            times = f"{used[parameter]} times"
            raise NotImplementedError(f"explain does not know how counters treat {name!r}, which is used {times}")
    return dict(total)


_UNDERSTOOD = {
    nn.Conv2d,
    nn.Linear,
    nn.BatchNorm2d,
    nn.ReLU,
    nn.ReLU6,
    nn.MaxPool2d,
    nn.AdaptiveMaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.Dropout,
    nn.Flatten,
    nn.Identity,
}


def _of_layer(module: nn.Module, image: torch.Tensor, output: torch.Tensor) -> dict[str, int]:
    entering, leaving = image.numel(), output.numel()
    match module:
        case nn.Conv2d() | nn.Linear():
            linear, biased = isinstance(module, nn.Linear), module.bias is not None
            macs = leaving * prod(module.weight.shape[1:])
            return {
                "macs": macs,
                "linear_macs": macs if linear else 0,
                "linear_bias_outputs" if linear else "conv_bias_outputs": leaving if biased else 0,
                "weights": module.weight.numel(),
                "biases": module.bias.numel() if biased else 0,
            }
        case nn.BatchNorm2d(affine=True):
            return {"norm_elements": entering, "norm_parameters": 2 * module.num_features}
        case nn.BatchNorm2d():
            return {"plain_norm_elements": entering}
        case nn.ReLU():
            return {"relu_elements": entering}
        case nn.ReLU6():
            return {"relu6_elements": entering}
        case nn.MaxPool2d() | nn.AdaptiveMaxPool2d():
            return {"max_pool_elements": entering}
        case nn.AvgPool2d():
            return {"avg_pool_elements": entering, "avg_pool_outputs": leaving}
        case nn.AdaptiveAvgPool2d():
            if entering % leaving:  # thop divides sizes as floats there, and rounds
                sizes = f"{tuple(image.shape[2:])} to {tuple(output.shape[2:])}"
                raise NotImplementedError(f"explain does not know adaptive pooling that does not divide: {sizes}")
            return {"global_pool_elements": entering, "global_pool_outputs": leaving}
    return {}


class _OnlyInside(TorchDispatchMode):
    """Refuses an operation that no layer of the model ran: counters that watch layers would miss it."""

    def __init__(self, inside: list[nn.Module]) -> None:
        super().__init__()
        self.inside = inside
        self.started = False

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        self.started = self.started or bool(self.inside)
        if self.started and not (self.inside or func.is_view or func.overloadpacket in _MOVES):
            raise NotImplementedError(f"explain does not know how counters treat {func} outside a layer")
        return func(*args, **(kwargs or {}))


_MOVES = {aten.clone, aten.copy_, aten._unsafe_view}
