"""From target weights to trades: when to move, how far, and in whole shares.

A policy maps (current, target) weights to the weights to trade to; the backtest asks it on every day of execution.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from quantray.arrays import Float, Int
from quantray.errors import InputError

__all__ = [
    "FullMove",
    "NoTradeZone",
    "PartialMove",
    "Policy",
    "ShareTrades",
    "Threshold",
    "cost_zone",
    "unnecessary_turnover",
    "whole_shares",
]

_ROUNDING = 1e-12
"""Relative error of a weight that was computed from shares."""


class Policy(Protocol):
    """Says which weights to trade to."""

    def __call__(self, current: Float, target: Float) -> Float:
        """(N,) weights after trading, from (N,) weights held and (N,) weights wanted."""
        ...


@dataclass(frozen=True)
class FullMove:
    """Always to the target."""

    def __call__(self, current: Float, target: Float) -> Float:
        """See ``Policy``."""
        return target


@dataclass(frozen=True)
class Threshold:
    """To the target once the portfolio has drifted away from it by more than a threshold.

    Parameters
    ----------
    drift : half the sum of absolute differences in weight, which is the turnover of a full move.
    """

    drift: float

    def __post_init__(self) -> None:
        if not 0 <= self.drift <= 2:
            raise InputError(f"drift {self.drift} must lie between 0 and 2; it is the turnover that a move would cost.")

    def __call__(self, current: Float, target: Float) -> Float:
        """See ``Policy``."""
        return target if np.abs(target - current).sum() / 2 > self.drift else current


@dataclass(frozen=True)
class PartialMove:
    """A fixed share of the way to the target.

    Source: Garleanu and Pedersen (2013), *Dynamic trading with predictable returns and transaction costs*, JF 68(6).
    """

    share: float

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise InputError(f"share {self.share} must lie above 0 and at most at 1.")

    def __call__(self, current: Float, target: Float) -> Float:
        """See ``Policy``."""
        return current + self.share * (target - current)


@dataclass(frozen=True, eq=False)
class NoTradeZone:
    """Names within a band around their target stay; others move to the band's nearer edge.

    Names whose target is exactly zero are sold out, so that a leaver does not linger. Cash has a band too, as wide as
    the widest name's: what the names leave or borrow beyond it moves them further towards their targets, all by the
    same share. So a first purchase is not half left in cash, for instance.

    Parameters
    ----------
    half_width : in weight, one number or (N,); see ``cost_zone``.
    """

    half_width: Float | float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.half_width).all() and (np.asarray(self.half_width) >= 0).all()):
            raise InputError("the half width of a no-trade zone must be finite and not negative.")

    def __call__(self, current: Float, target: Float) -> Float:
        """See ``Policy``."""
        moved = np.clip(current, target - self.half_width, target + self.half_width)
        moved = np.where(target == 0, 0.0, moved)
        missing = target - moved
        idle = float(missing.sum())
        beyond = abs(idle) - float(np.max(self.half_width, initial=0.0))
        if beyond > _ROUNDING:
            same_side = np.maximum(np.sign(idle) * missing, 0.0)
            moved = moved + np.sign(idle) * beyond / same_side.sum() * same_side
        return moved


def cost_zone(cost: Float, variance: Float, *, risk_aversion: float) -> Float:
    """(N,) half widths within which a trade's gain in utility does not pay its cost.

    At a distance x from its target a name loses ``risk_aversion * variance * x`` of utility per unit of weight at the
    margin; inside ``cost / (risk_aversion * variance)`` that is less than the cost.

    Parameters
    ----------
    cost : (N,) fraction of the money traded.
    variance : (N,) over the period for which a position is held.

    Raises
    ------
    InputError
        A cost is negative, or a variance or the risk aversion not positive.
    """
    cost, variance = np.asarray(cost, dtype=np.float64), np.asarray(variance, dtype=np.float64)
    if not (cost >= 0).all() or not (variance > 0).all() or not risk_aversion > 0:
        raise InputError("costs must not be negative, variances and risk aversion positive.")
    return np.asarray(cost / (risk_aversion * variance))


@dataclass(frozen=True, eq=False)
class ShareTrades:
    """Whole-share positions."""

    shares: Int
    """(N,) to hold; shorts negative."""
    trades: Int
    """(N,) to buy; sales negative."""
    weights: Float
    """(N,) that the shares amount to."""
    cash: float
    """Money left over."""


def whole_shares(weights: Float, prices: Float, nav: float, *, held: Int | None = None, lot: int = 1) -> ShareTrades:
    """Positions in whole lots that come nearest to weights and never spend more than these do.

    Each position is rounded down to whole lots (shorts away from zero); the money that this frees buys a lot each of
    those that lost most by it, as long as it lasts.

    Parameters
    ----------
    weights : (N,) fractions of NAV.
    prices : (N,) positive.
    nav : money.
    held : (N,) whole shares held before; none by default.

    Raises
    ------
    InputError
        Shapes disagree, a price or the NAV is not positive, a weight is missing, or a fraction of a share is held.
    """
    weights, prices = np.asarray(weights, dtype=np.float64), np.asarray(prices, dtype=np.float64)
    if weights.shape != prices.shape or weights.ndim != 1 or not np.isfinite(weights).all():
        raise InputError(f"weights are {weights.shape} and prices {prices.shape}; both must be (N,) and complete.")
    if not (np.isfinite(prices) & (prices > 0)).all() or not nav > 0 or lot < 1:
        raise InputError("prices and NAV must be positive, and a lot at least one share.")
    before = np.zeros(weights.shape) if held is None else np.asarray(held)
    if before.shape != weights.shape or not (before == np.round(before)).all():
        raise InputError(f"shares held are {before.shape}; give a whole number for each of {len(weights)} assets.")
    exact = weights * nav / (prices * lot)
    # A whole number of lots comes back from its weight a rounding error lower, which is not a lot less.
    near = np.round(exact)
    lots = np.where(np.abs(exact - near) <= _ROUNDING * np.abs(exact), near, np.floor(exact)).astype(np.int64)
    spare = float((weights * nav).sum() - (lots * lot) @ prices) + _ROUNDING * nav
    missing = exact - lots
    for asset in np.argsort(-missing, kind="stable").tolist():
        price = float(prices[asset]) * lot
        if missing[asset] > 0 and price <= spare:
            lots[asset] += 1
            spare -= price
    shares = lots * lot
    value = shares * prices
    return ShareTrades(shares, shares - before.astype(np.int64), value / nav, float(nav - value.sum()))


def unnecessary_turnover(trades: Float, *, window: int = 3) -> float:
    """Share of the turnover that later trades took back within a few rebalances, between 0 and 1.

    For each asset and run of ``window`` rebalances, trades that cancel within the run were not needed to get from its
    start to its end. Runs overlap, and the share is that of all together, so trades at either end of
    ``trades`` count in fewer runs.

    Parameters
    ----------
    trades : (D, N) weights or money traded at each rebalance; purchases positive.

    Raises
    ------
    InputError
        Not a (D, N) array, or a window below 2.
    """
    trades = np.asarray(trades, dtype=np.float64)
    if trades.ndim != 2 or window < 2:
        raise InputError(f"trades are {trades.shape} and the window {window}; give (D, N) and at least 2.")
    total = np.abs(trades).sum()
    if len(trades) < window or total == 0:
        return 0.0
    runs = np.lib.stride_tricks.sliding_window_view(trades, window, axis=0)
    gross, net = np.abs(runs).sum(axis=-1), np.abs(runs.sum(axis=-1))
    return float((gross - net).sum() / gross.sum())
