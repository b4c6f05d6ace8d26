"""What a risk report says, as plain values that JSON keeps both ways; losses are positive fractions of NAV."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from quantray.errors import InputError

__all__ = [
    "Backtest",
    "Concentrated",
    "Factor",
    "FactorGroup",
    "FactorRisk",
    "FundingNeed",
    "Group",
    "LimitState",
    "Liquidity",
    "LossParts",
    "MarketRisk",
    "PositionRisk",
    "RiskReport",
    "ScenarioLoss",
    "Simulation",
    "TailLoss",
    "TestResult",
    "TradeEffect",
]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class TailLoss(_Part):
    """One estimate of what a bad day loses."""

    method: str
    level: float
    var: float | None
    es: float | None
    """None where the method cannot say, as ``note`` tells."""
    note: str = ""


class TradeEffect(_Part):
    """What a basket of trades adds to the value-at-risk under normal moves; negative where it hedges."""

    name: str
    exact: float
    first_order: float


class MarketRisk(_Part):
    """What may be lost in a day by moves of the market."""

    default: str
    """Method of the estimates that are quoted where none is named."""
    n_days: int
    """Of the past that the estimates from history replay."""
    estimates: tuple[TailLoss, ...]
    trades: tuple[TradeEffect, ...] = ()

    def estimate(self, level: float = 0.99, method: str | None = None) -> TailLoss:
        """The estimate of a method, by default that of ``default``.

        Raises
        ------
        InputError
            The report holds none of it.
        """
        wanted = self.default if method is None else method
        for each in self.estimates:
            if each.method == wanted and abs(each.level - level) < 1e-9:
                return each
        known = ", ".join(dict.fromkeys(f"{each.method} at {each.level:g}" for each in self.estimates))
        raise InputError(f"the report holds no {wanted} at {level:g}, but {known}.")


class PositionRisk(_Part):
    """N positions, column by column."""

    names: tuple[str, ...]
    value: tuple[float, ...]
    """Worth; futures are worth nothing."""
    exposure: tuple[float, ...]
    """See ``Sensitivities.notional``."""
    component_var: tuple[float, ...]
    """Parts of the value-at-risk under normal moves at the report's level, curvature counted, which sum to it; negative
    where a position hedges."""
    marginal_var: tuple[float | None, ...]
    """``component_var`` over the exposure; None without any."""
    component_es: tuple[float | None, ...]
    """Mean loss of each on the worst days of the plain history; they sum to its expected shortfall. None where the past
    is too short for the report's level."""
    days: tuple[float | None, ...]
    """To sell; None where nobody knows the volume."""
    score: tuple[float, ...]
    """Of liquidity, from 0 to 1."""
    cost: tuple[float | None, ...]
    """Of selling; None where spread, volume or volatility is unknown."""

    @model_validator(mode="after")
    def _alike(self) -> "PositionRisk":
        if len({len(column) for _, column in self}) > 1:
            raise ValueError("the columns are of different lengths")
        return self


class Group(_Part):
    """Positions of one sector, strategy, asset class or currency."""

    name: str
    net: float
    gross: float
    component_var: float


class Factor(_Part):
    """One factor of the risk model."""

    name: str
    exposure: float
    """The book's loading on it."""
    component_var: float


class FactorGroup(_Part):
    """Factors that share what stands before the colon of their names."""

    name: str
    component_var: float


class FactorRisk(_Part):
    """Where the risk comes from: factors, groups of them, and what is specific to names; by deltas alone."""

    volatility: float
    """Of a day, by the model."""
    yearly_volatility: float
    groups: tuple[FactorGroup, ...]
    factors: tuple[Factor, ...]
    specific_var: float
    """Part of the value-at-risk that is owed to names; with those of the factors it sums to the whole."""
    tree: str
    """As text, annualised."""


class Concentrated(_Part):
    """How a total is spread."""

    of: str
    herfindahl: float
    effective: float
    """How many of equal size would be as concentrated."""
    largest: tuple[tuple[str, float], ...]
    """Names and shares."""


class FundingNeed(_Part):
    """See ``liquidity.Funding``."""

    margin: float
    redemptions: float
    cash: float
    need: float
    raised: tuple[float, ...]
    """By the horizons of the ladder."""
    days: float | None


