"""What can be seen of a page: the words in figures on a phone, and that what goes on sideways says so."""

import io
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pages
import pytest
from bs4 import BeautifulSoup
from drawn import PHONE, contrast, small_words
from PIL import Image
from test_pages import NOTEBOOKS, drawings

from mobilenet_edu import drawings as drawings_that_move
from mobilenet_edu import explorers, plots


def test_a_small_title_label_or_number_is_found_wherever_it_stands():
    plots.use_style()
    figure, axes = plt.subplots(figsize=(7.2, 3))
    axes.bar_label(axes.bar([0, 1], [2, 3]))
    axes.set(title="a title", xlabel="a label")
    figure.canvas.draw()
    assert small_words(figure, 7.3) == []
    axes.set_title("small", fontsize=11)
    axes.annotate("tiny", (0, 0), size=8)
    axes.set_xticks([0, 1], ["left", "right"], size=10)
    axes.text(0, 0, " ", size=1)
    figure.legend(["entry"], fontsize="x-small")
    figure.canvas.draw()
    assert {"small", "tiny", "entry", "right"} <= set(small_words(figure, 7.3))
    assert "a label" not in small_words(figure, 7.3)
    plt.close(figure)


@pytest.mark.parametrize("path", [path for path in NOTEBOOKS if drawings(path)], ids=lambda path: path.stem)
def test_the_words_of_every_figure_are_measured(path):
    """Each notebook's figures are drawn by a test of its own, and `drawn.figures` measures them there."""
    named = [cell.metadata.get("mystnb", {}).get("figure", {}).get("name") for _, cell in drawings(path)]
    assert all(named)
    tests = "".join(test.read_text(encoding="utf-8") for test in Path(__file__).parent.glob("test_*.py"))
    assert any(path.stem.startswith(chapter) for chapter in re.findall(r'figures\("(\w+)"', tests))


@pytest.mark.browser
@pytest.mark.parametrize("hidden", [6, 12, 60])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_arrow_shows_what_is_left_to_scroll_and_goes_at_the_end(browser, server, scheme, hidden):
    with browser.new_context(viewport={"width": PHONE, "height": 800}, color_scheme=scheme) as context:
        page = context.new_page()
        page.goto(f"{server}/book/01_standard_convolution.html")
        page.evaluate(
            """(hidden) => {
                const container = document.createElement("div");
                container.className = "pst-scrollable-table-container";
                container.innerHTML = `<div style="width: ${300 + hidden}px; height: 90px"></div>`;
                container.style = "width: 300px; height: 90px; position: fixed; top: 80px; left: 20px";
                container.id = "tried";
                document.querySelector("article").append(container);
                dispatchEvent(new Event("resize"));
            }""",
            hidden,
        )
        page.wait_for_selector("#tried[data-scrolls]")
        page.wait_for_function("!document.querySelector('.waits')")  # the text is shown with its letters
        marked = []
        for end in (False, True):
            page.evaluate("(end) => { document.getElementById('tried').scrollLeft = end ? 1000 : 0 }", end)
            clip = {"x": 320 - 14, "y": 80 + 30, "width": 11, "height": 30}
            seen = np.array(Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("L"), dtype=int)
            marked.append((abs(seen - np.median(seen[:3])) > 40).sum())
        assert marked[0] > 15  # the arrow
        assert marked[1] == 0


@pytest.mark.browser
def test_a_table_that_nearly_fits_closes_its_columns(browser, server):
    with browser.new_context(viewport={"width": PHONE, "height": 800}) as context:
        page = context.new_page()
        page.goto(f"{server}/book/03_depthwise_and_pointwise.html")
        page.evaluate("document.querySelectorAll('details.withheld').forEach((details) => { details.open = true })")
        page.wait_for_selector(".tight")
        tables = page.locator(".pst-scrollable-table-container")
        cut = [
            table.evaluate("(table) => table.scrollWidth > table.clientWidth && !('scrolls' in table.dataset)")
            for table in tables.all()
        ]
        assert cut
        assert not any(cut)


@pytest.mark.parametrize("kept", ["5 %", "17 MB", "4.2 million", "α = 0.25", "ρ < 1"])
def test_a_number_stands_with_what_belongs_to_it(kept):
    page = BeautifulSoup(f"<article>With {kept}, or <code>{kept}</code>, millions of 3 pixels</article>", "html.parser")
    pages.keep_units(page)
    bound = kept.replace(" ", "\u00a0")
    assert page.article.text == f"With {bound}, or {kept}, millions of 3 pixels"


