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
from types import FunctionType

from pydantic import BaseModel

from quantray.arrays import digest
from quantray.errors import InputError
from quantray.research.definitions import (
    KNOWN,
    Chain,
    CodeReading,
    Ground,
    Imported,
    Module,
    chain_of,
    read_code,
    read_module,
)

__all__ = ["TableChoice", "borrowed", "classes_of", "name_of", "reached", "source_digest"]


_COMPUTED = frozenset({"__import__", "eval", "exec", "globals", "importlib", "import_module", "locals"})
"""Who calls one of these may read any name of his module."""


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


def source_digest(ground: Ground, beginnings: Iterable[str], choices: Iterable[TableChoice] = ()) -> str:
    """Hash of all code that some definitions reach; arguments as ``reached``."""
    found = reached(ground, beginnings, choices)
    return digest(part for place in sorted(found) for part in (*vars(place).values(), found[place]))


def borrowed(ground: Ground, beginnings: Iterable[str]) -> set[str]:
    """Modules of others that the modules read which some definitions reach, by their first names."""
    reached_modules = {place.module for place in reached(ground, beginnings)}
    return {name for module in reached_modules for name in _outside(ground, module)}


def reached(ground: Ground, beginnings: Iterable[str], choices: Iterable[TableChoice] = ()) -> dict[Place, str]:
    """Definition -> its code without comments and docstrings.

    Parameters
    ----------
    ground : where the code lies.
    beginnings : ``module:name`` of definitions.

    Raises
    ------
    InputError
        A beginning, or what a choice names, is not there.
    """
    chosen: dict[tuple[Place, Place], list[Place]] = {}
    for choice in choices:
        reader = _defined(ground, choice.reader)
        table = _defined(ground, f"{reader.module}:{choice.table}")
        chosen.setdefault((reader, table), []).append(Place(table.module, table.name, choice.key))
    waiting = [_beginning(ground, text) for text in beginnings]
    found: dict[Place, str] = {}
    with _without_collection():
        while waiting:
            place = waiting.pop()
            if place not in found:
                found[place], read = _read(ground, place)
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


def _beginning(ground: Ground, text: str) -> Place:
    module, _, name = text.partition(":")
    # What a module makes in a way that nobody can read from outside is all that it holds.
    return Place(module, "*") if name == "*" and read_module(ground, module) is not None else _defined(ground, text)


def _defined(ground: Ground, text: str) -> Place:
    name, _, attribute = text.partition(":")
    module = read_module(ground, name)
    found = [] if module is None else _resolve(ground, module, (attribute,), CodeReading())
    if len(found) != 1 or found[0].name in ("", "*"):
        raise InputError(f"{text} is not defined in {ground.folders.get(name.partition('.')[0])}.")
    return found[0]


@cache
def _read(ground: Ground, place: Place) -> tuple[str, frozenset[Place]]:
    """What a definition says, and the definitions that it reads."""
    module = read_module(ground, place.module)
    assert module is not None, "checked where the place was found"
    if place.name == "*":
        every = [Place(module.name, name) for name in module.definitions]
        stars = [Place(star, "*") for star in module.stars if read_module(ground, star) is not None]
        return "", frozenset([Place(module.name, ""), *every, *stars])
    read = set(_effects(ground, module.name))
    if place.name == "":
        code: list[ast.AST] = list(module.effects)
    elif place.key and (entry := _entry(module, place)) is not None:
        code = [entry]
    else:
        code = list(module.definitions[place.name])
    texts = []
    for piece in code:
        counted, held = _behaviour(ground, module, piece)
        read |= held
        reading = read_code(counted, module.package)
        texts.append(reading.text + _borrowed(ground, module, reading))
        read |= _places(ground, module, reading)
        if ground.wary and _computes_names(reading):
            read.add(Place(module.name, "*"))
    return "\n".join(texts), frozenset(read - {place})


def _computes_names(reading: CodeReading) -> bool:
    imported = {one.module.partition(".")[0] for found in reading.imports.values() for one in found}
    return any(chain[0] in _COMPUTED for chain in reading.chains) or "importlib" in imported


def _outside(ground: Ground, name: str) -> set[str]:
    """First names of the modules of others that a module imports anywhere."""
    module = read_module(ground, name)
    assert module is not None, "reached"
    found = {one.module for imported in module.imports.values() for one in imported} | set(module.stars)
    for statement in (*module.effects, *(each for those in module.definitions.values() for each in those)):
        reading = read_code(statement, module.package)
        found |= {one.module for imported in reading.imports.values() for one in imported} | set(reading.stars)
    return {one.partition(".")[0] for one in found if one and not ground.holds(one)}


