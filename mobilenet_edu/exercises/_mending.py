"""Mend a wrong answer at one place, and say what was changed. What is said is proved: the mended answer was run.

Each kind of change is a slip that people make: the border of a range, a missing square, `/` for `//`, one name for
another. None of them knows an exercise. If one change makes an answer right in every case, then that is the slip; if
two do, the likelier one is told, as a change that would help, which is true of it. A change is likelier if nothing
has to be thought of for it (what is too much is left out), and if the solution has what it brings. Who misunderstands
height does so with width too: last, one change is made at several places that are alike.
"""

from __future__ import annotations

import ast
import copy
import inspect
import itertools
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

SECONDS = 2.0  # of work for all changes of one answer
ONE = 0.3  # and for one of them, in one case
clock = getattr(time, "thread_time", time.monotonic)  # a browser has no time of a thread
LONGEST = 64  # characters of code that a sentence quotes
WITH_ITS_PLACE = 100  # and for a single name or number, so that its place is seen
LARGEST_POWER = 10_000
LONGEST_RANGE = 10**7
LONGEST_LIST = 10**6  # that a product may make
SEQUENCES = (list, tuple, str)
MOST_PLACES = 4  # that one misunderstanding is sought at

Function = Callable[..., Any]


class Slip(NamedTuple):
    """What an answer did: a name if it is proved, and a sentence."""

    name: str | None
    sentence: str


class Change(NamedTuple):
    """A part of an answer's code, what stands in its place in the mended one, and what kind of slip that is.

    ``lines`` are those that move: one before another, one out of a loop, or one into a loop before another; ``where``
    says where the first one of them belongs, if not there. ``more`` are the same change at other places, to be made
    with it.
    """

    kind: str
    said: str
    part: ast.AST
    other: ast.AST
    lines: tuple[ast.stmt, ...] = ()
    more: tuple[Change, ...] = ()
    where: str = ""


class TooLong(BaseException):
    """A changed answer runs for too long: no Exception, so that the answer does not swallow it."""


def tree_of(answer: Function) -> ast.Module | None:
    """An answer's syntax tree, if it can be had."""
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(answer)))
    except Exception:  # no file and no cell, or a piece of a line
        return None


def compiled(answer: Function, tree: ast.Module, **names: Any) -> Function:
    """The function of a changed tree, among the names that the answer sees."""
    namespace = {**answer.__globals__, **names}
    exec(compile(ast.fix_missing_locations(tree), "<mended>", "exec"), namespace)
    return namespace[tree.body[0].name]


def mended_in_one_place(
    answer: Function,
    arguments: Sequence[str],
    words: Sequence[str],
    right: Callable[[Function], bool],
    solution: Function | None = None,
    two: bool = False,
    patience: float = 1.0,
) -> Slip | None:
    """The change that makes an answer right in every case; None if none does.

    ``arguments`` are those of the exercise that are numbers; ``words`` are texts that right answers hold; a change that
    brings what neither the answer nor the ``solution`` has is tried last. ``two`` if it is two changes that have
    nothing in common: only where so many answers are asked for that two do not fit them by chance. ``patience``
    is how many times as long as usual it may take.
    """
    tree = None if getattr(answer, "__closure__", None) else _head_of(answer)
    if tree is None:
        return None
    known = _atoms(tree) | _atoms(tree_of(solution) if solution else None)
    for change in _that_hold(answer, tree, _changes(tree.body[0], arguments, words), right, known, two, patience):
        said = f"{change.said} ".lstrip()
        said = "" if said.endswith("does not fit here. ") else said  # something else may not fit
        way = _way(tree, change, "in place of")
        way += "," if change.more else ""
        return Slip(change.kind, f"{said}{way[0].upper()}{way[1:]} your function is right in every case.")
    return None


def changed_solution(
    solution: Function,
    arguments: Sequence[str],
    words: Sequence[str],
    alike: Callable[[Function], bool],
    two: bool = False,
    patience: float = 1.0,
) -> Slip | None:
    """The change of a solution with which it gives what the answer gives: ``alike`` compares the two in every case."""
    tree = _head_of(solution)
    if tree is None:
        return None
    changes = [*_left_out(tree.body[0]), *_changes(tree.body[0], arguments, words)]
    for change in _that_hold(solution, tree, changes, alike, _atoms(tree), two, patience):
        sentence = f"Your answers are those of the solution {_way(tree, change, 'where it has')}."
        return Slip(f"as {change.kind}", sentence)
    return None


def _head_of(function: Function) -> ast.Module | None:
    """The tree of what begins with `def`."""
    tree = tree_of(function)
    if tree is None or not isinstance(tree.body[0], ast.FunctionDef):
        return None
    tree.body[0].decorator_list = []
    return tree


def _way(tree: ast.Module, change: Change, instead: str) -> str:
    """How to get from the code before to the code after."""
    if change.where:
        return f"with `{ast.unparse(change.lines[0]).splitlines()[0]}` {change.where}"
    if len(change.lines) == 2:
        first, second = (ast.unparse(line).splitlines()[0] for line in change.lines)
        return f"with `{first}` before `{second}`"
    if len(change.lines) == 3:
        return f"with `{ast.unparse(change.lines[0])}` at the start of each round of the loop"
    if change.lines:
        return f"with `{ast.unparse(change.lines[0])}` behind the loop"
    changes = (change, *change.more)
    quoted = {id(each[0]): each for each in (_quoted(tree, each, changes) for each in changes)}.values()
    outer = [each for each in quoted if not any(_holds(other[0], each[0]) for other in quoted if other is not each)]
    ways = [f"with `{new}` {instead} `{old}`" if new else f"without `{old}`" for _, old, new in outer]
    if len(set(ways)) == 1:
        return ways[0] + (f" at {len(ways)} places" if len(ways) > 1 else "")
    return ", and ".join(ways)


