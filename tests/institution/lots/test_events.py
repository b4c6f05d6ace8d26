"""Events that make no sense are refused as they are made."""

import pytest
from lot_days import day

from quantray.errors import InputError
from quantray.institution.lots.events import Merger, Purchase, ReturnOfCapital, SpinOff, Split, TaxAccount

WHEN = day("2024-06-03")


def purchase(**changes):
    return Purchase(**({"id": "p", "date": WHEN, "account": "A", "symbol": "M", "shares": 1, "money": 1} | changes))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: TaxAccount(id="A", taxpayer="t", method="best"), "account A has the tax method 'best'; choose fifo"),
        (lambda: TaxAccount(id="A", taxpayer="t", kind="trust"), "account A is of kind 'trust'"),
        (lambda: purchase(money=-1), "the money of p is -1; it must not be negative"),
        (lambda: purchase(money=1.5), "the money of p is 1.5; it must not be negative and whole"),
        (lambda: purchase(shares=0), "the shares of p is 0; it must be positive"),
        (lambda: purchase(shares=True), "the shares of p is True"),
        (lambda: Split(date=WHEN, symbol="M", new=0, old=1), "ratio of the split of M is 0"),
        (lambda: Split(date=WHEN, symbol="M", new=1, old=1, fraction_price=-1), "fraction_price of the split of M"),
        (lambda: Merger(date=WHEN, symbol="M", into="M"), "the merger of M is into itself"),
        (lambda: Merger(date=WHEN, symbol="M", into="N", cash=1), "give the fair_value of a new share"),
        (
            lambda: SpinOff(date=WHEN, symbol="M", child="M", new=1, old=1, parent_value=1, child_value=1),
            "the spin-off from M is of itself",
        ),
        (
            lambda: SpinOff(date=WHEN, symbol="M", child="N", new=1, old=1, parent_value=1, child_value=0),
            "child_value of the spin-off from M is 0; it must be positive",
        ),
        (lambda: ReturnOfCapital(date=WHEN, symbol="M", cash=0), "cash of the return of capital of M is 0"),
    ],
)
def test_refused(make, said):
    with pytest.raises(InputError, match=said):
        make()
