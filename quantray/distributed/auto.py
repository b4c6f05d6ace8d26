"""``Auto``: the executor that works in this process until it has seen that Ray pays, and goes over to it then."""

import time
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from quantray.distributed.batches import batch_size
from quantray.research.executor import Executor, Shared
from quantray.research.progress import say

__all__ = ["Auto", "RayCosts", "on_ray"]

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")

_LOOK = 1.0
"""Seconds of work that are looked at before units are said to be as quick as those seen."""
_LOADING = 3.0
"""Seconds that the first unit of a map may spend on loading libraries; what it takes beyond them is its own."""


@dataclass(frozen=True, kw_only=True)
class RayCosts:
    """What it costs to work on a local Ray; the defaults are as ``benchmarks/bench_walk_forward.py`` measured them."""

    start_seconds: float = 8.0
    """Until a worker has loaded the libraries of its first unit."""
    unit_seconds: float = 0.008
    """On the worker, for a batch of units to arrive and its results to leave."""
    driver_seconds: float = 0.001
    """In this process, to hand out a batch of units and to take in its results."""
    driver_unit_seconds: float = 0.0003
    """In this process, for each unit of a batch."""
    slower: float = 1.1
    """A unit on a worker, which has a low priority, against the same unit here."""

    def work(self, units: int, seconds: float, workers: int) -> float:
        """Seconds, without the start, of so many units that take so many seconds each in this process."""
        size = batch_size(seconds, workers, units)
        batches = -(-units // size)
        rounds = -(-batches // workers)
        driver = batches * self.driver_seconds + units * self.driver_unit_seconds
        return max(driver, rounds * (size * self.slower * seconds + self.unit_seconds))


@dataclass
class _Pace:
    """What a map has shown so far."""

    total: int | None
    """Units, where it is known."""
    done: int = 0
    seconds: float = 0.0
    first: float = 0.0
    """Seconds of the first unit."""

    def add(self, seconds: float) -> None:
        self.first = self.first if self.done else seconds
        self.seconds += seconds
        self.done += 1

    @property
    def left(self) -> int:
        """Units to come; where nobody knows, as many as came."""
        return self.done if self.total is None else self.total - self.done

    @property
    def unit(self) -> float:
        """Seconds of a unit to come."""
        if self.done < 2:
            return max(0.0, self.first - _LOADING)
        return (self.seconds - self.first) / (self.done - 1)


class Auto:
    """Maps in this process while the cost of units is learned, and on a Ray from when its start pays.

    Before each unit, what is left here is weighed against Ray's start and the same work on its workers. Nobody knows
    how many maps are to come, so as much work is expected of them as there was in the maps before: in the worst case
    the start is paid after work that it would have made up for. Once on Ray, all work goes there. One line says what
    was chosen and why.

    Parameters
    ----------
    here : maps in this process.
    start : connects to Ray and gives the executor that maps there; called once, and not before it pays.
    workers : units that Ray would run at a time.
    at_once : a reason to begin on Ray; by default the first units run here.
    now : a clock, in seconds.
    """

    def __init__(
        self,
        here: Executor,
        start: Callable[[], Executor],
        *,
        workers: int,
        at_once: str | None = None,
        costs: RayCosts | None = None,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._here, self._start, self._workers, self._at_once = here, start, workers, at_once
        self._costs, self._now = costs or RayCosts(), now
        self._ray: Executor | None = None
        self._on_ray: WeakKeyDictionary[Shared[Any], Shared[Any]] = WeakKeyDictionary()
        self._past_here = self._past_on_ray = 0.0
        self._said = False

    def put(self, value: S) -> Shared[S]:
        """A value for several maps; it goes to Ray's store with the first of them that runs there."""
        return self._here.put(value)

    def map(self, fn: Callable[[S, T], R], items: Iterable[T], *, shared: S | Shared[S]) -> Iterator[R]:
        """See ``research.executor.Executor.map``; the length of the items is asked where they have one."""
        pace = _Pace(len(items) if isinstance(items, Sized) else None)
        stored: Shared[S] = shared if isinstance(shared, Shared) else self.put(shared)
        source = iter(items)
        while (ray := self._ray) is None:
            if pace.done != pace.total and (reason := self._at_once or self._gain(pace)):
                ray = self.move(reason)
                break
            try:
                item = next(source)
            except StopIteration:
                self._remember(pace)
                return
            begin = self._now()
            (result,) = self._here.map(fn, [item], shared=stored)
            pace.add(self._now() - begin)
            yield result
        left = source if pace.total is None else _Left(source, pace.left)
        yield from ray.map(fn, left, shared=self._moved(stored, ray))

    def move(self, reason: str) -> Executor:
        """Go over to Ray, if that was not done before; gives the executor there."""
        if self._ray is None:
            say(f"on Ray: {reason}")
            self._ray = self._start()
        return self._ray

    def close(self) -> None:
        """See ``Executor.close``."""
        self._here.close()
        if self._ray is not None:
            self._ray.close()

    def _gain(self, pace: _Pace) -> str | None:
        """Why Ray pays, if it does; what is left is told from what was seen."""
        if pace.done > 1 and pace.seconds < _LOOK and not self._is_short(pace):
            return None
        here = self._past_here + pace.left * pace.unit
        ray = self._costs.start_seconds + self._past_on_ray + self._costs.work(pace.left, pace.unit, self._workers)
        if ray < here:
            again = f" and {_span(self._past_here)} of work expected after them" if self._past_here else ""
            return (
                f"{_units(pace.left, pace.unit)} left{again}, {_span(here)} in this process, about {_span(ray)} with "
                f"{self._workers} workers"
            )
        if pace.done > 1 and pace.total is not None:
            self._say_here(pace)
        return None

    def _is_short(self, pace: _Pace) -> bool:
        """Whether all units of a map are done before Ray would have started."""
        return pace.total is not None and pace.total * pace.unit < self._costs.start_seconds

    def _say_here(self, pace: _Pace) -> None:
        """Say, once, that the work is done in this process and why."""
        if self._said:
            return
        self._said = True
        units = pace.total or pace.done
        unit = pace.unit if pace.done > 1 else pace.seconds
        here, ray = units * unit, self._costs.start_seconds + self._costs.work(units, unit, self._workers)
        if here < self._costs.start_seconds:
            reason = "less than Ray's start"
        elif self._workers < 2:
            reason = "and Ray would have a single worker"
        else:
            reason = f"about {_span(ray)} on Ray with {self._workers} workers"
        say(f"in this process: {_units(units, unit)}, {_span(here)}, {reason}")

    def _remember(self, pace: _Pace) -> None:
        """Count a finished map among the past."""
        if pace.done:
            self._say_here(pace)
        self._past_here += pace.done * pace.unit
        self._past_on_ray += self._costs.work(pace.done, pace.unit, self._workers)

    def _moved(self, stored: Shared[S], ray: Executor) -> Shared[S]:
        """A stored value in Ray's store, where it is put once."""
        if stored not in self._on_ray:
            self._on_ray[stored] = ray.put(stored.value)
        return self._on_ray[stored]


@dataclass(frozen=True, eq=False)
class _Left(Generic[T]):
    """What is left of items whose number was known."""

    source: Iterator[T]
    count: int

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[T]:
        return self.source


def on_ray(executor: Executor, reason: str) -> Executor:
    """The executor to use for work that only Ray can do: an ``Auto`` goes over to it, all others stay what they are."""
    return executor.move(reason) if isinstance(executor, Auto) else executor


def _units(count: int, seconds: float) -> str:
    return f"{count:,} unit{'s' * (count != 1)} of {_span(seconds)}"


def _span(seconds: float) -> str:
    if seconds < 0.1:
        return f"{1e3 * seconds:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:,.0f} s"
