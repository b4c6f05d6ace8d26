"""What the venue knows settles what is believed here; what differs is told, and nothing is repaired in silence."""

import pytest
from desks import MONEY, OPS, Market, Way, buy, gate_at, listening

from quantray.execution.orders import Side
from quantray.oms.block_records import Block
from quantray.oms.desk import LocalDesk
from quantray.oms.gateways.protocol import UnsureError
from quantray.oms.handing import handed, unsure
from quantray.oms.messages import ReportKind
from quantray.oms.reconcile import Break, Reconciler, ask, breaks, lost
from quantray.oms.states import State
from quantray.oms.submission import cancel


@pytest.fixture
def told():
    return []


@pytest.fixture
def gate(tmp_path, told):
    with gate_at(tmp_path, told=told.extend) as gate:
        yield gate


def placed(gate, way, *orders):
    """Submitted, noted as sent, and taken by the door."""
    gate.submit(orders, OPS)
    sent = gate.do(lambda books: handed(books, list(books.outgoing), way.route))
    for out in sent:
        try:
            way.send(out.order)
        except UnsureError:
            continue


def state(gate, name):
    return gate.do(lambda books: books.ledger.orders[name].state)


def test_after_a_start_what_was_handed_over_is_asked_about(tmp_path):
    market = Market(fill=lambda order: 40 if order.id == "A1/part" else 0)
    with gate_at(tmp_path) as gate:
        way = Way(market, fault=lambda order: "before" if order.id == "A1/never" else "after")
        placed(gate, way, buy("A1/never"), buy("A1/open"), buy("A1/part"))
    with gate_at(tmp_path) as gate:
        assert {state(gate, name) for name in ("A1/never", "A1/open", "A1/part")} == {State.SENT}
        assert lost(gate) == 3
        assert ask(gate, {"rest": way}, ["A1/never", "A1/open", "A1/part"]) == 0
        found = [state(gate, name) for name in ("A1/never", "A1/open", "A1/part")]
        assert found == [State.CANCELED, State.ACKED, State.PARTIAL]
        shares = gate.do(lambda books: books.ledger.lines["A1", "AAA"].shares)
        assert shares == 1_040
        assert breaks(gate, way) == []


def test_what_blocks_move_between_accounts_is_no_break(gate):
    market = Market(fill=lambda order: 60)
    market.cash |= {"ann.block": 0, "ann.residual": 0}
    way = listening(gate, Way(market))
    desk = LocalDesk(gate, OPS)
    for name, side in (("ann.block/K1", Side.BUY), ("ann.block/K2", Side.SELL)):
        desk.place_block(Block(id=name, symbol="AAA", side=side, demands={"A1": 100}, limit=50 * MONEY))
        assert breaks(gate, way) == []
        placed(gate, way, buy(f"{name}-0", account="ann.block", side=side, parent=name))
        way.deliver()
        assert breaks(gate, way) == []
        gate.do(lambda books, n=name: cancel(books, f"{n}-0", OPS))
        placed(gate, way)
        market.cancel(f"{name}-0")
        way.deliver()
        desk.allocate_block(name)
        assert breaks(gate, way) == []
    market.shares["ann.block", "AAA"] += 5
    assert breaks(gate, way) == [Break("ann.block", "AAA", 0, 5)]


def test_what_waits_to_be_sent_is_not_lost(gate):
    gate.submit([buy("A1/a")], OPS)
    assert lost(gate) == 0
    assert state(gate, "A1/a") is State.RESERVED


def test_a_venue_that_is_silent_settles_nothing(gate):
    way = Way(Market(), up=False, fault=lambda order: "after")
    placed(gate, way, buy("A1/a"))
    lost(gate)
    assert ask(gate, {"rest": way}, ["A1/a"]) == 1
    assert state(gate, "A1/a") is State.UNKNOWN


def test_an_end_that_overtakes_its_fills_waits_for_them(gate):
    market = Market(fill=lambda order: 0)
    way = listening(gate, Way(market))
    placed(gate, way, buy("A1/a"))
    market.trade("A1/a", 60)
    market.cancel("A1/a")
    way.deliver(lambda reports: [r for r in reports if r.kind != ReportKind.FILL])
    assert state(gate, "A1/a") is State.UNKNOWN
    assert gate.do(lambda books: books.ledger.accounts["A1"].reserved) > 0
    ask(gate, {"rest": way}, ["A1/a"])
    assert state(gate, "A1/a") is State.CANCELED
    assert gate.do(lambda books: books.ledger.lines["A1", "AAA"].shares) == 1_060
    assert breaks(gate, way) == []


