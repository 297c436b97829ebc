"""The paper's printed cost figures beside ours: Howard et al., 2017, arXiv:1704.04861.

`tables` holds what the paper prints, digit for digit. `figures` computes every one of those numbers again from
`mobilenet_edu.architecture` and compares: whether ours equals the printed one is worked out, never stated. `released`
is the table of the checkpoints that were published later; their accuracies are their own, not the paper's.

The paper never says what it counts, so each figure names its convention. A printed number may also come out another
way: with another convention, or with digits cut off instead of rounded. `Figure.agrees` lists every way that fits.

This module needs nothing but the standard library.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib.resources import files
from math import floor
from typing import Any, Literal, TypeAlias

from mobilenet_edu import checks
from mobilenet_edu.architecture import (
    TABLE_1,
    Architecture,
    Kind,
    conv_mobilenet,
    mobilenet_v1,
    shallow_mobilenet,
)
from mobilenet_edu.cost import (
    Cost,
    conv2d_cost,
    conv_output_size,
    depthwise_separable_conv2d_cost,
    linear_cost,
)

__all__ = [
    "TABLE_1_AS_PRINTED",
    "Checkpoint",
    "Figure",
    "figures",
    "peer_layers",
    "released",
    "table_1_rows",
    "tables",
]

# Table 1 with stride 2 in its last depthwise layer, as it is printed.
TABLE_1_AS_PRINTED = (*TABLE_1[:-1], (1024, 2))

Verdict: TypeAlias = Literal["equal", "equal another way", "not reproduced", "not checked"]
Count: TypeAlias = tuple[str, int | Fraction]  # a named convention, and what it gives exactly
Counts: TypeAlias = tuple[Count, ...]  # the most natural one first

_UNITS = {
    "million": Fraction(10**6),
    "billion": Fraction(10**9),
    "%": Fraction(1, 100),
    "×": Fraction(1),
    "": Fraction(1),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One printed number and what we compute for it.

    Attributes:
        where: the table or section that prints it.
        quantity: what it says it is.
        printed: the number as printed, so that its digits can be counted; ``>2.5`` stands for "more than 2.5".
        unit: ``million``, ``billion``, ``%``, ``×`` or nothing.
        counts: named conventions with the exact number that each gives, the most natural one first; none where the
            paper does not describe what was counted.
    """

    where: str
    quantity: str
    printed: str
    unit: str
    counts: Counts = ()

    @property
    def convention(self) -> str:
        """The name of the convention that is tried first."""
        return self.counts[0][0] if self.counts else ""

    @property
    def ours(self) -> int | Fraction | None:
        """What that convention gives, exactly; ``None`` where there is nothing to compute."""
        return self.counts[0][1] if self.counts else None

    @property
    def ours_in_unit(self) -> Fraction | None:
        """Ours in the printed unit, such as millions, billions or per cent."""
        return None if self.ours is None else self.ours / _UNITS[self.unit]

    @property
    def agrees(self) -> tuple[str, ...]:
        """Every way in which one of the conventions gives the printed digits; empty if none does."""
        return tuple(
            convention + reading
            for convention, count in self.counts
            for reading in _readings(count / _UNITS[self.unit], self.printed)
        )

    @property
    def verdict(self) -> Verdict:
        """``equal`` if ours, rounded to the printed digits, is the printed number; ``equal another way`` if `agrees`
        names some other way; else ``not reproduced``. ``not checked`` where there is nothing to compute."""
        if not self.counts:
            return "not checked"
        if self.convention in self.agrees:
            return "equal"
        return "equal another way" if self.agrees else "not reproduced"


def _readings(value: Fraction, printed: str) -> Iterator[str]:
    """How ``value`` may have become ``printed``: rounded to its last digit, cut off there, or rounded to the digits
    before its final zeros."""
    if printed.startswith(">"):
        if value > Fraction(printed[1:]):
            yield ""
        return
    whole, _, decimals = printed.partition(".")
    target, last_digit = Fraction(printed), Fraction(1, 10 ** len(decimals))
    if _rounded(value, last_digit) == target:
        yield ""
        return
    if floor(value / last_digit) * last_digit == target:
        yield ", cut off"
    digits = whole.rstrip("0")
    final_zeros = len(whole) - len(digits)
    if final_zeros and not decimals and _rounded(value, Fraction(10**final_zeros)) == target:
        yield f", to {len(digits)} {'digit' if len(digits) == 1 else 'digits'}"


