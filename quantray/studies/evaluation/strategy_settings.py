"""How settings name strategies: those of the catalogue, and users' own with their parameters and ranges."""

from collections.abc import Collection, Iterable, Mapping
from typing import Annotated

from pydantic import AfterValidator, Discriminator, Field, JsonValue, Tag

from quantray.errors import InputError
from quantray.own import own_path, registered
from quantray.settings import SettingsModel, nearest
from quantray.strategies.catalogue import CATALOGUE, Categorical, Entry, Parameter, ParameterValue, Range
from quantray.strategies.own import own_entry

__all__ = [
    "OwnStrategy",
    "RangeSettings",
    "Strategy",
    "StrategyName",
    "catalogued",
    "check_names",
    "entry_of",
    "named",
    "trial_seconds_of",
]


class RangeSettings(SettingsModel):
    """Numbers from the lowest to the highest in equal steps."""

    low: int | float
    high: int | float
    step: int | float


_Searched = Annotated[
    Annotated[tuple[ParameterValue, ...], Field(min_length=1), Tag("(values)")]
    | Annotated[RangeSettings, Tag("(range)")],
    Discriminator(lambda value: "(range)" if isinstance(value, Mapping | RangeSettings) else "(values)"),
]


def _known(name: str) -> str:
    if ":" in name:
        if not all(part.isidentifier() for part in name.replace(":", ".").split(".")) or name.count(":") != 1:
            raise ValueError(f"{name!r} is no import path such as my_rules:dip")
    elif name not in CATALOGUE and own_path(name, "strategies") is None:
        known = [*CATALOGUE, *registered("strategies")]
        raise ValueError(
            f"strategy {name!r} is unknown;{nearest(name, known)} choose one of {', '.join(known)}, or one of your own "
            "as module:name"
        )
    return name


StrategyName = Annotated[str, AfterValidator(_known)]
"""A name in ``strategies.catalogue``, ``module:name``, or the name that a package registers."""


class OwnStrategy(SettingsModel):
    """A strategy of your own; see ``strategies.own``."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$", max_length=60)
    """How the report calls it."""
    rule: StrategyName
    """``module:name`` of a function of a panel, or of a class derived from ``strategies.rule.Rule``; or the name that
    an installed package registers among ``quantray.strategies``."""
    parameters: Mapping[str, JsonValue] = {}
    """That differ from its defaults."""
    ranges: Mapping[str, _Searched] = {}
    """What a search may change: values, or numbers from ``low`` to ``high`` by ``step``."""
    trial_seconds: float = Field(30.0, gt=0, le=3600)
    """That one call may take when it is tried before the study; no number changes."""


Strategy = Annotated[
    Annotated[StrategyName, Tag("(named)")] | Annotated[OwnStrategy, Tag("(own)")],
    Discriminator(lambda value: "(named)" if isinstance(value, str) else "(own)"),
]
"""A name in ``strategies.catalogue``; or a strategy of one's own, with its defaults as ``module:name`` or by the name
that a package registers, or with parameters and ranges."""


def named(strategy: str | OwnStrategy) -> str:
    """How the report calls a strategy."""
    return strategy if isinstance(strategy, str) else strategy.name


def catalogued(strategies: Iterable[str | OwnStrategy]) -> tuple[str, ...]:
    """The names of those that are in the catalogue."""
    return tuple(each for each in strategies if isinstance(each, str) and each in CATALOGUE)


def entry_of(strategy: str | OwnStrategy) -> Entry:
    """The strategy in the shape of the catalogue's.

    Raises
    ------
    InputError
        As ``strategies.own.own_entry``, or values of ranges are none that it takes.
    """
    if isinstance(strategy, str):
        return CATALOGUE[strategy] if strategy in CATALOGUE else own_entry(strategy, strategy, {}, {})
    ranges = {name: _parameter(each) for name, each in strategy.ranges.items()}
    return own_entry(strategy.name, strategy.rule, strategy.parameters, ranges)


def trial_seconds_of(strategy: str | OwnStrategy) -> float:
    """That one call may take when it is tried."""
    return OwnStrategy.model_fields["trial_seconds"].default if isinstance(strategy, str) else strategy.trial_seconds


def check_names(strategies: Collection[str | OwnStrategy]) -> None:
    """Refuse two strategies of one name.

    Raises
    ------
    ValueError
        Names repeat, or one of a user's own is called as one of the catalogue.
    """
    names = [named(each) for each in strategies]
    if len(set(names)) != len(names):
        raise ValueError(f"strategies repeat: {', '.join(names)}")
    taken = [each.name for each in strategies if isinstance(each, OwnStrategy) and each.name in CATALOGUE]
    if taken:
        raise ValueError(f"{taken[0]!r} is the name of a rule of the catalogue; choose another")


def _parameter(given: tuple[ParameterValue, ...] | RangeSettings) -> Parameter:
    if isinstance(given, RangeSettings):
        return Range(given.low, given.high, given.step)
    if len(set(given)) != len(given):
        raise InputError(f"the values {given} of a range repeat; give each once.")
    return Categorical(given)
