"""Exercises of chapter 8, training a network and comparing it fairly."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import reduce
from itertools import pairwise, product
from math import sqrt
from random import Random
from statistics import mean, median, pstdev, stdev, variance
from typing import Any

from mobilenet_edu.exercises._engine import Essay, Mistake, exercise
from mobilenet_edu.exercises._later import torch


def _random_scores(rng: Random) -> tuple:
    total = rng.choice((100, 360, 1000))
    return [rng.randint(total // 2, total) for _ in range(rng.randint(2, 9))], total


def _by_statistics(correct, total):
    scores = [100 * count / total for count in correct]
    return mean(scores), stdev(scores)


def _with_mean_distance(correct, total):
    scores = _scores(correct, total)
    return mean(scores), mean(abs(score - mean(scores)) for score in scores)


def _with_mean_distance_of_one_less(correct, total):
    average, distance = _with_mean_distance(correct, total)
    return average, distance * len(correct) / (len(correct) - 1)


def _with_the_one_taken_from_the_quotient(correct, total):
    average, squares = _with_sum_of_squares(correct, total)
    return average, (squares / len(correct) - 1) ** 0.5


def _as_of_coins(correct, total):
    """The spread that chance alone would give, were every image a coin that falls right equally often."""
    average = mean(_scores(correct, total))
    return average, sqrt(average * (100 - average) / total)


def _with_sum_of_squares(correct, total):
    scores = _scores(correct, total)
    return mean(scores), variance(scores) * (len(scores) - 1)


def _scores(correct, total):
    return [100 * count / total for count in correct]


@exercise(
    title="A mean and its spread",
    goal=3,
    level=1,
    minutes=5,
    unit="per cent and points",
    task="""The function takes how many images each run got right, and out of how many. It returns the mean accuracy in
per cent and the standard deviation in points. Run it. Then write `len(scores)` where `len(scores) - 1` stands, run the
check again, and read what it says. Put it back.""",
    hints=(
        "Which single number stands for all the runs? And how far is a run from it, typically?",
        "Add up the squares of the distances from the mean, divide by one less than the number of runs, take the root.",
        "Begin with the accuracies: `scores = [100 * count / total for count in correct]`.",
    ),
    cases=(([330, 338, 342], 360), ([90, 90], 100), ([0, 1000], 1000)),
    random_case=_random_scores,
    covers={
        "two runs": lambda correct, total: len(correct) == 2,
        "more than five runs": lambda correct, total: len(correct) > 5,
        "not out of a hundred": lambda correct, total: total != 100,
    },
    alternative=_by_statistics,
    mistakes=(
        Mistake(
            "divided by the number of runs",
            "You divided by the number of runs. The mean was computed from the same runs and lies too close to them; "
            "one less makes up for it.",
            lambda correct, total: (
                mean(_scores(correct, total)),
                pstdev(_scores(correct, total)),
            ),
        ),
        Mistake(
            "variance",
            "Your spread is the variance, in squared points. Its root is in points.",
            lambda correct, total: (
                mean(_scores(correct, total)),
                float(variance(_scores(correct, total))),
            ),
        ),
        Mistake(
            "standard error",
            "You divided by the root of the number of runs too: that is the standard error, how well the mean is "
            "known. The question is how far apart single runs are.",
            lambda correct, total: (
                mean(_scores(correct, total)),
                stdev(_scores(correct, total)) / sqrt(len(correct)),
            ),
        ),
        Mistake(
            "range",
            "Your spread is the distance from the worst run to the best. It grows with the number of runs, so two "
            "tables with different numbers of runs could not be compared.",
            lambda correct, total: (
                mean(_scores(correct, total)),
                max(_scores(correct, total)) - min(_scores(correct, total)),
            ),
        ),
        Mistake(
            "shares instead of per cent",
            "You computed with shares from 0 to 1. Accuracy in per cent is a hundred times that.",
            lambda correct, total: tuple(value / 100 for value in _by_statistics(correct, total)),
        ),
        Mistake(
            "images instead of per cent",
            "You computed with numbers of images. Divide them by `total`, and take a hundred times that.",
            lambda correct, total: (mean(map(float, correct)), stdev(map(float, correct))),
        ),
        Mistake(
            "mean distance",
            "Your spread is the mean distance from the mean. The standard deviation squares the distances "
            "before it adds them.",
            _with_mean_distance,
        ),
        Mistake(
            "sum of squares",
            "Your spread is the sum of the squares. Divide it by one less than the number of runs, and take the root.",
            _with_sum_of_squares,
        ),
        Mistake(
            "mean distance with one less",
            "You added the distances from the mean as they are. The standard deviation squares them first, and takes "
            "the root at the end.",
            _with_mean_distance_of_one_less,
        ),
        Mistake(
            "one taken from the quotient",
            "You subtracted 1 from the quotient. Subtract it from the number of runs: put parentheses around "
            "`len(...) - 1`.",
            _with_the_one_taken_from_the_quotient,
        ),
        Mistake(
            "distances from the first run",
            "You took the distances from the first run. Take them from the mean.",
            lambda correct, total: (
                mean(_scores(correct, total)),
                sqrt(sum((s - _scores(correct, total)[0]) ** 2 for s in _scores(correct, total)) / (len(correct) - 1)),
            ),
        ),
        Mistake(
            "the spread of chance",
            "Your spread is that of images that are right or wrong by chance. The question is how far apart these runs "
            "are, whatever made them differ.",
            _as_of_coins,
        ),
        Mistake(
            "mean in per cent, spread in images",
            "Your mean is in per cent, your spread in images. Compute it from the percentages, too.",
            lambda correct, total: (mean(_scores(correct, total)), stdev(map(float, correct))),
        ),
        Mistake(
            "sum instead of mean",
            "Your mean is the sum over the runs. Divide it by their number.",
            lambda correct, total: (sum(_scores(correct, total)), stdev(_scores(correct, total))),
        ),
        Mistake(
            "median",
            "Your first number is the median. The mean is the sum over the number of runs.",
            lambda correct, total: (median(_scores(correct, total)), stdev(_scores(correct, total))),
        ),
    ),
    reasoning="""If you divide by the number of runs minus one, the *variance* is right on average, even for few
