"""What the paper prints, and what of it comes out: each number of the facts is computed again and asserted."""

import subprocess
import sys
from collections import Counter
from fractions import Fraction

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mobilenet_edu import paper
from mobilenet_edu.architecture import conv_mobilenet, from_table, mobilenet_v1, separable_block
from mobilenet_edu.cost import Cost


def figure(where, quantity):
    (found,) = [f for f in paper.figures(where) if f.quantity == quantity]
    return found


def peer(name, resolution=None):
    return sum((cost for _, cost in paper.peer_layers(name, resolution)), Cost())


def test_it_needs_only_the_standard_library():
    code = (
        "import sys; before = set(sys.modules); import mobilenet_edu.paper as p; p.figures();"
        "print({m.partition('.')[0] for m in set(sys.modules) - before} - set(sys.stdlib_module_names))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "{'mobilenet_edu'}\n"


# Table 1


def test_our_layers_are_table_1_but_for_one_stride():
    printed = [row for group in paper.tables()["Table 1"] for _ in range(group["times"]) for row in group["layers"]]
    ours = paper.table_1_rows(mobilenet_v1())
    assert printed.pop()[0] == "softmax"
    assert len(ours) == len(printed) == 29
    different = [(a, b) for a, b in zip(ours, printed, strict=True) if a != b]
    assert different == [(["depthwise", 1, "3x3x1024", "7x7x1024"], ["depthwise", 2, "3x3x1024", "7x7x1024"])]


def test_the_stride_as_printed_shrinks_the_maps_to_4x4_and_the_cost():
    literal = from_table(paper.TABLE_1_AS_PRINTED, separable_block)
    assert literal.blocks[-1][-1].output_size == (4, 4)
    assert literal.cost.macs == 533_833_216
    assert literal.weights == mobilenet_v1().weights
    assert paper.table_1_rows(literal)[-3][3] == "4x4x1024"  # where Table 1 itself prints 7x7x1024


# Verdicts


@pytest.mark.parametrize(
    ("printed", "ours", "agrees"),
    [
        ("569", 568_740_352, ("c",)),
        ("568", 568_740_352, ("c, cut off",)),
        ("567", 568_740_352, ()),
        ("0.5", 450_000, ("c",)),  # a half is rounded up
        ("0.5", 449_999, ()),
        ("0.50", 495_000, ("c",)),  # more digits, less room
        ("0.50", 494_999, ()),
        ("720", 724_400_000, ("c, to 2 digits",)),
        ("720", 725_000_000, ()),
        ("720.0", 724_400_000, ()),  # zeros after the point are digits
        ("60", 60_970_000, ("c, cut off", "c, to 1 digit")),
        (">2.5", 2_500_000, ()),
        (">2.5", 2_500_001, ("c",)),
    ],
)
def test_a_printed_number_is_compared_by_its_digits(printed, ours, agrees):
    assert paper.Figure("here", "it", printed, "million", (("c", ours),)).agrees == agrees


def test_the_verdict_follows_from_the_conventions():
    counts = (("first", 7_400_000), ("second", 9_900_000))
    verdicts = [paper.Figure("here", "it", printed, "million", counts).verdict for printed in ("7", "10", "9", "8")]
    assert verdicts == ["equal", "equal another way", "equal another way", "not reproduced"]
    assert paper.Figure("here", "it", "7", "million").verdict == "not checked"


def test_a_place_without_printed_figures_is_named():
    with pytest.raises(ValueError, match="Table 11"):
        paper.figures("Table 11")


def test_every_printed_cost_of_the_tables_has_its_figure():
    for table, rows in paper.tables().items():
        if table.startswith("Table") and table != "Table 1":
            printed = Counter(row[key] for row in rows.values() for key in ("mult_adds", "params"))
            more = Counter(["0.714"] if table == "Table 3" else [])
            assert Counter(f.printed for f in paper.figures(table)) == printed + more
    assert len(paper.figures("Checkpoints")) == 2 * len(paper.released()) == 32


def test_what_does_not_reproduce_is_this_and_nothing_else():
    assert [(f.where, f.quantity, f.printed) for f in paper.figures() if f.verdict == "not reproduced"] == [
        ("Table 1", "stride of the last depthwise layer", "2"),
        ("Table 2", "Conv 3×3, mult-adds", "1.19"),
        ("Table 8", "GoogLeNet, mult-adds", "1550"),
        ("Table 8", "GoogLeNet, parameters", "6.8"),
        ("Table 12", "0.25 MobileNet-224, mult-adds", "45"),
        ("Table 12", "0.25 MobileNet-128, mult-adds", "15"),
        ("Table 14", "1.0 MobileNet-160, mult-adds", "286"),
        ("Table 14", "0.75 MobileNet-128, second row, mult-adds", "108"),
        ("Section 4.5", "baseline classifier, parameters", "75"),
        ("Checkpoints", "0.25 MobileNet-192, MACs", "34"),
    ]


@pytest.mark.parametrize("table", ["Table 3", "Table 5", "Table 6"])
def test_these_tables_reproduce_to_the_digit(table):
    assert {f.verdict for f in paper.figures(table)} == {"equal"}


@pytest.mark.parametrize(
    ("where", "quantity", "ours", "way"),
    [
        ("Table 4", "Conv MobileNet, mult-adds", 4_867_293_184, "MACs without the classifier"),
        ("Table 7", "1.0 MobileNet-160, mult-adds", 290_675_200, "MACs without the classifier"),
        ("Table 7", "1.0 MobileNet-160, mult-adds", 290_675_200, "MACs, cut off"),
        ("Table 8", "VGG16, mult-adds", 15_470_264_320, "MACs of the convolutions, to 3 digits"),
        ("Table 9", "0.5 MobileNet-160, mult-adds", 76_524_800, "MACs without the classifier"),
        ("Table 9", "SqueezeNet, mult-adds", 832_667_936, "FLOPs, to 2 digits"),
        ("Table 9", "AlexNet, mult-adds", 724_406_816, "MACs, to 2 digits"),
        ("Table 9", "AlexNet, parameters", 60_965_224, "weights and biases, cut off"),
        ("Table 10", "1.0 MobileNet-224, mult-adds", 567_839_232, "MACs with 1000 classes"),
        ("Table 10", "1.0 MobileNet-192, mult-adds", 417_220_608, "MACs with 1000 classes"),
        ("Table 12", "0.5 MobileNet-128, mult-adds", 48_648_192, "MACs without the classifier, cut off"),
        ("Table 14", "0.75 MobileNet-128, mult-adds", 106_002_432, "MACs without the classifier at 160 pixels"),
        ("Section 4.4", "PlaNet MobileNet, mult-adds", 577_716_352, "the same in billion"),
        ("Checkpoints", "0.75 MobileNet-224, MACs", 325_400_448, "MACs without the first convolution"),
        ("Checkpoints", "0.75 MobileNet-192, MACs", 239_273_472, "MACs without the first convolution"),
        ("Checkpoints", "0.75 MobileNet-160, MACs", 166_396_800, "MACs without the first convolution"),
        ("Checkpoints", "0.75 MobileNet-128, MACs", 106_770_432, "MACs without the first convolution"),
        ("Checkpoints", "0.5 MobileNet-224, MACs", 149_497_088, "MACs, to 2 digits"),
    ],
)
def test_these_come_out_another_way(where, quantity, ours, way):
    found = figure(where, quantity)
    assert (found.ours, found.verdict) == (ours, "equal another way")
    assert way in found.agrees


def test_a_conventions_own_numbers():
    dense = conv_mobilenet()
    assert dense.cost.macs - dense.classifier.cost.macs == 4_866_269_184
    assert dict(figure("Table 7", "1.0 MobileNet-160, mult-adds").counts)["MACs without the classifier"] == 289_651_200
    assert figure("Table 14", "1.0 MobileNet-160, mult-adds").ours == 289_651_200
    assert figure("Table 14", "0.75 MobileNet-128, second row, mult-adds").ours == 106_002_432
    assert (
        dict(figure("Table 14", "0.75 MobileNet-128, mult-adds").counts)["MACs without the classifier at 160 pixels"]
        == 165_628_800
    )
    assert figure("Table 12", "0.25 MobileNet-224, mult-adds").ours == 40_774_272
    assert figure("Table 12", "0.25 MobileNet-128, mult-adds").ours == 13_314_048
    assert figure("Table 3", "ρ").ours == Fraction(5, 7)


def test_the_checkpoints_parameters_come_out_one_way():
    ways = [set(f.agrees) for f in paper.figures("Checkpoints") if f.quantity.endswith("parameters")]
    (way,) = set.intersection(*ways)
    assert way == "weights, biases and three numbers per channel of batch norm, 1001 classes"
    full = dict(figure("Checkpoints", "1.0 MobileNet-224, parameters").counts)[way]
    assert full == 4_209_088 + 1024 + 1001 + 3 * (4_231_976 - 4_209_088 - 1000) // 2


def test_table_2_is_reproduced_by_the_bare_weights_and_its_swapped_digits_do_not_add_up():
    shares = {f.quantity: f for f in paper.figures("Table 2")}
    assert [f.convention for f in shares.values() if f.verdict == "equal"] == [
        *["share of the MACs", "share of the bare weights"] * 2,
        "share of the bare weights",
        *["share of the MACs", "share of the bare weights"],
    ]
    assert round(float(shares["Conv 3×3, mult-adds"].ours_in_unit), 4) == 1.9056
    printed = [Fraction(row["mult_adds"]) for row in paper.tables()["Table 2"].values()]
    assert sum(printed) == Fraction("99.29")
    swapped = sum(printed) - Fraction("1.19") + Fraction("1.91")
    assert round(float(swapped), 1) == 100.0
    assert "share of all learned parameters" not in shares["Conv 1×1, parameters"].agrees
    learned = [dict(f.counts)["share of all learned parameters"] for f in shares.values() if "parameters" in f.quantity]
    assert sum(learned) == 1


def test_sixteen_networks_were_released_with_their_own_accuracies():
    checkpoints = paper.released()
    assert {(c.width_multiplier, c.resolution) for c in checkpoints} == {
        (a, r) for a in (1.0, 0.75, 0.5, 0.25) for r in (224, 192, 160, 128)
    }
    assert len(checkpoints) == 16
    accuracy = {c.name: c.top1_percent for c in checkpoints}
    in_the_paper = {n: float(row["accuracy"]) for t in ("Table 6", "Table 7") for n, row in paper.tables()[t].items()}
    same = [name for name, printed in in_the_paper.items() if accuracy[name] == printed]
    assert same == ["0.75 MobileNet-224"]
    assert all(c.top1_percent_quantized < c.top1_percent < c.top5_percent for c in checkpoints)


# The claims in the text


def test_how_far_the_approximations_of_the_multipliers_are_off():
    full = mobilenet_v1()
    half, quarter = mobilenet_v1(0.5), mobilenet_v1(0.25)
    assert round(full.cost.macs / half.cost.macs, 2) == 3.80
    assert round(full.cost.macs / quarter.cost.macs, 1) == 13.9
    assert round(full.weights / quarter.weights, 1) == 9.1
    assert round(full.cost.params / quarter.cost.params, 1) == 9.0


def test_eight_to_nine_times_is_rounded_and_no_block_reaches_nine():
    least, most = (f.ours for f in paper.figures("Section 3.1"))
    assert (round(float(least), 2), round(float(most), 2)) == (7.89, 8.92)
    dense, network = conv_mobilenet(), mobilenet_v1()
    assert round(dense.cost.macs / network.cost.macs, 2) == 8.56
    assert round(dense.weights / network.weights, 2) == 6.96


def test_against_squeezenet_it_is_half_of_22_times():
    found = figure("Section 4.2", "less compute than SqueezeNet")
    assert round(float(found.ours), 1) == 10.9
    assert found.agrees == ("printed by printed", "SqueezeNet's FLOPs by our MACs")


# The peers, against published counts and against torch


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("VGG16", 138_357_544),
        ("GoogLeNet", 6_998_552),
        ("SqueezeNet", 1_248_424),
        ("AlexNet", 60_965_224),
    ],
)
def test_the_peers_have_the_parameters_of_their_published_models(name, params):
    assert peer(name).params == params


