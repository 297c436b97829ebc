"""MobileNet V1's relatives: our counts against other libraries' networks and against what was published."""

import ast
import importlib.util
import subprocess
import sys
from collections import Counter
from functools import partial
from math import floor
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mobilenet_edu import successors
from mobilenet_edu.architecture import mobilenet_v1
from mobilenet_edu.cost import Cost, linear_cost
from mobilenet_edu.counting import count_cost
from mobilenet_edu.deploy import fold_batch_norms
from mobilenet_edu.network import MobileNet
from mobilenet_edu.plots import draw_network
from mobilenet_edu.successors import TABLE_2, mobilenet_v2, phone_latencies, round_width
from mobilenet_edu.timing import time_layers
from mobilenet_edu.weights import from_checkpoint

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
BY_NAME = {network.name: network for network in successors.networks()}


def macs_and_params(build, resolution=224):
    """Counted by PyTorch, on a network without data."""
    with torch.device("meta"):
        network = build().eval()
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(2, 3, resolution, resolution))
    return counter.get_total_flops() // 4, sum(p.numel() for p in network.parameters())


def ours(name):
    return BY_NAME[name].cost.macs, BY_NAME[name].cost.params


@pytest.fixture(scope="module")
def transformers():
    return pytest.importorskip("transformers")


def theirs_v2(transformers, width_multiplier=1.0, **more):
    config = transformers.MobileNetV2Config(
        depth_multiplier=width_multiplier, num_labels=1000, tf_padding=False, **more
    )
    return transformers.MobileNetV2ForImageClassification(config)


@pytest.mark.parametrize(("width_multiplier", "resolution"), [(1.0, 224), (1.4, 224), (1.0, 193), (1.3, 96)])
def test_mobilenet_v2_costs_what_transformers_builds(transformers, width_multiplier, resolution):
    counted = macs_and_params(lambda: theirs_v2(transformers, width_multiplier), resolution)
    network = mobilenet_v2(width_multiplier, resolution)
    assert (network.cost.macs, network.cost.params) == counted


@pytest.mark.parametrize("width_multiplier", [0.35, 0.5, 0.75])
def test_a_thin_mobilenet_v2_keeps_its_last_1280_channels(transformers, width_multiplier):
    def build():
        return theirs_v2(transformers, width_multiplier, finegrained_output=True)

    network = mobilenet_v2(width_multiplier)
    assert (network.cost.macs, network.cost.params) == macs_and_params(build)
    assert network.classifier.in_channels == 1280


def test_efficientnet_b0_costs_what_transformers_builds(transformers):
    config = transformers.EfficientNetConfig(
        width_coefficient=1.0, depth_coefficient=1.0, image_size=224, hidden_dim=1280, num_labels=1000
    )
    counted = macs_and_params(lambda: transformers.EfficientNetForImageClassification(config))
    assert counted == ours("EfficientNet-B0")


def test_convnext_t_costs_what_transformers_builds(transformers):
    config = transformers.ConvNextConfig(num_labels=1000)
    counted = macs_and_params(lambda: transformers.ConvNextForImageClassification(config))
    assert counted == ours("ConvNeXt-T")


def test_count_cost_agrees_on_a_real_mobilenet_v2(transformers):
    counted = count_cost(theirs_v2(transformers), (3, 64, 64))
    network = mobilenet_v2(1.0, 64)
    assert counted == network.cost


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "theirs", "resolution"),
    [
        ("MobileNet V2", "mobilenetv2_100", 224),
        ("MobileNet V2 1.4", "mobilenetv2_140", 224),
        ("MobileNet V3-Large", "mobilenetv3_large_100", 224),
        ("MobileNet V3-Small", "mobilenetv3_small_100", 224),
        ("MnasNet-A1", "semnasnet_100", 224),
        ("EfficientNet-B0", "efficientnet_b0", 224),
        ("RepVGG-A0", "repvgg_a0", 224),
        ("Xception", "legacy_xception", 299),
        ("ConvNeXt-T", "convnext_tiny", 224),
    ],
)
def test_networks_cost_what_timm_builds(name, theirs, resolution):
    if importlib.util.find_spec("timm") is None:
        pytest.skip("timm is not installed")
    specification = importlib.util.spec_from_file_location("timm_manifest", EXPERIMENTS / "timm_manifest.py")
    script = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(script)
    script.timm_mobilenet()  # stands in for torchvision
    from timm import create_model
    from timm.utils.model import reparameterize_model

    assert macs_and_params(lambda: reparameterize_model(create_model(theirs)), resolution) == ours(name)