class Liquidity(_Part):
    """What selling the book takes."""

    participation: float
    horizons: tuple[int, ...]
    sold: tuple[float, ...]
    """Share of the gross exposure that is sold by each."""
    longest: float
    """Days to sell all positions of known volume."""
    spread_cost: float
    impact_cost: float
    var: float
    """Under normal moves, curvature counted; without liquidity."""
    adjusted_var: float
    multiplier: float
    """Risk until all is sold over that of a day."""
    unknown: tuple[str, ...]
    """Positions whose volume nobody knows, which no ladder sells."""
    unquoted: tuple[str, ...]
    funding: FundingNeed | None = None

    @property
    def cost(self) -> float:
        """Of selling all: spread and impact."""
        return self.spread_cost + self.impact_cost


class LossParts(_Part):
    """What the groups of one kind lose; they sum to the loss of the book."""

    kind: str
    names: tuple[str, ...]
    losses: tuple[float, ...]


class ScenarioLoss(_Part):
    """What a scenario loses, all positions revalued; negative where it gains."""

    name: str
    loss: float
    source: str = ""
    by: tuple[LossParts, ...] = ()
    notes: tuple[str, ...] = ()
    """What was left out, stopped or stood in for."""


class LimitState(_Part):
    """See ``limits.LimitUse``."""

    name: str
    metric: str
    scope: str
    value: float | None
    usage: float | None
    """None where the state is unknown, as ``note`` tells."""
    soft: float
    hard: float
    state: Literal["met", "unknown", "soft", "hard"]
    action: Literal["report", "reduce", "stop"]
    note: str = ""


class Simulation(_Part):
    """Monte Carlo from the factor model."""

    n_scenarios: int
    distribution: str
    seed: int
    estimates: tuple[TailLoss, ...]


class TestResult(_Part):
    """See ``backtests.RiskTest``."""

    name: str
    level: float
    statistic: float
    p_value: float | None
    n_days: int
    n_hits: int


class Backtest(_Part):
    """Today's book held through the past, and what the default method forecast for each day."""

    method: str
    level: float
    dates: tuple[str, ...]
    gains: tuple[float, ...]
    var: tuple[float, ...]
    tests: tuple[TestResult, ...]


class RiskReport(_Part):
    """All that ``assess`` found."""

    layout: Literal[1] = 1
    date: str
    currency: str
    nav: Annotated[float, Field(gt=0)]
    level: float
    """Of the parts of the value-at-risk, of its liquidity and of nothing else."""
    n_positions: int
    net: float
    gross: float
    market: MarketRisk
    factors: FactorRisk
    positions: PositionRisk
    groups: dict[str, tuple[Group, ...]]
    """Sector, strategy, asset class and currency."""
    concentration: tuple[Concentrated, ...]
    liquidity: Liquidity
    stress: tuple[ScenarioLoss, ...]
    limits: tuple[LimitState, ...]
    """Worst first."""
    simulation: Simulation | None = None
    backtest: Backtest | None = None
    marks: tuple[str, ...] = ()
    """What could not be known and what stood in for it, a sentence each."""

    def var(self, level: float = 0.99) -> float:
        """Value-at-risk of a day by the default method."""
        return _known(self.market.estimate(level).var)

    def expected_shortfall(self, level: float = 0.99) -> float:
        """The mean loss beyond it."""
        return _known(self.market.estimate(level).es)

    @property
    def breaches(self) -> tuple[LimitState, ...]:
        """Limits that passed their soft or hard level."""
        return tuple(each for each in self.limits if each.state in ("soft", "hard"))

    @property
    def uncounted(self) -> tuple[LimitState, ...]:
        """Limits of which something could not be counted, so that nobody knows whether they are met."""
        return tuple(each for each in self.limits if each.state == "unknown")

    def to_json(self) -> str:
        """As ``from_json`` reads it."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str | bytes) -> "RiskReport":
        """A report from what ``to_json`` wrote.

        Raises
        ------
        InputError
            It is no report, or one of another layout.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "it"
            raise InputError(
                f"this is no risk report of this version: {where}: {first['msg']}; write it again with "
                "RiskReport.to_json."
            ) from error


def _known(value: float | None) -> float:
    if value is None:
        raise InputError("the default method could not say; see the note of its estimate.")
    return value
