"""Were the forecasts of losses right? Tests of value-at-risk and expected shortfall against what happened.

A hit is a day whose loss exceeded the value-at-risk that was forecast for it. If forecasts are right, hits come with
the probability that the level says, on days that nothing told of, and losses on them average the expected shortfall.
Each test turns one of these into a statistic and a p-value: the probability of a statistic at least so far out if the
forecasts are right.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from quantray.arrays import Bool, Float
from quantray.errors import InputError
from quantray.risk.forecasting.quantiles import normal_quantile, normal_shortfall, student_quantile, student_shortfall

__all__ = [
    "RiskTest",
    "TrafficLight",
    "acerbi_szekely",
    "christoffersen",
    "conditional_coverage",
    "du_escanciano",
    "duration",
    "kupiec",
    "traffic_light",
]


@dataclass(frozen=True)
class RiskTest:
    """A test of forecasts."""

    name: str
    statistic: float
    p_value: float
    """Small where right forecasts would hardly give such a statistic."""
    n_days: int
    n_hits: int


@dataclass(frozen=True)
class TrafficLight:
    """The zone in which a bank's supervisor sees the number of hits."""

    zone: str
    """``green``, ``yellow`` or ``red``."""
    probability: float
    """Of at most so many hits if forecasts are right."""
    multiplier: float | None
    """What capital is multiplied by, for 250 days at 99 %; None elsewhere, for the rule names no others."""
    n_days: int
    n_hits: int


def kupiec(hits: int, days: int, probability: float) -> RiskTest:
    """Whether hits come as often as they should. Proportion of failures, likelihood ratio with one degree of freedom.

    Parameters
    ----------
    hits : days whose loss exceeded the value-at-risk.
    days : days forecast.
    probability : of a hit on each day, one less the level: 0.05 for a value-at-risk at 95 %.

    Raises
    ------
    InputError
        No days, more hits than days, or a probability outside 0 to 1.

    Source: Kupiec (1995), *Techniques for verifying the accuracy of risk measurement models*, Journal of Derivatives 3.
    """
    _require(hits, days, probability)
    miss = days - hits
    seen = special.xlogy(hits, hits / days) + special.xlogy(miss, miss / days)
    statistic = 2 * (seen - special.xlogy(hits, probability) - special.xlogy(miss, 1 - probability))
    return _ratio("Kupiec, proportion of failures", float(statistic), 1, days, hits)


def christoffersen(hits: Bool) -> RiskTest:
    """Whether hits are as likely after a hit as after a day without. Likelihood ratio with one degree of freedom.

    Parameters
    ----------
    hits : (T,) in order of time.

    Raises
    ------
    InputError
        Fewer than two days.

    Source: Christoffersen (1998), *Evaluating interval forecasts*, International Economic Review 39. Hits that never
    follow one another are no proof of independence: where there are none in succession, what days after hits say still
    counts.
    """
    hits = _days(hits)
    if len(hits) < 2:
        raise InputError(f"{len(hits)} days show no succession; give at least two.")
    before, after = hits[:-1], hits[1:]
    counts = np.array(
        [[np.sum(~before & ~after), np.sum(~before & after)], [np.sum(before & ~after), np.sum(before & after)]]
    )
    alike = counts.sum(axis=0)
    statistic = 2 * (sum(_likelihood(row) for row in counts) - _likelihood(alike))
    return _ratio("Christoffersen, independence", float(statistic), 1, len(hits), int(hits.sum()))


def conditional_coverage(hits: Bool, probability: float) -> RiskTest:
    """Whether hits come as often as they should, and independently. Likelihood ratio with two degrees of freedom.

    Takes and raises as ``christoffersen`` and ``kupiec``, whose statistics it adds up.
    """
    hits = _days(hits)
    count = int(hits.sum())
    statistic = kupiec(count, len(hits), probability).statistic + christoffersen(hits).statistic
    return _ratio("Christoffersen, conditional coverage", statistic, 2, len(hits), count)


