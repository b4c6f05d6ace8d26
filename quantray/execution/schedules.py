"""How many shares in each slice of a day: by time, by volume, as a share of the volume, or by what waiting risks.

All schedules take one order of Q shares, or (P,) orders, and give (B,) or (P, B) whole shares that sum to them; only
``pov`` promises no sum.
"""

import numpy as np
import numpy.typing as npt

from quantray.arrays import Float, Int
from quantray.errors import InputError
from quantray.execution.almgren_chriss import TradingTerms, optimal_trajectory, risk_aversion_of_urgency
from quantray.execution.rounding import apportioned, whole_quantities
from quantray.execution.sessions import Session

__all__ = [
    "CLOSING_SHARE",
    "OPENING_SHARE",
    "PROFILE_DAYS",
    "implementation_shortfall",
    "pov",
    "pov_expected",
    "twap",
    "usual_profile",
    "volume_profile",
    "vwap",
]

PROFILE_DAYS = 20
"""Days of intraday volume behind a profile."""
OPENING_SHARE = 0.015
"""Of a day's volume in the opening auction, where nobody knows better: a round number for US shares."""
CLOSING_SHARE = 0.08
"""Of a day's volume in the closing auction, where nobody knows better: a round number for US shares."""


def twap(
    quantity: npt.ArrayLike, slices: int, *, lot: npt.ArrayLike = 1, jitter: float = 0.0, seed: int | None = None
) -> Int:
    """Equal shares in every slice.

    Parameters
    ----------
    quantity : shares, not negative.
    slices : 1 or more.
    lot : of which slices are multiples, but for the last.
    jitter : up to which a slice is larger or smaller, as a share of it, so that others cannot foresee it; below 1.
    seed : of the jitter.

    Raises
    ------
    InputError
        A number is out of range, or jitter has no seed.
    """
    if slices < 1 or not 0 <= jitter < 1:
        raise InputError(
            f"{slices} slices with jitter {jitter:g}: give 1 slice or more, and a jitter from 0 to below 1."
        )
    quantity = whole_quantities(quantity)
    shares = np.ones((*quantity.shape, slices))
    if jitter:
        if seed is None:
            raise InputError("a jitter needs a seed, so that the same schedule can be made again.")
        shares += jitter * np.random.default_rng(seed).uniform(-1, 1, shares.shape)
    return apportioned(quantity, shares, lot=lot)


def vwap(quantity: npt.ArrayLike, profile: Float, *, lot: npt.ArrayLike = 1) -> Int:
    """Shares in proportion to the volume of each slice.

    Parameters
    ----------
    quantity : shares, not negative.
    profile : (B,) or (P, B) from ``volume_profile`` or ``usual_profile``; any scale.

    Raises
    ------
    InputError
        The profile is negative, unknown or zero, or shapes disagree.
    """
    quantity, profile = whole_quantities(quantity), np.asarray(profile, dtype=np.float64)
    if profile.shape[:-1] not in ((), quantity.shape):
        raise InputError(f"the profile is {profile.shape} for {quantity.shape} orders; give (B,), or a row for each.")
    return apportioned(quantity, np.broadcast_to(profile, (*quantity.shape, profile.shape[-1])), lot=lot)


def volume_profile(volume: Float) -> Float:
    """(..., B) median share of a day's volume in each slice, made to sum to one.

    Parameters
    ----------
    volume : (D, ..., B) of some ``PROFILE_DAYS`` days before; days without any trade are left out.

    Raises
    ------
    InputError
        A volume is negative or unknown, or a name never traded.
    """
    volume = np.asarray(volume, dtype=np.float64)
    if volume.ndim < 2 or not np.isfinite(volume).all() or (volume < 0).any():
        raise InputError(f"volume is {volume.shape} or not known; give (D, B) or (D, N, B), zero where nothing traded.")
    total = volume.sum(axis=-1, keepdims=True)
    if (total.sum(axis=0) <= 0).any():
        raise InputError("a name never traded on these days; use usual_profile for it.")
    share = np.divide(volume, total, out=np.full(volume.shape, np.nan), where=total > 0)
    median = np.nanmedian(share, axis=0)
    # Where trades are so rare that every median is zero, the mean still says when they come.
    median = np.where(median.sum(axis=-1, keepdims=True) > 0, median, np.nanmean(share, axis=0))
    return np.asarray(median / median.sum(axis=-1, keepdims=True))


