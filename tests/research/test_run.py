"""The run folder: whole or not at all, read back, listed, and refused in a line where it is damaged."""

import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quantray.analytics.page import Page, Rows, Table
from quantray.errors import DataError
from quantray.research.kind import Findings, Source, StudySettings, Work
from quantray.research.market import MarketData, SimulatedData
from quantray.research.numerics import NOT_COMPARABLE
from quantray.research.run import read_page, read_run, render, write

TABLE = Table(title="s: a table", columns=("name", "value"), groups=(Rows(rows=(("a", "1"),)),))


class Settings(StudySettings):
    kind: str = "counting"
    size: int = 1


def findings_of(**changes):
    values = {
        "digest": "d1",
        "page": Page(title="t", meta="m", headline="One was counted.", sections=(), summary=TABLE),
        "work": Work(2, 3, 1.25, "counts"),
        "metrics": {"a": {"value": 1.0, "value_low": 0.5, "value_high": 1.5, "nothing": float("nan")}},
        "tables": {"inner/t": pa.table({"x": [1, 2]})},
        "files": {"extra.txt": "more"},
        "facts": {"n": 1},
        "notes": ("A note.",),
    }
    return Findings(**(values | changes))


@pytest.fixture
def source(tmp_path, make_panel):
    data = MarketData(SimulatedData(), make_panel([[1.0, 2.0]] * 3), "nowhere", {}, ())
    return Source(Settings(name="s", runs=str(tmp_path / "runs")), data, None)


def with_settings(source, **changes):
    return replace(source, settings=source.settings.model_copy(update=changes))


def test_everything_is_kept_and_read_back(source):
    folder = write("counting", source, findings_of())
    assert folder == source.folder
    assert folder.name == f"s-{source.identity}"
    run = read_run(folder)
    assert run.kind == run.about.kind == "counting"
    assert (run.about.digest, run.about.headline, run.about.facts) == ("d1", "One was counted.", {"n": 1})
    assert run.about.work == "2 counts computed, 3 reused, 1.2 s"
    assert run.settings["size"] == 1
    assert json.loads((folder / "metrics.json").read_text())["a"]["nothing"] is None
    assert pq.read_table(folder / "inner" / "t.parquet")["x"].to_pylist() == [1, 2]
    assert (folder / "extra.txt").read_text() == "more"
    assert read_page(folder).summary == TABLE
    html = (folder / "report.html").read_text()
    for text in ("One was counted.", "Digest of all results d1", "2 counts computed", "numpy", "A note.", "size"):
        assert text in html, text


def test_a_run_is_finished_once_everything_is_there(source, monkeypatch):
    folder = write("counting", source, findings_of())

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("quantray.research.run.pq.write_table", full)
    with pytest.raises(DataError, match="cannot write .*: No space left on device; free space"):
        write("counting", source, findings_of(digest="d2"))
    assert read_run(folder).about is None
    with pytest.raises(
        DataError, match=r"is not a finished run; run its settings again: quantray run .*settings\.yaml"
    ):
        render(folder)


def test_where_it_ran_is_no_part_of_what_was_studied(source, tmp_path):
    elsewhere = with_settings(source, runs=str(tmp_path / "other"))
    assert elsewhere.identity == source.identity
    assert with_settings(source, size=2).identity != source.identity
    about = replace(source, about="of-another")
    assert about.folder.name == f"s-{source.identity}-of-another"


def test_a_run_on_any_kernels_says_that_its_digest_is_not_comparable(source):
    folder = write("counting", with_settings(source, numerics="any"), findings_of())
    assert read_run(folder).about.notes == ("A note.", NOT_COMPARABLE)
    assert NOT_COMPARABLE in (folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("settings.yaml", None, "is not a run folder"),
        ("settings.yaml", "- 1", "settings.yaml holds no settings"),
        ("settings.yaml", "a: [", "is not a run folder"),
        ("study.json", "{", "is not a run folder"),
        ("study.json", "[1]", "is not a run folder"),
        ("study.json", '{"layout": 1}', "is not a run folder"),
        (
            "study.json",
            '{"layout": 99, "versions": {"quantray": "9.0"}}',
            "was written by a newer quantray .9.0.; upgrade",
        ),
        ("page.json", None, "page.json of .* cannot be read"),
        ("page.json", "{}", "page.json of .* cannot be read"),
    ],
)
def test_a_damaged_folder_is_refused_in_a_line(source, file, content, words):
    folder = write("counting", source, findings_of())
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(content)
    with pytest.raises(DataError, match=words) as caught:
        render(folder)
    assert "\n" not in str(caught.value)
