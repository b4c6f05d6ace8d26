import json
import logging
import socket
import threading

import httpx2 as httpx
import pytest
from paper_market import dollars, flat_bars, order, rules
from paper_server import answering

from quantray.errors import InputError
from quantray.oms.gateways.protocol import Gateway, NotSentError, UnsureError
from quantray.oms.gateways.rest import RestGateway
from quantray.oms.messages import Holdings, Report, ReportKind
from quantray.oms.paper.book import Book
from quantray.oms.paper.faults import Faults
from quantray.oms.states import State
from quantray.oms.wire import report_content


@pytest.fixture
def book(tmp_path):
    with Book(flat_bars(), tmp_path / "book", rules=rules(), openings={"fund": Holdings(7, {"AAA": 1})}) as book:
        yield book


@pytest.fixture
def gateway(book):
    with answering(book) as address:
        gateway = RestGateway(address, seconds=30.0, wait=0.2)
        yield gateway
        gateway.close()


class Sink:
    """Takes reports, and says when enough have come; fails at first as often as it is told."""

    def __init__(self, enough, failures=0):
        self.reports, self.calls = [], []
        self._enough, self._failures = enough, failures
        self.full = threading.Event()

    def __call__(self, reports):
        self.calls.append(reports[0].sequence)
        if len(self.calls) <= self._failures:
            raise OSError("the disk is full")
        self.reports += reports
        if len(self.reports) >= self._enough:
            self.full.set()


def said(*answers):
    """A gateway to a venue that answers so: each a status and content, or what the network raises."""
    left = list(answers)

    def answer(request):
        found = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(found, Exception):
            raise found
        status, content = found
        return httpx.Response(status, content=content if isinstance(content, bytes) else json.dumps(content).encode())

    return RestGateway("http://venue", "s3cret", transport=httpx.MockTransport(answer), wait=0.0)


def told(name, sequence, **changes):
    report = Report(kind=ReportKind.ACKED, order=name, venue="NYSE", time="2024-03-28T13:30:00Z", sequence=sequence)
    return {**report_content(report), **changes}


def test_it_is_a_gateway(gateway):
    known: Gateway = gateway
    assert known.route == "rest"
    assert known.ready()


def test_a_day_at_the_venue(gateway, book):
    sink = Sink(5)
    gateway.listen(sink, 0)
    gateway.send(order("a"))
    gateway.send(order("bad", 0))
    gateway.send(order("rest", limit=dollars(90)))
    book.advance()
    gateway.cancel(order("rest", limit=dollars(90)))
    assert sink.full.wait(60)
    assert sorted((one.kind.value, one.order) for one in sink.reports) == [
        ("acked", "a"),
        ("acked", "rest"),
        ("canceled", "rest"),
        ("fill", "a"),
        ("rejected", "bad"),
    ]
    assert [one.sequence for one in sink.reports] == [1, 2, 3, 4, 5]
    known = gateway.status("a", void=True)
    assert (known.state, known.filled, known.executions[0].exec_id) == (State.FILLED, 100, "a.1")
    assert gateway.status("nothing", void=False) is None
    assert gateway.holdings("fund").shares == {"AAA": 101}
    with pytest.raises(InputError, match="listens already"):
        gateway.listen(sink, 0)


@pytest.mark.parametrize("name", ["a/b", "../a", "a b&c=d?e#f", "ö%41", ".."])
def test_any_name_that_can_be_printed_travels(gateway, book, name):
    gateway.send(order(name, account=name))
    book.advance()
    assert gateway.status(name, void=False).executions[0].exec_id == f"{name}.1"
    assert gateway.holdings(name).shares == {"AAA": 100}
    gateway.cancel(order(name))
    assert gateway.status(f"{name}2", void=True) is None


def test_a_duplicate_is_no_new_order(gateway):
    gateway.send(order("a"))
    with pytest.raises(UnsureError, match="a is duplicate"):
        gateway.send(order("a"))
    with pytest.raises(UnsureError, match="nothing is unknown"):
        gateway.cancel(order("nothing"))


@pytest.mark.parametrize("fault", ["lose", "disconnect", "drop"])
def test_an_order_without_an_answer_is_unsure_and_goes_out_once(book, fault):
    with answering(book) as address:
        gateway = RestGateway(address, seconds=0.3)
        book.set_faults(Faults(**{fault: 1.0}))
        with pytest.raises(UnsureError, match="ask what became of it"):
            gateway.send(order("a"))
        book.set_faults(Faults())
        known = gateway.status("a", void=True)
        assert (known is not None) == (fault == "lose")
        assert book.standing().sequence == (1 if known else 0)
        gateway.close()


