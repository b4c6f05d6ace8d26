"""What is kept of a study of capacity: numbers of every cell, the best of each size, and the report."""

import numpy as np
import pyarrow as pa

from quantray.analytics.bootstrap import Estimate
from quantray.analytics.sharpe_intervals import sharpe_difference, sharpe_interval
from quantray.research.kind import Findings, Work
from quantray.studies.capacity.report import CapacityInput, CellNumbers, capacity_page
from quantray.studies.capacity.settings import Cell
from quantray.studies.capacity.study import CapacityResult, CapacitySource, Replayed

__all__ = ["find_capacity"]


def find_capacity(source: CapacitySource, result: CapacityResult) -> Findings:
    """A table of all cells, metrics of each allocator at each size in its best cell, and the report."""
    settings, periods = source.settings, source.panel.periods_per_year
    rate = settings.accounting.cash_rate / periods
    numbers = {what: _numbers(each, rate, periods) for what, each in result.replayed.items()}
    names = [allocator.name for allocator in settings.allocators]
    best = {
        (name, aum): max((c for c in settings.cells if c.aum == aum), key=lambda cell: numbers[name, cell].sharpe)
        for name in names
        for aum in settings.aums
    }
    resampling = settings.resampling.build()

    def excess(name: str, aum: float) -> Replayed:
        return result.replayed[name, best[name, aum]]

    sharpes: dict[tuple[str, float], Estimate] = {}
    against: dict[tuple[str, float], Estimate] = {}
    for name, aum in best:
        series = excess(name, aum).net - rate
        sharpes[name, aum] = sharpe_interval(series, resampling=resampling, periods_per_year=periods)
        if name != settings.benchmark:
            base = excess(settings.benchmark, aum)
            own, other = _common(excess(name, aum), base)
            against[name, aum] = sharpe_difference(
                own - rate, other - rate, resampling=resampling, periods_per_year=periods
            )
    dates = next(iter(result.replayed.values())).dates
    tested = source.data.sample(dates)
    page = capacity_page(
        CapacityInput(
            title=settings.name,
            meta=f"Net of impact, {tested.first} to {tested.last} · {source.data.description} · {tested.names}",
            names=tuple(names),
            benchmark=settings.benchmark,
            aums=settings.aums,
            best=best,
            numbers=numbers,
            sharpes=sharpes,
            against=against,
            impact=settings.impact.law().name.replace("_", " "),
            warnings=source.data.survivors("returns are biased upward"),
        )
    )
    return Findings(
        digest=result.digest,
        page=page,
        work=Work(result.n_computed, result.n_reused, result.seconds),
        metrics={
            f"{name} at {aum:.3g}": _metrics(numbers[name, cell], sharpes[name, aum], cell)
            for (name, aum), cell in best.items()
        },
        tables={"cells": _table(numbers)},
        facts=tested.facts | {"n_cells": len(settings.cells)},
    )


def _numbers(found: Replayed, rate: float, periods: int) -> CellNumbers:
    excess = found.net - rate
    deviation = float(excess.std(ddof=1))
    years = len(found.net) / periods
    return CellNumbers(
        sharpe=float(excess.mean()) / deviation * np.sqrt(periods) if deviation > 0 else 0.0,
        annual_return=float(np.prod(1 + found.net) ** (1 / years) - 1),
        annual_cost=float(found.cost.sum() / years),
        turnover=float(found.turnover.sum() / years),
    )


def _common(own: Replayed, other: Replayed) -> tuple[np.ndarray, np.ndarray]:
    """Returns on the days that both have: cells of other lags begin on other days."""
    _, first, second = np.intersect1d(own.dates, other.dates, return_indices=True)
    return own.net[first], other.net[second]


def _metrics(found: CellNumbers, sharpe: Estimate, cell: Cell) -> dict[str, float | None]:
    return {
        "sharpe": found.sharpe,
        "sharpe_low": sharpe.interval.low,
        "sharpe_high": sharpe.interval.high,
        "annual_return": found.annual_return,
        "annual_cost": found.annual_cost,
        "turnover": found.turnover,
        "execution_days": float(cell.days),
    }


def _table(numbers: dict[tuple[str, Cell], CellNumbers]) -> pa.Table:
    rows = [
        {"allocator": name, "aum": cell.aum, "rebalance": cell.rebalance, "days": cell.days, **vars(found)}
        for (name, cell), found in numbers.items()
    ]
    return pa.Table.from_pylist(rows)
