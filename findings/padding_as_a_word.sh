#!/usr/bin/env bash
# fvcore 0.1.5.post20221221, torchprofile 0.1.0, torch 2.13.0: a convolution whose padding is a word.
# Guess: Conv2d(8, 8, 3, padding="same") counts like padding=1, the same layer on the same maps.
# Really: PyTorch records it as another operation (aten::_convolution_mode), which neither counter knows: both print 0.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/pip" install --quiet --no-deps fvcore==0.1.5.post20221221 iopath==0.1.10 portalocker==4.4.2 \
  termcolor==3.3.0 yacs==0.1.8 tqdm tabulate typing_extensions torchprofile==0.1.0
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys
from unittest.mock import MagicMock
sys.modules["torchvision"] = MagicMock(__version__="0.0")  # torchprofile asks for its version, and not for more
import torch
from fvcore.nn import FlopCountAnalysis
from torch import nn
from torchprofile import profile_macs

images, found = torch.zeros(1, 8, 10, 10), {}
for padding in (1, "same"):
    layer = nn.Conv2d(8, 8, 3, padding=padding, bias=False).eval()
    found[padding] = FlopCountAnalysis(layer, images).unsupported_ops_warnings(False).total(), profile_macs(layer, images)
    print(f"padding={padding!r}: fvcore %g, torchprofile %g" % found[padding])
assert found == {1: (57600, 57600), "same": (0, 0)}, "they are counted otherwise now"
PYTHON
