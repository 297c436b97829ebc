"""Train the networks of chapter 8: ``python experiments/train_digits.py``. About half an hour of one core.

Writes mobilenet_edu/data/digits.csv, a line a run, and skips runs that are already there: it may be stopped and started
again. ``--recipes`` makes only the runs by which the recipe was chosen. They look at the validation set alone; `CHOSEN`
below is their winner, and the test set was opened after it was fixed. AdamW's three largest rates came later, for with
the first three the separable network still got better at the end. The winner stayed.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mobilenet_edu import training
from mobilenet_edu.network import ConvMobileNet, MobileNetV1, ShallowMobileNet
from mobilenet_edu.training import Run

TARGET = Path(training.__file__).with_name("data") / "digits.csv"
NETWORKS = {"separable": MobileNetV1, "dense": ConvMobileNet, "shallow": ShallowMobileNet}
SPLITS, SEEDS = (0, 1, 2), (0, 1)
EXPERIMENTS = ("recipe", "linear", "width", "careless", "depth", "order")


def one_cycle_adamw(model: torch.nn.Module, steps: int, learning_rate: float) -> tuple:
    optimizer = torch.optim.AdamW(model.parameters(), learning_rate)
    return optimizer, torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps)


RECIPES: dict[str, Callable[[torch.nn.Module, int], tuple]] = {
    **{
        f"SGD {rate}": lambda model, steps, rate=rate: training.recipe(model, steps, rate)
        for rate in (0.05, 0.1, 0.2, 0.4)
    },
    **{
        f"AdamW {rate}": lambda model, steps, rate=rate: one_cycle_adamw(model, steps, rate)
        for rate in (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)  # until both networks do worse again
    },
    "AdamW 0.003, constant": lambda model, steps: (torch.optim.AdamW(model.parameters(), 0.003), None),
}
CHOSEN = "SGD 0.2"


def planned(experiment: str) -> list[Run]:
    """The runs of one experiment, still without results (0 correct)."""
    runs = {
        "recipe": [
            Run("recipe", network, 0.125, name, 20, 0, seed, 0, None)
            for name in RECIPES
            if name != "AdamW 0.003, constant"
            for seed in SEEDS
            for network in ("separable", "dense")
        ],
        "linear": [Run("linear", "logistic regression", 1.0, "scikit-learn", 1000, split, 0, 0, 0) for split in SPLITS],
        "width": [
            Run("width", network, width, CHOSEN, 20, split, seed, 0, 0)
            for width in (0.0625, 0.125, 0.25, 0.5)
            for split in SPLITS
            for seed in (SEEDS if width < 0.5 else SEEDS[:1])
            for network in ("separable", "dense")
        ],
        "careless": [
            Run("careless", network, 0.25, "AdamW 0.003, constant", 10, split, seed, 0, 0)
            for split in SPLITS
            for seed in SEEDS
            for network in ("separable", "dense")
        ],
        "order": [
            Run("order", "logistic regression", 1.0, "scikit-learn", 1000, None, 0, 0, 0),
            *(
                Run("order", network, 0.25, CHOSEN, 20, None, seed, 0, 0)
                for seed in SEEDS
                for network in ("separable", "dense")
            ),
        ],
        "depth": [
            Run("depth", network, width, CHOSEN, 20, split, seed, 0, 0)
            for split in SPLITS
            for seed in SEEDS
            for network, width in (("separable", 0.1875), ("shallow", 0.25))
        ],
    }
    return runs[experiment]


def made(run: Run) -> Run:
    """Train and score what ``run`` plans, on one thread."""
    torch.set_num_threads(1)
    data = training.digits(seed=run.split)
    if run.network == "logistic regression":
        original = training.digits(resolution=8, seed=run.split)
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=run.epochs))
        model.fit(original.train.images.flatten(1).numpy(), original.train.labels.numpy())
        correct = [
            int((model.predict(part.images.flatten(1).numpy()) == part.labels.numpy()).sum()) for part in original[1:]
        ]
        return run._replace(validation_correct=correct[0], test_correct=correct[1])

    torch.manual_seed(run.seed)
    model = NETWORKS[run.network](10, run.width_multiplier, in_channels=1)
    loader = training.batches(data.train, seed=run.seed)
    optimizer, schedule = RECIPES[run.recipe](model, run.epochs * len(loader))
    training.fit(model, loader, optimizer, schedule, epochs=run.epochs)
    run = run._replace(validation_correct=count_correct(model, data.validation))
    return run if run.test_correct is None else run._replace(test_correct=count_correct(model, data.test))


def count_correct(model: torch.nn.Module, split: training.Split) -> int:
    return int((training.predict(model, split.images) == split.labels).sum())


def plan_of(run: Run) -> Run:
    """``run`` without its results, as `planned` lists it."""
    return run._replace(validation_correct=0, test_correct=None if run.test_correct is None else 0)


def main(experiments: Iterable[str]) -> None:
    done = {plan_of(run) for run in training.stored_runs(TARGET)} if TARGET.exists() else set()
    if not done:
        TARGET.write_text(",".join(Run._fields) + "\n", encoding="utf-8")
    for run in (run for experiment in experiments for run in planned(experiment) if run not in done):
        result = made(run)
        with TARGET.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow(result)
        print(*result, flush=True)


if __name__ == "__main__":
    main(["recipe"] if "--recipes" in sys.argv else EXPERIMENTS)
