import json

import pytest
from small_market import SmallMarket

from quantray.daily.gate import GateError
from quantray.errors import InputError
from quantray.serving.desk import read_holdings, run_day
from quantray.serving.publish import Shelf


@pytest.fixture
def market(tmp_path):
    return SmallMarket(tmp_path)


def test_a_bad_day_alerts_and_a_good_one_ends_it(market, tmp_path):
    rules = tmp_path / "alerts.yaml"
    log = tmp_path / "alerts.jsonl"
    rules.write_text(f"rules: [{{event: gate failed, log: {log}}}]\nstate: {tmp_path / 'state.json'}\n")
    settings = market.settings(alerts=str(rules))
    for _ in range(2):
        with pytest.raises(GateError):
            run_day(settings, bars=market.day(0, lambda rows: rows.iloc[:3]))
    assert [json.loads(line)["event"] for line in log.read_text().splitlines()] == ["gate failed"]
    assert Shelf.at(settings.books).latest() is None
    found = run_day(settings, bars=market.day(0))
    assert json.loads(found.record.read_text())["version"] == found.pointer.version
    with pytest.raises(GateError):
        run_day(settings, bars=market.day(1, lambda rows: rows.iloc[:3]))
    assert len(log.read_text().splitlines()) == 2


def test_symbols_that_look_like_nothing_are_symbols(tmp_path):
    (tmp_path / "held.csv").write_text("symbol,shares\nNA,10\nCASH,5\nnull,\n")
    found = read_holdings(tmp_path / "held.csv")
    assert found["symbol"].tolist() == ["NA", "CASH", "null"]
    assert found["shares"].tolist() == ["10", "5", ""]


def test_files_of_holdings_are_checked(tmp_path):
    with pytest.raises(InputError, match="nothing.csv"):
        read_holdings(tmp_path / "nothing.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(InputError, match="is no CSV of holdings"):
        read_holdings(tmp_path / "empty.csv")
