import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from quantray.errors import InputError
from quantray.execution.tca import Executed, aggregate, shortfall, slippage, surprise


def executed(**changed):
    terms = {
        "ordered": 1000,
        "filled": 700,
        "decision": 40.0,
        "arrival": 40.04,
        "paid": 40.05,
        "last": 40.08,
        "fees": 17,
    }
    return Executed(**(terms | changed))


def test_perolds_example():
    """1,000 shares decided at 40.00; 700 filled at 40.05 against 40.04, the rest cancelled at 40.08, fees 17."""
    found = shortfall(executed())
    parts = {name: float(value[0]) for name, value in found.parts.items()}
    assert parts == pytest.approx({"explicit": 17, "delay": 28, "execution": 7, "missed": 24})
    assert found.total[0] == pytest.approx(76)
    assert found.bps[0] == pytest.approx(19)


def test_a_sale_mirrors_a_purchase():
    mirrored = executed(ordered=-1000, filled=-700, arrival=39.96, paid=39.95, last=39.92)
    assert_allclose(shortfall(mirrored).total, shortfall(executed()).total)


PRICE = st.floats(1.0, 500.0)


@given(st.integers(1, 10**6), st.floats(0, 1), st.booleans(), st.tuples(PRICE, PRICE, PRICE, PRICE), st.floats(0, 1e4))
def test_the_parts_are_what_paper_earned_and_reality_did_not(shares, share, sells, prices, fees):
    sign, filled = (-1 if sells else 1), int(shares * share)
    decision, arrival, paid, last = prices
    found = shortfall(
        Executed(
            ordered=sign * shares,
            filled=sign * filled,
            decision=decision,
            arrival=arrival,
            paid=paid,
            last=last,
            fees=fees,
        )
    )
    paper = sign * shares * (last - decision)
    real = sign * filled * (last - (paid if filled else last)) - fees
    assert found.total[0] == pytest.approx(paper - real, abs=1e-6 * shares * 500)


def test_fills_are_averaged_by_shares():
    found = Executed.of_fills(
        ordered=[300, -100],
        decision=[10.0, 20.0],
        arrival=[10.0, 20.0],
        last=[10.0, 20.0],
        fees=[0, 0],
        order=np.array([0, 0, 1]),
        shares=np.array([100.0, 200.0, -100.0]),
        prices=np.array([10.3, 10.0, 19.8]),
    )
    assert_allclose(found.paid, [10.1, 19.8])
    assert_allclose(shortfall(found).execution, [30, 20])


def test_fills_that_add_up_but_for_rounding_are_the_whole_order():
    filled = float(np.sum(np.full(13, -20_000 / 13)))
    assert filled < -20_000
    whole = executed(ordered=-20_000, filled=filled)
    assert whole.filled[0] == -20_000
    assert shortfall(whole).missed[0] == 0
    with pytest.raises(InputError, match="no more than it"):
        executed(ordered=-20_000, filled=-20_001)


def test_an_order_that_never_filled_cost_what_was_missed():
    found = shortfall(executed(filled=0, paid=np.nan, fees=0))
    assert found.total[0] == pytest.approx(80)
    assert np.isnan(slippage(executed(filled=0, paid=np.nan)).arrival[0])


def test_slippage_is_against_three_prices():
    found = slippage(executed(), vwap=np.array([40.06]), close=np.array([40.0]))
    assert found.arrival[0] == pytest.approx(1e4 * (40.05 / 40.04 - 1))
    assert found.vwap[0] < 0 < found.close[0]
    assert np.isnan(slippage(executed()).vwap[0])


def test_surprises_are_counted_in_deviations():
    assert surprise(shortfall(executed()), np.array([5.0]), np.array([2.0]))[0] == pytest.approx(1.0)
    assert np.isnan(surprise(shortfall(executed()), np.array([5.0]), np.array([0.0]))[0])


def test_groups_weigh_orders_by_their_money():
    both = Executed(
        ordered=[100, 900],
        filled=[100, 900],
        decision=[10, 10],
        arrival=[10, 10],
        paid=[10.1, 10.0],
        last=[10, 10],
        fees=[0, 0],
    )
    parts, mean = aggregate(shortfall(both))["all"]
    assert parts["total"] == pytest.approx(10.0)
    assert mean.mean == pytest.approx(50.0)
    assert mean.mean in mean.interval
    by = aggregate(shortfall(both), ["AC", "VWAP"])
    assert by["AC"][0]["execution"] == pytest.approx(100.0)
    assert by["VWAP"] == ({**dict.fromkeys(("explicit", "delay", "execution", "missed", "total"), 0.0)}, None)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"filled": 1001}, "1001 were filled; fills have the order's sign"),
        ({"filled": -1}, "-1 were filled"),
        ({"ordered": 0, "filled": 0}, "order 0 is for 0 shares"),
        ({"decision": 0.0}, "decision of order 0 is 0"),
        ({"arrival": np.nan}, "arrival of order 0 is nan"),
        ({"paid": np.nan}, "paid of order 0 is nan"),
        ({"fees": [1.0, 2.0]}, r"fees \(2,\)"),
    ],
)
def test_orders_that_cannot_be_are_refused(changed, said):
    with pytest.raises(InputError, match=said):
        executed(**changed)


def test_what_does_not_fit_the_orders_is_refused():
    found = shortfall(executed())
    with pytest.raises(InputError, match="a benchmark is"):
        slippage(executed(), vwap=np.ones(2))
    with pytest.raises(InputError, match="no negative risk"):
        surprise(found, np.zeros(1), np.array([-1.0]))
    with pytest.raises(InputError, match="labels for 1 orders"):
        aggregate(found, ["a", "b"])
    with pytest.raises(InputError, match="a fill is of order 3"):
        Executed.of_fills(
            ordered=1,
            decision=1,
            arrival=1,
            last=1,
            fees=0,
            order=np.array([3]),
            shares=np.array([1.0]),
            prices=np.array([1.0]),
        )
