import numpy as np
import pytest

from quantray.errors import InputError
from quantray.risk.overlay import overlaid, whipsaws


def test_a_half_exposure_earns_half_and_pays_for_its_trade():
    found = overlaid(np.array([0.02, 0.04, -0.01]), np.array([1.0, 0.5, 0.5]), cost_bps=10, band=0.02)
    assert found.traded.tolist() == [0, -0.5, 0]
    assert np.allclose(found.costs, [0, 0.5e-3, 0])
    assert np.isclose(found.returns[1], 0.02 - 0.5e-3)
    # The half that earned 4 % has drifted above a half, within the band.
    assert np.isclose(found.exposure[2], 0.5 * 1.04 / (1 + found.returns[1]))


def test_a_drift_beyond_the_band_is_traded():
    found = overlaid(np.array([0.2, 0.0]), np.array([0.5, 0.5]), cost_bps=0, band=0.02)
    assert np.isclose(found.traded[1], 0.5 - 0.6 / 1.1)
    assert found.exposure[1] == 0.5


def test_full_exposure_is_the_strategy_itself():
    returns = np.random.default_rng(0).normal(0, 0.01, 50)
    found = overlaid(returns, np.ones(50))
    assert np.allclose(found.returns, returns)
    assert not found.traded.any()


def test_what_is_not_invested_earns_cash_and_what_is_borrowed_pays_it():
    returns = np.full(2, 0.01)
    assert np.isclose(overlaid(returns, np.zeros(2), cash=0.0001).returns[0], 0.0001)
    assert np.isclose(overlaid(returns, np.full(2, 2.0), cash=0.0001).returns[0], 0.0199)


def test_whipsaws_are_sales_that_were_bought_back_dearer():
    returns = np.array([0.0, -0.1, -0.1, 0.3, 0.0, -0.2, -0.2, 0.1])
    traded = np.array([0, 0, -0.5, 0, 0.5, 0, -0.5, 0.5])
    # Sold at 0.9 and bought at 1.053; sold at 0.842 and bought at 0.674.
    assert whipsaws(returns, traded) == (2, 1)
    assert whipsaws(returns, np.zeros(8)) == (0, 0)
    # Three sales at 1, 0.9 and 0.81; half of the last comes back at 1.053, all of them later and lower.
    assert whipsaws(returns, np.array([0, -0.25, -0.25, -0.25, 0.125, 0.0, 0.0, 0.625])) == (3, 0)
    assert whipsaws(returns, np.array([0, -0.25, -0.25, 0, 0.5, -0.5, 0, 0])) == (2, 2)


@pytest.mark.parametrize(
    ("exposure", "more", "said"),
    [
        (np.ones(3), {}, r"exposure is \(3,\) for 2 returns"),
        (np.array([1.0, np.nan]), {}, "one finite exposure for each day"),
        (np.ones(2), {"cost_bps": -1}, "cost_bps -1"),
    ],
)
def test_bad_input_is_refused(exposure, more, said):
    with pytest.raises(InputError, match=said):
        overlaid(np.zeros(2), exposure, **more)
    with pytest.raises(InputError, match="traded is"):
        whipsaws(np.zeros(2), np.ones(3))
