"""Backups: folders in one file with the hash of everything in it, and back again on another machine.

What points is read before what it points to: of a table its log before its data, of published books their pointers
before the books. So a backup that is made while somebody writes holds a state that was there.
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
from collections.abc import Iterator, Mapping
from pathlib import Path

from quantray.errors import DataError, InputError, first_line, reason

__all__ = ["pack", "unpack"]

_MANIFEST = "manifest.json"
_FIRST = ("_delta_log", "days", "latest.json")
"""Names of what points to other files."""
_CHUNK = 1 << 20


def pack(parts: Mapping[str, Path], target: Path) -> int:
    """Write a backup of some folders; returns how many files it holds.

    Parameters
    ----------
    parts : name -> folder; one that is not there is left out.
    target : file to write, which must not be there yet.

    Raises
    ------
    InputError
        The target is there already, or none of the folders is.
    DataError
        Something cannot be read or written; no half-written file stays.
    """
    present = {name: folder for name, folder in parts.items() if folder.is_dir()}
    if target.exists() or not present:
        wrong = f"{target} is there already" if target.exists() else f"none of {', '.join(map(str, parts.values()))} is"
        raise InputError(f"{wrong}; name another file, and folders that are there.")
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
    except (OSError, tarfile.TarError) as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
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
    for name, folder in parts.items():
        found = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith((".part-", ".lock"))]
        for path in sorted(found, key=lambda each: (not _points(each.relative_to(folder)), each)):
            yield f"{name}/{path.relative_to(folder)}", path


def _points(path: Path) -> bool:
    return path.parts[0] in _FIRST


def _added(archive: tarfile.TarFile, name: str, path: Path) -> str:
    """Add a file as it is now, and its hash."""
    content = path.read_bytes()
    about = tarfile.TarInfo(name)
    about.size, about.mode = len(content), path.stat().st_mode & 0o777
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
