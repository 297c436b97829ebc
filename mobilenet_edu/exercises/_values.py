"""Compare results and show them, part by part and by plain types: no object can claim to equal everything, and nothing
is shown through a ``__repr__`` that an answer may have written.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import sys
from fractions import Fraction
from itertools import islice
from typing import Any

RUNNING = "running it"  # what an exercise's `observe` calls the error of a network that cannot be run


def wrong_type(expected: Any, got: Any) -> str | None:
    """A sentence if ``got`` is not of the type that ``expected`` has, else None."""
    if _type(got) is _type(expected) or (_is_torch(expected) and _is_like(expected, got)):
        return None
    advice = ""
    module = type(got).__module__.partition(".")[0]
    if got is None:
        advice = " Does a path through your function lack a `return`?"
    elif module == "numpy" and type(expected) in (int, float, bool):
        advice = f" `{type(expected).__name__}(...)` makes it a plain one."
    elif module == "torch" and type(expected) in (int, float, bool):
        advice = " `.item()` makes it a plain one."
    elif type(got) is float and type(expected) is int:
        advice = " `//` divides whole numbers; `int(...)` makes one of a float."
    elif type(got) is float and type(expected) is Fraction:
        advice = " A float is rounded: divide by `Fraction(a, b)`, with whole a and b."
    elif type(got) is str and type(expected) in (int, float):
        advice = " Return the number without quotes, and without formatting it."
    elif inspect.isroutine(got) or isinstance(got, type):
        advice = " A pair of parentheses behind its name calls it."
    elif inspect.isgenerator(got):
        advice = " `yield` makes one, and so does `(x for x in y)`."
    elif inspect.iscoroutine(got):
        got.close()
        advice = " Use `def` without `async`."
    return f"expected {kind_of(expected)}, got {kind_of(got)}.{advice}"


def same(expected: Any, got: Any) -> bool:
    """Whether two results are equal, in type and in every part; floats to nine digits, tensors to four."""
    if wrong_type(expected, got):
        return False
    if _type(expected) in (tuple, list):
        return len(expected) == len(got) and all(map(same, expected, got))
    if type(expected) is dict:
        return list(expected) == list(got) and all(map(same, expected.values(), got.values()))
    if dataclasses.is_dataclass(expected) and not isinstance(expected, type):
        return same(_fields(expected), _fields(got))
    if type(expected) is float:
        return math.isclose(expected, got, rel_tol=1e-9, abs_tol=1e-12)
    if not _is_torch(expected):
        return expected == got
    if is_network(expected):
        return same(_state(expected), _state(got))
    return _same_tensor(expected, got)


def difference(expected: Any, got: Any, unit: str) -> str:
    """Where two unequal results of the same type differ, in one line or more."""
    if type(got) is dict and list(got) == [RUNNING]:
        return f"running it fails: {got[RUNNING]}"
    if dataclasses.is_dataclass(expected):
        expected, got = _fields(expected), _fields(got)
    if type(expected) is dict and list(expected) == list(got):
        key = next(key for key in expected if not same(expected[key], got[key]))
        parts = expected[key], got[key]
        if all(type(part) is str for part in parts):  # a description of what was observed, so without quotes
            return "{}: expected {}, got {}".format(key, *(show(part)[1:-1] for part in parts))
        return f"{key}: {wrong_type(*parts) or difference(*parts, '')}"
    if _is_torch(expected) and expected.shape == got.shape:
        if expected.dtype != got.dtype:
            return f"the shape is right; expected {expected.dtype}, got {got.dtype}"
        if not _numbers(expected) or not _numbers(got):  # too long to be shown
            return f"the shape is right; {_first_number(expected, got)}"
    place, part, got_part = _first_unlike(expected, got)
    unit = "" if type(expected) in (int, float) and expected == 1 else unit  # "1 pixels"
    wanted, given = f"expected {show(expected)} {unit}".rstrip(), f"got {show(got)}"
    if type(expected) is type(got) is Fraction:
        wanted, given = (f"{text} (about {float(each):.4g})" for text, each in ((wanted, expected), (given, got)))
    text = f"{wanted}, {given}" if len(wanted + given) <= 75 else f"{wanted},\n{given}"
    if type(part) is type(got_part) is float and math.isclose(part, got_part, rel_tol=1e-5):
        where = f"at {place} they" if place else "they"
        return f"{text}\n{where} agree to five digits: was it computed in float32, or rounded? Python's floats keep 15."
    if place and (wrong_type(part, got_part) or show(expected) == show(got)):
        return f"{text}\nat {place}: {wrong_type(part, got_part) or difference(part, got_part, '')}"
    return text


def _first_number(expected: Any, got: Any) -> str:
    """How many numbers of two tensors of one shape differ, and the first that does."""
    torch = sys.modules["torch"]
    if expected.is_meta or got.is_meta:
        return "the values differ"
    expected, got = expected.detach(), got.detach()
    unlike = ~torch.isclose(expected, got, rtol=1e-4, atol=1e-5)
    place = unlike.nonzero()[0].tolist()
    wanted, given = (f"{each[tuple(place)].item():.6g}" for each in (expected, got))
    count = f"{int(unlike.sum())} of {unlike.numel()} numbers differ"
    return f"{count}, the first at {place}: expected {wanted}, got {given}"


def _first_unlike(expected: Any, got: Any, place: str = "") -> tuple[str, Any, Any]:
    """The place of the first part in which two lists or tuples differ, such as [0][2], and the two parts."""
    if _type(expected) in (tuple, list) and not wrong_type(expected, got) and len(expected) == len(got):
        for i, parts in enumerate(zip(expected, got, strict=True)):
            if not same(*parts):
                return _first_unlike(*parts, f"{place}[{i}]")
    return place, expected, got


def _fields(value: Any) -> dict[str, Any]:
    return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}


def _type(value: Any) -> type:
    """The type of a value; a ``torch.Size`` counts as the tuple that it is."""
    torch = sys.modules.get("torch")
    return tuple if torch is not None and type(value) is torch.Size else type(value)


def is_network(value: Any) -> bool:
    """Whether it is an ``nn.Module``."""
    return _is_torch(value) and not isinstance(value, sys.modules["torch"].Tensor)


def _state(network: Any) -> dict[str, Any]:
    """All that an answer may change in a network that it is given."""
    parameters = list(network.parameters())
    return {
        "the parameters": dict(network.named_parameters()),
        "the buffers, such as batch norm's running averages,": dict(network.named_buffers()),
        "the gradients": [parameter.grad for parameter in parameters],
        "what is frozen": [parameter.requires_grad for parameter in parameters],
        "the mode": [module.training for module in network.modules()],
        "the hooks": [
            sum(len(hooks) for name, hooks in vars(module).items() if name.endswith("_hooks"))
            for module in network.modules()
        ],
    }


def change(before: Any, after: Any) -> str:
    """What of an argument an answer has changed, in words; nothing if it is as it was."""
    if same(before, after):
        return ""
    if not is_network(before) or not is_network(after):
        return "it"
    was, now = _state(before), _state(after)
    return next(what for what in was if not same(was[what], now[what]))


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
    if expected.is_meta or got.is_meta:  # which have no numbers
        return expected.is_meta and got.is_meta
    return torch.allclose(expected, got, rtol=1e-4, atol=1e-5)


def show(value: Any, depth: int = 0) -> str:
    """A value as text: whole where it is short and plain, else its type."""
    if type(value) is int and value.bit_length() > 200:
        return f"an integer of {value.bit_length()} bits"
    if type(value) is str:
        return repr(value if len(value) <= 200 else value[:200] + "…")
    if value is None or value is ... or type(value) in (int, float, bool, Fraction):
        return repr(value)
    if _type(value) in (tuple, list) and depth < 5:
        parts = [show(part, depth + 1) for part in value[:24]] + ["…"] * (len(value) > 24)
        inner = ", ".join(parts) + ("," if _type(value) is tuple and len(value) == 1 else "")
        return f"({inner})" if _type(value) is tuple else f"[{inner}]"
    if type(value) is dict and depth < 5:
        first = islice(value.items(), 24)
        parts = [f"{show(key, depth + 1)}: {show(part, depth + 1)}" for key, part in first]
        return "{" + ", ".join(parts + ["…"] * (len(value) > 24)) + "}"
    if type(value) in (set, frozenset) and value and depth < 5:
        return "{" + ", ".join(sorted(show(part, depth + 1) for part in islice(value, 24))) + "}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type) and depth < 5:
        inner = ", ".join(f"{name}={show(part, depth + 1)}" for name, part in _fields(value).items())
        return f"{type(value).__name__}({inner})"
    if _is_torch(value):
        return _show_network(value) if is_network(value) else _show_tensor(value)
    return kind_of(value)


def _show_network(network: Any) -> str:
    """Its class, its parts by name with their classes, and its mode."""
    torch = sys.modules["torch"]
    names = [f"{name}: {type(part).__name__}" for name, part in torch.nn.Module.named_children(network)]
    parts = ", ".join(names[:12] + ["…"] * (len(names) > 12))
    mode = "training" if network.training else "evaluation"
    return f"{type(network).__name__.strip('_')}({parts}) in {mode} mode"


def _show_tensor(tensor: Any) -> str:
    torch = sys.modules["torch"]
    if _numbers(tensor):
        dtype = "" if tensor.dtype in (torch.float32, torch.int64, torch.bool) else f", dtype={tensor.dtype}"
        return f"torch.tensor({_numbers(tensor)}{dtype})"
    return f"tensor of shape {tuple(tensor.shape)}" + ("" if tensor.dtype == torch.float32 else f", {tensor.dtype}")


def _numbers(tensor: Any) -> str:
    """A tensor's numbers, to be tried by hand; nothing if they are many or have many digits."""
    if not 0 < tensor.numel() <= 24:
        return ""
    tensor = tensor.detach()
    short = tensor.double().round(decimals=6) if tensor.is_floating_point() else tensor
    numbers = show(short.tolist())
    return numbers if len(numbers) <= 100 and short.to(tensor.dtype).equal(tensor) else ""


def kind_of(value: Any) -> str:
    """A value's type in words, with the value where it is short."""
    if value is None or _is_torch(value):
        return "None" if value is None else "an nn.Module" if is_network(value) else "a tensor"
    kind = type(value)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__.partition('.')[0]}.{kind.__name__}"
    article = "an" if name[0] in "aeiou" else "a"
    short = kind in (int, float, bool, str) and len(show(value)) <= 40
    return f"{article} {name}" + (f" ({show(value)})" if short else "")
