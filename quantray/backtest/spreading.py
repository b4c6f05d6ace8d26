"""Orders that take several days, as schedules have it: evenly over as many as their share of the volume needs."""

from dataclasses import dataclass

import numpy as np

from quantray.arrays import Bool, Float, Int

__all__ = ["OpenOrders", "part_of"]

_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class OpenOrders:
    """What is still to be traded of the last decision, (N,) each, in money at the last prices.

    An order is for shares: what is left of it is worth more or less as prices move, and its parts sum to it.
    """

    left: Float
    """Sales negative."""
    days: Int
    """Over which it is traded, today's among them; zero where nothing is left."""
    done: Float
    """Traded before, of the order's sign."""

    @classmethod
    def of(cls, orders: Float, most: Float) -> "OpenOrders":
        """Orders of which nothing was traded yet.

        Parameters
        ----------
        most : (N,) money that may be traded in a day, positive.
        """
        days = np.where(orders != 0, np.maximum(np.ceil(np.abs(orders) / most - 1e-9), 1), 0).astype(np.int64)
        return cls(orders, days, np.zeros_like(orders))

    def parts(self, most: Float) -> Float:
        """(N,) money to be traded today: an even part of what is left, and no more than ``most``."""
        return part_of(self.left, self.days, most)

    def after(self, bought: Float) -> "OpenOrders":
        """Once (N,) money was traded; a name that was not traded waits."""
        left = np.where(np.abs(self.left - bought) <= _ROUNDING * np.abs(bought), 0.0, self.left - bought)
        days = np.where(bought != 0, np.maximum(self.days - 1, 1), self.days)
        return OpenOrders(left, np.where(left != 0, days, 0), np.where(left != 0, self.done + bought, 0.0))

    def moved(self, growth: Float, gone: Bool) -> "OpenOrders":
        """At the next prices, (N,) times the last; orders in names that are gone are gone, too."""
        left = np.where(gone, 0.0, self.left * growth)
        return OpenOrders(left, np.where(left != 0, self.days, 0), np.where(gone, 0.0, self.done * growth))

    @property
    def some(self) -> bool:
        """Whether anything is left."""
        return bool((self.left != 0).any())


def part_of(orders: Float, days: Int, most: Float) -> Float:
    """(N,) money of orders for the first of some days, no more than ``most``; all of it where that is one day."""
    return np.clip(orders / np.maximum(days, 1), -most, most)
