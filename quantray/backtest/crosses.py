"""Crossing lines, many pairs against one panel at once: every indicator once, positions never all in memory.

A *cross* is the rule that most indicator strategies come down to: hold a name while one line lies above another (a fast
average above a slow one, a close above a band, an oscillator above a level). ``cross_sweep`` replays C such pairs of
lines from a bank that was computed once; ``net`` accounts for any other weights, one parameter set at a time.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from quantray.analytics.metrics import sharpe_of_moments
from quantray.arrays import TRADING_DAYS, Bool, Complex, Float, Int
from quantray.backtest.accounts import DELIST_AFTER
from quantray.backtest.costs import from_bps
from quantray.backtest.net import check_terms
from quantray.errors import InputError
from quantray.features.returns import carried_forward, held_returns

__all__ = ["CrossSweep", "cross_sweep", "moving_averages"]

_NAMES, _DAYS = 32, 640
"""Of a tile: the lines of so many stay in the processor's cache through all pairs."""
_FLAGS, _NUMBERS = 2**20, 2**17
"""Positions on a tile at a time, as truth values and as numbers: what the cache has room for beside the lines."""


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
    longest = still.max(axis=1)
    bank = np.empty((len(price), len(windows), len(close)))
    for names in _parts(0, len(price), _NAMES):
        for k, window in enumerate(windows.tolist()):
            full = bank[names, k, window - 1 :]
            np.subtract(total[names, window:], total[names, :-window], out=full)
            full /= window
            full += origin[names]
            # A price that has not moved through the window is its own average: rounding would make crossings of it.
            if longest[names].max() >= window - 1:
                np.copyto(full, price[names, window - 1 :], where=still[names, window - 1 :] >= window - 1)
    for lines, first in zip(bank, listed.tolist(), strict=True):
        for line, window in zip(lines, windows.tolist(), strict=True):
            line[: first + window - 1] = np.nan
    gap_name, gap_day = np.nonzero((age > 0) & known)
    bank[gap_name, :, gap_day] = bank[gap_name, :, gap_day - age[gap_name, gap_day]]
    barred = age >= DELIST_AFTER
    if member_tn is not None:
        barred |= ~np.asarray(member_tn, dtype=np.bool_).T
    for name in np.flatnonzero(barred.any(axis=1)):
        bank[name][:, barred[name]] = np.nan
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
    sweep = _Sweep(pairs, n_names, n_days)
    earned, fee = np.ascontiguousarray(held_returns(close, delist_tn).T), from_bps(costs_bps).T
    for days in _parts(lag, n_days, _DAYS):
        for names in _parts(0, n_names, _NAMES):
            sweep.add(_tile(bank, earned, fee, names, days, lag))
    # A trade at a close is charged on the day on which the position first earns, as ``net_returns`` does.
    gross, traded, paid = (total[:, :-1] for total in (sweep.gross, sweep.traded, sweep.paid))
    costs = paid / n_names if fee.ndim else fee * (traded / n_names)
    returns = gross / n_names - costs
    return CrossSweep(
        returns=returns,
        turnover=0.5 * traded / n_names,
        costs=costs,
        sharpe=_sharpe(returns.sum(axis=1), np.einsum("ct,ct->c", returns, returns), n_days, periods_per_year),
        name_sharpe=_sharpe(sweep.moments.real, sweep.moments.imag, n_days, periods_per_year),
        name_trades=sweep.trades,
    )


@dataclass(frozen=True, eq=False)
class _Tile:
    """B names from the close before some days to the last of their closes, W of them.

    Sums and sums of squares go together, as the real and the imaginary part of one number.
    """

    names: slice
    days: slice
    """On which positions after the W closes earn; the day after the last of them is another tile's."""
    lines: Float
    """(K, B * W) what positions after each close depend on; NaN where there is none."""
    earned: Float
    """(B, W) on the day after each close, 0 after the last."""
    fee: Float | None
    """(B, W) at each close; None where one number says it all."""
    moments: Complex
    """(2 * B * W,) what a sale, or else a purchase, at a close adds to the moments of an account's daily returns."""
    end: Complex
    """(B,) what a position after the last close adds to them."""


def _tile(bank: Float, earned: Float, fee: Float, names: slice, days: slice, lag: int) -> _Tile:
    part = earned[names, days]
    charge = fee[names, days] if fee.ndim else fee
    ahead, at_closes = np.zeros((2, len(part), part.shape[1] + 1))
    ahead[:, :-1] = part
    at_closes[:, 1:] = charge
    # A holding from one close to another earns the difference of two running sums.
    running, trades = np.zeros(ahead.shape, dtype=np.complex128), np.zeros((2, *ahead.shape), dtype=np.complex128)
    np.cumsum(_moments(part), axis=1, out=running[:, 1:])
    # Bought, all cash pays for shares and fee: 1 / (1 + fee) is left. Sold, the fee comes off the day's return.
    np.add(running[:, :-1], _moments(part - charge * (1 + part)), out=trades[0, :, 1:])
    np.subtract(_moments(-charge / (1 + charge)), running[:, 1:], out=trades[1, :, 1:])
    return _Tile(
        names=names,
        days=slice(days.start, days.stop + 1),
        lines=_lines(bank[names], days.start - lag - 1, days.stop - lag),
        earned=ahead,
        fee=at_closes if fee.ndim else None,
        moments=trades.ravel(),
        end=running[:, -1],
    )


def _lines(bank_bkt: Float, start: int, stop: int) -> Float:
    """(K, B * W) the lines of some days, each in one piece; NaN before the first of all."""
    n_names, n_lines, _ = bank_bkt.shape
    out = np.empty((n_lines, n_names, stop - start))
    out[:, :, : max(-start, 0)] = np.nan
    out[:, :, max(-start, 0) :] = bank_bkt[:, :, max(start, 0) : stop].transpose(1, 0, 2)
    return out.reshape(n_lines, -1)


