import json
import re
from datetime import date

import pyarrow as pa
import pytest
from fastapi.routing import APIRoute
from hypothesis import given, settings
from hypothesis import strategies as st
from small_books import small_book
from small_service import Service

from quantray.serving.auth import SCOPES
from quantray.serving.schemas import ARROW

DAY = "2024-03-28"
READS = [
    "/v1/portfolio",
    f"/v1/portfolio/{DAY}",
    "/v1/schedule",
    f"/v1/schedule/{DAY}",
    f"/v1/forecasts/{DAY}",
    f"/v1/risk/{DAY}",
    f"/v1/regimes/{DAY}",
    f"/v1/attribution/{DAY}",
    "/v1/history",
]


def test_the_portfolio_is_the_published_one(service):
    book = small_book()
    found = service.get("/v1/portfolio").json()
    assert (found["as_of"], found["version"], found["nav"], found["cash"]) == (DAY, book.version, 1e6, 0.05)
    assert [each["symbol"] for each in found["positions"]] == ["AAA", "BBB", "CCC"]
    assert [each["weight"] for each in found["positions"]] == [0.4, 0.3, 0.25]
    assert service.get(f"/v1/portfolio/{DAY}").json() == found


def test_tables_travel_as_arrow_too(service):
    answer = service.get("/v1/portfolio", Accept=f"text/html, {ARROW};q=0.9, */*;q=0.1")
    assert answer.headers["content-type"] == ARROW
    table = pa.ipc.open_stream(answer.content).read_all()
    assert table.to_pydict() == small_book().tables["portfolio"].to_pydict()
    assert json.loads(table.schema.metadata[b"quantray"])["as_of"] == DAY


def test_what_the_asker_has_is_not_sent_again(own_service):
    first = own_service.get("/v1/portfolio")
    again = own_service.get("/v1/portfolio", **{"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (
        own_service.get("/v1/portfolio", **{"If-None-Match": first.headers["etag"], "Accept": ARROW}).status_code == 200
    )
    own_service.publish(small_book(nav=2e6))
    assert own_service.get("/v1/portfolio", **{"If-None-Match": first.headers["etag"]}).json()["nav"] == 2e6


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["1", "2"]),
        ("?symbol=AAA", ["1"]),
        ("?algorithm=TWAP", ["2"]),
        ("?offset=1", ["2"]),
        ("?limit=1", ["1"]),
        ("?symbol=XYZ", []),
    ],
)
def test_orders_are_filtered_and_paged(service, query, expected):
    found = service.get("/v1/schedule" + query).json()
    assert [each["parent"] for each in found["parents"]] == expected
    assert found["total"] == (2 if "offset" in query or "limit" in query else len(expected))


def test_slices_of_a_venue(service):
    found = service.get("/v1/schedule?table=children&venue=IEX").json()["children"]
    assert [(each["child"], each["shares"], each["limit"]) for each in found] == [("1-2", -6000, None)]
    assert found[0]["time"] == "2024-03-29T14:30:00+00:00"


def test_moments_sum_what_slices_trade_in_money(service):
    """4,000 AAA at 10 are sold while 3,000 CCC at 50 are bought, and 6,000 AAA an hour later."""
    found = service.get("/v1/schedule?table=slots").json()
    assert [(each["bought"], each["sold"]) for each in found["slots"]] == [(150_000, 40_000), (0, 60_000)]
    assert found["slots"][1]["time"] == "2024-03-29T14:30:00+00:00"
    assert service.get("/v1/schedule?table=slots&symbol=CCC").json()["total"] == 1


def test_documents_are_as_published(service):
    assert service.get(f"/v1/risk/{DAY}").json()["content"]["var_99"] == 0.021
    assert service.get(f"/v1/regimes/{DAY}").json()["content"]["market"]["label"] == "bull"
    assert service.get(f"/v1/attribution/{DAY}").json()["content"]["sectors"]["Energy"] == 0.006
    assert service.get("/v1/history").json()["books"] == [{"as_of": DAY, "version": small_book().version}]


