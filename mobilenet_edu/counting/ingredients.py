"""What a network offers to be counted: the `ingredients` of which every counter takes its own selection.

Counters look at a network in three ways. Some know the kinds of layers (`nn.ReLU`), some replace functions (`F.relu`),
some watch the operations below. So a step that a layer of PyTorch performs and the same step that a module's own
``forward`` calls are two ingredients: the second has a name that begins with ``called_``.
"""

from __future__ import annotations

import dis
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from math import prod
from types import FrameType
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from mobilenet_edu.counting.macs import check, run_once

__all__ = ["INGREDIENTS", "ingredients"]

Amounts: TypeAlias = dict[str, int]
_ACTIVATIONS = {
    "relu": "ReLU",
    "relu6": "ReLU6",
    "hardswish": "hard-swish",
    "hardsigmoid": "hard sigmoid",
    "sigmoid": "sigmoid",
    "silu": "SiLU",
    "gelu": "GELU",
    "tanh": "tanh",
    "leaky_relu": "leaky ReLU",
    "softmax": "softmax",
}

_UNCOUNTED = {"moved_outputs", "joined_outputs", "sum_outputs"}  # by flops-profiler, wherever it is called
_OWN = ("weight", "bias")  # what the parameters of the layers below are called
_BARE = ("relu", "sigmoid", "tanh", "softmax")  # also functions of torch itself and methods of tensors


def _of_a_kind(prefix: str, what: str) -> dict[str, str]:
    return {
        f"{prefix}_macs": f"MACs of {what}",
        f"{prefix}_outputs": f"outputs of {what}",
        f"{prefix}_bias_outputs": f"outputs of {what} that have a bias",
    }


