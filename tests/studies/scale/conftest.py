"""A study of scale that is small enough to run in seconds."""

import pytest

from quantray.research.executor import Serial
from quantray.research.market import SimulatedData
from quantray.studies.forecasts.settings import ForecastFolds, ModelSettings
from quantray.studies.scale import study
from quantray.studies.scale.settings import ScaleSettings
from quantray.studies.scale.study import load_scale, run_scale


@pytest.fixture(scope="session")
def scale_settings(network):
    """Makes the settings of a small study in a folder."""

    def make(folder, **changes):
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

    return make


@pytest.fixture(scope="session")
def scale_study(scale_settings, network, tmp_path_factory):
    """A source and what its study found, with costs as if epochs had been measured, each of which takes a process."""
    models = (network(), ModelSettings(name="ridge", kind="ridge"))
    source = load_scale(scale_settings(tmp_path_factory.mktemp("scale"), models=models))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(study, "measure_epoch", cost_of)
        return source, run_scale(source, Serial())


def cost_of(source, model, settings):
    """Of an epoch on so many names."""
    n_names = source.data.panel.shape[1]
    return study.EpochCost(seconds=0.01 * n_names, peak_bytes=2**28, training_bytes=2**10 * n_names)
