"""What other counters print for made-up networks, single layers and well-known networks.

``python experiments/counters.py`` runs those in `COUNTERS`, or the ones that are named (``thop torchscan``), and writes
experiments/results/counters.json. Each runs in a process and from a folder of its own, since two of them are called
``thop``, and each network in a copy of that process, since some leave PyTorch changed behind. `make test` compares
`mobilenet_edu.counting` with the stored numbers, `make test-slow` and `make compare` with the counters themselves.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import pickle
import random
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib import import_module
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from unittest.mock import MagicMock

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mobilenet_edu.network import MobileNetV1

RESULTS = Path(__file__).parent / "results" / "counters.json"
FOLDERS = Path(__file__).parents[1] / "build" / "counters"
CHAINS, MIXED = 200, 60
TODAY = ["pytorch", "torchinfo", "fvcore", "ptflops", "thop", "calflops"]


class Case(NamedTuple):
    """A network, the size of its input, a batch, and whether it is in training mode."""

    model: nn.Module
    input_size: tuple[int, int, int]
    batch: int = 1
    training: bool = False


def chain(seed: int) -> Case:
    """A made-up network of convolutions, batch norm, ReLU, pooling and a classifier."""
    draw = random.Random(seed)
    channels, side = draw.choice([1, 3, 4]), draw.choice([32, 36, 48])
    input_size, layers = (channels, side, side), []
    for _ in range(draw.randint(1, 4)):
        depthwise = draw.random() < 0.3
        width = channels if depthwise else draw.choice([4, 6, 8, 12])
        groups = channels if depthwise else draw.choice([g for g in (1, 2) if channels % g == width % g == 0])
        kernel = draw.choice([1, 3, 5])
        layers.append(
            nn.Conv2d(
                channels,
                width,
                kernel,
                stride=draw.choice([1, 2]),
                padding=kernel // 2,
                groups=groups,
                bias=draw.random() < 0.5,
            )
        )
        if draw.random() < 0.7:
            layers.append(nn.BatchNorm2d(width, affine=draw.random() < 0.8))
        layers += draw.choice([[], [nn.ReLU()], [nn.ReLU(inplace=True)], [nn.ReLU6()]])
        channels = width
    layers += draw.choice([[], [nn.MaxPool2d(2)], [nn.AvgPool2d(2)], [nn.Dropout(0.5)]])
    features = nn.Sequential(*layers)
    shape = features.eval()(torch.zeros(1, *input_size)).shape
    pools = [nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(1), nn.AvgPool2d(tuple(shape[2:])), nn.Identity()]
    pool = draw.choice(pools)
    width = pool(torch.zeros(shape)).numel()
    head = [pool, nn.Flatten(), nn.Linear(width, draw.choice([2, 10]), bias=draw.random() < 0.7)]
    return Case(nn.Sequential(features, *head), input_size, draw.choice([1, 8]), draw.random() < 0.5)


def mobilenets() -> list[tuple[str, nn.Module, tuple[int, int, int]]]:
    """The sixteen networks of the paper's grid."""
    return [
        (f"{alpha}-{resolution}", MobileNetV1(1000, alpha), (3, resolution, resolution))
        for alpha in (1.0, 0.75, 0.5, 0.25)
        for resolution in (224, 192, 160, 128)
    ]


class Call(nn.Module):
    """A module that PyTorch does not have, and that calls one function."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.function(images)


class OwnFilter(nn.Module):
    """Holds its weight, and calls the function."""

    def __init__(self, channels: int, width: int, kernel: int, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(width, channels, kernel, kernel))
        self.bias = nn.Parameter(torch.rand(width)) if bias else None

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return F.conv2d(images, self.weight, self.bias)


class PaddedConv2d(nn.Conv2d):
    """A subclass that pads first, as those do that imitate TensorFlow."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return F.conv2d(F.pad(images, (0, 1, 0, 1)), self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class NormAct(nn.BatchNorm2d):
    """Batch norm with an activation inside, as in timm."""

    def __init__(self, channels: int, activation: nn.Module) -> None:
        super().__init__(channels)
        self.act = activation

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        normed = F.batch_norm(images, self.running_mean, self.running_var, self.weight, self.bias, False, 0.1, self.eps)
        return self.act(normed)


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of a map, as in ConvNeXt."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        images = images.permute(0, 2, 3, 1)
        return F.layer_norm(images, self.normalized_shape, self.weight, self.bias, self.eps).permute(0, 3, 1, 2)


