#!/usr/bin/env bash
# torch 2.13.0, onnxscript 0.7.2, onnx 1.23.2, onnxruntime 1.32.0.
# Guess: nn.AvgPool2d(2, divisor_override=1), which sums, is exported with a multiplication behind ONNX's AveragePool, which has no
#        divisor; or the exporter refuses, or at least warns, as for other things that ONNX lacks.
# Really: both exporters, the older (dynamo=False) and the newer, write a plain AveragePool: results are a quarter of the right
#         ones. With all warnings shown, no line names the divisor. Only verify=True of the newer one tells, in its log, that
#         the numbers differ; it raises nothing and writes the file.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0 numpy==2.4.6
cd "$folder"; cat >export.py <<'PYTHON'
import sys
import numpy as np, onnx, onnxruntime, torch

image, way = torch.rand(1, 2, 8, 8), sys.argv[1]
for divisor in (None, 1, 3):
    pool = torch.nn.AvgPool2d(2, divisor_override=divisor)
    torch.onnx.export(pool, (image,), f"{way}.onnx", dynamo=way != "older", **({"verify": True} if way == "verified" else {}))
    session = onnxruntime.InferenceSession(f"{way}.onnx")
    ratio = session.run(None, {session.get_inputs()[0].name: image.numpy()})[0] / pool(image).numpy()
    operations = [node.op_type for node in onnx.load(f"{way}.onnx").graph.node]
    with open("seen", "a") as file:
        print(f"{way} exporter, divisor {divisor}: {operations}, result / PyTorch's {ratio.mean():.4g}", file=file)
    assert operations == ["AveragePool"] and np.allclose(ratio, (divisor or 4) / 4), "this has changed"
PYTHON
for way in older newer verified; do
  "$folder/venv/bin/python" -W always export.py $way >said 2>&1 || { cat said; exit 1; }
  named=$(grep -ci divis said || true) told=$(grep -c 'large absolute difference' said || true)
  echo "$way exporter, $(wc -l <said) lines of warnings and logs: $named name a divisor, $told a difference" >>seen
  [ "$named $told" = "0 $([ $way = verified ] && echo 2 || echo 0)" ] || { cat said; exit 1; }
done
cat seen
