"""A market to execute schedules in: prices move, trades move them, volumes limit fills; many paths at once."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from quantray.arrays import Float
from quantray.errors import InputError
from quantray.execution.impact import ImpactModel

__all__ = ["DarkPool", "Decay", "Execution", "MarketPaths", "execute", "simulated_market"]


@dataclass(frozen=True, eq=False)
class MarketPaths:
    """S paths of a market over B intervals, without the order."""

    prices: Float
    """(S, B + 1) at the borders of the intervals; an interval's trades are made from its start on."""
    volumes: Float
    """(S, B) shares that others trade; infinite where nothing limits fills."""
    interval_days: float
    """Trading days that an interval takes."""

    def __post_init__(self) -> None:
        prices, volumes = self.prices, self.volumes
        if prices.ndim != 2 or volumes.shape != (len(prices), prices.shape[1] - 1) or not self.interval_days > 0:
            raise InputError(
                f"prices {prices.shape} and volumes {volumes.shape} over intervals of {self.interval_days:g} days: "
                "give (S, B + 1), (S, B) and a positive length."
            )
        if not (prices > 0).all() or not (volumes >= 0).all():
            raise InputError("prices of a market must be positive, and volumes not negative.")


class Decay(Protocol):
    """How much of an impact is left after a time."""

    def __call__(self, days: Float) -> Float:
        """Shares from 1 at no time downward, for times in trading days."""
        ...


@dataclass(frozen=True)
class DarkPool:
    """A pool that fills what is sent to it first, at the middle of the spread and without impact, if others are there.

    Parameters
    ----------
    chance : that somebody is there in an interval.
    share : of the interval's volume that is then there to be traded with.

    Raises
    ------
    InputError
        A number is not between 0 and 1.
    """

    chance: float
    share: float

    def __post_init__(self) -> None:
        if not (0 <= self.chance <= 1 and 0 <= self.share <= 1):
            raise InputError(f"a chance of {self.chance:g} and a share of {self.share:g} must lie between 0 and 1.")


@dataclass(frozen=True, eq=False)
class Execution:
    """What became of a schedule on each path."""

    filled: Float
    """(S, B) shares; sales negative."""
    paid: Float
    """(S, B) mean price of each interval's fills; NaN where there are none."""
    dark: Float
    """(S, B) of ``filled``, those in the dark pool."""
    last: Float
    """(S,) price at the end, with what the order moved for good."""
    ordered: float
    decision: float
    """Price at which the schedule was made."""

    @property
    def unfilled(self) -> Float:
        """(S,) shares that found no fill."""
        return np.asarray(self.ordered - self.filled.sum(axis=1))

    @property
    def cost(self) -> Float:
        """(S,) implementation shortfall in money; shares without a fill count at the last price."""
        money = np.where(self.filled != 0, self.filled * (np.nan_to_num(self.paid) - self.decision), 0.0).sum(axis=1)
        return np.asarray(money + self.unfilled * (self.last - self.decision))

    @property
    def bps(self) -> Float:
        """(S,) the cost in basis points of the money ordered."""
        return np.asarray(1e4 * self.cost / abs(self.ordered * self.decision))


def simulated_market(
    price: float,
    volatility: float,
    *,
    n_intervals: int,
    interval_days: float,
    n_paths: int,
    seed: int | tuple[int, ...],
    drift: float = 0.0,
    volumes: Float | None = None,
) -> MarketPaths:
    """Prices that change by independent normal amounts, as the models of schedules have it.

    Parameters
    ----------
    price : at the start.
    volatility : of a day's return.
    drift : of a day, a fraction of the price.
    volumes : (S, B) or (B,) shares of others in each interval; by default without limit.

    Raises
    ------
    InputError
        A number is out of range, or prices that far from their start would not stay positive.
    """
    if not (price > 0 and volatility >= 0 and n_intervals >= 1 and n_paths >= 1 and interval_days > 0):
        raise InputError("price, intervals, their length and paths must be positive, and volatility not negative.")
    draw = np.random.default_rng(np.random.SeedSequence(seed))
    steps = volatility * np.sqrt(interval_days) * draw.standard_normal((n_paths, n_intervals)) + drift * interval_days
    prices = price * (1 + np.concatenate([np.zeros((n_paths, 1)), np.cumsum(steps, axis=1)], axis=1))
    if (prices <= 0).any():
        raise InputError(f"a volatility of {volatility:.1%} over {n_intervals * interval_days:g} days ends below zero.")
    around = np.full(n_intervals, np.inf) if volumes is None else np.asarray(volumes, dtype=np.float64)
    return MarketPaths(prices, np.broadcast_to(around, (n_paths, n_intervals)), interval_days)


