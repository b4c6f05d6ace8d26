import json
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pydantic import ValidationError

from quantray.data.importing import RawBars
from quantray.data.panel import Panel
from quantray.data.store import MarketStore
from quantray.data.synthetic import simulate_market
from quantray.errors import DataError
from quantray.research.executor import Serial
from quantray.research.market import MarketData, SimulatedData, StoreData, UniverseSettings
from quantray.studies.forecasts.runs import write_scale_run
from quantray.studies.forecasts.settings import ForecastFolds, ModelSettings
from quantray.studies.forecasts.study import ForecastStudy, ModelForecasts, run_forecasts
from quantray.studies.scale import study as scaling
from quantray.studies.scale.study import (
    EpochCost,
    ScaleResult,
    ScaleSettings,
    SizeResult,
    load_size,
    measure_epoch,
    nested_ic,
    run_scale,
)

DATES = np.datetime64("2024-01-01") + np.arange(6)


def scale_settings_in(folder, network, **changes):
    values = {
        "name": "sizes",
        "data": SimulatedData(n_days=330, seed=3, planted_signal=0.5),
        "sizes": (24, 48),
        "models": (network(), network("LSTM", attention="none")),
        "seeds": 1,
        "folds": ForecastFolds(train_days=120, valid_days=20, test_days=40, horizon=1, warm_up_days=130),
        "runs": str(folder),
    }
    return ScaleSettings(**(values | changes))


@pytest.mark.parametrize(
    "sizes", [(48, 24), (24, 24), (19, 40), ()], ids=["descending", "repeated", "too small", "none"]
)
def test_wrong_sizes_are_refused(network, sizes):
    with pytest.raises(ValidationError, match="must be ascending, different and at least 20|at least 1 item"):
        scale_settings_in("runs", network, sizes=sizes)


def test_a_store_is_asked_for_the_most_traded_names_of_each_size(network):
    data = StoreData(store="s", universe=UniverseSettings(preset="top2000", review="quarterly", buffer=0.2))
    settings = scale_settings_in("runs", network, data=data, confidence=0.9, seeds=3)
    study = settings.study(48)
    assert study.data.universe == UniverseSettings(band=(1, 48), review="quarterly", buffer=0.2)
    assert (study.name, study.models, study.folds) == ("sizes-48", settings.models, settings.folds)
    assert (study.confidence, study.seeds, study.runs) == (0.9, 3, "runs")


def test_simulated_universes_are_nested(network):
    settings = scale_settings_in("runs", network)
    small, large = (load_size(settings, size).data.panel for size in settings.sizes)
    assert (small.shape[1], large.shape[1]) == (24, 48)
    assert small.fingerprint() == large.select(large.assets[:24]).fingerprint()


def study_of(panel, dates, **scores):
    """A study with forecasts made by hand."""
    rows = np.searchsorted(panel.dates, dates)
    forward = panel.field("forward")[rows]
    models = tuple(
        ModelForecasts(name, False, values, None, np.zeros(len(dates)), np.zeros(1), 1.0, {})
        for name, values in scores.items()
    )
    return ForecastStudy(dates, panel, forward, models, "digest", 0, 0, 0.0)


@pytest.fixture
def universes():
    """Thirty names, and the twenty of them from D to Y in another order with one name more."""
    rng = np.random.default_rng(0)
    names = np.array([f"N{i:02d}" for i in range(30)])
    forward = rng.normal(size=(6, 30))
    forward[5] = np.nan
    member = rng.random((6, 30)) < 0.95
    large = Panel(DATES, names, {"forward": forward}, member)
    order = rng.permutation(np.arange(4, 24))
    few = np.append(names[order], "GONE")
    small = Panel(DATES, few, {"forward": np.zeros((6, 21))}, rng.random((6, 21)) < 0.95)
    return small, large


def test_nested_skill_is_that_on_common_members(universes):
    small, large = universes
    scores = np.random.default_rng(1).normal(size=(5, 30))
    scores[2] = 3.0  # tells no names apart
    found = nested_ic(small, study_of(large, DATES[1:], one=scores))["one"]
    for day in (0, 1, 3):
        inside = set(small.assets[small.member[day + 1]].tolist()) & set(large.assets[large.member[day + 1]].tolist())
        used = np.isin(large.assets, list(inside))
        expected = np.corrcoef(scores[day, used], large.field("forward")[day + 1, used])[0, 1]
        assert found[day] == pytest.approx(expected)
    # Zero where nothing was told, unknown where there was no return.
    assert found[2] == 0
    assert np.isnan(found[4])


def test_names_outside_the_smallest_universe_change_nothing(universes):
    small, large = universes
    scores = np.random.default_rng(1).normal(size=(6, 30))
    shouted = scores.copy()
    shouted[:, :4] = 100.0
    found = [nested_ic(small, study_of(large, DATES, one=values))["one"] for values in (scores, shouted)]
    assert_array_equal(found[0], found[1])


