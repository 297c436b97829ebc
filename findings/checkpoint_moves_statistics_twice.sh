#!/usr/bin/env bash
# torch 2.13.0.
# Guess: activation checkpointing buys memory with time and changes nothing else; a network trained with it ends with the same
#        running statistics, whether its checkpoints run eagerly or compiled.
# Really: the second forward pass moves the running means and variances once more, as if momentum were 0.19 and not 0.1. It does so
#         in the checkpointed part alone (checkpoint_sequential leaves its last part out), and not under torch.compile, which
#         keeps what it recomputes free of side effects. The same step gives three sets of statistics.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
cd "$folder"; "$folder/venv/bin/python" - 2>"$folder/log" <<'PYTHON' || { cat "$folder/log"; exit 1; }
import copy
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

torch.manual_seed(0)
parts = [part for _ in range(2) for part in (nn.Conv2d(8, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU())]
network, image = nn.Sequential(*parts), torch.randn(4, 8, 16, 16)

def compiled(network, image):
    step = torch.compile(lambda x: checkpoint(network, x, use_reentrant=False), backend="aot_eager")
    return step(image)

ways = {
    "no checkpoint": lambda network, image: network(image),
    "checkpoint": lambda network, image: checkpoint(network, image, use_reentrant=False),
    "checkpoint_sequential, two parts": lambda network, image: checkpoint_sequential(network, 2, image, use_reentrant=False),
    "checkpoint, compiled": compiled,
}
moves = {}
for name, way in ways.items():
    fresh = copy.deepcopy(network).train()
    way(fresh, image).square().mean().backward()
    moves[name] = [part.num_batches_tracked.item() for part in fresh if isinstance(part, nn.BatchNorm2d)]
    print(f"{name}: updates of the two batch norms in one step {moves[name]}")
assert list(moves.values()) == [[1, 1], [2, 2], [2, 1], [1, 1]], "this has changed"
PYTHON
