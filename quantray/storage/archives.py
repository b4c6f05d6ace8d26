"""Backups: folders in one file with the hash of everything in it, and back again on another machine.

What points is read before what it points to is looked for: of a table its log before its data, of published books their
pointers before the books. So a backup that is made while somebody writes holds a state that was there.
"""

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from quantray.errors import DataError, InputError, first_line, reason
from quantray.storage.addresses import local_folder

__all__ = ["pack", "unpack"]

_MANIFEST = "manifest.json"
_POINTING = (("_latest_version", "latest.json"), ("_delta_log", "days"))
"""Names of what points to other files, in the order of reading: each before what it points to is looked for."""
_CHUNK = 1 << 20
_TRIES = 3


class _GoneError(Exception):
    """A file was removed while a backup was made."""


def pack(parts: Mapping[str, str | Path], target: Path) -> int:
    """Write a backup of some folders; returns how many files it holds.

    Parameters
    ----------
    parts : name -> folder of this machine; one that is not there is left out.
    target : file to write, which must not be there yet.

    Raises
    ------
    InputError
        The target is there already, a part is in an object store, or none of the folders is there.
    DataError
        Something cannot be read or written, or files are removed all the time; no half-written file stays.
    """
    folders = {name: _local(name, place) for name, place in parts.items()}
    present = {name: folder for name, folder in folders.items() if folder.is_dir()}
    if target.exists() or not present:
        wrong = f"{target} is there already" if target.exists() else f"none of {', '.join(map(str, parts.values()))} is"
        raise InputError(f"{wrong}; name another file, and folders that are there.")
    for _ in range(_TRIES):
        try:
            return _packed(present, target)
        except _GoneError as gone:
            last = gone
    raise DataError(f"{last} was removed while it was packed, as pruning does; back up again once that has ended.")


def _local(name: str, place: str | Path) -> Path:
    folder = local_folder(str(place))
    if folder is None:
        raise InputError(f"{name} is at {place}, not on this machine; copy it with the tools of its object store.")
    return folder


def _packed(present: Mapping[str, Path], target: Path) -> int:
    temporary = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".part-", delete=False) as handle:
            temporary = Path(handle.name)
            with tarfile.open(fileobj=handle, mode="w:gz", compresslevel=1) as archive:
                hashes = {name: _added(archive, name, path) for name, path in _files(present)}
                content = json.dumps(hashes, indent=1).encode()
                about = tarfile.TarInfo(_MANIFEST)
                about.size = len(content)
                archive.addfile(about, io.BytesIO(content))
            handle.flush()
            os.fsync(handle.fileno())
        # It holds keys.
        temporary.chmod(0o600)
        temporary.rename(target)
    except (OSError, tarfile.TarError, _GoneError) as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        if isinstance(error, _GoneError):
            raise
        raise DataError(f"{target} cannot be written: {reason(error)}; free space or choose another place.") from error
    return len(hashes)


def unpack(archive: Path, folder: Path) -> int:
    """Bring back what a backup holds, each part into a folder of its name; returns how many files.

    Parameters
    ----------
    folder : that the parts go to; empty or not there yet.

    Raises
    ------
    InputError
        The folder holds something.
    DataError
        The file is no backup, or is damaged: then nothing is brought back.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} holds something already; name an empty folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".restore-") as name:
        beside = Path(name) / "whole"
        try:
            # To its end, where its checksum is: the archive ends before that.
            with gzip.open(archive) as packed:
                while packed.read(_CHUNK):
                    pass
            with tarfile.open(archive, mode="r:gz") as opened:
                # Nothing outside of the folder, no links, no devices.
                opened.extractall(beside, filter="data")
        except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
            raise DataError(f"{archive} is no whole backup: {first_line(error)}; take another one.") from error
        count = _compare(beside, archive)
        if folder.exists():
            folder.rmdir()
        shutil.move(beside, folder)
    return count


def _files(parts: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    """Name and path of what to pack; what is pointed to is looked for once what points to it was taken."""
    for name, folder in parts.items():
        for first in (*_POINTING, None):
            for path in _found(folder, first):
                yield f"{name}/{path.relative_to(folder)}", path


def _found(folder: Path, first: Sequence[str] | None) -> list[Path]:
    """The files of a folder whose place in it begins with some names, or none of all such names."""
    every = [name for names in _POINTING for name in names]
    found = []
    try:
        for path in folder.rglob("*"):
            begins = path.relative_to(folder).parts[0]
            wanted = begins not in every if first is None else begins in first
            if wanted and path.is_file() and not path.name.startswith((".part-", ".lock")):
                found.append(path)
    except FileNotFoundError as error:
        raise _GoneError(error.filename) from error
    return sorted(found)


def _added(archive: tarfile.TarFile, name: str, path: Path) -> str:
    """Add a file as it is now, and its hash."""
    try:
        content, mode = path.read_bytes(), path.stat().st_mode & 0o777
    except FileNotFoundError as error:
        raise _GoneError(path) from error
    about = tarfile.TarInfo(name)
    about.size, about.mode = len(content), mode
    archive.addfile(about, io.BytesIO(content))
    return hashlib.sha256(content).hexdigest()


def _compare(folder: Path, archive: Path) -> int:
    manifest = folder / _MANIFEST
    try:
        hashes: dict[str, str] = json.loads(manifest.read_text())
        manifest.unlink()
    except (OSError, ValueError) as error:
        raise DataError(f"{archive} is no backup of quantray: it has no manifest; take another one.") from error
    there = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    for name in there.keys() | hashes.keys():
        if name not in there or name not in hashes or _hash(there[name]) != hashes[name]:
            raise DataError(f"{name} in {archive} is not what was backed up; take another backup.")
    return len(there)


def _hash(path: Path) -> str:
    hasher = hashlib.sha256()
    with path.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            hasher.update(chunk)
    return hasher.hexdigest()
