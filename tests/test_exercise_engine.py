"""The checker: five outcomes, and nothing that an answer does ends in an exception or a dead kernel."""

import dataclasses
import gc
import math
import random
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from torch import nn

from mobilenet_edu import exercises
from mobilenet_edu.cost import Cost
from mobilenet_edu.exercises import Mistake, _running, ch08, exercise
from mobilenet_edu.exercises._noticing import never_ends
from mobilenet_edu.exercises._plain import plain, remark
from mobilenet_edu.exercises._values import difference, same, show, wrong_type
from mobilenet_edu.exercises.networks import behaviour


def make(**changes):
    """The exercise of most tests below; ``changes`` replace its parts."""
    fields = {
        "title": "The area",
        "goal": 1,
        "level": 3,
        "minutes": 1,
        "task": "Return the area.",
        "hints": ("idea", "formula", "line"),
        "cases": ((2, 3), (5, 5)),
        "random_case": lambda rng: (rng.randint(1, 99), rng.randint(1, 99)),
        "covers": {"not square": lambda height, width: height != width},
        "alternative": lambda height, width: sum(height for _ in range(width)),
        "mistakes": (
            Mistake("square", "You squared the height.", lambda height, width: height * height),
            Mistake("half the way round", "You added the sides.", lambda height, width: height + width),
        ),
        "reasoning": "Rows times columns.",
        "unit": "pixels",
        "seconds": 0.2,
    }

    @exercise(**fields | changes)
    def area(height, width):
        """Pixels of an image."""
        return height * width

    return area


AREA = make()


def verdict_of(answer, exercise=AREA):
    return exercise.verdict(answer)


# The five outcomes


def test_a_right_answer_is_correct_in_hand_picked_and_random_cases():
    verdict = verdict_of(lambda height, width: width * height)
    assert verdict.outcome == "correct"
    assert verdict.text == "Correct, in all 22 cases tried."


def test_an_answer_that_is_wrong_in_a_single_case_is_wrong():
    for wrong_case in set(AREA.all_cases()):
        verdict = verdict_of(lambda *case, wrong_case=wrong_case: case[0] * case[1] + (case == wrong_case))
        assert verdict.outcome == "wrong"
        assert f"area(height={wrong_case[0]}, width={wrong_case[1]})" in verdict.text


def test_a_right_answer_may_carry_its_arguments_under_other_names():
    assert verdict_of(lambda a, b=1, *, c=0: a * b + c).outcome == "correct"


def test_an_answer_without_return_hears_that_it_has_none():
    def forgot(height, width):
        height * width

    def forgot_at_the_end(height, width):
        return_value = [height * width]
        return_value.append(height)

    for answer in (forgot, forgot_at_the_end):
        verdict = verdict_of(answer)
        assert verdict.outcome == "wrong"
        assert verdict.mistake == "no return"
        assert "it has no `return`" in " ".join(verdict.text.split())


def test_none_gets_both_readings():
    def empty(height, width):
        """Not begun."""

    def never_returns(height, width):
        if height < 0:
            return 1

    assert verdict_of(empty).outcome == "not answered"
    verdict = verdict_of(never_returns)
    assert verdict.outcome == "not answered"
    assert "Not answered yet" in verdict.text
    assert "`return`" in verdict.text
    assert verdict_of(...).outcome == "not answered"


def test_an_error_of_the_package_itself_is_told_as_such():
    from mobilenet_edu.cost import conv2d_cost

    verdict = verdict_of(lambda height, width: conv2d_cost(height, width, 0, 5).macs)
    assert verdict.mistake == "what the error says"
    assert "So says the package" in verdict.text


def test_a_gap_that_is_left_is_not_an_error():
    def raises(height, width):
        return height * ...

    def returns_it_inside(height, width):
        total = ...
        return [total]

    def returns_it(height, width):
        return ...

    def returns_none_at_it(height, width):
        if ...:
            return None
        return height * width

    for answer in (raises, returns_it_inside, returns_it, returns_none_at_it):
        assert verdict_of(answer).outcome == "not answered"
        assert "gap, `...`" in verdict_of(answer).text


def test_an_ellipsis_in_an_index_is_no_gap():
    def wrong(height, width):
        return int(np.zeros((height, width))[..., 1:].size)

    def raises(height, width):
        ...  # left from the stub, and without effect
        return np.zeros(1)[..., height:][0]

    def indexes_beside_a_gap(height, width):
        return np.zeros(1)[..., height:] + ...

    assert verdict_of(wrong).outcome == "wrong"
    assert verdict_of(raises).outcome == "error"
    assert verdict_of(indexes_beside_a_gap).outcome == "not answered"
    assert verdict_of(lambda height, width: int(np.zeros((height, width))[..., 1:].size)).outcome == "wrong"


def test_an_answer_whose_source_cannot_be_found_may_have_a_gap_or_none():
    def wrapped(height, width):
        return height

    wrapped.__wrapped__ = wrapped
    assert verdict_of(wrapped).outcome == "wrong"
    assert verdict_of(max).outcome == "wrong"
    namespace = {}
    exec("def gap(height, width):\n    return [...]\ndef none(height, width):\n    return height", namespace)
    assert verdict_of(namespace["gap"]).outcome == "not answered"
    assert verdict_of(namespace["none"]).outcome == "wrong"


def test_a_known_mistake_is_told_its_sentence_and_one_failing_call():
    verdict = verdict_of(lambda height, width: height + width)
    assert (verdict.outcome, verdict.mistake) == ("wrong", "half the way round")
    assert verdict.text == "Not yet. You added the sides.\n  area(height=2, width=3)\n  expected 6 pixels, got 5"


def test_an_unknown_mistake_is_told_the_first_failing_call():
    verdict = verdict_of(lambda height, width: height * width + (height == 5))
    assert (verdict.outcome, verdict.mistake) == ("wrong", None)
    assert verdict.text == (
        "Not yet. It is right in 21 of 22 cases; wrong are those without this: not\nsquare.\n"
        "  area(height=5, width=5)\n  expected 25 pixels, got 26"
    )


def test_a_mistake_must_agree_on_every_case_to_be_named():
    def almost_the_sum(height, width):
        return height + width + (height > 8)

    assert verdict_of(almost_the_sum).mistake is None


