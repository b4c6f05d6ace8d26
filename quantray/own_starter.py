"""What an idea of one's own begins with: a file with the protocol, settings that use it, and a test of the laws."""

import keyword
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import yaml

from quantray.errors import InputError, reason

__all__ = ["BEGINNINGS", "write_own"]

_ALLOCATOR = '''"""An allocator: weights from the returns of the look-back."""

import numpy as np


def NAME(returns, power=1.0):
    """Calm names get more.

    Parameters
    ----------
    returns : (T, N) simple returns, oldest first, NaN where missing; for a covariance, call it ``covariance``.
    power : how much more; given as ``parameters`` in settings.

    Returns
    -------
    (N,) weights, fractions of NAV, shorts negative. They sum to 1, or to what ``invested`` says.
    """
    calm = np.nanstd(returns, axis=0) ** -power
    return calm / calm.sum()
'''
_STRATEGY = '''"""A strategy: weights on every day from what was known at its close."""

import numpy as np


def NAME(panel, days=5):
    """Equal shares of what fell over some days.

    Parameters
    ----------
    panel : T dates of N assets; ``panel.field("close")`` is (T, N), NaN where unknown.
    days : that it looks back; its values to be tried stand in ``ranges`` of the settings.

    Returns
    -------
    (T, N) weights of gross 1 at most: row t may know rows up to t, and is 0 where a name cannot be held.
    """
    close = panel.field("close")
    change = np.full(close.shape, np.nan)
    change[days:] = close[days:] / close[:-days] - 1
    held = (change < 0) & panel.member
    return held / np.maximum(held.sum(axis=1, keepdims=True), 1)
'''
_FORECASTER = '''"""A forecaster: learns returns to come from features, as scikit-learn's regressors do."""

import numpy as np


class NAME:
    """Each feature counts as much as it went with returns in training.

    Parameters
    ----------
    shrink : of what was seen, towards nothing; given as ``parameters`` in settings.
    """

    def __init__(self, shrink=0.5):
        self.shrink = shrink

    def fit(self, X, y):
        """(S, F) features on the scale of their date, and (S,) standardised returns."""
        self.weights_ = (1 - self.shrink) * X.T @ y / len(y)
        return self

    def predict(self, X):
        """(S,) higher for a higher return expected."""
        return np.asarray(X @ self.weights_)
'''
_ALLOCATOR_YAML = """# PYTHONPATH=. quantray run NAME.yaml
name: NAME
kind: portfolios
data: {kind: simulated, n_assets: 30, n_days: 600, seed: 1}
allocators:
  - {name: NAME, rule: "NAME:NAME", parameters: {power: 2.0}}
  - {name: Equal weight, rule: equal_weight}
benchmark: Equal weight
folds: {lookback_days: 120, test_days: 126}
"""
_STRATEGY_YAML = """# PYTHONPATH=. quantray run NAME.yaml
name: NAME
kind: sweep
data: {kind: simulated, n_assets: 10, n_days: 420, seed: 1}
strategies:
  - {name: NAME, rule: "NAME:NAME", ranges: {days: [3, 5, 10]}}
  - momentum_10_50
regimes: {method: volatility}
search: {method: grid, min_days: 40}
folds: {warm_up_days: 60, train_days: 200, test_days: 150}
resampling: {samples: 200}
blocks: 4
"""
_FORECASTER_YAML = """# PYTHONPATH=. quantray run NAME.yaml
name: NAME
kind: forecasts
data: {kind: simulated, n_assets: 30, n_days: 600, seed: 1, planted_signal: 0.5}
models:
  - {name: NAME, kind: "NAME:NAME", parameters: {shrink: 0.2}}
folds: {train_days: 150, valid_days: 20, test_days: 60, horizon: 1, warm_up_days: 280}
"""
_TEST = '''"""What every WHAT keeps to: tried as before any study, and played twice."""

from pathlib import Path

import yaml

from quantray.research.executor import Serial
from quantray.studies.kinds import read_study

HERE = Path(__file__).parent


def test_it_keeps_to_the_laws_and_is_the_same_again(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(HERE)
    kind, settings = read_study(HERE / "NAME.yaml", [f"runs={tmp_path}"])
    # No look-ahead, nothing kept between dates, no draws without a seed, nothing that cannot be sent to a worker.
    source = kind.load(settings)
    first, elsewhere = kind.run(source, Serial()), settings.model_copy(update={"runs": str(tmp_path / "again")})
    assert kind.run(kind.load(elsewhere), Serial()).digest == first.digest
    assert kind.run(source, Serial()).n_computed == 0
'''
BEGINNINGS: Mapping[str, tuple[str, str]] = {
    "allocator": (_ALLOCATOR, _ALLOCATOR_YAML),
    "forecaster": (_FORECASTER, _FORECASTER_YAML),
    "strategy": (_STRATEGY, _STRATEGY_YAML),
}
"""What can be begun -> its module and its settings, where ``NAME`` stands for the name."""


def write_own(what: str, name: str, folder: str | Path = ".") -> list[Path]:
    """Write ``NAME.py``, ``NAME.yaml`` and ``test_NAME.py`` into a folder, which is made if it is not there.

    Parameters
    ----------
    what : one of ``BEGINNINGS``.

    Raises
    ------
    InputError
        There is no such beginning, the name is none that Python can import or is taken, or a file is there already
        or cannot be written.
    """
    if what not in BEGINNINGS:
        raise InputError(f"{what!r} cannot be begun; choose {', '.join(BEGINNINGS)}.")
    if not name.isidentifier() or not name.isascii() or keyword.iskeyword(name) or name.startswith("_"):
        raise InputError(f"{name!r} is no name of a module; take letters and _, such as my_idea.")
    if name == "np" or yaml.safe_load(name) != name:
        raise InputError(f"{name!r} means something else in what would be written; choose another name.")
    module, settings = BEGINNINGS[what]
    test = _TEST.replace("WHAT", what)
    texts = {f"{name}.py": module, f"{name}.yaml": settings, f"test_{name}.py": test}
    target = Path(folder)
    if there := [target / file for file in texts if (target / file).exists()]:
        raise InputError(f"{there[0]} would be overwritten; choose another name or folder.")
    if name in sys.stdlib_module_names or find_spec(name) is not None:
        raise InputError(f"{name!r} is a module already; choose another name.")
    try:
        target.mkdir(parents=True, exist_ok=True)
        for file, text in texts.items():
            (target / file).write_text(text.replace("NAME", name), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{target} cannot be written: {reason(error)}; name another folder.") from error
    return [target / file for file in texts]
