"""What the venue's FIX door answers to a client that speaks by hand, byte by byte."""

import pytest
from fix_parties import called, free_port
from fix_talks import ORDER, with_venue
from paper_market import dollars, flat_bars, rules

from quantray.execution.orders import Side
from quantray.oms.fixing import engine
from quantray.oms.messages import NewOrder
from quantray.oms.paper.book import Book
from quantray.oms.paper.fix_door import FixDoor

pytestmark = pytest.mark.fix

TIME = "20240328-13:30:00.000"
FILLED = "20240328-13:32:10.992"
"""Of the first fill of order a, drawn by its id."""
LATER = "20240328-14:00:00.000"
NAMED = "1=fund|55=AAA|54=1|60=20240328-13:30:00.000"


def limit_order(name, quantity, limit, **more):
    fields = f"11={name}|{NAMED}|21=1|100=NYSE|38={quantity}|40=2|44={limit}|59=0"
    return fields + "".join(f"|{tag[1:]}={value}" for tag, value in more.items())


@pytest.fixture
def talk(tmp_path):
    with with_venue(tmp_path) as talk:
        talk.log_on()
        yield talk
        talk.agrees()
        talk.log_out()


def hears(talk, kind, fields):
    """A message of the application, whose fields come by their numbers."""
    talk.hears(kind, "|".join(f"{tag}={fields[tag]}" for tag in sorted(fields)))


def report(order, exec_id, status, *, quantity=100, filled=0, time=TIME, average="0", trans="0", **more):
    """Of an order at work: what is left may be given as another field."""
    fields = {1: "fund", 6: average, 11: order, 14: filled, 17: exec_id, 20: trans, 30: "NYSE", 37: order}
    fields |= {38: quantity, 39: status, 54: 1, 55: "AAA", 60: time, 150: status, 151: quantity - filled}
    return fields | {int(name[1:]): value for name, value in more.items()}


def acked(talk, order, quantity=100):
    talk.taken += 1
    hears(talk, "8", report(order, f"{order}.acked.{talk.taken}", "0", quantity=quantity))


def test_a_part_is_filled_and_the_rest_is_canceled(talk):
    talk.says("D", ORDER.format(name="a").replace("38=100", "38=4000"))
    acked(talk, "a", 4000)
    talk.book.advance()
    part = {"quantity": 4000, "filled": 2500, "average": "50.000000"}
    hears(talk, "8", report("a", "a.1", "1", **part, time=FILLED, f12="7.5", f13=3, f31="50", f32=2500))
    talk.says("F", f"11=c1|41=a|{NAMED}|38=4000")
    hears(talk, "8", report("a", "a.canceled.3", "4", **part, time=LATER, f11="c1", f41="a", f151=0))
    talk.says("F", f"11=c2|41=a|{NAMED}|38=4000")
    late = {11: "c2", 37: "a", 39: "4", 41: "a", 58: "the order is CANCELED", 102: 0, 434: 1}
    hears(talk, "9", late)
    talk.says("F", f"11=c3|41=none|{NAMED}|38=4000")
    nobody = {11: "c3", 37: "NONE", 39: 8, 41: "none", 58: "no order of this id is known", 102: 1, 434: 1}
    hears(talk, "9", nobody)


def test_a_replacement_takes_the_place_of_an_order_or_is_refused(talk):
    talk.says("D", limit_order("a", 100, 49))
    acked(talk, "a")
    talk.says("G", limit_order("b", 200, "49.5", f41="a"))
    # The old one has ended (report 2), which one message says with the new one (3).
    hears(talk, "8", report("b", "b.acked.3", "5", quantity=200, f41="a"))
    talk.says("H", "11=b|55=AAA|54=1")
    answer = {
        1: "fund",
        6: 0,
        11: "b",
        14: 0,
        17: 0,
        20: 3,
        37: "b",
        38: 200,
        39: 0,
        54: 1,
        55: "AAA",
        150: 0,
        151: 200,
    }
    hears(talk, "8", answer)
    for name, old, state, about in (("c", "a", "4", "a"), ("d", "none", "8", "NONE")):
        talk.says("G", limit_order(name, 100, 49, f41=old))
        why = f"{old} cannot be replaced: it is {'CANCELED' if old == 'a' else 'not known'}"
        reason = 0 if old == "a" else 1
        hears(talk, "9", {11: name, 37: about, 39: state, 41: old, 58: why, 102: reason, 434: 2})
    talk.says("G", limit_order("e", "1.5", 49, f41="b"))
    hears(talk, "9", {11: "e", 37: "b", 39: 0, 41: "b", 58: "'1.5' is no whole number.", 102: 0, 434: 2})


