"""The firm's further limits by the log alone: what each name adds to every measure, summed, and held against levels."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from quantray.oms.replaying.findings import Findings

if TYPE_CHECKING:
    from quantray.oms.replaying.standing import Instrument, Placed, Standing

__all__ = ["FirmSums", "Measures"]

_ONE = 10**9
"""Of a loading; of a variance its square."""
_QUANTILE = round(NormalDist().inv_cdf(0.99) ** 2 * _ONE)
_PART_BPS = 1_000
_FIRM = ("sector", "factor", "var", "liquidity_days", "correlation_bps")

_Part = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Measures:
    """What an order may bring above a level; factors, the variance and correlations are None for an unknown name."""

    sector: int
    shares: int
    factors: tuple[int, ...] | None = None
    variance: int | None = None
    correlations: Mapping[str, tuple[int, int]] | None = None
    """With each other manager: the covariance, and the product of the variances."""


@dataclass(slots=True)
class FirmSums:
    """Sums over all names, of what each adds."""

    facts: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    factors: Mapping[str, Any] | None = None
    asked: set[str] = field(default_factory=set)
    """Names of the limits that were set."""
    changed: set[str] = field(default_factory=set)
    """Names that are to be counted again."""
    sums: dict[_Part, int] = field(default_factory=lambda: defaultdict(int))
    _parts: dict[str, dict[_Part, int]] = field(default_factory=dict)

    def document(self, now: "Standing", kind: str, name: str, body: Mapping[str, Any] | None) -> None:
        """Take what operations said; everything is counted again."""
        if kind == "facts" and body is not None:
            self.facts[name] = body
        elif kind == "factors":
            self.factors = body
        else:
            return
        self._anew(now)

    def limit(self, now: "Standing", scope: str, name: str) -> None:
        """Note that a limit was set."""
        own = (scope, name) in (("sector", "gross"), ("factor", "exposure"))
        if (asked := scope if own else name) not in self.asked and (own or (scope == "firm" and name in _FIRM)):
            self.asked.add(asked)
            self._anew(now)

    def measures(self, now: "Standing", order: "Placed") -> Measures | None:
        """What stands, as far as an order can change it; None where no limit asks for it."""
        if not self.asked:
            return None
        self._count(now)
        sector = self.sums[("sector", self.facts.get(order.symbol, {}).get("sector", ""))]
        shares = now.instruments[order.symbol].firm.extent()
        if self.factors is None or order.symbol not in self.factors["names"]:
            return Measures(sector, shares)
        at, sums = range(len(self.factors["factors"])), self.sums
        sizes = {kind: [max(abs(sums[kind, 0, k]), abs(sums[kind, 1, k])) for k in at] for kind in ("named", "free")}
        variance = sum(size**2 for size in sizes["free"]) + sums[("specific",)]
        together = self._correlations(order.pm, at) if "correlation_bps" in self.asked else None
        return Measures(sector, shares, tuple(sizes["named"]), variance, together)

    def _anew(self, now: "Standing") -> None:
        self.sums.clear()
        self._parts.clear()
        self.changed = set(now.instruments)

    def _correlations(self, pm: str, at: range) -> dict[str, tuple[int, int]]:
        pms = sorted({str(part[1]) for part in self.sums if part[0] == "of"})

        def covariance(a: str, b: str) -> int:
            alone = self.sums[("pair", *sorted((a, b)))]
            return sum(self.sums["of", a, k] * self.sums["of", b, k] for k in at) + alone

        own = covariance(pm, pm)
        products = {other: own * covariance(other, other) for other in pms if other != pm}
        return {other: (covariance(pm, other), product) for other, product in products.items() if product}

    def _count(self, now: "Standing") -> None:
        for symbol in self.changed:
            old, new = self._parts.get(symbol, {}), self._added(symbol, now.instruments[symbol])
            for part in old.keys() | new.keys():
                self.sums[part] += new.get(part, 0) - old.get(part, 0)
            self._parts[symbol] = new
        self.changed.clear()

    def _added(self, symbol: str, it: "Instrument") -> dict[_Part, int]:
        """What a name adds to every sum."""
        sector = self.facts.get(symbol, {}).get("sector", "")
        parts: dict[_Part, int] = {("sector", sector): sum(each.extent() for each in it.holdings) * it.mark}
        if self.factors is None or symbol not in self.factors["names"]:
            return parts
        loadings, free, specific = self.factors["names"][symbol]
        ends = (it.firm.shares - it.firm.selling) * it.mark, (it.firm.shares + it.firm.buying) * it.mark
        for kind, row in (("named", loadings), ("free", free)):
            for k, loading in enumerate(row):
                parts[kind, 0, k], parts[kind, 1, k] = sorted(loading * end for end in ends)
        parts[("specific",)] = specific * max(end**2 for end in ends)
        if "correlation_bps" in self.asked:
            parts |= _of_managers(it, free, specific)
        return parts


def _of_managers(it: "Instrument", free: list[int], specific: int) -> dict[_Part, int]:
    held: dict[str, int] = defaultdict(int)
    for each in it.holdings:
        held[each.pm] += (each.shares + each.buying - each.selling) * it.mark
    parts: dict[_Part, int] = {("of", pm, k): value * r for pm, value in held.items() for k, r in enumerate(free)}
    for a, mine in held.items():
        parts |= {("pair", a, b): specific * mine * theirs for b, theirs in held.items() if a <= b}
    return parts


def hold_against(
    now: "Standing", order: "Placed", before: Measures, findings: Findings, *, grown: bool, sums: FirmSums
) -> None:
    """Name every further limit that an order passes; ``grown`` says whether its line did at the worst."""
    after, asked = sums.measures(now, order), sums.asked
    assert after is not None
    if "sector" in asked and grown:
        _sector(now, order, after, findings, sums)
    if "liquidity_days" in asked and after.shares > before.shares:
        _liquidity(now, order, after, findings, sums)
    if not asked & {"factor", "var", "correlation_bps"}:
        return
    if after.factors is None:
        if after.shares > before.shares:
            _unknown(findings, "factors", order)
        return
    assert before.factors is not None
    assert sums.factors is not None
    general = now.limits.get(("firm", "", "factor"))
    for name, was, size in zip(sums.factors["factors"], before.factors, after.factors, strict=True):
        level = now.limits.get(("factor", name, "exposure"), general)
        if level is not None and size > max(level * _ONE, was):
            _above(findings, f"factor {name}", order, size // _ONE, level)
    _variance(now, order, before, after, findings)


def _sector(now: "Standing", order: "Placed", after: Measures, findings: Findings, sums: FirmSums) -> None:
    sector = sums.facts.get(order.symbol, {}).get("sector", "")
    level = now.limits.get(("sector", sector, "gross"), now.limits.get(("firm", "", "sector")))
    if not sector:
        _unknown(findings, "sector", order)
    elif level is not None and after.sector > level:
        _above(findings, f"sector {sector}", order, after.sector, level)


def _liquidity(now: "Standing", order: "Placed", after: Measures, findings: Findings, sums: FirmSums) -> None:
    volume = sums.facts.get(order.symbol, {}).get("adv_shares")
    if volume is None:
        _unknown(findings, "volume", order)
        return
    part = now.limits.get(("firm", "", "participation_bps"), _PART_BPS)
    days = now.limits["firm", "", "liquidity_days"]
    if after.shares * 10_000 > days * part * volume:
        _above(findings, "shares for liquidity_days", order, after.shares, days * part * volume // 10_000)


def _variance(now: "Standing", order: "Placed", before: Measures, after: Measures, findings: Findings) -> None:
    assert after.variance is not None
    assert before.variance is not None
    level = now.limits.get(("firm", "", "var"))
    if level is not None and after.variance > before.variance and after.variance * _QUANTILE > level**2 * _ONE**3:
        _above(findings, "the square of var", order, after.variance * _QUANTILE // _ONE**3, level**2)
    highest = now.limits.get(("firm", "", "correlation_bps"))
    if highest is None:
        return
    for other, (covariance, product) in (after.correlations or {}).items():
        was, was_product = (before.correlations or {}).get(other, (0, 1))
        rises = was <= 0 or covariance**2 * was_product > was**2 * product
        if covariance > 0 and covariance**2 * 10**8 > highest**2 * product and rises:
            _above(findings, f"correlation with {other}", order, covariance**2 * 10**8 // product, highest**2)


def _unknown(findings: Findings, what: str, order: "Placed") -> None:
    findings.add("limit", f"{order.side} {order.quantity:,} {order.symbol} was accepted, whose {what} nobody knows")


def _above(findings: Findings, name: str, order: "Placed", value: int, level: int) -> None:
    findings.add(
        "limit", f"{name} is {value:,} and may be {level:,} with {order.side} {order.quantity:,} {order.symbol}"
    )
