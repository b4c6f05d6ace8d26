import pickle

import numpy as np
import pytest

from quantray.arrays import frozen
from quantray.errors import InputError
from quantray.risk.positions.market import Market

DAY = np.datetime64("2020-03-31")


def market(**changed):
    terms = {
        "date": DAY,
        "drivers": ["B", "A", "10 years"],
        "levels": [20.0, 10.0, -0.002],
        "dates": DAY - np.arange(2)[::-1],
        "changes": np.zeros((2, 3)),
        "absolute": [False, False, True],
    }
    return Market(**(terms | changed))


def test_drivers_are_found_in_any_order():
    assert market().find(np.array(["A", "10 years", "A"]), "the book").tolist() == [1, 2, 1]


def test_names_are_found_again_in_copies_of_a_market():
    one, names = market(), frozen(np.array(["10 years", "B"]))
    assert one.find(names, "the book").tolist() == one.find(names, "the book").tolist() == [2, 0]
    other = pickle.loads(pickle.dumps(one))
    for wanted in (names, frozen(np.array(["A", "A"])), names):
        assert other.drivers[other.find(wanted, "the book")].tolist() == wanted.tolist()


def test_a_driver_that_is_not_there_is_named_with_who_needs_it():
    with pytest.raises(InputError, match="the book: the market has no C, D; give it a level"):
        market().find(np.array(["C", "A", "D"]), "the book")
    with pytest.raises(InputError, match=r"the market has no C \(for call on C\)"):
        market().find(np.array(["C", "A"]), "the book", np.array(["call on C", "A"]))


def test_what_nobody_said_is_unknown_rather_than_zero():
    plain = market()
    assert np.isnan(plain.adv).all()
    assert np.isnan(plain.spread_bps).all()
    assert plain.sectors.tolist() == ["", "", ""]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"levels": [20.0, 0.0, 0.01]}, "1 drivers have no positive level: A"),
        ({"levels": [20.0, np.nan, 0.01]}, "1 drivers have no positive level: A"),
        ({"levels": [1.0]}, r"levels of the market are \(1,\) for 3 drivers"),
        ({"drivers": ["A", "A", "10 years"]}, "drivers of the market repeat"),
        ({"changes": np.zeros((3, 3))}, r"changes of the market are \(3, 3\) for 2 dates"),
        (
            {"changes": np.array([[0.0, 0, 0], [0, -np.inf, 0]])},
            "the change of A on 2020-03-31 is infinite; give NaN where it is unknown",
        ),
        ({"date": DAY - 1}, "must rise and end by 2020-03-30, not on 2020-03-31"),
    ],
)
def test_what_does_not_fit_is_refused(changed, said):
    with pytest.raises(InputError, match=said):
        market(**changed)
