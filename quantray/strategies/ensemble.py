"""The ensemble that knows the regime: five lenses choose the strategies and how boldly they act, and say why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from quantray.arrays import Bool, Dates, Float, Int, Names
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.strategies.catalogue import CATALOGUE
from quantray.strategies.regime_map import LABELS, LENSES, UNKNOWN, RegimeAdjustment, RegimeMap, read_map
from quantray.strategies.rolling import tradable
from quantray.strategies.rule import Adjustments, Controls, Rule, StrategyResult

__all__ = ["EnsembleDecisions", "Explanation", "RegimeAwareEnsemble", "Selection"]


def _catalogue() -> Mapping[str, Rule[Any]]:
    return {name: entry.strategy for name, entry in CATALOGUE.items()}


@dataclass(frozen=True, eq=False)
class Selection:
    """What the map says about one set of regimes."""

    regimes: Mapping[str, str]
    """Lens -> label."""
    rule: int | None
    """Position of the rule that decided; None for the default."""
    reason: str
    strategies: Mapping[str, float]
    """Name -> share of capital, before the adjustment of size."""
    adjustments: Mapping[str, RegimeAdjustment]
    """``lens label`` -> what it changes."""

    @property
    def total(self) -> RegimeAdjustment:
        """All adjustments together."""
        total = RegimeAdjustment()
        for adjustment in self.adjustments.values():
            total = total.then(adjustment)
        return total


@dataclass(frozen=True, eq=False)
class Explanation:
    """One day's decision."""

    date: np.datetime64
    selection: Selection
    controls: Mapping[str, Controls]
    """Strategy -> its stop and least signal after adjustment."""
    gross: float
    """Exposure of the weights decided."""
    notes: Mapping[str, tuple[str, ...]]
    """Strategy -> what stood in for data."""

    @property
    def text(self) -> str:
        """The decision in lines."""
        chosen = self.selection
        lines = [
            f"{self.date}: " + ", ".join(f"{lens} {label}" for lens, label in chosen.regimes.items()),
            f"Decided by {chosen.reason}.",
        ]
        for name, share in chosen.strategies.items():
            controls = self.controls[name]
            stop = "no stop" if controls.stop is None else f"stop {controls.stop:g} daily volatilities"
            least = f"least signal {controls.min_signal:g}" if controls.min_signal else "any signal"
            lines.append(f"  {name} {share:.0%}: {stop}, {least}")
            lines += [f"    {note}" for note in self.notes[name]]
        if not chosen.strategies:
            lines.append("  cash")
        changes = [f"{cause}: {adjustment.text}" for cause, adjustment in chosen.adjustments.items()]
        lines.append("Adjusted for " + "; ".join(changes) + "." if changes else "Nothing adjusted.")
        lines.append(f"Gross exposure {self.gross:.1%}.")
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class EnsembleDecisions:
    """What the ensemble decides on every day of a panel."""

    dates: Dates
    assets: Names
    weights: Float
    """(T, N) target weights of equities decided at each close."""
    overlay_returns: Float
    """(T,) returns on NAV of the strategies' options on each day."""
    names: Names
    """(S,) strategies of the map."""
    shares: Float
    """(T, S) capital of each, before the adjustment of size."""
    selections: tuple[Selection, ...]
    """One per set of regimes that occurred."""
    selection_of: Int
    """(T,) which of them held on each day."""
    strategies: Mapping[str, Rule[Any]]
    notes: Mapping[str, tuple[str, ...]]
    """Strategy -> what stood in for data."""

    def explain(self, t: object) -> Explanation:
        """The decision of a date, or of a row.

        Raises
        ------
        InputError
            The panel had no such date or row.
        """
        row = (
            int(t) if isinstance(t, int | np.integer) else int(np.searchsorted(self.dates, np.datetime64(str(t), "D")))
        )
        if not 0 <= row < len(self.dates) or (
            not isinstance(t, int | np.integer) and str(self.dates[row]) != str(t)[:10]
        ):
            raise InputError(f"{t} is no date or row of these decisions; they run {self.dates[0]} to {self.dates[-1]}.")
        selection = self.selections[self.selection_of[row]]
        total = selection.total
        controls = {}
        for name in selection.strategies:
            own = self.strategies[name].controls
            stop = None if own.stop is None else own.stop * total.stops
            controls[name] = Controls(
                stop=stop, min_signal=own.min_signal * total.min_signal, max_weight=own.max_weight
            )
        gross = float(np.abs(self.weights[row]).sum())
        return Explanation(self.dates[row], selection, controls, gross, {name: self.notes[name] for name in controls})


