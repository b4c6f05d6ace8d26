"""A market of shares with a factor model that can be worked out by hand."""

import numpy as np

from quantray.covariance.factor import FactorModel
from quantray.risk.positions.holdings import Holdings
from quantray.risk.positions.market import Market

DAY = np.datetime64("2020-06-30")


def share_market(**changed):
    """Four shares in two sectors, one without."""
    terms = {"date": DAY, "drivers": ["A", "B", "C", "D"], "levels": [10.0, 20.0, 40.0, 5.0], "dates": []}
    more = {"changes": np.zeros((0, 4)), "sectors": ["Energy", "Energy", "Technology", ""]}
    return Market(**(terms | more | changed))


def share_model():
    """Betas of 1, 2, 1 and 0 to a market, and 0, 0, 1 and 0 to a style."""
    loadings = np.array([[1.0, 0], [2, 0], [1, 1], [0, 0]])
    covariance = np.array([[1e-4, 5e-5], [5e-5, 1e-4]])
    return FactorModel(loadings, covariance, np.array([1e-4, 0, 2e-4, 3e-4]), np.array(["market", "style: size"]))


def shares(weights, market=None):
    """A book of them."""
    market = share_market() if market is None else market
    return Holdings.of_weights(market.drivers[: len(weights)], np.array(weights), market.levels[: len(weights)])
