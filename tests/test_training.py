"""`mobilenet_edu.training` against hand-made steps, scikit-learn and the stored runs of chapter 8."""

import io
import os
import random
import runpy
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from statistics import fmean, stdev

import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score
from torch import nn

from mobilenet_edu import training
from mobilenet_edu.architecture import conv_mobilenet, mobilenet_v1
from mobilenet_edu.network import MobileNet, MobileNetV1

EXPERIMENTS = Path(__file__).parent.parent / "experiments"


@pytest.fixture(scope="module")
def data():
    return training.digits()


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def flat_classifier(pixels=64):
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(pixels, 10))


# the data


def test_the_three_sets_are_a_partition_of_scikit_learns_digits():
    parts = training.digits(resolution=8)
    ours = Counter(
        (int(label), tuple(image.flatten().tolist()))
        for part in parts
        for image, label in zip(part.images, part.labels, strict=True)
    )
    pixels, labels = load_digits(return_X_y=True)
    theirs = Counter((int(label), tuple(row.tolist())) for row, label in zip(pixels / 8 - 1, labels, strict=True))
    assert ours == theirs
    assert [len(part.labels) for part in parts] == [1077, training.HELD_OUT, training.HELD_OUT]


def test_every_class_has_its_share_of_every_set(data):
    for part in data:
        counts = torch.bincount(part.labels, minlength=10)
        assert counts.min() >= 0.09 * len(part.labels)
        assert counts.max() <= 0.11 * len(part.labels)


def test_the_seed_decides_who_goes_where_and_the_resolution_does_not(data):
    assert torch.equal(training.digits(resolution=8).test.labels, data.test.labels)
    assert not torch.equal(training.digits(seed=1).test.labels, data.test.labels)
    # where the enlarged image has a pixel between four equal ones, nothing was changed
    small = training.digits(resolution=8).test.images
    assert torch.allclose(data.test.images.mean(dim=(1, 2, 3)), small.mean(dim=(1, 2, 3)), atol=1e-5)
    assert data.test.images.shape == (360, 1, 32, 32)
    assert -1 <= data.test.images.min() < data.test.images.max() <= 1


def test_without_a_seed_the_file_is_cut_in_its_own_order():
    in_order = training.digits(resolution=8, seed=None)
    assert torch.cat([part.labels for part in in_order]).tolist() == load_digits().target.tolist()
    assert [len(part.labels) for part in in_order] == [1077, 360, 360]


@pytest.mark.parametrize(("resolution", "error"), [(0, ValueError), (32.0, TypeError), (True, TypeError)])
def test_a_resolution_that_is_no_size_is_refused(resolution, error):
    with pytest.raises(error, match="resolution"):
        training.digits(resolution)


def test_batches_come_in_a_new_order_every_epoch_and_in_the_same_orders_for_the_same_seed(data):
    first, second, other = (training.batches(data.validation, 100, seed) for seed in (0, 0, 1))
    epochs = [[labels.tolist() for _, labels in first] for _ in range(2)]
    assert epochs[0] != epochs[1]
    assert epochs == [[labels.tolist() for _, labels in second] for _ in range(2)]
    assert epochs[0] != [labels.tolist() for _, labels in other]
    assert [len(labels) for labels in epochs[0]] == [100, 100, 100]


def test_a_batch_larger_than_the_set_is_refused(data):
    with pytest.raises(ValueError, match="batch_size=361 must not exceed the 360 images"):
        training.batches(data.test, 361)


# the loop


def test_one_epoch_of_one_batch_is_one_step_down_the_gradient():
    images, labels = torch.randn(5, 1, 8, 8), torch.arange(5)
    model = flat_classifier()
    weight, bias = (parameter.detach().clone() for parameter in model.parameters())
    probabilities = (images.flatten(1) @ weight.T + bias).softmax(1)
    slope = (probabilities - torch.eye(10)[labels]) / 5  # of the mean cross entropy, by the chain rule
    history = training.fit(model, [(images, labels)], torch.optim.SGD(model.parameters(), 0.5), epochs=1)
    torch.testing.assert_close(model[1].weight, weight - 0.5 * slope.T @ images.flatten(1))
    torch.testing.assert_close(model[1].bias, bias - 0.5 * slope.sum(0))
    assert history[0].loss == pytest.approx(-probabilities[labels, labels].log().mean().item(), rel=1e-5)


def test_the_history_has_a_line_for_every_epoch_and_the_loss_falls(data):
    model = flat_classifier(32 * 32)
    loader = training.batches(data.train)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    history = training.fit(model, loader, optimizer, epochs=3, validation=data.validation)
    assert [line.epoch for line in history] == [1, 2, 3]
    assert history[0].loss > history[1].loss > history[2].loss
    assert history[-1].validation == training.accuracy(model, data.validation) > 0.8
    assert training.fit(model, loader, optimizer, epochs=1)[0].validation is None


