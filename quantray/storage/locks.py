"""One at a time: a lock beside a folder, kept to by all who write it or read several of its files."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["alone"]


@contextmanager
def alone(folder: Path, waits: Callable[[], None] = lambda: None) -> Iterator[bool]:
    """Hold the lock of a folder during a block; waits for whoever holds it, and ends with its process at the latest.

    Parameters
    ----------
    waits : called where somebody else holds the lock, before waiting for it.

    Yields whether there is a lock: where the place cannot be written, or its file system has none, the block runs
    without.
    """
    place = folder.resolve()
    path = place.with_name(f".{place.name}.lock")
    try:
        handle: int | None = _acquired(path, waits)
    except OSError:
        handle = None
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
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
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
