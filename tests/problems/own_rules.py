"""Rules and estimators as users write them, good ones and bad ones."""

import sys
import threading

import numpy as np

KEPT: list[np.ndarray] = []


def tilted(returns, power=1.0):
    """Calm names get more.

    The inverse of the standard deviation to a power, without names that lack a return.
    """
    weights = np.nanstd(returns, axis=0) ** -power
    return weights / weights.sum()


def least_variance(covariance):
    """Least variance, shorts allowed."""
    weights = np.linalg.solve(covariance, np.ones(len(covariance)))
    return weights / weights.sum()


class Tilted:
    def __init__(self, power=1.0):
        self.power = power

    def fit(self, X, y=None):  # noqa: N803
        self.weights_ = tilted(X, self.power)
        return self


class Shrunk:
    """Half way to the diagonal."""

    def __init__(self, share=0.5):
        self.share = share

    def fit(self, X, y=None):  # noqa: N803
        sample = np.cov(np.nan_to_num(X), rowvar=False)
        self.covariance_ = (1 - self.share) * sample + self.share * np.diag(np.diagonal(sample))
        return self


def sample(returns):
    return np.cov(np.nan_to_num(returns), rowvar=False)


def resampled(returns, seed):
    days = np.random.default_rng(seed).integers(0, len(returns), len(returns))
    return tilted(returns[days])


def half(returns):
    return tilted(returns) / 2


def by_place(returns):
    weights = np.arange(1.0, returns.shape[1] + 1)
    return weights / weights.sum()


def overwrites(returns):
    weights = tilted(returns)
    returns[:] = 0
    return weights


def refuses_some(returns):
    if returns[-1].mean() > 0:
        raise ValueError("no weights on good days\nand more")
    return tilted(returns)


def efficient(returns):
    from pypfopt import EfficientFrontier

    front = EfficientFrontier(None, np.cov(returns, rowvar=False) * 252)
    front.min_volatility()
    return front.weights


# What must not pass.


def peeks(returns):
    """Looks at the close of tomorrow, in the frames of those who call it."""
    frame = sys._getframe()
    while "history" not in frame.f_locals:
        frame = frame.f_back
    close, row = frame.f_locals["history"].field("close"), frame.f_locals["row"]
    best = np.nan_to_num(close[min(row + 1, len(close) - 1)] / close[row], nan=1.0) ** 50
    return best / best.sum()


def missing(returns):
    weights = tilted(returns)
    weights[0] = np.nan
    return weights


def remembers(returns):
    """Half way from what it wanted before."""
    KEPT.append(tilted(returns))
    return np.mean(KEPT[-2:], axis=0)


def draws(returns):
    weights = np.random.default_rng().random(returns.shape[1])
    return weights / weights.sum()


unpicklable = lambda returns: tilted(returns)  # noqa: E731, PLW0108


def takes_a_minute(returns):
    threading.Event().wait(60)
    return tilted(returns)


def of_something(panel):
    return panel


def too_few(returns):
    return tilted(returns)[1:]


def words(returns):
    return "all of it"


def negative(returns):
    return -sample(returns)


def lopsided(returns):
    matrix = sample(returns)
    matrix[0, 1] *= 2
    return matrix


def nothing_known(returns):
    return np.full((returns.shape[1], returns.shape[1]), np.nan)


number = 3.0
