"""Other libraries' MobileNet V1 checkpoints in our network.

Two libraries publish trained weights: Hugging Face's transformers (``google/mobilenet_v1_...``, converted from the
paper's TensorFlow code) and timm (``mobilenetv1_100``). A checkpoint is a dictionary from names to tensors. Moving it
is a matter of names, plus three habits that no tensor records: the activation, batch norm's epsilon, and the padding.

Nothing is downloaded unless you call `download`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from mobilenet_edu.architecture import STEM, TABLE_1
from mobilenet_edu.network import MobileNet, MobileNetV1

__all__ = ["CHECKPOINTS", "SameConv2d", "download", "from_checkpoint", "our_names", "pictures", "prepare"]

# Where trained weights are published, by the short name that `download` takes.
CHECKPOINTS = {
    "google-1.0-224": "google/mobilenet_v1_1.0_224",
    "google-0.75-192": "google/mobilenet_v1_0.75_192",
    "timm-1.0-224": "timm/mobilenetv1_100.ra4_e3600_r224_in1k",
}


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding: ⌈size / stride⌉ outputs, the odd pixel at the bottom and right.

    At stride 1 that is PyTorch's padding by half the kernel. At stride 2 on a map of even size it is not: nothing is
    added above and on the left, one row and column below and on the right.
    """

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The convolution of ``images`` (N, C, H, W), padded first."""
        sides = []
        for size, kernel, stride in zip(images.shape[2:], self.kernel_size, self.stride, strict=True):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            sides = [total // 2, total - total // 2, *sides]  # F.pad wants the last dimension first
        return F.conv2d(F.pad(images, sides), self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def our_names(checkpoint: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """For each tensor of our network, the name that ``checkpoint`` gives it.

    Raises:
        ValueError: the names are neither those of transformers nor those of timm.
    """
    for theirs in (_transformers_names(), _timm_names()):
        if theirs["stem.conv.weight"] in checkpoint:
            return theirs
    some = ", ".join(list(checkpoint)[:3]) or "none at all"
    raise ValueError(f"the checkpoint's names ({some}, ...) must be those of timm or transformers' MobileNet V1")


def from_checkpoint(checkpoint: Mapping[str, torch.Tensor]) -> MobileNet:
    """Our network with the weights of ``checkpoint``, in evaluation mode.

    Width, classes and input channels are read from the tensors. Both libraries use ReLU6. Those from transformers keep
    TensorFlow's epsilon of 0.001, its padding, and a first class "background".

    Raises:
        ValueError: unknown names, or a tensor that is missing or has another shape; the sentence names the first.
    """
    names = our_names(checkpoint)
    stem, classifier = (_tensor(checkpoint, names[name]) for name in ("stem.conv.weight", "classifier.weight"))
    network = MobileNetV1(
        len(classifier), stem.shape[0] / STEM[0], in_channels=stem.shape[1], activation=nn.ReLU6
    ).eval()
    weights = {}
    for name, ours in network.state_dict().items():
        tensor = _tensor(checkpoint, names[name])
        if tensor.shape != ours.shape:
            raise ValueError(f"{names[name]} has shape {tuple(tensor.shape)} and must have {tuple(ours.shape)}")
        weights[name] = tensor
    if names == _transformers_names():
        _behave_like_tensorflow(network)
    network.load_state_dict(weights)
    return network


def prepare(image: torch.Tensor, resolution: int = 224) -> torch.Tensor:
    """A picture as these checkpoints expect it: the middle square, resized, from -1 to 1.

    Maps (H, W, 3) with values from 0 to 255 to (1, 3, ``resolution``, ``resolution``).

    Raises:
        ValueError: the picture is not (H, W, 3).
    """
    if image.dim() != 3 or image.shape[2] != 3:
        raise ValueError(f"image has shape {tuple(image.shape)} and must have (height, width, 3)")
    height, width, _ = image.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image[top : top + side, left : left + side].permute(2, 0, 1)[None].float()
    resized = F.interpolate(square, (resolution, resolution), mode="bilinear", antialias=True, align_corners=False)
    return resized / 127.5 - 1


def pictures(folder: str | Path, resolution: int = 224) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    """Every picture below ``folder``, where each class has a folder of its own: images, labels and class names.

    Images are `prepare`d, (N, 3, ``resolution``, ``resolution``); labels (N,) count the class names, which are sorted.
    Needs Pillow, which matplotlib brings.

    Raises:
        ValueError: ``folder`` has no folders in it, one of them has no picture, or a file is no picture.
    """
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    folders = sorted(path for path in Path(folder).iterdir() if path.is_dir())
    if not folders:
        raise ValueError(f"{folder} must have one folder for each class, and has none")
    images, labels = [], []
    for label, one in enumerate(folders):
        files = sorted(path for path in one.iterdir() if path.is_file() and not path.name.startswith("."))
        if not files:
            raise ValueError(f"{one} must have at least one picture")
        for file in files:
            try:
                with Image.open(file) as picture:
                    pixels = torch.from_numpy(np.array(picture.convert("RGB")))
            except UnidentifiedImageError:
                raise ValueError(f"{file} must be a picture, and cannot be read as one") from None
            images.append(prepare(pixels, resolution))
            labels.append(label)
    return torch.cat(images), torch.tensor(labels), [one.name for one in folders]


def download(name: str) -> tuple[dict[str, torch.Tensor], dict[int, str]]:
    """Fetch a checkpoint of `CHECKPOINTS` from the Hugging Face hub: its tensors, and what its classes are called.

    The classes are empty where the publisher does not list them. Needs the network and the extra ``weights``.

    Raises:
        ValueError: ``name`` is not in `CHECKPOINTS`.
    """
    if name not in CHECKPOINTS:
        raise ValueError(f"name={name!r} must be one of {', '.join(CHECKPOINTS)}")
    from huggingface_hub import hf_hub_download
    from safetensors.torch import load_file

    tensors = load_file(hf_hub_download(CHECKPOINTS[name], "model.safetensors"))
    config = json.loads(Path(hf_hub_download(CHECKPOINTS[name], "config.json")).read_text(encoding="utf-8"))
    return tensors, {int(index): label for index, label in config.get("id2label", {}).items()}


def _tensor(checkpoint: Mapping[str, torch.Tensor], name: str) -> torch.Tensor:
    if name not in checkpoint:
        raise ValueError(f"the checkpoint has no tensor {name}; it may be cut off or of another network")
    return checkpoint[name]


def _behave_like_tensorflow(network: MobileNet) -> None:
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eps, part.momentum = 0.001, 0.0003  # TensorFlow writes 1 - momentum, 0.9997
        if isinstance(getattr(part, "conv", None), nn.Conv2d) and part.conv.stride == (2, 2):
            old = part.conv
            part.conv = SameConv2d(
                old.in_channels, old.out_channels, old.kernel_size, old.stride, groups=old.groups, bias=False
            )


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