def test_an_error_names_the_exception_the_line_and_the_call():
    def divides(height, width):
        nothing = 0
        return height / nothing

    verdict = verdict_of(divides)
    assert verdict.outcome == "error"
    assert "ZeroDivisionError: division by zero" in verdict.text
    assert "`return height / nothing`" in verdict.text
    assert "area(height=2, width=3)" in verdict.text


def test_an_error_inside_a_library_names_the_line_of_the_answer():
    def calls_a_library(height, width):
        return Fraction(str(height) + "?")

    assert """`return Fraction(str(height) + "?")`""" in verdict_of(calls_a_library).text


def test_an_error_in_a_later_case_shows_that_case():
    verdict = verdict_of(lambda height, width: height * width if height == 2 else {}["missing"])
    assert "area(height=5, width=5)" in verdict.text


@pytest.mark.parametrize("answer", [None, 6, "area", [1], AREA])
def test_what_is_no_function_is_named(answer):
    verdict = verdict_of(answer)
    assert verdict.outcome == "error"
    assert "`check(area)`" in verdict.text


def test_check_prints_the_verdict_and_returns_nothing(capsys):
    assert AREA.check(lambda height, width: 0) is None
    assert capsys.readouterr().out.startswith("Not yet.")


# Plain types


class Everything(int):
    """Claims to equal everything, and breaks whoever shows it."""

    __hash__ = None

    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    def __repr__(self):
        raise RuntimeError("shown")

    __str__ = __format__ = __repr__


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (lambda right: right / 4, ["a float (1.5)", "`//`", "`int(...)`"]),
        (lambda right: True, ["a bool (True)"]),
        (lambda right: str(right), ["a str ('6')", "You returned text."]),
        (lambda right: f"{right:,}", ["a str ('6')", "You returned text."]),
        (lambda right: np.ones(right), ["a numpy.ndarray"]),
        (lambda right: torch.ones(right), ["a tensor", "`.item()`"]),
        (lambda right: area, ["a function", "parentheses"]),
        (lambda right: Everything(right), [".Everything"]),
        (lambda right: (right,), ["a tuple"]),
        (lambda right: None if right == 25 else right, ["got None. Does a path", "lack a `return`?"]),
        (lambda right: (part for part in [right]), ["a generator", "`yield`", "`(x for x in y)`"]),
    ],
)
def test_another_type_that_loses_something_is_named_kindly(result, words):
    verdict = verdict_of(lambda height, width: result(height * width))
    assert verdict.outcome == "wrong"
    for word in words:
        assert word in " ".join(verdict.text.split())


def area(height, width):
    return height * width


@pytest.mark.parametrize(
    ("result", "remark"),
    [
        (int, ""),
        (float, " As a plain int it would be `int(...)`."),
        (Fraction, " As a plain int it would be `int(...)`."),
        (np.int64, " As a plain int it would be `int(...)`."),
        (np.float32, " As a plain int it would be `int(...)`."),
        (np.array, " As a plain int it would be `.item()`."),
        (torch.tensor, " As a plain int it would be `.item()`."),
        (lambda right: torch.tensor(float(right), requires_grad=True), " As a plain int it would be `.item()`."),
    ],
)
def test_a_right_number_of_another_type_is_right_and_hears_how_to_make_it_plain(result, remark):
    verdict = verdict_of(lambda height, width: result(height * width))
    assert (verdict.outcome, " ".join(verdict.text.split())) == ("correct", f"Correct, in all 22 cases tried.{remark}")
    verdict = verdict_of(lambda height, width: result(height + width))
    assert verdict.mistake == "half the way round"


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (1.0, 1),
        (0.5, np.float64(0.5)),
        (0.5, torch.tensor(0.5)),
        (True, np.bool_(True)),
        (True, torch.tensor(True)),
        (Fraction(2), 2),
        ("pointwise", np.str_("pointwise")),
        ((1, 2), [1, 2]),
        ((1, 2), np.array([1, 2])),
        ((1, 2), torch.tensor([1.0, 2.0])),
        ([1.5, 2.0], (1.5, 2)),
        ([[7, 2], [3, 6]], torch.tensor([[7.0, 2.0], [3.0, 6.0]])),
        (((1, 2), (3, 4)), [(1, 2), (3, 4)]),
        (["a", "b"], {"a": 1, "b": 2}.keys()),
        ([0, 1, 2], range(3)),
        ([], ()),
        ({"a": 1, "b": (2, 3)}, {"a": 1, "b": [2, 3]}),
        (torch.ones(2), torch.ones(2).double()),
        (torch.tensor([1 / 3]), torch.tensor([1 / 3], dtype=torch.float64)),
        (torch.ones(2), np.ones(2)),
        (torch.ones(2), [1, 1]),
        (torch.ones(2), torch.ones(2, dtype=torch.int64)),
        (torch.tensor([1, 2]), torch.tensor([1.0, 2.0])),
    ],
)
def test_what_stands_for_the_same_is_made_plain(expected, got):
    assert same(expected, plain(expected, got))
    assert remark(expected, got).startswith((" As ", " In the usual precision"))
    assert remark(expected, expected) == ""
    assert plain({"a": 1, "b": 2}, {"b": 2, "a": np.int64(1)}) == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (1, True),
        (1, 1.5),
        (1, math.inf),
        (1, math.nan),
        (1, "1"),
        (1, [1]),
        (True, 1),
        (Fraction(1, 2), 0.5),
        ((1, 2), {1, 2}),
        ((1, 2), (part for part in (1, 2))),
        ((1, 2), np.array([1.5, 2])),
        (1 / 3, torch.tensor(0.333333)),
        (torch.ones(2), torch.ones(2, dtype=torch.bool)),
        (torch.tensor([1, 2]), torch.tensor([1.5, 2.0])),
        (torch.ones(2, 2), [[1, 1], [1]]),
        (torch.ones(1), torch.ones(1, device="meta")),
        (1, torch.ones((), device="meta")),
        ({"a": 1}, {"a": 1, "b": 2}),
    ],
)
def test_what_loses_something_stays_as_it_is(expected, got):
    assert not same(expected, plain(expected, got))
    assert not same(1, plain(1, Everything(1)))


def test_a_coroutine_is_named_and_closed():
    async def area(height, width):
        return height * width

    assert "`def` without `async`" in verdict_of(area).text


