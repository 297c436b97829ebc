"""Assignment 2: build a block and account for it. Chapters 3 to 6; three of its five problems need PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from instructor.problem import Assignment, Part, Problem, draw, until

INTRODUCTION = """\
One block that the book does not contain, built and accounted for; then three questions that come up as soon as one
changes a network. Each cell that says *this is how your answer is looked at* is part of the question."""


def assignment(seed: str) -> Assignment:
    makers = (build, account, kernel, merging, training)
    problems = tuple(maker(draw(seed, "block", maker.__name__)) for maker in makers)
    return Assignment("block", "Build and account for a block", INTRODUCTION, problems, packages=("torch",))


# 1 ----------------------------------------------------------------------------------------------------------------


def build(random: Random) -> Problem:
    def case(what: str, stride: int, same_channels: bool) -> tuple:
        channels = random.randint(3, 6)
        out_channels = channels if same_channels else channels + random.randint(1, 4)
        return what, channels, out_channels, random.choice((5, 7)), stride, random.randint(2, 3), random.randint(9, 11)

    kernel_size, multiplier = random.choice((5, 7)), random.choice((2, 3, 4))
    shown = (8, 12, kernel_size, 2, multiplier, 16)
    task = f"""\
## A block with several filters for each channel

Write a function that builds this block as an `nn.Module`:

1. a depthwise convolution with `multiplier` filters for each input channel, so it writes `in_channels * multiplier`
   channels; its kernel is square with side `kernel_size` (odd, such as {kernel_size}), it has the stride, and with
   stride 1 the map keeps its size;
2. batch norm, then ReLU;
3. a pointwise convolution to `out_channels`, then batch norm, and *no* ReLU;
4. where stride is 1 and `out_channels` equals `in_channels`, the input is added to the result.

