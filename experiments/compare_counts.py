"""Count the networks of timm and pytorchcv that results/compared_counts.csv lists: ``make compare``.

Each count is held against half of what PyTorch's own FlopCounterMode says. It drops some forms of attention; where the
two differ, the difference must be exactly the attention, counted by hand at each call of scaled_dot_product_attention:
queries times keys, and scores times values. Networks lie on the meta device, which has shapes and no numbers; those
that do not run there say why.

Writes the numbers beside the names; with a library's name as argument it only prints. timm and pytorchcv are installed
without dependencies (requirements-slow.txt says why).
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from timm_manifest import StandIn
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mobilenet_edu.counting import count_cost

RESULTS = Path(__file__).parent / "results" / "compared_counts.csv"
FIELDS = ("library", "network", "size", "torch", "attention", "count_cost", "says")


@contextmanager
def attention_by_hand() -> Iterator[list[int]]:
    """Collects the MACs of each call of scaled_dot_product_attention, which runs no product meanwhile."""
    macs: list[int] = []
    original = F.scaled_dot_product_attention

    def stand_in(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        macs.append(prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1]))
        return query.new_empty(*query.shape[:-1], value.shape[-1])

    F.scaled_dot_product_attention = stand_in
    try:
        yield macs
    finally:
        F.scaled_dot_product_attention = original


def torch_macs(network: nn.Module, image: torch.Tensor) -> int:
    """Half of what FlopCounterMode says."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(image)
    return counter.get_total_flops() // 2


def build(library: str, name: str, device: str = "meta") -> nn.Module:
    """The network on this device; where its code asks for a number while it is built, on the CPU first."""
    if not any(isinstance(finder, StandIn) for finder in sys.meta_path):
        sys.meta_path.append(StandIn())
    if library == "timm":
        from timm import create_model as create
    else:
        from pytorchcv.model_provider import get_model as create
    try:
        with torch.device(device):
            network = create(name)
    except (RuntimeError, NotImplementedError):
        network = create(name).to(device)
    return network.eval().requires_grad_(False)


def compared(library: str, name: str, size: int) -> dict[str, Any]:
    """One row of the table; a network that cannot be run on shapes says why."""
    row = {"library": library, "network": name, "size": size}
    try:
        network = build(library, name)
        image_size = size_of(network, library, size)
        row["size"] = "×".join(map(str, dict.fromkeys(image_size[1:])))
        theirs = torch_macs(network, torch.empty(1, *image_size, device="meta"))
    except Exception as error:  # it is the network's, not ours
        return row | {"says": f"does not run: {type(error).__name__}: {error}".splitlines()[0][:80]}
    return row | {"torch": theirs} | judged(network, image_size, theirs)


def size_of(network: nn.Module, library: str, size: int) -> tuple[int, int, int]:
    """Channels, height and width: those that a network of pytorchcv names, or a square image."""
    named = library == "pytorchcv"
    height, width = getattr(network, "in_size", (size, size)) if named else (size, size)
    return getattr(network, "in_channels", 3) if named else 3, height, width


def judged(network: nn.Module, size: tuple[int, int, int], theirs: int) -> dict[str, Any]:
    """Our count, the attention that PyTorch's drops, and whether the two agree."""
    dropped = 0
    try:
        ours = count_cost(network, size).macs
        if ours != theirs:
            with attention_by_hand() as attention:
                count_cost(network, size)
            dropped = sum(attention)
    except Exception as error:
        return {"says": f"count_cost: {error}".splitlines()[0][:120]}
    return {"attention": dropped, "count_cost": ours, "says": "equal" if ours == theirs + dropped else "differs"}


def main() -> None:
    with RESULTS.open(encoding="utf-8", newline="") as file:
        networks = [(row["library"], row["network"], int(row["size"].split("×")[0])) for row in csv.DictReader(file)]
    rows = [compared(*network) for network in networks if network[0] in (sys.argv[1:] or ["timm", "pytorchcv"])]
    if not sys.argv[1:]:
        with RESULTS.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    said = Counter(row["says"].partition(":")[0] for row in rows)
    print(*(f"{number} {says}" for says, number in said.items()), sep=", ")
    for row in rows:
        if row["says"] != "equal":
            print(row["library"], row["network"], row["says"])


if __name__ == "__main__":
    main()
