"""What every order passes, as one table, in order; the first check that fails says why.

Checks read and change nothing. Limits that were never set are 0, so that nothing passes them. What opens a position or
makes one larger is held to the limits of exposure; what can only make one smaller, a sale of what is held or a purchase
that covers a short, is held to none of them, though it may leave the firm further from flat than it was.

| limit | scope | unit |
|---|---|---|
| order_shares, order_value | firm | shares, money of one order |
| collar_bps | firm | basis points between a limit and the mark |
| fee | firm | money a share that purchases set aside for fees |
| rate | pm | orders a second |
| capital | pm | money, gross |
| locate | account:symbol | shares that may be sold short |
| gross, net, single_name | firm | money |
"""

from collections.abc import Callable
from typing import NamedTuple

from quantray.execution.orders import Side
from quantray.institution.firm_limits import FURTHER
from quantray.oms.compliance import broken_rules
from quantray.oms.firm import firm_order, passed
from quantray.oms.ledger import Account, Instrument, Ledger, Line
from quantray.oms.messages import NewOrder

__all__ = ["CHECKS", "FIRM_CODES", "TEXTS", "Proposal", "breaks_rules", "first_failure", "proposed"]


_COLLAR_BPS, _FEE = ("firm", "", "collar_bps"), ("firm", "", "fee")
_ORDER_SHARES, _ORDER_VALUE = ("firm", "", "order_shares"), ("firm", "", "order_value")
_GROSS, _NET, _SINGLE_NAME = ("firm", "", "gross"), ("firm", "", "net"), ("firm", "", "single_name")


class Proposal(NamedTuple):
    """An order, and what it would lead to at the worst.

    Parameters
    ----------
    price : money that is set aside for a share.
    more : money by which the line's worst case grows.
    reduces : whether it can only bring the line nearer to nothing, whatever else of the line fills.
    """

    order: NewOrder
    account: Account
    instrument: Instrument
    line: Line
    price: int
    more: int
    reduces: bool
    pm: str | None
    """Who submits it; None may act for every account."""
    now: str
    """UTC, ISO 8601."""
    seconds: float
    """The same as a growing number."""

    @property
    def value(self) -> int:
        """Money."""
        return self.order.quantity * max(self.price, self.instrument.mark)


