"""Searches of settings through Ray Tune: they end, continue after their driver was killed, and never look ahead."""

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest
import yaml

from quantray.analytics.selection import expected_maximum_sharpe
from quantray.data.panel import Panel
from quantray.distributed.executor import OnRay
from quantray.distributed.tuning import tune_settings
from quantray.errors import InputError
from quantray.models.forecaster import FitContext
from quantray.research.executor import Serial
from quantray.settings import read_settings
from quantray.studies.forecasts.settings import ForecastSettings
from quantray.studies.forecasts.trial import build_forecaster
from quantray.studies.portfolios.settings import PortfolioSettings
from quantray.studies.portfolios.study import study_trials
from quantray.studies.tuning.record import TuningRecord, TuningTrial
from quantray.studies.tuning.runs import track_trials, write_tuning
from quantray.studies.tuning.settings import Choice, SearchSpace, TuningSettings
from quantray.studies.tuning.study import load_tuning
from quantray.studies.tuning.trial import portfolio_panel

ROOT = Path(__file__).parents[2]

FORECASTS = {
    "name": "tiny",
    "data": {"kind": "simulated", "n_assets": 24, "n_days": 430, "seed": 3, "planted_signal": 0.2},
    "folds": {"train_days": 60, "valid_days": 12, "test_days": 30, "horizon": 1, "warm_up_days": 270},
    "models": [
        {
            "name": "Net",
            "attention": "complete",
            "width": 8,
            "layers": 1,
            "heads": 2,
            "training": {"epochs": 3, "patience": 3, "steps": 10, "warm_up_days": 10},
        }
    ],
    "seeds": 1,
}
PORTFOLIO = {
    "name": "small",
    "data": {"kind": "simulated", "n_assets": 20, "n_days": 440, "seed": 3},
    "allocators": [
        {"name": "Low risk", "rule": "minimum_variance", "estimator": "sample"},
        {"name": "Equal", "rule": "equal_weight"},
    ],
    "benchmark": "Equal",
    "folds": {"lookback_days": 126, "test_days": 63},
}
NETWORK_SPACE = {
    "training.learning_rate": {"kind": "loguniform", "low": 1e-4, "high": 1e-2},
    "dropout": {"kind": "uniform", "low": 0.0, "high": 0.5},
    "width": {"kind": "integers", "low": 4, "high": 10},
}
PORTFOLIO_SPACE = {
    "estimator": {"kind": "choice", "values": ["sample", "ledoit_wolf", "oas", "statistical"]},
    "folds.lookback_days": {"kind": "integers", "low": 84, "high": 168, "step": 21},
    "max_weight": {"kind": "choice", "values": [0.2, 1.0]},
}


def settings(folder, *, portfolio=False, **changes):
    study = folder / "study.yaml"
    study.write_text(yaml.safe_dump(PORTFOLIO if portfolio else FORECASTS))
    target = {"kind": "portfolio", "allocator": "Low risk"} if portfolio else {"kind": "forecasts", "model": "Net"}
    content = {
        "name": "search",
        "target": target | {"study": str(study)},
        "space": PORTFOLIO_SPACE if portfolio else NETWORK_SPACE,
        "trials": 4,
        "concurrent": 2,
        "stopping": {"grace": 1, "reduction": 2},
        "cluster": {"kind": "local", "cpus": 2, "auth": "disabled"},
        "runs": str(folder / "runs"),
    }
    return TuningSettings.model_validate(content | changes)


def changed_later(panel, first):
    """The panel with other prices and members from a date on."""
    row = panel.row(first)
    fields = {name: values.copy() for name, values in panel.fields.items()}
    for values in fields.values():
        values[row:] *= np.exp(np.random.default_rng(5).normal(0, 0.3, values[row:].shape))
    member = panel.member.copy()
    member[row:, ::2] = False
    return Panel(panel.dates, panel.assets, fields, member)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return load_tuning(settings(tmp_path_factory.mktemp("network")))


@pytest.fixture(scope="module")
def portfolio(tmp_path_factory):
    return load_tuning(settings(tmp_path_factory.mktemp("portfolio"), portfolio=True))


def test_an_unknown_setting_is_refused_with_the_nearest(tmp_path):
    space = {"training.lerning_rate": {"kind": "uniform", "low": 0.1, "high": 0.2}}
    with pytest.raises(InputError, match=r"'training.lerning_rate', which is no setting.*'training.learning_rate'"):
        load_tuning(settings(tmp_path, space=space))


