#!/usr/bin/env bash
# onnxoptimizer 0.4.2, onnx 1.23.2, onnxruntime 1.32.0.
# Guess: onnxoptimizer.optimize() without arguments changes no result: a Pad of zeros stays a Pad of zeros.
# Really: fuse_pad_into_pool, one of its default passes, moves the zeros into the pool behind. MaxPool's own padding counts as
#         minus infinity: where a map is negative at its border, zero was the maximum and no longer is. AveragePool gets
#         count_include_pad=1: right for the zeros that moved in, wrong for padding of its own that it did not count.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxoptimizer==0.4.2 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np, onnx, onnxoptimizer, onnxruntime
from onnx import helper, numpy_helper

def run(model, image):
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": image})[0]

assert "fuse_pad_into_pool" in onnxoptimizer.get_fuse_and_elimination_passes(), "it is no default now"
minus = -np.ones((1, 1, 6, 6), "float32")
cases = {  # operation, image, attributes, and what the last pixel is before and after
    "MaxPool, map of -1": ("MaxPool", minus, {}, (0, -1)),
    "MaxPool, map of 1": ("MaxPool", -minus, {}, (1, 1)),
    "AveragePool, padding not counted": ("AveragePool", 9 * minus, {"count_include_pad": 0}, (-4, -4)),
    "AveragePool, padding counted": ("AveragePool", 9 * minus, {"count_include_pad": 1, "pads": [1] * 4}, (-1, -1)),
    "AveragePool, own padding not counted": ("AveragePool", 9 * minus, {"count_include_pad": 0, "pads": [1] * 4}, (-2.25, -1)),
}
for name, (operation, image, attributes, expected) in cases.items():
    zeros = numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 1, 1]), "zeros")
    value = lambda name, shape: helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
    pool = helper.make_node(operation, ["padded"], ["y"], kernel_shape=[3, 3], **attributes)
    nodes = [helper.make_node("Pad", ["x", "zeros"], ["padded"]), pool]
    graph = helper.make_graph(nodes, "graph", [value("x", image.shape)], [value("y", [1, 1, "h", "w"])], [zeros])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    optimized = onnxoptimizer.optimize(model)
    last = tuple(float(run(each, image)[0, 0, -1, -1]) for each in (model, optimized))
    print(f"{name}: {[node.op_type for node in optimized.graph.node]}, last pixel %g, optimised %g" % last)
    assert np.allclose(last, expected), "this has changed"
PYTHON
