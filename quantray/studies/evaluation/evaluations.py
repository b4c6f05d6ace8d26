"""The sweep's units of work: parameter sets played through a panel, and plans that change sets on the way."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version

import numpy as np
import pyarrow as pa

from quantray.arrays import Float, Int, digest
from quantray.backtest.net import NetReturns, net_of_costs
from quantray.backtest.positions import Positions, execution_returns
from quantray.data.panel import Panel
from quantray.errors import DataError, InputError
from quantray.features.returns import DELIST_RETURN
from quantray.research.executor import Executor, Shared
from quantray.research.progress import follow
from quantray.research.results import ResultStore
from quantray.strategies.rule import StrategyResult
from quantray.studies.evaluation.families import Family, TradingTerms
from quantray.studies.evaluation.search import Parameters

__all__ = ["Batch", "Chosen", "Evaluations", "Plan", "SweepData", "batch_keys", "plan_key", "run_batch", "run_plan"]

Chosen = tuple[str, Parameters]
"""A family's name and one of its sets."""

_VERSIONS = {name: version(name) for name in ("numpy", "scipy", "scikit-learn")}
"""Libraries whose releases may change results in the last digits; keys name them, so results never mix."""

_GENERATION = 2
"""Raise this when a change here, in ``backtest`` or in ``strategies`` changes numbers or what is kept."""

_PLANS = 2
"""Raise this when a change alters the numbers of plans only."""


@dataclass(frozen=True, eq=False)
class SweepData:
    """What every unit of a sweep shares."""

    panel: Panel
    fingerprint: str
    """Of the panel."""
    families: tuple[Family, ...]
    terms: TradingTerms
    results: ResultStore
    kept: tuple[int, ...] = ()
    """Rows of days, rising, whose weights are kept beside each set's returns; none by default."""

    def family(self, name: str) -> Family:
        """The family of a name."""
        return next(family for family in self.families if family.name == name)


@dataclass(frozen=True)
class Batch:
    """Sets of one family that one unit plays through the whole panel.

    A strategy decides on day t from the days up to t. So one pass over all days serves every fold: a fold reads its
    own rows, and nothing is played again for the next.
    """

    family: str
    sets: tuple[Parameters, ...]


@dataclass(frozen=True, eq=False)
class Plan:
    """Which set decides on which day.

    Parameters
    ----------
    choices : C families and sets.
    which : (T,) index into the choices of the set that decides at the close of each day; -1 holds nothing.
    """

    name: str
    choices: tuple[Chosen, ...]
    which: Int


def batch_keys(data: SweepData, batch: Batch) -> tuple[str, ...]:
    """Hash of all that each set's numbers depend on."""
    family = data.family(batch.family)
    return tuple(_key(data, [family.identity(parameters)]) for parameters in batch.sets)


def plan_key(data: SweepData, plan: Plan) -> str:
    """Hash of all that the plan's numbers depend on; its name is not among them."""
    choices = [data.family(name).identity(parameters) for name, parameters in plan.choices]
    return digest([_key(data, choices), str(_PLANS), np.asarray(plan.which, dtype=np.int64)])


def run_batch(data: SweepData, batch: Batch) -> tuple[str, ...]:
    """Play the sets that have no result yet, write one result each, and return the keys of all."""
    keys = batch_keys(data, batch)
    missing = [(key, s) for key, s in zip(keys, batch.sets, strict=True) if not data.results.has(key)]
    if missing:
        played = _played(data, data.family(batch.family), [s for _, s in missing])
        for (key, parameters), (net, positions) in zip(missing, played, strict=True):
            _put(data.results, key, net, {"family": batch.family, "parameters": json.dumps(parameters)}, positions)
    return keys


