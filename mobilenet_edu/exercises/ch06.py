"""Exercises of chapter 6, MobileNet V1."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from random import Random

from mobilenet_edu.architecture import TABLE_1, conv_mobilenet, from_table, mobilenet_v1, separable_block
from mobilenet_edu.cost import conv_output_size
from mobilenet_edu.exercises._engine import Essay, Mistake, exercise
from mobilenet_edu.exercises._later import nn
from mobilenet_edu.exercises.networks import behaviour


def _random_rows(rng: Random, largest: int = 64) -> list[tuple[int, int]]:
    return [(rng.randint(1, largest), rng.choice((1, 2))) for _ in range(rng.randint(1, 6))]


def _table_params(rows, num_classes, *, norms=2, bias=1, stem=True, grows=True):
    channels, total = 32, stem * (27 * 32 + norms * 32)
    for out_channels, _ in rows:
        total += 9 * channels + norms * channels + channels * out_channels + norms * out_channels
        channels = out_channels if grows else channels
    return total + rows[-1][0] * num_classes + bias * num_classes


@exercise(
    title="Every parameter of a table",
    goal=3,
    level=1,
    minutes=6,
    unit="parameters",
    task="""This function is finished. It adds up the parameters of the network that a table of rows (output
channels, stride) describes: a stem with 32 channels, then the blocks of the table, then a classifier. Run it for
`TABLE_1` with 1000 classes and find the chapter's number. Then run it with 120 classes,
for example 120 breeds of dogs. How many parameters does one class cost, and what happens when you change a stride?""",
    hints=(
        "Follow the channels: what a block writes is what the next one reads.",
        "A block has 9M + 2M + MN + 2N parameters, the classifier one weight for each channel and class, and a bias.",
        "Subtract two calls: `table_params(TABLE_1, 1000) - table_params(TABLE_1, 999)`.",
    ),
    cases=(([(64, 1)], 2), ([(8, 2), (4, 1)], 3), (list(TABLE_1), 1000), (list(TABLE_1), 120)),
    random_case=lambda rng: (_random_rows(rng), rng.randint(1, 50)),
    covers={
        "several blocks": lambda rows, num_classes: len(rows) > 2,
        "a stride of 2": lambda rows, num_classes: any(stride == 2 for _, stride in rows),
        "fewer channels out than in": lambda rows, num_classes: rows[0][0] < 32,
    },
    alternative=lambda rows, num_classes: from_table(rows, separable_block, num_classes=num_classes).cost.params,
    mistakes=(
        Mistake(
            "bare weights",
            "You left out batch norm: two numbers for each channel that a convolution writes. The paper leaves them "
            "out too, but a built network has them.",
            lambda rows, num_classes: _table_params(rows, num_classes, norms=0),
        ),
        Mistake(
            "the classifier's bias",
            "You forgot the classifier's bias, one number per class. No batch norm follows it, so it is needed.",
            lambda rows, num_classes: _table_params(rows, num_classes, bias=0),
        ),
        Mistake(
            "forgot the stem",
            "You forgot the stem: 3×3 weights for 3 colours and 32 channels, and its batch norm.",
            lambda rows, num_classes: _table_params(rows, num_classes, stem=False),
        ),
        Mistake(
            "channels that never grow",
            "Your blocks all read 32 channels. What a block writes is what the next one reads.",
            lambda rows, num_classes: _table_params(rows, num_classes, grows=False),
        ),
        Mistake(
            "channels never updated",
            "Your `channels` never changes: every block, and the classifier, reads 32. What a block writes is "
            "what the next one reads.",
            lambda rows, num_classes: _table_params(rows, num_classes, grows=False) + (32 - rows[-1][0]) * num_classes,
        ),
        Mistake(
            "dense blocks",
            "Your blocks are standard 3×3 convolutions. These are separable: 9 numbers for each channel, and one for "
            "each pair of channels.",
            lambda rows, num_classes: (
                928
                + sum(9 * M * N + 2 * N for M, N in pairwise([32, *(row[0] for row in rows)]))
                + (rows[-1][0] + 1) * num_classes
            ),
        ),
        Mistake(
            "running averages as parameters",
            "You counted four numbers per channel for batch norm. Its running mean and variance are buffers: saved, "
            "not learned.",
            lambda rows, num_classes: _table_params(rows, num_classes, norms=4),
        ),
        Mistake(
            "always 1024 channels",
            "Your classifier reads 1024 channels whatever the table says. It reads what the last row writes.",
            lambda rows, num_classes: _table_params(rows, num_classes) + (1024 - rows[-1][0]) * num_classes,
        ),
        Mistake(
            "weights alone",
            "You counted weights alone. Batch norm has two parameters for each channel, and the classifier a bias for "
            "each class.",
            lambda rows, num_classes: (
                864
                + sum(9 * M + M * N for M, N in pairwise([32, *(row[0] for row in rows)]))
                + rows[-1][0] * num_classes
            ),
        ),
        Mistake(
            "a stride of 2 counted twice",
            "You counted a row with stride 2 twice. The stride says how far the filters step, not how many layers "
            "there are.",
            lambda rows, num_classes: (
                _table_params(rows, num_classes)
                + sum(
                    (stride - 1) * (11 * M + M * N + 2 * N)
                    for M, (N, stride) in zip([32, *(row[0] for row in rows)], rows, strict=False)
                )
            ),
        ),
    ),
    reasoning=f"""`table_params(TABLE_1, 1000)` is {_table_params(TABLE_1, 1000):,}. A class costs
{_table_params(TABLE_1, 2) - _table_params(TABLE_1, 1):,} parameters: one weight for each of 1024 channels, and a
bias. With 120 classes {_table_params(TABLE_1, 120):,} are left. A stride changes nothing: it decides how often
weights are used, not how many there are.""",
)
def table_params(rows, num_classes):
    """Parameters of stem, blocks and classifier, batch norm included."""
    total = 3 * 3 * 3 * 32 + 2 * 32  # the stem: 3×3, from 3 colours
    channels = 32
    for out_channels, _ in rows:
        total += 9 * channels + 2 * channels  # depthwise
        total += channels * out_channels + 2 * out_channels
        channels = out_channels
    return total + channels * num_classes + num_classes


def _random_trace(rng: Random) -> tuple:
    return _random_rows(rng), rng.randint(16, 300)


def _sides(rows, resolution, step=lambda side, stride: (side - 1) // stride + 1, stem=2):
    sides = [step(resolution, stem)]
    for _, stride in rows:
        sides.append(step(sides[-1], stride))
    return sides


def _sides_of_the_layers(rows, resolution):
    network = from_table(rows, separable_block, resolution=resolution)
    return [layer.output_size[0] for layer in (network.stem, *(block[-1] for block in network.blocks))]


@exercise(
    title="The side of every map",
    goal=2,
    level=2,
    minutes=8,
    task="""Fill the gap, so that the function returns the side of the map after the stem (stride 2) and after each
