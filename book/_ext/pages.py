"""Last touches to the pages that the theme wrote: light to load, readable by everyone, the same from a file and online.

Each function changes one thing on one page. The browser tests (tests/book/test_browser.py) say whether all of it holds.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import assets
import guesses
import searching
import sharing
import tryit
from bs4 import BeautifulSoup, NavigableString, PageElement, Tag
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

BUNDLE = "book.bundle"
# A whole cell: 3.9e-35, 98.0 ± 0.6, 75 of 114, 0.37 to 0.44, 4.2 million
NUMBER = re.compile(r"[-+−]?\d[\d.,]*(e[-+]\d+)?( (±|of|to) [\d.,]+)?([ \u00a0]?%|[ \u00a0]million)?")
# The spaces in "5 %", "4.2 million" and "α = 0.25".
BEFORE_UNIT = re.compile(
    r"(?<=\d) (?=(?:%|[kMG]B|[mµ]s|[mb]illion)(?!\w))|(?<=\b[αρ]) (?=[=<≤] \d)|(?<=\b[αρ] [=<≤]) (?=\d)"
)
SHAPE = re.compile(r"\(\d+, \d+(, \d+, \d+)?\)")  # of a map, or of a convolution's weight
LONG_NAME = re.compile(r"[\w.]{25,}")
THEME_SCRIPT = """
(() => {
  const root = document.documentElement, stored = localStorage.getItem("mode") || "auto";
  const preferred = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  root.dataset.mode = stored;
  root.dataset.theme = stored === "auto" ? preferred : stored;
})();
"""
# The fonts early, before a line is drawn that needs them, and the text with them or after a second: letters that come
# later would break lines elsewhere and move all below. (From a file, browsers load fonts without being asked.)
FONT_SCRIPT = """
if (location.protocol !== "file:") {
  const show = () => document.documentElement.classList.remove("waits");
  document.documentElement.classList.add("waits");
  addEventListener("DOMContentLoaded", () => document.fonts.ready.then(show));
  setTimeout(show, 1000);
  for (const font of %s) document.head.append(Object.assign(
    document.createElement("link"), { rel: "preload", as: "font", type: "font/woff2", crossOrigin: "", href: font }));
}
"""
# Search and copying are the book's own, tooltips and drop-down menus are nowhere, and icons are drawn.
THEIR_SEARCH = ("sphinx_highlight.js", "searchtools.js", "language_data.js", "searchindex.js")
THEIR_COPYING = ("clipboard.min.js", "copybutton.js")
NOT_NEEDED = ("bootstrap.js", "doctools.js", "fontawesome.js", "book.js", *THEIR_SEARCH, *THEIR_COPYING)
RUBBISH = "#ethical-ad-placement, .pst-async-banner-revealer, #pst-back-to-top, #jb-print-docs-body"
LONG = 6_000  # elements


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Rewrite all pages once they are on the disk."""
    if exception or app.builder.format != "html":
        return
    site = Path(app.outdir)
    made = {site / name for name in ("index.html", "404.html", "efficient-convolutions.pdf")}  # from other pages
    paths = [path for path in site.rglob("*.html") if not {"_static", "try"} & set(path.relative_to(site).parts)]
    paths = [path for path in paths if path not in made]
    plain_code = assets.plain_code((site / "_static" / "pygments.css").read_text(encoding="utf-8"))
    pages = {path: read(path, plain_code) for path in sorted(paths)}
    fresh = {path: page for path, page in pages.items() if not page.find("link", href=re.compile(BUNDLE))}
    if not fresh:
        return  # an incremental build that changed nothing
    for path in made:
        path.unlink(missing_ok=True)
    styles, scripts = _assets(fresh.values())
    cards = draw_cards(site, fresh)
    pictures = {path.name: assets.shrink(path) for path in (site / "_images").glob("*.png")}
    book = Path(app.srcdir) / "book"
    facts = tryit.prepare(book, Path(app.outdir).parent / "try", site / "try")
    for path, page in fresh.items():
        name = path.relative_to(site).with_suffix("").as_posix()
        if searching.is_search(page):
            searching.rewrite_search_page(page)
        sharing.title_once(page)
        sharing.describe(page, name)
        told = sharing.tell(page, name, app.config.html_baseurl, cards.get(path))
        rewrite_head(page, "../" * (len(path.relative_to(site).parts) - 1), told)
        rewrite_buttons(page)
        open_chapter(page)
        draw_icons(page)
        describe_pictures(page, pictures)
        tryit.offer(page, path.stem, facts)
        guesses.offer_guesses(page, path.stem)
        repair_tables(page)
        repair_roles(page)
        keep_with_formulas(page)
        keep_units(page)
        break_names(page)
        shorten_contents(page)
        spare_long_pages(page)
        path.write_text(str(page), encoding="utf-8")

    if facts:  # the pages have told where each exercise stands
        (site / "try" / "exercises.json").write_text(json.dumps(facts), encoding="utf-8")
    static = site / "_static"
    script = assets.bundle_scripts(static, [*scripts, "book.js"])
    (static / f"{BUNDLE}.js").write_text(script, encoding="utf-8")
    for unused in [static / "vendor", static / "locales", *static.rglob("*.map"), *static.rglob("fontawesome.js*")]:
        shutil.rmtree(unused) if unused.is_dir() else unused.unlink(missing_ok=True)
    words = {word for page in pages.values() for word in _class_names(page)} | searching.class_names()
    words |= assets.scripted_names(script + FONT_SCRIPT)
    (static / "maths.css").write_text(assets.maths_styles(static, "book.css"), encoding="utf-8")
    (static / f"{BUNDLE}.css").write_text(assets.bundle_styles(static, [*styles, "book.css"], words), encoding="utf-8")
    in_contents = sorted(name for name in app.env.found_docs if (site / f"{name}.html") in pages)
    add_pages(
        site,
        in_contents,
        {path.relative_to(site).as_posix(): page for path, page in pages.items()},
        app.config.html_baseurl,
    )


