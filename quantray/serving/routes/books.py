"""Routes that read what was published: portfolios, schedules, forecasts, documents, and the days that there are."""

from datetime import date
from typing import Annotated

from fastapi import Depends, FastAPI, Query, Request
from starlette.responses import Response

from quantray.serving import representations
from quantray.serving.follower import Served
from quantray.serving.problems import ProblemError
from quantray.serving.routes.forms import answer
from quantray.serving.routes.service import DOCUMENT, PROBLEMS, TABLE, Service, scoped
from quantray.serving.schemas import BookEntry, Document, Forecasts, History, Portfolio, Schedule, ScheduleTable

__all__ = ["add_books"]

_PAGE = 10_000
_READ = scoped("read")


def add_books(app: FastAPI, service: Service) -> None:
    """Add the routes that read books."""
    _add_portfolios(app, service)
    _add_schedules(app, service)
    _add_documents(app, service)


def _add_portfolios(app: FastAPI, service: Service) -> None:
    @app.get("/v1/portfolio", response_model=Portfolio, responses=TABLE, tags=["books"], **_READ)
    def portfolio(request: Request) -> Response:
        """The latest portfolio."""
        return _portfolio(request, service.served(None))

    @app.get("/v1/portfolio/{day}", response_model=Portfolio, responses=TABLE, tags=["books"], **_READ)
    def portfolio_of(request: Request, day: date) -> Response:
        """The portfolio of a day."""
        return _portfolio(request, _of(service, day))


def _add_schedules(app: FastAPI, service: Service) -> None:
    @app.get("/v1/schedule", response_model=Schedule, responses=TABLE, tags=["books"], **_READ)
    def schedule(request: Request, page: Annotated[_Page, Depends()]) -> Response:
        """The latest schedule: its orders, their slices, or what these trade at each moment."""
        return page.answer(request, service.served(None))

    @app.get("/v1/schedule/{day}", response_model=Schedule, responses=TABLE, tags=["books"], **_READ)
    def schedule_of(request: Request, day: date, page: Annotated[_Page, Depends()]) -> Response:
        """The schedule of a day."""
        return page.answer(request, _of(service, day))


def _add_documents(app: FastAPI, service: Service) -> None:
    @app.get("/v1/forecasts/{day}", response_model=Forecasts, responses=TABLE, tags=["books"], **_READ)
    def forecasts(request: Request, day: date) -> Response:
        """What a day's portfolio acts on."""
        served = _of(service, day)
        table = served.book.tables["forecasts"]
        return answer(request, served, lambda: representations.forecasts(served), table)

    @app.get("/v1/risk/{day}", response_model=Document, responses=DOCUMENT, tags=["books"], **_READ)
    def risk(request: Request, day: date) -> Response:
        """The risk of a day's portfolio."""
        served = _of(service, day)
        return answer(request, served, lambda: representations.document(served, "risk"))

    @app.get("/v1/regimes/{day}", response_model=Document, responses=DOCUMENT, tags=["books"], **_READ)
    def regimes(request: Request, day: date) -> Response:
        """The regimes of a day."""
        served = _of(service, day)
        return answer(request, served, lambda: representations.document(served, "regimes"))

    @app.get("/v1/attribution/{day}", response_model=Document, responses=DOCUMENT, tags=["books"], **_READ)
    def attribution(request: Request, day: date) -> Response:
        """What moved the NAV from the book before to that of a day."""
        served = _of(service, day)
        return answer(request, served, lambda: representations.document(served, "attribution"))

    @app.get("/v1/history", response_model=History, responses=PROBLEMS, tags=["books"], **_READ)
    def history() -> History:
        """All days with a book."""
        return History(books=tuple(BookEntry(as_of=p.as_of, version=p.version) for p in service.books.history()))


class _Page:
    """What a request wants of a schedule."""

    def __init__(
        self,
        table: ScheduleTable = "parents",
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
        return answer(
            request,
            served,
            lambda: representations.schedule(served, self._table, found, self._offset, self._limit),
            found.slice(self._offset, self._limit),
        )


def _portfolio(request: Request, served: Served) -> Response:
    table = served.book.tables["portfolio"]
    return answer(request, served, lambda: representations.portfolio(served), table)


def _of(service: Service, day: date) -> Served:
    if day not in service.books.days():
        raise ProblemError(404, f"no book of {day} was published; /v1/history lists what there is.")
    return service.served(day)
