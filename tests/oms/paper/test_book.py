import random
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from paper_market import PLACES, costly, dollars, flat_bars, order, rules

from quantray.errors import DataError, InputError
from quantray.execution.orders import Side
from quantray.oms.messages import Holdings, ReportKind
from quantray.oms.paper.book import Book
from quantray.oms.paper.faults import CRASHED, Faults
from quantray.oms.states import ENDED, State

BARS = flat_bars()


@pytest.fixture
def open_book(tmp_path):
    """Opens a book in one folder, again and again; all are closed in the end."""
    opened = []

    def at(name="book", bars=BARS, **given):
        given.setdefault("rules", rules())
        opened.append(Book(bars, tmp_path / name, **given))
        return opened[-1]

    yield at
    for book in opened:
        book.close()


def told(book, after=0):
    return [(report.kind.value, report.order) for report in book.reports(after)]


def test_a_day_of_two_orders(open_book):
    book = open_book(openings={"fund": Holdings(dollars(500_000), {"BBB": 300})})
    answers = book.submit([order("buy", 3000), order("sell", 100, Side.SELL, symbol="BBB")])
    assert [answer.code for answer in answers] == ["taken", "taken"]
    assert told(book) == [("acked", "buy"), ("acked", "sell")]
    assert book.advance() == 1
    # 2,500 shares are a fifth of the bar's volume and ours; the fee is 30 units of money a share.
    first = book.status("buy")
    assert (first.state, first.filled) == (State.PARTIAL, 2500)
    assert book.status("sell").state is State.FILLED
    held = book.holdings("fund")
    assert held.shares == {"AAA": 2500, "BBB": 200}
    assert held.cash == dollars(500_000) - 2400 * dollars(100) - 2600 * 30
    assert book.advance(to=4) == 4
    assert book.status("buy").state is State.FILLED
    assert [report.exec_id for report in book.status("buy").executions] == ["buy.1", "buy.2"]
    assert book.reports(0)[2].time.startswith("2024-03-28T13:")
    assert [report.sequence for report in book.reports(0)] == [1, 2, 3, 4, 5]
    assert book.standing().working == 0


def test_what_is_refused_is_noted_and_told(open_book):
    book = open_book()
    bad = {
        "symbol": order("symbol", symbol="ZZZ"),
        "venue": order("venue", venue="MARS"),
        "shares": order("shares", 0),
        "tick": order("tick", limit=dollars(100.005)),
        "old": order("old", replaces="nothing"),
    }
    answers = book.submit(list(bad.values()))
    assert {answer.code for answer in answers} == {"rejected"}
    assert [answer.text for answer in answers] == [
        "ZZZ is not traded here",
        "MARS is no venue here",
        "0 shares are none",
        "limit 1000050 is no positive multiple of 100",
        "nothing cannot be replaced: it is not known",
    ]
    assert told(book) == [("rejected", name) for name in bad]
    assert book.status("tick").state is State.REJECTED
    book.advance(to=4)
    assert book.submit([order("late")])[0].text == "the market is closed"


def test_an_id_is_taken_once(open_book):
    book = open_book()
    codes = [book.submit([order("o", n)])[0].code for n in (100, 100, 200)]
    assert codes == ["taken", "duplicate", "duplicate"]
    assert [a.code for a in book.submit([order("p"), order("p")])] == ["taken", "duplicate"]
    assert told(book) == [("acked", "o"), ("acked", "p")]
    book.cancel("o")
    assert book.submit([order("o")])[0].code == "duplicate"


def test_a_tombstone_refuses_what_comes_late(open_book):
    book = open_book()
    assert book.status("o") is None
    assert book.status("o", void=True) is None
    assert book.status("o", void=True) is None
    assert book.submit([order("o")])[0].code == "void"
    book.submit([order("p")])
    assert book.status("p", void=True).state is State.ACKED
    book.close()
    again = open_book()
    assert again.submit([order("o")])[0].code == "void"
    assert told(again) == [("acked", "p")]


def test_cancelling(open_book):
    book = open_book()
    book.submit([order("o", 5000)])
    book.advance()
    assert book.cancel("o")
    assert book.status("o").state is State.CANCELED
    assert book.reports(2)[0].filled == 2500
    assert book.cancel("o")
    assert book.reports(3)[0].text == "the order is CANCELED"
    assert not book.cancel("unknown")
    assert told(book)[2:] == [("canceled", "o"), ("cancel_rejected", "o")]
    book.advance()
    assert book.holdings("fund").shares == {"AAA": 2500}


