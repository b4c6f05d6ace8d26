"""What the journal of FIX says, line by line."""

import json

from quantray.oms.fixing.journal import Line
from quantray.oms.fixing.told import Told
from quantray.oms.messages import ReportKind, Unreadable

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
