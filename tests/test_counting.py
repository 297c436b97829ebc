"""count_cost against the calculators, against torch's own counter, and as a good guest in somebody's model."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mobilenet_edu.architecture import conv_mobilenet, mobilenet_v1, shallow_mobilenet
from mobilenet_edu.cost import Cost, conv2d_cost, linear_cost
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
    with pytest.raises(TypeError, match=r"width=8\.0 must be an integer"):
        count_cost(nn.ReLU(), (3, 8, 8.0))


class Meddling(nn.Module):
    """Changes a buffer and draws a random number whenever it runs."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))
        self.conv = nn.Conv2d(1, 1, 1)

    def forward(self, x):
        self.calls += 1
        return self.conv(x) + torch.rand(())


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(Meddling(), nn.BatchNorm2d(1), nn.Dropout())
    model[1].eval()
    model[0].conv.weight.grad = torch.ones(1, 1, 1, 1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    random_state = torch.get_rng_state()
    assert count_cost(model, (1, 4, 4)).macs == 16
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random_state)
    assert torch.equal(model[0].conv.weight.grad, torch.ones(1, 1, 1, 1))
    assert not any(module._forward_hooks for module in model.modules())


def test_any_module_built_from_an_architecture_is_a_mobilenet():
    assert isinstance(MobileNetV1(), MobileNet)
