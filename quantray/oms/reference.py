"""What operations say of symbols, and the factor model: kept as documents, each change a row of the log."""

import json
from collections.abc import Mapping
from typing import Any

from quantray.errors import InputError
from quantray.institution.facts import NameFacts
from quantray.institution.firm_factors import FirmFactors
from quantray.oms import schema
from quantray.oms.books import Books
from quantray.oms.changes import Actor
from quantray.oms.firm import install, prepared

__all__ = ["set_factors", "set_facts"]

_MOST = 1 << 24
"""Letters of a document."""


def set_facts(books: Books, actor: Actor, facts: Mapping[str, NameFacts]) -> None:
    """Say what is known of symbols; what is known of others stays.

    Raises
    ------
    InputError
        A symbol is not listed, or a limit is of a sector that no symbol would be in any more.
    """
    ledger = books.ledger
    if unknown := sorted(set(facts) - set(ledger.instruments)):
        raise InputError(f"symbol {unknown[0]!r} is not listed; list it with its tick and lot first.")
    fresh = {symbol: it for symbol, it in facts.items() if ledger.facts.get(symbol) != it}
    if not fresh:
        return
    limits = prepared(ledger, facts=fresh)
    for symbol, it in fresh.items():
        keep(books, actor, "facts", symbol, it.model_dump(mode="json", exclude_defaults=True))
    ledger.facts.update(fresh)
    install(ledger, limits)


def set_factors(books: Books, actor: Actor, factors: FirmFactors) -> None:
    """Take another factor model; what is held and not in it is told, since no limit on factors can count it.

    Raises
    ------
    InputError
        A limit is of a factor that it does not have, or it is too large.
    """
    ledger = books.ledger
    if ledger.factors == factors:
        return
    limits = prepared(ledger, factors=factors)
    keep(books, actor, "factors", "", factors.body())
    ledger.factors = factors
    install(ledger, limits)
    held = {symbol for symbol, total in ledger.totals.items() if total.worst}
    if missing := sorted(held - set(factors.names)):
        books.note("factors", "", f"{len(missing)} names are held that the factors do not know, such as {missing[0]}")


def keep(books: Books, actor: Actor, kind: str, name: str, body: Mapping[str, Any] | None) -> None:
    """Keep a document, or drop it where it is None, and log it; raises ``InputError`` for one that is too large."""
    key = {"kind": kind, "name": name}
    if body is None:
        books.changes.rows.drop(schema.documents, key)
    else:
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        if len(text) > _MOST:
            raise InputError(f"{kind} {name}: {len(text):,} letters are more than {_MOST:,}; keep fewer names.")
        books.changes.rows.put(schema.documents, {**key, "body": text})
    books.changes.log(books.now(), actor, "document", f"{kind}:{name}", {**key, "body": body})
