"""What risk officers see of the firm, and how two of them change a limit."""

import pytest


def test_exposures_add_up_by_name_sector_and_manager(firm):
    found = {by: firm.get(f"/v1/firm/exposures?by={by}", "rita").json() for by in ("name", "sector", "pm")}
    for each in found.values():
        assert sum(row["gross"] for row in each["exposures"]) == each["firm"]["gross"]
        assert sum(row["long"] for row in each["exposures"]) == each["firm"]["long"]
    # Bob: 1,000 BBB, 7,331 and 10 of a block CCC; 3 more are open.
    rows = {row["name"]: row for row in found["pm"]["exposures"]}
    assert rows["bob"] == {"name": "bob", "long": 8341 * 50, "short": 0, "gross": 8344 * 50, "net": 8344 * 50}
    assert [row["name"] for row in found["sector"]["exposures"]] == ["Energy", "Tech", "no sector"]
    assert [row["name"] for row in found["name"]["exposures"]] == ["CCC", "AAA", "BBB"]


def test_positions_of_a_manager(firm):
    found = firm.get("/v1/firm/positions?pm=bob&symbol=CCC", "rita").json()
    assert [(row["account"], row["shares"]) for row in found["positions"]] == [("B1", 7341)]


def test_limits_say_what_is_used(firm):
    found = {(it["scope"], it["key"], it["name"]): it for it in firm.get("/v1/firm/limits", "rita").json()["limits"]}
    assert found["firm", "", "single_name"]["used"] == 7344 * 50
    assert found["pm", "bob", "capital"]["usage"] == 8344 * 50 / 10**7
    assert found["account", "B1:CCC", "locate"] | {"used": 0} == found["account", "B1:CCC", "locate"]
    assert found["firm", "", "collar_bps"]["used"] is None


def change(**more):
    given = {"id": "c1", "scope": "pm", "key": "bob", "name": "capital", "value": 2_000_000, "reason": "less risk"}
    return given | more


def test_a_limit_changes_when_two_people_say_so(own_firm):
    firm = own_firm
    first, again = (firm.ask("rita", "POST", "/v1/firm/changes", change()) for _ in range(2))
    assert first.json() == again.json()
    assert (first.json()["state"], first.json()["before"], first.json()["proposer"]) == ("waiting", 1e7, "rita")
    assert firm.get("/v1/firm/changes?state=waiting", "omar").json()["total"] == 1
    refused = firm.ask("rita", "POST", "/v1/firm/changes/c1", {"approve": True})
    assert (refused.status_code, "a second person must approve" in refused.json()["detail"]) == (409, True)
    done = firm.ask("omar", "POST", "/v1/firm/changes/c1", {"approve": True}).json()
    assert (done["state"], done["decider"]) == ("approved", "omar")
    limits = firm.get("/v1/manager/limits", "bob").json()["limits"]
    assert [it["value"] for it in limits if it["name"] == "capital"] == [2_000_000]
    assert firm.get("/v1/firm/changes?state=waiting", "omar").json()["total"] == 0


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"key": "eve"}, 409),
        ({"name": "wine"}, 409),
        ({"name": "rate", "value": 1.5}, 409),
        ({"value": -1}, 422),
        ({"value": "Infinity"}, 422),
        ({"hours": 169}, 422),
        ({"reason": "a\nb"}, 422),
        ({"scope": "wine"}, 422),
    ],
)
def test_what_cannot_be_proposed_is_a_problem(firm, wrong, status):
    assert firm.ask("rita", "POST", "/v1/firm/changes", change(**wrong)).status_code == status
    assert firm.get("/v1/firm/changes", "rita").json()["total"] == 0


def test_a_switch_halts_whom_it_names_and_cancels_what_is_open(own_firm):
    firm = own_firm
    on = firm.ask("rita", "PUT", "/v1/firm/switches", {"scope": "pm", "key": "ann", "on": True})
    assert on.json() == {"switches": [{"scope": "pm", "key": "ann"}]}
    assert firm.get("/v1/manager/orders/A1/2").json()["state"] == "CANCELED"
    assert firm.ask("ann", "POST", "/v1/manager/orders", firm.order()).json()["code"] == "halted"
    assert firm.get("/v1/manager/orders/B1/2", "bob").json()["state"] == "RESERVED"
    off = firm.ask("rita", "PUT", "/v1/firm/switches", {"scope": "pm", "key": "ann", "on": False})
    assert off.json() == {"switches": []}
    assert firm.ask("rita", "PUT", "/v1/firm/switches", {"scope": "pm", "key": "eve", "on": True}).status_code == 409


def test_alerts_are_the_newest_first(own_firm):
    own_firm.gate.do(lambda books: [books.note("break", name, f"of {name}") for name in ('"alert"', "A1")])
    found = own_firm.get("/v1/firm/alerts?limit=5", "rita").json()["alerts"]
    assert [(it["kind"], it["entity"], it["text"]) for it in found] == [
        ("break", "A1", "of A1"),
        ("break", '"alert"', 'of "alert"'),
    ]