runs. `statistics.stdev` and `numpy.std(..., ddof=1)` do the same; `numpy.std` without `ddof` does not.""",
)
def mean_and_spread(correct, total):
    """Mean accuracy in per cent, and standard deviation in points."""
    scores = [100 * count / total for count in correct]
    mean = sum(scores) / len(scores)
    squares = sum((score - mean) ** 2 for score in scores)
    return mean, (squares / (len(scores) - 1)) ** 0.5


def _random_trials(rng: Random) -> tuple:
    names = rng.sample(["SGD 0.05", "SGD 0.1", "SGD 0.2", "AdamW 0.001", "AdamW 0.01"], rng.randint(2, 4))
    return (
        [
            (name, rng.randint(340, 345), rng.randint(330, 355))
            for name in names
            for _ in range(rng.choice((1, 2, 2, 3)))
        ],
    )


def _best(runs: list[tuple], score: Callable[[list[int], list[int]], Any]) -> str:
    """The first recipe with the highest ``score(validation results, test results)``."""
    names = list(dict.fromkeys(name for name, _, _ in runs))
    results = {name: ([v for n, v, _ in runs if n == name], [t for n, _, t in runs if n == name]) for name in names}
    return max(names, key=lambda name: score(*results[name]))


def _by_sorting(runs):
    sums: dict[str, Fraction] = {}
    counts = {name: [row[0] for row in runs].count(name) for name, _, _ in runs}
    for name, validation, _ in runs:
        sums[name] = sums.get(name, Fraction(0)) + Fraction(validation, counts[name])
    return sorted(sums, key=lambda name: -sums[name])[0]


@exercise(
    title="Choose the recipe",
    goal=2,
    level=2,
    minutes=8,
    task="""`runs` is a list of `(recipe, validation_correct, test_correct)`, one entry per run; a recipe may have one
run or several. Return the name of the recipe to use from now on (if two are level, the one that comes first). One line
is missing.""",
    hints=(
        "Two numbers follow each name. Which of them may a choice look at?",
        "The mean over the runs of one recipe, so that three tries count no more than one.",
        "`results[name]` is the list of validation results of that recipe; `sum` and `len` do the rest.",
    ),
    stub='''
def choose_recipe(runs):
    """Name of the recipe with the best mean validation result."""
    results = {}
    for name, validation_correct, test_correct in runs:
        results.setdefault(name, []).append(validation_correct)

    def score(name):
        return ...

    return max(results, key=score)
''',
    cases=(
        ([("a", 340, 350), ("a", 344, 352), ("b", 348, 341), ("b", 346, 340)],),
        ([("a", 350, 350), ("b", 200, 360), ("b", 351, 360)],),
        ([("a", 340, 350), ("b", 340, 351)],),
        ([("b", 342, 350), ("c", 340, 338), ("a", 342, 345)],),
    ),
    random_case=_random_trials,
    covers={
        "one recipe has more runs than another": lambda runs: (
            len({[name for name, _, _ in runs].count(name) for name, _, _ in runs}) > 1
        ),
        "the test set prefers another": lambda runs: _by_sorting(runs) != _best(runs, lambda v, t: sum(t) / len(t)),
        "the best single run is another's": lambda runs: _by_sorting(runs) != _best(runs, lambda v, t: max(v)),
    },
    alternative=_by_sorting,
    mistakes=(
        Mistake(
            "chosen on the test set",
            "You chose on the test set. Whatever you choose by it has seen it: its score is then the best of several "
            "tries, no longer a measurement.",
            lambda runs: _best(runs, lambda v, t: sum(t) / len(t)),
        ),
        Mistake(
            "best single run",
            "You chose by the best single run. A recipe that varies a lot, or that was tried more often, wins by luck.",
            lambda runs: _best(runs, lambda v, t: max(v)),
        ),
        Mistake(
            "sum instead of mean",
            "You chose the largest sum over the runs. The recipe that was tried most often then wins; divide by how "
            "many runs it has.",
            lambda runs: _best(runs, lambda v, t: sum(v)),
        ),
        Mistake(
            "fewest correct",
            "You took the recipe with the fewest correct images. More is better here.",
            lambda runs: _best(runs, lambda v, t: -sum(v) / len(v)),
        ),
        Mistake(
            "both sets together",
            "You let the test set have a say. Even as one of two voices it was looked at before the choice was made.",
            lambda runs: _best(runs, lambda v, t: sum(v + t) / len(v)),
        ),
        Mistake(
            "best single run on the test set",
            "You chose by the best single run on the test set. That is two mistakes: the choice has seen the test set, "
            "and one run may be luck.",
            lambda runs: _best(runs, lambda v, t: max(t)),
        ),
        Mistake(
            "median",
            "You took the median. It leaves out how bad the worst of three runs was; the task asks for the mean.",
            lambda runs: _best(runs, lambda v, t: median(v)),
        ),
        Mistake(
            "the last of two that are level",
            "Of two recipes that are level, take the one that comes first.",
            lambda runs: _best(runs[::-1], lambda v, t: sum(v) / len(v)),
        ),
        Mistake(
            "worst single run",
            "You chose by the worst single run. A recipe that was tried more often has had more chances to fail.",
            lambda runs: _best(runs, lambda validation, test: min(validation)),
        ),
        Mistake(
            "first run",
            "You chose by the first run of each recipe, and left the others out.",
            lambda runs: _best(runs, lambda validation, test: validation[0]),
        ),
        Mistake(
            "last run",
            "You chose by the last run of each recipe: a dictionary keeps the last value that it is given.",
            lambda runs: _best(runs, lambda validation, test: validation[-1]),
        ),
        Mistake(
            "level ones in the order of the alphabet",
            "Of two recipes that are level, you took the first by the alphabet. Take the one that comes first in the "
            "list.",
            lambda runs: _best(sorted(runs), lambda validation, test: sum(validation) / len(validation)),
        ),
        Mistake(
            "level ones in the other order of the alphabet",
            "Of two recipes that are level, you took the last by the alphabet. Take the one that comes first in the "
            "list.",
            lambda runs: _best(sorted(runs)[::-1], lambda validation, test: sum(validation) / len(validation)),
        ),
        Mistake(
            "the mean of means",
            "You took the mean of the old mean and the new run. The last run then counts half, the first of many "
            "hardly at all.",
            lambda runs: _best(
                runs, lambda validation, test: reduce(lambda old, new: (old + new) / 2, map(Fraction, validation))
            ),
        ),
        Mistake(
            "smallest gap",
            "You chose by how close the two results are. That looks at the test set, and a bad recipe can be equally "
            "bad twice.",
            lambda runs: _best(
                runs, lambda validation, test: -abs(sum(validation) - sum(test)) / Fraction(len(validation))
            ),
        ),
        Mistake(
            "most runs",
            "You took the recipe with the most runs. How often it was tried says nothing about how good it is.",
            lambda runs: _best(runs, lambda validation, test: len(validation)),
        ),
        Mistake(
            "the first name",
            "You returned the name of the first run, whatever the results are.",
            lambda runs: runs[0][0],
        ),
        Mistake(
            "compared lists",
            "You compared lists. Python compares them by their first entries, so the first run decides.",
            lambda runs: _best(runs, lambda validation, test: validation),
        ),
    ),
    reasoning="""The validation set is there for choosing, and choosing uses it up: the winner's score on it is the
