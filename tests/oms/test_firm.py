"""The firm's further limits in the gate: what is refused, what is told, and what the reader of the log finds."""

from collections import Counter

import numpy as np
import pytest
from desks import ANN, OPS, Clock, buy, set_up
from order_books import MARK, code, order, sell, sent, small_books

from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.execution.orders import Side
from quantray.institution.factor_files import whole_factors
from quantray.institution.facts import NameFacts
from quantray.institution.firm_limits import FirmOrder
from quantray.oms.controls import set_limits, set_marks
from quantray.oms.firm import install, passed, prepared
from quantray.oms.gate import Gate
from quantray.oms.hearing import hear
from quantray.oms.messages import MONEY, Report, ReportKind
from quantray.oms.reference import set_factors, set_facts
from quantray.oms.replay import replay_database
from quantray.oms.submission import cancel, submit

FACTS = {"AAA": NameFacts(sector="Energy", adv_shares=10_000), "BBB": NameFacts(sector="Banks", adv_shares=100)}
MODEL = FactorModel(
    np.array([[1.0], [0.5], [1.0]]), np.array([[1e-4]]), np.array([1e-4, 1e-4, 0.0]), np.array(["market"])
)
FACTORS = whole_factors(["AAA", "BBB", "CCC"], MODEL)


def books_with(facts=FACTS, factors=FACTORS, **firm):
    """Small books, in which A1 holds 1,000 shares of AAA; limits of the firm by name."""
    books = small_books(firm_order_value=10**12)
    set_facts(books, OPS, facts)
    if factors is not None:
        set_factors(books, OPS, factors)
    set_limits(books, OPS, {("firm", "", name): value for name, value in firm.items()})
    return books


@pytest.mark.parametrize(
    ("limits", "wrong", "right", "refused"),
    [
        # 1,000 shares are held.
        ({"sector": 1_100 * MARK}, order(quantity=101), order(quantity=100), "sector"),
        ({"factor": 1_100 * MARK}, order(quantity=101), order(quantity=100), "factor"),
        ({"factor": 1_100 * MARK}, order(quantity=210, symbol="BBB"), order(quantity=200, symbol="BBB"), "factor"),
        # 1 % of the market and 1 % of its own, times 2.3263: 3.29 % of 1,100 shares.
        ({"var": 36_189_485}, order(quantity=101), order(quantity=100), "var"),
        ({"liquidity_days": 1}, order(quantity=20, symbol="BBB"), order(quantity=10, symbol="BBB"), "liquidity_days"),
        (
            {"liquidity_days": 1, "participation_bps": 2_000},
            order(quantity=30, symbol="BBB"),
            order(quantity=20, symbol="BBB"),
            "liquidity_days",
        ),
        # 0.5 x 1 % x 1 % of 1.41 % and 1.12 %: 0.316.
        (
            {"correlation_bps": 3_163},
            order(account="B1", quantity=10),
            order(account="B1", symbol="BBB", quantity=10),
            "correlation_bps",
        ),
    ],
)
def test_at_the_limit_and_beyond_it(limits, wrong, right, refused):
    assert code(books_with(**limits), wrong) == refused
    books = books_with(**limits)
    assert code(books, right) == ""
    books.ledger.touched.clear()
    # To the manager it is a limit of the firm, and no more is said.
    found = submit(books_with(**limits), [wrong], ANN)
    assert [each.code for each in found] == (["firm"] if wrong.account == "A1" else ["account"])


def test_open_orders_count_until_they_end():
    books = books_with(sector=1_100 * MARK, var=36_189_485)
    assert code(books, order("O1", 100)) == ""
    assert code(books, order("O2", 1)) == "sector"
    assert cancel(books, "A1/O1", OPS)
    assert code(books, order("O3", 100)) == ""


def test_what_makes_a_line_smaller_passes():
    books = books_with(sector=1, factor=1, var=1, liquidity_days=0, correlation_bps=0)
    assert code(books, sell("O1", 1_000)) == ""