def test_types_are_compared_inside_of_containers_too():
    assert same((1, [2.0, "x"]), (1, [2.0, "x"]))
    for other in [(1.0, [2.0, "x"]), (1, (2.0, "x")), (1, [2.0, "x", None]), (True, [2.0, "x"]), (Everything(), [2.0])]:
        assert not same((1, [2.0, "x"]), other)
    assert not same({"a": 1}, {"a": True})
    assert not same({"a": 1}, {"b": 1})
    assert not same([], [1])
    assert not same((1,), [1])
    assert not same(Mistake("m", 1, len), Mistake("m", 1.0, len))
    assert same(Mistake("m", 1, len), Mistake("m", 1, len))


def test_the_shape_of_a_tensor_is_a_tuple():
    shape = torch.ones(2, 3).shape
    assert same((2, 3), shape)
    assert same([(2, 3)], [shape])
    assert same(shape, (2, 3))
    assert not same((2, 4), shape)
    assert not same([2, 3], shape)
    assert show(shape) == "(2, 3)"
    pair = make(cases=((2, 3),), mistakes=(), unit="")
    pair = dataclasses.replace(pair, reference=shape_of_a_map, alternative=None)
    assert pair.verdict(lambda height, width: torch.empty(height, width).shape).outcome == "correct"


def shape_of_a_map(height, width):
    """The two sizes."""
    return height, width


def test_floats_are_compared_to_nine_digits_and_all_else_exactly():
    assert same(0.1 + 0.2, 0.3)
    assert not same(1.0, 1.0 + 1e-8)
    assert not same(10**20, 10**20 + 1)
    assert not same(Fraction(1, 3), Fraction(333333333333, 10**12))
    assert not same(1.0, math.nan)
    assert not same(0.0, 1e-9)


def test_tensors_are_compared_by_shape_type_and_value():
    one = torch.ones(2, 3)
    assert same(one, nn.Parameter(one + 1e-7))
    for other in (
        torch.ones(3, 2),
        torch.ones(2, 3, 1),
        one.double(),
        one + 0.01,
        one * math.nan,
        one.tolist(),
        one.numpy(),
    ):
        assert not same(one, other)


def test_what_differs_is_said_part_by_part():
    assert difference(Cost(1, 2), Cost(1, 3), "") == "macs: expected 2, got 3"
    assert difference({"a": 1}, {"a": True}, "") == "a: expected an int (1), got a bool (True)."
    assert difference({"a": "(2, 3)"}, {"a": "(3, 2)"}, "") == "a: expected (2, 3), got (3, 2)"
    wrong = torch.ones(5, 5)
    wrong[3:, 2] = 0.25
    said = "the shape is right; 2 of 25 numbers differ, the first at [3, 2]: expected 1, got 0.25"
    assert difference(torch.ones(5, 5), wrong, "") == said
    assert difference(torch.ones(25, device="meta"), torch.ones(25, device="meta"), "").endswith("the values differ")
    assert difference(torch.ones(1), torch.zeros(1), "") == "expected torch.tensor([1.0]), got torch.tensor([0.0])"
    assert "got tensor of shape (25,)" in difference(torch.ones(1), torch.ones(25), "")
    assert difference(1, 2, "MACs") == "expected 1, got 2"
    assert difference(3, 2, "MACs") == "expected 3 MACs, got 2"
    said = "expected Fraction(1, 3) (about 0.3333), got Fraction(2, 3) (about 0.6667)"
    assert difference(Fraction(1, 3), Fraction(2, 3), "") == said
    long, other = list(range(20)), list(range(1, 21))
    assert difference(long, other, "MACs") == f"expected {long} MACs,\ngot {other}"


def test_a_type_that_differs_inside_is_named_with_its_place():
    said = "expected [[7, 2]], got [[7, 2.0]]\nat [0][1]: expected an int (2), got a float (2.0)."
    assert difference([[7, 2]], [[7, 2.0]], "").startswith(said)
    said = difference((True, 3), (torch.tensor(True), np.int64(3)), "")
    assert said.endswith("at [0]: expected a bool (True), got a tensor. `.item()` makes it a plain one.")
    assert "a numpy.int64. `int(...)` makes it a plain one." in difference([3], [np.int64(3)], "")
    assert difference([[1]], [(1,)], "").endswith("at [0]: expected a list, got a tuple.")
    assert difference([7, 2], [7, 3], "") == "expected [7, 2], got [7, 3]"


def test_a_difference_that_is_not_shown_is_named_with_its_place():
    right, wrong = list(range(99)), [*range(98), 0]
    assert difference(right, wrong, "").endswith("\nat [98]: expected 98, got 0")
    said = difference((torch.ones(25),), (torch.zeros(25),), "")
    assert "\nat [0]: the shape is right; 25 of 25 numbers differ, the first at [0]:" in said


def test_a_tensor_of_another_precision_is_told_so():
    said = difference(torch.ones(2), torch.ones(2).double(), "")
    assert said == "the shape is right; expected torch.float32, got torch.float64"


def test_a_number_computed_in_float32_is_told_so():
    third = torch.tensor(1 / 3).item()
    assert not same(1 / 3, third)
    assert "they agree to five digits: was it computed in float32" in difference(1 / 3, third, "")
    assert "at [0][1] they agree to five digits" in difference(([1.0, 1 / 3], 2.0), ([1.0, third], 2.0), "")
    assert "float32" not in difference(1 / 3, 0.3334, "")
    assert "float32" not in difference(0.0, 1e-7, "")


def test_long_and_strange_values_are_shown_in_short():
    endless = []
    endless.append(endless)
    assert len(show(endless)) < 100
    assert len(show("x" * 10**6)) < 300
    assert len(show(list(range(10**5)))) < 300
    assert show(10**5000) == "an integer of 16610 bits"
    assert len(show(dict.fromkeys(range(10**5)))) < 300
    assert "Everything" in show([Everything()])
    assert "lambda" not in show(lambda: 1)
    assert wrong_type(1, SimpleNamespace()) == "expected an int (1), got a types.SimpleNamespace."


@pytest.mark.parametrize(
    "value",
    [
        {"depthwise": 17385984, "pointwise": (1, [2.5])},
        torch.tensor([[1, 2], [3, 4]]),
        torch.tensor([True, False]),
        torch.tensor([0.1, -2.0, 1e6]),
        torch.tensor([[0.5]], dtype=torch.float64),
        nn.Parameter(torch.ones(2)),
    ],
)
def test_what_is_shown_whole_can_be_tried(value):
    assert same(value, eval(show(value), {"torch": torch}))


