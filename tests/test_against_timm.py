"""The built networks against timm's: the same tensors, the same MACs layer by layer, the same outputs.

timm's own initial weights prove little, since through them a network says nearly the same of every picture. So both
sides get weights after Kaiming He and the statistics of a batch, and outputs are compared with how much they differ
from picture to picture.
"""

import importlib.util
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import pytest
import torch
from torch import nn

from mobilenet_edu import successors
from mobilenet_edu.architecture import Block, mobilenet_v1
from mobilenet_edu.network import MobileNet
from mobilenet_edu.weights import from_checkpoint

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm is not installed"),
]
EXPERIMENTS = Path(__file__).parents[1] / "experiments"
TENSORFLOWS = {"bn_eps": 1e-5, "pad_type": ""}  # not TensorFlow's: then it is the network of the paper's table
NETWORKS = {
    "mobilenetv1_100": (mobilenet_v1, {}),
    "mobilenetv2_100": (successors.mobilenet_v2, {}),
    "mobilenetv2_050": (partial(successors.mobilenet_v2, 0.5), {}),
    "mobilenetv2_140": (partial(successors.mobilenet_v2, 1.4), {}),
    "mobilenetv3_large_100": (successors.mobilenet_v3_large, {}),
    "mobilenetv3_large_075": (partial(successors.mobilenet_v3_large, 0.75), {}),
    "mobilenetv3_small_100": (successors.mobilenet_v3_small, {}),
    "mobilenetv3_small_075": (partial(successors.mobilenet_v3_small, 0.75), {}),
    "tf_mobilenetv3_large_minimal_100": (partial(successors.mobilenet_v3_large, minimalistic=True), TENSORFLOWS),
    "tf_mobilenetv3_small_minimal_100": (partial(successors.mobilenet_v3_small, minimalistic=True), TENSORFLOWS),
    "semnasnet_100": (successors.mnasnet_a1, {}),
    "efficientnet_b0": (successors.efficientnet_b0, {}),
    "repvgg_a0": (successors.repvgg_a0, {}),
    "mobilenetv4_conv_small": (successors.mobilenet_v4_conv_s, {}),
    "mobilenetv4_conv_medium": (successors.mobilenet_v4_conv_m, {}),
}
SIDE = 96


@pytest.fixture(scope="module")
def timm():
    specification = importlib.util.spec_from_file_location("timm_manifest", EXPERIMENTS / "timm_manifest.py")
    script = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(script)
    script.timm_mobilenet()  # stands in for torchvision
    return pytest.importorskip("timm")


@pytest.fixture(scope="module")
def pictures():
    return torch.rand(8, 3, SIDE, SIDE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def theirs_of(timm, name, pictures):
    from timm.utils.model import reparameterize_model

    network = reparameterize_model(timm.create_model(name, **NETWORKS[name][1])).double()
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.normal_(module.bias, std=0.1)
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # take over the statistics of the batch
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
    network.train()(pictures)
    return network.eval()


def with_tensors_of(theirs, ours):
    """Ours with each tensor of theirs, in the order in which both were built."""
    mine = ours.state_dict()
    assert len(mine) == len(theirs.state_dict())
    given = {}
    for (name, own), (their_name, tensor) in zip(mine.items(), theirs.state_dict().items(), strict=True):
        assert own.squeeze().shape == tensor.squeeze().shape, (name, their_name)
        given[name] = tensor.reshape(own.shape)
    ours.load_state_dict(given)
    return ours


@torch.no_grad()
def apart(theirs, ours, pictures):
    """The largest difference between two outputs, in units of how much an output varies between pictures."""
    expected = theirs(pictures)
    spread = expected.std(0)
    assert spread.min() > 1e-4
    return ((ours(pictures) - expected).abs() / spread).max().item()


def ours_of(data, name):
    # timm has ReLU6 in V1, which the paper does not ask for
    return MobileNet(data, nn.ReLU6 if name == "mobilenetv1_100" else nn.ReLU).double().eval()


def macs_of_layers(network, pictures):
    counts = []

    def note(module, inputs, output):
        counts.append(output[0].numel() * module.weight[0].numel())

    hooks = [m.register_forward_hook(note) for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    with torch.no_grad():
        network(pictures[:1])
    for hook in hooks:
        hook.remove()
    return counts


def macs_of_data(data):
    for layer in data.layers:
        if layer.kind == "squeeze-excite":
            yield from (layer.in_channels * layer.squeezed,) * 2
        elif layer.cost.macs:
            yield layer.cost.macs


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_has_timms_parameters_macs_and_outputs(timm, pictures, name):
    theirs = theirs_of(timm, name, pictures)
    data = NETWORKS[name][0](resolution=SIDE)
    ours = with_tensors_of(theirs, ours_of(data, name))
    assert sum(parameter.numel() for parameter in theirs.parameters()) == data.cost.params
    assert macs_of_layers(theirs, pictures) == list(macs_of_data(data))
    assert apart(theirs, ours, pictures) < 1e-6


def every_layer(data, change):
    blocks = tuple(Block([change(layer) for layer in block], block.residual) for block in data.blocks)
    return replace(data, blocks=blocks)


def one_activation(data):
    """Another function behind the last depthwise layer."""
    last = [layer for layer in data.layers if layer.kind == "depthwise" and layer.activation][-1]
    other = "relu" if last.activation != "relu" else "hardswish"
    return every_layer(data, lambda layer: replace(layer, activation=other) if layer == last else layer)


def one_residual(data):
    place = [place for place, block in enumerate(data.blocks) if block.residual][-1]
    blocks = list(data.blocks)
    blocks[place] = Block(blocks[place].layers)
    return replace(data, blocks=tuple(blocks))


def one_gate(data):
    other = {"sigmoid": "hardsigmoid", "hardsigmoid": "sigmoid"}
    last = [layer for layer in data.layers if layer.kind == "squeeze-excite"][-1]
    return every_layer(data, lambda layer: replace(layer, gate=other[layer.gate]) if layer == last else layer)


WITH_GATES = ("mobilenetv3_large_100", "efficientnet_b0")
WITHOUT_GATES = ("mobilenetv2_100", "mobilenetv4_conv_small")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        *product(WITH_GATES + WITHOUT_GATES, (one_activation, one_residual)),
        *product(WITH_GATES, (one_gate,)),
    ],
)
def test_one_other_detail_shows_in_the_outputs(timm, pictures, name, change):
    data = NETWORKS[name][0](resolution=SIDE)
    theirs = theirs_of(timm, name, pictures)
    assert apart(theirs, with_tensors_of(theirs, ours_of(change(data), name)), pictures) > 1e-3


