"""Routes of risk officers: the firm's exposures, limits and their changes by two people, kill switches, alerts."""

from typing import Annotated, Literal

from fastapi import FastAPI, Path, Query, Request

from quantray.oms.controls import limit_units
from quantray.serving.institution import officers
from quantray.serving.institution.firm import Firm, principal_of
from quantray.serving.institution.manager_schemas import Limits
from quantray.serving.institution.officer_schemas import (
    Alerts,
    ChangeDecision,
    ChangeRow,
    Changes,
    Exposures,
    FirmPositions,
    NewChange,
    Switches,
    SwitchOrder,
)
from quantray.serving.routes.pages import Limit, Named, Offset
from quantray.serving.routes.service import PROBLEMS, scoped

__all__ = ["add_officers"]

_RISK = {"responses": PROBLEMS, "tags": ["risk"], **scoped("risk")}
_Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,40}$")]
_State = Literal["waiting", "approved", "declined", "expired"]


def add_officers(app: FastAPI, firm: Firm) -> None:
    """Add the routes of risk officers."""
    _add_views(app, firm)
    _add_changes(app, firm)
    _add_switches(app, firm)


def _add_views(app: FastAPI, firm: Firm) -> None:
    @app.get("/v1/firm/exposures", response_model=Exposures, **_RISK)
    def exposures(by: officers.By = "name", offset: Offset = 0, limit: Limit = 200) -> Exposures:
        """Exposures of the firm by name, sector or portfolio manager."""
        with firm.seen() as connection:
            return officers.firm_exposures(connection, by, offset, limit)

    @app.get("/v1/firm/positions", response_model=FirmPositions, **_RISK)
    def positions(
        pm: Named = None, account: Named = None, symbol: Named = None, offset: Offset = 0, limit: Limit = 200
    ) -> FirmPositions:
        """Positions of the firm by account and symbol."""
        with firm.seen() as connection:
            return officers.firm_positions(connection, pm, account, symbol, offset, limit)

    @app.get("/v1/firm/limits", response_model=Limits, **_RISK)
    def limits() -> Limits:
        """All limits, and what is used of them."""
        with firm.seen() as connection:
            return officers.firm_limits(connection)

    @app.get("/v1/firm/alerts", response_model=Alerts, **_RISK)
    def alerts(limit: Limit = 100) -> Alerts:
        """The newest alerts: breaks, limits, residuals and whatever else a person must look at."""
        with firm.seen() as connection:
            return officers.alerts(connection, limit)


def _add_changes(app: FastAPI, firm: Firm) -> None:
    @app.get("/v1/firm/changes", response_model=Changes, **_RISK)
    def changes(state: Annotated[_State | None, Query()] = None, offset: Offset = 0, limit: Limit = 200) -> Changes:
        """Changes of limits by id."""
        with firm.seen() as connection:
            return officers.changes(connection, state, offset, limit)

    @app.post("/v1/firm/changes", response_model=ChangeRow, **_RISK)
    def propose(request: Request, asked: NewChange) -> ChangeRow:
        """Propose a change of a limit; the same again is the same change."""
        with firm.desk(principal_of(request)) as desk:
            found = desk.propose_change(
                asked.id,
                (asked.scope, asked.key, asked.name),
                limit_units(asked.name, asked.value),
                reason=asked.reason,
                hours=asked.hours,
            )
        return officers.change_row(found)

    @app.post("/v1/firm/changes/{change}", response_model=ChangeRow, **_RISK)
    def decide(request: Request, change: _Id, asked: ChangeDecision) -> ChangeRow:
        """Approve a change that somebody else proposed, which sets the limit at once, or decline it."""
        with firm.desk(principal_of(request)) as desk:
            return officers.change_row(desk.decide_change(change, approve=asked.approve))


def _add_switches(app: FastAPI, firm: Firm) -> None:
    @app.get("/v1/firm/switches", response_model=Switches, **_RISK)
    def switches() -> Switches:
        """Kill switches that are on."""
        with firm.seen() as connection:
            return officers.switches(connection)

    @app.put("/v1/firm/switches", response_model=Switches, **_RISK)
    def switch(request: Request, asked: SwitchOrder) -> Switches:
        """Halt the firm, a portfolio manager, an account or a symbol, or let it trade again."""
        with firm.desk(principal_of(request)) as desk:
            desk.switch(asked.scope, asked.key, on=asked.on)
        with firm.seen() as connection:
            return officers.switches(connection)
