"""Whose answer a wrong answer is: the right one of other arguments, or a plain quantity of those that were given.

Nothing here looks at an answer's code. The solution is run on arguments that were changed in one way in every case, as
who forgets the stride changes it to 1; where it then gives, in every case, what the answer gave, the sentence says so.
"""

from __future__ import annotations

import itertools
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from mobilenet_edu.exercises._mending import TooLong

SECONDS = 1.0  # of work for all changes of the arguments of one exercise
clock = getattr(time, "thread_time", time.monotonic)  # a browser has no time of a thread
NUMBERS = (int, float, Fraction)

Case = tuple[Any, ...]


class Other(NamedTuple):
    """A way to change one argument in every case, and how it is said."""

    said: str
    changed: Callable[[Case], Case]
    argument: str


def as_if(names: Sequence[str], cases: Sequence[Case], alike: Callable[[Callable[[Case], Case]], bool]) -> str:
    """The change of the arguments for which the answer is right; "" if there is none, or none was found in time.

    ``alike`` runs the solution on changed arguments and compares it, case by case, with what the answer gave.
    """
    end = clock() + SECONDS
    singles = list(others(names, cases))
    pairs = (
        Other(f"{a.said}, and {b.said}", lambda case, a=a, b=b: b.changed(a.changed(case)), a.argument)
        for a, b in itertools.combinations(singles, 2)
        if a.argument != b.argument
    )
    for other in itertools.chain(singles, pairs):
        if clock() > end:
            return ""
        try:
            if alike(other.changed):
                return other.said
        except (Exception, TooLong):  # the solution cannot do it with these, or would take for ever
            continue
    return ""


def others(names: Sequence[str], cases: Sequence[Case]) -> Iterator[Other]:
    """Every change of one argument, or of two that are exchanged, the plainest first."""
    columns = [[case[i] for case in cases] for i in range(len(names))]
    kinds = [_kind_of(column) for column in columns]
    for i, name in enumerate(names):
        for said, change in _CHANGES.get(kinds[i], lambda name, column: ())(name, columns[i]):
            yield Other(said, lambda case, i=i, change=change: (*case[:i], change(case[i]), *case[i + 1 :]), name)
    for i, j in itertools.permutations(range(len(names)), 2):
        if kinds[i] == kinds[j] != "" and not (_large(columns[j]) and not _large(columns[i])):
            said = f"`{names[j]}` in place of `{names[i]}`"
            yield Other(said, lambda case, i=i, j=j: (*case[:i], case[j], *case[i + 1 :]), names[i])


def _large(column: Sequence[Any], limit: int = 10_000) -> bool:
    """Whether there is a number with which it would be unwise to replace a small one, or to square it."""
    return any(type(value) in NUMBERS and abs(value) > limit for value in column)


def _kind_of(column: Sequence[Any]) -> str:
    """What all values of an argument are, or "" if they are several things."""
    torch = sys.modules.get("torch")
    if all(type(value) in NUMBERS for value in column):
        return "number"
    if all(type(value) is bool for value in column):
        return "bool"
    if all(type(value) in (list, tuple) for value in column):
        parts = [part for value in column for part in value]
        if parts and all(type(part) in NUMBERS for part in parts):
            return "numbers"
        if parts and all(type(part) in (list, tuple) for part in parts):
            return "rows" if len({len(part) for part in parts}) == 1 else "lists"
        return "list"
    if all(type(value) is dict for value in column):
        return "numbers by name" if all(type(v) in NUMBERS for d in column for v in d.values()) else "by name"
    if torch is not None and all(type(value) is torch.Tensor for value in column):
        return "tensor"
    return ""


def _of_number(name: str, column: Sequence[Any]) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    for constant in (0, 1, 2):
        yield f"`{name}` = {constant}, whatever it is", lambda value, constant=constant: constant
    yield f"`{name} + 1` in place of `{name}`", lambda value: value + 1
    yield f"`{name} - 1` in place of `{name}`", lambda value: value - 1
    yield f"twice the `{name}`", lambda value: 2 * value
    yield f"half the `{name}`", lambda value: value // 2 if type(value) is int else value / 2
    if not _large(column, 30):
        yield f"the square of `{name}`", lambda value: value * value
    yield f"`{name}` with the other sign", lambda value: -value
    if any(type(value) is float for value in column):
        yield f"`{name}` rounded", round
        yield f"`{name}` rounded down", math.floor
        yield f"`{name}` rounded up", math.ceil
        yield f"1 over `{name}`", lambda value: 1 / value
        yield f"`1 - {name}` in place of `{name}`", lambda value: 1 - value


