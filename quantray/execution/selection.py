"""Which algorithm an order is given to, and why: house rules as data, the first that applies.

Beside the choice stand the expected cost and risk of every schedule, so that a rule that costs money is seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import Field

from quantray.arrays import Bool, Float, Int
from quantray.errors import InputError
from quantray.execution.impact import ImpactModel
from quantray.execution.orders import ALGORITHMS, Algorithm
from quantray.settings import SettingsModel

__all__ = ["OrderFacts", "Selection", "SelectionRules", "path_cost", "select_algorithm"]


class SelectionRules(SettingsModel):
    """Where each rule begins."""

    large_adv: float = Field(0.05, gt=0, le=10)
    """Share of a day's volume above which an order is scheduled by Almgren and Chriss."""
    small_adv: float = Field(0.005, gt=0, le=10)
    """Share of a day's volume below which an order in a calm name is traded by time."""
    urgent: float = Field(2.0, gt=0)
    """Urgency from which cost is weighed against risk; see ``almgren_chriss.risk_aversion_of_urgency``."""
    volatile: float = Field(0.035, gt=0)
    """Volatility of a day's return from which it is weighed, too."""
    fading_days: float = Field(1.0, ge=0)
    """Half-life of an order's alpha in days up to which it is weighed, too."""
    uncertain_volume: float = Field(0.75, gt=0)
    """Standard deviation of the volume, as a share of it, from which participation is followed."""


@dataclass(frozen=True, eq=False, kw_only=True)
class OrderFacts:
    """What the rules look at, of (P,) orders; one number stands for all.

    Parameters
    ----------
    adv_share : of a day's volume that is ordered.
    volatility : of a day's return.
    urgency : as ``almgren_chriss.risk_aversion_of_urgency`` takes it.
    risk_aversion : one that was asked for, per money; NaN where none was.
    alpha_half_life : days; infinite for an order without alpha.
    volume_uncertainty : standard deviation of the volume as a share of it.
    against_vwap : whether the order is measured against the day's average price.

    Raises
    ------
    InputError
        A share or a volatility is unknown or negative.
    """

    adv_share: npt.ArrayLike
    volatility: npt.ArrayLike
    urgency: npt.ArrayLike = 1.0
    risk_aversion: npt.ArrayLike = np.nan
    alpha_half_life: npt.ArrayLike = np.inf
    volume_uncertainty: npt.ArrayLike = 0.0
    against_vwap: npt.ArrayLike = False

    def __post_init__(self) -> None:
        names = tuple(self.__dataclass_fields__)
        arrays = np.broadcast_arrays(*(np.atleast_1d(np.asarray(getattr(self, name))) for name in names))
        for name, values in zip(names, arrays, strict=True):
            object.__setattr__(self, name, values)
            if name not in ("risk_aversion", "against_vwap") and not (values >= 0).all():
                raise InputError(f"{name} of an order is unknown or negative; fill in its adv and volatility.")

    def of(self, n_orders: int) -> "OrderFacts":
        """The facts of so many orders, of which one may stand for all.

        Raises
        ------
        InputError
            They are of another number of orders.
        """
        given = len(np.asarray(self.adv_share))
        if given not in (1, n_orders):
            raise InputError(f"facts are of {given} orders for {n_orders}; give them for each.")
        names = tuple(self.__dataclass_fields__)
        return OrderFacts(**{name: np.broadcast_to(np.asarray(getattr(self, name)), n_orders) for name in names})