best of several, so it is a little too high. The test set stays closed until there is nothing left to choose.""",
)
def choose_recipe(runs):
    """Name of the recipe with the best mean validation result."""
    results = {}
    for name, validation_correct, _test_correct in runs:
        results.setdefault(name, []).append(validation_correct)

    def score(name):
        return sum(results[name]) / len(results[name])

    return max(results, key=score)


def _random_sizes(rng: Random) -> tuple:
    return *rng.choice(((60, 10), (100, 20), (150, 15))), rng.randint(0, 3)


_FIRST = (90, 10, 1)


class _SetsJudge:
    """Judges one answer after another: some cases ask for the same sets again, some for those of another seed.

    The first case has sizes like no other, so that nothing is compared with an answer that was checked before.
    """

    def __init__(self) -> None:
        self.before: tuple = (None, None, None)  # the sizes, the seed and the answer of the call before

    def __call__(self, answer: Any, count: int, held_out: int, seed: int) -> str | None:
        if (count, held_out, seed) == _FIRST:  # another answer is judged
            self.before = (None, None, None)
        sizes, last_seed, last_answer = self.before
        self.before = ((count, held_out), seed, answer)
        complaint = _wrong_sets(answer, count, held_out)
        if complaint or sizes != (count, held_out):
            return complaint
        if seed == last_seed and answer != last_answer:
            return "called again with the same seed, it made other sets: give the seed to whatever shuffles"
        if seed != last_seed and answer == last_answer:
            return f"seeds {last_seed} and {seed} made the same sets: the seed must decide the order"
        return None


def _wrong_sets(answer: Any, count: int, held_out: int) -> str | None:
    if len(answer) != 3 or not all(type(part) is list for part in answer):
        return "expected a tuple of three lists: train, validation, test"
    train, validation, test = answer
    sizes = [len(part) for part in answer]
    together = [*train, *validation, *test]
    if any(type(index) is not int for index in together):
        return "an index must be a whole number"
    twice = next((index for index in together if together.count(index) > 1), None)
    if twice is not None:
        names = [name for name, part in zip(("train", "validation", "test"), answer, strict=True) if twice in part]
        return f"index {twice} comes more than once: in {' and in '.join(names)}"
    if set(together) - set(range(count)):
        return f"index {max(together)} is none of 0 to {count - 1}: positions count from 0"
    right = [count - 2 * held_out, held_out, held_out]
    if sizes != right and sorted(sizes) == sorted(right):
        return "the sets come in another order: the training set is the first of the three"
    if sizes != right:
        return (
            f"{len(together)} of the {count} indices are used; expected {count - 2 * held_out}, {held_out} and "
            f"{held_out}, got {sizes}"
        )
    for name, part in (("test", test), ("validation", validation)):
        complaint = _not_random(sorted(part), count)
        if complaint:
            return f"the {name} set {complaint}"
    return None


def _not_random(part: list[int], count: int) -> str | None:
    """What gives away that sorted positions in a file were not drawn at random, or None.

    Of n random positions all lie within the share q of the file about n * q**(n - 1) times as often as not: below a
    q of ``10 ** (-9 / (n - 1))`` that is less than once in a million draws.
    """
    steps = {after - before for before, after in pairwise(part)}
    if steps == {1}:
        return "is one stretch of the file, as if nothing had been shuffled"
    if len(steps) == 1:
        return f"holds every {steps.pop()}th index: a pattern is no random sample"
    if part[-1] - part[0] < count * 10 ** (-9 / (len(part) - 1)):
        return f"lies between {part[0]} and {part[-1]}: it has nobody who wrote before or after that"
    return None


def _by_sampling(count, held_out, seed):
    rng = Random(seed + 1)
    held = rng.sample(range(count), 2 * held_out)
    kept = sorted(set(range(count)) - set(held))
    return kept, held[::2], held[1::2]


@exercise(
    title="Three sets",
    goal=1,
    level=3,
    minutes=10,
    task="""Return three lists of indices, `(train, validation, test)`. No index is in two of them; together they hold
