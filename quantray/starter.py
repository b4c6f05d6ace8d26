"""What a new folder of research begins with: the programs of every kind of study and their commented settings."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from quantray.errors import InputError, reason

__all__ = ["write_starter"]


def write_starter(folder: str | Path) -> list[Path]:
    """Write ``workflows/*.py`` and ``workflows/configs/*.yaml`` into a folder, which is made if it is not there.

    They are those of the clone, or those that an installed package holds, so every command of the guide works in
    the folder as it does in a clone.

    Returns
    -------
    The files written, programs first.

    Raises
    ------
    InputError
        The folder holds a file of one of these names already, or cannot be written; nothing is overwritten.
    """
    source, target = _workflows(), Path(folder) / "workflows"
    planned = [
        (item, place / item.name)
        for origin, place, ending in ((source, target, ".py"), (source / "configs", target / "configs", ".yaml"))
        for item in sorted(origin.iterdir(), key=lambda item: item.name)
        if item.name.endswith(ending)
    ]
    try:
        there = [path for _, path in planned if path.exists()]
        if there:
            more = f" and {len(there) - 1} more" if len(there) > 1 else ""
            raise InputError(f"{there[0]}{more} would be overwritten; name another folder, or move these files away.")
        (target / "configs").mkdir(parents=True, exist_ok=True)
        for item, path in planned:
            path.write_bytes(item.read_bytes())
    except OSError as error:
        raise InputError(f"{target} cannot be written: {reason(error)}; name another folder.") from error
    return [path for _, path in planned]


def _workflows() -> Traversable:
    """Beside the package in a clone, inside it in a wheel; see ``force-include`` in pyproject.toml."""
    package = files("quantray")
    packed = package / "_starter" / "workflows"
    return packed if packed.is_dir() else Path(str(package)).parent / "workflows"