@pytest.mark.parametrize(
    ("tensor", "shown"),
    [
        (torch.ones(25), "tensor of shape (25,)"),
        (torch.full((2,), 1 / 3), "tensor of shape (2,)"),
        (torch.tensor([math.nan]), "tensor of shape (1,)"),
        (torch.empty(0, 3), "tensor of shape (0, 3)"),
        (torch.arange(30).double(), "tensor of shape (30,), torch.float64"),
    ],
)
def test_of_any_other_tensor_the_shape_is_shown(tensor, shown):
    assert show(tensor) == shown


def test_lines_break_between_arguments_and_inside_of_long_ones():
    printed = dict.fromkeys("abcdefghij", "12.34")
    said = make(cases=((printed, printed),), mistakes=())
    said = dataclasses.replace(said, reference=first_height, unit="").verdict(lambda height, width: {})
    assert max(map(len, said.text.splitlines())) <= 79
    assert str(printed) in " ".join(said.text.split())


# Hostile and unlucky answers


def loops(height, width):
    while True:
        pass


def swallows(height, width):
    while True:
        try:
            works(1)
        except:  # noqa: E722
            continue


def swallows_twice(height, width):
    while True:
        try:
            try:
                loops(height, width)
            except BaseException:
                print("once")
        except BaseException:
            print("twice")
        finally:
            continue  # noqa: B012


def works(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def answers_after_the_alarm(height, width):
    try:
        loops(height, width)
    except Exception:
        return height * width


@pytest.mark.parametrize("answer", [loops, swallows, swallows_twice, answers_after_the_alarm])
def test_an_endless_answer_is_stopped_even_if_it_swallows_exceptions(answer):
    verdict = verdict_of(answer)
    assert verdict.outcome == "timed out"
    said = " ".join(verdict.text.split())
    assert "Timed out after 0.2 seconds of work, in call 1 of 22. " in said
    open_ended = answer in (answers_after_the_alarm,)  # its own lines hold no loop
    why = "Does a loop never end, or run far too often?" if open_ended else "The loop `while True` never ends"
    assert why in said
    assert "area(height=2, width=3)" in verdict.text


def forgets_to_count(height, width):
    area = row = 0
    while row < height:
        area += width
    return area


def forgets_to_walk_on(height, width):
    area, sides = 0, [height, width]
    while sides[0] > 0:
        area += sides[1]
    return area


def waits_for_a_shorter_list(height, width):
    rows = [width] * height
    while len(rows) > 0:
        rows.append(width)
    return sum(rows)


def waits_for_what_a_call_changes(height, width):
    sides = [height]
    while sides[0] > 0:
        sides.__setitem__(0, height)
    return height


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (forgets_to_count, "in it nothing changes `height` and `row`."),
        (forgets_to_walk_on, "in it nothing changes `sides`."),
        (waits_for_what_a_call_changes, "Does a loop never end"),
    ],
)
def test_a_loop_that_cannot_end_is_named(answer, words):
    verdict = verdict_of(answer)
    assert verdict.outcome == "timed out"
    assert words in " ".join(verdict.text.split())


def test_a_loop_whose_list_a_call_may_shorten_is_not_called_endless():
    assert never_ends(waits_for_a_shorter_list) is None
    assert never_ends(forgets_to_count) is not None


def test_an_answer_that_is_random_or_keeps_something_hears_it():
    kept = []

    def random_area(height, width):
        return height * width + random.randint(1, 10**9)

    def remembers(height, width):
        kept.append(1)
        return height * width + len(kept)

    for answer in (random_area, remembers):
        verdict = verdict_of(answer)
        assert verdict.mistake == "another answer each time", verdict.text
    assert verdict_of(lambda height, width: float("nan")).mistake != "another answer each time"


def test_an_answer_that_is_no_whole_number_hears_what_would_make_it_one():
    verdict = verdict_of(lambda height, width: height * width + 1 / (1 + height + width))
    assert "rounded down, it is right in every case" in " ".join(verdict.text.split())
    verdict = verdict_of(lambda height, width: height * width / 2 + 1 / (2 + height))
    assert "a step that rounds is missing" in " ".join(verdict.text.split())


def test_an_answer_that_is_only_slow_hears_how_far_it_came():
    def slow(height, width):
        works(0.05)
        return height * width

    assert "in call 1 of 22" not in verdict_of(slow).text
    assert " of 22. " in verdict_of(slow).text


def test_an_answer_that_waits_is_stopped_too(monkeypatch):
    monkeypatch.setattr(_running, "PATIENCE", 0.3)
    for answer in (lambda height, width: time.sleep(60), lambda height, width: threading.Event().wait()):
        assert "Timed out after 0.3 seconds of waiting, in call 1 of 22." in " ".join(verdict_of(answer).text.split())


def test_a_recursion_that_ends_is_no_mistake():
    def deep(height, width):
        return height + deep(height, width - 1) if width else 0

    tall = make(cases=((2, 1700), (5, 5)), seconds=5.0)
    before = sys.getrecursionlimit()
    assert verdict_of(deep, tall).outcome == "correct"
    assert sys.getrecursionlimit() == before


def test_a_recursion_too_deep_is_not_said_to_have_no_end():
    text = " ".join(verdict_of(lambda height, width: sum(again(n) for n in [1]), make(seconds=5.0)).text.split())
    assert "Does it ever stop? If so, a loop does the same." in text


def again(n):
    return again(n + 1) + 1


@pytest.mark.parametrize("kind", [np.float32, torch.tensor], ids=["NumPy", "torch"])
def test_a_float_of_32_bits_is_right_if_those_are(kind):
    ratio = make(alternative=lambda height, width: height / width)
    third = dataclasses.replace(ratio, reference=lambda height, width: height / width)
    pair = dataclasses.replace(ratio, reference=lambda height, width: (height / width, 1.0))
    assert third.verdict(lambda height, width: kind(height / width)).outcome == "correct"
    assert third.verdict(lambda height, width: kind(1.00001 * height / width)).outcome == "wrong"
    assert third.verdict(lambda height, width: 1.0000001 * height / width).outcome == "wrong"  # a float has 64
    array = torch.tensor if kind is torch.tensor else lambda values: np.array(values, dtype=np.float32)
    assert pair.verdict(lambda height, width: array([height / width, 1.0])).outcome == "correct"
    assert pair.verdict(lambda height, width: array([height / width, 1.001])).outcome == "wrong"


