"""Other libraries' MobileNet V1 checkpoints in our network, and pictures as they expect them.

Two libraries publish trained weights: Hugging Face's transformers (``google/mobilenet_v1_...``, converted from the
paper's TensorFlow code) and timm (``mobilenetv1_100``). A checkpoint is a dictionary from names to tensors. Moving it
is a matter of names, plus three habits that no tensor records: the activation, batch norm's epsilon, and the padding.

Nothing is downloaded unless you call `download`.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping
from functools import partial
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageOps
from torch import nn

from mobilenet_edu import checks
from mobilenet_edu._relatives import Relative, relative
from mobilenet_edu.architecture import TABLE_1
from mobilenet_edu.blocks import ConvBNReLU, SameConv2d
from mobilenet_edu.network import MobileNet, MobileNetV1

__all__ = [
    "CHECKPOINTS",
    "SHAPES",
    "download",
    "draw_shapes",
    "from_checkpoint",
    "our_names",
    "pictures",
    "prepare",
    "read_picture",
    "stored_anatomy",
]

_DATA = Path(__file__).with_name("data")

# Where trained weights are published, by the short name that `download` takes.
CHECKPOINTS = {
    "google-1.0-224": "google/mobilenet_v1_1.0_224",
    "google-0.75-192": "google/mobilenet_v1_0.75_192",
    "timm-1.0-224": "timm/mobilenetv1_100.ra4_e3600_r224_in1k",
}

# What `draw_shapes` draws, in the order in which `pictures` numbers them.
SHAPES = ("circle", "cross", "square", "triangle")


def our_names(checkpoint: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """For each tensor of our network, the name that ``checkpoint`` gives it.

    What a wrapper puts before every name (``module.``, ``_orig_mod.``, ``model.``) is part of theirs. If the tensors
    lie one dictionary deeper, as in ``{"state_dict": ..., "epoch": ...}``, the names are those in there.

    Raises:
        TypeError: ``checkpoint`` is no dictionary.
        ValueError: the names are not those of transformers, timm or this package, or those of two networks.
    """
    return _reading(checkpoint).names


def from_checkpoint(
    checkpoint: Mapping[str, torch.Tensor | np.ndarray],
    *,
    activation: Callable[[], nn.Module] | None = None,
    epsilon: float | None = None,
    padding: str | None = None,
) -> MobileNet:
    """Our network with the weights of ``checkpoint``, in evaluation mode.

    Width, classes, input channels and whether convolutions have a bias are read from the tensors. Three habits are in
    no tensor. If they are not given, they are those of the library whose names the checkpoint has:

    ============= ============== =========== ===========
    names         ``activation`` ``epsilon`` ``padding``
    ============= ============== =========== ===========
    transformers  ``nn.ReLU6``   0.001       ``"same"``
    timm          ``nn.ReLU6``   0.00001     ``"half"``
    this package  ``nn.ReLU``    0.00001     ``"half"``
    ============= ============== =========== ===========

    A checkpoint of MobileNet V2 of transformers or timm, or of timm's MobileNet V3, V4-Conv, MnasNet-A1 or
    EfficientNet-B0 gives that network. Its activations are in its data, and ``activation`` replaces ReLU alone.

    ``"same"`` is TensorFlow's padding (`SameConv2d`), ``"half"`` half the kernel on each side. In Google's checkpoints,
    which transformers converted, the first class is "background".

    Raises:
        TypeError: ``checkpoint`` is no dictionary, or ``activation`` or ``epsilon`` has the wrong type.
        ValueError: unknown names; a tensor that is missing, has another shape or has no place in MobileNet V1; one with
            NaN, infinity or a negative variance, of integers, 8-bit or complex numbers, without data or without a plain
            layout; another ``padding``, an ``epsilon`` below 0. The sentence names the first.
    """
    if isinstance(checkpoint, Mapping) and (found := relative(checkpoint, _prefix(checkpoint))):
        return _from_relative(checkpoint, found, activation, epsilon, padding)
    publisher, tensors, names = _reading(checkpoint)
    activation = publisher.activation if activation is None else activation
    epsilon = publisher.epsilon if epsilon is None else epsilon
    padding = publisher.padding if padding is None else padding
    _check_habits(activation, epsilon, padding)
    weights = {
        ours: _tensor(tensors, name, ours)
        for ours, name in names.items()
        if name in tensors or not ours.endswith("num_batches_tracked")  # which evaluation never reads
    }
    for ours, dimensions in (("stem.conv.weight", 4), (_LAST_NORM, 1), ("classifier.weight", 2)):
        if weights[ours].dim() != dimensions:
            raise ValueError(
                f"{names[ours]} has shape {tuple(weights[ours].shape)} and must have {dimensions} dimensions"
            )
    network = MobileNetV1(
        len(weights["classifier.bias"]) if weights["classifier.bias"].dim() == 1 else len(weights["classifier.weight"]),
        len(weights[_LAST_NORM]) / TABLE_1[-1][0],  # the widest layer determines all others, however they are rounded
        in_channels=weights["stem.conv.weight"].shape[1],
        bias="stem.conv.bias" in weights,
        activation=activation,
    ).eval()
    expected = network.state_dict()
    for ours, tensor in weights.items():
        if tensor.shape != expected[ours].shape:
            raise ValueError(_another_shape(names[ours], tuple(tensor.shape), tuple(expected[ours].shape)))
    homeless = next((name for name in tensors if name not in names.values()), None)
    if homeless is not None:
        raise ValueError(f"the checkpoint has a tensor {homeless}, and MobileNet V1 has no place for it")
    _behave(network, epsilon, publisher.momentum, padding)
    network.load_state_dict(expected | weights)
    return network


def _from_relative(
    checkpoint: Mapping[str, Any],
    found: Relative,
    activation: Callable[[], nn.Module] | None,
    epsilon: float | None,
    padding: str | None,
) -> MobileNet:
    activation = nn.ReLU if activation is None else activation
    epsilon = found.epsilon if epsilon is None else epsilon
    padding = found.padding if padding is None else padding
    _check_habits(activation, epsilon, padding)
    homeless = next((name for name in checkpoint if name not in found.names.values()), None)
    if homeless is not None:
        raise ValueError(f"the checkpoint has a tensor {homeless}, and its network has no place for it")
    network = MobileNet(found.architecture, activation).eval()
    expected = network.state_dict()
    weights = {ours: _tensor(checkpoint, name, ours) for ours, name in found.names.items()}
    _behave(network, epsilon, found.momentum, padding)
    network.load_state_dict(expected | {ours: tensor.reshape(expected[ours].shape) for ours, tensor in weights.items()})
    return network


def read_picture(file: str | Path) -> torch.Tensor:
    """The picture in ``file``, in colour and the right way up: (H, W, 3), integers from 0 to 255.

    A picture without colours gets three equal channels, what is transparent becomes white, and a camera's note on how
    it was held (EXIF) is obeyed. Of several frames, the first counts.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no picture, or is damaged.
    """
    try:
        with Image.open(file) as opened:
            picture = ImageOps.exif_transpose(opened)
            if picture.mode.startswith("I;16"):  # which Pillow would cut off at 255
                picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
            picture = picture.convert("RGBA")
            paper = Image.new("RGBA", picture.size, "white")
            return torch.from_numpy(np.array(Image.alpha_composite(paper, picture).convert("RGB")))
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # each format complains in its own way
        raise ValueError(f"{file} must be a picture, and cannot be read as one ({error})") from None


def prepare(picture: torch.Tensor, resolution: int = 224) -> torch.Tensor:
    """A picture as these checkpoints expect it: a square from its middle, resized, from -1 to 1.

    The square measures 7/8 of the shorter side, as transformers cuts it for 224 pixels. Maps (H, W, 3), integers from 0
    to 255, to (1, 3, ``resolution``, ``resolution``).

    Raises:
        TypeError: ``picture`` has other numbers than 8-bit integers, or ``resolution`` is no integer.
        ValueError: the picture is not (H, W, 3), or has no pixels.
    """
    checks.positive("resolution", resolution)
    if picture.dtype != torch.uint8:
        raise TypeError(f"picture must have integers from 0 to 255 (torch.uint8), and has {picture.dtype}")
    if picture.dim() != 3 or picture.shape[2] != 3 or not picture.numel():
        raise ValueError(f"picture has shape {tuple(picture.shape)} and must have (height, width, 3)")
    height, width, _ = picture.shape
    side = max(1, round(7 / 8 * min(height, width)))
    top, left = (height - side) // 2, (width - side) // 2
    square = picture[top : top + side, left : left + side].permute(2, 0, 1)[None].float()
    resized = F.interpolate(square, (resolution, resolution), mode="bilinear", antialias=True, align_corners=False)
    return resized / 127.5 - 1


def pictures(folder: str | Path, resolution: int = 224) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    """Every picture below ``folder``, where each class has a folder of its own: images, labels and class names.

    Images are as `prepare` makes them, (N, 3, ``resolution``, ``resolution``), and all held in memory; labels (N,)
    count the class names, which are sorted. Files and folders whose names begin with a dot are passed over.

    Raises:
        ValueError: ``folder`` has no folders in it, one of them has no picture, or a file is no picture.
    """
    folders = _visible(folder, "is_dir") if Path(folder).is_dir() else []
    if not folders:
        raise ValueError(f"{folder} must be a folder with one folder for each class in it, and has none")
    images, labels = [], []
    for label, one in enumerate(folders):
        files = _visible(one, "is_file")
        if not files:
            raise ValueError(f"{one} must have at least one picture, and has none")
        images += [prepare(read_picture(file), resolution) for file in files]
        labels += [label] * len(files)
    return torch.cat(images), torch.tensor(labels), [one.name for one in folders]


def draw_shapes(folder: str | Path, count: int, seed: int = 0) -> None:
    """Draw ``count`` pictures of each of the four `SHAPES`, in one new folder a shape: a set to practise on.

    White strokes on black, 64×64 pixels, of random size, place and width; ``seed`` fixes them all.

    Raises:
        FileExistsError: a shape has its folder already.
    """
    checks.positive("count", count)
    rng = random.Random(seed)
    for shape in SHAPES:
        (Path(folder) / shape).mkdir(parents=True)
        for index in range(count):
            _drawing(shape, rng).save(Path(folder) / shape / f"{index:03}.png")


def download(name: str) -> tuple[dict[str, torch.Tensor], dict[int, str]]:
    """Fetch a checkpoint of `CHECKPOINTS` from the Hugging Face hub: its tensors, and what its classes are called.

    The classes are empty where the publisher does not list them. The files, about 17 MB, stay in the hub's cache on
    your disk; a second call needs no network. Needs the extra ``weights``.

    Raises:
        ValueError: ``name`` is not in `CHECKPOINTS`, or the file that came is damaged.
        ImportError: the package huggingface_hub or safetensors is missing.
        ConnectionError: the files can neither be fetched nor found on this machine.
    """
    if name not in CHECKPOINTS:
        raise ValueError(f"name={name!r} must be one of {', '.join(CHECKPOINTS)}")
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.utils import EntryNotFoundError
        from safetensors.torch import load_file
    except ImportError as error:
        raise ImportError(f'download needs {error.name}: pip install "mobilenet-edu[weights]"') from None
    repository = CHECKPOINTS[name]
    try:
        config = hf_hub_download(repository, "config.json")
        try:
            file, load = hf_hub_download(repository, "model.safetensors"), load_file
        except EntryNotFoundError:  # an older repository has a pickle, from which we take nothing but tensors
            file = hf_hub_download(repository, "pytorch_model.bin")
            load = partial(torch.load, map_location="cpu", weights_only=True)
    except Exception as error:  # the hub's own kinds change from version to version
        reason = str(error).partition("\n")[0]
        raise ConnectionError(
            f"{name} could not be fetched from https://huggingface.co/{repository}. Is this machine online? Everything "
            f"else in the book works without. ({type(error).__name__}: {reason})"
        ) from None
    try:
        tensors = load(file)
    except Exception as error:  # each format complains in its own way
        raise ValueError(f"{file} is damaged, so delete it and download it again ({type(error).__name__})") from None
    labels = json.loads(Path(config).read_text(encoding="utf-8")).get("id2label", {})
    return tensors, {int(index): label for index, label in labels.items()}


def stored_anatomy(path: Path = _DATA / "released_anatomy.json") -> dict[str, Any]:
    """What `experiments/dissect_checkpoint.py` found inside two released networks, and on which machine."""
    return json.loads(path.read_text(encoding="utf-8"))


def _tensor(tensors: Mapping[str, Any], name: str, ours: str) -> torch.Tensor:
    """The tensor of that name, in memory and in our network's precision, if it is one that a network can have."""
    if name not in tensors:
        raise ValueError(f"the checkpoint has no tensor {name}; it may be cut off or of another network")
    value = tensors[name]
    if type(value) in (np.ndarray, np.memmap) or isinstance(value, np.generic):
        value = _from_numpy(name, np.asarray(value))
    if type(value) not in (torch.Tensor, nn.Parameter):
        raise ValueError(f"{name} is of class {type(value).__name__} and must be a tensor, or an array of NumPy")
    if value.is_meta or value.layout != torch.strided or value.is_nested:
        raise ValueError(f"{name} must be a plain tensor with data, and is {_oddity(value)}")
    counts = ours.endswith("num_batches_tracked")
    if value.dtype not in _FLOATS and not (counts and value.dtype in _INTEGERS):
        floats = ", ".join(str(dtype).removeprefix("torch.") for dtype in _FLOATS)
        raise ValueError(f"{name} has numbers of type {value.dtype} and must have one of {floats}")
    value = value.detach().to("cpu", torch.get_default_dtype())
    if not value.isfinite().all():
        raise ValueError(
            f"{name} has {int((~value.isfinite()).sum())} numbers that are NaN or infinite, and must have none"
        )
    if ours.endswith("running_var") and (value < 0).any():
        raise ValueError(f"{name} has a variance of {float(value.min()):.3g}, and variances must be at least 0")
    return value


