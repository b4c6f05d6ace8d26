"""What operations read of the order management beyond what risk officers do: the day's report of compliance."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from sqlalchemy import Connection, Table, select

from quantray.institution.compliance_report import ComplianceReport
from quantray.institution.rules import laws
from quantray.oms.day_report import compliance_of_day
from quantray.oms.loading import ledger_of

__all__ = ["compliance"]


class _Tables:
    """Rows of a moment."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read(self, table: Table, order_by: str | None = None) -> Iterable[Any]:
        """All rows of a table."""
        query = select(table) if order_by is None else select(table).order_by(table.c[order_by])
        return self._connection.execute(query)


def compliance(connection: Connection, day: date) -> ComplianceReport:
    """All that is held now against the rules in force on a day: the gate's, and those of law that it does not have."""
    ledger = ledger_of(_Tables(connection))
    return compliance_of_day(ledger, day, [rule for rule in laws() if rule.id not in ledger.rules])
