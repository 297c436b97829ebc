"""Exercises of chapter 10, making it faster."""

from __future__ import annotations

import math
from fractions import Fraction
from random import Random

from mobilenet_edu.architecture import mobilenet_v1
from mobilenet_edu.exercises._engine import Essay, Mistake, exercise
from mobilenet_edu.exercises._later import torch

_EXACT = Fraction(1, 2)  # scales that are powers of two divide without rounding


def _clipped(value, low, high):
    return max(low, min(high, value))


def _on_grid(values, scale, zero_point, to_integer=round, low=-128, high=127):
    return [_clipped(to_integer(value / scale) + zero_point, low, high) for value in values]


def _nearest_on_grid(values, scale, zero_point):
    """Try every integer and take the one whose number lies nearest; of two equally near ones the even quotient."""
    grid = range(-128, 128)

    def distance(q, value):
        exact = Fraction(scale) * (q - zero_point)
        return abs(exact - Fraction(value)), (q - zero_point) % 2

    return [min(grid, key=lambda q: distance(q, value)) for value in values]


def _random_values(rng: Random) -> tuple:
    scale = float(_EXACT ** rng.randint(0, 6))
    zero_point = rng.choice((-128, -20, 0, 0, 35))
    reach = 200 * scale
    return [round(rng.uniform(-reach, reach), 2) for _ in range(rng.randint(1, 8))], scale, zero_point


@exercise(
    title="On the grid",
    goal=4,
    level=1,
    minutes=5,
    task="""This function is complete. It puts numbers on the grid of signed 8-bit integers, −128 to 127. Predict first
what `quantise([0.6, -1.5, 100.0], 0.5, 3)` returns, and how far each number is from its value after the way back. Then
call it. Then break it: leave out the two limits, check again, and read the answer.""",
    hints=(
        "How many steps is each number away from zero?",
        "round(x / s) + z, then not below −128 and not above 127.",
        "Nothing is missing. To break it, begin with `return [round(value / scale) + zero_point ...`.",
    ),
    cases=(([0.6, -1.5, 100.0], 0.5, 3), ([0.0], 0.25, -128), ([-40.0, 40.0, 0.3], 0.25, 0)),
    random_case=_random_values,
    covers={
        "a number above the grid": lambda values, s, z: any(round(x / s) + z > 127 for x in values),
        "a number below it": lambda values, s, z: any(round(x / s) + z < -128 for x in values),
        "a zero point that is not 0": lambda values, s, z: z != 0,
        "a number that rounds up": lambda values, s, z: any(round(x / s) > math.floor(x / s) for x in values),
    },
    alternative=_nearest_on_grid,
    mistakes=(
        Mistake(
            "no limits",
            "Some of your integers do not fit into 8 bits. What lies outside the grid is cut off at its ends.",
            lambda values, s, z: [round(x / s) + z for x in values],
        ),
        Mistake(
            "cut off instead of rounded",
            "You cut the fraction off (`int`). The nearest integer is `round`; cutting off doubles the largest error.",
            lambda values, s, z: _on_grid(values, s, z, int),
        ),
        Mistake(
            "forgot the zero point",
            "You left the zero point out. It is added after the rounding, and says which integer stands for zero.",
            lambda values, s, z: _on_grid(values, s, 0),
        ),
        Mistake(
            "zero point subtracted",
            "You subtracted the zero point. That is the way back; on the way to the integers it is added.",
            lambda values, s, z: _on_grid(values, s, -z),
        ),
        Mistake(
            "multiplied by the scale",
            "You multiplied by the scale. The scale is the size of one step, so x / s counts the steps.",
            lambda values, s, z: _on_grid(values, 1 / s, z),
        ),
        Mistake(
            "unsigned limits",
            "Your limits are 0 and 255, those of unsigned integers. Signed ones go from −128 to 127.",
            lambda values, s, z: _on_grid(values, s, z, low=0, high=255),
        ),
        Mistake(
            "lower limit −127",
            "Your lower limit is −127. Weights often leave −128 out; this grid has it.",
            lambda values, s, z: _on_grid(values, s, z, low=-127),
        ),
        Mistake(
            "limits before the zero point",
            "You cut off first and added the zero point afterwards, so the sum can leave the grid again.",
            lambda values, s, z: [_clipped(round(x / s), -128, 127) + z for x in values],
        ),
        Mistake(
            "wrapped round",
            "A number beyond one end of the grid comes back at the other end, as a cast to `int8` does it. Cut it off "
            "first.",
            lambda values, s, z: [(round(x / s) + z + 128) % 256 - 128 for x in values],
        ),
        Mistake(
            "left out beyond the grid",
            "You left out the numbers beyond the grid. They stay, at its end: −128 or 127.",
            lambda values, s, z: [round(x / s) + z for x in values if -128 <= round(x / s) + z <= 127],
        ),
        Mistake(
            "zero beyond the grid",
            "A number beyond the grid becomes 0 in your answer. It is put at the end of the grid: −128 or 127.",
            lambda values, s, z: [q if -128 <= (q := round(x / s) + z) <= 127 else 0 for x in values],
        ),
        Mistake(
            "the way back as well",
            "You went to the grid and back. Return the integers; the numbers that come back are the next step.",
            lambda values, s, z: [s * (q - z) for q in _on_grid(values, s, z)],
        ),
        Mistake(
            "zero point inside",
            "You added the zero point to the number, before you divided by the scale. It is an integer of the grid: "
            "divide and round first, then add it.",
            lambda values, s, z: [_clipped(round((x + z) / s), -128, 127) for x in values],
        ),
        Mistake(
            "zero point subtracted inside",
            "You subtracted the zero point from the number, before you divided by the scale. It is an integer of the "
            "grid: divide and round first, then add it.",
            lambda values, s, z: [_clipped(round((x - z) / s), -128, 127) for x in values],
        ),
    ),
    reasoning=f"""0.6 is {0.6 / 0.5:.1f} steps of 0.5, rounded 1, plus 3 gives 4. Back comes {(4 - 3) * 0.5:g}: an error
of {0.6 - (4 - 3) * 0.5:.1g}. −1.5 gives 0 and comes back as it was. 100 would be {round(100 / 0.5) + 3} and is cut off
at 127: its error is not at most half a step but {100 - (127 - 3) * 0.5:g}.""",
)
def quantise(values, scale, zero_point):
    """Signed 8-bit integers for a list of numbers."""
    integers = []
    for value in values:
        q = round(value / scale) + zero_point
        integers.append(max(-128, min(127, q)))
    return integers


