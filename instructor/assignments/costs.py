"""Assignment 1: costs of layers. Chapters 1 to 4; plain Python."""

from __future__ import annotations

from math import ceil, prod
from random import Random

from instructor.problem import Assignment, Part, Problem, draw

INTRODUCTION = """\
Five functions on what layers cost. None of them needs PyTorch. All counts are whole numbers: use `//`, not `/`.
One multiply-accumulate is one MAC; a bias is no MAC."""


def assignment(seed: str) -> Assignment:
    makers = (any_axes, bottleneck, training_step, peak_memory, printed_numbers)
    problems = tuple(maker(draw(seed, "costs", maker.__name__)) for maker in makers)
    return Assignment("costs", "Costs of layers", INTRODUCTION, problems)


# 1 ----------------------------------------------------------------------------------------------------------------


def any_axes(random: Random) -> Problem:
    def case(axes: int, stride: int = 1, groups: int = 1) -> tuple:
        kernel = random.sample((2, 3, 5, 7), axes)  # all different, so that a cube is not assumed unseen
        # 1 more than a multiple of the stride, so that rounding up and down differ
        sizes = [side + stride * random.randint(4, 9) + (stride > 1) for side in kernel]
        return groups * random.randint(2, 5), groups * random.randint(6, 9), kernel, sizes, stride, groups

    sound = (16, 32, [5], [random.choice((400, 800, 1600))], 2, 1)
    task = f"""\
## One count for sound, pictures and video

A convolution over sound slides along one axis, over pictures along two, over video along three. Write one function
that counts the MACs of all of them. `kernel` and `sizes` are lists with one number for each axis: `[5]` and
`{sound[3]}` for a kernel of 5 samples on {sound[3][0]} samples of sound. There is no padding; `stride` is the same
along every axis; `groups` is what it is in `nn.Conv2d`."""
    return Problem(
        task,
        conv_macs,
        (one_side, cube, input_positions, rounded_up, one_too_few, no_stride, no_groups, groups_twice, conv_flops),
        (
            Part("sound: one axis", 2, (case(1), case(1), case(1))),
            Part("pictures and video: several axes", 2, (case(2), case(3), case(2))),
            Part("a stride", 2, (case(2, stride=2), case(1, stride=3), case(3, stride=2))),
            Part("groups", 2, (case(2, groups=2), case(1, groups=3), case(3, groups=4))),
        ),
        (sound, (4, 8, [3, 3], [10, 12], 1, 2)),
    )


