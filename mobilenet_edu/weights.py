"""Other libraries' MobileNet V1 checkpoints in our network, and pictures as they expect them.

Two libraries publish trained weights: Hugging Face's transformers (``google/mobilenet_v1_...``, converted from the
paper's TensorFlow code) and timm (``mobilenetv1_100``). A checkpoint is a dictionary from names to tensors. Moving it
is a matter of names, plus three habits that no tensor records: the activation, batch norm's epsilon, and the padding.

Nothing is downloaded unless you call `download`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageOps
from torch import nn

from mobilenet_edu import checks
from mobilenet_edu.architecture import TABLE_1
from mobilenet_edu.blocks import SameConv2d
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
]

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

    Raises:
        TypeError: ``checkpoint`` is no dictionary.
        ValueError: the names are neither those of transformers nor those of timm.
    """
    if not isinstance(checkpoint, Mapping):
        kind = type(checkpoint).__name__
        raise TypeError(f"checkpoint must be a dictionary of tensors, such as model.state_dict(), and is a {kind}")
    for theirs in (_transformers_names(), _timm_names()):
        if theirs["stem.conv.weight"] in checkpoint:
            return theirs
    some = ", ".join(map(str, list(checkpoint)[:3])) or "none at all"
    raise ValueError(f"the checkpoint's names ({some}, ...) must be those of timm or transformers' MobileNet V1")


def from_checkpoint(checkpoint: Mapping[str, torch.Tensor]) -> MobileNet:
    """Our network with the weights of ``checkpoint``, in evaluation mode.

    Width, classes and input channels are read from the tensors. Both libraries use ReLU6. Those from transformers keep
    TensorFlow's epsilon of 0.001, its padding, and a first class "background".

    Raises:
        TypeError: ``checkpoint`` is no dictionary.
        ValueError: unknown names, or a tensor that is missing, has another shape or has no place in MobileNet V1; the
            sentence names the first.
    """
    names = our_names(checkpoint)
    stem = _tensor(checkpoint, names["stem.conv.weight"], dimensions=4)
    classifier = _tensor(checkpoint, names["classifier.weight"], dimensions=2)
    num_classes, channels = classifier.shape
    width_multiplier = channels / TABLE_1[-1][0]  # the widest layer determines all others, however they are rounded
    network = MobileNetV1(num_classes, width_multiplier, in_channels=stem.shape[1], activation=nn.ReLU6).eval()
    weights = {}
    for name, ours in network.state_dict().items():
        tensor = _tensor(checkpoint, names[name])
        if tensor.shape != ours.shape:
            raise ValueError(f"{names[name]} has shape {tuple(tensor.shape)} and must have {tuple(ours.shape)}")
        weights[name] = tensor
    homeless = next((name for name in checkpoint if name not in names.values()), None)
    if homeless is not None:
        raise ValueError(f"the checkpoint has a tensor {homeless}, and MobileNet V1 has no place for it")
    if names == _transformers_names():
        _behave_like_tensorflow(network)
    network.load_state_dict(weights)
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

    Images are `prepare`d, (N, 3, ``resolution``, ``resolution``), and all held in memory; labels (N,) count the class
    names, which are sorted. Files and folders whose names begin with a dot are passed over.

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


def _tensor(checkpoint: Mapping[str, torch.Tensor], name: str, dimensions: int | None = None) -> torch.Tensor:
    if name not in checkpoint:
        raise ValueError(f"the checkpoint has no tensor {name}; it may be cut off or of another network")
    tensor = checkpoint[name]
    if dimensions is not None and tensor.dim() != dimensions:
        raise ValueError(f"{name} has shape {tuple(tensor.shape)} and must have {dimensions} dimensions")
    return tensor


def _behave_like_tensorflow(network: MobileNet) -> None:
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eps, part.momentum = 0.001, 0.0003  # TensorFlow writes 1 - momentum, 0.9997
        if isinstance(getattr(part, "conv", None), nn.Conv2d) and part.conv.stride == (2, 2):
            old = part.conv
            part.conv = SameConv2d(
                old.in_channels,
                old.out_channels,
                old.kernel_size,
                old.stride,
                groups=old.groups,
                bias=old.bias is not None,
            )


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


_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
_HEAD = {"classifier.weight": "classifier.weight", "classifier.bias": "classifier.bias"}


def _pair(ours: str, conv: str, norm: str) -> dict[str, str]:
    """Our names of a convolution with its batch norm, and theirs."""
    return {f"{ours}.conv.weight": f"{conv}.weight"} | {f"{ours}.norm.{part}": f"{norm}.{part}" for part in _NORM}


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