def _folded(weight, bias, gamma, beta, mean, variance, eps):
    scale = gamma / math.sqrt(variance + eps)
    return [w * scale for w in weight], beta + scale * (bias - mean)


def _with(**changes):
    """A wrong fold: some of its steps replaced."""
    root = changes.get("root", lambda variance, eps: math.sqrt(variance + eps))
    shift = changes.get("shift", lambda scale, bias, beta, mean: beta + scale * (bias - mean))

    def fold(weight, bias, gamma, beta, mean, variance, eps):
        scale = gamma / root(variance, eps)
        return [w * scale for w in weight], shift(scale, bias, beta, mean)

    return fold


def _by_trying(weight, bias, gamma, beta, mean, variance, eps):
    """Run the slow way on the zero input and on each unit input: they give the bias and the weights."""

    def slowly(x):
        convolved = sum(w * each for w, each in zip(weight, x, strict=True)) + bias
        return (convolved - mean) / math.sqrt(variance + eps) * gamma + beta

    count = len(weight)
    new_bias = slowly([0] * count)
    return [slowly([int(i == j) for j in range(count)]) - new_bias for i in range(count)], new_bias


def _random_channel(rng: Random) -> tuple:
    weight = [round(rng.uniform(-2, 2), 2) for _ in range(rng.randint(1, 4))]
    bias, beta, mean = (round(rng.uniform(-3, 3), 2) for _ in range(3))
    return weight, rng.choice((0.0, bias)), round(rng.uniform(0.3, 3), 2), beta, mean, rng.choice((0.25, 2.0, 9.0)), 0.1


