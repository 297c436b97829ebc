"""A small real data set and the loop that trains on it.

`digits` splits scikit-learn's handwritten digits, `batches` and `recipe` prepare a run, and `fit` trains: any model,
any loader of (images, labels), any optimiser. `saved_bytes` says what training keeps in memory. `load_digit_reader` is
a network that has been trained with all of this, and `stored_runs` lists the runs behind chapter 8.
"""

from __future__ import annotations

import copy
import csv
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

# Not tqdm.auto: in a notebook without ipywidgets, importing it already prints a warning.
from tqdm import trange

from mobilenet_edu import checks
from mobilenet_edu.architecture import mobilenet_v1
from mobilenet_edu.network import MobileNet

__all__ = [
    "HELD_OUT",
    "Digits",
    "Epoch",
    "Run",
    "Split",
    "accuracy",
    "batches",
    "digits",
    "fit",
    "load_digit_reader",
    "predict",
    "recipe",
    "saved_bytes",
    "stored_runs",
]

HELD_OUT = 360  # images in the validation set, and as many in the test set
_DATA = Path(__file__).with_name("data")


class Split(NamedTuple):
    """Images (N, 1, resolution, resolution) from -1 (paper) to 1 (ink), and their labels (N,) from 0 to 9."""

    images: torch.Tensor
    labels: torch.Tensor


class Digits(NamedTuple):
    """Three sets that share no image: one to learn from, one to choose by, one to look at once."""

    train: Split
    validation: Split
    test: Split


class Epoch(NamedTuple):
    """One line of the history that `fit` returns; ``validation`` is an accuracy, or None without a validation set."""

    epoch: int
    loss: float
    validation: float | None


def digits(resolution: int = 32, seed: int | None = 0) -> Digits:
    """scikit-learn's 1,797 handwritten digits: 1,077 to train, 360 to validate, 360 to test.

    The originals are 8×8 pixels. They are enlarged (bilinear) to ``resolution`` × ``resolution``, which adds pixels and
    no information. ``seed`` chooses who goes where, with all classes in proportion; the same seed gives the same three
    sets at every resolution. None keeps the file's order: train on its beginning, test on its end.

    >>> digits().train.images.shape
    torch.Size([1077, 1, 32, 32])
    """
    checks.positive("resolution", resolution)
    pixels, labels = load_digits(return_X_y=True)
    images = torch.tensor(pixels, dtype=torch.float32).reshape(-1, 1, 8, 8) / 8 - 1  # from 0...16 to -1...1
    images = F.interpolate(images, size=(resolution, resolution), mode="bilinear", align_corners=False)
    rest, test = _hold_out(np.arange(len(labels)), labels, seed)
    train, validation = _hold_out(rest, labels, seed)
    return Digits(*(Split(images[who], torch.tensor(labels[who])) for who in (train, validation, test)))


def _hold_out(who: np.ndarray, labels: np.ndarray, seed: int | None) -> tuple[np.ndarray, np.ndarray]:
    if seed is None:
        return who[:-HELD_OUT], who[-HELD_OUT:]
    return train_test_split(who, test_size=HELD_OUT, stratify=labels[who], random_state=seed)


def batches(split: Split, batch_size: int = 64, seed: int = 0) -> DataLoader:
    """The images in batches, in a new order every epoch; ``seed`` fixes all the orders. Drops what is left over.

    Raises:
        ValueError: ``batch_size`` is larger than the set, which would leave no batch at all.
    """
    checks.positive("batch_size", batch_size)
    if batch_size > len(split.labels):
        raise ValueError(f"batch_size={batch_size} must not exceed the {len(split.labels)} images")
    order = torch.Generator().manual_seed(seed)
    return DataLoader(TensorDataset(*split), batch_size, shuffle=True, drop_last=True, generator=order)


