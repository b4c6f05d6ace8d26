"""Routes that compute on request: another portfolio, other trades."""

import asyncio

from fastapi import FastAPI
from starlette.responses import Response

from quantray.serving import representations
from quantray.serving.follower import Served
from quantray.serving.problems import ProblemError
from quantray.serving.routes.service import PROBLEMS, Service, scoped
from quantray.serving.schemas import Optimised, OptimiseRequest, Scheduled, ScheduleRequest

__all__ = ["add_what_ifs"]

_COMPUTED = {"responses": PROBLEMS, "tags": ["what-ifs"], **scoped("what-if")}


def add_what_ifs(app: FastAPI, service: Service) -> None:
    """Add the routes that compute."""

    @app.post("/v1/optimise", response_model=Optimised, **_COMPUTED)
    async def optimise(request: OptimiseRequest) -> Optimised:
        """Another portfolio for the latest book, by other forecasts and limits; nothing of it is published."""
        served = _served(service, len(request.alpha))
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

    @app.post("/v1/schedule", response_model=Scheduled, **_COMPUTED)
    async def schedule(request: ScheduleRequest) -> Response:
        """The schedule of other trades in the latest book's names; nothing of it is published."""
        served = _served(service, max(len(request.trades), len(request.weights)))
        most = service.settings.largest_schedule
        if request.most_slices > most:
            raise ProblemError(413, f"a schedule has at most {most:,} slices here; ask for fewer days or slices.")
        found = await service.pool.schedule(served.book, request)
        # There may be many slices, and reads are not to wait for them.
        content = await asyncio.to_thread(representations.scheduled, served, found)
        return Response(content, media_type="application/json")


def _served(service: Service, names: int) -> Served:
    """The latest book, if so many names are not too many."""
    served, most = service.served(None), service.settings.largest_what_if
    if max(names, served.book.tables["model"].num_rows) > most:
        raise ProblemError(413, f"a what-if has at most {most:,} names here.")
    return served