def _that_hold(
    function: Function,
    tree: ast.Module,
    changes: Iterable[Change],
    holds: Callable[[Function], bool],
    known: set[Any],
    two: bool,
    patience: float,
) -> Iterator[Change]:
    """The first change of a function that ``holds`` accepts."""
    places = _places(tree)
    made = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not _loaded(node)}
    changes = list(changes)
    changes = [*changes, *(() if two else _at_several_places(changes))]
    changes = sorted(changes, key=lambda change: _likelier(change, places, known, made))
    changes = _pairs([each for each in changes if _may_be_one_of_two(each, known)]) if two else changes
    _watch(tree)
    places, end = _places(tree), clock() + patience * SECONDS
    for change in changes:
        if clock() > end:
            return
        for each in (change, *change.more):
            _watch_what_is_new(each.other)
        made_at = [(places[id(each.part)], each) for each in (change, *change.more)]
        try:
            try:
                for place, each in made_at:
                    _put(*place, each.other)
                restart, watchers = _watchers(patience * ONE)
                changed = _each_in_time(compiled(function, tree, **watchers), restart)
            finally:
                for place, each in made_at:
                    _put(*place, each.part)
            if holds(changed):
                for each in (tree, *(each.other for _, each in made_at)):
                    _unwatch(each)
                yield change
                return
        except (Exception, TooLong):  # it does not compile, or never ends
            continue


def _at_several_places(changes: Sequence[Change]) -> Iterator[Change]:
    """The same change where parts look alike: all of them together, and each two of them."""
    alike: dict[Any, list[Change]] = {}
    for change in changes:
        if not change.lines:
            alike.setdefault((change.kind, change.said, _pattern(change.part), _step(change)), []).append(change)
    for group in alike.values():
        if 2 <= len(group) <= MOST_PLACES:
            together = [tuple(group)] if len(group) > 2 else []
            for first, *more in [*together, *itertools.combinations(group, 2)]:
                if not any(_holds(a.part, b.part) for a, b in itertools.permutations((first, *more), 2)):
                    yield first._replace(more=tuple(more))


# Slips of which one answer may well have two. Of the others there are too many: in time no pair would be found.
OF_TWO = (
    "left out",
    "equality",
    "rounding",
    "integer division",
    "a factor too many",
    "a step too many",
    "direction",
    "the condition",
    "not squared",
    "off by one",
    "parentheses",
    "another function",
    "another operator",
    "another constant",
    "exchanged",
)


def _may_be_one_of_two(change: Change, known: set[Any]) -> bool:
    return change.kind in OF_TWO and not change.lines and _atoms(change.other) <= known | _FAMILIAR


def _pairs(plain: Sequence[Change]) -> Iterator[Change]:
    """Two changes that have nothing in common, the likelier pairs first."""
    kept = [{id(node) for node in ast.walk(change.other)} for change in plain]
    within = [{id(node) for node in ast.walk(change.part)} for change in plain]
    for total in range(2 * len(plain)):
        for i in range(max(0, total - len(plain) + 1), (total + 1) // 2):
            for outer, inner in ((i, total - i), (total - i, i)):
                part = plain[inner].part
                if id(part) in within[outer]:  # it must still be there once the outer one is made
                    if part is not plain[outer].part and id(part) in kept[outer]:
                        yield plain[outer]._replace(said="", more=(plain[inner],))
                    break
            else:
                yield plain[i]._replace(said="", more=(plain[total - i],))


def _holds(whole: ast.AST, part: ast.AST) -> bool:
    return any(node is part for node in ast.walk(whole))


def _pattern(part: ast.AST) -> str:
    """A single name or number as it is; of anything longer what remains if names and numbers are left open."""
    if isinstance(part, (ast.Name, ast.Constant)):
        return ast.unparse(part)
    part = copy.deepcopy(part)
    for node in ast.walk(part):
        if isinstance(node, ast.Name):
            node.id = "_"
        elif isinstance(node, ast.Constant):
            node.value = 0
    return ast.dump(part)


def _step(change: Change) -> str:
    """What a change makes of a part, whatever the part is."""
    pieces = [change.part, *ast.iter_child_nodes(change.part)]
    known = {id(piece): ast.Name(f"piece {i}", ast.Load()) for i, piece in enumerate(pieces)}
    return ast.dump(copy.deepcopy(change.other, known))


def _likelier(change: Change, places: dict[int, Any], known: set[Any], made: set[str]) -> tuple[Any, ...]:
    """The likelier changes first.

    One place before several. What is known before what is not, then by the kinds' order; of one kind a change of a term
    before one of a name that stands in many, of what is given before what was ``made`` of it, what lacks as a factor
    before what lacks below the line, and another number before a longer sum.
    """
    part, other = change.part, change.other
    longer = isinstance(other, ast.BinOp) and other.left is part
    return (
        len(change.more),
        not _atoms(other) <= known | _FAMILIAR,
        KINDS.index(change.kind),
        longer and isinstance(places[id(part)][0], ast.Assign),
        longer and getattr(part, "id", "") in made,
        longer and isinstance(other.op, (ast.Div, ast.FloorDiv)),
        not isinstance(other, ast.Constant),
    )


def _atoms(tree: ast.AST | None) -> set[Any]:
    """The names and the numbers of a piece of code."""
    found = set()
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, (ast.Name, ast.Attribute)):
            found.add(_name(node))
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
            found.add(node.value)
    return found


def _places(tree: ast.AST) -> dict[int, tuple[ast.AST, str, int | None]]:
    """Where each node hangs: its parent, the field, and the place in it if that is a list."""
    places = {}
    for node in ast.walk(tree):
        for field, value in ast.iter_fields(node):
            for i, each in enumerate(value) if isinstance(value, list) else [(None, value)]:
                places[id(each)] = (node, field, i)
    return places


def _put(node: ast.AST, field: str, i: int | None, value: ast.AST) -> None:
    if i is None:
        setattr(node, field, value)
    else:
        getattr(node, field)[i] = value


def _look() -> ast.stmt:
    return ast.Expr(ast.Call(ast.Name("_look", ast.Load()), [], []))


def _watch(tree: ast.AST) -> None:
    """Let loops look at the time, powers and widths of a text at their size, products at lists: they may well grow."""
    for node in list(ast.walk(tree)):
        if isinstance(node, (ast.For, ast.While)):
            node.body.insert(0, _look())
        if isinstance(node, ast.comprehension):
            node.ifs.insert(0, ast.Call(ast.Name("_look", ast.Load()), [], []))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            node.right = ast.Call(ast.Name("_small", ast.Load()), [node.right], [])
        if isinstance(node, ast.FormattedValue):
            for width in _widths(node):
                width.value = ast.Call(ast.Name("_small", ast.Load()), [width.value], [])
        _watch_product(node)


