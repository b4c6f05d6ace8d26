"""Cash and shares of accounts as the paper venue counts them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from quantray.oms.messages import Holdings

__all__ = ["Accounts", "opening_rows"]


class Accounts:
    """What accounts hold; one that nobody opened holds nothing."""

    def __init__(self, rows: Iterable[Mapping[str, object]]) -> None:
        self._amounts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for row in rows:
            self._amounts[str(row["account"])][str(row["symbol"])] += int(str(row["amount"]))

    def book(self, account: str, symbol: str, shares: int, price: int, fee: int) -> None:
        """A trade: shares come (or go, where negative), and money goes the other way."""
        amounts = self._amounts[account]
        amounts[symbol] += shares
        amounts[""] -= shares * price + fee

    def holdings(self, account: str) -> Holdings:
        """What an account holds."""
        amounts = self._amounts.get(account, {})
        return Holdings(amounts.get("", 0), {s: n for s, n in sorted(amounts.items()) if s and n})

    def names(self) -> tuple[str, ...]:
        """Accounts that hold something or once did."""
        return tuple(sorted(self._amounts))


def opening_rows(openings: Mapping[str, Holdings]) -> list[dict[str, object]]:
    """Rows of account, symbol and amount, the cash under no symbol."""
    return [
        {"account": account, "symbol": symbol, "amount": amount}
        for account, held in openings.items()
        for symbol, amount in {"": held.cash, **held.shares}.items()
        if amount
    ]
