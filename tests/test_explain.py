"""`explain` against what the counters printed, and in `make test-slow` against the counters themselves."""

import importlib.util
import json
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import prune

from mobilenet_edu.architecture import mobilenet_v1
from mobilenet_edu.counting import CONVENTIONS, INGREDIENTS, explain, ingredients, nearest
from mobilenet_edu.network import ConvMobileNet, MobileNetV1

SCRIPT = Path(__file__).parents[1] / "experiments" / "counters.py"
specification = importlib.util.spec_from_file_location("counters", SCRIPT)
counters = importlib.util.module_from_spec(specification)
specification.loader.exec_module(counters)

STORED = json.loads(counters.RESULTS.read_text(encoding="utf-8"))
BY_NAME = {convention.name: convention for convention in CONVENTIONS}
PRINTED = {
    name
    for sections in STORED.values()
    for section in sections.values()
    for said in (section.values() if isinstance(section, dict) else section)
    for name in said or ()
}
NOT_STORED = {
    "this book": "count_cost itself, held against FlopCounterMode by its own tests",
    "MACs without linear layers": "no tool's, but how the paper counts its dense twin",
    "parameters": "no tool's: PyTorch's own, compared below",
    "weights, as the paper counts parameters": "no tool's, but what the paper prints",
}


def named(sentences):
    return {sentence.split(": ")[0] for sentence in sentences}


def said_of(section, key):
    """What all counters printed for one network, by the name of their convention."""
    said = {}
    for sections in STORED.values():
        values = sections[section]
        if isinstance(values, dict) or key < len(values):
            said |= (values.get(key) if isinstance(values, dict) else values[key]) or {}
    return said


def compared(case, printed):
    """Asserts that each convention which knows the network gives what was printed; returns how many those are."""
    of = ingredients(case.model, case.input_size)
    known = {name: number for name, number in printed.items() if not BY_NAME[name].unknown(of)}
    assert {name: BY_NAME[name].number(of, case.batch) for name in known} == known
    return len(known)


def test_every_convention_is_in_the_stored_prints_or_says_why_not():
    unheard, unknown = set(BY_NAME) - PRINTED - set(NOT_STORED), PRINTED - set(BY_NAME)
    assert not unheard, (
        f"{sorted(unheard)} of data/counters.csv was held against no counter: let it print in experiments/counters.py, "
        "or say in NOT_STORED why nothing prints it"
    )
    assert not unknown, f"{sorted(unknown)} is printed, but has no column in data/counters.csv"
    assert not PRINTED & set(NOT_STORED), "what is printed needs no excuse"
    assert set(NOT_STORED) <= set(BY_NAME), "an excuse for what is not there"


@pytest.mark.parametrize("name", [each for each in BY_NAME if each not in NOT_STORED])
def test_each_convention_was_held_against_networks_and_not_only_single_layers(name):
    networks = [said_of(section, seed) for section in ("chains", "mixed") for seed in range(20)]
    assert sum(name in said for said in networks) >= 8


@pytest.mark.parametrize("seed", range(counters.CHAINS))
def test_each_counter_of_a_made_up_network_is_rebuilt_exactly(seed):
    assert compared(counters.chain(seed), said_of("chains", seed)) >= 8


@pytest.mark.parametrize("seed", range(counters.MIXED))
def test_each_counter_of_a_network_with_the_newer_layers_is_rebuilt_exactly(seed):
    assert compared(counters.mixed(seed), said_of("mixed", seed))


def test_each_counter_of_a_single_layer_is_rebuilt_exactly():
    cases = counters.layer_cases()
    numbers = sum(compared(case, said_of("layers", name)) for name, case in cases.items())
    assert numbers > 0.7 * sum(len(said_of("layers", name)) for name in cases)


def test_each_counter_of_the_sixteen_mobilenets_is_rebuilt_exactly():
    with torch.device("meta"):
        networks = counters.mobilenets()
    for name, model, input_size in networks:
        printed = said_of("mobilenets", name)
        assert compared(counters.Case(model, input_size), printed) >= 8


