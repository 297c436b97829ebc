"""A process for one submission, inside `bwrap`, that is asked one thing at a time and killed when it is too slow.

What the process sees: the operating system's own files, Python, its packages and `mobilenet_edu`, all read-only, and
nothing it could write to; no network; no other process; limits on memory, files and processes that `worker.py` sets
before it looks at the submission; and no system call that goes around them (`syscalls.py`). It does not see the class's
folder, the results, this package or your home.

A worker that imports PyTorch takes more than a second to start. So a `Stock` imports it once for the class, and forks a
`Keeper` for each submission; that one moves into the submission's own `Sandbox`, reads the notebook once, and forks a
worker for each part.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import platform
import select
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mobilenet_edu
from instructor.syscalls import MACHINES, refusals

WORKER = Path(__file__).with_name("worker.py")
ROOT = Path(__file__).resolve().parent.parent
BOOK = Path(mobilenet_edu.__file__).resolve().parent
PACKAGES = sorted({Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib")})
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/alternatives")
REPLY_AT_MOST = 2**20  # bytes, about a notebook
ANSWER_AT_MOST = 2**16  # bytes
ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "PATH": "/usr/bin",
    # Threads are processes to the limit, and there may be no other.
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MPLBACKEND": "agg",
}
HELPFUL = ("IPython.core.inputtransformer2", "mobilenet_edu.architecture", "statistics", "fractions", "dataclasses")
PICTURES = ("numpy", "matplotlib.pyplot")


START_AT_MOST = 120  # seconds for a worker to start and to import PyTorch, on a busy machine
TICK = 0.05  # seconds between two looks at the clock
ASLEEP_AT_MOST = 2  # times the seconds of processor time: for a worker that neither computes nor waits for its turn


class SandboxError(Exception):
    """No worker can be started as it should be."""


class StoppedError(Exception):
    """The worker is gone: it was too slow, left, was killed, or sent what is no reply. The message says which."""

    def __init__(self, message: str, slow: bool = False) -> None:
        super().__init__(message)
        self.slow = slow


# Time -------------------------------------------------------------------------------------------------------------


class Allowance:
    """Seconds that a worker may use: those that it computes, not those that it waits for a processor.

    Sleeping counts too, but several times as much of it is allowed, and a second in which the grader itself was
    stopped counts as little as the machine's other work. So the same answers are in time on any machine, however busy.
    """

    def __init__(self, worker: Worker, seconds: float) -> None:
        self.worker, self.seconds = worker, seconds
        self.computed, self.waited = worker.clock()
        self.passed, self.last = 0.0, time.monotonic()

    @property
    def used(self) -> float:
        """Seconds of processor time so far."""
        return self.worker.clock()[0] - self.computed

    def is_spent(self) -> bool:
        now = time.monotonic()
        self.passed += min(now - self.last, 4 * TICK)
        self.last = now
        computed, waited = self.worker.clock()
        asleep = self.passed - (computed - self.computed) - (waited - self.waited)
        return computed - self.computed > self.seconds or asleep > ASLEEP_AT_MOST * self.seconds + 4 * TICK


def clock(process: int) -> tuple[float, float]:
    """Seconds that a process has computed, and seconds that it has waited for a processor; zeros if it is gone."""
    try:
        with open(f"/proc/{process}/schedstat", "rb", buffering=0) as file:  # of the process's only thread
            computed, waited, _ = file.read().split()
        return int(computed) / 1e9, int(waited) / 1e9
    except (OSError, ValueError):  # it is gone, or this kernel does not tell
        return clock_of_old(process)


def clock_of_old(process: int) -> tuple[float, float]:
    """The same of a kernel that does not tell how long a process waits; then a busy machine is given a lot."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), 0.95 * time.monotonic()
    except (OSError, IndexError, ValueError):
        return 0.0, 0.0


def family(process: int) -> list[int]:
    """A process and all that descend from it."""
    found = [process]
    for each in found:
        with contextlib.suppress(OSError):
            found += map(int, Path(f"/proc/{each}/task/{each}/children").read_text().split())
    return found


# Workers ----------------------------------------------------------------------------------------------------------


