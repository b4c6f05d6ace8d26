"""Orders over FIX to the paper venue, and what becomes of them when the process that speaks it is killed."""

import os
import re
import signal
import sys
import threading

import pytest
from desks import OPS, buy, gate_at
from fix_parties import WAIT, Heard, free_port, gateway_to, session
from fix_talks import with_gate
from paper_market import dollars, flat_bars, order, rules
from paper_server import answering

from quantray.errors import InputError
from quantray.oms.gateways.fix import FixGateway
from quantray.oms.gateways.protocol import Gateway, NotSentError, UnsureError
from quantray.oms.gateways.rest import RestGateway
from quantray.oms.handing import handed, unsure
from quantray.oms.hearing import hear
from quantray.oms.messages import Holdings, ReportKind
from quantray.oms.paper.book import Book
from quantray.oms.paper.draws import drawn
from quantray.oms.paper.faults import Faults
from quantray.oms.paper.fix_door import FixDoor
from quantray.oms.reconcile import ask
from quantray.oms.states import State

pytestmark = pytest.mark.fix

OPENINGS = {"fund": Holdings(7, {"AAA": 1}), "A1": Holdings(10**10, {"AAA": 1_000})}


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def book(tmp_path):
    bars = flat_bars(((50, 50, 50, 50),) * 4)
    with Book(bars, tmp_path / "book", rules=rules(), openings=OPENINGS) as book:
        yield book


@pytest.fixture
def door(book, tmp_path, port):
    with FixDoor(book, tmp_path / "door", port, heartbeat=1) as door:
        yield door


@pytest.fixture
def rest(book):
    with answering(book) as address:
        gateway = RestGateway(address, seconds=5.0, wait=0.2)
        yield gateway
        gateway.close()


@pytest.fixture
def way(door, tmp_path, port):
    with gateway_to(tmp_path / "fix", port) as (gateway, heard):
        yield gateway, heard


def test_a_day_at_the_venue(way, book):
    gateway, heard = way
    known: Gateway = gateway
    assert known.route == "fix"
    os.kill(gateway.pid, signal.SIGINT)  # for the gate, whose end ends the process, too
    gateway.send(order("whole", 300, symbol="BBB"))
    gateway.send(order("much", 4000))
    gateway.send(order("low", limit=dollars(49)))
    others = [order("none", 0), order("other", 5, symbol="BBB", venue="BATS", limit=dollars(51), tif="IOC")]
    assert gateway.send_all(others) == [None, None]
    heard.told(ReportKind.ACKED, "other")
    assert heard.told(ReportKind.REJECTED, "none").text == "0 shares are none"
    gateway.send(order("high", 200, limit=dollars(49.5), replaces="low"))
    heard.told(ReportKind.ACKED, "high")
    assert heard.told(ReportKind.CANCELED, "low").text == "replaced by high"
    gateway.cancel(order("high", 200, limit=dollars(49.5)))
    heard.told(ReportKind.CANCELED, "high")
    gateway.cancel(order("high", 200, limit=dollars(49.5)))
    assert heard.told(ReportKind.CANCEL_REJECTED, "high").text == "the order is CANCELED"
    book.advance()
    whole, much = heard.told(ReportKind.FILL, "whole"), heard.told(ReportKind.FILL, "much")
    assert (whole.quantity, whole.price, whole.fee) == (300, dollars(50), 300 * 30)
    assert (much.quantity, much.filled, much.exec_id, much.venue) == (2500, 2500, "much.1", "NYSE")
    heard.told(ReportKind.FILL, "other")
    found = gateway.status("much", void=False)
    assert found == book.status("much") or found.executions[0].exec_id == "much.1"
    assert (found.state, found.filled) == (State.PARTIAL, 2500)
    assert gateway.status("whole", void=True).state is State.FILLED
    told = [r for r in heard.reports if r.order == "whole"]
    assert [r.kind for r in told] == [ReportKind.ACKED, ReportKind.FILL]


def test_busts_and_corrections(way, book):
    gateway, heard = way
    gateway.send_all([order("a", 100), order("b", 100)])
    heard.told(ReportKind.ACKED, "b")
    book.advance()
    heard.told(ReportKind.FILL, "a")
    heard.told(ReportKind.FILL, "b")
    book.bust("a.1")
    book.correct("b.1", quantity=90, price=dollars(49.99))
    bust, mended = heard.told(ReportKind.BUST, "a"), heard.told(ReportKind.CORRECT, "b")
    assert (bust.exec_id, bust.refers, bust.filled) == ("a.2", "a.1", 0)
    assert (mended.refers, mended.quantity, mended.price, mended.fee) == ("b.1", 90, dollars(49.99), 2700)
    assert gateway.status("b", void=False).filled == 90


