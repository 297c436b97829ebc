"""Time a function, a network or each of its layers, and say what a machine could do at best.

A single timing is not a measurement: the first calls pay for caches and memory, and other programs interrupt. So
`measure` warms up and repeats, and `compare` takes turns, so that a slow moment touches every candidate.

Every function takes the clock as an argument, which tests replace. Seconds are seconds, rates are per second.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import torch
from torch import nn

from mobilenet_edu import checks
from mobilenet_edu.architecture import Layer, conv_mobilenet, mobilenet_v1
from mobilenet_edu.blocks import DepthwiseConv2d, PointwiseConv2d, SameConv2d
from mobilenet_edu.network import MobileNet

__all__ = [
    "LayerTiming",
    "StoredTimes",
    "Timing",
    "bandwidth",
    "compare",
    "machine",
    "measure",
    "peak",
    "roofline",
    "stored_times",
    "time_layers",
]

Clock = Callable[[], float]
_STORED = Path(__file__).with_name("data") / "times.json"


@dataclass(frozen=True)
class Timing:
    """Seconds that each repetition took, in the order in which they ran."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one, which a few interrupted repetitions do not move."""
        return median(self.seconds)

    @property
    def spread(self) -> tuple[float, float]:
        """The lower and the upper quartile, between which half of the repetitions lie."""
        if len(self.seconds) == 1:
            return self.seconds * 2
        low, _, high = quantiles(self.seconds, n=4, method="inclusive")
        return low, high


def measure(function: Callable[[], object], repeats: int = 15, warm_up: int = 3, clock: Clock = perf_counter) -> Timing:
    """Time ``repeats`` calls of ``function``, after ``warm_up`` calls that do not count.

    Raises:
        TypeError, ValueError: ``repeats`` or ``warm_up`` is no positive integer.
    """
    return compare({"": function}, repeats, warm_up, clock)[""]


def compare(
    functions: Mapping[str, Callable[[], object]], rounds: int = 15, warm_up: int = 3, clock: Clock = perf_counter
) -> dict[str, Timing]:
    """Time several functions in turn: each round calls every one of them once.

    Errors are those of `measure`.
    """
    checks.positive("rounds", rounds)
    checks.positive("warm_up", warm_up)
    for _ in range(warm_up):
        for function in functions.values():
            function()
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            start = clock()
            function()
            seconds[name].append(clock() - start)
    return {name: Timing(tuple(taken)) for name, taken in seconds.items()}


@dataclass(frozen=True)
class LayerTiming:
    """A convolution or the classifier, at work inside its network on ``batch_size`` images.

    ``timing`` is the layer alone. ``after`` is the batch norm and activation behind it, None for the classifier.
    """

    layer: Layer
    batch_size: int
    timing: Timing
    after: Timing | None = None

    @property
    def macs_per_second(self) -> float:
        """What the layer achieved, its multiply-accumulates divided by its median time."""
        return self.batch_size * self.layer.cost.macs / self.timing.median

    @property
    def bytes_moved(self) -> int:
        """Bytes in float32, with images and maps once for each image and the weights once for the batch."""
        cost = self.layer.cost
        return 4 * (self.batch_size * (cost.input_elements + cost.output_elements) + self.layer.weights)

    @property
    def macs_per_byte(self) -> float:
        """Arithmetic intensity, the multiply-accumulates for each of `bytes_moved`."""
        return self.batch_size * self.layer.cost.macs / self.bytes_moved


