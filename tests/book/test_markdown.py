"""Where a line was broken makes no list, heading or quotation, and every code mark has its partner."""

from __future__ import annotations

import re
from collections.abc import Iterator

import nbformat
import pytest
from contents import NOTEBOOKS, ROOT
from markdown_it import MarkdownIt

from mobilenet_edu import exercises
from mobilenet_edu.exercises import exercises_of

FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
STARTS = ("bullet_list_open", "ordered_list_open", "heading_open", "blockquote_open", "hr")


def by_accident(text: str) -> list[str]:
    """The lines of ``text`` that Markdown takes for something that their writer did not mean."""
    lines, found = text.splitlines(), []
    numbers_expected = 1
    for token in MarkdownIt().enable("table").parse(text):
        first = lines[token.map[0]] if token.map else ""
        if token.type in STARTS and token.level == 0 and token.map[0] and lines[token.map[0] - 1].strip():
            found.append(first)
        if token.type == "heading_open" and token.markup in ("-", "="):
            found.append(first)
        if token.type == "ordered_list_open":
            start = int(token.attrs.get("start", 1))
            if start not in (1, numbers_expected):
                found.append(first)
            numbers_expected = start
        if token.type == "list_item_open" and token.info:
            numbers_expected = int(token.info) + 1
        if token.type == "inline":
            found += [part.content for part in token.children if part.type == "text" and "`" in part.content]
    return found


def pages() -> Iterator[tuple[str, str]]:
    for path in NOTEBOOKS:
        for place, cell in enumerate(nbformat.read(path, as_version=4).cells):
            if cell.cell_type == "markdown":
                yield f"{path.name}, cell {place}", cell.source
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "book").glob("*.md"))):
        yield path.name, FRONT_MATTER.sub("", path.read_text(encoding="utf-8"))


def texts() -> Iterator[tuple[str, str]]:
    for chapter in exercises.chapters().values():
        for each in exercises_of(chapter):
            for part in ("task", "reasoning"):
                yield f"{each.title}: {part}", getattr(each, part)
            yield from ((f"{each.title}: hint", hint) for hint in each.hints)
            yield from ((f"{each.title}: {mistake.name}", mistake.sentence) for mistake in each.mistakes)
        for essay in chapter.ESSAYS:
            yield f"{essay.title}: task", essay.task
            yield f"{essay.title}: answer", essay.good_answer


def test_no_line_of_a_page_is_a_list_or_a_heading_by_accident():
    assert {where: lines for where, text in pages() if (lines := by_accident(text))} == {}


def test_no_line_of_an_exercise_is_a_list_or_a_heading_by_accident():
    assert {where: lines for where, text in texts() if (lines := by_accident(text))} == {}


@pytest.mark.parametrize(
    "text",
    [
        "together hold `0` to `count\n- 1`. Validation has",
        "the kernel and its bias\n+ one more",
        "It reads a map of side\n1. Then it stops",
        "Exercise\n# 3 asks",
        "a number that is\n> 3",
        "Two lines\n---",
        "86. None of the preparations",
        "<summary>Answer</summary>\n\n4. The rule gives",
        "an `odd mark",
    ],
)
def test_each_accident_is_seen(text):
    assert by_accident(text)


@pytest.mark.parametrize(
    "text",
    [
        "Three sets:\n\n- one\n- two\n  continued\n\n1. first\n2. second",
        "A loop:\n\n```python\n# a comment\n- 1\n```",
        "1. first\n\n2. second",
        "It has 86 `parts` of\n512 - 1 numbers",
    ],
)
def test_what_was_meant_passes(text):
    assert not by_accident(text)
