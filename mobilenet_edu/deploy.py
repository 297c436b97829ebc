"""Take a trained network out of training: fold its batch norms, write it as ONNX, turn it into 8-bit integers.

ONNX is a file format for networks that many programs read; onnxruntime is one that runs it without PyTorch. Only
`fold_batch_norms` works without them; the others need the extra ``deploy``.
"""

from __future__ import annotations

import copy
import csv
import json
import logging
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mobilenet_edu import checks
from mobilenet_edu._flow import Flow
from mobilenet_edu.blocks import fold_batch_norm

__all__ = [
    "QuantizedRun",
    "export_onnx",
    "fold_batch_norms",
    "load_onnx",
    "quantize_onnx",
    "stored_quantized_runs",
    "stored_runtimes",
    "stored_timings",
]

_log = logging.getLogger(__name__)
_DATA = Path(__file__).with_name("data")


def _unseen(norm: nn.Module) -> str:
    """Why a batch norm stays to which no convolution was seen to lead: a class of others hides what it reads."""
    if type(norm) is not nn.BatchNorm2d:
        return f"norm is of class {type(norm).__name__} and must be exactly of BatchNorm2d to be folded"
    return "no convolution is seen whose output it reads and nothing else does"


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
    staying: dict[str, list[str]] = {}
    for norm, name in norms.items():
        conv = flow.only_source(norm)
        try:
            if conv is None:
                raise ValueError(flow.trouble or _unseen(norm))
            if norm.training:
                raise ValueError("it stays in training mode")
            replacements[conv] = fold_batch_norm(conv, norm)
            replacements[norm] = nn.Identity()
        except (TypeError, ValueError) as reason:
            staying.setdefault(str(reason), []).append(name)
    _replace(folded, replacements)
    if Flow(folded).steps != flow.steps:
        raise ValueError("network must not look at its batch norms: without them, its forward takes another path")
    _log.info("folded %d of %d batch norms", sum(part in replacements for part in norms), len(norms))
    for reason, names in staying.items():
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        _log.warning("these batch norms stay as they are: %s%s (%s)", ", ".join(names[:3]), more, reason)
    return folded


def export_onnx(network: nn.Module, path: str | Path, input_size: tuple[int, int, int]) -> None:
    """Write ``network``, in evaluation mode, as an ONNX file that takes any number of images at a time.

    The file maps "images", a batch of ``input_size`` = (channels, height, width), to "logits". PyTorch's exporter
    folds the batch norms by itself.

    Raises:
        TypeError: ``network`` is no module, or a number of ``input_size`` no integer.
        ValueError: ``input_size`` is not (channels, height, width), or not what the network takes; or the network does
            not have all its numbers in float32, which is what the file promises.
    """
    network = _ready_to_export(network, input_size)
    batch = torch.export.Dim("batch")
    with _without_notices_to_torch_developers():
        torch.onnx.export(
            network,
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
    source: str | Path,
    target: str | Path,
    images: torch.Tensor,
    *,
    per_channel: bool,
    batch_size: int = 64,
    float_layers: int = 0,
) -> None:
    """Write a copy of the ONNX file ``source`` that computes with 8-bit integers.

    The largest and smallest number of every map are taken from ``images`` (N, C, H, W), which must look like those that
    the network will see: this is static quantisation. Weights get one scale for each output channel with
    ``per_channel``, or one for the whole layer. With ``float_layers`` the first so many convolutions stay in float32,
    and so do the logits.

    Raises:
        TypeError: ``images`` is no tensor of float32, ``per_channel`` no boolean, or ``batch_size`` or ``float_layers``
            no integer.
        ValueError: there are no images, or some have NaN or infinity, or another shape than ``source`` takes;
            ``source`` is no file of `export_onnx`, has NaN or infinity among its weights, or is quantised already.
    """
    checks.boolean("per_channel", per_channel)
    checks.positive("batch_size", batch_size)
    checks.integer("float_layers", float_layers, 0)
    _check_images(images)
    _check_source(source, tuple(images.shape[1:]))
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
            nodes_to_exclude=_first_convolutions(prepared, float_layers),
            extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm"] if float_layers else []},
        )


