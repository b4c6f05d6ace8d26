"""A study from settings to a report, on the serial executor."""

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from small_portfolios import ALLOCATORS, kept, settings_in

from quantray.data.panel import Panel
from quantray.data.quality.treatment import QualitySettings
from quantray.data.store import MarketStore
from quantray.data.vendors.importing import RawBars
from quantray.errors import DataError, InputError
from quantray.research.executor import Serial
from quantray.research.market import SimulatedData, StoreData, UniverseSettings
from quantray.research.results import ResultStore
from quantray.research.terms import TradingCostSettings
from quantray.studies.portfolios.settings import FoldSettings
from quantray.studies.portfolios.study import load_portfolios, run_portfolios
from quantray.studies.portfolios.trial import StudyData, Trial, decide, due_trials, run_trial, study_trials, trial_key


def trials_of(source):
    return study_trials(source.settings, source.panel)


def test_decisions_come_at_month_ends_and_are_replayed_in_order(study):
    source, result = study
    trials = trials_of(source)
    assert result.n_computed == sum(len(group) for group in trials.values())
    record = result.records[0]
    decisions = np.concatenate([t.decision_dates(source.panel.dates) for t in trials["HRP"]])
    assert record.dates[0] == decisions[0]
    months = decisions.astype("datetime64[M]")
    assert (np.diff(months).astype(int) == 1).all()
    # Each decision is traded on the next trading day, unless that lies beyond the data.
    rows = source.panel.dates.searchsorted(decisions) + 1
    traded = record.dates[record.cost_series > 0]
    assert_array_equal(traded, source.panel.dates[rows[rows < len(source.panel.dates)]])


def test_weights_are_what_the_allocator_says_of_the_known_past(study):
    source, result = study
    trial = trials_of(source)["Equal weight"][0]
    day = trial.decision_dates(source.panel.dates)[0]
    row = source.panel.row(day)
    history = source.panel.between(source.panel.dates[row - 120], day)
    known = (~np.isnan(np.diff(history.field("close"), axis=0))).sum(axis=0) >= 0.9 * 120
    chosen = source.panel.member[row] & known
    weights = decide(source.panel, row, trial)
    assert_allclose(weights, np.where(chosen, 1 / chosen.sum(), 0.0))


@pytest.mark.parametrize("allocator", ALLOCATORS, ids=lambda a: a.rule)
def test_no_decision_looks_ahead(study, allocator):
    source, _ = study
    (trial,) = [t for t in trials_of(source)[allocator.name] if t.split.test.first <= source.panel.dates[300]][-1:]
    for row in (250, 300, 351):
        assert_array_equal(decide(source.panel, row, trial), decide(source.panel.until(row), row, trial))


@pytest.mark.parametrize("allocator", ALLOCATORS[1:], ids=lambda a: a.rule)
def test_permuting_assets_permutes_decisions(study, allocator):
    """Not so for HRP: which branch of a dendrogram is left follows the order of assets."""
    source, _ = study
    trial = trials_of(source)[allocator.name][0]
    order = np.random.default_rng(8).permutation(source.panel.shape[1])
    turned = source.panel.select(source.panel.assets[order])
    assert_allclose(decide(turned, 300, trial), decide(source.panel, 300, trial)[order], rtol=1e-9)


def test_the_same_command_again_computes_nothing(study):
    source, result = study
    again = run_portfolios(source, Serial())
    assert (again.n_computed, again.n_reused) == (0, result.n_computed)
    assert again.digest == result.digest


def test_only_what_is_missing_is_computed(study):
    source, result = study
    files = sorted((Path(source.settings.runs) / "results").rglob("*.parquet"))
    for file in files[::3]:
        file.unlink()
    again = run_portfolios(source, Serial())
    assert again.n_computed == len(files[::3])
    assert again.digest == result.digest


