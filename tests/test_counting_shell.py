"""The shell command `python -m mobilenet_edu.counting`, called as its users call it."""

import csv
import io
import pickle
import re
import subprocess
import sys
import zipfile

import pytest
import torch
from torch import nn

from mobilenet_edu.counting import count_cost
from mobilenet_edu.counting.__main__ import main
from mobilenet_edu.network import MobileNetV1

NETWORK = """
from torch import nn

class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.same = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, padding=1, bias=False)

    def forward(self, x):
        x = self.same(self.same(self.conv(x)))
        return x @ x.mT

def network():
    return Two()

def number():
    return 5

def failing():
    raise ValueError("no weights here")

LIST = [1]
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my_network.py"
    path.write_text(NETWORK, encoding="utf-8")
    return path


def run(capsys, *arguments):
    status = main([str(each) for each in arguments])
    said = capsys.readouterr()
    return status, said.out.splitlines(), said.err


def test_a_table_in_csv_has_each_layer_what_is_elsewhere_and_the_sum(file, capsys):
    status, lines, _ = run(capsys, f"{file}:network", "--size", 8, 10, "--format", "csv")
    assert (status, list(csv.DictReader(lines))) == (
        0,
        [
            {"layer": "conv", "kind": "Conv2d", "output": "8×6×8", "parameters": "224", "MACs": str(27 * 8 * 48)},
            {"layer": "same", "kind": "Conv2d", "output": "8×6×8", "parameters": "576", "MACs": str(2 * 72 * 8 * 48)},
            {"layer": "elsewhere", "kind": "", "output": "", "parameters": "0", "MACs": str(8 * 6 * 6 * 8)},
            {"layer": "sum", "kind": "", "output": "", "parameters": "800", "MACs": str(27 * 384 + 144 * 384 + 2304)},
        ],
    )


def test_a_table_comes_as_text_and_as_markdown(file, capsys):
    status, text, _ = run(capsys, f"{file}:network", "--size", 8)
    assert status == 0
    assert text[0].split() == ["layer", "kind", "output", "parameters", "MACs"]
    assert text[-1].split()[:2] == ["sum", "800"]
    _, markdown, _ = run(capsys, f"{file}:network", "--size", 8, "--format", "markdown")
    assert all(line.startswith("|") and line.endswith("|") for line in markdown)
    assert [line.split("|")[1].strip() for line in markdown[2:]] == ["conv", "same", "elsewhere", "sum"]


def test_a_number_names_its_counters(file, capsys):
    path = file.with_name("v1.py")
    path.write_text("from mobilenet_edu.network import MobileNetV1\n", encoding="utf-8")
    for number, name in (("568,763,240", "torchinfo"), ("588_962_304", "thop"), ("1137480704", "FlopCounterMode")):
        status, lines, _ = run(capsys, f"{path}:MobileNetV1", "--explain", number)
        assert status == 0
        assert any(line.startswith(name) for line in lines)
    _, lines, _ = run(capsys, f"{path}:MobileNetV1", "--explain", "5.69e8", "--digits", 3)
    assert lines[0] == "this book: MACs of convolutions + MACs of linear layers"
    _, lines, _ = run(capsys, f"{path}:MobileNetV1", "--explain", "568740353")
    assert lines[0].startswith("No counter prints this number. this book gives 568,740,352, and your number is 1 more")
    _, lines, _ = run(capsys, f"{path}:MobileNetV1", "--explain", 8 * 568_763_240, "--batch", 8)
    assert lines[0].startswith("torchinfo: ")


def test_what_no_convention_knows_is_said(file, capsys):
    path = file.with_name("pool.py")
    path.write_text(
        "from torch import nn\ndef net(): return nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(3))\n"
    )
    _, lines, _ = run(capsys, f"{path}:net", "--size", 8, "--explain", 768)
    assert lines[-1].startswith("Not known for this network: ")


@pytest.fixture
def exported(tmp_path):
    path = tmp_path / "network.pt2"
    model = MobileNetV1(10, 0.25).eval()
    torch.export.save(torch.export.export(model, (torch.zeros(1, 3, 64, 64),)), path)
    return path, model


def test_an_exported_file_is_counted(exported, capsys):
    path, model = exported
    status, lines, _ = run(capsys, path, "--size", 64, "--format", "csv")
    cost = count_cost(model, (3, 64, 64))
    assert (status, lines[-1]) == (0, f"sum,,,{cost.params},{cost.macs}")


def test_nothing_in_an_exported_file_is_unpickled(exported, tmp_path, capsys, monkeypatch):
    path, _ = exported

    def refuse(*_, **__):
        raise AssertionError("unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    monkeypatch.setattr(torch, "load", refuse)
    without = tmp_path / "json_only.pt2"
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(without, "w") as copy:
        for item in archive.infolist():
            if item.filename.endswith((".json", "version", "archive_format", "byteorder")):
                copy.writestr(item, archive.read(item))
    whole, part = (run(capsys, each, "--size", 64) for each in (path, without))
    assert whole == part
    assert whole[0] == 0


def test_an_exported_file_has_the_rows_of_the_network_and_its_size(exported, tmp_path, capsys):
    path, _ = exported
    made = tmp_path / "made.py"
    made.write_text("from mobilenet_edu.network import MobileNetV1\ndef network(): return MobileNetV1(10, 0.25)\n")
    from_file = run(capsys, path, "--format", "csv")
    assert from_file == run(capsys, f"{made}:network", "--size", 64, "--format", "csv")
    assert len(from_file[1]) == 57  # 27 convolutions with their batch norms, the classifier, the head and the sum
    for options in (("--size", 32), ("--channels", 1)):
        status, _, error = run(capsys, path, *options)
        assert (status, error.partition(": ")[2]) == (
            1,
            "the network was exported for 3×64×64 and has no other size\n",
        )


def test_who_explains_an_exported_file_is_told_what_to_bring(exported, capsys):
    status, _, error = run(capsys, exported[0], "--explain", 1)
    assert status == 1
    assert "an export leaves only operations: give the model that was exported" in error


UNUSUAL = """
import torch
from torch import nn

