"""Levels that move in a study: trust in what was forecast of decisions, and what was known of the market."""

import numpy as np
import pytest

from quantray.regimes.indicators import market_lens, volatility_lens
from quantray.regimes.week import week_classes
from quantray.risk.limiting.trust import trust
from quantray.risk.limits import Limit, Moves
from quantray.studies.portfolios.risk.levels import MovingLevels

ROWS = range(260, 700, 20)


def limit(**moves):
    return Limit(
        name="loss",
        metric="var",
        scope="book",
        soft=0.02,
        hard=0.02,
        moves=Moves(floor=0.005, **moves) if moves else None,
    )


def levels(panel, declared, *, variance=1e-4, rows=ROWS):
    """The hard level at each decision of equal weights."""
    moving, weights = MovingLevels((declared,), panel), np.full(len(panel.assets), 1 / len(panel.assets))
    found = []
    for row in rows:
        found.append(moving.at(row)[0].hard)
        moving.decided(row, weights, variance)
    return np.array(found), moving


def test_without_moves_nothing_is_looked_at(market):
    found, moving = levels(market.panel, limit())
    assert set(found.tolist()) == {0.02}
    assert moving.changes == []


def test_regimes_of_the_day_and_classes_of_the_week_move_levels(market):
    panel = market.panel
    volatility, classes = {"low": 0.8, "medium": 0.6, "high": 0.5}, {"bull": 0.9, "choppy": 0.7}
    found, _ = levels(panel, limit(volatility=volatility, week=classes))
    regimes = volatility_lens(panel).path
    weeks = week_classes(market_lens(panel).path, regimes)
    for row, level in zip(ROWS, found.tolist(), strict=True):
        day = panel.dates[row]
        assert level == pytest.approx(0.02 * volatility.get(regimes.at(day), 1.0) * classes.get(weeks.at(day), 1.0))
    assert len(set(found.tolist())) > 1


def test_forecasts_that_are_too_low_lose_trust_and_high_ones_keep_it(market):
    panel = market.panel
    low, moving = levels(panel, limit(trust=True), variance=1e-6)
    assert low[0] == 0.02
    assert low[2:].max() < 0.01
    assert "exceeded their forecast" in moving.changes[0].why
    high, _ = levels(panel, limit(trust=True), variance=1.0)
    assert set(high.tolist()) == {0.02}


def test_trust_counts_the_days_since_each_decision(market):
    panel, variance = market.panel, 4e-5
    found, _ = levels(panel, limit(trust=True), variance=variance)
    close = panel.field("close")
    returns = np.nan_to_num(close[1:] / close[:-1] - 1).mean(axis=1)
    for row, level in zip(ROWS, found.tolist(), strict=True):
        hits = -returns[ROWS[0] : row] > 1.6448536 * np.sqrt(variance)
        assert level == pytest.approx(0.005 + 0.015 * trust(hits).score)


def test_the_future_moves_no_level_before_it(market):
    declared = limit(trust=True, volatility={"low": 0.8, "medium": 0.6}, week={"bull": 0.9})
    whole, _ = levels(market.panel, declared, variance=4e-5)
    cut = market.panel.until(market.panel.dates[500])
    part, _ = levels(cut, declared, variance=4e-5, rows=[row for row in ROWS if row <= 500])
    assert part.tolist() == whole[: len(part)].tolist()
