from datetime import date

import numpy as np
import pytest
from numpy.testing import assert_allclose
from small_books import small_book

from quantray.errors import InputError
from quantray.serving.schemas import ScheduleRequest
from quantray.serving.what_ifs.scheduling import schedule


def asked(*trades, book=None, **terms):
    named = {"trades": [{"symbol": name, "shares": shares} for name, shares in trades]} if trades else {}
    return schedule(book or small_book(), ScheduleRequest.model_validate(named | terms))


def test_orders_are_sliced_whole_over_the_next_session():
    found = asked(("AAA", 50_000), ("BBB", -20_000))
    # Good Friday is no session.
    assert found.session == date(2024, 4, 1)
    assert found.parents["shares"].to_pylist() == [50_000, -20_000]
    assert found.days.tolist() == [1, 1]
    rows = found.children.to_pylist()
    for name, whole in (("AAA", 50_000), ("BBB", -20_000)):
        assert sum(row["shares"] for row in rows if row["symbol"] == name) == whole
    assert {row["time"].date() for row in rows} == {found.session}
    assert found.cost == pytest.approx(sum(found.parents["expected_cost"].to_pylist()))
    assert found.cost_bps == pytest.approx(found.cost / (50_000 * 10 + 20_000 * 20) * 1e4)
    assert found.risk is None
    assert all(found.reasons)


def test_a_share_of_the_volume_takes_its_days():
    """A million shares are traded a day, so 250,000 at 10 % take three."""
    found = asked(("AAA", 250_000))
    assert found.days.tolist() == [3]
    days = [row["time"].date() for row in found.children.to_pylist()]
    sold = np.array([row["shares"] for row in found.children.to_pylist()])
    for day in set(days):
        assert sold[[each == day for each in days]].sum() <= 100_000
    with pytest.raises(InputError, match="AAA needs 3"):
        asked(("AAA", 250_000), days=2)
    assert asked(("AAA", 250_000), days=1, participation=0.25).days.tolist() == [1]


def test_more_money_goes_to_the_same_weights_at_a_higher_cost():
    """From half of the book's NAV to five eighths in AAA, at 10 a share; BBB, which is not named, stays."""
    small = asked(weights={"AAA": 0.625})
    large = asked(weights={"AAA": 0.625}, aum=10e6)
    assert small.parents["shares"].to_pylist() == [12_500]
    assert large.parents["shares"].to_pylist() == [125_000]
    assert large.cost_bps > small.cost_bps


def test_urgent_orders_cost_more_and_risk_less():
    calm, urgent = (asked(("AAA", 90_000), urgency=urgency) for urgency in (0.1, 20.0))
    assert urgent.cost > calm.cost
    assert urgent.parents["risk"].to_pylist()[0] < calm.parents["risk"].to_pylist()[0]


def test_a_basket_is_scheduled_with_one_risk():
    found = asked(("AAA", 100_000), ("BBB", -50_000), together=True, days=1, risk_aversion=1e-5)
    assert 0 < found.risk < sum(found.parents["risk"].to_pylist())
    assert set(found.parents["algorithm"].to_pylist()) == {"AC"}
    assert_allclose(found.parents["shares"].to_pylist(), [100_000, -50_000])


def test_worst_prices_go_along():
    found = asked(trades=[{"symbol": "AAA", "shares": 1000, "limit": 10.05}, {"symbol": "BBB", "shares": 1000}])
    limits = {row["symbol"]: row["limit"] for row in found.children.to_pylist()}
    assert limits["AAA"] == 10.05
    assert np.isnan(limits["BBB"])


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"weights": {"XYZ": 0.1}}, "XYZ is not among the 3 names"),
        ({"weights": {"AAA": 0.5}}, "these weights are those of the book"),
        ({"weights": {"CCC": 0.3}}, "have no known volume"),
        ({"weights": {"AAA": 3.0}, "aum": 1e9}, "raise most_days"),
    ],
)
def test_what_cannot_be_traded_is_named(terms, said):
    with pytest.raises(InputError, match=said):
        asked(**terms)


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({}, "give either trades or weights"),
        ({"trades": [{"symbol": "AAA", "shares": 1}], "weights": {"AAA": 1}}, "give either"),
        ({"trades": [{"symbol": "AAA", "shares": 1}] * 2}, "traded twice"),
        ({"trades": [{"symbol": "AAA", "shares": 0}]}, "must not be 0"),
        ({"trades": [{"symbol": "AAA", "shares": 1}], "aum": 1e6}, "aum goes with weights"),
        ({"weights": {"AAA": float("nan")}}, "finite"),
    ],
)
def test_requests_that_say_too_little_or_too_much_are_refused(terms, said):
    with pytest.raises(ValueError, match=said):
        ScheduleRequest.model_validate(terms)
