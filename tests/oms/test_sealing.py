"""Seals: what a chain alone does not show."""

import json
import os
import stat
import threading

import pytest
from desks import ANN, Clock, buy, gate_at
from order_logs import opened

from quantray.errors import DataError, InputError
from quantray.oms.exporting import export_log, exported_rows, write_log
from quantray.oms.replay import replay_file
from quantray.oms.sealing import Sealer, make_keys, read_seals, unsealed


@pytest.fixture
def keys(tmp_path):
    return tmp_path / "key", make_keys(tmp_path / "key")


@pytest.fixture
def sealed(tmp_path, keys):
    """A log that was sealed three times, exported; its seals beside it."""
    clock = Clock()
    with gate_at(tmp_path, clock) as gate:
        sealer = Sealer(gate, keys[0], tmp_path / "away" / "seals.jsonl", clock=clock)
        for i in range(3):
            gate.submit([buy(f"A1/O{i}")], ANN)
            assert sealer.seal() is not None
    export_log(f"sqlite:///{tmp_path / 'orders.db'}", tmp_path / "log.jsonl")
    return tmp_path


def against(folder, rows=None):
    """What the seals say against the log, or against other rows."""
    path, log = folder / "away" / "seals.jsonl", folder / "log.jsonl"
    if rows is not None:
        write_log(log, rows)
    seals = read_seals(path, folder / "key.pub")
    replay = replay_file(log, at=[seal.seq for seal in seals])
    return [str(finding) for finding in unsealed(seals, path, replay)]


def test_what_was_sealed_agrees(sealed):
    assert against(sealed) == []
    seals = read_seals(sealed / "away" / "seals.jsonl", sealed / "key.pub")
    assert [seal.number for seal in seals] == [1, 2, 3]
    # Between two of them there are the order and the note of the first.
    assert seals[1].seq == seals[0].seq + 2
    assert replay_file(sealed / "log.jsonl").seals == 3


def test_a_log_whose_end_was_cut_off_is_seen(sealed):
    rows = list(exported_rows(sealed / "log.jsonl"))
    found = against(sealed, rows[:-3])
    assert len(found) == 1
    assert f"the log ends at row {len(rows) - 3:,}: its end was cut off" in found[0]
    assert "seal 3 of 2026-03-02T17:00:00" in found[0]


def test_a_log_that_was_written_anew_is_seen(sealed):
    other = opened().order().order("A1/O2").order("A1/O3").order("A1/O4").order("A1/O5").order("A1/O6").order("A1/O7")
    found = against(sealed, other.rows)
    assert len(found) >= 1
    assert "the log was written anew" in found[0]


def test_what_came_after_the_last_seal_is_not_vouched_for(sealed):
    assert against(sealed, list(exported_rows(sealed / "log.jsonl"))[:-1]) == []


@pytest.mark.parametrize("left", [0, 1, 2])
def test_seals_whose_end_was_cut_off_are_seen_by_the_log(sealed, left):
    path = sealed / "away" / "seals.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:left]))
    (found,) = against(sealed)
    said = (
        f"ends with seal {left}, and the log speaks of 3: the seals were cut off" if left else "is not there or empty"
    )
    assert said in found


def test_seals_that_are_gone_are_seen(sealed):
    (sealed / "away" / "seals.jsonl").unlink()
    assert "seals.jsonl is not there or empty; the log speaks of 3" in against(sealed)[0]


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: [lines[0], lines[1][:-20] + b"\n", lines[2]],
        lambda lines: [*lines[:2], lines[2][:-20] + b"\n"],
        lambda lines: [lines[0], lines[2]],
        lambda lines: [lines[1], lines[0], lines[2]],
        lambda lines: [lines[0], lines[1].replace(b'"number": 2', b'"number": 9'), lines[2]],
    ],
    ids=["half a line", "half of the last with an end", "one is gone", "turned", "another number"],
)
def test_a_journal_that_was_changed_is_named(sealed, change):
    path = sealed / "away" / "seals.jsonl"
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    with pytest.raises(DataError, match=r"line \d of .*seals.jsonl is not what was written"):
        against(sealed)


def test_a_forger_without_the_key_is_seen(sealed, tmp_path):
    """He writes log and seals anew, with a key of his own."""
    make_keys(tmp_path / "other")
    forged = tmp_path / "forged"
    forged.mkdir()
    with gate_at(forged) as gate:
        Sealer(gate, tmp_path / "other", forged / "seals.jsonl").seal()
    with pytest.raises(DataError, match="seal 1 of .* was not signed with this key"):
        read_seals(forged / "seals.jsonl", sealed / "key.pub")


def test_records_of_other_journals_are_no_seals(tmp_path, keys):
    from quantray.storage.journal import append_lines

    append_lines(tmp_path / "other.jsonl", [{"number": 1, "seq": 2}])
    with pytest.raises(DataError, match="line 1 of .* is no seal"):
        read_seals(tmp_path / "other.jsonl", keys[1])


