"""Searches of settings through Ray Tune: they end, continue after their driver was killed, and keep what they found."""

import contextlib
import itertools
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import cloudpickle
import mlflow
import psutil
import pyarrow.parquet as pq
import pytest
from ray.tune.schedulers import ASHAScheduler

from quantray.distributed.executor import OnRay
from quantray.distributed.tuning import TUNING, _Sampler, tune_settings
from quantray.errors import InputError
from quantray.research.executor import Serial
from quantray.research.folder import read_run
from quantray.research.run import carry_out
from quantray.settings import read_settings, to_yaml
from quantray.studies.kinds import find_kind, read_study
from quantray.studies.portfolios.settings import PortfolioSettings
from quantray.studies.tuning.journal import Journal, Shown
from quantray.studies.tuning.sizing import TRIALS
from quantray.studies.tuning.study import load_tuning


@pytest.fixture(scope="module")
def portfolio(search_in, tmp_path_factory):
    return load_tuning(search_in(tmp_path_factory.mktemp("portfolio"), "portfolios"))


def test_a_search_is_a_kind_of_study(search_in, tmp_path):
    assert find_kind("tuning") is TUNING
    file, settings = tmp_path / "tune.yaml", search_in(tmp_path)
    file.write_text(to_yaml(settings))
    assert read_study(file, kind="tuning") == (TUNING, settings)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("confidence=0.9", "for confidence write resampling.confidence"),
        ("target.model=GAT", "for target.model write target.subject"),
        ("target.allocator=HRP", "for target.allocator write target.subject"),
        ("target.kind=forecasts", "for target.kind write nothing, for the study's file says its kind"),
    ],
)
def test_settings_of_an_older_layout_are_told_the_new_names(search_in, tmp_path, change, text):
    file = tmp_path / "tune.yaml"
    file.write_text(to_yaml(search_in(tmp_path)))
    with pytest.raises(InputError, match=f"an older layout; {text}"):
        read_study(file, [change])


def test_a_search_needs_ray(portfolio):
    with pytest.raises(InputError, match="a search needs Ray"):
        tune_settings(portfolio, Serial())


def searched(source, folder, kills, seed=0):
    """What the journal of a search holds, one trial at a time, that is killed each time it holds so many events."""
    settings = source.settings.model_copy(update={"trials": 12, "concurrent": 1, "seed": seed})
    names = itertools.count()
    for kill in [*kills, None]:
        journal = Journal(folder, "s")
        scheduler = ASHAScheduler(time_attr="round", metric="objective", mode="min", grace_period=1, max_t=5)
        sampler = _Sampler(source.prepared.subject.space, settings, "min", journal, scheduler)
        while len(journal.events) != kill and sum(trial.ended for trial in journal.trials.values()) < 12:
            trial = SimpleNamespace(trial_id=f"t{next(names)}")
            given = sampler.suggest(trial.trial_id)
            scheduler.on_trial_add(None, trial)
            number, at = given["number"], given["shown"]
            while len(journal.events) != kill and not journal.trials[number].ended:
                at += 1
                figures = {"round": at, "objective": math.cos(3.0 * number) / at}
                stopped = scheduler.on_trial_result(None, trial, figures) == "STOP"
                journal.shown(Shown(number=number, **figures, note="", finished=at == 3, stopped=stopped and at < 3))
            if journal.trials[number].ended:
                sampler.on_trial_complete(trial.trial_id, figures)
    return journal.events


def test_an_interrupted_search_draws_on_as_if_it_had_not_been(search_in, tmp_path):
    """Whenever it is killed: the same points in the same order, and the same trials stopped."""
    source = load_tuning(search_in(tmp_path))
    whole = searched(source, tmp_path / "whole", [])
    assert sum(event.event == "asked" for event in whole) == 12
    assert 0 < sum(event.event == "shown" and event.stopped for event in whole) < 12
    for kills in (*([number] for number in range(1, len(whole), 5)), [4, 5, 6, 7, 20]):
        assert searched(source, tmp_path / str(kills), kills) == whole, kills


