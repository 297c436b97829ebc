"""Run somebody's model once and leave it as it was."""

from __future__ import annotations

import random
import sys
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from threading import get_ident
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from mobilenet_edu.checks import positive

__all__ = ["check", "run_once"]


def check(model: nn.Module, input_size: tuple[int, int, int]) -> None:
    """Refuse what is no model or no size, in a sentence that says why."""
    check_model(model)
    check_size(input_size)


def check_size(input_size: tuple[int, int, int]) -> None:
    if not isinstance(input_size, (tuple, list)) or len(input_size) != 3:
        raise ValueError(f"input_size={input_size!r} must be (channels, height, width)")
    for name, value in zip(("channels", "height", "width"), input_size, strict=True):
        positive(f"input_size's {name}", value)


def check_model(model: nn.Module) -> State:
    if not isinstance(model, nn.Module):
        program = "; of an exported program, its module()" if hasattr(model, "graph_signature") else ""
        raise TypeError(f"model={model!r} must be a built nn.Module, such as MobileNetV1(){program}")
    state = State(model)
    if any(map(is_lazy, state.parameters + state.buffers)):
        raise ValueError("model must have all its shapes: call it once, so that its lazy layers see an input")
    return state


def run_once(model: nn.Module, input_size: tuple[int, int, int]) -> None:
    """One black image through ``model`` in evaluation mode, for those who watch."""
    state = State(model)
    with left_as_it_was(state), torch.no_grad():
        model(image_for(state, input_size))


def image_for(state: State, input_size: tuple[int, int, int], device: str | None = None) -> torch.Tensor:
    """A black image of the type that the model's numbers have, where they are or on another device."""
    like = next(filter(_is_number, state.parameters + state.buffers), torch.zeros(()))
    return torch.zeros(1, *input_size, dtype=like.dtype, device=device or like.device)