@dataclass(frozen=True, eq=False)
class Selection:
    """The algorithms of (P,) orders, and why."""

    algorithm: Int
    """(P,) positions in ``orders.ALGORITHMS``."""
    rule: Int
    """(P,) positions in the reasons."""
    facts: OrderFacts
    reasons: tuple[str, ...]

    def name(self, order: int = 0) -> Algorithm:
        """The algorithm of an order."""
        return ALGORITHMS[int(self.algorithm[order])]

    def reason(self, order: int = 0) -> str:
        """Why, in words, with what the rule looked at."""
        facts = self.facts
        share, volatility = np.asarray(facts.adv_share)[order], np.asarray(facts.volatility)[order]
        looked = f"{share:.2%} of a day's volume, {volatility:.2%} daily volatility, urgency"
        return f"{self.reasons[int(self.rule[order])]} ({looked} {np.asarray(facts.urgency)[order]:g})"


def select_algorithm(facts: OrderFacts, rules: SelectionRules | None = None) -> Selection:
    """The algorithm of each order by the first rule that applies; see ``SelectionRules``.

    Large or with an explicit risk aversion: AC. Urgent, volatile, or of fading alpha: IS. Of uncertain volume: POV.
    Measured against VWAP, or not small: VWAP. Else: TWAP.
    """
    rules = rules or SelectionRules()
    table = _table(facts, rules)
    masks = np.array([mask for _, _, mask in table])
    first = np.argmax(masks, axis=0)
    codes = np.array([ALGORITHMS.index(name) for name, _, _ in table])
    return Selection(codes[first], first, facts, tuple(words for _, words, _ in table))


def _table(facts: OrderFacts, rules: SelectionRules) -> list[tuple[Algorithm, str, Bool]]:
    share, volatility = np.asarray(facts.adv_share), np.asarray(facts.volatility)
    everything = np.ones(share.shape, dtype=np.bool_)
    return [
        ("AC", "a risk aversion was asked for", np.isfinite(np.asarray(facts.risk_aversion))),
        ("AC", f"larger than {rules.large_adv:.1%} of a day's volume", share > rules.large_adv),
        ("IS", f"urgency of {rules.urgent:g} or more", np.asarray(facts.urgency) >= rules.urgent),
        ("IS", f"daily volatility of {rules.volatile:.1%} or more", volatility >= rules.volatile),
        (
            "IS",
            f"alpha halves within {rules.fading_days:g} days",
            np.asarray(facts.alpha_half_life) <= rules.fading_days,
        ),
        ("POV", "volume is uncertain", np.asarray(facts.volume_uncertainty) >= rules.uncertain_volume),
        ("VWAP", "measured against VWAP", np.asarray(facts.against_vwap, dtype=np.bool_)),
        ("VWAP", f"{rules.small_adv:.1%} to {rules.large_adv:.1%} of a day's volume", share >= rules.small_adv),
        ("TWAP", "small and calm", everything),
    ]


def path_cost(
    shares: Float, quantity: npt.ArrayLike, impact: ImpactModel, volume_share: Float, days: Float
) -> Mapping[str, Float]:
    """(P,) expected ``cost_bps`` and its deviation ``risk_bps`` of schedules, by the orders' value on arrival.

    Parameters
    ----------
    shares : (P, B) of each order in each slice; a row of NaN is no schedule, and has no cost.
    quantity : (P,) in the unit of ``adv``.
    impact : of the P names.
    volume_share : (B,) or (P, B) of a usual day's volume that comes in each slice, which impact is measured by.
    days : (B,) length of slices, by which prices vary; zero for an auction.
    """
    quantity = np.abs(np.asarray(quantity, dtype=np.float64))
    rate = shares * (quantity / impact.adv)[:, None] / np.maximum(volume_share, 1e-12)
    moved = (shares * impact.temporary[:, None] * rate**impact.power).sum(axis=1)
    cost = impact.half_spread + moved + impact.permanent * quantity / impact.adv / 2
    left = 1 - np.cumsum(shares, axis=1)
    # Within a slice what is left falls evenly, on average half of what is traded in it.
    risk = impact.volatility * np.sqrt(((left + shares / 2) ** 2 * days).sum(axis=1))
    return {"cost_bps": np.asarray(cost * 1e4), "risk_bps": np.asarray(risk * 1e4)}
