"""Which code of others a unit's numbers come from: what a user wrote, and releases that he installed."""

import ast
import importlib.util
import re
import sys
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.machinery import PathFinder
from importlib.metadata import Distribution, PackageNotFoundError, distribution, packages_distributions
from pathlib import Path
from typing import Any

from quantray.arrays import digest
from quantray.errors import InputError
from quantray.research.definitions import Ground, read_code
from quantray.research.source import borrowed, source_digest

__all__ = ["code_in", "code_of", "folder_of", "is_installed", "modules_in", "places_in"]

_INSTALLED = ("site-packages", "dist-packages")
_PLACE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@cache
def code_of(place: str, package: Path | None) -> str:
    """What ``module:name`` of others is, in a text that changes when it may compute something else.

    Of an installed release: its version, its list of files with their hashes, and the versions of what it requires. Of
    what users edit: a hash of all code that is reached in its folder (see ``source``), and the versions of the
    distributions that this code imports.

    Parameters
    ----------
    package : folder of quantray, where that is edited, too, and counts as far as it is reached.
    """
    top = place.partition(":")[0].partition(".")[0]
    file = _file(top)
    if top in sys.stdlib_module_names and (file is None or _is_pythons(file)):
        return f"python {sys.version_info.major}.{sys.version_info.minor}"
    if file is None:
        return "unknown"
    if file.suffix == ".py" and file.stem != top:
        return f"source {digest([read_code(ast.parse(file.read_bytes()), '').text])}"
    release = _release(top)
    if release is not None and _lies_in(release, file):
        wanted = [_NAME.match(text) for text in release.requires or () if "extra ==" not in text]
        needed = [match[0] for match in wanted if match is not None]
        return f"{_told(release)} {digest([release.read_text('RECORD') or ''])} ({_versions(needed)})"
    ground = _ground(top, file.parent, package)
    try:
        found, imports = _reached(ground, place)
    except (SyntaxError, InputError) as error:
        raise InputError(f"{place}: its source cannot be read ({error}); it must lie in a .py file.") from error
    others = [_release(module) for module in imports if module not in sys.stdlib_module_names]
    edited = "" if release is None else f"{_told(release)} "
    return f"{edited}source {found} ({_versions(other.name for other in others if other is not None)})"


def code_in(place: str, folder: Path) -> str:
    """Hash of the code that ``module:name`` reaches in a folder, in its module and those beside it.

    Raises
    ------
    InputError
        It cannot be read.
    """
    try:
        return _reached(_ground(place.partition(":")[0].partition(".")[0], folder, None), place)[0]
    except (SyntaxError, InputError) as error:
        raise InputError(f"{place}: its source cannot be read in {folder} ({error}).") from error


def modules_in(top: str, folder: Path) -> tuple[Path, ...]:
    """Files of modules and folders of packages that lie beside a module in a folder, and itself."""
    names = sorted(_ground(top, folder, None).folders)
    found = [path for name in names for path in (folder / name, folder / f"{name}.py") if path.exists()]
    return tuple(path for path in found if path.suffix == ".py" or (path / "__init__.py").exists())


def places_in(values: Iterable[Any]) -> set[str]:
    """Every text among nested values that is an import path; flow YAML in a change is looked through."""
    found: set[str] = set()
    for value in values:
        if isinstance(value, str):
            found |= {match[0] for match in _PLACE.finditer(value) if match[0] == value or value[:1] in "[{"}
        elif isinstance(value, Mapping):
            found |= places_in(value.values())
        elif isinstance(value, Sequence):
            found |= places_in(value)
    return found


def folder_of(top: str, folder: Path) -> Path | None:
    """The folder that a module or package lies in, in a folder or else on the path; None where it is not found."""
    if top in sys.stdlib_module_names:
        return Path(sysconfig.get_path("stdlib"))
    spec = PathFinder.find_spec(top, [str(folder.resolve()), *sys.path])
    if spec is None:
        return None
    places = list(spec.submodule_search_locations or ())
    if not places and not (spec.origin and Path(spec.origin).is_file()):
        return None
    return Path(places[0] if places else str(spec.origin)).resolve().parent


def is_installed(base: Path) -> bool:
    """Whether releases are installed in a folder, rather than edited."""
    return base.name in _INSTALLED or base == Path(sysconfig.get_path("stdlib")).resolve()


def _reached(ground: Ground, place: str) -> tuple[str, set[str]]:
    try:
        return source_digest(ground, [place]), borrowed(ground, [place])
    except InputError:
        # Not defined where it can be seen: then all of its module is.
        whole = f"{place.partition(':')[0]}:*"
        return source_digest(ground, [whole]), borrowed(ground, [whole])


def _file(top: str) -> Path | None:
    """The file of a module, or the folder of a package, by its first name."""
    module = sys.modules.get(top)
    spec = importlib.util.find_spec(top) if module is None else getattr(module, "__spec__", None)
    if spec is None:
        # A script that is being run, or what was typed.
        name = getattr(module, "__file__", None)
        return Path(name) if name and Path(name).is_file() else None
    places = list(spec.submodule_search_locations or ())
    origin = places[0] if places else spec.origin
    return Path(origin) if origin and Path(origin).exists() else None


@cache
def _release(top: str) -> Distribution | None:
    """The distribution that a module or package belongs to, by its first name."""
    try:
        found = distribution(top)
    except PackageNotFoundError:
        pass
    else:
        if any(Path(str(found.locate_file(name))).exists() for name in (top, f"{top}.py")):
            return found
    # Named otherwise, as scikit-learn is: all that is installed has to be looked through.
    names = _distributions().get(top)
    return distribution(names[0]) if names else None


@cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


def _lies_in(release: Distribution, file: Path) -> bool:
    """Whether a file is where its distribution was installed, rather than where somebody edits it."""
    return file.parent == Path(str(release.locate_file(""))) and file.parent.name in _INSTALLED


def _is_pythons(file: Path) -> bool:
    """Whether a module of a name of the standard library is that one, rather than a user's in front of it."""
    library = Path(sysconfig.get_path("stdlib")).resolve()
    return file.resolve().parent in (library, library / "lib-dynload")


def _ground(top: str, folder: Path, package: Path | None) -> Ground:
    """A user's folder: what he names, and the modules and packages beside it."""
    folders = {top: folder}
    if folder.name not in _INSTALLED:
        folders |= {path.stem: folder for path in folder.glob("*.py")}
        folders |= {path.parent.name: folder for path in folder.glob("*/__init__.py")}
    folders.pop("quantray", None)
    if package is not None:
        folders[package.name] = package.parent
    return Ground(folders, wary=True)


def _told(release: Distribution) -> str:
    return f"{release.name} {release.version}"


def _versions(names: Iterable[str]) -> str:
    found: dict[str, str] = {}
    for name in names:
        try:
            found[name.lower()] = distribution(name).version
        except PackageNotFoundError:
            continue
    return ", ".join(f"{name} {found[name]}" for name in sorted(found) if name != "quantray")