@pytest.mark.browser
def test_code_of_which_only_the_padding_is_too_wide_does_not_scroll(browser, server):
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        page = context.new_page()
        page.goto(f"{server}/book/08_training.html")
        page.wait_for_selector("pre[data-scrolls]")
        hidden = """(pre) => {
            const range = document.createRange();
            range.selectNodeContents(pre);
            return range.getBoundingClientRect().right - pre.getBoundingClientRect().right;
        }"""
        assert all(pre.evaluate(hidden) > 0 for pre in page.locator("article pre[data-scrolls]:visible").all())


@pytest.mark.browser
def test_what_scrolls_is_seen_in_forced_colours(browser, server):
    with browser.new_context(viewport={"width": 1280, "height": 800}, forced_colors="active") as context:
        page = context.new_page()
        page.goto(f"{server}/book/08_training.html")
        pre = page.locator("article pre[data-scrolls]:visible").first
        paper, edge, ground = pre.evaluate(
            """(pre) => {
                const {backgroundColor, backgroundImage, borderRightStyle} = getComputedStyle(pre);
                return [backgroundColor, borderRightStyle, backgroundImage.split("linear-gradient")[1]];
            }"""
        )
        assert edge == "dashed"
        assert paper in ground  # what covers the shadow at the end is the paper that the colours ask for


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_letters_of_a_figure_have_contrast_and_its_light_greys_stay_apart(browser, server, scheme):
    greys = [plots.INK, "#ffffff", "#f4f4f4"]
    squares = "".join(f"<rect x='{20 * at}' width='20' height='20' fill='{grey}'/>" for at, grey in enumerate(greys))
    picture = f"<svg xmlns='http://www.w3.org/2000/svg' width='80' height='20'>{squares}</svg>"
    with browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme=scheme) as context:
        page = context.new_page()
        page.goto(f"{server}/book/04_what_the_split_saves.html")
        page.wait_for_function("!document.querySelector('.waits')")
        page.evaluate(
            """async (source) => {
                const place = document.createElement("div");
                place.className = "bd-content";
                place.style = "position: fixed; inset: 0; z-index: 9999; background: var(--pst-color-background)";
                place.innerHTML = "<div class='bd-article'><div class='cell_output'><img></div></div>";
                const image = place.querySelector("img");
                image.style = "position: fixed; top: 0; left: 0; margin: 0; padding: 0; border-radius: 0";
                image.src = "data:image/svg+xml," + encodeURIComponent(source);
                document.body.append(place);
                await image.decode();
            }""",
            picture,
        )
        clip = {"x": 0, "y": 0, "width": 80, "height": 20}
        seen = np.array(Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB"))
        ink, white, light, paper = ("#" + bytes(seen[10, at]).hex() for at in (10, 30, 50, 70))
        assert contrast(ink, paper) >= 4.5
        assert contrast(white, light) >= 1.05
        assert contrast(white, "#ffffff") < 1.02


EXPLORERS = [
    explorers.separable_layer(),
    explorers.network(),
    explorers.to_scale(),
    explorers.two_slopes(),
    explorers.roofline(1e11, 4e10),
]
each_explorer = pytest.mark.parametrize("shown", EXPLORERS, ids=lambda shown: shown.calculator)
MOVING = [drawings_that_move.Splitting(), *EXPLORERS]
each_drawing = pytest.mark.parametrize("shown", MOVING, ids=lambda shown: getattr(shown, "calculator", "splitting"))
STATE = "[...document.querySelectorAll('output, [data-shape], [data-result]')].map((part) => part.outerHTML).join()"


@pytest.mark.browser
@each_explorer
def test_every_input_of_an_explorer_works_by_keyboard_and_what_follows_is_read_aloud(browser, shown):
    with browser.new_context() as context:
        page = context.new_page()
        page.set_content(shown._repr_html_())
        for _ in page.locator("input").all():
            page.keyboard.press("Tab")
            assert page.evaluate(
                "document.activeElement.labels.length > 0 || document.activeElement.ariaLabel !== null"
            )
            before = page.evaluate(STATE)
            page.keyboard.press("ArrowDown")
            if page.evaluate(STATE) == before:  # it was at its least
                page.keyboard.press("ArrowUp")
            assert page.evaluate(STATE) != before
        outputs = page.locator("output")
        assert outputs.count() > 0
        assert all(output.get_attribute("aria-live") == "polite" for output in outputs.all())


@pytest.mark.browser
@each_explorer
def test_without_a_script_an_explorer_is_a_still_picture_with_its_numbers(browser, shown):
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.set_content(shown._repr_html_())
        assert page.locator("svg").is_visible()
        for name, value in shown.results.items():
            assert page.locator(f"[data-result='{name}']").first.text_content() == value


@pytest.mark.browser
def test_nothing_glides_for_who_wants_less_motion(browser):
    with browser.new_context(reduced_motion="reduce") as context:
        page = context.new_page()
        page.set_content(drawings_that_move.Splitting()._repr_html_())
        durations = page.eval_on_selector_all(
            "*", "all => all.map((each) => getComputedStyle(each).transitionDuration)"
        )
        assert set(durations) == {"0s"}


def output_of_a_notebook(shown, dark=False):
    """A page with nothing but the drawing, as the frame in which Colab shows an output: no style but the drawing's."""
    look = "color-scheme: dark; background: #1e1e1e; color: #d5d5d5" if dark else ""
    return (
        f'<!doctype html><meta name="viewport" content="width=device-width"><html style="{look}"><body '
        f'style="margin: 8px; font: 14px sans-serif">{shown._repr_html_()}'
    )


@pytest.mark.browser
@pytest.mark.parametrize("width", [320, PHONE, 1280])
@each_drawing
def test_in_a_notebook_a_drawing_keeps_to_its_frame_and_its_letters_to_a_size_to_read(browser, shown, width):
    with browser.new_context(viewport={"width": width, "height": 700}) as context:
        page = context.new_page()
        page.set_content(output_of_a_notebook(shown))
        outside = page.evaluate(
            """() => {
                const frame = document.querySelector("form, .mobilenet-splitting").getBoundingClientRect();
                return [...document.querySelectorAll("form *, .mobilenet-splitting *")].filter((part) => {
                    const { left, right, width } = part.getBoundingClientRect();
                    return width && (left < frame.left - 1 || right > frame.right + 1);
                }).map((part) => part.outerHTML.slice(0, 80));
            }"""
        )
        assert outside == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        letters = page.evaluate(
            """() => {
                const unit = document.querySelector("svg").getBoundingClientRect().width / 480;
                const words = [...document.querySelectorAll("svg text")];
                return words.map((text) => unit * parseFloat(getComputedStyle(text).fontSize));
            }"""
        )
        assert min(letters) >= (9 if width >= PHONE else 8)
        assert max(letters) <= 24


@pytest.mark.browser
@each_drawing
def test_no_word_of_a_drawing_lies_on_another(browser, shown):
    with browser.new_context(viewport={"width": PHONE, "height": 700}, reduced_motion="reduce") as context:
        page = context.new_page()
        page.set_content(output_of_a_notebook(shown))
        ends = ["End", "Home"] if isinstance(shown, drawings_that_move.Splitting) else ["", *("Home", "End")]
        for end in ends:
            for slider in page.locator("input[type=range]").all():
                slider.focus()
                if end:
                    page.keyboard.press(end)
            collide = page.evaluate(
                """() => {
                    const hidden = (part) => {
                        const { opacity, visibility } = getComputedStyle(part);
                        return opacity === "0" || visibility === "hidden";
                    };
                    const seen = (text) => {
                        for (let part = text; part.tagName !== "svg"; part = part.parentElement)
                            if (hidden(part)) return false;
                        return text.textContent !== "";
                    };
                    const place = (text) => {
                        const { left, right, top, height } = text.getBoundingClientRect();
                        const [upper, lower] = [top + height / 5, top + 0.8 * height]; // of the letters
                        return { text: text.textContent, left, right, top: upper, bottom: lower };
                    };
                    const words = [...document.querySelectorAll("svg text")].filter(seen).map(place);
                    return words.flatMap((a, at) => words.slice(at + 1).filter((b) =>
                        a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom
                    ).map((b) => `${a.text} on ${b.text}`));
                }"""
            )
            assert collide == []


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True])
@each_drawing
def test_in_forced_colours_what_tells_layers_apart_keeps_its_own(browser, shown, dark):
    with browser.new_context(forced_colors="active", color_scheme="dark" if dark else "light") as context:
        page = context.new_page()
        page.set_content(output_of_a_notebook(shown))
        kept = page.evaluate(
            """() => {
                const painted = [...document.querySelectorAll("th span[style], svg [fill^='#'], svg circle[style]")];
                return painted.map((part) => {
                    const paint = part.tagName === "SPAN" ? "background-color" : "fill";
                    const seen = getComputedStyle(part).getPropertyValue(paint);
                    part.style.forcedColorAdjust = "none";
                    return [seen, getComputedStyle(part).getPropertyValue(paint)];
                });
            }"""
        )
        assert kept
        assert all(seen == own for seen, own in kept)


