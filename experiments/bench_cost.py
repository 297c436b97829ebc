"""How long it takes to count MobileNet V1: the calculator beside counters that run the network.

Rounds are interleaved, so that a slow moment of the machine touches all of them; a ratio is the median over the rounds.
"""

from __future__ import annotations

from statistics import median
from time import perf_counter

import torch
from torch.utils.flop_counter import FlopCounterMode
from torchinfo import summary

from mobilenet_edu.architecture import mobilenet_v1
from mobilenet_edu.counting import count_cost
from mobilenet_edu.network import MobileNetV1

ROUNDS = 15


def seconds(function, repeats: int = 1) -> float:
    """Mean time of one call over ``repeats`` of them."""
    start = perf_counter()
    for _ in range(repeats):
        function()
    return (perf_counter() - start) / repeats


def main() -> None:
    torch.set_num_threads(1)
    with torch.device("meta"):  # shapes without numbers: the counters' best case
        network, image = MobileNetV1().eval(), torch.empty(1, 3, 224, 224)

    def flop_counter_mode():
        with FlopCounterMode(display=False):
            network(image)

    ways = {
        "mobilenet_v1().cost": lambda: seconds(lambda: mobilenet_v1().cost, repeats=20),
        "count_cost": lambda: seconds(lambda: count_cost(network, (3, 224, 224))),
        "torchinfo": lambda: seconds(lambda: summary(network, input_data=image, verbose=0, device="meta")),
        "FlopCounterMode": lambda: seconds(flop_counter_mode),
    }
    for way in ways.values():
        way()  # the first call pays for imports and caches
    times = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            times[name].append(way())
    ours = times["mobilenet_v1().cost"]
    print(f"{'':22}{'ms':>8}{'ratio':>8}")
    for name, taken in times.items():
        ratio = median(theirs / own for theirs, own in zip(taken, ours, strict=True))
        print(f"{name:22}{1000 * median(taken):8.2f}{ratio:8.1f}")


if __name__ == "__main__":
    main()
