"""Take a trained network out of training: fold its batch norms, write it as ONNX, turn it into 8-bit integers.

ONNX is a file format for networks that many programs read; onnxruntime is one that runs it without PyTorch. Only
`fold_batch_norms` works without them; the others need the extra ``deploy``.
"""

from __future__ import annotations

import copy
import csv
import json
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mobilenet_edu._flow import Flow
from mobilenet_edu.blocks import fold_batch_norm

__all__ = [
    "QuantizedRun",
    "export_onnx",
    "fold_batch_norms",
    "load_onnx",
    "quantize_onnx",
    "stored_quantized_runs",
    "stored_timings",
]

_log = logging.getLogger(__name__)
_DATA = Path(__file__).with_name("data")


def fold_batch_norms(network: nn.Module) -> nn.Module:
    """A copy of ``network``, in evaluation mode, whose convolutions have taken in their batch norms.

    A convolution is folded where all that it writes goes to one batch norm and nowhere else, and `fold_batch_norm`
    takes the two. The batch norm's place is taken by an ``nn.Identity``; the convolution has gained a bias. Every other
    batch norm stays as it is. The number of those that were folded is logged, and why others stay.

    Raises:
        TypeError: ``network`` is no module.
        ValueError: there is nothing to fold and nothing was, as there is neither a batch norm nor a convolution with
            an ``nn.Identity`` behind it; or ``network`` looks at its batch norms, and would change without them.
    """
    if not isinstance(network, nn.Module):
        raise TypeError(f"network={network!r} must be a built nn.Module, such as MobileNetV1()")
    folded = copy.deepcopy(network).eval()
    norms = {part: name for name, part in folded.named_modules() if isinstance(part, _BatchNorm)}
    flow = Flow(folded)
    if not norms and not _was_folded(folded, flow):
        raise ValueError("network must have batch norms to fold, or convolutions into which they were folded")
    replacements: dict[nn.Module, nn.Module] = {}
    staying = []
    for norm, name in norms.items():
        conv = flow.only_source(norm)
        try:
            if conv is None:
                raise ValueError(flow.trouble or "no convolution is seen whose output it reads and nothing else does")
            if norm.training:
                raise ValueError("it stays in training mode")
            replacements[conv] = fold_batch_norm(conv, norm)
            replacements[norm] = nn.Identity()
        except (TypeError, ValueError) as reason:
            staying.append(f"{name} ({reason})")
    _replace(folded, replacements)
    if Flow(folded).steps != flow.steps:
        raise ValueError("network must not look at its batch norms: without them, its forward takes another path")
    _log.info("folded %d of %d batch norms", len(norms) - len(staying), len(norms))
    if staying:
        _log.warning("these batch norms stay as they are: %s", "; ".join(staying))
    return folded


def export_onnx(network: nn.Module, path: str | Path, input_size: tuple[int, int, int]) -> None:
    """Write ``network``, in evaluation mode, as an ONNX file that takes any number of images at a time.

    The file maps "images", a batch of ``input_size`` = (channels, height, width), to "logits". PyTorch's exporter
    folds the batch norms by itself.
    """
    batch = torch.export.Dim("batch")
    with _without_notices_to_torch_developers():
        torch.onnx.export(
            copy.deepcopy(network).eval().cpu(),
            (torch.zeros(2, *input_size),),  # one image would fix the batch size to 1
            str(path),
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=({0: batch},),
            dynamo=True,
            external_data=False,  # one file
            verbose=False,
        )


def load_onnx(path: str | Path, threads: int = 1) -> Callable[[torch.Tensor], torch.Tensor]:
    """The network in an ONNX file, run by onnxruntime: a function from images (N, C, H, W) to logits (N, classes).

    It computes on the CPU, wherever the images are.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(images: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(session.run(["logits"], {"images": images.numpy(force=True)})[0])

    return run


def quantize_onnx(
    source: str | Path, target: str | Path, images: torch.Tensor, *, per_channel: bool, batch_size: int = 64
) -> None:
    """Write a copy of the ONNX file ``source`` that computes with 8-bit integers.

    The largest and smallest number of every map are taken from ``images`` (N, C, H, W), which must look like those that
    the network will see: this is static quantisation. Weights get one scale for each output channel with
    ``per_channel``, or one for the whole layer.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.batches = iter(images.split(batch_size))

        def get_next(self) -> dict | None:
            batch = next(self.batches, None)
            return None if batch is None else {"images": batch.numpy(force=True)}

    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(source, prepared)
        quantize_static(
            prepared,
            target,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=per_channel,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
        )


def _was_folded(network: nn.Module, flow: Flow) -> bool:
    identities = (part for part in network.modules() if type(part) is nn.Identity)
    return any(isinstance(flow.only_source(identity), nn.Conv2d) for identity in identities)


def _replace(network: nn.Module, replacements: dict[nn.Module, nn.Module]) -> None:
    for part in list(network.modules()):
        for name, child in list(part._modules.items()):  # named_children names a module once
            if child in replacements:
                setattr(part, name, replacements[child])


class QuantizedRun(NamedTuple):
    """A network of `experiments/quantize_digits.py`: of 360 test images, how many each of its versions gets right.

    ``float32`` is onnxruntime with the weights as they were trained; ``per_tensor`` and ``per_channel`` are its 8-bit
    versions. ``dead_channels`` counts running variances below batch norm's epsilon. ``unevenness`` is, in the worst
    layer, the largest folded weight over what the median channel has for its largest.
    """

    network: str
    seed: int
    float32: int
    per_tensor: int
    per_channel: int
    dead_channels: int
    unevenness: float


def stored_quantized_runs(path: Path = _DATA / "quantized_digits.csv") -> list[QuantizedRun]:
    """The runs behind chapter 10, in the order in which they were made."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        next(rows)
        return [QuantizedRun(network, *map(int, counts), float(last)) for network, *counts, last in rows]


def stored_timings(path: Path = _DATA / "inference.json") -> dict[str, Any]:
    """What `experiments/bench_inference.py` measured, with the machine that it ran on."""
    return json.loads(path.read_text(encoding="utf-8"))


@contextmanager
def _without_notices_to_torch_developers() -> Iterator[None]:
    """PyTorch 2.13's exporter reports that torchvision is not there (it is not needed) and a deprecation of its own."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)`", FutureWarning)
            yield
    finally:
        logger.setLevel(level)
