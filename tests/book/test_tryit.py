"""A reader answers exercises in the page, changes cells, and takes along what is done. Nothing loads before a click."""

from __future__ import annotations

import importlib
import json
import re

import nbformat
import page as page_module
import pytest
import tryit
from bs4 import BeautifulSoup
from contents import ROOT, chapters
from test_browser import AXE, SETTLED, THEMES, WIDEST, WIDTHS

from mobilenet_edu.exercises import chapters as exercise_chapters
from mobilenet_edu.exercises import exercises_of

WITH_EXERCISES = [name for name in chapters() if re.search(r"/\d\d_", name)]
CHAPTER_2, CHAPTER_4 = (next(name for name in chapters() if f"/0{i}_" in name) for i in (2, 4))
OF_OURS = """async (places) =>
    (await axe.run([...document.querySelectorAll(places)], {resultTypes: ["violations"]})).violations
        .flatMap(({id, nodes}) => nodes.map(({html}) => `${id}: ${html.slice(0, 200)}`))"""
RIGHT = """def conv2d_params(in_channels, out_channels, kernel_size, bias):
    weights = kernel_size[0] * kernel_size[1] * in_channels * out_channels
    return weights + (out_channels if bias else 0)
"""
FORGOTTEN = RIGHT.replace(" + (out_channels if bias else 0)", "")
ENDLESS = "def conv2d_params(*_):\n    while True:\n        pass\n"


@pytest.fixture(scope="session")
def facts(site):
    """What can be tried, as the pages know it."""
    path = site / "try" / "exercises.json"
    if not path.exists() and not tryit.required():
        pytest.skip("the pages were built without npm: nothing can be tried in them")
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def reader(browser, server, facts):
    """A reader with an empty machine, at chapter 2."""
    with browser.new_context(permissions=["clipboard-read"]) as context:
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda message: message.type == "error" and page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(f"{server}/{CHAPTER_2}.html")
        yield page
        assert page.complaints == []


def opened(page, exercise="conv2d_params"):
    """The exercise's place in the page, once the reader has pressed its button."""
    place = page.locator(f".try[data-exercise={exercise}]")
    place.get_by_role("button").first.click()
    place.get_by_label("Your answer").wait_for()
    return place


def checked(place, answer):
    """What the page says of an answer."""
    place.get_by_label("Your answer").fill(answer)
    return said(place, lambda: place.get_by_role("button", name="Check").click())


def said(place, act):
    verdict = place.locator(".verdict")
    verdict.evaluate("(element) => (element.textContent = '')")
    act()
    place.page.wait_for_function(
        "(element) => !['', 'One moment …'].includes(element.textContent)",
        arg=verdict.element_handle(),
        timeout=120_000,
    )
    return verdict.text_content()


