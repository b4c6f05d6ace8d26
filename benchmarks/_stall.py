"""A study on any number of workers, event by event: where it would stall.

Units travel as ``distributed.batches`` has them, handed out and taken in by one process, as ``distributed.executor``
does. Time of workers goes to units or is lost: before they could begin (``start``: processes, and the shared panel on
its way), while the leading process works alone (``alone``), while it has not handed out what they could do
(``driver``), while nothing is left to hand out and others still work (``tail``), and on the way of batches (``way``).
"""

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from quantray.distributed.batches import AHEAD, AT_ONCE, Ran, Waiting

LOSSES = ("start", "alone", "driver", "tail", "way")


@dataclass(frozen=True)
class Step:
    """What the leading process does alone, and the units that it hands out after that; the next step needs them all."""

    driver_seconds: float
    units: tuple[float, ...] = ()


@dataclass(frozen=True)
class Recorded:
    """What a study did, step by step."""

    study: str
    steps: tuple[Step, ...]
    shared_bytes: int
    fixed_seconds: float = 0.0
    """Of the leading process, whatever the number of units."""

    @property
    def units(self) -> int:
        return sum(len(step.units) for step in self.steps)

    @property
    def unit_seconds(self) -> float:
        """Of all units."""
        return sum(sum(step.units) for step in self.steps)

    @property
    def driver_seconds(self) -> float:
        """Of the leading process."""
        return sum(step.driver_seconds for step in self.steps)

    def times(self, count: int) -> "Recorded":
        """A study of so many times the units, every step's over and over, and as much more to do for who leads."""
        grown = self.fixed_seconds + count * (self.driver_seconds - self.fixed_seconds)
        share = grown / self.driver_seconds if self.driver_seconds else 1.0
        steps = tuple(Step(step.driver_seconds * share, step.units * count) for step in self.steps)
        return replace(self, steps=steps)


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Seconds, as measured."""

    key: float
    """Of the leading process for each unit before any is handed out: its key, and whether its result is there."""
    task: float
    """Of the leading process for each batch, handed out and taken in."""
    unit: float
    """Of the leading process for each unit, on its way there and back."""
    look: float
    """Of the leading process for each batch in flight whenever it looks at what is done."""
    way: float
    """Of a worker for each batch, with units of which it does nothing."""
    write: float
    """Of a worker for each unit, to make its key and write its result."""
    start: float
    """Until a worker has loaded the libraries of its first unit."""
    slower: float = 1.0
    """A unit on a worker against the same unit in one process."""


@dataclass(frozen=True, kw_only=True)
class Machines:
    """Alike, joined by a network, with the leading process on one of them."""

    workers: int
    each: int = 16
    """Workers of a machine."""
    bandwidth: float = 1.25e9
    """Bytes a second, one way: ten gigabits."""

    def arrivals(self, size: int) -> list[float]:
        """Seconds until each machine holds what is shared: one that has it gives it to one other at a time."""
        count = -(-self.workers // self.each)
        return [k.bit_length() * size / self.bandwidth for k in range(count)]


@dataclass(frozen=True)
class Outcome:
    """What became of a study."""

    workers: int
    seconds: float
    driver_seconds: float
    """Of work of the leading process."""
    worked: float
    """Seconds of workers on units."""
    lost: dict[str, float]
    """Seconds of workers, by ``LOSSES``; with those on units they are all there are."""
    batches: int

    @property
    def efficiency(self) -> float:
        """Of the time of all workers, the part that went to units."""
        return self.worked / (self.workers * self.seconds)

    @property
    def stall(self) -> str:
        """Where most is lost."""
        return max(self.lost, key=lambda name: self.lost[name])


def simulate(
    study: Recorded, costs: Costs, machines: Machines, *, batched: bool = True, longest: bool = False
) -> Outcome:
    """Run a study.

    Parameters
    ----------
    batched : whether small units travel together.
    longest : whether the longest units of a step are handed out first.
    """
    run = _Run(costs, machines, machines.arrivals(study.shared_bytes), batched)
    for step in study.steps:
        run.alone(step.driver_seconds + costs.key * len(step.units))
        if step.units:
            run.step(tuple(sorted(step.units, reverse=True)) if longest else step.units)
    return run.outcome()


@dataclass(eq=False)
class _Batch:
    units: tuple[float, ...]
    longest: float
    """Seconds of its longest unit on its worker."""
    known: bool = False
    """To the leading process, to be finished."""


@dataclass(eq=False)
class _Run:
    costs: Costs
    machines: Machines
    arrivals: Sequence[float]
    batched: bool
    now: float = 0.0
    busy: float = 0.0
    worked: float = 0.0
    batches: int = 0
    lost: dict[str, float] = field(default_factory=lambda: dict.fromkeys(LOSSES, 0.0))
    free: list[float] = field(default_factory=list)
    """A heap of when each worker is free."""
    unfinished: list[tuple[float, int, _Batch]] = field(default_factory=list)
    """A heap by when they end."""

    def alone(self, seconds: float) -> None:
        """The leading process works, and nobody else."""
        before = self.now
        self._lead(seconds)
        ready = self.free or [before] * self.machines.workers
        self.lost["alone"] += sum(max(0.0, self.now - max(free, before)) for free in ready)

    def step(self, units: Sequence[float]) -> None:
        """Units are handed out and taken in, as ``OnRay.map`` does it."""
        workers, begun = self.machines.workers, self.now
        if not self.free:
            # A heap as it is, for machines get their data one after the other.
            self.free = [begun + self.costs.start + self.arrivals[i // self.machines.each] for i in range(workers)]
            self.lost["start"] += sum(self.free) - workers * begun
        source, limit, handed = Waiting(units, workers), 2 * workers, begun
        queue: deque[_Batch] = deque()
        while True:
            while len(self.unfinished) < limit and len(queue) < AHEAD * limit and (some := source.take()):
                queue.append(self._hand_out(some, begun))
                handed = self.now
            if not queue:
                break
            if not queue[0].known:
                self._wait(1 if source.ended else max(1, limit // AT_ONCE))
                continue
            batch = queue.popleft()
            self._lead(self.costs.task / 2 + len(batch.units) * self.costs.unit / 2)
            if self.batched:
                source.learn(Ran(batch.units, batch.longest))
        self._idle(begun, handed)

    def outcome(self) -> Outcome:
        # Those that had not yet begun at the end lost no more than the whole.
        self.lost["start"] -= sum(max(0.0, free - self.now) for free in self.free)
        return Outcome(self.machines.workers, self.now, self.busy, self.worked, self.lost, self.batches)

    def _lead(self, seconds: float) -> None:
        self.now += seconds
        self.busy += seconds

    def _hand_out(self, units: tuple[float, ...], begun: float) -> _Batch:
        self._lead(self.costs.task / 2 + len(units) * self.costs.unit / 2)
        free = heapq.heappop(self.free)
        begin = max(free, self.now)
        self.lost["driver"] += begin - max(free, begun)
        work = sum(units)
        seconds = self.costs.way + len(units) * self.costs.write + self.costs.slower * work
        self.worked += work
        self.lost["way"] += seconds - work
        heapq.heappush(self.free, begin + seconds)
        batch = _Batch(units, self.costs.slower * max(units) + self.costs.write)
        self.batches += 1
        heapq.heappush(self.unfinished, (begin + seconds, self.batches, batch))
        return batch

    def _wait(self, count: int) -> None:
        self._lead(self.costs.look * len(self.unfinished))
        for _ in range(min(count, len(self.unfinished))):
            end, _, batch = heapq.heappop(self.unfinished)
            self.now = max(self.now, end)
            batch.known = True

    def _idle(self, begun: float, handed: float) -> None:
        """What workers lose between their last batch and the end of a step."""
        for free in self.free:
            since = max(free, begun)
            waits = max(0.0, min(handed, self.now) - since)
            self.lost["driver"] += waits
            self.lost["tail"] += max(0.0, self.now - since - waits)
