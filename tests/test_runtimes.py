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
        logits = pictures.network(pictures.asked).numpy()
    return pictures.asked.numpy(), logits, pictures.labels.numpy()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runtimes")


@pytest.mark.parametrize("name", ["plain PyTorch", "folded, channels-last", "onnxruntime"])
def test_a_float32_file_gives_the_same_logits_and_every_answer(runtimes, compare, asked, folder, name):
    images, expected, labels = asked
    process = runtimes.Process(name, runtimes.build(name, "digit reader", folder=folder), folder=folder)
    found = compare.agreement(process.answers(images), expected, labels)
    process.close()
    assert found["difference"] < 1e-5
    assert found["same"] == found["of"] == 360


def test_8_bit_integers_keep_nearly_every_answer_and_say_how_long_they_took(runtimes, compare, asked, folder):
    images, expected, labels = asked
    path = runtimes.build("onnxruntime int8", "digit reader", folder=folder)
    process = runtimes.Process("onnxruntime int8", path, folder=folder)
    found = compare.agreement(process.answers(images), expected, labels)
    seconds = process.seconds(images[:1], 3)
    process.close()
    assert 350 <= found["same"] <= 360
    assert compare.disagreements("digit reader", {"onnxruntime int8": found}, deploy.stored_runtimes()) == []
    assert {name: len(each) for name, each in seconds.items()} == {"cpu": 3, "clock": 3}
    assert not list(path.parent.glob("*.float.onnx"))


def test_a_file_is_made_once(runtimes, folder):
    path = runtimes.build("onnxruntime", "digit reader", folder=folder)
    before = path.stat().st_mtime_ns
    assert runtimes.build("onnxruntime", "digit reader", folder=folder) == path
    assert path.stat().st_mtime_ns == before


def test_files_for_several_runtimes_lie_side_by_side(runtimes, folder, tmp_path, capsys):
    for name in ("onnxruntime", "onnxruntime int8"):
        runtimes.hand_over(name, tmp_path, folder)
    made = sorted(file.name for file in tmp_path.iterdir())
    assert made == ["digit_reader_onnx.onnx", "digit_reader_onnx_int8.onnx"]
    first, second = capsys.readouterr().out.splitlines()
    assert "360 of 360 answers as PyTorch's" in first
    assert f"{(tmp_path / made[1]).stat().st_size:,} bytes" in second
    built = [path.build.__name__ for path in runtimes.WAYS.values()]
    assert len(set(built)) == len({(way.build.__name__, way.runtime) for way in runtimes.WAYS.values()})


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
    assert set(runtimes.SUFFIXES) == set(runtimes.PACKAGES)


def test_each_file_has_the_ending_of_what_reads_it(runtimes, monkeypatch):
    monkeypatch.setattr(Path, "exists", lambda path: True)  # as if each was made
    for name, way in runtimes.WAYS.items():
        reader = "PyTorch" if way.load.__module__ == "runtimes" and "torch.compile" in name else way.runtime
        assert runtimes.build(name, "digit reader").suffix == f".{runtimes.SUFFIXES[reader]}", name


def test_what_is_stored_are_ways_of_the_script_and_what_must_agree_does(runtimes, compare):
    networks = deploy.stored_runtimes()["networks"]
    assert list(networks["digit reader"]["ways"]) == list(runtimes.SHORT)
    assert list(networks["released checkpoint"]["ways"]) == list(runtimes.WAYS)
    for each in networks.values():
        assert each["ways"][compare.PLAIN]["ratio"] == 1
        for name, way in each["ways"].items():
            assert 0 < way["from"] <= way["ratio"] <= way["to"], name
            assert 0 < way["same"] <= way["of"] <= each["images"]
            assert 0 <= way["right"] <= way["labelled"] <= way["of"]
            if compare.must_agree(name):
                assert way["difference"] <= compare.BOUND, name
                assert way["same"] == way["of"], name


