"""What can be noticed about a wrong answer to any exercise, and proved: slips of Python, and what all cases share.

A sentence from here is never a guess. Either the answer was mended and the mended one was right in every case, or the
sentence only says what the cases show.
"""

from __future__ import annotations

import ast
import copy
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from typing import Any, NamedTuple

from mobilenet_edu.exercises._mending import Slip, compiled, tree_of
from mobilenet_edu.exercises._plain import plain
from mobilenet_edu.exercises._values import same, show

IN_PLACE = ("sort", "append", "extend", "insert", "reverse", "shuffle")
ONLY_NONE_IS_WRONG = (
    "Your function gives None where there is an answer; all else is right. Look at the condition for None."
)
ORDINALS = ("first", "second", "third", "fourth")


class Try(NamedTuple):
    """One call: its arguments, what was expected and what the answer gave."""

    case: tuple[Any, ...]
    expected: Any
    got: Any
    right: bool


def returns_nothing(answer: Callable[..., Any], printed: bool) -> Slip | None:
    """Why an answer gives None, if its source tells."""
    tree = tree_of(answer)
    method = _in_place(tree)
    if method:
        other = "; `sorted(...)` gives a new list" if method == "sort" else ""
        return Slip(
            "a method that returns None",
            f"`{method}` changes its list and returns None, so your answer is None. Call it on a line of its own, then "
            f"return the list{other}.",
        )
    if printed:
        return Slip(
            "printed, not returned",
            "Your function prints, and returns nothing. What is printed only you can see: hand the answer back with "
            "`return`.",
        )
    if tree is not None and _works_something_out(tree.body[0]):
        return Slip(
            "no return",
            "Your function works something out and hands nothing back: it has no `return`. Without one, a function's "
            "answer is None.",
        )
    return None


def _works_something_out(function: ast.AST) -> bool:
    """Whether a function without `return` does more than hold a docstring, a gap, or what it imports."""
    nodes = list(ast.walk(function))
    if not isinstance(function, ast.FunctionDef) or any(isinstance(each, ast.Return) for each in nodes):
        return False
    return any(isinstance(each, (ast.Assign, ast.AugAssign, ast.BinOp, ast.Call)) for each in nodes)


def never_ends(answer: Callable[..., Any]) -> Slip | None:
    """A `while` in which nothing changes that its condition looks at, and from which nothing leads out."""
    tree = tree_of(answer)
    for loop in ast.walk(tree) if tree is not None else ():
        if not isinstance(loop, ast.While):
            continue
        looked_at = {part.id for part in ast.walk(loop.test) if isinstance(part, ast.Name)}
        inside = [part for line in loop.body for part in ast.walk(line)]
        given = {part.id for part in inside if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load)}
        stored = {part.value.id for part in inside if _is_stored_part(part)}
        called = {name.id for part in inside if isinstance(part, ast.Call) for name in ast.walk(part) if _is_name(name)}
        # What is called may change what it is given, and what it belongs to; a number it cannot change.
        changed = given | stored | (set() if _compares_numbers(loop.test) else called)
        ways_out = (ast.Break, ast.Return, ast.Raise, ast.Yield, ast.YieldFrom, ast.Global, ast.Nonlocal)
        if looked_at & changed or any(isinstance(part, ways_out) for part in inside):
            continue
        names = " and ".join(f"`{name}`" for name in sorted(looked_at & _own_names(tree)))
        always = isinstance(loop.test, ast.Constant) and bool(loop.test.value)
        if names or always:
            why = f"in it nothing changes {names}" if names else "nothing leads out of it"
            sentence = f"The loop `while {ast.unparse(loop.test)}` never ends once it has begun: {why}."
            return Slip("an endless loop", sentence)
    return None


def _is_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Name)


def _is_stored_part(node: ast.AST) -> bool:
    """Whether it gives a part of a name a value, as `sides[0] = 1` does."""
    part = isinstance(node, (ast.Subscript, ast.Attribute)) and not isinstance(node.ctx, ast.Load)
    return part and isinstance(node.value, ast.Name)


