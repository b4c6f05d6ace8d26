from dataclasses import fields, replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from quantray.data.panel import Panel
from quantray.data.splits import DateRange
from quantray.errors import DataError, InputError
from quantray.models import learned
from quantray.models.checkpoint import load_checkpoint
from quantray.models.layers import LayerSettings
from quantray.research.provenance import traits
from quantray.research.results import ResultStore
from quantray.studies.forecasts import trial as forecast_trial
from quantray.studies.forecasts.settings import ModelSettings, OwnFeatureSettings, TrainingChoice
from quantray.studies.forecasts.study import study_splits
from quantray.studies.forecasts.trial import (
    ForecastData,
    ForecastTrial,
    due_trials,
    forecast_key,
    forecast_origin,
    forecast_units,
    run_forecast,
    scores_from,
)


class GoneError(Exception):
    """Stands for a machine that goes away."""


@pytest.fixture
def data(forecast_study, tmp_path):
    """The data of the study, with results of its own."""
    source, _ = forecast_study
    return ForecastData(source.data.panel, source.data.sectors, ResultStore(tmp_path))


@pytest.fixture
def trial(forecast_study, network):
    """The second fold: training rows 170-289, validation 292-311, test 314-353, look-backs from row 40."""
    source, _ = forecast_study
    return ForecastTrial(network(), study_splits(source.settings, source.data.panel)[1], seed=0, before=130)


def run(data, trial):
    """The trial as a worker gets it."""
    return run_forecast(data, *due_trials(data, [trial]))


def changed(data, rows, field="close", factor=1.0001):
    values = data.panel.field(field).copy()
    values[rows] *= factor
    return replace(data, panel=data.panel.with_fields(**{field: values}))


def test_keys_of_many_trials_are_those_of_each(data, trial, forecast_study):
    source, _ = forecast_study
    later = study_splits(source.settings, source.data.panel)[2]
    some = [trial, replace(trial, seed=1), replace(trial, split=later), replace(trial, before=90), trial]
    keys = [unit.key for unit in forecast_units(data, some)]
    assert keys == [forecast_key(data, one) for one in some]
    assert len(set(keys)) == len(some) - 1


def test_a_trial_reads_its_rows_and_the_names_that_are_members_in_them(data, trial):
    history = trial.history(data.panel)
    assert_array_equal(history.dates, data.panel.dates[40:354])
    members = data.panel.member[40:354].any(axis=0)
    assert_array_equal(history.assets, data.panel.assets[members])
    # Some left before or join later, so this says something.
    assert 0 < members.sum() < data.panel.member.any(axis=0).sum()


def test_the_key_follows_the_data_that_the_trial_reads(data, trial):
    key = forecast_key(data, trial)
    for rows in (slice(0, 40), slice(354, None)):
        assert forecast_key(changed(data, rows), trial) == key
    for rows in (40, 170, 291, 300, 353):
        assert forecast_key(changed(data, rows), trial) != key
        assert forecast_key(changed(data, rows, "volume"), trial) != key


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 8},
        {"heads": 4},
        {"dropout": 0.2},
        {"attention": "complete"},
        {"recompute": True},
        {"shuffled_labels": True},
        {"warm_start": True},
        {"training": TrainingChoice(epochs=3)},
        {"training": TrainingChoice(loss="mse")},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_the_key_follows_the_settings(data, trial, network, changes):
    assert forecast_key(data, replace(trial, model=network(**changes))) != forecast_key(data, trial)


MODEL = {
    "kind": "ridge",
    "attention": "dense",
    "width": 8,
    "layers": 2,
    "heads": 4,
    "dropout": 0.2,
    "recompute": True,
    "graph.kind": "random",
    "graph.k": 7,
    "graph.cap": 40,
    "graph.window": 100,
    "graph.threshold": 0.1,
    "graph.n_factors": 1,
    "training.mode": "windows",
    "training.steps": 9,
    "training.warm_up_days": 21,
    "training.precision": "bf16",
    "training.batch": 2,
    "training.accumulate": 2,
    "training.epochs": 3,
    "training.patience": 1,
    "training.stages": ("encoder", "joint"),
    "training.learning_rate": 0.02,
    "training.weight_decay": 0.01,
    "training.clip": 0.5,
    "training.loss": "mse",
    "shuffled_labels": True,
    "warm_start": True,
    "warm_epochs": 5,
    "device": "cuda",
}
"""Dotted field of a model -> another value than that of the small network."""
MODEL_NAMES = {"name": "Other", "reference": True}
"""What the report calls a model and compares with it; no score depends on them."""
OWN_FIELDS = {"parameters", "trial_seconds"}
"""Of forecasters of users' own; see ``test_own``."""


