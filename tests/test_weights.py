"""Other libraries' checkpoints in our network: equal outputs, and a sentence for what does not fit.

Pictures are held against Pillow and against transformers' own preparation.
"""

import json
import math
import random
import runpy
import sys
from collections import Counter
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from transformers import MobileNetV1Config, MobileNetV1ForImageClassification

from mobilenet_edu import weights
from mobilenet_edu.network import ConvMobileNet, MobileNetV1
from mobilenet_edu.weights import SameConv2d, download, from_checkpoint, our_names, pictures, prepare, read_picture

EXPERIMENTS = Path(__file__).parents[1] / "experiments"


def lively(network, seed=0):
    """Random weights and running statistics of a size that keeps the signal alive through 27 layers."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.3)
            elif isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
            elif isinstance(module, nn.Linear):
                module.weight.normal_(0, 0.1)
                module.bias.normal_()
    return network.eval()


def transformers_network(depth_multiplier=0.25, **options):
    config = MobileNetV1Config(depth_multiplier=depth_multiplier, num_labels=1001, **options)
    return lively(MobileNetV1ForImageClassification(config))


@pytest.fixture(scope="module")
def theirs():
    return transformers_network()


# equal outputs


@pytest.mark.parametrize("depth_multiplier", [0.25, 1.0])
@pytest.mark.parametrize("resolution", [128, 160, 192, 224, 225])
def test_outputs_equal_those_of_transformers(depth_multiplier, resolution):
    theirs = transformers_network(depth_multiplier)
    ours = from_checkpoint(theirs.state_dict())
    images = torch.randn(2, 3, resolution, resolution)
    with torch.no_grad():
        logits = theirs(images).logits
        torch.testing.assert_close(ours(images), logits, rtol=0, atol=1e-4)
    assert logits.std() > 0.5  # they are no constant, which anything could equal
    assert (logits[0] - logits[1]).abs().max() > 1e-2  # and depend on the image


@pytest.mark.parametrize(("depth_multiplier", "size"), [(0.3, (97, 64)), (0.75, (33, 130)), (1.25, (64, 64))])
def test_odd_widths_and_rectangles_have_equal_outputs_too(depth_multiplier, size):
    theirs = transformers_network(depth_multiplier)
    images = torch.randn(1, 3, *size)
    with torch.no_grad():
        torch.testing.assert_close(
            from_checkpoint(theirs.state_dict())(images), theirs(images).logits, rtol=0, atol=1e-4
        )


def test_another_number_of_channels_and_classes_is_read_from_the_tensors():
    theirs = lively(
        MobileNetV1ForImageClassification(MobileNetV1Config(depth_multiplier=0.25, num_labels=7, num_channels=1))
    )
    images = torch.randn(2, 1, 64, 64)
    with torch.no_grad():
        ours = from_checkpoint(theirs.state_dict())
        torch.testing.assert_close(ours(images), theirs(images).logits, rtol=0, atol=1e-4)
    assert ours.classifier.out_features == 7
    assert not ours.training


@pytest.mark.parametrize(
    ("habit", "resolution", "matters"),
    [("padding", 128, True), ("padding", 225, False), ("epsilon", 128, True), ("activation", 128, True)],
)
def test_each_habit_of_tensorflow_matters_where_the_chapter_says(theirs, habit, resolution, matters):
    ours = from_checkpoint(theirs.state_dict())
    for module in ours.modules():
        if habit == "epsilon" and isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-5
        if habit == "activation" and hasattr(module, "activation"):
            module.activation = nn.ReLU()
        if habit == "padding" and isinstance(getattr(module, "conv", None), SameConv2d):
            module.conv = _padded_by_half(module.conv)
    images = torch.randn(1, 3, resolution, resolution)
    with torch.no_grad():
        assert bool((ours(images) - theirs(images).logits).abs().max() > 1e-3) == matters


def _padded_by_half(same):
    conv = nn.Conv2d(
        same.in_channels,
        same.out_channels,
        same.kernel_size,
        same.stride,
        1,
        groups=same.groups,
        bias=same.bias is not None,
    )
    conv.load_state_dict(same.state_dict())
    return conv


# padding


def test_same_padding_is_half_the_kernel_at_stride_one_and_on_odd_maps():
    for stride, size in ((1, 8), (1, 9), (2, 9), (2, 7)):
        same = SameConv2d(2, 3, 3, stride)
        images = torch.randn(1, 2, size, size)
        torch.testing.assert_close(same(images), _padded_by_half(same)(images))


def test_same_padding_adds_below_and_on_the_right_when_the_map_is_even():
    images = torch.arange(16.0).reshape(1, 1, 4, 4)
    same = SameConv2d(1, 1, 3, 2, bias=False)
    nn.init.zeros_(same.weight)
    same.weight.data[0, 0, 0, 0] = 1  # reads the pixel at the kernel's upper left
    assert same(images).flatten().tolist() == [0, 2, 8, 10]


def test_same_padding_takes_rectangles_dilation_and_single_images():
    assert SameConv2d(1, 1, (3, 5), (2, 1))(torch.zeros(1, 1, 7, 6)).shape == (1, 1, 4, 6)
    assert SameConv2d(1, 1, 3, dilation=2)(torch.zeros(1, 1, 7, 6)).shape == (1, 1, 7, 6)
    assert SameConv2d(1, 1, 3, 2)(torch.zeros(1, 8, 8)).shape == (1, 4, 4)


def middle_of_what_it_sees(network, size):
    """The pixel, along one side, at the middle of what the upper left number of the last map depends on."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.ones_(module.weight)  # positive, so that nothing cancels
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.constant_(module.weight, 1e-2)
            nn.init.ones_(module.bias)  # and no ReLU is closed
    network = network.double().eval()
    image = torch.zeros(1, 1, size, size, dtype=torch.float64, requires_grad=True)
    last = network.blocks(network.stem(image))
    last[0, 0, 5, 5].backward()  # far from the border
    seen = image.grad[0, 0].sum(1).nonzero().flatten()
    assert seen[0] > 0
    assert seen[-1] < size - 1
    return (int(seen[0]) + int(seen[-1])) / 2 - 5 * 32


