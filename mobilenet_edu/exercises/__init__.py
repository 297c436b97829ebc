"""Exercises that answer back: one module a chapter, and the engine that checks an answer.

In a chapter::

    exercises.ch02.conv2d_macs.check(conv2d_macs)   # says what is right, or what went wrong
    exercises.ch02.conv2d_macs.solution()           # prints the worked answer
    exercises.reveal(my_guess, truth, unit="MACs")  # sets a guess beside the truth

``python -m mobilenet_edu.exercises`` lists them all. A chapter's module is loaded when it is first used.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from types import ModuleType
from typing import Any

from mobilenet_edu.exercises._engine import LEVELS, MISCONCEPTIONS, Essay, Exercise, Mistake, Verdict, exercise, reveal

__all__ = [
    "LEVELS",
    "MISCONCEPTIONS",
    "Essay",
    "Exercise",
    "Mistake",
    "Verdict",
    "chapters",
    "exercise",
    "exercises_of",
    "reveal",
]


def chapters() -> dict[int, ModuleType]:
    """The module of each chapter that has exercises, by the chapter's number."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if re.fullmatch(r"ch\d\d", module.name))
    return {int(name[2:]): importlib.import_module(f"{__name__}.{name}") for name in names}


def exercises_of(chapter: ModuleType) -> tuple[Exercise, ...]:
    """A chapter's exercises, in the order in which they are written and numbered."""
    return tuple(value for value in vars(chapter).values() if isinstance(value, Exercise))


def __getattr__(name: str) -> Any:
    if re.fullmatch(r"ch\d\d", name):
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
