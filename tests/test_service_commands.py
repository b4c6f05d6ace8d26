import json

import pytest
from command_line import quantray, refused
from small_market import SmallMarket

from quantray.settings import to_yaml


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rebalance")
    market = SmallMarket(folder)
    (folder / "daily.yaml").write_text(to_yaml(market.settings()))
    return market


def test_a_day_is_published_once(market):
    first, again = (quantray("rebalance", "daily.yaml", "--bars", market.day(0), cwd=market.folder) for _ in range(2))
    assert first.returncode == again.returncode == 0, first.stderr
    assert "the largest of 12 trades" in first.stdout
    assert first.stdout.splitlines()[-1] == again.stdout.splitlines()[-1]
    record = json.loads(next((market.folder / "runs" / "daily" / "small").iterdir()).read_text())
    assert record["version"] in first.stdout
    assert record["gate"]["reasons"] == []


def test_what_is_held_is_read_from_a_file(market):
    name = str(market.bars["symbol"].iloc[0])
    (market.folder / "held.csv").write_text(f"symbol,shares\n{name},100\nCASH,50000\n")
    done = quantray("rebalance", "daily.yaml", "--bars", market.day(1), "--holdings", "held.csv", cwd=market.folder)
    assert done.returncode == 0, done.stderr
    (market.folder / "wrong.csv").write_text('symbol,shares\n"AAA\n')
    refused(quantray("rebalance", "daily.yaml", "--holdings", "wrong.csv", cwd=market.folder), 2, "wrong.csv")


def test_settings_may_be_read_alone(market):
    done = quantray("rebalance", "daily.yaml", "--check", "--bars", "not-here.csv", cwd=market.folder)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["rebalance", "nothing.yaml"], 2, "nothing.yaml"),
        (["rebalance", "daily.yaml", "--day", "today"], 2, "'today' is no day; write it as 2024-03-28"),
        (["rebalance", "daily.yaml", "--day", "2031-01-01"], 1, "no bars"),
        (["rebalance", "daily.yaml", "--check", "--set", "wine=1"], 2, "wine"),
        (["keys", "list", "--keys", "none"], 2, "holds no key"),
        (["keys", "create", "desk", "--scope", "wine"], 2, "scopes wine"),
        (["keys", "create", "eve", "--scope", "trade"], 2, "a portfolio manager's has the scope trade"),
        (["keys", "create", "eve", "--pm", "ann", "--scope", "risk"], 2, "scopes risk for ann"),
        (["serve", "--set", "keys=none"], 2, "holds no key, so nobody could read"),
        (["serve", "--set", "open=true", "--set", "host=0.0.0.0"], 2, "would let everybody in"),
        (["serve", "--demo", "--runs", "none"], 1, "run `quantray demo` first"),
    ],
)
def test_what_cannot_be_is_one_line(market, arguments, code, said):
    refused(quantray(*arguments, cwd=market.folder), code, said)


def test_keys_are_made_listed_rotated_and_revoked(tmp_path):
    made = quantray("keys", "create", "desk", "--scope", "read", cwd=tmp_path)
    identity, _, secret = made.stdout.strip().partition(".")
    listed = quantray("keys", "list", cwd=tmp_path).stdout
    assert identity in listed
    assert secret not in listed
    assert quantray("keys", "rotate", identity, cwd=tmp_path).returncode == 0
    assert f"revoked: {identity}" in quantray("keys", "revoke", identity, cwd=tmp_path).stdout
    assert "revoked" in quantray("keys", "list", cwd=tmp_path).stdout


def test_a_backup_is_restored_on_an_empty_machine(market, tmp_path):
    done = quantray("backup", tmp_path / "all.tar.gz", "--store", "market", "--books", "books", cwd=market.folder)
    assert "packed:" in done.stdout
    assert quantray("restore", tmp_path / "all.tar.gz", "--to", tmp_path / "new", cwd=market.folder).returncode == 0
    changes = ("--set", f"data.store={tmp_path / 'new' / 'market'}", "--set", f"books={tmp_path / 'new' / 'books'}")
    again = quantray("rebalance", "daily.yaml", *changes, cwd=market.folder)
    assert again.returncode == 0, again.stderr
    refused(
        quantray("restore", tmp_path / "all.tar.gz", "--to", tmp_path / "new", cwd=market.folder), 2, "empty folder"
    )


def test_a_service_that_is_not_there_is_told(market, tmp_path):
    rules = tmp_path / "alerts.yaml"
    rules.write_text(f"rules: [{{event: not ready, log: {tmp_path / 'log'}}}]\nstate: {tmp_path / 'state'}\n")
    done = quantray("watch", "http://127.0.0.1:9", "--alerts", rules, "--once", cwd=market.folder)
    assert done.returncode == 1
    assert "does not answer" in done.stderr
