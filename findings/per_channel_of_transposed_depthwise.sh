#!/usr/bin/env bash
# onnxruntime 1.32.0, onnx 1.23.2.
# Guess: quantize_static(..., per_channel=True) gives each channel of a depthwise layer its own scale, be the layer a convolution
#        or the transposed convolution that enlarges maps in decoders.
# Really: for ConvTranspose it takes axis 1 of the weight, which is (inputs, outputs / groups, height, width). In a depthwise layer
#         that axis has length one: all channels share one scale. A channel 300 times smaller than the largest becomes zero.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cd "$folder"; "$folder/venv/bin/python" - 2>"$folder/log" <<'PYTHON' || { cat "$folder/log"; exit 1; }
import numpy as np, onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, quantize_static

class Images(CalibrationDataReader):
    def __init__(self):
        self.images = iter([{"x": np.random.default_rng(0).standard_normal((1, 8, 8, 8)).astype(np.float32)}])
    def get_next(self):
        return next(self.images, None)

for kind, scales in {"Conv": 8, "ConvTranspose": 1}.items():
    weight = np.random.default_rng(1).uniform(0.5, 1, (8, 1, 3, 3)).astype(np.float32)
    weight[7] /= 300
    node = helper.make_node(kind, ["x", "weight"], ["y"], group=8, kernel_shape=[3, 3])
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8, None, None]) for name in "xy")
    graph = helper.make_graph([node], "depthwise", [x], [y], [numpy_helper.from_array(weight, "weight")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), "float.onnx")
    quantize_static("float.onnx", "int8.onnx", Images(), per_channel=True)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load("int8.onnx").graph.initializer}
    levels = [len(np.unique(channel)) for channel in stored["weight_quantized"]]
    print(f"{kind}: {stored['weight_scale'].size} scales; different values among the nine of each channel: {levels}")
    assert stored["weight_scale"].size == scales and (levels[7] == 1) == (kind == "ConvTranspose"), "this has changed"
PYTHON
