"""Orders that ended before a start: not in memory, and known as well as any other."""

import pytest
from desks import ANN, MONEY, OPS, Clock, Market, Way, buy, listening, set_up

from quantray.execution.orders import Side
from quantray.oms.block_records import Block
from quantray.oms.database import Database, StoreError
from quantray.oms.desk import LocalDesk, Parent
from quantray.oms.gate import Gate
from quantray.oms.handing import handed
from quantray.oms.hearing import hear
from quantray.oms.messages import Report, ReportKind
from quantray.oms.replay import replay_database
from quantray.oms.states import State
from quantray.oms.submission import cancel

PRICE = 50 * MONEY


class Later:
    """A gate that was started after a day on which orders ended, or one that has let go of them."""

    def __init__(self, url, *, goes_on):
        self.url, self.told = url, []
        self.gate = Gate(url, clock=Clock(), told=self.told.extend, ended=0)
        self.gate.do(set_up)
        self.desk, way = LocalDesk(self.gate, OPS), listening(self.gate, Way(Market()))
        way.market.cash["ann.block"] = 0
        self.desk.add_parents([Parent("A1/p", "A1", "AAA", Side.BUY, 300)])
        block = Block(id="ann.block/K", symbol="AAA", side=Side.BUY, demands={"A1": 100}, limit=PRICE)
        self.desk.place_block(block)
        part = buy("ann.block/K-0", account="ann.block", parent="ann.block/K")
        self.desk.submit([buy("A1/p-0", parent="A1/p"), buy("A1/p-1", 50, parent="A1/p"), buy("A1/no", 10**6), part])
        for out in self.gate.do(lambda books: handed(books, list(books.outgoing), "rest")):
            way.send(out.order)
        way.deliver()
        self.desk.allocate_block("ann.block/K")
        self.desk.submit([buy("A1/open", 10)])
        if not goes_on:
            self.gate.close()
            self.gate = Gate(url, clock=Clock(), told=self.told.extend)
            self.desk = LocalDesk(self.gate, OPS)

    def in_memory(self):
        return self.gate.do(lambda books: set(books.ledger.orders))

    def hear(self, **given):
        report = Report(venue="NYSE", **({"price": PRICE} | given))
        self.gate.do(lambda books: hear(books, [report]))
        self.gate.do(lambda books: None)

    def kinds(self):
        return [alert.kind for alert in self.told]

    def cash(self):
        return self.gate.do(lambda books: books.ledger.accounts["A1"].cash)


@pytest.fixture(params=[False, True], ids=["started again", "goes on"])
def later(url, request):
    later = Later(url, goes_on=request.param)
    assert later.in_memory() == {"A1/open"}
    yield later
    later.gate.close()
    assert replay_database(url).findings == ()


def test_the_same_order_is_given_the_same_answer_and_another_is_a_duplicate(later):
    same = [buy("A1/p-0", parent="A1/p"), buy("A1/no", 10**6)]
    assert [it.code for it in later.desk.submit(same)] == ["", "size"]
    assert [it.code for it in later.desk.submit([buy("A1/p-0", 7, parent="A1/p"), buy("A1/no", 1)])] == [
        "duplicate"
    ] * 2
    assert not later.gate.do(lambda books: cancel(books, "A1/p-0", ANN))
    assert [it.code for it in later.desk.submit([buy("A1/x", replaces="A1/p-0")])] == ["replaces"]


def test_parts_and_their_fills_are_those_that_were(later):
    children = {child.id: (child.state, child.filled) for child in later.desk.children(["A1/p"])}
    assert children == {"A1/p-0": (State.FILLED, 100), "A1/p-1": (State.FILLED, 50)}
    assert sorted(fill.quantity for fill in later.desk.fills(["A1/p"])) == [50, 100]
    later.desk.add_parents([Parent("A1/p", "A1", "AAA", Side.BUY, 300)])
    assert later.desk.submit([buy("A1/p-2", 5, parent="A1/p")])[0].accepted
    assert len(later.desk.children(["A1/p"])) == 3
    assert later.gate.counts() == {"FILLED": 3, "REJECTED": 1, "RESERVED": 2}


def test_what_comes_late_is_booked_once(later):
    before = later.cash()
    (first, _) = sorted(later.desk.fills(["A1/p"]), key=lambda fill: -fill.quantity)
    later.hear(kind=ReportKind.FILL, order="A1/p-0", exec_id=first.exec_id, quantity=100)
    assert (later.cash(), later.kinds()) == (before, [])
    later.hear(kind=ReportKind.FILL, order="A1/p-0", exec_id="late", quantity=1)
    assert later.cash() == before - PRICE
    assert later.kinds() == ["overfill", "late fill"]


def test_a_fill_of_a_day_before_is_busted_and_its_id_is_not_taken_again(later):
    (first, _) = sorted(later.desk.fills(["A1/p"]), key=lambda fill: -fill.quantity)
    before = later.cash()
    later.hear(kind=ReportKind.BUST, order="A1/p-0", exec_id="B", refers=first.exec_id, quantity=100)
    assert later.cash() == before + 100 * PRICE
    later.gate.do(lambda books: handed(books, list(books.outgoing), "rest"))
    later.hear(kind=ReportKind.FILL, order="A1/open", exec_id=first.exec_id, quantity=10)
    assert later.kinds() == ["break"]
    assert later.cash() == before + 100 * PRICE


def test_a_block_that_was_allocated_before_is_counted_when_something_changes(later):
    (found,) = later.desk.blocks()
    assert (found.filled, found.open, found.shares["A1"].shares) == (100, 0, 100)
    later.hear(kind=ReportKind.FILL, order="ann.block/K-0", exec_id="late", quantity=1)
    (found,) = later.desk.blocks()
    assert (found.filled, found.amount) == (101, 101 * PRICE)


def test_names_that_are_none_are_nobody_s(later):
    for name in ("\udcff", "", "x" * 65, "A1/\0"):
        assert later.desk.children([name]) == []
        later.hear(kind=ReportKind.FILL, order=name, exec_id=name or "e", quantity=1)
    assert set(later.kinds()) == {"stray"}


def test_an_id_that_was_never_used_is_asked_for_nowhere(later, monkeypatch):
    asked, answered = [], Database.select
    monkeypatch.setattr(Database, "select", lambda database, query: asked.append(query) or answered(database, query))
    assert all(it.accepted for it in later.desk.submit([buy(f"A1/new{i}", 1) for i in range(20)]))
    # Now and then a new one looks like one that was used: of a million places few are taken.
    assert len(asked) <= 1
    assert not later.desk.submit([buy("A1/p-0", 7, parent="A1/p")])[0].accepted
    assert len(asked) > 1


def test_what_ended_since_the_start_is_known_after_a_write_that_was_refused(later, monkeypatch):
    def fails(rows):
        raise StoreError("nothing was written.")

    assert later.desk.submit([buy("A1/ended", 10)])[0].accepted
    later.gate.do(lambda books: cancel(books, "A1/ended", ANN))
    with monkeypatch.context() as patch:
        patch.setattr(later.gate._database, "write", fails)
        with pytest.raises(StoreError):
            later.desk.submit([buy("A1/lost")])
    assert later.gate.do(lambda books: set(books.ledger.orders)) == {"A1/open"}
    assert [it.code for it in later.desk.submit([buy("A1/ended", 7), buy("A1/lost")])] == ["duplicate", ""]