No convolution has a bias: a batch norm follows. What you call your layers, and how you nest them, is up to you."""
    return Problem(
        task,
        make_block,
        (
            not_depthwise,
            one_filter,
            small_padding,
            stride_on_pointwise,
            with_biases,
            relu_at_the_end,
            no_relu,
            relu6,
            one_norm,
            no_shortcut,
        ),
        (
            Part("the shape of the output", 1, (case("shape", 1, False), case("shape", 2, False))),
            Part("the parameters", 2, (case("parameters", 1, True), case("parameters", 2, False))),
            Part("the output, without shortcut", 2, (case("output", 1, False), case("output", 2, True))),
            Part("the output, with shortcut", 2, (case("output", 1, True), case("output", 1, True))),
        ),
        (("shape", *shown), ("shape", *shown[:3], 1, *shown[4:]), ("parameters", *shown)),
        measure_block,
    )


def make_block(in_channels: int, out_channels: int, kernel_size: int, stride: int, multiplier: int):
    """An nn.Module: depthwise, batch norm, ReLU, pointwise, batch norm, and a shortcut where it fits."""
    from torch import nn

    middle = in_channels * multiplier
    padding = kernel_size // 2
    path = nn.Sequential(
        nn.Conv2d(in_channels, middle, kernel_size, stride, padding, groups=in_channels, bias=False),
        nn.BatchNorm2d(middle),
        nn.ReLU(),
        nn.Conv2d(middle, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
    )
    if stride != 1 or in_channels != out_channels:
        return path

    class Shortcut(nn.Module):
        def __init__(self):
            super().__init__()
            self.path = path

        def forward(self, images):
            return images + self.path(images)

    return Shortcut()


def measure_block(answer, what, in_channels, out_channels, kernel_size, stride, multiplier, size):
    """Weights get values that depend on their shape alone, so your names and nesting do not matter."""
    import torch

    block = answer(in_channels, out_channels, kernel_size, stride, multiplier)
    if block is None:
        return None
    if what == "parameters":
        return sorted(list(parameter.shape) for parameter in block.parameters())
    with torch.no_grad():
        for parameter in block.parameters():
            values = torch.arange(parameter.numel()).mul(0.7).sin().reshape(parameter.shape)
            parameter.copy_(values if parameter.dim() == 4 else 4 * values + 2)
        images = torch.arange(2 * in_channels * size * size).mul(0.3).cos().reshape(2, in_channels, size, size)
        output = block.train()(images)
    return list(output.shape) if what == "shape" else output.flatten()[::7].tolist()


def _variant(
    docstring: str, depthwise: dict | None = None, pointwise: dict | None = None, **change: bool
) -> Callable[..., object]:
    """A wrong `make_block`: the right one, with other arguments for its convolutions, or another change."""

    def mistaken(in_channels, out_channels, kernel_size, stride, multiplier):
        from torch import nn

        block = make_block(in_channels, out_channels, kernel_size, stride, multiplier)
        path = getattr(block, "path", block)
        for index, settings in ((0, depthwise), (3, pointwise)):
            if settings:
                old = path[index]
                kept = {name: getattr(old, name) for name in ("stride", "padding", "groups")}
                kept |= {"bias": False, **settings}
                path[index] = nn.Conv2d(old.in_channels, old.out_channels, old.kernel_size, **kept)
        if change.get("one_filter"):
            path[0] = nn.Conv2d(
                in_channels, in_channels, kernel_size, stride, kernel_size // 2, groups=in_channels, bias=False
            )
            path[1], path[3] = nn.BatchNorm2d(in_channels), nn.Conv2d(in_channels, out_channels, 1, bias=False)
        if change.get("move_stride"):
            path[0].stride, path[3].stride = (1, 1), (stride, stride)
        if change.get("drop_relu"):
            path[2] = nn.Identity()
        if change.get("drop_norm"):
            path[4] = nn.Identity()
        if change.get("use_relu6"):
            path[2] = nn.ReLU6()
        if change.get("add_relu"):
            path.append(nn.ReLU())
        return path if change.get("drop_shortcut") else block

    mistaken.__doc__ = docstring
    return mistaken


not_depthwise = _variant(
    "Your first convolution is a standard one. A depthwise one needs `groups=in_channels`.", depthwise={"groups": 1}
)
one_filter = _variant(
    "Your depthwise convolution has one filter for each channel; this one has `multiplier` of them.", one_filter=True
)
small_padding = _variant(
    "Your padding suits a 3×3 kernel. To keep the size it has to be half the kernel, rounded down.",
    depthwise={"padding": 1},
)
stride_on_pointwise = _variant(
    "The stride sits on your pointwise convolution. It belongs to the depthwise one, so that the second step works on "
    "the smaller map.",
    move_stride=True,
)
with_biases = _variant(
    "Your convolutions have biases. Batch norm subtracts them again, so they are parameters that change nothing: "
    "`bias=False`.",
    depthwise={"bias": True},
    pointwise={"bias": True},
)
relu_at_the_end = _variant("You end with a ReLU. This block has none after the second batch norm.", add_relu=True)
no_relu = _variant("There is no ReLU between your two convolutions.", drop_relu=True)
relu6 = _variant("Your ReLU stops at 6. This block has the plain one, `nn.ReLU`.", use_relu6=True)
one_norm = _variant("There is no batch norm after your pointwise convolution.", drop_norm=True)
no_shortcut = _variant(
    "Your block never adds its input, although stride 1 and equal channels allow it.", drop_shortcut=True
)


# 2 ----------------------------------------------------------------------------------------------------------------


def account(random: Random) -> Problem:
    def case(what: str, stride: int) -> tuple:
        channels = random.randint(8, 64)
        size = 2 * random.randint(4, 15) + 1
        return what, channels, random.randint(65, 128), random.choice((3, 5, 7)), stride, random.randint(2, 4), size

    shown = (32, 64, random.choice((5, 7)), 2, random.choice((2, 3)), 28)
    task = f"""\
## Account for it