def _watch_what_is_new(other: ast.AST) -> None:
    for node in ast.walk(other):
        if isinstance(node, (ast.For, ast.While)) and not _is_call(getattr(node.body[0], "value", None), "_look"):
            node.body = [_look(), *node.body]
        _watch_product(node)


def _widths(node: ast.FormattedValue) -> list[ast.FormattedValue]:
    """The parts of a format that are computed: a text of so many digits may fill the memory."""
    parts = node.format_spec.values if isinstance(node.format_spec, ast.JoinedStr) else []
    return [part for part in parts if isinstance(part, ast.FormattedValue)]


def _watch_product(node: ast.AST) -> None:
    if not isinstance(node, (ast.BinOp, ast.AugAssign)) or not isinstance(node.op, ast.Mult):
        return
    for field, by in (
        (("left", "_factor"), ("right", "_factor")) if isinstance(node, ast.BinOp) else (("value", "_times"),)
    ):
        factor = getattr(node, field)
        plain = isinstance(factor, ast.Constant) and isinstance(node, ast.BinOp)  # the other side is careful
        if not plain and not _is_call(factor, by):
            setattr(node, field, ast.Call(ast.Name(by, ast.Load()), [factor], []))


def _unwatch(tree: ast.AST) -> None:
    for node in list(ast.walk(tree)):
        if isinstance(node, (ast.For, ast.While)):
            node.body = [each for each in node.body if not _is_call(getattr(each, "value", None), "_look")]
        if isinstance(node, ast.comprehension):
            node.ifs = [each for each in node.ifs if not _is_call(each, "_look")]
        if isinstance(node, ast.BinOp) and _is_call(node.right, "_small"):
            node.right = node.right.args[0]
        if isinstance(node, ast.FormattedValue):
            for width in _widths(node):
                width.value = width.value.args[0] if _is_call(width.value, "_small") else width.value
        for field in ("value", "left", "right"):
            if any(_is_call(getattr(node, field, None), by) for by in ("_factor", "_times")):
                setattr(node, field, getattr(node, field).args[0])


def _is_call(node: ast.AST | None, name: str) -> bool:
    return isinstance(node, ast.Call) and _name(node.func) == name


def watched(function: Function, patience: float = 1.0) -> Function:
    """The same function, which gives up (`TooLong`) where its loops, powers or lists grow far too long."""
    tree = None if getattr(function, "__closure__", None) else _head_of(function)
    if tree is None:
        return function
    _watch(tree)
    restart, watchers = _watchers(patience * ONE)
    return _each_in_time(compiled(function, tree, **watchers), restart)


def _each_in_time(changed: Function, restart: Function) -> Function:
    def call(*case: Any) -> Any:
        restart()
        return changed(*case)

    return call


def _watchers(seconds: float) -> tuple[Function, dict[str, Function]]:
    """What starts the time anew, and what a changed answer calls in its loops and powers, and instead of `range`."""
    end = None

    def restart() -> None:
        nonlocal end
        end = None

    def look() -> bool:
        nonlocal end
        end = end or clock() + seconds
        if clock() > end:
            raise TooLong
        return True

    def small(exponent: Any) -> Any:
        if isinstance(exponent, int) and abs(exponent) > LARGEST_POWER:
            raise TooLong
        return exponent

    def short(*limits: Any) -> range:
        numbers = range(*limits)
        if len(numbers) > LONGEST_RANGE:
            raise TooLong
        return numbers

    return restart, {"_look": look, "_small": small, "_factor": _factor, "_times": _times, "range": short}


class _Times(int):
    """A whole number with which no list becomes too long."""

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, SEQUENCES) and len(other) * int(self) > LONGEST_LIST:
            raise TooLong
        return int(self) * other

    __rmul__ = __mul__


def _times(value: Any) -> Any:
    return _Times(value) if type(value) is int else value


def _factor(value: Any) -> Any:
    """A side of a product: of a list, or of a number with which one may become too long, a careful one."""
    if isinstance(value, SEQUENCES):
        return _Listed(value)
    return _Times(value) if type(value) is int and abs(value) > LARGEST_POWER else value