# All of one image. "Elements" are numbers in a tensor that enters a step.
INGREDIENTS = {
    **_of_a_kind("conv", "convolutions"),
    "conv_full_macs": "MACs that convolutions would need without groups",
    "conv_depthwise_macs": "MACs of convolutions, if all with groups were depthwise",
    "conv_real_macs": "MACs of convolutions on real pixels, padding left out",
    "worded_padding_macs": "MACs of convolutions whose padding is a word",
    "made_weights": "parameters from which the weight of a layer is made",
    **_of_a_kind("transposed", "transposed convolutions"),
    "transposed_output_macs": "outputs of transposed convolutions × taps of a kernel",
    **_of_a_kind("grouped_transposed", "grouped transposed convolutions"),
    "grouped_transposed_output_macs": "outputs of grouped transposed convolutions × taps of a kernel",
    **_of_a_kind("linear", "linear layers"),
    "linear_bias_inputs": "inputs of linear layers that have a bias",
    **_of_a_kind("map_linear", "linear layers on maps"),
    "map_linear_bias_inputs": "inputs of linear layers on maps that have a bias",
    "strided_linear_bias_outputs": "outputs of linear layers with a bias on maps that are permuted",
    "map_linear_parameters": "parameters of linear layers on maps, once for each row",
    "norm_elements": "elements entering batch norm",
    "norm_layers": "layers of batch norm",
    "norm_parameters": "parameters of batch norm",
    "norm_channels": "channels of batch norm",
    "loose_norm_elements": "elements entering batch norm that no convolution precedes",
    "plain_norm_elements": "elements entering batch norm without scale and shift",
    "plain_norm_channels": "channels of batch norm without scale and shift",
    "statless_norm_elements": "elements entering batch norm without running statistics",
    "statless_norm_parameters": "parameters of batch norm without running statistics",
    "statless_plain_norm_elements": "elements entering batch norm without statistics, scale and shift",
    "layer_norm_elements": "elements entering layer norm",
    "layer_norm_parameters": "parameters of layer norm",
    "plain_layer_norm_elements": "elements entering layer norm without scale and shift",
    "group_norm_elements": "elements entering group norm",
    "group_norm_parameters": "parameters of group norm",
    "plain_group_norm_elements": "elements entering group norm without scale and shift",
    **{f"{name}_elements": f"elements entering {word}" for name, word in _ACTIVATIONS.items()},
    "prelu_elements": "elements entering PReLU",
    "prelu_parameters": "parameters of PReLU",
    "max_pool_elements": "elements entering max pooling",
    "max_pool_outputs": "outputs of max pooling",
    "max_pool_taps": "outputs of max pooling × elements of a window",
    "max_pool_lengths": "outputs of max pooling × size of the window as it is written",
    "avg_pool_elements": "elements entering average pooling",
    "avg_pool_outputs": "outputs of average pooling",
    "avg_pool_taps": "outputs of average pooling × elements of a window",
    "avg_pool_lengths": "outputs of average pooling × size of the window as it is written",
    "ceil_pool_outputs": "outputs of average pooling with ceil_mode",
    "global_pool_elements": "elements entering adaptive average pooling",
    "global_pool_outputs": "outputs of adaptive average pooling",
    "grid_pool_elements": "elements entering adaptive average pooling to more than one pixel",
    "grid_pool_outputs": "outputs of adaptive average pooling to more than one pixel",
    "adaptive_max_pool_elements": "elements entering adaptive max pooling",
    "adaptive_max_pool_outputs": "outputs of adaptive max pooling",
    "uneven_pool_elements": "elements entering adaptive pooling that does not divide",
    "uneven_pool_outputs": "outputs of adaptive pooling that does not divide",
    "dropout_elements": "elements entering dropout",
    "flatten_elements": "elements entering a flattening layer",
    "called_conv_macs": "MACs of calls of a convolution",
    "called_conv_bias_outputs": "outputs of calls of a convolution with a bias",
    "called_linear_macs": "MACs of calls of a linear function",
    "called_linear_bias_outputs": "outputs of calls of a linear function with a bias",
    "called_norm_elements": "elements entering a call of batch norm",
    "called_layer_norm_elements": "elements entering a call of layer norm",
    "called_group_norm_elements": "elements entering a call of group norm",
    **{f"called_{name}_elements": f"elements entering a call of {word}" for name, word in _ACTIVATIONS.items()},
    **{f"bare_{name}_elements": f"elements entering torch.{name}" for name in _BARE},
    "called_max_pool_elements": "elements entering a call of max pooling",
    "called_avg_pool_elements": "elements entering a call of average pooling",
    "called_global_pool_elements": "elements entering a call of adaptive average pooling",
    "called_global_pool_outputs": "outputs of calls of adaptive average pooling",
    "called_dropout_elements": "elements entering a call of dropout",
    "mean_elements": "elements entering a mean",
    "mean_outputs": "outputs of means",
    "sum_outputs": "outputs of sums of two tensors",
    "in_place_sum_outputs": "outputs of sums in place",
    "product_outputs": "outputs of element-wise products",
    "gated_outputs": "outputs of products with one number per channel",
    "scaled_outputs": "outputs of products with one number",
    "shifted_outputs": "outputs of sums with one number",
    "called_sum_outputs": "outputs of torch.add",
    "called_product_outputs": "outputs of torch.mul",
    "joined_outputs": "outputs of concatenation",
    "padded_outputs": "outputs of padding",
    "moved_outputs": "outputs of views and permutations",
    "matmul_macs": "MACs of products of two activations",
    "called_matmul_macs": "MACs of calls of torch.matmul",
    "attention_macs": "MACs of scaled dot-product attention with heads",
    "strided_attention_macs": "MACs of scaled dot-product attention on permuted heads",
    "flat_attention_macs": "MACs of scaled dot-product attention without heads",
    "outer_calls": "functions called by the outermost module itself",
    "own_parameters": "weight and bias of layers that PyTorch does not have, at every position if their name says Conv",
    "other_parameters": "parameters of such layers that are called neither weight nor bias",
    "inner_parameters": "parameters of modules that have layers inside",
    "repeated_layers": "layers called again",
    "unused_parameters": "parameters that are never used",
    "weights": "weights of convolutions and linear layers",
    "parameters": "parameters",
}


def _refuse_scripts(model: nn.Module) -> None:
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            what = f"model.{name}" if name else "model"
            raise TypeError(
                f"{what} must be a module that Python runs, not TorchScript, in which no layer can be watched: give "
                "the model that it was made from. count_cost counts scripts too"
            )


def ingredients(model: nn.Module, input_size: tuple[int, int, int]) -> dict[str, int]:
    """How much of each of the `INGREDIENTS` one image meets on its way through ``model``.

    Arguments and errors are those of `explain`.
    """
    check(model, input_size)
    _refuse_scripts(model)
    watch = _Watch(model)
    hooks = [hook for module in watch.names for hook in watch.hooks(module)]
    try:
        with watch, _NothingUnseen(watch):
            run_once(model, input_size)
    finally:
        for hook in hooks:
            hook.remove()
    amounts = dict.fromkeys(INGREDIENTS, 0) | watch.amounts
    used = {parameter for module in watch.entered for parameter in module.parameters(recurse=False)}
    everything = list(model.parameters())
    amounts["unused_parameters"] = sum(each.numel() for each in everything if each not in used)
    amounts["weights"] = sum(each.numel() for each in _weights(model))
    amounts["parameters"] = sum(each.numel() for each in everything)
    return amounts


