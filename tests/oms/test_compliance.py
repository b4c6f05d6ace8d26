"""Rules of compliance in the gate: refused, told, overridden by two, read back, and seen by the reader of the log."""

from collections import Counter
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from desks import ANN as A_MANAGER
from desks import OPS, Clock, buy, set_up
from order_books import ANN, MARK, code, order, sell, short, small_books

from quantray.errors import InputError
from quantray.execution.orders import Side
from quantray.institution.facts import NameFacts
from quantray.institution.overrides import Override
from quantray.institution.rules import (
    AssetClasses,
    Leverage,
    Locate,
    MarketCap,
    Position,
    Prohibited,
    Scope,
    SectorCap,
)
from quantray.oms.block_records import Block
from quantray.oms.blocks import place_block
from quantray.oms.changes import Actor
from quantray.oms.compliance import set_kinds, set_rules, sign_override, withdraw_override
from quantray.oms.controls import list_instruments, set_marks, transfer
from quantray.oms.documents import keep
from quantray.oms.firm import worth_of
from quantray.oms.gate import Gate
from quantray.oms.messages import MONEY
from quantray.oms.reference import set_facts
from quantray.oms.replay import replay_database
from quantray.oms.submission import cancel, submit

CAT, DAN = Actor("cat"), Actor("dan")
FACTS = {"AAA": NameFacts(asset_class="equity", market_cap=Decimal(10**9)), "BBB": NameFacts()}
UNTIL = date(2026, 3, 4)


def books_with(*rules, facts=FACTS, **limits):
    """A1 holds 1,000 shares of AAA at 100 and a million in cash, 1,100,000 in all."""
    books = small_books(firm_order_value=10**12, **limits)
    set_facts(books, OPS, facts)
    set_rules(books, OPS, rules)
    return books


def cap(**more):
    return Position(id="cap", kind="position", at_most=Decimal("0.1"), **more)


@pytest.mark.parametrize(
    ("rule", "wrong", "right"),
    [
        (Prohibited(id="r", kind="prohibited", symbols=("AAA",)), order(), sell()),
        (Prohibited(id="r", kind="prohibited", symbols=("AAA",)), order(), order(symbol="BBB")),
        (AssetClasses(id="r", kind="asset_class", allowed=("equity",)), order(symbol="BBB"), order()),
        (AssetClasses(id="r", kind="asset_class", prohibited=("equity",)), order(), sell()),
        (MarketCap(id="r", kind="market_cap", at_least=Decimal(10**9 + 1)), order(), sell()),
        (MarketCap(id="r", kind="market_cap", at_least=Decimal(10**9)), order(symbol="BBB"), order()),
        # 110,000 is a tenth of it: 1,100 shares.
        (cap(), order(quantity=101), order(quantity=100)),
        (cap(), order(symbol="BBB", quantity=1_110), order(symbol="BBB", quantity=1_100)),
        (cap(scope=Scope(symbols=("AAA",))), order(quantity=101), order(symbol="BBB", quantity=1_110)),
        # 100,000 are held: 10,000 more are a tenth.
        (
            Leverage(id="r", kind="leverage", at_most=Decimal("0.1")),
            order(symbol="BBB", quantity=110),
            order(quantity=100),
        ),
    ],
)
def test_at_the_limit_and_beyond_it(rule, wrong, right):
    assert code(books_with(rule), wrong) == "compliance"
    assert code(books_with(rule), right) == ""
    assert submit(books_with(rule), [wrong], ANN)[0].text == "a rule of compliance"


def test_a_short_sale_counts_at_its_size():
    books = books_with(Prohibited(id="r", kind="prohibited", symbols=("AAA",)))
    assert code(books, sell("O1", 1_000)) == ""
    assert code(books, short("O2", 1)) == "compliance"


def test_open_orders_count_and_prices_move_it():
    books = books_with(cap())
    assert code(books, order("O1", 100)) == ""
    assert code(books, order("O2", 1)) == "compliance"
    assert code(books, order("O3", 1, account="A2")) == ""


