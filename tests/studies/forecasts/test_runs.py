import json
import re
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from quantray.errors import DataError
from quantray.research.executor import Serial
from quantray.research.terms import TrackingSettings
from quantray.settings import read_settings
from quantray.studies.forecasts.runs import write_forecast_run
from quantray.studies.forecasts.settings import ForecastSettings
from quantray.studies.forecasts.store import ForecastStore
from quantray.studies.forecasts.study import load_forecasts, run_forecasts

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(forecast_study):
    return write_forecast_run(*forecast_study)


@pytest.fixture(scope="module")
def metrics(run):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads((run.folder / "metrics.json").read_text(), parse_constant=refuse)


def cells(html):
    """The table of results: first cell of each row -> the others."""
    body = re.search(r"<tbody>(.*?)</tbody>", html, re.DOTALL).group(1)
    rows = [re.findall(r"<td.*?>(.*?)</td>", row, re.DOTALL) for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)]
    return {re.sub("<.*", "", row[0]): row[1:] for row in rows}


def elsewhere(source, folder, **changes):
    return replace(source, settings=source.settings.model_copy(update={"runs": str(folder)} | changes))


def test_the_folder_says_what_was_run_and_found(run, forecast_study):
    source, study = forecast_study
    assert {path.name for path in run.folder.iterdir()} == {
        "settings.yaml", "study.json", "metrics.json", "forecasts.json", "report.html",
    }  # fmt: skip
    assert read_settings(ForecastSettings, run.folder / "settings.yaml") == source.settings
    about = json.loads((run.folder / "study.json").read_text())
    assert run.folder.name == f"small-{about['config_hash']}"
    assert (about["digest"], about["n_folds"], about["n_assets"]) == (study.digest, 4, 40)
    assert about["mean_members"] == pytest.approx(source.data.panel.member[274:].sum(axis=1).mean())
    assert (about["units_computed"], about["units_reused"]) == (32, 0)


def test_metrics_are_those_of_the_study(metrics, forecast_study):
    _, study = forecast_study
    assert list(metrics) == [model.name for model in study.models]
    for model in study.models:
        found = metrics[model.name]
        assert found["ic"] == pytest.approx(np.nanmean(model.ic))
        assert found["ic_low"] <= found["ic"] <= found["ic_high"]
        for control, difference in model.differences.items():
            assert found[f"vs_{control}"] == difference.mean
    gat = next(model for model in study.models if model.name == "GAT")
    assert metrics["GAT"]["seed_deviation"] == pytest.approx(np.std(gat.seed_ic, ddof=1))
    assert metrics["GAT"]["rank_ic"] == gat.skill.mean_rank_ic.mean
    # Fewer than forty members on an average day, so no tenths.
    assert metrics["GAT"]["spread"] is None
    assert {metrics["zero"][name] for name in ("rank_ic", "icir", "positive_days", "epochs")} == {None}


def test_every_number_of_the_table_is_in_the_metrics(run, metrics):
    table = cells((run.folder / "report.html").read_text())
    forms = {
        "ic": "{:.4f}", "rank_ic": "{:.4f}", "icir": "{:.2f}", "positive_days": "{:.0%}", "seed_deviation": "{:.4f}",
        "epochs": "{:.1f}",
    }  # fmt: skip
    assert list(table) == list(metrics)
    for name, row in table.items():
        found = metrics[name]
        shown = {key: "–" if found[key] is None else form.format(found[key]) for key, form in forms.items()}
        interval = f"{found['ic_low']:.4f} to {found['ic_high']:.4f}"
        assert row == [shown.pop("ic"), interval, *shown.values(), "–"]


def test_the_headline_is_about_the_models(run):
    html = (run.folder / "report.html").read_text()
    headline = re.search(r'<p class="headline">(.*?)</p>', html).group(1)
    assert "GAT beats every control." in headline
    assert "LSTM " in headline
    assert "zero beats" not in headline
    assert "Only 2 seeds: differences between networks may be luck of the draw." in html
    # Opens offline.
    assert 'src="http' not in html


