"""What a universe's size costs and brings: universes are nested, skill is compared on the same names and days."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.data.panel import Panel
from quantray.data.store import MarketStore
from quantray.data.synthetic import simulate_market
from quantray.data.vendors.importing import RawBars
from quantray.errors import DataError, InputError
from quantray.research.executor import Serial
from quantray.research.market import StoreData
from quantray.studies.forecasts.settings import ModelSettings
from quantray.studies.forecasts.study import ForecastStudy, ModelForecasts, run_forecasts
from quantray.studies.scale import study as scaling
from quantray.studies.scale.study import (
    EpochCost,
    ScaleResult,
    SizeResult,
    load_scale,
    load_size,
    measure_epoch,
    nested_ic,
)

DATES = np.datetime64("2024-01-01") + np.arange(6)


def test_simulated_universes_are_nested(scale_settings):
    settings = scale_settings("runs")
    source = load_scale(settings)
    small, large = (study.panel for study in source.prepared)
    assert (small.shape[1], large.shape[1]) == (24, 48)
    assert small.fingerprint() == large.select(large.assets[:24]).fingerprint()
    assert source.panel is large
    for size, study in zip(settings.sizes, source.prepared, strict=True):
        assert study.panel.fingerprint() == load_size(settings, size).panel.fingerprint()
        assert study.settings == settings.study(size).model_copy(update={"exchange": source.settings.exchange})


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


def result_of(costs, names=(100, 200, 400)):
    sizes = [SizeResult(n, n, study_of(*empty()), {"GAT": cost}, {}, {}) for n, cost in zip(names, costs, strict=False)]
    return ScaleResult(tuple(sizes), 1.0)


def empty():
    panel = Panel(DATES, np.array(["A"]), {"forward": np.zeros((6, 1))}, np.ones((6, 1), dtype=np.bool_))
    return panel, DATES


def test_slopes_are_exponents_of_the_number_of_names():
    costs = [EpochCost(n**1.5 / 100, 10**9, 7 * n**2) for n in (100, 200, 400)]
    found = result_of(costs)
    assert found.slope("GAT", "seconds") == pytest.approx(1.5)
    assert found.slope("GAT", "training_bytes") == pytest.approx(2.0)
    assert np.isnan(result_of(costs[:1]).slope("GAT", "seconds"))
    assert np.isnan(result_of([replace(costs[0], training_bytes=0), *costs[1:]]).slope("GAT", "training_bytes"))


@pytest.fixture
def store(tmp_path):
    """Sixty names that all stay, and a function that imports them once more."""
    bars = simulate_market(60, 330, seed=3, listing_share=0, delisting_share=0).panel.to_long().drop(columns="member")
    store = MarketStore(tmp_path / "market")

    def again(source):
        store.import_bars(RawBars(bars, (source,)))

    again("simulated")
    return store, again


def test_all_sizes_read_one_version(scale_settings, store, tmp_path, monkeypatch):
    market, again = store

    def loaded(settings, size):
        found = load_size(settings, size)
        again("imported meanwhile")
        return found

    monkeypatch.setattr(scaling, "load_size", loaded)
    ridge = ModelSettings(name="ridge", kind="ridge")
    source = load_scale(scale_settings(tmp_path, data=StoreData(store=market.uri), models=(ridge,)))
    assert market.version() > 0
    assert source.settings.data.version == 0
    assert source.settings.exchange == "XNYS"
    assert source.data.description.startswith(f"market store {market.uri}, version 0")
    # The universe is each size's, and that of the settings stays as it was.
    assert source.settings.data.universe == StoreData(store=market.uri).universe
    assert [study.settings.data.version for study in source.prepared] == [0, 0]
    assert [study.settings.data.universe.band for study in source.prepared] == [(1, 24), (1, 48)]


def test_a_size_without_another_name_is_refused_before_any_work(scale_settings, store, tmp_path):
    market, _ = store
    data = StoreData(store=market.uri)
    with pytest.raises(InputError, match="size 2,000 adds no name: the data hold 60 at most on a day; leave it out"):
        load_scale(scale_settings(tmp_path / "runs", data=data, sizes=(20, 100, 2000)))
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_an_epoch_is_measured_in_a_process_of_its_own(network, scale_settings, tmp_path):
    settings = scale_settings(tmp_path, sizes=(40,))
    held = np.ones(125_000_000)
    found = measure_epoch(load_size(settings, 40), network(), settings)
    assert found.seconds > 0
    # What the parent holds is not the child's.
    assert 0 < found.training_bytes < found.peak_bytes < held.nbytes


@pytest.mark.slow
def test_sizes_are_studied_and_measured(scale_study):
    source, result = scale_study
    small, large = result.sizes
    assert (small.size, small.n_names, large.size) == (24, 24, 48)
    # The smallest universe is nested in itself.
    for model in small.study.models:
        assert_allclose(small.nested[model.name], model.ic, atol=1e-12)
        gain = small.nested_against_smallest[model.name]
        assert (gain.mean, gain.interval.low, gain.interval.high) == (0, 0, 0)
    gain = large.nested_against_smallest["GAT"].mean
    assert gain == pytest.approx(np.nanmean(large.nested["GAT"]) - np.nanmean(small.nested["GAT"]))
    for size in (small, large):
        assert list(size.costs) == ["GAT"]
        assert size.costs["GAT"].training_bytes == 2**10 * size.n_names
    again = run_forecasts(load_size(source.settings, 48), Serial())
    assert (again.n_computed, again.digest) == (0, large.study.digest)
