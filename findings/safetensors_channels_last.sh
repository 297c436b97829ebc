#!/usr/bin/env bash
# safetensors 0.8.0, torch 2.13.0.
# Guess: the memory layout of a network is its own affair; what torch.save writes safetensors writes, too.
# Really: after network.to(memory_format=torch.channels_last), the layout that is advised for CPUs and GPUs, save_file raises a
#         ValueError ("non contiguous tensor") at the first 3x3 convolution with more than one input channel. A depthwise
#         or a pointwise weight alone saves: with a side of one, both layouts are the same bytes.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet safetensors==0.8.0 torch==2.13.0 numpy==2.4.6 packaging
cd "$folder"; "$folder/venv/bin/python" - <<'PYTHON'
import torch
from safetensors.torch import save_file
from torch import nn

LAYERS = {
    "standard 3x3": nn.Conv2d(3, 8, 3),
    "depthwise 3x3": nn.Conv2d(8, 8, 3, groups=8),
    "pointwise": nn.Conv2d(8, 16, 1),
}
seen = {}
for name, layer in LAYERS.items():
    state = layer.to(memory_format=torch.channels_last).state_dict()
    torch.save(state, "weights.pt")
    try:
        save_file(state, "weights.safetensors")
        seen[name] = "saved"
    except ValueError as error:
        seen[name] = f"ValueError: {str(error)[:46]}"
    print(f"{name:14} channels last: torch.save saved, safetensors {seen[name]}")
assert seen["standard 3x3"].startswith("ValueError"), "the standard layer is saved now"
assert seen["depthwise 3x3"] == seen["pointwise"] == "saved", "they are refused now"
PYTHON
