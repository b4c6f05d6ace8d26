"""Rules over positions by hand: at the limit they are met, beyond it not, and what nobody knows is never met."""

from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from quantray.institution.compliance import post_trade, pre_trade, refuses
from quantray.institution.facts import NameFacts
from quantray.institution.overrides import Override
from quantray.institution.positions import Positions
from quantray.institution.rules import laws, read_rules

DAY = date(2026, 3, 2)
FACTS = {
    "AAA": NameFacts(sector="Energy", asset_class="equity", market_cap=Decimal(10**9), shares_outstanding=10_000),
    "BBB": NameFacts(sector="Banks", asset_class="etf", market_cap=Decimal(10**6), shares_outstanding=10**6),
    "CCC": NameFacts(sector="Energy", asset_class="equity", issuer="AAA", market_cap=Decimal(10**9)),
    "DDD": NameFacts(),
}


def book(shares, *, cash=(0.0, 0.0), prices=(10.0, 10.0, 10.0, 10.0), kinds=("margin", "cash"), located=None):
    """Two accounts, of ann and of bob, and shares of four names at 10 each."""
    return Positions(
        accounts=["A1", "B1"],
        pms=["ann", "bob"],
        kinds=kinds,
        symbols=list(FACTS),
        shares=np.array(shares, dtype=float),
        prices=np.array(prices),
        cash=np.array(cash),
        located=None if located is None else np.array(located, dtype=float),
        facts=FACTS,
    )


def rules(tmp_path, *lines):
    (tmp_path / "rules.yaml").write_text(
        "rules:\n" + "".join(f"  - {{id: r{i}, {it}}}\n" for i, it in enumerate(lines))
    )
    return read_rules(tmp_path / "rules.yaml")


def found(tmp_path, rule, positions):
    return [(it.account, it.symbol, it.state) for it in post_trade(rules(tmp_path, rule), positions, DAY)]


HELD = [[10, 20, 0, 0], [70, 0, 0, 0]]


