"""Every built page in a real browser: offline, without errors, readable by everyone, light to load."""

from __future__ import annotations

import gzip
import itertools
import random
import re
import statistics
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path

import pytest
from contents import chapters

from mobilenet_edu import architecture, cost, explorers

pytestmark = pytest.mark.browser

PAGES = [*chapters(), "index", "search", "genindex", "py-modindex", "_modules/index"]
THEMES = ["light", "dark"]
WIDTHS = [1280, 375, 320]
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
VIOLATIONS = """async (options) =>
    (await axe.run(document, {resultTypes: ["violations"], ...options})).violations
        .flatMap(({id, nodes}) => nodes.map(({html}) => `${id}: ${html.slice(0, 200)}`))"""
STRUCTURE = {"rules": {"color-contrast": {"enabled": False}, "target-size": {"enabled": True}}}
# A long page is laid out where one looks; what is not yet has no place that could be judged.
LAID_OUT = "* { content-visibility: visible !important }"
CONTRAST = {"runOnly": ["color-contrast"]}
DROP_LOOK_ALIKES = """([selector, keepWords]) => {  // thousands of words of code have one of twenty colours
    const seen = new Set();
    const alike = [...document.querySelectorAll(selector)].filter((element) => {
        if (element.childElementCount) return false;
        const {tagName, className, parentElement} = element;
        const look = [tagName, className, parentElement.tagName, parentElement.className,
                      getComputedStyle(element).color].join();
        return seen.has(look) || !seen.add(look);
    });
    for (const element of alike) keepWords ? element.replaceWith(element.textContent) : element.remove();
}"""
WIDEST = """() => {
    const inside = (element) => getComputedStyle(element.parentElement).overflowX === "visible";
    const wide = (element) => element.getBoundingClientRect().right > innerWidth + 1 && inside(element);
    if (document.scrollingElement.scrollWidth <= innerWidth) return [];
    return [...document.querySelectorAll("main *")].filter(wide).map((e) => e.outerHTML.slice(0, 120)).slice(0, 3);
}"""
UNMARKED = """() => [...document.querySelectorAll("article *")].filter((element) => {
    const {overflowX, display} = getComputedStyle(element);
    if (overflowX === "visible" || display === "inline" || element.localName === "img") return false;
    if (element.scrollWidth <= element.clientWidth) return false;
    const marked = "scrolls" in element.dataset && element.tabIndex === 0 && element.ariaLabel;
    return !marked || !getComputedStyle(element).backgroundImage.includes("linear-gradient");
}).map((element) => element.outerHTML.slice(0, 120))"""
# The theme and the book wait a third of a second after a change of size. A page's timers end in their order, on any
# machine: those that the change has started end before this one.
SETTLED = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 400)))"
WORDS = """() => {
    const article = (document.querySelector("article") ?? document.querySelector("main")).cloneNode(true);
    for (const element of article.querySelectorAll("pre, code, script, style, math")) element.remove();
    return article.textContent;
}"""
SHIFTED = """() => new Promise((done) => {
    let sum = 0;
    new PerformanceObserver((list) => { for (const shift of list.getEntries()) sum += shift.value; })
        .observe({type: "layout-shift", buffered: true});
    setTimeout(() => done(sum), 100);
})"""
# Letters of an icon font, which is nowhere, are empty boxes.
BOXES = r"""() => {
    const iconic = /[\uE000-\uF8FF]/, found = iconic.test(document.body.innerText) ? [document.title] : [];
    for (const element of document.querySelectorAll("body *")) {
        for (const part of ["::before", "::after"]) {
            if (iconic.test(getComputedStyle(element, part).content)) found.push(element.outerHTML.slice(0, 120));
        }
    }
    return found;
}"""
# The letters of each line of running text that is neither its paragraph's last nor holds a formula or code.
LETTERS = """() => {
    const lines = [], range = document.createRange();
    for (const paragraph of document.querySelectorAll("article section > p")) {
        if (paragraph.querySelector("math, code, a.headerlink")) continue;
        const texts = document.createTreeWalker(paragraph, NodeFilter.SHOW_TEXT), here = [];
        for (let node; (node = texts.nextNode());) {
            for (let at = 0; at < node.length; at += 1) {
                range.setStart(node, at);
                range.setEnd(node, at + 1);
                const {bottom, width} = range.getBoundingClientRect();
                if (!width) continue;
                if (Math.abs(here.at(-1)?.bottom - bottom) < 8) here.at(-1).letters += 1;
                else here.push({bottom, letters: 1});
            }
        }
        lines.push(...here.slice(0, -1).map(({letters}) => letters));
    }
    return lines;
}"""
SHEET = {"width": 658, "height": 979}  # what A4 has between its margins, in pixels
OPEN = """document.querySelectorAll("article details:not(.hide)").forEach((details) => { details.open = true; })"""
# What a printer cannot break, in pixels: what its styles keep together, and what scrolls or is a row of boxes on paper.
IN_ONE_PIECE = """() => [...document.querySelectorAll("article *")].filter((element) => {
    if (element.closest("svg, math, form, .hide") || !element.offsetHeight) return false;
    const {breakInside, overflowY, display} = getComputedStyle(element);
    const inOnePiece = breakInside === "avoid" || overflowY !== "visible" || /flex|grid|inline-/.test(display);
    return display !== "inline" && inOnePiece;
}).map((element) => [Math.round(element.getBoundingClientRect().height), element.outerHTML.slice(0, 150)])"""
LEFT_AT_THE_FOOT = """() => [...document.querySelectorAll("article :is(h1, h2, h3, h4, dt, summary, thead)")]
    .filter((element) => element.offsetHeight && getComputedStyle(element).breakAfter !== "avoid")
    .map((element) => element.outerHTML.slice(0, 120))"""
