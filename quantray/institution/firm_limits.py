"""Limits over all portfolio managers, asked for every order: hard ones refuse it, soft ones warn.

| limit | scope | unit |
|---|---|---|
| sector | firm; ``gross`` of one sector | money, gross, at the worst |
| factor | firm; ``exposure`` of one factor | money times loading, either sign, at the worst |
| var | firm | money lost in a day with 1 % under normal moves; a bound where orders are open |
| liquidity_days | firm | days to sell a name at ``participation_bps`` of its usual volume, at the worst |
| correlation_bps | firm | ten-thousandths, the highest of two managers, open orders counted as filled |

``gross``, ``net`` and ``single_name`` are among the checks of the gate; here are their soft ones. ``warn_``
before a name makes it the soft one. A limit that was not set is not asked. What cannot be measured, such as
the sector of a name without one, fails its hard limit. What makes a measure no larger always passes.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import isqrt

from quantray.errors import InputError
from quantray.institution.facts import NameFacts
from quantray.institution.firm_exposures import FirmExposures, correlation_exceeds, largest_norm, var_exceeds
from quantray.institution.firm_factors import SCALE, FirmFactors
from quantray.settings import nearest

__all__ = ["EXTENDED", "FURTHER", "FirmLimits", "FirmOrder", "Levels", "Passed"]

_NAMES = ("sector", "factor", "var", "liquidity_days", "correlation_bps")
_ELSEWHERE = ("gross", "net", "single_name")
EXTENDED: Mapping[str, frozenset[str]] = {
    "firm": frozenset({*_NAMES, *(f"warn_{name}" for name in (*_NAMES, *_ELSEWHERE)), "participation_bps"}),
    "sector": frozenset({"gross", "warn_gross"}),
    "factor": frozenset({"exposure", "warn_exposure"}),
}
"""Names by scope; those of a sector or a factor take the place of the firm's for that one."""

FURTHER = frozenset(_NAMES)
"""Names that a hard limit has which was passed."""

_PARTICIPATION_BPS = 1_000
_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class FirmOrder:
    """What an order leads to; money in whole units.

    Parameters
    ----------
    more : by which the account's holding of the name grows at the worst; at most 0 where it does not.
    lower, upper : by which the ends of the firm's value of the name move: of a sale ``lower`` is negative, of a
        purchase ``upper`` positive.
    shares, shares_before : of the firm at the worst, with and without it.
    """

    pm: str
    symbol: str
    more: int
    lower: int
    upper: int
    shares: int
    shares_before: int


@dataclass(frozen=True, slots=True)
class Passed:
    """A limit that an order passes: which, of what, and why where it could not be measured."""

    limit: str
    scope: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Levels:
    """Either the hard or the soft levels; None where none was set."""

    sector: int | None = None
    sectors: Mapping[str, int] = field(default_factory=dict)
    factors: tuple[int | None, ...] = ()
    """(K,), times ``SCALE``."""
    asks_factors: bool = False
    """Whether a factor has one, be there a model or not."""
    var: int | None = None
    liquidity_days: int | None = None
    correlation_bps: int | None = None

    @classmethod
    def of(cls, limits: Mapping[_Key, int], factors: tuple[str, ...], before: str = "") -> "Levels":
        """From limits by scope, key and name; ``before`` the name is what tells soft ones from hard ones."""

        def firm(name: str) -> int | None:
            return limits.get(("firm", "", before + name))

        each = [limits.get(("factor", name, f"{before}exposure"), firm("factor")) for name in factors]
        return cls(
            sector=firm("sector"),
            sectors={
                key: v for (scope, key, name), v in limits.items() if (scope, name) == ("sector", f"{before}gross")
            },
            factors=tuple(None if it is None else it * SCALE for it in each),
            asks_factors=firm("factor") is not None or ("factor", f"{before}exposure") in {k[::2] for k in limits},
            var=firm("var"),
            liquidity_days=firm("liquidity_days"),
            correlation_bps=firm("correlation_bps"),
        )


@dataclass(slots=True)
class _Side:
    """Hard or soft levels, and how far they were when the sums were brought up to date last."""

    levels: Levels
    settled: int = -1
    size: int = 0
    norm: int = 0

    def look(self, exposures: FirmExposures) -> None:
        """Look how far they are, if the sums are others than at the last look."""
        if self.settled == exposures.settled:
            return
        self.settled = exposures.settled
        sizes, variance = exposures.last()
        rooms = [level - size for level, size in zip(self.levels.factors, sizes, strict=True) if level is not None]
        self.size = min(rooms, default=-1)
        self.norm = -1 if self.levels.var is None else largest_norm(self.levels.var) - isqrt(variance) - 1