class _Listed:
    """A list in a product: several small factors make it long as well."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, int) and len(self.value) * other > LONGEST_LIST:
            raise TooLong
        return self.value * (other.value if isinstance(other, _Listed) else other)

    __rmul__ = __mul__


def _changed(tree: ast.AST, changes: Sequence[Change]) -> ast.AST:
    known: dict[int, ast.AST] = {}
    for each in reversed(changes):  # what lies within another comes behind it
        known[id(each.part)] = copy.deepcopy(each.other, dict(known))
    return copy.deepcopy(tree, known)


def _parents(tree: ast.AST) -> dict[int, ast.AST]:
    return {id(child): parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}


def _quoted(tree: ast.Module, change: Change, changes: Sequence[Change]) -> tuple[ast.AST, str, str]:
    """The changed part, its text before and after, with as much around it as a line holds and a reader needs."""
    parents = _parents(tree)
    shown = part = change.part
    texts = ast.unparse(change.part), ast.unparse(_changed(change.part, changes))
    for _ in range(3):
        part = parents.get(id(part))
        if not isinstance(part, (ast.expr, ast.Return, ast.Assign, ast.AugAssign, ast.keyword, ast.Slice)):
            break
        larger = ast.unparse(part), ast.unparse(_changed(part, changes))
        alone = texts[0].isidentifier() or texts[0].isdigit()
        if max(map(len, larger)) > (WITH_ITS_PLACE if alone else LONGEST):
            break
        shown, texts = part, larger
    old, new = (" ".join(text.split()) for text in texts)
    return shown, old, "" if new == "pass" else new


# The kinds, the likelier first: where two changes help, the first one is told. What is too much comes early, since
# nothing has to be thought of to leave it out.
KINDS = (
    "left out",
    "equality",
    "rounding",
    "integer division",
    "a factor too many",
    "a step too many",
    "direction",
    "the condition",
    "not squared",
    "off by one",
    "parentheses",
    "another name",
    "another attribute",
    "another function",
    "another operator",
    "another constant",
    "a factor is missing",
    "a step is missing",
    "another word",
    "a factor elsewhere",
    "two lines in the wrong order",
    "begun anew in each round",
    "not begun anew",
    "the indentation",
    "returned too early",
    "nothing",
    "exchanged",
)

COMPARISONS = {
    ast.Lt: (ast.LtE, "equality", "`<` leaves the case of equality out."),
    ast.LtE: (ast.Lt, "equality", "`<=` takes the case of equality in."),
    ast.Gt: (ast.GtE, "equality", "`>` leaves the case of equality out."),
    ast.GtE: (ast.Gt, "equality", "`>=` takes the case of equality in."),
}
TURNED = {
    ast.Lt: ast.Gt,
    ast.Gt: ast.Lt,
    ast.LtE: ast.GtE,
    ast.GtE: ast.LtE,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
OPERATORS = {
    ast.Add: (ast.Sub, ast.Mult),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.FloorDiv, ast.Div, ast.Add),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult, ast.Mod),
    ast.Pow: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,),
}
SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Pow: "**", ast.Mod: "%"}
ALIKE = (
    ("min", "max", "sum"),
    ("amin", "amax", "mean", "sum"),
    ("any", "all"),
    ("argmin", "argmax"),
    ("mean", "median", "sum", "min", "max", "mode"),
    ("fmean", "median"),
    ("median", "median_low", "median_high"),
    ("stdev", "pstdev", "variance", "pvariance"),
    ("std", "var"),
    ("log", "log10", "log2"),
    ("comb", "perm"),
    ("macs", "params", "weights", "flops", "output_elements", "input_elements"),
    ("in_channels", "out_channels"),
    ("input_size", "output_size"),
    ("keys", "values"),
    ("index", "count"),
    ("relu", "relu6"),
    ("ReLU", "ReLU6"),
    ("rows", "columns"),
)
RESHAPED = ("flatten", "reshape", "view", "transpose", "permute")
ROUNDED = ("int", "round", "floor", "ceil", "trunc")
CONSTANTS = (0, 1, 2, 3, 4, 8, 9, 10, 100, 1000)
_FAMILIAR = {0, 1, 2, "math", "abs", "len", "sum", "set", "sorted", "get", *ROUNDED}


def _changes(function: ast.FunctionDef, arguments: Sequence[str], words: Sequence[str]) -> Iterator[Change]:
    names, parents = _names(function), _parents(function)
    aside = _digits(function)
    used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    own = names[: len(function.args.args)]
    unread = [name for name in own if name not in used]
    lists = set(own) - set(arguments)
    for node in ast.walk(function):
        if id(node) in aside:
            continue
        if isinstance(node, (ast.FunctionDef, ast.For, ast.While, ast.If, ast.ClassDef, ast.With)):
            yield from _of_blocks(node)
        if isinstance(node, ast.Compare):
            yield from _of_comparison(node)
        elif isinstance(node, (ast.BinOp, ast.AugAssign, ast.BoolOp, ast.UnaryOp)):
            yield from _of_operator(node)
        elif isinstance(node, ast.Call):
            yield from _of_call(node, unread)
            if len(node.args) == 1 and isinstance(node.args[0], ast.Name) and not node.keywords:
                yield from _as_elsewhere(function, node)
        elif isinstance(node, ast.Constant):
            yield from _of_constant(node, words, parents.get(id(node)))
            if type(node.value) in (int, float):
                for name in arguments:
                    said = f"`{name}` is never used." if name in unread else f"`{node.value}` does not fit here."
                    yield Change("another name", said, node, ast.Name(name, ast.Load()))
        elif isinstance(node, (ast.IfExp, ast.If, ast.comprehension)):
            yield from _of_condition(node)
        elif isinstance(node, ast.Attribute):
            yield from _of_attribute(node)
        elif isinstance(node, ast.Subscript):
            yield from _of_subscript(node)
        elif isinstance(node, (ast.Tuple, ast.List)) and 2 <= len(node.elts) <= 4 and _loaded(node):
            yield from _of_parts(node)
        elif isinstance(node, ast.Name) and _loaded(node):
            multiplied = isinstance(parents.get(id(node)), (ast.BinOp, ast.AugAssign))
            for name in names:
                if name != node.id and node.id in names and not (multiplied and name in lists):
                    said = f"`{node.id}` does not fit here."
                    yield Change("another name", said, node, ast.Name(name, ast.Load()))
        elif isinstance(node, ast.For) or (isinstance(node, ast.Assign) and len(node.targets) == 1):
            yield from _of_targets(node)
        if _is_product(node) and not _is_product(parents.get(id(node))):
            yield from _of_product(node, arguments)
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
            for part in (node.left, node.right):
                if isinstance(part, (ast.Name, ast.Attribute, ast.Subscript)):
                    yield from _of_product(part, arguments)
        if isinstance(node, ast.Return) and node.value is not None:
            yield from _of_value(node.value, arguments)
            yield from _of_result(node.value)
        elif isinstance(node, ast.Assign):
            yield from _of_value(node.value, arguments)
            yield from _of_start(node.value)
        elif isinstance(node, ast.Lambda):
            yield from _of_value(node.body, arguments)
            yield from _of_result(node.body)
        if isinstance(node, ast.Call) and _name(node.func) == "range" and node.args:
            yield from _by_one(node, "args", min(1, len(node.args) - 1))
        if isinstance(node, ast.Slice):
            for part in _bounds(node):
                for by in (1, -1):
                    yield Change("off by one", _BY_ONE, part, _plus(part, by))


_BY_ONE = "It is off by one."


def _as_elsewhere(function: ast.FunctionDef, call: ast.Call) -> Iterator[Change]:
    """`f(x)` for a bare `x`, where it stands as `f(x)` in another place."""
    name, inside = call.args[0].id, {id(part) for part in ast.walk(call)}
    for node in ast.walk(function):
        if isinstance(node, ast.BinOp):
            for part in (node.left, node.right):
                if isinstance(part, ast.Name) and part.id == name and id(part) not in inside:
                    said = f"One step is missing: `{_name(call.func)}`."
                    yield Change("a step is missing", said, part, copy.deepcopy(call))


def _digits(function: ast.FunctionDef) -> set[int]:
    """The parts that say to how many digits `round` rounds: no slip is mended by more digits."""
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call) and _name(node.func) == "round"]
    return {id(part) for call in calls for digits in call.args[1:] for part in ast.walk(digits)}


def _left_out(function: ast.FunctionDef) -> Iterator[Change]:
    """A solution without one of its steps: what is worked out is 0 or 1 instead, or anew in each round of a loop."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.value, (ast.BinOp, ast.Call, ast.IfExp, ast.Name)):
            for value in (0, 1):
                yield Change("left out", "", node.value, ast.Constant(value))
        if isinstance(node, (ast.For, ast.While)):
            for line in node.body:
                if isinstance(line, ast.Assign):
                    yield Change("left out", "", line, ast.Pass())
    for i, line in enumerate(function.body):
        for loop in function.body[i + 1 :]:
            if isinstance(loop, (ast.For, ast.While)) and isinstance(line, ast.Assign):
                body = [_with(each, body=[line, *each.body]) if each is loop else each for each in function.body]
                block = [*body[:i], *body[i + 1 :]]
                inside = line, loop, loop.body[0]
                yield Change("begun anew in each round", "", function, _with(function, body=block), inside)


