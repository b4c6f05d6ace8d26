"""The risk of a study's portfolios on a day: what they held, the market of that day, and the report of each."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from quantray import __version__
from quantray.analytics.page import Page
from quantray.analytics.snapshot import risk_model
from quantray.analytics.track import TrackRecord
from quantray.arrays import Float, Int, as_day
from quantray.backtest.accounts import DELIST_AFTER
from quantray.backtest.drift import drifted
from quantray.covariance.factor import FactorModel, statistical_factors
from quantray.data.panel import Panel
from quantray.errors import DataError, InputError
from quantray.features.liquidity import dollar_volume
from quantray.features.returns import carried_forward, simple_returns
from quantray.research.market import MarketData
from quantray.risk.limits import Limit
from quantray.risk.positions.holdings import Holdings
from quantray.risk.positions.market import Market
from quantray.risk.report import Before, ReportSettings, assess
from quantray.risk.reporting.page import joint_page
from quantray.risk.reporting.sections import RiskReport
from quantray.risk.stressing.scenarios import Scenario
from quantray.settings import checked
from quantray.storage.files import write_atomically
from quantray.studies.portfolios.finished import open_run

__all__ = ["Asked", "portfolio_risk", "run_risk", "write_risk"]

_YEARS = 2
"""Of the past that is replayed and, for most names, behind the risk model."""
_KNOWN = 0.9
"""Share of that past's days with a return that a name needs to have loadings of its own."""
_LEAST = 5
"""Names with such a past, below which there is no model."""
_VOLUME_DAYS = 21
_TERMS = ("level", "simulations", "backtest_days")
"""What is asked of a report in its own words."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be told of the portfolios."""

    limits: tuple[Limit, ...] = ()
    scenarios: Mapping[str, Scenario] | None = None
    level: float = 0.99
    """Of the value-at-risk that is split among positions."""
    simulations: int = 0
    """Scenarios of a Monte Carlo; 0 for none."""
    backtest_days: int = 0
    """Days of the past on which forecasts are tested; 0 for none."""
    nav: float | None = None
    """Money to be risked instead of that of the accounts."""
    half_spread_bps: float = 0.0
    """Where the data hold no spreads."""


@dataclass(frozen=True, eq=False)
class _Held:
    """What a portfolio holds at the close of a day."""

    columns: Int
    """(n,) of the panel."""
    weights: Float
    """(n,) fractions of NAV."""
    prices: Float
    """(n,) the last that are known."""
    nav: float


def run_risk(
    folder: Path, asked: Asked, *, portfolios: Sequence[str] = (), date: object | None = None
) -> dict[str, RiskReport]:
    """The risk of the portfolios of a finished run, on the data that it read.

    Parameters
    ----------
    portfolios : names of some of them; by default all.
    date : a day of its accounts; by default the last.

    Raises
    ------
    DataError
        As ``finished.open_run``, or a portfolio held nothing by the date.
    InputError
        As ``finished.open_run`` and ``report.assess``.
    """
    run = open_run(folder, portfolios)
    spread = replace(asked, half_spread_bps=run.settings.costs.half_spread_bps)
    return {record.name: portfolio_risk(run.data, record, spread, date=date) for record in run.records}


def write_risk(reports: Mapping[str, RiskReport], name: str, html: Path, numbers: Path | None = None) -> Page:
    """Write the page of some reports, and all of their numbers as JSON, portfolio -> report; returns the page.

    Raises
    ------
    DataError
        A file cannot be written.
    """
    days = ", ".join(dict.fromkeys(report.date for report in reports.values()))
    page = joint_page(reports, title="Risk", about=f"{name}, {days}")
    write_atomically(html, page.html((f"By quantray {__version__}.",), {}).encode())
    if numbers is not None:
        write_atomically(numbers, json.dumps({key: each.model_dump() for key, each in reports.items()}).encode())
    return page


def portfolio_risk(data: MarketData, record: TrackRecord, asked: Asked, *, date: object | None = None) -> RiskReport:
    """The risk of one portfolio at the close of a day of its accounts, by default the last.

    The risk model is of the names with prices on nine of ten days of the last two years. A name that is held with less
    has the mean loadings and the mean specific risk of its sector, and is marked.

    Raises
    ------
    DataError
        The portfolio held nothing by the day, or too few names have a past.
    InputError
        The day is none of the accounts, or as ``report.assess``.
    """
    day = record.dates[-1] if date is None else as_day(date)
    held = _held_on(data.panel, record, day)
    market, model, marks = _market(data, data.panel.row(day), held, asked.half_spread_bps)
    nav = held.nav if asked.nav is None else asked.nav
    holdings = Holdings.of_weights(market.drivers, held.weights, market.levels, nav=nav)
    past = record.returns[: int(np.searchsorted(record.dates, day))]
    report = assess(
        holdings,
        market,
        model,
        asked.limits,
        settings=checked(ReportSettings, {name: getattr(asked, name) for name in _TERMS}, "risk"),
        scenarios=asked.scenarios,
        before=Before(returns=past) if len(past) else None,
        universe={"name": data.panel.assets, "sector": sorted(set(data.sectors.values()))},
    )
    return report.model_copy(update={"marks": (*marks, *report.marks)})


