"""Bring everything that is made from something else up to date: ``make fresh``.

``python scripts/fresh.py``          texts and lists, then the notebooks whose inputs have changed, two at a time
``python scripts/fresh.py --texts``  without running notebooks
``python scripts/fresh.py --check``  change nothing, say what is stale, and fail if something is
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # for the instructor's package, which is not installed

import colours  # noqa: E402
import contents_lists  # noqa: E402
import exercise_cells  # noqa: E402
import exercise_numbers  # noqa: E402
import inputs  # noqa: E402
import notebooks  # noqa: E402
import number_places  # noqa: E402
import setup_cells  # noqa: E402

from instructor import guide  # noqa: E402

# What is made, by what it is made from; each gives, for every file that must change, what it must contain.
STEPS: dict[str, Callable[[], dict[Path, str]]] = {
    "the first cells of new chapters": contents_lists.with_new_rows,
    "contents.toml": contents_lists.texts,
    "pyproject.toml and _config.yml": setup_cells.texts,
    "mobilenet_edu/exercises": exercise_cells.texts,
    "the names of exercises": exercise_numbers.texts,
    "instructor/guide.py": guide.texts,
    "the colours of mobilenet_edu/plots.py": colours.texts,
}


def stale() -> list[str]:
    """One sentence for each file that is not what it is made from."""
    made = [
        f"{path.relative_to(ROOT)} does not follow {source}: run make fresh"
        for source, texts in STEPS.items()
        for path in texts()
    ]
    run = [
        f"book/{path.name} shows the outputs of other code or data than there is now, its own or the package's: "
        "run make fresh"
        for path in inputs.stale()
    ]
    return made + run


def refresh() -> None:
    """Write every file that is not what it is made from."""
    for source, texts in STEPS.items():
        for path, text in texts().items():
            print(f"{path.relative_to(ROOT)}, from {source}", flush=True)
            path.write_text(text, encoding="utf-8")


def main(arguments: list[str]) -> int:
    """How many notebooks failed and numbers are loose, or whether something is stale; what cannot be ends it."""
    try:
        return check() if arguments == ["--check"] else bring_up_to_date(run="--texts" not in arguments)
    except setup_cells.BookError as sentence:
        sys.exit(f"{sentence}\nThen run make fresh again.")


def check() -> int:
    found = stale()
    print("\n".join(found) or "everything is up to date")
    return int(bool(found))


def bring_up_to_date(run: bool) -> int:
    refresh()
    failed = notebooks.run_all(inputs.stale()) if run else 0
    return failed + number_places.main([])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
