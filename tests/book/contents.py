"""What the book consists of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml
from filelock import FileLock

ROOT = Path(__file__).parents[2]
SITE = ROOT / "_build" / "html"
NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))


def chapters() -> list[str]:
    """The pages of _toc.yml in their order, such as ``book/01_standard_convolution``."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [toc["root"], *(page["file"] for part in toc["parts"] for page in part["chapters"])]


def built_once(page: Path, newest: float, build: Callable[[], None], lock: Path) -> None:
    """Build the book if ``page`` is missing or older than ``newest``; of several workers one builds, and all wait."""
    lock.parent.mkdir(exist_ok=True)
    with FileLock(lock):
        if not page.exists() or page.stat().st_mtime < newest:
            build()