class TestThePages:
    @pytest.mark.parametrize("name", WITH_EXERCISES)
    def test_offer_every_checked_exercise_here_or_in_colab(self, site, facts, name):
        source = nbformat.read(ROOT / f"{name}.ipynb", as_version=4)
        checks = [cell for cell in source.cells if re.match(r"exercises\.ch\d\d\.\w+\.check\(", cell.source)]
        page = BeautifulSoup((site / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
        here = [offer["data-exercise"] for offer in page.select(".try[data-exercise]")]
        colab = page.select("p.try > a[href*=colab]")
        assert len(here) + len(colab) == len(checks)
        assert here == list(facts["chapters"].get(f"ch{name[5:7]}", {"exercises": ()})["exercises"])

    def test_offer_more_than_half_of_the_exercises_here(self, facts):
        here = [name for chapter in facts["chapters"].values() for name in chapter["exercises"]]
        assert len(here) >= 40
        assert len(facts["chapters"]) >= 10

    def test_say_how_much_will_be_loaded(self, site, facts):
        page = BeautifulSoup((site / f"{CHAPTER_2}.html").read_text(encoding="utf-8"), "html.parser")
        for offer in page.select(".try[data-chapter]"):
            assert f"{facts['compressed'] / 1e6:.1f}\N{NO-BREAK SPACE}MB" in offer.span.text
        assert facts["compressed"] < 7_000_000

    def test_bring_the_runtime_as_npm_has_it(self, site, facts):
        package = json.loads((site / "try" / "package.json").read_text(encoding="utf-8"))
        assert f"{package['name']}@{package['version']}" == tryit.PYODIDE
        assert package["license"] in (site / "try" / "LICENSES.txt").read_text(encoding="utf-8") or "Mozilla" in (
            site / "try" / "LICENSES.txt"
        ).read_text(encoding="utf-8")

    def test_name_the_runtime_in_one_place(self):
        version = tryit.PYODIDE.partition("@")[2]
        folders = [ROOT / name for name in ("book", "scripts", "tests", "experiments", ".ci", ".github")]
        files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        texts = [path for path in (*files, *ROOT.glob("*.*")) if path.suffix in (".py", ".js", ".yml", ".toml", ".md")]
        assert [path.name for path in texts if version in path.read_text(encoding="utf-8")] == ["tryit.py"]


def test_without_npm_the_build_says_so_and_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(tryit.REQUIRED, raising=False)
    assert tryit.prepare(ROOT / "book", tmp_path / "cache", tmp_path / "try") == {}
    assert "without exercises to try in them: npm is not installed" in capsys.readouterr().out
    page = BeautifulSoup(
        '<a class="page-button" href="https://colab.example/book">Colab</a><div class="cell tag_exercise">def f</div>'
        '<div class="cell tag_exercise"><pre>exercises.ch02.f.check(f)</pre></div>',
        "html.parser",
    )
    tryit.offer(page, "02_what", {})
    assert page.select_one("p.try > a")["href"] == "https://colab.example/book"
    monkeypatch.setenv(tryit.REQUIRED, "1")
    with pytest.raises(RuntimeError, match="npm is not installed"):
        tryit.prepare(ROOT / "book", tmp_path / "cache", tmp_path / "try")


class TestPythonsSide:
    def test_shows_what_a_cell_prints_and_its_last_value(self):
        assert page_module.run("print('a')\n6 * 7", []) == "a\n42\n"

    def test_runs_what_came_before_as_far_as_it_can(self):
        assert page_module.run("x", ["import torch_is_not_here", "x = 3"]) == "3\n"

    @pytest.mark.parametrize(
        ("source", "text"),
        [
            ("def f(:\n    1", "SyntaxError"),
            ("a = 1\nb = a / 0", "ZeroDivisionError: division by zero\n  line 2: b = a / 0"),
            ("raise SystemExit(3)", "SystemExit: 3"),
        ],
    )
    def test_says_in_which_line_a_cell_fails(self, source, text):
        assert text in page_module.run(source, [])

    def test_cuts_what_is_too_long(self):
        assert len(page_module.run("print('x' * 10**6)", [])) < 6000

    def test_asks_for_the_function_by_its_name(self):
        found = page_module.check("ch02", "conv2d_params", "def other(): return 1", [])
        assert found == {"outcome": "not answered", "text": "Not answered yet: call your function `conv2d_params`."}


@pytest.mark.browser
class TestAReader:
    def test_loads_nothing_before_a_click(self, browser, server, facts):
        with browser.new_context() as context:
            page = context.new_page()
            asked = []
            page.on("request", lambda request: asked.append(request.url))
            page.goto(f"{server}/{CHAPTER_2}.html", wait_until="networkidle")
            assert not [url for url in asked if "/try/" in url]
            place = opened(page)
            assert checked(place, RIGHT).startswith("Correct")
            assert [url for url in asked if url.endswith(".wasm")]
            assert not [url for url in asked if not url.startswith((server, "data:", "blob:"))]

    def test_is_told_the_mistake_mends_it_and_finds_all_of_it_again(self, reader):
        place = opened(reader)
        assert checked(place, FORGOTTEN).startswith("Not yet. You forgot the bias")
        assert checked(place, ENDLESS) == "Timed out after 5 seconds. Does a loop never end, or run far too often?"
        assert "ZeroDivisionError" in checked(place, "def conv2d_params(*_):\n    return 1 / 0\n")
        assert "SyntaxError" in checked(place, "def conv2d_params(:\n")
        assert checked(place, RIGHT) == "Correct, in all 23 cases tried."
        reader.reload()
        place = reader.locator(".try[data-exercise=conv2d_params]")
        assert "Solved" in place.text_content()
        place.get_by_role("button", name="Go on with your answer").click()
        assert place.get_by_label("Your answer").input_value() == RIGHT

    def test_takes_hints_starts_again_and_can_undo_that(self, reader):
        place = opened(reader, "least_milliseconds")
        field = place.get_by_label("Your answer")
        stub = field.input_value()
        assert "..." in stub
        assert said(place, lambda: place.get_by_role("button", name="Check").click()).startswith("Not answered yet")
        hints = place.locator("xpath=ancestor::section[1]").locator("> details")
        for shown in (1, 2, 3):
            place.get_by_role("button", name="Hint").click()
            assert hints.locator("xpath=self::*[@open]").count() == shown
        field.fill("something else")
        place.get_by_role("button", name="Reset").click()
        assert field.input_value() == stub
        reader.keyboard.press("Control+z")
        assert field.input_value() == "something else"
        assert "D_solutions" in place.get_by_role("link", name="Solution").get_attribute("href")

    def test_writes_code_and_leaves_the_field_by_the_keyboard_alone(self, reader):
        place = opened(reader)
        field = place.get_by_label("Your answer")
        field.fill("")
        for key in ("d", "e", "f", " ", "f", ":", "Enter", "x", "Enter", "Backspace", "y"):
            reader.keyboard.press(key)
        assert field.input_value() == "def f:\n    x\ny"
        reader.keyboard.press("Tab")
        assert field.input_value() == "def f:\n    x\ny   "
        reader.keyboard.press("Control+a")
        reader.keyboard.press("Tab")
        assert field.input_value() == "    def f:\n        x\n    y   "
        reader.keyboard.press("Shift+Tab")
        assert field.input_value() == "def f:\n    x\ny   "
        reader.keyboard.press("Escape")
        reader.keyboard.press("Tab")
        assert reader.evaluate("document.activeElement.textContent") == "Check"
        reader.keyboard.press("Shift+Tab")
        field.fill(RIGHT)
        assert said(place, lambda: reader.keyboard.press("Control+Enter")).startswith("Correct")

    def test_sees_exports_clears_and_imports_what_is_done(self, reader, tmp_path):
        place = opened(reader)
        checked(place, RIGHT)
        reader.get_by_role("button", name="Your progress").click()
        dialog = reader.get_by_role("dialog")
        dialog.get_by_text("The parameters of a layer").wait_for()
        assert re.search(r"What it costs: 1 of \d", dialog.text_content())
        with reader.expect_download() as download:
            dialog.get_by_role("button", name="Export").click()
        download.value.save_as(tmp_path / "mine.json")
        dialog.get_by_role("button", name="Clear").click()
        assert "What it costs: 1 of" in dialog.text_content()
        dialog.get_by_role("button", name="Clear").click()
        assert "What it costs: 0 of" in dialog.text_content()
        field = dialog.locator("input[type=file]")
        (tmp_path / "other.json").write_text('{"answers": 3}')
        field.set_input_files(tmp_path / "other.json")
        dialog.get_by_text("none that the book has written").wait_for()
        field.set_input_files(tmp_path / "mine.json")
        dialog.get_by_text("What it costs: 1 of").wait_for()
        reader.keyboard.press("Escape")
        dialog.wait_for(state="detached")
        reader.reload()
        assert reader.get_by_role("button", name="Go on with your answer").count() == 1

    def test_changes_a_cell_and_runs_it(self, reader):
        assert reader.locator(".try[data-cell]").count(), "chapter 2 has no cell that runs by itself"
        place = reader.locator(".try[data-cell]").first
        place.get_by_role("button").click()
        field = place.get_by_label("The cell, to be changed")
        field.fill("print(conv2d_cost(1, 1, 1, input_size=3).macs)")
        assert said(place, lambda: place.get_by_role("button", name="Run").click()) == "9\n"
        field.fill("while True: pass")
        assert "Stopped after 5 seconds" in said(place, lambda: reader.keyboard.press("Control+Enter"))
        field.fill("print(1 + 1)")
        assert said(place, lambda: reader.keyboard.press("Control+Enter")) == "2\n"

    def test_has_a_page_for_everyone_with_an_exercise_open(self, browser, server, facts):
        with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
            page = context.new_page()
            page.goto(f"{server}/{CHAPTER_2}.html")
            place = opened(page)
            checked(place, FORGOTTEN + "# " + "long " * 60)
            page.locator("form.guess input").first.fill("20")
            page.locator("form.guess button").first.click()
            page.evaluate(AXE)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 800})
                page.evaluate(SETTLED)
                assert page.evaluate(WIDEST) == []
                for theme in THEMES:
                    page.emulate_media(color_scheme=theme)
                    assert page.evaluate(OF_OURS, "section:has(> .try textarea), section:has(> .guess)") == []
            page.get_by_role("button", name="Your progress").click()
            page.get_by_role("dialog").get_by_role("link").first.wait_for()
            for theme in THEMES:
                page.emulate_media(color_scheme=theme)
                assert page.evaluate(OF_OURS, "dialog") == []

    def test_is_sent_to_colab_where_python_cannot_run(self, browser, server, site, facts):
        with browser.new_context() as context:
            page = context.new_page()
            page.goto((site / f"{CHAPTER_2}.html").as_uri())
            place = page.locator(".try[data-exercise]").first
            assert "opened from a file" in place.text_content()
            assert "colab" in place.get_by_role("link").get_attribute("href")
            assert page.get_by_role("button", name="Your progress").count() == 0
            page.add_init_script("delete globalThis.WebAssembly")
            page.goto(f"{server}/{CHAPTER_2}.html")
            assert "WebAssembly" in page.locator(".try[data-exercise]").first.text_content()
        with browser.new_context(java_script_enabled=False) as context:
            page = context.new_page()
            page.goto(f"{server}/{CHAPTER_2}.html")
            assert page.locator(".try noscript p").first.is_visible()
            assert page.locator(".try button:visible").count() == 0


