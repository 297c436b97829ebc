"""Train the small network that the book's first page uses: ``python experiments/train_digit_reader.py``.

Writes mobilenet_edu/data/digits_net.pt. On one machine the same bytes come out every time: one thread, fixed seeds.
"""

from __future__ import annotations

from pathlib import Path

import torch

from mobilenet_edu import training
from mobilenet_edu.network import MobileNetV1

TARGET = Path(training.__file__).with_name("data") / "digits_net.pt"
EPOCHS = 20


def train() -> dict[str, torch.Tensor]:
    """The state dict of the trained network, floats as 16-bit numbers."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    data = training.digits(seed=0)
    model = MobileNetV1(10, 0.125, in_channels=1)
    loader = training.batches(data.train, seed=0)
    optimizer, schedule = training.recipe(model, EPOCHS * len(loader))
    training.fit(model, loader, optimizer, schedule, epochs=EPOCHS)
    return {name: value.half() if value.is_floating_point() else value for name, value in model.state_dict().items()}


if __name__ == "__main__":
    torch.save(train(), TARGET)
    reader, data = training.load_digit_reader(), training.digits(seed=0)
    print(f"{TARGET.stat().st_size:,} bytes, validation accuracy {training.accuracy(reader, data.validation):.3f}")