@pytest.mark.browser
def test_escape_stops_the_drawing_that_plays(browser):
    with browser.new_context() as context:
        page = context.new_page()
        page.set_content(output_of_a_notebook(drawings_that_move.Splitting()))
        play = page.locator("[data-go=play]")
        play.focus()
        page.keyboard.press("Enter")
        assert play.text_content() == "Pause"
        page.keyboard.press("Escape")
        assert play.text_content() == "Play"


@pytest.mark.browser
def test_on_a_phone_the_index_is_one_column(browser, server):
    with browser.new_context(viewport={"width": PHONE, "height": 800}) as context:
        page = context.new_page()
        page.goto(f"{server}/genindex.html")
        edges = page.eval_on_selector_all(
            ".indextable td", "cells => cells.map((cell) => cell.getBoundingClientRect().right)"
        )
        assert len(edges) > 20
        assert max(edges) <= PHONE


@pytest.mark.browser
@pytest.mark.parametrize("name", ["10_making_it_faster", "B_the_paper_checked"])  # between long titles
def test_on_a_phone_the_arrows_to_the_neighbours_keep_their_size(browser, server, name):
    with browser.new_context(viewport={"width": PHONE, "height": 800}) as context:
        page = context.new_page()
        page.goto(f"{server}/book/{name}.html")
        shown = page.eval_on_selector_all(
            ".prev-next-area .icon",
            """icons => icons.map((icon) => {
                const { left, right, width, height } = icon.getBoundingClientRect();
                return [left, right, width / height, icon.viewBox.baseVal.width / icon.viewBox.baseVal.height];
            })""",
        )
        assert len(shown) == 2
        for left, right, ratio, drawn in shown:
            assert left >= 0
            assert right <= PHONE
            assert ratio == pytest.approx(drawn, abs=0.01)


