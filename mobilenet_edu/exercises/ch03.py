"""Exercises of chapter 3, depthwise and pointwise."""

from __future__ import annotations

from random import Random

from mobilenet_edu.exercises._engine import Essay, Mistake, exercise
from mobilenet_edu.exercises._later import nn, torch
from mobilenet_edu.exercises.networks import behaviour, macs_of


def _small_integers(rng: Random, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(rng.getrandbits(32))
    return torch.randint(-3, 4, shape, generator=generator).float()


def _random_weight(rng: Random) -> tuple:
    groups = rng.choice((1, 2, 4, 8))
    return groups * rng.randint(1, 4), groups * rng.randint(1, 4), rng.choice((1, 3, 5)), groups


@exercise(
    title="The shape of a weight",
    goal=1,
    level=1,
    minutes=5,
    task="""The function below returns the shape of the weight of `nn.Conv2d(in_channels, out_channels, kernel_size,
groups=groups)`. It is complete. Run it, then call it for a depthwise layer and for a pointwise one, and say for each
of the four numbers what it counts. Last, break it: divide `out_channels` by the groups as well, and read what the
check says.""",
    hints=(
        "A weight is a stack of filters. How many filters are there, and how many channels does one of them see?",
        "Shape = (filters, channels that one filter sees, kernel height, kernel width).",
        "For a depthwise layer of 32 channels call `weight_shape(32, 32, 3, 32)`.",
    ),
    cases=((3, 32, 3, 1), (32, 32, 3, 32), (32, 64, 1, 1), (6, 4, 3, 2)),
    random_case=_random_weight,
    covers={
        "groups > 1": lambda M, N, K, groups: groups > 1,
        "as many groups as channels": lambda M, N, K, groups: groups == M > 1,
        "different numbers of channels": lambda M, N, K, groups: M != N,
        "a kernel larger than 1×1": lambda M, N, K, groups: K > 1,
    },
    alternative=lambda M, N, K, groups: tuple(nn.Conv2d(M, N, K, groups=groups, device="meta").weight.shape),
    mistakes=(
        Mistake(
            "forgot the groups",
            "You forgot the groups: this is the weight of a standard layer. A filter sees only in_channels / groups "
            "channels.",
            lambda M, N, K, groups: (N, M, K, K),
        ),
        Mistake(
            "divided the filters",
            "You divided the filters by the groups too. There are still out_channels filters; only what each of them "
            "sees shrinks.",
            lambda M, N, K, groups: (N // groups, M // groups, K, K),
        ),
        Mistake(
            "divided the wrong number",
            "You divided the number of filters by the groups, and left the channels. It is the other way round.",
            lambda M, N, K, groups: (N // groups, M, K, K),
        ),
        Mistake(
            "inputs first",
            "You put the input channels first. PyTorch's weights begin with the filters, that is, with out_channels.",
            lambda M, N, K, groups: (M // groups, N, K, K),
        ),
        Mistake(
            "groups taken for depthwise",
            "You took every layer with groups for a depthwise one. A filter sees in_channels / groups channels: a "
            "single one only with as many groups as channels.",
            lambda M, N, K, groups: (N, M if groups == 1 else 1, K, K),
        ),
        Mistake(
            "the groups themselves",
            "Your second number is the number of groups. It is the number of channels that one filter sees, "
            "in_channels / groups.",
            lambda M, N, K, groups: (N, groups, K, K),
        ),
        Mistake(
            "kernel first",
            "You put the kernel's sides first, as TensorFlow stores its weights. PyTorch's begin with the filters.",
            lambda M, N, K, groups: (K, K, M // groups, N),
        ),
        Mistake(
            "one kernel for all channels",
            "Your layer has one kernel, shared by all channels. Each filter has numbers of its own: out_channels "
            "filters.",
            lambda M, N, K, groups: (1, 1, K, K),
            misconception="depthwise means separable",
        ),
        Mistake(
            "output channels in each filter",
            "Your filters see out_channels / groups channels. What a filter sees are *input* channels.",
            lambda M, N, K, groups: (N, N // groups, K, K),
        ),
        Mistake(
            "always one channel",
            "Each of your filters sees one channel. That is so in a depthwise layer only, where there are as many "
            "groups as channels.",
            lambda M, N, K, groups: (N, 1, K, K),
            misconception="depthwise means separable",
        ),
        Mistake(
            "subtracted the groups",
            "You subtracted the groups. They share the input channels out among them: divide.",
            lambda M, N, K, groups: (N, M - groups + 1, K, K),
        ),
        Mistake(
            "subtracted the groups, without one",
            "You took the groups away from the input channels. They share the channels out among them: divide.",
            lambda M, N, K, groups: (N, M - groups, K, K),
        ),
        Mistake(
            "the kernel divided",
            "You divided the kernel by the groups. A kernel keeps its size; what the groups share out are the input "
            "channels.",
            lambda M, N, K, groups: (N, M, K // groups, K // groups),
        ),
    ),
    reasoning="""There are `out_channels` filters, whatever the groups. Each filter belongs to one group and sees that
group's channels, `in_channels / groups` of them: a single one in a depthwise layer. So the four numbers are the
filters, the channels that one filter sees, and the height and the width of the kernel. A depthwise 3×3 layer of 32
channels has (32, 1, 3, 3), a pointwise layer from 32 to 64 channels (64, 32, 1, 1).""",
)
def weight_shape(in_channels, out_channels, kernel_size, groups):
    """Shape of the weight of nn.Conv2d with these arguments."""
    channels_seen = in_channels // groups
    return out_channels, channels_seen, kernel_size, kernel_size


def _random_separable(rng: Random) -> tuple:
    M, N, d, K = rng.randint(1, 4), rng.randint(1, 5), rng.randint(1, 3), rng.choice((2, 3))
    return _small_integers(rng, M, d, K, K), _small_integers(rng, N, M, d)


def _kernel_by_loops(filters, matrix):
    (N, M, multiplier), size = matrix.shape, filters.shape[2:]
    kernel = torch.zeros(N, M, *size)
    for n in range(N):
        for m in range(M):
            for k in range(multiplier):
                kernel[n, m] += matrix[n, m, k] * filters[m, k]
    return kernel


@exercise(
    title="The dense kernel behind a separable layer",
    goal=3,
    level=2,
    minutes=10,
    task="""A separable layer with depth multiplier $d$ has filters of shape `(M, d, K, K)` and mixing weights of shape
`(N, M, d)`: output `n` takes `matrix[n, m, j]` times what filter `j` made of channel `m`. Fill the two gaps, so
that the function returns the one dense kernel, of shape `(N, M, K, K)`, that does the same.""",
    hints=(
        "The kernel for output n and input m is a mixture of channel m's own filters, and of no other channel's.",
        r"$k_{nm} = \sum_j P_{nmj} \, f_{mj}$: multiply with broadcasting, then sum over the filters of a channel.",
        "`scaled` needs the shape (N, M, d, K, K): give `matrix` two more dimensions with `[..., None, None]`.",
    ),
    imports="import torch",
    stub='''
def dense_kernel(filters, matrix):
    """Filters (M, d, K, K), matrix (N, M, d) -> kernel (N, M, K, K)."""
    scaled = ...  # (N, M, d, K, K)
    return scaled.sum(...)
''',
    cases=lambda: (
        (torch.tensor([[[[1.0, 0], [0, -1]]]]), torch.tensor([[[2.0]], [[-1.0]]])),
        (torch.tensor([[[[1.0, -1], [0, 0]], [[0, 2], [1, 0]]]]), torch.tensor([[[3.0, 1.0]]])),
        (torch.arange(24.0).reshape(3, 2, 2, 2), torch.arange(-6.0, 6.0).reshape(2, 3, 2)),
    ),
    random_case=_random_separable,
    covers={
        "several filters per channel": lambda filters, matrix: filters.shape[1] > 1,
        "several input channels": lambda filters, matrix: filters.shape[0] > 1,
        "more outputs than inputs": lambda filters, matrix: matrix.shape[0] > matrix.shape[1],
    },
    alternative=_kernel_by_loops,
    mistakes=(
        Mistake(
            "first filter only",
            "You used one filter for each channel. With a depth multiplier, all of a channel's filters add up.",
            lambda filters, matrix: matrix[:, :, 0, None, None] * filters[:, 0],
        ),
        Mistake(
            "mean of the filters",
            "You took the mean over a channel's filters. The pointwise step adds; it does not divide.",
            lambda filters, matrix: (matrix[..., None, None] * filters).mean(2),
        ),
        Mistake(
            "summed the weights and the filters first",
            "You summed the mixing weights and the filters each for itself, then multiplied. Multiply each filter by "
            "its own weight first.",
            lambda filters, matrix: matrix.sum(2)[:, :, None, None] * filters.sum(1),
        ),
        Mistake(
            "summed over the channels",
            "You summed over the input channels. The dense kernel keeps them apart; the convolution adds them up.",
            lambda filters, matrix: (matrix[..., None, None] * filters).sum(1),
        ),
        Mistake(
            "no sum",
            "You have not summed: your result still keeps a channel's filters apart, in a dimension of its own. "
            "Sum over it.",
            lambda filters, matrix: matrix[..., None, None] * filters,
        ),
        Mistake(
            "inputs first",
            "You put the input channels first. The kernel's shape is (N, M, K, K): outputs first.",
            lambda filters, matrix: (matrix[..., None, None] * filters).sum(2).transpose(0, 1),
        ),
        Mistake(
            "summed over the outputs",
            "You summed over the outputs. Each of them keeps kernels of its own; what adds up are a channel's filters.",
            lambda filters, matrix: (matrix[..., None, None] * filters).sum(0),
        ),
        Mistake(
            "no matrix",
            "You left out the mixing weights: all outputs get the same kernel. Output n takes `matrix[n, m, j]` times "
            "filter j of channel m.",
            lambda filters, matrix: filters.sum(1).expand(len(matrix), -1, -1, -1),
        ),
        Mistake(
            "filters of all channels",
            "You mixed the filters of all channels. The kernel for output n and input m holds channel m's own filters "
            "only.",
            lambda filters, matrix: matrix.sum(2)[:, :, None, None] * filters.sum((0, 1)),
        ),
        Mistake(
            "filters of all channels, each with its weight",
            "Each of your kernels mixes the filters of all channels. The kernel for output n and input m holds channel "
            "m's own filters only.",
            lambda filters, matrix: torch.einsum("nmd,pdij->nmij", matrix, filters),
        ),
        Mistake(
            "the largest filter",
            "You kept the largest number instead of the sum. The pointwise step adds up what a channel's filters made.",
            lambda filters, matrix: (matrix[..., None, None] * filters).amax(2),
        ),
        Mistake(
            "last filter only",
            "You kept the last filter of each channel. With a depth multiplier, all of a channel's filters add up.",
            lambda filters, matrix: matrix[:, :, -1, None, None] * filters[:, -1],
        ),
    ),
    reasoning="""Convolution is linear, so mixing the filtered maps is the same as filtering with the mixed filters. For
each pair of output and input, the kernel is the sum of that channel's filters, each times its weight. For one
input channel, the N kernels written as rows are a sum of d outer products: the rank of this matrix is at most d.""",
)
def dense_kernel(filters, matrix):
    """Filters (M, d, K, K), matrix (N, M, d) -> kernel (N, M, K, K)."""
    scaled = matrix[..., None, None] * filters  # (N, M, d, K, K)
    return scaled.sum(2)


def _random_kernel(rng: Random) -> tuple:
    N, M = rng.randint(1, 6), rng.randint(1, 3)
    kernel = torch.zeros(N, M, 3, 3)
    if rng.random() < 0.15:
        return (kernel,)
    for m in range(M):
        for _ in range(rng.randint(1, 4)):
            pattern, strengths = _small_integers(rng, 3, 3), _small_integers(rng, N)
            kernel[:, m] += strengths[:, None, None] * pattern
        if not kernel[:, m].any():  # a channel that nobody reads has rank 0, which is no question of splitting
            kernel[:, m] = _slope()
    return (kernel,)


def _ranks(kernel: torch.Tensor) -> list[int]:
    return torch.linalg.matrix_rank(kernel.transpose(0, 1).flatten(2)).tolist()


def _reshaped(kernel: torch.Tensor) -> torch.Tensor:
    """What comes out if the transpose is forgotten."""
    return kernel.reshape(kernel.shape[1], kernel.shape[0], -1)


def _rank_by_elimination(rows: list[list[float]]) -> int:
    rank = 0
    for column in range(len(rows[0])):
        pivot = next((i for i in range(rank, len(rows)) if abs(rows[i][column]) > 1e-9), None)
        if pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        for i in range(rank + 1, len(rows)):
            factor = rows[i][column] / rows[rank][column]
            rows[i] = [a - factor * b for a, b in zip(rows[i], rows[rank], strict=True)]
        rank += 1
        if rank == len(rows):
            break
    return rank


def _slope() -> torch.Tensor:
    return torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])


def _laplace() -> torch.Tensor:
    return torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])


@exercise(
    title="How many filters per channel",
    goal=4,
    level=3,
    minutes=12,
    task="""Return the smallest depth multiplier with which the dense kernel, of shape `(N, M, K, K)`, can be split
exactly. All channels of a layer share one multiplier. The answer is an `int`, at least 1.""",
    hints=(
        "One channel needs as many filters as its N kernels have independent patterns. What does the whole layer need?",
        r"$d = \max_m \mathrm{rank}(S_m)$, where $S_m$ has N rows of $K^2$ numbers.",
        "Begin with `matrix_per_channel = kernel.transpose(0, 1).flatten(2)`, of shape (M, N, K * K).",
    ),
    imports="import torch",
    cases=lambda: (
        (torch.stack([_slope(), _slope().T])[:, None],),
        (_laplace()[None, None],),
        (torch.stack([_slope(), 2 * _slope(), -_slope()])[:, None],),
        (torch.stack([torch.stack([_slope(), _slope().T]), torch.stack([_slope(), _laplace()])]),),
        (torch.stack([torch.stack([_slope(), _slope()]), torch.stack([_laplace(), 2 * _laplace()])]),),
        (torch.tensor([1.0, 2, 3, 4, 5])[:, None, None, None] * torch.tensor([[1.0, 0], [0, -1]]),),
        (torch.stack([_slope(), 2 * _slope()])[None],),
        (torch.zeros(2, 1, 3, 3),),
        (torch.stack([torch.stack([_slope(), _laplace()])] * 4),),
        (torch.stack([_slope(), _slope().T])[:, None] / 64,),
        (torch.stack([torch.stack([_slope(), _laplace()]), torch.stack([_laplace(), _slope()])]),),
    ),
    random_case=_random_kernel,
    covers={
        "channels that need different numbers": lambda kernel: len(set(_ranks(kernel))) > 1,
        "fewer than all 9 and fewer than N": lambda kernel: max(_ranks(kernel)) < min(9, len(kernel)),
        "more than 1": lambda kernel: max(_ranks(kernel)) > 1,
        "several input channels": lambda kernel: kernel.shape[1] > 1,
    },
    alternative=lambda kernel: max(
        1, *(_rank_by_elimination(kernel[:, m].flatten(1).double().tolist()) for m in range(kernel.shape[1]))
    ),
    mistakes=(
        Mistake(
            "always 1",
            "You say that one filter per channel is always enough. Not every kernel can be factorised: the slopes in x "
            "and in y of one channel need two.",
            lambda kernel: 1,
            misconception="any kernel can be factorised",
        ),
        Mistake(
            "always the most",
            "You gave the number that is enough for any kernel, min(N, K * K). This one may need fewer: look at its "
            "rank.",
            lambda kernel: min(kernel.shape[0], kernel[0, 0].numel()),
        ),
        Mistake(
            "a filter for each output",
            "You gave each output a filter of its own. Outputs can share filters: count independent patterns, not "
            "outputs.",
            lambda kernel: kernel.shape[0],
        ),
        Mistake(
            "spatial rank",
            "You took the rank of the K × K kernels. That asks whether height and width can be split; here it is "
            "filtering and combining, and a single filter may be anything.",
            lambda kernel: max(1, int(torch.linalg.matrix_rank(kernel).max())),
        ),
        Mistake(
            "sum over the channels",
            "You added the channels' ranks. Each channel has filters of its own, so the neediest one decides.",
            lambda kernel: max(1, sum(_ranks(kernel))),
        ),
        Mistake(
            "the least needy channel",
            "You took the smallest rank. The multiplier must be enough for every channel, so the largest decides.",
            lambda kernel: max(1, min(_ranks(kernel))),
        ),
        Mistake(
            "all channels in one matrix",
            "You put all input channels into one matrix. Each channel has its own filters, so each has its own matrix.",
            lambda kernel: max(1, int(torch.linalg.matrix_rank(kernel.flatten(1)))),
        ),
        Mistake(
            "0 for a layer of zeros",
            "For a kernel of zeros you answer 0. Nothing has to be split there, but a layer needs a filter all "
            "the same: at least 1.",
            lambda kernel: max(_ranks(kernel)),
        ),
        Mistake(
            "the first channel only",
            "You looked at the first input channel only. The multiplier must be enough for every channel: take "
            "the largest rank.",
            lambda kernel: max(1, _ranks(kernel)[0]),
        ),
        Mistake(
            "reshaped instead of transposed",
            "You cut the kernel into M matrices without a transpose: `reshape` counts on through the outputs, so "
            "kernels of different channels stand in one matrix. First `transpose(0, 1)`, then flatten.",
            lambda kernel: max(1, int(torch.linalg.matrix_rank(_reshaped(kernel)).max())),
        ),
        Mistake(
            "grouped by output",
            "You made one matrix for each output. Filters belong to input channels: collect the N kernels that read "
            "the same channel.",
            lambda kernel: max(1, int(torch.linalg.matrix_rank(kernel.flatten(2)).max())),
        ),
        Mistake(
            "a row for each channel",
            "You made one matrix with a row for each input channel. Each channel has a matrix of its own, and a row "
            "of it is one kernel.",
            lambda kernel: max(1, int(torch.linalg.matrix_rank(kernel.transpose(0, 1).flatten(1)))),
        ),
        Mistake(
            "all kernels in one matrix",
            "You put all N · M kernels into one matrix, as if channels could share filters. Each channel has its own "
            "filters, so each has its own matrix.",
            lambda kernel: max(1, int(torch.linalg.matrix_rank(kernel.flatten(0, 1).flatten(1)))),
        ),
        Mistake(
            "summed over the inputs",
            "You added the kernels up over the input channels. Each channel has filters of its own: keep them apart.",
            lambda kernel: max(1, int(torch.linalg.matrix_rank(kernel.sum(1).flatten(1)))),
        ),
        Mistake(
            "different kernels counted",
            "You counted different kernels. Outputs whose kernels are multiples of one pattern share a filter, and a "
            "sum of two patterns needs no third: count independent patterns, the rank.",
            lambda kernel: max(len({str(one.tolist()) for one in kernel[:, m]}) for m in range(kernel.shape[1])),
        ),
        Mistake(
            "as many as taps",
            "You gave each channel as many filters as a kernel has taps. That is always enough, and may be far too "
            "many: look at the rank.",
            lambda kernel: kernel[0, 0].numel(),
        ),
        Mistake(
            "kernels that are not zero",
            "You counted the kernels of a channel that are not zero. Kernels that are multiples of one pattern share a "
            "filter: count independent patterns, the rank.",
            lambda kernel: max(1, int(kernel.flatten(2).any(2).sum(0).max())),
        ),
        Mistake(
            "one or all",
            "You answer 1 or as many as a kernel has taps. There is much between: the rank says how many patterns are "
            "independent.",
            lambda kernel: 1 if max(_ranks(kernel)) <= 1 else kernel[0, 0].numel(),
        ),
        Mistake(
            "the mean rank rounded up",
            "You shared the ranks out evenly among the channels. Each channel has filters of its own, so the neediest "
            "one decides: the largest rank.",
            lambda kernel: max(1, -(-sum(_ranks(kernel)) // len(_ranks(kernel)))),
        ),
        Mistake(
            "a number for each kernel",
            "You put one number for each kernel into the matrix: the sum of its taps. Two different patterns may have "
            "one sum: a row needs all K² numbers.",
            lambda kernel: max(1, int(torch.linalg.matrix_rank(kernel.sum((2, 3))))),
        ),
    ),
    reasoning="""For one input channel, the N kernels written as rows make a matrix. With d filters this matrix is a sum
of d outer products, so its rank is at most d; and a matrix of rank d is always such a sum. Each channel needs its
rank, and the layer's multiplier must be enough for all of them: the largest. A channel of zeros has rank 0, but a
layer needs a filter all the same.""",
)
def filters_per_channel(kernel):
    """Smallest depth multiplier for an exact split of (N, M, K, K)."""
    matrix_per_channel = kernel.transpose(0, 1).flatten(2)  # (M, N, K * K)
    ranks = torch.linalg.matrix_rank(matrix_per_channel)  # (M,)
    return max(1, int(ranks.max()))


def _random_module(rng: Random) -> tuple:
    return rng.randint(2, 6), rng.randint(2, 6), rng.choice((3, 5)), rng.choice((1, 2)), rng.choice((1, 2, 3))


def _module(M, N, K, stride, d, **changes):
    first = {"stride": stride, "padding": K // 2, "groups": M, "bias": False} | changes.get("first", {})
    second = {"kernel_size": 1, "bias": False} | changes.get("second", {})
    return nn.Sequential(nn.Conv2d(M, d * M, K, **first), nn.Conv2d(d * M, N, **second))


def _shared_filters(M, N, K, stride, d):
    """A wrong answer: the same filters for every channel."""

    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.filters = nn.Parameter(torch.zeros(d, 1, K, K))
            self.combine = nn.Conv2d(d * M, N, 1, bias=False)

        def forward(self, images):
            filters = self.filters.repeat(M, 1, 1, 1)
            return self.combine(nn.functional.conv2d(images, filters, None, stride, K // 2, groups=M))

    return Shared()


def _behaviour_and_cost(network, in_channels, *others):
    """Outputs alone do not show where the stride is: every second pixel of a map can be dropped before or after."""
    description = behaviour(lambda M, *_: (2, M, 9, 8))(network, in_channels, *others)
    ran = description["shape of the output"].startswith("(")
    return description | {"MACs": macs_of(network, (in_channels, 9, 8)) if ran else 0}


def _pair(*case):
    """The two steps as a module with a forward of its own."""

    class Pair(nn.Module):
        def __init__(self, M: int, N: int, K: int, stride: int, d: int) -> None:
            super().__init__()
            self.combine = nn.Conv2d(d * M, N, 1, bias=False)
            self.filter = nn.Conv2d(M, d * M, K, stride, K // 2, groups=M, bias=False)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            """Images (B, M, H, W) to (B, N, H_out, W_out)."""
            return self.combine(self.filter(images))

    return Pair(*case)


@exercise(
    title="Build the pair",
    goal=2,
    level=3,
    minutes=12,
    task="""Return an `nn.Module` that is a depthwise separable layer: two convolutions with nothing between them and no
biases. It gives each channel `multiplier` filters of an odd `kernel_size`, padded so that stride 1 keeps the size. The
depthwise convolution gets the stride.""",
    hints=(
        "Two convolutions, one after the other: which of them looks at neighbours, and which mixes channels?",
        "Depthwise: M → d · M channels in M groups, with stride and padding K // 2. Pointwise: d · M → N, kernel 1.",
        "Begin with `between = multiplier * in_channels`, the number of maps that the second step reads.",
    ),
    imports="from torch import nn",
    cases=((4, 6, 3, 1, 1), (4, 4, 3, 2, 1), (3, 5, 5, 2, 2)),
    random_case=_random_module,
    covers={
        "stride > 1": lambda M, N, K, stride, d: stride > 1,
        "a depth multiplier > 1": lambda M, N, K, stride, d: d > 1,
        "a kernel of 5×5": lambda M, N, K, stride, d: K == 5,
        "different numbers of channels": lambda M, N, K, stride, d: M != N,
    },
    observe=_behaviour_and_cost,
    alternative=_pair,
    mistakes=(
        Mistake(
            "only the depthwise half",
            "You built the depthwise half only. It filters but combines nothing, and it cannot choose its number of "
            "outputs: a 1×1 convolution must follow.",
            lambda M, N, K, stride, d: nn.Conv2d(M, d * M, K, stride, K // 2, groups=M, bias=False),
            misconception="depthwise means separable",
        ),
        Mistake(
            "forgot the groups",
            "Your first step is a standard convolution. With groups=in_channels each filter sees one channel only.",
            lambda *case: _module(*case, first={"groups": 1}),
        ),
        Mistake(
            "forgot the multiplier",
            "You gave each channel one filter. The first step needs multiplier * in_channels outputs.",
            lambda M, N, K, stride, d: _module(M, N, K, stride, 1),
        ),
        Mistake(
            "stride in the pointwise step",
            "Your stride is in the pointwise step. The output is right, but the filters run over the full map, and "
            "most of their work is thrown away.",
            lambda M, N, K, stride, d: _module(M, N, K, 1, d, second={"stride": stride}),
        ),
        Mistake(
            "stride in both steps",
            "Both of your steps have the stride, so the map shrinks twice. It belongs to the filters alone.",
            lambda M, N, K, stride, d: _module(M, N, K, stride, d, second={"stride": stride}),
        ),
        Mistake(
            "no padding",
            "Your filters have no padding, so the map loses its border. Stride 1 keeps the size with K // 2.",
            lambda *case: _module(*case, first={"padding": 0}),
        ),
        Mistake(
            "padding of 1",
            "Your padding is always 1. That fits a 3×3 kernel; in general it is kernel_size // 2.",
            lambda *case: _module(*case, first={"padding": 1}),
        ),
        Mistake(
            "batch norm and ReLU between",
            "Batch norm and ReLU stand between your steps. That is chapter 5's block; here nothing stands "
            "between, so that the pair is one dense kernel.",
            lambda M, N, K, stride, d: nn.Sequential(
                _module(M, N, K, stride, d)[0], nn.BatchNorm2d(d * M), nn.ReLU(), _module(M, N, K, stride, d)[1]
            ),
        ),
        Mistake(
            "a group for each filter",
            "You asked for multiplier * in_channels groups. A group is one *input* channel, so there are "
            "in_channels groups; PyTorch gives each of them `multiplier` filters.",
            lambda M, N, K, stride, d: _module(M, N, K, stride, d, first={"groups": d * M}),
        ),
        Mistake(
            "one filter for all channels",
            "All your channels share their filters. In a depthwise step each channel has filters of its own.",
            lambda *case: _shared_filters(*case),
            misconception="depthwise means separable",
        ),
        Mistake(
            "a bias in the second step",
            "Your second step has a bias. In nn.Conv2d it is on unless you say bias=False.",
            lambda *case: _module(*case, second={"bias": True}),
        ),
        Mistake(
            "a bias in the first step",
            "Your first step has a bias. In nn.Conv2d it is on unless you say bias=False.",
            lambda *case: _module(*case, first={"bias": True}),
        ),
        Mistake(
            "biases",
            "Your layers have biases. In nn.Conv2d they are on unless you say bias=False.",
            lambda *case: _module(*case, first={"bias": True}, second={"bias": True}),
        ),
        Mistake(
            "both steps with the large kernel",
            "Your second step has the large kernel too. A pointwise convolution looks at one pixel: its kernel is 1×1.",
            lambda M, N, K, stride, d: _module(M, N, K, stride, d, second={"kernel_size": K, "padding": K // 2}),
        ),
        Mistake(
            "forgot the stride",
            "Your layer has stride 1 whatever is asked. The stride belongs to the filters.",
            lambda M, N, K, stride, d: _module(M, N, K, 1, d),
        ),
        Mistake(
            "the other order",
            "You mix first and filter afterwards. Then the filters belong to the outputs; here each *input* channel is "
            "filtered, and mixed afterwards.",
            lambda M, N, K, stride, d: nn.Sequential(
                nn.Conv2d(M, N, 1, bias=False), nn.Conv2d(N, N, K, stride, K // 2, groups=N, bias=False)
            ),
        ),
        Mistake(
            "ReLU between",
            "A ReLU stands between your steps. Here nothing does, so that the pair is one dense kernel.",
            lambda *case: nn.Sequential(_module(*case)[0], nn.ReLU(), _module(*case)[1]),
        ),
    ),
    reasoning="""The depthwise step makes `multiplier` maps of each channel, and does all that concerns neighbours: the
kernel, the padding, the stride. (A stride in the pointwise step would give the same output, for more MACs.) The
pointwise step mixes these maps into as many outputs as you like. `groups` must be the number of *input* channels;
PyTorch then gives each of them `multiplier` filters of its own.""",
)
def separable_layer(
    in_channels,
    out_channels,
    kernel_size,
    stride,
    multiplier,
):
    """A depthwise convolution, then a pointwise one."""
    between = multiplier * in_channels
    depthwise = nn.Conv2d(
        in_channels,
        between,
        kernel_size,
        stride,
        padding=kernel_size // 2,
        groups=in_channels,
        bias=False,
    )
    pointwise = nn.Conv2d(between, out_channels, 1, bias=False)
    return nn.Sequential(depthwise, pointwise)


def _random_claim(rng: Random) -> tuple:
    N, M = rng.randint(2, 4), rng.randint(1, 3)
    columns_and_rows = rng.choice((0, 0.5, 1))  # the share of the kernels that split
    one_pattern_per_channel = rng.random() < 0.5
    kernel = torch.zeros(N, M, 3, 3)
    if rng.random() < 0.1:
        return (kernel,)
    for m in range(M):
        pattern = None
        for n in range(N):
            if pattern is None or not one_pattern_per_channel:
                pattern = _small_integers(rng, 3, 3)
                if rng.random() < 0.3:
                    pattern[2] = pattern[0] - pattern[1]  # rank 2
                if rng.random() < columns_and_rows:
                    pattern = torch.outer(pattern[0], pattern[1])
            kernel[n, m] = rng.choice((-2, -1, 1, 2)) * pattern
    return (kernel,)


def _minors_vanish(matrix: torch.Tensor) -> bool:
    """Whether every 2×2 determinant is zero, which is to say that the rank is at most 1; exact on integers."""
    products = matrix[:, None, :, None] * matrix[None, :, None, :]
    return bool((products == products.transpose(2, 3)).all())


def _by_minors(kernel):
    spatially = all(_minors_vanish(one) for filters in kernel for one in filters)
    return spatially, all(_minors_vanish(kernel[:, m].flatten(1)) for m in range(kernel.shape[1]))


def _spatial_ranks(kernel: torch.Tensor) -> torch.Tensor:
    return torch.linalg.matrix_rank(kernel)


@exercise(
    title="A client asks: are our kernels separable?",
    goal=5,
    level=4,
    minutes=15,
    task="""A client has a standard layer with a hand-made kernel of shape `(N, M, 3, 3)`. Its documentation says "all
kernels are separable", so the client wants to replace it by a depthwise separable layer with one filter per channel.
Check both meanings of the word. Return a tuple of two booleans: whether every 3×3 kernel is a column times a row, and
whether the whole layer splits exactly into a depthwise and a pointwise one.""",
    hints=(
        "Both questions ask for rank 1. They differ in which numbers stand in the matrix, and how many matrices there "
        "are.",
        "Spatially: N · M matrices of 3 by 3. Depthwise: M matrices, each with N rows of 9 numbers. All must pass.",
        "`torch.linalg.matrix_rank(kernel)` gives the ranks of all 3×3 kernels at once, in shape (N, M).",
    ),
    imports="import torch",
    cases=lambda: (
        (torch.stack([_slope(), _slope().T])[:, None],),
        (torch.stack([_laplace(), -_laplace()])[:, None],),
        (torch.stack([_slope(), 2 * _slope()])[:, None],),
        (torch.stack([_slope(), _laplace()])[:, None],),
        (torch.zeros(2, 2, 3, 3),),
        (torch.stack([_slope(), torch.zeros(3, 3)])[:, None],),
        (torch.stack([torch.stack([_slope(), _slope()]), torch.stack([_slope(), _slope().T])]),),
        (torch.stack([torch.stack([_slope()] * 2)] * 2 + [torch.stack([_slope().T] * 2)] * 2),),
        (torch.stack([torch.stack([_slope(), _slope().T])] * 4),),
    ),
    random_case=_random_claim,
    covers={
        "both": lambda kernel: _by_minors(kernel) == (True, True),
        "spatially only": lambda kernel: _by_minors(kernel) == (True, False),
        "depthwise only": lambda kernel: _by_minors(kernel) == (False, True),
        "neither": lambda kernel: _by_minors(kernel) == (False, False),
        "several input channels": lambda kernel: kernel.shape[1] > 1,
    },
    alternative=_by_minors,
    mistakes=(
        Mistake(
            "swapped",
            "You swapped the two meanings. First comes the one about height and width, then the one about filtering "
            "and combining.",
            lambda kernel: _by_minors(kernel)[::-1],
        ),
        Mistake(
            "one meaning for both",
            "You gave the spatial answer twice. For the second, collect the N kernels of an input channel as rows of "
            "9 numbers; the shape of a single filter does not matter there.",
            lambda kernel: (_by_minors(kernel)[0],) * 2,
        ),
        Mistake(
            "believed the documentation",
            "You say that every kernel can be factorised, in both ways. Neither always holds: compute the ranks.",
            lambda kernel: (True, True),
            misconception="any kernel can be factorised",
        ),
        Mistake(
            "both at once",
            "You demand that filters be spatially separable before a layer may split. A depthwise filter may be "
            "anything, the Laplace kernel too.",
            lambda kernel: (_by_minors(kernel)[0], all(_by_minors(kernel))),
        ),
        Mistake(
            "one kernel is enough",
            "For the first meaning you were content with one kernel that splits. Every one of them must.",
            lambda kernel: (bool((_spatial_ranks(kernel) <= 1).any()), _by_minors(kernel)[1]),
        ),
        Mistake(
            "all channels share one filter",
            "You demand one pattern for all channels, as if they shared a filter. Each has its own: M matrices.",
            lambda kernel: (
                _by_minors(kernel)[0],
                bool(torch.linalg.matrix_rank(kernel.flatten(0, 1).flatten(1)) <= 1),
            ),
        ),
        Mistake(
            "grouped by output",
            "For the second meaning you made one matrix for each output. Collect the N kernels that read the same "
            "channel.",
            lambda kernel: (
                _by_minors(kernel)[0],
                bool((torch.linalg.matrix_rank(kernel.flatten(2)) <= 1).all()),
            ),
        ),
        Mistake(
            "a kernel of zeros does not count",
            "You ask for a rank of exactly 1. A kernel of zeros has rank 0, and splits too: a column of zeros "
            "times any row.",
            lambda kernel: (
                bool((_spatial_ranks(kernel) == 1).all()),
                bool((torch.linalg.matrix_rank(kernel.transpose(0, 1).flatten(2)) == 1).all()),
            ),
        ),
        Mistake(
            "the layer always splits",
            "You say that every layer splits into a depthwise and a pointwise one. It does only if all kernels "
            "that read the same channel have one pattern.",
            lambda kernel: (_by_minors(kernel)[0], True),
            misconception="any kernel can be factorised",
        ),
        Mistake(
            "the layer never splits",
            "You say that no layer splits. One does if all kernels that read the same channel have one pattern, "
            "up to a factor.",
            lambda kernel: (_by_minors(kernel)[0], False),
        ),
        Mistake(
            "one channel is enough",
            "For the second meaning you were content with one channel that splits. Every one of them must.",
            lambda kernel: (
                _by_minors(kernel)[0],
                bool((torch.linalg.matrix_rank(kernel.transpose(0, 1).flatten(2)) <= 1).any()),
            ),
        ),
        Mistake(
            "reshaped instead of transposed",
            "For the second meaning you cut the kernel into M matrices without a transpose: `reshape` counts on "
            "through the outputs, so kernels of different channels stand in one matrix. First `transpose(0, 1)`, "
            "then flatten.",
            lambda kernel: (
                _by_minors(kernel)[0],
                bool((torch.linalg.matrix_rank(_reshaped(kernel)) <= 1).all()),
            ),
        ),
        Mistake(
            "the other meaning for both",
            "You gave the answer about filtering and combining twice. The first question is about each 3×3 kernel "
            "alone: its rank as a matrix of 3 rows.",
            lambda kernel: (_by_minors(kernel)[1],) * 2,
        ),
        Mistake(
            "one matrix with a row for each output",
            "For the second meaning you made one matrix, with a row for each output. Each channel has a matrix of its "
            "own: M matrices of N rows with 9 numbers.",
            lambda kernel: (_by_minors(kernel)[0], bool(torch.linalg.matrix_rank(kernel.flatten(1)) <= 1)),
        ),
        Mistake(
            "the first kernel and channel only",
            "You looked at the first kernel and the first channel only. All of them must pass.",
            lambda kernel: (_by_minors(kernel[:1, :1])[0], _by_minors(kernel[:, :1])[1]),
        ),
        Mistake(
            "the first kernel only",
            "For the first meaning you looked at one kernel only. Every one of them must split.",
            lambda kernel: (_by_minors(kernel[:1, :1])[0], _by_minors(kernel)[1]),
        ),
        Mistake(
            "symmetric kernels",
            "For the first meaning you asked whether a kernel is symmetric. A column times a row need not be, and a "
            "symmetric kernel need not split: its rank must be 1.",
            lambda kernel: (bool((kernel == kernel.transpose(2, 3)).all()), _by_minors(kernel)[1]),
        ),
        Mistake(
            "kernels of a channel added up",
            "For the second meaning you added up a channel's kernels. A sum forgets what it was made of: keep the N "
            "kernels apart, as rows of 9 numbers.",
            lambda kernel: (_by_minors(kernel)[0], bool((torch.linalg.matrix_rank(kernel.sum(0)) <= 1).all())),
        ),
        Mistake(
            "the mean kernel",
            "For the first meaning you looked at the mean of all kernels. Every single one of them must be a column "
            "times a row.",
            lambda kernel: (bool(torch.linalg.matrix_rank(kernel.mean((0, 1))) <= 1), _by_minors(kernel)[1]),
        ),
        Mistake(
            "equal kernels",
            "For the second meaning you asked whether a channel's kernels are equal. Multiples of one pattern will do: "
            "the pointwise step has a factor for each.",
            lambda kernel: (_by_minors(kernel)[0], bool((kernel == kernel[:1]).all())),
        ),
        Mistake(
            "rank 2 is enough",
            "You ask for a rank below 3. A column times a row has rank 1, or 0.",
            lambda kernel: (
                bool((_spatial_ranks(kernel) < 3).all()),
                bool((torch.linalg.matrix_rank(kernel.transpose(0, 1).flatten(2)) < 3).all()),
            ),
        ),
        Mistake(
            "a determinant of 0",
            "For the first meaning you are content with a rank below 3, which is what a determinant of 0 says. A "
            "column times a row has rank 1, or 0.",
            lambda kernel: (bool((_spatial_ranks(kernel) < 3).all()), _by_minors(kernel)[1]),
        ),
        Mistake(
            "one is enough, twice",
            "You were content with one kernel, and one channel, that splits. Every one of them must.",
            lambda kernel: (
                bool((_spatial_ranks(kernel) <= 1).any()),
                bool((torch.linalg.matrix_rank(kernel.transpose(0, 1).flatten(2)) <= 1).any()),
            ),
        ),
    ),
    reasoning="""The Sobel pair passes the first test and fails the second: each slope is a column times a row, but two
outputs want different patterns from one channel. The Laplace kernel and its negative do the opposite. So the client's
documentation may be right and the plan wrong all the same. If the second answer is no, a depth multiplier equal to the
largest rank makes the split exact; chapter 4 says when it still pays.""",
)
def separable_in_both_ways(kernel):
    """Whether each 3×3 kernel, and whether the layer, can be split."""
    ranks_of_kernels = torch.linalg.matrix_rank(kernel)  # (N, M)
    matrix_per_channel = kernel.transpose(0, 1).flatten(2)  # (M, N, 9)
    ranks_of_channels = torch.linalg.matrix_rank(matrix_per_channel)
    spatially = bool((ranks_of_kernels <= 1).all())
    depthwise = bool((ranks_of_channels <= 1).all())
    return spatially, depthwise


ESSAYS = (
    Essay(
        title="The other order",
        goal=3,
        minutes=15,
        task="""Swap the two layers: first a pointwise layer from M to N channels, then a depthwise layer on these N,
with nothing between. Derive the one dense kernel that it stands for. Which matrices have rank 1 now? Can this order
give both slopes of one channel? And what can it not do that the usual order can?""",
        good_answer=r"""A good answer

- writes the output as $y_n = f_n * \sum_m P_{nm} x_m$, so that $k_{nm} = P_{nm} f_n$.
- says that the filter now belongs to the *output*: for each $n$, the M kernels as rows make a matrix of rank 1.
- sees that both slopes are possible: $P$ copies the channel twice, and each copy has its own filter.
- names the price: one output cannot look at two input channels through different patterns, such as the slope in x of
  one channel plus the slope in y of another. The usual order can.
- notes, for full marks, that filtering now runs on N channels instead of M: the cost changes when they differ.""",
    ),
    Essay(
        title="How a network copes",
        goal=4,
        minutes=10,
        task="""A network of separable layers, each with one filter per channel, needs both slopes of its first input
channel. Explain in a few sentences how two layers in a row can provide them although one layer cannot. What does it
cost? And why does training not simply find a way around the rank in a single layer?""",
        good_answer=r"""- The pointwise step of the first layer writes the channel into two of its outputs.
- The depthwise step of the second layer then filters the two copies with two different filters.
- The cost is one more channel between the layers: a row of weights in the first pointwise step, a filter, and a column
  in the second pointwise step. Compare with a depth multiplier of 2, which doubles the second layer's cost.
- The rank is a property of the form, whatever the weights are: no training can leave the set of kernels that the layer
  can express. It can only look for the best one within that set.""",
    ),
)
