"""Limits that two people change: what the gate refuses, what it keeps, and what the reader of the log finds."""

import json

import pytest
from desks import Clock, set_up
from order_books import ANN, small_books
from sqlalchemy import select, text

from quantray.errors import InputError
from quantray.oms import schema
from quantray.oms.approvals import decide_change, propose_change
from quantray.oms.changes import Actor
from quantray.oms.controls import set_limits
from quantray.oms.database import connect
from quantray.oms.gate import Gate
from quantray.oms.reading import moment
from quantray.oms.replay import replay_database

RITA, OMAR = Actor("rita"), Actor("omar")
CAPITAL = ("pm", "ann", "capital")


def proposed(books, name="C1", limit=CAPITAL, value=5, actor=RITA, reason="less risk", **more):
    return propose_change(books, actor, name, limit, value, reason=reason, **more)


def test_a_limit_changes_when_a_second_person_approves():
    books = small_books()
    before = books.ledger.limits[CAPITAL]
    change = proposed(books)
    assert (books.ledger.limits[CAPITAL], change.before, change.state) == (before, before, "waiting")
    assert proposed(books) == change
    assert decide_change(books, OMAR, "C1", approve=True).state == "approved"
    assert books.ledger.limits[CAPITAL] == 5
    seq = books.changes.chain.seq
    assert decide_change(books, OMAR, "C1", approve=True).decider == "omar"
    assert books.changes.chain.seq == seq


def test_what_was_declined_changes_nothing():
    books = small_books()
    before = dict(books.ledger.limits)
    proposed(books)
    assert decide_change(books, RITA, "C1", approve=False).state == "declined"
    assert books.ledger.limits == before
    with pytest.raises(InputError, match="was declined by 'rita' already"):
        decide_change(books, OMAR, "C1", approve=True)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"actor": ANN}, "portfolio managers neither propose nor decide"),
        ({"actor": Actor("ann")}, "'ann' is the portfolio manager concerned"),
        ({"limit": ("pm", "eve", "capital")}, "there is no portfolio manager 'eve'"),
        ({"limit": ("account", "A9:AAA", "locate")}, "there is no account 'A9'"),
        ({"limit": ("firm", "", "wine")}, "limit firm wine is none of"),
        ({"value": -1}, "limit pm capital is -1"),
        ({"reason": ""}, "needs an id, a reason of a line, and 1 to 168 hours"),
        ({"hours": 169}, "1 to 168 hours"),
        ({"name": ""}, "needs an id"),
    ],
)
def test_what_cannot_be_proposed_is_a_line_and_changes_nothing(given, said):
    books = small_books()
    before = books.changes.chain.seq
    with pytest.raises(InputError, match=said):
        proposed(books, **given)
    assert (books.changes.chain.seq, books.approvals) == (before, {})


def test_who_may_not_decide_and_what_is_too_late():
    books = small_books()
    proposed(books)
    proposed(books, "C2", value=6)
    proposed(books, "C3", ("account", "A1:AAA", "locate"), 9, hours=1)
    with pytest.raises(InputError, match="change 'C1' is another one"):
        proposed(books, value=7)
    for actor, name, said in (
        (ANN, "C1", "portfolio managers neither"),
        (Actor("ann"), "C3", "the portfolio manager concerned"),
        (RITA, "C1", "a second person must approve"),
        (OMAR, "C9", "there is no change 'C9'"),
    ):
        with pytest.raises(InputError, match=said):
            decide_change(books, actor, name, approve=True)
    decide_change(books, OMAR, "C1", approve=True)
    with pytest.raises(InputError, match="is another now; propose anew"):
        decide_change(books, OMAR, "C2", approve=True)
    books.clock.forward(hours=1)
    with pytest.raises(InputError, match="expired at"):
        decide_change(books, OMAR, "C3", approve=True)


def test_changes_survive_a_restart_and_their_log_is_read_again(url):
    with Gate(url, clock=Clock()) as gate:
        gate.do(set_up)
        gate.do(lambda books: (proposed(books), proposed(books, "C2", value=6)))
        gate.do(lambda books: decide_change(books, OMAR, "C1", approve=True))
    with Gate(url, clock=Clock()) as gate:
        assert gate.do(lambda books: {name: it.state for name, it in books.approvals.items()}) == {
            "C1": "approved",
            "C2": "waiting",
        }
        gate.do(lambda books: decide_change(books, OMAR, "C2", approve=False))
    assert replay_database(url).findings == ()
    with moment(url) as connection:
        kinds = [json.loads(line)[4] for line in connection.execute(select(schema.audit.c.line)).scalars()]
    assert kinds.count("proposal") == kinds.count("decision") == 2


@pytest.mark.parametrize(
    ("forged", "said"),
    [
        (lambda b: decided_by(b, RITA), "approved by rita, who proposed it"),
        (lambda b: decided_by(b, ANN), "ann decides on C1, a limit of ann"),
        (lambda b: decided_by(b, OMAR, limit=False), "its limit is not what was approved"),
        (lambda b: decided_by(b, OMAR, hours=25), "after it expired"),
    ],
)
def test_the_reader_finds_what_two_people_did_not_do(tmp_path, forged, said):
    """Rows as a gate would write them that did not check."""
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    with Gate(url, clock=Clock()) as gate:
        gate.do(set_up)
        gate.do(proposed)
        gate.do(forged)
    assert any(said in finding.text for finding in replay_database(url).findings)


def decided_by(books, actor, *, limit=True, hours=0):
    books.clock.forward(hours=hours)
    if limit:
        set_limits(books, actor, {CAPITAL: 5})
    row = {**{name: getattr(books.approvals["C1"], name) for name in books.approvals["C1"].__slots__}}
    row |= {"state": "approved", "decider": actor.name}
    books.changes.rows.put(schema.approvals, row)
    books.changes.log(books.now(), actor, "decision", row.pop("id"), row)


def test_the_reader_finds_a_change_that_the_table_has_otherwise(tmp_path):
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    with Gate(url, clock=Clock()) as gate:
        gate.do(set_up)
        gate.do(proposed)
    engine = connect(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE approvals SET value = 6"))
    engine.dispose()
    assert any("C1 has value 6, and by the log value 5" in it.text for it in replay_database(url).findings)