def read(path: Path, plain_code: re.Pattern) -> BeautifulSoup:
    """The page as the theme wrote it, without an element for every word of code: they are most of its elements."""
    return BeautifulSoup(plain_code.sub(r"\1", path.read_text(encoding="utf-8")), "html.parser")


def draw_cards(site: Path, pages: dict[Path, BeautifulSoup]) -> dict[Path, str]:
    """For each page the picture that stands for it where it is shared; one without a figure takes the first page's."""
    (first,) = (page for path, page in pages.items() if path == site / f"{sharing.ROOT}.html")
    cards = {}
    for path, page in pages.items():
        if path.parent == site / "book":
            picture = sharing.figure_of(page) or sharing.figure_of(first)
            cards[path] = f"cards/{path.stem}.png"
            book = page.title.string.rpartition(" — ")[2]
            sharing.draw_card(sharing.heading_of(page), book, path.parent / picture["src"], site / cards[path])
    return cards


def add_pages(site: Path, names: list[str], pages: dict[str, BeautifulSoup], site_url: str) -> None:
    """What no source makes: the page at the root, the one for what is missing, what search knows, the site's map."""
    first = (site / f"{sharing.ROOT}.html").read_text(encoding="utf-8")
    (site / "index.html").write_text(sharing.at_root(first), encoding="utf-8")
    frame = (site / "search.html").read_text(encoding="utf-8")
    (site / "404.html").write_text(sharing.missed(frame, site_url), encoding="utf-8")
    searching.write_search(site, {name: page for name, page in pages.items() if name.startswith("book/")})
    sharing.map_site(site, names, site_url)


def _assets(pages: Iterable[BeautifulSoup]) -> tuple[list[str], list[str]]:
    """The style sheets and scripts that the theme links, relative to _static, in the order in which they count."""
    found: dict[str, None] = {}
    for page in sorted(pages, key=lambda page: -len(page.find_all("script"))):  # the order of the page with the most
        for element in page.select('link[rel="stylesheet"], script[src]'):
            address = (element.get("href") or element.get("src") or "").split("?")[0]
            name = address.rpartition("_static/")[2]
            if "_static/" in address and name.split("/")[-1] not in NOT_NEEDED:
                found[name] = None
    return [name for name in found if name.endswith(".css")], [name for name in found if name.endswith(".js")]


def _class_names(page: BeautifulSoup) -> set[str]:
    names = set()
    for element in page.find_all(True):
        names.update(element.get("class", ()), [element.get("id", "")])
    return names


