"""Table 1 as data: its numbers, its multipliers, and what it refuses."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from mobilenet_edu.architecture import (
    TABLE_1,
    Architecture,
    Layer,
    conv_mobilenet,
    dense_block,
    from_table,
    mobilenet_v1,
    separable_block,
    shallow_mobilenet,
)
from mobilenet_edu.cost import Cost

ALL = [mobilenet_v1, conv_mobilenet, shallow_mobilenet]


@pytest.mark.parametrize(
    ("architecture", "macs", "weights", "params"),
    [
        (mobilenet_v1, 568_740_352, 4_209_088, 4_231_976),
        (conv_mobilenet, 4_867_293_184, 29_281_120, 29_294_088),
        (shallow_mobilenet, 307_323_392, 2_875_328, 2_887_976),
    ],
)
def test_the_three_networks_cost_what_was_worked_out_by_hand(architecture, macs, weights, params):
    network = architecture()
    assert (network.cost.macs, network.weights, network.cost.params) == (macs, weights, params)


def test_a_last_stride_of_two_as_printed_in_table_1_shrinks_the_maps_to_four():
    printed = from_table((*TABLE_1[:-1], (1024, 2)), separable_block)
    assert printed.pooling.input_size == (4, 4)
    assert printed.cost.macs == 533_833_216
    assert mobilenet_v1().pooling.input_size == (7, 7)


@pytest.mark.parametrize("architecture", ALL)
@pytest.mark.parametrize("resolution", [224, 225, 129, (96, 160), 32, 1])
def test_each_layer_reads_what_the_one_before_it_writes(architecture, resolution):
    layers = architecture(0.5, resolution).layers
    for before, after in pairwise(layers):
        assert after.in_channels == before.out_channels
        assert after.input_size == before.output_size


@pytest.mark.parametrize("architecture", ALL)
def test_the_kinds_add_up_to_the_whole(architecture):
    network = architecture(0.75, 160, bias=True)
    assert sum(network.cost_by_kind().values()) == network.cost == sum(layer.cost for layer in network.layers)


def test_the_dense_twin_has_the_same_maps_at_the_end_of_each_block():
    separable, dense = mobilenet_v1(0.5, 192), conv_mobilenet(0.5, 192)
    assert [(block[-1].out_channels, block[-1].output_size) for block in separable.blocks] == [
        (block[-1].out_channels, block[-1].output_size) for block in dense.blocks
    ]


def test_the_shallow_network_lacks_the_five_equal_blocks():
    assert len(mobilenet_v1().blocks) - len(shallow_mobilenet().blocks) == 5


def test_widths_are_rounded_down():
    thin = mobilenet_v1(0.3)
    assert thin.stem.out_channels == int(32 * 0.3) == 9
    assert thin.classifier.in_channels == int(1024 * 0.3) == 307


def test_the_multipliers_touch_what_they_say():
    full, thin, small = mobilenet_v1(), mobilenet_v1(0.5), mobilenet_v1(resolution=112)
    assert thin.stem.in_channels == full.stem.in_channels == 3
    assert thin.classifier.out_channels == full.classifier.out_channels == 1000
    assert small.weights == full.weights
    assert small.cost.params == full.cost.params
    grey = mobilenet_v1(in_channels=1)
    assert full.weights - grey.weights == 2 * 3 * 3 * 32


def test_biases_add_one_parameter_an_output_channel_and_no_mac():
    plain, biased = mobilenet_v1(), mobilenet_v1(bias=True)
    channels = sum(layer.out_channels for layer in plain.layers if layer.is_convolution)
    assert biased.cost.params - plain.cost.params == channels
    assert (biased.cost.macs, biased.weights) == (plain.cost.macs, plain.weights)


def test_pooling_costs_nothing_and_averages_the_whole_map():
    pooling = mobilenet_v1().pooling
    assert pooling.cost == Cost()
    assert pooling.output_size == (1, 1)


def test_equal_arguments_make_equal_architectures():
    assert mobilenet_v1(0.5, 160) == mobilenet_v1(0.5, (160, 160)) != mobilenet_v1(0.5, 192)
    assert isinstance(mobilenet_v1(), Architecture)
    assert all(isinstance(layer, Layer) for layer in mobilenet_v1().layers)


@pytest.mark.parametrize("half", [np.float64(0.5), np.float32(0.5), Fraction(1, 2)])
def test_a_width_multiplier_is_any_real_number(half):
    assert mobilenet_v1(half) == mobilenet_v1(0.5)
    assert mobilenet_v1(1) == mobilenet_v1(np.int64(1)) == mobilenet_v1()


@pytest.mark.parametrize("architecture", ALL)
@pytest.mark.parametrize(
    ("argument", "bad", "error", "message"),
    [
        ("width_multiplier", "1", TypeError, "width_multiplier='1' must be a number, not str"),
        ("width_multiplier", None, TypeError, "width_multiplier=None must be a number"),
        ("width_multiplier", True, TypeError, "width_multiplier=True must be a number, not bool"),
        ("width_multiplier", 1j, TypeError, "width_multiplier=1j must be a number, not complex"),
        ("width_multiplier", 0, ValueError, "width_multiplier=0 must be positive"),
        ("width_multiplier", -0.5, ValueError, "width_multiplier=-0.5 must be positive"),
        ("width_multiplier", float("nan"), ValueError, "width_multiplier=nan must be positive and finite"),
        ("width_multiplier", float("inf"), ValueError, "width_multiplier=inf must be positive and finite"),
        ("width_multiplier", 0.03, ValueError, "width_multiplier=0.03 must leave at least 1 of 32 channels"),
        ("resolution", 0, ValueError, "resolution=0 must be at least 1"),
        ("resolution", 224.0, TypeError, "resolution=224.0 must be an int, not float"),
        ("resolution", (224,), ValueError, r"resolution=\(224,\) must be an integer or a pair"),
        ("num_classes", 0, ValueError, "num_classes=0 must be at least 1"),
        ("num_classes", "10", TypeError, "num_classes='10' must be an int, not str"),
        ("in_channels", -3, ValueError, "in_channels=-3 must be at least 1"),
        ("in_channels", 3.0, TypeError, "in_channels=3.0 must be an int, not float"),
        ("bias", 1, TypeError, "bias=1 must be True or False"),
    ],
)
def test_bad_input_is_refused_by_name(architecture, argument, bad, error, message):
    with pytest.raises(error, match=message):
        architecture(**{argument: bad})


def test_dense_and_separable_blocks_have_the_same_ends():
    arguments = ("blocks.0", 8, 16, 2, (9, 9), False)
    for block in (separable_block, dense_block):
        layers = block(*arguments)
        assert (layers[0].in_channels, layers[-1].out_channels, layers[-1].output_size) == (8, 16, (5, 5))


@pytest.mark.parametrize(
    ("rows", "block", "error", "message"),
    [
        (5, dense_block, ValueError, "rows=5 must be a table of pairs"),
        ((64, 1), dense_block, ValueError, r"rows=\(64, 1\) must be a table of pairs"),
        ([(64, 1), (64,)], dense_block, ValueError, r"rows=.* must be a table of pairs \(output channels, stride\)"),
        ([(64, 1), ("64", 1)], dense_block, TypeError, r"rows\[1\]\[0\]='64' must be an int, not str"),
        ([(64.9, 1)], dense_block, TypeError, r"rows\[0\]\[0\]=64.9 must be an int"),
        ([(0, 1)], dense_block, ValueError, r"rows\[0\]\[0\]=0 must be at least 1"),
        ([(64, 0)], dense_block, ValueError, "stride=0 must be at least 1"),
        ([(64, 1)], None, TypeError, "block=None must be a function such as separable_block"),
    ],
)
def test_a_table_that_is_none_is_refused(rows, block, error, message):
    with pytest.raises(error, match=message):
        from_table(rows, block)


LAYER = Layer("x", "standard", 4, 4, 3, 1, (8, 8))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"kind": "Depthwise"}, ValueError, "kind='Depthwise' must be one of standard, depthwise, pointwise"),
        ({"in_channels": 0}, ValueError, "in_channels=0 must be at least 1"),
        ({"out_channels": True}, TypeError, "out_channels=True must be an int, not bool"),
        ({"kernel_size": (3, 3)}, TypeError, r"kernel_size=\(3, 3\) must be an int, not tuple"),
        ({"kernel_size": 0, "kind": "pooling"}, ValueError, "kernel_size=0 must be at least 1"),
        ({"stride": 0.5}, TypeError, "stride=0.5 must be an int, not float"),
        ({"input_size": (8, 8, 8)}, ValueError, r"input_size=\(8, 8, 8\) must be an integer or a pair"),
        ({"bias": 1}, TypeError, "bias=1 must be True or False, not int"),
        ({"kind": "depthwise", "out_channels": 8}, ValueError, "out_channels=8 must be in_channels=4 if depthwise"),
        ({"kind": "pointwise"}, ValueError, "kernel_size=3 must be 1 if pointwise"),
    ],
)
def test_a_layer_that_none_can_be_is_refused(changes, error, message):
    with pytest.raises(error, match=message):
        replace(LAYER, **changes)


@pytest.mark.parametrize("kernel_size", [1, 3, 5, 7])
def test_a_layer_is_padded_so_that_an_odd_kernel_keeps_the_map(kernel_size):
    assert replace(LAYER, kernel_size=kernel_size).output_size == (8, 8)
    assert replace(LAYER, kernel_size=kernel_size, stride=2).output_size == (4, 4)


def test_a_classifier_may_do_without_bias():
    classifier = mobilenet_v1().classifier
    assert classifier.cost.params - replace(classifier, bias=False).cost.params == 1000
    assert classifier.weights == replace(classifier, bias=False).weights == 1_024_000


@pytest.mark.parametrize("block", [separable_block, dense_block])
def test_a_block_takes_one_number_for_a_square(block):
    assert block("x", 4, 8, 2, 9, False) == block("x", 4, 8, 2, (9, 9), False)