def _compares_numbers(test: ast.AST) -> bool:
    """Whether a condition compares by size what has no parts, so that only a new value can change it."""
    sizes, plain = (ast.Lt, ast.LtE, ast.Gt, ast.GtE), (ast.Name, ast.Constant, ast.BinOp, ast.operator, ast.Load)
    if not isinstance(test, ast.Compare) or not all(isinstance(sign, sizes) for sign in test.ops):
        return False
    return all(isinstance(part, plain) for side in (test.left, *test.comparators) for part in ast.walk(side))


def _own_names(tree: ast.AST) -> set[str]:
    """The names that a function takes or gives a value to."""
    own = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return own | {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    }


def _in_place(tree: ast.AST | None) -> str:
    """The method whose None is returned, directly or through a name."""
    if tree is None:
        return ""
    of_name = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            of_name[node.targets[0].id] = node.value
    for node in ast.walk(tree):
        if isinstance(node, (ast.Return, ast.Lambda)):
            value = node.value if isinstance(node, ast.Return) else node.body
            value = of_name.get(value.id) if isinstance(value, ast.Name) else value
            function = value.func if isinstance(value, ast.Call) else None
            if isinstance(function, ast.Attribute) and function.attr in IN_PLACE:
                return function.attr
    return ""


def mended(
    answer: Callable[..., Any], names: Sequence[str], right: Callable[[Callable[..., Any]], bool]
) -> Slip | None:
    """A slip of which it is proved that without it the answer is right: ``right`` runs a mended answer on all cases."""
    other = _with_parentheses(answer)
    if other is not None and right(other):
        return Slip(
            "precedence",
            "Python reads `a + b if c else 0` as `(a + b) if c else 0`: without c all of the sum is gone. Write "
            "`a + (b if c else 0)`.",
        )
    for i, j in combinations(range(len(names)), 2):
        if right(_with_swapped(answer, i, j)):
            return Slip(
                "swapped arguments",
                f"Your function takes `{names[i]}` for `{names[j]}`, and the other way round: with the two swapped it "
                "is right in every case.",
            )
    return None


def _with_swapped(answer: Callable[..., Any], i: int, j: int) -> Callable[..., Any]:
    def swapped(*case: Any) -> Any:
        case = list(case)
        case[i], case[j] = case[j], case[i]
        return answer(*case)

    return swapped


class _Parentheses(ast.NodeTransformer):
    """Turns `a + b if c else 0` into `a + (b if c else 0)`."""

    changed = False

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        nothing = isinstance(node.orelse, ast.Constant) and node.orelse.value == 0
        if not nothing or not isinstance(node.body, ast.BinOp) or not isinstance(node.body.op, (ast.Add, ast.Sub)):
            return node
        self.changed = True
        inner = ast.IfExp(node.test, node.body.right, node.orelse)
        return ast.BinOp(node.body.left, node.body.op, inner)


def _with_parentheses(answer: Callable[..., Any]) -> Callable[..., Any] | None:
    tree, mend = tree_of(answer), _Parentheses()
    if tree is None or not isinstance(tree.body[0], ast.FunctionDef) or getattr(answer, "__closure__", None):
        return None
    tree.body[0].decorator_list = []
    tree = mend.visit(tree)
    return compiled(answer, tree) if mend.changed else None


def noticed(
    answer: Callable[..., Any],
    names: Sequence[str],
    tries: list[Try],
    covers: Mapping[str, Callable[..., bool]],
    compare: bool,
) -> Slip | None:
    """What the cases show, the most telling first, or None. ``compare`` if no more than one answer is right."""
    wrong = [each for each in tries if not each.right]
    for name, look in LOOKS.items() if compare else ():
        sentence = look(tries)
        if sentence and not (sentence == ONLY_NONE_IS_WRONG and _falls_through(answer, wrong)):
            return Slip(name, sentence)
    if compare and (sentence := _half_right(tries)):
        found = _of_the_wrong_part(tries)
        return Slip("a part" if found else None, f"{sentence} {found}".strip())
    never = " and ".join(f"`{name}`" for name in unread(answer, names))
    sentence = _shared(tries, covers)
    if not never and _falls_through(answer, wrong):
        said = "Sometimes your function comes to its end without a `return`, and so gives None."
        return Slip("a path without return", f"{said} {sentence}".strip())
    if never:
        return Slip("an argument unread", f"Your function never looks at {never}. {sentence}".strip())
    return Slip(None, sentence) if sentence else None


