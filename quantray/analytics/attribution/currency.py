"""Several currencies: what local markets earned over their cash, what interest, what currencies, and what hedges."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quantray.analytics.attribution.breakdown import Breakdown, break_down, known
from quantray.analytics.attribution.linking import Linking
from quantray.arrays import Dates, Float
from quantray.errors import InputError

__all__ = ["CurrencyBook", "CurrencyMarkets", "attribute_currencies", "currency_parts"]


@dataclass(frozen=True, eq=False, kw_only=True)
class CurrencyMarkets:
    """C currencies in T periods, seen from a base currency; its own column has spot returns of zero."""

    currencies: Sequence[str]
    spot: Float
    """(T, C) return of one unit of each, in the base currency."""
    rates: Float
    """(T, C) interest of a period in each."""
    base_rate: Float
    """(T,) interest of a period in the base currency."""

    @property
    def premium(self) -> Float:
        """(T, C) forward premium by covered interest parity: what a forward is dearer than spot."""
        return np.asarray((1 + self.base_rate[:, None]) / (1 + self.rates) - 1)


@dataclass(frozen=True, eq=False, kw_only=True)
class CurrencyBook:
    """What is held in each of C currencies in T periods."""

    weights: Float
    """(T, C) fractions of NAV at the start of each period."""
    local: Float
    """(T, C) returns in the currency itself; NaN only where nothing is held."""
    hedges: Float | None = None
    """(T, C) forwards, in fractions of NAV; sales of a currency negative. By default none."""


def attribute_currencies(
    dates: Dates,
    markets: CurrencyMarkets,
    book: CurrencyBook,
    *,
    benchmark: CurrencyBook | None = None,
    returns: Float | None = None,
    method: Linking = "carino",
) -> Breakdown:
    """Split base-currency returns by currency into local market, forward premium, currency and hedges.

    With weight w, local return l, interest c, spot return e and forward premium f: ``local market`` w (l - c)(1 + e);
    ``forward premium`` w ((1 + c)(1 + f) - 1), what cash there earns hedged; ``currency`` w (1 + c)(e - f), the
    surprise; ``hedges`` h (e - f). They sum to w ((1 + l)(1 + e) - 1) and the forwards' return, exactly.

    Parameters
    ----------
    benchmark : whose parts are taken off.
    returns : (T,) of the accounts, which the parts must sum to; by default what they sum to.

    Raises
    ------
    InputError
        A currency has no rate or no spot return where something is held, or shapes disagree.
    DataError
        The parts do not sum to ``returns``.

    Source: Karnosky and Singer (1994), *Global Asset Management and Performance Attribution*; Ankrim and Hensel (1994),
    *Multicurrency performance attribution*, FAJ 50(2), for the forward premium.
    """
    own = currency_parts(dates, markets, book)
    theirs = None if benchmark is None else currency_parts(dates, markets, benchmark)
    total = np.asarray(sum(own.values())).sum(axis=1)
    base = None if theirs is None else np.asarray(sum(theirs.values())).sum(axis=1)
    blocks = [part if theirs is None else part - theirs[name] for name, part in own.items()]
    return break_down(
        "Currencies",
        dates,
        list(markets.currencies) * len(own),
        [effect for effect in own for _ in markets.currencies],
        np.hstack(blocks),
        total if returns is None else returns,
        benchmark=base,
        method=method,
    )


def currency_parts(dates: Dates, markets: CurrencyMarkets, book: CurrencyBook) -> dict[str, Float]:
    """Effect -> (T, C) parts of the base-currency return; see ``attribute_currencies``.

    Raises
    ------
    InputError
        A currency has no rate or no spot return where something is held, or shapes disagree.
    """
    weights = known(book.weights, dates, "currency weights")
    hedges = np.zeros_like(weights) if book.hedges is None else known(book.hedges, dates, "hedges")
    shapes = {weights.shape, hedges.shape, np.shape(book.local), np.shape(markets.spot), np.shape(markets.rates)}
    if shapes != {(len(dates), len(markets.currencies))}:
        raise InputError(f"currency arrays are {sorted(shapes)}; all must be (periods, currencies).")
    known(markets.base_rate, dates, "base-currency rates")
    used = (weights != 0) | (hedges != 0)
    for name, values in (("rate", markets.rates), ("spot return", markets.spot)):
        _needs(dates, markets.currencies, used & ~np.isfinite(values), name)
    _needs(dates, markets.currencies, (weights != 0) & ~np.isfinite(book.local), "local return")
    spot, rates, premium, local = (
        np.where(np.isfinite(values), values, 0.0)
        for values in (markets.spot, markets.rates, markets.premium, book.local)
    )
    return {
        "local market": weights * (local - rates) * (1 + spot),
        "forward premium": weights * ((1 + rates) * (1 + premium) - 1),
        "currency": weights * (1 + rates) * (spot - premium),
        "hedges": hedges * (spot - premium),
    }


def _needs(dates: Dates, currencies: Sequence[str], missing: np.ndarray, what: str) -> None:
    if missing.any():
        t, c = (int(place[0]) for place in np.nonzero(missing))
        raise InputError(f"{currencies[c]} has no {what} on {dates[t]} though it is held; give one or sell it.")
