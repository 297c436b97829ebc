"""Assignment 3: choose a network under a budget and defend it. Chapters 6 and 7; plain Python."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import log, log2, log10
from random import Random

from instructor.problem import Assignment, ByHand, Part, Problem, draw, until
from mobilenet_edu.architecture import from_table, mobilenet_v1, separable_block

INTRODUCTION = """\
Find the networks that you can afford, keep those that are worth having, see how far a fit can be trusted, design one
of your own, choose by measured time, and say why. `mobilenet_edu.architecture` does the counting; nothing needs
PyTorch. MACs are `.cost.macs`, and parameters are `.cost.params`, batch norm and the classifier's bias included."""

NAMES = ["amber", "birch", "cobalt", "dune", "ember", "fjord", "garnet", "heron", "iris", "jade", "kelp", "larch"]
MULTIPLIERS, RESOLUTIONS = [0.25, 0.35, 0.5, 0.75, 1.0], [128, 160, 192, 224]


def assignment(seed: str) -> Assignment:
    makers = (affordable_networks, worth_having, trend, trust, own_design, deadline)
    problems = tuple(maker(draw(seed, "budget", maker.__name__)) for maker in makers)
    choice = defence(draw(seed, "budget", "defence"))
    return Assignment("budget", "Choose a network under a budget", INTRODUCTION, problems, (choice,))


# 1 ----------------------------------------------------------------------------------------------------------------


def affordable_networks(random: Random) -> Problem:
    plenty = 10**9

    def just_too_little() -> int:
        # One MAC less than a thin network costs: a quarter of the MACs for half the width would seem to fit
        return mobilenet_v1(random.choice((0.25, 0.35, 0.5)), random.choice(RESOLUTIONS)).cost.macs - 1

    def exact() -> tuple[int, int]:
        cost = mobilenet_v1(random.choice((0.35, 0.5, 0.75)), random.choice(RESOLUTIONS)).cost
        return cost.macs, cost.params

    def few_parameters() -> int:
        # Enough for the weights alone, not for batch norm and the classifier's bias
        return mobilenet_v1(random.choice((0.35, 0.5, 0.75))).weights + 1

    budget = random.randrange(100, 300, 10) * 10**6
    task = f"""\
## What you can afford

Return the list of all `[multiplier, resolution]` whose `mobilenet_v1(multiplier, resolution)` stays within both
budgets: at most `max_macs` MACs and at most `max_params` parameters. The most MACs come first. `multipliers` and
`resolutions` are lists; your class has {budget:,} MACs."""
    return Problem(
        task,
        affordable,
        (
            by_rule_of_thumb,
            flops_of_each,
            cheapest_first,
            in_the_order_of_loops,
            bare_weights,
            hundred,
            one_budget,
            below_it,
        ),
        (
            Part(
                "a budget for MACs",
                2,
                tuple((just_too_little(), plenty, MULTIPLIERS, RESOLUTIONS) for _ in range(3)),
            ),
            Part(
                "a budget for parameters too",
                1,
                tuple((random.randrange(300, 400) * 10**6, few_parameters(), MULTIPLIERS, RESOLUTIONS) for _ in "ab"),
            ),
            Part(
                "a network that costs exactly the budget", 1, tuple((*exact(), MULTIPLIERS, RESOLUTIONS) for _ in "ab")
            ),
        ),
        ((budget, 2_000_000, [0.25, 0.5, 1.0], [160, 224]),),
    )


def affordable(max_macs: int, max_params: int, multipliers: list, resolutions: list) -> list:
    """Every [multiplier, resolution] within both budgets, the most MACs first."""
    from mobilenet_edu.architecture import mobilenet_v1

    found = []
    for multiplier in multipliers:
        for resolution in resolutions:
            cost = mobilenet_v1(multiplier, resolution).cost
            if cost.macs <= max_macs and cost.params <= max_params:
                found.append((cost.macs, [multiplier, resolution]))
    return [network for macs, network in sorted(found, reverse=True)]


