"""One network through today's runtimes, held against plain PyTorch: ``make compare``, or

    python experiments/compare_runtimes.py [--store] [--rounds 4] [--only "digit reader"]

Two networks, the digit reader and Google's MobileNet V1 1.0-224, as a file for each of `runtimes.WAYS`. First comes
agreement: every way answers the same images, and the script stops with an error where a file whose numbers and
arithmetic have 32 bits differs by more than 0.0005 of the largest logit, or gives another answer, and where one with
fewer bits keeps, or gets right, another number of answers than is stored. Then time: each way waits in a process of its
own, on one core, which starts anew four times; in every round all of them run in random order. A ratio is the CPU time
of a way over plain PyTorch's in the same round: the median over the rounds of all starts, and the middle half. CPU time
does not count the programs that interrupt, but feels those that share memory and caches, so it moves with the machine.
Then layers: PyTorch's by hooks, onnxruntime's by its own profile. The second network has the rows where one thing is
switched off.
``--store`` writes mobilenet_edu/data/runtimes.json, which chapter 13 shows, instead of holding anything against it.
With ``--rounds 0`` nothing is timed, and what is stored of times and layers stays.

The first run installs about 1.3 GB into _build/runtimes and makes the files, half an hour; later ones take a
quarter of an hour.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from statistics import median

import numpy as np
import runtimes
import torch
from tabulate import tabulate

from mobilenet_edu import deploy, timing
from mobilenet_edu.timing import Timing

STORED = Path(deploy.__file__).with_name("data") / "runtimes.json"
PLAIN = "plain PyTorch"
# Ways that compute with fewer bits than 32 although their file has 32: this is what chapter 13 is about.
FEWER_BITS = {"OpenVINO as it comes", "ncnn as it comes"}
BOUND = 5e-4  # of the largest logit
# A process keeps the pace with which it began, perhaps by where its maps came to lie in memory: one network took plain
# PyTorch from 32 to 42 ms in four processes one after the other. So every way starts anew this many times.
STARTS = 4
SLOW = 0.5  # seconds; such a way answers four images and runs in two rounds
# By how much of its images a file of fewer bits may move from what is stored: the same instructions give the same
# numbers, and other ones may round, overflow or widen them otherwise. Files of 16 bits that are computed with 32 move
# nowhere.
NEAR, FAR = 0.02, 0.25
WIDENED = {"OpenVINO, 16-bit file", "ncnn, 16-bit file"}


def agreement(logits: np.ndarray, expected: np.ndarray, labels: np.ndarray) -> dict[str, float | int]:
    """The largest difference as a share of the largest logit, how many answers are the same, and how many are right of
    those images whose label is not -1."""
    expected, labels = expected[: len(logits)], labels[: len(logits)]
    apart = np.abs(logits - expected).max() / np.abs(expected).max()
    answers = logits.argmax(1)
    counts = {"same": (answers == expected.argmax(1)).sum(), "of": len(logits)}
    counts |= {"right": (answers == labels).sum(), "labelled": (labels >= 0).sum()}
    return {"difference": float(f"{apart:.2g}"), **{name: int(count) for name, count in counts.items()}}


def must_agree(name: str) -> bool:
    return runtimes.WAYS[name].bits == 32 and name not in FEWER_BITS


def disagreements(network: str, rows: dict[str, dict], stored: dict) -> list[str]:
    """One sentence for each way that does not answer as it must, or not as it is stored."""
    same_sets = machine()["sets"] == stored["machine"]["sets"]
    known = stored["networks"][network]["ways"]
    found = []
    for name, row in rows.items():
        if must_agree(name) and (row["difference"] > BOUND or row["same"] < row["of"]):
            found.append(f"{network}, {name}: does not agree with plain PyTorch: {row}")
        before = known.get(name, {})
        allowed = NEAR if same_sets or must_agree(name) or name in WIDENED else FAR
        for count, of in (("same", "of"), ("right", "labelled")):
            if row[of] != before.get(of):
                found.append(f"{network}, {name}: asked {row[of]} images, and stored are {before.get(of)}")
            elif abs(row[count] - before[count]) > max(1, allowed * row[of]):
                found.append(f"{network}, {name}: {row[count]} of {row[of]} {count}, and stored are {before[count]}")
    return found


def compared(network: str, rounds: int, folder: Path, workers: int) -> dict:
    """Bytes, agreement and time of every way for one network."""
    pictures = runtimes.NETWORKS[network]()
    images = pictures.asked.numpy()
    with torch.inference_mode():
        expected = torch.cat([pictures.network(batch) for batch in pictures.asked.split(10)]).numpy()
    names = runtimes.SHORT if network == "digit reader" else tuple(runtimes.WAYS)

    def opened(name: str) -> tuple[runtimes.Process, bool, dict]:
        path = runtimes.build(name, network, folder=folder)
        process = runtimes.Process(name, path, folder=folder)
        slow = process.seconds(images[:1], 1)["cpu"][0] > SLOW and process.seconds(images[:1], 1)["cpu"][0] > SLOW
        found = process.answers(images[:4] if slow else images)
        row = {"bytes": runtimes.size(path), **agreement(found, expected, pictures.labels.numpy())}
        print(f"{network}, {name}: {row}", flush=True)
        return process, slow, row

    with ThreadPoolExecutor(workers) as pool:  # each thread waits for a process
        every = dict(zip(names, pool.map(opened, names), strict=True))
    processes = {name: process for name, (process, _, _) in every.items()}
    rows = {name: row for name, (_, _, row) in every.items()}
    slow = {name for name, (_, is_slow, _) in every.items() if is_slow}
    close(processes)
    if rounds:
        for name, taken in started_anew(network, names, images[:1], rounds, slow, folder).items():
            rows[name] |= summary(taken)
    return {"images": len(images), "ways": rows}


def close(processes: dict) -> None:
    for process in processes.values():
        process.close()


def started_anew(
    network: str, names: tuple[str, ...], images: np.ndarray, rounds: int, slow: set[str], folder: Path
) -> dict[str, list[float]]:
    """Each way's time over plain PyTorch's, from `STARTS` starts of all processes with ``rounds`` rounds each."""
    found: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(STARTS):
        processes = {
            name: runtimes.Process(name, runtimes.build(name, network, folder=folder), folder=folder) for name in names
        }
        for name, taken in ratios(processes, images, rounds, slow, "cpu").items():
            found[name] += taken
        close(processes)
        names = tuple(name for name in names if name not in slow)  # one start is enough of what takes seconds
    return found


def timed(processes: dict, images: np.ndarray, rounds: int, slow: set[str], clock: str = "cpu") -> dict[str, dict]:
    """Each way's time over plain PyTorch's: the median over the rounds, and the middle half."""
    return {name: summary(taken) for name, taken in ratios(processes, images, rounds, slow, clock).items()}


def summary(taken: list[float]) -> dict[str, float]:
    ratio = Timing(tuple(taken))
    low, high = ratio.spread
    return {"ratio": round(ratio.median, 4), "from": round(low, 4), "to": round(high, 4)}


def ratios(processes: dict, images: np.ndarray, rounds: int, slow: set[str], clock: str) -> dict[str, list[float]]:
    """Each way's time over plain PyTorch's, round by round, in a new order each time."""
    calls = {}
    for name, process in processes.items():
        if name not in slow:
            one = min(process.seconds(images, 3)[clock])
            calls[name] = max(3, min(100, round(0.05 / max(one, 1e-5))))
    seconds: dict[str, list[float]] = {name: [] for name in processes}
    for turn in range(rounds):
        for name in random.sample(sorted(processes), len(processes)):
            if name not in slow:
                seconds[name].append(median(processes[name].seconds(images, calls[name] + 1)[clock][1:]))
            elif turn < 2:
                seconds[name] += processes[name].seconds(images, 1)[clock]
    return {
        name: [own / plain for own, plain in zip(taken, seconds[PLAIN], strict=False)]
        for name, taken in seconds.items()
    }


def layers(network: str, folder: Path, rounds: int = 30) -> list[dict]:
    """Each layer's share of the time of one image: in plain PyTorch, alone and with what follows it, and in
    onnxruntime's files of 32 and of 8 bits, where what follows is part of it."""
    model = runtimes.NETWORKS[network]().network
    torch.set_num_threads(1)
    plain = timing.time_layers(model, rounds=rounds, clock=time.thread_time)
    whole = sum(layer.timing.median + (layer.after.median if layer.after else 0) for layer in plain)
    images = np.zeros((1, *deepest_input(model)), np.float32)
    profiles = {}
    for name in ("onnxruntime", "onnxruntime int8"):
        profiles[name] = onnx_layers(runtimes.build(name, network, folder=folder), images, rounds)
    rows = []
    for place, layer in enumerate(plain):
        row = {"layer": layer.layer.name, "kind": layer.layer.kind, "macs": layer.layer.cost.macs}
        row["convolution"] = round(layer.timing.median / whole, 5)
        row["after"] = round(layer.after.median / whole, 5) if layer.after else 0
        rows.append(row | {name: round(profile[place], 5) for name, profile in profiles.items()})
    return rows