def test_orders_that_are_refused(talk):
    talk.says("D", ORDER.format(name="a").replace("38=100", "38=0"))
    none = report("a", "a.rejected.1", "8", quantity=0, f58="0 shares are none", f103=0)
    hears(talk, "8", none)
    refused = {6: 0, 11: "b", 14: 0, 20: 0, 37: "NONE", 39: 8, 54: 1, 55: "AAA", 150: 8, 151: 0}
    number = talk.ours
    talk.says("D", ORDER.format(name="b").replace("40=1", "40=3|99=50"))
    why = "order type '3' is not taken here; send 1 (market) or 2 (limit)."
    hears(talk, "8", refused | {17: f"b.no.{number}", 58: why, 103: 0})
    number = talk.ours
    talk.says("D", ORDER.format(name="a"))
    why = "an order of this id came before; ask for its status"
    hears(talk, "8", refused | {11: "a", 17: f"a.no.{number}", 58: why, 103: 6})
    # What may have come before is no mistake.
    talk.says("D", "97=Y|" + ORDER.format(name="a"))
    talk.agrees()
    number = talk.ours
    talk.says("H", "11=z|55=AAA|54=1")
    why = "no order of this id is known"
    hears(talk, "8", refused | {11: "z", 17: f"z.no.{number}", 20: 3, 58: why, 103: 5})


def test_fills_are_corrected_and_taken_back(talk):
    talk.says("D", ORDER.format(name="a"))
    acked(talk, "a")
    talk.book.advance()
    whole = {"filled": 100, "average": "50.000000", "f12": "0.3", "f13": 3, "f31": "50", "f32": 100}
    hears(talk, "8", report("a", "a.1", "2", **whole, time=FILLED))
    talk.book.correct("a.1", quantity=90, price=dollars(49.99))
    mended = {"filled": 90, "average": "49.990000", "f12": "0.27", "f13": 3, "f31": "49.99", "f32": 90}
    # Done for the day: of an order that was filled nothing more is traded.
    hears(talk, "8", report("a", "a.2", "3", **mended, time=LATER, trans="2", f19="a.1", f151=0))
    talk.book.bust("a.1")
    gone = {"f31": "0", "f32": 0, "f151": 0}
    hears(talk, "8", report("a", "a.3", "3", **gone, time=LATER, trans="1", f19="a.1"))


def test_an_order_for_a_moment_is_canceled_unasked(talk):
    talk.says("D", limit_order("a", 100, 49).replace("59=0", "59=3"))
    acked(talk, "a")
    talk.book.advance()
    hears(talk, "8", report("a", "a.canceled.2", "4", f151=0))


def test_reports_are_sent_again_when_they_are_asked_for(talk):
    talk.says("D", ORDER.format(name="a"))
    acked(talk, "a")
    first, number = talk.party.time, talk.theirs - 1
    talk.says("2", f"7={number}|16=0")
    talk.theirs = number
    again = {1: "fund", 6: 0, 11: "a", 14: 0, 17: "a.acked.1", 20: 0, 30: "NYSE", 37: "a", 38: 100, 39: 0, 54: 1}
    body = "|".join(f"{tag}={value}" for tag, value in (again | {55: "AAA", 60: TIME, 150: 0, 151: 100}).items())
    assert talk.party.hears() == f"35=8|34={number}|43=Y|49=VENUE|56=QUANTRAY|122={first}|{body}"
    talk.theirs += 1


def test_reports_wait_for_a_client_even_where_numbers_begin_anew(talk):
    talk.says("D", ORDER.format(name="a"))
    acked(talk, "a")
    talk.log_out()
    talk.book.advance()
    elsewhere = NewOrder(id="b", account="fund", symbol="AAA", side=Side.BUY, quantity=1)
    talk.book.submit([elsewhere])
    talk.ours = talk.theirs = 1
    talk.connect()
    talk.says("A", "98=0|108=30|141=Y")
    talk.hears("A", "98=0|108=30|141=Y")
    whole = {"filled": 100, "average": "50.000000", "f12": "0.3", "f13": 3, "f31": "50", "f32": 100}
    hears(talk, "8", report("a", "a.1", "2", **whole, time=FILLED))


@pytest.mark.parametrize("logon", ["98=0", "98=Z|108=1", "98=0|108="])
def test_whoever_does_not_log_on_keeps_nobody_out(tmp_path, monkeypatch, logon):
    """Without HeartBtInt (108), and in other ways that QuickFIX reads as no logon: the connection ends."""
    monkeypatch.setattr(engine, "_TO_LOG_ON", 0.05)
    port = free_port()
    with Book(flat_bars(), tmp_path / "book", rules=rules()) as book, FixDoor(book, tmp_path / "door", port):
        with called(port) as party:
            party.says("A", 1, logon)
            while party.hears() is not None:
                pass
        heard = None
        while heard is None:
            # Until the door is done with the connection before.
            with called(port) as party:
                party.says("A", 1, "98=0|108=30|141=Y")
                heard = party.hears()
        assert heard == "35=A|34=1|49=VENUE|56=QUANTRAY|98=0|108=30|141=Y"