def test_results_are_shared_between_studies_that_agree(study):
    """Another benchmark, other costs or fewer allocators need no new decisions."""
    source, _ = study
    changed = source.settings.model_copy(update={"allocators": ALLOCATORS[:2], "benchmark": "HRP"})
    result = run_portfolios(load_portfolios(changed), Serial())
    assert result.n_computed == 0


def test_keys_change_with_data_and_settings_only(study):
    source, _ = study
    trial = trials_of(source)["HRP"][1]
    key = trial_key(source.panel, trial)
    assert key == trial_key(source.panel.with_fields(volume=source.panel.field("volume") * 2), trial)
    renamed = Trial(trial.allocator.model_copy(update={"name": "X"}), trial.split, trial.schedule)
    assert key == trial_key(source.panel, renamed)
    other = Trial(trial.allocator.model_copy(update={"distance": "correlation"}), trial.split, trial.schedule)
    assert key != trial_key(source.panel, other)
    close = source.panel.field("close").copy()
    row = source.panel.row(trial.split.test.first)
    close[row, 0] *= 1.0000001
    assert key != trial_key(source.panel.with_fields(close=close), trial)
    before = source.panel.field("close").copy()
    before[: row - 121] *= 2
    assert key == trial_key(source.panel.with_fields(close=before), trial)


def test_a_name_that_joins_later_leaves_old_keys_alone(study):
    source, _ = study
    trial, panel = trials_of(source)["HRP"][0], source.panel
    late = np.arange(len(panel.dates))[:, None] >= len(panel.dates) - 10
    close = np.hstack([panel.field("close"), np.where(late, 20.0, np.nan)])
    grown = Panel(panel.dates, np.append(panel.assets, "NEW"), {"close": close}, np.hstack([panel.member, late]))
    assert trial_key(grown, trial) == trial_key(panel, trial)


def test_a_unit_of_work_may_run_twice(study, tmp_path):
    source, _ = study
    data = StudyData(source.panel, ResultStore(tmp_path))
    (due,) = due_trials(source.panel, trials_of(source)["HRP"][:1])
    key = run_trial(data, due)
    first = data.results.get(key)
    assert run_trial(data, due) == key
    assert data.results.get(key).equals(first)


def test_truncating_the_future_changes_no_decision(study, tmp_path):
    source, result = study
    cut = source.panel.until(400)

    elsewhere = source.settings.model_copy(update={"runs": str(tmp_path)})
    shorter = replace(source, data=replace(source.data, panel=cut), settings=elsewhere)
    part = run_portfolios(shorter, Serial())
    for whole, short in zip(result.records, part.records, strict=True):
        assert_array_equal(short.nav, whole.nav[: len(short.nav)])


def test_expanding_folds_use_all_history(tmp_path):
    settings = settings_in(tmp_path, folds=FoldSettings(lookback_days=120, test_days=63, kind="expanding"))
    source = load_portfolios(settings)
    trial = trials_of(source)["HRP"][-1]
    assert trial.history(source.panel).dates[0] == source.panel.dates[0]
    rolling = load_portfolios(settings_in(tmp_path))
    assert run_portfolios(source, Serial()).digest != run_portfolios(rolling, Serial()).digest


def test_a_study_on_a_store_records_the_version(tmp_path, market):
    bars = market.panel.to_long()[["date", "symbol", "open", "high", "low", "close", "volume"]]
    store = MarketStore(tmp_path / "market")
    store.import_bars(RawBars(bars, ("simulated",)))
    data = StoreData(store=store.uri, universe=UniverseSettings(band=(1, 20)))
    settings = settings_in(tmp_path / "runs", data=data)
    source = load_portfolios(settings)
    assert source.settings.data.version == 0
    folder = kept(source, run_portfolios(source, Serial()))
    about = json.loads((folder / "study.json").read_text())
    assert about["data"].endswith("version 0")
    assert about["facts"]["mean_members"] <= 20
    # A later version is another run, and the first can be had again.
    store.append(RawBars(bars.tail(1).assign(close=bars["close"].iloc[-1] * 1.001), ("correction",)))
    assert load_portfolios(settings).settings.data.version == 1
    old = settings.model_copy(update={"data": data.model_copy(update={"version": 0})})
    assert load_portfolios(old).panel.fingerprint() == source.panel.fingerprint()
    assert load_portfolios(old).data.quality == source.data.quality


