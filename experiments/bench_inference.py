"""How long one network takes in different hands: ``python experiments/bench_inference.py [--store] [--rounds 40]``.

MobileNet V1 1.0-224 with the same weights, on one thread: as plain PyTorch, in timm and transformers, with its batch
norms folded, in another memory layout, compiled, and in onnxruntime. Every round runs every way once. A ratio is the
median over the rounds of a way's time over plain PyTorch's in the same round; its range is that of the middle half.
Then the dense twin against it in the same hands: how much of the 8.56 times fewer MACs becomes time.
``--store`` writes mobilenet_edu/data/inference.json, which chapter 10 shows. What is not installed is left out: timm,
and torch.compile where there is no C++ compiler.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path

import torch
from tabulate import tabulate
from timm_manifest import timm_mobilenet
from torch import nn
from transformers import MobileNetV1Config, MobileNetV1ForImageClassification

from mobilenet_edu import deploy, timing
from mobilenet_edu.network import ConvMobileNet, MobileNet, MobileNetV1
from mobilenet_edu.timing import Timing
from mobilenet_edu.weights import from_checkpoint, our_names

STORED = Path(deploy.__file__).with_name("data") / "inference.json"
BATCHES = (1, 16)
PLAIN = "plain PyTorch"
Network = Callable[[torch.Tensor], torch.Tensor]


def lively(network: MobileNet) -> MobileNet:
    """Random weights and statistics of a size that keeps the signal alive through all layers; evaluation mode."""
    with torch.no_grad():
        for part in network.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight)
            elif isinstance(part, nn.BatchNorm2d):
                part.running_mean.normal_(0, 0.1)
                part.running_var.uniform_(0.5, 1.5)
    return network.eval()


def give_weights(network: nn.Module, theirs: nn.Module) -> None:
    """Load the weights of ``network`` into another library's network."""
    names = our_names(theirs.state_dict())
    theirs.load_state_dict({names[name]: tensor for name, tensor in network.state_dict().items()})


def in_onnxruntime(network: MobileNet, folder: Path) -> tuple[dict[str, Network], dict[str, int]]:
    """``network`` in float32 and in 8-bit integers, and the size in bytes of both files."""
    files = {"onnxruntime float32": folder / "float32.onnx", "onnxruntime int8": folder / "int8.onnx"}
    exported, integers = files.values()
    deploy.export_onnx(network, exported, (3, 224, 224))
    deploy.quantize_onnx(exported, integers, torch.randn(32, 3, 224, 224), per_channel=True, batch_size=8)
    ways = {name: deploy.load_onnx(file) for name, file in files.items()}
    return ways, {name: file.stat().st_size for name, file in files.items()}


def ways_to_run(network: MobileNet, folder: Path) -> tuple[dict[str, Network], dict[str, int]]:
    """Every way to run ``network``, by its name; and the size in bytes of what would be shipped."""
    folded = deploy.fold_batch_norms(network)
    transformers = MobileNetV1ForImageClassification(MobileNetV1Config(num_labels=1000)).eval()
    give_weights(network, transformers)
    ways: dict[str, Network] = {
        PLAIN: network,
        "transformers": lambda images: transformers(images).logits,
        "in-place activations": in_place(network),
        "batch norm folded": folded,
        "channels-last": channels_last(network),
        "folded, channels-last": channels_last(folded),
    }
    sizes = {PLAIN: state_bytes(network), "batch norm folded": state_bytes(folded)}
    in_integers, files = in_onnxruntime(network, folder)
    ways |= in_integers
    if shutil.which("g++"):
        ways["torch.compile"] = torch.compile(network, dynamic=False)
        for batch in BATCHES:
            ways["torch.compile"](torch.zeros(batch, 3, 224, 224))  # compiles
    if importlib.util.find_spec("timm"):  # last, because it needs a stand-in for torchvision
        timm = timm_mobilenet()
        give_weights(network, timm)
        ways["timm"] = timm
    check_equal(network, ways, transformers)
    return ways, sizes | files


def in_place(network: nn.Module) -> nn.Module:
    """A copy of ``network`` whose activations overwrite their input instead of asking for new memory."""
    other = copy.deepcopy(network)
    for part in other.modules():
        if isinstance(part, nn.ReLU6):
            part.inplace = True
    return other


def channels_last(network: nn.Module) -> Network:
    """A copy of ``network`` whose weights, and the images that it gets, keep a pixel's channels side by side."""
    other = copy.deepcopy(network).to(memory_format=torch.channels_last)
    return lambda images: other(images.to(memory_format=torch.channels_last))


def state_bytes(network: nn.Module) -> int:
    """Bytes of the parameters and running statistics."""
    return sum(tensor.nbytes for tensor in network.state_dict().values())


