"""What is kept of a search, and that its folder, its report and its tracker say it."""

import json
from dataclasses import replace
from pathlib import Path

import mlflow
import pyarrow.parquet as pq
import pytest

from quantray.arrays import digest
from quantray.research.folder import read_run
from quantray.research.run import write
from quantray.research.terms import TrackingSettings
from quantray.settings import read_settings
from quantray.studies.kinds import read_study
from quantray.studies.portfolios.kind import PORTFOLIOS
from quantray.studies.portfolios.settings import PortfolioSettings
from quantray.studies.tuning.findings import find_tuning
from quantray.studies.tuning.report import verdict
from quantray.studies.tuning.settings import TuningSettings
from quantray.studies.tuning.study import load_tuning


@pytest.fixture(scope="module")
def source(search_in, tmp_path_factory):
    return load_tuning(search_in(tmp_path_factory.mktemp("portfolio"), "portfolios"))


@pytest.fixture(scope="module")
def found(source, trial, record, held_out):
    """Three trials that ended, the second the best, one that was stopped, one that failed."""
    space = source.prepared.subject.space

    def at(estimator, days, most=1.0):
        return space.values(space.point({"estimator": estimator, "folds.lookback_days": days, "max_weight": most}))

    trials = [
        trial("a", [0.2, 0.15], at("sample", 126)),
        trial("b", [0.19, 0.12], at("oas", 84)),
        trial("c", [0.3, 0.2], at("ledoit_wolf", 168)),
        trial("d", [0.5], at("statistical", 168), finished=False),
        trial("e", [10.0], at("statistical", 84, 0.2), note="too few names"),
    ]
    prepared = source.prepared
    return record(
        trials,
        subject=prepared.name,
        measure=prepared.measure,
        maximise=prepared.maximise,
        seen_through=prepared.seen_through,
        held_out=held_out(0.1, 0.14),
        seconds=12.5,
    )


@pytest.fixture(scope="module")
def folder(source, found):
    return write("tuning", source, find_tuning(source, found))


def test_the_folder_says_what_was_searched_and_found(source, found, folder):
    assert {path.name for path in folder.iterdir()} == {
        "settings.yaml", "study.json", "metrics.json", "page.json", "best.yaml", "trials.parquet", "report.html",
    }  # fmt: skip
    assert folder == source.folder
    assert read_settings(TuningSettings, folder / "settings.yaml") == source.settings
    about = read_run(folder).about
    assert (about.kind, about.config_hash) == ("tuning", source.identity)
    assert (about.computed, about.called, about.seconds) == (5, "trials", 12.5)
    assert about.headline == verdict(found)
    assert about.data == source.data.description
    facts = about.facts
    assert (facts["subject"], facts["study"], facts["measure"]) == ("Low risk", "small", found.measure)
    assert (facts["n_finished"], facts["n_failed"]) == (3, 1)
    values = {"estimator": "oas", "folds.lookback_days": 84, "max_weight": 1.0}
    assert facts["best"] == {"key": "b", "objective": 0.12, "values": values}
    assert facts["seen_through"] == str(source.prepared.seen_through)
    assert (facts["first_held_out"], facts["last_held_out"]) == ("2024-02-01", "2024-04-30")


def test_metrics_are_those_of_the_record(found, folder):
    metrics = json.loads((folder / "metrics.json").read_text())["Low risk"]
    assert (metrics["best_objective"], metrics["expected_by_luck"]) == (0.12, found.expected_best)
    for name in ("winner", "base", "difference"):
        estimate = getattr(found.held_out, name)
        kept = [metrics[f"held_out_{name}{end}"] for end in ("", "_low", "_high")]
        assert kept == [estimate.mean, estimate.interval.low, estimate.interval.high]


def test_the_digest_follows_trials_and_their_curves(source, found, folder):
    said = read_run(folder).about.digest
    assert said == digest([part for trial in found.trials for part in (trial.key, trial.curve)])
    for changed in ({"key": "z"}, {"curve": found.trials[0].curve * 2}):
        other = replace(found, trials=(replace(found.trials[0], **changed), *found.trials[1:]))
        assert find_tuning(source, other).digest != said


def test_every_trial_is_a_row(found, folder):
    table = pq.read_table(folder / "trials.parquet")
    assert table["number"].to_pylist() == [1, 2, 3, 4, 5]
    assert table["key"].to_pylist() == list("abcde")
    assert table["objective"].to_pylist() == [0.15, 0.12, 0.2, 0.5, None]
    assert table["rounds"].to_pylist() == [2, 2, 2, 1, 1]
    assert table["finished"].to_pylist() == [True, True, True, False, True]
    assert table["best"].to_pylist() == [False, True, False, False, False]
    assert table["note"].to_pylist() == [""] * 4 + ["too few names"]
    assert table["curve"].to_pylist() == [trial.curve.tolist() for trial in found.trials]
    assert table["setting estimator"].to_pylist() == ["sample", "oas", "ledoit_wolf", "statistical", "statistical"]
    assert table["setting folds.lookback_days"].to_pylist() == [126, 84, 168, 168, 84]


