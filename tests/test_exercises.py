"""Every exercise of every chapter: its reference, its alternative, its solution as printed, its mistakes, its hints."""

import ast
import functools
import re
from collections import Counter
from itertools import pairwise

import pytest
from worked_once import worked_out_once  # noqa: F401

from mobilenet_edu import exercises
from mobilenet_edu.exercises import LEVELS, MISCONCEPTIONS, exercises_of
from mobilenet_edu.exercises import __main__ as listing

pytestmark = pytest.mark.usefixtures("worked_out_once")

CHAPTERS = exercises.chapters()
EXERCISES = [exercise for chapter in CHAPTERS.values() for exercise in exercises_of(chapter)]
each_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=[f"{e.chapter}.{e.name}" for e in EXERCISES])
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS.values(), ids=[f"ch{number:02}" for number in CHAPTERS])


def defined(code: str, name: str):
    """The function ``name`` of a cell with ``code``, in a fresh namespace."""
    namespace = {"__name__": "a_notebook"}
    exec(compile(code, f"<{name}>", "exec"), namespace)
    return namespace[name]


@each_exercise
def test_the_reference_passes(exercise):
    assert exercise.verdict(exercise.reference).outcome == "correct"


@each_exercise
def test_a_correct_answer_by_another_algorithm_passes(exercise):
    verdict = exercise.verdict(exercise.alternative)
    assert verdict.outcome == "correct", verdict.text
    assert exercise.alternative.__code__.co_code != exercise.reference.__code__.co_code


@each_exercise
def test_the_printed_solution_passes_on_its_own(exercise, capsys):
    exercise.solution()
    printed = capsys.readouterr().out
    assert printed.startswith(exercise.solution_code)
    verdict = exercise.verdict(defined(exercise.solution_code, exercise.name))
    assert verdict.outcome == "correct", verdict.text


@each_exercise
def test_the_untouched_stub_is_not_answered_unless_it_is_the_worked_example(exercise):
    code = f"{exercise.imports}\n{exercise.stub_code}"
    verdict = exercise.verdict(defined(code, exercise.name))
    assert verdict.outcome == ("correct" if exercise.level == 1 else "not answered"), verdict.text


@pytest.mark.parametrize(
    ("name", "words", "outcome"),
    [
        ("renamed", {"ours, theirs in": "theirs, ours in"}, "error"),
        (
            "narrow_wide_narrow",
            {"expand = in_channels * wide": "expand = in_channels * in_channels", "9 * wide": "9 * in_channels"},
            "expansion in the projection only",
        ),
        ("agreement", {"abs(": "("}, "signed the other way"),
    ],
)
def test_a_worked_example_that_is_broken_as_its_task_says_is_answered_as_meant(name, words, outcome):
    (exercise,) = [each for each in EXERCISES if each.name == name]
    code = exercise.solution_code
    for old, new in words.items():
        assert code.count(old) == 1
        code = code.replace(old, new)
    verdict = exercise.verdict(defined(f"{exercise.imports}\n{code}", name))
    assert outcome in (verdict.outcome, verdict.mistake), verdict.text


@functools.cache
def verdict_on(place: int, mistake: int):
    """The verdict on a mistake of the catalogue, by the places of exercise and mistake: judged once for all tests."""
    return EXERCISES[place].verdict(EXERCISES[place].mistakes[mistake].wrong)


def verdicts(exercise):
    place = [each.name for each in EXERCISES].index(exercise.name)
    return [(mistake, verdict_on(place, i)) for i, mistake in enumerate(exercise.mistakes)]


@each_exercise
def test_each_mistake_is_told_its_own_sentence(exercise):
    for mistake, verdict in verdicts(exercise):
        assert verdict.outcome in ("wrong", "error"), verdict.text
        assert verdict.mistake == mistake.name, verdict.text
        assert mistake.sentence.split() == verdict.text.split()[2 : 2 + len(mistake.sentence.split())]


@each_exercise
def test_a_failing_call_is_short_enough_to_try_it(exercise):
    for _, verdict in verdicts(exercise):
        call = verdict.text.rpartition(f"{exercise.name}(")[2]
        assert len(call) <= 450, call


@each_exercise
def test_mistakes_have_distinct_names_and_sentences(exercise):
    assert len(exercise.mistakes) >= 2
    assert len({mistake.name for mistake in exercise.mistakes}) == len(exercise.mistakes)
    assert len({mistake.sentence for mistake in exercise.mistakes}) == len(exercise.mistakes)
    for mistake in exercise.mistakes:
        assert mistake.sentence[0] in "`_" or mistake.sentence[0].isupper()
        assert mistake.sentence[-1] in ".?!"


# What only a hand-picked case can show: an end of a search, one channel among many, more digits than a float has, or
# a zero as the last digit.
EDGES = {
    "no further than 224",
    "one channel is enough",
    "64 is the smallest",
    "a Fraction of a quotient",
    "zeros at the end lost",
}


@each_exercise
def test_the_random_cases_alone_expose_each_mistake(exercise):
    random_trials = exercise._trials()[len(exercise.hand_picked) :]
    for mistake in exercise.mistakes:
        if mistake.name not in EDGES:
            assert any(fails(exercise, mistake.wrong, trial) for trial in random_trials), mistake.name