def time_layers(
    network: MobileNet,
    batch_size: int = 1,
    rounds: int = 15,
    warm_up: int = 3,
    *,
    memory_format: torch.memory_format = torch.contiguous_format,
    clock: Clock = perf_counter,
) -> list[LayerTiming]:
    """Time each layer of ``network`` that multiplies while the network classifies random images: every convolution,
    the two layers inside each squeeze-excite, and the classifier.

    The images have the resolution of ``network.architecture``. Two hooks around each layer read the clock, so each
    layer finds its input where the layer before it has left it. A round is a pass through the network; ``warm_up``
    passes do not count. A copy of the network runs, in evaluation mode; the pooling is not timed.

    Raises:
        TypeError, ValueError: ``batch_size``, ``rounds`` or ``warm_up`` is no positive integer.
        ValueError: a layer was changed, put in or taken out since ``network`` was built, and rows would be wrong.
    """
    for name, value in {"batch_size": batch_size, "rounds": rounds, "warm_up": warm_up}.items():
        checks.positive(name, value)
    _check_built(network)
    stem = network.architecture.stem
    network = deepcopy(network).eval().to(memory_format=memory_format)
    images = torch.randn(batch_size, stem.in_channels, *stem.input_size).to(memory_format=memory_format)

    seconds: dict[nn.Module, list[float]] = {}
    for module in network.modules():
        if not list(module.children()):
            taken = seconds[module] = []
            module.register_forward_pre_hook(lambda *_, taken=taken: taken.append(-clock()))
            module.register_forward_hook(lambda *_, taken=taken: taken.append(taken.pop() + clock()))
    with torch.inference_mode():
        for _ in range(warm_up + rounds):
            network(images)

    def timing(*modules: nn.Module) -> Timing:
        return Timing(tuple(map(sum, zip(*(seconds[module][warm_up:] for module in modules), strict=True))))

    timings = []
    for layer in network.architecture.layers:
        module = network.get_submodule(layer.name)
        if layer.is_convolution:
            after = timing(module.norm, module.activation)
            timings.append(LayerTiming(layer, batch_size, timing(module.conv), after))
        elif layer.kind == "squeeze-excite":
            after = timing(module.activation, module.gate)
            timings.append(LayerTiming(layer, batch_size, timing(module.reduce, module.expand), after))
        elif layer.kind == "classifier":
            timings.append(LayerTiming(layer, batch_size, timing(module)))
    return timings


def _check_built(network: MobileNet) -> None:
    """Refuse a network whose layers that multiply are not those of its architecture. Batch norms may be folded."""
    parts, described = dict(network.named_modules()), set()
    for layer in network.architecture.layers:
        for name, expected in _multiplying(layer).items():
            found = _settings(parts.get(name))
            if found is None:
                kind = type(parts.get(name)).__name__
                raise ValueError(f"{name} is of class {kind} and must be the layer that network.architecture describes")
            for setting, value in expected.items():
                if found[setting] != value:
                    raise ValueError(
                        f"{name} has {setting}={found[setting]}, and network.architecture says {value}: build the "
                        "network from an architecture that describes it"
                    )
            described.add(name)
    for name, part in parts.items():
        if isinstance(part, (nn.Linear, nn.modules.conv._ConvNd)) and name not in described:
            raise ValueError(f"{name} multiplies, and network.architecture does not describe it")


def _multiplying(layer: Layer) -> dict[str, dict[str, Any]]:
    """The modules of a layer that multiply, by name, with their settings."""
    if layer.is_convolution:
        kernel = layer.kernel_size if isinstance(layer.kernel_size, tuple) else (layer.kernel_size,) * 2
        padding = layer.padding if isinstance(layer.padding, tuple) else (layer.padding,) * 2
        settings = {"in_channels": layer.in_channels, "out_channels": layer.out_channels, "kernel_size": kernel}
        settings |= {"stride": (layer.stride,) * 2, "groups": layer.groups, "padding": padding, "dilation": (1, 1)}
        return {f"{layer.name}.conv": settings}
    if layer.kind == "squeeze-excite":
        wide, narrow = layer.in_channels, layer.squeezed
        return {
            f"{layer.name}.reduce": {"in_channels": wide, "out_channels": narrow},
            f"{layer.name}.expand": {"in_channels": narrow, "out_channels": wide},
        }
    if layer.kind == "classifier":
        return {layer.name: {"in_features": layer.in_channels, "out_features": layer.out_channels}}
    return {}


