"""Costs by models of users' own: a function of trades and a day to money."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from quantray.arrays import Float
from quantray.backtest.costs import MarketDay
from quantray.errors import InputError, SolverError
from quantray.own import Thing, called, numbers, own_path, own_thing

__all__ = ["OwnCosts"]

_USUAL = 0.01
"""Fraction of NAV that ``rate`` trades."""


@dataclass(frozen=True)
class OwnCosts:
    """A cost model by ``module:name``; see ``backtest.costs.CostModel``."""

    path: str
    function: Thing = field(repr=False)
    parameters: Mapping[str, Any]

    @classmethod
    def of(cls, name: str, parameters: Mapping[str, Any]) -> "OwnCosts":
        """The model that a name stands for.

        Parameters
        ----------
        name : ``module:name``, or as a package registers it among ``quantray.costs``: of a function of (N,) money
            traded, sales negative, and of a ``MarketDay``, that gives (N,) money paid.
        parameters : of the function.

        Raises
        ------
        InputError
            As ``own.own_thing``, or it is a class.
        """
        thing = own_thing(name, "costs")
        if isinstance(thing, type):
            raise InputError(f"cost model {name!r} is a class; name a function of trades and a day.")
        return cls(own_path(name, "costs") or name, thing, parameters)

    def __call__(self, trades: Float, day: MarketDay) -> Float:
        """See ``CostModel``.

        Raises
        ------
        InputError
            The function takes no such parameters.
        SolverError
            It raised an error, or what it gave is no money that may be paid.
        """
        told = f"cost model {self.path!r}"
        found = called(self.function, trades.copy(), self.parameters, "", told, f", on {day.date}", more=(day,))
        paid = numbers(found, told, "an array of money")
        if paid.shape != trades.shape:
            raise SolverError(f"{told} gave {paid.shape}; it must give {trades.shape}, money paid for each asset.")
        if (bad := ~(np.isfinite(paid) & (paid >= 0)) & (trades != 0)).any():
            raise SolverError(
                f"{told} gave {paid[bad][0]:g} for a trade of {trades[bad][0]:.6g} on {day.date}; costs are 0 or more, "
                "and known."
            )
        return np.asarray(np.where(trades != 0, paid, 0.0))

    def rate(self, day: MarketDay, n_assets: int) -> Float:
        """(N,) costs of a trade of 1% of NAV in each name, as fractions of it: what a linear optimiser knows."""
        size = np.full(n_assets, _USUAL * day.nav)
        return np.asarray(self(size, day) / size)
