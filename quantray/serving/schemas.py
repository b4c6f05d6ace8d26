"""What travels: requests and answers of the service, as its OpenAPI document describes them."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from quantray.execution.impact import LawName

__all__ = [
    "ARROW",
    "BookEntry",
    "ChildRow",
    "Document",
    "ForecastRow",
    "Forecasts",
    "Health",
    "History",
    "OptimiseRequest",
    "Optimised",
    "ParentRow",
    "Portfolio",
    "PositionRow",
    "Problem",
    "Schedule",
    "ScheduleRequest",
    "ScheduleTable",
    "Scheduled",
    "ScheduledRow",
    "SlotRow",
    "TradeRow",
]

ARROW = "application/vnd.apache.arrow.stream"
"""Media type of tables as an Arrow stream."""

ScheduleTable = Literal["parents", "children", "slots"]
_Symbol = Annotated[str, Field(min_length=1, max_length=64)]
_Weight = Annotated[float, Field(allow_inf_nan=False, ge=-20, le=20)]
_Finite = Annotated[float, Field(allow_inf_nan=False, ge=-1e15, le=1e15)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Problem(_Part):
    """What went wrong (RFC 9457)."""

    type: str
    """Stable name of the kind of problem."""
    title: str
    status: int
    detail: str
    """What to do."""
    request_id: str


class PositionRow(_Part):
    """A position before and after the day's trades."""

    symbol: str
    sector: str
    price: float
    """In the base currency."""
    weight_before: float
    """Fraction of NAV, as the holdings drifted to the close."""
    weight: float
    """Fraction of NAV that was decided."""
    shares_before: int
    shares: int


class Portfolio(_Part):
    """The portfolio of a day."""

    as_of: date
    version: str
    portfolio: str
    nav: float
    cash: float
    """Fraction of NAV that is left."""
    positions: tuple[PositionRow, ...]


class ParentRow(_Part):
    """An order as a whole."""

    parent: str
    symbol: str
    shares: int
    """Sales negative."""
    algorithm: str
    expected_cost: float | None
    """Money."""
    expected_cost_bps: float | None
    risk: float | None
    """Standard deviation of the cost, money."""


class ChildRow(_Part):
    """A slice of an order."""

    parent: str
    child: str
    symbol: str
    time: datetime
    shares: int
    venue: str
    algorithm: str
    limit: float | None


class SlotRow(_Part):
    """What is traded at a moment."""

    time: datetime
    bought: float
    """Money, at the prices of the book."""
    sold: float


class Schedule(_Part):
    """Orders of a day, a page of their slices, or what these trade at each moment."""

    as_of: date
    version: str
    table: ScheduleTable
    total: int
    """Rows that fit the filters, on all pages."""
    offset: int
    parents: tuple[ParentRow, ...] = ()
    children: tuple[ChildRow, ...] = ()
    slots: tuple[SlotRow, ...] = ()


class ForecastRow(_Part):
    """What is expected of a name."""

    symbol: str
    forecast: float | None


class Forecasts(_Part):
    """Forecasts that a day's portfolio acts on."""

    as_of: date
    version: str
    forecasts: tuple[ForecastRow, ...]


class Document(_Part):
    """The risk, the regimes or the attribution of a day."""

    as_of: date
    version: str
    content: dict[str, Any]


class BookEntry(_Part):
    """A published book."""

    as_of: date
    version: str


class History(_Part):
    """All days with a book."""

    books: tuple[BookEntry, ...]


class Health(_Part):
    """Whether the service works, and what it serves."""

    status: Literal["ok", "not ready"]
    as_of: date | None = None
    version: str | None = None
    age_hours: float | None = None
    problem: str = ""


class OptimiseRequest(_Part):
    """A what-if: another portfolio for the served book's names."""

    alpha: dict[_Symbol, _Finite] = Field(min_length=1)
    """Expected return of a day by name; names of the book that are left out have none."""
    risk_aversion: float = Field(5.0, gt=0, le=1e6)
    max_weight: float = Field(0.05, gt=0, le=1)
    long_only: bool = True
    gross: float = Field(1.0, gt=0, le=20)
    """Largest sum of absolute weights."""
    max_turnover: float | None = Field(None, gt=0, le=20)
    """Half the sum of absolute changes from the book's weights before its trades."""


class Optimised(_Part):
    """A portfolio that was asked for; nothing of it was published."""

    as_of: date
    version: str
    weights: dict[str, float]
    expected_return: float
    """Of a day."""
    volatility: float
    """Of a day."""
    turnover: float


class TradeRow(_Part):
    """Shares to trade."""

    symbol: _Symbol
    shares: int = Field(ge=-1_000_000_000, le=1_000_000_000)
    """Sales negative."""
    limit: float | None = Field(None, gt=0, le=1e9, allow_inf_nan=False)
    """Worst price."""

    @model_validator(mode="after")
    def _some(self) -> "TradeRow":
        if self.shares == 0:
            raise ValueError("shares must not be 0; leave the name out")
        return self


class ScheduleRequest(_Part):
    """A what-if: the schedule of other trades in the served book's names."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["trades"]}, {"required": ["weights"]}],
            "dependentRequired": {"aum": ["weights"]},
        }
    )

    trades: tuple[TradeRow, ...] = ()
    """What to trade; or give ``weights``."""
    weights: dict[_Symbol, _Weight] = Field(default_factory=dict)
    """Fractions of the money to go to, from the book's weights before its trades; names left out stay as they are."""
    aum: float | None = Field(None, ge=1, le=1e15, allow_inf_nan=False)
    """Money that the weights are fractions of; by default the book's NAV."""
    participation: float = Field(0.1, gt=0, le=1)
    """Largest share of a usual day's volume."""
    urgency: float = Field(1.0, ge=0, le=100)
    """How often an order falls by a factor e until it is done, where waiting is weighed against cost."""
    days: int = Field(5, ge=1, le=60)
    """Sessions that an order may take; of a basket those that it does take."""
    slices: int = Field(8, ge=1, le=100)
    """Of a session."""
    impact: LawName = "square_root"
    together: bool = False
    """As a basket: so that what is left of it stays hedged, which weighs cost against the risk of all of it."""
    risk_aversion: float = Field(1e-7, ge=1e-15, le=1)
    """Of a basket, per money."""

    @model_validator(mode="after")
    def _once(self) -> "ScheduleRequest":
        if bool(self.trades) == bool(self.weights):
            raise ValueError("give either trades or weights")
        if self.trades and self.aum is not None:
            raise ValueError("aum goes with weights; trades are in shares")
        names = [trade.symbol for trade in self.trades]
        if len(set(names)) != len(names):
            raise ValueError("a symbol is traded twice; add its shares up")
        return self

    @property
    def most_slices(self) -> int:
        """Slices of all orders on all their days."""
        return max(len(self.trades), len(self.weights)) * self.days * self.slices


class ScheduledRow(ParentRow):
    """An order of a schedule that was asked for."""

    days: int
    """Sessions until it is done."""
    reason: str
    """For the algorithm."""


class Scheduled(_Part):
    """A schedule that was asked for; nothing of it was published."""

    as_of: date
    version: str
    session: date
    """The first on which is traded."""
    expected_cost: float
    """Money, of all orders."""
    expected_cost_bps: float
    """Of the value of all orders."""
    risk: float | None
    """Standard deviation of the cost of all orders, money; of a basket only."""
    parents: tuple[ScheduledRow, ...]
    children: tuple[ChildRow, ...]
