from fastapi.testclient import TestClient
from small_books import small_book
from small_service import Service

from quantray.serving.access import Allowance


def test_an_allowance_is_refilled_as_time_goes_by():
    now = [0.0]
    allowance = Allowance(60, clock=lambda: now[0])
    assert [allowance.wait("a") for _ in range(60)] == [0.0] * 60
    assert allowance.wait("a") == 1.0
    assert allowance.wait("b") == 0.0
    now[0] = 0.5
    assert allowance.wait("a") == 0.5
    now[0] = 1.0
    assert allowance.wait("a") == 0.0
    assert allowance.wait("a") == 1.0


def test_a_key_that_calls_too_often_waits_and_others_do_not(tmp_path):
    service = Service(tmp_path, requests_per_minute=3)
    service.shelf.publish(small_book())
    assert [service.get("/v1/history").status_code for _ in range(4)] == [200, 200, 200, 429]
    assert int(service.get("/v1/history").headers["retry-after"]) >= 1
    assert service.post("/v1/optimise", {}).status_code == 422


def test_whoever_guesses_keys_waits_and_whoever_has_one_behind_the_same_address_does_not(tmp_path):
    service = Service(tmp_path, failures_per_minute=2)
    assert [service.get("/v1/history", key="ffffffff.guess").status_code for _ in range(3)] == [401, 401, 429]
    assert service.get("/v1/history").status_code == 200


def test_an_open_service_can_be_read_and_nothing_else(tmp_path):
    service = Service(tmp_path, open=True)
    service.publish(small_book())
    with TestClient(service.app) as http:
        assert http.get("/v1/portfolio").status_code == 200
        assert http.post("/v1/optimise", json={"alpha": {"AAA": 0.1}}).status_code == 403
        assert http.get("/v1/portfolio", headers={"Authorization": "Bearer wrong"}).status_code == 401