@exercise(
    title="Fold a convolution that has a bias",
    goal=1,
    level=2,
    minutes=8,
    task="""The chapter folded a convolution without a bias. Here is one output channel of a convolution *with* a bias,
as plain numbers: a list of weights, the bias, and the batch norm's γ, β, μ, σ² and ε. Fill the two gaps and return the
folded weights and the folded bias.""",
    hints=(
        "Batch norm sees w * x + b. What of that depends on x?",
        "s = γ / √(σ² + ε), and the new bias is β + s (b − μ).",
        "The first gap begins with `gamma / `; ε stands under the root.",
    ),
    imports="import math",
    stub='''def fold_channel(weight, bias, gamma, beta, mean, variance, eps):
    """(weights, bias) of one channel with its batch norm folded in."""
    scale = ...
    folded_bias = ...
    return [w * scale for w in weight], folded_bias''',
    cases=(
        ([2.0, -1.0], 0.0, 6.0, 1.0, 3.0, 4.0, 0.0),
        ([2.0, -1.0], 5.0, 6.0, 1.0, 3.0, 4.0, 0.0),
        ([0.5], 1.5, 0.9, -0.2, 0.4, 0.01, 0.001),
    ),
    random_case=_random_channel,
    covers={
        "a bias": lambda weight, bias, *norm: bias != 0,
        "no bias": lambda weight, bias, *norm: bias == 0,
        "several weights": lambda weight, bias, *norm: len(weight) > 1,
    },
    alternative=_by_trying,
    mistakes=(
        Mistake(
            "forgot the convolution's bias",
            "Your bias is right for a convolution without one. Here the convolution adds b before batch norm scales.",
            _with(shift=lambda scale, bias, beta, mean: beta - scale * mean),
        ),
        Mistake(
            "bias not scaled",
            "You added the convolution's bias as it is. Batch norm scales all that the convolution writes, bias too.",
            _with(shift=lambda scale, bias, beta, mean: beta - scale * mean + bias),
        ),
        Mistake(
            "forgot the mean",
            "Your bias is β + s b. Batch norm also subtracts the mean before it scales.",
            _with(shift=lambda scale, bias, beta, mean: beta + scale * bias),
        ),
        Mistake(
            "forgot gamma",
            "You left γ out: batch norm divides by the root and then multiplies by γ.",
            lambda weight, bias, gamma, *rest: _folded(weight, bias, 1.0, *rest),
        ),
        Mistake(
            "mean not scaled",
            "You subtracted the mean as it is. Batch norm subtracts it *before* it scales.",
            _with(shift=lambda scale, bias, beta, mean: beta + scale * bias - mean),
        ),
        Mistake(
            "mean added",
            "The mean has the wrong sign: batch norm subtracts it.",
            _with(shift=lambda scale, bias, beta, mean: beta + scale * (bias + mean)),
        ),
        Mistake(
            "beta scaled",
            "You scaled β. Batch norm adds it last, after the scaling.",
            _with(shift=lambda scale, bias, beta, mean: scale * (beta + bias - mean)),
        ),
        Mistake(
            "divided by the variance",
            "You divided by the variance. Batch norm divides by its square root.",
            _with(root=lambda variance, eps: variance + eps),
        ),
        Mistake(
            "ε outside the root",
            "You added ε outside the root. It stands beside the variance, under the root.",
            _with(root=lambda variance, eps: math.sqrt(variance) + eps),
        ),
        Mistake(
            "forgot ε",
            "You left ε out. For a dead channel, whose variance is 0, it is all that stands under the root.",
            _with(root=lambda variance, eps: math.sqrt(variance)),
        ),
        Mistake(
            "weights shifted by the mean",
            "You subtracted the mean from the weights. It is subtracted once from the sum, so it belongs to the bias.",
            lambda weight, bias, gamma, beta, mean, variance, eps: (
                [(w - mean) * gamma / math.sqrt(variance + eps) for w in weight],
                _folded(weight, bias, gamma, beta, mean, variance, eps)[1],
            ),
        ),
        Mistake(
            "each weight through the norm",
            "You sent every weight through the whole batch norm. What is subtracted and added once belongs to the "
            "bias; a weight is only scaled.",
            lambda weight, bias, gamma, beta, mean, variance, eps: (
                [(w - mean) * gamma / math.sqrt(variance + eps) + beta for w in weight],
                _folded(weight, bias, gamma, beta, mean, variance, eps)[1],
            ),
        ),
    ),
    reasoning="""Batch norm of w * x + b is s (w * x + b − μ) + β. The part with x is (s w) * x; the rest is the new
bias. The first case of the check is the chapter's pencil example: weights 6 and −3, bias −8.""",
)
def fold_channel(weight, bias, gamma, beta, mean, variance, eps):
    """(weights, bias) of one channel with its batch norm folded in."""
    scale = gamma / math.sqrt(variance + eps)
    folded_bias = beta + scale * (bias - mean)
    return [w * scale for w in weight], folded_bias


def _random_weight(rng: Random) -> tuple:
    draw = torch.Generator().manual_seed(rng.getrandbits(32))
    out_channels, in_channels = rng.randint(2, 12), rng.choice((1, 1, 3))
    weight = torch.randn(out_channels, in_channels, 3, 3, generator=draw)
    blown_up = rng.randint(0, out_channels)
    weight[:blown_up] *= 10 ** rng.uniform(1, 4)
    if rng.random() < 0.5:
        weight = -weight.abs()
    if rng.random() < 0.3:
        weight[-1] -= weight[-1].flip(2)  # its weights add up to 0
    return (weight,)


def _lost(weight, largest, to_integer=None):
    integers = (to_integer or torch.round)(weight / (largest / 127))
    return int((integers == 0).all(dim=(1, 2, 3)).sum()) if integers.dim() == 4 else 0


def _integers(numbers, weight=None):
    """Numbers on the grid of a whole tensor, which is ``weight`` unless they are all of it."""
    return torch.round(numbers / ((numbers if weight is None else weight).abs().max() / 127))


def _lost_one_by_one(weight):
    channels = [channel.flatten().tolist() for channel in weight]
    half_a_step = max(abs(w) for channel in channels for w in channel) / 127 / 2
    return sum(all(abs(w) <= half_a_step for w in channel) for channel in channels)


