"""Timing with a clock that the tests turn: nothing here depends on how fast the machine is."""

import runpy
from itertools import product
from pathlib import Path

import pytest
import torch
from torch import nn

from mobilenet_edu import deploy, timing, weights
from mobilenet_edu.architecture import conv_mobilenet, mobilenet_v1
from mobilenet_edu.network import MobileNet, MobileNetV1
from mobilenet_edu.successors import mobilenet_v3_small
from mobilenet_edu.timing import (
    LayerTiming,
    StoredTimes,
    Timing,
    _processor,
    bandwidth,
    compare,
    machine,
    measure,
    peak,
    roofline,
    stored_times,
    time_layers,
)


class Clock:
    """Moves only when somebody works."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def work(self, seconds):
        return lambda: setattr(self, "now", self.now + seconds)


class Ticking(Clock):
    """Moves by one second whenever somebody looks at it."""

    def __call__(self):
        self.now += 1
        return self.now


def test_a_function_is_timed_as_often_as_asked_and_warmed_up_before():
    clock, calls = Clock(), []
    taken = measure(lambda: calls.append(clock.work(2.0)()), repeats=5, warm_up=3, clock=clock)
    assert taken.seconds == (2.0,) * 5
    assert len(calls) == 8


def test_a_slow_first_call_does_not_count():
    clock = Clock()
    durations = iter([100.0, 1.0, 1.0, 1.0])
    assert measure(lambda: clock.work(next(durations))(), repeats=3, warm_up=1, clock=clock).seconds == (1.0,) * 3


def test_candidates_take_turns():
    clock, order = Clock(), []
    names = {name: (lambda name=name: order.append(name)) for name in "ab"}
    compare(names, rounds=2, warm_up=1, clock=clock)
    assert order == list("ab" * 3)


def test_each_candidate_gets_its_own_time():
    clock = Clock()
    timings = compare({"slow": clock.work(3.0), "fast": clock.work(1.0)}, rounds=4, clock=clock)
    assert (timings["slow"].seconds, timings["fast"].seconds) == ((3.0,) * 4, (1.0,) * 4)


def test_the_median_ignores_an_interruption_and_the_quartiles_show_the_spread():
    taken = Timing((1.0, 2.0, 3.0, 4.0, 500.0))
    assert taken.median == 3.0
    assert taken.spread == (2.0, 4.0)
    assert Timing((7.0,)).spread == (7.0, 7.0)


@pytest.mark.parametrize(("repeats", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError)])
def test_repetitions_are_positive_integers(repeats, error):
    with pytest.raises(error, match="rounds="):
        measure(lambda: None, repeats=repeats)
    with pytest.raises(error, match="warm_up="):
        measure(lambda: None, warm_up=repeats)


def test_every_layer_that_multiplies_is_timed_once_in_order():
    network = MobileNet(mobilenet_v1(0.25, 32, 10)).eval()
    timings = time_layers(network, batch_size=2, rounds=3, warm_up=2, clock=Ticking())
    assert [timing.layer for timing in timings] == [
        layer for layer in network.architecture.layers if layer.kind != "pooling"
    ]
    assert all(timing.timing.seconds == (1.0,) * 3 for timing in timings)
    assert sum(timing.macs_per_second for timing in timings) == 2 * network.architecture.cost.macs


def test_batch_norm_and_activation_are_timed_beside_their_convolution():
    *convolutions, classifier = time_layers(MobileNet(mobilenet_v1(0.25, 32, 10)), rounds=3, clock=Ticking())
    assert all(timing.after.seconds == (2.0,) * 3 for timing in convolutions)
    assert classifier.after is None


def test_the_first_passes_do_not_count():
    network, clock = MobileNet(mobilenet_v1(0.25, 32, 10)), Clock()
    durations = iter([100.0, 100.0, 3.0, 5.0, 4.0])
    network.classifier.forward = lambda images: clock.work(next(durations))()
    timings = time_layers(network, rounds=3, warm_up=2, clock=clock)
    assert timings[-1].timing.seconds == (3.0, 5.0, 4.0)
    assert {each.timing.seconds for each in timings[:-1]} == {(0.0,) * 3}


def grouped(network):
    network.blocks[1].pointwise.conv = nn.Conv2d(16, 32, 1, groups=2, bias=False)


def strided(network):
    network.blocks[3].depthwise.conv.stride = (1, 1)


def wider(network):
    network.classifier = nn.Linear(256, 20)


def dilated(network):
    network.stem.conv.dilation = (2, 2)


def unpadded(network):
    network.stem.conv.padding = (0, 0)


def taken_out(network):
    network.blocks[2].pointwise.conv = nn.Identity()


def put_in(network):
    network.blocks.append(nn.Conv2d(256, 256, 1))


def of_another_kind(network):
    class Twice(nn.Conv2d):
        def forward(self, images):
            return super().forward(images) + super().forward(images)

    network.stem.conv = Twice(3, 8, 3, 2, 1, bias=False)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (grouped, r"blocks\.1\.pointwise\.conv has groups=2, and network\.architecture says 1: build"),
        (strided, r"blocks\.3\.depthwise\.conv has stride=\(1, 1\), and network\.architecture says \(2, 2\)"),
        (wider, "classifier has out_features=20, and network.architecture says 10"),
        (dilated, r"stem\.conv has dilation=\(2, 2\)"),
        (unpadded, r"stem\.conv has padding=\(0, 0\)"),
        (taken_out, r"blocks\.2\.pointwise\.conv is of class Identity and must be the layer"),
        (put_in, r"blocks\.13 multiplies, and network\.architecture does not describe it"),
        (of_another_kind, r"stem\.conv is of class Twice and must be"),
    ],
)
def test_a_network_that_is_no_longer_its_architecture_gets_no_rows(change, sentence):
    network = MobileNet(mobilenet_v1(0.25, 32, 10))
    change(network)
    with pytest.raises(ValueError, match=sentence):
        time_layers(network, rounds=1, warm_up=1, clock=Ticking())


@pytest.mark.parametrize("architecture", [mobilenet_v1(0.25, 32, 10), mobilenet_v3_small(0.5, 32, 10)])
def test_a_folded_network_and_one_with_squeeze_excites_are_timed(architecture):
    built = time_layers(MobileNet(architecture), rounds=1, warm_up=1, clock=Ticking())
    folded = time_layers(deploy.fold_batch_norms(MobileNet(architecture)), rounds=1, warm_up=1, clock=Ticking())
    assert [each.layer for each in built] == [each.layer for each in folded]


def test_a_network_that_was_taken_over_with_tensorflows_padding_is_timed():
    network = weights.from_checkpoint(MobileNetV1(10, 0.25).state_dict(), padding="same")
    assert len(time_layers(network, rounds=1, warm_up=1, clock=Ticking())) == 28


@pytest.mark.parametrize("name", ["batch_size", "rounds", "warm_up"])
def test_layers_are_timed_a_positive_number_of_times(name):
    with pytest.raises(ValueError, match=f"{name}=0 must be"):
        time_layers(MobileNet(mobilenet_v1(0.25, 32, 10)), **{name: 0})


def test_timing_leaves_the_network_as_it_was():
    torch.manual_seed(0)
    network, images = MobileNetV1(10, 0.25), torch.randn(1, 3, 64, 64)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    time_layers(network, rounds=1, memory_format=torch.channels_last, clock=Ticking())
    assert network.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])
        assert tensor.is_contiguous()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    assert network.eval()(images).shape == (1, 10)


def test_the_intensity_of_a_depthwise_layer_approaches_nine_eighths_as_the_batch_grows():
    layer = mobilenet_v1().layers[1]
    one, many = (LayerTiming(layer, batch, Timing((1.0,))).macs_per_byte for batch in (1, 10**6))
    assert one < many < 9 / 8
    assert many == pytest.approx(9 / 8, rel=1e-6)
    assert one == pytest.approx(layer.cost.macs / (4 * (2 * 32 * 112**2 + 288)))


def test_batch_norm_is_no_part_of_what_a_convolution_moves():
    layer = mobilenet_v1().layers[2]
    elements = (32 + 64) * 112**2, 32 * 64
    assert LayerTiming(layer, 3, Timing((1.0,))).bytes_moved == 4 * (3 * elements[0] + elements[1])


def test_peak_and_bandwidth_divide_work_by_time():
    assert peak(side=64, repeats=1, clock=Ticking()) == 64**3
    assert bandwidth(megabytes=1, repeats=1, clock=Ticking()) == 2 * 2**20


class Listed(Clock):
    """Each pair of looks is as far apart as the list says."""

    def __init__(self, *durations):
        self.looks = iter([now for seconds in durations for now in (0.0, seconds)])

    def __call__(self):
        return next(self.looks)


def test_a_bound_is_what_was_possible_once():
    assert bandwidth(megabytes=1, repeats=3, clock=Listed(4.0, 2.0, 8.0)) == 2**20
    product, convolution = 64**3, 9 * 16 * 16 * 2 * 2
    assert peak(side=64, repeats=2, clock=Listed(2.0, 1.0, 1.0, 1.0)) == product  # they take turns
    assert peak(side=64, repeats=2, clock=Listed(1000.0, 2.0, 1000.0, 1.0)) == convolution


def test_the_roofline_is_the_lower_of_two_bounds():
    assert roofline(1.0, peak=50.0, bandwidth=20.0) == 20.0
    assert roofline(10.0, peak=50.0, bandwidth=20.0) == 50.0


def test_a_machine_is_named_so_that_a_number_can_be_read(tmp_path):
    described = machine()
    assert described["torch"] == torch.__version__
    assert described["threads"] == str(torch.get_num_threads())
    assert all(described.values())
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Abacus 3000\nprocessor\t: 1\n")
    assert _processor(tmp_path / "cpuinfo") == "Abacus 3000"
    assert _processor(tmp_path / "missing")


SETTINGS = list(product((1, 16), (False, True), (False, True)))  # batch size, channels last, memory kept


@pytest.mark.parametrize(("batch_size", "channels_last", "kept"), SETTINGS)
def test_every_setting_is_stored_with_every_layer_and_as_many_repetitions(batch_size, channels_last, kept):
    times, how = stored_times(), {"channels_last": channels_last, "kept": kept}
    repetitions = times.data["processes"] // 2 * {1: 3, 16: 2}[batch_size]
    for name, architecture in {"separable": mobilenet_v1(), "dense": conv_mobilenet()}.items():
        timings = times.layers(name, batch_size, **how)
        assert [each.layer for each in timings] == [each for each in architecture.layers if each.kind != "pooling"]
        assert {len(each.timing.seconds) for each in timings} == {repetitions}
        assert {len(each.after.seconds) for each in timings[:-1]} == {repetitions}
        assert timings[-1].after is None
    for width in (1.0, 0.75, 0.5, 0.25):
        assert len(times.network("separable", width, batch_size, **how).seconds) == repetitions
    assert len(times.network("dense", 1.0, batch_size, **how).seconds) == repetitions
    assert times.page_faults(batch_size, **how) >= 0


def test_what_was_not_measured_is_not_answered():
    times = stored_times()
    for not_stored in (
        lambda: times.network("dense", 0.5),
        lambda: times.network("separable", batch_size=8),
        lambda: times.layers("shallow"),
        lambda: times.layers("separable", 8),
        lambda: times.page_faults(2),
    ):
        with pytest.raises(ValueError, match="is not among the stored"):
            not_stored()


def test_stored_times_name_their_machine_and_fit_the_package():
    times = stored_times()
    assert set(times.machine) == set(machine())
    assert times.machine["threads"] == "1"
    assert (Path(timing.__file__).parent / "data" / "times.json").stat().st_size < 150_000


def test_the_script_writes_what_is_stored():
    script = runpy.run_path(str(Path(__file__).parents[1] / "experiments" / "time_layers.py"))
    data = stored_times().data
    path = Path(timing.__file__).parent / "data" / "times.json"
    assert script["written"](data) == path.read_text(encoding="utf-8")
    twice = StoredTimes(script["merged"]([data, data]))
    once = stored_times().layers("dense", 16, kept=True)
    for before, after in zip(once, twice.layers("dense", 16, kept=True), strict=True):
        assert after.layer == before.layer
        assert after.timing.seconds == before.timing.seconds * 2
    assert twice.peak == stored_times().peak
    assert len(twice.first_calls) == 2 * len(stored_times().first_calls)


def test_stored_times_are_of_a_possible_machine():
    times = stored_times()
    assert 1e8 < times.peak < 1e13
    assert 1e8 < times.bandwidth < 1e13
    assert 1e-7 < times.overhead.median < 1e-2
    assert all(len(calls.seconds) == 20 for calls in times.first_calls)
