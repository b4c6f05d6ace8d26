"""What weights earn after costs, fast enough for thousands of strategies; ``accounts`` keeps every dollar of one."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from quantray.arrays import Float
from quantray.backtest.costs import LinearCosts, trading_costs
from quantray.backtest.drift import drifted
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.features.returns import DELIST_RETURN, held_returns
from quantray.strategies.rule import Rule, StrategyResult

__all__ = ["NetReturns", "check_terms", "net_of_costs", "net_returns", "strategy_returns"]

_COSTS = LinearCosts()


@dataclass(frozen=True, eq=False)
class NetReturns:
    """What weights earned after costs; all (T,), by the day on which the return is earned."""

    returns: Float
    """Simple daily returns on NAV."""
    turnover: Float
    """One-way: half of the weights changed to hold this day's position."""
    costs: Float
    """Fraction of NAV paid for it, which the returns are net of."""


def net_returns(
    weights_tn: Float,
    close_tn: Float,
    *,
    costs_bps: float | Float,
    lag: int = 1,
    drift: bool = True,
    delist_tn: Float | None = None,
) -> NetReturns:
    """Daily returns of target weights after costs.

    The return of day u is earned by the weights decided on day ``u - 1 - lag``, which were established at the close of
    day u - 1, less the cost of establishing them. So each day belongs to one decision: sums over the days of a regime
    count the decisions made in it, with their costs. Cash earns nothing.

    Parameters
    ----------
    weights_tn : (T, N) fractions of NAV; shorts negative; no NaN.
    close_tn : (T, N) closes adjusted to total returns; NaN where unknown: such a name returns nothing until its next
        close.
    costs_bps : basis points of the money traded; one number, or (T, N) by the day of the trade, see
        ``LinearCosts.bps``.
    lag : trading days from a decision to its trades.
    drift : whether the trades that restore weights after prices moved are counted, or changes of targets only.
    delist_tn : (T, N) delisting returns, earned by what is held on the first day after the last close; see
        ``features.returns.held_returns``. Without them a name that is gone returns nothing.

    Raises
    ------
    InputError
        The shapes disagree, weights hold NaN, the costs are negative, there are fewer than ``lag + 2`` days, or a
        day's loss takes all money.
    """
    weights = np.asarray(weights_tn, dtype=np.float64)
    if weights.shape != np.shape(close_tn) or weights.ndim != 2:
        raise InputError(f"weights are {weights.shape} for closes {np.shape(close_tn)}; take both from one panel.")
    if not np.isfinite(weights).all():
        raise InputError("weights hold NaN or infinite values; give a name without a view a weight of 0.")
    check_terms(costs_bps, lag, weights.shape)
    first = lag + 1
    held = weights[: len(weights) - first]
    moved = held_returns(np.asarray(close_tn, dtype=np.float64), delist_tn)[first:]
    gross = np.einsum("tn,tn->t", held, moved)
    if (gross <= -1).any():
        raise InputError(f"weights lose {-gross.min():.0%} in a day; lower the gross exposure.")
    before = np.zeros_like(held)
    before[1:] = drifted(held[:-1], 1 + moved[:-1], 1 + gross[:-1]) if drift else held[:-1]
    traded = np.abs(held - before)
    # What day u earns was traded the day before.
    paid = trading_costs(traded, costs_bps if np.ndim(costs_bps) == 0 else np.asarray(costs_bps)[lag:-1])
    later = np.zeros(first)
    return NetReturns(
        returns=np.concatenate([later, gross - paid]),
        turnover=np.concatenate([later, 0.5 * traded.sum(axis=1)]),
        costs=np.concatenate([later, paid]),
    )


def net_of_costs(result: StrategyResult, panel: Panel, *, costs: LinearCosts = _COSTS, lag: int = 1) -> NetReturns:
    """What a strategy's decisions earn after costs, options included; turnover and costs are those of shares.

    Shares pay half of the quoted spread where the panel has one, and delistings are earned where it has them.

    Parameters
    ----------
    costs : of the money traded; options charge their own.

    Raises
    ------
    InputError
        As ``net_returns``.
    """
    net = net_returns(
        result.weights,
        panel.field("close"),
        costs_bps=costs.bps(panel.fields),
        lag=lag,
        delist_tn=panel.fields.get(DELIST_RETURN),
    )
    return NetReturns(net.returns + result.overlay_returns, net.turnover, net.costs)


def strategy_returns(strategy: Rule[Any], panel: Panel, costs: LinearCosts = _COSTS, *, lag: int = 1) -> Float:
    """(T,) simple daily returns of a rule on NAV, its options included; see ``net_of_costs``.

    Parameters
    ----------
    lag : trading days from a decision to its trades, in equities and options.

    Raises
    ------
    InputError, DataError
        As ``Rule.run`` and ``net_returns``.
    """
    return net_of_costs(strategy.run(panel, lag=lag), panel, costs=costs, lag=lag).returns


def check_terms(costs_bps: float | Float, lag: int, shape: tuple[int, ...]) -> None:
    """See that (T, N) days and names can be traded on these terms.

    Raises
    ------
    InputError
        They cannot.
    """
    if np.ndim(costs_bps) and np.shape(costs_bps) != shape:
        raise InputError(f"costs_bps are {np.shape(costs_bps)} for {shape} days and names; take both from one panel.")
    if not np.all((np.asarray(costs_bps) >= 0) & (np.asarray(costs_bps) < 10_000)) or lag < 0:
        some = costs_bps if np.ndim(costs_bps) == 0 else f"from {np.min(costs_bps)} to {np.max(costs_bps)}"
        raise InputError(f"costs_bps {some} must lie between 0 and 10,000, and lag {lag} not be negative.")
    if shape[0] < lag + 2:
        raise InputError(f"{shape[0]} days are too few for a lag of {lag}; at least {lag + 2} are needed.")
