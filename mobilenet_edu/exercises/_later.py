"""Libraries that are loaded when an exercise first uses them, so that the other exercises work where there is none."""

from __future__ import annotations

import importlib
from typing import Any


class _Later:
    """Stands for a module, and loads it at the first use of one of its names."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


torch: Any = _Later("torch")
nn: Any = _Later("torch.nn")
F: Any = _Later("torch.nn.functional")
