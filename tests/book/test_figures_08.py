"""The data behind the figures and tables of chapter 8, worked out again from the stored runs and the networks."""

import csv
import statistics
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from drawn import figures

from mobilenet_edu import training
from mobilenet_edu.network import ConvMobileNet, MobileNetV1

DATA = Path(training.__file__).parent / "data" / "digits.csv"
RUNS = list(csv.DictReader(DATA.read_text(encoding="utf-8").splitlines()))


@pytest.fixture(scope="module")
def chapter():
    threads = torch.get_num_threads()
    yield figures("08", without=("one_epoch_by_hand", "young", "nearly"))
    torch.set_num_threads(threads)  # the chapter uses one


def accuracies(experiment, network, width):
    found = [
        run
        for run in RUNS
        if (run["experiment"], run["network"], run["width_multiplier"]) == (experiment, network, width)
    ]
    return {(run["split"], run["seed"]): int(run["test_correct"]) / 3.6 for run in found}


def test_the_larger_digits_are_the_smaller_ones_enlarged(chapter):
    seen = chapter["fig-digits"]
    for above, below in zip(*seen["axes"], strict=True):
        small, large = (torch.tensor(ax.images[0].get_array().data)[None, None] for ax in (above, below))
        assert {ax.images[0].get_interpolation() for ax in (above, below)} == {"nearest"}
        assert (small.shape[-1], large.shape[-1]) == (10, 40)
        small, large = small[..., 1:-1, 1:-1], large[..., 4:-4, 4:-4]  # without the paper around
        torch.testing.assert_close(F.interpolate(small, size=(32, 32), mode="bilinear"), large)


def test_the_curves_are_the_history_and_show_what_the_text_says(chapter):
    seen = chapter["fig-history"]
    rate, loss, validation = (ax.lines[0].get_ydata() for ax in seen["axes"])
    assert list(loss) == pytest.approx([line.loss for line in seen["history"]])
    assert list(validation / 100) == pytest.approx([line.validation for line in seen["history"]])
    assert max(rate) == pytest.approx(0.2, rel=1e-3)
    assert rate.argmax() < len(rate) / 3
    assert rate[-1] < 1e-4
    assert loss[0] > 2
    assert loss[-1] < 0.1
    assert max(validation[:3]) < 30
    assert validation[-1] > 90


def recipes(chapter):
    """Each recipe's validation accuracy for the separable network and its twin."""
    seen = chapter["fig-widths"]
    return {name: [seen["validation"](name, network) for network in ("separable", "dense")] for name in seen["means"]}


def test_the_best_rate_of_each_optimiser_lies_inside_its_grid(chapter):
    table = recipes(chapter)
    for optimizer in ("SGD", "AdamW"):
        grid = [pair for name, pair in table.items() if name.startswith(optimizer)]
        for network in zip(*grid, strict=True):
            assert max(network[0], network[-1]) < max(network)


def test_ten_recipes_were_tried_and_the_text_ranks_them_rightly(chapter):
    table = recipes(chapter)
    assert len(table) == 10
    for network in range(2):
        best = max(pair[network] for pair in table.values())
        assert table["SGD 0.2"][network] == best
        assert best - 1 < table["AdamW 0.1"][network] < best


def test_each_dot_is_a_run_and_each_line_joins_the_means(chapter):
    lines = chapter["fig-widths"]["axes"].lines
    drawn = {
        name: [line.get_ydata() for line in lines[start : start + 5]]
        for name, start in (("separable", 0), ("dense", 5))
    }
    for network, (*dots, means) in drawn.items():
        runs = [accuracies("width", network, width) for width in ("0.0625", "0.125", "0.25", "0.5")]
        for group, drawn_group in zip(runs, dots, strict=True):
            assert sorted(group.values()) == pytest.approx(sorted(drawn_group))
        assert list(means) == pytest.approx([statistics.mean(group.values()) for group in runs])


def test_what_the_text_says_about_the_widths_holds(chapter):
    seen = chapter["fig-widths"]
    means = {}
    for width in seen["widths"]:
        separable, dense = (accuracies("width", network, str(width)) for network in ("separable", "dense"))
        lost = [dense[run] - separable[run] for run in separable]
        assert seen["points_lost"](width) == pytest.approx(lost)
        means[width] = statistics.mean(lost)
        if width == 0.0625:
            assert min(lost) > 3
        if width == 0.25:
            assert min(lost) >= 0
            assert sum(points == 0 for points in lost) == 1
        if width == 0.5:
            assert statistics.stdev(lost) > means[width]
    assert list(means.values()) == sorted(means.values(), reverse=True)


def test_no_network_of_the_widths_is_two_points_above_the_linear_model():
    linear = statistics.mean(accuracies("linear", "logistic regression", "1.0").values())
    best = max(
        statistics.mean(accuracies("width", network, width).values())
        for network in ("separable", "dense")
        for width in ("0.0625", "0.125", "0.25", "0.5")
    )
    assert linear < best < linear + 2


