import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from mixed_book import changes_of_drivers, mixed_book
from model_book import model_book

from quantray.covariance.factor import statistical_factors
from quantray.risk.positions.book import Book
from quantray.risk.positions.sensitivities import sensitivities
from quantray.risk.watching.moving import MovingBook

HOLDINGS, MARKET = mixed_book()
SEEN = sensitivities(HOLDINGS, MARKET)
MIXED = Book.of(HOLDINGS, MARKET, statistical_factors(changes_of_drivers(60, 0.01), 2), SEEN)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.floats(-0.2, 0.2)), max_size=30))
def test_any_sequence_of_moves_ends_where_one_move_would(moves):
    moving, change = MovingBook(MIXED, MARKET.absolute), np.zeros(7)
    for driver, to in moves:
        moving.move(driver, to)
        change[driver] = to
    unit = np.where(MARKET.absolute, 1, 1 + change)
    assert np.allclose(moving.exposure, (SEEN.exposure + SEEN.bent(change)) * unit, rtol=0, atol=1e-12)
    assert np.isclose(moving.gains.sum(), SEEN.gain(change[None])[0], rtol=0, atol=1e-12)
    for row in range(6):
        alone = SEEN.resized(np.eye(6)[row])
        assert np.isclose(moving.gains[row], alone.gain(change[None])[0], rtol=0, atol=1e-12)


def test_weights_are_those_of_positions_valued_again():
    moving = MovingBook(MIXED, MARKET.absolute)
    price, yields, euro = (MARKET.drivers.tolist().index(name) for name in ("share", "10 years", "EUR"))
    for driver, to in ((price, 0.1), (euro, 0.05), (yields, 0.001)):
        moving.move(driver, to)
    was, now = MIXED.weights, moving.weights
    assert np.isclose(now[0], was[0] * 1.1)
    # A foreign share and a foreign future gain in the base currency; the bond falls by seven years of 0.1 %.
    assert np.allclose(now[1:3], was[1:3] * 1.05)
    assert np.isclose(now[3], was[3] * (1 - 0.007 + 0.5 * 60 * 1e-6))


def test_only_what_depends_on_a_driver_is_said_to_move():
    moving = MovingBook(MIXED, MARKET.absolute)
    moved = moving.move(MARKET.drivers.tolist().index("foreign"), 0.1)
    assert moved.rows.tolist() == [1]
    assert set(MARKET.drivers[moved.drivers]) == {"foreign", "EUR"}
    assert np.allclose(moved.weights, MIXED.weights[[1]])
    shares = model_book()
    moving = MovingBook(shares, np.zeros(40, dtype=bool))
    moved = moving.move(7, 0.5)
    assert (moved.drivers.tolist(), moved.rows.tolist()) == ([7], [7])
    assert np.isclose(moving.weights[7], 1.5 * shares.weights[7])


def test_settling_changes_nothing_but_rounding():
    moving = MovingBook(MIXED, MARKET.absolute)
    for driver in range(7):
        moving.move(driver, 0.05)
    before = moving.exposure.copy()
    moving.settle()
    assert np.allclose(moving.exposure, before, rtol=0, atol=1e-14)
