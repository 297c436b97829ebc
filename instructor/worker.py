"""Runs one student's notebook and answers calls: the only code here that meets a student's.

It runs as a process of its own, inside the sandbox, and needs little but the standard library. Requests come as lines
of JSON, replies go back the same way. Nothing that a student could want to steal or change is in this process: no
reference, no other case than the one that is asked, no grade. A student who takes over the channel can answer in
another way, and that is all: the parent compares what arrives.

``worker.py`` is one such process. ``worker.py stock`` is a process that imports what takes long, once for a class, and
forks a keeper for each submission. A keeper walks into the sandbox that it is told, gives up what an answer does not
need, reads the notebook, and forks a worker for each part. No student's code ever runs in those that fork: a keeper
translates it and leaves it alone.
"""

import ast
import base64
import builtins
import ctypes
import fcntl
import gc
import importlib
import io
import json
import os
import re
import resource
import signal
import socket
import sys
import types
import zipfile
from collections.abc import Iterator

NOBODY = 65534
TEXT_AT_MOST = 20_000  # characters: a picture that was pasted into the text is not read out
NOTEBOOK_AT_MOST = 100 * 2**20  # bytes, outputs included
REMARKS_AT_MOST = 20
REQUESTS, REPLIES = 3, 4  # the descriptors of a worker
ORDERS, NOTEBOOK = 3, 4  # those of a keeper
NAMESPACES = ("ipc", "uts", "net", "cgroup", "pid", "mnt")  # the last takes /proc away
# Cells whose body is not Python, or is not run
FOREIGN = {"bash", "sh", "shell", "script", "cmd", "system", "sx", "html", "HTML", "javascript", "js", "latex", "svg"}
FOREIGN |= {"markdown", "writefile", "file", "perl", "ruby", "pypy", "python2", "bigquery", "sql", "R", "cython"}
PICTURES = re.compile(r"^\s*(import|from) +(numpy|matplotlib|pandas|seaborn|scipy)\b", re.MULTILINE)


# Starting ---------------------------------------------------------------------------------------------------------


def main() -> None:
    requests, replies = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w", buffering=1)
    be_quiet()
    settings = json.loads(requests.readline())
    sys.path += settings["paths"]
    for package in settings["packages"]:
        importlib.import_module(package)  # takes seconds, which are not the student's
    confine(mapped() + settings["memory_mib"] * 2**20, settings["sandboxed"])
    be_alone()
    replies.write('{"ready": true}\n')
    serve(requests, replies)


