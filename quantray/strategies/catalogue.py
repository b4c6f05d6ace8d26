"""The twelve rules by name: what they are, which parameters are worth searching, and where they come from."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from quantray.arrays import Float
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.strategies.crisis import CrisisAlpha, TailHedge, VolatilityArbitrage
from quantray.strategies.market_neutral import DeltaNeutralOptions, FactorNeutral, StatArb
from quantray.strategies.mean_reversion import BollingerReversion, PairsTrading, RsiReversion
from quantray.strategies.rule import Rule
from quantray.strategies.trend import Breakout, MovingAverageCross

__all__ = ["CATALOGUE", "Categorical", "Entry", "Family", "Parameter", "ParameterValue", "Range", "option_notes"]

Family = Literal["trend_following", "mean_reversion", "market_neutral", "crisis_alpha", "own"]
ParameterValue = float | int | bool | str | None


@dataclass(frozen=True)
class Range:
    """Numbers from the lowest to the highest in equal steps; whole if all three are."""

    low: float
    high: float
    step: float

    def __post_init__(self) -> None:
        if not (self.step > 0 and self.low <= self.high):
            raise InputError(f"a range from {self.low} to {self.high} by {self.step} must rise in positive steps.")

    @property
    def whole(self) -> bool:
        """Whether its values are whole numbers."""
        return all(isinstance(number, int) for number in (self.low, self.high, self.step))

    @property
    def values(self) -> tuple[float, ...]:
        """Every value, lowest first."""
        count = int((self.high - self.low) / self.step + 1e-9) + 1
        return tuple(
            self.low + i * self.step if self.whole else round(self.low + i * self.step, 12) for i in range(count)
        )


@dataclass(frozen=True)
class Categorical:
    """One of some values."""

    values: tuple[ParameterValue, ...]


Parameter = Range | Categorical


@dataclass(frozen=True, eq=False)
class Entry:
    """A rule of the catalogue, or a user's own."""

    name: str
    family: Family
    strategy: Rule[Any]
    """With its default parameters."""
    parameters: Mapping[str, Parameter]
    """What a search may change; not every combination need be valid."""
    literature: str

    def weights(self, panel: Panel) -> Float:
        """(T, N) target weights of the default strategy; see ``Rule.weights``."""
        return self.strategy.weights(panel)

    def build(self, parameters: Mapping[str, ParameterValue]) -> Rule[Any]:
        """The strategy with some parameters changed: its own, those of its controls, or of its options' terms.

        Raises
        ------
        InputError
            A parameter is unknown, or a value out of range.
        """
        return _changed(self.strategy, dict(parameters), self.name)

    def values(self) -> Mapping[str, Any]:
        """The default value of every parameter."""
        return _flat(self.strategy)

    def defaults(self) -> Mapping[str, ParameterValue]:
        """The default value of every parameter that a search may change."""
        known = self.values()
        return {name: known[name] for name in self.parameters}

    def grid(self) -> Iterator[Mapping[str, ParameterValue]]:
        """Every valid combination of the parameters' values, the last parameter fastest."""
        for values in itertools.product(*(parameter.values for parameter in self.parameters.values())):
            combination = dict(zip(self.parameters, values, strict=True))
            try:
                self.build(combination)
            except InputError:
                # A fast average slower than the slow one, and the like.
                continue
            yield combination


def _flat(settings: object) -> dict[str, Any]:
    """The values of a dataclass, and of dataclasses and mappings inside it, by their own names."""
    out: dict[str, Any] = {}
    for item in fields(settings):  # type: ignore[arg-type]
        value = getattr(settings, item.name)
        if isinstance(value, Mapping):
            out |= value
        else:
            out |= _flat(value) if is_dataclass(value) else {item.name: value}
    return out


def _changed(strategy: Rule[Any], parameters: dict[str, ParameterValue], name: str) -> Rule[Any]:
    known = _flat(strategy)
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise InputError(f"{name} has no parameter {', '.join(unknown)}; it has {', '.join(sorted(known))}.")
    changed: Rule[Any] = _replaced(strategy, parameters)
    return changed


def _replaced(settings: Any, parameters: Mapping[str, ParameterValue]) -> Any:
    changes = {}
    for item in fields(settings):
        value = getattr(settings, item.name)
        if is_dataclass(value):
            changes[item.name] = _replaced(value, parameters)
        elif isinstance(value, Mapping):
            changes[item.name] = {name: parameters.get(name, known) for name, known in value.items()}
        elif item.name in parameters:
            changes[item.name] = parameters[item.name]
    return replace(settings, **changes)


_STOP = Categorical((None, 4.0, 8.0))
_STRADDLES: Mapping[str, Parameter] = {
    "threshold": Range(0.01, 0.05, 0.02),
    "every": Categorical((10, 21)),
    "stop": _STOP,
}
_CROSS: Mapping[str, Parameter] = {"fast": Range(5, 25, 5), "slow": Range(20, 120, 20), "stop": _STOP}

