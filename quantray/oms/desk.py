"""What a desk may ask of the gate, and a desk in the gate's process; ``door`` has the one for other processes.

Whoever heard no answer may ask again: orders and blocks have ids.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from quantray.execution.orders import Side
from quantray.institution.approvals import LimitChange
from quantray.institution.overrides import Override
from quantray.oms.approvals import decide_change, propose_change
from quantray.oms.block_records import Block, BlockDecision, BlockStatus
from quantray.oms.blocks import Onto, PreTrade, allocate_block, block_statuses, place_block, reallocate_block
from quantray.oms.books import Books
from quantray.oms.changes import Actor
from quantray.oms.compliance import sign_override
from quantray.oms.controls import add_parent, set_marks, set_switch
from quantray.oms.gate import Gate
from quantray.oms.ledger import OrderRecord
from quantray.oms.messages import Decision, NewOrder, Report
from quantray.oms.states import State
from quantray.oms.submission import cancel

__all__ = ["Child", "Desk", "LocalDesk", "Parent"]


@dataclass(frozen=True, slots=True)
class Parent:
    """An order that children are parts of; ``schedule`` as ``execution.orders`` writes it."""

    id: str
    account: str
    symbol: str
    side: Side
    quantity: int
    schedule: str = ""


@dataclass(frozen=True, slots=True)
class Child:
    """How far a part of an order is."""

    id: str
    parent: str
    state: State
    quantity: int
    filled: int


class Desk(Protocol):
    """What a worker needs; every method raises ``ClosedError`` where there is no gate, and may be called again."""

    def submit(self, orders: Sequence[NewOrder]) -> Sequence[Decision]:
        """Submit orders; what was refused is in the decisions."""

    def cancel(self, orders: Sequence[str]) -> None:
        """Ask that orders end, as far as they can be."""

    def add_parents(self, parents: Sequence[Parent]) -> None:
        """Keep orders that children will be parts of."""

    def children(self, parents: Sequence[str]) -> Sequence[Child]:
        """All parts of some orders."""

    def fills(self, parents: Sequence[str]) -> Sequence[Report]:
        """All executions of the parts of some orders, as they are now: without what was busted."""

    def place_block(self, block: Block) -> BlockDecision:
        """Place a block; a function that its rule names is called here. Raises ``InputError``."""

    def allocate_block(self, block: str) -> BlockStatus:
        """Share out a block whose orders have ended; raises ``InputError``."""

    def blocks(self, names: Sequence[str] | None = None) -> Sequence[BlockStatus]:
        """How far blocks are: those of some ids, or all."""


class LocalDesk:
    """A desk in the process of the gate; ``restrictions`` are asked about each account's part of a block."""

    def __init__(self, gate: Gate, actor: Actor, *, restrictions: Sequence[PreTrade] = ()) -> None:
        self._gate, self._actor, self._restrictions = gate, actor, tuple(restrictions)

    @property
    def actor(self) -> Actor:
        """Whose desk it is."""
        return self._actor

    def of(self, actor: Actor) -> "LocalDesk":
        """The same desk for somebody else."""
        return LocalDesk(self._gate, actor, restrictions=self._restrictions)

    def submit(self, orders: Sequence[NewOrder]) -> Sequence[Decision]:
        """See ``Desk``."""
        return self._gate.submit(orders, self._actor)

    def cancel(self, orders: Sequence[str]) -> None:
        """See ``Desk``."""
        self._gate.do(lambda books: [cancel(books, order, self._actor) for order in orders])

    def add_parents(self, parents: Sequence[Parent]) -> None:
        """See ``Desk``."""

        def add(books: Books) -> None:
            for it in parents:
                add_parent(books, self._actor, it.id, it.account, it.symbol, it.side, it.quantity, it.schedule)

        self._gate.do(add)

    def children(self, parents: Sequence[str]) -> Sequence[Child]:
        """See ``Desk``."""
        return self._gate.do(lambda books: _children(books, parents, self._actor))

    def fills(self, parents: Sequence[str]) -> Sequence[Report]:
        """See ``Desk``."""

        def found(books: Books) -> list[Report]:
            orders = [child.id for child in _children(books, parents, self._actor) if child.filled]
            return [report for order in orders for report in books.executions.standing(order)]

        return self._gate.do(found)

    def place_block(self, block: Block) -> BlockDecision:
        """See ``Desk``."""
        return self.take_block(block.with_numbers())

    def take_block(self, block: Block) -> BlockDecision:
        """Place a block whose rule has its numbers; raises ``InputError``."""
        return self._gate.do(lambda books: place_block(books, self._actor, block, self._restrictions))

    def allocate_block(self, block: str) -> BlockStatus:
        """See ``Desk``."""
        return self._gate.do(lambda books: allocate_block(books, self._actor, block))

    def reallocate_block(self, block: str, reason: str, onto: Onto) -> BlockStatus:
        """Share out a block anew, see ``blocks``; raises ``InputError``."""
        return self._gate.do(lambda books: reallocate_block(books, self._actor, block, reason, onto=onto))

    def blocks(self, names: Sequence[str] | None = None) -> Sequence[BlockStatus]:
        """See ``Desk``."""
        return self._gate.do(lambda books: block_statuses(books, self._actor, names))

    def marks(self) -> dict[str, int]:
        """The prices that the gate reckons with, in units of money."""
        return self._gate.do(lambda books: {s: it.mark for s, it in books.ledger.instruments.items() if it.mark})

    def set_marks(self, marks: Mapping[str, int]) -> None:
        """Set them; raises ``InputError``."""
        self._gate.do(lambda books: set_marks(books, self._actor, marks))

    def propose_change(
        self, name: str, limit: tuple[str, str, str], value: int, *, reason: str, hours: int
    ) -> LimitChange:
        """Keep that a limit is to be another, see ``approvals``; raises ``InputError``."""
        return self._gate.do(
            lambda books: propose_change(books, self._actor, name, limit, value, reason=reason, hours=hours)
        )

    def decide_change(self, name: str, *, approve: bool) -> LimitChange:
        """Approve a change or decline it; raises ``InputError``."""
        return self._gate.do(lambda books: decide_change(books, self._actor, name, approve=approve))

    def sign_override(self, asked: Override) -> Override:
        """Let an account break a rule for a while, which two sign, see ``compliance``; raises ``InputError``."""
        return self._gate.do(lambda books: sign_override(books, self._actor, asked))

    def switch(self, scope: str, key: str, *, on: bool) -> None:
        """Halt or resume; what is open when it halts is canceled. Raises ``InputError``."""

        def switched(books: Books) -> None:
            set_switch(books, self._actor, scope, key, on=on)
            if on:
                for record in list(books.ledger.live.values()):
                    if _is_of(record, scope, key):
                        cancel(books, record.order.id, self._actor)

        self._gate.do(switched)


def _children(books: Books, parents: Sequence[str], actor: Actor) -> list[Child]:
    return [
        Child(record.order.id, name, record.state, record.order.quantity, record.filled)
        for name in parents
        for record in books.parts(name)
        if actor.pm in (None, record.pm)
    ]


def _is_of(record: OrderRecord, scope: str, key: str) -> bool:
    whose = {"firm": "", "pm": record.pm, "account": record.order.account, "symbol": record.order.symbol}
    return whose[scope] == key