EMPTY_FRAMES = """() => [...document.querySelectorAll("article :is(div.cell_input, div.highlight, details.withheld)")]
    .filter((element) => ["Left", "Top"].some((side) => parseFloat(getComputedStyle(element)[`border${side}Width`])))
    .map((element) => element.outerHTML.slice(0, 120))"""
# Headings, labels and introductions that a page break could leave behind, and signatures that it could cut: Chromium
# knows no "break-after" in a grid.
SEPARABLE = """() => ["p:has(+ :is(ul, ol))", ".try + p:has(+ section)", "dl.field-list > dt", "dt.sig"]
    .flatMap((kind) => [...document.querySelectorAll(`article ${kind}`)])
    .filter((element) => element.offsetHeight && !element.closest("svg, form, .hide"))
    .filter((element) => {
        const {breakAfter, breakInside} = getComputedStyle(element);
        const together = breakAfter === "avoid" && !getComputedStyle(element.parentElement).display.includes("grid");
        return !together || (element.tagName === "DT" && breakInside !== "avoid");
    })
    .map((element) => element.outerHTML.slice(0, 120))"""
# Numbers in tables that stand on another line than what they belong to.
BROKEN_NUMBERS = """() => [...document.querySelectorAll("article td")].filter((cell) => {
    if (!cell.offsetHeight || !/^[\\d.,]+ (of|to|million)\\b[ \\d.,]*$/.test(cell.textContent)) return false;
    const text = document.createRange();
    text.selectNodeContents(cell);
    return text.getBoundingClientRect().height > 1.8 * parseFloat(getComputedStyle(cell).fontSize);
}).map((cell) => cell.textContent)"""
RAW = re.compile(r"\$|\\[a-z]+\b|^:::|\{[a-z-]+\}`|\]\(\S+\)|\*\*\w[^*\n]*\*\*", re.MULTILINE)


@dataclass
class Visit:
    """What the browser saw on one page: over http in every mode, and from the file system."""

    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    overflow: dict[int, list[str]] = field(default_factory=dict)
    misbuilt: dict[int, list[str]] = field(default_factory=dict)
    unmarked: dict[int, list[str]] = field(default_factory=dict)
    illegible: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    transferred: int = 0
    words: str = ""
    boxes: list[str] = field(default_factory=list)
    shift: float = 0.0
    lines: list[int] = field(default_factory=list)
    in_one_piece: list[tuple[int, str]] = field(default_factory=list)
    at_the_foot: list[str] = field(default_factory=list)
    empty_frames: list[str] = field(default_factory=list)
    separable: list[str] = field(default_factory=list)
    broken_numbers: list[str] = field(default_factory=list)

    def listen(self, page) -> None:
        """Keep what the page asks for and complains about."""
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("requestfailed", lambda request: self.errors.append(f"failed: {request.url}"))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        page.on("response", lambda response: response.status >= 400 and self.errors.append(response.url))


