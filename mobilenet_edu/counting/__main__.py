"""Count a network from the shell: ``python -m mobilenet_edu.counting timm:mobilenetv3_large_100 --size 224``.

MODEL is ``timm:NAME`` for a network of timm, ``FILE.py:FUNCTION`` for a function of yours that takes nothing and
returns a module, or ``FILE.pt2`` for what `torch.export.save` wrote.
"""

from __future__ import annotations

import argparse
import csv
import io
import re
import runpy
import sys
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from mobilenet_edu.cost import Cost
from mobilenet_edu.counting import CONVENTIONS, explain, ingredients, nearest
from mobilenet_edu.counting.exported import Exported, Part, read_exported
from mobilenet_edu.counting.macs import cost_by_module

HEADERS = ("layer", "kind", "output", "parameters", "MACs")


class Row(NamedTuple):
    """One layer, as often as it is called."""

    layer: str
    kind: str
    output: str
    parameters: int
    macs: int


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; what cannot be counted is one sentence on the standard error, and status 1."""
    parser = argparse.ArgumentParser("python -m mobilenet_edu.counting", description=__doc__)
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--size", type=int, nargs="+", help="side, or height and width (224, or a file's own)")
    parser.add_argument("--channels", type=int, help="channels of the image (3, or a file's own)")
    parser.add_argument("--explain", metavar="NUMBER", help="name the counters that print this number")
    parser.add_argument("--batch", type=int, default=1, help="the batch that the number is for (1)")
    parser.add_argument("--digits", type=int, help="how many leading digits of the number were printed")
    parser.add_argument("--format", choices=("text", "markdown", "csv"), default="text", help="of the table (text)")
    options = parser.parse_args(arguments)
    try:
        model = load(options.model)
        size = input_size(model, options.size, options.channels)
        if options.explain is not None:
            print(*answers(model, size, number(options.explain), options.batch, options.digits), sep="\n")
        else:
            print(table(model, size, options.format))
    except (ImportError, NotImplementedError, OSError, RuntimeError, TypeError, ValueError) as error:
        print(f"{options.model}: {error}", file=sys.stderr)
        return 1
    return 0


def input_size(model: nn.Module, sides: list[int] | None, channels: int | None) -> tuple[int, int, int]:
    """The size that is asked for; an exported network has one of its own."""
    if sides and len(sides) > 2:
        raise ValueError(f"--size takes a side, or a height and a width, not {len(sides)} numbers")
    usual = model.input_size if isinstance(model, Exported) else (3, 224, 224)
    size = (usual[0] if channels is None else channels, *((sides[0], sides[-1]) if sides else usual[1:]))
    if isinstance(model, Exported) and size != usual:
        raise ValueError(f"the network was exported for {'×'.join(map(str, usual))} and has no other size")
    return size


def number(text: str) -> float:
    """A number as people write it: 568740352, 568,740,352, 568_740_352, 5.69e8."""
    plain = text.replace(",", "").replace("_", "")
    try:
        return int(plain) if plain.isdecimal() else float(plain)
    except ValueError:
        raise ValueError(f"--explain {text} must be a number, such as 568,740,352 or 5.69e8") from None


def load(name: str) -> nn.Module:
    """The network that a name stands for."""
    if name.startswith("timm:"):
        return _from_timm(name.removeprefix("timm:"))
    if name.endswith(".pt2"):
        return read_exported(name)
    path, colon, function = name.rpartition(":")
    if not colon or not path.endswith(".py"):
        raise ValueError("MODEL must be timm:NAME, FILE.py:FUNCTION or FILE.pt2")
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    made = runpy.run_path(path).get(function)
    if not callable(made):
        raise ValueError(f"{path} has no function {function}")
    model = made()
    if not isinstance(model, nn.Module):
        raise TypeError(f"{function}() must return a built nn.Module, not {type(model).__name__}")
    return model


def _from_timm(name: str) -> nn.Module:
    try:
        import timm
    except ImportError as error:
        raise ImportError(f"timm:NAME needs timm and torchvision: pip install timm ({error})") from error
    if name not in timm.list_models():
        close = ", ".join(timm.list_models(f"*{name}*")[:5])
        raise ValueError(f"timm has no network {name!r}" + (f"; it has {close}" if close else ""))
    return timm.create_model(name, pretrained=False)


def answers(
    model: nn.Module, size: tuple[int, int, int], value: float, batch: int, digits: int | None
) -> Iterator[str]:
    """Who prints this number; if nobody does, who comes closest; and of whom nothing can be said."""
    found = explain(model, size, value, batch, digits)
    yield from found or [f"No counter prints this number. {nearest(model, size, value, batch)}."]
    of = ingredients(model, size)
    if unknown := [convention.name for convention in CONVENTIONS if convention.unknown(of)]:
        yield f"Not known for this network: {', '.join(unknown)}."


def table(model: nn.Module, size: tuple[int, int, int], form: str) -> str:
    """Each layer that has parameters, what else has MACs, and the sum."""
    rows = rows_of(model, size)
    if form == "csv":
        lines = io.StringIO()
        csv.writer(lines, lineterminator="\n").writerows([HEADERS, *rows])
        return lines.getvalue().rstrip("\n")
    from tabulate import tabulate

    return tabulate(rows, HEADERS, tablefmt="github" if form == "markdown" else "simple", intfmt=",")


def rows_of(model: nn.Module, size: tuple[int, int, int]) -> list[Row]:
    """A row for each module that has parameters or MACs of its own, in the order in which they are first called."""
    total, called = cost_by_module(model, size)
    names = {module: _owner(name, module) for name, module in model.named_modules()}
    macs: Counter[str] = Counter()
    first: dict[str, nn.Module] = {}
    for module, (own, _) in called.items():
        macs[names[module]] += own
        first.setdefault(names[module], module)
    parameters = _parameters([*called, *names], names, macs, first)
    if any(names.values()):
        first.pop("", None)  # what a network does beside its layers is elsewhere
    rows = [
        Row(name, _kind(module), _sides(called[module].output), parameters[name], macs[name])
        for name, module in first.items()
        if parameters[name] or macs[name]
    ]
    rest = Cost(total.params - sum(row.parameters for row in rows), total.macs - sum(row.macs for row in rows))
    other = [Row("elsewhere", "", "", rest.params, rest.macs)] if rest.params or rest.macs else []
    return [*rows, *other, Row("sum", "", "", total.params, total.macs)]


def _owner(name: str, module: nn.Module) -> str:
    """A parametrized layer is one layer: ``conv`` for ``conv.parametrizations.weight.0``."""
    name = module.path if isinstance(module, Part) else name
    return re.split(r"(?:^|\.)parametrizations\.", name)[0]


def _parameters(
    modules: Iterable[nn.Module], names: Mapping[nn.Module, str], macs: Mapping[str, int], called: Container[str]
) -> Counter[str]:
    """Parameters by row, each once; those of a module that is never called go to the one around it that uses them."""
    counted: set[nn.Parameter] = set()
    amounts: Counter[str] = Counter()
    for module in modules:
        own = [each for each in module.parameters(recurse=False) if each not in counted]
        counted.update(own)
        if own:
            name = names[module]
            while name and not (name in called and (macs[name] or name == names[module])):
                name = name.rpartition(".")[0]
            amounts[name] += sum(each.numel() for each in own)
    return amounts


def _kind(module: nn.Module) -> str:
    return module.kind if isinstance(module, Part) else type(module).__name__


def _sides(output: Any) -> str:
    return "×".join(map(str, output.shape[1:])) if isinstance(output, torch.Tensor) else ""


if __name__ == "__main__":
    raise SystemExit(main())
