"""Portfolios over several periods at once: what to hold in each, when trading costs and expectations fade.

The best first trade depends on what is expected later: nobody buys at a cost what he would sell again at another. So
all periods are one problem (see ``horizon_problem``), of which the first is traded before new data come. An execution
schedule, from what is held to a ``terminal`` portfolio, is the same problem without expectations.

Source: Garleanu and Pedersen (2013), *Dynamic trading with predictable returns and transaction costs*, JF 68(6);
Boyd et al. (2017), *Multi-period trading via convex optimization*, Foundations and Trends in Optimization 3(1).
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from quantray.arrays import Float
from quantray.covariance.factor import FactorModel
from quantray.errors import InputError, SolverError
from quantray.portfolio.chains import moves
from quantray.portfolio.constraints import Limits, Market
from quantray.portfolio.horizon_mandate import Horizon
from quantray.portfolio.horizon_problem import HorizonProblem
from quantray.portfolio.horizon_relaxations import check_reachable, horizon_relaxations, in_period
from quantray.portfolio.horizon_solver import HorizonResult, solve_horizon
from quantray.portfolio.mean_variance import Objective
from quantray.portfolio.solve import Binding, InfeasibleError, Relaxation, Residuals

__all__ = ["Plan", "decayed", "multi_period"]

_BINDING = 1e-7
"""Shadow prices relative to the objective's terms that count as binding."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Optimal weights of every period and what is known about them."""

    weights: Float
    """(H, N) fractions of NAV after the trades of each period."""
    trades: Float
    """(H, N) fractions of NAV; purchases positive."""
    objective: float
    """Utility of all periods that was maximised."""
    residuals: Residuals
    seconds: float
    iterations: int
    binding: tuple[Binding, ...]
    """Limits other than those of single names that bind, with their shadow prices, in order of time."""
    relaxed: tuple[Relaxation, ...] = ()
    """Limits that gave way, as ``Limits.relax`` allows."""


def decayed(alpha: Float, *, periods: int, step_days: float, half_life_days: float) -> Float:
    """(H, N) expected returns of periods, from those of one day, whose half is left after each half-life.

    Parameters
    ----------
    alpha : (N,) expected return of the first day.
    step_days : days of one period; period h gathers those from ``(h - 1) step_days`` to ``h step_days``.
    half_life_days : infinite for what lasts.

    Raises
    ------
    InputError
        A number is not positive.
    """
    if periods < 1 or not step_days > 0 or not half_life_days > 0:
        raise InputError(
            f"periods {periods}, step_days {step_days:g} and half_life_days {half_life_days:g} must be positive."
        )
    rate = np.log(2.0) / half_life_days
    first = step_days if rate == 0 else -np.expm1(-rate * step_days) / rate
    return np.asarray(first * np.exp(-rate * step_days * np.arange(periods))[:, None] * np.asarray(alpha))


def multi_period(
    limits: Limits | Sequence[Limits],
    *,
    alpha: Float,
    model: FactorModel | Sequence[FactorModel],
    previous: Float | None = None,
    market: Market | Sequence[Market] | None = None,
    objective: Objective | None = None,
    quadratic: Float | None = None,
    holding: Float | None = None,
    terminal: Float | None = None,
    tolerance: float = 1e-8,
) -> Plan:
    """The best weights of H periods within the limits of each; what is held drifts with none of them.

    Maximised is the sum over periods of ``alpha'w - risk_aversion / 2 w'Sigma w - cost_aversion (linear, quadratic and
    impact costs of the trades) - borrow and holding costs``. Limits, models and markets hold for all periods or are one
    for each.

    Parameters
    ----------
    limits : on weights and trades of a period; ``adv_trade`` caps each trade. ``annual_turnover``, ``tracking_error``
        and ``minimum_trade`` are of one period alone and are refused.
    alpha : (H, N) expected returns of each period.
    model : covariance over one period; it is never formed.
    previous : (N,) weights held before; none by default.
    market : data that costs and limits need.
    quadratic : (N,) or (H, N) coefficients of ``trade^2``, as of linear impact.
    holding : (N,) or (H, N) cost over one period of a unit of absolute weight, long or short.
    terminal : (N,) weights to be held in the last period.
    tolerance : on limits in weights, and on the certified gap relative to the objective's terms.

    Raises
    ------
    InputError
        Shapes disagree, values are missing, or a limit needs data that are not given.
    InfeasibleError
        No plan satisfies the limits; names those in conflict and the smallest relaxation.
    SolverError
        No solution could be certified.
    """
    start = time.perf_counter()
    aim = objective or Objective()
    horizon = Horizon.of(limits, alpha, model, previous, market)
    problem = horizon.problem(aim, quadratic, holding, terminal)
    check_reachable(problem)
    result, eased, relaxed = _solved(problem, horizon, tolerance)
    primal, gap = eased.violation(result.weights), max(result.gap, 0.0)
    residuals = Residuals(primal, gap / max(problem.size(result.weights), 1e-12))
    if not (np.isfinite(result.weights).all() and residuals.primal <= 1e-5 and residuals.gap <= 1e-5):
        raise SolverError(f"the plan could not be certified: {residuals}; check the scale of the inputs.")
    return Plan(
        weights=result.weights,
        trades=moves(result.weights, problem.previous),
        objective=-problem.objective(result.weights),
        residuals=residuals,
        seconds=time.perf_counter() - start,
        iterations=result.iterations,
        binding=_binding(eased, horizon.names, result),
        relaxed=(*horizon.relaxed, *relaxed),
    )


