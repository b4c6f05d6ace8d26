"""How a part of a book travels: as JSON or as an Arrow stream, or not at all where the asker has it."""

import contextlib
from collections.abc import Callable

import pyarrow as pa
from fastapi import Request
from starlette.responses import Response

from quantray.serving import representations
from quantray.serving.follower import Served
from quantray.serving.problems import ProblemError
from quantray.serving.schemas import ARROW

__all__ = ["answer"]


def answer(request: Request, served: Served, as_json: Callable[[], bytes], table: pa.Table | None = None) -> Response:
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
