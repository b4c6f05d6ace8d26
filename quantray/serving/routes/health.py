"""Routes about the service itself: whether it lives, whether a fresh book is served, and what it measured."""

from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from quantray.serving.routes.service import PROBLEMS, Service, scoped
from quantray.serving.schemas import Health

__all__ = ["add_health"]


def add_health(app: FastAPI, service: Service) -> None:
    """Add the routes that say how the service is, and that have it look for a book."""

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
            **PROBLEMS,
            200: {"content": {"text/plain": {}}, "description": "Metrics, as Prometheus reads them."},
        },
        **scoped("read"),
    )
    def metrics() -> Response:
        """Counts and times of requests, and the age of the book."""
        return Response(generate_latest(service.registry), media_type=CONTENT_TYPE_LATEST)

    @app.post("/v1/refresh", response_model=Health, responses=PROBLEMS, tags=["books"], **scoped("publish"))
    def refresh() -> Health:
        """Look for a new book now."""
        service.books.look()
        return service.health()
