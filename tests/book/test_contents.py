"""What is made from contents.toml and from the names of exercises: lists follow it, and what cannot be is refused."""

import copy
import re
import threading
import tomllib

import contents_lists
import exercise_numbers
import fresh
import nbformat
import pytest
from contents import NOTEBOOKS, ROOT, built_once, chapters

PAGES = [*NOTEBOOKS, *sorted((ROOT / "book").glob("*.md"))]
MADE = re.compile(r"<!-- table: .*?<!-- end of table -->", re.DOTALL)


def test_every_page_has_a_row_in_contents_toml():
    contents = contents_lists.read()
    rows = [*contents_lists.chapters(contents).values(), *contents["appendices"]]
    listed = {row["file"] for row in rows} | {"index", "references"}
    for path in PAGES:
        assert path.stem in listed, f"{path.name} has no row in contents.toml: write one, then run make fresh"


def test_what_a_chapter_needs_is_what_its_first_cell_says():
    for number, row in contents_lists.chapters(contents_lists.read()).items():
        path = ROOT / "book" / f"{row['file']}.ipynb"
        opening = nbformat.read(path, as_version=4).cells[0].source
        said = contents_lists.needed(opening)
        assert said == row["needs"], f"{path.name} says it needs {said}, contents.toml {row['needs']} for {number}"


def test_a_new_chapter_is_one_row():
    contents = copy.deepcopy(contents_lists.read())
    last = max(contents_lists.chapters(contents))
    new = {"file": f"{last + 1}_and_on", "title": "And “on”", "minutes": 45, "needs": [1], "lane": 0, "meeting": 9}
    contents["parts"][-1]["chapters"].append(new)
    assert f"      - file: book/{last + 1}_and_on\n" in contents_lists.toc(contents)
    assert f"| {last + 1} | And “on” | [open in Colab](" in contents_lists.readme_table(contents)
    assert f'    {last + 1}: ("And “on”", 45, [1], 0),' in contents_lists.first_page_list(contents)


