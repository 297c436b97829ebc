"""The data behind the figures of chapter 10, and what its text says about stored timings."""

import pytest
import torch
from drawn import figures

from mobilenet_edu import deploy, training
from mobilenet_edu.architecture import conv_mobilenet, mobilenet_v1


@pytest.fixture(scope="module")
def chapter():
    return figures("10", without=("graph", "same_onnx", "agreement", "megabytes"))


def test_each_weight_goes_to_the_nearest_number_of_each_grid(chapter):
    seen = chapter["fig-grids"]
    for ax, step in zip(seen["axes"], (1, 0.8 / 127), strict=True):
        weights = [line.get_xdata()[0] for line in ax.lines]
        assert weights == seen["channels"]["ordinary"]
        (lines,) = ax.collections
        grid = [segment[0][0] for segment in lines.get_segments()]
        assert grid == pytest.approx([step * q for q in range(-(len(grid) // 2), len(grid) // 2 + 1)])
        assert len(grid) == (3 if step == 1 else 255)
        reached = [line.get_xdata()[1] for line in ax.lines]
        assert reached == pytest.approx([min(grid, key=lambda x, w=w: abs(x - w)) for w in weights])
    assert [line.get_xdata()[1] for line in seen["axes"][0].lines] == [0, 0, 1, 0]


def test_the_stored_trainings_fall_as_the_text_says(chapter):
    runs = chapter["end"]["runs"]
    of = {network: [r for r in runs if r.network == network] for network in ("separable", "dense")}
    assert {network: len(found) for network, found in of.items()} == {"separable": 5, "dense": 5}
    for r in of["separable"]:
        assert (r.per_tensor < 0.15 * 360) == (r.dead_channels > 0)
    assert sum(r.dead_channels > 0 for r in of["separable"]) == 4
    assert min(r.per_tensor for r in of["dense"]) > 0.95 * 360
    assert all(r.per_channel > 0.95 * r.float32 for r in runs)


def test_three_channels_stand_far_above_the_others(chapter):
    seen = chapter["fig-dead-channels"]
    reader = training.load_digit_reader()
    largest = {}
    for block, part in enumerate(reader.blocks):
        conv, norm = part.depthwise.conv, part.depthwise.norm
        for c in range(conv.out_channels):
            scale = norm.weight[c] / (norm.running_var[c] + norm.eps).sqrt()
            largest[block, c] = (conv.weight[c] * scale).abs().max().item()
    drawn = [(line.get_xdata()[0], sorted(line.get_ydata())) for line in seen["ax"].lines]
    assert drawn == [(b, pytest.approx(sorted(v for (k, _), v in largest.items() if k == b))) for b in range(13)]
    ticks = [lines.get_segments()[0][0][1] for lines in seen["ax"].collections]
    half_steps = [max(v for (k, _), v in largest.items() if k == b) / 127 / 2 for b in range(13)]
    assert ticks == pytest.approx(half_steps)
    below = [sum(v < half_steps[b] for (k, _), v in largest.items() if k == b) for b in range(13)]
    assert below == [2, 7, *[0] * 11]  # all but the three
    assert all(10 * half_steps[b] < v for (b, _), v in largest.items() if b > 1)
    ranked = sorted(largest, key=largest.get, reverse=True)
    assert sorted(block for block, _ in ranked[:3]) == [0, 0, 1]
    neighbours = [max(v for (k, _), v in largest.items() if k == b and v < half_steps[b]) for b in (0, 1)]
    assert all(largest[block, c] > 200 * neighbours[block] for block, c in ranked[:3])
    assert largest[ranked[2]] > 100
    assert largest[ranked[3]] < 12
    ordinary = sorted(largest.values())
    assert ordinary[len(ordinary) // 50] > 0.1


def test_the_bars_are_the_stored_ratios(chapter):
    seen = chapter["fig-inference"]
    stored = deploy.stored_timings()["ratios"]["1"]
    bars = {
        label.get_text(): bar.get_width()
        for label, bar in zip(seen["ax"].get_yticklabels(), seen["ax"].patches, strict=True)
    }
    assert bars == {name: row["ratio"] for name, row in stored.items()}
    ranges = [tuple(line.get_xdata()) for line in seen["ax"].lines[:-1]]
    assert ranges == [(stored[name]["from"], stored[name]["to"]) for name in bars]


def test_what_the_text_says_about_the_stored_timings_is_so():
    stored = deploy.stored_timings()
    for ratios in stored["ratios"].values():
        time = {name: row["ratio"] for name, row in ratios.items()}
        assert time["plain PyTorch"] == 1
        assert time["onnxruntime int8"] < min(0.33, time["onnxruntime float32"])
        assert time["onnxruntime float32"] < 0.5
        assert time["folded, channels-last"] < 1
        assert all(row["from"] <= row["ratio"] <= row["to"] for row in ratios.values())
    promise = conv_mobilenet().cost.macs / mobilenet_v1().cost.macs
    for ratios in stored["twin"].values():
        times = {name: row["ratio"] for name, row in ratios.items()}
        assert times["plain PyTorch"] < promise
        assert abs(times["onnxruntime float32"] - promise) < promise - times["plain PyTorch"]
    size = stored["bytes"]
    assert 3.5 < size["plain PyTorch"] / size["onnxruntime int8"] < 4
    assert {"processor", "torch", "onnxruntime", "threads", "cores"} <= set(stored["machine"])


def test_the_first_block_has_two_channels_that_never_see_anything():
    reader, data = training.load_digit_reader(), training.digits()
    with torch.no_grad():
        largest = reader.stem(torch.cat([part.images for part in data])).amax((0, 2, 3))
    silent = largest == 0
    assert silent.tolist() == (reader.blocks[0].depthwise.norm.running_var < 1e-5).tolist()
    assert int(silent.sum()) == 2
