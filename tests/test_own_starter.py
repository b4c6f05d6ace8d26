"""What `quantray new` writes runs, and its test holds it to the laws."""

import sys

import pytest
from command_line import quantray, refused

from quantray.errors import InputError
from quantray.own_starter import BEGINNINGS, write_own
from quantray.studies.kinds import read_study


@pytest.mark.parametrize("what", BEGINNINGS)
def test_what_is_begun_is_short_and_runs_and_its_test_passes(what, tmp_path, monkeypatch):
    name = f"{what}_of_mine"
    module, _, test = write_own(what, name, tmp_path / "ideas")
    assert 18 <= len(module.read_text().splitlines()) <= 30
    scope = {"__file__": str(test)}
    exec(compile(test.read_text(), str(test), "exec"), scope)
    try:
        scope["test_it_keeps_to_the_laws_and_is_the_same_again"](tmp_path / "runs", monkeypatch)
    finally:
        sys.modules.pop(name, None)


def test_the_test_fails_what_looks_ahead(tmp_path, monkeypatch):
    module, settings, _ = write_own("strategy", "peeking_of_mine", tmp_path)
    module.write_text(module.read_text().replace("return held /", "held[:-1] = held[1:].copy()\n    return held /"))
    monkeypatch.syspath_prepend(tmp_path)
    kind, read = read_study(settings, [f"runs={tmp_path / 'runs'}"])
    try:
        with pytest.raises(InputError, match="it looks ahead"):
            kind.load(read)
    finally:
        sys.modules.pop("peeking_of_mine", None)


@pytest.mark.parametrize(
    ("what", "name", "told"),
    [
        ("rule", "mine", "'rule' cannot be begun; choose allocator, forecaster, strategy"),
        ("allocator", "my-idea", "'my-idea' is no name of a module"),
        ("allocator", "class", "'class' is no name of a module"),
        ("allocator", "json", "'json' is a module already"),
        ("allocator", "np", "'np' means something else in what would be written"),
        ("strategy", "yes", "'yes' means something else in what would be written"),
        ("allocator", "quantray", "'quantray' is a module already"),
    ],
)
def test_what_cannot_be_begun_is_refused(what, name, told, tmp_path):
    with pytest.raises(InputError, match=told):
        write_own(what, name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "test_mine.py").write_text("mine")
    with pytest.raises(InputError, match=r"test_mine\.py would be overwritten"):
        write_own("allocator", "mine", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["test_mine.py"]


def test_it_is_typed(tmp_path):
    done = quantray("new", "allocator", "calm_of_mine", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "try: PYTHONPATH=. quantray run calm_of_mine.yaml" in done.stdout
    refused(quantray("new", "allocator", "calm_of_mine", cwd=tmp_path), 2, "would be overwritten")
