"""The data behind the figures of chapter 9, and what its text says about the stored times, on whatever machine."""

import platform
from fractions import Fraction
from statistics import median

import numpy as np
import pytest
import torch
from drawn import figures
from torch import nn
from torch.profiler import ProfilerActivity, profile

from mobilenet_edu.architecture import conv_mobilenet, mobilenet_v1
from mobilenet_edu.network import MobileNetV1
from mobilenet_edu.timing import stored_times


@pytest.fixture(scope="module")
def chapter():
    return figures("09")


@pytest.fixture(scope="module")
def times():
    return stored_times()


def total(timings, kind):
    return sum(np.median(each.timing.seconds) for each in timings if each.layer.kind == kind)


def test_a_first_call_takes_longer_than_a_later_one(chapter, times):
    seen = chapter["fig-first-calls"]
    expected = [np.array(calls.seconds) / np.median(calls.seconds[10:]) for calls in times.first_calls]
    lines = [line.get_ydata() for line in seen["ax"].lines]
    np.testing.assert_allclose(lines[: len(expected)], expected)
    np.testing.assert_allclose(lines[len(expected)], [calls[0] for calls in expected])
    first, later = np.median([calls[0] for calls in expected]), np.median([calls[1:] for calls in expected])
    assert first > 1.05
    assert abs(later - 1) < first - 1


def test_equal_layers_seem_to_differ_and_their_medians_less_so(times):
    equal = [each.layer for each in times.layers("separable") if each.layer.weights == 512 * 512]
    assert [layer.name for layer in equal] == [f"blocks.{block}.pointwise" for block in range(6, 11)]
    seconds = np.array([each.timing.seconds for each in times.layers("separable") if each.layer in equal])
    single = np.median(seconds.max(axis=0) / seconds.min(axis=0))
    medians = np.median(seconds, axis=1)
    assert medians.max() / medians.min() < single


def test_the_one_that_runs_first_wins_on_a_machine_that_warms_up(chapter):
    seen = chapter["fig-time-against-macs"]
    assert seen["old"].median < seen["new"].median  # although the new one does less
    assert seen["turns"]["new"].median < seen["turns"]["old"].median


def test_every_separable_network_gains_less_time_than_macs(chapter, times):
    seen = chapter["fig-time-against-macs"]
    networks = {"dense twin": (conv_mobilenet(), times.network("dense"))}
    for width in (1.0, 0.75, 0.5, 0.25):
        networks[f"α = {width}"] = mobilenet_v1(width), times.network("separable", width)
    assert seen["million"] == {name: architecture.cost.macs / 1e6 for name, (architecture, _) in networks.items()}
    for name, (_, taken) in networks.items():
        assert seen["millis"][name] == pytest.approx(1000 * np.median(taken.seconds))
    thinner, twin, promise = (line.get_ydata() for line in seen["ax"].lines)
    above = thinner / promise[1:]
    assert all(above > 1)
    assert np.argmax(above) == 3  # the thinnest
    assert promise[0] == twin[0]


@pytest.mark.parametrize("batch_size", [1, 16])
@pytest.mark.parametrize(
    "setting", [{}, {"channels_last": True}, {"kept": True}, {"channels_last": True, "kept": True}]
)
def test_in_every_setting_the_network_is_faster_but_not_by_what_its_macs_promise(times, batch_size, setting):
    dense, separable = (
        np.median(times.network(name, 1.0, batch_size, **setting).seconds) for name in ("dense", "separable")
    )
    assert 1 < dense / separable < conv_mobilenet().cost.macs / mobilenet_v1().cost.macs


def test_depthwise_layers_take_several_times_their_share_and_still_do_not_dominate(chapter, times):
    seen = chapter["fig-shares"]
    timings = times.layers("separable")
    kinds = ("standard", "depthwise", "pointwise", "classifier")
    seconds = [total(timings, kind) for kind in kinds]
    seconds.append(sum(np.median(each.after.seconds) for each in timings if each.after))
    drawn = np.array([bar.get_width() for bar in seen["ax"].patches])
    assert drawn[5:] == pytest.approx(1000 * np.array(seconds))
    costs = mobilenet_v1().cost_by_kind()
    macs = np.array([costs[kind].macs for kind in kinds] + [0])
    twin = 1000 * np.median(times.network("dense", 1.0, 1).seconds)
    assert drawn[:5] == pytest.approx(twin * macs / conv_mobilenet().cost.macs)
    assert sum(drawn[5:]) > 1.2 * sum(drawn[:5])
    share, share_of_macs = (
        dict(zip((*kinds, "rest"), 100 * part / sum(part), strict=True)) for part in (drawn[5:], drawn[:5])
    )
    assert share["depthwise"] > 3 * share_of_macs["depthwise"]
    assert max(share, key=share.get) == "pointwise"
    assert share["pointwise"] < share_of_macs["pointwise"]
    assert share["rest"] > 3
    assert share["depthwise"] < 50  # so that the network without them is less than twice as fast