def test_the_peers_mult_adds():
    millions = {name: round(peer(name).macs / 10**6, 1) for name in ("VGG16", "GoogLeNet", "SqueezeNet", "AlexNet")}
    assert millions == {"VGG16": 15470.3, "GoogLeNet": 1582.7, "SqueezeNet": 832.7, "AlexNet": 724.4}
    assert round(peer("SqueezeNet", 224).macs / 10**6) == 819
    convolutions = sum(cost.macs for kind, cost in paper.peer_layers("VGG16") if kind == "conv")
    assert round(convolutions / 10**6) == 15347
    googlenet = dict(figure("Table 8", "GoogLeNet, mult-adds").counts)
    assert googlenet["MACs"] - googlenet["MACs of the convolutions"] == 1024 * 1000


@pytest.mark.parametrize(
    ("name", "resolution", "error", "message"),
    [
        ("VGG", None, ValueError, "name='VGG' must be one of VGG16, AlexNet, SqueezeNet, GoogLeNet"),
        ("VGG16", (224, 224), TypeError, r"resolution=\(224, 224\) must be an int, not tuple"),
        ("AlexNet", 0, ValueError, "resolution=0 must be at least 1"),
    ],
)
def test_a_peer_that_is_none_is_refused(name, resolution, error, message):
    with pytest.raises(error, match=message):
        paper.peer_layers(name, resolution)


