"""What a page says of itself to those who share, find or miss it."""

import re
from functools import cache
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
import retarget
import sharing
import yaml
from bs4 import BeautifulSoup
from contents import ROOT, chapters
from PIL import Image

SITE_URL = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["html"]["baseurl"]
published = pytest.mark.skipif(not SITE_URL, reason="_config.yml says no address where the pages are published")


@pytest.fixture(scope="module")
def page(site):
    """Reads a page, once: no test changes what it is given."""
    return cache(lambda name: BeautifulSoup((site / f"{name}.html").read_text(encoding="utf-8"), "html.parser"))


def said(page, key):
    found = page.find("meta", attrs={"property": key}) or page.find("meta", attrs={"name": key})
    return found and found["content"]


def test_every_page_has_one_title_of_its_own_and_its_name_once(page):
    titles = {name: page(name).title.string for name in [*chapters(), "search", "genindex", "404"]}
    assert len(set(titles.values())) == len(titles)
    for title in titles.values():
        parts = title.split(" — ")
        assert len(set(parts)) == len(parts) <= 2, title


def test_the_root_is_a_page_and_no_signpost(page, site):
    root, first = page("index"), page("book/index")
    assert not root.find("meta", attrs={"http-equiv": re.compile("refresh", re.IGNORECASE)})
    assert root.title.string == first.title.string == "Efficient Convolutions"
    assert root.html["lang"] == "en"
    assert said(root, "description") == said(first, "description")
    assert root.select_one("article").get_text() == first.select_one("article").get_text()
    for element in root.select("[href], [src]"):
        address = re.split("[#?]", element.get("href") or element["src"])[0]
        if address and not re.match("[a-z]+:", address):
            assert (site / address).exists(), element


@published
@pytest.mark.parametrize("name", chapters())
def test_every_page_has_a_card_with_its_own_figure(page, site, name):
    here = page(name)
    assert said(here, "og:title") == sharing.heading_of(here)
    assert said(here, "og:description") == said(here, "description")
    assert said(here, "twitter:card") == "summary_large_image"
    assert len(said(here, "og:image:alt")) > 10
    card = site / said(here, "og:image").removeprefix(SITE_URL)
    with Image.open(card) as image:
        assert image.size == (1200, 630)
        assert image.format == "PNG"
    assert card.stat().st_size < 120_000
    address = SITE_URL if name == "book/index" else f"{SITE_URL}{name}.html"
    assert here.find("link", rel="canonical")["href"] == said(here, "og:url") == address


@published
def test_the_cards_differ(page):
    assert len({said(page(name), "og:image") for name in chapters()}) == len(chapters())


@published
def test_the_sites_map_lists_every_page(site):
    places = [place.text for place in ElementTree.parse(site / "sitemap.xml").iter() if place.tag.endswith("loc")]
    assert sorted(places) == sorted(SITE_URL + sharing.address_of(name) for name in chapters())
    assert f"Sitemap: {SITE_URL}sitemap.xml" in (site / "robots.txt").read_text()


@published
def test_the_page_for_what_is_missing_finds_its_files_from_any_folder(page):
    missed = page("404")
    assert missed.base["href"] == urlsplit(SITE_URL).path
    assert missed.select_one("article h1").string == "This page is not here"
    assert not missed.select("script[src*=places]")
    assert all(link["href"].startswith("404.html#") for link in missed.select("a[href*='#']"))
    assert len(missed.select("nav.bd-links a")) >= len(chapters()) - 1


def test_nothing_leads_to_the_page_for_what_is_missing(page, site):
    names = [path.relative_to(site).with_suffix("").as_posix() for path in site.glob("*.html")]
    for name in [*chapters(), *(name for name in names if name != "404")]:
        assert not page(name).select("[href*='404.html']")
    assert not (site / "sitemap.xml").exists() or "404" not in (site / "sitemap.xml").read_text(encoding="utf-8")
    assert not page("404").find("link", rel="canonical")


