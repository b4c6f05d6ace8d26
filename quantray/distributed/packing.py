"""What of a user's code a job must carry: modules that its settings name as ``module:name``, and those beside them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from quantray.errors import InputError
from quantray.research.own_code import code_in, folder_of, is_installed, modules_in, places_in

__all__ = ["Packed", "gathered", "pack"]


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
    for place in sorted(places_in([settings, *(change.partition("=")[2] for change in changes)])):
        top = place.partition(":")[0].partition(".")[0]
        base = folder_of(top, folder)
        if base is None:
            elsewhere.append(place)
        elif not is_installed(base):
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
