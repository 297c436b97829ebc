"""The data behind the figures and tables of chapter 11, from other libraries or another way; and its two switches."""

import csv
import json
import runpy
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
import torch
from contents import ROOT
from drawn import BOOK, figures
from matplotlib.cbook import get_sample_data
from nbformat import read
from PIL import Image
from torch import nn
from transformers import MobileNetV1Config, MobileNetV1ForImageClassification

from mobilenet_edu import training, weights

EXPERIMENT = ROOT / "experiments" / "finetune_shapes.py"


@pytest.fixture(scope="module")
def chapter():
    threads = torch.get_num_threads()
    yield figures("11")
    torch.set_num_threads(threads)  # the chapter uses one


# padding


def windows(conv):
    """For each output along a row of 8 pixels, the pixels that it depends on."""
    nn.init.ones_(conv.weight)
    row = torch.zeros(1, 1, 8, 8, requires_grad=True)
    found = []
    for output in conv(row)[0, 0, 1]:
        (gradient,) = torch.autograd.grad(output, row, retain_graph=True)
        found.append(gradient[0, 0].sum(0).nonzero().flatten().tolist())
    return found


def test_the_windows_are_drawn_under_the_pixels_that_an_output_depends_on(chapter):
    lines = chapter["fig-same-padding"]["axis"].lines
    drawn = [[pixel for pixel in range(8) if line.get_xdata()[0] < pixel + 0.5 < line.get_xdata()[1]] for line in lines]
    assert drawn[:4] == windows(nn.Conv2d(1, 1, 3, 2, padding=1, bias=False))
    assert drawn[4:] == windows(weights.SameConv2d(1, 1, 3, 2, bias=False))
    assert len(drawn) == 8


def test_the_marks_stand_on_the_middles_of_the_last_windows(chapter):
    """The middle of a window, followed down to the picture through five layers with stride 2."""
    for axis, size in zip(chapter["fig-where-it-looks"]["axes"], (224, 32), strict=True):
        circles, squares = axis.lines[-2:]
        for marks, leading_zeros in ((circles, 1), (squares, 0)):
            middles = []
            for cell in range(size // 32):
                for _ in range(5):
                    cell = 2 * cell - leading_zeros + 1
                middles.append(cell)
            assert sorted(set(marks.get_xdata())) == sorted(set(marks.get_ydata())) == middles
            assert len(marks.get_xdata()) == len(middles) ** 2


# habits


def test_the_differences_are_those_of_their_own_network_when_it_drops_a_habit(chapter):
    seen = chapter["fig-prepared"]
    rows = {row[0]: row[1:3] for row in seen["rows"]}
    drops = {
        "activation": {"hidden_act": "relu"},
        "epsilon": {"layer_norm_eps": 1e-5},
        "padding": {"tf_padding": False},
    }
    for habit, drop in {**drops, "nothing": {}}.items():
        other = MobileNetV1ForImageClassification(MobileNetV1Config(depth_multiplier=0.25, num_labels=1001, **drop))
        other.load_state_dict(seen["checkpoint"])
        for shown, resolution in zip(rows[habit], (128, 225), strict=True):
            torch.manual_seed(1)
            images = torch.randn(8, 3, resolution, resolution)
            with torch.no_grad():
                theirs, dropped = seen["theirs"](images).logits, other.eval()(images).logits
            apart = 100 * ((theirs - dropped).abs().max() / theirs.abs().max()).item()
            assert shown == ("none" if apart < 0.01 else "below 1 %" if apart < 1 else f"{apart:.0f} %")


def test_no_difference_is_so_near_to_a_half_that_rounding_would_decide(chapter):
    seen = chapter["fig-prepared"]
    shown = [seen["difference"](seen["ours"])]
    for habit, ours in seen["OURS"].items():
        network = weights.from_checkpoint(seen["checkpoint"], **{habit: ours})
        shown += [seen["difference"](network, resolution) for resolution in (128, 225)]
    assert all(apart < 0.9 or abs(apart % 1 - 0.5) > 0.02 for apart in shown), shown


def test_transformers_keeps_its_habits_in_a_file_beside_the_tensors(tmp_path):
    MobileNetV1Config().save_pretrained(tmp_path)
    kept = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert (kept["hidden_act"], kept["layer_norm_eps"], kept["tf_padding"]) == ("relu6", 0.001, True)


# pictures


def test_the_network_receives_what_pillow_cuts_and_resizes(chapter):
    seen = chapter["fig-prepared"]
    with Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)) as photograph:
        square = photograph.crop((32, 76, 32 + 448, 76 + 448)).resize((224, 224), Image.Resampling.BILINEAR)
    expected = np.asarray(square, dtype=np.float32) / 127.5 - 1
    assert np.abs(seen["received"][0].permute(1, 2, 0).numpy() - expected).max() < 0.02
    frame = seen["left"].patches[0]
    assert [4 * value for value in (*frame.get_xy(), frame.get_width(), frame.get_height())] == [32, 76, 448, 448]
    shown = seen["after"].images[0].get_array()
    assert np.abs(2 * shown - 1 - expected[::3, ::3]).max() < 0.02


