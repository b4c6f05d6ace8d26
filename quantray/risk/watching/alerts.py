"""Alerts that come once for each breach of a limit, and again only once it was well within its level in between."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from quantray.arrays import Float, Int, Names
from quantray.risk.limits import Limit

__all__ = ["Alert", "Watch"]


@dataclass(frozen=True)
class Alert:
    """A limit has passed a level, or cannot be counted."""

    name: str
    metric: str
    scope: str
    state: Literal["unknown", "soft", "hard"]
    value: float | None
    """None where it is unknown."""
    level: float
    """The one that was passed; the hard one where that is unknown."""
    tick: int
    """Number of the price that did it, from 1; 0 for breaches from the start."""
    note: str = ""
    """What could not be counted."""


class Watch:
    """Some limits, each on items of its own, and which of its levels each item has been reported to have passed.

    Parameters
    ----------
    watched : limits and their labels, such as ``sector Energy``; I items in all, one limit after the other.
    margin : part of a level that a value must fall below it before passing it again is news.
    """

    def __init__(self, watched: Sequence[tuple[Limit, Names]], margin: float) -> None:
        self.limits = tuple(limit for limit, _ in watched)
        counts = [len(labels) for _, labels in watched]
        self._which = np.repeat(np.arange(len(watched)), counts)
        self._labels = [str(label) for _, labels in watched for label in labels.tolist()]
        soft, hard = (
            np.repeat([getattr(limit, name) for limit in self.limits], counts).astype(np.float64)
            for name in ("soft", "hard")
        )
        self._soft, self._hard = soft * (1 + 1e-9), hard * (1 + 1e-9)
        self._soft_again, self._hard_again = soft * (1 - margin), hard * (1 - margin)
        self._told = np.zeros(len(self._labels), dtype=np.int64)
        self._any_told = False

    def look(self, items: Int | slice, values: Float, tick: int) -> list[Alert]:
        """The news of some items, of which these are the values; unknown ones have none."""
        soft = values > self._soft[items]
        # Mostly there is nothing to tell.
        if not self._any_told and not soft.any():
            return []
        told = self._told[items]
        now = soft.astype(np.int64) + (values > self._hard[items])
        kept = (values >= self._soft_again[items]).astype(np.int64) + (values >= self._hard_again[items])
        state = np.maximum(now, np.minimum(told, kept))
        if (state == told).all():
            return []
        new = np.flatnonzero(now > told)
        self._told[items] = state
        self._any_told = bool(self._told.any())
        places = np.arange(len(self._told))[items][new].tolist()
        return [
            self._alert(place, float(values[at]), int(now[at]), tick)
            for place, at in zip(places, new.tolist(), strict=True)
        ]

    def _alert(self, place: int, value: float, passed: int, tick: int) -> Alert:
        limit, hard = self.limits[self._which[place]], passed == 2
        level = limit.hard if hard else limit.soft
        scope = self._labels[place]
        return Alert(limit.name, limit.metric, scope, "hard" if hard else "soft", value, level, tick)