def test_too_little_data_is_refused(tmp_path):
    settings = settings_in(tmp_path, folds=FoldSettings(lookback_days=600))
    with pytest.raises(InputError, match="500 trading days are too few"):
        study_trials(settings, load_portfolios(settings).panel)
    settings = settings_in(tmp_path, folds=FoldSettings(lookback_days=495), rebalance="quarterly")
    with pytest.raises(InputError, match="no quarterly rebalance date"):
        study_trials(
            settings.model_copy(update={"data": SimulatedData(n_days=500)}), load_portfolios(settings).panel.until(497)
        )
    settings = settings_in(tmp_path, min_volatility=1.0)
    with pytest.raises(DataError, match="no member on .* volatility of 100%"):
        run_portfolios(load_portfolios(settings), Serial())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_results_folder(tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(DataError, match="cannot write"):
        run_portfolios(load_portfolios(settings_in(tmp_path / "runs")), Serial())


def test_a_simulated_study_pays_the_spreads_that_its_market_quotes(study):
    source, _ = study
    assert "half_spread_bps" in source.panel.fields


@pytest.mark.parametrize(
    ("step", "quality", "periods"),
    [
        (1, QualitySettings(exchange="24/7"), 365),
        (7, QualitySettings(exchange="24/7", bars="weekly"), 52),
    ],
)
def test_a_year_has_the_periods_of_the_stores_calendar(tmp_path, step, quality, periods):
    """Prices that rise by 0.1 % and by 0.3 % in turns: their year and its risk are known."""
    n_bars = 200
    dates = pd.date_range("2020-01-03", periods=n_bars, freq=f"{step}D").astype("datetime64[s]")
    growth = np.where(np.arange(n_bars) % 2 == 0, 1.001, 1.003)
    bars = pd.DataFrame({"date": dates, "symbol": "COIN", "close": 100 * np.cumprod(growth)})
    store = MarketStore(tmp_path / "market")
    store.import_bars(RawBars(bars, ("coin",)), settings=quality)
    settings = settings_in(
        tmp_path / "runs",
        data=StoreData(store=store.uri),
        allocators=ALLOCATORS[-1:],
        folds=FoldSettings(lookback_days=20, test_days=40),
        costs=TradingCostSettings(half_spread_bps=0, commission_bps=0),
        rebalance="weekly",
    )
    source = load_portfolios(settings)
    result = run_portfolios(source, Serial())
    metrics = json.loads((kept(source, result) / "metrics.json").read_text())["Equal weight"]
    earned = result.records[0].returns[1:]
    n = len(earned) + 1
    assert_allclose(earned, np.where(np.arange(len(earned)) % 2 == 0, earned[0], earned[1]))
    assert metrics["annual_return"] == pytest.approx(np.prod(1 + earned) ** (periods / n) - 1)
    assert metrics["annual_volatility"] == pytest.approx(0.001 * np.sqrt(periods), rel=0.03)
    assert metrics["annual_turnover"] == pytest.approx(0.5 * periods / n)
    assert source.settings.exchange == "24/7"
    html = (tmp_path / "runs").rglob("report.html").__next__().read_text()
    words = ("Weekly value at risk", "Longest drawdown (weeks)", "Trailing 26 weeks")
    assert [word in html for word in words] == [periods == 52] * 3


def test_a_larger_study_pays_more_for_the_same_trades(study):
    source, result = study

    def costs(aum):
        charged = TradingCostSettings.model_validate({"impact": {"aum": aum}})
        changed = replace(source, settings=source.settings.model_copy(update={"costs": charged}))
        return run_portfolios(changed, Serial()).records[0].cost_series.sum()

    small, large = costs(1e7), costs(1e9)
    assert result.records[0].cost_series.sum() < small < large