def _of_bool(name: str, column: Sequence[Any]) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    yield f"`{name}` turned round", lambda value: not value
    for constant in (True, False):
        yield f"`{name}` = {constant}, whatever it is", lambda value, constant=constant: constant


def _of_list(name: str, column: Sequence[Any]) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    yield f"the first entry of `{name}` alone", lambda values: values[:1]
    yield f"the last entry of `{name}` alone", lambda values: values[-1:]
    yield f"`{name}` without its first entry", lambda values: values[1:]
    yield f"`{name}` without its last entry", lambda values: values[:-1]
    yield f"`{name}` without its first and its last entry", lambda values: values[1:-1]
    yield f"the first two entries of `{name}` alone", lambda values: values[:2]
    yield f"`{name}` from its end to its beginning", lambda values: values[::-1]
    yield f"`{name}` in order of size", lambda values: type(values)(sorted(values))
    yield f"`{name}` in order of size, the largest first", lambda values: type(values)(sorted(values, reverse=True))
    yield f"`{name}` without repeated entries", lambda values: type(values)(dict.fromkeys(values))
    yield f"every second entry of `{name}`", lambda values: values[::2]
    yield f"an empty `{name}`", lambda values: values[:0]


# What may stand for several numbers.
STANDS_FOR = {
    "the largest": max,
    "the smallest": min,
    "the first": lambda values: values[0],
    "the last": lambda values: values[-1],
    "the mean": statistics.mean,
    "the median": statistics.median,
    "the lower median": statistics.median_low,
    "the sum": sum,
}


def _of_numbers(name: str, column: Sequence[Any]) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    yield from _of_list(name, column)
    for said, stands in STANDS_FOR.items():
        yield (
            f"{said} of `{name}` in place of each of its entries",
            lambda values, stands=stands: type(values)([stands(values)] * len(values)),
        )
        yield f"`{name}` = [{said} of it]", lambda values, stands=stands: type(values)([stands(values)])
    yield f"1 for each entry of `{name}`", lambda values: type(values)(1 for _ in values)
    yield f"0 for each entry of `{name}`", lambda values: type(values)(0 for _ in values)
    yield f"`{name}` without signs", lambda values: type(values)(map(abs, values))
    yield f"the squares of `{name}`", lambda values: type(values)(value * value for value in values)
    if any(type(value) is float for values in column for value in values):
        yield f"`{name}` rounded", lambda values: type(values)(map(round, values))


def _of_rows(name: str, column: Sequence[Any]) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    yield from _of_list(name, column)
    width = next(len(row) for rows in column for row in rows)
    numeric = [i for i in range(width) if all(type(row[i]) in NUMBERS for rows in column for row in rows)]
    order = ("first", "second", "third", "fourth", "fifth")
    if width > len(order):
        return
    for i in range(width):
        yield (
            f"`{name}` in order of the {order[i]} part of its entries",
            lambda rows, i=i: type(rows)(sorted(rows, key=lambda row: row[i])),
        )
    for i, j in itertools.permutations(numeric, 2):
        said = f"`{name}` with the {order[j]} part in place of the {order[i]} in each entry"
        yield said, lambda rows, i=i, j=j: _with_column(rows, i, [row[j] for row in rows])
        if i < j:
            said = f"`{name}` with the {order[i]} and the {order[j]} part exchanged in each entry"
            yield (
                said,
                lambda rows, i=i, j=j: _with_column(
                    _with_column(rows, i, [row[j] for row in rows]), j, [r[i] for r in rows]
                ),
            )
    for i in numeric:
        for said, stands in STANDS_FOR.items():
            yield (
                f"`{name}` with {said} of all {order[i]} parts in every entry",
                lambda rows, i=i, stands=stands: _with_column(rows, i, [stands([row[i] for row in rows])] * len(rows)),
            )
        for constant in (0, 1):
            yield (
                f"`{name}` with {constant} for the {order[i]} part of each entry",
                lambda rows, i=i, constant=constant: _with_column(rows, i, [constant] * len(rows)),
            )


