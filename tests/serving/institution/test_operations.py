"""What operations see and do: breaks, blocks, settlement by hand, the day's report."""

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
