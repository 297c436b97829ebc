"""Exercises of chapter 5, the building block."""

from __future__ import annotations

import copy
import math
from fractions import Fraction
from random import Random

from mobilenet_edu.architecture import mobilenet_v1
from mobilenet_edu.architecture import separable_block as separable_layers
from mobilenet_edu.exercises._engine import Essay, Mistake, exercise
from mobilenet_edu.exercises._later import nn, torch
from mobilenet_edu.exercises.networks import behaviour, macs_of


def _random_channels(rng: Random) -> tuple:
    return rng.randint(1, 64), rng.randint(1, 64), rng.choice((False, True))


def _params_from_the_layers(in_channels, out_channels, bias):
    layers = separable_layers("block", in_channels, out_channels, 1, (8, 8), bias)
    return sum(layer.cost.params for layer in layers)


def _params(M, N, bias, *, filters=None, norm=2):
    biases = M + N if bias else 0
    return (9 * M if filters is None else filters) + M * N + norm * (M + N) + biases


@exercise(
    title="What the block has to learn",
    goal=1,
    level=1,
    minutes=5,
    unit="parameters",
    task="""This function is finished. Run it, then try three things. Print its result for 512 channels in and out,
with and without biases. Find the term that makes nearly all of the result. And say why the stride is not among its
arguments.""",
    hints=(
        "Go through the six parts of the block one by one. Which of them have parameters at all?",
        "9 weights per channel, 2 numbers per channel for each batch norm, one number for each pair of channels.",
        "Print the terms one by one: `print(9 * 512, 512 * 512, 2 * 512 + 2 * 512)`.",
    ),
    cases=((512, 512, False), (512, 512, True), (32, 64, False), (1, 1, True)),
    random_case=_random_channels,
    covers={
        "a bias": lambda in_channels, out_channels, bias: bias,
        "no bias": lambda in_channels, out_channels, bias: not bias,
        "more channels out than in": lambda in_channels, out_channels, bias: out_channels > in_channels,
    },
    alternative=_params_from_the_layers,
    mistakes=(
        Mistake(
            "forgot batch norm",
            "You left out batch norm: a scale and a shift for each channel, after each of the two layers.",
            lambda M, N, bias: _params(M, N, bias, norm=0),
        ),
        Mistake(
            "running averages as parameters",
            "You counted four numbers per channel for batch norm. The running mean and variance are buffers: they are "
            "saved, but not learned.",
            lambda M, N, bias: _params(M, N, bias, norm=4),
        ),
        Mistake(
            "forgot the groups",
            "Your depthwise layer has a filter for each pair of channels. It has one for each channel: groups = M.",
            lambda M, N, bias: _params(M, N, bias, filters=9 * M * M),
        ),
        Mistake(
            "dense filters",
            "Your first layer is a dense 3×3 convolution to the output channels. The block filters each input "
            "channel with one 3×3 filter, then mixes.",
            lambda M, N, bias: 9 * M * N + 2 * N + (N if bias else 0),
        ),
        Mistake(
            "one batch norm",
            "You counted the batch norm behind the pointwise layer only. One follows the depthwise layer too, "
            "with 2 numbers for each input channel.",
            lambda M, N, bias: _params(M, N, bias) - 2 * M,
        ),
        Mistake(
            "precedence",
            "Python reads `a + b if bias else 0` as `(a + b) if bias else 0`: without a bias all is gone. Write "
            "`a + (b if bias else 0)`.",
            lambda M, N, bias: _params(M, N, True) if bias else 0,
        ),
        Mistake(
            "a bias for the outputs only",
            "You counted one bias for each output channel. The depthwise layer has biases too, one for each "
            "channel that it writes.",
            lambda M, N, bias: _params(M, N, False) + (N if bias else 0),
        ),
        Mistake(
            "one number for each batch norm",
            "You counted one number per channel for batch norm. It learns two: a scale and a shift.",
            lambda M, N, bias: _params(M, N, bias, norm=1),
        ),
        Mistake(
            "the bias always",
            "You counted biases where there are none. Look at `bias`.",
            lambda M, N, bias: _params(M, N, True),
        ),
        Mistake(
            "the bias never",
            "You left the biases out. With `bias=True` each layer has one for each channel that it writes.",
            lambda M, N, bias: _params(M, N, False),
        ),
        Mistake(
            "one bias a layer",
            "You gave each convolution one bias. It has one for each channel that it writes.",
            lambda M, N, bias: _params(M, N, False) + (2 if bias else 0),
        ),
        Mistake(
            "buffers counted",
            "You counted all that the state holds: running means, variances and a counter too. These are buffers; "
            "parameters are what is learned.",
            lambda M, N, bias: _params(M, N, bias) + 2 * (M + N) + 2,
        ),
    ),
    reasoning=f"""The pointwise layer has one weight for each pair of channels, and everything else grows with the
channels alone. At 512 in and out it holds {512 * 512:,} of {_params(512, 512, False):,} parameters. With biases
there are {_params(512, 512, True):,}: 512 more for each of the two convolutions. A stride changes how often a weight is
used, never how many weights there are.""",
)
def block_params(in_channels, out_channels, bias):
    """Parameters of the block: two convolutions, two batch norms."""
    filters = 9 * in_channels  # 3×3, one for each channel
    matrix = in_channels * out_channels  # 1×1
    norms = 2 * in_channels + 2 * out_channels
    biases = in_channels + out_channels if bias else 0
    return filters + matrix + norms + biases