# torchvision's source, in torchvision/models, notes num_params and _ops beside the weights of each network: billions of
# MACs, which its documentation prints as GFLOPS.
@pytest.mark.parametrize(
    ("name", "params", "gmacs"),
    [
        ("MobileNet V2", 3504872, "0.301"),
        ("MobileNet V3-Large", 5483032, "0.217"),
        ("MobileNet V3-Small", 2542856, "0.057"),
        ("ShuffleNet V2 1×", 2278604, "0.145"),
        ("EfficientNet-B0", 5288548, "0.386"),
        ("ConvNeXt-T", 28589128, "4.456"),
    ],
)
def test_torchvision_publishes_the_same_counts(name, params, gmacs):
    macs, counted = ours(name)
    assert counted == params
    assert f"{macs / 1e9:.3f}" == gmacs


class _ShuffleBlock(nn.Module):
    """A block of ShuffleNet V2, written as the paper draws it."""

    def __init__(self, in_channels, out_channels, stride):
        super().__init__()
        self.stride, half = stride, out_channels // 2
        right = in_channels if stride == 2 else half

        def unit(conv):
            return nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels))

        def filters(channels):
            return unit(nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False))

        def mix(channels):
            return unit(nn.Conv2d(channels, half, 1, bias=False))

        self.left = nn.Sequential(filters(in_channels), mix(in_channels)) if stride == 2 else nn.Identity()
        self.right = nn.Sequential(mix(right), filters(half), mix(half))

    def forward(self, x):
        left, right = (x, x) if self.stride == 2 else x.chunk(2, 1)
        return torch.cat([self.left(left), self.right(right)], 1)


def shufflenet_v2():
    layers, channels = [nn.Conv2d(3, 24, 3, 2, 1, bias=False), nn.BatchNorm2d(24), nn.MaxPool2d(3, 2, 1)], 24
    for out_channels, repeats in ((116, 4), (232, 8), (464, 4)):
        for repeat in range(repeats):
            layers.append(_ShuffleBlock(channels, out_channels, 1 if repeat else 2))
            channels = out_channels
    layers += [nn.Conv2d(channels, 1024, 1, bias=False), nn.BatchNorm2d(1024), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(1024, 1000))


def test_shufflenet_v2_costs_what_its_blocks_cost():
    assert macs_and_params(shufflenet_v2) == ours("ShuffleNet V2 1×")


def test_xception_has_the_parameters_that_its_paper_prints_to_the_last_digit():
    assert ours("Xception")[1] == 22_855_952


def test_mobilenet_v1_is_the_one_that_the_book_has_built():
    assert BY_NAME["MobileNet V1"].cost == mobilenet_v1().cost


def test_a_row_of_a_network_that_is_not_built_is_told_so():
    row = next(row for row in successors._rows("successors.csv") if row["name"] == "MobileNet V2")
    assert successors._network(row | {"name": "MobileNet V2 0.5"}).cost == mobilenet_v2(0.5).cost
    with pytest.raises(ValueError, match=r"'MobileNet V9' is in successors\.csv, but not built: add it to _FAMILIES"):
        successors._network(row | {"name": "MobileNet V9"})