@pytest.mark.parametrize(("size", "moved"), [(384, 31), (385, 0)])
def test_same_padding_moves_what_the_last_map_sees_by_31_pixels_or_not_at_all(size, moved):
    plain, same = (MobileNetV1(10, 0.03125, in_channels=1) for _ in range(2))
    for part in same.modules():
        if getattr(getattr(part, "conv", None), "stride", None) == (2, 2):
            part.conv = SameConv2d(
                part.conv.in_channels, part.conv.out_channels, 3, 2, groups=part.conv.groups, bias=False
            )
    middles = [middle_of_what_it_sees(network, size) for network in (plain, same)]
    assert middles == [0, moved]


# names


def timm_checkpoint():
    manifest = json.loads((EXPERIMENTS / "results" / "timm_mobilenetv1_100.json").read_text(encoding="utf-8"))
    return {name: torch.zeros(shape) for name, shape in manifest.items()}


def test_every_tensor_of_timm_has_its_place_and_shape():
    checkpoint = timm_checkpoint()
    assert len(checkpoint) == 164
    assert sorted(our_names(checkpoint).values()) == sorted(checkpoint)
    network = from_checkpoint(checkpoint)
    assert network.classifier.out_features == 1000
    assert {type(module) for module in network.modules() if isinstance(module, nn.Conv2d)} == {nn.Conv2d}


def test_every_tensor_of_transformers_has_its_place(theirs):
    assert sorted(our_names(theirs.state_dict()).values()) == sorted(theirs.state_dict())


# what does not fit


@pytest.mark.parametrize("kept", [0.25, 0.5, 0.9])
def test_a_truncated_checkpoint_names_the_first_tensor_that_is_missing(theirs, kept):
    names = list(theirs.state_dict())
    checkpoint = {name: theirs.state_dict()[name] for name in [*names[: int(kept * 162)], *names[-2:]]}
    first = names[int(kept * 162)].replace(".", r"\.")
    with pytest.raises(ValueError, match=f"^the checkpoint has no tensor {first}; it may be cut off"):
        from_checkpoint(checkpoint)


def test_a_checkpoint_that_ends_before_the_classifier_is_refused_too(theirs):
    checkpoint = dict(list(theirs.state_dict().items())[:-2])
    with pytest.raises(ValueError, match=r"has no tensor classifier\.weight"):
        from_checkpoint(checkpoint)


def test_a_tensor_of_another_shape_is_named_with_both_shapes(theirs):
    checkpoint = dict(theirs.state_dict())
    checkpoint["mobilenet_v1.layer.3.convolution.weight"] = torch.zeros(5, 5, 1, 1)
    with pytest.raises(
        ValueError, match=r"layer\.3\.convolution\.weight has shape \(5, 5, 1, 1\) and must have \(32, 16, 1, 1\)"
    ):
        from_checkpoint(checkpoint)


@pytest.mark.parametrize("name", ["mobilenet_v1.conv_stem.convolution.weight", "classifier.weight"])
def test_the_tensors_that_say_how_wide_it_is_must_have_the_right_number_of_dimensions(theirs, name):
    with pytest.raises(ValueError, match=rf"{name} has shape \(3,\) and must have \d dimensions"):
        from_checkpoint(dict(theirs.state_dict()) | {name: torch.zeros(3)})