def conv_macs(in_channels: int, out_channels: int, kernel: list, sizes: list, stride: int, groups: int) -> int:
    """MACs of a convolution over any number of axes."""
    from math import prod

    positions = prod((size - side) // stride + 1 for size, side in zip(sizes, kernel, strict=True))
    return prod(kernel) * (in_channels // groups) * out_channels * positions


def one_side(in_channels, out_channels, kernel, sizes, stride, groups):
    """You count the kernel along its first axis only. It has as many taps as the product of all its sides."""
    return conv_macs(in_channels, out_channels, kernel, sizes, stride, groups) // prod(kernel[1:])


def cube(in_channels, out_channels, kernel, sizes, stride, groups):
    """You raise the first side of the kernel to a power. Its sides can differ: multiply them."""
    whole = conv_macs(in_channels, out_channels, kernel, sizes, stride, groups)
    return whole // prod(kernel) * kernel[0] ** len(kernel)


def input_positions(in_channels, out_channels, kernel, sizes, stride, groups):
    """You count one position for each element of the input. Work is done for each element of the output."""
    return prod(kernel) * (in_channels // groups) * out_channels * prod(sizes)


def rounded_up(in_channels, out_channels, kernel, sizes, stride, groups):
    """You round the output size up. A kernel that would stick out of the input is not applied: round down."""
    positions = prod(ceil((size - side) / stride) + 1 for size, side in zip(sizes, kernel, strict=True))
    return prod(kernel) * (in_channels // groups) * out_channels * positions


def one_too_few(in_channels, out_channels, kernel, sizes, stride, groups):
    """You leave out the kernel's first position: if it can move 9 times, it stands in 10 places."""
    positions = prod((size - side) // stride for size, side in zip(sizes, kernel, strict=True))
    return prod(kernel) * (in_channels // groups) * out_channels * positions


def no_stride(in_channels, out_channels, kernel, sizes, stride, groups):
    """You leave the stride out. With stride 2 the output has about half as many positions along every axis."""
    return conv_macs(in_channels, out_channels, kernel, sizes, 1, groups)


def no_groups(in_channels, out_channels, kernel, sizes, stride, groups):
    """You leave the groups out. An output channel reads only the input channels of its own group."""
    return conv_macs(in_channels, out_channels, kernel, sizes, stride, 1)


def groups_twice(in_channels, out_channels, kernel, sizes, stride, groups):
    """You divide by the groups twice. A group has fewer inputs *and* outputs, but there are `groups` of them."""
    return (
        prod(kernel)
        * (in_channels // groups)
        * (out_channels // groups)
        * (conv_macs(1, 1, kernel, sizes, stride, 1) // prod(kernel))
    )


def conv_flops(in_channels, out_channels, kernel, sizes, stride, groups):
    """You return FLOPs. A MAC is a multiplication and an addition, so there are half as many MACs."""
    return 2 * conv_macs(in_channels, out_channels, kernel, sizes, stride, groups)


# 2 ----------------------------------------------------------------------------------------------------------------


def bottleneck(random: Random) -> Problem:
    def case(stride: int, early: bool) -> tuple:
        reduced = random.randint(8, 40)
        return 4 * reduced, reduced, 2 * random.randint(5, 20) + 1, stride, early  # odd, so that halves must be rounded

    reduced = random.choice((32, 48, 64, 96))
    task = f"""\
## Where to put the stride

A bottleneck is three standard convolutions: 1×1 from `channels` to `reduced`, 3×3 from `reduced` to `reduced` with
padding 1, and 1×1 back to `channels`; for instance {4 * reduced}, {reduced}, {reduced} and {4 * reduced} channels.
One of them has the stride: the first if `early` is true, else the 3×3 one. The input is a square map of side `size`.
Count the MACs of all three. With stride 2, an odd side is halved and rounded up."""
    return Problem(
        task,
        bottleneck_macs,
        (
            stride_ignored,
            divided_at_the_end,
            halves_rounded_down,
            always_early,
            always_late,
            depthwise_middle,
            nine_forgotten,
            bottleneck_flops,
        ),
        (
            Part("stride 1", 2, (case(1, False), case(1, True), case(1, False))),
            Part("stride 2 in the 3×3 layer", 2, (case(2, False), case(2, False), case(2, False))),
            Part("stride 2 in the first layer", 2, (case(2, True), case(2, True), case(2, True))),
        ),
        ((4 * reduced, reduced, 14, 1, False), (4 * reduced, reduced, 14, 2, True)),
    )


def bottleneck_macs(channels: int, reduced: int, size: int, stride: int, early: bool) -> int:
    """MACs of a bottleneck: 1×1, 3×3, 1×1."""
    small = -(-size // stride)  # rounded up
    after_first = small if early else size
    first = channels * reduced * after_first**2
    return first + 9 * reduced * reduced * small**2 + reduced * channels * small**2


def stride_ignored(channels, reduced, size, stride, early):
    """You leave the stride out. The layer that has it writes a map of half the side, and later layers read that map."""
    return bottleneck_macs(channels, reduced, size, 1, early)


def divided_at_the_end(channels, reduced, size, stride, early):
    """You divide the cost of all three layers by the stride squared. A layer before the stride works on the whole map,
    and half of an odd side is rounded."""
    return bottleneck_macs(channels, reduced, size, 1, early) // stride**2


def halves_rounded_down(channels, reduced, size, stride, early):
    """You round half of an odd side down. With its padding, a stride of 2 makes 8 of 15, not 7."""
    return (
        bottleneck_macs(channels, reduced, size // stride * stride, stride, early)
        if early
        else (channels * reduced * size**2 + (9 * reduced**2 + reduced * channels) * (size // stride) ** 2)
    )


def always_early(channels, reduced, size, stride, early):
    """You put the stride into the first layer although `early` is false. The first layer should write a map
    of the full size."""
    return bottleneck_macs(channels, reduced, size, stride, True)


def always_late(channels, reduced, size, stride, early):
    """You put the stride into the 3×3 layer although `early` is true. The first layer should write the small map."""
    return bottleneck_macs(channels, reduced, size, stride, False)


def depthwise_middle(channels, reduced, size, stride, early):
    """You count the 3×3 layer as depthwise. It is a standard one: each of its filters reads all `reduced` channels."""
    small = -(-size // stride)
    return bottleneck_macs(channels, reduced, size, stride, early) - 9 * reduced * (reduced - 1) * small**2


def nine_forgotten(channels, reduced, size, stride, early):
    """You count the 3×3 layer as if it were 1×1. Its kernel has nine weights for each pair of channels."""
    small = -(-size // stride)
    return bottleneck_macs(channels, reduced, size, stride, early) - 8 * reduced**2 * small**2


def bottleneck_flops(channels, reduced, size, stride, early):
    """You return FLOPs. A MAC is a multiplication and an addition, so there are half as many MACs."""
    return 2 * bottleneck_macs(channels, reduced, size, stride, early)


# 3 ----------------------------------------------------------------------------------------------------------------


def training_step(random: Random) -> Problem:
    def layers() -> list[int]:
        return [random.randint(100, 999) for _ in range(random.randint(5, 8))]

    def frozen_start() -> tuple:
        macs = layers()
        return macs, random.randint(2, len(macs) - 2)

    def only_the_last() -> tuple:
        macs = layers()
        return macs, len(macs) - 1

    shown = [100 * random.randint(2, 9) for _ in range(3)]
    task = f"""\
## What a training step costs

`layers` holds the MACs of each layer's forward pass on one image, first layer first. In the backward pass a layer does
the same number of MACs for the gradient of its weights, and once more for the gradient of its input. Neither is
computed where nobody needs it: a frozen layer needs no gradient of its weights, and the gradient of an input is
needed only if a layer *before* it is trained. The first `frozen` layers are frozen, the others are trained.

Count the MACs of one step, forward and backward. With `layers` = {shown} and all of them trained,
the first layer costs 2 × {shown[0]}: nobody needs the gradient of the image."""
    return Problem(
        task,
        training_macs,
        (three_times, twice, input_gradient_of_first, gradients_through_frozen, frozen_costs_nothing, one_more_frozen),
        (
            Part("every layer is trained", 2, ((layers(), 0), (layers(), 0), (layers(), 0))),
            Part("the first layers are frozen", 2, (frozen_start(), frozen_start(), frozen_start())),
            Part("only the last layer is trained", 1, (only_the_last(), only_the_last())),
        ),
        ((shown, 0), (shown, 1)),
    )


def training_macs(layers: list, frozen: int) -> int:
    """MACs of one training step on one image."""
    forward = sum(layers)
    weight_gradients = sum(layers[frozen:])
    input_gradients = sum(layers[frozen + 1 :])
    return forward + weight_gradients + input_gradients


def three_times(layers, frozen):
    """You take three times the forward pass. That is near for a deep network, but frozen layers need no gradient of
    their weights, and the first trained layer needs none of its input."""
    return 3 * sum(layers)


def twice(layers, frozen):
    """You count one backward product for each trained layer. There are two: for its weights and for its input."""
    return sum(layers) + sum(layers[frozen:])


def input_gradient_of_first(layers, frozen):
    """You count the gradient of the first trained layer's input. No layer before it is trained, so nobody needs it."""
    return sum(layers) + 2 * sum(layers[frozen:])


def gradients_through_frozen(layers, frozen):
    """You send the gradient back through the frozen layers. It stops at the first layer that is trained."""
    return sum(layers) + sum(layers[frozen:]) + sum(layers[1:])


def frozen_costs_nothing(layers, frozen):
    """You leave the frozen layers out of the forward pass. They are not trained, but they are still computed."""
    return training_macs(layers[frozen:], 0)


def one_more_frozen(layers, frozen):
    """You freeze one layer too many. Counted from 0, layer number `frozen` is the first that is trained."""
    return training_macs(layers, frozen + 1)


# 4 ----------------------------------------------------------------------------------------------------------------


def peak_memory(random: Random) -> Problem:
    def maps(count: int) -> list[int]:
        return [random.randint(100, 400) for _ in range(count)]

    def chain(count: int, peak: int) -> tuple:
        """A chain without shortcuts whose peak is at layer ``peak``, the first and the last among them."""
        sizes = maps(count)
        sizes[peak : peak + 2] = random.randint(500, 599), random.randint(600, 699)
        return sizes, []

    def with_skips(*skips: list[int]) -> tuple:
        sizes = maps(7)
        sizes[4:6] = random.randint(800, 899), random.randint(900, 999)  # the peak is where map 5 is made from map 4
        return sizes, list(skips)

    def with_overlap() -> tuple:
        start = random.randint(1, 3)
        return with_skips(*random.sample([[start, 5], [start, 6]], 2))

    shown = [10 * random.randint(10, 40), 10 * random.randint(50, 90), 10 * random.randint(10, 40), 50]
    task = f"""\
## The most that must be remembered

A network is a chain of layers: layer 0 reads map 0 and writes map 1, layer 1 reads map 1 and writes map 2, and so on.
`maps` holds the number of elements of each map. While a layer runs, the map that it reads and the map that it writes
must both be in memory. Afterwards the map that it read is thrown away, unless a shortcut still needs it.

A shortcut `[start, end]` adds map `start` to map `end`, in place, as soon as map `end` is written; until then map
`start` is kept. `skips` is the list of shortcuts, possibly empty; several may start at the same map, which is kept
once. Return the largest number of elements that are in memory while a layer runs. For maps {shown} without a shortcut
that is {max(shown[0] + shown[1], shown[1] + shown[2])}."""
    return Problem(
        task,
        peak_elements,
        (all_maps, largest_map, skips_ignored, released_early, released_late, start_twice, kept_for_each),
        (
            Part("a plain chain", 2, (chain(5, 3), chain(6, 0), chain(8, random.randint(2, 5)))),
            Part(
                "a shortcut",
                2,
                (with_skips([2, 5]), with_skips([1, 6]), ([random.randint(500, 600), 100, 400], [[0, 1]])),
            ),
            Part("two shortcuts from one map", 2, (with_overlap(), with_overlap(), with_overlap())),
        ),
        ((shown, []), (shown, [[0, 3]])),
    )


def peak_elements(maps: list, skips: list) -> int:
    """The largest number of elements in memory while a layer runs."""
    peak = 0
    for layer in range(len(maps) - 1):
        kept = {start for start, end in skips if start < layer < end}
        peak = max(peak, maps[layer] + maps[layer + 1] + sum(maps[start] for start in kept))
    return peak


def all_maps(maps, skips):
    """You add up all maps. When a network is only used, not trained, a map can go as soon as it has been read."""
    return sum(maps)


def largest_map(maps, skips):
    """You take the largest map alone. While it is written, the map that it is made from is in memory too."""
    return max(maps)


def skips_ignored(maps, skips):
    """You forget the shortcuts. A map that is added later has to be kept until then."""
    return peak_elements(maps, [])


def released_early(maps, skips):
    """You throw a shortcut's map away one layer too early: it is needed until the layer that writes `end` is done."""
    return peak_elements(maps, [[start, end - 1] for start, end in skips])


def released_late(maps, skips):
    """You keep a shortcut's map one layer too long: it goes as soon as map `end` is written and the two are added."""
    return peak_elements(maps, [[start, end + 1] for start, end in skips])


def start_twice(maps, skips):
    """You count a shortcut's map twice while its own layer reads it. It is in memory once, whichever layer needs it."""
    peak = 0
    for layer in range(len(maps) - 1):
        kept = {start for start, end in skips if start <= layer < end}
        peak = max(peak, maps[layer] + maps[layer + 1] + sum(maps[start] for start in kept))
    return peak


def kept_for_each(maps, skips):
    """You keep one copy of a map for each shortcut that starts at it. One copy serves them all."""
    peak = 0
    for layer in range(len(maps) - 1):
        kept = [start for start, end in skips if start < layer < end]
        peak = max(peak, maps[layer] + maps[layer + 1] + sum(maps[start] for start in kept))
    return peak


# 5 ----------------------------------------------------------------------------------------------------------------

COUNTS = ("MACs", "FLOPs", "parameters", "output elements")


def printed_numbers(random: Random) -> Problem:
    def layer(bias: bool = False) -> list:
        return [random.randint(3, 12), random.randint(13, 40), random.choice((3, 5)), random.randint(20, 40), bias]

    def cases(bias: bool, batch: int) -> tuple:
        """Each count at least once, some twice, in any order."""
        counts = [*COUNTS, *random.choices(COUNTS, k=3)]
        random.shuffle(counts)
        layers = [layer(bias) for _ in counts]
        return tuple((given, batch, count(given, batch)[name]) for given, name in zip(layers, counts, strict=True))

    def none_of_them() -> tuple:
        """MACs with the bias added, off by one, three times the MACs; and among them some that do have a name."""
        strange = [(layer(bias=True), 1) for _ in range(3)]
        counts = [count(*given) for given in strange]
        printed = (
            counts[0]["MACs"] + counts[0]["output elements"],
            counts[1]["parameters"] + 1,
            3 * counts[2]["MACs"],
        )
        found = [(*given, number) for given, number in zip(strange, printed, strict=True)]
        # Who forgets the bias of the parameters loses the part that is about a bias, and not this one
        named = [case for case in cases(bias=True, batch=1) if name_the_count(*case) != "parameters"]
        found += random.sample(named, 3)
        random.shuffle(found)
        return tuple(found)

    shown = [3, 32, 3, 112, False]
    batch = random.choice((4, 8, 16))
    task = f"""\
## What did the tool print?

A tool prints one number for a convolution and does not say what it is. Name it: return `"MACs"`, `"FLOPs"`,
`"parameters"`, `"output elements"`, or `"unknown"` if it is none of these. `layer` is
`[in_channels, out_channels, kernel_size, output_size, bias]` with square kernel and map, such as
`{shown}`; the tool ran a batch of `batch` images, for instance {batch}. A bias is no MAC, but it is a parameter."""
    return Problem(
        task,
        name_the_count,
        (
            one_is_the_other,
            batch_ignored,
            batch_for_all,
            bias_forgotten,
            bias_is_a_mac,
            kernel_not_squared,
            never_unknown,
            spelt_otherwise,
        ),
        (
            Part("one image, no bias", 2, cases(bias=False, batch=1)),
            Part("a bias", 2, cases(bias=True, batch=1)),
            Part("a batch", 2, cases(bias=False, batch=random.randint(2, 9))),
            Part("none of them", 1, none_of_them()),
        ),
        ((shown, batch, count(shown, batch)["FLOPs"]), (shown, batch, count(shown, batch)["parameters"])),
    )


def count(layer: list, batch: int) -> dict[str, int]:
    in_channels, out_channels, kernel_size, output_size, bias = layer
    weights = in_channels * out_channels * kernel_size**2
    macs = batch * weights * output_size**2
    elements = batch * out_channels * output_size**2
    return dict(zip(COUNTS, (macs, 2 * macs, weights + bias * out_channels, elements), strict=True))


def name_the_count(layer: list, batch: int, printed: int) -> str:
    """Which count of the layer the printed number is."""
    in_channels, out_channels, kernel_size, output_size, bias = layer
    weights = in_channels * out_channels * kernel_size**2
    parameters = weights + (out_channels if bias else 0)
    positions = batch * output_size**2
    if printed == weights * positions:
        return "MACs"
    if printed == 2 * weights * positions:
        return "FLOPs"
    if printed == parameters:
        return "parameters"
    return "output elements" if printed == out_channels * positions else "unknown"


def one_is_the_other(layer, batch, printed):
    """You call MACs FLOPs. A MAC is one multiplication *and* one addition: two FLOPs."""
    return {"MACs": "FLOPs", "FLOPs": "unknown"}.get(name := name_the_count(layer, batch, printed), name)


def batch_ignored(layer, batch, printed):
    """You count one image. The tool ran the whole batch, so MACs, FLOPs and elements grow with it."""
    return name_the_count(layer, 1, printed)


def batch_for_all(layer, batch, printed):
    """You multiply the parameters by the batch. All images of a batch meet the same weights."""
    name = name_the_count(layer, batch, printed)
    return "unknown" if name == "parameters" and batch > 1 else name


def bias_forgotten(layer, batch, printed):
    """You leave the bias out of the parameters: there is one number more for each output channel."""
    return name_the_count([*layer[:4], False], batch, printed)


def bias_is_a_mac(layer, batch, printed):
    """You count the bias as MACs. It is added, but nothing is multiplied."""
    counts = count(layer, batch)
    bias = layer[4] * counts["output elements"]
    found = {counts["MACs"] + bias: "MACs", 2 * (counts["MACs"] + bias): "FLOPs"}
    name = name_the_count(layer, batch, printed)
    return found.get(printed, "unknown" if name in ("MACs", "FLOPs") else name)


def kernel_not_squared(layer, batch, printed):
    """You count the kernel's side once. A square kernel has that many rows *and* columns."""
    in_channels, out_channels, kernel_size, output_size, bias = layer
    weights = in_channels * out_channels * kernel_size
    macs = batch * weights * output_size**2
    found = {macs: "MACs", 2 * macs: "FLOPs", weights + bias * out_channels: "parameters"}
    elements = batch * out_channels * output_size**2
    return found.get(printed, "output elements" if printed == elements else "unknown")


def spelt_otherwise(layer, batch, printed):
    """Your spelling of a name differs from the question's. Capital letters count."""
    return name_the_count(layer, batch, printed).lower()


def never_unknown(layer, batch, printed):
    """You always find a name. A number can be none of the four, and then the answer is "unknown"."""
    name = name_the_count(layer, batch, printed)
    return "output elements" if name == "unknown" else name
