"""Ann attacks: ways to see or infer what bob holds, or how far the firm is from its limits.

Each attack is tried twice: it finds nothing, and once its wall is taken away it does, so that it tries what it says.
"""

import json
import logging
import re
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from desks import OPS
from small_firm import SECRETS
from sqlalchemy import Engine, event, text

from quantray.errors import InputError
from quantray.execution.orders import Side
from quantray.oms import checks, submission
from quantray.oms.changes import Actor
from quantray.oms.controls import set_limits, set_switch
from quantray.oms.door import RemoteDesk
from quantray.oms.messages import MONEY, NewOrder
from quantray.serving import access, auth, passage
from quantray.serving.app import make_app
from quantray.serving.institution import managers
from quantray.serving.institution.firm import Firm
from quantray.serving.institution.manager_schemas import NewTrade, Orders
from quantray.serving.problems import ProblemError
from quantray.serving.routes import managers as routes


def reveals(answer):
    """Secrets of bob's in an answer, as words: digits within a time of another's are none."""
    return [each for each in SECRETS if re.search(rf"(?<![0-9A-Za-z])(?<![0-9]\.){each}(?![0-9A-Za-z])", answer.text)]


def said(answer):
    """All that an answer says, without the id of its request, which is random."""
    content = answer.json()
    return answer.status_code, {key: value for key, value in content.items() if key != "request_id"}


def alike(firm, method, mine, other, content=None):
    """That a thing of bob's is answered as one that is not there, but for its own name."""
    first, second = (firm.ask("ann", method, path, content) for path in (mine, other))
    assert said(first) == said(second), (first.text, second.text)
    assert first.status_code == 404


# What is taken away


def no_database_wall(monkeypatch):
    """As if every query had forgotten its condition, and nothing stood behind it."""
    monkeypatch.setattr(Firm, "seen_by", lambda self, pm: self.seen())


def no_gate_wall(monkeypatch):
    """As if the gate did not know whose desk it is."""
    door = Firm.desk
    monkeypatch.setattr(Firm, "desk", lambda self, who: door(self, replace(who, pm=None)))


def neither_wall(monkeypatch):
    no_database_wall(monkeypatch)
    no_gate_wall(monkeypatch)


def a_manager_by_request(monkeypatch):
    """As if a request could say whose it is."""

    def manager_of(request):
        return request.query_params.get("pm") or request.headers.get("x-pm") or "ann"

    monkeypatch.setattr(routes, "manager_of", manager_of)


def no_scopes(monkeypatch):
    monkeypatch.setattr(access.Access, "admit", lambda self, request, scope: named(self, request))


def named(self, request):
    request.scope["quantray_principal"] = who = self._who(request)
    return who


def keys_for_good(monkeypatch):
    monkeypatch.setattr(auth._Key, "is_valid", lambda self, now: True)


def any_secret(monkeypatch):
    monkeypatch.setattr(auth.hmac, "compare_digest", lambda one, other: True)


def two_hats(monkeypatch):
    monkeypatch.setattr(auth, "_require_one_hat", lambda pm, scopes: None)
    monkeypatch.setattr(auth, "_require_one_person", lambda keys, name, pm, now: None)


def told_codes(monkeypatch):
    monkeypatch.setattr(submission, "FIRM_CODES", frozenset())
    monkeypatch.setattr(managers, "FIRM_CODES", frozenset())


def first_limit_ends(monkeypatch):
    """As if the first check that fails were the last one."""

    def first(ledger, proposal):
        return next((code for code, fails, _ in checks.CHECKS if fails(ledger, proposal)), "")

    monkeypatch.setattr(submission, "first_failure", first)


def ids_of_the_firm(monkeypatch):
    monkeypatch.setattr(submission, "is_id", lambda name, account: True)


def check_of_all(code, fails):
    """A check that looks at everybody's state."""

    def removed(monkeypatch):
        table = tuple((c, fails if c == code else f, t) for c, f, t in checks.CHECKS)
        monkeypatch.setattr(checks, "CHECKS", table)

    return removed


def pasted_sql(monkeypatch):
    """As if texts became SQL, before no wall."""

    def orders(connection, wanted, offset, limit):
        where = " AND ".join(f"{name} = '{value}'" for name, value in wanted.items()) or "1"
        rows = connection.execute(text(f"SELECT * FROM child_orders WHERE {where}")).all()
        return Orders(total=len(rows), offset=0, orders=tuple(managers.OrderRow(**managers._order(it)) for it in rows))

    no_database_wall(monkeypatch)
    monkeypatch.setattr(managers, "orders", orders)