def _from_numpy(name: str, array: np.ndarray) -> torch.Tensor:
    try:
        return torch.from_numpy(np.array(array, array.dtype.newbyteorder("="), order="C"))  # a copy; ours is writable
    except TypeError:
        raise ValueError(f"{name} has numbers of NumPy's type {array.dtype}, and PyTorch has no such type") from None


def _oddity(tensor: torch.Tensor) -> str:
    return "on the device meta" if tensor.is_meta else "nested" if tensor.is_nested else f"{tensor.layout}"


def _another_shape(name: str, shape: tuple[int, ...], expected: tuple[int, ...]) -> str:
    sentence = f"{name} has shape {shape} and must have {expected}"
    if len(shape) == len(expected) and shape[0] == 8 > expected[0]:
        return f"{sentence}: transformers leaves 8 channels where the paper's width multiplier leaves fewer"
    output_channels_last = len(shape) == len(expected) == 4 and shape[3] == expected[0] != shape[0]
    if sorted(shape) == sorted(expected) or output_channels_last:
        order = "(classes, channels)" if len(shape) == 2 else "(output channels, input channels, height, width)"
        return f"{sentence}: its axes are in another order than PyTorch's {order}"
    return sentence


def _check_habits(activation: Callable[[], nn.Module], epsilon: float, padding: str) -> None:
    if not callable(activation) or isinstance(activation, nn.Module):
        raise TypeError(f"activation={activation!r} must make a module when it is called, as nn.ReLU6 does")
    if isinstance(epsilon, bool) or not isinstance(epsilon, Real):
        raise TypeError(f"epsilon={epsilon!r} must be a number, not {type(epsilon).__name__}")
    if not 0 <= epsilon < math.inf:
        raise ValueError(f"epsilon={epsilon!r} must be at least 0 and finite")
    if padding not in ("same", "half"):
        raise ValueError(f'padding={padding!r} must be "same" (TensorFlow\'s) or "half" (of the kernel, on each side)')


