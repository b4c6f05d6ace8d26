"""How long it takes to sell a book, what it costs, and how much more can be lost until it is sold.

A position whose volume nobody knows, or that is not traded at all, is never counted as liquid: it is named, its score
is zero, and no ladder sells it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quantray.arrays import Float
from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.execution.impact import square_root_impact
from quantray.risk.positions.book import Book

__all__ = [
    "Funding",
    "LiquidityRisk",
    "concentration_multiplier",
    "funding_need",
    "ladder",
    "liquidation_cost",
    "liquidation_days",
    "liquidity_risk",
    "liquidity_scores",
]

HORIZONS = (1, 2, 5, 10, 20, 60)
"""Days of a ladder."""
_LONGEST = 1260
"""Days after which a sale counts as done in what risk remains: five years."""


@dataclass(frozen=True, eq=False)
class LiquidityRisk:
    """The liquidity of a book; fractions of NAV."""

    days: Float
    """(N,) to sell each position; NaN where unknown."""
    scores: Float
    """(N,) from 0 to 1, see ``liquidity_scores``."""
    horizons: tuple[int, ...]
    """Days of the ladder."""
    sold: tuple[float, ...]
    """Share of the book's gross exposure sold by then; positions of unknown volume never are."""
    spread_cost: float
    """Half of the spread on all that is sold; positions without a quote cost nothing here."""
    costs: Float
    """(N,) of selling each position, see ``liquidation_cost``."""
    impact_cost: float
    """What selling moves the price by; positions of unknown volume or volatility cost nothing here."""
    var: float
    """Of one day, without liquidity; see ``Book.tail``."""
    spread_add_on: float
    """Half of a wide spread: what the market's liquidity adds to the VaR."""
    multiplier: float
    """See ``concentration_multiplier``."""
    unknown: tuple[str, ...]
    """Positions whose volume nobody knows or that are not traded."""
    unquoted: tuple[str, ...]
    """Positions without a spread."""
    level: float

    @property
    def longest(self) -> float:
        """Days to sell all positions of known volume; zero without any."""
        return float(np.nanmax(self.days, initial=0.0))

    @property
    def adjusted_var(self) -> float:
        """The VaR with a wide spread and the impact of selling all."""
        return self.var + self.spread_add_on + self.impact_cost


def liquidity_risk(
    book: Book,
    *,
    participation: float = 0.10,
    horizons: Sequence[int] = HORIZONS,
    coefficient: float = 1.0,
    spread_volatility_bps: Float | None = None,
    spread_deviations: float = 3.0,
    level: float = 0.99,
) -> LiquidityRisk:
    """The liquidity of a book: days, ladder, costs, and the VaR that they are added to.

    Parameters
    ----------
    book : with a model.
    participation : share of a day's volume that may be sold, above 0 and at most 1.
    coefficient : of the square root law.
    spread_volatility_bps : (N,) standard deviation of the spread; by default none, so that spreads stay as quoted.
    spread_deviations : by which a wide spread exceeds the quoted one; 2 to 4.5 by the authors.

    Raises
    ------
    InputError
        The book has no model, or a setting is out of range.

    Source: Bangia, Diebold, Schuermann and Stroughair (1999), *Modeling liquidity risk, with implications for
    traditional market risk measurement and management*, for the spread's part of the loss, which they call exogenous;
    the impact of the position's own size is added as its endogenous part.
    """
    book.needed("model", "liquidity risk")
    if not 0.5 <= level < 1 or not spread_deviations >= 0:
        raise InputError(
            f"level {level} must be at least 0.5 and below 1, and spread_deviations {spread_deviations} not negative."
        )
    held = book.weights != 0
    days = liquidation_days(book.weights, book.adv, participation=participation)
    size, quoted = np.abs(book.weights), ~np.isnan(book.spread_bps)
    half = np.where(quoted, book.spread_bps, 0.0) * 0.5e-4
    add_on = half
    if spread_volatility_bps is not None:
        wider = half + np.asarray(spread_volatility_bps, dtype=np.float64) * spread_deviations * 0.5e-4
        add_on = np.where(quoted & ~np.isnan(wider), wider, 0.0)
    impact = _impact(book, coefficient)
    return LiquidityRisk(
        days=days,
        scores=liquidity_scores(days),
        horizons=tuple(int(day) for day in horizons),
        sold=tuple(ladder(book.weights, days, horizons).tolist()),
        spread_cost=float(size @ half),
        costs=_spread_cost(book) + impact,
        impact_cost=float(np.nansum(impact)),
        var=book.tail(level).var,
        spread_add_on=float(size @ add_on),
        multiplier=concentration_multiplier(book, days),
        unknown=tuple(book.names[held & np.isnan(days)].tolist()),
        unquoted=tuple(book.names[held & ~quoted].tolist()),
        level=level,
    )