def rewrite_head(page: BeautifulSoup, root: str, told: list[Tag]) -> None:
    """Keep what says what the page is; load one style sheet, one script that waits, and the fonts that are needed."""
    for script in page.find_all("script", src=True):
        script.decompose()
    head = page.head
    kept = [head.title, *head.find_all("meta", attrs={"name": "description"})]
    kept += head.find_all("link", rel=lambda rel: rel in ("icon", "index", "search", "next", "prev"))
    kept = [element.extract() for element in kept] + told
    head.clear()
    page.html["data-theme"] = "light"  # until a script knows better
    scripts = [f"{root}_static/{BUNDLE}.js"]
    if searching.is_search(page):
        scripts += [root + script for script in searching.SCRIPTS]
    fonts = json.dumps([f"{root}_static/fonts/{font}.woff2" for font in ("text", "bold")])
    styles = [f"{root}_static/{name}.css" for name in (BUNDLE, *(["maths"] if page.find("math") else []))]
    head.append(
        BeautifulSoup(
            '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">\n'
            + "\n".join(map(str, kept))
            + f"\n<script>{THEME_SCRIPT}{FONT_SCRIPT % fonts}</script>\n"
            + "<noscript><style>.pst-js-only { display: none !important }</style></noscript>\n"
            + "\n".join(f'<link rel="stylesheet" href="{style}">' for style in styles)
            + "\n"
            + "\n".join(f'<script defer src="{script}"></script>' for script in scripts),
            "html.parser",
        )
    )


def rewrite_buttons(page: BeautifulSoup) -> None:
    """Links instead of drop-down menus: open in Colab, download the notebook. No tooltips: the words are there."""
    for menu in page.select(".dropdown-launch-buttons, .dropdown-download-buttons"):
        link = menu.select_one(".dropdown-item[href]")
        if link:
            colab = "colab" in link["href"]
            icon, words = (
                ("fa-play", "<span>Open in </span>Colab") if colab else ("fa-download", "<span>Download</span>")
            )
            link.attrs = {"href": link["href"], "class": ["page-button"]}
            if not colab:
                link.attrs |= {"download": "", "aria-label": "Download"}
            link.clear()
            link.append(BeautifulSoup(f'<i class="fas {icon}"></i>{words}', "html.parser"))
            menu.replace_with(link)
        else:
            menu.decompose()
    for element in page.select("[data-bs-toggle]"):
        label = element.get("aria-label") or element.get("data-bs-title") or element.get("title")
        element.attrs = {key: value for key, value in element.attrs.items() if not key.startswith("data-bs-")}
        element.attrs |= {"title": label, "aria-label": label}
    for element in page.select(".search-button-field"):
        del element["aria-label"]  # it has words of its own
    for summary in page.select("summary[aria-label]"):
        del summary["aria-label"]
    for rubbish in page.select(RUBBISH):
        rubbish.decompose()


def open_chapter(page: BeautifulSoup) -> None:
    """Above a chapter's title, the part of the book that it belongs to."""
    part = page.select_one("nav.bd-links ul.current")
    caption = part and part.find_previous_sibling("p", class_="caption")
    heading = page.select_one("article h1")
    if caption and heading:
        opener = page.new_tag("p", attrs={"class": "opener"})
        opener.string = caption.get_text(strip=True)
        page.select_one("article").insert(0, opener)
    if heading:
        place = page.new_tag("style", attrs={"media": "print"})
        title = json.dumps(sharing.heading_of(page), ensure_ascii=False)
        place.string = f"@page {{ @top-left {{ content: {title} }} }}"
        page.head.append(place)


def shorten_contents(page: BeautifulSoup) -> None:
    """Of a page's own list of contents the sections: the theme unfolds more while one reads, and all below it moves."""
    for inner in page.select(".bd-sidebar-secondary .toc-entry > ul"):
        inner.decompose()


def spare_long_pages(page: BeautifulSoup) -> None:
    """Mark the pages of which a browser had better lay out only what is in sight."""
    article = page.select_one("article")
    if article and len(article.find_all(True)) > LONG:
        article["class"].append("long")


def draw_icons(page: BeautifulSoup) -> None:
    """Icons as SVG in the page, in place of an icon font."""
    for element in page.select("i[class*=fa-], span[class*=fa-]"):
        classes = element["class"]
        family = next(name for name in classes if name in assets.FONTS)
        name = next(name for name in classes if name.startswith("fa-") and name not in (family, "fa-lg"))
        drawing = BeautifulSoup(assets.icon(name, family), "html.parser").svg
        drawing["class"] = ["icon", *(name for name in classes if not name.startswith("fa"))]
        if "data-mode" in element.attrs:
            drawing["data-mode"] = element["data-mode"]
        element.replace_with(drawing)


