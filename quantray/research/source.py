"""Which code computes something: all that it reaches from where it begins, definition by definition.

From a function, the names that it reads lead to other definitions, through imports within the package, and so on.
What is reached counts, comments and docstrings left out; what is not reached does not, so a change makes anew only
what depends on it. In doubt more counts rather than less:

* A class counts with all its methods, bases and decorators; annotations lead to classes whose methods are called.
* A constant counts with every statement that changes it, and each module that is reached with its statements that
  bind nothing.
* A name that cannot be found makes its whole module count, as does a module that is used as a value.

What is chosen by name from a table is reached by its entry alone where a ``TableChoice`` says so. Objects whose class
no annotation names, because they come with the data, have to be named as beginnings (``classes_of``). What is out of
sight: functions that put themselves into a table of another module when they are imported, and ``getattr`` or
``import_module`` with a computed name.
"""

import ast
import copy
import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from functools import cache, partial
from pathlib import Path
from types import FunctionType

from pydantic import BaseModel

from quantray.arrays import digest
from quantray.errors import InputError
from quantray.research.definitions import KNOWN, Chain, CodeReading, Imported, Module, chain_of, read_code, read_module

__all__ = ["TableChoice", "classes_of", "name_of", "reached", "source_digest"]


@dataclass(frozen=True, order=True)
class TableChoice:
    """The entry of a table that a function takes in one unit of work.

    The table is a dictionary written out at the top of its module. Who else reads it reaches all of it.
    """

    reader: str
    """``module:name`` of the function."""
    table: str
    """Its name in the module of the reader, where it may be imported."""
    key: str


@dataclass(frozen=True, order=True)
class Place:
    """A definition; without a name the statements of a module that bind nothing, or with ``*`` the whole module."""

    module: str
    name: str
    key: str = ""
    """The one entry that counts, of a table."""


def source_digest(root: Path, beginnings: Iterable[str], choices: Iterable[TableChoice] = ()) -> str:
    """Hash of all code that some definitions of a package reach; arguments as ``reached``."""
    found = reached(root, beginnings, choices)
    return digest(part for place in sorted(found) for part in (*vars(place).values(), found[place]))


def reached(root: Path, beginnings: Iterable[str], choices: Iterable[TableChoice] = ()) -> dict[Place, str]:
    """Definition -> its code without comments and docstrings.

    Parameters
    ----------
    root : folder of the package.
    beginnings : ``module:name`` of definitions.

    Raises
    ------
    InputError
        A beginning, or what a choice names, is not in the package.
    """
    chosen: dict[tuple[Place, Place], list[Place]] = {}
    for choice in choices:
        reader = _defined(root, choice.reader)
        table = _defined(root, f"{reader.module}:{choice.table}")
        chosen.setdefault((reader, table), []).append(Place(table.module, table.name, choice.key))
    waiting = [_defined(root, beginning) for beginning in beginnings]
    found: dict[Place, str] = {}
    with _without_collection():
        while waiting:
            place = waiting.pop()
            if place not in found:
                found[place], read = _read(root, place)
                for other in read:
                    waiting += chosen.get((place, other), [other])
    return found


def name_of(definition: Callable[..., object]) -> str:
    """``module:name`` of a class or a function; of what stands inside another one, that one's."""
    return f"{definition.__module__}:{definition.__qualname__.partition('.')[0]}"


def classes_of(value: object) -> set[str]:
    """``module:name`` of the classes of a value and of all that it holds, and of functions among that.

    Dataclasses, settings, mappings and sequences are looked into; arrays and what Python itself brings are not.
    """
    found: set[str] = set()
    _collect(value, found)
    return found


def _collect(value: object, found: set[str]) -> None:
    if isinstance(value, partial):
        _collect((value.func, value.args, value.keywords), found)
    elif isinstance(value, Mapping):
        _collect(tuple(value.values()), found)
    elif isinstance(value, (tuple, list, set, frozenset)):
        for item in value:
            if not isinstance(item, (str, int, float)):
                _collect(item, found)
    else:
        kind = value if isinstance(value, (type, FunctionType)) else type(value)
        if kind.__module__ == "builtins":
            return
        found.add(name_of(kind))
        if is_dataclass(value) and not isinstance(value, type):
            _collect(tuple(getattr(value, item.name) for item in fields(value)), found)
        elif isinstance(value, BaseModel):
            _collect(vars(value), found)