def test_a_larger_difference_or_another_answer_is_seen(compare):
    expected, labels = np.array([[1.0, 4.0], [2.0, -1.0]]), np.array([1, -1])
    counts = {"same": 2, "of": 2, "right": 1, "labelled": 1}
    assert compare.agreement(expected, expected, labels) == {"difference": 0, **counts}
    moved = np.array([[1.0, 4.0], [-1.5, -1.0]])
    assert compare.agreement(moved, expected, labels) == {"difference": 0.88, **counts, "same": 1}
    assert compare.agreement(expected, expected, labels[::-1])["right"] == 0
    counts = {"same": 1, "of": 1, "right": 1, "labelled": 1}
    assert compare.agreement(moved[:1], expected, labels) == {"difference": 0, **counts}


def test_what_is_not_as_it_is_stored_is_named(compare, monkeypatch):
    stored = deploy.stored_runtimes()
    ways = stored["networks"]["released checkpoint"]["ways"]
    monkeypatch.setattr(compare, "machine", lambda: stored["machine"])

    def said(name, **changes):
        return compare.disagreements("released checkpoint", {name: ways[name] | changes}, stored)

    for name in ways:
        assert said(name) == []
    assert "does not agree" in said("ncnn", difference=0.001)[0]
    assert len(said("ncnn", same=113)) == 1
    integers, fewer = "OpenVINO int8", ways["OpenVINO int8"]["same"] - 6
    assert f"{fewer} of 114 same" in said(integers, same=fewer)[0]
    assert "right, and stored are" in said(integers, right=0)[0]
    assert "asked 113 images" in said(integers, of=113)[0]
    unknown = {"OpenVINO int8, no VNNI": ways[integers]}  # the digit reader is not asked that way
    assert "stored are None" in compare.disagreements("digit reader", unknown, stored)[0]
    monkeypatch.setattr(compare, "machine", lambda: {"sets": "of an older processor"})
    assert said(integers, same=fewer) == []  # its integers may be others
    assert "105 of 114 same" in said("ncnn, 16-bit file", same=105)[0]  # it is computed with 32 bits everywhere


@pytest.mark.parametrize(
    ("told", "kind", "sets"),
    [
        (
            "cpu family : 6\nmodel : 63\nmodel name : An X\nflags : fpu avx2 fma avx512fish\n",
            "cpu family 6 model 63",
            "avx2 fma",
        ),
        ("Features : fp asimd asimddp bf16\nCPU part : 0xd40\n", "", "asimd asimddp bf16"),
        ("", "", ""),
    ],
)
def test_the_machine_is_named_with_what_the_numbers_depend_on(compare, tmp_path, monkeypatch, told, kind, sets):
    for name in compare.LIMITS:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "cpuinfo").write_text(told)
    described = compare.machine(tmp_path / "cpuinfo")
    assert (described["kind"], described["sets"]) == (kind, sets)
    assert set(described) == set(deploy.stored_runtimes()["machine"])
    assert {
        "processor",
        "cores",
        "torch",
        "onnxruntime",
        "openvino",
        "nncf",
        "ncnn",
        "executorch",
        "ai-edge-litert",
    } < set(described)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")  # as on an older machine
    assert compare.machine(tmp_path / "cpuinfo")["sets"] == f"{sets} ONEDNN_MAX_CPU_ISA=AVX2".strip()


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


def test_every_way_starts_anew_since_a_process_keeps_its_pace(compare, monkeypatch):
    started = []

    class Paced(Turns):
        def __init__(self, name, path, folder):
            started.append(name)
            super().__init__(1 if name == "plain PyTorch" else 1 + started.count(name), {})

        def close(self):
            pass

    monkeypatch.setattr(compare.runtimes, "Process", Paced)
    monkeypatch.setattr(compare.runtimes, "build", lambda name, network, folder: None)
    names = ("plain PyTorch", "paced", "slow")
    found = compare.started_anew("digit reader", names, np.zeros(1), 2, {"slow"}, EXPERIMENTS)
    assert found["paced"] == [2, 2, 3, 3, 4, 4, 5, 5]
    assert compare.summary(found["paced"])["ratio"] == 3.5
    assert started.count("slow") == 1
    assert len(found["plain PyTorch"]) == 2 * compare.STARTS


