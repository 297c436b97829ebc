"""Compare results and show them, part by part and by plain types: no object can claim to equal everything, and nothing
is shown through a ``__repr__`` that an answer may have written.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import sys
from fractions import Fraction
from typing import Any


def wrong_type(expected: Any, got: Any) -> str | None:
    """A sentence if ``got`` is not of the type that ``expected`` has, else None."""
    if type(got) is type(expected) or (_is_torch(expected) and _is_like(expected, got)):
        return None
    advice = ""
    module = type(got).__module__.partition(".")[0]
    if got is None:
        advice = " A path through your function has no `return`."
    elif module == "numpy" and type(expected) in (int, float, bool):
        advice = f" `{type(expected).__name__}(...)` makes it a plain one."
    elif module == "torch" and type(expected) in (int, float, bool):
        advice = " `.item()` makes it a plain number."
    elif type(got) is float and type(expected) is int:
        advice = " Whole numbers divide with `//`."
    elif inspect.isgenerator(got):
        advice = " Use `return` instead of `yield`."
    elif inspect.iscoroutine(got):
        got.close()
        advice = " Use `def` without `async`."
    return f"expected {kind_of(expected)}, got {kind_of(got)}.{advice}"


def same(expected: Any, got: Any) -> bool:
    """Whether two results are equal, in type and in every part; floats to nine digits, tensors to four."""
    if wrong_type(expected, got):
        return False
    if type(expected) in (tuple, list):
        return len(expected) == len(got) and all(map(same, expected, got))
    if type(expected) is dict:
        return list(expected) == list(got) and all(map(same, expected.values(), got.values()))
    if dataclasses.is_dataclass(expected) and not isinstance(expected, type):
        return same(_fields(expected), _fields(got))
    if type(expected) is float:
        return math.isclose(expected, got, rel_tol=1e-9, abs_tol=1e-12)
    if not _is_torch(expected):
        return expected == got
    if isinstance(expected, sys.modules["torch"].nn.Module):
        return expected.training == got.training and same(dict(expected.state_dict()), dict(got.state_dict()))
    return _same_tensor(expected, got)


def difference(expected: Any, got: Any, unit: str) -> str:
    """Where two unequal results of the same type differ."""
    if dataclasses.is_dataclass(expected):
        expected, got = _fields(expected), _fields(got)
    if type(expected) is dict and list(expected) == list(got):
        for key in expected:
            if not same(expected[key], got[key]):
                return f"{key}: {wrong_type(expected[key], got[key]) or difference(expected[key], got[key], '')}"
    if _is_torch(expected) and expected.shape == got.shape and expected.dtype == got.dtype:
        return "the shape is right, the values differ"
    return f"expected {f'{show(expected)} {unit}'.rstrip()}, got {show(got)}"


def _fields(value: Any) -> dict[str, Any]:
    return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}


def _is_torch(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, (torch.Tensor, torch.nn.Module))


def _is_like(expected: Any, got: Any) -> bool:
    torch = sys.modules["torch"]
    if isinstance(expected, torch.Tensor):
        return type(got) in (torch.Tensor, torch.nn.Parameter)
    return isinstance(got, torch.nn.Module)


def _same_tensor(expected: Any, got: Any) -> bool:
    torch = sys.modules["torch"]
    if expected.shape != got.shape or expected.dtype != got.dtype:
        return False
    return torch.allclose(expected, got, rtol=1e-4, atol=1e-5)


def show(value: Any, depth: int = 0) -> str:
    """A value as text: whole where it is short and plain, else its type."""
    if type(value) is int and value.bit_length() > 200:
        return f"an integer of {value.bit_length()} bits"
    if type(value) is str:
        return repr(value if len(value) <= 200 else value[:200] + "…")
    if value is None or value is ... or type(value) in (int, float, bool, Fraction):
        return repr(value)
    if type(value) in (tuple, list) and depth < 5:
        parts = [show(part, depth + 1) for part in value[:24]] + ["…"] * (len(value) > 24)
        inner = ", ".join(parts) + ("," if type(value) is tuple and len(value) == 1 else "")
        return f"({inner})" if type(value) is tuple else f"[{inner}]"
    if dataclasses.is_dataclass(value) and not isinstance(value, type) and depth < 5:
        inner = ", ".join(f"{name}={show(part, depth + 1)}" for name, part in _fields(value).items())
        return f"{type(value).__name__}({inner})"
    if _is_torch(value) and hasattr(value, "shape"):
        return f"tensor of shape {tuple(value.shape)}" + ("" if value.is_floating_point() else f", {value.dtype}")
    return kind_of(value)


def kind_of(value: Any) -> str:
    """A value's type in words, with the value where it is short."""
    if value is None or _is_torch(value):
        return "None" if value is None else "an nn.Module" if hasattr(value, "forward") else "a tensor"
    kind = type(value)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__.partition('.')[0]}.{kind.__name__}"
    article = "an" if name[0] in "aeiou" else "a"
    short = kind in (int, float, bool, str) and len(show(value)) <= 40
    return f"{article} {name}" + (f" ({show(value)})" if short else "")