def test_what_another_release_of_the_sampler_tried_stays_tried(search_in, tmp_path):
    """As one does that draws from another seed."""
    source = load_tuning(search_in(tmp_path))
    tried = searched(source, tmp_path / "s", [])
    journal = tmp_path / "s" / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:13]))
    whole = searched(source, tmp_path / "s", [], seed=5)
    points = [event.point for event in whole if event.event == "asked"]
    assert whole[:12] == tried[:12]
    assert whole != tried
    assert len({json.dumps(point) for point in points}) == len(points) == 12


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_portfolio_is_searched_to_the_end(portfolio, ray_cluster, capsys):
    prepared = portfolio.prepared
    record = tune_settings(portfolio, OnRay())
    assert len(record.trials) == 4
    assert len({trial.key for trial in record.trials}) == 4
    assert record.trials[0].values == prepared.subject.space.values(prepared.subject.space.start())
    ended = [trial.objective for trial in record.trials if trial.finished and not trial.note]
    assert record.best.objective == min(ended)
    alone = list(prepared.subject.rounds(prepared.subject.space.point(record.best.values)))
    assert record.best.curve.tolist() == [progress.objective for progress in alone]
    assert record.held_out.first > record.seen_through
    assert record.held_out.difference.n_days >= 20
    # The same call finds everything there, and its folder says so.
    folder = carry_out(TUNING, portfolio, OnRay())
    table = pq.read_table(folder / "trials.parquet")
    assert table["best"].to_pylist().count(True) == 1
    best = read_settings(PortfolioSettings, folder / "best.yaml")
    assert best.allocators[0].estimator == record.best.values["estimator"]
    assert best.folds.lookback_days == record.best.values["folds.lookback_days"]
    assert best.allocators[1] == read_study(portfolio.settings.target.study)[1].allocators[1]
    about = read_run(folder).about
    assert (about.computed, about.called) == (4, "trials")
    # Nothing was tried again, so only what was held out could have been, and that was there.
    assert about.took.parts == {}
    assert table["key"].to_pylist() == [trial.key for trial in record.trials]
    assert table["curve"].to_pylist() == [trial.curve.tolist() for trial in record.trials]
    metrics = json.loads((folder / "metrics.json").read_text())["Low risk"]
    assert metrics["held_out_difference"] == record.held_out.difference.mean
    page = (folder / "report.html").read_text()
    assert "so it is too low" in page
    assert "only results on later dates are out of sample" in page


def under_way(folder):
    """Whether some trial has shown three rounds, after which it waits."""
    files = list(folder.glob("runs/tune/search-*/journal.jsonl"))
    shown = [json.loads(line[33:]) for file in files for line in file.read_text().splitlines(keepends=True)[:-1]]
    return any(event["event"] == "shown" and event["round"] == 3 for event in shown)


class Bomb:
    """What is executed when it is loaded."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


def plant_bombs(folder, mark):
    """In the place of every file that Tune would load, or beside it."""
    content = cloudpickle.dumps(Bomb(mark))
    names = ["tuner.pkl", "trainable.pkl", "searcher-state-9.pkl", "search_gen_state-9.json", "callback_states-9.pkl"]
    state = {"_type": "CLOUDPICKLE_FALLBACK", "value": content.hex()}
    (search,) = folder.glob("runs/tune/search-*")
    for place in (search, *search.glob("ray-*")):
        files = {place / name for name in names} | set(place.rglob("*.pkl")) | set(place.glob("search*-state*"))
        for file in files:
            file.write_bytes(content)
        for file in {place / "experiment_state-9.json"} | set(place.glob("experiment_state-*.json")):
            file.write_text(
                json.dumps({"trial_data": [[json.dumps(state), "{}"]], "runner_data": state, "stats": state})
            )


def killed(folder):
    """Start the search of a folder, kill it while trials wait, and return what it said."""
    command = [sys.executable, str(Path(__file__).with_name("held_search.py")), str(folder / "tune.yaml")]
    with (folder / "log").open("w") as log:
        driver = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
    children = []
    try:
        limit = time.monotonic() + 600
        while not under_way(folder):
            assert driver.poll() is None, f"ended by itself: {(folder / 'log').read_text()}"
            assert time.monotonic() < limit, f"no trial came to its third round: {(folder / 'log').read_text()}"
            time.sleep(0.1)
        children = psutil.Process(driver.pid).children(recursive=True)
    finally:
        driver.kill()
        driver.wait()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
    return (folder / "log").read_text()


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_killed_search_continues(search_in, tmp_path, ray_cluster, capsys):
    """Killed after a trial was under way: the same call ends it, with every trial and every tracked run once."""
    asked = search_in(tmp_path, "portfolios", tracking={"mlflow": True}, stopping={"grace": 4, "reduction": 3})
    (tmp_path / "tune.yaml").write_text(to_yaml(asked))
    said = killed(tmp_path)
    (folder,) = tmp_path.glob("runs/search-*")
    assert read_run(folder).about is None, said
    plant_bombs(tmp_path, tmp_path / "executed")
    source = load_tuning(read_study(tmp_path / "tune.yaml")[1])
    assert carry_out(TUNING, source, OnRay()) == folder, said
    assert "continuing the search" in capsys.readouterr().err
    assert not (tmp_path / "executed").exists()
    assert list(tmp_path.glob("runs/search-*")) == [folder]
    table = pq.read_table(folder / "trials.parquet")
    assert table["number"].to_pylist() == [1, 2, 3, 4]
    assert len(set(table["key"].to_pylist())) == 4
    assert any(table["finished"].to_pylist())
    assert all(
        len(curve) == rounds
        for curve, rounds in zip(table["curve"].to_pylist(), table["rounds"].to_pylist(), strict=True)
    )
    about = read_run(folder).about
    assert about.computed == 4
    assert about.took.parts[TRIALS].units > 0
    best_trial = about.facts["best"]
    assert math.isfinite(best_trial["objective"])
    best = read_settings(PortfolioSettings, folder / "best.yaml")
    assert best.allocators[0].estimator == best_trial["values"]["estimator"]
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("quantray").experiment_id
    runs = client.search_runs([experiment])
    # Each trial and the search.
    assert [run.info.status for run in runs] == ["FINISHED"] * 5
    keys = {f"{about.config_hash}-{key}" for key in [*table["key"].to_pylist(), about.digest]}
    assert {run.data.tags["quantray.key"] for run in runs} == keys
