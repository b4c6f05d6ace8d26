"""Forecasters as users write them, good ones and bad ones."""

import threading

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from quantray.models.forecaster import Scores

ASKED = []


class Trend:
    """What rose goes on rising."""

    name = "trend"

    def __init__(self, days=20, sign=1.0):
        self.days, self.sign, self.valid_ic = days, sign, days / 100

    def fit(self, panel, fold, *, init=None, context):
        self.data_through = fold.train.last
        return self

    def predict(self, panel, dates, *, state=None, features=None):
        first = panel.row(dates[0])
        rows = np.arange(first, first + len(dates))
        close = panel.field("close")
        return Scores(panel.dates[rows], panel.assets, self.scored(close, rows))

    def scored(self, close, rows):
        before = close[np.maximum(rows - self.days, 0)]
        return self.sign * np.nan_to_num(close[rows] / before - 1)


class Peeks(Trend):
    """Looks at the close of tomorrow."""

    def scored(self, close, rows):
        return np.nan_to_num(close[np.minimum(rows + 1, len(close) - 1)] / close[rows] - 1)


class PeeksInFit(Trend):
    """Learns the sum of each name's returns over the test range."""

    def fit(self, panel, fold, *, init=None, context):
        rows = fold.rows(panel.dates).test
        close = panel.field("close")[rows]
        self.best = np.nan_to_num(close[-1] / close[0] - 1)
        return super().fit(panel, fold, context=context)

    def scored(self, close, rows):
        return np.tile(self.best, (len(rows), 1))


class OfOtherDates(Trend):
    def predict(self, panel, dates, *, state=None, features=None):
        return super().predict(panel, panel.dates[panel.dates < dates[0]][-len(dates) :])


class Words(Trend):
    def predict(self, panel, dates, *, state=None, features=None):
        return "up"


class Regressor:
    """The mean of all features."""

    def __init__(self, factor=1.0):
        self.factor = factor

    def fit(self, X, y):  # noqa: N803
        return self

    def predict(self, X):  # noqa: N803
        return self.factor * X.mean(axis=1)


class Listens(Regressor):
    """Keeps what it is given."""

    def __init__(self, random_state=None, n_jobs=None):
        self.factor, self.random_state, self.n_jobs = 1.0, random_state, n_jobs

    def fit(self, X, y, *, X_val=None, y_val=None):  # noqa: N803
        ASKED.append((self, X, y, X_val, y_val))
        return self


def piped(alpha=1.0):
    """Ridge regression on features of unit variance."""
    return make_pipeline(StandardScaler(), Ridge(alpha))


class Shuffles(Regressor):
    """Draws with its seed."""

    def __init__(self, random_state=0):
        self.factor, self.random_state = 1.0, random_state

    def fit(self, X, y):  # noqa: N803
        self.coef_ = np.random.default_rng(self.random_state).normal(size=X.shape[1])
        return self

    def predict(self, X):  # noqa: N803
        return X @ self.coef_


class ByPlace(Regressor):
    def predict(self, X):  # noqa: N803
        return np.arange(len(X)) / 10


# What must not pass.


class Missing(Regressor):
    def predict(self, X):  # noqa: N803
        return np.where(np.arange(len(X)) == 2, np.nan, X[:, 0])


class Remembers(Regressor):
    """Half way from what it said before."""

    def fit(self, X, y):  # noqa: N803
        self.before = 0.0
        return self

    def predict(self, X):  # noqa: N803
        self.before = (X.mean(axis=1) + self.before) / 2
        return self.before


class Counts(Regressor):
    """Says more, the more dates it has seen."""

    def fit(self, X, y):  # noqa: N803
        self.seen = set()
        return self

    def predict(self, X):  # noqa: N803
        self.seen.add(X.sum())
        return X.mean(axis=1) * len(self.seen)


class Draws(Regressor):
    def fit(self, X, y):  # noqa: N803
        self.coef_ = np.random.default_rng().normal(size=X.shape[1])
        return self

    def predict(self, X):  # noqa: N803
        return X @ self.coef_


class DrawsAgain(Regressor):
    def predict(self, X):  # noqa: N803
        return np.random.default_rng().normal(size=len(X))


class TakesAMinute(Regressor):
    def fit(self, X, y):  # noqa: N803
        threading.Event().wait(60)
        return self


class Raises(Regressor):
    def fit(self, X, y):  # noqa: N803
        raise ValueError("no fit today\nand more")


class Ends(Regressor):
    def fit(self, X, y):  # noqa: N803
        raise SystemExit(0)


class RaisesOnSome(Regressor):
    def predict(self, X):  # noqa: N803
        if len(X) > 24:
            raise ValueError("too many names")
        return X[:, 0]


class TooFew(Regressor):
    def predict(self, X):  # noqa: N803
        return X[1:, 0]


class NoPredict:
    def fit(self, X, y):  # noqa: N803
        return self


def nothing():
    return 3.0


def _inside():
    class Inside(Regressor):
        pass

    return Inside


Unpicklable = _inside()