def _rounded(value: Fraction, step: Fraction) -> Fraction:
    return floor(value / step + Fraction(1, 2)) * step


def figures(where: str | None = None) -> tuple[Figure, ...]:
    """Every cost that the paper prints, and the table of the released checkpoints; or only those of one table.

    ``where`` is such as ``"Table 4"``, ``"Section 3.2"`` or ``"Checkpoints"``.

    Raises:
        ValueError: nothing is printed there.

    >>> [(f.quantity, f.verdict) for f in figures("Table 4")][:2]
    [('Conv MobileNet, mult-adds', 'equal another way'), ('Conv MobileNet, parameters', 'equal')]
    """
    chosen = tuple(figure for figure in _figures() if where in (None, figure.where))
    if not chosen:
        raise ValueError(f"where={where!r} must be one of {', '.join(dict.fromkeys(f.where for f in _figures()))}")
    return chosen


@cache
def _figures() -> tuple[Figure, ...]:
    return (*_section_3(), *_table_1(), *_table_2(), *_table_3(), *_whole_networks(), *_section_4(), *_checkpoints())


def _section_3() -> Iterator[Figure]:
    network = mobilenet_v1()
    saved = [
        Fraction(dense.cost.macs, depthwise.cost.macs + pointwise.cost.macs)
        for (dense,), (depthwise, pointwise) in zip(conv_mobilenet().blocks, network.blocks, strict=True)
    ]
    macs, weights, _ = _shares("pointwise")
    with_weights = sum(layer.weights > 0 for layer in network.layers)
    yield Figure("Section 3.1", "computation saved, at least", "8", "×", (("the block that saves least", min(saved)),))
    yield Figure("Section 3.1", "computation saved, at most", "9", "×", (("the block that saves most", max(saved)),))
    yield Figure("Section 3.2", "layers", "28", "", (("layers with weights", with_weights),))
    yield Figure("Section 3.2", "computation time in 1×1", "95", "%", (macs,))
    yield Figure("Section 3.2", "parameters in 1×1", "75", "%", (weights,))


def _table_1() -> Iterator[Figure]:
    """Its rows are compared by `table_1_rows`; this is the one that differs."""
    stride = ("the stride that keeps 7×7", mobilenet_v1().blocks[-1][0].stride)
    yield Figure("Table 1", "stride of the last depthwise layer", "2", "", (stride,))


def _table_2() -> Iterator[Figure]:
    for (row, printed), kind in zip(
        tables()["Table 2"].items(), ("pointwise", "depthwise", "standard", "classifier"), strict=True
    ):
        macs, weights, learned = _shares(kind)
        yield Figure("Table 2", f"{row}, mult-adds", printed["mult_adds"], "%", (macs,))
        yield Figure("Table 2", f"{row}, parameters", printed["params"], "%", (weights, learned))


def _shares(kind: Kind) -> tuple[Count, Count, Count]:
    """What one kind of layer has of the MACs, of the bare weights and of all learned parameters."""
    network = mobilenet_v1()
    cost = network.cost_by_kind()[kind]
    weights = sum(layer.weights for layer in network.layers if layer.kind == kind)
    return (
        ("share of the MACs", Fraction(cost.macs, network.cost.macs)),
        ("share of the bare weights", Fraction(weights, network.weights)),
        ("share of all learned parameters", Fraction(cost.params, network.cost.params)),
    )


def _table_3() -> Iterator[Figure]:
    costs = (
        conv2d_cost(512, 512, 3, 14, padding=1),
        depthwise_separable_conv2d_cost(512, 512, 3, 14, padding=1),
        depthwise_separable_conv2d_cost(384, 384, 3, 14, padding=1),
        depthwise_separable_conv2d_cost(384, 384, 3, 10, padding=1),
    )
    for (row, printed), cost in zip(tables()["Table 3"].items(), costs, strict=True):
        yield Figure("Table 3", f"{row}, mult-adds", printed["mult_adds"], "million", (("MACs", cost.macs),))
        yield Figure("Table 3", f"{row}, parameters", printed["params"], "million", (("bare weights", cost.params),))
    yield Figure("Table 3", "ρ", "0.714", "", (("10 pixels of 14", Fraction(10, 14)),))