LAST = max(contents_lists.chapters(contents_lists.read()))
NEXT = f"{LAST + 1:02}_and_on"
OPENING = f"# And “on”\n\n1. add.\n\n**You need:** [chapter {LAST}]({LAST:02}_it.ipynb)\n\n**Time:** about 45 minutes"


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes the notebook of the next chapter, with that first cell, into a folder of its own."""
    for path in NOTEBOOKS:
        (tmp_path / path.name).touch()
    monkeypatch.setattr(contents_lists, "BOOK", tmp_path)

    def write(opening):
        cells = [nbformat.v4.new_markdown_cell(opening)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / f"{NEXT}.ipynb")

    return write


def test_the_row_of_a_new_chapter_is_written_from_its_first_cell(written):
    assert contents_lists.with_new_rows() == {}
    written(OPENING)
    (text,) = contents_lists.with_new_rows().values()
    row = contents_lists.chapters(tomllib.loads(text))[LAST + 1]
    last = contents_lists.read()["parts"][-1]["chapters"][-1]
    assert row == {
        **{"file": NEXT, "title": "And “on”", "minutes": 45, "needs": [LAST], "lane": 0},
        "meeting": last["meeting"],
    }
    assert tomllib.loads(text)["appendices"] == contents_lists.read()["appendices"]


@pytest.mark.parametrize("missing", ["# And “on”", "**Time:** about", "**You need:**", "1. "])
def test_a_new_chapter_without_a_row_is_told_what_its_first_cell_lacks(missing, written):
    written(OPENING.replace(missing, ""))
    with pytest.raises(SystemExit, match=rf"book/{NEXT}.ipynb: its first cell needs a line such as '.*\nThen run make"):
        fresh.main(["--texts"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"file": f"{LAST + 1:02}_too_far"}, "must count up from 01"),
        ({"needs": [LAST]}, "can only need chapters before it"),
        ({"needs": [0]}, "can only need chapters before it"),
        ({"file": f"{LAST - 1:02}_without_a_notebook", "needs": []}, "does not exist"),
    ],
)
def test_a_row_that_cannot_be_is_refused_with_a_sentence(change, message, monkeypatch):
    contents = copy.deepcopy(contents_lists.read())
    contents["parts"][-1]["chapters"][-1].update(change)
    monkeypatch.setattr(contents_lists, "read", lambda: contents)
    with pytest.raises(ValueError, match=message):
        contents_lists.texts()


@pytest.mark.parametrize("missing", ["**Time:** about", "**You need:**", "1. "])
def test_a_new_chapter_whose_first_cell_lacks_a_line_is_told_which(missing, tmp_path):
    opening = nbformat.read(NOTEBOOKS[1], as_version=4).cells[0]
    assert missing in opening.source
    opening.source = opening.source.replace(missing, "")
    nbformat.write(nbformat.v4.new_notebook(cells=[opening]), tmp_path / "14_new.ipynb")
    with pytest.raises(ValueError, match=f"14_new.ipynb: its first cell needs a line such as '{re.escape(missing)}"):
        contents_lists._opened(tmp_path / "14_new.ipynb", {"title": "New", "minutes": 20, "needs": []})


def test_a_changed_row_changes_every_list(monkeypatch):
    contents = copy.deepcopy(contents_lists.read())
    row = contents["parts"][0]["chapters"][0]
    row.update(title="A convolution, alone", minutes=51)
    monkeypatch.setattr(contents_lists, "read", lambda: contents)
    made = contents_lists.texts()
    assert {path.name for path in made} == {"README.md", "index.ipynb", f"{row['file']}.ipynb"}
    assert all("A convolution, alone" in text for text in made.values())
    assert "**Time:** about 51 minutes" in made[ROOT / "book" / f"{row['file']}.ipynb"]


@pytest.mark.parametrize("name", chapters())
def test_a_reference_to_an_exercise_names_it(name):
    path = next(path for path in PAGES if f"book/{path.stem}" == name)
    if path.suffix == ".md":
        texts = [MADE.sub("", path.read_text(encoding="utf-8"))] if path.stem != "D_solutions" else []
    else:
        cells = nbformat.read(path, as_version=4).cells
        texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
    texts = [re.sub(r"^#+ Exercise .*$", "", text, flags=re.MULTILINE) for text in texts]
    for found in (match for text in texts for match in exercise_numbers.UNNAMED.finditer(text)):
        raise AssertionError(
            f"{path.name}: {found[0]!r} goes wrong when an exercise is put before it: name the exercise behind it, "
            f"such as {found[0]}<!-- ch05.separable_block -->, then run make fresh"
        )


def test_an_exercise_that_moves_takes_its_references_along(monkeypatch):
    before = exercise_numbers.headings()
    moved = before | {"ch05.separable_block": "Exercise 5.6: The block, moved"}
    monkeypatch.setattr(exercise_numbers, "headings", lambda: moved)
    text = "[exercise 5.4](D_solutions.md#exercise-54-the-old)<!-- ch05.separable_block -->, Exercise 5.4"
    assert exercise_numbers.numbered(text + "<!-- ch05.separable_block -->.") == (
        "[exercise 5.6](D_solutions.md#exercise-56-the-block-moved)<!-- ch05.separable_block -->, "
        "Exercise 5.6<!-- ch05.separable_block -->."
    )


def test_a_reference_to_no_exercise_is_refused():
    with pytest.raises(ValueError, match=r"ch05\.nothing, which does not exist"):
        exercise_numbers.numbered("exercise 5.4<!-- ch05.nothing -->")


def test_of_two_workers_that_find_no_book_one_builds_it(tmp_path):
    page, builds = tmp_path / "index.html", []

    def need():
        built_once(page, 0, build, tmp_path / "lock")

    other = threading.Thread(target=need)

    def build():
        builds.append(1)
        if len(builds) == 1:
            other.start()  # and it looks for the page before there is one, however slow the machine is
            other.join(1)
        page.touch()

    need()
    other.join()
    assert builds == [1]