def _weights(model: nn.Module) -> set[nn.Parameter]:
    return {
        module.weight for module in model.modules() if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear))
    }


class _Watch(TorchFunctionMode):
    """Notes what each known layer does, and each function that is called outside known layers."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.names = {module: name for name, module in model.named_modules()}
        self.amounts: Counter[str] = Counter()
        self.entered: Counter[nn.Module] = Counter()
        self.inside: list[nn.Module] = []
        self.calling = False
        self.convolved: Any = None  # what the last convolution gave

    def hooks(self, module: nn.Module) -> Iterable[Any]:
        yield module.register_forward_pre_hook(self.enter, prepend=True)  # before those that make a weight
        yield module.register_forward_hook(self.leave, with_kwargs=True)

    def enter(self, module: nn.Module, _: Any) -> None:
        self.inside.append(module)

    def leave(self, module: nn.Module, args: tuple, kwargs: dict[str, Any], output: Any) -> None:
        self.inside.pop()
        if any(type(other) in _LAYERS for other in self.inside):
            return
        own = list(module.parameters(recurse=False))
        if self.entered[module] and own:
            self.amounts["repeated_layers"] += 1
        self.entered[module] += 1
        if type(module) in _LAYERS:
            measure = _LAYERS[type(module)]
            image = (*args, *kwargs.values())[0]
            self.amounts.update(measure(module, image, output))
            made = [each.numel() for name, each in module.named_parameters() if name not in _OWN]
            self.amounts["made_weights"] += sum(made)
            if isinstance(module, nn.BatchNorm2d) and image is not self.convolved:
                self.amounts["loose_norm_elements"] += image.numel()
            self.convolved = output if isinstance(module, nn.Conv2d) else self.convolved
        elif own and any(module.children()):
            self.amounts["inner_parameters"] += sum(parameter.numel() for parameter in own)
        elif own:
            positions = prod(output.shape[2:]) if "Conv" in type(module).__name__ else 1
            for name, parameter in module.named_parameters():
                kind = "own_parameters" if name in _OWN else "other_parameters"
                self.amounts[kind] += positions * parameter.numel()

    @property
    def in_a_layer(self) -> bool:
        return any(type(module) in _LAYERS for module in self.inside)

    @property
    def place(self) -> str:
        """Where the network is: the innermost module's name and type."""
        module = self.inside[-1]
        return f"{self.names[module]!r} ({type(module).__name__})" if self.names[module] else type(module).__name__

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if not self.inside or self.in_a_layer:
            return func(*args, **kwargs)
        self.calling = True
        try:
            output = func(*args, **kwargs)
        finally:
            self.calling = False
        if isinstance(output, torch.Tensor) or (isinstance(output, (tuple, list)) and _tensors(output)):
            amounts = self.measured(func, args, kwargs, output, sys._getframe(1))
            self.amounts.update(amounts)
            self.amounts["outer_calls"] += len(self.inside) == 1 and not amounts.keys() <= _UNCOUNTED
        return output

    def measured(self, func: Any, args: tuple, kwargs: dict[str, Any], output: Any, caller: FrameType) -> Amounts:
        if isinstance(func, torch._ops.OpOverload):
            raise NotImplementedError(
                "explain needs the layers of a network, and an export leaves only operations: give the model that was "
                "exported. count_cost counts exports too"
            )
        name = getattr(func, "__name__", str(func))
        if name in _MOVES or name == "__get__":
            outputs = output if isinstance(output, (tuple, list)) else [output]
            return {"moved_outputs": sum(each.numel() for each in _tensors(outputs))}
        if name in _BARE and getattr(F, name) is not func and caller.f_globals is not vars(F):
            return {f"bare_{name}_elements": args[0].numel()}
        amounts = _FUNCTIONS[name](output, *args, **kwargs) if name in _FUNCTIONS else None
        if name in _OPERATORS and not _is_operator(caller):
            return {_OPERATORS[name]: next(iter(amounts.values()))}
        if amounts is None:
            raise NotImplementedError(f"explain does not know how counters treat {name} in {self.place}")
        return amounts