def test_a_journal_of_months_is_kept_short_and_loses_nothing(door, book, tmp_path, port):
    """Whenever some lines are booked another file begins: what is open, and what comes, is known all the same."""
    folder = tmp_path / "fix"
    names = [f"o{i}" for i in range(12)]
    with gateway_to(folder, port, journal_bytes=1_000) as (gateway, heard):
        for name in names:
            gateway.send(order(name))
            heard.told(ReportKind.ACKED, name)
        reader = gateway._reader
        for number in range(200):
            # Each look at what is new may find that it is time for another file.
            if reader.turns > 2:
                break
            gateway.send(order(f"more{number}"))
            heard.told(ReportKind.ACKED, f"more{number}")
        assert reader.turns > 2
        assert len(list(folder.glob("journal*"))) <= 2
        assert gateway._told.order("o0") is None, "nothing was said of it for two files"
        booked = heard.reports[-1].sequence
    book.advance()
    with gateway_to(folder, port, after=booked, journal_bytes=1_000) as (_, heard):
        for name in names:
            heard.told(ReportKind.FILL, name)
        assert min(report.sequence for report in heard.reports) > booked


def test_an_id_is_taken_by_one_door(way, book, rest):
    gateway, heard = way
    rest.send(order("a"))
    gateway.send_all([order("a"), order("b")])
    heard.told(ReportKind.ACKED, "b")
    with pytest.raises(UnsureError, match="duplicate"):
        rest.send(order("b"))
    assert rest.status("void", void=True) is None
    gateway.send_all([order("void"), order("c")])
    heard.told(ReportKind.ACKED, "c")
    assert "would never be taken" in heard.told(ReportKind.REJECTED, "void").text
    book.advance()
    heard.told(ReportKind.FILL, "c")
    assert [len(book.status(name).executions) for name in "abc"] == [1, 1, 1]
    assert not [r for r in heard.reports if r.order == "a"]


def test_what_was_refused_is_not_delivered_later(book, tmp_path, port):
    door = FixDoor(book, tmp_path / "door", port, heartbeat=1)
    with gateway_to(tmp_path / "fix", port) as (way, heard):
        way.send(order("before"))
        heard.told(ReportKind.ACKED, "before")
        door.close()
        assert way.wait_ready(WAIT, ready=False)
        with pytest.raises(NotSentError, match="not logged on"):
            way.send(order("refused"))
        with pytest.raises(UnsureError, match="not logged on"):
            way.status("before", void=False)
        with FixDoor(book, tmp_path / "door", port, heartbeat=1):
            assert way.wait_ready(WAIT)
            way.send(order("after"))
            heard.told(ReportKind.ACKED, "after")
        assert book.order("refused") is None


def test_reports_wait_for_a_gate_that_died(door, book, tmp_path, port):
    with gateway_to(tmp_path / "fix", port) as (way, heard):
        way.send(order("a"))
        acked = heard.told(ReportKind.ACKED, "a")
    book.advance()
    with gateway_to(tmp_path / "fix", port, after=acked.sequence) as (_, heard):
        heard.told(ReportKind.FILL, "a")
        assert len(heard.reports) == 1
    with gateway_to(tmp_path / "fix", port) as (_, heard):
        heard.told(ReportKind.FILL, "a")
        assert [r.kind for r in heard.reports] == [ReportKind.ACKED, ReportKind.FILL]
    # Of a journal that is lost, what was booked is not given again, and what comes is not passed over.
    (tmp_path / "fix" / "journal.jsonl").unlink()
    with gateway_to(tmp_path / "fix", port, after=100) as (way, heard):
        way.send(order("b"))
        assert heard.told(ReportKind.ACKED, "b").sequence > 100


def test_a_report_that_was_not_booked_comes_again(door, tmp_path, port):
    class Failing(Heard):
        failures = 2

        def __call__(self, reports):
            self.failures -= 1
            if self.failures >= 0:
                raise OSError("the disk is full")
            super().__call__(reports)

    with gateway_to(tmp_path / "fix", port, sink=Failing()) as (way, heard):
        way.send(order("a"))
        heard.told(ReportKind.ACKED, "a")


FAILING = """
import pathlib
from quantray.oms.fixing import journal, process

add = journal.Journal.add

def full(self, way, fields):
    mark = pathlib.Path({mark!r})
    if way == "in" and not mark.exists():
        mark.touch()
        raise OSError("the disk is full")
    return add(self, way, fields)

journal.Journal.add = full
process.main()
"""
"""A process that cannot keep the first report."""


def test_a_report_that_could_not_be_kept_is_asked_for_by_another_process(door, tmp_path, port):
    command = (sys.executable, "-c", FAILING.format(mark=str(tmp_path / "mark")))
    with gateway_to(tmp_path / "fix", port, command=command) as (way, heard):
        before = way.pid
        way.send(order("a"))
        heard.told(ReportKind.ACKED, "a")
        assert way.pid != before


SILENT = """
import pathlib, threading
from quantray.oms.fixing import process

tell = process.Speaker.tell

def silent(self, said):
    mark = pathlib.Path({mark!r})
    if "id" in said and not mark.exists():
        mark.touch()
        threading.Event().wait()
    tell(self, said)

process.Speaker.tell = silent
process.main()
"""
"""A process that hands the first order over and never says so."""


