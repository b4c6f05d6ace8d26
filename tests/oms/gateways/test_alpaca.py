"""Against an imitation of Alpaca's routes, written from its documentation; its samples are in the answers."""

import json
import threading
from datetime import UTC, datetime
from urllib.parse import parse_qs

import httpx2 as httpx
import pytest
from paper_market import dollars, order

from quantray.errors import InputError
from quantray.execution.orders import Side
from quantray.oms.gateways.alpaca import AlpacaGateway
from quantray.oms.gateways.alpaca_sheets import VENUE
from quantray.oms.gateways.protocol import Gateway, NotSentError, UnsureError
from quantray.oms.messages import Report, ReportKind, Unreadable
from quantray.oms.states import State

SINCE = datetime(2024, 3, 28, tzinfo=UTC)


class Alpaca:
    """What Alpaca would say; tests fill orders by hand."""

    def __init__(self):
        self.orders, self.fills, self.requests = {}, [], []
        self.positions = [{"symbol": "AAA", "qty": "5", "side": "long"}, {"symbol": "BBB", "qty": "-2"}]
        self.cash = "122086.5"
        self.refusal = None

    def __call__(self, request):
        self.requests.append(request)
        assert request.headers["APCA-API-KEY-ID"] == "key"
        assert request.headers["APCA-API-SECRET-KEY"] == "s3cret"
        query = {name: values[0] for name, values in parse_qs(request.url.query.decode()).items()}
        status, content = self.answer(request.method, request.url.path, query, request.content)
        return httpx.Response(status, content=b"" if content is None else json.dumps(content).encode())

    def answer(self, method, path, query, body):
        if self.refusal:
            return self.refusal
        if (method, path) == ("POST", "/v2/orders"):
            return self.post(json.loads(body))
        if path == "/v2/orders:by_client_order_id":
            return self.found(query["client_order_id"])
        if path == "/v2/orders":
            assert (query["status"], query["direction"]) == ("all", "asc")
            later = [one for one in self.orders.values() if one["submitted_at"] > query["after"]]
            return 200, sorted(later, key=lambda one: one["submitted_at"])[: int(query["limit"])]
        if path.startswith("/v2/orders/"):
            return self.one(method, path.removeprefix("/v2/orders/"))
        if path == "/v2/account/activities/FILL":
            return 200, self.activities(query)
        known = {"/v2/account": {"cash": self.cash}, "/v2/positions": self.positions, "/v2/clock": {"is_open": True}}
        return (200, known[path]) if path in known else (404, {"code": 40410000, "message": "endpoint not found"})

    def post(self, asked):
        assert set(asked) <= {"symbol", "qty", "side", "type", "time_in_force", "limit_price", "client_order_id"}
        name = asked["client_order_id"]
        if name in self.orders:
            return 422, {"code": 40010001, "message": "client_order_id must be unique"}
        if asked["symbol"] == "ZZZ":
            return 422, {"code": 42210000, "message": 'asset "ZZZ" not found'}
        at = f"2024-03-28T13:30:{len(self.orders):02d}.123456789Z"
        made = {"id": f"uuid-{len(self.orders)}", "status": "pending_new", "filled_qty": "0", "submitted_at": at}
        self.orders[name] = {**asked, **made, "updated_at": at, "filled_avg_price": None, "legs": None}
        return 200, self.orders[name]

    def found(self, name):
        if name in self.orders:
            return 200, self.orders[name]
        return 404, {"code": 40410000, "message": f"order not found for {name}"}

    def one(self, method, identity):
        one = next(one for one in self.orders.values() if one["id"] == identity)
        if method == "GET":
            return 200, one
        if one["status"] in ("filled", "canceled"):
            return 422, {"code": 42210000, "message": f'order is already in "{one["status"]}" state'}
        one["status"] = "canceled"
        return 204, None

    def activities(self, query):
        listed = sorted((fill for fill in self.fills if fill["listed"]), key=lambda fill: fill["id"])
        listed = [fill for fill in listed if fill["id"] > query.get("page_token", "")]
        listed = [fill for fill in listed if query.get("order_id") in (None, fill["order_id"])]
        return listed[: int(query["page_size"])]

    def fill(self, name, qty, price, *, listed=True):
        one = self.orders[name]
        done = int(one["filled_qty"]) + qty
        one["filled_qty"] = str(done)
        one["status"] = "filled" if done == int(one["qty"]) else "partially_filled"
        number = len(self.fills)
        self.fills.append(
            {
                "activity_type": "FILL",
                "id": f"20240328133100{number:03d}::fill-{number}",
                "order_id": one["id"],
                "qty": str(qty),
                "price": price,
                "cum_qty": str(done),
                "leaves_qty": str(int(one["qty"]) - done),
                "side": one["side"],
                "symbol": one["symbol"],
                "transaction_time": "2024-03-28T13:31:00.65Z",
                "type": "fill",
                "listed": listed,
            }
        )
        return self.fills[-1]


@pytest.fixture
def alpaca():
    return Alpaca()


def gateway_to(answers, **given):
    transport = httpx.MockTransport(answers)
    return AlpacaGateway("fund", "key", "s3cret", since=SINCE, address="http://alpaca", transport=transport, **given)


