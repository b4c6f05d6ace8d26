"""The application: routes over the published books. It knows nothing of Ray; ``deployment`` puts it on Ray Serve."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa
from fastapi import Depends, FastAPI, Query, Request
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from starlette.responses import Response, StreamingResponse

from quantray.serving import representations
from quantray.serving.access import Access
from quantray.serving.auth import KeyRing
from quantray.serving.dashboard import add_dashboard
from quantray.serving.follower import Follower, Served
from quantray.serving.passage import Passage
from quantray.serving.problems import MEDIA, ProblemError, explain
from quantray.serving.publish import Shelf
from quantray.serving.schemas import (
    ARROW,
    BookEntry,
    Document,
    Forecasts,
    Health,
    History,
    Optimised,
    OptimiseRequest,
    Portfolio,
    Problem,
    Schedule,
)
from quantray.serving.settings import ServiceSettings
from quantray.serving.what_if import OnThreads, Pool

__all__ = ["make_app"]

_PAGE = 10_000
_MOST_STREAMS = 32
_HEARTBEAT = 15.0

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "content": {MEDIA: {}}, "description": what}
    for status, what in (
        (400, "The request cannot be read."),
        (401, "No valid key."),
        (403, "The key lacks the scope."),
        (404, "No such book."),
        (406, "Not to be had in that form."),
        (409, "The book does not allow it: a name that it has not, or limits that exclude each other."),
        (413, "The request is too large."),
        (422, "The request holds what cannot be."),
        (429, "Too many requests."),
        (503, "Nothing to serve now."),
    )
}
_TABLE: dict[int | str, dict[str, Any]] = {
    **_PROBLEMS,
    200: {"content": {ARROW: {}}, "description": "The book's table, as JSON or as an Arrow stream."},
    304: {"description": "As it was."},
}
_DOCUMENT: dict[int | str, dict[str, Any]] = {**_PROBLEMS, 304: {"description": "As it was."}}


class _Service:
    """What routes share."""

    def __init__(self, settings: ServiceSettings, shelf: Shelf, keys: KeyRing, pool: Pool) -> None:
        self.settings, self.pool = settings, pool
        self.books = Follower(shelf)
        self.access = Access(
            keys,
            per_minute=settings.requests_per_minute,
            failures=settings.failures_per_minute,
            everybody=settings.open,
        )
        self.registry = CollectorRegistry()
        self.streams = 0
        Gauge("quantray_book_age_seconds", "Age of the served book", registry=self.registry).set_function(self._age)

    def served(self, day: date | None) -> Served:
        """The book of a day or the latest, or a problem."""
        found = self.books.of(day)
        if found is None:
            raise ProblemError(503, "no book has been published yet.", {"Retry-After": "60"})
        return found

    def health(self) -> Health:
        """Whether what is served is whole and fresh."""
        state = self.books.look() if self.books.state.served is None else self.books.state
        served = state.served
        if served is None:
            return Health(status="not ready", problem=state.problem)
        hours = served.age(datetime.now(UTC)).total_seconds() / 3600
        stale = hours > self.settings.stale_after_hours
        said = state.problem or (f"the book is {hours:.0f} hours old" if stale else "")
        return Health(
            status="not ready" if stale else "ok",
            as_of=served.book.as_of,
            version=served.version,
            age_hours=round(hours, 2),
            problem=said,
        )

    def _age(self) -> float:
        served = self.books.state.served
        return float("nan") if served is None else served.age(datetime.now(UTC)).total_seconds()

    async def follow(self) -> None:
        """Look for new books for good."""
        while True:
            await asyncio.to_thread(self.books.look)
            await asyncio.sleep(self.settings.poll_seconds)


def make_app(settings: ServiceSettings, pool: Pool | None = None) -> FastAPI:
    """The application of some settings.

    Parameters
    ----------
    pool : where what-ifs are computed; by default on threads of this process.

    Raises
    ------
    InputError
        The address of the books cannot be one.
    """
    shelf, keys = Shelf.at(settings.books), KeyRing(Path(settings.keys))
    service = _Service(settings, shelf, keys, pool or OnThreads(settings.what_ifs, settings.what_if_seconds))

    @contextlib.asynccontextmanager
    async def living(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(service.follow())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    app = FastAPI(
        title="quantray",
        version="1",
        summary="Published books: portfolio, schedule, risk, regimes and forecasts of a day.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        lifespan=living,
    )
    explain(app)
    _add_health(app, service)
    _add_books(app, service)
    _add_what_ifs(app, service)
    add_dashboard(app)
    app.add_middleware(Passage, largest_body=settings.largest_body, registry=service.registry)
    return app


def _add_health(app: FastAPI, service: _Service) -> None:
    @app.get("/health/live", response_model=Health, tags=["health"])
    async def live() -> Health:
        """Whether the process answers."""
        return Health(status="ok")

    @app.get(
        "/health/ready",
        response_model=Health,
        tags=["health"],
        responses={503: {"model": Health, "description": "No book, or a stale one."}},
    )
    def ready() -> Response:
        """Whether a fresh book is served."""
        found = service.health()
        return Response(found.model_dump_json(), 200 if found.status == "ok" else 503, media_type="application/json")

    @app.get(
        "/metrics",
        tags=["health"],
        response_class=Response,
        responses={
            **_PROBLEMS,
            200: {"content": {"text/plain": {}}, "description": "Metrics, as Prometheus reads them."},
        },
        **_scoped(service, "read"),
    )
    def metrics() -> Response:
        """Counts and times of requests, and the age of the book."""
        return Response(generate_latest(service.registry), media_type=CONTENT_TYPE_LATEST)


def _add_books(app: FastAPI, service: _Service) -> None:
    read = _scoped(service, "read")

    @app.get("/v1/portfolio", response_model=Portfolio, responses=_TABLE, tags=["books"], **read)
    def portfolio(request: Request) -> Response:
        """The latest portfolio."""
        return _portfolio(request, service.served(None))

    @app.get("/v1/portfolio/{day}", response_model=Portfolio, responses=_TABLE, tags=["books"], **read)
    def portfolio_of(request: Request, day: date) -> Response:
        """The portfolio of a day."""
        return _portfolio(request, _of(service, day))

    @app.get("/v1/schedule", response_model=Schedule, responses=_TABLE, tags=["books"], **read)
    def schedule(request: Request, page: Annotated[_Page, Depends()]) -> Response:
        """The latest schedule: its orders, or their slices."""
        return page.answer(request, service.served(None))

    @app.get("/v1/schedule/{day}", response_model=Schedule, responses=_TABLE, tags=["books"], **read)
    def schedule_of(request: Request, day: date, page: Annotated[_Page, Depends()]) -> Response:
        """The schedule of a day."""
        return page.answer(request, _of(service, day))

    @app.get("/v1/forecasts/{day}", response_model=Forecasts, responses=_TABLE, tags=["books"], **read)
    def forecasts(request: Request, day: date) -> Response:
        """What a day's portfolio acts on."""
        served = _of(service, day)
        table = served.book.tables["forecasts"]
        return _answer(request, served, lambda: representations.forecasts(served), table)

    @app.get("/v1/risk/{day}", response_model=Document, responses=_DOCUMENT, tags=["books"], **read)
    def risk(request: Request, day: date) -> Response:
        """The risk of a day's portfolio."""
        served = _of(service, day)
        return _answer(request, served, lambda: representations.document(served, "risk"))

    @app.get("/v1/regimes/{day}", response_model=Document, responses=_DOCUMENT, tags=["books"], **read)
    def regimes(request: Request, day: date) -> Response:
        """The regimes of a day."""
        served = _of(service, day)
        return _answer(request, served, lambda: representations.document(served, "regimes"))

    @app.get("/v1/history", response_model=History, responses=_PROBLEMS, tags=["books"], **read)
    def history() -> History:
        """All days with a book."""
        return History(books=tuple(BookEntry(as_of=p.as_of, version=p.version) for p in service.books.history()))

    @app.get(
        "/v1/events",
        tags=["books"],
        response_class=StreamingResponse,
        responses={
            **_PROBLEMS,
            200: {"content": {"text/event-stream": {}}, "description": "An event for each new book."},
        },
        **read,
    )
    async def events() -> Response:
        """Server-sent events: one for the book that is served, and one whenever another takes its place."""
        if service.streams >= _MOST_STREAMS:
            raise ProblemError(503, "too many listen for events already.", {"Retry-After": "60"})
        return StreamingResponse(
            _events(service), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )


