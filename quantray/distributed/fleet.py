"""The machines that settings of a cluster speak of, for planning: this one as it is, or others as described."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil
from joblib import cpu_count

from quantray.distributed.auto import RayCosts
from quantray.distributed.batches import batch_seconds
from quantray.distributed.cluster import object_store_bytes
from quantray.errors import InputError
from quantray.research.fitting import Fleet
from quantray.research.terms import ClusterSettings

__all__ = ["Elsewhere", "fleet_of"]

_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Elsewhere:
    """Machines of a cluster that is not here."""

    machines: int
    cpus: int
    """Of each."""
    memory_gib: float
    """Of each."""


def fleet_of(
    cluster: ClusterSettings, runs: str, shared_bytes: int, *, elsewhere: Elsewhere | None = None, on_ray: bool = False
) -> Fleet:
    """The machines that a study runs on.

    Parameters
    ----------
    runs : folder of results.
    shared_bytes : size of what its units share.
    elsewhere : the cluster that it is planned for; by default this machine.
    on_ray : whether a study of kind ``auto`` goes over to Ray.

    Raises
    ------
    InputError
        The settings name a cluster, and nothing says what it is made of.
    """
    costs = RayCosts()
    if elsewhere is not None:
        return Fleet(
            machines=elsewhere.machines,
            cpus=elsewhere.cpus,
            memory_bytes=int(elsewhere.memory_gib * 2**30),
            cpus_per_task=cluster.cpus_per_task,
            on_ray=True,
            here=False,
            runs=runs,
            unit_seconds=costs.unit_seconds,
            batch_seconds=batch_seconds(elsewhere.machines * int(elsewhere.cpus / cluster.cpus_per_task)),
            slower=costs.slower,
        )
    if cluster.kind == "address":
        raise InputError(
            f"nothing is known of the machines at {cluster.address}; say how many there are and what each has: "
            "--workers 4 --cpus 16 --memory 64."
        )
    rayed = cluster.kind == "local" or on_ray
    place = next(each for each in (Path(runs).resolve(), *Path(runs).resolve().parents) if each.exists())
    return Fleet(
        machines=1,
        cpus=cluster.cpus or cpu_count(),
        memory_bytes=_free_memory(),
        cpus_per_task=cluster.cpus_per_task,
        on_ray=rayed,
        here=True,
        store_bytes=object_store_bytes(cluster, shared_bytes) if rayed else None,
        disk_bytes=shutil.disk_usage(place).free,
        runs=runs,
        start_seconds=costs.start_seconds,
        unit_seconds=costs.unit_seconds,
        batch_seconds=batch_seconds(int((cluster.cpus or cpu_count()) / cluster.cpus_per_task)),
        slower=costs.slower,
    )


def _free_memory() -> int:
    """Bytes that are free here, within what a container may hold."""
    free = int(psutil.virtual_memory().available)
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = int((_CGROUP / "memory.current").read_text())
    except (OSError, ValueError):
        return free
    return min(free, int(limit) - used) if limit.isdecimal() else free