def test_the_same_seeds_give_the_same_weights(data, one_thread):
    def weights():
        torch.manual_seed(3)
        model = MobileNetV1(10, 0.0625, in_channels=1)
        loader = training.batches(data.validation, seed=3)
        training.fit(model, loader, *training.recipe(model, len(loader)), epochs=1)
        return torch.cat([parameter.flatten() for parameter in model.parameters()])

    assert torch.equal(weights(), weights())


def test_the_learning_rate_rises_to_its_peak_and_ends_near_zero(data):
    model = flat_classifier(32 * 32)
    optimizer, schedule = training.recipe(model, steps=10, learning_rate=0.1)
    rates = []

    def backward(loss):
        rates.append(optimizer.param_groups[0]["lr"])
        loss.backward()

    training.fit(model, training.batches(data.validation), optimizer, schedule, epochs=2, backward=backward)
    peak = rates.index(max(rates))
    assert len(rates) == 10
    assert rates == sorted(rates[:peak]) + sorted(rates[peak:], reverse=True)
    assert 0.08 < rates[peak] <= 0.1
    assert rates[-1] < 1e-4


def test_a_loss_that_is_no_number_stops_the_training_with_a_sentence(data):
    model = flat_classifier(32 * 32)
    optimizer = torch.optim.SGD(model.parameters(), 1e38)
    with pytest.raises(FloatingPointError, match=r"the loss became (nan|inf) in epoch 1.*lower learning rate"):
        training.fit(model, training.batches(data.validation), optimizer, epochs=2)


def test_a_loader_that_is_used_up_is_named(data):
    model = flat_classifier(32 * 32)
    once = iter(training.batches(data.validation))
    with pytest.raises(ValueError, match="the loader gave no batch in epoch 2"):
        training.fit(model, once, torch.optim.SGD(model.parameters(), 0.01), epochs=2)


def test_no_epochs_are_refused():
    model = flat_classifier()
    with pytest.raises(ValueError, match="epochs"):
        training.fit(model, [], torch.optim.SGD(model.parameters(), 0.1), epochs=0)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_gets_a_progress_bar_and_a_file_gets_nothing(data, monkeypatch, capsys):
    def run():
        model = flat_classifier(32 * 32)
        training.fit(model, training.batches(data.test), torch.optim.SGD(model.parameters(), 0.01), epochs=2)

    run()
    assert capsys.readouterr() == ("", "")
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    run()
    assert "training" in terminal.getvalue()
    assert "2/2" in terminal.getvalue()


# the scores


def test_accuracy_is_scikit_learns_and_leaves_the_model_in_its_mode(data):
    model = MobileNetV1(10, 0.0625, in_channels=1).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    expected = accuracy_score(data.test.labels, training.predict(model, data.test.images))
    assert training.accuracy(model, data.test) == pytest.approx(expected)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_predictions_do_not_depend_on_the_company_an_image_keeps(data):
    reader = training.load_digit_reader()
    together = training.predict(reader, data.train.images)  # more than one part of 256
    alone = torch.cat([training.predict(reader, data.train.images[i : i + 1]) for i in range(0, 1077, 90)])
    assert torch.equal(together[::90], alone)


def test_saved_weights_restore_the_network(data, tmp_path):
    model = flat_classifier(32 * 32)
    training.fit(model, training.batches(data.test), torch.optim.SGD(model.parameters(), 0.01), epochs=1)
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    restored = flat_classifier(32 * 32)
    assert not torch.equal(restored[1].weight, model[1].weight)
    restored.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    assert torch.equal(restored(data.test.images), model(data.test.images))


# memory


@pytest.mark.parametrize("build", [mobilenet_v1, conv_mobilenet])
def test_training_keeps_two_maps_for_every_convolution(build):
    """Batch norm keeps what the convolution wrote, ReLU what it wrote; the first layer keeps the image."""
    architecture = build(0.25, resolution=64, num_classes=10)
    model = MobileNet(architecture)
    one, two = (training.saved_bytes(model, torch.randn(n, 3, 64, 64)) for n in (1, 2))
    maps = sum(layer.cost.output_elements for layer in architecture.layers if layer.is_convolution)
    assert two - one == 4 * (2 * maps + 3 * 64 * 64 + architecture.classifier.in_channels)


def test_measuring_memory_leaves_the_model_as_it_was():
    model = MobileNetV1(10, 0.0625).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    training.saved_bytes(model, torch.randn(2, 3, 32, 32))
    assert not model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_tensor_that_two_operations_keep_counts_once():
    class Square(nn.Module):
        def forward(self, x):
            y = x.exp()  # exp keeps y, and so does the product, twice
            return y * y

    assert training.saved_bytes(Square(), torch.zeros(25, requires_grad=True)) == 100


# the committed network


def test_the_digit_reader_reads_digits_it_has_never_seen(data):
    reader = training.load_digit_reader()
    assert training.accuracy(reader, data.test) > 0.9
    assert not reader.training
    assert reader.architecture == mobilenet_v1(0.125, 32, 10, in_channels=1)
    assert (Path(training.__file__).parent / "data" / "digits_net.pt").stat().st_size < 250_000


# the stored runs


@pytest.fixture(scope="module")
def experiment():
    return runpy.run_path(str(EXPERIMENTS / "train_digits.py"))


