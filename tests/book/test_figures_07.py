"""The data behind the figures of chapter 7 and of appendix B, held against other ways to get them."""

import numpy as np
import pytest
import torch
from drawn import figures
from torch.utils.flop_counter import FlopCounterMode

from mobilenet_edu import paper
from mobilenet_edu.network import MobileNetV1


@pytest.fixture(scope="module")
def chapter():
    return figures("07")


@pytest.fixture(scope="module")
def appendix():
    return figures("B")


def macs(width_multiplier, resolution):
    """Counted by PyTorch, on a network without data."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        MobileNetV1(width_multiplier=width_multiplier)(torch.empty(2, 3, resolution, resolution))
    return counter.get_total_flops() // 4


def weights(width_multiplier):
    with torch.device("meta"):
        network = MobileNetV1(width_multiplier=width_multiplier)
    return sum(p.numel() for p in network.parameters() if p.dim() > 1)


def test_the_promise_is_broken_by_as_much_as_the_table_says(chapter):
    seen = chapter["fig-resolution-steps"]
    for alpha in (0.75, 0.5, 0.25):
        counted = (alpha**-2, macs(1.0, 224) / macs(alpha, 224), weights(1.0) / weights(alpha))
        assert seen["times_fewer"][alpha] == pytest.approx(counted)


def test_the_staircase_is_what_pytorch_counts(chapter):
    seen = chapter["fig-resolution-steps"]
    stairs, promise, even = seen["ax"].lines
    for pixels in (128, 129, 160, 161, 176, 200, 223, 224):
        assert seen["cost"][pixels] == macs(1.0, pixels)
    assert list(stairs.get_ydata()) == [seen["cost"][p] / 1e6 for p in stairs.get_xdata()]
    assert list(even.get_xdata()) == [128, 160, 192, 224]
    above = stairs.get_ydata() / promise.get_ydata()
    exact = [p for p, times in zip(stairs.get_xdata(), above, strict=True) if times < 1.005]
    assert exact == [128, 160, 192, 224]
    jumps = {p: seen["cost"][p + 1] - seen["cost"][p] for p in range(128, 224)}
    assert sorted(jumps, key=jumps.get)[-2:] == [160, 192]


def test_the_front_is_every_network_that_no_other_one_beats(chapter):
    seen = chapter["fig-pareto"]
    networks = {
        each.name: (macs(each.width_multiplier, each.resolution), each.top1_percent) for each in paper.released()
    }
    assert {name: tuple(rest) for name, *rest in seen["networks"]} == networks
    beaten = {
        name
        for name, (cost, accuracy) in networks.items()
        for other_cost, other_accuracy in networks.values()
        if other_cost <= cost and other_accuracy > accuracy
    }
    assert set(seen["dominated"]) == beaten == {"1.0 MobileNet-128", "0.5 MobileNet-192"}
    assert set(seen["front"]) == set(networks) - beaten
    line, *markers = seen["ax"].lines
    assert len(line.get_xdata()) == 14
    drawn = {(x, y) for each in markers for x, y in zip(each.get_xdata(), each.get_ydata(), strict=True)}
    assert drawn == {(cost / 1e6, accuracy) for cost, accuracy in networks.values()}


@pytest.mark.parametrize(("rows", "hidden", "mean"), [("inside", "-160", 1.2), ("outside", "0.25", 6.4)])
def test_hidden_networks_are_judged_by_a_line_that_numpy_draws_too(chapter, rows, hidden, mean):
    seen = chapter["fig-held-out"]
    fitted = [row for row in seen["networks"] if hidden not in row[0]]
    assert len(fitted) == 12
    slope, start = np.polyfit([np.log10(m) for _, m, _ in fitted], [a for *_, a in fitted], 1)
    for name, cost, truth in seen["networks"]:
        if hidden in name:
            (row,) = [row for row in seen[rows] if row[0] == name]
            assert row[1:] == pytest.approx(
                (start + slope * np.log10(cost), truth, start + slope * np.log10(cost) - truth)
            )
    assert round(np.mean([abs(error) for *_, error in seen[rows]]), 1) == mean
    ax = seen["axes"][0 if rows == "inside" else 1]
    assert [len(line.get_xdata()) for line in ax.lines] == [2, 12, 4]
    assert list(ax.lines[0].get_ydata()) == pytest.approx([start + 7 * slope, start + 9 * slope])


def test_outside_its_range_the_line_is_too_high_for_all_four(chapter):
    assert all(error > 5 for *_, error in chapter["fig-held-out"]["outside"])


def test_the_differences_are_those_of_the_printed_numbers(appendix):
    seen = appendix["fig-differences"]
    checked = [f for f in paper.figures() if f.verdict != "not checked" and f.printed != ">2.5"]
    expected = [100 * (float(f.printed) / float(f.ours_in_unit) - 1) for f in checked]
    *points, zero = seen["ax"].lines
    assert [point.get_xdata()[0] for point in points] == pytest.approx(expected)
    labels = [label.get_text() for label in seen["ax"].get_yticklabels()]
    assert [labels[point.get_ydata()[0]] for point in points] == [f.where for f in checked]
    shapes = {"equal": "o", "equal another way": "s", "not reproduced": "X"}
    assert [point.get_marker() for point in points] == [shapes[f.verdict] for f in checked]
    extremes = sorted(zip(expected, (f.printed for f in checked), strict=True))
    assert [printed for _, printed in (*extremes[:1], *extremes[-2:])] == ["0.58", "1700", "75"]
    assert list(zero.get_xdata()) == [0, 0]


def test_of_three_networks_of_similar_cost_the_cheapest_has_the_largest_map(chapter):
    def largest_map(width_multiplier, resolution):
        network, sizes, at_once = MobileNetV1(width_multiplier=width_multiplier).eval(), [], []
        for layer in network.modules():
            if isinstance(layer, torch.nn.Conv2d):
                layer.register_forward_hook(lambda module, inputs, output: sizes.append(output[0].numel()))
                layer.register_forward_hook(lambda _, read, write: at_once.append(read[0].numel() + write.numel()))
        with torch.no_grad():
            network(torch.zeros(1, 3, resolution, resolution))
        assert max(at_once) == 1.5 * max(sizes)  # as the text says of all three
        return max(sizes)

    choices = (1.0, 128), (0.75, 160), (0.5, 224)
    rows = {name: rest for name, *rest in chapter["fig-held-out"]["memory"]}
    expected = {
        f"{alpha} MobileNet-{pixels}": (macs(alpha, pixels), largest_map(alpha, pixels)) for alpha, pixels in choices
    }
    assert {name: (cost, largest) for name, (cost, _, largest) in rows.items()} == expected
    assert min(expected, key=lambda name: expected[name][0]) == max(expected, key=lambda name: expected[name][1])
