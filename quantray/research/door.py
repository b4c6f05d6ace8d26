"""The door that what users bring must pass before any work is handed out: laws for whatever decides by date."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from quantray.arrays import Float
from quantray.data.panel import Panel
from quantray.errors import DataError, InputError, SolverError
from quantray.research.background import within
from quantray.research.progress import say

__all__ = ["LATER", "Door", "best_known", "patiently", "refused"]

_MOST_NAMES = 20
LATER = 3
"""Days after the one that is asked about, which must be there."""
_ORDER = 1e-3
"""That a value may change when the assets come in another order; iterations end within a tolerance."""


@dataclass(frozen=True, eq=False)
class Door:
    """What one thing of a user's gives, asked several times.

    Parameters
    ----------
    told : who is tried and on what, for messages.
    decide : (N,) values of a row of a panel, from that row and those before it.
    seconds : that one call may take.
    gives : what the values are.
    tolerance : of values that must be the same; sums over more days differ in the last bits.
    """

    told: str
    decide: Callable[[Panel, int], Float]
    seconds: float
    gives: str = "weights"
    tolerance: float = 0.0

    def pass_through(self, panel: Panel, row: int) -> None:
        """See that it keeps nothing between dates, draws nothing without a seed and does not look ahead.

        Parameters
        ----------
        row : that is decided about; 3 rows must follow.

        Raises
        ------
        InputError
            It does not, takes too long, or raised an error.
        """
        past = panel.until(row)
        first = self.values(past, row)
        self.values(panel.until(row + LATER), row + LATER)
        if not self.same(self.values(past, row), first):
            same = self.same(self.values(past, row), self.values(past, row))
            raise refused(
                self.told,
                f"it gave other {self.gives} for the same past after it had seen a later date: it keeps something "
                "between dates; decide from what is given alone"
                if same
                else f"it gave other {self.gives} for the same past when asked again: it draws random numbers without "
                "a seed, or keeps something between calls; take a seed among its parameters",
            )
        self._look_ahead(panel, row, first)
        self._say_order(past, row, first)

    def look_back(self, panel: Panel, row: int) -> None:
        """See that the values of an earlier row do not depend on what follows; raises as ``pass_through``."""
        self._look_ahead(panel, row, self.values(panel.until(row), row))

    def _look_ahead(self, panel: Panel, row: int, first: Float) -> None:
        if not self.same(self.values(panel, row), first):
            raise refused(
                self.told,
                f"it gave other {self.gives} for {panel.dates[row]} when later dates were there: it looks ahead; "
                "decide from what is given alone",
            )

    def _say_order(self, past: Panel, row: int, first: Float) -> None:
        """Law of all that is quantray's own; some of users' have no other way."""
        turned = self.values(past.select(past.assets[::-1]), row)[::-1]
        apart = float(np.nan_to_num(np.abs(turned - first)).max(initial=0.0))
        if apart > _ORDER or (np.isnan(turned) != np.isnan(first)).any():
            say(
                f"{self.told}, {self.gives} depend on the order of the assets: they differ by up to {apart:.2g} in "
                "another"
            )

    def same(self, a: Float, b: Float) -> bool:
        """Whether two answers are one, within the tolerance."""
        return np.allclose(a, b, rtol=self.tolerance, atol=self.tolerance, equal_nan=True)

    def values(self, panel: Panel, row: int) -> Float:
        """The answer about a row, within the seconds; raises as ``pass_through``."""
        return patiently(self.told, self.seconds, lambda: self.decide(panel, row), f"{len(panel.assets)} names")


def best_known(panel: Panel) -> Panel:
    """The 20 members of a panel of which most closes are known, in its order."""
    closes = (~np.isnan(panel.field("close")) & panel.member).sum(axis=0)
    return panel.select(panel.assets[np.sort(np.argsort(-closes, kind="stable")[:_MOST_NAMES])])


def patiently(told: str, seconds: float, ask: Callable[[], Float], about: str) -> Float:
    """What a user's thing gives when it is asked, within some seconds.

    Parameters
    ----------
    about : what it is asked about, for the message.

    Raises
    ------
    InputError
        It took longer, or raised an error.
    """
    try:
        return within(seconds, ask, name="trial")
    except TimeoutError as error:
        raise refused(
            told, f"one call about {about} took more than {seconds:g} s; make it faster, or raise trial_seconds"
        ) from error
    except (DataError, SolverError) as error:
        raise refused(told, str(error).rstrip(".")) from error


def refused(told: str, what: str) -> InputError:
    """The refusal of what a user brings."""
    return InputError(f"{told}, {what}.")