def deepest_input(model: torch.nn.Module) -> tuple[int, int, int]:
    stem = model.architecture.stem
    return (stem.in_channels, *stem.input_size)


def onnx_layers(path: Path, images: np.ndarray, rounds: int) -> list[float]:
    """The share of each convolution and of the classifier in what onnxruntime's profile adds up to."""
    with tempfile.TemporaryDirectory() as folder:
        run = runtimes.run_onnx(path, 1, profile=f"{folder}/profile")
        for _ in range(rounds + 3):
            run(images)
        events = json.loads(Path(run.session.end_profiling()).read_text(encoding="utf-8"))
    kernels = [event for event in events if event["cat"] == "Node" and event["name"].endswith("_kernel_time")]
    steps = len(kernels) // (rounds + 3)
    passes = [kernels[start : start + steps] for start in range(3 * steps, len(kernels), steps)]
    taken = [min(each[step]["dur"] for each in passes) for step in range(steps)]  # by the clock: nobody interrupted
    kinds = [event["args"]["op_name"] for event in passes[0]]
    multiply = [time for time, kind in zip(taken, kinds, strict=True) if "Conv" in kind or "Gemm" in kind]
    if len(multiply) != 28:
        raise ValueError(f"{path} must run in 27 convolutions and a classifier, and runs as {kinds}")
    return [time / sum(taken) for time in multiply]