Without PyTorch: how many parameters does the block of problem 1 have (batch norm included), and how many MACs does it
cost on a square map of side `size`? Return a dictionary with the keys `"parameters"` and `"macs"`. With stride 2 an
odd side is halved and rounded up. The shortcut multiplies nothing. Try {shown[0]} to {shown[1]} channels with a
{shown[2]}×{shown[2]} kernel."""
    return Problem(
        task,
        block_cost,
        (
            norm_forgotten,
            norm_once,
            one_filter_counted,
            narrow_pointwise,
            stride_in_depthwise_only,
            rounded_down,
            biases_counted,
            flops_counted,
        ),
        (
            Part("parameters", 2, tuple(case("parameters", stride) for stride in (1, 2, 1))),
            Part("MACs with stride 1", 2, tuple(case("macs", 1) for _ in range(3))),
            Part("MACs with stride 2", 2, tuple(case("macs", 2) for _ in range(3))),
        ),
        (("parameters", *shown), ("macs", *shown)),
        look_up,
    )


def block_cost(in_channels: int, out_channels: int, kernel_size: int, stride: int, multiplier: int, size: int) -> dict:
    """Parameters and MACs of the block of problem 1."""
    middle = in_channels * multiplier
    depthwise = kernel_size**2 * middle
    pointwise = middle * out_channels
    norms = 2 * middle + 2 * out_channels
    positions = (-(-size // stride)) ** 2  # rounded up
    return {"parameters": depthwise + pointwise + norms, "macs": (depthwise + pointwise) * positions}


def look_up(answer, what, *arguments):
    """One entry of your dictionary."""
    costs = answer(*arguments)
    return None if costs is None else costs[what]


def norm_forgotten(in_channels, out_channels, kernel_size, stride, multiplier, size):
    """You leave out the batch norms' parameters: a scale and a shift for each channel."""
    return _changed(
        block_cost(in_channels, out_channels, kernel_size, stride, multiplier, size),
        parameters=-2 * (in_channels * multiplier + out_channels),
    )


def norm_once(in_channels, out_channels, kernel_size, stride, multiplier, size):
    """You count one parameter for each channel of a batch norm. There are two: a scale and a shift."""
    return _changed(
        block_cost(in_channels, out_channels, kernel_size, stride, multiplier, size),
        parameters=-(in_channels * multiplier + out_channels),
    )


def one_filter_counted(in_channels, out_channels, kernel_size, stride, multiplier, size):
    """You count one filter for each channel. The block has `multiplier` of them, and all that follows is wider too."""
    return block_cost(in_channels, out_channels, kernel_size, stride, 1, size)


