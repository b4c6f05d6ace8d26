"""Settings of any kind: frozen, checked, read from YAML, changed with ``--set a.b=value``."""

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from quantray.errors import InputError
from quantray.inputs import parse_yaml, read_yaml
from quantray.printable import is_masked, masked_change, masked_content

__all__ = [
    "Seed",
    "SettingsModel",
    "as_mapping",
    "checked",
    "config_hash",
    "flattened",
    "nearest",
    "read_content",
    "read_settings",
    "to_yaml",
]

M = TypeVar("M", bound=BaseModel)

_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
"""What pydantic calls a key that a model, or a dataclass, does not have."""
_MEMBERS = ("store", "simulated", "built_in", "by_name")
"""Names of union members."""


Seed = Annotated[int, Field(ge=0, lt=2**32)]
"""What all generators of random numbers take."""
_MOST = 1_000_000
"""Larger than any count of a study: of days, names, samples, epochs."""


class SettingsModel(BaseModel):
    """Frozen settings that refuse unknown keys, numbers without an end and counts without measure."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    @model_validator(mode="after")
    def _measured(self) -> Self:
        for name, value in self:
            rules = type(self).model_fields[name].metadata
            if any(hasattr(rule, "le") or hasattr(rule, "lt") for rule in rules):
                continue
            counts = {name: value}
            if is_dataclass(value):
                counts = {f"{name}.{field.name}": getattr(value, field.name) for field in fields(value)}
            for place, count in counts.items():
                if type(count) is int and abs(count) > _MOST:
                    raise ValueError(f"{place} is {count:,}; no study takes more than {_MOST:,}")
        return self


def read_content(path: str | Path | None, changes: Sequence[str] = ()) -> dict[str, Any]:
    """What a YAML file of settings holds, with changes such as ``folds.test_days=63`` applied, not checked yet.

    What stands in a list is reached by its place, as in ``allocators.0.rule``, or by its name, as in
    ``allocators.HRP.rule``.

    Parameters
    ----------
    path : None for no file, so that there is what the changes say.

    Raises
    ------
    InputError
        The file cannot be read or is not plain YAML (see ``inputs``), or a change leads nowhere.
    """
    content = {} if path is None else read_yaml(path, "settings file")
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold settings as `key: value` lines.")
    for change in changes:
        _apply(content, change)
    return content


def checked(model: type[M], content: Mapping[str, Any], where: str, renamed: Mapping[str, str] | None = None) -> M:
    """Settings from what a file holds.

    Parameters
    ----------
    where : name of the file, for messages.
    renamed : dotted keys of an older layout -> what to write instead.

    Raises
    ------
    InputError
        A key is unknown (the nearest valid one is named, or its new name), or a value is wrong or was masked.
    """
    if hidden := [key for key, value in _flat(content).items() if isinstance(value, str) and is_masked(value)]:
        raise InputError(
            f"{where}: {hidden[0]} held a secret, which quantray writes nowhere; give it again, as "
            f"--set {hidden[0]}=..., or leave it out and give it in the environment, as MLFLOW_TRACKING_PASSWORD."
        )
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{where}: {_explain(error, model, renamed or {})}") from error
    except InputError as error:
        # Of a dataclass among the settings, which checks itself.
        raise InputError(f"{where}: {error}") from error


def read_settings(model: type[M], path: str | Path | None, changes: Sequence[str] = ()) -> M:
    """Settings of one model from a YAML file; takes and raises as ``read_content``, and raises as ``checked``."""
    told = " with ".join(filter(None, ["" if path is None else str(path), "--set" if changes else ""]))
    return checked(model, read_content(path, changes), told or "settings")


def to_yaml(settings: BaseModel) -> str:
    """The resolved settings as YAML that ``read_settings`` reads back to equal settings.

    Secrets in it are masked, and ``read_settings`` asks for them.
    """
    return yaml.safe_dump(masked_content(settings.model_dump(mode="json")), sort_keys=False, allow_unicode=True)


def config_hash(settings: BaseModel, *, exclude: set[str] | None = None) -> str:
    """Hash of resolved settings, 12 hexadecimal digits; secrets are no part of it."""
    text = json.dumps(masked_content(settings.model_dump(mode="json", exclude=exclude)), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _apply(content: dict[str, Any], change: str) -> None:
    path, equals, text = change.partition("=")
    keys, told = path.strip().split("."), f"--set {masked_change(change)!r}"
    if not equals or not all(keys):
        # Whatever stands behind the key may be its secret.
        raise InputError(f"--set {' '.join(path.replace(':', ' ').split()[:1])!r} is not of the form a.b=value.")
    _put(content, keys, parse_yaml(text, f"{told}: the value"), told)


def _put(node: Any, keys: Sequence[str], value: Any, told: str) -> None:
    """Set what a path leads to below a mapping or a list; mappings on the way are made where there is nothing."""
    place, rest = _step(node, keys, told)
    if not rest:
        node[place] = value
        return
    if isinstance(node, dict) and node.get(place) is None:
        node[place] = {}
    _put(node[place], rest, value, told)


def _step(node: Any, keys: Sequence[str], told: str) -> tuple[Any, Sequence[str]]:
    """The key of a mapping, or the place in a list, that a path begins with, and the rest of the path.

    Keys and names may hold dots themselves: the longest beginning that is there counts.
    """
    if isinstance(node, dict):
        known: dict[str, Any] = {str(key): key for key in node}
    elif isinstance(node, list):
        known = {str(item["name"]): i for i, item in enumerate(node) if isinstance(item, dict) and "name" in item}
    else:
        raise InputError(f"{told}: {keys[0]!r} lies below a plain value.")
    for size in range(len(keys), 0, -1):
        if (name := ".".join(keys[:size])) in known:
            return known[name], keys[size:]
    if isinstance(node, dict):
        return keys[0], keys[1:]
    if keys[0].isdecimal() and len(keys[0]) < 10 and int(keys[0]) < len(node):
        return int(keys[0]), keys[1:]
    if not known:
        raise InputError(f"{told}: give the place in the list, from 0 to {len(node) - 1}, for {keys[0]!r}.")
    hint = nearest(keys[0], list(known)) or f" names are {', '.join(known)}."
    raise InputError(f"{told}: {keys[0]!r} is not in the list;{hint}")


def _explain(error: ValidationError, model: type[BaseModel], renamed: Mapping[str, str]) -> str:
    """The first problem in one line, with the nearest valid key for an unknown one, or all keys of an older layout."""
    unknown = [".".join(map(str, e["loc"])) for e in error.errors() if e["type"] in _UNKNOWN]
    if older := [key for key in unknown if key in renamed]:
        return "an older layout; " + "; ".join(f"for {key} write {renamed[key]}" for key in older) + "."
    first = error.errors()[0]
    # Locations pass through them, and they are no keys.
    where = [str(part) for part in first["loc"] if part not in _MEMBERS or first["loc"][-1] == part]
    where = [part for part in where if not part.startswith("(")]
    key = ".".join(where)
    if first["type"] in _UNKNOWN:
        names = sorted(_keys(model))
        last = str(first["loc"][-1])
        elsewhere = f" {last!r} is a key, but not of this part." if last in names else ""
        hint = elsewhere or nearest(last, names) or f" valid keys are {', '.join(names)}."
        return f"unknown key {key!r};{hint}"
    if first["type"] == "union_tag_not_found":
        name = first["ctx"]["discriminator"].strip("'")
        return f"{key}.{name} is missing; say {' or '.join(_tags(model, first['loc'], name))}."
    message = first["msg"].removeprefix("Value error, ")
    given = masked_content(first.get("input"), str(first["loc"][-1]) if first["loc"] else "")
    shown = f" (got {given[:80]!r})" if isinstance(given, str) else ""
    shown = f" (got {given!r})" if isinstance(given, int | float) else shown
    more = f" ({error.error_count() - 1} more problems)" if error.error_count() > 1 else ""
    return f"{key + ': ' if key else ''}{message}{shown}.{more}"


def _tags(model: type[BaseModel], where: Sequence[int | str], name: str) -> list[str]:
    """What a key may say that tells the members of a union apart."""
    found = model.model_fields.get(str(where[0])) if len(where) == 1 else None
    members = getattr(found.annotation, "__args__", ()) if found else ()
    return [tag for one in members for tag in getattr(one.model_fields[name].annotation, "__args__", ())] or ["which"]


def _keys(model: Any) -> set[str]:
    """Names of all settings below a model."""
    names: set[str] = set()
    if isinstance(model, type) and issubclass(model, BaseModel):
        for name, info in model.model_fields.items():
            names |= {name} | _keys(info.annotation)
    elif is_dataclass(model):
        names |= {field.name for field in fields(model)}
    else:
        for part in getattr(model, "__args__", ()):
            names |= _keys(part)
    return names


def nearest(word: str, choices: Sequence[str]) -> str:
    """`` did you mean ...?`` where a choice is like the word, else nothing."""
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.5)
    return f" did you mean {close[0]!r}?" if close else ""


def as_mapping(settings: BaseModel) -> dict[str, object]:
    """Settings flattened to dotted names, as trackers and reports show them."""
    return flattened(settings.model_dump(mode="json"))


def flattened(content: Mapping[str, Any]) -> dict[str, object]:
    """What is nested, by dotted names, without secrets."""
    return _flat(masked_content(content))


def _flat(content: Mapping[str, Any]) -> dict[str, object]:
    out: dict[str, object] = {}

    def visit(prefix: str, value: object) -> None:
        if isinstance(value, dict):
            for key, below in value.items():
                visit(f"{prefix}.{key}" if prefix else str(key), below)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for number, below in enumerate(value):
                visit(f"{prefix}.{number}", below)
        else:
            out[prefix] = value

    visit("", content)
    return out
