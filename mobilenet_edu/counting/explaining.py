"""Rebuild what other counters print about a network.

Every counter is a sum of a few `INGREDIENTS`, and `CONVENTIONS` says how often each takes which. `explain` finds the
conventions that lead to a given number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from mobilenet_edu import checks
from mobilenet_edu.counting.macs import check, run_once

__all__ = ["CONVENTIONS", "INGREDIENTS", "Convention", "explain", "ingredients"]

aten = torch.ops.aten

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
    checks.integer("number", number, smallest=0)
    checks.positive("batch_size", batch_size)
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
    check(model, input_size)
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
            run_once(model, input_size)
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
