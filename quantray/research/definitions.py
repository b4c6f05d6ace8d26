"""What the modules of a package define and which names each definition reads: from their source, without importing.

A definition is all that binds a name at the top of a module: a function, a class, or a constant together with the
statements that change it later. Comments, docstrings and the layout of the code are no part of it.
"""

import ast
import builtins
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

__all__ = [
    "KNOWN",
    "Chain",
    "CodeReading",
    "Ground",
    "Imported",
    "Module",
    "chain_of",
    "package_ground",
    "read_code",
    "read_module",
]

KNOWN = frozenset(dir(builtins)) | {"__name__", "__file__", "__path__", "__package__", "__spec__"}
"""Names that mean the same in every module."""

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

Chain = tuple[str, ...]
"""A name with the attributes asked of it: ``np.linalg.norm`` is three long."""


@dataclass(frozen=True, eq=False)
class Ground:
    """Whose code is read.

    Parameters
    ----------
    folders : first name of a package or module -> the folder that it lies in.
    wary : whether code that computes names, as ``globals()[name]`` does, reads all of its module; what is not known to
        do so with care is read like this.
    """

    folders: Mapping[str, Path]
    wary: bool = False

    def holds(self, module: str) -> bool:
        """Whether a module, by its dotted name, is among what is read."""
        return module.partition(".")[0] in self.folders


@cache
def package_ground(root: Path) -> Ground:
    """A package alone, by its folder."""
    return Ground({root.name: root.parent})


@dataclass(frozen=True)
class Imported:
    """What an import binds: a module, or a name in one."""

    module: str
    name: str | None = None


