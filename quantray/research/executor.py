"""The one seam through which work is handed out: anything with ``put``, ``map`` and ``close``."""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, Protocol, TypeVar

from threadpoolctl import ThreadpoolController

from quantray.arrays import frozen_copy

__all__ = ["Executor", "Serial", "Shared", "run_unit"]

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class Shared(Generic[S]):
    """A value that an executor has stored once; pass it to ``map`` as ``shared`` as often as wanted."""

    value: S


class Executor(Protocol):
    """Runs a function over items, in order, each with the same shared value.

    Whatever the executor, the function sees read-only arrays and one BLAS thread per CPU it was given, so the
    numbers are the same to the last bit.
    """

    def put(self, value: S) -> Shared[S]:
        """Store a value once for several calls of ``map``."""
        ...

    def map(self, fn: Callable[[S, T], R], items: Iterable[T], *, shared: S | Shared[S]) -> Iterator[R]:
        """``fn(shared, item)`` for each item, in the items' order; ``fn`` is a top-level function.

        An exception in ``fn`` is raised where its result would have come.
        """
        ...

    def close(self) -> None:
        """Give back whatever the executor holds."""
        ...


class Serial:
    """One item after the other in this process."""

    def __init__(self, *, threads: int = 1) -> None:
        self._threads = threads

    def put(self, value: S) -> Shared[S]:
        """A frozen copy of the value, as a worker would receive it."""
        return Shared(frozen_copy(value))

    def map(self, fn: Callable[[S, T], R], items: Iterable[T], *, shared: S | Shared[S]) -> Iterator[R]:
        """See ``Executor.map``."""
        stored = shared if isinstance(shared, Shared) else self.put(shared)
        for item in items:
            yield frozen_copy(run_unit(fn, stored.value, frozen_copy(item), self._threads))

    def close(self) -> None:
        """Nothing is held."""


def run_unit(fn: Callable[[S, T], R], shared: S, item: T, threads: int) -> R:
    """One call, with BLAS and OpenMP limited to a number of threads; both executors go through here."""
    with _pools(len(sys.modules)).limit(limits=threads):
        return fn(shared, item)


@lru_cache(maxsize=1)
def _pools(_modules: int) -> ThreadpoolController:
    """The pools of threads of all loaded libraries; looking for them takes milliseconds, and imports alone add any."""
    return ThreadpoolController()