def by_rule_of_thumb(max_macs, max_params, multipliers, resolutions):
    """You scale the MACs of the full network with the square of the multiplier. Depthwise layers, the first layer and
    the classifier shrink more slowly, so thin networks cost more than that."""
    full = mobilenet_v1().cost.macs
    pairs = [(a * a * r * r / 224**2 * full, [a, r]) for a in multipliers for r in resolutions]
    return [
        [a, r]
        for macs, (a, r) in sorted(pairs, reverse=True)
        if macs <= max_macs and mobilenet_v1(a, r).cost.params <= max_params
    ]


def flops_of_each(max_macs, max_params, multipliers, resolutions):
    """You compare FLOPs with a budget of MACs, and reject networks that fit."""
    return affordable(max_macs // 2, max_params, multipliers, resolutions)


def cheapest_first(max_macs, max_params, multipliers, resolutions):
    """You start with the cheapest network. The question asks for the most MACs first."""
    return affordable(max_macs, max_params, multipliers, resolutions)[::-1]


def in_the_order_of_loops(max_macs, max_params, multipliers, resolutions):
    """You list the networks in the order of your loops. The most MACs come first, whatever the multiplier."""
    found = affordable(max_macs, max_params, multipliers, resolutions)
    return [[a, r] for a in multipliers for r in resolutions if [a, r] in found]


def bare_weights(max_macs, max_params, multipliers, resolutions):
    """You count weights alone. Batch norm and the classifier's bias are parameters too: `.cost.params`."""
    found = affordable(max_macs, 10**9, multipliers, resolutions)
    return [[a, r] for a, r in found if mobilenet_v1(a, r).weights <= max_params]


def hundred(max_macs, max_params, multipliers, resolutions):
    """You count networks for 100 classes, as the design problem does. Here `mobilenet_v1` has its usual 1000."""
    costs = [(mobilenet_v1(a, r, CLASSES).cost, [a, r]) for a in multipliers for r in resolutions]
    found = [(cost.macs, pair) for cost, pair in costs if cost.macs <= max_macs and cost.params <= max_params]
    return [pair for _, pair in sorted(found, reverse=True)]


def one_budget(max_macs, max_params, multipliers, resolutions):
    """You look at the MACs only. There is a budget for parameters as well, and resolution does not change them."""
    return affordable(max_macs, 10**9, multipliers, resolutions)


def below_it(max_macs, max_params, multipliers, resolutions):
    """You leave out a network that costs exactly the budget. "At most" allows it."""
    return affordable(max_macs - 1, max_params - 1, multipliers, resolutions)


# 2 ----------------------------------------------------------------------------------------------------------------


def worth_having(random: Random) -> Problem:
    def networks(ties: str = "") -> tuple:
        """Six to nine networks, of which some have equal numbers in the column that ``ties`` names."""
        count = random.randint(6, 9)
        macs = random.sample(range(20, 600), count)
        accuracy = random.sample(range(450, 720), count)
        for one, other in (random.sample(range(count), 2) for _ in range(2)):
            if ties:
                column = macs if ties == "macs" else accuracy
                column[one] = column[other]
        rows = [list(row) for row in zip(random.sample(NAMES, count), macs, (a / 10 for a in accuracy), strict=True)]
        return (rows,)

    def tells_apart(case: tuple) -> bool:
        """Whether each mistake shows, except where the numbers have to be equal for it to show."""
        (rows,) = case
        if len({(macs, accuracy) for _, macs, accuracy in rows}) < len(rows):
            return False
        right = pareto(rows)
        others = [each(rows) for each in (everything, neighbours, unsorted_names, by_accuracy_only, whole_rows)]
        return len(right) > 2 and all(each not in (right, *others[:n]) for n, each in enumerate(others))

    def several(ties: str = "") -> tuple:
        def ties_matter(case: tuple) -> bool:
            kept = strictly_better(*case)
            if ties == "macs" and macs_alone(*case) in (pareto(*case), kept):
                return False
            return not ties or (kept != pareto(*case) and kept not in (everything(*case), neighbours(*case)))

        return tuple(until(lambda: networks(ties), lambda case: tells_apart(case) and ties_matter(case)) for _ in "abc")

    shown = [["small", 40, 50.0], ["odd", 90, 48.5], ["large", random.randint(300, 600), 70.5]]
    task = f"""\
## Which networks are worth having

Each network is `[name, million_macs, accuracy]`. One is worth having unless another costs at most as much and is at
least as accurate, and is better in one of the two. Return the names of those worth having, the cheapest first. Of
{shown} that is the first and the last. No two networks are equal in both numbers."""
    return Problem(
        task,
        pareto,
        (
            everything,
            neighbours,
            unsorted_names,
            strictly_better,
            equal_macs_kept,
            macs_alone,
            by_accuracy_only,
            whole_rows,
        ),
        (
            Part("all numbers differ", 2, several()),
            Part("equal MACs", 1, several("macs")),
            Part("equal accuracy", 1, several("accuracy")),
        ),
        ((shown,),),
    )


def pareto(networks: list) -> list:
    """Names of the networks worth having, the cheapest first."""
    names, best = [], -1.0
    # Cheapest first, and among equals the most accurate: what does not improve on the best so far is beaten by it.
    for name, _macs, accuracy in sorted(networks, key=lambda network: (network[1], -network[2])):
        if accuracy > best:
            names.append(name)
            best = accuracy
    return names


def everything(networks):
    """You keep every network. One that another beats in cost and in accuracy is not worth having."""
    return [name for name, _, _ in sorted(networks, key=lambda network: (network[1], -network[2]))]


def neighbours(networks):
    """You compare each network with the next cheaper one alone. It can be beaten by one that is cheaper still."""
    ordered = sorted(networks, key=lambda network: (network[1], -network[2]))
    return [ordered[0][0], *(b[0] for a, b in pairwise(ordered) if b[2] > a[2])]


def unsorted_names(networks):
    """You return the right names in another order. The cheapest comes first."""
    return sorted(pareto(networks), reverse=True, key=lambda name: next(n[1] for n in networks if n[0] == name))


def strictly_better(networks):
    """You drop a network only if another is better in both numbers. Equal in one and better in the other is enough."""
    kept = [n for n in networks if not any(m[1] < n[1] and m[2] > n[2] for m in networks)]
    return [name for name, _, _ in sorted(kept, key=lambda network: (network[1], -network[2]))]


def equal_macs_kept(networks):
    """You let only a cheaper network beat another. One with equal MACs and a higher accuracy does so, too."""
    kept = [n for n in networks if not any(m[1] < n[1] and m[2] >= n[2] for m in networks)]
    return [name for name, _, _ in sorted(kept, key=lambda network: (network[1], -network[2]))]


def macs_alone(networks):
    """You sort by MACs alone. Of two with equal MACs the more accurate must come first, or it comes too late to beat
    the other."""
    names, best = [], -1.0
    for name, _macs, accuracy in sorted(networks, key=lambda network: network[1]):
        if accuracy > best:
            names.append(name)
            best = accuracy
    return names


def whole_rows(networks):
    """You return the networks as they are. The question asks for their names."""
    return [network for name in pareto(networks) for network in networks if network[0] == name]


def by_accuracy_only(networks):
    """You return the most accurate network alone. A cheaper one may be less accurate and still worth having."""
    return [max(networks, key=lambda network: network[2])[0]]


# 3 ----------------------------------------------------------------------------------------------------------------


def _points(random: Random, count: int) -> list:
    slope, start = random.uniform(3, 7), random.uniform(15, 30)
    macs = random.sample(range(15, 600), count)
    return [[million, round(start + slope * log2(million) + random.uniform(-1.5, 1.5), 1)] for million in macs]


def trend(random: Random) -> Problem:
    task = """\
## What doubling buys

Each network is `[million_macs, accuracy]`. Fit a straight line to accuracy against the logarithm of the MACs, by least
squares, and return how many points of accuracy a *doubling* of the MACs brings: the slope, if the logarithm has base 2.
The slope of the least-squares line through (x, y) is Σ(x − x̄)(y − ȳ) / Σ(x − x̄)²."""
    return Problem(
        task,
        points_per_doubling,
        (natural_log, log_of_ten, no_log, the_ends, other_way_round, through_zero),
        (
            Part("any networks", 3, tuple((_points(random, random.randint(5, 9)),) for _ in range(4))),
            Part("two networks", 1, ((_points(random, 2),), (_points(random, 2),))),
        ),
        (([[20, 50.0], [40, 54.0], [80, 58.0]],), (_points(random, 4),)),
    )


def points_per_doubling(networks: list) -> float:
    """Points of accuracy that a doubling of the MACs brings."""
    from math import log2

    xs = [log2(macs) for macs, accuracy in networks]
    mean_x = sum(xs) / len(xs)
    mean_y = sum(accuracy for macs, accuracy in networks) / len(networks)
    above = sum((x - mean_x) * (accuracy - mean_y) for x, (macs, accuracy) in zip(xs, networks, strict=True))
    return above / sum((x - mean_x) ** 2 for x in xs)


def natural_log(networks):
    """You use the natural logarithm: that is the slope for every factor of e = 2.718…, not for every doubling."""
    return points_per_doubling(networks) / log(2)


def log_of_ten(networks):
    """You use the logarithm with base 10: that is the slope for every factor of ten, not for every doubling."""
    return points_per_doubling(networks) / log10(2)


def no_log(networks):
    """You fit accuracy against the MACs themselves. The line needs their logarithm."""
    return points_per_doubling([[2.0**macs, accuracy] for macs, accuracy in networks])


def the_ends(networks):
    """You draw the line through the cheapest and the most expensive network. Least squares uses them all."""
    return points_per_doubling([min(networks), max(networks)])


def other_way_round(networks):
    """You fit the logarithm of the MACs against accuracy. The slope asked for is the other way round."""
    return 1 / points_per_doubling([[2.0**accuracy, log2(macs)] for macs, accuracy in networks])


def through_zero(networks):
    """You make the line pass through the origin. Subtract the means first."""
    return sum(log2(m) * accuracy for m, accuracy in networks) / sum(log2(m) ** 2 for m, _ in networks)


# 4 ----------------------------------------------------------------------------------------------------------------


def trust(random: Random) -> Problem:
    def misleading(above: bool) -> list:
        """Networks of which one lies far from the line of the others, on the side that is asked for."""
        points = _points(random, random.randint(6, 9))
        middle = random.randint(1, len(points) - 2)
        points[middle][1] = round(points[middle][1] + random.uniform(9, 12) * (1 if above else -1), 1)
        return points

    task = """\
## How far to trust it

A fit looks better than it is on the networks that it was fitted to. So leave each network out in turn: fit the line of
the last problem to all the others, predict the accuracy of the one left out, and note by how many points that misses.
Return the largest miss, as a positive number. The line passes through the two means of the networks that it is fitted
to: its height at x is ȳ + slope · (x − x̄)."""
    return Problem(
        task,
        largest_surprise,
        (not_left_out, average_miss, signed_miss, worst_of_the_ends),
        (
            Part("the worst lies above the line", 2, tuple((misleading(above=True),) for _ in range(3))),
            Part("the worst lies below the line", 2, tuple((misleading(above=False),) for _ in range(3))),
        ),
        (([[20, 50.0], [40, 54.0], [80, 58.0], [160, 61.0]],), (_points(random, 5),)),
    )


def largest_surprise(networks: list) -> float:
    """The largest miss, in points, when each network is predicted from all the others."""
    from math import log2

    misses = []
    for index, (left_out, actual) in enumerate(networks):
        others = networks[:index] + networks[index + 1 :]
        xs = [log2(macs) for macs, accuracy in others]
        mean_x = sum(xs) / len(xs)
        mean_y = sum(accuracy for macs, accuracy in others) / len(others)
        above = sum((x - mean_x) * (accuracy - mean_y) for x, (macs, accuracy) in zip(xs, others, strict=True))
        slope = above / sum((x - mean_x) ** 2 for x in xs)
        misses.append(abs(actual - mean_y - slope * (log2(left_out) - mean_x)))
    return max(misses)


def _misses(networks: list, *, leave_out: bool = True) -> list[float]:
    """By how much each network lies above the line of the others, or of all."""
    misses = []
    for index, (macs, actual) in enumerate(networks):
        fitted = networks[:index] + networks[index + leave_out :]
        middle = sum(log2(macs) for macs, _ in fitted) / len(fitted)
        mean = sum(accuracy for _, accuracy in fitted) / len(fitted)
        misses.append(actual - mean - points_per_doubling(fitted) * (log2(macs) - middle))
    return misses


def not_left_out(networks):
    """You fit the line to all networks, and then ask it about the same ones. Leave out the one that you predict."""
    return max(map(abs, _misses(networks, leave_out=False)))


def average_miss(networks):
    """You return the average miss. The question asks for the largest."""
    return sum(map(abs, _misses(networks))) / len(networks)


def signed_miss(networks):
    """You take the largest signed miss. One below the line counts as much as one above: take absolute values."""
    return max(_misses(networks))


def worst_of_the_ends(networks):
    """You leave out the first and the last network only. Every network takes its turn."""
    misses = _misses(networks)
    return max(abs(misses[0]), abs(misses[-1]))


# 5 ----------------------------------------------------------------------------------------------------------------

CLASSES = 100


def own_design(random: Random) -> Problem:
    budget = random.randrange(60, 160, 10) * 10**6, random.randrange(12, 22) * 100_000
    # So far apart that no network suits them all
    small = random.randrange(60, 90) * 10**6, random.randrange(6, 9) * 100_000
    large = random.randrange(280, 400) * 10**6, random.randrange(28, 36) * 100_000
    between = random.randrange(100, 260) * 10**6, random.randrange(10, 26) * 100_000
    task = f"""\
## A network of your own

Return the rows of a network like Table 1: a list of `[output channels, stride]`, one for each block. The network that
is judged is

```python
from_table(rows, separable_block, resolution=224, num_classes={CLASSES})
```

It must have 4 to 20 blocks, strides of 1 or 2, at most 4096 channels, and end on 7×7 maps (the first layer has halved
the map once). It must cost at most `max_macs` MACs and have at most `max_params` parameters, and it should use what it
is given: at least half of one of the two, and for the second part 90 %. Your class has {budget[0]:,} MACs and
{budget[1]:,} parameters; other budgets are tried too, so compute the rows from the arguments. `from_table` and
`separable_block` come from `mobilenet_edu.architecture`."""
    cases = [budget, small, between, large]
    random.shuffle(cases)
    return Problem(
        task,
        design,
        (),
        (
            Part("within both budgets", 4, tuple(cases), objection_to_cost),
            Part("uses what it is given", 2, tuple(cases), objection_to_waste),
        ),
        (),
        imports="from mobilenet_edu.architecture import from_table, separable_block",
        self_check=f"""\
from mobilenet_edu.architecture import from_table, separable_block

rows = design{budget}
if rows is None or rows is ...:
    print("design: not answered yet (or a `return` is missing)")
else:
    cost = from_table(rows, separable_block, resolution=224, num_classes={CLASSES}).cost
    print(f"{{cost.macs / {budget[0]}:.1%}} of the MACs, {{cost.params / {budget[1]}:.1%}} of the parameters")""",
    )


def design(max_macs: int, max_params: int) -> list:
    """Rows [output channels, stride] of a network within both budgets."""
    from mobilenet_edu.architecture import TABLE_1, from_table, separable_block

    best = None
    for permille in range(50, 2000, 10):  # Table 1, thinner or wider, until a budget is spent
        rows = [[channels * permille // 1000, stride] for channels, stride in TABLE_1]
        cost = from_table(rows, separable_block, resolution=224, num_classes=100).cost
        if cost.macs > max_macs or cost.params > max_params:
            break
        best = rows
    return best


def objection_to_table(rows: object, max_macs: int, max_params: int) -> str | None:
    """Says what is wrong with the rows themselves."""
    if type(rows) is not list or not 4 <= len(rows) <= 20:
        return "The answer must be a list of 4 to 20 rows."
    for row in rows:
        if type(row) is not list or [type(number) for number in row] != [int, int]:
            return "Each row must be [output channels, stride], two whole numbers."
        if not (1 <= row[0] <= 4096 and row[1] in (1, 2)):
            return "Channels must lie between 1 and 4096, and a stride is 1 or 2."
    if [stride for _, stride in rows].count(2) != 4:
        return "The map does not end at 7×7: the first layer makes 112 of 224, so exactly four blocks must halve it."
    return None


def objection_to_cost(rows: object, max_macs: int, max_params: int) -> str | None:
    """Says what is wrong with the rows, or which budget is exceeded or hardly touched."""
    if objection := objection_to_table(rows, max_macs, max_params):
        return objection
    cost = from_table(rows, separable_block, resolution=224, num_classes=CLASSES).cost
    if cost.macs > max_macs:
        return "At least one network costs more MACs than it may."
    if cost.params > max_params:
        return "At least one network has more parameters than it may."
    used = max(cost.macs / max_macs, cost.params / max_params)
    return None if used >= 0.5 else "At least one network uses less than half of both its budgets."


def objection_to_waste(rows: object, max_macs: int, max_params: int) -> str | None:
    """Says that neither budget is used."""
    if objection := objection_to_cost(rows, max_macs, max_params):
        return objection
    cost = from_table(rows, separable_block, resolution=224, num_classes=CLASSES).cost
    used = max(cost.macs / max_macs, cost.params / max_params)
    return None if used >= 0.9 else "At least one network uses less than 90 % of both its budgets."


# 6 ----------------------------------------------------------------------------------------------------------------


def deadline(random: Random) -> Problem:
    def runs(usual: float, slow: int = 0, late: float = 40.0, count: int = 20) -> list[float]:
        """Times in ms around ``usual``, ``slow`` of them around ``late``, shuffled."""
        times = [round(usual + random.uniform(-0.9, 0.9), 2) for _ in range(count - slow)]
        times += [round(late + random.uniform(0, 20), 2) for _ in range(slow)]
        random.shuffle(times)
        return times

    def case(*middle: list[float], below: int = 1, above: int = 0) -> tuple:
        """Networks with these times, the more accurate the later; some that are quick below, some slow ones above."""
        quick = [runs(random.uniform(4, 6)) for _ in range(below)]
        slow = [runs(random.uniform(21, 30)) for _ in range(above)]
        times = [*quick, *middle, *slow]
        accuracy = sorted(random.sample(range(550, 760), len(times)))
        rows = [[n, a / 10, t] for n, a, t in zip(random.sample(NAMES, len(times)), accuracy, times, strict=True)]
        random.shuffle(rows)
        return rows, 15.0

    def around() -> dict[str, int]:
        return {"below": random.randint(1, 3), "above": random.randint(0, 2)}

    def quiet() -> tuple:
        return case(runs(12), below=random.randint(1, 3), above=random.randint(1, 2))

    def stragglers() -> tuple:
        # The first is late once, so it is safe although its mean is not; the second is fast, but late on 2 of 20 runs.
        return case(runs(8, slow=1, late=160.0), runs(9, slow=2, late=16.0), **around())

    def longer() -> tuple:
        # Of 40 runs two may be late
        return case(runs(8, slow=2, late=160.0, count=40), **around())

    def exact() -> tuple:
        times = [*(round(random.uniform(8, 9), 2) for _ in range(18)), 15.0, 15.0]
        return case(times, **around())

    def stalled() -> tuple:
        return case(runs(8, slow=1, late=160.0), **around())

    def lucky() -> tuple:
        return case(runs(12), [*runs(21)[:19], 14.0], **around())

    def too_slow() -> tuple:
        return case(runs(9, slow=3, late=16.0), below=0, above=random.randint(1, 3))

    def mixed(*makers: Callable[[], tuple]) -> tuple:
        """A case of each kind, in any order, in which no place in the list and no rank is always the right one."""

        def is_good(cases: list[tuple]) -> bool:
            guesses = [(by, place) for by in (0, 1, None) for place in (0, 1, 2, -1, -2, -3)]
            return not any(all(_guess(*case, *guess) == choose(*case) for case in cases) for guess in guesses)

        cases = list(until(lambda: [maker() for maker in makers], is_good))
        random.shuffle(cases)
        return tuple(cases)

    shown = [["small", 60.0, [5.1] * 20], ["large", 71.0, [9.0] * 17 + [float(random.randint(20, 40))] * 3]]
    task = """\
## In time, nearly always

Each network is `[name, accuracy, times]`, with the milliseconds of many runs on the device. It is safe if at least
95 % of its runs took at most `deadline` milliseconds. Return the name of the most accurate safe network, or `"none"`.
Count the runs and compare whole numbers: then no rounding can matter."""
    return Problem(
        task,
        choose,
        (by_mean, by_median, by_best_run, by_worst_run, one_late_run, deadline_excluded, most_accurate, fastest),
        (
            Part("a quiet machine", 1, mixed(quiet, quiet, quiet)),
            Part("some runs are late", 3, mixed(stragglers, stalled, longer, lucky, exact)),
            Part("no network is safe", 1, mixed(too_slow, stragglers, too_slow, quiet)),
        ),
        ((shown, 15.0), (shown, 4.0)),
    )


def choose(networks: list, deadline: float) -> str:
    """The most accurate network of which at least 95 % of the runs meet the deadline, or "none"."""
    safe = [
        (accuracy, name)
        for name, accuracy, times in networks
        if 20 * sum(time <= deadline for time in times) >= 19 * len(times)
    ]
    return max(safe)[1] if safe else "none"


def _guess(networks: list, deadline: float, by: int | None, place: int) -> str:
    """A name by its place in the list or by its rank, without a look at the times."""
    ordered = networks if by is None else sorted(networks, key=lambda network: network[by])
    return ordered[place][0] if -len(ordered) <= place < len(ordered) else "none"


def _best(networks, is_safe):
    safe = [(accuracy, name) for name, accuracy, times in networks if is_safe(sorted(times))]
    return max(safe)[1] if safe else "none"


def by_mean(networks, deadline):
    """You judge by the mean. One stalled run moves it a lot, and it hides how many runs are late."""
    return _best(networks, lambda times: sum(times) / len(times) <= deadline)


def by_median(networks, deadline):
    """You judge by the median. Up to half of the runs can then be late."""
    return _best(networks, lambda times: times[len(times) // 2] <= deadline)


def by_best_run(networks, deadline):
    """You judge by one lucky run. One timing is not a measurement."""
    return _best(networks, lambda times: times[0] <= deadline)


def by_worst_run(networks, deadline):
    """You reject a network for a single late run. One in twenty may be late."""
    return _best(networks, lambda times: times[-1] <= deadline)


def one_late_run(networks, deadline):
    """You allow one late run, however many there are. Five per cent may be late: of 40 runs, two."""
    return _best(networks, lambda times: times[-2] <= deadline)


def deadline_excluded(networks, deadline):
    """You count a run that takes exactly the deadline as late. It may take *at most* that long."""
    return _best(networks, lambda times: 20 * sum(time < deadline for time in times) >= 19 * len(times))


def most_accurate(networks, deadline):
    """You ignore the deadline."""
    return _best(networks, lambda times: True)


def fastest(networks, deadline):
    """You return the fastest safe network. Among those that are safe, accuracy decides."""
    safe = [
        (min(times), name)
        for name, accuracy, times in networks
        if choose([[name, accuracy, times]], deadline) != "none"
    ]
    return min(safe)[1] if safe else "none"


# By hand ----------------------------------------------------------------------------------------------------------


def defence(random: Random) -> ByHand:
    client = random.choice(
        (
            "A museum sorts photographs on visitors' phones",
            "A farm counts insects with a camera that runs on a battery",
            "A library reads shelf labels on a ten-year-old tablet",
            "A pair of glasses with a camera looks out for doors and stairs",
        )
    )
    task = f"""\
## Defend your choice

{client}. Choose a network for {CLASSES} classes (the first problem has 1000) within the budgets of the design problem:
`mobilenet_v1(multiplier, resolution, {CLASSES})` or a design of your own. Defend the choice in at most 300 words to a
client who has heard that "MobileNet is nine times faster". Write into this cell:

*(your text)*"""
    return ByHand(
        task,
        (
            ("States what is chosen, with MACs, parameters and the convention they are counted in", 2),
            ("Names at least two networks that were rejected, and the number that decided", 2),
            ("Says what the numbers do not show: time on the device, accuracy on the client's pictures", 2),
            ("Corrects the client: fewer MACs is not the same factor in time, and the factor depends on the layer", 1),
            ("Can be read by someone who does not know what a convolution is, in at most 300 words", 1),
        ),
        (
            (
                "The network, MACs and parameters, with units and what is counted",
                "One of these is missing",
                "Two or more",
            ),
            ("Two or more, each with the number that ruled it out", "One, or numbers missing", "None"),
            ("Time and accuracy, and how to find them out", "One of them, or no way to find out", "Neither"),
            ("Both halves of the correction", "One half, or none"),
            ("A client could repeat it to a colleague", "Technical words unexplained, or more than 300 words"),
        ),
    )