class OwnLinear(nn.Linear):
    """A subclass that calls the function itself, as timm's MobileNet V3 does."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return F.linear(images, self.weight, self.bias)


class Residual(nn.Module):
    """Adds what its layers make of the input to the input."""

    def __init__(self, layers: nn.Module, in_place: bool) -> None:
        super().__init__()
        self.layers, self.in_place = layers, in_place

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        output = self.layers(images)
        if self.in_place:
            output += images
            return output
        return output + images


class Excite(nn.Module):
    """Squeeze-excite, with a pooling layer or with a mean."""

    def __init__(self, channels: int, hidden: int, gate: nn.Module, mean: bool) -> None:
        super().__init__()
        self.mean = mean
        self.pool = nn.Identity() if mean else nn.AdaptiveAvgPool2d(1)
        self.reduce, self.act = nn.Conv2d(channels, hidden, 1), nn.ReLU()
        self.expand, self.gate = nn.Conv2d(hidden, channels, 1), gate

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        squeezed = images.mean((2, 3), keepdim=True) if self.mean else self.pool(images)
        return images * self.gate(self.expand(self.act(self.reduce(squeezed))))


class Joined(nn.Module):
    """Concatenates its input and what a layer makes of it."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.cat([images, self.layers(images)], 1)


class Scaled(nn.Module):
    """A factor for each channel, beside layers of its own, as in ConvNeXt."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layer, self.gamma = nn.Identity(), nn.Parameter(torch.ones(channels))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layer(images) * self.gamma.reshape(1, -1, 1, 1)


class Unused(nn.Module):
    """Has a layer that it never calls."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.act, self.spare = nn.ReLU(), nn.Conv2d(channels, 3, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.act(images)


class Tokens(nn.Module):
    """Turns a map into rows, runs layers on these, and turns them back."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        rows = self.layers(images.permute(0, 2, 3, 1))
        return rows.permute(0, 3, 1, 2)


class Attention(nn.Module):
    """Attention of a map's pixels to each other, by one function or by two products."""

    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.fused = fused

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        rows = images.flatten(2).transpose(1, 2)
        if self.fused:
            mixed = F.scaled_dot_product_attention(rows, rows, rows)
        else:
            mixed = torch.softmax(rows @ rows.transpose(1, 2), -1) @ rows
        return mixed.transpose(1, 2).reshape(images.shape)


ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.Hardswish, nn.Hardsigmoid, nn.Sigmoid, nn.SiLU, nn.GELU, nn.Tanh, nn.LeakyReLU)
CALLS = ("relu", "relu6", "hardswish", "hardsigmoid", "sigmoid", "silu", "gelu", "tanh", "leaky_relu")