block, for a square image. Every layer with a stride is 3×3 with padding 1. The side may be odd.""",
    hints=(
        "What does a 3×3 layer with stride 2 and padding 1 make of 7, and of 8? Which way is rounded?",
        "⌊(side + 2 · 1 − 3) / stride⌋ + 1, where ⌊ ⌋ rounds down.",
        "2 · 1 − 3 is −1, so what stands before `// stride` begins with `(side`.",
    ),
    cases=(([(8, 1)], 8), ([(8, 2)], 7), ([(8, 1), (8, 2)], 20), (list(TABLE_1), 224), (list(TABLE_1), 225)),
    random_case=_random_trace,
    covers={
        "an odd side": lambda rows, resolution: resolution % 2 == 1,
        "an odd side further in": lambda rows, resolution: any(side % 2 for side in _sides(rows, resolution)[:-1]),
        "a block with stride 2": lambda rows, resolution: any(stride == 2 for _, stride in rows),
    },
    alternative=_sides_of_the_layers,
    mistakes=(
        Mistake(
            "rounded down",
            "You rounded down. With padding 1 a side of 7 becomes 4, not 3: halves are rounded up.",
            lambda rows, resolution: _sides(rows, resolution, lambda side, stride: side // stride),
        ),
        Mistake(
            "no padding",
            "You left out the padding, so the map shrinks in every layer. It has one pixel more at each side.",
            lambda rows, resolution: _sides(rows, resolution, lambda side, stride: (side - 3) // stride + 1),
        ),
        Mistake(
            "padding on one side",
            "You padded one side only. The padding lies on both sides: 2 · 1.",
            lambda rows, resolution: _sides(rows, resolution, lambda side, stride: (side - 2) // stride + 1),
        ),
        Mistake(
            "neither padding nor kernel",
            "You left out padding and kernel: 2 · 1 − 3 is −1, not 0.",
            lambda rows, resolution: _sides(rows, resolution, lambda side, stride: side // stride + 1),
        ),
        Mistake(
            "divided before subtracting",
            "Python divides before it subtracts. What the stride divides needs parentheses.",
            lambda rows, resolution: _sides(rows, resolution, lambda side, stride: side - 1 // stride + 1),
        ),
        Mistake(
            "repeated sides left out",
            "You left out a side that is the same as the one before. The task wants one for the stem and one for "
            "each block.",
            lambda rows, resolution: list(dict.fromkeys(_sides(rows, resolution))),
        ),
        Mistake(
            "the image first",
            "Your list begins with the image's own side. The first number is the side after the stem.",
            lambda rows, resolution: [resolution, *_sides(rows, resolution)],
        ),
        Mistake(
            "every layer reads the image",
            "Each of your layers reads the image itself. A layer reads what the one before has written: `side`.",
            lambda rows, resolution: [(resolution - 1) // stride + 1 for stride in (2, *(each for _, each in rows))],
        ),
        Mistake(
            "every block halves",
            "You halved the map in every block. Only blocks with stride 2 do that.",
            lambda rows, resolution: _sides([(0, 2)] * len(rows), resolution),
        ),
        Mistake(
            "the stem keeps the size",
            "Your stem keeps the size of the image. It has stride 2.",
            lambda rows, resolution: _sides(rows, resolution, stem=1),
        ),
        Mistake(
            "only the kernel divided",
            "You divided only the 3 by the stride: `//` comes before `+` and `-`. Brackets around `side + 2 - 3` "
            "divide all of it.",
            lambda rows, resolution: _sides(rows, resolution, lambda side, stride: side + 2 - 3 // stride + 1),
        ),
        Mistake(
            "the kernel not subtracted",
            "You added the padding and did not subtract the kernel: it starts where it fits, so its 3 pixels are taken "
            "off.",
            lambda rows, resolution: _sides(rows, resolution, lambda side, stride: (side + 2) // stride + 1),
        ),
        Mistake(
            "no stem",
            "You left out the stem. It comes first, with stride 2, and its side is the first of the list.",
            lambda rows, resolution: _sides(rows[1:], resolution, stem=rows[0][1]),
        ),
        Mistake(
            "a kernel as large as the stride",
            "You took the stride for the kernel's size. Every kernel is 3×3, whatever the stride.",
            lambda rows, resolution: _sides(rows, resolution, lambda side, stride: (side + 2 - stride) // stride + 1),
        ),
    ),
    stub='''def trace(rows, resolution):
    """The side of the map after the stem and after each block."""
    sides = []
    side = resolution
    for stride in [2, *(stride for _, stride in rows)]:
        side = ... // stride + 1
        sides.append(side)
    return sides''',
    reasoning=f"""⌊(s + 2 − 3) / stride⌋ + 1 = ⌊(s − 1) / stride⌋ + 1. With stride 1 that is s, with stride 2 it is s
