"""Problems as answers: one form for all that can go wrong (RFC 9457), and never a word of how it came about."""

import json
import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from quantray.errors import InputError, QuantrayError, SolverError
from quantray.printable import printable
from quantray.serving.what_ifs.pool import BusyError

__all__ = ["MEDIA", "ProblemError", "explain", "problem"]

MEDIA = "application/problem+json"

_TITLES = {
    400: "bad request",
    401: "no valid key",
    403: "key without the scope",
    404: "not found",
    405: "method not allowed",
    406: "no such form",
    409: "not as things are",
    413: "request too large",
    422: "wrong content",
    429: "too many requests",
    500: "internal error",
    503: "not available now",
}

_LOG = logging.getLogger("quantray.serving")


class ProblemError(Exception):
    """A problem that is answered as it is."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers or {}


def problem(request_id: str, status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """The answer for a problem."""
    title = _TITLES.get(status, "problem")
    content = {
        "type": f"urn:quantray:{title.replace(' ', '-')}",
        "title": title,
        "status": status,
        "detail": printable(detail)[:600],
        "request_id": request_id,
    }
    return Response(json.dumps(content), status, headers=headers, media_type=MEDIA)


def explain(app: FastAPI) -> None:
    """Have an application answer with problems."""

    @app.exception_handler(ProblemError)
    async def _known(request: Request, error: ProblemError) -> Response:
        return problem(_id(request), error.status, error.detail, error.headers)

    @app.exception_handler(BusyError)
    async def _busy(request: Request, error: BusyError) -> Response:
        wait = {"Retry-After": str(error.seconds)}
        return problem(_id(request), 503, f"busy with other what-ifs; come again in {error.seconds} s.", wait)

    @app.exception_handler(QuantrayError)
    async def _refused(request: Request, error: QuantrayError) -> Response:
        if isinstance(error, (InputError, SolverError)):
            return problem(_id(request), 409, str(error))
        _LOG.error("request %s: %s", _id(request), error)
        return problem(_id(request), 503, "books, keys or orders cannot be read now; their owner finds why in the log.")

    @app.exception_handler(RequestValidationError)
    async def _wrong(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return problem(_id(request), 422, f"{where}: {first['msg']}")

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        return problem(_id(request), error.status_code, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def _unforeseen(request: Request, error: Exception) -> Response:
        _LOG.error("request %s: %s: %s", _id(request), type(error).__name__, printable(str(error)))
        return problem(
            _id(request), 500, "something went wrong here; its owner finds it in the log by the request's id."
        )


def _id(request: Request) -> str:
    return str(request.scope.get("quantray_request_id", "-"))
