"""Universes of users' own: a function of a panel that says who is a member on which day."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from quantray.arrays import Bool
from quantray.data.panel import Panel
from quantray.data.universe import Universe
from quantray.errors import DataError, InputError, SolverError
from quantray.own import called, numbers, own_thing

__all__ = ["OwnUniverse"]

_PARTS = 9
"""At whose ends it is seen whether the future counts: true and false often agree by chance."""


@dataclass(frozen=True)
class OwnUniverse(Universe):
    """Members by ``module:name``, or by the name that a package registers among ``quantray.universes``.

    Parameters
    ----------
    name : of a function of a panel that gives (T, N) membership; row t may know rows up to t.
    parameters : of the function.
    history_days : trading days before the first date that it is shown.
    needs : fields that it is shown, beside the close.
    """

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    history_days: int = 0
    needs: tuple[str, ...] = ()

    @property
    def warm_up_days(self) -> int:
        """See ``Universe``."""
        return self.history_days

    @property
    def fields(self) -> tuple[str, ...]:
        """See ``Universe``."""
        return self.needs

    def membership(self, panel: Panel) -> Bool:
        """(T, N): as the function says, and the close is known.

        Raises
        ------
        DataError
            The panel lacks a field that it is to be shown.
        InputError
            As ``own.own_thing``; it takes no such parameters, gives other members when asked again, or other ones on
            a day when later days are there.
        SolverError
            It raised an error, or what it gave is no membership.
        """
        if missing := sorted(set(self.needs) - set(panel.fields)):
            raise DataError(
                f"universe {self.name!r} asks for {', '.join(missing)}, which the data have not; they have "
                f"{', '.join(panel.fields)}: leave it out of fields, or import it."
            )
        member = self._asked(panel)
        told = f"universe {self.name!r}"
        if not np.array_equal(self._asked(panel), member):
            raise InputError(
                f"{told} gave other members when asked again: it draws random numbers without a seed, or keeps "
                "something between calls; decide from what is given alone."
            )
        for row in sorted({len(panel.dates) * part // _PARTS - 1 for part in range(1, _PARTS)} - {-1}):
            if not np.array_equal(self._asked(panel.until(row))[row], member[row]):
                raise InputError(
                    f"{told} gave other members on {panel.dates[row]} when later dates were there: it looks ahead; "
                    "decide each row from that row and those before it."
                )
        return member & ~np.isnan(panel.field("close"))

    def _asked(self, panel: Panel) -> Bool:
        told = f"universe {self.name!r}"
        given = called(own_thing(self.name, "universes"), panel, self.parameters, "", told)
        found = numbers(given, told, f"{panel.shape} of true and false", (panel.dates, panel.assets))
        if found.shape != panel.shape or not np.isin(found, (0, 1)).all():
            raise SolverError(
                f"{told} gave {found.shape} of {np.asarray(given).dtype}; it must give {panel.shape} of true and false."
            )
        return found.astype(np.bool_)
