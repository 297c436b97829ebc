"""Count a network by running it once on shapes: MACs of convolutions and matrix products, parameters once.

`count_cost` watches PyTorch's own dispatch, so that functional calls count too. A shape needs no arithmetic: the pass
runs on tensors without memory, and only a model that asks for a value gets one pass with numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from copy import copy
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils._python_dispatch import TorchDispatchMode

from mobilenet_edu.cost import Cost
from mobilenet_edu.counting.formulas import Product, Rule, attention_products, register_macs, rule, tensors
from mobilenet_edu.counting.running import (
    State,
    check,
    check_model,
    check_size,
    frozen_parameters,
    image_for,
    left_as_it_was,
    run_once,
    without_numpy,
)
from mobilenet_edu.counting.shapes import ShapeRule, shape_rule

__all__ = ["check", "count_cost", "register_macs", "run_once", "training_macs"]

_SMALL = 4096  # numbers that are computed all the same, so that code which asks for them gets them


def count_cost(model: nn.Module, input_size: tuple[int, int, int] | None = None, *, input_data: Any = None) -> Cost:
    """Cost of one pass of one image through ``model``, in evaluation mode.

    A MAC is one multiply-accumulate of a convolution (transposed ones too), a matrix product, attention or a recurrent
    layer; a layer that is called twice counts twice, a complex product three times (Gauss). Biases, normalisation,
    activations, pooling, interpolation and element-wise products are no MACs. Elements are those that the counted
    operations multiply, as far as they depend on the input, and those that they write. Parameters are counted once
    each, also where they are shared; those of a model that `torch.jit.freeze` has frozen, which are constants then, as
    it has merged them. The model is left as it was: mode, attributes, gradients, buffers, random states.

    Nothing is computed and no feature map allocated, unless the model's code asks for a value: then one real pass runs.

    Args:
        model: any module that maps (1, channels, height, width) to anything, or takes ``input_data``.
        input_size: ``(channels, height, width)``, without the batch.
        input_data: instead of ``input_size``, what the model is called with: a tensor, a tuple or list of arguments, or
            a dictionary of keyword arguments. The whole batch counts.

    Raises:
        TypeError, ValueError: ``model`` is no module, ``input_size`` is not three positive integers, or not exactly one
            of ``input_size`` and ``input_data`` is given.
        NotImplementedError: the model uses an operation that may multiply and that has no formula (`register_macs` adds
            one), or NumPy.

    >>> count_cost(nn.Conv2d(3, 8, 3, bias=False), (3, 6, 6))
    Cost(params=216, macs=3456, input_elements=108, output_elements=128)
    """
    state = check_model(model)
    if (input_size is None) == (input_data is None):
        raise ValueError("give input_size=(channels, height, width), or input_data, what the model is called with")
    if input_data is None:
        check_size(input_size)
    return _cost(state, _counted(model, state, input_size, input_data))


def _cost(state: State, counter: _MacCounter) -> Cost:
    parameters = sum(parameter.numel() for parameter in [*state.parameters, *frozen_parameters(state)])
    return Cost(parameters, counter.macs, counter.read, counter.written)


def _counted(
    model: nn.Module, state: State, input_size: Any, input_data: Any = None, running: Sequence[nn.Module] = ()
) -> _MacCounter:
    """The counter that has seen a pass: one on shapes, if they are enough."""
    for on_shapes in (True, False):
        args, kwargs = _arguments(state, input_size, input_data, on_shapes)
        counter = _MacCounter(state, on_shapes, running)
        if counter.sees(lambda: model(*args, **kwargs)):  # noqa: B023
            return counter
    raise AssertionError("a pass with numbers returns or raises")


class Called(NamedTuple):
    """What a module did in a pass: the MACs that no module inside it did, and what it returned first."""

    macs: int
    output: Any


def cost_by_module(model: nn.Module, input_size: tuple[int, int, int]) -> tuple[Cost, dict[nn.Module, Called]]:
    """`count_cost`, and what each module had to do with it, in the order in which they are first called.

    Nobody can watch TorchScript: what a script does counts for the module around it.
    """
    check(model, input_size)
    state, running = State(model), []
    outputs: dict[nn.Module, Any] = {}

    def enter(module: nn.Module, _: Any) -> None:
        outputs.setdefault(module, None)
        running.append(module)

    def leave(module: nn.Module, _: Any, output: Any) -> None:
        running.pop()
        outputs[module] = output if outputs[module] is None else outputs[module]

    watched = [module for module in state.modules if not isinstance(module, torch.jit.ScriptModule)]
    hooks = [module.register_forward_pre_hook(enter) for module in watched]
    hooks += [module.register_forward_hook(leave, always_call=True) for module in watched]
    try:
        counter = _counted(model, state, input_size, running=running)
    finally:
        for hook in hooks:
            hook.remove()
    called = {module: Called(counter.macs_of[module], output) for module, output in outputs.items()}
    return _cost(state, counter), called


@torch.inference_mode(False)
def training_macs(model: nn.Module, input_size: tuple[int, int, int]) -> int:
    """MACs of one training step on one image: forward and backward.

    Backward, a convolution or a linear layer costs its forward MACs once more for the gradient of its weight, and once
    more for that of its input. What needs no gradient costs nothing: the image, so that the first layer costs twice its
    forward MACs and not three times, and parameters with ``requires_grad=False``. Updating the weights is no MAC. The
    model runs in training mode, its batch norms apart, which could not normalise a map of one position. It is left as
    it was.

    Arguments and errors are those of `count_cost`.

    >>> training_macs(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)), (3, 6, 6))  # 2 * 3456 + 3 * 2304
    13824
    """
    check(model, input_size)
    state = State(model)
    for on_shapes in (True, False):
        counter = _MacCounter(state, on_shapes)
        image = image_for(state, input_size, "meta" if on_shapes else None)
        if counter.sees(lambda: _step(model, state, image), training=True):  # noqa: B023
            return counter.macs
    raise AssertionError("a pass with numbers returns or raises")


def _step(model: nn.Module, state: State, image: torch.Tensor) -> None:
    """Forward and backward, with parameters where the image is."""
    for module in state.modules:
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.training = False
    if image.is_meta:
        state.to_meta()
    wanted = [weight for module in state.modules for weight in module._parameters.values() if weight is not None]
    wanted = [weight for weight in wanted if weight.requires_grad]
    results = [result for result in tensors([model(image)]) if result.requires_grad]
    if wanted and not results:
        raise ValueError("model must return tensors that depend on its parameters, alone or in lists and dictionaries")
    if wanted:
        torch.autograd.grad(results, wanted, [torch.zeros_like(result) for result in results], allow_unused=True)


def _arguments(state: State, input_size: Any, input_data: Any, on_shapes: bool) -> tuple[list, dict[str, Any]]:
    """What the model is called with: shapes, or copies that it may change."""
    if input_data is None:
        return [image_for(state, input_size, "meta" if on_shapes else None)], {}
    data = _copied(input_data, on_shapes)
    if isinstance(data, Mapping):
        return [], dict(data)
    return list(data) if type(data) in (tuple, list) else [data], {}


def _copied(values: Any, on_shapes: bool) -> Any:
    if isinstance(values, torch.Tensor):
        return values.to("meta") if on_shapes else values.clone()
    if isinstance(values, PackedSequence):
        return PackedSequence(_copied(values.data, on_shapes), *values[1:])
    if isinstance(values, MutableMapping):
        copied = copy(values)
        for name, value in values.items():
            copied[name] = _copied(value, on_shapes)
        return copied
    if isinstance(values, (tuple, list)):
        parts = [_copied(value, on_shapes) for value in values]
        return type(values)(*parts) if hasattr(values, "_fields") else type(values)(parts)
    return values


class _ValueAskedError(Exception):
    """The model's code wants to know a number, and there are only shapes."""