@dataclass(eq=False)
class CodeReading:
    """A piece of code without comments and docstrings, and the names that stand in it."""

    text: str = ""
    chains: set[Chain] = field(default_factory=set)
    quoted: set[Chain] = field(default_factory=set)
    """Of annotations written as text, where not every word need be a name."""
    bound: set[str] = field(default_factory=set)
    """Names that the code itself gives a meaning."""
    imports: dict[str, list[Imported]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    """Modules all of whose names are imported."""


@dataclass(eq=False)
class Module:
    """One file of a package."""

    name: str
    package: str
    """That relative imports start from."""
    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    """Name -> all statements that bind or change it."""
    imports: dict[str, list[Imported]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    effects: list[ast.stmt] = field(default_factory=list)
    """Statements that bind nothing here: they stand for what they do."""


@cache
def read_module(ground: Ground, name: str) -> Module | None:
    """A module of a ground by its dotted name; none where there is no such file."""
    if not ground.holds(name):
        return None
    place = ground.folders[name.partition(".")[0]].joinpath(*name.split("."))
    path = place / "__init__.py" if place.is_dir() else place.with_name(f"{place.name}.py")
    if not path.is_file():
        return None
    source = path.read_bytes()
    module = Module(name, name if place.is_dir() else name.rpartition(".")[0])
    tree = ast.parse(source)
    for statement in tree.body:
        _sort_in(module, statement)
    if b"global" in source:
        for statement in tree.body:
            for node in ast.walk(statement):
                for changed in node.names if isinstance(node, ast.Global) else ():
                    _add(module.definitions, changed, statement)
    return module


@cache
def read_code(code: ast.AST, package: str) -> CodeReading:
    """What a piece of code says and which names it reads.

    Parameters
    ----------
    package : that relative imports in it start from.
    """
    reading, words = CodeReading(), list[str]()
    _Reader(reading, words, package).read(code)
    reading.text = "".join(words)
    return reading


def chain_of(node: ast.AST) -> Chain | None:
    """The chain of a name with attributes; none for attributes of anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return (node.id, *reversed(parts)) if isinstance(node, ast.Name) else None


class _Reader:
    """One pass over a tree: its words in order, and its names by what is done with them."""

    def __init__(self, reading: CodeReading, words: list[str], package: str) -> None:
        self._reading, self._words, self._package = reading, words, package

    def read(self, node: ast.AST, *, annotation: bool = False) -> None:
        reading, words = self._reading, self._words
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return  # a docstring, or what has no effect
        words.append(f"({type(node).__name__}")
        if isinstance(node, (ast.Name, ast.Attribute)) and (chain := chain_of(node)) is not None:
            words.append(f" {'.'.join(chain)} {type(node.ctx).__name__})")
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                reading.bound.add(node.id)
            else:
                reading.chains.add(chain)
            return
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            stars = _imports(node, self._package, reading.imports)
            reading.stars += stars
            reading.bound.update(reading.imports)
        elif isinstance(node, ast.arg):
            reading.bound.add(node.arg)
        elif isinstance(node, ast.MatchMapping) and node.rest is not None:
            reading.bound.add(node.rest)
        elif annotation and isinstance(node, ast.Constant) and isinstance(node.value, str):
            reading.quoted |= _names_in(node.value)
        elif isinstance(name := getattr(node, "name", None), str) and not isinstance(node, ast.alias):
            reading.bound.add(name)
        for part, value in ast.iter_fields(node):
            if value is None or value == [] or part in ("ctx", "type_comment", "kind"):
                continue
            words.append(f" {part}=")
            within = annotation or part in ("annotation", "returns")
            for item in value if isinstance(value, list) else (value,):
                if isinstance(item, ast.AST):
                    self.read(item, annotation=within)
                else:
                    words.append(f"{item!r},")
        words.append(")")


def _names_in(annotation: str) -> set[Chain]:
    try:
        parsed = ast.parse(annotation, mode="eval")
    except SyntaxError:
        return set()
    chains = {chain_of(node) for node in ast.walk(parsed) if isinstance(node, (ast.Name, ast.Attribute))}
    return {chain for chain in chains if chain is not None}


def _sort_in(module: Module, statement: ast.stmt) -> None:
    """Put a statement of a module where the names that it binds, or its lack of any, belong."""
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        module.stars += _imports(statement, module.package, module.imports)
        return
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return
    names = _bound_by(statement, module)
    for name in names:
        _add(module.definitions, name, statement)
    # What is done to an imported thing concerns others than those who read it here.
    if not names or names & set(module.imports):
        module.effects.append(statement)


def _bound_by(node: ast.AST, module: Module) -> set[str]:
    """Names that a statement binds at the top of its module, or changes in place."""
    names: set[str] = set()
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        # Under an if or a try: the condition belongs to the name.
        found: dict[str, list[Imported]] = {}
        module.stars += _imports(node, module.package, found)
        for name, imported in found.items():
            module.imports.setdefault(name, []).extend(imported)
        return set(found)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        names.add(node.name)
        # A function registered with another one, as singledispatch does it, is part of that one.
        chains = [chain_of(d.func if isinstance(d, ast.Call) else d) for d in node.decorator_list]
        names.update(
            chain[0] for chain in chains if chain is not None and len(chain) > 1 and chain[0] in module.definitions
        )
    elif isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
        root: ast.AST = node
        while isinstance(root, (ast.Attribute, ast.Subscript)):
            root = root.value
        if isinstance(root, ast.Name):
            names.add(root.id)
    elif isinstance(node, ast.ExceptHandler) and node.name is not None:
        names.add(node.name)
    if not isinstance(node, (*_SCOPES, *_COMPREHENSIONS)):
        for child in ast.iter_child_nodes(node):
            names |= _bound_by(child, module)
    return names


def _imports(node: ast.Import | ast.ImportFrom, package: str, into: dict[str, list[Imported]]) -> list[str]:
    """Note what an import binds; returns the modules of which it takes everything."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            whole = Imported(alias.name) if alias.asname else Imported(alias.name.partition(".")[0])
            into.setdefault(alias.asname or whole.module, []).append(whole)
        return []
    origin = node.module or ""
    if node.level:
        above = package.split(".")[: len(package.split(".")) - node.level + 1]
        origin = ".".join([*above, *([node.module] if node.module else [])])
    for alias in node.names:
        if alias.name != "*":
            into.setdefault(alias.asname or alias.name, []).append(Imported(origin, alias.name))
    return [origin for alias in node.names if alias.name == "*"]


def _add(definitions: dict[str, list[ast.stmt]], name: str, statement: ast.stmt) -> None:
    found = definitions.setdefault(name, [])
    if statement not in found:
        found.append(statement)