class _Sweep:
    """C accounts of one name each and C portfolios, added up tile by tile.

    What is traded at the last close of all earns and costs on a day that nobody sees, the last of T + 1.
    """

    def __init__(self, pairs: Int, n_names: int, n_days: int) -> None:
        self._pairs = pairs.tolist()
        self.gross, self.traded, self.paid = np.zeros((3, len(pairs), n_days + 1))
        self.moments = np.zeros((len(pairs), n_names), dtype=np.complex128)
        self.trades = np.zeros((len(pairs), n_names), dtype=np.int64)
        # One piece of memory for all tiles: new pages would cost more than the arithmetic. Changes are looked for in
        # words of eight, so that eight more are read than there may be.
        self._held, self._changed = np.zeros((2, _FLAGS + 8), dtype=np.bool_)
        self._number = np.zeros(_NUMBERS)

    def add(self, tile: _Tile) -> None:
        """Play all pairs on a tile."""
        for some in _parts(0, len(self._pairs), _FLAGS // tile.earned.size):
            held = self._positions(tile, some)
            self.gross[some, tile.days] += self._totals(tile.earned, held)
            changed = self._changes(held)
            self.traded[some, tile.days] += np.add.reduce(changed.view(np.int8), axis=1, dtype=np.int8)
            if tile.fee is not None:
                self.paid[some, tile.days] += self._totals(tile.fee, changed)
            self._account(tile, some, held)

    def _positions(self, tile: _Tile, some: slice) -> Bool:
        """(P, B, W) of P pairs after each close."""
        pairs = self._pairs[some]
        held = self._held[: len(pairs) * tile.earned.size].reshape(len(pairs), -1)
        for out, (above, below) in zip(held, pairs, strict=True):
            np.greater(tile.lines[above], tile.lines[below], out=out)
        return held.reshape(len(pairs), *tile.earned.shape)

    def _changes(self, held: Bool) -> Bool:
        """(P, B, W) whether a close changed the position; what the first close did is another tile's."""
        flat = held.ravel()
        np.not_equal(flat[1:], flat[:-1], out=self._changed[1 : flat.size])
        changed = self._changed[: flat.size].reshape(held.shape)
        changed[:, :, 0] = False
        return changed

    def _totals(self, value_bw: Float, of: Bool) -> Float:
        """(P, W) sums over the names that are marked."""
        # Multiplying by truth values would convert them element by element; a copy does it at memory speed.
        total = np.empty((len(of), of.shape[2]))
        for some in _parts(0, len(of), _NUMBERS // value_bw.size):
            number = self._number[: of[some].size].reshape(of[some].shape)
            np.copyto(number, of[some])
            np.einsum("bw,pbw->pw", value_bw, number, out=total[some])
        return total

    def _account(self, tile: _Tile, some: slice, held: Bool) -> None:
        """Moments of the daily returns of each account, and its trades."""
        n_pairs, n_names, width = held.shape
        self._changed[held.size : held.size + 8] = False
        at = _true_at(self._changed[: -(-held.size // 8) * 8])
        edges = at.searchsorted(np.arange(n_pairs * n_names + 1) * width)
        counts = np.diff(edges)
        place = at + np.where(held.ravel().take(at), tile.earned.size, 0)
        place -= np.repeat(np.arange(n_pairs) * tile.earned.size, np.diff(edges[::n_names]))
        # The zero is for accounts behind the last trade, which have none.
        sums = np.add.reduceat(np.append(tile.moments.take(place), 0), edges[:-1])
        sums[counts == 0] = 0
        self.moments[some, tile.names] += sums.reshape(n_pairs, n_names) + held[:, :, -1] * tile.end
        self.trades[some, tile.names] += counts.reshape(n_pairs, n_names)


def _parts(start: int, stop: int, most: int) -> list[slice]:
    """As few slices as may be, none longer than ``most``, and all alike but for one element."""
    edges = np.linspace(start, stop, -(-(stop - start) // most) + 1).astype(int).tolist() if stop > start else []
    return [slice(*pair) for pair in pairwise(edges)]


def _moments(returns: Float) -> Complex:
    """Each value, and as the imaginary part its square."""
    out = np.empty(returns.shape, dtype=np.complex128)
    out.real = returns
    np.multiply(returns, returns, out=out.imag)
    return out


def _true_at(flags: Bool) -> Int:
    """Positions of the few true values among many, eight at a glance; their number must be a multiple of eight."""
    words = flags.view(np.uint64)
    some = np.flatnonzero(words != 0)
    within = np.flatnonzero(words.take(some).view(np.bool_))
    some *= 8
    at: Int = some.take(within >> 3)
    at += within & 7
    return at


def _days_unchanged(price_nt: Float) -> Int:
    """(N, T) days since the carried price last moved."""
    day, since = np.arange(price_nt.shape[1]), np.zeros(price_nt.shape, dtype=np.int64)
    still = np.zeros(price_nt.shape, dtype=np.bool_)
    np.equal(price_nt[:, 1:], price_nt[:, :-1], out=still[:, 1:])
    some = still.any(axis=1)
    since[some] = day - np.maximum.accumulate(np.where(still[some], 0, day), axis=1)
    return since


def _sharpe(total: Float, squares: Float, n_days: int, periods_per_year: int) -> Float:
    """Yearly Sharpe ratio from the sum and the sum of squares of daily returns."""
    mean = total / n_days
    variance = np.maximum(squares - n_days * mean**2, 0.0) / (n_days - 1)
    return sharpe_of_moments(mean, np.sqrt(variance), periods_per_year=periods_per_year)
