"""Universes as users write them, good ones and bad ones."""

import numpy as np

SEEN: list[int] = []


def risen(panel, days=20):
    """What rose over some days."""
    close = panel.field("close")
    member = np.zeros(panel.shape, dtype=bool)
    member[days:] = close[days:] > close[:-days]
    return member


def traded(panel, least=0.0):
    return panel.field("close") * panel.field("volume") > least


# What must not pass.


def peeks(panel):
    return np.vstack([risen(panel)[1:], risen(panel)[-1:]])


def draws(panel):
    return np.random.default_rng().random(panel.shape) > 0.5


def weights(panel):
    return risen(panel) / 2


def one_day(panel):
    return risen(panel)[-1]


def raises(panel):
    raise ValueError("nobody\nand more")
