"""The data behind the figures of chapter 4, held against PyTorch's own counter and the built networks."""

import pytest
import torch
from drawn import figures
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mobilenet_edu.network import ConvMobileNet, MobileNetV1


@pytest.fixture(scope="module")
def chapter():
    return figures("04")


def macs(layer, *shape):
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        layer.to("meta")(torch.zeros(1, *shape))
    return counter.get_total_flops() // 2


def split(in_channels, out_channels, kernel_size):
    depthwise = nn.Conv2d(in_channels, in_channels, kernel_size, groups=in_channels, padding=kernel_size // 2)
    return nn.Sequential(depthwise, nn.Conv2d(in_channels, out_channels, 1))


def test_the_bars_of_one_layer_are_what_pytorch_counts(chapter):
    millions = chapter["fig-one-layer-split"]["millions"]
    pair = split(512, 512, 3)
    assert millions == {
        "standard": macs(nn.Conv2d(512, 512, 3, padding=1), 512, 14, 14) / 1e6,
        "depthwise": macs(pair[0], 512, 14, 14) / 1e6,
        "pointwise": macs(pair[1], 512, 14, 14) / 1e6,
    }
    widths = [bar.get_width() for bar in chapter["fig-one-layer-split"]["ax"].patches]
    assert widths == pytest.approx([millions[kind] for kind in ("standard", "depthwise", "pointwise")])


@pytest.mark.parametrize("out_channels", [1, 16, 64, 71, 72, 1024])
@pytest.mark.parametrize("kernel_size", [3, 5, 7])
def test_a_point_of_a_curve_is_what_pytorch_counts(chapter, kernel_size, out_channels):
    curve = chapter["fig-saving-against-channels"]["curves"][kernel_size]
    whole = macs(nn.Conv2d(3, out_channels, kernel_size, padding=kernel_size // 2), 3, 4, 4)
    assert curve[out_channels - 1] == pytest.approx(whole / macs(split(3, out_channels, kernel_size), 3, 4, 4))


def test_the_curve_of_3x3_enters_the_band_at_72_channels_and_never_leaves_it(chapter):
    curve = chapter["fig-saving-against-channels"]["curves"][3]
    inside = [8 <= factor < 9 for factor in curve]
    assert inside == [channels >= 72 for channels in range(1, 1025)]


def test_the_drawn_curves_are_that_data(chapter):
    seen = chapter["fig-saving-against-channels"]
    drawn = [list(line.get_ydata()) for line in seen["ax"].lines if len(line.get_ydata()) > 2]
    assert drawn == list(seen["curves"].values())


def test_each_block_saves_what_pytorch_counts_in_the_built_networks(chapter):
    def macs_by_block(network):
        with torch.device("meta"), FlopCounterMode(display=False) as counter:
            network.to("meta")(torch.zeros(1, 3, 224, 224))
        counts = counter.get_flop_counts()
        name = type(network).__name__
        return [sum(counts[f"{name}.blocks.{index}"].values()) // 2 for index in range(13)]

    dense, separable = macs_by_block(ConvMobileNet()), macs_by_block(MobileNetV1())
    counted = [[whole, pair, whole / pair] for whole, pair in zip(dense, separable, strict=True)]
    assert [block[1:] for block in chapter["end"]["blocks"]] == counted


def test_the_squares_are_the_multiplications_of_one_channel_at_one_pixel(chapter):
    standard, halves = (axes.patches for axes in chapter["fig-product-and-sum"]["axes"])
    assert len(standard) == macs(nn.Conv2d(1, 16, 3, padding=1), 1, 1, 1)
    pair = split(1, 16, 3)
    colours = [square.get_facecolor() for square in halves]
    assert [colours.count(colour) for colour in dict.fromkeys(colours)] == [macs(part, 1, 1, 1) for part in pair]
    assert f"= {len(standard)}" in chapter["fig-product-and-sum"]["titles"][0]
    assert f"= {len(halves)}" in chapter["fig-product-and-sum"]["titles"][1]