@dataclass(frozen=True, eq=False)
class RegimeAwareEnsemble:
    """Strategies chosen by the fingerprint of five lenses, sized and guarded as the regime demands.

    The map's first rule that the day's regimes meet says which strategies hold capital; its adjustments scale
    positions, widen stops, raise the least signal and slow trading. Stops and least signals act inside each strategy,
    day by day. Size and turnover act on the whole: with turnover ``f`` only the share ``f`` of the way from the former
    weights to the day's target is traded, switches of strategy included, save for assets that cannot be held any more;
    over a spell the total falls by less, as what lasts is caught up with.

    Parameters
    ----------
    regime_map : by default the one that ships with the package.
    strategies : name -> rule for every name in the map; by default those of the catalogue.

    Raises
    ------
    InputError
        The map names a strategy that is not given.
    """

    regime_map: RegimeMap = field(default_factory=read_map)
    strategies: Mapping[str, Rule[Any]] = field(default_factory=_catalogue)

    def __post_init__(self) -> None:
        unknown = [name for name in self.regime_map.strategies if name not in self.strategies]
        if unknown:
            raise InputError(f"the map names {', '.join(unknown)}, which is not among {', '.join(self.strategies)}.")

    def select(self, regimes: Mapping[str, str]) -> Selection:
        """What the map says about one set of regimes.

        Parameters
        ----------
        regimes : lens -> label, for all five lenses; ``unknown`` where a lens has not seen enough.

        Raises
        ------
        InputError
            A lens is missing or unknown, or shows a label that it does not have.
        """
        _check_lenses(regimes)
        current: dict[str, str] = {lens: str(regimes[lens]) for lens in LENSES}
        for lens in LENSES:
            label = current[lens]
            if label not in (*LABELS.get(lens, (label,)), UNKNOWN):
                raise InputError(f"{lens} shows {label!r}; its labels are {', '.join(LABELS[lens])} and {UNKNOWN}.")
        place = self.regime_map.rule_of(current)
        if place is None:
            reason, strategies = "the default, as no rule was met", self.regime_map.default
        else:
            rule = self.regime_map.rules[place]
            reason = f"rule {place + 1} ({rule.text})" + (f": {rule.because}" if rule.because else "")
            strategies = rule.strategies
        held = {name: share for name, share in strategies.items() if share > 0}
        return Selection(current, place, reason, held, self.regime_map.adjustments_of(current))

    def decide(self, panel: Panel, regimes: Mapping[str, Names], *, lag: int = 1) -> EnsembleDecisions:
        """Weights on every day of the panel; row t knows the close and the regimes of t.

        Parameters
        ----------
        regimes : lens -> (T,) labels, each known at its close.
        lag : trading days from a decision to its trades, for options.

        Returns
        -------
        EnsembleDecisions
            Gross exposure at most 1. Overlay returns scale with the capital their strategies had when decided; moving
            capital between strategies' options is not charged.

        Raises
        ------
        InputError
            As ``select``, or labels of another length than the panel.
        DataError
            The panel lacks what a strategy needs.
        """
        n_days = len(panel.dates)
        if n_days == 0:
            raise InputError("the panel has no dates to decide on; check the range that was loaded.")
        selections, selection_of = self._selections(regimes, n_days)
        totals = [selection.total for selection in selections]
        size = np.array([total.size for total in totals])[selection_of]
        turnover = np.array([total.turnover for total in totals])[selection_of]
        adjust = Adjustments(
            np.array([total.stops for total in totals])[selection_of],
            np.array([total.min_signal for total in totals])[selection_of],
        )
        names = self.regime_map.strategies
        shares = np.array([[s.strategies.get(name, 0.0) for name in names] for s in selections])[selection_of]
        capital = _approached(shares * size[:, None], turnover, np.ones(shares.shape, dtype=np.bool_))
        target, overlay = np.zeros(panel.shape), np.zeros(n_days)
        notes = {}
        for column, name in enumerate(names):
            if not shares[:, column].any():
                continue
            result: StrategyResult = self.strategies[name].run(panel, adjust=adjust, lag=lag)
            target += (shares[:, column] * size)[:, None] * result.weights
            # What options earn on a day was decided lag + 1 days before.
            overlay[lag + 1 :] += capital[: max(n_days - lag - 1, 0), column] * result.overlay_returns[lag + 1 :]
            notes[name] = result.notes
        return EnsembleDecisions(
            dates=panel.dates,
            assets=panel.assets,
            weights=_approached(target, turnover, tradable(panel)),
            overlay_returns=overlay,
            names=np.array(names),
            shares=shares,
            selections=selections,
            selection_of=selection_of,
            strategies=self.strategies,
            notes=notes,
        )

    def _selections(self, regimes: Mapping[str, Names], n_days: int) -> tuple[tuple[Selection, ...], Int]:
        _check_lenses(regimes)
        columns = []
        for lens in LENSES:
            labels = np.asarray(regimes[lens]).astype(np.str_)
            if labels.shape != (n_days,):
                raise InputError(f"{lens} has labels {labels.shape} for {n_days} dates; make them of the same panel.")
            columns.append(labels)
        fingerprints, selection_of = np.unique(np.column_stack(columns), axis=0, return_inverse=True)
        selections = tuple(self.select(dict(zip(LENSES, row.tolist(), strict=True))) for row in fingerprints)
        return selections, np.asarray(selection_of).reshape(-1)


def _check_lenses(regimes: Mapping[str, object]) -> None:
    missing = [lens for lens in LENSES if lens not in regimes]
    unknown = [lens for lens in regimes if lens not in LENSES]
    if missing or unknown:
        raise InputError(
            f"regimes lack {', '.join(missing) or 'nothing'} and hold the unknown {', '.join(unknown) or 'nothing'}; "
            f"give {', '.join(LENSES)}, with {UNKNOWN!r} where a lens does not know."
        )


def _approached(target: Float, turnover: Float, usable: Bool) -> Float:
    """Each day the share ``turnover`` of the way from the former row to the target; nothing where not usable."""
    if (turnover == 1).all():
        return np.where(usable, target, 0.0)
    out = np.zeros(target.shape)
    held = np.zeros(target.shape[1])
    for t, share in enumerate(turnover):
        held = np.where(usable[t], target[t] if share == 1 else held + share * (target[t] - held), 0.0)
        out[t] = held
    return out
