"""`explain` against what the counters printed, and in `make test-slow` against the counters themselves."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mobilenet_edu.architecture import mobilenet_v1
from mobilenet_edu.counting import CONVENTIONS, INGREDIENTS, explain, ingredients
from mobilenet_edu.network import ConvMobileNet, MobileNetV1

SCRIPT = Path(__file__).parents[1] / "experiments" / "counters.py"
specification = importlib.util.spec_from_file_location("counters", SCRIPT)
counters = importlib.util.module_from_spec(specification)
specification.loader.exec_module(counters)

STORED = json.loads(counters.RESULTS.read_text(encoding="utf-8"))
BY_NAME = {convention.name: convention for convention in CONVENTIONS}


def named(sentences):
    return {sentence.split(": ")[0] for sentence in sentences}


@pytest.mark.parametrize("seed", range(counters.CHAINS))
def test_each_counter_of_a_made_up_network_is_rebuilt_exactly(seed):
    model, input_size, batch_size, _ = counters.chain(seed)
    of = ingredients(model, input_size)
    printed = STORED["chains"][seed]
    assert {name: BY_NAME[name].number(of, batch_size) for name in printed} == printed


def test_each_counter_of_the_sixteen_mobilenets_is_rebuilt_exactly():
    with torch.device("meta"):
        networks = counters.mobilenets()
    for name, model, input_size in networks:
        of = ingredients(model, input_size)
        printed = STORED["mobilenets"][name]
        assert {name: BY_NAME[name].number(of) for name in printed} == printed


@pytest.mark.parametrize("seed", range(0, counters.CHAINS, 20))
def test_explain_names_every_convention_that_fits_and_no_other(seed):
    model, input_size, batch_size, _ = counters.chain(seed)
    of = ingredients(model, input_size)
    numbers = {convention.name: convention.number(of, batch_size) for convention in CONVENTIONS}
    for number in numbers.values():
        fits = {name for name, other in numbers.items() if other == number}
        assert named(explain(model, input_size, number, batch_size)) == fits
        if number + 1 not in numbers.values():
            assert explain(model, input_size, number + 1, batch_size) == []


def test_the_generated_networks_reach_every_ingredient_and_both_modes():
    chains = [counters.chain(seed) for seed in range(counters.CHAINS)]
    reached = {name for model, size, *_ in chains for name, amount in ingredients(model, size).items() if amount}
    assert reached == set(INGREDIENTS)
    assert {batch for _, _, batch, _ in chains} == {1, 8}
    assert {training for *_, training in chains} == {True, False}


def test_the_numbers_worked_out_by_hand_for_the_full_network():
    of = ingredients(MobileNetV1(), (3, 224, 224))
    expected = {
        "this book, and calflops' MACs": 568_740_352,
        "FlopCounterMode of PyTorch": 1_137_480_704,
        "torchinfo": 568_763_240,
        "ptflops, aten backend": 568_741_352,
        "fvcore": 578_875_904,
        "thop": 588_962_304,
        "ptflops, pytorch backend": 589_012_456,
        "calflops' FLOPs": 1_152_658_944,
        "parameters": 4_231_976,
        "weights, as the paper counts parameters": 4_209_088,
    }
    assert {name: BY_NAME[name].number(of) for name in expected} == expected


def test_torchinfo_counts_the_biases_of_convolutions_at_every_pixel():
    of = ingredients(MobileNetV1(101, bias=True), (3, 224, 224))
    assert BY_NAME["torchinfo"].number(of) == 572_884_453


def test_the_ingredients_agree_with_the_architecture():
    of = ingredients(MobileNetV1(10, 0.5), (3, 96, 96))
    architecture = mobilenet_v1(0.5, 96, 10)
    assert of["macs"] == architecture.cost.macs
    assert of["linear_macs"] == architecture.classifier.cost.macs
    assert of["weights"] == architecture.weights


def test_an_ambiguous_number_names_all_that_fit():
    conv = nn.Conv2d(3, 8, 3, bias=False)
    counters_of_macs = {
        "this book, and calflops' MACs",
        "torchinfo",
        "fvcore",
        "fvcore in training mode",
        "thop",
        "ptflops, aten backend",
        "ptflops, pytorch backend",
        "MACs without linear layers",
    }
    assert named(explain(conv, (3, 6, 6), 3456)) == counters_of_macs
    assert explain(conv, (3, 6, 6), 3457) == []


def test_the_paper_counts_the_dense_twin_without_its_classifier():
    with torch.device("meta"):
        twin = ConvMobileNet()
    assert explain(twin, (3, 224, 224), 4_866_269_184) == [
        "MACs without linear layers: MACs of convolutions and linear layers - MACs of linear layers"
    ]


def test_a_larger_batch_has_more_macs_but_no_more_parameters():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    params, weights = 8 * 27 + 8 + 16, 8 * 27
    assert named(explain(model, (3, 6, 6), params, batch_size=8)) == {"parameters"}
    assert named(explain(model, (3, 6, 6), weights, batch_size=8)) == {"weights, as the paper counts parameters"}
    assert "fvcore" in named(explain(model, (3, 6, 6), 8 * (weights * 16 + 2 * 8 * 16), batch_size=8))


def test_a_formula_leaves_out_what_the_network_does_not_have():
    of = ingredients(nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.ReLU()), (3, 6, 6))
    formulas = {name: convention.formula(of) for name, convention in BY_NAME.items()}
    assert formulas["thop"] == "MACs of convolutions and linear layers"
    assert formulas["ptflops, pytorch backend"].endswith(" + 2 × elements entering ReLU")
    assert BY_NAME["parameters"].formula(dict.fromkeys(INGREDIENTS, 0)) == "nothing"


class FunctionalReLU(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1)

    def forward(self, x):
        return F.relu(self.conv(x))


class Recurrent(nn.Conv2d):
    pass


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (nn.Sequential(nn.Conv2d(1, 1, 1), nn.Sigmoid()), "Sigmoid"),
        (nn.ConvTranspose2d(1, 1, 1), "ConvTranspose2d"),
        (Recurrent(1, 1, 1), "Recurrent"),
        (FunctionalReLU(), "relu"),
        (nn.AdaptiveAvgPool2d(3), r"\(8, 8\) to \(3, 3\)"),
    ],
)
def test_what_it_does_not_understand_is_refused_by_name(model, name):
    with pytest.raises(NotImplementedError, match=name):
        explain(model, (1, 8, 8), 64)


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.unused = nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3, 2)

    def forward(self, x):
        return self.used(x)


TWICE = nn.Conv2d(1, 1, 1)
TIED = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1))
TIED[1].weight = TIED[0].weight


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Unused(), "'unused.weight', which is used 0 times"),
        (nn.Sequential(TWICE, TWICE), "'0.weight', which is used 2 times"),
        (TIED, "'0.weight', which is used 2 times"),
    ],
)
def test_a_parameter_that_is_not_used_exactly_once_is_refused(model, message):
    with pytest.raises(NotImplementedError, match=message):
        explain(model, (1, 8, 8), 64)


def test_a_layer_may_be_called_by_keyword():
    class Keyword(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)

        def forward(self, x):
            return self.conv(input=x)

    assert ingredients(Keyword(), (1, 8, 8)) == ingredients(nn.Conv2d(1, 2, 3), (1, 8, 8))


def test_a_model_is_a_built_module():
    with pytest.raises(TypeError, match=r"model=.* must be a built nn.Module"):
        explain(MobileNetV1, (3, 8, 8), 64)


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    explain(model, (1, 8, 8), 1)
    with pytest.raises(NotImplementedError):
        explain(nn.Sequential(model, nn.GELU()), (1, 8, 8), 1)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("number", "batch_size", "error", "message"),
    [
        (1.0, 1, TypeError, "number=1.0 must be an int"),
        ("569M", 1, TypeError, "number='569M' must be an int"),
        (-1, 1, ValueError, "number=-1 must be at least 0"),
        (1, 0, ValueError, "batch_size=0 must be at least 1"),
        (1, True, TypeError, "batch_size=True must be an int"),
    ],
)
def test_bad_input_is_refused_by_name(number, batch_size, error, message):
    with pytest.raises(error, match=message):
        explain(nn.ReLU(), (1, 8, 8), number, batch_size)


@pytest.mark.slow
def test_the_counters_still_print_what_is_stored(tmp_path):
    path = tmp_path / "counters.json"
    subprocess.run(
        [sys.executable, "-W", "ignore", SCRIPT, path], check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert json.loads(path.read_text(encoding="utf-8")) == STORED