class _MacCounter(TorchDispatchMode):
    """Sees every operation that PyTorch runs and adds up the cost of those that multiply and accumulate.

    On shapes, what depends on the input lies on the meta device. Parameters and other constants stay as they are; what
    is computed from them alone becomes a shape too, unless it is small.
    """

    def __init__(self, state: State, on_shapes: bool, running: Sequence[nn.Module] = ()) -> None:
        super().__init__()
        self.state, self.on_shapes = state, on_shapes
        self.macs = self.read = self.written = 0
        self.running = running  # the modules that are being called, if somebody keeps track of them
        self.macs_of: Counter[nn.Module] = Counter()
        self.refused = ""
        self.rules: dict[int, tuple[Rule, ShapeRule]] = {}
        self.constants: dict[int, torch.UntypedStorage] = {}  # storages that do not depend on the input
        self.kept: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        for tensor in state.parameters + state.buffers:
            if tensor.is_meta or not on_shapes:
                self.is_constant(tensor)

    def sees(self, run: Callable[[], Any], training: bool = False) -> bool:
        """Watches one pass; False says that shapes were not enough for it."""
        try:
            with (
                left_as_it_was(self.state, not self.on_shapes, training),
                without_numpy(self.refuse),
                self.keeping(),
                torch.set_grad_enabled(training),
                self,
            ):
                run()
        except Exception:
            if self.refused:  # TorchScript and others hide who raised what
                raise NotImplementedError(self.refused) from None
            if self.on_shapes:
                return False
            raise
        return True

    supports_higher_order_operators = True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: PyTorch would import its compiler, only to keep it away from here; `left_as_it_was` stops it."""
        return False

    def is_constant(self, tensor: torch.Tensor) -> None:
        if tensor.layout is torch.strided:
            storage = tensor.untyped_storage()
            self.constants[storage._cdata] = storage

    def is_input(self, tensor: torch.Tensor) -> bool:
        """Whether the tensor depends on the input of the model."""
        if self.on_shapes and not tensor.is_meta:
            return False
        return (
            not self.constants
            or tensor.layout is not torch.strided
            or (tensor.untyped_storage()._cdata not in self.constants)
        )

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Puts back the numbers of the parameters and buffers that the pass changed."""
        try:
            yield
        finally:
            with torch.no_grad():
                for tensor, value in self.kept.values():
                    tensor.copy_(value)

    def refuse(self, name: str) -> None:
        self.refused = f"count_cost does not know how many MACs {name} needs, so it would count too few" + (
            "; a function decorated with register_macs can tell it" if name.count(".") > 1 else ""
        )
        raise NotImplementedError(self.refused)

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if isinstance(func, torch._ops.HigherOrderOperator):
            return self.higher_order(func, args, kwargs)
        found = self.rules.get(id(func))
        if found is None:
            if not isinstance(func, torch._ops.OpOverload):
                self.refuse(str(func))
            found = self.rules[id(func)] = (rule(func), shape_rule(func))
        of, shapes = found
        if of.refused:
            self.refuse(str(func))
        if of.composite:  # torch.inference_mode hands over whole functions, which are made of several operations
            with self:
                return func.decompose(*args, **kwargs)
        output = self.run(func, shapes, args, kwargs)
        if of.formula:
            self.add(func, of.formula(output, *args, **kwargs), [*args, *kwargs.values()])
        return output

    def higher_order(self, func: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        """An operation that takes functions: attention whose scores a function changes, or a choice of two."""
        if func.name() == "cond" and not (isinstance(args[0], torch.Tensor) and args[0].is_meta):
            with self:
                return args[1 if args[0] else 2](*args[3])
        if func.name() == "cond":
            raise _ValueAskedError
        if func.name() != "flex_attention":
            self.refuse(f"the higher-order operator {func.name()}")
        output = func(*args, **kwargs)
        self.add(func, attention_products(*args[:3]), args[:3])
        return output

    def add(self, func: Any, products: Iterable[Product], values: list) -> None:
        if any(t.layout not in _DENSE or t.is_nested for t in tensors(values)):
            self.refuse(f"{func} of sparse or nested tensors")
        for macs, factors, written in products:
            self.macs += macs
            if self.running:
                self.macs_of[self.running[-1]] += macs
            self.read += sum(f if isinstance(f, int) else f.numel() * self.is_input(f) for f in factors)
            self.written += written

    def run(self, func: Any, shapes: ShapeRule, args: tuple, kwargs: dict[str, Any]) -> Any:
        given = tensors((*args, *kwargs.values()) if kwargs else args)
        written = shapes.written(args, kwargs) if shapes.positions else ()
        depends = not shapes.fills and any(map(self.is_input, given))
        if self.on_shapes:
            output = self.run_on_shapes(func, shapes, args, kwargs, given, written)
        else:
            self.keep(written)
            output = func(*args, **kwargs)
        if not depends:
            for tensor in tensors([output]):
                if tensor.is_meta or not self.on_shapes:
                    self.is_constant(tensor)
        elif self.constants:
            for tensor in written:
                if tensor.layout is torch.strided:
                    self.constants.pop(tensor.untyped_storage()._cdata, None)
        return output

    def run_on_shapes(
        self, func: Any, shapes: ShapeRule, args: tuple, kwargs: dict[str, Any], given: list, written: Iterable
    ) -> Any:
        if not any(t.is_meta for t in given):
            small = sum(t.numel() for t in given) <= _SMALL
            if func.is_view or written or small:
                self.keep(written)
                return func(*args, **kwargs)
        elif shapes.asks or not all(t.is_meta for t in written):
            raise _ValueAskedError
        output = shapes.shape(*args, **kwargs) if shapes.shape else NotImplemented
        if output is NotImplemented:
            kwargs = {name: _shapes_of(value) for name, value in kwargs.items()}
            if kwargs.get("device") is not None:
                kwargs["device"] = torch.device("meta")
            output = func(*_shapes_of(args), **kwargs)
        return output

    def keep(self, written: Iterable[torch.Tensor]) -> None:
        """Keep the numbers of parameters and buffers that are about to change."""
        for tensor in written:
            if not tensor.is_meta and tensor.layout is torch.strided:
                for owner in self.owners.get(tensor.untyped_storage()._cdata, ()):
                    self.kept.setdefault(id(owner), (owner, owner.detach().clone()))

    @cached_property
    def owners(self) -> dict[int, list[torch.Tensor]]:
        """The parameters and buffers by the storage that they lie in."""
        found: dict[int, list[torch.Tensor]] = {}
        for tensor in self.state.parameters + self.state.buffers:
            if tensor.layout is torch.strided:
                found.setdefault(tensor.untyped_storage()._cdata, []).append(tensor)
        return found


_DENSE = (torch.strided, torch._mkldnn)


def _shapes_of(values: Any) -> Any:
    """The same on the meta device."""
    if isinstance(values, torch.Tensor):
        return values if values.is_meta else values.to("meta")
    if isinstance(values, (tuple, list)):
        return [_shapes_of(value) for value in values]
    return values
