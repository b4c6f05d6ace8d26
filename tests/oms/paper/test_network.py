import httpx2 as httpx
import pytest
from paper_market import flat_bars, order, rules
from paper_server import answering
from starlette.testclient import TestClient

from quantray.oms.paper.book import Book
from quantray.oms.paper.door import rest_door
from quantray.oms.paper.faults import Faults
from quantray.oms.paper.network import LostError
from quantray.oms.wire import OrderSheet


@pytest.fixture
def book(tmp_path):
    with Book(flat_bars(), tmp_path / "book", rules=rules()) as book:
        yield book


@pytest.fixture
def client(book):
    with answering(book) as address, httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
        yield client


def content(name, quantity=100, **changes):
    return OrderSheet.of(order(name, quantity, **changes)).model_dump(mode="json")


@pytest.mark.parametrize(("fault", "taken"), [("disconnect", False), ("lose", True)])
def test_connections_end_before_or_after(client, book, fault, taken):
    book.set_faults(Faults(**{fault: 1.0}))
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/v1/orders", json=content("o"))
    assert (book.status("o") is not None) == taken
    # Commands get through, so that faults can be ended.
    client.put("/v1/admin/faults", json={})
    assert client.get("/v1/orders?order=o").json()["known"] == taken


def test_a_dropped_request_is_never_answered(client, book):
    book.set_faults(Faults(drop=1.0))
    with pytest.raises(httpx.ReadTimeout):
        client.post("/v1/orders", json=content("o"), timeout=httpx.Timeout(60, read=0.1))
    assert book.status("o") is None


def test_a_delayed_request_is_handled_later(client, book):
    book.set_faults(Faults(delay=1.0, delay_ms=150))
    with pytest.raises(httpx.ReadTimeout):
        client.post("/v1/orders", json=content("o"), timeout=httpx.Timeout(60, read=0.05))
    assert client.post("/v1/orders", json=content("p")).json()["code"] == "taken"


def test_faults_fall_on_a_request_by_what_it_asks(client, book):
    book.set_faults(Faults(disconnect=0.5))

    def falls(name):
        try:
            client.get(f"/v1/orders?order={name}")
        except httpx.RemoteProtocolError:
            return True
        return False

    first = [falls(f"o{k}") for k in range(12)]
    assert 1 < sum(first) < 11
    # Asked again it is another draw, so that nobody waits for ever.
    assert all(any(not falls(f"o{k}") for _ in range(12)) for k in range(12))


def test_without_a_network_a_lost_connection_is_an_error(book):
    book.set_faults(Faults(lose=1.0))
    with pytest.raises(LostError):
        TestClient(rest_door(book)).post("/v1/orders", json=content("o"))
    assert book.status("o") is not None
