"""What positions are worth, today and after any change of the drivers."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from quantray.arrays import Float, Int, Names
from quantray.errors import InputError
from quantray.risk.positions.holdings import Holdings, Options
from quantray.risk.positions.market import Market
from quantray.strategies.options import black_scholes, black_scholes_price

__all__ = ["Greeks", "Pricing", "revalue", "revalue_book"]

_DAYS = 365.0
"""Of a year, in which options count theirs."""
_BLOCK = 1 << 21
"""Numbers that are revalued at a time."""


@dataclass(frozen=True, eq=False)
class Greeks:
    """First and second derivatives of N positions and O options among them, as fractions of NAV."""

    value: Float
    """(N,)."""
    notional: Float
    """(N,) size times price; of options, times the underlying's price and delta."""
    delta: Float
    """(N,) per unit of the driver's change."""
    gamma: Float
    """(N,)."""
    vega: Float
    """(O,) per 1.00 of volatility."""
    vanna: Float
    """(O,) change of ``vega`` per unit of the driver's change."""
    volga: Float
    """(O,)."""


@dataclass(frozen=True, eq=False)
class Pricing:
    """N positions matched to the drivers of a market, with what a pricing formula needs.

    Between today and a change, positions gain ``size * (price after - price)``, in which ``size`` counts currencies at
    today's rate; what they are worth after it, at the rate after it.
    """

    driver: Int
    """(N,) what the price moves with: of a bond its yield."""
    currency: Int
    """(N,) driver of the currency; -1 in the base currency."""
    size: Float
    """(N,) quantity in units of the price, at today's rate, over NAV."""
    price: Float
    """(N,) level of the position's own driver; of an option its underlying's."""
    unit: Float
    """(N,) by which a unit of the driver's change moves its level: the level itself, or 1 of absolute ones."""
    slope: Float
    """(N,) change of the price, options apart, per unit of the driver's change."""
    bend: Float
    """(N,) change of the slope."""
    funded: Float
    """(N,) 1, or 0 of futures."""
    options: Options | None
    option_rows: Int
    """(O,)."""
    years: Float
    """(O,) to expiry."""
    volatility: Int
    """(O,) drivers; -1 where it stays."""

    @classmethod
    def of(cls, holdings: Holdings, market: Market) -> "Pricing":
        """Match positions to drivers; raises as ``sensitivities.sensitivities``."""
        own = market.find(holdings.drivers, "holdings", holdings.names)
        price = market.levels[own]
        unit = np.where(market.absolute[own], 1.0, price)
        currency = _currencies(holdings, market)
        rate = np.where(currency >= 0, market.levels[currency], 1.0)
        size = holdings.quantity * holdings.multiplier * rate / holdings.nav
        driver, slope, bend = own, unit, np.zeros(len(holdings))
        if (bonds := holdings.bonds) is not None:
            driver, slope = own.copy(), unit.copy()
            driver[bonds.rows] = _absolute(market, bonds.yields, holdings.names[bonds.rows], "yields of bonds")
            slope[bonds.rows] = -bonds.duration * price[bonds.rows]
            bend[bonds.rows] = bonds.convexity * price[bonds.rows]
        nothing = np.zeros(0, dtype=np.int64)
        rows, years, volatility = nothing, np.zeros(0), nothing
        if (options := holdings.options) is not None:
            rows = options.rows
            years = _years(holdings, options, market)
            volatility = _volatilities(holdings, options, market)
        funded = holdings.funded.astype(np.float64)
        return cls(driver, currency, size, price, unit, slope, bend, funded, holdings.options, rows, years, volatility)

    @cached_property
    def greeks(self) -> Greeks:
        """Value and derivatives today."""
        price, slope, bend, notional = self.price, self.slope, self.bend, self.size * self.price
        vega = vanna = volga = np.zeros(0)
        if self.options is not None:
            price, slope, bend = price.copy(), slope.copy(), bend.copy()
            rows = self.option_rows
            unit, size = self.unit[rows], self.size[rows]
            terms = self.options
            each = black_scholes(
                _kinds(terms),
                price[rows],
                terms.strike,
                self.years,
                terms.volatility,
                rate=terms.rate,
                dividend_yield=terms.dividend_yield,
            )
            price[rows], slope[rows], bend[rows] = each.price, each.delta * unit, each.gamma * unit**2
            notional[rows] *= each.delta
            vega, vanna, volga = size * each.vega, size * each.vanna * unit, size * each.volga
        value = self.size * price * self.funded
        return Greeks(value, notional, self.size * slope, self.size * bend, vega, vanna, volga)

    def option_gains(self, changes: Float) -> Float:
        """(S, O) gains of the options under (S, M) changes, in their currency at today's rate."""
        terms, rows = self.options, self.option_rows
        if terms is None:
            return np.zeros((len(changes), 0))
        # An underlying is never worth less than nothing, nor a volatility.
        floor = np.finfo(np.float64).tiny
        spot = np.maximum(self.price[rows] + changes[:, self.driver[rows]] * self.unit[rows], floor)
        moved = np.where(self.volatility >= 0, changes[:, self.volatility], 0.0)
        volatility = np.maximum(terms.volatility + moved, 0.0)
        now, then = (
            black_scholes_price(
                _kinds(terms),
                underlying,
                terms.strike,
                self.years,
                implied,
                rate=terms.rate,
                dividend_yield=terms.dividend_yield,
            )
            for underlying, implied in ((self.price[rows], terms.volatility), (spot, volatility))
        )
        return np.asarray(self.size[rows] * (then - now))