def test_where_nobody_listens_nothing_was_sent():
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    gateway = RestGateway(f"http://127.0.0.1:{port}")
    assert not gateway.ready()
    for action in (gateway.send, gateway.cancel):
        with pytest.raises(NotSentError, match="no connection"):
            action(order("a"))
    with pytest.raises(UnsureError, match="no connection"):
        gateway.status("a", void=True)
    with pytest.raises(UnsureError, match="no connection"):
        gateway.holdings("fund")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("refused"), NotSentError),
        (httpx.ConnectTimeout("slow"), NotSentError),
        (httpx.PoolTimeout("full"), NotSentError),
        (httpx.WriteError("broken pipe"), UnsureError),
        (httpx.WriteTimeout("slow"), UnsureError),
        (httpx.ReadError("reset"), UnsureError),
        (httpx.ReadTimeout("slow"), UnsureError),
        (httpx.RemoteProtocolError("gone"), UnsureError),
        (httpx.DecodingError("garbled"), UnsureError),
    ],
)
def test_what_may_have_left_is_unsure(error, kind):
    with pytest.raises(kind) as raised:
        said(error).send(order("a"))
    assert type(raised.value) is kind
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (200, b"<html>welcome</html>"),
        (200, b""),
        (200, b"\xff\xfe"),
        (200, []),
        (200, {"order": "b", "code": "taken"}),
        (200, {"order": "a", "code": "fine"}),
        (200, {"order": "a", "code": "taken", "more": 1}),
        (200, {"order": "a", "code": "unknown"}),
        (200, {"order": "", "code": "refused"}),
        (202, {"order": "a", "code": "taken"}),
        (500, {"order": "a", "code": "taken"}),
        (301, b""),
        (401, b"no"),
        (404, {"detail": "Not Found"}),
        (409, {"order": "a", "code": "void"}),
        (500, b"Internal Server Error"),
        (503, {"code": "failed", "text": "the disk is full"}),
        (200, b"x" * 8_100_000),
    ],
)
def test_nonsense_is_no_answer_to_an_order(status, content):
    with pytest.raises(UnsureError) as raised:
        said((status, content)).send(order("a"))
    assert len(str(raised.value)) < 700


def test_what_was_refused_unread_was_not_sent():
    refusal = {"order": "", "code": "refused", "text": "a key is needed"}
    with pytest.raises(NotSentError, match="a key is needed"):
        said((401, refusal)).send(order("a"))
    with pytest.raises(NotSentError, match="id"):
        said((200, {})).send(order("a\n"))


@pytest.mark.parametrize(
    "content",
    [
        {"order": "a", "known": True},
        {"order": "a", "known": False, "state": "ACKED"},
        {"order": "b", "known": False},
        {"order": "a", "known": True, "state": "WINE"},
        {"order": "a", "known": True, "state": "FILLED", "filled": -1},
        {"order": "a", "known": True, "state": "FILLED", "filled": 1e3},
        {"detail": "Not Found"},
        b"null",
    ],
)
def test_nonsense_is_no_status(content):
    with pytest.raises(UnsureError):
        said((200, content)).status("a", void=True)


def test_a_missing_page_does_not_say_that_an_order_never_was():
    with pytest.raises(UnsureError, match="answered 404"):
        said((404, {"order": "a", "known": False})).status("a", void=True)


@pytest.mark.parametrize("content", [{"account": "x", "cash": 1, "shares": {}}, {"account": "fund", "cash": "1"}, b"{"])
def test_nonsense_is_no_holding(content):
    with pytest.raises(UnsureError):
        said((200, content)).holdings("fund")


def test_reports_come_again_until_they_are_booked(gateway, book):
    book.submit([order(f"o{k}") for k in range(3)])
    sink = Sink(3, failures=2)
    gateway.listen(sink, 0)
    assert sink.full.wait(60)
    assert sink.calls == [1, 1, 1]
    assert [one.order for one in sink.reports] == ["o0", "o1", "o2"]


def test_listening_survives_disconnections_and_goes_on_from_the_last(book):
    book.submit([order(f"o{k}") for k in range(4)])
    sink = Sink(5)
    with answering(book) as address:
        book.set_faults(Faults(disconnect=0.6, lose=0.3))
        gateway = RestGateway(address, seconds=1.0, wait=0.05)
        gateway.listen(sink, 2)
        book.submit([order("late"), order("later"), order("last")])
        assert sink.full.wait(60)
        gateway.close()
    assert [one.sequence for one in sink.reports] == [3, 4, 5, 6, 7]