class _NothingUnseen(TorchDispatchMode):
    """Refuses an operation that reaches PyTorch past layers and functions, as those of scripted modules do."""

    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self.watch = watch

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        watch = self.watch
        if watch.inside and not (watch.calling or watch.in_a_layer):
            raise NotImplementedError(f"explain does not know how counters treat {func} in {watch.place}")
        return func(*args, **(kwargs or {}))


def _is_operator(frame: FrameType) -> bool:
    """Whether the code runs an operator, such as ``x + y``: counters that replace `torch.add` pass over it."""
    return dis.opname[frame.f_code.co_code[frame.f_lasti]] == "BINARY_OP"


def _tensors(values: Iterable[Any]) -> list[torch.Tensor]:
    return [value for value in values if isinstance(value, torch.Tensor)]


def _convolution(module: nn.Conv2d, image: torch.Tensor, output: torch.Tensor) -> Amounts:
    if module.padding_mode != "zeros":
        raise NotImplementedError(f"explain does not know how counters treat padding_mode={module.padding_mode!r}")
    macs = output.numel() * prod(module.weight.shape[1:])
    taps, groups = prod(module.kernel_size), module.groups
    return {
        "conv_macs": macs,
        "conv_outputs": output.numel(),
        "conv_bias_outputs": output.numel() if module.bias is not None else 0,
        "conv_full_macs": macs * groups,
        "conv_depthwise_macs": macs if groups == 1 else output.numel() * taps,
        "worded_padding_macs": macs if isinstance(module.padding, str) else 0,
        "conv_real_macs": output.shape[1] * module.weight.shape[1] * _real_taps(module, image, output),
    }


def _real_taps(module: nn.Conv2d, image: torch.Tensor, output: torch.Tensor) -> int:
    """Pairs of an output position and a tap of its kernel that lies on the map."""
    pairs = 1
    for axis in (0, 1):
        stride, dilation, kernel = module.stride[axis], module.dilation[axis], module.kernel_size[axis]
        before = dilation * (kernel - 1) // 2 if module.padding == "same" else 0
        before = before if isinstance(module.padding, str) else module.padding[axis]
        first = range(-before, -before + stride * output.shape[2 + axis], stride)
        side = image.shape[2 + axis]
        pairs *= sum(0 <= start + dilation * tap < side for start in first for tap in range(kernel))
    return pairs


def _transposed(module: nn.ConvTranspose2d, image: torch.Tensor, output: torch.Tensor) -> Amounts:
    prefix = "transposed" if module.groups == 1 else "grouped_transposed"
    return {
        f"{prefix}_macs": image.numel() * prod(module.weight.shape[1:]),
        f"{prefix}_output_macs": output.numel() * module.in_channels // module.groups * prod(module.kernel_size),
        f"{prefix}_outputs": output.numel(),
        f"{prefix}_bias_outputs": output.numel() if module.bias is not None else 0,
    }


def _linear(module: nn.Linear, image: torch.Tensor, output: torch.Tensor) -> Amounts:
    prefix = "linear" if image.dim() == 2 else "map_linear"
    biased = module.bias is not None
    amounts = {
        f"{prefix}_macs": output.numel() * module.in_features,
        f"{prefix}_outputs": output.numel(),
        f"{prefix}_bias_outputs": output.numel() if biased else 0,
        f"{prefix}_bias_inputs": image.numel() if biased else 0,
    }
    if prefix == "map_linear":
        amounts["strided_linear_bias_outputs"] = 0 if image.is_contiguous() else amounts["map_linear_bias_outputs"]
        amounts["map_linear_parameters"] = len(output) * sum(each.numel() for each in module.parameters())
    return amounts


def _batch_norm(module: nn.BatchNorm2d, image: torch.Tensor, output: torch.Tensor) -> Amounts:
    elements, parameters = image.numel(), 2 * module.num_features
    match module.running_mean is None, module.affine:
        case True, True:
            return {"statless_norm_elements": elements, "statless_norm_parameters": parameters}
        case True, False:
            return {"statless_plain_norm_elements": elements}
        case _, True:
            channels = {"norm_parameters": parameters, "norm_channels": module.num_features}
            return {"norm_elements": elements, "norm_layers": 1, **channels}
    return {"plain_norm_elements": elements, "plain_norm_channels": module.num_features, "norm_layers": 1}