def _is_number(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()


class State:
    """What a model consists of, collected in one walk (``model.parameters()`` walks it anew each time)."""

    def __init__(self, model: nn.Module) -> None:
        found, waiting = {}, [model]
        while waiting:
            module = waiting.pop()
            if id(module) not in found:
                found[id(module)] = module
                children = [child for child in module._modules.values() if child is not None]
                waiting.extend(reversed(children))  # so that the first layer, which meets the image, comes first
        self.modules: list[nn.Module] = list(found.values())
        self.parameters: list[nn.Parameter] = _different(module._parameters for module in self.modules)
        self.buffers: list[torch.Tensor] = _different(module._buffers for module in self.modules)

    def to_meta(self) -> None:
        """Give each module shapes without numbers in the place of its parameters and buffers."""
        shapes = {id(tensor): tensor.detach().to("meta") for tensor in self.parameters + self.buffers}
        for module in self.modules:
            for name, parameter in module._parameters.items():
                if parameter is not None:
                    shape = shapes[id(parameter)]
                    shape = shape if isinstance(shape, nn.Parameter) else nn.Parameter(shape, parameter.requires_grad)
                    module._parameters[name] = shapes[id(parameter)] = shape
            for name, buffer in module._buffers.items():
                if buffer is not None:
                    module._buffers[name] = shapes[id(buffer)]


def _different(tensors: Iterable[Any]) -> list[Any]:
    return list({id(t): t for named in tensors for t in named.values() if t is not None}.values())


def frozen_parameters(state: State) -> list[torch.Tensor]:
    """The constants that `torch.jit.freeze` made of parameters: all floating ones that are no running statistics.

    Raises:
        NotImplementedError: `torch.jit.optimize_for_inference` put steps there that PyTorch's dispatch does not see.
    """
    found: dict[int, torch.Tensor] = {}
    for module in state.modules:
        if isinstance(module, torch.jit.ScriptModule) and not hasattr(module, "training"):  # freezing takes it away
            for node in _nodes(module.graph):
                if node.kind().startswith("prim::mkldnn"):
                    raise NotImplementedError(f"count_cost cannot see what {node.kind()} computes: count the model "
                                              "before torch.jit.optimize_for_inference")  # fmt: skip
                if node.kind() == "prim::Constant" and (value := _parameter(node.output())) is not None:
                    found[value.data_ptr()] = value
    return list(found.values())


def _nodes(block: Any) -> Iterator[Any]:
    """The nodes of a TorchScript graph, those of its branches and loops too."""
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from _nodes(inner)


def _parameter(constant: Any) -> torch.Tensor | None:
    value = constant.toIValue()
    uses = [(use.user.kind(), use.offset) for use in constant.uses()]
    statistics = all(kind == "aten::batch_norm" and place in (3, 4) for kind, place in uses)
    return value if isinstance(value, torch.Tensor) and _is_number(value) and not statistics else None


@contextmanager
def left_as_it_was(state: State, with_values: bool = True, training: bool = False) -> Iterator[None]:
    """Everything that a pass may change comes back: modes, attributes, buffers, gradients and random states.

    The modules' own ``train`` and ``eval`` are not called: some merge weights there, or refuse. Without values, the
    numbers in buffers are left to the caller.
    """
    scripted = [module for module in state.modules if isinstance(module, torch.jit.ScriptModule)]
    modes = [(module, module.training) for module in scripted if hasattr(module, "training")]
    attributes, empty = _attributes(state.modules)
    values = [(buffer, buffer.clone()) for buffer in state.buffers if with_values and not buffer.is_meta]
    parameters = [(parameter, parameter.data, parameter.grad) for parameter in state.parameters]
    with _random_states(), _untraced(training):
        try:
            for module in state.modules:
                module.__dict__["training"] = training  # as the attribute, without asking whether it is a parameter
            for module, _ in modes:
                module.training = training
            yield
        finally:
            for container in filter(None, empty):
                container.clear()
            for container, before in attributes:
                container.clear()
                (container.extend if hasattr(container, "extend") else container.update)(before)
            for module, mode in modes:
                module.training = mode
            with torch.no_grad():
                for buffer, value in values:
                    buffer.copy_(value)
            for parameter, data, gradient in parameters:
                if parameter.data_ptr() != data.data_ptr():
                    parameter.data = data
                if parameter.grad is not gradient:
                    parameter.grad = gradient


_CONTAINERS = {dict, OrderedDict, defaultdict, list, set, deque}


def _attributes(modules: list[nn.Module]) -> tuple[list[tuple[Any, Any]], list[Any]]:
    """The modules' attributes and the containers among them with what they hold, and those that hold nothing."""
    filled, empty = [], []
    for module in modules:
        own = module.__dict__
        filled.append((own, own.copy()))
        for value in own.values():
            if type(value) in _CONTAINERS:
                if value:
                    filled.append((value, value.copy()))
                else:
                    empty.append(value)
    return filled, empty


@contextmanager
def _random_states() -> Iterator[None]:
    """Those of Python, NumPy and PyTorch, where they are in use."""
    numpy = sys.modules.get("numpy.random")
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    before = random.getstate(), numpy and numpy.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(before[0])
        if numpy:
            numpy.set_state(before[1])
        torch.set_rng_state(before[2])
        if gpus:
            torch.cuda.set_rng_state_all(gpus)


@contextmanager
def _untraced(training: bool) -> Iterator[None]:
    """Neither a compiler, nor TorchScript, nor autocast may work on this pass or remember it.

    Attention takes no short cut over the tokens that a mask leaves, and recurrent layers go step by step in training.
    """
    cached, optimised = torch.is_autocast_cache_enabled(), torch._C._get_graph_executor_optimize()
    fast, joined = torch.backends.mha.get_fastpath_enabled(), torch._C._get_mkldnn_enabled()
    torch.set_autocast_cache_enabled(False)
    torch._C._set_graph_executor_optimize(False)
    torch.backends.mha.set_fastpath_enabled(False)
    torch._C._set_mkldnn_enabled(joined and not training)
    compiler = torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()
    try:
        with compiler:
            yield
    finally:
        torch.set_autocast_cache_enabled(cached)
        torch._C._set_graph_executor_optimize(optimised)
        torch.backends.mha.set_fastpath_enabled(fast)
        torch._C._set_mkldnn_enabled(joined)


@contextmanager
def without_numpy(refuse: Callable[[str], None]) -> Iterator[None]:
    """Calls ``refuse`` where this thread hands a tensor to NumPy, whose products nobody can see."""
    here, methods = get_ident(), {"numpy": torch.Tensor.numpy, "__dlpack__": torch.Tensor.__dlpack__}
    own = {name: vars(torch.Tensor)[name] for name in methods if name in vars(torch.Tensor)}

    def refusing(method: Callable[..., Any]) -> Callable[..., Any]:
        def instead(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            if get_ident() == here:
                refuse("NumPy")
            return method(tensor, *args, **kwargs)

        return instead

    for name, method in methods.items():
        setattr(torch.Tensor, name, refusing(method))
    try:
        yield
    finally:
        for name in methods:
            setattr(torch.Tensor, name, own[name]) if name in own else delattr(torch.Tensor, name)
