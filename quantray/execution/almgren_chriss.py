"""How fast to trade: slower costs less, and risks more until it is done.

Symbols of the paper: X shares over T days in N slices of tau days; sigma volatility, eta temporary and gamma permanent
impact, epsilon half of the spread, alpha drift, lambda risk aversion. With ``eta~ = eta - gamma tau / 2`` the schedule
minimises ``E + lambda V`` over the trades n_k and what is left x_k after them, where ::

    E = gamma X^2 / 2 + epsilon sum|n_k| + eta~ / tau sum n_k^2 - alpha tau sum x_k,     V = sigma^2 tau sum x_k^2

All functions take one order or (P,) orders at once. Baskets whose names move together are in ``basket``.

Source: Almgren and Chriss (2000), *Optimal execution of portfolio transactions*, J. Risk 3.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quantray.arrays import Float
from quantray.errors import InputError
from quantray.execution.impact import ImpactModel

__all__ = [
    "CostRisk",
    "Frontier",
    "TradingTerms",
    "Trajectory",
    "cost_and_risk",
    "efficient_frontier",
    "optimal_trajectory",
    "risk_aversion_of_urgency",
    "trading_terms",
]


@dataclass(frozen=True, eq=False, kw_only=True)
class TradingTerms:
    """What an order's market is like; numbers, or (P,) for as many orders.

    Parameters
    ----------
    volatility : money a share, of one day (its root grows with time).
    temporary : eta, money a share for each share a day.
    permanent : gamma, money a share for each share.
    half_spread : epsilon, money a share.
    drift : alpha, money a share a day by which what is left gains; a sale waits for a rising price, and a purchase
        (of negative shares) for a falling one.

    Raises
    ------
    InputError
        A value is unknown, or negative where only the drift may be.
    """

    volatility: npt.ArrayLike
    temporary: npt.ArrayLike
    permanent: npt.ArrayLike = 0.0
    half_spread: npt.ArrayLike = 0.0
    drift: npt.ArrayLike = 0.0

    def __post_init__(self) -> None:
        for name in ("volatility", "temporary", "permanent", "half_spread", "drift"):
            values = np.asarray(getattr(self, name), dtype=np.float64)
            if not np.isfinite(values).all() or (name != "drift" and (values < 0).any()):
                raise InputError(f"{name} of an order's market must be known and not negative; fill in its adv first.")
            object.__setattr__(self, name, values)

    def curvature(self, tau: npt.ArrayLike) -> Float:
        """eta~ of slices of tau days.

        Raises
        ------
        InputError
            It is not positive, so that waiting for ever would cost least.
        """
        out = np.asarray(np.asarray(self.temporary) - np.asarray(self.permanent) * np.asarray(tau) / 2)
        if not (out > 0).all():
            raise InputError(
                f"eta - gamma tau / 2 is {out.min():.3g}, not positive; make slices shorter, or the temporary impact "
                "larger than half of the permanent one in a slice."
            )
        return out


@dataclass(frozen=True, eq=False)
class CostRisk:
    """Expected cost and its variance, in money; (P,) or one number."""

    cost: Float
    variance: Float

    @property
    def deviation(self) -> Float:
        """Standard deviation of the cost."""
        return np.asarray(np.sqrt(self.variance))


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A schedule of one order, or of (P,) orders."""

    days: Float
    """(N + 1,) or (P, N + 1) times, from zero to the end."""
    holdings: Float
    """(N + 1,) or (P, N + 1) shares left; the order at first, and zero in the end."""
    expected: CostRisk
    kappa: Float
    """Rate of trading, per day: 1 / kappa days until a share of 1/e is left. Zero trades evenly."""

    @property
    def trades(self) -> Float:
        """(N,) or (P, N) shares traded in each slice, in the order's sign."""
        return np.asarray(-np.diff(self.holdings, axis=-1))


@dataclass(frozen=True, eq=False)
class Frontier:
    """The best schedules at (L,) risk aversions."""

    risk_aversions: Float
    costs: Float
    deviations: Float


