"""Studies of forecasters that are small enough to run in seconds, and modules as users write and change them."""

import importlib
import itertools
import sys
from dataclasses import replace

import numpy as np
import pytest

from quantray.data.panel import Panel
from quantray.research import provenance
from quantray.research.executor import Serial
from quantray.research.market import SimulatedData
from quantray.research.numerics import NumericsClass
from quantray.research.own_code import code_of
from quantray.research.terms import ClusterSettings
from quantray.studies.forecasts.settings import (
    ForecastFolds,
    ForecastSettings,
    GraphChoice,
    ModelSettings,
    TrainingChoice,
)
from quantray.studies.forecasts.study import load_forecasts, run_forecasts

TRAINING = TrainingChoice(steps=10, warm_up_days=20, epochs=2, patience=2, learning_rate=0.03)


def network_of(name="GAT", **changes):
    shape = {"width": 16, "layers": 1, "heads": 2, "graph": GraphChoice(k=8, window=120), "training": TRAINING}
    return ModelSettings(name=name, **(shape | changes))


def forecast_settings_in(folder, **changes):
    """Four folds with the test rows 274-313, 314-353, 354-393 and 394-399."""
    values = {
        "name": "small",
        "data": SimulatedData(n_assets=40, n_days=400, seed=3, planted_signal=0.5),
        "models": (network_of(), network_of("LSTM", attention="none")),
        "seeds": 2,
        "folds": ForecastFolds(train_days=120, valid_days=20, test_days=40, horizon=1, warm_up_days=130),
        "cluster": ClusterSettings(kind="serial"),
        "runs": str(folder),
    }
    return ForecastSettings(**(values | changes))


def with_comers(panel):
    """The panel with names that come and go around the test ranges, and by the universe's choice alone."""
    there, member = panel.member.copy(), panel.member.copy()
    there[:330, 0] = False
    there[160:, 1] = False
    member &= there
    member[:330, 2] = member[:396, 3] = member[165:, 4] = member[300:, 5] = False
    return Panel(panel.dates, panel.assets, {n: np.where(there, v, np.nan) for n, v in panel.fields.items()}, member)


@pytest.fixture(scope="session")
def network():
    """Makes the settings of a small network."""
    return network_of


@pytest.fixture(scope="session")
def forecast_settings():
    """Makes the settings of a small study in a folder."""
    return forecast_settings_in


@pytest.fixture(scope="session")
def forecast_study(tmp_path_factory):
    """A source, in which names come and go, and what its study found."""
    loaded = load_forecasts(forecast_settings_in(tmp_path_factory.mktemp("forecasts")))
    source = replace(loaded, data=replace(loaded.data, panel=with_comers(loaded.data.panel)))
    return source, run_forecasts(source, Serial())


@pytest.fixture
def keys_elsewhere(monkeypatch):
    """A function: the keys that another one gives where a library's release, the code or the kernels differ."""

    def keys(key_of, libraries):
        release, code = provenance._release, provenance._code
        places = {
            f"_release {name}": lambda asked, name=name: "0" if asked == name else release(asked) for name in libraries
        }
        places |= {"_code": lambda *asked: code(*asked) + "changed", "blas_versions": lambda: "0"}
        places["numerics_class"] = lambda **_: NumericsClass("Sandybridge", "AVX2")
        found = set()
        for name, other in places.items():
            with monkeypatch.context() as patch:
                patch.setattr(provenance, name.partition(" ")[0], other)
                found.add(key_of())
        assert len(found) == len(libraries) + 3
        return found

    return keys


number = itertools.count()


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A function: the import path of a module of a user's, as a new process would see it after a change."""
    monkeypatch.syspath_prepend(tmp_path)
    # Compiled code is told apart by the second and the length of its source.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    name = f"written_by_a_user_{next(number)}"

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
