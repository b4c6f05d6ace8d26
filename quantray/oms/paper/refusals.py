"""What the paper venue does not take, and why, in the words that its report has."""

from quantray.oms.messages import MONEY, NewOrder
from quantray.oms.paper.bars import Bars
from quantray.oms.paper.matching import Rules
from quantray.oms.paper.records import Records
from quantray.oms.states import ENDED

__all__ = ["limit_fault", "refusal"]


def refusal(order: NewOrder, records: Records, bars: Bars, rules: Rules, *, closed: bool) -> str:
    """Why a new order is not taken; empty where it is.

    Parameters
    ----------
    closed : whether no bar is left.
    """
    if order.symbol not in bars.columns:
        return f"{order.symbol} is not traded here"
    if order.venue not in rules.places:
        return f"{order.venue} is no venue here"
    if order.quantity < 1:
        return f"{order.quantity} shares are none"
    if fault := limit_fault(order.limit, rules):
        return fault
    if closed:
        return "the market is closed"
    return "" if order.replaces is None else _no_replacement(order, order.replaces, records)


def limit_fault(limit: int | None, rules: Rules) -> str:
    """What is wrong with a limit; empty where nothing is."""
    if limit is None:
        return ""
    tick = rules.tick if limit >= MONEY else 1
    return "" if limit > 0 and limit % tick == 0 else f"limit {limit} is no positive multiple of {tick}"


def _no_replacement(order: NewOrder, replaces: str, records: Records) -> str:
    old = records.get(replaces)
    if old is None or old.state in ENDED:
        return f"{replaces} cannot be replaced: it is {old.state if old else 'not known'}"
    if (old.order.account, old.order.symbol, old.order.side) != (order.account, order.symbol, order.side):
        return f"{replaces} is of another account, symbol or side"
    return ""
