"""Portfolios that act on forecasts: scores become expected returns, and these weights, one date after the other.

What is expensive, the model of risk of each date, was computed in parallel (see ``trial``). What is left depends on the
weights of the date before, through costs and turnover, and is cheap.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from quantray.arrays import TRADING_DAYS, Dates, Float, Int
from quantray.backtest.accounts import Accounting, Decisions
from quantray.backtest.costs import CostModel, ImpactCosts, MarketDay
from quantray.backtest.drift import drifted
from quantray.backtest.own_costs import OwnCosts
from quantray.covariance.factor import FactorModel
from quantray.data.panel import Panel
from quantray.data.splits import Split
from quantray.errors import DataError, InputError, SolverError
from quantray.features.cross_section import standardised
from quantray.features.liquidity import dollar_volume
from quantray.features.returns import carried_forward
from quantray.models.controls import ControlRule
from quantray.models.forecaster import FitContext
from quantray.portfolio.constraints import MARKET_NEUTRAL, Limits, Market
from quantray.portfolio.frontier import maximum_sharpe
from quantray.portfolio.mean_variance import MeanVariance, Objective
from quantray.portfolio.solve import InfeasibleError, Relaxation
from quantray.studies.forecasts.store import Forecasts, ForecastStore
from quantray.studies.portfolios.allocators import DUST, weight_cap
from quantray.studies.portfolios.alpha_plan import planned
from quantray.studies.portfolios.alpha_settings import ForecastChoice
from quantray.studies.portfolios.settings import AllocatorSettings
from quantray.studies.portfolios.trial import DayModel

__all__ = [
    "AlphaDecisions",
    "Start",
    "alpha_decisions",
    "check_alpha",
    "expected_returns",
    "forecast_store",
    "read_forecasts",
]

_VOLUME_DAYS = 21


@dataclass(frozen=True, eq=False)
class Start:
    """What the first of some decisions finds."""

    weights: Float
    """(N,) held at the close of its date."""
    used_turnover: float = 0.0
    """Half of the weights traded so far in the calendar year of the decision before."""
    decided: np.datetime64 | None = None
    """Date of the decision before; None where there was none."""


@dataclass(frozen=True, eq=False)
class AlphaDecisions:
    """Decisions and what their forecasts and solutions lacked."""

    decisions: Decisions
    candidates: Int
    """(D,) names that could be held."""
    unscored: Int
    """(D,) of them without a score that day, whose expected return was taken as zero."""
    turnover: Float
    """(D,) half of the weights to be traded, leavers included."""
    relaxed: tuple[str, ...]
    """Date and limit of each decision whose limits gave way."""

    @property
    def summary(self) -> str:
        """One line for the reader of a run."""
        share = self.unscored.sum() / max(int(self.candidates.sum()), 1)
        blind = int((self.unscored == self.candidates).sum())
        text = f"{share:.1%} of scores missing, {blind} of {len(self.candidates)} decisions without any"
        if self.relaxed:
            text += f"; limits that gave way: {len(self.relaxed)}, first {self.relaxed[0]}"
        return text


def read_forecasts(choice: ForecastChoice, panel: Panel, first: Split, runs: str | Path) -> Forecasts:
    """The scores that settings choose: from their store, or of a control, from the first test date on.

    Parameters
    ----------
    first : the study's first fold.
    runs : the study's runs folder, whose store is read where the settings name none.

    Raises
    ------
    DataError
        As ``ForecastStore.load``.
    """
    if choice.model is not None:
        return forecast_store(choice, runs).load(choice.model, version=choice.version)
    assert choice.control is not None, "checked by the settings"
    fitted = ControlRule(choice.control).fit(panel, first, context=FitContext())
    scores = fitted.predict(panel, panel.dates[first.test.rows(panel.dates).start :])
    return Forecasts(choice.control, scores.dates, scores.assets, scores.values)


def forecast_store(choice: ForecastChoice, runs: str | Path) -> ForecastStore:
    """The store that settings choose; by default ``forecasts`` inside the runs folder."""
    return ForecastStore(Path(runs).resolve() / "forecasts" if choice.store is None else choice.store)


def check_alpha(panel: Panel, allocator: AllocatorSettings, dates: Dates, first: Split, runs: str | Path) -> None:
    """See that an allocator that acts on forecasts has some on its decision dates, and what its mandate needs.

    Parameters
    ----------
    dates : (D,) of decisions.
    first, runs : see ``read_forecasts``.

    Raises
    ------
    DataError
        As ``read_forecasts``, no date has a forecast, or the mandate needs volumes that are not there.
    """
    if allocator.alpha is None:
        return
    if allocator.alpha.mandate == "market_neutral":
        _check_volume(panel, allocator)
    if allocator.alpha.forecasts.model is not None:
        forecasts = read_forecasts(allocator.alpha.forecasts, panel, first, runs)
        if not np.isin(dates, forecasts.dates).any():
            raise _without_forecasts(allocator, forecasts, list(dates))


def expected_returns(
    scores_n: Float,
    residual_volatility_n: Float,
    *,
    ic: float,
    horizon_days: int,
    largest_score: float = np.inf,
    periods_per_year: int = TRADING_DAYS,
) -> Float:
    """Expected residual returns of a year: information coefficient times volatility times standardised score.

    Over the days that a score is about, volatility grows with their root, and a year holds ``periods_per_year /
    horizon_days`` such periods. So the shorter the horizon at the same coefficient, the more is expected.

    Parameters
    ----------
    scores_n : (N,) in any unit; NaN where there is none.
    residual_volatility_n : (N,) of a year.
    ic : correlation of scores with residual returns over the horizon.
    largest_score : standardised scores beyond it, of either sign, count as this much.

    Returns
    -------
    (N,) with mean score zero over the names that have one; 0 for the others, and for all where all scores are equal.

    Raises
    ------
    InputError
        Shapes disagree, a volatility is missing or negative, or a number is out of range.

    Source: Grinold and Kahn (2000), *Active Portfolio Management*, 2nd ed., ch. 11, and ch. 14 on outliers.
    """
    scores = np.asarray(scores_n, dtype=np.float64)
    volatility = np.asarray(residual_volatility_n, dtype=np.float64)
    if scores.ndim != 1 or scores.shape != volatility.shape:
        raise InputError(f"scores are {scores.shape} and volatilities {volatility.shape}; both must be (N,).")
    if not (np.isfinite(volatility) & (volatility >= 0)).all() or np.isinf(scores).any():
        raise InputError("volatilities must be finite and not negative, and scores finite or NaN.")
    if not 0 <= ic <= 1 or horizon_days < 1 or not largest_score > 0:
        raise InputError(
            f"ic {ic} must lie between 0 and 1, horizon_days {horizon_days} be at least 1 and largest_score "
            f"{largest_score} positive."
        )
    scaled = standardised(scores[None], np.ones((1, len(scores)), dtype=np.bool_))[0]
    scaled = np.clip(np.nan_to_num(scaled), -largest_score, largest_score)
    return np.asarray(ic * np.sqrt(periods_per_year / horizon_days) * volatility * scaled)


def alpha_decisions(
    panel: Panel,
    models: Iterable[DayModel],
    forecasts: Forecasts,
    allocator: AllocatorSettings,
    *,
    costs: CostModel,
    accounting: Accounting,
    start: Start | None = None,
) -> AlphaDecisions:
    """Decide on forecasts, one date after the other, each from the weights that the date before left.

    The weights held at t are those of the decision before, drifted from the close at which it was established to that
    of t; an asset without a close keeps its last one. What is held but may not be held any more is sold. Costs per unit
    traded are those that the backtest will charge, as known at t. A score of t counts on t only.

    Parameters
    ----------
    panel : the fields that costs need, ``close``, and for a market-neutral mandate ``volume``.
    models : by date, in order of time.
    allocator : with ``alpha``.
    start : what is held before the first decision; by default nothing.

    Raises
    ------
    InputError
        The allocator has no forecasts, what is held does not fit the panel, the dates are out of order, or a cap leaves
        too few names.
    DataError
        No decision date has a score, a model has a name that the panel has not, or the mandate needs volumes that are
        not there.
    InfeasibleError
        On some date no weights satisfy the limits.
    SolverError
        On some date no solution could be certified.
    """
    if allocator.alpha is None:
        raise InputError(f"{allocator.name}: {allocator.rule} does not act on forecasts; use trial.decide.")
    desk = _Desk(panel, allocator, costs, accounting, start or Start(np.zeros(len(panel.assets))))
    rows, weights, counts = [], [], []
    for day in models:
        scores = forecasts.on(day.date, day.assets)
        rows.append(day.date)
        weights.append(desk.decide(day, scores))
        counts.append((len(scores), int(np.isnan(scores).sum())))
    candidates, unscored = np.array(counts, dtype=np.int64).reshape(-1, 2).T
    if rows and (candidates == unscored).all():
        raise _without_forecasts(allocator, forecasts, rows)
    decisions = Decisions(
        np.array(rows, dtype="datetime64[D]"), panel.assets, np.array(weights).reshape(len(rows), len(panel.assets))
    )
    return AlphaDecisions(decisions, candidates, unscored, np.array(desk.turnover), tuple(desk.relaxed))


class _Desk:
    """What one decision leaves to the next: the weights, when they were established, and the year's turnover."""

    def __init__(
        self, panel: Panel, allocator: AllocatorSettings, costs: CostModel, accounting: Accounting, start: Start
    ) -> None:
        assert allocator.alpha is not None, "checked at the door"
        if start.weights.shape != (len(panel.assets),) or not np.isfinite(start.weights).all():
            raise InputError(f"what is held, {start.weights.shape}, must be one weight for each asset of the panel.")
        self.panel, self.allocator, self.alpha = panel, allocator, allocator.alpha
        self.costs, self.accounting = costs, accounting
        self.place = {asset: column for column, asset in enumerate(panel.assets.tolist())}
        self.target, self.decided = start.weights, -1
        self.last, self.used = start.decided, start.used_turnover
        """Date of the decision before, and the turnover of its calendar year so far."""
        self.turnover: list[float] = []
        self.relaxed: list[str] = []

    @cached_property
    def price(self) -> Float:
        """(T, N) last known closes, which a first decision has no need of."""
        return carried_forward(self.panel.field("close"))[0]

    def held(self, row: int) -> Float:
        """(N,) weights at the close of a row, before deciding anew.

        A name that is gone counts at its last close: what its holders received is no part of what a decision knows.
        """
        if self.decided < 0:
            return self.target
        if row <= self.decided:
            raise InputError(f"the model of {self.panel.dates[row]} comes after a later one; sort them by date.")
        # A decision that is not established yet will be before the next one trades.
        start = min(self.decided + self.accounting.lag, row)
        with np.errstate(invalid="ignore"):
            growth = self.price[row] / self.price[start]
        return drifted(self.target, np.where(self.target != 0, growth, 1.0))

    def decide(self, day: DayModel, scores: Float) -> Float:
        """(N,) weights decided on a date."""
        row = self.panel.row(day.date)
        if unknown := [name for name in day.assets.tolist() if name not in self.place]:
            raise DataError(f"the model of {day.date} has {unknown[0]}, which is not in the panel; use one panel.")
        columns = np.array([self.place[name] for name in day.assets.tolist()], dtype=np.int64)
        before = self.held(row)
        year = self.panel.periods_per_year
        yearly = FactorModel(
            day.model.loadings * np.sqrt(year), day.model.factor_covariance, day.model.specific_variance * year
        )
        expected = expected_returns(
            scores,
            np.sqrt(yearly.specific_variance),
            ic=self.alpha.ic,
            horizon_days=self.alpha.horizon_days,
            largest_score=self.alpha.largest_score,
            periods_per_year=year,
        )
        limits = self._limits(day.date, len(columns))
        market = self._market(row, columns, yearly)
        try:
            if self.alpha.plan is None:
                weights, relaxed = self._solve(limits, expected, yearly, before[columns], market)
            else:
                over_horizon = expected * self.alpha.horizon_days / year
                weights, relaxed = planned(limits, self.alpha, over_horizon, day.model, before[columns], market)
        except InfeasibleError as error:
            raise InfeasibleError(f"{self.allocator.name} on {day.date}: {error}", error.conflicts) from error
        except (InputError, SolverError) as error:
            raise type(error)(f"{self.allocator.name} on {day.date}: {error}") from error
        self.relaxed += [f"{day.date}: {change}" for change in relaxed]
        target = np.zeros(len(before))
        # The iteration stays inside its bounds, so it leaves dust on names that it does not hold.
        target[columns] = np.where(np.abs(weights) > DUST, weights, 0.0)
        if limits.budget == (1.0, 1.0):
            target /= target.sum()
        self.turnover.append(float(np.abs(target - before).sum()) / 2)
        self.used += self.turnover[-1]
        self.target, self.decided, self.last = target, row, day.date
        return target

    def _limits(self, date: np.datetime64, n_assets: int) -> Limits:
        """The mandate's limits on a day; what is left of a year's turnover is spread evenly over the rest of it."""
        if self.alpha.mandate == "long_only":
            return Limits(weight=(0.0, weight_cap(self.allocator, n_assets)))
        assert MARKET_NEUTRAL.annual_turnover is not None, "part of the mandate"
        year = date.astype("datetime64[Y]")
        share = 1.0
        if self.last is not None:
            last = self.last
            self.used = self.used if last.astype("datetime64[Y]") == year else 0.0
            since, rest = (date - last).astype(int), ((year + 1).astype("datetime64[D]") - date).astype(int)
            share = since / (since + rest - 1)
        left = share * max(MARKET_NEUTRAL.annual_turnover - self.used, 0.0)
        most = min(self.allocator.max_weight, MARKET_NEUTRAL.weight[1])
        return replace(MARKET_NEUTRAL, weight=(-most, most), annual_turnover=None, turnover=left, relax=("turnover",))

    def _market(self, row: int, columns: Int, model: FactorModel) -> Market:
        """Costs, and for a neutral mandate betas and volumes."""
        fields = {name: values[row, columns] for name, values in self.panel.fields.items()}
        day = MarketDay(self.panel.dates[row], self.accounting.initial_nav, fields)
        known = self._costs(day, len(columns))
        if self.alpha.mandate == "long_only":
            return known
        _check_volume(self.panel, self.allocator)
        recent = slice(max(row + 1 - _VOLUME_DAYS, 0), row + 1)
        money = dollar_volume(self.panel.field("close")[recent, columns], self.panel.field("volume")[recent, columns])
        average = np.nan_to_num(money).mean(axis=0)
        equal = np.full(len(columns), 1 / len(columns))
        beta = model.apply(equal) / model.variance(equal)
        return replace(known, beta=beta, adv=average / self.accounting.initial_nav)

    def _costs(self, day: MarketDay, n_assets: int) -> Market:
        """Costs of trades, times those that are made in a year where no plan says when."""
        times = self.panel.periods_per_year / self.alpha.horizon_days if self.alpha.plan is None else 1.0
        if isinstance(self.costs, OwnCosts):
            return Market(cost=self.costs.rate(day, n_assets) * times)
        if not isinstance(self.costs, ImpactCosts):
            return Market(cost=self.costs(np.ones(n_assets), day) * times)
        known = self.costs.market(Market(), day)
        assert known.cost is not None and known.impact is not None, "given by the line before"  # noqa: PT018
        return Market(cost=known.cost * times, impact=known.impact * times)

    def _solve(
        self, limits: Limits, expected: Float, model: FactorModel, before: Float, market: Market
    ) -> tuple[Float, tuple[Relaxation, ...]]:
        if self.allocator.rule == "max_sharpe":
            solution = maximum_sharpe(limits, alpha=expected, model=model, previous=before, market=market)
        else:
            aim = Objective(risk_aversion=self.alpha.risk_aversion, cost_aversion=self.alpha.cost_aversion)
            optimiser = MeanVariance(limits, model.n_assets, model.n_factors, objective=aim)
            solution = optimiser.solve(alpha=expected, model=model, previous=before, market=market)
        return solution.weights, solution.relaxed


def _check_volume(panel: Panel, allocator: AllocatorSettings) -> None:
    if "volume" not in panel.fields:
        raise DataError(f"{allocator.name}: market_neutral needs volumes; import bars with a volume column.")


def _without_forecasts(
    allocator: AllocatorSettings, forecasts: Forecasts, dates: Sequence[np.datetime64] | Dates
) -> DataError:
    span = f"{forecasts.dates[0]}..{forecasts.dates[-1]}" if len(forecasts.dates) else "none"
    return DataError(
        f"{allocator.name}: no forecast of {forecasts.model} ({span}) is on one of {len(dates)} decision dates from "
        f"{dates[0]} to {dates[-1]} and about a name that may be held; forecast these dates first."
    )
