"""What a firm holds at the worst, by sector, factor, name and portfolio manager, kept up with every change.

All is in whole numbers, so sums are exact: they equal what a full recomputation finds, in whatever order changes came,
and nothing drifts. A change of a name touches its sector, K factors, and with correlations K more of its manager.

The worst case of a name is an interval of values: all its open sales fill, or all its open purchases. It bounds

* a sector's gross value: exactly, as a sum of each line's largest size;
* the exposure to a factor: exactly, since every name adds its worse end;
* the variance: from above. Each of K uncorrelated factors, and each name's specific part, is at its own worst, which no
  single outcome may reach together. Without open orders it is the variance itself;
* correlations of two managers: not at all. A ratio has no bound of that kind; open orders count as filled.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from math import isqrt
from operator import mul
from statistics import NormalDist

from quantray.institution.firm_factors import SCALE, FirmFactors, NameRisk

__all__ = [
    "VAR_LEVEL",
    "Box",
    "FirmExposures",
    "Loads",
    "Slack",
    "Together",
    "correlation_exceeds",
    "largest_norm",
    "var_exceeds",
    "var_of",
]

VAR_LEVEL = 0.99
"""Confidence of the VaR of a day, under normal moves."""
_QUANTILE = round(NormalDist().inv_cdf(VAR_LEVEL) ** 2 * SCALE)
"""Squared."""
_FEW = 500
"""Changes that are added one by one rather than counted all anew."""


@dataclass(frozen=True, slots=True)
class Loads:
    """A name's loadings, the positive ones apart from the negative ones, and a bound of what one unit of it adds.

    Parameters
    ----------
    up, down : (K,), zero where they are of the other sign.
    reach : of a box, the most by which a size grows; of a norm over factors and names, the most by which that grows.
    """

    up: tuple[int, ...]
    down: tuple[int, ...]
    reach: int

    @classmethod
    def of(cls, loadings: Sequence[int], reach: int) -> "Loads":
        """From (K,) loadings."""
        return cls(tuple(max(it, 0) for it in loadings), tuple(min(it, 0) for it in loadings), reach)


@dataclass(slots=True)
class Box:
    """The lowest and the highest exposure to each of K factors."""

    low: list[int]
    high: list[int]

    @classmethod
    def empty(cls, size: int) -> "Box":
        """Of nothing."""
        return cls([0] * size, [0] * size)

    def sizes(self) -> list[int]:
        """(K,) largest sizes."""
        # The low end is never above the high one, so the larger size is one of these two.
        return [high if high + low > 0 else -low for low, high in zip(self.low, self.high, strict=True)]

    def moved(self, loads: Loads, lower: int, upper: int) -> "Box":
        """With the ends of a name's interval moved."""
        low, high = self.low, self.high
        if upper:
            high = [at + p * upper for at, p in zip(high, loads.up, strict=True)]
            low = [at + m * upper for at, m in zip(low, loads.down, strict=True)]
        if lower:
            low = [at + p * lower for at, p in zip(low, loads.up, strict=True)]
            high = [at + m * lower for at, m in zip(high, loads.down, strict=True)]
        return Box(low, high)


@dataclass(slots=True)
class Together:
    """Portfolio managers' holdings side by side, open orders counted as filled."""

    factors: dict[str, list[int]] = field(default_factory=dict)
    """(K,) exposures of each to uncorrelated factors."""
    values: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    """By symbol and manager."""
    covariances: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    """Of two managers in order of name, and of one with itself; in money and scale squared."""

    @classmethod
    def of(cls, values: Mapping[str, Mapping[str, int]], risks: Mapping[str, NameRisk]) -> "Together":
        """All at once, from values by symbol and manager: the same as one by one, and quicker for many."""
        made = cls()
        for symbol, held in values.items():
            risk = risks[symbol]
            made.values[symbol] = dict(held)
            for pm, value in held.items():
                now = made.factors.get(pm) or [0] * len(risk.rotated)
                made.factors[pm] = [x + r * value for x, r in zip(now, risk.rotated, strict=True)]
            for pm, other in combinations_with_replacement(sorted(held), 2):
                made.covariances[pm, other] += risk.specific * held[pm] * held[other]
        for pm, other in combinations_with_replacement(sorted(made.factors), 2):
            made.covariances[pm, other] += sum(map(mul, made.factors[pm], made.factors[other]))
        return made

    def steps(self, pm: str, symbol: str, value: int, risk: NameRisk) -> dict[str, int]:
        """By how much the covariances of a manager with each, and the own variance, change with more of a name."""
        held, rotated, specific = self.values[symbol], risk.rotated, risk.specific
        found = {
            other: value * (sum(map(mul, rotated, theirs)) + specific * held.get(other, 0))
            for other, theirs in self.factors.items()
        }
        found[pm] = 2 * found.get(pm, 0) + value * value * (sum(map(mul, rotated, rotated)) + specific)
        return found

    def add(self, pm: str, symbol: str, value: int, risk: NameRisk) -> None:
        """Add to what a manager holds of a name."""
        for other, step in self.steps(pm, symbol, value, risk).items():
            self.covariances[_pair(pm, other)] += step
        held = self.values[symbol]
        held[pm] = held.get(pm, 0) + value
        now = self.factors.get(pm) or [0] * len(risk.rotated)
        self.factors[pm] = [x + r * value for x, r in zip(now, risk.rotated, strict=True)]

    def correlations(self, pm: str, steps: Mapping[str, int]) -> Iterator[tuple[str, int, int]]:
        """Each other manager, the covariance, and the product of the two variances, after steps of a manager's."""
        mine = self.covariances[pm, pm] + steps.get(pm, 0)
        for other in self.factors:
            if other != pm and mine and (theirs := self.covariances[other, other]):
                yield other, self.covariances[_pair(pm, other)] + steps.get(other, 0), mine * theirs


