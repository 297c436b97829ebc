"""Count a network by running it once, on PyTorch's own dispatch, so that functional calls count too.

`count_cost` is the reference: MACs of convolutions and matrix products, parameters once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from mobilenet_edu.cost import Cost, _positive

__all__ = ["count_cost"]

aten = torch.ops.aten


def count_cost(model: nn.Module, input_size: tuple[int, int, int]) -> Cost:
    """Cost of one pass of one image through ``model``, in evaluation mode.

    A MAC is one multiply-accumulate of a convolution (transposed ones too) or a matrix product; a layer that is called
    twice counts twice. Biases, normalisation, activations, pooling and element-wise products are no MACs. Elements are
    those that the counted operations read and write. Parameters are counted once each, also where they are shared.
    The model is left as it was: mode, gradients, buffers and the random state.

    Args:
        model: any module that maps (1, channels, height, width) to anything.
        input_size: ``(channels, height, width)``, without the batch.

    Raises:
        TypeError, ValueError: ``input_size`` is not three positive integers.
        NotImplementedError: the model uses an operation that may multiply and that this function does not know.

    >>> count_cost(nn.Conv2d(3, 8, 3, bias=False), (3, 6, 6))
    Cost(params=216, macs=3456, input_elements=108, output_elements=128)
    """
    if not isinstance(input_size, (tuple, list)) or len(input_size) != 3:
        raise ValueError(f"input_size={input_size!r} must be (channels, height, width)")
    for name, value in zip(("channels", "height", "width"), input_size, strict=True):
        _positive(f"input_size's {name}", value)

    like = next(model.parameters(), torch.zeros(()))
    image = torch.zeros(1, *input_size, dtype=like.dtype, device=like.device)
    with _left_as_it_was(model), torch.no_grad(), _MacCounter() as counter:
        model(image)
    return counter.cost + Cost(params=sum(parameter.numel() for parameter in model.parameters()))


class _MacCounter(TorchDispatchMode):
    """Sees every operation that PyTorch runs and adds up the cost of those that multiply and accumulate."""

    def __init__(self) -> None:
        super().__init__()
        self.cost = Cost()

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        output = func(*args, **(kwargs or {}))
        operation = func.overloadpacket
        if operation in _COUNTED:
            self.cost += _COUNTED[operation](output, *args)
        elif not (operation in _FREE or func.is_view or torch.Tag.pointwise in func.tags):
            raise NotImplementedError(f"count_cost does not know how many MACs {func} needs, so it would count too few")
        return output


def _convolution(output: torch.Tensor, image: torch.Tensor, weight: torch.Tensor, *rest: Any) -> Cost:
    transposed = rest[4]  # after bias, stride, padding and dilation
    taps = prod(weight.shape[1:])  # in_channels / groups * kernel, of which each output element needs all;
    positions = image.numel() if transposed else output.numel()  # transposed: each input element reaches all
    return Cost(0, taps * positions, image.numel(), output.numel())


def _matrix_product(output: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> Cost:
    return Cost(0, output.numel() * left.shape[-1], left.numel(), output.numel())


def _matrix_product_plus(output: torch.Tensor, _: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> Cost:
    return _matrix_product(output, left, right)


_COUNTED = {
    aten.convolution: _convolution,
    aten.mm: _matrix_product,
    aten.bmm: _matrix_product,
    aten.addmm: _matrix_product_plus,
    aten.baddbmm: _matrix_product_plus,
}

# No multiply-accumulate by the convention above. Element-wise operations and views are recognised by their tag.
_FREE = {
    aten.native_batch_norm,
    aten._native_batch_norm_legit,
    aten._native_batch_norm_legit_no_training,
    aten.cudnn_batch_norm,
    aten.native_layer_norm,
    aten.native_group_norm,
    aten.max_pool2d_with_indices,
    aten.avg_pool2d,
    aten._adaptive_avg_pool2d,
    aten.adaptive_max_pool2d,
    aten.mean,
    aten.sum,
    aten.amax,
    aten._softmax,
    aten._log_softmax,
    aten.cat,
    aten.stack,
    aten.constant_pad_nd,
    aten.clone,
    aten.copy_,
    aten._to_copy,
    aten._unsafe_view,
    aten.empty,
    aten.zeros,
    aten.ones,
    aten.full,
    aten.arange,
    aten.rand,
    aten.randn,
}


@contextmanager
def _left_as_it_was(model: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in model.modules()}
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        with torch.random.fork_rng(devices=[]):
            model.eval()
            yield
    finally:
        for module, training in modes.items():
            module.training = training
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
