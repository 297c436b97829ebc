"""What can be seen of a page: the style's words in figures on a phone, and that what goes on sideways says so."""

import base64
import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image
from test_pages import NOTEBOOKS, drawings

from mobilenet_edu import drawings as drawings_that_move
from mobilenet_edu import explorers, plots

PHONE, POINTS = 375, 72


def font_size():
    plots.use_style()
    return plt.rcParams["font.size"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_words_of_the_styles_size_are_nine_pixels_high_on_a_phone(path):
    for place, cell in drawings(path):
        (picture,) = (output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {}))
        inches = Image.open(io.BytesIO(base64.b64decode(picture))).width / 144
        assert font_size() / POINTS * PHONE / inches >= 9, f"cell {place}: {inches:.1f} inches wide"


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


EXPLORERS = [
    explorers.separable_layer(),
    explorers.network(),
    explorers.to_scale(),
    explorers.two_slopes(),
    explorers.roofline(1e11, 4e10),
]
each_explorer = pytest.mark.parametrize("shown", EXPLORERS, ids=lambda shown: shown.calculator)
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
