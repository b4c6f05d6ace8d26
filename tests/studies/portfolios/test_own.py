"""Rules and estimators of users' own in a study: found again, computed again when they change, reported by date."""

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from small_portfolios import kept, settings_in

from quantray.data.panel import Panel
from quantray.errors import DataError, InputError, SolverError
from quantray.features.returns import simple_returns
from quantray.research.executor import Serial
from quantray.research.market import SimulatedData
from quantray.settings import read_settings
from quantray.studies.portfolios.replays import decisions_of
from quantray.studies.portfolios.settings import AllocatorSettings, FoldSettings, PortfolioSettings
from quantray.studies.portfolios.study import decide_all, load_portfolios, run_portfolios
from quantray.studies.portfolios.trial import study_trials

EQUAL = AllocatorSettings(name="Equal", rule="equal_weight")


def study_of(folder, *allocators, **changes):
    return load_portfolios(
        settings_in(folder, **({"allocators": (*allocators, EQUAL), "benchmark": "Equal"} | changes))
    )


RULES = """
import numpy as np

def first(returns):
    return sharing(returns, 1.0)

def second(returns):
    return sharing(returns, 2.0)

def third(returns, power=0.5):
    weights = np.nanvar(returns, axis=0) ** -power
    return weights / weights.sum()

def sharing(returns, power):
    weights = np.nanstd(returns, axis=0) ** -power
    return weights / weights.sum()
"""


def test_a_change_computes_again_what_depends_on_it_alone(written, tmp_path):
    def run(text):
        name = written(text)
        own = [AllocatorSettings(name=rule, rule=f"{name}:{rule}") for rule in ("first", "second", "third")]
        source = study_of(tmp_path / "runs", *own)
        trials = study_trials(source.settings, source.panel)
        return run_portfolios(source, Serial()), len(trials["first"])

    whole, folds = run(RULES)
    assert whole.n_computed == 4 * folds
    again, _ = run(RULES)
    assert (again.n_computed, again.digest) == (0, whole.digest)
    edited, _ = run(RULES.replace("returns, 1.0", "returns, 3.0"))
    assert edited.n_computed == folds
    assert [a.digest() == b.digest() for a, b in zip(edited.records, whole.records, strict=True)] == [
        False, True, True, True,
    ]  # fmt: skip
    shared, _ = run(RULES.replace("nanstd(returns, axis=0)", "nanstd(returns[1:], axis=0)"))
    assert shared.n_computed == 2 * folds
    remarked, _ = run(RULES.replace("power=0.5):\n", "power=0.5):\n    # Half of a variance is a deviation.\n"))
    assert remarked.n_computed == 0


def test_a_worker_that_finds_other_code_is_refused(written, tmp_path):
    class Elsewhere(Serial):
        """A worker whose copy of the user's folder is older than the driver's."""

        def map(self, fn, items, *, shared):
            items = list(items)
            written(RULES.replace("returns, 1.0", "returns, 3.0"))
            return super().map(fn, items, shared=shared)

    source = study_of(tmp_path / "runs", AllocatorSettings(name="Mine", rule=f"{written(RULES)}:first"))
    with pytest.raises(DataError, match="a worker differs from the driver: code .* there and .* use one environment"):
        run_portfolios(source, Elsewhere())


def test_a_run_with_rules_of_ones_own_has_its_report_and_settings(tmp_path):
    own = AllocatorSettings(
        name="Mine", rule="own_rules:tilted", parameters={"power": 2.0}, estimator="sample", trial_seconds=20
    )
    source = study_of(tmp_path, own)
    result = run_portfolios(source, Serial())
    folder = kept(source, result)
    assert "Mine" in json.loads((folder / "metrics.json").read_text())
    assert read_settings(PortfolioSettings, folder / "settings.yaml") == source.settings
    known = AllocatorSettings(name="x", rule="hrp").model_dump()
    assert not {"parameters", "invested", "estimator_parameters", "trial_seconds"} & set(known)


COSTS = """
import numpy as np

def tiered(trades, day, bps=10.0):
    return np.maximum(np.abs(trades) * bps * 1e-4, 1.0)
"""


def test_costs_of_ones_own_are_paid_and_an_edit_computes_no_decision_again(written, tmp_path):
    def run(text):
        costs = {"model": f"{written(text)}:tiered", "parameters": {"bps": 20.0}}
        source = study_of(tmp_path, costs=costs)
        return source, run_portfolios(source, Serial())

    source, whole = run(COSTS)
    paid = whole.records[0]
    charged = paid.costs > 0  # what ends with a delisting pays nothing
    assert charged.sum() > 100
    assert_allclose(paid.costs[charged], np.maximum(np.abs(paid.trades[charged]) * 20e-4, 1.0))
    folder = kept(source, whole)
    assert read_settings(PortfolioSettings, folder / "settings.yaml") == source.settings
    assert ":tiered" in (folder / "report.html").read_text()
    _, dearer = run(COSTS.replace("1.0)", "50.0)"))
    assert dearer.n_computed == 0
    assert dearer.records[0].costs.sum() > paid.costs.sum()


