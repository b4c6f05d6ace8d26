import httpx2 as httpx
import pytest
from paper_market import dollars, flat_bars, order, rules
from paper_server import answering

from quantray.oms.messages import Holdings
from quantray.oms.paper.book import Book
from quantray.oms.paper.faults import Faults
from quantray.oms.wire import OrderSheet

QUIET = {"fund": Holdings(dollars(1000), {"AAA": 5})}


@pytest.fixture
def book(tmp_path):
    with Book(flat_bars(), tmp_path / "book", rules=rules(), openings=QUIET) as book:
        yield book


@pytest.fixture
def client(book):
    with answering(book) as address, httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
        yield client


def content(name, quantity=100, **changes):
    return OrderSheet.of(order(name, quantity, **changes)).model_dump(mode="json")


def test_an_order_and_what_became_of_it(client):
    assert client.post("/v1/orders", json=content("o")).json() == {"order": "o", "code": "taken", "text": ""}
    again = client.post("/v1/orders", json=content("o"))
    assert (again.status_code, again.json()["code"]) == (409, "duplicate")
    assert client.post("/v1/orders", json=content("bad", 0)).json()["code"] == "rejected"
    assert client.post("/v1/admin/advance").json()["bar"] == 1
    known = client.get("/v1/orders?order=o").json()
    assert (known["known"], known["state"], known["filled"]) == (True, "FILLED", 100)
    assert [one["exec_id"] for one in known["executions"]] == ["o.1"]
    told = client.get("/v1/reports?after=1").json()
    assert told["last"] == 3
    assert [one["kind"] for one in told["reports"]] == ["rejected", "fill"]
    held = client.get("/v1/holdings?account=fund").json()
    assert held == {"account": "fund", "cash": dollars(1000) - 100 * dollars(100) - 3000, "shares": {"AAA": 105}}
    assert client.get("/v1/holdings?account=nobody").json() == {"account": "nobody", "cash": 0, "shares": {}}


def test_a_batch_is_answered_one_by_one(client):
    asked = {"orders": [content("a"), content("a"), content("b", 0), content("c")]}
    answers = client.post("/v1/orders/batch", json=asked).json()["answers"]
    assert [(one["order"], one["code"]) for one in answers] == [
        ("a", "taken"),
        ("a", "duplicate"),
        ("b", "rejected"),
        ("c", "taken"),
    ]


def test_cancelling_and_tombstones(client):
    client.post("/v1/orders", json=content("o"))
    assert client.post("/v1/orders/cancel?order=o").json()["code"] == "taken"
    unknown = client.post("/v1/orders/cancel?order=x")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown")
    assert client.get("/v1/orders?order=late").json() == {"order": "late", "known": False}
    assert client.post("/v1/orders/void?order=late").json() == {"order": "late", "known": False}
    assert client.post("/v1/orders", json=content("late")).json()["code"] == "void"


def test_mistakes_are_mended_by_command(client, book):
    client.post("/v1/orders", json=content("o"))
    client.post("/v1/admin/advance", json={"to": 2})
    client.post("/v1/admin/advance", json={"to": 2})
    assert book.standing().bar == 2
    right = {"exec_id": "o.1", "quantity": 90, "price": dollars(101)}
    assert client.post("/v1/admin/correct", json=right).json() == {"exec_id": "o.2"}
    assert client.post("/v1/admin/bust", json={"exec_id": "o.1"}).json() == {"exec_id": "o.3"}
    refused = client.post("/v1/admin/bust", json={"exec_id": "o.1"})
    assert refused.status_code == 409
    assert "no fill that stands" in refused.json()["text"]
    assert book.holdings("fund") == QUIET["fund"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"id": "o"}',
        b'{"id": "o", "account": "A", "symbol": "S", "side": "buy", "quantity": 1.5}',
        b'{"id": "o", "account": "A", "symbol": "S", "side": "buy", "quantity": "1"}',
        b'{"id": "o", "account": "A", "symbol": "S", "side": "buy", "quantity": NaN}',
        b'{"id": "o", "account": "A", "symbol": "S", "side": "buy", "quantity": 1, "wine": 1}',
        b'{"id": "o\\n", "account": "A", "symbol": "S", "side": "buy", "quantity": 1}',
        b'{"id": "o", "account": "A", "symbol": "S", "side": "buy", "quantity": 99999999999999999999}',
    ],
)
def test_what_cannot_be_read_never_reaches_the_book(client, book, body):
    answer = client.post("/v1/orders", content=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "refused")
    assert "\n" not in answer.json()["text"]
    assert book.standing().sequence == 0


def test_a_request_is_no_longer_than_it_may(client):
    assert client.post("/v1/orders", content=b" " * 2_100_000).status_code == 413
    assert client.post("/v1/orders/batch", json={"orders": [content("o")] * 1001}).status_code == 422
    assert client.get("/v1/reports?wait=31").status_code == 422


def test_a_key_is_asked_for(book):
    with answering(book, key="s3cret") as address, httpx.Client(base_url=address, trust_env=False) as client:
        for headers in ({}, {"Authorization": "Bearer s3cre"}, {"Authorization": "s3cret"}):
            refused = client.get("/health", headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (401, "refused")
            assert "s3cre" not in refused.text
        assert client.get("/health", headers={"Authorization": "Bearer s3cret"}).json()["status"] == "open"


def test_faults_are_set_while_it_runs(client):
    assert client.put("/v1/admin/faults", json={"reject": 1.0}).json()["reject"] == 1
    assert client.post("/v1/orders", json=content("o")).json()["text"] == "rejected by chance"
    assert client.put("/v1/admin/faults", json={"wine": 1}).status_code == 422
    assert client.get("/v1/admin/faults").json()["reject"] == 1
    client.put("/v1/admin/faults", json={})
    assert client.post("/v1/orders", json=content("p")).json()["code"] == "taken"


def test_waiting_ends_with_news_or_in_time(client, book):
    assert client.get("/v1/reports?wait=0.05").json() == {"last": 0, "reports": []}
    book.set_faults(Faults(overtake=1))
    book.submit([order("held")])
    assert client.get("/v1/reports?wait=20", timeout=60).json()["last"] == 1


def test_news_end_the_waiting(client, book):
    import threading

    found = []
    waiting = threading.Thread(target=lambda: found.append(client.get("/v1/reports?wait=20", timeout=60).json()))
    waiting.start()
    while not client.get("/health").is_success:
        pass
    book.submit([order("o")])
    waiting.join(60)
    assert [one["order"] for one in found[0]["reports"]] == ["o"]