@pytest.fixture(scope="module")
def fit():
    sys.path.append(str(EXPERIMENTS))
    import fit_rounding

    yield fit_rounding
    sys.path.remove(str(EXPERIMENTS))


def channels(layer):
    return layer.weight.detach().flatten(1)


def nearest(network):
    """Its weights rounded each for itself."""
    network = deploy.fold_batch_norms(network)
    for layer in network.modules():
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear)):
            step = layer.weight.detach().flatten(1).abs().amax(1) / 127
            step = step.clamp(min=1e-12).reshape(-1, *[1] * (layer.weight.dim() - 1))
            layer.weight.data = (layer.weight / step).round() * step
    return network


def test_fitted_weights_lie_on_the_grid_that_a_tool_finds(runtimes, fit):
    pictures = runtimes.digit_reader()
    folded = deploy.fold_batch_norms(pictures.network)
    fitted = fit.fitted(pictures.network, pictures.calibration)
    pairs = [pair for pair in zip(folded.modules(), fitted.modules(), strict=True) if hasattr(pair[0], "weight")]
    assert len(pairs) == 28
    for before, after in pairs:
        largest = channels(after).abs().amax(1)
        assert (largest <= channels(before).abs().amax(1)).all()  # less where the largest read only zeros
        levels = channels(after) / (largest.clamp(min=1e-12)[:, None] / 127)
        assert (levels - levels.round()).abs().max() < 1e-3
        assert levels.abs().max() < 127.001


def test_weights_that_read_only_zeros_set_no_scale(fit):
    """Such a weight may be as large as it likes, and some tools let the largest of a layer coarsen all its scales."""
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2), torch.nn.ReLU())
    network.extend([torch.nn.Conv2d(2, 2, 3, padding=1, groups=2), torch.nn.Conv2d(2, 1, 1)]).eval()
    network[0].weight.data = torch.tensor([1.0, 0.0]).reshape(2, 1, 1, 1)
    network[0].bias.data = torch.tensor([0.0, -1.0])  # the second channel is always zero
    network[3].weight.data[1] = 1000.0
    images = torch.rand(8, 1, 6, 6)
    fitted = fit.fitted(network, images)
    assert (fitted[3].weight[1] == 0).all()
    assert torch.equal(fitted[3].weight[0].abs().max(), network[3].weight[0].abs().max())
    assert (fitted(images) - network(images)).abs().max() < 0.05 * network(images).abs().max()


def test_layers_that_stay_in_float32_keep_their_weights(runtimes, fit):
    pictures = runtimes.digit_reader()
    folded = deploy.fold_batch_norms(pictures.network)
    fitted = fit.fitted(pictures.network, pictures.calibration, 2)
    pairs = [pair for pair in zip(folded.modules(), fitted.modules(), strict=True) if hasattr(pair[0], "weight")]
    assert [torch.equal(before.weight, after.weight) for before, after in pairs] == [True] * 2 + [False] * 26


def test_fitted_weights_move_the_logits_less_than_those_rounded_one_by_one(runtimes, fit):
    pictures = runtimes.digit_reader()
    with torch.inference_mode():
        expected = pictures.network(pictures.asked)
        off = [
            float((network(pictures.asked) - expected).square().mean())
            for network in (fit.fitted(pictures.network, pictures.calibration), nearest(pictures.network))
        ]
    assert off[0] < off[1] / 2


def test_errors_of_weights_that_read_the_same_numbers_cancel(fit):
    layer = torch.nn.Linear(3, 1)
    layer.weight.data = torch.tensor([[127.0, 0.45, 0.45]])  # a step of 1
    layer.bias.data.zero_()
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.BatchNorm2d(1), torch.nn.Flatten(), layer)
    network.eval()
    alike = torch.rand(200, 1).expand(200, 2)
    images = torch.cat([torch.rand(200, 1), alike], 1).reshape(200, 1, 1, 3)
    fitted = fit.fitted(network, images)
    first, second = fitted[-1].weight[0, 1:].tolist()
    assert {round(first), round(second)} == {0, 1}
