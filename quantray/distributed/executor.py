"""``OnRay``: the executor that runs units of work as Ray tasks."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import ray
from ray import exceptions as ray_errors

from quantray.errors import ClusterError, InputError, QuantrayError, first_line
from quantray.research.executor import Shared, run_unit

__all__ = ["OnRay"]

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")


_AHEAD = 8
"""Results that may wait for a slow unit before them, as a multiple of the units in flight."""


class _Stored(Shared[S]):
    """A shared value that lives in Ray's object store; its ``value`` is the reference that tasks resolve."""


class OnRay:
    """Maps over the workers of a Ray; ``cluster.connect`` makes one for settings.

    The shared value is stored once per node. Few units are in flight at a time, results come in the items' order,
    and a unit runs again only when its worker or node was lost; an exception in the function is final. When the
    consumer stops early, no further unit is handed out. An interrupted driver leaves the cluster, which ends its units
    in flight; they are not cancelled one by one, for Ray 2.60 aborts a driver whose cancellation meets a unit that is
    just completing.

    Parameters
    ----------
    cpus, gpus : reserved for each unit; a fraction lets units share a device.
    in_flight : units handed out at a time; by default twice what the cluster runs at once.
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
        own = {"runtime_env": {"env_vars": dict(variables)}} if variables else {}
        self._unit = ray.remote(run_unit).options(num_cpus=cpus, num_gpus=gpus, max_retries=retries, **own)

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
        threads = max(1, int(self._cpus))
        limit = self._in_flight or self._default_in_flight()
        waiting: deque[ray.ObjectRef] = deque()
        unfinished: set[ray.ObjectRef] = set()
        source, more = iter(items), True
        while True:
            while more and len(unfinished) < limit and len(waiting) < _AHEAD * limit:
                try:
                    item = next(source)
                except StopIteration:
                    more = False
                    break
                reference = self._unit.remote(fn, stored.value, item, threads)
                waiting.append(reference)
                unfinished.add(reference)
            if not waiting:
                return
            if waiting[0] in unfinished:
                # Results stay where they were made until their turn comes.
                done, _ = ray.wait(list(unfinished), num_returns=1, fetch_local=False)
                unfinished.difference_update(done)
            else:
                yield _result(waiting.popleft())

    def close(self) -> None:
        """Nothing is held; ``cluster.connect`` ends the Ray that it started."""

    def _default_in_flight(self) -> int:
        have = ray.cluster_resources()
        slots = have.get("CPU", 1.0) / self._cpus
        if self._gpus:
            slots = min(slots, have.get("GPU", 0.0) / self._gpus)
        if slots < 1:
            raise ClusterError(
                f"a unit needs {self._cpus:g} CPU and {self._gpus:g} GPU, more than this cluster has "
                f"({have.get('CPU', 0):g} CPU, {have.get('GPU', 0):g} GPU); lower cpus_per_task or gpus_per_task."
            )
        return max(2, 2 * int(slots))


def _result(reference: ray.ObjectRef) -> Any:
    try:
        return ray.get(reference)
    except ray_errors.RayTaskError as error:
        if isinstance(error.cause, QuantrayError):
            raise error.cause from error
        raise
    except (
        ray_errors.WorkerCrashedError,
        ray_errors.NodeDiedError,
        ray_errors.ObjectLostError,
        ray_errors.OutOfMemoryError,
    ) as error:
        raise ClusterError(
            f"a unit of work was lost for good ({type(error).__name__}: {first_line(error)}); run the same command "
            "again to continue, with more memory per worker or fewer at a time (cluster.cpus_per_task)."
        ) from error
