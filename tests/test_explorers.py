import gzip
import json
import math
import random
import re

import numpy as np
import pytest

from mobilenet_edu import _explorer_pictures as pictures
from mobilenet_edu import architecture, cost, explorers, timing

SHOWN = [
    explorers.separable_layer(),
    explorers.network(),
    explorers.to_scale(),
    explorers.two_slopes(),
    explorers.roofline(1e11, 4e10),
]


def table(shown):
    """The table that the network's script looks its numbers up in."""
    return json.loads(re.search(r"data-table='([^']*)'", shown._repr_html_())[1])


def test_the_layer_starts_with_the_cost_of_that_layer():
    results = explorers.separable_layer(64, 128, 5, 28).results
    assert results["standard-macs"] == f"{cost.conv2d_cost(64, 128, 5, 28, padding=2).macs:,}"
    assert results["separable-params"] == f"{5 * 5 * 64 + 64 * 128:,}"


def test_a_single_pixel_kernel_saves_nothing():
    summary = explorers.separable_layer(64, 128, 1, 28).results["summary"]
    assert (
        summary
        == "separable / standard = 1/128 + 1/1 = 129/128 = 1.0078: the separable layer needs 1.01 times more MACs."
    )


@pytest.mark.parametrize("width", explorers.WIDTH_MULTIPLIERS)
def test_the_table_holds_every_layers_channels_and_maps(width):
    read = table(SHOWN[1])
    for resolution in explorers.RESOLUTIONS:
        layers = [layer for layer in architecture.mobilenet_v1(width, resolution).layers if layer.kind != "pooling"]
        assert read["names"] == [layer.name for layer in layers]
        assert read["kinds"] == [layer.kind for layer in layers]
        assert read["kernels"] == [layer.kernel_size for layer in layers]
        assert read["channels"][str(round(100 * width))] == [layer.out_channels for layer in layers[:-1]]
        assert read["sides"][str(resolution)] == [layer.output_size[0] for layer in layers]


def test_the_network_is_drawn_to_scale():
    shapes = explorers.to_scale(1.0, 224, layer=3).picture.shapes
    stem, deep = shapes["layer-1"], shapes["layer-25"]  # 112×112×32, and 7×7×1024 behind a depthwise layer of 512
    assert stem["height"] == pytest.approx(0.8 * 112, abs=0.05)
    assert shapes["image"]["height"] == pytest.approx(2 * stem["height"], abs=0.1)
    assert (deep["width"] - 4) / (stem["width"] - 4) == pytest.approx(1024 / 32, rel=0.01)
    assert shapes["chosen"] == shapes["layer-3"]
    assert all(box["x"] + box["width"] <= 480 for name, box in shapes.items() if name.startswith("layer"))


@pytest.mark.parametrize("resolution", explorers.RESOLUTIONS)
@pytest.mark.parametrize("width", [0.25, 1.0])
def test_the_side_of_each_size_stands_above_its_first_map(width, resolution):
    shown = explorers.to_scale(width, resolution)
    sides = [layer.output_size[0] for layer in architecture.mobilenet_v1(width, resolution).layers[:27]]
    named = [int(value) for name, value in shown.results.items() if name.startswith("size-")]
    assert named == sorted(set(sides), reverse=True)
    shapes = shown.picture.shapes
    for step, side in enumerate(named):
        first = shapes[f"layer-{sides.index(side) + 1}"]
        assert shapes[f"size-{step}"] == {"x": first["x"], "y": pytest.approx(first["y"] - 4)}


def test_the_bars_of_a_layer_are_as_long_as_its_macs():
    shapes = explorers.separable_layer(64, 128, 3, 28).picture.shapes
    ratio = cost.reduction_ratio(128, 3)
    both = shapes["depthwise"]["width"] + shapes["pointwise"]["width"]
    assert both / shapes["standard"]["width"] == pytest.approx(float(ratio), abs=1e-3)
    left, right, top, bottom = pictures.AXES
    assert 2 * (bottom - shapes["dot"]["cy"]) / (bottom - top) == pytest.approx(float(ratio), abs=2e-3)  # from 0 to 2
    assert (shapes["dot"]["cx"] - left) / (right - left) == pytest.approx(7 / 11, abs=1e-3)  # 128 is 2 to the 7th


def test_the_curve_shows_where_splitting_costs_more():
    *_, top, bottom = pictures.AXES
    one, worst = (explorers.separable_layer(64, 1, side, 28).picture.shapes["dot"]["cy"] for side in (3, 1))
    assert top == worst < one < (top + bottom) / 2  # 2 times the MACs at the top, and 10/9 above the middle


def test_the_roof_is_that_of_timing():
    peak, bandwidth, batch_size = 1.1e11, 3.9e10, 16
    shown = explorers.roofline(peak, bandwidth, batch_size)
    layers = [layer for layer in architecture.mobilenet_v1().layers if layer.kind != "pooling"]
    at_work = [timing.LayerTiming(layer, batch_size, timing.Timing((1.0,))) for layer in layers]
    roofs = [timing.roofline(each.macs_per_byte, peak, bandwidth) for each in at_work]
    for number, (each, roof) in enumerate(zip(at_work, roofs, strict=True), start=1):
        dot = shown.picture.shapes[f"dot-{number}"]
        assert dot["cx"] == pytest.approx(40 + 430 * (math.log2(each.macs_per_byte) + 3) / 11, abs=0.06)
        assert dot["cy"] == pytest.approx(230 - 210 * (math.log2(roof / 1e9) + 1) / 9, abs=0.06)
    best = 1000 * sum(layer.cost.macs / roof for layer, roof in zip(layers, roofs, strict=True))
    low = sum(roof < peak for roof in roofs)
    assert shown.results["summary"].startswith(f"Memory sets the roof of {low} of 28 layers")
    assert f"At best {best:.2f} ms per image" in shown.results["summary"]


