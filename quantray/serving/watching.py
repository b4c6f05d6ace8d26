"""A look at a service from outside, and the alerts that it leads to."""

from quantray.serving.alerts import Alert, Alerts
from quantray.serving.client import Client, ServiceError

__all__ = ["look"]


def look(address: str, alerts: Alerts, *, client: Client | None = None) -> str:
    """Ask a service whether it is ready, and alert where it is not; what is wrong in a line, empty where nothing is.

    A service that serves a book that is too old is ``book stale``; one that serves none, or does not answer, is
    ``not ready``.
    """
    asked = client or Client(address, seconds=10)
    try:
        found = asked.health()
    except ServiceError as error:
        alerts.give(Alert("not ready", address, str(error)))
        return str(error)
    if found.status == "ok" and found.problem:
        # What is served is whole, and older than it should be.
        said = f"{address} serves {found.version}, but {found.problem}"
        alerts.give(Alert("book stale", address, said))
        return said
    if found.status == "ok":
        alerts.over("not ready", address)
        alerts.over("book stale", address)
        return ""
    stale = found.version is not None
    said = f"{address} is not ready: {found.problem}"
    alerts.give(Alert("book stale" if stale else "not ready", address, said))
    return said
