"""What operations set: accounts, instruments, prices, limits, switches, restrictions, hours; each a row of the log."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import sha256

from quantray.errors import InputError
from quantray.execution.orders import Side
from quantray.institution.firm_limits import EXTENDED
from quantray.oms import schema
from quantray.oms.block_records import block_account, is_for_blocks, residual_account
from quantray.oms.books import Books, stamp
from quantray.oms.changes import Actor
from quantray.oms.firm import install, prepared
from quantray.oms.handing import end_session
from quantray.oms.ledger import Account, Instrument
from quantray.oms.messages import is_id, is_name, money

__all__ = [
    "COUNTED",
    "LIMITS",
    "REQUIRED",
    "add_parent",
    "check_limits",
    "is_counted",
    "limit_units",
    "list_instruments",
    "open_account",
    "permit_short",
    "restrict",
    "set_limits",
    "set_marks",
    "set_session",
    "set_switch",
    "transfer",
]

REQUIRED: Mapping[str, frozenset[str]] = {
    "firm": frozenset({"order_shares", "order_value", "collar_bps", "fee", "gross", "net", "single_name"}),
    "pm": frozenset({"capital", "rate"}),
    "account": frozenset({"locate"}),
}
"""Names of limits by scope, without which nothing passes; ``checks`` says what each bounds."""

LIMITS: Mapping[str, frozenset[str]] = {**REQUIRED, **EXTENDED, "firm": REQUIRED["firm"] | EXTENDED["firm"]}
"""Names of all limits by scope; those that are not in ``REQUIRED`` bind only where they are set."""

COUNTED = frozenset(
    {"order_shares", "collar_bps", "rate", "locate", "participation_bps", "liquidity_days", "correlation_bps"}
)
"""Names of limits that are no money; the soft ones of them are none either."""

_SWITCHES = ("firm", "pm", "account", "symbol")
_MOST = 10**17


def open_account(books: Books, actor: Actor, account: Account, shares: Mapping[str, int]) -> None:
    """Open an account with cash and shares that it has already.

    Raises
    ------
    InputError
        There is one of that id, or a symbol is not listed.
    """
    ledger = books.ledger
    if account.id in ledger.accounts or not is_name(account.id) or not is_name(account.pm):
        raise InputError(f"account {account.id!r} is there already, or lacks an id or a portfolio manager.")
    _listed(books, shares)
    _whole({"cash": account.cash, **shares})
    if is_for_blocks(account.id) and (
        account.id not in (block_account(account.pm), residual_account(account.pm)) or account.cash or shares
    ):
        raise InputError(
            f"account {account.id!r} has the name of one for blocks, which begin empty; choose another id."
        )
    ledger.accounts[account.id] = Account(account.id, account.pm, account.cash, account.may_short)
    books.changes.accounts.add(account.id)
    for symbol, count in shares.items():
        ledger.shift(account.id, symbol, shares=count)
        books.changes.lines.add((account.id, symbol))
    body = {"pm": account.pm, "cash": account.cash, "may_short": account.may_short, "shares": dict(shares)}
    books.changes.log(books.now(), actor, "account", account.id, body)


def transfer(books: Books, actor: Actor, account: str, cash: int, shares: Mapping[str, int], reason: str) -> None:
    """Bring cash and shares into an account, or out of it where they are negative; raises ``InputError``."""
    held = books.ledger.account(account)
    _listed(books, shares)
    _whole({"cash": cash, **shares})
    if account == block_account(held.pm):
        raise InputError(f"what account {account!r} holds is of its blocks; transfer to the accounts themselves.")
    if not reason:
        raise InputError("a transfer needs a reason, such as 'subscription'.")
    held.cash += cash
    books.changes.accounts.add(account)
    for symbol, count in shares.items():
        books.ledger.shift(account, symbol, shares=count)
        books.changes.lines.add((account, symbol))
    body = {"cash": cash, "shares": dict(shares), "reason": reason}
    books.changes.log(books.now(), actor, "transfer", account, body)


def permit_short(books: Books, actor: Actor, account: str, *, may: bool) -> None:
    """Let an account sell short, or no more; raises ``InputError``."""
    held = books.ledger.account(account)
    if held.may_short == may:
        return
    held.may_short = may
    books.changes.accounts.add(account)
    books.changes.log(books.now(), actor, "permission", account, {"may_short": may})


def list_instruments(books: Books, actor: Actor, instruments: Mapping[str, tuple[int, int]]) -> None:
    """Let symbols be traded, each with its tick in units of money and its lot in shares; raises ``InputError``."""
    for symbol, (tick, lot) in instruments.items():
        _whole({"tick": tick, "lot": lot})
        if not is_name(symbol, 32) or tick < 1 or lot < 1:
            raise InputError(f"symbol {symbol!r} needs a name of up to 32 letters, a tick and a lot of 1 or more.")
    for symbol, (tick, lot) in instruments.items():
        known = books.ledger.instruments.get(symbol)
        books.ledger.instruments[symbol] = Instrument(symbol, tick, lot, known.mark if known else 0)
        books.changes.instruments.add(symbol)
    named = {symbol: list(each) for symbol, each in instruments.items()}
    books.changes.log(books.now(), actor, "instruments", "", named)


def set_marks(books: Books, actor: Actor, marks: Mapping[str, int]) -> None:
    """Set the prices that exposures and collars are reckoned with, in units of money; raises ``InputError``."""
    _listed(books, marks)
    _whole(marks)
    if low := [symbol for symbol, mark in marks.items() if mark <= 0]:
        raise InputError(f"the price {marks[low[0]]} of {low[0]} is not positive.")
    for symbol, mark in marks.items():
        books.ledger.set_mark(symbol, mark)
        books.changes.instruments.add(symbol)
    books.changes.log(books.now(), actor, "marks", "", dict(marks))


def set_limits(books: Books, actor: Actor, limits: Mapping[tuple[str, str, str], int]) -> None:
    """Set limits by scope, key and name, in units of money, shares, basis points or orders a second.

    Raises as ``check_limits``.
    """
    check_limits(books, limits)
    for (scope, key, name), value in limits.items():
        books.ledger.limits[scope, key, name] = value
        books.changes.rows.put(schema.limits, {"scope": scope, "key": key, "name": name, "value": value})
        body = {"scope": scope, "key": key, "name": name, "value": value}
        books.changes.log(books.now(), actor, "limit", f"{scope}:{key}:{name}", body)
    if _extends(limits):
        install(books.ledger, prepared(books.ledger))


def limit_units(name: str, value: Decimal) -> int:
    """A limit as the gate keeps it: units of money, or a number; raises ``InputError`` where it is finer than that."""
    if not is_counted(name):
        return money(value)
    if value != value.to_integral_value():
        raise InputError(f"limit {name} is {value}; give a whole number.")
    return int(value)


def is_counted(name: str) -> bool:
    """Whether a limit is a number and no money."""
    return name.removeprefix("warn_") in COUNTED


def check_limits(books: Books, limits: Mapping[tuple[str, str, str], int]) -> None:
    """Check that limits can be set.

    Raises
    ------
    InputError
        A limit is not one of ``LIMITS``, lacks its key, is negative, or of a sector or a factor that there is not.
    """
    for (scope, key, name), value in limits.items():
        if name not in LIMITS.get(scope, ()):
            known = "; ".join(f"{each}: {', '.join(sorted(names))}" for each, names in LIMITS.items())
            raise InputError(f"limit {scope} {name} is none of {known}.")
        if (scope == "firm") == bool(key) or len(key) > 128:
            raise InputError(f"limit {scope} {name} needs {'no key' if key else 'the key of whom it binds'}.")
        _whole({name: value})
        if value < 0:
            raise InputError(f"limit {scope} {name} is {value}; give 0 or more.")
    if _extends(limits):
        prepared(books.ledger, limits)


def set_switch(books: Books, actor: Actor, scope: str, key: str, *, on: bool) -> None:
    """Halt or resume what a firm, a portfolio manager, an account or a symbol trades; raises ``InputError``."""
    if scope not in _SWITCHES or (scope == "firm") == bool(key) or len(key) > 64:
        raise InputError(
            f"a kill switch is of the firm, or of a pm, an account or a symbol by name, not {scope} {key}."
        )
    ledger = books.ledger
    there = {
        "firm": {""},
        "pm": {account.pm for account in ledger.accounts.values()},
        "account": ledger.accounts.keys(),
        "symbol": ledger.instruments.keys(),
    }
    # One that is on can be taken off, whatever became of whom it halts.
    if key not in there[scope] and (on or (scope, key) not in ledger.switches):
        names = ", ".join(sorted(there[scope])[:10]) or "none"
        raise InputError(f"there is no {scope} {key!r} to halt or resume; there are {names}.")
    row = {"scope": scope, "key": key}
    if on:
        books.ledger.switches.add((scope, key))
        books.changes.rows.put(schema.switches, row)
    else:
        books.ledger.switches.discard((scope, key))
        books.changes.rows.drop(schema.switches, scope, key)
    books.changes.log(books.now(), actor, "switch", f"{scope}:{key}", {**row, "on": on})


def restrict(books: Books, actor: Actor, symbol: str, *, on: bool, account: str = "") -> None:
    """Put a symbol on the restriction list of the firm or of an account, or take it off; raises ``InputError``."""
    _listed(books, [symbol])
    if account:
        books.ledger.account(account)
    row = {"account": account, "symbol": symbol}
    if on:
        books.ledger.restrictions.add((account, symbol))
        books.changes.rows.put(schema.restrictions, row)
    else:
        books.ledger.restrictions.discard((account, symbol))
        books.changes.rows.drop(schema.restrictions, account, symbol)
    books.changes.log(books.now(), actor, "restriction", f"{account}:{symbol}", {**row, "on": on})


def set_session(books: Books, actor: Actor, opens: datetime, closes: datetime) -> None:
    """Take orders between two times; raises ``InputError`` where they have no zone or are not in order."""
    if opens.tzinfo is None or closes.tzinfo is None or not opens < closes:
        raise InputError(f"a session from {opens} to {closes}: give times with a zone, the earlier one first.")
    if books.ledger.opens != stamp(opens):
        # Orders are for one session; what waited since the last one is not sent in this one.
        end_session(books)
    books.ledger.opens, books.ledger.closes = stamp(opens), stamp(closes)
    row = {"one": 1, "opens": books.ledger.opens, "closes": books.ledger.closes}
    books.changes.rows.put(schema.sessions, row)
    body = {"opens": books.ledger.opens, "closes": books.ledger.closes}
    books.changes.log(books.now(), actor, "session", "", body)


def add_parent(
    books: Books, actor: Actor, name: str, account: str, symbol: str, side: Side, quantity: int, schedule: str
) -> None:
    """Keep an order that children will be parts of, with its schedule; the same one again changes nothing.

    Raises
    ------
    InputError
        The account is not the actor's, the symbol is not listed, or the id is another order's.
    """
    held = books.ledger.accounts.get(account)
    if held is None or actor.pm not in (None, held.pm):
        raise InputError(f"there is no account {account!r} of yours.")
    _listed(books, [symbol])
    row = {"id": name, "account": account, "symbol": symbol, "side": side.value, "quantity": quantity}
    known = books.parent(name)
    if known == (account, symbol, side.value, quantity):
        return
    block = books.blocks.parent(name)
    if (block or account == block_account(held.pm)) and block != (account, symbol, side.value, quantity):
        raise InputError(f"order {name!r} is not what the block of its id says; place the block, and give the same.")
    if known is not None or not is_id(name, account) or quantity < 1:
        raise InputError(
            f"order {name!r} of {quantity:,} shares is another one already, or lacks shares or an id that begins with "
            f"{account}/."
        )
    books.parents[name] = (account, symbol, side.value, quantity)
    books.begun(name)
    books.changes.rows.add(schema.parents, {**row, "schedule": schedule})
    # Of the schedule, which may be long, its hash.
    body = {**row, "schedule": sha256(schedule.encode()).hexdigest()}
    books.changes.log(books.now(), actor, "parent", name, body)


def _listed(books: Books, symbols: Mapping[str, int] | list[str]) -> None:
    if unknown := [symbol for symbol in symbols if symbol not in books.ledger.instruments]:
        raise InputError(f"symbol {unknown[0]!r} is not listed; list it with its tick and lot first.")


def _extends(limits: Mapping[tuple[str, str, str], int]) -> bool:
    return any(name in EXTENDED.get(scope, ()) for scope, _, name in limits)


def _whole(numbers: Mapping[str, int]) -> None:
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int) or abs(number) > _MOST:
            raise InputError(f"{name} {number!r} must be a whole number of units, at most {_MOST:.0e}.")
