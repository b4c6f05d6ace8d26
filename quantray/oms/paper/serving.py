"""The paper venue as a process: its state locked, its doors open, its clock by command or with time."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from quantray.errors import DataError, InputError, reason
from quantray.oms.paper.book import Book
from quantray.oms.paper.door import rest_door
from quantray.oms.paper.network import TRANSPORT
from quantray.storage.files import make_folder
from quantray.storage.locks import alone

__all__ = ["listening", "locked_folder", "rest_server", "serve"]

_LOG = logging.getLogger("quantray.oms")


@contextmanager
def locked_folder(folder: Path) -> Iterator[Path]:
    """A folder for the state of one venue during a block, made where it is not there.

    Raises
    ------
    DataError
        Another process holds it, or it cannot be written.
    """

    def refuse() -> None:
        raise DataError(f"{folder} is in use by another venue; end that one, or choose another folder.")

    make_folder(folder)
    with alone(folder, refuse) as held:
        if not held:
            raise DataError(f"{folder} cannot be locked, so two venues could write it; choose another folder.")
        yield folder


def listening(host: str, port: int, *, key: str | None) -> socket.socket:
    """A socket that listens; port 0 is any that is free.

    Raises
    ------
    InputError
        Without a key, the host is not this machine.
    DataError
        The address is in use or not ours.
    """
    if key is None and not _is_loopback(host):
        raise InputError(f"without a key, {host} would let everybody trade; give a key, or bind to 127.0.0.1.")
    try:
        return socket.create_server((host, port), backlog=512)
    except OSError as error:
        raise DataError(f"{host}:{port} cannot be listened on: {reason(error)}; choose another port.") from error


def serve(book: Book, door: socket.socket, *, key: str | None = None, bar_seconds: float | None = None) -> None:
    """Answer for a book at a socket until the process is interrupted.

    Parameters
    ----------
    bar_seconds : of real time after which a bar passes; by default bars pass by command.
    """
    with suppress(KeyboardInterrupt):
        rest_server(book, key=key, bar_seconds=bar_seconds).run(sockets=[door])


def rest_server(book: Book, *, key: str | None = None, bar_seconds: float | None = None) -> uvicorn.Server:
    """The server of the REST door, not started yet; takes what ``serve`` does."""
    app = rest_door(book, key=key)
    if bar_seconds is not None:
        app.router.lifespan_context = _clock(book, bar_seconds)
    config = uvicorn.Config(
        app,
        http=_Reachable,
        lifespan="off" if bar_seconds is None else "on",
        ws="none",
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)


def _clock(book: Book, seconds: float) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async def tick() -> None:
            while True:
                await asyncio.sleep(seconds)
                try:
                    await asyncio.to_thread(book.advance)
                except DataError as error:
                    # A bar that could not be kept has not passed; it is tried again.
                    _LOG.error("%s", error)

        ticking = asyncio.create_task(tick())
        yield
        ticking.cancel()

    return lifespan


class _Reachable(AutoHTTPProtocol):  # type: ignore[misc,valid-type]
    """The server's protocol, whose requests can end their connection: faults do."""

    app: Any

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        app = self.app

        async def reached(scope: Any, receive: Any, send: Any) -> None:
            scope[TRANSPORT] = transport
            await app(scope, receive, send)

        self.app = reached


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
