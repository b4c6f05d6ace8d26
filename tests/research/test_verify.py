"""Everything that a run kept or came from is compared, and what differs is named."""

import shutil
from dataclasses import replace

import pyarrow as pa
import pytest
from counted_runs import findings_of, source_in

from quantray.data.store import MarketStore
from quantray.errors import DataError
from quantray.research.market import MarketSettings, StoreData, read_market
from quantray.research.results import ResultStore
from quantray.research.run import write
from quantray.research.verify import verify_run

BARS = "date,symbol,close\n" + "".join(
    f"2024-01-{day:02d},AAA,{10 + day}\n" for day in range(2, 13) if day not in (6, 7)
)


def test_a_whole_run_is_said_to_be(tmp_path, make_panel):
    source = source_in(tmp_path, make_panel)
    for key in ("ab12", "cd34"):
        ResultStore(tmp_path / "runs" / "results").put(key, pa.table({"x": [1]}))
    folder = write("counting", source, findings_of(), ["ab12", "cd34", "ab12"])
    found = verify_run(folder)
    assert found.damage == ()
    assert found.checked == ("7 files and the report.", f"2 results in {tmp_path / 'runs' / 'results'}.")
    # Wherever the folder of runs is moved.
    (tmp_path / "runs").rename(tmp_path / "moved")
    assert verify_run(tmp_path / "moved" / folder.name).damage == ()


def test_whatever_is_damaged_is_named_with_what_to_do(tmp_path, make_panel):
    results = ResultStore(tmp_path / "runs" / "results")
    for key in ("ab12", "cd34", "ef56"):
        results.put(key, pa.table({"x": [1]}))
    folder = write("counting", source_in(tmp_path, make_panel), findings_of(), ["ab12", "cd34", "ef56"])
    (folder / "extra.txt").write_text("other")
    results.path("ab12").write_bytes(results.path("cd34").read_bytes())
    results.path("ef56").unlink()
    assert verify_run(folder).damage == (
        f"{folder / 'extra.txt'} is damaged: it is not what the run wrote; put back a copy, or run the study again, "
        "which computes only what is missing.",
        f"{results.path('ab12')} is damaged; compute it again: quantray run {folder}/settings.yaml",
        f"{results.path('ef56')} is missing; compute it again: quantray run {folder}/settings.yaml",
    )
    (folder / "results.txt").write_text("zz99\n")
    found = verify_run(folder)
    assert len(found.damage) == 2
    assert "The results were not compared, for their list is damaged." in found.checked


@pytest.mark.parametrize("key", ["../../etc/passwd", "a\0b", "x" * 300, "\ud800"])
def test_a_list_of_results_that_no_run_wrote_is_named(tmp_path, make_panel, key):
    text = key.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    folder = write("counting", source_in(tmp_path, make_panel), findings_of(), [text])
    (line,) = verify_run(folder).damage
    assert line.startswith(f"{folder / 'results.txt'} names ")
    assert line.endswith("which is no result; run the study again.")


def test_a_run_that_has_not_finished_has_nothing_to_compare(tmp_path, make_panel):
    folder = write("counting", source_in(tmp_path, make_panel), findings_of())
    (folder / "study.json").unlink()
    with pytest.raises(DataError, match="is not a finished run; run its settings again"):
        verify_run(folder)


@pytest.fixture
def on_store(tmp_path, make_panel):
    """A run on version 1 of a market store, an import and an append."""
    store = MarketStore(tmp_path / "market")
    (tmp_path / "bars.csv").write_text(BARS)
    store.import_bars(tmp_path / "bars.csv")
    (tmp_path / "more.csv").write_text("date,symbol,close\n2024-01-12,AAA,22\n2024-01-16,AAA,23\n")
    store.append(tmp_path / "more.csv")
    _, data = read_market(MarketSettings(data=StoreData(store=store.uri)), ("close",))
    source = source_in(tmp_path, make_panel)
    folder = write("counting", replace(source, data=data), findings_of())
    return store, folder


def test_the_version_of_the_store_is_compared(on_store, tmp_path):
    store, folder = on_store
    assert verify_run(folder).checked[-1].startswith(f"Market store {store.uri}: version 1 with 11 rows; ")
    market = tmp_path / "market"
    shutil.copytree(market, tmp_path / "copy")
    (last,) = (market / "_delta_log").glob("*1.json")
    last.unlink()
    (line,) = verify_run(folder).damage
    assert line.startswith(f"{store.uri} has lost version 1: its log ends with 0; put")
    # As an older copy of the whole store would be.
    (market / "_latest_version").unlink()
    (line,) = verify_run(folder).damage
    assert line.startswith(f"{store.uri} ends with version 0, and the run read version 1: its last commits are lost")
    # Another append makes another version of that number.
    (tmp_path / "other.csv").write_text("date,symbol,close\n2024-01-16,AAA,23\n")
    store.append(tmp_path / "other.csv")
    (line,) = verify_run(folder).damage
    assert line.startswith(f"{store.uri} has 10 rows in version 1, and the run read 11: it is not what it was")
    shutil.rmtree(market)
    shutil.copytree(tmp_path / "copy", market)
    assert verify_run(folder).damage == ()
    (tmp_path / "market").rename(tmp_path / "gone")
    found = verify_run(folder)
    assert found.damage == ()
    assert found.checked[-1] == f"The market store {store.uri} is not here, so its version 1 was not compared."


def test_a_store_that_asks_for_a_login_is_not_said_to_be_damaged(tmp_path, make_panel):
    data = StoreData(store="s3://key:it's/secret@bucket/market", version=1)
    found = verify_run(write("counting", source_in(tmp_path, make_panel, data), findings_of()))
    assert found.damage == ()
    store = "s3://***@bucket/market"
    assert found.checked[-1] == f"The market store {store} asks for a login, so its version 1 was not compared."


def test_a_report_that_is_missing_is_named(tmp_path, make_panel):
    folder = write("counting", source_in(tmp_path, make_panel), findings_of())
    (folder / "report.html").unlink()
    assert verify_run(folder).damage == (
        f"{folder / 'report.html'} is missing; write it again: quantray report {folder}",
    )
