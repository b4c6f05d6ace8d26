"""Today's book held against its past."""

import pytest
from _books import simulated_book
from numpy.testing import assert_allclose

from quantray.errors import InputError
from quantray.risk.positions.sensitivities import sensitivities
from quantray.risk.reporting.book_backtest import backtested
from quantray.risk.reporting.estimates import DEFAULT, replayed
from quantray.risk.tail import averaged_returns, historical_var


@pytest.fixture(scope="module")
def case():
    book = simulated_book(20, 3, 400)
    past = replayed(book.holdings, book.market, book.model, sensitivities(book.holdings, book.market))
    return book.market, past


def test_each_day_is_forecast_from_the_days_before(case):
    market, past = case
    found = backtested(market, past, 150, 0.975)
    assert (found.method, found.level, len(found.dates)) == (DEFAULT, 0.975, 150)
    assert found.dates[-1] == str(market.dates[-1])
    assert_allclose(found.gains, past.gains[-150:])
    before = past.gains[400 - 150 - 250 : 400 - 150]
    assert found.var[0] == pytest.approx(historical_var(averaged_returns(before), level=0.975, predictive=True))
    assert {each.level for each in found.tests} == {0.95, 0.99, 0.975}
    kupiec = next(each for each in found.tests if each.level == 0.975)
    assert kupiec.n_hits == sum(gain < -var for gain, var in zip(found.gains, found.var, strict=True))


def test_a_past_that_is_too_short_is_refused(case):
    with pytest.raises(
        InputError, match="400 days of the past leave 80 before the 320 to be forecast; ask for at most 300"
    ):
        backtested(*case, 320, 0.99)
    with pytest.raises(InputError, match="leave 0 before the 500"):
        backtested(*case, 500, 0.99)