def single_layers(channels: int) -> dict[str, Callable[[], nn.Module]]:
    """A name and a recipe for each kind of step, for a map with this many channels and sides that are even."""
    c = channels
    twice = nn.Conv2d(c, c, 3, padding=1)
    convolutions = {
        f"conv {kernel} {options}": partial(nn.Conv2d, c, 2 * c, kernel, **options)
        for kernel, options in (
            (1, {"bias": False}),
            (1, {}),
            (3, {"padding": 1, "bias": False}),
            (3, {"stride": 2, "padding": 1}),
            (3, {"groups": 2, "bias": False}),
            (3, {"padding": 1, "groups": c}),
            (5, {"stride": 2, "padding": 2, "groups": c, "bias": False}),
            (3, {"padding": 2, "dilation": 2}),
            (3, {"padding": 2, "dilation": 2, "groups": 2, "bias": False}),
            ((1, 3), {"stride": (2, 1), "padding": (0, 1), "groups": 2}),
        )
    }
    transposed = {
        f"transposed {kernel} {options}": partial(nn.ConvTranspose2d, c, 2 * c, kernel, **options)
        for kernel, stride, bias in ((3, 2, False), (2, 2, True), (3, 1, True), (4, 2, False))
        for options in ({"stride": stride, "bias": bias, "groups": groups} for groups in (1, 2))
    }
    layers = {
        **convolutions,
        **transposed,
        "linear": lambda: nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(c, 5, bias=False)),
        "linear bias": lambda: nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(c, 5)),
        "linear bias 7": lambda: nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(c, 7)),
        "map_linear": lambda: Tokens(nn.Linear(c, 5, bias=False)),
        "map_linear bias": lambda: Tokens(nn.Linear(c, 5)),
        "map_linear bias 7": lambda: Tokens(nn.Linear(c, 7)),
        "norm": lambda: nn.BatchNorm2d(c),
        "plain_norm": lambda: nn.BatchNorm2d(c, affine=False),
        "statless_norm": lambda: nn.BatchNorm2d(c, track_running_stats=False),
        "statless_plain_norm": lambda: nn.BatchNorm2d(c, affine=False, track_running_stats=False),
        "loose_norm": lambda: nn.Sequential(nn.ReLU(), nn.BatchNorm2d(c)),
        "layer_norm": lambda: Tokens(nn.LayerNorm(c)),
        "plain_layer_norm": lambda: Tokens(nn.LayerNorm(c, elementwise_affine=False)),
        "group_norm": lambda: nn.GroupNorm(2, c),
        "plain_group_norm": lambda: nn.GroupNorm(2, c, affine=False),
        **{kind.__name__: kind for kind in ACTIVATIONS},
        "Softmax": lambda: nn.Softmax(1),
        "PReLU": nn.PReLU,
        "PReLU channels": lambda: nn.PReLU(c),
        "max_pool": lambda: nn.MaxPool2d(2),
        "max_pool pair": lambda: nn.MaxPool2d((2, 2)),
        "max_pool 3": lambda: nn.MaxPool2d(3, 2, 1),
        "max_pool 3 2": lambda: nn.MaxPool2d((3, 2), 1),
        "avg_pool": lambda: nn.AvgPool2d(2),
        "avg_pool pair": lambda: nn.AvgPool2d((2, 2)),
        "avg_pool 3": lambda: nn.AvgPool2d(3, 2, 1),
        "avg_pool 3 2": lambda: nn.AvgPool2d((3, 2), 1),
        "global_pool": lambda: nn.AdaptiveAvgPool2d(1),
        "global_pool 2": lambda: nn.AdaptiveAvgPool2d(2),
        "adaptive_max_pool": lambda: nn.AdaptiveMaxPool2d(1),
        "adaptive_max_pool 2": lambda: nn.AdaptiveMaxPool2d(2),
        "uneven_pool": lambda: nn.AdaptiveAvgPool2d(5),
        "uneven_pool 2": lambda: nn.AdaptiveAvgPool2d((4, 1)),
        "dropout": lambda: nn.Dropout(0.5),
        "flatten": nn.Flatten,
        "own conv": lambda: OwnFilter(c, 5, 3, False),
        "own conv bias": lambda: OwnFilter(c, 5, 3, True),
        "own conv 1": lambda: OwnFilter(c, 7, 1, True),
        "padded": lambda: Call(lambda x: F.pad(x, (0, 1, 0, 1))),
        "subclass conv": lambda: PaddedConv2d(c, 6, 3, bias=False),
        "subclass conv bias": lambda: PaddedConv2d(c, 6, 3),
        "subclass linear": lambda: nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), OwnLinear(c, 5, bias=False)),
        "subclass linear bias": lambda: nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), OwnLinear(c, 5)),
        "subclass linear bias 7": lambda: nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), OwnLinear(c, 7)),
        "norm act": lambda: NormAct(c, nn.Identity()),
        "channel norm": lambda: ChannelNorm(c),
        "called group norm": lambda: Call(lambda x: F.group_norm(x, 2)),
        **{f"called {name}": lambda name=name: Call(lambda x: getattr(F, name)(x)) for name in CALLS},
        **{
            f"bare {name}": lambda name=name: Call(lambda x: getattr(torch, name)(x))
            for name in ("relu", "sigmoid", "tanh")
        },
        "bare softmax": lambda: Call(lambda x: torch.softmax(x, 1)),
        "bare softmax method": lambda: Call(lambda x: x.softmax(1)),
        "called sum": lambda: Call(lambda x: torch.add(x, x)),
        "called sum method": lambda: Call(lambda x: x.add(x)),
        "called product": lambda: Call(lambda x: torch.mul(x, x)),
        "called product method": lambda: Call(lambda x: x.mul(x)),
        "called matmul": lambda: Call(lambda x: torch.matmul(x.flatten(2).transpose(1, 2), x.flatten(2))),
        "called matmul method": lambda: Call(lambda x: x.flatten(2).transpose(1, 2).matmul(x.flatten(2))),
        "map_linear rows": lambda: Tokens(nn.Sequential(nn.LayerNorm(c), nn.Linear(c, 5))),
        "attention heads": lambda: Call(lambda x: F.scaled_dot_product_attention(x, x, x)),
        "unused": lambda: Unused(c),
        "called softmax": lambda: Call(lambda x: F.softmax(x, 1)),
        "called max_pool": lambda: Call(lambda x: F.max_pool2d(x, 2)),
        "called avg_pool": lambda: Call(lambda x: F.avg_pool2d(x, 2)),
        "called global_pool": lambda: Call(lambda x: F.adaptive_avg_pool2d(x, 1)),
        "called global_pool 2": lambda: Call(lambda x: F.adaptive_avg_pool2d(x, 2)),
        "called dropout": lambda: Call(lambda x: F.dropout(x, 0.5, False)),
        "mean": lambda: Call(lambda x: x.mean((2, 3), keepdim=True)),
        "mean 2": lambda: Call(lambda x: x.mean(1, keepdim=True)),
        "sum": lambda: Residual(nn.Identity(), False),
        "in_place_sum": lambda: Residual(nn.Conv2d(c, c, 1, bias=False), True),
        "product": lambda: Call(lambda x: x * x),
        "gated": lambda: Call(lambda x: x * x.mean((2, 3), keepdim=True)),
        "scaled": lambda: Call(lambda x: x * 0.5),
        "shifted": lambda: Call(lambda x: x + 0.5),
        "joined": lambda: Joined(nn.Identity()),
        "moved": lambda: Call(lambda x: x.permute(0, 2, 3, 1)),
        "moved 2": lambda: Call(lambda x: x.flatten(2).transpose(1, 2)),
        "matmul": lambda: Call(lambda x: x.flatten(2).transpose(1, 2) @ x.flatten(2)),
        "attention": lambda: Attention(True),
        "inner_parameters": lambda: Scaled(c),
        "repeated": lambda: nn.Sequential(twice, nn.ReLU(), twice),
        "repeated 3": lambda: nn.Sequential(twice, twice, nn.ReLU(), twice),
    }
    return layers