def be_quiet() -> None:
    """From now on a student's input() reads nothing, and what is printed goes nowhere."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)


def mapped() -> int:
    """Bytes that this process maps: what our own imports take."""
    with open("/proc/self/statm") if os.path.exists("/proc/self/statm") else io.StringIO("0") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def confine(memory: int, sandboxed: bool) -> None:
    """Give up everything that an answer does not need; none of it can be taken back."""
    for limit, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, 0),  # no file grows, wherever it is
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))
    if sandboxed and os.getuid() == 0:  # root may do too much: the kernel does not even count its processes
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def be_alone() -> None:
    """From now on there is no new process, no thread."""
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


# Forking ----------------------------------------------------------------------------------------------------------


def stock() -> None:
    """Import what the first message says; then fork a keeper for each further one, until nobody is left to ask."""
    orders = socket.socket(fileno=os.dup(0))
    be_quiet()
    settings = json.loads(orders.recv(2**16))
    sys.path += settings["paths"]
    for package in settings["packages"]:
        importlib.import_module(package)
    for package in settings["helpful"]:
        try:
            importlib.import_module(package)
        except ImportError:
            continue
    warm_up()
    os.environ.pop("MPLCONFIGDIR", None)
    gc.collect()
    gc.freeze()  # what is here is here to stay: no child need look through it, and copy it by doing so
    use_large_pages()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a child
    orders.send(b"ready")
    while True:
        message, descriptors, _, _ = socket.recv_fds(orders, 2**16, 2)
        if not message:
            return
        if os.fork() == 0:
            live(be_a_keeper, json.loads(message), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def warm_up() -> None:
    """Let PyTorch, if it is here, do once what takes long at first: every child would take as long for it."""
    if not (torch := sys.modules.get("torch")):
        return
    nn = torch.nn
    middle = (nn.BatchNorm2d(6), nn.ReLU(), nn.ReLU6(), nn.Conv2d(6, 4, 1), nn.Flatten(), nn.Linear(100, 4))
    for groups in (1, 3):
        layers = nn.Sequential(nn.Conv2d(3, 6, 5, padding=2, groups=groups), *middle)
        for mode in (torch.enable_grad(), torch.no_grad()):
            with mode:
                layers(torch.arange(150.0).cos().reshape(2, 3, 5, 5)).sum().item()
    # No gradient: with a graphics card it would start threads, and they do not live on in a child.


def use_large_pages() -> None:
    """Move our memory into pages of 2 MiB, where the kernel (Linux 6.1) does: a fork copies an entry for each page."""
    size, collapse = 2**21, 25
    libc = ctypes.CDLL(None)
    with open("/proc/self/maps") as file:
        maps = [line.split() for line in file]
    for addresses, rights, _, _, number, *_ in maps:
        if rights != "rw-p" or number != "0":
            continue  # ours alone, and no file
        start, end = (int(address, 16) for address in addresses.split("-"))
        for page in range(-(-start // size) * size, end // size * size, size):
            libc.madvise(ctypes.c_void_p(page), ctypes.c_size_t(size), collapse)


def live(life, *arguments) -> None:
    """The life of a child; it does not return."""
    try:
        life(*arguments)
    finally:
        os._exit(0)


def keep_only(descriptors: list[int]) -> None:
    """Close all other descriptors but the first three, and number these from 3."""
    for place, descriptor in enumerate(descriptors, 40):  # there may be 64
        os.dup2(descriptor, place)
    os.closerange(3, 40)
    for place in range(len(descriptors)):
        os.dup2(40 + place, 3 + place)
    os.closerange(3 + len(descriptors), 1024)


def be_a_keeper(order: dict, descriptors: list[int]) -> None:
    """Read the notebook in the sandbox, and fork a worker for each order."""
    keep_only(descriptors)
    orders = socket.socket(fileno=ORDERS)
    os.setsid()
    memory = mapped() + order["memory_mib"] * 2**20  # the sandbox has no /proc that could tell
    os.write(ORDERS, b'{"process": %d}\n' % os.getpid())
    if order["sandbox"]:
        enter(order["sandbox"])
    os.chdir("/")
    confine(memory, bool(order["sandbox"]))
    if order["sandbox"]:
        seal(base64.b64decode(order["refusals"]))
    else:
        end_with_parent()
    notebook = read_early(orders) if len(descriptors) > 1 else None
    gc.collect()
    gc.freeze()
    os.write(ORDERS, b'{"ready": true}\n')
    while True:
        message, descriptors, _, _ = socket.recv_fds(orders, 16, 2)
        if not message:
            return
        if (child := os.fork()) == 0:
            live(be_a_worker, notebook, bool(order["sandbox"]), descriptors)
        os.write(descriptors[1], b'{"process": %d}\n' % child)
        for descriptor in descriptors:
            os.close(descriptor)


def read_early(orders: socket.socket) -> "Notebook | None":
    """The notebook with its cells translated, once for all workers, as far as there is one."""
    job = json.loads(orders.recv(2**16))

    def progress(**message: object) -> None:
        orders.send(json.dumps(message).encode() + b"\n")

    try:
        notebook = Notebook(content_of(job))
    except UNREADABLE:
        progress(not_a_notebook=True)
        sys.exit()
    if not job["pictures"] and any(PICTURES.search(cell.source) for cell in notebook.code):
        progress(pictures=True)  # in a worker that has imported them, they take no time
        sys.exit()
    for index, cell in enumerate(notebook.code):
        if index not in job["skip"]:
            progress(cell=index)
            cell.translate(index, notebook.version)
    return notebook


def be_a_worker(notebook: "Notebook | None", sandboxed: bool, descriptors: list[int]) -> None:
    keep_only(descriptors)
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    be_alone()
    if not sandboxed:
        end_with_parent()
    serve(os.fdopen(REQUESTS), os.fdopen(REPLIES, "w", buffering=1), notebook)


def end_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def enter(process: int) -> None:
    """Move into the namespaces of ``process``, the first in its sandbox; the processes' one holds for children."""
    libc = ctypes.CDLL(None, use_errno=True)

    def join(descriptor: int) -> None:
        if libc.setns(descriptor, 0):
            raise OSError(ctypes.get_errno(), "setns")

    def number(descriptor: int) -> int:
        return os.fstat(descriptor).st_ino

    opened = [os.open("/proc/self/ns/user", os.O_RDONLY), os.open(f"/proc/{process}/ns/user", os.O_RDONLY)]
    mine, inner = opened
    others = [os.open(f"/proc/{process}/ns/{name}", os.O_RDONLY) for name in NAMESPACES]
    different = [os.stat(f"/proc/self/ns/{name}").st_ino for name in NAMESPACES]
    outer = inner
    if number(inner) != number(mine):
        parent = fcntl.ioctl(inner, 0xB702)  # NS_GET_PARENT: bwrap may have made one inside another
        opened.append(parent)
        outer = inner if number(parent) == number(mine) else parent
        join(outer)
    for descriptor, own in zip(others, different, strict=True):
        if number(descriptor) != own:
            join(descriptor)
    if number(outer) != number(inner):
        join(inner)
    for descriptor in [*opened, *others]:
        os.close(descriptor)


