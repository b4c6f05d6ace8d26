import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from quantray.analytics.outlook import LEVELS, OutlookSettings, outlook, outlooks_at
from quantray.errors import InputError

RETURNS = np.random.default_rng(0).normal(0.0004, 0.01, 1500)
METHODS = ("filtered", "bootstrap", "gaussian")


def settings(**changes):
    return OutlookSettings(**{"horizons": (1, 21), "n_paths": 4000} | changes)


@pytest.mark.parametrize("method", METHODS)
def test_independent_normal_days(method):
    """Where days are independent and normal, all three say the same: the normal distribution."""
    day, month = outlook(RETURNS, settings(method=method)).horizons
    mean, deviation = RETURNS.mean(), RETURNS.std()
    assert_allclose(day.quantiles["return"][0], stats.norm.ppf(LEVELS, mean, deviation), atol=0.0025)
    spread = np.diff(np.log1p(month.quantiles["return"][0][[0, -1]]))
    assert_allclose(spread, 2 * 1.96 * deviation * np.sqrt(21), rtol=0.12)
    assert_allclose(month.quantiles["volatility"][0][3], deviation * np.sqrt(252), rtol=0.08)
    assert (np.diff(month.quantiles["drawdown"][0]) > 0).all()
    assert_allclose(month.chance_of_gain, 0.57, atol=0.05)


def test_one_normal_day_has_exact_quantiles():
    (day,) = outlook(RETURNS, settings(method="gaussian", horizons=(1,))).horizons
    expected = stats.norm.ppf(LEVELS, RETURNS.mean(), RETURNS.std(ddof=1))
    assert_allclose(day.quantiles["return"][0], expected, atol=2e-4)


@pytest.mark.parametrize("method", METHODS)
def test_bands_grow_with_what_is_not_known_of_the_mean(method):
    """After 504 independent days, a year is predicted with sqrt(1 + 252 / 504) times its own deviation."""
    known = RETURNS[:504]
    (year,) = outlook(known, settings(method=method, horizons=(252,))).horizons
    expected = 2 * 1.96 * known.std() * np.sqrt(252 * 1.5)
    assert_allclose(np.diff(np.log1p(year.quantiles["return"][0][[0, -1]])), expected, rtol=0.15)


@pytest.mark.parametrize("method", METHODS)
def test_a_forecast_does_not_change_with_what_follows(method):
    ends, terms = np.array([400, 700, 900]), settings(method=method, n_paths=200)
    for whole, early in zip(
        outlooks_at(RETURNS, ends, terms), outlooks_at(RETURNS[:700], ends[:2], terms), strict=True
    ):
        for quantity, values in early.quantiles.items():
            assert_allclose(whole.quantiles[quantity][:2], values, rtol=1e-12)


def test_filtered_days_are_wider_after_a_storm_and_calm_down():
    storm = np.concatenate([RETURNS, np.random.default_rng(1).normal(0, 0.04, 30)])
    calm, wild = (outlook(r, settings(horizons=(1, 252))).horizons for r in (RETURNS, storm))
    widths = [np.ptp(h.quantiles["return"][0]) for h in (calm[0], wild[0])]
    assert widths[1] > 2.5 * widths[0]
    volatility = wild[1].quantiles["volatility"][0][3]
    assert 0.16 < volatility < 0.5


@pytest.mark.parametrize(
    ("returns", "change", "said"),
    [
        (RETURNS, {"method": "oracle"}, "method 'oracle' is unknown; choose one of filtered"),
        (RETURNS, {"horizons": ()}, "horizons and block must be 1 day or more"),
        (RETURNS, {"least": 10}, "least 10 must be 20 days or more"),
        (RETURNS[:100], {}, "100 returns are too few for a forecast from 252 days"),
        (np.append(RETURNS, -1.0), {}, "a return of -100 % has no outlook"),
        (np.append(RETURNS, np.nan), {}, "1 missing values"),
    ],
)
def test_bad_input(returns, change, said):
    with pytest.raises(InputError, match=said):
        outlook(returns, settings(**change))
