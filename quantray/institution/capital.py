"""Capital of a firm for its managers, and of a manager for his strategies: how much, when, and why.

How it is shared out is ``portfolio.strategy_mix``'s; here stand the bounds of each, what a drawdown takes away step by
step and a recovery gives back, when a decision is due, and the reasons of each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from quantray.arrays import Dates, Float
from quantray.data.calendar import DEFAULT_EXCHANGE, Frequency, rebalance_dates
from quantray.errors import InputError
from quantray.inputs import imported
from quantray.portfolio.strategy_mix import named_returns, strategy_mix
from quantray.settings import SettingsModel

__all__ = ["Bounds", "CapitalDecision", "CapitalLine", "CapitalSettings", "DrawdownSteps", "decide_capital", "due"]

Share = Annotated[float, Field(ge=0, le=1)]
Method = Literal["equal", "inverse_volatility", "risk_parity", "performance", "sharpe", "custom"]

_CUSTOM_ERROR = 1e-9


class DrawdownSteps(SettingsModel):
    """What a drawdown leaves of a manager's capital: less with each step, given back step by step.

    A step that was taken is given back when the drawdown has come back to ``recovery`` of where it began, so that one
    which hovers around a step does not move capital back and forth.
    """

    steps: tuple[tuple[Share, Share], ...] = ((0.05, 0.75), (0.10, 0.5), (0.15, 0.0))
    """Drawdown of the manager's own returns, a positive fraction of their peak -> share of the capital that stays."""
    recovery: Share = 0.5

    @model_validator(mode="after")
    def _descend(self) -> "DrawdownSteps":
        falls, shares = [fall for fall, _ in self.steps], [share for _, share in self.steps]
        if (
            not self.steps
            or falls != sorted(set(falls))
            or falls[0] == 0
            or [1.0, *shares] != sorted({1.0, *shares}, reverse=True)
        ):
            raise ValueError("drawdowns must rise from above 0, and the shares that stay must fall from below 1")
        return self

    def stays(self, returns: Float) -> Float:
        """(T, S) shares that stay after each day of (T, S) returns; NaN is a day without a position."""
        wealth = np.cumprod(1 + np.nan_to_num(returns, nan=0.0), axis=0)
        fallen = 1 - wealth / np.maximum(np.maximum.accumulate(wealth, axis=0), 1.0)
        falls = np.array([fall for fall, _ in self.steps])
        shares = np.array([1.0, *(share for _, share in self.steps)])
        # Where a step, once taken, is given back; level 0 has none.
        back = np.array([-1.0, *(self.recovery * falls)])
        level = np.zeros(returns.shape[1], dtype=np.int64)
        out = np.empty(returns.shape)
        for day, fall in enumerate(fallen):
            while (recovered := (level > 0) & (fall <= back[level])).any():
                level = level - recovered
            level = np.maximum(level, np.searchsorted(falls, fall, side="right"))
            out[day] = shares[level]
        return out


class Bounds(SettingsModel):
    """Shares of all capital that one may have, before a drawdown takes away."""

    least: Share = 0.0
    most: Share = 1.0

    @model_validator(mode="after")
    def _rise(self) -> "Bounds":
        if self.least > self.most:
            raise ValueError(f"least {self.least:g} is above most {self.most:g}")
        return self


class CapitalSettings(SettingsModel):
    """How capital is shared out, and when."""

    method: Method = "risk_parity"
    """``performance`` weighs by what each gained in the window, ``sharpe`` with means shrunk, ``custom`` by a function
    of the user's."""
    function: str = ""
    """Of ``custom``: ``module:name`` of one that makes (T, S) returns into (S,) shares, not negative, that sum to at
    most 1."""
    window_days: int = Field(252, ge=2)
    """Of returns that the method sees; drawdowns are those of all days."""
    min_days: int = Field(60, ge=2)
    max_correlation: Share = 1.0
    """From which of two, the one with the lesser Sharpe ratio gets nothing; 1 allows all."""
    frequency: Frequency = "monthly"
    drift: Share = 0.2
    """Part of a target by which a share may have moved before capital is shared out out of turn; 0 never does."""
    bounds: Bounds = Bounds()
    bounds_of: Mapping[str, Bounds] = {}
    """Of some, by name, in place of ``bounds``."""
    drawdown: DrawdownSteps | None = DrawdownSteps()

    @model_validator(mode="after")
    def _named(self) -> "CapitalSettings":
        if (self.method == "custom") != bool(self.function):
            raise ValueError("a function, as module:name, belongs to the method custom, and to no other")
        return self