@pytest.mark.parametrize("name", ["mobilenetv2_100", "mobilenetv4_conv_medium"])
def test_one_other_epsilon_or_padding_shows_in_the_outputs(timm, pictures, name):
    theirs = theirs_of(timm, name, pictures)
    data = NETWORKS[name][0](resolution=SIDE)
    epsilon, padding = (with_tensors_of(theirs, ours_of(data, name)) for _ in range(2))
    norms = [module for module in epsilon.modules() if isinstance(module, nn.BatchNorm2d)]
    norms[-1].eps = 1e-3
    assert apart(theirs, epsilon, pictures) > 1e-6
    padding.stem.conv.padding = (0, 0)  # TensorFlow's: below and on the right
    padding.stem.conv.register_forward_pre_hook(lambda _, inputs: nn.functional.pad(inputs[0], (0, 1, 0, 1)))
    assert apart(theirs, padding, pictures) > 1e-3


@pytest.mark.parametrize("checkpoint", successors.checkpoints(), ids=lambda checkpoint: checkpoint.name)
def test_each_released_mobilenet_v2_has_timms_macs(timm, checkpoint):
    """timm names four widths; the others it builds from the same code."""
    from timm.models.efficientnet import _gen_mobilenet_v2

    thin = checkpoint.width_multiplier < 1
    with torch.device("meta"):
        theirs = _gen_mobilenet_v2("mobilenetv2_100", checkpoint.width_multiplier, fix_stem_head=False)
    side = checkpoint.resolution
    counted = macs_of_layers(theirs.eval(), torch.empty(1, 3, side, side, device="meta"))
    ours = list(macs_of_data(checkpoint.architecture))
    assert counted[:-2] == ours[:-2]
    assert thin or counted == ours  # a thin network keeps its last 1280 channels, which timm narrows


LOADED = (
    "mobilenetv2_100",
    "mobilenetv2_140",
    "mobilenetv3_large_100",
    "mobilenetv3_small_075",
    "mobilenetv4_conv_small",
    "mobilenetv4_conv_medium",
    "semnasnet_100",
    "efficientnet_b0",
)


@pytest.mark.parametrize("name", LOADED)
def test_a_checkpoint_of_timms_gives_timms_outputs(timm, pictures, name):
    theirs = theirs_of(timm, name, pictures).float().double()  # numbers that float32, as it loads them, can hold
    tensors = dict(sorted(theirs.state_dict().items()))  # as a safetensors file orders them
    assert apart(theirs, from_checkpoint(tensors).double(), pictures) < 1e-6
    with pytest.raises(ValueError, match=r"tensor extra\.weight, and its network has no place for it"):
        from_checkpoint(tensors | {"extra.weight": torch.ones(1)})
