"""Features of users' own in a study: learned from, found again, and computed again when they change."""

import numpy as np
import pytest

from quantray.errors import InputError
from quantray.research.executor import Serial
from quantray.studies.forecasts.settings import ForecastSettings, ModelSettings, OwnFeatureSettings
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
        ([own | {"lookback": 1000}], "gap looks back 1000 days; set folds.warm_up_days to that, or more"),
    ):
        with pytest.raises(ValueError, match=told):
            forecast_settings(tmp_path, features=changed)
    peeking = forecast_settings(tmp_path, features=[own | {"feature": "own_features:peeks"}])
    with pytest.raises(InputError, match="gap: tried on 20 names before the study, .* it looks ahead"):
        load_forecasts(peeking)
