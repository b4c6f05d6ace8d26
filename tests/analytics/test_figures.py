"""What the pictures show of a record."""

from dataclasses import replace

import numpy as np
import pytest

from quantray.analytics.figures import growth, log_ticks, rolling, to_html, trading
from quantray.backtest.accounts import Decisions, backtest
from quantray.backtest.costs import LinearCosts
from quantray.data.synthetic import simulate_market


@pytest.fixture(scope="module")
def panel():
    return simulate_market(6, 200, seed=1, listing_share=0, delisting_share=0).panel


def record_of(panel, costs):
    weights = np.array([[0.5, 0.5, 0, 0, 0, 0], [0, 0, 0.5, 0.5, 0, 0], [0, 0, 0, 0, 0.5, 0.5]])
    return backtest(panel, Decisions(panel.dates[[20, 60, 100]], panel.assets, weights), costs=costs)


@pytest.mark.parametrize("bps", [0.0, 5.0])
def test_every_rebalance_shows_its_turnover_whether_it_costs_or_not(panel, bps):
    points = trading((record_of(panel, LinearCosts(bps)),)).figure.data[0]
    assert points.x.tolist() == [str(panel.dates[row]) for row in (21, 61, 101)]
    np.testing.assert_allclose(points.y, [0.5, 1.0, 1.0], atol=1e-3)


def test_the_note_names_the_window_of_a_short_record(panel):
    picture = rolling((record_of(panel, LinearCosts()),))
    assert picture.note.startswith("Trailing 60 trading days")
    assert np.isnan(picture.figure.data[0].y).sum() == 60


@pytest.mark.parametrize(("low", "high"), [(0.97, 1.08), (0.9, 1.4), (0.5, 2.0), (0.2, 30.0), (1e-3, 5.0), (9.7, 10.9)])
def test_a_log_axis_has_enough_ticks_and_not_too_many(low, high):
    ticks = log_ticks(low, high)
    assert 3 <= sum(low <= tick <= high for tick in ticks) <= 14
    assert ticks == sorted(set(ticks))


@pytest.mark.parametrize("picture", [growth, rolling])
def test_each_portfolio_stands_once_in_the_legend(panel, picture):
    records = [record_of(panel, LinearCosts(bps)) for bps in (0.0, 5.0)]
    records[1] = replace(records[1], name="Costly")
    shown = [trace.name for trace in drawn(picture, records).data if trace.showlegend]
    assert shown == [record.name for record in records]


def drawn(picture, records):
    """The figure; growth also asks for a benchmark."""
    return (picture(tuple(records), records[0].name) if picture is growth else picture(tuple(records))).figure


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (4, 9, [4, 5, 6, 7, 8, 9]),
        (1, 2, [1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2]),
        (20, 45, [20, 25, 30, 40]),
        (1, 6, [1, 1.5, 2, 3, 5]),
        (0.9, 30, [1, 2, 5, 10, 20]),
    ],
)
def test_ticks_are_round_and_the_finer_the_narrower_the_range(low, high, ticks):
    np.testing.assert_allclose(log_ticks(low, high), ticks)


def test_a_fragment_is_no_page_and_brings_no_script_of_its_own(panel):
    html = to_html(drawn_as(rolling, panel), "rolling")
    assert html.lstrip().startswith("<div")
    assert "<html" not in html
    assert len(html) < 100_000


def drawn_as(picture, panel):
    return picture((record_of(panel, LinearCosts()),))
