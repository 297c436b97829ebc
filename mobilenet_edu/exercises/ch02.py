"""Exercises of chapter 2, what a convolution costs."""

from __future__ import annotations

from math import isqrt, prod, sqrt
from random import Random

from mobilenet_edu.architecture import mobilenet_v1
from mobilenet_edu.cost import conv2d_cost, conv_output_size
from mobilenet_edu.exercises._engine import Essay, Mistake, exercise

# 2.1


def _random_filters(rng: Random) -> tuple:
    kernel = rng.choice((1, 2, 3, 5)), rng.choice((1, 2, 3, 5))
    return rng.randint(1, 12), rng.randint(1, 12), kernel, rng.random() < 0.5


@exercise(
    title="The parameters of a layer",
    goal=5,
    level=1,
    minutes=5,
    unit="parameters",
    task="""This function counts the parameters of a standard convolution. It is right: run the check and see. Then
break it and see what the check says. Square the kernel's height, for example, or give the bias one number for each
weight.""",
    hints=(
        "A layer stores its weights, and perhaps a bias.",
        "The weight has the shape (output channels, input channels, kernel height, kernel width); the bias has one "
        "number for each output map.",
        "Begin with the weights alone.",
    ),
    cases=((3, 32, (3, 3), False), (2, 4, (3, 3), True), (16, 8, (1, 5), True)),
    random_case=_random_filters,
    covers={
        "a bias": lambda M, N, K, bias: bias,
        "no bias": lambda M, N, K, bias: not bias,
        "a kernel that is not square": lambda M, N, K, bias: K[0] != K[1],
        "input and output channels differ": lambda M, N, K, bias: M != N,
    },
    alternative=lambda M, N, K, bias: sum(prod((M, *K)) + bias for _ in range(N)),
    mistakes=(
        Mistake(
            "forgot the bias",
            "You forgot the bias: one number more for each output map, where the layer has one.",
            lambda M, N, K, bias: M * N * K[0] * K[1],
        ),
        Mistake(
            "always a bias",
            "You counted a bias that is not there. With `bias=False` the layer has weights alone.",
            lambda M, N, K, bias: M * N * K[0] * K[1] + N,
        ),
        Mistake(
            "precedence",
            "Python reads `weights + n if bias else 0` as `(weights + n) if bias else 0`: without a bias all is "
            "gone. Write `weights + (n if bias else 0)`.",
            lambda M, N, K, bias: M * N * K[0] * K[1] + N if bias else 0,
        ),
        Mistake(
            "a bias for each kernel",
            "You gave each kernel a bias. The kernels of one output map are added up first, and then share one bias.",
            lambda M, N, K, bias: M * N * (K[0] * K[1] + bias),
        ),
        Mistake(
            "a bias for each weight",
            "You gave each weight a bias. A bias is added once all products of an output number are added up: one "
            "number for each output map.",
            lambda M, N, K, bias: M * N * K[0] * K[1] * (2 if bias else 1),
        ),
        Mistake(
            "one bias for the layer",
            "You gave the whole layer one bias. Each output map has its own.",
            lambda M, N, K, bias: M * N * K[0] * K[1] + bias,
        ),
        Mistake(
            "a bias for each input map",
            "Your bias belongs to the input maps. It is added to the output: one number for each output map.",
            lambda M, N, K, bias: M * N * K[0] * K[1] + (M if bias else 0),
        ),
        Mistake(
            "square kernel",
            "Your kernel is square: you used its height twice. Multiply height by width.",
            lambda M, N, K, bias: M * N * K[0] ** 2 + (N if bias else 0),
        ),
        Mistake(
            "square kernel, from its width",
            "Your kernel is square: you used its width twice. Multiply height by width.",
            lambda M, N, K, bias: M * N * K[1] ** 2 + (N if bias else 0),
        ),
        Mistake(
            "one kernel an output map",
            "You counted one kernel for each output map. Each needs a kernel of its own for *every* input map.",
            lambda M, N, K, bias: N * (K[0] * K[1] + bias),
        ),
        Mistake(
            "tensors counted",
            "You counted the tensors, one weight and perhaps one bias. Count their numbers: `numel()` says how many a "
            "tensor has.",
            lambda M, N, K, bias: 1 + bias,
        ),
        Mistake(
            "a bias for each tap",
            "Your bias has one number for each tap of the kernel. It is added once all products of an output number "
            "are added up: one number for each output map.",
            lambda M, N, K, bias: M * N * K[0] * K[1] + (K[0] * K[1] if bias else 0),
        ),
        Mistake(
            "height and width added",
            "You added the kernel's height and width. A kernel has height × width numbers.",
            lambda M, N, K, bias: M * N * (K[0] + K[1]) + (N if bias else 0),
        ),
    ),
    reasoning="""There is one kernel for each pair of an input and an output map, and one bias for each output map.
The size of the picture does not appear: the same weights serve every position.""",
)
def conv2d_params(in_channels, out_channels, kernel_size, bias):
    """Parameters of a standard convolution; the kernel is a pair."""
    kernel_height, kernel_width = kernel_size
    weights = kernel_height * kernel_width * in_channels * out_channels
    return weights + (out_channels if bias else 0)


# 2.2


def _random_machine(rng: Random) -> tuple:
    return rng.randint(10**6, 10**10), rng.choice((10, 50, 400, 2000, 15000))


_NETWORK = mobilenet_v1().cost