def test_the_number_that_a_counter_printed_for_mobilenet_names_that_counter():
    with torch.device("meta"):
        model = MobileNetV1()
    of = ingredients(model, (3, 224, 224))
    said = {name: number for name, number in said_of("mobilenets", "1.0-224").items() if not BY_NAME[name].unknown(of)}
    assert set(said) == {name for name in PRINTED if "training" not in name}
    for name, number in said.items():
        assert name in named(explain(model, (3, 224, 224), number))


@pytest.mark.parametrize("seed", range(0, counters.CHAINS, 20))
@pytest.mark.parametrize("make", [counters.chain, counters.mixed])
def test_explain_names_every_convention_that_fits_and_no_other(make, seed):
    model, input_size, batch_size, _ = make(seed)
    of = ingredients(model, input_size)
    numbers = {each.name: each.number(of, batch_size) for each in CONVENTIONS if not each.unknown(of)}
    for number in numbers.values():
        fits = {name for name, other in numbers.items() if other == number}
        assert named(explain(model, input_size, number, batch_size)) == fits
        if number + 1 not in numbers.values():
            assert explain(model, input_size, number + 1, batch_size) == []


class Pooled(nn.Module):
    """Pixels attend to pixels of a smaller map, of which each row is a column in memory."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, images):
        queries = self.conv(images)
        keys = F.avg_pool2d(queries, 2).flatten(2).mT[:, None]
        return F.scaled_dot_product_attention(queries.flatten(2).mT[:, None], keys, keys)


class OddNames(nn.Module):
    """A filter that is not called weight."""

    def __init__(self):
        super().__init__()
        self.w, self.b = nn.Parameter(torch.rand(8, 3, 3, 3)), nn.Parameter(torch.rand(8))

    def forward(self, images):
        return F.conv2d(input=images, weight=self.w, bias=self.b, stride=2)


def pruned():
    conv = nn.Conv2d(3, 8, 3)
    prune.l1_unstructured(conv, "weight", 0.5)
    return nn.Sequential(conv, nn.BatchNorm2d(8))


WORDED = [nn.Conv2d(3, 8, 3, padding="same"), nn.ReLU6()]
CEIL = [nn.Conv2d(3, 8, 3), nn.MaxPool2d(3, 2, ceil_mode=True), nn.AvgPool2d(2, 2, ceil_mode=True)]
FOUR_GROUPS = [nn.Conv2d(3, 8, 1), nn.ConvTranspose2d(8, 12, 3, 2, 1, 1, groups=4), nn.BatchNorm2d(12)]
# Networks that no rule was read off: their recipe, the size of their input, and what some counters print for one image.
UNSEEN = {
    "padding as a word": (
        lambda: nn.Sequential(*WORDED),
        (3, 8, 10),
        {"fvcore": 0, "mmengine": 0, "torchprofile": 0, "calflops' MACs": 17280, "calflops' FLOPs": 35200},
    ),
    "keys of another length": (
        Pooled,
        (3, 8, 10),
        {
            "FlopCounterMode of PyTorch": 85760,
            "ptflops, aten backend": 43520,
            "fvcore": 17280,
            "flops-profiler's FLOPs": 35200,
        },
    ),
    "a filter of another name": (OddNames, (3, 9, 11), {"torchinfo": 0, "flops-profiler's MACs": 0}),
    "a pruned layer": (pruned, (3, 8, 10), {"torchinfo": 5584, "torchprofile": 10968}),
    "pooling that rounds up": (lambda: nn.Sequential(*CEIL), (3, 9, 12), {"thop of Ultralytics": 15288}),
    "four groups": (lambda: nn.Sequential(*FOUR_GROUPS), (3, 8, 10), {"torchprofile": 282240}),
}


@pytest.mark.parametrize("name", UNSEEN)
def test_a_counter_of_a_new_kind_of_network_is_named_or_not_known_and_never_wrong(name):
    make, size, printed = UNSEEN[name]
    of = ingredients(make(), size)
    for counter, number in printed.items():
        assert BY_NAME[counter].unknown(of) or counter in named(explain(make(), size, number)), counter


def test_a_step_that_nobody_has_looked_at_is_refused():
    with pytest.raises(NotImplementedError, match="relu_ in Calls"):
        ingredients(Calls(lambda x: x.relu_()), (1, 8, 8))


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated:FutureWarning")
def test_a_weight_that_is_made_inside_a_layer_is_no_step_of_the_network():
    model = nn.Sequential(nn.utils.weight_norm(nn.Conv2d(3, 8, 3)), nn.ReLU())
    assert "fvcore" in named(explain(model, (3, 8, 10), 10368))
    assert BY_NAME["torchinfo"].unknown(ingredients(model, (3, 8, 10)))


def test_the_generated_networks_reach_every_ingredient_and_both_modes():
    chains = [counters.chain(seed) for seed in range(counters.CHAINS)]
    unseen = [counters.Case(make(), size) for make, size, _ in UNSEEN.values()]
    cases = [*chains, *counters.layer_cases().values(), *unseen]
    reached = {name for case in cases for name, amount in ingredients(case.model, case.input_size).items() if amount}
    assert reached == set(INGREDIENTS)
    assert {case.batch for case in chains} == {1, 8}
    assert {case.training for case in chains} == {True, False}


def test_the_numbers_worked_out_by_hand_for_the_full_network():
    of = ingredients(MobileNetV1(), (3, 224, 224))
    expected = {
        "this book": 568_740_352,
        "calflops' MACs": 568_740_352,
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
    assert of["conv_macs"] + of["linear_macs"] == architecture.cost.macs
    assert of["linear_macs"] == architecture.classifier.cost.macs
    assert of["weights"] == architecture.weights


def test_an_ambiguous_number_names_all_that_fit():
    conv = nn.Conv2d(3, 8, 3, bias=False)
    counters_of_macs = {"this book", "calflops' MACs", "torchinfo", "fvcore", "thop", "MACs without linear layers"}
    assert counters_of_macs <= named(explain(conv, (3, 6, 6), 3456))
    assert not {"FlopCounterMode of PyTorch", "calflops' FLOPs"} & named(explain(conv, (3, 6, 6), 3456))
    assert explain(conv, (3, 6, 6), 3457) == []


def test_the_paper_counts_the_dense_twin_without_its_classifier():
    with torch.device("meta"):
        twin = ConvMobileNet()
    assert explain(twin, (3, 224, 224), 4_866_269_184) == ["MACs without linear layers: MACs of convolutions"]


def test_a_larger_batch_has_more_macs_but_no_more_parameters():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    params, weights = 8 * 27 + 8 + 16, 8 * 27
    assert named(explain(model, (3, 6, 6), params, batch_size=8)) == {"parameters"}
    assert named(explain(model, (3, 6, 6), weights, batch_size=8)) == {"weights, as the paper counts parameters"}
    assert "fvcore" in named(explain(model, (3, 6, 6), 8 * (weights * 16 + 2 * 8 * 16), batch_size=8))


def test_a_formula_leaves_out_what_the_network_does_not_have():
    of = ingredients(nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.ReLU()), (3, 6, 6))
    formulas = {name: convention.formula(of) for name, convention in BY_NAME.items()}
    assert formulas["thop"] == "MACs of convolutions"
    assert "2 × elements entering ReLU" in formulas["ptflops, pytorch backend"]
    assert BY_NAME["parameters"].formula(dict.fromkeys(INGREDIENTS, 0)) == "nothing"


class Calls(nn.Module):
    """A convolution, and then whatever function is given."""

    def __init__(self, function):
        super().__init__()
        self.conv, self.function = nn.Conv2d(1, 1, 1), function

    def forward(self, x):
        return self.function(self.conv(x))


@pytest.mark.parametrize(
    ("function", "ingredient", "amount"),
    [
        (lambda x: F.relu(x), "called_relu_elements", 64),
        (torch.relu, "bare_relu_elements", 64),
        (lambda x: F.sigmoid(x), "called_sigmoid_elements", 64),
        (lambda x: x.sigmoid(), "bare_sigmoid_elements", 64),
        (lambda x: x + x, "sum_outputs", 64),
        (lambda x: torch.add(x, x), "called_sum_outputs", 64),
        (lambda x: x + 1, "shifted_outputs", 64),
        (lambda x: 2 * x, "scaled_outputs", 64),
        (lambda x: x * x, "product_outputs", 64),
        (lambda x: x * x.mean(2, keepdim=True), "gated_outputs", 64),
        (lambda x: x @ x, "matmul_macs", 512),
        (lambda x: torch.matmul(x, x), "called_matmul_macs", 512),
        (lambda x: torch.cat([x, x], 1), "joined_outputs", 128),
        (lambda x: F.pad(x, (1, 1, 1, 1)), "padded_outputs", 100),
        (lambda x: F.scaled_dot_product_attention(x, x, x), "attention_macs", 1024),
    ],
)
def test_what_a_module_calls_itself_is_an_ingredient_of_its_own(function, ingredient, amount):
    assert ingredients(Calls(function), (1, 8, 8))[ingredient] == amount


def test_a_sum_in_place_is_told_from_a_sum():
    of = ingredients(counters.Residual(nn.ReLU(), in_place=True), (1, 8, 8))
    assert (of["in_place_sum_outputs"], of["sum_outputs"]) == (64, 0)


class OtherConv(nn.Conv2d):
    pass


def test_a_subclass_is_not_its_base_class():
    of = ingredients(OtherConv(1, 2, 3), (1, 8, 8))
    assert of["conv_macs"] == 0
    assert of["called_conv_macs"] == 648


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.Conv2d(1, 1, 1), nn.Upsample(scale_factor=2)), r"interpolate in '1' \(Upsample\)"),
        (Calls(lambda x: torch.cumsum(x, 2)), r"cumsum in Calls"),
        (nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), "padding_mode='reflect'"),
    ],
)
def test_what_it_does_not_understand_is_refused_with_the_modules_name(model, message):
    with pytest.raises(NotImplementedError, match=message):
        explain(model, (1, 8, 8), 64)


def test_a_convention_that_nobody_tried_on_a_step_is_left_out():
    gridded = nn.Sequential(nn.Conv2d(1, 4, 1, bias=False), nn.AdaptiveAvgPool2d(3))
    found = named(explain(gridded, (1, 8, 8), 256))
    assert "calflops' MACs" in found
    assert "thop of Ultralytics" not in found
    with pytest.raises(NotImplementedError, match="nobody has looked how thop of Ultralytics counts elements entering"):
        BY_NAME["thop of Ultralytics"].number(ingredients(gridded, (1, 8, 8)))


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.unused = nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3, 2)

    def forward(self, x):
        return self.used(x)


def test_unused_parameters_are_parameters_without_macs():
    of = ingredients(Unused(), (1, 8, 8))
    assert (of["unused_parameters"], of["parameters"], of["conv_macs"]) == (10, 20, 36 * 9)


def test_a_layer_that_is_called_twice_has_twice_the_macs_and_its_parameters_once():
    twice = nn.Conv2d(1, 1, 1)
    of = ingredients(nn.Sequential(twice, twice), (1, 8, 8))
    assert (of["conv_macs"], of["parameters"], of["weights"], of["repeated_layers"]) == (128, 2, 1, 1)


def test_a_shared_weight_is_one_parameter_and_two_layers():
    tied = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1))
    tied[1].weight = tied[0].weight
    of = ingredients(tied, (1, 8, 8))
    assert (of["conv_macs"], of["parameters"], of["weights"]) == (128, 3, 1)


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
        explain(nn.Sequential(model, nn.Upsample(scale_factor=2)), (1, 8, 8), 1)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # deprecated, and in use
def test_a_script_is_refused_with_what_to_give_instead():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    traced = torch.jit.trace(network, torch.ones(1, 3, 8, 8))
    for model, name in ((traced, "model must"), (nn.Sequential(traced), "model.0 must")):
        with pytest.raises(TypeError, match=rf"{name} be a module that Python runs, not TorchScript, .* made from"):
            explain(model, (3, 8, 8), 3888)


@pytest.mark.parametrize(
    ("number", "batch_size", "error", "message"),
    [
        (1.5, 1, TypeError, "number=1.5 must be a whole number"),
        (float("nan"), 1, TypeError, "number=nan must be a whole number"),
        (float("inf"), 1, TypeError, "number=inf must be a whole number"),
        (True, 1, TypeError, "number=True must be a whole number"),
        ("569M", 1, TypeError, "number='569M' must be a whole number"),
        (-1, 1, ValueError, "number=-1 must be at least 0"),
        (1, 0, ValueError, "batch_size=0 must be at least 1"),
        (1, True, TypeError, "batch_size=True must be an int"),
    ],
)
def test_bad_input_is_refused_by_name(number, batch_size, error, message):
    with pytest.raises(error, match=message):
        explain(nn.ReLU(), (1, 8, 8), number, batch_size)


@pytest.mark.parametrize("number", [568_763_240, 568_763_240.0, np.int64(568_763_240), np.float64(568_763_240)])
def test_a_number_may_be_of_any_whole_kind(number):
    assert "torchinfo" in named(explain(MobileNetV1(), (3, 224, 224), number))


def test_a_rounded_number_fits_what_rounds_to_it():
    model = MobileNetV1()
    of_macs = named(explain(model, (3, 224, 224), 569e6, digits=3))
    assert {"this book", "torchinfo", "ptflops, aten backend"} <= of_macs
    assert not {"fvcore", "thop"} & of_macs
    assert "fvcore" in named(explain(model, (3, 224, 224), 579e6, digits=3))
    assert explain(model, (3, 224, 224), 570e6, digits=3) == []
    assert "thop" in named(explain(model, (3, 224, 224), 0.6e9, digits=1))


def test_digits_are_a_positive_integer():
    with pytest.raises(ValueError, match="digits=0 must be at least 1"):
        explain(nn.ReLU(), (1, 8, 8), 1, digits=0)


def test_the_nearest_convention_says_what_would_be_missing():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.ReLU())
    missing = nearest(nn.Conv2d(3, 8, 3, bias=False), (3, 6, 6), 3456 + 3 * 128)
    assert missing.endswith("gives 3,456, and your number is 384 more, which is 3 × outputs of convolutions")
    assert nearest(model, (3, 6, 6), 3457).endswith("1 more, which is no multiple of any ingredient")
    assert nearest(model, (3, 6, 6), 3456).endswith("gives exactly 3,456")


def test_xla_alone_leaves_out_the_taps_on_padding():
    padded = nn.Conv2d(3, 4, 3, padding=1, bias=False)
    of = ingredients(padded, (3, 7, 7))
    assert of["conv_real_macs"] == 361 * 3 * 4
    leaving_out = {each.name for each in CONVENTIONS if each.factors.get("conv_real_macs")}
    assert leaving_out == {"XLA, called by JAX"}
    assert named(explain(padded, (3, 7, 7), 2 * 361 * 3 * 4)) == leaving_out


def test_kerass_own_mobilenet_is_explained_with_its_softmax():
    with torch.device("meta"):
        model = nn.Sequential(MobileNetV1(), nn.Softmax(1))
    assert named(explain(model, (3, 224, 224), 1_147_687_920)) == {"TensorFlow's profiler"}


def test_the_appendix_names_the_versions_that_were_run():
    page = json.loads((SCRIPT.parents[1] / "book" / "A_why_counters_disagree.ipynb").read_text(encoding="utf-8"))
    text = " ".join("".join(cell["source"]) for cell in page["cells"]).replace("\n", " ")
    packages = [counters.COUNTERS[name].packages for name in STORED]
    for package in (each.split()[0] for each in packages if each):
        assert package in text


@pytest.mark.slow
@pytest.mark.parametrize("name", counters.KNOWN)
def test_each_counter_of_a_well_known_network_is_rebuilt_exactly(name, monkeypatch):
    if find_spec("timm") is None:
        pytest.skip("timm is not installed")
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, counters._NoTorchvision()])
    printed = said_of("known", name)
    printed.pop("onnx-tool", None)  # reads a file from which the exporter leaves out biases of zeros, as timm's are
    assert compared(counters.known(name), printed) >= 12


@pytest.mark.slow
def test_the_counters_still_print_what_is_stored(tmp_path):
    path = tmp_path / "counters.json"
    counters.collect(counters.TODAY, path)
    again = json.loads(path.read_text(encoding="utf-8"))
    assert again == {name: STORED[name] for name in counters.TODAY}
