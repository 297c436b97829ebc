"""Exercises of chapter 11, someone else's weights."""

from __future__ import annotations

from itertools import groupby, pairwise
from random import Random
from typing import Any

from mobilenet_edu.architecture import TABLE_1
from mobilenet_edu.exercises._engine import Essay, Mistake, exercise
from mobilenet_edu.exercises._later import F, nn, torch
from mobilenet_edu.exercises._values import RUNNING

_WORDS = ("stem", "conv", "norm", "head", "bias", "layer", "body", "mean")


def _random_move(rng: Random) -> tuple:
    ours = rng.sample(_WORDS, rng.randint(1, 5))
    theirs = [f"their_{word}" for word in rng.sample(_WORDS, len(ours))]
    names = dict(zip(ours, theirs, strict=True))
    checkpoint = {name: rng.randint(1, 99) for name in rng.sample(theirs, len(theirs))}
    if rng.random() < 0.5:
        checkpoint["their_step_counter"] = rng.randint(1, 99)
    return checkpoint, names


def _renamed_by_search(checkpoint, names):
    moved = {}
    for theirs, tensor in checkpoint.items():
        for ours in names:
            if names[ours] == theirs:
                moved[ours] = tensor
    return {ours: moved[ours] for ours in names}


@exercise(
    title="Moving house",
    goal=1,
    level=1,
    minutes=4,
    task="""The function below moves a checkpoint into our names; `names` maps each of our names to theirs. It is
complete. Predict what `renamed({"their_a": 1, "their_b": 2}, {"a": "their_b"})` returns, then check it. Then exchange
the two words `ours` and `theirs` behind `for`, check again, and read the message. Why is an error better here than a
wrong result?""",
    hints=(
        "Whose names does the result have? Whose names does the table's left column have?",
        "The result maps *our* name to the tensor that the checkpoint keeps under *their* name.",
        'Nothing is missing. Try `renamed({"their_a": 1}, {"a": "their_a"})` with a pencil first.',
    ),
    cases=(({"their_a": 1, "their_b": 2}, {"a": "their_b"}), ({"y": 2, "x": 1, "z": 3}, {"a": "x", "b": "y"})),
    random_case=_random_move,
    covers={
        "a tensor that we do not need": lambda checkpoint, names: len(checkpoint) > len(names),
        "more than one tensor": lambda checkpoint, names: len(names) > 1,
    },
    alternative=_renamed_by_search,
    mistakes=(
        Mistake(
            "kept their names",
            "Your result still has their names. load_state_dict looks for ours.",
            lambda checkpoint, names: {theirs: checkpoint[theirs] for theirs in names.values()},
        ),
        Mistake(
            "names without tensors",
            "You returned the table itself: each of our names maps to their name, not to the tensor behind it.",
            lambda checkpoint, names: dict(names),
        ),
        Mistake(
            "paired by position",
            "You paired the tensors by their order. The order of a dictionary is an accident: go by the names.",
            lambda checkpoint, names: dict(zip(names, checkpoint.values(), strict=False)),
        ),
        Mistake(
            "kept what we do not need",
            "Your result also holds tensors that the table does not name. load_state_dict would refuse them.",
            lambda checkpoint, names: (
                {ours: checkpoint[theirs] for ours, theirs in names.items()}
                | {theirs: tensor for theirs, tensor in checkpoint.items() if theirs not in names.values()}
            ),
        ),
        Mistake(
            "kept what we do not need, and theirs first",
            "Your result keeps the tensors that we have no name for, under their names. Begin with an empty "
            "dictionary.",
            lambda checkpoint, names: (
                {theirs: tensor for theirs, tensor in checkpoint.items() if theirs not in names.values()}
                | {ours: checkpoint[theirs] for ours, theirs in names.items()}
            ),
        ),
        Mistake(
            "paired by the alphabet",
            "You sorted both lists of names and paired them. Their alphabet is not ours: go by the table.",
            lambda checkpoint, names: {
                ours: checkpoint[theirs] for ours, theirs in zip(sorted(names), sorted(checkpoint), strict=False)
            },
        ),
        Mistake(
            "under both names",
            "Your result holds each tensor under their name as well. load_state_dict would refuse those.",
            lambda checkpoint, names: (
                {ours: checkpoint[theirs] for ours, theirs in names.items()}
                | {theirs: checkpoint[theirs] for theirs in names.values()}
            ),
        ),
        Mistake(
            "tensors to names",
            "Your dictionary is the wrong way round: it maps a tensor to a name. It is the name that is looked up.",
            lambda checkpoint, names: {checkpoint[theirs]: ours for ours, theirs in names.items()},
        ),
        Mistake(
            "the first alone",
            "Your result holds the first tensor alone. A `return` inside of the loop ends it in its first round.",
            lambda checkpoint, names: {ours: checkpoint[names[ours]] for ours in list(names)[:1]},
        ),
    ),
    reasoning="""The result is `{"a": 2}`. The comprehension runs over our names, so nothing of ours is forgotten, and
what only they have (a step counter, say) stays behind. With the two words exchanged the function looks for *our* name
in *their* checkpoint, and stops with a `KeyError`. That is better than a half-filled network, which would run and be
wrong.""",
)
def renamed(checkpoint, names):
    """The checkpoint under our names."""
    return {ours: checkpoint[theirs] for ours, theirs in names.items()}


