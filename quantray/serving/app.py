"""The application: routes over the published books. It knows nothing of Ray; ``deployment`` puts it on Ray Serve."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI

from quantray.serving.access import guarded
from quantray.serving.auth import KeyRing
from quantray.serving.dashboard import add_dashboard
from quantray.serving.institution.firm import Firm
from quantray.serving.passage import Passage
from quantray.serving.problems import explain
from quantray.serving.publish import Shelf
from quantray.serving.routes.books import add_books
from quantray.serving.routes.events import add_events
from quantray.serving.routes.health import add_health
from quantray.serving.routes.managers import add_managers
from quantray.serving.routes.officers import add_officers
from quantray.serving.routes.operations import add_operations
from quantray.serving.routes.service import Service
from quantray.serving.routes.what_ifs import add_what_ifs
from quantray.serving.settings import ServiceSettings
from quantray.serving.what_ifs.pool import OnThreads, Pool

__all__ = ["make_app"]


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
    service = Service(settings, shelf, keys, pool or OnThreads(settings.what_ifs, settings.what_if_seconds))

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
    app.router.route_class = guarded(service.access)
    explain(app)
    add_health(app, service)
    add_books(app, service)
    add_events(app, service)
    add_what_ifs(app, service)
    if settings.orders is not None:
        firm = Firm(settings.orders)
        add_managers(app, firm)
        add_officers(app, firm)
        add_operations(app, firm)
    add_dashboard(app, orders=settings.orders is not None)
    app.add_middleware(Passage, largest_body=settings.largest_body, registry=service.registry)
    return app