def more_than_is_asked(monkeypatch):
    monkeypatch.setitem(NewTrade.model_config, "extra", "ignore")
    NewTrade.model_rebuild(force=True)


def paths_in_the_log(monkeypatch):
    note = passage.Passage._note

    def loud(self, scope, *more):
        passage.audit_log.info(json.dumps({"path": scope["path"]}))
        note(self, scope, *more)

    monkeypatch.setattr(passage.Passage, "_note", loud)


def names_in_metrics(monkeypatch):
    monkeypatch.setattr(
        passage.Passage,
        "_note",
        lambda self, scope, *more: self._requests.labels(scope["path"], "200").inc(),
    )


# Attacks


def ids_of_orders_guessed(firm):
    alike(firm, "GET", "/v1/manager/orders/B1/1", "/v1/manager/orders/B1/9")


def ids_of_blocks_guessed(firm):
    alike(firm, "GET", "/v1/manager/blocks/bob.block/1", "/v1/manager/blocks/bob.block/9")


def an_order_of_bob_s_canceled(firm):
    alike(firm, "DELETE", "/v1/manager/orders/B1/2", "/v1/manager/orders/B1/9")
    assert firm.get("/v1/manager/orders/B1/2", "bob").json()["state"] == "RESERVED"


def an_order_for_bob_s_account(firm):
    order = firm.order()
    alike_of = [firm.ask("ann", "POST", "/v1/manager/orders", order | {"account": each}) for each in ("B1", "Z9")]
    assert said(alike_of[0]) == said(alike_of[1])
    assert alike_of[0].status_code == 404


def a_block_with_bob_s_account(firm):
    block = {"id": "g1", "symbol": "AAA", "side": "buy"}
    answers = [firm.ask("ann", "POST", "/v1/manager/blocks", block | {"demands": {each: 5}}) for each in ("B1", "Z9")]
    assert said(answers[0]) == said(answers[1])
    assert answers[0].status_code == 404


def an_id_that_bob_used(firm):
    """At the gate itself, since the service puts the account before every id."""
    actor = Actor("ann", "ann")
    with closing(RemoteDesk(Path(firm.service.settings.orders.door), actor=actor)) as desk:
        more = {"account": "A1", "symbol": "AAA", "side": Side.BUY, "limit": 50 * MONEY, "quantity": 1}
        used, free = desk.submit([NewOrder(id=each, **more) for each in ("B1/1", "B1/9")])
    assert (used.accepted, used.code, used.text) == (free.accepted, free.code, free.text)


def bob_in_the_query(firm):
    for part in ("orders", "positions", "gains", "limits", "blocks"):
        asked, plain = (firm.get(f"/v1/manager/{part}{more}") for more in ("?pm=bob&account_pm=bob", ""))
        assert asked.json() == plain.json()


def bob_in_a_header(firm):
    asked = firm.get("/v1/manager/positions", **{"X-PM": "bob", "X-Forwarded-User": "bob"})
    assert asked.json() == firm.get("/v1/manager/positions").json()


def bob_in_the_body(firm):
    app = make_app(firm.service.settings)
    http = type(firm.service.http)(app, raise_server_exceptions=False)
    order = firm.order() | {"pm": "bob", "actor": "bob"}
    with http:
        answer = http.post("/v1/manager/orders", json=order, headers=firm.service.signed("ann"))
    assert answer.status_code == 422


def filters(firm):
    for query in ("account=B1", "symbol=CCC", "account=bob.block", "state=FILLED&symbol=CCC"):
        found = firm.get(f"/v1/manager/orders?{query}").json()
        assert (found["total"], found["orders"]) == (0, [])


def sorting_and_pages(firm):
    """No order of rows, no offset and no total has a place for what is not hers."""
    mine = firm.get("/v1/manager/orders").json()["total"]
    for query in ("sort=pm", "order_by=pm,desc", "offset=0&limit=1", "limit=1000", f"offset={mine}"):
        answer = firm.get(f"/v1/manager/orders?{query}")
        assert answer.json()["total"] == mine
        assert not reveals(answer)


def all_that_she_may_read(firm):
    for part in ("orders", "positions", "gains", "limits", "blocks"):
        answer = firm.get(f"/v1/manager/{part}?limit=1000")
        assert answer.status_code == 200
        assert not reveals(answer), part


def limits_of_the_firm_and_of_bob(firm):
    scopes = {(it["scope"], it["key"]) for it in firm.get("/v1/manager/limits").json()["limits"]}
    assert scopes == {("pm", "ann"), ("account", "A1:BBB")}


