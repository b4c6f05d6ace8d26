import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.analytics.attribution.currency import (
    CurrencyBook,
    CurrencyMarkets,
    attribute_currencies,
    currency_parts,
)
from quantray.analytics.attribution.linking import compounded
from quantray.errors import InputError

DAYS = np.arange("2020-01-01", "2020-01-13", dtype="datetime64[D]")
RNG = np.random.default_rng(0)
MARKETS = CurrencyMarkets(
    currencies=["USD", "EUR", "JPY"],
    spot=np.column_stack([np.zeros(12), RNG.normal(0, 0.02, (12, 2))]),
    rates=np.tile([0.003, 0.001, 0.0], (12, 1)),
    base_rate=np.full(12, 0.003),
)
BOOK = CurrencyBook(weights=np.tile([0.5, 0.3, 0.2], (12, 1)), local=RNG.normal(0.01, 0.03, (12, 3)))


def test_parts_are_the_base_currency_return():
    found = attribute_currencies(DAYS, MARKETS, BOOK)
    base = (BOOK.weights * ((1 + BOOK.local) * (1 + MARKETS.spot) - 1)).sum(axis=1)
    assert_allclose(found.linked.sum(), compounded(base), atol=1e-14)
    # At home there is neither surprise nor premium: cash earns its rate.
    assert_allclose(found.cell("USD", "currency"), 0, atol=1e-15)
    parts = currency_parts(DAYS, MARKETS, BOOK)
    assert_allclose(parts["forward premium"][:, 0], 0.5 * 0.003)
    # By covered parity, cash anywhere earns the home rate hedged.
    assert_allclose(parts["forward premium"][:, 1], 0.3 * 0.003)


def test_a_full_hedge_leaves_no_currency():
    hedged = CurrencyBook(
        weights=BOOK.weights, local=MARKETS.rates, hedges=-BOOK.weights * (1 + MARKETS.rates) * [0, 1, 1]
    )
    found = attribute_currencies(DAYS, MARKETS, hedged)
    assert_allclose(found.by_effect()["hedges"], -found.by_effect()["currency"], atol=1e-4)
    assert_allclose(found.total, 1.003**12 - 1)


def test_against_a_benchmark():
    other = CurrencyBook(
        weights=np.tile([0.6, 0.4, 0.0], (12, 1)), local=np.where([True, True, False], BOOK.local, np.nan)
    )
    found = attribute_currencies(DAYS, MARKETS, BOOK, benchmark=other)
    assert found.relative
    assert abs(found.gap) < 1e-14


def test_bad_input():
    rates = MARKETS.rates.copy()
    rates[3, 1] = np.nan
    gap = CurrencyMarkets(currencies=MARKETS.currencies, spot=MARKETS.spot, rates=rates, base_rate=MARKETS.base_rate)
    with pytest.raises(InputError, match="EUR has no rate on 2020-01-04 though it is held"):
        attribute_currencies(DAYS, gap, BOOK)
    local = np.where([True, True, False], BOOK.local, np.nan)
    with pytest.raises(InputError, match="JPY has no local return on 2020-01-01"):
        attribute_currencies(DAYS, MARKETS, CurrencyBook(weights=BOOK.weights, local=local))
    with pytest.raises(InputError, match="currency arrays are"):
        attribute_currencies(DAYS, MARKETS, CurrencyBook(weights=BOOK.weights[:, :2], local=BOOK.local))
