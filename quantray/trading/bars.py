"""The market of a trading day: bars of today, and those before it that strategies look back on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from quantray.arrays import Int
from quantray.data.panel import Panel
from quantray.errors import DataError, InputError
from quantray.execution.impact import ImpactLaw
from quantray.oms.messages import MONEY
from quantray.oms.paper.bars import Bars
from quantray.oms.paper.replay import bars_of_day
from quantray.settings import Seed

__all__ = ["MarketDay", "replayed_day", "synthetic_day"]

_FIELDS = ("open", "high", "low", "close", "volume")
_SESSION = 390
"""Minutes."""


@dataclass(frozen=True, eq=False)
class MarketDay:
    """Bars before the day and bars of the day, of the same symbols.

    Raises
    ------
    InputError
        The symbols differ, or the bars before the day end after it begins.
    """

    before: Bars
    today: Bars

    def __post_init__(self) -> None:
        if self.before.symbols != self.today.symbols or self.before.times[-1] >= self.today.times[0]:
            raise InputError("the bars before a day must be of the same symbols, and before it.")

    @property
    def symbols(self) -> tuple[str, ...]:
        """(N,) names."""
        return self.today.symbols

    def time(self, bar: int) -> datetime:
        """UTC, at which a bar of the day begins; the one after the last is its end."""
        last = len(self.today) - 1
        begins: datetime = self.today.times[min(bar, last)].astype("datetime64[us]").item()
        return begins.replace(tzinfo=UTC) + timedelta(seconds=self.today.seconds if bar > last else 0)

    def opening(self) -> Int:
        """(N,) units of money a share when the day begins: the last close before it."""
        prices: Int = self.before.close[-1]
        return prices


def replayed_day(panel: Panel, day: object, *, minutes: int = 5, window: int = 60, seed: Seed = 0) -> MarketDay:
    """A day of real prices: bars that hit each name's open, high, low, close and volume of it and of days before.

    Parameters
    ----------
    panel : daily, with open, high, low, close and volume.
    window : bars before the day, of as many days as they take.

    Raises
    ------
    InputError, DataError
        As ``oms.paper.replay.bars_of_day``; or the panel begins too late.
    """
    rows = [panel.row(day)]
    days = [bars_of_day(panel, panel.dates[rows[0]], minutes=minutes, seed=seed)]
    while sum(len(each) for each in days[1:]) < window:
        rows.append(rows[-1] - 1)
        if rows[-1] < 1:
            raise DataError(f"the panel has no {window} bars of {minutes} minutes before {day}; begin it earlier.")
        days.append(bars_of_day(panel, panel.dates[rows[-1]], minutes=minutes, seed=seed))
    # Names that had bars on all of the days.
    kept = tuple(symbol for symbol in days[0].symbols if all(symbol in each.columns for each in days))
    if not kept:
        raise DataError(f"no name has bars on {day} and on the {len(days) - 1} days before it.")
    today, *others = (_of_names(each, kept) for each in days)
    return MarketDay(_last(_joined(others[::-1]), window), today)


def synthetic_day(names: int, *, minutes: int = 5, window: int = 60, seed: Seed = 0) -> MarketDay:
    """A day of so many names, and bars before it, drawn: random walks with a common part and drifts that persist.

    Parameters
    ----------
    names : called S0001 and so on; the same ones, whatever others there are.
    minutes : that a bar lasts; divides 390.
    window : bars before the day.

    Raises
    ------
    InputError
        A count is below 1, or the bars do not divide the session.
    """
    if names < 1 or window < 2 or minutes < 1 or _SESSION % minutes:
        raise InputError(
            f"{names} names, {window} bars before, {minutes} minutes a bar: give 1, 2 or more, and a divisor of 390."
        )
    count = _SESSION // minutes
    n_bars = window + count
    common = np.random.default_rng([seed, 0]).standard_normal(n_bars)
    columns = [_drawn(n_bars, common, np.random.default_rng([seed, 1, number])) for number in range(names)]
    prices = np.stack([prices for prices, _, _ in columns], axis=2)
    volume = np.stack([volumes for _, volumes, _ in columns], axis=1)
    adv = np.array([each for _, _, each in columns])
    impact = ImpactLaw().model(adv, np.full(names, 0.02), 4.0)
    symbols = tuple(f"S{number:04d}" for number in range(1, names + 1))
    step = np.timedelta64(60 * minutes, "s")
    opens = np.datetime64("2024-01-03T14:30:00", "s")

    def bars(rows: slice, times: np.ndarray) -> Bars:
        return Bars(
            symbols=symbols,
            times=times,
            seconds=60.0 * minutes,
            open=prices[0, rows],
            high=prices[1, rows],
            low=prices[2, rows],
            close=prices[3, rows],
            volume=volume[rows],
            impact=impact,
        )

    # Those before are dated before the opening, without the night.
    return MarketDay(
        bars(slice(0, window), opens + step * np.arange(-window, 0)),
        bars(slice(window, n_bars), opens + step * np.arange(count)),
    )


def _of_names(bars: Bars, names: tuple[str, ...]) -> Bars:
    columns = [bars.columns[name] for name in names]
    fields: dict[str, Any] = {name: getattr(bars, name)[:, columns] for name in _FIELDS}
    return replace(bars, symbols=names, impact=bars.impact.select(columns), **fields)


def _joined(days: Sequence[Bars]) -> Bars:
    fields: dict[str, Any] = {name: np.vstack([getattr(each, name) for each in days]) for name in _FIELDS}
    return replace(days[-1], times=np.concatenate([each.times for each in days]), **fields)


def _last(bars: Bars, count: int) -> Bars:
    return replace(bars, times=bars.times[-count:], **{name: getattr(bars, name)[-count:] for name in _FIELDS})


def _drawn(n_bars: int, common: np.ndarray, own: np.random.Generator) -> tuple[Int, Int, float]:
    """(4, B) open, high, low and close in units of money, (B,) volumes, and the shares of a usual day."""
    adv = float(np.exp(own.normal(15.5, 0.8)))
    bar_volatility = 0.02 / np.sqrt(78)
    drift = np.convolve(own.standard_normal(n_bars + 11), np.full(12, 0.15), mode="valid")
    moves = bar_volatility * (0.4 * common + drift + 0.8 * own.standard_normal(n_bars))
    close = 50 * own.uniform(0.5, 2.0) * np.exp(np.cumsum(moves))
    first = np.concatenate([close[:1], close[:-1]])
    reach = 1 + np.abs(own.normal(0, bar_volatility / 2, (2, n_bars)))
    high, low = np.maximum(first, close) * reach[0], np.minimum(first, close) / reach[1]
    whole = np.rint(MONEY * np.stack([first, high, low, close])).astype(np.int64)
    # To the cent, as prices are quoted.
    whole = np.maximum(whole // 100 * 100, 100)
    whole[1], whole[2] = whole.max(axis=0), whole.min(axis=0)
    volume = np.floor(adv / 78 * np.exp(own.normal(0, 0.3, n_bars))).astype(np.int64)
    return whole, volume, adv
