"""Exercises of chapter 11, someone else's weights."""

from __future__ import annotations

from itertools import groupby
from random import Random

from mobilenet_edu.architecture import TABLE_1, mobilenet_v1
from mobilenet_edu.exercises._engine import Essay, Mistake, exercise

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
    task="""The function below moves a checkpoint into our names. `names` maps each of our names to theirs. It is
complete. Check it, then exchange the two names in the last line: what does Python say, and why is that better than an
answer?""",
    hints=(
        "Whose names does the result have? Whose names does the table's left column have?",
        "The result maps *our* name to the tensor that the checkpoint keeps under *their* name.",
        'Try it on `renamed({"their_a": 1}, {"a": "their_a"})` with a pencil first.',
    ),
    cases=(({"their_a": 1}, {"a": "their_a"}), ({"y": 2, "x": 1, "z": 3}, {"a": "x", "b": "y"})),
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
    ),
    reasoning="""The comprehension runs over our names, so nothing of ours is forgotten, and what only they have (a
step counter, say) stays behind. A name that is missing raises a `KeyError` at once: a half-filled network would run
and be wrong.""",
)
def renamed(checkpoint, names):
    """The checkpoint under our names."""
    return {ours: checkpoint[theirs] for ours, theirs in names.items()}


def _random_side(rng: Random) -> tuple:
    return rng.choice((rng.randint(1, 4), rng.randint(1, 60))), rng.choice((1, 2, 3, 3, 5)), rng.choice((1, 2, 2, 3))


def _padding_by_trying(size, kernel, stride):
    outputs = len(range(0, size, stride))
    total = 0
    while len(range(0, size + total - kernel + 1, stride)) < outputs:
        total += 1
    return total // 2, total - total // 2


