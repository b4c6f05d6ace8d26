from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.backtest.accounts import Accounting
from quantray.backtest.costs import ImpactCosts, LinearCosts
from quantray.covariance.factor import FactorModel
from quantray.data.panel import Panel
from quantray.execution.impact import ADV, DAILY_VOLATILITY, ImpactLaw
from quantray.portfolio.solve import InfeasibleError
from quantray.research.executor import Serial
from quantray.research.market import SimulatedData
from quantray.research.terms import TradingCostSettings
from quantray.studies.forecasts.store import Forecasts
from quantray.studies.portfolios.alpha import alpha_decisions
from quantray.studies.portfolios.alpha_plan import fading_returns
from quantray.studies.portfolios.alpha_settings import AlphaSettings, ForecastChoice, PlanSettings
from quantray.studies.portfolios.settings import AllocatorSettings, FoldSettings, PortfolioSettings
from quantray.studies.portfolios.study import load_portfolios, run_portfolios
from quantray.studies.portfolios.trial import DayModel

FORECASTS = ForecastChoice(store="forecasts", model="m")
N = 12
SPREAD = LinearCosts(2.0)


def allocator(rule="multi_period", plan=None, max_weight=0.3, **alpha):
    if rule == "multi_period":
        alpha["plan"] = PlanSettings(**(plan or {}))
    given = AlphaSettings(**({"forecasts": FORECASTS, "ic": 0.1, "horizon_days": 5} | alpha))
    return AllocatorSettings(name="MP", rule=rule, estimator="statistical", max_weight=max_weight, alpha=given)


def at(aum):
    """Costs with impact at a size."""
    return ImpactCosts(ImpactLaw(), SPREAD, aum=aum)


@pytest.fixture(scope="module")
def market():
    """A panel of constant prices, models for some of its days, and scores."""
    generator = np.random.default_rng(2)
    dates = np.datetime64("2024-01-02") + np.arange(12)
    assets = np.array([f"A{i:02d}" for i in range(N)])
    shape = len(dates), N
    volume = np.tile(generator.uniform(1e6, 1e8, N), (len(dates), 1))
    fields = {"close": np.ones(shape), ADV: volume, DAILY_VOLATILITY: np.full(shape, 0.02)}
    panel = Panel(dates, assets, fields, np.ones(shape, dtype=np.bool_))
    loadings = generator.normal(0.01, 0.003, (N, 2))
    model = FactorModel(loadings, np.eye(2), generator.uniform(1e-4, 4e-4, N))
    return (
        panel,
        [DayModel(day, assets, model) for day in dates[2::3]],
        Forecasts("m", dates, assets, generator.normal(size=shape)),
    )


def decide(market, settings, costs=SPREAD):
    panel, models, forecasts = market
    made = alpha_decisions(panel, models, forecasts, settings, costs=costs, accounting=Accounting(lag=1))
    return made.decisions.weights


def test_what_a_score_says_of_its_horizon_is_gathered_whatever_the_decay():
    horizon = np.array([0.01, -0.02])
    for half_life in (1.0, 5.0, 1e6):
        days = fading_returns(
            horizon, horizon_days=5, plan=PlanSettings(periods=5, step_days=1, half_life_days=half_life)
        )
        assert_allclose(days.sum(axis=0), horizon)
    assert_allclose(days, np.tile(horizon / 5, (5, 1)), rtol=1e-4)
    weeks = fading_returns(horizon, horizon_days=5, plan=PlanSettings(periods=3, step_days=5, half_life_days=5))
    assert_allclose(weeks, horizon * np.array([[1.0], [0.5], [0.25]]))


def test_one_period_decides_as_mean_variance(market):
    plan = {"periods": 1, "step_days": 5}
    for costs in (SPREAD, at(1e9)):
        ours, theirs = (
            decide(market, settings, costs) for settings in (allocator(plan=plan), allocator("mean_variance"))
        )
        assert_allclose(ours, theirs, atol=2e-5)


@pytest.mark.parametrize(
    "change",
    [{"periods": 2}, {"step_days": 1}, {"half_life_days": 1.0}],
    ids=lambda change: next(iter(change)),
)
def test_every_setting_of_a_plan_changes_decisions(market, change):
    base = {"periods": 4, "step_days": 3, "half_life_days": 6.0}
    first, other = (decide(market, allocator(plan=plan), at(1e9)) for plan in (base, base | change))
    assert np.abs(first - other).max() > 1e-4


def test_what_moves_prices_is_traded_less(market):
    def traded(aum):
        weights = decide(market, allocator(plan={"periods": 8, "step_days": 3}), at(aum))
        return np.abs(np.diff(weights, axis=0)).sum()

    assert traded(1e7) > traded(1e9) > traded(1e11)


def test_no_decision_looks_ahead(market):
    panel, models, forecasts = market
    whole = decide(market, allocator())
    cut = replace(forecasts, dates=forecasts.dates[:6], values=forecasts.values[:6])
    part = decide((panel.until(5), models[:2], cut), allocator())
    assert_array_equal(part, whole[:2])


def test_what_cannot_be_planned_names_allocator_and_date(market, monkeypatch):
    def fail(*args, **kwargs):
        raise InfeasibleError("too tight")

    monkeypatch.setattr("quantray.studies.portfolios.alpha_plan.multi_period", fail)
    with pytest.raises(InfeasibleError, match="MP on 2024-01-04: too tight"):
        decide(market, allocator())


def test_a_study_plans(tmp_path):
    reversal = ForecastChoice(control="reversal")
    settings = PortfolioSettings(
        name="plans",
        data=SimulatedData(n_assets=20, n_days=320, seed=2),
        allocators=(
            allocator(forecasts=reversal),
            AllocatorSettings(name="Equal weight", rule="equal_weight"),
        ),
        benchmark="Equal weight",
        folds=FoldSettings(lookback_days=200, test_days=63),
        costs=TradingCostSettings.model_validate({"impact": {"aum": 1e8}}),
        runs=str(tmp_path),
    )
    source = load_portfolios(settings)
    result = run_portfolios(source, Serial())
    assert result.records[0].weights.max() <= 0.3 + 1e-6 + 0.05
    assert "MP on forecasts of the control reversal" in result.notes[0]


def test_settings_that_do_not_fit_are_refused():
    alpha = {"forecasts": {"control": "reversal"}}
    for rule, plan in (("multi_period", {}), ("mean_variance", {"plan": {}})):
        with pytest.raises(ValueError, match="multi_period needs alpha.plan, and the other rules take none"):
            AllocatorSettings(name="x", rule=rule, estimator="statistical", alpha=alpha | plan)


def test_without_a_plan_settings_are_written_as_before():
    assert "plan" not in allocator("mean_variance").model_dump()["alpha"]
    assert allocator(plan={"periods": 3}).model_dump()["alpha"]["plan"]["periods"] == 3
