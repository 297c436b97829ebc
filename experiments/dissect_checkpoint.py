"""Measure what is inside a released MobileNet V1, and what moving it wrongly or rounding it does. In five minutes:

    python experiments/dissect_checkpoint.py                   the networks of appendix G, and store the result
    python experiments/dissect_checkpoint.py timm-1.0-224      one that weights.download fetches, and print it

Writes mobilenet_edu/data/released_anatomy.json. The networks and pictures come from released.py: Google's release,
asked a hundred views of twenty photographs of ImageNet and one picture of a cat; a person detector, asked the
twenty-eight pictures that scikit-learn and scikit-image ship. 8-bit maps are calibrated on those, too. The same file
in 8 bits can answer otherwise on a processor with other instructions, so those are stored.
"""

from __future__ import annotations

import copy
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from released import class_names, google, person_detector, photographs, things
from torch import nn

from mobilenet_edu import deploy, timing
from mobilenet_edu.blocks import ConvBNReLU, SameConv2d
from mobilenet_edu.network import MobileNet
from mobilenet_edu.weights import download, from_checkpoint, prepare

TARGET = Path(timing.__file__).with_name("data") / "released_anatomy.json"
KINDS = ("stem", "depthwise", "pointwise")
# No channel with a signal has so small a running variance. `gap` says how far those of a network are from it.
NOTHING = 1e-15


