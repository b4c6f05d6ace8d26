"""The risk of a day's book, and what its limits make of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from quantray.arrays import Float, Int
from quantray.covariance.factor import FactorModel
from quantray.daily.market import RISK_DAYS, DayMarket
from quantray.daily.targets import Targets
from quantray.errors import LimitBreachError
from quantray.features.liquidity import dollar_volume
from quantray.features.returns import simple_returns
from quantray.risk.limiting.cure import Trading, smallest_cure
from quantray.risk.limits import Limit, LimitUse, breaches, check
from quantray.risk.positions.book import Book
from quantray.risk.positions.holdings import Holdings
from quantray.risk.positions.market import Market
from quantray.risk.positions.sensitivities import sensitivities
from quantray.risk.report import Before, assess
from quantray.risk.stress import run_scenarios
from quantray.risk.stressing.scenarios import standard_scenarios
from quantray.studies.portfolios.trial import DayModel

__all__ = ["RiskView", "risk_report", "view", "within_limits"]

_VOLUME_DAYS = 21
_UNKNOWN = 0.9
"""Quantile of the specific variances that a name without a model gets."""
_LEVELS = (0.95, 0.99)


@dataclass(frozen=True, eq=False)
class RiskView:
    """The names of some targets as the room of risk sees them."""

    market: Market
    model: FactorModel
    unmodelled: tuple[str, ...]
    """Names without a model of risk, which are taken for volatile ones."""
    universe: Mapping[str, Sequence[str]]
    """All names and sectors of the market, which limits may name."""


def view(targets: Targets, market: DayMarket, model: DayModel, *, half_spread_bps: float) -> RiskView:
    """What is known of the risk of all names that are held or wanted.

    Parameters
    ----------
    half_spread_bps : of names whose spread nobody quotes.
    """
    names = targets.symbols
    of_names, without = _model_of(names.tolist(), model)
    place = {name: i for i, name in enumerate(market.panel.assets.tolist())}
    column = np.array([place.get(name, -1) for name in names.tolist()], dtype=np.int64)
    recent = slice(max(len(market.panel.dates) - RISK_DAYS - 1, 0), None)
    drivers = Market(
        date=np.datetime64(market.day),
        drivers=names,
        levels=targets.prices,
        dates=market.panel.dates[recent][1:],
        changes=_columns(simple_returns(market.panel.field("close")[recent])[1:], column),
        adv=_volumes(market, column),
        spread_bps=np.full(len(names), 2 * half_spread_bps),
        sectors=np.array([market.sectors.get(name, "") for name in names.tolist()]),
    )
    universe = {"name": market.panel.assets.tolist(), "sector": sorted(set(market.sectors.values()))}
    return RiskView(drivers, of_names, without, universe)


def within_limits(targets: Targets, seen: RiskView, limits: Sequence[Limit]) -> tuple[Targets, tuple[str, ...]]:
    """Targets that keep every hard limit whose action is to reduce, by the smallest trade, and what that took.

    Raises
    ------
    LimitBreachError
        A hard limit whose action is to stop is broken, or one whose action is to reduce and no sale cures it.
    InfeasibleError, SolverError
        As ``risk.cure.smallest_cure``.
    """
    if not limits or len(targets.symbols) == 0:
        return targets, ()
    book = _book(targets, seen)
    uses = check(limits, book)
    notes = tuple(f"limit {use.name} cannot be counted: {use.note}" for use in uses if use.state == "unknown")
    broken = breaches(uses, "hard")
    stopping = [use for use in broken if use.action == "stop"]
    if stopping:
        raise LimitBreachError(_told(stopping[0]))
    reducing = [limit for limit in limits if limit.action == "reduce"]
    wrong = [use.name for use in broken if use.action == "reduce"]
    if not wrong:
        return targets, notes
    cure = smallest_cure(reducing, book, trading=Trading())
    if cure.left:
        raise LimitBreachError(f"limit {cure.left[0]!r} is broken by what has happened, and no trade cures it.")
    # Towards zero, so that whole shares keep what weights keep.
    wanted = (book.weights + cure.trades) * targets.nav / targets.prices
    changed = np.abs(cure.trades) > 1e-9
    after = np.where(changed, np.trunc(wanted + 1e-6 * np.sign(wanted)), targets.after).astype(np.int64)
    note = f"reduced by {cure.traded:.2%} of NAV to keep {', '.join(dict.fromkeys(wrong))}"
    return replace(targets, after=after), (*notes, note)


def risk_report(targets: Targets, seen: RiskView, limits: Sequence[Limit]) -> dict[str, Any]:
    """The report of what is wanted, as JSON: its main figures, the use of each limit, and the whole.

    Raises
    ------
    InputError
        As ``risk.report.assess``.
    """
    if not targets.after.any():
        return {"limits": [], "notes": ["nothing is held"]}
    before = Before(previous=targets.weights_before)
    report = assess(_holdings(targets), seen.market, seen.model, limits, before=before, universe=seen.universe)
    estimates = [(level, report.market.estimate(level)) for level in _LEVELS]
    figures = {f"var_{level * 100:.0f}": each.var for level, each in estimates}
    figures |= {f"es_{level * 100:.0f}": each.es for level, each in estimates}
    names = ", ".join(seen.unmodelled[:5])
    notes = [f"names without a model of risk, taken for volatile ones: {len(seen.unmodelled)}, such as {names}"]
    return {
        **figures,
        "volatility": report.factors.volatility,
        "limits": [
            {"name": use.name, "scope": use.scope, "usage": use.usage, "state": use.state} for use in report.limits
        ],
        "notes": notes if seen.unmodelled else [],
        "report": report.model_dump(mode="json"),
    }


def _holdings(targets: Targets) -> Holdings:
    return Holdings(targets.symbols, targets.after.astype(np.float64), targets.nav)


def _book(targets: Targets, seen: RiskView) -> Book:
    holdings = _holdings(targets)
    deltas = sensitivities(holdings, seen.market)
    stressed = run_scenarios(holdings, seen.market, standard_scenarios(), seen.model, seen=deltas)
    losses = {each.name: each.by_position for each in stressed}
    return Book.of(
        holdings,
        seen.market,
        seen.model,
        deltas,
        scenarios=losses,
        previous=targets.weights_before,
        universe=seen.universe,
    )


def _told(use: LimitUse) -> str:
    return (
        f"limit {use.name!r} is at {use.value:.4g} and must not pass {use.hard:.4g}; nothing was decided. Reduce "
        "what is held by hand, or have the limit's action be reduce."
    )


def _model_of(names: Sequence[str], model: DayModel) -> tuple[FactorModel, tuple[str, ...]]:
    """The model of some names, and those of them that it has not: they get mean loadings and much risk of their own."""
    place = {name: i for i, name in enumerate(model.assets.tolist())}
    rows = np.array([place.get(name, -1) for name in names], dtype=np.int64)
    own = model.model
    loadings = np.where((rows >= 0)[:, None], own.loadings[rows], own.loadings.mean(axis=0))
    specific = np.where(rows >= 0, own.specific_variance[rows], np.quantile(own.specific_variance, _UNKNOWN))
    without = tuple(name for name, row in zip(names, rows.tolist(), strict=True) if row < 0)
    return FactorModel(loadings, own.factor_covariance, specific, own.factor_names), without


def _volumes(market: DayMarket, column: Int) -> Float:
    """(N,) money traded on a usual day; NaN where nobody knows."""
    if "volume" not in market.panel.fields:
        return np.full(len(column), np.nan)
    recent = slice(max(len(market.panel.dates) - _VOLUME_DAYS, 0), None)
    money = dollar_volume(market.panel.field("close")[recent], market.panel.field("volume")[recent])
    mean = np.nan_to_num(money).mean(axis=0)
    return np.asarray(_columns(np.where(mean > 0, mean, np.nan)[None], column)[0])


def _columns(values_tn: Float, column: Int) -> Float:
    """(T, N) columns of a panel; NaN where there is none."""
    return np.where(column >= 0, values_tn[:, column], np.nan)
