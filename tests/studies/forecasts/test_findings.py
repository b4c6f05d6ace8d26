"""What is kept of a study of forecasters, and that its folder and its report say it."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from quantray.errors import DataError
from quantray.research.executor import Serial
from quantray.research.folder import read_run
from quantray.research.run import write
from quantray.research.terms import TrackingSettings
from quantray.settings import read_settings
from quantray.studies.forecasts.findings import few_seeds, find_forecasts
from quantray.studies.forecasts.settings import ForecastSettings
from quantray.studies.forecasts.store import ForecastStore
from quantray.studies.forecasts.study import load_forecasts, run_forecasts

pytestmark = pytest.mark.slow


def written(source, study):
    """The folder of a run."""
    return write("forecasts", source, find_forecasts(source, study))


def stored(folder):
    """Model -> version of the store with its forecasts."""
    return json.loads((folder / "forecasts.json").read_text())["versions"]


@pytest.fixture(scope="module")
def run(forecast_study):
    return written(*forecast_study)


@pytest.fixture(scope="module")
def metrics(run):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads((run / "metrics.json").read_text(), parse_constant=refuse)


def cells(html):
    """The table of results: first cell of each row -> the others."""
    body = re.search(r"<tbody>(.*?)</tbody>", html, re.DOTALL).group(1)
    rows = [re.findall(r"<td.*?>(.*?)</td>", row, re.DOTALL) for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)]
    return {re.sub("<.*", "", row[0]): row[1:] for row in rows}


def elsewhere(source, folder, **changes):
    return replace(source, settings=source.settings.model_copy(update={"runs": str(folder)} | changes))


def test_the_folder_says_what_was_run_and_found(run, forecast_study):
    source, study = forecast_study
    assert {path.name for path in run.iterdir()} == {
        "settings.yaml", "study.json", "metrics.json", "page.json", "forecasts.json", "report.html",
    }  # fmt: skip
    assert read_settings(ForecastSettings, run / "settings.yaml") == source.settings
    about = read_run(run).about
    assert run.name == f"small-{about.config_hash}"
    assert (about.kind, about.digest, about.data) == ("forecasts", study.digest, source.data.description)
    facts = about.facts
    assert (facts["first"], facts["last"]) == (str(study.dates[0]), str(study.dates[-1]))
    assert (facts["n_folds"], facts["n_assets"]) == (4, 40)
    assert facts["mean_members"] == pytest.approx(source.data.panel.member[274:].sum(axis=1).mean())
    assert (about.computed, about.reused, about.called) == (32, 0, "fits")
    assert about.notes == (f"Forecasts are in {source.settings.runs}/forecasts.",)


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
    table = cells((run / "report.html").read_text())
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
    html = (run / "report.html").read_text()
    headline = re.search(r'<p class="headline">(.*?)</p>', html).group(1)
    assert "GAT beats every control." in headline
    assert "LSTM " in headline
    assert "zero beats" not in headline
    assert "Only 2 seeds: differences between networks may be luck of the draw." in html
    # Opens offline.
    assert 'src="http' not in html


def test_the_page_says_what_was_forecast_on_what(run, forecast_study):
    source, study = forecast_study
    html = (run / "report.html").read_text()
    members = source.data.panel.member[274:].sum(axis=1).mean()
    for text in (
        f"Forecasts out of sample, {study.dates[0]} to {study.dates[-1]} · {source.data.description} · 40 names, "
        f"{members:.0f} members on an average day · 4 folds<",
        "over 1 trading day from the close 1 day after the forecast.",
        source.data.delistings,
        f"Digest of all results {study.digest}, settings {read_run(run).about.config_hash}; 32 fits computed",
    ):
        assert text in html, text


def test_one_fold_and_days_are_counted(forecast_study, tmp_path):
    source, study = forecast_study
    folds = source.settings.folds.model_copy(update={"test_days": 126, "horizon": 5})
    later = source.settings.accounting.model_copy(update={"execution_lag": 2})
    page = find_forecasts(elsewhere(source, tmp_path, folds=folds, accounting=later), study).page
    assert page.meta.endswith("· 1 fold")
    assert "over 5 trading days from the close 2 days after the forecast." in page.sections[0].note


def test_fewer_than_five_seeds_are_warned_of():
    assert few_seeds(5) == ()
    assert few_seeds(4) == ("Only 4 seeds: differences between networks may be luck of the draw.",)
    assert few_seeds(1)[0].startswith("Only 1 seed: ")


def test_intervals_are_those_of_the_settings(forecast_study, metrics, tmp_path):
    source, study = forecast_study
    resampling = source.settings.resampling.model_copy(update={"confidence": 0.6})
    found = find_forecasts(elsewhere(source, tmp_path, resampling=resampling), study)
    narrow, wide = found.metrics["GAT"], metrics["GAT"]
    assert wide["ic_low"] < narrow["ic_low"] < narrow["ic"] == wide["ic"] < narrow["ic_high"] < wide["ic_high"]
    assert "60% interval" in found.page.sections[0].parts[0].columns
    assert found.page.summary.title.endswith("60% intervals")


def test_forecasts_come_back_from_the_store(run, forecast_study):
    source, study = forecast_study
    kept = json.loads((run / "forecasts.json").read_text())
    versions = kept["versions"]
    # Zero tells nobody anything.
    assert list(versions) == ["GAT", "LSTM", "reversal", "reversal_gap", "ridge"]
    store = ForecastStore(kept["store"])
    for model in study.models:
        if model.name in versions:
            found = store.load(model.name, version=versions[model.name])
            for day in (0, 60, 125):
                assert_array_equal(found.on(study.dates[day], source.data.panel.assets), model.scores[day])
            assert (found.notes["study"], found.notes["digest"]) == (run.name, study.digest)


def test_the_same_forecasts_keep_their_version_and_others_get_one(forecast_study, tmp_path):
    source, study = forecast_study
    source = elsewhere(source, tmp_path)
    first = stored(written(source, study))
    assert stored(written(source, study)) == first
    models = tuple(replace(m, scores=-m.scores) if m.name == "GAT" else m for m in study.models)
    other = stored(written(source, replace(study, models=models, digest="other")))
    assert min(other.values()) > max(first.values())
    # What was there comes back as a version of its own: the store's latest is another's.
    assert stored(written(source, study))["GAT"] > other["GAT"]


def test_where_the_forecasts_go_can_be_chosen(forecast_study, tmp_path):
    source, study = forecast_study
    run = written(elsewhere(source, tmp_path / "runs", forecasts=str(tmp_path / "shared")), study)
    assert ForecastStore(tmp_path / "shared").load("GAT").notes["study"] == run.name
    assert json.loads((run / "forecasts.json").read_text())["store"] == str(tmp_path / "shared")
    assert not (tmp_path / "runs" / "forecasts").exists()


def test_what_comes_from_outside_is_escaped(forecast_study, tmp_path):
    source, study = forecast_study
    data = replace(source.data, description="</script><script>alert(1)</script>")
    html = (written(replace(elsewhere(source, tmp_path), data=data), study) / "report.html").read_text()
    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_tenths_need_forty_names(forecast_settings, network, tmp_path):
    data = {"kind": "simulated", "n_assets": 60, "n_days": 320, "seed": 4, "planted_signal": 0.5}
    settings = forecast_settings(tmp_path, data=data, models=(network("LSTM", attention="none"),), seeds=1)
    source = load_forecasts(settings)
    study = run_forecasts(source, Serial())
    run = written(source, study)
    metrics = json.loads((run / "metrics.json").read_text())
    html = (run / "report.html").read_text()
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
        written(elsewhere(source, tmp_path / "file"), study)


@pytest.mark.slow
def test_a_study_is_tracked_once(forecast_study, metrics, tmp_path, monkeypatch):
    import mlflow

    monkeypatch.chdir(tmp_path)
    source, study = forecast_study
    source = elsewhere(source, tmp_path, tracking=TrackingSettings(mlflow=True, experiment="tests"))
    for _ in range(2):
        written(source, study)
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
