"""Settings in the words of every kind of study become what they stand for."""

import numpy as np
import pytest

from quantray.backtest.accounts import Accounting
from quantray.backtest.costs import ImpactCosts, LinearCosts, MarketDay
from quantray.execution.impact import ImpactLaw
from quantray.research.terms import (
    AccountingSettings,
    ClusterSettings,
    CostSettings,
    Environment,
    ResamplingSettings,
    TradingCostSettings,
)
from quantray.settings import config_hash


def test_settings_become_what_they_name():
    assert CostSettings(half_spread_bps=3, commission_bps=1).build() == LinearCosts(3, 1)
    assert AccountingSettings(execution_lag=2, initial_nav=5e5, cash_rate=0.03).build() == Accounting(
        lag=2, initial_nav=5e5, cash_rate=0.03
    )
    resampling = ResamplingSettings(samples=500, confidence=0.9, seed=4).build()
    assert (resampling.n_samples, resampling.level, resampling.seed) == (500, 0.9, 4)


def test_costs_without_impact_are_what_they_were():
    plain = TradingCostSettings(half_spread_bps=3)
    assert plain.build() == CostSettings(half_spread_bps=3).build()
    assert config_hash(plain) == config_hash(CostSettings(half_spread_bps=3))
    moved = TradingCostSettings.model_validate({"impact": {"model": "linear", "aum": 1e9}})
    assert moved.build() == ImpactCosts(ImpactLaw("linear"), LinearCosts(5.0, 0.5), aum=1e9)
    assert TradingCostSettings.model_validate(moved.model_dump()) == moved


def test_costs_by_a_model_of_ones_own():
    own = TradingCostSettings(model="own_costs:tiered", parameters={"bps": 3.0})
    assert own.build()(np.array([1e6, 0.0]), MarketDay(np.datetime64("2020-01-02"), 1e7, {})).tolist() == [300.0, 0.0]
    assert TradingCostSettings.model_validate(own.model_dump(mode="json")) == own
    assert own.linear == LinearCosts(5.0, 0.5)
    with pytest.raises(ValueError, match="parameters and trial_seconds need a model of your own"):
        TradingCostSettings(parameters={"bps": 3.0})
    with pytest.raises(ValueError, match="model a:b charges all that trades cost: leave out impact"):
        TradingCostSettings.model_validate({"model": "a:b", "impact": {}})


def test_the_environment_names_folders(monkeypatch):
    monkeypatch.setenv("QUANTRAY_STORE", "s3://prices")
    monkeypatch.delenv("QUANTRAY_RUNS", raising=False)
    assert (Environment().store, Environment().runs) == ("s3://prices", "runs")


@pytest.mark.parametrize("values", [{"kind": "address"}, {"kind": "local", "address": "head:6379"}])
def test_an_address_and_its_kind_go_together(values):
    with pytest.raises(ValueError, match="kind 'address' needs an address"):
        ClusterSettings(**values)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (CostSettings, {"half_spread_bps": -1}),
        (AccountingSettings, {"delisting_return": -1.1}),
        (ResamplingSettings, {"confidence": 0.5}),
        (ClusterSettings, {"cpus_per_task": 0}),
    ],
)
def test_numbers_out_of_range(kind, values):
    with pytest.raises(ValueError, match=next(iter(values))):
        kind(**values)
