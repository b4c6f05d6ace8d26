import pytest
from pydantic import ValidationError

from quantray.errors import InputError
from quantray.research.market import StoreData, UniverseSettings
from quantray.research.terms import LagSettings, ResamplingSettings
from quantray.settings import to_yaml
from quantray.studies.kinds import read_study
from quantray.studies.scale.kind import SCALE
from quantray.studies.scale.settings import ScaleSettings


@pytest.mark.parametrize(
    "sizes", [(48, 24), (24, 24), (19, 40), ()], ids=["descending", "repeated", "too small", "none"]
)
def test_wrong_sizes_are_refused(scale_settings, sizes):
    with pytest.raises(ValidationError, match="must be ascending, different and at least 20|at least 1 item"):
        scale_settings("runs", sizes=sizes)


def test_a_store_is_asked_for_the_most_traded_names_of_each_size(scale_settings):
    data = StoreData(store="s", universe=UniverseSettings(preset="top2000", review="quarterly", buffer=0.2))
    said = {"resampling": ResamplingSettings(confidence=0.9, seed=4), "accounting": LagSettings(execution_lag=2)}
    settings = scale_settings("runs", data=data, seeds=3, exchange="XLON", **said)
    study = settings.study(48)
    assert study.data.universe == UniverseSettings(band=(1, 48), review="quarterly", buffer=0.2)
    assert (study.name, study.models, study.folds) == ("sizes-48", settings.models, settings.folds)
    assert (study.seeds, study.runs, study.exchange) == (3, "runs", "XLON")
    assert {name: getattr(study, name) for name in said} == said


def test_where_a_study_runs_changes_no_identity(scale_settings):
    here, there = scale_settings("a"), scale_settings("b", cluster={"kind": "serial"}, tracking={"mlflow": True})
    assert here.identity == there.identity
    assert here.identity != here.model_copy(update={"measured_epochs": 3}).identity
    assert ScaleSettings.model_validate(here.model_dump(mode="json")) == here


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("confidence=0.9", "an older layout; for confidence write resampling.confidence"),
        ("folds.lag=2", "an older layout; for folds.lag write accounting.execution_lag"),
    ],
)
def test_settings_of_an_older_layout_are_told_the_new_names(scale_settings, tmp_path, change, text):
    file = tmp_path / "study.yaml"
    file.write_text(to_yaml(scale_settings("runs")))
    assert read_study(file, kind="scale") == (SCALE, scale_settings("runs"))
    with pytest.raises(InputError, match=text):
        read_study(file, [change])
