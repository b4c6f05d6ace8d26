import itertools
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.analytics.forecasts import ensemble_scores
from quantray.errors import DataError, InputError
from quantray.models.checkpoint import load_checkpoint
from quantray.research.executor import Serial
from quantray.research.market import SimulatedData
from quantray.research.terms import ClusterSettings
from quantray.studies.forecasts.settings import ForecastFolds, ModelSettings
from quantray.studies.forecasts.study import daily_skill, load_forecasts, run_forecasts, study_splits


def model_of(study, name):
    (found,) = [model for model in study.models if model.name == name]
    return found


def moved(source, folder, panel=None, **changes):
    """The source with results elsewhere, and with another panel or settings."""
    settings = source.settings.model_copy(update={"runs": str(folder)} | changes)
    data = source.data if panel is None else replace(source.data, panel=panel)
    return replace(source, settings=settings, data=data)


def checkpoints_of(folder):
    """Checkpoints by the last date of training."""
    found = [load_checkpoint(path) for path in (folder / "results" / "checkpoints").rglob("checkpoint.pt")]
    return sorted(found, key=lambda checkpoint: checkpoint.fold.train.last)


def test_the_study_covers_all_test_dates(forecast_study):
    source, study = forecast_study
    assert_array_equal(study.dates, source.data.panel.dates[274:])
    assert [model.name for model in study.models] == ["GAT", "LSTM", "zero", "reversal", "reversal_gap", "ridge"]
    # Two networks of two seeds and four controls, on four folds.
    assert (study.n_computed, study.n_reused) == (32, 0)
    for model in study.models:
        assert_array_equal(~np.isnan(model.scores), source.data.panel.member[274:])
    assert study.forward.shape == model_of(study, "GAT").scores.shape
    close = source.data.panel.field("close")
    assert study.forward[0, 6] == pytest.approx(close[276, 6] / close[275, 6] - 1)


def test_a_planted_signal_is_found_by_the_network_that_sees_peers(forecast_study):
    _, study = forecast_study
    gat = model_of(study, "GAT")
    assert gat.skill.mean_ic.interval.low > 0.05
    assert (gat.seed_ic > 0.1).all()
    for control in ("zero", "reversal", "reversal_gap", "ridge"):
        assert gat.differences[control].interval.low > 0, control
    # What its own past tells is less than what its peers' does.
    assert np.nanmean(model_of(study, "LSTM").ic) < np.nanmean(gat.ic) - 0.05


def test_differences_are_paired_and_have_their_sign(forecast_study):
    _, study = forecast_study
    for model in study.models:
        assert set(model.differences) == {"zero", "reversal", "reversal_gap", "ridge"} - {model.name}
        for control, found in model.differences.items():
            other = model_of(study, control)
            assert found.mean == pytest.approx(np.nanmean(model.ic - other.ic))
            if control in other.differences and model.is_control:
                assert found.mean == pytest.approx(-other.differences[model.name].mean)


def test_zero_tells_no_names_apart(forecast_study):
    _, study = forecast_study
    zero = model_of(study, "zero")
    assert zero.skill is None
    assert_array_equal(zero.ic, [0.0] * 124 + [np.nan] * 2)
    assert model_of(study, "GAT").differences["zero"].mean == pytest.approx(np.nanmean(model_of(study, "GAT").ic))


def test_days_without_returns_are_unknown_and_never_zero(forecast_study):
    _, study = forecast_study
    # A decision on one of the last two days earns after the data end.
    for model in study.models:
        assert_array_equal(np.flatnonzero(np.isnan(model.ic)), [124, 125])
        assert not np.isnan(model.scores[-1]).all()