def _other_norm(name: str) -> Callable[..., Amounts]:
    def measure(module: nn.Module, image: torch.Tensor, output: torch.Tensor) -> Amounts:
        parameters = sum(each.numel() for each in module.parameters())
        if not parameters:
            return {f"plain_{name}_elements": image.numel()}
        return {f"{name}_elements": image.numel(), f"{name}_parameters": parameters}

    return measure


def _elements(*names: str) -> Callable[..., Amounts]:
    def measure(module: nn.Module, image: torch.Tensor, output: torch.Tensor) -> Amounts:
        return {name: image.numel() if name.endswith("_elements") else output.numel() for name in names}

    return measure


def _prelu(module: nn.PReLU, image: torch.Tensor, output: torch.Tensor) -> Amounts:
    return {"prelu_elements": image.numel(), "prelu_parameters": module.weight.numel()}


def _pool(name: str) -> Callable[..., Amounts]:
    def measure(module: Any, image: torch.Tensor, output: torch.Tensor) -> Amounts:
        kernel, whole = module.kernel_size, isinstance(module.kernel_size, int)
        area = kernel**2 if whole else prod(kernel)
        return {
            f"{name}_elements": image.numel(),
            f"{name}_outputs": output.numel(),
            f"{name}_taps": output.numel() * area,
            f"{name}_lengths": output.numel() * (kernel if whole else area),
            "ceil_pool_outputs": output.numel() if name == "avg_pool" and module.ceil_mode else 0,
        }

    return measure


def _adaptive(name: str) -> Callable[..., Amounts]:
    def measure(module: nn.Module, image: torch.Tensor, output: torch.Tensor) -> Amounts:
        kind = name if _divides(image, output) else "uneven_pool"
        if kind == "global_pool" and prod(output.shape[2:]) > 1:
            kind = "grid_pool"
        return _elements(f"{kind}_elements", f"{kind}_outputs")(module, image, output)

    return measure


# Each exact type: a subclass may do something else, and counters that look for types pass over it.
_LAYERS: dict[type, Callable[..., Amounts]] = {
    nn.Conv2d: _convolution,
    nn.ConvTranspose2d: _transposed,
    nn.Linear: _linear,
    nn.BatchNorm2d: _batch_norm,
    nn.LayerNorm: _other_norm("layer_norm"),
    nn.GroupNorm: _other_norm("group_norm"),
    nn.ReLU: _elements("relu_elements"),
    nn.ReLU6: _elements("relu6_elements"),
    nn.Hardswish: _elements("hardswish_elements"),
    nn.Hardsigmoid: _elements("hardsigmoid_elements"),
    nn.Sigmoid: _elements("sigmoid_elements"),
    nn.SiLU: _elements("silu_elements"),
    nn.GELU: _elements("gelu_elements"),
    nn.Tanh: _elements("tanh_elements"),
    nn.LeakyReLU: _elements("leaky_relu_elements"),
    nn.Softmax: _elements("softmax_elements"),
    nn.PReLU: _prelu,
    nn.MaxPool2d: _pool("max_pool"),
    nn.AvgPool2d: _pool("avg_pool"),
    nn.AdaptiveAvgPool2d: _adaptive("global_pool"),
    nn.AdaptiveMaxPool2d: _adaptive("adaptive_max_pool"),
    nn.Dropout: _elements("dropout_elements"),
    nn.Flatten: _elements("flatten_elements"),
    nn.Identity: _elements(),
}


def _called_convolution(
    output: torch.Tensor, input: torch.Tensor, weight: torch.Tensor, bias: Any = None, *rest: Any, **options: Any
) -> Amounts:
    return {
        "called_conv_macs": output.numel() * prod(weight.shape[1:]),
        "called_conv_bias_outputs": output.numel() if bias is not None else 0,
    }


def _called_linear(output: torch.Tensor, input: torch.Tensor, weight: torch.Tensor, bias: Any = None) -> Amounts:
    return {
        "called_linear_macs": output.numel() * weight.shape[1],
        "called_linear_bias_outputs": output.numel() if bias is not None else 0,
    }


def _called_norm(
    output: torch.Tensor,
    input: torch.Tensor,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    *rest: Any,
    **options: Any,
) -> Amounts | None:
    return None if training or weight is None else {"called_norm_elements": input.numel()}


def _called(*names: str) -> Callable[..., Amounts]:
    def measure(output: torch.Tensor, input: torch.Tensor, *rest: Any, **options: Any) -> Amounts:
        return {name: input.numel() if name.endswith("_elements") else output.numel() for name in names}

    return measure