def liquidation_days(weights: Float, adv: Float, *, participation: float = 0.10) -> Float:
    """(N,) days that selling a share of each day's volume takes.

    Parameters
    ----------
    weights : (N,); shorts are bought back.
    adv : (N,) money traded on a usual day, in the unit of the weights.
    participation : share of the volume, above 0 and at most 1.

    Returns
    -------
    Zero where nothing is held; NaN where something is and its volume is unknown or zero.

    Raises
    ------
    InputError
        The shapes disagree, or the participation is out of range.
    """
    weights, adv = np.asarray(weights, dtype=np.float64), np.asarray(adv, dtype=np.float64)
    if weights.shape != adv.shape or not 0 < participation <= 1:
        raise InputError(
            f"weights are {weights.shape}, adv {adv.shape} and participation {participation}: give one adv for each "
            "weight, and a share of the volume above 0 and up to 1."
        )
    days = np.full(weights.shape, np.nan)
    np.divide(np.abs(weights), participation * adv, out=days, where=adv > 0)
    return np.asarray(np.where(weights == 0, 0.0, days))


def liquidity_scores(days: Float) -> Float:
    """(N,) share of each position that can be sold in a day, from 0 to 1; 0 where the days are unknown."""
    known = ~np.isnan(days)
    return np.asarray(np.divide(1.0, np.maximum(days, 1.0), out=np.zeros(len(days)), where=known))


def ladder(weights: Float, days: Float, horizons: Sequence[int] = HORIZONS) -> Float:
    """(D,) share of the gross exposure sold by each horizon, each position evenly over its days.

    Parameters
    ----------
    weights : (N,).
    days : (N,) as ``liquidation_days`` gives them; those of unknown length are never sold.
    horizons : (D,) days.

    Raises
    ------
    InputError
        A horizon is not positive.
    """
    ahead = np.asarray(horizons, dtype=np.float64)
    if not (ahead > 0).all():
        raise InputError(f"horizons {list(horizons)} of a ladder must be positive days.")
    gross = float(np.abs(weights).sum())
    return np.asarray(_sold(ahead, days) @ np.abs(weights) / gross if gross > 0 else np.ones(len(ahead)))


def liquidation_cost(book: Book, *, coefficient: float = 1.0) -> Float:
    """(N,) what selling each position costs, as fractions of NAV: half of the spread and the impact of the whole.

    By the square root law the impact is that of the size of the order, however long it takes. NaN where the volume,
    the volatility or the spread of a position is unknown.

    Parameters
    ----------
    coefficient : of the square root law, about 1.

    Raises
    ------
    InputError
        The coefficient is negative.
    """
    return np.asarray(_spread_cost(book) + _impact(book, coefficient))


def concentration_multiplier(book: Book, days: Float) -> float:
    """How many times the risk of a day a book's risk is until all is sold, each position evenly over its days.

    A single position sold over n days has ``sqrt((n + 1) (2 n + 1) / (6 n))`` times the risk of a day; here the
    positions that are left on each day hedge one another, or no longer do. A book that can be sold in a day has 1.
    Positions of unknown volume are left out of both risks.

    Parameters
    ----------
    book : with a model.
    days : (N,) as ``liquidation_days`` gives them; after five years all counts as sold.

    Raises
    ------
    InputError
        The book has no model.

    Source: Jorion (2007), *Value at Risk*, 3rd ed., ch. 13, for the risk of a position that is sold evenly.
    """
    model = book.needed("model", "a concentration multiplier")
    known = ~np.isnan(days) & (book.weights != 0)
    if not known.any():
        return 1.0
    lasting = np.minimum(np.where(known, np.maximum(days, 1.0), 1.0), _LONGEST)
    first, total = 0.0, 0.0
    # Some days at a time: all at once, a large book would fill memory.
    for ahead in np.array_split(np.arange(np.ceil(lasting.max())), np.ceil(lasting.max() / 64)):
        variances = _variances(model, book.part(np.maximum(1 - ahead[:, None] / lasting, 0.0) * known))
        first, total = first or float(variances[0]), total + float(variances.sum())
    return float(np.sqrt(total / first)) if first > 0 else 1.0


