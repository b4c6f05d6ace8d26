"""Linking: parts of each period's return made to sum to the return of all periods.

Which to use: ``carino`` (the default) treats all periods alike whatever their order, and is what most systems print.
``menchero`` spreads compounding as evenly as possible, for reports of many short periods. ``grap`` carries each part at
the portfolio's growth before it and the benchmark's after it: the money it became, in order of time. ``frongello`` adds
a period to what was linked before, so figures of the past never change when a period is appended; over the whole time
it is GRAP. ``geometric`` splits the ratio of final wealths, for who quotes excess returns as ratios.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from quantray.arrays import Bool, Float
from quantray.errors import InputError

__all__ = ["Linked", "Linking", "compounded", "link"]

Linking = Literal["carino", "menchero", "grap", "frongello", "geometric"]

_NEAR = 1e-9
"""Relative distance of two returns below which the ratio of their differences is taken at its limit."""


@dataclass(frozen=True, eq=False)
class Linked:
    """Parts of a return over T periods."""

    parts: Float
    """(T, E); all of them sum to ``total``. Column sums are the parts over the whole time."""
    total: float
    """The compounded return, less the benchmark's where there is one; with ``geometric`` their ratio less one."""


def link(parts: Float, returns: Float, benchmark: Float | None = None, *, method: Linking = "carino") -> Linked:
    """Link parts over time.

    Parameters
    ----------
    parts : (T, E) that sum to ``returns`` less ``benchmark`` in each period.
    returns : (T,) simple returns, none below -1; a loss of all is linked, too.
    benchmark : (T,); by default zero, which links contributions to the return itself.

    Raises
    ------
    InputError
        The method is unknown, shapes disagree, a value is missing, a return is below -100 %, or the benchmark lost all
        where the method needs what is left of it.

    Source: Carino (1999), *Combining attribution effects over time*, JPM 5(4); Menchero (2000), *An optimized approach
    to linking attribution effects over time*, JPM 5(1); GRAP (1997), *Synthese des modeles d'attribution de
    performance*; Frongello (2002), *Linking single period attribution results*, JPM 6(3); Bacon (2008), ch. 8.
    """
    parts, returns = np.asarray(parts, dtype=np.float64), np.asarray(returns, dtype=np.float64)
    other = np.zeros_like(returns) if benchmark is None else np.asarray(benchmark, dtype=np.float64)
    _check(parts, returns, other, method)
    if method == "carino":
        return _scaled(parts, _carino(returns, other), compounded(returns) - compounded(other))
    if method == "menchero":
        return _scaled(parts, _menchero(returns, other), compounded(returns) - compounded(other))
    if method == "grap":
        before, after = _before(1 + returns), _before((1 + other)[::-1])[::-1]
        return _scaled(parts, before * after, compounded(returns) - compounded(other))
    if method == "frongello":
        return Linked(_frongello(parts, returns, other), compounded(returns) - compounded(other))
    ratio = (1 + returns) / (1 + other)
    return _scaled(parts / (1 + other)[:, None], _before(ratio), float(np.prod(ratio)) - 1)


def compounded(returns: Float) -> float:
    """The simple return of all periods together."""
    return float(np.prod(1 + np.asarray(returns, dtype=np.float64))) - 1


def _scaled(parts: Float, coefficients: Float, total: float) -> Linked:
    return Linked(parts * coefficients[:, None], total)


def _before(growth: Float) -> Float:
    """(T,) product of all earlier periods' growth."""
    return np.concatenate([[1.0], np.cumprod(growth[:-1])])


def _frongello(parts: Float, returns: Float, benchmark: Float) -> Float:
    """(T, E) what each period adds: its parts at the wealth so far, and the benchmark's growth of those before."""
    out, linked = np.empty_like(parts), np.zeros(parts.shape[1])
    for t, wealth in enumerate(_before(1 + returns).tolist()):
        out[t] = parts[t] * wealth + benchmark[t] * linked
        linked = linked + out[t]
    return out


def _carino(returns: Float, benchmark: Float) -> Float:
    """(T,) ratio of each period's logarithmic to simple excess, over that of the whole time."""
    ruined = returns <= -1
    active = compounded(returns) - compounded(benchmark)
    if ruined.any():
        # The limit as what is left goes to nothing: of infinite logarithms only the ruinous periods' count.
        excess = np.where(ruined, returns - benchmark, 1.0)
        return np.where(ruined, active / excess / ruined.sum(), 0.0)
    total = _log_slope(np.prod(1 + returns, keepdims=True), np.prod(1 + benchmark, keepdims=True))
    return np.asarray(_log_slope(1 + returns, 1 + benchmark) / total)


def _log_slope(growth: Float, other: Float) -> Float:
    """(log a - log b) / (a - b), and 1 / a where they are one."""
    step = (growth - other) / other
    # Near one the logarithm of the ratio loses digits, far from it that of the step does.
    near = np.abs(step) < 0.5
    logs = np.where(near, np.log1p(np.where(near, step, 0.0)), np.log(growth / other))
    slope = np.ones_like(step)
    np.divide(logs, step, out=slope, where=step != 0)
    return np.asarray(slope / other)


def _menchero(returns: Float, benchmark: Float) -> Float:
    """(T,) one coefficient for all periods, and the smallest corrections that make the sum exact."""
    n, own, other = len(returns), 1 + compounded(returns), 1 + compounded(benchmark)
    excess = returns - benchmark
    if abs(own - other) <= _NEAR * max(own, other):
        common = max(own, other) ** ((n - 1) / n)
    else:
        common = (own - other) / n / (own ** (1 / n) - other ** (1 / n))
    squares = float(excess @ excess)
    left = own - other - common * float(excess.sum())
    coefficients: Float = common + excess * (left / squares if squares > 0 else 0.0)
    return coefficients


def _check(parts: Float, returns: Float, benchmark: Float, method: str) -> None:
    if method not in get_args(Linking):
        raise InputError(f"linking {method!r} is unknown; choose one of {', '.join(get_args(Linking))}.")
    shape = (len(returns),) if returns.ndim == 1 else (-1,)
    if parts.ndim != 2 or parts.shape[:1] != shape or benchmark.shape != shape or shape[0] < 1:
        raise InputError(
            f"parts {parts.shape}, returns {returns.shape} and benchmark {benchmark.shape} do not fit; they must be "
            "(T, E), (T,) and (T,) of one period or more."
        )
    for name, values in (("parts", parts), ("returns", returns), ("benchmark returns", benchmark)):
        if missing := int((~np.isfinite(values)).sum()):
            raise InputError(f"{missing} of the {name} are not known; fill them or leave those periods out.")
    for name, values in (("returns", returns), ("benchmark returns", benchmark)):
        if (values < -1).any():
            raise InputError(f"{name} reach {values.min():.1%}; nothing is left to link below -100 %.")
    if method in ("carino", "geometric") and _lost(benchmark).any():
        raise InputError(f"the benchmark lost all in a period, which {method} cannot link; use grap or menchero.")


def _lost(returns: Float) -> Bool:
    return np.asarray(returns <= -1)
