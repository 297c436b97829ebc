"""Timing with a clock that the tests turn: nothing here depends on how fast the machine is."""

import pytest
import torch

from mobilenet_edu.architecture import mobilenet_v1
from mobilenet_edu.network import MobileNet, MobileNetV1
from mobilenet_edu.timing import LayerTiming, Timing, bandwidth, compare, measure, peak, roofline, time_layers


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
    timing = measure(lambda: calls.append(clock.work(2.0)()), repeats=5, warm_up=3, clock=clock)
    assert timing.seconds == (2.0,) * 5
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
    timing = Timing((1.0, 2.0, 3.0, 4.0, 500.0))
    assert timing.median == 3.0
    assert timing.spread == (2.0, 4.0)
    assert Timing((7.0,)).spread == (7.0, 7.0)


@pytest.mark.parametrize(("repeats", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError)])
def test_repetitions_are_positive_integers(repeats, error):
    with pytest.raises(error, match="rounds="):
        measure(lambda: None, repeats=repeats)
    with pytest.raises(error, match="warm_up="):
        measure(lambda: None, warm_up=repeats)


def test_every_layer_that_multiplies_is_timed_once_in_order():
    network = MobileNet(mobilenet_v1(0.25, 32, 10)).eval()
    timings = time_layers(network, batch_size=2, repeats=1, clock=Ticking())
    assert [timing.layer for timing in timings] == [
        layer for layer in network.architecture.layers if layer.kind != "pooling"
    ]
    assert all(timing.timing.seconds == (1.0,) for timing in timings)
    assert sum(timing.macs_per_second for timing in timings) == 2 * network.architecture.cost.macs


def test_timing_leaves_the_outputs_as_they_were():
    torch.manual_seed(0)
    network, images = MobileNetV1(10, 0.25).eval(), torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        before = network(images)
        time_layers(network, repeats=1, memory_format=torch.channels_last, clock=Ticking())
        torch.testing.assert_close(network(images), before)


def test_the_intensity_of_a_depthwise_layer_approaches_nine_eighths_as_the_batch_grows():
    layer = mobilenet_v1().layers[1]
    one, many = (LayerTiming(layer, batch, Timing((1.0,))).macs_per_byte for batch in (1, 10**6))
    assert one < many < 9 / 8
    assert many == pytest.approx(9 / 8, rel=1e-6)
    assert one == pytest.approx(layer.cost.macs / (4 * (2 * 32 * 112**2 + 288)))


def test_peak_and_bandwidth_divide_work_by_time():
    assert peak(side=8, repeats=1, clock=Ticking()) == 8**3
    assert bandwidth(megabytes=1, repeats=1, clock=Ticking()) == 2 * 2**20


def test_the_roofline_is_the_lower_of_two_bounds():
    assert roofline(1.0, peak=50.0, bandwidth=20.0) == 20.0
    assert roofline(10.0, peak=50.0, bandwidth=20.0) == 50.0
