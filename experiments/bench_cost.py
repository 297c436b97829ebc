"""What it costs to count a network: the calculator and `count_cost` beside counters that run it.

    python experiments/bench_cost.py

CPU seconds of one thread. Rounds are interleaved, so that a slow moment of the machine touches all of them; a ratio is
the median over the rounds. The last row needs timm and the other counters (`make test-slow` installs them); what is not
there is left out.
"""

from __future__ import annotations

import csv
import importlib.util
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from statistics import median
from time import thread_time

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchinfo import summary

from mobilenet_edu.architecture import mobilenet_v1
from mobilenet_edu.counting import count_cost
from mobilenet_edu.network import MobileNetV1

ROUNDS = 15
NETWORKS = 60
LISTED = Path(__file__).parent / "results" / "compared_counts.csv"


def seconds(function: Callable[[], object], repeats: int = 1) -> float:
    """Mean CPU time of one call over ``repeats`` of them."""
    start = thread_time()
    for _ in range(repeats):
        function()
    return (thread_time() - start) / repeats


def interleaved(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Times of each way, after a first call that pays for imports and caches."""
    for way in ways.values():
        way()
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            times[name].append(seconds(way))
    return times


def flop_counter_mode(network: nn.Module, image: torch.Tensor) -> None:
    with FlopCounterMode(display=False):
        network(image)


def mobilenet() -> None:
    network = MobileNetV1().eval().requires_grad_(False)
    for size in (224, 1024):
        image = torch.zeros(1, 3, size, size)
        ways = {
            "a forward pass": lambda: network(image),  # noqa: B023
            "mobilenet_v1().cost": lambda: mobilenet_v1(1.0, size).cost,  # noqa: B023
            "count_cost": lambda: count_cost(network, (3, size, size)),  # noqa: B023
            "FlopCounterMode": lambda: flop_counter_mode(network, image),  # noqa: B023
            "torchinfo": lambda: summary(network, input_data=image, verbose=0),  # noqa: B023
        }
        times = interleaved(ways, ROUNDS if size == 224 else 3)
        print(f"\nMobileNet V1 at {size}×{size:<14}{'ms':>8}{'of a pass':>11}")
        for name, taken in times.items():
            ratio = median(own / plain for own, plain in zip(taken, times["a forward pass"], strict=True))
            print(f"{name:32}{1000 * median(taken):8.2f}{ratio:11.3f}")


IN_A_PROCESS = """
import re, sys, torch
from mobilenet_edu.counting import count_cost
from mobilenet_edu.network import MobileNetV1
from torch.utils.flop_counter import FlopCounterMode
torch.set_num_threads(1)
network = MobileNetV1().eval().requires_grad_(False)
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1024
before, modules = peak(), set(sys.modules)
if sys.argv[1] == "count_cost":
    count_cost(network, (3, 1024, 1024))
elif sys.argv[1] == "FlopCounterMode":
    with FlopCounterMode(display=False):
        network(torch.zeros(1, 3, 1024, 1024))
else:
    network(torch.zeros(1, 3, 1024, 1024))
print(f"{peak() - before:.1f},{len(set(sys.modules) - modules)}")
"""


def first_call() -> None:
    print(f"\nfirst call at 1024×1024{'':9}{'MB':>8}{'imports':>11}  (peak above the model; modules)")
    for way in ("a forward pass", "count_cost", "FlopCounterMode"):
        done = subprocess.run([sys.executable, "-c", IN_A_PROCESS, way], check=True, capture_output=True, text=True)
        megabytes, imports = done.stdout.strip().split(",")
        print(f"{way:32}{megabytes:>8}{imports:>11}")


def counters(network: nn.Module, size: int) -> dict[str, Callable[[], object]]:
    """Each counter that is installed, applied to this network."""
    image = torch.zeros(1, 3, size, size)
    ways: dict[str, Callable[[], object]] = {
        "count_cost": lambda: count_cost(network, (3, size, size)),
        "FlopCounterMode": lambda: flop_counter_mode(network, image),
        "torchinfo": lambda: summary(network, input_data=image, verbose=0),
    }
    if importlib.util.find_spec("fvcore"):
        from fvcore.nn import FlopCountAnalysis

        def fvcore() -> object:
            return FlopCountAnalysis(network, image).unsupported_ops_warnings(False).uncalled_modules_warnings(False)

        ways["fvcore"] = lambda: fvcore().total()
    if importlib.util.find_spec("ptflops"):
        from ptflops import get_model_complexity_info

        ways["ptflops"] = lambda: get_model_complexity_info(
            network, (3, size, size), as_strings=False, print_per_layer_stat=False, verbose=False
        )
    if importlib.util.find_spec("thop"):
        from thop import profile

        ways["thop"] = lambda: profile(network, (image,), verbose=False)
    return ways


def of_timm() -> None:
    """The median of networks that are evenly spread over the list of compared counts, those below a GMAC."""
    from compare_counts import build

    with LISTED.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["library"] == "timm" and row["says"] == "equal"]
    small = [row for row in rows if int(row["count_cost"]) < 1e9]
    chosen = small[:: max(1, len(small) // NETWORKS)][:NETWORKS]
    ratios: dict[str, list[float]] = {}
    for row in chosen:
        network = build("timm", row["network"], "cpu")
        spent = {}
        for name, way in counters(network, int(row["size"])).items():
            try:
                with redirect_stdout(StringIO()), warnings.catch_warnings(action="ignore"):
                    spent[name] = median(interleaved({name: way}, 1)[name])
            except Exception:  # a counter that does not know this network is not the fastest on it
                continue
        fastest = min(taken for name, taken in spent.items() if name != "count_cost")
        for name, taken in (spent | {"fastest of the others": fastest}).items():
            ratios.setdefault(name, []).append(spent["count_cost"] / taken)
    print(f"\n{len(chosen)} networks of timm: count_cost's time over that of")
    for name, values in ratios.items():
        if name != "count_cost":
            print(f"{name:32}{median(values):8.3f}   (median of {len(values)})")


def main() -> None:
    torch.set_num_threads(1)
    mobilenet()
    first_call()
    if importlib.util.find_spec("timm"):
        of_timm()


if __name__ == "__main__":
    main()
