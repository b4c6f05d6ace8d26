"""A run folder as it is read: damaged and crafted files of every kind are refused in a line."""

import json
import os

import pytest
from counted_runs import findings_of, source_in

from quantray.errors import DataError, QuantrayError
from quantray.research.comparison import compare_runs
from quantray.research.folder import damage, list_runs, read_metrics, read_page, read_run
from quantray.research.run import render, write
from quantray.storage.seals import file_hash, seal_json

DEEP = "[" * 100_000


@pytest.fixture
def folder(tmp_path, make_panel):
    return write("counting", source_in(tmp_path, make_panel), findings_of())


def crafted(folder, **changes):
    """``study.json`` with a seal that fits, whatever it says."""
    said = json.loads((folder / "study.json").read_text())
    del said["seal"]
    (folder / "study.json").write_bytes(seal_json(json.dumps(said | changes, indent=2), "study.json"))


def with_file(folder, name, content):
    """The run with another file, of which ``study.json`` says that it is the run's."""
    (folder / name).write_bytes(content)
    files = json.loads((folder / "study.json").read_text())["files"]
    crafted(folder, files=files | {name: file_hash(content)})


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("settings.yaml", None, "settings.yaml is missing"),
        ("settings.yaml", "- 1", "settings.yaml is damaged: it is not what the run wrote"),
        ("settings.yaml", "a: [", "settings.yaml is damaged"),
        ("study.json", "", "study.json is damaged"),
        ("study.json", "{", "study.json is damaged"),
        ("study.json", "\xff\xfe", "study.json is damaged"),
        ("study.json", "[1]", "study.json is damaged .it holds no entries."),
        ("study.json", DEEP, "study.json is damaged"),
        ("study.json", "9" * 5000, "study.json is damaged"),
        ("study.json", '{"layout": 2}', "study.json is damaged .it carries no seal"),
        ("study.json", '{"layout": 1, "versions": {"quantray": "0.0"}}', "was written by an older quantray .0.0.; run"),
        ("page.json", None, "page.json is missing"),
        ("page.json", "{}", "page.json is damaged"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_damaged_folder_is_refused_in_a_line(folder, file, content, words):
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(content)
    with pytest.raises(DataError, match=words) as caught:
        render(folder)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layout": 99, "versions": {"quantray": "9.0"}}, "was written by a newer quantray .9.0.; upgrade"),
        ({"layout": 99, "versions": 1}, "was written by a newer quantray"),
        ({"layout": "x"}, "study.json is damaged"),
        ({"written": "2020-01-01"}, "study.json is damaged"),
        ({"files": {"../../other": "0"}}, "study.json is damaged"),
        ({"files": {"/etc/passwd": "0"}}, "study.json is damaged"),
        ({"facts": 1}, "study.json is damaged"),
        ({"unknown": 1}, "study.json is damaged"),
        ({"digest": None}, "study.json is damaged"),
        ({"files": {}}, "settings.yaml is damaged"),
    ],
)
def test_a_crafted_study_is_refused_in_a_line(folder, changes, words):
    crafted(folder, **changes)
    for action in (render, read_run, lambda folder: compare_runs(folder, folder)):
        with pytest.raises(DataError, match=words) as caught:
            action(folder)
        assert "\n" not in str(caught.value)
    assert list_runs(folder.parent) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("settings.yaml", b"- 1"),
        ("settings.yaml", b"a: [\n" * 3),
        ("settings.yaml", b"\xff\xfe\x00"),
        ("settings.yaml", b"!!python/object/apply:os.system ['false']"),
        ("settings.yaml", b'a: "\\ud800"'),
        ("metrics.json", b"[]"),
        ("metrics.json", b'{"a": 1}'),
        ("metrics.json", b'{"a": {"b": "c"}}'),
        ("metrics.json", DEEP.encode()),
        ("page.json", b"\x00"),
        ("page.json", b'{"title": 1}'),
        ("page.json", DEEP.encode()),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_crafted_files_are_refused_in_a_line(folder, name, content):
    with_file(folder, name, content)
    with pytest.raises(QuantrayError) as caught:  # noqa: PT012  (whichever reads it)
        run = read_run(folder)
        read_metrics(run)
        read_page(run)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_a_table_whose_rows_are_longer_than_it_is_refused(folder):
    page = json.loads((folder / "page.json").read_text())
    page["summary"]["columns"] = ["one"]
    with_file(folder, "page.json", json.dumps(page).encode())
    with pytest.raises(DataError, match="page.json of .* cannot be read"):
        render(folder)


def test_a_picture_that_is_no_data_reaches_no_page(folder):
    """What stands where a figure belongs would run in the browser of whoever opens the report."""
    page = json.loads((folder / "page.json").read_text())
    for figure in ("alert(1)", "{}; alert(1)", "[]", '"a"'):
        page["sections"] = [{"title": "t", "parts": [{"kind": "chart", "figure": figure, "height": 1}]}]
        with_file(folder, "page.json", json.dumps(page).encode())
        with pytest.raises(DataError, match="page.json of .* cannot be read"):
            render(folder)


@pytest.mark.parametrize("name", ["settings.yaml", "study.json", "metrics.json", "page.json", "report.html"])
def test_what_is_no_file_is_not_waited_for(folder, name):
    (folder / name).unlink()
    os.mkfifo(folder / name)
    if name == "report.html":
        assert damage(read_run(folder)) == [
            f"{folder / name} cannot be read: it is a pipe or a device; write it again: quantray report {folder}"
        ]
        return
    with pytest.raises(DataError):
        render(folder)


def test_every_damaged_file_has_a_line(folder):
    assert damage(read_run(folder)) == []
    for name in ("extra.txt", "inner/t.parquet", "report.html"):
        path = folder / name
        path.write_bytes(path.read_bytes()[:-1])
    lines = damage(read_run(folder))
    assert [str(folder / name) in line for name, line in zip(
        ("inner/t.parquet", "extra.txt", "report.html"), lines, strict=True
    )] == [True] * 3  # fmt: skip
    assert lines[2].endswith(f"write it again: quantray report {folder}")


def test_what_is_no_run_folder_is_said_in_one_sentence(tmp_path):
    with pytest.raises(DataError) as caught:
        read_run(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} is not a run folder: settings file {tmp_path / 'settings.yaml'} does not exist; give a folder "
        "that a study wrote."
    )