def test_a_rule_that_raises_on_a_date_is_reported_with_it(written, tmp_path):
    rule = "def rule(returns):\n    n = returns.shape[1]\n    {}\n    return [1 / n] * n\n"
    name = written(rule.format("assert n < 15 or returns[-1, 0] * 1e6 % 7 < 3.5, 'an odd day'"))
    own = AllocatorSettings(name="Moody", rule=f"{name}:rule")
    source = study_of(tmp_path / "runs", EQUAL.model_copy(update={"name": "Other"}))
    trials = study_trials(source.settings.model_copy(update={"allocators": (own, EQUAL)}), source.panel)
    due = np.concatenate([trial.decision_dates(source.panel.dates) for trial in trials["Moody"]])
    source = replace(source, settings=source.settings.model_copy(update={"allocators": (own, EQUAL)}))
    told = rf"Moody on \d+-\d+-\d+: rule '{name}:rule' raised AssertionError: an odd"
    with pytest.raises(SolverError, match=told) as caught:
        run_portfolios(source, Serial())
    assert str(caught.value).split()[2].rstrip(":") in due.astype(str)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rule": "hpr"}, "'hpr' is unknown; did you mean 'hrp'"),
        ({"rule": "no rule:at all"}, "'no rule:at all' is no import path such as my_rules:rule"),
        ({"rule": "hrp", "estimator": "samples"}, "'samples' is unknown; did you mean 'sample'.*as module:name"),
        ({"rule": "hrp", "parameters": {"power": 1}}, "x: parameters needs a rule of your own, as module:name"),
        ({"rule": "hrp", "invested": 0.5}, "x: invested needs a rule of your own"),
        ({"rule": "hrp", "estimator_parameters": {"share": 1}}, "estimator_parameters needs an estimator of your own"),
        ({"rule": "hrp", "trial_seconds": 1}, "trial_seconds needs a rule or estimator of your own"),
        ({"rule": "a:b", "max_weight": 0.5}, "x: a:b takes no max_weight"),
        ({"rule": "max_sharpe", "estimator": "a:b"}, "need alpha"),
    ],
)
def test_settings_that_nobody_would_hear_are_refused(changes, told):
    with pytest.raises(ValueError, match=told):
        AllocatorSettings(name="x", **changes)


def test_what_is_not_there_is_refused_before_any_work(tmp_path):
    with pytest.raises(InputError, match="allocator 'no_such_rules:rule' cannot be imported"):
        study_of(tmp_path, AllocatorSettings(name="x", rule="no_such_rules:rule"))
    assert not (tmp_path / "results").exists()


@pytest.fixture
def blue_chips(real_data):
    """Eighteen months of nine members of the S&P 500."""
    names = ["AAPL", "IBM", "JNJ", "JPM", "KO", "MSFT", "PG", "WMT", "XOM"]
    filters = [("symbol", "in", names), ("date", ">=", date(2015, 1, 1)), ("date", "<=", date(2016, 6, 30))]
    columns = ["date", "symbol", "adj_close"]
    bars = pd.read_parquet(real_data / "sp500_1999_2021.parquet", columns=columns, filters=filters)
    close = bars.pivot(index="date", columns="symbol", values="adj_close").astype(float)
    dates, assets = close.index.to_numpy().astype("datetime64[D]"), close.columns.to_numpy().astype(str)
    return Panel(dates, assets, {"close": close.to_numpy()}, close.notna().to_numpy())


@pytest.mark.real
# What GraphicalLassoCV says about itself.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore::RuntimeWarning")
def test_what_others_publish_runs_on_the_sp500(blue_chips, tmp_path):
    """skfolio's weights are those that it gives by hand on the same windows."""
    from skfolio.optimization import HierarchicalRiskParity, MeanRisk, NestedClustersOptimization
    from sklearn.covariance import GraphicalLassoCV

    from quantray.portfolio.hrp import hrp_weights
    from quantray.portfolio.own import own_weights

    allocators = (
        AllocatorSettings(name="Mean risk", rule="skfolio.optimization:MeanRisk", parameters={"l2_coef": 0.01}),
        AllocatorSettings(name="HRP", rule="skfolio.optimization:HierarchicalRiskParity"),
        AllocatorSettings(name="Frontier", rule="own_rules:efficient"),
        AllocatorSettings(
            name="Graph",
            rule="hrp",
            estimator="sklearn.covariance:GraphicalLassoCV",
            estimator_parameters={"alphas": 3},
        ),
    )
    folds, data = FoldSettings(lookback_days=252, test_days=42), SimulatedData(n_assets=9, n_days=400, seed=2)
    source = study_of(tmp_path, *allocators, folds=folds, data=data)
    source = replace(source, data=replace(source.data, panel=blue_chips))
    trials, keys, _ = decide_all(source, Serial())
    assert len(trials["HRP"]) == 3
    returns = simple_returns(blue_chips.field("close"))
    made = {name: decisions_of(source.settings, source.panel, name, keys[name])[0] for name in keys}
    for row, day in enumerate(made["HRP"].dates):
        end = blue_chips.row(day) + 1
        past = returns[end - 252 : end]
        assert_array_equal(made["Mean risk"].weights[row], MeanRisk(l2_coef=0.01).fit(past).weights_)
        assert_array_equal(made["HRP"].weights[row], HierarchicalRiskParity().fit(past).weights_)
        matrix = GraphicalLassoCV(alphas=3).fit(past).covariance_
        assert_allclose(made["Graph"].weights[row], hrp_weights((matrix + matrix.T) / 2), rtol=1e-12)
    # Least variance, which the solver of PyPortfolioOpt reaches within its tolerance.
    end = blue_chips.row(made["HRP"].dates[0]) + 1
    sample, weights = np.cov(returns[end - 252 : end], rowvar=False), [each.weights[0] for each in made.values()]
    risk = [w @ sample @ w for w in weights]
    assert risk[2] <= min(risk) * (1 + 1e-6)
    # A second a decision, so one is enough.
    nested = own_weights("skfolio.optimization:NestedClustersOptimization", past, {}, covariance=lambda: sample)
    assert_array_equal(nested, NestedClustersOptimization().fit(past).weights_)
    assert run_portfolios(source, Serial()).n_computed == 0