@pytest.mark.browser
def test_on_a_phone_no_parameter_of_a_signature_is_broken_for_want_of_a_space(browser, server):
    with browser.new_context(viewport={"width": PHONE, "height": 800}) as context:
        page = context.new_page()
        page.goto(f"{server}/book/F_api.html")
        page.add_style_tag(content="* { content-visibility: visible !important }")
        broken = page.eval_on_selector_all(
            "dt.sig .sig-param > .n:first-child",
            "names => names.filter((name) => name.getClientRects().length > 1).map((name) => name.textContent)",
        )
        assert broken == []


@pytest.mark.browser
def test_a_table_behind_a_line_has_the_paper_of_what_it_stands_in(browser, server):
    with browser.new_context(viewport={"width": PHONE, "height": 800}, color_scheme="dark") as context:
        page = context.new_page()
        page.goto(f"{server}/book/11_someone_elses_weights.html")
        page.eval_on_selector_all("article details", "all => all.forEach((each) => { each.open = true })")
        page.wait_for_selector(".cell_output details [data-scrolls]", timeout=10_000)
        table, box = page.eval_on_selector(
            ".cell_output details [data-scrolls]",
            "table => [table, table.closest('details')].map((part) => getComputedStyle(part).backgroundColor)",
        )
        assert table == box


@pytest.mark.browser
@pytest.mark.parametrize("width", [PHONE, 1280])
def test_a_figure_is_as_large_on_dark_paper_as_on_light(browser, server, width):
    sizes = []
    for scheme in "light", "dark":
        with browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme) as context:
            page = context.new_page()
            page.goto(f"{server}/book/08_training.html")
            # `width` is that of what is drawn, without a frame
            sizes.append(page.eval_on_selector_all(".cell_output img", "all => all.map((each) => each.width)"))
    assert sizes[0] == sizes[1] != []