def test_what_papers_print_comes_out_or_does_not():
    verdicts = {network.name: (network.macs.verdict, network.params.verdict) for network in successors.networks()}
    assert verdicts == {
        "Xception": ("not checked", "equal"),
        "MobileNet V1": ("equal", "equal"),
        "MobileNet V2": ("equal another way", "equal another way"),
        "MobileNet V2 1.4": ("not reproduced", "not reproduced"),
        "ShuffleNet V2 1×": ("not reproduced", "equal"),
        "MnasNet-A1": ("equal", "equal"),
        "MobileNet V3-Large": ("not reproduced", "equal another way"),
        "MobileNet V3-Small": ("equal another way", "equal"),
        "EfficientNet-B0": ("equal", "equal"),
        "RepVGG-A0": ("equal", "equal another way"),
        "ConvNeXt-T": ("equal", "equal"),
        "MobileNetV4-Conv-S": ("equal", "equal"),
        "MobileNetV4-Conv-M": ("equal another way", "not reproduced"),
    }


def test_what_is_printed_elsewhere_comes_out_or_does_not():
    verdicts = {network.name: network.elsewhere.verdict for network in successors.networks() if network.elsewhere}
    assert verdicts == {
        "Xception": "equal",
        "MobileNet V1": "not reproduced",
        "MobileNet V2": "equal another way",
        "MobileNet V2 1.4": "equal",
        "MnasNet-A1": "not reproduced",
        "MobileNet V3-Large": "equal",
        "MobileNet V3-Small": "not reproduced",
    }
    printed = {checkpoint.name: checkpoint.macs.printed for checkpoint in successors.checkpoints()}
    assert BY_NAME["MobileNet V2"].elsewhere.printed == printed["1.0 MobileNetV2-224"]
    assert BY_NAME["MobileNet V2 1.4"].elsewhere.printed == printed["1.4 MobileNetV2-224"]


def test_v3_small_printed_2_9_million_parameters_when_its_last_layer_had_1280_channels():
    printed = BY_NAME["MobileNet V3-Small"].params
    channels, more = 576, 1280 - 1024  # weights into the wider layer and out of it, and its biases
    earlier = printed.ours + more * (channels + 1 + 1000)
    assert f"{printed.ours / 1e6:.1f}" == printed.printed == "2.5"
    assert f"{earlier / 1e6:.1f}" == "2.9"


def test_v3_small_has_no_squeeze_excite_at_its_last_convolution():
    """Although the paper's Table 2 marks one: with it the printed parameters would not come out."""
    printed = BY_NAME["MobileNet V3-Small"].params
    excite = linear_cost(576, 144) + linear_cost(144, 576)
    assert f"{printed.ours / 1e6:.1f}" == "2.5"
    assert f"{(printed.ours + excite.params) / 1e6:.1f}" == "2.7"


def test_no_paper_of_these_prints_flops_whatever_it_calls_them():
    for network in successors.networks():
        assert not any(way.startswith("FLOPs") for way in network.macs.agrees)
    assert sum("FLOP" in network.macs.quantity.upper() for network in successors.networks()) == 4


def test_every_released_mobilenet_v2_has_its_printed_macs_once_digits_are_cut_off():
    assert len(successors.checkpoints()) == 22
    for checkpoint in successors.checkpoints():
        assert floor(checkpoint.macs.ours_in_unit) == int(checkpoint.macs.printed)


def test_every_released_mobilenet_v2_has_its_printed_parameters_as_bare_weights():
    for checkpoint in successors.checkpoints():
        assert f"{checkpoint.architecture.weights / 1e6:.2f}" == checkpoint.params.printed
        assert checkpoint.params.verdict == "equal"


def test_the_first_block_has_no_expansion_or_the_network_would_not_cost_300_million():
    first = mobilenet_v2().blocks[0]
    assert [layer.name for layer in first.layers] == ["blocks.0.depthwise", "blocks.0.project"]
    with_expansion = mobilenet_v2().cost.macs + 32 * 32 * 112 * 112
    assert with_expansion == 313_619_328


def test_seventeen_blocks_and_a_last_convolution():
    network = mobilenet_v2()
    assert len(network.blocks) == sum(repeats for _, _, repeats, _ in TABLE_2) + 1 == 18
    assert network.pooling.input_size == (7, 7)
    for before, after in zip(network.layers, network.layers[1:], strict=False):
        assert after.in_channels == before.out_channels
        assert after.input_size == (before.output_size if after.kind != "classifier" else (1, 1))