the numbers from 0 to `count - 1`. Validation and test have `held_out` indices each. Suppose that you ask how well a
network reads more from the same people: each set must then be a random sample of the whole file. The same `seed` must
give the same sets, another seed must give other sets. (Many answers are right.)""",
    hints=(
        "Put all indices into a random order first. What is left to do is cutting.",
        "The first `held_out` of the shuffled list, the next `held_out`, and the rest.",
        "Begin with `generator = torch.Generator().manual_seed(seed)`, and look up `torch.randperm`.",
    ),
    imports="import torch",
    cases=(_FIRST, (100, 20, 0), (100, 20, 0), (100, 20, 1), (1000, 100, 2)),
    random_case=_random_sizes,
    covers={
        "sets of different sizes": lambda count, held_out, seed: count - 2 * held_out != held_out,
        "a seed above 0": lambda count, held_out, seed: seed > 0,
    },
    alternative=_by_sampling,
    judge=_SetsJudge(),
    mistakes=(
        Mistake(
            "cut without shuffling",
            "You cut the file without shuffling it. Training saw nothing of the people who wrote its end, so the three "
            "sets are no samples of the same people.",
            lambda count, held_out, seed: (
                list(range(count - 2 * held_out)),
                list(range(count - 2 * held_out, count - held_out)),
                list(range(count - held_out, count)),
            ),
        ),
        Mistake(
            "test is validation",
            "Your test set is the validation set. You looked at it for every choice.",
            lambda count, held_out, seed: (lambda sets: (sets[0], sets[1], sets[1]))(_shuffled(count, held_out, seed)),
        ),
        Mistake(
            "trained on everything",
            "You left the held-out images in the training set. A network that has seen the answers scores too well.",
            lambda count, held_out, seed: (list(range(count)), *_shuffled(count, held_out, seed)[1:]),
        ),
        Mistake(
            "fewer to train on than there are",
            "You made all three sets equally large and threw the rest away. What is not held out belongs to training.",
            lambda count, held_out, seed: (
                _shuffled(count, held_out, seed)[0][:held_out],
                *_shuffled(count, held_out, seed)[1:],
            ),
        ),
        Mistake(
            "the same order for every seed",
            "Your sets are those of seed 0, whatever the seed. Then all runs share one split, and nothing tells how "
            "much the split decides.",
            lambda count, held_out, seed: _shuffled(count, held_out, 0),
        ),
    ),
    reasoning="""Shuffle once, cut twice: sets cut from one list cannot overlap. A real project would also keep all
pictures of one writer in the same set, if it knew the writers; scikit-learn's `GroupShuffleSplit` does that.""",
)
def three_sets(count, held_out, seed):
    """Indices to train, to validate and to test with."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(count, generator=generator).tolist()
    test = order[:held_out]
    validation = order[held_out : 2 * held_out]
    return order[2 * held_out :], validation, test


_shuffled = three_sets.reference


def _random_pairs(rng: Random) -> tuple:
    total = rng.choice((100, 360))
    runs = []
    for split in range(rng.randint(2, 3)):
        luck = rng.randint(0, total // 10)  # a hard test set is hard for both
        for seed in range(rng.randint(1, 3)):
            runs.append(("dense", split, seed, total - luck - rng.randint(0, total // 30)))
            runs.append(("separable", split, seed, total - luck - rng.randint(0, total // 15)))
    return rng.sample(runs, len(runs)), total


def _points(runs: list[tuple], total: int, network: str) -> list[float]:
    return [100 * correct / total for name, _, _, correct in runs if name == network]


def _paired(runs: list[tuple], total: int) -> list[float]:
    """The points lost, pair by pair."""
    in_order = sorted(runs, key=lambda run: run[:3])
    pairs = zip(_points(in_order, total, "dense"), _points(in_order, total, "separable"), strict=True)
    return [dense - separable for dense, separable in pairs]


def _by_order(runs, total):
    lost = _paired(runs, total)
    mean = sum(lost) / len(lost)
    return mean, sqrt(sum((points - mean) ** 2 for points in lost) / (len(lost) - 1))


def _mean_and_stdev(values):
    return mean(values), stdev(values)


def _of_two_lists(dense, separable):
    lost = [one - other for one, other in zip(dense, separable, strict=True)]
    return _mean_and_stdev(lost)


def _unmatched(runs, total):
    return _of_two_lists(_points(runs, total, "dense"), _points(runs, total, "separable"))


def _differences(runs, total, place):
    """Mean and spread of the differences, where ``place(split, seed)`` is all that tells pairs apart."""
    found = {(name, place(split, seed)): 100 * correct / total for name, split, seed, correct in runs}
    places = {where for _, where in found}
    return _of_two_lists(*([found[network, where] for where in places] for network in ("dense", "separable")))


def _split_by_split(runs, total):
    splits = sorted({split for _, split, _, _ in runs})
    lost = [mean(_paired([run for run in runs if run[1] == split], total)) for split in splits]
    return mean(lost), stdev(lost)


def _as_if_strangers(runs, total):
    dense, separable = (_points(runs, total, network) for network in ("dense", "separable"))
    lost = mean(dense) - mean(separable)
    return lost, sqrt(variance(dense) + variance(separable))


@exercise(
    title="Run by run",
    goal=3,
    level=3,
    minutes=12,
    unit="points",
    task="""`runs` is a list of `(network, split, seed, correct)`, in any order: for each split and seed that occur
