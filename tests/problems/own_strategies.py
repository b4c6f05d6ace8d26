"""Strategies as users write them, good ones and bad ones."""

import threading
from dataclasses import dataclass

import numpy as np

from quantray.strategies.rule import Adjustments, Rule, StrategyResult

KEPT: list[int] = []


def dip(panel, days=5, gross=1.0):
    """Holds what fell most over some days, in equal shares."""
    close = panel.field("close")
    fell = np.full(close.shape, np.nan)
    fell[days:] = -np.log(close[days:] / close[:-days])
    held = (fell > 0) & panel.member
    return gross * held / np.maximum(held.sum(axis=1, keepdims=True), 1)


@dataclass(frozen=True, kw_only=True)
class Dip(Rule[np.ndarray]):
    """The same as a rule."""

    days: int = 5

    def signal(self, panel):
        return dip(panel, self.days)

    def trade(self, panel, signal, adjust: Adjustments, lag):
        return StrategyResult(signal * self.controls.max_weight, np.zeros(len(panel.dates)))


class Bare:
    """No rule at all."""


def by_place(panel):
    return dip(panel) * np.arange(1, len(panel.assets) + 1) / len(panel.assets)


def seeded(panel, seed=3):
    return dip(panel) * np.random.default_rng(seed).random()


# What must not pass.


def peeks(panel):
    weights = dip(panel)
    return np.vstack([weights[1:], weights[-1:]])


def missing(panel):
    weights = dip(panel)
    weights[10, 2] = np.nan
    return weights


def remembers(panel):
    """More once it has seen more."""
    KEPT.append(len(panel.dates))
    return dip(panel) * max(KEPT) / 1000


def draws(panel):
    return dip(panel) * np.random.default_rng().random()


unpicklable = lambda panel: dip(panel)  # noqa: E731, PLW0108


def takes_a_minute(panel):
    threading.Event().wait(60)
    return dip(panel)


def borrows(panel):
    return 2 * dip(panel)


def outside(panel):
    return np.full(panel.shape, 1 / len(panel.assets))


def too_few(panel):
    return dip(panel)[1:]


def words(panel):
    return "all of it"


def raises(panel):
    raise ValueError("no strategy today\nand more")