@exercise(
    title="The least time that a machine needs",
    goal=3,
    level=2,
    minutes=5,
    unit="milliseconds",
    task="""A network needs `macs` multiply-accumulates for a picture, and a machine manages `gflops` GFLOPS: billions
(10⁹) of floating-point operations per second. Fill the gap, so that the function returns the milliseconds that one
picture takes at the very least, as a float.""",
    hints=(
        "How many floating-point operations is one multiply-accumulate? Divide operations by operations per second.",
        "Time is operations divided by operations per second, and a second has a thousand milliseconds.",
        "The gap is the number of floating-point operations, an amount and not a rate.",
    ),
    stub='''
def least_milliseconds(macs, gflops):
    """Milliseconds for one picture, at the very least."""
    flops = ...  # the gap
    flops_per_second = gflops * 10**9
    return 1000 * flops / flops_per_second
''',
    cases=((_NETWORK.macs, 10), (10**9, 2000), (1, 1), (10**8, 2.5)),
    random_case=_random_machine,
    covers={"more than a second": lambda macs, gflops: 2 * macs > gflops * 10**9},
    alternative=lambda macs, gflops: sum((macs, macs)) / gflops / 1e6,
    mistakes=(
        Mistake(
            "one operation per MAC",
            "You took a MAC for one operation. It is two: a multiplication and an addition.",
            lambda macs, gflops: 1000 * macs / (gflops * 10**9),
            misconception="1 MAC = 1 FLOP",
        ),
        Mistake(
            "took FLOPS for FLOPs",
            "You took FLOPS for FLOPs. FLOPS are the machine's: operations *per second*. FLOPs are the network's: an "
            "amount.",
            lambda macs, gflops: 1000.0,
            misconception="FLOPs and FLOPS",
        ),
        Mistake(
            "halved",
            "You halved the operations. A MAC is two FLOPs, so there are more FLOPs than MACs.",
            lambda macs, gflops: 1000 * macs / 2 / (gflops * 10**9),
        ),
        Mistake(
            "seconds",
            "These are seconds. A second has a thousand milliseconds.",
            lambda macs, gflops: 2 * macs / (gflops * 10**9),
        ),
        Mistake(
            "billions of operations",
            "You counted the network's operations in billions. The next line turns the machine's billions into single "
            "operations, so count single ones here too.",
            lambda macs, gflops: 1000 * (2 * macs / 10**9) / (gflops * 10**9),
        ),
        Mistake(
            "pictures per second",
            "You divided the machine by the network: that is pictures per second.",
            lambda macs, gflops: gflops * 10**9 / (2 * macs),
        ),
        Mistake(
            "a thousand times too large",
            "Your answer is a thousand times too large. A GFLOPS is a billion operations a second, 10⁹, and a second "
            "has a thousand milliseconds: one of these steps lacks a thousand, or is taken twice.",
            lambda macs, gflops: 2 * macs / gflops / 1e3,
        ),
    ),
    reasoning=f"""One MAC is two FLOPs. Divide the network's FLOPs, an amount, by the machine's FLOPS, a rate, and
seconds are left. For MobileNet V1's {_NETWORK.macs:,} MACs on 10 GFLOPS that is {1000 * _NETWORK.flops / 10e9:.0f}
milliseconds. A real machine takes longer, because its numbers must first be fetched.""",
)
def least_milliseconds(macs, gflops):
    """Milliseconds for one picture, at the very least."""
    flops = 2 * macs
    flops_per_second = gflops * 10**9
    return 1000 * flops / flops_per_second


# 2.3


def _random_layer(rng: Random) -> tuple:
    groups = rng.choice((1, 1, 2, 4))
    channels = tuple(groups * rng.randint(1, 8) for _ in range(2))
    kernel = tuple(rng.choice((1, 2, 3, 5)) for _ in range(2))
    size = tuple(rng.randint(5, 20) for _ in range(2))
    return *channels, kernel, size, rng.choice((1, 2, 3)), rng.choice((0, 1, 2)), groups


def _macs_by_counting(in_channels, out_channels, kernel_size, input_size, stride, padding, groups):
    height, width = (size + 2 * padding for size in input_size)
    rows = len(range(0, height - kernel_size[0] + 1, stride))
    columns = len(range(0, width - kernel_size[1] + 1, stride))
    seen = in_channels // groups * kernel_size[0] * kernel_size[1]
    return sum(seen * rows * columns for _ in range(out_channels))


def _weights(M, N, K, groups=1):
    return K[0] * K[1] * M // groups * N


def _positions(size, K, stride, padding):
    return prod(conv_output_size(size, K, stride, padding))


def _without_zeros(in_channels, out_channels, kernel_size, input_size, stride, padding, groups):
    """A wrong answer: only the products with pixels of the image."""
    sides = []
    for side, kernel in zip(input_size, kernel_size, strict=True):
        starts = range(-padding, side + padding - kernel + 1, stride)
        sides.append(sum(0 <= start + tap < side for start in starts for tap in range(kernel)))
    return in_channels // groups * out_channels * prod(sides)