@exercise(
    title="How many channels does one scale erase?",
    goal=5,
    level=3,
    minutes=12,
    unit="channels",
    task="""`weight` has the shape (output channels, input channels, height, width). It is put on a grid of the integers
−127 to 127 with *one* scale for the whole tensor. Return how many output channels are erased: all of their weights
become 0. (No tensor is zero throughout.)""",
    hints=(
        "First the scale: which one number of the tensor decides it?",
        "s = max |w| / 127, and a channel is erased if round(w / s) is 0 for all of its weights.",
        "Begin with `scale = weight.abs().max() / 127`, then round `weight / scale`.",
    ),
    imports="import torch",
    cases=lambda: (
        (torch.tensor([0.5, -0.3, 0.8, 90.0]).reshape(4, 1, 1, 1),),
        (torch.tensor([[0.1, -127.0], [0.2, 0.4], [0.2, 0.6]]).reshape(3, 2, 1, 1),),
        (torch.tensor([[1.0, 2.0], [3.0, -4.0]]).reshape(2, 1, 1, 2),),
        (torch.tensor([127.0, 0.502, 0.498, -0.502, -0.498]).reshape(5, 1, 1, 1),),
        (torch.tensor([[127.0, 1.0], [3.0, -3.0], [0.2, -0.2]]).reshape(3, 2, 1, 1),),
        (torch.tensor([[127.0, 0.2], [-3.0, -4.0], [-0.2, 0.4], [0.3, -9.0]]).reshape(4, 2, 1, 1),),
    ),
    random_case=_random_weight,
    covers={
        "a channel that is erased": lambda weight: _lost_one_by_one(weight) > 0,
        "none that is": lambda weight: _lost_one_by_one(weight) == 0,
        "a largest weight that is negative": lambda weight: weight.max() < weight.abs().max(),
        "a depthwise layer": lambda weight: weight.shape[1] == 1,
        "another layer": lambda weight: weight.shape[1] > 1,
    },
    alternative=_lost_one_by_one,
    mistakes=(
        Mistake(
            "a scale for each channel",
            "Your count is that of channels with a scale of their own: only a channel of zeros is lost then. The task "
            "has one scale for all.",
            lambda weight: _lost(weight, weight.abs().amax((1, 2, 3), keepdim=True)),
        ),
        Mistake(
            "largest without its sign",
            "You took the largest weight, not the largest absolute value: a large negative weight counts as well.",
            lambda weight: _lost(weight, weight.max()),
        ),
        Mistake(
            "a channel's largest with its sign",
            "Your count takes a channel for erased if no weight of it is above half a step. A weight far below zero "
            "keeps its channel alive.",
            lambda weight: int((_integers(weight.amax((1, 2, 3)), weight) <= 0).sum()),
        ),
        Mistake(
            "counted weights",
            "You counted weights that become 0. A channel is erased only if all of its weights do.",
            lambda weight: int(((weight / (weight.abs().max() / 127)).round() == 0).sum()),
        ),
        Mistake(
            "one zero is enough",
            "You counted channels with at least one 0. A channel that keeps some of its weights is not erased.",
            lambda weight: int(((weight / (weight.abs().max() / 127)).round() == 0).any(3).any(2).any(1).sum()),
        ),
        Mistake(
            "cut off instead of rounded",
            "You took all that is less than a whole step for 0. A weight of 0.6 steps rounds to 1: its channel lives.",
            lambda weight: _lost(weight, weight.abs().max(), torch.trunc),
        ),
        Mistake(
            "256 numbers on one side",
            "Your count is that of steps half as large, 255 of them from zero to the largest number. There are 127, "
            "and as many on the other side.",
            lambda weight: _lost(weight, weight.abs().max() * 127 / 255),
        ),
        Mistake(
            "counted input channels",
            "You looked at the second dimension, which holds the input channels. The first holds the output channels.",
            lambda weight: _lost_one_by_one(weight.transpose(0, 1)),
        ),
        Mistake(
            "counted what is left",
            "You counted the channels that survive. The task asks for the others.",
            lambda weight: weight.shape[0] - _lost_one_by_one(weight),
        ),
        Mistake(
            "counted filters",
            "You counted each two-dimensional filter. An output channel has one for every input channel, and is erased "
            "only if all of them are.",
            lambda weight: int((_integers(weight) == 0).all(3).all(2).sum()),
        ),
        Mistake(
            "the sum is zero",
            "You counted channels whose integers add up to 0. Positive and negative ones may do that, and are not "
            "lost.",
            lambda weight: int((_integers(weight).sum((1, 2, 3)) == 0).sum()),
        ),
        Mistake(
            "the mean is zero",
            "You counted channels whose mean rounds to 0. Positive and negative weights may do that, and are not lost.",
            lambda weight: int((_integers(weight.mean((1, 2, 3)), weight) == 0).sum()),
        ),
        Mistake(
            "a channel's largest without its sign",
            "You looked at each channel's largest weight, not at its largest absolute value. A channel whose weights "
            "are all negative may lie far below zero, and is then not erased.",
            lambda weight: int((_integers(weight.amax((1, 2, 3)), weight) == 0).sum()),
        ),
        Mistake(
            "the spread as the scale",
            "You took the scale from the spread of the weights. The largest absolute weight has to fit on the grid, so "
            "it sets the scale.",
            lambda weight: _lost(weight, 3 * weight.std()),
        ),
    ),
    reasoning="""The largest weight of the tensor fixes the step. A channel whose weights all lie within half a step of
zero is rounded away, however well it was trained.""",
)
def erased_channels(weight):
    """Output channels that one scale for the tensor rounds to zero."""
    scale = weight.abs().max() / 127
    integers = torch.round(weight / scale)
    erased = (integers == 0).flatten(1).all(dim=1)
    return int(erased.sum())


