"""Numbers that pages may mention without printing them: each is computed here, none is typed in.

A chapter's own outputs come first; this is for what is said across pages, such as the cost of the network. A passage
may take a number whose key has two words that the passage uses, too.
"""

from __future__ import annotations

import inspect
from functools import cache

from sklearn.datasets import load_digits
from torch import nn

from mobilenet_edu import paper, training
from mobilenet_edu.architecture import conv_mobilenet, mobilenet_v1, shallow_mobilenet
from mobilenet_edu.cost import Cost, depthwise_conv2d_cost, reduction_ratio
from mobilenet_edu.network import MobileNetV1
from mobilenet_edu.successors import mobilenet_v2

NARROWEST = 0.25  # of the paper's widths


@cache
def computed() -> dict[str, str]:
    """What each number is, and the number as it is written in the text."""
    separable, dense, shallow = mobilenet_v1(), conv_mobilenet(), shallow_mobilenet()
    first_depthwise = depthwise_conv2d_cost(32, 3, 112, padding=1)
    weightless = Cost(0, first_depthwise.macs, first_depthwise.input_elements, first_depthwise.output_elements)
    times_fewer = dense.cost.macs / separable.cost.macs
    by_kind, stem = separable.cost_by_kind(), separable.stem
    middle = separable.blocks[7][0]
    smallest, small = mobilenet_v1(NARROWEST, 128), mobilenet_v1(resolution=160)
    without_head = small.cost.macs - small.classifier.cost.macs
    normed = sum(
        layer.cost.output_elements for layer in separable.layers if layer.kind not in ("pooling", "classifier")
    )
    network = MobileNetV1()
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    peak = inspect.signature(training.recipe).parameters["learning_rate"].default
    dogs = next(f.ours for f in paper.figures("Table 10") if f.quantity == "1.0 MobileNet-224, parameters")
    headless = separable.weights - separable.classifier.cost.macs
    (tried,) = {run.width_multiplier for run in training.stored_runs() if run.experiment == "recipe"}
    return {
        "MobileNet V1's MACs": f"{separable.cost.macs:,}",
        "MobileNet V1's MACs in millions": f"{separable.cost.macs / 1e6:.0f}",
        "GFLOPs that this network, MobileNet V1, needs, as a tool prints it": f"{2 * separable.cost.macs / 1e9:.2f}",
        "MobileNet V1's parameters": f"{separable.cost.params:,}",
        "MobileNet V1's weights": f"{separable.weights:,}",
        "its dense twin's MACs": f"{dense.cost.macs:,}",
        "its dense twin's parameters": f"{dense.cost.params:,}",
        "its dense twin's weights": f"{dense.weights:,}",
        "the shallow network's MACs": f"{shallow.cost.macs:,}",
        "the shallow network's weights": f"{shallow.weights:,}",
        "how many times fewer MACs than its dense twin": f"{times_fewer:.2f}",
        "how many times fewer MACs the separable network has, to one digit": f"{times_fewer:.1f}",
        "how many times fewer weights than the twin": f"{dense.weights / separable.weights:.2f}",
        "the depthwise layers' share of MACs": f"{100 * by_kind['depthwise'].macs / separable.cost.macs:.1f}",
        "the pointwise layers' share of MACs": f"{100 * by_kind['pointwise'].macs / separable.cost.macs:.1f}",
        "the pixels of an image's side, 224×224, the resolution that the paper starts from": str(stem.input_size[0]),
        "the classes of its classifier, that is its outputs": str(separable.classifier.out_channels),
        "the classes of the data set of Table 10, as many as a network has outputs there": str(
            (dogs - headless) // separable.classifier.in_channels
        ),
        "the number of its convolutions and linear layers": str(len(separable.layers) - 1),
        "what the square of α = 0.25 promises: so many times, not what is there instead": f"{1 / NARROWEST**2:.0f}",
        "the narrowest of the widths that the paper uses": str(NARROWEST),
        "the channels of the five equal blocks, whose layer the paper shows on a map": str(middle.out_channels),
        "the pixels a side of the map of those layers in the middle, in the paper": str(middle.output_size[0]),
        "the million MACs of the smallest of the sixteen networks": f"{smallest.cost.macs / 1e6:.0f}",
        "the times fewer MACs of a kernel with nine numbers at 64 outputs": f"{1 / float(reduction_ratio(64, 3)):.2f}",
        "the per cent right that guessing one shape of four gives, where scratch lies": f"{100 / 4:.0f}",
        "the tensors of its state dict, every one with a place and a shape": str(len(network.state_dict())),
        "its batch norms, each with a running mean and a running variance": str(norms),
        "the million MACs at a resolution of 160, rounded, without the classifier": f"{without_head / 1e6:.3f}",
        "the learning rate at which the schedule peaks, after the first third": str(peak),
        "the resolution in MobileNet V1's full name, as it runs on one machine": str(stem.input_size[0]),
        "the width α of the networks that the recipes were tried on": f"{tried}",
        "each element entering batch norm, taken twice": f"{2 * normed:,}",
        "all images of the digits": f"{len(load_digits().images):,}",
        "the channels of V2's last layer but one": f"{mobilenet_v2().classifier.in_channels:,}",
        "depthwise MACs per byte without weights": f"{weightless.arithmetic_intensity():.3f}",
    }