def _whole_networks() -> Iterator[Figure]:
    """Tables 4 to 14: a row is a network, or a system that the paper does not describe well enough to count."""
    for number in (4, 5, 6, 7, 8, 9, 10, 12, 13, 14):
        table = f"Table {number}"
        for row, printed in tables()[table].items():
            macs, params = _counts(table, row)
            unit = "billion" if table == "Table 13" else "million"
            yield Figure(table, f"{row}, mult-adds", printed["mult_adds"], unit, macs)
            yield Figure(table, f"{row}, parameters", printed["params"], "million", params)


def _counts(table: str, row: str) -> tuple[Counts, Counts]:
    """The conventions for the mult-adds and for the parameters of one row, none where it cannot be computed."""
    if row in _peers():
        return _peer_counts(row)
    if table == "Table 13" or row in ("Inception V3", "Baseline", "FaceNet"):
        return (), ()
    network = _network(row)
    if table in ("Table 12", "Table 14"):
        body_macs, body_weights = _body(network)
        macs = [("MACs without the classifier", body_macs), ("MACs", network.cost.macs)]
        if row == "0.75 MobileNet-128":
            macs.append(("MACs without the classifier at 160 pixels", _body(mobilenet_v1(0.75, 160))[0]))
        # Table 14 adds an embedding of unknown width to the body.
        return tuple(macs), (("bare weights without the classifier", body_weights),) if table == "Table 12" else ()
    if table == "Table 10":
        dogs = _network(row, num_classes=120)
        return _network_counts(dogs, (("MACs with 1000 classes", network.cost.macs),))
    return _network_counts(network)


@cache
def _network(row: str, num_classes: int = 1000) -> Architecture:
    """The network that a row names: a name, or a width multiplier and a resolution."""
    named = {"Conv MobileNet": conv_mobilenet, "Shallow MobileNet": shallow_mobilenet, "MobileNet": mobilenet_v1}
    if row in named:
        return named[row]()
    width_multiplier, resolution = re.match(r"(\S+) MobileNet(?:-(\d+))?", row).groups(default="224")
    return mobilenet_v1(float(width_multiplier), int(resolution), num_classes)


def _network_counts(network: Architecture, more: Counts = ()) -> tuple[Counts, Counts]:
    macs = network.cost.macs
    return (
        (
            ("MACs", macs),
            ("MACs without the classifier", _body(network)[0]),
            ("MACs without the first convolution", macs - network.stem.cost.macs),
            *more,
        ),
        (("bare weights", network.weights), ("all learned parameters", network.cost.params)),
    )


def _body(network: Architecture) -> tuple[int, int]:
    """MACs and bare weights without the classifier."""
    classifier = network.classifier
    return network.cost.macs - classifier.cost.macs, network.weights - classifier.weights


def _peer_counts(name: str) -> tuple[Counts, Counts]:
    layers = peer_layers(name)
    total = sum((cost for _, cost in layers), Cost())
    convolutions = sum((cost for kind, cost in layers if kind != "linear"), Cost())
    return (
        (("MACs", total.macs), ("MACs of the convolutions", convolutions.macs), ("FLOPs", total.flops)),
        (("weights and biases", total.params),),
    )