class Worker:
    """One process for one notebook. Use it in a ``with`` statement: it does not outlive the block.

    Attributes:
        running_cell, running_line: what the worker said last about its progress.
        stopping: if it is set, every question ends at once.

    Raises:
        SandboxError: it does not start.
    """

    def __init__(
        self,
        *,
        sandboxed: bool,
        memory_mib: int = 1024,
        packages: tuple[str, ...] = (),
        hidden: tuple[Path, ...] = (),
        notebook: int | None = None,
        stopping: threading.Event | None = None,
    ) -> None:
        self.notebook = notebook
        self._reset(stopping)
        with tempfile.TemporaryFile() as program:
            program.write(refusals() if sandboxed else b"")
            program.seek(0)
            handed = [program.fileno()] if sandboxed else []
            hiding = (hidden,) if hidden else ()
            command, paths = sandbox_command(program.fileno(), *hiding) if sandboxed else plain_command()
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=[*handed, *([] if notebook is None else [notebook])],
                env=ENVIRONMENT,
                start_new_session=True,
            )
        self.requests, self.replies = self.process.stdin.fileno(), self.process.stdout.fileno()
        self._listen()
        settings = {"sandboxed": sandboxed, "memory_mib": memory_mib, "paths": paths, "packages": packages}
        try:
            self.ask(settings, START_AT_MOST)
        except StoppedError as error:
            self.close()
            raise SandboxError(f"The process that runs a submission did not start: {error}.") from error

    def _reset(self, stopping: threading.Event | None) -> None:
        self.running_cell: object = None
        self.running_line: object = None
        self.stopping = stopping or threading.Event()
        self.received = bytearray()

    def _listen(self) -> None:
        os.set_blocking(self.requests, False)
        os.set_blocking(self.replies, False)
        self.poll = select.poll()
        self.poll.register(self.replies, select.POLLIN)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the worker and all that it started: the first process of a namespace takes the others with it."""
        self._kill()
        self.process.wait()
        self.process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def clock(self) -> tuple[float, float]:
        """Seconds that it has computed, and that it has waited for a processor."""
        clocks = [clock(process) for process in family(self.process.pid)]
        return sum(computed for computed, _ in clocks), clocks[-1][1]

    def ask(self, message: dict[str, Any], seconds: float | Allowance, at_most: int = REPLY_AT_MOST) -> dict[str, Any]:
        """Send ``message`` and return the reply; what the worker says about its progress is in `running_cell`.

        Raises:
            StoppedError: no reply came while ``seconds`` lasted, or none that can be read.
        """
        allowance = seconds if isinstance(seconds, Allowance) else Allowance(self, seconds)
        return self._reply(self._lines(json.dumps(message).encode() + b"\n", allowance, at_most))

    def _reply(self, lines: Iterator[bytes]) -> dict[str, Any]:
        """The first of these lines that is no report of progress."""
        try:
            for line in lines:
                reply = json.loads(line)
                if type(reply) is not dict:
                    break
                if "cell" not in reply:
                    return reply
                self.running_cell, self.running_line = reply["cell"], reply.get("line")
        except (OSError, ValueError, RecursionError) as error:
            raise StoppedError("its answer could not be read") from error
        raise StoppedError("it ended the process, or ran out of memory")

    def _lines(self, message: bytes, allowance: Allowance, at_most: int) -> Iterator[bytes]:
        """Send a message while there is room, and yield each line that comes back."""
        if message:
            self.poll.register(self.requests, select.POLLOUT)
        while True:
            while (end := self.received.find(b"\n")) >= 0:
                line = bytes(self.received[:end])
                del self.received[: end + 1]
                yield line
                # A worker that reports progress for ever is not at its end, but its time can be.
                if time.monotonic() - allowance.last > TICK and allowance.is_spent():
                    raise self._too_long()
            if len(self.received) > at_most:
                raise ValueError("too long")
            events = self.poll.poll(1000 * TICK)
            for descriptor, _ in events:
                if descriptor == self.requests:
                    message = message[self._write(message) :]
                    if not message:
                        self.poll.unregister(self.requests)
                elif not (content := os.read(self.replies, 2**16)):
                    return
                else:
                    self.received += content
            if self.stopping.is_set():
                raise StoppedError("the grader was stopped")
            if not events and allowance.is_spent():
                raise self._too_long()

    def _write(self, message: bytes) -> int:
        try:
            return os.write(self.requests, message[: 2**16])
        except BlockingIOError:
            return 0

    def _too_long(self) -> StoppedError:
        self._kill()
        return StoppedError("it took too long", slow=True)

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


class ForkedWorker(Worker):
    """A worker that a `Keeper` forked."""

    def __init__(self, keeper: Keeper, stopping: threading.Event | None = None) -> None:
        self.notebook = None  # the keeper has read it
        self._reset(stopping)
        read, self.requests = os.pipe()
        self.replies, write = os.pipe()
        self._listen()
        try:
            keeper.fork([read, write])
        finally:
            os.close(read)
            os.close(write)
        self._meet()

    def _meet(self) -> None:
        """Wait for the process's first words, its number."""
        self.number, self.handle = 0, -1
        try:
            started = next(self._lines(b"", Allowance(self, START_AT_MOST), ANSWER_AT_MOST), b"{}")
            self.number = json.loads(started)["process"]
            self.handle = os.pidfd_open(self.number)
        except (StoppedError, OSError, ValueError, KeyError) as error:
            self.close()
            raise SandboxError("The process that runs a submission could not enter its sandbox.") from error

    def clock(self) -> tuple[float, float]:
        return clock(self.number) if self.number else (0.0, 0.0)

    def close(self) -> None:
        self._kill()
        for descriptor in (self.requests, self.replies, self.handle):
            if descriptor >= 0:
                os.close(descriptor)

    def _kill(self) -> None:
        if self.handle >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.handle, signal.SIGKILL)