def test_a_price_moves_every_measure():
    books = books_with(factor=1_100 * MARK)
    set_marks(books, OPS, {"AAA": MARK * 11 // 10})
    assert code(books, order(quantity=1, limit=MARK * 11 // 10)) == "factor"


def test_a_basket_that_is_refused_leaves_nothing_counted():
    books = books_with(sector=1_100 * MARK)
    basket = [order("O1", 100), order("O2", 1)]
    assert [each.code for each in submit(books, basket, OPS, all_or_nothing=True)] == ["basket", "sector"]
    assert code(books, order("O3", 100)) == ""


@pytest.mark.parametrize(
    ("limits", "facts", "factors"),
    [
        ({"sector": 10**15}, {}, FACTORS),
        ({"liquidity_days": 100}, {}, FACTORS),
        ({"var": 10**15}, FACTS, None),
        ({"factor": 10**15}, FACTS, None),
        ({"correlation_bps": 10_000}, FACTS, None),
    ],
)
def test_what_nobody_knows_is_not_met(limits, facts, factors):
    books = books_with(facts, factors, **limits)
    assert code(books, order("O1")) == next(iter(limits))
    assert code(books, sell("O2")) == ""


def test_soft_limits_warn_once_and_take_the_order():
    soft = {"warn_sector": 1_050 * MARK, "warn_gross": 1_100 * MARK, "warn_net": 1_100 * MARK}
    books = books_with(**soft, warn_single_name=1_200 * MARK)
    assert code(books, order("O1", 50)) == ""
    assert books.alerts == []
    assert code(books, order("O2", 50)) == ""
    assert [each.text for each in books.alerts] == ["sector of Energy is above its soft limit"]
    assert code(books, order("O3", 50), order("O4", 51)) == ""
    assert [each.text for each in books.alerts[1:]] == [
        "gross is above its soft limit",
        "net is above its soft limit",
        "single_name of AAA is above its soft limit",
    ]
    assert {each.kind for each in books.alerts} == {"limit"}


def test_a_soft_limit_that_cannot_be_measured_is_told():
    books = books_with({}, warn_liquidity_days=3)
    assert code(books, order()) == ""
    assert books.alerts[0].text == "liquidity_days of AAA: its volume is unknown"


@pytest.mark.parametrize(
    ("done", "text"),
    [
        (lambda books: set_limits(books, OPS, {("sector", "Enrgy", "gross"): 1}), "no sector 'Enrgy'; did you mean"),
        (
            lambda books: set_limits(books, OPS, {("factor", "size", "exposure"): 1}),
            "no factor 'size'; there are market",
        ),
        (lambda books: set_limits(books, OPS, {("sector", "Energy", "net"): 1}), "limit sector net is none of"),
        (lambda books: set_facts(books, OPS, {"XYZ": NameFacts()}), "symbol 'XYZ' is not listed"),
        (lambda books: set_facts(books, OPS, {"AAA": NameFacts(sector="Oil")}), "there is no sector 'Energy'"),
    ],
)
def test_what_is_refused_changes_nothing(done, text):
    books = books_with()
    set_limits(books, OPS, {("sector", "Energy", "gross"): 1_100 * MARK})
    before = books.changes.chain.seq, dict(books.ledger.limits), dict(books.ledger.facts)
    with pytest.raises(InputError, match=text):
        done(books)
    assert (books.changes.chain.seq, books.ledger.limits, books.ledger.facts) == before
    assert code(books, order(quantity=101)) == "sector"


def test_nothing_is_watched_where_nothing_is_set():
    books = books_with()
    assert books.ledger.firm is None
    assert code(books, order()) == ""
    assert books.ledger.touched == set()
    sent(books)


def test_read_back_and_replayed(url):
    limits = {"sector": 10**12, "var": 10**12, "factor": 10**12, "liquidity_days": 50, "correlation_bps": 9_999}
    facts = FACTS | {"CCC": NameFacts(sector="Banks", adv_shares=10**6, market_cap="1.5")}

    def firm(books):
        set_facts(books, OPS, facts)
        set_factors(books, OPS, FACTORS)
        set_limits(books, OPS, {("firm", "", name): value for name, value in limits.items()})
        set_limits(
            books, OPS, {("sector", "Energy", "gross"): 60_000 * MONEY, ("factor", "market", "exposure"): 10**11}
        )

    with Gate(url, clock=Clock()) as gate:
        gate.do(set_up)
        gate.do(firm)
        assert [each.code for each in gate.submit([buy("O1", 100), buy("O2", 200)], ANN)] == ["", "firm"]
    with Gate(url, clock=Clock()) as gate:
        assert [each.code for each in gate.submit([buy("O3", 101), buy("O4", 100)], OPS)] == ["sector", ""]
        assert gate.do(lambda books: (books.ledger.facts, books.ledger.factors)) == (facts, FACTORS)
        # The same again is nothing new.
        before = gate.do(lambda books: books.changes.chain.seq)
        gate.do(lambda books: (set_facts(books, OPS, facts), set_factors(books, OPS, FACTORS)))
        assert gate.do(lambda books: books.changes.chain.seq) == before
    assert replay_database(url).findings == ()


def test_a_gate_that_forgot_them_is_seen(tmp_path):
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    limits = {"sector": 1_050 * 50 * MONEY, "factor": 1_050 * 50 * MONEY, "var": 10**7, "liquidity_days": 1}

    def firm(books):
        set_facts(books, OPS, FACTS)
        set_factors(books, OPS, whole_factors(["AAA"], MODEL.select(np.array([0]))))
        set_limits(books, OPS, {("firm", "", name): value for name, value in limits.items()})
        set_limits(books, OPS, {("firm", "", "correlation_bps"): 5_000})
        books.ledger.firm = None

    with Gate(url, clock=Clock()) as gate:
        gate.do(set_up)
        gate.do(firm)
        gate.submit([buy("O1"), buy("O2", 1, account="B1"), buy("O3", 1, symbol="BBB"), buy("O4", symbol="CCC")], OPS)
    texts = [each.text for each in replay_database(url).findings]
    assert texts[:3] == [
        "sector Energy is 550,000,000 and may be 525,000,000 with buy 100 AAA",
        "shares for liquidity_days is 1,100 and may be 1,000 with buy 100 AAA",
        "factor market is 550,000,000 and may be 525,000,000 with buy 100 AAA",
    ]
    assert "the square of var is" in texts[3]
    assert "correlation with ann is 100,000,000 and may be 25,000,000 with buy 1 AAA" in texts
    assert "shares for liquidity_days is 1,001 and may be 10 with buy 1 BBB" in texts
    assert "buy 1 BBB was accepted, whose factors nobody knows" in texts
    assert {f"buy 100 CCC was accepted, whose {it} nobody knows" for it in ("sector", "volume", "factors")} <= {*texts}


def test_whatever_happens_sums_are_those_of_a_full_count_and_the_reader_agrees(tmp_path):
    random, url, seen = np.random.default_rng(6), f"sqlite:///{tmp_path / 'orders.db'}", Counter()
    limits = {"sector": 1_200, "factor": 1_750, "var": 48, "liquidity_days": 50, "correlation_bps": 9_900}
    units = {"sector": 50 * MONEY, "factor": 50 * MONEY, "var": 50 * MONEY}

    def day(books):
        set_facts(books, OPS, FACTS | {"CCC": NameFacts(sector="Banks", adv_shares=10**6)})
        set_factors(books, OPS, FACTORS)
        set_limits(books, OPS, {("firm", "", name): v * units.get(name, 1) for name, v in limits.items()})
        for i in range(300):
            symbol, account = ("AAA", "BBB", "CCC")[random.integers(3)], ("A1", "B1")[random.integers(2)]
            side = Side.BUY if random.random() < 0.6 else Side.SELL
            new = buy(f"O{i}", int(random.integers(1, 200)), account=account, symbol=symbol, side=side, limit=None)
            seen[submit(books, [new], OPS)[0].code] += 1
            live = list(books.ledger.live.values())
            if random.random() < 0.5 and live:
                cancel(books, live[random.integers(len(live))].order.id, OPS)
            if random.random() < 0.5:
                sent(books)
                hear(books, [filled(it, i) for it in books.ledger.live.values() if it.route and not it.canceling][:2])
            if random.random() < 0.2:
                set_marks(books, OPS, {symbol: int(random.integers(450, 550)) * 1_000})
            if i % 25 == 0:
                assert counted(books) == anew(books)

    with Gate(url, clock=Clock()) as gate:
        gate.do(set_up)
        gate.do(day)
    assert replay_database(url).findings == ()
    assert {"", *limits} <= set(seen), seen
    assert seen[""] > 60


def filled(record, i):
    name, quantity = record.order.id, max(record.remaining // 2, 1)
    return Report(
        kind=ReportKind.FILL,
        order=name,
        venue="NYSE",
        exec_id=f"{name}.{i}",
        quantity=quantity,
        price=50 * MONEY,
        time=f"2026-03-02T17:00:{i % 60:02}Z",
    )


def counted(books):
    """The sums as they were kept up."""
    passed(books.ledger, FirmOrder("ann", "AAA", 0, 0, 0, 0, 0))
    sums = books.ledger.firm.exposures
    pairs = {(a, b): sums.together.covariances[a, b] for a, b in (("ann", "ann"), ("ann", "bob"), ("bob", "bob"))}
    return {k: v for k, v in sums.sectors.items() if v}, sums.sizes(), sums.variance(), pairs


def anew(books):
    ledger, kept = books.ledger, (books.ledger.firm, books.ledger.touched)
    install(ledger, prepared(ledger))
    found = counted(books)
    ledger.firm, ledger.touched = kept
    return found
