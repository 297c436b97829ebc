"""What a notebook's outputs are made from: its code, the modules of the package that it imports, and their data.

``book/inputs.txt`` keeps a fingerprint of all that, for each notebook as it was when it was last run. Comments,
docstrings, blank lines and the set-up cell leave no trace in an output, so they are left out.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import nbformat
from setup_cells import BookError

ROOT = Path(__file__).parent.parent
BOOK = ROOT / "book"
KEPT = BOOK / "inputs.txt"
HEADER = "# What each notebook was last run with. After a merge conflict take either side and run `make fresh`.\n"


def fingerprint(notebook: Path) -> str:
    """A number that changes with anything that the notebook's outputs can depend on."""
    code = notebook_code(notebook)
    try:
        modules = imported(code)
    except SyntaxError as error:
        line = (error.text or "").strip()
        raise BookError(f"book/{notebook.name}: Python cannot read {line!r}, {error.msg}: correct the cell") from error
    parts = [meaning(code), *(f"{name}\n{meaning(source(name))}" for name in sorted(modules))]
    seen = hashlib.sha256("\n".join(parts).encode())
    for path in data_files(code, modules):
        seen.update(path.name.encode() + path.read_bytes())
    return seen.hexdigest()[:16]


def notebook_code(notebook: Path) -> str:
    """The code cells of a notebook without its set-up, which leaves no output, and without lines for IPython alone."""
    cells = nbformat.read(notebook, as_version=4).cells
    texts = [cell.source for cell in cells if cell.cell_type == "code" and "setup" not in cell.metadata.get("tags", ())]
    lines = "\n".join(texts).splitlines()
    return "\n".join(line for line in lines if not line.startswith(("%", "!")))


@cache
def meaning(code: str) -> str:
    """The code without comments, docstrings and layout."""
    tree = ast.parse(code)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            node.body[0] = ast.Pass()
    return ast.unparse(tree)


def imported(code: str) -> set[str]:
    """Every module of the package that the code imports, directly or through another."""
    found: set[str] = set()
    waiting = list(_named(code, ""))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _named_by(name)
    return found


def data_files(code: str, modules: set[str]) -> list[Path]:
    """The files of the package, other than code, that the code or the modules name."""
    words = " ".join([_strings(code), *(_strings(source(name)) for name in modules)])
    package = ROOT / "mobilenet_edu"
    files = (path for path in package.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc"))
    return sorted(path for path in files if path.name in words)


@cache
def source(name: str) -> str:
    """The source of a module of the package."""
    return _path(name).read_text(encoding="utf-8")


def kept() -> dict[str, str]:
    """The fingerprints of the last runs, by the notebook's name."""
    if not KEPT.exists():
        return {}
    lines = [line for line in KEPT.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return dict(zip(lines[::2], map(str.strip, lines[1::2]), strict=False))


def keep(notebook: Path, value: str) -> None:
    """Write down what the notebook was run with: a number between two names, so that two changes merge easily."""
    values = kept() | {notebook.name: value}
    present = [name for name in sorted(values) if (BOOK / name).exists()]
    KEPT.write_text(HEADER + "".join(f"{name}\n    {values[name]}\n" for name in present), encoding="utf-8")


def stale() -> list[Path]:
    """The notebooks whose inputs are not those of their last run."""
    known = kept()
    return [path for path in sorted(BOOK.glob("*.ipynb")) if known.get(path.name) != fingerprint(path)]


def _path(name: str) -> Path | None:
    """The file of a module of the package; None for what is no module of it."""
    if name.partition(".")[0] != "mobilenet_edu":
        return None
    path = ROOT / name.replace(".", "/")
    return next((each for each in (path.with_suffix(".py"), path / "__init__.py") if each.is_file()), None)


def _named(code: str, module: str) -> Iterator[str]:
    """The modules of the package that a piece of code names: in imports, as ``exercises.ch05``, or all chapters."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level or None] if node.level else []
            start = ".".join([*above, *filter(None, [node.module])])
            names = [start, *(f"{start}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "exercises":
            names = [f"mobilenet_edu.exercises.{node.attr}"]
            if node.attr == "chapters":
                names = [f"mobilenet_edu.exercises.{path.stem}" for path in _path(names[0][:-9]).parent.glob("ch*.py")]
        else:
            continue
        for name in names:
            parts = name.split(".")
            above = (".".join(parts[:end]) for end in range(1, len(parts) + 1))
            yield from (each for each in above if _path(each))


@cache
def _named_by(name: str) -> tuple[str, ...]:
    """The modules of the package that a module of it names."""
    return tuple(_named(source(name), name))


@cache
def _strings(code: str) -> str:
    """Every text that a piece of code writes as a constant."""
    nodes = ast.walk(ast.parse(meaning(code)))
    return " ".join(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