SHAPES = ((4, 6, 6), (6, 8, 12), (8, 12, 6))


def layer_cases(shapes: Sequence[tuple[int, int, int]] = SHAPES) -> dict[str, Case]:
    """Each single layer behind a 1×1 convolution, on three maps, and on one in a batch of 3, too."""
    cases = {}
    for size in shapes:
        for name, make in single_layers(size[0]).items():
            for batch in (1, 3) if size == SHAPES[0] else (1,):
                model = nn.Sequential(nn.Conv2d(size[0], size[0], 1, bias=False), make())
                cases[f"{name} @ {size[0]} × {batch}"] = Case(model, size, batch)
    return cases


def mixed(seed: int) -> Case:
    """A made-up network with the steps that `chain` does not have."""
    draw = random.Random(seed)
    channels, side = draw.choice([4, 6, 8]), draw.choice([16, 24])
    input_size, layers = (channels, side, side + 8), []
    for _ in range(draw.randint(2, 5)):
        layers.append(_mixed_step(draw, channels))
    if draw.random() < 0.3:
        layers.append(nn.ConvTranspose2d(channels, channels, draw.choice([2, 3]), 2, bias=draw.random() < 0.5))
    layers.append(draw.choice([nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(1), Call(lambda x: x.mean((2, 3), True))]))
    kind = draw.choice([nn.Linear, nn.Linear, OwnLinear])
    layers += [nn.Flatten(), nn.Dropout(0.2), kind(channels, draw.choice([3, 10]), bias=draw.random() < 0.5)]
    return Case(nn.Sequential(*layers), input_size, draw.choice([1, 4]))


