"""Exercises of chapter 13, onto a device."""

from __future__ import annotations

import json
from itertools import groupby, pairwise
from pathlib import Path
from random import Random
from statistics import fmean, median, median_high, median_low

from mobilenet_edu.architecture import mobilenet_v1
from mobilenet_edu.exercises._engine import Essay, Mistake, exercise

_TIMES = Path(__file__).parents[1] / "data" / "times.json"


def _random_logits(rng: Random) -> tuple:
    classes, images = rng.randint(2, 4), rng.randint(1, 4)
    expected = [[rng.randint(-40, 40) / 4 for _ in range(classes)] for _ in range(images)]
    noise = rng.choice((0.25, 2, 6))
    return expected, [[value + noise * rng.randint(-4, 4) for value in row] for row in expected]


def _best(row):
    return row.index(max(row))


def _order(row):
    return sorted(range(len(row)), key=row.__getitem__)


def _apart(expected, got):
    return [abs(b - a) for one, other in zip(expected, got, strict=True) for a, b in zip(one, other, strict=True)]


def _same(expected, got):
    return sum(_best(one) == _best(other) for one, other in zip(expected, got, strict=True))


def _by_sorting(expected, got):
    apart = sorted(b - a for one, other in zip(expected, got, strict=True) for a, b in zip(one, other, strict=True))
    order = [[sorted(range(len(row)), key=lambda k: -row[k])[0] for row in rows] for rows in (expected, got)]
    return max(-apart[0], apart[-1]), [a == b for a, b in zip(*order, strict=True)].count(True)


def _some_differ(expected, got):
    return 0 < _same(expected, got) < len(got)


