import numpy as np
import pytest

from quantray.errors import InputError
from quantray.risk.positions.holdings import Bonds, Holdings, Options


def test_shares_of_weights_are_worth_their_weights():
    book = Holdings.of_weights(["A", "B", "C"], [0.5, -0.25, 0.0], np.array([10.0, 50.0, np.nan]), nav=1000)
    assert book.quantity.tolist() == [50, -5, 0]
    assert book.drivers.tolist() == ["A", "B", "C"]
    assert book.multiplier.tolist() == [1, 1, 1]
    assert book.asset_class.tolist() == ["equity"] * 3


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"quantity": [1.0, np.nan]}, "quantity of B is missing"),
        ({"multiplier": [np.inf, 1.0]}, "multiplier of A is missing"),
        ({"nav": 0.0}, "a NAV of 0.0 carries no positions"),
        ({"names": ["A", "A"]}, "names of the holdings repeat"),
        ({"quantity": [1.0]}, r"quantity of the holdings are \(1,\) for 2 names"),
        ({"asset_class": ["equity", "wine"]}, r"asset classes \['equity', 'wine'\] must be among equity, fixed income"),
    ],
)
def test_what_does_not_fit_is_refused(changed, said):
    with pytest.raises(InputError, match=said):
        Holdings(**({"names": ["A", "B"], "quantity": [1.0, 2.0], "nav": 100.0} | changed))


def test_a_position_without_a_price_is_named():
    with pytest.raises(InputError, match="B has no positive price"):
        Holdings.of_weights(["A", "B"], [0.5, 0.5], np.array([10.0, np.nan]))


def test_a_weight_that_is_missing_is_no_weight_of_zero():
    with pytest.raises(InputError, match="quantity of B is missing"):
        Holdings.of_weights(["A", "B"], [0.5, np.nan], np.array([10.0, 10.0]))


def bonds(**changed):
    return Bonds(**({"rows": [0], "yields": ["10 years"], "duration": [7.0], "convexity": [60.0]} | changed))


def options(**changed):
    terms = {"strike": [100.0], "expiry": ["2020-12-18"], "volatility": [0.2], "rate": [0.0], "dividend_yield": [0.0]}
    return Options(**({"rows": [0], "is_call": [True], "volatility_drivers": [""]} | terms | changed))


@pytest.mark.parametrize(
    ("terms", "changed", "said"),
    [
        (bonds, {"duration": [np.nan]}, r"duration of the bonds in rows \[0\] is missing"),
        (bonds, {"yields": ["2 years", "10 years"]}, r"yields of the bonds are \(2,\) for 1 rows"),
        (options, {"strike": [-5.0]}, "the option of row 0 has strike -5"),
        (options, {"volatility": [-0.1]}, "volatility -0.1; give a positive strike"),
        (options, {"expiry": ["NaT"]}, r"expiry of the options in rows \[0\] is missing"),
    ],
)
def test_terms_that_cannot_be_are_refused(terms, changed, said):
    with pytest.raises(InputError, match=said):
        terms(**changed)


def test_terms_are_of_positions_that_are_there_once():
    book = {"names": ["A", "B"], "quantity": [1.0, 2.0], "nav": 100.0}
    with pytest.raises(InputError, match="rows up to 2 of 2 positions"):
        Holdings(**book, bonds=bonds(rows=[2]))
    with pytest.raises(InputError, match="a bond or an option more than once"):
        Holdings(**book, bonds=bonds(), options=options())
