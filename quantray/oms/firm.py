"""The firm's further limits over the ledger: made when they are set, and brought up to date when an order asks.

``institution.firm_limits`` says what each of them measures.
"""

from collections.abc import Iterator, Mapping
from typing import Protocol

from quantray.execution.orders import Side
from quantray.institution.facts import NameFacts
from quantray.institution.firm_exposures import FirmExposures
from quantray.institution.firm_factors import FirmFactors
from quantray.institution.firm_limits import FirmLimits, FirmOrder, Passed
from quantray.oms.ledger import Account, Instrument, Ledger, Line, Worth
from quantray.oms.messages import NewOrder

__all__ = ["Asked", "catch_up", "firm_order", "install", "passed", "prepared", "warned", "watch", "worth_of"]

_PLAIN = ("gross", "net", "single_name")


class Asked(Protocol):
    """An order, and by how much its line grows at the worst, in money."""

    @property
    def order(self) -> NewOrder:
        """The order."""

    @property
    def account(self) -> Account:
        """Whose it is."""

    @property
    def instrument(self) -> Instrument:
        """What it trades."""

    @property
    def line(self) -> Line:
        """Of the account and the symbol."""

    @property
    def now(self) -> str:
        """UTC, ISO 8601."""

    @property
    def more(self) -> int:
        """Money."""


def prepared(
    ledger: Ledger,
    limits: Mapping[tuple[str, str, str], int] | None = None,
    facts: Mapping[str, NameFacts] | None = None,
    factors: FirmFactors | None = None,
) -> FirmLimits | None:
    """The limits as they would be with what is given; None where none is set.

    Raises
    ------
    InputError
        A limit is of a sector or a factor that there is not.
    """
    limits = {**ledger.limits, **(limits or {})}
    if not FirmLimits.asked(limits):
        return None
    return FirmLimits(limits, {**ledger.facts, **(facts or {})}, factors or ledger.factors)


def install(ledger: Ledger, limits: FirmLimits | None) -> None:
    """Let orders be held against limits; what is counted stays so where other levels are all that is new."""
    before, ledger.firm = ledger.firm, limits
    if limits is None or not limits.take_sums(before):
        watch(ledger)


def watch(ledger: Ledger) -> None:
    """Count everything anew, if limits or rules ask for it: now, for no order shall wait for it."""
    ledger.watched = ledger.firm is not None or ledger.order_rules is not None
    ledger.worth.clear()
    ledger.touched = set(ledger.lines) if ledger.watched else set()
    ledger.repriced = set()
    catch_up(ledger)


def passed(ledger: Ledger, order: FirmOrder, *, soft: bool = False) -> Passed | None:
    """The first of the further limits that an order passes; None where it passes none."""
    assert ledger.firm is not None
    catch_up(ledger)
    return ledger.firm.passed(order, soft=soft)


def warned(ledger: Ledger, order: FirmOrder) -> Iterator[str]:
    """In words, each soft limit that an order passes which is taken."""
    if (found := passed(ledger, order, soft=True)) is not None:
        what = f" of {found.scope}" if found.scope != "firm" else ""
        yield f"{found.limit}{what} is above its soft limit" if not found.note else f"{found.limit}{what}: {found.note}"
    after = {
        "gross": ledger.gross + max(order.more, 0),
        "net": max(ledger.long + order.upper if order.upper else 0, -ledger.short - order.lower if order.lower else 0),
        "single_name": _single(ledger, order),
    }
    for name in _PLAIN:
        level = ledger.limits.get(("firm", "", f"warn_{name}"))
        if level is not None and after[name] > level:
            yield f"{name}{f' of {order.symbol}' if name == 'single_name' else ''} is above its soft limit"


def firm_order(ledger: Ledger, it: Asked) -> FirmOrder:
    """What an order leads to over all managers."""
    order, mark = it.order, it.instrument.mark
    total = ledger.totals.get(order.symbol) or Line()
    buying, selling = (order.quantity, 0) if order.side is Side.BUY else (0, order.quantity)
    shares = max(abs(total.shares + total.buying + buying), abs(total.shares - total.selling - selling))
    return FirmOrder(it.account.pm, order.symbol, it.more, -selling * mark, buying * mark, shares, total.worst)


def _single(ledger: Ledger, order: FirmOrder) -> int:
    total, mark = ledger.totals.get(order.symbol) or Line(), ledger.instruments[order.symbol].mark
    if order.upper:
        return (total.shares + total.buying) * mark + order.upper
    return (total.selling - total.shares) * mark - order.lower


def catch_up(ledger: Ledger) -> None:
    """Count again what changed since the last time."""
    if not ledger.touched and not ledger.repriced:
        return
    if ledger.order_rules is not None:
        _revalue(ledger)
    if ledger.firm is not None:
        _recount(ledger, ledger.firm.exposures)
    ledger.touched.clear()
    ledger.repriced.clear()


def worth_of(ledger: Ledger, account: str) -> Worth:
    """What an account's positions come to; after a change of prices they are added up when somebody asks."""
    catch_up(ledger)
    it = ledger.worth[account]
    if it.stale:
        it.value = it.gross = it.unpriced = 0
        it.stale = False
        for symbol, (shares, worst) in it.counted.items():
            mark = ledger.instruments[symbol].mark
            it.add(shares * mark, worst * mark, int(shares != 0 and mark <= 0))
    return it


def _revalue(ledger: Ledger) -> None:
    if ledger.repriced:
        for it in ledger.worth.values():
            it.stale = True
    for account, symbol in ledger.touched:
        line, mark, it = ledger.lines[account, symbol], ledger.instruments[symbol].mark, ledger.worth[account]
        shares, worst = it.counted.get(symbol, (0, 0))
        it.counted[symbol] = line.shares, line.worst
        if not it.stale:
            unpriced = (line.shares != 0) - (shares != 0) if mark <= 0 else 0
            it.add((line.shares - shares) * mark, (line.worst - worst) * mark, unpriced)


def _recount(ledger: Ledger, exposures: FirmExposures) -> None:
    symbols = {symbol for _, symbol in ledger.touched} | ledger.repriced
    for symbol in symbols:
        exposures.price(symbol, ledger.instruments[symbol].mark)
    for account, symbol in ledger.touched:
        line = ledger.lines[account, symbol]
        filled = line.shares + line.buying - line.selling
        exposures.line(ledger.accounts[account].pm, account, symbol, line.worst, filled)
    for symbol in symbols:
        if (total := ledger.totals.get(symbol)) is not None:
            mark = ledger.instruments[symbol].mark
            exposures.name(symbol, (total.shares - total.selling) * mark, (total.shares + total.buying) * mark)
