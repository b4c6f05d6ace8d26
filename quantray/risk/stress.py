"""What a book loses in a scenario, and by which positions, groups and factors.

Shocks to factors, asset classes, sectors and drivers make a move of every driver; positions are then valued again in
full. Losses are positive fractions of NAV.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from quantray.arrays import Bool, Float
from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.risk.factor import checked_model, position_groups
from quantray.risk.positions.holdings import Holdings
from quantray.risk.positions.market import Market
from quantray.risk.positions.pricing import revalue, revalue_book
from quantray.risk.positions.sensitivities import Sensitivities, sensitivities
from quantray.risk.stressing.moves import Moves
from quantray.risk.stressing.scenario_moves import Reach, scenario_moves
from quantray.risk.stressing.scenarios import Scenario

__all__ = ["LossParts", "StressGrid", "StressResult", "run_scenarios", "stress", "stress_grid", "valued"]


@dataclass(frozen=True, eq=False)
class LossParts:
    """Parts of a loss, which sum to it; negative where something was gained."""

    names: tuple[str, ...]
    losses: Float


@dataclass(frozen=True, eq=False)
class StressResult:
    """What a book loses if drivers change at once."""

    name: str
    source: str
    """Where the sizes come from."""
    loss: float
    """Fraction of NAV; negative where the book gains."""
    by_position: Float
    """(N,) parts of the loss."""
    groups: Mapping[str, LossParts]
    """Kind of ``factor.GROUPS`` -> its parts of the loss."""
    by_factor: LossParts | None
    """By factor of the model, ``specific`` and, of second order and beyond, ``curvature``; None without a model."""
    changes: Float
    """(M,) of the drivers."""
    notes: tuple[str, ...]
    """What was left out, stopped or stood in for."""


@dataclass(frozen=True, eq=False)
class StressGrid:
    """Losses of a book under two shocks, each of several sizes."""

    first: str
    first_moves: Float
    """(I,)."""
    second: str
    second_moves: Float
    """(J,)."""
    losses: Float
    """(I, J) fractions of NAV."""


def stress(
    holdings: Holdings, market: Market, scenario: Scenario, model: FactorModel | None = None, *, name: str = "scenario"
) -> StressResult:
    """One scenario; see ``run_scenarios``."""
    return run_scenarios(holdings, market, {name: scenario}, model)[0]


def run_scenarios(
    holdings: Holdings,
    market: Market,
    scenarios: Mapping[str, Scenario],
    model: FactorModel | None = None,
    *,
    seen: Sensitivities | None = None,
) -> tuple[StressResult, ...]:
    """What a book loses in some scenarios.

    A driver moves by the narrowest shock that meets it: its own, its sector's, its asset class's. Where groups follow
    the model, the mean over a group moves by the shock, and its members, as all that is not shocked, by their
    expectation under the model given the shocks; no price falls below zero. Options are priced again at once, without
    time passing.

    Parameters
    ----------
    scenarios : by name.
    model : of the market's drivers; not needed where groups move together and others stay.
    seen : ``sensitivities(holdings, market)``, where they are known already.

    Raises
    ------
    InputError
        A factor, sector or driver of a scenario is unknown (the nearest one is named), shocks contradict one another, a
        model is needed or of other drivers, or as ``sensitivities.sensitivities``.
    """
    if model is not None:
        checked_model(model, market)
    reach = Reach.of(holdings, market, model)
    moves, notes = [], []
    for name, scenario in scenarios.items():
        found, left_out = scenario_moves(name, scenario, reach, market, model)
        moves.append(found)
        notes.append(left_out)
    return valued(
        holdings,
        market,
        Moves(
            np.array([each.drivers for each in moves]).reshape(len(moves), market.n_drivers),
            np.array([each.factors for each in moves]).reshape(len(moves), 0 if model is None else model.n_factors),
        ),
        model,
        names=tuple(scenarios),
        sources=tuple(scenario.source for scenario in scenarios.values()),
        notes=notes,
        seen=seen,
    )


def stress_grid(
    holdings: Holdings,
    market: Market,
    model: FactorModel,
    first: tuple[str, Sequence[float]],
    second: tuple[str, Sequence[float]],
) -> StressGrid:
    """Losses under shocks to two factors or drivers, all else moving as the model expects.

    Parameters
    ----------
    first, second : name of a factor of the model or of a driver of the market, and its moves.

    Raises
    ------
    InputError
        Both are the same, or as ``run_scenarios``.
    """
    checked_model(model, market)
    if first[0] == second[0]:
        raise InputError(f"a grid moves two things, not {first[0]!r} twice; name another.")
    units, reach = [], Reach.of(holdings, market, model)
    known = np.asarray(model.factor_names, dtype=np.str_).tolist()
    for name, other in ((first[0], second[0]), (second[0], first[0])):
        sizes = {name: 1.0, other: 0.0}
        factors = {each: size for each, size in sizes.items() if each in known}
        drivers = {each: size for each, size in sizes.items() if each not in known}
        scenario = Scenario(factors=factors, drivers=drivers)
        units.append(scenario_moves("grid", scenario, reach, market, model)[0].drivers)
    sizes_1, sizes_2 = np.asarray(first[1], dtype=np.float64), np.asarray(second[1], dtype=np.float64)
    changes = (sizes_1[:, None, None] * units[0] + sizes_2[None, :, None] * units[1]).reshape(-1, market.n_drivers)
    losses = -revalue_book(holdings, market, _stopped(changes, market)[0])
    return StressGrid(first[0], sizes_1, second[0], sizes_2, losses.reshape(len(sizes_1), len(sizes_2)))


def valued(
    holdings: Holdings,
    market: Market,
    moves: Moves,
    model: FactorModel | None,
    *,
    names: Sequence[str],
    sources: Sequence[str],
    notes: Sequence[Sequence[str]],
    seen: Sensitivities | None = None,
) -> tuple[StressResult, ...]:
    """Value a book again after (S, M) moves of drivers, to which (S, K) moves of factors belong, and split the losses.

    Takes and raises as ``run_scenarios``; there are a name, a source and notes for each of the S.
    """
    seen = sensitivities(holdings, market) if seen is None else seen
    changes, stopped = _stopped(moves.drivers, market)
    losses = -revalue(holdings, market, changes, priced=seen.pricing)
    labels = {kind: (each.names, each.sums(losses)) for kind, each in position_groups(holdings, market).items()}
    factors = None if model is None else _by_factor(seen.exposure, changes, moves.factors, losses.sum(axis=1), model)
    out = []
    for i, name in enumerate(names):
        more: tuple[str, ...] = ()
        if stopped[i].any():
            lost = market.drivers[stopped[i]]
            tail = f" and {len(lost) - 5} more" if len(lost) > 5 else ""
            more = (f"stopped at a loss of everything: {', '.join(lost[:5].tolist())}{tail}",)
        out.append(
            StressResult(
                name,
                sources[i],
                float(losses[i].sum()),
                losses[i],
                {kind: LossParts(groups, parts[i]) for kind, (groups, parts) in labels.items()},
                None if factors is None or model is None else LossParts(_factor_labels(model), factors[i]),
                changes[i],
                (*notes[i], *more),
            )
        )
    return tuple(out)


def _factor_labels(model: FactorModel) -> tuple[str, ...]:
    return (*np.asarray(model.factor_names, dtype=np.str_).tolist(), "specific", "curvature")


def _by_factor(exposure: Float, changes: Float, factors: Float, losses: Float, model: FactorModel) -> Float:
    """(S, K + 2) parts of the losses."""
    linear = -changes @ exposure
    by_factor = -factors * (model.loadings.T @ exposure)
    specific = linear - by_factor.sum(axis=1)
    return np.column_stack([by_factor, specific, losses - linear])


def _stopped(changes: Float, market: Market) -> tuple[Float, Bool]:
    """Changes that take no price below zero, and where they would have."""
    below = (changes < -1) & ~market.absolute
    return np.where(below, -1.0, changes), below
