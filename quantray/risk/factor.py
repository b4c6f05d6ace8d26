"""Where the risk of a book comes from: factors, sectors, strategies, asset classes, currencies and names."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from quantray.arrays import Float, Names
from quantray.covariance.factor import FactorModel, RiskTree, risk_tree
from quantray.errors import InputError
from quantray.risk.positions.groups import Groups
from quantray.risk.positions.holdings import Holdings
from quantray.risk.positions.market import Market
from quantray.risk.positions.sensitivities import Sensitivities, sensitivities

__all__ = [
    "GROUPS",
    "GroupRisk",
    "RiskBreakdown",
    "checked_model",
    "group_labels",
    "position_groups",
    "risk_breakdown",
]

GROUPS = ("sector", "strategy", "asset class", "currency")
"""Kinds of groups that a book is split into."""


@dataclass(frozen=True, eq=False)
class GroupRisk:
    """G groups of positions; fractions of NAV."""

    names: tuple[str, ...]
    """G, in alphabetical order, empty for positions without a label; of names in that of the positions."""
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
    """Every position; with a benchmark in alphabetical order, and its positions too."""
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
    books = [book for _, book, _ in sides]
    names = Groups(holdings.listed, np.arange(len(holdings)))
    kinds = position_groups(holdings, market)
    if benchmark is not None:
        names = Groups.of(np.concatenate([book.names for book in books]))
        labels = [group_labels(book, market) for book in books]
        kinds = {kind: Groups.of(np.concatenate([each[kind] for each in labels])) for kind in GROUPS}
    return RiskBreakdown(
        tree.volatility,
        tree,
        _group_risk(names, net, risk),
        {kind: _group_risk(groups, net, risk) for kind, groups in kinds.items()},
    )


def position_groups(holdings: Holdings, market: Market) -> dict[str, Groups]:
    """Kind of ``GROUPS`` -> the positions by it; sectors are those of their own drivers.

    Raises
    ------
    InputError
        The market lacks a driver.
    """
    # A report asks for those of one book again and again.
    seen: tuple[Holdings, dict[str, Groups]] | None = vars(market).get("_grouped")
    if seen is not None and seen[0] is holdings:
        return seen[1]
    own = market.find(holdings.drivers, "holdings", holdings.names)
    known = holdings.groups
    found = {
        "sector": market.sector_groups.at(own),
        "strategy": known["strategy"],
        "asset class": known["asset class"],
        "currency": known["currency"].renamed("", market.base_currency),
    }
    vars(market)["_grouped"] = holdings, found
    return found


def group_labels(holdings: Holdings, market: Market) -> dict[str, Names]:
    """Kind of ``GROUPS`` -> (N,) labels; raises as ``position_groups``."""
    return {kind: groups.labels for kind, groups in position_groups(holdings, market).items()}


def checked_model(model: FactorModel, market: Market) -> None:
    """Raise an ``InputError`` if a model is not of the market's drivers."""
    if model.n_assets != market.n_drivers:
        raise InputError(
            f"the risk model is of {model.n_assets} assets, the market has {market.n_drivers} drivers; fit it to their "
            "changes, in their order."
        )


def _group_risk(groups: Groups, net: Float, risk: Float) -> GroupRisk:
    return GroupRisk(groups.names, groups.sums(net), groups.sums(np.abs(net)), groups.sums(risk))
