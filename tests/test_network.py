"""The built networks against the data that they are built from: names, shapes, parameters, any input size."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from mobilenet_edu.architecture import (
    TABLE_1,
    Block,
    Layer,
    conv_mobilenet,
    from_table,
    mobilenet_v1,
    separable_block,
    shallow_mobilenet,
)
from mobilenet_edu.blocks import DepthwiseSeparableConv2d
from mobilenet_edu.counting import count_cost
from mobilenet_edu.network import ConvMobileNet, MobileNet, MobileNetV1, ShallowMobileNet
from mobilenet_edu.successors import mobilenet_v3_large

NETWORKS = [(MobileNetV1, mobilenet_v1), (ConvMobileNet, conv_mobilenet), (ShallowMobileNet, shallow_mobilenet)]


def built(network, *args, **options):
    """A network without memory: shapes and names only."""
    with torch.device("meta"):
        return network(*args, **options)


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def names_of(prefix):
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    return [f"{prefix}.conv.weight", *(f"{prefix}.norm.{name}" for name in norm)]


def test_the_names_in_the_state_dict_are_the_promised_ones():
    blocks = [name for i in range(13) for step in ("depthwise", "pointwise") for name in names_of(f"blocks.{i}.{step}")]
    expected = [*names_of("stem"), *blocks, "classifier.weight", "classifier.bias"]
    assert list(built(MobileNetV1).state_dict()) == expected


def test_a_dense_twin_names_its_blocks_by_number():
    blocks = [name for i in range(13) for name in names_of(f"blocks.{i}")]
    expected = [*names_of("stem"), *blocks, "classifier.weight", "classifier.bias"]
    assert list(built(ConvMobileNet).state_dict()) == expected


@pytest.mark.parametrize(("network", "architecture"), NETWORKS)
def test_each_layer_of_the_data_stands_in_the_network_under_its_name(network, architecture):
    model = built(network, 100, 0.75, bias=True)
    for layer in architecture(0.75, num_classes=100, bias=True).layers:
        module = model.get_submodule(layer.name)
        if layer.is_convolution:
            conv = module.conv
            assert (conv.in_channels, conv.out_channels, conv.groups) == (
                layer.in_channels,
                layer.out_channels,
                layer.groups,
            )
            assert (conv.kernel_size, conv.stride) == ((layer.kernel_size,) * 2, (layer.stride,) * 2)
            assert conv.padding == (layer.padding,) * 2
            assert (conv.bias is not None) == layer.bias
    assert (model.classifier.in_features, model.classifier.out_features) == (768, 100)


@pytest.mark.parametrize("num_classes", [1, 10, 101, 1000])
@pytest.mark.parametrize("width_multiplier", [1.0, 0.75, 0.5, 0.25, 0.1, 1.4])
@pytest.mark.parametrize(("network", "architecture"), NETWORKS)
def test_the_network_has_the_parameters_that_the_data_say(network, architecture, width_multiplier, num_classes):
    for bias in (False, True):
        model = built(network, num_classes, width_multiplier, bias=bias, in_channels=1)
        data = architecture(width_multiplier, num_classes=num_classes, bias=bias, in_channels=1)
        assert parameters(model) == data.cost.params
        weights = sum(m.weight.numel() for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear)))
        assert weights == data.weights


@pytest.mark.parametrize("resolution", [(224, 224), (97, 65), (33, 200), (1, 1), (7, 5)])
@pytest.mark.parametrize(("network", "architecture"), NETWORKS)
def test_every_map_has_the_size_that_the_data_say(network, architecture, resolution):
    model = built(network, 10, 0.25).eval()
    seen = {}
    for name, module in model.named_modules():
        module.register_forward_hook(lambda _, inputs, output, name=name: seen.update({name: (inputs[0], output)}))
    model(torch.zeros(2, 3, *resolution, device="meta"))
    layers = architecture(0.25, resolution, 10).layers
    for layer in layers:
        given, written = seen[layer.name]
        if layer.kind == "classifier":
            assert (given.shape, written.shape) == ((2, layer.in_channels), (2, layer.out_channels))
            assert (layer.input_size, layer.output_size) == ((1, 1), (1, 1))
        else:
            assert given.shape == (2, layer.in_channels, *layer.input_size)
            assert written.shape == (2, layer.out_channels, *layer.output_size)


@pytest.mark.parametrize("size", [(1, 1), (31, 47), (32, 32), (225, 223)])
@pytest.mark.parametrize("network", [MobileNetV1, ConvMobileNet, ShallowMobileNet])
def test_any_input_size_gives_finite_logits(network, size):
    torch.manual_seed(0)
    model = network(10, 0.25).eval()
    with torch.no_grad():
        logits = model(torch.randn(2, 3, *size))
    assert logits.shape == (2, 10)
    assert logits.isfinite().all()


@pytest.mark.parametrize("network", [MobileNetV1, ConvMobileNet, ShallowMobileNet])
def test_the_classifier_reads_the_mean_of_each_map(network):
    torch.manual_seed(0)
    model = network(10, 0.25)  # in training mode, in which batch norm keeps the maps from vanishing
    images = torch.randn(2, 3, 65, 97)
    with torch.no_grad():
        maps = model.blocks(model.stem(images))
        assert maps.shape[2:] == (3, 4)
        expected = maps.mean((2, 3)) @ model.classifier.weight.T + model.classifier.bias
        torch.testing.assert_close(model(images), expected)


def test_every_parameter_learns():
    torch.manual_seed(0)
    model = MobileNetV1(10, 0.25)
    model(torch.randn(4, 3, 64, 64)).square().sum().backward()
    dead = [name for name, parameter in model.named_parameters() if not parameter.grad.abs().max() > 0]
    assert dead == []


def test_the_images_of_a_batch_do_not_meet_in_evaluation():
    torch.manual_seed(0)
    model = MobileNetV1(10, 0.25).double().eval()
    images = torch.randn(3, 3, 40, 40, dtype=torch.float64)
    with torch.no_grad():
        together, alone = model(images), torch.cat([model(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-10, atol=1e-10)


def test_the_activation_is_the_one_that_was_asked_for():
    model = built(MobileNetV1, 10, 0.25, activation=nn.ReLU6)
    activations = [module for module in model.modules() if isinstance(module, (nn.ReLU, nn.ReLU6))]
    assert len(activations) == 27
    assert all(type(activation) is nn.ReLU6 for activation in activations)


def test_a_network_keeps_the_data_that_it_was_built_from():
    assert built(MobileNetV1, 10, 0.5).architecture == mobilenet_v1(0.5, num_classes=10)
    data = conv_mobilenet(0.5, 96, 7, in_channels=1)
    model = built(MobileNet, data)
    assert model.architecture == data
    assert list(model.state_dict()) == list(built(ConvMobileNet).state_dict())


def test_a_network_has_the_kernels_of_its_data():
    def with_5x5(*arguments):
        depthwise, pointwise = separable_block(*arguments)
        return replace(depthwise, kernel_size=5), pointwise

    data = from_table(TABLE_1, with_5x5, 0.25)
    model = built(MobileNet, data)
    assert model.blocks[3].depthwise.conv.kernel_size == (5, 5)
    assert parameters(model) == data.cost.params


@pytest.mark.parametrize(("kind", "kernel_size"), [("depthwise", 3), ("pointwise", 1)])
def test_a_block_may_be_a_single_convolution_of_any_kind(kind, kernel_size):
    def single(name, in_channels, out_channels, stride, size, bias):
        return (Layer(name, kind, in_channels, out_channels, kernel_size, stride, size, bias),)

    data = from_table([(32, 2), (32, 1)], single)
    conv = built(MobileNet, data).blocks[0].conv
    assert conv.groups == (32 if kind == "depthwise" else 1)
    assert (conv.kernel_size, conv.padding) == ((kernel_size,) * 2, (kernel_size // 2,) * 2)


def two_convolutions(name, in_channels, out_channels, stride, size, bias, parts=("a", "b")):
    first = Layer(f"{name}.{parts[0]}", "standard", in_channels, out_channels, 3, stride, size, bias)
    return first, replace(
        first, name=f"{name}.{parts[1]}", in_channels=out_channels, stride=1, input_size=first.output_size
    )


def test_a_block_has_any_layers_under_the_names_of_the_data():
    data = from_table([(8, 2)], two_convolutions, 1.0, 32, 10)
    model = MobileNet(data)
    assert [name for name, _ in model.blocks[0].named_children()] == ["a", "b"]
    assert count_cost(model, (3, 32, 32)) == data.cost


@pytest.mark.parametrize("parts", [("a", "a"), ("a", "b.c"), ("a", ""), ("a", "forward"), ("a", "children")])
def test_a_block_whose_layers_cannot_have_their_names_is_refused_by_its_name(parts):
    data = from_table([(8, 1), (8, 2)], lambda *row: two_convolutions(*row, parts=parts))
    with pytest.raises(ValueError, match=r"'blocks\.0' has layers named .*, which must be 'blocks\.0' if"):
        built(MobileNet, data)


def with_block(data, *layers, residual=False):
    return replace(data, blocks=(Block(layers, residual), *data.blocks[1:]))


def test_a_stride_on_the_pointwise_layer_stays_there():
    def late(name, in_channels, out_channels, stride, size, bias):
        depthwise, pointwise = separable_block(name, in_channels, out_channels, 1, size, bias)
        return depthwise, replace(pointwise, stride=stride)

    data = from_table(TABLE_1, late, 0.25, 64)
    model = MobileNet(data)
    assert data.cost != mobilenet_v1(0.25, 64).cost
    assert count_cost(model, (3, 64, 64)) == data.cost
    assert (model.blocks[1].depthwise.conv.stride, model.blocks[1].pointwise.conv.stride) == ((1, 1), (2, 2))


V1 = mobilenet_v1(0.25, 64)
DEPTHWISE, POINTWISE = V1.blocks[0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            with_block(V1, DEPTHWISE, replace(POINTWISE, in_channels=4)),
            r"'blocks.0.pointwise' must read what 'blocks.0",
        ),
        (with_block(V1, DEPTHWISE), r"'blocks.1.depthwise' must read what 'blocks.0.depthwise' writes, \(8, 32, 32\)"),
        (with_block(V1, replace(DEPTHWISE, stride=2), POINTWISE), "must read what .* no branches"),
        (with_block(V1, replace(DEPTHWISE, norm="layer"), POINTWISE), "'blocks.0.depthwise' has layer norm"),
        (with_block(V1, replace(POINTWISE, name="blocks.0"), residual=False), None),
        (with_block(V1, replace(DEPTHWISE, name="blocks.1")), "must read"),
        (replace(V1, stem=replace(V1.stem, name="first")), "a layer 'first' of kind 'standard' must be 'stem'"),
        (replace(V1, pooling=replace(V1.pooling, kernel_size=1)), "must read what 'pool' writes"),
        (replace(V1, stem=replace(V1.stem, kernel_size=2)), "must read what 'stem' writes"),
    ],
)
def test_what_would_be_built_as_another_network_is_refused(data, message):
    if message is None:
        assert count_cost(MobileNet(data), (3, 64, 64)) == data.cost
        return
    with pytest.raises(ValueError, match=message):
        built(MobileNet, data)


def test_a_block_adds_its_input_where_the_data_say_so():
    torch.manual_seed(0)
    plain = from_table([(32, 1)], separable_block, 1.0, 16, 10)
    data = replace(plain, blocks=(Block(plain.blocks[0], residual=True),))
    with_input, without = MobileNet(data).eval(), MobileNet(plain).eval()
    without.load_state_dict(with_input.state_dict())
    maps = torch.randn(2, 32, 8, 8)
    torch.testing.assert_close(with_input.blocks(maps), maps + without.blocks(maps))


def test_an_activation_that_is_asked_for_replaces_relu_only():
    model = built(MobileNet, mobilenet_v3_large(), activation=nn.GELU)
    kinds = {type(module) for module in model.modules()}
    assert {nn.GELU, nn.Hardswish, nn.Hardsigmoid} <= kinds
    assert nn.ReLU not in kinds


def test_a_separable_block_is_the_one_of_chapter_5():
    torch.manual_seed(0)
    theirs = DepthwiseSeparableConv2d(32, 64, 2).eval()
    ours = MobileNet(from_table([(64, 2)], separable_block)).eval().blocks[0]
    ours.load_state_dict(theirs.state_dict())
    maps = torch.randn(2, 32, 9, 9)
    torch.testing.assert_close(ours(maps), theirs(maps), rtol=0, atol=0)


@pytest.mark.parametrize("bad", [1000, mobilenet_v1])
def test_what_is_no_architecture_is_refused(bad):
    with pytest.raises(TypeError, match=r"architecture=.* must be an Architecture, such as mobilenet_v1"):
        MobileNet(bad)


@pytest.mark.parametrize("network", [MobileNetV1, ConvMobileNet, ShallowMobileNet])
def test_bad_numbers_are_refused_by_name(network):
    with pytest.raises(ValueError, match="num_classes=0 must be at least 1"):
        network(0)
    with pytest.raises(ValueError, match=r"width_multiplier=0\.01 must leave at least 1 of 32 channels"):
        network(10, 0.01)
    with pytest.raises(TypeError, match="in_channels=True must be an int, not bool"):
        network(10, in_channels=True)
