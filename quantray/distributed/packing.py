"""What of a user's code a job must carry: modules that its settings name as ``module:name``, and those beside them."""

import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from quantray.errors import InputError
from quantray.research.own_code import code_in, modules_in

__all__ = ["Packed", "gathered", "pack"]

_PLACE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class Packed:
    """Code of a user's that a job needs."""

    modules: tuple[Path, ...] = ()
    """Files and folders outside the folder that the job runs in."""
    code: tuple[str, ...] = ()
    """What is named, with a hash of its source."""
    elsewhere: tuple[str, ...] = ()
    """What is named and not found here, so that it must be installed on the cluster."""


def pack(folder: Path, settings: Mapping[str, Any], changes: Sequence[str] = ()) -> Packed:
    """Find the code that settings name.

    Parameters
    ----------
    folder : that the job runs in, whose modules travel with it.
    settings : as the file has them.
    changes : ``a.b=value``, whose values may name code, too.

    Raises
    ------
    InputError
        A source file cannot be read.
    """
    modules: dict[Path, None] = {}
    code, elsewhere = [], []
    for place in sorted(_places([settings, *(change.partition("=")[2] for change in changes)])):
        top = place.partition(":")[0].partition(".")[0]
        base = _base(top, folder)
        if base is None:
            elsewhere.append(place)
        elif not _installed(base):
            code.append(f"{place} {code_in(place, base)}")
            if base != folder.resolve():
                modules |= dict.fromkeys(modules_in(top, base))
    return Packed(tuple(modules), tuple(code), tuple(elsewhere))


@contextmanager
def gathered(folder: Path, packed: Packed) -> Iterator[Path]:
    """The folder, or one with the same entries and with the modules from outside, while the block lasts.

    Ray takes single modules beside a job's folder in its own programs, but not where a job is submitted.

    Raises
    ------
    InputError
        Two modules, or a module and an entry of the folder, have the same name.
    """
    if not packed.modules:
        yield folder.resolve()
        return
    with TemporaryDirectory(prefix="quantray-") as place:
        for entry in (*folder.resolve().iterdir(), *packed.modules):
            try:
                (Path(place) / entry.name).symlink_to(entry)
            except FileExistsError:
                other = (Path(place) / entry.name).readlink()
                raise InputError(f"{entry} and {other} would be one to the job; rename one of them.") from None
        yield Path(place)


def _places(values: Iterable[Any]) -> set[str]:
    """Every text among nested values that is an import path; flow YAML in a change is looked through."""
    found: set[str] = set()
    for value in values:
        if isinstance(value, str):
            found |= {match[0] for match in _PLACE.finditer(value) if match[0] == value or value[:1] in "[{"}
        elif isinstance(value, Mapping):
            found |= _places(value.values())
        elif isinstance(value, Sequence):
            found |= _places(value)
    return found


def _base(top: str, folder: Path) -> Path | None:
    """The folder that a module or package lies in; the job's own comes first, as it does there."""
    if top in sys.stdlib_module_names:
        return Path(sysconfig.get_path("stdlib"))
    spec = PathFinder.find_spec(top, [str(folder.resolve()), *sys.path])
    if spec is None:
        return None
    places = list(spec.submodule_search_locations or ())
    if not places and not (spec.origin and Path(spec.origin).is_file()):
        return None
    return Path(places[0] if places else str(spec.origin)).resolve().parent


def _installed(base: Path) -> bool:
    return base.name in ("site-packages", "dist-packages") or base == Path(sysconfig.get_path("stdlib")).resolve()
