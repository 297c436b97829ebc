"""No wrong answer earns all points: every small change of a solution loses a part, whichever class's cases it meets."""

from __future__ import annotations

import pytest
from slips import mutants

from instructor.assignments import ASSIGNMENTS
from instructor.grading import Key, alike
from mobilenet_edu.exercises._running import CappedOutput, within

SEEDS = {"costs": 2, "block": 1, "budget": 1}
PROBLEMS = [
    pytest.param(problem, id=f"{problem.name}-{seed}")
    for name, count in SEEDS.items()
    for seed in range(count)
    for problem in ASSIGNMENTS[name](f"class {seed}").problems
    if problem.name != "design"  # many answers are right
]

# Changes that leave the answer right, whatever the arguments.
HARMLESS = {
    "conv_macs": ["line 5: not True"],  # strict=True
    "peak_elements": ["line 3: 0 + 1", "line 3: 0 - 1"],  # below every peak
    "pareto": ["line 3: 1.0 + 1", "line 3: 1.0 - 1"],  # below every accuracy
    "points_per_doubling": ["line 7: Div -> Mult", "line 8: Sub -> Add", "line 8: Sub -> Add", "line 8: not True"],
    "largest_surprise": ["line 11: Sub -> Add", "line 11: Sub -> Add", "line 11: not True"],  # one mean is enough
    "choose": ["line 6: 20 + 1"],  # 21 of 22 instead of 19 of 20: of 20 or of 40 runs as many
}


def earns_all(problem, key, answer) -> bool:
    right = []

    def run(restart):
        for part in problem.parts:
            for case, expected in zip(part.cases, key.expected[part.name], strict=True):
                if not alike(expected, problem.outcome(answer, case)):
                    return
        right.append(answer)

    within(1.0, run, CappedOutput())
    return bool(right)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_each_small_change_of_a_solution_loses_a_part(problem):
    key = Key(problem)
    alive = [said for said, answer in mutants(problem.answer, problem.name) if earns_all(problem, key, answer)]
    assert alive == HARMLESS.get(problem.name, [])
