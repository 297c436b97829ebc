"""Hold our network with Google's released weights against TensorFlow and transformers: part of ``make compare``.

Twenty-eight pictures that scikit-learn and scikit-image ship. TensorFlow's logits are those that run_tensorflow.py
stored; transformers computes here, from the same tensors. Also folded, and as a file for onnxruntime. Stops with an
error where a logit is off by more than 0.0001 or an answer differs.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from released import google, things
from torch import nn
from transformers import MobileNetV1Config, MobileNetV1ForImageClassification

from mobilenet_edu import deploy
from mobilenet_edu.weights import from_checkpoint, prepare

STORED = Path(__file__).parent / "results" / "tensorflow_logits.npy"
BOUND = 1e-4


def transformers_network(tensors: dict[str, torch.Tensor]) -> nn.Module:
    """Their network with these tensors and no other."""
    network = MobileNetV1ForImageClassification(MobileNetV1Config(num_labels=len(tensors["classifier.bias"])))
    counters = {name: value for name, value in network.state_dict().items() if name.endswith("num_batches_tracked")}
    network.load_state_dict(counters | tensors)  # TensorFlow counts no batches; evaluation does not read the counters
    return network.eval()


@torch.inference_mode()
def computed() -> dict[str, torch.Tensor]:
    """The logits of every picture, by who computed them. TensorFlow's come first."""
    tensors = google()
    images = torch.cat([prepare(picture) for picture in things().values()])
    ours, theirs = from_checkpoint(tensors), transformers_network(tensors)
    folded = deploy.fold_batch_norms(ours)
    with tempfile.TemporaryDirectory() as folder:
        deploy.export_onnx(folded, Path(folder) / "network.onnx", (3, 224, 224))
        exported = deploy.load_onnx(Path(folder) / "network.onnx")
        logits = {"TensorFlow, stored": torch.from_numpy(np.load(STORED))}
        logits["transformers"] = torch.cat([theirs(image[None]).logits for image in images])
        logits["ours"] = torch.cat([ours(image[None]) for image in images])
        logits["ours, folded"] = torch.cat([folded(image[None]) for image in images])
        logits["ours, folded, in onnxruntime"] = torch.cat([exported(image[None]) for image in images])
    return logits


def main() -> None:
    logits = computed()
    expected = logits.pop("TensorFlow, stored")
    print(f"{len(expected)} pictures, logits from {expected.min():.1f} to {expected.max():.1f}")
    right = True
    for who, values in logits.items():
        off = float((values - expected).abs().max())
        same = int((values.argmax(1) == expected.argmax(1)).sum())
        right &= off <= BOUND and same == len(expected)
        print(f"{who:30} differs by {off:.1e} at most, {same} of {len(expected)} answers equal TensorFlow's")
    if not right:
        sys.exit(f"more than {BOUND} or another answer: not the same network")


if __name__ == "__main__":
    main()
