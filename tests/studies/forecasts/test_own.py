"""Forecasters of users' own in a study: computed again when they change, and seen beside the built-in ones."""

import importlib
import itertools
import json
import sys
from dataclasses import replace

import pytest

from quantray.errors import InputError
from quantray.research import provenance
from quantray.research.executor import Serial
from quantray.research.own_code import code_of
from quantray.settings import read_settings, to_yaml
from quantray.studies.forecasts.findings import find_forecasts
from quantray.studies.forecasts.settings import ForecastFolds, ForecastSettings, ModelSettings
from quantray.studies.forecasts.study import load_forecasts, run_forecasts, study_splits
from quantray.studies.forecasts.trial import ForecastData, ForecastTrial, forecast_key

number = itertools.count()
RIDGE = ModelSettings(name="ridge", kind="ridge")
LAST = ForecastFolds(train_days=120, valid_days=20, test_days=40, horizon=1, warm_up_days=130, most=1)

FORECASTERS = """
class Mean:
    \"\"\"The mean of some features.\"\"\"

    def __init__(self, few=3):
        self.few = few

    def fit(self, X, y):
        return self

    def predict(self, X):
        return X[:, : self.few].mean(axis=1)


class Less(Mean):
    def predict(self, X):
        return -super().predict(X)


class Alone:
    def fit(self, X, y):
        return self

    def predict(self, X):
        return X[:, 0]
"""


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A function: the import path of a module of a user's, as a new process would see it after a change."""
    monkeypatch.syspath_prepend(tmp_path)
    # Compiled code is told apart by the second and the length of its source.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    name = f"forecasters_by_a_user_{next(number)}"

    def write(text):
        (tmp_path / f"{name}.py").write_text(text)
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        code_of.cache_clear()
        provenance._code.cache_clear()
        return name

    yield write
    sys.modules.pop(name, None)
    code_of.cache_clear()
    provenance._code.cache_clear()


def test_a_change_computes_again_what_depends_on_it_alone(written, forecast_settings, tmp_path):
    source = load_forecasts(forecast_settings(tmp_path / "runs", models=(RIDGE,), folds=LAST))

    def run(text):
        name = written(text)
        models = tuple(ModelSettings(name=each, kind=f"{name}:{each}") for each in ("Mean", "Less", "Alone"))
        changed = source.settings.model_copy(update={"models": models})
        return run_forecasts(replace(source, settings=changed), Serial())

    whole = run(FORECASTERS)
    assert whole.n_computed == 7  # with the four controls
    again = run(FORECASTERS)
    assert (again.n_computed, again.digest) == (0, whole.digest)
    assert run(FORECASTERS.replace("return X[:, 0]", "return X[:, 1]")).n_computed == 1
    assert run(FORECASTERS.replace("few=3", "few=4")).n_computed == 2
    assert run(FORECASTERS.replace("The mean of some", "Some mean of")).n_computed == 0


def test_the_key_follows_parameters_and_not_how_long_a_trial_may_take(forecast_study, tmp_path):
    source, _ = forecast_study
    data = ForecastData(source.data.panel, source.data.sectors, source.settings.results)
    split = study_splits(source.settings, source.panel)[1]

    def key(**changes):
        model = ModelSettings(name="x", kind="own_forecasters:Trend", **changes)
        return forecast_key(data, ForecastTrial(model, split, seed=0, before=130))

    assert key(trial_seconds=3) == key()
    assert len({key(), key(parameters={"days": 3}), key(parameters={"days": 4})}) == 3
    plain = ModelSettings(name="x").model_dump()
    assert not {"parameters", "trial_seconds"} & set(plain)


def test_a_run_shows_ones_own_beside_the_controls(forecast_settings, tmp_path):
    models = (
        ModelSettings(name="Mine", kind="own_forecasters:Trend", parameters={"days": 10}, trial_seconds=20),
        ModelSettings(name="Net", kind="elastic_net"),
    )
    source = load_forecasts(forecast_settings(tmp_path, models=models, folds=LAST))
    found = find_forecasts(source, run_forecasts(source, Serial()))
    assert set(found.metrics) == {"Mine", "Net", "zero", "reversal", "reversal_gap", "ridge"}
    assert {"vs_Net", "vs_ridge"} <= set(found.metrics["Mine"])
    assert "vs_Mine" not in found.metrics["Net"]
    assert "Mine" in json.loads(found.files["forecasts.json"])["versions"]
    file = tmp_path / "settings.yaml"
    file.write_text(to_yaml(source.settings))
    assert read_settings(ForecastSettings, file) == source.settings


def test_what_must_not_pass_is_refused_before_any_work(forecast_settings, tmp_path):
    peeks = ModelSettings(name="Mine", kind="own_forecasters:Peeks")
    with pytest.raises(InputError, match="Mine: .* it looks ahead"):
        load_forecasts(forecast_settings(tmp_path, models=(peeks,)))
    assert not (tmp_path / "results").exists()


class Stops(Serial):
    """Goes away after some units."""

    def map(self, fn, items, *, shared):
        yield from super().map(fn, list(items)[:3], shared=shared)
        raise KeyboardInterrupt


@pytest.mark.ray
def test_ray_computes_the_same_and_goes_on_where_it_was_stopped(forecast_settings, ray_cluster, tmp_path):
    from quantray.distributed.executor import OnRay

    # Workers find what is installed.
    tree = {"max_depth": 3, "max_features": 5}
    models = (
        ModelSettings(name="Linear", kind="sklearn.linear_model:LinearRegression"),
        ModelSettings(name="Tree", kind="sklearn.tree:DecisionTreeRegressor", parameters=tree),
    )
    source = load_forecasts(forecast_settings(tmp_path / "alone", models=models, folds=LAST))
    alone = run_forecasts(source, Serial())
    elsewhere = replace(source, settings=source.settings.model_copy(update={"runs": str(tmp_path / "stopped")}))
    with pytest.raises(KeyboardInterrupt):
        run_forecasts(elsewhere, Stops())
    parallel = run_forecasts(elsewhere, OnRay())
    assert (parallel.n_reused, parallel.digest) == (3, alone.digest)
    assert parallel.n_computed == alone.n_computed - 3
