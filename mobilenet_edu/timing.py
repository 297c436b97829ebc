"""Time a function, a network or each of its layers, and say what a machine could do at best.

A single timing is not a measurement: the first calls pay for caches and memory, and other programs interrupt. So
`measure` warms up and repeats, and `compare` takes turns, so that a slow moment touches every candidate.

Every function takes the clock as an argument, which tests replace. Seconds are seconds, rates are per second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median, quantiles
from time import perf_counter

import torch

from mobilenet_edu.architecture import Layer
from mobilenet_edu.cost import _positive
from mobilenet_edu.network import MobileNet

__all__ = ["LayerTiming", "Timing", "bandwidth", "compare", "measure", "peak", "roofline", "time_layers"]

Clock = Callable[[], float]


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
        """The lower and the upper quartile: half of the repetitions lie between them."""
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
    _positive("rounds", rounds)
    _positive("warm_up", warm_up)
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
    """One layer, run alone on a batch of ``batch_size`` images, and its time."""

    layer: Layer
    batch_size: int
    timing: Timing

    @property
    def macs_per_second(self) -> float:
        """What the layer achieved: its multiply-accumulates divided by its median time."""
        return self.batch_size * self.layer.cost.macs / self.timing.median

    @property
    def macs_per_byte(self) -> float:
        """Arithmetic intensity in float32: images and maps move for each image, the weights once for the batch."""
        cost = self.layer.cost
        elements = self.batch_size * (cost.input_elements + cost.output_elements) + self.layer.weights
        return self.batch_size * cost.macs / (4 * elements)


def time_layers(
    network: MobileNet,
    batch_size: int = 1,
    repeats: int = 15,
    *,
    memory_format: torch.memory_format = torch.contiguous_format,
    clock: Clock = perf_counter,
) -> list[LayerTiming]:
    """Time every convolution of ``network`` and its classifier alone, on random input of the shape that it meets.

    Batch norm and activations are left out: their cost is no MAC, and it can be folded away (chapter 10). The shapes
    are those of ``network.architecture``.

    Raises:
        TypeError, ValueError: ``batch_size`` or ``repeats`` is no positive integer.
    """
    _positive("batch_size", batch_size)
    timings = []
    for layer in network.architecture.layers:
        if layer.kind == "pooling":
            continue
        module = network.get_submodule(layer.name)
        module = (module.conv if layer.is_convolution else module).to(memory_format=memory_format)
        if layer.is_convolution:
            images = torch.randn(batch_size, layer.in_channels, *layer.input_size).to(memory_format=memory_format)
        else:
            images = torch.randn(batch_size, layer.in_channels)
        with torch.inference_mode():
            timing = measure(lambda module=module, images=images: module(images), repeats, clock=clock)
        timings.append(LayerTiming(layer, batch_size, timing))
    return timings


def peak(side: int = 1024, repeats: int = 9, clock: Clock = perf_counter) -> float:
    """MACs per second of a product of two square matrices: the most arithmetic that this machine is likely to do."""
    _positive("side", side)
    left, right = torch.randn(2, side, side)
    product = torch.empty(side, side)
    return side**3 / measure(lambda: torch.mm(left, right, out=product), repeats, clock=clock).median


def bandwidth(megabytes: int = 256, repeats: int = 9, clock: Clock = perf_counter) -> float:
    """Bytes per second that cross the memory bus when a large tensor is copied: each is read once and written once."""
    _positive("megabytes", megabytes)
    source = torch.ones(megabytes * 2**18)  # float32
    target = torch.zeros_like(source)  # written before the clock starts, or its pages would be counted
    return 2 * source.nbytes / measure(lambda: target.copy_(source), repeats, clock=clock).median


def roofline(macs_per_byte: float, peak: float, bandwidth: float) -> float:
    """The most MACs per second that a layer can reach: what arithmetic allows, or what memory can feed.

    ``min(peak, macs_per_byte * bandwidth)`` (Williams, Waterman and Patterson, 2009). It is a bound, not a prediction.

    >>> roofline(1.125, peak=50e9, bandwidth=20e9)
    22500000000.0
    """
    return min(peak, macs_per_byte * bandwidth)
