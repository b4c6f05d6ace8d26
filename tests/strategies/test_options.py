from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad

from quantray.errors import InputError
from quantray.strategies.options import OptionPricing, black_scholes, black_scholes_price


def test_textbook_prices():
    # Hull (2018), example 15.6 and example 17.1.
    assert black_scholes("call", 42, 40, 0.5, 0.2, rate=0.1).price == pytest.approx(4.76, abs=0.005)
    assert black_scholes("put", 42, 40, 0.5, 0.2, rate=0.1).price == pytest.approx(0.81, abs=0.005)
    index = black_scholes("call", 930, 900, 2 / 12, 0.2, rate=0.08, dividend_yield=0.03)
    assert index.price == pytest.approx(51.83, abs=0.005)


def test_textbook_greeks():
    # Hull (2018), chapter 19: 20 weeks at 49, struck at 50.
    value = black_scholes("call", 49, 50, 0.3846, 0.2, rate=0.05)
    assert value.delta == pytest.approx(0.522, abs=0.0005)
    assert value.gamma == pytest.approx(0.066, abs=0.0005)
    assert value.theta == pytest.approx(-4.31, abs=0.005)
    assert value.vega == pytest.approx(12.1, abs=0.05)
    assert value.rho == pytest.approx(8.91, abs=0.005)


def test_put_call_parity():
    generator = np.random.default_rng(0)
    s, k = generator.uniform(50, 150, (2, 1000))
    tau, sigma = generator.uniform(0, 2, 1000), generator.uniform(0, 1, 1000)
    r, q = generator.uniform(-0.02, 0.1, (2, 1000))
    call = black_scholes("call", s, k, tau, sigma, rate=r, dividend_yield=q)
    put = black_scholes("put", s, k, tau, sigma, rate=r, dividend_yield=q)
    assert_allclose(call.price - put.price, s * np.exp(-q * tau) - k * np.exp(-r * tau), atol=1e-11)
    assert_allclose(call.delta - put.delta, np.exp(-q * tau), atol=1e-14)
    assert_allclose(call.gamma, put.gamma)


def test_the_price_is_the_discounted_expectation():
    s, k, tau, sigma, r, q = 100.0, 105.0, 0.7, 0.3, 0.04, 0.01

    def payoff(z):
        final = s * np.exp((r - q - sigma**2 / 2) * tau + sigma * np.sqrt(tau) * z)
        return max(k - final, 0.0) * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)

    edge = (np.log(k / s) - (r - q - sigma**2 / 2) * tau) / (sigma * np.sqrt(tau))
    expected = np.exp(-r * tau) * quad(payoff, -10, edge)[0]
    assert_allclose(black_scholes("put", s, k, tau, sigma, rate=r, dividend_yield=q).price, expected, rtol=1e-9)


@pytest.mark.parametrize("kind", ["call", "put"])
def test_greeks_are_the_slopes_of_the_price(kind):
    at = {"spot": 98.0, "strike": 100.0, "years": 0.6, "volatility": 0.25, "rate": 0.03, "dividend_yield": 0.02}

    def price(**moved):
        values = at | moved
        first = [values.pop(name) for name in ("spot", "strike", "years", "volatility")]
        return black_scholes(kind, *first, **values)

    def slope(name, what="price", h=1e-5):
        up, down = price(**{name: at[name] + h}), price(**{name: at[name] - h})
        return (getattr(up, what) - getattr(down, what)) / (2 * h)

    value = price()
    assert_allclose(value.delta, slope("spot"), rtol=1e-6)
    assert_allclose(value.gamma, slope("spot", "delta"), rtol=1e-6)
    assert_allclose(value.vega, slope("volatility"), rtol=1e-6)
    assert_allclose(value.theta, -slope("years"), rtol=1e-6)
    assert_allclose(value.rho, slope("rate"), rtol=1e-6)
    assert_allclose(value.vanna, slope("volatility", "delta"), rtol=1e-6)
    assert_allclose(value.vanna, slope("spot", "vega"), rtol=1e-6)
    assert_allclose(value.volga, slope("volatility", "vega"), rtol=1e-5)


def test_calls_and_puts_are_priced_together():
    spots = np.array([90.0, 110.0])
    both = black_scholes(np.array(["call", "put"]), spots, 100, 0.5, 0.2, rate=0.03)
    assert both.price[0] == black_scholes("call", 90, 100, 0.5, 0.2, rate=0.03).price
    assert both.delta[1] == black_scholes("put", 110, 100, 0.5, 0.2, rate=0.03).delta
    alike = black_scholes(np.array(["call", "put"]), 90.0, 100, 0.5, 0.2)
    assert {values.shape for values in vars(alike).values()} == {(2,)}


