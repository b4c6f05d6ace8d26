"""What a moving exposure does to a strategy: returns net of costs, trades, how often it sold low to buy back high."""

from dataclasses import dataclass

import numpy as np

from quantray.analytics.metrics import checked_series
from quantray.arrays import Float
from quantray.errors import InputError

__all__ = ["Overlay", "overlaid", "whipsaws"]


@dataclass(frozen=True, eq=False)
class Overlay:
    """A strategy held at an exposure that moves; the rest is cash."""

    returns: Float
    """(T,) net of costs."""
    exposure: Float
    """(T,) held over each day, a fraction of NAV."""
    traded: Float
    """(T,) bought before each day, a fraction of NAV; sold negative."""
    costs: Float
    """(T,) paid for it, a fraction of NAV."""


def overlaid(
    returns: Float, exposure: Float, *, cost_bps: float = 5.0, cash: Float | float = 0.0, band: float = 0.02
) -> Overlay:
    """A strategy at an exposure.

    Parameters
    ----------
    returns : (T,) simple returns of the strategy at full size, net of its own costs.
    exposure : (T,) wanted over each day, decided before it begins.
    cost_bps : of the money traded to move the exposure.
    cash : (T,) or one return of a day on what is not invested, paid on what is borrowed.
    band : the exposure drifts with prices and is traded once it is farther than this from what is wanted.

    Raises
    ------
    InputError
        Shapes disagree, values are missing, or a cost or band is negative.
    """
    returns = checked_series(returns, "returns")
    exposure, rate = np.asarray(exposure, dtype=np.float64), np.broadcast_to(cash, returns.shape)
    if exposure.shape != returns.shape or not np.isfinite(exposure).all() or not (cost_bps >= 0 and band >= 0):
        raise InputError(
            f"exposure is {exposure.shape} for {len(returns)} returns, cost_bps {cost_bps} and band {band}: give one "
            "finite exposure for each day, and no negative cost or band."
        )
    net, held, traded, costs = (np.zeros(len(returns)) for _ in range(4))
    now = float(exposure[0])
    for day, wanted in enumerate(exposure.tolist()):
        if abs(wanted - now) > band or (wanted != now and wanted in (0.0, 1.0)):
            traded[day], now = wanted - now, wanted
        costs[day] = abs(traded[day]) * cost_bps * 1e-4
        held[day] = now
        net[day] = now * returns[day] + (1 - now) * rate[day] - costs[day]
        now = now * (1 + float(returns[day])) / (1 + float(net[day]))
    return Overlay(net, held, traded, costs)


def whipsaws(returns: Float, traded: Float) -> tuple[int, int]:
    """How many sales of an exposure were bought back, and how many of these at a higher price than they were made.

    What was sold last is bought back first, as steps are undone; what is never bought back is not counted.

    Parameters
    ----------
    returns : (T,) of the strategy at full size.
    traded : (T,) bought before each day, sold negative: ``Overlay.traded``.

    Returns
    -------
    Sales that were bought back, and those among them that came back dearer.

    Raises
    ------
    InputError
        As ``metrics.checked_series``, or the shapes disagree.
    """
    returns = checked_series(returns, "returns")
    if np.shape(traded) != returns.shape:
        raise InputError(f"traded is {np.shape(traded)} for {len(returns)} returns; give one amount for each day.")
    price = np.concatenate([[1.0], np.cumprod(1 + returns)])
    sales: list[tuple[float, float]] = []
    undone = dearer = 0
    for day in range(len(returns)):
        bought = float(traded[day])
        if bought < 0:
            sales.append((-bought, float(price[day])))
        while bought > 1e-12 and sales:
            size, sold = sales.pop()
            if size > bought + 1e-12:
                sales.append((size - bought, sold))
            else:
                undone, dearer = undone + 1, dearer + int(price[day] > sold)
            bought -= size
    return undone, dearer
