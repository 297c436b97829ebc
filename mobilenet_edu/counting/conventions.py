"""How often each counter takes which ingredient: data/counters.csv, read into `CONVENTIONS`."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources

from mobilenet_edu.counting.ingredients import INGREDIENTS

__all__ = ["CONVENTIONS", "Convention"]


@dataclass(frozen=True)
class Convention:
    """One way to count: how often it takes which of the `INGREDIENTS`, 0 where it takes none.

    What is in neither ``times`` nor ``once`` is not known: nobody has looked how this counter treats it.

    Attributes:
        name: the counter that prints it, or what it is.
        times: ingredient to factor, multiplied by the size of the batch.
        once: ingredient to factor, whatever the batch.
        single_precision: whether the counter adds up in float32, which keeps about seven digits.
    """

    name: str
    times: Mapping[str, int]
    once: Mapping[str, int] = field(default_factory=dict)
    single_precision: bool = False

    def number(self, of: Mapping[str, int], batch_size: int = 1) -> int:
        """The number that this convention gives for a network with the `ingredients` ``of``.

        Raises:
            NotImplementedError: the network has an ingredient of which this convention is not known.
        """
        if unknown := self.unknown(of):
            raise NotImplementedError(f"nobody has looked how {self.name} counts {INGREDIENTS[unknown[0]]}")
        total = batch_size * sum(factor * of[name] for name, factor in self.times.items())
        total += sum(factor * of[name] for name, factor in self.once.items())
        return _in_single_precision(total) if self.single_precision else total

    def unknown(self, of: Mapping[str, int]) -> list[str]:
        """The ingredients of a network that this convention does not know."""
        return [name for name, amount in of.items() if amount and name not in self.times and name not in self.once]

    @property
    def factors(self) -> Mapping[str, int]:
        """How often it takes which ingredient of a single image."""
        factors = Counter(self.times)
        factors.update(self.once)  # adds; `+` would drop the negative ones
        return {name: factor for name, factor in factors.items() if factor}

    def formula(self, of: Mapping[str, int]) -> str:
        """The convention in words, without the ingredients that a network with ``of`` does not have."""
        parts = [
            INGREDIENTS[name] if factor == 1 else f"{factor} × {INGREDIENTS[name]}"
            for name, factor in sorted(self.factors.items(), key=lambda item: (item[1] < 0, "macs" not in item[0]))
            if of[name]
        ]
        return " + ".join(parts).replace("+ -1 ×", "-").replace("+ -", "- ") or "nothing"


def _in_single_precision(number: int) -> int:
    drop = max(number.bit_length() - 24, 0)
    unit = 1 << drop
    return round(number / unit) * unit  # Python rounds a half to the even neighbour, as processors do


def _read() -> tuple[Convention, ...]:
    """One row an ingredient, one column a convention; a cell such as "2", "1 once", or "1 + 1 once"."""
    text = (resources.files("mobilenet_edu") / "data" / "counters.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    names = [name for name in rows[0] if name != "ingredient"]
    return tuple(
        Convention(
            name,
            {row["ingredient"]: int(part) for row in rows for part in _parts(row[name]) if "once" not in part},
            {row["ingredient"]: int(part.split()[0]) for row in rows for part in _parts(row[name]) if "once" in part},
            single_precision=name.startswith("XLA"),
        )
        for name in names
    )


def _parts(cell: str) -> list[str]:
    return cell.split(" + ") if cell else []


# Read off single layers, then held against what the counters print for networks: see experiments/counters.py.
CONVENTIONS = _read()
