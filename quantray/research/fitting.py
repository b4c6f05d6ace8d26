"""Whether a planned study fits the machines that it is to run on, how long it takes there, and what to change."""

from collections.abc import Iterator
from dataclasses import dataclass

from quantray.research.planning import StudyPlan

__all__ = ["Fitted", "Fleet", "fit", "gibibytes", "most_at_once", "required_gb"]

_STORE_HEADROOM = 1.2
"""Of an object store, for results on their way."""


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Machines that are alike; the process that leads a study runs on one of them."""

    machines: int
    cpus: int
    """Of each; units take some of them."""
    memory_bytes: int
    """Of each, that nothing else holds."""
    cpus_per_task: float
    on_ray: bool
    """Whether units go to other processes."""
    here: bool
    """Whether it is this machine."""
    store_bytes: int | None = None
    """Of an object store on each, where its size is settled."""
    disk_bytes: int | None = None
    """Free where results go, where that is known."""
    runs: str = "runs"
    start_seconds: float = 0.0
    """Until the first unit begins."""
    unit_seconds: float = 0.0
    """For a unit to arrive and its result to leave."""
    batch_seconds: float = 0.0
    """Of work up to which units travel together."""
    slower: float = 1.0
    """A unit there, against the same unit in the process that leads."""

    @property
    def at_once(self) -> int:
        """Units of a machine that its CPUs work on at a time."""
        return max(1, int(self.cpus / self.cpus_per_task))

    @property
    def workers(self) -> int:
        """Of all machines."""
        return self.machines * self.at_once if self.on_ray else 1


@dataclass(frozen=True)
class Fitted:
    """A plan on machines."""

    workers: int
    machine_bytes: int
    """On the machine that leads, where most is held: its workers, what they share, and the process that leads."""
    total_bytes: int
    """On all machines."""
    seconds: float
    refusals: tuple[str, ...]
    """Why it cannot run there, each with the setting to change and to what; none where it fits."""


def fit(plan: StudyPlan, fleet: Fleet) -> Fitted:
    """Hold a plan against machines."""
    shared = plan.shared_bytes if fleet.on_ray else 0
    workers = fleet.at_once * max(0, plan.worker_bytes - shared) if fleet.on_ray else 0
    machine = workers + shared + plan.driver_bytes
    return Fitted(
        workers=fleet.workers,
        machine_bytes=machine,
        total_bytes=machine + (fleet.machines - 1) * (workers + shared),
        seconds=_seconds(plan, fleet),
        refusals=tuple(_refusals(plan, fleet, machine)),
    )


def most_at_once(plan: StudyPlan, fleet: Fleet) -> int:
    """Units that the memory of a machine allows at a time beside the process that leads; negative where not even it."""
    left = fleet.memory_bytes - plan.shared_bytes - plan.driver_bytes
    return left // max(1, plan.worker_bytes - plan.shared_bytes)


def required_gb(aum: float) -> float:
    """The requirement's formula of memory, in GB, by the money that is managed.

    Source: ``institutional-aum.md``, ``InstitutionalMemoryManager.estimate_memory_requirements``: 16 as a base, 8 for
    each billion, 32 for optimisation, 16 for attribution, 24 for risk and 8 for execution.
    """
    return 16 + 8 * aum / 1e9 + 32 + 16 + 24 + 8


def gibibytes(count: float) -> str:
    """Bytes for people."""
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 else f"{count / 2**20:,.0f} MiB"


def _seconds(plan: StudyPlan, fleet: Fleet) -> float:
    if not fleet.on_ray:
        return plan.seconds
    total = plan.driver_seconds + fleet.start_seconds
    for part in plan.parts:
        if part.units:
            one = fleet.slower * part.seconds / part.units
            one += fleet.unit_seconds * (min(1.0, one / fleet.batch_seconds) if fleet.batch_seconds else 1.0)
            at_once = min(fleet.workers, part.at_once or fleet.workers)
            total += one * max(1.0, part.units / at_once)
    return total


def _refusals(plan: StudyPlan, fleet: Fleet, machine: int) -> Iterator[str]:
    if machine > fleet.memory_bytes:
        yield _more_memory(plan, fleet, machine)
    if fleet.on_ray and fleet.store_bytes is not None and fleet.store_bytes < _STORE_HEADROOM * plan.shared_bytes:
        wanted = -(-int(_STORE_HEADROOM * plan.shared_bytes) // 2**20)
        yield (
            f"the units share {gibibytes(plan.shared_bytes)} and the object store is to hold "
            f"{gibibytes(fleet.store_bytes)}; set cluster.object_store_mb={wanted}"
        )
    if fleet.disk_bytes is not None and plan.disk_bytes > fleet.disk_bytes:
        yield (
            f"results take {gibibytes(plan.disk_bytes)} and {fleet.runs} has {gibibytes(fleet.disk_bytes)} free; set "
            f"runs= to a folder with {gibibytes(1.2 * plan.disk_bytes)}"
        )


def _more_memory(plan: StudyPlan, fleet: Fleet, machine: int) -> str:
    have = f"{gibibytes(fleet.memory_bytes)} {'free' if fleet.here else 'of a machine'}"
    said = f"{fleet.at_once if fleet.on_ray else 1} at a time need {gibibytes(machine)} of {have}"
    possible = most_at_once(plan, fleet)
    if not fleet.on_ray or possible < 1:
        least = plan.driver_bytes + (plan.worker_bytes if fleet.on_ray else 0)
        return f"{said}; take a machine with {gibibytes(1.2 * least)}, or fewer names in data.universe or days"
    if fleet.here:
        return f"{said}; set cluster.cpus={max(1, int(possible * fleet.cpus_per_task))}"
    return f"{said}; set cluster.cpus_per_task={fleet.cpus / possible:.3g}, so that {possible} run at a time"
