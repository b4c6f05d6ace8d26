"""What a search is known by, and its trials: every setting that its numbers depend on, and none of where it ran."""

from dataclasses import replace

import pytest
import yaml

from quantray.errors import InputError
from quantray.research.market import SimulatedData
from quantray.research.space import Choice
from quantray.research.terms import (
    AccountingSettings,
    ClusterSettings,
    ResamplingSettings,
    TrackingSettings,
    TradingCostSettings,
)
from quantray.studies.portfolios.risk.settings import RiskSettings
from quantray.studies.portfolios.settings import AllocatorSettings, FoldSettings, PolicySettings, PortfolioSettings
from quantray.studies.tuning.settings import StoppingSettings, TuningSettings
from quantray.studies.tuning.study import load_tuning

WHERE = {"cluster", "tracking", "runs"}
"""Fields of a search, and of its study, that say where the work is done and what is written about it."""
SPACE = {
    "estimator": {"kind": "choice", "values": ["sample", "oas"]},
    "min_history": {"kind": "uniform", "low": 0.5, "high": 0.95},
}


@pytest.fixture(scope="module")
def source(search_in, tmp_path_factory):
    return load_tuning(search_in(tmp_path_factory.mktemp("search"), "portfolios", space=SPACE))


def other_search(source):
    """Field -> another value."""
    return {
        "kind": "another",
        "name": "again",
        "target": source.settings.target.model_copy(update={"objective": "sharpe"}),
        "space": {"estimator": Choice(values=("sample", "ewma"))},
        "trials": 7,
        "concurrent": 1,
        "seed": 5,
        "stopping": StoppingSettings(grace=2),
        "held_out": 2,
        "resampling": ResamplingSettings(confidence=0.9),
        "cluster": ClusterSettings(kind="serial"),
        "tracking": TrackingSettings(mlflow=True),
        "numerics": "any",
        "runs": "elsewhere",
    }


OTHER_STUDY = {
    "kind": "another",
    "name": "other",
    "data": SimulatedData(n_assets=20, n_days=440, seed=4),
    "allocators": (AllocatorSettings(name="Low risk", rule="minimum_variance", estimator="oas"),),
    "benchmark": "Equal",
    "risk_free": 0.02,
    "rebalance": "weekly",
    "exchange": "XLON",
    "min_history": 0.8,
    "min_volatility": 0.01,
    "folds": FoldSettings(lookback_days=126, test_days=63, embargo=1),
    "policy": PolicySettings(kind="threshold", size=0.1),
    "costs": TradingCostSettings(half_spread_bps=6.0),
    "accounting": AccountingSettings(execution_lag=2),
    "resampling": ResamplingSettings(seed=1),
    "cluster": ClusterSettings(kind="serial"),
    "tracking": TrackingSettings(mlflow=True),
    "risk": RiskSettings(level=0.95),
    "numerics": "any",
    "runs": "elsewhere",
}


# Fields of one kind of study get values of another only to see that they count.
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_every_field_of_a_search_is_part_of_its_identity(source):
    changes = other_search(source)
    assert set(changes) == set(TuningSettings.model_fields)
    for name, value in changes.items():
        assert getattr(source.settings, name) != value, name
        other = replace(source, settings=source.settings.model_copy(update={name: value}))
        assert (other.identity == source.identity) == (name in WHERE), name


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_every_field_of_the_study_is_part_of_the_search_and_of_its_trials(source):
    assert set(OTHER_STUDY) == set(PortfolioSettings.model_fields)
    tunable = source.prepared
    study, point = tunable.source, tunable.subject.space.start()
    assert source.about == study.settings.identity
    assert source.identity == f"{source.settings.identity}-{study.settings.identity}"
    for name, value in OTHER_STUDY.items():
        assert getattr(study.settings, name) != value, name
        changed = study.settings.model_copy(update={name: value})
        other = replace(tunable, source=replace(study, settings=changed))
        assert (changed.identity == study.settings.identity) == (name in WHERE), name
        assert (other.trial_key(point) == tunable.trial_key(point)) == (name in WHERE), name


def test_every_value_of_a_point_is_part_of_its_trial(source):
    space = source.prepared.subject.space
    values = [(e, share) for e in ("sample", "oas") for share in (0.5, 0.9)]
    points = [space.point({"estimator": e, "min_history": share}) for e, share in values]
    assert len({source.prepared.trial_key(point) for point in points}) == 4


@pytest.mark.parametrize("of", ["networks", "portfolios"])
def test_a_study_runs_where_its_search_does_and_another_makes_another_search(search_in, tmp_path, of):
    settings = search_in(tmp_path, of)
    source = load_tuning(settings)
    study = source.prepared.source.settings
    assert (study.cluster, study.runs) == (settings.cluster, settings.runs)
    assert source.data is source.prepared.source.data
    assert source.folder.parent == tmp_path / "runs"
    # Where the file says that the study runs is nothing to the search.
    search_in(tmp_path, of, study={"runs": "elsewhere", "cluster": {"kind": "serial"}})
    assert load_tuning(settings).folder == source.folder
    search_in(tmp_path, of, study={"resampling": {"seed": 1}})
    assert load_tuning(settings).folder != source.folder


def test_a_study_says_its_kind(search_in, tmp_path):
    settings = search_in(tmp_path)
    content = yaml.safe_load((tmp_path / "study.yaml").read_text())
    del content["kind"]
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match="study.yaml names no kind of study; add `kind: portfolios`"):
        load_tuning(settings)


def test_nothing_of_a_search_can_be_tuned(search_in, tmp_path):
    settings = search_in(tmp_path)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(settings.model_dump(mode="json")))
    with pytest.raises(InputError, match="study.yaml is of kind tuning, of which nothing can be tuned"):
        load_tuning(settings)