def _first_convolutions(path: Path, number: int) -> list[str]:
    import onnx

    return [node.name for node in onnx.load(path).graph.node if node.op_type == "Conv"][:number]


def _ready_to_export(network: nn.Module, input_size: tuple[int, int, int]) -> nn.Module:
    """A copy of ``network`` in evaluation mode and on the CPU, which has taken images of that size."""
    if not isinstance(network, nn.Module):
        raise TypeError(f"network={network!r} must be a built nn.Module, such as MobileNetV1()")
    if not isinstance(input_size, (tuple, list)) or len(input_size) != 3:
        raise ValueError(f"input_size={input_size!r} must be (channels, height, width)")
    for name, value in zip(("channels", "height", "width"), input_size, strict=True):
        checks.positive(f"input_size's {name}", value)
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        if tensor.dtype != torch.float32 and (tensor.is_floating_point() or tensor.is_complex()):
            raise ValueError(f"network must be in float32, as network.float() makes it, and {name} has {tensor.dtype}")
    network = copy.deepcopy(network).eval().cpu()
    try:
        with torch.no_grad():
            network(torch.zeros(1, *input_size))
    except (RuntimeError, ValueError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"input_size={input_size!r} must be a size that network takes ({reason})") from None
    return network


def _check_images(images: torch.Tensor) -> None:
    if not isinstance(images, torch.Tensor) or images.dtype != torch.float32:
        kind = images.dtype if isinstance(images, torch.Tensor) else type(images).__name__
        raise TypeError(f"images must be a tensor of float32, as the network takes them, and is one of {kind}")
    if images.dim() != 4 or not images.numel():
        raise ValueError(f"images has shape {tuple(images.shape)} and must have (N, C, H, W), with at least one image")
    if not images.isfinite().all():
        raise ValueError("images must have finite numbers only, and some are NaN or infinite")


def _check_source(source: str | Path, image: tuple[int, ...]) -> None:
    """An ONNX file as `export_onnx` writes it, for images of that shape."""
    import onnx

    try:
        graph = onnx.load(source).graph
    except OSError:
        raise
    except Exception as error:  # protobuf's own kind
        raise ValueError(f"{source} must be an ONNX file, and cannot be read as one ({error})") from None
    integers = sorted({node.op_type for node in graph.node if re.search("[Qq]uantize|^Q[A-Z]|Integer$", node.op_type)})
    if integers:
        raise ValueError(f"{source} must not be quantised already, and has {', '.join(integers)}")
    if [value.name for value in graph.input] != ["images"] or [value.name for value in graph.output] != ["logits"]:
        raise ValueError(f'{source} must be a file of export_onnx, which maps "images" to "logits"')
    kinds = {value.type.tensor_type.elem_type for value in graph.input} | {each.data_type for each in graph.initializer}
    if kinds & {onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE}:
        raise ValueError(f"{source} must have its numbers in float32, and has others")
    sides = [side.dim_value for side in graph.input[0].type.tensor_type.shape.dim]
    if len(sides) != 4 or any(side not in (0, given) for side, given in zip(sides[1:], image, strict=True)):
        raise ValueError(f"images of shape {image} must have the shape that {source} takes, {tuple(sides[1:])}")
    for weights in graph.initializer:
        if weights.data_type == onnx.TensorProto.FLOAT and not np.isfinite(onnx.numpy_helper.to_array(weights)).all():
            raise ValueError(f"{source} must have finite weights only, and {weights.name} has NaN or infinity")


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


def stored_runtimes(path: Path = _DATA / "runtimes.json") -> dict[str, Any]:
    """What `experiments/compare_runtimes.py` found: for each network, the images that it was asked, its layers, and for
    each way to run it the bytes of its file, its agreement with plain PyTorch and its time over plain PyTorch's."""
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