@pytest.mark.parametrize(("stride", "expansion"), [(1, 6), (2, 6), (1, 1), (2, 3)])
def test_an_inverted_residual_costs_what_its_modules_cost(stride, expansion):
    wide = 8 * expansion
    convolutions = [nn.Conv2d(8, wide, 1, bias=False)] if expansion > 1 else []
    convolutions += [
        nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False),
        nn.Conv2d(wide, 12, 1, bias=False),
    ]
    module = nn.Sequential(*(part for conv in convolutions for part in (conv, nn.BatchNorm2d(conv.out_channels))))
    layers = successors.inverted_residual("block", 8, 12, stride, expansion, (9, 14))
    assert sum((layer.cost for layer in layers), Cost()) == count_cost(module, (8, 9, 14))


def test_widths_are_rounded_to_the_nearest_multiple_of_eight_but_lose_no_tenth():
    for channels in range(1, 2000):
        width = round_width(channels)
        assert width % 8 == 0
        assert width >= 0.9 * channels
        nearest = max(8, min(range(0, channels + 8, 8), key=lambda m, c=channels: (abs(m - c), -m)))
        assert width == nearest or (nearest < 0.9 * channels and width == nearest + 8)


def test_a_network_costs_the_sum_of_its_kinds():
    for network in successors.networks():
        assert sum(network.cost_by_kind().values(), Cost()) == network.cost


BUILT = {
    "MobileNet V2": mobilenet_v2,
    "MobileNet V3-Large": successors.mobilenet_v3_large,
    "MobileNet V3-Large minimalistic": partial(successors.mobilenet_v3_large, minimalistic=True),
    "MobileNet V3-Small": successors.mobilenet_v3_small,
    "MobileNet V3-Small minimalistic": partial(successors.mobilenet_v3_small, minimalistic=True),
    "MnasNet-A1": successors.mnasnet_a1,
    "EfficientNet-B0": successors.efficientnet_b0,
    "RepVGG-A0": successors.repvgg_a0,
    "MobileNetV4-Conv-S": successors.mobilenet_v4_conv_s,
    "MobileNetV4-Conv-M": successors.mobilenet_v4_conv_m,
}


@pytest.mark.parametrize("name", BUILT)
def test_each_network_is_built_and_run_as_it_is_costed(name):
    data = BUILT[name](resolution=96, num_classes=10)
    network = MobileNet(data).eval()
    assert count_cost(network, (3, 96, 96)) == data.cost
    with torch.no_grad():
        logits = network(torch.rand(2, 3, 70, 96))
    assert logits.shape == (2, 10)
    assert logits.isfinite().all()


@pytest.mark.parametrize("name", BUILT)
def test_each_network_folds_draws_and_times_its_layers(name):
    torch.manual_seed(0)
    data = BUILT[name](resolution=64, num_classes=10)
    network = MobileNet(data).train()
    with torch.no_grad():
        network(torch.rand(8, 3, 64, 64))  # statistics
        network.eval().double()
        images = torch.rand(2, 3, 64, 64, dtype=torch.float64)
        folded = fold_batch_norms(network)
        torch.testing.assert_close(folded(images), network(images))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    figure, axes = plt.subplots()
    draw_network(axes, data)
    assert len(axes.patches) == sum(layer.is_convolution for layer in data.layers)
    plt.close(figure)
    timed = [timing.layer for timing in time_layers(network.float(), rounds=1, warm_up=1)]
    assert timed == [layer for layer in data.layers if layer.cost.macs]