def _add_what_ifs(app: FastAPI, service: _Service) -> None:
    @app.post(
        "/v1/optimise", response_model=Optimised, responses=_PROBLEMS, tags=["what-ifs"], **_scoped(service, "what-if")
    )
    async def optimise(request: OptimiseRequest) -> Optimised:
        """Another portfolio for the latest book, by other forecasts and limits; nothing of it is published."""
        most = service.settings.largest_what_if
        served = service.served(None)
        if max(len(request.alpha), served.book.tables["model"].num_rows) > most:
            raise ProblemError(413, f"a what-if has at most {most:,} names here.")
        found = await service.pool.optimise(served.book, request)
        weights = {s: w for s, w in zip(found.symbols, found.weights.tolist(), strict=True) if w != 0.0}
        return Optimised(
            as_of=served.book.as_of,
            version=served.version,
            weights=weights,
            expected_return=found.expected_return,
            volatility=found.volatility,
            turnover=found.turnover,
        )

    @app.post("/v1/refresh", response_model=Health, responses=_PROBLEMS, tags=["books"], **_scoped(service, "publish"))
    def refresh() -> Health:
        """Look for a new book now."""
        service.books.look()
        return service.health()


class _Page:
    """What a request wants of a schedule."""

    def __init__(
        self,
        table: Literal["parents", "children"] = "parents",
        symbol: Annotated[str | None, Query(max_length=64)] = None,
        algorithm: Annotated[str | None, Query(max_length=64)] = None,
        venue: Annotated[str | None, Query(max_length=64)] = None,
        parent: Annotated[str | None, Query(max_length=64)] = None,
        offset: Annotated[int, Query(ge=0, le=100_000_000)] = 0,
        limit: Annotated[int, Query(ge=1, le=_PAGE)] = 1000,
    ) -> None:
        self._table, self._offset, self._limit = table, offset, limit
        asked = {"symbol": symbol, "algorithm": algorithm, "venue": venue, "parent": parent}
        self._wanted = {name: value for name, value in asked.items() if value is not None}

    def answer(self, request: Request, served: Served) -> Response:
        """The page."""
        found = representations.chosen(served, self._table, self._wanted)
        return _answer(
            request,
            served,
            lambda: representations.schedule(served, self._table, found, self._offset, self._limit),
            found.slice(self._offset, self._limit),
        )


