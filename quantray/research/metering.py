"""What work takes, wherever it runs: time, processor time and memory, of an executor, of units and of a whole run."""

import os
import resource
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from quantray.research.executor import Executor, Shared

__all__ = ["Clock", "Meter", "Metered", "PartTook", "Spent", "Took", "forget_peak", "peak_bytes"]

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


def forget_peak() -> None:
    """Let ``peak_bytes`` begin anew with what is held now; nothing happens where the system knows no such thing."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


@dataclass(frozen=True)
class Spent:
    """What a process spent on a piece of work."""

    place: str
    """``host:process``."""
    seconds: float
    cpu_seconds: float
    """Of all its threads."""
    peak_bytes: int
    """Most memory that the process had held by the end of the work."""


class Clock:
    """Runs from when it is made, in one process."""

    def __init__(self) -> None:
        self._begun, self._cpu = time.perf_counter(), _cpu_seconds()

    def spent(self) -> Spent:
        """Since it was made."""
        seconds, cpu = time.perf_counter() - self._begun, _cpu_seconds() - self._cpu
        return Spent(_place(), seconds, cpu, peak_bytes())


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PartTook(_Kept):
    """What all units of one part of a run took, wherever they ran."""

    units: int
    seconds: float
    """Summed over units."""
    cpu_seconds: float
    peak_bytes: int
    """Of the process that held most while it worked on one of them."""


class Took(_Kept):
    """What a run took, its report left out; nothing is counted twice."""

    seconds: float
    driver_cpu_seconds: float
    """Of the process that led the run, its units left out."""
    driver_peak_bytes: int
    """With the data, and with the units that ran there."""
    workers: int
    """Other processes that worked on units."""
    worker_peak_bytes: int
    """Of the one that held most; what processes of a machine share is in each of them. 0 without workers."""
    results_bytes: int
    """On disk, of results that were used and of the checkpoints beside them."""
    files_bytes: int
    """On disk, of the run's folder."""
    parts: dict[str, PartTook]

    @property
    def disk_bytes(self) -> int:
        """Of everything."""
        return self.results_bytes + self.files_bytes

    @property
    def cpu_seconds(self) -> float:
        """Of everything."""
        return self.driver_cpu_seconds + sum(part.cpu_seconds for part in self.parts.values())


@dataclass(eq=False)
class Meter:
    """Notes what a run takes, from when it is made."""

    parts: dict[str, PartTook] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)
    """``host:process`` -> bytes."""
    keys: list[str] = field(default_factory=list)
    """Of results that were used."""

    def __post_init__(self) -> None:
        self._clock, self._here = Clock(), 0.0

    def add(self, part: str, units: int, spent: Spent) -> None:
        """Note units that ran somewhere."""
        before = self.parts.get(part, PartTook(units=0, seconds=0.0, cpu_seconds=0.0, peak_bytes=0))
        self.parts[part] = PartTook(
            units=before.units + units,
            seconds=before.seconds + spent.seconds,
            cpu_seconds=before.cpu_seconds + spent.cpu_seconds,
            peak_bytes=max(before.peak_bytes, spent.peak_bytes),
        )
        self.peaks[spent.place] = max(self.peaks.get(spent.place, 0), spent.peak_bytes)
        self._here += spent.cpu_seconds if spent.place == _place() else 0.0

    def took(self, results_bytes: int, files_bytes: int = 0) -> Took:
        """So far."""
        own, others = self._clock.spent(), {k: v for k, v in self.peaks.items() if k != _place()}
        return Took(
            seconds=own.seconds,
            driver_cpu_seconds=max(0.0, own.cpu_seconds - self._here),
            driver_peak_bytes=own.peak_bytes,
            workers=len(others),
            worker_peak_bytes=max(others.values(), default=0),
            results_bytes=results_bytes,
            files_bytes=files_bytes,
            parts=self.parts,
        )


@dataclass(frozen=True)
class _Measured:
    """A function that also says where it ran and how much memory that process has held."""

    fn: Callable[[Any, Any], Any]

    def __call__(self, shared: Any, item: Any) -> tuple[Any, str, int]:
        return self.fn(shared, item), _place(), peak_bytes()


def _cpu_seconds() -> float:
    """Of this process and of those that it started and that have ended."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def _place() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
