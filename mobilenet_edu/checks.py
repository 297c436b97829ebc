"""What every argument must be: each check returns, or raises an error that names argument, value and what it must be.

For use inside the package. This module needs nothing but the standard library.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import TypeAlias

Size: TypeAlias = int | tuple[int, int]


def pair(name: str, value: Size, smallest: int = 1) -> tuple[int, int]:
    """``value`` twice if it is an integer, itself if it is a pair of them."""
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ValueError(f"{name}={value!r} must be an integer or a pair (height, width)")
        for side in value:
            integer(name, side, smallest)
        return value[0], value[1]
    integer(name, value, smallest)
    return value, value


def positive(name: str, value: int) -> None:
    integer(name, value, smallest=1)


def integer(name: str, value: int, smallest: int) -> None:
    # Not isinstance, to which True is an int. Nor NumPy's integers, which overflow.
    if type(value) is not int:
        raise TypeError(f"{name}={value!r} must be an int, not {type(value).__name__}")
    if value < smallest:
        raise ValueError(f"{name}={value!r} must be at least {smallest}")


def boolean(name: str, value: bool) -> None:
    if type(value) is not bool:
        raise TypeError(f"{name}={value!r} must be True or False, not {type(value).__name__}")


def one_of(name: str, value: object, allowed: Sequence[object], kind: str = "") -> None:
    """``kind`` says for what kind of thing only these are allowed."""
    if value not in allowed:
        which = ", ".join(map(str, allowed))
        raise ValueError(f"{name}={value!r} must be {'one of ' * (len(allowed) > 1)}{which}{kind and f' if {kind}'}")


def multiplier(width_multiplier: float) -> None:
    positive_number("width_multiplier", width_multiplier)


def positive_number(name: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name}={value!r} must be a number, not {type(value).__name__}")
    if not 0 < value < math.inf:
        raise ValueError(f"{name}={value!r} must be positive and finite")
