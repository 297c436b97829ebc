"""No wrong answer gets through: every small change of every solution is caught by the cases of its exercise."""

import ast
import copy
import functools

import pytest

from mobilenet_edu import exercises
from mobilenet_edu.exercises import exercises_of
from mobilenet_edu.exercises._engine import _Trial
from mobilenet_edu.exercises._running import CappedOutput, within

EXERCISES = [each for chapter in exercises.chapters().values() for each in exercises_of(chapter)]

OTHER_OPERATORS = {
    ast.Lt: (ast.LtE,),
    ast.LtE: (ast.Lt,),
    ast.Gt: (ast.GtE,),
    ast.GtE: (ast.Gt,),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add,),
    ast.FloorDiv: (ast.Mult, ast.Div),
    ast.Div: (ast.Mult,),
    ast.Pow: (ast.Mult,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}
OTHER_NAMES = {"max": "min", "min": "max", "any": "all", "all": "any", "amax": "amin", "floor": "ceil"}


def changes(node):
    """Functions that each change a node in place, with what they do."""
    if isinstance(node, ast.Compare):
        for other in OTHER_OPERATORS.get(type(node.ops[0]), ()):
            yield f"{type(node.ops[0]).__name__} -> {other.__name__}", "ops", [other()]
    if isinstance(node, (ast.BinOp, ast.AugAssign, ast.BoolOp)):
        for other in OTHER_OPERATORS.get(type(node.op), ()):
            yield f"{type(node.op).__name__} -> {other.__name__}", "op", other()
    if isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
        if type(node.value) is bool:
            yield f"not {node.value}", "value", not node.value
        else:
            yield f"{node.value} + 1", "value", node.value + 1
            yield f"{node.value} - 1", "value", node.value - 1
    if isinstance(node, ast.Name) and node.id in OTHER_NAMES:
        yield f"{node.id} -> {OTHER_NAMES[node.id]}", "id", OTHER_NAMES[node.id]
    if isinstance(node, ast.Attribute) and node.attr in OTHER_NAMES:
        yield f"{node.attr} -> {OTHER_NAMES[node.attr]}", "attr", OTHER_NAMES[node.attr]
    if isinstance(node, ast.IfExp):
        yield "always the first", "test", ast.Constant(True)
        yield "always the second", "test", ast.Constant(False)
    if isinstance(node, ast.If):
        yield "if always", "test", ast.Constant(True)
        yield "if never", "test", ast.Constant(False)
    for name in ("body", "orelse"):
        statements = getattr(node, name, None)
        if isinstance(statements, list):
            for i, statement in enumerate(statements):
                if not isinstance(statement, (ast.FunctionDef, ast.ClassDef, ast.Return)) and not documents(statement):
                    yield (
                        f"without `{ast.unparse(statement)}`",
                        name,
                        [*statements[:i], ast.Pass(), *statements[i + 1 :]],
                    )


def documents(statement):
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def mutants(exercise):
    """Every solution that differs in one place, with a description of the place."""
    tree = ast.parse(exercise.solution_code)
    for place, node in enumerate(ast.walk(tree.body[-1])):
        for said, field, value in list(changes(node)):
            other = copy.deepcopy(tree)
            changed = list(ast.walk(other.body[-1]))[place]
            setattr(changed, field, value)
            namespace = {"__name__": "a_mutant"}
            code = ast.unparse(ast.fix_missing_locations(other))
            exec(compile(code, "<mutant>", "exec"), namespace)
            yield f"line {getattr(node, 'lineno', 0)}: {said}", namespace[exercise.name]


@functools.cache
def trials(place):
    return list(EXERCISES[place]._trials())


def survives(place, answer):
    """Whether an answer is right in every case."""
    exercise = EXERCISES[place]
    survived = []

    def run(restart):
        for known in trials(place):
            trial = _Trial(known.case, known.right, known.expected)
            exercise._try(answer, trial)
            if trial.complaint or trial.changed:
                return
        survived.append(answer)

    within(2.0, run, CappedOutput())
    return bool(survived)


# Changes that leave the answer right, whatever the arguments.
HARMLESS = {
    "correlate_lists": ["line 7: 0 + 1", "line 7: 0 - 1"],  # the length of another row
    "conv2d_macs": ["line 13: FloorDiv -> Div"],  # whole floats
    "largest_picture": ["line 4: 0 - 1"],  # one step more
    "weight_shape": ["line 3: FloorDiv -> Div"],
    "largest_side": ["line 6: 0 + 1"],  # the end of a range in steps of 32
    "largest_resolution": ["line 8: 1 + 1"],  # the answer is always even
    "held_out_error": ["line 11: not True"],  # strict=True
    "choose_network": ["line 15: Gt -> GtE"],  # no two are equally accurate
    "run_by_run": ["line 9: Eq -> NotEq"],  # the pairs of the other network are the same
    "largest_batch": ["line 3: 0 - 1", "line 6: 0 - 1"],
    "rounded_width": ["line 5: Lt -> LtE"],  # no width is nine tenths of itself
    "chance_to_survive": ["line 8: 1 + 1"],  # adds comb(n, n + 1), which is 0
}


@pytest.mark.parametrize("place", range(len(EXERCISES)), ids=[f"{e.chapter}.{e.name}" for e in EXERCISES])
def test_each_small_change_of_a_solution_is_caught(place):
    alive = [said for said, answer in mutants(EXERCISES[place]) if survives(place, answer)]
    assert alive == HARMLESS.get(EXERCISES[place].name, [])
