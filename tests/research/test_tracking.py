"""Tracking in MLflow: once per run content, and never the reason that a run fails or waits."""

import threading
import time
from dataclasses import replace
from unittest.mock import MagicMock

import mlflow
import pytest

from quantray.research import probing, tracking
from quantray.research.terms import TrackingSettings
from quantray.research.tracking import TrackedRun, announce_trouble, track

pytestmark = pytest.mark.slow

SETTINGS = TrackingSettings(mlflow=True, experiment="tests")


@pytest.fixture
def run(tmp_path):
    """A run with a report."""
    artifact = tmp_path / "report.html"
    artifact.write_text("<html></html>")
    return TrackedRun("study", "abc-1", {"folds.test_days": 63}, {"HRP.sharpe": 0.5}, (artifact,), {"said": "x" * 600})


def tracked(folder):
    """The client of a database, and its runs, the latest first."""
    client = mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    return client, client.search_runs([client.get_experiment_by_name("tests").experiment_id])


def test_a_run_is_logged_once(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        track((run,), SETTINGS, tmp_path)
    track((replace(run, key="abc-2"),), SETTINGS, tmp_path)
    client, runs = tracked(tmp_path)
    assert sorted(found.data.tags["quantray.key"] for found in runs) == ["abc-1", "abc-2"]
    assert all(found.info.status == "FINISHED" for found in runs)
    assert runs[0].info.run_name == "study"
    assert runs[0].data.metrics == {"HRP.sharpe": 0.5}
    assert runs[0].data.params == {"folds.test_days": "63"}
    # What is long is cut.
    assert runs[0].data.tags["said"] == "x" * 500
    assert [f.path for f in client.list_artifacts(runs[0].info.run_id)] == ["report.html"]
    assert not (tmp_path / "mlruns").exists()


def test_several_runs_go_together_and_values_step_by_step(run, tmp_path):
    """More of them than MLflow takes at a time."""
    steps = [(step, 0.1 * step) for step in range(1100)]
    settings = {f"s{i}": i for i in range(130)}
    curve = replace(run, key="abc-2", settings=settings, metrics={"objective": [v for _, v in steps]}, artifacts=())
    track((run, curve), SETTINGS, tmp_path)
    client, runs = tracked(tmp_path)
    by_key = {found.data.tags["quantray.key"]: found for found in runs}
    assert by_key["abc-2"].data.params == {name: str(value) for name, value in settings.items()}
    history = client.get_metric_history(by_key["abc-2"].info.run_id, "objective")
    assert sorted((point.step, point.value) for point in history) == steps
    history = client.get_metric_history(by_key["abc-1"].info.run_id, "HRP.sharpe")
    assert [point.value for point in history] == [0.5]


def test_who_does_not_ask_gets_nothing(run, tmp_path):
    track((run,), TrackingSettings(), tmp_path)
    assert not (tmp_path / "mlflow.db").exists()


def test_a_failing_tracker_is_reported_and_survived(run, tmp_path, capsys):
    track((run,), SETTINGS.model_copy(update={"uri": "notadatabase://x"}), tmp_path)
    assert "tracking failed and was skipped" in capsys.readouterr().err


def test_a_tracker_that_fails_without_a_word_is_survived(run, tmp_path, capsys, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError

    monkeypatch.setattr(mlflow, "MlflowClient", fail)
    track((run,), SETTINGS, tmp_path)
    assert "tracking failed and was skipped: RuntimeError: RuntimeError" in capsys.readouterr().err


def test_a_run_that_was_cut_off_is_completed(run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    track((replace(run, artifacts=(tmp_path / "none.html",)),), SETTINGS, tmp_path)
    assert "tracking failed and was skipped" in capsys.readouterr().err
    _, (cut,) = tracked(tmp_path)
    assert cut.info.status == "RUNNING"
    track((run,), SETTINGS, tmp_path)
    client, (whole,) = tracked(tmp_path)
    assert (whole.info.run_id, whole.info.status) == (cut.info.run_id, "FINISHED")
    assert [f.path for f in client.list_artifacts(whole.info.run_id)] == ["report.html"]
    assert whole.data.metrics == {"HRP.sharpe": 0.5}


@pytest.fixture
def patience(monkeypatch):
    """Limits of a moment in MLflow's own variables."""
    for name, value in (("TIMEOUT", "1"), ("MAX_RETRIES", "0"), ("BACKOFF_FACTOR", "0")):
        monkeypatch.setenv(f"MLFLOW_HTTP_REQUEST_{name}", value)


def at(uri):
    return SETTINGS.model_copy(update={"uri": uri})


def test_a_dead_address_is_said_at_once_and_costs_a_moment_at_the_end(
    run, tmp_path, capsys, monkeypatch, free_ports, silent, server
):
    server.status = 500
    (port,) = free_ports(1)
    for place, trouble in (
        (f"127.0.0.1:{port}", "does not answer ([Errno 111] Connection refused)"),
        (silent, "does not answer (timed out)"),
        (server.uri.removeprefix("http://"), "answers with error 500"),
    ):
        # Who answers has the time that users have, however busy the machine is.
        monkeypatch.setattr(probing, "_SECONDS", 0.2 if place == silent else 5.0)
        start, settings = time.monotonic(), at(f"http://me:secret@{place}")
        announce_trouble(settings)
        track((run,), settings, tmp_path)
        assert time.monotonic() - start < 60
        assert capsys.readouterr().err.splitlines() == [
            f"tracking: {place} {trouble}; the study goes on, and the address is tried again at its end",
            f"tracking was skipped: {place} {trouble}; run the same command again to track what is finished",
        ]


def test_no_trouble_is_announced_where_there_is_none(capsys, server):
    for settings in (SETTINGS, TrackingSettings(uri="http://127.0.0.1:1"), at(server.uri), at("sqlite:////tmp/x.db")):
        announce_trouble(settings)
    assert capsys.readouterr().err == ""


def test_a_service_that_falls_silent_is_not_waited_for(run, tmp_path, capsys, patience, server, monkeypatch):
    server.only_healthy = True
    start = time.monotonic()
    track((run,), at(server.uri), tmp_path)
    assert time.monotonic() - start < 60
    assert "tracking failed and was skipped: MlflowException: API request to http://127" in capsys.readouterr().err


def test_a_call_that_never_returns_is_left_behind(run, tmp_path, capsys, server, monkeypatch):
    """Whatever MLflow talks to: a database, a store of artifacts."""
    monkeypatch.setattr(tracking, "_PATIENCE", 0.5)
    never = threading.Event()

    class Stuck:
        def __init__(self, uri):
            pass

        def get_experiment_by_name(self, name):
            never.wait(120)

    monkeypatch.setattr(mlflow, "MlflowClient", Stuck)
    start = time.monotonic()
    track((run,), at(server.uri), tmp_path)
    never.set()
    assert time.monotonic() - start < 60
    assert "TimeoutError: no answer for 0 s; run the same command again to complete it" in capsys.readouterr().err


def test_answers_that_come_without_end_are_left_behind(run, tmp_path, capsys, server, monkeypatch):
    monkeypatch.setattr(tracking, "_IN_ALL", 0.5)
    over = threading.Event()

    def answer(*_):
        if over.wait(0.02):
            raise OSError
        return []

    client = MagicMock(search_runs=answer)
    monkeypatch.setattr(mlflow, "MlflowClient", lambda uri: client)
    track((run,) * 100, at(server.uri), tmp_path)
    over.set()
    assert "TimeoutError: not done in 0 s; run the same command again to complete it" in capsys.readouterr().err


def test_a_password_in_the_address_is_not_repeated(run, tmp_path, capsys, server, monkeypatch):
    def refuse(uri):
        raise RuntimeError(f"cannot use {uri}")

    monkeypatch.setattr(mlflow, "MlflowClient", refuse)
    track((run,), at(server.uri.replace("//", "//me:secret@")), tmp_path)
    assert f"RuntimeError: cannot use {server.uri.replace('//', '//***@')}\n" in capsys.readouterr().err
