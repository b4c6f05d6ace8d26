"""What came of a trading day: orders and refusals, what accounts are worth and hold, and what strategies earned."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from quantray.arrays import Float
from quantray.oms.block_records import BlockStatus
from quantray.oms.books import Books
from quantray.trading.messages import Holding
from quantray.trading.world import WorldSettings

__all__ = ["Outcome", "held_by", "weighed"]


@dataclass(slots=True)
class Outcome:
    """What came of a day.

    Parameters
    ----------
    orders : submitted.
    latencies : milliseconds from each accepted block's decision to its order's approval on disk.
    refused : blocks and orders that the gate refused, by code.
    left_out : accounts that were left out of a block, by reason.
    silent : by manager, what became of answers that did not come or were none, by reason.
    failed : by strategy, why it could not decide, and how often.
    earned : money of the currency by strategy on paper, over the day.
    blocks : all of them, as they ended.
    worth : units of money by account: before the day and after it.
    holdings : what every account has after the day.
    seconds : that the day took.
    memory : most bytes of each world.
    """

    orders: int = 0
    latencies: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    silent: dict[str, Counter[str]] = field(default_factory=dict)
    failed: dict[str, Counter[str]] = field(default_factory=dict)
    earned: dict[str, float] = field(default_factory=dict)
    blocks: list[BlockStatus] = field(default_factory=list)
    worth: dict[str, tuple[int, int]] = field(default_factory=dict)
    holdings: dict[str, Holding] = field(default_factory=dict)
    seconds: float = 0.0
    memory: dict[str, int] = field(default_factory=dict)

    @property
    def latency(self) -> Float:
        """(B,) milliseconds."""
        return np.array(self.latencies, dtype=np.float64)


def weighed(books: Books) -> tuple[dict[str, int], dict[str, Holding]]:
    """What every account is worth at the marks, and what it has; those for blocks are among them."""
    held = {name: Holding(cash=it.cash, shares={}) for name, it in books.ledger.accounts.items()}
    for (name, symbol), line in books.ledger.lines.items():
        if line.shares:
            held[name].shares[symbol] = line.shares
    marks = books.ledger.instruments
    worth = {
        name: it.cash + sum(count * marks[symbol].mark for symbol, count in it.shares.items())
        for name, it in held.items()
    }
    return worth, held


def held_by(books: Books, world: WorldSettings) -> dict[str, Holding]:
    """What a manager's accounts hold, and nobody else's."""
    found = {name: Holding(cash=books.ledger.accounts[name].cash, shares={}) for name in world.accounts}
    for name, holding in found.items():
        for symbol in world.symbols:
            line = books.ledger.lines.get((name, symbol))
            if line is not None and line.shares > 0:
                holding.shares[symbol] = line.shares
    return found
