"""Straddles on every asset, rolled on a schedule: what they are worth, what a long one earns, and a book of them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quantray.arrays import Bool, Float
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.features.returns import carried_forward
from quantray.strategies.options import OptionPricing, PricedVolatility, black_scholes
from quantray.strategies.rolling import bridged_close, rolling_volatility
from quantray.strategies.rule import Adjustments, Controls, StrategyResult, Trail, hold, window_checked

__all__ = ["RolledStraddles", "Straddle", "StraddleTerms", "rolled_straddles", "straddle_book", "straddle_sides"]

_PRICING = OptionPricing()


@dataclass(frozen=True, kw_only=True)
class StraddleTerms:
    """Which straddles are traded, how large and at what price.

    Raises
    ------
    InputError
        A value is out of range, or the options would expire before the next ones trade.
    """

    tenor: int = 30
    """Days to expiry when struck."""
    every: int = 21
    """Days after which the next ones are struck at the money."""
    gross: float = 0.5
    """Notional of all straddles together, as a share of NAV."""
    half_spread: float = 0.02
    """Paid on each option trade, as a share of its value."""
    pricing: OptionPricing = _PRICING

    def __post_init__(self) -> None:
        window_checked(2, every=self.every)
        window_checked(self.every + 2, tenor=self.tenor)
        if not (0 < self.gross <= 1 and 0 <= self.half_spread < 1):
            raise InputError(f"gross {self.gross} must lie in (0, 1] and half_spread {self.half_spread} in [0, 1).")


@dataclass(frozen=True, eq=False)
class Straddle:
    """One straddle per asset, struck at the close of a row, on each of the L rows of its life."""

    row: int
    """Where it is struck and from which it is the one to trade."""
    strike: Float
    """(N,) the close of that row; NaN without one."""
    value: Float
    """(L, N) a call and a put, per unit of the underlying."""
    delta: Float
    """(L, N)."""


@dataclass(frozen=True, eq=False)
class RolledStraddles:
    """The straddles of a panel, one after the other."""

    cycles: tuple[Straddle, ...]
    terms: StraddleTerms
    implied: PricedVolatility
    earned: Float
    """(T, N) return on notional of the current long straddle, delta-hedged at the close before; NaN where unknown."""
    struck: Bool
    """(T,) rows on which straddles are struck."""


def rolled_straddles(panel: Panel, terms: StraddleTerms) -> RolledStraddles:
    """Strike straddles at the money every ``terms.every`` days, from the first row on, and mark them every day.

    Raises
    ------
    DataError
        As ``rolling.bridged_close``.
    """
    pricing, tenor, every = terms.pricing, terms.tenor, terms.every
    close, implied = bridged_close(panel), pricing.volatility(panel)
    n_days = len(close)
    earned = np.full(close.shape, np.nan)
    cycles = []
    for row in range(0, n_days, every):
        life = slice(row, min(row + tenor, n_days))
        years = (tenor - np.arange(life.stop - row))[:, None] / panel.periods_per_year
        strike = np.where(np.isnan(implied.values[row]), np.nan, close[row])
        common = close[life], strike, years, implied.values[life]
        call = black_scholes("call", *common, rate=pricing.rate)
        put = black_scholes("put", *common, rate=pricing.rate)
        cycle = Straddle(row, strike, call.price + put.price, call.delta + put.delta)
        cycles.append(cycle)
        stop = min(every + 1, len(cycle.value))
        moved = np.diff(close[life][:stop], axis=0)
        earned[row + 1 : row + stop] = (np.diff(cycle.value[:stop], axis=0) - cycle.delta[: stop - 1] * moved) / strike
    return RolledStraddles(tuple(cycles), terms, implied, earned, np.arange(n_days) % every == 0)


def straddle_sides(
    straddles: RolledStraddles, cheap_tn: Float, threshold: float, controls: Controls, adjust: Adjustments
) -> npt.NDArray[np.int8]:
    """(T, N) long straddles where options are cheap by ``threshold``, short ones where they are rich by it.

    A straddle is held while it stays cheap (or rich), to the stop, which watches its hedged return. Each new strike is
    a new position, so a straddle that was stopped may be opened again then.

    Parameters
    ----------
    cheap_tn : (T, N) volatility expected less implied, per year.
    """
    same = ~straddles.struck[:, None]
    path = np.cumsum(np.nan_to_num(straddles.earned), axis=0)
    trail = Trail.of(path, rolling_volatility(straddles.earned, 21), controls, adjust)
    least = controls.min_signal * adjust.min_signal
    return hold(cheap_tn / threshold, (cheap_tn > 0) & same, (cheap_tn < 0) & same, least, trail)


def straddle_book(
    panel: Panel,
    straddles: RolledStraddles,
    sides_tn: npt.NDArray[np.int8],
    usable_tn: Bool,
    max_weight: float,
    lag: int,
) -> StrategyResult:
    """A book of delta-hedged straddles: the hedge as weights, the options as a stream of returns.

    Notional is shared equally among the assets with options at each roll, and fixed until the next. Decisions reach
    the options ``lag`` days later, as they do the hedge. Returns are on NAV, with notional counted in NAV of the day;
    an option that cannot be marked keeps its last value.

    Parameters
    ----------
    sides_tn : (T, N) decided at each close: 1 a long straddle, -1 a short one, 0 none.
    usable_tn : (T, N) assets that may be held.
    max_weight : largest notional of one straddle.

    Raises
    ------
    InputError
        The straddles expire before the next ones could be in place at this lag.
    """
    n_days = len(panel.dates)
    terms, weights, overlay = straddles.terms, np.zeros(panel.shape), np.zeros(n_days)
    closing = np.zeros(panel.shape)
    close = bridged_close(panel)
    for cycle in straddles.cycles:
        end = min(cycle.row + terms.every, n_days)
        priced = usable_tn[cycle.row] & np.isfinite(cycle.value[0])
        if not priced.any():
            continue
        last = min(end + lag, n_days - 1)
        if last - cycle.row >= len(cycle.value):
            raise InputError(
                f"straddles expire before their successors trade, {terms.every} + {lag} days later; "
                "lengthen tenor, or shorten every or lag."
            )
        notional = np.where(priced, min(terms.gross / priced.sum(), max_weight), 0.0)
        rows = slice(cycle.row, end)
        units = np.where(usable_tn[rows], sides_tn[rows], 0) * notional / np.where(priced, cycle.strike, 1.0)
        delta = cycle.delta[: end - cycle.row]
        weights[rows] = -np.nan_to_num(units * delta * close[rows])
        # In this straddle, decisions of its rows are held from ``lag`` rows later and given up when they end.
        held = np.zeros((last + 1 - cycle.row, panel.shape[1]))
        held[lag : lag + len(units)] = units[: max(len(held) - lag, 0)]
        value = np.nan_to_num(carried_forward(cycle.value[: len(held)])[0])
        traded = np.abs(np.diff(held, axis=0, prepend=0.0))
        closing[cycle.row : last + 1] += terms.half_spread * held * value
        overlay[cycle.row : last + 1] -= terms.half_spread * np.einsum("tn,tn->t", traded, value)
        overlay[cycle.row + 1 : last + 1] += np.einsum("tn,tn->t", held[:-1], np.diff(value, axis=0))
    exposure = np.abs(weights).sum(axis=1)
    capped = exposure > 1
    weights /= np.maximum(exposure, 1.0)[:, None]
    notes = [straddles.implied.source]
    if capped.any():
        notes.append(f"the hedge was cut to a gross exposure of 1 on {int(capped.sum())} days")
    return StrategyResult(weights, overlay, tuple(notes), closing)
