"""The day's report of compliance from the books of the gate, on its rules and those that no order is held against."""

from collections.abc import Sequence
from datetime import date

import numpy as np

from quantray.institution.compliance_report import ComplianceReport, daily_report
from quantray.institution.positions import Positions
from quantray.institution.rules import Rule
from quantray.oms.block_records import is_for_blocks
from quantray.oms.ledger import Ledger
from quantray.oms.messages import MONEY

__all__ = ["compliance_of_day", "held_positions"]


def compliance_of_day(ledger: Ledger, day: date, more: Sequence[Rule] = ()) -> ComplianceReport:
    """All that is held, against the rules of the gate and more, such as ``rules.laws()``; with its overrides.

    Raises
    ------
    InputError
        Two rules have one id.
    """
    rules = (*ledger.rules.values(), *more)
    return daily_report(rules, held_positions(ledger), day, list(ledger.overrides.values()))


def held_positions(ledger: Ledger) -> Positions:
    """What accounts hold, at the prices that the gate reckons with; money in the currency.

    Accounts of blocks are left out when they hold nothing, as after every block is allocated.
    """
    busy = {account for (account, _), line in ledger.lines.items() if line.shares}
    accounts = [it for name, it in ledger.accounts.items() if name in busy or not is_for_blocks(name)]
    symbols = list(ledger.instruments)
    shape = len(accounts), len(symbols)
    rows = {it.id: row for row, it in enumerate(accounts)}
    columns = {symbol: column for column, symbol in enumerate(symbols)}
    shares, located = np.zeros(shape), np.zeros(shape)
    for (account, symbol), line in ledger.lines.items():
        if account in rows:
            shares[rows[account], columns[symbol]] = line.shares
    for (_, key, name), count in ledger.limits.items():
        account, _, symbol = key.rpartition(":")
        if name == "locate" and account in rows and symbol in columns:
            located[rows[account], columns[symbol]] = count
    marks = np.array([it.mark for it in ledger.instruments.values()], dtype=np.float64)
    return Positions(
        accounts=[it.id for it in accounts],
        pms=[it.pm for it in accounts],
        kinds=[ledger.kinds.get(it.id, "") for it in accounts],
        symbols=symbols,
        shares=shares,
        prices=np.where(marks > 0, marks / MONEY, np.nan),
        cash=np.array([it.cash / MONEY for it in accounts]),
        located=located,
        facts=ledger.facts,
    )
