"""What accounts hold, as arrays that fit each other."""

import numpy as np
import pytest

from quantray.errors import InputError
from quantray.institution.facts import NameFacts
from quantray.institution.positions import Positions


def book(shares, prices=(10.0, 20.0)):
    return Positions(
        accounts=["A1", "B1"],
        pms=["ann", "bob"],
        kinds=["cash", "cash"],
        symbols=["AAA", "BBB"],
        shares=np.array(shares),
        prices=np.array(prices),
        cash=np.array([100.0, -50.0]),
        facts={"AAA": NameFacts(sector="Energy", issuer="Big")},
    )


def test_values_and_what_is_left():
    it = book([[1, -2], [0, 5]])
    assert it.values.tolist() == [[10, -40], [0, 100]]
    assert it.nav.tolist() == [70, 50]
    assert it.gross.tolist() == [50, 100]
    assert it.issuers[0] == ["BBB", "Big"]
    assert it.sectors == ["Energy", ""]


def test_a_price_that_is_missing_only_where_something_is_held():
    it = book([[1, 0], [0, 5]], prices=(10.0, np.nan))
    assert it.nav[0] == 110
    assert np.isnan(it.nav[1])
    assert np.isnan(book([[1, 0], [0, 5]], prices=(0.0, 1.0)).nav[0])


def test_after_a_trade_nothing_is_lost():
    it = book([[1, 0], [0, 5]]).traded("A1", "BBB", -3, 20.0)
    assert it.shares.tolist() == [[1, -3], [0, 5]]
    assert it.cash.tolist() == [160, -50]
    assert it.nav.tolist() == book([[1, 0], [0, 5]]).nav.tolist()
    assert it.of(account="A1", symbol="BBB").shares.tolist() == [[-3]]


@pytest.mark.parametrize(
    ("positions", "text"),
    [
        (lambda: book([[1], [3]]), "do not fit 2 accounts and 2 symbols"),
        (lambda: book([[np.nan] * 2, [0] * 2]), "must be finite"),
        (lambda: book([[0, 0], [0, 0]]).of(account="C1"), "no account 'C1' among the positions"),
        (lambda: book([[0, 0], [0, 0]]).traded("A1", "XYZ", 1, 1), "no symbol 'XYZ' among the positions"),
    ],
)
def test_positions_that_are_none(positions, text):
    with pytest.raises(InputError, match=text):
        positions()


def test_an_account_twice():
    with pytest.raises(InputError, match="account 'A1' stands twice"):
        Positions(
            accounts=["A1", "A1"],
            pms=["a", "a"],
            kinds=["cash"] * 2,
            symbols=[],
            shares=np.zeros((2, 0)),
            prices=[],
            cash=[0, 0],
        )
