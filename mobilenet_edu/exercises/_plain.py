"""Read a result as the plain Python value that it stands for: where the numbers are right, their type is no mistake."""

from __future__ import annotations

import math
import sys
from fractions import Fraction
from typing import Any

SCALARS = (int, float, bool, Fraction, str)
KEYS_AND_VALUES = (type({}.keys()), type({}.values()))
MANY = 10**6  # numbers; a longer array is no answer to any exercise


def plain(expected: Any, got: Any) -> Any:
    """``got`` in the types of ``expected`` if that loses nothing, else ``got`` itself.

    A whole float stands for an int, an int for a float or a Fraction, a NumPy or torch scalar for a Python one, a list,
    an array or a tensor for a tuple, and so on. A float stands for no Fraction, and 1 not for True. What holds 32 bits
    is right if those 32 are.
    """
    kind = type(expected)
    if _of("torch", "Tensor", expected):
        return _tensor(expected, got)
    if kind in SCALARS:
        return expected if kind is float and _right_in_32_bits(expected, got) else _scalar(kind, got)
    if kind in (tuple, list):
        return _sequence(expected, got)
    if kind is dict and isinstance(got, dict) and set(expected) == set(got):
        return {key: plain(expected[key], got[key]) for key in expected}
    return got


def remark(expected: Any, got: Any) -> str:
    """How the right answer ``got`` would look in the type that was expected; nothing if it has it."""
    kind = type(expected)
    if _of("torch", "Tensor", expected):
        if not _of("torch", "Tensor", got):
            return " As a tensor it would be `torch.tensor(...)`."
        return "" if got.dtype == expected.dtype else f" In the usual precision it would be `.to({expected.dtype})`."
    if type(got) is not kind and not (kind is tuple and _of("torch", "Size", got)):
        whole = f" As a plain {kind.__name__} it would be "
        if _is_array(got):
            return f"{whole}`{'.item()' if kind in SCALARS else '.tolist()'}`."
        return f"{whole}`{kind.__name__}(...)`." if kind in (*SCALARS, tuple, list, dict) else ""
    if kind in (tuple, list) and len(expected) == len(got):
        return next((said for pair in zip(expected, got, strict=True) if (said := remark(*pair))), "")
    if kind is dict and list(expected) == list(got):
        return next((said for key in expected if (said := remark(expected[key], got[key]))), "")
    return ""


def _of(module: str, name: str, value: Any) -> bool:
    """Whether it is of this class of a library, without loading the library."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, getattr(loaded, name))


def _is_array(value: Any) -> bool:
    return _of("numpy", "ndarray", value) or _of("torch", "Tensor", value)


def _listed(got: Any) -> Any:
    """The list of an array, or the Python number of a scalar of NumPy's or torch's; anything else as it is."""
    scalar = _of("numpy", "generic", got) and type(got).__module__ == "numpy"
    if not scalar and not (_is_array(got) and _size(got) <= MANY):
        return got
    try:
        return got.item() if scalar else got.tolist()
    except Exception:  # a tensor without numbers, on the device "meta"
        return got


def _right_in_32_bits(expected: float, got: Any) -> bool:
    """Whether it is a single float32 of torch's or NumPy's, as near to what is expected as such a one can be."""
    is_one = (_is_array(got) and _size(got) == 1) or (_of("numpy", "generic", got))
    if not is_one or not str(getattr(got, "dtype", "")).endswith("float32"):
        return False
    value = _listed(got)
    return type(value) is float and math.isclose(value, expected, rel_tol=2**-22)


def _size(array: Any) -> int:
    return array.numel() if _of("torch", "Tensor", array) else array.size


def _scalar(kind: type, got: Any) -> Any:
    value = _listed(got)
    if type(value) is kind:
        return value
    if kind is int and type(value) in (float, Fraction) and (value == value // 1):
        return int(value)
    if kind is float and type(value) in (int, Fraction) and abs(value) < 1e300:
        return float(value)
    if kind is Fraction and type(value) is int:
        return Fraction(value)
    return got


def _sequence(expected: Any, got: Any) -> Any:
    value = list(got) if _is_array(got) and "float32" in str(got.dtype) and got.ndim == 1 else _listed(got)
    if not (type(value) in (tuple, list, range, *KEYS_AND_VALUES) or _of("torch", "Size", value)) or len(value) > MANY:
        return got
    patterns = [*expected, *[expected[-1] if expected else None] * len(value)]
    return type(expected)(plain(*pair) for pair in zip(patterns, value, strict=False))


def _tensor(expected: Any, got: Any) -> Any:
    torch = sys.modules["torch"]
    try:
        if type(got) in (list, tuple, int, float) or _of("numpy", "ndarray", got) or _of("numpy", "generic", got):
            got = torch.as_tensor(got)
        if type(got) not in (torch.Tensor, torch.nn.Parameter) or torch.bool in (got.dtype, expected.dtype):
            return got
        got = got if got.is_meta else got.to(expected.device)
        if got.dtype == expected.dtype:
            return got
        other = got.detach().to(expected.dtype)
        both_floats = got.is_floating_point() and expected.is_floating_point()
        return other if both_floats or torch.equal(other.to(got.dtype), got) else got
    except Exception:  # rows of different lengths, or no numbers at all
        return got
