"""Tracking in MLflow: once per run content, and never the reason that a run fails."""

from dataclasses import replace

import mlflow
import pytest

from quantray.research.terms import TrackingSettings
from quantray.research.tracking import TrackedRun, track

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
    curve = replace(run, key="abc-2", metrics={"objective": [0.2, 0.1]}, artifacts=())
    track((run, curve), SETTINGS, tmp_path)
    client, runs = tracked(tmp_path)
    by_key = {found.data.tags["quantray.key"]: found.info.run_id for found in runs}
    history = client.get_metric_history(by_key["abc-2"], "objective")
    assert [(point.step, point.value) for point in history] == [(0, 0.2), (1, 0.1)]
    assert [point.value for point in client.get_metric_history(by_key["abc-1"], "HRP.sharpe")] == [0.5]


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
    assert "tracking failed and was skipped: RuntimeError: no reason given" in capsys.readouterr().err


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
