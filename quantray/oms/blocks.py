"""Blocks placed and allocated: each command moves what it moves in one transaction, or nothing.

Placing moves what the accounts need at the worst to the block account of their manager, so that the parts of the block
are ordinary orders of that account, with every check and reservation as for any other. Allocating, once no part of it
is open, gives each account its shares at one average price and what was not used. What a venue says of it later is
told, and shared out anew only when operations ask for it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from quantray.errors import InputError
from quantray.execution.orders import Side
from quantray.institution.allocation import Filtered, LeftOut, allocate, filtered, priced
from quantray.oms import schema
from quantray.oms.block_records import (
    Block,
    BlockDecision,
    BlockRecord,
    BlockStatus,
    Share,
    block_account,
    is_for_blocks,
    residual_account,
)
from quantray.oms.books import SYSTEM, Books
from quantray.oms.changes import Actor
from quantray.oms.checks import CHECKS, TEXTS, Proposal, breaks_rules, proposed
from quantray.oms.controls import open_account
from quantray.oms.ledger import Account, Ledger, Line
from quantray.oms.messages import NewOrder, is_id, is_name
from quantray.oms.states import ENDED

__all__ = ["Onto", "PreTrade", "allocate_block", "block_statuses", "place_block", "reallocate_block"]

PreTrade = Callable[[Ledger, NewOrder], str]
"""A rule about an account's part of a block, as an order of its own: why it may not be; empty where it may."""

Onto = Literal["accounts", "residual"]
"""Whose the difference is when a block is allocated anew."""

_ASKED = frozenset({"halted", "closed", "restricted", "tick", "collar", "cash"})
"""Checks that an account's part has to pass itself; exposures are checked with each order of the block."""
_MOST_MONEY = 10**17
_LONGEST = 64
"""Letters of a reason."""


def place_block(books: Books, actor: Actor, block: Block, restrictions: Sequence[PreTrade] = ()) -> BlockDecision:
    """Keep what accounts want, leave out who may not, and move what the others need to the block account.

    The same block again is given the same decision, and changes nothing. What is refused is in the decision: the code
    ``account`` where one is not there or another's, ``duplicate``, ``short`` for a short sale, ``symbol``,
    ``no_price``, or where nobody stays why the first one does not.

    Raises
    ------
    InputError
        The block is none: no ids, no whole lots, or a rule without its numbers.
    """
    block = _well_formed(block)
    pm = _manager(books, actor, block)
    if pm is None:
        return _refused(books, actor, block, "account")
    if not is_name(residual_account(pm)):
        raise InputError(f"portfolio manager {pm!r} needs a shorter id: {residual_account(pm)!r} is to be an account.")
    if not is_id(block.id, block_account(pm)):
        return _refused(books, actor, block, "malformed")
    if (known := books.blocks.records.get(block.id)) is not None:
        return _decision(known) if known.block == block else _refused(books, actor, block, "duplicate")
    if block.side is Side.SELL_SHORT:
        return _refused(books, actor, block, "short")
    first = _proposal(books, block, *next(iter(block.demands.items())), books.now())
    if isinstance(first, str):
        return _refused(books, actor, block, first)
    found = _filtered(books, block, restrictions, first)
    if not found.demands:
        return _refused(books, actor, block, found.left_out[0].reason, found.left_out)
    price = first.price if block.side is Side.BUY else 0
    _open_accounts(books, pm)
    record = BlockRecord(
        block, pm, found.demands, found.left_out, first.instrument.lot, price, books.changes.chain.origin
    )
    books.blocks.records[block.id] = record
    books.begun(block.id)
    put_in = {account: record.put_in(account) for account in record.kept}
    _move(books, record, {account: (-cash, -shares) for account, (cash, shares) in put_in.items()})
    _keep(books, actor, record)
    return _decision(record)


def allocate_block(books: Books, actor: Actor, block: str) -> BlockStatus:
    """Share out what a block filled, once; again it changes nothing.

    Raises
    ------
    InputError
        There is no such block of the actor's, or a part of it is still open.
    """
    record = _seen(books, actor, block)
    if not record.allocations:
        _require_ended(books, record)
        _book(books, actor, record, _shared(record), "accounts", "")
    return _status(books, record)


def reallocate_block(books: Books, actor: Actor, block: str, reason: str, *, onto: Onto) -> BlockStatus:
    """Share out a block anew after its venue took back, corrected or added fills; where nothing did, nothing changes.

    Parameters
    ----------
    onto : ``accounts`` by the rule of the block, which asks back what some have; or ``residual``, which takes the
        difference and leaves the accounts alone.

    Raises
    ------
    InputError
        The actor is a portfolio manager, it was not allocated yet, a part of it is open, or an account has no more what
        it would have to give back.
    """
    record = _seen(books, actor, block)
    if actor.pm is not None or not reason or onto not in ("accounts", "residual"):
        raise InputError(f"block {block!r} is allocated anew by operations, with a reason, onto accounts or residual.")
    if not record.allocations:
        raise InputError(f"block {block!r} was not allocated yet; allocate it first.")
    _require_ended(books, record)
    books.count_block(block)
    last = record.allocations[-1]
    if _sum(last) != record.totals:
        shares = _shared(record) if onto == "accounts" else _on_residual(record, last)
        _require_returnable(books, record, shares)
        _book(books, actor, record, shares, onto, reason)
    return _status(books, record)


