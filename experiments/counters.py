"""What other counters print for 200 made-up networks and the 16 MobileNets: ``python experiments/counters.py``.

Writes experiments/results/counters.json. It needs the packages of requirements-slow.txt; `make test` compares
`mobilenet_edu.counting` with the stored numbers, `make test-slow` with the counters themselves.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import sys
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mobilenet_edu.network import MobileNetV1

RESULTS = Path(__file__).parent / "results" / "counters.json"
CHAINS = 200


def chain(seed: int) -> tuple[nn.Module, tuple[int, int, int], int, bool]:
    """A made-up network, the size of its input, a batch size (1 or 8), and whether it is in training mode."""
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
    return nn.Sequential(features, *head), input_size, draw.choice([1, 8]), draw.random() < 0.5


def mobilenets() -> list[tuple[str, nn.Module, tuple[int, int, int]]]:
    """The sixteen networks of the paper's grid."""
    return [
        (f"{alpha}-{resolution}", MobileNetV1(1000, alpha), (3, resolution, resolution))
        for alpha in (1.0, 0.75, 0.5, 0.25)
        for resolution in (224, 192, 160, 128)
    ]


def prints(model: nn.Module, input_size: tuple[int, int, int], batch: int, training: bool) -> dict[str, int]:
    """What each counter says, by the name of its convention in `mobilenet_edu.counting`."""
    sys.modules.setdefault("timm", None)  # calflops would import it, and with it torchvision
    import thop
    from calflops import calculate_flops
    from fvcore.nn import FlopCountAnalysis
    from ptflops import get_model_complexity_info
    from torchinfo import summary

    images = torch.zeros(batch, *input_size)
    said = {}
    with torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
        with FlopCounterMode(display=False) as counter:
            model.eval()(images)
        said["FlopCounterMode of PyTorch"] = counter.get_total_flops()
        said["torchinfo"] = summary(model, input_size=tuple(images.shape), verbose=0).total_mult_adds
        analysis = FlopCountAnalysis(model.train(training), images)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        said["fvcore in training mode" if training else "fvcore"] = int(analysis.total())
        model.train(training)
        said["thop"] = int(thop.profile(model, inputs=(images,), verbose=False)[0])
        for backend in ("aten", "pytorch"):
            said[f"ptflops, {backend} backend"] = get_model_complexity_info(
                model.train(training),
                input_size,
                as_strings=False,
                print_per_layer_stat=False,
                backend=backend,
                input_constructor=lambda _: images,
            )[0]
        flops, macs, _ = calculate_flops(
            model, input_shape=tuple(images.shape), print_results=False, output_as_string=False
        )
        said["calflops' FLOPs"], said["this book, and calflops' MACs"] = flops, macs
    return {name: int(number) for name, number in said.items()}


def main() -> None:
    torch.manual_seed(0)
    stored = {"chains": [prints(*chain(seed)) for seed in range(CHAINS)]}
    stored["mobilenets"] = {name: prints(model, size, 1, False) for name, model, size in mobilenets()}
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(stored, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