def test_reports_are_taken_in_turn_and_once():
    pages = [
        (200, {"last": 3, "reports": [told("c", 3)]}),  # the first is missing
        (200, b"nonsense"),
        (200, {"last": 3, "reports": [told("b", 2), told("a", 1), told("a", 1)]}),
        (200, {"last": 3, "reports": [told("b", 2), told("c", 3)]}),
        (200, {"last": 3, "reports": []}),
    ]
    sink = Sink(3)
    gateway = said(*pages)
    gateway.listen(sink, 0)
    assert sink.full.wait(60)
    gateway.close()
    assert [one.order for one in sink.reports] == ["a", "b", "c"]


def test_what_cannot_be_read_is_given_in_its_place_and_keeps_nothing_back():
    poison = [told("b", 2, quantity=-1), told("b", 2, kind="wine"), {"order": "b", "sequence": 2}]
    for wrong in poison:
        sink = Sink(3)
        gateway = said(
            (200, {"last": 3, "reports": [told("a", 1), wrong, told("c", 3)]}), (200, {"last": 3, "reports": []})
        )
        gateway.listen(sink, 0)
        assert sink.full.wait(60)
        gateway.close()
        assert [one.sequence for one in sink.reports] == [1, 2, 3]
        odd = sink.reports[1]
        assert (odd.order, json.loads(odd.raw)) == ("b", wrong)
        assert odd.why


@pytest.mark.parametrize("nameless", [7, "wine", {"order": "b"}, {"order": "b", "sequence": 9}, told("b", -2)])
def test_what_has_no_number_takes_that_of_which_there_is_none(nameless):
    sink = Sink(3)
    gateway = said(
        (200, {"last": 3, "reports": [told("a", 1), told("c", 3), nameless]}), (200, {"last": 3, "reports": []})
    )
    gateway.listen(sink, 0)
    assert sink.full.wait(60)
    gateway.close()
    # It may be of any order, since another report may be missing.
    assert [(one.order, one.sequence) for one in sink.reports] == [("a", 1), ("", 2), ("c", 3)]


def test_a_venue_that_lost_its_state_is_told(caplog):
    class Heard(logging.Handler):
        def __init__(self):
            super().__init__()
            self.lines, self.one = [], threading.Event()

        def emit(self, record):
            self.lines.append(record.getMessage())
            self.one.set()

    heard = Heard()
    logging.getLogger("quantray.oms").addHandler(heard)
    gateway, sink = said((200, {"last": 2, "reports": []})), Sink(1)
    gateway.listen(sink, 7)
    assert heard.one.wait(60)
    gateway.close()
    logging.getLogger("quantray.oms").removeHandler(heard)
    assert "counts 2 reports where 7 were booked" in heard.lines[0]
    assert sink.calls == []


def test_secrets_are_in_no_message(caplog):
    with caplog.at_level(logging.DEBUG):
        for answer in (httpx.ReadError("reset"), (401, b"no"), (200, b"x")):
            gateway = said(answer)
            with pytest.raises(UnsureError) as raised:
                gateway.send(order("a"))
            assert "s3cret" not in str(raised.value) + repr(gateway)
    assert "s3cret" not in caplog.text


def test_an_address_that_is_none():
    with pytest.raises(InputError, match="is no address of a venue"):
        RestGateway("venue:80")


def test_a_batch_is_answered_order_by_order():
    codes = {"a": "taken", "b": "duplicate", "c": "rejected"}
    answers = [{"order": name, "code": code} for name, code in codes.items()]
    failures = said((200, {"answers": answers})).send_all([order(name) for name in "abc"])
    assert [type(failure) for failure in failures] == [type(None), UnsureError, type(None)]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((200, {"answers": [{"order": "a", "code": "taken"}]}), UnsureError),
        ((200, {"answers": [{"order": n, "code": "taken"} for n in "ba"]}), UnsureError),
        ((500, b"no"), UnsureError),
        ((401, {"order": "", "code": "refused", "text": "a key is needed"}), NotSentError),
        (httpx.ConnectError("nobody there"), NotSentError),
        (httpx.ReadTimeout("no answer"), UnsureError),
    ],
)
def test_what_fails_of_a_batch_fails_of_each_of_its_orders(answer, kind):
    assert [type(failure) for failure in said(answer).send_all([order("a"), order("b")])] == [kind, kind]
