"""Features as users write them, good ones and bad ones."""

import threading

import numpy as np

KEPT: list[int] = []


def gap(panel, days=5):
    """Mean of the last closes over the close."""
    close = panel.field("close")
    out = np.full(close.shape, np.nan)
    for row in range(days, len(close)):
        out[row] = close[row - days : row + 1].mean(axis=0) / close[row] - 1
    return out


def spread(panel):
    """The day's range."""
    return panel.field("high") / panel.field("low") - 1


# What must not pass.


def peeks(panel):
    return np.vstack([gap(panel)[1:], gap(panel)[-1:]])


def of_all_time(panel):
    """Further back than any look-back."""
    return panel.field("close") / panel.field("close")[0]


def infinite(panel):
    return np.full(panel.shape, np.inf)


def remembers(panel):
    KEPT.append(len(panel.dates))
    return gap(panel) * max(KEPT)


def draws(panel):
    return gap(panel) * np.random.default_rng().random()


unpicklable = lambda panel: gap(panel)  # noqa: E731, PLW0108


def takes_a_minute(panel):
    threading.Event().wait(60)
    return gap(panel)


def one_day(panel):
    return gap(panel)[-1]


class Bare:
    """No function at all."""
