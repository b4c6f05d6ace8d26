"""``quantray plan``: what a study will take, whether it fits, and what it will cost."""

import json as json_text
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quantray.errors import InputError
from quantray.terminal import show_table, tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantray.distributed.fleet import Elsewhere
    from quantray.research.fitting import Fitted, Fleet
    from quantray.research.planning import StudyPlan
    from quantray.research.prices import InstanceCost, Prices

__all__ = ["plan"]


def plan(
    config: Annotated[str, typer.Argument(help="YAML file with the settings of a study of any kind.")],
    change: Annotated[list[str] | None, typer.Option("--set", help="a.b=value; may be repeated.")] = None,
    calibrate: Annotated[float, typer.Option(min=0, help="Seconds for miniatures, on a free machine.")] = 20.0,
    workers: Annotated[int | None, typer.Option(min=1, help="Machines of a cluster that is not here.")] = None,
    cpus: Annotated[int | None, typer.Option(min=1, help="CPUs of each of them.")] = None,
    memory: Annotated[float | None, typer.Option(min=0.1, help="GiB of each of them.")] = None,
    prices: Annotated[Path | None, typer.Option(help="YAML file with prices of machines by the hour.")] = None,
    json: Annotated[bool, typer.Option("--json", help="All numbers as JSON, and no tables.")] = False,
) -> None:
    """Say what a study will take before it runs: units, memory, disk and time; exit code 2 where it does not fit."""
    from quantray.research.fitting import fit  # noqa: PLC0415
    from quantray.research.planning import plan_study  # noqa: PLC0415
    from quantray.research.prices import cost_table  # noqa: PLC0415
    from quantray.studies.kinds import read_study  # noqa: PLC0415

    elsewhere = _elsewhere(workers, cpus, memory)
    listed = None if prices is None else _read_prices(prices)
    kind, settings = read_study(config, change or [])
    planned = plan_study(kind, settings, calibrate=calibrate)
    fleet = _fleet(planned, settings, elsewhere)
    fitted = fit(planned, fleet)
    costs = () if listed is None else cost_table(planned, listed, fleet, machines=sorted({1, fleet.machines}))
    if json:
        print(json_text.dumps(_numbers(planned, fitted) | {"costs": [asdict(cost) for cost in costs]}, indent=2))
    else:
        _show(planned, fleet, fitted)
        if listed is not None:
            _show_costs(costs, listed)
    if fitted.refusals:
        raise InputError(f"{planned.name} does not fit: {'; '.join(fitted.refusals)}.")


def _read_prices(path: Path) -> "Prices":
    from quantray.research.prices import Prices  # noqa: PLC0415
    from quantray.settings import read_settings  # noqa: PLC0415

    return read_settings(Prices, path)


def _elsewhere(workers: int | None, cpus: int | None, memory: float | None) -> "Elsewhere | None":
    from quantray.distributed.fleet import Elsewhere  # noqa: PLC0415

    if (workers, cpus, memory) == (None, None, None):
        return None
    if workers is None or cpus is None or memory is None:
        raise InputError("--workers, --cpus and --memory describe a cluster together; give all three.")
    return Elsewhere(workers, cpus, memory)


def _fleet(planned: "StudyPlan", settings: Any, elsewhere: "Elsewhere | None") -> "Fleet":
    """Where the study runs; of kind auto, where it is done sooner."""
    from quantray.distributed.fleet import fleet_of  # noqa: PLC0415
    from quantray.research.fitting import fit  # noqa: PLC0415

    cluster = settings.cluster
    here = fleet_of(cluster, settings.runs, planned.shared_bytes, elsewhere=elsewhere)
    if elsewhere is not None or cluster.kind != "auto":
        return here
    ray = fleet_of(cluster, settings.runs, planned.shared_bytes, on_ray=True)
    return ray if fit(planned, ray).seconds < fit(planned, here).seconds else here


def _show(planned: "StudyPlan", fleet: "Fleet", fitted: "Fitted") -> None:
    from quantray.research.fitting import gibibytes, required_gb  # noqa: PLC0415

    rows = [(p.name, f"{p.units:,}", _span(p.seconds / max(p.units, 1)), _span(p.seconds)) for p in planned.parts]
    rows.append(("besides, in the process that leads", "", "", _span(planned.driver_seconds)))
    rows.append(("in one process", f"{planned.units:,}", "", _span(planned.seconds)))
    title = f"{planned.name}, {planned.kind}"
    show_table(("work", "units", "a unit", "all"), rows, title=title, right=(1, 2, 3))
    where = "this machine" if fleet.here else f"{fleet.machines:,} machines"
    ray = f"on Ray, {fitted.workers:,} units at a time" if fleet.on_ray else "in this process"
    needs = [
        ("where", f"{where}, {ray}"),
        ("time", f"{_span(fitted.seconds)}, with {_span(planned.cpu_seconds)} of processor time"),
        ("memory of a worker", gibibytes(planned.worker_bytes)),
        ("memory of the process that leads", gibibytes(planned.driver_bytes)),
        ("memory in all", f"{gibibytes(fitted.total_bytes)}; a machine has {gibibytes(fleet.memory_bytes)}"),
        ("object store", f"{gibibytes(planned.shared_bytes)} on each machine" if fleet.on_ray else "none"),
        ("disk", gibibytes(planned.disk_bytes) + _free(fleet)),
    ]
    if planned.aum is not None:
        asked = f"{required_gb(planned.aum):,.0f} GB for {planned.aum / 1e9:,.4g} billion"
        needs.append(("memory by the requirement's formula", f"{asked}: 96 GB and 8 a billion"))
    show_table(("", ""), needs, head=False)
    for note in planned.notes:
        tell(note)
    shares = ", ".join(f"{share:.0%}" for share in planned.miniatures)
    tell(f"carried over from miniatures (shares {shares}), which took {_span(planned.calibration_seconds)}")


def _show_costs(costs: "Sequence[InstanceCost]", prices: "Prices") -> None:
    rows = [
        (
            cost.instance,
            f"{cost.machines:,}",
            f"{cost.workers:,}" if cost.workers else "does not fit",
            _span(3600 * cost.hours) if cost.workers else "",
            "" if cost.on_demand is None else f"{cost.on_demand:,.4f}",
            "" if cost.spot is None else f"{cost.spot:,.4f}",
        )
        for cost in costs
    ]
    title = f"{prices.currency}, by prices of {prices.as_of} that the file says"
    columns = ("machine", "how many", "units at a time", "time", "on demand", "spot")
    show_table(columns, rows, title=title, right=(1, 2, 3, 4, 5))


def _free(fleet: "Fleet") -> str:
    from quantray.research.fitting import gibibytes  # noqa: PLC0415

    return "" if fleet.disk_bytes is None else f"; {Path(fleet.runs).resolve()} has {gibibytes(fleet.disk_bytes)} free"


def _numbers(planned: "StudyPlan", fitted: "Fitted") -> dict[str, Any]:
    from quantray.research.fitting import required_gb  # noqa: PLC0415

    summed = {name: getattr(planned, name) for name in ("units", "unit_seconds", "seconds", "cpu_seconds")}
    formula = {} if planned.aum is None else {"required_gb": required_gb(planned.aum)}
    return asdict(planned) | {"in_one_process": summed} | formula | {"fitted": asdict(fitted)}


def _span(seconds: float) -> str:
    if seconds < 0.1:
        return f"{1e3 * seconds:.1f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