def no_return_for_squares(height, width):
    if height != width:
        return height * width


def none_for_squares(height, width):
    return None if height == width else height * width


def upside_down(height, width):
    return Fraction(1000) / (height * width)


def in_powers_of_two(height, width):
    side = 1
    while side < height * width:
        side = 2 * side
    return side


def in_tens(height, width):
    return -(-height * width // 10) * 10


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (no_return_for_squares, "Sometimes your function comes to its end without a `return`, and so gives None."),
        (none_for_squares, "Your function gives None where there is an answer; all else is right."),
        (upside_down, "Your answer is 1,000 divided by the right one in every case: is a division upside down?"),
        (in_powers_of_two, "Your answer comes in powers of two, rounded up."),
        (in_tens, "Your answer comes in steps of 10, rounded up."),
    ],
)
def test_more_of_what_can_be_noticed_about_a_number(answer, said):
    assert said in " ".join(verdict_of(answer, make(seconds=5.0)).text.split())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda height, width: (height, width) ** 2, "A tuple is no number: take it apart first"),
        (lambda height, width: [height, width][height / 2], "A position is a whole number"),
        (lambda height, width: sum(height for _ in range(width / 1)), "A whole number is needed here"),
        (lambda height, width: max([]), "Here nothing is left to choose from."),
        (lambda height, width: [height].index(-width), "`index` looks for what that list does not hold."),
        (lambda height, width: height(width), "Round brackets call a function."),
        (lambda height, width: height[0], "has no entries"),
        (lambda height, width: Cost(macs=1) <= height, "A `Cost` holds several numbers; `.macs` is one of them."),
    ],
)
def test_what_python_says_of_wrong_types_is_explained(answer, said):
    verdict = verdict_of(answer)
    assert verdict.outcome == "error"
    assert verdict.mistake == "what the error says"
    assert said in verdict.text


def test_an_answer_that_works_is_not_said_to_wait(monkeypatch):
    """Beside sixteen programs a second of work takes far more than one by the clock on the wall."""
    monkeypatch.setattr(_running, "PATIENCE", 0.0)
    monkeypatch.setattr(_running, "SHARE", 10**9)

    def works_slowly(height, width):
        works(0.12 if (height, width) == (2, 3) else 0.0)
        return height * width

    assert verdict_of(works_slowly).outcome == "correct"


BUSY = "print(flush=True)\nfrom time import monotonic\nend = monotonic() + 600\nwhile monotonic() < end: pass"


@pytest.fixture
def sixteen_busy_programs():
    """Sixteen programs that do nothing but work, while a test runs."""
    programs = [subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE) for _ in range(16)]
    try:
        for program in programs:
            program.stdout.readline()
        yield
    finally:
        for program in programs:
            program.kill()
        for program in programs:
            program.communicate()


@pytest.mark.slow
def test_right_answers_pass_beside_sixteen_busy_programs(sixteen_busy_programs):
    def in_many_rounds(height, width):
        works(0.1 if (height, width) == (2, 3) else 0.004)
        return height * width

    assert verdict_of(in_many_rounds).outcome == "correct"
    slow = ("conv2d_macs", "network_saving", "separable_layer")
    by_name = {each.name: each for chapter in exercises.chapters().values() for each in exercises.exercises_of(chapter)}
    for name in slow:
        verdict = by_name[name].verdict(by_name[name].reference)
        assert verdict.outcome == "correct", (name, verdict.text)
    cost = by_name["network_saving"].verdict(_saving_counted_on_networks)
    assert cost.outcome == "correct", cost.text


def _saving_counted_on_networks(layers):
    """A right answer that builds every layer and counts it: the first call imports and warms up a counter."""
    from mobilenet_edu.counting import count_cost

    before = after = 0
    for m, n, k, size, stride in layers:
        dense = nn.Conv2d(m, n, k, stride, k // 2, bias=False)
        pair = nn.Sequential(nn.Conv2d(m, m, k, stride, k // 2, groups=m, bias=False), nn.Conv2d(m, n, 1, bias=False))
        costs = [count_cost(each, (m, size, size)).macs for each in (dense, pair)]
        before += costs[0]
        after += min(costs)
    return Fraction(before, after)


def test_time_in_which_others_work_is_not_the_answers_own():
    def shares_the_machine(height, width):
        time.sleep(0.05)  # 1.1 seconds in all, where 0.2 are allowed
        return height * width

    assert verdict_of(shares_the_machine).outcome == "correct"


def test_the_first_call_does_not_use_up_the_time_of_the_others():
    def prepares(height, width):
        works(0.15 if (height, width) == (2, 3) else 0.004)
        return height * width

    assert verdict_of(prepares).outcome == "correct"


def test_an_import_is_not_the_answers_own_time(tmp_path, monkeypatch):
    module = "import time\nend = time.thread_time() + 0.7\nwhile time.thread_time() < end: pass\nready = 1\n"
    (tmp_path / "a_slow_library.py").write_text(module, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)

    def imports(height, width):
        if height == 5:
            from a_slow_library import ready  # noqa: F401
        return height * width

    def imports_and_loops(height, width):
        from a_slow_library import ready  # noqa: F401

        loops(height, width)

    assert verdict_of(imports).outcome == "correct"
    assert "seconds of work" in verdict_of(imports_and_loops).text


def test_the_alarm_waits_while_a_library_watches_the_garbage_collector(monkeypatch):
    """Python drops what is raised in a callback of the collector: pytest would warn, and the answer run on."""
    dropped, seconds = [], []
    monkeypatch.setattr(sys, "unraisablehook", dropped.append)

    def watches(phase, info):
        if seconds:
            works(seconds.pop())

    def collects(height, width):
        seconds.append(0.5)
        gc.collect()
        loops(height, width)

    gc.collect()  # so that the answer finds nothing left by other tests, whose weak references drop an alarm as well
    gc.callbacks.append(watches)
    try:
        assert verdict_of(collects).outcome == "timed out"
    finally:
        gc.callbacks.remove(watches)
    assert not dropped


def test_the_alarm_is_put_back_after_a_check():
    def handler(*_):
        raise AssertionError("an alarm was left")

    before = signal.signal(signal.SIGALRM, handler)
    try:
        verdict_of(loops)
        verdict_of(swallows)
        assert signal.getsignal(signal.SIGALRM) is handler
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_an_answer_that_is_stopped_leaves_its_with_blocks():
    def loops_without_gradients(height, width):
        with torch.no_grad():
            loops(height, width)

    for _ in range(3):
        assert verdict_of(loops_without_gradients).outcome == "timed out"
        assert torch.is_grad_enabled()


def test_the_output_is_put_back_after_an_endless_answer_that_prints(capsys):
    before = sys.stdout, sys.stderr

    def chatters(height, width):
        while True:
            try:
                print("x" * 10**6)
            except BaseException:
                continue

    text = verdict_of(chatters).text
    assert (sys.stdout, sys.stderr) == before
    assert len(text) < 1000
    assert capsys.readouterr().out == ""


def test_a_megabyte_of_output_is_cut_and_a_line_of_it_is_shown():
    def prints(height, width):
        print("looking at", height, width, file=sys.stderr)
        print("x" * 10**6)
        return height * width

    verdict = verdict_of(prints)
    assert verdict.outcome == "correct"
    assert verdict.text.startswith("Your function printed:\nlooking at 2 3\nxxx")
    assert "the rest is cut" in verdict.text
    assert len(verdict.text) < 1000


def test_short_output_is_shown_whole():
    def prints(height, width):
        print(".", end="")
        return height * width

    assert verdict_of(prints).text == f"Your function printed:\n{'.' * 22}\nCorrect, in all 22 cases tried."


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), MemoryError("too much")])
def test_an_answer_that_tries_to_leave_is_an_error(error):
    def leaves(height, width):
        raise error

    verdict = verdict_of(leaves)
    assert verdict.outcome == "error"
    assert type(error).__name__ in verdict.text


