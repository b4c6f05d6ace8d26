"""Orders traded together: names that hedge one another are traded so that what is left of the basket stays hedged.

Amounts are money, sales negative, so that a long and a short basket, or both at once, are one problem. For H slices of
tau days, with y_h left after slice h, trades t_h and the covariance of daily returns Sigma, it minimises ::

    sum_h half_spread|t_h| + impact of t_h  +  lambda tau sum_h y_h' Sigma y_h

Impact is that of the names' ``ImpactModel``: eta~ = eta - gamma tau / 2 where it is linear, as in ``almgren_chriss``,
else of power 3/2 with the permanent impact of the whole order beside it. Without limits and of linear impact, the
schedule has a closed form; with limits, the structured interior point of ``portfolio.horizon_solver`` finds it.

Source: Almgren and Chriss (2000), *Optimal execution of portfolio transactions*, J. Risk 3, section 6.
"""

from dataclasses import dataclass

import numpy as np

from quantray.arrays import Float, finite_square
from quantray.covariance.factor import FactorModel
from quantray.errors import InputError, SolverError
from quantray.execution.impact import ImpactModel
from quantray.portfolio.horizon_problem import HorizonProblem
from quantray.portfolio.horizon_solver import solve_horizon

__all__ = ["BasketPlan", "basket_cost", "basket_trajectory", "free_basket_trajectory"]


@dataclass(frozen=True, eq=False)
class BasketPlan:
    """The schedule of a basket."""

    holdings: Float
    """(H + 1, N) money left to trade; the orders at first, and zero in the end."""
    costs: Float
    """(N,) expected costs, money, with the permanent impact of the whole orders."""
    variance: float
    """Of the cost of the whole basket, money squared."""
    utility: float
    """Costs and ``lambda`` times the variance, which was minimised."""

    @property
    def trades(self) -> Float:
        """(H, N) money traded in each slice; purchases positive."""
        return np.asarray(-np.diff(self.holdings, axis=0))


def basket_trajectory(
    orders: Float,
    impact: ImpactModel,
    risk: FactorModel | Float,
    *,
    days: float = 1.0,
    slices: int = 8,
    risk_aversion: float = 1e-6,
    participation: float | Float | None = None,
    cash: float | None = None,
    overshoot: bool = False,
    at: float = 0.05,
    tolerance: float = 1e-8,
) -> BasketPlan:
    """The best schedule of a basket within limits.

    Parameters
    ----------
    orders : (N,) money; sales negative.
    impact : of the N names, with ``adv`` in money.
    risk : of daily returns; a factor model, or an (N, N) covariance.
    days, slices : until done, in equal slices.
    risk_aversion : lambda, per money.
    participation : share of the usual volume that a name may be traded by in a slice; one, or (N,). None for no cap.
    cash : money that purchases may use, beyond what sales have brought by then, at any time.
    overshoot : whether a name may be traded beyond its order, or against it, to hedge others.
    at : share of a day's volume at which impact of a power other than 1 and 1/2 is replaced by 1/2.

    Raises
    ------
    InputError
        Shapes disagree, a volume is unknown, eta~ is not positive, or the orders cannot be done within the caps or
        with the cash.
    SolverError
        The method did not converge.
    """
    orders = _checked(orders, impact, days, slices, risk_aversion)
    scale = float(np.abs(orders).sum())
    if scale == 0:
        raise InputError("no order of the basket has a size; there is nothing to schedule.")
    tau, held = days / slices, orders / scale
    linear, quadratic, power = _coefficients(impact, tau, scale, at)
    weight = 2 * risk_aversion * scale * tau
    diagonal, root = _risk(risk, len(orders))
    ends = np.zeros((slices, len(orders)))
    wide = np.full((slices, len(orders)), np.inf)
    lower, upper = (-wide, wide) if overshoot else (ends + np.minimum(held, 0.0), ends + np.maximum(held, 0.0))
    lower, upper = lower.copy(), upper.copy()
    lower[-1] = upper[-1] = 0.0
    problem = HorizonProblem(
        linear=ends,
        diagonal=ends + weight * diagonal,
        root=np.sqrt(weight) * root,
        previous=held,
        lower=lower,
        upper=upper,
        rows=np.ones((0 if cash is None else 1, len(orders))),
        row_lower=_cash_floor(held, cash, scale, slices),
        row_upper=np.full((slices, 0 if cash is None else 1), np.inf),
        cost=ends + linear,
        quadratic=ends + quadratic,
        impact=ends + power if power.any() else None,
        cap=None if participation is None else ends + _caps(orders, impact, participation, days, slices) / scale,
    )
    found = solve_horizon(problem, tolerance=tolerance)
    if not found.converged:
        raise SolverError(
            f"the basket's schedule was not found: {found.iterations} iterations leave a gap of {found.gap:.2g}; "
            "ease the caps or the cash, or look at the sizes of its inputs."
        )
    holdings = np.vstack([orders, found.weights * scale])
    return basket_cost(holdings, impact, risk, days=days, risk_aversion=risk_aversion, at=at)


