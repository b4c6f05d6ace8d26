"""The limits of a portfolio, in the words of a mandate, and their translation into rows and bounds."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from quantray.arrays import TRADING_DAYS, Bool, Float, Names
from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.portfolio.solve import InfeasibleError, Relaxation

__all__ = ["MARKET_NEUTRAL", "Limits", "Market", "NamedRows", "bounds", "coupling_rows"]

Range = tuple[float, float]

_EASABLE = ("turnover", "gross", "beta", "budget", "position size", "trade size")
_EASABLE_ROWS = ("sector ", "factor ")
_SAME = 1e-12
"""Bounds that cross by less are equal but for rounding."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a portfolio may be; all weights are fractions of NAV.

    Parameters
    ----------
    budget : range of the sum of weights; (1, 1) is fully invested, (0, 0) market neutral.
    weight : range of every single weight; a lower end of 0 is long-only.
    gross : most of the sum of absolute weights.
    turnover : most of half the money traded in one rebalance (buying a whole portfolio from cash is 0.5).
    annual_turnover : the same over a year; a rebalance may use what earlier ones left (``used_turnover``).
    beta : range of the portfolio's beta.
    sectors : sector -> range of its net weight; ``"*"`` holds for every sector not named. A sector that nobody is in
        has a net weight of 0, so its range must hold 0.
    factors : factor name -> range of the portfolio's exposure.
    adv_position, adv_trade : most of a position, and of a trade, as a share of a day's average volume.
    tracking_error : most of the yearly standard deviation of the return against the benchmark.
    minimum_trade : smaller trades are not made.
    relax : names of limits that may give way when nothing else helps, in this order: ``turnover``, ``gross``,
        ``beta``, ``budget``, ``sector NAME``, ``factor NAME``, ``position size``, ``trade size``.
    periods_per_year : of the model, for the tracking error.

    Raises
    ------
    InputError
        A range is upside down, a limit negative, or a name in ``relax`` is no limit that can give way.
    """

    budget: Range = (1.0, 1.0)
    weight: Range = (0.0, 1.0)
    gross: float | None = None
    turnover: float | None = None
    annual_turnover: float | None = None
    beta: Range | None = None
    sectors: Mapping[str, Range] = field(default_factory=dict)
    factors: Mapping[str, Range] = field(default_factory=dict)
    adv_position: float | None = None
    adv_trade: float | None = None
    tracking_error: float | None = None
    minimum_trade: float = 0.0
    relax: tuple[str, ...] = ()
    periods_per_year: int = TRADING_DAYS

    def __post_init__(self) -> None:
        ranges = {"budget": self.budget, "weight": self.weight, **dict(self.sectors), **dict(self.factors)}
        if self.beta is not None:
            ranges["beta"] = self.beta
        for name, (low, high) in ranges.items():
            if not low <= high:
                raise InputError(f"the range of {name} is ({low}, {high}); the lower end comes first.")
        for name in ("gross", "turnover", "annual_turnover", "adv_position", "adv_trade", "tracking_error"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise InputError(f"{name} is {value}; it must not be negative.")
        if not self.minimum_trade >= 0 or not self.periods_per_year > 0:
            raise InputError(
                f"minimum_trade is {self.minimum_trade} and periods_per_year {self.periods_per_year}; they must not be "
                "negative, nor periods_per_year zero."
            )
        if unknown := [name for name in self.relax if name not in _EASABLE and not name.startswith(_EASABLE_ROWS)]:
            raise InputError(
                f"relax names {unknown[0]!r}; it may name {', '.join(_EASABLE)}, 'sector NAME' and 'factor NAME'."
            )


MARKET_NEUTRAL = Limits(
    budget=(0.0, 0.0),
    weight=(-0.05, 0.05),
    gross=2.0,
    beta=(-0.10, 0.10),
    annual_turnover=3.0,
    adv_position=0.05,
)
"""An institutional long-short mandate: no net position, beta near zero, turnover of 3 a year, at most 5 % of a day's
volume in a name. With the default ``mean_variance.Objective`` (risk aversion 25, cost aversion 5) it is complete."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Market:
    """What is known of N assets on the day; leave out what no limit and no cost needs.

    Parameters
    ----------
    cost : linear cost as a fraction of the money traded, such as half the spread.
    impact : coefficient of |trade|^(3/2), with trades as fractions of NAV.
    borrow : cost over one period of a unit sold short.
    tax : of a holding sold, as a fraction of the money: the rate times the gain's share of the price. A loss is
        negative and saves tax; a name whose loss saves more than buying back costs is not bought.
    beta : (N,).
    sectors : (N,) labels.
    adv : average money traded in a day, as a fraction of NAV.
    benchmark : (N,) weights.
    restricted : names that must not be held.
    """

    cost: Float | None = None
    impact: Float | None = None
    borrow: Float | None = None
    tax: Float | None = None
    beta: Float | None = None
    sectors: Names | None = None
    adv: Float | None = None
    benchmark: Float | None = None
    restricted: Bool | None = None

    def checked(self, n_assets: int) -> "Market":
        """Itself, after checking lengths and values."""
        for name in ("cost", "impact", "borrow", "tax", "beta", "sectors", "adv", "benchmark", "restricted"):
            values = getattr(self, name)
            if values is None:
                continue
            if np.shape(values) != (n_assets,):
                raise InputError(f"{name} is {np.shape(values)} for {n_assets} assets.")
            if name not in ("sectors", "restricted"):
                if not np.isfinite(values).all():
                    raise InputError(f"{name} holds NaN or infinite values; leave those assets out or fill them.")
                if name in ("cost", "impact", "borrow", "adv") and (np.asarray(values) < 0).any():
                    raise InputError(f"{name} holds negative values.")
        return self

    def needed(self, name: str, limit: str) -> Float:
        """A field that a limit needs."""
        values = getattr(self, name)
        if values is None:
            raise InputError(f"the limit on {limit} needs Market({name}=...).")
        return np.asarray(values)


