"""Small mistakes in a program, of the kinds that people make; each is one change of its text.

What cannot change what a program does is left alone: annotations, docstrings, texts, the messages of errors.
"""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
CONVERSIONS = {"asarray", "bool", "dict", "float", "frozen", "int", "list", "set", "str", "tuple"}
"""Calls that often give back what they were given."""


@dataclass(frozen=True)
class Mutant:
    """One change: the bytes of a source from ``start`` to ``end`` become a text."""

    line: int
    kind: str
    start: int
    end: int
    text: str

    def applied_to(self, source: str) -> str:
        """The source with the change."""
        encoded = source.encode()
        return (encoded[: self.start] + self.text.encode() + encoded[self.end :]).decode()


def mutants_of(source: str) -> list[Mutant]:
    """All mutants of a module, in the order of its text."""
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    tree = ast.parse(source)
    conditions = _conditions(tree)
    for node in _alive(tree):
        changes = [*_changes(node), *([("condition", f"(not {ast.unparse(node)})")] if node in conditions else [])]
        first = starts[node.lineno - 1] + node.col_offset
        last = starts[node.end_lineno - 1] + node.end_col_offset
        found += [Mutant(node.lineno, kind, first, last, text) for kind, text in changes]
    return sorted(found, key=lambda mutant: (mutant.start, mutant.end, mutant.text))


def _alive(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes with a place whose change a test could see."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.Raise | ast.Assert | ast.JoinedStr | ast.Import):
                continue
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue
            if hasattr(child, "lineno"):
                yield child
            yield from _alive(child)


def _conditions(tree: ast.AST) -> set[ast.AST]:
    """What decides in statements, expressions and comprehensions."""
    tests = {node.test for node in ast.walk(tree) if isinstance(node, ast.If | ast.While | ast.IfExp)}
    return tests | {test for node in ast.walk(tree) if isinstance(node, ast.comprehension) for test in node.ifs}


def _changes(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Kinds and new texts of a node."""
    match node:
        case ast.Compare(ops=[op, *_]) if type(op) in COMPARISONS:
            yield "comparison", _text(node, ops=[COMPARISONS[type(op)](), *node.ops[1:]])
        case ast.BinOp(op=op) if type(op) in ARITHMETIC:
            yield "arithmetic", _text(node, op=ARITHMETIC[type(op)]())
        case ast.AugAssign(op=op) if type(op) in ARITHMETIC:
            yield "arithmetic", ast.unparse(_copy(node, op=ARITHMETIC[type(op)]()))
        case ast.UnaryOp(op=ast.USub() | ast.Not() | ast.Invert()):
            yield "sign", f"({ast.unparse(node.operand)})"
        case ast.BoolOp():
            yield "and, or", _text(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
        case ast.Constant(value=bool(value)):
            yield "constant", str(not value)
        case ast.Constant(value=int(value)):
            yield "constant", f"({value + 1})"
            yield "constant", f"({value - 1})"
        case ast.Constant(value=float(value)):
            yield "constant", repr(1.5 * value if value else 1.0)
        case ast.Slice():
            yield from _shifted(node)
        case ast.Name(id=name) if name in NAMES:
            yield "name", NAMES[name]
        case ast.Attribute(attr=name) if name in NAMES:
            yield "name", _text(node, attr=NAMES[name])
        case ast.Expr(value=ast.Call()):
            yield "call dropped", "pass"
        case ast.Call():
            yield from _called(node)


def _called(node: ast.Call) -> Iterator[tuple[str, str]]:
    plain = len(node.args) > 1 and not any(isinstance(arg, ast.Starred) for arg in node.args[:2])
    if plain and ast.unparse(node.args[0]) != ast.unparse(node.args[1]):
        yield "arguments swapped", _text(node, args=[node.args[1], node.args[0], *node.args[2:]])
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    match node.args:
        case [arg] if not node.keywords and called not in CONVERSIONS and not isinstance(arg, ast.Starred):
            yield "call dropped", f"({ast.unparse(arg)})"


def _shifted(node: ast.Slice) -> Iterator[tuple[str, str]]:
    """Bounds that are one off; bounds that are numbers are constants already."""
    for name, sign in (("lower", "+"), ("upper", "-")):
        bound = getattr(node, name)
        if bound is not None and not isinstance(bound, ast.Constant):
            moved = ast.parse(f"({ast.unparse(bound)}) {sign} 1", mode="eval").body
            yield "slice", ast.unparse(_copy(node, **{name: moved}))


def _text(node: ast.expr, **changes: object) -> str:
    return f"({ast.unparse(_copy(node, **changes))})"


def _copy(node: ast.AST, **changes: object) -> ast.AST:
    other = copy.copy(node)
    for name, value in changes.items():
        setattr(other, name, value)
    return other
