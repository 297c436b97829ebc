"""Convolutions from scratch against torch's own, on layers that nobody picked by hand."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilenet_edu.convolution import (
    conv2d_im2col,
    conv2d_loops,
    depthwise_conv2d,
    im2col,
    nearest_separable_kernel,
    pointwise_conv2d,
    separable_conv2d,
    separable_kernel,
)

EXACT = {"rtol": 1e-10, "atol": 1e-10}
derandomized = settings(derandomize=True, max_examples=300, deadline=None)


def random(*shape):
    return torch.randn(*shape, dtype=torch.float64)


@st.composite
def layers(draw, groups=(1, 2, 3)):
    """A batch of two images, filters, and the settings of a convolution that fits them."""
    either = st.integers(1, 3)
    pair = st.one_of(either, st.tuples(either, either))
    stride, dilation = draw(pair), draw(pair)
    padding = draw(st.one_of(st.integers(0, 2), st.tuples(st.integers(0, 2), st.integers(0, 2))))
    kernel = draw(st.tuples(either, st.integers(1, 4)))
    sides = []
    for side in range(2):
        spread, pad = (value if isinstance(value, int) else value[side] for value in (dilation, padding))
        smallest = max(1, spread * (kernel[side] - 1) + 1 - 2 * pad)
        sides.append(draw(st.integers(smallest, smallest + 5)))
    number = draw(st.sampled_from(groups))
    in_channels, out_channels = number * draw(st.integers(1, 2)), number * draw(st.integers(1, 3))
    torch.manual_seed(draw(st.integers(0, 2**20)))
    images = random(2, in_channels, *sides)
    weight = random(out_channels, in_channels // number, *kernel)
    bias = random(out_channels) if draw(st.booleans()) else None
    return images, weight, bias, {"stride": stride, "padding": padding, "dilation": dilation, "groups": number}


def spatial(options):
    return {name: options[name] for name in ("stride", "padding", "dilation")}


@derandomized
@given(layers())
def test_the_loops_are_a_convolution(layer):
    images, weight, bias, options = layer
    expected = F.conv2d(images, weight, bias, **options)
    torch.testing.assert_close(conv2d_loops(images[1], weight, bias, **options), expected[1], **EXACT)


@derandomized
@given(layers())
def test_so_is_one_matrix_product_a_group(layer):
    images, weight, bias, options = layer
    expected = F.conv2d(images, weight, bias, **options)
    torch.testing.assert_close(conv2d_im2col(images, weight, bias, **options), expected, **EXACT)


@derandomized
@given(layers())
def test_columns_are_those_of_unfold(layer):
    images, weight, _, options = layer
    expected = F.unfold(images, weight.shape[2:], **spatial(options))
    assert torch.equal(im2col(images, tuple(weight.shape[2:]), **spatial(options)), expected)


@derandomized
@given(layers(groups=(1,)))
def test_a_depthwise_convolution_has_as_many_groups_as_channels(layer):
    images, weight, _, options = layer
    filters = random(images.shape[1], *weight.shape[2:])
    expected = F.conv2d(images, filters[:, None], groups=len(filters), **spatial(options))
    torch.testing.assert_close(depthwise_conv2d(images, filters, **spatial(options)), expected, **EXACT)


def test_a_depthwise_convolution_never_mixes_channels():
    images, filters = random(1, 4, 6, 7), random(4, 3, 3)
    before = depthwise_conv2d(images, filters)
    images[:, 2] += 1
    changed = (depthwise_conv2d(images, filters) != before).flatten(2).any(2)[0]
    assert changed.tolist() == [False, False, True, False]


def test_a_pointwise_convolution_has_a_kernel_of_one_by_one():
    images, matrix = random(2, 5, 6, 7), random(3, 5)
    expected = F.conv2d(images, matrix[:, :, None, None])
    torch.testing.assert_close(pointwise_conv2d(images, matrix), expected, **EXACT)


def test_a_pointwise_convolution_never_mixes_pixels():
    images, matrix = random(1, 5, 6, 7), random(3, 5)
    before = pointwise_conv2d(images, matrix)
    images[:, :, 4, 2] += 1
    changed = (pointwise_conv2d(images, matrix) != before).any(1)[0].nonzero()
    assert changed.tolist() == [[4, 2]]


@derandomized
@given(layers(groups=(1,)))
def test_a_separable_layer_is_the_dense_layer_with_its_kernel(layer):
    images, weight, _, options = layer
    filters = random(images.shape[1], *weight.shape[2:])
    matrix = random(len(weight), images.shape[1])
    expected = F.conv2d(images, separable_kernel(filters, matrix), **spatial(options))
    torch.testing.assert_close(separable_conv2d(images, filters, matrix, **spatial(options)), expected, **EXACT)


def test_a_separable_kernel_is_nearest_to_itself():
    weight = separable_kernel(random(3, 3, 3), random(8, 3))
    filters, matrix = nearest_separable_kernel(weight)
    assert (filters.shape, matrix.shape) == ((3, 3, 3), (8, 3))
    torch.testing.assert_close(separable_kernel(filters, matrix), weight, **EXACT)


def squared_error(weight, filters, matrix, depth_multiplier):
    """How far the layer with ``depth_multiplier`` filters a channel is from the dense kernel ``weight``."""
    pieces = separable_kernel(filters, matrix)  # (N, M * depth_multiplier, K_h, K_w)
    N, M, *kernel = weight.shape
    return (weight - pieces.reshape(N, M, depth_multiplier, *kernel).sum(2)).square().sum().item()


@pytest.mark.parametrize("depth_multiplier", [1, 2, 3])
def test_the_nearest_separable_kernel_misses_only_the_smaller_singular_values(depth_multiplier):
    torch.manual_seed(0)
    weight = random(8, 4, 3, 3)
    expected = 0.0
    for channel in range(4):
        values = torch.linalg.svdvals(weight[:, channel].reshape(8, 9))
        expected += values[depth_multiplier:].square().sum().item()
    found = squared_error(weight, *nearest_separable_kernel(weight, depth_multiplier), depth_multiplier)
    assert math.isclose(found, expected, rel_tol=1e-9)


@pytest.mark.parametrize("depth_multiplier", [1, 2])
def test_no_step_away_from_the_nearest_separable_kernel_comes_nearer(depth_multiplier):
    torch.manual_seed(0)
    weight = random(6, 2, 3, 3)
    filters, matrix = nearest_separable_kernel(weight, depth_multiplier)
    best = squared_error(weight, filters, matrix, depth_multiplier)
    for size in (1e-3, 1e-1, 1.0):
        for _ in range(50):
            nearby = filters + size * random(*filters.shape), matrix + size * random(*matrix.shape)
            assert squared_error(weight, *nearby, depth_multiplier) > best


def test_the_gradient_vanishes_at_the_nearest_separable_kernel():
    torch.manual_seed(0)
    weight = random(6, 2, 3, 3)
    filters, matrix = (tensor.clone().requires_grad_() for tensor in nearest_separable_kernel(weight))
    (weight - separable_kernel(filters, matrix)).square().sum().backward()
    assert max(filters.grad.abs().max(), matrix.grad.abs().max()) < 1e-10


@pytest.mark.parametrize(
    ("shape", "rank"), [((8, 4, 3, 3), 9), ((20, 3, 3, 3), 9), ((4, 3, 5, 5), 4), ((2, 1, 1, 3), 2)]
)
def test_the_nearest_kernel_is_exact_once_there_are_as_many_filters_as_the_rank(shape, rank):
    torch.manual_seed(0)
    weight = random(*shape)
    rank = min(rank, shape[0])
    assert squared_error(weight, *nearest_separable_kernel(weight, rank), rank) < 1e-20
    assert squared_error(weight, *nearest_separable_kernel(weight, rank - 1), rank - 1) > 1e-6


def test_more_filters_than_the_rank_are_not_made():
    filters, matrix = nearest_separable_kernel(random(2, 3, 3, 3), depth_multiplier=50)
    assert (filters.shape, matrix.shape) == ((3 * 2, 3, 3), (2, 3 * 2))


@pytest.mark.parametrize(
    ("image", "weight", "bias", "groups", "said"),
    [
        ((4, 4), (1, 1, 3, 3), None, 1, r"image of shape \(4, 4\) must have 3 dimensions"),
        ((1, 4, 4), (3, 3), None, 1, r"weight of shape \(3, 3\) must have 4"),
        ((1, 4, 4), (2, 3, 3, 3), None, 1, "has 1 channels, but the weight .* expects 3"),
        ((3, 4, 4), (6, 3, 3, 3), None, 3, "each of the 3 groups has 1 channels"),
        ((4, 4, 4), (6, 1, 3, 3), None, 3, "groups=3 must divide the image's 4 channels"),
        ((3, 4, 4), (4, 1, 3, 3), None, 3, "groups=3 must divide .* the 4 filters"),
        ((3, 4, 4), (4, 3, 3, 3), None, 0, "groups=0 must be at least 1"),
        ((1, 4, 4), (2, 1, 3, 3), (3,), 1, "one number for each of 2 filters"),
        ((1, 4, 4), (2, 1, 5, 5), None, 1, "kernel_size=5 .* must fit into the padded input of 4"),
    ],
)
@pytest.mark.parametrize("from_scratch", [conv2d_loops, conv2d_im2col])
def test_shapes_that_do_not_fit_are_named(from_scratch, image, weight, bias, groups, said):
    if from_scratch is conv2d_im2col:
        image = (1, *image)
        said = said.replace(r"\(4, 4\) must have 3", r"\(1, 4, 4\) must have 4")
    bias = None if bias is None else torch.zeros(bias)
    with pytest.raises(ValueError, match=said):
        from_scratch(torch.zeros(image), torch.zeros(weight), bias, groups=groups)


@pytest.mark.parametrize("setting", ["stride", "padding", "dilation"])
@pytest.mark.parametrize("from_scratch", [conv2d_loops, conv2d_im2col])
def test_settings_that_no_convolution_has_are_refused_by_name(from_scratch, setting):
    image = torch.zeros(1, 4, 4) if from_scratch is conv2d_loops else torch.zeros(1, 1, 4, 4)
    for value, error in ((-1, ValueError), ((1, 2, 3), ValueError), (1.0, TypeError), (True, TypeError)):
        with pytest.raises(error, match=setting):
            from_scratch(image, torch.zeros(1, 1, 2, 2), **{setting: value})


@pytest.mark.parametrize("filters", [(4, 3, 3), (1, 3, 3), (2, 1, 3, 3), (3, 3)])
def test_depthwise_filters_are_one_for_each_channel(filters):
    with pytest.raises(ValueError, match=r"must be one matrix for each channel of the images of shape \(1, 2, 5, 5\)"):
        depthwise_conv2d(torch.zeros(1, 2, 5, 5), torch.zeros(filters))


@pytest.mark.parametrize("matrix", [(3, 1), (3, 4), (3, 2, 1, 1), (2,)])
def test_a_pointwise_matrix_has_a_column_for_each_channel(matrix):
    for call in (
        lambda: pointwise_conv2d(torch.zeros(1, 2, 5, 5), torch.zeros(matrix)),
        lambda: separable_kernel(torch.zeros(2, 3, 3), torch.zeros(matrix)),
    ):
        with pytest.raises(ValueError, match=r"matrix of shape .* must have a column for each of 2 channels"):
            call()


@pytest.mark.parametrize("multiplier", [0, -1])
def test_a_separable_kernel_has_at_least_one_filter_a_channel(multiplier):
    with pytest.raises(ValueError, match=f"depth_multiplier={multiplier} must be at least 1"):
        nearest_separable_kernel(torch.zeros(2, 1, 3, 3), multiplier)


@pytest.mark.parametrize("from_scratch", [conv2d_loops, conv2d_im2col])
def test_tensors_of_two_types_are_refused_before_anything_is_cut_off(from_scratch):
    image = torch.ones(1, 4, 4, dtype=torch.int64)
    image = image if from_scratch is conv2d_loops else image[None]
    weight, bias = torch.full((1, 1, 2, 2), 0.3), torch.full((1,), 0.3)
    for tensors in ((image, weight), (image, weight.long(), bias)):
        with pytest.raises(TypeError, match=r"must have one dtype, not torch\.float32 and torch\.int64"):
            from_scratch(*tensors)
    assert from_scratch(image, torch.ones_like(weight, dtype=torch.int64)).unique().tolist() == [4]


def test_the_result_has_the_type_of_the_image():
    for dtype in (torch.float32, torch.float64):
        image, weight = torch.ones(1, 3, 3, dtype=dtype), torch.ones(2, 1, 2, 2, dtype=dtype)
        assert conv2d_loops(image, weight).dtype == conv2d_im2col(image[None], weight).dtype == dtype