@dataclass(slots=True)
class Slack:
    """By how much the sums of factors can have grown since they were brought up to date, at most."""

    size: int = 0
    """Each exposure, in money times ``SCALE``."""
    norm: int = 0
    """The root of the variance, in the same."""


class FirmExposures:
    """The sums of a firm; money in whole units of any size, the same throughout.

    What changed of names is added to the sums of factors when somebody asks for them. Until then ``slack`` bounds by
    how much they can have grown, so that what is far from its limit is seen to be so without any of the K factors.

    Parameters
    ----------
    sectors : of each symbol.
    factors : None where no limit needs them.
    together : whether correlations between managers are kept.
    """

    def __init__(
        self, sectors: dict[str, str] | None = None, factors: FirmFactors | None = None, *, together: bool = False
    ) -> None:
        self.sector_of = sectors or {}
        self.factors = factors
        self.risks = factors.names if factors is not None else {}
        self.sectors: dict[str, int] = defaultdict(int)
        self._together = Together() if together else None
        self.ends: dict[str, tuple[int, int]] = {}
        """Of each name, its value when all sales fill, and when all purchases do."""
        self.slack = Slack()
        self.settled = 0
        """Times that the sums of factors were brought up to date."""
        self._known: dict[str, tuple[Loads, Loads]] = {}
        size = len(factors.factors) if factors is not None else 0
        self._named, self._rotated, self._specific = Box.empty(size), Box.empty(size), 0
        self._sizes = [0] * size
        self._variance = 0
        self._pending: dict[str, tuple[int, int]] = {}
        """Ends of names as the sums have them, where they are others now."""
        self._prices: dict[str, int] = {}
        self._counted: dict[tuple[str, str], tuple[int, int]] = {}
        """Shares of each line, at the worst and when all fills."""
        self._extents: dict[str, int] = defaultdict(int)
        self._held: dict[str, dict[str, int]] = defaultdict(dict)
        """Shares by symbol and manager, when all fills."""
        self._waiting: set[tuple[str, str]] = set()
        """Symbols and managers whose value is another than they are side by side with."""

    @property
    def together(self) -> Together | None:
        """The managers side by side, brought up to date; None where nothing asks for them."""
        if self._together is None or not self._waiting:
            return self._together
        values = {
            symbol: {pm: shares * self._prices.get(symbol, 1) for pm, shares in self._held[symbol].items()}
            for symbol in {symbol for symbol, _ in self._waiting}
        }
        if len(self._waiting) > _FEW:
            self._together = Together.of({**self._together.values, **values}, self.risks)
        else:
            for symbol, pm in self._waiting:
                step = values[symbol][pm] - self._together.values[symbol].get(pm, 0)
                self._together.add(pm, symbol, step, self.risks[symbol])
        self._waiting.clear()
        return self._together

    def price(self, symbol: str, mark: int) -> None:
        """Value what ``line`` counts of a name at another price; it is 1 until one is set."""
        step = mark - self._prices.get(symbol, 1)
        if step == 0:
            return
        self._prices[symbol] = mark
        self.sectors[self.sector_of.get(symbol, "")] += self._extents[symbol] * step
        if self._together is not None and symbol in self.risks:
            self._waiting.update((symbol, pm) for pm in self._held[symbol])

    def line(self, pm: str, account: str, symbol: str, size: int, filled: int) -> None:
        """Set what is counted of an account's holding: its shares at the worst, and when all open orders fill."""
        key, mark = (account, symbol), self._prices.get(symbol, 1)
        was, was_filled = self._counted.get(key, (0, 0))
        self._counted[key] = size, filled
        self._extents[symbol] += size - was
        self.sectors[self.sector_of.get(symbol, "")] += (size - was) * mark
        if filled != was_filled and self._together is not None and symbol in self.risks:
            held = self._held[symbol]
            held[pm] = held.get(pm, 0) + filled - was_filled
            self._waiting.add((symbol, pm))

    def name(self, symbol: str, lowest: int, highest: int) -> None:
        """Set what is counted of a name over all accounts: the ends of its value."""
        low, high = self.ends.get(symbol, (0, 0))
        if (low, high) == (lowest, highest):
            return
        self.ends[symbol] = lowest, highest
        if symbol in self.risks:
            loads = self._loads(symbol)
            self._pending.setdefault(symbol, (low, high))
            step = max(abs(lowest - low), abs(highest - high))
            self.slack.size += loads[0].reach * step
            self.slack.norm += loads[1].reach * step

    def is_modelled(self, symbol: str) -> bool:
        """Whether the factors know a name."""
        return symbol in self.risks

    def growth(self, symbol: str, step: int) -> tuple[int, int]:
        """Bounds of ``sizes`` and of the root of ``variance`` after a name's ends moved by a step at most.

        They are relative to what was when the sums were brought up to date last. Raises ``KeyError``.
        """
        named, rotated = self._loads(symbol)
        return self.slack.size + named.reach * step, self.slack.norm + rotated.reach * step

    def last(self) -> tuple[list[int], int]:
        """``sizes`` and ``variance`` when they were brought up to date last."""
        return self._sizes, self._variance

    def sizes(self, symbol: str | None = None, *, lower: int = 0, upper: int = 0) -> list[int]:
        """(K,) largest exposures, in money times ``SCALE``, after a name's ends moved; raises ``KeyError``."""
        self._settle()
        if symbol is None:
            return self._sizes
        return self._named.moved(self._loads(symbol)[0], lower, upper).sizes()

    def variance(self, symbol: str | None = None, *, lower: int = 0, upper: int = 0) -> int:
        """Bound of the variance, in money and scale squared, after a name's ends moved; raises ``KeyError``."""
        self._settle()
        if symbol is None:
            return self._variance
        low, high = self.ends.get(symbol, (0, 0))
        grown = max(high + upper, -low - lower) ** 2 - max(high, -low) ** 2
        sizes = self._rotated.moved(self._loads(symbol)[1], lower, upper).sizes()
        return sum([size * size for size in sizes]) + self._specific + self.risks[symbol].specific * grown

    def correlations(self, pm: str, symbol: str, value: int) -> list[tuple[str, int, int]]:
        """As ``Together.correlations`` after a manager's holding of a name grew by so much; raises ``KeyError``."""
        together = self.together
        assert together is not None
        steps = together.steps(pm, symbol, value, self.risks[symbol]) if value else {}
        return list(together.correlations(pm, steps))

    def _loads(self, symbol: str) -> tuple[Loads, Loads]:
        """On named and on uncorrelated factors, made when first they are needed."""
        found = self._known.get(symbol)
        if found is None:
            found = self._known[symbol] = _loads(self.risks[symbol])
        return found

    def _settle(self) -> None:
        if not self._pending:
            return
        for symbol, (low, high) in self._pending.items():
            named, rotated = self._loads(symbol)
            lowest, highest = self.ends[symbol]
            self._named = self._named.moved(named, lowest - low, highest - high)
            self._rotated = self._rotated.moved(rotated, lowest - low, highest - high)
            grown = max(highest, -lowest) ** 2 - max(high, -low) ** 2
            self._specific += self.risks[symbol].specific * grown
        self._pending.clear()
        self.slack = Slack()
        self.settled += 1
        self._sizes = self._named.sizes()
        self._variance = sum([size * size for size in self._rotated.sizes()]) + self._specific

    def unmodelled(self) -> list[str]:
        """Names held, or ordered, that the factors do not know."""
        return sorted(name for name, ends in self.ends.items() if ends != (0, 0) and name not in self.risks)


def var_exceeds(variance: int, limit: int) -> bool:
    """Whether the VaR of a variance is above a limit in money."""
    return variance * _QUANTILE > limit * limit * SCALE**3


def var_of(variance: int) -> int:
    """The VaR of a variance, in money, rounded down."""
    return isqrt(variance * _QUANTILE // SCALE) // SCALE


def correlation_exceeds(covariance: int, product: int, bps: int) -> bool:
    """Whether a correlation is above a limit in basis points of one."""
    return covariance > 0 and covariance * covariance * 10**8 > bps * bps * product


def largest_norm(limit: int) -> int:
    """The root of the largest variance, in money times ``SCALE``, whose VaR is within a limit in money."""
    return isqrt(limit * limit * SCALE**3 // _QUANTILE)


def _loads(risk: NameRisk) -> tuple[Loads, Loads]:
    """Of named and of uncorrelated factors."""
    reach = isqrt(sum(it * it for it in risk.rotated) + risk.specific) + 1
    widest = max((abs(it) for it in risk.loadings), default=0)
    return Loads.of(risk.loadings, widest), Loads.of(risk.rotated, reach)


def _pair(pm: str, other: str) -> tuple[str, str]:
    return (pm, other) if pm <= other else (other, pm)