@pytest.mark.parametrize(
    ("space", "text"),
    [
        ({"width": {"kind": "integers", "low": 0, "high": 8}}, "width cannot be 0: .*greater than or equal to 1"),
        ({"dropout": {"kind": "uniform", "low": 0.0, "high": 1.0}}, "dropout cannot be 1.0"),
        ({"attention": {"kind": "choice", "values": ["none", "some"]}}, "attention cannot be 'some'"),
        ({"name": {"kind": "choice", "values": ["a", "b"]}}, "'name', which is no setting to search"),
    ],
)
def test_values_that_are_refused_whatever_the_others(tmp_path, space, text):
    with pytest.raises(InputError, match=text):
        load_tuning(settings(tmp_path, space=space))


@pytest.mark.parametrize(
    ("dimension", "text"),
    [
        ({"kind": "uniform", "low": 2, "high": 1}, "low 2 must lie below high 1"),
        ({"kind": "loguniform", "low": 0, "high": 1}, "greater than 0"),
        ({"kind": "integers", "low": 0, "high": 8, "log": True}, "log needs low of 1 or more"),
        ({"kind": "choice", "values": ["a", "a"]}, "repeat"),
        ({"kind": "normal", "low": 0, "high": 1}, "does not match any of the expected tags"),
    ],
)
def test_dimensions_that_make_no_sense(tmp_path, dimension, text):
    file = tmp_path / "tune.yaml"
    content = settings(tmp_path).model_dump(mode="json") | {"space": {"dropout": dimension}}
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match=text):
        read_settings(TuningSettings, file)


def test_targets_and_dates_that_are_not_there(tmp_path):
    asked = settings(tmp_path)
    with pytest.raises(InputError, match="has no network 'Not'; its networks are Net"):
        load_tuning(asked.model_copy(update={"target": asked.target.model_copy(update={"model": "Not"})}))
    with pytest.raises(InputError, match="lower held_out"):
        load_tuning(settings(tmp_path, held_out=9))
    asked = settings(tmp_path, portfolio=True)
    with pytest.raises(InputError, match="has no allocator 'Not'; its allocators are Low risk, Equal"):
        load_tuning(asked.model_copy(update={"target": asked.target.model_copy(update={"allocator": "Not"})}))
    below = {"alpha.risk_aversion": {"kind": "loguniform", "low": 1, "high": 10}}
    with pytest.raises(InputError, match="the study has no alpha"):
        load_tuning(settings(tmp_path, portfolio=True, space=below))


def test_points_go_there_and_back(network, portfolio):
    for source in (network, portfolio):
        space = source.subject.space
        start = space.start()
        assert start is not None
        assert space.settings(start) == space.base
        assert space.point(space.values(start)) == start
    assert not network.subject.space.allows(network.subject.space.start() | {"width": 7})
    stages = Choice(values=(("joint",), ("encoder", "cross", "joint")))
    space = SearchSpace(network.subject.space.base, {"training.stages": stages})
    assert space.start() == {"training.stages": '["joint"]'}
    found = space.settings({"training.stages": '["encoder", "cross", "joint"]'})
    assert found.training.stages == ("encoder", "cross", "joint")


def test_fits_side_by_side_are_those_alone(network, tmp_path):
    """The objective is the mean of the best validation ICs of fits made one after the other."""
    subject = replace(network.subject, folder=tmp_path)
    progress = list(subject.rounds(subject.space.start()))
    assert [p.finished for p in progress] == [False, False, True]
    again = list(subject.rounds(subject.space.start()))
    assert again == progress
    panel, found = network.base.data.panel, []
    for split in subject.splits:
        fold = int(split.test.first.astype(np.int64))
        seed = int(np.random.SeedSequence([fold, 0]).generate_state(1)[0])
        forecaster = build_forecaster(subject.space.base)
        start = split.rows(panel.dates).train.start - subject.before
        history = panel.between(panel.dates[start], panel.dates[split.rows(panel.dates).test.stop - 1])
        fitted = forecaster.fit(history, split, context=FitContext(sectors=subject.data.sectors, seed=seed))
        found.append(fitted.checkpoint.progress.best_ic)
    assert progress[-1].objective == pytest.approx(np.mean(found), abs=1e-6)


def test_a_trial_that_was_cut_off_goes_on(network, tmp_path):
    whole = replace(network.subject, folder=tmp_path / "whole")
    cut = replace(network.subject, folder=tmp_path / "cut")
    point = whole.space.start()
    first = cut.rounds(point)
    next(first)
    first.close()
    assert list(cut.rounds(point)) == list(whole.rounds(point))


