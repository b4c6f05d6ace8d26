"""Bars to replay out of a panel of daily ones, real or synthetic: the inside of a day is drawn, its ends are kept."""

import numpy as np

from quantray.arrays import Float, Int
from quantray.data.calendar import DEFAULT_EXCHANGE
from quantray.data.panel import Panel
from quantray.errors import DataError, InputError
from quantray.execution.bridge import day_paths, day_volumes
from quantray.execution.impact import ADV, DAILY_VOLATILITY, ImpactLaw, with_liquidity
from quantray.execution.schedules import usual_profile
from quantray.execution.sessions import in_utc, session
from quantray.oms.messages import MONEY
from quantray.oms.paper.bars import Bars

__all__ = ["bars_of_day"]

_STEPS = 6
"""Of a path within a bar, from which its high and low come."""
_FIELDS = ("open", "high", "low", "close", "volume")


def bars_of_day(
    panel: Panel,
    day: object,
    *,
    minutes: int = 5,
    seed: int = 0,
    spread_bps: float = 5.0,
    law: ImpactLaw | None = None,
    noise: float = 0.3,
    exchange: str = DEFAULT_EXCHANGE,
) -> Bars:
    """Bars within a day that hit each name's open, high, low, close and volume of that day.

    Names without a bar that day, or without known liquidity before it, are left out.

    Parameters
    ----------
    panel : daily, with open, high, low, close and volume.
    minutes : length of a bar, which divides the session.
    seed : of paths and volumes; each name has its own by its symbol.
    spread_bps : whole spread of all names.
    law : of impact, from volume and volatility as known the day before.
    noise : of volumes around their usual profile; see ``execution.bridge``.

    Raises
    ------
    InputError
        The exchange is closed that day, or the length does not divide the session.
    DataError
        The panel lacks the day, one before it, or a field, or no name has all that is needed.
    """
    row = panel.row(day)
    if row == 0:
        raise DataError(f"{day} is the first day of the panel; liquidity is known from days before.")
    whole = round(float(session(panel.dates[row], 1, exchange=exchange).minutes[0]))
    if minutes < 1 or whole % minutes:
        raise InputError(f"bars of {minutes} minutes do not divide a session of {whole}; take 1, 5, 10 or 30.")
    hours = session(panel.dates[row], whole // minutes, exchange=exchange)
    today = {name: panel.field(name)[row] for name in _FIELDS}
    known = with_liquidity(panel.until(row - 1))
    money, volatility = known.field(ADV)[-1], known.field(DAILY_VOLATILITY)[-1]
    chosen = np.flatnonzero(np.all([values > 0 for values in (*today.values(), money, volatility)], axis=0))
    if not len(chosen):
        raise DataError(f"no name of the panel has a bar on {day} and known liquidity before it.")
    shares = money[chosen] / known.field("close")[-1][chosen]
    profile = usual_profile(hours)
    prices = np.empty((4, len(profile), len(chosen)), dtype=np.int64)
    volume = np.empty(prices.shape[1:], dtype=np.int64)
    for column, asset in enumerate(chosen):
        own = (seed, int.from_bytes(str(panel.assets[asset]).encode(), "little"))
        first, high, low, last, total = (float(today[name][asset]) for name in _FIELDS)
        prices[..., column] = _prices((first, high, low, last), len(profile), own)
        drawn = day_volumes(total, profile, n_paths=1, noise=noise, seed=(*own, 1))
        volume[:, column] = np.floor(drawn[0])
    return Bars(
        symbols=tuple(panel.assets[chosen].tolist()),
        times=in_utc(hours.times, exchange),
        seconds=60.0 * minutes,
        open=prices[0],
        high=prices[1],
        low=prices[2],
        close=prices[3],
        volume=volume,
        impact=(law or ImpactLaw()).model(shares, volatility[chosen], spread_bps),
    )


def _prices(day: tuple[float, float, float, float], n_bars: int, seed: tuple[int, int]) -> Int:
    """(4, B) open, high, low and close of each bar in units of money; a price keeps at least one."""
    (path,) = day_paths(day, n_steps=_STEPS * n_bars, n_paths=1, seed=(*seed, 0))
    within = np.lib.stride_tricks.sliding_window_view(path, _STEPS + 1)[::_STEPS]
    bars: Float = np.stack([within[:, 0], within.max(axis=1), within.min(axis=1), within[:, -1]])
    return np.maximum(np.rint(MONEY * bars), 1).astype(np.int64)