@pytest.mark.parametrize(
    ("rule", "positions", "expected"),
    [
        ("kind: prohibited, symbols: [BBB]", book(HELD), [("A1", "BBB", "broken")]),
        ("kind: prohibited, symbols: [AAA], scope: {pms: [bob]}", book(HELD), [("B1", "AAA", "broken")]),
        ("kind: prohibited, symbols: [AAA], scope: {kinds: [margin]}", book(HELD), [("A1", "AAA", "broken")]),
        (
            "kind: prohibited, symbols: [AAA], scope: {kinds: [ucits]}",
            book(HELD, kinds=("", "cash")),
            [("A1", "AAA", "broken")],
        ),
        ("kind: prohibited, symbols: [AAA], scope: {accounts: [B1], symbols: [BBB]}", book(HELD), []),
        ("kind: asset_class, allowed: [equity]", book(HELD), [("A1", "BBB", "broken")]),
        ("kind: asset_class, prohibited: [equity]", book(HELD), [("A1", "AAA", "broken"), ("B1", "AAA", "broken")]),
        ("kind: asset_class, allowed: [equity]", book([[0, 0, 0, 1], [0] * 4]), [("A1", "DDD", "unknown")]),
        ("kind: market_cap, at_least: 1000001", book(HELD), [("A1", "BBB", "broken")]),
        ("kind: market_cap, at_least: 1000000", book(HELD), []),
        ("kind: market_cap, at_least: 1", book([[0, 0, 0, -1], [0] * 4]), [("A1", "DDD", "unknown")]),
        # A1 has 100 and 200 of 1,000, B1 700 of 1,000.
        ("kind: position, at_most: 0.2", book(HELD, cash=(700, 300)), [("B1", "AAA", "broken")]),
        ("kind: position, at_most: 0.7", book(HELD, cash=(700, 300)), []),
        ("kind: position, at_most: 0.7", book([[-71, 0, 0, 0], [0] * 4], cash=(1_710, 0)), [("A1", "AAA", "broken")]),
        ("kind: sector, at_most: 0.5", book([[30, 10, -21, 0], [0] * 4], cash=(810, 0)), [("A1", "Energy", "broken")]),
        ("kind: sector, at_most: 0.51", book([[30, 10, -21, 0], [0] * 4], cash=(810, 0)), []),
        ("kind: sector, at_most: 1", book([[0, 0, 0, 1], [0] * 4]), [("A1", "", "unknown")]),
        # AAA and CCC are one issuer.
        ("kind: concentration", book([[6, 0, 4, 0], [0] * 4], cash=(900, 0)), []),
        ("kind: concentration", book([[6, 0, 5, 0], [0] * 4], cash=(890, 0)), [("A1", "AAA", "broken")]),
        (
            "kind: concentration, single: 0.5",
            book([[30, 10, 0, 0], [30, 11, 0, 0]], cash=(600, 590)),
            [("B1", "", "broken")],
        ),
        ("kind: ownership, above: 0.05", book([[300, 0, 0, 0], [200, 0, 0, 0]]), []),
        ("kind: ownership, above: 0.05", book([[300, 0, 0, 0], [201, 0, 0, 0]]), [("", "AAA", "broken")]),
        # What one account is short takes nothing from what another owns.
        ("kind: ownership, above: 0.05", book([[501, 0, 0, 0], [-300, 0, 0, 0]]), [("", "AAA", "broken")]),
        ("kind: ownership, above: 0.05", book([[0, 0, 1, 0], [0] * 4]), [("", "CCC", "unknown")]),
        ("kind: locate", book([[-5, 0, 0, 0], [-6, 0, 0, 0]], located=[[5] * 4, [5] * 4]), [("B1", "AAA", "broken")]),
        ("kind: locate", book([[-5, 0, 0, 0], [0] * 4]), [("A1", "AAA", "broken")]),
        # 2,000 of positions on 1,000, and 2,010 on 1,000.
        ("kind: leverage, at_most: 2", book([[200, 0, 0, 0], [0] * 4], cash=(-1_000, 0)), []),
        ("kind: leverage, at_most: 2", book([[201, 0, 0, 0], [0] * 4], cash=(-1_010, 0)), [("A1", "", "broken")]),
        ("kind: leverage, at_most: 2", book([[10, 0, 0, 0], [0] * 4], cash=(-100, 0)), [("A1", "", "broken")]),
        # 1,500 of positions cover 500 three times, 1,510 cover 510 less.
        ("kind: coverage, at_least: 3", book([[150, 0, 0, 0], [0] * 4], cash=(-500, 10)), []),
        ("kind: coverage, at_least: 3", book([[151, 0, 0, 0], [0] * 4], cash=(-510, 10)), [("A1", "", "broken")]),
    ],
)
def test_by_hand(tmp_path, rule, positions, expected):
    assert found(tmp_path, rule, positions) == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("kind: position, at_most: 1", [("A1", "AAA", "unknown"), ("A1", "BBB", "unknown")]),
        ("kind: leverage, at_most: 9", [("A1", "", "unknown")]),
        ("kind: coverage, at_least: 1", [("A1", "", "unknown")]),
        ("kind: concentration", [("A1", "AAA", "unknown"), ("A1", "BBB", "unknown"), ("A1", "", "unknown")]),
    ],
)
def test_without_a_price_nothing_is_met(tmp_path, rule, expected):
    positions = book([[1, 1, 0, 0], [0] * 4], cash=(-1, 10**6), prices=(np.nan, 10.0, 10.0, 10.0))
    assert found(tmp_path, rule, positions) == expected


def test_the_laws_by_kind_of_account():
    it = book([[250, 0, 0, 0], [101, 0, 0, 0]], cash=(-1_500, -10))
    assert [each.rule for each in post_trade(laws(), it, DAY)] == ["cash account", "Regulation T"]
    fund = book([[0, 151, 0, 0], [0, 11, 0, 0]], cash=(-510, 890), kinds=("mutual_fund", "ucits"))
    assert [each.rule for each in post_trade(laws(), fund, DAY)] == ["asset coverage", "5/10/40"]
    owned = post_trade(laws(), book([[600, 0, 0, 0], [0] * 4]), DAY)
    assert [(each.rule, each.severity, each.value) for each in owned] == [("13D or 13G", "report", 0.06)]


def test_only_while_it_is_in_force(tmp_path):
    early = rules(tmp_path, "kind: prohibited, symbols: [AAA], effective: 2026-03-03, expires: 2026-03-04")
    days = [date(2026, 3, day) for day in (2, 3, 4, 5)]
    assert [len(post_trade(early, book(HELD), day)) for day in days] == [0, 2, 2, 0]


def order(tmp_path, rule, positions, symbol, shares, account="A1", overrides=()):
    findings = pre_trade(rules(tmp_path, rule), positions, account, symbol, shares, DAY, overrides)
    return [(it.symbol, it.state) for it in findings]


