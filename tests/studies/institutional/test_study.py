from dataclasses import replace

import numpy as np
import pytest

from quantray.errors import DataError, InputError
from quantray.research.executor import Serial
from quantray.studies.institutional.record import PHASES
from quantray.studies.institutional.study import load_institutional, run_institutional


def test_the_same_again_computes_nothing(study):
    source, record = study
    again = run_institutional(source, Serial())
    assert (again.n_computed, again.digest) == (0, record.digest)
    assert again.n_reused == record.n_computed + record.n_reused


def test_phases_come_in_their_order(study):
    _, record = study
    assert tuple(record.phase_seconds) == PHASES
    assert [each.phase for each in record.choices if each.fold == 0 and each.aum in (None, 1e7)] == [
        "regimes",
        "weights",
        "risk",
        "execution",
    ]


def test_decisions_keep_their_limits(study):
    """At every close but for what prices moved since."""
    source, record = study
    bounds = source.settings.objectives.constraints
    for aum in record.aums:
        for name in ("All phases", "Without regimes", "Without execution"):
            assert record.replays[name, aum].gross.max() < bounds.gross * 1.15
    assert record.replays["Without risk", 1e7].gross.max() > bounds.gross


def test_closes_alone_are_refused(settings_of, tmp_path, monkeypatch):
    monkeypatch.setattr("quantray.studies.institutional.study.FIELDS", ("close",))
    with pytest.raises(DataError, match="regimes and impact need high, low, volume"):
        load_institutional(settings_of(tmp_path))


def test_too_few_days_are_refused(settings_of, tmp_path):
    folds = {"warm_up_days": 250, "train_days": 200, "test_days": 60}
    with pytest.raises(InputError, match="trading days are too few"):
        load_institutional(settings_of(tmp_path, folds=folds))


def test_a_path_that_says_nothing_leaves_the_parameters_of_all_days(study, monkeypatch):
    """Then the study is the one without regimes."""
    source, _ = study
    small = {"aums": (1e7,), "execution": source.settings.execution.model_copy(update={"rebalances": ("monthly",)})}
    monkeypatch.setattr("quantray.studies.institutional.study.choose_path", _none)
    record = run_institutional(replace(source, settings=source.settings.model_copy(update=small)), Serial())
    assert (record.labels == -1).all()
    for aum in record.aums:
        np.testing.assert_array_equal(record.replays["All phases", aum].net, record.replays["Without regimes", aum].net)


def _none(*_):
    from quantray.studies.institutional.objective import Candidate, Choice
    from quantray.studies.institutional.regimes import NONE

    return Choice((Candidate(NONE, 0.0, 0.0, None, 0.0),), NONE)
