"""Changes of limits by two people: proposed, then approved, which sets it, or declined; each logged."""

from dataclasses import asdict
from datetime import timedelta

from quantray.errors import InputError
from quantray.institution.approvals import LimitChange, decided
from quantray.oms import schema
from quantray.oms.books import Books, stamp
from quantray.oms.changes import Actor
from quantray.oms.controls import check_limits, set_limits
from quantray.oms.messages import is_name

__all__ = ["decide_change", "propose_change"]

_MOST_HOURS = 168
_MOST_WAITING = 1_000
_LONGEST = 200
"""Letters of a reason."""


def propose_change(
    books: Books,
    actor: Actor,
    name: str,
    limit: tuple[str, str, str],
    value: int,
    *,
    reason: str,
    hours: int = 24,
) -> LimitChange:
    """Keep that a limit is to be another; the same change again changes nothing.

    Parameters
    ----------
    name : id of the change.
    limit : its scope, key and name.
    hours : after which nobody can approve it any more, 1 to 168.

    Raises
    ------
    InputError
        The actor is a portfolio manager, there is no such limit or nobody whom it would bind, the id is another
        change's, a thousand wait, or the reason or the hours are none.
    """
    _require_officer(actor)
    scope, key, what = limit
    known = books.approvals.get(name)
    if known is not None:
        if (known.scope, known.key, known.name, known.value) == (*limit, value) and known.proposer == actor.name:
            return known
        raise InputError(f"change {name!r} is another one; give this one an id of its own.")
    if not is_name(name) or not is_name(reason, _LONGEST) or not 1 <= hours <= _MOST_HOURS:
        raise InputError(f"change {str(name)[:64]!r} needs an id, a reason of a line, and 1 to {_MOST_HOURS} hours.")
    check_limits(books, {limit: value})
    concerned = _concerned(books, scope, key)
    if concerned == actor.name:
        raise InputError(f"change {name!r}: {actor.name!r} is the portfolio manager concerned; others must propose it.")
    if sum(it.state == "waiting" and books.now() < it.expires for it in books.approvals.values()) >= _MOST_WAITING:
        raise InputError(f"{_MOST_WAITING:,} changes wait already; decide on some of them first.")
    change = LimitChange(
        id=name,
        scope=scope,
        key=key,
        name=what,
        value=value,
        before=books.ledger.limits.get(limit),
        reason=reason,
        proposer=actor.name,
        expires=stamp(books.clock() + timedelta(hours=hours)),
    )
    _keep(books, actor, change, "proposal")
    return change


def decide_change(books: Books, actor: Actor, name: str, *, approve: bool) -> LimitChange:
    """Approve a change, which sets the limit at once, or decline it; the same decision again changes nothing.

    Raises
    ------
    InputError
        There is none, the limit is not any more what it was when the change was proposed, or the actor may not: see
        ``institution.approvals.decided``.
    """
    _require_officer(actor)
    change = books.approvals.get(name)
    if change is None:
        raise InputError(f"there is no change {name!r} of a limit.")
    if change.decider == actor.name and (change.state == "approved") == approve:
        return change
    concerned = _concerned(books, change.scope, change.key)
    now = decided(change, actor.name, concerned=concerned, now=books.now(), approve=approve)
    if approve:
        limit = change.scope, change.key, change.name
        if books.ledger.limits.get(limit) != change.before:
            raise InputError(f"change {name!r}: the limit was {change.before} then and is another now; propose anew.")
        set_limits(books, actor, {limit: change.value})
    _keep(books, actor, now, "decision")
    return now


def _require_officer(actor: Actor) -> None:
    if actor.pm is not None:
        raise InputError("portfolio managers neither propose nor decide on changes of limits.")


def _concerned(books: Books, scope: str, key: str) -> str | None:
    """The manager whom a limit binds; None where it binds all."""
    if scope == "account":
        return books.ledger.account(key.partition(":")[0]).pm
    if scope == "pm" and key not in {account.pm for account in books.ledger.accounts.values()}:
        raise InputError(f"there is no portfolio manager {key!r} to limit.")
    return key if scope == "pm" else None


def _keep(books: Books, actor: Actor, change: LimitChange, kind: str) -> None:
    books.approvals[change.id] = change
    row = asdict(change)
    books.changes.rows.put(schema.approvals, row)
    books.changes.log(books.now(), actor, kind, change.id, {key: row[key] for key in row if key != "id"})
