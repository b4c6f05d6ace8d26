"""The log in a file: as it was, or refused."""

import stat

import pytest
from desks import ANN, buy, gate_at
from order_logs import opened

from quantray.errors import DataError
from quantray.oms.exporting import export_log, exported_rows, is_export, write_log
from quantray.oms.replay import replay_database, replay_file


def test_an_exported_log_is_the_log(tmp_path):
    with gate_at(tmp_path) as gate:
        gate.submit([buy("A1/O1"), buy("A1/O2", 0)], ANN)
    url, path = f"sqlite:///{tmp_path / 'orders.db'}", tmp_path / "out" / "log.jsonl"
    rows = export_log(url, path)
    there, here = replay_file(path), replay_database(url)
    assert (there.rows, there.head, there.findings) == (rows, here.head, ()) == (here.rows, here.head, here.findings)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert is_export(path)
    assert not is_export(tmp_path / "orders.db")


def test_an_empty_log_is_one(tmp_path):
    assert write_log(tmp_path / "log.jsonl", []) == 0
    assert replay_file(tmp_path / "log.jsonl").rows == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: lines[:-1], "ends after 16 rows without its last line: it was cut off, export it again"),
        (lambda lines: lines[:5], "ends after 4 rows without its last line: it was cut off"),
        (lambda lines: [*lines[:5], lines[5][:40]], "line 6 of .* was cut off; export the log again"),
        (lambda lines: [*lines[:5], *lines[6:]], "has 15 rows before line 17, which ends it with 16; lines were taken"),
        (lambda lines: [*lines, lines[-1]], "lines were taken out or added"),
        (lambda lines: [*lines[:5], b"wine\n", *lines[5:]], "line 6 of .* is not what was written"),
        (lambda lines: [*lines[:5], b'["1",2,3]\n', *lines[5:]], "line 6 of .* is not what was written"),
        (lambda lines: [*lines[:5], b"[1,2]\n", *lines[5:]], "line 6 of .* is not what was written"),
        (lambda lines: lines[1:], "is no exported log"),
        (lambda lines: [], "is no exported log"),
    ],
)
def test_a_file_that_was_cut_or_changed_is_refused(tmp_path, change, said):
    path = tmp_path / "log.jsonl"
    assert write_log(path, opened().rows) == 16
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    with pytest.raises(DataError, match=said):
        list(exported_rows(path))


def test_a_file_that_is_not_there_is_a_line(tmp_path):
    with pytest.raises(DataError, match="nothing.jsonl cannot be read: No such file"):
        replay_file(tmp_path / "nothing.jsonl")
