"""Every number in the text is tied to the place that computes it, and says what that place shows.

Exempt are counting words (0 to 12), years, and the numbers of tables, sections, chapters, equations, figures, versions.
Inline code and code blocks show code, not claims. Exercise cells state problems; their answers are checked elsewhere.
"""

from __future__ import annotations

import nbformat
import number_places
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from number_places import claims, prose_numbers

PAGES = number_places.pages()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_number_in_the_text_is_what_its_place_shows(path):
    found = number_places.problems(path, number_places.kept())
    assert not found, "\n".join(found)


def near_misses(number: str) -> list[str]:
    """The number with its last digit one, two and five up and down."""
    digits = len(number.partition(".")[2])
    values = [float(number) + step / 10**digits for step in (1, -1, 2, -2, 5, -5)]
    return [f"{value:.{digits}f}" for value in values if value >= 0]


@pytest.mark.parametrize("sentence", ["tied", "new"])
def test_nearly_every_near_miss_is_found(sentence):
    """A slip of one, two or five in the last digit."""
    tied, passed, tried = number_places.kept(), {}, {}
    for path in PAGES:
        known, overviews = number_places.places(path), number_places.overview_sections(path)
        shown = {place.name: place.number for place in known}
        for claim in claims(path):
            if claim.number.isdigit() and int(claim.number) <= 12:
                continue
            for number in near_misses(claim.number):
                slip = claim._replace(number=number, sentence=claim.sentence.replace(claim.number, number))
                if sentence == "tied":
                    missed = number_places.problem(slip, shown, tied) is None
                else:  # make fresh would tie it
                    missed = number_places.best(slip, known, overviews) is not None
                tried[path.name] = tried.get(path.name, 0) + 1
                passed[path.name] = passed.get(path.name, 0) + missed
    assert sum(tried.values()) > 4000
    assert sum(passed.values()) <= 0.03 * sum(tried.values())
    assert all(passed[name] <= 0.05 * tried[name] for name in tried), passed


def test_the_search_sees_numbers_in_every_form():
    assert prose_numbers("It costs 568,740,352 MACs, 8.56 times less: $3{,}211$ and 75 %, 14×14×512.") == (
        ["568740352", "8.56", "3211", "75", "14", "14", "512"]
    )


def test_the_search_passes_over_what_is_no_claim():
    assert (
        prose_numbers("Table 14, § 3.2, chapters 08–11, 2017, `stride=32`, [x](https://a.b/1704.04861), twelve, 3×3")
        == []
    )


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A book of one page with two sections, each with an output."""
    monkeypatch.setattr(number_places, "BOOK", tmp_path)
    monkeypatch.setattr(number_places, "KEPT", tmp_path / "numbers.txt")

    def write(first, second, outputs=("dogs in town: 41\nbirds in town: 17\n", "cats in town: 77\n")):
        codes = [new_code_cell(f"count({i})", id=f"code-{i}") for i in range(2)]
        for cell, text in zip(codes, outputs, strict=True):
            cell.outputs = [new_output("stream", text=text)]
        cells = [new_markdown_cell("# Page"), new_markdown_cell(f"## One\n\n{first}"), codes[0]]
        cells += [new_markdown_cell(f"## Two\n\n{second}"), codes[1]]
        nbformat.write(new_notebook(cells=cells), tmp_path / "page.ipynb")

    def tie(*again):
        for path, text in number_places.texts(again).items():
            path.write_text(text, encoding="utf-8")

    def found():
        return number_places.problems(tmp_path / "page.ipynb", number_places.kept())

    return write, tie, found


def test_a_new_sentence_is_tied_to_an_output_of_its_section(book):
    write, tie, found = book
    write("The town has 41 dogs.", "And the town has 77 cats.")
    assert len(found()) == 2
    tie()
    assert not found()


def test_a_short_number_is_proposed_where_no_line_speaks_of_the_same_and_taken_when_asked(book, capsys):
    write, tie, found = book
    write("Nobody counted 41 of them.", "And the town has 77 cats.")
    tie()
    (sentence,) = found()
    assert sentence.endswith(
        "If it is the number of 'dogs in town: 41', run python scripts/number_places.py --again page"
    )
    tie("page")
    assert not found()
    assert "41 in 'Nobody counted 41 of them.' follows 'dogs in town: 41'" in capsys.readouterr().out


def test_a_number_of_another_section_is_refused_and_the_sentence_says_what_to_do(book):
    write, tie, found = book
    write("The town has 41 dogs.", "And 41 of something.")
    tie()
    (sentence,) = found()
    assert sentence.startswith("page, cell 3: 41 in 'And 41 of something.' is tied to nothing. Run make fresh")
    assert "print it there, or compute it in scripts/registry.py" in sentence


def test_an_old_sentence_does_not_take_another_number_of_its_section(book):
    write, tie, found = book
    write("The town has 41 dogs.", "And the town has 77 cats.")
    tie()
    write("The town has 17 dogs.", "And the town has 77 cats.")  # the birds' number
    tie()
    (sentence,) = found()
    assert "17 in 'The town has 17 dogs.': its place" in sentence
    assert "now shows 41. Correct the sentence or the code; if both are right" in sentence


def test_a_small_number_is_followed_where_a_large_one_was(book):
    write, tie, found = book
    write("The town has 17 birds.", "And the town has 77 cats.")
    tie()
    write("The town has 12 birds.", "And the town has 77 cats.")
    tie()
    assert len(found()) == 1


def test_an_output_that_changes_alone_is_found_and_a_line_before_it_does_no_harm(book):
    write, tie, found = book
    write("The town has 41 dogs.", "And the town has 77 cats.")
    tie()
    write(
        "The town has 41 dogs.",
        "And the town has 77 cats.",
        ("cows in town: 5\ndogs in town: 41\nbirds in town: 17\n", "cats in town: 77\n"),
    )
    assert not found()
    write(
        "The town has 41 dogs.",
        "And the town has 77 cats.",
        ("dogs in town: 42\nbirds in town: 41\n", "cats in town: 77\n"),
    )
    assert len(found()) == 1


def test_a_sentence_and_its_output_may_change_together(book):
    write, tie, found = book
    write("The town has 41 dogs.", "And the town has 77 cats.")
    tie()
    write(
        "The town has 42 dogs.",
        "And the town has 77 cats.",
        ("dogs in town: 42\nbirds in town: 41\n", "cats in town: 77\n"),
    )
    assert not found()


def test_a_page_that_was_meant_to_change_is_tied_anew(book):
    write, tie, found = book
    write("The town has 41 dogs, all of them.", "And the town has 77 cats.")
    tie()
    write("The town has 17 dogs, all of them.", "And the town has 77 cats.")
    assert len(found()) == 1
    tie("page")
    assert not found()