def seal(program: bytes) -> None:
    """Give up all capabilities and, for ever, the system calls that ``program`` refuses."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    nothing = (ctypes.c_uint32 * 6)()
    instructions = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p)]

    given = Program(len(program) // 8, ctypes.addressof(instructions))
    if (
        libc.capset(header, nothing)
        or libc.prctl(38, 1, 0, 0, 0)  # no new privileges
        or libc.prctl(22, 2, ctypes.byref(given), 0, 0)  # the filter
    ):
        raise OSError(ctypes.get_errno(), "prctl")


# Serving ----------------------------------------------------------------------------------------------------------


UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError, MemoryError, OSError, RuntimeError)


def serve(requests, replies, notebook: "Notebook | None" = None) -> None:
    def reply(**message: object) -> None:
        replies.write(json.dumps(message) + "\n")

    job = json.loads(requests.readline())
    try:
        notebook = notebook or Notebook(content_of(job))
    except UNREADABLE:
        reply(not_a_notebook=True)
        return
    run = Run(notebook, job, reply)
    run.everything()
    reply(**run.report())
    answers = run.answers()
    for request in map(json.loads, requests):  # and no variable that holds a line
        replies.write(call(answers, request) + "\n")


def content_of(job: dict) -> str:
    """The text of the notebook, which may come as text, as a file, or as a file in an archive."""
    if "notebook" in job:
        return job["notebook"]
    with os.fdopen(job.get("descriptor", NOTEBOOK), "rb") as file:  # closed before anything of a student's runs
        file.seek(0)
        content = file.read(NOTEBOOK_AT_MOST + 1)
    if content.startswith(b"PK\x03\x04"):
        content = unpacked(content, job["problems"])
    if len(content) > NOTEBOOK_AT_MOST:
        raise ValueError("too large")
    return content.decode(json.detect_encoding(content), "replace").lstrip("\ufeff")


def unpacked(archive: bytes, problems: list[str]) -> bytes:
    """The notebook in an archive that holds most of the problems, and of several the last by name."""
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        names = sorted(name for name in file.namelist() if name.lower().endswith(".ipynb") and "__MACOSX" not in name)
        contents = [file.open(name).read(NOTEBOOK_AT_MOST + 1) for name in names[:20]]
    return max(reversed(contents), key=lambda content: sum(name.encode() in content for name in problems))


class Notebook:
    """The cells of a notebook of any format since 3.

    Attributes:
        code: its code cells.
        texts: the source and the metadata of every other cell, and of every code cell that is no Python.
        about: what our metadata say about the notebook as a whole.
        version: of the Python that wrote it, or nothing.
    """

    def __init__(self, text: str) -> None:
        file = json.loads(text)
        cells = file["cells"] if "cells" in file else file["worksheets"][0]["cells"]
        cells = [cell for cell in cells if isinstance(cell, dict)]
        self.cells = [Cell(cell) for cell in cells]
        self.code = [cell for cell in self.cells if cell.kind == "code"]
        metadata = file.get("metadata") if isinstance(file.get("metadata"), dict) else {}
        self.about = metadata["instructor"] if isinstance(metadata.get("instructor"), dict) else {}
        language = metadata.get("language_info")
        self.version = language.get("version") if isinstance(language, dict) else None


class Cell:
    """One cell: what it says, and what its metadata tell about it."""

    def __init__(self, cell: dict) -> None:
        self.kind = cell.get("cell_type")
        source = cell.get("source", cell.get("input", ""))
        self.source = source if isinstance(source, str) else "".join(map(str, source))
        metadata = cell.get("metadata")
        about = metadata.get("instructor") if isinstance(metadata, dict) else None
        about = about if isinstance(about, dict) else {}
        self.problem = about.get("problem") if isinstance(about.get("problem"), str) else None
        self.by_hand = about.get("by_hand")
        self.is_check = bool(about.get("check"))
        self.is_python = True  # until reading it fails
        self.error: list = []
        self.steps: list[Step] | None = None  # until it is read

    def translate(self, index: int, version: object) -> None:
        """Make Python of it; nothing of it runs."""
        self.steps = []
        try:
            body = statements(self.source, f"cell {index + 1}")
        except SyntaxError as error:
            self.is_python = False
            self.error = ["SyntaxError", error.lineno, newer(self.source, error, version)]
            if not self.error[2]:
                return  # nor did it run for the student
            body = what_can_be_read(self.source)
        except (ValueError, RecursionError, MemoryError) as error:
            self.error = [type(error).__name__, 0, False]
            return
        self.steps = [Step(several) for several in grouped(body)]


class Step:
    """A statement, or several that cannot fail, ready to be run.

    Attributes:
        line: where it begins.
        name: of the function or class that it defines.
        checked: the function that it calls the hand-out's `check` for.
        is_quick: nobody needs to know that it begins.
        code: None if it cannot be compiled; running it says why.
    """

    def __init__(self, several: list[ast.stmt]) -> None:
        self.several, first = several, several[0]
        self.line, self.name = first.lineno, getattr(first, "name", None)
        self.checked, self.is_quick, self.is_stub = checks(first), is_quick(first), is_stub(first)
        try:
            self.code = self.compiled()
        except Exception:
            self.code = None

    def compiled(self) -> types.CodeType:
        return compile(ast.Module(self.several, []), "cell", "exec")

    def run(self, namespace: dict) -> None:
        exec(self.code or self.compiled(), namespace)


# Reading a cell ---------------------------------------------------------------------------------------------------


def statements(source: str, name: str) -> list[ast.stmt]:
    """The cell as Python; what is IPython's own is translated by IPython."""
    gc.disable()  # a long cell makes many objects, and looking through them again and again takes most of the time
    try:
        return ast.parse(source, name).body
    except SyntaxError as error:
        try:
            return ast.parse(translate(source), name).body
        except SyntaxError as second:
            raise second from None
        except Exception:  # IPython's own failures are not the student's
            raise error from None
    finally:
        gc.enable()