def _random_bias(rng: Random) -> tuple:
    return float(rng.randint(1, 9)), rng.randint(0, 60), rng.choice((0.01, 0.1, 0.2, 0.3))


def _momentum_times_all(bias, batches, momentum):
    mean = 0.0
    for _ in range(batches):
        mean = momentum * (mean + bias)
    return bias - mean


@exercise(
    title="How long a bias shows",
    goal=2,
    level=2,
    minutes=8,
    task="""A convolution has the bias `bias` in every channel, and without it each channel would have mean 0. Batch
norm follows. Its running mean starts at 0, and with each batch it moves towards the batch's mean by the fraction
`momentum` of the distance. Fill the gap: how much of the bias does the running mean still miss after so many
`batches`, as a float? (That, divided by σ and times γ, is what you would see in evaluation mode.)""",
    hints=(
        "The bias is part of every batch's mean. Where does a running mean end that sees one value again and again?",
        "new = (1 − momentum) · old + momentum · (the batch's mean).",
        "The batch's mean is `bias` itself, so the line begins with `mean = (1 - momentum) * mean + ...`.",
    ),
    cases=((5.0, 0, 0.1), (5.0, 1, 0.1), (5.0, 100, 0.1), (-2.0, 3, 0.5)),
    random_case=_random_bias,
    covers={
        "PyTorch's default momentum": lambda bias, batches, momentum: momentum == 0.1,
        "another momentum": lambda bias, batches, momentum: momentum != 0.1,
        "many batches": lambda bias, batches, momentum: batches > 20,
    },
    alternative=lambda bias, batches, momentum: bias * (1 - momentum) ** batches,
    mistakes=(
        Mistake(
            "it always matters",
            "By your answer the whole bias stays visible, as if the running mean never left 0. That is so only before "
            "the first batch. Each batch moves the running mean by `momentum` of the distance towards the bias, so "
            "less and less is missing.",
            lambda bias, batches, momentum: bias,
            misconception="the bias before batch norm matters",
        ),
        Mistake(
            "it never matters",
            "You say that the bias never shows. That is so in training mode. In evaluation mode the running mean has "
            "to absorb it first, and that takes batches.",
            lambda bias, batches, momentum: 0.0,
        ),
        Mistake(
            "momentum the wrong way round",
            "Your momentum is the share that is kept. In PyTorch it is the share of the *new* value; 1 − momentum of "
            "the old one is kept.",
            lambda bias, batches, momentum: bias * momentum**batches,
        ),
        Mistake(
            "what has been absorbed",
            "This is the part that the running mean has absorbed. The exercise asks for what it still misses.",
            lambda bias, batches, momentum: bias * (1 - (1 - momentum) ** batches),
        ),
        Mistake(
            "one tenth always",
            "You took a tenth whatever the momentum. That is PyTorch's default; here `momentum` says it.",
            lambda bias, batches, momentum: bias * 0.9**batches,
        ),
        Mistake(
            "one batch too many",
            "Your running mean has moved once too often: after 0 batches all of the bias is missing.",
            lambda bias, batches, momentum: bias * (1 - momentum) ** (batches + 1),
        ),
        Mistake(
            "the mean of all batches",
            "You averaged over the batches as if each counted the same. A running mean forgets: it moves by "
            "`momentum` of the way at each batch.",
            lambda bias, batches, momentum: bias / (batches + 1),
        ),
        Mistake(
            "gone after one batch",
            "Your running mean jumps to the batch's mean at once. It moves only `momentum` of the way.",
            lambda bias, batches, momentum: 0.0 if batches else bias,
        ),
        Mistake(
            "nothing of the old mean given up",
            "By your answer the mean moves by the same amount at each batch, without end. Of the old mean only "
            "`1 - momentum` is kept, so what is missing shrinks by a factor.",
            lambda bias, batches, momentum: bias * (1 - momentum * batches),
        ),
        Mistake(
            "momentum times all",
            "You multiplied the old mean by `momentum` as well. The new mean is `(1 - momentum)` of the old one, and "
            "`momentum` of the batch's.",
            _momentum_times_all,
        ),
    ),
    stub='''def bias_left(bias, batches, momentum):
    """What the running mean still misses of the bias."""
    mean = 0.0
    for _ in range(batches):
        mean = ...
    return bias - mean''',
    reasoning=f"""Each batch leaves `1 - momentum` of what was missing, so after n batches bias · (1 − momentum)ⁿ is
left. With PyTorch's momentum of 0.1 it takes {math.ceil(math.log(0.01) / math.log(0.9))} batches until less than a
hundredth is missing. That is soon in training, and never if nobody runs the network in training mode.""",
)
def bias_left(bias, batches, momentum):
    """What the running mean still misses of the bias."""
    mean = 0.0
    for _ in range(batches):
        mean = (1 - momentum) * mean + momentum * bias
    return bias - mean