def _mixed_step(draw: random.Random, c: int) -> nn.Module:
    activation = draw.choice(
        [*(kind() for kind in ACTIVATIONS), nn.PReLU(c), Call(lambda x: F.relu(x)), Call(lambda x: F.silu(x))]
    )
    gate = draw.choice([nn.Sigmoid(), nn.Hardsigmoid()])
    pixelwise = [nn.Linear(c, 2 * c), nn.GELU(), nn.Linear(2 * c, c, bias=draw.random() < 0.5)]
    dilation = draw.choice([1, 2])
    dense = nn.Conv2d(c, c, 3, padding=dilation, dilation=dilation, bias=draw.random() < 0.5)
    depthwise = nn.Conv2d(c, c, 3, padding=1, groups=c, bias=draw.random() < 0.5)
    norm = draw.choice([nn.BatchNorm2d(c), nn.GroupNorm(2, c), ChannelNorm(c), NormAct(c, nn.ReLU())])
    steps = [
        nn.Sequential(dense, nn.BatchNorm2d(c), activation),
        Residual(nn.Sequential(depthwise, norm, activation), draw.random() < 0.5),
        nn.Sequential(depthwise, Excite(c, 2, gate, draw.random() < 0.5)),
        Residual(Tokens(nn.Sequential(nn.LayerNorm(c), *pixelwise)), False),
        nn.Sequential(Joined(dense), nn.Conv2d(2 * c, c, 1), activation),
        nn.Sequential(PaddedConv2d(c, c, 3, bias=False), nn.BatchNorm2d(c), activation),
        nn.Sequential(dense, Scaled(c)),
        nn.Sequential(Attention(draw.random() < 0.5), norm),
    ]
    return draw.choice(steps)


KNOWN = [
    "resnet18",
    "mobilenetv1_100",
    "mobilenetv2_100",
    "mobilenetv3_large_100",
    "efficientnet_b0",
    "convnext_tiny",
    "vit_tiny_patch16_224",
]


