import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.studies.institutional.record import ALL, NOTHING, VARIANTS


def test_more_money_costs_more_for_the_same_trades(study):
    """Without the phase the same book is traded at every size."""
    _, record = study
    for name in ("Without execution", NOTHING.name):
        small, large = (record.replays[name, aum] for aum in record.aums)
        assert small.cost.sum() < large.cost.sum()
        assert_allclose(small.options, large.options)


def test_a_fund_too_large_for_the_market_trades_less(study):
    _, record = study
    small, large = (record.replays[ALL.name, aum] for aum in record.aums)
    assert large.turnover.sum() < small.turnover.sum()


def test_all_variants_are_of_the_same_days(study):
    _, record = study
    for variant in VARIANTS:
        for aum in record.aums:
            np.testing.assert_array_equal(record.replays[variant.name, aum].dates, record.dates)


def test_every_way_is_tried_at_every_size(study):
    _, record = study
    tried = [each for each in record.choices if each.phase == "execution"]
    assert [(each.fold, each.aum) for each in tried] == [(f, a) for a in record.aums for f in range(len(record.folds))]
    for each in tried:
        assert [c.name for c in each.choice.candidates] == ["weekly, 10.0% a day", "monthly, 10.0% a day"]


def test_cost_in_basis_points_of_what_is_traded(study):
    _, record = study
    replay = record.replays[ALL.name, record.aums[0]]
    assert replay.cost_bps == pytest.approx(1e4 * replay.cost.sum() / (2 * replay.turnover.sum()))
    # More than half of the spread and the commission, by what trades move prices.
    assert replay.cost_bps > 0.5