def as_shown(verdict: dict[str, str]) -> dict[str, str]:
    """A verdict without what two Pythons word differently.

    That is the last digits of floats, since from 3.12 on `sum` loses less, and what an error says behind its name.
    """
    text = re.sub(r"\d+\.\d{6,}", lambda found: f"{float(found[0]):.12g}", verdict["text"])
    text = re.sub(r"(?m)^( *\w+Error): .*$", r"\1", text)
    return {**verdict, "text": " ".join(text.split())}


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("chapter", [f"ch{number:02}" for number in exercise_chapters()])
def test_every_known_answer_gets_the_verdict_that_python_gives(browser, server, facts, chapter):
    here = facts["chapters"].get(chapter, {"exercises": {}})
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{server}/try/exercises.json")
        page.evaluate(
            """() => {
                globalThis.worker = new Worker("/try/worker.js", {type: "module"});
                globalThis.ask = (name, given) => new Promise((resolve) => {
                    worker.onmessage = ({data}) => ("done" in data || "failed" in data) && resolve(data);
                    worker.postMessage({name, given});
                });
            }"""
        )
        module = importlib.import_module(f"mobilenet_edu.exercises.{chapter}")
        for exercise in exercises_of(module):
            if exercise.name not in here["exercises"]:
                continue
            parts = ["reference", "alternative", *(f"mistakes[{i}].wrong" for i in range(len(exercise.mistakes)))]
            for part in parts:
                answer = f"{exercise.name} = {chapter}.{exercise.name}.{part}\n"
                answer = f"from mobilenet_edu.exercises import {chapter}\n{answer}"
                given = [chapter, exercise.name, answer, here["imports"]]
                expected = page_module.check(*given)
                found = page.evaluate("(all) => ask('check', all)", given)
                assert as_shown(found["done"]) == as_shown(expected), f"{exercise.name}: {part}"
                right = ("wrong", "error") if part.startswith("mistakes") else ("correct",)
                assert expected["outcome"] in right, f"{exercise.name}: {part}"


@pytest.mark.browser
def test_every_cell_that_can_be_changed_prints_what_the_chapter_shows(browser, server, facts):
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{server}/{CHAPTER_4}.html")
        places = page.locator(".try[data-cell]")
        assert places.count() >= 1
        for place in places.all():
            cell = place.locator("xpath=preceding-sibling::*[1]")
            printed = cell.locator(".cell_output pre").text_content()
            place.get_by_role("button").first.click()
            place.get_by_label("The cell, to be changed").wait_for()
            assert said(place, lambda place=place: place.get_by_role("button", name="Run").click()) == printed
