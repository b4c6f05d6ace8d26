"""Memory that training, or a worker, frees and takes again stays with the process meanwhile."""

import ctypes
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

__all__ = ["hold_memory", "kept_memory"]

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
"""Parameters of ``mallopt``."""

_KEEP = {_MMAP_MAX: 0, _TRIM_THRESHOLD: -1}
"""No piece is a mapping of its own, and nothing is given back."""

_USUAL = {_MMAP_MAX: 65536, _MMAP_THRESHOLD: 32 << 20, _TRIM_THRESHOLD: 256 << 20}
"""What glibc comes to by itself in a process that takes and frees large pieces; it would keep only 64 MiB of them."""

_lock = threading.Lock()
_inside = 0


def hold_memory() -> None:
    """Keep up to 256 MiB of what is freed, from now on.

    A worker frees the matrices of one unit and takes them again for the next. By itself glibc gives them back between
    the two, or not, by what happens to lie above them; for units of 0.1 s on 1,500 names that is 6 % of their time. The
    most that a process holds stays the same. Nothing is done where there is no glibc.

    Source: mallopt(3).
    """
    if (set_to := _mallopt()) is not None:
        with _lock:
            if not _inside:
                _set(set_to, _USUAL)


@contextmanager
def kept_memory() -> Iterator[None]:
    """Keep what is freed inside the block, and give it back at the end.

    A training step frees hundreds of megabytes and takes them again. glibc gives each large piece back to the system,
    which clears page after page when it is asked for again: up to half of the time of a step. No number changes. Pieces
    of other sizes do not always fit into what was kept, so the most that is held rises by about a third. Where there is
    no glibc nothing is done; blocks may nest and run side by side.

    Source: mallopt(3), malloc_trim(3).
    """
    global _inside  # noqa: PLW0603
    set_to = _mallopt()
    if set_to is None:
        yield
        return
    with _lock:
        _inside += 1
        _set(set_to, _KEEP)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                _set(set_to, _USUAL)
                ctypes.CDLL(None).malloc_trim(0)


def _set(set_to: Callable[[int, int], int], values: Mapping[int, int]) -> None:
    for parameter, value in values.items():
        set_to(parameter, value)


def _mallopt() -> Callable[[int, int], int] | None:
    """Of glibc; none elsewhere."""
    return getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
