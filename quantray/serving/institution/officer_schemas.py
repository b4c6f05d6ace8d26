"""What travels between the order management and risk officers; money in the currency, shares whole."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from quantray.serving.institution.manager_schemas import HeldRow
from quantray.serving.institution.parts import OwnId, Page, Part, Reason

__all__ = [
    "AlertRow",
    "Alerts",
    "ChangeDecision",
    "ChangeRow",
    "Changes",
    "ExposureRow",
    "Exposures",
    "FirmPosition",
    "FirmPositions",
    "NewChange",
    "SwitchOrder",
    "SwitchRow",
    "Switches",
]


class ExposureRow(Part):
    """Money held long and short, and gross and net at the worst that open orders may lead to."""

    name: str
    long: float
    short: float
    gross: float
    net: float


class Exposures(Page):
    """Exposures of the firm by name, sector or portfolio manager; the largest gross first."""

    by: str
    firm: ExposureRow
    exposures: tuple[ExposureRow, ...]


class FirmPosition(HeldRow):
    """A position of the firm."""

    pm: str


class FirmPositions(Page):
    """Positions of the firm, by account and symbol."""

    positions: tuple[FirmPosition, ...]


class NewChange(Part):
    """That a limit is to be another; a second person has to approve it."""

    id: OwnId
    scope: Literal["firm", "pm", "account", "sector", "factor"]
    key: Annotated[str, Field(max_length=128, pattern=r"^[\x20-\x7e]*$")] = ""
    name: Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")]
    value: Annotated[Decimal, Field(ge=0, le=10**13, decimal_places=4, allow_inf_nan=False)]
    """Money, or for limits of shares, days, basis points and orders a second that number."""
    reason: Reason
    hours: Annotated[int, Field(ge=1, le=168)] = 24
    """After which nobody can approve it."""


class ChangeDecision(Part):
    """A second person's word."""

    approve: Annotated[bool, Field(strict=True)]


class ChangeRow(Part):
    """A change of a limit."""

    id: str
    scope: str
    key: str
    name: str
    value: float
    before: float | None
    unit: Literal["money", "number"]
    reason: str
    proposer: str
    expires: datetime
    state: Literal["waiting", "approved", "declined", "expired"]
    decider: str


class Changes(Page):
    """Changes of limits by id."""

    changes: tuple[ChangeRow, ...]


class SwitchOrder(Part):
    """That trading is halted, or resumed; what is open when it halts is canceled."""

    scope: Literal["firm", "pm", "account", "symbol"]
    key: Annotated[str, Field(max_length=64, pattern=r"^[\x20-\x7e]*$")] = ""
    on: Annotated[bool, Field(strict=True)]


class SwitchRow(Part):
    """A kill switch that is on."""

    scope: str
    key: str


class Switches(Part):
    """Kill switches that are on."""

    switches: tuple[SwitchRow, ...]


class AlertRow(Part):
    """Something that a person must look at."""

    seq: int
    time: datetime
    kind: str
    entity: str
    text: str


class Alerts(Part):
    """The newest alerts first."""

    alerts: tuple[AlertRow, ...]
