"""Cost models as users write them, good ones and bad ones."""

import threading

import numpy as np

KEPT: list[float] = []


def tiered(trades, day, bps=10.0, minimum=1.0):
    """So many basis points, but a least amount for each trade."""
    return np.maximum(np.abs(trades) * bps * 1e-4, minimum)


def of_volume(trades, day, bps=10.0):
    """More where the trade is a larger part of a usual day's volume."""
    return np.abs(trades) * bps * 1e-4 * np.sqrt(np.abs(trades) / np.nan_to_num(day.fields["adv"], nan=1e6))


def overwrites(trades, day):
    paid = tiered(trades, day)
    trades[:] = 0
    return paid


# What must not pass.


def missing(trades, day):
    paid = tiered(trades, day)
    paid[0] = np.nan
    return paid


def negative(trades, day):
    return -tiered(trades, day)


def remembers(trades, day):
    """Dearer after it has seen a later day."""
    KEPT.append(float(day.date.astype(int)))
    return tiered(trades, day) * max(KEPT)


def draws(trades, day):
    return tiered(trades, day) * np.random.default_rng().random()


unpicklable = lambda trades, day: tiered(trades, day)  # noqa: E731, PLW0108


def takes_a_minute(trades, day):
    threading.Event().wait(60)
    return tiered(trades, day)


def in_all(trades, day):
    return np.abs(trades).sum()


def raises(trades, day):
    raise ValueError("closed\nand more")


class Bare:
    """No function at all."""
