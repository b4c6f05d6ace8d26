import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.analytics.figures import to_html
from quantray.errors import InputError
from quantray.risk.forecasting.backtest_figures import forecast_bands, years_map
from quantray.risk.forecasting.coverage import coverage_by_year
from quantray.risk.forecasting.var_forecasts import ByModel, forecast

OUTCOMES = np.random.default_rng(0).standard_normal(800) / 100
DATES = np.datetime64("2019-01-01") + np.arange(800)
MADE = {
    name: forecast(np.zeros((800, 100)), OUTCOMES, ByModel(np.full(800, volatility)))
    for name, volatility in (("right", 0.01), ("half", 0.005))
}


def test_hits_lie_beyond_the_bands():
    picture = forecast_bands(DATES, OUTCOMES, MADE["right"])
    bars, low, low_hits, high, high_hits = picture.figure.data
    assert_allclose(bars.y, OUTCOMES, atol=1e-5)
    assert max(low_hits.y) <= max(low.y)
    assert len(low_hits.x) > len(high_hits.x) > 0
    assert_allclose(np.array(high.y) / np.array(low.y), 2.326 / 1.645, rtol=1e-3)
    assert f"{len(low_hits.x)} at 0.95 (40 expected), {len(high_hits.x)} at 0.99 (8 expected)" in picture.note
    assert "forecast at 0.99" in to_html(picture, "bands")


def test_years_of_too_many_hits_are_marked():
    by_year = {
        name: {year: each[0] for year, each in coverage_by_year(made, OUTCOMES, DATES, n_draws=100).items()}
        for name, made in MADE.items()
    }
    shown = years_map(by_year).figure.data[0]
    assert list(shown.x) == ["2019", "2020", "2021"]
    assert list(shown.y) == ["right", "half"]
    assert shown.z[1][0] == round(by_year["half"][2019].n_hits / (365 * 0.05), 2)
    assert all("*" in text for text in shown.text[1])
    del by_year["half"][2020]
    assert np.isnan(years_map(by_year).figure.data[0].z[1][1])


def test_what_makes_no_picture_is_refused():
    with pytest.raises(InputError, match="3 dates, 800 outcomes and forecasts of 800 days at 2 levels make no picture"):
        forecast_bands(DATES[:3], OUTCOMES, MADE["right"])
    with pytest.raises(InputError, match="no method has a year"):
        years_map({})
