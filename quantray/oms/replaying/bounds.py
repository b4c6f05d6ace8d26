"""Whether an order that was accepted keeps within everything that was in force then, after it was set aside for."""

from quantray.oms.replaying.findings import Findings
from quantray.oms.replaying.lines import Row
from quantray.oms.replaying.standing import Placed, Standing

__all__ = ["price_set_aside", "reduces", "within"]

_BPS = 10_000


def price_set_aside(now: Standing, order: Placed) -> int:
    """Money a share that an order may cost at the most, with fees."""
    highest = order.limit
    if highest is None:
        mark, collar = now.instruments[order.symbol].mark, now.limits.get(("firm", "", "collar_bps"), 0)
        highest = (mark * (_BPS + collar) + _BPS - 1) // _BPS
    return highest + now.limits.get(("firm", "", "fee"), 0)


def within(now: Standing, order: Placed, row: Row, before: int, findings: Findings) -> None:
    """Name every limit that an order passes; ``before`` is what its holding came to at the worst without it."""
    _may_trade(now, order, row, findings)
    _size(now, order, findings)
    if order.is_purchase:
        owner = now.owners[order.account]
        if owner.reserved > owner.cash:
            _passed(findings, "cash", order, owner.reserved, owner.cash)
    else:
        _shares(now, order, findings)
    holding = now.holdings[order.account, order.symbol]
    if holding.extent() > before:
        _at_most(findings, now, ("pm", order.pm, "capital"), order, now.gross_of[order.pm])
        _at_most(findings, now, ("firm", "", "gross"), order, now.gross)
    if reduces(now, order):
        return
    firm, mark = now.instruments[order.symbol].firm, now.instruments[order.symbol].mark
    if order.is_purchase:
        _at_most(findings, now, ("firm", "", "net"), order, max(now.longest, 0))
        _at_most(findings, now, ("firm", "", "single_name"), order, max(firm.shares + firm.buying, 0) * mark)
    else:
        _at_most(findings, now, ("firm", "", "net"), order, max(-now.shortest, 0))
        _at_most(findings, now, ("firm", "", "single_name"), order, max(firm.selling - firm.shares, 0) * mark)


def reduces(now: Standing, order: Placed) -> bool:
    """Whether an order that is set aside for only makes its holding smaller."""
    # A sale was held whole; a purchase that only covers a short leaves none of it bought too much.
    holding = now.holdings[order.account, order.symbol]
    return order.side == "sell" or (order.is_purchase and holding.shares + holding.buying <= 0)


def _may_trade(now: Standing, order: Placed, row: Row, findings: Findings) -> None:
    for switch in (("firm", ""), ("pm", order.pm), ("account", order.account), ("symbol", order.symbol)):
        if switch in now.switches:
            findings.add("switch", f"order {row.entity} was accepted while {' '.join(switch).strip()} was halted")
    if not now.opens <= row.time < now.closes:
        findings.add("hours", f"order {row.entity} was accepted outside {now.opens} to {now.closes}")
    for listed in (("", order.symbol), (order.account, order.symbol)):
        if listed in now.restrictions:
            findings.add("restriction", f"order {row.entity} of {order.symbol} was accepted while it was listed")


def _size(now: Standing, order: Placed, findings: Findings) -> None:
    it, limit = now.instruments[order.symbol], order.limit
    if order.quantity <= 0 or order.quantity % it.lot:
        findings.add("size", f"{order.quantity:,} shares of {order.symbol} are no whole lots of {it.lot:,}")
    _at_most(findings, now, ("firm", "", "order_shares"), order, order.quantity)
    value = order.quantity * max(price_set_aside(now, order), it.mark)
    _at_most(findings, now, ("firm", "", "order_value"), order, value)
    if limit is not None:
        if limit <= 0 or limit % it.tick:
            findings.add("tick", f"the limit {limit:,} of {order.symbol} is no multiple of {it.tick:,}")
        collar = now.limits.get(("firm", "", "collar_bps"), 0)
        if abs(limit - it.mark) * _BPS > collar * it.mark:
            findings.add("collar", f"the limit {limit:,} is further than {collar:,} bps from {it.mark:,}")


def _shares(now: Standing, order: Placed, findings: Findings) -> None:
    holding = now.holdings[order.account, order.symbol]
    short = holding.selling - holding.shares
    if order.side == "sell":
        if short > 0:
            _passed(findings, "position", order, holding.selling, holding.shares)
        return
    if not now.owners[order.account].may_short or short < order.quantity:
        findings.add("side", f"the account {order.account} may not sell {order.symbol} short, or has some to sell")
    _at_most(findings, now, ("account", f"{order.account}:{order.symbol}", "locate"), order, short)


def _at_most(findings: Findings, now: Standing, limit: tuple[str, str, str], order: Placed, value: int) -> None:
    if value > (bound := now.limits.get(limit, 0)):
        scope, key, name = limit
        _passed(findings, f"{scope} {key} {name}".replace("  ", " "), order, value, bound)


def _passed(findings: Findings, name: str, order: Placed, value: int, bound: int) -> None:
    findings.add(
        "limit", f"{name} is {value:,} and may be {bound:,} with {order.side} {order.quantity:,} {order.symbol}"
    )
