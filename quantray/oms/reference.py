"""What operations say of symbols, and the factor model: kept as documents, each change a row of the log."""

from collections.abc import Mapping

from quantray.errors import InputError
from quantray.institution.facts import NameFacts
from quantray.institution.firm_factors import FirmFactors
from quantray.oms.books import Books
from quantray.oms.changes import Actor
from quantray.oms.compliance import renew
from quantray.oms.documents import keep
from quantray.oms.firm import install, prepared

__all__ = ["set_factors", "set_facts"]


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
    renew(ledger)


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
