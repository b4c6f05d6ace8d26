"""Alerts that come once for each breach of a limit, and again only once it was well within its level in between."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from quantray.arrays import Float, Int, Names
from quantray.risk.limits import Limit

__all__ = ["Alert", "Watch"]


@dataclass(frozen=True)
class Alert:
    """A limit has passed a level."""

    name: str
    metric: str
    scope: str
    state: Literal["soft", "hard"]
    value: float
    level: float
    """The one that was passed."""
    tick: int
    """Number of the price that did it, from 1; 0 for breaches from the start."""


class Watch:
    """One limit on I items, and which of its levels each has been reported to have passed.

    Parameters
    ----------
    limit : whose levels count.
    labels : (I,) what is watched, such as ``sector Energy``.
    margin : part of a level that a value must fall below it before passing it again is news.
    """

    def __init__(self, limit: Limit, labels: Names, margin: float) -> None:
        self.limit, self.labels = limit, labels
        self._passes = np.array([limit.soft, limit.hard]) * (1 + 1e-9)
        self._rearms = np.array([limit.soft, limit.hard]) * (1 - margin)
        self._told = np.zeros(len(labels), dtype=np.int64)
        self.told = False
        """Whether any item has been reported and not been armed again."""

    def look(self, items: Int | slice, values: Float, tick: int) -> list[Alert]:
        """The news of some items, of which these are the values; unknown ones have none."""
        if not self.told and not (values > self._passes[0]).any():
            return []
        told = self._told[items]
        now = (values > self._passes[0]).astype(np.int64) + (values > self._passes[1])
        kept = (values >= self._rearms[0]).astype(np.int64) + (values >= self._rearms[1])
        new = np.flatnonzero(now > told)
        self._told[items] = np.maximum(now, np.minimum(told, kept))
        self.told = bool(self._told.any())
        if not len(new):
            return []
        labels = self.labels[items]
        return [self._alert(str(labels[i]), float(values[i]), int(now[i]), tick) for i in new]

    def _alert(self, scope: str, value: float, passed: int, tick: int) -> Alert:
        limit, hard = self.limit, passed == 2
        level = limit.hard if hard else limit.soft
        return Alert(limit.name, limit.metric, scope, "hard" if hard else "soft", value, level, tick)
