#!/usr/bin/env bash
# torch 2.13.0, timm 1.0.31.
# Guess: torch.nn.SyncBatchNorm.convert_sync_batchnorm, the usual step before training on several GPUs, changes how statistics are
#        gathered and nothing else: in evaluation mode the network computes what it computed.
# Really: it puts a plain SyncBatchNorm in the place of every subclass of BatchNorm2d. timm's MobileNets keep their activations in
#         such a subclass (BatchNormAct2d): V1 loses all 27, in silence, and is an affine map: f(x) + f(-x) = 2 f(0). V3-Small
#         keeps those that stand alone, a ResNet keeps all. timm's converter of the same name loses none.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6 pyyaml==6.0.4 huggingface_hub==2.4.0 safetensors==0.8.0 pillow==13.0.0
"$folder/venv/bin/pip" install --quiet --no-deps timm==1.0.31
cd "$folder"; "$folder/venv/bin/python" - 2>"$folder/log" <<'PYTHON' || { cat "$folder/log"; exit 1; }
import copy, sys
from importlib.machinery import ModuleSpec
from unittest.mock import MagicMock

class NoPictures:  # timm asks torchvision for the loading of pictures alone: an empty module does
    find_spec = lambda self, name, *_: ModuleSpec(name, self, is_package=True) if name.split(".")[0] == "torchvision" else None
    create_module = lambda self, spec: MagicMock(__spec__=spec, __path__=[], FrozenBatchNorm2d=type("Frozen", (), {}))
    exec_module = lambda self, module: None

sys.meta_path.append(NoPictures())
import timm, torch
from timm.layers import convert_sync_batchnorm
from torch.nn import SyncBatchNorm

with torch.no_grad():
    for name, survives in {"mobilenetv1_100": False, "mobilenetv3_small_050": False, "resnet18": True}.items():
        torch.manual_seed(0)
        network, x = timm.create_model(name).eval(), torch.randn(2, 3, 64, 64)
        by_torch = SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(network)).eval()
        by_timm = convert_sync_batchnorm(copy.deepcopy(network)).eval()
        wrong, right = ((f(x) - network(x)).abs().max() / network(x).abs().max() for f in (by_torch, by_timm))
        bent = (by_torch(x) + by_torch(-x) - 2 * by_torch(0 * x)).abs().max() / by_torch(x).abs().max()
        print(f"{name}: error over output: torch's converter {wrong:.2g}, timm's {right:.2g}; bent by {bent:.2g} after torch's")
        assert right < 1e-5 and (wrong < 1e-5) == survives and (bent < 1e-5) == (name == "mobilenetv1_100"), "this has changed"
PYTHON