def _called_adaptive(output: torch.Tensor, input: torch.Tensor, *rest: Any, **options: Any) -> Amounts | None:
    names = ("called_global_pool_elements", "called_global_pool_outputs")
    return _called(*names)(output, input) if _divides(input, output) else None


def _divides(image: torch.Tensor, output: torch.Tensor) -> bool:
    return all(side % part == 0 for side, part in zip(image.shape[2:], output.shape[2:], strict=True))


def _sum(whole: str, number: str) -> Callable[..., Amounts]:
    def measure(output: torch.Tensor, input: Any, other: Any, **options: Any) -> Amounts:
        sizes = [value.numel() if isinstance(value, torch.Tensor) else 1 for value in (input, other)]
        return {number if min(sizes) == 1 else whole: output.numel()}

    return measure


def _product(output: torch.Tensor, input: Any, other: Any, **options: Any) -> Amounts:
    sizes = [value.numel() if isinstance(value, torch.Tensor) else 1 for value in (input, other)]
    if min(sizes) == 1:
        return {"scaled_outputs": output.numel()}
    return {"product_outputs" if sizes[0] == sizes[1] else "gated_outputs": output.numel()}


def _joined(output: torch.Tensor, *rest: Any, **options: Any) -> Amounts:
    return {"joined_outputs": output.numel()}


def _matrix_product(output: torch.Tensor, input: torch.Tensor, other: torch.Tensor) -> Amounts:
    return {"matmul_macs": output.numel() * input.shape[-1]}


def _attention(
    output: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *rest: Any, **options: Any
) -> Amounts:
    scores = prod(query.shape[:-1]) * key.shape[-2]
    name = "attention_macs" if query.dim() == 4 else "flat_attention_macs"
    if query.dim() == 4 and any(each.stride(-1) != 1 for each in (query, key, value)):
        name = "strided_attention_macs"  # which PyTorch runs as two products
    return {name: scores * (query.shape[-1] + value.shape[-1])}


_FUNCTIONS: dict[str, Callable[..., Amounts | None]] = {
    "conv2d": _called_convolution,
    "linear": _called_linear,
    "batch_norm": _called_norm,
    "layer_norm": _called("called_layer_norm_elements"),
    "group_norm": _called("called_group_norm_elements"),
    **{name: _called(f"called_{name}_elements") for name in _ACTIVATIONS},
    "hardtanh": lambda output, input, low=-1, high=1, inplace=False: (
        {"called_relu6_elements": input.numel()} if (low, high) == (0, 6) else None
    ),
    "max_pool2d": _called("called_max_pool_elements"),
    "boolean_dispatch": _called("called_max_pool_elements"),
    "avg_pool2d": _called("called_avg_pool_elements"),
    "adaptive_avg_pool2d": _called_adaptive,
    "dropout": _called("called_dropout_elements"),
    "mean": _called("mean_elements", "mean_outputs"),
    **dict.fromkeys(("add", "__add__", "__radd__"), _sum("sum_outputs", "shifted_outputs")),
    **dict.fromkeys(("add_", "__iadd__"), _sum("in_place_sum_outputs", "shifted_outputs")),
    **dict.fromkeys(("mul", "__mul__", "__rmul__", "mul_", "__imul__", "multiply"), _product),
    **dict.fromkeys(("cat", "concat", "concatenate"), _joined),
    "pad": lambda output, *rest, **options: {"padded_outputs": output.numel()},
    **dict.fromkeys(("matmul", "__matmul__", "bmm"), _matrix_product),
    "scaled_dot_product_attention": _attention,
}
_OPERATORS = {
    "add": "called_sum_outputs",
    **dict.fromkeys(("mul", "multiply"), "called_product_outputs"),
    **dict.fromkeys(("matmul", "bmm"), "called_matmul_macs"),
}
_MOVES = {
    "view",
    "reshape",
    "permute",
    "transpose",
    "flatten",
    "unflatten",
    "chunk",
    "split",
    "unbind",
    "squeeze",
    "unsqueeze",
    "expand",
    "expand_as",
    "contiguous",
    "__getitem__",
    "narrow",
    "select",
    "movedim",
    "swapaxes",
    "t",
    "to",
    "float",
    "type_as",
    "clone",
    "detach",
    "view_as",
    "reshape_as",
}