def what_can_be_read(source: str) -> list[ast.stmt]:
    """The statements of a cell that this Python understands, where a newer one would understand all."""
    lines, body = source.splitlines(), []
    begins = [number for number, line in enumerate(lines) if re.match(r"[^\s)\]}#]", line)]
    ends = [*begins[1:], len(lines)]
    at = 0
    while at < len(begins):
        for last in reversed(range(at, min(at + 6, len(begins)))):  # an `else` belongs to what stands above it
            try:
                body += ast.parse("\n" * begins[at] + "\n".join(lines[begins[at] : ends[last]])).body
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue
            at = last
            break
        at += 1
    return body


def translate(source: str) -> str:
    magic = re.match(r"(\s*)%%(\w+|!)[^\n]*", source)
    if magic:
        if magic[2] in FOREIGN:
            return ""
        body = "\n" * magic[0].count("\n") + source[magic.end() :]
        try:
            ast.parse(body)
        except SyntaxError:
            return translate(body)
        return body
    from IPython.core.inputtransformer2 import TransformerManager

    return TransformerManager().transform_cell(source)


def newer(source: str, error: SyntaxError, version: object) -> bool:
    """Whether this may be the syntax of a Python newer than this one."""
    numbers = re.match(r"3\.(\d+)", version) if isinstance(version, str) else None
    if numbers and int(numbers[1]) > sys.version_info.minor:
        return True
    hints = (
        (12, r"(?m)^\s*(type +\w+ *(\[.*\])? *=|(async +)?(def|class) +\w+\[)"),
        (12, r"""(?i)\bf(["'])[^"'\n]*\{[^}\n]*\1"""),  # the quotes of an f-string again inside it
        (14, r"""(?m)(^\s*except +\w+ *,|\bt["'])"""),
    )
    said = sys.version_info.minor < 12 and "f-string" in str(error.msg) and "cannot include" in str(error.msg)
    return said or any(sys.version_info.minor < since and re.search(hint, source) for since, hint in hints)


