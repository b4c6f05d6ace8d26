"""From decided weights to whole shares: what is held, what is wanted, and what is left in cash."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from quantray.arrays import Float, Int, Names
from quantray.daily.book import TABLES
from quantray.daily.market import DayMarket
from quantray.daily.positions import Positions
from quantray.errors import DataError
from quantray.portfolio.rebalance import Policy, whole_shares

__all__ = ["Targets", "targets_of"]


@dataclass(frozen=True, eq=False)
class Targets:
    """N symbols that are held or wanted."""

    symbols: Names
    """(N,) in alphabetical order."""
    prices: Float
    """(N,) the day's closes as quoted, or the last one of what has none."""
    before: Int
    """(N,) whole shares held."""
    after: Int
    """(N,) whole shares wanted."""
    nav: float

    @property
    def weights_before(self) -> Float:
        """(N,) fractions of NAV."""
        return np.asarray(self.before * self.prices / self.nav)

    @property
    def weights(self) -> Float:
        """(N,) fractions of NAV once all is traded, at the day's closes."""
        return np.asarray(self.after * self.prices / self.nav)

    @property
    def cash(self) -> float:
        """Fraction of NAV that is left then."""
        return 1.0 - float(self.weights.sum())

    @property
    def turnover(self) -> float:
        """Half of the weights to be traded."""
        return float(np.abs(self.weights - self.weights_before).sum()) / 2

    def table(self, sectors: dict[str, str]) -> pa.Table:
        """As a book holds it."""
        names = self.symbols.tolist()
        columns = {
            "symbol": names,
            "sector": [sectors.get(name, "") for name in names],
            "price": self.prices,
            "weight_before": self.weights_before,
            "weight": self.weights,
            "shares_before": self.before,
            "shares": self.after,
        }
        return pa.table(columns, schema=TABLES["portfolio"])


def targets_of(market: DayMarket, positions: Positions, wanted: dict[str, float] | None, policy: Policy) -> Targets:
    """Whole shares for wanted weights; without any, what is held stays. What has no close of the day stays too.

    Parameters
    ----------
    wanted : symbol -> fraction of NAV; what is not named is not wanted.
    policy : how far to move towards them.

    Raises
    ------
    DataError
        The NAV is used up.
    """
    nav, closes = positions.nav, market.closes
    if not nav > 0:
        raise DataError(f"the positions of {market.day} are worth {nav:,.0f}; put money in before a rebalance.")
    symbols = sorted(positions.shares.keys() | (wanted or {}).keys())
    known = np.array([np.isfinite(closes.get(name, np.nan)) for name in symbols], dtype=np.bool_)
    last = positions.prices | {name: closes[name] for name, there in zip(symbols, known.tolist(), strict=True) if there}
    prices = np.array([last.get(name, np.nan) for name in symbols], dtype=np.float64)
    before = np.array([positions.shares.get(name, 0) for name in symbols], dtype=np.int64)
    after = before.copy()
    if wanted is not None and known.any():
        held = before * np.nan_to_num(prices) / nav
        target = policy(held, np.where(known, [wanted.get(name, 0.0) for name in symbols], held))
        still = target == held
        moving = known & ~still
        # What stays takes its place in the money that there is.
        after[moving] = whole_shares(target[moving], prices[moving], nav, held=before[moving]).shares
    kept = (before != 0) | (after != 0)
    return Targets(np.array(symbols, dtype=np.str_)[kept], prices[kept], before[kept], after[kept], nav)
