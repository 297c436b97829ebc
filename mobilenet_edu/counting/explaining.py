"""Rebuild what other counters print about a network.

Every counter is a sum of a few `ingredients`, and `CONVENTIONS` says how often each takes which. `explain` finds the
conventions that lead to a given number.
"""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, SupportsIndex

from torch import nn

from mobilenet_edu import checks
from mobilenet_edu.counting.conventions import CONVENTIONS
from mobilenet_edu.counting.ingredients import INGREDIENTS, ingredients

__all__ = ["explain", "nearest"]


def explain(
    model: nn.Module,
    input_size: tuple[int, int, int],
    number: float,
    batch_size: int = 1,
    digits: int | None = None,
) -> list[str]:
    """Every known convention that gives ``number`` for ``model``: its name, and what it adds up.

    An empty list says that none does: ask `nearest` then. Several sentences say that this number cannot tell them
    apart. A convention of which nobody knows how it counts a step of ``model`` is left out.

    Args:
        model: built from layers for images, which it may connect by sums, products, concatenation and functions.
        input_size: ``(channels, height, width)``, without the batch.
        number: what a counter printed: an integer, or a float that is whole.
        batch_size: the batch that the counter was given.
        digits: how many leading digits of ``number`` were printed; all of them, if you do not say.

    Raises:
        TypeError, ValueError: an argument is no integer, or no size, or the model is TorchScript.
        NotImplementedError: the model does something of which no counter's treatment is listed here.

    >>> explain(nn.Conv2d(3, 8, 3), (3, 6, 6), 3584)[0]
    'torchinfo: MACs of convolutions + outputs of convolutions that have a bias'
    """
    whole = _whole(number)
    checks.positive("batch_size", batch_size)
    unit = 1 if digits is None else _unit(whole, digits)
    of = ingredients(model, input_size)
    return [
        f"{convention.name}: {convention.formula(of)}"
        for convention in CONVENTIONS
        if not convention.unknown(of) and 2 * abs(convention.number(of, batch_size) - whole) <= unit * (unit > 1)
    ]


def nearest(model: nn.Module, input_size: tuple[int, int, int], number: float, batch_size: int = 1) -> str:
    """The convention that comes closest to ``number``, and what would be missing.

    Arguments and errors are those of `explain`.

    >>> nearest(nn.Conv2d(3, 8, 3, bias=False), (3, 6, 6), 3457)
    'this book gives 3,456, and your number is 1 more, which is no multiple of any ingredient'
    """
    whole = _whole(number)
    checks.positive("batch_size", batch_size)
    of = ingredients(model, input_size)
    numbers = {each.name: each.number(of, batch_size) for each in CONVENTIONS if not each.unknown(of)}
    closest = min(numbers, key=lambda name: abs(numbers[name] - whole))
    off = whole - numbers[closest]
    if not off:
        return f"{closest} gives exactly {whole:,}"
    more = "more" if off > 0 else "less"
    return f"{closest} gives {numbers[closest]:,}, and your number is {abs(off):,} {more}, {_as_multiple(off, of)}"


def _as_multiple(off: int, of: Mapping[str, int]) -> str:
    """A difference as a few times an ingredient, if it is."""
    fitting = [
        f"{abs(off) // amount} × {INGREDIENTS[name]}"
        for name, amount in of.items()
        if amount > 1 and off % amount == 0 and abs(off) <= 8 * amount
    ]
    return f"which is {' or '.join(fitting)}" if fitting else "which is no multiple of any ingredient"


def _whole(number: Any) -> int:
    """``number`` as an integer: counters print floats, and NumPy's integers, too."""
    whole = None
    if isinstance(number, SupportsIndex) and not isinstance(number, bool):
        whole = number.__index__()
    elif isinstance(number, Real) and not isinstance(number, bool) and number == number // 1:
        whole = int(number)
    if whole is None:
        raise TypeError(f"number={number!r} must be a whole number, such as 568_740_352 or 568740352.0")
    if whole < 0:
        raise ValueError(f"number={number!r} must be at least 0")
    return whole


def _unit(number: int, digits: int) -> int:
    """What one step of the last printed digit is worth."""
    checks.positive("digits", digits)
    return 10 ** max(len(str(number)) - digits, 0)