together, one run of the `"dense"` and one of the `"separable"` network; `correct` of its `total` images were right.
How many points of accuracy does the separable network lose? Return the mean and the standard deviation of the
differences, taken run by run.""",
    hints=(
        "Which two runs belong together? What do these two have in common that no other two have?",
        "For each pair: dense minus separable, in per cent of `total`. Then mean and standard deviation of these.",
        "Begin with a way to look a run up: `correct = {run[:3]: run[3] for run in runs}`.",
    ),
    imports="from statistics import mean, stdev",
    cases=(
        ([("dense", 0, 0, 99), ("separable", 0, 0, 98), ("separable", 1, 0, 93), ("dense", 1, 0, 96)], 100),
        (
            [
                ("separable", 1, 0, 340),
                ("dense", 0, 1, 352),
                ("separable", 0, 1, 348),
                ("dense", 0, 0, 350),
                ("dense", 1, 0, 345),
                ("separable", 0, 0, 351),
            ],
            360,
        ),
    ),
    random_case=_random_pairs,
    covers={
        "the two networks come in different orders": lambda runs, total: (
            [run[1:3] for run in runs if run[0] == "dense"] != [run[1:3] for run in runs if run[0] == "separable"]
        ),
        "a split with several seeds": lambda runs, total: any(run[2] > 0 for run in runs),
        "not out of a hundred": lambda runs, total: total != 100,
        "the separable network is ahead in a pair": lambda runs, total: min(_paired(runs, total)) < 0,
    },
    alternative=_by_order,
    mistakes=(
        Mistake(
            "paired as they came",
            "You paired the runs in the order of the list. A pair shares its split and its seed, wherever its two runs "
            "stand; your mean is right all the same, your spread is not.",
            _unmatched,
        ),
        Mistake(
            "spread of strangers",
            "You put the spreads of the two networks together as if their runs had nothing in common. A hard test set "
            "is hard for both, and in the difference of a pair that luck is gone.",
            _as_if_strangers,
        ),
        Mistake(
            "one difference a split",
            "You took the mean over the seeds of a split first. A pair is one split and one seed, and each pair gives "
            "one difference.",
            _split_by_split,
        ),
        Mistake(
            "the other way round",
            "You took separable minus dense. What the separable network loses is dense minus separable.",
            lambda runs, total: (-mean(_paired(runs, total)), stdev(_paired(runs, total))),
        ),
        Mistake(
            "images instead of points",
            "You counted images. Points are per cent of the images that were tested.",
            lambda runs, total: (
                mean(_paired(runs, 100)),
                stdev(_paired(runs, 100)),
            ),
        ),
        Mistake(
            "without the sign",
            "You dropped the sign. Where the separable network is ahead, it loses less than nothing.",
            lambda runs, total: (
                mean(map(abs, _paired(runs, total))),
                stdev(map(abs, _paired(runs, total))),
            ),
        ),
        Mistake(
            "divided by the number of pairs",
            "You divided by the number of pairs. One less makes up for the mean that was taken from the same pairs.",
            lambda runs, total: (mean(_paired(runs, total)), pstdev(_paired(runs, total))),
        ),
        Mistake(
            "standard error",
            "You divided by the root of the number of pairs too: that is how well the mean is known. The question is "
            "how far apart the differences are.",
            lambda runs, total: (
                mean(_paired(runs, total)),
                stdev(_paired(runs, total)) / sqrt(len(runs) / 2),
            ),
        ),
        Mistake(
            "difference of the spreads",
            "Your spread is the difference of the two spreads. Take the differences run by run first, and "
            "then their spread.",
            lambda runs, total: (
                mean(_paired(runs, total)),
                stdev(_points(runs, total, "dense")) - stdev(_points(runs, total, "separable")),
            ),
        ),
        Mistake(
            "shares instead of points",
            "You computed with shares from 0 to 1. Points are a hundred times that.",
            lambda runs, total: (mean(_paired(runs, total)) / 100, stdev(_paired(runs, total)) / 100),
        ),
        Mistake(
            "paired by the split alone",
            "You paired the runs by their split alone. Where a split has several seeds, only the last run of each "
            "network is left then.",
            lambda runs, total: _differences(runs, total, lambda split, seed: split),
        ),
        Mistake(
            "paired by the seed alone",
            "You paired the runs by their seed alone. The same seed occurs in every split, and only the last run of "
            "each network is left then.",
            lambda runs, total: _differences(runs, total, lambda split, seed: seed),
        ),
        Mistake(
            "best with best",
            "You paired the best run with the best, the worst with the worst. A pair shares its split and its seed.",
            lambda runs, total: _of_two_lists(
                sorted(_points(runs, total, "dense")), sorted(_points(runs, total, "separable"))
            ),
        ),
        Mistake(
            "every run with every run",
            "You compared every dense run with every separable one. A pair shares its split and its seed, so each run "
            "is in one pair.",
            lambda runs, total: _of_two_lists(
                *zip(*product(_points(runs, total, "dense"), _points(runs, total, "separable")), strict=True)
            ),
        ),
        Mistake(
            "each pair with both signs",
            "You took each pair twice, once with each sign, so your mean is always 0. Begin with the dense runs alone.",
            lambda runs, total: _mean_and_stdev([sign * lost for lost in _paired(runs, total) for sign in (1, -1)]),
        ),
        Mistake(
            "side by side",
            "You paired the runs that stand side by side in the list. It may be in any order.",
            lambda runs, total: _of_two_lists(*([100 * run[3] / total for run in runs[i::2]] for i in (0, 1))),
        ),
        Mistake(
            "sum instead of mean",
            "You added the differences up. Divide by their number.",
            lambda runs, total: (sum(_paired(runs, total)), stdev(_paired(runs, total))),
        ),
    ),
    reasoning="""However the runs are paired, the mean comes out the same. The spread does not: two runs that share a
split share its luck, and only their own difference is free of it.""",
)
def run_by_run(runs, total):
    """Mean and spread of dense minus separable, pair by pair."""
    correct = {run[:3]: run[3] for run in runs}
    lost = []
    for network, split, seed in correct:
        if network == "dense":
            dense = correct["dense", split, seed]
            separable = correct["separable", split, seed]
            lost.append(100 * (dense - separable) / total)
    return mean(lost), stdev(lost)


def _random_memory(rng: Random) -> tuple:
    return rng.randint(1_000, 5_000_000), rng.randint(1_000, 12_000_000), rng.choice((1, 2, 16, 64, 256))


def _tensor_by_tensor(parameters, kept, batch_size):
    weights = [parameters] * 3  # themselves, their gradients, their momentum
    activations = [kept for _ in range(batch_size)]
    return sum(4 * elements for elements in weights + activations)


@exercise(
    title="The bytes that training needs",
    goal=4,
    level=3,
    minutes=8,
    unit="bytes",
    task="""A network has `parameters` parameters, and autograd keeps `kept` numbers for each image. Return the bytes
