"""A reader of the pages guesses: nothing is given away before, and what is said after is what `reveal` says."""

from __future__ import annotations

import json
import random
import re
from functools import cache

import guesses
import pytest
from bs4 import BeautifulSoup
from contents import chapters

from mobilenet_edu.exercises import reveal

CHAPTER_1, CHAPTER_2, CHAPTER_4 = (next(name for name in chapters() if f"/0{i}_" in name) for i in (1, 2, 4))
LINE = re.compile(r"No guess yet\. It is (.+)\.")


@cache
def on_page(site, name) -> BeautifulSoup:
    return BeautifulSoup((site / f"{name}.html").read_text(encoding="utf-8"), "html.parser")


@pytest.mark.parametrize("name", chapters())
class TestEveryPage:
    def test_says_nowhere_that_there_is_no_guess_yet(self, site, name):
        assert "No guess yet" not in (site / f"{name}.html").read_text(encoding="utf-8")

    def test_folds_away_each_truth_and_all_that_follows_it(self, site, name):
        page = on_page(site, name)
        for truth in page.select("[data-guess]"):
            assert truth.find_parent("details", class_="withheld")
            section = truth.find_parent("section")
            last = [child for child in section.find_all(True, recursive=False) if child.name != "section"][-1]
            assert last.name == "details", f"{truth.text} is followed by {last.text[:80]!r}"

    def test_folds_away_what_cells_print_between_question_and_answer(self, site, name):
        page = on_page(site, name)
        for field in page.select("form.guess input"):
            truth = page.find(attrs={"data-guess": field["name"]})
            if truth.find_parent("section") is not field.find_parent("section"):
                continue
            before = set(map(id, truth.find_all_previous("div", class_="cell_output")))
            for output in field.find_all_next("div", class_="cell_output"):
                if id(output) in before:
                    assert output.find_parent("details"), f"{truth.text}: {output.text[:80]!r}"

    def test_has_a_named_field_for_each_truth(self, site, name):
        page = on_page(site, name)
        fields = [field["name"] for field in page.select("form.guess label input")]
        assert len(set(fields)) == len(fields)
        assert sorted(fields) == sorted(truth["data-guess"] for truth in page.select("[data-guess]"))
        assert all(label.get_text(strip=True) for label in page.select("form.guess label"))


def test_there_is_a_field_for_each_guess_of_the_notebooks(site):
    lines = fields = 0
    for name in chapters():
        source = site / "_sources" / f"{name}.ipynb"
        cells = json.loads(source.read_text(encoding="utf-8"))["cells"] if source.exists() else []
        outputs = [output.get("text", "") for cell in cells for output in cell.get("outputs", ())]
        lines += sum(len(LINE.findall("".join(text))) for text in outputs)
        fields += len(on_page(site, name).select("form.guess input"))
    assert fields == lines >= 40


def test_a_page_whose_truth_nobody_asked_for_is_not_built():
    page = BeautifulSoup(
        '<article><div class="cell"><div class="cell_input"><pre>reveal(other, 3)</pre></div>'
        '<div class="cell_output"><pre>No guess yet. It is 3.\n</pre></div></div></article>',
        "html.parser",
    )
    with pytest.raises(ValueError, match="1 lines 'No guess yet' for 0 guesses"):
        guesses.offer_guesses(page, "page")


@pytest.mark.parametrize(
    ("answer", "parts"),
    [
        ("36 multiplications", ("36", "multiplications")),
        ("29,202,432 MACs", ("29,202,432", "MACs")),
        ("0.26 %", ("0.26", "%")),
        ("81 of 162", ("81", "of 162")),
        ("521/4608", ("521/4608", "")),
        ("-3", ("-3", "")),
        ("half a turn", ("half a turn", "")),
        ("as many", ("1", "times as many")),
        ("(4, 0)", ("(4, 0)", "")),
        ("a0 b0 a1", ("a0 b0 a1", "")),
    ],
)
def test_the_truth_is_told_from_its_unit(answer, parts):
    assert guesses.truth_and_unit(answer) == parts


@pytest.fixture(scope="module")
def chapter(browser, server):
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{server}/{CHAPTER_1}.html")
        yield page


def guessed_numbers(truth: float, draw: random.Random):
    """What readers type for a number: near and far, whole and broken, with commas, as a fraction; and its value."""
    near = [truth, truth * 1.05, truth / 1.2, truth * draw.uniform(1.2, 900), truth / draw.uniform(1.2, 2000), -truth]
    for value in [
        0,
        1,
        10_000.5,
        1.0625,
        12345.678,
        0.00001234,
        99999,
        *near,
        *(draw.uniform(0, 1e6) for _ in range(3)),
    ]:
        yield f"{value:.6f}", float(f"{value:.6f}")
        yield str(round(value)), round(value)
        yield f"{round(value):,}", round(value)
        below = draw.randint(2, 300)
        yield f"{round(abs(value))}/{below}", round(abs(value)) / below


