"""The risk of a book in one call: what can be lost, by what, how fast it can be sold, and which limits that meets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from pydantic import Field

from quantray.arrays import TRADING_DAYS, Float, Names
from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.risk.concentration import Concentration, concentration_report
from quantray.risk.factor import GroupRisk, RiskBreakdown, risk_breakdown
from quantray.risk.forecasting.quantiles import normal_quantile
from quantray.risk.forecasting.second_order import normal_tail
from quantray.risk.forecasting.simulation import ScenarioLaw
from quantray.risk.limits import Limit, check
from quantray.risk.liquidity import LiquidityRisk, funding_need, liquidity_risk
from quantray.risk.positions.book import Book
from quantray.risk.positions.holdings import Holdings
from quantray.risk.positions.market import Market
from quantray.risk.positions.sensitivities import Sensitivities, sensitivities
from quantray.risk.reporting import sections
from quantray.risk.reporting.book_backtest import backtested
from quantray.risk.reporting.estimates import DEFAULT, Past, can_tell, replayed, simulated, tail_losses, worst_days
from quantray.risk.reporting.sections import RiskReport
from quantray.risk.stress import StressResult, run_scenarios
from quantray.risk.stressing.scenarios import Scenario, standard_scenarios
from quantray.settings import SettingsModel

__all__ = ["Before", "ReportSettings", "assess"]


class ReportSettings(SettingsModel):
    """What a report is to say, where there is a choice."""

    level: float = Field(0.99, gt=0.5, lt=1)
    """Of the value-at-risk that is split among positions, groups and factors."""
    participation: float = Field(0.10, gt=0, le=1)
    """Share of a day's volume that may be sold."""
    cash: float | None = None
    """Free of margin, a fraction of NAV; where it is given, the need for funding is told."""
    redemptions: float = Field(0.0, ge=0)
    """To be paid, a fraction of NAV."""
    margin: float = Field(0.0, ge=0)
    """To be paid, a fraction of NAV."""
    simulations: int = Field(0, ge=0)
    """Scenarios of a Monte Carlo; 0 for none."""
    degrees: float = Field(5.0, gt=2)
    """Of freedom of its Student's t; infinite for normal returns."""
    seed: int = Field(0, ge=0)
    """Of the Monte Carlo."""
    backtest_days: int = Field(0, ge=0)
    """Days of the past on which the default method is held against today's book; 0 for none."""
    top: int = Field(10, ge=1)
    """How many of the largest to name."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Before:
    """What a book did before today, for limits that ask for it; see ``Book``."""

    previous: Float | None = None
    returns: Float | None = None
    strategy_returns: Mapping[str, Float] = field(default_factory=dict)


def assess(
    holdings: Holdings,
    market: Market,
    model: FactorModel,
    limits: Sequence[Limit] = (),
    *,
    settings: ReportSettings | None = None,
    scenarios: Mapping[str, Scenario] | None = None,
    trades: Mapping[str, Float] | None = None,
    before: Before | None = None,
    universe: Mapping[str, Sequence[str] | Names] | None = None,
) -> RiskReport:
    """The risk report of a book.

    Parameters
    ----------
    model : covariance of a day, of the market's drivers in their order.
    scenarios : by name, beside the standard ones, which they may replace.
    trades : name of a basket -> (N,) changes of quantities, whose effect on the value-at-risk is told.
    before : for limits on turnover, drawdown and correlation.
    universe : kind, such as strategy -> what else there is of it, which limits may name; see ``Book``.

    Raises
    ------
    InputError
        As ``sensitivities.sensitivities``, ``stress.run_scenarios`` and ``limits.check``; or the model is not of the
        market's drivers.
    """
    terms, before = settings or ReportSettings(), before or Before()
    seen = sensitivities(holdings, market)
    split = risk_breakdown(holdings, market, model, seen=seen)
    stressed = run_scenarios(holdings, market, {**standard_scenarios(), **(scenarios or {})}, model, seen=seen)
    book = Book.of(
        holdings,
        market,
        model,
        seen,
        scenarios={each.name: each.by_position for each in stressed},
        previous=before.previous,
        returns=before.returns,
        strategy_returns=before.strategy_returns,
        universe=universe or {},
    )
    past = replayed(holdings, market, model, seen)
    liquidity = liquidity_risk(book, participation=terms.participation, level=terms.level)
    quantile = normal_quantile(terms.level)
    parts = book.var_parts(terms.level)
    return RiskReport(
        date=str(market.date),
        currency=market.base_currency,
        nav=float(holdings.nav),
        level=terms.level,
        n_positions=len(holdings),
        net=float(seen.notional.sum()),
        gross=float(np.abs(seen.notional).sum()),
        market=sections.MarketRisk(
            default=DEFAULT,
            n_days=len(past.gains),
            estimates=tail_losses(past.gains, book.tail),
            trades=_trades(trades or {}, holdings, market, book, terms.level),
        ),
        factors=_factors(split, quantile),
        positions=_positions(holdings, seen, parts, liquidity, worst_days(holdings, market, past, seen, terms.level)),
        groups={kind: _groups(each, book.grouped[kind].sums(parts)) for kind, each in split.groups.items()},
        concentration=_concentration(book, terms.top),
        liquidity=_liquidity(liquidity, book, terms),
        stress=tuple(_scenario(each) for each in stressed),
        limits=tuple(sections.LimitState(**vars(use)) for use in check(limits, book)),
        simulation=_simulation(holdings, market, model, seen, terms),
        backtest=backtested(market, past, terms.backtest_days, terms.level) if terms.backtest_days else None,
        marks=_marks(past, liquidity, book, terms.level),
    )


def _simulation(
    holdings: Holdings, market: Market, model: FactorModel, seen: Sensitivities, terms: ReportSettings
) -> sections.Simulation | None:
    if not terms.simulations:
        return None
    law = ScenarioLaw(n_scenarios=terms.simulations, degrees=terms.degrees, seed=terms.seed)
    return simulated(holdings, market, model, seen, law)


def _trades(
    trades: Mapping[str, Float], holdings: Holdings, market: Market, book: Book, level: float
) -> tuple[sections.TradeEffect, ...]:
    model, found, var = book.needed("model", "trades"), list[sections.TradeEffect](), book.tail(level).var
    for name, change in trades.items():
        if np.shape(change) != holdings.quantity.shape or not np.isfinite(change).all():
            raise InputError(f"trade {name!r} is {np.shape(change)} for {len(holdings)} positions; give each a number.")
        held = holdings.quantity != 0
        if book.bends or change[~held].any():
            whole = sensitivities(replace(holdings, quantity=holdings.quantity + change), market)
            after = normal_tail(model, whole.exposure, whole, level=level).var
            first = book.growth(sensitivities(replace(holdings, quantity=change), market), level)
        else:
            # What is held and straight needs not be priced again.
            exposure = book.part(np.divide(change, holdings.quantity, out=np.zeros(len(change)), where=held))
            after = normal_tail(model, book.exposure + exposure, level=level).var
            first = book.linear_growth(exposure, level)
        found.append(sections.TradeEffect(name=name, exact=after - var, first_order=first))
    return tuple(found)


def _factors(split: RiskBreakdown, quantile: float) -> sections.FactorRisk:
    tree = split.tree
    scale = quantile / tree.volatility if tree.variance > 0 else 0.0
    groups = zip(tree.groups, (tree.group_variance * scale).tolist(), strict=True)
    rows = zip(tree.factor_names.tolist(), tree.exposures.tolist(), (tree.by_factor * scale).tolist(), strict=True)
    return sections.FactorRisk(
        volatility=tree.volatility,
        yearly_volatility=tree.volatility * float(np.sqrt(TRADING_DAYS)),
        groups=tuple(sections.FactorGroup(name=name, component_var=part) for name, part in groups),
        factors=tuple(sections.Factor(name=name, exposure=loading, component_var=part) for name, loading, part in rows),
        specific_var=tree.specific_variance * scale,
        tree=tree.text(),
    )


def _groups(split: GroupRisk, parts: Float) -> tuple[sections.Group, ...]:
    columns = (split.net.tolist(), split.gross.tolist(), parts.tolist())
    return tuple(
        sections.Group(name=name, net=net, gross=gross, component_var=part)
        for name, net, gross, part in zip(split.names, *columns, strict=True)
    )


def _positions(
    holdings: Holdings, seen: Sensitivities, component: Float, liquidity: LiquidityRisk, worst: Float | None
) -> sections.PositionRisk:
    marginal = np.divide(component, seen.notional, out=np.full(len(component), np.nan), where=seen.notional != 0)
    # Nine thousand numbers are not looked at again: whatever is not known is None already.
    return sections.PositionRisk.model_construct(
        names=holdings.listed,
        value=tuple(seen.value.tolist()),
        exposure=tuple(seen.notional.tolist()),
        component_var=tuple(component.tolist()),
        marginal_var=_known(marginal),
        component_es=(None,) * len(component) if worst is None else tuple(worst.tolist()),
        days=_known(liquidity.days),
        score=tuple(liquidity.scores.tolist()),
        cost=_known(liquidity.costs),
    )


def _concentration(book: Book, top: int) -> tuple[sections.Concentrated, ...]:
    found = concentration_report(book, top=top)
    parts = {"name": found.names, **found.groups, "factor": found.factors, "risk of a name": found.risk}
    return tuple(_concentrated(of, each) for of, each in parts.items() if each is not None)


def _concentrated(of: str, each: Concentration) -> sections.Concentrated:
    return sections.Concentrated(of=of, herfindahl=each.herfindahl, effective=each.effective, largest=each.largest)


def _liquidity(found: LiquidityRisk, book: Book, terms: ReportSettings) -> sections.Liquidity:
    funding = None
    if terms.cash is not None:
        need = funding_need(
            book,
            found.days,
            cash=terms.cash,
            redemptions=terms.redemptions,
            margin=terms.margin,
            horizons=found.horizons,
        )
        funding = sections.FundingNeed(
            margin=need.margin,
            redemptions=need.redemptions,
            cash=need.cash,
            need=need.need,
            raised=need.by_horizon,
            days=need.days,
        )
    return sections.Liquidity(
        participation=terms.participation,
        horizons=found.horizons,
        sold=found.sold,
        longest=found.longest,
        spread_cost=found.spread_cost,
        impact_cost=found.impact_cost,
        var=found.var,
        adjusted_var=found.adjusted_var,
        multiplier=found.multiplier,
        unknown=found.unknown,
        unquoted=found.unquoted,
        funding=funding,
    )


def _scenario(found: StressResult) -> sections.ScenarioLoss:
    parts = dict(found.groups)
    if found.by_factor is not None:
        parts["factor"] = found.by_factor
    return sections.ScenarioLoss(
        name=found.name,
        loss=found.loss,
        source=found.source,
        by=tuple(
            sections.LossParts(kind=kind, names=each.names, losses=tuple(each.losses.tolist()))
            for kind, each in parts.items()
        ),
        notes=found.notes,
    )


def _marks(past: Past, liquidity: LiquidityRisk, book: Book, level: float) -> tuple[str, ...]:
    found = {
        "Replayed through the risk model on days without data of their own": past.filled.tolist(),
        "Of unknown volume, so that no ladder sells them and no impact is counted": list(liquidity.unknown),
        "Without a quoted spread, which is counted as none": list(liquidity.unquoted),
    }
    said = [f"{what}: {_listed(names)}." for what, names in found.items() if names]
    if not can_tell(past.gains, level):
        said.append(f"{len(past.gains)} days of the past say nothing of a level of {level:.6g}, so no part of the ES.")
    if book.bends:
        said.append(_FIRST_ORDER)
    return tuple(said)


_FIRST_ORDER = (
    "Positions bend (options, convexity, currencies); these follow deltas alone and leave that out: volatility, the "
    "tree and the risk by factor, effective bets and the concentration of risk, and the multiplier of the sale."
)


def _listed(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def _known(values: Float) -> tuple[float | None, ...]:
    """NaN as None, which JSON has."""
    # Where all is known, nothing need be looked at twice.
    listed = values.tolist()
    return tuple(listed if not np.isnan(values).any() else [None if value != value else value for value in listed])