def _settings(part: nn.Module | None) -> dict[str, Any] | None:
    """What a layer of exactly these kinds multiplies; None for any other."""
    if type(part) in (nn.Conv2d, DepthwiseConv2d, PointwiseConv2d, nn.Linear):
        return vars(part)
    if type(part) is SameConv2d:  # writes maps as large as half the kernel on each side does
        return vars(part) | {"padding": tuple(side // 2 for side in part.kernel_size)}
    return None


def peak(side: int = 1024, repeats: int = 9, clock: Clock = perf_counter) -> float:
    """The most MACs per second that two programs reach which calculate much and move little, at their fastest.

    One is a product of two matrices, ``side`` by ``side``, the other a dense 3×3 convolution of ``side // 4`` channels
    on a map of ``side // 32``. Libraries write the two separately, and neither is the best on every processor. The
    fastest repetition counts, because a bound asks what is possible.
    """
    checks.positive("side // 32", side // 32)
    left, right = torch.randn(2, side, side)
    convolution = nn.Conv2d(side // 4, side // 4, 3, padding=1, bias=False)
    maps = torch.randn(1, side // 4, side // 32, side // 32)
    macs = {"product": side**3, "convolution": convolution.weight.numel() * (side // 32) ** 2}
    programs = {"product": lambda: torch.mm(left, right), "convolution": lambda: convolution(maps)}
    with torch.inference_mode():
        timings = compare(programs, repeats, clock=clock)
    return max(macs[name] / min(timing.seconds) for name, timing in timings.items())


def bandwidth(megabytes: int = 256, repeats: int = 9, clock: Clock = perf_counter) -> float:
    """Bytes per second that cross the memory bus when a large tensor is copied, at its fastest.

    Each byte is read once and written once, so both count.
    """
    checks.positive("megabytes", megabytes)
    source = torch.ones(megabytes * 2**18)  # float32
    target = torch.zeros_like(source)  # written before the clock starts, or its pages would be counted
    return 2 * source.nbytes / min(measure(lambda: target.copy_(source), repeats, clock=clock).seconds)


def roofline(macs_per_byte: float, peak: float, bandwidth: float) -> float:
    """The most MACs per second that a layer can reach: what arithmetic allows, or what memory can feed.

    ``min(peak, macs_per_byte * bandwidth)`` (Williams, Waterman and Patterson, 2009). It is a bound, not a prediction.

    >>> roofline(1.125, peak=50e9, bandwidth=20e9)
    22500000000.0
    """
    return min(peak, macs_per_byte * bandwidth)


def machine() -> dict[str, str]:
    """What a measurement has to name: processor, system, version of torch, threads."""
    return {
        "processor": _processor(),
        "system": platform.system(),
        "torch": torch.__version__,
        "threads": str(torch.get_num_threads()),
    }


def _processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


@dataclass(frozen=True)
class StoredTimes:
    """What ``experiments/time_layers.py`` measured, on one machine and one thread.

    A setting is four answers: ``network`` is ``separable`` or ``dense``; ``batch_size`` 1 or 16; ``channels_last``,
    the layout of images and weights; ``kept``, whether the program keeps the memory that it was given (or, as is
    usual, hands large blocks back and asks again). The clock was the thread's: other programs do not count.
    A setting that was not measured is a ValueError.
    """

    data: Mapping[str, Any]

    @property
    def machine(self) -> dict[str, str]:
        """As `machine` described it."""
        return self.data["machine"]

    @property
    def peak(self) -> float:
        """The most MACs per second that any run of `peak` found, since a bound asks what is possible."""
        return max(self.data["peak"])

    @property
    def bandwidth(self) -> float:
        """The most bytes per second that any run of `bandwidth` found."""
        return max(self.data["bandwidth"])

    @property
    def overhead(self) -> Timing:
        """The time of a convolution of one pixel with one weight, which has nothing to do."""
        return _timing(self.data["overhead"])

    @property
    def first_calls(self) -> list[Timing]:
        """The first passes through a new network in a new process, one `Timing` per process."""
        return [_timing(calls) for calls in self.data["first_calls"]]

    def network(
        self,
        network: str,
        width_multiplier: float = 1.0,
        batch_size: int = 1,
        *,
        channels_last: bool = False,
        kept: bool = False,
    ) -> Timing:
        """Passes through a whole network, without hooks."""
        ((taken,),) = self._rows("networks", network, width_multiplier, batch_size, channels_last, kept)
        return _timing(taken)

    def layers(
        self, network: str, batch_size: int = 1, *, channels_last: bool = False, kept: bool = False
    ) -> list[LayerTiming]:
        """What `time_layers` found, at width 1.0 and 224 pixels."""
        rows = self._rows("layers", network, batch_size, channels_last, kept)
        named = {layer.name: layer for layer in {"separable": mobilenet_v1, "dense": conv_mobilenet}[network]().layers}
        return [
            LayerTiming(named[name], batch_size, _timing(taken), _timing(after) if after else None)
            for name, taken, after in rows
        ]

    def page_faults(self, batch_size: int = 1, *, channels_last: bool = False, kept: bool = False) -> float:
        """How often a pass through the separable network asked the system for a page of memory; the median."""
        ((counts,),) = self._rows("page_faults", batch_size, channels_last, kept)
        return median(counts)

    def _rows(self, table: str, *setting: Any) -> list[list]:
        """The rows of a table that begin with ``setting``, without it."""
        rows = [row[len(setting) :] for row in self.data[table] if tuple(row[: len(setting)]) == setting]
        if not rows:
            raise ValueError(f"{setting} is not among the stored {table}")
        return rows


def _timing(microseconds: list[float]) -> Timing:
    return Timing(tuple(each / 1e6 for each in microseconds))


def stored_times(path: Path = _STORED) -> StoredTimes:
    """The measurements that chapter 9 shows beside the reader's own."""
    return StoredTimes(json.loads(path.read_text(encoding="utf-8")))