def test_a_tensor_without_a_place_is_named(theirs):
    with pytest.raises(ValueError, match=r"has a tensor mobilenet_v1\.layer\.26\.x, and MobileNet V1 has no place"):
        from_checkpoint(dict(theirs.state_dict()) | {"mobilenet_v1.layer.26.x": torch.zeros(1)})


@pytest.mark.parametrize("checkpoint", [{}, {"layer1.0.conv1.weight": torch.zeros(1)}])
def test_a_checkpoint_of_another_network_is_refused(checkpoint):
    with pytest.raises(ValueError, match="must be those of timm or transformers"):
        from_checkpoint(checkpoint)


@pytest.mark.parametrize(("what", "kind"), [("model.bin", "str"), (nn.Linear(1, 1), "Linear"), (None, "NoneType")])
def test_what_is_no_dictionary_is_refused(what, kind):
    with pytest.raises(TypeError, match=rf"such as model\.state_dict\(\), and is a {kind}"):
        from_checkpoint(what)


# tensors that no network can have


STEM = "mobilenet_v1.conv_stem"


def spoilt(theirs, name, change):
    checkpoint = dict(theirs.state_dict())
    return checkpoint | {name: change(checkpoint[name].clone())}


def with_one(value):
    def change(tensor):
        tensor.view(-1)[-1] = value
        return tensor

    return change


@pytest.mark.parametrize(
    "name",
    [
        f"{STEM}.convolution.weight",
        f"{STEM}.normalization.running_mean",
        "mobilenet_v1.layer.24.convolution.weight",
        "mobilenet_v1.layer.25.normalization.running_var",
        "classifier.bias",
    ],
)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_refused_wherever_it_stands(theirs, name, value):
    with pytest.raises(ValueError, match=rf"{name} has 1 numbers that are NaN or infinite, and must have none"):
        from_checkpoint(spoilt(theirs, name, with_one(value)))


def test_a_number_that_becomes_infinite_in_our_precision_is_refused(theirs):
    name = "classifier.weight"
    with pytest.raises(ValueError, match=r"classifier\.weight has 1 numbers that are NaN or infinite"):
        from_checkpoint(spoilt(theirs, name, lambda tensor: with_one(1e300)(tensor.double())))


def test_a_negative_variance_is_refused_and_a_variance_of_zero_is_not(theirs):
    name = "mobilenet_v1.layer.7.normalization.running_var"
    with pytest.raises(ValueError, match=rf"{name} has a variance of -0\.125, and variances must be at least 0"):
        from_checkpoint(spoilt(theirs, name, with_one(-0.125)))
    from_checkpoint(spoilt(theirs, name, with_one(0.0)))


@pytest.mark.parametrize(
    "dtype",
    [
        *(torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64, torch.bool, torch.complex64),
        *(torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e8m0fnu),
    ],
)
@pytest.mark.parametrize("name", ["classifier.weight", f"{STEM}.normalization.bias"])
def test_numbers_of_another_kind_are_refused_by_name(theirs, dtype, name):
    with pytest.raises(ValueError, match=rf"{name} has numbers of type {dtype} and must have one of float16"):
        from_checkpoint(spoilt(theirs, name, lambda tensor: tensor.to(dtype)))