@pytest.mark.parametrize("checkpoint", successors.checkpoints(), ids=lambda checkpoint: checkpoint.name)
def test_every_released_mobilenet_v2_is_built_as_it_is_costed(checkpoint):
    data = checkpoint.architecture
    with torch.device("meta"):
        network = MobileNet(data).eval()
    assert count_cost(network, (3, checkpoint.resolution, checkpoint.resolution)) == data.cost


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            successors.shufflenet_v2(),
            "'blocks.1.expand' must read what 'blocks.1.left_pointwise' writes, .* builds no branches",
        ),
        (successors.xception(), "'blocks.1.depthwise0' must read what 'blocks.1.shortcut' writes"),
        (successors.convnext_t(), "'stem' has layer norm or learned scales, which MobileNet counts and cannot build"),
    ],
    ids=["ShuffleNet V2", "Xception", "ConvNeXt-T"],
)
def test_what_can_only_be_counted_is_refused_with_the_reason(data, message):
    with pytest.raises(ValueError, match=message):
        MobileNet(data)


def test_a_relative_takes_three_lines():
    """MobileNet V2 0.5 with 5×5 filters is costed, built and drawn."""
    data = mobilenet_v2(0.5, kernel_size=5)
    network = MobileNet(data)
    draw_network(plt.figure().gca(), data)
    plt.close()
    assert count_cost(network, (3, 224, 224)) == data.cost
    assert data.cost.macs > mobilenet_v2(0.5).cost.macs
    assert {layer.kernel_size for layer in data.layers if layer.kind == "depthwise"} == {5}


def test_a_new_row_of_the_table_of_papers_needs_no_code():
    assert successors._architecture("MobileNet V2 0.5", 224) == mobilenet_v2(0.5)
    assert successors._architecture("MobileNet V3-Large 0.75", 224) == successors.mobilenet_v3_large(0.75)


def test_the_last_convolution_of_a_wide_mobilenet_v2_is_rounded():
    assert mobilenet_v2(1.01).classifier.in_channels == round_width(1280 * 1.01) == 1296


@pytest.mark.parametrize("row", phone_latencies(), ids=lambda row: row.name)
def test_the_networks_of_the_phone_table_cost_what_it_prints(row):
    """V2 digits cut off; V3 rounded; V3-Small of the table is that of an earlier version, with 1280 channels."""
    kind, _, minimalistic = row.family.partition(" ")
    build = getattr(successors, f"mobilenet_{kind.lower().replace('-', '_')}")
    more = {"minimalistic": True} if minimalistic else {}
    macs = build(row.width_multiplier, row.resolution, **more).cost.macs / 1e6
    if kind == "V3-Small":
        assert macs < row.million_macs < macs + 14
    else:
        assert abs(macs - row.million_macs) < 1


def test_no_two_classes_of_the_package_share_a_name():
    package = Path(successors.__file__).parent
    names = Counter(
        node.name
        for path in package.rglob("*.py")
        if "exercises" not in path.parts
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, times in names.items() if times > 1] == []


@pytest.mark.parametrize("width_multiplier", [0, -1.0, float("nan"), float("inf")])
def test_a_width_that_leaves_nothing_is_refused(width_multiplier):
    with pytest.raises(ValueError, match="width_multiplier"):
        mobilenet_v2(width_multiplier)


def test_a_width_that_is_no_number_is_refused():
    with pytest.raises(TypeError, match="width_multiplier"):
        mobilenet_v2("1.0")


def test_successors_need_no_torch():
    code = "import sys, mobilenet_edu.successors as s; s.networks(); print({'torch', 'numpy'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


@pytest.mark.parametrize("width_multiplier", [1.0, 0.75, 1.4])
def test_a_checkpoint_of_transformers_v2_gives_its_outputs(transformers, width_multiplier):
    torch.manual_seed(0)
    config = transformers.MobileNetV2Config(
        depth_multiplier=width_multiplier, num_labels=1001, finegrained_output=width_multiplier < 1
    )
    theirs = transformers.MobileNetV2ForImageClassification(config).double().train()
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    images = torch.rand(8, 3, 96, 96, dtype=torch.float64)
    with torch.no_grad():
        theirs(images)
        theirs.float().double().eval()  # numbers that float32, as it loads them, can hold
        expected = theirs(images).logits
        found = from_checkpoint(theirs.state_dict()).double()(images)
    assert ((found - expected).abs() / expected.std(0)).max() < 1e-6