@pytest.mark.parametrize(("peak", "error"), [(0, ValueError), ("fast", TypeError), (float("inf"), ValueError)])
def test_a_roof_without_a_number_is_refused(peak, error):
    with pytest.raises(error, match=f"peak={peak!r} must be"):
        explorers.roofline(peak, 4e10)


def test_no_filter_is_nearer_to_both_slopes_than_the_smaller_singular_value():
    slopes = np.array([explorers.SLOPES["x"], explorers.SLOPES["y"]], dtype=float)
    assert np.allclose(
        slopes.reshape(2, 3, 3), [[[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]]
    )
    assert np.linalg.svd(slopes, compute_uv=False)[-1] ** 2 == pytest.approx(explorers.NEAREST)
    only_x = explorers.two_slopes(explorers.SLOPES["x"], (1, 0)).results["summary"]
    assert only_x.endswith("12.00 together. This is as near as one filter gets: 12.")


def test_the_distance_is_numpys():
    draw = random.Random(3)
    for _ in range(20):
        taps, weights = [draw.randint(-12, 12) / 4 for _ in range(9)], [draw.randint(-8, 8) / 4 for _ in range(2)]
        off = np.outer(weights, taps) - [explorers.SLOPES["x"], explorers.SLOPES["y"]]
        shown = float(re.search(r"([\d.]+) together", explorers.two_slopes(taps, weights).results["summary"])[1])
        assert shown == pytest.approx((off**2).sum(), abs=0.0051)


@pytest.mark.parametrize(("macs", "verdict"), [(569, "within"), (568, "over")])
def test_a_budget_is_kept_or_not(macs, verdict):
    summary = explorers.network(budget_macs=macs).results["summary"]
    assert summary.startswith(f"568,740,352 MACs, {verdict} the budget of {macs} million;")


def test_both_budgets_are_compared_and_reaching_one_is_keeping_it():
    summary = explorers.network(budget_macs=600, budget_params=4).results["summary"]
    assert "MACs, within the budget of 600 million; 4,231,976 parameters, over the budget of 4 million." in summary
    assert explorers._against(4 * 10**6, 4, "parameters") == "4,000,000 parameters, within the budget of 4 million"


def test_activations_are_told_in_millions_of_bytes():
    summary = explorers.network().results["summary"]
    assert "20.17 MB for the outputs of all convolutions together, 3.21 MB for the largest one" in summary
    assert (4 * 5_042_688, 4 * 112 * 112 * 64) == (20_170_752, 3_211_264)


@pytest.mark.parametrize(
    "make", [explorers.separable_layer, explorers.network, explorers.to_scale, explorers.two_slopes]
)
def test_two_runs_show_the_same(make):
    assert make()._repr_html_() == make()._repr_html_()


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: shown.calculator)
class TestHtml:
    def test_is_small(self, shown):
        assert len(gzip.compress(shown._repr_html_().encode())) < 7_000

    def test_asks_for_nothing(self, shown):
        assert not re.search(r"https?:|src=|url\(|import", shown._repr_html_())

    def test_has_no_identifier_that_a_second_one_would_repeat(self, shown):
        assert " id=" not in shown._repr_html_()

    def test_shows_its_numbers_without_a_script(self, shown):
        for name, value in shown.results.items():
            assert f'data-result="{name}"' in shown._repr_html_()
            assert value in shown._repr_html_()

    def test_prints_its_numbers_as_text(self, shown):
        assert shown.results["summary"] in repr(shown)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: explorers.separable_layer(kernel_size=4), "kernel_size=4 must be from 1 to 15 in steps of 2"),
        (lambda: explorers.separable_layer(in_channels=0), "in_channels=0 must be at least 1"),
        (lambda: explorers.separable_layer(map_size=225), "map_size=225 must be from 1 to 224 in steps of 1"),
        (lambda: explorers.network(0.33), "width_multiplier=0.33 must be from 0.25 to 1 in steps of 0.05"),
        (lambda: explorers.network(0.2), "width_multiplier=0.2 must be from 0.25 to 1"),
        (lambda: explorers.two_slopes([1, 2]), "must have 9 numbers"),
        (lambda: explorers.two_slopes(weights=(3, 1)), "w1=3 must be from -2 to 2 in steps of 0.25"),
        (lambda: explorers.to_scale(layer=29), "layer=29 must be from 1 to 28 in steps of 1"),
        (lambda: explorers.network(resolution=200), "resolution=200 must be from 96 to 288 in steps of 32"),
    ],
)
def test_what_the_inputs_do_not_offer_is_refused(call, error):
    with pytest.raises(ValueError, match=error):
        call()


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: explorers.separable_layer(kernel_size="3"), "kernel_size='3' must be an int, not str"),
        (lambda: explorers.network(resolution=(224, 224)), r"resolution=\(224, 224\) must be an int, not tuple"),
        (lambda: explorers.network("1.0"), "width_multiplier='1.0' must be a number, not str"),
        (lambda: explorers.network(budget_macs="300"), "budget_macs='300' must be an int, not str"),
        (lambda: explorers.network(budget_params=True), "budget_params=True must be an int, not bool"),
    ],
)
def test_what_is_no_number_is_refused(call, error):
    with pytest.raises(TypeError, match=error):
        call()
