"""Where to send shares: lit venues by price and depth, dark pools by what they filled before.

On lit venues, q_i shares at the fee f_i and the depth L_i cost ``f_i q_i + c q_i^2 / (2 L_i)``; the sum is least where
the marginal costs ``f_i + c q_i / L_i`` are one number nu, below the caps: q_i = clip(L_i (nu - f_i) / c, 0, cap_i).
Between the points where a venue joins or is full that is linear in nu, so the right nu is found exactly.

What a dark pool had for sale is seen up to what was sent (a fill of all says "at least"), and its tail probabilities
are estimated as survival is. Source: Ganchev, Kearns, Nevmyvaka and Vaughan (2010), *Censored exploration and the dark
pool problem*, Communications of the ACM 53.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from quantray.arrays import Float, Int
from quantray.errors import InputError
from quantray.execution.rounding import apportioned, whole_quantities

__all__ = ["TRUSTED_TRIALS", "VENUES", "DarkFills", "Venue", "lit_quantities", "named_venues", "route"]

TRUSTED_TRIALS = 10
"""Trials after which a hazard is believed; after one empty answer an estimate would never be asked again."""


@dataclass(frozen=True, kw_only=True)
class Venue:
    """A place to trade.

    Parameters
    ----------
    fee : money a share that taking liquidity costs; a rebate is negative.
    latency_ms : on the way there.
    liquidity : share of a name's volume that is traded there.
    cap : most of a slice's volume there that may be ours.

    Raises
    ------
    InputError
        A number is out of range.
    """

    name: str
    kind: Literal["lit", "dark"] = "lit"
    fee: float = 0.0
    latency_ms: float = 0.5
    liquidity: float = 0.1
    cap: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in ("lit", "dark") or not np.isfinite(self.fee) or not self.latency_ms >= 0:
            raise InputError(f"venue {self.name}: a kind (lit or dark), a fee and a latency are needed.")
        if not (0 < self.liquidity <= 1 and 0 < self.cap <= 1):
            raise InputError(
                f"venue {self.name}: liquidity {self.liquidity:g} and cap {self.cap:g} must be above 0 and at most 1."
            )


VENUES = (
    Venue(name="NYSE", fee=0.0030, latency_ms=0.4, liquidity=0.22),
    Venue(name="NASDAQ", fee=0.0030, latency_ms=0.4, liquidity=0.18),
    Venue(name="BATS", fee=0.0028, latency_ms=0.4, liquidity=0.14),
    Venue(name="IEX", fee=0.0010, latency_ms=0.8, liquidity=0.03),
    Venue(name="DARK_A", kind="dark", fee=0.0010, latency_ms=1.0, liquidity=0.08),
    Venue(name="DARK_B", kind="dark", fee=0.0015, latency_ms=1.5, liquidity=0.05),
)
"""An illustration in round numbers, of the order of public fee schedules and market shares; give your own."""


def named_venues(names: Sequence[str], venues: Sequence[Venue] = VENUES) -> tuple[Venue, ...]:
    """Venues by name; raises ``InputError`` for an unknown one."""
    known = {venue.name: venue for venue in venues}
    for name in names:
        if name not in known:
            raise InputError(f"venue {name!r} is not one of {', '.join(known)}.")
    return tuple(known[name] for name in names)


def route(
    quantity: npt.ArrayLike,
    volume: npt.ArrayLike,
    venues: Sequence[Venue] = VENUES,
    *,
    depth_cost: npt.ArrayLike = 0.01,
    dark: float = 0.15,
    fills: "DarkFills | None" = None,
    lot: npt.ArrayLike = 1,
) -> Int:
    """(..., V) shares for each venue.

    Parameters
    ----------
    quantity : (...) whole shares of slices.
    volume : (...) shares that are expected to be traded in each slice, on all venues.
    depth_cost : (...) money a share by which taking all of a venue's volume in a slice moves the price there.
    dark : share of each slice that is offered to dark pools, if there are any.
    fills : what the dark venues (in their order) filled before, for one slice; by default by their liquidity.
    lot : of which parts are multiples, but for the last.

    Raises
    ------
    InputError
        A slice is larger than what its venues may take, or a number is out of range.
    """
    quantity, volume = whole_quantities(quantity), np.asarray(volume, dtype=np.float64)
    is_dark = np.array([venue.kind == "dark" for venue in venues], dtype=np.bool_)
    if not len(venues) or not 0 <= dark <= 1 or not np.isfinite(volume).all() or (volume < 0).any():
        raise InputError(f"routing needs venues, known volumes, and a dark share from 0 to 1, not {dark:g}.")
    liquidity = np.array([venue.liquidity for venue in venues])
    cap = volume[..., None] * liquidity * np.array([venue.cap for venue in venues])
    shares = np.zeros(np.broadcast_shapes((*quantity.shape, 1), cap.shape))
    hidden = np.zeros(quantity.shape)
    if is_dark.any() and dark:
        whole = 1.0 if is_dark.all() else dark
        hidden = np.minimum(whole * quantity, cap[..., is_dark].sum(axis=-1))
        shares[..., is_dark] = hidden[..., None] * _dark_shares(hidden, liquidity[is_dark], fills)
    if not is_dark.all():
        lit = [venue for venue in venues if venue.kind == "lit"]
        shares[..., ~is_dark] = lit_quantities(
            quantity - hidden,
            volume[..., None] * liquidity[~is_dark],
            [v.fee for v in lit],
            depth_cost,
            cap[..., ~is_dark],
        )
    elif (hidden < quantity - 1e-6).any():
        raise InputError("dark pools alone may not take the whole of a slice; add a lit venue.")
    return apportioned(quantity, shares, lot=lot)


def lit_quantities(
    quantity: npt.ArrayLike, depth: Float, fee: npt.ArrayLike, depth_cost: npt.ArrayLike, cap: Float
) -> Float:
    """(..., V) amounts of least cost on lit venues; see the module.

    Parameters
    ----------
    quantity : (...) to place.
    depth : (..., V) L.
    fee : (V,) f.
    depth_cost : (...) c, positive.
    cap : (..., V).

    Raises
    ------
    InputError
        A quantity is larger than the caps together, or c is not positive.
    """
    quantity, fee = np.asarray(quantity, dtype=np.float64), np.asarray(fee, dtype=np.float64)
    bend = np.asarray(depth_cost, dtype=np.float64)
    if not (bend > 0).all():
        raise InputError(f"depth_cost {bend.min():g} must be positive, such as half of the spread.")
    room = cap.sum(axis=-1)
    if (quantity > room * (1 + 1e-9)).any():
        worst = float(np.max(np.divide(quantity, room, out=np.full(quantity.shape, np.inf), where=room > 0)))
        raise InputError(f"a slice is {worst:.3g} times what its venues may take; make it smaller or add venues.")
    slope = depth / bend[..., None]
    full = fee + np.divide(cap, slope, out=np.zeros(slope.shape), where=slope > 0)
    corners = np.sort(np.concatenate([np.broadcast_to(fee, full.shape), full], axis=-1), axis=-1)
    placed = np.clip(slope[..., None, :] * (corners[..., None] - fee), 0, cap[..., None, :]).sum(axis=-1)
    # The last corner below the quantity, and from there a straight line to the next.
    after = np.clip((placed < quantity[..., None]).sum(axis=-1), 1, corners.shape[-1] - 1)[..., None]
    low, high = (np.take_along_axis(corners, after - k, -1)[..., 0] for k in (1, 0))
    done, next_done = (np.take_along_axis(placed, after - k, -1)[..., 0] for k in (1, 0))
    step = np.divide(quantity - done, next_done - done, out=np.zeros(quantity.shape), where=next_done > done)
    nu = low + np.clip(step, 0, 1) * (high - low)
    return np.asarray(np.clip(slope * (nu[..., None] - fee), 0, cap))


@dataclass(frozen=True, eq=False)
class DarkFills:
    """What V dark pools filled of what they were sent, unit by unit up to U units.

    Parameters
    ----------
    trials : (V, U) how often the u-th unit was reached: all before it were filled, and it was sent.
    failures : (V, U) how often it was then not filled.
    unit : shares of a unit.
    """

    trials: Int
    failures: Int
    unit: int = 100

    @classmethod
    def none(cls, pools: int, units: int, *, unit: int = 100) -> "DarkFills":
        """Before anything was sent."""
        if pools < 1 or units < 1 or unit < 1:
            raise InputError(f"{pools} pools, {units} units of {unit} shares: give 1 or more of each.")
        nothing = np.zeros((pools, units), dtype=np.int64)
        return cls(nothing, nothing, unit)

    def observed(self, pool: int, sent: int, filled: int) -> "DarkFills":
        """After another answer.

        Parameters
        ----------
        sent, filled : units.

        Raises
        ------
        InputError
            More was filled than sent, or more was sent than there are units.
        """
        if not 0 <= filled <= sent <= self.trials.shape[1] or not 0 <= pool < len(self.trials):
            raise InputError(
                f"{filled} of {sent} units filled by pool {pool}: fills are at most what was sent, and known."
            )
        trials, failures = self.trials.copy(), self.failures.copy()
        trials[pool, : min(filled + 1, sent)] += 1
        if filled < sent:
            failures[pool, filled] += 1
        return replace(self, trials=trials, failures=failures)

    def tails(self, *, least: int = TRUSTED_TRIALS) -> Float:
        """(V, U) estimated probability that at least u units are there; a hazard of few trials counts as none."""
        trusted = self.trials >= max(least, 1)
        hazard = np.divide(self.failures, self.trials, out=np.zeros(self.trials.shape), where=trusted)
        return np.asarray(np.cumprod(1 - hazard, axis=1))

    def allocate(self, units: int, *, least: int = TRUSTED_TRIALS) -> Int:
        """(V,) units for each pool: each goes where it is likeliest to be filled, at first the earlier unit and pool.

        Raises
        ------
        InputError
            There are more units than the pools are known for.
        """
        n_pools, n_units = self.trials.shape
        if not 0 <= units <= n_pools * n_units:
            raise InputError(f"{units} units for {n_pools} pools of {n_units}; send 0 to {n_pools * n_units}.")
        # Tails fall, so the largest of all are the first of each pool: sorting is the greedy choice.
        order = np.argsort(-self.tails(least=least).T.ravel(), kind="stable")[:units]
        return np.bincount(order % n_pools, minlength=n_pools).astype(np.int64)


def _dark_shares(hidden: Float, liquidity: Float, fills: DarkFills | None) -> Float:
    if fills is None:
        return np.asarray(liquidity / liquidity.sum())
    if hidden.ndim or len(fills.trials) != len(liquidity):
        raise InputError(f"fills are of {len(fills.trials)} pools; give one slice, and fills of all dark venues.")
    units = min(int(hidden // fills.unit), fills.trials.size)
    given = fills.allocate(max(units, 1))
    return np.asarray(given / given.sum())
