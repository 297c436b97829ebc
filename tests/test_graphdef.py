"""The reader of frozen graphs, held against protobuf's own library, which writes what it reads here.

And how the package that carries Google's graph is fetched: nothing in it runs.
"""

import io
import runpy
import sys
import tarfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from graphdef import read
from hypothesis import given
from hypothesis import strategies as st

# The part of TensorFlow's messages that the reader knows, and a double and a list that it has to pass over.
MESSAGES = {
    "Dim": [("size", 1, "INT64")],
    "Shape": [("dim", 2, "*Dim")],
    "Tensor": [
        ("dtype", 1, "INT32"),
        ("shape", 2, "Shape"),
        ("content", 4, "BYTES"),
        ("floats", 5, "*FLOAT"),
        ("integers", 7, "*INT32"),
    ],
    "Value": [
        ("text", 2, "BYTES"),
        ("integer", 3, "INT64"),
        ("number", 4, "FLOAT"),
        ("tensor", 8, "Tensor"),
        ("double", 90, "DOUBLE"),
    ],
    "Attribute": [("key", 1, "STRING"), ("value", 2, "Value")],
    "Node": [("name", 1, "STRING"), ("op", 2, "STRING"), ("input", 3, "*STRING"), ("attribute", 5, "*Attribute")],
    "Graph": [("node", 1, "*Node"), ("version", 3, "INT32")],
}


def factories():
    file = descriptor_pb2.FileDescriptorProto(name="graph.proto", package="t", syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            added = message.field.add(name=field, number=number, label=3 if kind[0] == "*" else 1)
            if (kind := kind.lstrip("*")) in MESSAGES:
                added.type, added.type_name = added.TYPE_MESSAGE, f".t.{kind}"
            else:
                added.type = getattr(added, f"TYPE_{kind}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"t.{name}")) for name in MESSAGES}


MADE = factories()


def graph(**tensors):
    """The bytes of a graph of constants, each given by the fields of its tensor."""
    made = MADE["Graph"](version=7)
    for name, tensor in tensors.items():
        shape = MADE["Shape"](dim=[MADE["Dim"](size=size) for size in tensor.pop("shape", ())])
        value = MADE["Value"](tensor=MADE["Tensor"](shape=shape, **tensor))
        made.node.add(name=name, op="Const", attribute=[MADE["Attribute"](key="value", value=value)])
    return made.SerializeToString()


def test_constants_come_out_as_they_were_written():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 4, 1)).astype("<f4")
    nodes = read(
        graph(
            kernel={"dtype": 1, "shape": kernel.shape, "content": kernel.tobytes()},
            equal={"dtype": 1, "shape": (2, 3), "floats": [0.5]},
            listed={"dtype": 1, "shape": (2,), "floats": [1.5, -2.5]},
            scalar={"dtype": 1, "floats": [0.001]},
            shape={"dtype": 3, "shape": (2,), "integers": [-1, 1001]},
        )
    )
    values = {name: node.attributes["value"] for name, node in nodes.items()}
    assert list(values) == ["kernel", "equal", "listed", "scalar", "shape"]
    assert np.array_equal(values["kernel"], kernel)
    assert values["equal"].tolist() == [[0.5] * 3] * 2
    assert values["listed"].tolist() == [1.5, -2.5]
    assert values["scalar"].shape == ()
    assert values["scalar"] == np.float32(0.001)
    assert values["shape"].tolist() == [-1, 1001]
    assert values["shape"].dtype == np.int32


def test_what_a_node_reads_and_how_it_is_set_comes_out_too():
    made = MADE["Graph"]()
    settings = {"padding": {"text": b"SAME"}, "alpha": {"number": 0.25}, "other": {"double": 1.0, "integer": -1}}
    attributes = [MADE["Attribute"](key=key, value=MADE["Value"](**value)) for key, value in settings.items()]
    made.node.add(name="conv", op="Conv2D", input=["image", "kernel/read"], attribute=attributes)
    [(name, node)] = read(made.SerializeToString()).items()
    assert (name, node.op, node.inputs) == ("conv", "Conv2D", ("image", "kernel/read"))
    assert node.attributes == {"padding": "SAME", "alpha": 0.25}


