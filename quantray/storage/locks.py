"""One at a time: a lock beside a folder, kept to by all who write it or read several of its files."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from quantray.terminal import tell

__all__ = ["alone"]


@contextmanager
def alone(folder: Path, waits: Callable[[], None] | None = None) -> Iterator[bool]:
    """Hold the lock of a folder during a block; waits for whoever holds it, and ends with its process at the latest.

    Parameters
    ----------
    waits : called where somebody else holds the lock, before waiting for it; by default a line says so.

    Yields whether there is a lock: where the place cannot be written, or its file system has none, the block runs
    without.
    """
    path, handle = folder, None
    # A loop of links has no place, and the root of all folders no name that a lock could be beside.
    with suppress(OSError, RuntimeError, ValueError):
        place = folder.resolve()
        path = place.with_name(f".{place.name}.lock")
        handle = _acquired(path, waits or partial(_say_waiting, folder))
    try:
        yield handle is not None
    finally:
        if handle is not None:
            # Removed while it is held: whoever waits for it finds another file, or none, in its place and tries again.
            path.unlink(missing_ok=True)
            os.close(handle)


def _acquired(path: Path, waits: Callable[[], None]) -> int:
    while True:
        # Network file systems lock files that are open for writing only.
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waits()
                fcntl.flock(handle, fcntl.LOCK_EX)
            if _is_at(handle, path):
                return handle
        except OSError:
            os.close(handle)
            raise
        os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _say_waiting(folder: Path) -> None:
    tell(f"{folder} is held by another process of quantray; waiting for its end", error=True)