class _NoTorchvision:
    """Stands in for torchvision, which timm and some counters import and which these networks do not need."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.split(".")[0] == "torchvision" else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = MagicMock(name=spec.name, __spec__=spec, __path__=[], __version__="0.0")
        module.FrozenBatchNorm2d = type("FrozenBatchNorm2d", (nn.Module,), {})
        return module

    def exec_module(self, module: ModuleType) -> None:
        pass


def known(name: str) -> Case:
    """A network of timm, or the ones that chapter 11 makes from checkpoints."""
    from timm import create_model

    return Case(create_model(name).eval(), (3, 224, 224))


# One function a counter: from a case to what it prints, by the name of its convention.


def _images(case: Case) -> torch.Tensor:
    return torch.zeros(case.batch, *case.input_size)


def pytorch(case: Case) -> dict[str, Any]:
    with FlopCounterMode(display=False) as counter:
        case.model.eval()(_images(case))
    return {"FlopCounterMode of PyTorch": counter.get_total_flops()}


def torchinfo(case: Case) -> dict[str, Any]:
    from torchinfo import summary

    size = (case.batch, *case.input_size)
    return {"torchinfo": summary(case.model, input_size=size, verbose=0).total_mult_adds}


def fvcore(case: Case) -> dict[str, Any]:
    from fvcore.nn import FlopCountAnalysis

    analysis = FlopCountAnalysis(case.model.train(case.training), _images(case))
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    return {"fvcore in training mode" if case.training else "fvcore": analysis.total()}


def ptflops(case: Case) -> dict[str, Any]:
    from ptflops import get_model_complexity_info

    said = {}
    for backend in ("aten", "pytorch"):
        said[f"ptflops, {backend} backend"] = get_model_complexity_info(
            case.model,
            case.input_size,
            as_strings=False,
            print_per_layer_stat=False,
            backend=backend,
            input_constructor=lambda _: _images(case),
        )[0]
    return said


def thop(case: Case) -> dict[str, Any]:
    import thop

    return {"thop": thop.profile(case.model, inputs=(_images(case),), verbose=False)[0]}


def ultralytics(case: Case) -> dict[str, Any]:
    import thop

    return {"thop of Ultralytics": thop.profile(case.model, inputs=(_images(case),), verbose=False)[0]}


def calflops(case: Case) -> dict[str, Any]:
    from calflops import calculate_flops

    shape = (case.batch, *case.input_size)
    flops, macs, _ = calculate_flops(case.model, input_shape=shape, print_results=False, output_as_string=False)
    return {"calflops' FLOPs": flops, "calflops' MACs": macs}


def torchscan(case: Case) -> dict[str, Any]:
    from torchscan.crawler import crawl_module

    report = crawl_module(case.model, args=(_images(case),))
    totals = {"torchscan's FLOPs": 0, "torchscan's MACs": 0}
    for layer in report["layers"]:
        for name, metric in (("torchscan's FLOPs", "module_flops"), ("torchscan's MACs", "macs")):
            totals[name] += layer["metrics"].get(metric, {}).get("value") or 0
    return totals


def flopth(case: Case) -> dict[str, Any]:
    from flopth import flopth as count

    return {"flopth": count(case.model, inputs=(_images(case),), bare_number=True)[0]}


def torchprofile(case: Case) -> dict[str, Any]:
    from torchprofile import profile_macs

    return {"torchprofile": profile_macs(case.model.eval(), _images(case))}


def torchstat(case: Case) -> dict[str, Any]:
    from torchstat import ModelStat

    nodes = ModelStat(case.model, case.input_size, 1)._analyze_model()
    return {
        "torchstat's Flops": sum(node.Flops for node in nodes),
        "torchstat's MAdd": sum(node.MAdd for node in nodes),
    }


def pthflops(case: Case) -> dict[str, Any]:
    from pthflops import count_ops

    return {"pthflops": count_ops(case.model, _images(case), print_readable=False, verbose=False)[0]}


def flops_profiler(case: Case) -> dict[str, Any]:
    from flops_profiler.profiler import get_model_profile

    shape = (case.batch, *case.input_size)
    flops, macs, _ = get_model_profile(case.model, shape, print_profile=False, detailed=False, warm_up=0)
    return {"flops-profiler's FLOPs": flops, "flops-profiler's MACs": macs}


def flopco(case: Case) -> dict[str, Any]:
    from flopco import FlopCo

    counted = FlopCo(case.model, img_size=(case.batch, *case.input_size))
    return {"flopco's FLOPs": counted.total_flops, "flopco's MACs": counted.total_macs}


def torchmeter(case: Case) -> dict[str, Any]:
    from torchmeter import Meter

    meter = Meter(case.model.eval(), device="cpu")
    meter(_images(case))
    return {"torchmeter's FLOPs": meter.cal.Flops.val, "torchmeter's MACs": meter.cal.Macs.val}


def flopper(case: Case) -> dict[str, Any]:
    from flopper import count_flops

    name = "flopper in training mode" if case.training else "flopper"
    return {name: count_flops(case.model.train(case.training), _images(case), silent=True).total()}


def flopsmeter(case: Case) -> dict[str, Any]:
    from flopsmeter import Complexity_Calculator

    counter = Complexity_Calculator(case.model.eval(), dummy=case.input_size, device=torch.device("cpu"))
    counter.model(_images(case))
    return {"flopsmeter": counter.flops}


def mmengine(case: Case) -> dict[str, Any]:
    from mmengine.analysis import FlopAnalyzer

    analysis = FlopAnalyzer(case.model.eval(), _images(case))
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    return {"mmengine": analysis.total()}


def _onnx(case: Case) -> Any:
    import logging

    logging.disable(logging.WARNING)
    return torch.onnx.export(case.model.eval(), (_images(case),), dynamo=True, verbose=False).model_proto


def onnx_opcounter(case: Case) -> dict[str, Any]:
    from onnx_opcounter import calculate_macs

    return {"onnx-opcounter": calculate_macs(_onnx(case))}


def onnx_tool(case: Case) -> dict[str, Any]:
    import onnx_tool

    graph = onnx_tool.loadmodel(_onnx(case), {"verbose": False}).graph
    graph.graph_reorder_nodes()
    graph.shape_infer()
    graph.profile()
    return {"onnx-tool": graph.macs[0]}


def xla(case: Case) -> dict[str, Any]:
    from frameworks import jax_flops

    return {"XLA, called by JAX": jax_flops(case.model.eval(), _images(case))}


def tensorflow(case: Case) -> dict[str, Any]:
    from frameworks import keras_flops

    return {"TensorFlow's profiler": keras_flops(case.model.eval(), case.batch, case.input_size)}


class Counter(NamedTuple):
    count: Callable[[Case], dict[str, Any]]
    module: str
    packages: str
    networks: int = MIXED  # how many made-up ones of each kind it is run on: exporting to ONNX takes a second
    leaves_traces: bool = False  # whether it changes PyTorch, so that each network needs a process of its own


COUNTERS = {
    "pytorch": Counter(pytorch, "torch", ""),
    "torchinfo": Counter(torchinfo, "torchinfo", ""),
    "fvcore": Counter(
        fvcore, "fvcore.nn", "fvcore==0.1.5.post20221221 iopath==0.1.10 portalocker==4.4.2 termcolor==3.3.0 yacs==0.1.8"
    ),
    "ptflops": Counter(ptflops, "ptflops", "ptflops==0.7.5"),
    "thop": Counter(thop, "thop", "thop==0.1.1.post2209072238"),
    "calflops": Counter(calflops, "calflops", "calflops==0.3.2", leaves_traces=True),
    "ultralytics": Counter(ultralytics, "thop", "ultralytics-thop==2.2.3"),
    "torchscan": Counter(torchscan, "torchscan.crawler", "torchscan==0.2.0"),
    "flopth": Counter(flopth, "flopth", "flopth==0.1.6", leaves_traces=True),
    "torchprofile": Counter(torchprofile, "torchprofile", "torchprofile==0.1.0"),
    "torchstat": Counter(
        torchstat, "torchstat", "torchstat==0.0.7 pandas==3.1.1 python-dateutil==4.0.0", leaves_traces=True
    ),
    "pthflops": Counter(pthflops, "pthflops", "pthflops==0.4.2"),
    "flops_profiler": Counter(flops_profiler, "flops_profiler.profiler", "flops-profiler==0.1.2", leaves_traces=True),
    "flopco": Counter(flopco, "flopco", "flopco-pytorch==0.1.4"),
    "torchmeter": Counter(
        torchmeter,
        "torchmeter",
        "torchmeter==0.1.0 polars==2.1.0 polars-runtime-32==2.1.0 pympler==1.1 "
        "rich==15.0.0 markdown-it-py==4.3.0 mdurl==0.1.2 pygments==2.21.0 pyyaml==6.0.4",
    ),
    "flopper": Counter(
        flopper,
        "flopper",
        "flopper==0.2.2 fvcore==0.1.5.post20221221 iopath==0.1.10 portalocker==4.4.2 termcolor==3.3.0 yacs==0.1.8",
    ),
    "flopsmeter": Counter(flopsmeter, "flopsmeter", "flopsmeter==0.1.0"),
    "mmengine": Counter(
        mmengine,
        "mmengine.analysis",
        "mmengine==0.10.7 addict==2.4.0 yapf==0.43.0 platformdirs==4.14.8 opencv-python-headless==5.0.0.93 "
        "termcolor==3.3.0 rich==15.0.0 markdown-it-py==4.3.0 mdurl==0.1.2 pygments==2.21.0 pyyaml==6.0.4",
    ),
    "onnx_opcounter": Counter(onnx_opcounter, "onnx_opcounter", "onnx-opcounter==0.0.4", 14),
    "onnx_tool": Counter(onnx_tool, "onnx_tool", "onnx-tool==1.0.1", 20),
    "xla": Counter(xla, "jax", "jax==0.10.2 jaxlib==0.10.2 ml_dtypes==0.6.0 opt_einsum==3.4.0"),
    "tensorflow": Counter(
        tensorflow,
        "tensorflow",
        "tensorflow-cpu==2.21.0 keras==3.15.1 absl-py==2.5.1 astunparse==1.6.3 gast==0.7.0 "
        "google_pasta==0.2.0 grpcio==1.85.3 h5py==3.14.0 ml_dtypes==0.6.0 namex==0.1.0 opt_einsum==3.4.0 "
        "optree==0.20.0 protobuf==7.36.2 flatbuffers==25.12.19 rich==15.0.0 markdown-it-py==4.3.0 "
        "mdurl==0.1.2 pygments==2.21.0 six==1.17.0 termcolor==3.3.0 wrapt==2.5.2 numpy==2.4.6 "
        "typing_extensions==4.16.0",
        20,
    ),
}


def in_a_copy(work: Callable[[], Any]) -> Any:
    """What ``work`` returns, or the error that it raises, in a copy of this process that ends with it."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reading)
            try:
                answer = work()
            except BaseException as error:
                answer = f"{type(error).__name__}: {error}"
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump(answer, pipe)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return pickle.loads(answer) if answer else "ended early"