def macs_in_torch(model, size):
    with FlopCounterMode(display=False) as counter, torch.device("meta"):
        model.to("meta")(torch.empty(1, 3, size, size))
    return counter.get_total_flops() // 2


def test_vgg16_is_torchs():
    layers, channels = [], 3
    for width, times in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(times):
            layers.append(nn.Conv2d(channels, width, 3, padding=1, device="meta"))
            channels = width
        layers.append(nn.MaxPool2d(2))
    head = [nn.Linear(a, b, device="meta") for a, b in ((25088, 4096), (4096, 4096), (4096, 1000))]
    assert macs_in_torch(nn.Sequential(*layers, nn.Flatten(), *head), 224) == peer("VGG16").macs


def test_alexnet_is_torchs():
    model = nn.Sequential(
        *[nn.Conv2d(3, 96, 11, 4), nn.MaxPool2d(3, 2), nn.Conv2d(96, 256, 5, padding=2, groups=2), nn.MaxPool2d(3, 2)],
        *[nn.Conv2d(256, 384, 3, padding=1), nn.Conv2d(384, 384, 3, padding=1, groups=2)],
        *[nn.Conv2d(384, 256, 3, padding=1, groups=2), nn.MaxPool2d(3, 2), nn.Flatten()],
        *[nn.Linear(9216, 4096), nn.Linear(4096, 4096), nn.Linear(4096, 1000)],
    )
    assert macs_in_torch(model, 227) == peer("AlexNet").macs


