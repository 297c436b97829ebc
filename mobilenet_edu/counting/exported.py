"""Read a network from a file of `torch.export.save`, to be counted: its steps and shapes, none of its numbers.

Such a file holds the steps as JSON, and beside them pickles, which can run whatever their author wanted. So only the
JSON is read, and only PyTorch's own operations are carried out, on tensors that have a shape and no contents.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from torch import nn

__all__ = ["Exported", "Part", "read_exported"]

_LARGEST = 256 * 2**20  # of the JSON, in bytes
_OPERATION = re.compile(r"torch\.ops\.aten\.(\w+)\.(\w+)")
_TYPES = {1: torch.uint8, 2: torch.int8, 3: torch.int16, 4: torch.int32, 5: torch.int64, 6: torch.float16}
_TYPES |= {7: torch.float32, 8: torch.float64, 12: torch.bool, 13: torch.bfloat16}


def read_exported(path: str | Path) -> Exported:
    """The network in ``path`` as a module without numbers that `count_cost` can count.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file was not written by `torch.export.save`, or its sizes are not fixed.
        NotImplementedError: it does something that is no operation of PyTorch itself.
    """
    try:
        with ZipFile(path) as archive:
            found = [item for item in archive.infolist() if re.fullmatch(r"[^/]+/models/model\.json", item.filename)]
            if len(found) != 1 or found[0].file_size > _LARGEST:
                raise ValueError(f"{path} must be a file that torch.export.save wrote, with one model in it")
            program = json.loads(archive.read(found[0]))
    except BadZipFile:
        raise ValueError(f"{path} must be a file that torch.export.save wrote; this is no archive") from None
    return Exported(program["graph_module"])


class Part(nn.Module):
    """The steps of one layer, which the file knows by its name and kind.

    Attributes:
        path: the layer's name in the network that was exported, such as ``blocks.0.conv``.
        kind: its class, such as ``Conv2d``.
    """

    def __init__(self, path: str, kind: str) -> None:
        super().__init__()
        self.path, self.kind = path, kind

    def forward(self, steps: Iterable[dict[str, Any]], known: dict[str, torch.Tensor]) -> Any:
        output: Any = None
        for step in steps:
            output = _carried_out(step, known)
            known.update(_named(step["outputs"], output))
        return output


class Exported(nn.Module):
    """Carries out the steps of a stored graph, each in the part of the network that it comes from."""

    def __init__(self, stored: dict[str, Any]) -> None:
        super().__init__()
        self.steps, self.sizes = stored["graph"]["nodes"], stored["graph"]["tensor_values"]
        self.images: list[str] = []
        self.parts = nn.ModuleList()
        self.by_path: dict[str, Part] = {}
        for step in self.steps:
            self.part(*_layer(step))
        for specification in stored["signature"]["input_specs"]:
            ((kind, value),) = specification.items()
            name = value["arg"]["as_tensor"]["name"] if kind == "user_input" else value["arg"]["name"]
            if kind == "user_input":
                self.images.append(name)
            elif kind == "parameter":
                part = self.part(value["parameter_name"].rpartition(".")[0], "")
                part.register_parameter(name, nn.Parameter(self.tensor(name)))
            else:
                self.register_buffer(name, self.tensor(name))
        if len(self.images) != 1:
            raise ValueError(f"the exported model must take one image, not {len(self.images)} inputs")

    @property
    def input_size(self) -> tuple[int, ...]:
        """The (channels, height, width) that it was exported for."""
        return tuple(self.tensor(self.images[0]).shape[1:])

    def tensor(self, name: str) -> torch.Tensor:
        stored = self.sizes[name]
        if any("as_int" not in size for size in stored["sizes"]):
            raise ValueError("the model must be exported for one size: dynamic shapes have no count")
        type_ = _TYPES.get(stored["dtype"], torch.float32)
        return torch.empty([size["as_int"] for size in stored["sizes"]], dtype=type_, device="meta")

    def part(self, path: str, kind: str) -> Part:
        """The part of this name, which is made if there is none yet."""
        if path not in self.by_path:
            self.by_path[path] = Part(path, kind)
            self.parts.append(self.by_path[path])
        return self.by_path[path]

    def forward(self, image: torch.Tensor) -> Any:
        known = {name: value for part in self.parts for name, value in part.named_parameters()}
        known |= {**dict(self.named_buffers()), self.images[0]: image}
        output: Any = None
        for layer, steps in groupby(self.steps, _layer):
            output = self.part(*layer)(steps, known)
        return output


def _layer(step: dict[str, Any]) -> tuple[str, str]:
    """The name and the kind of the innermost layer that a step comes from; they are written ``key,name,class;...``."""
    stack = [each.split(",") for each in step.get("metadata", {}).get("nn_module_stack", "").split(";")]
    layers = [each[1:] for each in stack if len(each) == 3 and "parametrizations." not in each[1]]
    path, kind = layers[-1] if layers else ("", "")
    return path, kind.rpartition(".")[2]


def _carried_out(step: dict[str, Any], known: dict[str, torch.Tensor]) -> Any:
    match = _OPERATION.fullmatch(step["target"])
    if not match:
        raise NotImplementedError(f"the exported model calls {step['target']}, which is no operation of PyTorch")
    operation = getattr(getattr(torch.ops.aten, match[1]), match[2])
    args = [_value(each["arg"], known) for each in step["inputs"] if each["kind"] == 1]
    kwargs = {each["name"]: _value(each["arg"], known) for each in step["inputs"] if each["kind"] != 1}
    return operation(*args, **kwargs)


def _named(places: list[dict[str, Any]], output: Any) -> dict[str, torch.Tensor]:
    """The tensors of a step's output under the names by which later steps ask for them."""
    outputs = output if len(places) > 1 else [output]
    named = {}
    for place, value in zip(places, outputs, strict=False):
        if "as_tensor" in place:
            named[place["as_tensor"]["name"]] = value
        for each, part in zip(place.get("as_tensors", ()), value if "as_tensors" in place else (), strict=True):
            named[each["name"]] = part
    return named


def _value(stored: dict[str, Any], known: dict[str, torch.Tensor]) -> Any:
    """An argument of a step."""
    ((kind, value),) = stored.items()
    match kind:
        case "as_tensor":
            return known[value["name"]]
        case "as_tensors":
            return [known[each["name"]] for each in value]
        case "as_optional_tensors":
            return [known[each["as_tensor"]["name"]] if "as_tensor" in each else None for each in value]
        case "as_none" | "as_memory_format" | "as_layout":
            return None
        case "as_scalar_type":
            return _TYPES.get(value, torch.float32)
        case "as_device":
            return torch.device("meta")
        case "as_int" | "as_ints" | "as_float" | "as_floats" | "as_bool" | "as_bools" | "as_string" | "as_strings":
            return value
    raise NotImplementedError(f"the exported model has an argument of an unknown kind, {kind}")
