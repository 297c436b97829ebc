#!/usr/bin/env bash
# torch 2.13.0: FlopCounterMode over torch.func.
# Guess: one gradient for each image (vmap of grad) costs what the gradient of the batch costs, forward and weight gradient:
#        two forward passes, for a plain convolution as for a linear layer. (The grouped-layer slip of the counter is known;
#        this convolution has no groups.)
# Really: vmap turns the weight gradients of N images into one convolution of N groups, whose groups the counter forgets: it
#         prints 1 + N forward passes for the convolution, 2 for the linear layer. Sixteen images: 17.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.utils.flop_counter import FlopCounterMode

def count(run):
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()

def passes(layer, images):
    """Forward passes that the counter finds in the batch's gradient and in one gradient for each image."""
    weights = dict(layer.named_parameters())
    loss = lambda weights, inputs: functional_call(layer, weights, (inputs,)).square().sum()
    forward = count(lambda: layer(images))
    batch = count(lambda: grad(loss)(weights, images))
    each = count(lambda: vmap(lambda image: grad(loss)(weights, image[None]))(images))
    return batch / forward, each / forward

convolution = passes(nn.Conv2d(8, 8, 3, padding=1, bias=False), torch.randn(16, 8, 10, 10))
linear = passes(nn.Linear(32, 32, bias=False), torch.randn(16, 32))
print("convolution: batch %g passes, image by image %g" % convolution)
print("linear:      batch %g passes, image by image %g" % linear)
assert (convolution, linear) == ((2, 17), (2, 2)), "they are counted otherwise now"
PYTHON
