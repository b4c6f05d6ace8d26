"""Which regimes the states of a fit are, where some regimes have not come yet."""

from itertools import combinations

import numpy as np

from quantray.arrays import Float

__all__ = ["USUAL_SHARES", "chances_of_names", "usual_cuts"]

USUAL_SHARES = {2: (0.7, 0.3), 3: (0.4, 0.4, 0.2), 4: (0.35, 0.4, 0.17, 0.08)}
"""Number of regimes -> (R,) share of days that each has, low to high volatility: wild days are rarer than calm ones."""


def usual_cuts(names: int) -> tuple[float, ...]:
    """(R - 1,) share of days below each border between the regimes."""
    return tuple(np.cumsum(USUAL_SHARES[names])[:-1].round(9).tolist())


def chances_of_names(states: int, names: int, spells: float) -> Float:
    """(S, R) probability that each of S states, in order of volatility, is each of R regimes.

    A set of regimes of usual share u stays away for n spells with probability ``(1 - u)^n``. So of few spells nobody
    knows which regimes are missing; of many, the rarest are.

    Parameters
    ----------
    states : found, at most as many as names.
    names : of regimes, 2 to 4.
    spells : that the fit has seen, one after another.
    """
    shares = np.array(USUAL_SHARES[names])
    out = np.zeros((states, names))
    for seen in combinations(range(names), states):
        out[np.arange(states), list(seen)] += shares[list(seen)].sum() ** spells
    return np.asarray(out / out.sum(axis=1, keepdims=True))
