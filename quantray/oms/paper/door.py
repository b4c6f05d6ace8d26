"""The REST door of the paper venue: JSON to the book and back.

The book decides; here is only who may ask, what can be read, and waiting for news.
"""

import asyncio
import hmac
import logging
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from quantray.errors import DataError, QuantrayError, first_line
from quantray.oms.messages import NewOrder
from quantray.oms.paper.book import Answer, Book
from quantray.oms.paper.faults import Faults
from quantray.oms.paper.network import LARGEST, FaultyNetwork
from quantray.oms.wire import (
    BATCH,
    OrderSheet,
    OrdersSheet,
    read_sheet,
    report_content,
)

__all__ = ["rest_door"]

_LOG = logging.getLogger("quantray.oms")

_LONGEST_WAIT = 30.0
_HELD = 0.25
"""Seconds after which reports that were held back come even if nothing has overtaken them."""


class _Command(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _To(_Command):
    to: int | None = Field(None, ge=0)


class _Bust(_Command):
    exec_id: str


class _Correction(_Command):
    exec_id: str
    quantity: int = Field(ge=1, le=10**12)
    price: int = Field(ge=1, le=10**12)


def rest_door(book: Book, *, key: str | None = None) -> FastAPI:
    """An application that answers for a book.

    Parameters
    ----------
    key : that requests must bring as ``Authorization: Bearer KEY``; none lets everybody in, for loopback only.
    """
    door = _Door(book, key)
    app = FastAPI(title="quantray paper venue", docs_url=None, redoc_url=None, openapi_url=None)
    guarded = [Depends(door.admit)]
    for method, path, function in (
        ("POST", "/v1/orders", door.order),
        ("POST", "/v1/orders/batch", door.orders),
        ("POST", "/v1/orders/cancel", door.cancel),
        ("GET", "/v1/orders", door.status),
        ("POST", "/v1/orders/void", door.void),
        ("GET", "/v1/reports", door.reports),
        ("GET", "/v1/holdings", door.holdings),
        ("POST", "/v1/admin/advance", door.advance),
        ("GET", "/v1/admin/faults", door.faults),
        ("PUT", "/v1/admin/faults", door.set_faults),
        ("POST", "/v1/admin/bust", door.bust),
        ("POST", "/v1/admin/correct", door.correct),
        ("GET", "/health", door.health),
    ):
        app.add_api_route(path, function, methods=[method], dependencies=guarded, response_model=None)
    app.add_middleware(FaultyNetwork, book=book)
    app.exception_handler(QuantrayError)(_explained)
    app.exception_handler(_Refusal)(_refused)
    app.exception_handler(Exception)(_unforeseen)
    return app


class _Refusal(Exception):  # noqa: N818
    """A request that the book never sees."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


async def _explained(_request: Request, error: Exception) -> Response:
    # What could not be kept is 503, for the book is as it was; what cannot be done is 409.
    return JSONResponse({"code": "failed", "text": str(error)[:300]}, 503 if isinstance(error, DataError) else 409)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, _Refusal)
    return JSONResponse({"order": "", "code": "refused", "text": error.text[:300]}, error.status)


async def _unforeseen(request: Request, error: Exception) -> Response:
    _LOG.error("%s %s: %s: %s", request.method, request.url.path, type(error).__name__, first_line(error))
    return JSONResponse({"code": "failed", "text": "something went wrong here; the log tells what."}, 500)


class _Door:
    """The routes."""

    def __init__(self, book: Book, key: str | None) -> None:
        self._book, self._key = book, key
        self._queue = _Queue(book)
        self._news = asyncio.Event()
        self._listeners = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        book.watch(self._tell)

    async def admit(self, request: Request) -> None:
        self._loop = asyncio.get_running_loop()
        if self._key is None:
            return
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {self._key}".encode()):
            raise _Refusal(401, "a key is needed: Authorization: Bearer KEY")

    async def order(self, request: Request) -> Response:
        sheet = _read(OrderSheet, await _body(request))
        answer = await self._queue.submit(sheet.order())
        status = 409 if answer.code in ("duplicate", "void") else 200
        return JSONResponse(asdict(answer), status)

    async def orders(self, request: Request) -> Response:
        sheet = _read(OrdersSheet, await _body(request))
        answers = await asyncio.to_thread(self._book.submit, [one.order() for one in sheet.orders])
        return JSONResponse({"answers": [asdict(answer) for answer in answers]})

    async def cancel(self, order: str) -> Response:
        found = await asyncio.to_thread(self._book.cancel, order)
        content = {"order": order, "code": "taken" if found else "unknown", "text": ""}
        return JSONResponse(content, 200 if found else 404)

    async def status(self, order: str) -> Response:
        return await self._status(order, void=False)

    async def void(self, order: str) -> Response:
        return await self._status(order, void=True)

    async def reports(
        self,
        after: Annotated[int, Field(ge=0)] = 0,
        wait: Annotated[float, Field(ge=0, le=_LONGEST_WAIT)] = 0.0,
        limit: Annotated[int, Field(ge=1, le=BATCH)] = BATCH,
    ) -> Response:
        found = await self._next(after, wait, limit)
        stands = await asyncio.to_thread(self._book.standing)
        return JSONResponse({"last": stands.sequence, "reports": [report_content(report) for report in found]})

    async def holdings(self, account: str) -> Response:
        held = await asyncio.to_thread(self._book.holdings, account)
        return JSONResponse({"account": account, "cash": held.cash, "shares": dict(held.shares)})

    async def advance(self, request: Request) -> Response:
        asked = _read(_To, await _body(request) or b"{}")
        await asyncio.to_thread(self._book.advance, asked.to)
        return await self.health()

    async def faults(self) -> Response:
        return JSONResponse(self._book.faults.model_dump())

    async def set_faults(self, request: Request) -> Response:
        await asyncio.to_thread(self._book.set_faults, _read(Faults, await _body(request)))
        return await self.faults()

    async def bust(self, request: Request) -> Response:
        asked = _read(_Bust, await _body(request))
        return JSONResponse({"exec_id": await asyncio.to_thread(self._book.bust, asked.exec_id)})

    async def correct(self, request: Request) -> Response:
        asked = _read(_Correction, await _body(request))
        made = await asyncio.to_thread(self._book.correct, asked.exec_id, quantity=asked.quantity, price=asked.price)
        return JSONResponse({"exec_id": made})

    async def health(self) -> Response:
        return JSONResponse({"status": "open", **asdict(await asyncio.to_thread(self._book.standing))})

    async def _status(self, order: str, *, void: bool) -> Response:
        found = await asyncio.to_thread(self._book.status, order, void=void)
        if found is None:
            return JSONResponse({"order": order, "known": False})
        executions = [report_content(report) for report in found.executions]
        known = {"order": order, "known": True, "state": found.state, "filled": found.filled}
        return JSONResponse(known | {"executions": executions})

    async def _next(self, after: int, wait: float, limit: int) -> Any:
        # Before it looks: what comes after that wakes it.
        self._listeners += 1
        try:
            return await self._following(after, wait, limit)
        finally:
            self._listeners -= 1

    async def _following(self, after: int, wait: float, limit: int) -> Any:
        loop = asyncio.get_running_loop()
        until = loop.time() + wait
        while True:
            news = self._news
            if found := await asyncio.to_thread(self._book.reports, after, limit):
                return found
            left = max(until - loop.time(), 0)
            held = await asyncio.to_thread(self._book.holds_back)
            try:
                await asyncio.wait_for(news.wait(), min(left, _HELD) if held else left)
            except TimeoutError:
                if not held:
                    return found
                # Nothing came that could overtake what is held back.
                await asyncio.to_thread(self._book.release)

    def _tell(self) -> None:
        if self._loop is not None and self._listeners:
            # A loop that has ended has nobody who waits.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class _Queue:
    """Orders that come one by one share commits: whoever comes while one is written is in the next."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._waiting: list[tuple[NewOrder, asyncio.Future[Answer]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def submit(self, order: NewOrder) -> Answer:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((order, answer))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        return await answer

    async def _write(self) -> None:
        while self._waiting:
            taken, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            try:
                answers = await asyncio.to_thread(self._book.submit, [order for order, _ in taken])
            except Exception as error:  # noqa: BLE001  (all who wait are told)
                for _, future in taken:
                    future.set_exception(error)
            else:
                for (_, future), answer in zip(taken, answers, strict=True):
                    future.set_result(answer)
        self._writing = None


async def _body(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > LARGEST:
            raise _Refusal(413, f"a request of more than {LARGEST:,} bytes")
    return b"".join(parts)


def _read(sheet: Any, content: bytes) -> Any:
    try:
        return read_sheet(sheet, content)
    except ValueError as error:
        raise _Refusal(422, str(error)) from error
