"""Exercises that are answered in the page, by a Python that the pages bring along.

`prepare` puts it beside the pages, in ``try/``: npm's `pyodide`, unmodified, and the package without its weights.
Which exercises need no torch is found out by running their solutions without it. `offer` writes the buttons. Nothing is
loaded before a reader presses one.
"""

from __future__ import annotations

import ast
import base64
import gzip
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup, Tag

# The one place that names it: Python 3.14.2 for the browser, and what npm says its archive weighs in at.
PYODIDE = "pyodide@314.0.7"
INTEGRITY = "sha512-0YvXxEhfEdpLfb/XkM2BFAeMROq0iMUX2bzzH9pOttyMcWkwq+HbE5uyuGD82LN7y2q+SNvi/6V5JEsOlD2R1A=="
RUNTIME = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")
PAPERS = ("package.json", "README.md")  # they name the licence and where the source is
NOTICE = """Pyodide, as npm distributes it: {package}, unmodified. Licence: Mozilla Public License 2.0,
https://www.mozilla.org/en-US/MPL/2.0/. Source: https://github.com/pyodide/pyodide.
It contains CPython (PSF License 2.0, https://docs.python.org/3/license.html).
mobilenet_edu.zip is this book's package, under the MIT licence.
"""
OURS = Path(__file__).parent.parent / "_try"
PACKAGE = Path(importlib.util.find_spec("mobilenet_edu").origin).parent
DATA = (".json", ".csv")
CELLS_OF = ("ch02", "ch04", "ch07")
REQUIRED = "MOBILENET_EDU_REQUIRE_ALL"


def prepare(book: Path, cache: Path, target: Path) -> dict:
    """Put the runtime, the package and the editor into ``target``; what can be tried with them, by chapter."""
    runtime = fetch(cache)
    shutil.rmtree(target, ignore_errors=True)
    if runtime is None:
        return {}
    target.mkdir(parents=True)
    for name in (*RUNTIME, *PAPERS):
        shutil.copy(runtime / name, target)
    (target / "LICENSES.txt").write_text(NOTICE.format(package=PYODIDE), encoding="utf-8")
    for path in OURS.glob("*.*"):
        shutil.copy(path, target)
    pack(target / "mobilenet_edu.zip")
    chapters = {chapter: facts for chapter, facts in probe(book, cache, target).items() if facts["exercises"]}
    loaded = [target / name for name in (*RUNTIME, "mobilenet_edu.zip", "page.py")]
    return {
        "bytes": sum(path.stat().st_size for path in loaded if path.suffix != ".mjs"),
        "compressed": sum(len(gzip.compress(path.read_bytes(), 6)) for path in loaded),
        "chapters": chapters,
    }


def fetch(cache: Path) -> Path | None:
    """The folder with npm's package, downloaded once; None, and a line that says why, where that is impossible."""
    folder = cache / PYODIDE.replace("@", "-")
    if (folder / "package.json").exists():
        return folder
    npm = shutil.which("npm")
    if npm is None:
        return _without("npm is not installed")
    with tempfile.TemporaryDirectory() as temporary:
        command = [npm, "pack", "--silent", "--pack-destination", temporary, PYODIDE]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=temporary)
        archives = list(Path(temporary).glob("*.tgz"))
        if done.returncode or not archives:
            return _without(f"npm could not fetch {PYODIDE}")
        digest = base64.b64encode(hashlib.sha512(archives[0].read_bytes()).digest()).decode()
        if f"sha512-{digest}" != INTEGRITY:
            raise ValueError(f"{PYODIDE} is not what it was: sha512-{digest}, expected {INTEGRITY}")
        with tarfile.open(archives[0]) as archive:
            archive.extractall(temporary, filter="data")
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(Path(temporary) / "package", folder)
    return folder


def required() -> bool:
    """Whether the build must fail rather than go without."""
    return bool(os.environ.get(REQUIRED))


def _without(reason: str) -> None:
    if required():
        raise RuntimeError(f"{reason}, and {REQUIRED} asks for exercises that can be tried in the pages")
    print(f"The pages are built without exercises to try in them: {reason}.")