def test_forecasts_come_back_from_the_store(run, forecast_study):
    source, study = forecast_study
    kept = json.loads((run.folder / "forecasts.json").read_text())
    assert kept["versions"] == run.versions
    # Zero tells nobody anything.
    assert list(run.versions) == ["GAT", "LSTM", "reversal", "reversal_gap", "ridge"]
    store = ForecastStore(kept["store"])
    for model in study.models:
        if model.name in run.versions:
            found = store.load(model.name, version=run.versions[model.name])
            for day in (0, 60, 125):
                assert_array_equal(found.on(study.dates[day], source.data.panel.assets), model.scores[day])
            assert (found.notes["study"], found.notes["digest"]) == (run.folder.name, study.digest)


def test_the_same_forecasts_keep_their_version_and_others_get_one(forecast_study, tmp_path):
    source, study = forecast_study
    source = elsewhere(source, tmp_path)
    first = write_forecast_run(source, study)
    assert write_forecast_run(source, study).versions == first.versions
    models = tuple(replace(m, scores=-m.scores) if m.name == "GAT" else m for m in study.models)
    other = write_forecast_run(source, replace(study, models=models, digest="other"))
    assert min(other.versions.values()) > max(first.versions.values())
    # What was there comes back as a version of its own: the store's latest is another's.
    assert write_forecast_run(source, study).versions["GAT"] > other.versions["GAT"]


def test_where_the_forecasts_go_can_be_chosen(forecast_study, tmp_path):
    source, study = forecast_study
    run = write_forecast_run(elsewhere(source, tmp_path / "runs", forecasts=str(tmp_path / "shared")), study)
    assert ForecastStore(tmp_path / "shared").load("GAT").notes["study"] == run.folder.name
    assert json.loads((run.folder / "forecasts.json").read_text())["store"] == str(tmp_path / "shared")
    assert not (tmp_path / "runs" / "forecasts").exists()


def test_what_comes_from_outside_is_escaped(forecast_study, tmp_path):
    source, study = forecast_study
    data = replace(source.data, description="</script><script>alert(1)</script>")
    html = (
        write_forecast_run(replace(elsewhere(source, tmp_path), data=data), study).folder / "report.html"
    ).read_text()
    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_tenths_need_forty_names(forecast_settings, network, tmp_path):
    data = {"kind": "simulated", "n_assets": 60, "n_days": 320, "seed": 4, "planted_signal": 0.5}
    settings = forecast_settings(tmp_path, data=data, models=(network("LSTM", attention="none"),), seeds=1)
    source = load_forecasts(settings)
    study = run_forecasts(source, Serial())
    run = write_forecast_run(source, study)
    metrics = json.loads((run.folder / "metrics.json").read_text())
    html = (run.folder / "report.html").read_text()
    assert f"{metrics['ridge']['spread'] * 1e4:.0f} bp" == cells(html)["ridge"][-1]
    assert "By tenths of the score" in html
    assert metrics["LSTM"]["seed_deviation"] is None
    # By hand: the highest and the lowest tenth of each day.
    ridge, spreads = study.models[-1].scores, []
    for scores, forward in zip(ridge, study.forward, strict=True):
        known = np.flatnonzero(~np.isnan(scores) & ~np.isnan(forward))
        if len(known):
            order = known[np.argsort(scores[known])]
            place = (np.arange(len(order)) + 0.5) * 10 // len(order)
            spreads.append(forward[order[place == 9]].mean() - forward[order[place == 0]].mean())
    assert metrics["ridge"]["spread"] == pytest.approx(np.mean(spreads), rel=0.05)


def test_a_folder_that_cannot_be_written(forecast_study, tmp_path):
    source, study = forecast_study
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot (write|be read)"):
        write_forecast_run(elsewhere(source, tmp_path / "file"), study)


@pytest.mark.slow
def test_a_study_is_tracked_once(forecast_study, metrics, tmp_path, monkeypatch):
    import mlflow

    monkeypatch.chdir(tmp_path)
    source, study = forecast_study
    source = elsewhere(source, tmp_path, tracking=TrackingSettings(mlflow=True, experiment="tests"))
    for _ in range(2):
        write_forecast_run(source, study)
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("tests").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.tags["quantray.key"].endswith(study.digest)
    expected = {f"{name}.{key}": v for name, found in metrics.items() for key, v in found.items() if v is not None}
    assert run.data.metrics == pytest.approx(expected)
    assert run.data.params["models.0.name"] == "GAT"
    assert run.data.params["folds.test_days"] == "40"
    artifacts = {found.path for found in client.list_artifacts(run.info.run_id)}
    assert artifacts == {"report.html", "settings.yaml", "metrics.json"}