@pytest.fixture(scope="session")
def visit(browser, server, site):
    """Visits a page, once."""

    @cache
    def once(name: str) -> Visit:
        seen = Visit()
        with browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light") as context:
            page = context.new_page()
            seen.listen(page)
            page.goto(f"{server}/{name}.html", wait_until="load")
            seen.shift = page.evaluate(SHIFTED)
            seen.transferred = sum(_transferred(site / url.removeprefix(f"{server}/")) for url in set(seen.requests))
            seen.words = page.evaluate(WORDS)
            seen.boxes = page.evaluate(BOXES)
            page.add_style_tag(content=LAID_OUT)
            page.evaluate(AXE)
            page.evaluate(DROP_LOOK_ALIKES, ["pre span, dt span", True])
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 800})
                page.evaluate(SETTLED)
                seen.overflow[width] = page.evaluate(WIDEST)
                seen.unmarked[width] = page.evaluate(UNMARKED)
                if width != 320:  # laid out as at 375
                    seen.misbuilt[width] = page.evaluate(VIOLATIONS, STRUCTURE)
            page.evaluate(DROP_LOOK_ALIKES, ["body *", False])
            for theme in THEMES:
                page.emulate_media(color_scheme=theme)
                for width in (1280, 375):
                    page.set_viewport_size({"width": width, "height": 800})
                    seen.illegible[theme, width] = page.evaluate(VIOLATIONS, CONTRAST)
            read_and_print(page, seen)
            page.close()
            page = context.new_page()
            seen.listen(page)
            page.goto((site / f"{name}.html").as_uri(), wait_until="load")
            page.close()
        return seen

    return once


def read_and_print(page, seen: Visit) -> None:
    """Measure the lines of a page that has been visited before, then what a printer makes of it.

    On a busy machine the book's letters may come too late for a first visit, which is then read without them.
    """
    page.evaluate("""document.fonts.load('1em "Book Text"')""")
    page.set_viewport_size({"width": 1280, "height": 800})
    page.reload(wait_until="load")
    seen.lines = page.evaluate(LETTERS)
    page.set_viewport_size(SHEET)
    page.emulate_media(media="print", color_scheme="light")
    page.evaluate(OPEN)
    seen.in_one_piece = page.evaluate(IN_ONE_PIECE)
    seen.at_the_foot = page.evaluate(LEFT_AT_THE_FOOT)
    seen.empty_frames = page.evaluate(EMPTY_FRAMES)
    seen.separable = page.evaluate(SEPARABLE)
    seen.broken_numbers = page.evaluate(BROKEN_NUMBERS)


def _transferred(path: Path) -> int:
    """Bytes that a server sends, text compressed as servers do."""
    content = Path(str(path).split("?")[0]).read_bytes()
    return len(content) if path.suffix in (".woff2", ".webp", ".png") else len(gzip.compress(content))


@pytest.mark.parametrize("name", PAGES)
class TestEveryPage:
    def test_asks_no_other_host(self, visit, server, name):
        elsewhere = [url for url in visit(name).requests if not url.startswith((server, "file://", "data:"))]
        assert elsewhere == []

    def test_raises_no_error(self, visit, name):
        assert visit(name).errors == []

    @pytest.mark.parametrize("width", WIDTHS)
    def test_fits_the_screen(self, visit, name, width):
        assert visit(name).overflow[width] == []

    def test_shows_what_scrolls_sideways(self, visit, name):
        assert not any(visit(name).unmarked.values())

    @pytest.mark.parametrize("width", [1280, 375])
    def test_can_be_read_aloud_and_used_without_a_mouse(self, visit, name, width):
        assert visit(name).misbuilt[width] == []

    @pytest.mark.parametrize("width", [1280, 375])
    @pytest.mark.parametrize("theme", THEMES)
    def test_has_contrast(self, visit, name, theme, width):
        assert visit(name).illegible[theme, width] == []

    def test_shows_no_markup(self, visit, name):
        assert RAW.findall(visit(name).words) == []

    def test_has_every_letter_that_it_shows(self, visit, name):
        assert visit(name).boxes == []

    def test_is_light(self, visit, name):
        assert visit(name).transferred <= 140_000
        assert len({url for url in visit(name).requests if url.startswith("http")}) <= 20

    def test_does_not_jump_while_it_loads(self, visit, name):
        assert visit(name).shift <= 0.05


