"""The best that can be known of simulated regimes, by filters with the true parameters, and the way to it."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.stats import t as student

from quantray.arrays import TRADING_DAYS, Float, Int
from quantray.regimes.hmm_filter import stationary_shares
from quantray.regimes.path import RegimePath

LASTING = 10
"""Days from which on a regime is worth being seen."""
_TAILS = (3, 4, 5, 7, 10, 20, 100)
_LEAST = 1e-6
"""Probability below which the log score does not punish further."""


def true_filter(columns: Sequence[Float], regimes: Int, transition: Float) -> Float:
    """(T, S) probabilities of the true regimes by who knows the transitions and the law of each column in each regime.

    The laws are Student's t, each fitted to all days of its regime, the later ones included: nobody could know more.
    """
    values = np.column_stack(columns)
    known = np.isfinite(values).all(axis=1)
    density = np.zeros((len(values), len(transition)))
    for regime in range(len(transition)):
        own = known & (regimes == regime)
        if own.sum() < LASTING:
            density[known, regime] = -50.0
            continue
        for column in values.T:
            density[known, regime] += student.logpdf(column[known], *_fitted(column[own]))
    belief, out = stationary_shares(transition), np.empty(density.shape)
    for t, row in enumerate(density):
        belief = (belief @ transition if t else belief) * np.exp(row - row.max())
        belief = belief / belief.sum()
        out[t] = belief
    return out


def figures(path: RegimePath, truth: Int, best: RegimePath) -> dict[str, float]:
    """What a path is worth beside the truth from its first known day on, with what nothing and the best are worth."""
    known = path.known
    own = _figures(path.labels[known], path.probabilities[known], truth[known])
    bound = _figures(best.labels[known], best.probabilities[known], truth[known])
    ways = {
        "accuracy": own["base_rate"],
        "balanced": 1 / len(np.unique(truth[known])),
        "log_score": own["base_log_score"],
    }
    for name, base in ways.items():
        own[f"{name}_bound"] = bound[name]
        own[f"{name}_base"] = base
    own["false_alarms_bound"], own["delay_bound"] = bound["false_alarms"], bound["delay_days"]
    return own


def _figures(labels: Int, chances: Float, truth: Int) -> dict[str, float]:
    rows = np.arange(len(truth))
    shares = np.bincount(truth, minlength=chances.shape[1]) / len(truth)
    commonest = int(shares.argmax())
    edges = np.append(np.flatnonzero(np.diff(truth)) + 1, len(truth))
    delays = []
    for start, stop in pairwise(edges):
        if stop - start >= LASTING:
            right = np.flatnonzero(labels[start:stop] == truth[start])
            delays.append(float(right[0]) if len(right) else np.nan)
    caught = np.array(delays)[~np.isnan(delays)]
    begun = np.flatnonzero((labels[1:] != labels[:-1]) & (labels[1:] != commonest)) + 1
    false = sum(not (truth[day : _end(labels, day)] == labels[day]).any() for day in begun.tolist())
    return {
        "base_rate": float(shares.max()),
        "accuracy": float((labels == truth).mean()),
        "balanced": float(np.mean([(labels == truth)[truth == c].mean() for c in np.unique(truth)])),
        "base_log_score": float(shares[shares > 0] @ np.log(shares[shares > 0])),
        "log_score": float(np.log(np.maximum(chances[rows, truth], _LEAST)).mean()),
        "delay_days": float(np.median(caught)) if len(caught) else np.nan,
        "caught": len(caught) / len(delays) if delays else np.nan,
        "false_alarms": false / len(truth) * TRADING_DAYS,
    }


def way(means: dict[str, float], name: str) -> float:
    """The share of the way from knowing nothing to the bound, of means over markets."""
    base, bound = means[f"{name}_base"], means[f"{name}_bound"]
    return (means[name] - base) / (bound - base) if bound > base else float("nan")


def calibration(said: Float, happened: Int, bins: int = 10) -> list[tuple[float, float, int]]:
    """Of each bin of stated probabilities: their mean, how often it happened, and the number of statements."""
    place = np.minimum((said * bins).astype(np.int64), bins - 1)
    found = []
    for b in range(bins):
        inside = place == b
        if inside.any():
            found.append((float(said[inside].mean()), float(happened[inside].mean()), int(inside.sum())))
    return found


def _end(labels: Int, day: int) -> int:
    after = np.flatnonzero(labels[day:] != labels[day])
    return day + int(after[0]) if len(after) else len(labels)


def _fitted(x: Float) -> tuple[float, float, float]:
    """Degrees of freedom, location and width of the likeliest Student's t, of a few degrees."""
    best, found = -np.inf, (0.0, 0.0, 1.0)
    for tails in _TAILS:
        middle, width = float(np.median(x)), float(x.std())
        for _ in range(60):
            weight = (tails + 1) / (tails + ((x - middle) / width) ** 2)
            middle = float((weight * x).sum() / weight.sum())
            width = float(np.sqrt((weight * (x - middle) ** 2).mean()))
        likelihood = float(student.logpdf(x, tails, middle, width).sum())
        if likelihood > best:
            best, found = likelihood, (float(tails), middle, width)
    return found
