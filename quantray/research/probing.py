"""Whether a service answers at an address, asked in seconds by those who will need it in hours."""

import http.client
import socket
import ssl
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from quantray.research.background import within

__all__ = ["Address", "address_of", "trouble_at"]

_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
_SECONDS = 5.0


@dataclass(frozen=True)
class Address:
    """Where a service listens, without the name and password that it is given."""

    scheme: str
    host: str
    port: int
    path: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def address_of(uri: str) -> Address | None:
    """The service that a URI names; none for files, and for what is found by other means."""
    parts = urlsplit(uri)
    scheme = parts.scheme.partition("+")[0]
    if scheme not in _PORTS or not parts.hostname:
        return None
    return Address(scheme, parts.hostname, parts.port or _PORTS[scheme], parts.path.rstrip("/"))


def trouble_at(uri: str, *, seconds: float | None = None) -> str | None:
    """Why a service cannot be used now, in words without its password; none where it answers, or cannot be asked.

    A web service is asked for its ``/health``, and whatever it says but an error of its own is an answer. Of others
    it is only seen whether they take a connection; what is reached through a proxy is not asked.

    Parameters
    ----------
    seconds : that all of it may take, from the look-up of the name to the end of the answer.
    """
    address, seconds = address_of(uri), _SECONDS if seconds is None else seconds
    if address is None or (address.scheme in getproxies() and not proxy_bypass(address.host)):
        return None
    try:
        # Limits of sockets count from byte to byte, and the look-up of a name has none.
        status = within(seconds, partial(_status, address, seconds), name="probe")
    except (OSError, http.client.HTTPException) as error:
        return f"{address} does not answer ({str(error).strip() or type(error).__name__})"
    return f"{address} answers with error {status}" if status is not None and status >= 500 else None


def _status(address: Address, seconds: float) -> int | None:
    """Of a web service's answer; none of what only takes a connection."""
    if not address.scheme.startswith("http"):
        socket.create_connection((address.host, address.port), timeout=seconds).close()
        return None
    # No secret is sent, and who answers does not matter here.
    connection = (
        http.client.HTTPConnection(address.host, address.port, timeout=seconds)
        if address.scheme == "http"
        else http.client.HTTPSConnection(
            address.host, address.port, timeout=seconds, context=ssl._create_unverified_context()
        )
    )
    try:
        connection.request("GET", f"{address.path}/health")
        return connection.getresponse().status
    finally:
        connection.close()
