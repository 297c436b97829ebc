#!/usr/bin/env bash
# torch 2.13.0, onnxscript 0.7.2, onnx 1.23.2, onnxruntime 1.32.0.
# Guess: torch.onnx.export of a network in training mode writes evaluation mode, since its argument training is EVAL unless one says
#        otherwise; or, as its warning lets one think, training mode: batch norm by the batch's statistics, and dropout.
# Really: half of each. Whatever the argument says, the file has batch norm of evaluation mode (folded into the convolution) and
#         dropout of training mode: half of the map is zero, another half in every run. The older exporter (dynamo=False) obeys.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0 numpy==2.4.6
cd "$folder"; "$folder/venv/bin/python" - 2>"$folder/log" <<'PYTHON' || { cat "$folder/log"; exit 1; }
import copy
import numpy as np, onnxruntime, torch
from torch import nn
from torch.onnx import TrainingMode

class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution, self.norm, self.dropout = nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), nn.Dropout(0.5)
    def forward(self, image):
        map_ = self.norm(self.convolution(image))
        return map_, self.dropout(map_)

torch.manual_seed(0)
network, images = Network().train(), 3 * torch.randn(4, 3, 16, 16) + 2
modes = {"evaluation": copy.deepcopy(network).eval()(images)[0], "training": copy.deepcopy(network)(images)[0]}
for dynamo in (False, True):
    for training in (TrainingMode.EVAL, TrainingMode.TRAINING):
        torch.onnx.export(copy.deepcopy(network), (images,), "a.onnx", dynamo=dynamo, training=training, verbose=False)
        session = onnxruntime.InferenceSession("a.onnx")
        map_, dropped = session.run(None, {session.get_inputs()[0].name: images.numpy()})
        (norm,) = [mode for mode, expected in modes.items() if np.allclose(map_, expected.detach(), atol=1e-4)]
        zeros = float((dropped == 0).mean())
        print(f"dynamo={dynamo}, {training.name}: batch norm of {norm}, {zeros:.2f} of dropout's outputs are zero")
        told = (norm == "training", zeros > 0.4)
        assert told == ((False, True) if dynamo else (training is TrainingMode.TRAINING,) * 2), "this has changed"
PYTHON