def _random_filter(rng: Random) -> tuple:
    weights = [rng.randint(-4, 4) for _ in range(rng.randint(1, 6))]
    weights[rng.randrange(len(weights))] = rng.choice((-3, -1, 2, 4))
    return (weights,)


def _one_pixel_up_and_down(weights):
    place = next(index for index, weight in enumerate(weights) if weight)
    up, down = [0] * len(weights), [0] * len(weights)
    up[place], down[place] = 1, -3
    return up, down


def _is_plain(number):
    return type(number) in (int, float) and abs(number) < 1e100  # which NaN is not


def _no_counterexample(answer, weights):
    if len(answer) != 2:
        return f"return a pair, (a, b); this tuple holds {len(answer)}"
    if not all(type(patch) in (list, tuple) for patch in answer):
        return "each patch is a list of numbers; `.tolist()` makes one of an array or a tensor"
    if any(len(patch) != len(weights) for patch in answer):
        return f"each patch needs as many numbers as the filter has: {len(weights)}"
    if not all(map(_is_plain, (*answer[0], *answer[1]))):
        return "a patch holds plain, finite numbers, of type int or float"
    a, b = ([Fraction(number) for number in patch] for patch in answer)  # exact, so that no rounding hides a difference

    def filtered(patch):
        return sum(w * p for w, p in zip(weights, patch, strict=True))

    before, parts = (filtered(a), filtered(b)), max(0, filtered(a)) + max(0, filtered(b))
    together = max(0, filtered(a) + filtered(b))
    if parts != together:
        return None
    sums, parts, together = "{:g} and {:g}".format(*map(float, before)), f"{float(parts):g}", f"{float(together):g}"
    return f"f(a) + f(b) = {parts} and f(a + b) = {together}: it adds up. Before ReLU the filter gives {sums}"


@exercise(
    title="Show that ReLU does not add up",
    goal=3,
    level=3,
    minutes=12,
    task="""One filter and ReLU: $f(x) = \\max(0, \\sum_i w_i x_i)$. A *patch* is one window of the map, written as a
list. The outputs of two patches do not always add up to the output of their sum, but for many pairs they do. Write a
function that gets the filter's `weights`, a list of whole numbers of which at least one is not 0, and returns a pair
`(a, b)` of patches, two lists of the same length, for which $f(a) + f(b)$ differs from $f(a + b)$. Any pair that does
so is right.""",
    hints=(
        "ReLU treats one sign differently from the other. What must the two sums Σwᵢaᵢ and Σwᵢbᵢ look like?",
        "You need Σwᵢaᵢ > 0 and Σwᵢbᵢ < 0. Which patch surely has a positive sum, whatever the weights?",
        "A patch equal to the filter has the sum Σwᵢ², so begin with `a = list(weights)`.",
    ),
    cases=(([1],), ([-1, 1],), ([0, 0, -2],), ([1, 2, 1, 0],)),
    random_case=_random_filter,
    covers={
        "a first weight of 0": lambda weights: weights[0] == 0,
        "weights that add up to less than 0": lambda weights: sum(weights) < 0,
        "one weight": lambda weights: len(weights) == 1,
    },
    alternative=_one_pixel_up_and_down,
    judge=_no_counterexample,
    mistakes=(
        Mistake(
            "the same patch twice",
            "You took the same patch twice, so you tested whether f(2a) = 2 f(a). ReLU passes that: scaling by a "
            "positive number never changes a sign.",
            lambda weights: (list(weights), list(weights)),
        ),
        Mistake(
            "a multiple of the first",
            "Your second patch is a positive multiple of the first. Both sums have the same sign, and there ReLU "
            "is linear.",
            lambda weights: (list(weights), [2 * weight for weight in weights]),
        ),
        Mistake(
            "a patch of zeros",
            "One of your patches is all zeros. It responds with 0 and adds nothing to either side.",
            lambda weights: (list(weights), [0] * len(weights)),
        ),
        Mistake(
            "ones and minus ones",
            "Ones and minus ones respond with the sum of the weights and its negative. Where the weights add up to "
            "0, as in a filter for edges, both respond with 0.",
            lambda weights: ([1] * len(weights), [-1] * len(weights)),
        ),
    ),
    reasoning="""The patch a = w has the sum Σwᵢ², which is positive, and b = −w with minus that, which ReLU cuts
to zero. So f(a) + f(b) = Σwᵢ², while a + b is all zeros and f(a + b) = 0. A test for linearity that only scales
by positive numbers, or that only tries patches whose sums have one sign, does not find ReLU. That is why the chapter
tests sums of random images.""",
)
def counterexample(weights):
    """Two patches for which a filter with ReLU does not add up."""
    a = list(weights)
    b = [-weight for weight in weights]
    return a, b