def _behave(network: MobileNet, epsilon: float, momentum: float, padding: str) -> None:
    """Give a network of ours another's habits, except for the activation, with which it was built."""
    for part in network.modules():
        if type(part) is nn.BatchNorm2d:
            part.eps, part.momentum = epsilon, momentum
        if isinstance(part, ConvBNReLU) and padding == "same" and part.conv.stride == (2, 2):
            old = part.conv
            shape = old.in_channels, old.out_channels, old.kernel_size, old.stride
            part.conv = SameConv2d(*shape, groups=old.groups, bias=old.bias is not None)


def _visible(folder: str | Path, kind: str) -> list[Path]:
    """The files or folders in ``folder`` that are not hidden, sorted; ``kind`` is ``is_file`` or ``is_dir``."""
    return sorted(path for path in Path(folder).iterdir() if getattr(path, kind)() and not path.name.startswith("."))


def _drawing(shape: str, rng: random.Random) -> Image.Image:
    """All of it lies in the square that `prepare` keeps."""
    x, y, r, width = rng.randint(29, 35), rng.randint(29, 35), rng.randint(14, 20), rng.randint(6, 11)
    picture, box = Image.new("L", (64, 64)), (x - r, y - r, x + r, y + r)
    pen = ImageDraw.Draw(picture)
    if shape == "circle":
        pen.ellipse(box, outline=255, width=width)
    elif shape == "square":
        pen.rectangle(box, outline=255, width=width)
    elif shape == "triangle":
        pen.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], outline=255, width=width)
    else:
        pen.line(box, 255, width)
        pen.line((x - r, y + r, x + r, y - r), 255, width)
    return picture


