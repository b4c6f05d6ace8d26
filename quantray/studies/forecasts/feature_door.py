"""Features of users' own, tried on a few names of the study's panel before any work is handed out."""

from collections.abc import Iterable

import numpy as np
from threadpoolctl import threadpool_limits

from quantray.arrays import Float
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.features.catalogue import Inputs
from quantray.research.door import LATER, Door, best_known, refused
from quantray.studies.forecasts.settings import FeatureSettings, OwnFeatureSettings

__all__ = ["try_features"]

_ROWS = 3
"""At which it is seen that neither the future counts nor what lies further back than the look-back."""
_TOLERANCE = 1e-9


def try_features(features: Iterable[FeatureSettings], panel: Panel, *, threads: int = 1) -> None:
    """See that features of users' own keep to what every feature keeps to, but for those that come as values.

    Each is asked about the 20 names of which most is known, on all days and on days up to some: it must give values as
    ``features.own`` wants them, within ``trial_seconds``, the same again about the same past, whatever it was asked in
    between, whatever follows and whatever lies further back than its look-back. Where values depend on the order of the
    assets, that is said.

    Raises
    ------
    InputError
        One does not; the message says what it did and what was expected.
    """
    functions = [each for each in features if isinstance(each, OwnFeatureSettings)]
    few = best_known(panel) if functions else panel
    with threadpool_limits(limits=threads):
        for each in functions:
            _try(each, few)


def _try(settings: OwnFeatureSettings, panel: Panel) -> None:
    feature, told = settings.build(), f"{settings.name}: tried on {len(panel.assets)} names before the study"
    if missing := sorted(set(feature.fields) - set(panel.fields)):
        raise refused(
            told, f"it needs {', '.join(missing)}, which the data have not; they have {', '.join(panel.fields)}"
        )
    sectors = np.full(len(panel.assets), -1)

    def decide(known: Panel, row: int) -> Float:
        return np.asarray(feature.compute(Inputs(known, sectors))[row])

    door = Door(told, decide, settings.trial_seconds, gives="values", tolerance=_TOLERANCE)
    last = len(panel.dates) - 1 - LATER
    if last < settings.lookback + 1:
        raise InputError(f"{told}, {len(panel.dates)} days are too few for its look-back of {settings.lookback}.")
    door.pass_through(panel, last)
    for row in np.linspace(settings.lookback + 1, last, _ROWS, dtype=np.int64).tolist():
        door.look_back(panel, row)
        _check_lookback(door, panel, row, settings.lookback)


def _check_lookback(door: Door, panel: Panel, row: int, lookback: int) -> None:
    near = panel.between(panel.dates[row - lookback], panel.dates[row])
    if not door.same(door.values(near, lookback), door.values(panel.until(row), row)):
        raise refused(
            door.told,
            f"it gave other values for {panel.dates[row]} from {lookback} rows before it than from all: raise lookback",
        )