class Attends(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 16, 4, 4))
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)
        self.head, self.spare = nn.Linear(16, 5), nn.Linear(3, 3)

    def forward(self, x):
        tokens = self.stem(x).flatten(2).mT
        return {"logits": self.head(self.attention(tokens, tokens, tokens)[0].mean(1))}

def scripted():
    return torch.jit.script(nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU()))

def partly():
    return nn.Sequential(torch.jit.script(nn.Conv2d(3, 8, 1)), nn.Conv2d(8, 8, 1))
"""


def rows(capsys, file, name):
    file.write_text(UNUSUAL, encoding="utf-8")
    status, lines, _ = run(capsys, f"{file}:{name}", "--size", 16, "--format", "csv")
    assert status == 0
    return {row["layer"]: (row["kind"], int(row["parameters"]), int(row["MACs"])) for row in csv.DictReader(lines)}


def test_a_layer_that_holds_others_and_multiplies_itself_has_a_row(file, capsys):
    assert rows(capsys, file, "Attends") == {
        "stem": ("ParametrizedConv2d", 16 * 48 + 16 + 16, 16 * 48 * 16),
        "attention": ("MultiheadAttention", 4 * 16 * 16 + 4 * 16, 4 * 16 * 16 * 16 + 2 * 16 * 16 * 16),
        "head": ("Linear", 85, 80),
        "elsewhere": ("", 12, 0),  # of the layer that is never called
        "sum": ("", 1973 + 12, 36944),
    }


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # deprecated, and in use
def test_what_scripts_do_is_elsewhere(file, capsys):
    assert rows(capsys, file, "scripted") == {"elsewhere": ("", 32, 6144), "sum": ("", 32, 6144)}
    found = rows(capsys, file, "partly")
    assert (found["1"], found["elsewhere"]) == (("Conv2d", 72, 16384), ("", 32, 6144))


WRONG = {
    "no-such:thing": "MODEL must be timm:NAME, FILE.py:FUNCTION or FILE.pt2",
    "missing.py:network": "there is no file missing.py",
    "missing.pt2": "No such file",
    "{file}:nothing": "has no function nothing",
    "{file}:LIST": "has no function LIST",
    "{file}:number": r"number\(\) must return a built nn.Module, not int",
    "{file}:failing": "no weights here",
    "{file}.pt2": "must be a file that torch.export.save wrote; this is no archive",
    "{file}.zip.pt2": "must be a file that torch.export.save wrote, with one model in it",
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_counted_is_one_sentence(name, file, capsys):
    file.with_name(file.name + ".pt2").write_text("text")
    with zipfile.ZipFile(file.with_name(file.name + ".zip.pt2"), "w") as archive:
        archive.writestr("other.txt", "text")
    status, lines, error = run(capsys, name.format(file=file))
    assert (status, lines) == (1, [])
    assert error.count("\n") == 1
    assert re.search(WRONG[name], error)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--size", 0), "height=0 must be at least 1"),
        (("--size", 8, 8, 8), "--size takes a side, or a height and a width, not 3 numbers"),
        (("--explain", "many"), "--explain many must be a number, such as 568,740,352 or 5.69e8"),
        (("--explain", "1.5"), "number=1.5 must be a whole number"),
        (("--explain", "1", "--batch", 0), "batch_size=0 must be at least 1"),
        (("--channels", 4), "channels"),
    ],
)
def test_wrong_options_are_named(options, message, file, capsys):
    status, _, error = run(capsys, f"{file}:network", *options)
    assert status == 1
    assert message in error


def test_it_is_a_command_of_the_shell(file):
    command = [sys.executable, "-m", "mobilenet_edu.counting", f"{file}:network", "--size", "8", "--format", "csv"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert list(csv.reader(io.StringIO(done.stdout)))[-1][:1] == ["sum"]
    refused = subprocess.run([*command[:3], "nothing"], capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (1, "")


@pytest.mark.slow
def test_a_network_of_timm_is_counted_by_its_name(capsys):
    pytest.importorskip("timm")
    assert run(capsys, "timm:mobilenetv3_large_100", "--format", "csv")[1][-1] == "sum,,,5483032,216589760"
    status, _, error = run(capsys, "timm:mobilenetv3_huge")
    assert status == 1
    assert "timm has no network 'mobilenetv3_huge'" in error


def test_a_missing_timm_is_said(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    status, _, error = run(capsys, "timm:resnet18")
    assert status == 1
    assert "timm:NAME needs timm and torchvision: pip install timm" in error


def test_the_model_in_a_file_may_be_any_module(tmp_path, capsys):
    model = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.Hardswish(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    path = tmp_path / "small.pt2"
    torch.export.save(torch.export.export(model.eval(), (torch.zeros(1, 3, 9, 9),)), path)
    _, lines, _ = run(capsys, path, "--size", 9, "--format", "csv")
    assert lines[-1] == f"sum,,,{27 * 4 + 4 + 8 + 2},{27 * 4 * 16 + 8}"
