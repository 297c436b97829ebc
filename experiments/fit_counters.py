"""Work out how a counter counts from what it prints for single layers: ``python experiments/fit_counters.py NAME``

NAME is a convention's, such as ``mmengine``. Every counter is a sum of a few ingredients of a network; each single
layer of `counters.layer_cases` adds a few of them, so that small whole factors can be solved for, kind by kind. The
factors become a column of mobilenet_edu/data/counters.csv. Then the column is held against the networks, which the fit
has not seen; an ingredient that no single layer settles stays empty, which means that nobody knows.

The columns "in training mode" are written by hand: they differ from their neighbours in batch norm alone.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import TypeAlias

import counters
import numpy as np

import mobilenet_edu
from mobilenet_edu.counting import INGREDIENTS, ingredients

TABLE = Path(mobilenet_edu.__file__).parent / "data" / "counters.csv"
Key: TypeAlias = tuple[str, str | int]
Factors: TypeAlias = dict[str, tuple[int, int]]  # of an ingredient: times the batch, and once

LAST = ("weights", "parameters")  # belong to no layer
ONE_IMAGE = ("torchstat's Flops", "torchstat's MAdd", "onnx-opcounter", "onnx-tool")
# A layer of PyTorch, a call of its function and parameters of one's own meet in the same cases: solved together, last.
TOGETHER = {"own": "calls", "called_conv": "calls", "called_linear": "calls", "called_layer_norm": "calls",
            "inner": "norms", "called_norm": "norms", "strided_linear": "map_linear"}  # fmt: skip
# Settled by single layers, and then wrong for networks: nobody knows what this counter does there.
UNSETTLED = {"flopth": ("calls",), "onnx-tool": ("transposed", "grouped_transposed"),
             "onnx-opcounter": ("map_linear",)}  # fmt: skip
# `frameworks.py` translates neither; both are free there, as MobileNet V1 shows.
FREE = dict.fromkeys(("XLA, called by JAX", "TensorFlow's profiler"), ("moved_outputs", "repeated_layers"))
# Met in whole networks alone, and written by hand.
BY_HAND = ("worded_padding_macs", "made_weights", "ceil_pool_outputs", "strided_attention_macs", "outer_calls",
           "other_parameters")  # fmt: skip
_SUFFIX = re.compile(
    r"_(macs|outputs|elements|parameters|channels|taps|lengths|inputs|layers|bias|output|full|depthwise|real)$"
)


def kind(ingredient: str) -> str:
    """What an ingredient is about: ``conv`` for ``conv_bias_outputs``."""
    while _SUFFIX.search(ingredient):
        ingredient = _SUFFIX.sub("", ingredient)
    return TOGETHER.get(ingredient, ingredient)


@cache
def cases() -> dict[Key, tuple[Mapping[str, int], int]]:
    """The ingredients and the batch of each network that `explain` understands."""
    made = {("layers", name): case for name, case in counters.layer_cases().items()}
    made |= {("chains", seed): counters.chain(seed) for seed in range(counters.MIXED)}
    made |= {("mixed", seed): counters.mixed(seed) for seed in range(counters.MIXED)}
    of = {}
    for key, case in made.items():
        if not case.training:
            of[key] = ingredients(case.model, case.input_size), case.batch
    return of


def printed(name: str) -> dict[Key, int]:
    """What is stored of this convention, for the networks of `cases`."""
    stored = json.loads(counters.RESULTS.read_text(encoding="utf-8"))
    found = {}
    for sections in stored.values():
        for section in ("layers", "chains", "mixed"):
            values = sections[section]
            for key, said in values.items() if isinstance(values, dict) else enumerate(values):
                if said and name in said and (section, key) in cases():
                    found[section, key] = said[name]
    return found


def small_solution(matrix: np.ndarray, target: np.ndarray) -> np.ndarray | None:
    """Whole factors that give the target exactly, as few of them different from zero as possible."""
    if not target.any():
        return np.zeros(matrix.shape[1])
    for size in range(1, 6):
        for columns in combinations(range(matrix.shape[1]), size):
            found = np.round(np.linalg.lstsq(matrix[:, columns], target, rcond=None)[0])
            if np.array_equal(matrix[:, columns] @ found, target):
                solution = np.zeros(matrix.shape[1])
                solution[list(columns)] = found
                return solution
    return None


def value(factors: Factors, of: Mapping[str, int], batch: int) -> int:
    return sum(of[name] * (times * batch + once) for name, (times, once) in factors.items())


def fitted(name: str, prints: Mapping[Key, int]) -> Factors:
    """The factors of all ingredients that the single layers settle."""
    factors: Factors = dict.fromkeys(FREE.get(name, ()), (0, 0))
    unsolved: set[str] = set()
    layers = [key for key in prints if key[0] == "layers"]
    while True:
        waiting: dict[str, list[Key]] = {}
        for key in layers:
            of, _ = cases()[key]
            kinds = {kind(each) for each, amount in of.items() if amount and each not in (*factors, *LAST)}
            if len(kinds) == 1 and not kinds & unsolved:
                waiting.setdefault(kinds.pop(), []).append(key)
        late = {"calls", "norms", "map_linear"}
        now = {each: keys for each, keys in waiting.items() if each not in late} or waiting
        if not now:
            return {each: pair for each, pair in factors.items() if kind(each) not in UNSETTLED.get(name, ())}
        for each, keys in now.items():
            solution = solve(each, keys, prints, factors, name not in ONE_IMAGE)
            factors |= solution
            unsolved |= set() if solution else {each}


def solve(of_kind: str, keys: Iterable[Key], prints: Mapping[Key, int], known: Factors, batches: bool) -> Factors:
    """The factors of one kind, nothing if none fit."""
    keys = list(keys)
    names = [name for name in INGREDIENTS if kind(name) == of_kind and any(cases()[key][0][name] for key in keys)]
    amounts = np.array([[cases()[key][0][name] for name in names] for key in keys], float)
    batch = np.array([[cases()[key][1]] for key in keys], float)
    target = np.array([prints[key] - value(known, *cases()[key]) for key in keys], float)
    found = small_solution(np.hstack([amounts * batch, amounts] if batches else [amounts * batch]), target)
    if found is None:
        return {}
    once = found[len(names) :] if batches else np.zeros(len(names))
    return {name: (int(found[i]), int(once[i])) for i, name in enumerate(names)}


def cell(factors: tuple[int, int] | None) -> str:
    """As in the table: "2", "1 once", "1 + 1 once", or nothing."""
    if factors is None:
        return ""
    times, once = factors
    return f"{times} + {once} once" if times and once else f"{once} once" if once else str(times)


def write(columns: Mapping[str, Factors]) -> None:
    """Put these columns into the table, new ones before those that are no tool's."""
    comment, *lines = TABLE.read_text(encoding="utf-8").splitlines()
    table = {name: list(column) for name, *column in zip(*csv.reader(lines), strict=True)}
    names = [name for name in table if name not in columns or name in table]
    place = names.index("MACs without linear layers")
    names[place:place] = [name for name in columns if name not in table]
    for name, factors in columns.items():
        factors = factors | dict.fromkeys(LAST, (0, 0))
        before = dict(zip(table["ingredient"], table.get(name, ()), strict=False))
        table[name] = [
            before.get(each, "") if each in BY_HAND else cell(factors.get(each)) for each in table["ingredient"]
        ]
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        file.write(comment + "\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(zip(*(table[name] for name in names), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("conventions", nargs="+", metavar="NAME")
    parser.add_argument("--write", action="store_true", help="put the columns into the table")
    options = parser.parse_args()
    columns = {}
    for name in options.conventions:
        prints = printed(name)
        columns[name] = factors = fitted(name, prints)
        print(name, {each: cell(pair) for each, pair in factors.items() if any(pair)})
        for section in ("layers", "chains", "mixed"):
            right, wrong, unknown = 0, [], set()
            for key, number in prints.items():
                of, batch = cases()[key]
                missing = {each for each, amount in of.items() if amount and each not in (*factors, *LAST)}
                if key[0] == section and missing:
                    unknown |= missing
                elif key[0] == section and value(factors, of, batch) == number:
                    right += 1
                elif key[0] == section:
                    wrong.append((key[1], number - value(factors, of, batch)))
            print(f"  {section}: {right} right, {len(wrong)} wrong {wrong[:4]}, not known {sorted(unknown)[:6]}")
    if options.write:
        write(columns)


if __name__ == "__main__":
    main()
