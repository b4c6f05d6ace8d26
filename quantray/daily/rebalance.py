"""A day from its bars to its book, stage by stage.

Each stage is a function of the store's version, the settings and the book before, so that a day that was cut off
anywhere and is run again ends in the same book.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from threadpoolctl import ThreadpoolController

from quantray.daily.book import Book
from quantray.daily.day import Day
from quantray.daily.decision import Decision, day_model, decide_day, is_due, scores_of
from quantray.daily.gate import GateError, GateReport, examine_day
from quantray.daily.market import DayMarket, load_day
from quantray.daily.opening import missed_days, positions_of, start_of
from quantray.daily.orders import impact_of, orders_of, within_volume
from quantray.daily.risk import risk_report, view, within_limits
from quantray.daily.settings import RebalanceSettings
from quantray.daily.targets import targets_of
from quantray.daily.taxes import SaleTaxes, within_taxes
from quantray.data.calendar import DEFAULT_EXCHANGE
from quantray.data.store import MarketStore
from quantray.regimes.indicators import five_lenses
from quantray.risk.limits import read_limits

if TYPE_CHECKING:
    from quantray.daily.learning import Learned

__all__ = ["Rebalanced", "rebalance"]


@dataclass(frozen=True, eq=False)
class Rebalanced:
    """What a day ended with."""

    book: Book
    store_version: int
    gate: GateReport
    seconds: Mapping[str, float]
    """Stage -> time."""
    notes: tuple[str, ...]


def rebalance(
    settings: RebalanceSettings,
    before: Callable[[date], Book | None],
    *,
    bars: str | Path | None = None,
    day: date | None = None,
    holdings: pd.DataFrame | None = None,
    taxes: SaleTaxes | None = None,
    progress: Callable[[str], None] = lambda stage: None,
) -> Rebalanced:
    """Append a day's bars and decide on them.

    Parameters
    ----------
    before : gives the latest book of a day before one, or None where there is none.
    bars : file or folder with the day's bars; None where the store holds them.
    day : by default the last of the store.
    holdings : what is really held, with columns symbol and shares; by default what the book before leaves once its
        orders have filled at the next close.
    taxes : what sales may cost in tax; by default it does not count. Limits of risk are kept whatever that costs.
    progress : told of each stage as it begins.

    Raises
    ------
    GateError
        The day's bars are not good enough.
    LimitBreachError
        A limit that stops trading is broken.
    DataError, InputError, SolverError
        The store, the settings or the optimisation, as each stage says.
    """
    stages = _Stages(progress, settings.threads)
    with stages.take("append"):
        if bars is not None:
            MarketStore(settings.data.store).append(bars)
    with stages.take("load"):
        last = _last_day(settings) if day is None else day
        earlier = before(last)
        market = load_day(settings, last, since=None if earlier is None else earlier.as_of)
    with stages.take("gate"):
        gate = _gated(settings, market, earlier)
    with stages.take("positions"):
        positions = positions_of(settings, market, earlier, holdings)
        start = start_of(market, positions, earlier)
    learned = _learned(settings, market, earlier, stages)
    with stages.take("forecast"):
        due = is_due(market.panel, settings)
        checkpoint = _checkpoint(settings) if learned is None else learned.path
        scores = scores_of(market.panel, settings, market.sectors, checkpoint) if due else None
    with stages.take("optimise"):
        model = day_model(market.panel, settings)
        decision = decide_day(market.panel, settings, model, scores, start) if due else None
        targets = targets_of(market, positions, _wanted(market, decision), settings.policy.build())
        targets, taxed = (targets, ()) if taxes is None else within_taxes(targets, taxes)
        costs = settings.costs.build()
        impact = impact_of(targets.symbols, targets.prices, market, costs, settings.execution.impact)
        targets, cut = within_volume(targets, impact, settings.execution.participation)
    with stages.take("risk"):
        limits = () if settings.limits is None else read_limits(settings.limits)
        seen = view(targets, market, model, half_spread_bps=settings.costs.half_spread_bps)
        targets, reduced = within_limits(targets, seen, limits)
        risk = risk_report(targets, seen, limits)
    with stages.take("regimes"):
        regimes = _regimes(market) if settings.regimes else {}
    with stages.take("schedule"):
        exchange = settings.exchange or DEFAULT_EXCHANGE
        orders = orders_of(targets, impact, np.datetime64(market.day), settings.execution, costs, exchange)
    with stages.take("book"):
        found = Day(
            settings=settings,
            market=market,
            earlier=earlier,
            gate=gate,
            positions=positions,
            start=start,
            learned={} if learned is None else learned.record,
            model=model,
            decision=decision,
            targets=targets,
            orders=orders,
            risk=risk,
            regimes=regimes,
            notes=(*positions.notes, *_told(learned, decision), *taxed, *cut, *reduced, *orders.notes),
        )
        book = found.book()
    return Rebalanced(book, market.version, gate, stages.seconds, found.notes)


class _Stages:
    """Takes the time of stages, and keeps them to a number of threads, on which the last bits of sums depend."""

    def __init__(self, progress: Callable[[str], None], threads: int) -> None:
        self.seconds: dict[str, float] = {}
        self._progress, self._threads, self._pools = progress, threads, ThreadpoolController()

    @contextmanager
    def take(self, name: str) -> Iterator[None]:
        """A stage."""
        with self._pools.limit(limits=self._threads):
            self._progress(name)
            begun = time.monotonic()
            yield
            self.seconds[name] = time.monotonic() - begun


def _last_day(settings: RebalanceSettings) -> date:
    reports = MarketStore(settings.data.store).quality_reports()
    return max(date.fromisoformat(report.last) for report in reports)


def _gated(settings: RebalanceSettings, market: DayMarket, earlier: Book | None) -> GateReport:
    """What the gate found on a day that may be acted on; raises where it is none."""
    gate = examine_day(market.panel, market.quality, settings.gate)
    if gate.reasons:
        raise GateError(f"{market.day} stops at the quality gate: {'; '.join(gate.reasons)}.")
    # Orders of the last book fill on days of which there is no book: these must be good, too.
    for missed in missed_days(market, earlier):
        panel = market.panel.between(market.panel.dates[0], missed)
        if reasons := examine_day(panel, None, settings.gate).reasons:
            raise GateError(
                f"{market.day} stops at the quality gate, as {missed}, which the last book's orders or positions "
                f"go through, is not good: {'; '.join(reasons)}. Append that day's bars again as they should be."
            )
    return gate


def _learned(settings: RebalanceSettings, market: DayMarket, earlier: Book | None, stages: _Stages) -> "Learned | None":
    """Which network scores the day, where one goes on learning."""
    if settings.training is None:
        return None
    # torch takes seconds to import, and most rebalances need none.
    from quantray.daily.learning import learn  # noqa: PLC0415

    with stages.take("train"):
        return learn(settings, settings.training, market, earlier)


def _checkpoint(settings: RebalanceSettings) -> Path | None:
    return None if settings.checkpoint is None else Path(settings.checkpoint)


def _told(learned: "Learned | None", decision: Decision | None) -> tuple[str, ...]:
    """What the training and the decision say of themselves."""
    trained = () if learned is None or not learned.note else (learned.note,)
    return (*trained, *(() if decision is None else decision.notes))


def _wanted(market: DayMarket, decision: Decision | None) -> dict[str, float] | None:
    if decision is None:
        return None
    held = np.flatnonzero(decision.weights)
    return dict(zip(market.panel.assets[held].tolist(), decision.weights[held].tolist(), strict=True))


def _regimes(market: DayMarket) -> dict[str, Any]:
    lenses = five_lenses(market.panel, market.sectors or None)
    return {lens: {"label": str(labels[-1])} for lens, labels in lenses.labels.items()}
