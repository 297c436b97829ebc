"""Train the small dense network of chapter 3 and keep its weights: ``python experiments/train_dense_digits.py``.

Two standard 3×3 convolutions and a classifier learn scikit-learn's 8×8 digits, every fifth picture held out. The
chapter asks how near the second kernel, (32, 16, 3, 3), comes to a separable one. It takes a few seconds on one core;
the same machine gives the same weights again.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

STORED = Path(__file__).parent.parent / "mobilenet_edu" / "data" / "dense_digits.npz"


def build() -> nn.Sequential:
    """The network: pictures (B, 1, 8, 8) to scores (B, 10)."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),  # (B, 16, 8, 8)
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),  # (B, 32, 8, 8)
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),  # (B, 32, 2, 2)
        nn.Flatten(),
        nn.Linear(128, 10),
    )


def train(seed: int = 0, epochs: int = 40) -> nn.Sequential:
    """Train on four fifths of the digits."""
    torch.manual_seed(seed)
    digits = load_digits()
    pictures = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16  # (1797, 1, 8, 8)
    targets = torch.tensor(digits.target)
    kept = torch.arange(len(pictures)) % 5 != 0
    pictures, targets = pictures[kept], targets[kept]

    network = build()
    steps_per_epoch = -(-len(pictures) // 64)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=epochs * steps_per_epoch)
    for _ in range(epochs):
        for batch in torch.randperm(len(pictures)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(network(pictures[batch]), targets[batch]).backward()
            optimizer.step()
            schedule.step()
    return network


if __name__ == "__main__":
    torch.set_num_threads(1)
    STORED.parent.mkdir(exist_ok=True)
    np.savez(STORED, **{name: value.numpy() for name, value in train().state_dict().items()})
    print(f"{STORED.name}: {STORED.stat().st_size:,} bytes")
