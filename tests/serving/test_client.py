from datetime import date

import httpx2 as httpx
import pytest
from small_books import small_book

from quantray.errors import DataError, InputError
from quantray.serving.client import Client, ServiceError
from quantray.serving.schemas import OptimiseRequest, ScheduleRequest


def client_of(service, key="read", **more):
    return Client("http://testserver", service.keys[key], transport=service.http._transport, **more)


@pytest.fixture
def client(service):
    with client_of(service) as opened:
        yield opened


def answers(*statuses, content=b"{}", headers=None):
    """A transport that answers with each status in turn, and how often it was asked."""
    asked = []

    def answer(request):
        asked.append(request)
        status = statuses[min(len(asked), len(statuses)) - 1]
        if status == 0:
            raise httpx.ConnectError("refused")
        return httpx.Response(status, content=content, headers=headers or {})

    return httpx.MockTransport(answer), asked


def test_tables_are_frames_of_the_book(client):
    found, book = client.portfolio(), small_book()
    assert (found.as_of, found.version) == (book.as_of, book.version)
    assert found.frame.loc["CCC", "weight"] == 0.25
    assert client.portfolio("2024-03-28").frame.equals(found.frame)
    assert client.forecasts(date(2024, 3, 28)).frame.loc["AAA", "forecast"] == -0.001


def test_schedules_are_filtered(client):
    assert client.orders().frame["shares"].to_dict() == {"AAA": -10_000, "CCC": 3_000}
    assert client.orders(algorithm="TWAP").frame.index.tolist() == ["CCC"]
    assert client.slices(venue="IEX").frame.index.tolist() == [("1", "1-2")]


def test_long_schedules_come_in_pages(client, monkeypatch):
    monkeypatch.setattr("quantray.serving.client._PAGE", 1)
    assert client.orders().frame.index.tolist() == ["AAA", "CCC"]
    assert len(client.slices().frame) == 3


def test_documents_and_history(client):
    assert client.risk("2024-03-28")["var_99"] == 0.021
    assert client.regimes("2024-03-28")["market"]["label"] == "bull"
    assert client.attribution("2024-03-28")["costs"] == -0.0005
    assert client.history() == ((date(2024, 3, 28), small_book().version),)
    assert client.health().version == small_book().version


def test_what_did_not_change_travels_once(own_service):
    seen = []
    inner = own_service.http._transport

    class Watching(httpx.BaseTransport):
        def handle_request(self, request):
            answer = inner.handle_request(request)
            seen.append(answer.status_code)
            return answer

    with Client("http://testserver", own_service.keys["read"], transport=Watching()) as client:
        first, second = client.portfolio(), client.portfolio()
        own_service.publish(small_book(nav=9e6))
        third = client.portfolio()
    assert seen == [200, 304, 200]
    assert second.frame.equals(first.frame)
    assert third.version != first.version


def test_a_what_if_is_typed(service):
    with client_of(service, "what-if") as client:
        found = client.optimise(OptimiseRequest(alpha={"CCC": 0.01}, max_weight=0.5))
        order = client.schedule(ScheduleRequest(weights={"BBB": 0.4})).parents[0]
    assert sum(found.weights.values()) == pytest.approx(1, abs=1e-6)
    # A tenth of the NAV of a million, at 20 a share.
    assert (order.symbol, order.shares, order.days) == ("BBB", 5_000, 1)


def test_refusals_carry_the_reason(client, service):
    with pytest.raises(ServiceError, match="answered with 404: no book of 2020-01-01 was published") as caught:
        client.portfolio("2020-01-01")
    assert caught.value.status == 404
    with pytest.raises(ServiceError, match="answered with 403: this key has no scope what-if"):
        client.optimise(OptimiseRequest(alpha={"AAA": 0.1}))


@pytest.mark.parametrize("statuses", [(503, 503), (0, 502), (504,)])
def test_reads_are_tried_again_and_waits_are_kept_to(statuses):
    transport, asked = answers(*statuses, 200, content=b'{"books": []}', headers={"Retry-After": "2"})
    waits = []
    with Client("http://x", transport=transport, sleep=waits.append) as client:
        assert client.history() == ()
    assert len(asked) == len(statuses) + 1
    assert waits == [0.2 if status == 0 else 2.0 for status in statuses]


@pytest.mark.parametrize(
    ("told", "waits"),
    [("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("Fri, 31 Dec 9999 23:59:59 GMT", 10.0), ("soon", 1.0), ("-1", 1.0)],
)
def test_a_wait_may_be_told_as_a_date_or_as_nonsense(told, waits):
    transport, _ = answers(503, 200, content=b'{"books": []}', headers={"Retry-After": told})
    seen = []
    with Client("http://x", transport=transport, sleep=seen.append) as client:
        assert client.history() == ()
    assert seen == [waits]


def test_reads_end_after_some_tries():
    transport, asked = answers(503)
    client = Client("http://x", transport=transport, sleep=lambda _: None, retries=2)
    with client, pytest.raises(ServiceError, match="answered with 503: without a reason"):
        client.history()
    assert len(asked) == 3


@pytest.mark.parametrize("status", [0, 503])
def test_what_ifs_are_asked_for_once(status):
    transport, asked = answers(status)
    client = Client("http://x", transport=transport, sleep=lambda _: pytest.fail("waited"))
    with client, pytest.raises(ServiceError):
        client.optimise(OptimiseRequest(alpha={"AAA": 0.1}))
    assert len(asked) == 1


def test_what_is_no_book_is_named():
    transport, _ = answers(200, content=b"<html>")
    with Client("http://x", transport=transport) as client, pytest.raises(DataError, match="is no table of a book"):
        client.portfolio()


def test_addresses_and_days_are_checked_here():
    with pytest.raises(InputError, match="'localhost:8000' is no address of a service"):
        Client("localhost:8000")
    with Client("http://x") as client, pytest.raises(InputError, match="'yesterday' is no day"):
        client.portfolio("yesterday")


def test_events_of_a_service_that_is_not_there_are_refused_in_a_line():
    def refuse(request):
        raise httpx.ConnectError("refused")

    client = Client("http://nowhere", transport=httpx.MockTransport(refuse))
    with client, pytest.raises(ServiceError, match="does not answer: refused; is it running"):
        next(client.events())
