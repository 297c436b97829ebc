"""Runs one student's notebook and answers calls: the only code here that meets a student's.

It runs as a process of its own, inside the sandbox, and needs the standard library alone. Requests come as lines of
JSON, replies go back the same way. Nothing that a student could want to steal or change is in this process: no
reference, no other case than the one that is asked, no grade. A student who takes over the channel can answer in
another way, and that is all: the parent compares what arrives.
"""

import ast
import builtins
import importlib
import json
import os
import re
import resource
import sys
import types

NOBODY = 65534
TEXT_AT_MOST = 20_000  # characters: a picture that was pasted into the text is not read out


def main() -> None:
    requests, replies = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w", buffering=1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # a student's input() reads nothing, and what is printed goes nowhere
        os.dup2(nothing, descriptor)

    def reply(**message: object) -> None:
        replies.write(json.dumps(message) + "\n")

    settings = json.loads(requests.readline())
    confine(settings["memory_mib"], settings["sandboxed"])
    sys.path += settings["paths"]
    for package in settings["packages"]:
        importlib.import_module(package)  # takes seconds, which are not the student's
    reply(ready=True)

    job = json.loads(requests.readline())
    try:
        notebook = json.loads(job["notebook"])["cells"]
        cells = [Cell(cell) for cell in notebook if cell["cell_type"] == "code"]
        markdown = [text_of(cell) for cell in notebook if cell["cell_type"] == "markdown"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, MemoryError):
        reply(not_a_notebook=True)
        return
    answers, errors = load(cells, job["problems"], job["skip"], reply)
    reply(errors={index + 1: error for index, error in errors.items()}, texts=texts(markdown, job["by_hand"]))
    for line in requests:
        request = json.loads(line)
        replies.write(call(answers.get(request["problem"]), request) + "\n")


def confine(memory_mib: int, sandboxed: bool) -> None:
    """Give up everything that an answer does not need; none of it can be taken back."""
    memory = memory_mib * 2**20
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


def text_of(cell: dict) -> str:
    return cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])


def texts(markdown: list[str], titles: list[str]) -> list[str]:
    """What stands below each title: the cells from the one that begins with it to the next title or the end."""
    found: dict[str, list[str]] = {title: [] for title in titles}
    current = None
    for text in markdown:
        current = next((title for title in titles if text.lstrip("# ").startswith(title)), current)
        if current:
            found[current].append(text)
    return ["\n\n".join(found[title])[:TEXT_AT_MOST] for title in titles]


class Cell:
    """One code cell: what it says, which problem its metadata names, and which names it defines."""

    def __init__(self, cell: dict) -> None:
        self.source = text_of(cell)
        metadata = cell.get("metadata")
        about = metadata.get("instructor") if isinstance(metadata, dict) else None
        self.problem = about.get("problem") if isinstance(about, dict) else None
        self.is_check = isinstance(about, dict) and bool(about.get("check"))
        self.names: set[str] = set()
        self.body: list[ast.stmt] = []

    def parse(self, name: str) -> None:
        """Find what is defined at the top of the cell; a function that is still the stub does not count."""
        try:
            self.body = ast.parse(self.source, name).body
        except SyntaxError:  # perhaps because of IPython's own commands
            source = re.sub(r"(?m)^([ \t]*)[%!?].*$", r"\1pass", self.source)
            self.body = ast.parse(source, name).body
        for node in self.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not is_stub(node):
                self.names.add(node.name)
            if isinstance(node, ast.Assign):
                self.names |= {target.id for target in node.targets if isinstance(target, ast.Name)}

    def run(self, namespace: dict) -> str:
        """Run the statements one by one and describe the first that fails: those after it may do without it."""
        failed = ""
        for statement in self.body:
            try:
                exec(compile(ast.Module([statement], []), "cell", "exec"), namespace)
            except BaseException as error:
                failed = failed or f"{describe(error)} (line {statement.lineno})"
        return failed


def is_stub(function: ast.FunctionDef | ast.ClassDef) -> bool:
    """Whether the body is nothing but a docstring, ``...`` and ``pass``."""
    return all(
        isinstance(line, ast.Pass) or (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
        for line in function.body
    )


def load(cells: list[Cell], problems: list[str], skip: list[int], reply) -> tuple[dict, dict]:
    """Run the cells, except those that ``skip`` names, and return the answers and the cells that failed.

    The answer to a problem comes from the last cell that its metadata names for it, and without such a cell from the
    last that defines its function; a stub is no answer. Cells that were passed over for it are not run.
    """
    errors: dict[int, str] = {}
    for index, cell in enumerate(cells):
        if index not in skip:
            reply(cell=index)
            try:
                cell.parse(f"cell {index + 1}")
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                errors[index] = describe(error)
    chosen: dict[str, int] = {}
    for problem in problems:
        defining = [index for index, cell in enumerate(cells) if problem in cell.names]
        named = [index for index in defining if cells[index].problem == problem]
        if defining:
            chosen[problem] = (named or defining)[-1]
    waiting = [
        index
        for index, cell in enumerate(cells)
        if index in chosen.values()
        or not (index in skip or index in errors or cell.is_check or cell.names & set(problems))
    ]
    submission = types.ModuleType("__main__")
    submission.display = print  # a notebook has it without an import
    sys.modules["__main__"] = submission
    answers: dict[str, object] = {}
    # A cell that needs one further down fails first; so those that failed get a second chance.
    for _ in range(2):
        errors = {index: error for index, error in errors.items() if index not in waiting}
        for index in waiting:
            reply(cell=index)
            if failed := cells[index].run(submission.__dict__):
                errors[index] = failed
            for problem in problems:
                if chosen.get(problem) == index and problem in submission.__dict__:
                    answers[problem] = submission.__dict__[problem]
        waiting = [index for index in waiting if index in errors]
    return answers, errors


def describe(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"[:300]
    except BaseException:
        return "an error that cannot be described"


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
    main()