def _sizes(width_multiplier, num_classes):
    network = mobilenet_v1(width_multiplier, num_classes=num_classes)
    return network.weights, sum(layer.out_channels for layer in network.layers if layer.kind != "pooling")


def _with_wrong_channels(channels):
    def size(width_multiplier, num_classes):
        network = mobilenet_v1(width_multiplier, num_classes=num_classes)
        return network.weights + 8 * sum(channels(layer) for layer in network.layers)

    return size


def _bytes_for(weight_bytes=1, bias_bytes=4, scale_bytes=4, norms=0):
    def size(width_multiplier, num_classes):
        weights, outputs = _sizes(width_multiplier, num_classes)
        return weights * weight_bytes + outputs * (bias_bytes + scale_bytes) + norms * (outputs - num_classes)

    return size


def _layer_by_layer(width_multiplier, num_classes):
    size = 0
    for layer in mobilenet_v1(width_multiplier, num_classes=num_classes).layers:
        if layer.kind != "pooling":
            inputs_of_one_output = layer.in_channels // layer.groups
            area = layer.kernel_size**2 if layer.is_convolution else 1
            size += layer.out_channels * (inputs_of_one_output * area + 8)
    return size


@exercise(
    title="How large is the 8-bit network?",
    goal=4,
    level=3,
    minutes=12,
    unit="bytes",
    task="""A MobileNet V1 whose batch norms are folded is stored in 8 bits. Every weight takes 1 byte. In addition,
every output channel of a convolution or of the classifier has a bias of 4 bytes and a scale of 4 bytes (there are no
zero points for weights). Return how many bytes that is in all, for a given width multiplier and number of classes. You
need not count by hand: `mobilenet_v1` knows the layers.""",
    hints=(
        "Two counts are needed: the weights, and the output channels of all layers that have weights.",
        "bytes = weights + (4 + 4) · output channels. The pooling has none.",
        "`mobilenet_v1(width_multiplier, num_classes=num_classes)` has `.weights` and `.layers`; begin with it.",
    ),
    imports="from mobilenet_edu.architecture import mobilenet_v1",
    cases=((1.0, 1000), (0.125, 10), (0.25, 1000), (0.75, 2)),
    random_case=lambda rng: (rng.choice((0.125, 0.25, 0.3, 0.5, 0.75, 1.0)), rng.choice((2, 10, 120, 1000, 1001))),
    covers={
        "a thin network": lambda alpha, classes: alpha < 1,
        "another number of classes": lambda alpha, classes: classes != 1000,
    },
    alternative=_layer_by_layer,
    mistakes=(
        Mistake(
            "biases or scales, not both",
            "You stored 4 bytes for each output channel. Each has a bias *and* a scale: one is missing.",
            _bytes_for(scale_bytes=0),
        ),
        Mistake(
            "biases of one byte",
            "You stored the biases in 1 byte. They are added to sums of many products, and need 4.",
            _bytes_for(bias_bytes=1),
        ),
        Mistake(
            "weights of four bytes",
            "You counted 4 bytes for a weight. That is float32; the point of 8 bits is that it takes 1.",
            _bytes_for(weight_bytes=4),
        ),
        Mistake(
            "bits instead of bytes",
            "Your number is 8 times too large: it is in bits.",
            _bytes_for(weight_bytes=8, bias_bytes=32, scale_bytes=32),
        ),
        Mistake(
            "batch norms still there",
            "You stored γ and β as well. The batch norms are folded; only the biases are left of them.",
            _bytes_for(norms=8),
        ),
        Mistake(
            "forgot the classifier's biases",
            "You counted the convolutions' channels only. Each class has a bias and a scale as well.",
            lambda alpha, classes: _bytes_for()(alpha, classes) - 8 * classes,
        ),
        Mistake(
            "counted the pooling",
            "You gave the pooling biases and scales. It has no weights, so it has neither.",
            _with_wrong_channels(lambda layer: layer.out_channels),
        ),
        Mistake(
            "input channels",
            "You counted input channels. A bias and a scale belong to each channel that a layer writes.",
            _with_wrong_channels(lambda layer: layer.in_channels if layer.kind != "pooling" else 0),
        ),
        Mistake(
            "always 1000 classes",
            "Your network has 1000 classes, whatever the argument says. Hand `num_classes` on, by its name.",
            lambda alpha, classes: _bytes_for()(alpha, 1000),
        ),
        Mistake(
            "always the full width",
            "Your network has its full width, whatever the argument says. Hand `width_multiplier` on.",
            lambda alpha, classes: _bytes_for()(1.0, classes),
        ),
        Mistake(
            "counted parameters",
            "You took the number of parameters. It counts γ and β, which are gone, one byte for a bias, and no scale.",
            lambda alpha, classes: mobilenet_v1(alpha, num_classes=classes).cost.params,
        ),
        Mistake(
            "parameters in place of weights",
            "Your bytes for the weights are the number of parameters. That counts γ and β of the batch norms, which "
            "are folded away, and the classifier's biases twice.",
            lambda alpha, classes: (
                _bytes_for(weight_bytes=0)(alpha, classes) + mobilenet_v1(alpha, num_classes=classes).cost.params
            ),
        ),
        Mistake(
            "MACs in place of weights",
            "You took the MACs for the weights. A weight is stored once, however many pixels it meets.",
            lambda alpha, classes: (
                _bytes_for(weight_bytes=0)(alpha, classes) + mobilenet_v1(alpha, num_classes=classes).cost.macs
            ),
        ),
        Mistake(
            "no depthwise channels",
            "You left out the channels of the depthwise layers. They have biases and scales like all others.",
            _with_wrong_channels(lambda layer: layer.out_channels * (layer.kind not in ("pooling", "depthwise"))),
        ),
        Mistake(
            "a bias for each pixel",
            "You gave every number of a map a bias and a scale. All pixels of a channel share one of each.",
            _with_wrong_channels(lambda layer: layer.cost.output_elements * (layer.kind != "pooling")),
        ),
        Mistake(
            "one scale per layer",
            "You counted one scale for each layer. It is one for each output channel.",
            lambda alpha, classes: _bytes_for(scale_bytes=0)(alpha, classes) + 4 * 28,
        ),
        Mistake(
            "one bias and scale per layer",
            "You counted one bias and one scale for each layer. Each output channel has both.",
            lambda alpha, classes: _bytes_for(scale_bytes=0, bias_bytes=0)(alpha, classes) + 8 * 28,
        ),
        Mistake(
            "biases of the classifier alone",
            "You gave every channel a scale, but a bias to the classes alone. The folded convolutions have biases, "
            "too.",
            lambda alpha, classes: _bytes_for(bias_bytes=0)(alpha, classes) + 4 * classes,
        ),
        Mistake(
            "weights alone",
            "You counted the weights alone. Each output channel has a bias and a scale besides.",
            _bytes_for(bias_bytes=0, scale_bytes=0),
        ),
    ),
    reasoning=f"""For the full network that is {_bytes_for()(1.0, 1000):,} bytes, against
{4 * mobilenet_v1().cost.params:,} for its parameters in float32, batch norm's too: a little less than four times
smaller, because biases and scales stay at 4 bytes. A real file is somewhat larger: it also lists the operations and the
scales of the maps.""",
)
def int8_bytes(width_multiplier, num_classes):
    """Bytes of the 8-bit network, with one scale per channel."""
    network = mobilenet_v1(width_multiplier, num_classes=num_classes)
    channels = 0
    for layer in network.layers:
        if layer.kind != "pooling":
            channels += layer.out_channels
    return network.weights + (4 + 4) * channels


