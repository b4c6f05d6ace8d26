"""Features of users' own in a study: learned from, found again, and computed again when they change."""

import numpy as np
import pytest

from quantray.errors import InputError
from quantray.research.executor import Serial
from quantray.studies.forecasts.findings import find_forecasts
from quantray.studies.forecasts.settings import (
    ForecastSettings,
    GivenFeatureSettings,
    ModelSettings,
    OwnFeatureSettings,
)
from quantray.studies.forecasts.study import load_forecasts, run_forecasts

WRITTEN = """
import numpy as np

def gap(panel, days=5):
    close = panel.field("close")
    out = np.full(close.shape, np.nan)
    out[days:] = close[days:] / close[:-days] - 1
    return out

def unread(panel):
    return panel.field("close")
"""


def test_an_edit_fits_again_what_learned_from_it(written, forecast_settings, tmp_path):
    def run(text, *features):
        module = written(text)
        own = [OwnFeatureSettings(name=name, feature=f"{module}:{name}", lookback=5) for name in features]
        settings = forecast_settings(tmp_path, models=(ModelSettings(name="Ridge", kind="ridge"),), features=own)
        return run_forecasts(load_forecasts(settings), Serial())

    plain = run(WRITTEN)
    whole = run(WRITTEN, "gap")
    assert whole.n_computed == plain.n_computed
    assert not np.array_equal(whole.models[0].scores, plain.models[0].scores, equal_nan=True)
    again = run(WRITTEN.replace("return panel", "return 2 * panel"), "gap")
    assert (again.n_computed, again.digest) == (0, whole.digest)
    assert run(WRITTEN.replace("- 1", "- 1 + out[:-days] * 0"), "gap").n_computed == whole.n_computed


def test_settings_that_do_not_go_together_are_refused(forecast_settings, tmp_path):
    own = {"name": "gap", "feature": "own_features:gap", "lookback": 5}
    settings = forecast_settings(tmp_path, features=[own])
    assert ForecastSettings.model_validate(settings.model_dump(mode="json")) == settings
    assert "features" not in forecast_settings(tmp_path).model_dump()
    for changed, told in (
        ([own, own], "'gap' is the name of another feature"),
        ([own | {"name": "return_5"}], "'return_5' is the name of another feature"),
        ([own, {"name": "gap", "values": "gap.csv"}], "'gap' is the name of another feature"),
        ([{"name": "return_5", "values": "scores.csv"}], "'return_5' is the name of another feature"),
        ([{"name": "volume", "values": "scores.csv"}], "'volume' is a column of the data; choose another name"),
        ([{"name": "scores", "values": "scores.csv", "lookback": 3}], "features.0.*lookback"),
        ([own | {"lookback": 1000}], "gap looks back 1000 days; set folds.warm_up_days to that, or more"),
    ):
        with pytest.raises(ValueError, match=told):
            forecast_settings(tmp_path, features=changed)
    peeking = forecast_settings(tmp_path, features=[own | {"feature": "own_features:peeks"}])
    with pytest.raises(InputError, match="gap: tried on 20 names before the study, .* it looks ahead"):
        load_forecasts(peeking)


def test_values_are_learned_from_and_marked(forecast_settings, tmp_path):
    settings = forecast_settings(tmp_path, models=(ModelSettings(name="Ridge", kind="ridge"),))
    panel = load_forecasts(settings).panel
    tomorrow = np.full(panel.shape, np.nan)
    tomorrow[:-2] = panel.field("close")[2:] / panel.field("close")[1:-1] - 1
    frame = panel.with_fields(value=tomorrow).with_only("value").to_long()

    def run(values, name):
        values.to_csv(tmp_path / name, index=False)
        features = (GivenFeatureSettings(name="told", values=str(tmp_path / name)),)
        source = load_forecasts(settings.model_copy(update={"features": features}))
        study = run_forecasts(source, Serial())
        return source, study

    source, study = run(frame, "told.csv")
    assert study.models[0].seed_ic.mean() > 0.9  # tomorrow's returns, and nothing can show it but the mark
    assert "told: " in source.data.description
    assert "not checked for look-ahead" in source.data.description
    assert any("not checked for look-ahead: told" in each for each in find_forecasts(source, study).page.warnings)
    again = run(frame, "moved.csv")[1]
    assert (again.n_computed, again.digest) == (0, study.digest)
    assert run(frame.assign(value=-frame["value"]), "told.csv")[1].n_computed == study.n_computed
