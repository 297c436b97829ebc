"""The first page's map and table say what the chapters themselves say."""

import json
import re

from drawn import BOOK, figures

NEEDS = re.compile(r"\*\*Time:\*\* about (\d+) minutes\. \*\*You need:\*\*(.*?)\n\n", re.DOTALL)


def test_titles_minutes_and_needs_are_those_of_the_chapters():
    stated = figures("index")["fig-index-map"]["CHAPTERS"]
    paths = sorted(BOOK.glob("[0-9]*.ipynb"))
    assert len(stated) == len(paths)
    for number, path in enumerate(paths, start=1):
        opening = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
        minutes, needs = NEEDS.search(opening + "\n\n").groups()
        title, stated_minutes, stated_needs, _ = stated[number]
        assert opening.startswith(f"# {title}\n")
        assert stated_minutes == int(minutes)
        assert stated_needs == [int(need) for need in re.findall(r"\((\d\d)_", needs)]


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