@dataclass(frozen=True, slots=True)
class CapitalLine:
    """What one gets: money of the currency before and after, and every reason, in order."""

    name: str
    before: Decimal
    after: Decimal
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CapitalDecision:
    """How capital was shared out on a day.

    Parameters
    ----------
    cash : what nobody gets.
    trigger : why it was due.
    """

    day: str
    method: str
    trigger: str
    lines: tuple[CapitalLine, ...]
    cash: Decimal

    @property
    def capital(self) -> Mapping[str, Decimal]:
        """What each gets."""
        return {line.name: line.after for line in self.lines}

    def body(self) -> dict[str, Any]:
        """As a log of decisions has it: money as text."""
        return {
            "day": self.day,
            "method": self.method,
            "trigger": self.trigger,
            "cash": str(self.cash),
            "lines": [
                {
                    "name": line.name,
                    "before": str(line.before),
                    "after": str(line.after),
                    "reasons": list(line.reasons),
                }
                for line in self.lines
            ],
        }


def due(
    dates: Dates,
    settings: CapitalSettings,
    *,
    target: Mapping[str, Decimal] | None,
    now: Mapping[str, Decimal] | None = None,
    exchange: str = DEFAULT_EXCHANGE,
) -> str:
    """Why capital is to be shared out at the close of the last of the dates; empty where it is not.

    Parameters
    ----------
    dates : (T,) trading days up to the decision.
    target : what each was given last; None where nobody was given anything yet.
    now : what each has of it by now.

    Raises
    ------
    InputError
        No dates, or those of ``now`` are others than those of ``target``.
    """
    if target is None:
        return "the first allocation"
    if rebalance_dates(dates, settings.frequency, exchange=exchange)[-1] == dates[-1]:
        return f"the {settings.frequency} date"
    if now is None or settings.drift == 0:
        return ""
    if set(now) != set(target):
        raise InputError(f"capital of {', '.join(sorted(set(now) ^ set(target)))} is known now or before, not both.")
    for name, money in target.items():
        moved = abs(now[name] - money)
        if moved > money * Decimal(str(settings.drift)):
            return f"{name} has {now[name]:,} of {money:,}, further than {settings.drift:.0%}"
    return ""


def decide_capital(
    returns: Float,
    names: Sequence[str],
    capital: Decimal,
    settings: CapitalSettings,
    *,
    day: str,
    trigger: str,
    before: Mapping[str, Decimal] | None = None,
) -> CapitalDecision:
    """Share out capital from past returns.

    The method gives shares; bounds cut what is above the most and lift what is below the least, and the others take up
    the difference in proportion; a drawdown then leaves less, which nobody gets. Money is in whole units of the
    currency, rounded down; cents are part of the cash.

    Parameters
    ----------
    returns : (T, S) simple excess returns at full size, oldest first, up to the day of the decision; NaN where nothing
        was held.
    names : (S,) of the managers or strategies.
    before : what each had; by default nothing.

    Raises
    ------
    InputError
        Returns, names or capital are none; bounds cannot be kept together or name somebody else; a user's function
        cannot be imported or gives no such shares.
    DataError
        Nobody has enough days.
    SolverError
        Risk parity has no solution.

    Source: the methods are those of ``strategy_mix``; drawdown control in steps, Grossman and Zhou (1993), *Optimal
    investment strategies for controlling drawdowns*, Mathematical Finance 3, has the continuous form.
    """
    if not (capital.is_finite() and capital > 0):
        raise InputError(f"the capital is {capital}; give money above 0.")
    returns, names = named_returns(returns, names)
    if unknown := sorted(set(settings.bounds_of) - set(names)):
        raise InputError(f"bounds name {unknown[0]!r}, who is none of {', '.join(sorted(names)[:10])}.")
    reasons: dict[str, list[str]] = {name: [] for name in names}
    shares = _by_method(returns, names, settings, reasons)
    shares = _bounded(shares, names, settings, reasons)
    if settings.drawdown is not None:
        stays = settings.drawdown.stays(returns)[-1]
        for name, share in zip(names, stays, strict=True):
            if share < 1:
                reasons[name].append(f"a drawdown leaves {share:.0%} of it")
        shares = shares * stays
    money = [(capital * Decimal(repr(float(share)))).to_integral_value(ROUND_FLOOR) for share in shares]
    lines = tuple(
        CapitalLine(name, (before or {}).get(name, Decimal(0)), each, tuple(reasons[name]))
        for name, each in zip(names, money, strict=True)
    )
    return CapitalDecision(day, settings.method, trigger, lines, capital - sum(money, Decimal(0)))


