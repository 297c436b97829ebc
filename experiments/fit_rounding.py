"""Round a network's weights to 8 bits so that each error makes up for those before it.

Rounding to the nearest number of the grid is best for each weight alone and not for their sum, which is what a layer
computes. Here the weights of an output channel are rounded one after the other, and the rest moves so that the layer's
outputs on given images stay as they were, as far as they can: `GPTQ <https://arxiv.org/abs/2210.17323>`_ (Frantar et
al., 2023), with the bias as the last weight, which need not be rounded. The network stays one of float32, and each
channel's largest weight keeps its place, so any tool that gives a channel one symmetric scale finds this very grid.

    python experiments/fit_rounding.py [--store]

asks which layer of Google's MobileNet V1 1.0-224 loses what: how far the logits move, as a mean square over their own,
when one layer's input alone is rounded to 8 bits, or its weights alone, to the nearest step or fitted. A minute of CPU
time; ``--store`` writes it into mobilenet_edu/data/runtimes.json, which chapter 13 shows.
"""

from __future__ import annotations

import argparse
import json

import torch
import torch.nn.functional as F
from tabulate import tabulate
from torch import nn

from mobilenet_edu import deploy

STEPS = 127  # on either side of zero
PATCHES = 16384  # of a layer's inputs are enough
DAMPING = 0.01  # of the mean square of its inputs: how little the images are trusted


@torch.no_grad()
def fitted(network: nn.Module, images: torch.Tensor, float_layers: int = 0) -> nn.Module:
    """A folded copy whose convolutions and linear layers have weights on a grid of 8 bits, one scale per channel.

    The first ``float_layers`` keep their weights.

    One pass with the images rounds each layer when it is reached, so a layer sees what the rounded ones before it give.
    """
    network = deploy.fold_batch_norms(network)
    hooks = [layer.register_forward_pre_hook(_fit) for layer in _layers(network)[float_layers:]]
    network(images)
    for hook in hooks:
        hook.remove()
    return network


def _layers(network: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    return [part for part in network.modules() if isinstance(part, (nn.Conv2d, nn.Linear))]


def _fit(layer: nn.Conv2d | nn.Linear, inputs: tuple[torch.Tensor]) -> None:
    patches = _patches(layer, *inputs)  # (groups, K, P)
    groups, _, number = patches.shape
    weights = layer.weight.reshape(groups, len(layer.weight) // groups, -1)
    weights = weights * patches.any(2)[:, None]  # what is multiplied by nothing but zeros must not set a scale
    patches = torch.cat([patches, torch.ones(groups, 1, number)], 1)  # the bias multiplies a one
    both = torch.cat([weights, layer.bias.reshape(groups, -1, 1)], 2)
    rounded, bias = _rounded(both, patches @ patches.mT / number)
    layer.weight.copy_(rounded.reshape(layer.weight.shape))
    layer.bias.copy_(bias.flatten())


def _patches(layer: nn.Conv2d | nn.Linear, inputs: torch.Tensor) -> torch.Tensor:
    """What the layer's K weights of a channel are multiplied by, (groups, K, P): of large maps, patches on a grid."""
    if isinstance(layer, nn.Linear):
        return inputs.T[None]
    apart = max(1, round((inputs[:, 0].numel() / PATCHES) ** 0.5))
    around = [side // 2 for side in layer.kernel_size]
    patches = F.unfold(inputs, layer.kernel_size, padding=around, stride=apart)  # (N, groups · K, L)
    return patches.transpose(0, 1).reshape(layer.groups, -1, len(inputs) * patches.shape[2])


def _rounded(weights: torch.Tensor, products: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The rounded weights and the bias that fits them, from ``weights`` (groups, channels, K + 1), of which the bias is
    the last, and from the mean products of what they are multiplied by, (groups, K + 1, K + 1)."""
    products = products.double()
    size = products.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
    damped = products + (DAMPING * size + 1e-9) * torch.eye(products.shape[1])
    factor = torch.linalg.cholesky(torch.linalg.inv(damped), upper=True).float()
    weights = weights.clone()
    largest, place = weights[..., :-1].abs().max(2)
    step = (largest / STEPS).clamp(min=1e-12)
    for k in range(weights.shape[2] - 1):
        wanted = weights[..., k].clone()
        on_grid = (wanted / step).round().clamp(-STEPS, STEPS) * step
        on_grid = torch.where(place == k, largest.copysign(on_grid), on_grid)  # so that the grid can be found again
        error = (wanted - on_grid) / factor[:, k, k, None]
        weights[..., k:] -= error[..., None] * factor[:, None, k, k:]
        weights[..., k] = on_grid
    return weights[..., :-1], weights[..., -1]


@torch.no_grad()
def losses(network: nn.Module, images: torch.Tensor, calibration: torch.Tensor) -> list[dict[str, float]]:
    """For each layer how far the logits of ``images`` move, as a mean square over their own, by one thing alone: its
    input in 8 bits ("map"), its weights each rounded to the ``nearest`` step, or ``fitted`` to the calibration."""
    folded = deploy.fold_batch_norms(network)
    expected = folded(images)

    def moved() -> float:
        return float(f"{(folded(images) - expected).square().mean() / expected.square().mean():.3g}")

    rows = []
    for layer, other in zip(_layers(folded), _layers(fitted(network, calibration)), strict=True):
        hook = layer.register_forward_pre_hook(lambda _, inputs: _in_8_bits(*inputs))
        row = {"map": moved()}
        hook.remove()
        before = layer.weight.clone(), layer.bias.clone()
        for name, (weight, bias) in {"nearest": _nearest(layer), "fitted": (other.weight, other.bias)}.items():
            layer.weight.copy_(weight), layer.bias.copy_(bias)
            row[name] = moved()
        layer.weight.copy_(before[0]), layer.bias.copy_(before[1])
        rows.append(row)
    return rows


def _in_8_bits(numbers: torch.Tensor) -> torch.Tensor:
    """Rounded to one of 256 steps from the smallest, or zero, to the largest."""
    low, high = numbers.min().clamp(max=0), numbers.max().clamp(min=0)
    step = ((high - low) / (2 * STEPS + 1)).clamp(min=1e-12)
    return (numbers / step).round() * step


def _nearest(layer: nn.Conv2d | nn.Linear) -> tuple[torch.Tensor, torch.Tensor]:
    step = layer.weight.flatten(1).abs().amax(1).clamp(min=1e-12) / STEPS
    step = step.reshape(-1, *[1] * (layer.weight.dim() - 1))
    return (layer.weight / step).round() * step, layer.bias.clone()


def main() -> None:
    from compare_runtimes import STORED
    from runtimes import NETWORKS

    parser = argparse.ArgumentParser()
    parser.add_argument("--store", action="store_true", help="write what chapter 13 shows")
    store, network = parser.parse_args().store, "released checkpoint"
    pictures = NETWORKS[network]()
    rows = losses(pictures.network, pictures.calibration[::3], pictures.calibration)  # one square of each picture
    print(tabulate(rows, "keys", showindex=True))
    if store:
        stored = json.loads(STORED.read_text(encoding="utf-8"))
        stored["networks"][network]["losses"] = rows
        STORED.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
