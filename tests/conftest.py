"""One thread a test, since the networks are tiny and threads would wait for each other; and no silent skips in CI."""

import gc
import os

import pytest
import torch

torch.set_num_threads(1)

# A worker of `make test` gets a file at a time. Those that take longest begin, so that all end together.
LONGEST = (
    *("test_browser.py", "test_exercises.py", "test_knowledge.py", "test_tryit.py", "test_hostile.py"),
    *("test_training.py", "test_durable.py", "test_deploy.py", "test_runtimes.py", "test_fair.py"),
    *("test_exercise_mending.py", "test_looks.py", "test_exercise_engine.py", "08_training.ipynb"),
    *("test_successors.py", "test_running_again.py", "test_fresh.py", "test_commands.py", "test_figures_08.py"),
    *("test_explain.py", "test_exercise_mutants.py", "test_search.py", "test_figures_13.py", "test_problems.py"),
    *("test_convolution.py", "test_guesses.py", "test_sharing.py", "test_own.py", "10_making_it_faster.ipynb"),
    *("test_splitting.py", "test_solution_numbers.py", "test_figures_07.py", "13_onto_a_device.ipynb"),
    *("test_command.py", "test_weights.py", "test_counting.py", "11_someone_elses_weights.ipynb", "test_cost.py"),
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What is imported here stays to the end: Python's garbage collector need not look through it again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Where everything must run, as in .ci/run, a skipped test has failed."""
    report = yield
    if report.skipped and os.environ.get("MOBILENET_EDU_REQUIRE_ALL"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but nothing may be skipped here: {report.longrepr[2]}"
    return report