def test_only_what_is_new_is_sealed_and_another_gate_goes_on(tmp_path, keys):
    path = tmp_path / "seals.jsonl"
    with gate_at(tmp_path) as gate:
        sealer = Sealer(gate, keys[0], path)
        assert sealer.seal().number == 1
        assert sealer.seal() is None
        gate.submit([buy("A1/O1")], ANN)
        assert sealer.seal().number == 2
    with gate_at(tmp_path) as gate:
        assert Sealer(gate, keys[0], path).seal().number == 3
    assert [seal.number for seal in read_seals(path, keys[1])] == [1, 2, 3]


def test_a_last_line_that_a_power_cut_tore_is_set_aside_and_sealing_goes_on(tmp_path, keys):
    path, told = tmp_path / "seals.jsonl", []
    with gate_at(tmp_path, told=told.extend) as gate:
        Sealer(gate, keys[0], path).seal()
        whole = path.read_bytes()
        gate.submit([buy("A1/O1")], ANN)
        Sealer(gate, keys[0], path).seal()
        # The cut came before the log could note the second seal.
        torn = path.read_bytes()[len(whole) : -20]
    for rest in (torn, b"\0" * 40):
        path.write_bytes(whole + rest)
        assert [seal.number for seal in read_seals(path, keys[1])] == [1]
        with gate_at(tmp_path, told=told.extend) as gate:
            sealer = Sealer(gate, keys[0], path)
            assert sealer.seal().number == 2
            gate.submit([buy(f"A1/O{len(rest)}")], ANN)
            assert sealer.seal().number == 3
        assert path.with_name("seals.jsonl.torn").read_bytes().endswith(rest + b"\n")
        assert [seal.number for seal in read_seals(path, keys[1])] == [1, 2, 3]
    assert [alert.kind for alert in told] == ["seal", "seal"]
    assert "cut off, as by a power cut, and is in" in told[0].text


def test_half_a_line_that_the_log_speaks_of_is_a_finding(sealed):
    path = sealed / "away" / "seals.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    (found,) = against(sealed)
    assert "ends with seal 2, and the log speaks of 3: the seals were cut off" in found


def test_in_the_background_it_seals_every_so_often_and_at_the_end(tmp_path, keys):
    path = tmp_path / "seals.jsonl"
    with gate_at(tmp_path) as gate:
        sealer = Sealer(gate, keys[0], path, seconds=0.005)
        sealer.start()
        while not path.exists():
            threading.Event().wait(0.005)
        gate.submit([buy("A1/O1")], ANN)
        sealer.close()
        last = read_seals(path, keys[1])[-1]
        assert last.seq == gate.do(lambda books: books.changes.chain.seq) - 1


def test_a_seal_that_cannot_be_written_is_an_alert(tmp_path, keys):
    told = []
    with gate_at(tmp_path, told=told.extend) as gate:
        sealer = Sealer(gate, keys[0], tmp_path / "gone" / "seals.jsonl")
        (tmp_path / "gone").write_text("a file")
        sealer.close()
        gate.do(lambda books: None)
    assert [alert.kind for alert in told] == ["seal"]
    assert "Not a directory" in told[0].text


def test_keys_are_for_their_owner_and_never_written_over(tmp_path, keys):
    private, public = keys
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert b"PRIVATE" not in public.read_bytes()
    before = private.read_bytes()
    with pytest.raises(DataError, match="a key is never written over"):
        make_keys(private)
    assert private.read_bytes() == before
    os.chmod(private, 0o640)
    with gate_at(tmp_path) as gate, pytest.raises(InputError, match=r"others may read the key .*\(mode 0640\)"):
        Sealer(gate, private, tmp_path / "seals.jsonl")


def test_a_key_that_is_none_is_a_line(tmp_path, keys):
    (tmp_path / "none").write_text("x")
    os.chmod(tmp_path / "none", 0o600)
    for key, said in (
        (tmp_path / "none", "holds no public key of Ed25519"),
        (keys[0], "holds no public key of Ed25519"),
        (tmp_path / "nowhere", "the key .*nowhere cannot be read: No such file"),
    ):
        with pytest.raises(DataError, match=said):
            read_seals(tmp_path / "seals.jsonl", key)
    with gate_at(tmp_path) as gate, pytest.raises(DataError, match="holds no private key of Ed25519"):
        Sealer(gate, tmp_path / "none", tmp_path / "seals.jsonl")


def test_a_seal_that_cannot_be_written_is_no_note_of_the_log(tmp_path, keys):
    with gate_at(tmp_path) as gate:
        sealer = Sealer(gate, keys[0], tmp_path / "gone" / "seals.jsonl")
        (tmp_path / "gone").write_text("a file")
        with pytest.raises(DataError):
            sealer.seal()
    assert "seal" not in {json.loads(line)[4] for _, line, _, _ in rows_of(tmp_path)}


def rows_of(folder):
    export_log(f"sqlite:///{folder / 'orders.db'}", folder / "log.jsonl")
    return exported_rows(folder / "log.jsonl")
