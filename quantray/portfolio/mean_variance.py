"""Mean-variance portfolios with costs and a mandate's limits, in factor form."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq

from quantray.arrays import Float
from quantray.covariance.factor import FactorModel
from quantray.errors import InputError, SolverError
from quantray.portfolio.constraints import Limits, Market, NamedRows, bounds, coupling_rows
from quantray.portfolio.problem import Prices, StructuredProblem, StructuredResult
from quantray.portfolio.sale_costs import sale_costs
from quantray.portfolio.solve import (
    Binding,
    InfeasibleError,
    Relaxation,
    Residuals,
    Solution,
    eased,
    smallest_relaxations,
)
from quantray.portfolio.structured import solve_structured

__all__ = ["MeanVariance", "Objective"]

_BINDING = 1e-7
"""Shadow prices relative to the largest, and to the objective's terms, that count as binding."""


@dataclass(frozen=True, kw_only=True)
class Objective:
    """``alpha'w - risk_aversion / 2 w'Sigma w - cost_aversion (linear and impact costs) - borrow costs``, less taxes.

    Alpha, covariance and costs must be over the same period. Taxes of sales count ``tax_aversion`` times.
    """

    risk_aversion: float = 25.0
    cost_aversion: float = 5.0
    tax_aversion: float = 1.0

    def __post_init__(self) -> None:
        averse = (self.cost_aversion, self.tax_aversion)
        if not 0 < self.risk_aversion < np.inf or not all(0 <= value < np.inf for value in averse):
            raise InputError(
                "risk_aversion must be positive and cost_aversion not negative, nor tax_aversion, all finite."
            )