def test_reports_twice_and_in_any_order_are_booked_once(gate):
    market = Market(fill=lambda order: 0)
    way = listening(gate, Way(market))
    placed(gate, way, buy("A1/a"), buy("A1/b"))
    for quantity in (10, 20, 70):
        market.trade("A1/a", quantity)
        market.trade("A1/b", quantity // 2)
    way.deliver(lambda reports: [*reversed(reports), *reports])
    assert [state(gate, f"A1/{name}") for name in "ab"] == [State.FILLED, State.PARTIAL]
    assert breaks(gate, way) == []


def test_a_difference_that_stays_is_told_with_both_numbers(gate, told):
    market = Market()
    way = listening(gate, Way(market))
    looks = Reconciler(gate, {"rest": way})
    placed(gate, way, buy("A1/a"))
    # Filled, and not reported yet: no break.
    assert looks.compare() == []
    way.deliver()
    market.cash["A1"] -= 7 * MONEY
    assert looks.compare() == []
    assert looks.compare() == [Break("A1", "cash", 995_000 * MONEY, 994_993 * MONEY)]
    assert [(alert.kind, alert.entity) for alert in told] == [("break", "A1")]
    assert f"{995_000 * MONEY:,} here and {994_993 * MONEY:,}" in told[0].text
    assert gate.do(lambda books: books.ledger.accounts["A1"].cash) == 995_000 * MONEY


def test_an_order_that_its_venue_forgot_is_told_and_keeps_its_reservation(gate, told):
    market = Market(fill=lambda order: 0)
    way = listening(gate, Way(market))
    placed(gate, way, buy("A1/a"))
    way.deliver()
    market.orders.clear()
    ask(gate, {"rest": way}, ["A1/a"])
    assert [alert.kind for alert in told] == ["break"]
    assert gate.do(lambda books: books.ledger.accounts["A1"].reserved) > 0


def test_late_answers_are_asked_for_after_patience(gate):
    clock = [0.0]
    market = Market()
    way = Way(market, fault=lambda order: "before")
    looks = Reconciler(gate, {"rest": way}, patience=2.0, clock=lambda: clock[0])
    placed(gate, way, buy("A1/a"))
    looks.look()
    assert state(gate, "A1/a") is State.SENT
    clock[0] = 2.5
    looks.look()
    assert state(gate, "A1/a") is State.UNKNOWN
    looks.look()
    assert state(gate, "A1/a") is State.CANCELED


def test_a_connection_that_came_back_is_asked_about_everything_open(gate):
    market = Market(fill=lambda order: 0)
    way = listening(gate, Way(market))
    looks = Reconciler(gate, {"rest": way})
    placed(gate, way, buy("A1/a"))
    way.deliver()
    way.up = False
    looks.look()
    market.trade("A1/a", 100)
    way.up = True
    looks.look()
    assert state(gate, "A1/a") is State.FILLED


def test_an_end_that_was_asked_for_is_not_forgotten_when_the_request_is_lost(gate):
    market = Market(fill=lambda order: 0)
    way = listening(gate, Way(market))
    placed(gate, way, buy("A1/a"), buy("A1/b"))
    way.deliver()
    # One request is lost on the way; the other order is in doubt when it shall end.
    gate.do(lambda books: cancel(books, "A1/a", OPS))
    gate.do(lambda books: handed(books, list(books.outgoing), "rest"))
    gate.do(lambda books: [unsure(books, f"A1/{name}", "no answer") for name in "ab"])
    gate.do(lambda books: cancel(books, "A1/b", OPS))
    ask(gate, {"rest": way}, ["A1/a", "A1/b"])
    assert [state(gate, f"A1/{name}") for name in "ab"] == [State.CANCEL_PENDING] * 2
    for out in gate.do(lambda books: handed(books, list(books.outgoing), "rest")):
        way.cancel(out.order)
    way.deliver()
    assert [state(gate, f"A1/{name}") for name in "ab"] == [State.CANCELED] * 2


def test_a_venue_that_lags_does_not_end_an_order_that_it_has(gate, told):
    market = Market(fill=lambda order: 0)
    way = listening(gate, Way(market))
    placed(gate, way, buy("A1/a"))
    way.deliver()

    def lagging(name, *, void):
        gate.do(lambda books: cancel(books, "A1/a", OPS))

    way.status = lagging
    ask(gate, {"rest": way}, ["A1/a"])
    assert state(gate, "A1/a") is State.CANCEL_PENDING
    assert gate.do(lambda books: books.ledger.accounts["A1"].reserved) > 0
    assert [alert.kind for alert in told] == ["break"]


def test_a_fill_that_is_booked_while_the_venue_answers_is_no_break(gate, told):
    market = Market(fill=lambda order: 0)
    way = listening(gate, Way(market))
    placed(gate, way, buy("A1/a"))
    way.deliver()
    status = way.status

    def meanwhile(name, *, void):
        answer = status(name, void=void)
        market.trade("A1/a", 40)
        way.deliver()
        return answer

    way.status = meanwhile
    ask(gate, {"rest": way}, ["A1/a"])
    assert (state(gate, "A1/a"), told) == (State.PARTIAL, [])
