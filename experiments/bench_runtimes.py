"""Google's MobileNet V1 1.0-224 in the runtimes that are installed, beside plain PyTorch: part of ``make bench``.

For one image and for sixteen at a time, on one thread and on two: each way's time over plain PyTorch's, the two in
turns with the same images and threads. On one thread the time is the process's CPU time, on two it is the clock's.
What compare_runtimes.py has not installed yet is left out; ``--all`` installs it. ``--store`` adds the ratios to
mobilenet_edu/data/runtimes.json, which chapter 13 shows.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import runtimes
from compare_runtimes import PLAIN, STORED, timed
from tabulate import tabulate

NETWORK = "released checkpoint"


def installed(name: str, folder: Path) -> bool:
    runtime = runtimes.WAYS[name].runtime
    return not runtimes.PACKAGES[runtime] or (folder / "packages" / runtime.lower() / ".done").exists()


def measured(names: list[str], batch_size: int, threads: int, rounds: int, folder: Path) -> dict[str, dict[str, float]]:
    """The ratios of these ways. Each runs in a process of its own, and ncnn one image after the other."""
    images = runtimes.NETWORKS[NETWORK]().asked[:batch_size].numpy()
    paths = {name: runtimes.build(name, NETWORK, batch_size, folder) for name in names}
    processes = {name: runtimes.Process(name, path, threads, folder) for name, path in paths.items()}
    ratios = timed(processes, images, rounds, set(), "cpu" if threads == 1 else "clock")
    for process in processes.values():
        process.close()
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true", help="install what is missing, about 1.3 GB")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--folder", type=Path, default=runtimes.FOLDER)
    parser.add_argument("--store", action="store_true", help="write the ratios into the file that chapter 13 shows")
    options = parser.parse_args()
    names = [name for name in runtimes.FIRST if options.all or installed(name, options.folder)]
    columns, settings = {}, []
    for batch_size in (1, 16):
        for threads in (1, 2):
            ratios = measured(names, batch_size, threads, options.rounds, options.folder)
            settings.append({"images": batch_size, "threads": threads, "ways": ratios})
            columns[f"{batch_size} at a time, {threads} threads"] = [
                f"{ratios[name]['ratio']:.2f} ({ratios[name]['from']:.2f}–{ratios[name]['to']:.2f})" for name in names
            ]
    if options.store:
        stored = json.loads(STORED.read_text(encoding="utf-8")) | {"settings": settings}
        STORED.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    print(f"time over that of {PLAIN}")
    print(tabulate({"": names, **columns}, headers="keys"))


if __name__ == "__main__":
    main()
