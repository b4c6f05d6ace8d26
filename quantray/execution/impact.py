"""What trading moves prices by, and what that costs: one model for schedules, backtests and optimisers.

A trade of the amount x, at an even rate over T days, in a name of which ``adv`` is traded on a usual day, pays ::

    half_spread |x|  +  temporary (|x| / (adv T))^power |x|  +  permanent |x| / adv |x| / 2

Temporary impact is over when trading is. Permanent impact stays, so that half of it is paid on the way; it is linear in
the amount, since only then no round trip earns by it (Huberman and Stanzl, 2004). Amounts are in the unit of ``adv``:
shares or money. Impact that decays in between is in ``propagator``; parameters from fills are in ``impact_fit``.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from quantray.arrays import Bool, Float
from quantray.errors import InputError
from quantray.features.liquidity import dollar_volume
from quantray.features.returns import simple_returns
from quantray.features.technical import realised_volatility
from quantray.features.windows import window_mean

if TYPE_CHECKING:
    # A venue and its clients start without frames and solvers.
    from quantray.data.panel import Panel
    from quantray.portfolio.constraints import Market

__all__ = [
    "ADV",
    "DAILY_VOLATILITY",
    "CostTerms",
    "ImpactLaw",
    "ImpactModel",
    "LawName",
    "linear_impact",
    "square_root_impact",
    "three_fifths_impact",
    "with_liquidity",
]

ADV = "adv"
"""Field of a panel: mean money traded in a day, as known at its close."""
DAILY_VOLATILITY = "daily_volatility"
"""Field of a panel: volatility of a day's return, as known at its close."""

LawName = Literal["linear", "three_fifths", "square_root"]


@dataclass(frozen=True, eq=False)
class CostTerms:
    """The cost of trades t in fractions of NAV, as optimisers take it: ``linear|t| + quadratic t^2 + impact|t|^(3/2)``.

    All (N,) and fractions of NAV.
    """

    linear: Float
    quadratic: Float
    impact: Float

    def cost(self, trades: Float) -> Float:
        """(N,) fractions of NAV."""
        size = np.abs(trades)
        return np.asarray(self.linear * size + self.quadratic * size**2 + self.impact * size**1.5)