def _random_pair(rng: Random) -> tuple:
    draw = torch.Generator().manual_seed(rng.getrandbits(32))
    channels, out_channels = rng.randint(2, 6), rng.randint(7, 9)
    depthwise = torch.randn(channels, 1, 3, 3, generator=draw)
    depthwise *= 10 ** (3 * torch.rand(channels, 1, 1, 1, generator=draw) - 1)
    return (
        depthwise,
        torch.randn(channels, generator=draw),
        torch.randn(out_channels, channels, 1, 1, generator=draw),
    )


def _size(weight):
    return weight.abs().amax(dim=(1, 2, 3))


def _equalised_one_by_one(depthwise, bias, pointwise):
    depthwise, bias, pointwise = depthwise.clone(), bias.clone(), pointwise.clone()
    for channel in range(len(depthwise)):
        largest = max(abs(w) for w in depthwise[channel].flatten().tolist())
        depthwise[channel] /= largest
        bias[channel] /= largest
        pointwise[:, channel] *= largest
    return depthwise, bias, pointwise


def _equalised(depthwise, bias, pointwise, size=_size, in_bias=-1, in_pointwise=1):
    s = size(depthwise)
    return (
        depthwise / s.reshape(-1, 1, 1, 1),
        bias * s**in_bias,
        pointwise * s.reshape(1, -1, 1, 1) ** in_pointwise,
    )


