"""Make the pages' letters anew: ``python scripts/fonts.py``, where npm is installed, and fontTools with brotli.

STIX Two Text and, for formulas, STIX Two Math come from npm's ``@fontsource`` and are reduced to the characters that
the pages may use. What is made is kept in book/_static/fonts, and book.css says which characters formulas may have;
nobody who builds the book needs this script. ``--check`` writes nothing, and fails if what is kept is not what would be
made. A page with a character that is missing here fails a test: add it, and run this.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

TEXT = "@fontsource/stix-two-text@5.3.0"
MATHS = "@fontsource/stix-two-math@5.3.0"
INTEGRITY = {
    TEXT: "sha512-/eVTBPvodwIlsUTImyGjNVG4wqi2SDi6nV0WmE0+ScfbCegC8zMkm6BER8dy8f900xgP1RkNx0HxjbixT/ISOg==",
    MATHS: "sha512-negoeozw6VSXjZMozwKRSm/dhCQT62csZcuea9I8KYqPaZq/8KbbBBrA02ZHF7AyuR5mVML/p+q0bwFuSIf2GQ==",
}
STATIC = Path(__file__).parent.parent / "book" / "_static"
FONTS = STATIC / "fonts"
FACES = {"text": "400-normal", "italic": "400-italic", "bold": "600-normal"}
# What English sets, and the letters of names. Other signs in running text, such as α and →, come from the maths font.
ASCII = set(range(0x20, 0x7F))
LETTERS = ASCII | set(map(ord, "\xa0§©«°±²³µ·»½×÷áâäåæçèéêëíîïñóôöøúüßÄÉÖÜ–—‘’“”…−"))
# Formulas: upright letters for names such as ReLU and in running text, slanted ones for variables, bold ones for maps.
GREEK = "αβγδεηθλμπρστφω"
SIGNS = (ASCII - set(map(ord, '"#$&?@\\^_`~'))) | set(
    map(ord, "\xa0§¬¯±·×÷ˆ˜\u2009–…′″‾\u2061\u2062←→⇒⇔∂∇∈∏∑−∗√∞∣∥≈≠≤≥≪≫⊙⋅⋮⋯⌈⌉⌊⌋⏟ΓΔΣΦΩ" + GREEK + "𝐅𝐆𝐊𝐖𝐗𝐘")
)


def slanted(letter: str) -> str:
    """The letter as a browser draws a variable of that name: 𝑥 for x, ℎ for h, 𝛼 for α."""
    if letter.isascii() and letter.isalpha():
        return (
            "ℎ"
            if letter == "h"
            else chr(0x1D44E + ord(letter) - ord("a") if letter.islower() else 0x1D434 + ord(letter) - ord("A"))
        )
    return chr(0x1D6FC + ord(letter) - ord("α")) if "α" <= letter <= "ω" else letter


FORMULAS = SIGNS | {ord(slanted(chr(code))) for code in SIGNS}


def fetch(package: str) -> tarfile.TarFile:
    """npm's archive, which must be the one that was looked at."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", package], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        content = next(Path(folder).glob("*.tgz")).read_bytes()
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
    if f"sha512-{digest}" != INTEGRITY[package]:
        sys.exit(f"{package} is not what it was: sha512-{digest}, expected {INTEGRITY[package]}")
    return tarfile.open(fileobj=io.BytesIO(content))


def reduced(content: bytes, characters: set[int]) -> bytes:
    """A font with these characters alone, as WOFF2."""
    options = subset.Options(flavor="woff2", hinting=False, desubroutinize=True)
    options.layout_features = ["kern", "liga", "ccmp", "locl", "mark", "mkmk"]
    options.name_IDs = [0, 1, 2, 5, 13, 14]  # who made it, its name and version, its licence
    font = TTFont(io.BytesIO(content), recalcTimestamp=False)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=characters)
    subsetter.subset(font)
    font.flavor = "woff2"
    made = io.BytesIO()
    font.save(made)
    return made.getvalue()


def ranges(characters: set[int]) -> str:
    """The characters as the ``unicode-range`` of a style sheet, a dozen ranges per line."""
    codes = sorted(characters)
    starts = [code for code in codes if code - 1 not in characters]
    ends = [code for code in codes if code + 1 not in characters]
    each = [f"U+{a:04X}" if a == b else f"U+{a:04X}-{b:04X}" for a, b in zip(starts, ends, strict=True)]
    return ",\n    ".join(", ".join(each[start : start + 12]) for start in range(0, len(each), 12))


def made() -> dict[Path, bytes]:
    """What each file is to hold."""
    text, maths = fetch(TEXT), fetch(MATHS)
    files = {}
    for name, face in FACES.items():
        content = text.extractfile(f"package/files/stix-two-text-latin-{face}.woff2").read()
        files[FONTS / f"{name}.woff2"] = reduced(content, LETTERS)
    content = maths.extractfile("package/files/stix-two-math-latin-400-normal.woff2").read()
    files[FONTS / "math.woff2"] = reduced(content, FORMULAS)
    styles = (STATIC / "book.css").read_text(encoding="utf-8")
    styles = re.sub(r"(?<=unicode-range: )[^}]*(?= \})", ranges(FORMULAS), styles)
    return {**files, STATIC / "book.css": styles.encode()}


def main(arguments: list[str]) -> None:
    """Write the files, or check them."""
    for path, content in made().items():
        if arguments == ["--check"] and path.read_bytes() != content:
            sys.exit(f"{path.name} is not what would be made")
        if arguments != ["--check"]:
            path.write_bytes(content)
        print(f"{path.name}: {len(content):,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
