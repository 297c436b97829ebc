#!/usr/bin/env bash
# onnx 1.23.2, onnxruntime 1.32.0, openvino 2026.4.1, torch 2.13.0 with onnxscript 0.7.2.
# Guess: what a layer of ONNX means is settled: on one exported file PyTorch, onnxruntime, OpenVINO and onnx's ReferenceEvaluator
#        agree up to rounding, and should two of them differ, the reference is the judge.
# Really: the reference adds the first channel's bias to all channels of a depthwise transposed convolution. Average pooling with
#         padding=1 and ceil_mode=True has three readings: where a window leaves the padded map, PyTorch and onnxruntime divide
#         by what is inside, OpenVINO by the whole window; the reference moves the padding, with window 4 and step 3, to one side.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0 numpy==2.4.6 \
  openvino==2026.4.1
cd "$folder"; "$folder/venv/bin/python" - 2>"$folder/log" <<'PYTHON' || { cat "$folder/log"; exit 1; }
import numpy as np, onnxruntime, openvino, torch
from onnx.reference import ReferenceEvaluator
from torch import nn

torch.manual_seed(0)
transposed, pool = nn.ConvTranspose2d, nn.AvgPool2d
cases = {  # layer, side of the map, and who is wrong
    "transposed, groups=4": (transposed(4, 4, 2, 2, groups=4), 8, "reference"),
    "transposed, groups=4, no bias": (transposed(4, 4, 2, 2, groups=4, bias=False), 8, ""),
    "pool 3, 2, 1": (pool(3, 2, 1), 8, ""),
    "pool 3, 2, 1, ceil_mode": (pool(3, 2, 1, ceil_mode=True), 8, "OpenVINO"),
    "pool 4, 3, 1, ceil_mode": (pool(4, 3, 1, ceil_mode=True), 9, "reference, OpenVINO"),
}
for name, (layer, side, expected) in cases.items():
    image = torch.rand(1, 4, side, side)
    torch.onnx.export(layer.eval(), (image,), "a.onnx", input_names=["x"], verbose=False)
    right, feed, model = layer(image).detach().numpy(), {"x": image.numpy()}, openvino.Core().read_model("a.onnx")
    answers = {
        "onnxruntime": onnxruntime.InferenceSession("a.onnx").run(None, feed)[0],
        "reference": ReferenceEvaluator("a.onnx").run(None, feed)[0],
        "OpenVINO": openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(feed)[0],
    }
    errors = {who: np.abs(answer - right).max() / np.abs(right).max() for who, answer in answers.items()}
    print(f"{name}: error over output", ", ".join(f"{who} {error:.2g}" for who, error in errors.items()))
    assert ", ".join(who for who, error in errors.items() if not error < 1e-4) == expected, "this has changed"
PYTHON