@pytest.fixture
def killed(door, book, rest, tmp_path, port):
    """A gate whose order was handed over, and the process killed before it said so; and its way."""
    command = (sys.executable, "-c", SILENT.format(mark=str(tmp_path / "mark")))
    taken = threading.Event()
    book.watch(taken.set)
    with gateway_to(tmp_path / "fix", port, asked=rest, command=command) as (way, heard), gate_at(tmp_path) as gate:
        (taken_in,) = gate.submit([buy("A1/a")], OPS)
        assert taken_in.accepted
        (out,) = gate.do(lambda books: handed(books, list(books.outgoing), "fix"))
        failed = []

        def hand_over():
            failed.extend(way.send_all([out.order]))

        thread = threading.Thread(target=hand_over)
        thread.start()
        assert taken.wait(WAIT)
        os.kill(way.pid, signal.SIGKILL)
        thread.join(WAIT)
        (failure,) = failed
        assert isinstance(failure, UnsureError)
        assert "ended before it answered" in str(failure)
        yield gate, way, heard, out.order


def state(gate):
    return gate.do(lambda books: books.ledger.orders["A1/a"].state)


def executed(book):
    book.advance()
    return book.holdings("A1").shares["AAA"] - 1_000


def test_killed_before_it_says_so_an_order_is_asked_about_and_executed_once(killed, book):
    gate, way, heard, order = killed
    gate.do(lambda books: unsure(books, order.id, "the process ended"))
    assert state(gate) is State.UNKNOWN
    assert way.wait_ready(WAIT)
    assert ask(gate, {"fix": way}, [order.id]) == 0
    assert state(gate) is State.ACKED
    assert executed(book) == 100
    heard.told(ReportKind.FILL, "A1/a")
    gate.do(lambda books: hear(books, heard.reports, "fix"))
    assert state(gate) is State.FILLED
    assert gate.do(lambda books: books.ledger.lines["A1", "AAA"].shares) == 1_100


def test_the_naive_fallback_executes_twice(killed, rest, book):
    rest.send(buy("a-again"))
    assert executed(book) == 200


def test_without_another_way_only_what_is_in_the_journal_is_believed_never_to_come(way, book):
    gateway, heard = way
    with pytest.raises(UnsureError, match="is not in the journal"):
        gateway.status("a", void=True)
    with pytest.raises(UnsureError, match="does not tell holdings"):
        gateway.holdings("fund")
    with pytest.raises(NotSentError, match="letters that can be printed"):
        gateway.send(order("b", account="\n"))
    # One that is dropped where the question about it is not.
    names = (f"a{number}" for number in range(100))
    lost = next(n for n in names if drawn(0, "drop", f"D {n}", 1) < 0.5 <= drawn(0, "drop", f"H {n}", 1))
    book.set_faults(Faults(drop=0.5))
    gateway.send(order(lost))
    assert gateway.status(lost, void=True) is None
    assert heard.reports == []


def test_a_venue_that_leaves_a_question_unanswered_is_not_relied_on(tmp_path):
    with with_gate(tmp_path, seconds=0.5) as talk:
        talk.log_on()
        assert talk.gateway.wait_ready(WAIT)
        talk.gateway.send(order("a"))
        with pytest.raises(UnsureError, match="did not answer about order a"):
            talk.gateway.status("a", void=False)
        assert not talk.gateway.ready()
        talk.says(*talk.sample("a"))
        assert talk.gateway.wait_ready(WAIT)
        # Nor is a process that stands still.
        os.kill(talk.gateway.pid, signal.SIGSTOP)
        with pytest.raises(UnsureError, match=r"did not answer in 0\.5 s"):
            talk.gateway.send(order("b"))
        assert not talk.gateway.ready()
        os.kill(talk.gateway.pid, signal.SIGCONT)
        assert "|11=a|" in talk.party.next_of("D")
        assert "|11=b|" in talk.party.next_of("D")
        talk.says(*talk.sample("b"))
        assert talk.gateway.wait_ready(WAIT)


def test_numbers_begin_anew_with_the_day(tmp_path):
    with with_gate(tmp_path) as talk:
        talk.log_on()
        talk.agrees()
        talk.log_out()
    (made,) = (tmp_path / "fix" / "messages").glob("*.session")
    made.write_text(re.sub(r"\d{8}", "20240328", made.read_text(), count=1))
    with with_gate(tmp_path) as talk:
        talk.log_on()
        talk.says(*talk.sample("a"))
        talk.took("a")
        talk.agrees()


def test_it_must_listen_before_it_hands_over(tmp_path, port):
    gateway = FixGateway(session(tmp_path / "fix", port))
    assert not gateway.ready()
    with pytest.raises(NotSentError, match="listen first"):
        gateway.send(order("a"))
    gateway.listen(Heard(), 0)
    with pytest.raises(InputError, match="listens already"):
        gateway.listen(Heard(), 0)
    gateway.close()