def proposed(ledger: Ledger, order: NewOrder, *, pm: str | None, now: str, seconds: float) -> Proposal | str:
    """What an order would lead to; or the code of what it names that is not there."""
    instrument, account = ledger.instruments.get(order.symbol), ledger.accounts.get(order.account)
    # To somebody else an account that is not theirs is one that is not there.
    if account is None or (pm is not None and account.pm != pm):
        return "account"
    if instrument is None:
        return "symbol"
    if instrument.mark <= 0:
        return "no_price"
    line = ledger.lines.get((order.account, order.symbol)) or Line()
    longest, shortest = line.shares + line.buying, line.shares - line.selling
    before = max(abs(longest), abs(shortest))
    if order.side is Side.BUY:
        longest += order.quantity
        reduces = longest <= 0
    else:
        shortest -= order.quantity
        reduces = shortest >= 0
    highest = order.limit
    if highest is None:
        # Rounded up: what is set aside is at least what a purchase within the collar costs.
        highest = -(-instrument.mark * (10_000 + ledger.limits.get(_COLLAR_BPS, 0)) // 10_000)
    price = highest + ledger.limits.get(_FEE, 0)
    more = (max(abs(longest), abs(shortest)) - before) * instrument.mark
    return Proposal(order, account, instrument, line, price, more, reduces, pm, now, seconds)


def _halted(ledger: Ledger, it: Proposal) -> bool:
    on = ledger.switches
    return bool(on) and not on.isdisjoint(
        {("firm", ""), ("pm", it.account.pm), ("account", it.account.id), ("symbol", it.order.symbol)}
    )


def _closed(ledger: Ledger, it: Proposal) -> bool:
    return not ledger.opens <= it.now < ledger.closes


def _restricted(ledger: Ledger, it: Proposal) -> bool:
    listed, symbol = ledger.restrictions, it.order.symbol
    return bool(listed) and (("", symbol) in listed or (it.account.id, symbol) in listed)


def _side(ledger: Ledger, it: Proposal) -> bool:
    """A sale sells what is held; a short sale what is not, by an account that may, of shares that were located."""
    if it.order.side is not Side.SELL_SHORT:
        return False
    held = it.line.shares - it.line.selling
    return not it.account.may_short or held > 0


def _located(ledger: Ledger, it: Proposal) -> bool:
    if it.order.side is not Side.SELL_SHORT:
        return False
    short = it.order.quantity - (it.line.shares - it.line.selling)
    return short > ledger.limit("account", f"{it.account.id}:{it.order.symbol}", "locate")


def _size(ledger: Ledger, it: Proposal) -> bool:
    quantity, lot = it.order.quantity, it.instrument.lot
    return (
        quantity <= 0
        or quantity % lot != 0
        or quantity > ledger.limits.get(_ORDER_SHARES, 0)
        or it.value > ledger.limits.get(_ORDER_VALUE, 0)
    )


def _tick(ledger: Ledger, it: Proposal) -> bool:
    limit = it.order.limit
    return limit is not None and (limit <= 0 or limit % it.instrument.tick != 0)


def _collar(ledger: Ledger, it: Proposal) -> bool:
    limit, mark = it.order.limit, it.instrument.mark
    return limit is not None and abs(limit - mark) * 10_000 > ledger.limits.get(_COLLAR_BPS, 0) * mark


def _rate(ledger: Ledger, it: Proposal) -> bool:
    times = ledger.sent_at[it.account.pm]
    # Those of the last second; after a clock that was set back, none of its future.
    while times and not it.seconds - 1 < times[0] <= it.seconds:
        times.popleft()
    return len(times) >= ledger.limit("pm", it.account.pm, "rate")


def _cash(ledger: Ledger, it: Proposal) -> bool:
    if it.order.side is not Side.BUY:
        return False
    return it.order.quantity * it.price > it.account.cash - it.account.reserved


def _position(ledger: Ledger, it: Proposal) -> bool:
    return it.order.side is Side.SELL and it.order.quantity > it.line.shares - it.line.selling


def _capital(ledger: Ledger, it: Proposal) -> bool:
    pm = it.account.pm
    return it.more > 0 and ledger.gross_of_pm[pm] + it.more > ledger.limit("pm", pm, "capital")


def _gross(ledger: Ledger, it: Proposal) -> bool:
    return it.more > 0 and ledger.gross + it.more > ledger.limits.get(_GROSS, 0)


def _net(ledger: Ledger, it: Proposal) -> bool:
    if it.reduces:
        return False
    value = it.order.quantity * it.instrument.mark
    if it.order.side is Side.BUY:
        long = ledger.long + value
        return long > 0 and long > ledger.limits.get(_NET, 0)
    short = ledger.short - value
    return short < 0 and -short > ledger.limits.get(_NET, 0)


def _single_name(ledger: Ledger, it: Proposal) -> bool:
    if it.reduces:
        return False
    total = ledger.totals.get(it.order.symbol) or Line()
    if it.order.side is Side.BUY:
        after = total.shares + total.buying + it.order.quantity
    else:
        after = total.selling + it.order.quantity - total.shares
    return after > 0 and after * it.instrument.mark > ledger.limits.get(_SINGLE_NAME, 0)


Check = Callable[[Ledger, Proposal], bool]

CHECKS: tuple[tuple[str, Check, str], ...] = (
    ("halted", _halted, "trading is halted"),
    ("closed", _closed, "the market is closed"),
    ("restricted", _restricted, "the symbol is on a restriction list"),
    ("side", _side, "a short sale needs an account that may, and nothing left to sell"),
    ("locate", _located, "more is sold short than was located"),
    ("size", _size, "the quantity is not positive, no whole lots, or above what one order may be"),
    ("tick", _tick, "the limit is no multiple of the tick"),
    ("collar", _collar, "the limit is too far from the market"),
    ("rate", _rate, "too many orders in a second"),
    ("cash", _cash, "the account has not the cash"),
    ("position", _position, "the account has not the shares"),
    ("capital", _capital, "the capital of the portfolio manager is used up"),
    ("gross", _gross, "a limit of the firm"),
    ("net", _net, "a limit of the firm"),
    ("single_name", _single_name, "a limit of the firm"),
)
"""Code, check (True refuses), and what is said; duplicates come before all of them, in the gate."""

TEXTS = {code: text for code, _, text in CHECKS} | {
    "account": "there is no such account of yours",
    "symbol": "the symbol is not known",
    "no_price": "the symbol has no price yet",
    "duplicate": "the id was used for another order",
    "parent": "the order that it is a part of is not known, or of another account, symbol or side",
    "replaces": "what it replaces is not open, or of another account, symbol or side",
    "block": "its account trades parts of blocks that are open, and its block has not so much left",
    "short": "short sales are no blocks; sell short by account",
    "basket": "another order of the basket was refused",
    "malformed": "an id, which begins with the account and a slash, a venue, a quantity or a limit is none",
    "firm": "a limit of the firm",
    "compliance": "a rule of compliance",
    **dict.fromkeys(sorted(FURTHER), "a limit of the firm"),
}
"""What every code means."""

FIRM_CODES = frozenset({"gross", "net", "single_name"}) | FURTHER
"""Told to nobody outside: which limit of the firm is used up is what others hold."""


def breaks_rules(ledger: Ledger, it: Proposal) -> bool:
    """Whether a rule of compliance refuses an order that makes its line larger."""
    if ledger.order_rules is None or it.reduces:
        return False
    return any(each.rule.severity == "block" for each in broken_rules(ledger, it))


def first_failure(ledger: Ledger, proposal: Proposal) -> str:
    """The code of the first check that an order fails; empty where it passes all.

    Rules of compliance and the firm's further limits (see ``institution.firm_limits``) come last, where there are any.
    """
    found: list[str] = []
    for code, fails, _ in CHECKS:
        if fails(ledger, proposal):
            if code not in FIRM_CODES:
                return found[0] if found else code
            # Of what is the firm's all is looked at, whichever of it refuses: the time that it takes tells nothing.
            found.append(code)
    if ledger.watched and not proposal.reduces:
        if breaks_rules(ledger, proposal):
            found.append("compliance")
        further = None if ledger.firm is None else passed(ledger, firm_order(ledger, proposal))
        if further is not None:
            found.append(further.limit)
    return found[0] if found else ""