def _section_4() -> Iterator[Figure]:
    full, small = "1.0 MobileNet-224", "0.5 MobileNet-160"
    squeezenet = _ratios("Table 9", "SqueezeNet", small, "mult_adds")
    in_flops = ("SqueezeNet's FLOPs by our MACs", 2 * squeezenet[0][1])
    for quantity, printed, ratios in (
        ("smaller than VGG16", "32", _ratios("Table 8", "VGG16", full, "params")),
        ("less compute than VGG16", "27", _ratios("Table 8", "VGG16", full, "mult_adds")),
        ("less compute than GoogLeNet", ">2.5", _ratios("Table 8", "GoogLeNet", full, "mult_adds")),
        ("smaller than AlexNet", "45", _ratios("Table 9", "AlexNet", small, "params")),
        ("less compute than AlexNet", "9.4", _ratios("Table 9", "AlexNet", small, "mult_adds")),
        ("less compute than SqueezeNet", "22", (*squeezenet, in_flops)),
    ):
        yield Figure("Section 4.2", quantity, printed, "×", ratios)

    macs, weights = _body(mobilenet_v1())
    final = 10 * 10**6  # the weights of the final layer as the paper gives them, and one MAC for each
    in_million = ("MACs of the body + 10 million", macs + final)
    in_billion = ("the same in billion", Fraction(macs + final, 1000))
    all_weights = ("bare weights of the body + 10 million", weights + final)
    yield Figure("Section 4.4", "PlaNet, mult-adds", "5.74", "billion")
    yield Figure("Section 4.4", "PlaNet, parameters", "52", "million")
    yield Figure("Section 4.4", "body, parameters", "3", "million", (("bare weights without the classifier", weights),))
    yield Figure("Section 4.4", "final layer, parameters", "10", "million")
    yield Figure("Section 4.4", "PlaNet MobileNet, parameters", "13", "million", (all_weights,))
    yield Figure("Section 4.4", "PlaNet MobileNet, mult-adds", "0.58", "million", (in_million, in_billion))

    baseline = {key: Fraction(value) * 10**6 for key, value in tables()["Table 12"]["Baseline"].items()}
    smallest = ("our body by the printed baseline", _body(mobilenet_v1(0.25, 128))[0] / baseline["mult_adds"])
    for quantity, printed, key in (("parameters", "75", "params"), ("mult-adds", "1600", "mult_adds")):
        in_the_table = ("its row of Table 12", baseline[key])
        yield Figure("Section 4.5", f"baseline classifier, {quantity}", printed, "million", (in_the_table,))
    yield Figure("Section 4.5", "the smallest network's share of the mult-adds", "1", "%", (smallest,))


def _ratios(table: str, peer: str, row: str, quantity: Literal["mult_adds", "params"]) -> tuple[Count, Count]:
    """How many times a peer exceeds a MobileNet: by our counts, and by the numbers that the table prints."""
    index = ("mult_adds", "params").index(quantity)
    ours, theirs = (_counts(table, name)[index][0][1] for name in (row, peer))
    printed = tables()[table]
    by_print = Fraction(printed[peer][quantity]) / Fraction(printed[row][quantity])
    return ("ours by ours", Fraction(theirs, ours)), ("printed by printed", by_print)


def _checkpoints() -> Iterator[Figure]:
    for checkpoint in released():
        network = checkpoint.architecture
        macs, params = _network_counts(network)
        normalised = sum(layer.out_channels for layer in network.layers if layer.is_convolution)
        # 1001 classes: the released networks keep a class for the background.
        classifier = linear_cost(network.classifier.in_channels, 1001).params
        stored = _body(network)[1] + classifier + 3 * normalised
        params += (("weights, biases and three numbers per channel of batch norm, 1001 classes", stored),)
        yield Figure("Checkpoints", f"{checkpoint.name}, MACs", checkpoint.million_macs, "million", macs)
        yield Figure("Checkpoints", f"{checkpoint.name}, parameters", checkpoint.million_params, "million", params)


@cache
def tables() -> dict[str, Any]:
    """What the paper prints, as strings: ``tables()["Table 6"]["0.75 MobileNet-224"]["mult_adds"]`` is ``"325"``.

    A row has ``mult_adds`` and ``params`` (in million; Table 2 in per cent, Table 13's mult-adds in billion), and in
    Tables 4 to 9 the ``accuracy``: top-1 on ImageNet in per cent. Table 1 is a list of groups of rows with the number
    of ``times`` that each is printed for: type, stride, filter shape and input size.
    """
    return json.loads(_data("paper_tables.json"))


def table_1_rows(architecture: Architecture) -> list[list[Any]]:
    """The layers of ``architecture`` as Table 1 prints them: type, stride, filter shape, input size.

    >>> table_1_rows(mobilenet_v1())[1]
    ['depthwise', 1, '3x3x32', '112x112x32']
    """
    names = {"standard": "conv", "pooling": "avg_pool", "classifier": "fully_connected"}
    rows = []
    for layer in architecture.layers:
        side = layer.kernel_size[0] if layer.kind == "pooling" else layer.kernel_size
        channels = {"depthwise": [layer.out_channels], "pooling": []}
        shape = channels.get(layer.kind, [layer.in_channels, layer.out_channels])
        if layer.kind != "classifier":
            shape = [side, side, *shape]
        size = (*layer.input_size, layer.in_channels)
        name = names.get(layer.kind, layer.kind)
        rows.append([name, layer.stride, "x".join(map(str, shape)), "x".join(map(str, size))])
    return rows


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One of the 16 released networks, trained later than the paper's: costs as printed, accuracies in per cent."""

    width_multiplier: float
    resolution: int
    million_macs: str
    million_params: str
    top1_percent: float
    top5_percent: float
    top1_percent_quantized: float

    @property
    def name(self) -> str:
        """As in ``0.75 MobileNet-160``."""
        return f"{self.width_multiplier} MobileNet-{self.resolution}"

    @property
    def architecture(self) -> Architecture:
        """The network with 1000 classes, from which its cost can be read."""
        return _network(self.name)


