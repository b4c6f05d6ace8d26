"""What was gained, as tables: line by line in the columns of Form 8949, summed by account and year, and still open.

Money is in whole ten-thousandths in columns of 64-bit integers, days are dates, so that a table goes into Parquet as it
is and into JSON by ``to_pylist``, days as text. Not tax advice; see ``institution.tax_lots``.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

import pyarrow as pa

from quantray.errors import InputError
from quantray.institution.lots.records import Lot, is_long_term
from quantray.institution.tax_lots import LotBook

__all__ = ["GAINS", "SUMMARY", "UNREALISED", "gains", "summary", "unrealised"]

_TEXT, _DAY, _COUNT = pa.string(), pa.date32(), pa.int64()

GAINS = pa.schema(
    [
        ("taxpayer", _TEXT),
        ("account", _TEXT),
        ("line", _TEXT),
        ("kind", _TEXT),
        ("symbol", _TEXT),
        ("lot", _TEXT),
        ("shares", _COUNT),
        ("acquired", _DAY),
        ("held_since", _DAY),
        ("sold", _DAY),
        ("year", pa.int32()),
        ("term", _TEXT),
        ("proceeds", _COUNT),
        ("basis", _COUNT),
        ("code", _TEXT),
        ("adjustment", _COUNT),
        ("gain", _COUNT),
        ("lost", _COUNT),
    ]
)
"""``code`` and ``adjustment`` are columns (f) and (g) of Form 8949: W and the loss that a wash sale does not allow,
which ``gain`` has in it; ``lost`` is the part of it that no basis carries on."""
SUMMARY = pa.schema(
    [
        ("taxpayer", _TEXT),
        ("account", _TEXT),
        ("year", pa.int32()),
        ("term", _TEXT),
        ("lines", _COUNT),
        ("proceeds", _COUNT),
        ("basis", _COUNT),
        ("adjustment", _COUNT),
        ("gain", _COUNT),
    ]
)
UNREALISED = pa.schema(
    [
        ("taxpayer", _TEXT),
        ("account", _TEXT),
        ("symbol", _TEXT),
        ("lot", _TEXT),
        ("shares", _COUNT),
        ("acquired", _DAY),
        ("held_since", _DAY),
        ("term", _TEXT),
        ("basis", _COUNT),
        ("value", _COUNT),
        ("gain", _COUNT),
    ]
)
"""Owed shares are negative, as are their value and basis, which are what they would cost and brought."""


def gains(book: LotBook, *, taxpayer: str | None = None, year: int | None = None) -> pa.Table:
    """Lines of taxable gains, as ``GAINS`` says, in the order of the sales.

    Parameters
    ----------
    taxpayer, year : whose, and of which year; all by default. What a purchase of January disallows changes lines of
        December, so a year is final when its last 30 days have their 30 days behind them.
    """
    rows = []
    for line in book.realised:
        if line.taxed and taxpayer in (None, line.taxpayer) and year in (None, line.sold.year):
            rows.append(
                {
                    "taxpayer": line.taxpayer,
                    "account": line.account,
                    "line": line.id,
                    "kind": line.kind,
                    "symbol": line.symbol,
                    "lot": line.lot,
                    "shares": line.shares,
                    "acquired": line.acquired,
                    "held_since": line.since,
                    "sold": line.sold,
                    "year": line.sold.year,
                    "term": _term(line.long_term),
                    "proceeds": line.proceeds,
                    "basis": line.basis,
                    "code": "W" if line.disallowed else "",
                    "adjustment": line.disallowed,
                    "gain": line.gain,
                    "lost": line.lost,
                }
            )
    return pa.Table.from_pylist(rows, schema=GAINS)


def summary(book: LotBook, *, taxpayer: str | None = None, year: int | None = None) -> pa.Table:
    """Sums of ``gains`` by taxpayer, account, year and term, as ``SUMMARY`` says and sorted by these."""
    by = ["taxpayer", "account", "year", "term"]
    sums = ["proceeds", "basis", "adjustment", "gain"]
    wanted = [("line", "count"), *((name, "sum") for name in sums)]
    found = gains(book, taxpayer=taxpayer, year=year).group_by(by, use_threads=False).aggregate(wanted)
    names = {"line_count": "lines", **{f"{name}_sum": name for name in sums}}
    found = found.rename_columns([names.get(name, name) for name in found.column_names])
    return found.select(SUMMARY.names).cast(SUMMARY).sort_by([(name, "ascending") for name in by])


def unrealised(book: LotBook, prices: Mapping[str, int], *, day: date, account: str | None = None) -> pa.Table:
    """Open lots at prices, as ``UNREALISED`` says.

    Parameters
    ----------
    prices : symbol -> money a share.
    day : of the prices; the term is that of a sale on it.
    account : whose; all by default.

    Raises
    ------
    InputError
        A symbol that is held has no price.
    """
    lots = [lot for lot in book.lots if account in (None, lot.account)]
    if missing := sorted({lot.symbol for lot in lots} - set(prices)):
        raise InputError(f"{missing[0]} is held and has no price of {day}; give one for every open lot.")
    return pa.Table.from_pylist([_open(book, lot, prices[lot.symbol], day) for lot in lots], schema=UNREALISED)


def _open(book: LotBook, lot: Lot, price: int, day: date) -> dict[str, Any]:
    value, basis = lot.side * price * lot.shares, lot.side * lot.money
    return {
        "taxpayer": book.accounts[lot.account].taxpayer,
        "account": lot.account,
        "symbol": lot.symbol,
        "lot": lot.id,
        "shares": lot.side * lot.shares,
        "acquired": lot.acquired,
        "held_since": lot.since,
        "term": _term(lot.side == 1 and is_long_term(lot.since, day)),
        "basis": basis,
        "value": value,
        "gain": value - basis,
    }


def _term(long: bool) -> str:
    return "long" if long else "short"
