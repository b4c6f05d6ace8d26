import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.analytics.risk_free import accrued, rates_on
from quantray.errors import InputError

DAYS = np.array(["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07"], dtype="datetime64[D]")


def test_what_cash_earns_by_day_count():
    """A weekend counts three days, or as one period."""
    assert_allclose(accrued(0.036, DAYS, "actual/360"), [0.0001, 0.0003, 0.0001])
    assert_allclose(accrued(0.0365, DAYS, "actual/365"), [0.0001, 0.0003, 0.0001])
    assert_allclose(accrued(0.0252, DAYS, "periods"), [0.0001] * 3)
    assert_allclose(accrued(0.052, DAYS, "periods", periods_per_year=52), [0.001] * 3)


def test_a_day_earns_the_rate_that_was_known_when_it_began():
    quoted = np.array(["2020-01-01", "2020-01-06"], dtype="datetime64[D]")
    rates = rates_on(quoted, np.array([0.036, 0.072]), DAYS, name="bills")
    assert_allclose(rates, [0.036, 0.036, 0.072, 0.072])
    assert_allclose(accrued(rates, DAYS, "actual/360"), [0.0001, 0.0003, 0.0002])


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ("2020-01-03", "unknown on 1 of 4 days, first 2020-01-02, last 2020-01-02; add quotes"),
        ("2019-12-29", "unknown on 2 of 4 days, first 2020-01-06, last 2020-01-07; .* above 7"),
    ],
)
def test_gaps_are_named(first, said):
    with pytest.raises(InputError, match=f"risk-free rate bills is quoted from {first} to {first} and {said}"):
        rates_on(np.array([first], dtype="datetime64[D]"), np.array([0.01]), DAYS, name="bills")


def test_bad_input():
    with pytest.raises(InputError, match="day count '30/360' is unknown; take one of actual/360"):
        accrued(0.01, DAYS, "30/360")
    with pytest.raises(InputError, match="2 rates for 4 dates"):
        accrued(np.array([0.01, 0.02]), DAYS, "actual/360")
