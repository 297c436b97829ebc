"""The convolution that splits, driven in a browser as a reader drives it."""

import pytest

from mobilenet_edu import drawings

pytestmark = pytest.mark.browser
STATES = drawings.states()
SPLIT = next(at for at, state in enumerate(STATES) if state.stage == "split")


@pytest.fixture
def page(browser):
    """A page with two drawings, so that each must keep to itself."""
    with browser.new_context() as context:
        page = context.new_page()
        errors = []
        page.on("pageerror", lambda error: errors.append(error))
        page.set_content(2 * drawings.Splitting()._repr_html_())
        yield page
        assert not errors


def shown(page):
    """What the first drawing shows: its counters, its sentence, the keys that are lit and those without a number."""
    return page.evaluate(
        """() => {
            const figure = document.querySelector(".mobilenet-splitting");
            const keys = (query) => [...figure.querySelectorAll(query)].map((cell) => cell.dataset.key);
            return {
                counts: [...figure.querySelectorAll("[data-count]")].map((count) => Number(count.textContent)),
                says: figure.querySelector("output").textContent,
                lit: keys(".lit"), later: keys(".later"), stage: figure.dataset.stage,
            };
        }"""
    )


def test_every_moment_is_the_one_that_python_worked_out(page):
    slider = page.locator("input").first
    slider.focus()
    page.keyboard.press("Home")
    for at, state in enumerate(STATES):
        now = shown(page)
        assert now["counts"] == [state.standard, state.depthwise, state.pointwise]
        assert (now["says"], now["stage"], set(now["lit"])) == (state.says, state.stage, set(state.lit))
        assert not set(now["lit"]) & set(now["later"])  # a number is there when it is made
        assert slider.get_attribute("aria-valuetext") == state.says
        assert slider.input_value() == str(at)
        page.keyboard.press("ArrowRight")


def test_numbers_appear_when_they_are_made_and_again_after_the_split(page):
    slider = page.locator("input").first
    outputs = {f"output-{n}-{y}-{x}" for n in range(3) for y in range(2) for x in range(2)}
    for at, without in ((0, outputs), (SPLIT - 1, set()), (SPLIT, outputs), (len(STATES) - 1, set())):
        slider.evaluate("(slider, at) => { slider.value = at; slider.dispatchEvent(new Event('input')); }", at)
        assert {key for key in shown(page)["later"] if key.startswith("output")} == without


def test_it_opens_with_the_whole_story_and_one_step_further_is_the_start(page):
    assert shown(page)["says"] == STATES[-1].says
    assert not shown(page)["later"]
    page.locator("[data-go=on]").first.click()
    assert shown(page)["says"] == STATES[0].says


def test_a_stage_names_the_steps_that_it_shows(page):
    for button, steps in (("on", ["standard"]), ("split", ["depthwise", "pointwise"])):
        page.locator(f"[data-go={button}]").first.click()
        page.wait_for_function(
            """(steps) => {
                const named = [...document.querySelector(".mobilenet-splitting").querySelectorAll("g tspan.head")]
                    .filter((name) => getComputedStyle(name.closest("g")).opacity === "1");
                return named.map((name) => name.textContent).join() === steps.join();
            }""",
            arg=steps,
        )


def test_touching_an_output_goes_to_the_moment_that_makes_it(page):
    page.locator("[data-go=on]").first.click()
    page.locator("[data-key=output-1-0-1]").first.click()
    before = shown(page)
    assert before["stage"] == "standard"
    assert "output-1-0-1" in before["lit"]
    page.locator("[data-go=split]").first.click()
    page.locator("[data-go=play]").first.click()
    page.locator("[data-key=output-1-0-1]").first.click()
    after = shown(page)
    assert after["stage"] == "split"
    assert {"map-0-0-1", "map-1-0-1", "matrix-1-0-0", "matrix-1-0-1", "output-1-0-1"} == set(after["lit"])


def test_it_plays_to_the_end_and_stops(page):
    page.clock.install()
    page.locator("[data-go=play]").first.click()
    assert page.locator("[data-go=play]").first.text_content() == "Pause"
    assert page.locator("output").first.get_attribute("aria-live") == "off"
    page.clock.run_for(600 * len(STATES))
    assert shown(page)["says"] == STATES[-1].says
    assert page.locator("[data-go=play]").first.text_content() == "Play"
    assert page.locator("output").first.get_attribute("aria-live") == "polite"


def test_the_second_drawing_stays_where_it_is(page):
    page.locator("[data-go=on]").first.click()
    assert page.locator("output").nth(1).text_content() == STATES[-1].says


def test_without_a_script_the_whole_drawing_stands(browser):
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.set_content(drawings.Splitting()._repr_html_())
        assert page.locator("output").text_content() == STATES[-1].says
        assert not page.locator("button").first.is_visible()
        assert page.locator("[data-key=output-0-0-0] text").is_visible()
