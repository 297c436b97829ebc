"""Where a value is about right, and which of several known mistakes an answer is told."""

import classroom  # noqa: F401 (makes the instructor's package importable)
import pytest

from instructor.grading import Key
from instructor.problem import Part, Problem, same


@pytest.mark.parametrize("got", [0, 0.0, 5e-6, -5e-6])
def test_a_float_near_zero_is_zero(got):
    assert same(0.0, got)
    assert same([0.0], [got])


@pytest.mark.parametrize("got", [2e-5, -2e-5, 1, False, None, "0"])
def test_what_is_further_from_zero_or_no_number_is_not(got):
    assert not same(0.0, got)


def test_a_large_float_has_a_margin_of_its_size():
    assert same(1e6, 1e6 + 99)
    assert not same(1e6, 1e6 + 101)


def double(x):
    """Twice."""
    return 2 * x


def first(x):
    """The first mistake."""
    return x


def second(x):
    """The second mistake."""
    return +x


def third(x):
    """The third mistake, which agrees more often."""
    return x if x < 5 else 3 * x


def told(answer, *mistakes):
    parts = (Part("small", 1, ((1,), (2,))), Part("large", 1, ((7,),)))
    problem = Problem("# Twice", double, mistakes, parts, ())
    outcomes = {part.name: [problem.outcome(answer, case) for case in part.cases] for part in parts}
    return [mark.comment for mark in Key(problem).mark(outcomes)]


def test_of_mistakes_that_fit_alike_the_first_is_told():
    assert told(first, first, second)[0] == "The first mistake."
    assert told(first, second, first)[0] == "The second mistake."


def test_of_mistakes_that_fit_a_part_the_one_that_fits_best_elsewhere_is_told():
    assert told(third, first, third)[0] == "The third mistake, which agrees more often."
    assert told(first, third, first)[0] == "The first mistake."
