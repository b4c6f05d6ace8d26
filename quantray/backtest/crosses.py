"""Crossing lines, many pairs against one panel at once: every indicator once, positions never all in memory.

A *cross* is the rule that most indicator strategies come down to: hold a name while one line lies above another (a fast
average above a slow one, a close above a band, an oscillator above a level). ``cross_sweep`` replays C such pairs of
lines from a bank that was computed once; ``net`` accounts for any other weights, one parameter set at a time.
"""

from dataclasses import dataclass

import numpy as np

from quantray.analytics.metrics import sharpe_of_moments
from quantray.arrays import TRADING_DAYS, Bool, Float, Int
from quantray.backtest.accounts import DELIST_AFTER
from quantray.backtest.costs import from_bps
from quantray.backtest.net import check_terms
from quantray.errors import InputError
from quantray.features.returns import carried_forward, held_returns

__all__ = ["CrossSweep", "cross_sweep", "moving_averages"]

_BLOCK = 32
"""Names at a time: the lines of so many, some megabytes, stay in the processor's cache through all pairs."""


@dataclass(frozen=True, eq=False)
class CrossSweep:
    """What C pairs of lines earned on N names over T days."""

    returns: Float
    """(C, T) daily net returns of one portfolio per pair: every held name at 1/N of NAV, as ``net.net_returns`` says
    without drift."""
    turnover: Float
    """(C, T) one-way turnover of that portfolio, by the day on which the new position first earns."""
    costs: Float
    """(C, T) fraction of NAV that it paid, on the same day; the returns are net of it."""
    sharpe: Float
    """(C,) yearly Sharpe ratio of that portfolio; NaN where it never held anything."""
    name_sharpe: Float
    """(C, N) yearly Sharpe ratio of an account that holds nothing but this name; NaN where it never did."""
    name_trades: Int
    """(C, N) purchases and sales of that account."""


def moving_averages(close_tn: Float, windows: Int, *, member_tn: Bool | None = None) -> Float:
    """(N, K, T) simple moving averages of each name, one line per window; NaN where no position may be held.

    A line is NaN before its window is full, where the name is no member, and from the tenth day without a close. On
    earlier days without one it stays where it was, so that nothing is traded at a price that nobody saw.

    Parameters
    ----------
    close_tn : (T, N) adjusted closes; NaN where unknown.
    windows : (K,) trading days, at least 1.
    member_tn : (T, N) membership known at the close; by default every name is a member throughout.

    Raises
    ------
    InputError
        A window is shorter than 1 day or longer than the history, or the membership has another shape.
    """
    close = np.asarray(close_tn, dtype=np.float64)
    windows = np.asarray(windows, dtype=np.int64)
    if close.ndim != 2 or windows.ndim != 1 or not ((windows >= 1) & (windows <= len(close))).all():
        raise InputError(f"windows {windows.tolist()} must be 1 to {len(close)} days for closes {close.shape}.")
    if member_tn is not None and np.shape(member_tn) != close.shape:
        raise InputError(f"membership is {np.shape(member_tn)} for closes {close.shape}; take both from one panel.")
    price, age = (np.ascontiguousarray(part.T) for part in carried_forward(close))
    known = ~np.isnan(price)
    listed = np.where(known.any(axis=1), known.argmax(axis=1), len(close))
    origin = np.where(known.any(axis=1), price[np.arange(len(price)), np.minimum(listed, len(close) - 1)], 0.0)[:, None]
    # Sums of distances from the first price lose fewer digits than sums of prices.
    total = np.zeros((len(price), len(close) + 1))
    np.cumsum(np.where(known, price - origin, 0.0), axis=1, out=total[:, 1:])
    still = _days_unchanged(price)
    gap_name, gap_day = np.nonzero((age > 0) & known)
    before = gap_day - age[gap_name, gap_day]
    barred = age >= DELIST_AFTER
    if member_tn is not None:
        barred |= ~np.asarray(member_tn, dtype=np.bool_).T
    day = np.arange(len(close))
    bank = np.full((len(price), len(windows), len(close)), np.nan)
    for k, window in enumerate(windows.tolist()):
        line = bank[:, k]
        np.subtract(total[:, window:], total[:, :-window], out=line[:, window - 1 :])
        line /= window
        line += origin
        # A price that has not moved through the window is its own average: rounding would make crossings of it.
        np.copyto(line, price, where=still >= window - 1)
        line[day < listed[:, None] + window - 1] = np.nan
        line[gap_name, gap_day] = line[gap_name, before]
        line[barred] = np.nan
    return bank