that one training step with momentum needs for a batch of `batch_size`: the parameters, all that belongs to each of
them, and what is kept for the backward pass. Every number is a 32-bit float.""",
    hints=(
        "What is there once, however large the batch? And what is there once for every image?",
        "Parameters, gradients and momentum are of one size. What autograd keeps grows with the batch.",
        "Begin with `once = 3 * parameters`.",
    ),
    cases=((10, 100, 1), (10, 100, 8), (4231976, 10236928, 32)),
    random_case=_random_memory,
    covers={
        "a batch of one": lambda parameters, kept, batch_size: batch_size == 1,
        "a larger batch": lambda parameters, kept, batch_size: batch_size > 1,
    },
    alternative=_tensor_by_tensor,
    mistakes=(
        Mistake(
            "numbers instead of bytes",
            "You counted numbers. A 32-bit float has four bytes.",
            lambda p, kept, batch: 3 * p + batch * kept,
        ),
        Mistake(
            "forgot the batch",
            "You counted one image. Autograd keeps its tensors for every image of the batch.",
            lambda p, kept, batch: 4 * (3 * p + kept),
        ),
        Mistake(
            "a network for every image",
            "You multiplied the parameters by the batch too. All images of a batch share one network.",
            lambda p, kept, batch: 4 * batch * (3 * p + kept),
        ),
        Mistake(
            "parameters alone",
            "You counted the parameters once. Each also has a gradient, and this optimiser keeps a momentum for it.",
            lambda p, kept, batch: 4 * (p + batch * kept),
        ),
        Mistake(
            "forgot the momentum",
            "You counted parameters and gradients. This optimiser keeps a momentum for each parameter as well.",
            lambda p, kept, batch: 4 * (2 * p + batch * kept),
        ),
        Mistake(
            "Adam",
            "You counted four numbers for each parameter. Adam needs as many; this optimiser keeps one momentum.",
            lambda p, kept, batch: 4 * (4 * p + batch * kept),
        ),
        Mistake(
            "a byte for each number kept",
            "You turned only the parameters into bytes. What autograd keeps is 32-bit floats as well.",
            lambda p, kept, batch: 12 * p + batch * kept,
        ),
        Mistake(
            "64-bit floats",
            "You took eight bytes for a number. 32 bits are four bytes.",
            lambda p, kept, batch: 8 * (3 * p + batch * kept),
        ),
        Mistake(
            "a byte for each parameter",
            "You turned only what autograd keeps into bytes. Parameters, gradients and momentum are 32-bit floats as "
            "well.",
            lambda p, kept, batch: 3 * p + 4 * batch * kept,
        ),
        Mistake(
            "bits instead of bytes",
            "You counted bits. Eight of them are a byte.",
            lambda p, kept, batch: 32 * (3 * p + batch * kept),
        ),
        Mistake(
            "millions of bytes",
            "Your number is in megabytes. Return bytes: leave the last division out.",
            lambda p, kept, batch: 4 * (3 * p + batch * kept) / 1e6,
        ),
        Mistake(
            "the batch in the wrong place",
            "You multiplied the parameters by the batch, and not what autograd keeps. It is the other way round: the "
            "network is there once, its maps for every image.",
            lambda p, kept, batch: 4 * (3 * p * batch + kept),
        ),
        Mistake(
            "forgot what autograd keeps",
            "You counted what belongs to the parameters. What autograd keeps for the images is missing, and it is most "
            "of the memory as soon as the batch is large.",
            lambda p, kept, batch: 12 * p,
        ),
        Mistake(
            "three times everything",
            "You took what autograd keeps three times as well. Only a parameter has a gradient that stays, "
            "and a momentum.",
            lambda parameters, kept, batch_size: 4 * 3 * (parameters + kept * batch_size),
        ),
        Mistake(
            "gradients for each image",
            "You counted a gradient of each parameter for each image. They are added up: one for each parameter, "
            "whatever the batch is.",
            lambda parameters, kept, batch: 4 * (2 * parameters + batch * (parameters + kept)),
        ),
        Mistake(
            "no momentum, and all of it for each image",
            "You left out the momentum, and multiplied parameters and gradients by the batch. They are there once.",
            lambda parameters, kept, batch: 4 * batch * (2 * parameters + kept),
        ),
        Mistake(
            "only what is kept",
            "You counted what autograd keeps. The parameters, their gradients and their momentum need room too.",
            lambda parameters, kept, batch_size: 4 * kept * batch_size,
        ),
    ),
    reasoning="""Parameters, gradients and momentum are there once; what autograd keeps is there once per image. Adam
