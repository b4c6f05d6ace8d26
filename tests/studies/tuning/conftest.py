"""Records of searches made by hand."""

from collections.abc import Mapping

import numpy as np
import pytest

from quantray.analytics.bootstrap import Estimate, Interval
from quantray.research.tunable import HeldOut
from quantray.studies.tuning.record import TuningRecord, TuningTrial


def estimate_of(mean, width=0.01):
    return Estimate(mean, width / 2, Interval(mean - width, mean + width, 0.95), 0.5, 60)


def held_out_of(winner=0.03, base=0.01):
    first, last = np.datetime64("2024-02-01"), np.datetime64("2024-04-30")
    return HeldOut(first, last, estimate_of(winner), estimate_of(base), estimate_of(winner - base))


def trial_of(key, objective, values=None, **changes):
    curve = np.array(objective if isinstance(objective, list) else [objective])
    said = {"finished": True} | changes
    return TuningTrial(str(key), values if isinstance(values, Mapping) else {"dropout": 0.1}, curve, **said)


def record_of(trials, **changes):
    values = {
        "subject": "Net",
        "measure": "mean validation IC",
        "maximise": True,
        "trials": tuple(trials),
        "held_out": None,
        "seen_through": np.datetime64("2024-01-31"),
    }
    return TuningRecord(**(values | changes))


@pytest.fixture(scope="session")
def trial():
    """Makes a trial from a key and what it showed."""
    return trial_of


@pytest.fixture(scope="session")
def record():
    """Makes a record from trials."""
    return record_of


@pytest.fixture(scope="session")
def held_out():
    """Makes what was measured on dates held out."""
    return held_out_of
