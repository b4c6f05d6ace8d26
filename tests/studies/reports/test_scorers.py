"""Models of finished runs, loaded by MLflow and asked for what the studies said."""

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from small_sweep import settings_in

from quantray.errors import DataError, InputError
from quantray.research.executor import Serial
from quantray.research.market import SimulatedData, load_market
from quantray.research.run import carry_out
from quantray.strategies.catalogue import CATALOGUE
from quantray.studies.forecasts.kind import FORECASTS
from quantray.studies.reports.scorers import export_model
from quantray.studies.sweep.kind import SWEEP

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow.*")


@pytest.fixture(scope="module")
def forecasts(forecast_study):
    source, _ = forecast_study
    return carry_out(FORECASTS, source, Serial())


@pytest.fixture(scope="module")
def load():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.pyfunc
    return lambda place: mlflow.pyfunc.load_model(str(place))


def test_a_network_scores_as_its_study_did(forecasts, forecast_study, load, tmp_path):
    source, study = forecast_study
    place = export_model(forecasts, "GAT", tmp_path / "model")
    frame = source.data.panel.to_long()
    found = load(place).predict(frame).pivot(index="date", columns="symbol", values="score")
    dates = found.index.to_numpy().astype("datetime64[D]")
    model = next(each for each in study.models if each.name == "GAT")
    rows = np.searchsorted(study.dates, dates[dates <= study.dates[-1]])
    assert len(rows) >= 5
    said = pd.DataFrame(model.scores[rows], columns=study.panel.assets)[found.columns]
    assert_allclose(found.to_numpy()[: len(rows)], said.to_numpy(), atol=1e-5)


def test_a_network_carries_and_computes_features_of_ones_own(forecast_settings, network, load, tmp_path, monkeypatch):
    training = {"steps": 5, "warm_up_days": 5, "epochs": 1, "patience": 1}
    settings = forecast_settings(
        tmp_path / "runs",
        models=(network("LSTM", attention="none", width=4, training=training),),
        seeds=1,
        folds={"train_days": 60, "valid_days": 20, "test_days": 20, "horizon": 1, "warm_up_days": 270, "most": 1},
        features=({"name": "gap", "feature": "own_features:gap", "lookback": 5},),
    )
    source = FORECASTS.load(settings)
    run, study = carry_out(FORECASTS, source, Serial()), FORECASTS.run(source, Serial())
    place = export_model(run, "LSTM")
    # As in a program that has never seen the module.
    monkeypatch.delitem(sys.modules, "own_features")
    monkeypatch.setattr(sys, "path", [each for each in sys.path if not (Path(each) / "own_features.py").exists()])
    found = load(place).predict(source.data.panel.to_long())
    assert Path(sys.modules["own_features"].__file__).is_relative_to(place)
    scored = found.pivot(index="date", columns="symbol", values="score")
    said = pd.DataFrame(study.models[0].scores, study.dates, study.panel.assets)[scored.columns]
    dates = scored.index.intersection(said.index)
    assert len(dates) > 5
    assert_allclose(scored.loc[dates].to_numpy(), said.loc[dates].to_numpy(), atol=1e-5)


def test_other_forecasters_score_as_their_study_did(forecast_settings, load, tmp_path):
    data = SimulatedData(n_assets=20, n_days=400, seed=3)
    panel = load_market(data, None, ("close", "volume")).panel
    values = panel.with_fields(value=np.sqrt(panel.field("volume"))).with_only("value").to_long()
    values.to_parquet(tmp_path / "v.parquet")
    kinds = {
        "Boosting": {"kind": "hist_gradient_boosting", "parameters": {"max_iter": 5, "min_samples_leaf": 20}},
        "Scaled": {"kind": "own_forecasters:piped"},
        "Trend": {"kind": "own_forecasters:Trend", "parameters": {"days": 10}},
    }
    settings = forecast_settings(
        tmp_path / "runs",
        data=data,
        models=[{"name": name, **kind} for name, kind in kinds.items()],
        folds={"train_days": 60, "valid_days": 20, "test_days": 20, "horizon": 1, "warm_up_days": 270, "most": 1},
        features=({"name": "size", "values": str(tmp_path / "v.parquet")},),
    )
    source = FORECASTS.load(settings)
    run, study = carry_out(FORECASTS, source, Serial()), FORECASTS.run(source, Serial())
    frame, said_by = source.data.panel.to_long(), {model.name: model.scores for model in study.models}
    places = {name: export_model(run, name) for name in (*kinds, "ridge")}
    (tmp_path / "v.parquet").unlink()
    for name, place in places.items():
        scored = load(place).predict(frame).pivot(index="date", columns="symbol", values="score")
        said = pd.DataFrame(said_by[name], study.dates, study.panel.assets)[scored.columns]
        dates = scored.index.intersection(said.index)
        assert len(dates) > 5
        assert_allclose(scored.loc[dates].to_numpy(), said.loc[dates].to_numpy(), atol=1e-9)
    values.assign(value=values["value"].to_numpy()[::-1]).to_parquet(tmp_path / "v.parquet")
    with pytest.raises(DataError, match="ridge, fitted again, forecasts something else than in the run: its data"):
        export_model(run, "ridge", tmp_path / "again")
    with pytest.raises(InputError, match="reversal learns nothing that could be kept; name a network, or a regression"):
        export_model(run, "reversal")


def test_a_model_needs_later_dates(forecasts, forecast_study, load, tmp_path):
    source, _ = forecast_study
    model = load(export_model(forecasts, "GAT", tmp_path / "model"))
    panel = source.data.panel
    with pytest.raises(InputError, match="the frame ends on .*, and the fits have seen data through"):
        model.predict(panel.until(panel.dates[-80]).to_long())


def test_a_strategy_has_the_parameters_that_were_chosen(load, tmp_path):
    source = SWEEP.load(settings_in(tmp_path / "runs"))
    run, record = carry_out(SWEEP, source, Serial()), SWEEP.run(source, Serial())
    name, panel = "bollinger_20", source.data.panel
    chosen = [each for each in record.choices if (each.strategy, each.scope) == (name, "all days")][-1]
    weights = CATALOGUE[name].build(dict(chosen.parameters)).weights(panel)[-1]
    found = load(export_model(run, name)).predict(panel.to_long()).set_index("symbol")["weight"]
    assert_array_equal(found[panel.assets.tolist()], weights)
    with pytest.raises(InputError, match="has no strategy 'bolinger_20'; did you mean 'bollinger_20'"):
        export_model(run, "bolinger_20")


def test_what_is_no_model_is_refused(forecasts, tmp_path):
    with pytest.raises(InputError, match="has no forecaster 'GTA'; did you mean 'GAT'"):
        export_model(forecasts, "GTA", tmp_path / "model")
    with pytest.raises(DataError, match="is there already; remove it, or name another folder with --out"):
        export_model(forecasts, "GAT", tmp_path)