def with_field(model, dotted, value):
    """The model with one field changed, checked as settings are."""
    content = model.model_dump()
    *path, last = dotted.split(".")
    node = content
    for part in path:
        node = node[part]
    assert node[last] != value, dotted
    node[last] = value
    return ModelSettings.model_validate(content)


def dotted_fields(settings):
    """Dotted names of all fields, those below fields among them."""
    names = set()
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        below = dotted_fields(value) if hasattr(value, "model_dump") else ()
        names |= {f"{name}.{inner}" for inner in below} or {name}
    return names


def test_every_field_of_a_model_changes_the_key(data, trial):
    assert dotted_fields(trial.model) == set(MODEL) | set(MODEL_NAMES) | OWN_FIELDS
    keys = {forecast_key(data, trial)}
    for name, value in MODEL.items():
        key = forecast_key(data, replace(trial, model=with_field(trial.model, name, value)))
        assert key not in keys, name
        keys.add(key)


def test_what_a_model_is_called_changes_neither_key_nor_scores(data, trial, tmp_path):
    ridge = replace(trial, model=ModelSettings(name="ridge", kind="ridge"))
    scores = data.results.get(run(data, ridge))
    for name, value in MODEL_NAMES.items():
        other = replace(ridge, model=with_field(ridge.model, name, value))
        assert forecast_key(data, other) == forecast_key(data, ridge), name
        alone = replace(data, results=ResultStore(tmp_path / name))
        assert alone.results.get(run(alone, other)).to_pydict() == scores.to_pydict(), name


def test_every_field_of_a_forecasting_trial_changes_the_key(data, trial):
    dates, split = data.panel.dates, trial.split
    rows = split.rows(dates)
    ranges = {
        "train": DateRange(dates[rows.train.start + 1], split.train.last),
        "valid": DateRange(split.valid.first, dates[rows.valid.stop - 2]),
        "test": DateRange(split.test.first, dates[rows.test.stop - 2]),
    }
    splits = {name: replace(split, **{name: part}) for name, part in ranges.items()}
    splits["train last"] = replace(split, train=DateRange(split.train.first, dates[rows.train.stop - 2]))
    splits["valid first"] = replace(split, valid=DateRange(dates[rows.valid.start + 1], split.valid.last))
    splits["test first"] = replace(split, test=DateRange(dates[rows.test.start + 1], split.test.last))
    splits["no valid"] = replace(split, valid=None)
    small = replace(split, horizon=0, lag=0, purge=2)
    splits |= {"horizon": replace(split, horizon=0), "lag": replace(split, lag=0), "both": small}
    near = replace(small, purge=1)
    splits["purge"] = near
    assert {field.name for field in fields(type(split))} == {"train", "valid", "test", "horizon", "lag", "purge"}
    keys = {forecast_key(data, trial)}
    for name, other in splits.items():
        key = forecast_key(data, replace(trial, split=other))
        assert key not in keys, name
        keys.add(key)
    changes: dict = {"seed": 1, "before": 120, "threads": 2, "parent": "a" * 32, "numerics": "any"}
    changes["features"] = (OwnFeatureSettings(name="gap", feature="own_features:gap", lookback=5),)
    assert set(changes) | {"model", "split"} == {field.name for field in fields(ForecastTrial)}
    for name, value in changes.items():
        key = forecast_key(data, replace(trial, **{name: value}))
        assert key not in keys, name
        keys.add(key)


def test_the_key_follows_releases_code_and_kernels_and_no_folder(data, trial, tmp_path, keys_elsewhere):
    key = forecast_key(data, trial)
    assert key == forecast_key(replace(data, results=ResultStore(tmp_path / "other")), trial)
    assert key not in keys_elsewhere(lambda: forecast_key(data, trial), forecast_trial._LIBRARIES)