def check_equal(network: nn.Module, ways: Mapping[str, Network], transformers: nn.Module) -> None:
    """All that compute in float32 give the same logits; transformers pads as TensorFlow does, and so does its like."""
    images = torch.randn(2, 3, 224, 224)
    for name, way in ways.items():
        expected = (from_checkpoint(transformers.state_dict()) if name == "transformers" else network)(images)
        if name != "onnxruntime int8":
            torch.testing.assert_close(way(images), expected, rtol=0, atol=1e-3 * expected.abs().max().item())


def machine() -> dict[str, str | int]:
    """What the numbers depend on."""
    model = platform.processor()
    if (information := Path("/proc/cpuinfo")).exists():
        lines = information.read_text(encoding="utf-8").splitlines()
        model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), model)
    versions = {name: metadata.version(name) for name in ("torch", "onnxruntime", "transformers")}
    if importlib.util.find_spec("timm"):
        versions["timm"] = metadata.version("timm")
    return {"processor": model, "cores": os.cpu_count() or 1, "system": platform.system(), "threads": 1} | versions


def ratios(timings: Mapping[str, Timing], base: str = PLAIN) -> dict[str, dict[str, float]]:
    """For each way: its time over that of ``base``, round by round."""
    result = {}
    for name, taken in timings.items():
        paired = zip(taken.seconds, timings[base].seconds, strict=True)
        ratio = Timing(tuple(own / other for own, other in paired))
        low, high = ratio.spread
        result[name] = {"ratio": round(ratio.median, 3), "from": round(low, 3), "to": round(high, 3)}
    return result


def on_threads(network: Network, images: torch.Tensor, threads: int) -> Callable[[], None]:
    """A call on so many threads, after which it is one again."""

    def run() -> None:
        torch.set_num_threads(threads)
        network(images)
        torch.set_num_threads(1)

    return run


def twin_ratios(separable: Mapping[str, Network], images: torch.Tensor, rounds: int) -> dict[str, dict[str, float]]:
    """The dense twin's time over the separable network's, both in the same hands."""
    twin = lively(ConvMobileNet(activation=nn.ReLU6))
    with tempfile.TemporaryDirectory() as folder:
        dense: dict[str, Network] = {
            PLAIN: twin,
            "folded, channels-last": channels_last(deploy.fold_batch_norms(twin)),
            **in_onnxruntime(twin, Path(folder))[0],
        }
    result = {}
    for name, way in dense.items():
        pair = {"separable": lambda name=name: separable[name](images), "dense": lambda way=way: way(images)}
        result[name] = ratios(timing.compare(pair, rounds), "separable")["dense"]
    return result


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--store", action="store_true", help="write the file that chapter 10 shows")
    parser.add_argument("--rounds", type=int, default=40, help="rounds with one image; a third of them with 16")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        ways, sizes = ways_to_run(lively(MobileNetV1(activation=nn.ReLU6)), Path(folder))
    cores = os.cpu_count() or 1
    result = {"machine": machine(), "bytes": sizes, "ratios": {}, "milliseconds": {}, "all_cores": {}, "twin": {}}
    for batch in BATCHES:
        images = torch.randn(batch, 3, 224, 224)
        rounds = options.rounds if batch == 1 else max(3, options.rounds // 3)
        functions = {name: lambda way=way, images=images: way(images) for name, way in ways.items()}
        timings = timing.compare(functions, rounds)
        result["ratios"][str(batch)] = ratios(timings)
        result["milliseconds"][str(batch)] = {
            name: round(1000 * taken.median / batch, 2) for name, taken in timings.items()
        }
        threads = {PLAIN: on_threads(ways[PLAIN], images, 1), "all": on_threads(ways[PLAIN], images, cores)}
        result["all_cores"][str(batch)] = ratios(timing.compare(threads, rounds))["all"]
        result["twin"][str(batch)] = twin_ratios(ways, images, max(3, rounds // 2))
    report(result)
    if options.store:
        STORED.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def report(result: Mapping) -> None:
    """Print the machine and three tables, slowest first."""
    print(", ".join(f"{name}: {value}" for name, value in result["machine"].items()))
    first = result["ratios"][str(BATCHES[0])]
    rows = []
    for name in sorted(first, key=lambda name: -first[name]["ratio"]):
        cells = [(shown(result["ratios"][n][name]), result["milliseconds"][n][name]) for n in map(str, BATCHES)]
        rows.append([name, *(cell for pair in cells for cell in pair)])
    headers = [f"{what}, batch {n}" for n in BATCHES for what in ("over plain", "ms an image")]
    print(tabulate(rows, ["", *headers]))
    for batch in map(str, BATCHES):
        print(f"\nbatch {batch}: all cores over one thread {shown(result['all_cores'][batch])}")
        print("dense twin over separable:", *(f"{name} {shown(r)};" for name, r in result["twin"][batch].items()))


def shown(ratio: Mapping[str, float]) -> str:
    """A ratio and the range of its middle half."""
    return f"{ratio['ratio']:.2f} ({ratio['from']:.2f}–{ratio['to']:.2f})"


if __name__ == "__main__":
    main()