def test_a_tensor_of_another_type_is_passed_over():
    assert read(graph(halves={"dtype": 19, "shape": (2,), "content": bytes(4)}))["halves"].attributes == {}


@pytest.mark.parametrize("shape", [(3,), (5, 1), (2**62, 4), (-1,), (10**7,)])
def test_a_tensor_whose_numbers_do_not_fill_its_shape_is_refused(shape):
    with pytest.raises(ValueError, match="a tensor of shape"):
        read(graph(a={"dtype": 1, "shape": shape, "floats": [1.0] if shape == (10**7,) else [1.0] * 4}))


def test_a_file_that_is_cut_off_is_refused_wherever_it_ends():
    whole = graph(first={"dtype": 1, "floats": [1.0]}, second={"dtype": 1, "shape": (8,), "content": bytes(32)})
    after_the_first = len(whole) - len(graph(second={"dtype": 1, "shape": (8,), "content": bytes(32)}))
    ends = set()
    for length in range(len(whole)):
        with suppress(ValueError):
            assert len(read(whole[:length])) in (1, 2)
            ends.add(length)
    assert len(ends) <= 3  # behind a whole node alone
    assert min(ends) >= after_the_first - 2


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (b"", "no nodes"),
        (b"\x18\x07", "no nodes"),
        (b"\x0b\x0c", "of kind 3"),
        (b"\x0a\xff\xff\xff\xff\x0f\x00", "4294967295 bytes, and 1 are left"),
        (b"\x80" * 40, "an integer that does not end"),
        (b"\x08\x01", "an integer where bytes belong"),
        (b"\x89PNG\r\n\x1a\n", "cut off"),
        (
            bytes([10, 19, 42, 17, 10, 1, 118, 18, 12, 66, 10, 8, 1, 18, 6, 18, 4, 10, 2, 120, 121]),
            "where a size belongs",
        ),
    ],
)
def test_something_else_is_refused_with_a_sentence(file, sentence):
    with pytest.raises(ValueError, match=sentence):
        read(file)


def test_two_nodes_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two nodes are called a"):
        read(graph(a={"dtype": 1, "floats": [1.0]}) * 2)


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_raise_a_value_error(file):
    with suppress(ValueError):
        read(file)


@given(st.integers(0, 200), st.integers(0, 255))
def test_nor_does_a_graph_with_one_wrong_byte(place, byte):
    file = bytearray(graph(a={"dtype": 1, "shape": (2, 2), "floats": [1.0]}, b={"dtype": 3, "integers": [3]}))
    file[place % len(file)] = byte
    with suppress(ValueError):
        read(bytes(file))


def test_a_set_up_script_does_not_run_when_its_package_is_fetched(tmp_path, monkeypatch):
    script = (
        f"open({str(tmp_path / 'it_ran')!r}, 'w')\nfrom setuptools import setup\nsetup(name='nudity', version='0.2.3')"
    )
    (tmp_path / "shelf").mkdir()
    with tarfile.open(tmp_path / "shelf" / "nudity-0.2.3.tar.gz", "w:gz") as archive:
        for name, text in {
            "setup.py": script,
            "PKG-INFO": "Metadata-Version: 1.0\nName: nudity\nVersion: 0.2.3",
        }.items():
            member = tarfile.TarInfo(f"nudity-0.2.3/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    experiments = Path(__file__).parents[1] / "experiments"
    monkeypatch.setattr(sys, "path", [*sys.path])
    script = runpy.run_path(str(experiments / "released.py"))
    monkeypatch.setitem(script["fetched"].__globals__, "CACHE", tmp_path / "cache")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "shelf"))
    assert script["fetched"]("nudity==0.2.3", "sdist") == tmp_path / "cache" / "nudity-0.2.3.tar.gz"
    assert not (tmp_path / "it_ran").exists()
