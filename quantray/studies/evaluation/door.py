"""Strategies of users' own, tried on a few names of the study's panel before any work is handed out."""

from collections.abc import Iterable
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from quantray.arrays import Float
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.research.door import LATER, Door, best_known, patiently
from quantray.strategies.catalogue import CATALOGUE, Entry
from quantray.studies.evaluation.strategy_settings import OwnStrategy, entry_of, trial_seconds_of

__all__ = ["try_strategies"]

_LEAST_DAYS = 20
_EARLIER = 2
"""Rows besides the last at which it is seen whether the future counts."""
_ENDS = 2
"""Values at either end of a range."""
_TOLERANCE = 1e-9
"""Of a weight; running sums over more days differ in the last bits."""


def try_strategies(strategies: Iterable[str | OwnStrategy], panel: Panel, *, threads: int = 1) -> None:
    """See that strategies of users' own keep to what every rule keeps to.

    Each is asked about the 20 names of which most is known, on all days and on days up to some: it must give weights as
    ``strategies.own`` wants them, within ``trial_seconds``, the same again about the same past, whatever it was asked
    in between and whatever follows. Where weights depend on the order of the assets, that is said.

    Raises
    ------
    InputError
        One does not; the message says what it did and what was expected.
    """
    own = [each for each in strategies if not (isinstance(each, str) and each in CATALOGUE)]
    if not own:
        return
    if len(panel.dates) < _LEAST_DAYS + LATER + 2:
        raise InputError(f"{len(panel.dates)} days are too few to try a strategy on; take {_LEAST_DAYS + LATER + 2}.")
    few = best_known(panel)
    with threadpool_limits(limits=threads):
        for each in own:
            _try(entry_of(each), trial_seconds_of(each), few)


def _try(entry: Entry, seconds: float, panel: Panel) -> None:
    told = f"{entry.name}: tried on {len(panel.assets)} names before the study"

    def decide(known: Panel, row: int) -> Float:
        return np.asarray(entry.weights(known)[row])

    door, last = Door(told, decide, seconds, tolerance=_TOLERANCE), len(panel.dates) - 1 - LATER
    # First, since what is asked about everything may never forget it.
    door.pass_through(panel, last)
    _try_ranges(entry, told, seconds, panel.until(last))
    everything = patiently(told, seconds, lambda: entry.weights(panel), f"{len(panel.assets)} names")
    # Days on which it holds something say most.
    days = np.arange(_LEAST_DAYS, last)
    held = days[everything[days].any(axis=1)] if everything[days].any() else days
    for row in np.quantile(held, np.arange(1, _EARLIER + 1) / _EARLIER, method="nearest").tolist():
        door.look_back(panel, int(row))


def _try_ranges(entry: Entry, told: str, seconds: float, panel: Panel) -> None:
    """See that it takes what a search may give it, one parameter at a time: the ends of each range."""
    for name, parameter in entry.parameters.items():
        for value in dict.fromkeys((*parameter.values[:_ENDS], *parameter.values[-_ENDS:])):
            try:
                rule = entry.build({name: value})
            except InputError:
                # Not every combination need be valid; a search leaves such ones out.
                continue
            about = f"{len(panel.assets)} names"
            patiently(f"{told} with {name} {value!r}", seconds, partial(rule.weights, panel), about)
