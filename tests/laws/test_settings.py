"""Every setting of every kind does something: another value is another unit of work, or another digest.

What changes no number stands on a list, and there the numbers are shown to be equal.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel, ValidationError

from quantray.errors import QuantrayError
from quantray.research.executor import Serial
from quantray.settings import read_settings
from quantray.studies.kinds import find_kind
from quantray.studies.sweep.settings import RegimeChoice

pytestmark = pytest.mark.slow

EVERYWHERE = {
    "name",
    "runs",
    "exchange",
    "cluster.kind",
    "cluster.cpus",
    "cluster.gpus_per_task",
    "cluster.object_store_mb",
}
EVERYWHERE |= {"cluster.auth", "cluster.address", "tracking.mlflow", "tracking.uri", "tracking.experiment"}
"""Where a study runs, what is told of it, and whose calendar the data must keep, which is that of the data."""
INTERVALS = {"resampling.samples", "resampling.confidence", "resampling.seed"}
"""How sure numbers are said to be; in no digest, for it changes no stream and no forecast."""
IDLE: dict[str, set[str]] = {
    "portfolios": EVERYWHERE
    | INTERVALS
    | {
        # Which of them the others are held against, and how the report colours them.
        "benchmark", "risk_free", "data.sectors",
        # Of labels, and of borders that a fold without labels does not have.
        "folds.horizon", "folds.purge", "folds.embargo",
    },
    "capacity": EVERYWHERE
    | INTERVALS
    | {"benchmark", "data.sectors", "folds.purge", "folds.embargo"},
    "forecasts": EVERYWHERE | INTERVALS | {"forecasts", "models.0.reference"},
    "sweep": EVERYWHERE
    | INTERVALS
    | {
        "blocks", "sets_per_unit",
        # Named by the lens, and no part of its regimes.
        "regimes.lenses.leaders",
    },
    "combination": EVERYWHERE | INTERVALS | {"sets_per_unit"},
    # Which days the report speaks of.
    "regimes": EVERYWHERE | INTERVALS | {"episodes"},
    "institutional": EVERYWHERE | INTERVALS | {"sets_per_unit", "data.sectors"},
}  # fmt: skip
"""Kind -> settings that change no number."""
BAND = {"data.universe.band": [1, 15]}
HRP = {"allocators.0.rule": "hrp"}
FACTORS = {"allocators.0.estimator": "statistical"}
FORECASTS = {"rule": "mean_variance", "alpha": {"forecasts": {"control": "reversal"}, "risk_aversion": 5}}
NEIGHBOURS = {"models.0.attention": "neighbours"}
LENSES: dict[str, tuple[str, Any]] = {
    "market_by": ("market", "trend"),
    "weighting": ("correlation", "traded"),
    "market_costs": ("market", [1.0, 1.0, 1.0]),
    "market_widths": ("market", [0.5, 1.0, 1.3, 1.6]),
    "market_drifts": ("market", [-3.0, 1.0, -3.0, -3.0]),
    "drift_days": ("market", 20.0),
    "bear_sharpe": ("market", 0.5),
    "bull_sharpe": ("market", 3.0),
    "volatility_costs": ("volatility", [1.0, 1.0, 5.0, 5.0]),
    "volatility_levels": ("volatility", [0.6, 1.0, 1.2, 1.4]),
    "liquidity_costs": ("liquidity", [1.0, 30.0]),
    "impact_levels": ("liquidity", [0.95, 1.0, 1.05, 1.1]),
    "correlation_costs": ("correlation", [1.0, 1.0]),
    "crisis_multiple": ("correlation", 1.05),
    "sector_costs": ("sector", [1.0, 30.0]),
    "sector_levels": ("sector", [0.9, 1.0, 1.1, 1.2]),
    "spells": ("volatility", [5.0, 5.0, 5.0, 5.0]),
    "hysteresis": ("volatility", 0.9),
    "leaders": ("sector", 2),
    "memory": ("volatility", 61),
    "every": ("volatility", 200),
    "warmup": ("volatility", 110),
}
"""Setting of the lenses -> the lens that it changes, and another value."""
TREND: dict[str, Any] = {"trend_days": 60, "trend_band": 0.0, "bear_drawdown": 0.0}
"""Settings of the market lens where it goes by trend, with other values."""
QUICK: dict[str, Any] = {"warmup": 60, "memory": 400, "every": 30}
QUICK |= {"market_costs": [6.0, 6.0, 1.0], "correlation_costs": [1.0, 10.0]}
COMPANY: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "cluster.cpus_per_task": ({}, {"cluster.cpus_per_task": 2.0}),
    "cluster.object_store_mb": ({}, {"cluster.object_store_mb": 200}),
    "exchange": ({}, {"exchange": "XNYS"}),
    "data.version": ({}, {"data.version": 0}),
    "data.universe.preset": ({}, {"data.universe.preset": "sp500-like"}),
    "data.universe.band": ({}, BAND),
    "data.universe.rule": ({}, {"data.universe.rule": "own_universes:risen"}),
    "data.universe.review": (BAND, {"data.universe.review": "weekly"}),
    "data.universe.buffer": (BAND, {"data.universe.buffer": 1.0}),
    "data.universe.members": ({}, {"data.universe.members": "MEMBERS"}),
    "data.store": ({}, {"data.store": "OTHER"}),
    "data.sectors": ({}, {"data.sectors": "SECTORS"}),
    "data.universe.symbols": ({}, {"data.universe.symbols": [f"S{i:02d}" for i in range(20)]}),
    "data.only_with_sector": ({"data.sectors": "SECTORS"}, {"data.only_with_sector": True}),
    "portfolios allocators.0.rule": ({}, {"allocators.0.rule": "inverse_volatility"}),
    "portfolios allocators.0.estimator": ({}, {"allocators.0.estimator": "ewma"}),
    "portfolios allocators.0.n_factors": (FACTORS, {"allocators.0.n_factors": 2}),
    "portfolios allocators.0.max_weight": (FACTORS, {"allocators.0.max_weight": 0.1}),
    "portfolios allocators.0.distance": (HRP, {"allocators.0.distance": "correlation"}),
    "portfolios allocators.0.linkage": (HRP, {"allocators.0.linkage": "ward"}),
    "portfolios allocators.0.alpha": (
        FACTORS | {f"allocators.0.{name}": value for name, value in FORECASTS.items()},
        {"allocators.0.alpha.risk_aversion": 50},
    ),
    # Each of its own settings: tests/studies/portfolios/risk.
    "portfolios risk": ({}, {"risk": {"overlay": {"risk_budget": 0.5}}}),
    # Each of its own settings: tests/execution and tests/backtest.
    "portfolios costs.impact": ({}, {"costs.impact": {"aum": 1e9}}),
    "portfolios costs.model": ({}, {"costs.model": "own_costs:tiered"}),
    "portfolios benchmark": ({}, {"benchmark": "HRP"}),
    "portfolios min_volatility": ({}, {"min_volatility": 0.3}),
    "portfolios policy.kind": ({}, {"policy": {"kind": "threshold", "size": 0.2}}),
    "portfolios policy.size": ({"policy": {"kind": "partial", "size": 0.5}}, {"policy.size": 0.25}),
    "portfolios accounting.cash_rate": ({"policy": {"kind": "partial", "size": 0.5}}, {"accounting.cash_rate": 0.1}),
    "portfolios accounting.delisting_return": ({}, {"accounting.delisting_return": -0.3}),
    "capacity impact.participation": ({"execution_days": [1]}, {"impact.participation": 0.05}),
    "capacity rebalances": ({}, {"rebalances": ["weekly"]}),
    "forecasts features": ({}, {"features": [{"name": "gap", "feature": "own_features:gap", "lookback": 5}]}),
    "forecasts models.0.kind": ({}, {"models.0.kind": "ridge"}),
    "forecasts models.0.attention": ({}, {"models.0.attention": "none"}),
    "forecasts models.0.graph.kind": (NEIGHBOURS, {"models.0.graph.kind": "random"}),
    "forecasts models.0.graph.threshold": (NEIGHBOURS, {"models.0.graph.threshold": 0.2}),
    "forecasts models.0.training.stages": ({}, {"models.0.training.stages": ["encoder", "cross"]}),
    "forecasts models.0.reference": ({}, {"models.0.reference": True}),
    "sweep data.sectors": ({"regimes.method": "sector", "data.sectors": "SECTORS"}, {"data.sectors": "REVERSED"}),
    "sweep regimes.states": ({"regimes.method": "hmm"}, {"regimes.states": 2}),
    "sweep search.min_days": ({}, {"search.min_days": 140}),
    "sweep search.generation": ({"search.method": "tpe", "search.trials": 9}, {"search.generation": 3}),
    "combination data.sectors": ({"ensemble": True, "data.sectors": "SECTORS"}, {"data.sectors": "REVERSED"}),
    "combination strategies.0.entry": ({}, {"strategies.0.entry": "bollinger_20"}),
    "combination strategies.0.sets": (
        {},
        {"strategies.0.count": None, "strategies.0.sets": [{"fast": 7}, {"fast": 9}]},
    ),
    "combination drawdown.floor": ({"drawdown.start": 0.0, "drawdown.stop": 0.02}, {"drawdown.floor": 0.9}),
    "combination min_days": ({}, {"min_days": 90}),
    "regimes data.sectors": ({"methods": ["sector"], "data.sectors": "SECTORS"}, {"data.sectors": "REVERSED"}),
    "regimes timeframes": ({}, {"timeframes": ["1day"]}),
    "regimes episodes": ({}, {"episodes": [{"name": "x", "peak": "2024-03-01", "trough": "2024-05-01"}]}),
    "institutional strategies": ({}, {"strategies": ["momentum_10_50", "rsi_14"]}),
    "institutional aums": ({}, {"aums": [1.0e7]}),
    "institutional objectives.weights": ({}, {"objectives.weights": {"calmar": 1}}),
    "institutional regimes.timeframes": ({}, {"regimes.timeframes": ["1day", "1week"]}),
    "institutional parameters.methods": ({}, {"parameters.methods": ["grid"]}),
    "institutional regimes.methods": ({}, {"regimes.methods": ["hmm"]}),
    "institutional parameters.min_days": ({}, {"parameters.min_days": 20}),
    "institutional weights.methods": ({}, {"weights.methods": ["equal"]}),
    "institutional parameters.generation": ({}, {"parameters.generation": 3}),
    "institutional execution.rebalances": ({}, {"execution.rebalances": ["monthly"]}),
    "combination warm_up_days": ({}, {"warm_up_days": 150}),
}
COMPANY |= {
    f"sweep regimes.lenses.{name}": (
        {"regimes.method": lens, "data.sectors": "SECTORS"} | {f"regimes.lenses.{k}": v for k, v in QUICK.items()},
        {f"regimes.lenses.{name}": value},
    )
    for name, (lens, value) in LENSES.items()
}
COMPANY |= {
    f"combination lenses.{name}": (
        {"ensemble": True} | {f"lenses.{k}": v for k, v in QUICK.items()},
        {f"lenses.{name}": value},
    )
    for name, (_, value) in LENSES.items()
}
COMPANY |= {
    f"regimes lenses.{name}": ({}, {f"lenses.{name}": value})
    for name, value in (
        {name: value for name, (_, value) in LENSES.items()}
        | TREND
        | {"market_costs": [2, 1, 1], "correlation_costs": [1, 2], "spread_levels": [0.5, 1, 2, 4]}
    ).items()
}
COMPANY |= {
    place.replace("portfolios ", "capacity "): case
    for place, case in COMPANY.items()
    if place.startswith("portfolios ") and place not in ("portfolios risk", "portfolios costs.impact")
}
COMPANY |= {
    f"sweep regimes.lenses.{name}": (
        {"regimes.method": "market", "regimes.lenses.market_by": "trend", "regimes.lenses.trend_days": 40},
        {f"regimes.lenses.{name}": value},
    )
    for name, value in TREND.items()
}
COMPANY |= {
    f"combination lenses.{name}": ({"ensemble": True}, {f"lenses.{name}": value})
    for name, value in (TREND | {"spread_levels": [0.5, 1.0, 2.0, 4.0]}).items()
}
"""Setting, with its kind before it where there are several -> what must stand beside it, and another value of it."""
ELSEWHERE = {
    "allocators.0.parameters": "of rules of a user's own; see tests/studies/portfolios",
    "allocators.0.invested": "of rules of a user's own; see tests/studies/portfolios",
    "allocators.0.estimator_parameters": "of estimators of a user's own; see tests/studies/portfolios",
    "data.universe.parameters": "of a universe of a user's own; see tests/data",
    "data.universe.history_days": "of a universe of a user's own; see tests/research",
    "data.universe.fields": "of a universe of a user's own; see tests/research",
    "costs.parameters": "of a cost model of a user's own; see tests/studies/portfolios",
    "costs.trial_seconds": "changes no number; see tests/studies/portfolios",
    "allocators.0.trial_seconds": "changes no number; see tests/studies/portfolios",
    "models.0.parameters": "of forecasters that have some; see tests/studies/forecasts",
    "models.0.trial_seconds": "changes no number; see tests/studies/forecasts",
    "sweep regimes.dwell_days": "of methods that need more days than the market has; see tests/studies/sweep",
    "sweep regimes.lenses.spread_levels": "the market has no quotes; see tests/regimes",
    "sweep regimes.seed": "fits from all starts agree on so short a market; see tests/regimes",
    "regimes states": "of methods that need more days than the market has; see tests/studies/regimes",
    "regimes dwell_days": "of methods that need more days than the market has; see tests/studies/regimes",
    "regimes seed": "of methods that need more days than the market has; see tests/studies/regimes",
    "cluster.address": "needs a cluster; see tests/distributed",
    "forecasts models.0.device": "needs a GPU",
    "portfolios accounting.dividends": "the market pays none; see tests/backtest",
    "capacity accounting.dividends": "the market pays none; see tests/backtest",
    "capacity folds.horizon": "no other value is valid",
    "capacity impact.aum": "the study varies it",
    "capacity impact.days": "the study varies it",
    "institutional impact.aum": "the study varies it",
    "institutional impact.days": "the study varies it",
    "institutional impact.participation": "the study varies it",
}
"""Setting -> why no other value can be tried here."""


def leaves(model: BaseModel, path: str = "") -> dict[str, tuple[Any, Any]]:
    """Dotted name -> annotation and value, of all settings; of things in a list, those of the first."""
    found = {}
    for name, info in type(model).model_fields.items():
        value, here = getattr(model, name), f"{path}{name}"
        first = value[0] if isinstance(value, tuple) and value and isinstance(value[0], BaseModel) else value
        if isinstance(first, BaseModel):
            found |= leaves(first, f"{here}." if first is value else f"{here}.0.")
        elif is_dataclass(value):
            found |= {f"{here}.{part.name}": (part.type, getattr(value, part.name)) for part in fields(value)}
        else:
            found[here] = (info.annotation, value)
    return found


def others(annotation: Any, value: Any) -> list[Any]:
    """Values to try instead, the mildest first."""
    parts = [annotation, *get_args(annotation)]
    literals = [v for part in parts if str(get_origin(part)).endswith("Literal") for v in get_args(part)]
    literals = literals or ([*get_args(annotation)] if str(get_origin(annotation)).endswith("Literal") else [])
    if literals:
        return [v for v in literals if v != value]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1, value * 2, value // 2, value + 30]
    if isinstance(value, float):
        return [value * 1.5, value / 2, value + 0.25, value - 0.1, 0.5, 1.0]
    if isinstance(value, str):
        return [f"{value}x"]
    if isinstance(value, tuple):
        return [value[:-1], value + value[:1]] if value else [()]
    return [1, 2, 3, 0.5, "2024-12-20", "2023-05-15", "x", True]


@pytest.fixture(scope="module")
def places(tmp_path_factory, other_store):
    """What stands for a path -> the path."""
    folder = tmp_path_factory.mktemp("files")
    names = [f"S{i:02d}" for i in range(24)]
    rows = {"SECTORS": names[:20], "REVERSED": names[19::-1]}
    for name, listed in rows.items():
        lines = [f"{symbol},sector {i % 3 if name == 'SECTORS' else i // 10}" for i, symbol in enumerate(listed)]
        (folder / name).write_text("\n".join(["symbol,sector", *lines]))
    lines = [f"{symbol},2023-04-18," for symbol in names[:18]]
    (folder / "MEMBERS").write_text("\n".join(["symbol,start,end", *lines]))
    return {name: str(folder / name) for name in (*rows, "MEMBERS")} | {"OTHER": other_store}


def changed(content: dict[str, Any], changes: dict[str, Any], places: dict[str, str]) -> dict[str, Any]:
    """A copy of settings with values by dotted names."""
    content = copy.deepcopy(content)
    for name, value in changes.items():
        node: Any = content
        *path, last = name.split(".")
        for key in path:
            node = node[int(key)] if key.isdigit() else node.setdefault(key, {})
        if last.isdigit():
            last = int(last)
        node[last] = places.get(value, value) if isinstance(value, str) else value
    return content


class AskedError(Exception):
    """A unit is to be computed."""


class Asks(Serial):
    """Computes nothing: that a unit is asked for says that its key is new."""

    def map(self, fn, items, *, shared) -> Iterator[Any]:
        raise AskedError


def outcome(settings, executor=None):
    """The digest of a study's numbers."""
    kind = find_kind(settings.kind)
    return kind.run(kind.load(settings), executor or Serial(threads=settings.threads)).digest