def printed(counter: Counter, case: Case) -> dict[str, int] | None:
    """What it prints for one network, or nothing if it cannot count it."""

    def count() -> dict[str, int]:
        warnings.simplefilter("ignore")
        quiet = io.StringIO()
        with torch.no_grad(), contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
            return {name: int(number) for name, number in counter.count(case).items()}

    if counter.leaves_traces:
        answer = in_a_copy(count)
    else:
        try:
            answer = count()
        except Exception as error:
            answer = f"{type(error).__name__}: {error}"
    if isinstance(answer, str):
        print(answer[:150], file=sys.stderr)
        return None
    return answer


def _import(module: str) -> None:
    """Imports a counter here, so that the copies have it, and lets timm be imported later, with no torchvision."""
    sys.modules["timm"] = None  # type: ignore[assignment]  # calflops would import it
    with contextlib.suppress(ImportError):
        import_module(module)
    del sys.modules["timm"]
    sys.meta_path.append(_NoTorchvision())
    import_module(module)


def run(name: str) -> dict[str, Any]:
    """All that one counter prints."""
    counter = COUNTERS[name]
    torch.manual_seed(0)
    torch.set_num_threads(1)
    single = ["torchstat", "onnx_opcounter", "onnx_tool"]

    def of(case: Case) -> dict[str, int] | None:
        return None if name in single and case.batch > 1 else printed(counter, case)

    _import(counter.module)
    full, few = name in TODAY, counter.networks < 20
    layers = layer_cases(SHAPES[:1] if few else SHAPES)
    return {
        "layers": {layer: of(case) for layer, case in layers.items()},
        "chains": [of(chain(seed)) for seed in range(CHAINS if full else counter.networks)],
        "mixed": [of(mixed(seed)) for seed in range(counter.networks)],
        "mobilenets": {label: of(Case(model, size)) for label, model, size in mobilenets()[: 16 if full else 1]},
        "known": {label: of(known(label)) for label in KNOWN if not few},
    }


