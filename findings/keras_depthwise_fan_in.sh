#!/usr/bin/env bash
# keras 3.12.0 (on torch 2.13.0).
# Guess: DepthwiseConv2D(3, depthwise_initializer="lecun_normal") starts as a depthwise Conv2d of torch with the same rule does: nine
#        inputs to each output, so the weights have a standard deviation of 1/3, and a map keeps its spread. So for He and Glorot.
# Really: Keras reads the kernel's shape, 3 x 3 x C x 1, as "C channels in, 1 out" and divides by 9C. On 512 channels the weights are
#         22.6 times smaller: after three layers of Keras's a map of spread 1 has spread 0.0001, after three of torch's still 1.
#         Here "fan_out" is what "fan_in" means in torch, and torch's own "fan_out" gives what Keras's "fan_in" gives.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet keras==3.12.0 torch==2.13.0 numpy==2.4.6
cd "$folder"; KERAS_BACKEND=torch "$folder/venv/bin/python" - 2>"$folder/log" <<'PYTHON' || { cat "$folder/log"; exit 1; }
import keras
import torch
from torch import nn

keras.utils.set_random_seed(0)
channels, spreads = 512, {}
image = torch.randn(4, channels, 16, 16)

def told(name, weight, network, map_):
    with torch.no_grad():
        spreads[name] = float(weight.std())
        print(f"{name}: weights {spreads[name]:.4f}, a map of spread 1.00 after three layers {float(network(map_).std()):.6f}")

for mode in ("fan_in", "fan_out"):
    inits = [keras.initializers.VarianceScaling(1, mode, seed=seed) for seed in range(3)]
    network = keras.Sequential([keras.layers.DepthwiseConv2D(3, depthwise_initializer=init) for init in inits])
    network.build((None, 16, 16, channels))
    told(f"Keras, {mode}", network.layers[0].kernel.value, network, image.permute(0, 2, 3, 1))
for mode in ("fan_in", "fan_out"):
    network = nn.Sequential(*[nn.Conv2d(channels, channels, 3, groups=channels, bias=False) for _ in range(3)])
    [nn.init.kaiming_normal_(layer.weight, mode=mode, nonlinearity="linear") for layer in network]
    told(f"torch, {mode}", network[0].weight, network, image)
assert abs(spreads["torch, fan_in"] / spreads["Keras, fan_in"] / channels**0.5 - 1) < 0.05, "the fans agree now"
PYTHON