def _portfolio(request: Request, served: Served) -> Response:
    table = served.book.tables["portfolio"]
    return _answer(request, served, lambda: representations.portfolio(served), table)


def _of(service: _Service, day: date) -> Served:
    if day not in service.books.days():
        raise ProblemError(404, f"no book of {day} was published; /v1/history lists what there is.")
    return service.served(day)


def _answer(request: Request, served: Served, as_json: Any, table: pa.Table | None = None) -> Response:
    """A book's part in the form that is asked for, or nothing where the asker has it."""
    form = _form(request.headers.get("accept", "*/*"), table is not None)
    tag = f'"{served.version}{"-arrow" if form == ARROW else ""}"'
    headers = {"ETag": tag, "Vary": "Accept, Authorization", "Cache-Control": "private, no-cache"}
    known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    body = representations.arrow(served, table) if form == ARROW and table is not None else as_json()
    return Response(body, media_type=form, headers=headers)


def _form(accept: str, has_table: bool) -> str:
    for wanted in sorted(accept.split(","), key=_preference):
        name = wanted.partition(";")[0].strip().lower()
        if name in ("*/*", "application/*", "application/json", ""):
            return "application/json"
        if name == ARROW and has_table:
            return ARROW
    raise ProblemError(406, f"this is to be had as application/json{f' and as {ARROW}' if has_table else ''}.")


def _preference(wanted: str) -> float:
    """What comes first is less; so is what is wanted more."""
    for part in wanted.split(";")[1:]:
        name, _, value = part.partition("=")
        if name.strip() == "q":
            with contextlib.suppress(ValueError):
                return -float(value)
    return -1.0


async def _events(service: _Service) -> AsyncIterator[bytes]:
    service.streams += 1
    try:
        last, quiet = None, 0.0
        while True:
            served = service.books.state.served
            if served is not None and served.version != last:
                last, quiet = served.version, 0.0
                said = {"as_of": str(served.book.as_of), "version": served.version}
                yield f"event: book\nid: {served.version}\ndata: {json.dumps(said)}\n\n".encode()
            elif quiet >= _HEARTBEAT:
                quiet = 0.0
                yield b": still here\n\n"
            await asyncio.sleep(min(service.settings.poll_seconds, _HEARTBEAT))
            quiet += service.settings.poll_seconds
    finally:
        service.streams -= 1


_BEARER = HTTPBearer(auto_error=False, description="A key as ID.SECRET; `quantray keys create` makes one.")


def _scoped(service: _Service, scope: Any) -> dict[str, Any]:
    """What a route says of the key that it takes."""
    return {
        "dependencies": [Depends(_BEARER), Depends(service.access.needs(scope))],
        "openapi_extra": {"x-scope": scope},
    }
