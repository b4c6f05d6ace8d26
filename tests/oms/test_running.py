"""An order management as settings say: set up once, told to Prometheus, its alerts in a file."""

import json
import urllib.request
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from desks import buy

from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.institution.factor_files import write_factors
from quantray.oms.approvals import decide_change, propose_change
from quantray.oms.books import Alert
from quantray.oms.changes import Actor
from quantray.oms.door import RemoteDesk
from quantray.oms.gate import Gate
from quantray.oms.messages import MONEY
from quantray.oms.running import OmsSettings, running
from quantray.settings import checked


@pytest.fixture
def given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return {
        "venue": {"address": "http://127.0.0.1:9"},
        "alerts": "alerts.jsonl",
        "metrics_port": 0,
        "set_up": {
            "firm": {
                **dict.fromkeys(("gross", "net", "single_name", "order_value"), 10**7),
                "order_shares": 10_000,
                "collar_bps": 500,
                "fee": "0.01",
            },
            "pms": {"ann": {"capital": 10**6, "rate": 100}},
            "accounts": {"A1": {"pm": "ann", "cash": "100000.50", "shares": {"AAA": 10}}},
            "instruments": {"AAA": {"price": "50.00"}},
            "session": {"opens": "2000-01-01T00:00:00Z", "closes": "2100-01-01T00:00:00Z"},
        },
    }


def settings(given):
    return checked(OmsSettings, given, "the settings")


def test_it_is_set_up_once_and_goes_on(given):
    with running(settings(given)) as parts:
        desk = RemoteDesk("orders.door")
        assert desk.submit([buy("A1/a", 100)])[0].accepted
        assert parts.gate.do(lambda books: books.ledger.accounts["A1"].cash) == 1_000_005_000
        desk.close()
    given["set_up"]["firm"]["order_shares"] = 50
    given["set_up"]["accounts"]["A1"]["cash"] = 7
    with running(settings(given)) as parts:
        desk = RemoteDesk("orders.door")
        assert [each.code for each in desk.submit([buy("A1/a", 100), buy("A1/b", 100), buy("A1/c", 50)])] == [
            "",
            "size",
            "",
        ]
        assert parts.gate.do(lambda books: books.ledger.accounts["A1"].cash) == 1_000_005_000
        assert desk.status()["epoch"] == 2
        assert desk.marks() == {"AAA": 50 * MONEY}
        desk.set_marks({"AAA": 51 * MONEY})
        assert desk.marks() == {"AAA": 51 * MONEY}
        with pytest.raises(InputError, match="is not positive"):
            desk.set_marks({"AAA": 0})
        desk.close()


def test_what_two_people_changed_the_set_up_does_not_change_back(given):
    capital = ("pm", "ann", "capital")
    with running(settings(given)) as parts:
        parts.gate.do(lambda books: propose_change(books, Actor("rita"), "C1", capital, 5, reason="less risk"))
        parts.gate.do(lambda books: decide_change(books, Actor("omar"), "C1", approve=True))
    given["set_up"]["pms"]["ann"]["rate"] = 7
    with running(settings(given)) as parts:
        assert parts.gate.do(lambda books: books.ledger.limits[capital]) == 5
        assert parts.gate.do(lambda books: books.ledger.limits["pm", "ann", "rate"]) == 7
    assert "limit pm ann capital stays 5, as two people approved; the set-up has" in Path("alerts.jsonl").read_text()


def test_prometheus_reads_counts_and_no_names(given):
    with running(settings(given)) as parts:
        desk = RemoteDesk("orders.door")
        desk.submit([buy("A1/a", 100), buy("A1/b", 10**6)])
        parts.gate.do(lambda books: books.note("break", "A1", "cash: 1 here and 2 at the venue"))
        desk.close()
        address = f"http://127.0.0.1:{parts.metrics_port}/metrics"
        text = urllib.request.urlopen(address, timeout=60).read().decode()
    for line in (
        'quantray_oms_decisions_total{code="accepted"} 1.0',
        'quantray_oms_decisions_total{code="size"} 1.0',
        "quantray_oms_open_orders 1.0",
        "quantray_oms_outbox 1.0",
        'quantray_oms_alerts_total{kind="break"} 1.0',
    ):
        assert line in text
    assert not [name for name in ("A1", "AAA", "ann") if name in text]


def test_an_alert_that_cannot_be_written_ends_nothing(given, caplog):
    given["alerts"] = "no folder/alerts.jsonl"
    with running(settings(given)) as parts:
        parts.gate.do(lambda books: books.note("break", "A1", "cash"))
        assert parts.gate.submit([buy("A1/a", 100)], Actor("ops"))[0].accepted
    assert "the alert is not in no folder/alerts.jsonl: No such file" in caplog.text


def test_a_start_leaves_prices_and_brings_permissions_and_locates(given):
    given["set_up"]["accounts"]["A1"] |= {"may_short": True, "locates": {"AAA": 40}}
    with running(settings(given)) as parts:
        desk = RemoteDesk("orders.door")
        desk.set_marks({"AAA": 80 * MONEY})
        desk.close()
    given["set_up"]["accounts"]["A1"] |= {"may_short": False, "locates": {"AAA": 30}}
    with running(settings(given)) as parts:
        desk = RemoteDesk("orders.door")
        assert desk.marks() == {"AAA": 80 * MONEY}
        desk.close()
        ledger = parts.gate.do(lambda books: books.ledger)
        assert not ledger.accounts["A1"].may_short
        assert ledger.limit("account", "A1:AAA", "locate") == 30