def _effects(ground: Ground, name: str) -> Iterable[Place]:
    """What runs when a module is imported: statements that bind nothing, its own and those of the packages above."""
    while name:
        module = read_module(ground, name)
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


def _places(ground: Ground, module: Module, reading: CodeReading) -> set[Place]:
    """The definitions that a piece of code reads."""
    found: set[Place] = set()
    for chain in reading.chains:
        found.update(_resolve(ground, module, chain, reading))
    for chain in reading.quoted:
        if chain[0] in module.definitions or chain[0] in module.imports:
            found.update(_resolve(ground, module, chain, reading))
    found.update(Place(star, "*") for star in reading.stars if read_module(ground, star) is not None)
    return found


def _borrowed(ground: Ground, module: Module, reading: CodeReading) -> str:
    """What names of other packages mean in a module: ``f`` may be one function of numpy today and another tomorrow."""
    heads = {chain[0] for chain in (*reading.chains, *reading.quoted)}
    found = [(head, one) for head in sorted(heads) for one in module.imports.get(head, [])]
    return "".join(f" {head}={one}" for head, one in found if not ground.holds(one.module))


def _resolve(ground: Ground, module: Module, chain: Chain, reading: CodeReading) -> list[Place]:
    head, *rest = chain
    found = [Place(module.name, head)] if head in module.definitions else []
    imported = module.imports.get(head, []) + reading.imports.get(head, [])
    for one in imported:
        found += _follow(ground, one, tuple(rest))
    if found or imported or head in KNOWN or head in reading.bound:
        return found
    return _unknown(ground, module)


def _follow(ground: Ground, imported: Imported, rest: Chain) -> list[Place]:
    """The definition that an imported name, with attributes, stands for; nothing where it is another package's."""
    if not ground.holds(imported.module) or read_module(ground, imported.module) is None:
        return []
    chain = rest if imported.name is None else (imported.name, *rest)
    return _within(ground, imported.module, chain)


def _within(ground: Ground, name: str, chain: Chain) -> list[Place]:
    """What a chain stands for that begins in a module."""
    module = read_module(ground, name)
    assert module is not None, "checked by the caller"
    if not chain:
        return [Place(name, "*")]
    if chain[0] in module.definitions or chain[0] in module.imports:
        return _resolve(ground, module, chain, CodeReading())
    below = f"{name}.{chain[0]}"
    if read_module(ground, below) is not None:
        return _within(ground, below, chain[1:])
    return [] if chain[0] in KNOWN else _unknown(ground, module)


def _unknown(ground: Ground, module: Module) -> list[Place]:
    """Where a name may come from that is bound nowhere in sight."""
    stars = [Place(star, "*") for star in module.stars if read_module(ground, star) is not None]
    return [*stars, Place(module.name, "*")]


def _holds_settings(ground: Ground, module: Module, node: ast.ClassDef) -> bool:
    """Whether a class is one of settings, whose fields' values are in the key of whatever depends on them."""
    for base in node.bases:
        chain = chain_of(base)
        for place in [] if chain is None else _resolve(ground, module, chain, CodeReading()):
            if place == Place(f"{module.name.partition('.')[0]}.settings", "SettingsModel"):
                return True
            owner = read_module(ground, place.module)
            if owner is not None and any(
                isinstance(found, ast.ClassDef) and _holds_settings(ground, owner, found)
                for found in owner.definitions.get(place.name, [])
            ):
                return True
    return False


def _behaviour(ground: Ground, module: Module, node: ast.AST) -> tuple[ast.AST, set[Place]]:
    """Code as it counts: a class of settings without its fields, and the classes that these hold."""
    if not isinstance(node, ast.ClassDef) or not _holds_settings(ground, module, node):
        return node, set()
    declared = [item for item in node.body if isinstance(item, ast.AnnAssign)]
    bare = copy.copy(node)
    bare.body = [item for item in node.body if not isinstance(item, ast.AnnAssign)]
    held: set[Place] = set()
    for item in declared:
        for place in _places(ground, module, read_code(item.annotation, module.package)):
            owner = read_module(ground, place.module)
            assert owner is not None, "found there"
            if any(isinstance(found, ast.ClassDef) for found in owner.definitions.get(place.name, [])):
                held.add(place)
    return bare, held
