"""The tensors of a TensorFlow graph that was frozen into a file, read without TensorFlow.

Such a file is a GraphDef in protobuf's encoding: fields, each a number and a value, and some values are made of fields
again. This reads what a node has of names and constants, passes over the rest and runs nothing. Every length is checked
against what is left of the file; a file that is cut off or is something else gives a ValueError.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from math import prod
from typing import NamedTuple

import numpy as np

# The numbers of the fields in TensorFlow's graph.proto, node_def.proto, attr_value.proto, tensor.proto.
_NODE = 1
_NAME, _OP, _INPUT, _ATTRIBUTES = 1, 2, 3, 5
_KEY, _VALUE = 1, 2
_TEXT, _FLOAT, _TENSOR = 2, 4, 8
_TYPE, _SHAPE, _CONTENT, _FLOATS, _INTEGERS = 1, 2, 4, 5, 7
_DIMENSION, _SIZE = 2, 1
_DTYPES = {1: np.dtype("<f4"), 3: np.dtype("<i4")}

# How a value lies in the file.
_VARINT, _EIGHT_BYTES, _COUNTED, _FOUR_BYTES = 0, 1, 2, 5


class Node(NamedTuple):
    """One operation: its kind, what it reads, and those attributes that are texts, floats or tensors."""

    op: str
    inputs: tuple[str, ...]
    attributes: dict[str, str | float | np.ndarray]


def read(file: bytes) -> dict[str, Node]:
    """Every node of the graph by its name, in the file's order.

    Raises:
        ValueError: the file is cut off, is no GraphDef, or has two nodes of one name.
    """
    nodes = {}
    for number, value in _fields(memoryview(file)):
        if number == _NODE:
            name, node = _node(_bytes(value))
            if name in nodes:
                raise ValueError(f"two nodes are called {name}")
            nodes[name] = node
    if not nodes:
        raise ValueError("the file has no nodes, so it is no GraphDef")
    return nodes


def _node(message: memoryview) -> tuple[str, Node]:
    name, op, inputs, attributes = "", "", [], {}
    for number, value in _fields(message):
        if number == _NAME:
            name = _text(value)
        elif number == _OP:
            op = _text(value)
        elif number == _INPUT:
            inputs.append(_text(value))
        elif number == _ATTRIBUTES:
            entry = dict(_fields(_bytes(value)))
            attribute = _attribute(_bytes(entry.get(_VALUE, memoryview(b""))))
            if attribute is not None:
                attributes[_text(entry.get(_KEY, memoryview(b"")))] = attribute
    return name, Node(op, tuple(inputs), attributes)


def _attribute(message: memoryview) -> str | float | np.ndarray | None:
    for number, value in _fields(message):
        if number == _TEXT:
            return _text(value)
        if number == _FLOAT:
            return struct.unpack("<f", bytes(_bytes(value)).ljust(4, b"\0")[:4])[0]
        if number == _TENSOR:
            return _tensor(_bytes(value))
    return None


def _tensor(message: memoryview) -> np.ndarray | None:
    """An array of 32-bit floats or integers; TensorFlow writes a constant of equal numbers as one of them."""
    dtype, shape, numbers = None, (), np.empty(0)
    for number, value in _fields(message):
        if number == _TYPE:
            dtype = _DTYPES.get(value)
        elif number == _SHAPE:
            shape = tuple(_size(_bytes(size)) for key, size in _fields(_bytes(value)) if key == _DIMENSION)
        elif number == _CONTENT or (number == _FLOATS and dtype == _DTYPES[1]):
            content = _bytes(value)
            if dtype is not None and len(content) % dtype.itemsize == 0:
                numbers = np.frombuffer(content, dtype)
        elif number == _INTEGERS and dtype == _DTYPES[3]:
            packed = [value] if isinstance(value, int) else [each for each, _ in _varints(value)]
            numbers = np.array([each & 0xFFFFFFFF for each in packed], np.uint32).astype(dtype)
    if dtype is None:
        return None
    if len(numbers) not in (1, prod(shape)) or (len(numbers) == 1 and prod(shape) > 1_000_000):
        raise ValueError(f"a tensor of shape {shape} has {len(numbers)} numbers")
    return np.broadcast_to(numbers[0], shape) if len(numbers) == 1 else numbers.reshape(shape)


def _size(message: memoryview) -> int:
    size = dict(_fields(message)).get(_SIZE, 0)
    if not isinstance(size, int):
        raise ValueError("bytes where a size belongs: the file is no GraphDef")
    return size


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a message: an integer, or the bytes that it is made of."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if kind == _COUNTED:
            length, at = _varint(message, at)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            length = 8 if kind == _EIGHT_BYTES else 4
        else:
            raise ValueError(f"a field of kind {kind}, which protobuf no longer writes: the file is no GraphDef")
        if length > len(message) - at:
            raise ValueError(f"a field of {length} bytes, and {len(message) - at} are left: the file is cut off")
        yield key >> 3, message[at : at + length]
        at += length


def _varints(message: memoryview) -> Iterator[tuple[int, int]]:
    at = 0
    while at < len(message):
        value, at = _varint(message, at)
        yield value, at


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The integer that begins there, seven bits a byte, the least first; and where it ends."""
    value = 0
    for index, byte in enumerate(message[at : at + 10]):
        value |= (byte & 127) << (7 * index)
        if byte < 128:
            return value, at + index + 1
    raise ValueError("an integer that does not end: the file is cut off or no GraphDef")


def _bytes(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("an integer where bytes belong: the file is no GraphDef")
    return value


def _text(value: int | memoryview) -> str:
    return bytes(_bytes(value)).decode("utf-8", "replace")