def run_plan(data: SweepData, plan: Plan) -> str:
    """Play a plan, with the trades that changing from one set to another takes, write it and return its key.

    Options of the deciding set earn. A change pays half of the spread on those of the old set and on those of the new
    one; within a family long and short values on one underlying meet, as if the options were the same.

    Raises
    ------
    InputError
        The plan is not for the panel's days or names a choice that it does not have.
    """
    key = plan_key(data, plan)
    if data.results.has(key):
        return key
    panel, terms, which = data.panel, data.terms, np.asarray(plan.which)
    if which.shape != panel.dates.shape or which.min() < -1 or which.max() >= len(plan.choices):
        raise InputError(f"plan {plan.name} is {which.shape} for {len(panel.dates)} days; give one choice or -1 a day.")
    weights, overlay = np.zeros(panel.shape), np.zeros(len(which))
    first = terms.lag + 1
    changes = np.flatnonzero(np.diff(which, prepend=-1)[: len(which) - first])
    options: dict[tuple[int, int], Float] = {}
    for name in dict.fromkeys(family for family, _ in plan.choices):
        family = data.family(name)
        mine = [i for i, (owner, _) in enumerate(plan.choices) if owner == name and (which == i).any()]
        mine.sort(key=lambda i: repr(family.group(plan.choices[i][1])))
        for i, result in zip(mine, family.targets(panel, [plan.choices[i][1] for i in mine], terms), strict=True):
            decides = which == i
            weights[decides] = result.weights[decides]
            overlay[first:] += np.where(decides[:-first], result.overlay_returns[first:], 0.0)
            if result.closing_costs is not None:
                mine_at = changes[decides[changes] | decides[np.maximum(changes - 1, 0)]].tolist()
                options |= {(i, t): result.closing_costs[t + terms.lag] for t in mine_at}
    for t in changes.tolist():
        # Charged on the first day of the new decision, as the trades of ``net_returns`` are.
        overlay[t + first] -= _changed(plan, options, t, int(which[t - 1]) if t else -1, int(which[t]))
    net = net_of_costs(StrategyResult(weights, overlay), panel, costs=terms.costs, lag=terms.lag)
    _put(data.results, key, net, {"plan": plan.name})
    return key


def _changed(plan: Plan, options: dict[tuple[int, int], Float], t: int, old: int, new: int) -> float:
    """Cost of leaving the options of one choice for those of another on day t, as a fraction of NAV."""
    sold, bought = options.get((old, t), np.zeros(1)), options.get((new, t), np.zeros(1))
    if min(old, new) >= 0 and plan.choices[old][0] == plan.choices[new][0]:
        return float(np.abs(bought - sold).sum())
    return float(np.abs(bought).sum() + np.abs(sold).sum())