def duration(hits: Bool) -> RiskTest:
    """Whether the time since the last hit has no bearing on the next. Likelihood ratio with one degree of freedom.

    Without memory the days between hits are exponential; the alternative is Weibull's distribution, whose hazard rises
    or falls with time. Times before the first and after the last hit count as at least so long.

    Parameters
    ----------
    hits : (T,) in order of time.

    Raises
    ------
    InputError
        Fewer than two hits, or hits so regular that no distribution fits them best.

    Source: Christoffersen and Pelletier (2004), *Backtesting value-at-risk: a duration-based approach*, Journal of
    Financial Econometrics 2.
    """
    hits = _days(hits)
    rows = np.flatnonzero(hits)
    if len(rows) < 2:
        raise InputError(f"{len(rows)} hits span no time; the test of durations takes two at least.")
    between = np.diff(rows).astype(np.float64)
    # A hit on the first or on the last day leaves nothing open.
    open_ended = np.array([time for time in (rows[0], len(hits) - 1 - rows[-1]) if time > 0], dtype=np.float64)

    def fit(shape: float) -> float:
        """Log likelihood of Weibull's distribution of a shape, at the scale that makes it largest."""
        total = float((between**shape).sum() + (open_ended**shape).sum())
        n = len(between)
        return float(n * np.log(n / total) + n * np.log(shape) + (shape - 1) * np.log(between).sum() - n)

    best = optimize.minimize_scalar(
        lambda log: -fit(np.exp(log)), bounds=(np.log(0.02), np.log(50.0)), method="bounded"
    )
    if best.x > np.log(49.0):
        raise InputError(
            f"{len(rows)} hits come at nearly equal times, to which every steeper hazard fits better; give more days."
        )
    statistic = 2 * (-float(best.fun) - fit(1.0))
    return _ratio("Christoffersen-Pelletier, durations", statistic, 1, len(hits), len(rows))


_MULTIPLIERS = (3.0, 3.0, 3.0, 3.0, 3.0, 3.4, 3.5, 3.65, 3.75, 3.85, 4.0)


def traffic_light(hits: int, days: int, probability: float) -> TrafficLight:
    """The supervisor's zone of a number of hits; takes and raises as ``kupiec``.

    Green below 95 % and yellow below 99.99 % of the binomial distribution of the number of hits.

    Source: Basel Committee (1996), *Supervisory framework for the use of backtesting*.
    """
    _require(hits, days, probability)
    below = float(special.bdtr(hits, days, probability))
    zone = "green" if below < 0.95 else "yellow" if below < 0.9999 else "red"
    named = days == 250 and np.isclose(probability, 0.01)
    return TrafficLight(zone, below, _MULTIPLIERS[min(hits, 10)] if named else None, days, hits)


def acerbi_szekely(
    losses: Float,
    var: Float,
    shortfall: Float,
    probability: float,
    *,
    average: bool = True,
    degrees: float = np.inf,
    n_draws: int = 10_000,
    seed: int = 0,
) -> RiskTest:
    """Whether losses beyond the value-at-risk are as large as the expected shortfall says.

    The statistic is zero on average if forecasts are right, and below zero where losses were larger. Its distribution
    is simulated with losses of the forecast shortfall from a normal distribution or Student's t, and the p-value is
    that of statistics so low or lower.

    Parameters
    ----------
    losses : (T,) positive where money was lost.
    var, shortfall : (T,) forecasts for the same days, positive fractions.
    probability : of a hit, one less the level.
    average : the first test, of the mean loss on days of hits, which takes their number as given; otherwise the second,
        of the sum, which notices too many hits as well.
    degrees : of freedom of the losses that are simulated.

    Raises
    ------
    InputError
        Shapes disagree, a value is missing, a shortfall is not positive or below its value-at-risk, there is one degree
        of freedom or less, no draw, or the first test has no hit.

    Source: Acerbi and Szekely (2014), *Backtesting expected shortfall*, Risk Magazine.
    """
    losses, var, shortfall = (np.asarray(each, dtype=np.float64) for each in (losses, var, shortfall))
    if not (losses.shape == var.shape == shortfall.shape and losses.ndim == 1):
        raise InputError(
            f"losses {losses.shape}, var {var.shape} and shortfall {shortfall.shape} must be of the same days."
        )
    if not ((shortfall > 0) & (shortfall >= var)).all():
        day = int(np.argmin((shortfall > 0) & (shortfall >= var)))
        raise InputError(
            f"the shortfall of day {day}, {shortfall[day]:g}, must be positive and at least its var {var[day]:g}."
        )
    if not np.isfinite(losses).all() or not degrees > 1 or n_draws < 1:
        raise InputError(
            f"{int((~np.isfinite(losses)).sum())} losses are missing, degrees are {degrees} and draws {n_draws}: give "
            "all losses, more than 1 degree of freedom, or a shortfall has no mean, and at least 1 draw."
        )
    hits = losses > var
    _require(int(hits.sum()), len(losses), probability)
    if average and not hits.any():
        raise InputError("no loss exceeded its value-at-risk, so none is there to average; use average=False.")
    statistic = float(_shortfall_ratio(losses[None, :], var, shortfall, probability, average)[0])
    draw = np.random.default_rng(seed)
    below, done = 0, 0
    quantile, tail = _standard_tail(probability, degrees)
    for start in range(0, n_draws, 500):
        size = min(500, n_draws - start)
        shocks = (
            draw.standard_normal((size, len(losses)))
            if np.isinf(degrees)
            else draw.standard_t(degrees, (size, len(losses)))
        )
        simulated = _shortfall_ratio(
            shocks * (shortfall / tail), quantile / tail * shortfall, shortfall, probability, average
        )
        known = simulated[~np.isnan(simulated)]
        below, done = below + int((known <= statistic).sum()), done + len(known)
    name = f"Acerbi-Szekely, {'mean' if average else 'sum'} of exceeding losses"
    return RiskTest(name, statistic, (below + 1) / (done + 1), len(losses), int(hits.sum()))


