"""The data behind the figures of appendix G, its simulation, and what its texts say of both."""

import json
from pathlib import Path

import numpy as np
import pytest
from drawn import figures

from mobilenet_edu import weights

FOUND = weights.stored_anatomy()


@pytest.fixture(scope="module")
def page():
    return figures("G_")


def total(what, rows):
    return sum(row[what] for row in rows)


def test_sizes_are_drawn_as_they_were_found(page):
    for ax, kind in zip(page["fig-sizes"]["axes"], ("depthwise", "pointwise"), strict=True):
        rows = [row for row in FOUND["layers"] if row["layer"].endswith(kind)]
        living = [line.get_ydata() for line in ax.lines if line.get_marker() == "o"]
        assert np.allclose(living, [(row["median"], row["largest_living"]) for row in rows])
        crosses = {int(line.get_xdata()[0]) for line in ax.lines if line.get_marker() == "X"}
        assert crosses == {block for block, row in enumerate(rows) if row["largest"] > row["largest_living"]}
        assert len(crosses) == (7 if kind == "depthwise" else 0)
        bars = [collection.get_segments()[0][0][1] for collection in ax.collections]
        assert np.allclose(bars, [row["largest"] / 254 for row in rows])
        if crosses:
            heights = dict(enumerate(bars))
            others = [height for block, height in heights.items() if block not in crosses]
            assert min(heights[block] for block in crosses) > max(others)
            assert 0.3 < max(bar / row["median"] for bar, row in zip(bars, rows, strict=True)) < 0.4


def test_constant_channels_are_drawn_as_they_were_found(page):
    google, small = page["fig-constant"]["ax"].lines
    for line, rows in ((google, FOUND["layers"]), (small, FOUND["detector"]["layers"])):
        assert np.allclose(line.get_ydata(), [100 * row["constant"] / row["channels"] for row in rows])
    assert 24 < google.get_ydata()[0] < 26
    assert max(google.get_ydata()[2:]) < 4
    assert max(small.get_ydata()[:14]) < 4
    assert 85 < small.get_ydata()[-1] < 95


def test_the_counts_of_dead_channels_agree_with_each_other():
    layers, fossils = FOUND["layers"], FOUND["fossils"]
    assert len(fossils) == total("dead", layers) <= total("below_epsilon", layers)
    assert total("channels", layers) == 10_944
    for row in layers:
        assert row["dead"] == sum(fossil["layer"] == row["layer"] for fossil in fossils)
        assert row["varying"] <= row["below_epsilon"]
        assert row["above_zero"] <= row["constant"]
        assert row["median"] <= row["largest_living"] <= row["largest"]
    low, high = FOUND["gap"]
    assert low == max(fossil["variance"] for fossil in fossils)
    assert 10**8.5 < high / low < 1e9  # "nearly nine powers of ten"
    counts = {what: total(what, layers) for what in ("below_epsilon", "dead", "varying", "constant")}
    sixth = counts["below_epsilon"] - counts["dead"] - counts["varying"]
    assert counts == {"below_epsilon": 47, "dead": 41, "varying": 5, "constant": 43}
    assert sixth == 1  # below epsilon, above the gap, and constant on these pictures


def test_a_dead_channel_sets_no_scale_in_the_pointwise_layers_and_seven_in_the_depthwise_ones():
    deep, wide = (
        [row for row in FOUND["layers"] if row["layer"].endswith(kind)] for kind in ("depthwise", "pointwise")
    )
    assert sum(row["largest"] > row["largest_living"] for row in deep) == 7
    assert all(row["largest"] == row["largest_living"] for row in wide)
    times = [row["largest_living"] / row["median"] for row in deep]
    assert (round(min(times)), round(max(times))) == (4, 29)  # "four to thirty times", in the figure's description


def test_every_dead_depthwise_channel_stopped_where_the_simulation_does():
    """In double precision, with the rule alone: what is subtracted must be a normal number of float32."""
    tiny = float(np.finfo(np.float32).tiny)
    variance, steps = 1.0, 0
    while variance * (1 - 0.9997) >= tiny:
        variance, steps = variance * 0.9997, steps + 1
    assert steps == pytest.approx(264_044, rel=1e-3)
    variances = [row["variance"] for row in FOUND["fossils"] if row["layer"].endswith("depthwise")]
    assert len(variances) == 20
    assert all(tiny / (1 - 0.9997) * 0.9997 < each < tiny / (1 - 0.9997) for each in variances)


def test_the_answers_support_what_the_text_says():
    rows = {row["what"]: row for row in FOUND["answers"]}
    right = {what: row["right"] for what, row in rows.items()}
    assert right["as released"] == right["folded"] == right["dead channels silenced"]
    assert rows["folded"]["same"] == rows["dead channels silenced"]["same"] == 100
    assert rows["folded"]["off"] < 2e-6
    assert 2e-7 < FOUND["detector"]["changes"]["silenced"]["off"] < 3e-7  # "three ten-millionths"
    assert right["one scale per layer"] < 5 < 75 < right["one scale per channel"]
    assert (
        right["one scale per layer"] < right["dead channels silenced, one scale per layer"] < right["as released"] / 2
    )
    harmless = {"as released", "folded", "dead channels silenced"}
    wrong = [row for what, row in rows.items() if what in ALL_WRONG]
    assert len(wrong) == len(ALL_WRONG)
    assert min(row["off"] for row in wrong) > 0.075
    assert not harmless & set(ALL_WRONG)


ALL_WRONG = {
    "another padding",
    "another epsilon",
    "another activation",
    "all three",
    "values from 0 to 1",
    "values from 0 to 255",
    "mean and deviation of ImageNet",
    "blue before red",
    "upside down",
    "one scale per layer",
}


def test_the_stored_file_says_on_what_it_was_measured():
    assert set(FOUND["machine"]) == {"processor", "8-bit instructions", "torch", "onnxruntime"}
    assert FOUND["sample"] == {"photographs": 20, "views": 5, "pictures": 28}
    file = Path(weights.__file__).with_name("data") / "released_anatomy.json"
    assert json.loads(file.read_text(encoding="utf-8")) == FOUND
