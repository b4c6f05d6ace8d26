"""Units that travel to a worker together, so that each is worth its journey."""

import math
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from functools import cache
from itertools import islice
from time import perf_counter
from typing import Any, Generic, TypeVar

from quantray.memory import hold_memory
from quantray.research.executor import run_unit

__all__ = ["AHEAD", "AT_ONCE", "BatchError", "Ran", "Waiting", "batch_seconds", "batch_size", "run_batch"]

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")

AHEAD = 8
"""Batches with results that may wait for a slow one before them, as a multiple of those in flight."""
AT_ONCE = 8
"""Batches in flight to one that is waited for: a look at what is done costs for each of them, and a worker has another
to go on with."""
_SECONDS = 0.1
"""Of work that is worth a journey."""
_DRIVER_SECONDS = 0.002
"""Of work for each worker, so that the one process that hands out has time for all of them."""
_TASK_SECONDS = 0.001
"""Of the one process that hands out, for a batch."""
_KEPT = 0.5
"""Of the time of the longest unit seen, with each batch that comes in."""
_MOST = 256
"""Units of a batch, whose results are held together."""
_SHARES = 4
"""Batches that each worker should still get of what is left, so that all of them end together."""


@dataclass(frozen=True, eq=False)
class Ran(Generic[R]):
    """What a worker did."""

    results: tuple[R, ...]
    longest: float
    """Seconds of the longest unit."""


class BatchError(Exception):
    """A unit of a batch failed, perhaps after others of it were done."""

    def __init__(self, results: tuple[Any, ...], failure: Exception) -> None:
        super().__init__(results, failure)
        self.results, self.failure = results, failure


def run_batch(fn: Callable[[S, T], R], shared: S, items: tuple[T, ...], threads: int) -> Ran[R]:
    """Run units one after the other, as ``run_unit`` does.

    Raises
    ------
    BatchError
        One of several units raised; the exception of a unit that travels alone is raised as it is.
    """
    _hold_memory()
    results: list[R] = []
    longest = 0.0
    for item in items:
        begin = perf_counter()
        try:
            results.append(run_unit(fn, shared, item, threads))
        except Exception as error:
            if len(items) == 1:
                raise
            raise BatchError(tuple(results), error) from error
        longest = max(longest, perf_counter() - begin)
    return Ran(tuple(results), longest)


@cache
def _hold_memory() -> None:
    """Once a worker."""
    hold_memory()


def batch_size(seconds: float, workers: int, left: int | None = None) -> int:
    """Units that should travel together.

    Parameters
    ----------
    seconds : of a unit.
    workers : that work at a time.
    left : units to be handed out, where that is known.
    """
    seconds = max(seconds, 1e-9)
    size = min(_MOST, batch_seconds(workers) / seconds)
    if left is not None:
        # Where there are more workers than can be served, the time to hand out and that of a batch are made equal.
        size = min(size, max(-(-left // (_SHARES * workers)), math.sqrt(left * _TASK_SECONDS / seconds)))
    return max(1, int(size))


class Waiting(Generic[T]):
    """Units to be handed out, in order, as many at a time as those before them suggest.

    Parameters
    ----------
    items : whose length is asked where they have one.
    workers : that work at a time.
    """

    def __init__(self, items: Iterable[T], workers: int) -> None:
        self._left = len(items) if isinstance(items, Sized) else None
        self._source: Iterator[T] = iter(items)
        self._workers = workers
        self._longest: float | None = None
        self.ended = False

    def take(self) -> tuple[T, ...]:
        """The next batch; empty at the end. The first units, of which nothing is known, travel alone."""
        size = 1 if self._longest is None else batch_size(self._longest, self._workers, self._left)
        some = tuple(islice(self._source, size))
        self.ended = len(some) < size
        if self._left is not None:
            self._left -= len(some)
        return some

    def learn(self, ran: Ran[Any]) -> None:
        """Expect units as long as the longest lately: among short ones a long one keeps the others waiting."""
        self._longest = max(ran.longest, _KEPT * (self._longest or 0.0))


def batch_seconds(workers: int) -> float:
    """Seconds of work that a batch should be."""
    return max(_SECONDS, _DRIVER_SECONDS * workers)
