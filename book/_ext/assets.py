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
from fontTools.pens.transformPen import TransformPen
from fontTools.ttLib import TTFont
from PIL import Image, ImageChops

THEME = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme" / "static"
MATHS = "fonts/math.woff2"
PHOTOGRAPH = 100_000  # bytes, lossless
SEEN = 8  # of 255: a colour that is further from the one that was drawn may be noticed
MEETS = 0.01  # of a drawing are pixels where two colours meet
COARSE = 5  # units of the icon font that are one of the drawing: an icon is some twenty pixels high
FONTS = {"fas": "fa-solid-900", "fa-solid": "fa-solid-900", "fab": "fa-brands-400", "fa-brands": "fa-brands-400"}


def bundle_styles(static: Path, sheets: Iterable[str], words: set[str]) -> str:
    """The style sheets as one, without the rules for a class or an identifier that is not among ``words``."""
    styles = "".join("".join(_purge(_read_styles(static, sheet), words)) for sheet in sheets)
    return re.sub(r"\s*([{},;])\s*", r"\1", re.sub(r"\s+", " ", _without_unused_properties(styles)))


def maths_styles(static: Path, sheet: str) -> str:
    """The sheet's rule for the letters of formulas, with the letters inside.

    No other font measures like them: a line drawn before they arrive breaks elsewhere afterwards, and all below moves.
    """
    styles = _read_styles(static, sheet)
    (rule,) = (body for kind, body in _rules(styles) if kind == "@font-face" and MATHS in body)
    read = re.search(r"--read: (.*), serif;", styles)[1]
    letters = base64.b64encode((static / MATHS).read_bytes()).decode()
    face = rule.replace(f"url({MATHS})", f"url(data:font/woff2;base64,{letters})")
    return f'@font-face {{{face}}}\n:root {{ --read: {read}, "Book Math", serif }}\n'


def plain_code(styles: str) -> re.Pattern:
    """The words of code that have no colour of their own in the highlighter's ``styles``, each in its element."""
    bases = re.findall(r"\.highlight \{[^}]*?(?<!-)color: (#\w+)", styles)
    coloured = re.findall(r"\.highlight \.(\w+) \{ color: (#\w+) \}", styles)
    plain = {name for name, _ in coloured if [colour for other, colour in coloured if other == name] == bases}
    return re.compile(rf'<span class="(?:pre|{"|".join(sorted(plain))})">([^<]*)</span>')  # pre: of inline code


def bundle_scripts(static: Path, scripts: Iterable[str]) -> str:
    """The scripts as one, without lines that only comment."""
    sources = ((static / script).read_text(encoding="utf-8") for script in scripts)
    return "\n;\n".join(re.sub(r"^\s*(//.*)?\n?", "", source, flags=re.MULTILINE) for source in sources)


def scripted_names(script: str) -> set[str]:
    """The classes that a script gives to elements."""
    given = re.findall(
        r"classList\.\w+\(([^)]*)\)|className\s*[:=]\s*([\"'`][^\"'`]*)|class=\\?[\"']([^\"'>]*)", script
    )
    return set(re.findall(r"[\w-]+", " ".join(map(" ".join, given))))


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
            if "Font Awesome" not in body and MATHS not in body:  # the one is drawn, the other in a sheet of its own
                yield f"{applies_to}{{{body}}}\n"
        else:
            used = [selector for selector in _selectors(applies_to) if _names(selector) <= words]
            if used:
                yield f"{','.join(used)}{{{body}}}\n"


def _without_unused_properties(styles: str) -> str:
    """The styles without the values that nothing asks for, nor what only they had asked for."""
    asked = set(re.findall(r"var\(\s*(--[\w-]+)", styles))
    kept = re.sub(r"(?<=[{;\s])(--[\w-]+)\s*:[^;}]*;?", lambda found: found[0] if found[1] in asked else "", styles)
    return styles if kept == styles else _without_unused_properties(kept)


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
    font.getGlyphSet()[glyph_name].draw(TransformPen(pen, (1 / COARSE, 0, 0, -1 / COARSE, 0, 0)))
    ascent, height = font["hhea"].ascent / COARSE, (font["hhea"].ascent - font["hhea"].descent) / COARSE
    width = font["hmtx"][glyph_name][0] / COARSE
    return (
        f'<svg aria-hidden="true" focusable="false" fill="currentColor" viewBox="0 {-ascent:g} {width:g} {height:g}">'
        f'<path d="{pen.getCommands()}"/></svg>'
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

    Drawings lose nothing that can be seen. A photograph, which would stay large, is stored as photographs are.
    """
    with Image.open(path) as image:
        picture = _of_few_colours(image.convert("RGBA"))  # drawings have no paper
    small = io.BytesIO()
    picture.save(small, "WEBP", lossless=True, method=4)
    if small.tell() > PHOTOGRAPH:
        small = io.BytesIO()
        picture.save(small, "WEBP", quality=85)
    path.with_suffix(".webp").write_bytes(small.getvalue())
    path.unlink()
    return f"{path.stem}.webp", *picture.size


def _of_few_colours(picture: Image.Image) -> Image.Image:
    """The picture with few colours, which makes a smaller file, if that is seen at most where two colours meet."""
    fewer = picture.quantize(method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).convert("RGBA")
    for paper in ("white", "black"):
        sheet = Image.new("RGBA", picture.size, paper)
        seen = [Image.alpha_composite(sheet, each).convert("RGB") for each in (picture, fewer)]
        counts = ImageChops.difference(*seen).histogram()  # 256 of each of the three channels
        far = max(sum(counts[channel + SEEN : channel + 256]) for channel in (0, 256, 512))
        if far > MEETS * picture.width * picture.height:
            return picture
    return fewer