def _by_method(
    returns: Float, names: Sequence[str], settings: CapitalSettings, reasons: Mapping[str, list[str]]
) -> Float:
    seen = returns[-settings.window_days :]
    if settings.method == "custom":
        shares = _custom(settings.function, seen)
        for name, share in zip(names, shares, strict=True):
            reasons[name].append(f"{settings.function} gives {share:.2%}")
        return shares
    mixed = strategy_mix(
        seen,
        settings.method,
        names=names,
        max_correlation=settings.max_correlation,
        min_days=settings.min_days,
    )
    for name, share in zip(names, mixed.weights, strict=True):
        said = mixed.dropped.get(name)
        reasons[name].append(said if said else f"{settings.method} gives {share:.2%}")
    return mixed.weights


def _custom(path: str, returns: Float) -> Float:
    function = imported(path, "function")
    if not callable(function):
        raise InputError(f"function {path!r} is a {type(function).__name__}; name one that can be called.")
    own = returns.copy()
    own.flags.writeable = False
    shares = np.asarray(function(own), dtype=np.float64)
    if shares.shape != (returns.shape[1],) or not np.isfinite(shares).all():
        raise InputError(
            f"function {path!r} gave {shares.shape} shares or such that are no numbers; give ({returns.shape[1]},)."
        )
    if (shares < 0).any() or shares.sum() > 1 + _CUSTOM_ERROR:
        raise InputError(
            f"function {path!r} gave shares from {shares.min():g} that sum to {shares.sum():g}; "
            "none may be negative, and all at most 1."
        )
    return shares / max(float(shares.sum()), 1.0)


def _bounded(shares: Float, names: Sequence[str], settings: CapitalSettings, reasons: Mapping[str, list[str]]) -> Float:
    """The nearest shares in proportion that keep within the bounds, with the same sum where that can be.

    One factor scales all that are not at a bound: the sum of what it gives rises with it, so bisection finds it.
    """
    bounds = [settings.bounds_of.get(name, settings.bounds) for name in names]
    low = np.array([each.least for each in bounds])
    high = np.array([each.most for each in bounds])
    if low.sum() > 1 + _CUSTOM_ERROR:
        raise InputError(f"the least shares sum to {low.sum():g}; lower them to 1 together.")
    if ((low <= shares) & (shares <= high)).all():
        return shares
    total = max(float(shares.sum()), float(low.sum()))

    def scaled(factor: float) -> Float:
        return np.clip(factor * shares, low, high)

    below, above = 0.0, 1.0
    # Nothing more can be given out than all at their most; those without a share stay at their least.
    while scaled(above).sum() < total and above < 1e12:
        above *= 2
    for _ in range(200):
        middle = (below + above) / 2
        below, above = (middle, above) if scaled(middle).sum() < total else (below, middle)
    out = scaled(above)
    for name, was, at, least, most in zip(names, shares, out, low, high, strict=True):
        if at in (least, most) and at != was:
            reasons[name].append(f"bounded to {at:.2%}")
        elif abs(at - was) > _CUSTOM_ERROR:
            reasons[name].append(f"scaled to {at:.2%} by the bounds of others")
    return np.asarray(out)
