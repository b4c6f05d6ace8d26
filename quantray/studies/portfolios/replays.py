"""From decisions to accounts: what an allocator decided, replayed as a unit of work whose result is kept."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from threadpoolctl import threadpool_limits

from quantray.analytics.track import TrackRecord
from quantray.arrays import digest
from quantray.backtest.accounts import Decisions, backtest
from quantray.data.panel import Panel
from quantray.own import own_path
from quantray.research.executor import Executor
from quantray.research.market import MarketData
from quantray.research.progress import follow
from quantray.research.provenance import Origin, notes_of, unit_key
from quantray.research.results import Layout, ResultStore
from quantray.research.source import name_of
from quantray.research.units import Completed, Unit, Workplace, complete
from quantray.settings import as_mapping
from quantray.studies.portfolios.alpha import alpha_decisions, forecast_store, read_forecasts
from quantray.studies.portfolios.kept_records import RECORDS, Replayed, read_replayed, write_replayed
from quantray.studies.portfolios.risk.overlay import RiskOverlay
from quantray.studies.portfolios.settings import PortfolioSettings
from quantray.studies.portfolios.trial import LIBRARIES, Trial, decisions_from, models_from, study_trials

__all__ = ["Replay", "ReplayData", "account", "are_units", "decisions_of", "replay_all", "replay_unit", "replayed_data"]


_FEW = 8
"""Portfolios without decisions of their own that are replayed in place."""


@dataclass(frozen=True, eq=False)
class Replay:
    """An allocator whose decisions are to be replayed."""

    key: str
    allocator: str
    settings: PortfolioSettings
    decisions: tuple[str, ...]
    """Keys of the results that hold them."""


@dataclass(frozen=True, eq=False)
class ReplayData:
    """What the replays of a study share."""

    data: MarketData
    """With what the costs need to know."""
    results: ResultStore
    overlay: RiskOverlay | None

    @classmethod
    def of(cls, settings: PortfolioSettings, data: MarketData, trial: Trial) -> "ReplayData":
        """Of a study with its data and any trial of it."""
        prepared = replace(data, panel=settings.costs.prepared(data.panel))
        risk, accounting = settings.risk, settings.accounting
        overlay = None
        if risk is not None and risk.overlay is not None:
            overlay = RiskOverlay(
                risk, prepared.panel, trial, data.sectors, accounting.initial_nav, accounting.execution_lag
            )
        return cls(prepared, settings.results, overlay)


def are_units(settings: PortfolioSettings) -> bool:
    """Whether replays are units of work whose accounts are kept, rather than done by the process that leads.

    They are where they decide, too, on forecasts or by an overlay. To keep plain accounts takes half as long again as
    to make them, so that those of few portfolios are made in place.
    """
    overlaid = settings.risk is not None and settings.risk.overlay is not None
    decides = overlaid or any(each.alpha is not None for each in settings.allocators)
    return len(settings.allocators) > (1 if decides else _FEW)


def replay_all(
    shared: ReplayData, settings: PortfolioSettings, keys: Mapping[str, Sequence[str]], executor: Executor
) -> tuple[list[Replayed], Completed]:
    """The accounts of all portfolios of a study, and how many were units of work.

    Parameters
    ----------
    keys : allocator -> keys of the results that hold its decisions.
    """
    if not are_units(settings):
        replays = [Replay("", name, settings, tuple(decisions)) for name, decisions in keys.items()]
        made = [_replayed(shared, each) for each in follow(replays, total=len(replays), label="backtests")]
        return made, Completed((), 0, 0)
    reads, told = replayed_data(settings, shared.data.panel), _overlay_told(shared)
    units = [
        replay_unit(settings, name, decisions, reads[name], _replayed, RECORDS, told=told)
        for name, decisions in keys.items()
    ]
    done = complete(Workplace(executor, shared), _run_replay, units, label="backtests")
    assets = shared.data.panel.assets
    return [read_replayed(shared.results, key, name, assets) for key, name in zip(done.keys, keys, strict=True)], done


def replayed_data(settings: PortfolioSettings, panel: Panel) -> dict[str, str]:
    """Allocator -> fingerprint of all that its replay reads besides decisions: the panel, and forecasts of a store."""
    bars, reads = panel.fingerprint(), {}
    for each in settings.allocators:
        reads[each.name] = bars
        if each.alpha is not None and (model := each.alpha.forecasts.model) is not None:
            # Not by their version: the store may have been made anew.
            chosen = each.alpha.forecasts
            found = forecast_store(chosen, settings.runs).load(model, version=chosen.version)
            reads[each.name] = digest([bars, found.dates, "\n".join(found.assets.tolist()), found.values])
    return reads


def replay_unit(
    settings: PortfolioSettings,
    allocator: str,
    decisions: Sequence[str],
    fingerprint: str,
    work: Callable[..., object],
    layout: Layout,
    *,
    told: Mapping[str, object] | None = None,
) -> Unit[Replay]:
    """A replay as a unit of work, under the key of what it is made of, whatever the allocator is called.

    Parameters
    ----------
    decisions : keys of the results that hold them.
    fingerprint : see ``replayed_data``.
    work : what makes the result.
    told : of the settings, what the result depends on besides decisions, costs and accounts.
    """
    chosen = next(each for each in settings.allocators if each.name == allocator)
    terms = {
        "allocator": chosen.model_dump(mode="json", exclude={"name", "trial_seconds"}),
        "costs": as_mapping(settings.costs),
        "accounting": as_mapping(settings.accounting),
        "policy": as_mapping(settings.policy),
        "decisions": list(decisions),
        "threads": settings.threads,
    }
    origin = _origin(settings, work)
    key = unit_key([fingerprint], terms | dict(told or {}), origin=origin)
    return Unit(key, Replay(key, allocator, settings, tuple(decisions)), origin, layout)


def decisions_of(
    settings: PortfolioSettings, panel: Panel, allocator: str, keys: Sequence[str]
) -> tuple[Decisions, str]:
    """What an allocator decided, from results that ``study.decide_all`` left under some keys, and what to say of it.

    Parameters
    ----------
    panel : with what the costs need to know.
    """
    group = study_trials(settings, panel)[allocator]
    alpha, results = group[0].allocator.alpha, settings.results
    if alpha is None:
        return decisions_from(results, list(keys), group, panel), ""
    forecasts = read_forecasts(alpha.forecasts, panel, group[0].split, settings.runs)
    # Sums in another order differ in the last bits, so that every process keeps to this number of threads.
    with threadpool_limits(limits=group[0].threads):
        made = alpha_decisions(
            panel,
            models_from(results, keys),
            forecasts,
            group[0].allocator,
            costs=settings.costs.build(),
            accounting=settings.accounting.build(),
        )
    return made.decisions, f"on forecasts of {alpha.forecasts}: {made.summary}"


def account(settings: PortfolioSettings, panel: Panel, decisions: Decisions, name: str) -> TrackRecord:
    """Decisions replayed with the costs and the accounting of a study.

    Parameters
    ----------
    panel : with what the costs need to know.
    """
    return backtest(
        panel,
        decisions,
        costs=settings.costs.build(),
        accounting=settings.accounting.build(),
        policy=settings.policy.build(),
        name=name,
    )


def _run_replay(shared: ReplayData, replay: Replay) -> str:
    if not shared.results.has(replay.key, RECORDS):
        made = _replayed(shared, replay)
        write_replayed(shared.results, replay.key, made, notes_of(_origin(replay.settings, _replayed)))
    return replay.key


def _replayed(shared: ReplayData, replay: Replay) -> Replayed:
    settings, panel, name = replay.settings, shared.data.panel, replay.allocator
    decisions, note = decisions_of(settings, panel, name, replay.decisions)
    records, use = [account(settings, panel, decisions, name)], None
    if shared.overlay is not None:
        overlaid, use = shared.overlay.apply(
            decisions, lambda some, called: account(settings, panel, some, called), name
        )
        records.append(overlaid)
    return Replayed(tuple(records), note, use)


def _origin(settings: PortfolioSettings, work: Callable[..., object]) -> Origin:
    """Of a replay by some function."""
    model = settings.costs.model
    own = () if model is None else (own_path(model, "costs") or model,)
    return Origin((name_of(work), *own), LIBRARIES, numerics=settings.numerics)


def _overlay_told(shared: ReplayData) -> dict[str, object]:
    """What of the settings an overlay depends on."""
    overlay = shared.overlay
    if overlay is None:
        return {}
    schedule = vars(overlay.trial.schedule) | {"expanding": overlay.trial.expanding}
    sectors = {name: overlay.sectors[name] for name in overlay.panel.assets.tolist() if name in overlay.sectors}
    return {"risk": as_mapping(overlay.settings), "schedule": schedule, "sectors": json.dumps(sectors, sort_keys=True)}
