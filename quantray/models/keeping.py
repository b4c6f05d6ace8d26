"""Fits of regressions and of users' own, kept in a file: as pickles, which run code when they are read."""

import pickle
from pathlib import Path
from typing import Protocol, runtime_checkable

from quantray.errors import InputError, first_line
from quantray.models.forecaster import FitContext, Fitted

__all__ = ["keep_fit", "kept_fit"]


@runtime_checkable
class _Movable(Protocol):
    """A fit that can be asked with another context than that of its fitting."""

    def within(self, context: FitContext) -> Fitted: ...


def keep_fit(fitted: Fitted, path: Path, name: str) -> None:
    """Write a fit, without the context that it was made in.

    Raises
    ------
    InputError
        It is of no kind that can be kept, or cannot be pickled.
    """
    if not isinstance(fitted, _Movable):
        raise InputError(f"{name} learns nothing that could be kept; name a network, or a regression.")
    try:
        content = pickle.dumps(fitted.within(FitContext()))
    except Exception as error:  # whatever a user's class raises as it is pickled
        raise InputError(
            f"{name} cannot be pickled once it is fitted ({first_line(error)}); keep in it arrays and what stands at "
            "the top of a module."
        ) from error
    path.write_bytes(content)


def kept_fit(path: Path, context: FitContext) -> Fitted:
    """The fit that ``keep_fit`` wrote, asked from now on with a context."""
    movable: _Movable = pickle.loads(path.read_bytes())
    return movable.within(context)
