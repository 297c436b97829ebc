"""How a wrong number is related to the right one, by what the arguments hold: a factor, a term, or in its place.

As for all that is noticed, a sentence is only said if it holds in every case that it speaks of.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mobilenet_edu.exercises._as_if import NUMBERS, STANDS_FOR, _kind_of
from mobilenet_edu.exercises._values import same

ORDINALS = ("first", "second", "third", "fourth", "fifth")
Quantity = tuple[str, list[Any]]


def quantities(names: Sequence[str], cases: Sequence[tuple[Any, ...]]) -> list[Quantity]:
    """What the arguments hold that is one number (or a tensor), in words, and its value in each case."""
    found = [each for i, name in enumerate(names) for each in _of(name, [case[i] for case in cases])]
    return [(said, values) for said, values in found if len(set(map(str, values))) > 1]


def _of(name: str, column: list[Any]) -> Iterator[Quantity]:
    kind = _kind_of(column)
    if kind in ("number", "tensor"):
        yield f"`{name}`", column
    if kind in ("list", "numbers", "rows", "lists", "by name", "numbers by name"):
        yield f"the number of entries of `{name}`", [len(each) for each in column]
    if kind in ("numbers", "numbers by name") and all(column):
        values = [list(each.values()) if kind == "numbers by name" else list(each) for each in column]
        yield from _stand(f"of `{name}`", values)
    if kind == "rows" and all(column):
        for i in range(min(len(row) for rows in column for row in rows)):
            values = [[row[i] for row in rows] for rows in column]
            if i < len(ORDINALS) and all(type(value) in NUMBERS for each in values for value in each):
                yield from _stand(f"of the {ORDINALS[i]} parts of `{name}`", values)


def _stand(of: str, columns: list[list[Any]]) -> Iterator[Quantity]:
    for said, stands in STANDS_FOR.items():
        yield f"{said} {of}", [stands(values) for values in columns]
    if all(len(values) > 1 for values in columns):
        yield f"the standard deviation {of}", [statistics.stdev(values) for values in columns]


# How an answer comes from the right one, a, and a quantity, q.
WITH_ONE: dict[str, Callable[[Any, Any], Any]] = {
    "{q}": lambda a, q: q,
    "the right one times {q}": lambda a, q: a * q,
    "the right one divided by {q}": lambda a, q: a / q,
    "the right one and {q} together": lambda a, q: a + q,
    "the right one less {q}": lambda a, q: a - q,
    "{q} less the right one": lambda a, q: q - a,
    "{q} divided by the right one": lambda a, q: q / a,
    "the square of {q}": lambda a, q: q * q,
    "half of {q}": lambda a, q: q / 2,
    "twice {q}": lambda a, q: 2 * q,
    "1 over {q}": lambda a, q: 1 / q,
    "the right one times the square of {q}": lambda a, q: a * q * q,
    "the right one divided by the square of {q}": lambda a, q: a / (q * q),
    "the right one times the root of {q}": lambda a, q: a * q**0.5,
    "the right one divided by the root of {q}": lambda a, q: a / q**0.5,
    "the right one, but never more than {q}": min,
    "the right one, but never less than {q}": max,
}
WITH_NONE: dict[str, Callable[[Any], Any]] = {
    "the square of the right one": lambda a: a * a,
    "the root of the right one": lambda a: a**0.5,
    "1 less the right one": lambda a: 1 - a,
    "100 less the right one": lambda a: 100 - a,
    "the right one in per cent less 100": lambda a: 100 * a - 100,
    "the logarithm of the right one": lambda a: math.log(a),
    "2 to the power of the right one": lambda a: 2.0**a,
}
WITH_TWO: dict[str, Callable[[Any, Any, Any], Any]] = {
    "{q} times {r}": lambda a, q, r: q * r,
    "{q} divided by {r}": lambda a, q, r: q / r,
    "{q} and {r} together": lambda a, q, r: q + r,
    "{q} less {r}": lambda a, q, r: q - r,
    "the right one times {q} times {r}": lambda a, q, r: a * q * r,
    "the right one times {q}, divided by {r}": lambda a, q, r: a * q / r,
    "the right one divided by {q} and by {r}": lambda a, q, r: a / q / r,
}


def related(expected: Sequence[Any], got: Sequence[Any], known: Sequence[Quantity]) -> str:
    """What the answers are, in words; "" if no plain relation holds in every case."""
    if _kind_of([*expected, *got]) not in ("number", "tensor"):  # a text times a number may fill the memory
        return ""
    if len(set(map(str, expected))) < 3 or len(set(map(str, got))) < 2:
        return ""
    pairs = list(zip(expected, got, strict=True))
    if all(_alike(*pair) for pair in pairs):  # then it is something else that is wrong, as a type
        return ""
    for said, relation in WITH_NONE.items():
        if _holds(pairs, [()] * len(pairs), relation):
            return said
    for said, relation in WITH_ONE.items():
        for name, values in known:
            if _holds(pairs, [(value,) for value in values], relation):
                return said.format(q=name)
    for said, relation in WITH_TWO.items():
        both = itertools.permutations if "divided" in said or "less" in said else itertools.combinations
        for (one, first), (other, second) in both(known, 2):
            if _holds(pairs, list(zip(first, second, strict=True)), relation):
                return said.format(q=one, r=other)
    return ""


def _holds(pairs: list[tuple[Any, Any]], values: list[tuple[Any, ...]], relation: Callable[..., Any]) -> bool:
    try:
        return all(
            _alike(relation(expected, *with_), got) for (expected, got), with_ in zip(pairs, values, strict=True)
        )
    except Exception:  # a division by 0, a tensor of another shape, a logarithm of nothing
        return False


def _alike(made: Any, got: Any) -> bool:
    if type(made) in NUMBERS and type(got) in NUMBERS:
        return math.isclose(made, got, rel_tol=1e-9, abs_tol=1e-12)
    return type(made) is type(got) and made.shape == got.shape and same(made, got)
