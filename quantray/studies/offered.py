"""What settings may name: quantray's own, sort by sort, and what installed packages register."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import get_args

from quantray.backtest.costs import LinearCosts
from quantray.covariance.estimators import ESTIMATORS
from quantray.data.universe import PRESETS, Everything, MembershipFile, RankBand, Symbols
from quantray.data.vendors.formats import formats, prices_of
from quantray.errors import InputError
from quantray.execution.impact import LawName
from quantray.features.catalogue import FEATURES
from quantray.inputs import imported
from quantray.own import is_fitted, own_thing, registered
from quantray.research.terms import CostSettings, ImpactSettings
from quantray.settings import nearest
from quantray.strategies.catalogue import CATALOGUE

__all__ = ["OFFERED", "Offer", "offers"]


@dataclass(frozen=True)
class Offer:
    """One name that settings may say."""

    name: str
    origin: str
    """``quantray``, or the distribution and import path of what is registered."""
    parameters: str
    """Settings that it takes, or parameters with what they are by default."""
    about: str
    """Its one line."""


_ALLOCATORS: Mapping[str, tuple[str, str]] = {
    "equal_weight": ("naive:equal_weights", ""),
    "inverse_volatility": ("naive:inverse_volatility_weights", "estimator"),
    "hrp": ("hrp:hrp_weights", "estimator, distance, linkage"),
    "hrp_large": ("hrp_large:hrp_large_weights", "distance"),
    "herc": ("hierarchy:herc_weights", "estimator"),
    "nco": ("hierarchy:nco_weights", "estimator"),
    "risk_parity": ("risk_parity:risk_parity_weights", "estimator"),
    "maximum_diversification": ("diversification:maximum_diversification_weights", "estimator"),
    "minimum_variance": ("diversification:minimum_variance_weights", "estimator, max_weight"),
    "minimum_cvar": ("tail:minimum_cvar", "max_weight"),
    "mean_variance": ("mean_variance:MeanVariance", "alpha, max_weight"),
    "max_sharpe": ("frontier:maximum_sharpe", "alpha, max_weight"),
    "multi_period": ("multi_period:multi_period", "alpha, max_weight"),
}
"""Rule -> what of ``portfolio`` it is, and the settings of an allocator that it reads."""


_FORECASTERS: Mapping[str, tuple[str, str]] = {
    "network": ("learned:NetworkForecaster", "attention, width, layers, heads, dropout, graph, training"),
    "ridge": ("linear:Ridge", ""),
    "elastic_net": ("linear:ElasticNet", "parameters"),
    "hist_gradient_boosting": ("regression:hist_gradient_boosting", "parameters"),
    "lightgbm": ("regression:lightgbm", "parameters"),
}
"""Kind -> what of ``models`` it is, and the settings of a model that it reads."""
_FORECASTS_BY_RULE: Mapping[str, str] = {
    "reversal": "Minus the last day's return.",
    "reversal_gap": "The mean of minus the last day's return and the gap of the 30-day mean over the close.",
    "zero": "No forecast.",
}


def offers(what: str) -> tuple[Offer, ...]:
    """What settings may name of a sort, quantray's first.

    Parameters
    ----------
    what : one of ``OFFERED``.

    Raises
    ------
    InputError
        There is no such sort, or two packages register the same name.
    """
    if what not in OFFERED:
        raise InputError(f"{what!r} cannot be listed;{nearest(what, list(OFFERED))} choose {' or '.join(OFFERED)}.")
    return (*OFFERED[what](), *(_registered(name, what) for name in sorted(registered(what))))


def _allocators() -> list[Offer]:
    return [
        Offer(name, "quantray", settings, _line(imported(f"quantray.portfolio.{path}", "rule")))
        for name, (path, settings) in _ALLOCATORS.items()
    ]


def _estimators() -> list[Offer]:
    known = [Offer(name, "quantray", "", _line(function)) for name, function in ESTIMATORS.items()]
    factors = imported("quantray.covariance.factor:statistical_factors", "estimator")
    return [*known, Offer("statistical", "quantray", "n_factors", _line(factors))]


def _strategies() -> list[Offer]:
    return [
        Offer(name, "quantray", ", ".join(entry.parameters), _line(type(entry.strategy)))
        for name, entry in CATALOGUE.items()
    ]


def _features() -> list[Offer]:
    return [
        Offer(name, "quantray", "", f"{feature.description[0].upper()}{feature.description[1:]}.")
        for name, feature in FEATURES.items()
    ]


def _formats() -> list[Offer]:
    return [
        Offer(
            each.name,
            "quantray",
            "",
            f"{each.description.rstrip('.') or 'Plain files'}; prices {prices_of(each.adjusted)}.",
        )
        for each in formats()
    ]


def _universes() -> list[Offer]:
    ways = [
        Offer(name, "quantray", setting, _line(kind))
        for name, setting, kind in (
            ("everything", "", Everything),
            ("band", "band, review, buffer", RankBand),
            ("members", "members", MembershipFile),
            ("symbols", "symbols", Symbols),
        )
    ]
    presets = [
        Offer(f"preset: {name}", "quantray", "review, buffer", f"Ranks {band.first} to {band.last} by dollar volume.")
        for name, band in PRESETS.items()
    ]
    return [*ways, *presets]


def _costs() -> list[Offer]:
    taken = ", ".join(name for name in ImpactSettings.model_fields if name != "model")
    impact = [
        Offer(f"impact: {law}", "quantray", taken, _line(imported(f"quantray.execution.impact:{law}_impact", "costs")))
        for law in get_args(LawName)
    ]
    return [Offer("spread", "quantray", ", ".join(CostSettings.model_fields), _line(LinearCosts)), *impact]


def _forecasters() -> list[Offer]:
    fitted = [
        Offer(name, "quantray", settings, _line(imported(f"quantray.models.{path}", "forecaster")))
        for name, (path, settings) in _FORECASTERS.items()
    ]
    return [*fitted, *(Offer(name, "quantray", "", about) for name, about in _FORECASTS_BY_RULE.items())]


OFFERED: Mapping[str, Callable[[], list[Offer]]] = {
    "allocators": _allocators,
    "estimators": _estimators,
    "strategies": _strategies,
    "features": _features,
    "formats": _formats,
    "costs": _costs,
    "forecasters": _forecasters,
    "universes": _universes,
}
"""What can be listed."""


def _registered(name: str, group: str) -> Offer:
    point = registered(group)[name]
    where = point.value if point.dist is None else f"{point.dist.name} {point.dist.version}, {point.value}"
    try:
        thing = own_thing(name, group)
    except InputError as error:
        return Offer(name, where, "", str(error))
    return Offer(name, where, _parameters(thing, 2 if group == "costs" else 1), _line(thing))


def _parameters(thing: Callable[..., object], given: int) -> str:
    try:
        taken = list(inspect.signature(thing).parameters.values())
    except (TypeError, ValueError):
        return ""
    taken = taken if is_fitted(thing) else taken[given:]
    return ", ".join(f"{p.name}" if p.default is p.empty else f"{p.name}={p.default!r}" for p in taken)


def _line(thing: object) -> str:
    """The first line of a docstring."""
    told = inspect.getdoc(thing.func if isinstance(thing, partial) else thing) or ""
    return next(iter(told.splitlines()), "")
