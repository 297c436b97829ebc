"""Time the networks of chapter 9 and their layers: ``python experiments/time_layers.py``, on a quiet machine.

Writes mobilenet_edu/data/times.json after about ten minutes on one core; ``--rounds 3`` is a short trial. Then run
chapter 9 again, ``python scripts/notebooks.py book/09_*.ipynb``: it shows the new numbers.

A round is two new processes, one with the usual allocator and one that keeps the memory that it was given. Each times
every network, whole and layer by layer. So all settings take turns, and what luck a process has with its memory, the
other rounds do not share. The two processes differ by the environment variables of glibc's malloc, which work on Linux.

The clock is that of the thread: it stands still while another program has the processor. On an idle machine it shows
what a clock on the wall shows, since one thread never waits for another.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from functools import partial
from itertools import pairwise, product
from pathlib import Path
from time import thread_time

import torch
from torch import nn

from mobilenet_edu import timing
from mobilenet_edu.architecture import conv_mobilenet, mobilenet_v1
from mobilenet_edu.network import MobileNet

TARGET = Path(timing.__file__).with_name("data") / "times.json"
KEPT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40), "MALLOC_TOP_PAD_": str(2**26)}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
NETWORKS = {
    **{("separable", width): mobilenet_v1(width) for width in (1.0, 0.75, 0.5, 0.25)},
    ("dense", 1.0): conv_mobilenet(),
}
LAYOUTS = {False: torch.contiguous_format, True: torch.channels_last}
PASSES = {1: 3, 16: 2}  # batch size, and how often a process times it, after one pass that does not count


def microseconds(measured: timing.Timing | None) -> list[float]:
    """Four digits are more than any time deserves."""
    digits = [float(f"{1e6 * each:.4g}") for each in measured.seconds] if measured else []
    return [int(each) if each.is_integer() else each for each in digits]


def page_faults(function) -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    function()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@torch.inference_mode()
def one_process(kept: bool) -> dict:
    """Everything once, in this process, as lists that the rounds append to."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    built = {key: MobileNet(architecture).eval() for key, architecture in NETWORKS.items()}
    image = torch.randn(1, 3, 224, 224)
    looks = [thread_time()]
    for _ in range(20):
        built["separable", 1.0](image)
        looks.append(thread_time())
    first_calls = timing.Timing(tuple(after - before for before, after in pairwise(looks)))

    networks, layers, faults = [], [], []
    for (batch_size, number), (channels_last, memory_format) in product(PASSES.items(), LAYOUTS.items()):
        images = torch.randn(batch_size, 3, 224, 224).to(memory_format=memory_format)
        passes = {key: partial(network.to(memory_format=memory_format), images) for key, network in built.items()}
        setting = batch_size, channels_last, kept
        for key, taken in timing.compare(passes, number, 1, thread_time).items():
            networks.append([*key, *setting, microseconds(taken)])
        faults.append([*setting, [page_faults(passes["separable", 1.0])]])
        for name in ("separable", "dense"):
            for each in timing.time_layers(
                built[name, 1.0], batch_size, number, 1, memory_format=memory_format, clock=thread_time
            ):
                layers.append([name, *setting, each.layer.name, microseconds(each.timing), microseconds(each.after)])
    pixel = torch.randn(1, 1, 1, 1)
    nothing_to_do = timing.measure(partial(nn.Conv2d(1, 1, 1, bias=False), pixel), 10, 100, thread_time)
    return {
        "machine": timing.machine(),
        "peak": [round(timing.peak(clock=thread_time))],
        "bandwidth": [round(timing.bandwidth(clock=thread_time))],
        "overhead": microseconds(nothing_to_do),
        "first_calls": [microseconds(first_calls)],
        "networks": networks,
        "layers": layers,
        "page_faults": faults,
    }


def spawned(kept: bool) -> dict:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    environment |= ONE_THREAD | (KEPT if kept else {})
    command = [sys.executable, __file__, "--process", "kept" if kept else "usual"]
    return json.loads(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout)


def merged(processes: list[dict]) -> dict:
    """One table: where the rows of two processes begin alike, their lists stand behind each other."""
    result: dict = {"machine": processes[0]["machine"], "processes": len(processes)}
    for name in ("peak", "bandwidth", "overhead", "first_calls"):
        result[name] = [value for each in processes for value in each[name]]
    for name in ("networks", "layers", "page_faults"):
        rows: dict[tuple, list] = {}
        for row in (row for each in processes for row in each[name]):
            key = tuple(value for value in row if not isinstance(value, list))
            lists = row[len(key) :]
            known = rows.setdefault(key, [[] for _ in lists])
            for before, more in zip(known, lists, strict=True):
                before += more
        result[name] = [[*key, *lists] for key, lists in rows.items()]
    return result


def written(result: dict) -> str:
    """JSON with a row on each line, so that a difference can be read."""
    lines = []
    for name, value in result.items():
        if isinstance(value, list) and isinstance(value[0], list):
            rows = ",\n".join("  " + json.dumps(row, separators=(",", ":")) for row in value)
            lines.append(f' "{name}": [\n{rows}\n ]')
        else:
            lines.append(f' "{name}": {json.dumps(value)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--process", choices=("usual", "kept"), help="used by the script itself")
    options = parser.parse_args()
    if options.process:
        print(json.dumps(one_process(options.process == "kept")))
        return
    processes = []
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", flush=True)
        processes += [spawned(kept) for kept in ((False, True) if number % 2 else (True, False))]
    TARGET.write_text(written(merged(processes)), encoding="utf-8")


if __name__ == "__main__":
    main()