def recipe(
    model: nn.Module, steps: int, learning_rate: float = 0.2
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Optimiser and schedule for ``steps`` steps: Nesterov momentum; a learning rate that rises, then falls to 0."""
    optimizer = torch.optim.SGD(model.parameters(), learning_rate, momentum=0.9, nesterov=True, weight_decay=1e-4)
    return optimizer, torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps)


def fit(
    model: nn.Module,
    loader: Iterable[tuple[torch.Tensor, torch.Tensor]],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler | None = None,
    *,
    epochs: int,
    validation: Split | None = None,
    backward: Callable[[torch.Tensor], None] = torch.Tensor.backward,
) -> list[Epoch]:
    """Train ``model`` in place and return its history. Shows a progress bar in a terminal, and is quiet elsewhere.

    ``schedule`` steps after every batch. ``backward`` is for libraries that bring their own, such as
    ``accelerator.backward``.

    Raises:
        FloatingPointError: the loss is no longer a finite number. The weights are spoilt then: build the model anew.
        ValueError: ``loader`` gave no batch, as an iterator does in its second epoch.
    """
    checks.positive("epochs", epochs)
    device = next(model.parameters()).device
    history = []
    for epoch in (bar := trange(1, epochs + 1, desc="training", unit="epoch", disable=None)):
        model.train()
        losses = []
        for images, labels in loader:
            loss = F.cross_entropy(model(images.to(device)), labels.to(device))
            if not loss.isfinite():
                raise FloatingPointError(
                    f"the loss became {loss.item()} in epoch {epoch}: start anew, with a lower learning rate"
                )
            optimizer.zero_grad()
            backward(loss)
            optimizer.step()
            if schedule is not None:
                schedule.step()
            losses.append(loss.item())
        if not losses:
            raise ValueError(f"the loader gave no batch in epoch {epoch}; it must start anew in every epoch")
        score = None if validation is None else accuracy(model, validation)
        history.append(Epoch(epoch, fmean(losses), score))
        bar.set_postfix(loss=f"{history[-1].loss:.3f}")
    return history


@torch.no_grad()
def predict(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The class with the largest logit for each image, in evaluation mode; the model's mode is left as it was."""
    device = next(model.parameters()).device
    mode = model.training
    model.eval()
    try:
        return torch.cat([model(part.to(device)).argmax(1).cpu() for part in images.split(256)])
    finally:
        model.train(mode)


def accuracy(model: nn.Module, split: Split) -> float:
    """The share of images, from 0 to 1, whose largest logit is that of their label."""
    return (predict(model, split.images) == split.labels).double().mean().item()


def saved_bytes(model: nn.Module, images: torch.Tensor) -> int:
    """Bytes that a forward pass in training mode keeps for the backward pass, parameters and buffers not counted.

    A tensor that several operations keep counts once, and a view counts as all of what it is a view of. The model is
    left as it was.

    >>> saved_bytes(nn.Conv2d(1, 8, 3), torch.zeros(1, 1, 5, 5))  # the image: 25 numbers of 4 bytes
    100
    """
    model = copy.deepcopy(model).train()
    own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = model(images)  # alive until the sum is taken, or an address could be used twice
    total = sum(kept.values())
    del output
    return total


def load_digit_reader() -> MobileNet:
    """A MobileNet V1 with α = 0.125 that reads 32×32 digits, trained on ``digits(seed=0).train``; in evaluation mode.

    Its ``.architecture`` describes it. Takes images as `digits` makes them. The file keeps 16-bit floats; the network
    computes with 32. `experiments/train_digit_reader.py` made it.
    """
    model = MobileNet(mobilenet_v1(0.125, resolution=32, num_classes=10, in_channels=1))
    model.load_state_dict(torch.load(_DATA / "digits_net.pt", weights_only=True))
    return model.eval()


class Run(NamedTuple):
    """One training run of `experiments/train_digits.py`: what was trained, and how many of 360 images it got right.

    ``experiment`` is ``recipe`` (candidates, scored on validation alone), ``width``, ``depth``, ``careless``,
    ``linear`` or ``order``. ``split`` is the seed of `digits`, ``seed`` that of weights and batches. ``test_correct``
    is None where the test set was not looked at.
    """

    experiment: str
    network: str
    width_multiplier: float
    recipe: str
    epochs: int
    split: int | None
    seed: int
    validation_correct: int
    test_correct: int | None


def stored_runs(path: Path = _DATA / "digits.csv") -> list[Run]:
    """The runs that were made for chapter 8, in the order in which they were made."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Run(
                experiment=row["experiment"],
                network=row["network"],
                width_multiplier=float(row["width_multiplier"]),
                recipe=row["recipe"],
                epochs=int(row["epochs"]),
                split=int(row["split"]) if row["split"] else None,
                seed=int(row["seed"]),
                validation_correct=int(row["validation_correct"]),
                test_correct=int(row["test_correct"]) if row["test_correct"] else None,
            )
            for row in csv.DictReader(file)
        ]
