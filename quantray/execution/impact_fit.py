"""Parameters of impact from orders that were executed, with intervals.

With X shares over T days, a day's volume V and a day's volatility sigma, the models say ::

    permanent:  I / sigma = gamma X / V + noise,      cost:  (J - I / 2) / sigma = eta (X / (V T))^power + noise

Costs are noisy: a day's volatility is a hundred times what an order costs, so intervals are wide unless there are
thousands of orders. They hold for noise of any variance (sandwich), not for orders that were chosen by their costs.

Source: Almgren, Thum, Hauptmann and Li (2005), *Direct estimation of equity market impact*, Risk 18.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import ndtri

from quantray.arrays import Float
from quantray.errors import InputError

__all__ = ["Estimate", "ExecutedOrders", "ImpactFit", "fit_impact"]

_LEAST_ORDERS = 20


@dataclass(frozen=True)
class Estimate:
    """A parameter and its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False, kw_only=True)
class ExecutedOrders:
    """What F orders were, and what they did.

    Parameters
    ----------
    adv_share : (F,) size as a share of a day's volume, positive for purchases and sales alike.
    days : (F,) from the first to the last fill, as a share of trading days.
    volatility : (F,) of a day's return.
    cost : (F,) fraction of the arrival price that was paid beyond half of the spread; a gain is negative.
    moved : (F,) fraction by which the price stood higher for a purchase (lower for a sale) well after the last fill
        than on arrival; None fits no permanent impact and counts it as zero.

    Raises
    ------
    InputError
        Lengths differ, a value is unknown, or a size, a time or a volatility is not positive.
    """

    adv_share: Float
    days: Float
    volatility: Float
    cost: Float
    moved: Float | None = None

    def __post_init__(self) -> None:
        given = [self.adv_share, self.days, self.volatility, self.cost, *([] if self.moved is None else [self.moved])]
        if len({values.shape for values in given}) > 1 or self.cost.ndim != 1:
            raise InputError(f"executed orders have columns of {[values.shape for values in given]}; give (F,) each.")
        if not all(np.isfinite(values).all() for values in given) or not all((v > 0).all() for v in given[:3]):
            raise InputError("sizes, days and volatilities of executed orders must be positive, and costs known.")
        if len(self.cost) < _LEAST_ORDERS:
            raise InputError(f"{len(self.cost)} orders say nothing of impact; give {_LEAST_ORDERS} or more.")


@dataclass(frozen=True)
class ImpactFit:
    """Fitted parameters; ``temporary`` and ``permanent`` are days' volatilities at one day's volume in one day."""

    temporary: Estimate
    permanent: Estimate | None
    power: Estimate
    """Its interval is the number itself where it was given."""
    n_orders: int


def fit_impact(orders: ExecutedOrders, *, power: float | None = None, level: float = 0.95) -> ImpactFit:
    """Parameters by least squares, in units of each order's volatility.

    Parameters
    ----------
    power : of temporary impact; None fits it, between 0.1 and 1.
    level : of the intervals.

    Raises
    ------
    InputError
        The power or the level is out of range.
    """
    if not 0.5 < level < 1 or (power is not None and not 0 < power <= 1):
        raise InputError(f"level {level:g} must be above 1/2 and below 1, and power {power} above 0 and at most 1.")
    wide = float(ndtri((1 + level) / 2))
    permanent, rest = None, orders.cost / orders.volatility
    if orders.moved is not None:
        moved = orders.moved / orders.volatility
        permanent = _linear(orders.adv_share[:, None], moved, wide)[0]
        rest = rest - moved / 2
    rate = orders.adv_share / orders.days
    if power is not None:
        temporary = _linear(rate[:, None] ** power, rest, wide)[0]
        return ImpactFit(temporary, permanent, Estimate(power, power, power), len(rate))

    def lost(trial: float) -> float:
        column = rate**trial
        return float(((rest - column * (column @ rest) / (column @ column)) ** 2).sum())

    best = float(minimize_scalar(lost, bounds=(0.1, 1.0), method="bounded", options={"xatol": 1e-6}).x)
    column = rate**best
    eta = float(column @ rest / (column @ column))
    slopes = np.column_stack([column, eta * column * np.log(rate)])
    deviations = _sandwich(slopes, rest - eta * column)
    return ImpactFit(_interval(eta, deviations[0], wide), permanent, _interval(best, deviations[1], wide), len(rate))


def _linear(columns: Float, values: Float, wide: float) -> list[Estimate]:
    found = np.linalg.lstsq(columns, values, rcond=None)[0]
    deviations = _sandwich(columns, values - columns @ found)
    return [_interval(float(v), float(d), wide) for v, d in zip(found, deviations, strict=True)]


def _sandwich(slopes: Float, errors: Float) -> Float:
    """(K,) standard deviations of least squares with errors of any variance (HC1)."""
    n_orders, n_parameters = slopes.shape
    inverse = np.linalg.inv(slopes.T @ slopes)
    middle = (slopes * errors[:, None] ** 2).T @ slopes
    return np.asarray(np.sqrt(np.diagonal(inverse @ middle @ inverse) * n_orders / (n_orders - n_parameters)))


def _interval(value: float, deviation: float, wide: float) -> Estimate:
    return Estimate(value, value - wide * float(deviation), value + wide * float(deviation))