def revalue(holdings: Holdings, market: Market, changes: Float, *, priced: Pricing | None = None) -> Float:
    """Gains of every position if drivers change at once: options by the formula, bonds by duration and convexity.

    Parameters
    ----------
    changes : (S, M) or (M,) of the drivers in their units: simple returns, of absolute drivers differences.
    priced : ``Pricing.of(holdings, market)``, where it is known already.

    Returns
    -------
    (S, N) or (N,) fractions of NAV, losses negative. Underlyings of options and their volatilities stop at zero.

    Raises
    ------
    InputError
        As ``sensitivities.sensitivities``, or changes are missing or not one for each driver.
    """
    changes = _checked(changes, market)
    priced = Pricing.of(holdings, market) if priced is None else priced
    gains = _gains(priced, priced.greeks.value, np.atleast_2d(changes))
    return gains[0] if changes.ndim == 1 else gains


def revalue_book(holdings: Holdings, market: Market, changes: Float) -> Float:
    """(S,) gains of the whole book under (S, M) changes: what ``revalue`` adds up to, without its memory.

    Takes and raises as ``revalue``.
    """
    changes = np.atleast_2d(_checked(changes, market))
    priced = Pricing.of(holdings, market)
    value = priced.greeks.value
    plain = np.ones(len(holdings), dtype=np.bool_)
    plain[priced.option_rows] = False
    gains = np.zeros(len(changes))
    for currency in np.unique(priced.currency).tolist():
        here = priced.currency == currency
        kept = here & plain
        local = _curve(priced, kept, changes)
        abroad = changes[:, currency] if currency >= 0 else np.zeros(len(changes))
        gains += local * (1 + abroad) + float(value[here].sum()) * abroad
    step = max(_BLOCK // max(len(priced.option_rows), 1), 1)
    for start in range(0, len(changes), step):
        some = slice(start, start + step)
        gains[some] += (priced.option_gains(changes[some]) * _rates(priced, changes[some], priced.option_rows)).sum(1)
    return gains


def _curve(priced: Pricing, kept: np.ndarray, changes: Float) -> Float:
    """(S,) gains of some positions that are no options, in their currency at today's rate."""
    n_drivers = changes.shape[1]
    delta = np.bincount(priced.driver[kept], (priced.size * priced.slope)[kept], n_drivers)
    gamma = np.bincount(priced.driver[kept], (priced.size * priced.bend)[kept], n_drivers)
    curved = np.flatnonzero(gamma)
    return np.asarray(changes @ delta + changes[:, curved] ** 2 @ gamma[curved] / 2)


def _gains(priced: Pricing, value: Float, changes: Float) -> Float:
    own = changes[:, priced.driver]
    local = priced.size * (priced.slope + priced.bend / 2 * own if priced.bend.any() else priced.slope) * own
    local[:, priced.option_rows] = priced.option_gains(changes)
    if (priced.currency < 0).all():
        return np.asarray(local)
    rates = _rates(priced, changes, np.arange(len(value)))
    return np.asarray(local * rates + value * (rates - 1))


def _rates(priced: Pricing, changes: Float, rows: Int) -> Float:
    """(S, rows) price of each position's currency after a change, over today's."""
    currency = priced.currency[rows]
    return np.where(currency >= 0, 1 + changes[:, currency], 1.0)


def _checked(changes: Float, market: Market) -> Float:
    changes = np.asarray(changes, dtype=np.float64)
    if changes.ndim not in (1, 2) or changes.shape[-1] != market.n_drivers:
        raise InputError(f"changes are {changes.shape}; give (S, M) or (M,) of the {market.n_drivers} drivers.")
    missing = ~np.isfinite(changes)
    if missing.any():
        lost = market.drivers[np.atleast_2d(missing).any(axis=0)]
        raise InputError(f"changes of {', '.join(lost[:5].tolist())} are missing; give zero where a driver stays.")
    return changes


def _currencies(holdings: Holdings, market: Market) -> Int:
    out = np.full(len(holdings), -1, dtype=np.int64)
    for code in sorted(set(holdings.currency.tolist()) - {"", market.base_currency}):
        here = holdings.currency == code
        place = int(market.find(np.array([code]), "currencies of the holdings", holdings.names[here][:1])[0])
        if market.absolute[place]:
            raise InputError(f"the currency {code} changes by differences in the market; give simple returns.")
        out[here] = place
    return out


def _absolute(market: Market, drivers: Names, holders: Names, what: str) -> Int:
    places = market.find(drivers, what, holders)
    wrong = ~market.absolute[places]
    if wrong.any():
        raise InputError(
            f"{what}: {', '.join(sorted(set(drivers[wrong].tolist()))[:5])} changes by returns in the market; give "
            "differences of it, and say that it is absolute."
        )
    return places


def _years(holdings: Holdings, options: Options, market: Market) -> Float:
    days = (options.expiry - market.date.astype("datetime64[D]")).astype(np.float64)
    past = days < 0
    if past.any():
        i = int(np.argmax(past))
        raise InputError(
            f"option {holdings.names[options.rows[i]]} expired on {options.expiry[i]}, before {market.date}; leave it "
            "out or book what it paid."
        )
    return np.asarray(days / _DAYS)


def _volatilities(holdings: Holdings, options: Options, market: Market) -> Int:
    out = np.full(len(options.rows), -1, dtype=np.int64)
    moving = options.volatility_drivers != ""
    names = holdings.names[options.rows[moving]]
    out[moving] = _absolute(market, options.volatility_drivers[moving], names, "volatilities of options")
    return out


def _kinds(options: Options) -> Names:
    return np.where(options.is_call, "call", "put")
