"""Units of three sorts, run as a study runs them, and what each thing costs the process that leads and the workers."""

import contextlib
import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import perf_counter, process_time, sleep, thread_time
from typing import Any

import psutil
import pyarrow as pa
import ray
from _stall import Costs
from bench_walk_forward import Work

from quantray.arrays import digest
from quantray.research.executor import Executor, Shared
from quantray.research.metering import Clock
from quantray.research.provenance import Origin, unit_key
from quantray.research.results import ResultStore
from quantray.research.units import Unit, Workplace, complete, metered
from quantray.studies.portfolios.trial import StudyData, run_trial, trial_units

_ORIGIN = Origin(("quantray.arrays:digest",), ("numpy",))
_IDLE_SECONDS = 5.0
_REFERENCES = 1000


@dataclass(frozen=True)
class Pause:
    """A unit that sleeps."""

    number: int
    seconds: float

    @cached_property
    def key(self) -> str:
        return unit_key([], {"number": self.number, "seconds": self.seconds}, origin=_ORIGIN)


def run_pause(data: StudyData, pause: Pause) -> str:
    """Sleep, and keep a result, as a unit of a study does."""
    key = pause.key
    if not data.results.has(key):
        sleep(pause.seconds)
        data.results.put(key, pa.table({"number": [pause.number]}))
    return key


@dataclass(frozen=True, eq=False)
class Job:
    """Units and what they share."""

    work: Work
    pauses: tuple[Pause, ...] = ()
    """In place of the work's units, where there are any."""

    def units(self) -> list[Unit[Any]]:
        if self.pauses:
            return [Unit(pause.key, pause, _ORIGIN) for pause in self.pauses]
        return list(trial_units(self.work.panel, self.work.trials))


def pauses(work: Work, count: int, seconds: float) -> Job:
    return Job(work, tuple(Pause(number, seconds) for number in range(count)))


@dataclass(frozen=True)
class Ran:
    """What units took."""

    units: int
    seconds: float
    driver_seconds: float
    """Of its processor, keys left out: of all its threads."""
    own_seconds: float
    """Of that, in the thread that leads, calls of Ray included; the rest is of threads that Ray has in the process."""
    key_seconds: float
    """Of its processor, for the keys, which are all made before the first unit is handed out."""
    unit_seconds: float
    """Of the processors of whoever ran the units, in them."""
    unit_clock: float
    """Seconds in units, with what they wait for, such as the disk."""
    worker_seconds: float
    """Of the workers' processors, in units and on their way; 0 without workers."""
    store_bytes: tuple[int, ...]
    """In the object store of each machine while the units were there."""
    digest: str
    """Of all results."""


def ran(executor: Executor, job: Job) -> Ran:
    """Run a job from nothing."""
    with tempfile.TemporaryDirectory() as folder, metered() as meter:
        data = StudyData(job.work.panel, ResultStore(Path(folder)))
        cpu = process_time()
        units = job.units()
        keyed = process_time() - cpu
        place = Workplace(executor, data)
        before, began, cpu, own = _workers_cpu(), perf_counter(), process_time(), thread_time()
        done = complete(place, run_pause if job.pauses else run_trial, units, label="units")
        seconds, driver, own = perf_counter() - began, process_time() - cpu, thread_time() - own
        kept = [data.results.get(key).to_pydict() for key in done.keys if data.results.has(key)]
        took = meter.took(0).parts.values()
        return Ran(
            units=len(units),
            seconds=seconds,
            driver_seconds=driver,
            own_seconds=own,
            key_seconds=keyed,
            unit_seconds=sum(part.cpu_seconds for part in took),
            unit_clock=sum(part.seconds for part in took),
            worker_seconds=_workers_cpu() - before,
            store_bytes=store_bytes(),
            digest=digest([*done.keys, str(kept)]),
        )


def _workers_cpu() -> float:
    """Seconds of the processors of this process's workers, so far."""
    found = 0.0
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error, IndexError):
            if child.cmdline()[0].startswith("ray::"):
                times = child.cpu_times()
                found += times.user + times.system
    return found


class _Instant:
    """Sends units nowhere, and has their results at once: what is left is the work of who leads a study."""

    def put(self, value: Any) -> Shared[Any]:
        return Shared(value)

    def map(self, fn: Callable[[Any, Any], Any], items: Iterable[Any], *, shared: Any) -> Iterator[Any]:
        spent = pickle.dumps(Clock().spent())
        for item in items:
            pickle.dumps((fn, item), protocol=5)
            yield (item.item.key,), pickle.loads(spent)

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True)
class Bare:
    """What the leading process takes for tasks of Ray with nothing of ours around them."""

    tasks: int
    seconds: float
    driver_seconds: float
    own_seconds: float


def _asleep(seconds: float) -> None:
    sleep(seconds)


def bare(workers: int, count: int, seconds: float) -> Bare:
    """Tasks that sleep, twice as many in flight as there are workers, as ``OnRay`` has them."""
    task = ray.remote(_asleep)
    began, cpu, own = perf_counter(), process_time(), thread_time()
    flight: list[Any] = []
    for number in range(count + 2 * workers):
        if number >= 2 * workers:
            (done,), flight = ray.wait(flight, num_returns=1, fetch_local=False)
            ray.get(done)
        if number < count:
            flight.append(task.remote(seconds))
    return Bare(count, perf_counter() - began, process_time() - cpu, thread_time() - own)


def idle() -> float:
    """Seconds of the processor that this process takes in a second in which it does nothing, connected as it is."""
    begun = process_time()
    sleep(_IDLE_SECONDS)
    return (process_time() - begun) / _IDLE_SECONDS


def costs_of(work: Work, waits: Ran, quick: Ran, *, idle: float, key: float, start: float) -> Costs:
    """What things cost, from runs on one worker of a Ray that still runs.

    Parameters
    ----------
    waits : of units that travel alone.
    quick : of units that do nothing.
    idle : seconds of the leading process in a second in which it does nothing.
    key : seconds of the leading process for the key of a unit of work.
    start : seconds until the first unit of work has run.
    """
    alone = ran(_Instant(), pauses(work, 400, 0.0))
    unit = alone.driver_seconds / alone.units
    return Costs(
        key=key,
        task=max(0.0, (waits.driver_seconds - idle * waits.seconds) / waits.units - unit),
        unit=unit,
        look=_look(),
        way=max(0.0, waits.worker_seconds - waits.unit_seconds) / waits.units,
        write=quick.unit_clock / quick.units,
        start=start,
    )


def _look() -> float:
    """Seconds of a look at what is done, for each result that is waited for."""
    references = [ray.put(None) for _ in range(_REFERENCES)]
    begun, count = process_time(), 10
    for _ in range(count):
        ray.wait(references, num_returns=1, fetch_local=False)
    return (process_time() - begun) / count / _REFERENCES


def store_bytes() -> tuple[int, ...]:
    """Bytes in the object store of each machine; none without Ray."""
    if not ray.is_initialized():
        return ()
    # Ray tells them to its dashboard, which does not run here.
    from ray._private.internal_api import node_stats  # noqa: PLC0415

    found = [node_stats(node["NodeManagerAddress"], node["NodeManagerPort"], True) for node in ray.nodes()]
    return tuple(int(one.store_stats.object_store_bytes_used) for one in found)