@pytest.fixture
def gateway(alpaca):
    return gateway_to(alpaca)


def ours(name, quantity=100, side=Side.BUY, **changes):
    return order(name, quantity, side, venue=VENUE, **changes)


class Sink:
    def __init__(self, enough, failures=0):
        self.reports, self.failures, self.enough = [], failures, enough
        self.full = threading.Event()

    def __call__(self, reports):
        if self.failures:
            self.failures -= 1
            raise OSError("the disk is full")
        self.reports += reports
        if len(self.reports) >= self.enough:
            self.full.set()


def sample(**changes):
    at = "2024-03-28T13:30:00Z"
    return {"id": "x", "client_order_id": "a", "status": "new", "filled_qty": "0", "submitted_at": at, **changes}


def heard(gateway, enough, failures=0):
    """Reports that a sink has taken, when they are enough."""
    sink = Sink(enough, failures)
    gateway.listen(sink, 0)
    assert sink.full.wait(60)
    gateway.close()
    return [(one.kind, one.order, one.quantity, one.exec_id) for one in sink.reports]


def test_it_is_a_gateway(gateway):
    known: Gateway = gateway
    assert known.route == "rest"
    assert known.ready()


def test_orders_are_sent_in_exact_decimals(gateway, alpaca):
    gateway.send(ours("a"))
    gateway.send(ours("b", 7, Side.SELL_SHORT, limit=dollars(100.05), tif="IOC"))
    gateway.send(ours("c", 7, limit=1))
    sent = [json.loads(request.content) for request in alpaca.requests]
    assert sent[0] == {
        "symbol": "AAA",
        "qty": "100",
        "side": "buy",
        "type": "market",
        "time_in_force": "day",
        "client_order_id": "a",
    }
    assert (sent[1]["side"], sent[1]["limit_price"], sent[1]["time_in_force"]) == ("sell", "100.05", "ioc")
    assert sent[2]["limit_price"] == "0.0001"


def test_what_alpaca_refuses_was_not_sent(gateway, alpaca):
    gateway.send(ours("a"))
    with pytest.raises(UnsureError, match="has an order a already"):
        gateway.send(ours("a"))
    gateway.send(ours("z", symbol="ZZZ"))
    alpaca.refusal = (403, {"code": 40310000, "message": "insufficient buying power"})
    gateway.send(ours("b"))
    alpaca.refusal = (429, {"code": 42910000, "message": "rate limit exceeded"})
    with pytest.raises(NotSentError, match="rate limit exceeded"):
        gateway.send(ours("c"))
    for other in ((500, {"code": 1, "message": "internal"}), (403, "proxy"), (200, {}), (302, None)):
        alpaca.refusal = other
        with pytest.raises(UnsureError):
            gateway.send(ours("c"))
    alpaca.refusal = None
    assert gateway.status("b", void=True).state is State.REJECTED
    sink = Sink(3)
    gateway.listen(sink, 0)
    assert sink.full.wait(60)
    gateway.close()
    told = [(one.kind, one.order, one.text) for one in sink.reports]
    assert told == [
        (ReportKind.ACKED, "a", ""),
        (ReportKind.REJECTED, "z", 'asset "ZZZ" not found'),
        (ReportKind.REJECTED, "b", "insufficient buying power"),
    ]


@pytest.mark.parametrize("change", [{"account": "other"}, {"venue": "NYSE"}, {"replaces": "b"}])
def test_what_is_not_for_alpaca_is_rejected_unsent(gateway, alpaca, change):
    gateway.send(order("a", **({"venue": VENUE} | change)))
    assert alpaca.requests == []
    assert heard(gateway, 1) == [(ReportKind.REJECTED, "a", 0, "")]


def test_a_status_has_all_fills(gateway, alpaca):
    gateway.send(ours("a"))
    assert gateway.status("a", void=True).state is State.ACKED
    alpaca.fill("a", 60, "128.33")
    alpaca.fill("a", 40, "128.3401")
    known = gateway.status("a", void=False)
    assert (known.state, known.filled) == (State.FILLED, 100)
    told = [(one.quantity, one.price, one.filled) for one in known.executions]
    assert told == [(60, 1_283_300, 60), (40, 1_283_401, 100)]
    alpaca.fills[1]["listed"] = False
    with pytest.raises(UnsureError, match="not listed all fills"):
        gateway.status("a", void=False)


def test_what_is_not_known_is_believed_after_a_while(alpaca):
    now = [1000.0]
    gateway = gateway_to(alpaca, clock=lambda: now[0])
    assert gateway.status("a", void=False) is None
    with pytest.raises(UnsureError, match="ask again in 60 s"):
        gateway.status("a", void=True)
    now[0] += 61
    assert gateway.status("a", void=True) is None
    alpaca.refusal = (500, None)
    with pytest.raises(UnsureError):
        gateway.send(ours("a"))
    alpaca.refusal = None
    with pytest.raises(UnsureError, match="may be on its way"):
        gateway.status("a", void=True)