def is_stub(statement: ast.stmt) -> bool:
    """Whether it is a function or a class whose body is nothing but a docstring, ``...`` and ``pass``."""
    return isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and all(
        isinstance(line, ast.Pass) or is_constant(line) for line in statement.body
    )


def is_quick(statement: ast.stmt) -> bool:
    """Whether it cannot take long, so that nobody needs to know that it begins."""
    if isinstance(statement, ast.Assign):
        return isinstance(statement.value, ast.Constant) and isinstance(statement.targets[0], ast.Name)
    if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) or statement.decorator_list:
        return isinstance(statement, ast.Pass) or is_constant(statement)
    evaluated = [*ast.walk(statement.args), *(ast.walk(statement.returns) if statement.returns else [])]
    return not any(isinstance(each, ast.Call | ast.comprehension) for each in evaluated)


def is_constant(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def grouped(body: list[ast.stmt]) -> Iterator[list[ast.stmt]]:
    """The statements one by one, but those that only give a name to a constant together."""
    together: list[ast.stmt] = []
    for statement in body:
        if isinstance(statement, ast.Assign) and is_quick(statement):
            together.append(statement)
            continue
        if together:
            yield together
            together = []
        yield [statement]
    if together:
        yield together


def checks(statement: ast.stmt) -> str | None:
    """The function that a call of the hand-out's `check` looks at."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "check" and call.args:
        return call.args[0].id if isinstance(call.args[0], ast.Name) else None
    return None


# Running ----------------------------------------------------------------------------------------------------------


class IPython:
    """Stands where a notebook has IPython: what it would do outside of Python, it does not do."""

    def __init__(self, namespace: dict) -> None:
        self.user_ns = namespace

    def run_line_magic(self, name: str, line: str = "", *_: object, **__: object) -> None:
        if name == "time":
            for statement in statements(line, "a line"):
                exec(compile(ast.Module([statement], []), "cell", "exec"), self.user_ns)

    def run_cell_magic(self, *_: object, **__: object) -> None:
        return None

    def getoutput(self, *_: object, **__: object) -> list:
        return []

    def __getattr__(self, name: str) -> object:
        return lambda *_, **__: None


class Run:
    """Runs a notebook from top to bottom, as *Restart & Run All* does, but passes over a statement that fails.

    Without ``problem`` in the job this is to see what there is. With it, everything is as it was when the answer in
    cell ``cell`` was checked: what stands further down adds what is missing, and changes nothing.
    """

    def __init__(self, notebook: Notebook, job: dict, reply) -> None:
        self.notebook, self.job, self.reply = notebook, job, reply
        self.problems = set(job["problems"])
        self.skip = {tuple(each) if isinstance(each, list) else each for each in job["skip"]}
        self.errors: dict[int, list] = {}  # the first of each cell: class, line, perhaps newer syntax
        self.found: dict[str, list[tuple[int, object]]] = {name: [] for name in job["problems"]}
        self.checked: dict[str, int] = {}
        self.again: list[tuple[int, Step]] = []
        self.kept: dict | None = None
        submission = types.ModuleType("__main__")
        self.namespace = submission.__dict__
        sys.modules["__main__"] = submission
        console = IPython(self.namespace)
        # A notebook has them without an import
        self.namespace.update(display=print, get_ipython=lambda: console, check=lambda *_, **__: None)
        self.at_first = dict(self.namespace)

    def everything(self) -> None:
        for index, cell in enumerate(self.notebook.code):
            self.run_cell(index, cell)
            if self.job.get("problem") and index == self.job["stop"]:
                self.kept = dict(self.namespace)
        # A cell that needs one further down fails first; so what failed gets a second chance.
        again, self.again = self.again, []
        self.errors = {index: cell.error for index, cell in enumerate(self.notebook.code) if cell.error}
        for index, step in again:
            self.run_step(index, step)
            self.keep()

    def run_cell(self, index: int, cell: Cell) -> None:
        if index in self.skip or cell.source == self.job.get("setup"):
            return
        self.progress(cell=index)
        if cell.steps is None:
            cell.translate(index, self.notebook.version)
        if cell.error:
            self.errors[index] = cell.error
        for step in cell.steps:
            if step.checked:
                self.checked[step.checked] = index
            if cell.is_check and (step.checked or step.name == "check"):
                continue  # our own, which only prints
            self.run_step(index, step)
        self.keep()

    def progress(self, **place: int) -> None:
        """Say where it is, for the case that it does not come back; who asks for an answer knows already."""
        if not self.job.get("problem"):
            self.reply(**place)

    def run_step(self, index: int, step: Step) -> None:
        """Run it and note which answers it gives."""
        if (index, step.line) in self.skip:
            return
        stub = step.is_stub and step.name in self.problems
        if stub and step.name in self.namespace:
            return  # a copy of the question does not undo an answer
        if not step.is_quick:
            self.progress(cell=index, line=step.line)
        before = {problem: self.namespace.get(problem) for problem in self.problems}
        try:
            step.run(self.namespace)
        except BaseException as error:
            self.errors.setdefault(index, [kind_of(error), step.line, False])
            self.again.append((index, step))
        for problem, old in before.items():
            new = self.namespace.get(problem)
            if new is not None and new is not old and not stub:
                self.found[problem].append((index, new))

    def keep(self) -> None:
        """Undo what was changed after the answer had been checked."""
        for name, value in (self.kept or {}).items():
            if name not in self.namespace or self.namespace[name] is not value:
                self.namespace[name] = value

    def answers(self) -> dict[str, object]:
        """The answer of the cell that the job names; else the last one, those that the metadata name before others."""
        answers = {}
        for problem, found in self.found.items():
            named = [each for each in found if self.notebook.code[each[0]].problem == problem]
            if self.job.get("problem") == problem:
                named = [each for each in found if each[0] == self.job["cell"]]
            if named or found:
                answers[problem] = (named or found)[-1][1]
        return answers

    def report(self) -> dict:
        """What the grader wants to know before it asks; all of it may be a lie."""
        if self.job.get("problem"):
            return {"errors": {}}
        code = self.notebook.code
        found = {
            problem: {index: [code[index].problem == problem, code[index].source] for index, _ in found}
            for problem, found in self.found.items()
        }
        same = {problem: [index for index in cells if self._is_last(cells, index)] for problem, cells in found.items()}
        errors = {index + 1: error for index, error in self.errors.items() if not code[index].is_check}
        return {
            "errors": dict(list(errors.items())[:REMARKS_AT_MOST]),
            "found": {p: [[index, found[p][index][0]] for index in same[p]] for p in found},
            "checked": {name: index for name, index in self.checked.items() if name in self.problems},
            "not_run": self.not_run(),
            "too_new": self.too_new(),
            "texts": texts(self.notebook.cells, self.job["by_hand"], self.job.get("ours", [])),
            "student": self.notebook.about.get("student"),
            "carries": sorted({cell.problem[:100] for cell in self.notebook.cells if cell.problem})[:50],
            "version": self.notebook.version,
        }

    @staticmethod
    def _is_last(cells: dict[int, list], index: int) -> bool:
        """Whether no later cell says the same: a copy is not a second attempt."""
        return not any(later > index and cells[later] == cells[index] for later in cells)

    def not_run(self) -> dict[str, int]:
        """The number of the cell that holds an answer but is no code cell, for each problem that has no other."""
        found = {}
        for number, cell in enumerate(self.notebook.cells, 1):
            for problem in self.problems:
                holds = re.search(rf"\bdef +{problem} *\(", cell.source)
                if cell.kind != "code" and not self.found[problem] and (cell.problem == problem or holds):
                    found[problem] = number
        return found

    def too_new(self) -> list[str]:
        """The answers that stand in a cell whose syntax may be newer than this Python, and nowhere else."""
        sources = [cell.source for cell in self.notebook.code if cell.error and cell.error[2]]
        return [
            problem
            for problem in self.problems
            if not self.found[problem] and any(re.search(rf"\bdef +{problem}\b", source) for source in sources)
        ]


def kind_of(error: BaseException) -> str:
    """The name of its class, or of the nearest one that is Python's own."""
    return next(kind.__name__ for kind in type(error).__mro__ if getattr(builtins, kind.__name__, None) is kind)


# Texts ------------------------------------------------------------------------------------------------------------


def texts(cells: list[Cell], titles: list[str], ours: list[str]) -> list[str]:
    """What a student wrote to each question: into its cell, or below it; and if there is nothing, anywhere.

    ``ours`` is the Markdown of the hand-out; its lines are left out.
    """
    lines = {line.strip() for text in ours for line in text.splitlines()}
    own: dict[int, str] = {}
    for number, cell in enumerate(cells):
        if cell.kind != "code" or is_prose(cell):
            written = [line for line in cell.source.splitlines() if line.strip() not in lines or not line.strip()]
            own[number] = "\n".join(written).strip()
    found = []
    for title in titles:
        place = next((n for n, cell in enumerate(cells) if asks(cell, title)), None)
        below = own if place is None else {n: text for n, text in own.items() if n >= place}
        text = "\n\n".join(filter(None, below.values())) or "\n\n".join(filter(None, own.values()))
        found.append(text[:TEXT_AT_MOST])
    return found


def asks(cell: Cell, title: str) -> bool:
    return cell.by_hand == title or (cell.kind != "code" and cell.source.lstrip("#* \n").startswith(title))


def is_prose(cell: Cell) -> bool:
    """Whether a code cell holds sentences."""
    if cell.is_check or re.search(r"(?m)^\s*(import|from|def|class|for|if|with|return|%|!)\b", cell.source):
        return False
    return not cell.is_python and len(re.findall(r"[^\W\d_]{2,}", cell.source)) > 20


# Answering --------------------------------------------------------------------------------------------------------


def call(answers: dict[str, object], request: dict) -> str:
    """The reply to one call, as a line of JSON: a value, an error's name, or that there is no (plain) one."""
    answer = answers.get(request["problem"])
    if answer is None:
        return json.dumps({"missing": True})
    try:
        value = look(answer, request)
        if value is ...:
            value = None
    except BaseException as error:
        name = type(error).__name__
        return json.dumps({"error": name if getattr(builtins, name, None) is type(error) else "Exception"})
    try:
        return json.dumps({"value": value}, default=lambda part: part.tolist())  # as NumPy's and PyTorch's can
    except BaseException:
        return json.dumps({"unreadable": type(value).__module__.partition(".")[0]})


def look(answer: object, request: dict) -> object:
    """What the answer gives. What only a probe may know is in no variable any more when the answer runs."""
    arguments = request.pop("arguments")
    if not request["probe"]:
        return answer(*arguments)
    namespace: dict = {}
    exec(request["probe"], namespace)
    hand_over = [answer, *arguments]
    del arguments
    return namespace[request["probe_name"]](*taken(hand_over))


def taken(values: list) -> Iterator:
    while values:
        yield values.pop(0)


if __name__ == "__main__":
    stock() if sys.argv[1:] == ["stock"] else main()