class OwnTensor(torch.Tensor):
    pass


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda tensor: tensor.to("meta"), "must be a plain tensor with data, and is on the device meta"),
        (lambda tensor: tensor.to_sparse(), r"must be a plain tensor with data, and is torch\.sparse_coo"),
        (lambda tensor: tensor.to_sparse_csr(), r"must be a plain tensor with data, and is torch\.sparse_csr"),
        (lambda tensor: tensor.to_mkldnn(), r"must be a plain tensor with data, and is torch\._mkldnn"),
        (lambda tensor: torch.nested.nested_tensor(list(tensor)), "must be a plain tensor with data, and is nested"),
        (lambda tensor: torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8), r"has numbers of type torch\.qint8"),
        (lambda tensor: tensor.as_subclass(OwnTensor), "is of class OwnTensor and must be a tensor"),
        (lambda tensor: nn.UninitializedParameter(), "is of class UninitializedParameter and must be a tensor"),
        (lambda tensor: None, "is of class NoneType and must be a tensor"),
        (lambda tensor: tensor.tolist(), "is of class list and must be a tensor"),
        (lambda tensor: "weights", "is of class str and must be a tensor"),
        (lambda tensor: 0.5, "is of class float and must be a tensor"),
        (lambda tensor: np.ma.masked_array(tensor), "is of class MaskedArray and must be a tensor"),
        (lambda tensor: tensor.numpy().astype(object), "has numbers of NumPy's type object"),
        (lambda tensor: tensor.numpy().astype(str), "has numbers of NumPy's type <U"),
        (lambda tensor: tensor.numpy().astype(np.longdouble), "has numbers of NumPy's type float128"),
        (lambda tensor: tensor.numpy().astype(np.int8), r"has numbers of type torch\.int8"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*(in beta state|prototype stage|deprecated).*")
def test_what_is_no_plain_tensor_with_data_is_refused_by_name(theirs, change, sentence):
    with pytest.raises(ValueError, match=rf"^classifier\.weight {sentence}"):
        from_checkpoint(spoilt(theirs, "classifier.weight", change))


def test_a_transposed_classifier_is_what_is_named(theirs):
    with pytest.raises(
        ValueError,
        match=r"classifier\.weight has shape \(256, 1001\) and must have \(1001, 256\): its axes are in another order",
    ):
        from_checkpoint(spoilt(theirs, "classifier.weight", lambda tensor: tensor.T))


@pytest.mark.parametrize("channels", [1, 3])
def test_kernels_in_the_order_of_tensorflow_are_refused(channels):
    """(height, width, input channels, output channels), for depthwise ones with the last two exchanged."""
    config = MobileNetV1Config(depth_multiplier=0.25, num_labels=7, num_channels=channels)
    checkpoint = {
        name: tensor.permute(2, 3, 1, 0) if tensor.dim() == 4 else tensor
        for name, tensor in MobileNetV1ForImageClassification(config).state_dict().items()
    }
    with pytest.raises(ValueError, match=r"convolution\.weight has shape .*: its axes are in another order"):
        from_checkpoint(checkpoint)


def test_fewer_than_eight_channels_in_transformers_are_explained():
    theirs = MobileNetV1ForImageClassification(MobileNetV1Config(depth_multiplier=0.1))
    with pytest.raises(
        ValueError, match=r"has shape \(8, 3, 3, 3\) and must have \(3, 3, 3, 3\): transformers leaves 8"
    ):
        from_checkpoint(theirs.state_dict())


# files of other shapes


def equal(network, other, size=(3, 64, 64)):
    images = torch.randn(2, *size, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        return torch.equal(network(images), other(images))


def each(change):
    return lambda state: {name: change(tensor) for name, tensor in state.items()}


def big_endian(tensor):
    return tensor.numpy().astype(tensor.numpy().dtype.newbyteorder(">"))


def backwards_in_memory(tensor):
    return np.flip(np.flip(tensor.numpy(), -1).copy(), -1) if tensor.dim() else tensor.numpy()[()]


def behind(prefix):
    return lambda state: {prefix + name: tensor for name, tensor in state.items()}


@pytest.mark.parametrize(
    "change",
    [
        lambda state: {name: tensor for name, tensor in state.items() if "num_batches" not in name},
        lambda state: dict(reversed(state.items())),
        each(torch.Tensor.numpy),
        each(big_endian),
        each(backwards_in_memory),
        each(torch.Tensor.double),
        each(lambda tensor: nn.Parameter(tensor.float())),
        *map(behind, ("module.", "_orig_mod.", "model.", "module._orig_mod.", "model.module.")),
        lambda state: {"epoch": 3, "state_dict": state, "optimizer": {"state": {}, "param_groups": []}},
        lambda state: {"model": behind("module.")(state)},
    ],
)
def test_the_same_tensors_in_another_wrapping_are_the_same_network(theirs, change):
    state = theirs.state_dict()
    ours = from_checkpoint(change(state))
    assert equal(ours, from_checkpoint(state))
    with torch.no_grad():
        images = torch.randn(1, 3, 64, 64)
        torch.testing.assert_close(ours(images), theirs(images).logits, rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_read_into_ours(theirs, dtype):
    state = {name: tensor.to(dtype) for name, tensor in theirs.state_dict().items()}
    ours = from_checkpoint(state)
    assert {parameter.dtype for parameter in ours.parameters()} == {torch.float32}
    assert torch.equal(ours.classifier.bias, state["classifier.bias"].float())


def test_the_names_that_our_names_gives_are_those_of_the_file(theirs):
    wrapped = {f"module.{name}": tensor for name, tensor in theirs.state_dict().items()}
    assert sorted(our_names(wrapped).values()) == sorted(wrapped)
    assert our_names({"state_dict": wrapped}) == our_names(wrapped)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda state: {"state_dict": state, "state_dict_ema": state},
            r"checkpoint\['state_dict'\] and checkpoint\['state_dict_ema'\] are one each",
        ),
        (lambda state: state | {"ema": dict(state)}, r"the checkpoint itself and checkpoint\['ema'\] are one each"),
        (lambda state: state | {f"module.{name}": tensor for name, tensor in state.items()}, "no place for it"),
        (
            lambda state: {f"model.{n}": t for n, t in state.items()} | {f"ema.{n}": t for n, t in state.items()},
            "if something stands before each of them, take it off first",
        ),
        (lambda state: {f"net.{name}": tensor for name, tensor in state.items()}, "if something stands before each"),
        (lambda state: {1: state["classifier.weight"]}, "if something stands before each"),
        (
            lambda state: {name.removeprefix("mobilenet_v1."): tensor for name, tensor in state.items()},
            "transformers' MobileNet V1 with its classifier",
        ),
    ],
)
def test_where_two_readings_are_possible_the_reader_decides(theirs, change, sentence):
    with pytest.raises(ValueError, match=sentence):
        from_checkpoint(change(dict(theirs.state_dict())))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("activation", [None, nn.ReLU6, nn.Hardswish])
