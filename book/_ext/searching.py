"""The search: what there is to be found, and the page that finds it.

`places` reads the finished pages: each section, glossary entry and object of the API is a place with a title and its
own sentences, without code, buttons or menus. They are stored as one script, so that search works from a file, too;
book/_search/search.js loads it when something is looked for, and ranks them.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from bs4 import BeautifulSoup, Tag

OURS = Path(__file__).parent.parent / "_search"
SCRIPTS = ("_static/search.js",)  # what the search page loads besides the script of every page
PRESSED = ("form", "noscript", "button", "summary")
HEADINGS = re.compile("^h[1-6]$")
SIGNS = {
    "alpha": "α",
    "rho": "ρ",
    "times": " × ",
    "cdot": " · ",
    "approx": " ≈ ",
    "le": " ≤ ",
    "ge": " ≥ ",
    "log": "log ",
}
BRIEF = 100  # letters of a solution: who looks for something looks for where it is explained
MOST = 2_000  # letters of a section
ROWS = 8  # of a table: its heads and first words say what it is about
BLOCKS = ("p", "li", "dd", "dt", "tr", "figcaption", "output")
NOT_TEXT = (
    "pre, script, style, noscript, form, button, svg, .try, .opener, .headerlink, .mobilenet-explorer, .cell_input"
)
FORM = """<section id="search"><h1>Search</h1>
<form class="find pst-js-only" role="search"><label for="query">Words to look for</label>
<input id="query" name="q" type="search" autocomplete="off" autocapitalize="off" spellcheck="false">
<button>Search</button></form>
<p id="found" role="status"></p><ol id="search-results"></ol>
<noscript><p>The search needs JavaScript. Without it, the <a href="genindex.html">index</a> lists every object of the
package, and the <a href="book/C_notation.html">glossary</a> every term.</p></noscript></section>"""


def write_search(site: Path, pages: dict[str, BeautifulSoup]) -> None:
    """Write the places of all ``pages``, by their address, and the script that finds them."""
    found = {"pages": [], "places": []}
    for address, page in pages.items():
        here = list(places(page))
        if here:
            found["pages"].append([address, _words(page.select_one("article h1"))])
            found["places"] += [[len(found["pages"]) - 1, *place] for place in here]
    data = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    (site / "_static" / "places.js").write_text(f"const BOOK = {data};\n", encoding="utf-8")
    shutil.copy(OURS / "search.js", site / "_static")
    for unused in (site / "searchindex.js", site / "_static" / "searchtools.js", site / "_static" / "language_data.js"):
        unused.unlink(missing_ok=True)


def is_search(page: BeautifulSoup) -> bool:
    """Whether this is the page that the theme made for its own search."""
    return bool(page.find(id="search-results"))


def rewrite_search_page(page: BeautifulSoup) -> None:
    """The book's own form and list in place of the theme's."""
    theirs = page.select_one(".bd-search-container")
    for script in theirs.parent.find_all("script", recursive=False):
        script.decompose()
    theirs.replace_with(BeautifulSoup(f'<article class="bd-article">{FORM}</article>', "html.parser"))
    page.title.string = page.title.string.replace(" - ", " — ")


def places(page: BeautifulSoup) -> Iterator[tuple[str, str, str, str]]:
    """Each place of a page as (kind, anchor, title, text)."""
    article = page.select_one("article")
    if article is None:
        return
    blocks, most = _blocks(article), BRIEF if article.find(id="solutions") else MOST
    for section in article.select("section[id]"):
        heading = section.find(HEADINGS, recursive=False)
        if heading:
            yield "", section["id"], _words(heading), _text(blocks[id(section)], most)
    for entry in article.select("dl.glossary dt[id]"):
        yield "glossary", entry["id"], _words(entry), _words(entry.find_next_sibling("dd"))
    for thing in article.select("dt.sig[id]") if article else ():
        first = thing.find_next_sibling("dd").find("p", recursive=False)
        yield "API", thing["id"], thing["id"].removeprefix("mobilenet_edu."), _words(first)[:160] if first else ""


def _blocks(article: Tag) -> dict[int, list[Tag]]:
    """The blocks of each section that are in none of the sections, glossaries and objects within it, by its `id`."""
    found = defaultdict(list)
    for block in article.find_all(BLOCKS):
        within = block.find_parent(("dl", *BLOCKS, *PRESSED)) or block.find_parent(class_=["try", "hide"])
        late = block.name == "tr" and len(block.find_previous_siblings("tr")) >= ROWS
        if not (within or late):
            found[id(block.find_parent("section"))].append(block)
    return found


def _text(blocks: list[Tag], most: int) -> str:
    """The sentences of these blocks, a block a line."""
    lines: dict[str, None] = {}
    for block in blocks:
        parts = block.find_all(["li", "td", "th"]) or [block]
        words = " · ".join(filter(None, map(_words, parts)))
        if re.search(r"[^\W\d_]{2}", words):
            lines[words] = None
    return "\n".join(lines)[:most]


def _words(element: Tag) -> str:
    """What an element says: formulas as they are written, nothing that is pressed."""
    copy = BeautifulSoup(str(element), "html.parser")
    for unsaid in copy.select(NOT_TEXT):
        unsaid.decompose()
    for math in copy.select("math"):
        latex = re.sub(r"\\(\w+)", lambda name: SIGNS.get(name[1], ""), math.get("alttext", ""))
        math.replace_with(re.sub(r"[{}\\$]", "", latex))
    return " ".join(copy.get_text().split())


def class_names() -> set[str]:
    """The classes that the search's script writes."""
    return set(re.findall(r'className: "([\w-]+)"', (OURS / "search.js").read_text(encoding="utf-8")))