def test_an_order_is_held_against_what_it_makes_worse(tmp_path):
    cap = "kind: position, at_most: 0.2"
    it = book([[30, 10, 0, 0], [0] * 4], cash=(600, 0))
    assert order(tmp_path, cap, it, "AAA", 1) == [("AAA", "broken")]
    assert order(tmp_path, cap, it, "AAA", -5) == []
    assert order(tmp_path, cap, it, "BBB", 10) == []
    assert order(tmp_path, cap, it, "BBB", 11) == [("BBB", "broken")]
    assert order(tmp_path, "kind: prohibited, symbols: [AAA]", it, "AAA", -30) == []
    assert order(tmp_path, "kind: prohibited, symbols: [AAA]", it, "AAA", -61) == [("AAA", "broken")]


def test_leverage_without_anything_left_grows_no_further(tmp_path):
    it = book([[10, 0, 0, 0], [0] * 4], cash=(-100, 0))
    assert order(tmp_path, "kind: leverage, at_most: 2", it, "BBB", 1) == [("", "broken")]
    assert order(tmp_path, "kind: leverage, at_most: 2", it, "AAA", -1) == []


def test_what_is_unknown_keeps_an_order_but_not_a_reduction(tmp_path):
    it = book([[5, 1, 0, 0], [0] * 4], cash=(100, 0), prices=(np.nan, 10.0, 10.0, 10.0))
    for rule in ("kind: leverage, at_most: 9", "kind: position, at_most: 0.9"):
        assert [state for _, state in order(tmp_path, rule, it, "BBB", 1)] == ["unknown"]
        assert order(tmp_path, rule, it, "AAA", -1) == []
    assert order(tmp_path, "kind: market_cap, at_least: 1", it, "DDD", 1) == [("DDD", "unknown")]
    assert order(tmp_path, "kind: market_cap, at_least: 1", book([[0, 0, 0, 5], [0] * 4]), "AAA", 1) == []


def test_ownership_counts_all_accounts(tmp_path):
    it = book([[300, 0, 0, 0], [200, 0, 0, 0]])
    assert order(tmp_path, "kind: ownership, above: 0.05", it, "AAA", 1) == [("AAA", "broken")]
    assert order(tmp_path, "kind: ownership, above: 0.05", it, "AAA", -1) == []


def test_an_override_lets_it_pass_until_it_expires(tmp_path):
    rule = rules(tmp_path, "kind: position, at_most: 0.2, may_override: [cat, dan]")
    it = book([[30, 10, 0, 0], [0] * 4], cash=(600, 0))
    both = Override(rule="r0", account="A1", symbol="AAA", reason="merger", expires=DAY, signatures=("cat", "dan"))
    one = both.model_copy(update={"signatures": ("cat",)})
    other = both.model_copy(update={"symbol": "BBB"})
    for overrides, refused in (((), True), ((both,), False), ((one,), True), ((other,), True)):
        assert refuses(pre_trade(rule, it, "A1", "AAA", 1, DAY, overrides)) == refused
    later = date(2026, 3, 3)
    assert refuses(pre_trade(rule, it, "A1", "AAA", 1, later, [both]))
    assert post_trade(rule, it, DAY, [both])[0].override == both


def test_a_warning_refuses_nothing(tmp_path):
    it = pre_trade(rules(tmp_path, "kind: prohibited, symbols: [AAA], severity: warn"), book(HELD), "A1", "AAA", 1, DAY)
    assert len(it) == 1
    assert not refuses(it)


def test_the_whole_is_checked_as_each_account_alone():
    """Accounts do not change each other's findings, but for what they own together."""
    random = np.random.default_rng(1)
    names = [f"S{i}" for i in range(40)]
    facts = {
        name: NameFacts(sector=f"s{i % 5}" if i % 9 else "", issuer=f"i{i // 2}", market_cap=Decimal(10 ** (i % 8)))
        for i, name in enumerate(names)
    }
    it = Positions(
        accounts=[f"A{i}" for i in range(8)],
        pms=["ann"] * 8,
        kinds=["margin", "ucits"] * 4,
        symbols=names,
        shares=random.integers(-20, 60, (8, 40)),
        prices=np.where(random.random(40) < 0.03, np.nan, random.uniform(1, 90, 40)),
        cash=random.uniform(-9_000, 9_000, 8),
        facts=facts,
    )
    some = [rule for rule in laws() if rule.kind != "ownership"]
    whole = post_trade(some, it, DAY)
    alone = [each for account in it.accounts for each in post_trade(some, it.of(account=account), DAY)]
    key = lambda each: (each.rule, each.account, each.symbol, each.state, each.text)  # noqa: E731
    assert sorted(map(key, whole)) == sorted(map(key, alone))
    assert len(whole) > 20
