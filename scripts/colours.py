"""Write the layers' colours, which stand in ``mobilenet_edu.plots.COLORS``, into the pages' styles and the favicon.

``make fresh`` runs it.
"""

from __future__ import annotations

import re
from pathlib import Path

from setup_cells import BookError

from mobilenet_edu.plots import COLORS

ROOT = Path(__file__).parent.parent
# Where a file has the colour of a kind of layer, and which kinds it has.
PLACES = {
    "book/_static/book.css": (r"(--{kind}: )#\w+(?=;)", tuple(COLORS)),
    "book/_static/favicon.svg": (r'(class="{kind}" fill=")#\w+', ("standard", "depthwise", "pointwise")),
    "mobilenet_edu/static/explorers.css": (r"(accent-color: light-dark\()#\w+", ("standard",)),
}


def texts() -> dict[Path, str]:
    """For each file with a colour that must change, what it must contain."""
    found = {}
    for name, (pattern, kinds) in PLACES.items():
        path = ROOT / name
        before = after = path.read_text(encoding="utf-8")
        for kind in kinds:
            place = re.compile(pattern.format(kind=kind))
            if not place.search(after):
                raise BookError(f"{name} has no place for the colour of {kind}: write {place.pattern}")
            after = place.sub(rf"\g<1>{COLORS[kind]}", after, count=1)
        if after != before:
            found[path] = after
    return found
