import numpy as np
import pytest
from mixed_book import changes_of, mixed_book

from quantray.errors import InputError
from quantray.risk.holdings import Holdings
from quantray.risk.market import Market
from quantray.risk.pricing import revalue, revalue_book
from quantray.risk.sensitivities import sensitivities


def test_a_book_of_shares_moves_exactly_with_them():
    market = Market(np.datetime64("2020-06-30"), ["A", "B"], [10.0, 50.0], [], np.zeros((0, 2)))
    book = Holdings.of_weights(["B", "A"], [0.75, -0.25], np.array([50.0, 10.0]))
    assert np.allclose(revalue(book, market, np.array([-0.2, 0.1])), [0.075, 0.05])


def test_hand_computed_gains():
    holdings, market = mixed_book()
    at = {name: i for i, name in enumerate(market.drivers.tolist())}
    row = {name: i for i, name in enumerate(holdings.names.tolist())}
    change = np.zeros(market.n_drivers)
    change[[at["foreign"], at["EUR"], at["index"], at["10 years"]]] = [-0.1, -0.2, -0.1, 0.02]
    gains = revalue(holdings, market, change)
    # 0.9 of the price at 0.8 of the currency.
    assert np.isclose(gains[row["foreign"]], 0.05 * (0.9 * 0.8 - 1))
    # The future's loss is in euros, which are worth less; its notional was never paid.
    assert np.isclose(gains[row["future"]], -0.1 * 0.1 * 0.8)
    assert np.isclose(gains[row["bond"]], 0.1 * (-7 * 0.02 + 60 / 2 * 0.02**2))
    # A hundred puts sold; with a strike of 390 on an index of 360 each is worth 30 or more.
    left = (gains + sensitivities(holdings, market).value)[row["put"]]
    assert left * 1e5 / (1.25 * 0.8) < -100 * (390 - 360)
    assert gains[row["share"]] == 0


def test_nothing_is_lost_where_nothing_changes():
    holdings, market = mixed_book()
    assert np.array_equal(revalue(holdings, market, np.zeros(market.n_drivers)), np.zeros(len(holdings)))


def test_options_stop_at_nothing_and_at_their_strike():
    holdings, market = mixed_book()
    options = holdings.options.rows
    worst = np.full((1, market.n_drivers), -3.0)
    worst[:, market.drivers == "EUR"] = 0
    left = revalue(holdings, market, worst)[0] + sensitivities(holdings, market).value
    assert np.isclose(left[options[0]], 0)
    # The seller of puts owes the strikes.
    assert np.isclose(left[options[1]], -100 * 390 * 1.25 / 1e5)


def test_the_book_gains_what_its_positions_gain():
    holdings, market = mixed_book()
    changes = changes_of(market, 300, 0.2)
    assert np.allclose(revalue_book(holdings, market, changes), revalue(holdings, market, changes).sum(axis=1))


def test_missing_changes_are_refused_by_name():
    holdings, market = mixed_book()
    change = np.zeros(market.n_drivers)
    change[1] = np.nan
    with pytest.raises(InputError, match=f"changes of {market.drivers[1]} are missing"):
        revalue(holdings, market, change)
    with pytest.raises(InputError, match=r"changes are \(2,\); give \(S, M\) or \(M,\)"):
        revalue_book(holdings, market, np.zeros(2))