def cross_sweep(
    bank_nkt: Float,
    pairs: Int,
    close_tn: Float,
    *,
    costs_bps: float | Float = 5.0,
    lag: int = 1,
    periods_per_year: int = TRADING_DAYS,
    delist_tn: Float | None = None,
) -> CrossSweep:
    """Hold each name while line ``pairs[c, 0]`` lies above line ``pairs[c, 1]``, for all C pairs.

    A position decided at the close of t is bought at the close of ``t + lag`` and earns from the next day on. An
    account of one name puts all its money in and out, and pays ``costs_bps`` of the money traded each time; its last
    position stays open. That is what vectorbt's ``Portfolio.from_signals`` does with ``fees``, at lag 0.

    Parameters
    ----------
    bank_nkt : (N, K, T) lines per name, such as ``moving_averages``; nothing is held where either line is NaN.
    pairs : (C, 2) rows of the bank.
    close_tn : (T, N) closes adjusted to total returns.
    costs_bps : basis points of the money traded; one number, or (T, N) by the day of the trade.
    lag : trading days from a decision to its trades.
    periods_per_year : days of a year.
    delist_tn : (T, N) delisting returns; see ``net.net_returns``.

    Raises
    ------
    InputError
        The shapes disagree, a pair names no line of the bank, costs are negative, or there are too few days.

    Notes
    -----
    A holding from the close of a to the close of b earns the difference of two running sums, so a name's account costs
    one comparison per day and a few operations per trade, whatever the number of statistics.
    """
    bank, pairs = np.asarray(bank_nkt, dtype=np.float64), np.asarray(pairs, dtype=np.int64)
    close = np.asarray(close_tn, dtype=np.float64)
    if bank.ndim != 3 or (bank.shape[2], bank.shape[0]) != close.shape:
        raise InputError(f"the bank is {bank.shape} for closes {close.shape}; it must be (N, K, T) of them.")
    n_days, n_names = close.shape
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not ((pairs >= 0) & (pairs < bank.shape[1])).all():
        raise InputError(f"pairs are {pairs.shape}; each must name two of the bank's {bank.shape[1]} lines.")
    check_terms(costs_bps, lag, close.shape)
    earned = np.ascontiguousarray(held_returns(close, delist_tn).T)
    fee = from_bps(costs_bps).T
    gross, traded, paid = np.zeros((3, len(pairs), n_days))
    moments, trades = np.zeros((2, len(pairs), n_names)), np.zeros((len(pairs), n_names), dtype=np.int64)
    for start in range(0, n_names, _BLOCK):
        names = slice(start, start + _BLOCK)
        block = _Block(earned[names], np.ascontiguousarray(fee[names]) if fee.ndim else fee, lag)
        for c, (above, below) in enumerate(pairs.tolist()):
            block.hold(bank[names, above], bank[names, below])
            gross[c, 1:] += block.portfolio()
            traded[c, 1:] += block.switches()
            if fee.ndim:
                paid[c, 1:] += block.fees()
            moments[:, c, names], trades[c, names] = block.accounts()
    # A trade at a close is charged on the day on which the position first earns, as ``net_returns`` does.
    costs = paid / n_names if fee.ndim else fee * (traded / n_names)
    returns = gross / n_names - costs
    return CrossSweep(
        returns=returns,
        turnover=0.5 * traded / n_names,
        costs=costs,
        sharpe=_sharpe(returns.sum(axis=1), np.einsum("ct,ct->c", returns, returns), n_days, periods_per_year),
        name_sharpe=_sharpe(moments[0], moments[1], n_days, periods_per_year),
        name_trades=trades,
    )


