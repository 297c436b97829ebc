"""A wrong answer that is the right one of other arguments, or has a plain relation to the right one, hears so."""

import inspect
import linecache

import pytest

from mobilenet_edu import exercises
from mobilenet_edu.exercises import _as_if, _mending, exercises_of
from mobilenet_edu.exercises._as_if import as_if, others
from mobilenet_edu.exercises._relating import quantities, related


@pytest.fixture(autouse=True)
def enough_time(monkeypatch):
    """What is found must not depend on how busy the machine is."""
    monkeypatch.setattr(_mending, "SECONDS", 8.0)
    monkeypatch.setattr(_mending, "ONE", 6.0)
    monkeypatch.setattr(_as_if, "SECONDS", 8.0)


BY_NAME = {each.name: each for chapter in exercises.chapters().values() for each in exercises_of(chapter)}


def answer(name, body):
    """A learner's function: the head of the exercise, and this body, with a source that can be read as a cell's can."""
    head = f"def {name}({', '.join(inspect.signature(BY_NAME[name].reference).parameters)}):\n"
    code = f"{BY_NAME[name].imports}\n{head}" + "".join(f"    {line}\n" for line in body.splitlines())
    file = f"<answer {abs(hash(code))}>"
    linecache.cache[file] = (len(code), None, code.splitlines(True), file)
    namespace = {"__name__": "a_notebook"}
    exec(compile(code, file, "exec"), namespace)
    return namespace[name]


# What a class writes: the exercise, the answer, the name of what is told, and words of it.
TOLD = [
    ("mean_and_spread", "s = [100 * (total - c) / total for c in correct]\nm = sum(s) / len(s)\n"
     "return m, (sum((x - m) ** 2 for x in s) / (len(s) - 1)) ** 0.5",
     "a relation", "The first part of your answer is 100 less the right one, in every case."),
    ("mean_and_spread", "s = [100 * c / total for c in correct]\nm = sum(s) / len(s)\n"
     "return max(s), (sum((x - m) ** 2 for x in s) / (len(s) - 1)) ** 0.5",
     "as of other arguments", "the largest of `correct` in place of each of its entries"),
    ("mean_and_spread", "s = [100 * c / total for c in correct]\nm = sum(s) / len(s)\n"
     "return m, abs(sum((x - m) ** 2 for x in s) / len(s) - 1) ** 0.5",
     "parentheses", "Parentheses stand in the wrong place."),
    ("achieved_gflops", "return 2 * macs * batch_size / seconds[-1] / 1e9",
     "as of other arguments", "right one for the last entry of `seconds` alone"),
    ("time_with_chip", "for name, chip, processor in operations:\n"
     "    return 2 * copy + chip if name in supported else processor",
     "as of other arguments", "right one for the first entry of `operations` alone"),
    ("fold_channel", "d = math.sqrt(variance + eps)\n"
     "return [w / d for w in weight], beta + gamma / d * (bias - mean)",
     "as of other arguments", "first part of your answer is the right one for `gamma` = 1, whatever it is"),
    ("choose_recipe", "d = {}\nfor name, v, t in runs:\n    d.setdefault(name, []).append(v)\n"
     "return max(sum(v) / len(v) for v in d.values())",
     "what the complaint says", "expected a str ('b'), got a float (347.0)"),
    ("predict_latency", "gap = sum(times) - measured\nf = gap / sum(1 - s for s in small)\n"
     "return sum(f + (t - f) * s for t, s in zip(times, other))",
     "as direction", "of the solution with"),
    ("training_bytes", "return 4 * (2 * parameters - batch_size * kept)",
     "another operator", "With `return 4 * (3 * parameters + batch_size * kept)` in place of"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "body", "told", "words"), TOLD, ids=[f"{i} {each[0]}" for i, each in enumerate(TOLD)])
def test_what_an_answer_is_instead_is_told(name, body, told, words):
    verdict = BY_NAME[name].verdict(answer(name, body))
    assert verdict.outcome == "wrong"
    assert verdict.mistake == told, verdict.text
    assert words in " ".join(verdict.text.split())


# Every kind of argument, and what changes are tried of it.
ARGUMENTS = {
    "number": (3, 2.5),
    "bool": (True, False),
    "numbers": ([3, 1, 2], [5.0, 4.0]),
    "rows": ([("a", 2, 1), ("b", 3, 4)], [("c", 5, 6)]),
    "lists": ([[1, 2], [3]], [[4]]),
    "list": (["a", "b"], ["c"]),
    "by name": ({"a": "x", "c": "b"}, {"b": "y"}),
    "numbers by name": ({"a": 2}, {"b": 3, "c": 1}),
}


@pytest.mark.parametrize("kind", ARGUMENTS)
def test_each_kind_of_argument_is_changed_and_is_left_as_it_was(kind):
    before = repr(ARGUMENTS[kind])
    cases = [(value,) for value in ARGUMENTS[kind]]
    assert _as_if._kind_of(ARGUMENTS[kind]) == kind
    changes = list(others(["it"], cases))
    assert len({change.said for change in changes}) == len(changes) >= 3
    assert all("it" in change.said for change in changes)
    changed = [repr(change.changed(case)) for change in changes for case in cases if works(change.changed, case)]
    assert len(set(changed)) >= 2
    assert repr(ARGUMENTS[kind]) == before


def works(change, case):
    """Whether a change can be made: an empty list has no largest entry."""
    try:
        change(case)
    except Exception:
        return False
    return True


def test_two_arguments_may_be_changed_at_once_but_never_one_twice():
    cases = [(a, b) for a in (2, 3, 5) for b in (7, 11, 13)]
    said = as_if("ab", cases, lambda changed: all(sum(changed(case)) == case[0] + 1 + 2 * case[1] for case in cases))
    assert said == "`a + 1` in place of `a`, and twice the `b`"
    assert not as_if("ab", cases, lambda changed: all(sum(changed(case)) == 4 * case[0] + case[1] for case in cases))


def test_a_relation_is_told_only_if_it_holds_in_every_case():
    names, cases = ("width", "seconds"), [(3, [1.0, 5.0]), (4, [2.0, 3.0, 7.0]), (6, [9.0])]
    known, right = quantities(names, cases), [10, 20, 35]
    assert related(right, [30, 80, 210], known) == "the right one times `width`"
    assert related(right, [30, 80, 211], known) == ""
    assert related(right, [5.0, 7.0, 9.0], known) == "the largest of `seconds`"
    assert related(right, [12, 23, 36], known) == "the right one and the number of entries of `seconds` together"
    assert related(right, [0, 0, 0], known) == ""
    assert related(right, [10.0, 20.0, 35.0], known) == "", "only their type is another"
    assert related([10, 10, 35], [30, 40, 210], known) == "", "two right ones are too few"


def test_of_texts_and_lists_no_product_is_made():
    known = [("`unit`", [10**12, 10**11, 10**13])]
    assert related(["MACs", "FLOPs", "neither"], ["MACs", "neither", "FLOPs"], known) == ""
    assert related([[1], [2], [3]], [[1], [1], [2]], known) == ""


def test_a_solution_that_would_run_for_ever_with_other_arguments_is_given_up(monkeypatch):
    def search(limit):
        found = 0
        while found != limit:
            found += 1
        return found

    def told(changed):
        return all(_mending.watched(search)(*changed((limit,))) == -1 for limit in (3, 4, 5))

    monkeypatch.setattr(_mending, "ONE", 0.05)
    assert as_if(["limit"], [(3,), (4,), (5,)], told) == ""
