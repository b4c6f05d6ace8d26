"""Sent once, or asked about: whatever way fails, and wherever."""

import threading
from datetime import timedelta

import pytest
from desks import ANN, OPS, Clock, Market, Way, buy, gate_at, listening, renamed

from quantray.oms.controls import set_session
from quantray.oms.database import StoreError
from quantray.oms.gateways.protocol import NotSentError, UnsureError
from quantray.oms.handing import handed
from quantray.oms.outbox import Outbox
from quantray.oms.reconcile import ask
from quantray.oms.states import ENDED, State
from quantray.oms.submission import cancel


@pytest.fixture
def gate(tmp_path):
    with gate_at(tmp_path) as gate:
        yield gate


def state(gate, name):
    return gate.do(lambda books: books.ledger.orders[name].state)


def handed_over(gate, ways, orders, done):
    """Submit orders and hand them over, until all that is to be has been."""
    outbox = Outbox(gate, ways, patience=0.01)
    try:
        gate.submit(orders, ANN)
        for _ in range(1_000):
            if done():
                return
            threading.Event().wait(0.005)
        raise AssertionError({order.id: state(gate, order.id) for order in orders})
    finally:
        outbox.close()


def test_an_order_is_noted_as_sent_before_it_leaves(gate):
    market, seen = Market(), []
    way = listening(gate, Way(market))
    way.fault = lambda order: seen.append(state(gate, order.id)) or ""
    handed_over(gate, {"rest": way}, [buy("A1/a")], lambda: market.executed)
    way.deliver()
    assert seen == [State.SENT]
    assert state(gate, "A1/a") is State.FILLED
    assert market.executed == ["A1/a"]


def test_what_surely_never_left_goes_another_way(gate):
    market = Market()
    fix = Way(market, "fix")
    rest = listening(gate, Way(market))

    def down(order):
        fix.up = False
        return "refused"

    fix.fault = down
    handed_over(gate, {"fix": fix, "rest": rest}, [buy("A1/a")], lambda: market.executed)
    rest.deliver()
    assert state(gate, "A1/a") is State.FILLED
    assert gate.do(lambda books: books.ledger.orders["A1/a"].route) == "rest"
    assert market.executed == ["A1/a"]


@pytest.mark.parametrize("lost", ["before", "after"])
def test_what_may_have_left_is_asked_about_and_executed_once_at_most(gate, lost):
    market = Market()
    fix, rest = Way(market, "fix", fault=lambda order: lost), listening(gate, Way(market))
    ways = {"fix": fix, "rest": rest}
    handed_over(gate, ways, [buy("A1/a")], lambda: state(gate, "A1/a") is State.UNKNOWN)
    reserved = gate.do(lambda books: books.ledger.accounts["A1"].reserved)
    assert reserved > 0, "what nobody knows of keeps what it set aside"
    ask(gate, ways, ["A1/a"])
    assert state(gate, "A1/a") is (State.FILLED if lost == "after" else State.CANCELED)
    assert market.executed == (["A1/a"] if lost == "after" else [])
    assert gate.do(lambda books: books.ledger.accounts["A1"].reserved) == 0
    # What was only late is refused when it comes.
    market.take(buy("A1/a"))
    assert market.executed == (["A1/a"] if lost == "after" else [])


def test_falling_back_by_sending_again_executes_twice():
    """What the outbox does not do: on the same script, a second way after an unsure first."""
    market = Market()
    fix, rest = Way(market, "fix", fault=lambda order: "after"), Way(market)
    order = buy("A1/a")
    try:
        fix.send(order)
    except (UnsureError, NotSentError):
        rest.send(renamed(order, "a-again"))
    assert market.executed == ["A1/a", "a-again"]