@pytest.mark.parametrize(
    ("scope", "refused"),
    [
        (Scope(pms=("bob",)), False),
        (Scope(accounts=("A1",)), True),
        (Scope(kinds=("margin",)), True),
        (Scope(kinds=("cash",)), False),
        (Scope(asset_classes=("etf",)), False),
    ],
)
def test_whom_it_binds(scope, refused):
    facts = FACTS | {"BBB": NameFacts(asset_class="etf")}
    books = books_with(facts=facts)
    set_kinds(books, OPS, {"A1": "margin"})
    set_rules(books, OPS, [cap(scope=scope)])
    assert code(books, order(quantity=101)) == ("compliance" if refused else "")


def test_an_account_of_no_known_kind_may_be_of_any():
    assert code(books_with(cap(scope=Scope(kinds=("cash",)))), order(quantity=101)) == "compliance"


def test_only_while_in_force():
    assert code(books_with(cap(effective=date(2026, 3, 3))), order(quantity=101)) == ""
    assert code(books_with(cap(expires=date(2026, 3, 1))), order(quantity=101)) == ""


def test_a_warning_tells_and_takes_the_order():
    books = books_with(cap(severity="warn"), Prohibited(id="p", kind="prohibited", symbols=("AAA",), severity="report"))
    assert code(books, order("O1", 101), order("O2", 1)) == ""
    assert [(it.kind, it.entity, it.text) for it in books.alerts] == [
        ("compliance", "A1", "rule 'cap' is broken by an order of AAA")
    ]


def test_a_refusal_is_told_with_its_rule_and_without_numbers():
    books = books_with(MarketCap(id="large", kind="market_cap", at_least=Decimal(1)))
    assert code(books, order(symbol="BBB")) == "compliance"
    assert books.alerts[0].text == "rule 'large' cannot be checked by an order of BBB"


def signed_by(*people, books, **more):
    asked = {"rule": "cap", "account": "A1", "reason": "merger", "expires": UNTIL} | more
    for person in people:
        last = sign_override(books, person, Override(**asked))
    return last


def test_two_sign_and_it_passes_until_it_is_withdrawn():
    books = books_with(cap(may_override=("cat", "dan", "ann")))
    signed_by(CAT, books=books, symbol="AAA")
    assert code(books, order("O1", 101)) == "compliance"
    assert signed_by(DAN, books=books, symbol="AAA").signatures == ("cat", "dan")
    assert code(books, order("O2", 101)) == ""
    assert code(books, order("O3", 1_110, symbol="BBB")) == "compliance"
    withdraw_override(books, OPS, "cap", "A1", "AAA")
    assert code(books, order("O4", 1)) == "compliance"


@pytest.mark.parametrize(
    ("done", "text"),
    [
        (lambda books: signed_by(CAT, CAT, books=books), "'cat' has signed it already"),
        (lambda books: signed_by(ANN, books=books), "is or acts for the portfolio manager concerned"),
        (lambda books: signed_by(Actor("cat", "ann"), books=books), "is or acts for the portfolio manager concerned"),
        (lambda books: signed_by(OPS, books=books), "'ops' may not sign it; cat, dan, ann may"),
        (lambda books: signed_by(CAT, books=books, expires=date(2026, 3, 1)), "expired on 2026-03-01"),
        (lambda books: signed_by(CAT, books=books, rule="cop"), "no rule 'cop' to override; there are cap"),
        (lambda books: signed_by(CAT, books=books, account="A9"), "no account 'A9'"),
        (lambda books: signed_by(CAT, books=books, symbol="XYZ"), "symbol 'XYZ' is not listed"),
        (lambda books: (signed_by(CAT, books=books), signed_by(DAN, books=books, reason="x")), "is there already"),
        (lambda books: withdraw_override(books, ANN, "cap", "A1"), "no override of 'cap' for A1 that you may withdraw"),
        (lambda books: set_kinds(books, OPS, {"A1": "crypto"}), "of no kind 'crypto'; give one of cash, margin"),
        (lambda books: set_rules(books, OPS, [cap(scope=Scope(accounts=("A9",)))]), "no account 'A9'; did you mean"),
        (
            lambda books: set_rules(books, OPS, [Prohibited(id="p", kind="prohibited", symbols=("XYZ",))]),
            "rule 'p': there is no symbol 'XYZ'",
        ),
        (
            lambda books: set_rules(books, OPS, [SectorCap(id="s", kind="sector", at_most=Decimal(1))]),
            "rule 's': no order can be held against sector; leave it to the report of the day",
        ),
        (lambda books: set_rules(books, OPS, [Locate(id="l", kind="locate")]), "no order can be held against locate"),
        (lambda books: set_rules(books, OPS, [cap(), cap()]), "two rules are called 'cap'"),
    ],
)
def test_what_is_refused_lets_nothing_pass(done, text):
    books = books_with(cap(may_override=("cat", "dan", "ann")))
    with pytest.raises(InputError, match=text):
        done(books)
    assert code(books, order(quantity=101)) == "compliance"
    assert books.ledger.rules.keys() == {"cap"}