def test_our_own_networks_come_back_from_their_state_dict(bias, activation):
    kind = {} if activation is None else {"activation": activation}
    network = lively(MobileNetV1(5, 0.25, in_channels=1, bias=bias, **kind))
    again = from_checkpoint(network.state_dict(), activation=activation)
    assert equal(again, network, (1, 40, 56))
    assert again.state_dict().keys() == network.state_dict().keys()
    assert again.stem.conv.weight.data_ptr() != network.stem.conv.weight.data_ptr()


def test_a_network_of_another_architecture_is_none_of_ours():
    with pytest.raises(ValueError, match=r"no tensor blocks\.0\.depthwise\.conv\.weight"):
        from_checkpoint(ConvMobileNet(5, 0.25).state_dict())


def test_a_bias_before_batch_norm_is_taken_from_others_too(theirs):
    state = dict(theirs.state_dict())
    for name in list(state):
        if name.endswith("convolution.weight"):
            bias = name.replace("weight", "bias")
            state[bias] = torch.randn(len(state[name]))
            mean = bias.replace("convolution.bias", "normalization.running_mean")
            state[mean] = state[mean] + state[bias]
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(from_checkpoint(state)(images), theirs(images).logits, rtol=0, atol=1e-4)
    del state["mobilenet_v1.layer.3.convolution.bias"]
    with pytest.raises(ValueError, match=r"no tensor mobilenet_v1\.layer\.3\.convolution\.bias"):
        from_checkpoint(state)


# habits


@pytest.mark.parametrize(
    ("theirs_has", "ours_gets"),
    [
        ({"tf_padding": False}, {"padding": "half"}),
        ({"hidden_act": "relu"}, {"activation": nn.ReLU}),
        ({"layer_norm_eps": 1e-5}, {"epsilon": 1e-5}),
        (
            {"tf_padding": False, "hidden_act": "hardswish", "layer_norm_eps": 0.01},
            {"padding": "half", "activation": nn.Hardswish, "epsilon": 0.01},
        ),
    ],
)
def test_a_habit_that_no_tensor_records_can_be_given(theirs_has, ours_gets):
    theirs = transformers_network(**theirs_has)
    images = 3 * torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = theirs(images).logits
        ours, default = from_checkpoint(theirs.state_dict(), **ours_gets), from_checkpoint(theirs.state_dict())
        torch.testing.assert_close(ours(images), expected, rtol=0, atol=1e-3)
        assert (default(images) - expected).abs().max() > 1e-2


@pytest.mark.parametrize(
    ("habit", "error", "sentence"),
    [
        ({"padding": 1}, ValueError, 'padding=1 must be "same"'),
        ({"padding": "valid"}, ValueError, "padding='valid' must be"),
        ({"epsilon": -1e-5}, ValueError, "epsilon=-1e-05 must be at least 0"),
        ({"epsilon": math.nan}, ValueError, "epsilon=nan must be at least 0 and finite"),
        ({"epsilon": "0.001"}, TypeError, "epsilon='0.001' must be a number, not str"),
        ({"epsilon": True}, TypeError, "epsilon=True must be a number, not bool"),
        ({"activation": "relu"}, TypeError, "activation='relu' must make a module"),
        ({"activation": nn.ReLU()}, TypeError, r"activation=ReLU\(\) must make a module"),
    ],
)
def test_a_habit_of_another_kind_is_refused(theirs, habit, error, sentence):
    with pytest.raises(error, match=sentence):
        from_checkpoint(theirs.state_dict(), **habit)


# pictures


def test_a_picture_is_cropped_to_its_middle_and_scaled():
    picture = torch.zeros(40, 60, 3, dtype=torch.uint8)
    picture[2:38, 12:48] = 255  # white where 7/8 of the middle square lie, and a little around
    prepared = prepare(picture, 20)
    assert prepared.shape == (1, 3, 20, 20)
    torch.testing.assert_close(prepared, torch.ones(1, 3, 20, 20))
    assert prepare(torch.zeros(8, 8, 3, dtype=torch.uint8), 8).unique().tolist() == [-1]


