"""The plan of rule ``multi_period`` on one date: expectations that fade, and trades that cost what they will."""

import numpy as np

from quantray.arrays import Float
from quantray.covariance.factor import FactorModel
from quantray.portfolio.constraints import Limits, Market
from quantray.portfolio.mean_variance import Objective
from quantray.portfolio.multi_period import decayed, multi_period
from quantray.portfolio.solve import Relaxation
from quantray.studies.portfolios.alpha_settings import AlphaSettings, PlanSettings

__all__ = ["fading_returns", "planned"]


def fading_returns(horizon_return: Float, *, horizon_days: int, plan: PlanSettings) -> Float:
    """(H, N) expected returns of the periods of a plan.

    What is expected falls by half in each half-life, and over the days that the score is about it is what the score
    says. So a short half-life leaves that sum as it is and brings it forward.

    Parameters
    ----------
    horizon_return : (N,) expected over ``horizon_days``.
    """
    share = decayed(np.ones(1), periods=1, step_days=horizon_days, half_life_days=plan.half_life_days)[0, 0]
    return decayed(
        horizon_return / share, periods=plan.periods, step_days=plan.step_days, half_life_days=plan.half_life_days
    )


def planned(
    limits: Limits,
    alpha: AlphaSettings,
    expected: Float,
    model: FactorModel,
    previous: Float,
    market: Market,
) -> tuple[Float, tuple[Relaxation, ...]]:
    """(N,) weights after the first period of the best plan from what is held, and the limits that gave way.

    Parameters
    ----------
    alpha : with ``plan``.
    expected : (N,) over ``alpha.horizon_days``.
    model : of daily returns.
    market : costs of trades as they will be paid, not by the year.

    Raises
    ------
    InputError, InfeasibleError, SolverError
        As ``multi_period``.
    """
    plan = alpha.plan
    assert plan is not None, "checked by the settings"
    days = plan.step_days
    of_period = FactorModel(model.loadings, days * model.factor_covariance, days * model.specific_variance)
    found = multi_period(
        limits,
        alpha=fading_returns(expected, horizon_days=alpha.horizon_days, plan=plan),
        model=of_period,
        previous=previous,
        market=market,
        objective=Objective(risk_aversion=alpha.risk_aversion, cost_aversion=alpha.cost_aversion),
    )
    return found.weights[0], found.relaxed