def _by_name(result, *case):
    """What is compared: each tensor under its name, whatever its precision."""
    if len(result) != 3 or not all(type(each) in (torch.Tensor, torch.nn.Parameter) for each in result):
        return result
    names = ("depthwise", "bias", "pointwise")
    return {name: tensor.detach().float() for name, tensor in zip(names, result, strict=True)}


@exercise(
    title="Equal channels, for a chip with one scale per layer",
    goal=5,
    level=4,
    minutes=20,
    task="""A client's chip has one scale for each layer, and nobody can change it. Make the network fit: between a
folded depthwise layer and the pointwise layer behind it there is only a ReLU, and for every s > 0,
ReLU(s · x) = s · ReLU(x). Divide each depthwise channel by its largest absolute weight, which then becomes exactly 1,
and change what else must change, so that the pair computes what it did before. `depthwise` is (C, 1, 3, 3), `bias` (C,)
belongs to it, `pointwise` is (N, C, 1, 1). Return the three as a new tuple. No channel is zero throughout.""",
    hints=(
        "If a channel leaves the ReLU s times smaller, who reads it, and what must that reader do?",
        "Channel c: weights and bias divided by s_c; *column* c of the pointwise weights multiplied by s_c.",
        "Begin with `s = depthwise.abs().amax(dim=(1, 2, 3))`, one number per channel, and mind the shapes.",
    ),
    imports="import torch",
    cases=lambda: (
        (
            torch.tensor([100.0, -0.5]).reshape(2, 1, 1, 1).expand(2, 1, 3, 3).clone(),
            torch.tensor([10.0, 1.0]),
            torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]).reshape(3, 2, 1, 1),
        ),
    ),
    random_case=_random_pair,
    covers={
        "channels of very different size": lambda depthwise, bias, pointwise: (
            _size(depthwise).max() > 50 * _size(depthwise).min()
        ),
        "more outputs than channels": lambda depthwise, bias, pointwise: len(pointwise) > len(depthwise),
    },
    alternative=_equalised_one_by_one,
    observe=_by_name,
    mistakes=(
        Mistake(
            "forgot the bias",
            "You left the bias as it was. It is added before the ReLU, so it must be divided like its "
            "channel's weights.",
            lambda d, b, p: _equalised(d, b, p, in_bias=0),
        ),
        Mistake(
            "bias multiplied",
            "You multiplied the bias. It is added to the filtered map, so it must be divided like its channel's "
            "weights.",
            lambda d, b, p: _equalised(d, b, p, in_bias=1),
        ),
        Mistake(
            "the wrong way round",
            "You multiplied the depthwise weights by their size and divided the pointwise ones: the wrong way round.",
            lambda d, b, p: _equalised(d, b, p, size=lambda weight: 1 / _size(weight)),
        ),
        Mistake(
            "length instead of the largest",
            "You divided by the length of each filter. The task asks for its largest absolute weight, which becomes 1.",
            lambda d, b, p: _equalised(d, b, p, size=lambda weight: weight.flatten(1).norm(dim=1)),
        ),
        Mistake(
            "pointwise unchanged",
            "You left the pointwise weights as they were. They read channels that are now smaller.",
            lambda d, b, p: _equalised(d, b, p, in_pointwise=0),
        ),
        Mistake(
            "pointwise divided",
            "You divided the pointwise weights as well. They must undo what the depthwise layer lost: multiply.",
            lambda d, b, p: _equalised(d, b, p, in_pointwise=-1),
        ),
        Mistake(
            "one number for the layer",
            "You divided the whole layer by one number. Its channels are as unequal as before.",
            lambda d, b, p: _equalised(d, b, p, size=lambda weight: _size(weight).max().expand(len(weight))),
        ),
        Mistake(
            "largest without its sign",
            "You took the largest weight, not the largest absolute value. And a negative factor does not pass a ReLU.",
            lambda d, b, p: _equalised(d, b, p, size=lambda weight: weight.amax(dim=(1, 2, 3))),
        ),
        Mistake(
            "the sum of the absolute weights",
            "You divided by the sum of the absolute weights. Divide by the largest of them, so that it becomes 1.",
            lambda d, b, p: _equalised(d, b, p, size=lambda weight: weight.abs().sum((1, 2, 3))),
        ),
        Mistake(
            "from the smallest to the largest",
            "You divided by the distance from the smallest weight to the largest. Divide by the largest absolute "
            "weight: it is the distance from zero that has to be 1.",
            lambda d, b, p: _equalised(d, b, p, size=lambda weight: weight.amax((1, 2, 3)) - weight.amin((1, 2, 3))),
        ),
        Mistake(
            "the standard deviation",
            "You divided by the standard deviation of each filter. The task asks for its largest absolute weight, "
            "which becomes 1.",
            lambda d, b, p: _equalised(d, b, p, size=lambda weight: weight.std((1, 2, 3))),
        ),
        Mistake(
            "the bias decides too",
            "You let the bias help to choose the factor. The task divides by the largest absolute *weight*; the bias "
            "only follows.",
            lambda d, b, p: _equalised(d, b, p, size=lambda weight: torch.maximum(_size(weight), b.abs())),
        ),
        Mistake(
            "sizes of the pointwise columns",
            "Your sizes are those of the pointwise columns. Divide each depthwise channel by its own largest weight.",
            lambda d, b, p: _equalised(d, b, p, size=lambda weight: p.abs().amax((0, 2, 3))),
        ),
        Mistake(
            "the whole layer's largest in the pointwise weights",
            "The depthwise weights and the bias are right. Each pointwise column undoes the division of its own "
            "channel; you multiplied all of them by one number.",
            lambda d, b, p: (*_equalised(d, b, p)[:2], p * _size(d).max()),
        ),
        Mistake(
            "depthwise cut off at 1",
            "You cut the depthwise weights off at 1. That changes what the layer computes: divide them.",
            lambda d, b, p: (d.clamp(-1, 1), *_equalised(d, b, p)[1:]),
        ),
        Mistake(
            "a size for each row of a filter",
            "You divided each row of a filter by a largest weight of its own. All nine weights of a channel share one.",
            lambda d, b, p: (d / d.abs().amax(3, keepdim=True), *_equalised(d, b, p)[1:]),
        ),
        Mistake(
            "cut off at 1",
            "You cut the weights off at 1. That changes what the layer computes; dividing changes only its scale.",
            lambda d, b, p: (d.clamp(-1, 1), b, p),
        ),
        Mistake(
            "pointwise rows",
            "You multiplied the pointwise weights' rows. A row makes an output; what reads channel c is column c.",
            lambda d, b, p: (
                _equalised(d, b, p)[0],
                b / _size(d),
                p * torch.cat([_size(d), _size(d).new_ones(len(p))])[: len(p)].reshape(-1, 1, 1, 1),
            ),
        ),
    ),
    reasoning="""ReLU lets a positive factor through, so it can move from one layer into the next. Now all depthwise
channels share one range, and one scale suits them all. The price: the pointwise columns have become uneven; Nagel et
al. (2019, arXiv:1906.04721) therefore choose s so that each channel has the same range in both layers. With ReLU6 it
would not work: the 6 does not scale.""",
)
def equalise(depthwise, bias, pointwise):
    """The same pair of layers, its depthwise channels all of size 1."""
    s = depthwise.abs().amax(dim=(1, 2, 3))
    return (
        depthwise / s.reshape(-1, 1, 1, 1),
        bias / s,
        pointwise * s.reshape(1, -1, 1, 1),
    )


