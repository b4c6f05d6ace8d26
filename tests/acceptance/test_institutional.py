"""The workflow tests of the requirements on institutional assets, in this API: ten years of four planted regimes.

A Sharpe ratio above 1.5, a drawdown below 15 % and costs below 10 basis points are properties of a market: this one has
no signal but the drifts of its regimes. Here stands what software can promise; what the planted market and real prices
gave is in docs/findings.md.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.data.synthetic import REGIMES, simulate_market
from quantray.research.executor import Serial
from quantray.studies.institutional.findings import find_institutional
from quantray.studies.institutional.record import ALL, PHASES, VARIANTS
from quantray.studies.institutional.schedule import last_schedules
from quantray.studies.institutional.settings import InstitutionalSettings
from quantray.studies.institutional.study import load_institutional, run_institutional

RULES = ("momentum_5_20", "breakout_20", "bollinger_20", "rsi_14", "tail_hedge")
YEARS = 10
BILLION = 1e9

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def institution(tmp_path_factory):
    settings = InstitutionalSettings(
        name="institution",
        data={"kind": "simulated", "n_assets": 12, "n_days": YEARS * 252, "seed": 7},
        strategies=RULES,
        parts=4,
        aums=(BILLION, 5 * BILLION),
        regimes={"methods": ("hmm", "clustering"), "timeframes": ("1day",), "refit_days": 2016},
        parameters={"methods": ("random",), "trials": 1},
        weights={"methods": ("risk_parity", "inverse_volatility")},
        risk={"volatilities": (0.08,)},
        execution={"rebalances": ("monthly",), "participations": (0.1,)},
        folds={"train_days": 1512, "test_days": 756},
        resampling={"samples": 200},
        cluster={"kind": "serial"},
        runs=str(tmp_path_factory.mktemp("institution")),
    )
    source = load_institutional(settings)
    return source, run_institutional(source, Serial())


def test_the_market_has_four_regimes():
    truth = simulate_market(12, YEARS * 252, seed=7).truth
    assert REGIMES == ("bull", "bear", "calm", "volatile")
    assert set(truth.regimes.tolist()) == {0, 1, 2, 3}


def test_all_dimensions_are_optimised_one_on_the_other(institution):
    """The results of the five phases are all there, twenty strategies among them, and each was tried in every fold."""
    _, record = institution
    assert tuple(record.phase_seconds) == PHASES
    assert len(record.strategies) == 20
    assert {choice.strategy for choice in record.parameters} == set(record.strategies)
    for phase in ("regimes", "weights", "risk"):
        assert [c.fold for c in record.choices if c.phase == phase] == list(range(len(record.folds)))
    assert {c.aum for c in record.choices if c.phase == "execution"} == {BILLION, 5 * BILLION}


def test_capital_and_searches_close(institution):
    _, record = institution
    assert (record.shares.sum(axis=1) <= 1 + 1e-9).all()
    for choice in record.parameters:
        assert len(choice.runs) == 2
        assert choice.score == max(run.score for run in choice.runs)
        assert 0 < choice.agreement <= 1


def test_sums_close(institution):
    """What is left is what shares and options earned less what was paid: costs are in the returns once."""
    _, record = institution
    for aum in record.aums:
        dear, cheap = (record.replays[name, aum] for name in ("Without execution", ALL.name))
        for replay in (dear, cheap):
            assert (replay.cost >= 0).all()
            assert_allclose(replay.options[replay.exposure == 0], 0)
    # The same trades at more money: returns differ by their costs, to the first order.
    small, large = (record.replays["Without execution", aum] for aum in record.aums)
    first = int(np.flatnonzero(small.turnover > 0)[0])
    assert_allclose(small.net[first] - large.net[first], large.cost[first] - small.cost[first], rtol=0.02)


def test_constraints_are_kept_and_costs_grow_with_the_assets(institution):
    source, record = institution
    bounds = source.settings.objectives.constraints
    for aum in record.aums:
        assert record.replays[ALL.name, aum].gross.max() < bounds.gross * 1.1
    small, large = (record.replays["Without execution", aum] for aum in record.aums)
    assert small.cost_bps < large.cost_bps


def test_the_execution_schedule(institution):
    """The newest change of the book as child orders, whose expected cost grows with the assets."""
    small, large = last_schedules(*institution)
    assert (small.aum, large.aum) == (BILLION, 5 * BILLION)
    for each in (small, large):
        assert each.orders.children.num_rows >= each.orders.parents.num_rows > 0
        assert each.cost_bps > 0
    assert small.cost_bps < large.cost_bps


def test_institutional_workflow(institution):
    """What the requirement asks of the numbers is measured and said, with intervals, whatever it is."""
    source, record = institution
    found = find_institutional(source, record)
    for aum in ("1B", "5B"):
        whole = found.metrics[f"{ALL.name} at {aum}"]
        assert whole["sharpe_low"] <= whole["sharpe"] <= whole["sharpe_high"]
        assert 0 <= whole["max_drawdown"] < 1
        assert whole["cost_bps"] > 0
    table = next(section for section in found.page.sections if section.title == "With and without each phase")
    assert [row[0] for row in table.parts[0].groups[1].rows] == [variant.name for variant in VARIANTS]
