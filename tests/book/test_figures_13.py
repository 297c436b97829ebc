"""The data behind the figure of chapter 13, and what its text says about stored times and answers."""

import pytest
from drawn import figures

from mobilenet_edu import deploy, plots
from mobilenet_edu.architecture import mobilenet_v1

FLOAT = ("onnxruntime", "OpenVINO", "ncnn", "ExecuTorch", "LiteRT")
GOOGLE = "released checkpoint"


@pytest.fixture(scope="module")
def stored():
    return deploy.stored_runtimes()["networks"]


@pytest.fixture(scope="module")
def google(stored):
    return stored[GOOGLE]["ways"]


def test_each_bar_is_a_layers_share_of_plain_pytorchs_time(stored, google):
    seen = figures("13")["fig-layers-before-after"]
    layers = stored[GOOGLE]["layers"]
    real = [layer for layer in mobilenet_v1(num_classes=1001).layers if layer.cost.macs]
    assert [(row["layer"], row["kind"], row["macs"]) for row in layers] == [
        (layer.name, layer.kind, layer.cost.macs) for layer in real
    ]
    plain, *others = seen["axes"]
    drawn = [(bar.get_height(), bar.get_y()) for bar in plain.patches]
    assert sum(height for height, _ in drawn) == pytest.approx(100, abs=0.2)
    for ax, name in zip(others, ("onnxruntime", "onnxruntime int8"), strict=True):
        heights = [bar.get_height() for bar in ax.patches]
        assert heights == pytest.approx([100 * google[name]["ratio"] * row[name] for row in layers])
        assert sum(heights) < 100 * google[name]["ratio"] + 0.1
        colors = [bar.get_facecolor() for bar in ax.patches]
        assert len(set(colors)) == len({row["kind"] for row in layers}) == 4
    assert seen["plots"] is plots


def test_the_float32_runtimes_differ_little_and_all_beat_plain_pytorch(google):
    times = [google[name]["ratio"] for name in FLOAT]
    assert max(times) < 0.8
    assert max(times) / min(times) < 1.6
    assert max(times) < google["folded, channels-last"]["ratio"]


def test_the_digit_reader_gains_more(stored, google):
    for name in FLOAT:
        assert stored["digit reader"]["ways"][name]["ratio"] < google[name]["ratio"]


def test_integers_are_smaller_and_faster_than_any_float32(google):
    fastest = min(google[name]["ratio"] for name in FLOAT)
    integers = [name for name in FLOAT if f"{name} int8" in google]
    assert {"onnxruntime", "OpenVINO"} <= set(integers)
    for name in integers:
        assert google[f"{name} int8"]["ratio"] < fastest
        assert 3.3 < google[name]["bytes"] / google[f"{name} int8"]["bytes"] < 4.2
        assert google[f"{name} int8"]["same"] < google[f"{name} int8"]["of"]


def test_what_one_switch_costs_is_as_the_text_says(google):
    time = {name: way["ratio"] for name, way in google.items()}
    basic, joined = time["onnxruntime, nothing joined"], time["onnxruntime, own layout off"]
    assert joined / time["onnxruntime"] > 1.2 > basic / joined  # layout brings more than fusion
    assert time["OpenVINO, AVX2"] > time["OpenVINO"]
    assert time["OpenVINO int8, no VNNI"] > 1.3 * time["OpenVINO int8"]
    assert google["OpenVINO int8, no VNNI"]["same"] != google["OpenVINO int8"]["same"]
    for name in ("LiteRT", "ExecuTorch"):
        assert time.get(f"{name}, no delegate", 10) > 1.5 * time[name]


def test_batch_norm_and_the_depthwise_layers_shrink(stored, google):
    layers = stored[GOOGLE]["layers"]
    deep = [row for row in layers if row["kind"] == "depthwise"]
    before = sum(row["convolution"] for row in deep)
    after = sum(row["onnxruntime"] for row in deep) * google["onnxruntime"]["ratio"]
    assert after < before
    assert sum(row["after"] for row in layers) > 0.1


def test_what_nobody_asked_for_is_in_the_stored_logits(google):
    off = {name: way["difference"] for name, way in google.items()}
    assert off["OpenVINO as it comes"] > 100 * off["OpenVINO"]
    assert google["OpenVINO as it comes"]["ratio"] < 0.8 * google["OpenVINO"]["ratio"]
    assert off["ncnn, 16-bit file"] > 10 * off["ncnn as it comes"] > 50 * off["ncnn"]
    if "OpenVINO, 16-bit file" in google:
        assert off["OpenVINO, 16-bit file"] > 100 * off["OpenVINO"]
        assert google["OpenVINO, 16-bit file"]["bytes"] < 0.55 * google["OpenVINO"]["bytes"]
    if "LiteRT int8 weights" in google:
        assert google["LiteRT int8 weights"]["ratio"] > 0.9 * google["LiteRT"]["ratio"]
        assert google["LiteRT int8 weights"]["bytes"] < 0.3 * google["LiteRT"]["bytes"]