def views(picture: torch.Tensor, resolution: int = 224) -> torch.Tensor:
    """Five: the picture as `prepare` cuts it, and so each of its corners, 7/8 as high and wide. (5, 3, H, H)."""
    height, width = (7 * side // 8 for side in picture.shape[:2])
    corners = [
        picture[:height, :width],
        picture[:height, -width:],
        picture[-height:, :width],
        picture[-height:, -width:],
    ]
    return torch.cat([prepare(part, resolution) for part in (picture, *corners)])


@torch.inference_mode()
def answers(network: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor) -> torch.Tensor:
    return torch.cat([network(batch) for batch in images.split(10)])


# what can be done to a network


@torch.no_grad()
def rounded(network: nn.Module, per_channel: bool, kinds: tuple[str, ...] = KINDS) -> nn.Module:
    """A copy whose convolutions of these kinds have weights on a grid of 8 bits; chapter 10's ``on_grid``."""
    network = copy.deepcopy(network)
    for name, conv in convolutions(network):
        if kind_of(name) in kinds:
            largest = conv.weight.abs().amax((1, 2, 3) if per_channel else (0, 1, 2, 3), keepdim=True)
            step = largest.clamp(min=1e-12) / 127
            conv.weight.copy_((conv.weight / step).round() * step)
    return network


@torch.no_grad()
def silenced(folded: nn.Module, norms: dict[str, nn.BatchNorm2d], below: float, kinds: tuple[str, ...]) -> nn.Module:
    """A copy whose convolutions have zeros in the channels whose running variance lies below that."""
    folded = copy.deepcopy(folded)
    for name, conv in convolutions(folded):
        if kind_of(name) in kinds:
            conv.weight[norms[name].running_var < below] = 0
    return folded


def convolutions(network: nn.Module) -> Iterator[tuple[str, nn.Conv2d]]:
    """Each convolution with its block's name."""
    for name, part in network.named_modules():
        if isinstance(part, ConvBNReLU):
            yield name, part.conv


def kind_of(name: str) -> str:
    return name.rpartition(".")[2]


def habits(network: MobileNet) -> dict[str, dict[str, Any]]:
    """For each habit what `from_checkpoint` has to be told, so that it is another than this network's."""
    same = any(isinstance(part, SameConv2d) for part in network.modules())
    small = network.stem.norm.eps < 1e-4
    limited = isinstance(network.stem.activation, nn.ReLU6)
    return {
        "padding": {"padding": "half" if same else "same"},
        "epsilon": {"epsilon": 0.001 if small else 1e-5},
        "activation": {"activation": nn.ReLU if limited else nn.ReLU6},
    }


# the measurements


def variants(tensors: dict[str, torch.Tensor], calibration: torch.Tensor) -> Iterator[tuple[str, Callable, Callable]]:
    """Name, network, and what is done to the images first. The first is the network as it was released."""
    network = from_checkpoint(tensors)
    folded = deploy.fold_batch_norms(network)
    norms = {name: part.norm for name, part in network.named_modules() if isinstance(part, ConvBNReLU)}

    def alone(images: torch.Tensor) -> torch.Tensor:
        return images

    yield "as released", network, alone
    yield "folded", folded, alone
    yield "one scale per layer", rounded(folded, False), alone
    for kind in KINDS:
        yield f"one scale per layer, {kind} only", rounded(folded, False, (kind,)), alone
    yield "one scale per channel", rounded(folded, True), alone
    quiet = silenced(folded, norms, NOTHING, KINDS)
    yield "dead channels silenced", quiet, alone
    yield "dead channels silenced, one scale per layer", rounded(quiet, False), alone
    yield "dead channels silenced, one scale per layer, depthwise only", rounded(quiet, False, ("depthwise",)), alone
    yield "variance below epsilon silenced", silenced(folded, norms, network.stem.norm.eps, KINDS), alone
    yield "one scale per layer, batch norm not folded", rounded(network, False), alone
    with tempfile.TemporaryDirectory() as folder:
        exported, integers = Path(folder) / "float.onnx", Path(folder) / "integers.onnx"
        deploy.export_onnx(folded, exported, tuple(calibration.shape[1:]))
        for name, per_channel in (("layer", False), ("channel", True)):
            deploy.quantize_onnx(exported, integers, calibration, per_channel=per_channel, batch_size=4)
            yield f"onnxruntime in 8 bits, one scale a {name}", deploy.load_onnx(integers), alone
    wrong = habits(network)
    for name, other in wrong.items():
        yield f"another {name}", from_checkpoint(tensors, **other), alone
    every = {key: value for other in wrong.values() for key, value in other.items()}
    yield "all three", from_checkpoint(tensors, **every), alone
    mean, std = (torch.tensor(numbers)[:, None, None] for numbers in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    yield "values from 0 to 1", network, lambda images: (images + 1) / 2
    yield "values from 0 to 255", network, lambda images: (images + 1) * 127.5
    yield "mean and deviation of ImageNet", network, lambda images: ((images + 1) / 2 - mean) / std
    yield "blue before red", network, lambda images: images.flip(1)
    yield "upside down", network, lambda images: images.flip(2)


def asked(tensors: dict[str, torch.Tensor], resolution: int = 224) -> list[dict[str, Any]]:
    """For each variant: of a hundred views how many are right, and how many answered as before; and the cat."""
    pictures, names = photographs(), class_names()
    images = torch.cat([views(picture, resolution) for picture, _ in pictures])
    labels = torch.tensor([label for _, label in pictures]).repeat_interleave(5)
    cat = prepare(things()["chelsea.png"], resolution)
    calibration = torch.cat([prepare(picture, resolution) for picture in things().values()])
    background = len(tensors["classifier.bias"]) - len(names)  # Google's first class
    rows, expected = [], None
    for what, network, change in variants(tensors, calibration):
        logits = answers(network, change(images))
        expected = logits if expected is None else expected
        seen = answers(network, change(cat)).softmax(1)[0]
        right = logits.argmax(1) - background == labels
        by_picture = right.reshape(-1, 5).float().mean(1)
        rows.append(
            {
                "what": what,
                "right": int(right.sum()),
                "error": round(100 * float(by_picture.std()) / len(by_picture) ** 0.5, 1),
                "same": int((logits.argmax(1) == expected.argmax(1)).sum()),
                "off": float((logits - expected).abs().max() / expected.abs().max()),
                "cat": names[int(seen.argmax()) - background],
                "sure": round(float(seen.max()), 2),
            }
        )
        said = "{what}: {right} of 100 right, {same} as released, logits move by {off:.0%}; the cat: {cat}, {sure}"
        print(said.format(**rows[-1]), flush=True)
    return rows


def by_layer(network: MobileNet, images: torch.Tensor) -> list[dict[str, Any]]:
    """For each convolution: its channels, those that are dead, and the size of its folded weights.

    ``constant`` channels write one and the same number at every pixel of every image; ``above_zero`` of these write
    another than zero. ``varying`` have a running variance below epsilon, and are not constant.
    """
    low, high = written(network, images)
    folded = dict(convolutions(deploy.fold_batch_norms(network)))
    rows = []
    for name, part in network.named_modules():
        if not isinstance(part, ConvBNReLU):
            continue
        variance, constant = part.norm.running_var, low[name] == high[name]
        largest = folded[name].weight.detach().abs().amax((1, 2, 3))
        living = largest[variance >= NOTHING]
        rows.append(
            {
                "layer": name,
                "channels": len(variance),
                "below_epsilon": int((variance < part.norm.eps).sum()),
                "varying": int(((variance < part.norm.eps) & ~constant).sum()),
                "dead": int((variance < NOTHING).sum()),
                "constant": int(constant.sum()),
                "above_zero": int((constant & (high[name] > 0)).sum()),
                "median": float(living.median()),
                "largest_living": float(living.max()),
                "largest": float(largest.max()),
            }
        )
    return rows


def written(network: MobileNet, images: torch.Tensor) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """The smallest and the largest number that each channel writes, behind its activation."""
    low, high = {}, {}

    def watch(name: str) -> Callable:
        def hook(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
            low[name] = torch.minimum(low.get(name, torch.tensor(torch.inf)), output.amin((0, 2, 3)))
            high[name] = torch.maximum(high.get(name, -torch.tensor(torch.inf)), output.amax((0, 2, 3)))

        return hook

    handles = [
        part.register_forward_hook(watch(name))
        for name, part in network.named_modules()
        if isinstance(part, ConvBNReLU)
    ]
    answers(network, images)
    for handle in handles:
        handle.remove()
    return low, high


def fossils(network: MobileNet) -> list[dict[str, Any]]:
    """The dead channels: where each is, its running variance, and the largest weight of its filter, not folded."""
    return [
        {"layer": name, "variance": float(variance), "weight": float(weights.detach().abs().max())}
        for name, part in network.named_modules()
        if isinstance(part, ConvBNReLU)
        for variance, weights in zip(part.norm.running_var, part.conv.weight, strict=True)
        if variance < NOTHING
    ]


def gap(network: MobileNet) -> list[float]:
    """The largest running variance that counts as dead, and the smallest that does not."""
    norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]
    variances = torch.cat([norm.running_var for norm in norms])
    return [float(variances[variances < NOTHING].max()), float(variances[variances >= NOTHING].min())]


def a_dead_channel_is_a_bias(network: MobileNet, images: torch.Tensor) -> dict[str, Any]:
    """Take the dead depthwise channels out, let the pointwise layers behind them add what they wrote, and compare."""
    without, taken = copy.deepcopy(network), 0
    with torch.no_grad():
        for block in without.blocks:
            norm, behind = block.depthwise.norm, block.pointwise
            dead = norm.running_var < NOTHING
            constant = block.depthwise.activation(norm.bias[dead])
            behind.norm.running_mean -= behind.conv.weight[:, dead, 0, 0] @ constant
            behind.conv.weight[:, dead] = 0
            taken += int(dead.sum())
    before, after = answers(network, images), answers(without, images)
    return {"channels": taken, "off": float((after - before).abs().max()), "logits": float(before.abs().max())}


def detector() -> dict[str, Any]:
    """The person detector: how much of it is dead, and whether that matters."""
    network = from_checkpoint(person_detector(), activation=nn.ReLU, epsilon=0.001, padding="same")
    images = torch.cat([(prepare(picture, 96) + 1) * 127.5 for picture in things().values()])
    folded = deploy.fold_batch_norms(network)
    norms = {name: part.norm for name, part in network.named_modules() if isinstance(part, ConvBNReLU)}
    before = answers(network, images).softmax(1)
    changed = {
        "silenced": silenced(folded, norms, 1e-6, KINDS),
        "one scale per layer": rounded(folded, False),
        "one scale per channel": rounded(folded, True),
    }
    rows = {}
    for what, other in changed.items():
        after = answers(other, images).softmax(1)
        same = int((after.argmax(1) == before.argmax(1)).sum())
        rows[what] = {"same": same, "off": float((after - before).abs().max())}
    variances = torch.cat([norm.running_var for norm in norms.values()])
    counts = {"below_1e-6": int((variances < 1e-6).sum()), "pictures": len(images)}
    counts["persons"] = int((before.argmax(1) == 0).sum())  # its first class
    return counts | {"changes": rows, "layers": by_layer(network, images)}


def machine() -> dict[str, str]:
    """Processor, its 8-bit instructions and versions: what 8-bit answers depend on."""
    info = Path("/proc/cpuinfo")
    flags = info.read_text(encoding="utf-8") if info.exists() else ""
    wide = [name for name in ("avx512_vnni", "avx_vnni", "asimddp") if name in flags]
    import onnxruntime

    return {
        "processor": timing.machine()["processor"],
        "8-bit instructions": ", ".join(wide) or "not known",
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
    }


def main() -> None:
    torch.set_num_threads(1)
    if len(sys.argv) > 1:
        tensors, _ = download(sys.argv[1])
        asked(tensors, int(sys.argv[1].rpartition("-")[2]))  # its resolution
        return
    tensors = google()
    network = from_checkpoint(tensors)
    images = torch.cat([prepare(picture) for picture in things().values()])
    found = {
        "machine": machine(),
        "networks": {
            "Google's network": {"α": 1.0, "pixels": 224, "classes": 1001},
            "person detector": {"α": 0.25, "pixels": 96, "classes": 2},
        },
        "sample": {"photographs": len(photographs()), "views": 5, "pictures": len(images)},
        "answers": asked(tensors),
        "layers": by_layer(network, images),
        "fossils": fossils(network),
        "gap": gap(network),
        "bias": a_dead_channel_is_a_bias(network, images),
        "detector": detector(),
    }
    TARGET.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
