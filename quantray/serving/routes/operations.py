"""Routes of operations: breaks with the venue, blocks and their allocation, settlement by hand, alerts, compliance."""

from datetime import date

from fastapi import FastAPI, Request

from quantray.institution.compliance_report import ComplianceReport
from quantray.institution.overrides import Override
from quantray.oms.messages import MONEY, money
from quantray.oms.settling import Settlement
from quantray.serving.institution import managers, officers, operations
from quantray.serving.institution.firm import Firm, principal_of
from quantray.serving.institution.manager_schemas import BlockDetail, Blocks
from quantray.serving.institution.officer_schemas import Alerts
from quantray.serving.institution.operation_schemas import (
    Allocation,
    BreakRow,
    Breaks,
    OverrideOrder,
    Settled,
    SettlementOrder,
)
from quantray.serving.problems import ProblemError
from quantray.serving.routes.pages import Id, Limit, Offset
from quantray.serving.routes.service import PROBLEMS, scoped

__all__ = ["add_operations"]

_OPERATIONS = {"responses": PROBLEMS, "tags": ["operations"], **scoped("operations")}


def add_operations(app: FastAPI, firm: Firm) -> None:
    """Add the routes of operations."""
    _add_reports(app, firm)
    _add_blocks(app, firm)


def _add_reports(app: FastAPI, firm: Firm) -> None:
    @app.get("/v1/operations/breaks", response_model=Breaks, **_OPERATIONS)
    def breaks(request: Request) -> Breaks:
        """Where positions and cash differ from the venue's, which is asked now."""
        with firm.desk(principal_of(request)) as desk:
            found = desk.reconcile()
        rows = []
        for it in found:
            unit = MONEY if it.what == "cash" else 1
            rows.append(BreakRow(account=it.account, what=it.what, ours=it.ours / unit, theirs=it.theirs / unit))
        return Breaks(breaks=tuple(rows))

    @app.get("/v1/operations/alerts", response_model=Alerts, **_OPERATIONS)
    def alerts(limit: Limit = 100) -> Alerts:
        """The newest alerts first."""
        with firm.seen() as connection:
            return officers.alerts(connection, limit)

    @app.get("/v1/operations/compliance/{day}", response_model=ComplianceReport, **_OPERATIONS)
    def compliance(day: date) -> ComplianceReport:
        """What is held now against the rules in force on a day."""
        with firm.seen() as connection:
            return operations.compliance(connection, day)

    @app.post("/v1/operations/overrides", response_model=Override, **_OPERATIONS)
    def sign(request: Request, asked: OverrideOrder) -> Override:
        """Sign that an account may break a rule of compliance for a while; it may when a second person has, too."""
        with firm.desk(principal_of(request)) as desk:
            return desk.sign_override(Override(**asked.model_dump()))

    @app.post("/v1/operations/settlements", response_model=Settled, **_OPERATIONS)
    def settle(request: Request, asked: SettlementOrder) -> Settled:
        """Settle an order by hand that its venue does not settle."""
        price = None if asked.price is None else money(asked.price)
        with firm.desk(principal_of(request)) as desk:
            state = desk.settle(Settlement(order=asked.order, filled=asked.filled, price=price, reason=asked.reason))
        return Settled(order=asked.order, state=state.value)


def _add_blocks(app: FastAPI, firm: Firm) -> None:
    @app.get("/v1/operations/blocks", response_model=Blocks, **_OPERATIONS)
    def blocks(offset: Offset = 0, limit: Limit = 200) -> Blocks:
        """Blocks of all portfolio managers by id."""
        with firm.seen() as connection:
            return managers.blocks(connection, offset, limit)

    @app.get("/v1/operations/blocks/{block:path}", response_model=BlockDetail, **_OPERATIONS)
    def block(block: Id) -> BlockDetail:
        """A block, who wants it and who has it."""
        return _block(firm, block)

    @app.post("/v1/operations/allocations/{block:path}", response_model=BlockDetail, **_OPERATIONS)
    def allocate(request: Request, block: Id, asked: Allocation) -> BlockDetail:
        """Share out a block whose orders have ended; with ``onto`` and a reason anew, after its venue changed fills."""
        with firm.desk(principal_of(request)) as desk:
            if asked.onto is None:
                desk.allocate_block(block)
            else:
                desk.reallocate_block(block, asked.reason, asked.onto)
        return _block(firm, block)


def _block(firm: Firm, name: str) -> BlockDetail:
    with firm.seen() as connection:
        found = managers.block(connection, name)
    if found is None:
        raise ProblemError(404, "there is no such block.")
    return found