@exercise(
    title="Does the file agree?",
    goal=1,
    level=1,
    minutes=8,
    task="""This function is complete. `expected` and `got` hold one list of logits for each image, the first from
PyTorch, the second from a file in its runtime. It returns the largest difference between two logits, and how many
images get the same answer. Invent logits for two images where the largest difference is 0.2 and one answer has
changed, and others where it is 5 and none has. Then break it: leave out `abs`, check again, and read the answer.""",
    hints=(
        "When does an answer change: if a logit moves far, or if two logits change places?",
        "The answer is the place of the largest logit. Two that are nearly equal change places easily.",
        "Try `agreement([[1.0, 1.1], [3.0, 0.0]], [[1.2, 1.1], [3.0, 0.0]])`.",
    ),
    cases=(
        ([[1.0, 1.25], [3.0, 0.0]], [[1.5, 1.25], [3.0, 0.0]]),
        ([[9.0, 1.0]], [[4.0, 1.0]]),
        ([[0.5, -2.0, 0.25]], [[0.5, -2.0, 0.25]]),
        ([[2.0, 1.0], [1.0, 2.0]], [[2.0, 0.0], [3.0, 2.0]]),
    ),
    random_case=_random_logits,
    covers={
        "one image": lambda expected, got: len(got) == 1,
        "several images": lambda expected, got: len(got) > 1,
        "some answers change": _some_differ,
        "none changes": lambda expected, got: _same(expected, got) == len(got),
        "the largest change is downwards": lambda expected, got: (
            max(_apart(expected, got))
            > max(b - a for x, y in zip(expected, got, strict=True) for a, b in zip(x, y, strict=True))
        ),
    },
    alternative=_by_sorting,
    mistakes=(
        Mistake(
            "signed difference",
            "Your difference has a sign, so a logit that fell does not count. Take the absolute value.",
            lambda expected, got: (
                max(b - a for x, y in zip(expected, got, strict=True) for a, b in zip(x, y, strict=True)),
                _same(expected, got),
            ),
        ),
        Mistake(
            "mean difference",
            "Your difference is the mean. A single wrong logit disappears in it: take the largest.",
            lambda expected, got: (fmean(_apart(expected, got)), _same(expected, got)),
        ),
        Mistake(
            "equal logits",
            "You count the images whose logits are all equal. An answer is the place of the largest one.",
            lambda expected, got: (max(_apart(expected, got)), sum(a == b for a, b in zip(expected, got, strict=True))),
        ),
        Mistake(
            "smallest logit",
            "You compare the places of the smallest logits. The answer is the place of the largest.",
            lambda expected, got: (
                max(_apart(expected, got)),
                sum(a.index(min(a)) == b.index(min(b)) for a, b in zip(expected, got, strict=True)),
            ),
        ),
        Mistake(
            "changed answers",
            "You count the answers that changed. Count those that stayed.",
            lambda expected, got: (max(_apart(expected, got)), len(got) - _same(expected, got)),
        ),
        Mistake(
            "signed the other way",
            "Your difference has a sign, so a logit that rose does not count. Take the absolute value.",
            lambda expected, got: (
                max(a - b for x, y in zip(expected, got, strict=True) for a, b in zip(x, y, strict=True)),
                _same(expected, got),
            ),
        ),
        Mistake(
            "the sign dropped too late",
            "You took the largest difference first and its absolute value then. Drop the sign of each difference "
            "first.",
            lambda expected, got: (
                abs(max(a - b for x, y in zip(expected, got, strict=True) for a, b in zip(x, y, strict=True))),
                _same(expected, got),
            ),
        ),
        Mistake(
            "the smallest difference",
            "Your difference is the smallest. One logit that stayed hides all that moved: take the largest.",
            lambda expected, got: (min(_apart(expected, got)), _same(expected, got)),
        ),
        Mistake(
            "squares",
            "Your difference is squared. Take the absolute value as it is.",
            lambda expected, got: (max(_apart(expected, got)) ** 2, _same(expected, got)),
        ),
        Mistake(
            "a sum for each image",
            "You added an image's differences up. Take the largest single one.",
            lambda expected, got: (
                max(sum(_apart([a], [b])) for a, b in zip(expected, got, strict=True)),
                _same(expected, got),
            ),
        ),
        Mistake(
            "the first image's difference",
            "Your difference is that of the first image. Another image may have moved further.",
            lambda expected, got: (max(_apart(expected[:1], got[:1])), _same(expected, got)),
        ),
        Mistake(
            "the last image's difference",
            "Your difference is that of the last image. Another image may have moved further.",
            lambda expected, got: (max(_apart(expected[-1:], got[-1:])), _same(expected, got)),
        ),
        Mistake(
            "sizes compared",
            "You dropped the signs of the logits before you subtracted. −1 and 1 are 2 apart.",
            lambda expected, got: (
                max(
                    abs(abs(a) - abs(b)) for x, y in zip(expected, got, strict=True) for a, b in zip(x, y, strict=True)
                ),
                _same(expected, got),
            ),
        ),
        Mistake(
            "the answer's logit alone",
            "You looked at the logit of PyTorch's answer alone. Another logit may have moved further.",
            lambda expected, got: (
                max(abs(max(a) - b[_best(a)]) for a, b in zip(expected, got, strict=True)),
                _same(expected, got),
            ),
        ),
        Mistake(
            "the root of the mean square",
            "Your difference is a mean over all logits. A single wrong one disappears in it: take the largest.",
            lambda expected, got: (fmean(each**2 for each in _apart(expected, got)) ** 0.5, _same(expected, got)),
        ),
        Mistake(
            "the median difference",
            "Your difference is the median. A single wrong logit does not show in it: take the largest.",
            lambda expected, got: (median(_apart(expected, got)), _same(expected, got)),
        ),
        Mistake(
            "all images",
            "You count all images. Count those whose answer stayed the same.",
            lambda expected, got: (max(_apart(expected, got)), len(got)),
        ),
        Mistake(
            "a share of the images",
            "You returned the share of the images. Return how many they are.",
            lambda expected, got: (max(_apart(expected, got)), _same(expected, got) / len(got)),
        ),
        Mistake(
            "all places",
            "You count the images whose logits all have the same order. An answer is the place of the largest one.",
            lambda expected, got: (
                max(_apart(expected, got)),
                sum(_order(a) == _order(b) for a, b in zip(expected, got, strict=True)),
            ),
        ),
        Mistake(
            "equal largest logits",
            "You count the images whose largest logits are equal. An answer is the *place* of the largest.",
            lambda expected, got: (
                max(_apart(expected, got)),
                sum(max(a) == max(b) for a, b in zip(expected, got, strict=True)),
            ),
        ),
        Mistake(
            "difference of the largest",
            "You compare the largest logits alone. Another logit may have moved further.",
            lambda expected, got: (
                max(abs(max(a) - max(b)) for a, b in zip(expected, got, strict=True)),
                _same(expected, got),
            ),
        ),
    ),
    reasoning="""Neither number replaces the other. Two logits that were nearly equal change places after a tiny
difference, such as 0.2 from `[[1.0, 1.1], [3.0, 0.0]]` to `[[1.2, 1.1], [3.0, 0.0]]`. An answer that was clear
survives a large one, such as 5 from `[[9.0, 1.0], [3.0, 0.0]]` to `[[4.0, 1.0], [3.0, 0.0]]`. A file whose arithmetic
has 32 bits must pass on both; a file of 8-bit integers cannot pass on the first, so you judge it by its answers, on as
many images as you can get.""",
)
def agreement(expected, got):
    """(largest difference, number of same answers)."""
    differences, same = [], 0
    for image, ours in enumerate(expected):
        theirs = got[image]
        differences += [abs(a - theirs[k]) for k, a in enumerate(ours)]
        same += ours.index(max(ours)) == theirs.index(max(theirs))
    return max(differences), same