def folder(name: str) -> Path:
    """Where the counter's packages are; installed if they are not there yet."""
    place = FOLDERS / name
    packages = [*COUNTERS[name].packages.split(), "timm==1.0.31"]
    if not place.exists():
        half = place.with_name(f"{name}.part")  # an installation that is broken off is begun again
        shutil.rmtree(half, ignore_errors=True)
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", half]
        subprocess.run([*install, *packages], check=True)
        half.rename(place)
    return place


def collect(names: Iterable[str], path: Path) -> list[str]:
    """Runs these counters and puts what each prints into a file, beside what others printed; returns those that fail.

    The file is written after each counter, so that a run that is broken off keeps what it has.
    """
    stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.parent.mkdir(exist_ok=True)
    failed = []
    for name in names:
        print(f"{name} ...", file=sys.stderr)
        command = [sys.executable, "-W", "ignore", __file__, "--only", name]
        try:
            environment = os.environ | {"PYTHONPATH": str(folder(name)), "OMP_NUM_THREADS": "1"}
            ran = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE)
        except subprocess.CalledProcessError as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed.append(name)
            continue
        stored[name] = json.loads(ran.stdout)
        text = json.dumps(stored, separators=(",", ":")).replace('},"', '},\n"')
        path.write_text(text + "\n", encoding="utf-8")
    return failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counters", nargs="*", default=list(COUNTERS), help="which to run; all, if none is named")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.only:
        sys.stdout.write(json.dumps(run(options.only)))
    elif failed := collect(options.counters, options.output):
        sys.exit(f"not run: {' '.join(failed)}")


if __name__ == "__main__":
    main()