/ 2 rounded up. After five such layers a side of s is s / {2**5}, rounded up.""",
)
def trace(rows, resolution):
    """The side of the map after the stem and after each block."""
    sides = []
    side = resolution
    for stride in [2, *(stride for _, stride in rows)]:
        side = (side - 1) // stride + 1
        sides.append(side)
    return sides


def _random_size(rng: Random) -> tuple:
    return rng.choice((0.1, 0.25, 0.5, 0.75, 1.0)), rng.randint(1, rng.choice((16, 224)))


def _order(key, reverse=True):
    def kinds(width_multiplier, resolution):
        layers = [layer for layer in mobilenet_v1(width_multiplier, resolution).layers if layer.kind != "pooling"]
        names = dict.fromkeys(layer.kind for layer in layers)
        of_kind = {name: [layer for layer in layers if layer.kind == name] for name in names}
        return sorted(names, key=lambda name: sum(map(key, of_kind[name])), reverse=reverse)

    return kinds


def _kinds_of_the_twin(width_multiplier, resolution):
    costs = conv_mobilenet(width_multiplier, resolution).cost_by_kind()
    return sorted((kind for kind in costs if kind != "pooling"), key=lambda kind: -costs[kind].macs)


def _depthwise_first(width_multiplier, resolution):
    right = _order(lambda layer: layer.cost.macs)(width_multiplier, resolution)
    return ["depthwise", *(kind for kind in right if kind != "depthwise")]


@exercise(
    title="Where the work is",
    goal=3,
    level=3,
    minutes=10,
    task="""Return the kinds of layers of MobileNet V1 as a list of strings, from the most MACs to the fewest:
`"standard"`, `"depthwise"`, `"pointwise"` and `"classifier"` (no pooling). The network is
`mobilenet_v1(width_multiplier, resolution)`; the width multiplier, chapter 7's subject, is a factor on the channels of
every layer. Then try small images and thin networks: does the order stay the same?""",
    hints=(
        "The architecture can already add up costs by kind. What is left is to sort.",
        "`cost_by_kind()` is a dictionary from kinds to costs; `.macs` is what to sort by.",
        "Begin with `costs = mobilenet_v1(width_multiplier, resolution).cost_by_kind()`.",
    ),
    imports="from mobilenet_edu.architecture import mobilenet_v1",
    cases=((1.0, 224), (1.0, 32), (0.25, 16), (0.25, 224), (0.1, 96)),
    random_case=_random_size,
    covers={
        "a small image": lambda width_multiplier, resolution: resolution < 64,
        "a thin network": lambda width_multiplier, resolution: width_multiplier < 0.5,
        "the classifier above all others": lambda *case: (
            _order(lambda layer: layer.cost.macs)(*case)[0] == "classifier"
        ),
        "the classifier above the depthwise layers": lambda *case: (
            (order := _order(lambda layer: layer.cost.macs)(*case)).index("classifier") < order.index("depthwise")
        ),
    },
    alternative=_order(lambda layer: layer.cost.macs),
    mistakes=(
        Mistake(
            "depthwise dominates",
            "You put the depthwise layers first. The 3×3 filters are the network's idea, but one of their outputs "
            "needs 9 MACs, and a pointwise output needs one for every input channel.",
            _depthwise_first,
            misconception="depthwise dominates the cost",
        ),
        Mistake(
            "by parameters",
            "You sorted by parameters. The classifier has many, but uses each once; a convolution uses its own at "
            "every pixel.",
            _order(lambda layer: layer.cost.params),
            misconception="parameters are proportional to compute",
        ),
        Mistake(
            "the fewest first",
            "Your order is the reverse: the fewest MACs come first.",
            _order(lambda layer: layer.cost.macs, reverse=False),
        ),
        Mistake(
            "by the number of layers",
            "Your order is the same for every network, with the kinds that have the most layers first. A layer's MACs "
            "depend on its channels and its map.",
            _order(lambda layer: 1),
        ),
        Mistake(
            "pooling too",
            "You left pooling in the list. It multiplies nothing, and the task leaves it out.",
            lambda *case: [*_order(lambda layer: layer.cost.macs)(*case), "pooling"],
        ),
        Mistake(
            "in the order of the network",
            "You did not sort: this is the order in which the kinds appear in the network.",
            lambda *case: [kind for kind in mobilenet_v1(*case).cost_by_kind() if kind != "pooling"],
        ),
        Mistake(
            "the same at every size",
            "Your order is that of the full network at 224 pixels, whatever the image. The classifier's work does not "
            "shrink with the image, so it moves up.",
            lambda width_multiplier, resolution: _order(lambda layer: layer.cost.macs)(1.0, 224),
        ),
        Mistake(
            "the width forgotten",
            "Your order is that of the full width. Hand the width multiplier to the network too.",
            lambda width_multiplier, resolution: _order(lambda layer: layer.cost.macs)(1.0, resolution),
        ),
        Mistake(
            "a name for each layer",
            "You gave one name for each layer. Each kind appears once, with the MACs of all its layers added up.",
            lambda *case: [
                layer.kind
                for layer in sorted(mobilenet_v1(*case).layers, key=lambda layer: -layer.cost.macs)
                if layer.kind != "pooling"
            ],
        ),
        Mistake(
            "the dense twin",
            "These are the kinds of the dense twin, which has no depthwise and no pointwise layers. The exercise asks "
            "for MobileNet.",
            _kinds_of_the_twin,
        ),
        Mistake(
            "no classifier",
            "The classifier is missing. It is a linear layer, no convolution, and costs MACs all the same.",
            lambda *case: [kind for kind in _order(lambda layer: layer.cost.macs)(*case) if kind != "classifier"],
        ),
    ),
    reasoning="""At 224 pixels the order is pointwise, depthwise, standard, classifier. Pooling costs no MACs, so it