def test_every_planned_run_is_stored_once_and_none_besides(experiment):
    planned = [run for name in experiment["EXPERIMENTS"] for run in experiment["planned"](name)]
    stored = [experiment["plan_of"](run) for run in training.stored_runs()]
    assert Counter(stored) == Counter(planned)
    assert len(set(planned)) == len(planned)


def test_the_recipe_is_the_one_that_did_best_on_validation_for_both_networks_together(experiment):
    tried = [run for run in training.stored_runs() if run.experiment == "recipe"]
    scores = {
        name: fmean(run.validation_correct for run in tried if run.recipe == name)
        for name in experiment["RECIPES"]
        if name != "AdamW 0.003, constant"
    }
    assert experiment["CHOSEN"] == max(scores, key=scores.get)
    assert all(run.test_correct is None for run in tried)
    optimizer, _ = experiment["RECIPES"][experiment["CHOSEN"]](flat_classifier(), 10)
    default, _ = training.recipe(flat_classifier(), 10)
    assert optimizer.state_dict()["param_groups"] == default.state_dict()["param_groups"]


def rows(least):
    """The rows of the chapter's tables: runs that differ in nothing but split and seed, if there are ``least``."""
    groups = {}
    for run in training.stored_runs():
        groups.setdefault(run[:5], []).append(run)
    return [group for group in groups.values() if len(group) >= least]


def percent(run):
    """The accuracy that the chapter shows: on the test set, or for a recipe that was only tried, on validation."""
    correct = run.validation_correct if run.experiment == "recipe" else run.test_correct
    return 100 * correct / training.HELD_OUT


def spread(runs):
    return stdev(map(percent, runs))


def shift(runs, experiment):
    """By how many points the mean accuracy of ``runs`` moves when they are made again."""
    again = [experiment["made"](experiment["plan_of"](run)) for run in runs]
    for before, after in zip(runs, again, strict=True):
        print(f"{before}: now {percent(after):.1f} %")
    return fmean(map(percent, again)) - fmean(map(percent, runs))


def test_the_cheapest_steady_row_comes_out_again(experiment, one_thread):
    """Processors round differently, and then the same seed is another run: only steady rows can be asked to agree."""
    runs = min((runs for runs in rows(6) if spread(runs) < 1), key=lambda runs: runs[0].width_multiplier)
    assert abs(shift([run for run in runs if run.seed == 0], experiment)) <= 1.5


def test_the_linear_models_come_out_again_on_every_split_and_in_the_files_order(experiment):
    linear = [run for run in training.stored_runs() if run.network == "logistic regression"]
    assert {run.split for run in linear} == {0, 1, 2, None}
    for run in linear:
        again = experiment["made"](experiment["plan_of"](run))
        assert again.validation_correct == pytest.approx(run.validation_correct, abs=1)
        assert again.test_correct == pytest.approx(run.test_correct, abs=1)


@pytest.mark.slow
def test_the_rows_come_out_again_as_far_as_five_minutes_go(experiment, one_thread):
    groups = rows(2)
    random.shuffle(groups)
    end = time.monotonic() + 300
    for runs in groups:
        if time.monotonic() < end:
            # three standard errors of the difference of two means, for the rows that vary more
            assert abs(shift(runs, experiment)) <= max(1.5, 3 * spread(runs) * (2 / len(runs)) ** 0.5)


def test_the_digit_reader_is_the_stored_run_with_its_width_split_and_seed(data):
    reader = training.load_digit_reader()
    (run,) = (
        run
        for run in training.stored_runs()
        if (run.experiment, run.network, run.width_multiplier) == ("width", "separable", 0.125)
        if (run.split, run.seed) == (0, 0)
    )
    correct = int((training.predict(reader, data.test.images) == data.test.labels).sum())
    assert abs(correct - run.test_correct) <= 1  # its weights are 16-bit floats


# more than one process


def torchrun(*options):
    """Start the script of chapter 8's last section on the CPU."""
    command = [sys.executable, "-m", "torch.distributed.run", *options, str(EXPERIMENTS / "train_accelerate.py")]
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def assert_two_processes_train_one_network(*started):
    try:
        told = [each.communicate(timeout=900) for each in started]
    finally:
        for each in started:
            each.kill()
    for each, (out, complaints) in zip(started, told, strict=True):
        assert each.returncode == 0, complaints
        processes, equal, score = out.strip().splitlines()
        assert processes == "processes: 2, steps an epoch: 8"  # 16 batches, shared
        assert equal == "all copies of the network are equal: True"
        assert int(score.split()[1]) > 250  # of 360; a guess would get 36


def test_two_processes_train_one_network_under_accelerate():
    assert_two_processes_train_one_network(torchrun("--nproc-per-node", "2"))


@pytest.mark.slow
def test_two_machines_train_one_network_under_accelerate():
    """Both are this one, but they meet as two machines do: at an address."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    meet = ("--nnodes", "2", "--rdzv-backend", "c10d", "--rdzv-endpoint", address)
    assert_two_processes_train_one_network(torchrun(*meet), torchrun(*meet))
