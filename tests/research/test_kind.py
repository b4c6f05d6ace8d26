"""What all kinds of study share: an identity that follows numbers only, and a folder named by it."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from quantray.research.kind import Source, StudySettings
from quantray.research.market import MarketData, SimulatedData
from quantray.research.terms import ClusterSettings, ResamplingSettings


def settings_of(**changes):
    return StudySettings(kind="toy", name="toy", runs="runs", **changes)


def test_where_a_study_runs_is_no_part_of_its_identity():
    plain = settings_of()
    elsewhere = settings_of(cluster=ClusterSettings(kind="serial")).model_copy(update={"runs": "elsewhere"})
    assert elsewhere.identity == plain.identity
    assert settings_of(resampling=ResamplingSettings(seed=1)).identity != plain.identity


def test_results_lie_where_the_study_began_whatever_folder_follows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = settings_of().results
    (tmp_path / "deeper").mkdir()
    monkeypatch.chdir(tmp_path / "deeper")
    store.put("ab12", pa.table({"x": [1.0]}))
    assert [path.relative_to(tmp_path).parts[:2] for path in tmp_path.rglob("*.parquet")] == [("runs", "results")]


@pytest.mark.parametrize(("cpus", "threads"), [(0.5, 1), (1.0, 1), (3.5, 3)])
def test_a_unit_has_the_threads_of_its_whole_cpus(cpus, threads):
    assert settings_of(cluster=ClusterSettings(cpus_per_task=cpus)).threads == threads


def test_a_source_is_known_by_its_settings_and_what_it_is_about(make_panel):
    panel = make_panel(np.ones((3, 2)))
    data = MarketData(SimulatedData(), panel, "a toy", {}, ())
    settings = settings_of()
    plain, about = (Source(settings, data, None, about) for about in ("", "abc"))
    assert plain.identity == settings.identity
    assert about.identity == f"{settings.identity}-abc"
    assert about.folder == Path("runs").resolve() / f"toy-{about.identity}"
    assert plain.shared_bytes == sum(values.nbytes for values in panel.fields.values())


@pytest.mark.parametrize("name", ["", "../up", "a b", ".hidden"])
def test_names_that_cannot_be_folders(name):
    with pytest.raises(ValueError, match="name"):
        StudySettings(kind="toy", name=name)
