import json
from datetime import date

import httpx2 as httpx
import pytest
from small_books import small_book
from small_service import Service

from quantray.serving.alerts import AlertRule, Alerts, AlertSettings
from quantray.serving.client import Client
from quantray.serving.watching import look


@pytest.fixture
def alerts(tmp_path):
    log = str(tmp_path / "alerts.jsonl")
    rules = tuple(AlertRule(event=event, log=log) for event in ("not ready", "book stale"))
    return Alerts(AlertSettings(rules=rules, state=str(tmp_path / "state.json")))


def given(tmp_path):
    path = tmp_path / "alerts.jsonl"
    return [json.loads(line)["event"] for line in path.read_text().splitlines()] if path.exists() else []


def looked(service, alerts):
    with Client("http://testserver", transport=service.http._transport) as client:
        return look("http://testserver", alerts, client=client)


def test_a_service_is_looked_at_and_each_change_alerts_once(tmp_path, alerts):
    service = Service(tmp_path)
    assert "no book has been published yet" in looked(service, alerts)
    looked(service, alerts)
    assert given(tmp_path) == ["not ready"]
    service.publish(small_book())
    assert looked(service, alerts) == ""
    old = Service(tmp_path, stale_after_hours=1.0)
    assert "hours old" in looked(old, alerts)
    assert given(tmp_path) == ["not ready", "book stale"]


def test_a_newest_book_that_is_damaged_alerts_while_the_one_before_is_served(tmp_path, alerts):
    service = Service(tmp_path)
    service.publish(small_book())
    pointer = service.shelf.publish(small_book(date(2024, 4, 1)))
    path = service.shelf.place.folder / "books" / pointer.version / "portfolio.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    service.http.post("/v1/refresh", headers=service.signed("publish"))
    assert "serves 2024-03-28" in looked(service, alerts)
    assert given(tmp_path) == ["book stale"]


def test_a_service_that_does_not_answer_alerts(tmp_path, alerts):
    def refuse(request):
        raise httpx.ConnectError("refused")

    with Client("http://x", transport=httpx.MockTransport(refuse)) as client:
        assert "does not answer" in look("http://x", alerts, client=client)
    assert given(tmp_path) == ["not ready"]