# how others name what we have

_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
_HEAD = {"classifier.weight": "classifier.weight", "classifier.bias": "classifier.bias"}
_LAST_NORM = f"blocks.{len(TABLE_1) - 1}.pointwise.norm.weight"
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def _pair(ours: str, conv: str, norm: str) -> dict[str, str]:
    """Our names of a convolution with its batch norm, and theirs."""
    names = {f"{ours}.conv.{part}": f"{conv}.{part}" for part in ("weight", "bias")}
    return names | {f"{ours}.norm.{part}": f"{norm}.{part}" for part in _NORM}


def _transformers_names() -> dict[str, str]:
    """They list 27 layers: the stem, then depthwise and pointwise in turn."""
    theirs = "mobilenet_v1.conv_stem"
    names = _pair("stem", f"{theirs}.convolution", f"{theirs}.normalization")
    for block in range(len(TABLE_1)):
        for step, kind in enumerate(("depthwise", "pointwise")):
            theirs = f"mobilenet_v1.layer.{2 * block + step}"
            names |= _pair(f"blocks.{block}.{kind}", f"{theirs}.convolution", f"{theirs}.normalization")
    return names | _HEAD


def _timm_names() -> dict[str, str]:
    """They group the blocks into five stages, a new one whenever the channels change."""
    names = _pair("stem", "conv_stem", "bn1")
    widths = [channels for channels, _ in TABLE_1]
    for block, channels in enumerate(widths):
        theirs = f"blocks.{sorted(set(widths)).index(channels)}.{block - widths.index(channels)}"
        names |= _pair(f"blocks.{block}.depthwise", f"{theirs}.conv_dw", f"{theirs}.bn1")
        names |= _pair(f"blocks.{block}.pointwise", f"{theirs}.conv_pw", f"{theirs}.bn2")
    return names | _HEAD