def test_the_objective_does_not_see_the_dates_held_out(network, portfolio, tmp_path, monkeypatch):
    for source, loader in ((network, "load_forecasts"), (portfolio, "load_portfolios")):
        first = source.first_held_out
        panel = changed_later(source.base.data.panel, first)
        other = replace(source.base, data=replace(source.base.data, panel=panel))
        monkeypatch.setattr(f"quantray.studies.tuning.study.{loader}", lambda _, other=other: other)
        blind = load_tuning(source.settings)
        assert blind.first_held_out == first
        assert blind.seen_through < first
        subject = replace(blind.subject, folder=tmp_path) if source is network else blind.subject
        point = source.subject.space.start()
        expected = list(source.subject.rounds(point))
        assert expected[-1].finished
        assert list(subject.rounds(point)) == expected


def test_a_fold_validates_before_its_test(network, tmp_path):
    """Prices of the test ranges of earlier folds are later folds' training; those of the last are nobody's."""
    subject = network.subject
    assert all(split.valid.last < network.first_held_out for split in subject.splits)
    row = subject.data.panel.row(network.first_held_out)
    assert all(np.isnan(values[row:]).all() for values in subject.data.panel.fields.values())
    assert not subject.data.panel.member[row:].any()


def test_look_backs_are_measured_on_the_same_days(portfolio):
    subject = portfolio.subject
    firsts = set()
    for days in (84, 168):
        point = subject.space.start() | {"folds.lookback_days": days}
        study = subject.space.settings(point)
        panel = portfolio_panel(portfolio.base.panel, study, subject.splits[0])
        firsts.add(tuple(str(trial.split.test) for trial in study_trials(study, panel)["Low risk"]))
    assert len(firsts) == 1


def test_settings_that_cannot_be_used_are_told(portfolio):
    space = portfolio.subject.space
    point = space.start() | {"estimator": '"statistical"', "max_weight": "0.2"}
    assert space.allows(point)
    tight = replace(
        portfolio.subject, space=SearchSpace(space.settings(point), {"max_weight": Choice(values=(0.01, 1.0))})
    )
    (told,) = tight.rounds({"max_weight": "0.01"})
    assert told.finished
    assert told.objective == 10.0
    assert "max_weight 0.01 invests at most 17%" in told.note


def test_a_search_needs_ray(portfolio):
    with pytest.raises(InputError, match="a search needs Ray"):
        tune_settings(portfolio, Serial())


@pytest.mark.slow
def test_a_tracked_run_that_was_cut_off_is_completed(portfolio):
    point = portfolio.subject.space.start()
    trials = tuple(
        TuningTrial(f"key{i}", portfolio.subject.space.values(point), np.array([0.2, 0.1 + i]), True) for i in range(3)
    )
    record = TuningRecord("Low risk", "yearly volatility", False, trials, None, portfolio.seen_through)
    client = mlflow.MlflowClient(f"sqlite:///{Path(portfolio.settings.runs) / 'mlflow.db'}")
    Path(portfolio.settings.runs).mkdir(exist_ok=True)
    experiment = client.create_experiment("quantray")
    client.create_run(experiment, tags={"quantray.key": f"{portfolio.identity}-key1"})
    for _ in range(2):
        track_trials(portfolio, record)
    runs = client.search_runs([experiment])
    assert [run.info.status for run in runs] == ["FINISHED"] * 3
    assert sorted(run.data.metrics["objective"] for run in runs) == [0.1, 1.1, 2.1]
    assert sum(run.data.tags["quantray.best"] == "true" for run in runs) == 1