@exercise(
    title="The MACs of any convolution",
    goal=1,
    level=3,
    minutes=12,
    unit="MACs",
    task="""Write a function that returns the multiply-accumulates of one convolution, for one image. The kernel and
the input are pairs `(height, width)`; stride, padding and groups are single numbers.""",
    hints=(
        "How many products does *one* number of the output need? And how many numbers does the output have?",
        "One number needs kernel height × kernel width × (input channels / groups) products. There are output channels "
        "× output height × output width numbers.",
        "Begin with the output's height: `height = (input_size[0] + 2 * padding - kernel_size[0]) // stride + 1`.",
    ),
    cases=(
        (1, 1, (3, 3), (4, 4), 1, 0, 1),
        (3, 32, (3, 3), (224, 224), 2, 1, 1),
        (2, 4, (3, 3), (8, 8), 1, 1, 1),
        (32, 32, (3, 3), (112, 112), 1, 1, 32),
    ),
    random_case=_random_layer,
    covers={
        "groups > 1": lambda *case: case[6] > 1,
        "stride > 1": lambda *case: case[4] > 1,
        "a map that is not square": lambda *case: case[3][0] != case[3][1],
        "a kernel that is not square": lambda *case: case[2][0] != case[2][1],
        "padding": lambda *case: case[5] > 0,
        "no padding": lambda *case: case[5] == 0,
    },
    alternative=_macs_by_counting,
    mistakes=(
        Mistake(
            "FLOPs instead of MACs",
            "You counted FLOPs. A multiplication with its addition is *one* MAC, although it is two FLOPs.",
            lambda M, N, K, size, stride, padding, groups: (
                2 * _weights(M, N, K, groups) * _positions(size, K, stride, padding)
            ),
            misconception="1 MAC = 1 FLOP",
        ),
        Mistake(
            "input size",
            "You used the input's size. Products are made once for each pixel that is *written*: with a stride, or "
            "without padding, those are fewer.",
            lambda M, N, K, size, stride, padding, groups: _weights(M, N, K, groups) * size[0] * size[1],
            misconception="cost from the input's size although the stride is 2",
        ),
        Mistake(
            "parameters",
            "These are the weights. Each weight is used once for every pixel that the layer writes.",
            lambda M, N, K, size, stride, padding, groups: _weights(M, N, K, groups),
            misconception="parameters are proportional to compute",
        ),
        Mistake(
            "forgot the groups",
            "You forgot the groups. Each filter sees only in_channels / groups of the input maps.",
            lambda M, N, K, size, stride, padding, groups: _weights(M, N, K) * _positions(size, K, stride, padding),
        ),
        Mistake(
            "divided by the groups twice",
            "You divided by the groups twice. Each filter sees fewer maps, but there are as many filters as before.",
            lambda M, N, K, size, stride, padding, groups: (
                _weights(M // groups, N // groups, K) * _positions(size, K, stride, padding)
            ),
        ),
        Mistake(
            "counted a bias",
            "You added one operation for each number of the output, as for a bias. Here a bias is no MAC: the sum can "
            "start at it.",
            lambda M, N, K, size, stride, padding, groups: (
                (_weights(M, N, K, groups) + N) * _positions(size, K, stride, padding)
            ),
        ),
        Mistake(
            "square kernel",
            "Your kernel is square: you used its height twice. Multiply height by width.",
            lambda M, N, K, size, stride, padding, groups: (
                _weights(M, N, (K[0], K[0]), groups) * _positions(size, K, stride, padding)
            ),
        ),
        Mistake(
            "square maps",
            "Your map is square: you used the output's height twice. Work out its width too.",
            lambda M, N, K, size, stride, padding, groups: (
                _weights(M, N, K, groups) * conv_output_size(size, K, stride, padding)[0] ** 2
            ),
        ),
        Mistake(
            "forgot the padding",
            "You forgot the padding. It makes room for more places of the kernel, and its zeros are multiplied too.",
            lambda M, N, K, size, stride, padding, groups: _weights(M, N, K, groups) * _positions(size, K, stride, 0),
        ),
        Mistake(
            "padding on one side",
            "You padded one side only. The padding lies left and right, above and below: count it twice.",
            lambda M, N, K, size, stride, padding, groups: (
                _weights(M, N, K, groups) * prod(map(lambda side, k: (side + padding - k) // stride + 1, size, K))
            ),
        ),
        Mistake(
            "forgot the stride",
            "You forgot the stride. The kernel does not stop at every pixel, and it works only where it stops.",
            lambda M, N, K, size, stride, padding, groups: _weights(M, N, K, groups) * _positions(size, K, 1, padding),
        ),
        Mistake(
            "forgot the first place",
            "You counted the steps between the kernel's places. There is one place more than steps: the first.",
            lambda M, N, K, size, stride, padding, groups: (
                _weights(M, N, K, groups) * prod(map(lambda side, k: (side + 2 * padding - k) // stride, size, K))
            ),
        ),
        Mistake(
            "size divided by stride",
            "You divided the input's size by the stride. That is the output's size only where the padding makes up for "
            "the kernel.",
            lambda M, N, K, size, stride, padding, groups: (
                _weights(M, N, K, groups) * (size[0] // stride) * (size[1] // stride)
            ),
        ),
        Mistake(
            "input size over the stride squared",
            "You divided the input's pixels by the squared stride. Each side is rounded for itself, and padding "
            "and kernel have a say.",
            lambda M, N, K, size, stride, padding, groups: _weights(M, N, K, groups) * (size[0] * size[1] // stride**2),
        ),
        Mistake(
            "multiplications and additions",
            "You counted the products and the additions between them. A multiplication with its addition is one MAC.",
            lambda M, N, K, size, stride, padding, groups: (
                (2 * _weights(M, 1, K, groups) - 1) * N * _positions(size, K, stride, padding)
            ),
            misconception="1 MAC = 1 FLOP",
        ),
        Mistake(
            "groups for output channels",
            "You took the groups for the output channels. The layer writes out_channels maps; the groups say how "
            "few of the input maps a filter sees.",
            lambda M, N, K, size, stride, padding, groups: (
                K[0] * K[1] * (M // groups) * groups * _positions(size, K, stride, padding)
            ),
        ),
        Mistake(
            "a pointwise step as well",
            "You added a pointwise step to the layer with groups. The exercise asks for one convolution, and it has no "
            "second step.",
            lambda M, N, K, size, stride, padding, groups: (
                (_weights(M, N, K, groups) + (M * N if groups > 1 else 0)) * _positions(size, K, stride, padding)
            ),
        ),
        Mistake(
            "one output map",
            "You counted one output map. The layer writes out_channels of them, each with kernels of its own.",
            lambda M, N, K, size, stride, padding, groups: (
                _weights(M, 1, K, groups) * _positions(size, K, stride, padding)
            ),
        ),
        Mistake(
            "one input map",
            "You counted one input map. A filter has a kernel for each of the in_channels / groups maps that it sees.",
            lambda M, N, K, size, stride, padding, groups: _weights(1, N, K) * _positions(size, K, stride, padding),
        ),
        Mistake(
            "the kernel takes room",
            "You divided the padded size by the stride. The kernel itself takes room: take its side off first.",
            lambda M, N, K, size, stride, padding, groups: (
                _weights(M, N, K, groups) * prod((side + 2 * padding) // stride + 1 for side in size)
            ),
        ),
        Mistake(
            "groups taken for depthwise",
            "You took every layer with groups for a depthwise one. Only with as many groups as channels does a filter "
            "see a single map.",
            lambda M, N, K, size, stride, padding, groups: (
                (_weights(M, N, K) if groups == 1 else _weights(M, 1, K)) * _positions(size, K, stride, padding)
            ),
        ),
        Mistake(
            "without the padding's zeros",
            "You left out the products with the padding's zeros. The layer multiplies them as well: each place of the "
            "kernel costs the same, at the edge too.",
            _without_zeros,
        ),
    ),
    reasoning="""One number of the output is a sum of products, one for each number under the kernel in each map that
the filter sees. The output has `out_channels` maps of `height * width` numbers. Multiply the two counts.""",
)
def conv2d_macs(
    in_channels,
    out_channels,
    kernel_size,
    input_size,
    stride,
    padding,
    groups,
):
    """MACs of a convolution for one image; kernel and input are pairs."""
    height = (input_size[0] + 2 * padding - kernel_size[0]) // stride + 1
    width = (input_size[1] + 2 * padding - kernel_size[1]) // stride + 1
    products = kernel_size[0] * kernel_size[1] * in_channels // groups
    return products * out_channels * height * width


# 2.4


def _random_batch(rng: Random) -> tuple:
    weight = rng.randint(1, 8), rng.randint(1, 8), rng.choice((1, 3, 5)), rng.choice((1, 3, 5))
    output = rng.randint(1, 16), weight[0], rng.randint(1, 12), rng.randint(1, 12)
    return weight, output, rng.random() < 0.5


def _sheet(params_of, macs_of):
    """An answer with these parameters and MACs, as functions of weights, filters, pixels, pictures and the bias."""

    def answer(weight_shape, output_shape, bias):
        pictures, filters, height, width = output_shape
        numbers = prod(weight_shape), filters, height * width, pictures, bias
        return params_of(*numbers), macs_of(*numbers)

    return answer


def _right_params(weights, filters, pixels, pictures, bias):
    return weights + filters * bias


def _right_macs(weights, filters, pixels, pictures, bias):
    return weights * pixels


def _shrunk(weight_shape, output_shape):
    return prod(side - kernel + 1 for side, kernel in zip(output_shape[2:], weight_shape[2:], strict=True))


@exercise(
    title="A data sheet from two shapes",
    goal=4,
    level=3,
    minutes=10,
    task="""A colleague ran a standard convolution once and wrote down two shapes: that of its weight, `(out_channels,
in_channels, kernel height, kernel width)`, and that of its output, `(batch, out_channels, height, width)`. Return
what belongs on the layer's data sheet: the pair (parameters, MACs). `bias` says whether the layer has one.""",
    hints=(
        "Which of the numbers describe the layer, and which only how the colleague happened to run it?",
        "Parameters are the weights and one bias for each output map. MACs are the weights times the pixels of *one* "
        "output map, for one picture.",
        "Take the output's shape apart: `_, out_channels, height, width = output_shape`.",
    ),
    cases=(
        ((4, 2, 3, 3), (1, 4, 8, 8), False),
        ((4, 2, 3, 3), (8, 4, 8, 8), True),
        ((32, 3, 3, 3), (16, 32, 112, 112), False),
    ),
    random_case=_random_batch,
    covers={
        "a batch": lambda weight, output, bias: output[0] > 1,
        "a bias": lambda weight, output, bias: bias,
        "no bias": lambda weight, output, bias: not bias,
        "a map that is not square": lambda weight, output, bias: output[2] != output[3],
    },
    alternative=lambda weight, output, bias: (
        sum(prod(weight[1:]) + bias for _ in range(weight[0])),
        prod(weight[1:]) * prod(output) // output[0],
    ),
    mistakes=(
        Mistake(
            "MACs of the batch",
            "You stated the MACs of the whole batch. The MACs of a *model* are those of one picture, however many you "
            "send together.",
            _sheet(_right_params, lambda *n: _right_macs(*n) * n[3]),
            misconception="batch size changes the model's MACs",
        ),
        Mistake(
            "parameters of the batch",
            "You multiplied the parameters by the batch. All pictures share the same weights.",
            _sheet(lambda *n: _right_params(*n) * n[3], _right_macs),
        ),
        Mistake(
            "everything times the batch",
            "You multiplied both numbers by the batch. The layer and its cost for one picture do not know it.",
            _sheet(lambda *n: _right_params(*n) * n[3], lambda *n: _right_macs(*n) * n[3]),
        ),
        Mistake(
            "a bias is a MAC",
            "You counted the bias as MACs. The sum starts at the bias instead of at zero: nothing is multiplied.",
            _sheet(_right_params, lambda *n: _right_macs(*n) + n[1] * n[2] * n[4]),
        ),
        Mistake(
            "forgot the bias",
            "You forgot the bias among the parameters: one number for each output map, where the layer has one.",
            _sheet(lambda weights, *_: weights, _right_macs),
        ),
        Mistake(
            "always a bias",
            "You counted a bias that is not there. With `bias=False` the layer has weights alone.",
            _sheet(lambda weights, filters, *_: weights + filters, _right_macs),
        ),
        Mistake(
            "FLOPs instead of MACs",
            "You gave FLOPs. A multiplication with its addition is *one* MAC, although it is two FLOPs.",
            _sheet(_right_params, lambda *n: 2 * _right_macs(*n)),
            misconception="1 MAC = 1 FLOP",
        ),
        Mistake(
            "one bias for the layer",
            "You gave the whole layer one bias. Each output map has its own.",
            _sheet(lambda weights, filters, pixels, pictures, bias: weights + bias, _right_macs),
        ),
        Mistake(
            "a bias for each input map",
            "Your bias belongs to the input maps. It is added to the output: one number for each output map.",
            lambda weight, output, bias: (
                prod(weight) + (weight[1] if bias else 0),
                prod(weight) * output[2] * output[3],
            ),
        ),
        Mistake(
            "precedence",
            "Python reads `weights + n if bias else 0` as `(weights + n) if bias else 0`: without a bias all is "
            "gone. Write `weights + (n if bias else 0)`.",
            _sheet(lambda weights, filters, pixels, pictures, bias: weights + filters if bias else 0, _right_macs),
        ),
        Mistake(
            "the input channels left out",
            "You left the input channels out of both numbers. The weight has a kernel for each pair of an output "
            "and an input map.",
            lambda weight, output, bias: (
                prod(weight) // weight[1] + (weight[0] if bias else 0),
                prod(weight) // weight[1] * output[2] * output[3],
            ),
        ),
        Mistake(
            "MACs of one map",
            "You counted the MACs of one output map. The layer writes out_channels of them.",
            _sheet(_right_params, lambda *n: _right_macs(*n) // n[1]),
        ),
        Mistake(
            "output channels twice",
            "You multiplied by all numbers of the output. The weights have the output channels in them already.",
            _sheet(_right_params, lambda *n: _right_macs(*n) * n[1]),
        ),
        Mistake(
            "all numbers of the output",
            "You multiplied the weights by all numbers of the output. Of its shape only height and width count: the "
            "weights have the output channels in them already, and the batch is no part of the layer.",
            _sheet(_right_params, lambda *n: _right_macs(*n) * n[1] * n[3]),
        ),
        Mistake(
            "a MAC for each output",
            "You gave the numbers of the output as MACs. Each of them takes as many products as a filter has weights.",
            lambda weight, output, bias: (prod(weight) + (weight[0] if bias else 0), prod(output)),
        ),
        Mistake(
            "one kernel's MACs",
            "Your MACs are those of a single kernel. There is one for each pair of an output and an input map.",
            lambda weight, output, bias: (
                prod(weight) + (weight[0] if bias else 0),
                weight[2] * weight[3] * output[2] * output[3],
            ),
        ),
        Mistake(
            "added instead of multiplied",
            "You added the numbers of the weight's shape. The weights are their product.",
            lambda weight, output, bias: (
                sum(weight) + (weight[0] if bias else 0),
                sum(weight) * output[2] * output[3],
            ),
        ),
        Mistake(
            "swapped",
            "You swapped the two numbers: parameters come first, then MACs.",
            _sheet(_right_macs, _right_params),
        ),
        Mistake(
            "a bias for each pixel",
            "You gave each number of the output a bias. All pixels of an output map share one.",
            _sheet(lambda weights, filters, pixels, pictures, bias: weights + filters * pixels * bias, _right_macs),
        ),
        Mistake(
            "MACs without the pixels",
            "Your MACs are the weights. Each weight is used once for every pixel of the output.",
            _sheet(_right_params, lambda weights, *_: weights),
        ),
        Mistake(
            "weights of one filter",
            "You counted the weights of one filter. The layer has `out_channels` of them, each with weights of its "
            "own.",
            _sheet(lambda *n: _right_params(n[0] // n[1], *n[1:]), lambda *n: _right_macs(*n) // n[1]),
        ),
        Mistake(
            "the size formula on the output",
            "You shrank the output by the kernel once more. The second shape is that of the *output* already: count "
            "its pixels as they are.",
            lambda weight, output, bias: (prod(weight) + weight[0] * bias, prod(weight) * _shrunk(weight, output)),
        ),
        Mistake(
            "a square map",
            "You squared the output's height. A map need not be square: multiply height by width.",
            lambda weight, output, bias: (prod(weight) + weight[0] * bias, prod(weight) * output[2] ** 2),
        ),
        Mistake(
            "MACs without the input channels",
            "Your MACs leave the input channels out. Each number of the output adds up products over all of them.",
            lambda weight, output, bias: (
                prod(weight) + weight[0] * bias,
                prod(weight) // weight[1] * output[2] * output[3],
            ),
        ),
    ),
    reasoning="""The weight's shape gives the weights, and its first number the biases. Each weight is used once for
every pixel of an output map, which gives the MACs for one picture. The batch says only how many pictures the
colleague sent at once; it is on no data sheet.""",
)
def data_sheet(weight_shape, output_shape, bias):
    """Parameters and MACs of a layer, as a pair."""
    _, out_channels, height, width = output_shape
    weights = 1
    for side in weight_shape:
        weights *= side
    params = weights + (out_channels if bias else 0)
    return params, weights * height * width


# 2.5


def _random_budget(rng: Random) -> tuple:
    M, N, K, stride = rng.randint(1, 4), rng.randint(1, 16), rng.choice((1, 3, 5)), rng.choice((1, 2, 3))
    if rng.random() < 0.15:
        return M, N, K, stride, K * K * M * N - 1  # not even one pixel
    side = rng.randint(K, 40)
    macs = conv2d_cost(M, N, K, side, stride=stride, padding=K // 2).macs
    return M, N, K, stride, macs + rng.choice((0, 0, -1, 1, macs // 10))


def _solved(out_channels, in_channels, K, stride, budget):
    pixels = budget // (K * K * in_channels * out_channels)
    output = max(side for side in range(pixels + 1) if side * side <= pixels)
    return output * stride + K - 2 * (K // 2) - 1 if output else 0


def _searched(M, N, K, stride, budget, cost):
    side = 0
    while cost(side + 1, M, N, K, stride) <= budget:
        side += 1
    return side


def _layer_macs(side, M, N, K, stride):
    return conv2d_cost(M, N, K, side, stride=stride, padding=K // 2).macs


def _from_the_kernel_on(M, N, K, stride, budget):
    side = K
    while K * K * M * N * ((side - K) // stride + 1) ** 2 <= budget:
        side += 1
    return side - 1 if side > K else 0


@exercise(
    title="A client asks: how large may the pictures be?",
    goal=2,
    level=4,
    minutes=15,
    unit="pixels",
    task="""A client's chip can spend `budget` MACs on the first layer of a network. The layer has square kernels with
an odd side, padding `kernel_size // 2` and the given stride. Return the side of the largest *square* picture that
stays within the budget, or 0 if not even one pixel fits.""",
    hints=(
        "You can compute the cost for any side. Which sides are worth trying?",
        "The cost is kernel² × input channels × output channels × output side², and it never falls as the picture "
        "grows.",
        "Start at `side = 0` and look at `side + 1` for as long as that is affordable.",
    ),
    cases=(
        (3, 32, 3, 2, 10_838_016),
        (3, 32, 3, 2, 10_838_015),
        (1, 1, 1, 1, 100),
        (3, 8, 3, 1, 5),
        (1, 1, 1, 1500, 100),
    ),
    random_case=_random_budget,
    covers={
        "stride > 1": lambda *case: case[3] > 1,
        "exactly on budget": lambda *case: _layer_macs(_solved(case[1], case[0], *case[2:]) or 1, *case[:4]) == case[4],
        "less than all of the budget": lambda *case: (
            _layer_macs(max(1, _solved(case[1], case[0], *case[2:])), *case[:4]) < case[4]
        ),
    },
    alternative=lambda M, N, K, stride, budget: _solved(N, M, K, stride, budget),
    mistakes=(
        Mistake(
            "input size",
            "This is the side of the *output* that you can afford. The layer pays for the pixels that it writes; with "
            "a stride those are fewer than the picture's, so the picture may be larger.",
            lambda *case: _searched(*case, lambda side, M, N, K, stride: K * K * M * N * side * side),
            misconception="cost from the input's size although the stride is 2",
        ),
        Mistake(
            "a budget of FLOPs",
            "You counted 2 for every MAC. The budget is in MACs, not in FLOPs.",
            lambda *case: _searched(*case, lambda side, *layer: 2 * _layer_macs(side, *layer)),
            misconception="1 MAC = 1 FLOP",
        ),
        Mistake(
            "one too large",
            "Your picture is one pixel too large: its layer costs more than the budget.",
            lambda M, N, K, stride, budget: _solved(N, M, K, stride, budget) + 1,
        ),
        Mistake(
            "budget must be left over",
            "A layer that costs exactly the budget is within it.",
            lambda *case: _searched(*case, lambda side, *layer: _layer_macs(side, *layer) + 1),
        ),
        Mistake(
            "side squared",
            "You counted one side of the map. The pixels are side times side, so twice the side costs four times as "
            "much.",
            lambda *case: _searched(
                *case, lambda side, M, N, K, stride: K * K * M * N * conv_output_size(side, K, stride, K // 2)
            ),
        ),
        Mistake(
            "the output's side turned back",
            "You turned the output's side back into `(output - 1) * stride + 1`. A picture up to `stride - 1` "
            "pixels larger has the same output: with a stride, the exercise asks for the largest.",
            lambda M, N, K, stride, budget: max(0, (_solved(N, M, K, 1, budget) - 1) * stride + 1),
        ),
        Mistake(
            "the output's side times the stride, less one",
            "Your pictures are a pixel or more too small. With the largest output, read the size formula "
            "backwards for the *largest* input that still gives it.",
            lambda M, N, K, stride, budget: max(0, (_solved(N, M, K, 1, budget) - 1) * stride),
        ),
        Mistake(
            "None for 0",
            "Where no picture is affordable, return 0. Your function returns None there.",
            lambda M, N, K, stride, budget: _solved(N, M, K, stride, budget) or None,
        ),
        Mistake(
            "no further than 224",
            "You stopped at 224 pixels. The largest picture may have any side: search until the budget is spent.",
            lambda M, N, K, stride, budget: min(224, _solved(N, M, K, stride, budget)),
        ),
        Mistake(
            "kernel not squared",
            "You counted one side of the kernel. A square kernel has kernel_size² numbers.",
            lambda *case: _searched(*case, lambda side, M, N, K, stride: _layer_macs(side, M, N, K, stride) // K),
        ),
        Mistake(
            "no padding",
            "You left the padding out. It makes the output larger, so the picture must be smaller.",
            lambda *case: _searched(
                *case, lambda side, M, N, K, stride: K * K * M * N * ((side - K) // stride + 1) ** 2
            ),
        ),
        Mistake(
            "padding 1 for every kernel",
            "You padded by 1 whatever the kernel is. Here the padding is `kernel_size // 2`.",
            lambda *case: _searched(
                *case, lambda side, M, N, K, stride: K * K * M * N * ((side + 2 - K) // stride + 1) ** 2
            ),
        ),
        Mistake(
            "the cost itself",
            "You returned what the layer costs. The exercise asks for the side of the picture.",
            lambda M, N, K, stride, budget: K * K * M * N * isqrt(budget // (K * K * M * N)) ** 2,
        ),
        Mistake(
            "no padding, and no negative maps",
            "You forgot the padding: `kernel_size // 2` pixels on each side of the picture.",
            lambda *case: _searched(
                *case, lambda side, M, N, K, stride: K * K * M * N * max(0, (side - K) // stride + 1) ** 2
            ),
        ),
        Mistake(
            "the padding on one side",
            "You padded one side only. The padding lies left and right, above and below: count it twice.",
            lambda *case: _searched(
                *case, lambda side, M, N, K, stride: K * K * M * N * max(0, (side - K // 2 - 1) // stride + 1) ** 2
            ),
        ),
        Mistake(
            "a root times the stride",
            "You multiplied the output's side by the stride before you rounded it. A map has a whole number of pixels: "
            "round the root first.",
            lambda M, N, K, stride, budget: int(sqrt(budget / (K * K * M * N)) * stride),
        ),
        Mistake(
            "a root that is not rounded",
            "You did not round: your picture has a part of a pixel. The output's side is a whole number, so round the "
            "root down, then turn it into the picture's side.",
            lambda M, N, K, stride, budget: sqrt(budget / (K * K * M * N)) * stride,
        ),
        Mistake(
            "no padding, from the kernel's side on",
            "You forgot the padding, and so you look at no picture smaller than the kernel. With `kernel_size // 2` "
            "pixels on each side the output has as many pixels as the picture, at stride 1.",
            _from_the_kernel_on,
        ),
    ),
    reasoning="""The cost grows with the output's side in steps, so trying one side after the other finds the last one
that is affordable. You can also solve for it: the affordable pixels are budget / (kernel² × input channels × output
channels), their square root rounded down is the output's side, and the size formula read backwards gives the largest
input with that output.""",
)
def largest_picture(in_channels, out_channels, kernel_size, stride, budget):
    """Side of the largest square picture within a budget of MACs."""
    weights = kernel_size**2 * in_channels * out_channels
    side = 0
    while True:
        padded = side + 1 + 2 * (kernel_size // 2)
        output = (padded - kernel_size) // stride + 1
        if weights * output**2 > budget:
            return side
        side += 1


# 2.6


def _random_network(rng: Random) -> tuple:
    layers = [
        (2 ** rng.randint(3, 7), rng.randint(8, 130), rng.choice((1, 3, 5)), rng.choice((3, 7, 14, 28, 56)))
        for _ in range(rng.randint(2, 6))
    ]
    if rng.random() < 0.25:
        layers.append(layers[_ranked(layers)[1]])  # a tie
    return (tuple(layers),)


def _first_max(values):
    return values.index(max(values))


def _most(weigh_params, weigh_macs):
    def answer(layers):
        return _first_max([weigh_params(*each) for each in layers]), _first_max([weigh_macs(*each) for each in layers])

    return answer


def _ranked(layers):
    costs = [conv2d_cost(M, N, K, size, padding=K // 2) for M, N, K, size in layers]
    order = range(len(layers))
    return max(order, key=lambda i: (costs[i].params, -i)), max(order, key=lambda i: (costs[i].macs, -i))


@exercise(
    title="A client asks: which layer must shrink?",
    goal=5,
    level=4,
    minutes=10,
    task="""Two clients use the same network. For one it is too large to download, for the other too slow. Each
layer is `(in_channels, out_channels, kernel_size, output_size)`, with square kernels and maps and no bias. Return two
positions in the list, counted from 0: that of the layer with the most weights, and that of the layer with the most
MACs. Where two layers tie, the earlier one counts.""",
    hints=(
        "Two questions, two lists of numbers. When do they have their largest number in the same place?",
        "Weights are kernel² × input channels × output channels; MACs are weights × output size².",
        "Begin with a list of the weights, `[... for M, N, K, size in layers]`; `index` finds where a number stands.",
    ),
    cases=(
        (((32, 64, 3, 112), (512, 512, 3, 7)),),
        (((32, 64, 3, 112), (512, 1024, 3, 7)),),
        (((128, 128, 3, 56), (1024, 1024, 3, 7)),),
        (((8, 8, 1, 4), (8, 8, 1, 4)),),
        (((16, 4, 1, 7), (4, 16, 1, 7)),),  # a tie, which a bias for each output map would break
    ),
    random_case=_random_network,
    covers={
        "two different layers": lambda layers: len(set(_ranked(layers))) == 2,
        "the same layer twice": lambda layers: len(set(_ranked(layers))) == 1,
        "kernels of two sizes": lambda layers: len({layer[2] for layer in layers}) > 1,
        "a tie": lambda layers: len(set(layers)) < len(layers),
    },
    alternative=_ranked,
    mistakes=(
        Mistake(
            "most parameters, so most compute",
            "You took the layer with the most weights for the slowest. A weight works once for each pixel of its map, "
            "and the maps differ.",
            _most(lambda M, N, K, size: M * N * K * K, lambda M, N, K, size: M * N * K * K),
            misconception="parameters are proportional to compute",
        ),
        Mistake(
            "most compute, so most parameters",
            "You took the layer with the most MACs for the largest. What must be downloaded are the weights; a pixel "
            "weighs nothing.",
            _most(lambda M, N, K, size: M * N * K * K * size**2, lambda M, N, K, size: M * N * K * K * size**2),
        ),
        Mistake(
            "swapped",
            "You swapped the two: the layer with the most weights comes first.",
            _most(lambda M, N, K, size: M * N * K * K * size**2, lambda M, N, K, size: M * N * K * K),
        ),
        Mistake(
            "channels alone",
            "You looked at the channels alone. A 5×5 kernel has 25 times the weights of a 1×1 kernel.",
            _most(lambda M, N, K, size: M * N, lambda M, N, K, size: M * N * size**2),
        ),
        Mistake(
            "one side of the map",
            "You multiplied by one side of the map. A map has side times side pixels.",
            _most(lambda M, N, K, size: M * N * K * K, lambda M, N, K, size: M * N * K * K * size),
        ),
        Mistake(
            "one side of the kernel",
            "You multiplied by one side of the kernel. A square kernel has side times side numbers.",
            _most(lambda M, N, K, size: M * N * K, lambda M, N, K, size: M * N * K * size**2),
        ),
        Mistake(
            "MACs without the kernel",
            "You left the kernel out of the MACs. They are the weights, kernel and all, times the pixels.",
            _most(lambda M, N, K, size: M * N * K * K, lambda M, N, K, size: M * N * size * size),
        ),
        Mistake(
            "the largest map",
            "You took the layer that writes most for the busiest. Each number that it writes takes kernel² × input "
            "channels products.",
            _most(lambda M, N, K, size: M * N * K * K, lambda M, N, K, size: N * size * size),
        ),
        Mistake(
            "the fewest",
            "You found the layers with the fewest. The clients ask which layers have the most.",
            _most(lambda M, N, K, size: -M * N * K * K, lambda M, N, K, size: -M * N * K * K * size * size),
        ),
        Mistake(
            "the later of two",
            "Your answer is right except for ties. Where two layers have the same number, the earlier one counts.",
            lambda layers: tuple(len(layers) - 1 - place for place in _ranked(layers[::-1])),
        ),
        Mistake(
            "the numbers themselves",
            "You returned the largest numbers of weights and of MACs. The exercise asks for the positions of those "
            "layers; `index` finds them.",
            lambda layers: (
                max(M * N * K * K for M, N, K, _ in layers),
                max(M * N * K * K * size**2 for M, N, K, size in layers),
            ),
        ),
        Mistake(
            "the layers themselves",
            "You returned the layers. The exercise asks for their positions in the list.",
            lambda layers: tuple(layers[place] for place in _ranked(layers)),
        ),
        Mistake(
            "counted from 1",
            "You counted positions from 1. Python counts from 0.",
            lambda layers: tuple(place + 1 for place in _ranked(layers)),
        ),
        Mistake(
            "weights without the kernel",
            "You left the kernel out of the weights. A layer has kernel² × input channels × output channels of them.",
            _most(lambda M, N, K, size: M * N, lambda M, N, K, size: M * N * K * K * size * size),
        ),
        Mistake(
            "maps shrunk by the kernel",
            "You shrank the maps by the kernel. The last number of a layer is the side of its *output*: count its "
            "pixels as they are.",
            _most(lambda M, N, K, size: M * N * K * K, lambda M, N, K, size: M * N * K * K * (size - K + 1) ** 2),
        ),
        Mistake(
            "the largest side",
            "You took the layer with the largest map for the busiest. Each pixel costs kernel² × input channels × "
            "output channels MACs.",
            _most(lambda M, N, K, size: M * N * K * K, lambda M, N, K, size: size),
        ),
        Mistake(
            "MACs of one output map",
            "You left the output channels out of the MACs. Each output map costs as much again.",
            _most(lambda M, N, K, size: M * N * K * K, lambda M, N, K, size: M * K * K * size * size),
        ),
        Mistake(
            "weights without the output channels",
            "You left the output channels out of the weights. Each output map has kernels of its own.",
            _most(lambda M, N, K, size: M * K * K, lambda M, N, K, size: M * N * K * K * size * size),
        ),
        Mistake(
            "weights without the input channels",
            "You left the input channels out of the weights. An output map has a kernel for each of them.",
            _most(lambda M, N, K, size: N * K * K, lambda M, N, K, size: M * N * K * K * size * size),
        ),
        Mistake(
            "MACs without the input channels",
            "You left the input channels out of the MACs. Each number of the output adds up products over all of them.",
            _most(lambda M, N, K, size: M * N * K * K, lambda M, N, K, size: N * K * K * size * size),
        ),
    ),
    reasoning="""The weights decide how much there is to download; the MACs, weights times pixels, decide how long it
takes at least. Late layers have many weights and few pixels, early layers the reverse, so the two lists seldom
have their largest number in the same place.""",
)
def heaviest_and_busiest(layers):
    """Positions of the layers with the most weights and most MACs."""
    weights = [K * K * M * N for M, N, K, size in layers]
    pixels = [size * size for _, _, _, size in layers]
    macs = [weights[i] * pixels[i] for i in range(len(layers))]
    return weights.index(max(weights)), macs.index(max(macs))


_FIRST = conv2d_cost(3, 32, 3, 224, stride=2, padding=1)

ESSAYS = (
    Essay(
        title="Halve the map, double the channels",
        goal=2,
        minutes=10,
        task="""A layer maps $C$ channels to $C$ channels on a map of $I \\times I$ pixels, with a kernel of side $K$,
stride 1 and padding that keeps the size. Later, the network halves the side of the map and doubles the channels.
Derive what happens to the layer's MACs, to its weights, and to the number of values that it writes. Why do so many
networks do it?""",
        good_answer="""The MACs are $K^2 C^2 I^2$. With $2C$ and $I/2$ they become $K^2 \\cdot 4C^2 \\cdot I^2/4$: the
same. The weights $K^2 C^2$ become four times as many. The values written, $C I^2$, become half as many.

A good answer then says why that is wanted: the work stays evenly spread, so no layer takes most of it; the maps need
less memory as the network gets deeper; and there are more channels where fewer places are left to tell apart. It may
also say what it costs: the weights gather in the last layers.""",
    ),
    Essay(
        title="Two numbers for one network",
        goal=3,
        minutes=10,
        task=f"""A data sheet says that a network's first layer needs {_FIRST.flops / 1e6:.1f} million FLOPs; a paper
says {_FIRST.macs / 1e6:.1f} million for the same layer. Name the likeliest reason, and two more conventions in which
careful people differ. What would you write on your own data sheet, so that nobody has to guess?""",
        good_answer=f"""The one is twice the other, so the likeliest reason is that the paper counts
multiply-accumulates ({_FIRST.macs:,} MACs) and the data sheet counts multiplications and additions separately
({_FIRST.flops:,} FLOPs). More conventions that differ: whether a bias counts one operation for each number of the
output; whether batch norm, activations and pooling count; whether products with the padding's zeros count; one picture
or a batch; the picture's size.

A good data sheet names the unit (MACs or FLOPs), what was counted and what was not, the picture's size, and that the
number is for one picture. The best one names the tool as well, so that others can repeat the count.""",
    ),
)