@pytest.mark.browser
class TestTheSentences:
    @pytest.fixture
    def said(self, chapter, capsys):
        def both(text, value, truth, shown, unit):
            reveal(value, truth, unit)
            return chapter.evaluate("(all) => reveal(...all)", [text, shown, unit]), capsys.readouterr().out.strip()

        return both

    def test_of_hundreds_of_numbers_are_those_of_reveal(self, said):
        draw = random.Random(5)
        truths = [
            (7, "7"),
            (0, "0"),
            (0.25, "0.25"),
            (114, "114"),
            (29_202_432, "29,202,432"),
            (7.89, "7.89"),
            (-3, "-3"),
        ]
        tried = 0
        for truth, shown in truths:
            for text, value in guessed_numbers(truth, draw):
                page, python = said(text, value, truth, shown, "MACs")
                assert page == python, text
                tried += 1
        assert tried > 300

    @pytest.mark.parametrize(
        ("text", "value", "truth"),
        [
            ("half a turn", "half a turn", "half a turn"),
            ("as it is", "as it is", "half a turn"),
            ("a0 b0", "a0 b0", "a0 b0 a1"),
            ("classifier", "classifier", "classifier"),
            ("12", 12, "classifier"),
            ("none, I think", "none, I think", 0),
        ],
    )
    def test_of_words_are_those_of_reveal(self, said, text, value, truth):
        page, python = said(text, value, truth, str(truth), "")
        assert page == python

    @pytest.mark.parametrize("guess", [1, 2])
    def test_of_as_many_are_those_of_reveal(self, said, guess):
        page, python = said(str(guess), guess, 1.0, "1", "times as many")
        assert page == python

    @pytest.mark.parametrize("text", ['"half a turn"', "Half a turn", " half  a turn "])
    def test_do_not_mind_quotes_capitals_and_spaces(self, chapter, text):
        assert chapter.evaluate("(all) => reveal(...all)", [text, "half a turn", ""]).endswith("and so it is.")

    @pytest.mark.parametrize("text", ["(4, 0)", "4, 0", "4,0"])
    def test_know_a_pair(self, chapter, text):
        assert chapter.evaluate("(all) => reveal(...all)", [text, "(4, 0)", ""]) == "You guessed (4, 0), and so it is."

    @pytest.mark.parametrize("text", ["7 kernels", "7", " 7.0 ", "7 %"])
    def test_do_not_mind_a_unit(self, chapter, text):
        assert chapter.evaluate("(all) => reveal(...all)", [text, "7", "kernels"]).endswith("Exactly right.")


@pytest.mark.browser
class TestAReader:
    @pytest.fixture
    def page(self, browser, server):
        with browser.new_context() as context:
            page = context.new_page()
            page.goto(f"{server}/{CHAPTER_2}.html")
            yield page

    def test_is_surprised_and_finds_it_again(self, page):
        form = page.locator("form.guess").first
        answer = page.locator("[data-guess]").first
        assert not answer.is_visible()
        form.get_by_label("Multiplications").fill("20")
        page.keyboard.press("Enter")
        assert form.get_by_role("status").text_content() == (
            "You guessed 20; it is 36 multiplications. Your guess is 1.8 times too small."
        )
        assert answer.is_visible()
        page.reload()
        assert form.get_by_label("Multiplications").input_value() == "20"
        assert answer.is_visible()
        assert not page.locator("[data-guess]").nth(1).is_visible()

    def test_who_asks_is_shown(self, page):
        form = page.locator("form.guess").nth(1)
        form.get_by_role("button", name="Show me").click()
        assert form.get_by_role("status").text_content() == "It is 4. It is 0.25. It is 0.1111."
        assert page.locator("[data-guess]").nth(3).is_visible()

    def test_who_guesses_nothing_is_asked_to(self, page):
        form = page.locator("form.guess").first
        form.get_by_role("button", name="Guess").click()
        assert "guess first" in form.get_by_role("status").text_content()
        assert not page.locator("[data-guess]").first.is_visible()

    def test_is_told_where_a_bet_is_settled(self, browser, server):
        with browser.new_context() as context:
            page = context.new_page()
            page.goto(f"{server}/{CHAPTER_4}.html")
            form = page.locator("form.guess").first
            form.locator("input").fill("9")
            form.get_by_role("button", name="Guess").click()
            form.get_by_role("status").get_by_role("link").click()
            settled = page.locator(f"[data-guess='{form.locator('input').get_attribute('name')}']")
            assert settled.text_content().startswith("You guessed 9; it is 7.89 times.")

    def test_without_javascript_opens_the_answer_by_hand(self, browser, server):
        with browser.new_context(java_script_enabled=False) as context:
            page = context.new_page()
            page.goto(f"{server}/{CHAPTER_2}.html")
            assert page.locator("form.guess:visible").count() == 0
            assert page.locator("noscript pre").first.is_visible()
            assert not page.locator("[data-guess]").first.is_visible()
            page.locator("details.withheld > summary").first.click()
            assert page.locator("[data-guess]").first.is_visible()
            assert page.locator("[data-guess]").first.text_content() == "It is 36 multiplications."

    def test_prints_the_answers(self, page):
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator("[data-guess]").first.is_visible()
        assert not page.locator("form.guess").first.is_visible()

    def test_prints_the_cell_that_the_form_stands_for(self, page):
        cells = page.locator("form.guess ~ div pre:text-matches('= [.]{3}')")
        assert cells.count() == 0
        page.emulate_media(media="print")
        for _ in range(2):
            page.evaluate("dispatchEvent(new Event('beforeprint'))")
            assert cells.count() == page.locator("form.guess").count() > 0
            assert all(cell.is_visible() for cell in cells.all())
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert cells.count() == 0
