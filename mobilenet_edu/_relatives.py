"""How timm and transformers name the tensors of MobileNet V2, V3 and V4, beside our own names.

Which network a checkpoint holds, and how wide, is found by its shapes: of the architectures in
`mobilenet_edu.successors` that are published, the one that fits all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

import torch

from mobilenet_edu import successors as known
from mobilenet_edu.architecture import Architecture
from mobilenet_edu.network import MobileNet

__all__ = ["Relative", "relative"]

# timm's names of the parts of a block, each with its batch norm; the first row that a block has is its row.
_TIMM = (
    {"pw_proj": {"filter": "dw_start.", "expand": "pw_exp.", "depthwise": "dw_mid.", "project": "pw_proj."}},
    {"conv_exp": {"expand": ("conv_exp", "bn1"), "project": ("conv_pwl", "bn2")}},
    {"conv_pwl": {"expand": ("conv_pw", "bn1"), "depthwise": ("conv_dw", "bn2"), "project": ("conv_pwl", "bn3")}},
    {"conv_dw": {"depthwise": ("conv_dw", "bn1"), "project": ("conv_pw", "bn2")}},
    {"conv": {"": ("conv", "bn1")}},
)


class Relative(NamedTuple):
    """A checkpoint of one of V1's relatives: its data, our names with theirs, and habits that no tensor records."""

    architecture: Architecture
    names: dict[str, str]
    epsilon: float
    momentum: float
    padding: str


def relative(tensors: Mapping[str, Any], prefix: str = "") -> Relative | None:
    """What ``tensors`` hold, whose names all begin with ``prefix``; ``None`` if it is none of the relatives."""
    theirs = {name.removeprefix(prefix): name for name in tensors if isinstance(name, str)}
    if "mobilenet_v2.conv_1x1.convolution.weight" in theirs:
        pairs, habits = _transformers(theirs), (0.001, 0.003, "same")  # TensorFlow writes 1 - momentum, 0.997
    elif "conv_head.weight" in theirs and "classifier.weight" in theirs:
        pairs, habits = _timm(theirs), (1e-5, 0.1, "half")
    else:
        return None
    names = {ours: theirs[name] for ours, name in pairs if name in theirs}
    shape = getattr(tensors[theirs["classifier.weight"]], "shape", ())
    if len(shape) != 2:
        return None
    for data in _published(shape[0]):
        with torch.device("meta"):
            expected = MobileNet(data).state_dict()
        ready = _head_as_ours(data, names)
        needed = {ours for ours in expected if not ours.endswith("num_batches_tracked")}
        if needed <= ready.keys() <= expected.keys() and all(
            tuple(getattr(tensors[ready[ours]], "shape", ()))
            in (tuple(expected[ours].shape), (*expected[ours].shape, 1, 1))
            for ours in needed
        ):
            return Relative(data, ready, *habits)
    return None


def _published(classes: int) -> Iterator[Architecture]:
    for width_multiplier in (1.0, 1.4, 1.3, 1.2, 1.1, 0.75, 0.5, 0.35):
        yield known.mobilenet_v2(width_multiplier, num_classes=classes)
    for build, width_multiplier in product((known.mobilenet_v3_large, known.mobilenet_v3_small), (1.0, 0.75)):
        yield build(width_multiplier, num_classes=classes)
    for build in (known.mobilenet_v4_conv_s, known.mobilenet_v4_conv_m, known.mnasnet_a1, known.efficientnet_b0):
        yield build(num_classes=classes)


def _head_as_ours(data: Architecture, names: dict[str, str]) -> dict[str, str]:
    """timm calls the last convolution ``conv_head``, whether it stands before the pooling or behind it."""
    place = data.head[0].name if data.head else data.blocks[-1][0].name
    return {ours.replace("last.", f"{place}.") if ours.startswith("last.") else ours: n for ours, n in names.items()}


_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def _pair(ours: str, conv: str, norm: str) -> Iterator[tuple[str, str]]:
    for part in ("weight", "bias"):
        yield f"{ours}.conv.{part}", f"{conv}.{part}"
    for part in _NORM:
        yield f"{ours}.norm.{part}", f"{norm}.{part}"


def _ends(stem: tuple[str, str], *last: tuple[str, str]) -> Iterator[tuple[str, str]]:
    yield from _pair("stem", *stem)
    for pair in last:
        yield from _pair("last", *pair)
    yield from ((f"classifier.{part}", f"classifier.{part}") for part in ("weight", "bias"))


def _transformers(theirs: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    root = "mobilenet_v2"

    def both(name: str) -> tuple[str, str]:
        return f"{root}.{name}.convolution", f"{root}.{name}.normalization"

    yield from _ends(both("conv_stem.first_conv"), both("conv_1x1"))
    yield from _pair("blocks.0.depthwise", *both("conv_stem.conv_3x3"))
    yield from _pair("blocks.0.project", *both("conv_stem.reduce_1x1"))
    blocks = {int(found[1]) for name in theirs if (found := re.match(rf"{root}\.layer\.(\d+)\.", name))}
    for block in blocks:
        for ours, part in (("expand", "expand_1x1"), ("depthwise", "conv_3x3"), ("project", "reduce_1x1")):
            yield from _pair(f"blocks.{block + 1}.{ours}", *both(f"layer.{block}.{part}"))


def _timm(theirs: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """timm numbers stages and, in each, its blocks: in this order they are ours."""
    norm = "norm_head" if "norm_head.weight" in theirs else "bn2"
    yield from _ends(("conv_stem", "bn1"), ("conv_head", norm))
    found = {tuple(map(int, m.groups())) for name in theirs if (m := re.match(r"blocks\.(\d+)\.(\d+)\.", name))}
    for place, (stage, block) in enumerate(sorted(found)):
        ours, root = f"blocks.{place}", f"blocks.{stage}.{block}"
        for layer in ("reduce", "expand"):
            for part in ("weight", "bias"):
                yield f"{ours}.squeeze.{layer}.{part}", f"{root}.se.conv_{layer}.{part}"
        parts = next(
            (
                parts
                for row in _TIMM
                for mark, parts in row.items()
                if any(n.startswith(f"{root}.{mark}.") for n in theirs)
            ),
            {},
        )
        for part, pair in parts.items():
            conv, bn = (f"{pair}conv", f"{pair}bn") if isinstance(pair, str) else pair
            yield from _pair(f"{ours}.{part}" if part else ours, f"{root}.{conv}", f"{root}.{bn}")