def test_each_preparation_is_shown_with_the_digits_that_are_read(chapter):
    seen = chapter["fig-wrongly-prepared"]
    test, reader = training.digits().test, training.load_digit_reader()
    small = training.digits(resolution=8).test.images[2, 0].numpy()
    expected = {
        "as trained": lambda original: original,
        "0 to 1": lambda original: original / 2 + 0.5,
        "0 to 255": lambda original: 255 * (original / 2 + 0.5),
        "ink ↔ paper": lambda original: -original,
        "rows ↔ columns": lambda original: np.swapaxes(original, -1, -2),
    }
    for axis, (name, way) in zip(seen["axes"].flat, expected.items(), strict=False):
        assert axis.get_title(loc="left") == name
        assert np.allclose(axis.images[0].get_array()[1:-1, 1:-1], way(small))
        assert axis.images[0].get_interpolation() == "nearest"
        pictures = way(test.images[:, 0].numpy())
        with torch.no_grad():
            answers = reader(torch.tensor(pictures)[:, None]).argmax(1)
        assert seen["read"][name] == (answers == test.labels).sum()


def test_the_shapes_are_shown_as_they_were_drawn(chapter, tmp_path):
    seen = chapter["fig-shapes"]
    weights.draw_shapes(tmp_path, 5, seed=0)
    for column, shape in enumerate(("circle", "cross", "square", "triangle")):
        for row in range(2):
            with Image.open(tmp_path / shape / f"{row:03}.png") as drawn:
                small = drawn.crop((4, 4, 60, 60)).resize((32, 32), Image.Resampling.BILINEAR)
            shown = seen["axes"][row, column].images[0].get_array()
            assert np.abs(shown - (np.asarray(small) / 127.5 - 1)).max() < 0.02


# fine-tuning


def test_no_weight_of_the_frozen_body_changed_and_every_statistic_did(chapter):
    seen = chapter["fig-three-ways"]
    frozen, before = seen["frozen"], training.load_digit_reader()
    for (name, new), old in zip(frozen.named_modules(), before.modules(), strict=True):
        if isinstance(new, nn.BatchNorm2d):
            assert torch.equal(new.weight, old.weight), name
            assert not torch.equal(new.running_mean, old.running_mean), name
            assert not torch.equal(new.running_var, old.running_var), name
        elif isinstance(new, nn.Conv2d):
            assert torch.equal(new.weight, old.weight), name