def block_statuses(books: Books, actor: Actor, names: Sequence[str] | None = None) -> list[BlockStatus]:
    """How far blocks are, those of some ids or all of them; another's are not there."""
    records = books.blocks.records
    wanted = records if names is None else [name for name in names if name in records]
    return [_status(books, records[name]) for name in wanted if actor.pm in (None, records[name].pm)]


# Placing


def _well_formed(block: Block) -> Block:
    """The block with the numbers that its rule needs, and no others."""
    if not is_name(block.id) or not is_name(block.symbol, 32) or not isinstance(block.side, Side):
        raise InputError(f"block {str(block.id)[:64]!r} lacks an id, a symbol or a side.")
    if not block.demands or not all(is_name(name) and type(n) is int and n > 0 for name, n in block.demands.items()):
        raise InputError(f"block {block.id!r} needs a positive number of shares for each account, and one at least.")
    if block.limit is not None and type(block.limit) is not int:
        raise InputError(f"block {block.id!r} has the limit {block.limit!r}; give whole units of money.")
    if sum(block.demands.values()) * max(block.limit or 0, 1) > _MOST_MONEY:
        raise InputError(f"block {block.id!r} is worth more than {_MOST_MONEY:.0e} units of money; split it.")
    if block.rule.function:
        raise InputError(f"block {block.id!r} names a function; the gate runs none, so give the numbers it leads to.")
    return block.with_numbers()


def _manager(books: Books, actor: Actor, block: Block) -> str | None:
    """Whose accounts they are; None where one is not there for the actor, or they are of several."""
    accounts = books.ledger.accounts
    pms = {accounts[name].pm if name in accounts and not is_for_blocks(name) else None for name in block.demands}
    (pm, *others) = pms
    return None if others or (actor.pm is not None and pm != actor.pm) else pm


def _proposal(books: Books, block: Block, account: str, shares: int, now: str) -> Proposal | str:
    order = NewOrder(
        id=block.id, account=account, symbol=block.symbol, side=block.side, quantity=shares, limit=block.limit
    )
    return proposed(books.ledger, order, pm=None, now=now, seconds=0.0)


def _filtered(books: Books, block: Block, restrictions: Sequence[PreTrade], first: Proposal) -> Filtered:
    def refused(account: str, shares: int) -> str:
        proposal = _proposal(books, block, account, shares, first.now)
        assert not isinstance(proposal, str)
        if why := next((why for rule in restrictions if (why := rule(books.ledger, proposal.order))), ""):
            return why[:_LONGEST]
        failed = next((code for code, fails, _ in CHECKS if code in _ASKED and fails(books.ledger, proposal)), "")
        return failed or ("compliance" if breaks_rules(books.ledger, proposal) else "")

    held = None
    if block.side is Side.SELL:
        lines = {name: books.ledger.lines.get((name, block.symbol)) for name in block.demands}
        held = {name: line.shares - line.selling for name, line in lines.items() if line is not None}
    return filtered(block.demands, (refused,), held=held, lot=first.instrument.lot)


def _open_accounts(books: Books, pm: str) -> None:
    for name in (block_account(pm), residual_account(pm)):
        if name not in books.ledger.accounts:
            open_account(books, SYSTEM, Account(name, pm, 0), {})


def _keep(books: Books, actor: Actor, record: BlockRecord) -> None:
    block, numbers = record.block, record.block.rule.numbers
    why = {each.account: each.reason for each in record.left_out}
    row: dict[str, object] = {
        "pm": record.pm,
        "account": record.account,
        "symbol": block.symbol,
        "side": block.side.value,
    }
    row |= {"limit": block.limit, "price": record.price, "lot": record.lot, "method": block.rule.method}
    row |= {"key": record.key}
    demands = {
        account: {"shares": shares, "kept": record.kept.get(account, 0), "number": numbers.get(account, 0)}
        | {"reason": why.get(account, "")}
        for account, shares in block.demands.items()
    }
    books.changes.rows.add(schema.blocks, {"id": block.id, **row})
    for account, demand in demands.items():
        books.changes.rows.add(schema.demands, {"block": block.id, "account": account, **demand})
    books.changes.log(books.now(), actor, "block", block.id, {**row, "demands": demands})


def _decision(record: BlockRecord) -> BlockDecision:
    return BlockDecision(block=record.block.id, accepted=True, quantity=record.quantity, left_out=record.left_out)