def test_replacing_ends_one_as_the_other_is_taken_or_does_nothing(open_book):
    book = open_book()
    book.submit([order("a", limit=dollars(90))])
    book.submit([order("b", limit=dollars(91), replaces="a")])
    assert told(book) == [("acked", "a"), ("canceled", "a"), ("acked", "b")]
    assert book.reports(1)[0].text == "replaced by b"
    for wrong in (
        order("c", limit=1_000_001, replaces="b"),
        order("d", replaces="a"),
        order("e", side=Side.SELL, replaces="b"),
        order("f", account="other", replaces="b"),
    ):
        assert book.submit([wrong])[0].code == "rejected"
    assert book.status("b").state is State.ACKED
    assert book.status("a").state is State.CANCELED


def test_immediate_orders_have_one_bar_and_days_end(open_book):
    book = open_book(bars=flat_bars(days=2))
    book.submit(
        [order("ioc", 9000, tif="IOC"), order("rest", limit=dollars(90)), order("never", 1, tif="IOC", limit=1)]
    )
    book.advance()
    assert (book.status("ioc").state, book.status("ioc").filled) == (State.CANCELED, 2500)
    assert book.status("never").state is State.CANCELED
    assert book.status("rest").state is State.ACKED
    book.advance()
    assert book.status("rest").state is State.EXPIRED
    assert book.submit([order("tomorrow", limit=dollars(90))])[0].code == "taken"


def test_busts_and_corrections(open_book):
    book = open_book(openings={"fund": Holdings(dollars(1000))})
    book.submit([order("o", 100)])
    book.advance()
    correction = book.correct("o.1", quantity=60, price=dollars(99))
    assert correction == "o.2"
    assert book.holdings("fund") == Holdings(dollars(1000) - 60 * dollars(99) - 60 * 30, {"AAA": 60})
    report = book.reports(2)[0]
    assert (report.kind, report.refers, report.quantity, report.filled) == (ReportKind.CORRECT, "o.1", 60, 60)
    assert book.bust("o.1") == "o.3"
    assert book.holdings("fund") == Holdings(dollars(1000))
    assert book.status("o").state is State.FILLED
    assert book.status("o").filled == 0
    for wrong in (lambda: book.bust("o.1"), lambda: book.bust("x"), lambda: book.correct("o.2", quantity=1, price=1)):
        with pytest.raises(InputError, match="no fill that stands"):
            wrong()
    book.close()
    again = open_book()
    assert again.holdings("fund") == Holdings(dollars(1000))
    assert len(again.status("o").executions) == 3


def test_a_correction_cannot_fill_more_than_was_ordered(open_book):
    book = open_book()
    book.submit([order("o", 3000)])
    book.advance()
    with pytest.raises(InputError, match="at most 3000"):
        book.correct("o.1", quantity=3001, price=1)
    with pytest.raises(InputError, match="must be positive"):
        book.correct("o.1", quantity=1, price=0)
    book.correct("o.1", quantity=2900, price=dollars(100))
    book.advance()
    assert book.status("o").filled == 3000
    assert book.bust("o.3") == "o.4"
    book.advance()
    assert book.status("o").filled == 2900


def test_a_book_goes_on_where_it_was(open_book):
    book = open_book(bars=flat_bars(impact=costly()), openings={"fund": Holdings(1, {"AAA": 5})})
    book.submit([order("a", 4000), order("b", 100, limit=dollars(90))])
    book.advance()
    before = (book.standing(), book.reports(0), book.holdings("fund"), [book.status(o) for o in "ab"])
    again = open_book(bars=flat_bars(impact=costly()))
    assert (again.standing(), again.reports(0), again.holdings("fund"), [again.status(o) for o in "ab"]) == before
    again.advance()
    straight = open_book("other", bars=flat_bars(impact=costly()))
    straight.submit([order("b", 100, limit=dollars(90)), order("a", 4000)])
    straight.advance(to=2)
    assert again.status("a") == straight.status("a")
    assert again.accounts() == ("fund",)


