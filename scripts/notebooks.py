"""Run notebooks in place and keep their outputs: ``python scripts/notebooks.py [book/01_*.ipynb ...]``, two at a time.

Two runs leave no difference: nothing about the time or the machine is stored. What each was run with is written down in
``book/inputs.txt``, so that ``make fresh`` runs only those whose inputs have changed since.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import inputs
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

BOOK = Path(__file__).parent.parent / "book"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def run(path: Path) -> str:
    """Execute the notebook at ``path`` from the folder ``book``, write it back with its outputs, return its inputs."""
    seen = inputs.fingerprint(path)
    notebook = nbformat.read(path, as_version=4)
    folder = {"metadata": {"path": str(BOOK)}}
    client = NotebookClient(notebook, timeout=600, record_timing=False, coalesce_streams=True, resources=folder)
    client.execute()
    notebook.metadata = METADATA | {key: notebook.metadata[key] for key in ("myst",) if key in notebook.metadata}
    nbformat.write(notebook, path)
    return seen


def run_all(paths: list[Path]) -> int:
    """Run the notebooks, two at a time with one thread each; return how many failed. Those stay as they were."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    failed = 0
    with ProcessPoolExecutor(max_workers=2) as pool:
        running = {pool.submit(run, path): path for path in paths}
        for done in as_completed(running):
            path = running[done]
            try:
                inputs.keep(path, done.result())
                print(f"{path.name} run", flush=True)
            except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
                failed += 1
                print(f"{path.name} failed: correct the cell, then run make fresh again\n{error}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(run_all([Path(name).resolve() for name in sys.argv[1:]] or sorted(BOOK.glob("*.ipynb"))))
