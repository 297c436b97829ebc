"""The runtimes that are installed: a file made in one process and run in another gives the network's answers."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mobilenet_edu import deploy

EXPERIMENTS = Path(__file__).parents[1] / "experiments"


@pytest.fixture(scope="module")
def runtimes():
    sys.path.append(str(EXPERIMENTS))
    import runtimes

    yield runtimes
    sys.path.remove(str(EXPERIMENTS))


@pytest.fixture(scope="module")
def compare(runtimes):
    import compare_runtimes

    return compare_runtimes


@pytest.fixture(scope="module")
def asked(runtimes):
    pictures = runtimes.digit_reader()
    with torch.inference_mode():
        return pictures.asked.numpy(), pictures.network(pictures.asked).numpy()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runtimes")


@pytest.mark.parametrize("name", ["plain PyTorch", "folded, channels-last", "onnxruntime"])
def test_a_float32_file_gives_the_same_logits_and_every_answer(runtimes, compare, asked, folder, name):
    images, expected = asked
    process = runtimes.Process(name, runtimes.build(name, "digit reader", folder=folder), folder=folder)
    found = compare.agreement(process.answers(images), expected)
    process.close()
    assert found["difference"] < 1e-5
    assert found["same"] == found["of"] == 360


def test_8_bit_integers_keep_nearly_every_answer_and_say_how_long_they_took(runtimes, compare, asked, folder):
    images, expected = asked
    path = runtimes.build("onnxruntime int8", "digit reader", folder=folder)
    process = runtimes.Process("onnxruntime int8", path, folder=folder)
    found = compare.agreement(process.answers(images), expected)
    seconds = process.seconds(images[:1], 3)
    process.close()
    assert 350 <= found["same"] <= 360
    assert {name: len(each) for name, each in seconds.items()} == {"cpu": 3, "clock": 3}
    assert not list(path.parent.glob("*.float.onnx"))


def test_a_file_is_made_once(runtimes, folder):
    path = runtimes.build("onnxruntime", "digit reader", folder=folder)
    before = path.stat().st_mtime_ns
    assert runtimes.build("onnxruntime", "digit reader", folder=folder) == path
    assert path.stat().st_mtime_ns == before


def test_a_saved_program_holds_one_digit_and_not_all_of_them(runtimes, folder):
    path = runtimes.build("plain PyTorch", "digit reader", folder=folder)
    assert path.stat().st_size < 360 * 32 * 32 * 4


def test_a_way_that_stops_says_why(runtimes, folder):
    process = runtimes.Process("onnxruntime", folder / "nothing.onnx", folder=folder)
    with pytest.raises(RuntimeError, match=r"onnxruntime stopped:\n(?s:.*)nothing.onnx"):
        process.answers(np.zeros((1, 1, 32, 32), "f"))
    process.close()


def test_files_of_a_runtime_are_run_by_it(runtimes):
    for name, way in runtimes.WAYS.items():
        assert way.build.__name__.startswith("save_"), name
        assert way.bits in (8, 16, 32)
    assert set(runtimes.SUFFIXES) == set(runtimes.PACKAGES) - {"LiteRT"}


def test_what_is_stored_are_ways_of_the_script_and_what_must_agree_does(runtimes, compare):
    networks = deploy.stored_runtimes()["networks"]
    assert list(networks["digit reader"]["ways"]) == list(runtimes.SHORT)
    assert list(networks["released checkpoint"]["ways"]) == list(runtimes.WAYS)
    for each in networks.values():
        assert each["ways"][compare.PLAIN]["ratio"] == 1
        for name, way in each["ways"].items():
            assert 0 < way["from"] <= way["ratio"] <= way["to"], name
            assert 0 < way["same"] <= way["of"] <= each["images"]
            if compare.must_agree(name):
                assert way["difference"] <= compare.BOUND, name
                assert way["same"] == way["of"], name


def test_a_larger_difference_or_another_answer_is_seen(compare):
    expected = np.array([[1.0, 4.0], [2.0, -1.0]])
    assert compare.agreement(expected, expected) == {"difference": 0, "same": 2, "of": 2}
    moved = np.array([[1.0, 4.0], [-1.5, -1.0]])
    assert compare.agreement(moved, expected) == {"difference": 0.88, "same": 1, "of": 2}
    assert compare.agreement(moved[:1], expected) == {"difference": 0, "same": 1, "of": 1}


class Turns:
    """A process that takes a known time, in a machine that is slower in every other round."""

    def __init__(self, seconds, rounds):
        self.seconds_of_one, self.rounds = seconds, rounds

    def seconds(self, images, calls):
        slow = 3 if self.rounds.setdefault(id(self), 0) % 2 else 1
        self.rounds[id(self)] += 1
        return {"cpu": [self.seconds_of_one * slow] * calls}


def test_a_ratio_is_taken_within_each_round(compare):
    rounds = {}
    processes = {"plain PyTorch": Turns(0.02, rounds), "twice": Turns(0.04, rounds), "slow": Turns(2.0, rounds)}
    found = compare.timed(processes, np.zeros(1), 4, {"slow"})
    assert found["plain PyTorch"] == {"ratio": 1, "from": 1, "to": 1}
    assert found["twice"] == {"ratio": 2, "from": 2, "to": 2}