must be left out. On small images the classifier moves up, because its work does not depend on the image; in a thin
network on very small images it even passes the pointwise layers.""",
)
def kinds_by_macs(width_multiplier, resolution):
    """The kinds of layers, from the most MACs to the fewest."""
    costs = mobilenet_v1(width_multiplier, resolution).cost_by_kind()
    del costs["pooling"]
    return sorted(costs, key=lambda kind: costs[kind].macs, reverse=True)


def _twin(stem_channels, rows, num_classes, *, bias=False, strides=True, pool="AdaptiveAvgPool2d", **more):
    """The dense twin with one thing changed."""
    channels, parts = 3, []
    stem = [] if more.get("no_stem") else [(stem_channels, more.get("stem_stride", 2))]
    for out_channels, stride in [*stem, *rows]:
        step = stride if strides else 1
        conv = nn.Conv2d(channels, out_channels, 3, step, padding=more.get("padding", 1), bias=bias)
        block = {"conv": conv, "norm": nn.BatchNorm2d(out_channels), "activation": nn.ReLU()}
        parts += [block[name] for name in more.get("order", block)]
        channels = out_channels
    return nn.Sequential(*parts, getattr(nn, pool)(1), nn.Flatten(), nn.Linear(channels, num_classes))


def _twin_as_loop(*case):
    """The dense twin again, with its layers called one by one."""

    class TwinAsLoop(nn.Module):
        def __init__(self, stem_channels, rows, num_classes):
            super().__init__()
            widths = [3, stem_channels, *(channels for channels, _ in rows)]
            self.strides = [2, *(stride for _, stride in rows)]
            self.head = nn.Linear(widths[-1], num_classes)
            self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths[1:])
            self.convs = nn.ModuleList(nn.Conv2d(M, N, 3, bias=False) for M, N in pairwise(widths))

        def forward(self, maps):
            for conv, norm, stride in zip(self.convs, self.norms, self.strides, strict=True):
                maps = norm(nn.functional.conv2d(maps, conv.weight, stride=stride, padding=1)).relu()
            return self.head(maps.mean((2, 3)))

    return TwinAsLoop(*case)


@exercise(
    title="Build the dense twin",
    goal=1,
    level=3,
    minutes=15,
    task="""Build MobileNet's dense twin from a table of rows (output channels, stride), and return it as one
