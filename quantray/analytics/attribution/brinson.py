"""Brinson attribution: what came from weighting sectors, what from choosing within them, what from trading."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from quantray.analytics.attribution.breakdown import CLOSING, Breakdown, break_down, closed, known
from quantray.analytics.attribution.holdings import CASH, NO_SECTOR, Holdings, SectorHoldings, by_sector
from quantray.analytics.attribution.linking import Linking, compounded
from quantray.arrays import Dates, Float
from quantray.errors import InputError

__all__ = ["TRADING", "Brinson", "BrinsonModel", "Compounded", "attribute_sectors", "brinson", "brinson_of_parts"]

BrinsonModel = Literal["fachler", "hood", "geometric"]

TRADING = "trading"

_THIN = 1e-6
"""Net weight up to which a sector is not divided by: what it earned is selection."""


@dataclass(frozen=True, eq=False)
class Compounded:
    """Geometric effects over all periods: ``(1 + allocation) (1 + selection) (1 + trading) - 1`` is the excess."""

    allocation: float
    selection: float
    trading: float
    excess: float
    """Ratio of final wealths less one."""


@dataclass(frozen=True, eq=False)
class Brinson:
    """Effects of S sectors in T periods, fractions of NAV.

    Arithmetic effects sum to ``active``. Of the geometric ones, which have no interaction, the sums of a period
    compound to it: ``(1 + allocation) (1 + selection) - 1``.
    """

    model: BrinsonModel
    sectors: tuple[str, ...]
    allocation: Float
    """(T, S)."""
    selection: Float
    """(T, S)."""
    interaction: Float
    """(T, S)."""
    returns: Float
    """(T,) of the portfolio."""
    benchmark: Float
    """(T,)."""

    @property
    def active(self) -> Float:
        """(T,) difference of the returns; of the geometric model, ratio of the growths less one."""
        if self.model == "geometric":
            return np.asarray((1 + self.returns) / (1 + self.benchmark) - 1)
        return np.asarray(self.returns - self.benchmark)

    def compounded(self, costs: Float | None = None) -> Compounded:
        """Geometric effects over all periods.

        Parameters
        ----------
        costs : (T,) fractions of NAV by which the accounts' returns fall short of those of the holdings.

        Raises
        ------
        InputError
            The model is arithmetic, whose effects are linked instead.
        DataError
            The effects do not compound to the excess.
        """
        if self.model != "geometric":
            raise InputError(f"effects of the model {self.model} add up; link them, or ask for model='geometric'.")
        net = self.returns if costs is None else self.returns - costs
        allocation, selection = (compounded(part.sum(axis=1)) for part in (self.allocation, self.selection))
        trading = compounded((1 + net) / (1 + self.returns) - 1)
        excess = compounded((1 + net) / (1 + self.benchmark) - 1)
        product = (1 + allocation) * (1 + selection) * (1 + trading) - 1
        closed(np.array([product]), np.array([excess]), "geometric effects")
        return Compounded(allocation, selection, trading, excess)


def brinson(
    weights: Float,
    returns: Float,
    benchmark_weights: Float,
    benchmark_returns: Float,
    *,
    sectors: Sequence[str] | None = None,
    model: BrinsonModel = "fachler",
) -> Brinson:
    """Effects of sector weights and sector returns.

    ``fachler``: allocation ``(w - W) (B_i - B)``, selection ``W (R_i - B_i)``, interaction ``(w - W) (R_i - B_i)``;
    ``hood`` allocates by ``(w - W) B_i``; ``geometric`` by ``(w - W) ((1 + B_i) / (1 + B) - 1)`` and selects
    ``w (R_i - B_i) / (1 + sum w B_i)``.

    A sector that the benchmark does not hold is taken to return there what it did in the portfolio, so that holding it
    was allocation; one that the portfolio does not hold has no selection.

    Parameters
    ----------
    weights, benchmark_weights : (S,), or (T, S), at the start of each period, cash being a sector; shorts negative.
    returns, benchmark_returns : the same shape; NaN only where the weight is zero.

    Raises
    ------
    InputError
        Shapes disagree, a held sector has no return, or the two sides' weights sum to different amounts.
    DataError
        The effects do not sum to the active return.

    Source: Brinson and Fachler (1985), JPM 11(3); Brinson, Hood and Beebower (1986), FAJ 42(4); Bacon (2008), ch. 5.
    """
    given = [np.atleast_2d(np.asarray(v, dtype=np.float64)) for v in (weights, returns, benchmark_weights)]
    given.append(np.atleast_2d(np.asarray(benchmark_returns, dtype=np.float64)))
    if len({values.shape for values in given}) != 1 or given[0].ndim != 2:
        raise InputError(f"weights and returns are {[v.shape for v in given]}; all four must have one shape.")
    own, theirs = _contributions(given[0], given[1], "portfolio"), _contributions(given[2], given[3], "benchmark")
    names = tuple(sectors) if sectors is not None else tuple(f"sector {i + 1}" for i in range(own.shape[1]))
    if len(names) != own.shape[1]:
        raise InputError(f"{len(names)} names for {own.shape[1]} sectors; give each sector one.")
    return brinson_of_parts(names, given[0], own, given[2], theirs, model=model)


def brinson_of_parts(
    sectors: Sequence[str],
    weights: Float,
    contributions: Float,
    benchmark_weights: Float,
    benchmark_contributions: Float,
    *,
    model: BrinsonModel = "fachler",
) -> Brinson:
    """``brinson`` where contributions of sectors are known instead of returns, all (T, S).

    What a sector of longs and shorts without a net weight earned is selection; nothing is divided by it.

    Raises
    ------
    InputError
        The model is unknown, or the two sides' weights sum to different amounts.
    DataError
        The effects do not sum to the active return.
    """
    if model not in ("fachler", "hood", "geometric"):
        raise InputError(f"model {model!r} is unknown; choose fachler, hood or geometric.")
    w, c, wb, cb = weights, contributions, benchmark_weights, benchmark_contributions
    invested = np.abs(w.sum(axis=1) - wb.sum(axis=1))
    if model != "hood" and (invested > CLOSING).any():
        raise InputError(
            f"weights of portfolio and benchmark sum to amounts that differ by {invested.max():.3g}; give cash as a "
            "sector on both sides."
        )
    total, benchmark = c.sum(axis=1), cb.sum(axis=1)
    r, rb = _sector_returns(w, c, wb, cb, benchmark)
    if model == "geometric":
        notional = 1 + (w * rb).sum(axis=1, keepdims=True)
        if (notional <= 0).any() or (benchmark <= -1).any():
            raise InputError("the benchmark lost all in a period; geometric effects need what is left of it.")
        growth = 1 + benchmark[:, None]
        allocation, selection = (w - wb) * ((1 + rb) / growth - 1), (c - w * rb) / notional
        # A benchmark's sector without a net weight: what it earned is no sector's return, so it was allocated away.
        allocation = allocation - (cb - wb * rb) / growth
        found = Brinson(model, tuple(sectors), allocation, selection, np.zeros_like(w), total, benchmark)
        closed((1 + allocation.sum(axis=1)) * (1 + selection.sum(axis=1)) - 1, found.active, "geometric effects")
        return found
    allocation = (w - wb) * (rb - (benchmark[:, None] if model == "fachler" else 0.0))
    selection = wb * (r - rb) + (c - w * r) - (cb - wb * rb)
    found = Brinson(model, tuple(sectors), allocation, selection, (w - wb) * (r - rb), total, benchmark)
    closed((allocation + selection + found.interaction).sum(axis=1), found.active, f"Brinson effects ({model})")
    return found


def attribute_sectors(
    holdings: Holdings,
    benchmark: Holdings,
    sectors: Mapping[str, str],
    *,
    model: Literal["fachler", "hood"] = "fachler",
    method: Linking = "carino",
) -> Breakdown:
    """Allocation, selection, interaction and trading by sector, linked to the excess of returns after costs.

    Trading is what the costs took from the portfolio less what they took from the benchmark.

    Parameters
    ----------
    holdings, benchmark : on the same days, see ``holdings.held_days``.
    sectors : asset -> sector; assets without one have a row ``no sector``.

    Raises
    ------
    InputError
        The days differ; as ``brinson_of_parts`` and ``linking.link``.
    DataError
        The effects do not sum to the excess.
    """
    _same_days(holdings.dates, benchmark.dates, benchmark.name)
    own, theirs = by_sector(holdings, sectors), by_sector(benchmark, sectors)
    names = _union(own, theirs)
    sides = [_on(part, names) for part in (own, theirs)]
    effects = brinson_of_parts(names, *sides[0], *sides[1], model=model)
    blocks = [effects.allocation, effects.selection, effects.interaction]
    traded = (benchmark.costs - holdings.costs)[:, None]
    rows = [*names] * 3 + [TRADING]
    labels = [effect for effect in ("allocation", "selection", "interaction") for _ in names] + [TRADING]
    count = own.unlabelled
    return break_down(
        "Sectors",
        holdings.dates,
        rows,
        labels,
        np.hstack([*blocks, traded]),
        holdings.returns,
        benchmark=benchmark.returns,
        method=method,
        notes=(f"{count} of the names held have no sector; they are the row {NO_SECTOR!r}.",) if count else (),
    )


def _same_days(dates: Dates, other: Dates, name: str) -> None:
    if np.array_equal(dates, other):
        return
    absent = dates[~np.isin(dates, other)]
    where = f"lacks {len(absent)} days, first {absent[0]}" if len(absent) else "has more days"
    raise InputError(f"benchmark {name} {where} of {dates[0]} to {dates[-1]}; give it on the days of the record.")


def _union(own: SectorHoldings, theirs: SectorHoldings) -> list[str]:
    names = dict.fromkeys([*own.sectors, *theirs.sectors])
    last = [name for name in names if name in (NO_SECTOR, CASH, "dividends")]
    return sorted(name for name in names if name not in last) + last


def _on(part: SectorHoldings, names: Sequence[str]) -> tuple[Float, Float]:
    """(T, S) weights and contributions in an order of sectors."""
    weights, contributions = np.zeros((2, len(part.weights), len(names)))
    columns = [names.index(sector) for sector in part.sectors]
    weights[:, columns], contributions[:, columns] = part.weights, part.contributions
    return weights, contributions


def _contributions(weights: Float, returns: Float, side: str) -> Float:
    days = np.arange(len(weights)).astype("datetime64[D]")
    known(weights, days, f"{side} weights")
    unknown = (weights != 0) & ~np.isfinite(returns)
    if unknown.any():
        t, s = (int(place[0]) for place in np.nonzero(unknown))
        raise InputError(f"{side} weight {weights[t, s]:g} of sector {s} in period {t} has no return; give one.")
    return np.asarray(weights * np.where(weights != 0, returns, 0.0))


def _sector_returns(w: Float, c: Float, wb: Float, cb: Float, benchmark: Float) -> tuple[Float, Float]:
    """(T, S) returns of both sides; a side that does not hold a sector has the other's, and where neither does, B."""
    held, known_there = np.abs(w) > _THIN, np.abs(wb) > _THIN
    r, rb = np.full_like(w, np.nan), np.full_like(w, np.nan)
    np.divide(c, w, out=r, where=held)
    np.divide(cb, wb, out=rb, where=known_there)
    rb = np.where(known_there, rb, np.where(held, r, benchmark[:, None]))
    return np.where(held, r, rb), rb