@dataclass(frozen=True, eq=False)
class NamedRows:
    """Linear limits on all weights together."""

    names: tuple[str, ...]
    rows: Float
    """(M, N)."""
    lower: Float
    """(M,)."""
    upper: Float
    """(M,)."""


def coupling_rows(limits: Limits, market: Market, model: FactorModel) -> NamedRows:
    """The budget, beta, sectors and factor exposures as rows.

    Raises
    ------
    InputError
        A limit needs data that the market does not give, a limit or ``relax`` names a factor that is not there, or a
        sector that nobody is in must have weight.
    """
    names, rows, ranges = ["budget"], [np.ones(model.n_assets)], [limits.budget]
    if limits.beta is not None:
        names.append("beta")
        rows.append(market.needed("beta", "beta"))
        ranges.append(limits.beta)
    if limits.sectors:
        labels = market.needed("sectors", "sectors").astype(np.str_)
        present = [str(label) for label in np.unique(labels)]
        for name, (least, most) in limits.sectors.items():
            if name != "*" and name not in present and not least <= 0 <= most:
                raise InputError(
                    f"nobody is in sector {name!r}, whose weight must lie between {least:g} and {most:g}; the sectors "
                    f"are {', '.join(present)}."
                )
        for label in present:
            span = limits.sectors.get(label, limits.sectors.get("*"))
            if span is not None:
                names.append(f"sector {label}")
                rows.append((labels == label).astype(np.float64))
                ranges.append(span)
    known = [] if model.factor_names is None else model.factor_names.tolist()
    for name, span in limits.factors.items():
        if name not in known:
            raise InputError(f"factor {name!r} is not in the model; it has {', '.join(known)}.")
        names.append(f"factor {name}")
        rows.append(model.loadings[:, known.index(name)])
        ranges.append(span)
    met = [f"sector {name}" for name in limits.sectors]
    if lost := [n for n in limits.relax if n.startswith(_EASABLE_ROWS) and n not in names and n not in met]:
        raise InputError(f"relax names {lost[0]!r}, but there is no such limit; the rows are {', '.join(names)}.")
    spans = np.array(ranges, dtype=np.float64)
    return NamedRows(tuple(names), np.array(rows, dtype=np.float64), spans[:, 0], spans[:, 1])


def bounds(limits: Limits, market: Market, previous: Float) -> tuple[Float, Float, tuple[Relaxation, ...]]:
    """(N,) lower and upper bounds of the weights, and which sizes gave way where two bounds exclude each other.

    Raises
    ------
    InfeasibleError
        Two bounds exclude each other on an asset and neither may be relaxed.
    """
    n_assets = len(previous)
    low, high = limits.weight
    sources: list[tuple[str, Float, Float]] = [("weight", np.full(n_assets, low), np.full(n_assets, high))]
    if limits.adv_position is not None:
        most = limits.adv_position * market.needed("adv", "position size")
        sources.append(("position size", -most, most))
    if limits.adv_trade is not None:
        most = limits.adv_trade * market.needed("adv", "trade size")
        sources.append(("trade size", previous - most, previous + most))
    if market.restricted is not None:
        closed = np.where(market.restricted, 0.0, np.inf)
        sources.append(("restricted", -closed, closed))
    declared: dict[str, tuple[Float, Float]] = {}
    for name in [*limits.relax, None]:
        lower, upper = _meet(sources)
        crossed = lower > upper + _SAME
        if not crossed.any():
            break
        if name is None:
            raise _crossed(sources, lower, upper)
        for place, (source, source_low, source_high) in enumerate(sources):
            if source == name:
                others_low, others_high = _meet([s for s in sources if s[0] != name])
                wider_low = np.where(crossed, np.minimum(source_low, others_high), source_low)
                wider_high = np.where(crossed, np.maximum(source_high, others_low), source_high)
                declared[name] = (source_low, source_high)
                sources[place] = (source, wider_low, wider_high)
    relaxed = []
    for name, (least, most) in declared.items():
        # What gave way first may turn out not to be in the way: then it holds as declared.
        needed = np.maximum(np.maximum(lower - most, least - upper), 0.0)
        needed[needed <= _SAME] = 0.0
        lower = np.where(needed > 0, lower, np.maximum(lower, least))
        upper = np.where(needed > 0, upper, np.minimum(upper, most))
        if (count := int((needed > 0).sum())) > 0:
            relaxed.append(Relaxation(f"{name} ({count} names)", 0.0, float(needed.max())))
    return lower, np.maximum(lower, upper), tuple(relaxed)


def _meet(sources: list[tuple[str, Float, Float]]) -> tuple[Float, Float]:
    """(N,) the bounds that all sources together leave."""
    return np.max([source[1] for source in sources], axis=0), np.min([source[2] for source in sources], axis=0)


def _crossed(sources: list[tuple[str, Float, Float]], lower: Float, upper: Float) -> InfeasibleError:
    asset = int(np.argmax(lower - upper))
    from_below = max(sources, key=lambda source: source[1][asset])
    from_above = min(sources, key=lambda source: source[2][asset])
    count = int((lower > upper + _SAME).sum())
    missing = float(lower[asset] - upper[asset])
    return InfeasibleError(
        f"{from_below[0]} and {from_above[0]} exclude each other on {count} assets, most on asset {asset}: at least "
        f"{lower[asset]:.6g} and at most {upper[asset]:.6g}; ease one of them by {missing:.6g} or name it in relax.",
        (Relaxation(from_below[0], float(lower[asset]), float(upper[asset])),),
    )
