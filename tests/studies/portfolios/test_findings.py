import json

import pytest
from numpy.testing import assert_array_equal
from small_portfolios import kept

from quantray.analytics.track import TrackRecord
from quantray.errors import DataError
from quantray.research.run import render


def test_a_run_folder_holds_all_that_a_report_needs(study):
    source, result = study
    folder = kept(source, result)
    assert {p.name for p in folder.iterdir()} == {
        "settings.yaml", "study.json", "metrics.json", "page.json", "tracks", "report.html",
    }  # fmt: skip
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["Equal weight"]["vs_beta"] == pytest.approx(1.0)
    assert metrics["HRP"]["annual_volatility"] < metrics["Equal weight"]["annual_volatility"]
    record = TrackRecord.read(folder / "tracks" / "HRP")
    assert_array_equal(record.nav, result.records[0].nav)
    html = (folder / "report.html").read_text()
    assert result.digest in html
    # Opens offline: nothing is fetched from anywhere.
    assert 'src="http' not in html
    assert "cdn.plot.ly" not in html.replace("https://cdn.plot.ly/un/", "")
    (folder / "report.html").unlink()
    assert render(folder).read_text() == html


def test_metrics_are_strict_json(study):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    text = (kept(*study) / "metrics.json").read_text()
    # The benchmark has no information ratio against itself.
    assert json.loads(text, parse_constant=refuse)["Equal weight"]["vs_information_ratio"] is None


def test_a_run_that_was_not_written_to_its_end_is_none(study, monkeypatch):
    source, result = study
    folder = kept(source, result)

    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(DataError, match="cannot write .*: No space left on device"):
            kept(source, result)
    with pytest.raises(DataError, match="is not a finished run"):
        render(folder)


def test_no_run_folder(tmp_path):
    with pytest.raises(DataError, match="is not a run folder"):
        render(tmp_path)
