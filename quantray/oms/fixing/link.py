"""The gate's end of the socket to the process that speaks FIX: started, watched, and started again when it ends."""

import json
import logging
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from quantray.errors import first_line
from quantray.oms.fixing.fields import Fields
from quantray.oms.gateways.protocol import NotSentError, UnsureError

__all__ = ["SPEAKER", "Link"]

_LOG = logging.getLogger("quantray.oms")

SPEAKER = (sys.executable, "-m", "quantray.oms.fixing.process")
_BACKOFF = (0.1, 10.0)
"""Seconds until a process that ended is started again: the first time, and the longest."""
_TO_END = 5.0
"""Seconds for logging out."""


class Link:
    """A process that speaks FIX, and messages to it, until ``close``.

    Parameters
    ----------
    command : of the process, without the socket.
    first : what it is told first.
    news : called from a thread when the journal has grown or the session was logged on or out.
    """

    def __init__(self, command: Sequence[str], first: Mapping[str, Any], news: Callable[[], None]) -> None:
        self._command, self._first, self._news = command, first, news
        self._lock = threading.Lock()
        self._end: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._waiting: dict[int, Future[str]] = {}
        self._count = 0
        self._on = False
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fix", daemon=True)
        self._thread.start()

    @property
    def logged_on(self) -> bool:
        """Whether the venue would hear what is said now."""
        return self._on

    @property
    def pid(self) -> int | None:
        """Of the process, if there is one."""
        process = self._process
        return None if process is None else process.pid

    def send(self, fields: Fields) -> "Future[str]":
        """Have a message sent.

        Returns what gives, once the process has answered, nothing or why surely nothing left, or raises
        ``UnsureError``.

        Raises
        ------
        NotSentError
            The session is not logged on.
        """
        with self._lock:
            if self._end is None or not self._on:
                raise NotSentError("the FIX session is not logged on; try again or another way.")
            self._count += 1
            answer = self._waiting[self._count] = Future[str]()
            line = json.dumps({"id": self._count, "fields": [list(each) for each in fields]}) + "\n"
            try:
                self._end.sendall(line.encode())
            except OSError as error:
                # A line that is not whole is not read; the process that does not read has to go.
                del self._waiting[self._count]
                _hang_up(self._end)
                raise NotSentError(f"the FIX process hears nothing ({first_line(error)}); try another way.") from error
            return answer

    def turn(self, least: int, booked: int) -> None:
        """Have another file of the journal begun; see ``Journal.turn``."""
        with self._lock, suppress(OSError):
            if self._end is not None:
                self._end.sendall((json.dumps({"turn": least, "booked": booked}) + "\n").encode())

    def close(self) -> None:
        """Log out and end the process."""
        self._ending.set()
        with self._lock:
            if self._end is not None:
                _hang_up(self._end)
        self._thread.join()

    def _run(self) -> None:
        pause, longest = _BACKOFF
        while not self._ending.is_set():
            try:
                worked = self._speak()
            except OSError as error:
                worked = False
                _LOG.warning("the FIX process cannot be started: %s", first_line(error))
            if self._ending.is_set():
                return
            pause = _BACKOFF[0] if worked else min(2 * pause, longest)
            _LOG.warning("the FIX process has ended; it is started again in %.1f s", pause)
            self._ending.wait(pause)

    def _speak(self) -> bool:
        """One process, from its start to its end; tells whether it was logged on."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                command = [*self._command, str(theirs.fileno())]
                process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
            # A process that stands still must not hold the gate.
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 5, 0))
            with suppress(OSError):
                ours.sendall((json.dumps(self._first) + "\n").encode())
            with self._lock:
                self._end, self._process = ours, process
                if self._ending.is_set():
                    _hang_up(ours)
            worked = self._listen(ours)
            with self._lock:
                self._end, self._on = None, False
                waiting, self._waiting = self._waiting, {}
        try:
            process.wait(_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        # After its end: whatever it had written is there.
        self._news()
        for answer in waiting.values():
            answer.set_exception(UnsureError("the FIX process ended before it answered; ask for the status."))
        return worked

    def _listen(self, ours: socket.socket) -> bool:
        worked = False
        with ours.makefile("rb") as lines:
            try:
                for line in lines:
                    said = json.loads(line)
                    if "id" in said:
                        # Without the lock, which whoever sends holds while the process does not read.
                        self._waiting.pop(said["id"]).set_result(said["why"])
                        continue
                    if "on" in said:
                        self._on = said["on"]
                        worked = worked or self._on
                    self._news()
            except (OSError, ValueError, KeyError) as error:
                _LOG.warning("the FIX process cannot be heard: %s", first_line(error))
        return worked


def _hang_up(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
