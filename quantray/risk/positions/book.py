"""A book as limits, liquidity and concentration see it: weights, groups, how it follows the drivers, what it loses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, get_args

import numpy as np

from quantray.arrays import Float, Int, Names, frozen
from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.portfolio.contributions import vector
from quantray.risk.factor import checked_model, position_groups
from quantray.risk.forecasting.quantiles import normal_quantile
from quantray.risk.forecasting.second_order import NormalMoves, NormalTail, normal_tail
from quantray.risk.positions.groups import Groups
from quantray.risk.positions.holdings import AssetClass, Holdings
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
    returns : (T,) of the book so far; no NaN.
    strategy_returns : strategy -> (T,) of its own so far, all of the same days; no NaN.
    universe : kind, such as name or sector -> what there is of it beside what the book holds, so that a limit may name
        it.

    Raises
    ------
    InputError
        Shapes disagree, names repeat, a weight or a return is missing, or an adv is negative.
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
    universe: Mapping[str, Sequence[str] | Names] = field(default_factory=dict)

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
        self._check_returns()
        for name, values in [("names", names), *columns.items()]:
            object.__setattr__(self, name, frozen(values))
        object.__setattr__(self, "groups", {kind: frozen(labels) for kind, labels in groups.items()})
        object.__setattr__(self, "scenarios", {name: frozen(loss) for name, loss in scenarios.items()})

    def _check_returns(self) -> None:
        spans = {}
        for name, values in [("the book", self.returns), *self.strategy_returns.items()]:
            returns = np.zeros(0) if values is None else np.asarray(values, dtype=np.float64)
            if returns.ndim != 1 or not np.isfinite(returns).all():
                raise InputError(
                    f"returns of {name} are {returns.shape} or incomplete; give (T,) without NaN, from the first day "
                    "that is known."
                )
            spans[name] = len(returns)
        lengths = {name: days for name, days in spans.items() if name in self.strategy_returns}
        if len(set(lengths.values())) > 1:
            short, long = min(lengths, key=lengths.__getitem__), max(lengths, key=lengths.__getitem__)
            raise InputError(
                f"strategy_returns of {short} are of {lengths[short]} days, those of {long} of {lengths[long]}; give "
                "all of the same days."
            )

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
        more : ``scenarios``, ``previous``, ``returns``, ``strategy_returns`` or ``universe``, see the class; the
            universe holds the market's drivers, sectors and asset classes in any case.

        Raises
        ------
        InputError
            As the class, the market lacks a driver, or the model is not of its drivers.
        """
        checked_model(model, market)
        own = market.find(holdings.drivers, "holdings", holdings.names)
        universe: dict[str, Sequence[str] | Names] = {
            "name": market.drivers,
            "sector": market.sector_groups.names,
            "asset class": get_args(AssetClass),
            "currency": np.append(market.drivers, market.base_currency),
        }
        for kind, names in more.pop("universe", {}).items():
            universe[kind] = [*map(str, universe.get(kind, ())), *map(str, names)]
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
            universe=universe,
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

    def tail(self, level: float, sizes: Float | None = None) -> NormalTail:
        """Value-at-risk and expected shortfall of a day under normal moves of the drivers, curvature counted.

        Parameters
        ----------
        level : confidence, above 0.5 and below 1.
        sizes : (N,) multiples at which positions count; by default as they are.

        Raises
        ------
        InputError
            The book has no model.
        """
        model = self.needed("model", "a value-at-risk")
        if (bent := self._bent) is not None:
            return self._moves.tail(bent if sizes is None else bent.resized(sizes), level=level)
        if sizes is None:
            return NormalTail.of(self.deviation, level)
        return normal_tail(model, self.part(sizes), level=level)

    def var_parts(self, level: float, sizes: Float | None = None) -> Float:
        """(N,) what each position adds to the value-at-risk of ``tail``, which they sum to; takes and raises as that.

        Negative where a position hedges, and zeros without risk.
        """
        slopes = self.var_slopes(level, sizes)
        return slopes if sizes is None else np.asarray(slopes * sizes)

    def var_slopes(self, level: float, sizes: Float | None = None) -> Float:
        """(N,) growth of the value-at-risk of ``tail`` with each position's size, from so many times what it is.

        Takes and raises as ``tail``; zeros without risk.
        """
        model = self.needed("model", "a value-at-risk")
        if (bent := self._bent) is not None:
            return self._moves.parts(bent if sizes is None else bent.resized(sizes), level=level, of=bent)
        exposure = self.exposure if sizes is None else self.part(sizes)
        covariances = self.covariances if sizes is None else model.apply(exposure)
        variance = float(exposure @ covariances)
        if not variance > 0:
            return np.zeros(len(self.weights))
        return self.per_position(normal_quantile(level) / np.sqrt(variance) * covariances)

    def growth(self, traded: Sensitivities, level: float) -> float:
        """Growth of the value-at-risk of ``tail`` with a trade, to first order.

        Parameters
        ----------
        traded : what the trade follows, of the same drivers; not for a book without sensitivities.

        Raises
        ------
        InputError
            The book has no model or no sensitivities.
        """
        model, seen = self.needed("model", "a value-at-risk"), self.needed("sensitivities", "a trade")
        if not (seen.is_linear and traded.is_linear):
            return float(NormalMoves.of(model, seen, traded).parts(seen, level=level, of=traded).sum())
        return self.linear_growth(traded.exposure, level)

    def linear_growth(self, exposure: Float, level: float) -> float:
        """The same for a trade of (N,) or (M,) exposure, of a book and a trade without curvature."""
        if not self.deviation > 0:
            return 0.0
        return normal_quantile(level) / self.deviation * float(exposure @ self.covariances)

    @cached_property
    def covariances(self) -> Float:
        """(N,) or (M,) of what the model is of with the book, to first order; raises as ``tail``."""
        return np.asarray(self.needed("model", "a value-at-risk").apply(self.exposure))

    @cached_property
    def deviation(self) -> float:
        """Of a day, to first order; raises as ``tail``."""
        return float(np.sqrt(max(float(self.exposure @ self.covariances), 0.0)))

    @property
    def bends(self) -> bool:
        """Whether a position has a term of second order."""
        return self._bent is not None

    @cached_property
    def _bent(self) -> Sensitivities | None:
        """The sensitivities of a book with curvature."""
        return None if self.sensitivities is None or self.sensitivities.is_linear else self.sensitivities

    @cached_property
    def _moves(self) -> NormalMoves:
        return NormalMoves.of(self.needed("model", "a value-at-risk"), self.needed("sensitivities", "curvature"))

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