@pytest.mark.parametrize(("shorter", "side"), [(11, 10), (12, 10), (13, 11), (15, 13), (18, 16), (1, 1)])
def test_a_square_of_seven_eighths_is_rounded_to_the_nearest_pixel(shorter, side):
    top = (shorter - side) // 2
    picture = torch.zeros(shorter, shorter + 4, 3, dtype=torch.uint8)
    picture[top : top + side, top + 2 : top + 2 + side] = 255
    assert prepare(picture, side).unique().tolist() == [1]
    picture[top, top + 2] = 0  # its first corner belongs to it
    assert prepare(picture, side)[0, 0, 0, 0] == -1
    picture[top, top + 2] = 255
    picture[top + side - 1, top + 1 + side] = 0  # and its last
    assert prepare(picture, side)[0, 0, -1, -1] == -1


def test_a_picture_is_prepared_as_transformers_prepares_it():
    """They resize the whole picture and then cut; rounding to integers in between leaves a small difference."""
    pytest.importorskip("transformers.models.mobilenet_v1.image_processing_pil_mobilenet_v1")
    from transformers.models.mobilenet_v1.image_processing_pil_mobilenet_v1 import MobileNetV1ImageProcessorPil

    rows, columns = torch.meshgrid(torch.arange(600), torch.arange(512), indexing="ij")
    waves = [(rows / 37).sin(), (columns / 23).cos(), ((rows - columns) / 51).sin()]
    picture = (127.5 + 127 * torch.stack(waves, -1)).to(torch.uint8)
    expected = MobileNetV1ImageProcessorPil()(Image.fromarray(picture.numpy()), return_tensors="pt")["pixel_values"]
    assert expected.shape == (1, 3, 224, 224)
    assert (prepare(picture) - expected).abs().max() < 0.02
    assert (prepare(picture.flip(0)) - expected).abs().max() > 0.5  # which a wrong picture would not pass


@pytest.mark.parametrize("shape", [(3, 8, 8), (8, 8), (8, 8, 4), (0, 8, 3)])
def test_a_picture_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"and must have \(height, width, 3\)"):
        prepare(torch.zeros(shape, dtype=torch.uint8))


def test_numbers_that_may_already_be_scaled_are_refused():
    with pytest.raises(TypeError, match=r"integers from 0 to 255 \(torch\.uint8\), and has torch\.float32"):
        prepare(torch.rand(8, 8, 3))
    with pytest.raises(ValueError, match="resolution=0"):
        prepare(torch.zeros(8, 8, 3, dtype=torch.uint8), 0)


def test_the_smallest_pictures_can_be_prepared():
    assert prepare(torch.full((1, 9, 3), 255, dtype=torch.uint8), 5).unique().tolist() == [1]


def test_a_picture_is_read_as_pillow_reads_it(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.array_equal(read_picture(tmp_path / "a.png").numpy(), pixels)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("L", 100, [100, 100, 100]),
        ("LA", (100, 255), [100, 100, 100]),
        ("P", 0, [0, 0, 0]),
        ("1", 1, [255, 255, 255]),
        ("I;16", 100 * 256, [100, 100, 100]),
        ("RGBA", (0, 0, 0, 255), [0, 0, 0]),
        ("RGBA", (0, 0, 0, 0), [255, 255, 255]),
        ("RGB", (1, 2, 3), [1, 2, 3]),
    ],
)
def test_a_picture_of_any_mode_gets_three_channels(tmp_path, mode, colour, expected):
    Image.new(mode, (4, 3), colour).save(tmp_path / "picture.png")
    picture = read_picture(tmp_path / "picture.png")
    assert picture.shape == (3, 4, 3)
    assert picture.unique(dim=0).unique(dim=1).flatten().tolist() == expected


def test_a_picture_for_print_can_be_read(tmp_path):
    Image.new("CMYK", (4, 3), (0, 0, 0, 255)).save(tmp_path / "print.jpg")
    assert read_picture(tmp_path / "print.jpg").max() < 5


@pytest.mark.parametrize(
    ("orientation", "corner"), [(1, (0, 0)), (2, (0, -1)), (3, (-1, -1)), (6, (0, -1)), (8, (-1, 0))]
)
def test_a_picture_is_turned_the_right_way_up(tmp_path, orientation, corner):
    """EXIF 6, say: the camera was turned, and the first row of the file belongs on the right."""
    picture = Image.new("RGB", (6, 4))
    picture.putpixel((0, 0), (255, 255, 255))
    exif = picture.getexif()
    exif[0x0112] = orientation
    picture.save(tmp_path / "phone.png", exif=exif)
    read = read_picture(tmp_path / "phone.png")
    assert read.shape[:2] == ((6, 4) if orientation in (6, 8) else (4, 6))
    assert read[corner].tolist() == [255, 255, 255]
    assert read.sum() == 3 * 255