def _refused(books: Books, actor: Actor, block: Block, code: str, left_out: tuple[LeftOut, ...] = ()) -> BlockDecision:
    books.changes.log(books.now(), actor, "refused", block.id, {"code": code, "account": next(iter(block.demands))})
    text = TEXTS.get(code, "nobody's part of it may be traded")
    return BlockDecision(block=block.id, accepted=False, code=code, text=text, left_out=left_out)


# Allocating


def _seen(books: Books, actor: Actor, block: str) -> BlockRecord:
    record = books.blocks.records.get(block)
    if record is None or actor.pm not in (None, record.pm):
        raise InputError(f"there is no block {block!r} of yours.")
    return record


def _open_parts(books: Books, record: BlockRecord) -> int:
    return sum(part.state not in ENDED for part in books.parts(record.block.id))


def _require_ended(books: Books, record: BlockRecord) -> None:
    if count := _open_parts(books, record):
        raise InputError(f"block {record.block.id!r} has {count:,} orders that have not ended; cancel them, or wait.")


def _shared(record: BlockRecord) -> dict[str, Share]:
    """What each account has by the rule, and the residual account what is left."""
    block = record.block
    # Shares beyond what was wanted, by a venue's fault, are nobody's.
    filled = max(min(record.filled, record.quantity), 0)
    shares = allocate(record.kept, filled, block=block.id, key=record.key.encode(), rule=block.rule, lot=record.lot)
    money = priced(shares, record.filled, record.amount, record.fee)
    found = {name: Share(count, money.amounts[name], money.fees[name]) for name, count in shares.items()}
    return _on_residual(record, found)


def _on_residual(record: BlockRecord, shares: Mapping[str, Share]) -> dict[str, Share]:
    """The same, with all that is left on the residual account."""
    name = residual_account(record.pm)
    others = {account: share for account, share in shares.items() if account != name}
    whole, taken = record.totals, _sum(others)
    return {**others, name: Share(*(all_ - part for all_, part in zip(whole, taken, strict=True)))}


def _sum(shares: Mapping[str, Share]) -> Share:
    if not shares:
        return Share(0, 0, 0)
    return Share(*map(sum, zip(*shares.values(), strict=True)))


def _difference(record: BlockRecord, account: str, share: Share) -> tuple[int, int]:
    """Cash and shares that an account takes out beyond what it has taken."""
    cash, shares = record.due(account, share)
    if not record.allocations:
        return cash, shares
    before = record.due(account, record.allocations[-1][account])
    return cash - before[0], shares - before[1]


def _require_returnable(books: Books, record: BlockRecord, shares: Mapping[str, Share]) -> None:
    for account, share in shares.items():
        cash, count = _difference(record, account, share)
        if account == residual_account(record.pm):
            continue
        held, line = books.ledger.accounts[account], books.ledger.lines.get((account, record.block.symbol)) or Line()
        if (cash < 0 and held.cash - held.reserved < -cash) or (count < 0 and line.shares - line.selling < -count):
            raise InputError(
                f"account {account!r} has no more the {-count:,} shares or {-cash:,} units of money that block "
                f"{record.block.id!r} asks back; allocate it onto residual."
            )


def _book(books: Books, actor: Actor, record: BlockRecord, shares: dict[str, Share], onto: str, reason: str) -> None:
    _move(books, record, {account: _difference(record, account, share) for account, share in shares.items()})
    record.allocations.append(shares)
    key = {"block": record.block.id, "revision": len(record.allocations)}
    for account, share in shares.items():
        books.changes.rows.add(schema.allocations, {**key, "account": account, **share._asdict()})
    filled, amount, fee = record.totals
    body = {"revision": key["revision"], "onto": onto, "reason": reason, "filled": filled, "amount": amount, "fee": fee}
    body |= {"shares": {account: list(share) for account, share in shares.items()}}
    books.changes.log(books.now(), actor, "allocation", record.block.id, body)
    left = shares[residual_account(record.pm)].shares
    if left:
        text = f"{left:,} shares of {record.block.symbol} of block {record.block.id} are nobody's"
        books.note("residual", residual_account(record.pm), text)


def _move(books: Books, record: BlockRecord, taken: Mapping[str, tuple[int, int]]) -> None:
    """Bring cash and shares from the block account to others, by account."""
    for name, (more, count) in books.blocks.moves(record, taken).items():
        books.ledger.accounts[name].cash += more
        books.changes.accounts.add(name)
        if count:
            books.ledger.shift(name, record.block.symbol, shares=count)
            books.changes.lines.add((name, record.block.symbol))


def _status(books: Books, record: BlockRecord) -> BlockStatus:
    block = record.block
    books.count_block(block.id)
    return BlockStatus(
        id=block.id,
        pm=record.pm,
        account=record.account,
        symbol=block.symbol,
        side=block.side,
        limit=block.limit,
        method=block.rule.method,
        demands=record.kept,
        left_out=record.left_out,
        filled=record.filled,
        amount=record.amount,
        fee=record.fee,
        open=_open_parts(books, record),
        revision=len(record.allocations),
        shares=record.allocations[-1] if record.allocations else {},
    )
