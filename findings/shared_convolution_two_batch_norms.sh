#!/usr/bin/env bash
# torch 2.13.0, torchao 0.18.0.
# Guess: a convolution that several levels share, each with a batch norm of its own (the heads of EfficientDet), is either left
#        alone by the tools that fold batch norms or copied first; the folded network computes the same.
# Really: torch.fx's fuse, fuse_fx and torchao's prepare_pt2e fold both batch norms into the one weight, one after the other, and
#         say nothing. The folded network still runs; fuse gets both outputs wrong, the other two get one right.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torchao==0.18.0 torch==2.13.0 numpy==2.4.6
cd "$folder"; "$folder/venv/bin/python" - 2>"$folder/log" <<'PYTHON' || { cat "$folder/log"; exit 1; }
import copy
import torch
from torch import nn
from torch.ao.quantization.quantize_fx import fuse_fx
from torch.fx.experimental.optimization import fuse
from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e
from torchao.quantization.pt2e.quantizer import Quantizer

class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.shared, self.large, self.small = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        nn.init.uniform_(self.large.weight, 2, 3), nn.init.uniform_(self.small.weight, 0.2, 0.3)
    def forward(self, large, small):
        return self.large(self.shared(large)), self.small(self.shared(small))

class Nothing(Quantizer):  # so that only the folding is seen
    annotate = validate = lambda self, model: model

torch.manual_seed(0)
head, levels = Head().eval(), (torch.randn(1, 3, 16, 16), torch.randn(1, 3, 8, 8))
program = torch.export.export(head, levels).module()
folded = {"fuse": fuse(head), "fuse_fx": fuse_fx(copy.deepcopy(head)), "prepare_pt2e": prepare_pt2e(program, Nothing())}
for name, other in folded.items():
    wrong = [((a - b).abs().max() / a.abs().max()).item() for a, b in zip(head(*levels), other(*levels))]
    print(f"{name}: largest error over largest output, level by level: {wrong[0]:.2f}, {wrong[1]:.2f}")
    assert max(wrong) > 0.1, f"{name} gets both right now"
PYTHON