class FirmLimits:
    """The limits that are set, and the sums that they are held against.

    Parameters
    ----------
    limits : by scope, key and name; those that are not of ``EXTENDED`` are left alone.
    facts : of symbols.
    factors : None where there is no model; limits on factors, var and correlations then fail.

    Raises
    ------
    InputError
        A limit is of a sector or a factor that there is not.
    """

    def __init__(
        self, limits: Mapping[_Key, int], facts: Mapping[str, NameFacts], factors: FirmFactors | None = None
    ) -> None:
        names = factors.factors if factors is not None else ()
        _known(limits, {it.sector for it in facts.values()}, names)
        self._hard, self._soft = _Side(Levels.of(limits, names)), _Side(Levels.of(limits, names, "warn_"))
        self.factor_names = names
        part = limits.get(("firm", "", "participation_bps"), _PARTICIPATION_BPS)
        self._daily = {s: it.adv_shares * part for s, it in facts.items() if it.adv_shares is not None}
        together = (self._hard.levels.correlation_bps, self._soft.levels.correlation_bps) != (None, None)
        sectors = {symbol: it.sector for symbol, it in facts.items()}
        self._about = sectors, factors, together
        self.exposures = FirmExposures(sectors, factors, together=together)

    def take_sums(self, other: "FirmLimits | None") -> bool:
        """Take over what other limits have counted, if it is what these count; whether it was."""
        if other is None or other._about != self._about:
            return False
        self.exposures = other.exposures
        return True

    @staticmethod
    def asked(limits: Mapping[_Key, int]) -> bool:
        """Whether one of these limits was set."""
        return any(name != "participation_bps" and name in EXTENDED.get(scope, ()) for scope, _, name in limits)

    def passed(self, order: FirmOrder, *, soft: bool = False) -> Passed | None:
        """The first hard (or soft) limit that an order passes; None where it passes none."""
        side = self._soft if soft else self._hard
        levels = side.levels
        # All are looked at, whichever is passed: how long a refusal takes does not tell which it was.
        found = (
            self._sector(levels, order),
            self._of_factors(side, order),
            self._liquidity(levels, order),
            self._correlation(levels, order),
        )
        return next((it for it in found if it is not None), None)

    def days(self, symbol: str, shares: int) -> int | None:
        """Days to sell shares of a name, rounded up; None where its volume is unknown, or nothing is traded."""
        daily = self._daily.get(symbol)
        return -(-shares * 10_000 // daily) if daily else None

    def _sector(self, levels: Levels, order: FirmOrder) -> Passed | None:
        if order.more <= 0 or (levels.sector is None and not levels.sectors):
            return None
        sector = self.exposures.sector_of.get(order.symbol, "")
        if not sector:
            return Passed("sector", order.symbol, "its sector is unknown")
        level = levels.sectors.get(sector, levels.sector)
        over = level is not None and self.exposures.sectors[sector] + order.more > level
        return Passed("sector", sector) if over else None

    def _of_factors(self, side: _Side, order: FirmOrder) -> Passed | None:
        levels = side.levels
        if not levels.asks_factors and levels.var is None:
            return None
        if not self.exposures.is_modelled(order.symbol):
            return self._unmodelled("factor" if levels.asks_factors else "var", order)
        side.look(self.exposures)
        size, norm = self.exposures.growth(order.symbol, max(-order.lower, order.upper))
        factor = self._factor(levels, order) if levels.asks_factors and size > side.size else None
        var = self._var(levels.var, order) if levels.var is not None and norm > side.norm else None
        return factor or var

    def _factor(self, levels: Levels, order: FirmOrder) -> Passed | None:
        before = self.exposures.sizes()
        after = self.exposures.sizes(order.symbol, lower=order.lower, upper=order.upper)
        for name, level, was, size in zip(self.factor_names, levels.factors, before, after, strict=True):
            if level is not None and size > level and size > was:
                return Passed("factor", name)
        return None

    def _var(self, level: int, order: FirmOrder) -> Passed | None:
        after = self.exposures.variance(order.symbol, lower=order.lower, upper=order.upper)
        return Passed("var", "firm") if var_exceeds(after, level) and after > self.exposures.variance() else None

    def _liquidity(self, levels: Levels, order: FirmOrder) -> Passed | None:
        if levels.liquidity_days is None or order.shares <= order.shares_before:
            return None
        daily = self._daily.get(order.symbol)
        if daily is None:
            return Passed("liquidity_days", order.symbol, "its volume is unknown")
        over = order.shares * 10_000 > levels.liquidity_days * daily
        return Passed("liquidity_days", order.symbol) if over else None

    def _correlation(self, levels: Levels, order: FirmOrder) -> Passed | None:
        bps = levels.correlation_bps
        if bps is None:
            return None
        if not self.exposures.is_modelled(order.symbol):
            return self._unmodelled("correlation_bps", order)
        found = self.exposures.correlations(order.pm, order.symbol, order.lower + order.upper)
        over = [it for it in found if correlation_exceeds(it[1], it[2], bps)]
        if not over:
            return None
        before = {other: (at, of) for other, at, of in self.exposures.correlations(order.pm, order.symbol, 0)}
        for other, at, of in over:
            was, was_of = before.get(other, (0, 1))
            if was <= 0 or at * at * was_of > was * was * of:
                return Passed("correlation_bps", " and ".join(sorted((order.pm, other))))
        return None

    def _unmodelled(self, limit: str, order: FirmOrder) -> Passed | None:
        """What the factors do not know may be made smaller, and no larger."""
        grows = order.shares > order.shares_before
        return Passed(limit, order.symbol, "the factors do not know it") if grows else None


def _known(limits: Mapping[_Key, int], sectors: Collection[str], factors: Collection[str]) -> None:
    there = {"sector": sorted(filter(None, sectors)), "factor": sorted(factors)}
    for scope, key, name in limits:
        if name in EXTENDED.get(scope, ()) and scope in there and key not in there[scope]:
            known = nearest(key, there[scope]) or f" there are {', '.join(there[scope][:10]) or 'none'}."
            raise InputError(f"limit {scope} {key} {name}: there is no {scope} {key!r};{known}")
