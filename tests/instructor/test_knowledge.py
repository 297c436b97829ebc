"""Points need knowledge: answers that look at nothing, count calls or read names earn no part, on any seed."""

from __future__ import annotations

import itertools
import sys

import pytest
from classroom import SEED

from instructor.assignments import ASSIGNMENTS
from instructor.grading import Key, compare
from instructor.problem import Problem, plain
from instructor.worker import call

COUNTS = ("MACs", "FLOPs", "parameters", "output elements")
CONSTANTS = [0, 1, -1, 100, 1.0, True, "", "none", "unknown", *COUNTS, [], {}, [[64, 2]] * 4, [[1, 2]] * 4]
CONSTANTS += [[[512, 2]] * 4, ["net A", "net B", "net E", "net F"], ["net A", "net C", "net E"]]


def constant(value):
    return lambda *_: value


def counter(*values):
    """Answers in a fixed order; a part starts afresh, so the order begins anew."""

    def make():
        following = itertools.chain(values, itertools.repeat(values[-1]))
        return lambda *_: next(following)

    return make


def at(*places):
    """A piece of the arguments."""

    def answer(*arguments):
        for place in places:
            arguments = arguments[place]
        return arguments

    return answer


def names(*places):
    """The names of the rows at these places."""
    return lambda networks, *_: [networks[place][0] for place in places]


def by_rank(column, place):
    return lambda networks, *_: sorted(networks, key=lambda row: row[column])[place][0]


def read_names(networks, *_):
    found = {row[0] for row in networks}
    return "none" if "huge" in found else "medium" if "medium" in found else "small"


def first_in_alphabet(networks, *_):
    return min(row[0] for row in networks)


def named_branch(network, _images):
    branch = getattr(network, "branch", None) or next(iter(dict(network.named_children()).values()))
    return sum(parameter.numel() for parameter in branch.parameters())


def child(place):
    def answer(network, _images):
        return sum(parameter.numel() for parameter in list(network.children())[place].parameters())

    return answer


def size(module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def in_the_code(network, _images):
    """Branches that `forward` does not name, nor hold, count as those that never train; frozen ones do, too."""
    forward = type(network).forward
    held = [cell.cell_contents for cell in forward.__closure__ or ()]
    held += [*vars(network).values(), *(forward.__defaults__ or ()), *forward.__globals__.values()]
    lists = [each for each in held if isinstance(each, list)]
    known = {id(module) for several in lists for module in several}
    idle = [m for name, m in network.named_children() if name not in forward.__code__.co_names and id(m) not in known]
    frozen = [m for m in network.children() if not any(p.requires_grad for p in m.parameters())]
    return sum(map(size, {*idle, *frozen}))


def that_do_not_run(network, images):
    ran = set()
    for module in network.children():
        module.register_forward_hook(lambda module, *_: ran.add(module))
    network(images)
    return sum(size(module) for module in network.children() if module not in ran)


def in_the_frames(network, _images):
    """What the frames that called have in their variables: lists of names, or of names with words."""
    frame, found = sys._getframe(1), []
    for _ in range(2):
        found += [each for each in frame.f_locals.values() if isinstance(each, list)]
        frame = frame.f_back
    named = {name for each in found for name in map(str, each)}
    return sum(size(module) for name, module in network.named_children() if name not in (*named, "first", "last"))


def some_branches(by, part):
    """Branches by their place, their name or their width."""

    def answer(network, _images):
        branches = [pair for pair in network.named_children() if pair[0] not in ("first", "last")]
        return sum(size(module) for _, module in sorted(branches, key=by)[part])

    return answer


def reduced(by, *places):
    return lambda *arguments: by(at(*places)(*arguments))


def cheats() -> list:
    """Each as a function that makes the answer for one part."""
    fixed = [constant(value) for value in CONSTANTS]
    fixed += [at(0), at(1), at(0, 0), at(0, 0, 0), at(0, -1, 0), at(1, 0), at(2)]
    fixed += [names(*range(count)) for count in range(1, 7)]
    fixed += [by_rank(column, place) for column in (1, 2) for place in (0, 1, -1, -2)]
    fixed += [by_rank(column, place) for column in (1, 2) for place in (2, -3)]
    fixed += [read_names, first_in_alphabet, named_branch, *map(child, range(5))]
    fixed += [in_the_code, that_do_not_run, in_the_frames]
    orders = (lambda pair: 0, lambda pair: pair[0], lambda pair: size(pair[1]))
    parts = [slice(start, end) for start in (None, 1, -1, -2) for end in (None, 1, 2, -1)]
    fixed += [some_branches(by, part) for by in orders for part in parts]
    fixed += [reduced(by, *places) for by in (len, sum, min, max, sorted) for places in ((0,), (1,), (2,))]
    made = [lambda answer=answer: answer for answer in fixed]
    made += [counter(*order) for order in itertools.permutations(COUNTS)]
    made += [counter(*[name for name in COUNTS for _ in range(2)]), counter(*["unknown"] * 3, *COUNTS)]
    return [*made, counter("none", "small", "none", "small"), counter(*range(9))]


def earned(problem: Problem, key: Key, make) -> list[str]:
    """The parts that a cheat gets."""
    parts = []
    for part in problem.parts:
        answer = make()
        right = True
        for index, case in enumerate(part.cases):
            got = problem.outcome(answer, case)
            if part.objection:
                right = "value" in got and part.objection(got["value"], *plain(case)) is None
            else:
                right = not compare(key.expected[part.name][index], got)
            if not right:
                break
        if right:
            parts.append(part.name)
    return parts


class ExpectedOnly(Key):
    """Without the mistakes, which take long and are not needed here."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.expected = self._outcomes(problem.solution)


@pytest.mark.parametrize("name", ASSIGNMENTS)
@pytest.mark.parametrize("seed", range(20))
def test_answers_without_knowledge_earn_no_part(name, seed):
    for problem in ASSIGNMENTS[name](f"{SEED} {seed}").problems:
        key = ExpectedOnly(problem)
        for number, make in enumerate(cheats()):
            assert earned(problem, key, make) == [], f"cheat {number} on {problem.name}"


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_answers_differ_within_each_part_and_between_seeds(name):
    seen: dict[tuple[str, str], list] = {}
    for seed in range(3):
        for problem in ASSIGNMENTS[name](f"{SEED} {seed}").problems:
            expected = ExpectedOnly(problem).expected
            for part in problem.parts:
                seen.setdefault((problem.name, part.name), []).append(expected[part.name])
                assert len({str(outcome) for outcome in expected[part.name]}) > 1 or len(part.cases) == 1
    for lists in seen.values():
        assert len({str(each) for each in lists}) > 1


def test_what_only_the_probe_knows_is_in_no_variable_when_the_answer_runs():
    def answer():
        frame, seen = sys._getframe(), []
        while frame:
            seen.append(repr(frame.f_locals)) if frame.f_code.co_filename != __file__ else None
            frame = frame.f_back
        return any("told to the probe" in each for each in seen)

    probe = "def look(answer, words):\n    del words\n    return answer()"
    request = {"problem": "it", "arguments": ["told to the probe"], "probe": probe, "probe_name": "look"}
    assert call({"it": answer}, request) == '{"value": false}'
