"""Write the first code cell of every notebook. ``make fresh`` runs it.

The cell installs the package where it is missing or too old, as in an empty Colab, and does nothing elsewhere. The
address comes from pyproject.toml and the branch from _config.yml, which the Colab button uses as well. A notebook whose
set-up cell has the metadata ``"extra": "deploy"`` asks for that extra of the package, too.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import nbformat

ROOT = Path(__file__).parent.parent


class BookError(ValueError):
    """Something in the book's sources cannot be; the message says where, and what to do."""


# What each extra brings that a chapter imports; the extras themselves are listed in pyproject.toml.
IMPORTS = {
    "deploy": ["onnx", "onnxruntime", "onnxscript"],
    "weights": ["safetensors", "huggingface_hub", "transformers"],
}

CELL = """\
# Set up: in Colab this installs the book's package; elsewhere it does nothing.
from importlib import metadata, util

from packaging.version import Version

needs = {modules}
missing = [name for name in needs if not util.find_spec(name)]
try:
    is_old = Version(metadata.version("mobilenet-edu")) < Version("{version}")
except metadata.PackageNotFoundError:  # a folder that Python finds without installing it
    is_old = False
if missing or is_old:
    book = "git+{repository}@{branch}"
    %pip install --quiet --upgrade "mobilenet-edu{extra} @ {{book}}\""""


def project() -> dict[str, str]:
    """The address, branch and version that every notebook refers to."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    config = (ROOT / "_config.yml").read_text(encoding="utf-8")
    branch = re.search(r"^  branch: (\S+)$", config, re.MULTILINE).group(1)
    return {"repository": settings["urls"]["Repository"], "branch": branch, "version": settings["version"]}


def setup_cell(extra: str | None, at: dict[str, str]) -> str:
    """The source of the set-up cell of a notebook that needs ``extra``."""
    modules = ["mobilenet_edu", *IMPORTS.get(extra, [])]
    listed = "[" + ", ".join(f'"{name}"' for name in modules) + "]"
    return CELL.format(modules=listed, extra=f"[{extra}]" if extra else "", **at)


def texts() -> dict[Path, str]:
    """For each notebook whose set-up cell must change, what the notebook must contain."""
    at, found = project(), {}
    for path in sorted((ROOT / "book").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        cell = next((cell for cell in notebook.cells if cell.cell_type == "code"), None)
        if cell is None or "setup" not in cell.metadata.get("tags", []):
            raise BookError(f"{path.name}: the first code cell must have the tag 'setup'; make fresh fills it")
        source = setup_cell(cell.metadata.get("extra"), at)
        if cell.source != source:
            cell.source = source
            found[path] = nbformat.writes(notebook) + "\n"
    return found


if __name__ == "__main__":
    for path, text in texts().items():
        print(f"{path.name} written")
        path.write_text(text, "utf-8")