`nn.Module`. Each block is **one** standard 3×3 convolution with padding 1, followed by batch norm and ReLU. The stem
comes before the rows: the same kind of layer, from 3 colours to `stem_channels`, with stride 2. After the rows come
average pooling to 1×1 and one linear layer to `num_classes`. Convolutions have no bias.""",
    hints=(
        "The chapter's `build` has the right frame. Which line makes the separable block?",
        "(channels in, channels out, stride) runs through the stem and the rows alike, so one loop makes them all.",
        "Begin with `parts, channels = [], 3` and `for out_channels, stride in [(stem_channels, 2), *rows]:`.",
    ),
    imports="from torch import nn",
    cases=((4, [(6, 1), (8, 2)], 5), (2, [(2, 1)], 1), (3, [(5, 2), (5, 1), (4, 2)], 10)),
    random_case=lambda rng: (rng.randint(1, 6), _random_rows(rng, 8), rng.randint(1, 10)),
    covers={
        "a stride of 2": lambda stem, rows, classes: any(stride == 2 for _, stride in rows),
        "a stride of 1": lambda stem, rows, classes: any(stride == 1 for _, stride in rows),
        "several blocks": lambda stem, rows, classes: len(rows) > 1,
    },
    alternative=_twin_as_loop,
    observe=behaviour(lambda *case: (2, 3, 21, 18)),
    seconds=20.0,
    mistakes=(
        Mistake(
            "left the biases on",
            "Your convolutions have biases, as PyTorch gives them by default. Batch norm follows: `bias=False`.",
            lambda *case: _twin(*case, bias=True),
        ),
        Mistake(
            "strides left out",
            "Your convolutions all have stride 1. The second number of a row is its stride, and the stem has 2. No "
            "parameter count shows this.",
            lambda *case: _twin(*case, strides=False),
        ),
        Mistake(
            "no stem",
            "Your network has no stem: its first block reads the image itself.",
            lambda *case: _twin(*case, no_stem=True),
        ),
        Mistake(
            "no ReLU",
            "No ReLU follows your batch norms. Without it the whole network is one affine map.",
            lambda *case: _twin(*case, order=("conv", "norm")),
        ),
        Mistake(
            "maximum instead of average",
            "Your pooling takes the largest number of each map. Table 1 averages.",
            lambda *case: _twin(*case, pool="AdaptiveMaxPool2d"),
        ),
        Mistake(
            "no padding",
            "Your convolutions have no padding, so maps shrink at every layer. Half of a 3×3 kernel is `padding=1`.",
            lambda *case: _twin(*case, padding=0),
        ),
        Mistake(
            "separable blocks",
            "You built MobileNet itself. In the twin each block is one standard convolution.",
            lambda stem, rows, classes: _separable_network(stem, rows, classes),
            misconception="depthwise means separable",
        ),
        Mistake(
            "no batch norm",
            "No batch norm follows your convolutions. Each block is convolution, batch norm, ReLU.",
            lambda *case: _twin(*case, order=("conv", "activation")),
        ),
        Mistake(
            "ReLU before batch norm",
            "Your ReLU comes before batch norm. In the paper batch norm comes first.",
            lambda *case: _twin(*case, order=("conv", "activation", "norm")),
        ),
        Mistake(
            "the stem's stride",
            "Your stem keeps the size of the image. It has stride 2.",
            lambda *case: _twin(*case, stem_stride=1),
        ),
        Mistake(
            "softmax at the end",
            "Your network ends with softmax. Logits come before it; PyTorch's cross-entropy wants them as they are.",
            lambda *case: nn.Sequential(_twin(*case), nn.Softmax(1)),
        ),
    ),
    reasoning="""The stem is a row like the others, so one loop makes all convolutions. Average pooling to 1×1 lets
the linear layer see one number for each channel, whatever the size of the map. With the stem and the rows of Table 1
this is the network that the paper calls "Conv MobileNet".""",
)
def dense_twin(stem_channels, rows, num_classes):
    """A network: images (B, 3, H, W) to logits (B, num_classes)."""
    parts, channels = [], 3
    for out_channels, stride in [(stem_channels, 2), *rows]:
        parts += [
            nn.Conv2d(channels, out_channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
        ]
        channels = out_channels
    return nn.Sequential(
        *parts,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, num_classes),
    )


def _separable_network(stem_channels, rows, num_classes):
    parts = [nn.Conv2d(3, stem_channels, 3, 2, 1, bias=False), nn.BatchNorm2d(stem_channels), nn.ReLU()]
    channels = stem_channels
    for out_channels, stride in rows:
        parts.append(nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False))
        parts += [nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, out_channels, 1, bias=False)]
        parts += [nn.BatchNorm2d(out_channels), nn.ReLU()]
        channels = out_channels
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))


def _random_column(rng: Random) -> tuple:
    macs = {name: rng.randint(10**5, 10**8) for name in "abcde"[: rng.randint(2, 5)]}
    total = sum(macs.values())
    printed = {}
    for name, count in macs.items():
        text = f"{100 * count / total:.{rng.choice((1, 2, 3))}f}"
        if rng.random() < 0.3:
            last = text[-1]
            text = text[:-1] + rng.choice([digit for digit in "0123456789" if digit != last])
        printed[name] = text
    order = rng.sample(list(printed), len(printed))
    return {name: printed[name] for name in order}, macs


def _by_distance(printed, macs):
    total = sum(macs.values())
    wrong = []
    for name, text in printed.items():
        half_a_digit = Fraction(1, 2 * 10 ** len(text.partition(".")[2]))
        if abs(Fraction(text) - Fraction(100 * macs[name], total)) > half_a_digit:
            wrong.append(name)
    return wrong


def _differ(printed, macs, agrees):
    total = sum(macs.values())
    return [name for name, text in printed.items() if not agrees(text, 100 * macs[name] / total)]


def _digits(text):
    return len(text.partition(".")[2])


def _cut_off(text, share):
    scale = 10 ** _digits(text)
    return int(share * scale) == round(float(text) * scale)


_TABLE_2 = {
    "pointwise": 539_492_352,
    "depthwise": 17_385_984,
    "standard": 10_838_016,
    "classifier": 1_024_000,
}


@exercise(
    title="Find the misprints",
    goal=4,
    level=3,
    minutes=12,
    task="""A paper prints each kind's share of the MACs in per cent, as strings such as `"94.86"`. You have computed
