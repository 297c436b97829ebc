"""Exercises of chapter 1, a standard convolution."""

from __future__ import annotations

from itertools import product
from math import prod
from random import Random

from mobilenet_edu.cost import conv_output_size
from mobilenet_edu.exercises._engine import Essay, Mistake, exercise
from mobilenet_edu.exercises._later import F, nn, torch

# 1.1


def _random_side(rng: Random) -> tuple:
    kernel = rng.randint(1, 5)
    return kernel + rng.randint(0, 9), kernel, rng.randint(1, 3), rng.randint(0, 2)


def _number_of_starts(size, kernel, stride, padding):
    return sum(1 for start in range(0, size + 2 * padding, stride) if start + kernel <= size + 2 * padding)


@exercise(
    title="How many places the kernel has",
    goal=4,
    level=1,
    minutes=5,
    task="""This function gives the output size along one side. It is right: run the check and see. Then break it, run
both cells again and read what the check says. Leave out the `2 *`, for example, or the `+ 1`, or divide with `/`.""",
    hints=(
        "The kernel's first pixel stands at 0, then a stride further, and so on, as long as the kernel fits.",
        "The last start that fits is the padded size less the kernel. Count the steps to it, and the start at 0.",
        "Write down the padded size first: the padding lies on both sides.",
    ),
    cases=((6, 3, 1, 0), (6, 3, 1, 1), (6, 3, 2, 1), (224, 3, 2, 1), (5, 5, 1, 0), (7, 2, 4, 0), (1, 1, 1, 0)),
    random_case=_random_side,
    covers={
        "a stride that leaves a rest": lambda size, K, S, P: (size + 2 * P - K) % S > 0,
        "padding": lambda size, K, S, P: P > 0,
        "a kernel as large as the padded map": lambda size, K, S, P: size + 2 * P == K,
    },
    alternative=_number_of_starts,
    mistakes=(
        Mistake(
            "padding on one side",
            "You padded one side only. The padding lies left and right, above and below: count it twice.",
            lambda size, K, S, P: (size + P - K) // S + 1,
        ),
        Mistake(
            "forgot the padding",
            "You left out the padding. It makes the row longer on both sides before the kernel slides over it.",
            lambda size, K, S, P: (size - K) // S + 1,
        ),
        Mistake(
            "forgot the first place",
            "You counted the steps between the places. There is one place more than steps: the first.",
            lambda size, K, S, P: (size + 2 * P - K) // S,
        ),
        Mistake(
            "rounded up",
            "You rounded up. A place where the kernel hangs over the edge does not count: half a step is no step.",
            lambda size, K, S, P: -(-(size + 2 * P - K) // S) + 1,
        ),
        Mistake(
            "size divided by stride",
            "You divided the size by the stride. That is right only where the padding makes up for the kernel's width.",
            lambda size, K, S, P: -(-size // S),
        ),
        Mistake(
            "size divided by stride, rounded down",
            "`size // stride` knows neither the kernel nor the padding. It is right only where the two cancel.",
            lambda size, K, S, P: size // S,
        ),
        Mistake(
            "forgot the stride",
            "You forgot the stride: the kernel does not stop at every pixel.",
            lambda size, K, S, P: size + 2 * P - K + 1,
        ),
        Mistake(
            "the first place inside of the division",
            "You added the 1 before you divided. Count the steps first, `last_start // stride`; the first place "
            "is added to them, and no stride divides it.",
            lambda size, K, S, P: (size + 2 * P - K + 1) // S,
        ),
        Mistake(
            "divided with /",
            "You divided with `/`, so where there is a remainder your answer is not a whole number. Half a step is no "
            "step: `//` drops it.",
            lambda size, K, S, P: (size + 2 * P - K) / S + 1,
        ),
        Mistake(
            "rounded to the nearest",
            "You rounded to the nearest whole number. Half a step is no step, and neither is nine tenths of one: "
            "round down, with `//`.",
            lambda size, K, S, P: round((size + 2 * P - K) / S) + 1,
        ),
        Mistake(
            "the transposed convolution",
            "This is the size after a *transposed* convolution, which goes from a small map back to a large one. Here "
            "the kernel slides over `size + 2 * padding` pixels.",
            lambda size, K, S, P: (size - 1) * S - 2 * P + K,
        ),
        Mistake(
            "the last place left out",
            "You left out the last place where the kernel just fits. It may end with the padded row: at most, `<=`.",
            lambda size, K, S, P: max(0, -(-(size + 2 * P - K) // S)),
        ),
    ),
    reasoning="""The padded row has `size + 2 * padding` pixels. The kernel needs `kernel` of them, so its first pixel
can stand anywhere from 0 to `last_start`. In steps of `stride` that makes `last_start // stride` steps, and one place
more than steps.""",
)
def output_side(size, kernel, stride, padding):
    """Size of the output along one side."""
    last_start = size + 2 * padding - kernel
    return last_start // stride + 1


# 1.2


def _grid(rng: Random, height: int, width: int) -> list[list[int]]:
    return [[rng.randint(-4, 4) for _ in range(width)] for _ in range(height)]


def _random_map(rng: Random) -> tuple:
    kernel = rng.randint(1, 3)
    stride = rng.randint(1, 3)
    return _grid(rng, rng.randint(kernel, 7), rng.randint(kernel, 7)), _grid(rng, kernel, kernel), stride


def _slid(image, kernel, stride):
    K = len(kernel)
    rows, columns = (range(0, side - K + 1, stride) for side in (len(image), len(image[0])))
    taps = list(product(range(K), range(K)))
    return [[sum(image[y + i][x + j] * kernel[i][j] for i, j in taps) for x in columns] for y in rows]


def _turned(kernel):
    return [row[::-1] for row in kernel[::-1]]


def _transposed(kernel):
    return [list(column) for column in zip(*kernel, strict=True)]


def _summed(image, kernel, stride, place):
    """A wrong answer, which may leave the image: ``place(y, x, i, j, stride)`` is the pixel that it takes."""
    K, output = len(kernel), []
    for y in range((len(image) - K) // stride + 1):
        output.append([])
        for x in range((len(image[0]) - K) // stride + 1):
            pixels = [[place(y, x, i, j, stride) for j in range(K)] for i in range(K)]
            output[-1].append(
                sum(kernel[i][j] * image[row][column] for i in range(K) for j, (row, column) in enumerate(pixels[i]))
            )
    return output


def _without_the_last(kernel):
    last = len(kernel) - 1
    return [[0 if last in (i, j) else number for j, number in enumerate(row)] for i, row in enumerate(kernel)]


def _overlapping(image, kernel, stride):
    whole = _slid(image, kernel, 1)
    rows, columns = -(-len(whole) // stride), -(-len(whole[0]) // stride)
    return [row[:columns] for row in whole[:rows]]


def _last_product(image, kernel, stride):
    K = len(kernel)
    corner = [[kernel[i][j] if (i, j) == (K - 1, K - 1) else 0 for j in range(K)] for i in range(K)]
    return _slid(image, corner, stride)


def _last_row(image, kernel, stride):
    return _slid(image, [[0] * len(kernel)] * (len(kernel) - 1) + [kernel[-1]], stride)


def _diagonal(kernel):
    return [[number if i == j else 0 for j, number in enumerate(row)] for i, row in enumerate(kernel)]


def _matrix_product(image, kernel, stride):
    """Each column of the window times the sum of a row of the kernel."""
    return _slid(image, [[sum(row) for row in kernel]] * len(kernel), stride)


def _with_gaps(image, kernel, stride):
    """The stride inside of the window; what lies outside of the image counts as nothing."""
    K, output = len(kernel), []
    for y in range((len(image) - K) // stride + 1):
        output.append([])
        for x in range((len(image[0]) - K) // stride + 1):
            places = [(i, j, y + i * stride, x + j * stride) for i, j in product(range(K), range(K))]
            inside = [each for each in places if each[2] < len(image) and each[3] < len(image[0])]
            output[-1].append(sum(kernel[i][j] * image[row][column] for i, j, row, column in inside))
    return output


@exercise(
    title="Slide the kernel",
    goal=1,
    level=2,
    minutes=10,
    task="""Fill the gap: the number of the output at row `y` and column `x`, for a square kernel that moves `stride`
pixels at a time. Image and kernel are lists of rows. Do what PyTorch does.""",
    hints=(
        "Lay the kernel on the window that belongs to `y` and `x`, multiply in pairs, add up.",
        "The window begins at row `y * stride` and column `x * stride`. "
        r"So $Y_{y,x} = \sum_{i,j} \mathbf{K}_{i,j} \, X_{yS+i,\,xS+j}$.",
        "Start with `total = 0` and two loops, `for i in range(K)` and in it `for j in range(K)`.",
    ),
    stub='''
def correlate_lists(image, kernel, stride):
    """Slide a K×K kernel over an image; both are lists of rows."""
    K = len(kernel)
    output = []
    for y in range((len(image) - K) // stride + 1):
        row = []
        for x in range((len(image[0]) - K) // stride + 1):
            total = ...  # the gap: one line or several
            row.append(total)
        output.append(row)
    return output
''',
    cases=(
        ([[1, 0, 2, 1], [3, 1, 0, 2], [0, 2, 1, 1], [1, 0, 3, 0]], [[1, 0, -1], [2, 0, 0], [0, 1, 0]], 1),
        ([[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11, 12, 13, 14, 15]], [[1, 2], [3, 4]], 2),
    ),
    random_case=_random_map,
    covers={
        "stride > 1": lambda image, kernel, stride: stride > 1 and len(_slid(image, kernel, stride)) > 1,
        "a map that is not square": lambda image, kernel, stride: len(image) != len(image[0]),
        "a kernel that differs when turned": lambda image, kernel, stride: kernel != _turned(kernel),
    },
    alternative=lambda image, kernel, stride: F.conv2d(
        torch.tensor([[image]]), torch.tensor([[kernel]]), stride=stride
    )[0, 0].tolist(),
    mistakes=(
        Mistake(
            "turned the kernel",
            "You turned the kernel by half a turn. That is a mathematician's convolution; PyTorch takes the kernel as "
            "it is.",
            lambda image, kernel, stride: _slid(image, _turned(kernel), stride),
            misconception="nn.Conv2d flips its kernel",
        ),
        Mistake(
            "swapped rows and columns of the kernel",
            "Your kernel lies on its side: `kernel[i][j]` is row i, column j.",
            lambda image, kernel, stride: _slid(image, _transposed(kernel), stride),
        ),
        Mistake(
            "forgot the stride in the window",
            "Your windows move one pixel at a time. The window of `y` and `x` begins at `y * stride`, `x * stride`.",
            _overlapping,
        ),
        Mistake(
            "image read by columns",
            "You read the image by columns: its row goes with `y` and i, its column with `x` and j. Pixels are "
            "`image[row][column]`.",
            lambda image, kernel, stride: _summed(image, kernel, stride, lambda y, x, i, j, S: (x * S + i, y * S + j)),
        ),
        Mistake(
            "the stride inside of the window",
            "You multiplied the place inside of the window, i and j, by the stride. The window moves by the "
            "stride; inside of it the kernel lies on neighbours.",
            lambda image, kernel, stride: _summed(image, kernel, stride, lambda y, x, i, j, S: (y + i * S, x + j * S)),
        ),
        Mistake(
            "the stride everywhere",
            "You multiplied both the window's start and the place inside of it by the stride. Only the start "
            "moves by it.",
            lambda image, kernel, stride: _summed(
                image, kernel, stride, lambda y, x, i, j, S: ((y + i) * S, (x + j) * S)
            ),
        ),
        Mistake(
            "the last row and column left out",
            "You left out the last row and the last column of the kernel. `range(K)` goes up to K - 1 already.",
            lambda image, kernel, stride: _slid(image, _without_the_last(kernel), stride),
        ),
        Mistake(
            "kept the last product",
            "You keep only the last product. Add all of them up.",
            _last_product,
        ),
        Mistake(
            "kept the last row",
            "You keep only the last row of the kernel, as if the sum began again at 0 in every row.",
            _last_row,
        ),
        Mistake(
            "the diagonal only",
            "You took the diagonal of the window only, as with one loop for both indices. Each of the K rows of the "
            "kernel has K numbers: two loops, one inside of the other.",
            lambda image, kernel, stride: _slid(image, _diagonal(kernel), stride),
        ),
        Mistake(
            "a product of matrices",
            "You multiplied window and kernel as matrices. The kernel lies on the window: multiply the numbers that "
            "lie on each other, then add up.",
            _matrix_product,
        ),
        Mistake(
            "a window with gaps",
            "Your windows begin one pixel apart and have gaps: you multiplied i and j by the stride, and not `y` and "
            "`x`. The window moves by the stride; inside of it the kernel lies on neighbours.",
            _with_gaps,
        ),
    ),
    reasoning="""The output at (y, x) belongs to the window that begins at (y · stride, x · stride). Kernel number (i,
j) lies on the pixel i rows and j columns further on. Nothing is turned: the indices of kernel and image grow
together.""",
)
def correlate_lists(image, kernel, stride):
    """Slide a K×K kernel over an image; both are lists of rows."""
    K = len(kernel)
    output = []
    for y in range((len(image) - K) // stride + 1):
        row = []
        for x in range((len(image[0]) - K) // stride + 1):
            total = 0
            for i in range(K):
                for j in range(K):
                    pixel = image[y * stride + i][x * stride + j]
                    total += kernel[i][j] * pixel
            row.append(total)
        output.append(row)
    return output


# 1.3


def _random_input(rng: Random) -> tuple:
    shape = (rng.randint(1, 4), rng.randint(1, 5), rng.randint(5, 20), rng.randint(5, 20))
    return shape, rng.randint(1, 6), rng.choice((1, 2, 3, 5)), rng.choice((1, 2, 3)), rng.choice((0, 1, 2))


def _shapes_of_a_real_layer(input_shape, out_channels, kernel_size, stride, padding):
    layer = nn.Conv2d(input_shape[1], out_channels, kernel_size, stride, padding)
    return tuple(layer.weight.shape), tuple(layer(torch.zeros(input_shape)).shape)


def _shapes(input_shape, out_channels, K, stride, padding):
    batch, in_channels, *sides = input_shape
    sides = conv_output_size(sides, K, stride, padding)
    return (out_channels, in_channels, K, K), (batch, out_channels, *sides)


def _weight(change):
    """A wrong answer: the right shapes, but the weight's passed through ``change``."""

    def wrong(input_shape, out_channels, *rest):
        weight, output = _shapes(input_shape, out_channels, *rest)
        return change(weight, input_shape), output

    return wrong


def _output(change):
    """A wrong answer: the right shapes, but the output's passed through ``change``."""

    def wrong(input_shape, out_channels, *rest):
        weight, output = _shapes(input_shape, out_channels, *rest)
        return weight, change(output, input_shape)

    return wrong


def _sides(side_of):
    """A wrong answer: the right shapes, but each side of the output is ``side_of(side, kernel, stride, padding)``."""

    def wrong(input_shape, out_channels, *how):
        weight, output = _shapes(input_shape, out_channels, *how)
        return weight, (*output[:2], *(side_of(side, *how) for side in input_shape[2:]))

    return wrong


@exercise(
    title="The two shapes of a layer",
    goal=3,
    level=3,
    minutes=8,
    task="""Return two shapes of an `nn.Conv2d`, as a pair of tuples: that of its weight, then that of its output. The
input's shape is `(batch, channels, height, width)`; the kernel is square.""",
    hints=(
        "How many kernels does the layer hold, and in how many filters? Which numbers of the output's shape come "
        "from the layer, and which from the input?",
        "The weight is (output channels, input channels, kernel, kernel). The output keeps the batch, has the output "
        "channels, and each side follows the size formula.",
        "Take the input apart: `batch, in_channels, height, width = input_shape`.",
    ),
    cases=(
        ((1, 3, 224, 224), 32, 3, 2, 1),
        ((8, 3, 10, 12), 8, 3, 1, 0),
        ((1, 16, 7, 7), 16, 1, 1, 0),
    ),
    random_case=_random_input,
    covers={
        "a batch": lambda shape, *rest: shape[0] > 1,
        "a map that is not square": lambda shape, *rest: shape[2] != shape[3],
        "a kernel larger than 1": lambda shape, N, K, S, P: K > 1,
        "stride > 1": lambda shape, N, K, S, P: S > 1,
        "input and output channels differ": lambda shape, N, K, S, P: shape[1] != N,
    },
    alternative=_shapes_of_a_real_layer,
    mistakes=(
        Mistake(
            "one kernel an output map",
            "Your layer holds one kernel for each output map. Each output map needs a kernel of its own for *every* "
            "input map.",
            _weight(lambda weight, shape: (weight[0], 1, *weight[2:])),
        ),
        Mistake(
            "input channels first",
            "Your weight has the input channels first. PyTorch stores one stack of kernels for each output map: "
            "output channels first.",
            _weight(lambda weight, shape: (weight[1], weight[0], *weight[2:])),
        ),
        Mistake(
            "a weight without input channels",
            "Your weight has no place for the input channels. Each output map has a kernel for every input map: "
            "four numbers.",
            _weight(lambda weight, shape: (weight[0], *weight[2:])),
        ),
        Mistake(
            "kernel first",
            "Your weight has the kernel's sides first, as TensorFlow stores it. PyTorch's order is (output "
            "channels, input channels, kernel height, kernel width).",
            _weight(lambda weight, shape: (*weight[2:], weight[1], weight[0])),
        ),
        Mistake(
            "channels last",
            "Your output has its channels last. PyTorch writes (batch, channels, height, width).",
            _output(lambda output, shape: (output[0], *output[2:], output[1])),
        ),
        Mistake(
            "a batch of weights",
            "Your weight knows the batch. All pictures of a batch share the same weights.",
            _weight(lambda weight, shape: (shape[0], *weight[1:])),
        ),
        Mistake(
            "kept the channels",
            "Your output has as many maps as the input. The layer combines them: it writes out_channels maps.",
            _output(lambda output, shape: (output[0], shape[1], *output[2:])),
        ),
        Mistake(
            "kept the size",
            "Your output is as large as the input. The size formula has padding, kernel and stride in it.",
            _output(lambda output, shape: (*output[:2], *shape[2:])),
        ),
        Mistake(
            "width before height",
            "You swapped height and width. PyTorch writes (batch, channels, height, width).",
            _output(lambda output, shape: (*output[:2], output[3], output[2])),
        ),
        Mistake(
            "a square output",
            "Your output is square: you used the height for both sides. Work out the width too.",
            _output(lambda output, shape: (*output[:3], output[2])),
        ),
        Mistake(
            "no batch",
            "Your output has lost the batch. Each picture goes through on its own, and all of them come out.",
            _output(lambda output, shape: output[1:]),
        ),
        Mistake(
            "forgot the padding",
            "You left out the padding. It makes each side longer before the kernel slides over it.",
            _sides(lambda side, K, S, P: (side - K) // S + 1),
        ),
        Mistake(
            "padding on one side",
            "You padded one side only. The padding lies left and right, above and below: count it twice.",
            _sides(lambda side, K, S, P: (side + P - K) // S + 1),
        ),
        Mistake(
            "forgot the stride",
            "You forgot the stride: the kernel does not stop at every pixel.",
            _sides(lambda side, K, S, P: side + 2 * P - K + 1),
        ),
        Mistake(
            "the output first",
            "You gave the output's shape first. The exercise asks for the weight's, then the output's.",
            lambda *case: _shapes(*case)[::-1],
        ),
        Mistake(
            "a batch of one",
            "Your output has always one picture. The batch goes through: as many come out as went in, "
            "`input_shape[0]`.",
            _output(lambda output, shape: (1, *output[1:])),
        ),
        Mistake(
            "one side of the kernel",
            "Your weight has one side of the kernel only. A kernel is a square: its height and its width are two "
            "numbers of the shape.",
            _weight(lambda weight, shape: weight[:3]),
        ),
    ),
    reasoning="""Each of the output maps needs one kernel for each input map, which gives the weight's four numbers.
The batch goes through unchanged, picture by picture; the channels become `out_channels`; each side follows the size
formula on its own.""",
)
def layer_shapes(input_shape, out_channels, kernel_size, stride, padding):
    """Shape of the weight and shape of the output, as a pair."""
    batch, in_channels, height, width = input_shape
    height = (height + 2 * padding - kernel_size) // stride + 1
    width = (width + 2 * padding - kernel_size) // stride + 1
    weight = (out_channels, in_channels, kernel_size, kernel_size)
    return weight, (batch, out_channels, height, width)


# 1.4


def _integers(rng: Random, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(rng.getrandbits(32))
    return torch.randint(-4, 5, shape, generator=generator).float()


def _random_tensors(rng: Random) -> tuple:
    channels, kernel = rng.randint(1, 3), rng.randint(1, 3)
    images = _integers(rng, rng.randint(1, 2), channels, rng.randint(3, 6), rng.randint(3, 6))
    return images, _integers(rng, rng.randint(1, 3), channels, kernel, kernel)


def _by_definition(images, weight):
    N, _, K, _ = weight.shape
    B, _, H, W = images.shape
    output = torch.zeros(B, N, H - K + 1, W - K + 1)
    for y, x, i, j in product(range(H - K + 1), range(W - K + 1), range(K), range(K)):
        output[:, :, y, x] += images[:, :, y + i, x + j] @ weight[:, :, K - 1 - i, K - 1 - j].T
    return output


@exercise(
    title="A mathematician's convolution",
    goal=2,
    level=3,
    minutes=8,
    imports="import torch.nn.functional as F",
    task="""An old textbook gives you kernels for a *true* convolution, which turns the kernel by half a turn before
it slides. Compute it with `F.conv2d`. The images are `(B, M, H, W)`, the kernels `(N, M, K, K)`; stride 1, no
padding.""",
    hints=(
        "`F.conv2d` does not turn the kernel. So what must you do to the kernel before you pass it?",
        "Half a turn reverses the rows and the columns of each kernel. The channels keep their places.",
        "A tensor's `flip` takes the dimensions to reverse; of the four, the kernel's rows and columns come last.",
    ),
    cases=lambda: (
        (
            torch.tensor([[[[1.0, 0, 2, 1], [3, 1, 0, 2], [0, 2, 1, 1], [1, 0, 3, 0]]]]),
            torch.tensor([[[[1.0, 0, -1], [2, 0, 0], [0, 1, 0]]]]),
        ),
    ),
    random_case=_random_tensors,
    covers={
        "a batch": lambda images, weight: len(images) > 1,
        "several filters": lambda images, weight: weight.shape[0] > 1,
        "several input channels": lambda images, weight: weight.shape[1] > 1,
        "a kernel that differs when turned": lambda images, weight: not weight.equal(weight.flip(2, 3)),
    },
    alternative=_by_definition,
    mistakes=(
        Mistake(
            "trusted the name",
            "`F.conv2d` does not turn its kernel, whatever its name says. Turn it before you hand it over.",
            lambda images, weight: F.conv2d(images, weight),
            misconception="nn.Conv2d flips its kernel",
        ),
        Mistake(
            "a mirror",
            "You mirrored the kernel left to right only. Half a turn also swaps top and bottom.",
            lambda images, weight: F.conv2d(images, weight.flip(3)),
        ),
        Mistake(
            "upside down",
            "You mirrored the kernel top to bottom only. Half a turn also swaps left and right.",
            lambda images, weight: F.conv2d(images, weight.flip(2)),
        ),
        Mistake(
            "transposed",
            "You transposed the kernel. That mirrors it along its diagonal and is no half turn.",
            lambda images, weight: F.conv2d(images, weight.transpose(2, 3)),
        ),
        Mistake(
            "reversed everything",
            "You reversed the channels too. Now red kernels meet blue maps.",
            lambda images, weight: F.conv2d(images, weight.flip(0, 1, 2, 3)),
        ),
        Mistake(
            "the input channels too",
            "You reversed the input channels as well: `flip(1, ...)`. Only the rows and columns of a kernel turn, "
            "its last two dimensions.",
            lambda images, weight: F.conv2d(images, weight.flip(1, 2, 3)),
        ),
        Mistake(
            "the filters too",
            "You reversed the order of the filters as well: `flip(0, ...)`. Only the rows and columns of a kernel "
            "turn, its last two dimensions.",
            lambda images, weight: F.conv2d(images, weight.flip(0, 2, 3)),
        ),
        Mistake(
            "reversed the channels alone",
            "You reversed the outputs and the channels. A kernel's rows and columns are the *last* two dimensions.",
            lambda images, weight: F.conv2d(images, weight.flip(0, 1)),
        ),
        Mistake(
            "a quarter turn",
            "You turned the kernel by a quarter. Half a turn is two quarters.",
            lambda images, weight: F.conv2d(images, torch.rot90(weight, 1, (2, 3))),
        ),
        Mistake(
            "turned the output",
            "Your numbers are those of the kernel as it was, in turned places. That happens when the output is turned, "
            "or both the images and the kernel.",
            lambda images, weight: F.conv2d(images, weight).flip(2, 3),
        ),
        Mistake(
            "turned the images",
            "Your numbers are right, but they lie in turned places. Turn the kernel, and nothing else.",
            lambda images, weight: F.conv2d(images.flip(2, 3), weight),
        ),
        Mistake(
            "negated",
            "You changed the kernel's sign. Half a turn moves its numbers to other places and leaves each as it is.",
            lambda images, weight: F.conv2d(images, -weight),
        ),
        Mistake(
            "a transposed convolution",
            "You used a transposed convolution. It turns the kernel, but it also lets it hang over the edge: its "
            "output has a rim of `K - 1` too much on each side.",
            lambda images, weight: F.conv_transpose2d(images, weight.transpose(0, 1)),
        ),
    ),
    reasoning="""`F.conv2d` computes a cross-correlation. A convolution is the cross-correlation with the turned
kernel, and half a turn reverses the last two dimensions. Turning the image and then the output back would do as
well.""",
)
def true_convolution(images, weight):
    """Convolution as in mathematics: the kernels turned by half a turn."""
    return F.conv2d(images, weight.flip(2, 3))


# 1.5


def _random_stack(rng: Random) -> tuple:
    return (tuple((rng.choice((1, 2, 3, 5)), rng.choice((1, 1, 2, 3))) for _ in range(rng.randint(1, 5))),)


def _by_tracing_back(layers):
    first, last = 0, 0  # the outermost pixels that matter, from the output back to the input
    for kernel, stride in reversed(layers):
        first, last = first * stride, last * stride + kernel - 1
    return last - first + 1


def _field(layers, grows_by=lambda kernel: kernel - 1):
    field, step = 1, 1
    for kernel, stride in layers:
        field += grows_by(kernel) * step
        step *= stride
    return field


def _own_stride_first(layers):
    field, step = 1, 1
    for kernel, stride in layers:
        step *= stride
        field += (kernel - 1) * step
    return field


def _product(layers):
    field = 1
    for kernel, _ in layers:
        field *= kernel
    return field


def _with_steps(layers):
    """Each kernel with the product of all strides before it."""
    return [(kernel, prod(stride for _, stride in layers[:i])) for i, (kernel, _) in enumerate(layers)]


def _with_sums(layers):
    """Each kernel with the sum of all strides before it, of the first with 1."""
    return [(kernel, sum(stride for _, stride in layers[:i]) or 1) for i, (kernel, _) in enumerate(layers)]


def _last_stride_only(layers):
    field = 1
    for i, (kernel, _) in enumerate(layers):
        field += (kernel - 1) * (layers[i - 1][1] if i else 1)
    return field


def _whole_field_times_stride(layers):
    field = 1
    for kernel, stride in layers:
        field = (field + kernel - 1) * stride
    return field


@exercise(
    title="A client asks: how far does it see?",
    goal=4,
    level=4,
    minutes=15,
    unit="pixels",
    task="""A client inspects circuit boards and asks whether one number at the end of a stack of convolutions can see
a whole component. Return how many pixels of the input, along one side, reach one number of the output: its
*receptive field*. The stack is a tuple of pairs `(kernel, stride)`, the layer next to the input first. Forget the
edges of the map.""",
    hints=(
        "One 3×3 layer sees 3 pixels per side; two of them see 5. What does a stride in the first layer change for the "
        "second?",
        "A layer adds `kernel - 1` steps. Each step spans as many pixels of the picture as the product of all strides "
        "before this layer.",
        "Before the first layer, a pixel sees itself: `field, step = 1, 1`.",
    ),
    cases=((((3, 1),),), (((3, 1), (3, 1)),), (((3, 2), (3, 1)),), (((3, 2), (3, 1), (3, 2), (3, 1)),)),
    random_case=_random_stack,
    covers={
        "a stride before another layer": lambda layers: any(stride > 1 for _, stride in layers[:-1]),
        "two strides before another layer": lambda layers: sum(stride > 1 for _, stride in layers[:-1]) > 1,
        "a stride in the last layer": lambda layers: layers[-1][1] > 1 and layers[-1][0] > 1,
        "a 1×1 layer": lambda layers: any(kernel == 1 for kernel, _ in layers),
    },
    alternative=_by_tracing_back,
    mistakes=(
        Mistake(
            "added the kernels",
            "You added up the kernels. Neighbouring windows overlap: each further layer adds only its kernel less one.",
            lambda layers: sum(kernel for kernel, _ in layers),
        ),
        Mistake(
            "the whole kernel",
            "Each of your layers adds its whole kernel. One of its pixels is in the field already: add `kernel - 1`.",
            lambda layers: _field(layers, grows_by=lambda kernel: kernel),
        ),
        Mistake(
            "starts at nothing",
            "Your field is a pixel short: it starts at 0. Before the first layer a number sees itself: 1 pixel.",
            lambda layers: _field(layers) - 1,
        ),
        Mistake(
            "from the wrong end",
            "You went through the stack from the wrong end. A stride spreads the layers that come *after* it.",
            lambda layers: _field(layers[::-1]),
        ),
        Mistake(
            "forgot the strides",
            "You forgot the strides. Behind a stride of 2, one step means two pixels of the image.",
            lambda layers: 1 + sum(kernel - 1 for kernel, _ in layers),
        ),
        Mistake(
            "own stride",
            "You used a layer's own stride for its own kernel. The kernel's numbers lie on neighbours of the layer's "
            "*input*; the stride spreads only what comes after.",
            _own_stride_first,
        ),
        Mistake(
            "each layer's stride alone",
            "You multiplied by the layer's own stride alone. What spreads its pixels are the strides of all "
            "layers *before* it, multiplied.",
            lambda layers: 1 + sum((kernel - 1) * stride for kernel, stride in layers),
        ),
        Mistake(
            "only the last stride",
            "You used only the stride just before. Strides multiply: two strides of 2 make a step of 4 pixels.",
            _last_stride_only,
        ),
        Mistake(
            "half of each kernel",
            "You counted half of each kernel. A kernel widens the field on both sides of its middle, by kernel less "
            "one in all.",
            lambda layers: 1 + sum((kernel // 2) * step for kernel, step in _with_steps(layers)),
        ),
        Mistake(
            "added the strides",
            "You added the strides up. They multiply: two strides of 2 make a step of 4 pixels.",
            lambda layers: 1 + sum((kernel - 1) * step for kernel, step in _with_sums(layers)),
        ),
        Mistake(
            "multiplied the kernels",
            "You multiplied the kernels. The field grows by addition: kernel less one, times the step.",
            _product,
        ),
        Mistake(
            "the whole field times the stride",
            "You multiplied the whole field by each stride. A stride spreads what comes after it: multiply what later "
            "layers add, and not what is there.",
            _whole_field_times_stride,
        ),
        Mistake(
            "the first stride forgotten",
            "You left out the first layer's stride. It spreads the pixels of every layer behind it.",
            lambda layers: _field([(layers[0][0], 1), *layers[1:]]),
        ),
        Mistake(
            "the largest kernel",
            "You gave the largest kernel. Layers widen the field one after the other: each adds its kernel less one, "
            "times the step.",
            lambda layers: max(kernel for kernel, _ in layers),
        ),
        Mistake(
            "every stride is 2",
            "You doubled the step at every stride. A stride of 3 makes it three times as long: multiply by the stride.",
            lambda layers: _field([(kernel, min(stride, 2)) for kernel, stride in layers]),
        ),
        Mistake(
            "the first kernel twice",
            "You counted the first kernel twice: you started from it and added it again. Start from 1 pixel.",
            lambda layers: _field(layers) + layers[0][0] - 1,
        ),
    ),
    reasoning="""One could go back from the last layer, layer by layer. It is easier to walk from the image forwards:
`step` is the distance, in pixels of the image, between neighbours of the current map. A layer widens the field by
`kernel - 1` such steps, and then its stride makes the steps longer for all that follow.""",
)
def receptive_field(layers):
    """Input pixels per side that reach one output number."""
    field, step = 1, 1
    for kernel, stride in layers:
        field += (kernel - 1) * step
        step *= stride
    return field


ESSAYS = (
    Essay(
        title="Why training does not care about the turn",
        goal=2,
        minutes=10,
        task="""Suppose a library turned every kernel by half a turn before sliding it. Argue in a few sentences that
a network trained with that library would be exactly as good as one trained with PyTorch. Where would you notice the
difference all the same?""",
        good_answer="""A good answer says:

- Turning a kernel is a one-to-one change of its numbers: nothing is lost, and turning twice changes nothing. So the
  two libraries can compute the same set of functions.
- For each network in the one library there is a network in the other with every kernel turned, which gives the same
  output for every image, hence the same loss. If the random start treats all places of a kernel alike, the
  turned start is just as likely. From there gradient descent takes the turned steps and ends at the turned kernels.
- You notice it when kernels move from one library to the other: you copy one from a book, load weights that were
  trained with the other library, or look at a learned kernel and ask what it detects. Symmetric kernels hide the
  difference.""",
    ),
    Essay(
        title="Five ways, one doorbell",
        goal=5,
        minutes=10,
        task="""A maker of doorbells has a trained network that recognises parcels well and runs four times too
slowly. For each of the five ways, say what the maker would do, and name one thing that this way needs: the
training data, time to train, special hardware, a trained network. Which would you try first, and why?""",
        good_answer="""A good answer has one line for each way and names what it needs:

- *Prune*: take out whole channels, then train a little more. Needs the data again. Single weights set to zero
  make the file smaller, but speed only on hardware that skips zeros.
- *Quantise*: compute with 8-bit integers. Needs a few example pictures to find the ranges, and a chip that is faster
  with them. Little work, so often tried first.
- *Distil*: train a small network on the answers of the large one. Needs pictures, though not their labels, and time.
- *Factorise*: replace layers by thin pairs that do nearly the same, then train a little more. Needs the trained
  network.
- *Design small*: train a small network from the start. Needs all the data and time; gains most if the old network was
  far too large.

It gives a reason that fits the case (a factor of four, a trained network at hand, what the doorbell's chip can do),
and says that the ways can be combined.""",
    ),
)
