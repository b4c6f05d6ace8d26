import numpy as np
import pytest

from quantray.errors import InputError
from quantray.regimes.indicators import market_lens, volatility_lens
from quantray.regimes.lens_settings import MARKET, VOLATILITY
from quantray.regimes.path import RegimePath
from quantray.regimes.week import week_classes

# A Monday, and the fortnight from it on.
DATES = np.datetime64("2020-06-01") + np.arange(14)


def paths(market, volatility):
    return RegimePath.certain(DATES, MARKET, np.array(market)), RegimePath.certain(
        DATES, VOLATILITY, np.array(volatility)
    )


def test_a_week_is_what_the_close_before_it_said():
    market, volatility = paths([2] * 6 + [0] * 8, [0] * 7 + [3] * 7)
    classes = week_classes(market, volatility)
    assert classes.named.tolist() == ["unknown"] * 7 + ["bear"] * 7
    market, volatility = paths([1] * 14, [2] * 14)
    assert week_classes(market, volatility).at("2020-06-10") == "wild"
    assert week_classes(market, volatility, wild=("extreme",)).at("2020-06-10") == "choppy"


def test_the_days_of_a_week_change_nothing_in_it(market):
    panel = market.panel
    whole = week_classes(market_lens(panel).path, volatility_lens(panel).path)
    assert set(whole.named[whole.known].tolist()) <= {"bear", "choppy", "bull", "wild"}
    cut = panel.until(panel.dates[600])
    part = week_classes(market_lens(cut).path, volatility_lens(cut).path)
    assert part.labels.tolist() == whole.labels[: len(part.labels)].tolist()
    weeks = (panel.dates.astype(np.int64) + 3) // 7
    for number in np.unique(weeks):
        assert len(set(whole.labels[weeks == number].tolist())) == 1


def test_other_paths_are_refused():
    market, volatility = paths([1] * 14, [0] * 14)
    with pytest.raises(InputError, match="the first of bear, neutral and bull"):
        week_classes(volatility, volatility)
    with pytest.raises(InputError, match="'mad' is no regime of volatility; they are low, medium"):
        week_classes(market, volatility, wild=("mad",))