def test_the_price_alone_is_the_same():
    generator = np.random.default_rng(1)
    spot, years = generator.uniform(50, 150, (7, 5)), np.array([0, 0.1, 0.5, 1, 2])
    terms = (np.array(["call", "put", "call", "put", "put"]), spot, 100, years, 0.2)
    more = {"rate": 0.03, "dividend_yield": np.linspace(0, 0.1, 5)}
    assert_allclose(black_scholes_price(*terms, **more), black_scholes(*terms, **more).price, rtol=1e-12)


def test_without_time_or_volatility_options_are_worth_their_intrinsic_value():
    spots = np.array([90.0, 100, 110])
    expired = black_scholes("call", spots, 100, 0.0, 0.2)
    assert_array_equal(expired.price, [0, 0, 10])
    assert_array_equal(expired.delta, [0, 0.5, 1])
    still = black_scholes("put", spots, 100, 1.0, 0.0, rate=0.05)
    assert_allclose(still.price, np.maximum(100 * np.exp(-0.05) - spots, 0))
    assert_array_equal(expired.gamma + still.vega + expired.vanna + still.volga, 0)


def test_unknown_stays_unknown():
    value = black_scholes("call", [100.0, np.nan, 100.0], 100, 0.5, [0.2, 0.2, np.nan])
    assert_array_equal(np.isnan(value.price), [False, True, True])


def test_wrong_input_is_refused():
    with pytest.raises(InputError, match="'straddle' is not one of call, put"):
        black_scholes("straddle", 1, 1, 1, 1)
    with pytest.raises(InputError, match="must be positive"):
        black_scholes("call", 0, 1, 1, 1)
    with pytest.raises(InputError, match="do not broadcast"):
        black_scholes("call", [1, 2], [1, 2, 3], 1, 1)
    with pytest.raises(InputError, match="window 1 must be 2 days or more"):
        OptionPricing(window=1)
    with pytest.raises(InputError, match="long_window 10 no less"):
        OptionPricing(long_window=10)
    with pytest.raises(InputError, match="finite numbers"):
        OptionPricing(premium=np.nan)


def test_the_panels_volatility_is_believed(make_panel):
    quoted = np.array([[0.2, np.nan], [0.25, 0.0]])
    priced = OptionPricing().volatility(make_panel(np.ones((2, 2)), implied_volatility=quoted))
    assert_array_equal(priced.values, [[0.2, np.nan], [0.25, np.nan]])
    assert priced.quoted
    assert priced.source == "options priced at the panel's implied_volatility"


def test_without_one_it_is_realised_volatility_and_a_stated_premium(make_panel):
    # Up and down by 1 % a day for ten days, and then by 3 %.
    moves = np.repeat([0.01, 0.03], [11, 20]) * (-1.0) ** np.arange(31)
    priced = OptionPricing(window=5, long_window=10, premium=0.03).volatility(
        make_panel(100 * np.exp(np.cumsum(moves)))
    )
    assert np.isnan(priced.values[:10]).all()
    assert_allclose(priced.values[10], 0.01 * np.sqrt(252) + 0.03)
    assert_allclose(priced.values[15], np.sqrt((0.03**2 + (0.03**2 + 0.01**2) / 2) / 2 * 252) + 0.03)
    assert_allclose(priced.values[20:], 0.03 * np.sqrt(252) + 0.03)
    assert not priced.quoted
    assert "5- and 10-day realised volatility plus 3.0%, which is an assumption" in priced.source


def test_puts_below_the_spot_cost_more_volatility():
    sigma = OptionPricing(skew=0.5).out_of_the_money(np.array(0.2), np.array(100.0), np.array([90.0, 100, 110]))
    assert_allclose(sigma, [0.2 - 0.5 * np.log(0.9), 0.2, 0.2])


def test_realised_volatility_is_of_a_year_of_the_panel(make_panel):
    close = 100 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.02, (200, 2)), axis=0))
    panel, free = make_panel(close), OptionPricing(premium=0.0)
    usual, other = (free.volatility(one).values for one in (panel, replace(panel, periods_per_year=365)))
    assert_allclose(other, usual * np.sqrt(365 / 252))