def exports(firm):
    for path in ("/v1/portfolio", "/v1/schedule?table=children", "/v1/history", "/v1/attribution/2024-03-28"):
        for form in ("application/json", "application/vnd.apache.arrow.stream", "text/csv"):
            assert firm.get(path, Accept=form).status_code == 403


def routes_of_others(firm):
    for path in ("positions", "exposures?by=pm", "limits", "changes", "switches", "alerts"):
        assert firm.get(f"/v1/firm/{path}").status_code == 403
    for path in ("breaks", "alerts", "blocks", "blocks/bob.block/1", "compliance/2026-03-02"):
        assert firm.get(f"/v1/operations/{path}").status_code == 403


def metrics(firm):
    firm.get("/v1/manager/orders/B1/1", "bob")
    assert firm.get("/metrics").status_code == 403
    assert not reveals(firm.get("/metrics", "read"))


def logs(firm):
    """What the service notes of bob's requests, should anybody read it, has neither his orders nor his names."""
    seen = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(record.getMessage())
    passage.audit_log.addHandler(handler)
    level = passage.audit_log.level
    passage.audit_log.setLevel("INFO")
    try:
        firm.get("/v1/manager/orders/B1/1", "bob")
        firm.get("/v1/manager/orders?account=B1&symbol=CCC", "bob")
    finally:
        passage.audit_log.removeHandler(handler)
        passage.audit_log.setLevel(level)
    assert seen
    assert not [line for line in seen for secret in ("B1", "CCC", "7331") if secret in line]


def her_own_limit_raised(firm):
    content = {"id": "up", "scope": "pm", "key": "ann", "name": "capital", "value": 10**9, "reason": "more"}
    assert firm.ask("ann", "POST", "/v1/firm/changes", content).status_code == 403


def sql_in_every_text(firm):
    hostile = [
        "x' OR '1'='1",
        "x' UNION SELECT * FROM child_orders --",
        "'; DROP TABLE positions; --",
        "%",
        "B_",
        '" OR 1=1',
    ]
    for bad in hostile:
        for name in ("account", "symbol", "state"):
            found = firm.ask("ann", "GET", f"/v1/manager/orders?{name}={bad.replace('%', '%25')}")
            assert found.json()["total"] == 0, bad
        assert firm.get(f"/v1/manager/orders/{bad.replace('%', '%25')}").status_code == 404
        assert firm.get(f"/v1/manager/blocks/{bad.replace('%', '%25')}").status_code == 404
        for name in ("id", "account", "symbol", "side", "venue", "tif"):
            answer = firm.ask("ann", "POST", "/v1/manager/orders", firm.order() | {name: bad})
            assert answer.status_code in (404, 422) or not answer.json()["accepted"] or name in ("id", "venue")
            assert not reveals(answer)
    assert firm.get("/v1/manager/orders", "bob").json()["total"] == 3


def tokens_that_ended(firm):
    ring = firm.service.ring
    old = ring.create("bob", ["trade"], pm="bob")
    ring.revoke(old.principal.id)
    assert firm.get("/v1/manager/positions", old.text).status_code == 401
    new = ring.create("bob", ["trade"], pm="bob", days=1)
    real, later = auth._now, datetime.now(UTC) + timedelta(days=1, seconds=1)
    auth._now = lambda: later
    try:
        assert firm.get("/v1/manager/positions", new.text).status_code == 401
    finally:
        auth._now = real
        ring.revoke(new.principal.id)


def bob_s_id_with_her_secret(firm):
    bob, ann = (firm.service.keys[name] for name in ("bob", "ann"))
    mixed = f"{bob.partition('.')[0]}.{ann.partition('.')[2]}"
    assert firm.get("/v1/manager/positions", mixed).status_code == 401


def a_key_with_two_hats(firm):
    for name, scopes, pm in (("ann", ["risk"], None), ("eve", ["trade", "risk"], "ann"), ("eve", ["trade"], None)):
        with pytest.raises(InputError, match=r"has the key|has the scope trade and no other"):
            firm.service.ring.create(name, scopes, pm=pm)


def restrictions_of_bob_s(firm):
    """BBB is on the list of B1, which nobody else is to feel; and the list itself is not told."""
    answer = firm.ask("ann", "POST", "/v1/manager/orders", firm.order(symbol="BBB", quantity=1))
    assert answer.json()["code"] == ""


def halts_of_bob_s(firm):
    firm.gate.do(lambda books: set_switch(books, OPS, "pm", "bob", on=True))
    try:
        answer = firm.ask("ann", "POST", "/v1/manager/orders", firm.order())
    finally:
        firm.gate.do(lambda books: set_switch(books, OPS, "pm", "bob", on=False))
    assert answer.json()["code"] == ""