def describe_pictures(page: BeautifulSoup, pictures: dict[str, tuple[str, int, int]]) -> None:
    """Small files, with their size so that nothing jumps, and loaded when they come into view, all but the first."""
    for index, picture in enumerate(page.select("article img")):
        folder, _, name = picture["src"].rpartition("/")
        if name in pictures:
            new_name, width, height = pictures[name]
            picture["src"] = f"{folder}/{new_name}"
            # Figures are drawn at 144 dots an inch, and a page has 96 pixels.
            picture["width"], picture["height"] = round(width / 1.5), round(height / 1.5)
        if index:
            picture["loading"] = "lazy"
        picture["decoding"] = "async"


def repair_tables(page: BeautifulSoup) -> None:
    """Tables that scroll by themselves, heads that say what they are heads of, and numbers in one piece."""
    for table in page.select("article table"):
        for cell in table.select("thead th"):
            cell["scope"] = "col"
        corner = table.select_one("thead th")
        if corner and not corner.get_text(strip=True):  # an empty corner is the head of nothing: the rows have heads
            corner.name = "td"
            del corner["scope"]
            for cell in table.select("tbody tr > td:first-child"):
                cell.name, cell["scope"] = "th", "row"
        for cell in table.select("td"):
            if NUMBER.fullmatch(cell.get_text(strip=True)) or SHAPE.fullmatch(cell.get_text(strip=True)):
                cell["class"] = [*cell.get("class", ()), "kept"]
        if "pst-scrollable-table-container" not in table.parent.get("class", ()):
            table.wrap(page.new_tag("div", attrs={"class": "pst-scrollable-table-container"}))


def keep_with_formulas(page: BeautifulSoup) -> None:
    """No line ends with the bracket before a formula, and none begins with the comma after it."""
    for formula in page.select("article math:not([display=block])"):
        opening = re.search(r"[(\[“‘]+$", _text_beside(formula.previous_sibling))
        closing = re.match(r"[)\].,;:!?”’%]+", _text_beside(formula.next_sibling))
        if opening or closing:
            kept = formula.wrap(page.new_tag("span", attrs={"class": "kept"}))
            if opening:
                kept.previous_sibling.replace_with(kept.previous_sibling[: opening.start()])
                kept.insert(0, opening[0])
            if closing:
                kept.next_sibling.replace_with(kept.next_sibling[closing.end() :])
                kept.append(closing[0])


def keep_units(page: BeautifulSoup) -> None:
    """A number and its unit stand on one line, and so does the value of a multiplier."""
    for text in page.find_all(string=BEFORE_UNIT):
        if text.find_parent("article") and not text.find_parent(["pre", "code", "script", "style", "math"]):
            text.replace_with(BEFORE_UNIT.sub("\u00a0", text))


def break_names(page: BeautifulSoup) -> None:
    """A long name of code that goes on in the next line ends its line behind a point, not within a word."""
    for code in page.select("article :not(pre) > code.literal"):
        for text in code.find_all(string=LONG_NAME):
            first, *others = re.split(r"(?<=\w\.)(?=[A-Za-z_])", text)
            text.replace_with(first, *(part for name in others for part in (page.new_tag("wbr"), name)))


def _text_beside(sibling: PageElement | None) -> str:
    return sibling if isinstance(sibling, NavigableString) else ""


def repair_roles(page: BeautifulSoup) -> None:
    """What the theme, Sphinx and docutils get wrong for screen readers."""
    for toggler in page.select("img.toggler"):  # of the list of modules: nothing to fold
        toggler.decompose()
    for table in page.select("table.indextable"):  # columns and rows of links
        table["role"] = "presentation"
    for inner in page.select("article ul > ul"):  # a list belongs to the item above it
        inner.find_previous_sibling("li").append(inner.extract())
    for brand in page.select(".navbar-brand"):
        brand.parent.name = "nav"
        brand.parent["aria-label"] = "Book"
    for entry in page.select("[role=doc-biblioentry]"):
        entry["role"] = "listitem"
        for element in entry.parent.find_all("a", recursive=False):
            element.decompose()


def letter_the_appendices(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Number the figures of appendix A as A.1, A.2, … beside the 1.1, 1.2, … of chapter 1."""
    for name, numbers in env.toc_fignumbers.items():
        letter = re.match(r"book/([A-Z])_", name)
        for place, figure in enumerate(numbers.get("figure", ()) if letter else (), start=1):
            numbers["figure"][figure] = letter[1], place
    return []


def setup(app: Sphinx) -> dict:
    """Finish the pages when the build has finished."""
    app.connect("env-get-updated", letter_the_appendices, priority=900)  # after Sphinx has numbered all
    app.connect("build-finished", finish, priority=900)  # after the theme's own
    return {"parallel_read_safe": True, "parallel_write_safe": True}
