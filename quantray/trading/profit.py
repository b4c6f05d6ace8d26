"""Who earned what in a day: accounts, managers, strategies and the firm, and lots for the tax.

What strategies earn is earned on paper: each holds what it wants from the close at which it decided. What a manager's
accounts earned less the sum of that is implementation: fees, prices that moved away, what was not filled, what was
rounded, and what long-only accounts could not hold (Perold's implementation shortfall).

Source: Perold (1988), *The implementation shortfall: paper versus reality*, Journal of Portfolio Management 14.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from quantray.execution.orders import Side
from quantray.institution.books import InstitutionSettings
from quantray.institution.lots.events import Event, Purchase, Sale
from quantray.institution.tax_lots import LotBook, lot_book
from quantray.oms.block_records import BlockStatus, block_account, residual_account
from quantray.oms.messages import MONEY
from quantray.trading.outcome import Outcome

__all__ = ["Profit", "day_lots", "profit"]


@dataclass(frozen=True, slots=True)
class Profit:
    """Money of the currency that a day earned.

    Parameters
    ----------
    accounts : by account, with those for blocks and for what is left over.
    managers : of all accounts of each.
    paper : by strategy.
    implementation : by manager, what the accounts earned less what his strategies earned on paper.
    fees : by manager, paid to venues; part of the implementation.
    """

    accounts: Mapping[str, float]
    managers: Mapping[str, float]
    paper: Mapping[str, float]
    implementation: Mapping[str, float]
    fees: Mapping[str, float]

    @property
    def firm(self) -> float:
        """All of it."""
        return sum(self.managers.values())


def profit(institution: InstitutionSettings, outcome: Outcome) -> Profit:
    """Who earned what in a day that has ended."""
    accounts = {name: (after - before) / MONEY for name, (before, after) in outcome.worth.items()}
    managers, implementation, fees = {}, {}, {}
    for pm in sorted(institution.pms):
        own = (*institution.accounts_of(pm), block_account(pm), residual_account(pm))
        managers[pm] = sum(accounts.get(name, 0.0) for name in own)
        on_paper = sum(outcome.earned.get(name, 0.0) for name in institution.strategies_of(pm))
        implementation[pm] = managers[pm] - on_paper
        fees[pm] = sum(block.fee for block in outcome.blocks if block.pm == pm) / MONEY
    paper = {name: outcome.earned.get(name, 0.0) for name in sorted(institution.strategies)}
    return Profit(accounts, managers, paper, implementation, fees)


def day_lots(
    institution: InstitutionSettings, outcome: Outcome, day: date, *, before: LotBook | None = None
) -> LotBook:
    """The tax lots of all accounts after a day: those before it, and what blocks gave them.

    Parameters
    ----------
    before : by default none; accounts that began with shares need their lots.

    Raises
    ------
    InputError
        More is sold of a lot book than it holds.
    """
    book = before if before is not None else lot_book(institution.tax_accounts())
    return book.after(_events(institution, outcome, day), today=day)


def _events(institution: InstitutionSettings, outcome: Outcome, day: date) -> Iterator[Event]:
    """What each account got of each block, in the order in which the blocks were placed."""
    for block in sorted(outcome.blocks, key=_placed):
        kind = Purchase if block.side is Side.BUY else Sale
        for account, share in sorted(block.shares.items()):
            if share.shares and account in institution.accounts:
                yield kind(
                    id=f"{block.id}:{account}",
                    date=day,
                    account=account,
                    symbol=block.symbol,
                    shares=share.shares,
                    money=share.amount + block.side.sign * share.fee,
                )


def _placed(block: BlockStatus) -> tuple[str, str]:
    """Bar and number, which end its id, before its manager."""
    account, _, number = block.id.rpartition("/")
    return number, account