@dataclass(frozen=True)
class Funding:
    """The cash that a book may have to find, as fractions of NAV, and how soon sales raise it."""

    margin: float
    """More initial margin and the loss of unfunded positions, to be paid at once."""
    redemptions: float
    cash: float
    need: float
    """What cash does not cover; at least zero."""
    by_horizon: tuple[float, ...]
    """What sales net of costs raise by each horizon."""
    days: float | None
    """First horizon by which the need is covered; None if none is long enough."""


def funding_need(
    book: Book,
    days: Float,
    *,
    cash: float,
    redemptions: float = 0.0,
    margin: float = 0.0,
    horizons: Sequence[int] = HORIZONS,
) -> Funding:
    """Whether cash and sales pay for margin calls and redemptions, and by when.

    Long positions are sold evenly over their days; shorts and unfunded positions raise nothing.

    Parameters
    ----------
    days : (N,) as ``liquidation_days`` gives them.
    cash : free of margin.
    redemptions, margin : to be paid, positive; the margin holds what unfunded positions lose in a stress, too.

    Raises
    ------
    InputError
        An amount is negative.
    """
    if not (redemptions >= 0 and margin >= 0):
        raise InputError(
            f"redemptions {redemptions} and margin {margin} are amounts to pay; they must not be negative."
        )
    value = book.weights if book.sensitivities is None else book.sensitivities.value
    cost = np.nan_to_num(liquidation_cost(book)) / np.maximum(np.abs(book.weights), 1e-300)
    worth = np.maximum(value, 0.0) * np.maximum(1 - cost, 0.0)
    ahead = np.asarray(horizons, dtype=np.float64)
    raised = _sold(ahead, days) @ worth
    need = max(redemptions + margin - cash, 0.0)
    enough = np.flatnonzero(raised >= need)
    when = 0.0 if need == 0 else float(ahead[enough[0]]) if len(enough) else None
    return Funding(margin, redemptions, cash, need, tuple(raised.tolist()), when)


def _sold(ahead: Float, days: Float) -> Float:
    """(D, N) share of each position that is sold by each horizon; nothing where the days are unknown."""
    rate = np.divide(1.0, np.maximum(days, 1e-12), out=np.zeros(len(days)), where=~np.isnan(days))
    return np.minimum(ahead[:, None] * rate, 1.0)


def _spread_cost(book: Book) -> Float:
    """(N,) half of the spread on each position; NaN where nobody quotes."""
    return np.where(book.weights == 0, 0.0, np.abs(book.weights) * book.spread_bps * 0.5e-4)


def _impact(book: Book, coefficient: float) -> Float:
    """(N,) cost of selling each position whole; NaN where volume or volatility are unknown."""
    if not coefficient >= 0:
        raise InputError(f"the coefficient {coefficient} of the square root law must not be negative.")
    size = np.abs(book.weights)
    model = square_root_impact(book.adv, book.volatility, coefficient=coefficient)
    out, known = np.where(size == 0, 0.0, np.nan), model.known
    if known.all():
        return model.cost(size)
    out[known] = model.select(known).cost(size[known])
    return np.asarray(out)


def _variances(model: FactorModel, exposure: Float) -> Float:
    """(D,) of (D, M) exposures."""
    factors = exposure @ model.loadings
    return np.asarray(
        ((factors @ model.factor_covariance) * factors).sum(axis=1) + exposure**2 @ model.specific_variance
    )