the MACs themselves. Both come as dictionaries with the same names. Return the list of those names whose printed share
differs from the computed one after rounding to **as many decimal places as are printed**, in the order of
`printed`.""",
    hints=(
        "A printed 1.9 says less than a printed 1.91. How do you find out how many decimal places there are?",
        "A misprint differs from 100 · MACs / all MACs when both are written with the same number of decimal places.",
        'Decimal places: `len(text.partition(".")[2])`. An f-string with `:.{digits}f` rounds.',
    ),
    cases=(
        (
            {"pointwise": "94.86", "depthwise": "3.06", "standard": "1.19", "classifier": "0.18"},
            _TABLE_2,
        ),
        ({"a": "50.0", "b": "50"}, {"a": 7, "b": 7}),
        ({"a": "33.3", "b": "66.66"}, {"a": 1, "b": 2}),
        ({"a": "33", "b": "67"}, {"a": 1, "b": 2}),
        ({"a": "50.10", "b": "49.86"}, {"a": 5014, "b": 4986}),
    ),
    random_case=_random_column,
    covers={
        "a misprint": lambda printed, macs: bool(_by_distance(printed, macs)),
        "no misprint": lambda printed, macs: not _by_distance(printed, macs),
        "one digit": lambda printed, macs: any(_digits(text) == 1 for text in printed.values()),
        "three digits": lambda printed, macs: any(_digits(text) == 3 for text in printed.values()),
    },
    alternative=_by_distance,
    mistakes=(
        Mistake(
            "not rounded",
            "You compared without rounding, so nearly everything looks misprinted. A printed number is a rounded one.",
            lambda printed, macs: _differ(printed, macs, lambda text, share: float(text) == share),
        ),
        Mistake(
            "always two digits",
            "You rounded everything to two digits. Count the digits that are printed.",
            lambda printed, macs: _differ(printed, macs, lambda text, share: float(text) == round(share, 2)),
        ),
        Mistake(
            "always two digits, as text",
            "You wrote every share with two digits. Where one or three are printed, the texts differ although the "
            "number is right: count the digits that are printed.",
            lambda printed, macs: _differ(printed, macs, lambda text, share: text == f"{share:.2f}"),
        ),
        Mistake(
            "a zero lost",
            "`str(round(...))` drops a zero at the end, and writes 50 as 50.0. An f-string keeps as many digits as you "
            "say.",
            lambda printed, macs: _differ(printed, macs, lambda text, share: text == str(round(share, _digits(text)))),
        ),
        Mistake(
            "the same hundredth for all",
            "You allowed a difference of 0.01 whatever is printed. What rounding explains depends on how many digits "
            "there are.",
            lambda printed, macs: _differ(printed, macs, lambda text, share: abs(float(text) - share) <= 0.01),
        ),
        Mistake(
            "all of them",
            "In your answer every name is a misprint. Take one and print what you compare: is your share in per cent, "
            "is it a share of all MACs together, and has it as many digits as the printed one?",
            lambda printed, macs: list(printed),
        ),
        Mistake(
            "in another order",
            "You have the right names in another order. The task asks for that of `printed`.",
            lambda printed, macs: [name for name in macs if name in _by_distance(printed, macs)],
        ),
        Mistake(
            "cut off",
            "You cut the digits off. Shares are rounded: 1.909 prints as 1.91.",
            lambda printed, macs: _differ(printed, macs, _cut_off),
        ),
        Mistake(
            "significant digits",
            "You kept as many digits in all as are printed, those before the point among them. Rounding asks for the "
            "digits behind the point.",
            lambda printed, macs: _differ(
                printed, macs, lambda text, share: f"{share:.{len(text.replace('.', ''))}g}" == text
            ),
        ),
        Mistake(
            "close enough",
            "You allowed a difference of one in the last digit. Rounding explains half of that.",
            lambda printed, macs: _differ(
                printed, macs, lambda text, share: abs(float(text) - share) <= 10 ** -_digits(text)
            ),
        ),
        Mistake(
            "the right ones",
            "These are the names that agree. The exercise asks for the others.",
            lambda printed, macs: [name for name in printed if name not in _by_distance(printed, macs)],
        ),
        Mistake(
            "within half a per cent",
            "You let half a per cent pass as agreement. A printed 1.91 says more than that: compare as many digits as "
            "are printed.",
            lambda printed, macs: _differ(printed, macs, lambda text, share: abs(float(text) - share) < 0.5),
        ),
        Mistake(
            "whole per cent",
            "You compared whole per cent only. A share is printed with more digits: compare as many as are printed.",
            lambda printed, macs: _differ(printed, macs, lambda text, share: int(share) == int(float(text))),
        ),
        Mistake(
            "the first text's digits",
            "You took the number of digits from the first text for all of them. Each has its own.",
            lambda printed, macs: _differ(
                printed, macs, lambda text, share: f"{share:.{_digits(next(iter(printed.values())))}f}" == text
            ),
        ),
        Mistake(
            "shares of what is printed",
            "You took shares of what is printed, added up. The printed shares may be wrong, and are rounded: the whole "
            "is 100 per cent.",
            lambda printed, macs: _differ(
                printed,
                macs,
                lambda text, share: f"{sum(map(float, printed.values())) * share / 100:.{_digits(text)}f}" == text,
            ),
        ),
        Mistake(
            "zeros at the end lost",
            "You turned the text into a number before you counted its digits: a zero at its end is lost then. Count "
            "them in the text.",
            lambda printed, macs: _differ(
                printed, macs, lambda text, share: round(share, len(str(float(text)).partition(".")[2])) == float(text)
            ),
        ),
        Mistake(
            "the point counted as a digit",
            "You counted the point as a digit, so you compare one digit too many. What counts is behind the point.",
            lambda printed, macs: _differ(
                printed, macs, lambda text, share: round(share, _digits(text) + 1) == float(text)
            ),
        ),
        Mistake(
            "both rounded to whole per cent",
            "You rounded both to whole per cent. A share is printed with more digits: compare as many as are printed.",
            lambda printed, macs: _differ(printed, macs, lambda text, share: round(share) == round(float(text))),
        ),
    ),
    reasoning="""Writing the exact share with the printed number of digits imitates what the authors did, so a