def _falls_through(answer: Callable[..., Any], wrong: list[Try]) -> bool:
    """Whether a wrong answer is None each time because no `return` was reached; proved by one more line at its end."""
    tree, mark = tree_of(answer), object()
    if tree is None or not isinstance(tree.body[0], ast.FunctionDef) or getattr(answer, "__closure__", None):
        return False
    if not wrong or any(each.got is not None for each in wrong):
        return False
    tree.body[0].decorator_list = []
    tree.body[0].body.append(ast.Return(ast.Name("_mark", ast.Load())))
    try:
        longer = compiled(answer, tree, _mark=mark)
        return all(longer(*copy.deepcopy(each.case)) is mark for each in wrong)
    except Exception:
        return False


def _all(tries: list[Try], holds: Callable[[Any, Any], bool]) -> bool:
    try:
        return all(holds(each.expected, each.got) for each in tries)
    except Exception:  # of another type, or too short
        return False


def _equal(expected: Any, got: Any) -> bool:
    return same(expected, plain(expected, got))


def _whole_cost(tries: list[Try]) -> str:
    for name in ("macs", "params", "flops", "weights"):
        if _all(tries, lambda expected, got, name=name: not same(expected, got) and same(expected, getattr(got, name))):
            whole = type(tries[0].got).__name__
            return f"You returned the whole `{whole}`. The exercise asks for one of its numbers: `.{name}`."
    return ""


def _as_text(tries: list[Try]) -> str:
    if type(tries[0].expected) in (int, float) and _all(
        tries, lambda expected, got: type(got) is str and math.isclose(float(got.replace(",", "")), expected)
    ):
        return "You returned text. Return the number itself, without quotes and without formatting."
    return ""


def _parts(tries: list[Try]) -> str:
    """Of a pair, or three: whether a part lacks, or only the order is wrong."""
    count = len(tries[0].expected) if type(tries[0].expected) is tuple else 0
    if not 2 <= count <= 4 or any(len(each.expected) != count for each in tries):
        return ""
    for i in range(count):
        if _all(tries, lambda expected, got, i=i: _equal(expected[i], got)):
            return f"You returned only the {ORDINALS[i]} of {'the two' if count == 2 else count}."
    if _all(tries, lambda expected, got: _equal(expected, tuple(got)[::-1])):
        return "The parts of your answer are right, in the opposite order."
    if _all(
        tries,
        lambda expected, got: all(a is not b and {a, b} == {True, False} for a, b in zip(expected, got, strict=True)),
    ):
        return "Each part of your answer is the opposite of the right one: True for False, False for True."
    lengths = {len(each.got) for each in tries if type(each.got) is tuple}
    if len(lengths) == 1 and count not in lengths and all(type(each.got) is tuple for each in tries):
        return f"Your answer has {lengths.pop()} parts; the exercise asks for {count}."
    return ""


def _half_right(tries: list[Try]) -> str:
    """Of a pair, or three: which parts are right in every case."""
    count = len(tries[0].expected) if type(tries[0].expected) is tuple else 0
    if not 2 <= count <= 4 or any(len(each.expected) != count for each in tries):
        return ""
    if not _all(tries, lambda expected, got: len(got) == count):
        return ""
    right = [i for i in range(count) if _all(tries, lambda expected, got, i=i: _equal(expected[i], got[i]))]
    if not right:
        return ""
    wrong = _listed([ORDINALS[i] for i in range(count) if i not in right])
    well = _listed([ORDINALS[i] for i in right])
    parts = "part of your answer is" if len(right) == 1 else "parts of your answer are"
    return f"The {well} {parts} right in every case; look at the {wrong}."


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _of_the_wrong_part(tries: list[Try]) -> str:
    """What can be noticed about the one part that is wrong."""
    count = len(tries[0].expected)
    wrong = [i for i in range(count) if not _all(tries, lambda expected, got, i=i: _equal(expected[i], got[i]))]
    if len(wrong) > 1:
        return ""
    parts = [Try(each.case, each.expected[wrong[0]], each.got[wrong[0]], each.right) for each in tries]
    for look in (_numbers, _limits, _rounded, _texts):
        if sentence := look(parts):
            return sentence.replace("Your answer is", "It is").replace("Your text is", "It is")
    return ""