class _Publisher(NamedTuple):
    """A library's names, each behind our own, and its habits that no tensor records."""

    names: dict[str, str]
    activation: Callable[[], nn.Module]
    epsilon: float
    momentum: float
    padding: str


_PUBLISHERS = (
    _Publisher(_transformers_names(), nn.ReLU6, 0.001, 0.0003, "same"),  # TensorFlow writes 1 - momentum, 0.9997
    _Publisher(_timm_names(), nn.ReLU6, 1e-5, 0.1, "half"),
    _Publisher({ours: ours for ours in _timm_names()}, nn.ReLU, 1e-5, 0.1, "half"),
)

# What wrappers put before every name: DataParallel, torch.compile, Lightning and others.
_PREFIXES = ("module.", "_orig_mod.", "model.")


class _Reading(NamedTuple):
    """A checkpoint understood: whose it is, the dictionary that holds the tensors, and our names for those in there."""

    publisher: _Publisher
    tensors: Mapping[str, Any]
    names: dict[str, str]


def _reading(checkpoint: Mapping[str, Any]) -> _Reading:
    if not isinstance(checkpoint, Mapping):
        kind = type(checkpoint).__name__
        raise TypeError(f"checkpoint must be a dictionary of tensors, such as model.state_dict(), and is a {kind}")
    inner = {key: value for key, value in checkpoint.items() if isinstance(value, Mapping)}
    readings = {}
    for key, tensors in ((None, checkpoint), *inner.items()):
        prefix = _prefix(tensors)
        for publisher in _PUBLISHERS:
            names = {ours: prefix + theirs for ours, theirs in publisher.names.items()}
            if names["stem.conv.weight"] in tensors:
                if names["stem.conv.bias"] not in tensors:
                    names = {ours: name for ours, name in names.items() if not ours.endswith("conv.bias")}
                readings[key] = _Reading(publisher, tensors, names)
    if len(readings) > 1:
        places = " and ".join("the checkpoint itself" if key is None else f"checkpoint[{key!r}]" for key in readings)
        raise ValueError(f"the checkpoint must have one network, and {places} are one each: give the one that you mean")
    if not readings:
        some = ", ".join(map(str, list(checkpoint)[:3])) or "none at all"
        raise ValueError(
            f"the checkpoint's names ({some}, ...) must be those of timm or transformers' MobileNet V1 with its "
            "classifier, or of this package's; if something stands before each of them, take it off first"
        )
    (reading,) = readings.values()
    return reading


def _prefix(tensors: Mapping[str, Any]) -> str:
    """What wrappers, one around the other, have put before every name."""
    prefix = ""
    while longer := next((prefix + word for word in _PREFIXES if _all_begin(tensors, prefix + word)), None):
        prefix = longer
    return prefix


def _all_begin(tensors: Mapping[str, Any], prefix: str) -> bool:
    return bool(tensors) and all(isinstance(name, str) and name.startswith(prefix) for name in tensors)
