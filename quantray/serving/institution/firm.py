"""The way from the service to the order management: its tables are read, its gate is asked by its door."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

from fastapi import Request
from sqlalchemy import Connection

from quantray.oms.changes import Actor
from quantray.oms.door import RemoteDesk
from quantray.oms.gate import ClosedError
from quantray.oms.reading import moment
from quantray.oms.walls import behind_wall
from quantray.serving.auth import Principal
from quantray.serving.problems import ProblemError
from quantray.serving.settings import OrdersSettings

__all__ = ["Firm", "manager_of", "principal_of"]


class Firm:
    """The order management of some settings; every call opens what it needs, and closes it."""

    def __init__(self, settings: OrdersSettings) -> None:
        self._settings = settings

    def seen_by(self, pm: str) -> AbstractContextManager[Connection]:
        """What a portfolio manager may see, and nothing else; raises ``DataError``."""
        return behind_wall(self._settings.database, pm)

    def seen(self) -> AbstractContextManager[Connection]:
        """Everything, for whoever oversees managers; raises ``DataError``."""
        return moment(self._settings.database)

    @contextmanager
    def desk(self, who: Principal) -> Iterator[RemoteDesk]:
        """The gate's door, for whoever holds a key; a gate that does not answer is a problem."""
        made = RemoteDesk(
            Path(self._settings.door), timeout=self._settings.door_seconds, actor=Actor(who.name, pm=who.pm)
        )
        with closing(made):
            try:
                yield made
            except ClosedError:
                raise ProblemError(
                    503, "the gate does not answer; ask whether it was done before asking again.", {"Retry-After": "10"}
                ) from None


def principal_of(request: Request) -> Principal:
    """Who calls, as their key says; nothing else of a request says so."""
    who: Principal | None = request.scope.get("quantray_principal")
    if who is None:
        raise ProblemError(401, "send a valid key as `Authorization: Bearer ID.SECRET`.")
    return who


def manager_of(request: Request) -> str:
    """The portfolio manager whose key it is."""
    pm = principal_of(request).pm
    if pm is None:
        raise ProblemError(403, "this key is no portfolio manager's; ask for one that is.")
    return pm
