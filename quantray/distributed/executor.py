"""``OnRay``: the executor that runs units of work as Ray tasks."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import ray
from ray import exceptions as ray_errors

from quantray.distributed.batches import AHEAD, AT_ONCE, BatchError, Ran, Waiting, run_batch
from quantray.errors import ClusterError, InputError, QuantrayError, first_line
from quantray.research.executor import Shared

__all__ = ["OnRay"]

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")


_LOST = (
    ray_errors.WorkerCrashedError,
    ray_errors.NodeDiedError,
    ray_errors.ObjectLostError,
    ray_errors.OutOfMemoryError,
)


class _Stored(Shared[S]):
    """A shared value that lives in Ray's object store; its ``value`` is the reference that tasks resolve."""


class OnRay:
    """Maps over the workers of a Ray; ``cluster.connect`` makes one for settings.

    The shared value is stored once per node. Units that take less than a tenth of a second travel in batches. Few
    batches are in flight at a time, results come in the items' order, and a unit runs again only when its worker or
    node was lost; the units of a lost batch run again one by one. An exception in the function is final. When the
    consumer stops early, no further unit is handed out. An interrupted driver leaves the cluster, which ends its units
    in flight; they are not cancelled one by one, for Ray 2.60 aborts a driver whose cancellation meets a unit that is
    just completing.

    Parameters
    ----------
    cpus, gpus : reserved for each unit; a fraction lets units share a device.
    in_flight : batches handed out at a time; by default twice what the cluster runs at once.
    retries : times a unit is run again after its worker or node was lost.
    variables : of the environment that workers start with; those that work without them are not used.
    start : called before the first use, to connect to Ray; a run that finds all its results needs none.
    """

    def __init__(
        self,
        *,
        cpus: float = 1.0,
        gpus: float = 0.0,
        in_flight: int | None = None,
        retries: int = 3,
        variables: Mapping[str, str] | None = None,
        start: Callable[[], None] | None = None,
    ) -> None:
        if not cpus > 0 or gpus < 0 or retries < 0 or (in_flight is not None and in_flight < 1):
            raise InputError("cpus must be positive, gpus and retries not negative, in_flight at least 1.")
        self._cpus, self._gpus, self._in_flight, self._start = cpus, gpus, in_flight, start
        self._retries = retries
        own = {"runtime_env": {"env_vars": dict(variables)}} if variables else {}
        # A lost batch is not run again as it is, for among its units may be the one that ended its worker.
        self._tasks = {
            tries: ray.remote(run_batch).options(num_cpus=cpus, num_gpus=gpus, max_retries=tries, **own)
            for tries in {0, max(0, retries - 1), retries}
        }

    def put(self, value: S) -> Shared[S]:
        """Store a value in the cluster's object store."""
        if self._start is not None and not ray.is_initialized():
            self._start()
        return _Stored(ray.put(value))

    def map(self, fn: Callable[[S, T], R], items: Iterable[T], *, shared: S | Shared[S]) -> Iterator[R]:
        """See ``research.executor.Executor.map``.

        Raises
        ------
        ClusterError
            A unit's worker or node was lost more often than it is retried, or its memory ran out.
        """
        if isinstance(shared, Shared):
            stored = shared if isinstance(shared, _Stored) else self.put(shared.value)
        else:
            stored = self.put(shared)
        workers, threads = self._workers(), max(1, int(self._cpus))

        def start(units: tuple[T, ...], retries: int) -> ray.ObjectRef:
            return self._tasks[retries].remote(fn, stored.value, units, threads)

        limit = self._in_flight or 2 * workers
        source, flight = Waiting(items, workers), _Flight(start, self._retries)
        while True:
            while flight.has_room(limit) and (units := source.take()):
                flight.add(units)
            if not flight.batches:
                return
            if not flight.is_ready():
                flight.wait(1 if source.ended else max(1, limit // AT_ONCE))
                continue
            yield from flight.first(source)

    def close(self) -> None:
        """Nothing is held; ``cluster.connect`` ends the Ray that it started."""

    def _workers(self) -> int:
        """Units that the cluster runs at a time."""
        have = ray.cluster_resources()
        slots = have.get("CPU", 1.0) / self._cpus
        if self._gpus:
            slots = min(slots, have.get("GPU", 0.0) / self._gpus)
        if slots < 1:
            raise ClusterError(
                f"a unit needs {self._cpus:g} CPU and {self._gpus:g} GPU, more than this cluster has "
                f"({have.get('CPU', 0):g} CPU, {have.get('GPU', 0):g} GPU); lower cpus_per_task or gpus_per_task."
            )
        return int(slots)


@dataclass(frozen=True, eq=False)
class _Batch(Generic[T]):
    units: tuple[T, ...]
    reference: ray.ObjectRef


class _Flight(Generic[T]):
    """Batches that were handed out and whose results nobody has had yet, in order.

    Parameters
    ----------
    start : hands out units that run again so many times if their worker is lost.
    retries : of a unit.
    """

    def __init__(self, start: Callable[[tuple[T, ...], int], ray.ObjectRef], retries: int) -> None:
        self._start, self._retries = start, retries
        self.batches: deque[_Batch[T]] = deque()
        self._unfinished: set[ray.ObjectRef] = set()

    def has_room(self, limit: int) -> bool:
        """Whether another batch may be handed out."""
        return len(self._unfinished) < limit and len(self.batches) < AHEAD * limit

    def is_ready(self) -> bool:
        """Whether the first batch is known to be finished."""
        return self.batches[0].reference not in self._unfinished

    def add(self, units: tuple[T, ...]) -> None:
        """Hand out the next units."""
        self.batches.append(self._handed(units, self._retries if len(units) == 1 else 0))

    def wait(self, count: int) -> None:
        """Until so many batches have finished; results stay where they were made until their turn comes."""
        unfinished = list(self._unfinished)
        done, _ = ray.wait(unfinished, num_returns=min(count, len(unfinished)), fetch_local=False)
        self._unfinished.difference_update(done)

    def first(self, source: Waiting[T]) -> Iterator[Any]:
        """The results of the first batch, of which the source learns; units of a lost one are handed out again."""
        batch = self.batches.popleft()
        try:
            ran: Ran[Any] = ray.get(batch.reference)
        except (ray_errors.RayTaskError, ray_errors.UnserializableException) as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, BatchError):
                yield from cause.results
                raise cause.failure from error
            if isinstance(cause, QuantrayError):
                raise cause from error
            if len(batch.units) == 1:
                raise
            # What one of them gave or raised cannot be sent. Alone, it takes no other along.
            self._alone(batch, self._retries)
            return
        except _LOST as error:
            if len(batch.units) == 1 or not self._retries:
                raise _lost(error) from error
            self._alone(batch, self._retries - 1)
            return
        source.learn(ran)
        yield from ran.results

    def _alone(self, batch: _Batch[T], retries: int) -> None:
        """Hand the units of a batch out again, one by one in its place."""
        self.batches.extendleft([self._handed((unit,), retries) for unit in batch.units][::-1])

    def _handed(self, units: tuple[T, ...], retries: int) -> _Batch[T]:
        batch = _Batch(units, self._start(units, retries))
        self._unfinished.add(batch.reference)
        return batch


def _lost(error: Exception) -> ClusterError:
    return ClusterError(
        f"a unit of work was lost for good ({type(error).__name__}: {first_line(error)}); run the same command "
        "again to continue, with more memory per worker or fewer at a time (cluster.cpus_per_task)."
    )
