"""Ray's own processes on this machine, watched: when one dies, the work ends with a line instead of a long silence.

Ray 2.60 notices the end of its raylet after some fifteen seconds and of its control store (GCS) after a minute. It may
end the driver then, from its own code and without a word.
"""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

import psutil

from quantray.errors import ClusterError

__all__ = ["Watch"]

_OWN = ("gcs_server", "raylet")
"""What a Ray cannot do without; when an agent dies, its raylet ends itself."""
_CALL = signal.SIGUSR1
"""Calls the main thread back: SIGINT is ignored in programs that a shell started in the background."""
_POLL = 0.2
_GRACE = 5.0
"""Seconds that the main thread has to come back."""
_SHUTDOWN = 20.0
"""Seconds that Ray has to leave this process."""
_AGAIN = "run the same command again to continue from what is there."


class Watch:
    """Looks after a Ray that this process starts or joins, from before its start.

    When a process of a Ray that was started here is gone, the others are ended, and an interrupt calls the main thread
    out of whatever it waits for; ``told`` makes the error of it.

    Parameters
    ----------
    alone : this process is here for this work only. So it is ended where Ray's code does not come back, and a helper
        says why where Ray ended it, or somebody killed it.
    """

    def __init__(self, *, alone: bool = False) -> None:
        self._alone = alone
        self._own: dict[psutil.Process, str] = {}
        self._strangers, self._family = set[psutil.Process](), set[psutil.Process]()
        self._started, self._ended = threading.Event(), threading.Event()
        self._back, self._left = threading.Event(), threading.Event()
        self._lost: ClusterError | None = None
        self._looking = threading.Lock()
        self._witness: subprocess.Popen[bytes] | None = None
        self._before: signal._HANDLER = None

    def begin(self) -> None:
        """Watch from now on; called just before Ray starts."""
        if self._alone and self._witness is None:
            self._witness = _call_witness(f"error: Ray ended this program, or somebody killed it; {_AGAIN}")
        self._strangers = _offspring()
        in_main = threading.current_thread() is threading.main_thread()
        if in_main:
            # None where the last one was not set by Python.
            self._before = signal.signal(_CALL, _interrupt) or signal.SIG_DFL
        threading.Thread(target=self._run, args=(in_main,), name="quantray-watch", daemon=True).start()

    def started(self) -> None:
        """All of Ray's processes are there."""
        self._find()
        self._family = _offspring()
        self._started.set()

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Whatever is raised in the block because Ray is gone becomes a ``ClusterError`` that says so."""
        try:
            yield
        except (Exception, KeyboardInterrupt) as error:
            self._back.set()
            self._look()
            if self._lost is None:
                raise
            raise self._lost from error

    @contextlib.contextmanager
    def leaving(self) -> Iterator[None]:
        """A block that ends Ray: what dies in it is meant to."""
        self._ended.set()
        try:
            yield
        finally:
            self._left.set()
            if self._before is not None:
                signal.signal(_CALL, self._before)
                self._before = None
            self._dismiss()

    def _run(self, in_main: bool) -> None:
        while not self._ended.wait(_POLL):
            if not self._started.is_set():
                self._find()
            self._look()
            if self._lost is not None:
                break
        if self._lost is None:
            return
        if in_main and not self._back.is_set():
            signal.pthread_kill(threading.main_thread().ident or 0, _CALL)
        if not (self._back.wait(_GRACE) and self._left.wait(_SHUTDOWN)) and self._alone:
            self._dismiss()
            os.write(2, f"error: {self._lost}\n".encode())
            os._exit(1)

    def _dismiss(self) -> None:
        """The witness is not needed any more."""
        if self._witness is not None:
            self._witness.communicate(b"all is well\n")

    def _find(self) -> None:
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.Error):
                if child not in self._own and (name := child.name()) in _OWN:
                    self._own[child] = name

    def _look(self) -> None:
        with self._looking:
            if self._lost is not None or self._ended.is_set():
                return
            gone = [name for process, name in list(self._own.items()) if not _lives(process)]
            if not gone:
                return
            self._lost = ClusterError(f"Ray's process {gone[0]} died under way; {_AGAIN}")
            # Workers end with their raylet; the agents would stay for a minute, and keep the port of the next Ray's.
            for process in (self._family | self._own.keys() | _offspring()) - self._strangers:
                with contextlib.suppress(psutil.Error):
                    process.kill()


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _offspring() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _call_witness(line: str) -> "subprocess.Popen[bytes]":
    """A process that says a line once this one is gone, unless it was told that all is well."""
    command = ["/bin/sh", "-c", 'read -r word || printf "%s\\n" "$0" >&2', line]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