def _total(size: int, kernel: int, stride: int) -> int:
    return max((-(-size // stride) - 1) * stride + kernel - size, 0)


@exercise(
    title="Where the zeros go",
    goal=3,
    level=2,
    minutes=10,
    task="""Complete the function: how many zeros TensorFlow's "same" padding puts before and after a row of `size`
pixels. The output has `size / stride` pixels, rounded up. If the number of zeros is odd, the additional one comes
after the row. A stride that is larger than the kernel needs no zeros.""",
    hints=(
        "How far do the windows reach, if there are that many outputs? Compare with the pixels that exist.",
        r"$(\text{outputs} - 1) \cdot \text{stride} + \text{kernel}$ pixels are read. What is missing, is padded.",
        "The hole is `(outputs - 1) * stride + ...`.",
    ),
    stub='''
def same_padding(size, kernel, stride):
    """Zeros before and after a row of pixels."""
    outputs = -(-size // stride)
    total = max(..., 0)
    return total // 2, total - total // 2
''',
    cases=((8, 3, 1), (8, 3, 2), (7, 3, 2), (224, 3, 2), (5, 1, 2)),
    random_case=_random_side,
    covers={
        "an even row at stride 2": lambda size, kernel, stride: size % 2 == 0 and stride == 2 and kernel == 3,
        "a stride larger than the kernel": lambda size, kernel, stride: stride > kernel,
        "a row shorter than the kernel": lambda size, kernel, stride: size < kernel,
    },
    alternative=_padding_by_trying,
    mistakes=(
        Mistake(
            "half the kernel on both sides",
            "That is PyTorch's padding by half the kernel. At stride 2 an even row needs one zero only.",
            lambda size, kernel, stride: (kernel // 2, kernel // 2),
        ),
        Mistake(
            "the odd zero in front",
            "The number is right, the place is not: the additional zero comes after the row.",
            lambda size, kernel, stride: (
                _total(size, kernel, stride) - _total(size, kernel, stride) // 2,
                _total(size, kernel, stride) // 2,
            ),
        ),
        Mistake(
            "as if the stride were 1",
            "You padded as stride 1 would need it: kernel - 1 zeros. Fewer windows reach less far.",
            lambda size, kernel, stride: ((kernel - 1) // 2, kernel - 1 - (kernel - 1) // 2),
        ),
        Mistake(
            "outputs rounded down",
            'You rounded the number of outputs down. "Same" keeps the last window, even if it is half empty.',
            lambda size, kernel, stride: (
                max((size // stride - 1) * stride + kernel - size, 0) // 2,
                -(-max((size // stride - 1) * stride + kernel - size, 0) // 2),
            ),
        ),
        Mistake(
            "negative padding",
            "Some of your numbers are negative: a stride larger than the kernel skips pixels, and needs no zeros.",
            lambda size, kernel, stride: (
                ((-(-size // stride) - 1) * stride + kernel - size) // 2,
                -(-((-(-size // stride) - 1) * stride + kernel - size) // 2),
            ),
        ),
    ),
    reasoning="""The last window starts `(outputs - 1) * stride` pixels after the first and is `kernel` wide. What it
reads beyond the row must be padded. At stride 2 and an even row that is a single zero, and a single zero cannot stand
on both sides: hence the shift by one pixel against `padding=1`.""",
)
def same_padding(size, kernel, stride):
    """Zeros before and after a row of pixels."""
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _random_shapes(rng: Random) -> tuple:
    ours = {word: tuple(rng.randint(1, 4) for _ in range(rng.randint(1, 3))) for word in rng.sample(_WORDS, 5)}
    theirs = dict(ours)
    for word in list(ours)[rng.randint(0, 4) :]:
        fate = rng.random()
        if fate < 0.25:
            del theirs[word]
        elif fate < 0.5:
            theirs[word] = (*ours[word][::-1], 5)
        elif fate < 0.7:
            theirs[word] = ours[word][::-1]
    return theirs, ours


def _misfit_by_loop(theirs, ours):
    answer = None
    for name in reversed(list(ours)):
        if theirs.get(name) != ours[name]:
            answer = name
    return answer


def _misfits(theirs: dict, ours: dict) -> list:
    return [name for name, shape in ours.items() if theirs.get(name) != shape]


def _product(shape: tuple) -> int:
    size = 1
    for side in shape:
        size *= side
    return size


@exercise(
    title="The first tensor that does not fit",
    goal=2,
    level=3,
    minutes=10,
    task="""Two dictionaries map names to shapes: `theirs` of a checkpoint, `ours` of a network. Return the first name
of `ours`, in its order, that the checkpoint lacks or has with another shape. Return `None` if all fit. Names that only
they have do no harm.""",
    hints=(
        "Go through our names in order, and stop at the first trouble. Which two troubles are there?",
        "A name is trouble if it is not in `theirs`, or if the shapes differ, numbers *and* order.",
        "`for name, shape in ours.items():`",
    ),
    cases=(
        ({"a": (1,)}, {"a": (1,)}),
        ({"a": (2, 3)}, {"a": (3, 2)}),
        ({"b": (1,)}, {"a": (1,), "b": (1,)}),
        ({"a": (1,), "b": (2,), "c": (9,)}, {"a": (1,), "b": (3,), "c": (4,)}),
        ({"a": (1,), "extra": (7,)}, {"a": (1,)}),
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
            "You compared how many numbers there are. A 2×3 tensor has as many as a 3×2 one, and does not fit.",
            lambda theirs, ours: next(
                (name for name in ours if name not in theirs or _product(theirs[name]) != _product(ours[name])),
                None,
            ),
        ),
        Mistake(
            "the last one",
            "You returned the last tensor that does not fit. The first is where a reader should begin to look.",
            lambda theirs, ours: (_misfits(theirs, ours) or [None])[-1],
        ),
        Mistake(
            "a list of all",
            "You returned a list of every misfit. One name is asked for, or None.",
            _misfits,
        ),
    ),
    reasoning="""One name is enough for a first message: a truncated file lacks everything after some point, and a
wrong width changes nearly every shape. The first misfit says which of the two it is.""",
)
def first_misfit(theirs, ours):
    """The first name of ours that is missing or has another shape."""
    for name, shape in ours.items():
        if theirs.get(name) != shape:
            return name
    return None


def _random_head(rng: Random) -> tuple:
    return rng.choice((0.25, 0.3, 0.5, 0.7, 0.75, 1.0)), rng.randint(2, 200)


def _head_by_architecture(width_multiplier, num_classes):
    return mobilenet_v1(width_multiplier, num_classes=num_classes).classifier.cost.params


@exercise(
    title="How much is trained",
    goal=4,
    level=3,
    minutes=6,
    unit="parameters",
    task="""You freeze the body of MobileNet V1 and train only a new classifier, which has a bias. Return the number of
parameters that are trained, for any width multiplier and number of classes. At full width the body ends with 1024
channels; widths are rounded down.""",
    hints=(
        "What does the classifier read, and how many numbers does it write?",
        "A linear layer has one weight for each pair of input and output, and one bias for each output.",
        "`channels = int(1024 * width_multiplier)`",
    ),
    cases=((1.0, 1000), (0.25, 4), (0.3, 10)),
    random_case=_random_head,
    covers={
        "a width that must be rounded": lambda width_multiplier, num_classes: 1024 * width_multiplier % 1 != 0,
        "few classes": lambda width_multiplier, num_classes: num_classes < 20,
    },
    alternative=_head_by_architecture,
    mistakes=(
        Mistake(
            "forgot the bias",
            "You left out the bias: one number for each class.",
            lambda width_multiplier, num_classes: int(1024 * width_multiplier) * num_classes,
        ),
        Mistake(
            "trained everything",
            "You counted the whole network. The body is frozen: its parameters stay as they came.",
            lambda width_multiplier, num_classes: mobilenet_v1(width_multiplier, num_classes=num_classes).cost.params,
        ),
        Mistake(
            "full width",
            "You counted with 1024 channels. A thinner network ends with fewer.",
            lambda width_multiplier, num_classes: 1025 * num_classes,
        ),
        Mistake(
            "rounded to the nearest",
            "You rounded the width to the nearest integer, or up. Widths are rounded down.",
            lambda width_multiplier, num_classes: (-int(-1024 * width_multiplier // 1) + 1) * num_classes,
        ),
        Mistake(
            "a bias for each channel",
            "You gave a bias to each channel that the classifier reads. It has one for each class that it writes.",
            lambda width_multiplier, num_classes: int(1024 * width_multiplier) * (num_classes + 1),
        ),
    ),
    reasoning=f"""A thousand classes at full width need {mobilenet_v1().classifier.cost.params:,} numbers, four classes
at a quarter of the width only {mobilenet_v1(0.25, num_classes=4).classifier.cost.params:,}. That is why a new head
needs so few pictures: there is little to learn, and little that could learn the pictures by heart.""",
)
def trained_parameters(width_multiplier, num_classes):
    """Parameters of a new classifier on a frozen MobileNet V1."""
    channels = int(1024 * width_multiplier)
    return channels * num_classes + num_classes


def _random_widths(rng: Random) -> tuple:
    widths = [8]
    for _ in range(rng.randint(3, 12)):
        widths.append(widths[-1] * rng.choice((1, 1, 2)))
    return widths, rng.randrange(len(widths))


def _name_by_groups(widths, block):
    names = [f"blocks.{stage}.{place}" for stage, (_, run) in enumerate(groupby(widths)) for place, _ in enumerate(run)]
    return names[block]


def _place(widths: list, block: int) -> tuple[int, int]:
    return len(set(widths[:block])) - (widths[block] in widths[:block]), block - widths.index(widths[block])


@exercise(
    title="Stages",
    goal=1,
    level=4,
    minutes=15,
    task="""A colleague has a checkpoint of timm, whose names group the blocks into stages: a new stage begins whenever
the number of output channels changes. Block names are `blocks.<stage>.<place in the stage>`, both counted from 0.
Given the list of the blocks' output channels, which never falls, return the name of block number `block`.

For MobileNet V1, block 7 of `[64, 128, 128, 256, 256, 512, 512, 512, ...]` is `blocks.3.2`.""",
    hints=(
        "How many different widths come before this block's width? Where does its width first appear?",
        "stage = how many distinct widths are smaller; place = block minus the first index of its width.",
        "`first = widths.index(widths[block])`",
    ),
    cases=(([64, 128, 128, 256], 0), ([64, 128, 128, 256], 2), ([width for width, _ in TABLE_1], 7), ([8, 8, 8], 2)),
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
    ),
    reasoning="""Widths never fall, so a stage is a run of equal widths. The number of distinct widths before it is the
stage, and the distance from the start of the run is the place. MobileNet V1 has five stages; `weights.our_names` uses
this very rule.""",
)
def timm_name(widths, block):
    """The name that timm gives to a block."""
    first = widths.index(widths[block])
    return f"blocks.{len(set(widths[:first]))}.{block - first}"


ESSAYS = (
    Essay(
        title="An acceptance test",
        goal=2,
        minutes=15,
        task="""A colleague has converted a checkpoint and says that it works: the network runs and the picture of a
cat is called a cat. Write the acceptance test that you would want, as a list of checks in the order in which you would
run them. Say for each what it would catch that the one before would not.""",
        good_answer="""All names used, none left over. All shapes equal. Outputs equal to the original's on random
images, within a stated tolerance and not on one size only: an even and an odd one, since padding differs. The same
after the picture's own preparation, since a wrong range of values is not seen on random input. The order of classes on
a few pictures. Accuracy on a set of known pictures against the published one. One cat proves little: a network that is
slightly wrong still knows a cat.""",
    ),
    Essay(
        title="How far to thaw",
        goal=4,
        minutes=15,
        task="""You have forty X-ray pictures of each of three kinds and a network trained on photographs. Which layers
would you train, and how would you find out whether you were right? Name what could mislead you.""",
        good_answer="""Early layers find edges, which X-rays have too; late layers combine them into things that X-rays
do not have. So at least the head, probably the last blocks, gently, with a smaller learning rate. Choose by a
validation set, several splits, and report the spread: with so few pictures one lucky split misleads. Pictures of the
same patient must not stand in two sets. Batch norm's running statistics come from photographs, and small batches
estimate new ones badly.""",
    ),
)
