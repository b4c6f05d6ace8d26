"""Rules of compliance in the gate: set by operations, overridden by two people, and asked for every order.

Rules, kinds of accounts and overrides are documents; each change is a row of the log, with who made it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from quantray.errors import InputError
from quantray.institution.order_rules import Broken, OrderRules, Outcome
from quantray.institution.overrides import Override, signed
from quantray.institution.rules import KINDS, Rule, check_names
from quantray.oms.block_records import is_for_blocks
from quantray.oms.books import Books
from quantray.oms.changes import Actor
from quantray.oms.documents import keep
from quantray.oms.firm import Asked, watch, worth_of
from quantray.oms.ledger import Ledger

__all__ = ["broken_rules", "note_broken", "renew", "set_kinds", "set_rules", "sign_override", "withdraw_override"]

_Key = tuple[str, str, str]


def set_kinds(books: Books, actor: Actor, kinds: Mapping[str, str]) -> None:
    """Say of which kind accounts are; raises ``InputError`` for an account or a kind that there is not."""
    ledger = books.ledger
    for account, kind in kinds.items():
        ledger.account(account)
        if kind not in KINDS:
            raise InputError(f"account {account!r} is of no kind {kind!r}; give one of {', '.join(KINDS)}.")
    for account, kind in kinds.items():
        if ledger.kinds.get(account) != kind:
            keep(books, actor, "kind", account, {"kind": kind})
            ledger.kinds[account] = kind
    renew(ledger)


def set_rules(books: Books, actor: Actor, rules: Sequence[Rule]) -> None:
    """Take these rules in place of those that there were.

    Raises
    ------
    InputError
        Two have one id, one names what there is not, or no order can be held against it; then nothing changes.
    """
    ledger = books.ledger
    check_names(rules, {account.pm for account in ledger.accounts.values()}, ledger.accounts, ledger.instruments)
    OrderRules(rules, {}, {})
    wanted = {rule.id: rule for rule in rules}
    for name in sorted(ledger.rules.keys() - wanted.keys()):
        keep(books, actor, "rule", name, None)
    for name, rule in wanted.items():
        if ledger.rules.get(name) != rule:
            keep(books, actor, "rule", name, rule.model_dump(mode="json", exclude_defaults=True) | {"kind": rule.kind})
    ledger.rules = wanted
    renew(ledger)


def sign_override(books: Books, actor: Actor, asked: Override) -> Override:
    """Sign an override as the actor; it holds from the second signature on.

    Parameters
    ----------
    asked : without signatures, which are those that actors gave.

    Raises
    ------
    InputError
        There is no such rule, account or symbol, another override of the same is under way, or the actor may not sign:
        see ``institution.overrides.signed``.
    """
    ledger, day = books.ledger, date.fromisoformat(books.now()[:10])
    rule = ledger.rules.get(asked.rule)
    if rule is None:
        raise InputError(f"there is no rule {asked.rule!r} to override; there are {', '.join(ledger.rules) or 'none'}.")
    pm = ledger.account(asked.account).pm
    if asked.symbol and asked.symbol not in ledger.instruments:
        raise InputError(f"symbol {asked.symbol!r} is not listed; override the rule for one that is, or for all.")
    key = asked.rule, asked.account, asked.symbol
    known = ledger.overrides.get(key)
    if known is not None and known.expires >= day:
        if (known.reason, known.expires) != (asked.reason, asked.expires):
            raise InputError(
                f"override of {asked.rule!r} for {asked.account} is there already, until {known.expires} for "
                f"{known.reason!r}; sign that one, or withdraw it."
            )
    else:
        known = asked.model_copy(update={"signatures": ()})
    now = signed(known, rule, actor.name, pms=[pm], acts_for=actor.pm, day=day)
    _keep(books, actor, key, now)
    return now


def withdraw_override(books: Books, actor: Actor, rule: str, account: str, symbol: str = "") -> None:
    """End an override; the rule holds again. Raises ``InputError`` where there is none, or the actor is a manager."""
    key = rule, account, symbol
    if actor.pm is not None or key not in books.ledger.overrides:
        raise InputError(
            f"there is no override of {rule!r} for {account} {symbol}".rstrip() + " that you may withdraw."
        )
    _keep(books, actor, key, None)


def renew(ledger: Ledger) -> None:
    """Let orders be held against the rules as they are now."""
    rules, overrides = list(ledger.rules.values()), list(ledger.overrides.values())
    before = ledger.order_rules
    ledger.order_rules = OrderRules(rules, ledger.facts, ledger.kinds, overrides) if rules else None
    if (before is None) != (ledger.order_rules is None):
        watch(ledger)


def broken_rules(ledger: Ledger, it: Asked) -> Iterable[Broken]:
    """The rules that an order breaks which makes its line larger."""
    rules = ledger.order_rules
    assert rules is not None
    account, symbol, day = it.account, it.order.symbol, it.now[:10]
    outcome = None
    # What an account of blocks holds is the accounts' who put it in; each of them was asked.
    if rules.needs_outcome(account.pm, account.id, symbol, day) and not is_for_blocks(account.id) and it.more > 0:
        worth = worth_of(ledger, account.id)
        nav = None if worth.unpriced else account.cash + worth.value
        outcome = Outcome(it.line.worst * it.instrument.mark + it.more, worth.gross + it.more, nav)
    return rules.broken(account.pm, account.id, symbol, day, outcome)


def note_broken(books: Books, broken: Iterable[Broken], account: str, symbol: str) -> None:
    """Tell compliance of rules that an order broke, or that could not be checked."""
    for it in broken:
        if it.rule.severity != "report":
            said = "is broken" if it.state == "broken" else "cannot be checked"
            books.note("compliance", account, f"rule {it.rule.id!r} {said} by an order of {symbol}")


def _keep(books: Books, actor: Actor, key: _Key, override: Override | None) -> None:
    body = None if override is None else override.model_dump(mode="json")
    keep(books, actor, "override", "|".join(key), body)
    if override is None:
        del books.ledger.overrides[key]
    else:
        books.ledger.overrides[key] = override
    renew(books.ledger)
