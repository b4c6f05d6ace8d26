"""Where a unit's numbers come from besides its data and settings: code, libraries, and kinds of kernels."""

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy.typing as npt

import quantray
from quantray.arrays import digest
from quantray.research.definitions import package_ground
from quantray.research.numerics import Numerics, blas_versions, numerics_class
from quantray.research.own_code import code_of
from quantray.research.source import TableChoice, source_digest

__all__ = ["Origin", "difference", "is_checkout", "notes_of", "traits", "unit_key"]

_ROOT = Path(quantray.__file__).parent


@dataclass(frozen=True)
class Origin:
    """What a unit's numbers come from, in words that any process can look up for itself."""

    code: tuple[str, ...]
    """``module:name`` of where the work begins: the unit's function, and classes that come with its data."""
    libraries: tuple[str, ...]
    """Whose releases may change results in the last digits."""
    choices: tuple[TableChoice, ...] = ()
    """What the unit takes from tables."""
    numerics: Numerics = "native"


def traits(origin: Origin) -> dict[str, str]:
    """What this process finds for an origin: equal in two processes whose numbers are equal.

    Code is that of the installed release, or in a checkout all that is reached (see ``source``).
    """
    found = {"code": _code(origin.code, origin.choices)}
    found |= {name: _release(name) for name in origin.libraries}
    found["blas"] = blas_versions()
    found["numerics"] = "any" if origin.numerics == "any" else _kernels(origin)
    return found


def unit_key(data: Iterable[bytes | str | npt.NDArray[Any]], settings: Mapping[str, object], *, origin: Origin) -> str:
    """Hash of all that a unit's numbers depend on.

    Parameters
    ----------
    data : fingerprints, texts and arrays.
    settings : what JSON can say.
    """
    return digest([*data, json.dumps({**settings, "origin": traits(origin)}, sort_keys=True)])


def notes_of(origin: Origin) -> dict[str, str]:
    """What is noted beside a result: the code that made it, and the kernels that it was computed with."""
    return {"code": traits(origin)["code"], "numerics": _kernels(origin)}


def difference(driver: Mapping[str, str], worker: Mapping[str, str]) -> str:
    """What of two processes differs, in words, and what to do about it."""
    names = [name for name in driver if driver[name] != worker.get(name)]
    said = "; ".join(f"{name} {worker.get(name, 'missing')} there and {driver[name]} here" for name in names)
    if names == ["numerics"]:
        return (
            f"a worker computes in numerics class {worker['numerics']} and the driver in {driver['numerics']}, which "
            "differ in the last bits; take machines of one kind, or set numerics to portable."
        )
    return f"a worker differs from the driver: {said}; use one environment."


def _kernels(origin: Origin) -> str:
    return str(numerics_class(torch="torch" in origin.libraries))


@cache
def _release(library: str) -> str:
    return version(library)


@cache
def _code(code: tuple[str, ...], choices: tuple[TableChoice, ...]) -> str:
    own = [place for place in code if place.partition(".")[0].partition(":")[0] == _ROOT.name]
    edited = is_checkout(_ROOT)
    parts = [
        f"source {source_digest(package_ground(_ROOT), own, choices)}" if edited else f"release {_release('quantray')}"
    ]
    parts += [f"{place} {code_of(place, _ROOT if edited else None)}" for place in sorted(set(code) - set(own))]
    return ", ".join(parts)


def is_checkout(root: Path) -> bool:
    """Whether a package lies where people edit it, beside its own project file, rather than where it was installed."""
    try:
        project = tomllib.loads((root.parent / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError):
        return False
    return bool(project.get("project", {}).get("name") == root.name)