def pack(path: Path) -> None:
    """The package as a zip: its modules and tables, no weights. The same bytes for the same files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for source in sorted(PACKAGE.rglob("*")):
            if source.suffix in (".py", *DATA) and "__pycache__" not in source.parts:
                name = f"mobilenet_edu/{source.relative_to(PACKAGE).as_posix()}"
                archive.writestr(zipfile.ZipInfo(name), source.read_bytes(), zipfile.ZIP_DEFLATED, 9)


def probe(book: Path, cache: Path, target: Path) -> dict:
    """Ask a Python that has nothing but its standard library what works there (probe.py), once of each book."""
    question = json.dumps(
        {f"ch{path.name[:2]}": chapter_facts(path) for path in sorted(book.glob("[0-9][0-9]_*.ipynb"))}
    )
    script = Path(__file__).with_name("probe.py")
    asked = hashlib.sha256(question.encode())
    for path in (script, OURS / "page.py", target / "mobilenet_edu.zip"):
        asked.update(path.read_bytes())
    answer = cache / f"{asked.hexdigest()}.json"
    if not answer.exists():
        answer.write_text(_probe(script, question, target / "mobilenet_edu.zip"), encoding="utf-8")
    return json.loads(answer.read_text(encoding="utf-8"))


def _probe(script: Path, question: str, package: Path) -> str:
    with tempfile.TemporaryDirectory() as temporary:
        zipfile.ZipFile(package).extractall(temporary)
        for path in (script, OURS / "page.py"):
            shutil.copy(path, temporary)
        command = [sys.executable, "-E", "-s", "-S", Path(temporary) / script.name]
        done = subprocess.run(command, input=question, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"which exercises need no torch could not be found out:\n{done.stderr}")
    return done.stdout


def chapter_facts(path: Path) -> dict:
    """A chapter's page, its imports, and the cells that might run in the page, with what they print."""
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and "exercise" not in _tags(cell)]
    trees = [ast.parse(cell.source) for cell in cells if not re.search(r"^\s*[%!]", cell.source, re.MULTILINE)]
    imports = [
        ast.unparse(node) for tree in trees for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    return {
        "page": f"book/{path.stem}.html",
        "title": next(c.source.partition("\n")[0].removeprefix("# ") for c in notebook.cells if c.source[:2] == "# "),
        "imports": list(dict.fromkeys(imports)),
        "cells": [[cell.source, _printed(cell)] for cell in cells] if f"ch{path.name[:2]}" in CELLS_OF else [],
    }


def _tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def _printed(cell: nbformat.NotebookNode) -> str | None:
    """What a cell prints, if that is all that it shows and no answer to a guess."""
    kinds = {output.output_type for output in cell.outputs}
    if kinds != {"stream"} or "reveal(" in cell.source or {"setup", "hide-input"} & set(_tags(cell)):
        return None
    return "".join(output.text for output in cell.outputs)


def offer(page: BeautifulSoup, stem: str, facts: dict) -> None:
    """Under each checked exercise a button: try it here, or else in Colab. Under some cells: change it."""
    chapter = f"ch{stem[:2]}"
    here = facts.get("chapters", {}).get(chapter, {"exercises": {}, "cells": []})
    header = page.select_one("a.page-button[href*=colab]")
    megabytes = f"{facts.get('compressed', 0) / 1e6:.1f} MB"
    for check in page.select("div.cell.tag_exercise + div.cell.tag_exercise"):
        name = re.search(r"exercises\.ch\d\d\.(\w+)\.check", check.get_text())
        if not name or header is None:
            continue
        exercise = here["exercises"].get(name[1])
        if exercise:
            exercise["anchor"] = check.find_parent("section")["id"]
            data = {"chapter": chapter, "exercise": name[1]}
            words = f"Python comes into the page: {megabytes}, once. Your answer stays on this machine."
            check.insert_after(_button(data, "Try it here", words, header["href"]))
        else:
            check.insert_after(_fragment(f'<p class="try"><a href="{header["href"]}">Answer it in Colab</a></p>'))
    shown = {
        block.get_text().strip(): block.find_parent("div", class_="cell") for block in page.select("div.cell_input pre")
    }
    for number, cell in enumerate(here["cells"]):
        words = f"Python comes into the page: {megabytes}, once."
        data = {"chapter": chapter, "cell": str(number)}
        shown[cell["source"].strip()].insert_after(_button(data, "Change this cell", words, header["href"]))
    if here["exercises"]:
        heading = page.find(id="exercises").find(re.compile("h[1-6]"))
        heading.insert_after(
            _fragment('<p class="try pst-js-only"><button type="button" data-progress>Your progress</button></p>')
        )


def _fragment(html: str) -> Tag:
    return BeautifulSoup(html, "html.parser").find()


def _button(data: dict[str, str], words: str, promise: str, colab: str) -> Tag:
    attributes = " ".join(f'data-{key}="{value}"' for key, value in data.items())
    instead = f'Python runs in this page only with JavaScript. <a href="{colab}">Open the chapter in Colab</a> instead.'
    return _fragment(
        f'<div class="try" {attributes} data-colab="{colab}"><p class="pst-js-only">'
        f'<button type="button">{words}</button> <span>{promise}</span></p><noscript><p>{instead}</p></noscript></div>'
    )
