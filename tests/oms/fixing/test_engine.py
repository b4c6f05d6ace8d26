"""Conversations in FIX 4.2, byte by byte: with the gate's process by a venue, and with the venue's door by a client.

What is said here is put together by hand, and what is heard is compared whole, but for its time. Numbers in comments
are test cases of the FIX session protocol (FIX 4.2 with errata 20010501, volume 2, appendix 2-D).
"""

import re
from contextlib import suppress
from functools import partial

import pytest
from fix_parties import WAIT
from fix_talks import with_gate, with_venue
from paper_market import dollars, order

pytestmark = pytest.mark.fix

LONG_AGO = "20200101-00:00:00.000"
FAR_AWAY = "20990101-00:00:00.000"
SIDES = {"venue": with_venue, "gate": with_gate}


@pytest.fixture(scope="module", params=list(SIDES))
def spoken(request, tmp_path_factory):
    with SIDES[request.param](tmp_path_factory.mktemp(request.param)) as talk:
        yield talk
        if talk.party is not None:
            with suppress(AssertionError):
                talk.log_out()


@pytest.fixture
def talk(spoken):
    """A session that is logged on, and is afterwards where both sides think it is, or was ended."""
    if spoken.party is None:
        spoken.log_on()
    yield spoken
    if spoken.party is not None:
        spoken.agrees()


def test_a_gap_is_asked_for_and_what_came_after_it_waits(talk):
    first, ahead = talk.ours, talk.ours + 2
    talk.says(*talk.sample("ahead"), ahead)
    talk.hears("2", f"7={first}|16=0")
    talk.says("4", f"43=Y|122={LONG_AGO}|123=Y|36={ahead}", first)  # 10b: a gap fill
    talk.took("ahead")
    talk.ours = ahead + 1


def test_what_comes_again_for_a_gap_is_taken_once(talk):
    first = talk.ours
    talk.says(*talk.sample("second"), first + 1)
    talk.hears("2", f"7={first}|16=0")
    for number, name in ((first, "first"), (first + 1, "second")):
        kind, body = talk.sample(name)
        talk.says(kind, f"43=Y|122={LONG_AGO}|{body}", number)
    talk.ours += 2
    talk.took("first")
    talk.took("second")


def test_possible_duplicates(talk):
    kind, body = talk.sample("twice")
    number = talk.ours
    talk.says(kind, body)
    talk.took("twice")
    talk.says(kind, f"43=Y|122={LONG_AGO}|{body}", number)  # 2f: taken before, and so passed over
    talk.agrees()
    talk.says(kind, f"43=Y|{body}", number)  # 2i: without the time at which it was sent first
    talk.hears("3", f"45={number}|58=Required tag missing|371=122|372={kind}|373=1")
    talk.agrees()
    talk.says(kind, f"43=Y|122={FAR_AWAY}|{body}", number)  # 2g: sent first after it was sent again
    talk.hears("3", f"45={number}|58=SendingTime accuracy problem|372={kind}|373=10")
    talk.is_logged_out()


def test_a_number_that_is_too_low_ends_the_session(talk):
    talk.says("0", "", 1)  # 2c
    talk.hears("5", f"58=MsgSeqNum too low, expecting {talk.ours} but received 1")
    talk.is_left()


def test_what_is_garbled_was_never_said(talk):
    number = talk.ours
    talk.says(*talk.sample("garbled"), number, checksum=7)  # 3b: no answer, and its number is not used up
    talk.agrees()
    talk.says(*talk.sample("later"), number + 3)
    talk.hears("2", f"7={number + 1}|16=0")
    talk.says("4", f"43=Y|122={LONG_AGO}|123=Y|36={number + 3}", number + 1)
    talk.took("later")
    talk.ours = number + 4
    assert not talk.has("garbled")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "58=Required tag missing|371=112|372=1|373=1"),
        ("112=", "58=Tag specified without a value|371=112|372=1|373=4"),
        ("112=x|999=1", "58=Invalid tag number|371=999|372=1|373=0"),
        ("112=x|55=AAA", "58=Tag not defined for this message type|371=55|372=1|373=2"),
        # 4.2 has no reason (373) for it.
        ("112=x|112=y", "58=Tag appears more than once|371=112|372=1"),
    ],
)
def test_a_test_request_that_is_none(talk, body, said):
    number = talk.ours
    talk.says("1", body)
    talk.hears("3", f"45={number}|{said}")