def execute(
    slices: Float,
    market: MarketPaths,
    impact: ImpactModel,
    *,
    participation: float | None = None,
    decay: Decay | None = None,
    dark: DarkPool | None = None,
    seed: int | tuple[int, ...] = 0,
) -> Execution:
    """Work a schedule on every path of a market.

    In an interval the price is that at its start, plus what the order has moved it so far, plus half the spread and the
    temporary impact of the rate of trading. A slice trades at an even rate, so that it pays half of what itself moves
    the price by for good (in the discrete model of Almgren and Chriss it pays nothing of that). What cannot be filled
    is carried to the next interval, and what is left at the end stays unfilled.

    Parameters
    ----------
    slices : (B,) shares, all of one sign; sales negative.
    impact : of the name, with ``adv`` in shares; scalars or (1,).
    participation : most of each interval's volume, the order's own shares included, that the order may be; by default
        there is no limit.
    decay : of permanent impact; by default it stays.
    dark : asked first in each interval.
    seed : of what is found in the dark pool.

    Raises
    ------
    InputError
        Slices do not fit the market or change sign, the impact is unknown, or a participation is out of range.
    """
    slices = np.asarray(slices, dtype=np.float64)
    n_paths, n_intervals = market.volumes.shape
    if slices.shape != (n_intervals,) or not np.isfinite(slices).all() or (slices.min() < 0 < slices.max()):
        raise InputError(f"slices are {slices.shape} for {n_intervals} intervals; give one of a sign for each.")
    if not slices.any() or (participation is not None and not 0 < participation < 1):
        raise InputError(f"a schedule of no shares, or a participation of {participation}, cannot be worked.")
    if impact.adv.size != 1 or not impact.known.all():
        raise InputError("the impact must be that of one name whose volume, volatility and spread are known.")
    draw = np.random.default_rng(np.random.SeedSequence(seed))
    sign, decision = float(np.sign(slices.sum())), float(market.prices[0, 0])
    filled, lit, paid = (np.zeros((n_paths, n_intervals)) for _ in range(3))
    left = np.zeros(n_paths)
    for k in range(n_intervals):
        wanted = left + abs(slices[k])
        room = _room(market.volumes[:, k], participation)
        in_dark = np.minimum(_found(dark, market.volumes[:, k], draw, wanted), room)
        on_lit = np.minimum(wanted - in_dark, np.maximum(room - in_dark, 0.0))
        moved = _moved(lit, k, market.interval_days, impact, decay)
        middle = market.prices[:, k] + sign * decision * moved
        beyond = decision * _lit_cost(on_lit, market.interval_days, impact)
        done = in_dark + on_lit
        money = in_dark * middle + on_lit * (middle + sign * beyond)
        paid[:, k] = np.divide(money, done, out=np.full(n_paths, np.nan), where=done > 0)
        filled[:, k], lit[:, k] = done, on_lit
        left = wanted - done
    last = market.prices[:, -1] + sign * decision * _moved(lit, n_intervals, market.interval_days, impact, decay)
    in_all = sign * filled
    return Execution(in_all, paid, sign * (filled - lit), last, float(slices.sum()), decision)


def _room(volume: Float, participation: float | None) -> Float:
    """(S,) shares that may be traded: own = rate / (1 - rate) of what others trade."""
    if participation is None:
        return np.full(len(volume), np.inf)
    return np.asarray(participation / (1 - participation) * volume)


def _found(dark: DarkPool | None, volume: Float, draw: np.random.Generator, wanted: Float) -> Float:
    if dark is None:
        return np.zeros(len(wanted))
    there = draw.random(len(wanted)) < dark.chance
    return np.where(there, np.minimum(wanted, dark.share * volume), 0.0)


def _lit_cost(shares: Float, days: float, impact: ImpactModel) -> Float:
    """(S,) what each share pays beyond the middle, a fraction of the price: spread, temporary, half of its own mark."""
    rate = shares / impact.adv.item()
    paid = impact.half_spread.item() + impact.temporary.item() * (rate / days) ** impact.power
    return np.where(shares > 0, paid + impact.permanent.item() * rate / 2, 0.0)


def _moved(lit: Float, k: int, days: float, impact: ImpactModel, decay: Decay | None) -> Float:
    """(S,) what the slices before interval ``k`` have moved the price by then, a fraction of it."""
    left = np.ones(k) if decay is None else decay(np.arange(k, 0, -1, dtype=np.float64) * days)
    return np.asarray(impact.permanent.item() * lit[:, :k] @ left / impact.adv.item(), dtype=np.float64)
