"""The service on Ray Serve: replicas that read, and others for what-ifs, so that neither waits for the other."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve import Application
from ray.serve.config import HTTPOptions
from ray.serve.exceptions import BackPressureError

from quantray.daily.book import Book
from quantray.distributed.cluster import connect
from quantray.errors import ClusterError, first_line
from quantray.research.terms import ClusterSettings
from quantray.serving.app import make_app
from quantray.serving.schemas import OptimiseRequest, ScheduleRequest
from quantray.serving.settings import ServiceSettings
from quantray.serving.what_ifs.optimising import Weights, optimise
from quantray.serving.what_ifs.pool import BusyError
from quantray.serving.what_ifs.scheduling import Scheduling, schedule
from quantray.settings import checked

__all__ = ["make_deployment", "served"]

_NAME = "quantray"


class _WhatIfs:
    """Computes what-ifs, one at a time in each replica."""

    def optimise(self, book: Book, request: OptimiseRequest) -> Weights:
        """As ``what_ifs.optimising.optimise``."""
        return optimise(book, request)

    def schedule(self, book: Book, request: ScheduleRequest) -> Scheduling:
        """As ``what_ifs.scheduling.schedule``."""
        return schedule(book, request)


class _OnServe:
    """What-ifs on replicas of another deployment; see ``what_ifs.pool.Pool``."""

    def __init__(self, handle: Any, seconds: float) -> None:
        self._handle, self._seconds = handle, seconds

    async def optimise(self, book: Book, request: OptimiseRequest) -> Weights:
        """As ``optimising.optimise``, or ``BusyError``."""
        found: Weights = await self._asked(self._handle.optimise, book, request)
        return found

    async def schedule(self, book: Book, request: ScheduleRequest) -> Scheduling:
        """As ``scheduling.schedule``, or ``BusyError``."""
        found: Scheduling = await self._asked(self._handle.schedule, book, request)
        return found

    async def _asked(self, method: Any, *told: object) -> Any:
        try:
            return await asyncio.wait_for(method.remote(*told), self._seconds)
        except (BackPressureError, TimeoutError):
            raise BusyError(int(self._seconds) + 1) from None


class _Books:
    """Reads books; what it serves is the application."""

    def __init__(self, settings: ServiceSettings, what_ifs: Any) -> None:
        self._settings, self._pool = settings, _OnServe(what_ifs, settings.what_if_seconds)

    def __serve_build_asgi_app__(self) -> FastAPI:
        return make_app(self._settings, self._pool)


def make_deployment(content: dict[str, Any]) -> Application:
    """The application of some settings, as ``serve deploy`` builds it from its configuration file.

    Parameters
    ----------
    content : settings by name, as ``ServiceSettings`` takes them, and ``replicas`` that read, by default 1.

    Raises
    ------
    InputError
        A setting is unknown or wrong.
    """
    replicas = int(content.get("replicas", 1))
    told = {name: value for name, value in content.items() if name != "replicas"}
    settings = checked(ServiceSettings, told, "the deployment's arguments")
    what_ifs = serve.deployment(
        name="WhatIfs",
        num_replicas=settings.what_ifs,
        max_ongoing_requests=1,
        max_queued_requests=settings.what_ifs,
        ray_actor_options={"num_cpus": 0.5},
    )(_WhatIfs)
    books = serve.deployment(
        name="Books",
        num_replicas=replicas,
        max_ongoing_requests=64,
        max_queued_requests=512,
        ray_actor_options={"num_cpus": 0.5},
        health_check_period_s=5,
        health_check_timeout_s=10,
    )(serve.ingress()(_Books))
    return books.bind(settings, what_ifs.bind())


@contextmanager
def served(settings: ServiceSettings, cluster: ClusterSettings, *, replicas: int = 1) -> Iterator[None]:
    """Serve during a block, on a Ray of this machine or on a cluster.

    Parameters
    ----------
    cluster : of kind ``local`` or ``address``.
    replicas : processes that read.

    Raises
    ------
    ClusterError
        Ray does not start, the address is taken, or the application does not start.
    """
    with connect(cluster) as executor:
        executor.put(None)
        # What it says of its own start and end is nothing to whoever waits for an address.
        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        place = f"{settings.host}:{settings.port}"
        try:
            serve.start(http_options=HTTPOptions(host=settings.host, port=settings.port))
            serve.run(make_deployment(settings.model_dump() | {"replicas": replicas}), name=_NAME, route_prefix="/")
        except (RuntimeError, ValueError, OSError) as error:
            raise ClusterError(f"the service did not start at {place}: {first_line(error)}") from error
        try:
            yield
        finally:
            # On somebody's cluster other applications may be served, too.
            if cluster.kind == "address":
                serve.delete(_NAME)
            else:
                serve.shutdown()
