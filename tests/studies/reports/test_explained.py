"""Runs explained from their folders."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.errors import DataError, InputError
from quantray.research.executor import Serial
from quantray.research.folder import Run, read_run
from quantray.research.market import SimulatedData
from quantray.research.run import carry_out
from quantray.research.terms import ClusterSettings
from quantray.studies.combination.kind import COMBINATION
from quantray.studies.combination.settings import CombinationSettings, StrategyChoice
from quantray.studies.reports.explained import explain_run


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    settings = CombinationSettings(
        name="mixed",
        data=SimulatedData(n_assets=40, n_days=600, seed=2),
        strategies=(StrategyChoice(entry="momentum_5_20", count=2), StrategyChoice(entry="rsi_14", count=2)),
        lookback_days=80,
        min_days=40,
        warm_up_days=60,
        max_correlation=1.0,
        ensemble=False,
        cluster=ClusterSettings(kind="serial"),
        runs=str(tmp_path_factory.mktemp("runs")),
    )
    return read_run(carry_out(COMBINATION, COMBINATION.load(settings), Serial()))


def test_strategies_that_share_capital_sum_to_the_mix(mixed):
    """Capital drifts between rebalances; what moving it cost, and what netting saved of that, are rows."""
    found = explain_run(mixed, portfolio=None, period="inception", attribution=True)
    strategies = found.whole.strategies
    assert strategies is not None
    assert_allclose(sum(strategies.contribution.values()), found.whole.total, atol=1e-10)
    assert strategies.contribution["netting"] >= 0
    assert strategies.contribution["moving capital"] < 0
    assert found.benchmark == "Equal shares"
    assert len(strategies.average_weight) == 4


def test_the_data_of_a_combination_tell_factors_and_regimes(mixed):
    """Dimensions that need the data come with --attribution only; costs are split without it; all close."""
    plain, full = (
        explain_run(mixed, portfolio=None, period="inception", attribution=wanted).whole for wanted in (False, True)
    )
    added = {"Factors by regression", "By regime"}
    assert set(full.dimensions) - set(plain.dimensions) == added
    assert {"Strategies", "Execution", "By week type, in hindsight"} <= set(plain.dimensions)
    assert full.largest_gap < 1e-10, full
    rows = full.dimensions["Execution"].by_row()
    assert rows["strategies' trades"] < 0
    assert rows["moving capital"] < 0
    assert full.regressed is not None
    assert full.dimensions["Factors by regression"].by_row()["residual"] != 0


def test_a_period_is_part_of_the_whole(mixed):
    found = explain_run(mixed, portfolio="Equal shares", period="quarter", attribution=False)
    assert found.recent.dates[0] > found.whole.dates[0]
    assert_allclose(found.recent.total, np.prod(1 + found.whole.returns[-len(found.recent.dates) :]) - 1)


def test_other_kinds_and_runs_that_have_not_finished(mixed, tmp_path):
    other = Run(folder=mixed.folder, settings=mixed.settings | {"kind": "sweep"}, about=mixed.about)
    with pytest.raises(InputError, match="is of kind sweep; reports for readers are of portfolios and combinations"):
        explain_run(other, portfolio=None, period="year", attribution=False)
    unfinished = Run(folder=tmp_path, settings=mixed.settings, about=None)
    with pytest.raises(DataError):
        explain_run(unfinished, portfolio=None, period="year", attribution=False)