@pytest.mark.parametrize("changes", [{"seed": 1}, {"threads": 2}, {"parent": "a" * 32}, {"before": 120}], ids=str)
def test_the_key_follows_what_the_trial_is(data, trial, changes):
    assert forecast_key(data, replace(trial, **changes)) != forecast_key(data, trial)


def test_the_key_follows_the_labels(data, trial):
    further = replace(trial.split, lag=0)
    assert forecast_key(data, replace(trial, split=further)) != forecast_key(data, trial)


def test_names_of_models_are_only_names(data, trial, network):
    assert forecast_key(data, replace(trial, model=network("Other"))) == forecast_key(data, trial)


def test_the_key_follows_the_sectors_of_its_names(data, trial):
    key, inside = forecast_key(data, trial), str(trial.history(data.panel).assets[0])
    assert forecast_key(replace(data, sectors=data.sectors | {inside: "Other"}), trial) != key
    assert forecast_key(replace(data, sectors=data.sectors | {"STRANGER": "Other"}), trial) == key
    assert forecast_key(replace(data, sectors=dict(reversed(data.sectors.items()))), trial) == key


def test_new_days_and_names_that_join_later_leave_old_keys_alone(data, trial):
    key, panel = forecast_key(data, trial), data.panel
    assert forecast_key(replace(data, panel=panel.until(353)), trial) == key
    # One name with prices all along that joins after the test range, and one that left before all that is read.
    rows = np.arange(len(panel.dates))[:, None]
    member = np.hstack([panel.member, rows >= 354, rows < 40])
    fields = {name: np.hstack([values, np.full((len(rows), 2), 20.0)]) for name, values in panel.fields.items()}
    grown = Panel(panel.dates, np.append(panel.assets, ["JOINS", "LEFT"]), fields, member)
    assert forecast_key(replace(data, panel=grown), trial) == key
    member[353, -2] = True
    assert forecast_key(replace(data, panel=grown.with_member(member)), trial) != key


def test_a_name_that_will_be_a_member_again_changes_nothing_before(data, trial):
    def scores(again):
        rows = np.arange(len(data.panel.dates))[:, None]
        member = np.hstack([data.panel.member, (rows < 120) | (again & (rows == 353))])
        # Its returns are far from all others', so that the market's show it.
        price = 20 * 1.2 ** (rows % 2)
        fields = {name: np.hstack([values, price]) for name, values in data.panel.fields.items()}
        panel = Panel(data.panel.dates, np.append(data.panel.assets, ["AGAIN"]), fields, member)
        ridge = replace(trial, model=ModelSettings(name="ridge", kind="ridge"))
        return scores_from(data.results, [run(replace(data, panel=panel), ridge)], panel)

    assert_array_equal(scores(True)[314:353], scores(False)[314:353])


def test_a_unit_of_work_may_run_twice(data, trial, monkeypatch):
    key = run(data, trial)
    assert key == forecast_key(data, trial)
    first = data.results.get(key)
    monkeypatch.setattr(learned.NetworkForecaster, "fit", lambda *_, **__: pytest.fail("fitted again"))
    assert run(data, trial) == key
    assert data.results.get(key).equals(first)
    notes = data.results.notes(key)
    assert (notes["epochs"], notes["test"]) == ("2", str(trial.split.test))
    assert -1 <= float(notes["valid_ic"]) <= 1


def test_scores_are_of_the_test_dates_and_members(data, trial):
    scores = scores_from(data.results, [run(data, trial)], data.panel)
    assert scores.shape == data.panel.shape
    known = ~np.isnan(scores)
    assert_array_equal(np.flatnonzero(known.any(axis=1)), np.arange(314, 354))
    assert_array_equal(known[314:354], data.panel.member[314:354])


@pytest.mark.parametrize("stages", [("joint",), ("encoder", "joint")], ids=["joint", "staged"])
def test_a_fit_that_was_cut_off_goes_on_from_its_last_epoch(data, trial, tmp_path, monkeypatch, stages):
    choice = TrainingChoice(**(trial.model.training.model_dump() | {"epochs": 3, "patience": 3, "stages": stages}))
    trial = replace(trial, model=trial.model.model_copy(update={"training": choice}))
    key = run(data, trial)
    total = 3 * len(stages)
    cut, write = replace(data, results=ResultStore(tmp_path / "cut")), learned.save_checkpoint
    epochs = []

    def gone(path, checkpoint):
        write(path, checkpoint)
        epochs.append(len(checkpoint.progress.history))
        raise GoneError

    monkeypatch.setattr(learned, "save_checkpoint", gone)
    for done in range(1, total + 1):
        with pytest.raises(GoneError):
            run(cut, trial)
        assert epochs[-1] == done
        assert not cut.results.has(key)
    monkeypatch.setattr(learned, "save_checkpoint", write)
    assert run(cut, trial) == key
    assert cut.results.get(key).equals(data.results.get(key))
    assert cut.results.notes(key) == data.results.notes(key)
    checkpoints = [(found.folder(key) / "checkpoint.pt").read_bytes() for found in (data, cut)]
    assert checkpoints[0] == checkpoints[1]