class Keeper(ForkedWorker):
    """A process that a `Stock` forked for one submission; in ``sandbox``, or without one. It runs nothing of it."""

    is_killed = False

    def _kill(self) -> None:
        self.is_killed = True
        super()._kill()

    def __init__(
        self,
        stock: Stock,
        sandbox: Sandbox | None,
        memory_mib: int,
        notebook: int | None = None,
        stopping: threading.Event | None = None,
    ) -> None:
        self.notebook = None
        self._reset(stopping)
        self.orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.requests, self.replies = self.orders.fileno(), os.dup(self.orders.fileno())
        self._listen()
        order = {"sandbox": sandbox and sandbox.first, "memory_mib": memory_mib}
        order["refusals"] = base64.b64encode(refusals()).decode() if sandbox else ""
        with theirs:
            stock.fork(order, [theirs.fileno(), *([] if notebook is None else [notebook])])
        self._meet()
        self.sandbox = sandbox

    def read(self, job: dict[str, Any] | None, seconds: float) -> dict[str, Any]:
        """Wait until it has read the notebook, and translated it into Python."""
        message = b"" if job is None else json.dumps(job).encode()
        return self._reply(self._lines(message, Allowance(self, seconds), ANSWER_AT_MOST))

    def fork(self, descriptors: list[int]) -> None:
        try:
            socket.send_fds(self.orders, [b"fork"], descriptors)
        except OSError as error:
            raise SandboxError("The process that starts workers for a submission is gone.") from error

    def is_alive(self) -> bool:
        """Whether it can fork: it is there, and so is the first process of its sandbox."""
        if self.is_killed:  # which takes a while
            return False
        return not select.select([self.handle], [], [], 0)[0] and (self.sandbox is None or self.sandbox.is_alive())

    def close(self) -> None:
        self.requests = -1  # closed with the socket
        super().close()
        self.orders.close()


