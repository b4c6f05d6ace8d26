"""Routes of portfolio managers: their orders, positions, profit, limits and blocks. Whose they are, the key says."""

from dataclasses import asdict

from fastapi import FastAPI, Request

from quantray.execution.orders import Side
from quantray.institution.allocation import Rule
from quantray.oms.block_records import Block, block_account
from quantray.oms.messages import NewOrder, money
from quantray.serving.institution import managers
from quantray.serving.institution.firm import Firm, manager_of, principal_of
from quantray.serving.institution.manager_schemas import (
    BlockDetail,
    BlockOrder,
    BlockReply,
    Blocks,
    Gains,
    LeftOutRow,
    Limits,
    NewTrade,
    OrderDetail,
    OrderReply,
    Orders,
    Positions,
)
from quantray.serving.problems import ProblemError
from quantray.serving.routes.pages import Id, Limit, Named, Offset
from quantray.serving.routes.service import PROBLEMS, scoped

__all__ = ["add_managers"]

_TRADE = {"responses": PROBLEMS, "tags": ["manager"], **scoped("trade")}


def add_managers(app: FastAPI, firm: Firm) -> None:
    """Add the routes of portfolio managers."""
    _add_orders(app, firm)
    _add_books(app, firm)
    _add_blocks(app, firm)


def _add_orders(app: FastAPI, firm: Firm) -> None:
    @app.get("/v1/manager/orders", response_model=Orders, **_TRADE)
    def orders(
        request: Request,
        account: Named = None,
        symbol: Named = None,
        state: Named = None,
        offset: Offset = 0,
        limit: Limit = 200,
    ) -> Orders:
        """Your orders by id."""
        asked = {"account": account, "symbol": symbol, "state": state}
        with firm.seen_by(manager_of(request)) as connection:
            wanted = {name: value for name, value in asked.items() if value is not None}
            return managers.orders(connection, wanted, offset, limit)

    @app.get("/v1/manager/orders/{order:path}", response_model=OrderDetail, **_TRADE)
    def order(request: Request, order: Id) -> OrderDetail:
        """An order of yours, with what its venue reported."""
        return _order(firm, request, order)

    @app.post("/v1/manager/orders", response_model=OrderReply, **_TRADE)
    def submit(request: Request, asked: NewTrade) -> OrderReply:
        """Submit an order; the same id with the same order again is answered the same, and done once."""
        order = NewOrder(
            id=f"{asked.account}/{asked.id}",
            account=asked.account,
            symbol=asked.symbol,
            side=Side(asked.side),
            quantity=asked.quantity,
            limit=None if asked.limit is None else money(asked.limit),
            tif=asked.tif,
            venue=asked.venue,
        )
        manager_of(request)
        with firm.desk(principal_of(request)) as desk:
            (found,) = desk.submit([order])
        if found.code == "account":
            raise ProblemError(404, "there is no such account of yours.")
        return OrderReply(order=found.order, accepted=found.accepted, code=found.code, text=found.text)

    @app.delete("/v1/manager/orders/{order:path}", response_model=OrderDetail, **_TRADE)
    def cancel(request: Request, order: Id) -> OrderDetail:
        """Ask that an order of yours ends, as far as it can."""
        _order(firm, request, order)
        with firm.desk(principal_of(request)) as desk:
            desk.cancel([order])
        return _order(firm, request, order)


def _order(firm: Firm, request: Request, name: str) -> OrderDetail:
    with firm.seen_by(manager_of(request)) as connection:
        found = managers.order(connection, name)
    if found is None:
        raise ProblemError(404, "there is no such order of yours.")
    return found


def _add_books(app: FastAPI, firm: Firm) -> None:
    @app.get("/v1/manager/positions", response_model=Positions, **_TRADE)
    def positions(request: Request, offset: Offset = 0, limit: Limit = 200) -> Positions:
        """Your positions by account and symbol, and your accounts."""
        pm = manager_of(request)
        with firm.seen_by(pm) as connection:
            return managers.positions(connection, pm, offset, limit)

    @app.get("/v1/manager/gains", response_model=Gains, **_TRADE)
    def gains(request: Request, offset: Offset = 0, limit: Limit = 200) -> Gains:
        """Profit and loss of what your accounts traded, blocks as they were allocated, at the gate's prices."""
        pm = manager_of(request)
        with firm.seen_by(pm) as connection:
            return managers.gains(connection, pm, offset, limit)

    @app.get("/v1/manager/limits", response_model=Limits, **_TRADE)
    def limits(request: Request) -> Limits:
        """Your limits, and what is used of them; the firm's are not told."""
        with firm.seen_by(manager_of(request)) as connection:
            return managers.limits(connection)


def _add_blocks(app: FastAPI, firm: Firm) -> None:
    @app.get("/v1/manager/blocks", response_model=Blocks, **_TRADE)
    def blocks(request: Request, offset: Offset = 0, limit: Limit = 200) -> Blocks:
        """Your blocks by id."""
        with firm.seen_by(manager_of(request)) as connection:
            return managers.blocks(connection, offset, limit)

    @app.get("/v1/manager/blocks/{block:path}", response_model=BlockDetail, **_TRADE)
    def block(request: Request, block: Id) -> BlockDetail:
        """A block of yours, who wants it and who has it."""
        with firm.seen_by(manager_of(request)) as connection:
            found = managers.block(connection, block)
        if found is None:
            raise ProblemError(404, "there is no such block of yours.")
        return found

    @app.post("/v1/manager/blocks", response_model=BlockReply, **_TRADE)
    def place(request: Request, asked: BlockOrder) -> BlockReply:
        """Place a block; the same id with the same block again is answered the same, and done once."""
        block = Block(
            id=f"{block_account(manager_of(request))}/{asked.id}",
            symbol=asked.symbol,
            side=Side(asked.side),
            demands=asked.demands,
            limit=None if asked.limit is None else money(asked.limit),
            rule=Rule(method=asked.method),
        )
        with firm.desk(principal_of(request)) as desk:
            found = desk.place_block(block)
        if found.code == "account":
            raise ProblemError(404, "there is no such account of yours.")
        return BlockReply(
            block=found.block,
            accepted=found.accepted,
            code=found.code,
            text=found.text,
            quantity=found.quantity,
            left_out=tuple(LeftOutRow(**asdict(each)) for each in found.left_out),
        )