def test_nothing_is_watched_without_rules():
    books = books_with(cap())
    set_rules(books, OPS, [])
    assert not books.ledger.watched
    assert code(books, order(quantity=101)) == ""


def test_an_account_that_may_not_is_left_out_of_a_block():
    books = books_with(cap(scope=Scope(accounts=("A1",))), firm_order_shares=10**6)
    block = Block(id="ann.block/K1", symbol="AAA", side=Side.BUY, demands={"A1": 101, "A2": 100}, limit=MARK)
    decision = place_block(books, ANN, block)
    assert decision.accepted
    assert [(it.account, it.reason) for it in books.blocks.records["ann.block/K1"].left_out] == [("A1", "compliance")]
    # Of the account of the block itself a part of net asset value says nothing.
    set_rules(books, OPS, [cap()])
    assert code(books, order("O1", 100, account="ann.block", parent="K1")) == ""


def rules_of(books):
    set_facts(books, OPS, FACTS)
    set_kinds(books, OPS, {"A1": "margin"})
    set_rules(books, OPS, RULES)


RULES = (
    # A1 has 1,050,000 in all, of which 1,000 shares of AAA are 50,000.
    Position(id="cap", kind="position", at_most=Decimal("0.05"), may_override=("cat", "dan")),
    Leverage(id="low", kind="leverage", at_most=Decimal("0.06"), scope=Scope(kinds=("margin",))),
    Prohibited(id="no CCC", kind="prohibited", symbols=("CCC",), expires=date(2027, 1, 1)),
    AssetClasses(id="equity", kind="asset_class", allowed=("equity",), scope=Scope(symbols=("BBB",))),
    MarketCap(id="large", kind="market_cap", at_least=Decimal(5), scope=Scope(asset_classes=("fixed income", "etf"))),
)


def test_read_back_and_replayed(url):
    with Gate(url, clock=Clock()) as gate:
        gate.do(set_up)
        gate.do(
            lambda books: set_facts(books, OPS, {"AAA": NameFacts(asset_class="fixed income", market_cap=Decimal(9))})
        )
        gate.do(rules_of)
        codes = [it.code for it in gate.submit([buy("O1", 50), buy("O2", 1), buy("O3", symbol="CCC")], A_MANAGER)]
        assert codes == ["", "compliance", "compliance"]
        gate.do(lambda books: signed_by(CAT, DAN, books=books))
    with Gate(url, clock=Clock()) as gate:
        assert gate.do(lambda books: tuple(books.ledger.rules.values())) == RULES
        assert gate.submit([buy("O4", 10)], A_MANAGER)[0].accepted
        gate.do(lambda books: withdraw_override(books, OPS, "cap", "A1"))
        gate.do(lambda books: set_rules(books, OPS, RULES[:1]))
        assert gate.submit([buy("O5", 10)], A_MANAGER)[0].code == "compliance"
        before = gate.do(lambda books: books.changes.chain.seq)
        gate.do(lambda books: set_rules(books, OPS, RULES[:1]))
        assert gate.do(lambda books: books.changes.chain.seq) == before
    assert replay_database(url).findings == ()