def narrow_pointwise(in_channels, out_channels, kernel_size, stride, multiplier, size):
    """Your pointwise convolution reads `in_channels` channels. It reads what the depthwise one writes: `multiplier`
    times as many."""
    missing = (in_channels * multiplier - in_channels) * out_channels
    positions = (-(-size // stride)) ** 2
    return _changed(
        block_cost(in_channels, out_channels, kernel_size, stride, multiplier, size),
        parameters=-missing,
        macs=-missing * positions,
    )


def stride_in_depthwise_only(in_channels, out_channels, kernel_size, stride, multiplier, size):
    """Your pointwise convolution works on the input's size. It comes after the stride and sees the smaller map."""
    extra = size**2 - (-(-size // stride)) ** 2
    return _changed(
        block_cost(in_channels, out_channels, kernel_size, stride, multiplier, size),
        macs=in_channels * multiplier * out_channels * extra,
    )


def rounded_down(in_channels, out_channels, kernel_size, stride, multiplier, size):
    """You round half of an odd side down. With its padding, a stride of 2 makes 8 of 15, not 7."""
    return block_cost(in_channels, out_channels, kernel_size, 1, multiplier, size // stride)


def biases_counted(in_channels, out_channels, kernel_size, stride, multiplier, size):
    """You count biases. The convolutions of this block have none."""
    return _changed(
        block_cost(in_channels, out_channels, kernel_size, stride, multiplier, size),
        parameters=in_channels * multiplier + out_channels,
    )


def flops_counted(in_channels, out_channels, kernel_size, stride, multiplier, size):
    """You return FLOPs. A MAC is a multiplication and an addition, so there are half as many MACs."""
    costs = block_cost(in_channels, out_channels, kernel_size, stride, multiplier, size)
    return _changed(costs, macs=costs["macs"])


def _changed(costs: dict, **by: int) -> dict:
    return {name: value + by.get(name, 0) for name, value in costs.items()}


# 3 ----------------------------------------------------------------------------------------------------------------


def kernel(random: Random) -> Problem:
    def case() -> tuple:
        return random.randint(60, 90), random.randint(200, 900), random.randint(6, 30)

    def boundary() -> tuple:
        # side² / (side² + out_channels) is exactly share %, because out_channels is side² (100 - share) / share
        side, share = random.choice(((5, 10), (7, 10), (5, 20), (9, 20), (3, 25), (7, 25), (5, 50)))
        return random.randint(60, 90), side**2 * (100 - share) // share, share

    def just_above() -> tuple:
        """One output channel less, so that this side does a little more than its share."""
        side, share = random.choice(((5, 10), (7, 10), (5, 20), (9, 20), (7, 25)))
        return random.randint(60, 90), side**2 * (100 - share) // share - 1, share

    def boundaries() -> tuple:
        return boundary(), boundary(), boundary(), just_above()

    def too_wide() -> tuple:
        return random.randint(60, 90), random.randint(10, 20), random.randint(1, 4)

    shown = (64, random.choice((128, 256, 512)), 10)
    task = f"""\
## How large may the kernel be?

Large kernels are cheap in a depthwise layer, up to a point. For a depthwise separable pair (one filter for each
channel, stride 1, the map keeps its size), return the largest *odd* kernel side with which the depthwise layer does at
most `share` percent of the MACs of *both* layers together. Return 0 if even a side of 1 does more. Stay with integers:
some of the hidden cases hit `share` exactly. With {shown[1]} output channels and {shown[2]} percent the answer is
{largest_kernel(*shown)}."""
    return Problem(
        task,
        largest_kernel,
        (even_sides, share_of_pointwise, input_instead, side_once, one_too_large, strictly_less, at_least_one),
        (
            Part("some sides fit", 3, (case(), case(), case(), case(), case())),
            Part(
                "exactly the share",
                1,
                until(boundaries, lambda cases: len({largest_kernel(*each) for each in cases[:3]}) == 3),
            ),
            Part("no side fits", 1, tuple(random.sample([too_wide(), case(), too_wide(), case()], 4))),
        ),
        (shown,),
    )


def largest_kernel(in_channels: int, out_channels: int, share: int) -> int:
    """The largest odd kernel side whose depthwise layer does at most share percent of the MACs."""
    # The map's size and in_channels are factors of both layers, so they cancel.
    side = 1
    while 100 * side**2 <= share * (side**2 + out_channels):
        side += 2
    return max(0, side - 2)


def even_sides(in_channels, out_channels, share):
    """You return an even side. An even kernel has no middle, so it cannot keep the size with equal padding."""
    odd = largest_kernel(in_channels, out_channels, share)
    return odd + (100 * (odd + 1) ** 2 <= share * ((odd + 1) ** 2 + out_channels))


def share_of_pointwise(in_channels, out_channels, share):
    """You compare with the pointwise layer alone. The share is of both layers together."""
    side = 1
    while 100 * side**2 <= share * out_channels:
        side += 2
    return max(0, side - 2)


def input_instead(in_channels, out_channels, share):
    """You use the input channels. They are a factor of both layers and cancel; the output channels decide."""
    return largest_kernel(in_channels, in_channels, share)


def side_once(in_channels, out_channels, share):
    """You count the kernel's side once. A square kernel has that many rows *and* columns."""
    side = 1
    while 100 * side <= share * (side + out_channels):
        side += 2
    return max(0, side - 2)


def one_too_large(in_channels, out_channels, share):
    """You return the first side that is too large. Take the one before it."""
    return largest_kernel(in_channels, out_channels, share) + 2


def strictly_less(in_channels, out_channels, share):
    """You reject a side that does exactly `share` percent. "At most" allows it."""
    side = 1
    while 100 * side**2 < share * (side**2 + out_channels):
        side += 2
    return max(0, side - 2)


def at_least_one(in_channels, out_channels, share):
    """You return 1 where nothing fits. The question asks for 0 then."""
    return max(1, largest_kernel(in_channels, out_channels, share))


# 4 ----------------------------------------------------------------------------------------------------------------


def merging(random: Random) -> Problem:
    def case(what: str, biases: str, square: bool) -> tuple:
        first, middle, last = (random.randint(3, 8),) * 3 if square else random.sample(range(3, 9), 3)
        return what, first, middle, last, biases

    shown = ("layer", 4, random.randint(5, 7), 8, "both")
    task = f"""\
## Two layers that are one

Two pointwise convolutions with nothing between them do what one can do. Given two `nn.Conv2d` with a 1×1 kernel,
each with or without a bias, return *one* `nn.Conv2d` with a 1×1 kernel that gives the same output: for instance,
{shown[1]} to {shown[2]} channels and then {shown[2]} to {shown[3]} become {shown[1]} to {shown[3]}."""
    return Problem(
        task,
        merge,
        (both_layers, first_bias_lost, second_bias_lost, biases_added, wrong_order, products_of_elements),
        (
            Part("one layer of the right size", 1, (case("layer", "both", False), case("layer", "neither", False))),
            Part("the output, without biases", 2, (case("output", "neither", True), case("output", "neither", True))),
            Part(
                "the output, with biases",
                2,
                tuple(case("output", biases, True) for biases in random.sample(["both", "both", "first", "second"], 4)),
            ),
        ),
        (shown,),
        measure_merged,
    )


def merge(first, second):
    """One 1×1 nn.Conv2d that does what second(first(images)) does."""
    import torch
    from torch import nn

    before, after = first.weight.flatten(1), second.weight.flatten(1)  # (middle, in) and (out, middle)
    has_bias = first.bias is not None or second.bias is not None
    merged = nn.Conv2d(first.in_channels, second.out_channels, 1, bias=has_bias)
    with torch.no_grad():
        merged.weight.copy_((after @ before).reshape(merged.weight.shape))
        if has_bias:
            bias = torch.zeros(second.out_channels) if second.bias is None else second.bias
            merged.bias.copy_(bias if first.bias is None else after @ first.bias + bias)
    return merged


def measure_merged(answer, what, in_channels, middle, out_channels, biases):
    """Your layer's type and weight, or what it makes of some images. Which layers have a bias, ``biases`` says."""
    import torch
    from torch import nn

    torch.manual_seed(in_channels + 10 * middle + 100 * out_channels)
    first = nn.Conv2d(in_channels, middle, 1, bias=biases in ("both", "first"))
    second = nn.Conv2d(middle, out_channels, 1, bias=biases in ("both", "second"))
    images = torch.randn(2, in_channels, 3, 3)
    merged = answer(first, second)
    if merged is None:
        return None
    if what == "layer":
        return [type(merged).__name__, list(getattr(merged, "weight", torch.empty(0)).shape)]
    with torch.no_grad():
        return merged(images).flatten().tolist()


def _merged(first, second, weight, bias):
    from torch import nn

    layer = merge(first, second)
    layer.weight = nn.Parameter(weight.reshape(layer.weight.shape))
    if layer.bias is not None:
        layer.bias = nn.Parameter(bias)
    return layer


def _bias(layer):
    import torch

    return torch.zeros(layer.out_channels) if layer.bias is None else layer.bias


def both_layers(first, second):
    """You return the two layers, one after the other. The question asks for one."""
    from torch import nn

    return nn.Sequential(first, second)


def first_bias_lost(first, second):
    """You lose the first layer's bias. The second layer's matrix carries it to the output."""
    return _merged(first, second, second.weight.flatten(1) @ first.weight.flatten(1), _bias(second))


def second_bias_lost(first, second):
    """You lose the second layer's bias. It is added last, as it is."""
    merged = merge(first, second)
    return _merged(first, second, merged.weight, None if merged.bias is None else merged.bias - _bias(second))


def biases_added(first, second):
    """You add the two biases. The first one still goes through the second layer's matrix."""
    return _merged(first, second, second.weight.flatten(1) @ first.weight.flatten(1), _bias(first) + _bias(second))


def wrong_order(first, second):
    """Your matrix product is the wrong way round. The first layer meets the image first, so it stands on the right:
    (W2 W1) x = W2 (W1 x)."""
    weight = first.weight.flatten(1) @ second.weight.flatten(1)
    return _merged(first, second, weight, merge(first, second).bias)


def products_of_elements(first, second):
    """You multiply the weights element by element. Going through two matrices is their matrix product: `@`."""
    weight = first.weight * second.weight
    return _merged(first, second, weight, merge(first, second).bias)


# 5 ----------------------------------------------------------------------------------------------------------------


def training(random: Random) -> Problem:
    def case(used: int, unused: int = 0, frozen: int = 0, off: int = 0, is_stale: bool = False) -> tuple:
        """Branches whose names, widths and places tell nothing, and what the network does with them."""
        names = random.sample(["alpha", "beta", "gamma", "delta", "mix", "gate", "path", "side"], used + unused)
        widths = random.sample(range(2, 20), len(names))
        added = random.sample(names, used)
        # The first of those that are added can be frozen, or off: a branch that is both would say nothing new.
        state = {"frozen": sorted(added[:frozen]), "off": added[frozen : frozen + off], "is_stale": is_stale}
        branches = [list(each) for each in zip(random.sample(names, len(names)), widths, strict=True)]
        steps = random.sample(names, len(names))
        return branches, steps, added, state, random.randint(3, 9), random.randint(10, 20), random.randint(2, 9)

    def some() -> int:
        return random.randint(1, 2)

    def frozen() -> tuple:
        count = some()
        return case(count + 2, random.randint(0, 1), count)

    def off() -> tuple:
        return random.choice((case(some() + 1, 1, 0, 1), case(some() + 2, 0, 1, 1)))

    def thrice(make: Callable[[], tuple]) -> tuple:
        """Three cases for which no place, no rank, no order of names and no flag alone tells what never trains."""

        def is_good(cases: tuple) -> bool:
            guesses = [(order, part) for order in ORDERS for part in SLICES]
            is_guessed = any(all(_guess(each, *guess) == _idle(each) for each in cases) for guess in guesses)
            return not is_guessed and any(_idle(each) != {*each[3]["frozen"]} for each in cases)

        return until(lambda: (make(), make(), make()), is_good)

    state = {"frozen": [], "off": [], "is_stale": False}
    inputs, hidden, outputs = 4, random.randint(5, 9), 3
    shown = [["branch", 6], ["other", 4]], ["branch", "other"], ["other"], state, inputs, hidden, outputs
    shown_numbers = f"{inputs} × 6 + 6 and 6 × {hidden} + {hidden}"
    task = f"""\
## Parameters that never train

A parameter that the output does not depend on, or that is frozen (`requires_grad` is `False`), never changes in
training, yet it is counted and saved. Given a network and a batch of its inputs, return how many *numbers* in its
parameters never train. A gradient that happens to be zero, behind a ReLU that is off for these images, still counts as
a gradient: on other images it may not be zero. The parameters may hold old gradients: do not rely on them. In the
example the output does not depend on the two layers of `branch`, which hold {shown_numbers} numbers."""
    return Problem(
        task,
        untrained,
        (
            tensors_counted,
            weights_alone,
            zeros_counted,
            only_frozen,
            only_unused,
            frozen_twice,
            stored_gradients,
            trained_instead,
        ),
        (
            Part("an unused branch", 2, thrice(lambda: case(2, some()))),
            Part("frozen layers", 1, thrice(frozen)),
            Part("a ReLU that is off", 1, thrice(off)),
            Part("gradients left over from before", 1, thrice(lambda: case(some(), some(), is_stale=True))),
        ),
        (shown,),
        measure_untrained,
    )


def untrained(network, images) -> int:
    """How many numbers in the network's parameters never train."""
    network.zero_grad(set_to_none=True)  # gradients left over from before say nothing
    network(images).sum().backward()
    return sum(parameter.numel() for parameter in network.parameters() if parameter.grad is None)


def measure_untrained(answer, branches, steps, added, state, inputs, hidden, outputs):
    """A small network. It computes each branch in `steps`; only those in `added` are added to the output."""
    import torch
    from torch import nn

    lines = ["features = self.first(images)", *(f"{name} = self.{name}(images).relu()" for name in steps)]
    lines += [*(f"features = features + {name}" for name in added), "return self.last(features)"]
    written = {}
    exec("\n    ".join(["def forward(self, images):", *lines]), written)
    Network = type("Network", (nn.Module,), {"forward": written["forward"]})

    torch.manual_seed(0)
    network, images = Network(), torch.rand(4, inputs)
    network.first = nn.Linear(inputs, hidden)
    for name, width in branches:
        branch = nn.Sequential(nn.Linear(inputs, width), nn.Linear(width, hidden))
        setattr(network, name, branch)
        if state["is_stale"]:
            branch(images).sum().backward()
        if name in state["off"]:
            nn.init.constant_(branch[1].bias, -100.0)
        branch.requires_grad_(name not in state["frozen"])
    network.last = nn.Linear(hidden, outputs)
    del branches, steps, added, state, lines, written  # the network alone says what it does
    return answer(network, images)


ORDERS = (lambda branch: 0, lambda branch: branch[0], lambda branch: branch[1])  # as they stand, by name, by width
SLICES = [slice(start, end) for start in (None, 1, 2, -1, -2, -3) for end in (None, 1, 2, 3, -1, -2)]


def _idle(case: tuple) -> set[str]:
    """The branches of a case that never train."""
    branches, _, added, state, *_ = case
    return {name for name, _ in branches if name not in added or name in state["frozen"]}


def _guess(case: tuple, order: Callable, part: slice) -> set[str]:
    """Branches by their place alone."""
    return {name for name, _ in sorted(case[0], key=order)[part]}


def _gradients(network, images):
    network.zero_grad(set_to_none=True)
    network(images).sum().backward()
    return [(parameter, parameter.grad) for parameter in network.parameters()]


def tensors_counted(network, images):
    """You count tensors. The question asks for the numbers in them: `parameter.numel()`."""
    return sum(gradient is None for _, gradient in _gradients(network, images))


def weights_alone(network, images):
    """You leave out the biases. They are parameters, too."""
    return sum(p.numel() for p, gradient in _gradients(network, images) if gradient is None and p.dim() > 1)


def zeros_counted(network, images):
    """You count gradients that are zero. Behind a ReLU that is off they are zero for these images, not for all; a
    parameter that is not used has no gradient at all: it is `None`."""
    return sum(p.numel() for p, grad in _gradients(network, images) if grad is None or not grad.any())


def only_frozen(network, images):
    """You look at `requires_grad` alone, or at which layers run. A layer whose result the output does not depend on
    never trains either."""
    return sum(parameter.numel() for parameter in network.parameters() if not parameter.requires_grad)


def only_unused(network, images):
    """You leave out the frozen parameters. They are used, but they do not train."""
    return sum(p.numel() for p, grad in _gradients(network, images) if grad is None and p.requires_grad)


def frozen_twice(network, images):
    """You count frozen parameters twice: they are frozen, and because of that they have no gradient."""
    frozen = sum(parameter.numel() for parameter in network.parameters() if not parameter.requires_grad)
    return untrained(network, images) + frozen


def stored_gradients(network, images):
    """You trust a gradient that was there before you started. Clear them first."""
    network(images).sum().backward()
    return sum(parameter.numel() for parameter in network.parameters() if parameter.grad is None)


def trained_instead(network, images):
    """You count the parameters that do train. The question asks for the others."""
    return sum(parameter.numel() for parameter in network.parameters()) - untrained(network, images)