@contextmanager
def _without_collection() -> Iterator[None]:
    """Trees are many small objects that all stay: looking for garbage among them takes longer than reading them."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _defined(root: Path, text: str) -> Place:
    name, _, attribute = text.partition(":")
    module = read_module(root, name)
    found = [] if module is None else _resolve(root, module, (attribute,), CodeReading())
    if len(found) != 1 or found[0].name in ("", "*"):
        raise InputError(f"{text} is not defined in {root}.")
    return found[0]


@cache
def _read(root: Path, place: Place) -> tuple[str, frozenset[Place]]:
    """What a definition says, and the definitions that it reads."""
    module = read_module(root, place.module)
    assert module is not None, "checked where the place was found"
    if place.name == "*":
        every = [Place(module.name, name) for name in module.definitions]
        stars = [Place(star, "*") for star in module.stars if read_module(root, star) is not None]
        return "", frozenset([Place(module.name, ""), *every, *stars])
    read = set(_effects(root, module.name))
    if place.name == "":
        code: list[ast.AST] = list(module.effects)
    elif place.key and (entry := _entry(module, place)) is not None:
        code = [entry]
    else:
        code = list(module.definitions[place.name])
    texts = []
    for piece in code:
        counted, held = _behaviour(root, module, piece)
        read |= held
        reading = read_code(counted, module.package)
        texts.append(reading.text + _borrowed(root, module, reading))
        read |= _places(root, module, reading)
    return "\n".join(texts), frozenset(read - {place})


def _effects(root: Path, name: str) -> Iterable[Place]:
    """What runs when a module is imported: statements that bind nothing, its own and those of the packages above."""
    while name:
        module = read_module(root, name)
        if module is not None and module.effects:
            yield Place(name, "")
        name = name.rpartition(".")[0]


def _entry(module: Module, place: Place) -> ast.AST | None:
    """The value of one entry of a table; none where the table is not written out, once."""
    statements = module.definitions[place.name]
    value = statements[0].value if isinstance(statements[0], (ast.Assign, ast.AnnAssign)) else None
    if isinstance(value, ast.Call) and len(value.args) == 1 and not value.keywords:
        value = value.args[0]  # MappingProxyType({...})
    if len(statements) > 1 or not isinstance(value, ast.Dict) or None in value.keys:
        return None
    entries = [v for k, v in zip(value.keys, value.values, strict=True) if _says(k, place.key)]
    return entries[0] if len(entries) == 1 else None


def _says(node: ast.AST | None, key: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == key


def _places(root: Path, module: Module, reading: CodeReading) -> set[Place]:
    """The definitions that a piece of code reads."""
    found: set[Place] = set()
    for chain in reading.chains:
        found.update(_resolve(root, module, chain, reading))
    for chain in reading.quoted:
        if chain[0] in module.definitions or chain[0] in module.imports:
            found.update(_resolve(root, module, chain, reading))
    found.update(Place(star, "*") for star in reading.stars if read_module(root, star) is not None)
    return found


def _borrowed(root: Path, module: Module, reading: CodeReading) -> str:
    """What names of other packages mean in a module: ``f`` may be one function of numpy today and another tomorrow."""
    heads = {chain[0] for chain in (*reading.chains, *reading.quoted)}
    found = [(head, one) for head in sorted(heads) for one in module.imports.get(head, [])]
    return "".join(f" {head}={one}" for head, one in found if one.module.partition(".")[0] != root.name)


def _resolve(root: Path, module: Module, chain: Chain, reading: CodeReading) -> list[Place]:
    head, *rest = chain
    found = [Place(module.name, head)] if head in module.definitions else []
    imported = module.imports.get(head, []) + reading.imports.get(head, [])
    for one in imported:
        found += _follow(root, one, tuple(rest))
    if found or imported or head in KNOWN or head in reading.bound:
        return found
    return _unknown(root, module)


def _follow(root: Path, imported: Imported, rest: Chain) -> list[Place]:
    """The definition that an imported name, with attributes, stands for; nothing where it is another package's."""
    if imported.module.partition(".")[0] != root.name or read_module(root, imported.module) is None:
        return []
    chain = rest if imported.name is None else (imported.name, *rest)
    return _within(root, imported.module, chain)


def _within(root: Path, name: str, chain: Chain) -> list[Place]:
    """What a chain stands for that begins in a module."""
    module = read_module(root, name)
    assert module is not None, "checked by the caller"
    if not chain:
        return [Place(name, "*")]
    if chain[0] in module.definitions or chain[0] in module.imports:
        return _resolve(root, module, chain, CodeReading())
    below = f"{name}.{chain[0]}"
    if read_module(root, below) is not None:
        return _within(root, below, chain[1:])
    return [] if chain[0] in KNOWN else _unknown(root, module)


def _unknown(root: Path, module: Module) -> list[Place]:
    """Where a name may come from that is bound nowhere in sight."""
    stars = [Place(star, "*") for star in module.stars if read_module(root, star) is not None]
    return [*stars, Place(module.name, "*")]


def _holds_settings(root: Path, module: Module, node: ast.ClassDef) -> bool:
    """Whether a class is one of settings, whose fields' values are in the key of whatever depends on them."""
    for base in node.bases:
        chain = chain_of(base)
        for place in [] if chain is None else _resolve(root, module, chain, CodeReading()):
            if place == Place(f"{root.name}.settings", "SettingsModel"):
                return True
            owner = read_module(root, place.module)
            if owner is not None and any(
                isinstance(found, ast.ClassDef) and _holds_settings(root, owner, found)
                for found in owner.definitions.get(place.name, [])
            ):
                return True
    return False


def _behaviour(root: Path, module: Module, node: ast.AST) -> tuple[ast.AST, set[Place]]:
    """Code as it counts: a class of settings without its fields, and the classes that these hold."""
    if not isinstance(node, ast.ClassDef) or not _holds_settings(root, module, node):
        return node, set()
    declared = [item for item in node.body if isinstance(item, ast.AnnAssign)]
    bare = copy.copy(node)
    bare.body = [item for item in node.body if not isinstance(item, ast.AnnAssign)]
    held: set[Place] = set()
    for item in declared:
        for place in _places(root, module, read_code(item.annotation, module.package)):
            owner = read_module(root, place.module)
            assert owner is not None, "found there"
            if any(isinstance(found, ast.ClassDef) for found in owner.definitions.get(place.name, [])):
                held.add(place)
    return bare, held