def trading_terms(
    impact: ImpactModel, price: npt.ArrayLike, *, drift: npt.ArrayLike = 0.0, at: npt.ArrayLike = 0.05
) -> TradingTerms:
    """The terms of N names by an impact model whose ``adv`` is in shares.

    Parameters
    ----------
    price : (N,) money a share.
    drift : (N,) return a day.
    at : share of a day's volume that is traded a day, at which impact of a power other than 1 is made linear, so that
        it costs the same there.
    """
    price = np.asarray(price, dtype=np.float64)
    if not impact.known.all() or not (price > 0).all():
        raise InputError(
            "adv, volatility, spread and price of every order must be known and positive; leave out others."
        )
    return TradingTerms(
        volatility=impact.volatility * price,
        temporary=impact.temporary * np.asarray(at) ** (impact.power - 1) * price / impact.adv,
        permanent=impact.permanent * price / impact.adv,
        half_spread=impact.half_spread * price,
        drift=np.asarray(drift) * price,
    )


def optimal_trajectory(
    shares: npt.ArrayLike,
    terms: TradingTerms,
    *,
    days: npt.ArrayLike = 1.0,
    slices: int = 8,
    risk_aversion: npt.ArrayLike = 0.0,
) -> Trajectory:
    """The schedule of least ``E + lambda V``.

    Parameters
    ----------
    shares : to sell; negative to buy. One, or (P,).
    days : until done, positive.
    slices : 1 or more.
    risk_aversion : lambda, per money; zero trades evenly but for the drift. A negative one is possible while
        ``kappa T < pi``.

    Raises
    ------
    InputError
        A number is out of range, eta~ is not positive, or the risk aversion is too negative.
    """
    shares, days, aversion = (np.asarray(v, dtype=np.float64) for v in (shares, days, risk_aversion))
    tau = _tau(days, slices)
    if not np.isfinite(shares).all() or not np.isfinite(aversion).all():
        raise InputError("shares and risk_aversion must be finite.")
    curvature = terms.curvature(tau)
    pull = aversion * np.asarray(terms.volatility) ** 2 / curvature
    kappa = _kappa(pull, tau, days)
    times = np.linspace(0.0, 1.0, slices + 1) * days[..., None]
    left, end, rate = (days[..., None] - times, days[..., None], kappa[..., None])
    likes_risk = (pull < 0)[..., None]
    share = np.where(likes_risk, _sine_ratio(left, end, rate), _sinh_ratio(left, end, rate))
    holdings = shares[..., None] * share + _waiting(terms, curvature, times, end, rate, likes_risk, tau)
    holdings = holdings * np.ones_like(share)
    holdings[..., 0], holdings[..., -1] = shares, 0.0
    trades = -np.diff(holdings, axis=-1)
    return Trajectory(times, holdings, cost_and_risk(trades, terms, days=days), kappa)


def cost_and_risk(trades: npt.ArrayLike, terms: TradingTerms, *, days: npt.ArrayLike = 1.0) -> CostRisk:
    """E and V of any schedule of equal slices.

    Parameters
    ----------
    trades : (N,) or (P, N) shares, in the order's sign.

    Raises
    ------
    InputError
        As ``optimal_trajectory``.
    """
    trades = np.asarray(trades, dtype=np.float64)
    tau = _tau(np.asarray(days, dtype=np.float64), trades.shape[-1])
    total = trades.sum(axis=-1)
    left = total[..., None] - np.cumsum(trades, axis=-1)
    cost = (
        np.asarray(terms.permanent) / 2 * total**2
        + np.asarray(terms.half_spread) * np.abs(trades).sum(axis=-1)
        + terms.curvature(tau) / tau * (trades**2).sum(axis=-1)
        - np.asarray(terms.drift) * tau * left.sum(axis=-1)
    )
    return CostRisk(cost, np.asarray(terms.volatility) ** 2 * tau * (left**2).sum(axis=-1))


def risk_aversion_of_urgency(
    urgency: npt.ArrayLike, terms: TradingTerms, *, days: npt.ArrayLike = 1.0, slices: int = 8
) -> Float:
    """Lambda at which the order falls by a factor e as often as ``urgency`` says until it is done.

    Parameters
    ----------
    urgency : kappa T; 0 trades evenly, 1 is calm, 3 front-loaded, 10 nearly at once.

    Raises
    ------
    InputError
        It is negative, or as ``optimal_trajectory``.
    """
    urgency, days = np.asarray(urgency, dtype=np.float64), np.asarray(days, dtype=np.float64)
    if not (urgency >= 0).all() or not (np.asarray(terms.volatility) > 0).all():
        raise InputError(f"urgency {urgency.min():g} must not be negative, and volatilities must be positive.")
    tau = _tau(days, slices)
    # 2 (cosh(x) - 1) without cancellation.
    bend = 4 * np.sinh(urgency / slices / 2) ** 2
    return np.asarray(terms.curvature(tau) * bend / (np.asarray(terms.volatility) ** 2 * tau**2))