def _entries(tries: list[Try]) -> str:
    """Of a list: whether entries lack, or only their order is wrong."""
    if type(tries[0].expected) is not list or not _all(tries, lambda expected, got: type(got) is list):
        return ""
    key = show
    if _all(tries, lambda expected, got: same(expected[::-1], got)):
        return "You have the right entries, in the opposite order."
    if _all(tries, lambda expected, got: same(expected[:1], got)):
        return "You have the first entry only; the exercise asks for more."
    if _all(tries, lambda expected, got: sorted(map(key, expected)) == sorted(map(key, got))):
        return "You have the right entries, in another order."
    if _all(tries, lambda expected, got: same(expected[:-1], got)):
        return "The last entry is missing; the others are right."
    if _all(tries, lambda expected, got: same(expected[1:], got)):
        return "The first entry is missing; the others are right."
    if _all(tries, lambda expected, got: same(expected, got[:-1])):
        return "Your list has one entry too many, at its end."
    if _all(tries, lambda expected, got: same(expected, got[1:])):
        return "Your list has one entry too many, at its beginning."
    if _all(tries, lambda expected, got: same(list(dict.fromkeys(expected)), got)):
        return "Your list leaves out what it has seen before. Keep repeated entries."
    return ""


def _numbers(tries: list[Try]) -> str:
    """Of a number: whether it is always too large by the same amount or factor, or always the same."""
    kinds = (int, float, Fraction)
    pairs = [(each.expected, each.got) for each in tries]
    if not all(type(a) in kinds and type(b) in kinds and abs(a) < 1e15 and abs(b) < 1e15 for a, b in pairs):
        return ""
    if len({a for a, _ in pairs}) < 3 or all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) for a, b in pairs):
        return ""
    if len({b for _, b in pairs}) == 1:
        return f"Your answer is {show(pairs[0][1])} whatever the arguments are."
    off = [b - a for a, b in pairs]
    if all(math.isclose(each, off[0], rel_tol=1e-9, abs_tol=1e-12) for each in off):
        return f"Your answer is {show(abs(off[0]))} too {'large' if off[0] > 0 else 'small'} in every case."
    if all(a and b for a, b in pairs):
        product = pairs[0][0] * pairs[0][1]
        if all(math.isclose(a * b, product, rel_tol=1e-9) for a, b in pairs):
            return (
                f"Your answer is {_short(product)} divided by the right one in every case: is a division upside down?"
            )
    factors = [Fraction(b) / Fraction(a) for a, b in pairs if a]
    if any(not a and b for a, b in pairs) or not factors[0]:
        return ""
    if not all(math.isclose(each, factors[0], rel_tol=1e-9) for each in factors):
        return ""
    if factors[0] == -1:
        return "Your answer has the wrong sign in every case."
    factor = factors[0] if abs(factors[0]) > 1 else 1 / factors[0]
    times = f"{float(factor):.4g}"
    return f"Your answer is {times} times too {'large' if abs(factors[0]) > 1 else 'small'} in every case."


def _short(number: float | Fraction) -> str:
    return f"{int(number):,}" if number == int(number) and number < 1e15 else f"{float(number):.4g}"


def _tensors(tries: list[Try]) -> str:
    torch = sys.modules.get("torch")
    if torch is None or not all(type(part) is torch.Tensor for each in tries for part in (each.expected, each.got)):
        return ""
    if _all(tries, lambda a, b: a.shape != b.shape and a.numel() == b.numel() and same(a.flatten(), b.flatten())):
        return "Your numbers are right, in another shape."
    if all(each.expected.shape != each.got.shape for each in tries):
        first = tries[0]
        got, expected = tuple(first.got.shape), tuple(first.expected.shape)
        return f"Your tensor has the shape {got}; the exercise asks for {expected}."
    if all(each.expected.shape == each.got.shape and each.expected.any() for each in tries):
        largest = [each.expected.abs().argmax() for each in tries]
        factors = [
            float(each.got.flatten()[i] / each.expected.flatten()[i]) for each, i in zip(tries, largest, strict=True)
        ]
        factor = factors[0]
        if factor and all(same(each.expected * factor, each.got) for each in tries):
            return f"Each of your numbers is {factor:.4g} times the right one, in every case."
    return ""