(like chapter 8's AdamW) keeps two numbers for each parameter instead of one momentum, and needs four bytes more for
each.""",
)
def training_bytes(parameters, kept, batch_size):
    """Bytes of parameters, gradients, momentum and kept tensors."""
    once = 3 * parameters
    return 4 * (once + batch_size * kept)


_Network = tuple[str, int, int, int]


def _random_offer(rng: Random) -> tuple:
    networks = [
        (name, rng.randint(10, 5_000), rng.randint(10_000, 1_500_000), rng.randint(10_000, 200_000)) for name in "ABCD"
    ]
    return rng.randint(2_000_000, 20_000_000), networks[: rng.randint(2, 4)]


def _fits(memory: int, network: _Network) -> int:
    _, _, parameters, kept = network
    return max(0, (memory - 12 * parameters) // (4 * kept))


def _power_of_two(number: int) -> int:
    return 1 << number.bit_length() >> 1


def _by_trying(memory, networks):
    best = (networks[0][0], 0)
    for name, _, parameters, kept in networks:
        batch, need = 0, 12 * parameters + 4 * kept
        while need <= memory:
            batch, need = batch + 1, need + 4 * kept
        if batch > best[1]:
            best = (name, batch)
    return best


def _batch_of(choose: Callable[[_Network], Any]) -> Callable[..., tuple[str, int]]:
    def answer(memory, networks):
        network = min(networks, key=choose)
        return network[0], _fits(memory, network)

    return answer


def _largest(fits: Callable[[int, _Network], int]) -> Callable[..., tuple[str, int]]:
    def answer(memory, networks):
        best = max(networks, key=lambda network: fits(memory, network))
        return best[0], fits(memory, best)

    return answer


@exercise(
    title="A client asks for the largest batch",
    goal=4,
    level=4,
    minutes=12,
    task="""A client has a card with `memory` bytes and a list of networks `(name, macs, parameters, kept)`, where
`kept` is how many numbers autograd keeps for an image. Which network can be trained with the largest batch, and how
large is it? Return `(name, batch_size)`; if two are level, the first. A network that does not fit with a single image
has batch size 0. Every number is a 32-bit float; count parameters, gradients and momentum.""",
    hints=(
        "What is left of the memory once the parameters and all that belongs to them have their place?",
        "Divide what is left by the bytes of one image, and round down. Below 0 means that nothing fits.",
        "Begin with `for name, macs, parameters, kept in networks:` and `left = memory - 12 * parameters`.",
    ),
    cases=(
        (1000, [("A", 1, 10, 20), ("B", 9, 40, 10)]),
        (100, [("A", 5, 1000, 1), ("B", 6, 2000, 1)]),
        (10_000, [("A", 100, 50, 90), ("B", 900, 400, 40)]),
        (1_000_120, [("A", 1, 10, 10), ("B", 2, 10, 10)]),
    ),
    random_case=_random_offer,
    covers={
        "one does not fit": lambda memory, networks: any(_fits(memory, network) == 0 for network in networks),
        "the fewest MACs do not win": lambda memory, networks: (
            min(networks, key=lambda network: network[1])[0] != _by_trying(memory, networks)[0]
        ),
        "memory left over": lambda memory, networks: all(
            (memory - 12 * parameters) % (4 * kept) for _, _, parameters, kept in networks
        ),
    },
    alternative=_by_trying,
    mistakes=(
        Mistake(
            "fewest MACs",
            "You took the network with the fewest MACs. MACs are work, not memory: what autograd keeps depends on how "
            "many maps there are and how large.",
            _batch_of(lambda network: network[1]),
            misconception="fewer MACs, less memory",
        ),
        Mistake(
            "fewest parameters",
            "You took the network with the fewest parameters. They are there once; the maps are there for every image.",
            _batch_of(lambda network: network[2]),
        ),
        Mistake(
            "smallest maps",
            "You took the network that keeps least for an image. Its parameters may leave no room for images.",
            _batch_of(lambda network: network[3]),
        ),
        Mistake(
            "forgot the parameters",
            "You gave all the memory to the images. Parameters, gradients and momentum need their place first.",
            _largest(lambda memory, network: memory // (4 * network[3])),
        ),
        Mistake(
            "parameters once",
            "You left room for the parameters alone. Their gradients and their momentum are as large again, each.",
            _largest(lambda memory, network: max(0, (memory - 4 * network[2]) // (4 * network[3]))),
        ),
        Mistake(
            "less than nothing",
            "Your batch can be negative. A network that does not fit with a single image has batch size 0.",
            _largest(lambda memory, network: (memory - 12 * network[2]) // (4 * network[3])),
        ),
        Mistake(
            "less than nothing, cut off",
            "Your batch can be negative: `int` only cuts a fraction off. A network that does not fit with a single "
            "image has batch size 0.",
            _largest(lambda memory, network: int((memory - 12 * network[2]) / (4 * network[3]))),
        ),
        Mistake(
            "no momentum",
            "You left room for parameters and gradients. The momentum is as large again.",
            _largest(lambda memory, network: max(0, (memory - 8 * network[2]) // (4 * network[3]))),
        ),
        Mistake(
            "Adam",
            "You left room for four numbers for each parameter, as Adam needs. Here it is three: parameter, gradient "
            "and momentum.",
            _largest(lambda memory, network: max(0, (memory - 16 * network[2]) // (4 * network[3]))),
        ),
        Mistake(
            "a byte for each number kept",
            "You divided by how many numbers an image needs. Each is a float of four bytes.",
            _largest(lambda memory, network: max(0, (memory - 12 * network[2]) // network[3])),
        ),
        Mistake(
            "a power of two",
            "You rounded the batch down to a power of two. That is a habit; the task asks for the largest.",
            _largest(lambda memory, network: _power_of_two(_fits(memory, network))),
        ),
        Mistake(
            "the first that fits",
            "You took the first network that fits. Another one may fit a larger batch.",
            lambda memory, networks: next(
                ((each[0], _fits(memory, each)) for each in networks if _fits(memory, each)), (networks[0][0], 0)
            ),
        ),
        Mistake(
            "a network for every image",
            "You gave each image parameters of its own. All images of a batch share one network.",
            _largest(lambda memory, network: memory // (12 * network[2] + 4 * network[3])),
        ),
        Mistake(
            "numbers instead of bytes",
            "You divided bytes by numbers. A 32-bit float has four bytes.",
            _largest(lambda memory, network: max(0, (memory - 3 * network[2]) // network[3])),
        ),
        Mistake(
            "rounded up",
            "You rounded up. The last image does not fit any more.",
            _largest(lambda memory, network: max(0, -((12 * network[2] - memory) // (4 * network[3])))),
        ),
    ),
    reasoning="""The MACs do not enter. What is left after the parameters, divided by what one image needs, decides.
Take one network with few parameters and large maps, and one with many parameters and small maps. The first may win on
a small card, and the second on a large one. Real cards also need room for the libraries' own workspace: measure before
you promise.""",
)
def largest_batch(memory, networks):
    """Name of the network that fits the largest batch, and the batch."""
    best_name, best_batch = networks[0][0], 0
    for name, _macs, parameters, kept in networks:
        left = memory - 12 * parameters
        batch = max(0, left // (4 * kept))
        if batch > best_batch:
            best_name, best_batch = name, batch
    return best_name, best_batch


def _random_map(rng: Random) -> tuple:
    return rng.choice((1, 1, 2, 2, 3, 4, 5, 8)), rng.choice((1, 3, 3, 5, 7)), rng.choice((1, 2, 3))


def _by_walking(map_size, kernel_size, stride):
    padding, used = kernel_size // 2, set()
    for top in range(-padding, map_size + padding - kernel_size + 1, stride):
        for left in range(-padding, map_size + padding - kernel_size + 1, stride):
            for y in range(max(top, 0), min(top + kernel_size, map_size)):
                used |= {(y - top, x - left) for x in range(max(left, 0), min(left + kernel_size, map_size))}
    return len(used)


def _in_a_row(map_size, kernel_size, stride):
    return _used_with(map_size, kernel_size, stride)


def _used_with(map_size, kernel_size, stride, padding=None, positions=None):
    """The weights of one row that meet a pixel, with another padding or another number of positions."""
    padding = kernel_size // 2 if padding is None else padding
    starts = [
        each * stride - padding for each in range((map_size - 1) // stride + 1 if positions is None else positions)
    ]
    return sum(any(0 <= start + tap < map_size for start in starts) for tap in range(kernel_size))


def _meetings(map_size, kernel_size, stride):
    starts = range(-(kernel_size // 2), map_size - kernel_size // 2, stride)
    return sum(0 <= start + tap < map_size for start in starts for tap in range(kernel_size))


@exercise(
    title="Weights that never meet a pixel",
    goal=5,
    level=4,
    minutes=12,
    unit="weights",
    task="""A kernel of `kernel_size` × `kernel_size` (odd) slides over a map of `map_size` × `map_size` with `stride`;
the map is padded by half the kernel, rounded down. How many of the kernel's weights are multiplied with a real pixel
at one position or more? (The others only ever meet padding: they cost MACs, and cannot learn.)""",
    hints=(
        "Take one row of the kernel and one row of the map. On which places does the kernel's first weight stand?",
        "Weight `tap` stands on place `position * stride + tap - padding`. It is used if any of these is on the map.",
        "Begin with `padding = kernel_size // 2`; rows and columns are alike, so count one row and square it.",
    ),
    cases=((1, 3, 1), (2, 3, 2), (2, 3, 1), (1, 7, 1), (16, 3, 2)),
    random_case=_random_map,
    covers={
        "some weights are never used": lambda *case: _by_walking(*case) < case[1] ** 2,
        "the stride decides": lambda *case: _by_walking(*case) != _by_walking(*case[:2], 1),
        "a map smaller than the kernel that uses all of it": lambda size, kernel, stride: (
            size < kernel and _by_walking(size, kernel, stride) == kernel**2
        ),
    },
    alternative=_by_walking,
    mistakes=(
        Mistake(
            "every weight",
            "You counted the whole kernel. On a small map, some weights stand on padding at every position.",
            lambda size, kernel, stride: kernel**2,
        ),
        Mistake(
            "as large as the map",
            "Your answer lets a row of the kernel use at most as many weights as a row of the map has pixels. With the "
            "padding it begins half outside of the map and slides: at another position, other weights stand on the "
            "same pixel.",
            lambda size, kernel, stride: min(size, kernel) ** 2,
        ),
        Mistake(
            "forgot the stride",
            "Your answer is that of stride 1. With a larger stride the kernel skips positions, and some weights lose "
            "their only pixel.",
            lambda size, kernel, stride: _by_walking(size, kernel, 1),
        ),
        Mistake(
            "one row",
            "You counted one row of the kernel. The kernel has columns too.",
            _in_a_row,
        ),
        Mistake(
            "only the first position",
            "You looked at the first position alone. The kernel moves on, and then other weights meet pixels.",
            lambda size, kernel, stride: min(size, kernel - kernel // 2) ** 2,
        ),
        Mistake(
            "the weights that are never used",
            "You counted the weights that only ever meet padding. The task asks for the others.",
            lambda size, kernel, stride: kernel**2 - _by_walking(size, kernel, stride),
        ),
        Mistake(
            "a position too few",
            "You left the last position out where the stride does not divide the map. There are "
            "`(map_size - 1) // stride + 1`.",
            lambda size, kernel, stride: _used_with(size, kernel, stride, positions=size // stride) ** 2,
        ),
        Mistake(
            "meetings instead of weights",
            "You counted a weight at each position where it meets a pixel. Count it once, however often it does.",
            lambda size, kernel, stride: _meetings(size, kernel, stride) ** 2,
        ),
        Mistake(
            "padded by the whole kernel",
            "You padded by the whole kernel. It is half the kernel, rounded down: `kernel_size // 2`.",
            lambda size, kernel, stride: _used_with(size, kernel, stride, padding=kernel) ** 2,
        ),
    ),
    reasoning="""On a 1×1 map a 3×3 kernel has one position, and only its centre stands on the pixel: one weight of
nine works. On a 2×2 map with stride 2 the one position has its centre on the first pixel, and four weights work. That
is what the last two blocks of this chapter's networks see.""",
)
def taps_used(map_size, kernel_size, stride):
    """Weights of the kernel that meet a real pixel somewhere."""
    padding = kernel_size // 2
    positions = (map_size + 2 * padding - kernel_size) // stride + 1
    used = set()
    for position in range(positions):
        for tap in range(kernel_size):
            if 0 <= position * stride + tap - padding < map_size:
                used.add(tap)
    return len(used) ** 2


