"""What all routes share: the books, the keys, the pool, and what their entries in the OpenAPI document say."""

import asyncio
from datetime import UTC, date, datetime
from typing import Any

from fastapi import Depends
from fastapi.security import HTTPBearer
from prometheus_client import CollectorRegistry, Gauge

from quantray.serving.access import SCOPE, Access
from quantray.serving.auth import KeyRing, Scope
from quantray.serving.follower import Follower, Served
from quantray.serving.problems import MEDIA, ProblemError
from quantray.serving.publish import Shelf
from quantray.serving.schemas import ARROW, Health, Problem
from quantray.serving.settings import ServiceSettings
from quantray.serving.what_ifs.pool import Pool

__all__ = ["DOCUMENT", "PROBLEMS", "TABLE", "Service", "scoped"]

PROBLEMS: dict[int | str, dict[str, Any]] = {
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
TABLE: dict[int | str, dict[str, Any]] = {
    **PROBLEMS,
    200: {"content": {ARROW: {}}, "description": "The book's table, as JSON or as an Arrow stream."},
    304: {"description": "As it was."},
}
DOCUMENT: dict[int | str, dict[str, Any]] = {**PROBLEMS, 304: {"description": "As it was."}}


class Service:
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


_BEARER = HTTPBearer(auto_error=False, description="A key as ID.SECRET; `quantray keys create` makes one.")


def scoped(scope: Scope) -> dict[str, Any]:
    """What a route says of the key that it takes; ``access.guarded`` asks for it."""
    return {"dependencies": [Depends(_BEARER)], "openapi_extra": {SCOPE: scope}}