difference is no matter of taste. For Table 2 it finds one name, the first convolution. It cannot say why: that two
digits changed places is a guess, though a likely one.""",
)
def misprints(printed, macs):
    """Names whose printed share is not the rounded one."""
    total = sum(macs.values())
    wrong = []
    for name, text in printed.items():
        digits = len(text.partition(".")[2])
        share = 100 * macs[name] / total
        if f"{share:.{digits}f}" != text:
            wrong.append(name)
    return wrong


def _largest(fits):
    """The largest multiple of 32, up to 224, that ``fits`` allows; 0 if it allows none."""
    return max((side for side in range(32, 225, 32) if fits(side)), default=0)


def _at_once(layer):
    return layer.cost.input_elements + layer.cost.output_elements


def _bytes_at_once(layers):
    return max(map(_at_once, layers))


def _two_maxima(layers):
    costs = [layer.cost for layer in layers]
    return max(cost.input_elements for cost in costs) + max(cost.output_elements for cost in costs)


def _beyond(memory, width):
    side = 0
    while side < 448 and _bytes_at_once(mobilenet_v1(width, side + 32).layers) <= memory:
        side += 32
    return side


def _random_memory(rng: Random) -> tuple:
    width = rng.choice((0.25, 0.5, 0.75, 1.0))
    if rng.random() < 0.2:  # exactly what one network needs
        return _bytes_at_once(mobilenet_v1(width, 32 * rng.randint(1, 7)).layers), width
    return rng.choice((rng.randint(500, 5_000), *[rng.randint(10_000, 1_400_000)] * 4)), width


def _by_hand(memory, width_multiplier):
    """Another algorithm: walk through the table, without an architecture, and stop when memory is exceeded."""
    side = 224
    while side:
        channels, map_side = int(32 * width_multiplier), conv_output_size(side, 3, 2, 1)
        most = 3 * side * side + channels * map_side**2
        for full, stride in TABLE_1:
            out, smaller = int(full * width_multiplier), conv_output_size(map_side, 3, stride, 1)
            most = max(most, channels * (map_side**2 + smaller**2), (channels + out) * smaller**2)
            channels, map_side = out, smaller
        if most <= memory:
            return side
        side -= 32
    return 0


@exercise(
    title="A client asks: will it fit?",
    goal=5,
    level=4,
    minutes=20,
    unit="pixels",
    task="""A client has a microcontroller with `memory` bytes for the maps; the weights are stored elsewhere. Every