ESSAYS = (
    Essay(
        title="One run each",
        goal=3,
        minutes=10,
        task="""A blog post trains two networks once each on the digits, finds that one gets three more images of the
test set right, and recommends it. Write down, in half a page, what you would ask the author, and what the smallest
experiment is that would convince you.""",
        good_answer="""A good answer asks for the spread: how far apart are two runs of *one* network that differ only
in their seed? It asks whether the test set was looked at before the recipe was fixed, and whether both networks had
the same budget for finding theirs. It asks for the split: another test set is another question. The experiment pairs
the runs (same split, same seed for both networks), repeats them over several splits and seeds, reports every
difference and not only their mean, and says beforehand what would count as no difference.""",
    ),
    Essay(
        title="A fair test of thin against shallow",
        goal=5,
        minutes=15,
        task="""In this chapter, the shallow network met the thin one on digits of 8×8 pixels, enlarged to 32×32.
Explain why this is not a test of the paper's claim, whichever of them had won. Then design one that you could
afford.""",
        good_answer="""A good answer names what the digits lack: detail for deep layers to work on. Six of MobileNet's
thirteen blocks read maps of 2×2 pixels here, and one reads a single pixel. On 2×2 a 3×3 kernel mostly meets padding,
and the blocks that the shallow network leaves out are among the six. A linear model on the raw pixels does about as
well, so there is little left for depth to win. The design uses pictures whose originals are at least as large as the
input, a task on which a linear model fails, equal MACs (or parameters, and says which), a recipe chosen for each
network on validation data with the same number of tries, several seeds and splits, and a difference that was fixed
beforehand as worth having.""",
    ),
)