def test_daily_skill_by_hand():
    scores = np.tile(np.arange(12.0), (5, 1))
    forward = np.vstack([scores[:2] * [[1], [-2]], scores[:3]])
    scores[2] = 1.0  # tells no names apart
    forward[3] = np.nan  # no returns
    forward[4, 9:] = np.nan  # too few
    member = np.ones(scores.shape, dtype=np.bool_)
    assert_allclose(daily_skill(scores, forward, member), [1.0, -1.0, 0.0, np.nan, np.nan], atol=1e-12)
    scores[:] = np.nan
    assert_array_equal(daily_skill(scores, forward, member), [0.0, 0.0, 0.0, np.nan, np.nan])


def test_reversal_is_minus_the_last_return(forecast_study):
    source, study = forecast_study
    close, member = source.data.panel.field("close"), source.data.panel.member
    for day in (0, 50, 120):
        last = close[274 + day] / close[273 + day] - 1
        used = member[274 + day] & ~np.isnan(last) & ~np.isnan(study.forward[day])
        expected = np.corrcoef(-last[used], study.forward[day, used])[0, 1]
        # Scores are standardised with outliers clipped, so not quite the same.
        assert model_of(study, "reversal").ic[day] == pytest.approx(expected, abs=0.1)


def test_a_models_forecast_is_the_mean_of_its_seeds(forecast_study):
    source, study = forecast_study
    member = source.data.panel.member[274:]
    one = run_forecasts(moved(source, source.settings.runs, seeds=1), Serial())
    # The first seed of two is the only one of one.
    assert one.n_computed == 0
    alone = model_of(one, "GAT")
    assert alone.seed_ic == pytest.approx(model_of(study, "GAT").seed_ic[:1])
    second = 2 * model_of(study, "GAT").scores - ensemble_scores(alone.scores[None], member)
    again = ensemble_scores(np.stack([alone.scores, second]), member)
    assert_allclose(again, model_of(study, "GAT").scores, atol=1e-9)
    assert_array_equal(model_of(study, "ridge").scores, model_of(one, "ridge").scores)


def test_a_second_run_computes_nothing(forecast_study):
    source, study = forecast_study
    again = run_forecasts(source, Serial())
    assert (again.n_computed, again.n_reused, again.digest) == (0, 32, study.digest)


def test_the_same_network_under_two_names_is_fitted_once(forecast_study, network):
    source, _ = forecast_study
    models = (network("A"), network("B"))
    study = run_forecasts(moved(source, source.settings.runs, models=models), Serial())
    assert study.n_computed == 0
    assert_array_equal(model_of(study, "A").scores, model_of(study, "B").scores)


@pytest.mark.slow
def test_no_score_knows_the_future(forecast_study, tmp_path):
    source, study = forecast_study
    panel = source.data.panel
    cut = run_forecasts(moved(source, tmp_path, panel.until(359)), Serial())
    assert_array_equal(cut.dates, study.dates[:86])
    for short, whole in zip(cut.models, study.models, strict=True):
        assert_allclose(short.scores, whole.scores[:86], rtol=0, atol=1e-6)
        assert_allclose(short.ic[:84], whole.ic[:84], rtol=0, atol=1e-6)
    # Appended days leave the two full folds alone: only the third, which was cut short, and the fourth are fitted.
    grown = run_forecasts(moved(source, tmp_path), Serial())
    assert (grown.n_computed, grown.n_reused) == (16, 16)
    assert grown.digest == study.digest


def test_the_last_folds_alone(forecast_study):
    source, study = forecast_study
    folds = source.settings.folds.model_copy(update={"most": 2})
    last = run_forecasts(moved(source, source.settings.runs, folds=folds), Serial())
    assert (last.n_computed, last.n_reused) == (0, 16)
    assert_array_equal(last.dates, study.dates[80:])
    assert_array_equal(model_of(last, "GAT").scores, model_of(study, "GAT").scores[80:])