def _random_block(rng: Random) -> tuple:
    return rng.randint(1, 8), rng.randint(1, 8), rng.choice((1, 2)), rng.choice((1, 3, 5))


def _block(M, N, stride, kernel_size, *, between=True, norms=True, first_relu=False, **changes):
    """The block with one thing changed."""
    padding = changes.get("padding", kernel_size // 2)
    bias, groups = changes.get("bias", False), changes.get("groups", M)
    first, second = (1, stride) if changes.get("late_stride") else (stride, 1)
    layers = [nn.Conv2d(M, M, kernel_size, first, padding, groups=groups, bias=bias)]
    after = [nn.BatchNorm2d(M)] * norms + [nn.ReLU()]
    layers += (after[::-1] if first_relu else after) * between
    layers.append(nn.Conv2d(M, N, 1, second, bias=bias))
    after = [nn.BatchNorm2d(N)] * norms + [nn.ReLU()]
    return nn.Sequential(*layers, *(after[::-1] if first_relu else after))


def _with_relu6(network):
    return nn.Sequential(*(nn.ReLU6() if isinstance(part, nn.ReLU) else part for part in network))


def _pointwise_first(M, N, stride, kernel_size):
    filters = nn.Conv2d(N, N, kernel_size, stride, kernel_size // 2, groups=N, bias=False)
    parts = [nn.Conv2d(M, N, 1, bias=False), nn.BatchNorm2d(N), nn.ReLU(), filters, nn.BatchNorm2d(N), nn.ReLU()]
    return nn.Sequential(*parts)


def _shared_filter(M, N, stride, kernel_size):
    """A wrong answer: the same filter for every channel."""

    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.filter = nn.Parameter(torch.zeros(1, 1, kernel_size, kernel_size))
            self.rest = _block(M, N, 1, kernel_size)[1:]

        def forward(self, x):
            filters = self.filter.repeat(M, 1, 1, 1)
            return self.rest(nn.functional.conv2d(x, filters, None, stride, kernel_size // 2, groups=M))

    return Shared()


def _behaviour_and_macs(network, M, N, stride, kernel_size):
    """What the network is and computes, and what it costs: a stride in the wrong place changes the cost alone."""
    seen = behaviour(lambda *case: (2, M, 9, 8))(network)
    if not seen["number of parameters"]:
        seen["output"] = None  # of layers that PyTorch does not know: their weights are random, and so is the output
    runs = seen["shape of the output"].startswith("(")
    return seen | {"MACs": macs_of(network, (M, 9, 8)) if runs else None}


def _block_from_modules(*case):
    """The block again, with other names and functional ReLU."""

    class BlockFromModules(nn.Module):
        def __init__(self, M, N, stride, kernel_size):
            super().__init__()
            self.norm_out, self.norm_between = nn.BatchNorm2d(N), nn.BatchNorm2d(M)
            self.mix = nn.Conv2d(M, N, 1, bias=False)
            self.filters = nn.Conv2d(M, M, kernel_size, stride, "valid", groups=M, bias=False)
            self.margin = kernel_size // 2

        def forward(self, x):
            x = self.filters(nn.functional.pad(x, [self.margin] * 4))
            x = self.norm_between(x).relu()
            return self.norm_out(self.mix(x)).clamp(min=0)

    return BlockFromModules(*case)


def _hidden(layers):
    """A network whose layers stand in a plain list, where PyTorch does not find them."""

    class Hidden(nn.Module):
        def __init__(self, layers):
            super().__init__()
            self.layers = list(layers)

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return x

    return Hidden(layers)


@exercise(
    title="The block for any kernel",
    goal=1,
    level=3,
    minutes=15,
    task="""Write the block as a function that returns an `nn.Module`: depthwise convolution, batch norm, ReLU,
pointwise convolution, batch norm, ReLU. The depthwise kernel has the size `kernel_size`, an odd number; with stride
1 the map keeps its size. No biases. Submodules may have any names: weights, groups, outputs and MACs are
compared.""",
    hints=(
        "Start from the chapter's `block`. Which of its numbers belong to a 3×3 kernel?",
        "Stride 1 keeps the size if the padding is half the kernel, rounded down.",
        "Begin with `padding = kernel_size // 2`, then one `nn.Sequential` with six parts.",
    ),
    imports="from torch import nn",
    cases=((4, 6, 1, 3), (4, 6, 2, 3), (3, 3, 1, 5), (1, 2, 2, 1)),
    random_case=_random_block,
    covers={
        "stride 2": lambda M, N, stride, kernel_size: stride == 2,
        "a 5×5 kernel": lambda M, N, stride, kernel_size: kernel_size == 5,
        "more than one channel": lambda M, N, stride, kernel_size: M > 1,
    },
    alternative=_block_from_modules,
    observe=_behaviour_and_macs,
    seconds=20.0,
    mistakes=(
        Mistake(
            "forgot the groups",
            "Your first convolution is a standard one. A depthwise one has as many groups as channels.",
            lambda *case: _block(*case, groups=1),
            misconception="depthwise means separable",
        ),
        Mistake(
            "the stride on the pointwise layer",
            "Your stride is on the pointwise convolution. In evaluation mode the output is the same, but the "
            "depthwise layer filters the whole map, and most of what it computes is thrown away.",
            lambda *case: _block(*case, late_stride=True),
        ),
        Mistake(
            "padding for 3×3 only",
            "Your padding is 1 for every kernel. It must be half the kernel, `kernel_size // 2`.",
            lambda *case: _block(*case, padding=1),
        ),
        Mistake(
            "left the biases on",
            "Your convolutions have biases, as PyTorch gives them by default. Batch norm follows: `bias=False`.",
            lambda *case: _block(*case, bias=True),
            misconception="the bias before batch norm matters",
        ),
        Mistake(
            "nothing between",
            "Nothing stands between your two convolutions, so they are one dense kernel of a restricted form. Batch "
            "norm and ReLU follow each of them.",
            lambda *case: _block(*case, between=False),
            misconception="depthwise means separable",
        ),
        Mistake(
            "ReLU before batch norm",
            "Your ReLU comes before batch norm. In the paper batch norm comes first.",
            lambda *case: _block(*case, first_relu=True),
        ),
        Mistake(
            "no batch norm",
            "Your convolutions are followed by ReLU alone. Batch norm stands between, with two parameters per channel.",
            lambda *case: _block(*case, norms=False),
        ),
        Mistake(
            "always 3×3",
            "Your depthwise kernel is 3×3 whatever is asked. Its size is `kernel_size`.",
            lambda M, N, stride, kernel_size: _block(M, N, stride, 3),
        ),
        Mistake(
            "ReLU6",
            "Your activations are ReLU6, which also cuts off above 6. MobileNet V1's paper has ReLU, and so has "
            "the task.",
            lambda *case: _with_relu6(_block(*case)),
        ),
        Mistake(
            "pointwise first",
            "You mix first and filter afterwards. The depthwise convolution comes first, on the input channels.",
            lambda M, N, stride, kernel_size: _pointwise_first(M, N, stride, kernel_size),
        ),
        Mistake(
            "one filter for all channels",
            "All your channels share one filter. In a depthwise layer each channel has its own.",
            lambda *case: _shared_filter(*case),
            misconception="depthwise means separable",
        ),
        Mistake(
            "no padding",
            "Your depthwise convolution has no padding, so the map loses its border. Half the kernel keeps the size.",
            lambda *case: _block(*case, padding=0),
        ),
        Mistake(
            "forgot the stride",
            "Your block has stride 1 whatever is asked. The stride belongs to the depthwise convolution.",
            lambda M, N, stride, kernel_size: _block(M, N, 1, kernel_size),
        ),
        Mistake(
            "no ReLU at the end",
            "Your block ends with batch norm. In MobileNet V1 a ReLU follows the pointwise layer too.",
            lambda *case: _block(*case)[:-1],
        ),
        Mistake(
            "no ReLU between",
            "No ReLU stands between your convolutions. One follows each batch norm.",
            lambda *case: nn.Sequential(*(part for i, part in enumerate(_block(*case)) if i != 2)),
        ),
        Mistake(
            "layers in a list",
            "Your network has no parameters: PyTorch does not look for layers in a plain list. `nn.Sequential` and "
            "`nn.ModuleList` are lists that it looks into.",
            lambda *case: _hidden(_block(*case)),
        ),
    ),
    reasoning="""Six parts in a row. Only the depthwise convolution knows about kernel, stride and padding; the
pointwise one and both batch norms see channels only. With stride 1, padding of half the kernel on each side,
rounded down, keeps the size of the map for every odd kernel.""",
)
def separable_block(in_channels, out_channels, stride, kernel_size):
    """Depthwise and pointwise, each with batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(
            in_channels,
            in_channels,
            kernel_size,
            stride,
            padding=kernel_size // 2,
            groups=in_channels,
            bias=False,
        ),
        nn.BatchNorm2d(in_channels),
        nn.ReLU(),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


def _client_network(*parts):
    """A small network with parts that no image passes, as a client might send it."""

    class Client(nn.Module):
        def __init__(self, branches: int, used: int, frozen: bool, spare: bool) -> None:
            super().__init__()
            if spare:
                self.old_head = nn.Linear(4, 3)
            self.stem = nn.Conv2d(3, 4, 3, padding=1)
            self.stem.requires_grad_(not frozen)
            self.branches = nn.ModuleList(
                nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.BatchNorm2d(4), nn.ReLU())
                for _ in range(branches)
            )
            self.branches.requires_grad_(not frozen)  # only the head learns
            self.used = used
            self.dropout = nn.Dropout()  # without parameters, and never called
            self.head = nn.Linear(4, 2)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            maps = self.branches[self.used](self.stem(images).abs())
            return self.head(maps.mean((2, 3)))

    return Client(*parts)


def _client(branches, used, frozen, spare, training=False):
    image = torch.linspace(-1, 1, 3 * 6 * 6).reshape(1, 3, 6, 6)
    network = _client_network(branches, used, frozen, spare).train(training)
    network.branches.eval() if used else None  # parts of a network may be in another mode than the whole
    return network, image


def _client_with_a_scale():
    """One part has a parameter that is not called ``weight``; one has parameters of its own, and a part with more."""

    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = nn.Parameter(torch.full((4,), 2.0))

        def forward(self, maps: torch.Tensor) -> torch.Tensor:
            return maps * self.factor[:, None, None]

    network, image = _client(2, 0, False, False)
    network.branches.extend([Scale().eval(), nn.MultiheadAttention(4, 1).eval()])
    return network, image


def _random_client(rng: Random) -> tuple:
    branches = rng.randint(1, 3)
    frozen, spare, training = (rng.choice((False, True)) for _ in range(3))
    if rng.random() < 0.1:
        return _client_with_a_scale()
    return _client(branches, rng.randrange(branches), frozen, spare, training)


def _calls(model, image):
    """The names of the modules that a forward pass calls."""
    called = set()
    trial = copy.deepcopy(model)
    for name, module in trial.named_modules():
        module.register_forward_hook(lambda *_, name=name: called.add(name))
    trial(image)
    return called


def _own(module):
    return next(module.parameters(recurse=False), None) is not None


def _poisoned(model, image):
    """Another algorithm: a layer is idle if not even NaN in its parameters reaches the output."""
    idle, model = [], copy.deepcopy(model).eval()
    with torch.no_grad():
        for name, module in model.named_modules():
            kept = [parameter.clone() for parameter in module.parameters(recurse=False)]
            for parameter in module.parameters(recurse=False):
                parameter.fill_(math.nan)
            if kept and not model(image).isnan().any():
                idle.append(name)
            for parameter, value in zip(module.parameters(recurse=False), kept, strict=True):
                parameter.copy_(value)
    return idle


def _without_gradient(model, image):
    model(image).sum().backward()
    return [
        name
        for name, module in model.named_modules()
        if _own(module) and all(parameter.grad is None for parameter in module.parameters(recurse=False))
    ]


def _parameters_without_gradient(model, image):
    model(image).sum().backward()
    return [name for name, parameter in model.named_parameters() if parameter.grad is None]


def _idle(model, image):
    called = _calls(model, image)
    return [name for name, module in model.named_modules() if _own(module) and name not in called]


@exercise(
    title="A client's network",
    goal=4,
    level=4,
    minutes=20,
    task="""A client's network has more parameters than your calculation. The client trains a trained network further
and has frozen some layers (`requires_grad=False`). These get no gradient either, although every image passes through
them. So look at what *runs*: return the names of the modules that hold parameters of their own and that a forward
pass with `image` never calls, as a list in the order of `named_modules()`. (PyTorch's `register_forward_hook` tells
you when a module runs; see hint 1.) Afterwards the network must be in the same mode, with the same buffers, and
without anything that you attached to it.""",
    hints=(
        "PyTorch can call a function of yours each time a module runs: `handle = module.register_forward_hook(note)`. "
        "Afterwards `handle.remove()` takes it off again.",
        "idle = modules with parameters of their own − modules that ran. "
        "`module.parameters(recurse=False)` gives a module's own parameters.",
        "Begin with `called = set()` and a function `note(module, inputs, output)` that adds the module to it.",
    ),
    cases=lambda: (
        *(_client(2, 0, False, False), _client(2, 1, True, True), _client(1, 0, True, False)),
        *(_client(2, 0, False, True, training=True), _client(1, 0, False, False, training=True)),
        _client(3, 1, False, False, training=True),
        _client_with_a_scale(),
    ),
    random_case=_random_client,
    covers={
        "a frozen layer": lambda model, image: not model.stem.weight.requires_grad,
        "nothing is idle": lambda model, image: len(model.branches) == 1 and not hasattr(model, "old_head"),
        "an idle layer deep inside": lambda model, image: len(model.branches) > 1,
        "parts in another mode than the whole": lambda model, image: model.training and not model.branches.training,
        "batch norm in training mode": lambda model, image: model.branches[model.used].training,
    },
    alternative=_poisoned,
    mistakes=(
        Mistake(
            "no gradient",
            "You listed what gets no gradient. A frozen layer gets none either, but it runs.",
            _without_gradient,
        ),
        Mistake(
            "what runs",
            "These are the layers that run. The exercise asks for the others.",
            lambda model, image: [
                name for name, module in model.named_modules() if _own(module) and name in _calls(model, image)
            ],
        ),
        Mistake(
            "modules without parameters",
            "You listed modules that hold no parameters of their own, such as a container or a ReLU. They add nothing "
            "to the count.",
            lambda model, image: [name for name, _ in model.named_modules() if name not in _calls(model, image)],
        ),
        Mistake(
            "the top level only",
            "You looked at the network's direct children only. A layer may lie deeper: use `named_modules()`.",
            lambda model, image: [
                name for name, module in model.named_children() if _own(module) and name not in _calls(model, image)
            ],
        ),
        Mistake(
            "containers",
            "You listed containers too, because `parameters()` looks into what a module holds. Their layers are listed "
            "already: `parameters(recurse=False)` gives a module's own.",
            lambda model, image: [
                name
                for name, module in model.named_modules()
                if list(module.parameters()) and name not in _calls(model, image)
            ],
        ),
        Mistake(
            "names of parameters",
            "You listed parameters without a gradient. The exercise asks for modules; and a frozen one has no "
            "gradient, but it runs.",
            _parameters_without_gradient,
        ),
        Mistake(
            "frozen layers",
            "You listed the frozen layers. They do not learn, but they run: every image passes through them.",
            lambda model, image: [
                name
                for name, module in model.named_modules()
                if _own(module) and not any(each.requires_grad for each in module.parameters(recurse=False))
            ],
        ),
        Mistake(
            "the top level, with all below it",
            "You looked at the network's direct children only, and `parameters()` looks into all that they hold. A "
            "layer may lie deeper: use `named_modules()` and `parameters(recurse=False)`.",
            lambda model, image: [
                name
                for name, module in model.named_children()
                if list(module.parameters()) and name not in _calls(model, image)
            ],
        ),
        Mistake(
            "modules without parts only",
            "You left out the modules that have parts. One with parts may hold parameters of its own: ask "
            "`parameters(recurse=False)`.",
            lambda model, image: [
                name for name in _idle(model, image) if not list(model.get_submodule(name).children())
            ],
        ),
        Mistake(
            "what learns only",
            "You left out what is frozen. A frozen layer that never runs is idle all the same: what counts is that it "
            "holds parameters.",
            lambda model, image: [
                name
                for name in _idle(model, image)
                if any(each.requires_grad for each in model.get_submodule(name).parameters(recurse=False))
            ],
        ),
        Mistake(
            "convolutions and linear layers only",
            "You looked at convolutions and linear layers only. Batch norm and hand-made layers hold parameters too: "
            "ask each module for its own.",
            lambda model, image: [
                name for name in _idle(model, image) if isinstance(model.get_submodule(name), (nn.Conv2d, nn.Linear))
            ],
        ),
        Mistake(
            "by the name weight",
            "You asked for an attribute called `weight`. A hand-made layer may call its parameters what it likes: ask "
            "`parameters(recurse=False)`.",
            lambda model, image: [name for name in _idle(model, image) if hasattr(model.get_submodule(name), "weight")],
        ),
        Mistake(
            "the last name only",
            "All of your hooks note one name, the last: a function looks its names up when it is *called*, and by then "
            "the loop has ended. Keep each name with `lambda *_, name=name: ...`.",
            lambda model, image: [
                name
                for name, module in model.named_modules()
                if _own(module) and name != list(model.named_modules())[-1][0]
            ],
        ),
        Mistake(
            "names of idle parameters",
            "You found the right modules and listed their parameters. The exercise asks for the names of the modules.",
            lambda model, image: [
                name for name, _ in model.named_parameters() if name.rpartition(".")[0] in _idle(model, image)
            ],
        ),
        Mistake(
            "classes",
            "You found the right modules and listed their classes. The exercise asks for their names, which "
            "`named_modules()` gives first.",
            lambda model, image: [type(model.get_submodule(name)).__name__ for name in _idle(model, image)],
        ),
    ),
    reasoning="""A hook sees each call of a module, whether its parameters learn or not. A gradient is a weaker
witness: frozen layers have none, and in evaluation without a loss there is none at all. Both look only at the input
that you give: a network that chooses its way by the image has to be shown all kinds of images. A pass in training
mode moves batch norm's running averages, so the solution looks in evaluation mode, and puts every mode back.""",
)
def idle_layers(model, image):
    """Names of the layers with parameters that no image passes."""
    called = set()

    def note(module, inputs, output):
        called.add(module)

    hooks = [m.register_forward_hook(note) for m in model.modules()]
    modes = {m: m.training for m in model.modules()}
    model.eval()  # in training mode a pass moves batch norm's averages
    model(image)
    for hook in hooks:
        hook.remove()
    for module, mode in modes.items():
        module.training = mode
    return [
        name
        for name, module in model.named_modules()
        if list(module.parameters(recurse=False)) and module not in called
    ]


_NETWORK = mobilenet_v1(bias=True)
_IDLE = sum(layer.cost.params for layer in _NETWORK.layers if layer.kind == "depthwise")  # each block holds two
_ALL = _NETWORK.cost.params + _IDLE

ESSAYS = (
    Essay(
        title="No gradient for the bias",
        goal=2,
        minutes=15,
        task="""Show with pencil and paper that, in training mode, the gradient of the loss with respect to a bias
before batch norm is zero. Then say what is different in evaluation mode.""",
        good_answer="""Write $z_i = x_i + b$ for the numbers of one channel. Their mean is $\\bar{x} + b$, so $z_i -
\\bar{z} = x_i - \\bar{x}$: the bias is gone before the division. The variance is made of these differences, so it
does not contain $b$ either. The output, and every loss made from it, is a function without $b$, and its derivative
is zero. In evaluation mode the mean is a stored number that does not move with $b$, so the output moves by $\\gamma
b / \\sqrt{\\sigma^2 + \\varepsilon}$ with it, and the gradient is in general not zero. A good answer says that the
*stored* number will have absorbed the bias if the network was trained with it.""",
    ),
    Essay(
        title="Do idle parameters do harm?",
        goal=4,
        minutes=10,
        task="""A colleague says: "Parameters that never train cost no time. Leave them in." Answer in five
sentences, for and against, with numbers from this chapter.""",
        good_answer=f"""For: no image passes them, so the MACs and the time of a pass are the same, and so is the
accuracy. Against, at least three of: they are in the file and in memory ({4 * _IDLE:,} bytes in float32 for
{_IDLE:,} of {_ALL:,} parameters, {100 * _IDLE / _ALL:.1f} %); every parameter count in a report is wrong, and
comparisons with it; they are initialised from the random generator, so the used layers get other numbers with the same
seed; tools that expect a gradient for every parameter stumble, as distributed training does; a reader of the code or
of the checkpoint takes them for part of the network. A good answer also says how the surplus would have been
noticed.""",
    ),
)
