import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from mobilenet_edu import architecture, plots

# Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency", 2009,
# severity 1, for linear RGB: what people see who lack one kind of cone.
EYES = {
    "all cones": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])  # sRGB, D65


def seen(colour: str, eye: str) -> np.ndarray:
    """The colour as (L*, a*, b*), where a distance of 2 can just be told apart."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(np.array(EYES[eye]) @ linear, 0, 1) / TO_XYZ.sum(1)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("pair", list(itertools.combinations(plots.COLORS, 2)), ids=" and ".join)
def test_kinds_of_layer_keep_their_colours_apart(pair, eye):
    first, second = (seen(plots.COLORS[kind], eye) for kind in pair)
    assert np.linalg.norm(first - second) >= 15


def test_the_simulation_does_confuse_red_and_green():
    assert np.linalg.norm(seen("#c00000", "deuteranopia") - seen("#6b6b00", "deuteranopia")) < 15
    assert np.linalg.norm(seen("#c00000", "all cones") - seen("#6b6b00", "all cones")) > 30


def test_kinds_of_convolution_differ_without_colour():
    convolutions = ("standard", "depthwise", "pointwise")
    assert len({plots.HATCHES[kind] for kind in convolutions}) == len(convolutions)
    assert set(plots.HATCHES) == set(plots.COLORS)


def test_lines_start_with_the_colours_of_the_layers():
    with plt.rc_context():
        plots.use_style()
        cycle = [colour.upper() for colour in plt.rcParams["axes.prop_cycle"].by_key()["color"]]
    assert [f"#{colour}".replace("##", "#") for colour in cycle[:4]] == list(plots.COLORS.values())[:4]


def test_the_drawn_network_has_a_bar_for_each_convolution_to_scale():
    network = architecture.mobilenet_v1()
    _, axes = plt.subplots()
    plots.draw_network(axes, network)
    bars = [(patch.get_width(), patch.get_height()) for patch in axes.patches]
    plt.close()
    convolutions = [layer for layer in network.layers if layer.is_convolution]
    assert np.allclose(bars, [(layer.out_channels, layer.output_size[0]) for layer in convolutions])
    assert [patch.get_hatch() for patch in axes.patches] == [plots.HATCHES[layer.kind] for layer in convolutions]
    for before, after in itertools.pairwise(axes.patches):
        assert before.get_x() + before.get_width() < after.get_x()


def test_the_drawn_network_names_each_size_once_and_each_kind():
    _, axes = plt.subplots()
    plots.draw_network(axes, architecture.mobilenet_v1())
    kinds = [text.get_text() for text in axes.get_legend().get_texts()]
    plt.close()
    assert [text.get_text() for text in axes.texts] == ["112×112", "56×56", "28×28", "14×14", "7×7"]
    assert kinds == ["standard", "depthwise", "pointwise"]


def test_the_grid_writes_each_number():
    _, axes = plt.subplots()
    plots.annotate_grid(axes, [[1, -2], [0.5, 4]], "numbers")
    written = [text.get_text() for text in axes.texts]
    plt.close()
    assert written == ["1", "−2", "0.5", "4"]
    assert axes.get_title(plt.rcParams["axes.titlelocation"]) == "numbers"


@pytest.mark.parametrize("values", [[[1, -2], [0.5, 4]], [[0, 0], [0, 0]], [[-1000, 1000]]])
def test_the_grid_stays_light_under_its_black_numbers(values):
    _, axes = plt.subplots()
    plots.annotate_grid(axes, values, "numbers")
    image = axes.images[0]
    plt.close()
    assert image.cmap(image.norm(np.array(values, dtype=float)))[..., :3].min() > 0.5
