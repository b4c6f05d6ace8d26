"""Small markets for the paper venue, with round numbers that can be checked by hand."""

import numpy as np

from quantray.execution.impact import linear_impact, square_root_impact
from quantray.execution.orders import Side
from quantray.execution.venues import Venue
from quantray.oms.messages import MONEY, NewOrder
from quantray.oms.paper.bars import Bars
from quantray.oms.paper.matching import Rules
from quantray.oms.paper.places import Place, named_places

LIT = Place(Venue(name="NYSE", fee=0.003, latency_ms=0.0, liquidity=0.5))
OTHER = Place(Venue(name="BATS", fee=-0.001, latency_ms=0.0, liquidity=0.25))
DARK = Place(Venue(name="DARK_A", kind="dark", fee=0.001, latency_ms=0.0, liquidity=0.1))
PLACES = named_places((LIT, OTHER, DARK))
FREE = linear_impact(np.array([1e6, 1e6]), np.array([0.02, 0.02]), np.zeros(2))
"""No spread, and so no impact either."""


def rules(**changes):
    return Rules(**({"participation": 0.2, "places": PLACES} | changes))


def flat_bars(prices=((100, 100, 100, 100),) * 4, volume=10_000, *, impact=FREE, symbols=("AAA", "BBB"), days=1):
    """Bars of (open, high, low, close), in the currency, alike for all symbols; ``days`` shares them out evenly."""
    grid = np.array(prices, dtype=np.float64)
    n_bars = len(grid)
    field = np.rint(MONEY * grid.T[:, :, None] * np.ones(len(symbols))).astype(np.int64)
    start = np.datetime64("2024-03-28T13:30:00", "s")
    day, place = np.divmod(np.arange(n_bars), -(-n_bars // days))
    times = start + day * np.timedelta64(1, "D") + place * np.timedelta64(1800, "s")
    sizes = np.broadcast_to(np.asarray(volume).reshape(-1, 1), (n_bars, len(symbols))).astype(np.int64)
    return Bars(
        symbols=symbols,
        times=times,
        seconds=1800.0,
        open=field[0],
        high=field[1],
        low=field[2],
        close=field[3],
        volume=sizes,
        impact=impact,
    )


def costly(temporary=1.0, permanent=0.5, spread_bps=10.0):
    """Square-root impact of two names of which a million shares trade on a day."""
    return square_root_impact(np.full(2, 1e6), np.full(2, 0.02), spread_bps, coefficient=temporary, permanent=permanent)


def order(name, quantity=100, side=Side.BUY, **changes):
    return NewOrder(**({"id": name, "account": "fund", "symbol": "AAA", "side": side, "quantity": quantity} | changes))


def dollars(amount):
    return round(amount * MONEY)
