"""Activation memory: what the data say, held against what a real pass allocates and what autograd really keeps."""

from __future__ import annotations

import pytest
import torch

from mobilenet_edu.architecture import conv_mobilenet, mobilenet_v1, shallow_mobilenet
from mobilenet_edu.network import MobileNet


def maps_written(network, image):
    """Elements that each convolution reads and writes, seen by hooks in a real pass."""
    seen = []
    hooks = [
        module.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0].numel(), output.numel())))
        for module in network.modules()
        if isinstance(module, torch.nn.Conv2d)
    ]
    with torch.no_grad():
        network(image)
    for hook in hooks:
        hook.remove()
    return seen


def bytes_kept(network, images):
    """Bytes that autograd keeps for the backward pass, without the network's own parameters and buffers."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (*network.parameters(), *network.buffers())}
    kept = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        logits = network(images)
    assert logits.requires_grad  # and so nothing that was kept has been freed and its address used again
    return sum(kept.values())


def test_the_convolutions_of_the_network_write_more_numbers_than_those_of_its_dense_twin():
    assert mobilenet_v1().activation_elements == 5_042_688
    assert conv_mobilenet().activation_elements == 3_110_912


@pytest.mark.parametrize("architecture", [mobilenet_v1, conv_mobilenet, shallow_mobilenet])
@pytest.mark.parametrize("resolution", [32, (65, 97)])
def test_activation_elements_and_the_peak_are_those_of_a_real_pass(architecture, resolution):
    data = architecture(0.25, resolution)
    seen = maps_written(MobileNet(data).eval(), torch.zeros(1, 3, *data.stem.input_size))
    assert data.activation_elements == sum(written for _, written in seen)
    peak = data.peak_layer.cost
    assert peak.input_elements + peak.output_elements == max(read + written for read, written in seen)


@pytest.mark.parametrize("architecture", [mobilenet_v1, conv_mobilenet])
def test_the_peak_is_in_the_first_block_and_is_the_same_with_and_without_the_split(architecture):
    peak = architecture().peak_layer
    assert peak.name.startswith("blocks.0")
    assert peak.cost.input_elements + peak.cost.output_elements == 1_204_224


@pytest.mark.parametrize(("architecture", "megabytes"), [(mobilenet_v1, "41.0"), (conv_mobilenet, "25.5")])
def test_autograd_keeps_each_map_twice_the_image_two_numbers_a_channel_and_the_features(architecture, megabytes):
    data = architecture()
    kept = bytes_kept(MobileNet(data), torch.zeros(1, 3, 224, 224))
    channels = sum(layer.out_channels for layer in data.layers if layer.is_convolution)
    image, features = 3 * 224 * 224, 1024
    assert kept == 4 * (2 * data.activation_elements + image + 2 * channels + features)
    assert f"{kept / 1e6:.1f}" == megabytes
