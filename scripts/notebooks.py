"""Run chapters in place and keep their outputs: ``python scripts/notebooks.py [book/01_*.ipynb ...]``.

Two runs leave no difference: nothing about the time or the machine is stored.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

BOOK = Path(__file__).parent.parent / "book"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def run(path: Path) -> None:
    """Execute the notebook at ``path`` from the folder ``book`` and write it back with its outputs."""
    notebook = nbformat.read(path, as_version=4)
    folder = {"metadata": {"path": str(BOOK)}}
    client = NotebookClient(notebook, timeout=300, record_timing=False, coalesce_streams=True, resources=folder)
    client.execute()
    notebook.metadata = METADATA | {key: notebook.metadata[key] for key in ("myst",) if key in notebook.metadata}
    nbformat.write(notebook, path)


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:] or sorted(BOOK.glob("*.ipynb"))):
        print(path.name, flush=True)
        run(path)
