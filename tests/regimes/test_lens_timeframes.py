from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from quantray.data.synthetic import simulate_intraday, simulate_market
from quantray.errors import InputError
from quantray.regimes.lens_settings import LensSettings
from quantray.regimes.lens_timeframes import timeframe_lenses
from quantray.regimes.timeframes import timeframe_bars

SETTINGS = {
    "5min": LensSettings(warmup=400, every=800, memory=1600),
    "1hour": LensSettings(warmup=60, every=60, memory=400),
    "1day": LensSettings(warmup=150, every=150),
    "1week": LensSettings(warmup=30, every=30, memory=100),
}


@pytest.fixture(scope="module")
def market():
    return simulate_market(12, 400, seed=3)


@pytest.fixture(scope="module")
def intraday(market):
    return simulate_intraday(market, days=20, seed=1)


@pytest.fixture(scope="module")
def found(market, intraday):
    return timeframe_lenses(timeframe_bars(intraday, market.panel), settings=SETTINGS)


def test_every_lens_knows_something_on_every_timeframe(found):
    assert list(found.lenses) == list(SETTINGS)
    for lenses in found.lenses.values():
        for lens in ("market", "volatility", "liquidity", "correlation"):
            assert getattr(lenses, lens).path.known.any()
        assert not lenses.sector.path.known.any()
    finest = found.lenses["5min"].market.path.dates
    assert all(len(path.dates) == len(finest) for path in found.aligned("market").values())
    assert_array_equal(np.diagonal(found.agreement("volatility")), 1)


def test_no_timeframe_looks_ahead(market, intraday, found):
    until = market.panel.dates[-6]
    kept = intraday.times[:, 0].astype("datetime64[D]") <= until
    values = {name: getattr(intraday, name)[kept] for name in ("times", "open", "high", "low", "close", "volume")}
    early = timeframe_lenses(timeframe_bars(replace(intraday, **values), market.panel.until(until)), settings=SETTINGS)
    for timeframe, lenses in early.lenses.items():
        whole = found.lenses[timeframe]
        for lens in ("market", "volatility", "liquidity", "correlation"):
            part, path = getattr(lenses, lens).path, getattr(whole, lens).path
            rows = slice(0, len(part.dates))
            assert_array_equal(part.labels, path.labels[rows], err_msg=f"{timeframe} {lens}")
            assert_array_equal(part.probabilities, path.probabilities[rows], err_msg=f"{timeframe} {lens}")


def test_bad_input_is_refused(market):
    bars = timeframe_bars(None, market.panel)
    with pytest.raises(InputError, match=r"timeframes \['2min'\]"):
        timeframe_lenses({"2min": bars["1day"]})
    with pytest.raises(InputError, match="no settings for 1day, 1week"):
        timeframe_lenses(bars, settings={})
    with pytest.raises(InputError, match="need 1day beside them"):
        timeframe_lenses({"1hour": bars["1day"]})
