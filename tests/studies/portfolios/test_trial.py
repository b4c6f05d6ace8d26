"""Keys of the units of a study: whatever changes their numbers changes them, field by field of the settings."""

from dataclasses import fields, replace

import numpy as np
import pytest

from quantray.data.calendar import rebalance_dates
from quantray.data.splits import DateRange, Split
from quantray.research.results import ResultStore
from quantray.studies.portfolios import trial as trials
from quantray.studies.portfolios.alpha_settings import AlphaSettings, ForecastChoice
from quantray.studies.portfolios.settings import AllocatorSettings
from quantray.studies.portfolios.trial import Schedule, StudyData, Trial, due_trials, run_trial, trial_key, trial_units

FORECASTS = AlphaSettings(forecasts=ForecastChoice(control="reversal"))
SCHEDULE = Schedule("monthly", "XNYS", 120, 0.9, 0.0)

ALLOCATOR = {
    "rule": {"rule": ("hrp", "herc", "nco", "risk_parity", "equal_weight", "inverse_volatility", "minimum_variance")},
    "estimator": {"rule": "hrp", "estimator": ("sample", "ewma", "ledoit_wolf", "oas", "gerber", "statistical")},
    "n_factors": {"rule": "hrp", "estimator": "statistical", "n_factors": (None, 2, 3)},
    "max_weight": {"rule": "minimum_cvar", "max_weight": (1.0, 0.5, 0.1)},
    "distance": {"rule": "hrp", "distance": ("paper", "correlation")},
    "linkage": {"rule": "hrp", "linkage": ("single", "complete", "average", "ward")},
    "alpha": {"rule": "mean_variance", "estimator": "statistical", "alpha": (FORECASTS,)},
    "parameters": {"rule": "own_rules:tilted", "parameters": ({}, {"power": 2.0}, {"power": 3.0})},
    "invested": {"rule": "own_rules:tilted", "invested": (1.0, None)},
    "estimator_parameters": {
        "rule": "hrp",
        "estimator": "own_rules:Shrunk",
        "estimator_parameters": ({}, {"share": 0.2}),
    },
}
"""Field -> settings whose values of that field, one by one, give keys of their own."""
ALLOCATOR_NAMES = {"name", "trial_seconds"}
"""Fields of allocators that change no weight."""
ALLOCATOR_OWN = {"parameters", "invested", "estimator_parameters", "trial_seconds"}
SPLIT_IDLE = {"valid", "horizon", "lag", "purge"}
"""Of folds, what decisions on the past alone do not ask; nor for the training range, unless history expands from it."""


@pytest.fixture(scope="module")
def panel(market):
    return market.panel.select(market.panel.assets[:12]).with_only("close")


@pytest.fixture
def weights(panel):
    """Decisions of four months, from row 300 on."""
    return Trial(AllocatorSettings(name="x", rule="hrp"), split_of(panel), SCHEDULE)


@pytest.fixture
def models(panel):
    """Models of risk for the same months."""
    settings = AllocatorSettings(
        name="x", rule="mean_variance", estimator="statistical", n_factors=2, max_weight=0.5, alpha=FORECASTS
    )
    return Trial(settings, split_of(panel), SCHEDULE)


def split_of(panel, first=180, train=299, test=300, last=383):
    before, after = (DateRange(panel.dates[a], panel.dates[b]) for a, b in ((first, train), (test, last)))
    return Split(train=before, valid=None, test=after, horizon=0, lag=0, purge=0)


def computed(panel, trial, folder):
    store = ResultStore(folder)
    (due,) = due_trials(panel, [trial])
    return store.get(run_trial(StudyData(panel, store), due)).to_pydict()


def test_every_field_of_an_allocator_changes_the_key_or_nothing(panel, weights, tmp_path):
    assert set(AllocatorSettings.model_fields) == set(ALLOCATOR) | ALLOCATOR_NAMES
    seen = {}
    for name, settings in ALLOCATOR.items():
        for value in settings[name]:
            allocator = AllocatorSettings(name="x", **(settings | {name: value}))
            key = trial_key(panel, replace(weights, allocator=allocator))
            assert seen.setdefault(key, allocator) == allocator, name
    other = replace(weights, allocator=weights.allocator.model_copy(update={"name": "y"}))
    assert trial_key(panel, other) == trial_key(panel, weights)
    assert computed(panel, other, tmp_path / "a") == computed(panel, weights, tmp_path / "b")


def test_models_of_risk_follow_what_they_are_made_of_and_serve_every_mandate(panel, models, tmp_path):
    key = trial_key(panel, models)
    for factors in (None, 3):
        assert (
            trial_key(panel, replace(models, allocator=models.allocator.model_copy(update={"n_factors": factors})))
            != key
        )
    base = computed(panel, models, tmp_path / "base")
    changes = {
        "name": "y",
        "rule": "max_sharpe",
        "max_weight": 0.9,
        "alpha": FORECASTS.model_copy(update={"ic": 0.1, "horizon_days": 21, "mandate": "market_neutral"}),
    }
    # What is left is what models are made of, and what only HRP asks for.
    assert set(AllocatorSettings.model_fields) == {
        *changes,
        "estimator",
        "n_factors",
        "distance",
        "linkage",
        *ALLOCATOR_OWN,
    }
    for number, (name, value) in enumerate(changes.items()):
        other = replace(models, allocator=models.allocator.model_copy(update={name: value}))
        assert trial_key(panel, other) == key, name
        assert computed(panel, other, tmp_path / str(number)) == base, name


