"""One law for all units of work: what has a result is found, what has none is computed, and nothing is computed twice.

A unit has a key, which names all that its numbers depend on, and its result is kept under it. So the same call again
computes only what is missing or damaged, and a result of other data, settings, code, libraries or kernels is never
taken for it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from quantray.errors import DataError
from quantray.research.executor import Executor, Shared
from quantray.research.metering import Clock, Meter, Spent
from quantray.research.numerics import require_numerics
from quantray.research.progress import follow, say
from quantray.research.provenance import Origin, difference, traits
from quantray.research.results import Layout, ResultState, ResultStore

__all__ = ["Bundle", "Completed", "Due", "Unit", "Workplace", "complete", "metered", "note_work"]

_NAMED = 5
"""Damaged results that are named; of more, their number is said."""


class Data(Protocol):
    """What the units of a study share, the place of their results included."""

    @property
    def results(self) -> ResultStore:
        """Where results are kept."""
        ...


D = TypeVar("D", bound=Data)
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Unit(Generic[T]):
    """One piece of work with a result of its own."""

    key: str
    item: T
    origin: Origin
    layout: Layout | None = None
    """Of the result; none where whoever reads it looks for himself."""
    part: str = ""
    """Of the study, such as an allocator; units of a part take about the same time, or as long as their size says."""


@dataclass(frozen=True)
class Due(Generic[T]):
    """An item on its way to a worker, with what its key says of the data.

    The data come to the worker from who made the key, so that a fingerprint of them that was made again would say the
    same.
    """

    item: T
    read: str
    """Fingerprint of all data that the item reads."""


@dataclass(frozen=True, eq=False)
class Bundle(Generic[T]):
    """Units that travel to a worker as one item, and come back as their keys."""

    item: Any
    units: tuple[Unit[T], ...]
    """All of one origin."""


@dataclass(frozen=True)
class Completed:
    """Units whose results are there."""

    keys: tuple[str, ...]
    """In the units' order."""
    n_computed: int
    n_reused: int
    """Found from before, or computed for another unit of the same key."""


class Workplace(Generic[D]):
    """An executor and the data that units share, which are stored once and only when something is to be computed."""

    def __init__(self, executor: Executor, data: D) -> None:
        self.data = data
        self._executor = executor
        self._stored: Shared[D] | None = None

    def map(self, work: Sequence["_Task"]) -> Any:
        """The keys of each task and what it took, in order; see ``Executor.map``."""
        if self._stored is None:
            self._stored = self._executor.put(self.data)
        return self._executor.map(_run, work, shared=self._stored)


def complete(
    place: Workplace[D],
    run: Callable[[D, Any], str | tuple[str, ...]],
    units: Sequence[Unit[T]],
    *,
    label: str,
    bundle: Callable[[Sequence[Unit[T]]], Sequence[Bundle[T]]] | None = None,
    announce: str | None = None,
) -> Completed:
    """Compute what of the units is missing, or damaged, which is said.

    Parameters
    ----------
    run : top-level function that computes an item, keeps its results and returns their keys.
    label : of the progress shown.
    bundle : how missing units travel; by default each alone.
    announce : what the units are called where their number is said beforehand; by default nothing is said.

    Raises
    ------
    InputError
        Portable numerics are asked for in a process with other kernels.
    DataError
        A worker has other code, libraries or kernels than this process, or came to other keys: what makes keys from
        data that a worker reads itself saw others, and nothing is told of units that travel as ``Due``.
    """
    for origin in dict.fromkeys(unit.origin for unit in units):
        require_numerics(origin.numerics, torch="torch" in origin.libraries)
    unique = {unit.key: unit for unit in units}
    states = {key: place.data.results.state(key, unit.layout) for key, unit in unique.items()}
    missing = [unit for key, unit in unique.items() if states[key] is not ResultState.WHOLE]
    _say_damaged(place.data.results, [key for key, state in states.items() if state is ResultState.DAMAGED])
    if announce is not None:
        say(f"{len(units)} {announce}: {len(missing)} to compute, {len(units) - len(missing)} already there")
    if missing:
        bundles = bundle(missing) if bundle else [Bundle(unit.item, (unit,)) for unit in missing]
        tasks = [_Task(run, each.item, each.units[0].origin, traits(each.units[0].origin)) for each in bundles]
        for each, (made, spent) in zip(bundles, follow(place.map(tasks), total=len(tasks), label=label), strict=True):
            if made != tuple(unit.key for unit in each.units):
                raise DataError("a worker saw other data than the driver; let both read the same folders and versions.")
            note_work(" ".join(filter(None, (label, each.units[0].part))), len(each.units), spent)
    if (meter := _meter.get()) is not None:
        meter.keys.extend(unique)
    return Completed(tuple(unit.key for unit in units), len(missing), len(units) - len(missing))


_meter: ContextVar[Meter | None] = ContextVar("_meter", default=None)


@contextmanager
def metered() -> Iterator[Meter]:
    """Notes the keys of all units that are completed in the block, and what those that are computed take."""
    token = _meter.set(meter := Meter())
    try:
        yield meter
    finally:
        _meter.reset(token)


def note_work(part: str, units: int, spent: Spent) -> None:
    """Note units of a part of the study where somebody asked for it with ``metered``."""
    if (meter := _meter.get()) is not None:
        meter.add(part, units, spent)


def _say_damaged(results: ResultStore, keys: Sequence[str]) -> None:
    if keys:
        named = ", ".join(keys[:_NAMED]) + (", ..." if len(keys) > _NAMED else "")
        say(f"{len(keys)} results in {results.root} are damaged, or of an older quantray, and computed again: {named}")


@dataclass(frozen=True, eq=False)
class _Task:
    run: Callable[[Any, Any], str | tuple[str, ...]]
    item: Any
    origin: Origin
    expected: dict[str, str]
    """What the driver finds for the origin."""


def _run(shared: Any, task: _Task) -> tuple[tuple[str, ...], Spent]:
    clock = Clock()
    found = traits(task.origin)
    if found != task.expected:
        raise DataError(difference(task.expected, found))
    made = task.run(shared, task.item)
    return (made,) if isinstance(made, str) else made, clock.spent()
