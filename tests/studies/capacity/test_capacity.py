import numpy as np
import pytest
from pydantic import ValidationError

from quantray.errors import DataError
from quantray.research.executor import Serial
from quantray.studies.capacity.findings import find_capacity
from quantray.studies.capacity.settings import CapacitySettings, Cell
from quantray.studies.capacity.study import load_capacity, run_capacity
from quantray.studies.portfolios.study import load_portfolios, run_portfolios


def settings(folder, **changed):
    terms = {
        "name": "capacity",
        "data": {"kind": "simulated", "n_assets": 20, "n_days": 400, "seed": 1},
        "allocators": ({"name": "HRP", "rule": "hrp"}, {"name": "EW", "rule": "equal_weight"}),
        "benchmark": "EW",
        "aums": (1e2, 1e9, 1e11),
        "rebalances": ("monthly", "quarterly"),
        "execution_days": (1, 3),
        "folds": {"lookback_days": 120, "test_days": 126},
        "resampling": {"samples": 100},
        "runs": str(folder),
    }
    return CapacitySettings(**(terms | changed))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    source = load_capacity(settings(tmp_path_factory.mktemp("capacity")))
    return source, run_capacity(source, Serial())


def test_the_same_again_computes_nothing(study):
    source, result = study
    again = run_capacity(source, Serial())
    assert (again.n_computed, again.digest) == (0, result.digest)


def test_a_cell_is_the_walk_forward_with_its_costs(study):
    source, result = study
    cell = Cell(1e9, "monthly", 3)
    portfolios = source.settings.study(cell)
    assert portfolios.accounting.execution_lag == 2
    assert (portfolios.costs.impact.aum, portfolios.costs.impact.days) == (1e9, 3.0)
    for record in run_portfolios(load_portfolios(portfolios), Serial()).records:
        np.testing.assert_array_equal(result.replayed[record.name, cell].net, record.returns)


def test_more_money_costs_more_and_longer_execution_less(study):
    source, result = study
    cost = {what: each.cost.sum() for what, each in result.replayed.items()}
    for name in ("HRP", "EW"):
        for rebalance in ("monthly", "quarterly"):
            for days in (1, 3):
                costs = [cost[name, Cell(aum, rebalance, days)] for aum in source.settings.aums]
                assert costs == sorted(costs)
            assert cost[name, Cell(1e9, rebalance, 3)] < cost[name, Cell(1e9, rebalance, 1)]


def test_a_small_purse_pays_little_beyond_the_spread(study):
    source, result = study
    cell = Cell(1e2, "monthly", 1)
    whole = source.settings.study(cell)
    plain = whole.model_copy(update={"costs": whole.costs.model_copy(update={"impact": None})})
    for record in run_portfolios(load_portfolios(plain), Serial()).records:
        spread = (record.cost_series[1:] / record.nav[:-1]).sum()
        assert 1.0 < result.replayed[record.name, cell].cost.sum() / spread < 1.1


def test_the_report_says_who_loses_most(study):
    source, result = study
    found = find_capacity(source, result)
    assert found.page.headline.startswith("From 100 to 100B,")
    assert set(found.metrics) == {f"{name} at {aum:.3g}" for name in ("HRP", "EW") for aum in source.settings.aums}
    assert found.tables["cells"].num_rows == 2 * len(source.settings.cells)
    one = found.metrics["EW at 1e+11"]
    assert one["sharpe_low"] < one["sharpe"] < one["sharpe_high"]
    assert one["sharpe"] < found.metrics["EW at 100"]["sharpe"]
    html = found.page.html([], {})
    assert "All ways to run them" in html


def test_data_without_volumes_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("quantray.studies.portfolios.study.FIELDS", ("close",))
    with pytest.raises(DataError, match="impact needs volumes"):
        load_capacity(settings(tmp_path))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"aums": (1e9, 1e8)}, "must be positive, ascending and different"),
        ({"aums": (0.0, 1e8)}, "must be positive"),
        ({"execution_days": (2,)}, "must be odd, such as 1, 3 and 5"),
        ({"rebalances": ("monthly", "monthly")}, "rebalances repeat"),
        ({"impact": {"aum": 1e9}}, "are what the study varies"),
        ({"folds": {"lookback_days": 120, "horizon": 5}}, "folds.horizon is of labels"),
        ({"benchmark": "HPR"}, "did you mean 'HRP'"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path, changed, said):
    with pytest.raises(ValidationError, match=said):
        settings(tmp_path, **changed)
