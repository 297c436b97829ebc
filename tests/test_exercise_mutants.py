"""No wrong answer gets through: every small change of every solution is caught by the cases of its exercise."""

import copy
import functools
import gc
import time

import pytest
from slips import mutants
from worked_once import worked_out_once  # noqa: F401

from mobilenet_edu import exercises
from mobilenet_edu.exercises import exercises_of
from mobilenet_edu.exercises._running import CappedOutput, within

pytestmark = pytest.mark.usefixtures("worked_out_once")

EXERCISES = [each for chapter in exercises.chapters().values() for each in exercises_of(chapter)]


def _mutants(exercise):
    return mutants(exercise.solution_code, exercise.name)


@functools.cache
def longest(place):
    """The seconds that the solution works on the case that takes it longest, and a little more."""
    exercise = EXERCISES[place]
    seconds = []
    for trial in exercise._trials():
        began = time.thread_time()
        exercise.reference(*copy.deepcopy(trial.case))
        seconds.append(time.thread_time() - began)
    return max(seconds) + 0.05


def survives(place, answer):
    """Whether an answer is right in every case. One that works ten times as long as the solution never ends."""
    exercise = EXERCISES[place]
    survived = []

    def run(restart):
        for trial in exercise._trials():
            restart()
            exercise._try(answer, trial)
            if trial.complaint or trial.changed:
                return
        survived.append(answer)

    gc.disable()  # or it might look through all that the tests have made meanwhile, in the time of one answer
    try:
        within(10 * longest(place), run, CappedOutput())
    finally:
        gc.enable()
    return bool(survived)


# Changes that leave the answer right, whatever the arguments.
HARMLESS = {
    "correlate_lists": ["line 7: 0 + 1", "line 7: 0 - 1"],  # the length of another row
    "conv2d_macs": ["line 13: FloorDiv -> Div"],  # whole floats
    "largest_picture": ["line 4: 0 - 1"],  # one step more
    "weight_shape": ["line 3: FloorDiv -> Div"],
    "largest_side": ["line 6: 0 + 1"],  # the end of a range in steps of 32
    "largest_resolution": ["line 8: 1 + 1"],  # the answer is always even
    "held_out_error": ["line 11: not True"],  # strict=True
    "choose_network": ["line 15: Gt -> GtE"],  # no two are equally accurate
    "run_by_run": ["line 9: Eq -> NotEq"],  # the pairs of the other network are the same
    "largest_batch": ["line 3: 0 - 1", "line 6: 0 - 1"],
    "rounded_width": ["line 5: Lt -> LtE"],  # no width is nine tenths of itself
    "chance_to_survive": ["line 8: 1 + 1"],  # adds comb(n, n + 1), which is 0
}


@pytest.mark.parametrize("place", range(len(EXERCISES)), ids=[f"{e.chapter}.{e.name}" for e in EXERCISES])
def test_each_small_change_of_a_solution_is_caught(place):
    alive = [said for said, answer in _mutants(EXERCISES[place]) if survives(place, answer)]
    assert alive == HARMLESS.get(EXERCISES[place].name, [])
