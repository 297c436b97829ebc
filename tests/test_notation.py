"""No architecture is costed as one network and built as another: random ones, built and run."""

from typing import get_args

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilenet_edu.architecture import Activation, Architecture, Block, Layer
from mobilenet_edu.counting import count_cost
from mobilenet_edu.network import ACTIVATIONS, MobileNet

KINDS = ("standard", "depthwise", "pointwise", "squeeze-excite", "max-pooling")
CONVOLUTIONS = KINDS[:3]
CHANNELS = st.integers(1, 9)


@st.composite
def layers(draw, name, channels, size, kinds=KINDS):
    """A layer of any kind that reads ``channels`` maps of ``size``."""
    kind = draw(st.sampled_from(kinds))
    convolves, moves = kind in CONVOLUTIONS, kind in ("standard", "depthwise", "max-pooling")
    return Layer(
        name,
        kind,
        channels,
        draw(CHANNELS) if kind in ("standard", "pointwise") else channels,
        draw(st.integers(1, min(6, *size))) if moves else 1,  # even kernels too
        1 if kind == "squeeze-excite" else draw(st.integers(1, 3)),
        size,
        bias=kind != "max-pooling" and draw(st.booleans()),
        norm=draw(st.sampled_from(["batch", None])) if convolves else None,
        activation=None if kind == "max-pooling" else draw(st.sampled_from([*get_args(Activation), None])),
        padded=draw(st.booleans()),
        squeezed=draw(CHANNELS) if kind == "squeeze-excite" else 0,
        gate=draw(st.sampled_from(["sigmoid", "hardsigmoid"])),
    )


@st.composite
def blocks(draw, name, before):
    made = []
    for part in draw(st.lists(st.sampled_from("abcde"), min_size=1, max_size=3, unique=True)):
        last = made[-1] if made else before
        made.append(draw(layers(f"{name}.{part}", last.out_channels, last.output_size)))
    first, last = made[0], made[-1]
    may_add = (first.in_channels, first.input_size) == (last.out_channels, last.output_size)
    return Block(made, residual=may_add and draw(st.booleans()))


@st.composite
def architectures(draw):
    resolution = draw(st.tuples(st.integers(1, 20), st.integers(1, 20)))
    stem = last = draw(layers("stem", draw(CHANNELS), resolution, CONVOLUTIONS))
    made = []
    for place in range(draw(st.integers(0, 4))):
        if draw(st.booleans()):
            made.append(Block([draw(layers(f"blocks.{place}", last.out_channels, last.output_size))]))
        else:
            made.append(draw(blocks(f"blocks.{place}", last)))
        last = made[-1][-1]
    channels, size = last.out_channels, last.output_size
    pool = last = Layer("pool", "pooling", channels, channels, size, 1, size)
    head = []
    for place in range(draw(st.integers(0, 2))):
        head.append(draw(layers(f"head.{place}", last.out_channels, (1, 1), ["pointwise"])))
        last = head[-1]
    classifier = Layer("classifier", "classifier", last.out_channels, 7, 1, 1, (1, 1), bias=draw(st.booleans()))
    return Architecture(stem, tuple(made), pool, classifier, tuple(head))


@settings(max_examples=150, deadline=None)
@given(architectures())
def test_a_network_costs_what_its_data_say(data):
    network = MobileNet(data).eval()
    assert count_cost(network, (data.stem.in_channels, *data.stem.input_size)) == data.cost
    assert sum(p.numel() for p in network.parameters() if p.ndim > 1) == data.weights


@settings(max_examples=100, deadline=None)
@given(architectures())
def test_each_layer_is_the_module_that_its_fields_describe(data):
    network = MobileNet(data).eval()
    seen = {}
    for name, module in network.named_modules():
        module.register_forward_hook(lambda _, inputs, output, name=name: seen.update({name: (inputs[0], output)}))
    with torch.no_grad():
        network(torch.rand(2, data.stem.in_channels, *data.stem.input_size))
    for layer in data.layers:
        module, (read, written) = network.get_submodule(layer.name), seen[layer.name]
        assert read.shape == (2, layer.in_channels, *layer.input_size)[: read.ndim]
        assert written.shape == (2, layer.out_channels, *layer.output_size)[: written.ndim]
        if layer.is_convolution:
            assert type(module.activation) is ACTIVATIONS[layer.activation]
            assert (type(module.norm) is torch.nn.BatchNorm2d) == (layer.norm == "batch")
    for place, block in enumerate(data.blocks):
        read, written = seen[f"blocks.{place}"]
        within = [seen[layer.name][1] for layer in block][-1]
        torch.testing.assert_close(written, within + read if block.residual else within, rtol=0, atol=0)