_ENTRIES = (
    Entry(
        "momentum_5_20",
        "trend_following",
        MovingAverageCross(fast=5, slow=20),
        _CROSS,
        "Brock, Lakonishok and LeBaron (1992), Simple technical trading rules, Journal of Finance 47",
    ),
    Entry(
        "momentum_10_50",
        "trend_following",
        MovingAverageCross(fast=10, slow=50),
        _CROSS,
        "Brock, Lakonishok and LeBaron (1992), Simple technical trading rules, Journal of Finance 47",
    ),
    Entry(
        "breakout_20",
        "trend_following",
        Breakout(entry=20),
        {"entry": Categorical((10, 20, 55, 100)), "exit_days": Categorical((5, 10, 20)), "stop": _STOP},
        "Hurst, Ooi and Pedersen (2017), A century of evidence on trend-following investing, JPM 44",
    ),
    Entry(
        "bollinger_20",
        "mean_reversion",
        BollingerReversion(period=20, width=2.0),
        {"period": Range(10, 40, 10), "width": Range(1.5, 2.5, 0.5), "exit": Categorical((0.0, 0.5)), "stop": _STOP},
        "Bollinger (2001), Bollinger on Bollinger Bands",
    ),
    Entry(
        "rsi_14",
        "mean_reversion",
        RsiReversion(period=14),
        {
            "period": Categorical((2, 7, 14, 21)),
            "low": Range(20.0, 40.0, 10.0),
            "high": Range(60.0, 80.0, 10.0),
            "stop": _STOP,
        },
        "Wilder (1978), New Concepts in Technical Trading Systems",
    ),
    Entry(
        "pairs",
        "mean_reversion",
        PairsTrading(),
        {
            "formation": Categorical((126, 252)),
            "level": Categorical((0.01, 0.05)),
            "entry": Range(1.5, 2.5, 0.5),
            "exit": Categorical((0.0, 0.5)),
            "stop": _STOP,
        },
        "Gatev, Goetzmann and Rouwenhorst (2006), Pairs trading, RFS 19; Engle and Granger (1987), Econometrica 55",
    ),
    Entry(
        "stat_arb",
        "market_neutral",
        StatArb(),
        {
            "factors": Categorical((5, 10, 15)),
            "entry": Range(1.0, 2.0, 0.25),
            "exit_long": Categorical((0.25, 0.5)),
            "stop": _STOP,
        },
        "Avellaneda and Lee (2010), Statistical arbitrage in the US equities market, Quantitative Finance 10",
    ),
    Entry(
        "factor_neutral",
        "market_neutral",
        FactorNeutral(),
        {
            "lookback": Categorical((63, 126, 252)),
            "threshold": Range(0.25, 1.0, 0.25),
            "factors": Categorical((5, 10)),
            "stop": _STOP,
        },
        "Blitz, Huij and Martens (2011), Residual momentum, Journal of Empirical Finance 18",
    ),
    Entry(
        "delta_neutral_options",
        "market_neutral",
        DeltaNeutralOptions(),
        _STRADDLES,
        "Coval and Shumway (2001), Expected option returns, Journal of Finance 56; Bakshi and Kapadia (2003), RFS 16",
    ),
    Entry(
        "volatility_arbitrage",
        "crisis_alpha",
        VolatilityArbitrage(),
        {**_STRADDLES, "forecast": Categorical((63, 126, 252))},
        "Goyal and Saretto (2009), Cross-section of option returns and volatility, JFE 94",
    ),
    Entry(
        "tail_hedge",
        "crisis_alpha",
        TailHedge(),
        {"moneyness": Range(0.8, 0.95, 0.05), "tenor": Categorical((42, 63, 126)), "coverage": Categorical((0.5, 1.0))},
        "Israelov (2019), Pathetic protection, Journal of Alternative Investments 21",
    ),
    Entry(
        "crisis_alpha",
        "crisis_alpha",
        CrisisAlpha(),
        {
            "lookback": Categorical((63, 126, 252)),
            "threshold": Categorical((0.25, 0.5, 1.0)),
            "share": Categorical((0.05, 0.1, 0.2)),
            "stop": _STOP,
        },
        "Moskowitz, Ooi and Pedersen (2012), Time series momentum, JFE 104; Kaminski (2011), In search of crisis alpha",
    ),
)

CATALOGUE: Mapping[str, Entry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""Name -> rule, three of each family."""


def option_notes(names: Iterable[str], panel: Panel) -> tuple[str, ...]:
    """How the rules of these names that trade options price them on a panel, a sentence for those that do it alike.

    Raises
    ------
    InputError
        A name is not in the catalogue, or the panel has no dates.
    """
    names = list(names)
    unknown = [name for name in names if name not in CATALOGUE]
    if unknown or not len(panel.dates):
        raise InputError(
            f"{len(panel.dates)} dates and the unknown rules {unknown}; name some of {', '.join(CATALOGUE)}."
        )
    alike: dict[str, list[str]] = {}
    for name in names:
        # Where prices come from does not depend on the day, so the first one tells.
        result = CATALOGUE[name].strategy.run(panel.until(0), lag=0)
        if result.closing_costs is not None:
            alike.setdefault("; ".join(result.notes), []).append(name)
    return tuple(f"{', '.join(rules)}: {text}." for text, rules in alike.items())