def usual_profile(hours: Session) -> Float:
    """(B,) shares of the volume where only daily data exist: a U over the session, and round numbers for auctions.

    Continuous volume is taken as ``1/2 + 6 (s - 1/2)^2`` at the share s of the session: four times as much at the
    edges as at noon. An assumption, not an estimate: take ``volume_profile`` where there are intraday volumes.
    """
    continuous = 1 - OPENING_SHARE * hours.opens.any() - CLOSING_SHARE * hours.closes.any()
    below = 0.5 * hours.place + 2 * (hours.place - 0.5) ** 3
    share = continuous * np.diff(below)
    share = np.where(hours.opens, OPENING_SHARE, np.where(hours.closes, CLOSING_SHARE, share))
    return np.asarray(share / share.sum())


def pov(
    quantity: npt.ArrayLike,
    done: npt.ArrayLike,
    others: npt.ArrayLike,
    rate: npt.ArrayLike,
    *,
    most: npt.ArrayLike | None = None,
) -> Int:
    """(P,) shares to trade now, so that ours are the share ``rate`` of all that was traded; never a promise to be done.

    Parameters
    ----------
    quantity : of the whole order.
    done : of it so far.
    others : volume of everybody else since the beginning.
    rate : of total volume, ours included; above 0 and below 1.
    most : shares to trade at once at most, which bounds how fast a delay is caught up.

    Raises
    ------
    InputError
        The rate is out of range, or more is done than was ordered.
    """
    quantity, done, rate = whole_quantities(quantity), whole_quantities(done), np.asarray(rate, dtype=np.float64)
    if not ((rate > 0) & (rate < 1)).all():
        raise InputError(f"participation rate {rate.min():g} to {rate.max():g} must lie above 0 and below 1.")
    if (done > quantity).any():
        raise InputError("more is done than was ordered; look at the fills.")
    due = np.floor(rate / (1 - rate) * whole_quantities(others, name="volume")).astype(np.int64) - done
    ready = np.minimum(np.maximum(due, 0), quantity - done)
    return np.asarray(ready if most is None else np.minimum(ready, whole_quantities(most, name="most")))


def pov_expected(quantity: npt.ArrayLike, volume: Float, rate: npt.ArrayLike) -> Int:
    """(B,) or (P, B) what ``pov`` trades if the volume comes as expected; it may sum to less than the order.

    Parameters
    ----------
    volume : (B,) or (P, B) of everybody else in each slice.

    Raises
    ------
    InputError
        As ``pov``, or a volume is unknown.
    """
    quantity, volume = whole_quantities(quantity), np.asarray(volume, dtype=np.float64)
    if not np.isfinite(volume).all() or (volume < 0).any():
        raise InputError("expected volumes must be known and not negative.")
    rate = np.asarray(rate, dtype=np.float64)
    if not ((rate > 0) & (rate < 1)).all():
        raise InputError(f"participation rate {rate.min():g} to {rate.max():g} must lie above 0 and below 1.")
    due = np.floor((rate / (1 - rate))[..., None] * np.cumsum(volume, axis=-1) + 1e-9).astype(np.int64)
    return np.asarray(np.diff(np.minimum(due, quantity[..., None]), axis=-1, prepend=0))


def implementation_shortfall(
    quantity: npt.ArrayLike,
    terms: TradingTerms,
    *,
    urgency: npt.ArrayLike = 1.0,
    risk_aversion: npt.ArrayLike | None = None,
    days: npt.ArrayLike = 1.0,
    slices: int = 8,
    lot: npt.ArrayLike = 1,
) -> Int:
    """The schedule of Almgren and Chriss without drift, in whole shares.

    Parameters
    ----------
    quantity : shares, not negative.
    terms : of the orders' names; see ``almgren_chriss.trading_terms``.
    urgency : as ``almgren_chriss.risk_aversion_of_urgency`` takes it.
    risk_aversion : instead of an urgency.
    days : from the first slice to the end.

    Raises
    ------
    InputError
        As ``optimal_trajectory``.
    """
    quantity = whole_quantities(quantity)
    span = np.asarray(days, dtype=np.float64) * np.ones(quantity.shape)
    if risk_aversion is None:
        risk_aversion = risk_aversion_of_urgency(urgency, terms, days=span, slices=slices)
    still = TradingTerms(volatility=terms.volatility, temporary=terms.temporary, permanent=terms.permanent)
    best = optimal_trajectory(np.ones(quantity.shape), still, days=span, slices=slices, risk_aversion=risk_aversion)
    return apportioned(quantity, np.maximum(best.trades, 0.0), lot=lot)
