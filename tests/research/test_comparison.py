from dataclasses import replace

import pytest
from counted_runs import findings_of, source_in

from quantray.errors import DataError, InputError
from quantray.research.comparison import compare_runs, listed
from quantray.research.folder import list_runs, read_run
from quantray.research.run import write


@pytest.fixture
def source(tmp_path, make_panel):
    return source_in(tmp_path, make_panel)


def with_settings(source, **changes):
    return replace(source, settings=source.settings.model_copy(update=changes))


def test_runs_are_listed_the_last_first_and_the_unfinished_at_the_end(source, tmp_path, capsys):
    write("counting", source, findings_of())
    unfinished = with_settings(source, size=3)
    unfinished.folder.mkdir(parents=True)
    (unfinished.folder / "settings.yaml").write_text("kind: counting\nname: s\n")
    (tmp_path / "runs" / "stranger").mkdir()
    damaged = tmp_path / "runs" / "damaged"
    damaged.mkdir()
    (damaged / "settings.yaml").write_text("- 1")
    lost = write("counting", with_settings(source, size=4), findings_of()) / "settings.yaml"
    lost.unlink()
    runs = list_runs(tmp_path / "runs")
    said = capsys.readouterr().err
    assert f"left out: {damaged} is not a run folder" in said
    assert f"left out: {lost} is missing" in said
    assert [run.about is None for run in runs] == [False, True]
    rows = listed(runs).groups[0].rows
    assert rows[0][1] == "counting"
    assert rows[0][3:] == ("d1", "One was counted.")
    assert rows[1][2] == "not finished"


def test_two_runs_side_by_side(source):
    one = write("counting", source, findings_of())
    values = {"value": 2.0, "value_low": 1.0, "value_high": 3.0, "nothing": None}
    two = write("counting", with_settings(source, size=2), findings_of(digest="d2", metrics={"a": values}))
    found = compare_runs(one, two)
    settings, metrics = found.tables
    assert settings.groups[0].rows == (("size", "1", "2"),)
    assert metrics.groups[0].rows == (("a: value", "1 (0.5 to 1.5)", "2 (1 to 3)", "+1"),)
    assert found.lines[0] == "digests d1 and d2: the numbers differ."
    assert len(found.lines) == 1
    same = compare_runs(one, one)
    assert (same.tables, same.lines) == ((), ("equal digests d1: the same numbers to the last bit.",))


def test_two_runs_that_differ_in_kernels_or_versions_only_are_said_to(source, tmp_path):
    one = write("counting", source, findings_of())
    two = write("counting", with_settings(source, runs=str(tmp_path / "other")), findings_of(digest="d2"))
    assert compare_runs(one, two).lines[-1] == "What differs is quantray itself: the code between two releases."
    about = read_run(two).about
    changes = {"numerics": "Haswell, AVX2", "versions": about.versions | {"numpy": "1.0"}}
    (two / "study.json").write_bytes(about.model_copy(update=changes).sealed())
    said = compare_runs(one, two).lines[-1]
    assert said.endswith(
        "and Haswell, AVX2), which moves the last bits unless numerics is portable; versions of numpy."
    )


def test_runs_that_cannot_be_compared(source):
    one = write("counting", source, findings_of())
    other = with_settings(source, kind="guessing")
    two = write("guessing", other, findings_of())
    with pytest.raises(InputError, match="is of kind counting and .* of kind guessing: they cannot be compared"):
        compare_runs(one, two)
    (two / "study.json").unlink()
    with pytest.raises(DataError, match="is not a finished run"):
        compare_runs(one, two)
    (one / "metrics.json").write_text("{")
    with pytest.raises(DataError, match=r"metrics\.json is damaged: it is not what the run wrote"):
        compare_runs(one, one)
