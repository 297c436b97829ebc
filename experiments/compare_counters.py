"""Run every counter again and hold `mobilenet_edu.counting` against what it prints: ``make compare``.

Writes results/counters.json anew, and a table, results/compared_counters.csv: for each convention, of how many networks
its counter printed a number, for how many of these the convention claims one, and how many of those are equal.
Named counters run alone (``python experiments/compare_counters.py torchmeter xla``), with ``--stored`` none: the
table is of all that is stored. What ran is kept if a later counter fails or the run is broken off.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import counters
import torch

from mobilenet_edu.counting import CONVENTIONS, ingredients

TABLE = Path(__file__).parent / "results" / "compared_counters.csv"


def cases() -> Iterator[tuple[str, str | int, counters.Case]]:
    """All networks but the well-known ones, which need timm."""
    for name, case in counters.layer_cases().items():
        yield "layers", name, case
    for seed in range(counters.CHAINS):
        yield "chains", seed, counters.chain(seed)
    for seed in range(counters.MIXED):
        yield "mixed", seed, counters.mixed(seed)
    with torch.device("meta"):
        networks = counters.mobilenets()
    for name, model, size in networks:
        yield "mobilenets", name, counters.Case(model, size)


def rows(stored: dict[str, Any]) -> list[dict[str, Any]]:
    by_name = {convention.name: convention for convention in CONVENTIONS}
    printed, known, equal = Counter(), Counter(), Counter()
    for section, key, case in cases():
        of = ingredients(case.model, case.input_size)
        for sections in stored.values():
            values = sections[section]
            said = values.get(key) if isinstance(values, dict) else values[key] if key < len(values) else None
            for name, number in (said or {}).items():
                convention = by_name[name]
                claims = not convention.unknown(of)
                printed[name] += 1
                known[name] += claims
                equal[name] += claims and convention.number(of, case.batch) == number
    return [
        {"convention": name, "printed": printed[name], "claimed": known[name], "equal": equal[name]} for name in printed
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counters", nargs="*", help="which to run; all, if none is named")
    parser.add_argument("--stored", action="store_true", help="run none, and make the table of what is stored")
    options = parser.parse_args()
    if unknown := set(options.counters) - counters.COUNTERS.keys():
        parser.error(f"no counter is called {', '.join(sorted(unknown))}; there are {', '.join(counters.COUNTERS)}")
    failed = [] if options.stored else counters.collect(options.counters or counters.COUNTERS, counters.RESULTS)
    found = rows(json.loads(counters.RESULTS.read_text(encoding="utf-8")))
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, found[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)
    for row in found:
        print(*row.values())
    if wrong := [row["convention"] for row in found if row["equal"] < row["claimed"]]:
        sys.exit(f"not as the conventions say: {', '.join(wrong)}")
    if failed:
        sys.exit(f"these did not run: python {sys.argv[0]} {' '.join(failed)}")


if __name__ == "__main__":
    main()
