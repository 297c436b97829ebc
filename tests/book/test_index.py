"""The first page's map, table and paths say what the chapters themselves say."""

import json
import re

import contents_lists
from drawn import BOOK, figures

from mobilenet_edu import exercises, training

CELLS = json.loads((BOOK / "index.ipynb").read_text(encoding="utf-8"))["cells"]


def test_titles_minutes_and_needs_are_those_of_the_chapters():
    stated = figures("index")["fig-index-map"]["CHAPTERS"]
    paths = sorted(BOOK.glob("[0-9]*.ipynb"))
    assert len(stated) == len(paths)
    for number, path in enumerate(paths, start=1):
        opening = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
        title, stated_minutes, stated_needs, _ = stated[number]
        assert opening.startswith(f"# {title}\n")
        assert stated_minutes == int(contents_lists.TIME.search(opening)[0])
        assert stated_needs == contents_lists.needed(opening)


def test_the_first_picture_is_a_whole_digit_with_paper_around_and_its_belief():
    drawn = figures("index")["fig-index-digit"]
    shown = drawn["left"].images[0]
    small = training.digits(resolution=8)
    assert shown.get_interpolation() == "nearest"
    assert shown.get_array().shape == (10, 10)
    [which] = [
        index
        for index, image in enumerate(small.test.images)
        if (image[0].numpy() == shown.get_array()[1:-1, 1:-1]).all()
    ]
    edge = shown.get_array().copy()
    edge[1:-1, 1:-1] = -1
    assert (edge == -1).all()
    assert (training.digits().test.images[which] == drawn["image"]).all()  # what the network is shown, enlarged
    assert drawn["label"] == drawn["belief"].argmax() == small.test.labels[which]


def test_the_split_figure_draws_the_costs_of_the_two_networks():
    drawn = figures("index")["fig-index-split"]
    lengths = {}
    for axis, measure in zip(drawn["axes"], ("macs", "params"), strict=True):
        for patch in axis.patches:
            name = axis.get_yticklabels()[round(patch.get_y() + patch.get_height() / 2)].get_text()
            lengths[name, measure] = lengths.get((name, measure), 0) + patch.get_width()
    for (name, measure), length in lengths.items():
        assert round(1e6 * length) == getattr(drawn["networks"][name].cost, measure)
    assert len(lengths) == 4


def table(begins):
    """The rows of the table that a cell beginning so has printed, as lists of texts."""
    (cell,) = (cell for cell in CELLS if "".join(cell["source"]).startswith(begins))
    html = "".join(cell["outputs"][0]["data"]["text/html"])
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in html.splitlines() if "<td" in row]
    return [[text.strip() for text in row] for row in rows]


def numbers(text):
    return [int(number) for number in re.findall(r"\d+", text)]


def test_the_exercises_minutes_are_those_that_the_exercises_state():
    for number, chapter in exercises.chapters().items():
        stated = int(table("modules")[number - 1][2])
        assert stated == sum(each.minutes for each in (*exercises.exercises_of(chapter), *chapter.ESSAYS))


def test_a_short_path_names_what_it_takes_for_known_and_its_minutes():
    chapters = {int(row[0].partition(".")[0]): (int(row[1]), numbers(row[3])) for row in table("modules")}
    paths = table("PATHS")
    for _, path, known, minutes in paths:
        path, known = numbers(path), numbers(known)
        assert path == sorted(path)
        assert not set(path) & set(known)
        for number in (*path, *known):
            assert set(chapters[number][1]) <= {*path, *known}, f"chapter {number} needs more"
        assert all(any(number in chapters[later][1] for later in (*path, *known)) for number in known)
        assert int(minutes) == sum(chapters[number][0] for number in path)
    named = {number for _, path, _, _ in paths for number in numbers(path)}
    assert named == set(range(1, max(named) + 1)), "a chapter before the last that a path names is on no path"


def test_each_of_the_five_questions_has_an_answer_and_a_refresher():
    (cell,) = ("".join(cell["source"]) for cell in CELLS if "## Find your way" in "".join(cell["source"]))
    questions = re.split(r"^\d\. ", cell.partition("## Find your way")[0], flags=re.MULTILINE)[1:]
    assert len(questions) == 5
    for question in questions:
        assert re.search(
            r"<details><summary>Answer</summary>.*Refresher:\s+\[.+?\]\(https://.+?\)", question, re.DOTALL
        )
