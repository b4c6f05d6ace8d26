"""Impact that decays: what a trade moves the price by fades after it, and later trades pay what is left.

With trades x_k at the times t_k, the price has moved by ``scale sum_(j<=k) G(t_k - t_j) x_j / adv``, of a trade's own
half; the cost is the quadratic form of G. Impact is linear and G is convex and falling, so that the form is never
negative and no round trip earns (Bochner; Alfonsi, Schied and Slynko, 2012). A power below 1 with exponential decay
would let round trips earn, so there is none here.

Source: Obizhaeva and Wang (2013), *Optimal trading strategy and supply/demand dynamics*, J. Financial Markets 16;
Gatheral (2010), *No-dynamic-arbitrage and market impact*, Quantitative Finance 10.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from quantray.arrays import Float
from quantray.errors import InputError
from quantray.execution.impact import ImpactModel

__all__ = ["Propagator", "decaying"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Propagator:
    """Decaying impact of N names.

    Parameters
    ----------
    adv : (N,) shares or money.
    scale : (N,) fraction of the price that trading one day's volume at once moves it by.
    permanent : (N,) fraction that it moves it by for good.
    half_spread : (N,).
    half_life : days until half of what is not permanent is left.
    kernel : ``exponential``, or ``power``, which falls as fast at first and then ever slower.

    Raises
    ------
    InputError
        A number is out of range.
    """

    adv: Float
    scale: Float
    permanent: Float
    half_spread: Float
    half_life: float
    kernel: Literal["exponential", "power"] = "exponential"

    def __post_init__(self) -> None:
        if not 0 < self.half_life < np.inf or self.kernel not in ("exponential", "power"):
            raise InputError(
                f"half_life {self.half_life:g} must be positive, and {self.kernel!r} exponential or power."
            )
        if not (self.adv > 0).all() or any((v < 0).any() for v in (self.scale, self.permanent, self.half_spread)):
            raise InputError("adv must be known and positive, and coefficients of decaying impact not negative.")

    def decay(self, days: Float) -> Float:
        """G: what is left after some days, from 1 at once; convex and falling."""
        ages = np.asarray(days, dtype=np.float64) / self.half_life
        # (1 + 3 a)^(-1/2) is one half at a = 1.
        return np.asarray(2.0**-ages if self.kernel == "exponential" else (1 + 3 * ages) ** -0.5)

    def displacement(self, trades: Float, times: Float) -> Float:
        """(..., H, N) by what fraction prices have moved right after each trade.

        Parameters
        ----------
        trades : (..., H, N) in the unit of ``adv``; sales negative.
        times : (H,) days, not falling.

        Raises
        ------
        InputError
            Shapes disagree, or times fall.
        """
        left = np.tril(self._left(trades, times))
        return self._moved(trades, left, 1.0)

    def cost(self, trades: Float, times: Float) -> Float:
        """(..., N) money (or shares) paid for schedules; of round trips never negative. Takes and raises as above."""
        left = np.tril(self._left(trades, times))
        return np.asarray((trades * self._moved(trades, left, 0.5)).sum(axis=-2) + self._spread(trades))

    def _spread(self, trades: Float) -> Float:
        return np.asarray((self.half_spread * np.abs(trades)).sum(axis=-2))

    def _left(self, trades: Float, times: Float) -> Float:
        times = np.asarray(times, dtype=np.float64)
        if np.ndim(trades) < 2 or trades.shape[-2:] != (len(times), len(self.adv)) or (np.diff(times) < 0).any():
            raise InputError(
                f"trades are {np.shape(trades)} for {len(times)} times and {len(self.adv)} names, in order."
            )
        return self.decay(np.abs(times[:, None] - times))

    def _moved(self, trades: Float, left: Float, own: float) -> Float:
        """Fractions moved, with a share of each trade's own impact."""
        fade, stay = left.copy(), np.tril(np.ones_like(left))
        np.fill_diagonal(fade, own)
        np.fill_diagonal(stay, own)
        size = trades / self.adv
        return np.asarray(self.scale * (fade @ size) + self.permanent * (stay @ size))


def decaying(
    impact: ImpactModel,
    half_life: float,
    *,
    kernel: Literal["exponential", "power"] = "exponential",
    at: float = 0.05,
) -> Propagator:
    """The decaying form of an impact model, which moves prices as much when trading evenly for long.

    A power law never forgets all; its even rate lasts one day.

    Parameters
    ----------
    half_life : days.
    at : share of a day's volume that is traded a day, at which a power other than 1 is made linear.

    Raises
    ------
    InputError
        A parameter of a name is unknown, or the half-life is not positive.
    """
    if not impact.known.all() or not half_life > 0:
        raise InputError(
            f"adv, volatility and spread of every name must be known, and half_life {half_life:g} positive."
        )
    # One over what is left of a trade, summed over all time, or over a day.
    until = np.log(2) / half_life if kernel == "exponential" else 1.5 / half_life / (np.sqrt(1 + 3 / half_life) - 1)
    return Propagator(
        adv=impact.adv,
        scale=impact.temporary * at ** (impact.power - 1) * until,
        permanent=impact.permanent,
        half_spread=impact.half_spread,
        half_life=half_life,
        kernel=kernel,
    )