class Evaluations:
    """What sets and plans earned: found in the store, or computed through an executor and kept there.

    Parameters
    ----------
    batch : sets in one unit of work.
    """

    def __init__(self, data: SweepData, executor: Executor, *, batch: int = 16) -> None:
        if batch < 1:
            raise InputError(f"batch {batch} must be at least one set.")
        self._data, self._executor, self._batch = data, executor, batch
        self._shared: Shared[SweepData] | None = None
        self._known: dict[Chosen, Float] = {}
        self.n_computed = 0
        """Sets and plans computed."""
        self.n_reused = 0
        """Sets and plans found from earlier runs."""

    def need(self, wanted: Iterable[Chosen]) -> None:
        """See that the returns of all these sets are known.

        Raises
        ------
        DataError
            A worker saw other library versions than this process.
        """
        fresh: dict[Chosen, str] = {}
        for name, parameters in wanted:
            if (name, parameters) not in self._known:
                fresh[name, parameters] = batch_keys(self._data, Batch(name, (parameters,)))[0]
        missing = [chosen for chosen, key in fresh.items() if not self._data.results.has(key)]
        batches = self._batches(missing)
        if batches:
            made = self._executor.map(run_batch, batches, shared=self._put())
            for batch, keys in zip(batches, follow(made, total=len(batches), label="strategies"), strict=True):
                _agree(keys, tuple(fresh[batch.family, parameters] for parameters in batch.sets))
        self._known |= {chosen: _read(self._data.results, key).returns for chosen, key in fresh.items()}
        self.n_computed += len(missing)
        self.n_reused += len(fresh) - len(missing)

    def returns(self, chosen: Chosen) -> Float:
        """(T,) net returns of a set that was needed before."""
        return self._known[chosen]

    def kept(self, chosen: Chosen) -> tuple[NetReturns, Positions]:
        """What a set that was needed before earned and traded, and its weights on the days kept.

        Raises
        ------
        DataError
            The data name no days to keep.
        """
        (key,) = batch_keys(self._data, Batch(chosen[0], (chosen[1],)))
        table = self._data.results.get(key)
        return _net(table), Positions.from_table(table)

    def play(self, plans: Sequence[Plan]) -> list[NetReturns]:
        """What each plan earns.

        Raises
        ------
        DataError
            A worker saw other library versions than this process.
        """
        keys = [plan_key(self._data, plan) for plan in plans]
        todo = {key: plan for key, plan in zip(keys, plans, strict=True) if not self._data.results.has(key)}
        if todo:
            made = self._executor.map(run_plan, list(todo.values()), shared=self._put())
            for expected, key in zip(todo, follow(made, total=len(todo), label="replays"), strict=True):
                _agree((key,), (expected,))
        self.n_computed += len(todo)
        self.n_reused += len(plans) - len(todo)
        return [_read(self._data.results, key) for key in keys]

    def _put(self) -> Shared[SweepData]:
        # Stored on first use: a run that finds everything needs no workers.
        if self._shared is None:
            self._shared = self._executor.put(self._data)
        return self._shared

    def _batches(self, missing: Sequence[Chosen]) -> list[Batch]:
        groups: dict[tuple[str, str], list[Parameters]] = {}
        for name, parameters in missing:
            groups.setdefault((name, repr(self._data.family(name).group(parameters))), []).append(parameters)
        # Small groups of one family travel together: a unit should be worth its journey.
        families: dict[str, list[Parameters]] = {}
        for (name, _), sets in groups.items():
            families.setdefault(name, []).extend(sets)
        size = self._batch
        return [
            Batch(name, tuple(sets[i : i + size])) for name, sets in families.items() for i in range(0, len(sets), size)
        ]


def _key(data: SweepData, strategies: list[str]) -> str:
    settings = {
        "strategies": strategies,
        "terms": asdict(data.terms),
        "versions": _VERSIONS | {"generation": _GENERATION},
    } | ({"kept": data.kept} if data.kept else {})
    return digest([data.fingerprint, json.dumps(settings, sort_keys=True)])


def _played(
    data: SweepData, family: Family, sets: Sequence[Parameters]
) -> Iterator[tuple[NetReturns, Positions | None]]:
    """What each set earns and, where days are to be kept, holds on them."""
    panel, terms = data.panel, data.terms
    if not data.kept:
        yield from ((net, None) for net in family.evaluate(panel, sets, terms))
        return
    moved = execution_returns(panel.field("close"), data.kept, terms.lag, panel.fields.get(DELIST_RETURN))
    for result in family.targets(panel, sets, terms):
        net = net_of_costs(result, panel, costs=terms.costs, lag=terms.lag)
        yield net, Positions.of(result.weights, moved, data.kept)


def _put(
    results: ResultStore, key: str, net: NetReturns, notes: dict[str, str], positions: Positions | None = None
) -> None:
    held = {} if positions is None else positions.columns_of_table()
    results.put(key, pa.table({**vars(net), **held}), notes)


def _read(results: ResultStore, key: str) -> NetReturns:
    return _net(results.get(key))


def _net(table: pa.Table) -> NetReturns:
    return NetReturns(*(table[column].to_numpy() for column in ("returns", "turnover", "costs")))


def _agree(keys: tuple[str, ...], expected: tuple[str, ...]) -> None:
    if keys != expected:
        raise DataError("a worker saw other library versions than the driver; use one environment.")
