"""What a planned study costs on machines that are rented, by prices that somebody wrote down; none is known here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from pydantic import Field, field_validator

from quantray.research.fitting import Fleet, fit, most_at_once
from quantray.research.planning import StudyPlan
from quantray.settings import SettingsModel

__all__ = ["Instance", "InstanceCost", "Prices", "cost_table"]


class Instance(SettingsModel):
    """A kind of machine, by the hour."""

    name: str
    vcpus: int = Field(ge=1)
    """Threads of its processors, each of which counts as one CPU of the machine that the plan was made on."""
    memory_gib: float = Field(gt=0)
    on_demand: float = Field(ge=0)
    spot: float | None = Field(None, ge=0)
    """None where there are none."""


class Prices(SettingsModel):
    """A file of prices, which its owner keeps up to date."""

    currency: str = Field(min_length=1, max_length=10)
    as_of: date
    """When the prices were looked up."""
    instances: tuple[Instance, ...] = Field(min_length=1)

    @field_validator("instances")
    @classmethod
    def _names(cls, instances: tuple[Instance, ...]) -> tuple[Instance, ...]:
        names = [each.name for each in instances]
        if len(set(names)) != len(names):
            raise ValueError(f"names of instances repeat: {', '.join(names)}")
        return instances


@dataclass(frozen=True)
class InstanceCost:
    """A study on machines of one kind."""

    instance: str
    machines: int
    workers: int
    """Units at a time, of all machines; 0 where not one fits into the memory of a machine."""
    hours: float
    on_demand: float | None
    """Of all machines for that time; None where it does not fit."""
    spot: float | None


def cost_table(
    plan: StudyPlan, prices: Prices, fleet: Fleet, *, machines: Sequence[int] = (1,)
) -> tuple[InstanceCost, ...]:
    """What a study costs on each kind of machine, and on so many of them.

    As many units work at a time as the CPUs and the memory of a machine allow. Machines are paid from the first unit to
    the end of the study: what they take to start is not in it, nor are disks and traffic.

    Parameters
    ----------
    fleet : says how many CPUs a unit takes, and what a unit on a cluster takes longer.
    """
    return tuple(_cost(plan, instance, fleet, count) for instance in prices.instances for count in machines)


def _cost(plan: StudyPlan, instance: Instance, fleet: Fleet, machines: int) -> InstanceCost:
    rented = replace(
        fleet,
        machines=machines,
        cpus=instance.vcpus,
        memory_bytes=int(instance.memory_gib * 2**30),
        on_ray=True,
        here=False,
        store_bytes=None,
        disk_bytes=None,
    )
    possible = min(rented.at_once, most_at_once(plan, rented))
    if possible < 1:
        return InstanceCost(instance.name, machines, 0, 0.0, None, None)
    found = fit(plan, replace(rented, cpus_per_task=instance.vcpus / possible))
    hours = found.seconds / 3600
    spot = None if instance.spot is None else machines * hours * instance.spot
    return InstanceCost(instance.name, machines, found.workers, hours, machines * hours * instance.on_demand, spot)
