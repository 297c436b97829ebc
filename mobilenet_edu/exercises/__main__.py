"""List every exercise for those who teach: ``python -m mobilenet_edu.exercises [--markdown]``."""

from __future__ import annotations

import sys

from tabulate import tabulate

from mobilenet_edu.exercises import LEVELS, chapters, exercises_of

HEADERS = ("exercise", "title", "goal", "level", "minutes", "misconceptions", "mistakes known")


def rows() -> list[tuple]:
    """One row for each exercise and each essay, in the order of the book."""
    table = []
    for number, chapter in chapters().items():
        for i, exercise in enumerate(exercises_of(chapter), 1):
            named = dict.fromkeys(mistake.misconception for mistake in exercise.mistakes if mistake.misconception)
            level, known = LEVELS[exercise.level], len(exercise.mistakes)
            table.append(
                (f"{number}.{i}", exercise.title, exercise.goal, level, exercise.minutes, "; ".join(named), known)
            )
        for letter, essay in zip("abcdef", chapter.ESSAYS, strict=False):
            table.append((f"{number}.{letter}", essay.title, essay.goal, "on paper", essay.minutes, "", ""))
    return table


def main(arguments: list[str]) -> None:
    """Print the table, in Markdown if the arguments ask for it."""
    markdown = arguments == ["--markdown"]
    aligned = {"disable_numparse": True, "colalign": ("left", "left", "right", "left", "right", "left", "right")}
    print(tabulate(rows(), HEADERS, tablefmt="pipe" if markdown else "simple", **aligned))


if __name__ == "__main__":
    main(sys.argv[1:])