def test_a_child_starts_from_its_parent(data, trial, network):
    warm = network(warm_start=True, warm_epochs=1)
    parent = run(data, replace(trial, model=warm))
    later = data.panel.dates[[210, 329, 332, 351, 354, 393]]
    split = replace(
        trial.split,
        train=replace(trial.split.train, first=later[0], last=later[1]),
        valid=replace(trial.split.valid, first=later[2], last=later[3]),
        test=replace(trial.split.test, first=later[4], last=later[5]),
    )
    child = replace(trial, model=warm, split=split, parent=parent)
    key = run(data, child)
    made = load_checkpoint(data.folder(key) / "checkpoint.pt")
    before = load_checkpoint(data.folder(parent) / "checkpoint.pt")
    assert made.parent == before.identity
    assert len(made.progress.history) == 1
    assert before.data_through <= split.train.last
    cold = run(data, replace(child, parent=None))
    assert not data.results.get(cold).equals(data.results.get(key))


def test_a_parent_that_saw_the_future_is_refused(data, trial, network):
    warm = network(warm_start=True)
    parent = run(data, replace(trial, model=warm))
    with pytest.raises(InputError, match="the earlier fit has seen data through"):
        run(data, replace(trial, model=warm, parent=parent))


def test_a_parent_whose_checkpoint_is_gone_is_named(data, trial, network):
    with pytest.raises(DataError, match=r"checkpoint .* is not there; train first"):
        run(data, replace(trial, model=network(warm_start=True), parent="0" * 32))


def test_seeds_and_folds_differ_and_nothing_else_does(data, trial):
    rules = ModelSettings(name="reversal", kind="reversal")
    first, again = (run(data, replace(trial, seed=seed)) for seed in (0, 1))
    assert not data.results.get(first).equals(data.results.get(again))
    first, again = (run(data, replace(trial, model=rules, seed=seed)) for seed in (0, 1))
    assert data.results.get(first).equals(data.results.get(again))


def test_nobody_to_forecast_is_refused(data, trial):
    empty = replace(data, panel=data.panel.with_member(np.zeros(data.panel.shape, dtype=np.bool_)))
    with pytest.raises(DataError, match="nobody is a member between"):
        forecast_key(empty, trial)


OWN_LAYER = """
from torch_geometric.nn import MessagePassing

class Mean(MessagePassing):
    def __init__(self):
        super().__init__(aggr="mean")

    def forward(self, x, edge_index):
        return self.propagate(edge_index, x=x)
"""


def test_a_layer_of_ones_own_runs_and_is_part_of_the_key(data, trial, network, tmp_path, monkeypatch):
    (tmp_path / "own_layers.py").write_text(OWN_LAYER)
    monkeypatch.syspath_prepend(tmp_path)
    brief = {"training": TrainingChoice(epochs=1), "layers": 1}
    chosen = replace(trial, model=network(attention={"layer": "own_layers:Mean"}, **brief))
    key = run(data, chosen)
    scores = scores_from(data.results, [key], data.panel)
    assert (~np.isnan(scores[314:354])).sum() > 100
    again = learned.FittedNetwork.load(data.folder(key) / "checkpoint.pt").network
    assert again.settings.attention == LayerSettings("own_layers:Mean")
    assert "own_layers:Mean source" in traits(forecast_origin(chosen))["code"]
    by_name = replace(trial, model=network(attention={"layer": "SAGEConv"}, **brief))
    assert "torch_geometric.nn:SAGEConv torch-geometric" in traits(forecast_origin(by_name))["code"]
    assert len({forecast_key(data, one) for one in (trial, chosen, by_name)}) == 3
