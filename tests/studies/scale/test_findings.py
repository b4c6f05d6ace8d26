"""What is kept of a study of scale, and that its folder and its report say it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from quantray.arrays import digest
from quantray.research.folder import read_run
from quantray.research.run import write
from quantray.settings import read_settings
from quantray.studies.scale.findings import find_scale
from quantray.studies.scale.settings import ScaleSettings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(scale_study):
    source, result = scale_study
    return write("scale", source, find_scale(source, result))


def test_the_folder_says_what_was_run_and_found(scale_study, folder):
    source, result = scale_study
    assert {path.name for path in folder.iterdir()} == {
        "settings.yaml", "study.json", "metrics.json", "page.json", "scale.json", "report.html",
    }  # fmt: skip
    assert read_settings(ScaleSettings, folder / "settings.yaml") == source.settings
    about = read_run(folder).about
    assert folder.name == f"sizes-{about.config_hash}"
    assert (about.kind, about.called) == ("scale", "fits")
    # A network and four controls on two folds of two universes.
    assert (about.computed, about.reused) == (20, 0)
    assert about.digest == digest([size.study.digest for size in result.sizes])
    assert (about.facts["sizes"], about.facts["n_folds"]) == ([24, 48], 2)
    assert about.facts["last"] == str(result.sizes[0].study.dates[-1])


def test_numbers_by_size_are_those_of_the_studies(scale_study, folder):
    _, result = scale_study
    numbers = json.loads((folder / "scale.json").read_text())
    assert [size["size"] for size in numbers] == [24, 48]
    for size, found in zip(result.sizes, numbers, strict=True):
        assert found["names"] == size.n_names
        assert found["costs"]["GAT"]["seconds"] == size.costs["GAT"].seconds
        assert found["digest"] == size.study.digest
        for model in size.study.models:
            assert found["ic"][model.name]["mean"] == pytest.approx(np.nanmean(model.ic))
            assert found["nested_ic"][model.name]["mean"] == pytest.approx(np.nanmean(size.nested[model.name]))
            assert found["nested_change"][model.name]["mean"] == size.nested_against_smallest[model.name].mean
        assert found["differences"]["GAT"]["zero"]["mean"] == pytest.approx(found["ic"]["GAT"]["mean"])


def test_the_report_and_the_metrics_show_them(folder):
    numbers = json.loads((folder / "scale.json").read_text())
    metrics = json.loads((folder / "metrics.json").read_text())
    html = (folder / "report.html").read_text()
    for found in numbers:
        for kind in ("ic", "nested_ic"):
            skill = found[kind]["GAT"]
            assert f"{skill['mean']:.4f} ({skill['low']:.4f} to" in html
            name = f"{kind}_{found['size']}"
            kept = [metrics["GAT"][f"{name}{end}"] for end in ("", "_low", "_high")]
            assert kept == [skill["mean"], skill["low"], skill["high"]]
    for text in (
        "The same forecasts on universes of 24, 48 names · simulated market, seed 3 · ",
        " · 2 folds, 1 seed<",
        "One epoch over 120 training dates, validation included, alone in a process with 1 thread;",
        "with its 95% interval",
        "Only 1 seed:",
    ):
        assert text in html, text


def test_survivors_are_named_with_the_version_that_was_read(scale_study, tmp_path):
    source, result = scale_study
    close = source.panel.field("close")
    # Every name trades on the last day.
    panel = source.panel.with_fields(close=np.where(np.isnan(close), 1.0, close))
    data = replace(source.data, panel=panel, description="market store s, version 0")
    settings = source.settings.model_copy(update={"runs": str(tmp_path)})
    source = replace(source, settings=settings, data=data)
    html = (write("scale", source, find_scale(source, result)) / "report.html").read_text()
    for text in ("market store s, version 0", "so it holds survivors: skill on it is flattered"):
        assert text in html, text
