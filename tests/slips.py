"""Every small change of a solution: of a comparison, an operator, a number, a condition, or a line left out."""

import ast
import copy

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


def mutants(code, name):
    """Every function ``name`` that differs from the one at the end of ``code`` in one place, with what differs."""
    tree = ast.parse(code)
    for place, node in enumerate(ast.walk(tree.body[-1])):
        for said, field, value in list(changes(node)):
            other = copy.deepcopy(tree)
            changed = list(ast.walk(other.body[-1]))[place]
            setattr(changed, field, value)
            namespace = {"__name__": "a_mutant"}
            exec(compile(ast.unparse(ast.fix_missing_locations(other)), "<mutant>", "exec"), namespace)
            yield f"line {getattr(node, 'lineno', 0)}: {said}", namespace[name]