@pytest.mark.parametrize("name", [name for name in chapters() if re.match(r"book/(\d|index|[BDE]_)", name)])
def test_a_line_of_text_has_65_to_75_letters(visit, name):
    lines = visit(name).lines
    assert len(lines) >= 15
    assert 65 <= statistics.median(lines) <= 75
    assert max(lines) <= 85


@pytest.mark.parametrize("name", chapters())
class TestOnPaper:
    def test_no_page_stays_half_empty_for_what_follows(self, visit, name):
        assert [each for each in visit(name).in_one_piece if each[0] > SHEET["height"] / 2] == []

    def test_nothing_that_begins_something_stands_at_the_foot(self, visit, name):
        assert visit(name).at_the_foot == []

    def test_what_introduces_stays_with_what_follows(self, visit, name):
        assert visit(name).separable == []

    def test_a_number_in_a_table_is_in_one_piece(self, visit, name):
        assert visit(name).broken_numbers == []

    def test_no_frame_is_left_empty(self, visit, name):
        assert visit(name).empty_frames == []


def test_formulas_do_not_wait_for_their_letters(browser, server):
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        page = context.new_page()
        page.route("**/*.woff2", lambda route: route.abort())
        page.goto(f"{server}/book/D_solutions.html", wait_until="load")
        loaded = "[...document.fonts].filter((font) => font.status === 'loaded').map((font) => font.family)"
        assert "Book Math" in {name.strip('"') for name in page.evaluate(loaded)}
        assert page.evaluate(SHIFTED) <= 0.05


def test_the_page_for_what_is_missing_can_be_read_by_everyone(browser, server):
    with browser.new_context(viewport={"width": 375, "height": 800}) as context:
        page = context.new_page()
        page.goto(f"{server}/404.html")
        page.evaluate(AXE)
        # axe knows the link to the text by its address, which must name the page here: hosts show it in any folder.
        rules = {"region": {"enabled": False}, "target-size": {"enabled": True}}
        assert page.evaluate(VIOLATIONS, {"rules": rules}) == []
        assert page.evaluate(WIDEST) == []


def test_a_button_copies_a_cell(browser, server):
    with browser.new_context(permissions=["clipboard-read", "clipboard-write"]) as context:
        page = context.new_page()
        page.goto(f"{server}/{chapters()[1]}.html")
        code = page.locator("div.cell_input pre").first
        button = page.locator("div.cell_input button.copybtn").first
        assert button.get_attribute("aria-label") == "Copy"
        button.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("div.cell_input button.copybtn[aria-label=Copied]")
        assert page.evaluate("navigator.clipboard.readText()").strip() == code.inner_text().strip()


def test_the_books_own_fonts_are_used(browser, server):
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{server}/book/C_notation.html")
        page.evaluate("document.fonts.ready")
        loaded = "[...document.fonts].filter((font) => font.status === 'loaded').map((font) => font.family)"
        assert {"Book Math", "Book Text"} <= {name.strip('"') for name in page.evaluate(loaded)}


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_the_search_finds_a_page(browser, server, site, scheme):
    start = server if scheme == "http" else site.as_uri()
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{start}/{chapters()[1]}.html")
        page.keyboard.press("Control+k")
        page.keyboard.type("depthwise")
        page.keyboard.press("Enter")
        page.wait_for_selector("#search-results li a")
        addresses = page.eval_on_selector_all("#search-results li a", "links => links.map((link) => link.href)")
        assert any("03_depthwise_and_pointwise.html" in address for address in addresses)


def test_the_theme_can_be_chosen_and_stays(browser, server):
    with browser.new_context(color_scheme="light") as context:
        page = context.new_page()
        page.goto(f"{server}/{chapters()[1]}.html")
        seen = set()
        for _ in range(3):
            page.click(".theme-switch-button")
            seen.add(
                (
                    page.evaluate("document.documentElement.dataset.mode"),
                    page.evaluate("getComputedStyle(document.body).backgroundColor"),
                )
            )
        assert len({mode for mode, _ in seen}) == 3
        assert len({colour for _, colour in seen}) == 2
        while page.evaluate("document.documentElement.dataset.mode") != "dark":
            page.click(".theme-switch-button")
        page.goto(f"{server}/{chapters()[2]}.html")
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"


