"""Fills, busts and corrections, once and in any order."""

from dataclasses import replace
from itertools import permutations

import pytest

from quantray.oms.executions import Executions
from quantray.oms.messages import Report, ReportKind


def fill(exec_id="F1", quantity=100, price=500_000, fee=30, order="O1"):
    return Report(
        kind=ReportKind.FILL, order=order, venue="NYSE", exec_id=exec_id, quantity=quantity, price=price, fee=fee
    )


def bust(exec_id="B1", refers="F1", order="O1"):
    return Report(kind=ReportKind.BUST, order=order, venue="NYSE", exec_id=exec_id, refers=refers)


def correct(exec_id="C1", refers="F1", quantity=60, price=500_100, order="O1"):
    return Report(
        kind=ReportKind.CORRECT,
        order=order,
        venue="NYSE",
        exec_id=exec_id,
        refers=refers,
        quantity=quantity,
        price=price,
        fee=20,
    )


def total(effects):
    """Shares, money for them and fees."""
    return (sum(q for q, _, _ in effects), sum(q * p for q, p, _ in effects), sum(fee for _, _, fee in effects))


def taken(*reports):
    executions = Executions()
    return total([effect for report in reports for effect in executions.take(report) or []])


def test_a_fill_is_taken_once():
    executions = Executions()
    assert executions.take(fill()) == [(100, 500_000, 30)]
    assert executions.take(fill()) is None


def test_another_fill_of_the_same_id_is_named():
    executions = Executions()
    executions.take(fill())
    assert executions.take(fill(quantity=90)) == (
        "NYSE says of F1 90 shares at 500,000 for O1, and said 100 at 500,000 for O1 before"
    )


def test_ids_are_those_of_a_venue():
    elsewhere = Report(kind=ReportKind.FILL, order="O1", venue="IEX", exec_id="F1", quantity=5, price=1)
    assert taken(fill(), elsewhere)[0] == 105


@pytest.mark.parametrize("order", list(permutations([fill(), correct(), correct("C2", "C1", 70, 500_200)])))
def test_a_chain_of_corrections_comes_to_its_end_in_any_order(order):
    assert taken(*order) == (70, 70 * 500_200, 20)


@pytest.mark.parametrize("order", list(permutations([fill(), correct(), bust("B1", "C1")])))
def test_a_bust_of_a_correction_takes_all_back_in_any_order(order):
    assert taken(*order) == (0, 0, 0)


@pytest.mark.parametrize("order", [[fill(), bust()], [bust(), fill()]])
def test_a_bust_takes_all_back(order):
    assert taken(*order) == (0, 0, 0)


def test_the_last_of_two_corrections_of_a_fill_counts():
    assert taken(fill(), correct(), correct("C2", "F1", 80, 400_000)) == (80, 80 * 400_000, 20)


@pytest.mark.parametrize("turned", [False, True])
def test_the_later_of_two_counts_whichever_is_heard_first(turned):
    first = replace(correct(), time="2026-03-02T17:00:00Z")
    for then in (correct("C2", "F1", 80, 400_000), bust()):
        both = [first, replace(then, time="2026-03-02T17:00:01Z")]
        kept = (0, 0, 0) if then.kind is ReportKind.BUST else (80, 80 * 400_000, 20)
        assert taken(fill(), *(both[::-1] if turned else both)) == kept


def test_a_correction_after_a_bust_is_named():
    executions = Executions()
    executions.take(fill())
    executions.take(bust())
    assert executions.take(correct()) == "correct C1 comes after the bust of F1"


def test_what_refers_to_itself_or_to_one_that_refers_to_it_is_named():
    executions = Executions()
    assert executions.take(correct("C1", "C1")) == "correct C1 refers to itself"
    assert executions.take(correct("C2", "C3")) == []
    assert executions.take(correct("C3", "C2")) == "correct C3 refers to itself"
    assert executions.take(correct("C4", "C2")) == []


def test_an_amendment_of_another_order_changes_nothing():
    executions = Executions()
    assert executions.take(bust(order="O2")) == []
    assert executions.take(fill()) == [(100, 500_000, 30)]
    assert executions.take(bust("B2", order="O3")) == "bust B2 is of another order than F1"


@pytest.mark.parametrize(
    "report",
    [
        fill(quantity=0),
        fill(quantity=-5),
        fill(quantity=1.5),
        fill(quantity=True),
        fill(price=0),
        fill(quantity=10**9, price=10**9),
        fill(fee=10**15),
        fill(exec_id=""),
        fill(exec_id="x" * 65),
        fill(exec_id="a\0b"),
        bust(refers=""),
        Report(kind=ReportKind.FILL, order="O1", venue="V" * 33, exec_id="F1", quantity=1, price=1),
        Report(kind=ReportKind.FILL, order="O1", venue="V", exec_id="F1", quantity=1, price=1, time="\ud800"),
        Report(kind=ReportKind.ACKED, order="O1", venue="V", exec_id="F1", quantity=1, price=1),
    ],
)
def test_nonsense_is_named_and_not_kept(report):
    executions = Executions()
    assert isinstance(executions.take(report), str)
    assert executions.take(fill()) == [(100, 500_000, 30)]


def test_what_stands_of_an_order():
    executions = Executions()
    for report in (fill(), fill("F2", 50), fill("F3", 20), correct(), bust("B1", "F2"), fill("G1", order="O2")):
        executions.take(report)
    assert [(it.exec_id, it.quantity) for it in executions.standing("O1")] == [("C1", 60), ("F3", 20)]
    again = Executions.of([fill(), fill("F2", 50), fill("F3", 20), correct(), bust("B1", "F2")])
    assert again.standing("O1") == executions.standing("O1")


def test_a_stray_report_is_strange_once():
    executions = Executions()
    assert executions.is_strange(fill())
    assert not executions.is_strange(fill())
