"""What an execution really cost: Perold's shortfall and its parts, slippage, and the model's expectation beside it.

Costs are positive where money was lost, whichever side the order was on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quantray.analytics.bootstrap import Estimate, Resampling, estimated_mean
from quantray.arrays import Float, Int, Names
from quantray.errors import InputError

__all__ = ["Executed", "Shortfall", "Slippage", "aggregate", "shortfall", "slippage", "surprise"]

_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False, kw_only=True)
class Executed:
    """(P,) orders and what became of them; prices in money per share.

    Parameters
    ----------
    ordered : shares; sales negative.
    filled : shares; of the order's sign, and no more than it.
    decision : price when the order was decided.
    arrival : price when it reached the market.
    paid : mean price of what was filled; anything where nothing was.
    last : price when the rest was cancelled, or when the order was done.
    fees : commissions and taxes, money.

    Raises
    ------
    InputError
        Shapes disagree, a number is missing or a price not positive, an order is for nothing, or more was filled than
        ordered.
    """

    ordered: Float
    filled: Float
    decision: Float
    arrival: Float
    paid: Float
    last: Float
    fees: Float

    def __post_init__(self) -> None:
        names = ("ordered", "filled", "decision", "arrival", "paid", "last", "fees")
        arrays = {name: np.atleast_1d(np.asarray(getattr(self, name), dtype=np.float64)) for name in names}
        if len({array.shape for array in arrays.values()}) > 1 or arrays["ordered"].ndim != 1:
            shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
            raise InputError(f"orders are {shapes}; give one number of each for every order.")
        arrays["paid"] = np.where(arrays["filled"] == 0, arrays["last"], arrays["paid"])
        for name, array in arrays.items():
            wrong = ~np.isfinite(array) | ((array <= 0) if name in ("decision", "arrival", "paid", "last") else False)
            if wrong.any():
                place = int(np.argmax(wrong))
                raise InputError(f"{name} of order {place} is {array[place]:g}; give a number, and prices above zero.")
            object.__setattr__(self, name, array)
        ordered, filled = arrays["ordered"], arrays["filled"]
        # Fractions of shares that were added up are the order but for their rounding.
        filled = np.where(np.abs(filled - ordered) <= _ROUNDING * np.abs(ordered), ordered, filled)
        object.__setattr__(self, "filled", filled)
        wrong = (ordered == 0) | (filled * np.sign(ordered) < 0) | (np.abs(filled) > np.abs(ordered))
        if wrong.any():
            place = int(np.argmax(wrong))
            raise InputError(
                f"order {place} is for {ordered[place]:g} shares and {filled[place]:g} were filled; fills have the "
                "order's sign and are no more than it."
            )

    @classmethod
    def of_fills(
        cls,
        *,
        ordered: npt.ArrayLike,
        decision: npt.ArrayLike,
        arrival: npt.ArrayLike,
        last: npt.ArrayLike,
        fees: npt.ArrayLike,
        order: Int,
        shares: Float,
        prices: Float,
    ) -> "Executed":
        """From (F,) fills: the place of each one's order, its shares (sales negative) and its price.

        Raises
        ------
        InputError
            As the class, or a fill is of no order.
        """
        ordered = np.atleast_1d(np.asarray(ordered, dtype=np.float64))
        if len(order) and not ((order >= 0) & (order < len(ordered))).all():
            raise InputError(f"a fill is of order {int(np.max(order))}, and there are {len(ordered)} from 0 on.")
        filled = np.bincount(order, shares, len(ordered))
        money = np.bincount(order, np.asarray(shares) * np.asarray(prices), len(ordered))
        paid = np.divide(money, filled, out=np.zeros(len(ordered)), where=filled != 0)
        given = {"decision": decision, "arrival": arrival, "last": last, "fees": fees}
        return cls(ordered=ordered, filled=filled, paid=paid, **{k: np.atleast_1d(v) for k, v in given.items()})  # type: ignore[arg-type]

    @property
    def value(self) -> Float:
        """(P,) money ordered, at the price of the decision."""
        return np.asarray(np.abs(self.ordered) * self.decision)


@dataclass(frozen=True, eq=False)
class Shortfall:
    """(P,) what orders cost, in money, against a portfolio on paper that trades whole at the price of the decision."""

    explicit: Float
    """Fees."""
    delay: Float
    """What was filled, by the move of the price from decision to arrival."""
    execution: Float
    """What was filled, by what was paid beyond the price at arrival: spread, impact and timing."""
    missed: Float
    """What was not filled, by the move of the price from the decision to the end."""
    value: Float
    """Money ordered at the price of the decision."""

    @property
    def total(self) -> Float:
        """(P,) money; the sum of the parts."""
        return np.asarray(self.explicit + self.delay + self.execution + self.missed)

    @property
    def bps(self) -> Float:
        """(P,) the total in basis points of the money ordered."""
        return np.asarray(1e4 * self.total / self.value)

    @property
    def parts(self) -> Mapping[str, Float]:
        """Name of a part -> (P,) money."""
        return {name: getattr(self, name) for name in _PARTS}


_PARTS = ("explicit", "delay", "execution", "missed")


def shortfall(executed: Executed) -> Shortfall:
    """Implementation shortfall and its parts.

    Source: Perold (1988), *The implementation shortfall: paper versus reality*, Journal of Portfolio Management 14; the
    parts as Kissell (2013), *The science of algorithmic trading*, ch. 3.
    """
    missed = executed.ordered - executed.filled
    return Shortfall(
        executed.fees,
        executed.filled * (executed.arrival - executed.decision),
        executed.filled * (executed.paid - executed.arrival),
        missed * (executed.last - executed.decision),
        executed.value,
    )


@dataclass(frozen=True, eq=False)
class Slippage:
    """(P,) what was paid beyond a price, in basis points of it; NaN where nothing was filled or no price is known."""

    arrival: Float
    vwap: Float
    """The market's over the life of the order."""
    close: Float
    """The day's."""