@pytest.mark.parametrize("seed", range(3))
def test_the_same_orders_and_bars_give_the_same_fills(open_book, seed):
    chance = random.Random(seed)
    bars = flat_bars([(100, 102, 98, 101), (101, 101, 99, 100), (100, 103, 100, 102)], 40_000, impact=costly())
    by_bar = [
        [
            order(
                f"o{bar}-{k}",
                chance.randint(1, 3000),
                chance.choice(list(Side)),
                limit=chance.choice([None, None, dollars(99), dollars(102)]),
                venue=chance.choice(sorted(PLACES)),
                tif=chance.choice(["DAY", "IOC"]),
            )
            for k in range(8)
        ]
        for bar in range(3)
    ]
    strange = Faults(duplicate=0.3, overtake=0.3)
    plain, busy = open_book("plain", bars=bars), open_book("busy", bars=bars, faults=strange)
    for orders in by_bar:
        plain.submit(orders)
        plain.advance()
        for one in chance.sample(orders, len(orders)):
            busy.submit([one])
            busy.status(chance.choice(orders).id)
            busy.reports(chance.randint(0, 5))
        busy.close()
        busy = open_book("busy", bars=bars, faults=strange)
        busy.advance()
        busy.release()
    names = [one.id for orders in by_bar for one in orders]
    assert [busy.status(name) for name in names] == [plain.status(name) for name in names]
    assert busy.holdings("fund") == plain.holdings("fund")
    assert sum(len(plain.status(name).executions) for name in names) > 8


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"bars": flat_bars(volume=5)}, "other bars"),
        ({"rules": rules(seed=9)}, "other rules"),
        ({"openings": {"fund": Holdings(2)}}, "other openings"),
    ],
)
def test_a_book_does_not_go_on_in_another_market(open_book, given, said):
    open_book(openings={"fund": Holdings(1)})
    with pytest.raises(InputError, match=said):
        open_book(**given)


def test_what_cannot_be_kept_was_not_taken(open_book, monkeypatch):
    book = open_book()
    book.submit([order("a")])

    def full(_changes):
        raise DataError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(book._keeping, "commit", full)
        for change in (lambda: book.submit([order("b")]), book.advance, lambda: book.status("v", void=True)):
            with pytest.raises(DataError, match="full"):
                change()
    assert book.status("b") is None
    assert book.standing().bar == 0
    assert book.submit([order("v")])[0].code == "taken"
    assert told(book) == [("acked", "a"), ("acked", "v")]


def test_a_file_of_something_else(tmp_path):
    (tmp_path / "book").write_text("no database" * 100)
    with pytest.raises(DataError, match="not a database"):
        Book(BARS, tmp_path / "book")


class Crash(Exception):  # noqa: N818
    pass


def crash(code):
    assert code == CRASHED
    raise Crash


@pytest.mark.parametrize(("point", "kept"), [("before commit", False), ("after commit", True)])
def test_a_crash_at_a_point(open_book, point, kept):
    book = open_book(end=crash)
    book.set_faults(Faults(crash=point, crash_after=2))
    book.submit([order("a")])
    with pytest.raises(Crash):
        book.submit([order("b")])
    again = open_book()
    assert (again.status("b") is not None) == kept
    assert again.status("a").state is State.ACKED


def test_orders_are_rejected_by_chance_of_their_own(open_book):
    orders = [order(f"o{k}") for k in range(60)]
    one, other = (open_book(name, faults=Faults(reject=0.3)) for name in "ab")
    codes = {answer.order: answer.code for answer in one.submit(orders)}
    assert 5 < Counter(codes.values())["rejected"] < 35
    assert {answer.order: answer.code for answer in other.submit(orders[::-1])} == codes


def test_reports_come_twice(open_book):
    book = open_book(faults=Faults(duplicate=1))
    book.submit([order("o")])
    book.advance()
    reports = book.reports(0)
    assert told(book) == [("acked", "o")] * 2 + [("fill", "o")] * 2
    assert [report.exec_id for report in reports] == ["", "", "o.1", "o.1"]
    assert [report.sequence for report in reports] == [1, 2, 3, 4]
    assert len(book.status("o").executions) == 1
    assert book.holdings("fund").shares == {"AAA": 100}
    again = open_book()
    assert (again.reports(0), again.holdings("fund")) == (reports, book.holdings("fund"))


def test_reports_overtake_one_another(open_book):
    book = open_book(faults=Faults(overtake=1))
    book.submit([order("o")])
    assert told(book) == []
    book.set_faults(Faults())
    again = open_book()
    again.advance()
    assert told(again) == [("fill", "o"), ("acked", "o")]
    again.set_faults(Faults(overtake=1))
    again.submit([order("p", 0)])
    again.release()
    assert told(again, 2) == [("rejected", "p")]
    assert told(open_book()) == told(again)


