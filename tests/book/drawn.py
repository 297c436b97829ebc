"""What a chapter's figures are drawn from: its cells run in order, and the variables kept as each figure saw them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import pytest

BOOK = Path(__file__).parents[2] / "book"


@cache
def figures(chapter: str, without: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
    """The variables at each named figure, and at the ``"end"``, of the chapter that begins with ``chapter``.

    ``without`` names what slow cells define and no figure needs: those cells, which draw nothing and other tests run,
    are left out.
    """
    (path,) = BOOK.glob(f"{chapter}*.ipynb")
    variables: dict[str, Any] = {}
    seen = {}
    left_out = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plt, "show", lambda: None)  # so that the figure stays open to be looked at
        plt.switch_backend("agg")
        for cell in nbformat.read(path, as_version=4).cells:
            if "exercises" in cell.metadata.get("tags", []):
                break
            if cell.cell_type == "code" and "setup" not in cell.metadata.get("tags", []):  # which speaks IPython
                if slow := [name for name in without if re.search(rf"^(def )?{name}\b.*[=:]", cell.source, re.M)]:
                    assert "plt." not in cell.source, f"{path.name}: the cell of {slow} draws, and is looked at here"
                    left_out += slow
                    continue
                exec(cell.source, variables)
                if name := cell.metadata.get("mystnb", {}).get("figure", {}).get("name"):
                    seen[name] = dict(variables)
    plt.close("all")
    assert sorted(left_out) == sorted(without), "each of these names is defined by one cell"
    return seen | {"end": variables}
