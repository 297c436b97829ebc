"""A process for one submission, inside `bwrap`, that is asked one thing at a time and killed when it is too slow.

What the process sees: the operating system's own files, Python, its packages and `mobilenet_edu`, all read-only, and
nothing it could write to; no network; no other process; limits on memory, files and processes that `worker.py` sets
before it looks at the submission; and no system call that goes around them (`syscalls.py`). It does not see the class's
folder, the results, this package or your home.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
from pathlib import Path
from typing import Any

import mobilenet_edu
from instructor.syscalls import MACHINES, refusals

WORKER = Path(__file__).with_name("worker.py")
BOOK = Path(mobilenet_edu.__file__).parent
PACKAGES = sorted({Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib")})
REPLY_AT_MOST = 2**20  # bytes
ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "PATH": "/usr/bin",
    # Threads are processes to the limit, and there may be no other.
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


START_AT_MOST = 120  # seconds for a worker to start and to import PyTorch, on a busy machine


class SandboxError(Exception):
    """No worker can be started as it should be."""


class StoppedError(Exception):
    """The worker is gone: it was too slow, left, was killed, or sent what is no reply. The message says which."""


class Worker:
    """One process for one notebook. Use it in a ``with`` statement: it does not outlive the block.

    Raises:
        SandboxError: it does not start.
    """

    def __init__(self, *, sandboxed: bool, memory_mib: int = 1024, packages: tuple[str, ...] = ()) -> None:
        self.running_cell: int | None = None
        with tempfile.TemporaryFile() as program:
            program.write(refusals() if sandboxed else b"")
            program.seek(0)
            command, paths = sandbox_command(program.fileno()) if sandboxed else plain_command()
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=[program.fileno()] if sandboxed else [],
                env=ENVIRONMENT,
                start_new_session=True,
            )
        settings = {"sandboxed": sandboxed, "memory_mib": memory_mib, "paths": paths, "packages": packages}
        try:
            self.ask(settings, START_AT_MOST)
        except StoppedError as error:
            self.close()
            raise SandboxError(f"The process that runs a submission did not start: {error}.") from error

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

    def ask(self, message: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Send ``message`` and return the reply; what the worker says about its progress is in `running_cell`.

        Raises:
            StoppedError: no reply came within ``seconds``, or none that can be read.
        """
        slow = threading.Event()

        def give_up() -> None:
            slow.set()
            self._kill()

        watchdog = threading.Timer(max(seconds, 0), give_up)
        watchdog.start()
        try:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()
            while line := self.process.stdout.readline(REPLY_AT_MOST):
                reply = json.loads(line)
                if type(reply) is not dict:
                    break
                if "cell" not in reply:
                    return reply
                self.running_cell = reply["cell"]
            raise StoppedError("it took too long" if slow.is_set() else "it ended the process, or ran out of memory")
        except (OSError, ValueError, RecursionError) as error:
            raise StoppedError("it took too long" if slow.is_set() else "its answer could not be read") from error
        finally:
            watchdog.cancel()
            watchdog.join()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


def plain_command() -> tuple[list[str], list[str]]:
    """How to start a worker without protection, and where it finds packages."""
    return [sys.executable, "-I", "-S", str(WORKER)], [*map(str, PACKAGES), str(BOOK.parent)]


def sandbox_command(program: int) -> tuple[list[str], list[str]]:
    """How to start a worker in `bwrap`, and where it finds packages; ``program`` is the descriptor of `refusals`."""
    command = ["bwrap", "--die-with-parent", "--new-session", "--seccomp", str(program)]
    command += ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    if os.getuid() != 0:
        command += ["--unshare-user"]  # root needs no namespace to be someone else: the worker becomes nobody
    for folder in ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/alternatives"):
        if Path(folder).is_symlink():
            command += ["--symlink", os.readlink(folder), folder]
        else:
            command += ["--ro-bind-try", folder, folder]

    # Under other names, because a folder on the way (somebody's home) may be closed to nobody.
    prefix = Path(sys.base_prefix)
    inside = prefix if prefix == Path("/usr") else Path("/python")
    python = inside / Path(sys.executable).resolve().relative_to(prefix.resolve())
    paths = [f"/packages/{index}" for index, _ in enumerate(PACKAGES)]
    command += ["--dir", "/packages", "--dir", "/book"]  # a folder that bwrap makes unasked is closed to nobody
    binds = {prefix: inside, WORKER: Path("/worker.py"), BOOK: Path("/book/mobilenet_edu")}
    for outside, place in [*binds.items(), *zip(PACKAGES, paths, strict=True)]:
        command += ["--ro-bind", str(outside), str(place)]
    command += ["--setenv", "LD_LIBRARY_PATH", str(inside / "lib")]

    command += ["--dev", "/dev", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/"]
    return [*command, str(python), "-I", "-S", "/worker.py"], [*paths, "/book"]


PROBE = """
import os, socket

def attempt(what):
    try:
        what()
    except OSError:
        return "refused"
    return "allowed"

def probe(canary, port):
    return {
        "read": attempt(lambda: open(canary)),
        "write": attempt(lambda: open("/probe", "w")),
        "connect": attempt(lambda: socket.create_connection(("127.0.0.1", port), timeout=1)),
        "fork": attempt(os.fork),
        "answer": 6 * 7,
    }
"""


def check_sandbox() -> None:
    """Run something in the sandbox that tries to read, write, connect and fork.

    Raises:
        SandboxError: it does not run, or one of these is allowed.
    """
    if shutil.which("bwrap") is None:
        raise SandboxError("bwrap is not installed (on Debian and Ubuntu: apt install bubblewrap).")
    if platform.machine() not in MACHINES:
        raise SandboxError(f"The sandbox knows the system calls of {', '.join(MACHINES)}, not of {platform.machine()}.")
    notebook = json.dumps({"cells": [{"cell_type": "code", "source": PROBE}]})
    with tempfile.NamedTemporaryFile() as canary, socket.create_server(("127.0.0.1", 0)) as server:
        arguments = [canary.name, server.getsockname()[1]]
        with Worker(sandboxed=True) as worker:
            worker.ask({"notebook": notebook, "problems": ["probe"], "by_hand": [], "skip": []}, START_AT_MOST)
            reply = worker.ask({"problem": "probe", "arguments": arguments, "probe": None}, START_AT_MOST)
    expected = dict.fromkeys(("read", "write", "connect", "fork"), "refused") | {"answer": 42}
    if reply != {"value": expected}:
        raise SandboxError(f"bwrap runs here, but does not protect: {reply}.")
