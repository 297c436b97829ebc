"""Runs one student's notebook and answers calls: the only code here that meets a student's.

It runs as a process of its own, inside the sandbox, and needs little but the standard library. Requests come as lines
of JSON, replies go back the same way. Nothing that a student could want to steal or change is in this process: no
reference, no other case than the one that is asked, no grade. A student who takes over the channel can answer in
another way, and that is all: the parent compares what arrives.

``worker.py`` is one such process. ``worker.py stock`` is a process that imports what takes long, once for a class, and
forks: each of its children walks into the sandbox that it is told, gives up what an answer does not need, and serves.
No student's code ever runs in the one that forks.
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
REQUESTS, REPLIES, NOTEBOOK = 3, 4, 5  # the descriptors of a child
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
    confine(settings["memory_mib"], settings["sandboxed"])
    replies.write('{"ready": true}\n')
    serve(requests, replies)


def be_quiet() -> None:
    """From now on a student's input() reads nothing, and what is printed goes nowhere."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)


def confine(memory_mib: int, sandboxed: bool) -> None:
    """Give up everything that an answer does not need; none of it can be taken back."""
    with open("/proc/self/statm") if os.path.exists("/proc/self/statm") else io.StringIO("0") as file:
        mapped = int(file.read().split()[0]) * resource.getpagesize()  # what our own imports take
    memory = mapped + memory_mib * 2**20
    for limit, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, 0),  # no file grows, wherever it is
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),  # no new process, no thread
    ):
        resource.setrlimit(limit, (most, most))
    if sandboxed and os.getuid() == 0:  # root may do too much: the kernel does not even count its processes
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


# Forking ----------------------------------------------------------------------------------------------------------


def stock() -> None:
    """Import what the first message says; then fork a worker for each further one, until nobody is left to ask."""
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
    os.environ.pop("MPLCONFIGDIR", None)
    gc.collect()
    gc.freeze()  # what is here is here to stay: no child need look through it, and copy it by doing so
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a child
    orders.send(b"ready")
    while True:
        message, descriptors, _, _ = socket.recv_fds(orders, 2**16, 3)
        if not message:
            return
        if os.fork() == 0:
            be_a_worker(json.loads(message), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def be_a_worker(order: dict, descriptors: list[int]) -> None:
    """The life of a child; it does not return."""
    try:
        for place, descriptor in enumerate(descriptors, 100):
            os.dup2(descriptor, place)
        os.closerange(3, 100)
        for place in range(len(descriptors)):
            os.dup2(100 + place, REQUESTS + place)
        os.closerange(REQUESTS + len(descriptors), 1024)
        if order["sandbox"]:
            enter(order["sandbox"])
            if child := os.fork():  # only a child is in the new namespace of processes
                os.write(REPLIES, b'{"process": %d}\n' % child)
                os._exit(0)
        else:
            os.write(REPLIES, b'{"process": %d}\n' % os.getpid())
        os.setsid()
        os.chdir("/")
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        confine(order["memory_mib"], bool(order["sandbox"]))
        if order["sandbox"]:
            seal(base64.b64decode(order["refusals"]))
        else:
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # ends with the process that forked it
        requests, replies = os.fdopen(REQUESTS), os.fdopen(REPLIES, "w", buffering=1)
        serve(requests, replies)
    finally:
        os._exit(0)


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


def serve(requests, replies) -> None:
    def reply(**message: object) -> None:
        replies.write(json.dumps(message) + "\n")

    job = json.loads(requests.readline())
    try:
        notebook = Notebook(content_of(job))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, MemoryError, OSError, RuntimeError):
        reply(not_a_notebook=True)
        return
    if job.get("pictures") is False and any(PICTURES.search(cell.source) for cell in notebook.code):
        reply(pictures=True)  # in a worker that has imported them, they take no time
        return
    run = Run(notebook, job, reply)
    run.everything()
    reply(**run.report())
    answers = run.answers()
    for line in requests:
        request = json.loads(line)
        replies.write(call(answers.get(request["problem"]), request) + "\n")


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
        self.body: list[ast.stmt] = []


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
        self.again: list[tuple[int, ast.stmt]] = []
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
        self.errors = {index: error for index, error in self.errors.items() if error[0] == "SyntaxError"}
        for index, statement in again:
            self.run_statement(index, statement)
            self.keep()

    def run_cell(self, index: int, cell: Cell) -> None:
        if index in self.skip or cell.source == self.job.get("setup"):
            return
        self.reply(cell=index)
        try:
            cell.body = statements(cell.source, f"cell {index + 1}")
        except SyntaxError as error:
            cell.is_python = False
            self.errors[index] = ["SyntaxError", error.lineno, newer(cell.source, error, self.notebook.version)]
        except (ValueError, RecursionError, MemoryError) as error:
            self.errors[index] = [type(error).__name__, 0, False]
        for several in grouped(cell.body):
            statement = several[0]
            if name := checks(statement):
                self.checked[name] = index
            if cell.is_check and (checks(statement) or getattr(statement, "name", "") == "check"):
                continue  # our own, which only prints
            self.run_statement(index, *several)
        self.keep()

    def run_statement(self, index: int, statement: ast.stmt, *more: ast.stmt) -> None:
        """Run it, with more of its kind that cannot fail, and note which answers it gives."""
        if (index, statement.lineno) in self.skip:
            return
        name = getattr(statement, "name", None)
        stub = name in self.problems and is_stub(statement)
        if stub and name in self.namespace:
            return  # a copy of the question does not undo an answer
        if not is_quick(statement):
            self.reply(cell=index, line=statement.lineno)
        before = {problem: self.namespace.get(problem) for problem in self.problems}
        try:
            exec(compile(ast.Module([statement, *more], []), "cell", "exec"), self.namespace)
        except BaseException as error:
            self.errors.setdefault(index, [kind_of(error), statement.lineno, False])
            self.again.append((index, statement))
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


def call(answer: object, request: dict) -> str:
    """The reply to one call, as a line of JSON: a value, an error's name, or that there is no (plain) one."""
    if answer is None:
        return json.dumps({"missing": True})
    try:
        if request["probe"]:
            namespace: dict = {}
            exec(request["probe"], namespace)
            value = namespace[request["probe_name"]](answer, *request["arguments"])
        else:
            value = answer(*request["arguments"])
        if value is ...:
            value = None
    except BaseException as error:
        name = type(error).__name__
        return json.dumps({"error": name if getattr(builtins, name, None) is type(error) else "Exception"})
    try:
        return json.dumps({"value": value})
    except BaseException:
        return json.dumps({"unreadable": type(value).__module__.partition(".")[0]})


if __name__ == "__main__":
    stock() if sys.argv[1:] == ["stock"] else main()
