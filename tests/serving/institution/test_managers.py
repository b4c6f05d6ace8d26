"""What a portfolio manager sees and does: reckoned by hand for the small firm."""

import pytest


def test_positions_are_hers_with_what_is_open(firm):
    found = firm.get("/v1/manager/positions").json()
    assert (found["pm"], found["total"]) == ("ann", 2)
    # 1,000 from the start, 100 bought and 30 of a block of 40; an order for 3 is open.
    assert found["positions"][0] == {
        "account": "A1",
        "symbol": "AAA",
        "shares": 1130,
        "buying": 3,
        "selling": 0,
        "price": 50.0,
        "value": 56500.0,
    }
    assert found["accounts"][1] == {"account": "A2", "cash": 500_000 - 490 - 0.0012, "value": 500.0}
    assert [row["account"] for row in firm.get("/v1/manager/positions?offset=1&limit=1").json()["positions"]] == ["A2"]


def test_gains_are_those_of_trades_and_of_shares_of_blocks(firm):
    """130 at 49 that are worth 50, and fees of 50 and 38 units; the account of blocks keeps nothing."""
    found = firm.get("/v1/manager/gains").json()
    rows = {row["account"]: row for row in found["gains"]}
    assert (rows["A1"]["bought"], rows["A1"]["paid"], rows["A1"]["gain"]) == (130, 6370.0, 130 - 0.0088)
    assert rows["A2"]["gain"] == 10 - 0.0012
    assert rows["ann.block"]["gain"] == rows["ann.block"]["bought"] == 0
    assert found["gain"] == 140 - 0.01


def test_limits_say_what_is_used_at_the_worst(firm):
    found = {it["name"]: it for it in firm.get("/v1/manager/limits").json()["limits"]}
    # 1,130 and 3 that are open in one account, 10 in the other.
    assert (found["capital"]["used"], found["capital"]["usage"]) == (1143 * 50, 1143 * 50 / 10**7)
    assert (found["rate"]["value"], found["rate"]["used"], found["rate"]["unit"]) == (1000, None, "number")


def test_orders_are_filtered_and_paged(firm):
    def ids(query):
        return [it["id"] for it in firm.get(f"/v1/manager/orders?{query}").json()["orders"]]

    assert ids("account=A1") == ["A1/1", "A1/2"]
    assert ids("state=RESERVED") == ["A1/2"]
    assert ids("offset=2&limit=1") == ["ann.block/1-1"]
    assert firm.get("/v1/manager/orders?limit=0").status_code == 422
    assert firm.get("/v1/manager/orders?limit=1001").status_code == 422


def test_an_order_has_its_executions(firm):
    found = firm.get("/v1/manager/orders/A1/1").json()
    (execution,) = found["executions"]
    assert (found["state"], execution["quantity"], execution["price"], execution["fee"]) == ("FILLED", 100, 49.0, 0.005)


def test_a_block_says_who_has_it(firm):
    found = firm.get("/v1/manager/blocks/ann.block/1").json()
    assert (found["quantity"], found["filled"], found["open"], found["revision"]) == (40, 40, 0, 1)
    assert {it["account"]: it["shares"] for it in found["allocations"]} == {"A1": 30, "A2": 10, "ann.residual": 0}


def test_an_order_is_submitted_once_however_often_it_is_sent_and_canceled(own_firm):
    order = own_firm.order(id="x1", limit="50.01")
    first, second = (own_firm.ask("ann", "POST", "/v1/manager/orders", order) for _ in range(2))
    assert first.json() == second.json() == {"order": "A1/x1", "accepted": True, "code": "", "text": ""}
    assert own_firm.ask("ann", "POST", "/v1/manager/orders", order | {"quantity": 11}).json()["code"] == "duplicate"
    assert own_firm.get("/v1/manager/orders/A1/x1").json()["limit"] == 50.01
    assert own_firm.ask("ann", "DELETE", "/v1/manager/orders/A1/x1").json()["state"] == "CANCELED"


def test_a_block_is_placed_once_however_often_it_is_sent(own_firm):
    block = {"id": "x1", "symbol": "BBB", "side": "buy", "demands": {"A1": 30, "A2": 20}, "limit": 50}
    first, second = (own_firm.ask("ann", "POST", "/v1/manager/blocks", block) for _ in range(2))
    assert first.json() == second.json()
    assert (first.json()["block"], first.json()["quantity"]) == ("ann.block/x1", 50)
    assert own_firm.get("/v1/manager/blocks").json()["total"] == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"quantity": 0},
        {"quantity": 1.5},
        {"quantity": True},
        {"limit": -1},
        {"limit": "NaN"},
        {"limit": 1e300},
        {"limit": 50.00001},
        {"id": "a/b"},
        {"id": ""},
        {"side": "hold"},
        {"symbol": "x" * 33},
        {"pm": "bob"},
    ],
)
def test_what_cannot_be_an_order_is_a_problem(firm, wrong):
    answer = firm.ask("ann", "POST", "/v1/manager/orders", firm.order() | wrong)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_gate_that_is_away_is_a_problem_and_reading_goes_on(own_firm):
    own_firm.door.close()
    answer = own_firm.ask("ann", "POST", "/v1/manager/orders", own_firm.order())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert str(own_firm.service.settings.orders.door) not in answer.text
    assert own_firm.get("/v1/manager/orders").status_code == 200