def refused_by(firm, name):
    """What ann hears of an order that a limit of the firm refuses, and sees of it later; and what was looked at."""
    counted, limit = [], ("firm", "", name)
    before = firm.gate.do(lambda books: books.ledger.limits[limit])
    table = checks.CHECKS

    def counting(code, fails):
        return lambda ledger, it: counted.append(code) or fails(ledger, it)

    firm.gate.do(lambda books: set_limits(books, OPS, {limit: 1}))
    checks.CHECKS = tuple((code, counting(code, fails), told) for code, fails, told in table)
    try:
        answer = firm.ask("ann", "POST", "/v1/manager/orders", firm.order())
    finally:
        checks.CHECKS = table
        firm.gate.do(lambda books: set_limits(books, OPS, {limit: before}))
    reply = answer.json()
    kept = firm.get(f"/v1/manager/orders/{reply['order']}").json()
    reply.pop("order")
    kept.pop("id")
    return (answer.status_code, reply, kept), tuple(counted)


def which_limit_of_the_firm_it_was(firm):
    """By bisection she learns whether an order of some size passes, as she must; not by which limit nor how far."""
    told = [refused_by(firm, name)[0] for name in ("gross", "net", "single_name")]
    assert told[0] == told[1] == told[2]
    assert told[0][1] == {"accepted": False, "code": "firm", "text": "a limit of the firm"}


def how_long_a_refusal_takes(firm):
    """Counted in checks, not in seconds: whichever limit refuses, the same is looked at."""
    looked = {refused_by(firm, name)[1] for name in ("gross", "net", "single_name")}
    assert len(looked) == 1
    assert {"gross", "net", "single_name"} <= set(*looked)


def how_long_a_lookup_takes(firm):
    """Counted in statements: another's order costs what none costs."""
    counts = []
    for name in ("B1/1", "B1/9"):
        statements = []
        listener = lambda *given, into=statements: into.append(given[2])  # noqa: E731
        event.listen(Engine, "before_cursor_execute", listener)
        answer = firm.get(f"/v1/manager/orders/{name}")
        event.remove(Engine, "before_cursor_execute", listener)
        counts.append((len(statements), answer.status_code))
    assert counts[0] == counts[1]


def halted_by_any(ledger, it):
    return bool(ledger.switches)


def restricted_by_any(ledger, it):
    return any(symbol == it.order.symbol for _, symbol in ledger.restrictions)


ATTACKS = [
    (ids_of_orders_guessed, no_database_wall),
    (ids_of_blocks_guessed, no_database_wall),
    (an_order_of_bob_s_canceled, neither_wall),
    (an_order_for_bob_s_account, no_gate_wall),
    (a_block_with_bob_s_account, no_gate_wall),
    (an_id_that_bob_used, ids_of_the_firm),
    (bob_in_the_query, a_manager_by_request),
    (bob_in_a_header, a_manager_by_request),
    (bob_in_the_body, more_than_is_asked),
    (filters, no_database_wall),
    (sorting_and_pages, no_database_wall),
    (all_that_she_may_read, no_database_wall),
    (limits_of_the_firm_and_of_bob, no_database_wall),
    (exports, no_scopes),
    (routes_of_others, no_scopes),
    (metrics, names_in_metrics),
    (logs, paths_in_the_log),
    (her_own_limit_raised, no_scopes),
    (sql_in_every_text, pasted_sql),
    (tokens_that_ended, keys_for_good),
    (bob_s_id_with_her_secret, any_secret),
    (a_key_with_two_hats, two_hats),
    (restrictions_of_bob_s, check_of_all("restricted", restricted_by_any)),
    (halts_of_bob_s, check_of_all("halted", halted_by_any)),
    (which_limit_of_the_firm_it_was, told_codes),
    (how_long_a_refusal_takes, first_limit_ends),
    (how_long_a_lookup_takes, no_database_wall),
]
NAMES = [attack.__name__ for attack, _ in ATTACKS]


@pytest.mark.parametrize("attack", [attack for attack, _ in ATTACKS], ids=NAMES)
def test_an_attack_finds_nothing(firm, attack):
    attack(firm)


@pytest.mark.parametrize(("attack", "removed"), ATTACKS, ids=NAMES)
def test_without_its_wall_it_would(own_firm, monkeypatch, attack, removed):
    removed(monkeypatch)
    try:
        with pytest.raises((AssertionError, ProblemError, pytest.fail.Exception)):
            attack(own_firm)
    finally:
        monkeypatch.undo()
        NewTrade.model_rebuild(force=True)
