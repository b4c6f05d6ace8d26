from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.errors import InputError
from quantray.strategies.options import black_scholes
from quantray.strategies.rule import Adjustments, Controls
from quantray.strategies.straddles import StraddleTerms, rolled_straddles, straddle_book, straddle_sides


@pytest.fixture
def two(make_panel):
    close = 100 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.02, (30, 2)), axis=0))
    return make_panel(close, implied_volatility=np.full((30, 2), 0.3))


def value(panel, row, strike, left, asset=0):
    spot = panel.field("close")[row, asset]
    return sum(float(black_scholes(kind, spot, strike, left / 252, 0.3).price) for kind in ("call", "put"))


def test_straddles_are_struck_at_the_money_on_schedule(two):
    straddles = rolled_straddles(two, StraddleTerms(tenor=12, every=10))
    assert [cycle.row for cycle in straddles.cycles] == [0, 10, 20]
    assert_array_equal(straddles.cycles[1].strike, two.field("close")[10])
    assert_allclose(straddles.cycles[1].value[3, 0], value(two, 13, two.field("close")[10, 0], 9))
    assert_array_equal(np.flatnonzero(straddles.struck), [0, 10, 20])


@pytest.mark.parametrize("lag", [0, 1])
def test_a_book_by_hand(two, lag):
    terms = StraddleTerms(tenor=15, every=10, gross=0.4, half_spread=0.01)
    sides = np.zeros((30, 2), dtype=np.int8)
    sides[3:5, 0] = -1
    result = straddle_book(two, rolled_straddles(two, terms), sides, np.ones((30, 2), dtype=bool), 1.0, lag)
    close = two.field("close")[:, 0]
    units = -0.2 / close[0]
    marks = {row: value(two, row, close[0], 15 - row) for row in range(3, 8)}
    start = 3 + lag
    expected = np.zeros(30)
    expected[start + 1] = units * (marks[start + 1] - marks[start])
    expected[start + 2] = units * (marks[start + 2] - marks[start + 1])
    expected[start] -= 0.01 * abs(units) * marks[start]
    expected[start + 2] -= 0.01 * abs(units) * marks[start + 2]
    assert_allclose(result.overlay_returns, expected, atol=1e-15)
    closing = np.zeros((30, 2))
    closing[start : start + 2, 0] = [0.01 * units * marks[row] for row in (start, start + 1)]
    assert_allclose(result.closing_costs, closing, atol=1e-15)
    spots = close[3:5]
    delta = sum(black_scholes(kind, spots, close[0], np.array([12, 11]) / 252, 0.3).delta for kind in ("call", "put"))
    assert_allclose(result.weights[3:5, 0], -units * delta * spots)
    assert not result.weights[5:].any()
    assert result.notes == ("options priced at the panel's implied_volatility",)


def test_a_hedged_short_straddle_earns_implied_less_realised(make_panel):
    # Realised volatility 16 %, implied 40 %: the seller gains, and the gain is about half gamma times the difference.
    generator = np.random.default_rng(1)
    close = 100 * np.exp(np.cumsum(generator.normal(0, 0.01, (400, 20)), axis=0))
    panel = make_panel(close, implied_volatility=np.full(close.shape, 0.4))
    earned = rolled_straddles(panel, StraddleTerms()).earned
    assert np.nanmean(earned) < 0
    fair = make_panel(close, implied_volatility=np.full(close.shape, 0.01 * np.sqrt(252)))
    # At the volatility that is realised, nobody gains but by chance.
    pnl = rolled_straddles(fair, StraddleTerms()).earned
    assert abs(np.nanmean(pnl)) < 3 * np.nanstd(pnl) / np.sqrt(np.isfinite(pnl).sum())
    assert abs(np.nanmean(pnl)) < 0.05 * abs(np.nanmean(earned))


def test_sides_follow_the_difference_and_open_anew_at_each_strike(two):
    straddles = rolled_straddles(two, StraddleTerms(tenor=12, every=10))
    cheap = np.full((30, 2), 0.02)
    cheap[:, 1] = -0.02
    controls, none = Controls(stop=None), Adjustments.none(30)
    assert_array_equal(straddle_sides(straddles, cheap, 0.02, controls, none), np.tile([1, -1], (30, 1)))
    assert not straddle_sides(straddles, cheap, 0.03, controls, none).any()
    # At the least loss a position is out, and in again only when the next ones are struck.
    tight = straddle_sides(straddles, cheap, 0.02, Controls(stop=1e-6), none)[21:]
    assert (tight[-1] == 0).all()
    assert ((np.diff(np.abs(tight), axis=0) > 0).sum(axis=0) == 0).all()


def test_options_without_a_price_are_not_traded(make_panel):
    implied = np.full((30, 2), 0.3)
    implied[:, 1] = np.nan
    panel = make_panel(np.full((30, 2), 100.0), implied_volatility=implied)
    sides = np.full((30, 2), -1, dtype=np.int8)
    terms = StraddleTerms(tenor=15, every=10)
    result = straddle_book(panel, rolled_straddles(panel, terms), sides, np.ones((30, 2), dtype=bool), 1.0, 1)
    assert not result.weights[:, 1].any()
    assert result.overlay_returns.sum() > 0


def test_wrong_terms_are_refused(two):
    with pytest.raises(InputError, match="tenor 21"):
        StraddleTerms(tenor=21, every=21)
    with pytest.raises(InputError, match="gross 2"):
        StraddleTerms(gross=2)
    terms = StraddleTerms(tenor=12, every=10)
    sides = np.ones((30, 2), dtype=np.int8)
    with pytest.raises(InputError, match="expire before their successors trade, 10 . 5 days later"):
        straddle_book(two, rolled_straddles(two, terms), sides, np.ones((30, 2), dtype=bool), 1.0, 5)


def test_time_to_expiry_is_counted_in_years_of_the_panel(two):
    cycle = rolled_straddles(replace(two, periods_per_year=365), StraddleTerms(tenor=12, every=10)).cycles[0]
    spot = two.field("close")[3, 0]
    years = 9 / 365
    expected = sum(float(black_scholes(k, spot, cycle.strike[0], years, 0.3).price) for k in ("call", "put"))
    assert_allclose(cycle.value[3, 0], expected)
