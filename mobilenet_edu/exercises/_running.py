"""Run an answer so that nothing it does ends in an exception: a time limit, its output kept, its failure described."""

from __future__ import annotations

import ast
import inspect
import io
import signal
import textwrap
import threading
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from types import CodeType
from typing import Any

PRINTED_AT_MOST = 500  # characters of an answer's own output that are shown
GRACE = 0.2  # seconds in which an answer that is out of time may leave its `with` blocks


class OutOfTime(BaseException):
    """Raised by the alarm; no Exception, so that ``except Exception`` in an answer does not swallow it."""


class CappedOutput(io.TextIOBase):
    """Keeps the beginning of what is printed and drops the rest."""

    def __init__(self) -> None:
        self.text = ""
        self.cut = False

    def write(self, text: str) -> int:
        room = PRINTED_AT_MOST - len(self.text)
        self.cut = self.cut or len(text) > room
        self.text += text[:room]
        return len(text)

    def report(self) -> str:
        """What was printed, announced; nothing if there was nothing."""
        if not self.text:
            return ""
        return f"Your function printed:\n{self.text.rstrip()}{' … (the rest is cut)' if self.cut else ''}\n"


def within(seconds: float, run: Callable[[], None], printed: CappedOutput) -> BaseException | None:
    """Call ``run`` with a time limit and its output kept; return what it raised, if anything.

    What ends the process itself, such as ``os._exit`` or a crash in C, is beyond it.
    """
    alarms = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    armed = True
    pause = GRACE

    def alarm(*_: Any) -> None:
        nonlocal pause
        if armed:
            # Once is enough for most answers. A bare `except:` in a loop swallows the exception; then two alarms in
            # quick succession follow, of which the second strikes outside the `try` that swallowed the first.
            signal.setitimer(signal.ITIMER_REAL, pause)
            pause = 1e-5
            raise OutOfTime

    if alarms:
        before = signal.signal(signal.SIGALRM, alarm)
    failure = None
    with redirect_stdout(printed), redirect_stderr(printed):
        if alarms:
            signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            run()
        except BaseException as error:  # SystemExit and KeyboardInterrupt too: the kernel must live
            armed = False
            failure = error
        finally:
            armed = False  # first of all, so that no late alarm strikes what follows
    if alarms:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before or signal.SIG_DFL)
    return failure


def describe(failure: BaseException, answer: Callable[..., Any]) -> str:
    """An exception in one or two lines: what it says, and where in the answer it was raised."""
    text = traceback.format_exception_only(failure)[-1].strip()
    text = text if len(text) <= 300 else text[:300] + "…"
    file = getattr(getattr(answer, "__code__", None), "co_filename", None)
    lines = [frame.line for frame in traceback.extract_tb(failure.__traceback__) if frame.filename == file]
    return f"{text}\n  raised by the line `{lines[-1]}`" if lines and lines[-1] else text


def has_hole(answer: Callable[..., Any]) -> bool:
    """Whether it still holds a ``...`` to fill. One in an index, as in ``image[..., :3]``, or on its own is none."""
    compiled = _holds_ellipsis(getattr(answer, "__code__", None))
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(answer)))
    except Exception:  # no file and no cell, a piece of a line, no function, or one that hides what it wraps
        return compiled
    ellipses = {node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value is ...}
    statements = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    indices = {part for node in ast.walk(tree) if isinstance(node, ast.Subscript) for part in ast.walk(node.slice)}
    # Of `if ...:` the compiler leaves nothing; in the source, the line of a lambda may hold more than the lambda.
    return bool(ellipses - statements - indices) and (compiled or isinstance(tree.body[0], ast.FunctionDef))


def _holds_ellipsis(code: Any) -> bool:
    return isinstance(code, CodeType) and any(const is ... or _holds_ellipsis(const) for const in code.co_consts)
