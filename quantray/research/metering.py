"""How much memory the work of an executor takes, wherever it runs."""

import os
import resource
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from quantray.research.executor import Executor, Shared

__all__ = ["Metered", "peak_bytes"]

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")


class Metered:
    """An executor that notes the most memory that each of its processes has held.

    Processes on one machine map the shared value only once, and each counts it, so their sum is an upper bound.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.peaks: dict[str, int] = {}
        """``host:process`` -> bytes, of processes that did some work; this one included where it did."""

    def put(self, value: S) -> Shared[S]:
        """See ``Executor.put``."""
        return self._executor.put(value)

    def map(self, fn: Callable[[S, T], R], items: Iterable[T], *, shared: S | Shared[S]) -> Iterator[R]:
        """See ``Executor.map``."""
        for result, place, peak in self._executor.map(_Measured(fn), items, shared=shared):
            self.peaks[place] = max(peak, self.peaks.get(place, 0))
            yield result

    def close(self) -> None:
        """See ``Executor.close``."""
        self._executor.close()

    @property
    def workers(self) -> dict[str, int]:
        """The peaks of all processes but this one."""
        own = _place()
        return {place: peak for place, peak in self.peaks.items() if place != own}


def peak_bytes() -> int:
    """Most memory that this process has held so far, pages that it shares with others included."""
    if sys.platform == "linux":
        # Not ``ru_maxrss``, which a process made by fork and exec inherits from its parent.
        (line,) = [row for row in Path("/proc/self/status").read_text().splitlines() if row.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


@dataclass(frozen=True)
class _Measured:
    """A function that also says where it ran and how much memory that process has held."""

    fn: Callable[[Any, Any], Any]

    def __call__(self, shared: Any, item: Any) -> tuple[Any, str, int]:
        return self.fn(shared, item), _place(), peak_bytes()


def _place() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
