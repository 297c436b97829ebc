"""The data behind the figures of chapter 12, held against other ways to get them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from drawn import figures
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mobilenet_edu import paper, successors
from mobilenet_edu.architecture import Block, chain
from mobilenet_edu.network import MobileNet, MobileNetV1


@pytest.fixture(scope="module")
def chapter():
    return figures("12")


def labels(ax):
    return [text.get_text() for text in ax.texts]


def test_both_blocks_are_drawn_with_the_widths_of_the_text(chapter):
    left, right = chapter["fig-narrow-wide"]["axes"]
    assert [bar.get_height() for bar in left.patches[:3]] == [512, 512, 512]
    assert [bar.get_height() for bar in right.patches[:4]] == [64, 384, 384, 64]
    assert labels(left)[3:] == ["depthwise", "pointwise"]
    assert labels(right)[4:7] == ["pointwise", "depthwise", "pointwise"]
    (block,) = [block for block in successors.mobilenet_v2().blocks if block[0].name == "blocks.7.expand"]
    assert [layer.out_channels for layer in block] == [384, 384, 64]


def test_a_point_comes_back_exactly_where_two_channels_live_and_only_there(chapter):
    seen = chapter["fig-relu-spiral"]
    spiral = seen["spiral"]
    for ax, channels in zip(seen["axes"].flat, (2, 3, 5, 15), strict=True):
        matrix, alive = seen["active"](spiral, channels, np.random.default_rng(1))
        assert ((spiral @ matrix.T > 0) == alive).all()
        found = seen["come_back"](spiral, matrix, alive)
        exact = np.abs(found - spiral).max(axis=1) < 1e-9
        # On the line of a single living channel a point is found too; the spiral crosses it rarely.
        assert (exact == (alive.sum(axis=1) >= 2)).mean() > 0.98
        assert (~exact).sum() <= seen["lost"][channels]
        _, kept, lost = ax.lines
        assert len(lost.get_xdata()) == seen["lost"][channels] == (alive.sum(axis=1) < 2).sum()
        assert len(kept.get_xdata()) + len(lost.get_xdata()) == len(spiral) == 400


def test_relu_in_pytorch_lets_the_same_channels_live(chapter):
    seen = chapter["fig-relu-spiral"]
    matrix, alive = seen["active"](seen["spiral"], 5, np.random.default_rng(1))
    layer = nn.Linear(2, 5, bias=False, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(matrix))
        output = layer(torch.from_numpy(seen["spiral"])).relu()
    assert ((output > 0).numpy() == alive).all()


def test_each_place_of_a_universal_block_is_a_layer_that_is_built(chapter):
    seen = chapter["fig-universal"]
    built = {
        name: [(conv.kernel_size[0], conv.groups > 1) for conv in layers.modules() if isinstance(conv, nn.Conv2d)]
        for name, layers in ((name, block_of(block)) for name, block in seen["choices"].items())
    }
    drawn = {}
    for bar, text in zip(seen["ax"].patches, seen["ax"].texts, strict=True):
        name = list(built)[round(bar.get_y() + bar.get_height() / 2)]
        place = round(bar.get_x())
        drawn.setdefault(name, []).append((int(text.get_text()[0]), place in (0, 2)))
    assert drawn == built
    assert [len(kinds) for kinds in built.values()] == [2, 3, 3, 4, 2]


def block_of(block):
    """Built, behind a stem that writes the map that it reads."""
    channels, size = block[0].in_channels, block[0].input_size
    stem = successors.convolution("stem", 3, channels, 3, 1, size)
    layers = [replace(layer, name=layer.name.replace("b.", "blocks.0.")) for layer in block]
    return MobileNet(chain(stem, [lambda *_: Block(layers, block.residual)])).blocks[0]


def macs_of_v1(checkpoint):
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        side = checkpoint.resolution
        MobileNetV1(width_multiplier=checkpoint.width_multiplier)(torch.empty(2, 3, side, side))
    return counter.get_total_flops() / 4e6


def test_every_released_network_of_both_families_is_drawn_at_its_cost(chapter):
    first, second = chapter["fig-two-families"]["ax"].lines
    v1, v2 = paper.released(), successors.checkpoints()
    assert list(first.get_ydata()) == [checkpoint.top1_percent for checkpoint in v1]
    assert list(second.get_ydata()) == [checkpoint.top1_percent for checkpoint in v2]
    assert list(first.get_xdata()) == [macs_of_v1(checkpoint) for checkpoint in v1]
    assert [int(millions) for millions in second.get_xdata()] == [int(checkpoint.macs.printed) for checkpoint in v2]


def test_over_the_shared_range_most_squares_lie_above_the_circles(chapter):
    v1, v2 = chapter["fig-two-families"]["families"].values()
    slope, start = np.polyfit(np.log([macs for macs, _ in v1]), [accuracy for _, accuracy in v1], 1)
    above = [accuracy > start + slope * np.log(macs) for macs, accuracy in v2 if macs > min(m for m, _ in v1)]
    assert sum(above) > 0.8 * len(above)


def test_the_shares_are_those_of_the_parts_and_leave_nothing_out(chapter):
    seen = chapter["fig-v2-shares"]
    assert len(seen["shares"]) == 12
    for name, shares in seen["shares"].items():
        assert sum(shares.values()) == pytest.approx(100), name
    others = [shares for name, shares in seen["shares"].items() if name != "RepVGG-A0"]
    assert min(s["pointwise"] for s in others) == pytest.approx(62.8, abs=0.05)
    assert max(s["pointwise"] for s in others) == pytest.approx(94.9, abs=0.05)
    assert min(s["depthwise"] for s in others) == pytest.approx(1.6, abs=0.05)
    assert max(s["depthwise"] for s in others) == pytest.approx(13.2, abs=0.05)
    bars = seen["ax"].patches
    assert [bar.get_width() for bar in bars[:12]] == [shares.get("pointwise", 0) for shares in seen["shares"].values()]


def test_depthwise_shares_are_what_pytorch_counts_for_a_real_convnext(chapter):
    transformers = pytest.importorskip("transformers")
    seen = {}

    def note(module, inputs, output):
        kind = "depthwise" if isinstance(module, nn.Conv2d) and module.groups > 1 else "other"
        seen[kind] = seen.get(kind, 0) + output.numel() * module.weight[0].numel()

    with torch.device("meta"):
        network = transformers.ConvNextForImageClassification(transformers.ConvNextConfig(num_labels=1000)).eval()
        for module in network.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                module.register_forward_hook(note)
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, 3, 224, 224))
    assert 2 * sum(seen.values()) == counter.get_total_flops()
    share = 100 * seen["depthwise"] / sum(seen.values())
    assert chapter["fig-v2-shares"]["shares"]["ConvNeXt-T"]["depthwise"] == pytest.approx(share)


def test_a_block_by_itself_needs_half_the_memory_of_v1s(chapter):
    transformers = pytest.importorskip("transformers")
    from transformers.models.mobilenet_v2.modeling_mobilenet_v2 import MobileNetV2InvertedResidual

    at_once, first_block = [], []
    with torch.device("meta"):
        network = transformers.MobileNetV2Model(transformers.MobileNetV2Config(tf_padding=False)).eval()
        for module in network.modules():
            if isinstance(module, MobileNetV2InvertedResidual):
                module.register_forward_hook(
                    lambda _, inputs, output: at_once.append(inputs[0].numel() + output.numel())
                )
        stem = network.conv_stem  # the first convolution and the first block
        stem.conv_3x3.register_forward_hook(lambda _, inputs, output: first_block.append(inputs[0].numel()))
        stem.reduce_1x1.register_forward_hook(lambda _, inputs, output: first_block.append(output.numel()))
        network(torch.empty(1, 3, 224, 224))
    page = chapter["fig-two-families"]
    v1, v2 = map(page["block_by_block"], page["two"])
    assert v2 == max(*at_once, sum(first_block))
    assert v1 == 2 * v2
