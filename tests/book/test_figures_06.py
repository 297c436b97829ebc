"""The data behind the figures of chapter 6, held against the built networks."""

import itertools

import matplotlib.pyplot as plt
import pytest
import torch
from drawn import figures
from torch import nn

from mobilenet_edu import explorers, plots
from mobilenet_edu.architecture import conv_mobilenet
from mobilenet_edu.network import ConvMobileNet, MobileNetV1


@pytest.fixture(scope="module")
def chapter():
    return figures("06")


def convolutions(network):
    """Each convolution's weights, and the elements that it reads and writes, seen in a real pass at 224×224."""
    seen = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda m, inputs, output: seen.append((m.weight, inputs[0][0], output[0])))
    with torch.no_grad():
        network.eval()(torch.zeros(1, 3, 224, 224))
    return seen


def test_the_network_is_drawn_to_scale():
    shapes = explorers.to_scale().picture.shapes
    boxes = [shapes[f"layer-{number}"] for number in range(1, 28)]
    maps = [written for _, _, written in convolutions(MobileNetV1())]
    assert [(box["width"] - 4) / 0.027 for box in boxes] == pytest.approx([m.shape[0] for m in maps], abs=0.5)
    assert [box["height"] / 0.8 for box in boxes] == pytest.approx([m.shape[1] for m in maps], abs=0.1)
    assert all(left["x"] + left["width"] < right["x"] for left, right in itertools.pairwise(boxes))


def test_any_architecture_can_be_drawn():
    _, axes = plt.subplots()
    plots.draw_network(axes, conv_mobilenet(0.5, (96, 160)))
    assert [bar.get_height() for bar in axes.patches[:3]] == [48, 48, 24]
    assert [text.get_text() for text in axes.texts] == ["48×80", "24×40", "12×20", "6×10", "3×5"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["standard"]
    plt.close()


def test_the_bars_are_the_macs_and_weights_of_the_built_network(chapter):
    seen = chapter["fig-cost-by-layer"]
    built = convolutions(MobileNetV1())
    macs = [written.numel() * weight[0].numel() for weight, _, written in built] + [1024 * 1000]
    weights = [weight.numel() for weight, _, _ in built] + [1024 * 1000]
    assert [bar.get_height() for bar in seen["above"].patches] == pytest.approx([count / 1e6 for count in macs])
    assert [bar.get_height() for bar in seen["below"].patches] == pytest.approx([count / 1e3 for count in weights])


def test_the_steps_are_what_each_convolution_reads_and_writes(chapter):
    steps = chapter["fig-activation-memory"]["axes"].patches
    for step, network in zip(steps, (MobileNetV1(), ConvMobileNet()), strict=True):
        values, edges, _ = step.get_data()
        built = convolutions(network)
        assert list(values) == pytest.approx([(read.numel() + written.numel()) / 1e6 for _, read, written in built])
        assert edges[-1] == 14


def test_both_peak_in_block_0_and_the_twin_in_block_1_again(chapter):
    split, dense = (list(step.get_data().values) for step in chapter["fig-activation-memory"]["axes"].patches)
    assert max(split) == max(dense)
    assert [place for place, moved in enumerate(split) if moved == max(split)] == [2]  # stem, depthwise, pointwise
    assert [place for place, moved in enumerate(dense) if moved == max(dense)] == [1, 2]  # stem, block 0, block 1
