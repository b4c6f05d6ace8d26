import json
import os

import pytest

from quantray.errors import DataError, InputError
from quantray.storage.journal import append_lines, read_lines, set_aside_torn, torn_line

FIRST, SECOND, THIRD = ({"day": f"2020-01-0{i}", "value": 0.1 * i} for i in (1, 2, 3))


def journal(folder, *records):
    path = folder / "log" / "breaches.jsonl"
    for record in records:
        append_lines(path, [record])
    return path


def test_what_was_appended_is_read_in_order(tmp_path):
    path = journal(tmp_path, FIRST)
    append_lines(path, [SECOND, THIRD])
    append_lines(path, [])
    assert read_lines(path) == [FIRST, SECOND, THIRD]
    assert [json.loads(line)["day"] for line in path.read_text().splitlines()] == [
        r["day"] for r in (FIRST, SECOND, THIRD)
    ]
    assert read_lines(tmp_path / "none.jsonl") == []


def test_a_line_that_is_changed_moved_or_taken_out_is_seen(tmp_path):
    path = journal(tmp_path, FIRST, SECOND, THIRD)
    first, second, third = path.read_bytes().splitlines(keepends=True)
    for content, line in (
        (first + second.replace(b"0.2", b"0.3") + third, 2),
        (first + third, 2),
        (second + third, 1),
        (second + first + third, 1),
        (first + second + third[:-5], 3),
        (first + first + second + third, 2),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=f"line {line} of .*breaches.jsonl is not what was written"):
            read_lines(path)
        with pytest.raises(DataError, match=f"line {line}"):
            append_lines(path, [FIRST])
        assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"a": float("nan")}, "none that JSON holds"),
        ({"a": object()}, "none that JSON holds"),
        ({}, "needs entries"),
        ({"seal": 1}, "none called 'seal'"),
    ],
)
def test_what_json_does_not_hold_is_refused_and_nothing_written(tmp_path, record, said):
    with pytest.raises(InputError, match=said):
        append_lines(tmp_path / "a.jsonl", [FIRST, record])
    assert not (tmp_path / "a.jsonl").exists()


def test_a_last_line_that_was_cut_off_is_set_aside(tmp_path):
    path = journal(tmp_path, FIRST, SECOND)
    assert set_aside_torn(path) is None
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"day": "20')
    assert torn_line(path) == b'{"day": "20'
    assert read_lines(path, torn=True) == [FIRST, SECOND]
    with pytest.raises(DataError, match="line 3"):
        read_lines(path)
    aside = set_aside_torn(path)
    assert (path.read_bytes(), aside.read_bytes()) == (whole, b'{"day": "20\n')
    append_lines(path, [THIRD])
    assert read_lines(path) == [FIRST, SECOND, THIRD]


def test_damage_before_a_torn_line_is_not_set_aside(tmp_path):
    path = journal(tmp_path, FIRST, SECOND)
    content = path.read_bytes().replace(b"01", b"02", 1) + b"{"
    path.write_bytes(content)
    with pytest.raises(DataError, match="line 1"):
        set_aside_torn(path)
    assert path.read_bytes() == content


def test_a_full_disk_leaves_no_half_line(tmp_path, monkeypatch):
    path = journal(tmp_path, FIRST)
    before, write = path.read_bytes(), os.write
    monkeypatch.setattr(os, "write", lambda handle, content: write(handle, content[:10]))
    with pytest.raises(DataError, match="No space left"):
        append_lines(path, [SECOND])
    assert path.read_bytes() == before
