"""Tracking in MLflow: once per run content, and never the reason that a run fails."""

import mlflow
import pytest

from quantray.research.tracking import track_run

pytestmark = pytest.mark.slow


def track(folder, artifact, **changes):
    values = {
        "experiment": "tests",
        "name": "study",
        "key": "abc-1",
        "settings": {"folds.test_days": 63},
        "metrics": {"HRP.sharpe": 0.5},
        "artifacts": (artifact,),
        "uri": None,
        "folder": folder,
    }
    track_run(**(values | changes))


def test_a_run_is_logged_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    artifact = tmp_path / "report.html"
    artifact.write_text("<html></html>")
    for _ in range(2):
        track(tmp_path, artifact)
    track(tmp_path, artifact, key="abc-2")
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tests")
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(run.data.tags["quantray.key"] for run in runs) == ["abc-1", "abc-2"]
    assert all(run.info.status == "FINISHED" for run in runs)
    assert runs[0].data.metrics == {"HRP.sharpe": 0.5}
    assert runs[0].data.params == {"folds.test_days": "63"}
    assert [f.path for f in client.list_artifacts(runs[0].info.run_id)] == ["report.html"]
    assert not (tmp_path / "mlruns").exists()


def test_a_failing_tracker_is_reported_and_survived(tmp_path, capsys):
    track(tmp_path, tmp_path / "none.html", uri="notadatabase://x")
    assert "tracking failed and was skipped" in capsys.readouterr().err


def test_a_tracker_that_fails_without_a_word_is_survived(tmp_path, capsys, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError

    monkeypatch.setattr(mlflow, "set_tracking_uri", fail)
    track(tmp_path, tmp_path / "none.html")
    assert "tracking failed and was skipped: RuntimeError: no reason given" in capsys.readouterr().err


def test_a_run_that_was_cut_off_is_logged_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    track(tmp_path, tmp_path / "none.html")
    (tmp_path / "report.html").write_text("<html></html>")
    track(tmp_path, tmp_path / "report.html")
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("tests").experiment_id])
    assert sorted(run.info.status for run in runs) == ["FAILED", "FINISHED"]