def _held_on(panel: Panel, record: TrackRecord, day: np.datetime64) -> _Held:
    """Holdings of the last day of trading, drifted to a day; what is gone by then was sold."""
    if day not in record.dates:
        span = f"{record.dates[0]} to {record.dates[-1]}"
        raise InputError(f"{day} is no day of {record.name}; give a trading day of its accounts, {span}.")
    place = int(np.searchsorted(record.holding_dates, day, side="right")) - 1
    if place < 0:
        raise DataError(f"{record.name} held nothing by {day}; take a later day.")
    kept = np.flatnonzero(record.weights[place])
    columns = {asset: column for column, asset in enumerate(panel.assets.tolist())}
    where = np.array([columns[asset] for asset in record.assets[kept].tolist()], dtype=np.int64)
    first, last = panel.row(record.holding_dates[place]), panel.row(day)
    price, age = (each[first:] for each in carried_forward(panel.field("close")[: last + 1, where]))
    growth = price[1:] / price[:-1]
    paid = panel.fields.get("dividend_yield")
    # What is paid into cash leaves the holdings.
    if paid is not None and record.dividends.any():
        growth = growth - np.nan_to_num(paid[first + 1 : last + 1, where])
    navs = record.nav[np.searchsorted(record.dates, [record.holding_dates[place], day])]
    weights = drifted(record.weights[place][kept], growth.prod(axis=0), navs[1] / navs[0])
    there = (age[-1] < DELIST_AFTER) & (weights != 0)
    return _Held(where[there], weights[there], price[-1, there], float(navs[1]))


def _market(
    data: MarketData, row: int, held: _Held, half_spread_bps: float
) -> tuple[Market, FactorModel, tuple[str, ...]]:
    """The market of what is held at the close of a row, its risk model, and what stood in for what was not known."""
    panel, names = data.panel, data.panel.assets[held.columns]
    close = panel.field("close")[max(row - _YEARS * panel.periods_per_year, 0) : row + 1]
    returns = simple_returns(close)[1:]
    model, marks = _model(data, row, returns, held.columns)
    fields, unknown = panel.fields, np.full(len(names), np.nan)
    recent = slice(max(row - _VOLUME_DAYS + 1, 0), row + 1)
    adv, spread = unknown, unknown
    if "volume" in fields:
        money = dollar_volume(close[-_VOLUME_DAYS:][:, held.columns], fields["volume"][recent][:, held.columns])
        known = ~np.isnan(money).all(axis=0)
        adv = np.where(known, np.nanmedian(np.where(known, money, 0.0), axis=0), np.nan)
    if "half_spread_bps" in fields:
        spread = 2 * fields["half_spread_bps"][row, held.columns]
    market = Market(
        panel.dates[row],
        names,
        held.prices,
        panel.dates[max(row - _YEARS * panel.periods_per_year, 0) + 1 : row + 1],
        returns[:, held.columns],
        adv=adv,
        spread_bps=np.where(np.isnan(spread), 2 * half_spread_bps, spread),
        sectors=np.array([data.sectors.get(name, "") for name in names.tolist()], dtype=np.str_),
    )
    return market, model, marks


def _model(data: MarketData, row: int, returns: Float, columns: Int) -> tuple[FactorModel, tuple[str, ...]]:
    """The risk model of some columns."""
    panel = data.panel
    with np.errstate(invalid="ignore"):
        varies = np.nanmax(np.nan_to_num(returns), axis=0) > np.nanmin(np.nan_to_num(returns), axis=0)
    known = ((~np.isnan(returns)).mean(axis=0) >= _KNOWN) & ~np.isnan(panel.field("close")[row]) & varies
    if known.sum() < _LEAST:
        raise DataError(
            f"{int(known.sum())} names have prices on nine of ten days before {panel.dates[row]}; a risk model takes "
            f"{_LEAST}, so take a later day or longer data."
        )
    model, notes = risk_model(panel, row, known, data.sectors, statistical_factors(returns[:, known]))
    place = np.full(len(panel.assets), -1)
    place[known] = np.arange(known.sum())
    rows = place[columns]
    if (rows >= 0).all():
        return model.select(rows), ()
    sectors = np.array([data.sectors.get(name, "") for name in panel.assets.tolist()], dtype=np.str_)
    loadings, specific = model.loadings[np.maximum(rows, 0)], model.specific_variance[np.maximum(rows, 0)]
    for i in np.flatnonzero(rows < 0).tolist():
        alike = sectors[known] == sectors[columns[i]]
        alike = alike if alike.any() else np.ones(len(alike), dtype=np.bool_)
        loadings[i], specific[i] = model.loadings[alike].mean(axis=0), model.specific_variance[alike].mean()
    lost = panel.assets[columns[rows < 0]].tolist()
    more = f" and {len(lost) - 5:,} more" if len(lost) > 5 else ""
    mark = f"Too new for loadings of their own, so with the mean ones of their sector: {', '.join(lost[:5])}{more}."
    return FactorModel(loadings, model.factor_covariance, specific, model.factor_names, notes), (mark,)