def test_values_of_several_types_are_kept_as_texts(source, found):
    values = [None, 3, True, ("joint", "encoder"), "text"]
    trials = tuple(replace(t, values={"w": value}) for t, value in zip(found.trials, values, strict=True))
    plain = replace(source.prepared.subject, space=Plain())
    source = replace(source, prepared=replace(source.prepared, subject=plain, best=lambda _: source.settings))
    table = find_tuning(source, replace(found, trials=trials)).tables["trials"]
    assert table["setting w"].to_pylist() == ["null", "3", "true", '["joint", "encoder"]', "text"]


class Plain:
    """A space that takes every value."""

    def point(self, values):
        return values


def test_the_best_settings_are_a_study_to_run(source, folder):
    best = read_settings(PortfolioSettings, folder / "best.yaml")
    assert read_study(folder / "best.yaml") == (PORTFOLIOS, best)
    assert best.allocators[0].estimator == "oas"
    assert best.folds.lookback_days == 84
    written = read_study(source.settings.target.study)[1]
    assert best.allocators[1] == written.allocators[1]
    same = {"allocators": written.allocators, "folds": written.folds}
    assert best.model_copy(update=same) == written
    text = (folder / "best.yaml").read_text()
    for line in (
        "# Low risk with the best of 5 trials of search: estimator oas, folds.lookback_days 84, max_weight 1.0.",
        "# Its yearly volatility after costs of 0.1200 was the reason for the choice, so it is flattered.",
        "# Tuning helped: on the dates held out",
        f"# Chosen with data up to {source.prepared.seen_through}: only results on later dates are out of sample.",
        "# Run it with `quantray run`.",
    ):
        assert line in text


def test_the_report_says_that_the_choice_flatters(source, folder):
    page = (folder / "report.html").read_text()
    for text in (
        "so it is too low",
        "only results on later dates are out of sample",
        f"Low risk of small · {source.data.description} · 20 names · 5 trials with data up to "
        f"{source.prepared.seen_through} · held out: 2024-02-01 to 2024-04-30",
        "With several trials at a time the sampler learns from whichever ends first",
        f"The best settings are in {folder / 'best.yaml'}.",
    ):
        assert text in page, text


def test_dates_that_were_not_held_out_are_not_claimed(source, found):
    bare = find_tuning(source, replace(found, held_out=None))
    assert bare.page.meta.endswith("held out: none")
    assert (bare.facts["first_held_out"], bare.facts["last_held_out"]) == (None, None)
    assert set(bare.metrics["Low risk"]) == {"best_objective", "expected_by_luck"}


@pytest.mark.slow
def test_every_trial_is_tracked_once_and_what_was_cut_off_is_completed(source, found, tmp_path):
    tracking = TrackingSettings(mlflow=True)
    settings = source.settings.model_copy(update={"runs": str(tmp_path / "runs"), "tracking": tracking})
    source = replace(source, settings=settings)
    Path(settings.runs).mkdir()
    client = mlflow.MlflowClient(f"sqlite:///{Path(settings.runs) / 'mlflow.db'}")
    experiment = client.create_experiment("quantray", artifact_location=(tmp_path / "artifacts").as_uri())
    client.create_run(experiment, tags={"quantray.key": f"{source.identity}-b"})
    for _ in range(2):
        write("tuning", source, find_tuning(source, found))
    runs = client.search_runs([experiment])
    assert [run.info.status for run in runs] == ["FINISHED"] * 6
    by_key = {run.data.tags["quantray.key"]: run for run in runs}
    trials = {key: by_key[f"{source.identity}-{key}"] for key in "abcde"}
    objectives = {key: run.data.metrics.get("objective") for key, run in trials.items()}
    assert objectives == {"a": 0.15, "b": 0.12, "c": 0.2, "d": 0.5, "e": None}
    curve = client.get_metric_history(trials["b"].info.run_id, "objective")
    assert [(point.step, point.value) for point in curve] == [(0, 0.19), (1, 0.12)]
    assert {key: run.data.tags["quantray.best"] for key, run in trials.items()} == {
        key: str(key == "b").lower() for key in "abcde"
    }
    assert trials["d"].data.tags["quantray.ran"] == "stopped early"
    assert trials["e"].data.tags["quantray.note"] == "too few names"
    assert trials["b"].data.params == {"estimator": "oas", "folds.lookback_days": "84", "max_weight": "1.0"}
    # And the search as a whole.
    whole = by_key[f"{source.identity}-{find_tuning(source, found).digest}"]
    assert whole.data.metrics["Low_risk.best_objective"] == 0.12
