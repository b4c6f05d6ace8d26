"""Whatever becomes of blocks, shares and money are somebody's, and the independent reader agrees."""

import os
import tempfile
from dataclasses import asdict
from pathlib import Path

from desks import Clock, empty_database
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from order_books import MARK, OPS
from order_model import VenueSide

from quantray.errors import InputError
from quantray.execution.orders import Side
from quantray.institution.allocation import Rule
from quantray.oms import controls
from quantray.oms.block_records import Block
from quantray.oms.blocks import allocate_block, place_block, reallocate_block
from quantray.oms.changes import Actor
from quantray.oms.database import Database
from quantray.oms.handing import handed
from quantray.oms.hearing import hear
from quantray.oms.ledger import Account
from quantray.oms.loading import loaded
from quantray.oms.messages import NewOrder
from quantray.oms.replay import replay_database
from quantray.oms.states import State
from quantray.oms.submission import cancel, submit

ACCOUNTS = ("A1", "A2", "A3")
ANN = Actor("ann", "ann")
MEMORY = "/dev/shm"
Picks = st.integers(0, 10**6)
METHODS = ("pro_rata", "equal", "priority", "custom")


class BlockDay(RuleBasedStateMachine):
    """A gate without its thread, three accounts and a venue that takes back what it said."""

    database = None

    @initialize()
    def set_up(self) -> None:
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None)
        path = Path(self.folder.name) / "orders.db"
        path.write_bytes(empty_database())
        self.url = f"sqlite:///{path}"
        self.database, self.clock = Database(self.url), Clock()
        self.books = books = loaded(self.database, self.clock)
        controls.list_instruments(books, OPS, {"AAA": (100, 10)})
        controls.set_marks(books, OPS, {"AAA": MARK})
        for name, shares in zip(ACCOUNTS, (1_000, 500, 0), strict=True):
            controls.open_account(books, OPS, Account(name, "ann", 2_000 * MARK), {"AAA": shares})
        firm = {"order_shares": 10**6, "order_value": 10**12, "collar_bps": 2_000, "fee": 100}
        firm |= dict.fromkeys(("gross", "net", "single_name"), 10**12)
        limits = {("firm", "", name): value for name, value in firm.items()}
        controls.set_limits(books, OPS, limits | {("pm", "ann", "capital"): 10**12, ("pm", "ann", "rate"): 10**6})
        controls.set_session(books, OPS, self.clock.now, self.clock.now.replace(hour=23))
        self.venue: dict[str, VenueSide] = {}
        self.number = 0
        self.commit()

    def commit(self) -> None:
        self.database.write(self.books.changes.collected(self.books.ledger))

    def next(self, letter: str) -> str:
        self.number += 1
        return f"{letter}{self.number}"

    def some(self, names, pick: int) -> str:
        names = sorted(names)
        return names[pick % len(names)]

    @rule(
        lots=st.lists(st.integers(0, 30), min_size=3, max_size=3).filter(any),
        numbers=st.lists(st.integers(0, 3), min_size=3, max_size=3),
        side=st.sampled_from([Side.BUY, Side.SELL]),
        market=st.booleans(),
        method=st.sampled_from(METHODS),
        only=st.sampled_from(["", "", "A2"]),
        parts=st.lists(st.tuples(st.integers(1, 15), st.integers(0, 150)), min_size=1, max_size=3),
    )
    def place(self, lots, numbers, side, market, method, only, parts):
        demands = {name: 10 * n for name, n in zip(ACCOUNTS, lots, strict=True) if n}
        rule, limit = Rule(method=method, numbers=dict(zip(ACCOUNTS, numbers, strict=True))), None if market else MARK
        block = Block(
            id=f"ann.block/{self.next('B')}", symbol="AAA", side=side, demands=demands, limit=limit, rule=rule
        )
        found = place_block(self.books, ANN, block, [lambda ledger, order: "rule" if order.account == only else ""])
        assert found.quantity == sum(demands.values()) - sum(each.shares for each in found.left_out)
        assert found.accepted == (found.quantity > 0)
        if found.accepted:
            assert place_block(self.books, ANN, block) == found
        self.commit()
        for n, filled in parts if found.accepted else ():
            self.trade(block, n, block.id, filled)

    def open_blocks(self):
        return [name for name, it in self.books.blocks.records.items() if not it.allocations]

    @precondition(lambda self: self.open_blocks())
    @rule(pick=Picks, lots=st.integers(1, 60), filled=st.integers(0, 300), foreign=st.integers(0, 9))
    def trade_more(self, pick, lots, filled, foreign):
        name = self.some(self.open_blocks(), pick)
        self.trade(self.books.blocks.records[name].block, lots, None if foreign == 0 else name, filled)

    def trade(self, block, lots, parent, filled):
        order = NewOrder(
            id=f"ann.block/{self.next('O')}",
            account="ann.block",
            symbol="AAA",
            side=block.side,
            quantity=10 * lots,
            limit=block.limit,
            parent=parent,
        )
        (decision,) = submit(self.books, [order], ANN)
        assert decision.code in (("", "block", "cash", "position") if parent else ("block", "cash", "position"))
        self.hand_over(filled)
        if filled % 4:
            self.hear_all()

    def hand_over(self, filled=0):
        for out in handed(self.books, list(self.books.outgoing), "rest"):
            if out.action == "new":
                self.venue[out.order.id] = VenueSide(out.order)
                self.venue[out.order.id].tell("acked")
                self.venue[out.order.id].fill(self.next("E"), filled, (9_950 + filled % 51) * 100)
            else:
                self.venue[out.order.id].end(State.CANCELED)
        self.commit()

    @precondition(lambda self: self.venue)
    @rule(
        acts=st.lists(
            st.tuples(Picks, st.sampled_from(["fill", "fill", "bust", "correct", "end", "end"]), st.integers(1, 300)),
            min_size=1,
            max_size=5,
        ),
        held_back=st.booleans(),
    )
    def venue_acts(self, acts, held_back):
        for pick, what, quantity in acts:
            side, name = self.venue[self.some(self.venue, pick)], self.next("E")
            if what == "fill":
                side.fill(name, quantity, (9_950 + pick % 51) * 100)
            elif what == "end":
                side.end((State.CANCELED, State.EXPIRED)[pick % 2])
            else:
                side.amend(name, what, quantity)
        if not held_back:
            self.hear_all()

    def hear_all(self):
        hear(self.books, [report for side in self.venue.values() for report in side.said])
        self.commit()

    @precondition(lambda self: self.books.blocks.records)
    @rule(pick=Picks, onto=st.sampled_from(["accounts", "residual"]), at_once=st.integers(0, 3))
    def allocate(self, pick, onto, at_once):
        name = self.some(self.books.blocks.records, pick)
        record = self.books.blocks.records[name]
        if at_once:
            for part in self.books.ledger.parts.get(name, ()):
                cancel(self.books, part.order.id, ANN)
            self.hand_over()
            self.hear_all()
        is_open = any(part.state.value in OPEN_STATES for part in self.books.ledger.parts.get(name, ()))
        try:
            if not record.allocations:
                found = allocate_block(self.books, ANN, name)
            else:
                found = reallocate_block(self.books, OPS, name, "as its venue says", onto=onto)
        except InputError as error:
            said = str(error)
        else:
            said = ""
        assert is_open == ("have not ended" in said)
        if said:
            assert is_open or "has no more" in said
            return
        shared = list(found.shares.values())
        assert [sum(each[i] for each in shared) for i in range(3)] == [found.filled, found.amount, found.fee]
        assert onto == "residual" or all(0 <= found.shares[a].shares <= n for a, n in found.demands.items())
        self.commit()

    @rule(what=st.sampled_from(["place", "allocate", "nothing"]), percent=st.integers(90, 110))
    def killed(self, what, percent):
        """The gate ends before what it did is on disk: then nothing of it was."""
        before = seen(self.books)
        if what == "place":
            place_block(self.books, ANN, Block(id="ann.block/lost", symbol="AAA", side=Side.BUY, demands={"A1": 10}))
        elif what == "allocate":
            for name in self.open_blocks():
                try:
                    allocate_block(self.books, ANN, name)
                except InputError:
                    continue
        names, self.books = list(self.books.ledger.orders), loaded(self.database, self.clock)
        self.books.recall(names)
        for name in self.books.blocks.records:
            self.books.count_block(name)
        assert seen(self.books) == before
        controls.set_marks(self.books, OPS, {"AAA": percent * MARK // 100})
        self.commit()

    @invariant()
    def nothing_is_lost(self):
        ledger = self.books.ledger
        fills = [
            (record.order.side.sign, fill)
            for name, record in ledger.orders.items()
            for fill in self.books.executions.standing(name)
        ]
        traded = sum(sign * fill.quantity for sign, fill in fills)
        paid = sum(sign * fill.quantity * fill.price + fill.fee for sign, fill in fills)
        assert sum(line.shares for line in ledger.lines.values()) == 1_500 + traded
        assert sum(account.cash for account in ledger.accounts.values()) == 6_000 * MARK - paid

    @invariant()
    def the_block_account_holds_what_open_blocks_put_in_and_nothing_else(self):
        """But for what its venue has said since a block was allocated."""
        cash, shares = 0, 0
        for record in self.books.blocks.records.values():
            last = record.allocations[-1] if record.allocations else None
            given = [sum(each[i] for each in last.values()) for i in range(3)] if last else [0, 0, 0]
            count, amount, fee = (all_ - part for all_, part in zip(record.totals, given, strict=True))
            sign = record.block.side.sign
            cash -= sign * amount + fee
            shares += sign * count
            if last is None:
                put = [record.put_in(account) for account in record.kept]
                cash, shares = cash + sum(each[0] for each in put), shares + sum(each[1] for each in put)
        ledger = self.books.ledger
        if "ann.block" in ledger.accounts:
            assert ledger.accounts["ann.block"].cash == cash
            line = ledger.lines.get(("ann.block", "AAA"))
            assert (line.shares if line else 0) == shares

    def teardown(self):
        if self.database is None:
            return
        try:
            for name in list(self.books.ledger.live):
                cancel(self.books, name, OPS)
            self.commit()
            assert replay_database(self.url).findings == ()
        finally:
            self.database.close()
            self.folder.cleanup()


OPEN_STATES = {"RESERVED", "SENT", "ACKED", "PARTIAL", "CANCEL_PENDING", "UNKNOWN"}


def seen(books):
    ledger = books.ledger
    return {
        "accounts": {name: asdict(it) for name, it in ledger.accounts.items()},
        "lines": {
            key: asdict(line) for key, line in ledger.lines.items() if line.shares or line.buying or line.selling
        },
        "blocks": {
            name: (asdict(it.block), it.kept, set(it.left_out), it.price, it.key, it.totals, list(it.allocations))
            for name, it in books.blocks.records.items()
        },
        "gross": ledger.gross,
        "moved": ({k: n for k, n in books.blocks.moved_cash.items() if n}, dict(books.blocks.moved_shares)),
        "seq": books.changes.chain.seq,
    }


TestBlocks = BlockDay.TestCase
TestBlocks.settings = settings(
    max_examples=8,
    stateful_step_count=25,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
