from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.backtest.accounts import Accounting
from quantray.backtest.costs import LinearCosts
from quantray.covariance.factor import FactorModel
from quantray.data.panel import Panel
from quantray.errors import DataError
from quantray.portfolio.solve import InfeasibleError
from quantray.research.executor import Serial
from quantray.research.market import SimulatedData
from quantray.studies.forecasts.store import Forecasts
from quantray.studies.portfolios.alpha import alpha_decisions, check_alpha
from quantray.studies.portfolios.alpha_plan import fading_returns, impact_coefficients
from quantray.studies.portfolios.alpha_settings import AlphaSettings, ForecastChoice, PlanSettings
from quantray.studies.portfolios.settings import AllocatorSettings, FoldSettings, PortfolioSettings
from quantray.studies.portfolios.study import load_portfolios, run_portfolios, study_trials
from quantray.studies.portfolios.trial import DayModel

FORECASTS = ForecastChoice(store="forecasts", model="m")
N = 12


def allocator(rule="multi_period", plan=None, max_weight=0.3, **alpha):
    if rule == "multi_period":
        alpha["plan"] = PlanSettings(**(plan or {}))
    given = AlphaSettings(**({"forecasts": FORECASTS, "ic": 0.1, "horizon_days": 5} | alpha))
    return AllocatorSettings(name="MP", rule=rule, estimator="statistical", max_weight=max_weight, alpha=given)


@pytest.fixture(scope="module")
def market():
    """A panel of constant prices, models for some of its days, and scores."""
    generator = np.random.default_rng(2)
    dates = np.datetime64("2024-01-02") + np.arange(12)
    assets = np.array([f"A{i:02d}" for i in range(N)])
    shape = len(dates), N
    fields = {"close": np.ones(shape), "volume": np.tile(generator.uniform(1e6, 1e8, N), (len(dates), 1))}
    panel = Panel(dates, assets, fields, np.ones(shape, dtype=np.bool_))
    loadings = generator.normal(0.01, 0.003, (N, 2))
    model = FactorModel(loadings, np.eye(2), generator.uniform(1e-4, 4e-4, N))
    return (
        panel,
        [DayModel(day, assets, model) for day in dates[2::3]],
        Forecasts("m", dates, assets, generator.normal(size=shape)),
    )


def decide(market, settings, bps=2.0):
    panel, models, forecasts = market
    made = alpha_decisions(panel, models, forecasts, settings, costs=LinearCosts(bps), accounting=Accounting(lag=1))
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


def test_impact_is_the_square_root_law():
    # A tenth of a day's volume at a volatility of 2 %: the price moves by 2 % times the root of 0.1.
    plan = PlanSettings(aum=1e9, impact=1.0)
    (coefficient,) = impact_coefficients(np.array([0.02]), np.array([1e8]), plan)
    trade = 1e7 / 1e9
    assert_allclose(coefficient * trade**1.5 / trade, 0.02 * np.sqrt(0.1))
    both = impact_coefficients(np.full(3, 0.02), np.array([1e8, 0.0, 1e6]), plan)
    assert_allclose(both[1:], 10 * both[0])
    with pytest.raises(DataError, match="nothing was traded in any name"):
        impact_coefficients(np.ones(2), np.zeros(2), plan)


def test_one_period_without_impact_decides_as_mean_variance(market):
    plan = {"periods": 1, "step_days": 5, "impact": 0.0}
    assert_allclose(decide(market, allocator(plan=plan)), decide(market, allocator("mean_variance")), atol=1e-5)


@pytest.mark.parametrize(
    "change",
    [{"periods": 2}, {"step_days": 1}, {"half_life_days": 1.0}, {"aum": 1e11}, {"impact": 0.1}],
    ids=lambda change: next(iter(change)),
)
def test_every_setting_of_a_plan_changes_decisions(market, change):
    base = {"periods": 4, "step_days": 3, "half_life_days": 6.0, "aum": 1e9}
    first, other = decide(market, allocator(plan=base)), decide(market, allocator(plan=base | change))
    assert np.abs(first - other).max() > 1e-4


def test_what_fades_fast_and_what_moves_prices_is_traded_less(market):
    def traded(**plan):
        weights = decide(market, allocator(plan={"periods": 8, "step_days": 3} | plan))
        return np.abs(np.diff(weights, axis=0)).sum()

    assert traded(aum=1e7) > traded(aum=1e9) > traded(aum=1e11)


def test_no_decision_looks_ahead(market):
    panel, models, forecasts = market
    whole = decide(market, allocator())
    cut = replace(forecasts, dates=forecasts.dates[:6], values=forecasts.values[:6])
    part = decide((panel.until(5), models[:2], cut), allocator())
    assert_array_equal(part, whole[:2])


def test_what_cannot_be_planned_names_allocator_and_date(market, monkeypatch):
    panel, models, forecasts = market
    fields = {"close": panel.field("close")}
    bare = Panel(panel.dates, panel.assets, fields, panel.member)
    with pytest.raises(DataError, match="MP: multi_period needs volumes"):
        decide((bare, models, forecasts), allocator())

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
        runs=str(tmp_path),
    )
    source = load_portfolios(settings)
    result = run_portfolios(source, Serial())
    assert result.records[0].weights.max() <= 0.3 + 1e-6 + 0.05
    assert "MP on forecasts of the control reversal" in result.notes[0]
    split = study_trials(source.settings, source.panel)["MP"][0].split
    blind = source.panel.with_only("close")
    with pytest.raises(DataError, match="MP: multi_period needs volumes"):
        check_alpha(blind, settings.allocators[0], source.panel.dates[-5:], split, str(tmp_path))


def test_settings_that_do_not_fit_are_refused():
    alpha = {"forecasts": {"control": "reversal"}}
    for rule, plan in (("multi_period", {}), ("mean_variance", {"plan": {}})):
        with pytest.raises(ValueError, match="multi_period needs alpha.plan, and the other rules take none"):
            AllocatorSettings(name="x", rule=rule, estimator="statistical", alpha=alpha | plan)


def test_without_a_plan_settings_are_written_as_before():
    assert "plan" not in allocator("mean_variance").model_dump()["alpha"]
    assert allocator(plan={"periods": 3}).model_dump()["alpha"]["plan"]["periods"] == 3
