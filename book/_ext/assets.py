"""Makes a page light: one style sheet without the rules that no page uses, one script, drawn icons, small images."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from posixpath import dirname, join, normpath

import pydata_sphinx_theme
from fontTools.pens.svgPathPen import SVGPathPen
from fontTools.ttLib import TTFont
from PIL import Image

THEME = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme" / "static"
MATHS = "fonts/math.woff2"
PHOTOGRAPH = 100_000  # bytes, lossless
FONTS = {"fas": "fa-solid-900", "fa-solid": "fa-solid-900", "fab": "fa-brands-400", "fa-brands": "fa-brands-400"}


def bundle_styles(static: Path, sheets: Iterable[str], words: set[str]) -> str:
    """The style sheets as one, without the rules for a class or an identifier that is not among ``words``."""
    return "\n".join("".join(_purge(_read_styles(static, sheet), words)) for sheet in sheets)


def maths_styles(static: Path, sheet: str) -> str:
    """The sheet's rule for the letters of formulas, with the letters inside.

    No other font measures like them: a line drawn before they arrive breaks elsewhere afterwards, and all below moves.
    """
    (rule,) = (body for kind, body in _rules(_read_styles(static, sheet)) if kind == "@font-face" and MATHS in body)
    letters = base64.b64encode((static / MATHS).read_bytes()).decode()
    return "@font-face {" + rule.replace(f"url({MATHS})", f"url(data:font/woff2;base64,{letters})") + "}\n"


def bundle_scripts(static: Path, scripts: Iterable[str]) -> str:
    """The scripts as one."""
    sources = ((static / script).read_text(encoding="utf-8") for script in scripts)
    return "\n;\n".join(re.sub(r"^//# sourceMappingURL.*$", "", source, flags=re.MULTILINE) for source in sources)


def _read_styles(static: Path, sheet: str) -> str:
    """The sheet with its imports, without comments, its addresses made relative to ``static``."""
    styles = re.sub(r"/\*.*?\*/", "", (static / sheet).read_text(encoding="utf-8"), flags=re.DOTALL)

    def from_static(address: str) -> str:
        return normpath(join(dirname(sheet), address))

    styles = re.sub(r'@import\s+"([^"]+)";', lambda match: _read_styles(static, from_static(match[1])), styles)
    styles = re.sub(r"@charset[^;]*;", "", styles)
    return re.sub(r"url\((?!['\"]?data:)['\"]?([^)'\"]+)['\"]?\)", lambda m: f"url({from_static(m[1])})", styles)


def _rules(styles: str) -> Iterator[tuple[str, str]]:
    """The outermost rules as (what they apply to, what stands between their braces)."""
    start = depth = opened = 0
    for brace in re.finditer(r"[{}]", styles):
        depth += 1 if brace[0] == "{" else -1
        if brace[0] == "{" and depth == 1:
            opened = brace.end()
        elif depth == 0:
            yield styles[start : opened - 1].strip(), styles[opened : brace.start()].strip()
            start = brace.end()


def _purge(styles: str, words: set[str]) -> Iterator[str]:
    for applies_to, body in _rules(styles):
        if applies_to.startswith(("@media", "@supports")):
            inner = "".join(_purge(body, words))
            if inner:
                yield f"{applies_to}{{{inner}}}\n"
        elif applies_to.startswith("@"):
            if "Font Awesome" not in body:
                yield f"{applies_to}{{{body}}}\n"
        else:
            used = [selector for selector in _selectors(applies_to) if _names(selector) <= words]
            if used:
                yield f"{','.join(used)}{{{body}}}\n"


def _selectors(applies_to: str) -> list[str]:
    return [selector.strip() for selector in re.split(r",(?![^(]*\))", applies_to)]


def _names(selector: str) -> set[str]:
    """Classes and identifiers that an element must have; those in parentheses and brackets are alternatives."""
    return set(re.findall(r"[.#](-?[A-Za-z_][\w-]*)", re.sub(r"\([^()]*\)|\[[^\]]*\]", "", selector)))


@cache
def icon(name: str, family: str) -> str:
    """The theme's icon ``name``, such as ``fa-rocket``, drawn as SVG in the colour of the text."""
    font = _font(FONTS[family])
    glyph_name = font.getBestCmap()[_code_points()[name]]
    pen = SVGPathPen(font.getGlyphSet(), ntos=lambda number: f"{number:.0f}")
    font.getGlyphSet()[glyph_name].draw(pen)
    ascent, height = font["hhea"].ascent, font["hhea"].ascent - font["hhea"].descent
    width = font["hmtx"][glyph_name][0]
    return (
        f'<svg aria-hidden="true" focusable="false" fill="currentColor" viewBox="0 {-ascent} {width} {height}">'
        f'<path transform="scale(1 -1)" d="{pen.getCommands()}"/></svg>'
    )


@cache
def _font(name: str) -> TTFont:
    return TTFont(THEME / "vendor" / "fontawesome" / "webfonts" / f"{name}.ttf")


@cache
def _code_points() -> dict[str, int]:
    styles = (THEME / "styles" / "pydata-sphinx-theme.css").read_text(encoding="utf-8")
    found = re.findall(r"((?:\.fa-[\w-]+:before,?)+)\{content:\"\\([0-9a-f]+)\"\}", styles)
    return {name: int(code, 16) for names, code in found for name in re.findall(r"fa-[\w-]+", names)}


def shrink(path: Path) -> tuple[str, int, int]:
    """Replace a PNG by the same picture as WebP, and return its new name, width and height.

    Drawings lose nothing. A photograph, which would stay large, is stored as photographs are.
    """
    with Image.open(path) as image:
        picture = image.convert("RGBA")  # drawings have no paper
    small = io.BytesIO()
    picture.save(small, "WEBP", lossless=True, method=2)
    if small.tell() > PHOTOGRAPH:
        small = io.BytesIO()
        picture.save(small, "WEBP", quality=85)
    path.with_suffix(".webp").write_bytes(small.getvalue())
    path.unlink()
    return f"{path.stem}.webp", *picture.size