def test_features_leave_the_body_as_it_was_and_the_head_makes_its_logits_of_them(chapter):
    seen = chapter["fig-three-ways"]
    reader, images = training.load_digit_reader(), training.digits().test.images[:70]
    before = {name: tensor.clone() for name, tensor in reader.state_dict().items()}
    with torch.no_grad():
        expected = reader(images)
        torch.testing.assert_close(reader.classifier(seen["features"](reader, images)), expected)
    assert all(torch.equal(tensor, before[name]) for name, tensor in reader.state_dict().items())


def test_the_chapter_tunes_a_head_as_the_experiment_does(chapter):
    seen = chapter["fig-three-ways"]
    experiment = runpy.run_path(str(EXPERIMENT))
    network = experiment["tuned"]("head", experiment["shapes"](5, seed=0), steps=24, rate=0.1, seed=0)
    torch.testing.assert_close(network.classifier.weight, seen["tuned"].classifier.weight)


def per_cent(way, pictures, steps):
    with (Path(weights.__file__).parent / "data" / "shapes.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    wanted = [way, str(pictures), str(steps)]
    return [100 * int(row[6]) / 200 for row in rows if row[:3] == wanted and row[6]]


def test_each_dot_is_a_run_and_each_line_joins_the_means_of_six(chapter):
    for axis, pictures in zip(chapter["fig-three-ways"]["axes"], (5, 20), strict=True):
        lines = iter(axis.lines)
        for way in ("head", "whole", "scratch"):
            groups = [per_cent(way, pictures, steps) for steps in (8, 24, 80, 240)]
            assert [len(group) for group in groups] == [6] * 4
            for group in groups:
                assert list(next(lines).get_ydata()) == group
            assert list(next(lines).get_ydata()) == pytest.approx([fmean(group) for group in groups])


def test_what_the_text_says_about_the_three_ways_holds():
    for pictures in (5, 20):
        for steps in (8, 24, 80, 240):
            head, whole, scratch = (fmean(per_cent(way, pictures, steps)) for way in ("head", "whole", "scratch"))
            assert whole > max(head, scratch)  # best everywhere
            assert (scratch < 30) == (steps < 80)  # guesses at first
            assert (scratch < head) == (steps < 80)
    assert sum(score == 25 for score in per_cent("scratch", 5, 240)) == 1


# the switches


def switched(source, **changes):
    for name, value in changes.items():
        before = next(line for line in source.splitlines() if line.startswith(f"{name} ="))
        source = source.replace(before, f"{name} = {value!r}")
    return source


def cell_that_begins(text):
    (path,) = BOOK.glob("11_*.ipynb")
    (source,) = (cell.source for cell in read(path, as_version=4).cells if cell.source.startswith(text))
    return source


def test_the_cells_that_a_reader_switches_on_work(chapter, tmp_path, monkeypatch, capsys):
    """With a download that gives random weights, and a folder of drawn pictures."""
    seen = chapter["fig-three-ways"]
    asked = []

    def download(name):
        asked.append(name)
        return dict(seen["checkpoint"]), {index: f"class {index}" for index in range(1001)}

    monkeypatch.setattr(weights, "download", download)
    weights.draw_shapes(tmp_path, 5)
    exec(switched(cell_that_begins("DOWNLOAD ="), DOWNLOAD=True), seen)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert all(" %  class " in line for line in lines)
    beliefs = [float(line.partition(" %")[0]) for line in lines]
    assert beliefs == sorted(beliefs, reverse=True)
    assert asked == ["google-1.0-224"]

    exec(switched(cell_that_begins("MY_PICTURES ="), MY_PICTURES=str(tmp_path)), seen)
    right, _, rest = capsys.readouterr().out.partition(" of ")
    assert rest == "4 new pictures are right\n"
    assert 0 <= int(right) <= 4


def test_nothing_is_downloaded_unless_a_reader_asks_for_it():
    assert cell_that_begins("DOWNLOAD =").startswith("DOWNLOAD = False\n")
    assert cell_that_begins("MY_PICTURES =").startswith("MY_PICTURES = None")