def test_alerts_are_lines_of_a_file(given, tmp_path):
    with running(settings(given)) as parts:
        parts.gate.do(lambda books: books.note("break", "A1", "cash: 1 here and 2 at the venue"))
    (line,) = (tmp_path / "alerts.jsonl").read_text().splitlines()
    told = json.loads(line)
    assert Alert(told["kind"], told["entity"], told["text"]) == Alert("break", "A1", "cash: 1 here and 2 at the venue")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s["firm"].pop("gross"), "the firm has no limit gross"),
        (lambda s: s["pms"]["ann"].pop("rate"), "pm ann has no limit rate"),
        (lambda s: s["accounts"]["A1"].update(pm="bob"), "an account belongs to bob, who is none of the pms"),
        (lambda s: s["instruments"]["AAA"].update(price="0"), "instruments.AAA.price"),
        (lambda s: s["session"].update(opens="2000-01-01T00:00:00"), "session.opens"),
        (lambda s: s["firm"].update(collar_bps=Decimal("1.5")), "limit collar_bps is 1.5; give a whole number"),
        (lambda s: s["firm"].update(gross="0.00001"), "is no multiple of 0.0001"),
        (lambda s: s["session"].update(closes=s["session"]["opens"]), "the earlier one first"),
    ],
)
def test_settings_that_cannot_be_are_named(given, change, said):
    change(given["set_up"])
    with pytest.raises(InputError, match=said), running(settings(given)):
        raise AssertionError("it runs")


def test_accounts_do_not_change_hands(given):
    with running(settings(given)):
        pass
    given["set_up"]["pms"]["bob"] = {"capital": 1, "rate": 1}
    given["set_up"]["accounts"]["A1"]["pm"] = "bob"
    with (
        pytest.raises(InputError, match="account A1 is there already, of pm ann; accounts do not change hands"),
        running(settings(given)),
    ):
        raise AssertionError("it runs")


FIRM = {
    "facts": {"AAA": {"sector": "Energy", "adv_shares": 5_000_000, "asset_class": "equity"}},
    "sectors": {"Energy": {"gross": 5_000}},
    "kinds": {"A1": "margin"},
    "rules": [{"id": "cap", "kind": "position", "at_most": 0.02, "may_override": ["cat", "dan"]}],
}


def test_limits_of_the_firm_and_rules_of_compliance(given, tmp_path):
    model = FactorModel(np.ones((1, 1)), np.array([[1e-4]]), np.array([1e-4]), np.array(["market"]))
    write_factors(tmp_path / "factors.npz", ["AAA"], model)
    given["set_up"] |= FIRM | {"factors": "factors.npz", "factor_exposures": {"market": {"warn_exposure": "600"}}}
    given["set_up"]["firm"] |= {"var": 10**6, "warn_liquidity_days": 2, "correlation_bps": 9_000}
    # 10 shares of AAA at 50 are held, with 100,000.50: a fiftieth is 40 shares in all.
    with running(settings(given)) as parts:
        codes = [it.code for it in parts.gate.submit([buy("a", 31), buy("b", 30), buy("c", 1)], Actor("ops"))]
        assert codes == ["compliance", "", "compliance"]
        limits = parts.gate.do(lambda books: dict(books.ledger.limits))
        assert limits["firm", "", "warn_liquidity_days"] == 2
        assert limits["factor", "market", "warn_exposure"] == 600 * MONEY
    texts = [json.loads(line)["text"] for line in (tmp_path / "alerts.jsonl").read_text().splitlines()]
    assert texts == ["rule 'cap' is broken by an order of AAA", "factor of market is above its soft limit"]


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"facts": {"XYZ": {}}}, "facts are of symbol XYZ, which is none of the instruments"),
        ({"facts": {"AAA": {"sectr": "Energy"}}}, "unknown key 'set_up.facts.AAA.sectr'; did you mean 'sector'"),
        ({"kinds": {"A9": "cash"}}, "kinds are of account A9, which is none of the accounts"),
        ({"kinds": {"A1": "crypto"}}, "'cash', 'margin'"),
        ({"rules": [{"id": "r", "kind": "prohibited", "symbols": ["XYZ"]}]}, "there is no symbol 'XYZ'"),
        ({"rules": [{"id": "r", "kind": "locate"}]}, "no order can be held against locate"),
        ({"rules": [{"id": "r", "kind": "position", "at_most": 0.1, "limit": 1}]}, "limit"),
    ],
)
def test_what_names_nothing_is_refused_at_the_door(given, changed, text):
    given["set_up"] |= changed
    with pytest.raises(InputError, match=text):
        settings(given)


def test_a_limit_of_no_sector_sets_nothing_up(given):
    given["set_up"] |= {"sectors": {"Energy": {"gross": 1}}}
    with pytest.raises(InputError, match="there is no sector 'Energy'"), running(settings(given)):
        pass
    with Gate("sqlite:///orders.db") as gate:
        assert gate.do(lambda books: (books.ledger.instruments, books.ledger.limits)) == ({}, {})
