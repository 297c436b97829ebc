"""What the pages ask of the browser's Python: to check an answer, and to run a cell."""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import itertools
import linecache
import traceback
from typing import Any

_numbers = itertools.count(1)
SHOWN_AT_MOST = 5000  # characters


def prepare(chapter: str) -> None:
    """Import what an exercise of the ``chapter`` needs, before its time is taken."""
    importlib.import_module(f"mobilenet_edu.exercises.{chapter}")


def check(chapter: str, name: str, source: str, imports: list[str]) -> dict[str, str]:
    """The outcome and the text that the exercise's check gives for an answer, which is the text of a cell."""
    exercise = getattr(importlib.import_module(f"mobilenet_edu.exercises.{chapter}"), name)
    names = names_after(imports)
    output, failure = _run(source, names)
    if failure:
        return {"outcome": "error", "text": output + failure}
    if name not in names:
        return {"outcome": "not answered", "text": f"{output}Not answered yet: call your function `{name}`."}
    verdict = exercise.verdict(names[name])
    return {"outcome": verdict.outcome, "text": output + verdict.text}


def run(source: str, before: list[str]) -> str:
    """What a cell prints, and the value of its last line, after the cells ``before`` it."""
    text = printed(source, names_after(before))
    return text if len(text) <= SHOWN_AT_MOST else f"{text[:SHOWN_AT_MOST]} … (the rest is cut)"


def printed(source: str, names: dict[str, Any]) -> str:
    """What a cell prints and shows, or why it fails."""
    return "".join(_run(source, names))


def names_after(cells: list[str]) -> dict[str, Any]:
    """What the chapter has imported and defined, as far as that works here."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in cells:
        with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
            exec(cell, names)
    return names


def _run(source: str, names: dict[str, Any]) -> tuple[str, str]:
    """Run a cell as a notebook does; what it printed, and in a few lines why it failed."""
    file = f"<answer {next(_numbers)}>"
    linecache.cache[file] = (
        len(source),
        None,
        source.splitlines(keepends=True),
        file,
    )  # so that its lines can be shown
    output = io.StringIO()
    failure = ""
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            tree = ast.parse(source, file)
            last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, file, "exec"), names)
            if last is not None:
                value = eval(compile(ast.Expression(last.value), file, "eval"), names)
                if value is not None:
                    print(repr(value))
        except BaseException as error:  # SystemExit too: the page goes on
            failure = _describe(error, file)
    return output.getvalue(), failure


def _describe(error: BaseException, file: str) -> str:
    """An exception with the line of the cell that raised it."""
    text = traceback.format_exception_only(error)[-1].strip()
    if isinstance(error, SyntaxError):
        return f"{text}\n  line {error.lineno}: {(error.text or '').strip()}"
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f"{text}\n  line {lines[-1].lineno}: {lines[-1].line}" if lines else text
