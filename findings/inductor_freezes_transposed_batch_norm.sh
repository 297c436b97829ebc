#!/usr/bin/env bash
# torch 2.13.0 (with a C++ compiler, which torch.compile needs on a CPU).
# Guess: freezing, the switch of torch.compile that turns the weights of a network in evaluation mode into constants and so can fold
#        batch norm into them, gives the answers of the plain network, up to rounding. Where it cannot fold a layer it lets it be.
# Really: a transposed convolution keeps its weight as (inputs, outputs / groups, height, width). Freezing scales the first
#         axis, as for a convolution. Where that axis happens to be as long as batch norm's, with as many inputs as outputs, it
#         scales input channels, says nothing, and is wrong by a quarter of the output or more; with 8 inputs and 12 outputs
#         it is right. A depthwise layer is right, too: there an input is an output.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
cd "$folder"; "$folder/venv/bin/python" - 2>"$folder/log" <<'PYTHON' || { cat "$folder/log"; exit 1; }
import torch
from torch import nn
from torch._inductor import config

@torch.no_grad()
def error(kind, inputs, outputs, groups, freezing):
    torch.manual_seed(0), torch.compiler.reset()
    config.freezing = freezing
    network = nn.Sequential(kind(inputs, outputs, 3, groups=groups), nn.BatchNorm2d(outputs)).eval()
    nn.init.uniform_(network[1].running_var, 0.25, 4), nn.init.normal_(network[1].running_mean)
    image = torch.randn(1, inputs, 8, 8)
    return ((torch.compile(network)(image) - network(image)).abs().max() / network(image).abs().max()).item()

for kind in (nn.Conv2d, nn.ConvTranspose2d):
    for inputs, outputs, groups in ((8, 8, 1), (8, 12, 1), (8, 8, 2), (8, 8, 8)):
        plain, frozen = (error(kind, inputs, outputs, groups, freezing) for freezing in (False, True))
        print(f"{kind.__name__} {inputs} to {outputs}, groups={groups}: error over output {plain:.0e}, frozen {frozen:.2g}")
        wrong = kind is nn.ConvTranspose2d and inputs == outputs and groups < inputs
        assert plain < 1e-5 and (frozen > 0.1) == wrong, "this has changed"
PYTHON
