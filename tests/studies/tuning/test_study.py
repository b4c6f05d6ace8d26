"""What a search is known by, and its trials: every setting that its numbers depend on, and none of where it ran."""

from dataclasses import replace

import numpy as np
import pytest
import yaml

from quantray.research.market import SimulatedData
from quantray.research.results import ResultStore
from quantray.research.terms import AccountingSettings, ClusterSettings, CostSettings, TrackingSettings
from quantray.studies.forecasts.study import load_forecasts, study_splits
from quantray.studies.forecasts.trial import ForecastData, ForecastTrial, forecast_key
from quantray.studies.portfolios.settings import AllocatorSettings, FoldSettings, PolicySettings, PortfolioSettings
from quantray.studies.tuning.settings import (
    Choice,
    ForecastTarget,
    Integers,
    SearchSpace,
    StoppingSettings,
    TuningSettings,
    Uniform,
)
from quantray.studies.tuning.study import load_tuning
from quantray.studies.tuning.trial import FoldFits

WHERE = {"cluster", "tracking", "runs"}
"""Fields of a search, and of its study, that say where the work is done and what is written about it."""
STUDY = {
    "name": "market",
    "data": {"kind": "simulated", "n_assets": 20, "n_days": 420, "seed": 3},
    "allocators": [
        {"name": "Low risk", "rule": "minimum_variance", "estimator": "sample"},
        {"name": "Equal", "rule": "equal_weight"},
    ],
    "benchmark": "Equal",
    "folds": {"lookback_days": 126, "test_days": 63},
}
SPACE = {"estimator": Choice(values=("sample", "oas")), "min_history": Uniform(low=0.5, high=0.95)}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    target = {"kind": "portfolio", "allocator": "Low risk", "study": str(folder / "study.yaml")}
    return load_tuning(TuningSettings(name="search", target=target, space=SPACE, runs=str(folder / "runs")))


def other_search(source):
    """Field -> another value."""
    return {
        "name": "again",
        "target": source.settings.target.model_copy(update={"objective": "sharpe"}),
        "space": {"estimator": Choice(values=("sample", "ewma"))},
        "trials": 7,
        "concurrent": 1,
        "seed": 5,
        "stopping": StoppingSettings(grace=2),
        "held_out": 2,
        "confidence": 0.9,
        "cluster": ClusterSettings(kind="serial"),
        "tracking": TrackingSettings(mlflow=True),
        "runs": "elsewhere",
    }


OTHER_STUDY = {
    "name": "other",
    "data": SimulatedData(n_assets=20, n_days=420, seed=4),
    "allocators": (AllocatorSettings(name="Low risk", rule="minimum_variance", estimator="oas"),),
    "benchmark": "Equal",
    "rebalance": "weekly",
    "exchange": "XLON",
    "min_history": 0.8,
    "min_volatility": 0.01,
    "folds": FoldSettings(lookback_days=126, test_days=63, embargo=1),
    "policy": PolicySettings(kind="threshold", size=0.1),
    "costs": CostSettings(half_spread_bps=6.0),
    "accounting": AccountingSettings(execution_lag=2),
    "cluster": ClusterSettings(kind="serial"),
    "tracking": TrackingSettings(mlflow=True),
    "runs": "elsewhere",
}


def test_every_field_of_a_search_is_part_of_its_identity(source):
    changes = other_search(source)
    assert set(changes) == set(TuningSettings.model_fields)
    for name, value in changes.items():
        assert getattr(source.settings, name) != value, name
        other = replace(source, settings=source.settings.model_copy(update={name: value}))
        assert (other.identity == source.identity) == (name in WHERE), name


def test_every_field_of_the_study_is_part_of_the_search_and_of_its_trials(source):
    assert set(OTHER_STUDY) == set(PortfolioSettings.model_fields)
    point = source.subject.space.start()
    for name, value in OTHER_STUDY.items():
        assert getattr(source.base.settings, name) != value, name
        changed = source.base.settings.model_copy(update={name: value})
        other = replace(source, base=replace(source.base, settings=changed))
        assert (other.identity == source.identity) == (name in WHERE), name
        assert (other.trial_key(point) == source.trial_key(point)) == (name in WHERE), name


def test_every_value_of_a_point_is_part_of_its_trial(source):
    space = source.subject.space
    values = [(e, share) for e in ("sample", "oas") for share in (0.5, 0.9)]
    points = [space.point({"estimator": e, "min_history": share}) for e, share in values]
    assert len({source.trial_key(point) for point in points}) == 4


def test_fits_of_a_search_are_kept_by_all_that_they_depend_on(forecast_settings, network, tmp_path):
    """Every checkpoint lies under the key of its trial, that of a forecasting study, with the very settings of it."""
    source = load_forecasts(forecast_settings(tmp_path / "runs"))
    data = ForecastData(source.data.panel, source.data.sectors, ResultStore(tmp_path / "unused"))
    model = network(attention="none")
    splits = tuple(study_splits(source.settings, data.panel)[:2])
    space = SearchSpace(model, {"width": Integers(low=8, high=16, step=8)})
    fits = FoldFits(space, data, splits, before=130, seeds=2, threads=1, folder=tmp_path)
    progress = next(iter(fits.rounds({"width": 8})))
    assert np.isfinite(progress.objective)

    def wanted(before, threads):
        narrow = model.model_copy(update={"width": 8})
        trials = [ForecastTrial(narrow, split, seed, before, threads) for split in splits for seed in range(2)]
        return {forecast_key(data, trial) for trial in trials}

    assert len(wanted(130, 1)) == 4
    assert {path.parent.name for path in tmp_path.rglob("checkpoint.pt")} == wanted(130, 1)
    next(iter(replace(fits, before=120, threads=2).rounds({"width": 8})))
    assert {path.parent.name for path in tmp_path.rglob("checkpoint.pt")} == wanted(130, 1) | wanted(120, 2)


def test_targets_of_networks_have_fields_of_their_own(source):
    target = ForecastTarget(study="a.yaml", model="Net")
    base = replace(source, settings=source.settings.model_copy(update={"target": target}))
    others = {"study": "b.yaml", "model": "Other", "seeds": 2}
    assert set(others) | {"kind"} == set(ForecastTarget.model_fields)
    for name, value in others.items():
        changed = target.model_copy(update={name: value})
        assert replace(base, settings=base.settings.model_copy(update={"target": changed})).identity != base.identity
