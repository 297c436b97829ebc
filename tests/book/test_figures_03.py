"""The data behind the figures of chapter 3: pencil sums, numpy's ranks, scipy's gradients."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn import figures
from scipy.ndimage import sobel
from sklearn.datasets import load_digits
from torch import nn

from mobilenet_edu.drawings import Splitting

EXPERIMENT = Path(__file__).parents[2] / "experiments" / "train_dense_digits.py"


@pytest.fixture(scope="module")
def chapter():
    return figures("03")


def right_answers(network):
    digits = load_digits()
    pictures = torch.tensor(digits.images[::5], dtype=torch.float32)[:, None] / 16
    return int((network(pictures).argmax(1).numpy() == digits.target[::5]).sum())


def test_a_filter_sees_exactly_the_channels_that_its_output_depends_on(chapter):
    sights = chapter["fig-who-sees-whom"]["sights"]
    for groups, sight in sights.items():
        image = torch.ones(1, 4, 1, 1, requires_grad=True)
        output = nn.Conv2d(4, 4, 1, groups=groups)(image).flatten()
        depends = [torch.autograd.grad(one, image, retain_graph=True)[0].flatten() != 0 for one in output]
        assert torch.equal(torch.stack(depends), sight.bool())
    assert list(sights) == [1, 2, 4]


def test_what_a_filter_does_not_see_is_left_as_the_paper_is_light_or_dark(chapter):
    seen = chapter["fig-who-sees-whom"]
    for ax, sight in zip(seen["axes"], seen["sights"].values(), strict=True):
        (image,) = ax.images
        drawn = image.to_rgba(image.get_array())[sight.bool().numpy()]
        assert np.array_equal(image.get_alpha(), sight)
        assert 3 < 1.05 / (0.05 + ((drawn[:, :3] + 0.055) / 1.055) ** 2.4).max() < 7  # contrast with white; 21 is black


def test_the_two_steps_by_hand_are_those_of_the_drawing_that_opens_the_chapter(chapter):
    seen = chapter["fig-free-and-forced"]  # the first figure after them
    assert seen["filtered"].tolist() == [[[3 - 1, 1 - 2], [4 - 0, 1 - 1]], [[0 + 1, 1 + 0], [2 + 0, 0 + 1]]]
    first, second = seen["filtered"].numpy()
    assert np.array_equal(seen["mixed"], [first + second, first - 2 * second, 3 * second])
    picture = Splitting().svg().replace("−", "-")
    for name in ("filtered", "mixed"):
        for (index, y, x), number in np.ndenumerate(seen[name]):
            key = f"{'map' if name == 'filtered' else 'output'}-{index}-{y}-{x}"
            assert re.search(rf'data-key="{key}"[^>]*><rect[^>]*/><text[^>]*>{number}<', picture)


def test_only_the_separable_kernel_repeats_its_patterns_down_a_column(chapter):
    seen = chapter["fig-free-and-forced"]
    free, forced = seen["free"].numpy(), seen["forced"].numpy()
    assert free.shape == forced.shape == (5, 4, 3, 3)
    for channel in range(4):
        patterns = forced[:, channel].reshape(5, 9)
        assert np.allclose(np.abs(np.corrcoef(patterns)), 1)
        assert np.linalg.matrix_rank(free[:, channel].reshape(5, 9)) == 5


def test_the_slopes_are_those_of_scipy(chapter):
    seen = chapter["fig-two-slopes"]
    disc = seen["disc"][0, 0].double().numpy()
    for axis, slope in ((1, seen["slopes"][0]), (0, seen["slopes"][1])):
        assert np.array_equal(sobel(disc, axis)[1:-1, 1:-1], slope.double().numpy())


def test_what_the_nearest_separable_kernel_loses_is_what_numpy_finds(chapter):
    seen = chapter["end"]
    kernel = seen["kernel"].double().numpy()  # (32, 16, 3, 3)
    torch.manual_seed(0)
    random = torch.randn(32, 16, 3, 3).double().numpy()
    for weight, lost in ((kernel, seen["lost"]), (random, seen["lost_at_random"])):
        for rank in range(1, 10):
            left_out = 0.0
            for channel in range(16):
                rows = weight[:, channel].reshape(32, 9)
                kept = np.linalg.eigh(rows.T @ rows).eigenvectors[:, 9 - rank :]
                left_out += np.sum((rows - rows @ kept @ kept.T) ** 2)
            assert lost[rank - 1] == pytest.approx(100 * left_out / np.sum(weight**2), abs=1e-6)


def test_the_chapter_computes_what_the_trained_network_computes(chapter):
    experiment = runpy.run_path(str(EXPERIMENT))
    network = experiment["build"]()
    with np.load(experiment["STORED"]) as stored:
        network.load_state_dict({name: torch.from_numpy(stored[name]) for name in stored})
    assert chapter["end"]["as_trained"] == right_answers(network)


@pytest.mark.slow
def test_another_training_run_comes_nearer_to_the_form_than_chance_too(chapter):
    seen = chapter["end"]
    network = runpy.run_path(str(EXPERIMENT))["train"](seed=1)
    assert right_answers(network) > 0.95 * len(seen["answers"])
    lost = seen["share_lost"](network[2].weight.detach())
    assert all(trained < random for trained, random in zip(lost[:8], seen["lost_at_random"], strict=False))