@cache
def released() -> tuple[Checkpoint, ...]:
    """The 16 released networks, as the table in ``research/slim/nets/mobilenet_v1.md`` of TensorFlow's models prints
    them. Never mix their accuracies with the paper's.

    >>> released()[0].name, released()[0].top1_percent
    ('1.0 MobileNet-224', 70.9)
    """
    lines = (line for line in _data("released_checkpoints.csv").splitlines() if not line.startswith("#"))
    return tuple(
        Checkpoint(
            float(row["width_multiplier"]),
            int(row["resolution"]),
            row["million_macs"],
            row["million_params"],
            float(row["top1_percent"]),
            float(row["top5_percent"]),
            float(row["top1_percent_quantized"]),
        )
        for row in csv.DictReader(lines)
    )


def peer_layers(name: str, resolution: int | None = None) -> tuple[tuple[str, Cost], ...]:
    """The layers of a network that the paper compares with, each as its kind (``conv``, ``fire``, ``inception``,
    ``linear``) and its cost, biases included. Names are ``VGG16``, ``GoogLeNet``, ``SqueezeNet`` and ``AlexNet``.

    ``resolution`` defaults to the one that the network was published with.

    Raises:
        TypeError, ValueError: no such network, or a resolution that it cannot have.

    >>> sum((cost for _, cost in peer_layers("VGG16")), Cost()).macs
    15470264320
    """
    if name not in _peers():
        raise ValueError(f"name={name!r} must be one of {', '.join(_peers())}")
    peer = _peers()[name]
    channels, size = 3, peer["resolution"] if resolution is None else resolution
    checks.positive("resolution", size)
    costs: list[tuple[str, Cost]] = []
    for kind, *numbers in peer["layers"]:
        if kind == "conv":
            out_channels, kernel_size, stride, padding, groups = numbers
            options = {"stride": stride, "padding": padding, "groups": groups, "bias": True}
            cost = conv2d_cost(channels, out_channels, kernel_size, size, **options)
            channels, size = out_channels, conv_output_size(size, kernel_size, stride, padding)
        elif kind == "pool":
            kernel_size, stride = numbers
            size = -(-(size - kernel_size) // stride) + 1  # Caffe rounds the size up
            continue
        elif kind == "global_pool":
            size = 1
            continue
        elif kind == "fire":
            squeeze, wide_1, wide_3 = numbers
            cost = _branches(channels, size, (squeeze, 1)) + _branches(squeeze, size, (wide_1, 1), (wide_3, 3))
            channels = wide_1 + wide_3
        elif kind == "inception":
            first, reduce_3, wide_3, reduce_5, wide_5, pooled = numbers
            cost = _branches(channels, size, (first, 1), (reduce_3, 1), (reduce_5, 1), (pooled, 1))
            cost += _branches(reduce_3, size, (wide_3, 3)) + _branches(reduce_5, size, (wide_5, 5))
            channels = first + wide_3 + wide_5 + pooled
        else:
            (out_features,) = numbers
            cost = linear_cost(channels * size * size, out_features)
            channels, size = out_features, 1
        costs.append((kind, cost))
    return tuple(costs)


def _branches(in_channels: int, size: int, *convolutions: tuple[int, int]) -> Cost:
    """Convolutions (out channels, kernel size) that read the same map and keep its size."""
    costs = (
        conv2d_cost(in_channels, out, kernel, size, padding=kernel // 2, bias=True) for out, kernel in convolutions
    )
    return sum(costs, Cost())


@cache
def _peers() -> dict[str, Any]:
    peers = json.loads(_data("peers.json"))
    del peers["rows"]  # an explanation of the rows, for readers of the file
    return peers


def _data(name: str) -> str:
    return (files("mobilenet_edu") / "data" / name).read_text(encoding="utf-8")