@pytest.mark.parametrize(
    "answer",
    [
        (404, {"detail": "Not Found"}),
        (404, {"code": 40410000, "message": "endpoint is gone"}),
        (404, None),
        (503, {"code": 1, "message": "order not found"}),
        (200, sample(client_order_id="b")),
        (200, sample(status="wine")),
        (200, sample(filled_qty=0)),
        (200, sample(filled_qty="0.5")),
        (200, sample(submitted_at="today")),
    ],
)
def test_nonsense_is_no_status(gateway, alpaca, answer):
    alpaca.refusal = answer
    with pytest.raises(UnsureError):
        gateway.status("a", void=False)


def test_cancelling(gateway, alpaca):
    gateway.send(ours("a"))
    gateway.cancel(ours("a"))
    assert gateway.status("a", void=False).state is State.CANCELED
    with pytest.raises(UnsureError, match="answered 422"):
        gateway.cancel(ours("a"))
    with pytest.raises(UnsureError, match="knows no order b"):
        gateway.cancel(ours("b"))


def test_holdings_are_exact(gateway, alpaca):
    held = gateway.holdings("fund")
    assert (held.cash, held.shares) == (1_220_865_000, {"AAA": 5, "BBB": -2})
    with pytest.raises(UnsureError, match="not of other"):
        gateway.holdings("other")
    alpaca.positions = [{"symbol": "AAA", "qty": "0.38962051"}]
    with pytest.raises(UnsureError, match="in whole ones"):
        gateway.holdings("fund")
    alpaca.positions, alpaca.cash = [], "1.00001"
    with pytest.raises(UnsureError, match="finer than the unit"):
        gateway.holdings("fund")


def test_reports_come_once_the_end_after_the_fills(gateway, alpaca):
    for name in "abc":
        gateway.send(ours(name))
    alpaca.fill("a", 60, "10")
    alpaca.fill("b", 100, "11")
    alpaca.orders["a"]["status"] = "canceled"
    alpaca.orders["c"]["status"] = "rejected"
    reports = heard(gateway, 6, failures=1)
    assert reports == [
        (ReportKind.ACKED, "a", 0, ""),
        (ReportKind.ACKED, "b", 0, ""),
        (ReportKind.FILL, "a", 60, "20240328133100000::fill-0"),
        (ReportKind.FILL, "b", 100, "20240328133100001::fill-1"),
        (ReportKind.CANCELED, "a", 0, ""),
        (ReportKind.REJECTED, "c", 0, ""),
    ]


def test_fills_that_are_listed_late_are_found(alpaca):
    gateway = gateway_to(alpaca, idle=0.0)
    gateway.send(ours("a"))
    first = alpaca.fill("a", 60, "10", listed=False)
    alpaca.fill("a", 30, "10")
    sink = Sink(2)
    gateway.listen(sink, 0)
    assert sink.full.wait(60)
    assert [one.quantity for one in sink.reports] == [0, 30]
    sink.full.clear()
    sink.enough = 3
    first["listed"] = True
    assert sink.full.wait(60)
    gateway.close()
    assert [one.quantity for one in sink.reports] == [0, 30, 60]


def test_many_pages_are_read(alpaca):
    gateway = gateway_to(alpaca)
    gateway.send(ours("a", 250))
    for _ in range(250):
        alpaca.fill("a", 1, "10")
    assert len(gateway.status("a", void=False).executions) == 250
    assert len(heard(gateway, 251)) == 251


def test_fills_of_an_earlier_order_are_told(alpaca):
    gateway = gateway_to(alpaca)
    gateway.send(ours("a"))
    alpaca.orders["a"]["submitted_at"] = "2024-03-27T13:30:00Z"
    alpaca.fill("a", 100, "10")
    assert [kind for kind, *_ in heard(gateway, 2)] == [ReportKind.ACKED, ReportKind.FILL]


def test_what_cannot_be_read_comes_once_and_keeps_nothing_back(alpaca):
    gateway = gateway_to(alpaca, idle=0.0)
    for name in "abc":
        gateway.send(ours(name))
    alpaca.orders["a"]["status"] = "wine"
    alpaca.fill("b", 100, "11")["qty"] = "0.5"
    alpaca.fill("c", 100, "11")
    sink = Sink(5)
    gateway.listen(sink, 0)
    assert sink.full.wait(60)
    looks = len(alpaca.requests)
    while len(alpaca.requests) < looks + 9:
        threading.Event().wait(0.01)
    gateway.close()
    odd = [one for one in sink.reports if isinstance(one, Unreadable)]
    assert [(one.order, "wine" in one.raw) for one in odd] == [("a", True), ("b", False)]
    told = [(one.kind, one.order) for one in sink.reports if isinstance(one, Report)]
    assert told == [("acked", "b"), ("acked", "c"), ("fill", "c")]


def test_secrets_and_zones():
    gateway = gateway_to(lambda request: httpx.Response(500, text="s3cret"))
    with pytest.raises(UnsureError) as raised:
        gateway.send(ours("a"))
    assert "s3cret" not in str(raised.value)
    with pytest.raises(InputError, match="has no zone"):
        AlpacaGateway("fund", "key", "s3cret", since=datetime(2024, 3, 28))
