"""Allocators whose settings are searched: measured on the same days, after costs, and never on those held out."""

from dataclasses import replace

import numpy as np
import pytest

from quantray.analytics.metrics import performance
from quantray.errors import InputError
from quantray.research.executor import Serial
from quantray.research.space import Choice, SearchSpace
from quantray.research.tunable import Progress
from quantray.studies.portfolios.study import run_portfolios
from quantray.studies.portfolios.trial import study_trials
from quantray.studies.portfolios.tunable import portfolio_panel
from quantray.studies.tuning.study import load_tuning


@pytest.fixture(scope="module")
def tunable(search_in, tmp_path_factory):
    return load_tuning(search_in(tmp_path_factory.mktemp("portfolio"), "portfolios")).prepared


def test_what_is_tuned_is_an_allocator_alone(tunable):
    assert (tunable.name, tunable.measure, tunable.maximise) == ("Low risk", "yearly volatility after costs", False)
    space = tunable.subject.space
    assert [allocator.name for allocator in space.base.allocators] == ["Low risk"]
    start = space.start()
    assert start == {"estimator": '"sample"', "folds.lookback_days": 126, "max_weight": "1.0"}
    assert space.settings(start) == space.base
    assert space.point(space.values(start)) == start
    assert tunable.subject.most_rounds == len(tunable.subject.splits)


def test_the_objective_is_chosen(search_in, tmp_path):
    sharpe = load_tuning(search_in(tmp_path, "portfolios", target={"objective": "sharpe"})).prepared
    assert (sharpe.measure, sharpe.maximise) == ("Sharpe ratio after costs", True)


def test_the_best_settings_stand_in_the_study_as_its_file_says(search_in, tmp_path):
    study = {"tracking": {"experiment": "mine"}}
    tunable = load_tuning(search_in(tmp_path, "portfolios", study=study)).prepared
    best = tunable.best(tunable.subject.space.start() | {"estimator": '"oas"', "folds.lookback_days": 84})
    assert [allocator.name for allocator in best.allocators] == ["Low risk", "Equal"]
    assert (best.allocators[0].estimator, best.allocators[1].estimator) == ("oas", "sample")
    assert (best.folds.lookback_days, best.benchmark, best.tracking.experiment) == (84, "Equal", "mine")
    # Where the search ran is not where the study will.
    assert best.cluster.auth == "token"
    assert best.runs != tunable.source.settings.runs


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"target": {"subject": "Not"}}, "study.yaml has no allocator 'Not'; its allocators are Low risk, Equal"),
        ({"target": {"objective": "beauty"}}, "objective 'beauty' is not among volatility, sharpe"),
        ({"target": {"seeds": 2}}, "seeds 2 are of networks; an allocator has nothing random"),
        ({"space": {"alpha.risk_aversion": {"kind": "loguniform", "low": 1, "high": 10}}}, "the study has no alpha"),
        (
            {"space": {"costs.half_spread_bps": {"kind": "uniform", "low": 0, "high": 1}}},
            "'costs.half_spread_bps', which is no setting to search",
        ),
        ({"held_out": 9}, r"\d folds after a look-back of 168 days, of which 9 are held out"),
    ],
)
def test_what_cannot_be_searched_is_refused(search_in, tmp_path, changes, text):
    with pytest.raises(InputError, match=text):
        load_tuning(search_in(tmp_path, "portfolios", **changes))


def test_look_backs_are_measured_on_the_same_days(tunable):
    subject = tunable.subject
    firsts = set()
    for days in (84, 168):
        point = subject.space.start() | {"folds.lookback_days": days}
        study = subject.space.settings(point)
        panel = portfolio_panel(tunable.source.panel, study, subject.splits[0])
        firsts.add(tuple(str(trial.split.test) for trial in study_trials(study, panel)["Low risk"]))
    assert len(firsts) == 1


def test_a_look_back_before_the_data_is_refused(tunable):
    space, splits = tunable.subject.space, tunable.subject.splits
    folds = space.base.folds.model_copy(update={"lookback_days": 170})
    with pytest.raises(InputError, match="look-back 170 begins 2 days before the data; shorten it"):
        portfolio_panel(tunable.source.panel, space.base.model_copy(update={"folds": folds}), splits[0])


