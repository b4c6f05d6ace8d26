"""European options: prices and greeks of Black, Scholes and Merton, and the volatility they are priced at."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from quantray.arrays import TRADING_DAYS, Bool, Float, Names
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.strategies.rolling import bridged_close, log_returns, rolling_volatility

__all__ = ["Kind", "OptionPricing", "OptionValues", "PricedVolatility", "black_scholes", "black_scholes_price"]

Kind = Literal["call", "put"]

_LEAST_VOLATILITY = 0.05


@dataclass(frozen=True, eq=False)
class OptionValues:
    """Price and greeks of options; every array has the shape that the inputs broadcast to."""

    price: Float
    """Per unit of the underlying."""
    delta: Float
    """Change of the price per unit of the underlying's price."""
    gamma: Float
    """Change of delta per unit of the underlying's price."""
    vega: Float
    """Change of the price per 1.00 of volatility."""
    theta: Float
    """Change of the price per year that passes; mostly negative."""
    rho: Float
    """Change of the price per 1.00 of the rate."""
    vanna: Float
    """Change of delta per 1.00 of volatility, which is that of vega per unit of the underlying's price."""
    volga: Float
    """Change of vega per 1.00 of volatility."""


def black_scholes(
    kind: Kind | Names,
    spot: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    volatility: npt.ArrayLike,
    *,
    rate: npt.ArrayLike = 0.0,
    dividend_yield: npt.ArrayLike = 0.0,
) -> OptionValues:
    """Price European options on an underlying with a dividend yield.

    Without time or volatility left the price is the discounted intrinsic value. NaN in any input gives NaN.

    Parameters
    ----------
    kind : of all of them, or of each, in a shape that broadcasts.
    spot, strike : positive prices.
    years : to expiry, not negative.
    volatility : per year, not negative.
    rate, dividend_yield : per year, continuously compounded.

    Raises
    ------
    InputError
        An unknown kind, a price that is not positive, negative time or volatility, or shapes that do not broadcast.

    Source: Black and Scholes (1973), Journal of Political Economy 81; Merton (1973), *Theory of rational option
    pricing*, Bell Journal of Economics 4; Hull (2018), *Options, Futures and Other Derivatives*, 10th ed., ch. 19.
    """
    of = _standardised(kind, spot, strike, years, volatility, rate, dividend_yield)
    s, k, tau, sigma, safe = of.spot, of.strike, of.years, of.volatility, of.width
    n1, n2 = ndtr(of.sign * of.d1), ndtr(of.sign * of.d2)
    # Without width there is no density, so no second derivative either.
    bounded = np.where(of.alive, of.d1, 0.0)
    density = np.where(of.alive, np.exp(-(bounded**2) / 2) / np.sqrt(2 * np.pi), 0.0)
    decay = of.carried * s * density * sigma / (2 * np.where(tau > 0, np.sqrt(tau), 1.0))
    vega = s * of.carried * density * np.sqrt(tau)
    scaled = np.where(of.alive, of.d2, 0.0) / np.where(of.alive, sigma, 1.0)
    return OptionValues(
        price=of.sign * (s * of.carried * n1 - k * of.discount * n2),
        delta=of.sign * of.carried * n1,
        gamma=of.carried * density / (s * safe),
        vega=vega,
        theta=-decay - of.sign * (of.rate * k * of.discount * n2 - of.dividend_yield * s * of.carried * n1),
        rho=of.sign * k * tau * of.discount * n2,
        vanna=-of.carried * density * scaled,
        volga=vega * bounded * scaled,
    )


def black_scholes_price(
    kind: Kind | Names,
    spot: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    volatility: npt.ArrayLike,
    *,
    rate: npt.ArrayLike = 0.0,
    dividend_yield: npt.ArrayLike = 0.0,
) -> Float:
    """The price alone, in a third of the time; takes and raises as ``black_scholes``."""
    of = _standardised(kind, spot, strike, years, volatility, rate, dividend_yield)
    first = (of.sign * of.carried * of.spot) * ndtr(of.sign * of.d1)
    return np.asarray(first - (of.sign * of.discount * of.strike) * ndtr(of.sign * of.d2))


@dataclass(frozen=True, eq=False)
class _Standardised:
    """Options in units of the width of their distribution; arrays that broadcast to the shape of ``d1``."""

    sign: Float
    """1 of calls, -1 of puts."""
    spot: Float
    strike: Float
    years: Float
    volatility: Float
    rate: Float
    dividend_yield: Float
    carried: Float
    """Value today of a unit of the underlying at expiry."""
    discount: Float
    width: Float
    """Standard deviation of the log price at expiry; 1 where there is none."""
    alive: Bool
    """Where there is one."""
    d1: Float
    d2: Float


