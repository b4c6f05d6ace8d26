"""Networks trained through Ray Train; what the workers compute is tested by test_workers and test_heads."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from quantray.data.splits import DateRange, Split
from quantray.data.synthetic import simulate_market
from quantray.distributed import training
from quantray.distributed.axes.choice import Axes
from quantray.distributed.training import RayTraining, fit_on_ray
from quantray.errors import ClusterError, DataError, InputError, SolverError
from quantray.models.forecaster import FitContext
from quantray.models.learned import NetworkForecaster
from quantray.models.scoring import TimeReading
from quantray.models.training import TrainingSettings
from quantray.research.executor import Serial

TRAINING = TrainingSettings(reading=TimeReading(steps=10, warm_up=10), batch=2, epochs=4, patience=4)
FORECASTER = NetworkForecaster(
    name="small", attention="complete", width=8, layers=1, heads=2, dropout=0.3, training=TRAINING
)


class Troubled(NetworkForecaster):
    """Its second worker ends without a word after an epoch; those of the next try make a mistake after two more."""

    def fit(self, panel, fold, *, context, workers=None, **rest):
        mark, inner = Path(self.name), context.report

        def report(figures):
            inner(figures)
            if figures.epoch == 1 and workers.rank == 1:
                mark.touch()
                os._exit(1)
            if figures.epoch == 3:
                raise ValueError("a mistake\nin two lines")

        return super().fit(panel, fold, context=replace(context, report=report), workers=workers, **rest)


class Diverges(NetworkForecaster):
    """Leaves a mark and raises, whoever tries."""

    def fit(self, panel, fold, **rest):
        with Path(self.name).open("a") as tries:
            tries.write("tried ")
        raise SolverError("training diverged.")


@pytest.fixture(scope="module")
def panel():
    return simulate_market(16, 380, seed=4).panel


@pytest.fixture(scope="module")
def fold(panel):
    dates = panel.dates
    return Split(
        train=DateRange(dates[270], dates[320]),
        valid=DateRange(dates[324], dates[344]),
        test=DateRange(dates[350], dates[379]),
        horizon=1,
        lag=1,
        purge=2,
    )


def saved(folder):
    return (folder / "checkpoint.pt").read_bytes()


def test_no_workers_train_in_this_process(panel, fold, tmp_path):
    run = RayTraining(storage=tmp_path, name="here")
    fitted = fit_on_ray(FORECASTER, panel, fold, run, context=FitContext(seed=7))
    alone = FORECASTER.fit(panel, fold, context=FitContext(seed=7, folder=tmp_path / "alone"))
    assert saved(tmp_path / "here") == saved(tmp_path / "alone")
    dates = panel.dates[350:]
    assert fitted.predict(panel, dates).values.tobytes() == alone.predict(panel, dates).values.tobytes()


def test_a_finished_run_is_read_without_workers(panel, fold, tmp_path):
    here = RayTraining(storage=tmp_path, name="run")
    fitted = fit_on_ray(FORECASTER, panel, fold, here, context=FitContext(seed=7))
    said = []
    context = FitContext(seed=7, say=said.append)
    again = fit_on_ray(FORECASTER, panel, fold, replace(here, workers=2), context=context, executor=Serial())
    assert again.checkpoint.identity == fitted.checkpoint.identity
    assert not said
    with pytest.raises(InputError, match=r"run/checkpoint\.pt is of another fit"):
        fit_on_ray(FORECASTER, panel, fold, replace(here, workers=2), context=FitContext(seed=8))


def test_a_warm_start_from_a_fit_or_its_checkpoint(panel, fold, tmp_path):
    dates = panel.dates
    later = replace(
        fold,
        train=DateRange(dates[300], dates[346]),
        valid=None,
        test=DateRange(dates[360], dates[379]),
    )
    parent = FORECASTER.fit(panel, fold, context=FitContext(seed=7))
    fits = [
        fit_on_ray(FORECASTER, panel, later, RayTraining(storage=tmp_path, name=name), init=init)
        for name, init in (("fit", parent), ("checkpoint", parent.checkpoint))
    ]
    assert [f.checkpoint.parent for f in fits] == [parent.checkpoint.identity] * 2
    assert saved(tmp_path / "fit") == saved(tmp_path / "checkpoint")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "a/b"}, "name 'a/b' is not the name of one folder"),
        ({"name": ""}, "name '' is not the name"),
        ({"workers": -1}, "workers -1 must be at least 0"),
        ({"cpus_per_worker": 0.0}, "must be positive"),
        ({"max_failures": -2}, "max_failures -2 must be at least 0"),
        ({"start_minutes": 0}, "start_minutes 0 at least 1"),
    ],
)
def test_settings_that_cannot_be(changes, message, tmp_path):
    with pytest.raises(InputError, match=message):
        RayTraining(**({"storage": tmp_path, "name": "run"} | changes))


def test_what_every_worker_would_refuse_is_refused_before_they_start(panel, fold, tmp_path):
    run = RayTraining(storage=tmp_path, name="run", workers=2)
    with pytest.raises(InputError, match="batch 2 does not divide among 4 rows"):
        fit_on_ray(FORECASTER, panel, fold, replace(run, workers=4))
    with pytest.raises(InputError, match="1 workers do not divide into rows of 2"):
        fit_on_ray(FORECASTER, panel, fold, replace(run, workers=0, axes=Axes(row=2)))
    with pytest.raises(InputError, match=r"folder .*elsewhere is not the run's"):
        fit_on_ray(FORECASTER, panel, fold, run, context=FitContext(folder=tmp_path / "elsewhere"))
    with pytest.raises(InputError, match="works in this process; set workers to 0"):
        fit_on_ray(FORECASTER, panel, fold, run, executor=Serial())


def test_ray_has_to_run(no_ray, panel, fold, tmp_path):
    with pytest.raises(ClusterError, match="Ray does not run; connect to a cluster first"):
        fit_on_ray(FORECASTER, panel, fold, RayTraining(storage=tmp_path, name="run", workers=2))


def test_our_own_errors_come_first_among_those_of_many_workers(tmp_path):
    from ray.train import WorkerGroupError

    lost = WorkerGroupError("two", {0: RuntimeError("connection reset"), 1: DataError("no data here.")})
    assert str(training._reason(lost, RayTraining(storage=tmp_path, name="run"))) == "no data here."


@pytest.fixture(scope="module")
def whole(ray_cluster, panel, fold, tmp_path_factory):
    """Two workers on Ray, undisturbed."""
    from quantray.distributed.executor import OnRay

    said, reported = [], []
    run = RayTraining(storage=tmp_path_factory.mktemp("whole"), name="run", workers=2)
    context = FitContext(seed=7, say=said.append, report=reported.append)
    fitted = fit_on_ray(FORECASTER, panel, fold, run, context=context, executor=OnRay())
    return run, fitted, said, reported


@pytest.mark.ray
@pytest.mark.slow
def test_two_workers_learn_what_one_process_learns(whole, panel, fold):
    run, fitted, said, reported = whole
    assert reported == fitted.checkpoint.progress.history
    assert [report.epoch for report in reported] == [1, 2, 3, 4]
    assert said[0].startswith("small seed 7 to ")
    assert len(said) == 4
    assert fitted.device == "cpu"
    # Each worker draws its own dropout, so numbers are those of one process only without.
    alone = FORECASTER.fit(panel, fold, context=FitContext(seed=7)).checkpoint.progress.history
    assert np.abs([a.loss - b.loss for a, b in zip(alone, reported, strict=True)]).max() < 0.02
    assert fitted.predict(panel, panel.dates[350:]).values.shape == (30, 16)


@pytest.mark.ray
@pytest.mark.slow
def test_a_worker_that_dies_and_a_run_that_is_given_up_change_no_byte(whole, panel, fold, tmp_path):
    """The worker is replaced, once as is allowed; the same call as undisturbed ends what was then given up."""
    undisturbed, reported = whole[0], []
    run = RayTraining(storage=tmp_path, name="run", workers=2, max_failures=1)
    context = FitContext(seed=7, report=reported.append)
    troubled = Troubled(**{**vars(FORECASTER), "name": str(tmp_path / "died")})
    message = "worker 0 of 2 was lost more than 1 times .ValueError: a mistake.; run the same command again"
    with pytest.raises(ClusterError, match=message):
        fit_on_ray(troubled, panel, fold, run, context=context)
    assert (tmp_path / "died").exists()
    assert [report.epoch for report in reported] == [1, 2, 3]
    fitted = fit_on_ray(FORECASTER, panel, fold, run, context=context)
    assert [report.epoch for report in reported] == [1, 2, 3, 4]
    assert fitted.checkpoint.progress.history == whole[1].checkpoint.progress.history
    assert saved(run.folder) == saved(undisturbed.folder)


@pytest.mark.ray
@pytest.mark.slow
def test_what_no_other_worker_could_do_better_is_not_tried_again(ray_cluster, panel, fold, tmp_path):
    run = RayTraining(storage=tmp_path, name="run", workers=1, max_failures=3)
    with pytest.raises(SolverError, match=r"^training diverged\.$"):
        fit_on_ray(Diverges(**{**vars(FORECASTER), "name": str(tmp_path / "tries")}), panel, fold, run)
    assert (tmp_path / "tries").read_text() == "tried "


@pytest.mark.ray
@pytest.mark.slow
def test_more_workers_than_the_cluster_has_room_for(ray_cluster, panel, fold, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "1")
    run = RayTraining(storage=tmp_path, name="run", workers=2, cpus_per_worker=64, start_minutes=1)
    with pytest.raises(ClusterError, match=r"2 workers of 64 CPU and 0 GPU did not start .* ask for fewer"):
        fit_on_ray(FORECASTER, panel, fold, run)