class TestKeyboard:
    def test_the_first_stop_leads_to_the_text(self, browser, server):
        with browser.new_context() as context:
            page = context.new_page()
            page.goto(f"{server}/{chapters()[1]}.html")
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.textContent") == "Skip to main content"
            page.keyboard.press("Enter")
            assert page.url.endswith("#main-content")

    def test_opens_an_answer(self, browser, server):
        with browser.new_context() as context:
            page = context.new_page()
            page.goto(f"{server}/{chapters()[1]}.html")
            page.locator("article details > summary").first.focus()
            page.keyboard.press("Enter")
            assert page.locator("article details").first.get_attribute("open") is not None

    def test_opens_and_closes_the_contents_on_a_phone(self, browser, server):
        with browser.new_context(viewport={"width": 375, "height": 800}) as context:
            page = context.new_page()
            page.goto(f"{server}/{chapters()[1]}.html")
            page.locator(".primary-toggle").focus()
            page.keyboard.press("Enter")
            contents = page.locator("#pst-primary-sidebar-modal a", has_text="What it costs")
            contents.wait_for(state="visible")
            page.keyboard.press("Escape")
            contents.wait_for(state="hidden")

    def test_moves_a_slider(self, browser, server):
        with browser.new_context() as context:
            page = context.new_page()
            page.goto(f"{server}/book/04_what_the_split_saves.html")
            page.locator(".mobilenet-explorer input[type=range]").first.focus()
            before = page.locator("[data-result=standard-macs]").first.text_content()
            page.keyboard.press("ArrowRight")
            assert page.locator("[data-result=standard-macs]").first.text_content() != before


@pytest.fixture(scope="module")
def two_of_each(browser):
    """A page with each explorer twice, so that each must keep to itself."""
    each = (
        explorers.separable_layer(),
        explorers.network(),
        explorers.to_scale(),
        explorers.two_slopes(),
        explorers.roofline(1e11, 4e10),
    )
    with browser.new_context() as context:
        page = context.new_page()
        page.set_content("".join(shown._repr_html_() for shown in each * 2))
        yield page


@pytest.fixture
def ask(two_of_each):
    """Types numbers into the last explorer of a kind, and returns what it shows."""

    def results(calculator: str, **settings: float) -> dict[str, str]:
        return two_of_each.evaluate(
            """([calculator, settings]) => {
                const form = [...document.querySelectorAll(`[data-calculator=${calculator}]`)].at(-1);
                for (const [name, value] of Object.entries(settings)) {
                    form.elements[name].value = value;
                    form.elements[name].dispatchEvent(new Event("input", {bubbles: true}));
                }
                return Object.fromEntries([...form.querySelectorAll("[data-result]")]
                    .map((place) => [place.dataset.result, place.textContent]));
            }""",
            [calculator, settings],
        )

    return results


def assert_drawn(page, explorer):
    """The last explorer of this kind is drawn as Python draws it."""
    drawn = page.evaluate(
        """(calculator) => {
            const form = [...document.querySelectorAll(`[data-calculator=${calculator}]`)].at(-1);
            const attributes = (part) => Object.fromEntries([...part.attributes].map(({name, value}) => [name, value]));
            return Object.fromEntries([...form.querySelectorAll("[data-shape]")]
                .map((part) => [part.dataset.shape, attributes(part)]));
        }""",
        explorer.calculator,
    )
    assert set(drawn) == set(explorer.picture.shapes)
    for name, attributes in explorer.picture.shapes.items():
        for attribute, value in attributes.items():
            shown = drawn[name][attribute]
            assert shown == value if isinstance(value, str) else float(shown) == pytest.approx(value, abs=0.11)


