"""Run an answer so that nothing it does ends in an exception: a time limit, its output kept, its failure described."""

from __future__ import annotations

import ast
import gc
import inspect
import io
import signal
import sys
import textwrap
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

PACKAGE = Path(__file__).parents[1]
PRINTED_AT_MOST = 500  # characters of an answer's own output that are shown
LOOK_AFTER = 0.05  # seconds from one look at the time to the next
PATIENCE = 60.0  # seconds by the clock on the wall, for an answer that waits
SHARE = 50  # seconds by that clock that a second of work may take, beside other programs
DEEPEST = 4000  # calls inside of calls: Python's own limit of 1,000 would turn right answers away
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


class _Clock:
    """The seconds of work that an answer has had: of its own thread, without those in which a module is imported."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.first, self.start = time.thread_time(), time.monotonic()
        self.restart()

    def restart(self) -> None:
        self.began = self.seen = time.thread_time()

    def tick(self, frame: FrameType | None) -> str:
        """Look at the time, and at what runs; why it is over, or nothing."""
        now = time.thread_time()
        if _imports(frame):
            self.began += now - self.seen
        self.seen = now
        if now - self.began > self.seconds:
            return f"{self.seconds:g} seconds of work"
        waited = time.monotonic() - self.start - SHARE * (now - self.first)
        return f"{PATIENCE:g} seconds of waiting" if waited > PATIENCE else ""


def _imports(frame: FrameType | None) -> bool:
    """Whether a module is being loaded somewhere between this frame and `within`."""
    while frame is not None and frame.f_code is not within.__code__:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _cleans_up(frame: FrameType | None, callbacks: set[CodeType]) -> bool:
    """Whether a library watches the garbage collector: of what is raised there, Python only says that it is dropped."""
    while frame is not None and frame.f_code is not within.__code__:
        if frame.f_code in callbacks:
            return True
        frame = frame.f_back
    return False


def within(seconds: float, run: Callable[[Callable[[], None]], None], printed: CappedOutput) -> BaseException | None:
    """Call ``run`` with a time limit and its output kept; return what it raised, if anything.

    ``run`` gets a function that starts the time anew. Time is what the thread works: neither other programs nor the
    import of a library shorten it. Who waits instead of working is stopped after `PATIENCE`. Where there are no
    alarms, as on Windows, in a browser or beside the main thread, there is no limit. What ends the process itself,
    such as ``os._exit`` or a crash in C, is beyond it.
    """
    alarms = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    armed = True
    pause = GRACE
    over = ""
    callbacks = {callback.__code__ for callback in gc.callbacks if inspect.isfunction(callback)}

    def alarm(_: int, frame: FrameType | None) -> None:
        nonlocal pause, over
        if not armed:
            return
        over = over or clock.tick(frame)
        if not over or _cleans_up(frame, callbacks):
            signal.setitimer(signal.ITIMER_REAL, LOOK_AFTER)
            return
        # Once is enough for most answers. A bare `except:` in a loop swallows the exception; then two alarms in
        # quick succession follow, of which the second strikes outside the `try` that swallowed the first.
        signal.setitimer(signal.ITIMER_REAL, pause)
        pause = 1e-5
        raise OutOfTime(over)

    if alarms:
        clock = _Clock(seconds)
        before = signal.signal(signal.SIGALRM, alarm)
        depth = sys.getrecursionlimit()
        sys.setrecursionlimit(max(depth, DEEPEST))
    failure = None
    with redirect_stdout(printed), redirect_stderr(printed):
        if alarms:
            signal.setitimer(signal.ITIMER_REAL, LOOK_AFTER)
        try:
            run(clock.restart if alarms else lambda: None)
        except BaseException as error:  # SystemExit and KeyboardInterrupt too: the kernel must live
            armed = False
            failure = error
        finally:
            armed = False  # first of all, so that no late alarm strikes what follows
    if alarms:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before or signal.SIG_DFL)
        sys.setrecursionlimit(depth)
    return failure


# What Python's own sentence leaves open, for the errors that beginners meet.
MEANINGS = {
    NameError: "Python does not know that name here. Is it spelled as above, and imported?",
    UnboundLocalError: "A name is used before it has a value: give it one before the loop or the `if`.",
    IndexError: "An index points behind the end. Positions count from 0, and rows come before columns.",
    KeyError: "The dictionary has no such key.",
    ZeroDivisionError: "With these arguments you divide by 0.",
    RecursionError: "A function calls itself very often. Does it ever stop? If so, a loop does the same.",
    AttributeError: "What stands before the point has no part of that name.",
    ModuleNotFoundError: "There is no such module here.",
}


# The same, for errors whose kind says too little: what their text holds.
SAYINGS = {
    "not enough values to unpack": "On the left stand more names than there are values on the right.",
    "too many values to unpack": "On the left stand fewer names than there are values on the right.",
    "is not in list": "`index` looks for what that list does not hold. Is it of another list?",
    "empty sequence": "Here nothing is left to choose from. Ask for that case first, or give `default=`.",
    "empty iterable": "Here nothing is left to choose from. Ask for that case first, or give `default=`.",
    "'tuple' and 'int'": "A tuple is no number: take it apart first, as in `height, width = size`.",
    "'int' and 'tuple'": "A tuple is no number: take it apart first, as in `height, width = size`.",
    "'list' and 'int'": "A list is no number: take one of its entries, or loop over it.",
    "'int' and 'list'": "A list is no number: take one of its entries, or loop over it.",
    "'Cost' and 'int'": "A `Cost` holds several numbers; `.macs` is one of them.",
    "'int' and 'Cost'": "A `Cost` holds several numbers; `.macs` is one of them.",
    "object is not subscriptable": "What stands before the `[` is a single thing and has no entries.",
    "object is not iterable": "What is looped over, or taken apart, is a single thing and has no entries.",
    "cannot be interpreted as an integer": "A whole number is needed here: `//` and `int(...)` give one.",
    "indices must be integers": "A position is a whole number: `//` and `int(...)` give one.",
    "object is not callable": "Round brackets call a function. Is a `*` missing, or is a function's name used twice?",
    "step must be greater than zero": "A slice of a tensor takes no negative step; `flip(...)` turns it round.",
    "can only concatenate": "`+` joins lists or texts here. For numbers, take one entry on each side.",
    "instances of 'Cost'": "A `Cost` holds several numbers; compare one of them, such as `.macs`.",
    "bad operand type for unary -: 'list'": "A list has no minus: `[-x for x in xs]` turns each sign.",
    "missing 1 required positional argument": "This call lacks an argument.",
}


def describe(failure: BaseException, answer: Callable[..., Any]) -> str:
    """An exception in a few lines: what it says, where in the answer it was raised, and what it means."""
    text = traceback.format_exception_only(failure)[-1].strip()
    text = text if len(text) <= 300 else text[:300] + "…"
    sayings = [said for part, said in SAYINGS.items() if part in text]
    file = getattr(getattr(answer, "__code__", None), "co_filename", None)
    lines = [frame.line for frame in traceback.extract_tb(failure.__traceback__) if frame.filename == file]
    text += f"\n  raised by the line `{lines[-1]}`" if lines and lines[-1] else ""
    meaning = MEANINGS.get(type(failure), sayings[0] if sayings else "")
    if "must match the size of tensor" in text:
        meaning = "Two shapes do not fit. They are compared from the last dimension on; `None` in an index adds one."
    if isinstance(failure, TypeError) and "NoneType" in str(failure):
        meaning = "Something here is None: a function without `return`, or a method such as `sort`, which gives None."
    raised = traceback.extract_tb(failure.__traceback__)[-1:]
    if not meaning and "must be" in text and raised and Path(raised[0].filename).parent == PACKAGE:
        meaning = "So says the package of what this line hands to it."
    return f"{text}\n  {meaning}" if meaning else text


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
