"""The sweep's units of work: parameter sets played through a panel, and plans that change sets on the way."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa

from quantray.arrays import Float, Int
from quantray.backtest.net import NetReturns, net_of_costs
from quantray.backtest.positions import Positions, execution_returns
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.features.returns import DELIST_RETURN
from quantray.research.executor import Executor
from quantray.research.provenance import Origin, notes_of, unit_key
from quantray.research.results import Layout, ResultStore
from quantray.research.source import classes_of, name_of
from quantray.research.units import Bundle, Completed, Unit, Workplace, complete
from quantray.strategies.rule import StrategyResult
from quantray.studies.evaluation.families import Family, TradingTerms
from quantray.studies.evaluation.search import Parameters

__all__ = [
    "Batch",
    "Chosen",
    "Evaluations",
    "Plan",
    "SweepData",
    "batch_keys",
    "plan_key",
    "read_kept",
    "run_batch",
    "run_plan",
]

Chosen = tuple[str, Parameters]
"""A family's name and one of its sets."""

_LIBRARIES = ("numpy", "scipy", "scikit-learn")


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


def read_kept(data: SweepData, key: str) -> tuple[NetReturns, Positions, Float]:
    """What a set earned and traded, its weights on the days kept, and (T,) what its options earned, costs included.

    Raises
    ------
    DataError
        There is no such result, or the data name no days to keep.
    """
    table = data.results.get(key, _layout(data, kept=bool(data.kept)))
    positions = Positions.from_table(table, len(data.panel.assets))
    return _net(table), positions, np.asarray(table["options"].to_numpy())


def batch_keys(data: SweepData, batch: Batch) -> tuple[str, ...]:
    """Hash of all that each set's numbers depend on."""
    family, origin = data.family(batch.family), _origin(data, _played, [batch.family])
    return tuple(_key(data, [family.identity(parameters)], origin) for parameters in batch.sets)


def plan_key(data: SweepData, plan: Plan) -> str:
    """Hash of all that the plan's numbers depend on; its name is not among them."""
    choices = [data.family(name).identity(parameters) for name, parameters in plan.choices]
    return _key(data, choices, _plan_origin(data, plan), np.asarray(plan.which, dtype=np.int64))


def run_batch(data: SweepData, batch: Batch) -> tuple[str, ...]:
    """Play the sets that have no result yet, write one result each, and return the keys of all."""
    keys = batch_keys(data, batch)
    layout = _layout(data, kept=bool(data.kept))
    missing = [(key, s) for key, s in zip(keys, batch.sets, strict=True) if not data.results.has(key, layout)]
    if missing:
        about = {"family": batch.family} | notes_of(_origin(data, _played, [batch.family]))
        played = _played(data, data.family(batch.family), [s for _, s in missing])
        for (key, parameters), table in zip(missing, played, strict=True):
            data.results.put(key, table, about | {"parameters": json.dumps(parameters)})
    return keys


def run_plan(data: SweepData, plan: Plan) -> str:
    """Play a plan, with the trades that changing from one set to another takes, write it and return its key.

    Raises
    ------
    InputError
        The plan is not for the panel's days or names a choice that it does not have.
    """
    key = plan_key(data, plan)
    if not data.results.has(key, _layout(data)):
        data.results.put(key, _replayed(data, plan), {"plan": plan.name} | notes_of(_plan_origin(data, plan)))
    return key