# Instruction sets on which it depends how numbers of 8 and 16 bits are multiplied, as /proc/cpuinfo names them.
SETS = (
    "avx2",
    "fma",
    "f16c",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "avx_vnni",
    "amx_int8",
    "amx_bf16",
)
SETS += ("asimd", "asimdhp", "asimddp", "i8mm", "bf16")  # of ARM's processors
LIMITS = ("ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY")  # variables by which some runtimes use fewer


def machine(cpuinfo: Path = Path("/proc/cpuinfo")) -> dict[str, str]:
    """What the numbers depend on."""
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    told = dict(map(str.strip, line.split(":", 1)) for line in lines if ":" in line)
    has = told.get("flags", told.get("Features", "")).split()
    sets = [name for name in SETS if name in has] + [
        f"{name}={os.environ[name]}" for name in LIMITS if name in os.environ
    ]
    kind = " ".join(f"{name} {told[name]}" for name in ("cpu family", "model") if name in told)
    versions = {"torch": torch.__version__, "onnxruntime": metadata.version("onnxruntime"), "numpy": np.__version__}
    for pins in runtimes.PACKAGES.values():
        versions |= dict(pin.split("==") for pin in pins)
    described = {"processor": timing.machine()["processor"], "kind": kind, "cores": str(os.cpu_count())}
    return (
        described
        | {"sets": " ".join(sets), "system": platform.system(), "python": platform.python_version()}
        | versions
    )


def report(network: str, result: dict) -> None:
    rows = [[name, *(row.get(key) for key in row)] for name, row in result["ways"].items()]
    print(f"\n{network}, {result['images']} images")
    print(tabulate(rows, ["", "bytes", "difference", "same", "of", "right", "labelled", "time", "from", "to"]))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--store", action="store_true", help="write the file that chapter 13 shows")
    parser.add_argument("--rounds", type=int, default=4, help="rounds in each of the starts")
    parser.add_argument("--workers", type=int, default=2, help="how many files are made and checked at once")
    parser.add_argument("--only", choices=runtimes.NETWORKS, help="one of the two networks")
    parser.add_argument("--folder", type=Path, default=runtimes.FOLDER, help="where packages and files are kept")
    options = parser.parse_args()
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    wrong = []
    for network in [options.only] if options.only else runtimes.NETWORKS:
        result = compared(network, options.rounds, options.folder, options.workers)
        report(network, result)
        if options.store:
            store(stored, network, result, options.rounds, options.folder)
        else:
            wrong += disagreements(network, result["ways"], stored)
    if wrong:
        raise SystemExit("\n".join(wrong))


def store(stored: dict, network: str, result: dict, rounds: int, folder: Path) -> None:
    """Write what was found; without rounds, beside the times and layers that are there."""
    before = stored["networks"][network]
    if rounds:
        stored["machine"] = machine()
        before["layers"] = layers(network, folder)
    else:
        result["ways"] = {name: before["ways"].get(name, {}) | row for name, row in result["ways"].items()}
    stored["networks"][network] = before | result
    STORED.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