class Stock:
    """A process that has imported what takes long and forks keepers. None of a student's code runs in it."""

    def __init__(self, packages: tuple[str, ...], helpful: tuple[str, ...] = HELPFUL) -> None:
        self.lock = threading.Lock()
        self.orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.caches = tempfile.TemporaryDirectory()
        command, paths = plain_command()
        with theirs:
            self.process = subprocess.Popen(
                [*command, "stock"],
                stdin=theirs,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**ENVIRONMENT, "MPLCONFIGDIR": self.caches.name},
                start_new_session=True,
            )
        settings = {"paths": paths, "packages": packages, "helpful": helpful}
        self.orders.settimeout(START_AT_MOST)
        try:
            self.orders.send(json.dumps(settings).encode())
            ready = self.orders.recv(16)
        except OSError:
            ready = b""
        if not ready:
            self.close()
            raise SandboxError("The process that starts workers did not start.")

    def __enter__(self) -> Stock:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fork(self, order: dict, descriptors: list[int]) -> None:
        with self.lock:
            try:
                socket.send_fds(self.orders, [json.dumps(order).encode()], descriptors)
            except OSError as error:
                raise SandboxError("The process that starts workers is gone.") from error

    def close(self) -> None:
        self.orders.close()
        self.process.kill()
        self.process.wait()
        self.caches.cleanup()


class Sandbox:
    """The namespaces of one submission, held by a program that does nothing; workers move in one after the other."""

    def __init__(self, hidden: tuple[Path, ...] = ()) -> None:
        told, tell = os.pipe()
        with tempfile.TemporaryFile() as program, os.fdopen(told) as said:
            program.write(refusals())
            program.seek(0)
            command, _ = sandbox_command(program.fileno(), hidden)
            command = [*command[:1], "--as-pid-1", "--info-fd", str(tell), *command[1:-4], "/bin/cat"]
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=[program.fileno(), tell],
                env=ENVIRONMENT,
                start_new_session=True,
            )
            os.close(tell)
            try:
                self.process.stdin.write(b"there?\n")
                self.process.stdin.flush()
                answer = self.process.stdout.readline()  # all namespaces are as they will be
                self.first = json.loads(said.read())["child-pid"]
            except (OSError, ValueError, KeyError):
                answer = b""
        if answer != b"there?\n":
            self.close()
            raise SandboxError("The sandbox for a submission did not start.")

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()


# The command ------------------------------------------------------------------------------------------------------


def plain_command() -> tuple[list[str], list[str]]:
    """How to start a worker without protection, and where it finds packages."""
    return [sys.executable, "-I", "-S", str(WORKER)], [*map(str, PACKAGES), str(BOOK.parent)]


