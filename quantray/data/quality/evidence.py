"""Whether prices already contain a split or a dividend: what the moves on the days of events say.

A price that does not contain an event of ratio r falls by log r on its day; one that does moves as on any other day.
The two readings are weighed by a Student t density of three degrees of freedom, whose scale is the median move around
the day. Single small events say little; so the events of a symbol share one convention, from which each may depart with
a small probability, and the symbols of a file lean towards one convention too.
"""

from dataclasses import dataclass

import numpy as np

from quantray.arrays import Bool, Float, Int

__all__ = ["Verdict", "price_evidence", "vendor_evidence", "weigh"]

_WINDOW = 40
"""Rows on either side of an event that its usual move is taken from."""
_MEDIAN_T3 = 0.765
"""Median of the absolute value of a Student t with three degrees of freedom and scale one."""
_USUAL, _USUAL_ROWS = 0.015, 5.0
"""Scale of a day's move before any is seen, and for how many rows that counts."""
_DEPARTS = 0.01
"""Probability that an event departs from its symbol's convention."""
_VENDOR_LIMIT = 5.0
"""How far an adjusted close can speak for one event: vendors err, too."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """Log odds that events are in the prices; positive where they are."""

    events: Float
    """(E,) of each event."""
    symbols: Float
    """(S,) of each symbol's convention; the statement's where it has no events."""
    evidence: Float
    """(S,) what the prices alone say of it: without the statement and other symbols."""


def price_evidence(moves: Float, code: Int, rows: Int, ratio: Float, is_event: Bool) -> Float:
    """(E,) log likelihood ratio that events are in the prices, from the moves on their days.

    Parameters
    ----------
    moves : (B,) log price moves into each bar, NaN where unknown; overnight where the open is known.
    code : (B,) number of each bar's symbol; bars of a symbol are neighbours, in order of time.
    rows : (E,) bars of the events.
    ratio : (E,) log ratios by which the price falls if it does not contain the event.
    is_event : (B,) bars with an event, whose moves say nothing of usual days.
    """
    if len(rows) == 0:
        return np.empty(0)
    quiet = np.where(is_event, np.nan, np.abs(moves))
    scale = np.empty(len(rows))
    offsets = np.arange(-_WINDOW, _WINDOW + 1)
    for start in range(0, len(rows), 20_000):
        some = rows[start : start + 20_000]
        around = some[:, None] + offsets
        outside, around = (around < 0) | (around >= len(moves)), np.clip(around, 0, len(moves) - 1)
        seen = np.where((code[around] == code[some][:, None]) & ~outside, quiet[around], np.nan)
        known = (~np.isnan(seen)).sum(axis=1)
        # NaN sort last, so the median of the known values is a matter of counting.
        ordered = np.sort(seen, axis=1)
        middle = np.nan_to_num(ordered[np.arange(len(some)), np.maximum(known - 1, 0) // 2])
        weight = known / (known + _USUAL_ROWS)
        scale[start : start + 20_000] = weight * middle / _MEDIAN_T3 + (1 - weight) * _USUAL
    move = moves[rows]
    found = _log_density(move / np.maximum(scale, 1e-3)) - _log_density((move + ratio) / np.maximum(scale, 1e-3))
    return np.where(np.isnan(move), 0.0, found)


def _log_density(standardised: Float) -> Float:
    return np.asarray(-2.0 * np.log1p(standardised**2 / 3.0))


def vendor_evidence(factor: Float, ratio: Float, other: Float, tolerance: Float) -> Float:
    """(E,) log likelihood ratio that events are in the prices, from an adjusted close.

    Parameters
    ----------
    factor : (E,) log of how much more the adjusted close moved than the close; NaN where unknown.
    ratio : (E,) log ratio of the event.
    other : (E,) log ratio of another event of the same day, which may or may not be in the prices.
    tolerance : (E,) rounding of the adjusted close.
    """
    inside = np.minimum(np.abs(factor), np.abs(factor - other))
    outside = np.minimum(np.abs(factor - ratio), np.abs(factor - ratio - other))
    found = np.log1p((outside / tolerance) ** 2) - np.log1p((inside / tolerance) ** 2)
    return np.where(np.isnan(factor), 0.0, np.clip(found, -_VENDOR_LIMIT, _VENDOR_LIMIT))


def weigh(ratios: Float, owner: Int, group: Int, stated: Float) -> Verdict:
    """Weigh the evidence on single events with the conventions of symbols and files.

    Parameters
    ----------
    ratios : (E,) log likelihood ratio that each event is in the prices.
    owner : (E,) number of each event's symbol.
    group : (S,) number of the group of symbols that share a maker, such as a file.
    stated : (S,) log odds that the maker states.
    """
    # The log of (1 - p) e^x + p over (1 - p) + p e^x: no single event speaks for a convention without limit.
    odds = np.log1p(-_DEPARTS) - np.log(_DEPARTS)
    bounded = np.logaddexp(ratios + odds, 0.0) - np.logaddexp(ratios, odds)
    evidence = np.bincount(owner, weights=bounded, minlength=len(stated)).astype(np.float64)
    likely = _probability(evidence)
    told = np.abs(2 * likely - 1)
    inside = np.bincount(group, weights=told * likely)
    outside = np.bincount(group, weights=told * (1 - likely))
    # Without what the symbol says itself.
    leaning = np.log1p(inside[group] - told * likely) - np.log1p(outside[group] - told * (1 - likely))
    symbols = stated + leaning + evidence
    others = _probability(symbols[owner] - bounded)
    prior = others * (1 - _DEPARTS) + (1 - others) * _DEPARTS
    return Verdict(np.log(prior) - np.log1p(-prior) + ratios, symbols, evidence)


def _probability(log_odds: Float) -> Float:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(log_odds, -500, 500))))