@pytest.mark.parametrize("kind", ["weights", "models"])
def test_every_field_of_the_schedule_changes_the_key(panel, kind, request):
    trial = request.getfixturevalue(kind)
    changes = {
        "rebalance": "weekly",
        "exchange": "XLON",
        "lookback_days": 119,
        "min_history": 0.8,
        "min_volatility": 0.01,
    }
    assert set(changes) == {field.name for field in fields(Schedule)}
    for name, value in changes.items():
        other = replace(trial, schedule=replace(trial.schedule, **{name: value}))
        assert trial_key(panel, other) != trial_key(panel, trial), name


@pytest.mark.parametrize("kind", ["weights", "models"])
def test_every_field_of_a_trial_changes_the_key(panel, kind, request, tmp_path):
    trial = request.getfixturevalue(kind)
    changes = {"threads": 2, "expanding": True, "split": split_of(panel, last=362), "numerics": "any"}
    assert set(changes) | {"allocator", "schedule"} == {field.name for field in fields(Trial)}
    for name, value in changes.items():
        assert trial_key(panel, replace(trial, **{name: value})) != trial_key(panel, trial), name
    later = split_of(panel, test=301)
    assert trial_key(panel, replace(trial, split=later)) != trial_key(panel, trial)
    # Where training begins says how far back an expanding history reaches, and else nothing.
    longer = split_of(panel, first=170)
    assert trial_key(panel, replace(trial, split=longer)) == trial_key(panel, trial)
    assert computed(panel, replace(trial, split=longer), tmp_path / "a") == computed(panel, trial, tmp_path / "b")
    wide = replace(trial, expanding=True)
    assert trial_key(panel, replace(wide, split=longer)) != trial_key(panel, wide)


def test_keys_of_many_trials_are_those_of_each(panel, weights, models):
    shorter = replace(weights, schedule=replace(weights.schedule, lookback_days=60))
    later = replace(weights, split=split_of(panel, test=320))
    some = [weights, models, shorter, later, replace(weights, expanding=True), replace(models, threads=2), weights]
    keys = [unit.key for unit in trial_units(panel, some)]
    assert keys == [trial_key(panel, trial) for trial in some]
    assert len(set(keys)) == len(some) - 1


@pytest.mark.parametrize("rebalance", ["daily", "weekly", "monthly", "quarterly"])
def test_a_fold_decides_on_the_rebalance_dates_of_all_days_that_lie_in_it(panel, weights, rebalance):
    dates = np.delete(panel.dates, np.arange(310, 330))
    due = rebalance_dates(dates, rebalance, exchange="XNYS")
    for start in (0, 1, 280, 300, 309, 310, 311, 340):
        for stop in (start, start + 1, start + 25):
            test = DateRange(dates[start], dates[stop])
            split = replace(weights.split, train=DateRange(dates[0] - 9, dates[0] - 2), test=test)
            trial = replace(weights, split=split, schedule=replace(weights.schedule, rebalance=rebalance))
            expected = due[(due >= test.first) & (due <= test.last)]
            np.testing.assert_array_equal(trial.decision_dates(dates), expected)


def test_what_decisions_do_not_ask_of_a_fold_changes_no_number(panel, weights, tmp_path):
    dates = panel.dates
    shorter = replace(weights, split=split_of(panel, train=260))
    changes = {"valid": DateRange(dates[270], dates[290]), "horizon": 3, "lag": 2, "purge": 6}
    assert set(changes) == SPLIT_IDLE == {field.name for field in fields(Split)} - {"train", "test"}
    other = replace(shorter, split=replace(shorter.split, **changes))
    assert trial_key(panel, other) == trial_key(panel, shorter)
    assert computed(panel, other, tmp_path / "a") == computed(panel, shorter, tmp_path / "b")


@pytest.mark.parametrize("kind", ["weights", "models"])
def test_the_key_follows_the_data_that_decisions_read(panel, kind, request):
    trial = request.getfixturevalue(kind)
    key = trial_key(panel, trial)
    for row, matters in ((179, False), (180, True), (299, True), (383, True), (384, False)):
        close = panel.field("close").copy()
        close[row] *= 1.001
        assert (trial_key(panel.with_fields(close=close), trial) != key) == matters, row
    member = panel.member.copy()
    member[340, np.flatnonzero(member[340])[0]] = False
    assert trial_key(panel.with_member(member), trial) != key
    assert trial_key(panel.with_fields(volume=panel.field("close")), trial) == key
    assert trial_key(panel.until(383), trial) == key


def test_the_key_follows_releases_code_and_kernels(panel, weights, models, keys_elsewhere):
    for trial in (weights, models):
        key = trial_key(panel, trial)
        assert key not in keys_elsewhere(lambda trial=trial: trial_key(panel, trial), trials.LIBRARIES)
