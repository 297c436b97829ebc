"""What is compared when the answer to an exercise is a network: its weights and what it computes."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from typing import Any

from mobilenet_edu.exercises._later import nn, torch
from mobilenet_edu.exercises._mending import Slip
from mobilenet_edu.exercises._values import kind_of


def behaviour(input_shape: Callable[..., tuple[int, ...]], training: bool = False) -> Callable[..., dict[str, Any]]:
    """An `Exercise.observe` for answers that return an ``nn.Module``.

    The network is described by its number of parameters, by their shapes (which show the groups of a convolution), and
    by its output for a random image of ``input_shape(*case)`` once every parameter and buffer is filled with numbers
    that depend on its shape alone. So the names and the order of the submodules do not matter; and a 1×1 convolution
    counts as the linear layer that it is, with a matrix for its weight.
    """

    def observe(network: nn.Module, *case: Any) -> dict[str, Any]:
        image = _random(input_shape(*case))
        network = _filled(_initialised(network, image)).train(training)
        parameters = list(network.parameters())
        description = {
            "number of parameters": sum(parameter.numel() for parameter in parameters),
            "shapes of the weights": sorted(_shape(parameter) for parameter in parameters),
        }
        try:
            with torch.no_grad():
                output = network(image)
        except Exception as error:
            said = str(error).partition("\n")[0]
            return description | {
                "shape of the output": f"{type(error).__name__}: {said}",
                "output": image,
                "chance": "none",
            }
        if not isinstance(output, torch.Tensor):
            question = " (does `forward` lack a `return`?)" if output is None else ""
            return description | {
                "shape of the output": f"{kind_of(output)}{question}",
                "output": image,
                "chance": "none",
            }
        description |= {"shape of the output": str(tuple(output.shape)), "output": output}
        return description | {"chance": _draws(network, image)}

    return observe


# What PyTorch's own sentence leaves open, when a network cannot be run.
_FAILURES = {
    'missing the required "forward" function': "{what} keeps layers and does not run them; `nn.Sequential` runs one "
    "after the other.",
    "mat1 and mat2 shapes cannot be multiplied": "a linear layer gets another number of features than it was made for. "
    "Features stand in the last dimension: after pooling, `nn.Flatten()` puts them there.",
    "channels, but got": "a convolution gets another number of channels than it was made for.",
    "running_mean should contain": "a batch norm gets another number of channels than it was made for.",
    "Kernel size can't be greater": "a kernel is larger than the map that it gets.",
}


def why_it_fails(network: nn.Module, description: Any) -> Slip | None:
    """Of a network that cannot be run, what PyTorch's error means."""
    said = description.get("shape of the output", "") if type(description) is dict else ""
    for part, meaning in _FAILURES.items():
        if part in said:
            meaning = meaning.format(what=f"`{type(network).__name__}`")
            return Slip("a network that does not run", f"Your network cannot be run: {meaning}")
    return None


def hidden_layers(network: nn.Module) -> Slip | None:
    """Layers that stand in a plain list, tuple or dictionary of a network."""
    for module in network.modules():
        for name, value in vars(module).items():
            parts = list(value.values()) if type(value) is dict else value if type(value) in (list, tuple) else []
            if not name.startswith("_") and any(isinstance(part, nn.Module) for part in parts):
                return Slip(
                    "layers in a plain list",
                    f"Your network keeps layers in a plain {type(value).__name__}, `self.{name}`. PyTorch does not see "
                    "parameters there: `nn.ModuleList` or `nn.Sequential` shows them.",
                )
    return None


def _draws(network: nn.Module, image: torch.Tensor) -> str:
    """Whether it draws numbers while it trains, as dropout does."""
    try:
        with torch.no_grad():
            outputs = [network.train()(image) for _ in range(2)]
    except Exception:  # batch norm of a single number
        return "none"
    return "none" if torch.equal(*outputs) else "in training mode two passes of one image differ, as with dropout"


# What a layer prints although nobody asked for it, as `inplace=True` does not change a result.
_DEFAULTS = "(, )?(inplace=True|eps=1e-05|momentum=0.1|affine=True|track_running_stats=True)|(?<=True), bias=True"


def layers_of(network: nn.Module) -> list[str]:
    """What a network is made of, as it prints itself: its innermost modules, without those that compute nothing."""
    found = []
    for module in network.modules():
        torchs = type(module).__module__.startswith("torch.nn")
        own = list(module.parameters(recurse=False)) and torchs
        if own or (not list(module.children()) and (torchs or module is not network)):
            text = re.sub(_DEFAULTS, "", repr(module)).replace("(, ", "(")
            if not text.startswith(("Identity", "Flatten", "Unflatten")) and "\n" not in text:
                found.append(text)
    return found


def other_layers(expected: Sequence[str], got: Sequence[str]) -> tuple[Slip | None, int]:
    """The first layer in which an answer differs from the solution, and how many differ.

    Of layers without parameters only those are told that the answer has too many: the others may be functions of it.
    """
    changes = [
        (tag, list(expected[a:b]), list(got[c:d]))
        for tag, a, b, c, d in SequenceMatcher(None, expected, got, autojunk=False).get_opcodes()
        if tag != "equal"
    ]
    changes = [(ours if theirs else [each for each in ours if _weighs(each)], theirs) for _, ours, theirs in changes]
    changes = [(ours, theirs) for ours, theirs in changes if ours or theirs]
    if not changes:
        return None, 0
    ours, theirs = changes[0]
    count = sum(max(map(len, change)) for change in changes)
    if not theirs:
        sentence = f"Your network lacks a layer that the solution has: `{ours[0]}`."
    elif not ours:
        sentence = f"Your network has a layer that the solution has not: `{theirs[0]}`."
    else:
        sentence = f"The first layer that differs from the solution's is your `{theirs[0]}`: there it has `{ours[0]}`."
    return Slip("layers", sentence), count


def _weighs(layer: str) -> bool:
    return layer.startswith(("Conv", "Linear", "BatchNorm"))


def macs_of(network: nn.Module, input_shape: tuple[int, ...]) -> int:
    """What the network costs for one image: outputs alone do not show where a stride is."""
    from mobilenet_edu.counting import count_cost

    return count_cost(network, input_shape).macs


def _shape(parameter: torch.Tensor) -> tuple[int, ...]:
    """A parameter's shape, without the sides of a 1×1 kernel: a linear layer is a 1×1 convolution."""
    shape = tuple(parameter.shape)
    return shape[:2] if len(shape) == 4 and shape[2:] == (1, 1) else shape


def _initialised(network: nn.Module, image: torch.Tensor) -> nn.Module:
    """The network, once it has seen an image if it has layers that wait for one."""
    waiting = any(torch.nn.parameter.is_lazy(each) for each in (*network.parameters(), *network.buffers()))
    if waiting:
        with torch.no_grad():
            network(image)
    return network


def _filled(network: nn.Module) -> nn.Module:
    network = copy.deepcopy(network)
    for parameter in network.parameters():
        parameter.data.copy_(_random(_shape(parameter)).reshape(parameter.shape))
    for buffer in network.buffers():
        if buffer.is_floating_point():  # running means and variances, which must be positive
            buffer.copy_(_random(buffer.shape).abs() + 0.5)
    return network


def _random(shape: tuple[int, ...]) -> torch.Tensor:
    seed = random.Random(str(tuple(shape))).getrandbits(32)
    return torch.randn(tuple(shape), generator=torch.Generator().manual_seed(seed))