def damaged(path):
    Image.effect_noise((64, 64), 90).save(path)
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.parametrize("name", ["half.png", "half.jpg", "half.gif", "half.bmp"])
def test_a_damaged_picture_is_named(tmp_path, name):
    damaged(tmp_path / name)
    with pytest.raises(ValueError, match=rf"half\.{name[-3:]} must be a picture, and cannot be read as one"):
        read_picture(tmp_path / name)


def test_a_file_that_is_missing_is_called_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_picture(tmp_path / "none.png")


def coloured(folder, classes=("red", "blue"), count=3):
    for name in classes:
        (folder / name).mkdir(parents=True)
        for index in range(count):
            Image.new("RGB", (30 + index, 20), name).save(folder / name / f"{index}.png")
    return folder


def test_a_folder_of_pictures_becomes_images_labels_and_names(tmp_path):
    images, labels, names = pictures(coloured(tmp_path / "set"), 16)
    assert names == ["blue", "red"]
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert images.shape == (6, 3, 16, 16)
    assert images[0, :, 0, 0].tolist() == pytest.approx([-1, -1, 1])
    assert images[3, :, 0, 0].tolist() == pytest.approx([1, -1, -1])


def test_a_folder_that_is_no_set_of_pictures_is_refused_by_name(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ValueError, match=f"{folder} must be a folder with one folder for each class in it"):
            pictures(folder)
    (tmp_path / "cats").mkdir()
    with pytest.raises(ValueError, match="cats must have at least one picture"):
        pictures(tmp_path)
    (tmp_path / "cats" / "notes.txt").write_text("no picture")
    with pytest.raises(ValueError, match=r"notes\.txt must be a picture"):
        pictures(tmp_path)
    (tmp_path / "cats" / "notes.txt").write_bytes(b"")
    with pytest.raises(ValueError, match=r"notes\.txt must be a picture"):
        pictures(tmp_path)


def test_hidden_files_and_folders_are_no_trouble(tmp_path):
    folder = coloured(tmp_path / "set", classes=("black",), count=1)
    (folder / "black" / ".DS_Store").write_bytes(b"x")
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / "readme.txt").write_text("about these pictures")
    images, _, names = pictures(folder, 8)
    assert (len(images), names) == (1, ["black"])


# drawn shapes


def test_drawn_shapes_are_a_folder_of_pictures_and_the_seed_decides(tmp_path):
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        weights.draw_shapes(tmp_path / folder, 3, seed)
    (first, labels, names), (again, *_), (other, *_) = (pictures(tmp_path / folder, 32) for folder in "abc")
    assert tuple(names) == weights.SHAPES
    assert labels.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert all(len(first[labels == label].unique(dim=0)) == 3 for label in range(4))
    with pytest.raises(FileExistsError):
        weights.draw_shapes(tmp_path / "a", 3)
    with pytest.raises(ValueError, match="count=0"):
        weights.draw_shapes(tmp_path / "d", 0)


def test_no_drawn_shape_loses_a_stroke_when_it_is_prepared(tmp_path):
    weights.draw_shapes(tmp_path, 100, seed=5)
    for file in tmp_path.glob("*/*.png"):
        picture = read_picture(file)
        assert picture.sum() == picture[4:60, 4:60].sum() > 0, file.name


