"""Forecasters that are fitted at once, whose parameters are searched."""

import numpy as np
import own_forecasters
import pytest

from quantray.errors import InputError
from quantray.models.linear import ElasticNet
from quantray.research.executor import Serial
from quantray.research.tunable import Progress
from quantray.studies.forecasts.study import study_splits
from quantray.studies.forecasts.tunable_scores import FoldScores
from quantray.studies.tuning.study import load_tuning

SHARE = {"parameters.l1_ratio": {"kind": "uniform", "low": 0.1, "high": 1.0}}
DAYS = {"parameters.days": {"kind": "integers", "low": 1, "high": 40}}
LINEAR = {"models": [{"name": "Net", "kind": "elastic_net", "parameters": {"l1_ratio": 0.5}}]}
TREND = {"models": [{"name": "Net", "kind": "own_forecasters:Trend"}]}


@pytest.fixture
def tunable(search_in, tmp_path):
    return load_tuning(search_in(tmp_path, study=LINEAR, space=SHARE)).prepared


def test_the_objective_is_the_mean_validation_ic_of_the_folds_so_far(tunable, monkeypatch):
    subject = tunable.subject
    assert isinstance(subject, FoldScores)
    assert subject.most_rounds == len(study_splits(tunable.source.settings, tunable.source.panel))
    assert subject.space.start() == {"parameters.l1_ratio": 0.5}
    fitted = []
    plain = ElasticNet.fit

    def fit(self, *arguments, **named):
        fitted.append(plain(self, *arguments, **named))
        assert self.l1_ratio == 0.9
        assert fitted[-1].data_through < tunable.first_held_out
        return fitted[-1]

    monkeypatch.setattr(ElasticNet, "fit", fit)
    shown = list(subject.rounds({"parameters.l1_ratio": 0.9}))
    ics = [each.valid_ic for each in fitted]
    assert [each.objective for each in shown] == pytest.approx([np.mean(ics[: n + 1]) for n in range(len(ics))])
    assert [each.finished for each in shown] == [False] * (len(ics) - 1) + [True]
    # Begun again, it repeats what it has shown, without a fit.
    assert list(subject.rounds({"parameters.l1_ratio": 0.9})) == shown
    assert len(fitted) == len(ics) == subject.most_rounds


def test_the_winner_stands_in_the_study_and_is_measured_on_dates_held_out(tunable):
    point = {"parameters.l1_ratio": 0.2}
    assert tunable.best(point).models[0].parameters == {"l1_ratio": 0.2}
    found = tunable.held_out(point, Serial(), tunable.source.settings.resampling.build())
    assert found.first == tunable.first_held_out
    assert found.winner.n_days == found.base.n_days > 15


def test_settings_that_it_does_not_take_end_a_trial_with_a_note(tunable):
    (ended,) = tunable.subject.rounds({"parameters.l1_ratio": 1.5})
    assert (ended.objective, ended.finished) == (-1.0, True)
    assert "l1_ratio 1.5 must lie above 0" in ended.note


def test_ones_own_is_searched_by_what_its_fits_say(search_in, tmp_path):
    subject = load_tuning(search_in(tmp_path, study=TREND, space=DAYS)).prepared.subject
    assert subject.space.start() is None  # its default is its own matter
    shown = list(subject.rounds({"parameters.days": 30}))
    assert {each.objective for each in shown} == {0.3}


def test_ones_own_without_a_validation_ic_cannot_be_searched(search_in, tmp_path, monkeypatch):
    subject = load_tuning(search_in(tmp_path, study=TREND, space=DAYS)).prepared.subject
    monkeypatch.setattr(own_forecasters.Trend, "valid_ic", None, raising=False)
    monkeypatch.setattr(own_forecasters.Trend, "__init__", lambda self, days: setattr(self, "days", days))
    (ended,) = subject.rounds({"parameters.days": 30})
    assert ended == Progress(-1.0, finished=True, note=ended.note)
    assert "Net: a fit of own_forecasters:Trend has no valid_ic, by which parameters are chosen" in ended.note


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"target": {"seeds": 2}}, "seeds 2 are of networks; Net is fitted once"),
        (
            {"space": {"width": {"kind": "integers", "low": 4, "high": 8}}},
            "'width', but Net, of kind elastic_net",
        ),
    ],
)
def test_what_it_does_not_hear_is_refused(search_in, tmp_path, changes, text):
    with pytest.raises(InputError, match=text):
        load_tuning(search_in(tmp_path, study=LINEAR, **({"space": SHARE} | changes)))
