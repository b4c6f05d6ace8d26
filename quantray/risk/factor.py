"""Where the risk of a book comes from: factors, sectors, strategies, asset classes, currencies and names."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from quantray.arrays import Float, Names
from quantray.covariance.factor import FactorModel, RiskTree, risk_tree
from quantray.errors import InputError
from quantray.risk.holdings import Holdings
from quantray.risk.market import Market
from quantray.risk.sensitivities import Sensitivities, sensitivities

__all__ = ["GROUPS", "GroupRisk", "RiskBreakdown", "checked_model", "group_labels", "grouped", "risk_breakdown"]

GROUPS = ("sector", "strategy", "asset class", "currency")
"""Kinds of groups that a book is split into."""


@dataclass(frozen=True, eq=False)
class GroupRisk:
    """G groups of positions; fractions of NAV."""

    names: tuple[str, ...]
    """G, in alphabetical order; empty for positions without a label."""
    net: Float
    """(G,) exposure as money, see ``Sensitivities.notional``."""
    gross: Float
    """(G,) of it, shorts counted as longs."""
    risk: Float
    """(G,) parts of the volatility, which sum to it; negative where a group hedges the others."""


@dataclass(frozen=True, eq=False)
class RiskBreakdown:
    """The volatility of a book over one period of the model, or of what it is apart from a benchmark."""

    volatility: float
    tree: RiskTree
    """By factor and group of factors; its assets are the drivers of the market."""
    by_name: GroupRisk
    """Every position, and of a benchmark those too."""
    groups: Mapping[str, GroupRisk]
    """Kind of ``GROUPS`` -> its groups."""


def risk_breakdown(
    holdings: Holdings,
    market: Market,
    model: FactorModel,
    *,
    benchmark: Holdings | None = None,
    seen: Sensitivities | None = None,
) -> RiskBreakdown:
    """Split the volatility of a book, to first order, among all that it can be split among.

    Parameters
    ----------
    model : of the market's drivers, in their order.
    benchmark : to split what the book is apart from it, active risk; each is a fraction of its own NAV.
    seen : ``sensitivities(holdings, market)``, where they are known already.

    Raises
    ------
    InputError
        As ``sensitivities.sensitivities``, or the model is not of the market's drivers.

    Source: as ``covariance.factor.risk_tree``.
    """
    checked_model(model, market)
    seen = sensitivities(holdings, market) if seen is None else seen
    sides = [(1.0, holdings, seen)]
    if benchmark is not None:
        sides.append((-1.0, benchmark, sensitivities(benchmark, market)))
    tree = risk_tree(model, np.sum([sign * each.exposure for sign, _, each in sides], axis=0))
    risk = np.concatenate([sign * each.by_position(tree.marginal) for sign, _, each in sides])
    net = np.concatenate([sign * each.notional for sign, _, each in sides])
    labels = [group_labels(book, market) for _, book, _ in sides]
    names = np.concatenate([book.names for _, book, _ in sides])
    return RiskBreakdown(
        tree.volatility,
        tree,
        _group_risk(names, net, risk),
        {kind: _group_risk(np.concatenate([each[kind] for each in labels]), net, risk) for kind in GROUPS},
    )


def group_labels(holdings: Holdings, market: Market) -> dict[str, Names]:
    """Kind of ``GROUPS`` -> (N,) labels; sectors are those of the positions' own drivers.

    Raises
    ------
    InputError
        The market lacks a driver.
    """
    own = market.find(holdings.drivers, "holdings", holdings.names)
    currency = np.where(holdings.currency == "", market.base_currency, holdings.currency)
    each = (market.sectors[own], holdings.strategy, holdings.asset_class, currency)
    return dict(zip(GROUPS, each, strict=True))


def grouped(labels: Names, *amounts: Float) -> tuple[tuple[str, ...], tuple[Float, ...]]:
    """The labels in alphabetical order, and the sum of each of some (N,) amounts by label."""
    listed = labels.tolist()
    names = sorted(set(listed))
    at = {name: i for i, name in enumerate(names)}
    places = np.fromiter((at[label] for label in listed), dtype=np.int64, count=len(listed))
    return tuple(names), tuple(np.asarray(np.bincount(places, each, len(names)), np.float64) for each in amounts)


def checked_model(model: FactorModel, market: Market) -> None:
    """Raise an ``InputError`` if a model is not of the market's drivers."""
    if model.n_assets != market.n_drivers:
        raise InputError(
            f"the risk model is of {model.n_assets} assets, the market has {market.n_drivers} drivers; fit it to their "
            "changes, in their order."
        )


def _group_risk(labels: Names, net: Float, risk: Float) -> GroupRisk:
    names, (total, gross, part) = grouped(labels, net, np.abs(net), risk)
    return GroupRisk(names, total, gross, part)
