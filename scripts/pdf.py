"""The whole book as one file to print or keep: ``make pdf``.

Chromium prints each built page, with its answers and hints open, and pypdf joins them: an outline, page numbers that
count through, and links between the pages that stay in the file. The first page then links to it.
"""

from __future__ import annotations

import functools
import http.server
import io
import shutil
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

import yaml
from bs4 import BeautifulSoup
from playwright.sync_api import sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, NumberObject

ROOT = Path(__file__).parent.parent
SITE = ROOT / "_build" / "html"
NAME = "efficient-convolutions.pdf"
LINK = f'<p class="whole-book"><a href="{{root}}{NAME}">The whole book as one PDF</a> ({{size}})</p>'


def contents() -> list[str]:
    """The pages in the book's order."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [toc["root"], *(page["file"] for part in toc["parts"] for page in part["chapters"])]


def printed(page, address: str, first: int) -> bytes:
    """One page of the site as a PDF whose pages count from ``first``."""
    page.goto(address, wait_until="load")
    page.evaluate("document.querySelectorAll('img[loading]').forEach((picture) => { picture.loading = 'eager'; })")
    page.evaluate("Promise.all([...document.images].map((picture) => picture.decode().catch(() => {})))")
    page.evaluate("Promise.all([...document.fonts].map((font) => font.load().catch(() => {})))")
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    page.add_style_tag(content=f"@media print {{ html {{ counter-reset: page {first - 1} }} }}")
    return page.pdf(prefer_css_page_size=True, outline=True, tagged=True)


def joined(pages: Iterable[tuple[str, str, bytes]]) -> PdfWriter:
    """One file from the (address, title, PDF) of every page."""
    book = PdfWriter()
    starts: dict[str, int] = {}
    for address, title, content in pages:
        starts[address] = len(book.pages)
        reader = PdfReader(io.BytesIO(content))
        book.append(reader, import_outline=False)
        top = book.add_outline_item(title=title, page_number=starts[address])
        for heading in _headings(reader):
            number = starts[address] + reader.get_destination_page_number(heading)
            book.add_outline_item(title=heading.title, page_number=number, parent=top)
    _keep_links_inside(book, starts)
    return book


def _headings(reader: PdfReader) -> list:
    """A page's sections: what stands beside or right below its title in Chromium's outline."""
    entries = reader.outline
    if len(entries) == 2 and isinstance(entries[1], list):
        entries = entries[1]
    return [entry for entry in entries if not isinstance(entry, list)]


def _keep_links_inside(book: PdfWriter, starts: dict[str, int]) -> None:
    """Let a link to another page of the site lead to where that page begins in this file."""
    for page in book.pages:
        for link in page.get("/Annots", ()):
            link = link.get_object()
            action = link.get("/A", {})
            address = str(action.get("/URI", "")).partition("#")[0]
            if address in starts:
                target = book.pages[starts[address]].indirect_reference
                where = ArrayObject([target, NameObject("/Fit")])
                link[NameObject("/A")] = DictionaryObject(
                    {NameObject("/S"): NameObject("/GoTo"), NameObject("/D"): where}
                )
                link[NameObject("/F")] = NumberObject(4)


def link_from_first_page(size: int) -> None:
    """Say on the first page, at both of its addresses, that the file is there."""
    for path, root in ((SITE / "index.html", ""), (SITE / "book" / "index.html", "../")):
        page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for old in page.select(".whole-book"):
            old.decompose()
        words = LINK.format(root=root, size=f"{size / 1e6:.1f} MB")
        page.select_one("article h1").find_next("p").insert_after(BeautifulSoup(words, "html.parser"))
        path.write_text(str(page), encoding="utf-8")


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves the pages and says nothing."""

    def log_message(self, *_: object) -> None:
        pass


def make(names: list[str], target: Path) -> int:
    """Print these pages of the site into one file; its number of pages."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("make pdf needs Chromium, which prints the pages: install it, and try again")
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=SITE)) as server,
        sync_playwright() as playwright,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 900, "height": 1200})
        page.set_default_timeout(300_000)  # milliseconds: a busy machine takes its time
        first, parts = 1, []
        for name in names:
            address = f"http://127.0.0.1:{server.server_port}/{name}.html"
            content = printed(page, address, first)
            title = page.title().partition(" — ")[0]
            parts.append((address, title, content))
            first += len(PdfReader(io.BytesIO(content)).pages)
            print(f"{title}: up to page {first - 1}", flush=True)
        browser.close()
        server.shutdown()
    book = joined(parts)
    book.add_metadata({"/Title": "Efficient Convolutions", "/Author": "The mobilenet-edu authors"})
    book.write(target)
    return first - 1


def main() -> None:
    if not (SITE / "search.html").exists():
        sys.exit("make pdf prints the built pages, and there are none: run `make book` first")
    number = make(contents(), SITE / NAME)
    size = (SITE / NAME).stat().st_size
    link_from_first_page(size)
    print(f"{SITE / NAME}: {number} pages, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
