"""The loop of chapter 8 on several processes, by Hugging Face accelerate. For two processes without a GPU:

    ACCELERATE_USE_CPU=true OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 experiments/train_accelerate.py

For two machines, start this on both; FIRST is the name or address of one of them:

    torchrun --nnodes 2 --rdzv-backend c10d --rdzv-endpoint FIRST:29500 experiments/train_accelerate.py

Every process works on batches of 64 images of its own, and the gradients are averaged: one step sees 128 images.
"""

from __future__ import annotations

import torch
from accelerate import Accelerator

from mobilenet_edu import training
from mobilenet_edu.network import MobileNetV1

EPOCHS = 10


def main() -> None:
    accelerator = Accelerator()
    torch.manual_seed(0)
    data = training.digits()
    model = MobileNetV1(10, 0.0625, in_channels=1)
    loader = training.batches(data.train)
    # before `prepare`: it shares the batches out, and moves the schedule on by one for each process at every step
    optimizer, schedule = training.recipe(model, EPOCHS * len(loader))
    model, loader, optimizer, schedule = accelerator.prepare(model, loader, optimizer, schedule)

    training.fit(model, loader, optimizer, schedule, epochs=EPOCHS, backward=accelerator.backward)

    checksum = sum(parameter.double().sum() for parameter in model.parameters()).reshape(1)
    copies = accelerator.gather(checksum.detach())
    correct = int((training.predict(model, data.validation.images) == data.validation.labels).sum())
    accelerator.print(f"processes: {accelerator.num_processes}, steps an epoch: {len(loader)}")
    accelerator.print(f"all copies of the network are equal: {bool((copies == copies[0]).all())}")
    accelerator.print(f"validation: {correct} of {len(data.validation.labels)} correct")
    accelerator.end_training()


if __name__ == "__main__":
    main()