def test_the_objective_is_that_of_the_study_on_the_days_seen(tunable):
    """Round by round the volatility over one more test range; at the end that of a study of all days seen."""
    subject = tunable.subject
    progress = list(subject.rounds(subject.space.start()))
    assert [p.finished for p in progress] == [False] * (len(subject.splits) - 1) + [True]
    panel = portfolio_panel(subject.source.panel, subject.space.base, subject.splits[0])
    assert panel.dates[-1] == tunable.seen_through
    source = replace(subject.source, data=replace(subject.source.data, panel=panel))
    record = run_portfolios(replace(source, settings=subject.space.base), Serial()).records[0]
    late = record.dates[1:] >= subject.splits[0].test.first
    yearly = performance(record.returns[late], periods_per_year=panel.periods_per_year).annual_volatility
    assert progress[-1].objective == pytest.approx(yearly, rel=1e-12)


def test_the_objective_does_not_see_the_dates_held_out(search_in, changed_later, tmp_path, monkeypatch):
    settings = search_in(tmp_path, "portfolios")
    tunable = load_tuning(settings).prepared
    source, first = tunable.source, tunable.first_held_out
    other = replace(source, data=replace(source.data, panel=changed_later(source.panel, first)))
    monkeypatch.setattr("quantray.studies.portfolios.tunable.load_portfolios", lambda _: other)
    blind = load_tuning(settings).prepared
    assert blind.source is other
    assert blind.first_held_out == first
    assert blind.seen_through < first
    assert blind.subject.source.panel.dates[-1] == blind.seen_through
    point = tunable.subject.space.start()
    expected = list(tunable.subject.rounds(point))
    assert expected[-1].finished
    assert list(blind.subject.rounds(point)) == expected


def test_settings_that_cannot_be_used_are_told(tunable):
    space = tunable.subject.space
    point = space.start() | {"estimator": '"statistical"', "max_weight": "0.2"}
    assert space.allows(point)
    assert not space.allows(point | {"estimator": '"sample"'})
    narrow = SearchSpace(space.settings(point), {"max_weight": Choice(values=(0.01, 1.0))}, root=("allocators", 0))
    tight = replace(tunable.subject, space=narrow)
    (told,) = tight.rounds({"max_weight": "0.01"})
    assert told.finished
    assert told.objective == 10.0
    assert "max_weight 0.01 invests at most 17%" in told.note
    (told,) = replace(tight, measure="sharpe").rounds({"max_weight": "0.01"})
    assert told == Progress(-10.0, finished=True, note=told.note)


@pytest.mark.parametrize("objective", ["volatility", "sharpe"])
def test_the_dates_held_out_are_measured_with_the_winner_and_as_set(search_in, tmp_path, objective):
    tunable = load_tuning(search_in(tmp_path, "portfolios", target={"objective": objective})).prepared
    subject, point = tunable.subject, tunable.subject.space.start() | {"folds.lookback_days": 84}
    held = tunable.held_out(point, Serial(), tunable.source.settings.resampling.build())
    assert held.first >= tunable.first_held_out
    assert held.last == tunable.source.panel.dates[-1]
    values = []
    for study in (subject.space.settings(point), subject.space.base):
        panel = portfolio_panel(tunable.source.panel, study, subject.splits[0])
        source = replace(tunable.source, settings=study, data=replace(tunable.source.data, panel=panel))
        record = run_portfolios(source, Serial()).records[0]
        late = record.returns[record.dates[1:] >= tunable.first_held_out]
        yearly = np.sqrt(tunable.source.panel.periods_per_year) * late.std(ddof=1)
        values.append(yearly if objective == "volatility" else late.mean() / late.std(ddof=1) * np.sqrt(252))
    assert (held.winner.mean, held.base.mean) == pytest.approx(values)
    assert held.difference.mean == pytest.approx(values[0] - values[1])
    assert held.difference.n_days == len(late) >= 20
    assert held.winner.interval.low < held.winner.mean < held.winner.interval.high
