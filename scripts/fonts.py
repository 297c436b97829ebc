"""Make the pages' text face anew: ``python scripts/fonts.py``, where npm is installed, and fontTools with brotli.

STIX Two Text, whose letters go with those of the maths (STIX Two Math), comes from npm's ``@fontsource/stix-two-text``
and is reduced to the characters that the pages may use. What is made is kept in book/_static/fonts; nobody who builds
the book needs this script. ``--check`` writes nothing, and fails if what is kept is not what would be made.
"""

from __future__ import annotations

import base64
import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

PACKAGE = "@fontsource/stix-two-text@5.3.0"
INTEGRITY = "sha512-/eVTBPvodwIlsUTImyGjNVG4wqi2SDi6nV0WmE0+ScfbCegC8zMkm6BER8dy8f900xgP1RkNx0HxjbixT/ISOg=="
FONTS = Path(__file__).parent.parent / "book" / "_static" / "fonts"
FACES = {"text": "400-normal", "italic": "400-italic", "bold": "600-normal"}
# Latin letters, and what English sets: dashes, quotation marks, the ellipsis, the minus sign. Other signs of the maths
# in running text, such as α and →, come from the maths font.
CHARACTERS = [*range(0x20, 0x7F), *range(0xA0, 0x100), 0x2013, 0x2014, 0x2018, 0x2019, 0x201C, 0x201D, 0x2026, 0x2212]


def fetch() -> tarfile.TarFile:
    """npm's archive, which must be the one that was looked at."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        content = next(Path(folder).glob("*.tgz")).read_bytes()
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
    if f"sha512-{digest}" != INTEGRITY:
        sys.exit(f"{PACKAGE} is not what it was: sha512-{digest}, expected {INTEGRITY}")
    return tarfile.open(fileobj=io.BytesIO(content))


def reduced(content: bytes) -> bytes:
    """A font with our characters alone, as WOFF2."""
    options = subset.Options(flavor="woff2", hinting=False, desubroutinize=True)
    options.layout_features = ["kern", "liga", "ccmp", "locl", "mark", "mkmk"]
    options.name_IDs = [0, 1, 2, 5, 13, 14]  # who made it, its name and version, its licence
    font = TTFont(io.BytesIO(content), recalcTimestamp=False)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=CHARACTERS)
    subsetter.subset(font)
    font.flavor = "woff2"
    made = io.BytesIO()
    font.save(made)
    return made.getvalue()


def main(arguments: list[str]) -> None:
    archive = fetch()
    for name, face in FACES.items():
        path = FONTS / f"{name}.woff2"
        made = reduced(archive.extractfile(f"package/files/stix-two-text-latin-{face}.woff2").read())
        if arguments == ["--check"]:
            if path.read_bytes() != made:
                sys.exit(f"{path.name} is not what would be made from {PACKAGE}")
        else:
            path.write_bytes(made)
        print(f"{path.name}: {len(made):,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
