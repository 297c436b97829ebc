"""count_cost against the calculators, against torch's own counter, and as a good guest in somebody's model."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mobilenet_edu.architecture import conv_mobilenet, mobilenet_v1, shallow_mobilenet
from mobilenet_edu.cost import Cost, conv2d_cost, linear_cost, pointwise_conv2d_cost
from mobilenet_edu.counting import count_cost
from mobilenet_edu.network import ConvMobileNet, MobileNet, MobileNetV1, ShallowMobileNet


@pytest.mark.parametrize("resolution", [224, 192, 160, 128])
@pytest.mark.parametrize("width_multiplier", [1.0, 0.75, 0.5, 0.25])
def test_the_built_network_costs_what_the_data_say(width_multiplier, resolution):
    with torch.device("meta"):
        network = MobileNetV1(1000, width_multiplier)
    assert count_cost(network, (3, resolution, resolution)) == mobilenet_v1(width_multiplier, resolution).cost


@pytest.mark.parametrize(
    ("network", "architecture"),
    [(MobileNetV1, mobilenet_v1), (ConvMobileNet, conv_mobilenet), (ShallowMobileNet, shallow_mobilenet)],
)
def test_so_do_its_dense_twin_and_the_shallow_network(network, architecture):
    with torch.device("meta"):
        assert count_cost(network(bias=True), (3, 224, 224)) == architecture(bias=True).cost
        assert (
            count_cost(network(10, in_channels=1), (1, 97, 65)) == architecture(1.0, (97, 65), 10, in_channels=1).cost
        )


def test_a_real_network_counts_like_one_without_memory():
    assert count_cost(MobileNetV1(10, 0.25), (3, 64, 64)) == mobilenet_v1(0.25, 64, 10).cost


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(8, 4, 3, 3))

    def forward(self, x):
        return F.conv2d(F.conv2d(x, self.weight, padding=1)[:, :4], self.weight)


def test_functional_convolutions_count_each_call_and_their_weight_once():
    first, second = conv2d_cost(4, 8, 3, 9, padding=1), conv2d_cost(4, 8, 3, 9)
    cost = count_cost(Functional(), (4, 9, 9))
    assert cost == Cost(first.params) + Cost(0, *(getattr(first, n) + getattr(second, n) for n in NUMBERS))


NUMBERS = ("macs", "input_elements", "output_elements")


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_convolutions_agree_with_torch(stride, groups):
    conv = nn.ConvTranspose2d(4, 6, 3, stride, groups=groups, bias=False)
    with FlopCounterMode(display=False) as counter:
        conv(torch.zeros(1, 4, 5, 7))
    assert count_cost(conv, (4, 5, 7)).flops == counter.get_total_flops()


def test_shared_parameters_count_once_and_repeated_calls_each_time():
    conv = nn.Conv2d(3, 3, 3, padding=1, bias=False)
    once, thrice = count_cost(conv, (3, 8, 8)), count_cost(nn.Sequential(conv, conv, conv), (3, 8, 8))
    assert (thrice.params, thrice.macs) == (once.params, 3 * once.macs)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_neither_the_type_of_the_numbers_nor_frozen_parameters_change_the_cost(dtype):
    conv = nn.Conv2d(3, 8, 3)
    expected = count_cost(conv, (3, 6, 6))
    assert expected == conv2d_cost(3, 8, 3, 6, bias=True)
    assert count_cost(conv.to(dtype).requires_grad_(False), (3, 6, 6)) == expected


def test_matrix_products_of_every_form_count():
    class Products(nn.Module):
        def forward(self, x):
            a = x[0]  # (2, 3, 4)
            return torch.bmm(a, a.transpose(1, 2)), a[0] @ a[0].T, torch.baddbmm(torch.zeros(2, 3, 3), a, a.mT)

    class Stacked(nn.Module):
        def forward(self, x):
            return Products()(x.reshape(1, 2, 3, 4))

    assert count_cost(Stacked(), (2, 3, 4)).macs == 2 * 9 * 4 + 9 * 4 + 2 * 9 * 4
    assert count_cost(nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), (3, 2, 2)) == linear_cost(12, 5)


def test_elements_are_those_of_factors_that_are_no_parameters():
    class Pointwise(nn.Module):
        def __init__(self):
            super().__init__()
            self.matrix = nn.Parameter(torch.zeros(6, 4))

        def forward(self, x):
            return torch.einsum("nm,bmhw->bnhw", self.matrix, x)

    class Products(nn.Module):
        def forward(self, x):
            return x[0] @ x[0].mT

    assert count_cost(Pointwise(), (4, 5, 7)) == pointwise_conv2d_cost(4, 6, (5, 7))
    assert count_cost(Products(), (4, 5, 7)) == Cost(0, 4 * 5 * 5 * 7, 2 * 4 * 5 * 7, 4 * 5 * 5)


def test_products_with_a_vector_count():
    class Products(nn.Module):
        def forward(self, x):
            matrix, vector = x[0, 0], x[0, 0, 0]  # (3, 4), (4)
            return matrix @ vector, vector @ vector, torch.addmv(torch.zeros(3), matrix, vector)

    assert count_cost(Products(), (1, 3, 4)).macs == 12 + 4 + 12


@pytest.mark.parametrize("shape", [(8, 8), (4, 4, 4)], ids=["conv1d", "conv3d"])
def test_convolutions_of_other_dimensions_agree_with_torch(shape):
    conv = {2: nn.Conv1d, 3: nn.Conv3d}[len(shape)](2, 4, 3, stride=2, padding=1, groups=2)
    model = nn.Sequential(nn.Flatten(2), nn.Unflatten(2, shape) if len(shape) == 3 else nn.Identity(), conv)
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 2, 8, 8))
    assert count_cost(model, (2, 8, 8)).flops == counter.get_total_flops() > 0


FREE = [
    nn.Hardswish(),
    nn.Hardsigmoid(),
    nn.SiLU(),
    nn.GELU(),
    nn.PReLU(),
    nn.GLU(1),
    nn.LogSigmoid(),
    nn.Softmax(1),
    nn.GroupNorm(2, 4),
    nn.InstanceNorm2d(4),
    nn.LayerNorm(8),
    nn.LocalResponseNorm(4),
    nn.MaxPool2d(2),
    nn.AdaptiveMaxPool2d(2),
    nn.AvgPool2d(2),
    nn.ReflectionPad2d(1),
    nn.ReplicationPad2d(1),
    nn.CircularPad2d(1),
    nn.Upsample(scale_factor=2),
    nn.PixelShuffle(2),
    nn.PixelUnshuffle(2),
    nn.ChannelShuffle(2),
    nn.Unfold(3),
    nn.Dropout(),
]


@pytest.mark.parametrize("layer", FREE, ids=lambda layer: type(layer).__name__)
def test_what_has_no_multiply_accumulates_costs_none(layer):
    parameters = sum(parameter.numel() for parameter in layer.parameters())
    assert count_cost(layer, (4, 8, 8)) == Cost(params=parameters)


def test_a_model_in_inference_mode_counts_like_any_other():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5))
    expected = count_cost(model, (3, 8, 8))
    assert expected.macs > 0
    with torch.inference_mode():
        assert count_cost(model, (3, 8, 8)) == expected


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (nn.Sequential(nn.Flatten(2), nn.LSTM(16, 4)), "rnn_layer"),
        (nn.UpsamplingBilinear2d(scale_factor=2), "upsample_bilinear2d"),
        (nn.Sequential(nn.Flatten(2), nn.TransformerEncoderLayer(16, 2, 8, batch_first=True)), "_transformer_encoder"),
    ],
)
def test_what_it_does_not_know_is_refused_by_name(model, name):
    with pytest.raises(NotImplementedError, match=name):
        count_cost(model, (4, 4, 4))


def test_an_operation_that_may_multiply_is_refused_by_name():
    class Transform(nn.Module):
        def forward(self, x):
            return torch.fft.fft(x)

    with pytest.raises(NotImplementedError, match="_fft_r2c"):
        count_cost(Transform(), (1, 4, 4))


@pytest.mark.parametrize("bad", [(3, 8), 8, (3, 8, 8, 8), "388"])
def test_an_input_size_is_three_numbers(bad):
    with pytest.raises(ValueError, match=r"must be \(channels, height, width\)"):
        count_cost(nn.ReLU(), bad)


def test_an_input_size_is_of_positive_integers():
    with pytest.raises(ValueError, match="height=0 must be at least 1"):
        count_cost(nn.ReLU(), (3, 0, 8))
    with pytest.raises(TypeError, match=r"width=8\.0 must be an int"):
        count_cost(nn.ReLU(), (3, 8, 8.0))


@pytest.mark.parametrize("bad", [MobileNetV1, 5, F.relu])
def test_a_model_is_a_built_module(bad):
    with pytest.raises(TypeError, match=r"model=.* must be a built nn.Module, such as MobileNetV1"):
        count_cost(bad, (3, 8, 8))


@pytest.mark.parametrize("lazy", [nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(affine=False)])
def test_lazy_layers_are_refused_before_they_choose_their_shapes(lazy):
    with pytest.raises(ValueError, match="call it once"):
        count_cost(lazy, (3, 8, 8))
    assert "Lazy" in type(lazy).__name__


class Meddling(nn.Module):
    """Changes a buffer, replaces another and draws a random number whenever it runs."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("replaced", torch.zeros(()))
        self.conv = nn.Conv2d(1, 1, 1)

    def forward(self, x):
        self.calls += 1
        self.replaced = self.replaced + 1
        return self.conv(x) + torch.rand(())


class Failing(nn.Module):
    def forward(self, x):
        raise RuntimeError("boom")


@pytest.mark.parametrize("failing", [False, True])
def test_the_model_is_left_as_it_was(failing):
    model = nn.Sequential(Meddling(), nn.BatchNorm2d(1), nn.Dropout(), Failing() if failing else nn.ReLU())
    model[1].eval()
    model[0].conv.weight.grad = torch.ones(1, 1, 1, 1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    buffers = dict(model.named_buffers())
    random_state = torch.get_rng_state()
    if failing:
        with pytest.raises(RuntimeError, match="boom"):
            count_cost(model, (1, 4, 4))
    else:
        assert count_cost(model, (1, 4, 4)).macs == 16
    assert all(buffer is buffers[name] for name, buffer in model.named_buffers())
    assert torch.is_grad_enabled()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random_state)
    assert torch.equal(model[0].conv.weight.grad, torch.ones(1, 1, 1, 1))
    assert not any(module._forward_hooks for module in model.modules())


def test_any_module_built_from_an_architecture_is_a_mobilenet():
    assert isinstance(MobileNetV1(), MobileNet)