@dataclass(frozen=True, eq=False, kw_only=True)
class ImpactModel:
    """The impact of trades in N names, on one day (N,) or on many (T, N); see the module.

    Parameters
    ----------
    adv : shares or money traded in a usual day; NaN or zero where unknown.
    volatility : of a day's return.
    half_spread, temporary, permanent : fractions of the price; the last two at a trade of one day's volume in one day.
    power : of temporary impact in the rate of trading, above 0 and at most 1.

    Raises
    ------
    InputError
        A coefficient is negative, or the power is out of range.
    """

    adv: Float
    volatility: Float
    half_spread: Float
    temporary: Float
    permanent: Float
    power: float

    def __post_init__(self) -> None:
        names = ("adv", "volatility", "half_spread", "temporary", "permanent")
        arrays = [np.asarray(getattr(self, name), dtype=np.float64) for name in names]
        for name, values in zip(names, arrays, strict=True):
            if (values < 0).any() or (values == np.inf).any():
                raise InputError(f"{name} holds negative or infinite values; leave those names out.")
        for name, values in zip(names, np.broadcast_arrays(*arrays), strict=True):
            object.__setattr__(self, name, values)
        if not 0 < self.power <= 1:
            raise InputError(f"power {self.power} of temporary impact must be above 0 and at most 1.")

    @property
    def known(self) -> Bool:
        """(N,) where all parameters are known, so that a trade has a cost."""
        unknown = np.isnan(self.half_spread + self.temporary + self.permanent)
        return np.asarray((self.adv > 0) & ~unknown)

    def select(self, index: Any) -> "ImpactModel":
        """The model of some names, or of one day of many, given as numpy takes it."""
        names = ("adv", "volatility", "half_spread", "temporary", "permanent")
        return replace(self, **{name: getattr(self, name)[index] for name in names})

    def in_shares(self, price: Float) -> "ImpactModel":
        """The model for amounts in shares where ``adv`` is money; (N,) prices as quoted."""
        return replace(self, adv=self.adv / price)

    def fraction(self, traded: Float, *, days: float | Float = 1.0, before: float | Float = 0.0) -> Float:
        """(N,) cost of each trade as a fraction of its amount, zero where nothing is traded.

        Parameters
        ----------
        traded : (N,) amounts in the unit of ``adv``; sales negative.
        days : over which it is traded at an even rate, positive.
        before : (N,) amounts of the same orders that were traded earlier, whose permanent impact is paid in full.

        Raises
        ------
        InputError
            A traded name has no known volume, volatility or spread, or days are not positive.
        """
        size = np.abs(np.asarray(traded, dtype=np.float64))
        self._check(size, days)
        share, earlier = (
            np.divide(amount, self.adv, out=np.zeros(np.broadcast(size, self.adv).shape), where=size > 0)
            for amount in (size, np.abs(before))
        )
        moved = self.permanent * (share / 2 + earlier)
        paid = self.half_spread + self.temporary * (share / days) ** self.power + moved
        return np.where(size > 0, paid, 0.0)

    def cost(self, traded: Float, *, days: float | Float = 1.0, before: float | Float = 0.0) -> Float:
        """(N,) cost of each trade in its own unit, not negative; takes and raises as ``fraction``."""
        return np.abs(traded) * self.fraction(traded, days=days, before=before)

    def terms(self, nav: float, *, days: float = 1.0, at: float | None = None) -> CostTerms:
        """The same cost as coefficients of trades in fractions of NAV.

        Parameters
        ----------
        nav : in the unit of ``adv``, which must be money.
        days : over which each trade is executed.
        at : share of a day's volume at which a power other than 1 and 1/2 is replaced by 1/2 with the same cost.

        Raises
        ------
        InputError
            A name has no known parameters, the NAV is not positive, or a power needs ``at``.
        """
        if not nav > 0 or not self.known.all():
            raise InputError(
                f"nav {nav:g} must be positive, and adv and coefficients of all names known: leave out others."
            )
        scale = nav / self.adv
        quadratic, nothing = self.permanent * scale / 2, np.zeros_like(scale)
        if self.power == 1:
            return CostTerms(self.half_spread, quadratic + self.temporary * scale / days, nothing)
        if self.power != 0.5 and at is None:
            raise InputError(
                f"power {self.power} is none of an optimiser's; say at which participation 1/2 stands for it."
            )
        matched = self.temporary * (at or 1.0) ** (self.power - 0.5)
        return CostTerms(self.half_spread, quadratic, matched * np.sqrt(scale / days))

    def folded_terms(self, nav: float, *, days: float = 1.0, at: float = 0.05) -> CostTerms:
        """``terms`` for optimisers that know no quadratic cost: it becomes one of power 3/2.

        That costs the same where the share ``at`` of a day's volume is traded. Takes and raises as ``terms``.
        """
        terms = self.terms(nav, days=days, at=at)
        impact = terms.impact + terms.quadratic * np.sqrt(at * self.adv / nav)
        return CostTerms(terms.linear, np.zeros_like(impact), impact)

    def market(self, market: "Market", nav: float, *, days: float = 1.0, at: float = 0.05) -> "Market":
        """What an optimiser of one period knows of the day, with volumes and ``folded_terms`` as its costs."""
        terms = self.folded_terms(nav, days=days, at=at)
        return replace(market, cost=terms.linear, impact=terms.impact, adv=self.adv / nav)

    def _check(self, size: Float, days: float | Float) -> None:
        if not (np.asarray(days) > 0).all():
            raise InputError(f"a trade takes a positive number of days, not {np.min(days):g}.")
        unknown = ~((size == 0) | self.known)
        if unknown.any():
            raise InputError(
                f"{int(unknown.sum())} traded names have no known volume, volatility or spread (the first is number "
                f"{int(np.flatnonzero(unknown)[0])}); leave them out of the trade list or fill in their adv."
            )


def linear_impact(
    adv: Float, volatility: Float, spread_bps: Float, *, temporary_share: float = 0.01, permanent_share: float = 0.10
) -> ImpactModel:
    """Trading a hundredth of a day's volume a day moves the price by a spread, selling a tenth of it moves it for good.

    Parameters
    ----------
    adv : (N,) shares or money.
    volatility : (N,) of a day's return.
    spread_bps : (N,) whole quoted spread.
    temporary_share, permanent_share : of a day's volume that cost one spread, positive.

    Raises
    ------
    InputError
        A value is negative, or a share not positive.

    Source: Almgren and Chriss (2000), *Optimal execution of portfolio transactions*, J. Risk 3, section 3.1.
    """
    if not (temporary_share > 0 and permanent_share > 0):
        raise InputError(
            f"temporary_share {temporary_share:g} and permanent_share {permanent_share:g} must be positive."
        )
    spread = np.asarray(spread_bps) * 1e-4
    return ImpactModel(
        adv=adv,
        volatility=volatility,
        half_spread=spread / 2,
        temporary=spread / temporary_share,
        permanent=spread / permanent_share,
        power=1.0,
    )


