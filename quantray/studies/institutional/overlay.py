"""Phase four: the book within its limits, and at an exposure that follows its volatility and its drawdown."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from quantray.arrays import Float
from quantray.backtest.accounts import Accounting, Decisions, backtest
from quantray.data.splits import Split
from quantray.research.provenance import Origin, notes_of, unit_key
from quantray.research.source import name_of
from quantray.research.units import Unit
from quantray.risk.drawdown import Protection, protected_exposure
from quantray.risk.limiting.cure import smallest_cure
from quantray.risk.limits import Limit, breaches, check
from quantray.risk.overlay import overlaid
from quantray.risk.positions.book import Book as Positions
from quantray.risk.sizing import volatility_exposure
from quantray.settings import as_mapping
from quantray.studies.institutional.book import LAYOUT, Book, PhaseData, earned_days, read_book
from quantray.studies.institutional.objective import Choice, choose, scored

__all__ = ["FULL", "OverlayTask", "overlay_unit", "run_overlay", "within_limits"]

FULL = "full exposure"
_LIBRARIES = ("numpy", "scipy", "cvxpy", "clarabel")


@dataclass(frozen=True)
class OverlayTask:
    """The overlay on the book of one fold."""

    split: Split
    book: str
    """Key of the book."""


@dataclass(frozen=True)
class _Rule:
    """One way to move exposure."""

    name: str
    volatility: float | None
    protection: Protection | None


def run_overlay(data: PhaseData, task: OverlayTask) -> str:
    """Put the overlay on the book, keep what comes of it and return its key."""
    unit = overlay_unit(data, task)
    if not data.results.has(unit.key, LAYOUT):
        book, choice = _held_down(data, task)
        data.results.put(unit.key, book.table(), choice.note() | notes_of(unit.origin))
    return unit.key


def overlay_unit(data: PhaseData, task: OverlayTask) -> Unit[OverlayTask]:
    """The overlay on the book of one fold as a unit of work."""
    settings = data.settings
    told = {
        "split": repr(task.split),
        "risk": as_mapping(settings.risk),
        "objectives": as_mapping(settings.objectives),
        "costs": as_mapping(settings.costs),
        "decisions": list(settings.execution.rebalances),
        "lag": settings.accounting.execution_lag,
        "exchange": data.exchange,
        "threads": settings.threads,
    }
    origin = Origin((name_of(_held_down),), _LIBRARIES, numerics=settings.numerics)
    return Unit(unit_key([data.fingerprint, task.book], told, origin=origin), task, origin, LAYOUT)


def within_limits(weights_kn: Float, gross: float, weight: float) -> Float:
    """(K, N) weights after the smallest trades that bring each day within its limits.

    Parameters
    ----------
    gross : most of the sum of absolute weights.
    weight : most of one absolute weight.
    """
    limits = (
        Limit(name="gross", metric="gross", scope="book", soft=gross, hard=gross),
        Limit(name="names", metric="gross", scope="every name", soft=weight, hard=weight),
    )
    out = weights_kn.copy()
    for k, weights in enumerate(weights_kn):
        size = np.abs(weights)
        if size.sum() <= gross and size.max(initial=0.0) <= weight:
            continue
        held = np.flatnonzero(weights)
        book = Positions(names=held.astype(np.str_), weights=weights[held])
        if breaches(check(limits, book), "hard"):
            out[k, held] = smallest_cure(limits, book).book.weights
    return out


def _held_down(data: PhaseData, task: OverlayTask) -> tuple[Book, Choice]:
    settings, panel = data.settings, data.panel
    book, bounds, lag = read_book(data, task.book), settings.objectives.constraints, settings.accounting.execution_lag
    book = replace(book, weights=within_limits(book.weights, bounds.gross, bounds.weight))
    earned = _full_size(data, book)
    days = earned_days(panel, task.split, lag) - book.rows[0]
    exposures, candidates = {}, []
    for rule in _rules(data):
        exposure = _exposure(data, rule, book, earned)
        # Decided at a close, traded ``lag`` closes later, held over the day that follows.
        held = np.concatenate([np.ones(lag + 1), exposure[: -lag - 1]])[days]
        cost = settings.costs.half_spread_bps + settings.costs.commission_bps
        net = overlaid(earned[days], held, cost_bps=cost, band=settings.risk.band).returns
        candidates.append(scored(rule.name, net, settings.objectives, periods_per_year=panel.periods_per_year))
        exposures[rule.name] = exposure
    choice = choose(candidates)
    return replace(book, exposure=exposures[choice.chosen]), choice


def _full_size(data: PhaseData, book: Book) -> Float:
    """(D,) what the book earns on each of its days at full exposure after spread and commission, options included."""
    panel, settings = data.panel, data.settings
    decisions = Decisions(panel.dates[book.decided], panel.assets, book.weights)
    record = backtest(
        panel.between(panel.dates[book.rows[0]], panel.dates[book.rows[-1]]),
        decisions,
        costs=settings.costs.build(),
        accounting=Accounting(lag=settings.accounting.execution_lag),
    )
    out = book.options.copy()
    out[len(out) - len(record.returns) :] += record.returns
    return out


def _rules(data: PhaseData) -> Iterator[_Rule]:
    for volatility in (None, *data.settings.risk.volatilities):
        for number, protection in enumerate((None, *data.settings.risk.protections)):
            parts = [] if volatility is None else [f"volatility {volatility:.1%}"]
            parts += [] if protection is None else [f"protection {number}"]
            yield _Rule(", ".join(parts) or FULL, volatility, protection)


def _exposure(data: PhaseData, rule: _Rule, book: Book, earned: Float) -> Float:
    """(D,) wanted at each close, from what the book earned up to it; what is decided stays within the limits."""
    # Row t of the functions knows the returns up to t - 1; the day after the last asks for all of them.
    known, out = np.append(earned, 0.0), np.ones(len(earned) + 1)
    if rule.volatility is not None:
        out *= volatility_exposure(
            known,
            target=rule.volatility,
            most=data.settings.risk.most,
            periods_per_year=data.panel.periods_per_year,
        )
    if rule.protection is not None:
        out *= protected_exposure(known, rule.protection)
    return np.minimum(out[1:], _largest(data, book))


def _largest(data: PhaseData, book: Book) -> Float:
    """(D,) exposure at which the newest decision is at its limits; infinite before the first."""
    size, bounds = np.abs(book.weights), data.settings.objectives.constraints
    with np.errstate(divide="ignore"):
        most = np.minimum(bounds.gross / size.sum(axis=1), bounds.weight / size.max(axis=1, initial=0.0))
    newest = np.searchsorted(book.decided, book.rows, side="right")
    return np.append(np.inf, most)[newest]
