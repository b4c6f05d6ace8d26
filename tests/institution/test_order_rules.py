"""Which rules an order breaks: worked out once for an account and a name, and anew on another day."""

from datetime import date
from decimal import Decimal

import pytest

from quantray.errors import InputError
from quantray.institution.facts import NameFacts
from quantray.institution.order_rules import OrderRules, Outcome
from quantray.institution.overrides import Override
from quantray.institution.rules import Coverage, Leverage, Position, Prohibited

DAY, NEXT = "2026-03-02", "2026-03-03"
CAP = Position(id="cap", kind="position", at_most=Decimal("0.1"), may_override=("cat", "dan"))
LOW = Leverage(id="low", kind="leverage", at_most=Decimal("1.5"))
NONE = Prohibited(id="none", kind="prohibited", symbols=("BBB",), expires=date(2026, 3, 2))


def broken(rules, symbol, outcome, day=DAY):
    return [(it.rule.id, it.state) for it in rules.broken("ann", "A1", symbol, day, outcome)]


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome(100, 1_500, 1_000), []),
        (Outcome(101, 1_500, 1_000), [("cap", "broken")]),
        (Outcome(100, 1_501, 1_000), [("low", "broken")]),
        (Outcome(1, 1, 0), [("cap", "broken"), ("low", "broken")]),
        (Outcome(1, 1, None), [("cap", "unknown"), ("low", "unknown")]),
        (None, []),
    ],
)
def test_at_the_limit_and_beyond_it(outcome, expected):
    rules = OrderRules([CAP, LOW], {}, {})
    assert rules.needs_outcome("ann", "A1", "AAA", DAY)
    assert broken(rules, "AAA", outcome) == expected


def test_another_day_is_worked_out_anew():
    let = Override(rule="cap", account="A1", reason="merger", expires=date(2026, 3, 2), signatures=("cat", "dan"))
    rules = OrderRules([CAP, NONE], {"AAA": NameFacts()}, {}, [let])
    assert broken(rules, "BBB", Outcome(999, 999, 1_000)) == [("none", "broken")]
    assert broken(rules, "BBB", Outcome(999, 999, 1_000), NEXT) == [("cap", "broken")]
    assert not rules.needs_outcome("ann", "A1", "BBB", DAY)


def test_what_no_order_can_be_held_against():
    with pytest.raises(InputError, match="rule 'c': no order can be held against coverage"):
        OrderRules([Coverage(id="c", kind="coverage", at_least=Decimal(3))], {}, {})