def test_a_cancellation_never_overtakes_its_order(gate):
    market = Market(fill=lambda order: 0)
    way = listening(gate, Way(market))
    orders = [buy(f"A1/o{k}", 1) for k in range(40)]
    handed_over(gate, {"rest": way}, orders, lambda: len(market.orders) == len(orders))
    way.deliver()

    def cancel_all(books):
        for order in orders:
            cancel(books, order.id, ANN)

    gate.do(cancel_all)
    handed_over(gate, {"rest": way}, [], lambda: all(it[1] is State.CANCELED for it in market.orders.values()))
    way.deliver()
    assert {state(gate, order.id) for order in orders} == {State.CANCELED}
    assert gate.do(lambda books: (books.ledger.accounts["A1"].reserved, len(books.ledger.live))) == (0, 0)


def test_what_was_canceled_before_it_was_sent_never_leaves(gate):
    market = Market()
    gate.submit([buy("A1/a")], ANN)
    assert gate.do(lambda books: cancel(books, "A1/a", ANN))
    outbox = Outbox(gate, {"rest": listening(gate, Way(market))})
    outbox.close()
    assert market.orders == {}
    assert state(gate, "A1/a") in ENDED


def test_a_way_that_takes_nothing_rests_before_it_is_tried_again(gate):
    market, now, tries = Market(), [0.0], []
    way = listening(gate, Way(market))
    way.fault = lambda order: tries.append(order.id) or "refused"
    looked = threading.Semaphore(0)
    way.ready = lambda: looked.release() or True
    gate.submit([buy("A1/a")], ANN)
    outbox = Outbox(gate, {"rest": way}, patience=0.01, clock=lambda: now[0])
    try:
        for expected, pause in ((1, 0.01), (2, 0.02), (3, 0.04)):
            assert looked.acquire(timeout=60)
            while len(tries) < expected:
                threading.Event().wait(0.001)
            # It is not asked whether it is ready before its rest is over.
            assert not looked.acquire(timeout=0.05)
            assert len(tries) == expected
            now[0] += pause
    finally:
        outbox.close()
    assert state(gate, "A1/a") is State.RESERVED
    assert market.orders == {}


def test_a_database_that_refuses_for_a_moment_is_no_end(gate):
    market, refusals = Market(), [3]
    way = listening(gate, Way(market))
    done = gate.do

    def refusing(command):
        if threading.current_thread().name == "outbox" and refusals[0]:
            refusals[0] -= 1
            raise StoreError("the disk is full.")
        return done(command)

    gate.do = refusing
    handed_over(gate, {"rest": way}, [buy("A1/a")], lambda: market.executed)
    assert refusals == [0]


def test_what_waits_for_a_way_that_is_down_keeps_nothing_from_another(gate):
    market = Market(fill=lambda order: 0)
    fix, rest = Way(market, "fix"), listening(gate, Way(market))
    many = [buy(f"A1/f{k}", 1) for k in range(300)]
    gate.submit(many, ANN)
    for out in gate.do(lambda books: handed(books, list(books.outgoing), "fix")):
        fix.send(out.order)
    rest.deliver()
    gate.do(lambda books: [cancel(books, order.id, ANN) for order in many])
    fix.up = False
    handed_over(gate, {"fix": fix, "rest": rest}, [buy("A1/a")], lambda: "A1/a" in market.orders)


def test_an_order_is_for_its_session(tmp_path):
    clock, market = Clock(), Market()
    with gate_at(tmp_path, clock) as gate:
        gate.submit([buy("A1/late"), buy("A1/yesterday")], ANN)
        clock.forward(hours=5)
        numbers = gate.do(lambda books: [seq for seq, out in books.outgoing.items() if out.order.id == "A1/late"])
        assert gate.do(lambda books: handed(books, numbers, "rest")) == []
        clock.forward(hours=16)
        gate.do(lambda books: set_session(books, OPS, clock.now, clock.now + timedelta(hours=6)))
        handed_over(gate, {"rest": listening(gate, Way(market))}, [buy("A1/today")], lambda: market.executed)
        assert [state(gate, name) for name in ("A1/late", "A1/yesterday")] == [State.EXPIRED] * 2
        assert market.executed == ["A1/today"]