def free_basket_trajectory(
    orders: Float,
    impact: ImpactModel,
    risk: FactorModel | Float,
    *,
    days: float = 1.0,
    slices: int = 8,
    risk_aversion: float = 1e-6,
) -> BasketPlan:
    """The best schedule of a small basket without limits, by its closed form; impact must be linear.

    The spread counts as paid once on each order, as for one name. In the directions of the eigenvectors of the
    covariance, measured by eta~, the basket is as many single orders. Takes and raises as ``basket_trajectory``.
    """
    orders = _checked(orders, impact, days, slices, risk_aversion)
    if impact.power != 1:
        raise InputError(f"impact of power {impact.power} has no closed form; use basket_trajectory.")
    tau = days / slices
    diagonal, root = _risk(risk, len(orders))
    eta = _eta(impact, tau)
    narrow = root / np.sqrt(eta)[:, None]
    values, vectors = np.linalg.eigh(narrow @ narrow.T + np.diag(diagonal / eta))
    half = np.sqrt(np.maximum(risk_aversion * values, 0.0)) * tau / 2
    kappa = 2 * np.arcsinh(half) / tau
    left = days - np.linspace(0, days, slices + 1)[:, None]
    # sinh(kappa left) / sinh(kappa days) without overflow.
    moving = kappa > 1e-10
    bottom = np.where(moving, -np.expm1(-2 * kappa * days), 1.0)
    share = np.exp(kappa * (left - days)) * -np.expm1(-2 * kappa * left) / bottom
    share = np.where(moving, share, left / days)
    holdings = share * (vectors.T @ (orders * np.sqrt(eta))) @ vectors.T / np.sqrt(eta)
    holdings[0], holdings[-1] = orders, 0.0
    return basket_cost(holdings, impact, risk, days=days, risk_aversion=risk_aversion)


def basket_cost(
    holdings: Float,
    impact: ImpactModel,
    risk: FactorModel | Float,
    *,
    days: float = 1.0,
    risk_aversion: float = 0.0,
    at: float = 0.05,
) -> BasketPlan:
    """What any schedule of a basket costs and risks.

    Parameters
    ----------
    holdings : (H + 1, N) money left to trade.

    Otherwise takes and raises as ``basket_trajectory``.
    """
    tau = days / (len(holdings) - 1)
    orders, trades = holdings[0], np.abs(np.diff(holdings, axis=0))
    linear, quadratic, power = _coefficients(impact, tau, 1.0, at)
    costs = (linear * trades + quadratic * trades**2 + power * trades**1.5).sum(axis=0)
    costs = costs + impact.permanent / impact.adv / 2 * (orders - holdings[-1]) ** 2
    diagonal, root = _risk(risk, len(orders))
    left = holdings[1:]
    variance = float(tau * ((diagonal * left**2).sum() + ((left @ root) ** 2).sum()))
    return BasketPlan(holdings, costs, variance, float(costs.sum()) + risk_aversion * variance)


