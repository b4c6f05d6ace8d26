"""The way to the order management: for whom it asks, and what is said when there is none."""

import json
from types import MappingProxyType
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantray.serving.institution.firm import Firm, manager_of, principal_of
from quantray.serving.problems import ProblemError
from quantray.serving.settings import OrdersSettings


class Asked:
    scope = MappingProxyType({})


def test_whoever_came_in_without_a_key_is_nobody():
    for who in (principal_of, manager_of):
        with pytest.raises(ProblemError, match="send a valid key"):
            who(Asked)


def test_a_database_that_is_not_there_is_a_problem_without_its_place(own_firm, tmp_path):
    there = Firm(own_firm.service.settings.orders)
    with there.seen_by("ann") as connection:
        assert connection is not None
    away = own_firm.service.settings.orders.model_copy(update={"database": f"sqlite:///{tmp_path / 'none.db'}"})
    with pytest.raises(Exception, match="there is no database"), Firm(OrdersSettings(**away.model_dump())).seen():
        pass


def test_routes_are_there_where_orders_are(firm, service):
    assert "/v1/manager/orders" in firm.service.app.openapi()["paths"]
    assert not [path for path in service.app.openapi()["paths"] if path.startswith(("/v1/manager", "/v1/firm"))]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
KEYS = {"trade": "ann", "risk": "rita", "operations": "olga"}
GOOD = {
    "/v1/manager/orders": {"id": "a", "account": "A1", "symbol": "AAA", "side": "buy", "quantity": 0, "limit": 50},
    "/v1/manager/blocks": {"id": "b", "symbol": "AAA", "side": "buy", "demands": {"A1": 0}, "limit": 50},
    "/v1/firm/changes": {"id": "c", "scope": "pm", "key": "eve", "name": "capital", "value": 10, "reason": "r"},
    "/v1/firm/changes/{change}": {"approve": True},
    "/v1/firm/switches": {"scope": "symbol", "key": "ZZZ", "on": True},
    "/v1/operations/overrides": {"rule": "none", "account": "A1", "reason": "r", "expires": "2099-01-01"},
    "/v1/operations/settlements": {"order": "A1/9", "filled": 0, "reason": "r"},
    "/v1/operations/allocations/{block}": {"onto": None},
}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_whatever_is_sent_the_answer_is_one_that_is_documented(firm, data):
    """A path, a query and a body of which some parts are anything at all."""
    paths = firm.service.app.openapi()["paths"]
    routes = [(p, m, told) for p, ms in paths.items() for m, told in ms.items() if told.get("x-scope") in KEYS]
    path, method, told = data.draw(st.sampled_from(routes))
    place, query = path, {}
    for it in told.get("parameters", []):
        value = data.draw(st.sampled_from(["A1/1", "2026-03-02", "1", "pm"]) | st.text(max_size=70))
        if it["in"] == "path":
            place = place.replace("{" + it["name"] + "}", quote(value, safe=""))
        elif data.draw(st.booleans()):
            query[it["name"]] = value
    body = dict(GOOD.get(path, {})) if method in ("post", "put") else None
    for name in data.draw(st.lists(st.sampled_from(sorted(body)), max_size=2)) if body else ():
        body[name] = data.draw(ANYTHING)
    headers = firm.service.signed(KEYS[told["x-scope"]]) | {"Content-Type": "application/json"}
    content = None if body is None else json.dumps(body)
    answer = firm.service.http.request(method, place, params=query, content=content, headers=headers)
    assert str(answer.status_code) in told["responses"] or answer.status_code in (404, 405), answer.text
    assert answer.status_code < 500
