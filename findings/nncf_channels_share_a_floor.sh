#!/usr/bin/env bash
# nncf 3.4.0, openvino 2026.4.1.
# Guess: nncf.quantize gives weights one scale for each output channel, so a scale depends on its own channel alone.
# Really: no channel's range is less than a hundredth of the layer's largest. Beside a channel 3000 times as large, one of two
#         channels keeps 4 of its 127 steps. Folding a batch norm makes such channels where a variance is nearly zero.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet openvino==2026.4.1 nncf==3.4.0
cd "$folder"; "$folder/venv/bin/python" -W ignore - 2>"$folder/log" <<'PYTHON' || { cat "$folder/log"; exit 1; }
import nncf
import numpy as np
import openvino
from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, OverflowFix
from openvino import opset13 as op

random = np.random.default_rng(0)
weights = random.uniform(-1, 1, (2, 3, 3, 3)).astype(np.float32)
weights /= np.abs(weights).max((1, 2, 3), keepdims=True)  # both channels' largest weight is 1
images = nncf.Dataset(random.uniform(-1, 1, (4, 1, 3, 8, 8)).astype(np.float32))
whole_range = AdvancedQuantizationParameters(overflow_fix=OverflowFix.DISABLE)

def steps(factor):
    """The largest integer of each channel, when the second is so many times as large."""
    image = op.parameter([1, 3, 8, 8], np.float32)
    scaled = weights * np.array([1, factor], np.float32).reshape(2, 1, 1, 1)
    network = openvino.Model([op.relu(op.convolution(image, scaled, [1, 1], [1, 1], [1, 1], [1, 1]))], [image])
    integers = nncf.quantize(network, images, advanced_parameters=whole_range)
    openvino.save_model(integers, "integers.xml")
    constants = [node for node in openvino.Core().read_model("integers.xml").get_ops() if node.get_type_name() == "Constant"]
    (found,) = [node.data for node in constants if node.get_element_type() == openvino.Type.i8]
    return np.abs(found.astype(int)).max((1, 2, 3)).tolist()

seen = {factor: steps(factor) for factor in (1, 50, 3000)}
for factor, largest in seen.items():
    print(f"second channel {factor} times as large: largest integers {largest}")
assert seen == {1: [127, 127], 50: [127, 127], 3000: [4, 127]}, "a channel's scale is its own now, or floored elsewhere"
PYTHON