def test_a_what_if_is_optimal_and_published_nowhere(service):
    request = {"alpha": {"AAA": 0.0, "BBB": 0.0, "CCC": 0.01}, "max_weight": 0.5, "risk_aversion": 0.001}
    found = service.post("/v1/optimise", request).json()
    assert found["weights"]["CCC"] == pytest.approx(0.5, abs=1e-6)
    assert sum(found["weights"].values()) == pytest.approx(1, abs=1e-6)
    assert found["version"] == small_book().version
    assert service.get("/v1/portfolio").json()["version"] == small_book().version


@pytest.mark.parametrize(
    ("request_", "status", "said"),
    [
        ({"alpha": {"XYZ": 0.1}}, 409, "XYZ is not in the book of 2024-03-28"),
        ({"alpha": {}}, 422, "at least 1 item"),
        ({"alpha": {"AAA": 1e99}}, 422, "less than or equal"),
        ({"alpha": {"AAA": 0.1}, "wine": 1}, 422, "wine: Extra inputs are not permitted"),
        ({"alpha": {"AAA": 0.1}, "max_weight": 0.1}, 409, "budget"),
    ],
)
def test_a_what_if_that_cannot_be_is_refused_with_the_reason(service, request_, status, said):
    answer = service.post("/v1/optimise", request_)
    assert answer.status_code == status
    assert said in answer.json()["detail"]


def test_another_schedule_is_told_with_its_cost(service):
    request = {"trades": [{"symbol": "AAA", "shares": 250_000}]}
    found = service.post("/v1/schedule", request).json()
    (order,) = found["parents"]
    assert (order["shares"], order["days"], found["session"]) == (250_000, 3, "2024-04-01")
    assert sum(each["shares"] for each in found["children"]) == 250_000
    assert found["expected_cost"] == pytest.approx(order["expected_cost"])
    assert (found["version"], found["risk"]) == (small_book().version, None)
    assert service.get("/v1/schedule").json()["total"] == 2