def _with_column(rows: Any, i: int, values: Sequence[Any]) -> Any:
    return type(rows)(type(row)((*row[:i], value, *row[i + 1 :])) for row, value in zip(rows, values, strict=True))


def _of_lists(name: str, column: Sequence[Any]) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    yield from _of_list(name, column)
    yield f"each entry of `{name}` from its end to its beginning", lambda rows: [row[::-1] for row in rows]
    yield f"the first of each entry of `{name}`", lambda rows: [row[:1] for row in rows]


def _of_dict(name: str, column: Sequence[Any]) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    yield f"the first entry of `{name}` alone", lambda entries: dict([*entries.items()][:1])
    yield f"the last entry of `{name}` alone", lambda entries: dict([*entries.items()][-1:])
    yield f"`{name}` without its first entry", lambda entries: dict([*entries.items()][1:])
    yield f"`{name}` without its last entry", lambda entries: dict([*entries.items()][:-1])
    yield f"`{name}` from its end to its beginning", lambda entries: dict([*entries.items()][::-1])
    yield f"`{name}` in the order of its names", lambda entries: dict(sorted(entries.items()))
    yield (
        f"`{name}` in the order of its values",
        lambda entries: dict(sorted(entries.items(), key=lambda entry: entry[1])),
    )
    yield f"an empty `{name}`", lambda entries: {}


def _of_dict_of_numbers(name: str, column: Sequence[Any]) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    yield from _of_dict(name, column)
    for said, stands in STANDS_FOR.items():
        yield (
            f"{said} of `{name}` in place of each of its values",
            lambda entries, stands=stands: dict.fromkeys(entries, stands([*entries.values()])),
        )
    for constant in (0, 1):
        yield (
            f"{constant} for each value of `{name}`",
            lambda entries, constant=constant: dict.fromkeys(entries, constant),
        )


def _of_tensor(name: str, column: Sequence[Any]) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    yield f"`{name}` without signs", lambda tensor: tensor.abs()
    yield f"`{name}` with the other sign", lambda tensor: -tensor
    yield f"`{name}` without what is below 0", lambda tensor: tensor.clamp(min=0)
    yield f"zeros in place of `{name}`", lambda tensor: tensor.new_zeros(tensor.shape)
    yield f"ones in place of `{name}`", lambda tensor: tensor.new_ones(tensor.shape)
    yield f"the squares of `{name}`", lambda tensor: tensor**2
    yield f"the roots of `{name}`", lambda tensor: tensor**0.5
    yield f"`{name}` rounded", lambda tensor: tensor.round()
    for said, stands in (("mean", "mean"), ("largest", "max"), ("smallest", "min"), ("sum", "sum")):
        yield (
            f"the {said} of `{name}` in place of each of its numbers",
            lambda tensor, stands=stands: getattr(tensor, stands)().expand(tensor.shape).clone(),
        )
    dims = min(tensor.dim() for tensor in column)
    for dim in range(dims):
        yield f"`{name}` turned round in dimension {dim}", lambda tensor, dim=dim: tensor.flip(dim)
        yield f"the first of `{name}` in dimension {dim} alone", lambda tensor, dim=dim: tensor.narrow(dim, 0, 1)
        yield (
            f"the first of `{name}` in dimension {dim} in place of all others",
            lambda tensor, dim=dim: tensor.narrow(dim, 0, 1).expand(tensor.shape).clone(),
        )
    for one, other in itertools.combinations(range(dims), 2):
        yield (
            f"`{name}` with its dimensions {one} and {other} exchanged",
            lambda tensor, one=one, other=other: tensor.transpose(one, other),
        )


_CHANGES = {
    "number": _of_number,
    "bool": _of_bool,
    "list": _of_list,
    "numbers": _of_numbers,
    "rows": _of_rows,
    "lists": _of_lists,
    "by name": _of_dict,
    "numbers by name": _of_dict_of_numbers,
    "tensor": _of_tensor,
}