def test_an_exception_that_cannot_be_shown_is_an_error():
    class UnshowableError(Exception):
        def __str__(self):
            raise RuntimeError

    def raises(height, width):
        raise UnshowableError("x" * 10**6)

    assert verdict_of(raises).outcome == "error"
    assert len(verdict_of(raises).text) < 1000


def test_an_exception_with_a_long_message_is_cut():
    def raises(height, width):
        raise ValueError("x" * 10**6)

    assert len(verdict_of(raises).text) < 1000


def test_endless_recursion_is_an_error():
    def again(height, width):
        return again(height, width)

    assert "RecursionError" in verdict_of(again).text


def test_too_few_arguments_are_an_error_that_says_so():
    assert "positional argument" in verdict_of(lambda height: height).text


def test_changed_arguments_are_named_and_do_not_spoil_later_checks():
    lists = {
        "cases": (([3, 1, 2],),),
        "random_case": lambda rng: ([rng.randint(0, 9) for _ in range(3)],),
        "mistakes": (),
    }

    @exercise(
        **{field.name: getattr(AREA, field.name) for field in dataclasses.fields(AREA) if field.name != "reference"}
        | lists
    )
    def smallest(numbers):
        """The smallest number."""
        return min(numbers)

    def sorts(numbers):
        numbers.sort()
        return numbers[0]

    for _ in range(2):
        verdict = smallest.verdict(sorts)
        assert verdict.outcome == "wrong"
        assert "changes its arguments" in verdict.text
        assert "smallest(numbers=[3, 1, 2])" in verdict.text
    assert smallest.verdict(lambda numbers: sorted(numbers)[0]).outcome == "correct"
    assert smallest.cases == (([3, 1, 2],),)


def test_a_network_that_is_an_argument_must_stay_as_it_is():
    layer = nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1))
    first = make(cases=((1, layer),), random_case=lambda rng: (rng.randint(1, 9), layer), alternative=None, mistakes=())
    by_reference = dataclasses.replace(first, reference=first_height)

    def changes_the_mode(height, width):
        width.eval()
        return height

    def changes_the_mode_of_a_part(height, width):
        width[0].eval()
        return height

    def changes_a_weight(height, width):
        nn.init.zeros_(width[0].weight)
        return height

    def freezes(height, width):
        width.requires_grad_(False)
        return height

    def leaves_a_hook(height, width):
        width[0].register_forward_hook(lambda *_: None)
        return height

    def leaves_gradients(height, width):
        width(torch.ones(2, 2)).sum().backward()
        return height

    def updates_a_buffer(height, width):
        width[1](torch.ones(2, 1))  # in training mode
        return height

    def puts_all_back(height, width):
        hook = width[0].register_forward_hook(lambda *_: None)
        width.eval()(torch.ones(1, 2)).sum().backward()
        width.zero_grad()
        hook.remove()
        width.train()
        return height

    for answer, what in (
        (changes_the_mode, "the mode"),
        (changes_the_mode_of_a_part, "the mode"),
        (changes_a_weight, "the parameters"),
        (freezes, "what is frozen"),
        (leaves_a_hook, "the hooks"),
        (leaves_gradients, "the buffers, such as batch norm's running averages,"),
        (updates_a_buffer, "the buffers, such as batch norm's running averages,"),
    ):
        said = " ".join(by_reference.verdict(answer).text.split())
        assert f"changes its arguments: {what} of `width`." in said
        assert "width=Sequential(0: Linear, 1: BatchNorm1d) in training mode" in said
    assert by_reference.verdict(puts_all_back).outcome == "correct"
    layer.eval()
    assert "changes its arguments: the gradients of `width`." in by_reference.verdict(leaves_gradients).text
    layer.train()
    assert layer.training
    assert layer[0].weight.any()


def test_a_network_may_be_built_from_the_networks_that_are_given():
    given = ((nn.Linear(2, 3), nn.Linear(3, 1)),)
    joined = make(cases=given, random_case=lambda rng: given[0], alternative=None, mistakes=(), unit="")
    joined = dataclasses.replace(joined, reference=on_a_frozen_body, observe=lambda network, *_: network[0].training)
    assert joined.verdict(lambda body, head: nn.Sequential(body.requires_grad_(False), head)).outcome == "correct"


def on_a_frozen_body(body, head):
    """Both."""
    return nn.Sequential(body.requires_grad_(False), head)


def first_height(height, width):
    """The height."""
    return height


def test_a_check_outside_of_the_main_thread_works_without_an_alarm():
    verdicts = []
    thread = threading.Thread(target=lambda: verdicts.append(verdict_of(lambda height, width: height * width)))
    thread.start()
    thread.join()
    assert verdicts[0].outcome == "correct"


