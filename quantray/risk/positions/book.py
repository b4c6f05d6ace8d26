"""A book as limits, liquidity and concentration see it: weights, groups, how it follows the drivers, what it loses."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from quantray.arrays import Float, Int, Names, frozen
from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.portfolio.contributions import vector
from quantray.risk.factor import checked_model, position_groups
from quantray.risk.positions.groups import Groups
from quantray.risk.positions.holdings import Holdings
from quantray.risk.positions.market import Market
from quantray.risk.positions.sensitivities import Sensitivities

__all__ = ["Book"]

_DEFAULT: Any = None
"""Filled in by ``__post_init__``, so that readers find an array."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Book:
    """N positions as fractions of NAV, and what is known of them; leave out what nothing asks for.

    Parameters
    ----------
    names : (N,) unique.
    weights : (N,) exposure as money, shorts negative; of shares the value, see ``Sensitivities.notional``.
    model : covariance of a day, of the positions; with ``sensitivities``, of the M drivers.
    sensitivities : how positions follow drivers, if they are not the drivers themselves.
    groups : kind such as sector, strategy, currency or asset class -> (N,) labels, empty where there is none.
    adv : (N,) money traded on a usual day as a fraction of NAV; NaN where nobody knows.
    spread_bps : (N,) the whole quoted spread; NaN where nobody quotes.
    volatility : (N,) of a day; by default the model's where it is of positions, else unknown.
    scenarios : name -> (N,) what each position loses, positive where money is lost.
    previous : (N,) weights held before, from which turnover is counted.
    returns : (T,) of the book so far.
    strategy_returns : strategy -> (T,) of its own so far, all of the same days.

    Raises
    ------
    InputError
        Shapes disagree, names repeat, a weight is missing, or an adv is negative.
    """

    names: Names
    weights: Float
    model: FactorModel | None = None
    sensitivities: Sensitivities | None = None
    groups: Mapping[str, Names] = field(default_factory=dict)
    adv: Float = _DEFAULT
    spread_bps: Float = _DEFAULT
    volatility: Float = _DEFAULT
    scenarios: Mapping[str, Float] = field(default_factory=dict)
    previous: Float | None = None
    returns: Float | None = None
    strategy_returns: Mapping[str, Float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = np.asarray(self.names, dtype=np.str_)
        n, unknown = len(names), np.full(len(names), np.nan)
        if len(set(names.tolist())) != n:
            raise InputError("names of the book repeat; give each position one of its own.")
        self._fits(n)
        own = self.model is not None and self.sensitivities is None
        volatility = np.sqrt(self.model.variances) if own and self.model is not None else unknown
        columns: dict[str, Any] = {
            "weights": np.asarray(self.weights, dtype=np.float64),
            "adv": unknown if self.adv is None else np.asarray(self.adv, dtype=np.float64),
            "spread_bps": unknown if self.spread_bps is None else np.asarray(self.spread_bps, dtype=np.float64),
            "volatility": volatility if self.volatility is None else np.asarray(self.volatility, dtype=np.float64),
        }
        groups = {kind: np.asarray(labels, dtype=np.str_) for kind, labels in self.groups.items()}
        scenarios = {name: np.asarray(loss, dtype=np.float64) for name, loss in self.scenarios.items()}
        if self.previous is not None:
            columns["previous"] = np.asarray(self.previous, dtype=np.float64)
        for name, values in [*columns.items(), *groups.items(), *scenarios.items()]:
            if values.shape != (n,):
                raise InputError(f"{name} of the book is {values.shape} for {n} names; give one for each.")
        known = {name: columns[name] for name in ("weights", "previous") if name in columns}
        for name, values in [*known.items(), *scenarios.items()]:
            if not np.isfinite(values).all():
                lost = ", ".join(names[~np.isfinite(values)][:5].tolist())
                raise InputError(f"{name} of {lost} is missing; give a number, or leave the position out.")
        if (columns["adv"] < 0).any():
            raise InputError(f"adv of {names[columns['adv'] < 0][0]} is negative; give NaN where nobody knows it.")
        for name, values in [("names", names), *columns.items()]:
            object.__setattr__(self, name, frozen(values))
        object.__setattr__(self, "groups", {kind: frozen(labels) for kind, labels in groups.items()})
        object.__setattr__(self, "scenarios", {name: frozen(loss) for name, loss in scenarios.items()})

    def _fits(self, n: int) -> None:
        follows = n if self.sensitivities is None else self.sensitivities.n_drivers
        if self.sensitivities is not None and len(self.sensitivities.value) != n:
            raise InputError(f"sensitivities are of {len(self.sensitivities.value)} positions, the book has {n}.")
        if self.model is not None and self.model.n_assets != follows:
            raise InputError(f"the risk model is of {self.model.n_assets} drivers, the book follows {follows}.")

    @classmethod
    def of(
        cls,
        holdings: Holdings,
        market: Market,
        model: FactorModel,
        sensitivities: Sensitivities,
        **more: Any,
    ) -> "Book":
        """The book of some holdings: sectors and volumes are those of each position's own driver.

        Positions of one driver share its volume by size.

        Parameters
        ----------
        model : of the market's drivers.
        more : ``scenarios``, ``previous``, ``returns`` or ``strategy_returns``, see the class.

        Raises
        ------
        InputError
            As the class, the market lacks a driver, or the model is not of its drivers.
        """
        checked_model(model, market)
        own = market.find(holdings.drivers, "holdings", holdings.names)
        weights, groups = sensitivities.notional, position_groups(holdings, market)
        made = cls(
            names=holdings.names,
            weights=weights,
            model=model,
            sensitivities=sensitivities,
            groups={kind: each.labels for kind, each in groups.items()},
            adv=market.adv[own] / holdings.nav * _shares(weights, own, market.n_drivers),
            spread_bps=market.spread_bps[own],
            volatility=np.where(market.absolute[own], np.nan, np.sqrt(model.variances[own])),
            **more,
        )
        # Known already, so that nobody counts labels again.
        vars(made)["grouped"] = groups
        return made

    @cached_property
    def grouped(self) -> Mapping[str, Groups]:
        """``groups``, with the place of each position among the labels."""
        return {kind: Groups.of(labels) for kind, labels in self.groups.items()}

    @property
    def exposure(self) -> Float:
        """(N,) or (M,) what takes the place of weights in the model."""
        return self.weights if self.sensitivities is None else self.sensitivities.exposure

    def part(self, chosen: Float) -> Float:
        """(N,) or (M,) exposure of the book with each position at (N,) some multiple of its size; (D, N) to (D, M)."""
        if self.sensitivities is None:
            return np.asarray(self.weights * chosen)
        s = self.sensitivities
        if chosen.ndim == 2:
            return np.array([self.part(row) for row in chosen])
        return np.asarray(np.bincount(s.columns, s.delta * chosen[s.rows], s.n_drivers), dtype=np.float64)

    def at(self, weights: Float) -> "Book":
        """The book with each position at another size, and all that goes with it.

        Raises
        ------
        InputError
            The shapes disagree, or a position without size is to have one, though what it would bring is not known.
        """
        weights = vector(weights, len(self.weights), "weights")
        by_size = self.sensitivities is not None or bool(self.scenarios)
        if by_size and (new := (self.weights == 0) & (weights != 0)).any():
            raise InputError(f"nothing is held of {self.names[new][0]}; make a book that holds some, and price that.")
        factor = np.divide(weights, self.weights, out=np.zeros(len(weights)), where=self.weights != 0)
        return replace(
            self,
            weights=weights,
            sensitivities=None if self.sensitivities is None else self.sensitivities.resized(factor),
            scenarios={name: loss * factor for name, loss in self.scenarios.items()},
        )

    def per_position(self, per_driver: Float) -> Float:
        """(N,) what the positions add, where a unit of each driver adds (N,) or (M,) so much."""
        if self.sensitivities is None:
            return np.asarray(self.weights * per_driver)
        return self.sensitivities.by_position(per_driver)

    def needed(self, name: str, use: str) -> Any:
        """What was given of a field, for a use that cannot do without.

        Raises
        ------
        InputError
            Nothing was given.
        """
        if (found := getattr(self, name)) is None or (isinstance(found, Mapping) and not found):
            raise InputError(f"{use} needs Book({name}=...).")
        return found


def _shares(weights: Float, own: Int, n_drivers: int) -> Float:
    """(N,) part of each position in all that is held of its driver; 1 where nothing is."""
    size = np.abs(weights)
    total = np.bincount(own, size, n_drivers)[own]
    return np.asarray(np.divide(size, total, out=np.ones(len(size)), where=total > 0))