def test_warm_starts_follow_one_another(forecast_study, network, tmp_path):
    source, study = forecast_study
    warm = moved(source, tmp_path, models=(network("Warm", warm_start=True, warm_epochs=1),), seeds=1)
    found = run_forecasts(warm, Serial())
    chain = checkpoints_of(tmp_path)
    assert [len(checkpoint.progress.history) for checkpoint in chain] == [2, 1, 1, 1]
    assert model_of(found, "Warm").epochs == 1.25
    assert chain[0].parent is None
    for before, after in itertools.pairwise(chain):
        assert after.parent == before.identity
        assert before.data_through <= after.fold.train.last
    again = run_forecasts(warm, Serial())
    assert (again.n_computed, again.digest) == (0, found.digest)


@pytest.mark.slow
def test_a_parent_that_saw_too_much_is_skipped(forecast_study, network, tmp_path):
    source, _ = forecast_study
    # Validation ends after the next fold's training.
    folds = source.settings.folds.model_copy(update={"train_days": 90, "valid_days": 50})
    model = network("Warm", warm_start=True, warm_epochs=1)
    run_forecasts(moved(source, tmp_path, models=(model,), seeds=1, folds=folds), Serial())
    chain = checkpoints_of(tmp_path)
    assert [checkpoint.parent for checkpoint in chain] == [None, None, chain[0].identity, chain[1].identity]
    assert chain[0].data_through > chain[1].fold.train.last


def test_controls_alone_make_a_study(forecast_study):
    source, _ = forecast_study
    models = (ModelSettings(name="ridge", kind="ridge"),)
    study = run_forecasts(moved(source, source.settings.runs, models=models), Serial())
    assert study.n_computed == 0
    assert [model.name for model in study.models] == ["ridge", "zero", "reversal", "reversal_gap"]
    assert all(np.isnan(model.epochs) for model in study.models)


def test_a_study_without_a_fold_is_refused(forecast_settings, tmp_path):
    settings = forecast_settings(tmp_path, data=SimulatedData(n_assets=40, n_days=300), folds=ForecastFolds())
    with pytest.raises(InputError, match="trading days are too few"):
        load_forecasts(settings)
    short = settings.model_copy(update={"folds": ForecastFolds(train_days=100, valid_days=20, warm_up_days=100)})
    assert len(study_splits(short, load_forecasts(short).data.panel)) == 1


class Other(Serial):
    """Workers of another environment."""

    def map(self, fn, items, *, shared):
        for _ in items:
            yield ("another key",), None


def test_a_layer_is_tried_before_the_study(forecast_settings, network, tmp_path):
    layer = {"layer": "SAGEConv", "parameters": {"aggr": "lstm"}}
    with pytest.raises(InputError, match=r"SAGEConv \(aggr: lstm\) gives other numbers when the names are in another"):
        load_forecasts(forecast_settings(tmp_path, models=(network(attention=layer),)))


def test_a_device_is_tried_before_the_study(forecast_settings, network, tmp_path):
    """But not for a cluster, whose machines are others."""
    settings = forecast_settings(tmp_path, models=(network(device="vulkan"),))
    with pytest.raises(InputError, match=r"^device 'vulkan' cannot be computed on here .*; there is cpu"):
        load_forecasts(settings)
    cluster = ClusterSettings(kind="address", address="10.0.0.1:6379")
    assert load_forecasts(settings.model_copy(update={"cluster": cluster})).settings.models[0].device == "vulkan"


def test_workers_that_see_other_data_are_refused(forecast_study, tmp_path):
    source, _ = forecast_study
    with pytest.raises(DataError, match="a worker saw other data than the driver"):
        run_forecasts(moved(source, tmp_path), Other())


@pytest.mark.ray
def test_ray_gives_the_same_bytes_as_one_process(forecast_study, ray_cluster, tmp_path):
    from quantray.distributed.executor import OnRay

    source, study = forecast_study
    parallel = run_forecasts(moved(source, tmp_path), OnRay())
    assert (parallel.n_computed, parallel.digest) == (32, study.digest)
    found = [
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (tmp_path / "results", type(tmp_path)(source.settings.runs) / "results")
    ]
    # Scores, notes and checkpoints.
    assert len(found[0]) == 48
    assert found[0] == found[1]