def test_an_answer_cannot_learn_from_one_case_what_the_next_will_be():
    assert AREA.all_cases() == AREA.all_cases()
    names = {make().name, AREA.name}
    assert names == {"area"}
    assert len(set(AREA.all_cases())) > 15


def test_a_notebook_goes_on_after_every_hostile_answer():
    cells = [
        "import dataclasses, sys, time\nfrom mobilenet_edu import exercises",
        "check = dataclasses.replace(exercises.ch02.conv2d_macs, seconds=0.2).check",
        "def endless(*layer):\n    while True:\n        try:\n            sum(range(9))\n        except: pass",
        "check(endless)",
        "def leaves(*layer):\n    sys.exit('gone')",
        "check(leaves)",
        "def floods(*layer):\n    print('x' * 2**20)\n    return 1 / 0",
        "check(floods)",
        "check(exercises.ch02.conv2d_macs.reference)",
    ]
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=600, kernel_name="python3", coalesce_streams=True).execute()
    said = ["".join(output.text for output in cell.outputs) for cell in notebook.cells]
    assert said[3].startswith("Timed out")
    assert "SystemExit: gone" in said[5]
    assert "`sys.exit('gone')`" in said[5]
    assert "ZeroDivisionError" in said[7]
    assert len(said[7]) < 1000
    assert said[8].startswith("Correct")


# Networks


@exercise(
    title="Two convolutions",
    goal=1,
    level=3,
    minutes=1,
    task="Return a depthwise and a pointwise convolution.",
    hints=("idea", "formula", "line"),
    cases=((3, 5),),
    random_case=lambda rng: (rng.randint(2, 6), rng.randint(2, 6)),
    covers={"more channels": lambda M, N: N > M},
    alternative=None,
    mistakes=(
        Mistake(
            "no groups",
            "You left out the groups.",
            lambda M, N: nn.Sequential(nn.Conv2d(M, M, 3, padding=1), nn.Conv2d(M, N, 1)),
        ),
    ),
    reasoning="Filter, then combine.",
    observe=behaviour(lambda M, N: (2, M, 7, 6)),
)
def separable(M, N):
    """A depthwise and a pointwise convolution."""
    return nn.Sequential(nn.Conv2d(M, M, 3, padding=1, groups=M), nn.Conv2d(M, N, 1))


def test_a_network_is_right_whatever_its_parts_are_called_and_whatever_their_order():
    class Block(nn.Module):
        def __init__(self, M, N):
            super().__init__()
            self.combine = nn.Conv2d(M, N, 1)
            self.filter = nn.Conv2d(M, M, 3, padding=1, groups=M)

        def forward(self, images):
            return self.combine(self.filter(images))

    assert separable.verdict(Block).outcome == "correct"


def test_a_network_may_call_functions_instead_of_modules():
    class Block(nn.Module):
        def __init__(self, M, N):
            super().__init__()
            self.filters = nn.ParameterList([nn.Parameter(torch.ones(M, 1, 3, 3)), nn.Parameter(torch.ones(M))])
            self.matrix = nn.ParameterList([nn.Parameter(torch.ones(N, M, 1, 1)), nn.Parameter(torch.ones(N))])

        def forward(self, images):
            filtered = F.conv2d(images, *self.filters, padding=1, groups=images.shape[1])
            return F.conv2d(filtered, *self.matrix)

    assert separable.verdict(Block).outcome == "correct"


def without_return(M, N):
    network = separable.reference(M, N)
    network.forward = lambda images: None
    return network


def with_two_outputs(M, N):
    network = separable.reference(M, N)
    network.forward = lambda images: (images, images)
    return network


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (lambda M, N: nn.Conv2d(M, N, 3, padding=1), "number of parameters"),
        (
            lambda M, N: nn.Sequential(nn.Conv2d(M, M, (1, 9), padding=(0, 4), groups=M), nn.Conv2d(M, N, 1)),
            "shapes of the weights",
        ),
        (
            lambda M, N: nn.Sequential(nn.Conv2d(M, M, 3, groups=M), nn.Conv2d(M, N, 1)),
            "shape of the output: expected (2, 5, 7, 6), got (2, 5, 5, 4)",
        ),
        (without_return, "shape of the output: expected (2, 5, 7, 6), got None (does `forward` lack a `return`?)"),
        (with_two_outputs, "shape of the output: expected (2, 5, 7, 6), got a tuple"),
        (lambda M, N: nn.Sequential(nn.Conv2d(M, N, 1), nn.Conv2d(M, M, 3, padding=1, groups=M)), "RuntimeError"),
        (lambda M, N: nn.Sequential(separable.reference(M, N), nn.ReLU()), "numbers differ, the first at ["),
        (lambda M, N: separable.reference(M, N).state_dict(), "an nn.Module"),
        (lambda M, N: separable.reference, "an nn.Module"),
    ],
)
def test_a_wrong_network_is_told_in_which_part(network, words):
    verdict = separable.verdict(network)
    assert verdict.outcome == "wrong"
    assert words in " ".join(verdict.text.split())
    assert separable.verdict(separable.mistakes[0].wrong).mistake == "no groups"


def test_the_weights_of_the_answer_do_not_matter_and_stay_as_they_are():
    def ones(M, N):
        network = separable.reference(M, N)
        for parameter in network.parameters():
            nn.init.ones_(parameter)
        kept.append(network)
        return network

    kept = []
    assert separable.verdict(ones).outcome == "correct"
    assert all((parameter == 1).all() for network in kept for parameter in network.parameters())


def test_an_endless_forward_pass_is_stopped():
    class Endless(nn.Module):
        def forward(self, images):
            loops(1, 1)

    assert dataclasses.replace(separable, seconds=0.2).verdict(lambda M, N: Endless()).outcome == "timed out"


def test_a_network_in_training_mode_normalises_by_its_batch():
    observe_evaluation, observe_training = (behaviour(lambda: (4, 2, 3, 3), training) for training in (False, True))
    network = nn.BatchNorm2d(2)
    assert not same(observe_evaluation(network)["output"], observe_training(network)["output"])
    assert network.running_mean.eq(0).all()


def test_the_variances_of_a_network_are_filled_with_positive_numbers():
    assert behaviour(lambda: (1, 9, 3, 3))(nn.BatchNorm2d(9))["output"].isfinite().all()


# Questions with many right answers