def _loaded(node: Any) -> bool:
    return isinstance(node.ctx, ast.Load)


def _name(function: ast.AST) -> str:
    return getattr(function, "id", getattr(function, "attr", ""))


def _names(function: ast.FunctionDef) -> list[str]:
    """The arguments, and all names to which the function gives a value, in order."""
    own = [each.arg for node in ast.walk(function) if isinstance(node, ast.arguments) for each in node.args]
    given = [node.id for node in ast.walk(function) if isinstance(node, ast.Name) and not _loaded(node)]
    return list(dict.fromkeys([*own, *given]))


def _plus(node: ast.AST, by: int) -> ast.AST:
    return ast.BinOp(node, ast.Add() if by > 0 else ast.Sub(), ast.Constant(abs(by)))


def _bounds(part: ast.Slice) -> list[ast.AST]:
    return [each for each in (part.lower, part.upper) if each is not None]


def _by_one(node: ast.AST, field: str, place: int) -> Iterator[Change]:
    part = getattr(node, field)[place]
    for by in (1, -1):
        yield Change("off by one", _BY_ONE, part, _plus(part, by))


def _with(node: ast.AST, **fields: Any) -> ast.AST:
    return ast.copy_location(type(node)(**{**dict(ast.iter_fields(node)), **fields}), node)


def _of_comparison(node: ast.Compare) -> Iterator[Change]:
    for i, sign in enumerate(node.ops):
        if type(sign) in COMPARISONS:
            other, kind, said = COMPARISONS[type(sign)]
            yield Change(kind, said, node, _with(node, ops=[*node.ops[:i], other(), *node.ops[i + 1 :]]))
        if type(sign) in TURNED:
            ops = [*node.ops[:i], TURNED[type(sign)](), *node.ops[i + 1 :]]
            yield Change("direction", "A comparison points the wrong way.", node, _with(node, ops=ops))
    for part in (node.left, *node.comparators):
        for by in (1, -1):
            yield Change("off by one", _BY_ONE, part, _plus(part, by))


def _of_operator(node: Any) -> Iterator[Change]:
    sign = type(node.op)
    if sign in (ast.Div, ast.FloorDiv):
        other = ast.FloorDiv() if sign is ast.Div else ast.Div()
        said = "`/` gives a fraction of a whole." if sign is ast.Div else "`//` cuts a fraction off."
        yield Change("integer division", said, node, _with(node, op=other))
    for other in OPERATORS.get(sign, ()):
        said = f"`{SIGNS[sign]}` does not fit here."
        yield Change("another operator", said, node, _with(node, op=other()))
    if isinstance(node, ast.BoolOp):
        other, said = (ast.Or(), "`and` asks") if sign is ast.And else (ast.And(), "`or` asks")
        said += " for all of it." if sign is ast.And else " for one of it only."
        yield Change("the condition", said, node, _with(node, op=other))
        for i in range(len(node.values)):
            rest = [*node.values[:i], *node.values[i + 1 :]]
            other = rest[0] if len(rest) == 1 else _with(node, values=rest)
            yield Change("the condition", "One condition is too many.", node, other)
    elif isinstance(node, ast.UnaryOp):
        said = "A `not` is too many." if sign is ast.Not else "The sign is wrong."
        yield Change("direction", said, node, node.operand)
    elif isinstance(node, ast.BinOp):
        yield from _of_terms(node, sign)
        yield from _of_grouping(node)
    else:
        said = "It adds up what should be replaced."
        yield Change("a step too many", said, node, ast.Assign([node.target], node.value))


def _of_terms(node: ast.BinOp, sign: type) -> Iterator[Change]:
    what = "term" if sign in (ast.Add, ast.Sub) else "factor" if sign is ast.Mult else "step"
    said = f"There is one {what} too many."
    if sign is ast.Pow:
        yield Change("not squared", "There is one power too many.", node, node.left)
        return
    yield Change("a factor too many", said, node, node.left)
    if sign in (ast.Add, ast.Mult):
        yield Change("a factor too many", said, node, node.right)
    if sign in (ast.Sub, ast.Div, ast.FloorDiv):
        said = "The two sides are the wrong way round."
        yield Change("direction", said, node, _with(node, left=node.right, right=node.left))
    for part in (node.left, node.right):
        if _is_a_number(part):
            squared = ast.BinOp(part, ast.Pow(), ast.Constant(2))
            yield Change("not squared", "A square is missing.", part, squared)
            if sign in (ast.Mult, ast.Div, ast.FloorDiv):
                for by in (1, -1):
                    yield Change("off by one", _BY_ONE, part, _plus(part, by))
    yield from _of_factors(node)


PLUS = (ast.Add, ast.Sub)


def _of_factors(node: ast.BinOp) -> Iterator[Change]:
    """`a * c + b` for `a + b * c`, which has its factor at the wrong term, and for `(a + b) * c`."""
    left, right, sign = node.left, node.right, node.op
    said = "A factor stands at the wrong term."
    if isinstance(sign, PLUS) and isinstance(right, ast.BinOp) and isinstance(right.op, ast.Mult):
        for a, b in ((right.left, right.right), (right.right, right.left)):
            other = ast.BinOp(ast.BinOp(left, ast.Mult(), b), sign, a)
            yield Change("a factor elsewhere", said, node, other)
    if isinstance(sign, PLUS) and isinstance(left, ast.BinOp) and isinstance(left.op, ast.Mult):
        for a, b in ((left.left, left.right), (left.right, left.left)):
            other = ast.BinOp(a, sign, ast.BinOp(right, ast.Mult(), b))
            yield Change("a factor elsewhere", said, node, other)
    if isinstance(sign, ast.Mult) and isinstance(left, ast.BinOp) and isinstance(left.op, PLUS):
        said = "A factor belongs to one term only."
        other = ast.BinOp(ast.BinOp(left.left, sign, right), left.op, left.right)
        yield Change("a factor elsewhere", said, node, other)


