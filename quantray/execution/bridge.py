"""The inside of a day that is known by its daily bar alone: paths that hit its open, high, low, close and volume."""

import numpy as np

from quantray.arrays import Float
from quantray.errors import InputError

__all__ = ["day_paths", "day_volumes"]


def day_paths(
    bar: tuple[float, float, float, float], *, n_steps: int, n_paths: int, seed: int | tuple[int, ...]
) -> Float:
    """Prices within a day that a daily bar is all that is known of.

    A Brownian bridge from the open to the close, whose deviations above the straight line between the two are stretched
    until its highest point is the high, and those below until its lowest is the low. It is one of many ways to fill a
    day in: it keeps the bar exactly, and is no more volatile than the bar says.

    Parameters
    ----------
    bar : open, high, low, close.
    n_steps : from the open to the close, 4 or more.

    Returns
    -------
    (S, n_steps + 1) prices; the first is the open, the last the close, the highest the high, and the lowest the low.

    Raises
    ------
    InputError
        The bar contradicts itself, or numbers are out of range.
    """
    first, high, low, last = bar
    if not (np.isfinite(bar).all() and 0 < low <= min(first, last) <= max(first, last) <= high):
        raise InputError(
            f"a bar of open {first}, high {high}, low {low}, close {last} contradicts itself; mend it first."
        )
    if n_steps < 4 or n_paths < 1:
        raise InputError(f"{n_steps} steps and {n_paths} paths: take at least 4 steps and 1 path.")
    draw = np.random.default_rng(np.random.SeedSequence(seed))
    share = np.linspace(0.0, 1.0, n_steps + 1)
    straight = first + (last - first) * share
    walk = np.zeros((n_paths, n_steps + 1))
    walk[:, 1:] = np.cumsum(draw.standard_normal((n_paths, n_steps)), axis=1)
    apart = walk - share * walk[:, -1:]
    # A path that stays on one side of its line would have nothing to stretch on the other: it turns around its middle.
    apart[:, 1:-1] -= np.where(_one_sided(apart)[:, None], np.median(apart[:, 1:-1], axis=1, keepdims=True), 0.0)
    above = np.maximum(apart, 0.0)
    below = np.maximum(-apart, 0.0)
    return np.asarray(straight + above * _stretch(above, high - straight) - below * _stretch(below, straight - low))


def day_volumes(total: float, profile: Float, *, n_paths: int, noise: float, seed: int | tuple[int, ...]) -> Float:
    """(S, B) shares traded in each part of a day, which sum to its volume.

    Parameters
    ----------
    total : shares of the day, not negative.
    profile : (B,) usual shares of the day's volume, any scale.
    noise : standard deviation of the logarithm of each part's volume around its profile.

    Raises
    ------
    InputError
        The profile is empty, negative or zero, or a number is negative.
    """
    profile = np.asarray(profile, dtype=np.float64)
    if profile.ndim != 1 or not (profile >= 0).all() or not profile.sum() > 0 or not total >= 0 or not noise >= 0:
        raise InputError(
            f"a profile {profile.shape} for {total:g} shares with noise {noise:g}: give one that is not negative nor "
            "all zero, and no negative number."
        )
    draw = np.random.default_rng(np.random.SeedSequence(seed))
    parts = profile * np.exp(noise * draw.standard_normal((n_paths, len(profile))))
    return np.asarray(total * parts / parts.sum(axis=1, keepdims=True))


def _one_sided(apart: Float) -> np.ndarray:
    inside = apart[:, 1:-1]
    return np.asarray((inside.max(axis=1) <= 0) | (inside.min(axis=1) >= 0))


def _stretch(size: Float, room: Float) -> Float:
    """(S, 1) the factor at which (S, T) sizes first fill (T,) room."""
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(size > 0, room / size, np.inf).min(axis=1, keepdims=True)
    return np.where(np.isfinite(factor), factor, 0.0)
