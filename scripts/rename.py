"""Rename a function, a class, an exercise or a chapter everywhere: ``make rename OLD=its_name NEW=another_name``.

The name is replaced as a whole word in every file that git tracks, code and text alike, and files that carry it are
moved. A name that could be a word of the text is left to its author. ``make fresh`` follows.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from retarget import tracked_texts
from setup_cells import ROOT

RUFF = [str(Path(sys.executable).with_name("ruff"))]


def renamed(text: str, old: str, new: str) -> str:
    """``text`` with the whole word ``old`` replaced by ``new``."""
    return re.sub(rf"(?<!\w){re.escape(old)}(?!\w)", new, text)


def refusal(old: str, new: str, texts: list[str]) -> str | None:
    """Why a name cannot be replaced, and what to do; None if it can."""
    if not re.fullmatch(r"\w*[A-Za-z]\w*", new):
        return f"NEW={new!r} must be a name: letters, digits and underscores"
    if re.fullmatch(r"[A-Z]?[a-z]*|[A-Z]+", old):
        return f"OLD={old!r} could be a word of the text: change each place by hand, then run make fresh"
    if not any(renamed(text, old, new) != text for text in texts):
        return f"OLD={old!r} stands nowhere in the files that git tracks: correct it"
    if any(renamed(text, new, old) != text for text in texts):
        return f"NEW={new!r} is taken: two things would have one name; choose another"
    return None


def main(old: str, new: str) -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in tracked_texts(ROOT)}
    if message := refusal(old, new, [*texts.values(), *(path.stem for path in texts)]):
        sys.exit(message)
    changed = []
    for path, text in texts.items():
        place = path.with_name(renamed(path.name, old, new))
        if place != path:
            path.rename(place)
        if place != path or renamed(text, old, new) != text:
            place.write_text(renamed(text, old, new), encoding="utf-8")
            print(place.relative_to(ROOT))
            changed.append(str(place))
    # Names are imported and listed by the alphabet, and a longer one may need another line.
    code = [path for path in changed if path.endswith((".py", ".ipynb"))]
    if code:
        subprocess.run([*RUFF, "check", "--quiet", "--fix", "--select", "I,RUF022", *code], cwd=ROOT, check=True)
        subprocess.run([*RUFF, "format", "--quiet", *code], cwd=ROOT, check=True)


if __name__ == "__main__":
    main(*[*sys.argv[1:], "", ""][:2])
