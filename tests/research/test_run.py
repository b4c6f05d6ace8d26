"""The run folder: whole or not at all, by one run at a time, and rendered again from what the run wrote only."""

import fcntl
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import plotly.graph_objects as go
import pyarrow.parquet as pq
import pytest
from counted_runs import TABLE, findings_of, source_in

from quantray.analytics.figures import Picture
from quantray.analytics.page import Chart, Page, Rows, Section, Table, chart
from quantray.errors import DataError
from quantray.research import run
from quantray.research.folder import damage, read_page, read_run
from quantray.research.numerics import NOT_COMPARABLE
from quantray.research.run import render, write


@pytest.fixture
def source(tmp_path, make_panel):
    return source_in(tmp_path, make_panel)


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
    assert read_page(read_run(folder)).summary == TABLE
    html = (folder / "report.html").read_text()
    for text in ("One was counted.", "Digest of all results d1", "2 counts computed", "numpy", "A note.", "size"):
        assert text in html, text


def test_a_run_is_finished_once_everything_is_there(source, monkeypatch):
    folder = write("counting", source, findings_of())

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
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


def test_two_runs_that_end_together_write_one_after_the_other(source, monkeypatch):
    """The second comes to its end while the first writes, and waits."""
    order, waits, flock, whole = [], threading.Event(), fcntl.flock, run.write_atomically
    first = threading.current_thread()

    def noted_flock(handle, kind):
        if threading.current_thread() is not first:
            waits.set()
        flock(handle, kind)

    def noted_write(path, content):
        if not order:
            seconds.append(pool.submit(write, "counting", source, findings_of()))
            assert waits.wait(60)
        order.append(threading.current_thread() is first)
        whole(path, content)

    monkeypatch.setattr(fcntl, "flock", noted_flock)
    monkeypatch.setattr(run, "write_atomically", noted_write)
    seconds = []
    with ThreadPoolExecutor(1) as pool:
        folder = write("counting", source, findings_of())
        assert seconds[0].result() == folder
    assert order == [True] * (len(order) // 2) + [False] * (len(order) // 2)
    assert damage(read_run(folder)) == []
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_where_there_are_no_locks_a_line_says_so(source, monkeypatch, capsys):
    def none(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    folder = write("counting", source, findings_of())
    assert f"{folder.parent} has no locks: two runs of the same study" in capsys.readouterr().err
    assert damage(read_run(folder)) == []


@pytest.mark.parametrize("file", ["settings.yaml", "metrics.json", "page.json", "inner/t.parquet", "extra.txt"])
def test_a_report_is_not_made_of_what_the_run_did_not_write(source, file):
    folder = write("counting", source, findings_of())
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[:-2] + b"!" + content[-1:])
    with pytest.raises(DataError, match=f"{file} is damaged: it is not what the run wrote; put back a copy, or run"):
        render(folder)
    (folder / file).unlink()
    with pytest.raises(DataError, match=f"{file} is missing; put back a copy, or run|is missing"):
        render(folder)
    (folder / file).write_bytes(content)
    assert render(folder).is_file()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        *[(symbol, symbol) for symbol in ("TOKEN=A", "SIG=F", "TOKEN=ABC", "token=a", "=", "a=\\", "it's", "://", "€")],
        ('token=a"b', 'token=a"b'),
        ("password='a\\", "password='a\\"),
        ("http://me:it's\"a<secret@h/x", "http://***@h/x"),
        ('http://h/?access_token=a"secret', "http://h/?access_token=***"),
    ],
)
def test_whatever_text_a_page_holds_it_is_read_back(source, text, left):
    """Symbols as they are, in tables and pictures, and addresses without their logins."""
    table = Table(title=text, columns=(text, text), groups=(Rows(title=text, rows=((text, text),)),))
    figure = go.Figure(go.Bar(x=[text], y=[1.0], name=text)).update_layout(height=300)
    direct = Chart(figure=json.dumps({"data": [{"name": text}]}), height=1)
    sections = (chart(text, Picture(figure, text)), Section(title=text, parts=(table, direct)))
    page = Page(
        title=text, meta=text, headline=text, warnings=(text,), findings=(text,), sections=sections, summary=table
    )
    folder = write("counting", source, findings_of(page=page, notes=(text,), facts={"n": text, "of": [text]}))
    run = read_run(folder)
    kept = read_page(run)
    assert (kept.title, kept.summary.groups[0].rows[0][0], kept.sections[0].note) == (left, left, left)
    pictures = [json.loads(part.figure)["data"][0] for section in kept.sections for part in section.parts[-1:]]
    assert [picture["name"] for picture in pictures] == [left, left]
    assert (run.about.headline, run.about.notes) == (left, (left,))
    assert damage(run) == []
    assert render(folder).is_file()
    assert not any(b"secret" in path.read_bytes() for path in folder.rglob("*") if path.is_file())