def test_the_best_of_many_is_judged_by_their_number():
    values = {"dropout": 0.1}
    trials = [TuningTrial(str(i), values, np.array([ic]), True) for i, ic in enumerate((0.01, 0.02, 0.03))]
    trials.append(TuningTrial("stopped", values, np.array([0.9]), False))
    trials.append(TuningTrial("failed", values, np.array([-1.0]), True, "diverged"))
    last = np.datetime64("2024-01-02")
    record = TuningRecord("Net", "mean validation IC", True, tuple(trials), None, last)
    assert record.best is trials[2]
    assert record.lucky == pytest.approx(0.02 + 0.01 * expected_maximum_sharpe(5, 1.0))
    assert replace(record, maximise=False).best is trials[0]
    assert replace(record, maximise=False).lucky == pytest.approx(0.04 - record.lucky)
    with pytest.raises(InputError, match=r"none of 1 trials ran to its end \(diverged\)"):
        replace(record, trials=(trials[4],))


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_portfolio_is_searched_to_the_end(portfolio, ray_cluster, capsys):
    record = tune_settings(portfolio, OnRay())
    assert len(record.trials) == 4
    assert len({trial.key for trial in record.trials}) == 4
    assert record.trials[0].values == portfolio.subject.space.values(portfolio.subject.space.start())
    ended = [trial.objective for trial in record.trials if trial.finished and not trial.note]
    assert record.best.objective == min(ended)
    alone = list(portfolio.subject.rounds(portfolio.subject.space.point(record.best.values)))
    assert record.best.curve.tolist() == [progress.objective for progress in alone]
    assert record.held_out.first > record.seen_through
    folder = write_tuning(portfolio, record)
    table = pq.read_table(folder / "trials.parquet")
    assert table["best"].to_pylist().count(True) == 1
    best = read_settings(PortfolioSettings, folder / "best.yaml")
    assert best.allocators[0].estimator == record.best.values["estimator"]
    assert best.folds.lookback_days == record.best.values["folds.lookback_days"]
    assert best.allocators[1] == portfolio.written.allocators[1]
    about = json.loads((folder / "tuning.json").read_text())
    assert about["n_trials"] == 4
    assert about["held_out"]["difference"]["days"] >= 20
    page = (folder / "report.html").read_text()
    assert "so it is too low" in page
    assert "only results on later dates are out of sample" in page
    # The same call finds everything there.
    again = tune_settings(portfolio, OnRay())
    assert [trial.key for trial in again.trials] == [trial.key for trial in record.trials]
    assert [trial.curve.tolist() for trial in again.trials] == [trial.curve.tolist() for trial in record.trials]


def started(folder, program):
    file = folder / "tune.yaml"
    long = {**FORECASTS, "models": [json.loads(json.dumps(FORECASTS["models"][0]))]}
    long["models"][0]["training"] |= {"epochs": 6, "patience": 6}
    asked = settings(folder, tracking={"mlflow": True}, stopping={"grace": 4, "reduction": 3})
    (folder / "study.yaml").write_text(yaml.safe_dump(long))
    file.write_text(yaml.safe_dump(asked.model_dump(mode="json")))
    command = [sys.executable, str(program), str(file)]
    with (folder / "log").open("a") as log:
        return subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )


def under_way(folder):
    """Whether some trial has shown three rounds, after which it waits, and the state of the search names it."""
    shown = any(len(p.read_text().splitlines()) >= 3 for p in folder.glob("runs/tune/search-*/*/result.json"))
    states = list(folder.glob("runs/tune/search-*/experiment_state-*.json"))
    return shown and any('"trial_data": [[' in state.read_text() for state in states)


@pytest.mark.ray
@pytest.mark.slow
def test_a_killed_search_continues(tmp_path):
    """Killed after a trial was under way: the same command ends it, with every trial and every tracked run once."""
    driver, children = started(tmp_path, Path(__file__).with_name("held_search.py")), []
    try:
        limit = time.monotonic() + 240
        while not under_way(tmp_path):
            assert driver.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < limit, (tmp_path / "log").read_text()
            time.sleep(0.1)
        children = psutil.Process(driver.pid).children(recursive=True)
        driver.send_signal(signal.SIGKILL)
        driver.wait(timeout=60)
    finally:
        driver.kill()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
    assert not list(tmp_path.glob("runs/search-*/tuning.json"))
    again = started(tmp_path, ROOT / "workflows" / "tune_models.py")
    assert again.wait(timeout=400) == 0, (tmp_path / "log").read_text()
    assert "continuing the search" in (tmp_path / "log").read_text()
    (folder,) = tmp_path.glob("runs/search-*")
    table = pq.read_table(folder / "trials.parquet")
    assert table["number"].to_pylist() == [1, 2, 3, 4]
    assert len(set(table["key"].to_pylist())) == 4
    assert any(table["finished"].to_pylist())
    assert all(
        len(curve) == rounds
        for curve, rounds in zip(table["curve"].to_pylist(), table["rounds"].to_pylist(), strict=True)
    )
    about = json.loads((folder / "tuning.json").read_text())
    assert about["n_trials"] == 4
    assert math.isfinite(about["best"]["objective"])
    best = read_settings(ForecastSettings, folder / "best.yaml")
    assert best.models[0].dropout == about["best"]["values"]["dropout"]
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("quantray").experiment_id
    runs = client.search_runs([experiment])
    assert [run.info.status for run in runs] == ["FINISHED"] * 4
    assert len({run.data.tags["quantray.key"] for run in runs}) == 4