def _replayed(data: SweepData, plan: Plan) -> pa.Table:
    """What a plan earns.

    Options of the deciding set earn. A change pays half of the spread on those of the old set and on those of the new
    one; within a family long and short values on one underlying meet, as if the options were the same.
    """
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
    return _table(net_of_costs(StrategyResult(weights, overlay), panel, costs=terms.costs, lag=terms.lag))


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
        self._data, self._place, self._batch = data, Workplace(executor, data), batch
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
            As ``units.complete``.
        """
        fresh: dict[Chosen, Unit[Chosen]] = {}
        layout = _layout(self._data, kept=bool(self._data.kept))
        for name, parameters in wanted:
            if (name, parameters) not in self._known:
                (key,) = batch_keys(self._data, Batch(name, (parameters,)))
                fresh[name, parameters] = Unit(
                    key, (name, parameters), _origin(self._data, _played, [name]), layout, name
                )
        self._count(complete(self._place, run_batch, list(fresh.values()), label="strategies", bundle=self._batches))
        for chosen, unit in fresh.items():
            self._known[chosen] = _net(self._data.results.get(unit.key, layout)).returns

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
        net, positions, _ = read_kept(self._data, self.key(chosen))
        return net, positions

    def key(self, chosen: Chosen) -> str:
        """Under which a set's result is kept."""
        return batch_keys(self._data, Batch(chosen[0], (chosen[1],)))[0]

    def play(self, plans: Sequence[Plan]) -> list[NetReturns]:
        """What each plan earns.

        Raises
        ------
        DataError
            As ``units.complete``.
        """
        layout = _layout(self._data)
        units = [Unit(plan_key(self._data, plan), plan, _plan_origin(self._data, plan), layout) for plan in plans]
        done = complete(self._place, run_plan, units, label="replays")
        self._count(done)
        return [_net(self._data.results.get(key, layout)) for key in done.keys]

    def _count(self, done: Completed) -> None:
        self.n_computed += done.n_computed
        self.n_reused += done.n_reused

    def _batches(self, missing: Sequence[Unit[Chosen]]) -> list[Bundle[Chosen]]:
        groups: dict[tuple[str, str], list[Unit[Chosen]]] = {}
        for unit in missing:
            name, parameters = unit.item
            groups.setdefault((name, repr(self._data.family(name).group(parameters))), []).append(unit)
        # Small groups of one family travel together: a unit should be worth its journey.
        families: dict[str, list[Unit[Chosen]]] = {}
        for (name, _), units in groups.items():
            families.setdefault(name, []).extend(units)
        size, bundles = self._batch, []
        for name, units in families.items():
            for some in (tuple(units[i : i + size]) for i in range(0, len(units), size)):
                bundles.append(Bundle(Batch(name, tuple(unit.item[1] for unit in some)), some))
        return bundles


def _key(data: SweepData, strategies: list[str], origin: Origin, *which: Int) -> str:
    # Numerics are part of the origin: the same kernels give the same numbers, whoever asked for them.
    terms = {name: value for name, value in asdict(data.terms).items() if name != "numerics"}
    settings = {"strategies": strategies, "terms": terms} | ({"kept": data.kept} if data.kept else {})
    return unit_key([data.fingerprint, *which], settings, origin=origin)


def _origin(data: SweepData, work: Callable[..., object], families: Iterable[str]) -> Origin:
    """Strategies come with the data, so the classes of those that play are named."""
    classes = classes_of([data.family(name) for name in sorted(set(families))])
    return Origin((name_of(work), *sorted(classes)), _LIBRARIES, numerics=data.terms.numerics)


def _plan_origin(data: SweepData, plan: Plan) -> Origin:
    return _origin(data, _replayed, [name for name, _ in plan.choices])


def _played(data: SweepData, family: Family, sets: Sequence[Parameters]) -> Iterator[pa.Table]:
    """What each set earns and, where days are to be kept, holds on them."""
    panel, terms = data.panel, data.terms
    if not data.kept:
        yield from (_table(net) for net in family.evaluate(panel, sets, terms))
        return
    moved = execution_returns(panel.field("close"), data.kept, terms.lag, panel.fields.get(DELIST_RETURN))
    for result in family.targets(panel, sets, terms):
        net = net_of_costs(result, panel, costs=terms.costs, lag=terms.lag)
        held = Positions.of(result.weights, moved, data.kept).columns_of_table()
        yield _table(net, {"options": pa.array(result.overlay_returns)} | held)


def _table(net: NetReturns, held: Mapping[str, pa.Array] | None = None) -> pa.Table:
    return pa.table({**vars(net), **(held or {})})


def _layout(data: SweepData, *, kept: bool = False) -> Layout:
    """A row a day of what was earned and, where days are kept, of what was held."""
    columns = [(name, pa.float64()) for name in ("returns", "turnover", "costs")]
    held = [("options", pa.float64()), ("assets", pa.list_(pa.int32()))]
    held += [(name, pa.list_(pa.float64())) for name in ("before", "after")]
    return Layout(pa.schema([*columns, *(held if kept else ())]), len(data.panel.dates))


def _net(table: pa.Table) -> NetReturns:
    return NetReturns(*(table[column].to_numpy() for column in ("returns", "turnover", "costs")))