def sandbox_command(program: int, hidden: tuple[Path, ...] = ()) -> tuple[list[str], list[str]]:
    """How to start a worker in `bwrap`, and where it finds packages; ``program`` is the descriptor of `refusals`.

    What is in ``hidden``, and the repository, is not seen, even if it lies below a folder that is.
    """
    command = ["bwrap", "--die-with-parent", "--new-session", "--seccomp", str(program)]
    command += ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    if os.getuid() != 0:
        command += ["--unshare-user"]  # root needs no namespace to be someone else: the worker becomes nobody
    for folder in SYSTEM:
        if Path(folder).is_symlink():
            command += ["--symlink", os.readlink(folder), folder]
        else:
            command += [*place(Path(folder))[:-3], "--ro-bind-try", folder, folder]
    prefix = Path(sys.base_prefix).resolve()
    bound = [Path(folder) for folder in SYSTEM]
    if not is_below(prefix, bound):
        command += place(prefix)
        bound.append(prefix)
    masks = [folder.resolve() for folder in (*hidden, ROOT) if folder.exists() and is_below(folder.resolve(), bound)]
    for folder in masks:
        command += ["--tmpfs", str(folder)]
    for folder in (*PACKAGES, BOOK):
        if folder in masks or not is_below(folder, bound) or is_below(folder, masks):
            command += place(folder)
    for folder in masks:
        command += ["--remount-ro", str(folder)]
    command += ["--ro-bind", str(WORKER), "/worker.py", "--setenv", "LD_LIBRARY_PATH", str(prefix / "lib")]
    command += ["--dev", "/dev", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/"]
    python = Path(sys.executable).resolve()
    return [*command, str(python), "-I", "-S", "/worker.py"], [*map(str, PACKAGES), str(BOOK.parent)]


def place(folder: Path) -> list[str]:
    """Show a folder, read-only. A folder on the way that bwrap makes unasked would be closed to nobody."""
    made = [part for parent in [*folder.parents][-2::-1] for part in ("--dir", str(parent))]
    return [*made, "--ro-bind", str(folder), str(folder)]


def is_below(folder: Path, others: list[Path]) -> bool:
    return any(folder.is_relative_to(other.resolve()) for other in others)


def cannot_be_hidden(folder: Path) -> str:
    """Why students' code could see what lies in ``folder``; nothing if it cannot."""
    folder = folder.resolve()
    shown = [*PACKAGES, BOOK]
    if is_below(folder, shown):
        return f"{folder} lies among the packages that students' code may read: move it elsewhere."
    needed = [Path(each).resolve() for each in SYSTEM if Path(each).exists()] + [Path(sys.base_prefix).resolve()]
    if any(each.is_relative_to(folder) for each in needed):
        return f"{folder} holds the system that students' code needs: name a folder of its own."
    return ""


# The probe --------------------------------------------------------------------------------------------------------


PROBE = """
import os, socket

def attempt(what):
    try:
        what()
    except OSError:
        return "refused"
    return "allowed"

def lock(path):
    import fcntl
    with open(path) as file:
        fcntl.flock(file, fcntl.LOCK_SH)

def probe(canaries, port):
    return {
        "read": "allowed" if "allowed" in [attempt(lambda: open(canary)) for canary in canaries] else "refused",
        "write": attempt(lambda: open("/probe", "w")),
        "connect": attempt(lambda: socket.create_connection(("127.0.0.1", port), timeout=1)),
        "fork": attempt(os.fork),
        "lock": attempt(lambda: lock("/usr/bin/env")),
        "kernel": attempt(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)),
        "answer": 6 * 7,
    }
"""


def check_sandbox(hidden: tuple[Path, ...] = (), stock: Stock | None = None) -> None:
    """Run something in the sandbox that tries to read, write, connect, fork and leave messages.

    With a ``stock`` it is one of its workers that tries. Something that lies in one of the ``hidden`` folders is among
    what it tries to read.

    Raises:
        SandboxError: it does not run, or one of these is allowed.
    """
    if shutil.which("bwrap") is None:
        raise SandboxError("bwrap is not installed (on Debian and Ubuntu: apt install bubblewrap).")
    if platform.machine() not in MACHINES:
        raise SandboxError(f"The sandbox knows the system calls of {', '.join(MACHINES)}, not of {platform.machine()}.")
    for folder in hidden:
        if why := cannot_be_hidden(folder):
            raise SandboxError(why)
    notebook = json.dumps({"cells": [{"cell_type": "code", "source": PROBE}]})
    with tempfile.NamedTemporaryFile() as canary, socket.create_server(("127.0.0.1", 0)) as server:
        canaries = [canary.name, str(Path(__file__)), *filter(None, map(something_in, hidden))]
        with probing(hidden, stock) as worker:
            worker.ask({"notebook": notebook, "problems": ["probe"], "by_hand": [], "skip": []}, START_AT_MOST)
            arguments = [canaries, server.getsockname()[1]]
            reply = worker.ask({"problem": "probe", "arguments": arguments, "probe": None}, START_AT_MOST)
    expected = dict.fromkeys(("read", "write", "connect", "fork", "lock", "kernel"), "refused") | {"answer": 42}
    if reply != {"value": expected}:
        raise SandboxError(f"bwrap runs here, but does not protect: {reply}.")


@contextlib.contextmanager
def probing(hidden: tuple[Path, ...], stock: Stock | None) -> Iterator[Worker]:
    if stock is None:
        with Worker(sandboxed=True, hidden=hidden) as worker:
            yield worker
        return
    sandbox = Sandbox(hidden)
    try:
        with Keeper(stock, sandbox, 1024) as keeper:
            keeper.read(None, START_AT_MOST)
            with ForkedWorker(keeper) as worker:
                yield worker
    finally:
        sandbox.close()


def something_in(folder: Path) -> str | None:
    """The path of a file there."""
    files = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return next((str(path) for path in files if path.is_file()), None)