class MeanVariance:
    """An optimiser for one mandate: made once, solved as often as new data come.

    Nothing is compiled or canonicalised: a solve assembles some N-vectors and iterates (see ``structured``), so new
    data cost as little as old ones.

    Parameters
    ----------
    limits, objective : the mandate.
    n_assets, n_factors : shape of the models to come.
    tolerance : on limits in weights, and on the certified gap relative to the objective's terms.
    """

    def __init__(
        self,
        limits: Limits,
        n_assets: int,
        n_factors: int,
        *,
        objective: Objective | None = None,
        tolerance: float = 1e-8,
    ) -> None:
        if n_assets < 1 or n_factors < 0 or not tolerance > 0:
            raise InputError(f"{n_assets} assets, {n_factors} factors or tolerance {tolerance} are out of range.")
        self.limits, self.objective = limits, objective or Objective()
        self._shape, self._tolerance = (n_assets, n_factors), tolerance

    def solve(
        self,
        *,
        alpha: Float,
        model: FactorModel,
        previous: Float | None = None,
        market: Market | None = None,
        used_turnover: float = 0.0,
        start: Prices | None = None,
    ) -> Solution:
        """The best weights within the limits.

        Parameters
        ----------
        alpha : (N,) expected returns over one period.
        model : covariance over the same period.
        previous : (N,) weights held before; none by default.
        market : data that costs and limits need.
        used_turnover : what the year's earlier rebalances used of ``annual_turnover``.
        start : prices of a solution under the same limits, such as yesterday's, which save steps; they change the
            weights by rounding only.

        Raises
        ------
        InputError
            Shapes disagree, values are missing, or a limit needs data that are not given.
        InfeasibleError
            No weights satisfy the limits; names those in conflict and the smallest relaxation.
        SolverError
            No solution could be certified.
        """
        began = time.perf_counter()
        day = _Day.of(self, alpha, model, previous, market or Market(), used_turnover)
        day, outcome, relaxed = day.solve(self.limits.relax, start)
        notes: tuple[str, ...] = ()
        if self.limits.minimum_trade > 0:
            day, outcome, notes = _without_small_trades(day, outcome, self.limits)
        return day.solution(outcome, (*day.relaxed, *relaxed), notes, time.perf_counter() - began)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of assets and of factors."""
        return self._shape

    @property
    def tolerance(self) -> float:
        """On limits and on the relative gap."""
        return self._tolerance


@dataclass(frozen=True, eq=False)
class _Outcome:
    """A result together with the problem that it solves."""

    problem: StructuredProblem
    result: StructuredResult
    tracking_price: float = 0.0
    solver: str = "structured"


@dataclass(frozen=True, eq=False)
class _Day:
    """One solve: the assembled problem and what is needed to explain it."""

    problem: StructuredProblem
    names: tuple[str, ...]
    relaxed: tuple[Relaxation, ...]
    tolerance: float
    model: FactorModel
    benchmark: Float | None
    tracking: float | None
    """Limit of the tracking error over one period."""
    yearly: float
    """Tracking errors of a year per one of a period."""
    untraded: float
    """What the slopes of sales' taxes give at the holdings, which is no utility."""

    @classmethod
    def of(
        cls,
        owner: MeanVariance,
        alpha: Float,
        model: FactorModel,
        previous: Float | None,
        market: Market,
        used_turnover: float,
    ) -> "_Day":
        limits, aim, n_assets = owner.limits, owner.objective, owner.shape[0]
        if (model.n_assets, model.n_factors) != owner.shape:
            raise InputError(f"the model has {model.n_assets} assets and {model.n_factors} factors, not {owner.shape}.")
        held = np.zeros(n_assets) if previous is None else np.asarray(previous, dtype=np.float64)
        for name, values in (("alpha", np.asarray(alpha)), ("previous", held)):
            if values.shape != (n_assets,) or not np.isfinite(values).all():
                raise InputError(f"{name} is {values.shape} or holds NaN; it must be ({n_assets},) and complete.")
        if not used_turnover >= 0:
            raise InputError(f"used_turnover is {used_turnover}; it must not be negative.")
        market = market.checked(n_assets)
        lower, upper, relaxed = bounds(limits, market, held)
        rows: NamedRows = coupling_rows(limits, market, model)
        cost = np.zeros(n_assets) if market.cost is None else aim.cost_aversion * market.cost
        tax = np.zeros(n_assets) if market.tax is None else aim.tax_aversion * market.tax
        sales = sale_costs(cost, tax, held, lower, upper)
        turnover = [limits.turnover] if limits.turnover is not None else []
        if limits.annual_turnover is not None:
            turnover.append(max(limits.annual_turnover - used_turnover, 0.0))
        problem = StructuredProblem(
            linear=sales.slope - np.asarray(alpha, dtype=np.float64),
            diagonal=aim.risk_aversion * model.specific_variance,
            root=np.sqrt(aim.risk_aversion) * model.root,
            previous=held,
            lower=lower,
            upper=sales.upper,
            rows=rows.rows,
            row_lower=rows.lower,
            row_upper=rows.upper,
            cost=sales.cost,
            impact=None if market.impact is None else aim.cost_aversion * market.impact,
            short=None if market.borrow is None or limits.weight[0] >= 0 else market.borrow,
            turnover=2 * min(turnover) if turnover else np.inf,
            gross=np.inf if limits.gross is None else limits.gross,
        )
        benchmark = None if limits.tracking_error is None else market.needed("benchmark", "tracking error")
        yearly = float(np.sqrt(limits.periods_per_year))
        tracking = None if limits.tracking_error is None else limits.tracking_error / yearly
        return cls(
            problem, rows.names, relaxed, owner.tolerance, model, benchmark, tracking, yearly, float(sales.slope @ held)
        )

    def solve(
        self, relax: Sequence[str], start: Prices | None = None
    ) -> "tuple[_Day, _Outcome, tuple[Relaxation, ...]]":
        """Solve; where that fails, explain why, or relax what the settings allow and return the day that was solved."""
        outcome = self._attempt(start)
        if outcome is not None:
            return self, outcome, ()
        conflicts = smallest_relaxations(self.problem, self.names)
        if conflicts is not None and not conflicts:
            # There are weights within the limits, so this is a failure of the method: ask another, and say so.
            from quantray.portfolio.conic import solve_conic  # noqa: PLC0415  (a second to import, and rarely needed)

            result = solve_conic(self.problem)
            if not result.converged or self.tracking is not None:
                raise SolverError("no solver converged on a feasible problem; check the scale of its inputs.")
            return self, _Outcome(self.problem, result, solver="clarabel"), ()
        for count in range(1, len(relax) + 1):
            needed = smallest_relaxations(self.problem, self.names, only=relax[:count])
            if needed:
                wider = replace(self, problem=eased(self.problem, self.names, needed))
                outcome = wider._attempt()
                if outcome is not None:
                    return wider, outcome, needed
        text = "; ".join(str(conflict) for conflict in conflicts or ()) or "bounds of single names"
        raise InfeasibleError(
            f"no weights satisfy all limits; the smallest change that allows some: {text}. "
            "Ease these, or name limits that may give way in relax.",
            conflicts or (),
        )

    def _attempt(self, start: Prices | None = None) -> _Outcome | None:
        result = solve_structured(self.problem, tolerance=self.tolerance, start=start)
        if not result.converged:
            return None
        if self.tracking is None or self._tracking_error(result.weights) <= self.tracking * (1 + 1e-9):
            return _Outcome(self.problem, result)
        return self._within_tracking()

    def _tracking_error(self, weights: Float) -> float:
        assert self.benchmark is not None, "a tracking error needs a benchmark"
        return float(np.sqrt(self.model.variance(weights - self.benchmark)))

    def _within_tracking(self) -> _Outcome:
        """Price active risk until the tracking error meets its limit; it falls as the price rises."""
        assert self.tracking is not None, "called with a limit only"
        seen: dict[float, tuple[_Outcome, float]] = {}

        def excess(log_price: float) -> float:
            """Of the tracking error over a target a hair below the limit, so that the root is within it."""
            price = float(np.exp(log_price))
            problem = self._priced(price)
            # The error answers to weights, which are less exact than the objective.
            result = solve_structured(problem, tolerance=1e-2 * self.tolerance)
            if not result.converged:
                raise SolverError("the optimiser did not converge while pricing the tracking error.")
            error = self._tracking_error(result.weights)
            seen[price] = _Outcome(problem, result, price), error
            return error / (target * (1 - 5e-8)) - 1

        target = self.tracking
        least = self._least_tracking_error()
        if least >= target:
            raise self._out_of_reach(least)
        low = high = 0.0
        step = np.log(8.0)
        while excess(high) > 0:
            low, high = high, high + step
            if high > 30:
                raise self._out_of_reach(least)
        while low == high or excess(low) <= 0:
            low -= step
            if low < -60:
                break
        if low >= -60:
            brentq(excess, low, high, xtol=1e-9, rtol=1e-12)
        return max((entry for entry in seen.values() if entry[1] <= target), key=lambda entry: entry[1])[0]

    def _least_tracking_error(self) -> float:
        """Over one period, that the other limits allow."""
        assert self.benchmark is not None, "a tracking error needs a benchmark"
        # Scaled to order one, as in ``minimum_variance``.
        scale = 1.0 / max(float(self.model.variances.mean()), 1e-300)
        nothing = np.zeros_like(self.benchmark)
        bare = replace(
            self.problem, linear=nothing, diagonal=nothing, root=nothing[:, None], cost=nothing, impact=None, short=None
        )
        result = solve_structured(replace(self, problem=bare)._priced(scale), tolerance=self.tolerance)
        return self._tracking_error(result.weights)

    def _out_of_reach(self, least: float) -> InfeasibleError:
        assert self.tracking is not None, "called with a limit only"
        limit, least = self.tracking * self.yearly, least * self.yearly
        return InfeasibleError(
            f"the other limits allow no tracking error below {least:.6g} a year; "
            f"raise the limit of {limit:.6g} or ease the others.",
            (Relaxation("tracking error", limit, least),),
        )

    def _priced(self, price: float) -> StructuredProblem:
        """The problem with ``price / 2`` times the active variance added, less a constant."""
        assert self.benchmark is not None, "a tracking error needs a benchmark"
        # Risk enters as |root'w|^2 and diagonal; both grow by the same share of the model's covariance.
        return replace(
            self.problem,
            linear=self.problem.linear - price * self.model.apply(self.benchmark),
            diagonal=self.problem.diagonal + price * self.model.specific_variance,
            root=np.hstack([self.problem.root, np.sqrt(price) * self.model.root]),
        )

    def solution(
        self, outcome: _Outcome, relaxed: tuple[Relaxation, ...], notes: tuple[str, ...], seconds: float
    ) -> Solution:
        """The outcome with its certificate and the limits that bind."""
        weights = outcome.result.weights
        primal, gap = self.problem.violation(weights), max(outcome.result.gap, 0.0)
        if self.tracking is not None:
            # Where active risk is priced, what is left of its limit is part of the gap.
            error = self._tracking_error(weights)
            primal = max(primal, (error - self.tracking) * self.yearly)
            gap += outcome.tracking_price / 2 * max(self.tracking**2 - error**2, 0.0)
        residuals = Residuals(primal, gap / max(self.problem.size(weights), 1e-12))
        # Asked one by one: the larger of a number and NaN may be the number.
        if not (np.isfinite(weights).all() and residuals.primal <= 1e-5 and residuals.gap <= 1e-5):
            raise SolverError(f"the solution could not be certified: {residuals}; check the scale of the inputs.")
        return Solution(
            weights=weights,
            status="relaxed" if relaxed else "optimal",
            objective=self.untraded - self.problem.objective(weights),
            residuals=residuals,
            seconds=seconds,
            iterations=outcome.result.iterations,
            solver=outcome.solver,
            binding=self._binding(outcome),
            prices=outcome.result.prices,
            relaxed=relaxed,
            notes=notes,
        )

    def _binding(self, outcome: _Outcome) -> tuple[Binding, ...]:
        problem, result = outcome.problem, outcome.result
        prices = [*np.abs(result.prices.rows), result.prices.turnover, result.prices.gross, outcome.tracking_price]
        least = _BINDING * max([*prices, self.problem.size(result.weights)])
        found = []
        for name, price, low, high in zip(
            self.names, result.prices.rows, problem.row_lower, problem.row_upper, strict=True
        ):
            if abs(price) > least:
                upper = price > 0
                found.append(
                    Binding(name, "upper" if upper else "lower", float(high if upper else low), abs(float(price)))
                )
        if result.prices.turnover > least:
            # Prices are per unit of money traded; the limit counts half of it.
            found.append(Binding("turnover", "upper", problem.turnover / 2, 2 * result.prices.turnover))
        if result.prices.gross > least:
            found.append(Binding("gross", "upper", problem.gross, result.prices.gross))
        if outcome.tracking_price > 0 and self.tracking is not None:
            # The price is per half the variance of a period; the limit is the deviation of a year.
            price = outcome.tracking_price * self.tracking / self.yearly
            found.append(Binding("tracking error", "upper", self.tracking * self.yearly, price))
        return tuple(found)