def _moving(size, strides):
    """How many layers move their windows."""
    moving = 0
    for stride in strides:
        moving, size = moving + (stride == 2 and size % 2 == 0), -(-size // stride)
    return moving


def _random_path(rng: Random) -> tuple:
    return rng.choice((32, 128, 160, 192, 224, 225, rng.randint(8, 400))), [rng.choice((1, 2, 2)) for _ in range(6)]


def _shift_by_windows(size, strides):
    """Follow the middle of the first window down to the picture, once for each padding."""
    sizes = [size]
    for stride in strides:
        sizes.append(-(-sizes[-1] // stride))
    middles = []
    for same in (False, True):
        middle = 0
        for side, outputs, stride in reversed(list(zip(sizes, sizes[1:], strides, strict=False))):
            total = max((outputs - 1) * stride + 3 - side, 0) if same else 2
            middle = middle * stride - total // 2 + 1
        middles.append(middle)
    return middles[1] - middles[0]


def _shift(size, strides, moves=lambda size, stride: stride == 2 and size % 2 == 0, up=True, grow=True, double=False):
    """The answer, or one with a mistake: which layers move, how sizes are rounded, how the step grows."""
    pixels, step = 0, 1
    for stride in strides:
        if moves(size, stride):
            pixels += step
        step *= 2 if double else stride if grow else 1
        size = -(-size // stride) if up else size // stride
    return pixels


@exercise(
    title="How far the windows move",
    goal=3,
    level=2,
    minutes=10,
    unit="pixels",
    task="""Complete the function. Several 3×3 layers follow one another; `strides` lists their strides, each 1 or 2,
and `size` is the side of the picture. By how many pixels *of the picture* does "same" padding move the windows of the
last map, compared with `padding=1`? Two things are missing: when a layer moves its windows, and by how much.""",
    hints=(
        "At which stride, on which maps, do the paddings differ? And how many pixels of the picture lie between two "
        "neighbours of that map?",
        "A layer moves its windows by one pixel of the map that it reads. In pixels of the picture that is the product "
        "of all strides before it.",
        "The first gap is `stride == 2 and ...`.",
    ),
    stub='''
def last_map_moves(size, strides):
    """Pixels of the picture by which "same" moves the last windows."""
    moved, step = 0, 1  # step: pixels between neighbours of the map
    for stride in strides:
        if ...:
            moved += ...
        step *= stride
        size = -(-size // stride)  # rounded up
    return moved
''',
    cases=((8, [2]), (7, [2]), (224, [2, 1, 2, 1, 2, 1, 2, 2]), (225, [2, 1, 2]), (32, [2, 2, 2, 2, 2]), (10, [2, 2])),
    random_case=_random_path,
    covers={
        "a map that turns odd on the way": lambda size, strides: (
            size % 2 == 0 and _shift(size, strides) != _shift(size, strides, moves=lambda size, stride: stride == 2)
        ),
        "nothing moves": lambda size, strides: _shift_by_windows(size, strides) == 0,
        "rounding up decides": lambda size, strides: _shift(size, strides) != _shift(size, strides, up=False),
    },
    alternative=_shift_by_windows,
    mistakes=(
        Mistake(
            "counted layers",
            "You added one for each layer that moves. One pixel of a late map is many pixels of the picture.",
            lambda size, strides: _shift(size, strides, grow=False),
        ),
        Mistake(
            "doubled at each layer that moves",
            "Your step doubles where windows move, and nowhere else. Every stride makes it longer, on odd maps too.",
            lambda size, strides: 2 ** _moving(size, strides) - 1,
        ),
        Mistake(
            "every stride of 2",
            "Your answer is right where all maps are even. On an odd map both paddings agree, also at stride 2: such a "
            "layer moves nothing.",
            lambda size, strides: _shift(size, strides, moves=lambda size, stride: stride == 2),
        ),
        Mistake(
            "every even map",
            "You let every layer on an even map move its windows. At stride 1 both paddings agree.",
            lambda size, strides: _shift(size, strides, moves=lambda size, stride: size % 2 == 0),
        ),
        Mistake(
            "odd maps",
            "You took the odd maps. On those one zero fits on each side; it is the even ones that need a single zero.",
            lambda size, strides: _shift(size, strides, moves=lambda size, stride: stride == 2 and size % 2 == 1),
        ),
        Mistake(
            "rounded down",
            "You rounded the sizes down on the way. Half an output pixel counts as a whole one.",
            lambda size, strides: _shift(size, strides, up=False),
        ),
        Mistake(
            "counted the strides of 2",
            "You counted the layers with stride 2. On an odd map the paddings agree; and a pixel of a late map is many "
            "pixels of the picture.",
            lambda size, strides: strides.count(2),
        ),
        Mistake(
            "a step that always doubles",
            "You doubled the step at every layer. It grows by the layer's stride, and a stride of 1 leaves it alone.",
            lambda size, strides: _shift(size, strides, double=True),
        ),
        Mistake(
            "stride too early",
            "Each move counts twice in your answer, as if the layer's own stride were in the step already. Its windows "
            "move on the map that it *reads*.",
            lambda size, strides: 2 * _shift(size, strides),
        ),
    ),
    reasoning="""Only stride 2 on an even map needs a single zero, and only there do the windows move: by one pixel of
the map that the layer reads. The distance of two neighbours on that map, in pixels of the picture, is the product of
all strides before it. At 224 pixels the five layers with stride 2 move by 1, 2, 4, 8 and 16 pixels, 31 together; at
225 all maps are odd on the way, and nothing moves.""",
)
def last_map_moves(size, strides):
    """Pixels of the picture by which "same" moves the last windows."""
    moved, step = 0, 1  # step: pixels between neighbours of the map
    for stride in strides:
        if stride == 2 and size % 2 == 0:
            moved += step
        step *= stride
        size = -(-size // stride)  # rounded up
    return moved


def _random_shapes(rng: Random) -> tuple:
    ours = {word: tuple(rng.randint(1, 4) for _ in range(rng.randint(1, 3))) for word in rng.sample(_WORDS, 5)}
    theirs = dict(ours)
    for word in list(ours)[rng.randint(0, 4) :]:
        fate = rng.random()
        if fate < 0.25:
            del theirs[word]
        elif fate < 0.4:
            theirs[word] = (*ours[word][::-1], 5)
        elif fate < 0.55:
            theirs[word] = ours[word][::-1]
        elif fate < 0.85:
            theirs[word] = (ours[word][0] + 1, *ours[word][1:])
    return dict(rng.sample(list(theirs.items()), len(theirs))), ours


def _misfit_by_loop(theirs, ours):
    answer = None
    for name in reversed(list(ours)):
        if theirs.get(name) != ours[name]:
            answer = name
    return answer


def _misfits(theirs: dict, ours: dict) -> list:
    return [name for name, shape in ours.items() if theirs.get(name) != shape]


def _differs_throughout(theirs: tuple | None, ours: tuple) -> bool:
    return theirs is None or all(a != b for a, b in zip(theirs, ours, strict=False))


def _product(shape: tuple) -> int:
    size = 1
    for side in shape:
        size *= side
    return size


@exercise(
    title="The first tensor that does not fit",
    goal=1,
    level=3,
    minutes=8,
    task="""Two dictionaries map names to shapes: `theirs` of a checkpoint, `ours` of a network. Return the first name
of `ours`, in its order, that the checkpoint lacks or has with another shape. Return `None` if all fit. (Names that
only they have are another question; leave them aside here.)""",
    hints=(
        "Go through our names in order, and stop at the first misfit. In which two ways can a name misfit?",
        "A name does not fit if it is not in `theirs`, or if the shapes differ, numbers *and* order.",
        "`for name, shape in ours.items():`",
    ),
    cases=(
        ({"a": (1,)}, {"a": (1,)}),
        ({"a": (2, 3)}, {"a": (3, 2)}),
        ({"b": (1,)}, {"a": (1,), "b": (1,)}),
        ({"a": (1,), "b": (2,), "c": (9,)}, {"a": (1,), "b": (3,), "c": (4,)}),
        ({"a": (1,), "extra": (7,)}, {"a": (1,)}),
        ({"b": (2,), "a": (1,)}, {"a": (1,), "b": (2,)}),
        ({"a": (1,)}, {"a": (1,), "b": (2,)}),
        ({"a": (4, 3)}, {"a": (2, 3)}),
        ({"a": (2, 5, 3)}, {"a": (2, 4, 3)}),
        ({"count": (), "a": (1,)}, {"count": (), "a": (2,)}),  # a single number has an empty shape
    ),
    random_case=_random_shapes,
    covers={
        "a missing name": lambda theirs, ours: bool(ours.keys() - theirs.keys()),
        "another order of the same numbers": lambda theirs, ours: any(
            theirs.get(name, shape) != shape and sorted(theirs[name]) == sorted(shape) for name, shape in ours.items()
        ),
        "several misfits": lambda theirs, ours: len(_misfits(theirs, ours)) > 1,
    },
    alternative=_misfit_by_loop,
    mistakes=(
        Mistake(
            "looked for missing names only",
            "You found missing names, and passed over a tensor of another shape.",
            lambda theirs, ours: next((name for name in ours if name not in theirs), None),
        ),
        Mistake(
            "compared shapes only",
            "You compared the shapes of names that both have, and passed over a name that is missing.",
            lambda theirs, ours: next((name for name in ours if name in theirs and theirs[name] != ours[name]), None),
        ),
        Mistake(
            "compared the number of elements",
            "You passed over a tensor of as many numbers, but of another shape: a 2×3 tensor has as many as a 3×2 one, "
            "and does not fit.",
            lambda theirs, ours: next(
                (name for name in ours if name not in theirs or _product(theirs[name]) != _product(ours[name])),
                None,
            ),
        ),
        Mistake(
            "compared the number of dimensions",
            "You compared how many dimensions there are. The numbers in them must agree as well.",
            lambda theirs, ours: next(
                (name for name in ours if name not in theirs or len(theirs[name]) != len(ours[name])),
                None,
            ),
        ),
        Mistake(
            "compared the first numbers",
            "You compared the first number of the shapes alone. All of them must agree, and there must be as many.",
            lambda theirs, ours: next((name for name in ours if theirs.get(name, ())[:1] != ours[name][:1]), None),
        ),
        Mistake(
            "compared the last numbers",
            "You compared the last number of the shapes alone. All of them must agree, and there must be as many.",
            lambda theirs, ours: next((name for name in ours if theirs.get(name, ())[-1:] != ours[name][-1:]), None),
        ),
        Mistake(
            "the last by the alphabet",
            "You returned the last in the order of the alphabet. It is the first in the network's own order that "
            "counts.",
            lambda theirs, ours: max(_misfits(theirs, ours), default=None),
        ),
        Mistake(
            "missing names first",
            "You looked for missing names first, and then for other shapes. Go through our names once, and ask both "
            "questions of each.",
            lambda theirs, ours: next(
                (name for name in ours if name not in theirs), next(iter(_misfits(theirs, ours)), None)
            ),
        ),
        Mistake(
            "shapes first",
            "You looked for other shapes first, and then for missing names. Go through our names once, and ask both "
            "questions of each.",
            lambda theirs, ours: next(
                (name for name in _misfits(theirs, ours) if name in theirs), next(iter(_misfits(theirs, ours)), None)
            ),
        ),
        Mistake(
            "another order",
            "You returned the first in the order of the alphabet. It is the network's own order that counts.",
            lambda theirs, ours: min(_misfits(theirs, ours), default=None),
        ),
        Mistake(
            "all numbers differ",
            "You passed over a shape of which one number agrees. A single number that differs is enough.",
            lambda theirs, ours: next(
                (name for name in ours if _differs_throughout(theirs.get(name), ours[name])), None
            ),
        ),
        Mistake(
            "decided by the first name",
            "You looked at the first name and returned at once. `return None` comes only after all names were looked "
            "at, behind the loop.",
            lambda theirs, ours: next((name for name in list(ours)[:1] if theirs.get(name) != ours[name]), None),
        ),
        Mistake(
            "the last one",
            "You returned the last tensor that does not fit. The first is where a reader should begin to look.",
            lambda theirs, ours: (_misfits(theirs, ours) or [None])[-1],
        ),
        Mistake(
            "a list of all",
            "You returned a list of every misfit. Return the first name alone, or None.",
            _misfits,
        ),
    ),
    reasoning="""One name is enough for a first message: a truncated file lacks everything after some point, and a
wrong width changes nearly every shape. The first misfit says which of the two it is. `weights.from_checkpoint` asks the
other question too: a tensor that only they have belongs to a network that is not ours.""",
)
def first_misfit(theirs, ours):
    """The first name of ours that is missing or has another shape."""
    for name, shape in ours.items():
        if theirs.get(name) != shape:
            return name
    return None


def _random_variances(rng: Random) -> tuple:
    variance = torch.tensor([rng.choice((0.0, 0.004, 0.1, rng.uniform(0.5, 2))) for _ in range(rng.randint(1, 6))])
    theirs, ours = rng.sample((1e-5, 1e-3, 1e-2), 2)
    return variance, theirs, ours


def _absorbed_by_solving(running_var, their_eps, our_eps):
    """Find the variance with which our root is theirs."""
    return torch.sqrt(running_var.double() + their_eps).square().sub(our_eps).to(running_var.dtype)


@exercise(
    title="A habit becomes a tensor",
    goal=2,
    level=3,
    minutes=8,
    task="""A batch norm was trained with `their_eps`. Yours has `our_eps`, and you may not change it (an old exporter,
say, writes a fixed one). Return the running variance that your layer must have so that in evaluation it computes what
theirs does. `running_var` is a tensor with one number per channel; leave it as it is.""",
    hints=(
        "In which place of the formula of batch norm does ε stand, and what stands beside it?",
        "Both layers must divide by the same root: new variance + our ε = their variance + their ε.",
        "One line is enough; it begins with `return running_var + ...`.",
    ),
    imports="import torch",
    cases=lambda: (
        (torch.tensor([1.0, 0.5]), 1e-3, 1e-5),
        (torch.tensor([0.0]), 1e-3, 1e-5),
        (torch.tensor([0.25, 4.0, 0.01]), 1e-5, 1e-3),
    ),
    random_case=_random_variances,
    covers={
        "their epsilon is larger": lambda variance, theirs, ours: theirs > ours,
        "their epsilon is smaller": lambda variance, theirs, ours: theirs < ours,
        "a channel that is nearly constant": lambda variance, theirs, ours: bool((variance < 0.01).any()),
    },
    alternative=_absorbed_by_solving,
    mistakes=(
        Mistake(
            "the wrong way round",
            "The two epsilons are the wrong way round. Your variance plus our ε must be their variance plus their ε.",
            lambda variance, theirs, ours: variance - theirs + ours,
        ),
        Mistake(
            "their epsilon on top",
            "You added their ε, but your layer adds its own as well. Take that off.",
            lambda variance, theirs, ours: variance + theirs,
        ),
        Mistake(
            "unchanged",
            "You returned the variance as it is. Then the two layers divide by different roots.",
            lambda variance, theirs, ours: variance.clone(),
        ),
        Mistake(
            "the root",
            "You returned the root that both divide by. The layer takes the root itself, of variance plus ε.",
            lambda variance, theirs, ours: torch.sqrt(variance + theirs),
        ),
        Mistake(
            "a ratio",
            "You multiplied by the ratio of the epsilons. ε is added to the variance, so a difference makes up for it.",
            lambda variance, theirs, ours: variance * (theirs / ours),
        ),
        Mistake(
            "added to the root",
            "You made up for ε outside the root. It stands under the root, beside the variance.",
            lambda variance, theirs, ours: (variance.sqrt() + theirs - ours).square(),
        ),
        Mistake(
            "roots of the epsilons",
            "You took the roots of the epsilons. The root is taken of variance plus ε, of the sum.",
            lambda variance, theirs, ours: variance + theirs**0.5 - ours**0.5,
        ),
        Mistake(
            "a ratio of the sums, upside down",
            "You multiplied by a ratio of variance plus ε. ε is added, so a difference makes up for it.",
            lambda variance, theirs, ours: variance * (variance + ours) / (variance + theirs),
        ),
        Mistake(
            "no less than the difference",
            "You lifted what is below the difference of the two ε. Add that difference to all.",
            lambda variance, theirs, ours: variance.clamp(min=theirs - ours),
        ),
        Mistake(
            "squares of the epsilons",
            "You squared the epsilons. ε stands beside the variance as it is.",
            lambda variance, theirs, ours: variance + theirs**2 - ours**2,
        ),
        Mistake(
            "a ratio of the sums",
            "You multiplied the variance by the ratio of the sums. It is a difference that makes the sums equal.",
            lambda variance, theirs, ours: variance * (variance + theirs) / (variance + ours),
        ),
        Mistake(
            "no negative variance",
            "You cut off at zero. What counts is the sum under the root, and that stays positive.",
            lambda variance, theirs, ours: (variance + theirs - ours).clamp(min=0),
        ),
    ),
    reasoning="""Batch norm divides by the root of variance plus ε, and nothing else in it knows ε. So the difference
can move into the variance, and this habit fits into a tensor after all. That holds in evaluation only: in training the
batch's own variance takes the place of the running one. Where a channel is nearly constant and their ε is the smaller
one, the new "variance" may even be negative; the sum under the root is not.""",
)
def absorb_epsilon(running_var, their_eps, our_eps):
    """The running variance that makes up for another epsilon."""
    return running_var + (their_eps - our_eps)


def _random_widths(rng: Random) -> tuple:
    widths = [8]
    for _ in range(rng.randint(3, 12)):
        widths.append(widths[-1] + 8 * rng.choice((0, 0, 1, 3)))
    return widths, rng.randrange(len(widths))


def _name_by_groups(widths, block):
    names = [f"blocks.{stage}.{place}" for stage, (_, run) in enumerate(groupby(widths)) for place, _ in enumerate(run)]
    return names[block]


def _place(widths: list, block: int) -> tuple[int, int]:
    return len(set(widths[:block])) - (widths[block] in widths[:block]), block - widths.index(widths[block])


def _doubling_stages(widths, block):
    stage, place = 0, 0
    for before, width in pairwise(widths[: block + 1]):
        stage, place = (stage + 1, 0) if width == 2 * before else (stage, place + 1)
    return f"blocks.{stage}.{place}"


@exercise(
    title="A colleague's names",
    goal=1,
    level=4,
    minutes=12,
    task="""A colleague has a checkpoint of timm, whose names group the blocks into stages: a new stage begins whenever
the number of output channels changes. Block names are `blocks.<stage>.<place in the stage>`, both counted from 0.
Given the list of the blocks' output channels, which never falls, return the name of block number `block`, counted
from 0.

For MobileNet V1, block 7 of `[64, 128, 128, 256, 256, 512, 512, 512, ...]` is `blocks.3.2`.""",
    hints=(
        "How many different widths come before this block's width? Where does its width first appear?",
        "stage = how many distinct widths are smaller; place = block minus the first index of its width.",
        "`first = widths.index(widths[block])`",
    ),
    cases=(
        ([64, 128, 128, 256], 0),
        ([64, 128, 128, 256], 2),
        ([width for width, _ in TABLE_1], 7),
        ([8, 8, 8], 2),
        ([32, 64, 64, 96, 96], 4),
    ),
    random_case=_random_widths,
    covers={
        "the first block": lambda widths, block: block == 0,
        "a later place in a later stage": lambda widths, block: (
            block - widths.index(widths[block]) > 0 and widths[block] > widths[0]
        ),
    },
    alternative=_name_by_groups,
    mistakes=(
        Mistake(
            "no stages",
            "You numbered the blocks straight through. timm counts stages first, then places within a stage.",
            lambda widths, block: f"blocks.{block}",
        ),
        Mistake(
            "counted from 1",
            "You counted stages and places from 1. Both start at 0.",
            lambda widths, block: "blocks.{}.{}".format(*(number + 1 for number in _place(widths, block))),
        ),
        Mistake(
            "place and stage exchanged",
            "Stage and place are exchanged: the stage comes first.",
            lambda widths, block: "blocks.{1}.{0}".format(*_place(widths, block)),
        ),
        Mistake(
            "the block's number as its place",
            "The stage is right. The place starts again at 0 in each stage.",
            lambda widths, block: f"blocks.{_place(widths, block)[0]}.{block}",
        ),
        Mistake(
            "the length of the stage as the place",
            "Your place is the last one of the stage. It says where this block stands in its stage.",
            lambda widths, block: f"blocks.{_place(widths, block)[0]}.{widths.count(widths[block]) - 1}",
        ),
        Mistake(
            "how many blocks the stage has as the place",
            "Your last number is how many blocks the stage has. It says where this block stands in it, from 0.",
            lambda widths, block: f"blocks.{_place(widths, block)[0]}.{widths.count(widths[block])}",
        ),
        Mistake(
            "places from the end",
            "You counted the places from the end of the stage. They count from its beginning.",
            lambda widths, block: (
                f"blocks.{_place(widths, block)[0]}.{widths.count(widths[block]) - 1 - _place(widths, block)[1]}"
            ),
        ),
        Mistake(
            "the stage alone",
            "Your name ends with the stage. The place in the stage is missing.",
            lambda widths, block: f"blocks.{_place(widths, block)[0]}",
        ),
        Mistake(
            "how often the width has doubled",
            "Your stage is how often the width has doubled. It may grow by less: any change begins a new stage.",
            lambda widths, block: f"blocks.{(widths[block] // widths[0]).bit_length() - 1}.{_place(widths, block)[1]}",
        ),
        Mistake(
            "places counted on",
            "Your place goes on counting when a new stage begins. It starts again at 0 in each stage.",
            lambda widths, block: f"blocks.{_place(widths, block)[0]}.{block - _place(widths, block)[0]}",
        ),
        Mistake(
            "the last stage",
            "Your stage is the network's last one. Count the widths that come before this block's.",
            lambda widths, block: f"blocks.{len(set(widths)) - 1}.{_place(widths, block)[1]}",
        ),
        Mistake(
            "only where the width doubles",
            "You began a new stage only where the width doubles. Any change of the width begins one.",
            _doubling_stages,
        ),
        Mistake(
            "another mark between",
            "The numbers are right; the marks between them are points.",
            lambda widths, block: "blocks_{}_{}".format(*_place(widths, block)),
        ),
        Mistake(
            "the width as the stage",
            "You wrote the number of channels. A stage has a number of its own: how many other widths came before.",
            lambda widths, block: f"blocks.{widths[block]}.{_place(widths, block)[1]}",
        ),
    ),
    reasoning="""Widths never fall, so a stage is a run of equal widths. The number of distinct widths before it is the
stage, and the distance from the start of the run is the place. MobileNet V1 has five stages; `weights.our_names` uses
this very rule.""",
)
def timm_name(widths, block):
    """The name that timm gives to a block."""
    first = widths.index(widths[block])
    return f"blocks.{len(set(widths[:first]))}.{block - first}"


def _random_filters(rng: Random) -> tuple:
    channels = rng.randint(1, 4)
    numbers = [float(rng.randint(-5, 5)) for _ in range(9 * channels)]
    return (torch.tensor(numbers).reshape(channels, 1, 3, 3),)


def _wider_by_running(weight):
    """What a 4×4 kernel must answer to each single pixel that it can see, found with the layer that it replaces."""
    channels = weight.shape[0]
    wider = torch.empty(channels, 1, 4, 4)
    for i in range(4):
        for j in range(4):
            picture = torch.zeros(1, channels, 8, 8)
            picture[:, :, 3 + i, 3 + j] = 1  # the window of output (2, 2) starts at pixel 4, with the zeros' row at 3
            same = F.conv2d(F.pad(picture, (0, 1, 0, 1)), weight, stride=2, groups=channels)
            wider[:, 0, i, j] = same[0, :, 2, 2]
    return wider


@exercise(
    title="A chip that pads on all sides",
    goal=3,
    level=4,
    minutes=12,
    task="""A client's chip runs depthwise convolutions of any kernel size, but knows `padding=1` only, on all sides.
The client wants to run a layer that was trained with "same" padding: 3×3 kernels, stride 2, on maps of even size.
Return kernels of 4×4 that give the same output there, with `padding=1` and stride 2. `weight` has the shape
`(channels, 1, 3, 3)`; leave it as it is.""",
    hints=(
        'With padding=1 the windows start at −1, 1, 3, …, with "same" at 0, 2, 4, …. What must a longer window ignore?',
        "A window of four that starts one pixel too early sees the right three pixels last: its first weight is 0.",
        "A new tensor: `wider = torch.zeros(len(weight), 1, 4, 4)`.",
    ),
    imports="import torch",
    cases=lambda: ((torch.arange(1.0, 10).reshape(1, 1, 3, 3),), (torch.eye(3).repeat(2, 1, 1, 1),)),
    random_case=_random_filters,
    covers={
        "several channels": lambda weight: len(weight) > 1,
        "a kernel that is not symmetric": lambda weight: not torch.equal(weight, weight.flip(2, 3)),
    },
    alternative=_wider_by_running,
    mistakes=(
        Mistake(
            "zeros behind",
            "You put the zeros last. The window starts one pixel too early, so its first row and column must be zero.",
            lambda weight: F.pad(weight, (0, 1, 0, 1)),
        ),
        Mistake(
            "zeros all round",
            "You put zeros on all sides, which makes 5×5. One row and one column are enough.",
            lambda weight: F.pad(weight, (1, 1, 1, 1)),
        ),
        Mistake(
            "rows only",
            "You moved the kernel down only. The windows are shifted in both directions.",
            lambda weight: F.pad(weight, (0, 1, 1, 0)),
        ),
        Mistake(
            "columns only",
            "You moved the kernel to the right only. The windows are shifted in both directions.",
            lambda weight: F.pad(weight, (1, 0, 0, 1)),
        ),
        Mistake(
            "flipped",
            "You turned the kernel over. It only moves by a row and a column; its numbers keep their order.",
            lambda weight: F.pad(weight.flip(2, 3), (1, 0, 1, 0)),
        ),
        Mistake(
            "stretched",
            "You filled the first row and column with copies, as stretching to 4×4 does. Zeros belong there: the "
            "window must ignore what it should not see.",
            lambda weight: F.interpolate(weight, size=(4, 4)),
        ),
        Mistake(
            "stretched smoothly",
            "You stretched the kernel to 4×4. Its nine numbers stay as they are; zeros come before them.",
            lambda weight: F.interpolate(weight, size=(4, 4), mode="bilinear"),
        ),
        Mistake(
            "ones instead of zeros",
            "You filled the first row and column with ones. Zeros belong there: the window must ignore what it should "
            "not see.",
            lambda weight: F.pad(weight, (1, 0, 1, 0), value=1.0),
        ),
        Mistake(
            "the first channel alone",
            "You filled the first channel's kernel alone. Each channel has one.",
            lambda weight: torch.cat([F.pad(weight[:1], (1, 0, 1, 0)), torch.zeros(len(weight) - 1, 1, 4, 4)]),
        ),
        Mistake(
            "channels in the second place",
            "You put the channels second. In a depthwise layer they stand first, and the second number is 1.",
            lambda weight: F.pad(weight, (1, 0, 1, 0)).transpose(0, 1),
        ),
        Mistake(
            "a dense layer",
            "You made kernels of a dense layer, with zeros between different channels. A depthwise layer has one "
            "kernel for each channel: (channels, 1, 4, 4).",
            lambda weight: torch.diag_embed(F.pad(weight, (1, 0, 1, 0))[:, 0].permute(1, 2, 0)).permute(2, 3, 0, 1),
        ),
        Mistake(
            "a zero inside",
            "You put the zeros inside of the kernel. Its three rows and columns stay together, behind the zeros.",
            lambda weight: F.pad(weight, (0, 1, 0, 1))[:, :, [0, 1, 3, 2]][:, :, :, [0, 1, 3, 2]],
        ),
        Mistake(
            "moved too far",
            "You moved the kernel by two rows and columns, so its last ones are lost. One is enough.",
            lambda weight: F.pad(weight, (2, -1, 2, -1)),
        ),
    ),
    reasoning=f"""The longer window starts one pixel before the right one, and a first row and column of zeros makes it
ignore what it should not see. The price: {4 * 4} MACs for each output where there were {3 * 3}, in the four depthwise
layers with stride 2. On odd maps it does not help, since there both paddings agreed already: then leave the 3×3
kernels alone.""",
)
def wider_kernel(weight):
    """Kernels of 4×4 that do with padding=1 what "same" does."""
    wider = torch.zeros(len(weight), 1, 4, 4)
    wider[:, :, 1:, 1:] = weight
    return wider


def _body_and_head(in_channels: int, channels: int, num_classes: int) -> tuple[nn.Module, nn.Module]:
    """A small body in evaluation mode, as a loaded one is, and a head; the same numbers every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(100 * in_channels + 10 * channels + num_classes)
        conv = nn.Conv2d(in_channels, channels, 3, bias=False)
        first = (conv, nn.BatchNorm2d(channels), nn.ReLU(), nn.Dropout())
        body = nn.Sequential(*first, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return body.eval(), nn.Sequential(nn.Linear(channels, num_classes), nn.BatchNorm1d(num_classes))


def _random_parts(rng: Random) -> tuple:
    return _body_and_head(rng.randint(1, 3), rng.randint(2, 5), rng.randint(2, 5))


def _after_training(network: nn.Module, body: nn.Module, head: nn.Module) -> dict[str, Any]:
    """What a loop sees that calls ``.train()``, runs a batch and goes backward."""
    in_channels = body[0].in_channels
    images = torch.linspace(-9, 30, 4 * in_channels * 36).sin().reshape(4, in_channels, 6, 6)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # where the body's dropout still draws, it draws the same every time
            trained = network.train()(images)
        if trained is None:
            return {RUNNING: "`forward` returned None: does it lack a `return`?"}
        if trained.requires_grad:
            trained.square().sum().backward()
        with torch.no_grad():
            used = network.eval()(images)
    except Exception as error:
        return {RUNNING: f"{type(error).__name__}: {error}".partition("\n")[0]}
    shapes = sorted(tuple(p.shape) for p in network.parameters() if p.grad is not None)
    return {
        "parameters with a gradient": shapes,
        "output in training": trained.detach(),
        "output in evaluation": used,
    }


def _keeps_its_body(body, head):
    class KeepsItsBody(nn.Sequential):
        def train(self, mode: bool = True) -> nn.Module:
            """Evaluation mode for the body, whatever is asked."""
            super().train(mode)
            self[0].eval()
            return self

    return KeepsItsBody(body, head)


def _keeps_its_norms(body, head):
    class KeepsItsNorms(nn.Sequential):
        def train(self, mode: bool = True) -> nn.Module:
            """Evaluation mode for the body's batch norm, whatever is asked."""
            super().train(mode)
            for layer in self[0]:
                layer.train(mode and not isinstance(layer, nn.BatchNorm2d))
            return self

    return KeepsItsNorms(body.requires_grad_(False), head)


def _keeps_its_head(body, head):
    class KeepsItsHead(nn.Sequential):
        def train(self, mode: bool = True) -> nn.Module:
            """Evaluation mode for the head, whatever is asked."""
            super().train(mode)
            self[1].eval()
            return self

    return KeepsItsHead(body, head.requires_grad_(False))


def _train_returns_nothing(body, head):
    class ReturnsNothing(nn.Sequential):
        def train(self, mode: bool = True) -> None:
            """Evaluation mode for the body, and no answer."""
            super().train(mode)
            self[0].eval()

    return ReturnsNothing(body.requires_grad_(False), head)


def _always_trains_its_head(body, head):
    class AlwaysTrains(nn.Sequential):
        def train(self, mode: bool = True) -> nn.Module:
            """Training mode for the head, whatever is asked."""
            return self

    head.train()
    return AlwaysTrains(body.requires_grad_(False), head)


def _never_trains(body, head):
    class NeverTrains(nn.Sequential):
        def train(self, mode: bool = True) -> nn.Module:
            """Evaluation mode for all of it, whatever is asked."""
            return super().train(False)

    return NeverTrains(body.requires_grad_(False), head)


def _on_fixed_features(body, head):
    """Another way: the body is put into evaluation mode whenever it runs, and no gradient enters it."""

    class OnFixedFeatures(nn.Module):
        def __init__(self, body: nn.Module, head: nn.Module) -> None:
            super().__init__()
            self.body, self.head = body, head

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            """Images (N, C, H, W) to logits (N, num_classes)."""
            with torch.no_grad():
                features = self.body.eval()(images)
            return self.head(features)

    return OnFixedFeatures(body, head)


def _without_momentum(body: nn.Module, head: nn.Module) -> nn.Module:
    body[1].momentum = 0.0
    return nn.Sequential(body.requires_grad_(False), head)


@exercise(
    title="A client's loop calls train",
    goal=4,
    level=4,
    minutes=15,
    task="""A client's training loop cannot be changed. It calls `network.train()`, runs a batch and goes backward.
`body` is trained and in evaluation mode; `head` is new. Both contain batch norm, and `body` dropout as well (in
training mode it sets random numbers to zero). Return an `nn.Module` that computes `head(body(images))`, whose head
trains as always, and whose body gets no gradients and computes in training what it computes in evaluation, its
statistics untouched.""",
    hints=(
        "What do gradients change, and what does `train()` change? You must stop both.",
        "`train(mode)` of a module calls `train(mode)` of its parts. Your own class can do that, and then put the body "
        "back into evaluation mode.",
        "`class Frozen(nn.Sequential):` with a method `train(self, mode=True)` that returns `self`.",
    ),
    imports="from torch import nn",
    cases=lambda: (_body_and_head(1, 2, 2), _body_and_head(3, 4, 5)),
    random_case=_random_parts,
    covers={
        "several input channels": lambda body, head: body[0].in_channels > 1,
        "another number of classes than features": lambda body, head: head[0].in_features != head[0].out_features,
    },
    observe=_after_training,
    alternative=_on_fixed_features,
    mistakes=(
        Mistake(
            "only the gradients",
            "Only the head gets gradients, but train() reaches your body: its batch norm divides by the batch's own "
            "spread, and its running statistics move.",
            lambda body, head: nn.Sequential(body.requires_grad_(False), head),
        ),
        Mistake(
            "only the mode",
            "Your body stays in evaluation mode, but it gets gradients: an optimiser would change its weights.",
            _keeps_its_body,
        ),
        Mistake(
            "nothing is frozen",
            "Your body trains like any network: it gets gradients, and train() reaches its batch norm.",
            lambda body, head: nn.Sequential(body, head),
        ),
        Mistake(
            "the head as well",
            "You froze the head too, so nothing is left to learn. Freeze the body before you join the two.",
            lambda body, head: nn.Sequential(body, head).requires_grad_(False),
        ),
        Mistake(
            "the head as well, in evaluation mode",
            "Your body stays as it is, but the head is frozen too, so nothing is left to learn.",
            lambda body, head: _keeps_its_body(body, head).requires_grad_(False),
        ),
        Mistake(
            "the head in evaluation mode",
            "Your body stays as it is, but your head stays in evaluation mode too. The head must follow `train()`: it "
            "contains batch norm that has seen nothing yet.",
            _never_trains,
        ),
        Mistake(
            "momentum 0",
            "The running statistics of your body stay, but in training mode its batch norm does not use them: it "
            "divides by the batch's own spread. Evaluation mode does both.",
            _without_momentum,
        ),
        Mistake(
            "batch norm alone in evaluation mode",
            "You put batch norm alone into evaluation mode. Other layers compute something else in training, too: "
            "dropout. Put the whole body into evaluation mode.",
            _keeps_its_norms,
        ),
        Mistake(
            "train returns nothing",
            "Your `train` returns nothing. `network.train()` is used as the network, so it has to `return self`.",
            _train_returns_nothing,
        ),
        Mistake(
            "the head in training mode",
            "Your head stays in training mode after `eval()` as well. Hand the mode on to the head as it comes.",
            _always_trains_its_head,
        ),
        Mistake(
            "no head",
            "You returned the body alone. The head follows it.",
            lambda body, head: body.requires_grad_(False),
        ),
        Mistake(
            "the head in place of the body",
            "You froze the head, and your body trains. It is the other way round: the head is new.",
            _keeps_its_head,
        ),
    ),
    reasoning="""Two things change a network while it trains: gradients change its parameters, and forward passes in
training mode change the statistics of batch norm. `requires_grad_(False)` stops the first, evaluation mode the second,
and since somebody else calls `train()`, the module has to refuse for its body. If you need not hand over
a module, compute the features once and train the head on them, as the chapter does: that is faster too.""",
)
def frozen(body, head):
    """A network that trains `head` and leaves `body` as it was."""

    class Frozen(nn.Sequential):
        def train(self, mode=True):
            super().train(mode)
            self[0].eval()
            return self

    return Frozen(body.requires_grad_(False), head)


ESSAYS = (
    Essay(
        title="An acceptance test",
        goal=2,
        minutes=15,
        task="""A colleague has converted a checkpoint and says that it works: the network runs and the picture of a
cat is called a cat. Write the acceptance test that you would want, as a list of checks in the order in which you would
run them. Say for each what it would catch that the one before would not.""",
        good_answer="""- All names used, none left over; all shapes equal. Catches a wrong or truncated file.
- Outputs equal to the original's on random images, within a stated tolerance. Catches activation, epsilon, padding.
- The same on more than one size, an even and an odd one. With one odd size, a wrong padding passes.
- The same from a picture *file* on. Catches a wrong range of values, crop or order of colours, which random tensors
  never show.
- The names of the classes on a few pictures. Catches labels that are shifted by one.
- The accuracy on a set of known pictures against the published one. Catches what the others have not thought of.
- Sees that one cat proves little: a network that is slightly wrong still knows a cat.""",
    ),
    Essay(
        title="How much to train",
        goal=4,
        minutes=15,
        task="""You have forty X-ray pictures of each of three kinds and a network trained on photographs. Which layers
would you train, and how would you find out whether you were right? Name what could mislead you.""",
        good_answer="""- Early layers find edges, which X-rays have too; late layers combine them into things that
  X-rays do not have. So at least the head, probably the last blocks as well, with a small learning rate.
- Compares several depths on a validation set, each with a learning rate of its own, over several splits, and reports
  the spread: with so few pictures one lucky split misleads.
- Compares with a network from scratch that gets as many steps as it needs. With twenty
  pictures of each shape, this chapter's nearly caught up.
- Keeps pictures of one patient, and of one machine, on one side of every split.
- Remembers batch norm: its running statistics come from photographs, and small batches estimate new ones badly.
- Checks the preparation: grey pictures, often of 16 bits, must arrive in the range that the network was trained
  for.""",
    ),
)