def _standardised(
    kind: Kind | Names,
    spot: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    volatility: npt.ArrayLike,
    rate: npt.ArrayLike,
    dividend_yield: npt.ArrayLike,
) -> _Standardised:
    kinds = np.asarray(kind)
    is_call = kinds == "call"
    if not (is_call | (kinds == "put")).all():
        raise InputError(f"kind {str(kinds[~is_call & (kinds != 'put')][0])!r} is not one of call, put.")
    given = (spot, strike, years, volatility, rate, dividend_yield)
    s, k, tau, sigma, r, q = inputs = [np.asarray(values, dtype=np.float64) for values in given]
    try:
        shape = np.broadcast_shapes(kinds.shape, *(values.shape for values in inputs))
    except ValueError as error:
        raise InputError(f"shapes {[values.shape for values in inputs]} of the inputs do not broadcast.") from error
    if (s <= 0).any() or (k <= 0).any() or (tau < 0).any() or (sigma < 0).any():
        raise InputError("spot and strike must be positive, and years and volatility not negative.")
    width = sigma * np.sqrt(tau)
    alive = (width > 0) | np.isnan(width)
    safe = np.where(alive, width, 1.0)
    distance = np.log(s / k) + (r - q) * tau
    d1 = distance / safe + width / 2
    # Without width the option is worth its intrinsic value: both probabilities are 0, 1, or at the strike a half.
    if not alive.all():
        d1 = np.where(alive, d1, np.where(distance == 0, 0.0, np.copysign(np.inf, distance)))
    d1 = np.broadcast_to(d1, shape)
    return _Standardised(
        sign=np.where(is_call, 1.0, -1.0),
        spot=s,
        strike=k,
        years=tau,
        volatility=sigma,
        rate=r,
        dividend_yield=q,
        carried=np.exp(-q * tau),
        discount=np.exp(-r * tau),
        width=safe,
        alive=alive,
        d1=d1,
        d2=d1 - width,
    )


@dataclass(frozen=True, eq=False)
class PricedVolatility:
    """Volatility that options are priced at, and where it comes from."""

    values: Float
    """(T, N) per year; NaN where options cannot be priced."""
    source: str
    """For the reader of a result."""
    quoted: bool
    """Whether it is the market's; else it is modelled."""


@dataclass(frozen=True, kw_only=True)
class OptionPricing:
    """Where implied volatilities come from: the panel's field, else realised volatility and a premium.

    A panel with the field is believed: an asset without a value has no options that day. Without the field, variance is
    the mean of a short and a long realised one, which foretells the next month's better than either does: were options
    priced at the short one alone, trading volatility back to its mean would earn riches that no market offers. Even so
    the premium is an assumption, and so is what option rules earn from it. Every result says which prices were used.

    Raises
    ------
    InputError
        A parameter is out of range.

    Source: for the premium, Carr and Wu (2009), *Variance risk premiums*, Review of Financial Studies 22; for the mean
    of horizons, Corsi (2009), *A simple approximate long-memory model of realized volatility*, Journal of Financial
    Econometrics 7.
    """

    field: str = "implied_volatility"
    """(T, N) of the panel, at the money, about a month, per year."""
    window: int = 21
    """Days of the short realised volatility."""
    long_window: int = 126
    """Days of the long one."""
    premium: float = 0.02
    """Implied volatility less that mean, per year."""
    skew: float = 0.2
    """Rise of a put's volatility per 1.00 of log moneyness that its strike lies below the spot."""
    rate: float = 0.0
    """Per year, continuously compounded."""

    def __post_init__(self) -> None:
        if not 2 <= self.window <= self.long_window:
            raise InputError(
                f"window {self.window} must be 2 days or more, and long_window {self.long_window} no less."
            )
        if not (np.isfinite(self.premium) and np.isfinite(self.skew) and np.isfinite(self.rate)):
            raise InputError("premium, skew and rate must be finite numbers per year, such as 0.02, 0.2 and 0.")

    def volatility(self, panel: Panel) -> PricedVolatility:
        """The (T, N) volatilities of a panel's own assets."""
        quoted = panel.fields.get(self.field)
        if quoted is not None:
            values = np.where(quoted > 0, quoted, np.nan)
            return PricedVolatility(values, f"options priced at the panel's {self.field}", quoted=True)
        return self.modelled(bridged_close(panel), periods_per_year=panel.periods_per_year)

    def modelled(self, close_tn: Float, *, periods_per_year: int = TRADING_DAYS) -> PricedVolatility:
        """The (T, N) volatilities of any prices, from what they realised."""
        returns = log_returns(close_tn)
        short, long = (rolling_volatility(returns, days) for days in (self.window, self.long_window))
        realised = np.sqrt((short**2 + long**2) * periods_per_year / 2)
        source = (
            f"options priced at {self.window}- and {self.long_window}-day realised volatility plus {self.premium:.1%}, "
            f"which is an assumption: the panel has no {self.field} of theirs"
        )
        return PricedVolatility(np.maximum(realised + self.premium, _LEAST_VOLATILITY), source, quoted=False)

    def out_of_the_money(self, volatility: Float, spot: Float, strike: Float) -> Float:
        """Volatilities of puts at a strike, from those at the money."""
        return volatility + self.skew * np.maximum(np.log(spot / strike), 0.0)
