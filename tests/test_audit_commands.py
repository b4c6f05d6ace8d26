import sqlite3

import pytest
from command_line import quantray, refused
from desks import ANN, buy, gate_at

from quantray.oms.sealing import Sealer, make_keys


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A database of orders whose log was sealed."""
    folder = tmp_path_factory.mktemp("orders")
    make_keys(folder / "seal.key")
    with gate_at(folder) as gate:
        gate.submit([buy("A1/O1"), buy("A1/O2", 0)], ANN)
        Sealer(gate, folder / "seal.key", folder / "seals.jsonl").seal()
    return folder


def test_a_log_is_verified_exported_and_verified_again(folder):
    sealed = ("--seals", "seals.jsonl", "--key", "seal.key.pub")
    done = quantray("audit", "verify", "orders.db", *sealed, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "2 orders, 0 executions" in done.stdout
    assert "1 rows before its end" in done.stdout
    assert done.stdout.endswith("all of it agrees\n")
    done = quantray("audit", "export", "orders.db", "--out", "log.jsonl", cwd=folder)
    assert "rows in log.jsonl" in done.stdout
    done = quantray("audit", "verify", "log.jsonl", *sealed, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "the tables are not in an exported log" in done.stdout
    done = quantray("audit", "verify", "log.jsonl", cwd=folder)
    assert "sealed 1 times; whether its end is there, --seals and --key tell" in done.stdout


def test_what_does_not_agree_is_said_and_is_an_exit_code(folder):
    (folder / "other.db").write_bytes((folder / "orders.db").read_bytes())
    connection = sqlite3.connect(folder / "other.db")
    connection.execute("UPDATE accounts SET cash = 7 WHERE id = 'B1'")
    connection.commit()
    connection.close()
    done = quantray("audit", "verify", "other.db", cwd=folder)
    assert done.returncode == 1
    assert "table accounts: B1 has cash 7, and by the log cash 10,000,000,000" in done.stderr
    assert "all of it agrees" not in done.stdout


def test_keys_are_made_once(tmp_path):
    done = quantray("audit", "keys", "seal.key", cwd=tmp_path)
    assert "made: seal.key" in done.stdout
    refused(quantray("audit", "keys", "seal.key", cwd=tmp_path), 1, "a key is never written over")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["verify", "nothing.db"], 1, "there is no database nothing.db"),
        (["verify", "orders.db", "--seals", "seals.jsonl"], 2, "--seals FILE and --key FILE"),
        (["verify", "orders.db", "--seals", "seals.jsonl", "--key", "seal.key"], 1, "holds no public key of Ed25519"),
        (["verify", "seals.jsonl"], 1, "file is not a database"),
        (["export", "nothing.db", "--out", "log.jsonl"], 1, "there is no database nothing.db"),
        (["verify", "mysql://x/y"], 2, "mysql"),
    ],
)
def test_what_cannot_be_is_one_line(folder, arguments, code, said):
    refused(quantray("audit", *arguments, cwd=folder), code, said)


def test_a_journal_of_seals_that_is_not_there_is_a_finding(folder):
    done = quantray("audit", "verify", "orders.db", "--seals", "none.jsonl", "--key", "seal.key.pub", cwd=folder)
    assert done.returncode == 1
    assert "none.jsonl is not there or empty; the log speaks of 1" in done.stderr