def _checked(orders: Float, impact: ImpactModel, days: float, slices: int, risk_aversion: float) -> Float:
    orders = np.asarray(orders, dtype=np.float64)
    if orders.ndim != 1 or orders.shape != impact.adv.shape or not np.isfinite(orders).all():
        raise InputError(f"orders are {orders.shape} for impact of {impact.adv.shape}; give one amount for each name.")
    if not impact.known.all():
        raise InputError(
            f"{int((~impact.known).sum())} names of the basket have no known volume, volatility or spread; leave their "
            "orders out or fill in their adv."
        )
    if not days > 0 or slices < 1 or not 0 <= risk_aversion < np.inf:
        raise InputError(
            f"days {days:g}, slices {slices} and risk_aversion {risk_aversion:g} must not be negative or 0."
        )
    return orders


def _eta(impact: ImpactModel, tau: float) -> Float:
    """(N,) eta~ per money, of linear impact."""
    eta = (impact.temporary - impact.permanent * tau / 2) / impact.adv
    if not (eta > 0).all():
        raise InputError(f"eta - gamma tau / 2 is {eta.min():.3g}, not positive, in some name; make slices shorter.")
    return np.asarray(eta)


def _coefficients(impact: ImpactModel, tau: float, scale: float, at: float) -> tuple[Float, Float, Float]:
    """(N,) coefficients of trades in units of ``scale``, and of the power 3/2 last."""
    nothing = np.zeros(impact.adv.shape)
    if impact.power == 1:
        return impact.half_spread, _eta(impact, tau) / tau * scale, nothing
    terms = impact.terms(scale, days=tau, at=at)
    return terms.linear, nothing, terms.impact


def _risk(risk: FactorModel | Float, n_assets: int) -> tuple[Float, Float]:
    """(N,) variances of their own and (N, K) root of the rest."""
    if isinstance(risk, FactorModel):
        diagonal, root = risk.specific_variance, risk.root
    else:
        values, vectors = np.linalg.eigh(finite_square(risk, "the covariance"))
        if values[0] < -1e-10 * max(values[-1], 0.0):
            raise InputError(f"the covariance has an eigenvalue of {values[0]:.2g}; repair it with nearest_psd.")
        diagonal, root = np.zeros(len(risk)), vectors * np.sqrt(np.maximum(values, 0.0))
    if len(diagonal) != n_assets:
        raise InputError(f"risk is of {len(diagonal)} names for {n_assets} orders; give it for the same names.")
    return diagonal, root


def _caps(orders: Float, impact: ImpactModel, participation: float | Float, days: float, slices: int) -> Float:
    """(N,) money that may be traded in a slice."""
    share = np.asarray(participation, dtype=np.float64) * np.ones(len(orders))
    if not ((share > 0) & (share <= 1)).all():
        raise InputError(f"participation {share.min():g} to {share.max():g} must lie above 0 and at most at 1.")
    cap = share * impact.adv * days / slices
    needed = np.abs(orders) / (share * impact.adv)
    late = needed > days * (1 + 1e-12)
    if late.any():
        worst = int(np.argmax(needed))
        raise InputError(
            f"{int(late.sum())} orders are larger than their participation allows in {days:g} days; the largest, "
            f"number {worst}, needs {needed[worst]:.2f}: give more days, a higher participation, or a smaller order."
        )
    return np.asarray(cap)


def _cash_floor(held: Float, cash: float | None, scale: float, slices: int) -> Float:
    """(H, 0 or 1) least net sum of what is left, so that purchases less sales so far are within the cash."""
    if cash is None:
        return np.empty((slices, 0))
    net = float(held.sum()) * scale
    if not cash >= max(net, 0.0) * (1 - 1e-12):
        raise InputError(
            f"the basket buys {net:,.0f} more than it sells, with {cash:,.0f} of cash; raise cash or sell more."
        )
    return np.full((slices, 1), (net - cash) / scale)
