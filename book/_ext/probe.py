"""Find out what works without torch: read chapters as JSON, write what can be tried of each. Run by tryit.py.

It runs in a Python without any installed package. An exercise can be tried if its solution and its other right answer
are found correct; a cell, if it prints what the chapter shows.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys

import page


def tried(exercise) -> bool:
    """Whether both right answers that the book knows are found correct."""
    try:
        return all(exercise.verdict(right).outcome == "correct" for right in (exercise.reference, exercise.alternative))
    except ImportError:
        return False


def exercises(name: str) -> dict:
    """The exercises of a chapter that need no torch."""
    try:
        chapter = importlib.import_module(f"mobilenet_edu.exercises.{name}")
    except ImportError:
        return {}
    kinds = importlib.import_module("mobilenet_edu.exercises")
    found = [each for each in vars(chapter).values() if isinstance(each, kinds.Exercise)]
    return {each.name: {"title": each.title, "seconds": each.seconds} for each in found if tried(each)}


def cells(sources: list, imports: list) -> list:
    """The cells that print what they should, each with those before it that can run."""
    before, good = list(imports), []
    names = page.names_after(before)
    for source, printed in sources:
        if printed is not None and page.printed(source, dict(names)) == printed:
            good.append({"source": source, "before": list(before)})
        with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
            exec(source, names)
            before.append(source)
    return good


given = json.load(sys.stdin)
for name, chapter in given.items():
    chapter |= {"exercises": exercises(name), "cells": cells(chapter["cells"], chapter["imports"])}
json.dump(given, sys.stdout)