@pytest.fixture(scope="module", autouse=True)
def fitted_once():
    """Most settings leave the regimes of a sweep as they are, and fitting them again takes half of its time."""
    build: Callable[..., Any] = RegimeChoice.build
    known: dict[tuple[str, ...], Any] = {}

    def built(choice, panel, sectors=None, **refit):
        if refit:
            return build(choice, panel, sectors, **refit)
        key = (choice.model_dump_json(), panel.fingerprint(), repr(sectors))
        if key not in known:
            known[key] = build(choice, panel, sectors)
        return known[key]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(RegimeChoice, "build", built)
        yield


@pytest.fixture(scope="module")
def bases(finished):
    """Kind -> the settings of its small study and the digest of what it found."""
    return {
        kind: (read_settings(find_kind(kind).settings, finished[kind].folder / "settings.yaml"), run.about.digest)
        for kind, run in finished.items()
    }


@pytest.mark.parametrize("kind", IDLE)
def test_every_setting_changes_a_key_or_a_number_or_is_declared_idle(kind, bases, places):
    base, digest = bases[kind]
    content, wrong, tried = base.model_dump(mode="json"), [], leaves(base)
    assert set(IDLE[kind]) <= set(tried)
    known: dict[str, str] = {}

    def differs(company, change):
        """Whether a change is seen beside some company; None where it is refused."""
        beside = changed(content, company, places)
        if str(company) not in known:
            known[str(company)] = outcome(type(base).model_validate(beside)) if company else digest
        try:
            settings = type(base).model_validate(changed(beside, change, places))
            return outcome(settings, None if name in IDLE[kind] else Asks()) != known[str(company)]
        except AskedError:
            return True
        except (ValidationError, QuantrayError):
            return None

    for name, (annotation, value) in tried.items():
        if name in ELSEWHERE or f"{kind} {name}" in ELSEWHERE or name in ("kind", "data.kind"):
            continue
        cases = [({}, {name: other}) for other in others(annotation, value) if other != value]
        cases = [COMPANY[place] for place in (f"{kind} {name}", name) if place in COMPANY] or cases
        seen = next((found for case in cases if (found := differs(*case)) is not None), None)
        if seen is None:
            wrong.append(f"{name}: no other value could be tried")
        elif seen == (name in IDLE[kind]):
            wrong.append(f"{name}: {'another' if seen else 'the same'} digest for {cases[0]}")
    assert wrong == [], "\n".join(wrong)
