"""Count a network from the shell: ``python -m mobilenet_edu.counting timm:mobilenetv3_large_100 --size 224``.

MODEL is ``timm:NAME`` for a network of timm, ``FILE.py:FUNCTION`` for a function of yours that takes nothing and
returns a module, or ``FILE.pt2`` for what `torch.export.save` wrote.
"""

from __future__ import annotations

import argparse
import csv
import io
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from mobilenet_edu.cost import Cost
from mobilenet_edu.counting import CONVENTIONS, count_cost, explain, ingredients, nearest
from mobilenet_edu.counting.exported import read_exported
from mobilenet_edu.counting.running import run_once

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
    parser.add_argument("--size", type=int, nargs="+", default=[224], help="side, or height and width (224)")
    parser.add_argument("--channels", type=int, default=3, help="channels of the image (3)")
    parser.add_argument("--explain", metavar="NUMBER", help="name the counters that print this number")
    parser.add_argument("--batch", type=int, default=1, help="the batch that the number is for (1)")
    parser.add_argument("--digits", type=int, help="how many leading digits of the number were printed")
    parser.add_argument("--format", choices=("text", "markdown", "csv"), default="text", help="of the table (text)")
    options = parser.parse_args(arguments)
    try:
        size = input_size(options.size, options.channels)
        model = load(options.model)
        if options.explain is not None:
            print(*answers(model, size, number(options.explain), options.batch, options.digits), sep="\n")
        else:
            print(table(model, size, options.format))
    except (ImportError, NotImplementedError, OSError, RuntimeError, TypeError, ValueError) as error:
        print(f"{options.model}: {error}", file=sys.stderr)
        return 1
    return 0


def input_size(sides: list[int], channels: int) -> tuple[int, int, int]:
    if len(sides) > 2:
        raise ValueError(f"--size takes a side, or a height and a width, not {len(sides)} numbers")
    return channels, sides[0], sides[-1]


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
    total = count_cost(model, size)
    layers = list(_layers(model, size))
    rest = Cost(total.params - sum(row.parameters for row in layers), total.macs - sum(row.macs for row in layers))
    other = [Row("elsewhere", "", "", rest.params, rest.macs)] if rest.params or rest.macs else []
    return [*layers, *other, Row("sum", "", "", total.params, total.macs)]


def _layers(model: nn.Module, size: tuple[int, int, int]) -> Iterator[Row]:
    """The innermost modules that have parameters, in the order in which they are first called."""
    calls: dict[nn.Module, list[tuple[tuple, dict[str, Any], Any]]] = {}
    names = {module: name for name, module in model.named_modules() if not any(module.children())}

    def note(module: nn.Module, args: tuple, kwargs: dict[str, Any], output: Any) -> None:
        calls.setdefault(module, []).append((args, kwargs, output))

    hooks = [module.register_forward_hook(note, with_kwargs=True) for module in names if list(module.parameters())]
    try:
        run_once(model, size)
    finally:
        for hook in hooks:
            hook.remove()
    counted: set[nn.Parameter] = set()
    for module, made in calls.items():
        macs = sum(count_cost(module, input_data=kwargs or args).macs for args, kwargs, _ in made)
        own = [parameter for parameter in module.parameters() if parameter not in counted]
        counted.update(own)
        output = made[0][2]
        shape = "×".join(map(str, output.shape[1:])) if isinstance(output, torch.Tensor) else ""
        yield Row(names[module], type(module).__name__, shape, sum(each.numel() for each in own), macs)


if __name__ == "__main__":
    raise SystemExit(main())