def slippage(executed: Executed, *, vwap: Float | None = None, close: Float | None = None) -> Slippage:
    """Slippage of what was filled against the price at arrival, the market's VWAP and the close.

    Raises
    ------
    InputError
        A benchmark is not of the orders.
    """
    given = [executed.arrival, *(np.full(len(executed.ordered), np.nan) if b is None else b for b in (vwap, close))]
    sign = np.sign(executed.ordered)
    found = []
    for prices in given:
        if np.shape(prices) != executed.ordered.shape:
            raise InputError(
                f"a benchmark is {np.shape(prices)} for {len(executed.ordered)} orders; give each a price."
            )
        known = (executed.filled != 0) & (np.asarray(prices) > 0)
        beyond = np.divide(executed.paid, prices, out=np.full(len(sign), np.nan), where=known) - 1
        found.append(np.asarray(1e4 * sign * beyond))
    return Slippage(*found)


def surprise(found: Shortfall, expected: Float, risk: Float) -> Float:
    """(P,) standard deviations by which execution cost more than a model expected; NaN where it saw no risk.

    Parameters
    ----------
    expected, risk : (P,) money: the model's cost of what was filled, and its standard deviation.

    Raises
    ------
    InputError
        Shapes disagree, or a risk is negative.
    """
    expected, risk = np.asarray(expected, dtype=np.float64), np.asarray(risk, dtype=np.float64)
    if expected.shape != found.execution.shape or risk.shape != found.execution.shape or (risk < 0).any():
        raise InputError(
            f"expected costs are {expected.shape} and risks {risk.shape} for {len(found.execution)} orders; give each "
            "order both, and no negative risk."
        )
    return np.asarray(np.divide(found.execution - expected, risk, out=np.full(risk.shape, np.nan), where=risk > 0))


def aggregate(
    found: Shortfall, labels: Names | Sequence[str] | None = None, *, resampling: Resampling | None = None
) -> dict[str, tuple[dict[str, float], Estimate | None]]:
    """By label, parts of the shortfall in basis points of all money ordered, and the mean of orders with its interval.

    Parameters
    ----------
    labels : (P,) such as algorithms or sectors; by default all orders together, under ``all``.
    resampling : of orders, which are taken to be independent.

    Raises
    ------
    InputError
        There is not one label for each order.
    """
    names = np.full(len(found.value), "all") if labels is None else np.asarray(labels, dtype=np.str_)
    if names.shape != found.value.shape:
        raise InputError(f"{names.shape} labels for {len(found.value)} orders; give each one.")
    result: dict[str, tuple[dict[str, float], Estimate | None]] = {}
    for label in np.unique(names).tolist():
        inside = names == label
        value = float(found.value[inside].sum())
        parts = {name: 1e4 * float(money[inside].sum()) / value for name, money in found.parts.items()}
        parts["total"] = sum(parts.values())
        drawn = resampling or Resampling(block=1)
        result[label] = (parts, estimated_mean(found.bps[inside], resampling=drawn) if inside.sum() > 1 else None)
    return result