def _limits(tries: list[Try]) -> str:
    """Of a number: whether it stops at a limit, keeps above one, comes in steps, or is rounded."""
    got = [each.got for each in tries]
    if all(each.right or (each.got is None and each.expected == 0) for each in tries):
        return "Where there is nothing your function returns None. The task asks for 0."
    if sentence := _ends(tries) or _of_none(tries):
        return sentence
    if not all(type(each.expected) in (int, float) and type(each.got) in (int, float) for each in tries):
        return ""
    if sentence := _beyond(tries):
        return sentence
    most, least = max(got), min(got)
    if _all(tries, lambda expected, got: got == min(expected, most)) and got.count(most) >= 2:
        return f"Your answer is right up to {show(most)}, and never larger: something ends too early."
    if _all(tries, lambda expected, got: got == max(expected, least)) and got.count(least) >= 2:
        return f"Your answer is never below {show(least)}; otherwise it is right."
    if type(tries[0].expected) is int and _all(tries, lambda expected, got: type(got) is int):
        for step in (64, 32, 16, 10, 8, 4, 2):
            if _all(tries, lambda expected, got, step=step: got == expected // step * step):
                return f"Your answer comes in steps of {step}. What lies between counts as well."
            if _all(tries, lambda expected, got, step=step: got == -(-expected // step) * step):
                return f"Your answer comes in steps of {step}, rounded up. What lies between counts as well."
    if _all(tries, lambda expected, got: math.isclose(got, expected**2, rel_tol=1e-9)):
        return "Your answer is the square of the right one in every case."
    return ""


def _of_none(tries: list[Try]) -> str:
    """Of a number, or None: whether it is a power of two, or only wrong in that there is one, or none."""
    powers = [each for each in tries if type(each.expected) is int and each.expected > 0]
    if len(powers) >= 3 and all(each.got == 1 << (each.expected - 1).bit_length() for each in powers):
        return "Your answer comes in powers of two, rounded up. What lies between counts as well."
    wrong, right = [each for each in tries if not each.right], [each.expected for each in tries if each.right]
    if len({show(each) for each in right}) < 3:
        return ""
    if all(each.got is None for each in wrong):
        return ONLY_NONE_IS_WRONG
    if all(each.expected is None for each in wrong):
        sentence = "Where the exercise asks for None, your function gives something; all else is right."
        return f"{sentence} When is there no answer?"
    return ""


def _ends(tries: list[Try]) -> str:
    """Of a number: right except for the largest that are asked for, and there nothing or far too small."""
    wrong = [each for each in tries if not each.right]
    right = [each.expected for each in tries if each.right and type(each.expected) in (int, float)]
    if len(set(right)) < 3 or any(type(each.expected) not in (int, float) for each in wrong):
        return ""
    if any(each.expected <= max(right) for each in wrong):
        return ""
    if all(each.got in (None, 0) and type(each.got) is not bool for each in wrong):
        return f"Your function finds the answer up to {show(max(right))}, and none beyond: a search ends too early."
    if all(type(each.got) in (int, float) and max(right) <= each.got <= 0.7 * each.expected for each in wrong):
        return f"Your answer is right up to {show(max(right))}, and too small beyond: does a search end too early?"
    return ""


def _beyond(tries: list[Try]) -> str:
    """Of a number: whether it is wrong only where it passes the largest, or the smallest, that is asked for."""
    wrong, all_ = [each for each in tries if not each.right], [each.expected for each in tries]
    for limit, passes, word in ((max(all_), max, "above"), (min(all_), min, "below")):
        if len(wrong) >= 2 and all(each.expected == limit and passes(each.got, limit) == each.got for each in wrong):
            return f"Your answer goes {word} {show(limit)}, where the right answers end; else it is right."
    return ""


def _rounded(tries: list[Try]) -> str:
    """Of a float, or several: whether only digits are missing."""
    for digits in (0, 1, 2, 3, 4):
        if _all(tries, lambda expected, got, digits=digits: _equal(_to_digits(expected, digits), got)):
            after = {0: "whole numbers", 1: "one digit after the point"}.get(digits, f"{digits} digits after the point")
            return f"You rounded to {after}. Return all digits."
    return ""


def _to_digits(value: Any, digits: int) -> Any:
    if type(value) is tuple:
        return tuple(_to_digits(part, digits) for part in value)
    return round(value, digits) + 0.0 if type(value) is float else value


def _factors(tries: list[Try]) -> str:
    """Of a pair of numbers, or three: whether each is too large by one factor."""
    if type(tries[0].expected) is not tuple or not _all(tries, lambda expected, got: len(expected) == len(got)):
        return ""
    parts = [Try(each.case, *pair, right=False) for each in tries for pair in zip(each.expected, each.got, strict=True)]
    sentence = _numbers([each for each in parts if type(each.expected) is not str or each.expected != each.got])
    return sentence.replace("Your answer is", "Each number of your answer is") if "times too" in sentence else ""


def _broken(tries: list[Try]) -> str:
    """Of a whole number: whether a part of one was given, and what would make it right."""
    if not all(type(each.expected) is int and type(each.got) in (int, float) for each in tries):
        return ""
    wrong = [each for each in tries if not each.right]
    if not all(type(each.got) is float and math.isfinite(each.got) and each.got % 1 for each in wrong):
        return ""
    for rounds, word in ((math.floor, "rounded down"), (math.ceil, "rounded up"), (round, "rounded to the nearest")):
        if all(rounds(each.got) == each.expected for each in wrong):
            return f"Your answer is no whole number, and the exercise asks for one: {word}, it is right in every case."
    return "Your answer is no whole number, and the exercise asks for one: a step that rounds is missing."


def _texts(tries: list[Try]) -> str:
    """Of a text: whether only capitals, a beginning, or one mark differ."""
    if not all(type(text) is str for each in tries for text in (each.expected, each.got)):
        return ""
    if _all(tries, lambda expected, got: expected.casefold() == got.casefold()):
        return "Your text is right except for small and capital letters."
    expected, got = tries[0].expected, tries[0].got
    start = expected.removesuffix(got)
    if _all(tries, lambda expected, got: expected == start + got):
        return f"Your text lacks {start!r} at its beginning; the rest is right."
    for mark in dict.fromkeys(expected):
        for other in dict.fromkeys([*got, ""]):
            if mark != other and _all(tries, lambda expected, got, a=mark, b=other: _with_one(expected, a, b) == got):
                instead = f", not {other!r}" if other else ""
                return f"Your text is right except for one mark: the exercise asks for {mark!r}{instead}."
    return ""


def _with_one(text: str, mark: str, other: str) -> str:
    return other.join(text.rsplit(mark, 1))


LOOKS = {
    "the whole cost": _whole_cost,
    "text": _as_text,
    "parts": _parts,
    "entries": _entries,
    "numbers": _numbers,
    "limits": _limits,
    "no whole number": _broken,
    "rounded": _rounded,
    "factors": _factors,
    "texts": _texts,
    "numbers of a tensor": _tensors,
}


# With these nothing has to be mended: they say what is wrong better than a change of the code could.
TELLS_ENOUGH = (
    "layers in a plain list",
    "the whole cost",
    "text",
    "limits",
    "rounded",
    "texts",
    "layers",
    "a path without return",
)


def unread(function: Callable[..., Any], names: Sequence[str]) -> list[str]:
    """Those of its arguments that a function never looks at."""
    tree = tree_of(function)
    if tree is None or not isinstance(tree.body[0], ast.FunctionDef):
        return []
    head = tree.body[0]
    used = {node.id for line in head.body for node in ast.walk(line) if isinstance(node, ast.Name)}
    own = {argument.arg for argument in (*head.args.posonlyargs, *head.args.args)}
    return [] if "locals" in used else [name for name in names if name in own and name not in used]


def _shared(tries: list[Try], covers: Mapping[str, Callable[..., bool]]) -> str:
    """What all cases that fail have in common, and how many are right."""
    failing, passing = [each for each in tries if not each.right], [each for each in tries if each.right]
    if not passing:
        return ""
    count = f"It is right in {len(passing)} of {len(tries)} cases."
    for name, holds in covers.items():
        wrong, right = ([_holds(holds, each.case) for each in some] for some in (failing, passing))
        if all(wrong) and not any(right):
            return f"{count[:-1]}; wrong are those with this: {name}."
        if not any(wrong) and all(right):
            return f"{count[:-1]}; wrong are those without this: {name}."
        if all(wrong) and right.count(False) >= 3:
            return f"{count} All that are wrong have this in common: {name}."
    return count


def _holds(condition: Callable[..., bool], case: tuple[Any, ...]) -> bool:
    try:
        return bool(condition(*case))
    except Exception:  # it is made for the random cases, and need not fit all
        return False
