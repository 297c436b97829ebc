#!/usr/bin/env bash
# torchao 0.18.0, torch 2.13.0.
# Guess: quantize_(network, Int8WeightOnlyConfig()) turns all weights into eight bits; the file shrinks to about a quarter.
# Really: only nn.Linear is touched, and nothing is said. Of MobileNet V1's 28 layers one changes, the classifier: the file keeps
#         0.82 of its size, and three quarters of the weights (the convolutions) stay in float32.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torchao==0.18.0 torch==2.13.0 numpy==2.4.6
cd "$folder"; "$folder/venv/bin/python" - 2>"$folder/log" <<'PYTHON' || { cat "$folder/log"; exit 1; }
import os
import torch
from torch import nn
from torchao.quantization import Int8WeightOnlyConfig, quantize_

def step(inputs, outputs, **options):
    return [nn.Conv2d(inputs, outputs, bias=False, **options), nn.BatchNorm2d(outputs), nn.ReLU()]

layers, last = step(3, 32, kernel_size=3, stride=2, padding=1), 32
for width, stride in [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + 5 * [(512, 1)] + [(1024, 2), (1024, 1)]:
    layers += step(last, last, kernel_size=3, stride=stride, padding=1, groups=last) + step(last, width, kernel_size=1)
    last = width
network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 1000)).eval()

torch.save(network.state_dict(), "float.pt")
quantize_(network, Int8WeightOnlyConfig())
torch.save(network.state_dict(), "int8.pt")
share = os.path.getsize("int8.pt") / os.path.getsize("float.pt")
plain = sum(type(part.weight) is nn.Parameter for part in network.modules() if isinstance(part, nn.Conv2d))
print(f"file: {share:.2f} of the float one; convolutions with plain float32 weights: {plain} of 27")
assert plain == 27 and share > 0.75, "convolutions are quantised now"
PYTHON
