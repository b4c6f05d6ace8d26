"""What the journal of FIX says, line by line."""

import json

import pytest

from quantray.oms.fixing.journal import Line
from quantray.oms.fixing.told import Told
from quantray.oms.gateways.protocol import UnsureError
from quantray.oms.messages import ReportKind, Unreadable
from quantray.oms.states import State

HEADER = [(49, "VENUE"), (52, "20240328-13:30:00.123")]
NEW = [(35, "D"), (34, "2"), (11, "o"), (55, "AAA"), (54, "1")]
ACK = [(35, "8"), *HEADER, (11, "o"), (17, "o.1"), (20, "0"), (150, "0"), (39, "0"), (14, "0")]


def test_a_message_that_makes_no_sense_is_given_in_its_place():
    told = Told()
    nonsense = [(tag, "wine" if tag == 14 else value) for tag, value in ACK]
    other = [(tag, "p" if tag == 11 else value) for tag, value in nonsense]
    for number, (way, fields) in enumerate([("out", NEW), ("in", ACK), ("in", nonsense), ("in", other)], 1):
        told.take(Line(number, way, fields))
    good, odd, foreign = told.after(0, 10)
    assert (good.kind, good.sequence) == (ReportKind.ACKED, 2)
    assert odd == Unreadable(raw=json.dumps(nonsense), why=odd.why, order="o", sequence=3)
    assert "wine" in odd.why
    # An order that never left by this way is nobody's.
    assert (foreign.order, foreign.sequence) == ("", 4)


def told_of(*lines):
    told = Told()
    for number, (way, fields) in enumerate(lines, 1):
        told.take(Line(number, way, fields))
    return told


def changed(fields, **changes):
    """With other values, such as ``f34="7"``; a field that is not there is added."""
    values = dict(fields) | {int(name[1:]): value for name, value in changes.items()}
    return list(values.items())


REJECT = [(35, "3"), *HEADER, (45, "2"), (372, "D"), (58, "no")]
LOGON = [(35, "A"), (34, "1")]


def test_a_message_that_was_refused_came_to_nothing():
    (report,) = told_of(("out", NEW), ("in", REJECT)).after(0, 10)
    assert (report.kind, report.order, report.text) == (ReportKind.REJECTED, "o", "no")
    for other in (changed(REJECT, f372="F"), changed(REJECT, f45="3")):
        assert told_of(("out", NEW), ("in", other)).after(0, 10) == []


def test_where_numbers_begin_anew_a_refusal_is_of_no_order_before():
    assert told_of(("out", NEW), ("out", LOGON), ("in", REJECT)).after(0, 10) == []
    later = changed(NEW, f11="p", f34="1")
    assert told_of(("out", NEW), ("out", later), ("in", REJECT)).after(0, 10) == []
    (report,) = told_of(("out", NEW), ("out", LOGON), ("out", changed(NEW, f11="p")), ("in", REJECT)).after(0, 10)
    assert report.order == "p"


FILL = changed(ACK, f150="1", f39="1", f14="5", f32="5", f31="50", f30="NYSE")


def test_what_takes_a_fill_back_need_not_say_where_it_was():
    bust = [(tag, value) for tag, value in changed(FILL, f20="1", f17="o.2", f19="o.1", f14="0") if tag != 30]
    reports = told_of(("out", NEW), ("in", FILL), ("in", bust)).after(0, 10)
    assert [(report.kind.value, report.venue) for report in reports] == [("fill", "NYSE"), ("bust", "NYSE")]


ANSWER = changed(ACK, f20="3", f17="0", f150="6", f39="6", f14="5")


def test_an_answer_goes_with_what_was_reported():
    found = told_of(("out", NEW), ("in", FILL), ("in", ANSWER)).answer("o")
    assert (found.state, found.filled, len(found.executions)) == (State.PARTIAL, 5, 1)
    for odd in (changed(ANSWER, f14="7"), changed(ANSWER, f14="1.5"), changed(ANSWER, f39="D")):
        with pytest.raises(UnsureError):
            told_of(("out", NEW), ("in", FILL), ("in", odd)).answer("o")


def test_what_nothing_was_said_of_for_a_file_of_the_journal_is_forgotten():
    told = told_of(("out", NEW), ("in", ACK), ("out", changed(NEW, f11="p", f34="3")))
    told.turn(booked=1)
    assert [report.sequence for report in told.after(0, 10)] == [2], "it is not booked yet"
    assert told.order("o") == told.order("p") == ("AAA", "1")
    told.take(Line(4, "in", changed(ACK, f11="p", f17="p.1", f150="1", f39="1", f32="5", f31="50", f14="5")))
    told.turn(booked=4)
    assert told.after(0, 10) == []
    assert (told.order("o"), told.order("p")) == (None, ("AAA", "1"))
    status = changed(ACK, f11="p", f17="0", f20="3", f150="1", f39="1", f14="5")
    told.take(Line(5, "in", status))
    assert told.answer("p").executions[0].exec_id == "p.1"