@pytest.mark.parametrize("shape", weights.SHAPES)
def test_a_drawn_shape_is_the_shape_that_its_name_says(tmp_path, shape):
    """Told apart by how far its strokes reach at the top of its box, in the middle and at the bottom."""
    weights.draw_shapes(tmp_path, 30, seed=7)
    for file in (tmp_path / shape).glob("*.png"):
        ink = read_picture(file)[:, :, 0] > 127
        rows, columns = ink.any(1).nonzero().flatten(), ink.any(0).nonzero().flatten()
        ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        height, width = ink.shape
        assert abs(height - width) <= 2
        reach = [int(ink[row].nonzero().max() - ink[row].nonzero().min()) + 1 for row in (2, height // 2, -3)]
        top, middle, bottom = (part / width for part in reach)
        guess = {
            "circle": middle > 0.95 and max(top, bottom) < 0.6,
            "cross": middle < 0.5 and min(top, bottom) > 0.6,
            "square": min(top, middle, bottom) > 0.95,
            "triangle": top < 0.2 and 0.4 < middle < 0.6 and bottom > 0.9,
        }
        assert [name for name, fits in guess.items() if fits] == [shape], (file.name, reach)


# downloading


@pytest.fixture(params=["model.safetensors", "pytorch_model.bin"])
def hub(theirs, tmp_path, monkeypatch, request):
    """A hub that has the random network's weights in one of the two formats, and notes what it gave."""
    from huggingface_hub.utils import EntryNotFoundError

    save = save_file if request.param == "model.safetensors" else torch.save
    save(theirs.state_dict(), tmp_path / request.param)
    (tmp_path / "config.json").write_text('{"id2label": {"0": "background", "1": "tench"}}', encoding="utf-8")
    gave = []

    def fetch(repository, file):
        if not (tmp_path / file).exists():
            raise EntryNotFoundError(file)
        gave.append((repository, file))
        return str(tmp_path / file)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fetch)
    return gave


def test_downloading_is_one_explicit_call(hub, request):
    tensors, labels = download("google-1.0-224")
    file = request.node.callspec.params["hub"]
    assert hub == [(weights.CHECKPOINTS["google-1.0-224"], each) for each in ("config.json", file)]
    assert labels == {0: "background", 1: "tench"}
    assert from_checkpoint(tensors).classifier.out_features == 1001


def test_a_damaged_file_is_not_taken_for_a_missing_network(hub, tmp_path, request):
    (tmp_path / request.node.callspec.params["hub"]).write_bytes(b"damaged")
    with pytest.raises(ValueError, match="is damaged, so delete it"):
        download("google-1.0-224")


def test_a_name_that_nobody_published_is_refused_before_anything_is_fetched(hub):
    with pytest.raises(ValueError, match=r"name='resnet' must be one of google-1\.0-224"):
        download("resnet")
    assert hub == []


def test_without_a_network_the_error_says_so(monkeypatch, tmp_path):
    """The real hub library, told to stay offline, with an empty cache."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConnectionError, match=r"google-1\.0-224 could not be fetched from .* Is this machine online\?"):
        download("google-1.0-224")


@pytest.mark.parametrize("library", ["huggingface_hub", "safetensors"])
def test_without_a_library_of_the_hub_the_error_says_what_to_install(library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, "safetensors.torch", raising=False)
    with pytest.raises(ImportError, match=rf'needs {library}.*: pip install "mobilenet-edu\[weights\]"'):
        download("google-1.0-224")


def test_nothing_else_in_the_module_imports_the_hub():
    source = Path(weights.__file__).read_text(encoding="utf-8")
    assert source.count("import hf_hub_download") == 1
    assert source.index("def download") < source.index("import hf_hub_download")


# the stored runs of chapter 11


@pytest.fixture(scope="module")
def experiment():
    return runpy.run_path(str(EXPERIMENTS / "finetune_shapes.py"))


def test_every_planned_run_is_stored_once_and_none_besides(experiment):
    runs = experiment["stored"]()
    planned = [*experiment["tries"](), *experiment["finals"](runs)]
    assert Counter(map(experiment["plan_of"], runs)) == Counter(planned)
    assert len(set(planned)) == len(planned)


def test_no_rate_that_was_chosen_is_the_largest_or_smallest_that_was_tried(experiment):
    """Else a better one might lie outside. From scratch, few steps lead nowhere at any rate; a head is steady."""
    for run in experiment["stored"]():
        if run.test_correct is not None and (run.way == "whole" or (run.way == "scratch" and run.steps >= 80)):
            assert min(experiment["RATES"]) < run.rate < max(experiment["RATES"]), run


def test_a_head_trained_on_fixed_features_comes_out_again(experiment):
    """No batch norm adapts and no layer is deep, so this way is the same run on every processor, nearly."""
    heads = [run for run in experiment["stored"]() if run.way == "head" and run.test_correct is not None]
    for run in random.sample(heads, 3):
        again = experiment["made"](experiment["plan_of"](run))
        assert again.test_correct == pytest.approx(run.test_correct, abs=2), run


@pytest.mark.slow
def test_the_other_ways_come_out_again_within_their_spread(experiment):
    finals = [run for run in experiment["stored"]() if run.test_correct is not None and run.way != "head"]
    for key in {run[:3] for run in finals}:
        runs = [run for run in finals if run[:3] == key]
        before, again = (
            [run.test_correct / 2 for run in group]
            for group in (runs, [experiment["made"](experiment["plan_of"](run)) for run in runs])
        )
        allowed = 3 * (stdev(before) ** 2 / len(before) + stdev(again) ** 2 / len(again)) ** 0.5
        assert abs(fmean(before) - fmean(again)) <= max(allowed, 3), key


# timm itself


@pytest.mark.slow
def test_outputs_equal_those_of_timm():
    script = runpy.run_path(str(EXPERIMENTS / "timm_manifest.py"))
    theirs = lively(script["timm_mobilenet"]())
    assert {name: list(tensor.shape) for name, tensor in theirs.state_dict().items()} == json.loads(
        script["RESULTS"].read_text(encoding="utf-8")
    )
    ours = from_checkpoint(theirs.state_dict())
    for resolution in (128, 160, 192, 224, 225):
        images = torch.randn(1, 3, resolution, resolution)
        with torch.no_grad():
            torch.testing.assert_close(ours(images), theirs(images), rtol=0, atol=1e-4)
