"""The data behind the figures of chapter 5."""

import itertools

import pytest
import torch
from drawn import figures
from torch import nn

from mobilenet_edu.blocks import DepthwiseSeparableConv2d


@pytest.fixture(scope="module")
def chapter():
    return figures("05")


def test_the_signal_dies_without_batch_norm_and_lives_with_it_or_with_a_better_start(chapter):
    lines = chapter["fig-signal-through-depth"]["lines"]
    lost, better, normed = lines.values()
    assert lost[0] / lost[-1] > 1e10
    assert all(after < before / 3 for before, after in itertools.pairwise(lost))
    assert 0.4 < min(better) < max(better) < 2
    # Batch norm gives variance 1, and ReLU of a normal variable has variance (1 - 1/π) / 2.
    assert normed == pytest.approx([((1 - 1 / torch.pi) / 2) ** 0.5] * 14, abs=0.03)


def test_the_signal_figure_draws_those_lines(chapter):
    seen = chapter["fig-signal-through-depth"]
    drawn = [list(line.get_ydata()) for line in seen["axes"].lines]
    assert drawn == list(seen["lines"].values())


def test_the_block_figure_shows_the_parameters_and_shapes_of_the_package_block(chapter):
    seen = chapter["fig-building-block"]
    block = DepthwiseSeparableConv2d(64, 128, stride=2)
    parts = [part for part in block.modules() if not list(part.children())]
    assert [type(part) for part in parts[1::3]] == [nn.BatchNorm2d] * 2
    counts = [sum(parameter.numel() for parameter in part.parameters()) for part in parts]
    texts = [text.get_text() for text in seen["axes"].texts]
    assert [text for text in texts if text.endswith("params")] == [f"{count:,} params" for count in counts]
    maps = [torch.zeros(1, 64, 112, 112)]
    for unit in block:
        maps.append(unit(maps[-1]))
    shapes = ["×".join(map(str, tensor.shape[1:])) for tensor in maps]
    assert [text for text in texts if text.count("×") == 2] == shapes