class _Block:
    """B names with the buffers that all pairs use in turn."""

    def __init__(self, earned_bt: Float, fee: Float, lag: int) -> None:
        self._earned, self._fee, self._lag = earned_bt, fee, lag
        self._held = np.zeros(earned_bt.shape, dtype=np.bool_)
        self._changed = np.zeros(earned_bt.shape, dtype=np.bool_)
        self._number = np.zeros(earned_bt.shape)
        # Bought, all cash pays for shares and fee: 1 / (1 + fee) is left. Sold, the fee comes off the day's return.
        entry, leave = -fee / (1 + fee), -fee * (1 + earned_bt)
        running = np.cumsum(earned_bt, axis=1), np.cumsum(earned_bt**2, axis=1)
        sold, bought = (leave, leave * (leave + 2 * earned_bt)), (entry, entry**2)
        self._ends = [r[:, -1] for r in running]
        # What a trade adds to the sum of returns and of squares, sales first, so that (state, place) is one index.
        self._adds = [np.stack([r + s, b - r]).ravel() for r, s, b in zip(running, sold, bought, strict=True)]

    def hold(self, above_bt: Float, below_bt: Float) -> None:
        """Positions after each close and the days on which they change."""
        days = self._earned.shape[1] - self._lag
        np.greater(above_bt[:, :days], below_bt[:, :days], out=self._held[:, self._lag :])
        np.not_equal(self._held[:, 1:], self._held[:, :-1], out=self._changed[:, 1:])
        self._changed[:, 0] = self._held[:, 0]

    def portfolio(self) -> Float:
        """(T - 1,) sum over names of what positions earned from the second day on."""
        # Multiplying by truth values would convert them element by element; a copy does it at memory speed.
        np.copyto(self._number, self._held)
        total: Float = np.einsum("bt,bt->t", self._earned[:, 1:], self._number[:, :-1])
        return total

    def switches(self) -> Int:
        """(T - 1,) positions changed at the close before each day from the second on."""
        counts: Int = np.add.reduce(self._changed[:, :-1].view(np.int8), axis=0, dtype=np.int8)
        return counts

    def fees(self) -> Float:
        """(T - 1,) sum over names of fees for positions changed at the close before each day from the second on."""
        np.copyto(self._number, self._changed)
        total: Float = np.einsum("bt,bt->t", self._fee[:, :-1], self._number[:, :-1])
        return total

    def accounts(self) -> tuple[Float, Int]:
        """(2, B) sums of each account's daily returns and of their squares, and its (B,) number of trades."""
        n_names, n_days = self._earned.shape
        at = np.flatnonzero(self._changed)
        edges = np.searchsorted(at, np.arange(n_names + 1) * n_days)
        place = at + self._held.ravel()[at] * self._held.size
        parts, moments = np.zeros(len(at) + 1), np.empty((2, n_names))
        for row, (adds, end) in enumerate(zip(self._adds, self._ends, strict=True)):
            np.cumsum(adds[place], out=parts[1:])
            moments[row] = np.diff(parts[edges]) + self._held[:, -1] * end
        return moments, np.diff(edges)


def _days_unchanged(price_nt: Float) -> Int:
    """(N, T) days since the carried price last moved."""
    day = np.arange(price_nt.shape[1])
    moved = np.ones(price_nt.shape, dtype=np.bool_)
    np.not_equal(price_nt[:, 1:], price_nt[:, :-1], out=moved[:, 1:])
    since: Int = day - np.maximum.accumulate(np.where(moved, day, 0), axis=1)
    return since


def _sharpe(total: Float, squares: Float, n_days: int, periods_per_year: int) -> Float:
    """Yearly Sharpe ratio from the sum and the sum of squares of daily returns."""
    mean = total / n_days
    variance = np.maximum(squares - n_days * mean**2, 0.0) / (n_days - 1)
    return sharpe_of_moments(mean, np.sqrt(variance), periods_per_year=periods_per_year)
