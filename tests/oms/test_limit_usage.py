"""How much of every limit is used, by hand; and a manager hears of the own ones only."""

import numpy as np
import pytest
from order_books import MARK, OPS, code, order, small_books

from quantray.covariance.factor import FactorModel
from quantray.institution.factor_files import whole_factors
from quantray.institution.facts import NameFacts
from quantray.oms.controls import set_limits
from quantray.oms.limit_usage import firm_usage, manager_usage
from quantray.oms.reference import set_factors, set_facts

FACTS = {"AAA": NameFacts(sector="Energy", adv_shares=10_000), "BBB": NameFacts(sector="Banks", adv_shares=500)}
MODEL = FactorModel(np.array([[1.0], [-0.5]]), np.array([[1e-4]]), np.array([1e-4, 0.0]), np.array(["market"]))
LIMITS = {
    ("firm", "", "sector"): 2_000 * MARK,
    ("firm", "", "warn_sector"): 1_000 * MARK,
    ("sector", "Banks", "gross"): 150 * MARK,
    ("firm", "", "factor"): 2_000 * MARK,
    ("firm", "", "var"): 100 * MARK,
    ("firm", "", "liquidity_days"): 4,
    ("firm", "", "correlation_bps"): 8_000,
}


@pytest.fixture
def books():
    """A1 holds 1,000 AAA and buys 100 more, B1 buys 200 BBB."""
    books = small_books()
    set_facts(books, OPS, FACTS)
    set_factors(books, OPS, whole_factors(["AAA", "BBB"], MODEL))
    assert code(books, order("O1", 100), order("O2", 200, account="B1", symbol="BBB")) == ""
    set_limits(books, OPS, LIMITS)
    return books


def found(books):
    return {(it.scope, it.key, it.name): (it.value, it.state) for it in firm_usage(books.ledger)}


def test_by_hand(books):
    uses = found(books)
    assert uses["firm", "", "gross"] == (1_300 * MARK, "met")
    assert uses["firm", "", "net"] == (1_300 * MARK, "met")
    assert uses["firm", "AAA", "single_name"] == (1_100 * MARK, "met")
    assert uses["pm", "ann", "capital"] == (1_100 * MARK, "met")
    assert uses["sector", "Energy", "gross"] == (1_100 * MARK, "soft")
    assert uses["sector", "Banks", "gross"] == (200 * MARK, "hard")
    # AAA alone, for BBB goes against it and may not fill.
    assert uses["factor", "market", "exposure"] == (1_100 * MARK, "met")
    assert uses["firm", "", "var"][0] == pytest.approx(2.3263479 * 0.01 * np.sqrt(2) * 1_100 * MARK, rel=1e-6)
    # 200 at a tenth of 500 a day.
    assert uses["firm", "BBB", "liquidity_days"] == (4, "met")
    # Against each other.
    assert uses["firm", "", "correlation_bps"] == (0, "met")


def test_the_most_used_first(books):
    uses = firm_usage(books.ledger)
    assert uses[0].key == "Banks"
    assert uses[0].used == pytest.approx(4 / 3)
    assert [it.used for it in uses] == sorted((it.used for it in uses), reverse=True)


def test_two_managers_of_one_name(books):
    set_limits(books, OPS, {("firm", "", "correlation_bps"): 10_000})
    books.ledger.limits["sector", "Banks", "gross"] = 10**15
    assert code(books, order("O3", 900, account="B1")) == ""
    value, state = found(books)["firm", "ann and bob", "correlation_bps"]
    # 1,100 x (1 %, 1 %) and 900 x (1 %, 1 %) - 200 x (0.5 %, 0): 8 and 9 of factor and of its own.
    assert value == pytest.approx(10_000 * 17 / np.sqrt(2 * (64 + 81)), abs=1)
    assert state == "met"


def test_what_nobody_knows_is_unknown(books):
    books.ledger.limits.pop(("sector", "Banks", "gross"))
    set_facts(books, OPS, {"BBB": NameFacts()})
    set_factors(books, OPS, whole_factors(["AAA"], MODEL.select(np.array([0]))))
    unknown = {(it.name, it.note) for it in firm_usage(books.ledger) if it.state == "unknown"}
    assert unknown == {
        ("gross", f"names without one are worth {200 * MARK:,}"),
        ("exposure", "the factors do not know 1 names, such as BBB"),
        ("var", "the factors do not know 1 names, such as BBB"),
        ("correlation_bps", "the factors do not know 1 names, such as BBB"),
        ("liquidity_days", "the volume of 1 names is unknown, such as BBB"),
    }
    assert firm_usage(books.ledger)[0].state == "unknown"


def test_a_manager_hears_of_the_own_ones_only(books):
    assert [(it.scope, it.key, it.name, it.value) for it in manager_usage(books.ledger, "bob")] == [
        ("pm", "bob", "capital", 200 * MARK)
    ]


def test_without_further_limits():
    assert {it.name for it in firm_usage(small_books().ledger)} == {"gross", "net", "single_name", "capital"}