def three_fifths_impact(
    adv: Float,
    volatility: Float,
    spread_bps: Float | float = 0.0,
    *,
    turnover: Float | float = 0.005,
    eta: float = 0.142,
    gamma: float = 0.314,
) -> ImpactModel:
    """Temporary impact by the power 3/5 of the rate; permanent impact smaller where a share of the firm trades a day.

    Parameters
    ----------
    turnover : (N,) share of the shares outstanding that is traded in a day; half a percent where nobody knows.
    eta, gamma : of large US shares, 2001 to 2003.

    Otherwise takes and raises as ``linear_impact``; the paper counts no spread, which is zero by default.

    Source: Almgren, Thum, Hauptmann and Li (2005), *Direct estimation of equity market impact*, Risk 18.
    """
    volatility = np.asarray(volatility, dtype=np.float64)
    return ImpactModel(
        adv=adv,
        volatility=volatility,
        half_spread=np.asarray(spread_bps) * 0.5e-4,
        temporary=eta * volatility,
        permanent=gamma * volatility * np.asarray(turnover, dtype=np.float64) ** -0.25,
        power=0.6,
    )


def square_root_impact(
    adv: Float,
    volatility: Float,
    spread_bps: Float | float = 0.0,
    *,
    coefficient: float = 1.0,
    permanent: float = 0.0,
) -> ImpactModel:
    """A day's volume moves the price by ``coefficient`` of a day's volatility, less of it by the square root.

    Parameters
    ----------
    permanent : days' volatilities that trading one day's volume moves the price by for good.

    Otherwise takes and raises as ``linear_impact``.

    Source: Grinold and Kahn (1999), *Active portfolio management*, ch. 16; Toth et al. (2011), *Anomalous price impact
    and the critical nature of liquidity in financial markets*, Phys. Rev. X 1.
    """
    volatility = np.asarray(volatility, dtype=np.float64)
    return ImpactModel(
        adv=adv,
        volatility=volatility,
        half_spread=np.asarray(spread_bps) * 0.5e-4,
        temporary=coefficient * volatility,
        permanent=permanent * volatility,
        power=0.5,
    )


@dataclass(frozen=True)
class ImpactLaw:
    """A model by name, with the published coefficients where none are given.

    Parameters
    ----------
    temporary, permanent : the coefficients that the function of the same name takes.

    Raises
    ------
    InputError
        Unknown name, or a negative coefficient.
    """

    name: LawName = "square_root"
    temporary: float | None = None
    permanent: float | None = None

    def __post_init__(self) -> None:
        if self.name not in _LAWS:
            raise InputError(f"impact model {self.name!r} is not one of {', '.join(_LAWS)}.")
        if any(value is not None and not value >= 0 for value in (self.temporary, self.permanent)):
            raise InputError(f"coefficients {self.temporary} and {self.permanent} of impact must not be negative.")

    def model(self, adv: Float, volatility: Float, spread_bps: Float | float) -> ImpactModel:
        """The model of names of which these are known; takes and raises as ``linear_impact``."""
        make, *names = _LAWS[self.name]
        given = {n: v for n, v in zip(names, (self.temporary, self.permanent), strict=True) if v is not None}
        return make(adv, volatility, spread_bps, **given)  # type: ignore[no-any-return]

    def of_panel(self, panel: "Panel", spread_bps: Float | float) -> ImpactModel:
        """(T, N) the model of every day and name of a panel, each by what was known at that day's close.

        Parameters
        ----------
        panel : after ``with_liquidity``.
        spread_bps : whole spread, one or (T, N).

        Raises
        ------
        DataError
            The panel lacks a field.
        """
        return self.model(panel.field(ADV), panel.field(DAILY_VOLATILITY), spread_bps)


_LAWS: dict[str, tuple[Any, str, str]] = {
    "linear": (linear_impact, "temporary_share", "permanent_share"),
    "three_fifths": (three_fifths_impact, "eta", "gamma"),
    "square_root": (square_root_impact, "coefficient", "permanent"),
}


def with_liquidity(panel: "Panel", *, days: int = 21) -> "Panel":
    """The panel with trailing means of money traded and volatilities, as the fields ``adv`` and ``daily_volatility``.

    Parameters
    ----------
    panel : with ``close`` and ``volume``, whose product is money.
    days : of the window, of which four fifths must be known; else NaN.

    Raises
    ------
    DataError
        The panel lacks a field.
    """
    close = panel.field("close")
    adv = window_mean(dollar_volume(close, panel.field("volume")), days, 0.8)
    volatility = realised_volatility(simple_returns(close), days, periods_per_year=1)
    return panel.with_fields(**{ADV: adv, DAILY_VOLATILITY: volatility})