def _random_turns(rng: Random) -> tuple:
    true, rounds = rng.choice((0.25, 0.5, 1.5)), []
    for _ in range(rng.choice((3, 5, 7, 4, 6))):
        busy = rng.choice((1, 1, 1, 2, 3))
        plain, other = rng.randint(90, 110) * busy, round(rng.randint(90, 110) * true * busy)
        rounds.append((plain * rng.choice((1, 1, 1, 4)), other * rng.choice((1, 1, 1, 4))))
    return (rounds,)


def _by_bisection(rounds):
    ratios = sorted(other / plain for plain, other in rounds)
    return (ratios[(len(ratios) - 1) // 2] + ratios[len(ratios) // 2]) / 2


def _ratios(rounds):
    return [other / plain for plain, other in rounds]


def _sum_of(rounds, place):
    return sum(turn[place] for turn in rounds)


@exercise(
    title="In turns",
    goal=2,
    level=2,
    minutes=8,
    task="""Two programs took turns: in each round first the plain one ran, then the other, and `rounds` holds the
pairs of times, `(plain, other)`. In some rounds a third program kept the machine busy. Fill the two gaps: for
each round, divide the other program's time by the plain one's; return the median of these ratios.""",
    hints=(
        "If a round was slow for both programs, which number of that round still means something?",
        "Divide other by plain in each round. Then take the median of these ratios.",
        "The first gap: `other / plain for plain, other in rounds`.",
    ),
    imports="from statistics import median",
    cases=(
        ([(100, 50), (300, 150), (100, 52)],),
        ([(100, 50), (400, 200), (210, 100), (100, 55)],),
        ([(20, 30)],),
        ([(100, 40), (110, 400), (90, 45)],),
    ),
    random_case=_random_turns,
    covers={
        "an even number of rounds": lambda rounds: len(rounds) % 2 == 0,
        "an odd number": lambda rounds: len(rounds) % 2 == 1,
        "an uneven machine": lambda rounds: max(rounds)[0] > 1.5 * min(rounds)[0],
    },
    alternative=_by_bisection,
    stub='''def ratio_in_turns(rounds):
    """The median over the rounds of other / plain."""
    ratios = [...]
    return ...''',
    mistakes=(
        Mistake(
            "ratio of medians",
            "You divided one median by the other. They may come from different rounds, one of them busy. Divide within "
            "each round first.",
            lambda rounds: median(other for _, other in rounds) / median(plain for plain, _ in rounds),
        ),
        Mistake(
            "ratio of sums",
            "You divided the sums. One slow round then outweighs the others.",
            lambda rounds: _sum_of(rounds, 1) / _sum_of(rounds, 0),
        ),
        Mistake(
            "upside down",
            "Your ratio is upside down: it is the plain program's time as a share of the other's.",
            lambda rounds: median(plain / other for plain, other in rounds),
        ),
        Mistake(
            "mean of the ratios",
            "You took the mean of the ratios. One interrupted call moves it; it does not move the median.",
            lambda rounds: fmean(other / plain for plain, other in rounds),
        ),
        Mistake(
            "fastest of each",
            "You divided the fastest times. That compares two lucky moments.",
            lambda rounds: min(other for _, other in rounds) / min(plain for plain, _ in rounds),
        ),
        Mistake(
            "the upper of two",
            "Of an even number of rounds you took the upper of the two in the middle. The median is their mean.",
            lambda rounds: median_high(_ratios(rounds)),
        ),
        Mistake(
            "the lower of two",
            "Of an even number of rounds you took the lower of the two in the middle. The median is their mean.",
            lambda rounds: median_low(_ratios(rounds)),
        ),
        Mistake(
            "the middle of the list",
            "You took the ratio in the middle of the list. Sort them first: the median is in the middle by size.",
            lambda rounds: _ratios(rounds)[len(rounds) // 2],
        ),
        Mistake(
            "a share of both",
            "You divided by the time of both programs. Divide by the plain program's time alone.",
            lambda rounds: median(other / (plain + other) for plain, other in rounds),
        ),
        Mistake(
            "the quickest round",
            "You took the ratio of the quickest round. One round is a single measurement; take the median of all.",
            lambda rounds: _ratios([min(rounds, key=sum)])[0],
        ),
        Mistake(
            "the middle round by the plain time",
            "You sorted the rounds by the plain program's time. Compute the ratios first, and sort those.",
            lambda rounds: _ratios(sorted(rounds))[len(rounds) // 2],
        ),
        Mistake(
            "the smallest ratio",
            "You took the smallest ratio. In that round the plain program may have been the one that was interrupted.",
            lambda rounds: min(_ratios(rounds)),
        ),
        Mistake(
            "the largest ratio",
            "You took the largest ratio. In that round the other program may have been the one that was interrupted.",
            lambda rounds: max(_ratios(rounds)),
        ),
        Mistake(
            "the last round only",
            "You used the last round only. One timing is not a measurement; take all of them.",
            lambda rounds: _ratios(rounds)[-1],
        ),
        Mistake(
            "turned over at the end",
            "You took the median of plain / other and turned it over. With an even number of rounds that is not the "
            "same: divide other by plain at once.",
            lambda rounds: 1 / median(plain / other for plain, other in rounds),
        ),
        Mistake(
            "what is saved",
            "You returned the share that is saved. The share that it needs is 1 minus that.",
            lambda rounds: 1 - median(_ratios(rounds)),
        ),
        Mistake(
            "slowest of each",
            "You divided the slowest times. Those are the calls that something else disturbed most.",
            lambda rounds: max(other for _, other in rounds) / max(plain for plain, _ in rounds),
        ),
        Mistake(
            "how much faster",
            "You returned how much faster the other program is. Return its time as a share of the plain program's: "
            "other / plain.",
            lambda rounds: median(plain / other for plain, other in rounds) - 1,
        ),
        Mistake(
            "a difference",
            "You subtracted the times. A share is a quotient: other / plain.",
            lambda rounds: median(other - plain for plain, other in rounds),
        ),
        Mistake(
            "first round only",
            "You used the first round only. One timing is not a measurement.",
            lambda rounds: rounds[0][1] / rounds[0][0],
            misconception="one timing is a measurement",
        ),
    ),
    reasoning="""A busy moment usually lasts longer than a round: it slows both programs of the round and leaves their
ratio. A shorter one, which interrupts a single call, spoils one ratio, and the median does not look at how far off that
is. Dividing two medians gives up the pairing, which was the reason to take turns.""",
)
def ratio_in_turns(rounds):
    """The median over the rounds of other / plain."""
    ratios = [other / plain for plain, other in rounds]
    return median(ratios)


def _random_table(rng: Random) -> tuple:
    steps = rng.randint(2, 5)
    times = [rng.randint(20, 900) for _ in range(steps)]
    small = [rng.choice((0.0625, 0.25, 0.125)) for _ in range(steps)]
    other = [rng.choice((0.25, 0.5, 0.75, 1.5, 2.0)) for _ in range(steps)]
    fixed = rng.randint(1, 15)
    measured = sum(fixed + (time - fixed) * share for time, share in zip(times, small, strict=True))
    return times, small, round(measured), other


def _in_proportion(times, shares):
    return sum(time * share for time, share in zip(times, shares, strict=True))


def _by_two_sums(times, small, measured, other):
    """The prediction is linear in the fixed cost: what a cost of 1 adds, as often as the small network needs it."""
    gap = measured - _in_proportion(times, small)
    return _in_proportion(times, other) + gap * (len(other) - sum(other)) / (len(small) - sum(small))


def _with_fixed(times, fixed, shares):
    return sum(fixed + (time - fixed) * share for time, share in zip(times, shares, strict=True))


def _fixed(times, small, measured):
    return (measured - _in_proportion(times, small)) / (len(small) - sum(small))


def _measured_errors() -> list[int]:
    """In per cent, for the widths 0.5 and 0.75 of chapter 9's network, the largest error of both predictions: in
    proportion to the work, and with the fixed cost that the width 0.25 shows."""
    stored = json.loads(_TIMES.read_text(encoding="utf-8"))
    setting = ["separable", 1, False, False]  # one image, PyTorch's own layout and memory
    rows = [row[len(setting) + 1 :] for row in stored["layers"] if row[: len(setting)] == setting]
    times = [median(row[0]) for row in rows] + [median(row[1]) for row in rows if row[1]]

    def whole(width_multiplier):
        (found,) = [row[-1] for row in stored["networks"] if row[:-1] == ["separable", width_multiplier, *setting[1:]]]
        return median(found)

    def shares(width_multiplier):
        pairs = zip(mobilenet_v1(width_multiplier).layers, mobilenet_v1().layers, strict=True)
        costs = [(own.cost, full.cost) for own, full in pairs if full.cost.macs]
        after = [own.output_elements / full.output_elements for own, full in costs[:-1]]
        return [own.macs / full.macs for own, full in costs] + after

    errors, known = [], (shares(0.25), whole(0.25))
    for predict in (lambda other: _in_proportion(times, other), lambda other: _by_two_sums(times, *known, other)):
        errors.append(max(abs(predict(shares(width)) / whole(width) - 1) for width in (0.5, 0.75)))
    return [round(100 * error) for error in errors]


_ALONE, _FITTED = _measured_errors()


@exercise(
    title="A table that predicts",
    goal=4,
    level=3,
    minutes=20,
    unit="µs",
    task="""`times` are the microseconds (µs) of each step of a large network. Another network has the same steps with
less or more work. A step that takes t in the large network takes f + (t − f) · s in one that does the share s of its
work. f is a fixed cost, the same for every step. You do not know f, but one small network has been measured: its shares
are `small`, its whole time is `measured`. Find f from it, and return the predicted time of the network with the shares
`other`.""",
    hints=(
        "Write the small network's time as a sum over its steps. Which unknown is left?",
        "measured = Σ t·s + f · Σ (1 − s), so f is the gap that proportion leaves, divided by Σ (1 − s).",
        "Begin with `gap = measured - sum(t * s for t, s in zip(times, small))`.",
    ),
    cases=(
        ([100, 50], [0.25, 0.5], 60, [0.5, 0.5]),
        ([400], [0.25], 130, [0.5]),
        ([90, 10, 300], [0.0625, 0.25, 0.0625], 50, [0.5, 0.75, 2.0]),
    ),
    random_case=_random_table,
    covers={
        "more work than the table": lambda times, small, measured, other: max(other) > 1,
        "shares that differ": lambda times, small, measured, other: len(set(other)) > 1,
    },
    alternative=_by_two_sums,
    mistakes=(
        Mistake(
            "in proportion",
            "Your answer is in proportion to the work, as if there were no fixed cost. A step with hardly any work "
            "still takes its fixed time.",
            lambda times, small, measured, other: _in_proportion(times, other),
        ),
        Mistake(
            "the gap as it is",
            "You added the small network's whole gap. The other network's steps keep more of their work, so less is "
            "missing.",
            lambda times, small, measured, other: (
                _in_proportion(times, other) + measured - _in_proportion(times, small)
            ),
        ),
        Mistake(
            "a fixed cost on top",
            "You added f to every step. The measured time t has it already, so only the rest of t scales: "
            "f + (t − f) · s.",
            lambda times, small, measured, other: (
                _in_proportion(times, other) + len(times) * _fixed(times, small, measured)
            ),
        ),
        Mistake(
            "the fixed cost scaled, and the rest the other way",
            "You multiplied f by s, and t − f by 1 − s. f stays as it is, whatever s is; t − f is multiplied by s.",
            lambda times, small, measured, other: sum(
                _fixed(times, small, measured) * share + (each - _fixed(times, small, measured)) * (1 - share)
                for each, share in zip(times, other, strict=True)
            ),
        ),
        Mistake(
            "between two networks",
            "You drew a line between the two measured networks by the mean of their shares. A long step that keeps "
            "little counts more than a short one: add the steps up one by one.",
            lambda times, small, measured, other: (
                measured + (sum(times) - measured) * (fmean(other) - fmean(small)) / (1 - fmean(small))
            ),
        ),
        Mistake(
            "the gap by the shares",
            "You let the gap grow with the shares. The more of its work a step keeps, the less is missing: it is 1 − s "
            "that counts.",
            lambda times, small, measured, other: (
                _in_proportion(times, other) + (measured - _in_proportion(times, small)) * sum(other) / sum(small)
            ),
        ),
        Mistake(
            "the gap over the steps",
            "You divided the gap by the number of steps. A step that keeps the share s shows only 1 − s of its f.",
            lambda times, small, measured, other: _with_fixed(
                times, (measured - _in_proportion(times, small)) / len(small), other
            ),
        ),
        Mistake(
            "the gap over the shares",
            "You divided the gap by the sum of the shares. A step that keeps the share s shows 1 − s of its f, so "
            "divide by the sum of those.",
            lambda times, small, measured, other: _with_fixed(
                times, (measured - _in_proportion(times, small)) / sum(small), other
            ),
        ),
        Mistake(
            "the gap over one less the shares",
            "You divided the gap by 1 − Σ s. Each step has its own 1 − s: add these up.",
            lambda times, small, measured, other: _with_fixed(
                times, (measured - _in_proportion(times, small)) / (1 - sum(small)), other
            ),
        ),
        Mistake(
            "the gap as a step's cost",
            "You took the whole gap for the fixed cost of one step. All steps of the small network share in it.",
            lambda times, small, measured, other: _with_fixed(times, measured - _in_proportion(times, small), other),
        ),
        Mistake(
            "the fixed cost once",
            "You added f once. Every step has it.",
            lambda times, small, measured, other: (
                _with_fixed(times, _fixed(times, small, measured), other)
                - (len(times) - 1) * _fixed(times, small, measured)
            ),
        ),
        Mistake(
            "the wrong shares in the fixed cost",
            "You divided the gap with the shares of the network that you predict. The gap was measured on the small "
            "one.",
            lambda times, small, measured, other: _with_fixed(
                times, (measured - _in_proportion(times, small)) / (len(other) - sum(other) or 1), other
            ),
        ),
        Mistake(
            "the small network",
            "You predicted the small network, which was measured. Take the shares `other`.",
            lambda times, small, measured, other: _with_fixed(times, _fixed(times, small, measured), small),
        ),
        Mistake(
            "the fixed cost itself",
            "You returned f. With it, predict the time of the network with the shares `other`.",
            lambda times, small, measured, other: _fixed(times, small, measured),
        ),
        Mistake(
            "the other sign",
            "Your f has the wrong sign: the gap is what was measured, less what proportion says.",
            lambda times, small, measured, other: _with_fixed(times, -_fixed(times, small, measured), other),
        ),
        Mistake(
            "what does not scale alone",
            "You added up what does not scale. The part that scales, t · s, belongs to the time as well.",
            lambda times, small, measured, other: _fixed(times, small, measured) * (len(other) - sum(other)),
        ),
        Mistake(
            "a mean share",
            "You took the mean of the shares for every step. Long steps and short ones keep different shares.",
            lambda times, small, measured, other: _with_fixed(
                times, _fixed(times, small, measured), [fmean(other)] * len(other)
            ),
        ),
        Mistake(
            "one factor for all",
            "You multiplied by the factor by which the small network was off. The fixed cost is a sum, not a factor.",
            lambda times, small, measured, other: (
                _in_proportion(times, other) * measured / _in_proportion(times, small)
            ),
        ),
    ),
    reasoning=f"""The time is a straight line in f: measured = Σ t·s + f · Σ (1 − s). So f is what proportion leaves,
measured − Σ t·s, divided by Σ (1 − s). With chapter 9's stored times, whose table is the network of width 1, proportion
alone misses the widths 0.5 and 0.75 by up to {_ALONE} %. With f from a third width, 0.25, the largest error is
{_FITTED} %. Still, the table is from one machine, one program and one layout; another needs its own.""",
)
def predict_latency(times, small, measured, other):
    """µs of a network, from a table and one small network."""
    steps = range(len(times))
    gap = measured - sum(times[k] * small[k] for k in steps)
    fixed = gap / sum(1 - share for share in small)
    return sum(fixed + (times[k] - fixed) * other[k] for k in steps)


_NAMES = ("conv", "relu", "relu6", "hard-swish", "pool", "resize")


def _random_chain(rng: Random) -> tuple:
    operations = []
    for _ in range(rng.randint(1, 8)):
        chip = rng.randint(1, 20)
        times = (chip, chip * rng.randint(2, 8))
        operations.append((rng.choice(_NAMES), *(times if rng.random() < 0.8 else times[::-1])))
    return operations, set(rng.sample(_NAMES, rng.randint(0, 5))), rng.randint(1, 40)


def _by_groups(operations, supported, copy):
    runs = [(on_chip, list(run)) for on_chip, run in groupby(operations, lambda each: each[0] in supported)]
    work = sum(each[1 if on_chip else 2] for on_chip, run in runs for each in run)
    return work + 2 * copy * sum(on_chip for on_chip, _ in runs)


def _with_a_copy_back_behind_each_step(operations, supported, copy):
    begins = _pieces(operations, supported)
    return _work(operations, supported) + copy * (begins + sum(name in supported for name, *_ in operations))


def _pieces(operations, supported):
    return sum(on_chip for on_chip, _ in groupby(operations, lambda each: each[0] in supported))


def _work(operations, supported):
    return sum(chip if name in supported else processor for name, chip, processor in operations)


def _first_piece_alone(operations, supported, copy):
    first = [each[0] in supported for each in operations]
    first = first.index(False) if False in first else len(first)
    work = _work(operations[:first], supported) + _work(operations[first:], set())
    return work + 2 * copy * (first > 0)


@exercise(
    title="A client's chip does not know hard-swish",
    goal=5,
    level=4,
    minutes=20,
    unit="µs",
    task="""A client's network runs on a chip beside the processor. `operations` are its steps in order, each `(name,
chip, processor)` with the microseconds (µs) that it takes in either place. The converter hands to the chip every step
whose name is in `supported`; the others stay on the processor, without a message. Whenever the next step is in the
other place, the map is copied, which takes `copy` µs. The picture starts on the processor, and the answer must end
there. Return the time of the whole network, in µs.""",
    hints=(
        "Where is the map before the first step, and where must it be after the last?",
        "Each unbroken run of steps on the chip costs two copies, one there and one back.",
        "Begin with `on_chip, total = False, 0` and walk through the operations.",
    ),
    cases=(
        ([("conv", 10, 60), ("hard-swish", 2, 6), ("conv", 10, 60)], {"conv"}, 20),
        ([("conv", 10, 60), ("relu", 1, 3), ("conv", 10, 60)], {"conv", "relu"}, 20),
        ([("resize", 5, 9)], {"conv"}, 20),
        ([("pool", 1, 2), ("conv", 4, 30), ("conv", 4, 30), ("pool", 1, 2)], {"conv"}, 7),
        ([("conv", 2, 6), ("pool", 1, 2)] * 3, {"conv"}, 30),
        ([("conv", 10, 60), ("pool", 9, 2), ("conv", 10, 60)], {"conv", "pool"}, 1),
        ([("conv", 10, 60), ("relu6", 1, 3)], {"conv", "relu"}, 20),
    ),
    random_case=_random_chain,
    covers={
        "begins on the chip": lambda operations, supported, copy: operations[0][0] in supported,
        "ends on the chip": lambda operations, supported, copy: operations[-1][0] in supported,
        "several pieces": lambda operations, supported, copy: _pieces(operations, supported) > 1,
        "two steps in one piece": lambda operations, supported, copy: any(
            a[0] in supported and b[0] in supported for a, b in pairwise(operations)
        ),
        "a step that the processor does faster": lambda operations, supported, copy: any(
            name in supported and processor < chip for name, chip, processor in operations
        ),
        "slower than the processor alone": lambda operations, supported, copy: (
            _by_groups(operations, supported, copy) > _work(operations, set())
        ),
    },
    alternative=_by_groups,
    mistakes=(
        Mistake(
            "no copies",
            "You added the steps and left out the copies. Each change of place costs one.",
            lambda operations, supported, copy: _work(operations, supported),
        ),
        Mistake(
            "one copy a piece",
            "You count one copy for each visit to the chip. The map goes there and comes back.",
            lambda operations, supported, copy: _work(operations, supported) + copy * _pieces(operations, supported),
        ),
        Mistake(
            "every step is copied",
            "You copy before and after each step on the chip. Neighbours on the chip hand the map on without a copy.",
            lambda operations, supported, copy: (
                _work(operations, supported) + 2 * copy * sum(each[0] in supported for each in operations)
            ),
        ),
        Mistake(
            "never comes back",
            "You forget that the answer must end on the processor: after a last step on the chip comes one more copy.",
            lambda operations, supported, copy: (
                _by_groups(operations, supported, copy) - copy * (operations[-1][0] in supported)
            ),
        ),
        Mistake(
            "a copy back behind each step",
            "You copy the map back after each step on the chip, but not there again. It stays on the chip until a step "
            "needs the processor.",
            _with_a_copy_back_behind_each_step,
        ),
        Mistake(
            "starts on the chip",
            "You forget that the picture starts on the processor: before a first step on the chip there is a copy.",
            lambda operations, supported, copy: (
                _by_groups(operations, supported, copy) - copy * (operations[0][0] in supported)
            ),
        ),
        Mistake(
            "everything on the chip",
            "You run every step on the chip. What it does not support stays on the processor, silently.",
            lambda operations, supported, copy: sum(chip for _, chip, _ in operations) + 2 * copy,
        ),
        Mistake(
            "all or nothing",
            "You leave the whole network on the processor if one step is not supported. A converter splits it.",
            lambda operations, supported, copy: (
                _by_groups(operations, supported, copy)
                if all(each[0] in supported for each in operations)
                else _work(operations, set())
            ),
        ),
        Mistake(
            "the faster of the two",
            "You left the whole network on the processor where that is faster. The converter does not: it hands over "
            "what it can.",
            lambda operations, supported, copy: min(_by_groups(operations, supported, copy), _work(operations, set())),
        ),
        Mistake(
            "the faster place of a step",
            "You left a step on the processor where that is faster. The converter does not: it hands over what it can.",
            lambda operations, supported, copy: _by_groups(
                [each if each[1] < each[2] else ("", *each[1:]) for each in operations], supported, copy
            ),
        ),
        Mistake(
            "two copies for each change",
            "You counted two copies for each change of place. Each change costs one: there, and later back.",
            lambda operations, supported, copy: (
                2 * _by_groups(operations, supported, copy) - _work(operations, supported)
            ),
        ),
        Mistake(
            "copies by the steps that stay",
            "You counted copies for each step that stays on the processor. Two such steps that follow each other need "
            "none between them, and one at the beginning needs none before it.",
            lambda operations, supported, copy: (
                _work(operations, supported) + 2 * copy * sum(each[0] not in supported for each in operations)
            ),
        ),
        Mistake(
            "one copy by the steps that stay",
            "You counted a copy for each step that stays on the processor. A copy is made where the place changes.",
            lambda operations, supported, copy: (
                _work(operations, supported) + copy * sum(each[0] not in supported for each in operations)
            ),
        ),
        Mistake(
            "the cheaper for each step",
            "You chose for each step what is cheaper with its copies. The converter chooses nothing: it hands over "
            "what it can, and neighbours on the chip share their copies.",
            lambda operations, supported, copy: sum(
                min(chip + 2 * copy, processor) if name in supported else processor
                for name, chip, processor in operations
            ),
        ),
        Mistake(
            "a copy at each other name",
            "You copied wherever the next step has another name. What counts is its place.",
            lambda operations, supported, copy: (
                _work(operations, supported) + copy * sum(1 for _ in groupby(each[0] for each in operations))
            ),
        ),
        Mistake(
            "two copies in all",
            "You counted two copies for the whole network. Each time that it leaves the chip and comes back, there are "
            "two more.",
            lambda operations, supported, copy: _work(operations, supported) + 2 * copy,
        ),
        Mistake(
            "two copies in all, if any",
            "You counted two copies for the whole network where the chip is used. Each time that it leaves the chip "
            "and comes back, there are two more.",
            lambda operations, supported, copy: (
                _work(operations, supported) + 2 * copy * any(each[0] in supported for each in operations)
            ),
        ),
        Mistake(
            "copies between steps alone",
            "You counted the copies between two steps. The picture starts on the processor, and the answer must end "
            "there.",
            lambda operations, supported, copy: (
                _by_groups(operations, supported, copy)
                - copy * ((operations[0][0] in supported) + (operations[-1][0] in supported))
            ),
        ),
        Mistake(
            "a copy for each step",
            "You counted a copy for each step. Only a change of place costs one.",
            lambda operations, supported, copy: _work(operations, supported) + copy * len(operations),
        ),
        Mistake(
            "one copy for each step on the chip",
            "You counted a copy for each step on the chip. Neighbours there hand the map on without one, and at the "
            "end of each piece the map comes back.",
            lambda operations, supported, copy: (
                _work(operations, supported) + copy * sum(each[0] in supported for each in operations)
            ),
        ),
        Mistake(
            "a copy at the end always",
            "You added a copy at the end in any case. After a last step on the processor the answer is there already.",
            lambda operations, supported, copy: (
                _by_groups(operations, supported, copy) + copy * (operations[-1][0] not in supported)
            ),
        ),
        Mistake(
            "both places",
            "You counted the processor's time for every step, on top of the chip's. A step runs in one place.",
            lambda operations, supported, copy: (
                _by_groups(operations, supported, copy) + sum(each[2] for each in operations if each[0] in supported)
            ),
        ),
        Mistake(
            "at the same time",
            "You let chip and processor work at the same time. Each step waits for the one before it.",
            lambda operations, supported, copy: max(
                sum(chip for name, chip, _ in operations if name in supported),
                sum(processor for name, _, processor in operations if name not in supported),
            ),
        ),
        Mistake(
            "until the first gap",
            "From the first unsupported step on, you left everything on the processor. The converter hands later steps "
            "to the chip again.",
            lambda operations, supported, copy: _first_piece_alone(operations, supported, copy),
        ),
    ),
    reasoning="""One unknown step in the middle costs more than its own time: it cuts the run in two and brings two
copies. With small steps and expensive copies the chip can be slower than the processor alone, and nothing says so. Ask
a converter which steps it handed over, count the pieces, and time the whole on the device. A network made for such
chips, as MobileNet V3 minimalistic is, leaves out the steps that they do not know.""",
)
def time_with_chip(operations, supported, copy):
    """µs of all steps, with every copy between the two places."""
    on_chip, total = False, 0
    for name, chip, processor in operations:
        if (name in supported) != on_chip:
            on_chip = not on_chip
            total += copy
        total += chip if on_chip else processor
    return total + (copy if on_chip else 0)


ESSAYS = (
    Essay(
        title="An advertisement",
        goal=3,
        minutes=15,
        task="""A supplier writes: "Our runtime executes your network in half the time of onnxruntime, at the same
accuracy." You have their runtime, your network and a day. Write down what you would do before you believe it, and
which three explanations you would look for first.""",
        good_answer="""The two programs take turns on one core of the device that counts; the answer is a ratio with its
spread, for one image and for as many as the application has. First explanation: the arithmetic has fewer bits than
asked for, as OpenVINO's has on a processor with bfloat16; so compare logits, not answers alone, and set the precision
on both sides. Second: other settings, such as threads, layout, or a first call that compiles. Third: another batch
size or a network with other layers. "Same accuracy" needs its own measurement, on labelled pictures, with the number
of pictures. A very good answer asks for the file that was measured, and says that a difference of a tenth between two
runtimes is not worth a change.""",
    ),
    Essay(
        title="Which file do you ship?",
        goal=5,
        minutes=20,
        task="""Choose a device that you know: a phone, a board, a browser, a laptop. Say which of the chapter's
runtimes you would ship the digit reader with, in how many bits, and what you would measure on the device before you
decide. Name one thing that would change your mind.""",
        good_answer="""A good answer starts from the device: what its maker supports, which instructions and which chip
it has, how large the runtime itself is beside the file. Then it names measurements, not reputations: agreement with
PyTorch on all test images, size, time in turns, and which steps the delegate took. For so small a network the calls
and copies may cost more than the arithmetic, so integers may bring little; the released checkpoint's ratios do not
carry over. What would change one's mind: a step that falls back, an answer that changes, a runtime that is larger
than what it saves.""",
    ),
)
