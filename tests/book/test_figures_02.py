"""The data behind the figures of chapter 2, held against PyTorch's own counter and the built network."""

import pytest
import torch
from drawn import figures
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mobilenet_edu.network import ConvMobileNet


@pytest.fixture(scope="module")
def chapter():
    return figures("02")


def macs(layer, *shape):
    with FlopCounterMode(display=False) as counter:
        layer(torch.zeros(1, *shape))
    return counter.get_total_flops() // 2


def test_growth_is_what_pytorch_counts(chapter):
    seen = chapter["fig-growth"]
    factors = seen["factors"]
    assert seen["growth"] == {
        "input channels": [macs(nn.Conv2d(f, 1, 1), f, 4, 4) for f in factors],
        "output channels": [macs(nn.Conv2d(1, f, 1), 1, 4, 4) for f in factors],
        "side of the map": [macs(nn.Conv2d(1, 1, 1), 1, 4 * f, 4 * f) for f in factors],
        "side of the kernel": [macs(nn.Conv2d(1, 1, f), 1, 3 + f, 3 + f) for f in factors],
    }


def test_the_growth_figure_draws_that_data(chapter):
    seen = chapter["fig-growth"]
    for line, counts in zip(seen["ax"].lines, seen["growth"].values(), strict=True):
        assert (list(line.get_xdata()), list(line.get_ydata())) == (list(seen["factors"]), counts)


def test_the_shares_of_weights_and_macs_are_those_of_the_built_network(chapter):
    seen = chapter["fig-weights-and-macs"]
    network = ConvMobileNet().eval()
    layers = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    work = {}
    for layer in layers:
        layer.register_forward_hook(lambda m, inputs, output: work.update({m: output[0].numel() * m.weight[0].numel()}))
    with torch.no_grad():
        network(torch.zeros(1, 3, 224, 224))
    weights = [layer.weight.numel() for layer in layers]
    assert seen["weight_share"] == pytest.approx([100 * w / sum(weights) for w in weights])
    assert seen["mac_share"] == pytest.approx([100 * work[layer] / sum(work.values()) for layer in layers])


def test_the_bars_are_those_shares_and_each_stands_beside_its_map(chapter):
    seen = chapter["fig-weights-and-macs"]
    for axes, shares in ((seen["left"], seen["weight_share"]), (seen["right"], seen["mac_share"])):
        assert [bar.get_width() for bar in axes.patches] == pytest.approx(shares)
    sizes = [f"{layer.output_size[0]}×{layer.output_size[1]}" for layer in seen["convolutions"][:-1]]
    assert [label.get_text() for label in seen["right"].get_yticklabels()] == [*sizes, "classifier"]