def test_universes_of_other_days_are_refused(universes):
    small, large = universes
    with pytest.raises(DataError, match="the smallest universe has no 2024-01-06; take sizes whose names trade"):
        nested_ic(small.until(4), study_of(large, DATES, one=np.zeros((6, 30))))


def result_of(network, costs, names=(100, 200, 400)):
    sizes = [SizeResult(n, n, study_of(*empty()), {"GAT": cost}, {}, {}) for n, cost in zip(names, costs, strict=False)]
    data = MarketData(SimulatedData(), empty()[0], "nowhere", {}, ())
    return ScaleResult(scale_settings_in("runs", network), tuple(sizes), data)


def empty():
    panel = Panel(DATES, np.array(["A"]), {"forward": np.zeros((6, 1))}, np.ones((6, 1), dtype=np.bool_))
    return panel, DATES


def test_slopes_are_exponents_of_the_number_of_names(network):
    costs = [EpochCost(n**1.5 / 100, 10**9, 7 * n**2) for n in (100, 200, 400)]
    found = result_of(network, costs)
    assert found.slope("GAT", "seconds") == pytest.approx(1.5)
    assert found.slope("GAT", "training_bytes") == pytest.approx(2.0)
    assert np.isnan(result_of(network, costs[:1]).slope("GAT", "seconds"))
    assert np.isnan(
        result_of(network, [replace(costs[0], training_bytes=0), *costs[1:]]).slope("GAT", "training_bytes")
    )


def test_all_sizes_read_one_version_and_survivors_are_named(network, tmp_path, monkeypatch):
    bars = simulate_market(60, 330, seed=3, listing_share=0, delisting_share=0).panel.to_long().drop(columns="member")
    store = MarketStore(tmp_path / "market")
    store.import_bars(RawBars(bars, ("simulated",)))

    def studied(source, executor):
        found = run_forecasts(source, executor)
        store.import_bars(RawBars(bars, ("imported meanwhile",)))
        return found

    monkeypatch.setattr(scaling, "run_forecasts", studied)
    ridge = ModelSettings(name="ridge", kind="ridge")
    settings = scale_settings_in(tmp_path, network, data=StoreData(store=store.uri), models=(ridge,))
    result = run_scale(settings, Serial())
    assert store.version() > 0
    assert result.settings.data.version == 0
    assert result.data.description == f"market store {store.uri}, version 0"
    folder = write_scale_run(result)
    assert "version: 0" in (folder / "settings.yaml").read_text()
    html = (folder / "report.html").read_text()
    for text in (result.data.description, "so it holds survivors", "Only 1 seed:"):
        assert text in html


@pytest.mark.slow
def test_an_epoch_is_measured_in_a_process_of_its_own(network, tmp_path):
    settings = scale_settings_in(tmp_path, network, sizes=(40,))
    held = np.ones(125_000_000)
    found = measure_epoch(load_size(settings, 40), network(), settings)
    assert 0 < found.seconds < 60
    # What the parent holds is not the child's.
    assert 0 < found.training_bytes < found.peak_bytes < held.nbytes


@pytest.mark.slow
def test_sizes_are_studied_measured_and_written(network, tmp_path):
    models = (network(), ModelSettings(name="ridge", kind="ridge"))
    settings = scale_settings_in(tmp_path, network, models=models)
    result = run_scale(settings, Serial())
    small, large = result.sizes
    assert (small.size, small.n_names, large.size) == (24, 24, 48)
    # The smallest universe is nested in itself.
    for model in small.study.models:
        assert_allclose(small.nested[model.name], model.ic, atol=1e-12)
        gain = small.nested_against_smallest[model.name]
        assert (gain.mean, gain.interval.low, gain.interval.high) == (0, 0, 0)
    gain = large.nested_against_smallest["GAT"].mean
    assert gain == pytest.approx(np.nanmean(large.nested["GAT"]) - np.nanmean(small.nested["GAT"]))
    assert list(small.costs) == ["GAT"]
    assert small.costs["GAT"].training_bytes > 0
    folder = write_scale_run(result)
    numbers = json.loads((folder / "scale.json").read_text())
    assert [size["size"] for size in numbers] == [24, 48]
    for size, found in zip(result.sizes, numbers, strict=True):
        assert found["costs"]["GAT"]["seconds"] == size.costs["GAT"].seconds
        assert found["digest"] == size.study.digest
        for model in size.study.models:
            assert found["ic"][model.name]["mean"] == pytest.approx(np.nanmean(model.ic))
            assert found["nested_ic"][model.name]["mean"] == pytest.approx(np.nanmean(size.nested[model.name]))
        assert found["differences"]["GAT"]["zero"]["mean"] == pytest.approx(found["ic"]["GAT"]["mean"])
    html = (folder / "report.html").read_text()
    for found in numbers:
        for kind in ("ic", "nested_ic"):
            assert f"{found[kind]['GAT']['mean']:.4f} ({found[kind]['GAT']['low']:.4f} to" in html
    again = run_forecasts(load_size(settings, 48), Serial())
    assert (again.n_computed, again.digest) == (0, large.study.digest)