def test_every_depthwise_layer_is_slower_than_every_pointwise_one(chapter, times):
    speeds = {"depthwise": [], "pointwise": [], "standard": [], "classifier": []}
    for each in times.layers("separable"):
        speeds[each.layer.kind].append(each.layer.cost.macs / np.median(each.timing.seconds) / 1e9)
    assert max(speeds["depthwise"]) < min(speeds["pointwise"])
    assert speeds["classifier"][0] < min(speeds["pointwise"])
    for line in chapter["fig-rates"]["ax"].lines:
        assert list(line.get_ydata()) == pytest.approx(speeds[line.get_label()])


def test_depthwise_macs_and_batch_norm_cost_more_than_the_average_mac_of_the_twin(chapter, times):
    lost = {kind: difference for kind, _, _, difference in chapter["fig-roofline"]["beyond"]}
    rate = conv_mobilenet().cost.macs / np.median(times.network("dense").seconds)
    costs, timings = mobilenet_v1().cost_by_kind(), times.layers("separable")
    for kind in ("standard", "depthwise", "pointwise", "classifier"):
        assert lost[kind] == pytest.approx(1000 * (total(timings, kind) - costs[kind].macs / rate))
    assert total(timings, "depthwise") > 2 * costs["depthwise"].macs / rate
    assert lost["batch norm, ReLU"] == pytest.approx(1000 * sum(np.median(t.after.seconds) for t in timings if t.after))


def test_the_intensities_are_those_that_the_elements_give(chapter):
    seen = chapter["fig-roofline"]
    for layer in mobilenet_v1().layers:
        if layer.kind == "depthwise":
            assert seen["intensity"](layer, 7, with_weights=False) == Fraction(9, {1: 8, 2: 20}[layer.stride])
        if layer.kind != "pooling":
            moved = layer.in_channels * np.prod(layer.input_size) + layer.out_channels * np.prod(layer.output_size)
            macs_per_output = layer.weights // layer.out_channels
            macs = macs_per_output * layer.out_channels * np.prod(layer.output_size)
            assert seen["intensity"](layer, 16) == Fraction(int(16 * macs), int(4 * (16 * moved + layer.weights)))
    costs = {}
    for layer in mobilenet_v1().layers:
        if layer.kind != "pooling":
            elements = layer.cost.input_elements + layer.cost.output_elements + layer.weights
            costs[layer.name] = layer.cost.macs / elements
    assert seen["lowest"].name == min(costs, key=costs.get) == "classifier"


def test_pointwise_layers_come_closer_to_their_roof_than_depthwise_layers(chapter, times):
    seen = chapter["fig-roofline"]
    peak, bandwidth = max(times.data["peak"]), max(times.data["bandwidth"])
    reached = {"depthwise": [], "pointwise": []}
    for each in times.layers("separable"):
        cost = each.layer.cost
        moved = 4 * (cost.input_elements + cost.output_elements + each.layer.weights)
        least = max(cost.macs / peak, moved / bandwidth)
        if each.layer.kind in reached:
            reached[each.layer.kind].append(least / np.median(each.timing.seconds))
        if each.layer.kind == "depthwise":
            assert least == moved / bandwidth
    assert median(reached["depthwise"]) < median(reached["pointwise"])
    assert median(reached["depthwise"]) < 0.8
    roof, *kinds = seen["ax"].lines
    assert max(roof.get_ydata()) == pytest.approx(peak / 1e9)
    assert roof.get_ydata()[0] == pytest.approx(roof.get_xdata()[0] * bandwidth / 1e9)
    assert sum(len(line.get_xdata()) for line in kinds) == len(times.layers("separable"))


def test_no_layer_lies_far_above_the_roof(times):
    for name in ("separable", "dense"):
        for each in times.layers(name):
            roof = min(times.peak, each.macs_per_byte * times.bandwidth)
            assert each.macs_per_second < 1.5 * roof, each.layer.name


