"""The client: what downstream programs install to read books and to ask for what-ifs."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

import httpx2 as httpx
import pandas as pd
import pyarrow as pa

from quantray.errors import DataError, InputError, QuantrayError, first_line
from quantray.serving.schemas import ARROW, Health, Optimised, OptimiseRequest, Scheduled, ScheduleRequest

__all__ = ["BookTable", "Client", "ServiceError"]

_AGAIN = (502, 503, 504)


class ServiceError(QuantrayError):
    """The service refused or could not answer; ``status`` is its code, 0 where none came."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text, status)
        self.status = status

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, eq=False)
class BookTable:
    """A table of a book."""

    as_of: date
    version: str
    frame: pd.DataFrame
    """Indexed by symbol, or for slices by order and slice."""


class Client:
    """Reads a service; may be used as a context, which closes its connections.

    Parameters
    ----------
    address : such as ``http://127.0.0.1:8000``.
    key : ``ID.SECRET``; none where the service is open.
    seconds : to wait for an answer.
    retries : of reads that found the service busy or unreachable; what-ifs are asked for once.
    transport : for tests.
    """

    def __init__(
        self,
        address: str,
        key: str | None = None,
        *,
        seconds: float = 30.0,
        retries: int = 3,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not address.startswith(("http://", "https://")):
            raise InputError(f"{address!r} is no address of a service; write it as http://HOST:PORT.")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=address, headers=headers, timeout=seconds, transport=transport)
        self._retries, self._sleep = retries, sleep
        self._known: dict[str, tuple[str, bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def portfolio(self, day: date | str | None = None) -> BookTable:
        """The positions of a day, by default of the latest: ``sector``, ``price``, weights and shares.

        Raises
        ------
        ServiceError
            There is no such book, the key does not fit, or nobody answers.
        """
        return self._table(_path("/v1/portfolio", day), {}, ["symbol"])

    def orders(self, day: date | str | None = None, **where: str) -> BookTable:
        """The orders of a day; ``symbol=`` or ``algorithm=`` for some of them. Raises as ``portfolio``."""
        return self._pages(_path("/v1/schedule", day), {"table": "parents", **where}, ["symbol"])

    def slices(self, day: date | str | None = None, **where: str) -> BookTable:
        """The slices of a day's orders; ``symbol=``, ``venue=``, ``algorithm=`` or ``parent=`` for some of them.

        Raises as ``portfolio``.
        """
        return self._pages(_path("/v1/schedule", day), {"table": "children", **where}, ["parent", "child"])

    def forecasts(self, day: date | str) -> BookTable:
        """What a day's portfolio acts on. Raises as ``portfolio``."""
        return self._table(_path("/v1/forecasts", day), {}, ["symbol"])

    def risk(self, day: date | str) -> Mapping[str, Any]:
        """The risk of a day's portfolio. Raises as ``portfolio``."""
        return self._document(_path("/v1/risk", day))

    def regimes(self, day: date | str) -> Mapping[str, Any]:
        """The regimes of a day. Raises as ``portfolio``."""
        return self._document(_path("/v1/regimes", day))

    def attribution(self, day: date | str) -> Mapping[str, Any]:
        """What moved the NAV from the book before to that of a day. Raises as ``portfolio``."""
        return self._document(_path("/v1/attribution", day))

    def history(self) -> tuple[tuple[date, str], ...]:
        """Days with a book and its version, in order of time. Raises as ``portfolio``."""
        books = json.loads(self._read("/v1/history", {}, "application/json"))["books"]
        return tuple((date.fromisoformat(each["as_of"]), str(each["version"])) for each in books)

    def health(self) -> Health:
        """Whether a fresh book is served, and which. Raises where nobody answers."""
        answer = self._sent("GET", "/health/ready")
        try:
            return Health.model_validate_json(answer.content)
        except ValueError as error:
            raise ServiceError(
                f"{self._http.base_url} does not answer as quantray does.", answer.status_code
            ) from error

    def optimise(self, request: OptimiseRequest) -> Optimised:
        """A what-if: another portfolio, published nowhere. Raises as ``portfolio``, or where no weights fit."""
        return Optimised.model_validate_json(self._asked("/v1/optimise", request))

    def schedule(self, request: ScheduleRequest) -> Scheduled:
        """A what-if: the schedule of other trades, published nowhere. Raises as ``portfolio``, or where none fits."""
        return Scheduled.model_validate_json(self._asked("/v1/schedule", request))

    def events(self) -> Iterator[tuple[date, str]]:
        """The day and version of the served book, and of each that takes its place, as long as the service lives."""
        try:
            with self._http.stream("GET", "/v1/events", timeout=httpx.Timeout(10, read=60)) as answer:
                if answer.status_code != 200:
                    answer.read()
                    _refuse(answer)
                for line in answer.iter_lines():
                    if line.startswith("data: "):
                        said = json.loads(line.removeprefix("data: "))
                        yield date.fromisoformat(said["as_of"]), str(said["version"])
        except httpx.HTTPError as error:
            raise self._unanswered(error) from error

    def _table(self, path: str, query: Mapping[str, str], index: list[str]) -> BookTable:
        try:
            table = pa.ipc.open_stream(self._read(path, query, ARROW)).read_all()
            about = json.loads((table.schema.metadata or {})[b"quantray"])
        except (pa.ArrowException, KeyError, ValueError) as error:
            raise DataError(f"{path} of {self._http.base_url} is no table of a book: {first_line(error)}.") from error
        frame = table.to_pandas().set_index(index)
        return BookTable(date.fromisoformat(about["as_of"]), str(about["version"]), frame)

    def _pages(self, path: str, query: Mapping[str, str], index: list[str]) -> BookTable:
        """All pages of a schedule; one that changes between two pages is read again from its start."""
        parts: list[BookTable] = []
        while True:
            done = sum(len(part.frame) for part in parts)
            part = self._table(path, {**query, "offset": str(done), "limit": str(_PAGE)}, index)
            if parts and part.version != parts[0].version:
                parts = []
                continue
            parts.append(part)
            if len(part.frame) < _PAGE:
                return BookTable(part.as_of, part.version, pd.concat([each.frame for each in parts]))

    def _document(self, path: str) -> Mapping[str, Any]:
        content: Mapping[str, Any] = json.loads(self._read(path, {}, "application/json"))["content"]
        return content

    def _read(self, path: str, query: Mapping[str, str], form: str) -> bytes:
        """What is at a path; what did not change since the last time is not sent again."""
        place = f"{path}?{sorted(query.items())}#{form}"
        tag, kept = self._known.get(place, ("", b""))
        headers = {"Accept": form} | ({"If-None-Match": tag} if tag else {})
        answer = self._again(path, query, headers)
        if answer.status_code == 304:
            return kept
        _refuse(answer)
        if "etag" in answer.headers:
            self._known[place] = (answer.headers["etag"], answer.content)
        return answer.content

    def _asked(self, path: str, request: OptimiseRequest | ScheduleRequest) -> bytes:
        answer = self._sent("POST", path, json=request.model_dump(mode="json", exclude_none=True))
        _refuse(answer)
        return answer.content

    def _again(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> httpx.Response:
        for left in range(self._retries, -1, -1):
            try:
                answer = self._sent("GET", path, params=dict(query), headers=dict(headers))
            except ServiceError:
                if left == 0:
                    raise
                self._sleep(0.2 * 2 ** (self._retries - left))
                continue
            if answer.status_code not in _AGAIN or left == 0:
                return answer
            self._sleep(min(_wait(answer.headers.get("retry-after", "")), 10.0))
        raise AssertionError("the last try returns or raises")

    def _sent(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **more)
        except httpx.HTTPError as error:
            raise self._unanswered(error) from error

    def _unanswered(self, error: httpx.HTTPError) -> ServiceError:
        return ServiceError(f"{self._http.base_url} does not answer: {first_line(error)}; is it running?")


_PAGE = 10_000


def _path(place: str, day: date | str | None) -> str:
    if day is None:
        return place
    try:
        return f"{place}/{date.fromisoformat(str(day))}"
    except ValueError as error:
        raise InputError(f"{day!r} is no day; write it as 2024-03-28.") from error


def _wait(told: str) -> float:
    """Seconds that a header asks to wait, which holds seconds or a date (RFC 9110); 1 where it holds neither."""
    if told.strip().isdigit():
        return float(told)
    try:
        then = parsedate_to_datetime(told)
    except ValueError:
        return 1.0
    # A date without a zone is in UTC.
    return max((then.replace(tzinfo=then.tzinfo or UTC) - datetime.now(UTC)).total_seconds(), 0.0)


def _refuse(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    try:
        detail = str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        detail = "without a reason"
    raise ServiceError(
        f"{answer.request.url.path} was answered with {answer.status_code}: {detail}", answer.status_code
    )