def test_without_an_address_nothing_claims_one(page, tmp_path):
    here = page("book/03_depthwise_and_pointwise")
    told = "".join(map(str, sharing.tell(here, "book/03_depthwise_and_pointwise", "", "cards/03.png")))
    assert "og:title" in told
    assert "og:description" in told
    assert not re.search("canonical|og:url|og:image|twitter", told)
    assert "<base" not in sharing.missed(str(page("search")), "")
    (tmp_path / "sitemap.xml").write_text("old")
    sharing.map_site(tmp_path, chapters(), "")
    assert not list(tmp_path.iterdir())


def test_a_card_may_be_another_figure_than_the_first():
    html = (
        '<title>X</title>{}<article><figure><img src="1"></figure><figure id="fig-two"><img src="2"></figure></article>'
    )
    assert sharing.figure_of(BeautifulSoup(html.format(""), "html.parser"))["src"] == "1"
    assert (
        sharing.figure_of(BeautifulSoup(html.format('<meta name="card" content="fig-two">'), "html.parser"))["src"]
        == "2"
    )
    with pytest.raises(ValueError, match="fig-three"):
        sharing.figure_of(BeautifulSoup(html.format('<meta name="card" content="fig-three">'), "html.parser"))


@pytest.mark.parametrize(
    ("repository", "address"),
    [
        ("https://github.com/Someone/fork", "https://someone.github.io/fork/"),
        ("https://github.com/someone/someone.github.io", "https://someone.github.io/"),
    ],
)
def test_a_fork_is_published_where_its_workflow_puts_it(repository, address):
    assert retarget.pages_address(repository) == address


@pytest.mark.parametrize("site_url", ["", "https://example.org/book/"])
def test_the_address_is_said_once_and_can_be_left_out(site_url):
    config = (ROOT / "_config.yml").read_text(encoding="utf-8")
    assert yaml.safe_load(retarget.published_at(config, site_url))["html"]["baseurl"] == site_url


@pytest.mark.parametrize("site_url", ["example.org", "https://example.org/book", 'https://e.org/"/'])
def test_an_address_that_is_none_is_refused(site_url):
    with pytest.raises(SystemExit, match="SITE_URL"):
        retarget.main("https://github.com/someone/fork", "main", site_url)


class TestEachPage:
    """What holds without a script, on a narrow screen and for long pages."""

    def test_has_colours_without_javascript(self, page, site):
        styles = (site / "_static" / "book.bundle.css").read_text(encoding="utf-8")
        for name in [*chapters(), "index", "search", "404"]:
            assert f'html[data-theme="{page(name).html["data-theme"]}"]' in styles

    def test_lets_a_browser_skip_what_is_out_of_sight_on_long_pages(self, page, site):
        for name in chapters():
            article = page(name).select_one("article")
            assert ("long" in article["class"]) == (len(article.find_all(True)) > 6_000)
        assert "long" in page("book/F_api").select_one("article")["class"]
        styles = (site / "_static" / "book.bundle.css").read_text(encoding="utf-8")
        assert "content-visibility: auto" in styles

    def test_lists_are_lists(self, page):
        for name in ["_modules/index", "py-modindex"]:
            assert not page(name).select("ul > ul, img")

    def test_every_colour_of_the_pages_is_named_in_one_place(self):
        styles = (ROOT / "book" / "_static" / "book.css").read_text(encoding="utf-8")
        _, rest = styles.split("/* Type:", 1)
        colours = re.findall(r"(?<!&)#[0-9a-fA-F]{3,8}\b(?=[;,) }])|\brgba?\(", rest)
        assert not colours
        for path in (ROOT / "book" / "_try").glob("*.css"):
            assert not re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[;,) }])|\brgba?\(", path.read_text(encoding="utf-8"))


def test_the_text_face_is_small_and_has_its_licence():
    fonts = ROOT / "book" / "_static" / "fonts"
    assert sum((fonts / f"{name}.woff2").stat().st_size for name in ("text", "italic", "bold")) <= 60_000
    assert "SIL OPEN FONT LICENSE" in (fonts / "OFL.txt").read_text(encoding="utf-8")
    assert "STIX Two Text" in (fonts / "OFL.txt").read_text(encoding="utf-8")