def test_a_gate_that_forgot_them_is_seen(tmp_path):
    url = f"sqlite:///{tmp_path / 'orders.db'}"

    def forgotten(books):
        set_facts(books, OPS, {"AAA": NameFacts(asset_class="fixed income", market_cap=Decimal(1))})
        set_kinds(books, OPS, {"A1": "margin"})
        set_rules(books, OPS, RULES)
        books.ledger.order_rules = None

    with Gate(url, clock=Clock()) as gate:
        gate.do(set_up)
        gate.do(forgotten)
        gate.submit([buy("O1", 300), buy("O2", 1, symbol="CCC", account="B1"), buy("O3", 1, symbol="BBB")], OPS)
        gate.do(lambda books: books.ledger.overrides.clear())
    texts = [it.text for it in replay_database(url).findings]
    assert texts == [
        "cap is passed: 650,000,000 of 10,500,000,000, and may be 0.05 of it with buy 300 AAA for A1",
        "low is passed: 650,000,000 of 10,500,000,000, and may be 0.06 of it with buy 300 AAA for A1",
        "large does not take a market capitalisation of 1 with buy 300 AAA for A1",
        "no CCC prohibits it with buy 1 CCC for B1",
        "large does not take a market capitalisation of None with buy 1 CCC for B1",
        "low is passed: 650,500,000 of 10,500,000,000, and may be 0.06 of it with buy 1 BBB for A1",
        "equity does not take the class '' with buy 1 BBB for A1",
        "large does not take a market capitalisation of None with buy 1 BBB for A1",
    ]


def test_a_signature_that_nobody_gave_is_seen(tmp_path):
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    forged = Override(rule="cap", account="A1", reason="x", expires=UNTIL, signatures=("cat", "dan"))

    def forge(books):
        set_rules(books, OPS, RULES[:1])
        key = ("cap", "A1", "")
        books.ledger.overrides[key] = forged
        keep(books, OPS, "override", "|".join(key), forged.model_dump(mode="json"))

    with Gate(url, clock=Clock()) as gate:
        gate.do(set_up)
        gate.do(forge)
    texts = [it.text for it in replay_database(url).findings]
    assert texts == [
        "override:cap|A1| has signatures that nobody gave",
        "override:cap|A1| is signed by cat and dan, in a row of ops",
        "override:cap|A1| is signed by ops, who may not",
    ]


def test_whatever_happens_what_accounts_are_worth_is_that_of_a_full_count_and_the_reader_agrees(tmp_path):
    random, url, seen = np.random.default_rng(8), f"sqlite:///{tmp_path / 'orders.db'}", Counter()

    def day(books):
        set_rules(books, OPS, [RULES[0], RULES[1].model_copy(update={"scope": Scope(), "at_most": Decimal("0.09")})])
        for i in range(150):
            symbol, account = ("AAA", "BBB", "CCC")[random.integers(3)], ("A1", "B1")[random.integers(2)]
            side = Side.BUY if random.random() < 0.6 else Side.SELL
            new = buy(
                f"{account}/{i}", int(random.integers(1, 300)), account=account, symbol=symbol, side=side, limit=None
            )
            seen[submit(books, [new], OPS)[0].code] += 1
            live = list(books.ledger.live.values())
            if random.random() < 0.5 and live:
                cancel(books, live[random.integers(len(live))].order.id, OPS)
            if random.random() < 0.3:
                set_marks(books, OPS, {symbol: int(random.integers(450, 550)) * 1_000})
            if random.random() < 0.1:
                transfer(books, OPS, account, -MONEY, {symbol: int(random.integers(-50, 50))}, "in kind")
            lines = [
                (line, books.ledger.instruments[s].mark) for (a, s), line in books.ledger.lines.items() if a == account
            ]
            worth = worth_of(books.ledger, account)
            assert worth.value == sum(line.shares * mark for line, mark in lines)
            assert worth.gross == sum(line.worst * mark for line, mark in lines)

    with Gate(url, clock=Clock()) as gate:
        gate.do(set_up)
        gate.do(day)
    assert replay_database(url).findings == ()
    assert seen["compliance"] > 20
    assert seen[""] > 20


def test_a_position_without_a_price_keeps_what_needs_net_asset_value():
    books = books_with(cap())
    list_instruments(books, OPS, {"CCC": (100, 1)})
    transfer(books, OPS, "A1", 0, {"CCC": 5}, "in kind")
    assert code(books, order("O1", 1)) == "compliance"
    assert books.alerts[0].text == "rule 'cap' cannot be checked by an order of AAA"
    set_marks(books, OPS, {"CCC": MARK})
    assert code(books, order("O2", 1)) == ""