class Branches(nn.Module):
    """Reads one map with several paths and stacks what they write."""

    def __init__(self, *paths):
        super().__init__()
        self.paths = nn.ModuleList(paths)

    def forward(self, x):
        return torch.cat([path(x) for path in self.paths], dim=1)


def test_squeezenet_is_torchs():
    def fire(channels, squeeze, wide):
        expand = Branches(nn.Conv2d(squeeze, wide, 1), nn.Conv2d(squeeze, wide, 3, padding=1))
        return nn.Sequential(nn.Conv2d(channels, squeeze, 1), expand)

    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    model = nn.Sequential(
        *[nn.Conv2d(3, 96, 7, 2), pool, fire(96, 16, 64), fire(128, 16, 64), fire(128, 32, 128), pool],
        *[fire(256, 32, 128), fire(256, 48, 192), fire(384, 48, 192), fire(384, 64, 256), pool],
        *[fire(512, 64, 256), nn.Conv2d(512, 1000, 1), nn.AdaptiveAvgPool2d(1)],
    )
    assert macs_in_torch(model, 227) == peer("SqueezeNet").macs
    assert macs_in_torch(model, 224) == peer("SqueezeNet", 224).macs
    assert sum(p.numel() for p in model.parameters()) == peer("SqueezeNet").params


def test_googlenet_is_torchs():
    def inception(channels, first, reduce_3, wide_3, reduce_5, wide_5, pooled):
        return Branches(
            nn.Conv2d(channels, first, 1),
            nn.Sequential(nn.Conv2d(channels, reduce_3, 1), nn.Conv2d(reduce_3, wide_3, 3, padding=1)),
            nn.Sequential(nn.Conv2d(channels, reduce_5, 1), nn.Conv2d(reduce_5, wide_5, 5, padding=2)),
            nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(channels, pooled, 1)),
        )

    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    model = nn.Sequential(
        *[nn.Conv2d(3, 64, 7, 2, 3), pool, nn.Conv2d(64, 64, 1), nn.Conv2d(64, 192, 3, padding=1), pool],
        *[inception(192, 64, 96, 128, 16, 32, 32), inception(256, 128, 128, 192, 32, 96, 64), pool],
        *[inception(480, 192, 96, 208, 16, 48, 64), inception(512, 160, 112, 224, 24, 64, 64)],
        *[inception(512, 128, 128, 256, 24, 64, 64), inception(512, 112, 144, 288, 32, 64, 64)],
        *[inception(528, 256, 160, 320, 32, 128, 128), pool],
        *[inception(832, 256, 160, 320, 32, 128, 128), inception(832, 384, 192, 384, 48, 128, 128)],
        *[nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 1000)],
    )
    assert macs_in_torch(model, 224) == peer("GoogLeNet").macs
    assert sum(p.numel() for p in model.parameters()) == peer("GoogLeNet").params


def test_no_single_convention_gives_all_mult_adds_of_the_imagenet_tables():
    rows = [
        set(f.agrees)
        for table in ("Table 4", "Table 5", "Table 6", "Table 7")
        for f in paper.figures(table)
        if f.quantity.endswith("mult-adds")
    ]
    assert all(rows)
    assert not set.intersection(*rows)
