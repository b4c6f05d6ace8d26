"""What a manager wants, placed in his name as blocks, each with the one order that trades it within the bar."""

from collections.abc import Callable, Mapping, Sequence

from quantray.errors import InputError
from quantray.execution.orders import Side
from quantray.institution.allocation import Rule
from quantray.institution.books import InstitutionSettings
from quantray.oms.block_records import Block, block_account
from quantray.oms.blocks import place_block
from quantray.oms.books import Books
from quantray.oms.changes import Actor
from quantray.oms.ledger import Ledger
from quantray.oms.messages import NewOrder
from quantray.oms.submission import submit
from quantray.trading.messages import Wish
from quantray.trading.outcome import Outcome

__all__ = ["place", "sharing"]

_EXTENSION = "-1"
"""Of the one order that trades a block within a bar."""


def place(
    books: Books,
    pm: str,
    bar: int,
    wishes: Sequence[Wish],
    rule: Callable[[Mapping[str, int]], Rule],
    *,
    venue: str,
    outcome: Outcome,
) -> list[str]:
    """Place and submit what a manager wants, in turn; the ids of the blocks that were accepted.

    No order is filled beyond the collar around the mark, which is what a purchase sets aside: a name that gaps further
    within the bar is not traded, rather than paid for with money that an account has not.
    """
    actor, accepted = Actor(pm, pm), []
    for number, wish in enumerate(wishes):
        side = Side(wish.side)
        block = Block(
            id=f"{block_account(pm)}/{bar:03d}-{number:04d}",
            symbol=wish.symbol,
            side=side,
            demands=wish.demands,
            limit=_furthest(books.ledger, wish.symbol, side),
            rule=rule(wish.demands),
        )
        try:
            placed = place_block(books, actor, block)
        except InputError:
            # More shares than there is money for in the world: nothing was changed.
            outcome.refused["malformed"] += 1
            continue
        outcome.left_out.update(each.reason for each in placed.left_out)
        if not placed.accepted:
            outcome.refused[placed.code] += 1
            continue
        accepted.append(block.id)
        order = NewOrder(
            id=block.id + _EXTENSION,
            account=block_account(pm),
            symbol=block.symbol,
            side=side,
            quantity=placed.quantity,
            limit=block.limit,
            tif="IOC",
            venue=venue,
            parent=block.id,
        )
        (decision,) = submit(books, [order], actor)
        outcome.orders += 1
        if not decision.accepted:
            outcome.refused[decision.code] += 1
    return accepted


def sharing(institution: InstitutionSettings, pm: str) -> Callable[[Mapping[str, int]], Rule]:
    """How a manager's blocks are shared out, with the numbers that his rule needs."""
    method, numbers = institution.pms[pm].sharing, {}
    if method == "priority":
        numbers = {name: institution.accounts[name].priority for name in institution.accounts_of(pm)}
    elif method == "capital":
        numbers = {name: int(institution.accounts[name].cash) for name in institution.accounts_of(pm)}
    return lambda demands: Rule(method=method, numbers={name: numbers[name] for name in demands} if numbers else {})


def _furthest(ledger: Ledger, symbol: str, side: Side) -> int:
    """The last whole tick within the collar, above the mark for purchases and below it for sales."""
    instrument, collar = ledger.instruments[symbol], ledger.limit("firm", "", "collar_bps")
    if side is Side.BUY:
        return instrument.mark * (10_000 + collar) // 10_000 // instrument.tick * instrument.tick
    lowest = -(-instrument.mark * (10_000 - collar) // 10_000)
    return max(-(-lowest // instrument.tick), 1) * instrument.tick