number of a map takes one byte (int8). While a layer runs, what it reads and what it writes must both fit; batch norm
and ReLU need nothing of their own. Return the largest image side, a multiple of 32 up to 224, at which
`mobilenet_v1(width_multiplier, side)` fits, or 0 if none does. (The width multiplier is a factor on the channels of
every layer.)""",
    hints=(
        "How many numbers are in memory while one layer runs? And which layer decides whether the network fits?",
        "At side s, max over the layers of (input elements + output elements) must be ≤ `memory`.",
        "Begin with `for side in range(224, 0, -32):` and build the architecture for that side.",
    ),
    imports="from mobilenet_edu.architecture import mobilenet_v1",
    cases=(
        *((512 * 1024, 1.0), (2_000_000, 1.0), (1_000, 1.0), (256 * 1024, 0.5), (1_204_224, 1.0)),
        *((24_576, 1.0), (24_575, 1.0), (98_304, 1.0), (98_303, 1.0), (10**9, 1.0), (170_000, 0.1)),
    ),
    random_case=_random_memory,
    covers={
        "all of 224 fits": lambda memory, width_multiplier: _by_hand(memory, width_multiplier) == 224,
        "something between": lambda memory, width_multiplier: 32 < _by_hand(memory, width_multiplier) < 224,
        "a thin network": lambda memory, width_multiplier: width_multiplier < 1,
    },
    alternative=_by_hand,
    mistakes=(
        Mistake(
            "outputs only",
            "You counted one map at a time. What a layer reads and what it writes are both in memory while it runs: "
            "add the two.",
            lambda memory, width: _largest(
                lambda side: max(x.cost.output_elements for x in mobilenet_v1(width, side).layers) <= memory
            ),
        ),
        Mistake(
            "all maps together",
            "You added up all maps. That is training; in use a map can go when the next one is written.",
            lambda memory, width: _largest(lambda side: mobilenet_v1(width, side).activation_elements <= memory),
        ),
        Mistake(
            "all layers together",
            "You added up what all layers read and write. They run one after the other: the neediest one decides.",
            lambda memory, width: _largest(lambda side: sum(map(_at_once, mobilenet_v1(width, side).layers)) <= memory),
        ),
        Mistake(
            "the first layer only",
            "You looked at the first layer only. A later one needs more: take the maximum over all of them.",
            lambda memory, width: _largest(lambda side: _at_once(mobilenet_v1(width, side).layers[0]) <= memory),
        ),
        Mistake(
            "the full width",
            "You took the full width. Hand the width multiplier to the network too.",
            lambda memory, width: _largest(lambda side: _bytes_at_once(mobilenet_v1(1.0, side).layers) <= memory),
        ),
        Mistake(
            "strictly below",
            "You excluded a network that needs exactly the memory there is. It fits.",
            lambda memory, width: _largest(lambda side: _bytes_at_once(mobilenet_v1(width, side).layers) < memory),
        ),
        Mistake(
            "None instead of 0",
            "Where no image fits, return 0. Your function returns None there.",
            lambda memory, width: (
                _largest(lambda side: _bytes_at_once(mobilenet_v1(width, side).layers) <= memory) or None
            ),
        ),
        Mistake(
            "the largest input and the largest output",
            "You added the largest input to the largest output. They may belong to different layers: add the two "
            "of each layer first.",
            lambda memory, width: _largest(lambda side: _two_maxima(mobilenet_v1(width, side).layers) <= memory),
        ),
        Mistake(
            "beyond 224",
            "You went beyond 224. The task's images have a side of at most 224.",
            lambda memory, width: _beyond(memory, width),
        ),
        Mistake(
            "64 is the smallest",
            "You never try 32. A `range` stops before its end: `range(224, 0, -32)` goes down to 32.",
            lambda memory, width: (
                side
                if (side := _largest(lambda side: _bytes_at_once(mobilenet_v1(width, side).layers) <= memory)) > 32
                else 0
            ),
        ),
        Mistake(
            "four bytes",
            "You took four bytes for a number. In int8 it is one.",
            lambda memory, width: _largest(lambda side: 4 * _bytes_at_once(mobilenet_v1(width, side).layers) <= memory),
        ),
        Mistake(
            "memory falls with the MACs",
            "You divided the dense twin's memory by what is saved in MACs. The twin's largest maps are the same as "
            "MobileNet's: fewer MACs is not less memory.",
            lambda memory, width: _largest(
                lambda side: (
                    _bytes_at_once(conv_mobilenet(width, side).layers) * mobilenet_v1(width, side).cost.macs
                    <= memory * conv_mobilenet(width, side).cost.macs
                )
            ),
            misconception="fewer MACs, less memory",
        ),
        Mistake(
            "weights in the same memory",
            "You added the weights. They are stored elsewhere; the exercise asks for the memory of the maps.",
            lambda memory, width: _largest(
                lambda side: (
                    _bytes_at_once(mobilenet_v1(width, side).layers) + mobilenet_v1(width, side).weights <= memory
                )
            ),
        ),
        Mistake(
            "every side",
            "You tried every side. The exercise asks for a multiple of 32.",
            lambda memory, width: next(
                (side for side in range(224, 0, -1) if _bytes_at_once(mobilenet_v1(width, side).layers) <= memory), 0
            ),
        ),
        Mistake(
            "parameters",
            "You held the parameters against the memory. They are stored elsewhere, and no image size changes them; "
            "the memory is for the maps.",
            lambda memory, width: _largest(lambda side: mobilenet_v1(width, side).cost.params <= memory),
        ),
        Mistake(
            "a whole block",
            "You want the maps of both layers of a block to fit together. One layer runs at a time: what the depthwise "
            "layer read can go when the pointwise one begins.",
            lambda memory, width: _largest(
                lambda side: max(sum(map(_at_once, block)) for block in mobilenet_v1(width, side).blocks) <= memory
            ),
        ),
    ),
    reasoning=f"""One layer decides: in the first block, where the map is large, or in a very thin network the stem.
With half a MiB the answer is {_by_hand(512 * 1024, 1.0)} pixels at full width; half the width allows
{_by_hand(512 * 1024, 0.5)}. The dense twin would need exactly as much: its first block reads and writes the same
maps.""",
)
def largest_side(memory, width_multiplier):
    """The largest multiple of 32, up to 224, whose maps fit."""
    for side in range(224, 0, -32):
        layers = mobilenet_v1(width_multiplier, side).layers
        costs = [layer.cost for layer in layers]
        most = max(x.input_elements + x.output_elements for x in costs)
        if most <= memory:
            return side
    return 0


ESSAYS = (
    Essay(
        title="The depthwise share",
        goal=3,
        minutes=15,
        task="""Derive the depthwise layer's share of one block's MACs, if the block has N output channels.
For which N is it more than half? Then explain why the share in the whole network, 3.1 %, is larger than the one in
the block with 512 channels.""",
        good_answer=f"""With P output positions the depthwise layer needs 9·M·P MACs and the pointwise layer M·N·P,
so the share is $9 / (9 + N)$: M and P cancel. It is more than one half only if N < 9. At N = 512 it is {
            100 * 9 / (9 + 512):.1f} %. The first blocks have fewer output channels, and so a larger share: {
            100 * 9 / (9 + 64):.1f} % at N = 64.
The early blocks cost about as much as the later ones, or about half as much, so they pull the average up; the stem and
the classifier pull it down a little. A good answer says that the share does not depend on the size of the map.""",
    ),
    Essay(
        title="A note to an author",
        goal=4,
        minutes=10,
        task="""You have built the network of Table 1 as printed, and its MACs are not those of Table 4. Write the
authors three or four polite sentences: what you found, what your evidence is, what you think was meant, and what you
cannot exclude.""",
        good_answer="""A good answer names the place (the stride of the last depthwise layer), gives both totals
(533,833,216 MACs with stride 2, 568,740,352 with stride 1) and at least two independent witnesses: the following row
reads 7×7, the pooling is 7×7, the printed 569 million, the released code. It says what was assumed (3×3, padding 1, one
MAC for a multiply-add). It admits that the parameter count cannot decide, because strides do not change it, and does
not claim to know how the misprint came about.""",
    ),
)
