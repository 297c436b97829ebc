"""The names and shapes of timm's mobilenetv1_100: ``python experiments/timm_manifest.py``.

Writes experiments/results/timm_mobilenetv1_100.json. timm imports torchvision, whose wheels bring CUDA; nothing that is
needed here uses it, so an empty stand-in takes its place.
"""

from __future__ import annotations

import json
import sys
import types
from importlib.machinery import ModuleSpec
from pathlib import Path
from unittest.mock import MagicMock

from torch import nn

RESULTS = Path(__file__).parent / "results" / "timm_mobilenetv1_100.json"


class StandIn:
    """Finds every module below torchvision and makes it an empty one."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.partition(".")[0] == "torchvision" else None

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        module = MagicMock(name=spec.name, __spec__=spec, __path__=[], __version__="0.0")
        module.FrozenBatchNorm2d = type("FrozenBatchNorm2d", (nn.Module,), {})
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        pass


def timm_mobilenet() -> nn.Module:
    """timm's network with random weights, in evaluation mode."""
    sys.meta_path.append(StandIn())
    from timm import create_model

    return create_model("mobilenetv1_100").eval()


def main() -> None:
    manifest = {name: list(tensor.shape) for name, tensor in timm_mobilenet().state_dict().items()}
    RESULTS.write_text(json.dumps(manifest, indent=0) + "\n", encoding="utf-8")
    print(len(manifest), "tensors")


if __name__ == "__main__":
    main()
