import numpy as np
import pytest

from quantray.analytics.figures import to_html
from quantray.analytics.regime_figures import lens_strips, regime_colours, regimes_over_price
from quantray.data.synthetic import simulate_market
from quantray.errors import InputError
from quantray.regimes.indicators import five_lenses
from quantray.regimes.lens_settings import LensSettings
from quantray.regimes.path import RegimePath

DATES = np.arange("2024-01-01", "2024-01-07", dtype="datetime64[D]")
PRICE = np.array([100.0, 101, 99, 90, 95, 97])


def doubtful():
    low = np.array([np.nan, 0.9, 0.8, 0.2, 0.1, 0.7])
    return RegimePath.likeliest(DATES, ("low", "high"), np.column_stack([low, 1 - low]))


def test_every_spell_is_shaded_from_its_first_day_to_the_next_spell():
    figure = regimes_over_price(DATES, PRICE, doubtful()).figure
    low, high, price, *chances = figure.data
    assert [day and day[-2:] for day in low.x] == ["02", "02", "04", "04", None, "06", "06", "06", "06", None]
    assert high.x[:4] == ("2024-01-04", "2024-01-04", "2024-01-06", "2024-01-06")
    assert min(v for v in low.y if v is not None) < PRICE.min()
    assert list(price.y) == PRICE.tolist()
    assert [trace.name for trace in chances] == ["low", "high"]


def test_certain_paths_have_no_panel_of_probabilities():
    certain = RegimePath.certain(DATES, ("bull", "bear"), np.array([-1, 0, 0, 1, 1, 1]))
    picture = regimes_over_price(DATES, PRICE, certain)
    assert len(picture.figure.data) == 3
    assert "2 spells, the median one of 2 days" in picture.note


def test_colours_follow_the_meaning_of_names():
    one, other = regime_colours(("bear", "neutral", "bull")), regime_colours(("bull", "bear"))
    assert one["bull"] == other["bull"]
    assert len(set(one.values())) == 3


def test_the_five_lenses_stand_below_the_price():
    market = simulate_market(12, 300, seed=0)
    settings = LensSettings(warmup=40, memory=300, every=130)
    sectors = dict(zip(market.panel.assets.tolist(), market.truth.sectors.tolist(), strict=True))
    lenses = five_lenses(market.panel, sectors, settings=settings)
    picture = lens_strips(lenses.paths, lenses.market.indicators["index"])
    assert len(picture.figure.layout.annotations) == 5
    assert [picture.figure.layout[f"yaxis{i}"].ticktext[0] for i in range(2, 7)] == [
        "Market",
        "Volatility",
        "Liquidity",
        "Correlation",
        "Sector",
    ]
    assert "<div" in to_html(picture, "lenses")


def test_other_dates_and_bad_prices_are_refused():
    with pytest.raises(InputError, match="must be of the same days"):
        regimes_over_price(DATES[1:], PRICE[1:], doubtful())
    with pytest.raises(InputError, match="all of them positive"):
        regimes_over_price(DATES, PRICE - 95, doubtful())


def test_unknown_prices_are_left_out():
    holes = PRICE.copy()
    holes[[0, 3]] = np.nan
    _, _, price, *_ = regimes_over_price(DATES, holes, doubtful()).figure.data
    np.testing.assert_array_equal(np.isnan(np.asarray(price.y, dtype=float)), np.isnan(holes))


def test_prices_are_marked_at_round_numbers():
    figure = regimes_over_price(DATES, np.array([5.0, 6, 7, 8, 9, 7]), doubtful()).figure
    assert {5, 6, 7, 8, 9} <= set(figure.layout.yaxis.tickvals)