def _without_small_trades(day: _Day, outcome: _Outcome, limits: Limits) -> tuple[_Day, _Outcome, tuple[str, ...]]:
    """Solve again with small trades held at zero, until none is left; where that has no solution, keep them."""
    skipped, notes = 0, []
    while True:
        previous = day.problem.previous
        trade = np.abs(outcome.result.weights - previous)
        held = (previous >= day.problem.lower) & (previous <= day.problem.upper)
        small = (trade > 1e-9) & (trade < limits.minimum_trade) & held
        if not small.any():
            break
        # Each round fixes a name more at least, so this ends.
        fixed = small | (trade <= 1e-9) & held
        problem = replace(
            day.problem,
            lower=np.where(fixed, previous, day.problem.lower),
            upper=np.where(fixed, previous, day.problem.upper),
        )
        candidate = replace(day, problem=problem)
        try:
            again = candidate._attempt()
        except InfeasibleError:
            # What is left to trade cannot bring the tracking error within its limit.
            again = None
        if again is None:
            notes.append(f"{int(small.sum())} trades below the minimum are needed to meet the limits.")
            break
        skipped += int(small.sum())
        day, outcome = candidate, again
    if skipped:
        notes.append(f"{skipped} trades below the minimum were left out.")
    return day, outcome, tuple(notes)
