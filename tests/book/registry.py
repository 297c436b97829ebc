"""Numbers that pages may mention without printing them: each is computed here, none is typed in.

A chapter's own outputs come first; this is for what is said across pages, such as the cost of the whole network.
"""

from __future__ import annotations

from mobilenet_edu.architecture import conv_mobilenet, mobilenet_v1, shallow_mobilenet
from mobilenet_edu.cost import Cost, depthwise_conv2d_cost


def computed() -> dict[str, str]:
    """What each number is, and the number as it is written in the text."""
    separable, dense, shallow = mobilenet_v1(), conv_mobilenet(), shallow_mobilenet()
    first_depthwise = depthwise_conv2d_cost(32, 3, 112, padding=1)
    weightless = Cost(0, first_depthwise.macs, first_depthwise.input_elements, first_depthwise.output_elements)
    by_kind, stem = separable.cost_by_kind(), separable.stem
    return {
        "MobileNet V1's MACs": f"{separable.cost.macs:,}",
        "MobileNet V1's MACs in millions": f"{separable.cost.macs / 1e6:.0f}",
        "MobileNet V1's parameters": f"{separable.cost.params:,}",
        "MobileNet V1's weights": f"{separable.weights:,}",
        "its dense twin's MACs": f"{dense.cost.macs:,}",
        "its dense twin's parameters": f"{dense.cost.params:,}",
        "its dense twin's weights": f"{dense.weights:,}",
        "the shallow network's MACs": f"{shallow.cost.macs:,}",
        "the shallow network's weights": f"{shallow.weights:,}",
        "how many times fewer MACs than the twin": f"{dense.cost.macs / separable.cost.macs:.2f}",
        "the same, to one digit": f"{dense.cost.macs / separable.cost.macs:.1f}",
        "how many times fewer weights than the twin": f"{dense.weights / separable.weights:.2f}",
        "the depthwise layers' share of MACs": f"{100 * by_kind['depthwise'].macs / separable.cost.macs:.1f}",
        "the pointwise layers' share of MACs": f"{100 * by_kind['pointwise'].macs / separable.cost.macs:.1f}",
        "the resolution that the paper starts from": str(stem.input_size[0]),
        "the classes of its classifier": str(separable.classifier.out_channels),
        "the number of its convolutions and linear layers": str(len(separable.layers) - 1),
        "depthwise MACs per byte without weights": f"{weightless.arithmetic_intensity():.3f}",
    }