def test_watchers_hear_of_reports_only(open_book):
    book, heard = open_book(), []
    book.watch(lambda: heard.append(book.standing().sequence))
    book.status("v", void=True)
    book.advance()
    assert heard == []
    book.submit([order("o")])
    assert heard == [1]


SIDES = {"buy": 1, "sell": -1, "sell_short": -1}


class Day(RuleBasedStateMachine):
    """Orders, cancellations, bars, busts, crashes and polls in any order keep the books straight."""

    def __init__(self):
        super().__init__()
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.bars = flat_bars([(100, 102, 98, 101)] * 6, impact=costly(), days=2)
        self.orders = {}
        self.open()

    def open(self):
        from pathlib import Path

        opened = {"fund": Holdings(dollars(1000), {"AAA": 10})}
        self.book = Book(self.bars, Path(self.folder.name) / "book", rules=rules(), openings=opened)

    def teardown(self):
        self.book.close()
        self.folder.cleanup()

    @rule(
        side=st.sampled_from(Side),
        quantity=st.integers(1, 4000),
        limit=st.sampled_from([None, 97, 99, 100, 103]),
        tif=st.sampled_from(["DAY", "IOC"]),
        venue=st.sampled_from(sorted(PLACES)),
        account=st.sampled_from(["fund", "other"]),
    )
    def submits(self, side, quantity, limit, tif, venue, account):
        limit = limit and dollars(limit)
        one = order(f"o{len(self.orders)}", quantity, side, limit=limit, tif=tif, venue=venue, account=account)
        answer = self.book.submit([one])[0]
        self.orders[one.id] = one
        assert answer.code == ("taken" if self.book.standing().bar < 6 else "rejected")
        assert self.book.submit([one])[0].code == "duplicate"

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def cancels(self, data):
        assert self.book.cancel(data.draw(st.sampled_from(sorted(self.orders))))

    @rule()
    def passes_time(self):
        self.book.advance()

    @rule()
    def is_killed(self):
        self.book.close()
        before = (self.book.standing(), self.book.reports(0), self.book.holdings("fund"))
        self.open()
        assert (self.book.standing(), self.book.reports(0), self.book.holdings("fund")) == before

    @precondition(lambda self: any(r.kind is ReportKind.FILL for r in self.book.reports(0)))
    @rule(data=st.data(), share=st.integers(0, 2))
    def is_mended(self, data, share):
        fills = [report for report in self.book.reports(0) if report.kind is ReportKind.FILL]
        fill = data.draw(st.sampled_from(fills))
        gone = any(r.kind is ReportKind.BUST and r.refers == fill.exec_id for r in self.book.reports(0))
        if gone:
            return
        if share == 0:
            self.book.bust(fill.exec_id)
        else:
            self.book.correct(fill.exec_id, quantity=max(fill.quantity // share, 1), price=fill.price + 7)

    @invariant()
    def executions_explain_what_is_held(self):
        now, held = {}, {"fund": Counter({"": dollars(1000), "AAA": 10}), "other": Counter()}
        for report in self.book.reports(0, 10**6):
            if report.exec_id:
                now[report.refers or report.exec_id] = report
        for report in now.values():
            one = self.orders[report.order]
            signed = SIDES[one.side.value] * report.quantity
            held[one.account][one.symbol] += signed
            held[one.account][""] -= signed * report.price + report.fee
        for account, amounts in held.items():
            found = self.book.holdings(account)
            assert found.cash == amounts[""]
            assert dict(found.shares) == {s: n for s, n in amounts.items() if s and n}

    @invariant()
    def orders_are_filled_no_further_than_they_go(self):
        filled = Counter()
        now = {r.refers or r.exec_id: r for r in self.book.reports(0, 10**6) if r.exec_id}
        for report in now.values():
            filled[report.order] += report.quantity
        for name, one in self.orders.items():
            status = self.book.status(name)
            assert status.filled == filled[name] <= one.quantity
            if self.book.standing().bar in (3, 6) and self.book.standing().working == 0:
                assert status.state in ENDED

    @invariant()
    def reports_are_numbered_without_a_gap(self):
        numbers = [report.sequence for report in self.book.reports(0, 10**6)]
        assert numbers == list(range(1, len(numbers) + 1))


Day.TestCase.settings = settings(
    max_examples=6, stateful_step_count=16, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestDay = Day.TestCase
