"""Networks whose settings are searched: fits side by side are those of a study, and never look ahead."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.features.returns import DELIST_RETURN
from quantray.models.checkpoint import load_checkpoint
from quantray.models.forecaster import FitContext
from quantray.research.executor import Serial
from quantray.research.results import ResultStore
from quantray.research.space import Choice, Integers, SearchSpace, Uniform
from quantray.research.tunable import Progress
from quantray.studies.forecasts.settings import GraphChoice, ModelSettings, TrainingChoice
from quantray.studies.forecasts.study import load_forecasts, run_forecasts, study_splits
from quantray.studies.forecasts.trial import ForecastData, ForecastTrial, build_forecaster, fit_seed, forecast_key
from quantray.studies.forecasts.tunable import FoldFits, blinded
from quantray.studies.tuning.study import load_tuning

NAN = np.nan


@pytest.fixture(scope="module")
def tunable(search_in, tmp_path_factory):
    return load_tuning(search_in(tmp_path_factory.mktemp("network"))).prepared


@pytest.fixture(scope="module")
def fits_in(forecast_settings, tmp_path_factory):
    """Makes fits of a model on the first two folds of the small study, two seeds each, in a folder."""
    source = load_forecasts(forecast_settings(tmp_path_factory.mktemp("source")))
    splits = tuple(study_splits(source.settings, source.panel)[:2])

    def make(model, folder, **dimensions):
        data = ForecastData(source.panel, source.data.sectors, ResultStore(folder / "unused"))
        space = SearchSpace(model, {name.replace("__", "."): found for name, found in dimensions.items()})
        return FoldFits(space, data, splits, before=130, seeds=2, threads=1, folder=folder)

    return make


def test_what_is_tuned_is_a_network_of_the_study(tunable):
    assert (tunable.name, tunable.measure, tunable.maximise) == ("Net", "mean validation IC", True)
    subject = tunable.subject
    assert subject.space.base == tunable.source.settings.models[0]
    assert subject.space.settings(subject.space.start()) == subject.space.base
    # Three folds; the last, which is held out, may validate.
    assert len(subject.splits) == len(study_splits(tunable.source.settings, tunable.source.panel))
    assert (subject.seeds, subject.before, subject.most_rounds) == (1, 270, 3)
    assert tunable.first_held_out == subject.splits[-1].test.first
    assert tunable.seen_through < tunable.first_held_out


def test_the_best_settings_stand_in_the_study_as_its_file_says(search_in, tmp_path):
    other = {"name": "Other", "attention": "none", "width": 8, "heads": 2}
    study = {"models": [{"name": "Net", "width": 8, "heads": 2, "attention": "none", "warm_start": True}, other]}
    tunable = load_tuning(search_in(tmp_path, study=study | {"tracking": {"experiment": "mine"}})).prepared
    best = tunable.best(tunable.subject.space.start() | {"width": 6})
    assert (best.models[0].width, best.models[1].width) == (6, 8)
    # Trials are fitted from scratch, so the winner is what was tried.
    assert not best.models[0].warm_start
    assert best.tracking.experiment == "mine"
    # Where the search ran is not where the study will.
    assert best.cluster.auth == "token"
    assert best.runs != tunable.source.settings.runs


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"target": {"subject": "Not"}}, "study.yaml has no network, or forecaster with parameters, 'Not'; it has Net"),
        ({"target": {"subject": "ridge"}}, "has no network, or forecaster with parameters, 'ridge'"),
        (
            {"target": {"objective": "sharpe"}},
            "'sharpe' is of portfolios; a forecaster is chosen by its valid",
        ),
        ({"held_out": 9}, r"\d folds, of which 9 are held out; lower held_out"),
        (
            {"space": {"training.lerning_rate": {"kind": "uniform", "low": 0.1, "high": 0.2}}},
            r"'training.lerning_rate', which is no setting.*'training.learning_rate'",
        ),
        (
            {"space": {"width": {"kind": "integers", "low": 0, "high": 8}}},
            "width cannot be 0: .*greater than or equal to 1",
        ),
        ({"space": {"dropout": {"kind": "uniform", "low": 0.0, "high": 1.0}}}, "dropout cannot be 1.0"),
        ({"space": {"attention": {"kind": "choice", "values": ["none", "some"]}}}, "attention cannot be 'some'"),
        (
            {"space": {"parameters.depth": {"kind": "integers", "low": 1, "high": 2}}},
            "space names 'parameters.depth', but Net, of kind network, has no parameters of its own",
        ),
        ({"space": {"name": {"kind": "choice", "values": ["a", "b"]}}}, "'name', which is no setting to search"),
    ],
)
def test_what_cannot_be_searched_is_refused(search_in, tmp_path, changes, text):
    with pytest.raises(InputError, match=text):
        load_tuning(search_in(tmp_path, **changes))


def test_days_whose_return_is_not_known_yet_are_not_held_out(search_in, tmp_path):
    """The last fold has its test from row 406 on, and the last two rows have no return."""
    data = {"kind": "simulated", "n_assets": 24, "n_days": 428, "seed": 3}
    load_tuning(search_in(tmp_path, study={"data": data}))
    with pytest.raises(InputError, match="only 19 days from .* are held out, and 20 are needed"):
        load_tuning(search_in(tmp_path, study={"data": data | {"n_days": 427}}))


def test_a_blinded_panel_tells_nothing_of_what_is_held_out():
    close = np.arange(1.0, 11.0).reshape(5, 2)
    delist = np.array([[NAN, -0.1], [NAN, NAN], [-0.2, NAN], [NAN, -0.3], [NAN, NAN]])
    dates = np.datetime64("2024-01-01") + np.arange(5)
    fields = {"close": close, DELIST_RETURN: delist}
    panel = Panel(dates, np.array(["A", "B"]), fields, np.ones((5, 2), dtype=bool), periods_per_year=365)
    blind = blinded(panel, dates[3])
    assert_array_equal(blind.field("close"), np.vstack([close[:3], np.full((2, 2), NAN)]))
    # On the day before, a last close may already have beside it what holders received later.
    assert_array_equal(blind.field(DELIST_RETURN), np.vstack([delist[:2], np.full((3, 2), NAN)]))
    assert blind.member[:3].all()
    assert not blind.member[3:].any()
    assert blind.periods_per_year == 365
    assert_array_equal(panel.field("close"), close)


def test_a_fold_validates_before_its_test(tunable):
    """Prices of the test ranges of earlier folds are later folds' training; those of the last are nobody's."""
    subject = tunable.subject
    assert all(split.valid.last < tunable.first_held_out for split in subject.splits)
    row = subject.data.panel.row(tunable.first_held_out)
    assert all(np.isnan(values[row:]).all() for values in subject.data.panel.fields.values())
    assert not subject.data.panel.member[row:].any()


def test_the_objective_does_not_see_the_dates_held_out(search_in, changed_later, tmp_path, monkeypatch):
    settings = search_in(tmp_path)
    tunable = load_tuning(settings).prepared
    source, first = tunable.source, tunable.first_held_out
    other = replace(source, data=replace(source.data, panel=changed_later(source.panel, first)))
    monkeypatch.setattr("quantray.studies.forecasts.tunable.load_forecasts", lambda _: other)
    blind = load_tuning(settings).prepared
    assert blind.source is other
    assert blind.first_held_out == first
    assert blind.seen_through < first
    point = tunable.subject.space.start()
    expected = list(replace(tunable.subject, folder=tmp_path / "whole").rounds(point))
    assert expected[-1].finished
    assert list(replace(blind.subject, folder=tmp_path / "blind").rounds(point)) == expected


def test_fits_side_by_side_are_those_alone(tunable, tmp_path):
    """The objective is the mean of the best validation ICs of fits made one after the other."""
    subject = replace(tunable.subject, folder=tmp_path)
    progress = list(subject.rounds(subject.space.start()))
    assert [p.finished for p in progress] == [False, False, True]
    again = list(subject.rounds(subject.space.start()))
    assert again == progress
    panel, found = tunable.source.panel, []
    for split in subject.splits:
        fold = int(split.test.first.astype(np.int64))
        seed = int(np.random.SeedSequence([fold, 0]).generate_state(1)[0])
        forecaster = build_forecaster(subject.space.base)
        start = split.rows(panel.dates).train.start - subject.before
        history = panel.between(panel.dates[start], panel.dates[split.rows(panel.dates).test.stop - 1])
        fitted = forecaster.fit(history, split, context=FitContext(sectors=subject.data.sectors, seed=seed))
        found.append(fitted.checkpoint.progress.best_ic)
    assert progress[-1].objective == pytest.approx(np.mean(found), abs=1e-6)


@pytest.mark.parametrize("graph", ["correlation", "random"])
def test_a_winner_is_fitted_by_a_search_as_by_a_study(forecast_settings, fits_in, network, tmp_path, graph):
    """The same fold and the same number of a fit make the same draws, those of a random graph too."""
    model = network(graph=GraphChoice(kind=graph, k=8, window=120))
    fits = fits_in(model, tmp_path / "search", width=Integers(low=8, high=16, step=8), dropout=Uniform(low=0, high=0.5))
    point = {"width": 8, "dropout": 0.25}
    objective = list(fits.rounds(point))[-1].objective
    winner = fits.space.settings(point)
    source = load_forecasts(forecast_settings(tmp_path / "study", models=(winner,), seeds=2))
    run_forecasts(source, Serial())
    data = ForecastData(source.panel, source.data.sectors, source.settings.results)
    known = []
    for split in fits.splits:
        for seed in range(2):
            key = forecast_key(data, ForecastTrial(winner, split, seed, before=130))
            searched = tmp_path / "search" / key[:2] / key / "checkpoint.pt"
            assert searched.read_bytes() == (data.folder(key) / "checkpoint.pt").read_bytes()
            known.append(load_checkpoint(searched).progress.best_ic)
            assert float(data.results.notes(key)["valid_ic"]) == pytest.approx(known[-1], abs=1e-6)
    assert objective == pytest.approx(np.mean(known), rel=1e-12)
    # Every fold and every fit has draws of its own.
    assert len(set(known)) == 4


def test_the_draws_of_a_fit_are_the_same_for_all_settings(fits_in, network, tmp_path):
    fits = fits_in(network(), tmp_path)
    trials = [ForecastTrial(network(), split, seed, before=130) for split in fits.splits for seed in range(2)]
    assert len({fit_seed(trial) for trial in trials}) == 4
    for trial in trials:
        for other in (replace(trial, model=network("Wide", width=32)), replace(trial, before=120, threads=2)):
            assert fit_seed(other) == fit_seed(trial)


def test_a_trial_that_was_cut_off_goes_on(tunable, tmp_path):
    whole = replace(tunable.subject, folder=tmp_path / "whole")
    cut = replace(tunable.subject, folder=tmp_path / "cut")
    point = whole.space.start()
    first = cut.rounds(point)
    next(first)
    first.close()
    assert list(cut.rounds(point)) == list(whole.rounds(point))


def test_fits_of_a_search_are_kept_by_all_that_they_depend_on(fits_in, network, tmp_path):
    """Every checkpoint lies under the key of its trial, that of a forecasting study, with the very settings of it."""
    model = network(attention="none")
    fits = fits_in(model, tmp_path, width=Integers(low=8, high=16, step=8))
    progress = next(iter(fits.rounds({"width": 8})))
    assert np.isfinite(progress.objective)

    def wanted(before, threads):
        narrow = model.model_copy(update={"width": 8})
        trials = [ForecastTrial(narrow, split, seed, before, threads) for split in fits.splits for seed in range(2)]
        return {forecast_key(fits.data, trial) for trial in trials}

    assert len(wanted(130, 1)) == 4
    assert {path.parent.name for path in tmp_path.rglob("checkpoint.pt")} == wanted(130, 1)
    next(iter(replace(fits, before=120, threads=2).rounds({"width": 8})))
    assert {path.parent.name for path in tmp_path.rglob("checkpoint.pt")} == wanted(130, 1) | wanted(120, 2)


def test_rounds_are_epochs_of_all_stages(fits_in, network, tmp_path):
    training = TrainingChoice(epochs=5, stages=("encoder", "joint"))
    fits = fits_in(network(training=training), tmp_path)
    assert fits.most_rounds == 10
    stages = Choice(values=(("joint",), ("encoder", "cross", "joint")))
    longer = Integers(low=2, high=7)
    fits = fits_in(network(training=training), tmp_path, training__epochs=longer, training__stages=stages)
    assert fits.most_rounds == 21


def test_settings_that_cannot_be_used_are_told(fits_in, tmp_path):
    fits = fits_in(ModelSettings(name="Net", width=8, heads=2), tmp_path, width=Integers(low=7, high=8))
    told = list(fits.rounds({"width": 7}))
    assert told == [Progress(-1.0, finished=True, note="Net: width 7 must be a multiple of heads 2")]


@pytest.mark.slow
def test_the_dates_held_out_are_measured_with_the_winner_and_as_set(search_in, tmp_path):
    tunable = load_tuning(search_in(tmp_path, study={"seeds": 2})).prepared
    point = tunable.subject.space.start() | {"width": 4}
    held = tunable.held_out(point, Serial(), tunable.source.settings.resampling.build())
    panel = tunable.source.panel
    assert (held.first, held.last) == (tunable.first_held_out, panel.dates[-1])
    # A study of the two alone, with all its seeds, says the same.
    winner = tunable.subject.space.settings(point)
    pair = (winner, tunable.subject.space.base.model_copy(update={"name": "Own"}))
    folds = tunable.source.settings.folds.model_copy(update={"most": 1})
    settings = tunable.source.settings.model_copy(update={"models": pair, "folds": folds})
    study = run_forecasts(replace(tunable.source, settings=settings), Serial())
    assert study.n_computed == 0
    ic, own = (model.ic for model in study.models[:2])
    assert (held.winner.mean, held.base.mean) == pytest.approx((np.nanmean(ic), np.nanmean(own)))
    assert held.difference.mean == pytest.approx(np.nanmean(ic - own))
    assert held.difference.n_days == (~np.isnan(ic)).sum()
    assert_array_equal(study.dates, panel.dates[panel.row(held.first) :])