@pytest.mark.parametrize(
    ("request_", "status", "said"),
    [
        ({"weights": {"XYZ": 0.1}}, 409, "XYZ is not among"),
        ({"weights": {"AAA": 0.1}, "days": 60, "slices": 100}, 413, "at most 500 slices here"),
        ({"weights": {f"N{i}": 0.1 for i in range(11)}, "days": 1}, 413, "at most 10 names"),
        ({}, 422, "give either trades or weights"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_with_the_reason(tmp_path, request_, status, said):
    small = Service(tmp_path, largest_schedule=500, largest_what_if=10)
    small.publish(small_book())
    answer = small.post("/v1/schedule", request_)
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.text


def test_strangers_are_counted_and_sent_away_before_anything_they_sent_is_read(tmp_path):
    """A body that is no JSON is not looked at without a key, and each try counts."""
    closed = Service(tmp_path, failures_per_minute=3)
    json_ = {"Content-Type": "application/json"}
    answers = [closed.http.post("/v1/optimise", content=b"{", headers=json_).status_code for _ in range(5)]
    assert answers == [401, 401, 401, 429, 429]
    assert closed.http.post("/v1/schedule", json={}, headers=closed.signed("read")).status_code == 403
    assert closed.http.post("/v1/schedule", json={}, headers=closed.signed("what-if")).status_code == 422


def routes(app):
    return [route for route in app.routes if isinstance(route, APIRoute) and route.include_in_schema]


def test_every_route_takes_its_scope_and_no_other(own_firm):
    service, tried = own_firm.service, 0
    service.publish(small_book())
    for path, methods in service.app.openapi()["paths"].items():
        for method, told in methods.items():
            scope = told.get("x-scope")
            if scope is None or path == "/v1/events":
                continue
            place = re.sub("{[a-z]+}", "none", path.replace("{day}", DAY))
            for key in (*SCOPES, "", "00000000.wrong"):
                answer = service.http.request(method, place, headers=service.signed(key), json={})
                if key == scope:
                    allowed = (200, 404, 409, 422) if "none" in place else (200, 409, 422)
                    assert answer.status_code in allowed, (path, answer.text)
                else:
                    assert answer.status_code == (403 if key in service.keys else 401), (path, key)
                    assert answer.headers["content-type"] == "application/problem+json"
                tried += 1
    assert tried == (len(SCOPES) + 2) * (len(routes(service.app)) - 3)


def test_only_health_is_open(service):
    open_paths = {
        path for path, each in service.app.openapi()["paths"].items() for m in each.values() if "x-scope" not in m
    }
    assert open_paths == {"/health/live", "/health/ready"}


@pytest.mark.parametrize("path", [f"/v1/portfolio/{date(2020, 1, 1)}", "/v1/risk/2020-01-01", "/v1/nothing"])
def test_what_is_not_there_is_a_problem(service, path):
    answer = service.get(path)
    assert answer.status_code == 404
    assert set(answer.json()) == {"type", "title", "status", "detail", "request_id"}
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_what_cannot_be_is_a_problem(service):
    headers = service.signed("what-if") | {"Content-Type": "application/json"}
    assert service.http.post("/v1/optimise", content=b"\x81{\xd5", headers=headers).status_code == 400
    assert service.get("/v1/portfolio/2024-99-99").status_code == 422
    assert service.get("/v1/schedule?limit=0").status_code == 422
    assert service.get("/v1/portfolio", Accept="text/html").status_code == 406
    assert service.http.delete("/v1/portfolio").status_code == 405


def test_keys_of_another_pepper_are_the_owners_business(own_service, monkeypatch, caplog):
    monkeypatch.setenv("QUANTRAY_PEPPER", "another")
    answer = own_service.get("/v1/portfolio")
    assert answer.status_code == 503
    assert "pepper" not in answer.text
    assert "made with another pepper" in caplog.text


def test_a_request_that_is_too_large_is_refused_also_where_it_lies_about_its_size(service):
    body = b'{"alpha": {"' + b"A" * 5_000_000 + b'": 1}}'
    headers = service.signed("what-if") | {"Content-Type": "application/json"}
    assert service.http.post("/v1/optimise", content=body, headers=headers).status_code == 413

    def pieces():
        yield from (body[start : start + 100_000] for start in range(0, len(body), 100_000))

    assert service.http.post("/v1/optimise", content=pieces(), headers=headers).status_code == 413


def test_without_a_book_the_service_is_not_ready_and_says_so(empty_service):
    ready = empty_service.http.get("/health/ready")
    assert (ready.status_code, ready.json()["problem"]) == (503, "no book has been published yet")
    answer = empty_service.get("/v1/portfolio")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "60"
    assert empty_service.http.get("/health/live").status_code == 200


def test_a_damaged_book_leaves_the_last_good_one(own_service):
    first = own_service.get("/v1/portfolio").json()
    later = small_book(date(2024, 4, 1), nav=3e6)
    pointer = own_service.shelf.publish(later)
    path = own_service.shelf.place.folder / "books" / pointer.version / "portfolio.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    assert own_service.http.post("/v1/refresh", headers=own_service.signed("publish")).status_code == 200
    assert own_service.get("/v1/portfolio").json() == first
    ready = own_service.http.get("/health/ready")
    assert ready.status_code == 200
    assert "is not what was published" in ready.json()["problem"]
    damaged = own_service.get("/v1/portfolio/2024-04-01")
    assert damaged.status_code == 503
    assert str(path) not in damaged.text


def test_a_stale_book_is_served_but_not_ready(tmp_path):
    old = Service(tmp_path, stale_after_hours=1.0)
    old.publish(small_book())
    assert old.http.get("/health/ready").status_code == 503
    assert "hours old" in old.http.get("/health/ready").json()["problem"]
    assert old.get("/v1/portfolio").status_code == 200


def test_metrics_count_what_was_asked_without_names_of_keys(own_service):
    own_service.get("/v1/portfolio")
    text = own_service.get("/metrics").text
    assert 'quantray_requests_total{route="/v1/portfolio",status="200"} 1.0' in text
    assert "quantray_book_age_seconds" in text
    assert own_service.keys["read"].split(".")[0] not in text


def test_audits_say_who_read_what_and_nothing_secret(service, caplog):
    with caplog.at_level("INFO", logger="quantray.serving.audit"):
        service.get(f"/v1/risk/{DAY}")
        service.get(f"/v1/risk/{DAY}", key="ffffffff.nothing-of-this-is-kept")
    good, bad = (json.loads(record.message) for record in caplog.records if "quantray.serving.audit" in record.name)
    assert (good["name"], good["route"], good["day"], good["status"]) == ("read", "/v1/risk/{day}", DAY, 200)
    assert (bad["name"], bad["status"]) == (None, 401)
    assert "nothing-of-this-is-kept" not in caplog.text
    assert service.keys["read"].split(".")[1] not in caplog.text


def test_an_unforeseen_error_says_nothing_of_itself(service, monkeypatch):
    def broken(*arguments):
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr("quantray.serving.representations.portfolio", broken)
    answer = service.get("/v1/portfolio")
    assert answer.status_code == 500
    assert "secret" not in answer.text


def test_every_answer_carries_the_headers_of_a_closed_house(service):
    for path in [*READS, "/", "/dashboard.js", "/v1/nothing", "/health/live"]:
        headers = service.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"


def test_the_pages_need_nothing_from_elsewhere(service, firm):
    pages = ("/", "/page.js", "/dashboard.js", "/dashboard.css", "/risk", "/risk.js", "/manager", "/manager.js")
    assert [path for path in pages if service.http.get(path).status_code == 404] == list(pages[4:])
    for path in pages:
        answer = firm.service.http.get(path)
        assert answer.status_code == 200, path
        text = answer.text.replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text
        assert "https://" not in text
        assert "innerHTML" not in text


def test_a_new_book_is_an_event(own_service):
    import asyncio

    async def first_two():
        inner = next(r for r in own_service.app.routes if getattr(r, "path", "") == "/v1/events")
        answer = await inner.endpoint()
        stream = answer.body_iterator
        seen = [await anext(stream)]
        own_service.publish(small_book(nav=5e6))
        seen.append(await anext(stream))
        await stream.aclose()
        return seen

    first, second = asyncio.run(first_two())
    assert small_book().version in first.decode()
    assert small_book(nav=5e6).version in second.decode()


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
GOOD = {
    "/v1/optimise": {"alpha": {"AAA": 0.01, "CCC": -0.01}, "risk_aversion": 5, "max_weight": 0.5, "max_turnover": 1},
    "/v1/schedule": {"trades": [{"symbol": "AAA", "shares": 100}], "participation": 0.1, "days": 2, "together": True},
}


@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_whatever_is_sent_the_answer_is_one_that_is_documented(service, data):
    """A request of which some parts are anything at all."""
    path = data.draw(st.sampled_from(sorted(GOOD)))
    request = dict(GOOD[path])
    for name in data.draw(st.lists(st.sampled_from(sorted(request)), max_size=2)):
        request[name] = data.draw(ANYTHING)
    content = json.dumps(request if data.draw(st.booleans()) else data.draw(ANYTHING) or request)
    headers = service.signed("what-if") | {"Content-Type": "application/json"}
    answer = service.http.post(path, content=content, headers=headers)
    assert str(answer.status_code) in service.app.openapi()["paths"][path]["post"]["responses"], answer.text
    assert answer.status_code < 500
    assert answer.status_code == 200 or set(answer.json()) == {"type", "title", "status", "detail", "request_id"}
