"""Turn trained networks into 8-bit integers, with one scale per layer and with one per channel. Six minutes of a core:

    OMP_NUM_THREADS=1 python experiments/quantize_digits.py

Writes mobilenet_edu/data/quantized_digits.csv: for each seed the separable network of chapter 8 (α = 0.125) and its
dense twin, how many of the 360 test images each version gets right, and why. Calibrated on the validation images.
"""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path
from statistics import median

import torch
from torch import nn

from mobilenet_edu import deploy, training
from mobilenet_edu.blocks import ConvBNReLU
from mobilenet_edu.deploy import QuantizedRun
from mobilenet_edu.network import ConvMobileNet, MobileNetV1

TARGET = Path(training.__file__).with_name("data") / "quantized_digits.csv"
NETWORKS = {"separable": MobileNetV1, "dense": ConvMobileNet}
SEEDS = range(5)
EPOCHS = 20


def trained(network: str, seed: int) -> nn.Module:
    """Chapter 8's recipe on the split with seed 0."""
    torch.manual_seed(seed)
    model = NETWORKS[network](10, 0.125, in_channels=1)
    loader = training.batches(training.digits().train, seed=seed)
    optimizer, schedule = training.recipe(model, EPOCHS * len(loader))
    training.fit(model, loader, optimizer, schedule, epochs=EPOCHS)
    return model.eval()


def quantized(network: str, seed: int, model: nn.Module) -> QuantizedRun:
    """What becomes of ``model`` in onnxruntime: in float32, with one scale per layer, with one per channel."""
    data = training.digits()
    correct = {}
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / "float.onnx"
        deploy.export_onnx(model, exported, (1, 32, 32))
        correct["float"] = count_correct(exported, data.test)
        for name, per_channel in (("tensor", False), ("channel", True)):
            integers = Path(folder) / f"{name}.onnx"
            deploy.quantize_onnx(exported, integers, data.validation.images, per_channel=per_channel)
            correct[name] = count_correct(integers, data.test)
    return QuantizedRun(
        network, seed, correct["float"], correct["tensor"], correct["channel"], dead_channels(model), unevenness(model)
    )


def count_correct(path: Path, split: training.Split) -> int:
    return int((deploy.load_onnx(path)(split.images).argmax(1) == split.labels).sum())


def dead_channels(model: nn.Module) -> int:
    """Channels in front of a batch norm whose running variance is below its epsilon."""
    norms = [part for part in model.modules() if isinstance(part, nn.BatchNorm2d)]
    return sum(int((norm.running_var < norm.eps).sum()) for norm in norms)


def unevenness(model: nn.Module) -> float:
    """In the worst layer: the largest folded weight, in units of what the median channel has for its largest."""
    worst = 0.0
    for part in deploy.fold_batch_norms(model).modules():
        if isinstance(part, ConvBNReLU):
            largest = part.conv.weight.detach().abs().amax((1, 2, 3)).tolist()
            worst = max(worst, max(largest) / median(largest))
    return round(worst, 1)


def main() -> None:
    torch.set_num_threads(1)
    with TARGET.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(QuantizedRun._fields)
        for seed in SEEDS:
            for network in NETWORKS:
                run = quantized(network, seed, trained(network, seed))
                writer.writerow(run)
                file.flush()
                print(*run, flush=True)


if __name__ == "__main__":
    main()