def test_a_judge_accepts_each_right_answer_and_says_what_a_wrong_one_breaks():
    def judge(answer, height, width):
        return None if answer % height == 0 else f"{answer} is no multiple of {height}"

    multiple = make(judge=judge, mistakes=(Mistake("sum", "You added.", lambda height, width: height + width),))
    assert multiple.verdict(lambda height, width: 7 * height).outcome == "correct"
    assert "8 is no multiple of 5" in multiple.verdict(lambda height, width: height + 3 if height == 5 else height).text
    assert multiple.verdict(lambda height, width: height + width).mistake == "sum"
    assert multiple.verdict(lambda height, width: float(height)).outcome == "correct"
    assert "a float" in multiple.verdict(lambda height, width: height + 0.5).text


# What a learner starts from, and what the solution shows


def test_a_stub_is_the_head_of_the_solution():
    assert AREA.stub_code == 'def area(height, width):\n    """Pixels of an image."""\n    ...'
    assert AREA.solution_code == 'def area(height, width):\n    """Pixels of an image."""\n    return height * width'
    assert make(level=1).stub_code == AREA.solution_code
    assert make(stub="\nwith a gap\n").stub_code == "with a gap"
    assert make(imports="import math").solution_code.startswith("import math\n\n\ndef area")


def test_the_solution_shows_its_reasoning(capsys):
    AREA.solution()
    assert capsys.readouterr().out == f"{AREA.solution_code}\n\nRows times columns.\n"


# Predictions


@pytest.mark.parametrize(
    ("guess", "truth", "said"),
    [
        (..., 1234, "No guess yet. It is 1,234 MACs."),
        (None, 1234, "No guess yet. It is 1,234 MACs."),
        (1234, 1234, "You guessed 1,234; it is 1,234 MACs. Exactly right."),
        (1200, 1234, "You guessed 1,200; it is 1,234 MACs. Well guessed: less than a tenth apart."),
        (1099, 1000, "You guessed 1,099; it is 1,000 MACs. Well guessed: less than a tenth apart."),
        (1100, 1000, "You guessed 1,100; it is 1,000 MACs. Your guess is 1.1 times too large."),
        (617, 1234, "You guessed 617; it is 1,234 MACs. Your guess is 2 times too small."),
        (12340, 1234, "You guessed 12,340; it is 1,234 MACs. Your guess is 10 times too large."),
        (1, 10**9, "You guessed 1; it is 1,000,000,000 MACs. Your guess is more than a thousand times too small."),
        (0, 5, "You guessed 0; it is 5 MACs. You expected none."),
        (256, 0, "You guessed 256; it is 0 MACs. You expected some; there are none."),
        (0, 0, "You guessed 0; it is 0 MACs. Exactly right."),
        (-5, 5, "You guessed -5; it is 5 MACs. Your guess has the other sign."),
        (np.int64(5), 5, "You guessed 5; it is 5 MACs. Exactly right."),
        (torch.tensor(2.5), 5, "You guessed 2.5; it is 5 MACs. Your guess is 2 times too small."),
        ("1/4", 0.25, "You guessed 1/4; it is 0.25 MACs. Exactly right."),
        ("1,000", 1000, "You guessed 1,000; it is 1,000 MACs. Exactly right."),
        ("1/0", 5, "You guessed 1/0; it is 5 MACs."),
        ("Half a turn.", "half a turn", "You guessed half a turn MACs, and so it is."),
        (0.5, Fraction(1, 2), "You guessed 0.5; it is 1/2 MACs. Exactly right."),
        ("many", 5, "You guessed many; it is 5 MACs."),
        (math.nan, 5, "You guessed nan; it is 5 MACs."),
        ("flipped", "as it is", "You guessed flipped; it is as it is MACs."),
        (True, True, "You guessed True MACs, and so it is."),
    ],
)
def test_a_guess_stands_beside_the_truth(guess, truth, said, capsys):
    exercises.reveal(guess, truth, "MACs")
    assert capsys.readouterr().out == said + "\n"


def test_as_many_is_not_one_times_as_many(capsys):
    exercises.reveal(2, 1.0, "times as many")
    assert capsys.readouterr().out == "You guessed 2; it is as many. Your guess is 2 times too large.\n"


def test_a_strange_guess_is_shown_by_its_type(capsys):
    exercises.reveal(Everything(), 5)
    assert capsys.readouterr().out == f"You guessed {show(Everything())}; it is 5.\n"
    assert show(Everything()).endswith(".Everything")


def test_a_guess_needs_no_unit(capsys):
    exercises.reveal(1, 2)
    assert capsys.readouterr().out == "You guessed 1; it is 2. Your guess is 2 times too small.\n"


# Importing


WITHOUT_LIBRARIES = """
import signal, sys
sys.modules.update(dict.fromkeys(("torch", "numpy", "matplotlib")))  # an import of one of them fails
del signal.setitimer  # as in a browser
from mobilenet_edu import exercises

for chapter in exercises.chapters().values():
    for each in exercises.exercises_of(chapter):
        if not each.needs_torch:
            assert each.verdict(each.reference).outcome == "correct", each
            first = each.mistakes[0]  # test_exercises judges them all
            assert each.verdict(first.wrong).mistake == first.name, (each, first.name)
            print(each.name)
"""


def test_most_exercises_work_without_torch_and_without_alarms_as_in_a_browser():
    done = subprocess.run([sys.executable, "-c", WITHOUT_LIBRARIES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names = done.stdout.split()
    assert len(names) >= 47
    assert {"output_side", "conv2d_macs", "channels_needed", "misprints", "what_was_counted"} <= set(names)
    assert not {"true_convolution", "separable_layer", "idle_layers", "frozen"} & set(names)


def test_an_unknown_chapter_is_no_attribute():
    with pytest.raises(AttributeError, match="no attribute 'chapter_2'"):
        exercises.chapter_2  # noqa: B018


def test_an_answer_that_failed_half_way_leaves_nothing_behind_for_the_next():
    calls = []

    def fails_the_second_time(count, held_out, seed):
        calls.append(seed)
        if len(calls) == 2:
            raise ValueError
        return tuple(reversed(ch08.three_sets.reference(count, held_out, seed)))

    sets = ch08.three_sets
    sets.verdict(fails_the_second_time)
    assert sets.verdict(sets.alternative).outcome == "correct"
    assert sets.verdict(sets.reference).outcome == "correct"
