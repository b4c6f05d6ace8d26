"""What operations see and do: breaks, blocks, settlement by hand, the day's report."""

from desks import OPS

from quantray.institution.rules import Prohibited
from quantray.oms.compliance import set_rules
from quantray.oms.reconcile import Break


def test_breaks_are_those_that_the_gate_finds(own_firm, monkeypatch):
    found = [Break("A1", "cash", 5_000, 15_000), Break("B1", "CCC", 7, 8)]
    monkeypatch.setattr(own_firm.door, "_compare", lambda: found)
    assert own_firm.get("/v1/operations/breaks", "olga").json()["breaks"] == [
        {"account": "A1", "what": "cash", "ours": 0.5, "theirs": 1.5},
        {"account": "B1", "what": "CCC", "ours": 7.0, "theirs": 8.0},
    ]


def test_blocks_of_all_managers_are_seen_and_allocated(own_firm):
    firm = own_firm
    assert [it["pm"] for it in firm.get("/v1/operations/blocks", "olga").json()["blocks"]] == ["ann", "bob"]
    block = {"id": "x1", "symbol": "BBB", "side": "buy", "demands": {"A1": 30}, "limit": 50}
    assert firm.ask("ann", "POST", "/v1/manager/blocks", block).json()["accepted"]
    done = firm.ask("olga", "POST", "/v1/operations/allocations/ann.block/x1", {}).json()
    assert (done["revision"], done["filled"], done["demands"][0]["kept"]) == (1, 0, 30)
    again = {"onto": "residual", "reason": "busted"}
    assert firm.ask("olga", "POST", "/v1/operations/allocations/ann.block/x1", again).json()["revision"] == 1
    assert firm.ask("olga", "POST", "/v1/operations/allocations/ann.block/x9", {}).status_code == 409
    assert firm.get("/v1/operations/blocks/ann.block/x9", "olga").status_code == 404


def test_the_day_s_report_knows_all_accounts(firm):
    found = firm.get("/v1/operations/compliance/2026-03-02", "olga").json()
    assert (found["day"], found["accounts"], found["names"]) == ("2026-03-02", 3, 3)
    assert {it["rule"] for it in found["rules"]} >= {"cash account", "5/10/40"}


def test_a_gate_without_a_venue_settles_nothing(firm):
    content = {"order": "A1/2", "filled": 0, "reason": "the venue is gone"}
    answer = firm.ask("olga", "POST", "/v1/operations/settlements", content)
    assert (answer.status_code, "no way to a venue" in answer.json()["detail"]) == (409, True)


def test_two_people_let_an_account_break_a_rule(own_firm):
    firm = own_firm
    firm.service.keys["otto"] = firm.service.ring.create("otto", ["operations"]).text
    rule = Prohibited(id="no BBB", kind="prohibited", symbols=("BBB",), may_override=("olga", "otto"))
    firm.gate.do(lambda books: set_rules(books, OPS, [rule]))
    order = firm.order(symbol="BBB", quantity=1)
    assert firm.ask("ann", "POST", "/v1/manager/orders", order).json()["code"] == "compliance"
    content = {"rule": "no BBB", "account": "A1", "reason": "hedge of a merger", "expires": "2099-01-01"}
    answers = [firm.ask(who, "POST", "/v1/operations/overrides", content) for who in ("olga", "olga", "otto")]
    assert [it.status_code for it in answers] == [200, 409, 200]
    assert answers[2].json()["signatures"] == ["olga", "otto"]
    assert firm.ask("ann", "POST", "/v1/manager/orders", firm.order(symbol="BBB", quantity=1)).json()["accepted"]
