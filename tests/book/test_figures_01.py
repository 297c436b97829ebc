"""The pictures of chapter 1 show what SciPy and PyTorch compute, not what a caption hopes."""

import numpy as np
import pytest
import torch
from drawn import figures
from scipy import ndimage, signal


@pytest.fixture(scope="module")
def chapter():
    return figures("01")


def grid_of(axes):
    """The numbers written into a grid of cells, as an array."""
    written = {tuple(text.get_position()): float(text.get_text().replace("−", "-")) for text in axes.texts}
    columns, rows = (1 + max(position[side] for position in written) for side in (0, 1))
    return np.array([[written[x, y] for x in range(columns)] for y in range(rows)])


def test_the_grids_by_hand_show_the_numbers_that_are_computed(chapter):
    seen = chapter["fig-by-hand"]
    np.testing.assert_array_equal(grid_of(seen["left"]), seen["image"])
    np.testing.assert_array_equal(grid_of(seen["middle"]), seen["kernel"])
    assert signal.correlate2d(grid_of(seen["left"]), grid_of(seen["middle"]), "valid").tolist() == [[7, 2], [3, 6]]


def test_the_photograph_went_through_the_filters_that_are_named(chapter):
    seen = chapter["fig-filters"]
    face, panels = seen["face"].numpy(), seen["panels"]
    inside = (slice(1, -1), slice(1, -1))
    expected = {
        "original": face,
        "blur": ndimage.uniform_filter(face, 3)[inside],
        "sharpen": (face - ndimage.laplace(face))[inside],
        "Sobel, left to right": ndimage.sobel(face, axis=1)[inside],
        "Sobel, top to bottom": ndimage.sobel(face, axis=0)[inside],
        "both, strength": np.hypot(*(ndimage.sobel(face, axis=axis)[inside] for axis in (0, 1))),
    }
    assert list(panels) == list(expected)
    for name, axes in zip(panels, seen["axes"].flat, strict=True):
        np.testing.assert_allclose(panels[name], expected[name], atol=1e-3)
        assert axes.get_title(loc="left") == name
        np.testing.assert_array_equal(axes.images[0].get_array(), panels[name])


def test_edges_vanish_on_flat_ground_and_are_strongest_where_the_picture_changes(chapter):
    panels = chapter["fig-filters"]["panels"]
    background = (slice(None, 60), slice(108, None))  # the wall to the right of the cap
    assert panels["both, strength"][background].mean() < 0.1 * panels["both, strength"].max()
    assert panels["original"][background].mean() > 80


def test_the_colour_maps_ask_for_one_channel_more_than_the_others(chapter):
    seen = chapter["fig-channels"]
    red, green, blue = (ndimage.uniform_filter(channel, 3)[1:-1, 1:-1] for channel in seen["colour"].numpy())
    np.testing.assert_allclose(seen["is_red"], red - (green + blue) / 2, atol=1e-3)
    np.testing.assert_allclose(seen["is_blue"], blue - (red + green) / 2, atol=1e-3)


def test_no_input_channel_tells_the_background_from_the_flag_stripes_as_the_outputs_do(chapter):
    seen = chapter["fig-channels"]
    face, background = (slice(48, 80), slice(50, 70)), (slice(10, 50), slice(105, 126))
    assert seen["is_red"][face].mean() > 60 > 0 > seen["is_red"][background].mean()
    assert seen["is_blue"][background].mean() > 30 > 0 > seen["is_blue"][face].mean()


@pytest.mark.parametrize(("index", "padding", "stride"), [(0, 0, 1), (1, 1, 1), (2, 1, 2)])
def test_there_is_a_dot_for_each_number_that_pytorch_writes(chapter, index, padding, stride):
    axes = chapter["fig-stride-padding"]["axes"][index]
    (dots,) = (line for line in axes.lines if line.get_marker() == "o")
    output = torch.nn.functional.conv2d(torch.zeros(1, 1, 6, 6), torch.zeros(1, 1, 3, 3), None, stride, padding)
    assert len(dots.get_xdata()) == output.numel()
    title = axes.get_title(loc="left")
    assert f"padding {padding}, stride {stride}" in title
    assert "output {}×{}".format(*output.shape[2:]) in title
    assert set(dots.get_xdata()) == set(range(1 - padding, 7 - 1 - (1 - padding), stride))


@pytest.mark.parametrize(("index", "strides"), [(0, (1, 1)), (1, (2, 1))])
def test_the_filled_pixels_are_those_from_which_a_gradient_comes_back(chapter, index, strides):
    axes = chapter["fig-receptive-field"]["axes"][index]
    cells = [(round(p.get_x() + 0.4, 6), round(p.get_y() + 0.2), p.get_facecolor()[3] > 0) for p in axes.patches]
    picture = torch.ones(1, 1, 9, requires_grad=True)
    output = picture
    for stride in strides:
        output = torch.nn.functional.conv1d(output, torch.ones(1, 1, 3), stride=stride)
    assert sum(level == 2 for _, level, _ in cells) == output.shape[-1]
    output[0, 0, output.shape[-1] // 2].backward()
    reached = {place for place, gradient in enumerate(picture.grad[0, 0]) if gradient}
    assert {x for x, level, filled in cells if level == 0 and filled} == reached
    assert f"strides {strides[0]} and {strides[1]}: {len(reached)} pixels" in axes.get_title(loc="left")