def test_one_image_passes_the_measured_peak_in_one_layer_of_the_twin(chapter, times):
    above = {name: [t for t in times.layers(name) if t.macs_per_second > times.peak] for name in ("separable", "dense")}
    assert [len(found) for found in above.values()] == [0, 1]
    fastest = above["dense"][0].macs_per_second / 1e9
    assert fastest == chapter["fig-rates"]["speeds"]["dense twin, 3×3"][2] < 1.01 * times.peak / 1e9


@pytest.mark.parametrize(("panel", "batch_size"), [(0, 1), (1, 16)])
def test_layout_and_kept_memory_bring_depthwise_layers_nearer_to_the_bound(chapter, times, panel, batch_size):
    drawn = [bar.get_width() for bar in chapter["fig-misses"]["axes"][panel].patches]
    settings = (False, False), (True, False), (False, True), (True, True)
    for width, (channels_last, kept) in zip(drawn, settings, strict=False):
        timings = times.layers("separable", batch_size, channels_last=channels_last, kept=kept)
        assert width == pytest.approx(1000 * total(timings, "depthwise"))
    usual, *_, both, bound = drawn
    moved = sum(
        4 * (batch_size * (layer.cost.input_elements + layer.cost.output_elements) + layer.weights)
        for layer in mobilenet_v1().layers
        if layer.kind == "depthwise"
    )
    assert bound == pytest.approx(1000 * moved / times.bandwidth)
    assert bound < both < usual
    assert drawn[1] < usual  # another layout is another time


def test_kept_memory_spares_page_faults_in_a_batch_and_time_with_them(times):
    for channels_last in (False, True):
        kept, usual = (times.page_faults(16, channels_last=channels_last, kept=kept) for kept in (True, False))
        assert kept < usual / 10
    kept, usual = (times.network("separable", 1.0, 16, kept=kept).median for kept in (True, False))
    assert kept < usual


def test_even_at_the_roof_the_network_gains_less_than_its_macs(chapter):
    seen = chapter["fig-misses"]
    for batch_size in (1, 16):
        dense, separable = seen["twin_at_best"][batch_size], seen["misses"][batch_size, "roofline"]
        assert sum(dense.values()) / sum(separable.values()) < seen["promised"]


@pytest.mark.parametrize("batch_size", [1, 16])
def test_memory_sets_the_roof_of_every_depthwise_layer_and_of_no_block_of_the_twin(times, batch_size):
    meet = times.peak / times.bandwidth
    separable, dense = (times.layers(name, batch_size) for name in ("separable", "dense"))
    assert all(each.macs_per_byte < meet for each in separable if each.layer.kind == "depthwise")
    assert all(each.macs_per_byte > meet for each in dense if each.layer.name.startswith("blocks"))


def test_a_call_weighs_more_in_the_last_depthwise_layer_than_in_the_first(times):
    timings = times.layers("separable", channels_last=True, kept=True)
    first, *_, last = (each for each in timings if each.layer.kind == "depthwise")
    assert last.timing.median < first.timing.median


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64") or not torch.backends.mkldnn.is_available(),
    reason="which kernel computes what is told of x86 with oneDNN",
)
@pytest.mark.parametrize(
    ("threads", "images", "side", "own"), [(1, 1, 112, 13), (1, 15, 32, 13), (1, 16, 32, 0), (2, 1, 224, 0)]
)
def test_pytorchs_own_kernel_computes_pointwise_layers_of_few_images_on_one_thread(threads, images, side, own):
    network, before = MobileNetV1(10).eval(), torch.get_num_threads()
    pointwise = [part for part in network.modules() if isinstance(part, nn.Conv2d) and part.kernel_size == (1, 1)]
    assert len(pointwise) == 13
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode(), profile(activities=[ProfilerActivity.CPU]) as seen:
            network(torch.zeros(images, 3, side, side))
    finally:
        torch.set_num_threads(before)
    calls = {event.key: event.count for event in seen.key_averages()}
    assert calls.get("aten::_slow_conv2d_forward", 0) == own
    assert calls["aten::mkldnn_convolution"] == 27 - own


def test_no_axis_crosses_the_share_of_a_narrow_part(chapter):
    ax = chapter["fig-shares"]["ax"]
    ax.figure.canvas.draw()
    axis = ax.spines["left"]
    shares = [text.get_window_extent() for text in ax.texts if text.get_text().endswith("%")]
    assert len(shares) == 5
    assert not axis.get_visible() or all(ax.bbox.x0 < share.x0 for share in shares)
