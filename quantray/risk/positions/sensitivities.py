"""How positions follow the drivers of a market, to second order: value, delta, gamma, vega and their cross terms."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from quantray.arrays import Float, Int, frozen
from quantray.risk.positions.holdings import Holdings
from quantray.risk.positions.market import Market
from quantray.risk.positions.pricing import Pricing

__all__ = ["Sensitivities", "sensitivities"]


def _none() -> Float:
    return np.zeros(0)


def _nowhere() -> Int:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Sensitivities:
    """N positions against M drivers, as fractions of NAV, in E entries of a sparse matrix and P pairs of drivers.

    A position moves by ``delta * change + gamma / 2 * change ** 2`` of each of its drivers, in the units of the
    driver's changes, and by ``cross * change * other change`` of each of its pairs of drivers. A position in a foreign
    currency has an entry for the currency, if it is funded, and a pair with it; an option on two drivers has a pair.
    """

    value: Float
    """(N,) worth of the positions; unfunded ones are worth nothing."""
    rows: Int
    """(E,) positions."""
    columns: Int
    """(E,) drivers."""
    delta: Float
    """(E,)."""
    gamma: Float
    """(E,)."""
    n_drivers: int
    """M."""
    cross_rows: Int = field(default_factory=_nowhere)
    """(P,) positions."""
    cross_columns: tuple[Int, Int] = field(default_factory=lambda: (_nowhere(), _nowhere()))
    """(P,) drivers and (P,) other drivers."""
    cross: Float = field(default_factory=_none)
    """(P,)."""
    notional: Float = field(default_factory=_none)
    """(N,) exposure as money: of futures what they are on, of options delta times it, of all others the value."""
    pricing: Pricing | None = None
    """How the positions were priced, so that they can be priced again."""

    @cached_property
    def exposure(self) -> Float:
        """(M,) delta of the whole book: what takes the place of weights in a covariance of drivers."""
        return frozen(np.asarray(np.bincount(self.columns, self.delta, self.n_drivers), dtype=np.float64))

    @property
    def curvature(self) -> Float:
        """(M,) gamma of the whole book."""
        return np.asarray(np.bincount(self.columns, self.gamma, self.n_drivers), dtype=np.float64)

    @property
    def is_linear(self) -> bool:
        """Whether no position has a term of second order."""
        return not (self.gamma.any() or self.cross.any())

    def by_position(self, per_driver: Float) -> Float:
        """(N,) sums over drivers of delta times what (M,) a unit of each driver is worth, such as a marginal VaR."""
        return np.asarray(
            np.bincount(self.rows, self.delta * per_driver[self.columns], len(self.value)), dtype=np.float64
        )

    def resized(self, factors: Float) -> "Sensitivities":
        """Those of the book with each position at (N,) some multiple of its size."""
        each = factors[self.rows]
        return replace(
            self,
            value=self.value * factors,
            delta=self.delta * each,
            gamma=self.gamma * each,
            cross=self.cross * factors[self.cross_rows],
            notional=self.notional * factors if len(self.notional) else self.notional,
        )

    def bent(self, change: Float) -> Float:
        """(M,) second derivatives of the whole book times an (M,) change, pairs included."""
        first, second = self.cross_columns
        out = self.curvature * change
        out += np.bincount(first, self.cross * change[second], self.n_drivers)
        return np.asarray(out + np.bincount(second, self.cross * change[first], self.n_drivers))

    def gain(self, changes: Float) -> Float:
        """(S,) gains of the whole book to second order under (S, M) changes, as fractions of NAV; losses negative."""
        first, second = self.cross_columns
        out = changes @ self.exposure
        curved = np.flatnonzero(self.curvature)
        if len(curved):
            out += changes[:, curved] ** 2 @ self.curvature[curved] / 2
        # Many drivers are paired with few others: currencies and volatilities.
        for other in np.unique(second).tolist():
            here = second == other
            out += (changes[:, first[here]] @ self.cross[here]) * changes[:, other]
        return np.asarray(out)


def sensitivities(holdings: Holdings, market: Market) -> Sensitivities:
    """Value and sensitivities of each position, in the base currency, as fractions of NAV.

    A share, a commodity or a future moves with its driver; a bond with its yield, by duration and convexity; an option
    with its underlying and its volatility, by the greeks of Black, Scholes and Merton. What a foreign position is worth
    moves with its currency; a future's notional does not, only what is gained on it.

    Raises
    ------
    InputError
        A driver, a yield, a volatility or a currency is none of the market's (the position is named), a yield or a
        volatility is not absolute there or a currency is, or an option is past its expiry.
    """
    priced = Pricing.of(holdings, market)
    greeks = priced.greeks
    foreign = np.flatnonzero(priced.currency >= 0)
    paid = foreign[greeks.value[foreign] != 0]
    smiling = np.flatnonzero(priced.volatility >= 0)
    options = priced.option_rows[smiling]
    abroad = np.flatnonzero(priced.currency[options] >= 0)
    pairs = [
        (foreign, priced.driver[foreign], priced.currency[foreign], greeks.delta[foreign]),
        (options, priced.driver[options], priced.volatility[smiling], greeks.vanna[smiling]),
        (
            options[abroad],
            priced.volatility[smiling][abroad],
            priced.currency[options[abroad]],
            greeks.vega[smiling][abroad],
        ),
    ]
    cross_rows, first, second, cross = (np.concatenate(part) for part in zip(*pairs, strict=True))
    return Sensitivities(
        value=greeks.value,
        rows=np.concatenate([np.arange(len(holdings)), options, paid]),
        columns=np.concatenate([priced.driver, priced.volatility[smiling], priced.currency[paid]]),
        delta=np.concatenate([greeks.delta, greeks.vega[smiling], greeks.value[paid]]),
        gamma=np.concatenate([greeks.gamma, greeks.volga[smiling], np.zeros(len(paid))]),
        n_drivers=market.n_drivers,
        cross_rows=cross_rows,
        cross_columns=(first, second),
        cross=cross,
        notional=greeks.notional,
        pricing=priced,
    )
