"""Walk-forward portfolio research on one laptop or a Ray cluster, with the same code and the same numbers.

The map of the house, left to right; a room imports only from rooms to its left:

``storage -> data -> features -> covariance -> regimes | strategies | models -> portfolio -> risk -> analytics ->
backtest -> research -> studies -> distributed -> cli``

Importing ``quantray`` loads nothing heavy. Take names from where they live::

    from quantray.data.store import MarketStore
    from quantray.portfolio.hrp import hrp_weights
    from quantray.backtest.accounts import backtest
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
