"""What the pages tell whoever shares, finds or misses them: titles, cards, addresses, a map of the site, a 404 page.

Where the site is, is said once, by ``html_baseurl`` in _config.yml (`make retarget` sets it). Where that is empty, all
that needs the address is left out: canonical addresses, cards, the site map, and the 404 page's root.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import matplotlib
from bs4 import BeautifulSoup, Tag
from PIL import Image, ImageDraw, ImageFont

from mobilenet_edu.plots import COLORS

ROOT = "book/index"
CARD = (1200, 630)
LETTERS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
LINK = re.compile(r"^(?![a-z][a-z+.-]*:|#|//)")  # an address beside this page
DESCRIPTIONS = {
    "search": "Find a word in the chapters, the glossary and the package's documentation.",
    "genindex": "Every object of the package and every term of the glossary, by letter.",
    "py-modindex": "The modules of the package, with what each is for.",
    "_modules/index": "The package's modules, with their source.",
}
MISSED = """<section id="missed"><h1>This page is not here</h1>
<p>The address may be mistyped, or the page has moved. All pages of the book are in the list of chapters, and
<a href="search.html">the search</a> finds what they say. Or begin at <a href="index.html">the first page</a>.</p>
</section>"""


def title_once(page: BeautifulSoup) -> None:
    """``X — X`` as ``X``."""
    title, _, book = page.title.string.partition(" — ")
    page.title.string = title if title == book else page.title.string


def address_of(name: str) -> str:
    """Where a page is, seen from the site's root; the first page is the root itself."""
    return "" if name == ROOT else f"{name}.html"


def tell(page: BeautifulSoup, name: str, site_url: str, card: str | None) -> list[Tag]:
    """What the head says to those who show the page elsewhere."""
    description = page.find("meta", attrs={"name": "description"})
    said = {"og:type": "article", "og:title": heading_of(page), "og:site_name": page.title.string.rpartition(" — ")[2]}
    if description:
        said["og:description"] = description["content"]
    if site_url:
        said["og:url"] = site_url + address_of(name)
    tags = [page.new_tag("meta", attrs={"property": key, "content": value}) for key, value in said.items()]
    if site_url and card:
        image = {"og:image": site_url + card, "og:image:width": str(CARD[0]), "og:image:height": str(CARD[1])}
        image["og:image:alt"] = _alternative(page) or f"{said['og:title']}, over a figure of the first page."
        tags += [page.new_tag("meta", attrs={"property": key, "content": value}) for key, value in image.items()]
        tags.append(page.new_tag("meta", attrs={"name": "twitter:card", "content": "summary_large_image"}))
    if site_url:
        tags.append(page.new_tag("link", attrs={"rel": "canonical", "href": site_url + address_of(name)}))
    return tags


def describe(page: BeautifulSoup, name: str) -> None:
    """Say of a page that no source describes what it is."""
    if name in DESCRIPTIONS or name.startswith("_modules/"):
        content = DESCRIPTIONS.get(name) or f"The source of {name.removeprefix('_modules/').replace('/', '.')}."
        page.head.append(page.new_tag("meta", attrs={"name": "description", "content": content}))


def heading_of(page: BeautifulSoup) -> str:
    """A page's title as it stands on the page, with its number."""
    heading = page.select_one("article h1")
    if heading is None:
        return page.title.string
    return " ".join("".join(text for text in heading.strings if not text.find_parent(class_="headerlink")).split())


def figure_of(page: BeautifulSoup) -> Tag | None:
    """The figure that stands for a page: the one that ``<meta name="card">`` names, else the first."""
    named = page.find("meta", attrs={"name": "card"})
    picture = page.select_one(f"#{named['content']} img") if named else page.select_one("article figure img")
    if named and picture is None:
        raise ValueError(f"{page.title.string}: the card shall be {named['content']}, which is no figure of the page")
    return picture


def _alternative(page: BeautifulSoup) -> str:
    picture = figure_of(page)
    return picture["alt"] if picture else ""


def draw_card(title: str, book: str, figure: Path, target: Path) -> None:
    """A picture of 1200 × 630: the title over the page's own figure, on white."""
    card = Image.new("RGB", CARD, "white")
    draw = ImageDraw.Draw(card)
    size = 76
    while _font("STIXGeneralBol", size).getlength(title) > CARD[0] - 120:
        size -= 4
    draw.text((60, 48), title, font=_font("STIXGeneralBol", size), fill="#1a1e24")
    draw.text((60, CARD[1] - 62), book, font=_font("STIXGeneral", 34), fill="#48566b")
    for left, right, kind in ((60, 410, "standard"), (420, 482, "depthwise"), (492, 780, "pointwise")):  # one, split
        draw.rectangle((left, 156, right, 164), fill=COLORS[kind])
    with Image.open(figure) as image:
        picture = image.convert("RGBA")
    scale = min((CARD[0] - 120) / picture.width, (CARD[1] - 280) / picture.height)
    picture = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)
    card.paste(picture, ((CARD[0] - picture.width) // 2, 190), picture)
    target.parent.mkdir(parents=True, exist_ok=True)
    card.quantize(64, dither=Image.Dither.NONE).save(target, optimize=True)


@cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(LETTERS / f"{name}.ttf", size)


def at_root(html: str) -> str:
    """The first page as it must read one folder further up."""
    page = BeautifulSoup(html, "html.parser")
    for element in page.select("[href], [src], form[action]"):
        for attribute in ("href", "src", "action"):
            address = element.get(attribute)
            if address and LINK.match(address):
                element[attribute] = address.removeprefix("../") if address.startswith("../") else f"book/{address}"
    for link in page.select('[href="book/index.html"]'):
        link["href"] = "index.html"
    page.html["data-content_root"] = "./"
    return re.sub(r'"\.\./(_static|try)/', r'"\1/', str(page))  # in scripts


def missed(html: str, site_url: str) -> str:
    """The page for an address that does not exist, which a host shows in any folder, from the search page's frame.

    Hosts send it as "not found", which keeps it out of every index; nothing leads to it.
    """
    page = BeautifulSoup(html, "html.parser")
    article = page.select_one("article")
    article.clear()
    article.append(BeautifulSoup(MISSED, "html.parser"))
    page.title.string = page.title.string.replace("Search", "Not found")
    for element in page.select('[src*="search.js"], [rel=canonical], [property^="og:"]'):
        element.decompose()
    page.head.find("meta", attrs={"name": "description"})["content"] = "There is no page at this address."
    if site_url:
        page.head.insert(0, page.new_tag("base", attrs={"href": urlsplit(site_url).path}))
        for link in page.select('[href^="#"]'):
            link["href"] = f"404.html{link['href']}"
    return str(page)


def map_site(site: Path, names: list[str], site_url: str) -> None:
    """sitemap.xml and robots.txt, or neither without an address."""
    for file in ("sitemap.xml", "robots.txt"):
        (site / file).unlink(missing_ok=True)
    if site_url:
        places = "".join(f"<url><loc>{site_url}{address_of(name)}</loc></url>\n" for name in names)
        places = f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{places}</urlset>'
        text = f'<?xml version="1.0" encoding="utf-8"?>\n{places}\n'
        (site / "sitemap.xml").write_text(text, encoding="utf-8")
        (site / "robots.txt").write_text(f"User-agent: *\nAllow: /\nSitemap: {site_url}sitemap.xml\n", encoding="utf-8")
