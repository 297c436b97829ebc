"""The script behind appendix G, on small networks whose answers are known beforehand."""

import dissect_checkpoint as script
import pytest
import torch
from torch import nn

from mobilenet_edu import deploy, weights
from mobilenet_edu.blocks import ConvBNReLU, SameConv2d
from mobilenet_edu.network import MobileNetV1


@pytest.fixture
def network():
    """Lively, but for channel 3 of the stem, which never opens, and the depthwise channel behind it, which writes 2."""
    torch.manual_seed(0)
    network = MobileNetV1(5, 0.25).eval()
    with torch.no_grad():
        for part in network.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight)
            elif isinstance(part, nn.BatchNorm2d):
                part.bias.uniform_(-0.3, 0.3)
        network.stem.norm.weight[3], network.stem.norm.bias[3] = 0, -1
        norm = network.blocks[0].depthwise.norm
        norm.running_var[3], norm.bias[3] = 1e-35, 2
    return network


@pytest.fixture
def images():
    return torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def norms(network):
    return {name: part.norm for name, part in network.named_modules() if isinstance(part, ConvBNReLU)}


def test_a_dead_channel_is_found_where_it_was_put(network, images):
    rows = {row["layer"]: row for row in script.by_layer(network, images)}
    assert len(rows) == 27
    stem, behind = rows["stem"], rows["blocks.0.depthwise"]
    assert (stem["constant"], stem["above_zero"], stem["dead"]) == (1, 0, 0)
    assert (behind["constant"], behind["above_zero"], behind["dead"], behind["varying"]) == (1, 1, 1, 0)
    assert behind["largest"] > 100 * behind["largest_living"]
    [fossil] = script.fossils(network)
    assert fossil["layer"] == "blocks.0.depthwise"
    assert fossil["variance"] == pytest.approx(1e-35)
    assert script.gap(network) == [fossil["variance"], 1.0]


def test_its_bias_can_be_kept_and_matters(network, images):
    result = script.a_dead_channel_is_a_bias(network, images)
    assert result["channels"] == 1
    assert result["off"] < 1e-4 * result["logits"]
    network.blocks[0].pointwise.conv.weight.data[:, 3] = 0  # taken out without its bias
    without = script.a_dead_channel_is_a_bias(network, images)["logits"]
    assert abs(without - result["logits"]) > 1e-3 * result["logits"]


def test_silencing_a_dead_channel_changes_nothing_and_frees_the_grid(network, images):
    folded = deploy.fold_batch_norms(network)
    quiet = script.silenced(folded, norms(network), script.NOTHING, script.KINDS)
    before = script.answers(folded, images)
    assert torch.equal(quiet.blocks[0].depthwise.conv.weight[3], torch.zeros(1, 3, 3))
    torch.testing.assert_close(script.answers(quiet, images), before)
    errors = [
        float((script.answers(script.rounded(each, False, ("depthwise",)), images) - before).abs().max())
        for each in (folded, quiet)
    ]
    assert errors[0] > 5 * errors[1]


def test_rounding_keeps_to_the_kinds_that_it_is_given(network):
    for kind in script.KINDS:
        changed = {
            script.kind_of(name)
            for (name, after), (_, before) in zip(
                script.convolutions(script.rounded(network, True, (kind,))), script.convolutions(network), strict=True
            )
            if not torch.equal(after.weight, before.weight)
        }
        assert changed == {kind}
    for _, conv in script.convolutions(script.rounded(network, True)):
        for channel in conv.weight:
            assert len(channel.unique()) <= 255


@pytest.mark.parametrize("padding", ["same", "half"])
def test_another_habit_is_another_one(network, padding):
    taken = weights.from_checkpoint(network.state_dict(), padding=padding)
    wrong = script.habits(taken)
    assert wrong["padding"]["padding"] != padding
    assert wrong["epsilon"]["epsilon"] == 0.001
    assert wrong["activation"]["activation"] is nn.ReLU6
    other = weights.from_checkpoint(network.state_dict(), **wrong["padding"])
    assert any(isinstance(part, SameConv2d) for part in other.modules()) == (padding == "half")


def test_five_views_are_the_middle_and_four_corners():
    picture = torch.zeros(160, 160, 3, dtype=torch.uint8)
    picture[:80, :80] = 255
    middle, *corners = (float(view.mean()) for view in script.views(picture))
    assert corners[0] > middle > corners[3]
    assert corners[1] == pytest.approx(corners[2], abs=1e-3)
    assert script.views(picture).shape == (5, 3, 224, 224)