def _of_grouping(node: ast.BinOp) -> Iterator[Change]:
    """`a / b - c` for `a / (b - c)`, and the other way round."""
    said = "Parentheses stand in the wrong place."
    if isinstance(node.right, ast.BinOp):
        inner = _with(node, right=node.right.left)
        yield Change("parentheses", said, node, _with(node.right, left=inner))
    if isinstance(node.left, ast.BinOp):
        inner = _with(node, left=node.left.right)
        yield Change("parentheses", said, node, _with(node.left, right=inner))


def _is_a_number(node: ast.AST) -> bool:
    """Whether it looks like one number, as a side is, and not like a list or what a method gives."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name)
    return isinstance(node, (ast.Name, ast.Attribute, ast.Subscript))


def _call(name: str, *parts: ast.AST) -> ast.AST:
    return ast.Call(ast.parse(name, mode="eval").body, list(parts), [])


def _of_call(node: ast.Call, arguments: Sequence[str]) -> Iterator[Change]:
    name = _name(node.func)
    if name in ROUNDED and len(node.args) == 1:
        yield Change("rounding", f"There is one step too many: `{name}`.", node, node.args[0])
        for other in ("int", "round", "math.floor", "math.ceil"):
            if other.rpartition(".")[2] != name:
                yield Change("rounding", f"`{name}` rounds the wrong way.", node, _call(other, node.args[0]))
    elif name in ROUNDED and isinstance(node.func, ast.Attribute) and not node.args:
        for other in ("round", "floor", "ceil"):
            said = f"`{name}` rounds the wrong way."
            yield Change("rounding", said, node, _with(node, func=_with(node.func, attr=other)))
    if len(node.args) == 1 and not node.keywords:
        yield Change("a step too many", f"There is one step too many: `{name}`.", node, node.args[0])
    if isinstance(node.func, ast.Attribute):
        yield Change("a step too many", f"There is one step too many: `{name}`.", node, node.func.value)
    for other in next((group for group in ALIKE if name in group), ()):
        if other != name and isinstance(node.func, ast.Name):
            func = ast.Name(other, ast.Load())
            yield Change("another function", f"`{name}` does not fit here.", node, _with(node, func=func))
    for i, keyword in enumerate(node.keywords):
        said = f"`{keyword.arg}` should not be given here."
        yield Change("a step too many", said, node, _with(node, keywords=[*node.keywords[:i], *node.keywords[i + 1 :]]))
    if name == "round" and len(node.args) == 2:
        yield Change("rounding", "`round` cuts digits off that the exercise asks for.", node, node.args[0])
    if node.args and not node.keywords and name not in ROUNDED:
        for argument in arguments:
            if not any(getattr(each, "id", "") == argument for each in node.args):
                other = _with(node, args=[*node.args, ast.Name(argument, ast.Load())])
                yield Change("a step is missing", f"`{name}` lacks an argument.", node, other)
    if len(node.args) >= 2:
        for i in range(len(node.args) - 1):
            args = [*node.args[:i], node.args[i + 1], node.args[i], *node.args[i + 2 :]]
            yield Change("exchanged", f"Two arguments of `{name}` are exchanged.", node, _with(node, args=args))
        for i in range(len(node.args)):
            rest = [*node.args[:i], *node.args[i + 1 :]]
            said = f"`{name}` gets one part too many."
            yield Change("a step too many", said, node, _with(node, args=rest))
            if name in ("min", "max") and len(rest) == 1:
                yield Change("a step too many", f"There is one step too many: `{name}`.", node, rest[0])


def _other_numbers(value: float, parent: ast.AST | None) -> list[float]:
    """What somebody may have meant who wrote a number: of a large one another unit, of a place the next one."""
    near = [value + 1, value - 1]
    if value == 0 and isinstance(parent, ast.Call) and _name(parent.func) == "range":
        return [1]
    if value == 0:
        return near
    if isinstance(parent, ast.Subscript):
        return [*near, 0]
    if isinstance(parent, ast.Call) and _name(parent.func) == "range":
        return [*near, 0, 1]
    if _builds_a_layer(parent):
        return [*near, 2 * value, value / 2]  # a kernel or padding of 1,000 would take minutes
    if value >= 1000:
        return [*near, value * 1000, value / 1000, 1000, 1024]
    return [*near, 2 * value, value / 2, *([value**2] if type(value) is int and value < 10 else []), *CONSTANTS]


def _builds_a_layer(parent: ast.AST | None) -> bool:
    """Whether a number goes to a class, such as `nn.Conv2d`, or to an argument by name."""
    called = _name(parent.func) if isinstance(parent, ast.Call) else ""
    return isinstance(parent, ast.keyword) or (called[:1].isupper() and called != "Fraction")


def _of_constant(node: ast.Constant, words: Sequence[str], parent: ast.AST | None) -> Iterator[Change]:
    value = node.value
    if type(value) in (int, float):
        # A factor that is 1, or a term that is 0, is none: that is told as one too many.
        multiplies = isinstance(parent, ast.BinOp) and not isinstance(parent.op, (ast.Add, ast.Sub))
        adds = isinstance(parent, ast.BinOp) and not multiplies
        for other in dict.fromkeys(_other_numbers(value, parent)):
            other = int(other) if other == int(other) else other
            if other == value or (multiplies and other in (0, 1)) or (adds and other == 0):
                continue
            if abs(other - value) == 1 and not multiplies:
                counted = isinstance(parent, (ast.BinOp, ast.Compare, ast.Assign, ast.AugAssign, ast.Return))
                said = _BY_ONE if counted else f"`{value}` does not fit here."
                yield Change("off by one", said, node, ast.Constant(other))
            else:
                yield Change("another constant", f"`{value}` does not fit here.", node, ast.Constant(other))
        if value == 0:
            yield Change("nothing", "0 does not fit here.", node, ast.Constant(None))
    elif value is True or value is False:
        yield Change("the condition", f"`{value}` does not fit here.", node, ast.Constant(not value))
    elif value is None or value == "":
        for other in (0, None):
            if other is not value:
                yield Change("nothing", f"`{value!r}` does not fit here.", node, ast.Constant(other))
    elif type(value) is str:
        for word in words:
            if word != value:
                yield Change("another word", f"{value!r} does not fit here.", node, ast.Constant(word))


def _of_condition(node: Any) -> Iterator[Change]:
    if isinstance(node, ast.comprehension):
        for i in range(len(node.ifs)):
            ifs = [*node.ifs[:i], *node.ifs[i + 1 :]]
            yield Change("the condition", "It leaves some out that belong to it.", node, _with(node, ifs=ifs))
        return
    turned = ast.UnaryOp(ast.Not(), node.test)
    yield Change("direction", "A condition is the wrong way round.", node.test, turned)
    if isinstance(node, ast.IfExp):
        yield Change("the condition", "A condition is too many.", node, node.body)
        yield Change("the condition", "A condition is too many.", node, node.orelse)
    else:
        yield Change("the condition", "A condition is too many.", node.test, ast.Constant(True))


def _of_attribute(node: ast.Attribute) -> Iterator[Change]:
    for group in ALIKE:
        if node.attr in group and _loaded(node):
            for other in group:
                if other != node.attr:
                    said = f"`.{node.attr}` does not fit here."
                    yield Change("another attribute", said, node, _with(node, attr=other))


def _of_subscript(node: ast.Subscript) -> Iterator[Change]:
    if not _loaded(node):
        return
    yield Change("a step too many", "It takes a part, and the exercise asks for all.", node, node.value)
    if not isinstance(node.slice, (ast.Slice, ast.Tuple, ast.Constant)):
        get = ast.Call(ast.Attribute(node.value, "get", ast.Load()), [node.slice], [])
        yield Change("a step is missing", "A name that is not there has no entry.", node, get)
        for by in (1, -1):
            yield Change("off by one", _BY_ONE, node.slice, _plus(node.slice, by))
    if isinstance(node.slice, ast.Slice) and _bounds(node.slice):
        for other in (ast.Slice(None, node.slice.lower), ast.Slice(node.slice.upper, None)):
            said = "It takes the wrong end."
            yield Change("direction", said, node, _with(node, slice=other))
    if isinstance(node.slice, ast.Tuple) and len(node.slice.elts) > 1:
        parts = node.slice.elts
        for i in range(len(parts) - 1):
            other = ast.Tuple([*parts[:i], parts[i + 1], parts[i], *parts[i + 2 :]], ast.Load())
            yield Change("exchanged", "Two dimensions are exchanged.", node.slice, other)


def _of_parts(node: Any) -> Iterator[Change]:
    if all(isinstance(part, ast.Constant) for part in node.elts):
        for i in range(len(node.elts)):
            rest = _with(node, elts=[*node.elts[:i], *node.elts[i + 1 :]])
            yield Change("a step too many", "There is one entry too many.", node, rest)
    for i in range(len(node.elts)):
        for j in range(i):
            elts = list(node.elts)
            elts[i], elts[j] = elts[j], elts[i]
            yield Change("exchanged", "Two parts are exchanged.", node, _with(node, elts=elts))


def _of_targets(node: Any) -> Iterator[Change]:
    """`a, b = …` for `b, a = …`, and `total = …` where `total += …` adds up."""
    target = node.target if isinstance(node, ast.For) else node.targets[0]
    if isinstance(target, ast.Tuple) and len(target.elts) == 2:
        said = "The two names are exchanged."
        yield Change("exchanged", said, target, _with(target, elts=target.elts[::-1]))
    if isinstance(node, ast.Assign) and isinstance(target, (ast.Name, ast.Subscript)):
        said = "It replaces what should be added up."
        yield Change("a step is missing", said, node, ast.AugAssign(target, ast.Add(), node.value))


def _is_product(node: ast.AST | None) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mult, ast.Pow, ast.FloorDiv))


def _of_product(product: ast.AST, arguments: Sequence[str]) -> Iterator[Change]:
    """A factor that lacks in one term of a sum."""
    for name in arguments:
        for sign, said in ((ast.Mult, "A factor is missing."), (ast.FloorDiv, "A division is missing.")):
            other = ast.BinOp(product, sign(), ast.Name(name, ast.Load()))
            yield Change("a factor is missing", said, product, other)


def _of_value(value: ast.AST, arguments: Sequence[str]) -> Iterator[Change]:
    """What lacks around a value: a factor, a term, a square, a rounding."""
    for name in arguments:
        for sign in (ast.Mult, ast.Div, ast.FloorDiv, ast.Add, ast.Sub):
            said = "A factor is missing." if sign is ast.Mult else "A division is missing."
            said = "A term is missing." if sign in (ast.Add, ast.Sub) else said
            yield Change("a factor is missing", said, value, ast.BinOp(value, sign(), ast.Name(name, ast.Load())))
    if _is_a_number(value) or (isinstance(value, ast.BinOp) and not isinstance(value.op, ast.Pow)):
        squared = ast.BinOp(value, ast.Pow(), ast.Constant(2))
        yield Change("not squared", "A square is missing.", value, squared)
    if not (isinstance(value, ast.Call) and _name(value.func) in RESHAPED):
        for by in (1, -1):
            yield Change("off by one", _BY_ONE, value, _plus(value, by))
    for step in ("int", "round", "math.ceil"):
        yield Change("rounding", f"One step is missing: `{step}`.", value, _call(step, value))
    yield Change("a step is missing", "One step is missing: `abs`.", value, _call("abs", value))
    zero = _call("max", ast.Constant(0), value)
    yield Change("a step is missing", "It must not fall below 0.", value, zero)


def _of_result(value: ast.AST) -> Iterator[Change]:
    """What lacks around the result: a unit, a root, a sign, a last step."""
    for factor in map(ast.Constant, (2, 4, 100, 1000)):
        for sign in (ast.Mult, ast.Div, ast.FloorDiv):
            said = "A factor is missing." if sign is ast.Mult else "A division is missing."
            yield Change("a factor is missing", said, value, ast.BinOp(value, sign(), factor))
    yield Change("not squared", "A root is missing.", value, ast.BinOp(value, ast.Pow(), ast.Constant(0.5)))
    yield Change("direction", "It is upside down.", value, ast.BinOp(ast.Constant(1), ast.Div(), value))
    if not (isinstance(value, ast.BinOp) and isinstance(value.op, ast.Sub)):  # its two sides are exchanged instead
        yield Change("direction", "The sign is wrong.", value, ast.UnaryOp(ast.USub(), value))
    for name in _read_in(value):
        mean = ast.BinOp(value, ast.Div(), _call("len", ast.Name(name, ast.Load())))
        yield Change("a factor is missing", "A division is missing.", value, mean)
    if not isinstance(value, ast.Tuple):
        for step in ("len", "sum", "max", "min", "set", "sorted"):
            yield Change("a step is missing", f"One step is missing: `{step}`.", value, _call(step, value))
    yield from _of_nothing(value)


def _of_start(value: ast.AST) -> Iterator[Change]:
    """Another value to start from."""
    for part in value.elts if isinstance(value, ast.Tuple) else [value]:
        if _is_a_number(part):
            for start in (0, 1):
                yield Change("another constant", f"`{ast.unparse(part)}` does not fit here.", part, ast.Constant(start))


def _read_in(value: ast.AST) -> list[str]:
    return list(dict.fromkeys(node.id for node in ast.walk(value) if isinstance(node, ast.Name)))


def _of_nothing(value: ast.AST) -> Iterator[Change]:
    said = "Where there is nothing, it gives None; the exercise asks for 0."
    yield Change("nothing", said, value, ast.BoolOp(ast.Or(), [value, ast.Constant(0)]))


def _of_indentation(node: Any, field: str, lines: Sequence[ast.stmt]) -> Iterator[Change]:
    """A last line that moves out of its loop or condition, one that moves in, and a first value that moves in."""
    for i, line in enumerate(lines):
        if not isinstance(line, (ast.For, ast.While, ast.If)):
            continue
        *kept, last = line.body
        if kept and not isinstance(last, (ast.Return, ast.For, ast.While, ast.If)):
            block = [*lines[:i], _with(line, body=kept), last, *lines[i + 1 :]]
            said, where = "A line stands too far to the right.", f"behind, not in, {_head(line)}"
            yield Change("the indentation", said, node, _with(node, **{field: block}), (last,), where=where)
        if i + 1 < len(lines) and not isinstance(line, ast.If) and not isinstance(lines[i + 1], ast.Return):
            for loop in _loops_of(line):
                inside = _with_loop(line, loop, [*loop.body, lines[i + 1]])
                block = [*lines[:i], inside, *lines[i + 2 :]]
                said, where = "A line stands too far to the left.", f"at the end of each round of {_head(loop)}"
                yield Change("the indentation", said, node, _with(node, **{field: block}), (lines[i + 1],), where=where)
        if isinstance(line, ast.If):
            continue
        for j, first in enumerate(lines[:i]):
            if not isinstance(first, ast.Assign) or not set(_read_in(line)) & set(_read_in(first.targets[0])):
                continue
            for loop in _loops_of(line):
                inside = _with_loop(line, loop, [first, *loop.body])
                block = [*lines[:j], *lines[j + 1 : i], inside, *lines[i + 1 :]]
                name = ast.unparse(first.targets[0])
                said, where = f"`{name}` does not begin anew.", f"at the start of each round of {_head(loop)}"
                yield Change("not begun anew", said, node, _with(node, **{field: block}), (first,), where=where)


def _head(block: ast.stmt) -> str:
    head = ast.unparse(_with(block, body=[ast.Pass()], orelse=[])).splitlines()[0]
    return f"`{head}`" if len(head) <= LONGEST else "the condition" if isinstance(block, ast.If) else "the loop"


def _loops_of(loop: ast.stmt) -> list[Any]:
    """A loop, and those in it."""
    return [each for each in ast.walk(loop) if isinstance(each, (ast.For, ast.While))]


def _with_loop(whole: ast.stmt, loop: ast.stmt, body: list[ast.stmt]) -> Any:
    """``whole`` with another body of the one loop in it."""
    if whole is loop:
        return _with(loop, body=body)
    if not isinstance(whole, (ast.For, ast.While, ast.If)):
        return whole
    return _with(whole, body=[_with_loop(each, loop, body) for each in whole.body])


def _begins(line: ast.stmt) -> bool:
    """Whether it gives a name its first value, as `total = 0` does."""
    return isinstance(line, ast.Assign) and not any(isinstance(part, ast.BinOp) for part in ast.walk(line.value))


def _of_blocks(node: Any) -> Iterator[Change]:
    """Lines in another order, a line too many, and a `return` that stands too far to the right."""
    for field in ("body", "orelse"):
        lines = getattr(node, field, [])
        for i in range(len(lines) - 1):
            if not isinstance(lines[i + 1], ast.Return) and not isinstance(lines[i], (ast.FunctionDef, ast.ClassDef)):
                block = [*lines[:i], lines[i + 1], lines[i], *lines[i + 2 :]]
                said = "Two lines stand in the wrong order."
                moved = lines[i + 1], lines[i]
                yield Change("two lines in the wrong order", said, node, _with(node, **{field: block}), moved)
        for i, line in enumerate(lines):
            if isinstance(line, (ast.For, ast.While)) and _begins(line.body[0]) and len(line.body) > 1:
                block = [*lines[:i], line.body[0], _with(line, body=line.body[1:]), *lines[i + 1 :]]
                said = "Each round of the loop begins anew."
                moved = line.body[0], line
                yield Change("begun anew in each round", said, node, _with(node, **{field: block}), moved)
        for line in lines:
            into = isinstance(line, ast.Assign) and isinstance(line.targets[0], (ast.Subscript, ast.Attribute))
            called = isinstance(line, ast.Expr) and not isinstance(line.value, ast.Constant)
            if isinstance(line, ast.AugAssign) or into or called:
                yield Change("a step too many", "There is one line too many.", line, ast.Pass())
        for i, line in enumerate(lines):
            if isinstance(line, (ast.For, ast.While)) and isinstance(line.body[-1], ast.Return) and len(line.body) > 1:
                loop = _with(line, body=line.body[:-1])
                block = [*lines[:i], loop, line.body[-1], *lines[i + 1 :]]
                said = "The `return` stands inside the loop and ends it in its first round."
                moved = (line.body[-1],)
                yield Change("returned too early", said, node, _with(node, **{field: block}), moved)
        yield from _of_indentation(node, field, lines)