def fails(exercise, answer, trial):
    """Whether an answer is wrong in one case."""
    try:
        exercise._try(answer, trial)
    except Exception:
        return True
    return bool(trial.complaint)


@each_exercise
def test_the_random_cases_reach_what_the_exercise_says_they_cover(exercise):
    random_cases = exercise.all_cases()[len(exercise.hand_picked) :]
    assert exercise.covers
    for name, holds in exercise.covers.items():
        assert any(holds(*case) for case in random_cases), name


@each_exercise
def test_the_cases_are_the_same_in_every_run(exercise):
    first, second = exercise.all_cases(), exercise.all_cases()
    assert [exercise._call(case) for case in first] == [exercise._call(case) for case in second]
    assert len(first) >= len(exercise.hand_picked) + 20
    assert exercise.hand_picked


@each_exercise
def test_the_hints_do_not_contain_the_solution(exercise):
    body = ast.parse(exercise.solution_code).body[-1].body
    hints = squeezed(" ".join(exercise.hints))
    statements = [node for node in ast.walk(ast.Module(body, [])) if isinstance(node, ast.stmt)]
    for statement in statements:
        if isinstance(statement, ast.Return) and statement.value is not None:
            returned = squeezed(ast.unparse(statement.value))
            assert len(returned) < 12 or returned not in hints
    told = [statement for statement in body[1:] if squeezed(ast.unparse(statement)) in hints]
    assert len(told) <= 1, "the third hint gives the first line, no more"


def squeezed(code: str) -> str:
    return re.sub(r"[\s`()]", "", code)


@each_exercise
def test_an_exercise_fits_a_small_screen(exercise):
    for code in (exercise.stub_code, exercise.solution_code):
        assert max(map(len, code.splitlines())) <= 79
    assert len(exercise.stub_code.splitlines()) <= 20


@each_exercise
def test_a_stub_keeps_the_name_and_the_arguments_of_the_solution(exercise):
    stub, solution = (ast.parse(code).body[-1] for code in (exercise.stub_code, exercise.solution_code))
    assert ast.dump(stub.args) == ast.dump(solution.args)
    assert stub.name == solution.name == exercise.name
    assert ast.get_docstring(stub) == ast.get_docstring(solution) is not None


@each_exercise
def test_an_exercise_is_named_as_its_chapter_knows_it(exercise):
    chapter = CHAPTERS[int(exercise.chapter[2:])]
    assert getattr(chapter, exercise.name) is exercise
    assert not set("`*$_#[]") & set(exercise.title), "a title becomes an anchor"


@each_exercise
def test_level_minutes_and_misconceptions_are_sane(exercise):
    assert exercise.level in LEVELS
    assert 1 <= exercise.goal <= 6
    assert 2 <= exercise.minutes <= 30
    assert len(exercise.hints) == 3
    for mistake in exercise.mistakes:
        assert mistake.misconception is None or mistake.misconception in MISCONCEPTIONS


@each_chapter
def test_a_chapter_fades_from_a_worked_example_to_a_transfer_question(chapter):
    levels = [exercise.level for exercise in exercises_of(chapter)]
    assert all(earlier <= later for earlier, later in pairwise(levels)), levels
    assert set(levels) == set(LEVELS)
    assert len(levels) >= 4


@each_chapter
def test_a_chapter_has_two_essays_that_say_what_a_good_answer_contains(chapter):
    assert len(chapter.ESSAYS) >= 2
    for essay in chapter.ESSAYS:
        assert len(essay.task) > 80
        assert len(essay.good_answer) > len(essay.task)
        assert 2 <= essay.minutes <= 40


def test_no_exercise_stands_twice():
    for part in ("name", "title", "task"):
        times = Counter(getattr(exercise, part) for exercise in EXERCISES)
        twice = [each for each, count in times.items() if count > 1]
        assert not twice, f"two exercises have the same {part}, {twice}: give one of them its own"


@each_chapter
def test_no_two_exercises_of_a_chapter_differ_only_in_constants(chapter):
    shapes: dict[str, str] = {}
    for exercise in exercises_of(chapter):
        alike = shapes.setdefault(without_constants(exercise.solution_code), exercise.name)
        assert alike == exercise.name, f"{exercise.name} is {alike} with other constants: ask for something else"


def without_constants(code: str) -> str:
    function = ast.parse(code).body[-1]
    function.name, function.body = "f", function.body[1:]
    names: dict[str, str] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Constant):
            node.value = 0
        if isinstance(node, ast.Name):
            node.id = names.setdefault(node.id, f"v{len(names)}")
        if isinstance(node, ast.arg):
            node.arg = names.setdefault(node.arg, f"v{len(names)}")
    return ast.dump(function)


def test_the_listing_for_teachers_names_every_exercise_and_every_essay():
    table = listing.rows()
    titles = [row[1] for row in table]
    assert titles == [each.title for chapter in CHAPTERS.values() for each in (*exercises_of(chapter), *chapter.ESSAYS)]
    assert len({row[0] for row in table}) == len(table)


@pytest.mark.parametrize(("arguments", "begins"), [([], "exercise "), (["--markdown"], "| exercise ")])
def test_the_listing_is_printed_as_text_or_as_markdown(arguments, begins, capsys):
    listing.main(arguments)
    printed = capsys.readouterr().out
    assert printed.startswith(begins)
    assert "The MACs of any convolution" in printed