class TestExplorers:
    def test_the_layer_agrees_with_python_on_fifty_settings(self, two_of_each, ask):
        draw = random.Random(0)
        for _ in range(50):
            in_channels, out_channels = draw.randint(1, 2048), draw.randint(1, 2048)
            kernel_size, map_size = draw.randrange(1, 16, 2), draw.randint(1, 224)
            shown = ask(
                "layer",
                in_channels=in_channels,
                out_channels=out_channels,
                kernel_size=kernel_size,
                map_size=map_size,
            )
            shape = (in_channels, out_channels, kernel_size, map_size)
            standard = cost.conv2d_cost(*shape, padding=kernel_size // 2)
            separable = cost.depthwise_separable_conv2d_cost(*shape, padding=kernel_size // 2)
            assert shown["standard-macs"] == f"{standard.macs:,}"
            assert shown["standard-params"] == f"{standard.params:,}"
            assert shown["separable-macs"] == f"{separable.macs:,}"
            assert shown["separable-params"] == f"{separable.params:,}"
            assert f" = {cost.reduction_ratio(out_channels, kernel_size)} = " in shown["summary"]
            assert shown == explorers.separable_layer(*shape).results
            assert_drawn(two_of_each, explorers.separable_layer(*shape))

    def test_the_network_agrees_with_python_on_fifty_settings(self, two_of_each, ask):
        draw = random.Random(1)
        for _ in range(50):
            width, resolution = draw.choice(explorers.WIDTH_MULTIPLIERS), draw.choice(explorers.RESOLUTIONS)
            classes, macs, params = draw.randint(1, 20_000), draw.randint(1, 800), draw.randint(1, 30)
            shown = ask(
                "network",
                width_multiplier=width,
                resolution=resolution,
                num_classes=classes,
                budget_macs=macs,
                budget_params=params,
            )
            whole = architecture.mobilenet_v1(width, resolution, classes)
            for kind, part in {**whole.cost_by_kind(), "all": whole.cost}.items():
                if kind != "pooling":
                    assert shown[f"{kind}-macs"] == f"{part.macs:,}"
                    assert shown[f"{kind}-params"] == f"{part.params:,}"
            assert shown == explorers.network(width, resolution, classes, macs, params).results
            assert_drawn(two_of_each, explorers.network(width, resolution, classes, macs, params))

    def test_each_layer_of_the_drawing_agrees_with_python(self, two_of_each, ask):
        draw = random.Random(2)
        for layer in range(1, 29):
            width, resolution = draw.choice(explorers.WIDTH_MULTIPLIERS), draw.choice(explorers.RESOLUTIONS)
            settings = {"width_multiplier": width, "resolution": resolution, "num_classes": 10, "layer": layer}
            assert ask("to_scale", **settings) == explorers.to_scale(width, resolution, 10, layer).results
            assert_drawn(two_of_each, explorers.to_scale(width, resolution, 10, layer))

    def test_the_two_slopes_agree_with_python(self, two_of_each, ask):
        draw = random.Random(4)
        for _ in range(20):
            taps, weights = [draw.randint(-12, 12) / 4 for _ in range(9)], [draw.randint(-8, 8) / 4 for _ in range(2)]
            names = [f"f{row}{column}" for row in (1, 2, 3) for column in (1, 2, 3)]
            settings = dict(zip([*names, "w1", "w2"], [*taps, *weights], strict=True))
            assert ask("two_slopes", **settings) == explorers.two_slopes(taps, weights).results
            assert_drawn(two_of_each, explorers.two_slopes(taps, weights))

    def test_the_roof_agrees_with_python(self, two_of_each, ask):
        for batch_size, size in itertools.product((1, 2, 16, 64), (2, 4)):
            expected = explorers.roofline(1e11, 4e10, batch_size, size)
            assert ask("roofline", batch_size=batch_size, bytes_per_element=size) == expected.results
            assert_drawn(two_of_each, expected)

    def test_touching_a_layer_chooses_it(self, two_of_each, ask):
        ask("to_scale", width_multiplier=1, resolution=224)
        form = two_of_each.locator("[data-calculator=to_scale]").last
        form.locator("[data-layer='3']").dispatch_event("pointerdown")
        assert form.locator("[data-result=layer]").text_content().startswith("blocks.0.pointwise: pointwise, 1×1")

    def test_what_no_layer_can_have_is_refused(self, ask):
        shown = ask("layer", kernel_size=4)
        assert shown["summary"] == "kernel_size (D_K): 1 to 15 in steps of 2."
        assert shown["standard-macs"] == "–"
        ask("layer", kernel_size=3)

    def test_one_explorer_leaves_the_other_alone(self, two_of_each, ask):
        ask("layer", in_channels=7)
        first = two_of_each.locator("[data-calculator=layer] input[name=in_channels]").first
        assert first.input_value() == "512"

    def test_slider_and_box_move_together(self, two_of_each):
        form = two_of_each.locator("[data-calculator=layer]").first
        form.get_by_label("in_channels (M), slider").fill("64")
        assert form.locator("input[name=in_channels]").input_value() == "64"
        form.locator("input[name=in_channels]").fill("32")
        assert form.get_by_label("in_channels (M), slider").input_value() == "32"
