"""A portfolio of a combination, explained: by strategy, and from the run's data by factor and regime."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from quantray.analytics.attribution.attribute import Explanation, attribute_returns
from quantray.analytics.attribution.factor import model_returns
from quantray.analytics.attribution.strategies import MOVING, StrategyShares
from quantray.analytics.reader import period_start
from quantray.arrays import Dates, Float, Int
from quantray.data.calendar import DEFAULT_EXCHANGE, periods_per_year
from quantray.errors import QuantrayError
from quantray.features.returns import simple_returns
from quantray.research.folder import Run, finished
from quantray.research.market import load_market
from quantray.settings import checked
from quantray.studies.combination.record import EQUAL, MIX
from quantray.studies.combination.settings import CombinationSettings
from quantray.studies.reports.inputs import (
    DATA_FIELDS,
    Explained,
    check_among,
    factor_models,
    market_regimes,
    run_table,
)

__all__ = ["explain_combination"]

_LONGEST_GAP = 4
"""Days between two daily closes as a rule."""
_MOST = 0.5
"""Share of the days before the first return on which a name must have a close to tell of factors."""


def explain_combination(run: Run, portfolio: str | None, period: str, attribution: bool) -> Explained:
    """Explain a portfolio of a combination; see ``explained.explain_run``.

    Its days have no holdings of names, so factors are those that it moved with, at betas of the whole time.
    """
    settings = checked(CombinationSettings, run.settings, str(run.folder))
    streams = run_table(run, "streams")
    names = [name for name in streams.column_names if name != "date" and not name.endswith((", turnover", ", costs"))]
    chosen = portfolio or MIX
    check_among(chosen, names)
    dates = streams["date"].to_numpy().astype("datetime64[D]")
    returns, other = (np.asarray(streams[name].to_numpy()) for name in (chosen, EQUAL if EQUAL in names else chosen))
    given = Explanation(benchmark=other, costs=_costs(run, streams, dates, chosen, settings.accounting.execution_lag))
    if chosen == MIX:
        given = replace(given, strategies=_shares(run, dates, settings.accounting.execution_lag))
    notes: list[str] = []
    warnings: tuple[str, ...] = ()
    year = _periods_per_year(settings, dates)
    if attribution:
        given, warnings = _from_data(settings, dates, given, notes)
    since = period_start(dates, period)
    whole, recent = (
        attribute_returns(chosen, dates, returns, replace(given, since=start), periods_per_year=year)
        for start in (None, since)
    )
    benchmark = EQUAL if chosen != EQUAL else ""
    return Explained(whole, recent, benchmark, 0.0, year, finished(run).data, warnings, tuple(notes))


def _from_data(
    settings: CombinationSettings, dates: Dates, given: Explanation, notes: list[str]
) -> tuple[Explanation, tuple[str, ...]]:
    """What the run's data add: factor returns and regimes; and what they warn of."""
    data = load_market(settings.data, settings.exchange, DATA_FIELDS)
    given = replace(given, regimes=market_regimes(data.panel, dates, notes))
    row = data.panel.row(dates[0])
    # Factors are of the names that there were when returns began.
    priced = np.isfinite(data.panel.field("close")[:row]).mean(axis=0) > _MOST
    panel = data.panel.select(data.panel.assets[priced])
    models = factor_models(panel, panel.assets, data.sectors, panel.dates[row - 1], notes)
    if models is not None:
        returns = simple_returns(panel.field("close"))[np.searchsorted(panel.dates, dates)]
        try:
            factors = model_returns(models, returns, dates)
            named = tuple(map(str, np.asarray(models[0][1].factor_names)))
            given = replace(given, factor_returns=factors, factor_names=named)
        except QuantrayError as error:
            notes.append(f"there are no factor returns: {error}")
    return given, data.survivors("returns of all portfolios are biased upward")


def _periods_per_year(settings: CombinationSettings, dates: Dates) -> int:
    weekly = len(dates) > 1 and np.median(np.diff(dates).astype(np.int64)) > _LONGEST_GAP
    return periods_per_year(settings.exchange or DEFAULT_EXCHANGE, bars="weekly" if weekly else "daily")


def _costs(run: Run, streams: pa.Table, dates: Dates, chosen: str, lag: int) -> dict[str, Float]:
    """What was paid for the strategies' own trades and for moving capital."""
    paid = np.asarray(streams[f"{chosen}, costs"].to_numpy())
    netting = _of(run_table(run, "netting"), chosen)
    moving = np.zeros(len(dates))
    moving[_starts(dates, netting["date"].to_numpy().astype("datetime64[D]"), lag)] = netting["moving_cost_net"]
    return {"strategies' trades": paid - moving, MOVING: moving}


def _of(netting: pa.Table, portfolio: str) -> pa.Table:
    return netting.filter(pc.equal(netting["portfolio"], portfolio))


def _starts(dates: Dates, decided: Dates, lag: int) -> Int:
    """(K,) first day that each decision earns on."""
    starts = np.maximum(np.searchsorted(dates, decided) + lag + 1, 0)
    starts[0] = 0
    return np.asarray(starts)


def _shares(run: Run, dates: Dates, lag: int) -> StrategyShares:
    """Capital of each strategy day by day, as it drifted between rebalances; see ``combination.study.hold_shares``."""
    strategies, decisions, netting = (run_table(run, name) for name in ("strategies", "decisions", "netting"))
    names = [name for name in strategies.column_names if name != "date"]
    earned = np.column_stack([strategies[name].to_numpy() for name in names])
    decided = np.unique(decisions["date"].to_numpy().astype("datetime64[D]"))
    share = np.asarray(decisions["share"].to_numpy()).reshape(len(decided), len(names))
    mine = _of(netting, MIX)
    gross, net = (np.asarray(mine[f"moving_cost_{kind}"].to_numpy()) for kind in ("gross", "net"))
    starts = _starts(dates, decided, lag).tolist()
    weights, moving, saved = np.zeros_like(earned), np.zeros(len(dates)), np.zeros(len(dates))
    for k, start in enumerate(starts):
        end = starts[k + 1] if k + 1 < len(starts) else len(dates)
        growth = np.vstack([np.ones(len(names)), np.cumprod(1 + earned[start:end], axis=0)[:-1]])
        money = share[k] * growth
        weights[start:end] = money / (money.sum(axis=1) + 1 - share[k].sum())[:, None]
        first = 1 + float(weights[start] @ earned[start])
        moving[start], saved[start] = gross[k] * first, (gross[k] - net[k]) * first
    return StrategyShares(names=names, weights=weights, returns=earned, netting=saved, moving=moving)