def _solved(
    problem: HorizonProblem, horizon: Horizon, tolerance: float
) -> tuple[HorizonResult, HorizonProblem, tuple[Relaxation, ...]]:
    """Solve; where that fails, explain why, or ease what the limits allow."""
    result = solve_horizon(problem, tolerance=tolerance)
    if result.converged:
        return result, problem, ()
    conflicts = horizon_relaxations(problem, horizon.names)
    if conflicts is not None and not conflicts:
        raise SolverError("the iteration stalled on a feasible problem; check the scale of its inputs.")
    relax = horizon.limits[0].relax
    for count in range(1, len(relax) + 1):
        needed = horizon_relaxations(problem, horizon.names, only=relax[:count])
        if needed:
            eased = _eased(problem, horizon.names, needed)
            result = solve_horizon(eased, tolerance=tolerance)
            if result.converged:
                return result, eased, needed
    text = "; ".join(str(conflict) for conflict in (conflicts or ())[:5]) or "bounds of single names"
    raise InfeasibleError(
        f"no plan satisfies all limits; the smallest change that allows one: {text}. "
        "Ease these, or name limits that may give way in relax.",
        conflicts or (),
    )


def _eased(problem: HorizonProblem, names: tuple[str, ...], needed: tuple[Relaxation, ...]) -> HorizonProblem:
    """The problem with limits moved to what is needed, and a hair more: interior points want an interior."""
    lower, upper, cap = problem.row_lower.copy(), problem.row_upper.copy(), problem.cap
    sums = {name: limit.copy() for name in ("turnover", "gross") if (limit := getattr(problem, name)) is not None}
    for change in needed:
        name, _, period = change.name.rpartition(" in period ")
        room = change.needed + 1e-6 * (1 + abs(change.needed))
        if name in sums:
            sums[name][int(period) - 1] = room * (2 if name == "turnover" else 1)
        elif name in names:
            place = int(period) - 1, names.index(name)
            upper[place] = max(upper[place], room)
            lower[place] = min(lower[place], 2 * change.needed - room)
        elif cap is not None:
            cap = cap * room
    return replace(problem, row_lower=lower, row_upper=upper, cap=cap, **sums)


def _binding(problem: HorizonProblem, names: tuple[str, ...], result: HorizonResult) -> tuple[Binding, ...]:
    prices, found = result.prices, []
    least = _BINDING * problem.size(result.weights)
    for h in range(problem.shape[0]):
        for row in np.flatnonzero(np.abs(prices.row[h]) > least).tolist():
            price = float(prices.row[h, row])
            limit = float((problem.row_upper if price > 0 else problem.row_lower)[h, row])
            found.append(Binding(in_period(names[row], h + 1), "upper" if price > 0 else "lower", limit, abs(price)))
        # Prices are per unit of money traded; the limit counts half of it.
        for name, asked, most, unit in (
            ("turnover", prices.turnover[h], problem.turnover, 0.5),
            ("gross", prices.gross[h], problem.gross, 1.0),
        ):
            if most is not None and asked > least:
                found.append(Binding(in_period(name, h + 1), "upper", unit * float(most[h]), float(asked) / unit))
    return tuple(found)