def efficient_frontier(
    shares: float, terms: TradingTerms, risk_aversions: npt.ArrayLike, *, days: float = 1.0, slices: int = 8
) -> Frontier:
    """Cost against risk of one order's best schedules; convex, and cheapest without risk aversion."""
    levels = np.atleast_1d(np.asarray(risk_aversions, dtype=np.float64))
    ones = np.ones_like(levels)
    best = optimal_trajectory(shares * ones, terms, days=days * ones, slices=slices, risk_aversion=levels)
    return Frontier(levels, best.expected.cost, best.expected.deviation)


def _tau(days: Float, slices: int) -> Float:
    if slices < 1 or not (np.isfinite(days) & (days > 0)).all():
        raise InputError(f"a schedule takes a positive number of days and 1 slice or more, not {days} and {slices}.")
    return days / slices


def _kappa(pull: Float, tau: Float, days: Float) -> Float:
    """(P,) rates: ``2 (cosh(kappa tau) - 1) = pull tau^2``, and for a negative pull the same with a cosine."""
    half = np.sqrt(np.abs(pull)) * tau / 2
    too_far = (pull < 0) & (half >= 1)
    rate = np.where(pull < 0, np.arcsin(np.minimum(half, 1.0)), np.arcsinh(half)) * 2 / tau
    if (too_far | ((pull < 0) & (rate * days >= np.pi))).any():
        raise InputError(
            "a negative risk aversion has a best schedule only while kappa T < pi; bring it nearer to zero."
        )
    return np.asarray(rate)


def _sinh_ratio(left: Float, end: Float, rate: Float) -> Float:
    """``sinh(rate left) / sinh(rate end)``, which neither overflows nor fails at zero."""
    a, b = rate * left, rate * end
    small = b < 1e-8
    bottom = np.where(small, 1.0, -np.expm1(-2 * b))
    return np.asarray(np.where(small, left / end, np.exp(a - b) * -np.expm1(-2 * a) / bottom))


def _sine_ratio(left: Float, end: Float, rate: Float) -> Float:
    b = rate * end
    return np.asarray(np.sin(rate * left) / np.where((b > 0) & (b < np.pi), np.sin(b), 1.0))


def _waiting(
    terms: TradingTerms, curvature: Float, times: Float, end: Float, rate: Float, likes_risk: Float, tau: Float
) -> Float:
    """(..., N + 1) shares beyond the schedule without drift: ``alpha / (2 lambda sigma^2)`` times a bracket.

    The bracket, 1 - (sinh(a) + sinh(b)) / sinh(a + b), is ``2 sinh(a/2) sinh(b/2) / cosh((a + b)/2)``, and lambda
    sigma^2 is ``4 eta~ sinh(kappa tau / 2)^2 / tau^2``; so nothing cancels as kappa falls to zero.
    """
    drift = np.asarray(terms.drift)
    if not (drift != 0).any():
        return np.zeros_like(times)
    step, scale = tau[..., None], (drift / curvature)[..., None]
    a, b = rate * (end - times) / 2, rate * times / 2
    even = times * (end - times) / 4
    safe = np.where(rate > 0, rate, 1.0)
    hyperbolic = np.exp(a + b - rate * end / 2) * np.expm1(-2 * a) * np.expm1(-2 * b) / (1 + np.exp(-rate * end))
    hyperbolic = hyperbolic * step**2 / (8 * np.sinh(safe * step / 2) ** 2)
    sine = 2 * np.sin(a) * np.sin(b) / np.cos(np.minimum(rate * end, np.pi) / 2)
    sine = sine * step**2 / (8 * np.sin(safe * step / 2) ** 2)
    return np.asarray(scale * np.where(rate * end < 1e-8, even, np.where(likes_risk, sine, hyperbolic)))