def test_messages_that_are_none_are_rejected_and_go_no_further(talk):
    kind, body = talk.sample("wrong")
    tag = talk.required.partition("=")[0]
    cases = [
        (kind, body.replace(f"{talk.required}|", ""), f"58=Required tag missing|371={tag}|372={kind}|373=1"),
        (
            kind,
            body.replace("54=1|", "54=Z|"),
            f"58=Value is incorrect (out of range) for this tag|371=54|372={kind}|373=5",
        ),
        (kind, body.replace("38=100|", "38=abc|"), f"58=Incorrect data format for value|371=38|372={kind}|373=6"),
        ("ZZ", "58=hello", "58=Invalid MsgType|372=ZZ|373=11"),
    ]
    for each, content, said in cases:
        number = talk.ours
        talk.says(each, content)
        talk.hears("3", f"45={number}|{said}")
    # What the standard knows, and nobody here: a piece of news.
    number = talk.ours
    talk.says("B", "148=hello|33=1|58=line")
    talk.hears("j", f"45={number}|58=Unsupported Message Type|372=B|380=3")
    assert not talk.has("wrong")


def test_a_stranger_is_not_let_in(talk):
    talk.log_out()
    talk.connect()
    number = talk.ours
    talk.says("A", "98=0|108=30", number, sender="STRANGER")  # 1S, 1c
    talk.is_left()
    talk.connect()
    talk.says("A", "98=0|108=30", number, target="ANOTHER")
    talk.is_left()


def test_a_stranger_is_put_out(talk):
    number = talk.ours
    talk.says("0", sender="STRANGER")  # 2k
    talk.hears("3", f"45={number}|58=CompID problem|372=0|373=9")
    talk.is_logged_out()


def test_a_clock_that_is_wrong_ends_the_session(talk):
    number = talk.ours
    talk.says("0", ago=300)  # 2n
    talk.hears("3", f"45={number}|58=SendingTime accuracy problem|372=0|373=10")
    talk.is_logged_out()


def test_numbers_are_set(talk):
    talk.says("4", f"123=Y|36={talk.ours + 8}")  # 10a: a gap fill without a gap
    talk.ours += 7
    talk.agrees()
    talk.says("4", f"123=N|36={talk.ours + 9}", 1)  # 11a: a reset, whatever its own number
    talk.ours += 9
    talk.agrees()
    talk.says("4", f"43=Y|122={LONG_AGO}|123=Y|36=2", 1)  # 10d: a gap fill that came before
    talk.agrees()
    number = talk.ours
    talk.says("4", "123=N|36=1", number)  # 11c: a reset to what was, which uses no number up
    talk.hears("3", f"45={number}|58=Value is incorrect (out of range) for this tag|372=4|373=5")


def test_an_order_is_not_sent_again(tmp_path):
    with with_gate(tmp_path) as talk:
        talk.log_on()
        assert talk.gateway.wait_ready(WAIT)
        talk.gateway.send(order("a", limit=dollars(50)))
        heard, sent = talk.party.hears(), talk.party.time
        body = "1=fund|11=a|21=1|38=100|40=2|44=50|54=1|55=AAA|59=0|60=NOW|100=NYSE"
        assert re.sub(r"60=\d{8}-\d\d:\d\d:\d\d\.\d{3}", "60=NOW", heard) == f"35=D|34=2|49=QUANTRAY|56=VENUE|{body}"
        talk.says("2", "7=1|16=0")
        filled = talk.party.hears()
        assert re.sub(r"122=[^|]*", "122=NOW", filled) == "35=4|34=1|43=Y|49=QUANTRAY|56=VENUE|122=NOW|36=3|123=Y"
        assert talk.party.time >= sent
        talk.theirs = 3
        talk.agrees()
        talk.gateway.cancel(order("a", limit=dollars(50)))
        request = talk.party.next_of("F")
        assert re.search(r"\|11=a~\d+\|38=100\|41=a\|54=1\|55=AAA\|60=", request)


@pytest.mark.parametrize("side", [partial(with_venue, name="QUIET"), with_gate], ids=list(SIDES))
def test_silence_is_asked_about_and_ends_the_session(side, tmp_path):
    with side(tmp_path, heartbeat=2) as talk:
        talk.log_on()
        talk.hears("0")
        talk.hears("1", "112=TEST")
        talk.says("0", "112=TEST")
        talk.hears("0")
        talk.hears("1", "112=TEST")
        talk.is_left()


def test_the_first_word_is_a_logon(talk):
    talk.log_out()
    talk.connect()
    talk.says("0", "", talk.ours)  # 1S, 1B
    talk.is_left()