ESSAYS = (
    Essay(
        title="A colleague's measurement",
        goal=2,
        minutes=10,
        task="""A colleague writes: "I called `torch.compile` on our network and timed the next call: 40 seconds instead
of 0.1. Then I timed channels-last right after it: 12 % faster on 8 threads. So we use channels-last and forget the
compiler." Say what is wrong with each of the two measurements, and describe one that you would believe.""",
        good_answer="""The first call after `torch.compile` compiles: it measures the compiler. Warm up, with the shape
that will be used, before the clock starts. The second is a single timing, on a machine that had just been busy, and on
8 threads, which share the machine with everything else. Better: all candidates (plain, channels-last, compiled) with
the same weights and the same input; check first that the outputs are equal; one thread; several warm-up calls; many
rounds in which the candidates take turns; the median of the ratio to plain within each round, with its range; the
machine and the versions written beside it. Then the same at the batch size and number of threads of the real use. A
good answer also asks whether the time to compile matters: for a program that starts often it does.""",
    ),
    Essay(
        title="Is the file right?",
        goal=3,
        minutes=10,
        task="""You exported a network to ONNX and tested it with one random image: PyTorch and onnxruntime differ by
0.00001. Name three ways in which the file may still fail for its users, and the check that finds each.""",
        good_answer="""(1) The number of images may be fixed: run it with several batch sizes. (2) The network may have
been exported in training mode, or batch norm's statistics may be missing: compare with the network in evaluation mode,
on a batch, and see that an image's answer does not depend on its neighbours. (3) A random image says little about real
ones: compare the answers on a test set, and count where they agree. Further good points: the users' preprocessing
(range, order of the colours, resize) must be that of the training; other image sizes if they are promised; an older
runtime may not know the file's operator set; outputs differ in the last digits between processors, so compare with a
tolerance; after quantisation count the equal answers on many pictures, since logits are no longer nearly equal.""",
    ),
)