def du_escanciano(ranks: Float, probability: float, *, lags: int | None = None) -> RiskTest:
    """Whether losses in the tail are as large as forecast or, with lags, their depth is told by the days before.

    Parameters
    ----------
    ranks : (T,) forecast probability of a return as low as the one that came, between 0 and 1; uniform and independent
        if forecasts are right.
    probability : of the tail, one less the level.
    lags : None for the size of the tail, two-sided against the normal distribution; a number for its first
        autocorrelations, against chi-squared with as many degrees of freedom.

    Raises
    ------
    InputError
        Ranks outside 0 to 1, or with lags no more days than these or none in the tail.

    Source: Du and Escanciano (2017), *Backtesting expected shortfall: accounting for tail risk*, Management Science 63.
    """
    ranks = np.asarray(ranks, dtype=np.float64)
    if ranks.ndim != 1 or not ((ranks >= 0) & (ranks <= 1)).all():
        raise InputError(f"ranks {ranks.shape} must be (T,) probabilities between 0 and 1; NaN is none.")
    hits = ranks <= probability
    n = len(ranks)
    _require(int(hits.sum()), n, probability)
    depth = np.where(hits, (probability - ranks) / probability, 0.0)
    if lags is None:
        spread = np.sqrt(probability * (1 / 3 - probability / 4) / n)
        statistic = float((depth.mean() - probability / 2) / spread)
        return RiskTest(
            "Du-Escanciano, size of the tail", statistic, float(2 * special.ndtr(-abs(statistic))), n, int(hits.sum())
        )
    if not hits.any():
        # Centred at its expectation, an empty tail would look like perfect memory.
        raise InputError(f"none of {n} returns is in the tail, so it shows no memory; give more days.")
    if not 1 <= lags < n:
        raise InputError(f"{lags} lags take more than {n} days; give fewer.")
    centred = depth - probability / 2
    variance = float(centred @ centred) / n
    correlations = np.array(
        [float(centred[lag:] @ centred[:-lag]) / (n - lag) / variance for lag in range(1, lags + 1)]
    )
    return _ratio("Du-Escanciano, memory of the tail", float(n * (correlations**2).sum()), lags, n, int(hits.sum()))


def _shortfall_ratio(losses_st: Float, var: Float, shortfall: Float, probability: float, average: bool) -> Float:
    """(S,) statistics; NaN where the first test has no hit."""
    beyond = np.where(losses_st > var, losses_st / shortfall, 0.0).sum(axis=1)
    if not average:
        return np.asarray(1 - beyond / (losses_st.shape[1] * probability))
    count = (losses_st > var).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(1 - beyond / np.where(count > 0, count, np.nan))


def _standard_tail(probability: float, degrees: float) -> tuple[float, float]:
    """Value-at-risk and expected shortfall of a standard normal or Student's t loss."""
    if np.isinf(degrees):
        return normal_quantile(1 - probability), normal_shortfall(1 - probability)
    return student_quantile(1 - probability, degrees), student_shortfall(1 - probability, degrees)


def _likelihood(counts: npt.NDArray[np.int64]) -> float:
    """Largest log likelihood of misses and hits."""
    total = int(counts.sum())
    return float(sum(special.xlogy(count, count / total) for count in counts)) if total else 0.0


def _ratio(name: str, statistic: float, degrees: int, days: int, hits: int) -> RiskTest:
    # Rounding may leave a likelihood ratio of the same likelihood a hair below zero.
    statistic = max(0.0, statistic)
    return RiskTest(name, statistic, float(special.chdtrc(degrees, statistic)), days, hits)


def _days(hits: Bool) -> Bool:
    hits = np.asarray(hits)
    if hits.ndim != 1 or hits.dtype != np.bool_:
        raise InputError(f"hits are {hits.shape} of {hits.dtype}; give (T,) booleans in order of time.")
    return hits


def _require(hits: int, days: int, probability: float) -> None:
    if days < 1 or not 0 <= hits <= days:
        raise InputError(f"{hits} hits in {days} days: give at least one day, and no more hits than days.")
    if not 0 < probability < 1:
        raise InputError(f"a hit's probability of {probability} must lie between 0 and 1: 0.05 for a level of 95 %.")
