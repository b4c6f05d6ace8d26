"""What a scenario does to every driver of a market: by its shocks, and by what a risk model expects of the rest."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from quantray.arrays import Bool, Float, Int, Names
from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.risk.positions.groups import Groups
from quantray.risk.positions.holdings import Holdings
from quantray.risk.positions.market import Market
from quantray.risk.stressing.moves import Expectation, Moves
from quantray.risk.stressing.scenarios import Scenario
from quantray.settings import nearest

__all__ = ["Reach", "scenario_moves"]


@dataclass(frozen=True, eq=False)
class Reach:
    """What shocks to classes of drivers meet."""

    classes: Names
    """(M,) asset class; empty where nobody says."""
    absolute: Bool
    """(M,) what changes by differences, as yields do."""
    yields: Bool
    """(M,)."""
    volatilities: Bool
    """(M,)."""
    risky: Bool
    """(M,) what has variance in the risk model; without one nothing."""

    _expectations: dict[tuple[bytes, ...], Expectation] = field(default_factory=dict)

    def expectation(self, model: FactorModel, members: Sequence[Int], factors: Int) -> Expectation:
        """What the model that this was made for expects, given means over some drivers, and factors.

        Scenarios that shock the same things in other sizes share it.
        """
        key = (*(rows.tobytes() for rows in members), factors.tobytes())
        if key not in self._expectations:
            portfolios = np.zeros((len(members), model.n_assets))
            for row, rows in zip(portfolios, members, strict=True):
                row[rows] = 1 / len(rows)
            self._expectations[key] = Expectation.of(model, portfolios, factors)
        return self._expectations[key]

    @cached_property
    def all_risky(self) -> bool:
        """Whether everything has variance in the risk model."""
        return bool(self.risky.all())

    def with_risk(self, members: Int) -> Int:
        """Those of some drivers that have."""
        return members if self.all_risky else members[self.risky[members]]

    @cached_property
    def money(self) -> Int:
        """Currencies."""
        return np.flatnonzero(self.classes == "fx")

    @cached_property
    def priced(self) -> Mapping[str, Int]:
        """Asset class -> the prices in it."""
        groups = Groups.of(self.classes)
        prices = ~self.absolute
        return {name: np.flatnonzero((groups.places == i) & prices) for i, name in enumerate(groups.names)}

    @classmethod
    def of(cls, holdings: Holdings, market: Market, model: FactorModel | None) -> "Reach":
        """Classes as the market says, else those of the positions in it; raises as ``run_scenarios``."""
        own = market.find(holdings.drivers, "holdings", holdings.names)
        classes = market.asset_class.astype("U16")
        codes = [code for code in holdings.groups["currency"].names if code not in ("", market.base_currency)]
        money = market.find(np.array(codes, dtype=np.str_), "currencies of the holdings")
        unsaid = classes == ""
        classes[money[unsaid[money]]] = "fx"
        classes[own[unsaid[own]]] = holdings.asset_class[unsaid[own]]
        yields, volatilities = (classes == "fixed income") & market.absolute, np.zeros(market.n_drivers, np.bool_)
        if holdings.bonds is not None:
            yields[market.find(holdings.bonds.yields, "yields of bonds")] = True
        if holdings.options is not None:
            moving = holdings.options.volatility_drivers
            volatilities[market.find(moving[moving != ""], "volatilities of options")] = True
        risky = np.zeros(market.n_drivers, np.bool_) if model is None else model.variances > 0
        return cls(classes, market.absolute, yields, volatilities, risky)


_NOBODY = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class _Shock:
    """A move of the mean over some drivers."""

    members: Int
    move: float


def scenario_moves(
    name: str, scenario: Scenario, reach: Reach, market: Market, model: FactorModel | None
) -> tuple[Moves, tuple[str, ...]]:
    """Moves of all drivers and factors in a scenario, and notes of what met nothing; raises as ``run_scenarios``."""
    if model is None and scenario.needs_model:
        raise InputError(
            f"scenario {name} needs a risk model; give one, or let its groups move together and others stay."
        )
    shocks, notes = _met(name, scenario, reach, market)
    direct, taken = np.zeros(market.n_drivers), np.zeros(market.n_drivers, dtype=np.bool_)
    for shock in shocks:
        direct[shock.members], taken[shock.members] = shock.move, True
    if model is None:
        return Moves(direct, np.zeros(0)), notes
    factors, factor_moves, unknown = _factors(name, scenario, model)
    notes, stay = (*notes, *unknown), scenario.others == "stay"
    around = np.bincount(factors, factor_moves, model.n_factors).astype(np.float64)
    if stay and scenario.groups == "together":
        return Moves(np.where(taken, direct, model.loadings @ around), around), notes
    # What has no risk in the model tells nothing of the others.
    rows = [(members, shock.move) for shock in shocks if len(members := reach.with_risk(shock.members))]
    given = (factors[:0], factor_moves[:0]) if stay else (factors, factor_moves)
    moves = np.concatenate([[move for _, move in rows], given[1]])
    expected = Moves(np.zeros(market.n_drivers), np.zeros(model.n_factors))
    if len(moves):
        try:
            expected = reach.expectation(model, [members for members, _ in rows], given[0]).given(moves)
        except InputError as error:
            raise InputError(f"scenario {name}: {error}") from error
    if not stay and scenario.groups == "model" and reach.all_risky:
        return expected, notes
    inside = np.where(reach.risky, expected.drivers, direct) if scenario.groups == "model" else direct
    outside = Moves(model.loadings @ around, around) if stay else expected
    return Moves(np.where(taken, inside, outside.drivers), outside.factors), notes


def _met(name: str, scenario: Scenario, reach: Reach, market: Market) -> tuple[list[_Shock], tuple[str, ...]]:
    """Shocks to disjoint sets of drivers, the narrowest first, and what was left out or met nothing."""
    free = np.ones(market.n_drivers, dtype=np.bool_)
    shocks: list[_Shock] = []
    notes: list[str] = []
    unmet: list[str] = []
    for what, meant, move in _named(name, scenario, reach, market, notes):
        if move < -1 and not market.absolute[meant].all():
            raise InputError(f"scenario {name}: {what} cannot return {move:g}; write -0.2 for a fall of 20 %.")
        rows = meant[free[meant]] if shocks else meant
        free[rows] = False
        if len(rows):
            shocks.append(_Shock(rows, move))
        else:
            unmet.append(what)
    if unmet:
        notes.append(f"nothing here to shock: {', '.join(unmet)}")
    return shocks, tuple(notes)


def _named(
    name: str, scenario: Scenario, reach: Reach, market: Market, notes: list[str]
) -> Iterator[tuple[str, Int, float]]:
    """What each shock is to, the drivers that are meant and by how much they move, the narrowest first."""
    both = ((False, scenario), (True, scenario.where_known))
    money: list[str] = market.drivers[reach.money].tolist()
    for skip, each in both:
        for what, wanted, known in (("driver", each.drivers, market.places), ("currency", each.currencies, money)):
            for driver in _present(name, what, wanted, known, notes, skip=skip):
                yield f"{what} {driver}", np.array([market.places[driver]]), wanted[driver]
    sectors = market.sector_groups
    for skip, each in both:
        for sector in _present(name, "sector", each.sectors, [s for s in sectors.names if s], notes, skip=skip):
            here = np.flatnonzero(sectors.places == sectors.names.index(sector))
            # A sector may hold companies' shares and yields of their bonds; a return is of prices.
            prices = here[~market.absolute[here]]
            yield f"sector {sector}", prices if len(prices) else here, each.sectors[sector]
    for what, members, size in (
        ("yields", reach.yields, scenario.yields),
        ("volatilities", reach.volatilities, scenario.volatilities),
    ):
        if size is not None:
            yield what, np.flatnonzero(members), size
    for asset_class, move in [*scenario.asset_classes.items(), *scenario.where_known.asset_classes.items()]:
        yield f"asset class {asset_class}", reach.priced.get(asset_class, _NOBODY), move


def _factors(name: str, scenario: Scenario, model: FactorModel) -> tuple[Int, Float, tuple[str, ...]]:
    """Places and moves of the factors that are shocked, and what was left out."""
    if not (scenario.factors or scenario.where_known.factors):
        return _NOBODY, np.zeros(0), ()
    known = np.asarray(model.factor_names, dtype=np.str_).tolist()
    notes: list[str] = []
    moves: dict[int, float] = {}
    for skip, each in ((True, scenario.where_known), (False, scenario)):
        for factor in _present(name, "factor", each.factors, known, notes, skip=skip):
            moves[known.index(factor)] = each.factors[factor]
    return np.array(list(moves), dtype=np.int64), np.array(list(moves.values()), dtype=np.float64), tuple(notes)


def _present(
    name: str, what: str, wanted: Mapping[str, float], known: Collection[str], notes: list[str], *, skip: bool
) -> list[str]:
    """Those that are known; the others are refused, or left out and noted."""
    if not wanted:
        return []
    missing = [each for each in wanted if each not in known]
    if missing and not skip:
        listed = list(known)
        raise InputError(
            f"scenario {name}: there is no {what} {missing[0]!r};{nearest(missing[0], listed)} known are "
            f"{', '.join(listed[:12])}{' and more' if len(listed) > 12 else ''}."
        )
    if missing:
        notes.append(f"left out, no such {what}: {', '.join(missing)}")
    return [each for each in wanted if each in known]
