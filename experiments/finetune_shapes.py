"""Three ways to learn four shapes from few pictures, for chapter 11: ``python experiments/finetune_shapes.py``.

Writes mobilenet_edu/data/shapes.csv, a line a run, and skips runs that are already there: it may be stopped and started
again. About a quarter of an hour of one core. Each way has its own learning rate for each number of pictures and steps:
the one with the best mean on validation pictures, over trials of their own. The test pictures were looked at with that
rate alone.
"""

from __future__ import annotations

import csv
import functools
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import torch
from torch import nn

from mobilenet_edu import training, weights
from mobilenet_edu.network import MobileNetV1
from mobilenet_edu.training import Split

TARGET = Path(weights.__file__).with_name("data") / "shapes.csv"
WAYS = ("head", "whole", "scratch")
PICTURES, STEPS, RATES = (5, 20), (8, 24, 80, 240), (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
HELD_OUT = 50  # pictures of each shape to validate with, and as many to test with
BATCH = 10


class Run(NamedTuple):
    """One training: the way, the pictures of each shape, steps, learning rate, trial; how many of 200 it got right.

    ``test_correct`` is None where the test pictures were not looked at.
    """

    way: str
    pictures: int
    steps: int
    rate: float
    trial: int
    validation_correct: int = 0
    test_correct: int | None = None


@functools.cache
def shapes(count: int, seed: int) -> Split:
    """Drawn, saved, and read back as a folder of pictures is read; one channel, as the digit reader wants."""
    with tempfile.TemporaryDirectory() as folder:
        weights.draw_shapes(folder, count, seed)
        images, labels, _ = weights.pictures(folder, 32)
    return Split(images[:, :1], labels)


def features(body: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """What the classifier of ``body`` would read, in evaluation mode."""
    head, body.classifier = body.classifier, nn.Identity()
    with torch.no_grad():
        read = body.eval()(images)
    body.classifier = head
    return read


def tuned(way: str, split: Split, steps: int, rate: float, seed: int) -> nn.Module:
    """A network for the four shapes, trained on ``split`` in one of three ways."""
    torch.manual_seed(seed)
    network = training.load_digit_reader()
    if way == "scratch":
        network = MobileNetV1(10, 0.125, in_channels=1)
    network.classifier = nn.Linear(network.classifier.in_features, len(weights.SHAPES))
    learner = network
    if way == "head":
        learner, split = network.classifier, Split(features(network, split.images), split.labels)
    loader = training.batches(split, BATCH, seed)
    optimizer, schedule = training.recipe(learner, steps, rate)
    training.fit(learner, loader, optimizer, schedule, epochs=steps // len(loader))
    return network


def made(run: Run) -> Run:
    """Train and score what ``run`` plans, on one thread. No two trials share a picture's seed."""
    torch.set_num_threads(1)
    network = tuned(run.way, shapes(run.pictures, seed=run.trial), run.steps, run.rate, seed=run.trial)
    run = run._replace(validation_correct=count_correct(network, shapes(HELD_OUT, seed=1000 + run.trial)))
    if run.test_correct is None:
        return run
    return run._replace(test_correct=count_correct(network, shapes(HELD_OUT, seed=2000 + run.trial)))


def count_correct(network: nn.Module, split: Split) -> int:
    return int((training.predict(network, split.images) == split.labels).sum())


def tries() -> list[Run]:
    """The runs by which the rates are chosen."""
    return [
        Run(way, pictures, steps, rate, 100 + trial)
        for pictures, steps, way, rate, trial in product(PICTURES, STEPS, WAYS, RATES, range(3))
    ]


def chosen_rate(runs: list[Run], way: str, pictures: int, steps: int) -> float:
    """The rate whose tries did best on their validation pictures."""
    wanted = (way, pictures, steps)
    tried = [run for run in runs if run[:3] == wanted and run.test_correct is None]
    return max(RATES, key=lambda rate: fmean(run.validation_correct for run in tried if run.rate == rate))


def finals(runs: list[Run]) -> list[Run]:
    """The runs that are tested: six other trials, each way with its rate."""
    return [
        Run(way, pictures, steps, chosen_rate(runs, way, pictures, steps), trial, 0, 0)
        for pictures, steps, way, trial in product(PICTURES, STEPS, WAYS, range(6))
    ]


def stored() -> list[Run]:
    """What has been made so far."""
    if not TARGET.exists():
        return []
    with TARGET.open(newline="", encoding="utf-8") as file:
        return [
            Run(way, int(pictures), int(steps), float(rate), int(trial), int(valid), int(test) if test else None)
            for way, pictures, steps, rate, trial, valid, test in list(csv.reader(file))[1:]
        ]


def plan_of(run: Run) -> Run:
    """``run`` without its results."""
    return run._replace(validation_correct=0, test_correct=None if run.test_correct is None else 0)


def missing(planned: list[Run]) -> Iterator[Run]:
    done = {plan_of(run) for run in stored()}
    return (run for run in planned if run not in done)


def main() -> None:
    if not TARGET.exists():
        TARGET.write_text(",".join(Run._fields) + "\n", encoding="utf-8")
    for plan in (tries, lambda: finals(stored())):
        for run in missing(plan()):
            result = made(run)
            with TARGET.open("a", newline="", encoding="utf-8") as file:
                csv.writer(file, lineterminator="\n").writerow(result)
            print(*result, flush=True)


if __name__ == "__main__":
    main()
