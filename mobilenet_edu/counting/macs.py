"""Count a network by running it once: MACs of convolutions and matrix products, parameters once.

`count_cost` watches PyTorch's own dispatch, so that functional calls count too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import TorchDispatchMode

from mobilenet_edu import checks
from mobilenet_edu.cost import Cost

__all__ = ["count_cost"]

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
    check(model, input_size)
    with _MacCounter(model) as counter:
        run_once(model, input_size)
    return counter.cost + Cost(params=sum(parameter.numel() for parameter in model.parameters()))


def check(model: nn.Module, input_size: tuple[int, int, int]) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"model={model!r} must be a built nn.Module, such as MobileNetV1()")
    if any(is_lazy(parameter) for parameter in (*model.parameters(), *model.buffers())):
        raise ValueError("model must have all its shapes: call it once, so that its lazy layers see an input")
    if not isinstance(input_size, (tuple, list)) or len(input_size) != 3:
        raise ValueError(f"input_size={input_size!r} must be (channels, height, width)")
    for name, value in zip(("channels", "height", "width"), input_size, strict=True):
        checks.positive(f"input_size's {name}", value)


def run_once(model: nn.Module, input_size: tuple[int, int, int]) -> None:
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
