"""The process that speaks FIX for a gate, which it hears through a socket that it was started with.

First comes one line of JSON with the session, then a line for each message to send, each answered by why surely
nothing left, or nothing; or a line that another file of the journal is to begin. Lines of its own say that the journal
has grown, and whether the session is logged on. It ends with the gate: another one may follow, and goes on where it
was.
"""

import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import IO, Any

from quantray.oms.fixing.engine import Engine, Session
from quantray.oms.fixing.fields import Fields
from quantray.oms.fixing.journal import Journal
from quantray.storage.files import make_folder
from quantray.storage.locks import alone

__all__ = ["Speaker", "main"]

_TO_END = 10.0
"""Seconds for logging out."""


class Speaker:
    """A session, its journal, and the socket to the gate."""

    def __init__(self, end: socket.socket, journal: Journal, session: Session) -> None:
        self._end, self._journal = end, journal
        self._lock = threading.Lock()
        self._engine = Engine(
            session, heard=self._heard, takes=("8", "9", "j"), leaves=self._leaves, changed=self._changed
        )

    def serve(self, lines: IO[bytes]) -> None:
        """Send what the gate says, in its order, until it ends."""
        for line in lines:
            # What a gate began to say when it was killed was never said.
            if not line.endswith(b"\n"):
                break
            asked = json.loads(line)
            if "turn" in asked:
                self._journal.turn(asked["turn"], asked["booked"])
                continue
            why = self._engine.send([(tag, value) for tag, value in asked["fields"]])
            self.tell({"id": asked["id"], "why": why})
        # A process that cannot log out must not keep the next one waiting.
        last = threading.Timer(_TO_END, os._exit, (1,))
        last.daemon = True
        last.start()
        self._engine.close()

    def tell(self, said: dict[str, Any]) -> None:
        """Say something to the gate, if it is still there."""
        with self._lock:
            try:
                self._end.sendall((json.dumps(said) + "\n").encode())
            except OSError:
                return

    def _heard(self, fields: Fields) -> None:
        self.tell({"line": self._journal.add("in", fields)})

    def _leaves(self, fields: Fields) -> None:
        self._journal.add("out", fields)

    def _changed(self, on: bool) -> None:
        self.tell({"on": on})


def main() -> None:
    """Speak for the gate at the other end of a socket, whose number is the argument."""
    end = socket.socket(fileno=int(sys.argv[1]))
    lines = end.makefile("rb")
    first = lines.readline()
    if not first.endswith(b"\n"):
        return
    given = json.loads(first)
    folder = Path(given["session"]["folder"])
    session = Session(**given["session"] | {"folder": folder})
    make_folder(folder)
    # One that its gate has left may still log out.
    with alone(folder, lambda: None):
        speaker = Speaker(end, Journal(folder / "journal.jsonl", after=given["after"]), session)
        # An interrupt is for the gate, whose end ends this process, too; QuickFIX had other ideas before.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        speaker.serve(lines)


if __name__ == "__main__":
    main()
