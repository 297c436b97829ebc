"""Makes measured.json, the numbers of the three sample reports: ``python instructor/capstone/measure.py``."""

from __future__ import annotations

import json
import time
from pathlib import Path

import torch

from mobilenet_edu.network import ConvMobileNet, MobileNetV1
from mobilenet_edu.timing import compare, machine

MULTIPLIERS = (0.25, 0.5, 0.75, 1.0)
ROUNDS = 15


def main() -> None:
    torch.set_num_threads(1)
    networks = {
        f"MobileNet {multiplier}": MobileNetV1(width_multiplier=multiplier).eval() for multiplier in MULTIPLIERS
    }
    networks["dense twin"] = ConvMobileNet().eval()
    images = torch.rand(1, 3, 224, 224)
    with torch.inference_mode():
        # What the second report does: one run of each, in the order in which they were built
        single = {}
        for name, network in networks.items():
            start = time.perf_counter()
            network(images)
            single[name] = time.perf_counter() - start
        # What the others do. The thread's own time: other programs on the machine do not count.
        calls = {name: lambda network=network: network(images) for name, network in networks.items()}
        timings = compare(calls, ROUNDS, clock=time.thread_time)
    measured = {
        "machine": machine(),
        "rounds": ROUNDS,
        "single_ms": {name: round(seconds * 1e3, 1) for name, seconds in single.items()},
        "median_ms": {name: round(timing.median * 1e3, 1) for name, timing in timings.items()},
        "quartiles_ms": {name: [round(each * 1e3, 1) for each in timing.spread] for name, timing in timings.items()},
    }
    Path(__file__).with_name("measured.json").write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
