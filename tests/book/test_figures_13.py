"""The data behind the figure of chapter 13, and what its text says about stored times and answers."""

import pytest
from drawn import figures

from mobilenet_edu import deploy, plots, training
from mobilenet_edu.architecture import mobilenet_v1

INTEGERS = ("onnxruntime", "OpenVINO", "ExecuTorch", "LiteRT")
FLOAT = ("onnxruntime", "OpenVINO", "ncnn", "ExecuTorch", "LiteRT")
GOOGLE = "released checkpoint"
TIMED = ("onnxruntime", "onnxruntime int8")  # layer by layer


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


def test_a_cell_can_be_run_again_after_the_whole_page_has_run():
    seen = figures("13")["fig-layers-before-after"]
    assert seen["rewritten"]("ORT_ENABLE_BASIC")["Conv"] == 27  # from a file that must still be there


def test_the_float32_runtimes_differ_little_and_all_beat_plain_pytorch(google):
    times = [google[name]["ratio"] for name in FLOAT]
    assert max(times) < 0.8
    assert max(times) / min(times) < 1.6
    assert max(times) < google["folded, channels-last"]["ratio"]


def test_the_digit_reader_gains_more(stored, google):
    for name in FLOAT:
        assert stored["digit reader"]["ways"][name]["ratio"] < google[name]["ratio"]
    times = [stored["digit reader"]["ways"][name]["ratio"] for name in FLOAT]
    assert max(times) / min(times) > 3  # "several times as long"


def test_integers_are_smaller_and_faster_than_any_float32(google):
    fastest = min(google[name]["ratio"] for name in FLOAT)
    for name in INTEGERS:
        assert google[f"{name} int8"]["ratio"] < fastest
        assert 3.3 < google[name]["bytes"] / google[f"{name} int8"]["bytes"] < 4.2
        assert 0.32 < 1 - google[f"{name} int8"]["same"] / google[f"{name} int8"]["of"] < 0.41  # a third to two fifths


def test_integers_make_the_tiny_reader_nearly_twice_as_slow_in_two_runtimes(stored):
    ways = stored["digit reader"]["ways"]
    times = {name: ways[f"{name} int8"]["ratio"] / ways[name]["ratio"] for name in INTEGERS}
    assert {name for name, time in times.items() if 1.7 < time < 2} == {"onnxruntime", "LiteRT"}
    assert max(times["OpenVINO"], times["ExecuTorch"]) < 1.1


def test_what_one_switch_costs_is_as_the_text_says(google):
    time = {name: way["ratio"] for name, way in google.items()}
    basic, joined = time["onnxruntime, nothing joined"], time["onnxruntime, own layout off"]
    assert joined / time["onnxruntime"] > 1.2 > basic / joined  # layout brings more than fusion
    layout, others = joined - time["onnxruntime"], 1 - joined
    assert layout == pytest.approx(others, rel=0.15)  # "about as much time as all else together"
    assert time["OpenVINO, AVX2"] > time["OpenVINO"]
    assert time["OpenVINO int8, no VNNI"] > 1.3 * time["OpenVINO int8"]
    assert google["OpenVINO int8, no VNNI"]["same"] != google["OpenVINO int8"]["same"]
    for name in ("LiteRT", "ExecuTorch"):
        assert time[f"{name}, no delegate"] > 1.5 * time[name]


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
    assert off["OpenVINO, 16-bit file"] > 100 * off["OpenVINO"]
    assert google["OpenVINO, 16-bit file"]["bytes"] < 0.55 * google["OpenVINO"]["bytes"]
    assert google["LiteRT int8 weights"]["ratio"] > 0.9 * google["LiteRT"]["ratio"]
    assert google["LiteRT int8 weights"]["bytes"] < 0.3 * google["LiteRT"]["bytes"]


def test_the_first_two_layers_lose_most_by_integers_and_gain_no_time(stored, google):
    layers, losses = stored[GOOGLE]["layers"], stored[GOOGLE]["losses"]
    assert len(losses) == len(layers) == 28
    moved = {name: [loss[name] for loss in losses] for name in losses[0]}
    for name in ("map", "nearest"):
        assert sum(moved[name][:2]) > 0.5 * sum(moved[name])
    assert sum(moved["fitted"]) < sum(moved["nearest"]) / 2
    taken = {name: sum(layer[name] for layer in layers[:2]) * google[name]["ratio"] for name in TIMED}
    assert taken["onnxruntime"] < 1.2 * taken["onnxruntime int8"]


def test_a_dead_channel_is_far_more_than_a_hundred_times_as_large_as_the_living():
    reader = deploy.fold_batch_norms(training.load_digit_reader())
    largest = [block.depthwise.conv.weight.detach().flatten(1).abs().amax(1) for block in reader.blocks[:2]]
    for each in largest:
        assert each.max() > 300 * each.median()


def test_fitted_weights_bring_most_of_the_lost_answers_back(google):
    exact = google["plain PyTorch"]["right"]
    for name in INTEGERS:
        before, after = google[f"{name} int8"], google[f"{name} int8, fitted"]
        lost = before["of"] - before["same"]
        assert after["same"] - before["same"] > lost / 2, name
        assert abs(before["right"] - exact) <= 2
        assert abs(after["right"] - exact) <= 2
        assert after["bytes"] == pytest.approx(before["bytes"], rel=0.02)
        assert 0.85 < after["ratio"] / before["ratio"] < 1.15
    brain = max(google[name]["same"] for name in ("OpenVINO as it comes", "PyTorch bfloat16"))
    assert [name for name in INTEGERS if google[f"{name} int8, fitted"]["same"] <= brain] == ["ExecuTorch"]
    small, back = (google[f"ExecuTorch int8{end}"]["same"] for end in ("", ", fitted"))
    assert (back - small) / (google["ExecuTorch int8"]["of"] - small) == pytest.approx(0.5, abs=0.05)
    plain, fitted = (sum(google[f"{name} int8{end}"]["right"] for name in INTEGERS) for end in ("", ", fitted"))
    assert abs(fitted - plain) <= 2  # "right about as often"
    weights = google["LiteRT int8 weights"]
    assert weights["same"] == pytest.approx(google["LiteRT int8"]["same"], abs=4)  # it is the weights


def test_several_images_favour_nearly_every_way_and_a_second_thread_changes_little():
    settings = deploy.stored_runtimes()["settings"]
    assert [(each["images"], each["threads"]) for each in settings] == [(1, 1), (1, 2), (16, 1), (16, 2)]
    one, two, many, both = ({name: way["ratio"] for name, way in each["ways"].items()} for each in settings)
    others = [name for name in one if name != "plain PyTorch"]
    shown = ["folded, channels-last", *FLOAT, *(f"{name} int8" for name in INTEGERS)]
    assert all(many[name] < one[name] and both[name] < two[name] for name in shown)
    assert all(abs(two[name] / one[name] - 1) < 0.1 for name in shown[1:])
    assert sum(many[name] < one[name] for name in others) > 0.8 * len(others)
    moved = [abs(b[name] / a[name] - 1) for a, b in ((one, two), (many, both)) for name in others]
    assert sorted(moved)[len(moved) // 2] < 0.15
