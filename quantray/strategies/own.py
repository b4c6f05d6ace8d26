"""Strategies of users' own: a function from a panel to weights, or a rule as the catalogue has them."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from quantray.arrays import Float
from quantray.data.panel import Panel
from quantray.errors import InputError, SolverError, first_line
from quantray.own import Thing, called, numbers, own_path, own_thing
from quantray.strategies.catalogue import Entry, Parameter
from quantray.strategies.rolling import tradable
from quantray.strategies.rule import Adjustments, Controls, Rule, StrategyResult

__all__ = ["FunctionRule", "own_entry"]

_GROSS_ERROR = 1e-9


@dataclass(frozen=True, kw_only=True)
class FunctionRule(Rule[Float]):
    """Weights by a function of a panel, which decides each row from that row and those before it.

    Raises
    ------
    InputError
        Controls: a function opens and abandons positions itself.
    """

    path: str
    """Import path of the function."""
    function: Thing = field(repr=False)
    parameters: Mapping[str, Any]

    def __post_init__(self) -> None:
        if self.controls != Controls():
            raise InputError(f"strategy {self.path!r} is a function, which knows no stop, min_signal or max_weight.")

    @property
    def signal_key(self) -> tuple[Any, ...]:
        """See ``Rule``."""
        return type(self).__name__, self.path, repr(sorted(self.parameters.items()))

    def signal(self, panel: Panel) -> Float:
        """(T, N) weights.

        Raises
        ------
        InputError
            The function takes no such parameters.
        SolverError
            It raised an error, or what it gave are no weights: fractions of NAV, gross at most 1, finite, and zero
            where an asset is no member or has no close.
        """
        told = f"strategy {self.path!r}"
        return _checked(called(self.function, panel, self.parameters, "", told), panel, told)

    def trade(self, panel: Panel, signal: Float, adjust: Adjustments, lag: int) -> StrategyResult:
        """See ``Rule``; adjustments concern controls, which a function has none of."""
        return StrategyResult(signal, np.zeros(len(panel.dates)))


def own_entry(name: str, rule: str, parameters: Mapping[str, Any], ranges: Mapping[str, Parameter]) -> Entry:
    """A strategy of a user's own in the shape of the catalogue's.

    Parameters
    ----------
    name : of the strategy.
    rule : ``module:name``, or as a package registers it among ``quantray.strategies``: of a function of a panel, or of
        a class derived from ``strategies.rule.Rule``.
    parameters : that differ from the function's, or the class's, defaults.
    ranges : what a search may change.

    Raises
    ------
    InputError
        As ``own.own_thing``, or it is another kind of class, or has no such parameters.
    """
    thing, path = own_thing(rule, "strategies"), own_path(rule, "strategies") or rule
    if isinstance(thing, type):
        strategy = Entry(name, "own", _made(thing, name, path), {}, path).build(parameters)
        entry = Entry(name, "own", strategy, ranges, path)
        known = set(entry.values())
    else:
        values = _defaults(thing) | dict(parameters)
        entry = Entry(name, "own", FunctionRule(path=path, function=thing, parameters=values), ranges, path)
        known = set(values)
    if lacking := sorted(set(ranges) - known):
        raise InputError(
            f"strategy {name!r}: {', '.join(lacking)} of ranges is no parameter of {path} with a value to begin with; "
            f"those are {', '.join(sorted(known)) or 'none'}."
        )
    return entry


def _made(thing: type, name: str, path: str) -> Rule[Any]:
    if not issubclass(thing, Rule):
        raise InputError(
            f"strategy {name!r}: {path} is a class that is no Rule; name a function of a panel that gives (T, N) "
            "weights, or derive the class from quantray.strategies.rule.Rule."
        )
    try:
        made: Rule[Any] = thing()
    except TypeError as error:
        raise InputError(f"strategy {name!r}: {path} must be made without arguments ({first_line(error)}).") from error
    return made


def _defaults(function: Thing) -> dict[str, Any]:
    taken = list(inspect.signature(function).parameters.values())[1:]
    return {each.name: each.default for each in taken if each.default is not each.empty}


def _checked(found: Any, panel: Panel, told: str) -> Float:
    weights = numbers(found, told, f"an array {panel.shape}", (panel.dates, panel.assets))
    if weights.shape != panel.shape:
        raise SolverError(
            f"{told} gave {weights.shape}; it must give {panel.shape}, a row a date and a column an asset."
        )
    if (bad := ~np.isfinite(weights)).any():
        raise _wrong(told, panel, bad, "is NaN or infinite; give 0 for nothing")
    if (bad := (weights != 0) & ~tradable(panel)).any():
        raise _wrong(told, panel, bad, "is held without a close, or out of the index; give 0 there")
    gross = np.abs(weights).sum(axis=1)
    if (late := gross > 1 + _GROSS_ERROR).any():
        row = int(late.argmax())
        raise SolverError(
            f"{told} gave weights of gross {gross[row]:.6g} on {panel.dates[row]}; the most is 1, so divide by it."
        )
    return weights


def _wrong(told: str, panel: Panel, bad: Any, what: str) -> SolverError:
    row, column = (int(place[0]) for place in np.nonzero(bad))
    return SolverError(f"{told}: {panel.assets[column]} on {panel.dates[row]}, of {int(bad.sum())} weights, {what}.")
