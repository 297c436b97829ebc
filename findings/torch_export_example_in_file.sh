#!/usr/bin/env bash
# torch 2.13.0: what torch.export.save keeps of the example input.
# Guess: a program exported with one image, x[:1], keeps that image at most.
# Really: the file holds the whole tensor that the image is a slice of, and loading it gives all images back.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" -W ignore - "$folder" <<'PYTHON'
import io
import sys
import zipfile
from pathlib import Path

import torch

images = torch.arange(1000.0).reshape(1000, 1, 1, 1).expand(1000, 3, 32, 32).contiguous()
sizes = {}
for name, example in (("images[:1]", images[:1]), ("images[:1].clone()", images[:1].clone())):
    path = Path(sys.argv[1]) / "network.pt2"
    torch.export.save(torch.export.export(torch.nn.Conv2d(3, 4, 1), (example,)), path)
    sizes[name] = path.stat().st_size
    print(f"exported with {name}: {sizes[name]:,} bytes")
torch.export.save(torch.export.export(torch.nn.Conv2d(3, 4, 1), (images[:1],)), path)
with zipfile.ZipFile(path) as archive:
    (inside,) = [each for each in archive.namelist() if "sample_inputs" in each and each.endswith(".pt")]
    (kept,), _ = torch.load(io.BytesIO(archive.read(inside)), weights_only=True)
behind = torch.as_strided(kept, images.shape, images.stride())
same = torch.equal(behind, images)
print(f"torch {torch.__version__}: the file's example has shape {tuple(kept.shape)}; all 1000 images are in it: {same}")
assert same and sizes["images[:1]"] > sizes["images[:1].clone()"] + 0.99 * images.nbytes
PYTHON