def test_the_shallow_network_is_ahead_in_every_run_and_by_a_point_only_on_average():
    thin, shallow = (
        {
            (run["split"], run["seed"]): int(run["test_correct"]) / 3.6
            for run in RUNS
            if (run["experiment"], run["network"]) == ("depth", network)
        }
        for network in ("separable", "shallow")
    )
    gained = [shallow[run] - thin[run] for run in thin]
    assert min(gained) > 0
    assert statistics.mean(gained) == pytest.approx(1, abs=0.2)
    assert max(gained) > 1.5  # so it is not a point every time


def test_the_careless_recipe_costs_the_separable_network_nearly_twice_as_much():
    losses = []
    for network in ("separable", "dense"):
        careful, careless = (accuracies(experiment, network, "0.25") for experiment in ("width", "careless"))
        losses.append(statistics.mean(careful.values()) - statistics.mean(careless.values()))
    assert 1.7 < losses[0] / losses[1] < 2


def test_in_the_files_order_the_end_is_harder_than_the_middle(chapter):
    seen = chapter["fig-confusion"]
    for network, shuffled, middle, end in seen["rows"]:
        runs = [run for run in RUNS if (run["experiment"], run["network"]) == ("order", network)]
        assert len(runs) == (1 if network == "logistic regression" else 2)
        assert middle == pytest.approx(statistics.mean(int(run["validation_correct"]) / 3.6 for run in runs))
        assert end == pytest.approx(statistics.mean(int(run["test_correct"]) / 3.6 for run in runs))
        assert shuffled - middle == pytest.approx(2 if network == "separable" else 0, abs=0.3)
        assert end < shuffled - 4


def test_the_confusion_matrix_counts_each_test_image_once(chapter):
    seen = chapter["fig-confusion"]
    labels = training.digits().test.labels.tolist()
    read = training.predict(training.load_digit_reader(), training.digits().test.images).tolist()
    texts = {text.get_position()[::-1]: int(text.get_text()) for text in seen["axes"].texts}  # (written, read)
    for written in range(10):
        for as_digit in range(10):
            count = sum(pair == (written, as_digit) for pair in zip(labels, read, strict=True))
            assert texts.get((written, as_digit), 0) == count
    off = sorted(count for (written, as_digit), count in texts.items() if written != as_digit)
    assert off[-2:] == [2, 3]
    assert max(range(10), key=lambda digit: sum(n for (w, r), n in texts.items() if w == digit != r)) == 8


def test_two_filters_answer_one_to_ink_and_one_to_paper(chapter):
    seen = chapter["fig-learned-filters"]
    stem, images = training.load_digit_reader().stem, torch.cat([part.images for part in training.digits()])
    with torch.no_grad():
        largest = stem.norm(stem.conv(images)).amax((0, 2, 3))
    alive = (largest > 0).tolist()
    assert alive == [bool(m.max() > 0) for m in seen["maps"]] == [False, False, True, True]
    ink, paper = stem.conv.weight[2:]
    assert (ink > 0).all()
    assert (paper < 0).all()


def test_a_silent_channel_gets_no_gradient_and_cannot_come_back(chapter):
    reader, images = training.load_digit_reader(), torch.cat([part.images for part in training.digits()])
    largest = {}
    for name, module in reader.named_modules():
        if name.endswith("activation"):
            module.register_forward_hook(
                lambda _, __, output, name=name: largest.update({name: output.amax((0, 2, 3))})
            )
    with torch.no_grad():
        reader(images)
    silent = {name.removesuffix(".activation"): values <= 0 for name, values in largest.items()}
    assert (
        sum(int(channels.sum()) for channels in silent.values()) == sum(chapter["fig-memory"]["silent"].values()) == 6
    )

    reader.train()
    for images, labels in training.batches(training.digits().train):
        F.cross_entropy(reader(images), labels).backward()
    for name, channels in silent.items():
        block = reader.get_submodule(name)
        for parameter in (block.conv.weight, block.norm.weight, block.norm.bias):
            assert (parameter.grad[channels] == 0).all()


def test_the_lines_of_memory_cross_where_the_text_says(chapter):
    seen = chapter["fig-memory"]
    once = {"separable": MobileNetV1(), "dense twin": ConvMobileNet()}
    for line, (name, network) in zip(seen["axes"].lines, once.items(), strict=False):
        start, end = line.get_ydata()
        assert start == pytest.approx(12e-6 * sum(p.numel() for p in network.parameters()))
        assert end - start == pytest.approx(64e-6 * seen["kept"][name])
    (above, below) = (line.get_ydata() for line in seen["axes"].lines[:2])
    batch = 64 * (below[0] - above[0]) / ((above[1] - above[0]) - (below[1] - below[0]))
    assert seen["crossing"] - 1 < batch < seen["crossing"]
    assert seen["axes"].lines[2].get_xdata()[0] == seen["crossing"]
